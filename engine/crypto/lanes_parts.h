// What the two back ends of Lanes give to each other; for lanes*.cc and ready_keys.cc alone.
#pragma once

#include <cstring>
#include <memory>

#include "engine/crypto/lanes.h"

namespace usher::crypto {

[[nodiscard]] std::unique_ptr<Lanes> make_openssl_lanes(Kit& kit) noexcept;
// Null if memory fails or has_ipsec_mb() is false.
[[nodiscard]] std::unique_ptr<Lanes> make_ipsec_mb_lanes(Kit& kit, std::size_t tokens) noexcept;

// hmac_alone makes one HMAC with OpenSSL.
[[nodiscard]] bool hmac_alone(Kit& kit, Digest digest, Bytes key, Bytes text,
                              MutableBytes out) noexcept;

// The forms of keys that ipsec-mb takes. Without it these do nothing.
void write_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept;
// `pad` is a padded key, one block; `state` takes 64 bytes.
void write_state(Digest digest, Bytes pad, std::uint8_t* state) noexcept;

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
