// tools/usherd/config.h: any text as usherd's configuration file gives settings within their
// bounds, which can be stated and read again, or a mistake with its line.
#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "tools/usherd/config.h"

namespace usher::fuzz {
namespace {

using usherd::Config;

constexpr std::string_view kName = "usherd.toml";
// Writer states settings as TOML.
class Writer {
 public:
  std::string text;

  void string(std::string_view key, std::string_view value) {
    text.append(key).append(" = ").append(quoted(value)).append("\n");
  }
  void integer(std::string_view key, std::int64_t value) {
    text.append(key).append(" = ").append(std::to_string(value)).append("\n");
  }
  void list(std::string_view key, const std::vector<std::string>& values) {
    text.append(key).append(" = [");
    for (const std::string& value : values) {
      text.append(quoted(value)).append(", ");
    }
    text.append("]\n");
  }

 private:
  static std::string quoted(std::string_view value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : value) {
      const auto octet = static_cast<std::uint8_t>(c);
      if (octet < 0x20 || octet == 0x7f || c == '"' || c == '\\') {
        out += "\\u00";
        out += {kDigits[octet >> 4], kDigits[octet & 0xf]};
      } else {
        out += c;
      }
    }
    return out + '"';
  }
};

// Config before any file: what is not set keeps these values.
const Config& defaults() {
  static const Config one = [] {
    Config config;
    config.ntlm = {"EXAMPLE", "WEB", "example.test", "web.example.test"};
    return config;
  }();
  return one;
}

// stated leaves out what has no text form, which is only the absence of something.
std::string stated(const Config& config) {
  Writer out;
  const auto optional = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) {
      out.string(key, value);
    }
  };
  out.list("listen.tcp", config.listen_tcp);
  out.list("listen.unix", config.listen_unix);
  out.integer("listen.unix_mode", config.unix_mode);
  optional("keytab", config.keytab);
  optional("kdc_keytab", config.kdc_keytab);
  optional("accounts", config.accounts);
  optional("replay_file", config.replay_file);
  out.string("packages", config.packages);
  out.integer("slots", config.slots);
  out.integer("connections", config.connections);
  out.integer("workers", config.workers);
  out.integer("half_open_seconds", config.half_open_seconds);
  out.integer("replay_entries", config.replay_entries);
  out.integer("ticket_entries", config.ticket_entries);
  out.integer("idle_seconds", config.idle_seconds);
  out.integer("request_seconds", config.request_seconds);
  out.integer("drain_seconds", config.drain_seconds);
  optional("connection_header", config.connection_header);
  out.string("log_level", config.log_level);
  optional("ntlm.netbios_domain", config.ntlm.netbios_domain);
  optional("ntlm.netbios_computer", config.ntlm.netbios_computer);
  optional("ntlm.dns_domain", config.ntlm.dns_domain);
  optional("ntlm.dns_computer", config.ntlm.dns_computer);
  for (const auth::PolicyRow& row : auth::policy_table()) {
    // Quoted: TOML would not have both a value and a table named policy.bindings.
    out.string("policy.\"" + std::string(row.name) + "\"",
               auth::policy_value(config.policy, row.name));
  }
  return std::move(out.text);
}

void check_bounds(const Config& config) {
  const auto within_bounds = [](std::int64_t value, std::int64_t min, std::int64_t max) {
    check(value >= min && value <= max, "a number is within its bounds");
  };
  constexpr std::int64_t kDay = 86'400;
  within_bounds(config.unix_mode, 0, 0777);
  within_bounds(config.slots, 1, kSlotCountMax);
  within_bounds(config.connections, 1, 65'536);
  within_bounds(config.workers, 1, 256);
  within_bounds(config.half_open_seconds, 1, kDay);
  within_bounds(config.replay_entries, 2048, kReplayEntryCountMax);
  within_bounds(config.ticket_entries, 8, kTicketCacheEntriesMax);
  within_bounds(config.idle_seconds, 1, kDay);
  within_bounds(config.request_seconds, 1, kDay);
  within_bounds(config.drain_seconds, 1, kDay);
  within_bounds(config.policy.skew_s, 0, kSkewSecondsMax);
  check(auth::fault_of(config.ntlm) == nullptr, "the server's names fit a CHALLENGE");
  check(!config.listen_tcp.empty() || !config.listen_unix.empty(), "somebody listens");
  check(!config.keytab.empty() || !config.accounts.empty(), "somebody can sign on");
  check(config.allow_kerberos || config.allow_ntlm, "somehow");
}

void check_accepted(const Config& config) {
  check_bounds(config);
  const std::string text = stated(config);
  Config again = defaults();
  check(usherd::read_config(again, text, std::string(kName)).empty(),
        "what was accepted can be stated");
  check(stated(again) == text && again.package == config.package &&
            again.allow_kerberos == config.allow_kerberos && again.allow_ntlm == config.allow_ntlm,
        "and says the same again");
}

void check_refused(std::string_view error, std::string_view text) {
  if (error.starts_with("nobody could sign on: ")) {
    return;  // The one mistake that is of no line.
  }
  check(error.starts_with(kName) && error.substr(kName.size()).starts_with(":"),
        "a mistake names its file");
  error.remove_prefix(kName.size() + 1);
  std::size_t line = 0;
  const char* const end = error.data() + error.size();
  const auto [at, parsed] = std::from_chars(error.data(), end, line);
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  check(parsed == std::errc{} && line >= 1 && line <= lines, "and a line of it");
  check(std::string_view(at, end).starts_with(": ") && end - at > 4, "and says what is wrong");
}

}  // namespace

void run_one(Bytes input) {
  const std::string text(input.begin(), input.end());
  Config config = defaults();
  const std::string error = usherd::read_config(config, text, std::string(kName));
  if (error.empty()) {
    check_accepted(config);
  } else {
    check_refused(error, text);
  }
}

}  // namespace usher::fuzz
