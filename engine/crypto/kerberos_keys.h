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
