// Bytes that are wiped when they are no longer needed, never copied by accident, never printed.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "parsers/bytes.h"

namespace usher {

// wipe overwrites `bytes` in a way no optimiser removes: for all it knows, the empty statement
// reads them. (OPENSSL_cleanse takes five instructions for eight bytes, and a sign-on wipes
// thousands. In pieces, because the C library clears large memory by a string instruction, which
// starts slowly; and of a piece the compiler must not know that it is small, or it clears it by
// itself, with less than the CPU has.)
inline void wipe(MutableBytes bytes) noexcept {
  constexpr std::size_t kPiece = 1024;
  std::uint8_t* at = bytes.data();
  for (std::size_t left = bytes.size(); left > 0;) {
    std::size_t piece = std::min(left, kPiece);
    asm("" : "+r"(piece));
    std::memset(at, 0, piece);
    at += piece;
    left -= piece;
  }
  asm volatile("" : : "r"(bytes.data()) : "memory");
}

// equal_secret compares in a time that depends on the sizes only.
[[nodiscard]] inline bool equal_secret(Bytes a, Bytes b) noexcept {
  if (a.size() != b.size()) {
    return false;
  }
  std::uint64_t difference = 0;
  const auto compare = [&](auto word, std::size_t at) {
    auto other = word;
    std::memcpy(&word, a.data() + at, sizeof(word));
    std::memcpy(&other, b.data() + at, sizeof(word));
    difference |= static_cast<std::uint64_t>(word ^ other);
    asm("" : "+r"(difference));  // For all the compiler knows, nothing is decided yet.
  };
  constexpr std::size_t kWord = sizeof(difference);
  if (a.size() < kWord) {
    for (std::size_t at = 0; at < a.size(); ++at) {
      compare(std::uint8_t{0}, at);
    }
    return difference == 0;
  }
  for (std::size_t at = 0; at + kWord < a.size(); at += kWord) {
    compare(difference, at);
  }
  compare(difference, a.size() - kWord);  // It may look at octets again.
  return difference == 0;
}

// Secret holds up to kMax bytes of key material. It can be handed over only by naming both ends.
template <std::size_t kMax>
class Secret {
 public:
  Secret() = default;
  ~Secret() { clear(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  // assign copies `bytes`, at most kMax of them, from a place whose owner wipes it. What was here
  // is overwritten by them, and wiped where they do not reach.
  void assign(Bytes bytes) noexcept {
    assert(bytes.size() <= kMax);
    copy(bytes, bytes_);
    if (bytes.size() < size_) {
      wipe(std::span(bytes_).subspan(bytes.size(), size_ - bytes.size()));
    }
    size_ = bytes.size();
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
