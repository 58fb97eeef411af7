// Keyed checksums (RFC 3961 5.4, RFC 3962 6, RFC 8009 5, RFC 4757 4), as PACs are signed with
// (MS-PAC 2.8). Unkeyed ones do not exist here (CVE-2014-6324, CVE-2010-1323).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/crypto/etype.h"
#include "engine/crypto/kerberos_keys.h"
#include "engine/crypto/kit.h"
#include "engine/crypto/sealing.h"
#include "parsers/bytes.h"

namespace usher::crypto {

inline constexpr std::size_t kChecksumSizeMax = 24;
inline constexpr std::size_t kChecksumPartsMax = 31;  // How many `parts` there may be.

// ChecksumKey is what checksums of one usage are made with: Kc, or for RC4 what stands for it. It
// is made once where a key signs much, as a service's does.
struct ChecksumKey {
  const EtypeProfile* profile = nullptr;
  KeyUsage usage{};
  Key kc;
};
[[nodiscard]] bool make_checksum_key(Kit& kit, const EtypeProfile& profile, Bytes base,
                                     KeyUsage usage, ChecksumKey& out) noexcept;

// write_checksum writes profile.checksum_size bytes of the checksum over the concatenation of
// `parts`; false only if OpenSSL fails.
[[nodiscard]] bool write_checksum(Kit& kit, const ChecksumKey& key, std::span<const Bytes> parts,
                                  MutableBytes out) noexcept;

// judge_checksum says whether `checksum`, of the RFC 3961 type `type`, is the key's over `parts`
// (kDone): the type must be the one its etype makes and the size that type's, or it is kForged.
// kFailed only if OpenSSL fails. Compares in constant time.
[[nodiscard]] Outcome judge_checksum(Kit& kit, const ChecksumKey& key, std::int32_t type,
                                     std::span<const Bytes> parts, Bytes checksum) noexcept;
// check_checksum is for who refuses either way.
[[nodiscard]] inline bool check_checksum(Kit& kit, const ChecksumKey& key, std::int32_t type,
                                         std::span<const Bytes> parts, Bytes checksum) noexcept {
  return judge_checksum(kit, key, type, parts, checksum) == Outcome::kDone;
}

}  // namespace usher::crypto
