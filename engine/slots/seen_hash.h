// A keyed hash of byte strings in a bounded time, to choose places by; never to tell strings apart.
#pragma once

#include <openssl/crypto.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "parsers/bytes.h"

namespace usher {

// SeenHashKey is secret and random, and drawn anew for every hash.
using SeenHashKey = std::array<std::uint64_t, 22>;

// SeenHash looks at a string's size and at some of its octets. Strings that differ only where it
// does not look have one hash, so whoever uses it compares them whole.
class SeenHash {
 public:
  explicit SeenHash(const SeenHashKey& key) noexcept : key_(key) {}
  ~SeenHash() { OPENSSL_cleanse(key_.data(), sizeof(key_)); }
  SeenHash(const SeenHash&) = delete;
  SeenHash& operator=(const SeenHash&) = delete;

  // of hashes `bytes` and a number that goes with them: all of up to 128 octets, and of more the
  // last 64 and 8 words that are spread evenly over the rest. of_end hashes their last kEnd octets
  // and their size only, for what ends in something that differs whatever else is the same. Any
  // thread.
  static constexpr std::size_t kEnd = 16;
  [[nodiscard]] std::uint64_t of(Bytes bytes, std::uint64_t number) const noexcept;
  [[nodiscard]] std::uint64_t of_end(Bytes bytes, std::uint64_t number) const noexcept;

 private:
  static constexpr std::size_t kWords = 16;
  static constexpr std::size_t kTail = 64;
  static constexpr std::size_t kWholeMax = kWords * sizeof(std::uint64_t);
  static constexpr std::size_t kSpread = kWords - kTail / sizeof(std::uint64_t);
  static_assert(std::tuple_size_v<SeenHashKey> == kWords + 6);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"  // Every supported compiler has 128-bit integers.
  using Wide = unsigned __int128;
#pragma GCC diagnostic pop
  [[nodiscard]] Wide multiplier(std::size_t at) const noexcept {
    return Wide{key_[at + 1]} << 64 | key_[at];
  }
  static std::uint64_t load(Bytes from) noexcept { return load_le<std::uint64_t>(from); }
  // pair is the part of the sum that the words i and i + 1 make.
  [[nodiscard]] Wide pair(std::size_t i, std::uint64_t even, std::uint64_t odd) const noexcept {
    return Wide{even + key_[i]} * (odd + key_[i + 1]);
  }
  // Likewise, those of `two`.
  [[nodiscard]] Wide pair(std::size_t i, Bytes two) const noexcept {
    return pair(i, load(two), load(two.subspan(sizeof(std::uint64_t))));
  }
  // finish makes the hash of a string's sum.
  [[nodiscard]] std::uint64_t finish(Wide sum, std::size_t size,
                                     std::uint64_t number) const noexcept {
    sum += pair(kWords, size, number);
    return high(multiplier(kWords + 2) * static_cast<std::uint64_t>(sum) +
                multiplier(kWords + 4) * high(sum));
  }
  [[nodiscard]] Wide sum_of_all(Bytes bytes) const noexcept;
  [[nodiscard]] Wide sum_of_some(Bytes bytes) const noexcept;
  static std::uint64_t high(Wide value) noexcept { return static_cast<std::uint64_t>(value >> 64); }

  SeenHashKey key_;
};

// Implementation.
//
// The words are first hashed by NH (RFC 4418 5.2.2, with words of 64 bits): the sum of
// (m[i] + k[i]) * (m[i + 1] + k[i + 1]), which two different messages share with a chance of 2^-64,
// whatever they are, as long as who chooses them does not know the key. The size and the number are
// two words more. The sum's two halves are then hashed like a replay cache's fingerprint: the upper
// 64 bits of the sum of a[i] * x[i] mod 2^128, equal for different x at most twice as often as at
// random. It is linear and no pseudo-random function; nobody outside sees it.
inline std::uint64_t SeenHash::of(Bytes bytes, std::uint64_t number) const noexcept {
  const bool is_long = bytes.size() > kWholeMax;
  return finish(is_long ? sum_of_some(bytes) : sum_of_all(bytes), bytes.size(), number);
}

inline std::uint64_t SeenHash::of_end(Bytes bytes, std::uint64_t number) const noexcept {
  const Wide sum = bytes.size() < kEnd ? sum_of_all(bytes) : pair(0, bytes.last<kEnd>());
  return finish(sum, bytes.size(), number);
}

// sum_of_all takes every octet. The last pair of words ends where the bytes end, and may have
// octets in common with the one before: of one size, different bytes make different words.
inline SeenHash::Wide SeenHash::sum_of_all(Bytes bytes) const noexcept {
  constexpr std::size_t kPair = 2 * sizeof(std::uint64_t);
  const std::size_t size = bytes.size();
  Wide sum = 0;
  std::size_t i = 0;  // Words.
  for (; i * sizeof(std::uint64_t) + kPair <= size; i += 2) {
    sum += pair(i, bytes.subspan(i * sizeof(std::uint64_t), kPair));
  }
  if (size % kPair == 0) {
    return sum;
  }
  if (size >= kPair) {
    return sum + pair(i, bytes.last(kPair));
  }
  std::array<std::uint8_t, kPair> padded{};
  std::memcpy(padded.data(), bytes.data(), size);
  return sum + pair(i, padded);
}

// sum_of_some takes words that lie spread over the bytes, and the last kTail octets.
inline SeenHash::Wide SeenHash::sum_of_some(Bytes bytes) const noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  const std::size_t distance = (bytes.size() - kTail) / kSpread;  // At least a word.
  Wide sum = 0;
  const std::uint8_t* at = bytes.data();
  for (std::size_t i = 0; i < kSpread; i += 2, at += 2 * distance) {
    sum += pair(i, load(Bytes(at, kWord)), load(Bytes(at + distance, kWord)));
  }
  const auto tail = bytes.last<kTail>();
  for (std::size_t i = kSpread; i < kWords; i += 2) {
    sum += pair(i, tail.subspan((i - kSpread) * kWord, 2 * kWord));
  }
  return sum;
}

}  // namespace usher
