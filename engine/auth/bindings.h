// Channel bindings: those of a connection, and whether a client's are the same (RFC 5056, RFC 4121
// 4.1.1.2, MS-KILE 3.4.5, MS-NLMP 3.2.5.1.2). One judge for both mechanisms.
#pragma once

#include <array>
#include <cstdint>

#include "engine/auth/policy.h"
#include "engine/crypto/kit.h"
#include "engine/status.h"
#include "parsers/bytes.h"
#include "parsers/channel_bindings.h"

namespace usher::auth {

// ChannelBindings is a connection's bindings, ready to be compared.
struct ChannelBindings {
  bool given = false;  // Off: the caller has none.
  std::array<std::uint8_t, 16> hash{};
  // Where the client comes from, as a Kerberos HostAddress: its type and its bytes, which lie in
  // the caller's memory; none if empty. Only the policy kerberos.addresses reads it.
  std::int32_t initiator_address_type = 0;
  Bytes initiator_address;
};

using channel::BindingFields;

// make_bindings hashes the fields: MD5 over types, sizes and data, numbers little-endian (RFC 4121
// 4.1.1.2). False only if OpenSSL fails. The address is kept as a view.
[[nodiscard]] bool make_bindings(crypto::Kit& kit, const BindingFields& fields,
                                 ChannelBindings& out) noexcept;

// ClientBindings is what a client sent.
struct ClientBindings {
  Bytes hash;  // 16 bytes, or none at all. All zeros are what a client without bindings sends.
  // It says that it sends bindings when it has some: KERB_AP_OPTIONS_CBT (MS-KILE 2.2.7), or an
  // MsvAvChannelBindings of zeros where an older client has none (MS-NLMP 3.1.5.1.2). Without
  // bindings it then means: I see no channel here, which on a channel is an attack, or looks like
  // one.
  bool enlightened = false;
};

// BindingDemand is what this call wants, besides the policy.
struct BindingDemand {
  bool allow_missing = false;  // ASC_REQ_ALLOW_MISSING_BINDINGS. Off, and bindings given: required.
  bool proxy = false;          // ASC_REQ_PROXY_BINDINGS: TLS ends elsewhere, any bindings will do.
  bool audit = false;  // SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS: report, refuse nothing; not against
                       // the policy `always`.
};

// BindingResult is what came of it.
enum class BindingResult : std::uint8_t {
  kUnchecked,  // Nobody asked, or there is nothing to compare with.
  kMatched,
  kProxied,        // The client sent some for the channel that a proxy ends; nobody compared them.
  kAbsentAllowed,  // The client sent none, and may.
  kAbsent,         // The client sent none, and must, or said that it sees no channel: refused,
                   // unless only audited.
  kMismatched,     // Refused, unless only audited.
};

struct BindingVerdict {
  BindingResult result = BindingResult::kUnchecked;
  bool client_supports = false;       // It sent some, or is enlightened.
  Status status = Status::kContinue;  // Or the refusal: kBindingsMissing, kBindingsWrong,
                                      // kBindingsUnknown.
};

// judge_bindings compares in constant time. The stricter of policy and demand counts, except that
// the policy `never` looks at nothing. A caller that has bindings has them compared, also if it
// speaks of a proxy.
[[nodiscard]] BindingVerdict judge_bindings(const Policy& policy, const BindingDemand& demand,
                                            const ChannelBindings& ours,
                                            const ClientBindings& client) noexcept;

}  // namespace usher::auth
