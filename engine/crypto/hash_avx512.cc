// Sixteen hashes in the registers of AVX-512, or eight of SHA-512. Compiled for it; see
// x86_kernels.h.
#include <immintrin.h>

#include "engine/crypto/block_inputs.h"
#include "engine/crypto/md5_rounds.h"
#include "engine/crypto/sha1_rounds.h"
#include "engine/crypto/sha2_rounds.h"

namespace usher::crypto::x86 {
namespace {

// Whole is what is the same for words of every size.
struct Whole {
  using Vector = __m512i;

  [[gnu::always_inline]] static inline Vector load(const void* from) {
    return _mm512_loadu_si512(from);
  }
  // load_both reads 32 bytes each.
  [[gnu::always_inline]] static inline Vector load_both(const void* low, const void* high) {
    return _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_loadu_si256(static_cast<const __m256i*>(low))),
        _mm256_loadu_si256(static_cast<const __m256i*>(high)), 1);
  }
  [[gnu::always_inline]] static inline void store(void* to, Vector v) {
    _mm512_storeu_si512(to, v);
  }
  // There are registers enough for these to have nothing to do.
  template <class Any>
  [[gnu::always_inline]] static inline void leave_in_memory(Any& /*any*/) {}
  [[gnu::always_inline]] static inline void settle(Vector& /*word*/) {}
  [[gnu::always_inline]] static inline Vector add_without_carry(Vector x, Vector y) {
    return _mm512_xor_si512(x, y);
  }
  // The last number is the truth table, with x as its highest bit.
  [[gnu::always_inline]] static inline Vector choose(Vector x, Vector y, Vector z) {
    return _mm512_ternarylogic_epi32(x, y, z, 0xca);
  }
  [[gnu::always_inline]] static inline Vector parity(Vector x, Vector y, Vector z) {
    return _mm512_ternarylogic_epi32(x, y, z, 0x96);
  }
  [[gnu::always_inline]] static inline Vector majority(Vector x, Vector y, Vector z) {
    return _mm512_ternarylogic_epi32(x, y, z, 0xe8);
  }
  // RFC 1321's I.
  [[gnu::always_inline]] static inline Vector either_not(Vector x, Vector y, Vector z) {
    return _mm512_ternarylogic_epi32(x, y, z, 0x39);
  }
};

struct Avx512 : Whole {
  [[gnu::always_inline]] static inline Vector each(std::uint32_t word) {
    return _mm512_set1_epi32(static_cast<int>(word));
  }
  [[gnu::always_inline]] static inline Vector add(Vector x, Vector y) {
    return _mm512_add_epi32(x, y);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector shift_right(Vector x) {
    return _mm512_srli_epi32(x, kBits);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector rotate(Vector x) {
    return _mm512_rol_epi32(x, kBits);
  }

  template <bool kBigEndian>
  [[gnu::always_inline]] static inline Vector in_order(Vector row) {
    const Vector swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    return kBigEndian ? _mm512_shuffle_epi8(row, swap) : row;
  }

  // load_words reads 64 bytes of every lane and turns rows into columns.
  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_words(const std::uint8_t** text, Vector* words) {
    Vector row[16];
    for (std::size_t lane = 0; lane < 16; ++lane) {
      row[lane] = in_order<kBigEndian>(load(text[lane]));
      text[lane] += 64;
    }
    // Of lanes 4n to 4n + 3, each quarter of four[4n + k] has words k, 4 + k, 8 + k, 12 + k.
    Vector two[16];
    Vector four[16];
    for (std::size_t i = 0; i < 16; i += 2) {
      two[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
      two[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
    for (std::size_t i = 0; i < 16; i += 4) {
      four[i] = _mm512_unpacklo_epi64(two[i], two[i + 2]);
      four[i + 1] = _mm512_unpackhi_epi64(two[i], two[i + 2]);
      four[i + 2] = _mm512_unpacklo_epi64(two[i + 1], two[i + 3]);
      four[i + 3] = _mm512_unpackhi_epi64(two[i + 1], two[i + 3]);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const Vector low = _mm512_shuffle_i32x4(four[k], four[4 + k], 0x44);
      const Vector high = _mm512_shuffle_i32x4(four[k], four[4 + k], 0xee);
      const Vector low_2 = _mm512_shuffle_i32x4(four[8 + k], four[12 + k], 0x44);
      const Vector high_2 = _mm512_shuffle_i32x4(four[8 + k], four[12 + k], 0xee);
      words[k] = _mm512_shuffle_i32x4(low, low_2, 0x88);
      words[4 + k] = _mm512_shuffle_i32x4(low, low_2, 0xdd);
      words[8 + k] = _mm512_shuffle_i32x4(high, high_2, 0x88);
      words[12 + k] = _mm512_shuffle_i32x4(high, high_2, 0xdd);
    }
  }

  // load_keys reads 32 bytes of every lane.
  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_keys(const std::uint8_t* const* text,
                                                      Vector* words) {
    const Vector pads = _mm512_set1_epi64(0x5c5c5c5c36363636);
    // Of each four lanes n to n + 3, two of the quarters of four[k] have words k and 4 + k: first
    // those from lane 0 and 4 on, then those from 8 and 12 on.
    Vector four[2][4];
    for (std::size_t half = 0; half < 2; ++half) {
      Vector row[4];
      for (std::size_t i = 0; i < 4; ++i) {
        row[i] = in_order<kBigEndian>(load_both(text[8 * half + i], text[8 * half + 4 + i]));
      }
      const Vector low = _mm512_unpacklo_epi32(row[0], row[1]);
      const Vector high = _mm512_unpackhi_epi32(row[0], row[1]);
      const Vector low_2 = _mm512_unpacklo_epi32(row[2], row[3]);
      const Vector high_2 = _mm512_unpackhi_epi32(row[2], row[3]);
      four[half][0] = _mm512_unpacklo_epi64(low, low_2);
      four[half][1] = _mm512_unpackhi_epi64(low, low_2);
      four[half][2] = _mm512_unpacklo_epi64(high, high_2);
      four[half][3] = _mm512_unpackhi_epi64(high, high_2);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const Vector low = _mm512_shuffle_i32x4(four[0][k], four[1][k], 0x88);
      const Vector high = _mm512_shuffle_i32x4(four[0][k], four[1][k], 0xdd);
      words[k] = add_without_carry(low, pads);
      words[4 + k] = add_without_carry(high, pads);
      words[8 + k] = pads;
      words[12 + k] = pads;
    }
  }
};

// Long has words of 64 bits.
struct Long : Whole {
  [[gnu::always_inline]] static inline Vector each(std::uint64_t word) {
    return _mm512_set1_epi64(static_cast<long long>(word));
  }
  [[gnu::always_inline]] static inline Vector add(Vector x, Vector y) {
    return _mm512_add_epi64(x, y);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector shift_right(Vector x) {
    return _mm512_srli_epi64(x, kBits);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector rotate(Vector x) {
    return _mm512_rol_epi64(x, kBits);
  }

  // turn makes rows of columns: of eight words of each lane a word of each.
  [[gnu::always_inline]] static inline void turn(const Vector (&lane)[8], Vector* words) {
    // Of lanes 2n and 2n + 1, each quarter of two[2n + k] has words k, 2 + k, 4 + k, 6 + k.
    Vector two[8];
    for (std::size_t i = 0; i < 8; i += 2) {
      two[i] = _mm512_unpacklo_epi64(lane[i], lane[i + 1]);
      two[i + 1] = _mm512_unpackhi_epi64(lane[i], lane[i + 1]);
    }
    for (std::size_t k = 0; k < 2; ++k) {
      const Vector low = _mm512_shuffle_i64x2(two[k], two[2 + k], 0x44);
      const Vector high = _mm512_shuffle_i64x2(two[k], two[2 + k], 0xee);
      const Vector low_2 = _mm512_shuffle_i64x2(two[4 + k], two[6 + k], 0x44);
      const Vector high_2 = _mm512_shuffle_i64x2(two[4 + k], two[6 + k], 0xee);
      words[k] = _mm512_shuffle_i64x2(low, low_2, 0x88);
      words[2 + k] = _mm512_shuffle_i64x2(low, low_2, 0xdd);
      words[4 + k] = _mm512_shuffle_i64x2(high, high_2, 0x88);
      words[6 + k] = _mm512_shuffle_i64x2(high, high_2, 0xdd);
    }
  }

  [[gnu::always_inline]] static inline Vector swap_octets(Vector v) {
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15,
                                                                      0, 1, 2, 3, 4, 5, 6, 7)));
  }

  // load_words reads 128 bytes of every lane, one half after the other.
  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_words(const std::uint8_t** text, Vector* words) {
    static_assert(kBigEndian, "SHA-512 is the only one");
    for (std::size_t half = 0; half < 16; half += 8) {
      Vector rows[8];
      for (std::size_t lane = 0; lane < 8; ++lane) {
        rows[lane] = swap_octets(load(text[lane] + 8 * half));
      }
      turn(rows, words + half);
    }
    for (std::size_t lane = 0; lane < 8; ++lane) {
      text[lane] += 128;
    }
  }

  // load_keys reads 32 bytes of every lane.
  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_keys(const std::uint8_t* const* text,
                                                      Vector* words) {
    static_assert(kBigEndian);
    const Vector pads = _mm512_set4_epi64(0x5c5c5c5c5c5c5c5c, 0x3636363636363636,
                                          0x5c5c5c5c5c5c5c5c, 0x3636363636363636);
    // Of lanes n and n + 1, two of the quarters of two[k] have words k and 2 + k: first those from
    // lane 0 and 2 on, then those from 4 and 6 on.
    Vector two[2][2];
    for (std::size_t half = 0; half < 2; ++half) {
      const std::uint8_t* const* const from = text + 4 * half;
      const Vector row = swap_octets(load_both(from[0], from[2]));
      const Vector next_row = swap_octets(load_both(from[1], from[3]));
      two[half][0] = _mm512_unpacklo_epi64(row, next_row);
      two[half][1] = _mm512_unpackhi_epi64(row, next_row);
    }
    for (std::size_t i = 4; i < 16; ++i) {
      words[i] = pads;
    }
    for (std::size_t k = 0; k < 2; ++k) {
      const Vector low = _mm512_shuffle_i64x2(two[0][k], two[1][k], 0x88);
      const Vector high = _mm512_shuffle_i64x2(two[0][k], two[1][k], 0xdd);
      words[k] = add_without_carry(low, pads);
      words[2 + k] = add_without_carry(high, pads);
    }
  }
};

void forget_registers() {
  _mm256_zeroall();
  // The upper sixteen, which that leaves alone.
  asm volatile(
      "vpxord %%xmm16, %%xmm16, %%xmm16\n\tvpxord %%xmm17, %%xmm17, %%xmm17\n\t"
      "vpxord %%xmm18, %%xmm18, %%xmm18\n\tvpxord %%xmm19, %%xmm19, %%xmm19\n\t"
      "vpxord %%xmm20, %%xmm20, %%xmm20\n\tvpxord %%xmm21, %%xmm21, %%xmm21\n\t"
      "vpxord %%xmm22, %%xmm22, %%xmm22\n\tvpxord %%xmm23, %%xmm23, %%xmm23\n\t"
      "vpxord %%xmm24, %%xmm24, %%xmm24\n\tvpxord %%xmm25, %%xmm25, %%xmm25\n\t"
      "vpxord %%xmm26, %%xmm26, %%xmm26\n\tvpxord %%xmm27, %%xmm27, %%xmm27\n\t"
      "vpxord %%xmm28, %%xmm28, %%xmm28\n\tvpxord %%xmm29, %%xmm29, %%xmm29\n\t"
      "vpxord %%xmm30, %%xmm30, %%xmm30\n\tvpxord %%xmm31, %%xmm31, %%xmm31"
      :
      :
      : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

}  // namespace

void sha1_avx512(Sha1Lanes& lanes, std::size_t blocks) noexcept {
  run<Sha1Rounds<Avx512>>(lanes, blocks);
  forget_registers();
}

void sha1_words_avx512(Sha1Lanes& lanes, const BlockWords<Sha1Lanes>& words,
                       std::size_t first) noexcept {
  run_words<Sha1Rounds<Avx512>>(lanes, words, first);
  forget_registers();
}

void sha1_keys_avx512(Sha1Lanes& lanes) noexcept {
  run_keys<Sha1Rounds<Avx512>>(lanes);
  forget_registers();
}

void md5_avx512(Md5Lanes& lanes, std::size_t blocks) noexcept {
  run<Md5Rounds<Avx512>>(lanes, blocks);
  forget_registers();
}

void md5_words_avx512(Md5Lanes& lanes, const BlockWords<Md5Lanes>& words,
                      std::size_t first) noexcept {
  run_words<Md5Rounds<Avx512>>(lanes, words, first);
  forget_registers();
}

void md5_keys_avx512(Md5Lanes& lanes) noexcept {
  run_keys<Md5Rounds<Avx512>>(lanes);
  forget_registers();
}

void sha256_avx512(Sha256Lanes& lanes, std::size_t blocks) noexcept {
  Sha2Rounds<Avx512, Sha256Numbers>::run(lanes, blocks);
  forget_registers();
}

void sha256_words_avx512(Sha256Lanes& lanes, const BlockWords<Sha256Lanes>& words,
                         std::size_t first) noexcept {
  Sha2Rounds<Avx512, Sha256Numbers>::run_words(lanes, words, first);
  forget_registers();
}

void sha256_keys_avx512(Sha256Lanes& lanes) noexcept {
  Sha2Rounds<Avx512, Sha256Numbers>::run_keys(lanes);
  forget_registers();
}

void sha256_known_avx512(const LanesState<Sha256Lanes>& from, const std::uint32_t* sums,
                         LanesState<Sha256Lanes>& to) noexcept {
  Sha2Rounds<Avx512, Sha256Numbers>::run_known(from, sums, to);
  forget_registers();
}

void sha256_front_avx512(const LanesState<Sha256Lanes>& from, const LanesRow<Sha256Lanes>* front,
                         std::size_t count, const KnownEnd<std::uint32_t>& end,
                         LanesState<Sha256Lanes>& to) noexcept {
  Sha2Rounds<Avx512, Sha256Numbers>::run_front(from, front, count, end, to);
  forget_registers();
}

void sha512_avx512(Sha512Lanes& lanes, std::size_t blocks) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run(lanes, blocks);
  forget_registers();
}

void sha512_words_avx512(Sha512Lanes& lanes, const BlockWords<Sha512Lanes>& words,
                         std::size_t first) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_words(lanes, words, first);
  forget_registers();
}

void sha512_keys_avx512(Sha512Lanes& lanes) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_keys(lanes);
  forget_registers();
}

void sha512_known_avx512(const LanesState<Sha512Lanes>& from, const std::uint64_t* sums,
                         LanesState<Sha512Lanes>& to) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_known(from, sums, to);
  forget_registers();
}

void sha512_front_avx512(const LanesState<Sha512Lanes>& from, const LanesRow<Sha512Lanes>* front,
                         std::size_t count, const KnownEnd<std::uint64_t>& end,
                         LanesState<Sha512Lanes>& to) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_front(from, front, count, end, to);
  forget_registers();
}

void sha384_outer_avx512(Sha512Lanes& lanes, const LanesRow<Sha512Lanes>* front,
                         const KnownEnd<std::uint64_t>& end, std::uint8_t* const* out) noexcept {
  __m512i rows[8];
  __m512i words[8];
  for (std::size_t lane = 0; lane < 8; ++lane) {
    rows[lane] = Long::load(lanes.text[lane]);
  }
  Long::turn(rows, words);
  for (std::size_t i = 0; i < 8; ++i) {
    Long::store(lanes.state[i], words[i]);
  }
  Sha2Rounds<Long, Sha512Numbers>::run_front(lanes.state, front, kFrontWords<Sha512Lanes>, end,
                                             lanes.state);
  for (std::size_t i = 0; i < 8; ++i) {
    words[i] = Long::swap_octets(Long::load(lanes.state[i]));
  }
  Long::turn(words, rows);
  for (std::size_t lane = 0; lane < 8; ++lane) {
    if (out[lane] != nullptr) {
      _mm512_mask_storeu_epi64(out[lane], (1u << kFrontWords<Sha512Lanes>)-1, rows[lane]);
    }
  }
  forget_registers();
}

}  // namespace usher::crypto::x86
