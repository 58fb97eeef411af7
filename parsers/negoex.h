// NegoEx tokens (MS-NEGOEX 2.2): recognised, bounded and shown, never served. SPNEGO names it by
// OID 1.3.6.1.4.1.311.2.2.30, which Windows clients offer beside Kerberos; the acceptor picks
// another mechanism and leaves the token unread.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::negoex {

// MessageType is MESSAGE_TYPE (MS-NEGOEX 2.2.6.1).
enum class MessageType : std::uint32_t {
  kInitiatorNego = 0,
  kAcceptorNego = 1,
  kInitiatorMetaData = 2,
  kAcceptorMetaData = 3,
  kChallenge = 4,
  kApRequest = 5,
  kVerify = 6,
  kAlert = 7,
};

// Messages in one token, authentication schemes and extensions in one message; Windows sends two,
// and two or three.
inline constexpr std::uint32_t kMessagesMax = 8;
inline constexpr std::uint32_t kVectorMax = 32;

inline constexpr std::uint32_t kGuidSize = 16;

// Header is MESSAGE_HEADER (MS-NEGOEX 2.2.6.2).
struct Header {
  MessageType type{};
  std::uint32_t sequence = 0;      // Counts from 0 in a conversation.
  std::uint32_t header_size = 0;   // Bytes of the message's fixed part.
  std::uint32_t message_size = 0;  // Bytes of all of it.
  Bytes conversation_id;           // 16 bytes.
};

// Message is one message of any type. What does not belong to `header.type` is empty.
struct Message {
  Header header;
  Bytes octets;  // The whole message.

  Bytes random;  // NEGO (2.2.6.3): 32 bytes.
  std::uint64_t protocol_version = 0;
  Bytes auth_schemes;  // NEGO: GUIDs, 16 bytes each.
  std::uint32_t extension_count = 0;
  bool has_critical_extension = false;  // One with a negative type (2.2.5.1.4).

  Bytes auth_scheme;                // EXCHANGE, VERIFY, ALERT: 16 bytes.
  Bytes exchange;                   // EXCHANGE (2.2.6.4): the mechanism's own token.
  std::uint32_t checksum_type = 0;  // VERIFY (2.2.6.5)
  Bytes checksum;
  std::uint32_t error_code = 0;  // ALERT (2.2.6.6)
};

struct Token {
  std::uint32_t message_count = 0;
  Bytes messages;
};

// parse_token reads every message of a token, headers and vectors. Fails with kBadValue for another
// signature, an unknown type, a header that is not as long as its type's fixed part (attack B13), a
// conversation that changes or a sequence that does not count up (B14), or more than kMessagesMax
// or kVectorMax; kOutOfBounds for a vector that leaves its message or reaches into its fixed part
// (B12); kTruncated if a message is longer than what is left.
[[nodiscard]] Result<Token> parse_token(Bytes token) noexcept;

// message_at is the n-th message of a token that was accepted; n < message_count.
[[nodiscard]] Message message_at(const Token& token, std::uint32_t n) noexcept;

}  // namespace usher::negoex
