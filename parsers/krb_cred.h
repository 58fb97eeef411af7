// KRB-CRED (RFC 4120 5.8): the tickets a client delegates in the checksum of RFC 4121 4.1.1.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/krb5.h"
#include "parsers/result.h"

namespace usher::krb5 {

// More tickets than this in one KRB-CRED are refused; clients send one, a ticket-granting ticket.
inline constexpr std::uint32_t kCredTicketsMax = 16;

struct KrbCred {                   // RFC 4120 5.8.1
  std::uint32_t ticket_count = 0;  // 1..kCredTicketsMax (attack C11: never none).
  Bytes tickets;                   // Ticket elements, one after the other.
  EncryptedData enc_part;          // etype 0 is no encryption (MIT, RFC 4120 3.6.1's exception).
};

struct EncKrbCredPart {          // RFC 4120 5.8.1
  std::uint32_t info_count = 0;  // 1..kCredTicketsMax. Compare with KrbCred::ticket_count (C10).
  Bytes infos;                   // KrbCredInfo elements, one after the other.
  bool has_nonce = false;
  std::uint32_t nonce = 0;  // Modulo 2^32: MIT's encoder takes it for a signed number.
  bool has_timestamp = false;
  UnixSeconds timestamp = 0;
  bool has_usec = false;
  std::uint32_t usec = 0;  // 0..999999
  Bytes sender_address;    // The HostAddress element, header included; empty if absent.
  Bytes recipient_address;
};

struct KrbCredInfo {  // RFC 4120 5.8.1; everything but the key may be absent.
  EncryptionKey key;
  bool has_client = false;  // prealm and pname both; one without the other is kBadValue.
  Bytes prealm;
  PrincipalName pname;
  bool has_flags = false;
  std::uint32_t flags = 0;
  bool has_auth_time = false;
  UnixSeconds auth_time = 0;
  bool has_start_time = false;
  UnixSeconds start_time = 0;
  bool has_end_time = false;
  UnixSeconds end_time = 0;
  bool has_renew_till = false;
  UnixSeconds renew_till = 0;
  bool has_service = false;  // srealm and sname both.
  Bytes srealm;
  PrincipalName sname;
  Bytes addresses;  // HostAddresses element, header included; empty if absent.
};

// The parse functions follow the rules of krb5.h, and have walked every ticket and info to its end
// before they accept.
[[nodiscard]] Result<KrbCred> parse_krb_cred(Bytes message) noexcept;
[[nodiscard]] Result<EncKrbCredPart> parse_enc_krb_cred_part(Bytes plain) noexcept;

// ticket_at yields the n-th ticket, with the octets of its element, and info_at the n-th info of
// what a parse function accepted; n < ticket_count, n < info_count.
struct CredTicket {
  Bytes encoded;
  Ticket ticket;
};
[[nodiscard]] CredTicket ticket_at(const KrbCred& cred, std::uint32_t n) noexcept;
[[nodiscard]] KrbCredInfo info_at(const EncKrbCredPart& part, std::uint32_t n) noexcept;

}  // namespace usher::krb5
