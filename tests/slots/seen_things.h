// What the tests of engine/slots/seen_cache.h put into one: keys, values and payloads that can be
// told apart, and zero memory for it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/limits.h"
#include "engine/slots/seen_hash.h"
#include "parsers/bytes.h"

namespace usher::testing {

using Octets = std::vector<std::uint8_t>;

inline constexpr std::int64_t kNow = 1'790'000'000;
inline constexpr std::int64_t kLater = kNow + 36'000;  // When a ticket ends.

struct SeenPayload {
  std::array<std::uint8_t, 200> octets{};
};

// SeenMemory is what a cache lives in: zero, aligned, and to be looked at when it is gone.
class SeenMemory {
 public:
  explicit SeenMemory(std::size_t size)
      : lines_((size + kCacheLine - 1) / kCacheLine), size_(size) {}
  [[nodiscard]] MutableBytes bytes() {
    return {lines_.front().octets.data(), size_};  // The lines are one array.
  }

 private:
  struct alignas(kCacheLine) Line {
    std::array<std::uint8_t, kCacheLine> octets{};
  };
  std::vector<Line> lines_;
  std::size_t size_;
};

// seen_hash_key is as good as random, and the same each time.
inline SeenHashKey seen_hash_key() {
  SeenHashKey key;
  std::uint64_t next = 0x9e3779b97f4a7c15;
  for (std::uint64_t& word : key) {
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    word = next * 0x2545f4914f6cdd1d;
  }
  return key;
}

// octets makes `size` bytes, all of them `fill` but the last four, which are `number`.
inline Octets octets(std::uint32_t number, std::size_t size, std::uint8_t fill) {
  Octets made(size, fill);
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 4); ++i) {
    made[size - 1 - i] = static_cast<std::uint8_t>(number >> 8 * i);
  }
  return made;
}
inline bool is_equal(Bytes a, Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}
inline bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t octet) { return octet == 0; });
}

}  // namespace usher::testing
