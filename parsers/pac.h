// The Privilege Attribute Certificate that a domain controller puts into a ticket (MS-PAC 2): the
// table of buffers and what an acceptor reads of each. Nothing here is verified; a PAC is a claim
// until its server signature is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "parsers/bytes.h"
#include "parsers/result.h"
#include "parsers/sid.h"

namespace usher::pac {

// FileTime counts 100 ns since 1601-01-01; kNever is Windows' word for no end (MS-PAC 2.5).
using FileTime = std::uint64_t;
inline constexpr FileTime kNever = 0x7fffffffffffffff;

// BufferType is PAC_INFO_BUFFER's ulType (MS-PAC 2.4).
enum class BufferType : std::uint32_t {
  kLogonInfo = 1,
  kCredentials = 2,
  kServerSignature = 6,
  kKdcSignature = 7,
  kClientInfo = 10,
  kDelegationInfo = 11,
  kUpnDns = 12,
  kClientClaims = 13,
  kDeviceInfo = 14,
  kDeviceClaims = 15,
  kTicketSignature = 16,
  kAttributes = 17,
  kRequestor = 18,
  kFullSignature = 19,
};

// More buffers than this are refused; a domain controller sends six to ten, and 14 types exist.
inline constexpr std::uint32_t kBuffersMax = 32;

// Group is one GROUP_MEMBERSHIP (MS-PAC 2.2.2).
struct Group {
  std::uint32_t relative_id = 0;
  std::uint32_t attributes = 0;
};

// LogonInfo is KERB_VALIDATION_INFO (MS-PAC 2.5). Names are UTF-16LE, possibly empty, not checked
// for well-formedness.
struct LogonInfo {
  FileTime logon_time = 0;
  FileTime logoff_time = 0;
  FileTime kick_off_time = 0;
  FileTime password_last_set = 0;
  FileTime password_can_change = 0;
  FileTime password_must_change = 0;
  Bytes effective_name;  // The client's account name.
  Bytes full_name;
  Bytes logon_script;
  Bytes profile_path;
  Bytes home_directory;
  Bytes home_directory_drive;
  std::uint16_t logon_count = 0;
  std::uint16_t bad_password_count = 0;
  std::uint32_t user_id = 0;  // Relative to logon_domain_id, as primary_group_id and groups are.
  std::uint32_t primary_group_id = 0;
  Bytes groups;  // GROUP_MEMBERSHIPs, 8 bytes each; each_group reads them.
  std::uint32_t user_flags = 0;
  Bytes user_session_key;  // 16 bytes; zero but for NTLM.
  Bytes logon_server;
  Bytes logon_domain_name;
  SidView logon_domain_id;
  std::uint32_t user_account_control = 0;
  Bytes extra_sids;        // KERB_SID_AND_ATTRIBUTES, 8 bytes each,
  Bytes extra_sid_bodies;  // and the SIDs they point to; each_extra_sid reads both.
  SidView resource_group_domain_sid;
  Bytes resource_groups;  // As groups, relative to resource_group_domain_sid.
};

// Signature is PAC_SIGNATURE_DATA (MS-PAC 2.8). `type` is an RFC 3961 checksum type; the size of
// `value` is what is left of the buffer, 16 bytes for HMAC-MD5 and 12, 16 or 24 for the AES types,
// and has been checked against those types (attack D8); of other types it is not empty.
struct Signature {
  std::int32_t type = 0;
  Bytes value;  // Where it stands in the PAC: verification takes these octets as zero.
  bool has_rodc_id = false;
  std::uint16_t rodc_id = 0;
};

// checksum_name is the registered name of a type that signs PACs ("hmac-sha1-96-aes256"), for
// people; "unknown" of any other.
[[nodiscard]] std::string_view checksum_name(std::int32_t type) noexcept;

// ClientInfo is PAC_CLIENT_INFO (MS-PAC 2.7).
struct ClientInfo {
  FileTime client_id = 0;  // The ticket's auth_time.
  Bytes name;              // UTF-16LE.
};

// UpnDns is UPN_DNS_INFO (MS-PAC 2.10). Strings are UTF-16LE.
inline constexpr std::uint32_t kUpnConstructed = 1;  // The account has no UPN of its own.
inline constexpr std::uint32_t kUpnExtended = 2;     // sam_name and sid are there.
struct UpnDns {
  Bytes upn;
  Bytes dns_domain;
  std::uint32_t flags = 0;
  Bytes sam_name;  // Empty, as is sid, without kUpnExtended.
  SidView sid;
};

// DelegationInfo is S4U_DELEGATION_INFO (MS-PAC 2.9): services that acted for the client.
struct DelegationInfo {
  Bytes proxy_target;
  std::uint32_t transited_count = 0;
  Bytes transited;         // RPC_UNICODE_STRINGs, 8 bytes each,
  Bytes transited_bodies;  // and their characters; each_transited reads both.
};

// Pac is what parse_pac found. An absent buffer leaves has_x false or its Bytes empty.
struct Pac {
  Pac() noexcept {}  // As krb5::ApReq has, and why.

  std::uint32_t buffer_count = 0;
  bool has_logon_info = false;
  LogonInfo logon_info;
  bool has_client_info = false;
  ClientInfo client_info;
  bool has_upn_dns = false;
  UpnDns upn_dns;
  bool has_delegation_info = false;
  DelegationInfo delegation_info;
  bool has_attributes = false;
  std::uint32_t attributes = 0;  // PAC_ATTRIBUTES_INFO's first word (MS-PAC 2.14).
  SidView requestor;             // PAC_REQUESTOR (MS-PAC 2.15).
  Signature server_signature;    // value empty: absent.
  Signature kdc_signature;
  Signature ticket_signature;
  Signature full_signature;
  Bytes credentials;  // Encrypted for the client; not interpreted.
  Bytes device_info;  // Not interpreted, nor are the claims.
  Bytes client_claims;
  Bytes device_claims;
};

// parse_pac reads the table and every buffer of a type above; other types are skipped. Every view
// points into `pac`, and a fault's offset counts from its beginning.
//
// Fails with kBadValue for another version, no buffers or more than kBuffersMax, a type that occurs
// twice (MS-PAC 2.4 has the second ignored; no domain controller sends one), an offset that is not
// a multiple of eight (MS-PAC 2.4), or a value outside a structure's clause; kOutOfBounds if a
// buffer leaves the PAC, reaches into the table or overlaps another; kTruncated or kTrailingBytes
// if a buffer does not hold exactly its structure, which the two in NDR and UPN_DNS_INFO may fill
// to a multiple of eight. An empty buffer is fine where nothing is read: Windows sends such claims.
[[nodiscard]] Result<Pac> parse_pac(Bytes pac) noexcept;

// The structures alone, as parse_pac reads them; offsets then count from the buffer's beginning.
[[nodiscard]] Result<LogonInfo> parse_logon_info(Bytes buffer) noexcept;
[[nodiscard]] Result<DelegationInfo> parse_delegation_info(Bytes buffer) noexcept;
[[nodiscard]] Result<UpnDns> parse_upn_dns(Bytes buffer) noexcept;
[[nodiscard]] Result<ClientInfo> parse_client_info(Bytes buffer) noexcept;
[[nodiscard]] Result<Signature> parse_signature(Bytes buffer) noexcept;

// parse_into reads a Pac or a LogonInfo for who has a place for it: `out` is a new one, and filled
// in as far as there was no fault.
[[nodiscard]] ParseFault parse_into(Bytes pac, Pac& out) noexcept;
[[nodiscard]] ParseFault parse_into(Bytes buffer, LogonInfo& out) noexcept;

// write_account_sid writes the client's own SID to the front of `out`, which holds
// SidView::kSizeMax bytes: the user's relative identifier in the logon domain or, where that is 0,
// the first extra SID (MS-PAC 2.5, UserId). Empty if there is none, or the domain's has no room for
// one more sub-authority.
[[nodiscard]] SidView write_account_sid(const LogonInfo& info, MutableBytes out) noexcept;

// each_group calls visit(Group) for every element of LogonInfo::groups or resource_groups.
template <class Visit>
void each_group(Bytes groups, Visit visit) noexcept {
  for (; groups.size() >= 8; groups = groups.subspan(8)) {
    visit(Group{load_le<std::uint32_t>(groups), load_le<std::uint32_t>(groups.subspan(4))});
  }
}

// each_extra_sid calls visit(SidView, std::uint32_t attributes) for every extra SID of a LogonInfo
// that a parse function accepted.
template <class Visit>
void each_extra_sid(const LogonInfo& info, Visit visit) noexcept {
  Bytes bodies = info.extra_sid_bodies;  // Each a count of sub-authorities and a SID.
  for (Bytes rest = info.extra_sids; rest.size() >= 8; rest = rest.subspan(8)) {
    const std::size_t size = SidView::kFixedSize + 4 * load_le<std::uint32_t>(bodies);
    visit(SidView{bodies.subspan(4, size)}, load_le<std::uint32_t>(rest.subspan(4)));
    bodies = bodies.subspan(4 + size);
  }
}

// each_transited calls visit(Bytes name), UTF-16LE, likewise.
template <class Visit>
void each_transited(const DelegationInfo& info, Visit visit) noexcept {
  Bytes bodies = info.transited_bodies;  // Each three counts and UTF-16 units, aligned to 4.
  for (Bytes rest = info.transited; rest.size() >= 8; rest = rest.subspan(8)) {
    if (load_le<std::uint32_t>(rest.subspan(4)) == 0) {
      visit(Bytes{});  // A null pointer has no body.
      continue;
    }
    const std::size_t end = std::size_t{12} + load_le<std::uint16_t>(rest);
    visit(bodies.first(end).subspan(12));
    bodies = bodies.subspan(std::min((end + 3) & ~std::size_t{3}, bodies.size()));
  }
}

}  // namespace usher::pac
