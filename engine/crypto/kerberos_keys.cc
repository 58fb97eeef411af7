// The three ways keys are derived. The constants of the key usages that AES meets are folded by the
// compiler; at run time a derivation of RFC 3962 is one CBC call.
#include "engine/crypto/kerberos_keys.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>

namespace usher::crypto {
namespace {

using Block = std::array<std::uint8_t, kAesBlockSize>;

// fold is RFC 3961 5.1: copies of `in`, each rotated 13 bits further to the right, are laid end to
// end up to a common multiple of both sizes, cut into pieces as long as `out`, and added in ones'
// complement. The sum runs from the last byte to the first, so the carry out of one piece goes into
// the next, which is where ones' complement puts it.
constexpr void fold(Bytes in, MutableBytes out) noexcept {
  std::ranges::fill(out, std::uint8_t{0});
  const std::size_t bits = in.size() * 8;
  std::uint32_t carry = 0;
  for (std::size_t i = std::lcm(in.size(), out.size()); i-- > 0;) {
    const std::size_t rotation = i / in.size() * 13 % bits;
    const std::size_t first_bit = (i % in.size() * 8 + bits - rotation) % bits;
    const std::uint32_t high = in[first_bit / 8];
    const std::uint32_t low = in[(first_bit / 8 + 1) % in.size()];
    std::uint8_t& sum = out[i % out.size()];
    carry += sum + ((high << 8 | low) >> (8 - first_bit % 8) & 0xff);
    sum = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  for (std::size_t i = out.size(); carry > 0; i = i == 0 ? out.size() : i) {
    --i;
    carry += out[i];
    out[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
}

constexpr Block folded_constant(KeyUsage usage, Purpose purpose) noexcept {
  const auto number = static_cast<std::uint32_t>(usage);
  const std::array<std::uint8_t, 5> constant{
      static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
      static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number),
      static_cast<std::uint8_t>(purpose)};
  Block folded{};
  fold(constant, folded);
  return folded;
}

template <KeyUsage kUsage, Purpose kPurpose>
constexpr Block kFolded = folded_constant(kUsage, kPurpose);

template <Purpose kPurpose>
Block constant_of(KeyUsage usage) noexcept {
  switch (usage) {
    case KeyUsage::kTicket:
      return kFolded<KeyUsage::kTicket, kPurpose>;
    case KeyUsage::kApReqAuthenticator:
      return kFolded<KeyUsage::kApReqAuthenticator, kPurpose>;
    case KeyUsage::kApRepEncPart:
      return kFolded<KeyUsage::kApRepEncPart, kPurpose>;
    case KeyUsage::kAcceptorSeal:
      return kFolded<KeyUsage::kAcceptorSeal, kPurpose>;
    case KeyUsage::kAcceptorSign:
      return kFolded<KeyUsage::kAcceptorSign, kPurpose>;
    case KeyUsage::kInitiatorSeal:
      return kFolded<KeyUsage::kInitiatorSeal, kPurpose>;
    case KeyUsage::kInitiatorSign:
      return kFolded<KeyUsage::kInitiatorSign, kPurpose>;
    case KeyUsage::kKrbCred:
      return kFolded<KeyUsage::kKrbCred, kPurpose>;
    case KeyUsage::kPac:
      return kFolded<KeyUsage::kPac, kPurpose>;
    case KeyUsage::kLegacySequence:
    case KeyUsage::kLegacyMic:
      break;  // RC4's.
  }
  return folded_constant(usage, kPurpose);  // A registered usage without a name here.
}

Block constant_of(KeyUsage usage, Purpose purpose) noexcept {
  switch (purpose) {
    case Purpose::kChecksum:
      return constant_of<Purpose::kChecksum>(usage);
    case Purpose::kEncryption:
      return constant_of<Purpose::kEncryption>(usage);
    case Purpose::kIntegrity:
      return constant_of<Purpose::kIntegrity>(usage);
  }
  return {};
}

// size_of is the size of the key that is made for a purpose.
std::uint32_t size_of(const EtypeProfile& profile, Purpose purpose) noexcept {
  return purpose == Purpose::kEncryption ? profile.key_size : profile.integrity_key_size;
}

// derive_sha1 is DK (RFC 3961 5.1). random-to-key of AES is the identity (RFC 3962 4).
bool derive_sha1(Kit& kit, Bytes base, Bytes input, MutableBytes out) noexcept {
  return kit.cbc_encrypt(base, input, out);
}

// derive_sha2 is KDF-HMAC-SHA2 (RFC 8009 3) without a context: one block of HMAC is enough for
// every key there is.
bool derive_sha2(Kit& kit, const EtypeProfile& profile, Bytes base, Bytes input,
                 MutableBytes out) noexcept {
  assert(out.size() <= profile.hmac_size);
  const Bytes parts[] = {input};
  Secret<kHmacSizeMax> whole;
  if (!hmac(kit, profile, base, parts, whole.reset(profile.hmac_size))) {
    return false;
  }
  std::ranges::copy(whole.bytes().first(out.size()), out.begin());
  return true;
}

// derive_rc4 makes K1 (RFC 4757 5), which is K2 as well since the key is not an export key, or
// Ksign (RFC 4757 4), whose label includes its terminating zero.
bool derive_rc4(Kit& kit, Bytes base, KeyUsage usage, Purpose purpose, MutableBytes out) noexcept {
  constexpr std::array<std::uint8_t, 13> kSignatureKey = {'s', 'i', 'g', 'n', 'a', 't', 'u',
                                                          'r', 'e', 'k', 'e', 'y', 0};
  const std::array<std::uint8_t, 4> salt = rc4_salt(usage);
  const Bytes parts[] = {purpose == Purpose::kChecksum ? Bytes(kSignatureKey) : Bytes(salt)};
  return kit.hmac_md5(base, parts, out);
}

bool derive(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage, Purpose purpose,
            Key& key) noexcept {
  assert(base.size() == profile.key_size);
  const MutableBytes out = key.reset(size_of(profile, purpose));
  bool done = false;
  switch (profile.family) {
    case Family::kAesSha1:
      done = derive_sha1(kit, base, DerivationInput(profile, usage, purpose).bytes(), out);
      break;
    case Family::kAesSha2:
      done = derive_sha2(kit, profile, base, DerivationInput(profile, usage, purpose).bytes(), out);
      break;
    case Family::kRc4:
      done = derive_rc4(kit, base, usage, purpose, out);
      break;
  }
  if (!done) {
    key.clear();
  }
  return done;
}

}  // namespace

DerivationInput::DerivationInput(const EtypeProfile& profile, KeyUsage usage,
                                 Purpose purpose) noexcept {
  assert(profile.family != Family::kRc4);
  if (profile.family == Family::kAesSha1) {
    // K1 = E(constant), K2 = E(K1): CBC with a zero IV over the constant and a block of zeros.
    size_ = size_of(profile, purpose);
    std::ranges::copy(constant_of(usage, purpose), bytes_.begin());
    return;
  }
  size_ = 4 + 4 + 1 + 1 + 4;
  const std::span<std::uint8_t> out = bytes_;
  store_be(out.subspan<0, 4>(), std::uint32_t{1});  // The counter.
  store_be(out.subspan<4, 4>(), static_cast<std::uint32_t>(usage));
  bytes_[8] = static_cast<std::uint8_t>(purpose);
  store_be(out.subspan<10, 4>(), 8 * size_of(profile, purpose));
}

bool derive_encryption(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                       Key& ke) noexcept {
  return derive(kit, profile, base, usage, Purpose::kEncryption, ke);
}

bool derive_integrity(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                      Key& ki) noexcept {
  return derive(kit, profile, base, usage, Purpose::kIntegrity, ki);
}

bool derive_checksum(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                     Key& kc) noexcept {
  return derive(kit, profile, base, usage, Purpose::kChecksum, kc);
}

bool hmac(Kit& kit, const EtypeProfile& profile, Bytes key, std::span<const Bytes> parts,
          MutableBytes out) noexcept {
  switch (profile.etype) {
    case Etype::kAes128CtsSha1:
    case Etype::kAes256CtsSha1:
      return kit.hmac_sha1(key, parts, out);
    case Etype::kAes128CtsSha256:
      return kit.hmac_sha256(key, parts, out);
    case Etype::kAes256CtsSha384:
      return kit.hmac_sha384(key, parts, out);
    case Etype::kRc4Hmac:
      return kit.hmac_md5(key, parts, out);
  }
  return false;
}

std::array<std::uint8_t, 4> rc4_salt(KeyUsage usage) noexcept {
  //= RFC 4757 3: two numbers of RFC 4120 have another here. (Of a third, 9, it says 8; what Windows
  //= and the others do is 9.)
  auto number = static_cast<std::uint32_t>(usage);
  if (number == 3) {  // The encrypted part of an AS-REP.
    number = 8;
  } else if (usage == KeyUsage::kAcceptorSign) {  // Wrap tokens, of both sides.
    number = 13;
  }
  std::array<std::uint8_t, 4> salt;
  store_le(std::span(salt), number);
  return salt;
}

void n_fold(Bytes in, MutableBytes out) noexcept {
  assert(!in.empty() && !out.empty());
  fold(in, out);
}

}  // namespace usher::crypto
