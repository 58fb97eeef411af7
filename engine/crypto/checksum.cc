// Keyed checksums: the etype's HMAC, truncated; RC4 takes the HMAC of a digest.
#include "engine/crypto/checksum.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/secret.h"

namespace usher::crypto {
namespace {

using Whole = Secret<kHmacSizeMax>;

// rc4_digest is what RFC 4757 4 signs in place of the text: MD5 over the usage and the text.
bool rc4_digest(Kit& kit, KeyUsage usage, std::span<const Bytes> parts, MutableBytes out) noexcept {
  assert(parts.size() <= kChecksumPartsMax);
  const std::array<std::uint8_t, 4> salt = rc4_salt(usage);
  std::array<Bytes, 1 + kChecksumPartsMax> covered;
  covered[0] = salt;
  std::ranges::copy(parts, covered.begin() + 1);
  return kit.md5(std::span(covered).first(1 + parts.size()), out);
}

// make_whole makes the HMAC of which a checksum is the front.
bool make_whole(Kit& kit, const ChecksumKey& key, std::span<const Bytes> parts,
                Whole& out) noexcept {
  assert(key.profile != nullptr);
  const EtypeProfile& profile = *key.profile;
  const MutableBytes whole = out.reset(profile.hmac_size);
  if (profile.family != Family::kRc4) {
    return hmac(kit, profile, key.kc.bytes(), parts, whole);
  }
  std::array<std::uint8_t, 16> digest;
  const Bytes digests[] = {digest};
  return rc4_digest(kit, key.usage, parts, digest) &&
         hmac(kit, profile, key.kc.bytes(), digests, whole);
}

}  // namespace

bool make_checksum_key(Kit& kit, const EtypeProfile& profile, Bytes base, KeyUsage usage,
                       ChecksumKey& out) noexcept {
  out.profile = &profile;
  out.usage = usage;
  return derive_checksum(kit, profile, base, usage, out.kc);
}

bool write_checksum(Kit& kit, const ChecksumKey& key, std::span<const Bytes> parts,
                    MutableBytes out) noexcept {
  Whole whole;
  if (!make_whole(kit, key, parts, whole)) {
    return false;
  }
  std::ranges::copy(whole.bytes().first(key.profile->checksum_size), out.begin());
  return true;
}

Outcome judge_checksum(Kit& kit, const ChecksumKey& key, std::int32_t type,
                       std::span<const Bytes> parts, Bytes checksum) noexcept {
  if (type != key.profile->checksum_type || checksum.size() != key.profile->checksum_size) {
    return Outcome::kForged;
  }
  Whole whole;
  if (!make_whole(kit, key, parts, whole)) {
    return Outcome::kFailed;
  }
  return equal_secret(whole.bytes().first(checksum.size()), checksum) ? Outcome::kDone
                                                                      : Outcome::kForged;
}

}  // namespace usher::crypto
