// NegoEx messages; negoex.h says what is promised.
#include "parsers/negoex.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "parsers/cursor.h"

namespace usher::negoex {
namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {'N', 'E', 'G', 'O', 'E', 'X', 'T', 'S'};
constexpr std::uint32_t kHeaderSize = 40;  // MESSAGE_HEADER

// The fixed parts, with the padding that aligns each structure to its 64-bit members.
constexpr std::uint32_t kNegoSize = 96;
constexpr std::uint32_t kExchangeSize = 64;
constexpr std::uint32_t kVerifySize = 80;
constexpr std::uint32_t kAlertSize = 72;

constexpr std::uint32_t kRandomSize = 32;
constexpr std::uint32_t kVectorEntrySize = 12;     // EXTENSION and ALERT: type, offset, length.
constexpr std::uint32_t kChecksumHeaderSize = 20;  // CHECKSUM (MS-NEGOEX 2.2.5.1.3)
constexpr std::uint32_t kChecksumRfc3961 = 1;      // The only ChecksumScheme (2.2.3).

// fixed_size is how long the fixed part of a message of `type` is; 0 for no type at all.
std::uint32_t fixed_size(MessageType type) noexcept {
  switch (type) {
    case MessageType::kInitiatorNego:
    case MessageType::kAcceptorNego:
      return kNegoSize;
    case MessageType::kInitiatorMetaData:
    case MessageType::kAcceptorMetaData:
    case MessageType::kChallenge:
    case MessageType::kApRequest:
      return kExchangeSize;
    case MessageType::kVerify:
      return kVerifySize;
    case MessageType::kAlert:
      return kAlertSize;
  }
  return 0;
}

Header read_header(Parse& parse) noexcept {
  Cursor cursor(parse);
  Header header;
  cursor.require(std::ranges::equal(cursor.bytes(kSignature.size()), kSignature));
  header.type = MessageType(cursor.u32());
  const std::uint32_t size = fixed_size(header.type);
  cursor.require(size != 0);
  header.sequence = cursor.u32();
  header.header_size = cursor.u32();
  cursor.require(header.header_size == size);
  header.message_size = cursor.u32();
  cursor.require(header.message_size >= size);
  header.conversation_id = cursor.bytes(kGuidSize);
  return header;
}

// BodyReader reads what follows the MESSAGE_HEADER in one message; vectors may not reach into the
// fixed part.
class BodyReader {
 public:
  BodyReader(Parse& parse, Message& message) noexcept
      : parse_(parse), cursor_(parse), message_(message) {
    cursor_.bytes(kHeaderSize);
  }

  void nego() noexcept {  // MS-NEGOEX 2.2.6.3
    message_.random = cursor_.bytes(kRandomSize);
    message_.protocol_version = cursor_.u64();
    message_.auth_schemes = array(kGuidSize);
    const Bytes extensions = array(kVectorEntrySize);
    message_.extension_count = static_cast<std::uint32_t>(extensions.size()) / kVectorEntrySize;
    message_.has_critical_extension = entries(extensions);
  }

  void exchange() noexcept {  // 2.2.6.4
    message_.auth_scheme = cursor_.bytes(kGuidSize);
    message_.exchange = byte_vector();
  }

  void verify() noexcept {  // 2.2.6.5
    message_.auth_scheme = cursor_.bytes(kGuidSize);
    cursor_.require(cursor_.u32() == kChecksumHeaderSize);
    cursor_.require(cursor_.u32() == kChecksumRfc3961);
    message_.checksum_type = cursor_.u32();
    message_.checksum = byte_vector();
  }

  void alert() noexcept {  // 2.2.6.6
    message_.auth_scheme = cursor_.bytes(kGuidSize);
    message_.error_code = cursor_.u32();
    entries(array(kVectorEntrySize));
  }

 private:
  // view resolves a place in the message. Where nothing is, an offset means nothing: Windows sets
  // it to 0.
  Bytes view(std::uint32_t offset, std::uint32_t length) noexcept {
    return length == 0 ? Bytes{}
                       : cursor_.range({.offset = offset,
                                        .length = length,
                                        .not_before = message_.header.header_size});
  }

  // BYTE_VECTOR (2.2.5.2.3)
  Bytes byte_vector() noexcept {
    const std::uint32_t offset = cursor_.u32();
    return view(offset, cursor_.u32());
  }

  // AUTH_SCHEME_VECTOR, EXTENSION_VECTOR or ALERT_VECTOR: a count of elements, and two bytes that
  // align the next field.
  Bytes array(std::uint32_t element_size) noexcept {
    const std::uint32_t offset = cursor_.u32();
    const std::uint32_t count = cursor_.u16();
    cursor_.bytes(2);
    cursor_.require(count <= kVectorMax);
    return parse_.ok() ? view(offset, count * element_size) : Bytes{};
  }

  // entries follows the BYTE_VECTOR of every EXTENSION or ALERT and returns whether one has a
  // negative type, which makes an extension critical (2.2.5.1.4).
  bool entries(Bytes vector) noexcept {
    bool critical = false;
    for (; !vector.empty(); vector = vector.subspan(kVectorEntrySize)) {
      critical = critical || load_le<std::uint32_t>(vector) >= 0x80000000u;
      view(load_le<std::uint32_t>(vector.subspan(4)), load_le<std::uint32_t>(vector.subspan(8)));
    }
    return critical;
  }

  Parse& parse_;
  Cursor cursor_;
  Message& message_;
};

void read_body(Parse& parse, Message& message) noexcept {
  BodyReader body(parse, message);
  switch (message.header.header_size) {
    case kNegoSize:
      return body.nego();
    case kExchangeSize:
      return body.exchange();
    case kVerifySize:
      return body.verify();
    default:
      return body.alert();
  }
}

// read_message reads the message that `rest` begins with.
Result<Message> read_message(Bytes rest) noexcept {
  Parse whole(rest);
  Message message;
  message.header = read_header(whole);
  if (const Result<Header> header = whole.finish(message.header); !header.ok()) {
    return header.fault();
  }
  if (message.header.message_size > rest.size()) {
    return ParseFault{ParseCode::kTruncated, 0};
  }
  message.octets = rest.first(message.header.message_size);
  Parse parse(message.octets);
  read_body(parse, message);
  return parse.finish(message);
}

}  // namespace

Result<Token> parse_token(Bytes token) noexcept {
  Header first;
  std::uint32_t count = 0;
  std::uint32_t at = 0;
  do {  // An empty token lacks its first message.
    const Result<Message> message = read_message(token.subspan(at));
    if (!message.ok()) {
      return ParseFault{message.fault().code, at + message.fault().offset};
    }
    const Header& header = message->header;
    if (count == 0) {
      first = header;
    }
    //= MS-NEGOEX 2.2.6.2: SequenceNum is incremented sequentially, ConversationId MUST remain the
    //= same throughout the entire exchange
    const bool goes_on = std::uint64_t{header.sequence} == std::uint64_t{first.sequence} + count &&
                         std::ranges::equal(header.conversation_id, first.conversation_id);
    if (!goes_on || ++count > kMessagesMax) {
      return ParseFault{ParseCode::kBadValue, at};
    }
    at += header.message_size;
  } while (at < token.size());
  return Token{.message_count = count, .messages = token};
}

Message message_at(const Token& token, std::uint32_t n) noexcept {
  assert(n < token.message_count);
  Result<Message> message = read_message(token.messages);
  Bytes rest = token.messages;
  for (std::uint32_t i = 0; i < n; ++i) {
    rest = rest.subspan(message->header.message_size);
    message = read_message(rest);
  }
  return *message;
}

}  // namespace usher::negoex
