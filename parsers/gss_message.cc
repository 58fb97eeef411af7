// Per-message tokens, framing only; gss_message.h says what is promised.
#include "parsers/gss_message.h"

#include <algorithm>

#include "parsers/cursor.h"
#include "parsers/gss.h"

namespace usher::gss {
namespace {

constexpr std::uint16_t kMicId = 0x0404;
constexpr std::uint16_t kWrapId = 0x0504;
constexpr std::uint8_t kFiller = 0xff;

// A confounder and at least one octet of padding (RFC 1964 1.2.2.3, RFC 4757 7.3).
constexpr std::uint32_t kLegacyPayloadMin = 8 + 1;

std::uint8_t octet(Cursor& cursor) noexcept {
  const Bytes one = cursor.bytes(1);
  return one.empty() ? 0 : one[0];
}

std::uint16_t u16_be(Cursor& cursor) noexcept {
  const Bytes two = cursor.bytes(sizeof(std::uint16_t));
  return two.empty() ? std::uint16_t{0} : load_be<std::uint16_t>(two);
}

std::uint64_t u64_be(Cursor& cursor) noexcept {
  const Bytes eight = cursor.bytes(sizeof(std::uint64_t));
  return eight.empty() ? std::uint64_t{0} : load_be<std::uint64_t>(eight);
}

void filler(Cursor& cursor, std::uint32_t count) noexcept {
  const Bytes octets = cursor.bytes(count);
  cursor.require(std::ranges::all_of(octets, [](std::uint8_t value) { return value == kFiller; }));
}

// Header is what RFC 4121's two tokens have in common.
struct Header {
  std::uint8_t flags = 0;
  std::uint16_t extra_count = 0;
  std::uint16_t right_rotation_count = 0;
  std::uint64_t sequence = 0;
};

// read_header reads the first 16 octets; in a MIC token EC and RRC are filler (RFC 4121 4.2.6).
Header read_header(Parse& parse, Cursor& cursor, std::uint16_t id) noexcept {
  if (u16_be(cursor) != id) {
    parse.fail(ParseCode::kUnexpectedTag, 0);  // No effect if the token ended before.
  }
  Header header;
  header.flags = octet(cursor);
  if (id == kMicId) {
    filler(cursor, 5);
  } else {
    filler(cursor, 1);
    header.extra_count = u16_be(cursor);
    header.right_rotation_count = u16_be(cursor);
  }
  header.sequence = u64_be(cursor);
  return header;
}

bool is_sign_algorithm(SignAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case SignAlgorithm::kDesMacMd5:
    case SignAlgorithm::kMd25:
    case SignAlgorithm::kDesMac:
    case SignAlgorithm::kHmacSha1Des3:
    case SignAlgorithm::kHmacMd5:
      return true;
  }
  return false;
}

bool is_seal_algorithm(SealAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case SealAlgorithm::kDes:
    case SealAlgorithm::kDes3:
    case SealAlgorithm::kRc4:
    case SealAlgorithm::kNone:
      return true;
  }
  return false;
}

// read_legacy reads what stands inside the framing (RFC 1964 1.2).
Result<LegacyToken> read_legacy(Parse& parse) noexcept {
  Cursor cursor(parse);
  LegacyToken out;
  out.id = LegacyTokenId(u16_be(cursor));
  const bool wrap = out.id == LegacyTokenId::kWrap;
  if (!wrap && out.id != LegacyTokenId::kMic && out.id != LegacyTokenId::kDelete) {
    parse.fail(ParseCode::kUnexpectedTag, 0);  // No effect if the token ended before.
  }
  out.sign = SignAlgorithm(u16_be(cursor));
  cursor.require(is_sign_algorithm(out.sign));
  if (wrap) {
    out.seal = SealAlgorithm(u16_be(cursor));
    cursor.require(is_seal_algorithm(out.seal));
  }
  filler(cursor, wrap ? 2 : 4);
  out.encrypted_sequence = cursor.bytes(8);
  out.checksum = cursor.bytes(out.sign == SignAlgorithm::kHmacSha1Des3 ? 20 : 8);
  if (wrap) {
    out.payload = cursor.rest();
    if (out.payload.size() < kLegacyPayloadMin) {
      parse.fail(ParseCode::kTruncated, parse.size());
    }
  } else if (cursor.at() != parse.size()) {
    parse.fail(ParseCode::kTrailingBytes, cursor.at());
  }
  out.header = parse.ok() ? parse.input().first(8) : Bytes{};
  return parse.finish(out);
}

}  // namespace

MessageKind message_kind_of(Bytes token) noexcept {
  if (!token.empty() && token[0] == std::uint8_t(der::application(0))) {
    return MessageKind::kLegacy;
  }
  switch (token.size() < 2 ? 0 : load_be<std::uint16_t>(token)) {
    case kMicId:
      return MessageKind::kMic;
    case kWrapId:
      return MessageKind::kWrap;
    default:
      return MessageKind::kUnknown;
  }
}

Result<MicToken> parse_mic_token(Bytes token) noexcept {
  Parse parse(token);
  Cursor cursor(parse);
  const Header header = read_header(parse, cursor, kMicId);
  //= RFC 4121 4.2.2: Sealed SHALL NOT be set in MIC tokens
  cursor.require((header.flags & kSealed) == 0);
  MicToken mic{.flags = header.flags, .sequence = header.sequence};
  mic.checksum = cursor.rest();
  if (mic.checksum.empty()) {
    parse.fail(ParseCode::kTruncated, parse.size());
  }
  mic.header = parse.ok() ? token.first(kMessageHeaderSize) : Bytes{};
  return parse.finish(mic);
}

Result<WrapToken> parse_wrap_token(Bytes token) noexcept {
  Parse parse(token);
  Cursor cursor(parse);
  const Header header = read_header(parse, cursor, kWrapId);
  WrapToken wrap{.flags = header.flags,
                 .extra_count = header.extra_count,
                 .right_rotation_count = header.right_rotation_count,
                 .sequence = header.sequence};
  //= RFC 4121 4.2.4: sealed, EC octets of filler and a copy of the header follow the data; not
  //= sealed, a checksum of EC octets does.
  const bool sealed = (header.flags & kSealed) != 0;
  const std::size_t after_data = header.extra_count + (sealed ? kMessageHeaderSize : 0);
  cursor.require(after_data > 0);
  wrap.payload = cursor.rest();
  if (wrap.payload.size() < after_data) {
    parse.fail(ParseCode::kBadValue, kMessageHeaderSize);
  }
  wrap.header = parse.ok() ? token.first(kMessageHeaderSize) : Bytes{};
  return parse.finish(wrap);
}

Result<LegacyToken> parse_legacy_token(Bytes token) noexcept {
  const Result<InitialToken> framed = parse_initial_token(token);
  if (!framed.ok()) {
    return framed.fault();
  }
  // RFC 4757 7.3: without DCE style the framing's length counts all of an RC4 token too, so that
  // the inner token is the end of the whole one.
  const auto inner_at = static_cast<std::uint32_t>(token.size() - framed->inner.size());
  if (framed->mechanism != Mechanism::kKerberos) {
    return ParseFault{ParseCode::kUnexpectedTag, inner_at};
  }
  Parse parse(framed->inner);
  const Result<LegacyToken> result = read_legacy(parse);
  return result.ok() ? result : ParseFault{result.fault().code, inner_at + result.fault().offset};
}

}  // namespace usher::gss
