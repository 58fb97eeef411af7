// n-fold and DK for the AES etypes. The constants of the key usages we meet are folded by the
// compiler; at run time a derivation is one CBC call.
#include "engine/crypto/kerberos_keys.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>

namespace usher::crypto {
namespace {

constexpr std::size_t kAesBlockSize = 16;
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

// The last byte of a key derivation constant (RFC 3961 5.3).
enum class Purpose : std::uint8_t { kChecksum = 0x99, kEncryption = 0xaa, kIntegrity = 0x55 };

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
  }
  return folded_constant(usage, kPurpose);  // A registered usage without a name here.
}

// derive is DK (RFC 3961 5.1): K1 = E(constant), K2 = E(K1), which is CBC with a zero IV over the
// constant and a block of zeros. random-to-key of AES is the identity (RFC 3962 4).
bool derive(Kit& kit, const EtypeProfile& profile, Bytes base, const Block& constant,
            Key& out) noexcept {
  assert(base.size() == profile.key_size);
  std::array<std::uint8_t, 2 * kAesBlockSize> input{};
  std::ranges::copy(constant, input.begin());
  if (kit.cbc_encrypt(base, std::span(input).first(profile.key_size),
                      out.reset(profile.key_size))) {
    return true;
  }
  out.clear();
  return false;
}

}  // namespace

bool derive_encryption(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                       Key& ke) noexcept {
  return derive(kit, profile, base, constant_of<Purpose::kEncryption>(usage), ke);
}

bool derive_integrity(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                      Key& ki) noexcept {
  return derive(kit, profile, base, constant_of<Purpose::kIntegrity>(usage), ki);
}

bool derive_checksum(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                     Key& kc) noexcept {
  return derive(kit, profile, base, constant_of<Purpose::kChecksum>(usage), kc);
}

void n_fold(Bytes in, MutableBytes out) noexcept {
  assert(!in.empty() && !out.empty());
  fold(in, out);
}

}  // namespace usher::crypto
