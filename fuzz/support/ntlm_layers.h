// An AUTHENTICATE message for a CHALLENGE that never changes: its proof, key exchange and MIC made
// again after a change, which is what lets a mutator work behind them.
#pragma once

#include <optional>

#include "fuzz/support/mutator.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {

// NtlmExchange is the two messages before the third. There is one with Unicode names and one with
// OEM names.
struct NtlmExchange {
  Octets negotiate;
  Octets challenge;
};
const NtlmExchange& ntlm_exchange(bool unicode);

// exchange_of chooses by the flags of an AUTHENTICATE; Unicode if it cannot be read.
const NtlmExchange& exchange_of(Bytes authenticate);

// NtlmSecrets is what a client who knows world()'s passwords makes of a message's names and data.
struct NtlmSecrets {
  std::array<std::uint8_t, 16> proof{};
  Octets session_key;  // ExportedSessionKey.
  std::array<std::uint8_t, 16> mic{};
};
// secrets_of is empty if the message cannot be read, has no NTLMv2 response, or names nobody who
// has an account.
std::optional<NtlmSecrets> secrets_of(const NtlmExchange& exchange, Bytes authenticate);

// sign_again writes proof and MIC where the message has room for them; false if it has no secrets.
bool sign_again(const NtlmExchange& exchange, Octets& authenticate, bool proof, bool mic);

// mutate_authenticate is a custom mutator: it changes a field, an AV pair, the flags or octets
// anywhere and mostly signs again. Returns at most size_max bytes.
Octets mutate_authenticate(Bytes authenticate, std::size_t size_max, unsigned seed);

}  // namespace usher::fuzz
