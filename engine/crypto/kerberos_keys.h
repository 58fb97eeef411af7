// Keys derived from Kerberos base keys (RFC 3961 5.1 and 5.3, RFC 3962).
#pragma once

#include "engine/crypto/etype.h"
#include "engine/crypto/kit.h"
#include "engine/limits.h"
#include "engine/secret.h"

namespace usher::crypto {

using Key = Secret<kKeySizeMax>;

// derive_encryption and derive_integrity make Ke and Ki of `usage` for encrypted data,
// derive_checksum makes Kc for a bare checksum. `base` has profile.key_size bytes.
[[nodiscard]] bool derive_encryption(Kit& kit, const EtypeProfile& profile, Bytes base,
                                     KeyUsage usage, Key& ke) noexcept;
[[nodiscard]] bool derive_integrity(Kit& kit, const EtypeProfile& profile, Bytes base,
                                    KeyUsage usage, Key& ki) noexcept;
[[nodiscard]] bool derive_checksum(Kit& kit, const EtypeProfile& profile, Bytes base,
                                   KeyUsage usage, Key& kc) noexcept;

// n_fold stretches or folds `in` to `out.size()` bytes (RFC 3961 5.1).
void n_fold(Bytes in, MutableBytes out) noexcept;

}  // namespace usher::crypto
