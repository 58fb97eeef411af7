// MD5 in vector registers, one message a lane; for hash_avx2.cc and hash_avx512.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

// RFC 1321 3.4: of each step, the sine.
alignas(64) constexpr std::uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

// IsaType is the instruction set: `Vector` is one word of every lane.
template <class IsaType>
struct Md5Rounds {
  using Isa = IsaType;
  using Lanes = Md5Lanes;
  static constexpr bool kBigEndian = false;
  using Vector = typename Isa::Vector;
  // The words of a block, as a row of BlockWords after the other.
  using Given = const std::uint32_t*;

  // RFC 1321 3.4: how far a step rotates, and which word it takes.
  template <std::size_t kStep>
  [[gnu::always_inline]] static inline void step(Vector& a, Vector b, Vector c, Vector d,
                                                 Given given, const std::uint32_t* sines) {
    constexpr int kRotations[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    constexpr std::size_t kRound = kStep / 16;
    constexpr std::size_t kFactors[] = {1, 5, 3, 7};
    constexpr std::size_t kFirsts[] = {0, 1, 5, 0};
    constexpr std::size_t kWord = (kFirsts[kRound] + kFactors[kRound] * (kStep % 16)) % 16;
    Vector mixed;
    if constexpr (kRound == 0) {
      mixed = Isa::choose(b, c, d);
    } else if constexpr (kRound == 1) {
      mixed = Isa::choose(d, b, c);
    } else if constexpr (kRound == 2) {
      mixed = Isa::parity(b, c, d);
    } else {
      mixed = Isa::either_not(b, c, d);
    }
    const Vector sum =
        Isa::add(Isa::add(Isa::add(a, Isa::load(given + kWord * Md5Lanes::kLanesMax)),
                          Isa::each(sines[kStep])),
                 mixed);
    a = Isa::add(Isa::template rotate<kRotations[kRound][kStep % 4]>(sum), b);
  }

  template <std::size_t kFirst>
  [[gnu::always_inline]] static inline void four_steps(Vector (&v)[Md5Lanes::kWords], Given given,
                                                       const std::uint32_t* sines) {
    step<kFirst>(v[0], v[1], v[2], v[3], given, sines);
    step<kFirst + 1>(v[3], v[0], v[1], v[2], given, sines);
    step<kFirst + 2>(v[2], v[3], v[0], v[1], given, sines);
    step<kFirst + 3>(v[1], v[2], v[3], v[0], given, sines);
  }

  template <std::size_t... kFours>
  [[gnu::always_inline]] static inline void all_steps(Vector (&v)[Md5Lanes::kWords], Given given,
                                                      const std::uint32_t* sines,
                                                      std::index_sequence<kFours...>) {
    (four_steps<4 * kFours>(v, given, sines), ...);
  }

  // One function for words of every origin, as in sha1_rounds.h.
  [[gnu::noinline]] static void block(Md5Lanes& lanes, Given given) {
    Vector v[Md5Lanes::kWords];
    for (std::size_t i = 0; i < Md5Lanes::kWords; ++i) {
      v[i] = Isa::load(lanes.state[i]);
    }
    // For all the compiler knows, another place each time: it would read all of them beforehand,
    // and keep them on the stack.
    const std::uint32_t* sines = kSines;
    asm("" : "+r"(sines));
    all_steps(v, given, sines, std::make_index_sequence<16>());
    for (std::size_t i = 0; i < Md5Lanes::kWords; ++i) {
      Isa::store(lanes.state[i], Isa::add(Isa::load(lanes.state[i]), v[i]));
    }
  }
};

}  // namespace
}  // namespace usher::crypto::x86
