// MIC tokens of Kerberos and NTLM: a MIC is checked by making it anew and comparing.
#include "engine/protect/mic.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/crypto/checksum.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

using crypto::ChecksumKey;
using crypto::KeyUsage;
using crypto::Kit;
using crypto::kMd5Size;
using ntlm::NegotiateFlags;

// Kerberos: TOK_ID, flags, filler, SND_SEQ; then the checksum (RFC 4121 4.2.6.1).
constexpr std::size_t kHeaderSize = 16;
constexpr std::size_t kFlagsOffset = 2;
constexpr std::uint8_t kSentByAcceptor = 0x01;
constexpr std::uint8_t kSealed = 0x02;
constexpr std::uint8_t kAcceptorSubkey = 0x04;
constexpr std::uint8_t kKnownFlags = kSentByAcceptor | kSealed | kAcceptorSubkey;

using Header = std::array<std::uint8_t, kHeaderSize>;

Header header_of(const KerberosMicKey& key, Sender sender, std::uint64_t sequence) noexcept {
  Header header{0x04, 0x04, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff};
  //= RFC 4121 4.2.2: Sealed SHALL NOT be set in MIC tokens
  header[kFlagsOffset] =
      static_cast<std::uint8_t>((sender == Sender::kAcceptor ? kSentByAcceptor : 0) |
                                (key.key_is_acceptor_subkey ? kAcceptorSubkey : 0));
  for (std::size_t i = 0; i < 8; ++i) {
    header[8 + i] = static_cast<std::uint8_t>(sequence >> (56 - 8 * i));
  }
  return header;
}

// sign makes the checksum of a message and a header: profile.checksum_size bytes.
bool sign(Kit& kit, const KerberosMicKey& key, Sender sender, Bytes message, Bytes header,
          MutableBytes out) noexcept {
  assert(key.profile != nullptr && key.key.size() == key.profile->key_size);
  const KeyUsage usage =
      sender == Sender::kAcceptor ? KeyUsage::kAcceptorSign : KeyUsage::kInitiatorSign;
  //= RFC 4121 4.2.4: the checksum covers the message, then the header
  const Bytes covered[] = {message, header};
  ChecksumKey kc;
  return make_checksum_key(kit, *key.profile, key.key, usage, kc) &&
         write_checksum(kit, kc, covered, out);
}

std::size_t write_aes_mic(Kit& kit, const KerberosMicKey& key, Sender sender,
                          std::uint64_t sequence, Bytes message, MutableBytes out) noexcept {
  const Header header = header_of(key, sender, sequence);
  if (!sign(kit, key, sender, message, header,
            out.subspan(kHeaderSize, key.profile->checksum_size))) {
    return 0;
  }
  std::ranges::copy(header, out.begin());
  return mic_size(*key.profile);
}

bool check_aes_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
                   Bytes message, Bytes mic) noexcept {
  Header received;
  std::ranges::copy(mic.first(kHeaderSize), received.begin());
  Secret<crypto::kChecksumSizeMax> expected;
  const Bytes checksum = mic.subspan(kHeaderSize);
  if (!sign(kit, key, sender, message, received, expected.reset(checksum.size()))) {
    return false;
  }
  const bool genuine = equal_secret(expected.bytes(), checksum);
  //= RFC 4121 4.2.2: the receiver MUST ignore unknown flags
  received[kFlagsOffset] &= kKnownFlags;
  return genuine && received == header_of(key, sender, sequence);
}

// RC4 (RFC 4757 7.2): TOK_ID, SGN_ALG, filler; SND_SEQ, encrypted; SGN_CKSUM; all in the framing of
// RFC 2743 3.1, whose lengths never change.
constexpr std::array<std::uint8_t, 13> kLegacyFraming = {0x60, 0x23, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                                         0x86, 0xf7, 0x12, 0x01, 0x02, 0x02};
constexpr std::array<std::uint8_t, 8> kLegacyHeader = {0x01, 0x01, 0x11, 0x00,
                                                       0xff, 0xff, 0xff, 0xff};
constexpr std::size_t kLegacySequenceSize = 8;
constexpr std::size_t kLegacyChecksumSize = 8;
constexpr std::size_t kLegacyMicSize =
    kLegacyFraming.size() + kLegacyHeader.size() + kLegacySequenceSize + kLegacyChecksumSize;

// seal_sequence writes SND_SEQ: the number, four bytes that say who sends, and RC4 over both.
bool seal_sequence(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint32_t sequence,
                   Bytes checksum, MutableBytes out) noexcept {
  std::array<std::uint8_t, kLegacySequenceSize> plain{};
  //= RFC 4757 7.2: with RC4 the number is big-endian
  store_be(std::span(plain), sequence);
  //= RFC 1964 1.2.1.2: 00 from the initiator, ff from the acceptor
  // RFC 4757 7.2 has them the other way round; nobody does that.
  std::ranges::fill(std::span(plain).subspan<4>(),
                    sender == Sender::kInitiator ? std::uint8_t{0} : std::uint8_t{0xff});
  crypto::Key base;
  Secret<kMd5Size> sequence_key;
  const Bytes salt[] = {checksum};
  return derive_encryption(kit, *key.profile, key.key, KeyUsage::kLegacySequence, base) &&
         kit.hmac_md5(base.bytes(), salt, sequence_key.reset(kMd5Size)) &&
         kit.rc4(sequence_key.bytes(), plain, out);
}

std::size_t write_legacy_mic(Kit& kit, const KerberosMicKey& key, Sender sender,
                             std::uint32_t sequence, Bytes message, MutableBytes out) noexcept {
  assert(key.key.size() == key.profile->key_size);
  ChecksumKey sign;
  Secret<crypto::kChecksumSizeMax> whole;
  const Bytes covered[] = {kLegacyHeader, message};
  if (!make_checksum_key(kit, *key.profile, key.key, KeyUsage::kLegacyMic, sign) ||
      !write_checksum(kit, sign, covered, whole.reset(key.profile->checksum_size))) {
    return 0;
  }
  const Bytes checksum = whole.bytes().first(kLegacyChecksumSize);
  std::array<std::uint8_t, kLegacySequenceSize> sequence_field;
  const bool sealed = seal_sequence(kit, key, sender, sequence, checksum, sequence_field);
  auto end = std::ranges::copy(kLegacyFraming, out.begin()).out;
  end = std::ranges::copy(kLegacyHeader, end).out;
  end = std::ranges::copy(sequence_field, end).out;
  std::ranges::copy(checksum, end);
  return sealed ? kLegacyMicSize : 0;
}

// Nothing in a token of RC4 may differ, so it is made anew and compared whole.
bool check_legacy_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint32_t sequence,
                      Bytes message, Bytes mic) noexcept {
  std::array<std::uint8_t, kLegacyMicSize> expected;
  return write_legacy_mic(kit, key, sender, sequence, message, expected) == mic.size() &&
         equal_secret(expected, mic);
}

bool is_legacy(const KerberosMicKey& key) noexcept {
  assert(key.profile != nullptr);
  return key.profile->family == crypto::Family::kRc4;
}

// NTLM (MS-NLMP 2.2.2.9.1 and .2): version, checksum, sequence number.
constexpr std::size_t kNtlmChecksumSize = 8;
constexpr std::size_t kNtlmMicSize = 16;

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

std::array<std::uint8_t, 4> little_endian(std::uint32_t value) noexcept {
  return {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8),
          static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 24)};
}

}  // namespace

std::size_t mic_size(const crypto::EtypeProfile& profile) noexcept {
  return profile.family == crypto::Family::kRc4 ? kLegacyMicSize
                                                : kHeaderSize + profile.checksum_size;
}

std::size_t write_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
                      Bytes message, MutableBytes out) noexcept {
  return is_legacy(key) ? write_legacy_mic(kit, key, sender, static_cast<std::uint32_t>(sequence),
                                           message, out)
                        : write_aes_mic(kit, key, sender, sequence, message, out);
}

bool check_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
               Bytes message, Bytes mic) noexcept {
  if (mic.size() != mic_size(*key.profile)) {
    return false;
  }
  return is_legacy(key) ? check_legacy_mic(kit, key, sender, static_cast<std::uint32_t>(sequence),
                                           message, mic)
                        : check_aes_mic(kit, key, sender, sequence, message, mic);
}

std::size_t write_mic(Kit& kit, const NtlmMicKey& key, Sender sender, std::uint32_t sequence,
                      Bytes message, MutableBytes out) noexcept {
  assert(key.exported_session_key.size() == kMd5Size);
  assert(has(key.flags, NegotiateFlags::kExtendedSessionSecurity));
  const std::array<std::uint8_t, 4> number = little_endian(sequence);
  const Bytes covered[] = {number, message};
  Secret<kMd5Size> sign;
  Secret<kMd5Size> seal;
  Secret<kMd5Size> hmac;
  if (!signing_key(kit, key, sender, sign) ||
      !kit.hmac_md5(sign.bytes(), covered, hmac.reset(kMd5Size))) {
    return 0;
  }
  const Bytes plain = hmac.bytes().first(kNtlmChecksumSize);
  const MutableBytes sealed = out.subspan(4, kNtlmChecksumSize);
  if (!has(key.flags, NegotiateFlags::kKeyExchange)) {
    std::ranges::copy(plain, sealed.begin());
  } else if (!sealing_key(kit, key, sender, seal) || !kit.rc4(seal.bytes(), plain, sealed)) {
    return 0;
  }
  std::ranges::copy(little_endian(1), out.begin());  // Version.
  std::ranges::copy(number, out.subspan(4 + kNtlmChecksumSize).begin());
  return kNtlmMicSize;
}

bool check_mic(Kit& kit, const NtlmMicKey& key, Sender sender, std::uint32_t sequence,
               Bytes message, Bytes mic) noexcept {
  std::array<std::uint8_t, kNtlmMicSize> expected;
  return write_mic(kit, key, sender, sequence, message, expected) == kNtlmMicSize &&
         equal_secret(expected, mic);
}

}  // namespace usher::protect
