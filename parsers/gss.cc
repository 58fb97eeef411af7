// Mechanism OIDs and GSS-API framing; gss.h says what is promised.
#include "parsers/gss.h"

#include <algorithm>
#include <cstring>

#include "parsers/cursor.h"

namespace usher::gss {
namespace {

using der::Reader;
using der::Tag;

constexpr std::array<std::uint8_t, 6> kSpnegoOid = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};
constexpr std::array<std::uint8_t, 9> kKerberosOid = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                      0x12, 0x01, 0x02, 0x02};
constexpr std::array<std::uint8_t, 9> kMsKerberosOid = {0x2a, 0x86, 0x48, 0x82, 0xf7,
                                                        0x12, 0x01, 0x02, 0x02};
constexpr std::array<std::uint8_t, 10> kNtlmOid = {0x2b, 0x06, 0x01, 0x04, 0x01,
                                                   0x82, 0x37, 0x02, 0x02, 0x0a};
constexpr std::array<std::uint8_t, 10> kNegoExOid = {0x2b, 0x06, 0x01, 0x04, 0x01,
                                                     0x82, 0x37, 0x02, 0x02, 0x1e};
constexpr std::array<std::uint8_t, 10> kUserToUserOid = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                         0x12, 0x01, 0x02, 0x02, 0x03};
constexpr std::array<std::uint8_t, 6> kIakerbOid = {0x2b, 0x06, 0x01, 0x05, 0x02, 0x05};

struct Row {
  Mechanism mechanism;
  Bytes oid;
  std::string_view name;
};

constexpr std::array kMechanisms = {
    Row{Mechanism::kSpnego, kSpnegoOid, "SPNEGO"},
    Row{Mechanism::kKerberos, kKerberosOid, "Kerberos"},
    Row{Mechanism::kMsKerberos, kMsKerberosOid, "Kerberos (Microsoft's OID)"},
    Row{Mechanism::kNtlm, kNtlmOid, "NTLM"},
    Row{Mechanism::kNegoEx, kNegoExOid, "NegoEx"},
    Row{Mechanism::kUserToUser, kUserToUserOid, "Kerberos user-to-user"},
    Row{Mechanism::kIakerb, kIakerbOid, "IAKERB"},
};

constexpr const Row* row_of(Mechanism mechanism) noexcept {
  for (const Row& row : kMechanisms) {
    if (row.mechanism == mechanism) {
      return &row;
    }
  }
  return nullptr;
}

constexpr std::array<std::uint8_t, 8> kNtlmSignature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};

constexpr std::uint32_t kBindingsSize = 16;     // An MD5 (RFC 4121 4.1.1.2).
constexpr std::uint16_t kDelegationOption = 1;  // The only DlgOpt there is (RFC 4121 4.1.1).

// take_off takes the framing off a token of `mechanism` whose length has two octets, as most have;
// false: it is another, or wrong, which is for take_off_any.
template <std::size_t kSize>
bool take_off(Bytes token, Mechanism mechanism, const std::array<std::uint8_t, kSize>& oid,
              InitialToken& out) noexcept {
  constexpr std::uint32_t kHeader = der::octet_of(der::application(0)) << 24 | 0x82'0000;
  if (token.size() < 4 + 0x100) {
    return false;
  }
  const Bytes contents = token.subspan(4);
  const std::uint32_t size = load_be<std::uint32_t>(token) - kHeader;
  const Bytes oid_there = contents.subspan(2, kSize);
  if (size > 0xffff || size != contents.size() || contents[0] != der::octet_of(Tag::kOid) ||
      contents[1] != kSize || std::memcmp(oid_there.data(), oid.data(), kSize) != 0) {
    return false;
  }
  out.mechanism = mechanism;
  out.oid = oid_there;
  out.inner = contents.subspan(2 + kSize);
  return true;
}

[[gnu::noinline, gnu::flatten]] ParseFault take_off_any(Bytes token, InitialToken& out) noexcept {
  Parse parse(token);
  Reader message(parse);
  //= RFC 2743 3.1
  message.in_large(der::application(0), [&](Reader& framing) {
    out.oid = framing.bytes(Tag::kOid);
    framing.require(!out.oid.empty());
    out.inner = framing.rest();
  });
  message.finish();
  out.mechanism = mechanism_of(out.oid);
  return parse.fault();
}

}  // namespace

Mechanism mechanism_of(Bytes oid) noexcept {
  // Sizes are known when this is compiled, so that a comparison is an instruction or two.
  const auto is = [oid](const auto& other) {
    return oid.size() == other.size() && std::memcmp(oid.data(), other.data(), other.size()) == 0;
  };
  switch (oid.size()) {
    case kKerberosOid.size():
      return is(kKerberosOid)     ? Mechanism::kKerberos
             : is(kMsKerberosOid) ? Mechanism::kMsKerberos
                                  : Mechanism::kUnknown;
    case kNtlmOid.size():
      return is(kNtlmOid)         ? Mechanism::kNtlm
             : is(kNegoExOid)     ? Mechanism::kNegoEx
             : is(kUserToUserOid) ? Mechanism::kUserToUser
                                  : Mechanism::kUnknown;
    case kSpnegoOid.size():
      return is(kSpnegoOid)   ? Mechanism::kSpnego
             : is(kIakerbOid) ? Mechanism::kIakerb
                              : Mechanism::kUnknown;
    default:
      return Mechanism::kUnknown;
  }
}

Bytes oid_of(Mechanism mechanism) noexcept {
  const Row* const row = row_of(mechanism);
  return row != nullptr ? row->oid : Bytes{};
}

std::string_view name_of(Mechanism mechanism) noexcept {
  const Row* const row = row_of(mechanism);
  return row != nullptr ? row->name : "unknown";
}

TokenKind kind_of(Bytes token) noexcept {
  if (token.size() >= kNtlmSignature.size() &&
      std::ranges::equal(token.first(kNtlmSignature.size()), kNtlmSignature)) {
    return TokenKind::kNtlm;
  }
  switch (token.empty() ? 0 : token[0]) {
    case std::uint8_t(der::application(0)):
      return TokenKind::kGssInitial;
    case std::uint8_t(der::context(0)):
      return TokenKind::kNegTokenInit;
    case std::uint8_t(der::context(1)):
      return TokenKind::kNegTokenResp;
    case std::uint8_t(der::application(14)):
      return TokenKind::kApReq;
    default:
      return TokenKind::kUnknown;
  }
}

ParseFault parse_into(Bytes token, InitialToken& out) noexcept {
  const bool taken = take_off(token, Mechanism::kSpnego, kSpnegoOid, out) ||
                     take_off(token, Mechanism::kKerberos, kKerberosOid, out);
  return taken ? ParseFault{} : take_off_any(token, out);
}

Result<InitialToken> parse_initial_token(Bytes token) noexcept {
  InitialToken out;
  const ParseFault fault = parse_into(token, out);
  return fault.code == ParseCode::kOk ? Result<InitialToken>(out) : Result<InitialToken>(fault);
}

[[gnu::flatten]] void frame_kerberos(der::Writer& out, KerberosTokenId id) noexcept {
  std::array<std::uint8_t, sizeof(id)> octets{};
  store_be(MutableBytes(octets), std::uint16_t(id));
  out.apart([&](der::Writer& writer) {
    writer.octets(octets);
    writer.bytes(Tag::kOid, kKerberosOid);
    writer.wrap(der::application(0));
  });
}

[[gnu::flatten]] ParseFault parse_into(Bytes checksum, GssChecksum& out) noexcept {
  Parse parse(checksum);
  Cursor cursor(parse);
  //= RFC 4121 4.1.1
  cursor.require(cursor.u32() == kBindingsSize);
  out.bindings = cursor.bytes(kBindingsSize);
  out.flags = ContextFlags(cursor.u32());
  if (has(out.flags, ContextFlags::kDelegate)) {
    cursor.require(cursor.u16() == kDelegationOption);
    out.delegation = cursor.bytes(cursor.u16());
    cursor.require(!out.delegation.empty());
  }
  out.extensions = cursor.rest();
  return parse.fault();
}

Result<GssChecksum> parse_gss_checksum(Bytes checksum) noexcept {
  GssChecksum out;
  const ParseFault fault = parse_into(checksum, out);
  return fault.code == ParseCode::kOk ? Result<GssChecksum>(out) : Result<GssChecksum>(fault);
}

}  // namespace usher::gss
