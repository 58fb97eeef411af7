// Per-message tokens of the Kerberos mechanism: RFC 4121 4.2 (AES), and the framing of RFC 1964 1.2
// that RFC 4757 7 keeps for RC4. Framing only: checksums are the business of protect/.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::gss {

// MessageKind is what the first bytes of a per-message token promise.
enum class MessageKind : std::uint8_t {
  kUnknown,
  kMic,     // 04 04, RFC 4121 4.2.6.1
  kWrap,    // 05 04, RFC 4121 4.2.6.2
  kLegacy,  // 0x60: RFC 1964 1.2, in GSS-API framing.
};
[[nodiscard]] MessageKind message_kind_of(Bytes token) noexcept;

// The flags octet of RFC 4121 4.2.2. Other bits are kept, and mean nothing.
inline constexpr std::uint8_t kSentByAcceptor = 0x01;
inline constexpr std::uint8_t kSealed = 0x02;  // Never in a MIC token.
inline constexpr std::uint8_t kAcceptorSubkey = 0x04;

inline constexpr std::size_t kMessageHeaderSize = 16;  // RFC 4121 4.2.6

struct MicToken {
  std::uint8_t flags = 0;
  std::uint64_t sequence = 0;  // SND_SEQ
  Bytes header;                // The first 16 octets, which the checksum covers.
  Bytes checksum;              // SGN_CKSUM; never empty.
};

struct WrapToken {
  std::uint8_t flags = 0;
  std::uint16_t extra_count = 0;  // EC: filler with kSealed; without, the checksum's size, never 0.
  std::uint16_t right_rotation_count = 0;  // RRC
  std::uint64_t sequence = 0;
  Bytes header;   // The first 16 octets.
  Bytes payload;  // What is left, still rotated right by RRC mod its size: EC octets at least, and
                  // with kSealed the header's copy besides.
};

// LegacyToken is RFC 1964 1.2.1 (MIC), 1.2.2 (Wrap) or 1.2.3 (DeleteSecContext).
enum class LegacyTokenId : std::uint16_t { kMic = 0x0101, kDelete = 0x0102, kWrap = 0x0201 };
enum class SignAlgorithm : std::uint16_t {
  kDesMacMd5 = 0x0000,
  kMd25 = 0x0100,
  kDesMac = 0x0200,
  kHmacSha1Des3 = 0x0400,
  kHmacMd5 = 0x1100,  // RFC 4757 7.2: the only one RC4 uses.
};
enum class SealAlgorithm : std::uint16_t {
  kDes = 0x0000,
  kDes3 = 0x0200,
  kRc4 = 0x1000,
  kNone = 0xffff,
};
struct LegacyToken {
  LegacyTokenId id{};
  SignAlgorithm sign{};                       // One of the above.
  SealAlgorithm seal = SealAlgorithm::kNone;  // Wrap only.
  Bytes header;              // TOK_ID up to the filler, 8 octets: the checksum covers them.
  Bytes encrypted_sequence;  // SND_SEQ, 8 octets.
  Bytes checksum;            // SGN_CKSUM: 8 octets, 20 for kHmacSha1Des3.
  Bytes payload;             // Wrap: confounder, data and padding, at least 9 octets. Else empty.
};

// Fails with kUnexpectedTag for another TOK_ID or mechanism, kBadValue for a filler that is not
// 0xff, kSealed in a MIC token, algorithms that are not in the lists above, EC beyond the payload
// (attack C6) or no checksum in it; kTruncated if a field is cut off (C4), kTrailingBytes if bytes
// follow where none may.
[[nodiscard]] Result<MicToken> parse_mic_token(Bytes token) noexcept;
[[nodiscard]] Result<WrapToken> parse_wrap_token(Bytes token) noexcept;
[[nodiscard]] Result<LegacyToken> parse_legacy_token(Bytes token) noexcept;

}  // namespace usher::gss
