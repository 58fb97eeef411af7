// What an operator may decide, each with one name everywhere: TOML key, --policy, API.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/limits.h"

namespace usher::auth {

// TargetPolicy is which services tickets may be for.
enum class TargetPolicy : std::uint8_t {
  kKeytab,  // Those the keytab names.
  kAny,     // Any that some key of the keytab opens: one account with many names (Windows).
  kListed,  // Those of Policy::targets; their keys stand in the keytab under any of these names.
};

enum class PacPolicy : std::uint8_t {
  kUse,      // Verified and offered if there is one.
  kRequire,  // A ticket without is refused.
  kIgnore,   // Not looked at.
};

enum class BindingPolicy : std::uint8_t {
  kWhenSupported,  // Compared if caller and client both have some.
  kAlways,         // A client without is refused.
  kNever,          // Not looked at.
};

// NtlmTargetPolicy is what MsvAvTargetName (MS-NLMP 2.2.2.1), the service that an NTLMv2 client
// believes to speak with, has to be.
enum class NtlmTargetPolicy : std::uint8_t {
  kAny,       // Not looked at.
  kListed,    // If there is one, of Policy::targets.
  kRequired,  // There has to be one, of Policy::targets.
};

struct Policy {
  std::int64_t skew_s = 300;       // kerberos.skew: how far clocks may be apart (RFC 4120 3.2.3).
  bool check_replays = true;       // kerberos.replay
  bool accept_when_full = false;   // kerberos.replay-full: accept what cannot be remembered.
  bool cache_tickets = true;       // kerberos.ticket-cache: auth/ticket_cache.h.
  bool allow_rc4 = false;          // kerberos.rc4: tickets, session keys and subkeys of etype 23.
  bool allow_weaker_keys = false;  // kerberos.weaker-keys: than the ticket's own (CVE-2022-37966).
  bool require_mutual = false;     // kerberos.mutual
  bool check_transited = true;     // kerberos.transited: RFC 4120 2.7; MS-KILE ignores it.
  bool check_addresses = false;    // kerberos.addresses: of the ticket, with the channel's.
  TargetPolicy target_policy = TargetPolicy::kKeytab;  // kerberos.targets
  std::vector<std::string> targets;                    // "HTTP/web", "HTTP/web@REALM".
  PacPolicy pac = PacPolicy::kUse;
  BindingPolicy bindings = BindingPolicy::kWhenSupported;
  bool zero_bindings_present = false;  // bindings.zero: sixteen zeros are bindings, wrong ones.
  bool accept_delegation = false;      // delegation: keep what a client delegates, if asked to.
  bool allow_ntlm_v1 = false;          // ntlm.v1: DES responses to a 64-bit challenge.
  bool allow_ntlm_anonymous = false;   // ntlm.anonymous: clients that are nobody.
  NtlmTargetPolicy ntlm_target = NtlmTargetPolicy::kAny;
  std::int64_t ntlm_lifetime_s = 129'600;  // ntlm.lifetime: MaxLifetime (MS-NLMP 3.1.1.1).
  bool ntlm_mic_always = false;  // ntlm.mic: "always" refuses clients that announce no MIC.

  friend bool operator==(const Policy&, const Policy&) = default;
};

// is_target says whether `target`, one of Policy::targets, names the principal, which is written as
// krb5::write_principal_text does with its realm. ASCII letters are equal in either case; without a
// realm, a target is a name in any. No allocation.
[[nodiscard]] bool is_target(std::string_view target, std::string_view principal) noexcept;

// is_ntlm_target says the same of an SPN as NTLM clients name it: without a realm, and Chromium
// with a port, which counts only if the target has one.
[[nodiscard]] bool is_ntlm_target(std::string_view target, std::string_view spn) noexcept;

// fault_of returns null, or what is wrong with entries that do not go together.
[[nodiscard]] const char* fault_of(const Policy& policy) noexcept;

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

// policy_value is the value in force, in the form that set_policy takes; empty for an unknown name.
[[nodiscard]] std::string policy_value(const Policy& policy, std::string_view name);

}  // namespace usher::auth
