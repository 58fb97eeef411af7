// Keys made ready for many uses: an AES key's schedule, an HMAC key's states.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>

#include "engine/crypto/etype.h"
#include "engine/limits.h"
#include "engine/secret.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// Both kinds of keys serve every back end of Lanes: they hold the key itself, which OpenSSL wants,
// and, if another back end is there and the CPU has what it needs, what that wants in its place. So
// it does not matter which thread's lanes use what another has made.
//
// They are plain memory without pointers, as large as they look, and wiped by their destructors.

enum class AesDirection : std::uint8_t { kEncrypt, kDecrypt };

// AesKey is one AES key of 16 or 32 bytes, expanded for one direction: nothing on the path needs
// both of a key, and half as many bytes are to be wiped.
class AesKey {
 public:
  AesKey() = default;
  ~AesKey() { clear(); }
  AesKey(const AesKey&) = delete;
  AesKey& operator=(const AesKey&) = delete;

  // expand takes a key of 16 or 32 bytes.
  void expand(Bytes key, AesDirection direction) noexcept {
    std::ranges::copy(key, room(key.size()).begin());
    expand(direction);
  }

  // room is where to write a key of `size` bytes, 16 or 32, for expand(direction) to take up.
  [[nodiscard]] MutableBytes room(std::size_t size) noexcept {
    assert(size == 16 || size == 32);
    image_.size = static_cast<std::uint8_t>(size);
    return std::span(image_.key).first(size);
  }
  void expand(AesDirection direction) noexcept;

  // Image is a key as bytes, for who keeps it elsewhere and wipes it there.
  struct Image {
    static constexpr std::size_t kRoundsMax = 15;  // AES-256; the first is the key itself.
    alignas(16) std::array<std::uint8_t, 16 * kRoundsMax> schedule{};
    std::array<std::uint8_t, kKeySizeMax> key{};
    std::uint8_t size = 0;
  };
  [[nodiscard]] const Image& image() const noexcept { return image_; }
  void assign(const Image& image) noexcept { image_ = image; }

  void clear() noexcept;

  [[nodiscard]] Bytes key() const noexcept { return std::span(image_.key).first(image_.size); }
  // schedule is 16 bytes a round, and aligned so.
  [[nodiscard]] const std::uint8_t* schedule() const noexcept { return image_.schedule.data(); }
  // For who expands many keys at once.
  [[nodiscard]] std::uint8_t* schedule() noexcept { return image_.schedule.data(); }

 private:
  Image image_;
};

// Digest is what an HMAC is made of.
enum class Digest : std::uint8_t { kSha1, kSha256, kSha384, kMd5 };

// digest_of is the digest of an etype's HMAC; not of RC4, whose jobs go one by one. MD5 is NTLM's.
[[nodiscard]] Digest digest_of(const EtypeProfile& profile) noexcept;

// The digest's sizes in bytes: of what it takes at a time, and of the HMAC.
[[nodiscard]] constexpr std::size_t block_size_of(Digest digest) noexcept {
  return digest == Digest::kSha384 ? 128 : 64;
}
[[nodiscard]] constexpr std::size_t hmac_size_of(Digest digest) noexcept {
  switch (digest) {
    case Digest::kSha1:
      return 20;
    case Digest::kSha256:
      return 32;
    case Digest::kSha384:
      return 48;
    case Digest::kMd5:
      break;
  }
  return 16;
}

// HmacKey is an HMAC key of up to 32 bytes with the digest's states after the padded key (RFC 2104
// 4), inner and outer, so that those are made once.
class HmacKey {
 public:
  HmacKey() = default;
  ~HmacKey() { clear(); }
  HmacKey(const HmacKey&) = delete;
  HmacKey& operator=(const HmacKey&) = delete;

  // room is where to write a key of `size` bytes, for prepare(digest) or Lanes::prepare to take up:
  // behind it are zeros.
  [[nodiscard]] MutableBytes room(std::size_t size) noexcept {
    assert(size <= kKeySizeMax);
    std::fill(image_.key.begin() + size, image_.key.end(), std::uint8_t{0});
    image_.size = static_cast<std::uint8_t>(size);
    return std::span(image_.key).first(size);
  }
  void prepare(Digest digest) noexcept;
  void prepare(Digest digest, Bytes key) noexcept {
    std::ranges::copy(key, room(key.size()).begin());
    prepare(digest);
  }

  // SHA-1's and SHA-256's words as they are counted with, and SHA-384 has SHA-512's.
  using State = std::array<std::uint8_t, 64>;
  // Image is a key as bytes, for who keeps it elsewhere and wipes it there.
  struct Image {
    alignas(16) State inner{};
    alignas(16) State outer{};
    std::array<std::uint8_t, kKeySizeMax> key{};
    std::uint8_t size = 0;
  };
  [[nodiscard]] const Image& image() const noexcept { return image_; }
  void assign(const Image& image) noexcept { image_ = image; }

  void clear() noexcept;

  [[nodiscard]] Bytes key() const noexcept { return std::span(image_.key).first(image_.size); }
  [[nodiscard]] const std::uint8_t* inner() const noexcept { return image_.inner.data(); }
  [[nodiscard]] const std::uint8_t* outer() const noexcept { return image_.outer.data(); }
  // For who makes the states of many keys at once.
  [[nodiscard]] std::uint8_t* inner() noexcept { return image_.inner.data(); }
  [[nodiscard]] std::uint8_t* outer() noexcept { return image_.outer.data(); }

 private:
  Image image_;
};

}  // namespace usher::crypto
