// One line in the log for every verdict: who, how, or why not. Never a token, never a key.
#pragma once

#include <spdlog/logger.h>

#include <string_view>

#include "engine/auth/replay_cache.h"
#include "engine/slots/seen_counts.h"
#include "engine/status.h"

namespace usherd {

// VerdictLog writes verdicts to a logger: sign-ons as info, refusals as warnings, legs in between
// as debug. Names come in safe form (write_safe_name), so no name can end a line.
class VerdictLog {
 public:
  explicit VerdictLog(spdlog::logger& logger) noexcept : logger_(logger) {}

  void signed_on(std::string_view mechanism, std::string_view safe_client) noexcept;
  // `claimed` is who the client said it is, in safe form, which nobody has verified; empty if it
  // did not say so.
  void refused(std::string_view scheme, const usher::Verdict& verdict, int http_status,
               std::string_view claimed) noexcept;
  // This is for what the acceptor was not asked about; `fault` is where a parser stopped, if one
  // did.
  void refused(std::string_view scheme, int http_status, std::string_view why,
               usher::ParseFault fault = {}, std::string_view claimed = {}) noexcept;
  void owes_another(std::string_view scheme) noexcept;

  // replays warns of what the replay cache has refused since the last call; `counts` is since its
  // start. For one thread.
  void replays(const usher::ReplayCounts& counts) noexcept;

  // tickets tells, as info, what the ticket cache was good for since the last call, if anything
  // was looked for there; `counts` is since its start. For the same thread.
  void tickets(const usher::SeenCounts& counts) noexcept;

 private:
  spdlog::logger& logger_;
  usher::ReplayCounts replays_;
  usher::SeenCounts tickets_;
};

// text_of names what a parser found wrong.
[[nodiscard]] std::string_view text_of(usher::ParseCode code) noexcept;

}  // namespace usherd
