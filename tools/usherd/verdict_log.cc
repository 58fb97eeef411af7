// What a verdict looks like in the log; verdict_log.h says what is promised.
#include "tools/usherd/verdict_log.h"

#include <algorithm>
#include <array>

namespace usherd {
namespace {

// spdlog formats string_view of the standard library only through fmt's own.
fmt::string_view text(std::string_view text) noexcept { return {text.data(), text.size()}; }

}  // namespace

std::string_view text_of(usher::ParseCode code) noexcept {
  switch (code) {
    case usher::ParseCode::kOk:
      return "nothing";
    case usher::ParseCode::kTruncated:
      return "truncated";
    case usher::ParseCode::kUnexpectedTag:
      return "unexpected element";
    case usher::ParseCode::kBadLength:
      return "bad length";
    case usher::ParseCode::kTrailingBytes:
      return "trailing bytes";
    case usher::ParseCode::kBadValue:
      return "bad value";
    case usher::ParseCode::kOutOfBounds:
      return "points outside the message";
  }
  return "unknown";
}

void VerdictLog::signed_on(std::string_view mechanism, std::string_view safe_client) noexcept {
  logger_.info("signed on mech={} client={}", text(mechanism), text(safe_client));
}

void VerdictLog::refused(std::string_view scheme, const usher::Verdict& verdict, int http_status,
                         std::string_view claimed) noexcept {
  refused(scheme, http_status, usher::text_of(verdict.status), verdict.fault, claimed);
}

void VerdictLog::refused(std::string_view scheme, int http_status, std::string_view why,
                         usher::ParseFault fault, std::string_view claimed) noexcept {
  std::array<char, 64> place;
  std::size_t place_size = 0;
  if (fault.code != usher::ParseCode::kOk) {
    place_size = fmt::format_to_n(place.begin(), place.size(), " ({} at byte {})",
                                  text(text_of(fault.code)), fault.offset)
                     .size;
  }
  // The name stands last: whatever is in it, it does not look like a part of the verdict.
  const std::string_view before_name = claimed.empty() ? "" : "; unverified client=";
  logger_.warn("refused scheme={} http={}: {}{}{}{}", text(scheme), http_status, text(why),
               text({place.data(), std::min(place_size, place.size())}), text(before_name),
               text(claimed));
}

void VerdictLog::owes_another(std::string_view scheme) noexcept {
  logger_.debug("continue scheme={}", text(scheme));
}

void VerdictLog::replays(const usher::ReplayCounts& counts) noexcept {
  if (counts.full != replays_.full) {
    logger_.warn("replay cache: no room for {} authenticators, raise replay_entries",
                 counts.full - replays_.full);
  }
  if (counts.unknown != replays_.unknown) {
    logger_.warn("replay cache: refused {} authenticators of a time whose entries may be lost",
                 counts.unknown - replays_.unknown);
  }
  if (counts.replays != replays_.replays) {
    logger_.warn("replay cache: recognised {} replays", counts.replays - replays_.replays);
  }
  replays_ = counts;
}

void VerdictLog::tickets(const usher::SeenCounts& counts) noexcept {
  usher::SeenCounts news = counts;
  news -= tickets_;
  if (news.hits + news.misses != 0) {
    logger_.info(
        "ticket cache: found {} of {} tickets, remembered {}, {} of them in another's place, no "
        "room for {}",
        news.hits, news.hits + news.misses, news.admitted, news.evicted, news.no_room);
  }
  tickets_ = counts;
}

}  // namespace usherd
