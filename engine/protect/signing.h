// What mechListMICs and sessions sign with, from keys that are derived already: the tokens of
// Kerberos (RFC 4121 4.2.6, RFC 4757 7.2 and 7.3) and NTLM (MS-NLMP 3.4.4) as far as both need
// them.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/crypto/checksum.h"
#include "engine/crypto/kit.h"
#include "engine/crypto/rc4_stream.h"
#include "engine/protect/message.h"
#include "engine/protect/mic.h"
#include "engine/secret.h"
#include "parsers/bytes.h"
#include "parsers/gss_message.h"

namespace usher::protect {

using Covered = std::span<const Bytes>;  // What a checksum is made over, in its order.

// --- Kerberos with AES: headers of 16 octets.

using MessageHeader = std::array<std::uint8_t, gss::kMessageHeaderSize>;

// side_flags are the flags of every token of one side.
[[nodiscard]] std::uint8_t side_flags(const KerberosMicKey& key, Sender sender) noexcept;
// is_of_side ignores what else may be set, except kSealed.
[[nodiscard]] bool is_of_side(std::uint8_t flags, std::uint8_t expected) noexcept;

[[nodiscard]] MessageHeader mic_header(std::uint8_t flags, std::uint64_t sequence) noexcept;
[[nodiscard]] MessageHeader wrap_header(std::uint8_t flags, std::uint64_t sequence) noexcept;
// set_counts writes EC and RRC of a wrap token's header, which are zero before.
void set_counts(MutableBytes header, std::size_t extra_count, std::size_t rotation) noexcept;

// write_aes_mic writes 16 + checksum_size bytes; false only if OpenSSL fails. check_aes_mic says
// kGood, kMalformed, kAltered or kFailed; `sequence` is the token's.
[[nodiscard]] bool write_aes_mic(crypto::Kit& kit, const crypto::ChecksumKey& key,
                                 std::uint8_t flags, std::uint64_t sequence, Covered message,
                                 MutableBytes out) noexcept;
[[nodiscard]] MessageOutcome check_aes_mic(crypto::Kit& kit, const crypto::ChecksumKey& key,
                                           std::uint8_t flags, Covered message, Bytes mic,
                                           std::uint64_t& sequence) noexcept;

// --- Kerberos with RC4: everything in the framing of RFC 2743 3.1.

inline constexpr std::size_t kLegacyHeaderSize = 8;
inline constexpr std::size_t kLegacySequenceSize = 8;
inline constexpr std::size_t kLegacyChecksumSize = 8;
inline constexpr std::size_t kLegacyConfounderSize = 8;
inline constexpr std::size_t kLegacyFramingSizeMax = 17;
inline constexpr std::size_t kLegacyMicSize =
    13 + kLegacyHeaderSize + kLegacySequenceSize + kLegacyChecksumSize;

// The fields of MIC and Wrap tokens up to the filler.
inline constexpr std::array<std::uint8_t, kLegacyHeaderSize> kLegacyMicHeader = {
    0x01, 0x01, 0x11, 0x00, 0xff, 0xff, 0xff, 0xff};
inline constexpr std::array<std::uint8_t, kLegacyHeaderSize> kLegacySealedHeader = {
    0x02, 0x01, 0x11, 0x00, 0x10, 0x00, 0xff, 0xff};
inline constexpr std::array<std::uint8_t, kLegacyHeaderSize> kLegacySignedHeader = {
    0x02, 0x01, 0x11, 0x00, 0xff, 0xff, 0xff, 0xff};

// LegacyFraming is what stands before `inner_size` bytes that begin with a header above.
class LegacyFraming {
 public:
  explicit LegacyFraming(std::size_t inner_size) noexcept;
  [[nodiscard]] Bytes bytes() const noexcept { return std::span(bytes_).first(size_); }

 private:
  std::array<std::uint8_t, kLegacyFramingSizeMax> bytes_{};
  std::size_t size_ = 0;
};

// LegacySigner makes checksums and sequence fields for one side's tokens of one kind.
struct LegacySigner {
  crypto::ChecksumKey checksum;
  crypto::Key sequence;
  std::uint8_t direction = 0;
};
[[nodiscard]] bool make_legacy_signer(crypto::Kit& kit, const KerberosMicKey& key, Sender sender,
                                      crypto::KeyUsage usage, LegacySigner& out) noexcept;

using LegacyChecksum = std::array<std::uint8_t, kLegacyChecksumSize>;
using LegacySequence = std::array<std::uint8_t, kLegacySequenceSize>;

// sign_legacy makes a checksum over what is covered, header first. seal_sequence makes SND_SEQ, and
// open_sequence reads it: false in `right_side` if the other side sent it. False if OpenSSL fails.
[[nodiscard]] bool sign_legacy(crypto::Kit& kit, const LegacySigner& signer, Covered covered,
                               LegacyChecksum& out) noexcept;
[[nodiscard]] bool seal_sequence(crypto::Kit& kit, const LegacySigner& signer,
                                 std::uint32_t sequence, Bytes checksum,
                                 LegacySequence& out) noexcept;
[[nodiscard]] bool open_sequence(crypto::Kit& kit, const LegacySigner& signer, Bytes field,
                                 Bytes checksum, std::uint32_t& sequence,
                                 bool& right_side) noexcept;

// As for AES, with kLegacyMicSize bytes.
[[nodiscard]] bool write_legacy_mic(crypto::Kit& kit, const LegacySigner& signer,
                                    std::uint32_t sequence, Covered message,
                                    MutableBytes out) noexcept;
[[nodiscard]] MessageOutcome check_legacy_mic(crypto::Kit& kit, const LegacySigner& signer,
                                              Covered message, Bytes mic,
                                              std::uint32_t& sequence) noexcept;

// --- NTLM with extended session security.

inline constexpr std::size_t kNtlmMicSize = 16;

// NtlmSigner is one side's keys: its stream goes on from message to message.
struct NtlmSigner {
  Secret<crypto::kMd5Size> sign;
  crypto::Rc4Stream stream;
  bool seals_checksums = false;  // kKeyExchange.
};
[[nodiscard]] bool make_ntlm_signer(crypto::Kit& kit, const NtlmMicKey& key, Sender sender,
                                    NtlmSigner& out) noexcept;

// write_ntlm_mic writes kNtlmMicSize bytes of NTLMSSP_MESSAGE_SIGNATURE, its checksum not sealed
// yet: seal_ntlm_mic does that, behind what else of the message is sealed (MS-NLMP 3.4.3).
[[nodiscard]] bool write_ntlm_mic(crypto::Kit& kit, const NtlmSigner& signer,
                                  std::uint32_t sequence, Covered message,
                                  MutableBytes out) noexcept;
void seal_ntlm_mic(NtlmSigner& signer, MutableBytes mic) noexcept;

}  // namespace usher::protect
