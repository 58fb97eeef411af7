#include "engine/local_time.h"

#include <time.h>

#include <algorithm>
#include <span>

namespace usher {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kBefore = 366 * kDay;  // A renewed ticket may have begun long ago.
constexpr std::int64_t kAfter = 20 * 366 * kDay;
constexpr std::int64_t kStep = 7 * kDay;  // No zone changes and changes back within a week.

std::int64_t ask(std::int64_t unix_s) noexcept {
  const auto moment = static_cast<time_t>(unix_s);
  tm broken{};
  return ::localtime_r(&moment, &broken) == nullptr ? 0 : std::int64_t{broken.tm_gmtoff};
}

// find_change is the first moment after `before` that is not as far ahead as that, which `after`,
// later, is not.
std::int64_t find_change(std::int64_t before, std::int64_t after) noexcept {
  const std::int64_t ahead_s = ask(before);
  while (after - before > 1) {
    const std::int64_t middle = before + (after - before) / 2;
    (ask(middle) == ahead_s ? before : after) = middle;
  }
  return after;
}

}  // namespace

LocalTime LocalTime::make(std::int64_t now_s) noexcept {
  ::tzset();
  LocalTime local;
  std::int64_t at = now_s - kBefore;
  local.periods_[0] = {at, ask(at)};
  while (at < now_s + kAfter && local.count_ < kPeriodsMax) {
    const std::int64_t next = at + kStep;
    if (ask(next) != local.periods_[local.count_ - 1].ahead_s) {
      const std::int64_t change = find_change(at, next);
      local.periods_[local.count_++] = {change, ask(change)};
    }
    at = next;
  }
  return local;
}

std::int64_t LocalTime::ahead_s(std::int64_t unix_s) const noexcept {
  const std::span<const Period> periods = std::span(periods_).first(count_);
  const auto later = std::ranges::upper_bound(periods, unix_s, {}, &Period::from_s);
  return later == periods.begin() ? periods.front().ahead_s : (later - 1)->ahead_s;
}

}  // namespace usher
