// Tokens that sign, and their parts: one place for each field's meaning.
#include "engine/protect/signing.h"

#include <algorithm>
#include <cassert>

#include "parsers/gss.h"

namespace usher::protect {
namespace {

using crypto::ChecksumKey;
using crypto::KeyUsage;
using crypto::Kit;
using crypto::kMd5Size;
using ntlm::NegotiateFlags;

constexpr std::size_t kExtraCountOffset = 4;
constexpr std::size_t kRotationOffset = 6;
constexpr std::size_t kSequenceOffset = 8;
constexpr std::uint8_t kKnownFlags = gss::kSentByAcceptor | gss::kSealed | gss::kAcceptorSubkey;

// CoveredList is what is covered, with something in front or behind.
class CoveredList {
 public:
  void add(Bytes part) noexcept { parts_[count_++] = part; }
  void add(Covered parts) noexcept {
    for (const Bytes part : parts) {
      add(part);
    }
  }
  [[nodiscard]] Covered view() const noexcept { return std::span(parts_).first(count_); }

 private:
  std::array<Bytes, crypto::kChecksumPartsMax> parts_;
  std::size_t count_ = 0;
};

// sign_aes makes the checksum of a message and a header: checksum_size bytes.
bool sign_aes(Kit& kit, const ChecksumKey& key, Covered message, Bytes header,
              MutableBytes out) noexcept {
  //= RFC 4121 4.2.4: the checksum covers the message, then the header
  CoveredList covered;
  covered.add(message);
  covered.add(header);
  return write_checksum(kit, key, covered.view(), out);
}

}  // namespace

std::uint8_t side_flags(const KerberosMicKey& key, Sender sender) noexcept {
  return static_cast<std::uint8_t>((sender == Sender::kAcceptor ? gss::kSentByAcceptor : 0) |
                                   (key.key_is_acceptor_subkey ? gss::kAcceptorSubkey : 0));
}

bool is_of_side(std::uint8_t flags, std::uint8_t expected) noexcept {
  //= RFC 4121 4.2.2: the receiver MUST ignore unknown flags
  return (flags & kKnownFlags & ~gss::kSealed) == expected;
}

MessageHeader mic_header(std::uint8_t flags, std::uint64_t sequence) noexcept {
  MessageHeader header{0x04, 0x04, flags, 0xff, 0xff, 0xff, 0xff, 0xff};
  store_be(std::span(header).subspan(kSequenceOffset), sequence);
  return header;
}

MessageHeader wrap_header(std::uint8_t flags, std::uint64_t sequence) noexcept {
  MessageHeader header{0x05, 0x04, flags, 0xff};
  store_be(std::span(header).subspan(kSequenceOffset), sequence);
  return header;
}

void set_counts(MutableBytes header, std::size_t extra_count, std::size_t rotation) noexcept {
  assert(extra_count <= 0xffff && rotation <= 0xffff);
  store_be(header.subspan(kExtraCountOffset), static_cast<std::uint16_t>(extra_count));
  store_be(header.subspan(kRotationOffset), static_cast<std::uint16_t>(rotation));
}

bool write_aes_mic(Kit& kit, const ChecksumKey& key, std::uint8_t flags, std::uint64_t sequence,
                   Covered message, MutableBytes out) noexcept {
  //= RFC 4121 4.2.2: Sealed SHALL NOT be set in MIC tokens
  const MessageHeader header = mic_header(flags, sequence);
  copy(header, out);
  return sign_aes(kit, key, message, header,
                  out.subspan(header.size(), key.profile->checksum_size));
}

MessageOutcome check_aes_mic(Kit& kit, const ChecksumKey& key, std::uint8_t flags, Covered message,
                             Bytes mic, std::uint64_t& sequence) noexcept {
  const Result<gss::MicToken> token = gss::parse_mic_token(mic);
  if (!token.ok() || token->checksum.size() != key.profile->checksum_size) {
    return MessageOutcome::kMalformed;
  }
  sequence = token->sequence;
  Secret<crypto::kChecksumSizeMax> expected;
  if (!sign_aes(kit, key, message, token->header, expected.reset(token->checksum.size()))) {
    return MessageOutcome::kFailed;
  }
  return equal_secret(expected.bytes(), token->checksum) && is_of_side(token->flags, flags)
             ? MessageOutcome::kGood
             : MessageOutcome::kAltered;
}

LegacyFraming::LegacyFraming(std::size_t inner_size) noexcept {
  constexpr std::array<std::uint8_t, 11> kMechanism = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                                       0xf7, 0x12, 0x01, 0x02, 0x02};
  const std::uint64_t size = kMechanism.size() + inner_size;
  bytes_[size_++] = 0x60;
  if (size < 0x80) {
    bytes_[size_++] = static_cast<std::uint8_t>(size);
  } else {
    unsigned octets = 1;
    while (octets < 4 && size >> 8 * octets != 0) {
      ++octets;
    }
    bytes_[size_++] = static_cast<std::uint8_t>(0x80 | octets);
    while (octets > 0) {
      bytes_[size_++] = static_cast<std::uint8_t>(size >> 8 * --octets);
    }
  }
  copy(kMechanism, std::span(bytes_).subspan(size_));
  size_ += kMechanism.size();
}

bool make_legacy_signer(Kit& kit, const KerberosMicKey& key, Sender sender, KeyUsage usage,
                        LegacySigner& out) noexcept {
  //= RFC 1964 1.2.1.2: 00 from the initiator, ff from the acceptor
  // RFC 4757 7.2 has them the other way round; nobody does that.
  out.direction = sender == Sender::kInitiator ? 0x00 : 0xff;
  return make_checksum_key(kit, *key.profile, key.key, usage, out.checksum) &&
         derive_encryption(kit, *key.profile, key.key, KeyUsage::kLegacySequence, out.sequence);
}

bool sign_legacy(Kit& kit, const LegacySigner& signer, Covered covered,
                 LegacyChecksum& out) noexcept {
  Secret<crypto::kChecksumSizeMax> whole;
  if (!write_checksum(kit, signer.checksum, covered,
                      whole.reset(signer.checksum.profile->checksum_size))) {
    return false;
  }
  copy(whole.bytes().first(out.size()), out);
  return true;
}

namespace {

// sequence_key is what one SND_SEQ is encrypted with (RFC 4757 7.2).
bool sequence_key(Kit& kit, const LegacySigner& signer, Bytes checksum,
                  Secret<kMd5Size>& out) noexcept {
  const Bytes salt[] = {checksum};
  return kit.hmac_md5(signer.sequence.bytes(), salt, out.reset(kMd5Size));
}

}  // namespace

bool seal_sequence(Kit& kit, const LegacySigner& signer, std::uint32_t sequence, Bytes checksum,
                   LegacySequence& out) noexcept {
  LegacySequence plain;
  //= RFC 4757 7.2: with RC4 the number is big-endian
  store_be(std::span(plain), sequence);
  std::ranges::fill(std::span(plain).subspan<4>(), signer.direction);
  Secret<kMd5Size> key;
  return sequence_key(kit, signer, checksum, key) && kit.rc4(key.bytes(), plain, out);
}

bool open_sequence(Kit& kit, const LegacySigner& signer, Bytes field, Bytes checksum,
                   std::uint32_t& sequence, bool& right_side) noexcept {
  LegacySequence plain;
  Secret<kMd5Size> key;
  if (!sequence_key(kit, signer, checksum, key) || !kit.rc4(key.bytes(), field, plain)) {
    return false;
  }
  sequence = load_be<std::uint32_t>(plain);
  std::array<std::uint8_t, kLegacySequenceSize - sizeof(sequence)> direction;
  direction.fill(signer.direction);
  right_side = equal_secret(direction, std::span(plain).subspan<sizeof(sequence)>());
  return true;
}

bool write_legacy_mic(Kit& kit, const LegacySigner& signer, std::uint32_t sequence, Covered message,
                      MutableBytes out) noexcept {
  CoveredList covered;
  covered.add(kLegacyMicHeader);
  covered.add(message);
  LegacyChecksum checksum;
  LegacySequence field;
  if (!sign_legacy(kit, signer, covered.view(), checksum) ||
      !seal_sequence(kit, signer, sequence, checksum, field)) {
    return false;
  }
  const LegacyFraming framing(kLegacyHeaderSize + field.size() + checksum.size());
  auto end = std::ranges::copy(framing.bytes(), out.begin()).out;
  end = std::ranges::copy(kLegacyMicHeader, end).out;
  end = std::ranges::copy(field, end).out;
  std::ranges::copy(checksum, end);
  return true;
}

MessageOutcome check_legacy_mic(Kit& kit, const LegacySigner& signer, Covered message, Bytes mic,
                                std::uint32_t& sequence) noexcept {
  // Nothing in a token of RC4 may differ, so all of it is made anew but the number, and compared.
  if (mic.size() != kLegacyMicSize) {
    return MessageOutcome::kMalformed;
  }
  const Bytes checksum = mic.last(kLegacyChecksumSize);
  const Bytes field =
      mic.last(kLegacyChecksumSize + kLegacySequenceSize).first(kLegacySequenceSize);
  std::array<std::uint8_t, kLegacyMicSize> expected;
  bool right_side = false;
  if (!open_sequence(kit, signer, field, checksum, sequence, right_side) ||
      !write_legacy_mic(kit, signer, sequence, message, expected)) {
    return MessageOutcome::kFailed;
  }
  return equal_secret(expected, mic) && right_side ? MessageOutcome::kGood
                                                   : MessageOutcome::kAltered;
}

namespace {

// The magic constants of MS-NLMP 3.4.5.2 and 3.4.5.3, each with its terminating zero.
constexpr char kClientSigning[] = "session key to client-to-server signing key magic constant";
constexpr char kServerSigning[] = "session key to server-to-client signing key magic constant";
constexpr char kClientSealing[] = "session key to client-to-server sealing key magic constant";
constexpr char kServerSealing[] = "session key to server-to-client sealing key magic constant";

using MagicConstant = std::array<std::uint8_t, sizeof(kClientSigning)>;

MagicConstant magic(const char (&text)[sizeof(kClientSigning)]) noexcept {
  MagicConstant octets;
  std::ranges::copy(text, octets.begin());
  return octets;
}

// SIGNKEY, MS-NLMP 3.4.5.2.
bool signing_key(Kit& kit, const NtlmMicKey& key, Sender sender, Secret<kMd5Size>& out) noexcept {
  const MagicConstant constant =
      magic(sender == Sender::kInitiator ? kClientSigning : kServerSigning);
  const Bytes parts[] = {key.exported_session_key, constant};
  return kit.md5(parts, out.reset(kMd5Size));
}

// SEALKEY with extended session security, MS-NLMP 3.4.5.3: of a weak key only a part counts.
bool sealing_key(Kit& kit, const NtlmMicKey& key, Sender sender, Secret<kMd5Size>& out) noexcept {
  const MagicConstant constant =
      magic(sender == Sender::kInitiator ? kClientSealing : kServerSealing);
  std::size_t strength = 5;
  if (has(key.flags, NegotiateFlags::k128)) {
    strength = kMd5Size;
  } else if (has(key.flags, NegotiateFlags::k56)) {
    strength = 7;
  }
  const Bytes parts[] = {key.exported_session_key.first(strength), constant};
  return kit.md5(parts, out.reset(kMd5Size));
}

// NTLMSSP_MESSAGE_SIGNATURE (MS-NLMP 2.2.2.9.2): version, checksum, sequence number.
constexpr std::size_t kNtlmChecksumOffset = 4;
constexpr std::size_t kNtlmChecksumSize = 8;
constexpr std::size_t kNtlmSequenceOffset = 12;

}  // namespace

bool make_ntlm_signer(Kit& kit, const NtlmMicKey& key, Sender sender, NtlmSigner& out) noexcept {
  assert(key.exported_session_key.size() == kMd5Size);
  assert(has(key.flags, NegotiateFlags::kExtendedSessionSecurity));
  out.seals_checksums = has(key.flags, NegotiateFlags::kKeyExchange);
  Secret<kMd5Size> seal;
  if (!signing_key(kit, key, sender, out.sign) || !sealing_key(kit, key, sender, seal)) {
    return false;
  }
  out.stream.start(seal.bytes());
  return true;
}

bool write_ntlm_mic(Kit& kit, const NtlmSigner& signer, std::uint32_t sequence, Covered message,
                    MutableBytes out) noexcept {
  store_le(out, std::uint32_t{1});  // Version.
  store_le(out.subspan(kNtlmSequenceOffset), sequence);
  CoveredList covered;
  covered.add(out.subspan(kNtlmSequenceOffset, sizeof(sequence)));
  covered.add(message);
  Secret<kMd5Size> hmac;
  if (!kit.hmac_md5(signer.sign.bytes(), covered.view(), hmac.reset(kMd5Size))) {
    return false;
  }
  copy(hmac.bytes().first(kNtlmChecksumSize), out.subspan(kNtlmChecksumOffset));
  return true;
}

void seal_ntlm_mic(NtlmSigner& signer, MutableBytes mic) noexcept {
  //= MS-NLMP 3.4.4.2: the checksum is sealed if a key was exchanged
  if (signer.seals_checksums) {
    signer.stream.run(mic.subspan(kNtlmChecksumOffset, kNtlmChecksumSize));
  }
}

}  // namespace usher::protect
