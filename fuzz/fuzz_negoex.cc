// parsers/negoex.h: NegoEx tokens, message by message.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_target.h"
#include "parsers/negoex.h"

namespace usher::fuzz {
namespace {

using negoex::Header;
using negoex::Message;
using negoex::MessageType;

constexpr std::size_t kHeaderSize = 40;

// check_header writes MESSAGE_HEADER anew.
void check_header(const Message& message) {
  const Header& header = message.header;
  std::array<std::uint8_t, kHeaderSize> written{'N', 'E', 'G', 'O', 'E', 'X', 'T', 'S'};
  const MutableBytes out(written);
  store_le(out.subspan(8), std::uint32_t(header.type));
  store_le(out.subspan(12), header.sequence);
  store_le(out.subspan(16), header.header_size);
  store_le(out.subspan(20), header.message_size);
  check(header.conversation_id.size() == negoex::kGuidSize, "a conversation has a GUID");
  std::ranges::copy(header.conversation_id, out.subspan(24).begin());
  check(std::ranges::equal(written, message.octets.first(kHeaderSize)),
        "a header has one encoding");
}

// check_message: vectors stay in their message and out of its fixed part.
void check_message(const Message& message) {
  const Header& header = message.header;
  check(message.octets.size() == header.message_size, "a message is as long as it says");
  check(header.header_size <= header.message_size, "B13: the fixed part lies in the message");
  check_header(message);
  const Bytes fixed = message.octets.first(header.header_size);
  const Bytes payload = message.octets.subspan(header.header_size);
  check(within(message.random, fixed) && within(message.auth_scheme, fixed),
        "fixed fields lie in the fixed part");
  check(within(message.auth_schemes, payload) && within(message.exchange, payload) &&
            within(message.checksum, payload),
        "B12: vectors lie behind the fixed part");

  const bool nego =
      header.type == MessageType::kInitiatorNego || header.type == MessageType::kAcceptorNego;
  check(message.random.size() == (nego ? 32u : 0u), "only NEGO has random bytes");
  check(message.auth_scheme.size() == (nego ? 0 : negoex::kGuidSize), "all others have a scheme");
  check(message.auth_schemes.size() % negoex::kGuidSize == 0 &&
            message.auth_schemes.size() <= negoex::kVectorMax * negoex::kGuidSize,
        "schemes are whole GUIDs, and not too many");
  check(message.extension_count <= negoex::kVectorMax, "extensions are not too many");
  check(message.extension_count > 0 || !message.has_critical_extension,
        "no extension, none critical");
  check(nego || (message.auth_schemes.empty() && message.extension_count == 0),
        "only NEGO has vectors of schemes and extensions");
  check(header.type == MessageType::kVerify ||
            (message.checksum.empty() && message.checksum_type == 0),
        "only VERIFY has a checksum");
  check(header.type == MessageType::kAlert || message.error_code == 0, "only ALERT has an error");
}

}  // namespace

void run_one(Bytes input) {
  const Result<negoex::Token> token = negoex::parse_token(input);
  if (!token.ok()) {
    check(token.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  check(token->message_count >= 1 && token->message_count <= negoex::kMessagesMax,
        "1 to kMessagesMax messages");
  check(token->messages.data() == input.data() && token->messages.size() == input.size(),
        "the messages are the token");
  const Message first = negoex::message_at(*token, 0);
  std::size_t at = 0;
  Bytes last;
  for (std::uint32_t n = 0; n < token->message_count; ++n) {
    const Message message = negoex::message_at(*token, n);
    check(message.octets.data() == input.subspan(at).data(), "messages stand side by side");
    check_message(message);
    check(message.header.sequence - first.header.sequence == n, "B14: sequences count up");
    check(std::ranges::equal(message.header.conversation_id, first.header.conversation_id),
          "B14: it is one conversation");
    at += message.octets.size();
    last = message.octets;
  }
  check(at == input.size(), "messages are all there is");
  check(negoex::parse_token(last).ok(), "each message is a token by itself");
  check(!negoex::parse_token(input.first(input.size() - 1)).ok(), "every byte counts");
}

}  // namespace usher::fuzz
