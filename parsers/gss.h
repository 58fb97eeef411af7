// GSS-API framing (RFC 2743 3.1), mechanism OIDs, and the Kerberos mechanism's own framing
// (RFC 4121 4.1) with the checksum it puts into the authenticator (RFC 4121 4.1.1).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "parsers/result.h"

namespace usher::gss {

// Mechanism is a security mechanism this project knows by OID, whether or not it serves it.
enum class Mechanism : std::uint8_t {
  kUnknown,
  kSpnego,      // 1.3.6.1.5.5.2
  kKerberos,    // 1.2.840.113554.1.2.2
  kMsKerberos,  // 1.2.840.48018.1.2.2: Windows 2000's misprint of kKerberos, still sent first.
  kNtlm,        // 1.3.6.1.4.1.311.2.2.10
  kNegoEx,      // 1.3.6.1.4.1.311.2.2.30
  kUserToUser,  // 1.2.840.113554.1.2.2.3
  kIakerb,      // 1.3.6.1.5.2.5
};

// mechanism_of and oid_of translate between a Mechanism and the contents octets of its OID.
// oid_of(kUnknown) is empty; the memory behind a result lives for ever.
[[nodiscard]] Mechanism mechanism_of(Bytes oid) noexcept;
[[nodiscard]] Bytes oid_of(Mechanism mechanism) noexcept;

// name_of is the mechanism in the field's words, for people: "Kerberos", "NTLM", "SPNEGO", ...
[[nodiscard]] std::string_view name_of(Mechanism mechanism) noexcept;

// TokenKind is what a token's first bytes promise; the matching parser decides whether they lie.
enum class TokenKind : std::uint8_t {
  kUnknown,
  kGssInitial,    // 0x60: InitialContextToken of some mechanism.
  kNegTokenInit,  // 0xa0: NegTokenInit without the GSS-API header.
  kNegTokenResp,  // 0xa1: NegTokenResp (RFC 4178 4.2.2).
  kNtlm,          // "NTLMSSP\0": a bare NTLM message.
  kApReq,         // 0x6e: a bare AP-REQ, as DCE-style clients send it (MS-KILE 3.4.5.1).
};
[[nodiscard]] TokenKind kind_of(Bytes token) noexcept;

// InitialToken is an InitialContextToken (RFC 2743 3.1).
struct InitialToken {
  InitialToken() noexcept {}  // As krb5::ApReq has, and why.

  Mechanism mechanism = Mechanism::kUnknown;
  Bytes oid;    // Contents octets of thisMech.
  Bytes inner;  // Everything after the OID, up to the end of the element.
};

// parse_initial_token reads the framing only. Fails with kUnexpectedTag if `token` does not begin
// with 0x60 and an OID, kBadValue if that OID is empty, and kTrailingBytes if bytes follow the
// element.
[[nodiscard]] Result<InitialToken> parse_initial_token(Bytes token) noexcept;

// parse_into does so for who has a place for it: `out` is a new one, and filled in as far as there
// was no fault.
[[nodiscard]] ParseFault parse_into(Bytes token, InitialToken& out) noexcept;

// KerberosTokenId is the two-byte TOK_ID of a context token (RFC 4121 4.1).
enum class KerberosTokenId : std::uint16_t { kApReq = 0x0100, kApRep = 0x0200, kError = 0x0300 };

struct KerberosToken {
  KerberosTokenId id{};
  Bytes message;  // The KRB_AP_REQ, KRB_AP_REP or KRB_ERROR itself.
};

// parse_kerberos_token reads TOK_ID and message from InitialToken::inner. Fails with kTruncated
// below two bytes and with kBadValue if TOK_ID is none of the three.
[[nodiscard]] inline Result<KerberosToken> parse_kerberos_token(Bytes inner) noexcept {
  if (inner.size() < sizeof(KerberosTokenId)) {
    return ParseFault{ParseCode::kTruncated, 0};
  }
  const KerberosToken token = {.id = KerberosTokenId(load_be<std::uint16_t>(inner)),
                               .message = inner.subspan(sizeof(KerberosTokenId))};
  //= RFC 4121 4.1
  switch (token.id) {
    case KerberosTokenId::kApReq:
    case KerberosTokenId::kApRep:
    case KerberosTokenId::kError:
      return token;
  }
  return ParseFault{ParseCode::kBadValue, sizeof(KerberosTokenId)};
}

// frame_kerberos puts TOK_ID and the GSS-API header in front of all that `writer` holds so far.
void frame_kerberos(der::Writer& writer, KerberosTokenId id) noexcept;

// ContextFlags are the flags of the 0x8003 checksum (RFC 4121 4.1.1.1; DCE style: RFC 4757 7.1,
// identify and extended error: MS-KILE 2.2). Bits unknown to us are kept, and mean nothing.
enum class ContextFlags : std::uint32_t {
  kDelegate = 0x0001,
  kMutual = 0x0002,
  kReplay = 0x0004,
  kSequence = 0x0008,
  kConfidentiality = 0x0010,
  kIntegrity = 0x0020,
  kAnonymous = 0x0040,  // RFC 2743 1.2.5. A Kerberos client cannot ask for it.
  kDceStyle = 0x1000,
  kIdentify = 0x2000,
  kExtendedError = 0x4000,
};
[[nodiscard]] constexpr bool has(ContextFlags flags, ContextFlags flag) noexcept {
  return (std::uint32_t(flags) & std::uint32_t(flag)) != 0;
}

[[nodiscard]] constexpr ContextFlags operator|(ContextFlags a, ContextFlags b) noexcept {
  return ContextFlags(std::uint32_t(a) | std::uint32_t(b));
}
[[nodiscard]] constexpr ContextFlags operator&(ContextFlags a, ContextFlags b) noexcept {
  return ContextFlags(std::uint32_t(a) & std::uint32_t(b));
}

inline constexpr std::int32_t kGssChecksumType = 0x8003;

// GssChecksum is the authenticator's checksum field of type 0x8003 (RFC 4121 4.1.1).
struct GssChecksum {
  Bytes bindings;  // Exactly 16 bytes: MD5 of the channel bindings, all zero for none.
  ContextFlags flags{};
  Bytes delegation;  // The KRB_CRED, when flags has kDelegate; never empty then.
  Bytes extensions;  // What follows (RFC 4121 4.1.1, "Exts"); not interpreted.
};

// parse_gss_checksum reads a whole checksum field, which is little-endian. Fails with kBadValue if
// Lgth is not 16, DlgOpt is not 1 or Dlgth is 0, and with kTruncated if a field is cut off.
[[nodiscard]] Result<GssChecksum> parse_gss_checksum(Bytes checksum) noexcept;

// parse_into does so for who has a place for it: `out` is a new one, and filled in as far as there
// was no fault.
[[nodiscard]] ParseFault parse_into(Bytes checksum, GssChecksum& out) noexcept;

}  // namespace usher::gss
