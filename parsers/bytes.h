// Borrowed byte ranges and the only unchecked loads and stores in parsers/.
#pragma once

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

// has_nul says whether there is an octet of 0 in `text`. What is short, as names are, is looked at
// in two words, which may overlap.
[[nodiscard]] inline bool has_nul(Bytes text) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  constexpr std::size_t kHalf = kWord / 2;
  if (text.size() > 2 * kWord) {
    return std::memchr(text.data(), 0, text.size()) != nullptr;
  }
  // Taking one from each octet of a word, the lowest that is 0 borrows, and gets its highest bit.
  const auto in_word = [](std::uint64_t word) {
    constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;  // Times an octet: eight of it.
    return (word - kEach) & ~word & kEach * 0x80;
  };
  if (text.size() >= kWord) {
    return (in_word(load_le<std::uint64_t>(text)) |
            in_word(load_le<std::uint64_t>(text.last<kWord>()))) != 0;
  }
  if (text.size() >= kHalf) {
    return in_word(std::uint64_t{load_le<std::uint32_t>(text)} << 32 |
                   load_le<std::uint32_t>(text.last<kHalf>())) != 0;
  }
  for (const std::uint8_t octet : text) {
    if (octet == 0) {
      return true;
    }
  }
  return false;
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
