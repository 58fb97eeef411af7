// What HMACs in lanes and HMACs alone have in common; for hmac_lanes.h and hmac_alone.h.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engine/crypto/lanes_parts.h"

namespace usher::crypto {

// Of a text's last block, what the number of bits takes: twice as many bits as a word.
template <class Hash>
inline constexpr std::size_t kNumberSize = 2 * sizeof(typename Hash::Lanes::Word);

// put_size writes the number of bits of a text behind a padded key, to the end of its last block
// (FIPS 180-4 5.1, RFC 1321 3.2).
template <class Hash>
constexpr void put_size(std::uint8_t* block_end, std::size_t size) noexcept {
  const std::uint64_t bits = 8 * (Hash::Lanes::kBlockSize + size);
  const auto octets = std::bit_cast<std::array<std::uint8_t, sizeof(bits)>>(
      Hash::kBigEndian ? __builtin_bswap64(bits) : bits);
  std::fill(block_end - kNumberSize<Hash>, block_end - octets.size(), std::uint8_t{0});
  std::copy(octets.begin(), octets.end(), block_end - octets.size());
}

// padded_blocks is how many blocks the last `rest` bytes of a text take with what is put behind
// them (FIPS 180-4 5.1, RFC 1321 3.1 and 3.2).
template <class Hash>
constexpr std::size_t padded_blocks(std::size_t rest) noexcept {
  return (rest + kNumberSize<Hash>) / Hash::Lanes::kBlockSize + 1;
}

// Copied, because GCC 12 clears as many by a string instruction, which starts slowly.
template <class Hash>
inline constexpr std::array<std::uint8_t, Hash::Lanes::kBlockSize> kZeros{};

// pad puts that behind the `rest` bytes at `end`, of a text of `size` bytes.
template <class Hash>
void pad(std::uint8_t* end, std::size_t rest, std::size_t size) noexcept {
  //= FIPS 180-4 5.1, RFC 1321 3.1 and 3.2: a one, zeros, and the number of bits, those of the
  // padded key included
  std::memcpy(end + rest, kZeros<Hash>.data(), Hash::Lanes::kBlockSize);  // At least up to it.
  end[rest] = 0x80;
  put_size<Hash>(end + padded_blocks<Hash>(rest) * Hash::Lanes::kBlockSize, size);
}

// outer_end is what follows the hash in an outer hash's block.
template <class Hash>
constexpr auto outer_end() noexcept {
  std::array<std::uint8_t, Hash::Lanes::kBlockSize - Hash::kHashSize> end{0x80};
  put_size<Hash>(end.data() + end.size(), Hash::kHashSize);
  return end;
}

// outer_end_words is outer_end as words: only the first and, of the number, one is not zero.
template <class Hash>
constexpr auto outer_end_words() noexcept {
  using Word = typename Hash::Lanes::Word;
  constexpr auto kEnd = outer_end<Hash>();
  std::array<Word, kEnd.size() / sizeof(Word)> words{};
  for (std::size_t i = 0; i < kEnd.size(); ++i) {
    const std::size_t place = i % sizeof(Word);
    words[i / sizeof(Word)] |= Word{kEnd[i]}
                               << 8 * (Hash::kBigEndian ? sizeof(Word) - 1 - place : place);
  }
  return words;
}

// put_hash_word writes word number `i` of a hash where the hash is to go. Every hash is whole
// words.
template <class Hash>
void put_hash_word(std::uint8_t* out, std::size_t i, typename Hash::Lanes::Word word) noexcept {
  if constexpr (Hash::kBigEndian) {
    word = swap_octets(word);
  }
  std::memcpy(out + i * sizeof(word), &word, sizeof(word));
}

}  // namespace usher::crypto
