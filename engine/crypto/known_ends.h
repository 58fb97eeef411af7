// What is known of a SHA-2 block of which only the front differs; for kdf_lanes.h and hmac_lanes.h.
#pragma once

#include <algorithm>
#include <array>
#include <bit>

#include "engine/crypto/hmac_parts.h"
#include "engine/crypto/sha2_rounds.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {

// sigma is one of the functions that a schedule is made with (FIPS 180-4 4.1.2 and 4.1.3).
template <class Word>
constexpr Word sigma(Word word, x86::Bits bits) noexcept {
  return std::rotr(word, bits.first) ^ std::rotr(word, bits.second) ^ word >> bits.third;
}

// known_end is what is known of a block of which only the front is not.
template <class Hash, class Word = typename Hash::Lanes::Word>
constexpr x86::KnownEnd<Word> known_end(Word mask, std::array<Word, 16> words) noexcept {
  using Numbers = typename Hash::Numbers;
  std::fill_n(words.begin(), x86::kFrontWords<typename Hash::Lanes>, Word{0});
  // Zeros stand for words that are not known, also for those behind: sigma leaves them.
  const auto word = [&words](std::size_t i) { return i < words.size() ? words[i] : Word{0}; };
  x86::KnownEnd<Word> end{.sums = {}, .mask = mask};
  for (std::size_t i = 0; i < words.size(); ++i) {
    end.sums[i] = words[i] + Numbers::kConstants[i];
    end.sums[16 + i] = words[i] + sigma(word(i + 1), Numbers::kSigma0) + word(i + 9) +
                       sigma(word(i + 14), Numbers::kSigma1);
  }
  return end;
}

// Of a key, padded (RFC 2104 2).
template <class Hash>
constexpr auto pad_end(std::uint8_t pad) noexcept {
  using Word = typename Hash::Lanes::Word;
  const auto word = static_cast<Word>(Word{pad} * (~Word{0} / 0xff));
  std::array<Word, 16> words;
  words.fill(word);
  return known_end<Hash>(word, words);
}
// Of an outer hash's text.
template <class Hash>
constexpr auto text_end() noexcept {
  using Word = typename Hash::Lanes::Word;
  constexpr auto kEnd = outer_end_words<Hash>();
  std::array<Word, 16> words{};
  std::ranges::copy(kEnd, words.end() - kEnd.size());
  return known_end<Hash>(Word{0}, words);
}

}  // namespace usher::crypto
