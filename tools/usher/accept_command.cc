// `usher accept`: replays recorded exchanges through the acceptor and says what came of them.
#include "tools/usher/accept_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ostream>

#include "engine/auth/accounts.h"
#include "engine/auth/policy.h"
#include "engine/crypto/key_ring.h"
#include "engine/crypto/kit.h"
#include "parsers/der.h"
#include "tools/usher/names.h"
#include "tools/usher/replay.h"
#include "tools/usher/text.h"
#include "tools/usher/tree.h"
#include "tools/usher/usage_error.h"

namespace usher::cli {
namespace {

std::string_view status_name(Status status) {
  switch (status) {
#define USHER_STATUS_NAME(name, sspi, text) \
  case Status::name:                        \
    return #sspi;
    USHER_STATUS_LIST(USHER_STATUS_NAME)
#undef USHER_STATUS_NAME
  }
  return {};
}

// seconds_of reads "2026-11-20T09:17:00Z", the form of RFC 3339 that times are printed in too.
std::int64_t seconds_of(const std::string& text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:ddZ";
  bool good = text.size() == kShape.size();
  std::string digits;
  for (std::size_t i = 0; good && i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    good = kShape[i] == 'd' ? is_digit : text[i] == kShape[i];
    if (is_digit) {
      digits += text[i];
    }
  }
  std::int64_t seconds = 0;
  if (!good || !der::parse_time(bytes_of(digits + "Z"), seconds)) {
    throw UsageError(
        fmt::format("--at {}: expected UTC as in 2026-11-20T09:17:00Z (RFC 3339)", text));
  }
  return seconds;
}

auth::Policy policy_of(const AcceptOptions& options) {
  auth::Policy policy;
  const auto set = [&](std::string_view name, std::string_view value, std::string_view given) {
    if (const std::string error = auth::set_policy(policy, name, value); !error.empty()) {
      throw UsageError(fmt::format("{}: {}", given, error));
    }
  };
  for (const std::string& given : options.policies) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos) {
      throw UsageError(fmt::format("--policy {}: expected NAME=VALUE", given));
    }
    const std::string_view view = given;
    set(view.substr(0, equals), view.substr(equals + 1), "--policy " + given);
  }
  if (options.clock_skew_s) {
    const std::string value = std::to_string(*options.clock_skew_s);
    set("kerberos.skew", value, "--clock-skew " + value);
  }
  if (policy.skew_s > kSkewSecondsMax) {
    throw UsageError(fmt::format("a clock skew of {} s: at most {} can be kept free of replays",
                                 policy.skew_s, kSkewSecondsMax));
  }
  if (const char* const wrong = auth::fault_of(policy); wrong != nullptr) {
    throw UsageError(wrong);
  }
  return policy;
}

std::unique_ptr<Credential> credential_of(const AcceptOptions& options) {
  if (options.keytab.empty() && options.accounts.empty()) {
    throw UsageError(
        "nothing to accept with: give --keytab FILE for Kerberos, --accounts FILE for NTLM, or "
        "both");
  }
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  if (kit == nullptr) {
    throw UsageError("OpenSSL lacks an algorithm: are its default and legacy providers installed?");
  }
  auto keys = std::make_unique<auth::Keys>();
  if (!options.keytab.empty()) {
    crypto::KeyRing::Loaded loaded = crypto::KeyRing::load_keytab(*kit, options.keytab);
    if (loaded.ring == nullptr) {
      throw UsageError(loaded.error);
    }
    keys->ring = std::move(loaded.ring);
  }
  if (!options.kdc_keytab.empty()) {
    crypto::KeyRing::Loaded loaded = crypto::KeyRing::load_kdc_keytab(*kit, options.kdc_keytab);
    if (loaded.ring == nullptr) {
      throw UsageError(loaded.error);
    }
    keys->kdc_ring = std::move(loaded.ring);
  }
  if (!options.accounts.empty()) {
    auth::Accounts::Loaded loaded = auth::Accounts::load_file(*kit, options.accounts);
    if (loaded.accounts == nullptr) {
      throw UsageError(loaded.error);
    }
    keys->accounts = std::move(loaded.accounts);
  }
  auto credential = std::make_unique<Credential>(auth::Package::kNegotiate, std::move(keys));
  credential->policy = policy_of(options);
  return credential;
}

// octets_of reads --bindings.
std::vector<std::uint8_t> octets_of(const std::string& hex) {
  std::vector<std::uint8_t> octets(hex.size() / 2);
  bool good = !hex.empty() && hex.size() % 2 == 0;
  for (std::size_t i = 0; good && i < octets.size(); ++i) {
    const char* const begin = hex.data() + 2 * i;
    good = std::from_chars(begin, begin + 2, octets[i], 16).ptr == begin + 2;
  }
  if (!good) {
    throw UsageError(fmt::format(
        "--bindings '{}': expected application data in hex, \"tls-server-end-point:\" and a hash",
        hex));
  }
  return octets;
}

std::string_view name_of(auth::BindingResult result) {
  switch (result) {
    case auth::BindingResult::kUnchecked:
      break;
    case auth::BindingResult::kMatched:
      return "matched";
    case auth::BindingResult::kProxied:
      return "proxied";
    case auth::BindingResult::kAbsentAllowed:
      return "absent";
    case auth::BindingResult::kAbsent:
      return "missing";
    case auth::BindingResult::kMismatched:
      return "mismatched";
  }
  return "";
}

// exchange_of reads a transcript, or a single token in any form `usher decode` takes.
std::vector<Piece> exchange_of(const std::string& file) {
  std::vector<Piece> pieces = parse_input(read_file(file), file).pieces;
  std::erase_if(pieces, [](const Piece& piece) { return piece.offer; });
  for (const Piece& piece : pieces) {
    if (piece.base64.code != ParseCode::kOk) {
      throw UsageError(
          fmt::format("{}:{}: bad base64 at its byte {}", file, piece.line, piece.base64.offset));
    }
  }
  const bool any = std::ranges::any_of(
      pieces, [](const Piece& piece) { return piece.direction != Direction::kServerToClient; });
  if (!any) {
    throw UsageError(fmt::format("{}: no token of a client in it (c2s HEX)", file));
  }
  return pieces;
}

std::string why(const Outcome& outcome) {
  const Verdict& verdict = outcome.verdict();
  std::string text{text_of(verdict.status)};
  if (verdict.status == Status::kContinue) {
    return text + ", but the transcript ends here";
  }
  if (verdict.fault.code != ParseCode::kOk) {
    text += fmt::format(": {} at byte {}", words_of(verdict.fault.code), verdict.fault.offset);
  }
  if (outcome.unused > 0) {
    text += fmt::format(" ({} more of the client's tokens not replayed)", outcome.unused);
  }
  return text;
}

std::string_view package_name(const Client& client) { return client.ntlm ? "NTLM" : "Kerberos"; }

// PacSignatureName is a signature and what it is called in JSON.
struct PacSignatureName {
  auth::PacSignature bit;
  const char* name;
};
constexpr std::array kPacSignatures = {
    PacSignatureName{auth::kPacServer, "server_signature"},
    PacSignatureName{auth::kPacKdc, "kdc_signature"},
    PacSignatureName{auth::kPacTicket, "ticket_signature"},
    PacSignatureName{auth::kPacFull, "full_signature"},
};

// signature_state is "ok", "absent", or "not verified" where no key of the KDC was given.
std::string_view signature_state(const PacFacts& pac, auth::PacSignature bit) {
  if ((pac.signatures & bit) != 0) {
    return "ok";
  }
  const bool absent = (bit == auth::kPacTicket && !pac.has_ticket_signature) ||
                      (bit == auth::kPacFull && !pac.has_full_signature);
  return absent ? "absent" : "not verified";
}

Json pac_report(const PacFacts& pac) {
  Json out{{"groups", pac.groups}};
  if (!pac.extra_sids.empty()) {
    out["extra_sids"] = pac.extra_sids;
  }
  if (!pac.resource_groups.empty()) {
    out["resource_groups"] = pac.resource_groups;
  }
  const auto put = [&out](const char* key, const std::string& text) {
    if (!text.empty()) {
      out[key] = text;
    }
  };
  put("logon_name", pac.logon_name);
  put("full_name", pac.full_name);
  put("domain", pac.domain);
  put("dns_domain", pac.dns_domain);
  put("upn", pac.upn);
  put("logon_server", pac.logon_server);
  put("sid", pac.user_sid);
  put("primary_group", pac.primary_group_sid);
  for (const PacSignatureName& signature : kPacSignatures) {
    out[signature.name] = signature_state(pac, signature.bit);
  }
  if (pac.has_client_claims || pac.has_device_claims) {
    out["claims"] = Json{{"client", pac.has_client_claims}, {"device", pac.has_device_claims}};
  }
  return out;
}

std::string pac_text(const PacFacts& pac) {
  std::string text = fmt::format("  PAC: {}", pac.logon_name);
  if (!pac.user_sid.empty()) {
    text += fmt::format(", {}", pac.user_sid);
  }
  if (!pac.upn.empty()) {
    text += fmt::format(", {}", pac.upn);
  }
  text += fmt::format(", {} groups, {} extra SIDs", pac.groups.size() + pac.resource_groups.size(),
                      pac.extra_sids.size());
  for (const PacSignatureName& signature : kPacSignatures) {
    std::string name = signature.name;
    std::ranges::replace(name, '_', ' ');
    text += fmt::format(", {} {}", name, signature_state(pac, signature.bit));
  }
  return text + '\n';
}

Json report(const std::string& file, const Outcome& outcome) {
  Json legs = Json::array();
  for (const Leg& leg : outcome.legs) {
    legs.push_back({{"status", status_name(leg.verdict.status)}, {"reply_size", leg.reply_size}});
  }
  Json out{
      {"file", file}, {"legs", std::move(legs)}, {"status", status_name(outcome.verdict().status)}};
  if (const std::string_view bindings = name_of(outcome.bindings); !bindings.empty()) {
    out["bindings"] = bindings;
  }
  if (!outcome.client) {
    out["why"] = why(outcome);
    return out;
  }
  const Client& client = *outcome.client;
  out["package"] = package_name(client);
  out["client"] = client.name;
  if (!client.ntlm) {
    out["server"] = client.service;
    out["etype"] = client.ticket_etype;
  }
  out["attributes"] = attribute_names(client.flags);
  if (client.expires_s != 0) {
    out["expires"] = utc(client.expires_s);
  }
  if (client.pac) {
    out["pac"] = pac_report(*client.pac);
  }
  return out;
}

std::string report_text(const std::string& file, const Outcome& outcome) {
  std::string text;
  for (std::size_t i = 0; i < outcome.legs.size(); ++i) {
    const Leg& leg = outcome.legs[i];
    text += fmt::format("  leg {}, line {}: {} bytes, {}, reply {} bytes\n", i + 1, leg.line,
                        leg.size, status_name(leg.verdict.status), leg.reply_size);
  }
  text += fmt::format("{}: {}", file, status_name(outcome.verdict().status));
  if (!outcome.client) {
    return text + fmt::format(": {}\n", why(outcome));
  }
  const Client& client = *outcome.client;
  text += fmt::format(", {}, {}", package_name(client), client.name);
  if (!client.ntlm) {
    text += fmt::format(" for {}", client.service);
  }
  if (const std::string_view bindings = name_of(outcome.bindings); !bindings.empty()) {
    text += fmt::format(", bindings {}", bindings);
  }
  text += '\n';
  if (const FlagNames names = attribute_names(client.flags); !names.empty()) {
    text += fmt::format("  attributes: {}\n", fmt::join(names, ", "));
  }
  return client.pac ? text + pac_text(*client.pac) : text;
}

}  // namespace

int accept_command(const AcceptOptions& options, std::ostream& out) {
  const SettableClock clock(options.at.empty() ? std::nullopt
                                               : std::optional(seconds_of(options.at)));
  Replayer replayer(credential_of(options), clock);
  if (options.bindings) {
    replayer.bind_to(octets_of(*options.bindings));
  }
  std::vector<std::vector<Piece>> exchanges;
  for (const std::string& file : options.transcripts) {
    exchanges.push_back(exchange_of(file));
  }
  bool all_good = true;
  for (std::size_t i = 0; i < exchanges.size(); ++i) {
    const Outcome outcome = replayer.replay(exchanges[i]);
    const std::string& file = options.transcripts[i];
    all_good = all_good && outcome.client.has_value();
    if (options.json) {
      out << report(file, outcome).dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    } else {
      out << report_text(file, outcome);
    }
  }
  return all_good ? kExitGood : kExitRefused;
}

}  // namespace usher::cli
