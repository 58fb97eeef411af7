// Keys derived from Kerberos base keys (RFC 3961 5.1 and 5.3, RFC 3962, RFC 8009 3, RFC 4757 4, 5).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/crypto/etype.h"
#include "engine/crypto/kit.h"
#include "engine/limits.h"
#include "engine/secret.h"

namespace usher::crypto {

using Key = Secret<kKeySizeMax>;

// derive_encryption and derive_integrity make Ke and Ki of `usage` for encrypted data,
// derive_checksum makes Kc for a bare checksum. `base` has profile.key_size bytes. RC4 has one key
// for both, K1, and one Ksign for checksums of all usages.
[[nodiscard]] bool derive_encryption(Kit& kit, const EtypeProfile& profile, Bytes base,
                                     KeyUsage usage, Key& ke) noexcept;
[[nodiscard]] bool derive_integrity(Kit& kit, const EtypeProfile& profile, Bytes base,
                                    KeyUsage usage, Key& ki) noexcept;
[[nodiscard]] bool derive_checksum(Kit& kit, const EtypeProfile& profile, Bytes base,
                                   KeyUsage usage, Key& kc) noexcept;

// Purpose is the last byte of a key derivation constant (RFC 3961 5.3, RFC 8009 3).
enum class Purpose : std::uint8_t { kChecksum = 0x99, kEncryption = 0xaa, kIntegrity = 0x55 };

// DerivationInput is what a base key of the AES families makes a key of: RFC 3962 encrypts it with
// CBC, and the ciphertext is the key; RFC 8009 makes the HMAC of it, and its front is the key.
class DerivationInput {
 public:
  DerivationInput(const EtypeProfile& profile, KeyUsage usage, Purpose purpose) noexcept;
  [[nodiscard]] Bytes bytes() const noexcept { return std::span(bytes_).first(size_); }

 private:
  std::array<std::uint8_t, 2 * kAesBlockSize> bytes_{};
  std::size_t size_ = 0;
};

// hmac makes the HMAC of the etype's own digest over the concatenation of `parts`, not truncated:
// `out` takes profile.hmac_size bytes.
[[nodiscard]] bool hmac(Kit& kit, const EtypeProfile& profile, Bytes key,
                        std::span<const Bytes> parts, MutableBytes out) noexcept;

// rc4_salt is the number of a key usage as RC4 writes it: four bytes, little-endian, of Microsoft's
// own number (RFC 4757 3).
[[nodiscard]] std::array<std::uint8_t, 4> rc4_salt(KeyUsage usage) noexcept;

// n_fold stretches or folds `in` to `out.size()` bytes (RFC 3961 5.1).
void n_fold(Bytes in, MutableBytes out) noexcept;

}  // namespace usher::crypto
