// SHA-1 in vector registers, one message a lane; for hash_avx2.cc and hash_avx512.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

// Isa is the instruction set: `Vector` is one word of every lane.
template <class Isa>
struct Sha1Rounds {
  using Vector = typename Isa::Vector;

  // FIPS 180-4 4.1.1 and 4.2.1.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline Vector mix(Vector b, Vector c, Vector d) {
    constexpr std::uint32_t kConstants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    const Vector constant = Isa::each(kConstants[kRound / 20]);
    if constexpr (kRound < 20) {
      return Isa::add(Isa::choose(b, c, d), constant);
    } else if constexpr (kRound < 40 || kRound >= 60) {
      return Isa::add(Isa::parity(b, c, d), constant);
    } else {
      return Isa::add(Isa::majority(b, c, d), constant);
    }
  }

  // One round. In place of moving the five variables on, the next one takes them in other order.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline void round(Vector a, Vector& b, Vector c, Vector d,
                                                  Vector& e, Vector* words) {
    Vector& word = words[kRound % 16];
    if constexpr (kRound >= 16) {
      word = Isa::template rotate<1>(
          Isa::add_without_carry(Isa::parity(words[(kRound - 3) % 16], words[(kRound - 8) % 16],
                                             words[(kRound - 14) % 16]),
                                 word));
    }
    // What depends on the round before, a, comes last.
    e = Isa::add(Isa::add(Isa::add(e, word), mix<kRound>(b, c, d)), Isa::template rotate<5>(a));
    b = Isa::template rotate<30>(b);
  }

  template <std::size_t kFirst>
  [[gnu::always_inline]] static inline void five_rounds(Vector (&v)[Sha1Lanes::kWords],
                                                        Vector* words) {
    round<kFirst>(v[0], v[1], v[2], v[3], v[4], words);
    round<kFirst + 1>(v[4], v[0], v[1], v[2], v[3], words);
    round<kFirst + 2>(v[3], v[4], v[0], v[1], v[2], words);
    round<kFirst + 3>(v[2], v[3], v[4], v[0], v[1], words);
    round<kFirst + 4>(v[1], v[2], v[3], v[4], v[0], words);
  }

  template <std::size_t... kFives>
  [[gnu::always_inline]] static inline void all_rounds(Vector (&v)[Sha1Lanes::kWords],
                                                       Vector* words,
                                                       std::index_sequence<kFives...>) {
    (five_rounds<5 * kFives>(v, words), ...);
  }

  // The state stays in memory, because in registers the words of a block leave it no room.
  [[gnu::always_inline]] static inline void run(Sha1Lanes& lanes, std::size_t blocks) {
    for (; blocks > 0; --blocks) {
      Vector words[16];
      Isa::template load_words<true>(lanes.text, words);
      Vector v[Sha1Lanes::kWords];
      for (std::size_t i = 0; i < Sha1Lanes::kWords; ++i) {
        v[i] = Isa::load(lanes.state[i]);
      }
      all_rounds(v, words, std::make_index_sequence<16>());
      for (std::size_t i = 0; i < Sha1Lanes::kWords; ++i) {
        Isa::store(lanes.state[i], Isa::add(Isa::load(lanes.state[i]), v[i]));
      }
    }
  }
};

}  // namespace
}  // namespace usher::crypto::x86
