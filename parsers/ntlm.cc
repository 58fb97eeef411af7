// NTLM messages: headers of fixed layout whose fields point into a payload, and AV_PAIR lists.
#include "parsers/ntlm.h"

#include <algorithm>
#include <array>

#include "parsers/cursor.h"

namespace usher::ntlm {
namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};

// Where the payload may begin: after the last field every message of the type has. The version and
// the MIC are optional, so a message without them has payload in their place.
constexpr std::uint32_t kNegotiateFlagsEnd = 16;
// Where a NEGOTIATE's names may begin. The header ends at 32, but Heimdal counts only the fields
// that it fills in, and says 24 of a domain without a workstation.
constexpr std::uint32_t kNegotiateNamesFrom = 24;
constexpr std::uint32_t kChallengeHeaderSize = 32;  // Without a context and target information.
constexpr std::uint32_t kChallengeTargetInfoEnd = 48;
constexpr std::uint32_t kChallengeVersionEnd = 56;
constexpr std::uint32_t kAuthenticateHeaderSize = 64;

constexpr std::uint32_t kServerChallengeSize = 8;
constexpr std::uint32_t kProofSize = 16;
constexpr std::uint32_t kClientChallengeSize = 8;
constexpr std::uint16_t kResponseVersions = 0x0101;  // RespType and HiRespType, both 1.
constexpr std::uint32_t kAvHeaderSize = 4;
constexpr std::uint32_t kFieldSizeMax = 0xffff;
static_assert(kNtlmv2ResponseSizeMin == kProofSize + 28);

MessageType signature_and_type(Cursor& cursor) noexcept {
  cursor.require(std::ranges::equal(cursor.bytes(kSignature.size()), kSignature));
  const std::uint32_t type = cursor.u32();
  cursor.require(type >= 1 && type <= 3);
  return MessageType(type);
}

// field reads {u16 length, u16 max_length, u32 offset} and resolves it (MS-NLMP 2.2.1.3). The max
// length is ignored on receipt, as the specification asks, and so are offsets of empty fields:
// curl sends zero, WinPR and Chromium the end of the header.
Bytes field(Cursor& cursor, std::uint32_t header_size) noexcept {
  const std::uint16_t length = cursor.u16();
  cursor.u16();
  const std::uint32_t offset = cursor.u32();
  if (length == 0) {
    return {};
  }
  return cursor.range({.offset = offset, .length = length, .not_before = header_size});
}

// field_if is field for one that a flag announces.
//= MS-NLMP 2.2.1.1
//= MS-NLMP 2.2.1.2
// Without its flag, length and offset of the field MUST be ignored.
Bytes field_if(bool announced, Cursor& cursor, std::uint32_t header_size) noexcept {
  if (!announced) {
    cursor.u64();
    return {};
  }
  return field(cursor, header_size);
}

// size_suits says whether a value of `size` bytes can be one of `id` (MS-NLMP 2.2.2.1).
bool size_suits(AvId id, std::uint32_t size) noexcept {
  switch (id) {
    case AvId::kNetbiosComputer:
    case AvId::kNetbiosDomain:
    case AvId::kDnsComputer:
    case AvId::kDnsDomain:
    case AvId::kDnsTree:
    case AvId::kTargetName:
      return size % 2 == 0;
    case AvId::kEol:
      return size == 0;
    case AvId::kFlags:
      return size == 4;
    case AvId::kTimestamp:
      return size == 8;
    case AvId::kSingleHost:
      return size >= 48;  // The structure has grown before and says its own size.
    case AvId::kChannelBindings:
      return size == 16;
  }
  return true;
}

void keep(AvPairs& pairs, AvId id, Bytes value) noexcept {
  switch (id) {
    case AvId::kNetbiosComputer:
      pairs.netbios_computer = value;
      break;
    case AvId::kNetbiosDomain:
      pairs.netbios_domain = value;
      break;
    case AvId::kDnsComputer:
      pairs.dns_computer = value;
      break;
    case AvId::kDnsDomain:
      pairs.dns_domain = value;
      break;
    case AvId::kDnsTree:
      pairs.dns_tree = value;
      break;
    case AvId::kTargetName:
      pairs.target_name = value;
      break;
    case AvId::kChannelBindings:
      pairs.channel_bindings = value;
      break;
    case AvId::kFlags:
      pairs.has_flags = true;
      pairs.flags = load_le<std::uint32_t>(value);
      break;
    case AvId::kTimestamp:
      pairs.has_timestamp = true;
      pairs.timestamp = load_le<std::uint64_t>(value);
      break;
    case AvId::kEol:
    case AvId::kSingleHost:
      break;
  }
}

// first_time records `id` in `seen` and says whether it was not there yet; ids outside the table
// may repeat.
bool first_time(AvId id, std::uint32_t& seen) noexcept {
  if (id > AvId::kChannelBindings) {
    return true;
  }
  const std::uint32_t bit = std::uint32_t{1} << std::uint16_t(id);
  const bool first = (seen & bit) == 0;
  seen |= bit;
  return first;
}

// av_pairs reads a list that begins at offset `at`, where `cursor` stands, and ends with the input.
AvPairs av_pairs(Parse& parse, Cursor& cursor, std::uint32_t at) noexcept {
  AvPairs pairs;
  std::uint32_t seen = 0;
  AvId id{};
  do {
    id = AvId(cursor.u16());
    const std::uint16_t size = cursor.u16();
    cursor.require(size_suits(id, size) && first_time(id, seen));
    const Bytes value =
        cursor.range({.offset = at + kAvHeaderSize, .length = size, .not_before = 0});
    cursor.bytes(size);
    if (!parse.ok()) {
      return {};
    }
    keep(pairs, id, value);
    at += kAvHeaderSize + size;
  } while (id != AvId::kEol);

  const Bytes padding = parse.input().subspan(at);
  if (padding.size() > kAvPaddingSizeMax ||
      !std::ranges::all_of(padding, [](std::uint8_t octet) { return octet == 0; })) {
    parse.fail(ParseCode::kTrailingBytes, at);
  }
  return pairs;
}

// mic returns bytes 72..88 unless something else is there: that the MIC exists is nowhere said in
// the message itself (MS-NLMP 2.2.1.3), only that nothing begins before its end.
Bytes mic(Bytes message, const Authenticate& fields) noexcept {
  if (message.size() < kMicOffset + kMicSize) {
    return {};
  }
  const Bytes tail = message.subspan(kMicOffset + kMicSize);
  for (const Bytes payload : {fields.lm_response, fields.nt_response, fields.domain, fields.user,
                              fields.workstation, fields.encrypted_session_key}) {
    if (!payload.empty() && payload.data() < tail.data()) {
      return {};
    }
  }
  return message.subspan(kMicOffset, kMicSize);
}

// FieldWriter lays out a message: fixed fields forwards, payload behind them.
class FieldWriter {
 public:
  FieldWriter(MutableBytes out, std::uint32_t header_size) noexcept
      : out_(out), payload_at_(header_size) {}

  void octets(Bytes octets) noexcept {
    std::ranges::copy(octets, out_.subspan(at_).begin());
    at_ += octets.size();
  }

  template <class T>
  void integer(T value) noexcept {
    store_le(out_.subspan(at_), value);
    at_ += sizeof(T);
  }

  void field(Bytes value) noexcept {
    const auto length = static_cast<std::uint16_t>(value.size());
    integer(length);
    integer(length);
    integer(payload_at_);
    std::ranges::copy(value, out_.subspan(payload_at_).begin());
    payload_at_ += length;
  }

 private:
  MutableBytes out_;
  std::size_t at_ = 0;
  std::uint32_t payload_at_;
};

}  // namespace

Result<MessageType> message_type(Bytes message) noexcept {
  Parse parse(message);
  Cursor cursor(parse);
  const MessageType type = signature_and_type(cursor);
  return parse.finish(type);
}

Result<Negotiate> parse_negotiate(Bytes message) noexcept {
  Parse parse(message);
  Cursor cursor(parse);
  Negotiate out;
  cursor.require(signature_and_type(cursor) == MessageType::kNegotiate);
  out.flags = NegotiateFlags(cursor.u32());
  if (message.size() == kNegotiateFlagsEnd) {
    return parse.finish(out);
  }
  out.domain =
      field_if(has(out.flags, NegotiateFlags::kDomainSupplied), cursor, kNegotiateNamesFrom);
  out.workstation =
      field_if(has(out.flags, NegotiateFlags::kWorkstationSupplied), cursor, kNegotiateNamesFrom);
  return parse.finish(out);
}

Result<Challenge> parse_challenge(Bytes message) noexcept {
  Parse parse(message);
  Cursor cursor(parse);
  Challenge out;
  cursor.require(signature_and_type(cursor) == MessageType::kChallenge);
  const std::uint16_t name_length = cursor.u16();
  cursor.u16();
  const std::uint32_t name_offset = cursor.u32();
  out.flags = NegotiateFlags(cursor.u32());
  out.server_challenge = cursor.bytes(kServerChallengeSize);

  const bool has_target_info = has(out.flags, NegotiateFlags::kTargetInfo);
  const std::uint32_t header_size =
      has_target_info ? kChallengeTargetInfoEnd : kChallengeHeaderSize;
  if (has(out.flags, NegotiateFlags::kRequestTarget) && name_length > 0) {
    out.target_name =
        cursor.range({.offset = name_offset, .length = name_length, .not_before = header_size});
  }
  if (has_target_info) {
    cursor.u64();  // Reserved.
    out.target_info = field(cursor, header_size);
  }
  return parse.finish(out);
}

Result<Authenticate> parse_authenticate(Bytes message) noexcept {
  Parse parse(message);
  Cursor cursor(parse);
  Authenticate out;
  cursor.require(signature_and_type(cursor) == MessageType::kAuthenticate);
  out.lm_response = field(cursor, kAuthenticateHeaderSize);
  out.nt_response = field(cursor, kAuthenticateHeaderSize);
  out.domain = field(cursor, kAuthenticateHeaderSize);
  out.user = field(cursor, kAuthenticateHeaderSize);
  out.workstation = field(cursor, kAuthenticateHeaderSize);
  out.encrypted_session_key = field(cursor, kAuthenticateHeaderSize);
  out.flags = NegotiateFlags(cursor.u32());
  out.mic = mic(message, out);
  return parse.finish(out);
}

Result<AvPairs> parse_av_pairs(Bytes list) noexcept {
  Parse parse(list);
  Cursor cursor(parse);
  const AvPairs pairs = av_pairs(parse, cursor, 0);
  return parse.finish(pairs);
}

Result<Ntlmv2Response> parse_ntlmv2_response(Bytes nt_response) noexcept {
  Parse parse(nt_response);
  if (nt_response.size() < kNtlmv2ResponseSizeMin) {
    parse.fail(ParseCode::kTruncated, parse.size());
    return parse.finish(Ntlmv2Response{});
  }
  Cursor cursor(parse);
  Ntlmv2Response out;
  out.proof = cursor.bytes(kProofSize);
  out.client_data = nt_response.subspan(kProofSize);
  cursor.require(cursor.u16() == kResponseVersions);  //= MS-NLMP 2.2.2.7
  cursor.u16();                                       // Reserved1.
  cursor.u32();                                       // Reserved2.
  out.timestamp = cursor.u64();
  out.client_challenge = cursor.bytes(kClientChallengeSize);
  cursor.u32();  // Reserved3.
  if (nt_response.size() > kNtlmv2ResponseSizeMin) {
    out.pairs = av_pairs(parse, cursor, kNtlmv2ResponseSizeMin);
  }
  return parse.finish(out);
}

std::size_t write_challenge(const Challenge& challenge, MutableBytes out) noexcept {
  if (challenge.server_challenge.size() != kServerChallengeSize ||
      challenge.target_name.size() > kFieldSizeMax ||
      challenge.target_info.size() > kFieldSizeMax) {
    return 0;
  }
  const std::size_t size =
      kChallengeVersionEnd + challenge.target_name.size() + challenge.target_info.size();
  if (out.size() < size) {
    return 0;
  }
  FieldWriter writer(out, kChallengeVersionEnd);
  writer.octets(kSignature);
  writer.integer(std::uint32_t(MessageType::kChallenge));
  writer.field(challenge.target_name);
  writer.integer(std::uint32_t(challenge.flags));
  writer.octets(challenge.server_challenge);
  writer.integer(std::uint64_t{0});  // Reserved.
  writer.field(challenge.target_info);
  writer.integer(std::uint64_t{0});  // Version.
  return size;
}

void AvWriter::pair(AvId id, Bytes value) noexcept {
  fits_ =
      fits_ && value.size() <= kFieldSizeMax && out_.size() - size_ >= kAvHeaderSize + value.size();
  if (!fits_) {
    return;
  }
  const MutableBytes target = out_.subspan(size_, kAvHeaderSize + value.size());
  store_le(target, std::uint16_t(id));
  store_le(target.subspan(2), static_cast<std::uint16_t>(value.size()));
  std::ranges::copy(value, target.subspan(kAvHeaderSize).begin());
  size_ += target.size();
}

Bytes AvWriter::finish() noexcept {
  pair(AvId::kEol, {});
  return fits_ ? Bytes(out_.first(size_)) : Bytes{};
}

}  // namespace usher::ntlm
