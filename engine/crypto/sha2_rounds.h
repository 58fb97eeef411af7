// SHA-256 and SHA-512 in vector registers, one message a lane; for hash_avx2.cc and hash_avx512.cc,
// and its numbers for sha_ni.cc, kdf_lanes.h and known_ends.h, alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

// FIPS 180-4 4.2.2.
alignas(64) constexpr std::uint32_t kSha256Constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// FIPS 180-4 4.2.3.
alignas(64) constexpr std::uint64_t kSha512Constants[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};

// Bits is by how much a function of both hashes rotates to the right, twice, and then rotates or
// shifts.
struct Bits {
  int first;
  int second;
  int third;
};

// FIPS 180-4 4.1.2 and 4.1.3: the two hashes are one in all but these. The functions' names are
// those of the greek letters there.
struct Sha256Numbers {
  using Lanes = Sha256Lanes;
  static constexpr std::size_t kRounds = 64;
  static constexpr const std::uint32_t (&kConstants)[kRounds] = kSha256Constants;
  static constexpr Bits kSum0{2, 13, 22};
  static constexpr Bits kSum1{6, 11, 25};
  static constexpr Bits kSigma0{7, 18, 3};
  static constexpr Bits kSigma1{17, 19, 10};
};
struct Sha512Numbers {
  using Lanes = Sha512Lanes;
  static constexpr std::size_t kRounds = 80;
  static constexpr const std::uint64_t (&kConstants)[kRounds] = kSha512Constants;
  static constexpr Bits kSum0{28, 34, 39};
  static constexpr Bits kSum1{14, 18, 41};
  static constexpr Bits kSigma0{1, 8, 7};
  static constexpr Bits kSigma1{19, 61, 6};
};

// Isa is the instruction set: `Vector` is one word of every lane.
template <class Isa, class Numbers>
struct Sha2Rounds {
  using Vector = typename Isa::Vector;
  using Lanes = typename Numbers::Lanes;
  using Word = typename Lanes::Word;
  static constexpr int kWordBits = 8 * sizeof(Word);

  template <int kBits>
  [[gnu::always_inline]] static inline Vector rotate_right(Vector x) {
    return Isa::template rotate<kWordBits - kBits>(x);
  }
  template <Bits kBits>
  [[gnu::always_inline]] static inline Vector sum(Vector x) {
    return Isa::parity(rotate_right<kBits.first>(x), rotate_right<kBits.second>(x),
                       rotate_right<kBits.third>(x));
  }
  template <Bits kBits>
  [[gnu::always_inline]] static inline Vector sigma(Vector x) {
    return Isa::parity(rotate_right<kBits.first>(x), rotate_right<kBits.second>(x),
                       Isa::template shift_right<kBits.third>(x));
  }

  // What becomes of a round's word, which no other round wants: that of sixteen rounds later, or
  // nothing; or it is in the constant already, of all words or of those behind the front.
  enum class Use { kMoreWords, kLastWords, kKnownSums, kKnownEnd };

  // is_known says of which of the first sixteen words that is so; those of sixteen rounds later
  // have taken their places.
  static constexpr bool is_known(std::size_t word) {
    return word >= kFrontWords<Lanes> && word < 16;
  }

  // next_word makes of the word of a round that of sixteen rounds later.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline void next_word(Vector* words) {
    Vector& word = words[kRound];
    word = Isa::add(
        Isa::add(word, sigma<Numbers::kSigma0>(words[(kRound + 1) % 16])),
        Isa::add(words[(kRound + 9) % 16], sigma<Numbers::kSigma1>(words[(kRound + 14) % 16])));
  }
  // next_of_front does where the words behind the front are known, and what they come to: there is
  // one in each sum.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline void next_of_front(Vector* words, Word known) {
    Vector word = Isa::each(known);
    if constexpr (!is_known(kRound)) {
      word = Isa::add(words[kRound], word);
    }
    if constexpr (!is_known(kRound + 1)) {
      word = Isa::add(word, sigma<Numbers::kSigma0>(words[(kRound + 1) % 16]));
    }
    if constexpr (!is_known(kRound + 9)) {
      word = Isa::add(word, words[(kRound + 9) % 16]);
    }
    if constexpr (!is_known(kRound + 14)) {
      word = Isa::add(word, sigma<Numbers::kSigma1>(words[(kRound + 14) % 16]));
    }
    words[kRound] = word;
  }

  // One round. In place of moving the eight variables on, the next one takes them in other order.
  template <std::size_t kRound, Use kUse>
  [[gnu::always_inline]] static inline void round(Vector (&v)[8], Vector* words,
                                                  const Word* constants) {
    const Vector a = v[(16 - kRound) % 8];
    const Vector b = v[(17 - kRound) % 8];
    const Vector c = v[(18 - kRound) % 8];
    Vector& d = v[(19 - kRound) % 8];
    const Vector e = v[(20 - kRound) % 8];
    const Vector f = v[(21 - kRound) % 8];
    const Vector g = v[(22 - kRound) % 8];
    Vector& h = v[(23 - kRound) % 8];
    if constexpr (kUse != Use::kKnownSums && !(kUse == Use::kKnownEnd && is_known(kRound))) {
      h = Isa::add(h, words[kRound]);
    }
    h = Isa::add(h, Isa::each(constants[kRound]));
    // What depends on the round before, e and then a, comes last.
    h = Isa::add(Isa::add(h, Isa::choose(e, f, g)), sum<Numbers::kSum1>(e));
    d = Isa::add(d, h);
    h = Isa::add(Isa::add(h, Isa::majority(a, b, c)), sum<Numbers::kSum0>(a));
    if constexpr (kUse == Use::kMoreWords) {
      next_word<kRound>(words);
    } else if constexpr (kUse == Use::kKnownEnd) {
      next_of_front<kRound>(words, constants[16 + kRound]);
    }
  }

  template <Use kUse, std::size_t... kSixteen>
  [[gnu::always_inline]] static inline void sixteen(Vector (&v)[8], Vector* words,
                                                    const Word* constants,
                                                    std::index_sequence<kSixteen...>) {
    (round<kSixteen, kUse>(v, words, constants), ...);
  }

  using State = LanesState<Lanes>;
  [[gnu::always_inline]] static inline void load_state(const State& state, Vector (&v)[8]) {
    for (std::size_t i = 0; i < 8; ++i) {
      v[i] = Isa::load(state[i]);
    }
  }
  // The state stays in memory, because in registers the words leave it no room.
  [[gnu::always_inline]] static inline void add_state(const State& state, const Vector (&v)[8],
                                                      State& sum) {
    for (std::size_t i = 0; i < 8; ++i) {
      Isa::store(sum[i], Isa::add(Isa::load(state[i]), v[i]));
    }
  }

  // rounds does the rounds from the one on that `constants` are of. If their sums with the words
  // are known, those are the constants.
  template <bool kKnown>
  [[gnu::always_inline]] static inline void rounds(Vector (&v)[8], Vector* words,
                                                   const Word* constants, std::size_t count) {
    // For all the compiler knows, another place each time: it would keep those of the last sixteen
    // rounds on the stack.
    asm("" : "+r"(constants));
    constexpr std::make_index_sequence<16> kSixteen;
    constexpr Use kUse = kKnown ? Use::kKnownSums : Use::kMoreWords;
    constexpr Use kLastUse = kKnown ? Use::kKnownSums : Use::kLastWords;
    // Sixteen rounds at a time: all of them would be 16 KB of instructions, half of a cache.
    for (const Word* const last = constants + count - 16; constants != last; constants += 16) {
      sixteen<kUse>(v, words, constants, kSixteen);
    }
    sixteen<kLastUse>(v, words, constants, kSixteen);
  }

  // block takes in a block of words.
  [[gnu::always_inline]] static inline void block(Lanes& lanes, Vector* words) {
    Vector v[8];
    load_state(lanes.state, v);
    rounds<false>(v, words, Numbers::kConstants, Numbers::kRounds);
    add_state(lanes.state, v, lanes.state);
  }

  [[gnu::always_inline]] static inline void run(Lanes& lanes, std::size_t blocks) {
    for (; blocks > 0; --blocks) {
      Vector words[16];
      Isa::template load_words<true>(lanes.text, words);
      block(lanes, words);
    }
  }

  [[gnu::always_inline]] static inline void run_keys(Lanes& lanes) {
    Vector words[16];
    Isa::template load_keys<true>(lanes.text, words);
    block(lanes, words);
  }

  [[gnu::always_inline]] static inline void run_words(Lanes& lanes,
                                                      const BlockWords<Lanes>& block_words,
                                                      std::size_t first) {
    Vector words[16];
    for (std::size_t i = 0; i < 16; ++i) {
      words[i] = Isa::load(block_words[i] + first);
    }
    block(lanes, words);
  }

  [[gnu::always_inline]] static inline void run_known(const State& from, const Word* sums,
                                                      State& to) {
    Vector v[8];
    load_state(from, v);
    rounds<true>(v, nullptr, sums, Numbers::kRounds);
    add_state(from, v, to);
  }

  [[gnu::always_inline]] static inline void run_front(const State& from,
                                                      const LanesRow<Lanes>* front,
                                                      std::size_t count, const KnownEnd<Word>& end,
                                                      State& to) {
    Vector words[16];
    const Vector mask = Isa::each(end.mask);
    for (std::size_t i = 0; i < kFrontWords<Lanes>; ++i) {
      words[i] = mask;
      if (i < count) {
        words[i] = Isa::add_without_carry(mask, Isa::load(front[i]));
      }
    }
    Vector v[8];
    load_state(from, v);
    const Word* sums = end.sums;
    asm("" : "+r"(sums));
    sixteen<Use::kKnownEnd>(v, words, sums, std::make_index_sequence<16>());
    rounds<false>(v, words, Numbers::kConstants + 16, Numbers::kRounds - 16);
    add_state(from, v, to);
  }
};

}  // namespace
}  // namespace usher::crypto::x86
