// KRB-CREDs (RFC 4120 5.8): what a client delegates, right or wrong in every way a test wants.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tools/mint/kerberos_mint.h"

namespace usher::mint {

// CredInfo is what goes with one delegated ticket; what is not set is left out.
struct CredInfo {
  std::int32_t etype = 18;
  Octets key = Octets(32, 0x5e);  // The ticket's session key.
  std::optional<Principal> client{};
  std::optional<std::uint32_t> flags{};
  std::optional<std::int64_t> auth_time{};  // Times are seconds since 1970.
  std::optional<std::int64_t> start_time{};
  std::optional<std::int64_t> end_time{};
  std::optional<std::int64_t> renew_till{};
  std::optional<Principal> service{};
  Octets addresses{};  // HostAddresses element, header included.
};

// Cred is a whole KRB-CRED. Tickets and infos may differ in number.
struct Cred {
  std::vector<Octets> tickets{};  // Ticket elements.
  std::vector<CredInfo> infos{};
  std::optional<std::uint32_t> nonce{};
  std::optional<std::int64_t> timestamp{};
  std::optional<std::uint32_t> usec{};
  Octets sender_address{};  // HostAddress element, header included.
  Octets recipient_address{};
  Sealing sealing{};
};

// forwarded_tgt is what MIT and Windows clients delegate: one ticket-granting ticket of `client`,
// good from `auth_time` to `end_time`, with everything said about it.
Cred forwarded_tgt(const KerberosMint& mint, const Principal& client, std::int64_t auth_time,
                   std::int64_t end_time);

// host_address and host_addresses are elements of RFC 4120 5.2.5, from pairs of type and bytes.
Octets host_address(std::int32_t type, Bytes address);
Octets host_addresses(const std::vector<std::pair<std::int32_t, Octets>>& addresses);

// encode_enc_krb_cred_part gives the plaintext that is sealed.
Octets encode_enc_krb_cred_part(const Cred& cred);

// krb_cred seals with a session key or subkey (key usage 14); etype 0 leaves it unencrypted.
Octets krb_cred(const KerberosMint& mint, std::int32_t etype, Bytes key, const Cred& cred);

}  // namespace usher::mint
