// The table of settings; settings.h says what a row means.
#include "tools/usherd/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <iterator>

namespace usherd {
namespace {

using Kind = Setting::Kind;
using Texts = std::vector<std::string>;

auto set_to(std::string Config::*member) {
  return [member](Config& config, const std::string& value) {
    config.*member = value;
    return !value.empty();
  };
}

constexpr std::string_view kNetbiosName = "a name of at most 15 characters";
constexpr std::string_view kDnsName =
    "a name, and about 130 characters at most for the two DNS names together";

auto set_name(std::string usher::auth::NtlmTarget::*member) {
  return [member](Config& config, const std::string& value) {
    config.ntlm.*member = value;
    return !value.empty() && usher::auth::fault_of(config.ntlm) == nullptr;
  };
}

auto set_within(std::int64_t Config::*member, std::int64_t min, std::int64_t max) {
  return [=](Config& config, std::int64_t value) {
    config.*member = value;
    return value >= min && value <= max;
  };
}

auto set_all(Texts Config::*member) {
  return [member](Config& config, const Texts& values) {
    config.*member = values;
    return std::ranges::none_of(values, &std::string::empty);
  };
}

// is_host_and_port: HOST:PORT with a port of 0 to 65535.
bool is_host_and_port(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos || colon == 0) {
    return false;
  }
  const std::string_view port = address.substr(colon + 1);
  std::uint16_t number = 0;  // getaddrinfo takes any number, modulo 65536.
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc{} && end == port.data() + port.size();
}

bool set_packages(Config& config, const std::string& value) {
  using usher::auth::Package;
  config.packages = value;
  config.allow_kerberos = true;
  config.allow_ntlm = true;
  std::size_t at = value.find(',');
  const std::string first = value.substr(0, at);
  if (first == "negotiate") {
    config.package = Package::kNegotiate;
  } else if (first == "kerberos") {
    config.package = Package::kKerberos;
  } else if (first == "ntlm") {
    config.package = Package::kNtlm;
  } else {
    return false;
  }
  while (at != std::string::npos) {
    const std::size_t next = value.find(',', at + 1);
    const std::string item = value.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    if (item == "!ntlm" && config.package == Package::kNegotiate) {
      config.allow_ntlm = false;
    } else if (item == "!kerberos" && config.package == Package::kNegotiate) {
      config.allow_kerberos = false;
    } else {
      return false;
    }
    at = next;
  }
  return config.allow_kerberos || config.allow_ntlm;
}

bool set_authority(Config& config, const std::string& value) {
  config.authority = value;
  return value == "winbind";
}

bool set_log_level(Config& config, const std::string& value) {
  constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warn", "error", "off"};
  config.log_level = value;
  return std::ranges::find(kLevels, value) != kLevels.end();
}

bool set_connection_header(Config& config, const std::string& value) {
  config.connection_header = value;
  const auto is_field_character = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  return !value.empty() && std::ranges::all_of(value, is_field_character);
}

constexpr std::int64_t kDay = 86'400;

std::vector<Setting> what_is_served() {
  using Target = usher::auth::NtlmTarget;
  return {
      {"listen.tcp",
       "--listen-tcp",
       Kind::kTexts,
       "a list of \"HOST:PORT\", ports from 0 to 65535",
       "listen on these; port 0 picks a free one; 127.0.0.1:8080 if nothing else is listened on",
       {},
       {},
       [](Config& config, const Texts& values) {
         config.listen_tcp = values;
         return std::ranges::all_of(values, is_host_and_port);
       }},
      {"listen.unix",
       "--listen-unix",
       Kind::kTexts,
       "a list of paths",
       "listen on these Unix sockets",
       {},
       {},
       set_all(&Config::listen_unix)},
      {"listen.unix_mode",
       "--listen-unix-mode",
       Kind::kOctal,
       "permissions from 0 to 0o777",
       "permissions of the Unix sockets",
       {},
       set_within(&Config::unix_mode, 0, 0777)},
      {"keytab", "--keytab", Kind::kText, "a path", "keytab of the services; turns Kerberos on",
       set_to(&Config::keytab)},
      {"kdc_keytab", "--kdc-keytab", Kind::kText, "a path",
       "keytab of krbtgt; verifies the KDC's signatures in PACs, too", set_to(&Config::kdc_keytab)},
      {"accounts", "--accounts", Kind::kText, "a path",
       "file of DOMAIN:user:password; turns NTLM on", set_to(&Config::accounts)},
      {"authority", "--authority", Kind::kText, "\"winbind\"",
       "whom to ask about NTLM clients that accounts does not have: the machine's domain",
       set_authority},
      {"replay_file", "--replay-file", Kind::kText, "a path",
       "file that the replay cache lies in, so that a restart forgets nothing",
       set_to(&Config::replay_file)},
      {"packages", "--packages", Kind::kText,
       "\"negotiate\", \"kerberos\" or \"ntlm\"; after \"negotiate\" \",!ntlm\" or \",!kerberos\"",
       "what is served", set_packages},
      {"connection_header", "--connection-header", Kind::kText, "a header's name",
       "header that names the client's connection, from a proxy that pools its own",
       set_connection_header},
      {"log_level", "--log-level", Kind::kText, "debug, info, warn, error or off",
       "what is logged: sign-ons are info, refusals warn", set_log_level},
      {"ntlm.netbios_domain", "--ntlm-netbios-domain", Kind::kText, kNetbiosName,
       "NetBIOS domain in NTLM challenges", set_name(&Target::netbios_domain)},
      {"ntlm.netbios_computer", "--ntlm-netbios-computer", Kind::kText, kNetbiosName,
       "NetBIOS computer in NTLM challenges", set_name(&Target::netbios_computer)},
      {"ntlm.dns_domain", "--ntlm-dns-domain", Kind::kText, kDnsName,
       "DNS domain in NTLM challenges", set_name(&Target::dns_domain)},
      {"ntlm.dns_computer", "--ntlm-dns-computer", Kind::kText, kDnsName,
       "DNS computer in NTLM challenges", set_name(&Target::dns_computer)},
  };
}

std::vector<Setting> how_much() {
  return {
      {"slots",
       "--slots",
       Kind::kInteger,
       "an integer from 1 to 1048576",
       "exchanges that may be open at once",
       {},
       set_within(&Config::slots, 1, usher::kSlotCountMax)},
      {"connections",
       "--connections",
       Kind::kInteger,
       "an integer from 1 to 65536",
       "connections of each worker",
       {},
       set_within(&Config::connections, 1, 65'536)},
      {"workers",
       "--workers",
       Kind::kInteger,
       "an integer from 1 to 256",
       "threads that serve",
       {},
       set_within(&Config::workers, 1, 256)},
      {"replay_entries",
       "--replay-entries",
       Kind::kInteger,
       "an integer from 2048 to 268435456",
       "authenticators remembered, 8 bytes each",
       {},
       set_within(&Config::replay_entries, 2048, usher::kReplayEntryCountMax)},
      {"authority_threads",
       "--authority-threads",
       Kind::kInteger,
       "an integer from 1 to 64",
       "questions the authority is asked at once",
       {},
       set_within(&Config::authority_threads, 1, usher::kAuthorityThreadsMax)},
      {"authority_questions",
       "--authority-questions",
       Kind::kInteger,
       "an integer from 2 to 4096",
       "questions to the authority that may be under way or wait",
       {},
       set_within(&Config::authority_questions, 2, 4'096)},
  };
}

std::vector<Setting> how_long() {
  return {
      {"half_open_seconds",
       "--half-open-seconds",
       Kind::kInteger,
       "an integer from 1 to 86400",
       "how long a client may take between two tokens",
       {},
       set_within(&Config::half_open_seconds, 1, kDay)},
      {"idle_seconds",
       "--idle-seconds",
       Kind::kInteger,
       "an integer from 1 to 86400",
       "how long a connection may be silent between requests",
       {},
       set_within(&Config::idle_seconds, 1, kDay)},
      {"request_seconds",
       "--request-seconds",
       Kind::kInteger,
       "an integer from 1 to 86400",
       "how long one request may take to arrive",
       {},
       set_within(&Config::request_seconds, 1, kDay)},
      {"drain_seconds",
       "--drain-seconds",
       Kind::kInteger,
       "an integer from 1 to 86400",
       "how long SIGTERM waits for requests that have begun",
       {},
       set_within(&Config::drain_seconds, 1, kDay)},
      {"authority_seconds",
       "--authority-seconds",
       Kind::kInteger,
       "an integer from 2 to 60",
       "how long the authority may take to answer",
       {},
       set_within(&Config::authority_seconds, 2, 60)},
  };
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> all = [] {
    std::vector<Setting> rows = what_is_served();
    std::ranges::move(how_much(), std::back_inserter(rows));
    std::ranges::move(how_long(), std::back_inserter(rows));
    return rows;
  }();
  return all;
}

}  // namespace usherd
