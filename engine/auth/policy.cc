#include "engine/auth/policy.h"

#include <array>
#include <charconv>

#include "engine/limits.h"

namespace usher::auth {
namespace {

constexpr std::array kTable = {
    PolicyRow{"kerberos.skew", "300", "seconds that clocks may be apart (at most 86400)"},
    PolicyRow{"kerberos.replay", "on | off", "refuse authenticators that were seen before"},
    PolicyRow{"ntlm.mic", "when-announced | always",
              "whether NTLM clients that announce no MIC are served"},
};

bool set_choice(bool& target, std::string_view value, std::string_view off, std::string_view on) {
  if (value != off && value != on) {
    return false;
  }
  target = value == on;
  return true;
}

bool set_skew(std::int64_t& skew_s, std::string_view value) {
  std::int64_t seconds = 0;
  const char* const end = value.data() + value.size();
  const auto [parsed, error] = std::from_chars(value.data(), end, seconds);
  if (error != std::errc{} || parsed != end || seconds < 0 || seconds > kSkewSecondsMax) {
    return false;
  }
  skew_s = seconds;
  return true;
}

}  // namespace

std::span<const PolicyRow> policy_table() noexcept { return kTable; }

std::string set_policy(Policy& policy, std::string_view name, std::string_view value) {
  bool good = false;
  if (name == "kerberos.skew") {
    good = set_skew(policy.skew_s, value);
  } else if (name == "kerberos.replay") {
    good = set_choice(policy.check_replays, value, "off", "on");
  } else if (name == "ntlm.mic") {
    good = set_choice(policy.ntlm_mic_always, value, "when-announced", "always");
  }
  if (good) {
    return {};
  }
  std::string expected = "expected";
  for (const PolicyRow& row : kTable) {
    if (row.name == name) {
      return expected.append(" ").append(row.values).append(": ").append(row.meaning);
    }
  }
  expected = "no such policy; there are";
  for (const PolicyRow& row : kTable) {
    expected.append(" ").append(row.name);
  }
  return expected;
}

}  // namespace usher::auth
