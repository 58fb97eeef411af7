// What an operator may decide, each with one name everywhere: TOML key, --policy, API.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/limits.h"

namespace usher::auth {

struct Policy {
  std::int64_t skew_s = 300;     // kerberos.skew: how far clocks may be apart (RFC 4120 3.2.3).
  bool check_replays = true;     // kerberos.replay
  bool ntlm_mic_always = false;  // ntlm.mic: "always" refuses clients that announce no MIC.
};

// PolicyRow is one line of the table that README, --help and set_policy share.
struct PolicyRow {
  std::string_view name;
  std::string_view values;  // As people read them; the first is the default.
  std::string_view meaning;
};
[[nodiscard]] std::span<const PolicyRow> policy_table() noexcept;

// set_policy changes one entry. Returns an empty string, or what was expected instead. At start and
// at reload only: it allocates.
[[nodiscard]] std::string set_policy(Policy& policy, std::string_view name, std::string_view value);

}  // namespace usher::auth
