// Bytes that are wiped when they are no longer needed, never copied by accident, never printed.
#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "parsers/bytes.h"

namespace usher {

// wipe overwrites `bytes` in a way no optimiser removes: for all it knows, the empty statement
// reads them. (OPENSSL_cleanse takes five instructions for eight bytes, and a sign-on wipes
// thousands. In pieces, because the C library clears large memory by a string instruction, which
// starts slowly.)
inline void wipe(MutableBytes bytes) noexcept {
  constexpr std::size_t kPiece = 1024;
  for (MutableBytes left = bytes; !left.empty();) {
    const MutableBytes piece = left.first(std::min(left.size(), kPiece));
    std::fill_n(piece.data(), piece.size(), std::uint8_t{0});
    left = left.subspan(piece.size());
  }
  asm volatile("" : : "r"(bytes.data()) : "memory");
}

// equal_secret compares in a time that depends on the sizes only.
[[nodiscard]] inline bool equal_secret(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Secret holds up to kMax bytes of key material. It can be handed over only by naming both ends.
template <std::size_t kMax>
class Secret {
 public:
  Secret() = default;
  ~Secret() { clear(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  // assign copies `bytes`, at most kMax of them, from a place whose owner wipes it.
  void assign(Bytes bytes) noexcept {
    assert(bytes.size() <= kMax);
    copy(bytes, reset(bytes.size()));
  }

  // reset wipes and returns `size` zero bytes to be filled in.
  MutableBytes reset(std::size_t size) noexcept {
    clear();
    size_ = size;
    return std::span(bytes_).first(size);
  }

  void clear() noexcept {
    wipe(bytes_);
    size_ = 0;
  }

  [[nodiscard]] Bytes bytes() const noexcept { return std::span(bytes_).first(size_); }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<std::uint8_t, kMax> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace usher
