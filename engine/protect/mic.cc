// MIC tokens of Kerberos and NTLM: a MIC is checked by making it anew and comparing.
#include "engine/protect/mic.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/crypto/kerberos_keys.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

using crypto::Kit;
using ntlm::NegotiateFlags;

constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kMd5Size = 16;

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

//= RFC 4121 4.2.4: the checksum covers the message, then the header
bool checksum(Kit& kit, const KerberosMicKey& key, Sender sender, Bytes message, Bytes header,
              Secret<kSha1Size>& hmac) noexcept {
  assert(key.profile != nullptr && key.key.size() == key.profile->key_size);
  const crypto::KeyUsage usage = sender == Sender::kAcceptor ? crypto::KeyUsage::kAcceptorSign
                                                             : crypto::KeyUsage::kInitiatorSign;
  const Bytes covered[] = {message, header};
  crypto::Key kc;
  return derive_checksum(kit, *key.profile, key.key, usage, kc) &&
         kit.hmac_sha1(kc.bytes(), covered, hmac.reset(kSha1Size));
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

std::size_t write_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
                      Bytes message, MutableBytes out) noexcept {
  const Header header = header_of(key, sender, sequence);
  Secret<kSha1Size> hmac;
  if (!checksum(kit, key, sender, message, header, hmac)) {
    return 0;
  }
  const Bytes tag = hmac.bytes().first(key.profile->tag_size);
  std::ranges::copy(header, out.begin());
  std::ranges::copy(tag, out.subspan(kHeaderSize).begin());
  return kHeaderSize + tag.size();
}

bool check_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
               Bytes message, Bytes mic) noexcept {
  if (mic.size() != kHeaderSize + key.profile->tag_size) {
    return false;
  }
  Header received;
  std::ranges::copy(mic.first(kHeaderSize), received.begin());
  Secret<kSha1Size> hmac;
  if (!checksum(kit, key, sender, message, received, hmac)) {
    return false;
  }
  const bool genuine =
      equal_secret(hmac.bytes().first(key.profile->tag_size), mic.subspan(kHeaderSize));
  //= RFC 4121 4.2.2: the receiver MUST ignore unknown flags
  received[kFlagsOffset] &= kKnownFlags;
  return genuine && received == header_of(key, sender, sequence);
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
