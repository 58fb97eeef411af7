// What the two back ends of Lanes give to each other; for lanes*.cc and ready_keys.cc alone.
#pragma once

#include <cstring>
#include <memory>

#include "engine/crypto/lanes.h"

namespace usher::crypto {

[[nodiscard]] std::unique_ptr<Lanes> make_openssl_lanes(Kit& kit) noexcept;
// Null if memory fails or has_ipsec_mb() is false.
[[nodiscard]] std::unique_ptr<Lanes> make_ipsec_mb_lanes(Kit& kit, std::size_t tokens) noexcept;

// Null if memory fails or has_x86_lanes() is false.
[[nodiscard]] std::unique_ptr<Lanes> make_x86_lanes(Kit& kit) noexcept;

// hmac_alone makes one HMAC with OpenSSL.
[[nodiscard]] bool hmac_alone(Kit& kit, Digest digest, Bytes key, Bytes text,
                              MutableBytes out) noexcept;

// The forms of keys that the back ends besides OpenSSL take. Without those these do nothing.
void write_x86_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept;
void write_ipsec_mb_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept;

// FIPS 180-4 5.3.1, 5.3.3 and 5.3.4.
inline constexpr std::array<std::uint32_t, 5> kSha1Start = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                            0x10325476, 0xc3d2e1f0};
inline constexpr std::array<std::uint32_t, 8> kSha256Start = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
inline constexpr std::array<std::uint64_t, 8> kSha384Start = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};
// RFC 1321 3.3.
inline constexpr std::array<std::uint32_t, 4> kMd5Start = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                           0x10325476};
// These take whole blocks into a state, with OpenSSL. SHA-384 counts as SHA-512 does.
void add_md5_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept;
void add_sha1_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept;
void add_sha256_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept;
void add_sha512_blocks(std::uint64_t* state, const std::uint8_t* text, std::size_t blocks) noexcept;

// RFC 2104 2: the bytes that pad a key.
inline constexpr std::uint8_t kInnerPad = 0x36;
inline constexpr std::uint8_t kOuterPad = 0x5c;

// pad_key writes a key that is no longer than a block, padded for both hashes.
template <std::size_t kBlockSize>
void pad_key(Bytes key, std::uint8_t* inner, std::uint8_t* outer) noexcept {
  assert(key.size() <= kBlockSize);
  std::memset(inner, 0, kBlockSize);
  if (key.size() == kKeySizeMax) {
    std::memcpy(inner, key.data(), kKeySizeMax);  // Without a loop.
  } else {
    copy(key, {inner, kBlockSize});
  }
  for (std::size_t i = 0; i < kBlockSize; ++i) {
    outer[i] = inner[i] ^ kOuterPad;
  }
  for (std::size_t i = 0; i < kBlockSize; ++i) {
    inner[i] ^= kInnerPad;
  }
}

inline void pad_key(Digest digest, Bytes key, std::uint8_t* inner, std::uint8_t* outer) noexcept {
  if (block_size_of(digest) == 64) {
    pad_key<64>(key, inner, outer);
  } else {
    pad_key<128>(key, inner, outer);
  }
}

}  // namespace usher::crypto
