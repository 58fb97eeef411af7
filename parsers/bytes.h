// Borrowed byte ranges and the only unchecked loads and stores in parsers/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace usher {

// Bytes is read-only memory that someone else owns. A view made from it is valid for exactly as
// long as that owner keeps the memory; inside the engine the owner is always a connection's receive
// buffer, pinned until the reply has been queued.
using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// copy puts the bytes of `from` at the front of `to`, which has room for them; the two may overlap.
inline void copy(Bytes from, MutableBytes to) noexcept {
  const MutableBytes target = to.first(from.size());
  if (!target.empty()) {
    std::memmove(target.data(), from.data(), target.size());
  }
}

// same_octets compares what is no secret, word by word: of a name, the call of a function that can
// do it for any size takes longer.
[[nodiscard]] inline bool same_octets(Bytes a, Bytes b) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  const auto differ = [&](std::size_t at) {
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::memcpy(&x, a.subspan(at, kWord).data(), kWord);
    std::memcpy(&y, b.subspan(at, kWord).data(), kWord);
    return x != y;
  };
  if (a.size() != b.size()) {
    return false;
  }
  if (a.size() < kWord) {
    std::size_t at = 0;
    while (at < a.size() && a[at] == b[at]) {
      ++at;
    }
    return at == a.size();
  }
  for (std::size_t at = 0; at + kWord < a.size(); at += kWord) {
    if (differ(at)) {
      return false;
    }
  }
  return !differ(a.size() - kWord);  // It may look at octets again.
}

// copy_ends copies the first kSize octets of `from` and the last ones, which may be some of them.
template <std::size_t kSize>
inline void copy_ends(Bytes from, MutableBytes to) noexcept {
  std::array<std::uint8_t, kSize> first;
  std::array<std::uint8_t, kSize> last;
  std::memcpy(first.data(), from.first<kSize>().data(), kSize);
  std::memcpy(last.data(), from.last<kSize>().data(), kSize);
  std::memcpy(to.first<kSize>().data(), first.data(), kSize);
  std::memcpy(to.last<kSize>().data(), last.data(), kSize);
}

// copy_short is copy for what mostly has 8 to 32 octets, as OIDs, times and keys have: in that time
// others only choose how to copy.
inline void copy_short(Bytes from, MutableBytes to) noexcept {
  if (from.size() >= 16 && from.size() <= 32) {
    copy_ends<16>(from, to.first(from.size()));
  } else if (from.size() >= 8 && from.size() < 16) {
    copy_ends<8>(from, to.first(from.size()));
  } else {
    copy(from, to);
  }
}

// load_le reads a little-endian unsigned integer from the front of `bytes`, which must hold at
// least sizeof(T) bytes.
template <class T>
requires std::is_unsigned_v<T>
[[nodiscard]] inline T load_le(Bytes bytes) noexcept {
  const Bytes source = bytes.first(sizeof(T));
  T value;
  std::memcpy(&value, source.data(), sizeof(T));
  return value;  // Every supported target is little-endian; see the static_assert in limits.h.
}

// swap_octets turns one byte order into the other.
template <class T>
requires std::is_unsigned_v<T>
[[nodiscard]] constexpr T swap_octets(T value) noexcept {
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == sizeof(std::uint16_t)) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
    return __builtin_bswap32(value);
  } else {
    static_assert(sizeof(T) == sizeof(std::uint64_t));
    return __builtin_bswap64(value);
  }
}

// load_be is load_le for network byte order.
template <class T>
requires std::is_unsigned_v<T>
[[nodiscard]] inline T load_be(Bytes bytes) noexcept { return swap_octets(load_le<T>(bytes)); }

// may_have_nul is false only if there is no octet of 0 in `text`; it is quick, and sure if there
// are ASCII characters only, four to 64, as in most names.
[[nodiscard]] inline bool may_have_nul(Bytes text) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  constexpr std::size_t kHalf = kWord / 2;
  constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;  // Times an octet: eight of it.
  // Taking one from each octet of a word, the lowest that is 0 borrows, and gets its highest bit;
  // those above 0x80 keep theirs. Words may overlap.
  const auto two_words = [](Bytes part) {
    return (load_le<std::uint64_t>(part) - kEach) |
           (load_le<std::uint64_t>(part.last<kWord>()) - kEach);
  };
  const auto four_words = [two_words](Bytes part) {
    return two_words(part.first<2 * kWord>()) | two_words(part.last<2 * kWord>());
  };
  std::uint64_t less_one = kEach * 0x80;
  if (text.size() < kWord) {
    if (text.size() >= kHalf) {
      const std::uint64_t begin = load_le<std::uint32_t>(text);
      less_one = (begin << 32 | load_le<std::uint32_t>(text.last<kHalf>())) - kEach;
    }
  } else if (text.size() <= 2 * kWord) {
    less_one = two_words(text);
  } else if (text.size() <= 4 * kWord) {
    less_one = four_words(text);
  } else if (text.size() <= 8 * kWord) {
    less_one = four_words(text.first<4 * kWord>()) | four_words(text.last<4 * kWord>());
  }
  return (less_one & kEach * 0x80) != 0;
}

// has_nul says whether there is an octet of 0 in `text`.
[[nodiscard]] inline bool has_nul(Bytes text) noexcept {
  return may_have_nul(text) && !text.empty() && std::memchr(text.data(), 0, text.size()) != nullptr;
}

// store_le writes `value` little-endian to the front of `out`, which must hold at least sizeof(T)
// bytes.
template <class T>
requires std::is_unsigned_v<T>
inline void store_le(MutableBytes out, T value) noexcept {
  const MutableBytes target = out.first(sizeof(T));
  std::memcpy(target.data(), &value, sizeof(T));
}

// store_be is store_le for network byte order.
template <class T>
requires std::is_unsigned_v<T>
inline void store_be(MutableBytes out, T value) noexcept { store_le(out, swap_octets(value)); }

}  // namespace usher
