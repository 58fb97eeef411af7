// Kerberos messages an acceptor meets (RFC 4120 5): AP-REQ, Ticket, EncTicketPart, Authenticator,
// AP-REP, EncAPRepPart, KRB-ERROR and Microsoft's KERB-ERROR-DATA in it.
#pragma once

#include <cstdint>

#include "parsers/authorization_data.h"
#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "parsers/result.h"

namespace usher::krb5 {

// UnixSeconds counts seconds since 1970-01-01T00:00:00Z; a KerberosTime (RFC 4120 5.2.3) has no
// fractions. 64 bits, so that 2038 and 2106 are ordinary years.
using UnixSeconds = std::int64_t;

// More components than this in one PrincipalName are refused; real ones have one to four.
inline constexpr std::uint32_t kNameComponentsMax = 16;

// PrincipalName (RFC 4120 5.2.2). DER is canonical, so two names are equal exactly if their
// `components` are the same bytes; name-type is a hint and takes no part (RFC 4120 6.2).
struct PrincipalName {
  std::int32_t type = 0;
  Bytes components;  // Contents of name-string: GeneralString elements, one after the other.
};

// write_principal_text writes "a/b@REALM" as krb5_unparse_name does into `out`: a backslash before
// each '/', '@' and backslash in a component or realm, and \n, \t, \b for those control characters.
// Returns bytes written, or 0 if it does not fit. An empty realm leaves "@REALM" out. A component
// with a NUL byte was refused by the parser and cannot occur here.
[[nodiscard]] std::size_t write_principal_text(const PrincipalName& name, Bytes realm,
                                               MutableBytes out) noexcept;

struct EncryptedData {  // RFC 4120 5.2.9
  std::int32_t etype = 0;
  bool has_kvno = false;
  std::uint32_t kvno = 0;
  Bytes cipher;
};

struct EncryptionKey {  // RFC 4120 5.2.9
  std::int32_t etype = 0;
  Bytes value;  // Size not checked against etype here; never empty.
};

struct Ticket {   // RFC 4120 5.3
  Bytes encoded;  // All of it, as it came: two tickets are the same if these octets are.
  Bytes realm;
  PrincipalName sname;
  EncryptedData enc_part;
};

// A KerberosFlags bit n (RFC 4120 5.2.8) is bit 31-n of our word: bit 0 is the most significant.
constexpr std::uint32_t flag_bit(unsigned n) noexcept { return 0x80000000u >> n; }
inline constexpr std::uint32_t kApOptionUseSessionKey = flag_bit(1);
inline constexpr std::uint32_t kApOptionMutualRequired = flag_bit(2);
inline constexpr std::uint32_t kTicketFlagMayPostdate = flag_bit(5);
inline constexpr std::uint32_t kTicketFlagPostdated = flag_bit(6);
inline constexpr std::uint32_t kTicketFlagInvalid = flag_bit(7);
inline constexpr std::uint32_t kTicketFlagInitial = flag_bit(9);
inline constexpr std::uint32_t kTicketFlagTransitedPolicyChecked = flag_bit(12);
inline constexpr std::uint32_t kTicketFlagAnonymous = flag_bit(16);  // RFC 8062 3

// What parse_into fills in has a constructor, or emplace would fill it with zeros beforehand, one
// and all by a string instruction, which takes long to begin.
struct ApReq {  // RFC 4120 5.5.1
  ApReq() noexcept {}

  std::uint32_t ap_options = 0;
  Ticket ticket;
  EncryptedData authenticator;
};

struct EncTicketPart {  // RFC 4120 5.3
  EncTicketPart() noexcept {}

  std::uint32_t flags = 0;
  EncryptionKey key;
  Bytes crealm;
  PrincipalName cname;
  std::int32_t transited_type = 0;
  Bytes transited;
  UnixSeconds auth_time = 0;
  bool has_start_time = false;
  UnixSeconds start_time = 0;  // auth_time if absent.
  UnixSeconds end_time = 0;
  bool has_renew_till = false;
  UnixSeconds renew_till = 0;
  Bytes addresses;           // caddr: the HostAddresses element, header included; empty if absent.
  Bytes authorization_data;  // The AuthorizationData element, header included; empty if absent.
};

struct Authenticator {  // RFC 4120 5.5.1
  Authenticator() noexcept {}

  Bytes crealm;
  PrincipalName cname;
  bool has_checksum = false;
  std::int32_t checksum_type = 0;
  Bytes checksum;
  std::uint32_t cusec = 0;  // Microseconds, 0..999999.
  UnixSeconds ctime = 0;
  Bytes ctime_text;  // The same, as it came: a reply repeats it.
  bool has_subkey = false;
  EncryptionKey subkey;
  bool has_seq_number = false;
  std::uint32_t seq_number = 0;
  Bytes authorization_data;  // As in EncTicketPart.
};

struct ApRep {  // RFC 4120 5.5.2
  EncryptedData enc_part;
};

struct EncApRepPart {  // RFC 4120 5.5.2
  UnixSeconds ctime = 0;
  Bytes ctime_text;  // What is written for it, if not empty; an authenticator's. Not read.
  std::uint32_t cusec = 0;
  bool has_subkey = false;
  EncryptionKey subkey;
  bool has_seq_number = false;
  std::uint32_t seq_number = 0;
};

struct KrbError {  // RFC 4120 5.9.1
  bool has_client_time = false;
  UnixSeconds ctime = 0;
  std::uint32_t cusec = 0;
  UnixSeconds stime = 0;
  std::uint32_t susec = 0;
  std::int32_t error_code = 0;
  Bytes crealm;         // Empty if absent.
  PrincipalName cname;  // Components empty if absent.
  Bytes realm;
  PrincipalName sname;
  Bytes e_text;
  Bytes e_data;
};

// ErrorCode is the part of RFC 4120 7.5.9 that an acceptor answers with.
enum class ErrorCode : std::int32_t {
  kNone = 0,
  kEtypeNotSupported = 14,  // KDC_ERR_ETYPE_NOSUPP
  kTicketExpired = 32,      // KRB_AP_ERR_TKT_EXPIRED
  kTicketNotYetValid = 33,  // KRB_AP_ERR_TKT_NYV
  kRepeat = 34,             // KRB_AP_ERR_REPEAT
  kNotUs = 35,              // KRB_AP_ERR_NOT_US
  kBadMatch = 36,           // KRB_AP_ERR_BADMATCH
  kSkew = 37,               // KRB_AP_ERR_SKEW
  kBadAddress = 38,         // KRB_AP_ERR_BADADDR
  kModified = 41,           // KRB_AP_ERR_MODIFIED
  kBadKeyVersion = 44,      // KRB_AP_ERR_BADKEYVER
  kNoKey = 45,              // KRB_AP_ERR_NOKEY
  kChecksumType = 50,       // KRB_AP_ERR_INAPP_CKSUM
  kPathNotAccepted = 51,    // KRB_AP_PATH_NOT_ACCEPTED
};

// ErrorDataType is a KERB-ERROR-DATA's data-type.
enum class ErrorDataType : std::int32_t {
  kSkewRecovery = 2,  // KERB_AP_ERR_TYPE_SKEW_RECOVERY: no data-value.
  kExtended = 3,      // KERB_ERR_TYPE_EXTENDED: a KERB-EXT-ERROR, from KDCs.
};

struct ErrorData {  // KERB-ERROR-DATA, MS-KILE 2.2.2
  ErrorDataType type{};
  bool has_value = false;
  Bytes value;
};

// Each parse function reads exactly one message: pvno must be 5 and msg-type the message's own.
// Every view points into the argument; nothing is copied and nothing recurses.
//
// Fails with kUnexpectedTag where another element stands, kBadValue for a value outside the
// clause's range (pvno, msg-type, a time that is no calendar second, cusec above 999999, flags
// that are no BIT STRING of at least 32 bits with no unused ones, an empty key, a realm or
// component with a NUL byte, more than kNameComponentsMax components), and kTruncated, kBadLength
// or kTrailingBytes if it is not DER.
//
// Allowances: seq-number is UInt32, but clients exist that encode values above 2^31 as a negative
// INTEGER (old MIT and Heimdal); -2^31..2^32-1 is taken modulo 2^32 (RFC 4120 5.5.1). So is kvno:
// domain controllers encode it signed, and the numbers of read-only ones begin with the RODC's own
// (MS-KILE 3.1.5.8). Fields behind a message's last are skipped (RFC 4120 1.5.1).
[[nodiscard]] Result<ApReq> parse_ap_req(Bytes message) noexcept;
[[nodiscard]] Result<Ticket> parse_ticket(Bytes message) noexcept;
[[nodiscard]] Result<EncTicketPart> parse_enc_ticket_part(Bytes plain) noexcept;
[[nodiscard]] Result<Authenticator> parse_authenticator(Bytes plain) noexcept;
[[nodiscard]] Result<ApRep> parse_ap_rep(Bytes message) noexcept;
[[nodiscard]] Result<EncApRepPart> parse_enc_ap_rep_part(Bytes plain) noexcept;
[[nodiscard]] Result<KrbError> parse_krb_error(Bytes message) noexcept;

// parse_into does so for who has a place for what is read: `out` is a new one, and filled in as far
// as there was no fault.
// `data`, a new one as well, tells what the message's authorization-data comes to, all that is
// nested in it included: what is wrong there, data.fault, is no fault of the message.
[[nodiscard]] ParseFault parse_into(Bytes message, ApReq& out) noexcept;
[[nodiscard]] ParseFault parse_into(Bytes plain, EncTicketPart& out,
                                    AuthorizationData& data) noexcept;
[[nodiscard]] ParseFault parse_into(Bytes plain, Authenticator& out,
                                    AuthorizationData& data) noexcept;

// parse_error_data reads a KERB-ERROR-DATA, which is what the e-data of a KRB-ERROR may hold; other
// things may stand there, and then it fails like the functions above.
[[nodiscard]] Result<ErrorData> parse_error_data(Bytes e_data) noexcept;

// each_component calls visit(Bytes) for every component of a name a parse function accepted.
template <class Visit>
void each_component(const PrincipalName& name, Visit visit) noexcept {
  Parse parse(name.components);
  der::Reader strings(parse);
  strings.each([&](der::Reader& rest) { visit(rest.bytes(der::Tag::kGeneralString)); });
}

// The writers put one message in front of what `writer` holds, which must be nothing.
void write_ap_rep(der::Writer& writer, const EncryptedData& enc_part) noexcept;
void write_enc_ap_rep_part(der::Writer& writer, const EncApRepPart& part) noexcept;
void write_error_data(der::Writer& writer, const ErrorData& data) noexcept;

// write_krb_error leaves out what KrbError says is absent, and an empty e_text or e_data.
void write_krb_error(der::Writer& writer, const KrbError& error) noexcept;

}  // namespace usher::krb5
