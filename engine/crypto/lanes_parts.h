// What the two back ends of Lanes give to each other; for lanes*.cc and ready_keys.cc alone.
#pragma once

#include <cstring>
#include <memory>

#include "engine/crypto/lanes.h"

namespace usher::crypto {

[[nodiscard]] std::unique_ptr<Lanes> make_openssl_lanes(Kit& kit) noexcept;
// Null if memory fails or has_ipsec_mb() is false.
[[nodiscard]] std::unique_ptr<Lanes> make_ipsec_mb_lanes(Kit& kit, std::size_t tokens) noexcept;

// Null if memory fails or has_x86_lanes() is false. `others` do what it has no own code for.
[[nodiscard]] std::unique_ptr<Lanes> make_x86_lanes(Kit& kit,
                                                    std::unique_ptr<Lanes> others) noexcept;

// hmac_alone makes one HMAC with OpenSSL.
[[nodiscard]] bool hmac_alone(Kit& kit, Digest digest, Bytes key, Bytes text,
                              MutableBytes out) noexcept;

// The forms of keys that the back ends besides OpenSSL take. Without those these do nothing.
void write_x86_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept;
void write_ipsec_mb_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept;
// Of SHA-2 alone. `pad` is a padded key, one block; `state` takes 64 bytes.
void write_ipsec_mb_state(Digest digest, Bytes pad, std::uint8_t* state) noexcept;

// FIPS 180-4 5.3.1.
inline constexpr std::array<std::uint32_t, 5> kSha1Start = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                            0x10325476, 0xc3d2e1f0};
// RFC 1321 3.3.
inline constexpr std::array<std::uint32_t, 4> kMd5Start = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                           0x10325476};
// These take whole blocks of 64 bytes into a state of five or four words, with OpenSSL.
void add_md5_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept;
void add_sha1_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept;

// RFC 2104 2: the bytes that pad a key.
inline constexpr std::uint8_t kInnerPad = 0x36;
inline constexpr std::uint8_t kOuterPad = 0x5c;

// pad_key writes a key that is no longer than a block, padded for both hashes.
template <std::size_t kBlockSize>
void pad_key(Bytes key, std::uint8_t* inner, std::uint8_t* outer) noexcept {
  assert(key.size() <= kBlockSize);
  std::memset(inner, 0, kBlockSize);
  std::memcpy(inner, key.data(), key.size());
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
