// SHA-1 in vector registers, one message a lane; for hash_avx2.cc and hash_avx512.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

// IsaType is the instruction set: `Vector` is one word of every lane.
template <class IsaType>
struct Sha1Rounds {
  using Isa = IsaType;
  using Lanes = Sha1Lanes;
  static constexpr bool kBigEndian = true;
  using Vector = typename Isa::Vector;
  // The words of a block, as a row of BlockWords after the other.
  using Given = const std::uint32_t*;

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

  // at is the word of a round: a given one, or one of those that are made in the place of others.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline Vector at(Given given, const Vector* made) {
    if constexpr (kRound < 16) {
      return Isa::load(given + kRound * Sha1Lanes::kLanesMax);
    } else {
      return made[kRound % 16];
    }
  }
  // next makes a round's word. Those of the last three rounds are wanted first.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline Vector next(Given given, Vector* made, const Vector* last) {
    if constexpr (kRound < 16) {
      return at<kRound>(given, made);
    } else {
      const Vector word = Isa::template rotate<1>(
          Isa::add_without_carry(Isa::parity(last[(kRound - 3) % 3], at<kRound - 8>(given, made),
                                             at<kRound - 14>(given, made)),
                                 at<kRound - 16>(given, made)));
      constexpr bool kIsWanted = kRound + 8 < 80;
      if constexpr (kIsWanted) {
        made[kRound % 16] = word;
        Isa::leave_in_memory(made[kRound % 16]);
      }
      return word;
    }
  }

  // One round. In place of moving the five variables on, the next one takes them in other order.
  template <std::size_t kRound>
  [[gnu::always_inline]] static inline void round(Vector a, Vector& b, Vector c, Vector d,
                                                  Vector& e, Given& given, Vector* made,
                                                  Vector* last) {
    Isa::leave_in_memory(given);
    Vector& word = last[kRound % 3];
    word = next<kRound>(given, made, last);
    // What depends on the round before, a, comes last.
    e = Isa::add(e, word);
    Isa::settle(e);
    e = Isa::add(Isa::add(e, mix<kRound>(b, c, d)), Isa::template rotate<5>(a));
    b = Isa::template rotate<30>(b);
    Isa::settle(b);
  }

  template <std::size_t kFirst>
  [[gnu::always_inline]] static inline void five_rounds(Vector (&v)[Sha1Lanes::kWords],
                                                        Given& given, Vector* made, Vector* last) {
    round<kFirst>(v[0], v[1], v[2], v[3], v[4], given, made, last);
    round<kFirst + 1>(v[4], v[0], v[1], v[2], v[3], given, made, last);
    round<kFirst + 2>(v[3], v[4], v[0], v[1], v[2], given, made, last);
    round<kFirst + 3>(v[2], v[3], v[4], v[0], v[1], given, made, last);
    round<kFirst + 4>(v[1], v[2], v[3], v[4], v[0], given, made, last);
  }

  template <std::size_t... kFives>
  [[gnu::always_inline]] static inline void all_rounds(Vector (&v)[Sha1Lanes::kWords], Given& given,
                                                       std::index_sequence<kFives...>) {
    Vector made[16];
    Vector last[3];
    (five_rounds<5 * kFives>(v, given, made, last), ...);
  }

  // block takes in a block of words. It is a function of its own, because it is 10 KB of
  // instructions, for words of every origin. State and words stay where they are, because in
  // registers they leave each other no room.
  [[gnu::noinline]] static void block(Sha1Lanes& lanes, Given given) {
    Vector v[Sha1Lanes::kWords];
    for (std::size_t i = 0; i < Sha1Lanes::kWords; ++i) {
      v[i] = Isa::load(lanes.state[i]);
    }
    all_rounds(v, given, std::make_index_sequence<16>());
    for (std::size_t i = 0; i < Sha1Lanes::kWords; ++i) {
      Isa::store(lanes.state[i], Isa::add(Isa::load(lanes.state[i]), v[i]));
    }
  }
};

}  // namespace
}  // namespace usher::crypto::x86
