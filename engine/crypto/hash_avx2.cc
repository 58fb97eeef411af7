// Eight hashes in the registers of AVX2, or four of SHA-512. Compiled for it; see x86_kernels.h.
#include <immintrin.h>

#include "engine/crypto/md5_rounds.h"
#include "engine/crypto/sha1_rounds.h"
#include "engine/crypto/sha2_rounds.h"

namespace usher::crypto::x86 {
namespace {

// Whole is what is the same for words of every size.
struct Whole {
  using Vector = __m256i;

  [[gnu::always_inline]] static inline Vector load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
  [[gnu::always_inline]] static inline void store(void* to, Vector v) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), v);
  }
  [[gnu::always_inline]] static inline Vector add_without_carry(Vector x, Vector y) {
    return _mm256_xor_si256(x, y);
  }
  [[gnu::always_inline]] static inline Vector choose(Vector x, Vector y, Vector z) {
    return _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)));
  }
  [[gnu::always_inline]] static inline Vector parity(Vector x, Vector y, Vector z) {
    return _mm256_xor_si256(_mm256_xor_si256(x, y), z);
  }
  [[gnu::always_inline]] static inline Vector majority(Vector x, Vector y, Vector z) {
    return _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)));
  }
  // RFC 1321's I.
  [[gnu::always_inline]] static inline Vector either_not(Vector x, Vector y, Vector z) {
    return _mm256_xor_si256(y, _mm256_or_si256(x, _mm256_xor_si256(z, _mm256_set1_epi32(-1))));
  }
};

struct Avx2 : Whole {
  [[gnu::always_inline]] static inline Vector each(std::uint32_t word) {
    return _mm256_set1_epi32(static_cast<int>(word));
  }
  [[gnu::always_inline]] static inline Vector add(Vector x, Vector y) {
    return _mm256_add_epi32(x, y);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector shift_right(Vector x) {
    return _mm256_srli_epi32(x, kBits);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector rotate(Vector x) {
    return _mm256_or_si256(_mm256_slli_epi32(x, kBits), _mm256_srli_epi32(x, 32 - kBits));
  }

  // load_half reads 32 bytes of every lane and makes of them words number 0 to 7 of all lanes.
  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_half(const std::uint8_t* const* text,
                                                      std::size_t offset, Vector* words) {
    const Vector swap = _mm256_broadcastsi128_si256(
        _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    Vector row[8];
    for (std::size_t lane = 0; lane < 8; ++lane) {
      row[lane] = load(text[lane] + offset);
      if constexpr (kBigEndian) {
        row[lane] = _mm256_shuffle_epi8(row[lane], swap);
      }
    }
    Vector two[8];  // Words of two lanes beside each other, then of four.
    Vector four[8];
    for (std::size_t i = 0; i < 8; i += 2) {
      two[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
      two[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
    }
    for (std::size_t i = 0; i < 8; i += 4) {
      four[i] = _mm256_unpacklo_epi64(two[i], two[i + 2]);
      four[i + 1] = _mm256_unpackhi_epi64(two[i], two[i + 2]);
      four[i + 2] = _mm256_unpacklo_epi64(two[i + 1], two[i + 3]);
      four[i + 3] = _mm256_unpackhi_epi64(two[i + 1], two[i + 3]);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      words[i] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x20);
      words[i + 4] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x31);
    }
  }

  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_words(const std::uint8_t** text, Vector* words) {
    load_half<kBigEndian>(text, 0, words);
    load_half<kBigEndian>(text, 32, words + 8);
    for (std::size_t lane = 0; lane < 8; ++lane) {
      text[lane] += 64;
    }
  }
};

// Long has words of 64 bits.
struct Long : Whole {
  [[gnu::always_inline]] static inline Vector each(std::uint64_t word) {
    return _mm256_set1_epi64x(static_cast<long long>(word));
  }
  [[gnu::always_inline]] static inline Vector add(Vector x, Vector y) {
    return _mm256_add_epi64(x, y);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector shift_right(Vector x) {
    return _mm256_srli_epi64(x, kBits);
  }
  template <int kBits>
  [[gnu::always_inline]] static inline Vector rotate(Vector x) {
    return _mm256_or_si256(_mm256_slli_epi64(x, kBits), _mm256_srli_epi64(x, 64 - kBits));
  }

  // load_words reads 128 bytes of every lane, 32 at a time, and turns rows into columns.
  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_words(const std::uint8_t** text, Vector* words) {
    static_assert(kBigEndian, "SHA-512 is the only one");
    const Vector swap = _mm256_broadcastsi128_si256(
        _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    for (std::size_t part = 0; part < 4; ++part) {
      Vector row[4];
      for (std::size_t lane = 0; lane < 4; ++lane) {
        row[lane] = _mm256_shuffle_epi8(load(text[lane] + 32 * part), swap);
      }
      const Vector even_01 = _mm256_unpacklo_epi64(row[0], row[1]);
      const Vector odd_01 = _mm256_unpackhi_epi64(row[0], row[1]);
      const Vector even_23 = _mm256_unpacklo_epi64(row[2], row[3]);
      const Vector odd_23 = _mm256_unpackhi_epi64(row[2], row[3]);
      words[4 * part] = _mm256_permute2x128_si256(even_01, even_23, 0x20);
      words[4 * part + 1] = _mm256_permute2x128_si256(odd_01, odd_23, 0x20);
      words[4 * part + 2] = _mm256_permute2x128_si256(even_01, even_23, 0x31);
      words[4 * part + 3] = _mm256_permute2x128_si256(odd_01, odd_23, 0x31);
    }
    for (std::size_t lane = 0; lane < 4; ++lane) {
      text[lane] += 128;
    }
  }
};

}  // namespace

void sha1_avx2(Sha1Lanes& lanes, std::size_t blocks) noexcept {
  Sha1Rounds<Avx2>::run(lanes, blocks);
  _mm256_zeroall();
}

void md5_avx2(Md5Lanes& lanes, std::size_t blocks) noexcept {
  Md5Rounds<Avx2>::run(lanes, blocks);
  _mm256_zeroall();
}

void sha256_avx2(Sha256Lanes& lanes, std::size_t blocks) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run(lanes, blocks);
  _mm256_zeroall();
}

void sha256_words_avx2(Sha256Lanes& lanes,
                       const std::uint32_t (&words)[16][Sha256Lanes::kLanesMax]) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run_words(lanes, words);
  _mm256_zeroall();
}

void sha256_known_avx2(Sha256Lanes& lanes, const std::uint32_t* sums) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run_known(lanes, sums);
  _mm256_zeroall();
}

void sha512_avx2(Sha512Lanes& lanes, std::size_t blocks) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run(lanes, blocks);
  _mm256_zeroall();
}

void sha512_words_avx2(Sha512Lanes& lanes,
                       const std::uint64_t (&words)[16][Sha512Lanes::kLanesMax]) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_words(lanes, words);
  _mm256_zeroall();
}

void sha512_known_avx2(Sha512Lanes& lanes, const std::uint64_t* sums) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_known(lanes, sums);
  _mm256_zeroall();
}

}  // namespace usher::crypto::x86
