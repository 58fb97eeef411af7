// The table of settings; settings.h says what a row means.
#include "tools/usherd/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <iterator>
#include <utility>

#include "engine/slots/seen_set.h"

namespace usherd {
namespace {

using Kind = Setting::Kind;
using Texts = std::vector<std::string>;

// The kinds of rows. What a row takes in a way of its own is `set`.
struct Named {
  std::string_view key;
  std::string_view flag;
};

using SetText = std::function<bool(Config&, const std::string&)>;
Setting text(Named named, std::string_view expected, std::string_view meaning,
             std::string Config::*member, SetText set = {}) {
  const SetText set_any = [member](Config& config, const std::string& value) {
    config.*member = value;
    return !value.empty();
  };
  return {.key = named.key,
          .flag = named.flag,
          .kind = Kind::kText,
          .expected = expected,
          .meaning = meaning,
          .set_text = set ? std::move(set) : set_any,
          .value = [member](const Config& config) { return config.*member; }};
}

// name is one of the server's in NTLM challenges.
Setting name(Named named, std::string_view expected, std::string_view meaning,
             std::string usher::auth::NtlmTarget::*member) {
  return {.key = named.key,
          .flag = named.flag,
          .kind = Kind::kText,
          .expected = expected,
          .meaning = meaning,
          .set_text =
              [member](Config& config, const std::string& value) {
                config.ntlm.*member = value;
                return !value.empty() && usher::auth::fault_of(config.ntlm) == nullptr;
              },
          .value = [member](const Config& config) { return config.ntlm.*member; }};
}

struct Bounds {
  std::int64_t min;
  std::int64_t max;
};
Setting integer(Named named, std::string_view expected, std::string_view meaning,
                std::int64_t Config::*member, Bounds bounds) {
  return {.key = named.key,
          .flag = named.flag,
          .kind = Kind::kInteger,
          .expected = expected,
          .meaning = meaning,
          .set_integer =
              [=](Config& config, std::int64_t value) {
                config.*member = value;
                return value >= bounds.min && value <= bounds.max;
              },
          .value = [member](const Config& config) { return std::to_string(config.*member); }};
}

Setting octal(Named named, std::string_view expected, std::string_view meaning,
              std::int64_t Config::*member, Bounds bounds) {
  Setting row = integer(named, expected, meaning, member, bounds);
  row.kind = Kind::kOctal;
  row.value = [member](const Config& config) {
    std::array<char, 22> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), config.*member, 8).ptr;
    return "0o" + std::string(digits.data(), end);
  };
  return row;
}

Setting texts(Named named, std::string_view expected, std::string_view meaning,
              Texts Config::*member, bool (*is_good)(const std::string&)) {
  return {.key = named.key,
          .flag = named.flag,
          .kind = Kind::kTexts,
          .expected = expected,
          .meaning = meaning,
          .set_texts =
              [=](Config& config, const Texts& values) {
                config.*member = values;
                return std::ranges::all_of(values, is_good);
              },
          .value =
              [member](const Config& config) {
                std::string all;
                for (const std::string& one : config.*member) {
                  all.append(all.empty() ? "" : " ").append(one);
                }
                return all;
              }};
}

constexpr std::string_view kNetbiosName = "a name of at most 15 characters";
constexpr std::string_view kDnsName =
    "a name, and about 130 characters at most for the two DNS names together";

bool is_given(const std::string& text) { return !text.empty(); }

// is_host_and_port: HOST:PORT with a port of 0 to 65535.
bool is_host_and_port(const std::string& text) {
  const std::string_view address = text;
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

std::vector<Setting> what_is_served() {
  using Target = usher::auth::NtlmTarget;
  return {
      texts({"listen.tcp", "--listen-tcp"}, "a list of \"HOST:PORT\", ports from 0 to 65535",
            "listen on these; port 0 picks a free one; the default unless anything else is "
            "listened on",
            &Config::listen_tcp, is_host_and_port),
      texts({"listen.unix", "--listen-unix"}, "a list of paths", "listen on these Unix sockets",
            &Config::listen_unix, is_given),
      octal({"listen.unix_mode", "--listen-unix-mode"}, "permissions from 0 to 0o777",
            "permissions of the Unix sockets", &Config::unix_mode, {0, 0777}),
      text({"keytab", "--keytab"}, "a path", "keytab of the services; turns Kerberos on",
           &Config::keytab),
      text({"kdc_keytab", "--kdc-keytab"}, "a path",
           "keytab of krbtgt; verifies the KDC's signatures in PACs, too", &Config::kdc_keytab),
      text({"accounts", "--accounts"}, "a path", "file of DOMAIN:user:password; turns NTLM on",
           &Config::accounts),
      text({"authority", "--authority"}, "\"winbind\"",
           "whom to ask about NTLM clients that accounts does not have: the machine's domain",
           &Config::authority, set_authority),
      text({"replay_file", "--replay-file"}, "a path",
           "file that the replay cache lies in, so that a restart forgets nothing",
           &Config::replay_file),
      text({"packages", "--packages"},
           "\"negotiate\", \"kerberos\" or \"ntlm\"; after \"negotiate\" \",!ntlm\" or "
           "\",!kerberos\"",
           "what is served", &Config::packages, set_packages),
      text({"connection_header", "--connection-header"}, "a header's name",
           "header that names the client's connection, from a proxy that pools its own",
           &Config::connection_header, set_connection_header),
      text({"log_level", "--log-level"}, "debug, info, warn, error or off",
           "what is logged: sign-ons are info, refusals warn", &Config::log_level, set_log_level),
      name({"ntlm.netbios_domain", "--ntlm-netbios-domain"}, kNetbiosName,
           "NetBIOS domain in NTLM challenges", &Target::netbios_domain),
      name({"ntlm.netbios_computer", "--ntlm-netbios-computer"}, kNetbiosName,
           "NetBIOS computer in NTLM challenges", &Target::netbios_computer),
      name({"ntlm.dns_domain", "--ntlm-dns-domain"}, kDnsName, "DNS domain in NTLM challenges",
           &Target::dns_domain),
      name({"ntlm.dns_computer", "--ntlm-dns-computer"}, kDnsName,
           "DNS computer in NTLM challenges", &Target::dns_computer),
  };
}

std::vector<Setting> how_much() {
  return {
      integer({"slots", "--slots"}, "an integer from 1 to 1048576",
              "exchanges that may be open at once", &Config::slots, {1, usher::kSlotCountMax}),
      integer({"connections", "--connections"}, "an integer from 1 to 65536",
              "connections of each worker", &Config::connections, {1, 65'536}),
      integer({"workers", "--workers"}, "an integer from 1 to 256", "threads that serve",
              &Config::workers, {1, 256}),
      integer({"replay_entries", "--replay-entries"}, "an integer from 2048 to 268435456",
              "authenticators remembered, 8 bytes each", &Config::replay_entries,
              {2048, usher::kReplayEntryCountMax}),
      integer({"ticket_entries", "--ticket-entries"}, "an integer from 8 to 1048576",
              "opened tickets remembered, at most 26 KiB each; the policy kerberos.ticket-cache "
              "turns it off",
              &Config::ticket_entries, {usher::kSeenWays, usher::kTicketCacheEntriesMax}),
      integer({"authority_threads", "--authority-threads"}, "an integer from 1 to 64",
              "questions the authority is asked at once", &Config::authority_threads,
              {1, usher::kAuthorityThreadsMax}),
      integer({"authority_questions", "--authority-questions"}, "an integer from 2 to 4096",
              "questions to the authority that may be under way or wait",
              &Config::authority_questions, {2, 4'096}),
  };
}

std::vector<Setting> how_long() {
  constexpr std::string_view kSeconds = "an integer from 1 to 86400";
  constexpr Bounds kWithinADay{1, 86'400};
  return {
      integer({"half_open_seconds", "--half-open-seconds"}, kSeconds,
              "how long a client may take between two tokens", &Config::half_open_seconds,
              kWithinADay),
      integer({"idle_seconds", "--idle-seconds"}, kSeconds,
              "how long a connection may be silent between requests", &Config::idle_seconds,
              kWithinADay),
      integer({"request_seconds", "--request-seconds"}, kSeconds,
              "how long one request may take to arrive", &Config::request_seconds, kWithinADay),
      integer({"drain_seconds", "--drain-seconds"}, kSeconds,
              "how long SIGTERM waits for requests that have begun", &Config::drain_seconds,
              kWithinADay),
      integer({"authority_seconds", "--authority-seconds"}, "an integer from 2 to 60",
              "how long the authority may take to answer", &Config::authority_seconds, {2, 60}),
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
