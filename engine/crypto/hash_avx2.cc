// Eight hashes in the registers of AVX2, or four of SHA-512. Compiled for it; see x86_kernels.h.
#include <immintrin.h>

#include "engine/crypto/block_inputs.h"
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
  // leave_in_memory says that what is read next of a word, or behind a pointer, is to be read
  // there: the compiler would keep more than there are registers for, and put it on the stack.
  [[gnu::always_inline]] static inline void leave_in_memory(Vector& word) { asm("" : "+m"(word)); }
  [[gnu::always_inline]] static inline void leave_in_memory(const std::uint32_t*& words) {
    asm("" : "+r"(words));
  }
  // settle keeps a word in a register and hides where it comes from: GCC 12 would copy every second
  // one, because it puts off what it is made of.
  [[gnu::always_inline]] static inline void settle(Vector& word) { asm("" : "+x"(word)); }
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

  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_keys(const std::uint8_t* const* text,
                                                      Vector* words) {
    const Vector pads = _mm256_set1_epi64x(0x5c5c5c5c36363636);
    load_half<kBigEndian>(text, 0, words);
    for (std::size_t i = 0; i < 8; ++i) {
      words[i] = add_without_carry(words[i], pads);
      words[8 + i] = pads;
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

  // load_quarter reads 32 bytes of every lane and makes of them words number 0 to 3 of all lanes.
  [[gnu::always_inline]] static inline void load_quarter(const std::uint8_t* const* text,
                                                         std::size_t offset, Vector* words) {
    const Vector swap = _mm256_broadcastsi128_si256(
        _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    Vector row[4];
    for (std::size_t lane = 0; lane < 4; ++lane) {
      row[lane] = _mm256_shuffle_epi8(load(text[lane] + offset), swap);
    }
    const Vector even_01 = _mm256_unpacklo_epi64(row[0], row[1]);
    const Vector odd_01 = _mm256_unpackhi_epi64(row[0], row[1]);
    const Vector even_23 = _mm256_unpacklo_epi64(row[2], row[3]);
    const Vector odd_23 = _mm256_unpackhi_epi64(row[2], row[3]);
    words[0] = _mm256_permute2x128_si256(even_01, even_23, 0x20);
    words[1] = _mm256_permute2x128_si256(odd_01, odd_23, 0x20);
    words[2] = _mm256_permute2x128_si256(even_01, even_23, 0x31);
    words[3] = _mm256_permute2x128_si256(odd_01, odd_23, 0x31);
  }

  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_words(const std::uint8_t** text, Vector* words) {
    static_assert(kBigEndian, "SHA-512 is the only one");
    for (std::size_t part = 0; part < 4; ++part) {
      load_quarter(text, 32 * part, words + 4 * part);
    }
    for (std::size_t lane = 0; lane < 4; ++lane) {
      text[lane] += 128;
    }
  }

  template <bool kBigEndian>
  [[gnu::always_inline]] static inline void load_keys(const std::uint8_t* const* text,
                                                      Vector* words) {
    static_assert(kBigEndian);
    const Vector pads = _mm256_set_epi64x(0x5c5c5c5c5c5c5c5c, 0x3636363636363636,
                                          0x5c5c5c5c5c5c5c5c, 0x3636363636363636);
    load_quarter(text, 0, words);
    for (std::size_t i = 0; i < 16; ++i) {
      words[i] = i < 4 ? add_without_carry(words[i], pads) : pads;
    }
  }
};

}  // namespace

void sha1_avx2(Sha1Lanes& lanes, std::size_t blocks) noexcept {
  run<Sha1Rounds<Avx2>>(lanes, blocks);
  _mm256_zeroall();
}

void sha1_words_avx2(Sha1Lanes& lanes, const BlockWords<Sha1Lanes>& words,
                     std::size_t first) noexcept {
  run_words<Sha1Rounds<Avx2>>(lanes, words, first);
  _mm256_zeroall();
}

void sha1_keys_avx2(Sha1Lanes& lanes) noexcept {
  run_keys<Sha1Rounds<Avx2>>(lanes);
  _mm256_zeroall();
}

void md5_avx2(Md5Lanes& lanes, std::size_t blocks) noexcept {
  run<Md5Rounds<Avx2>>(lanes, blocks);
  _mm256_zeroall();
}

void md5_words_avx2(Md5Lanes& lanes, const BlockWords<Md5Lanes>& words,
                    std::size_t first) noexcept {
  run_words<Md5Rounds<Avx2>>(lanes, words, first);
  _mm256_zeroall();
}

void md5_keys_avx2(Md5Lanes& lanes) noexcept {
  run_keys<Md5Rounds<Avx2>>(lanes);
  _mm256_zeroall();
}

void sha256_avx2(Sha256Lanes& lanes, std::size_t blocks) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run(lanes, blocks);
  _mm256_zeroall();
}

void sha256_words_avx2(Sha256Lanes& lanes, const BlockWords<Sha256Lanes>& words,
                       std::size_t first) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run_words(lanes, words, first);
  _mm256_zeroall();
}

void sha256_keys_avx2(Sha256Lanes& lanes) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run_keys(lanes);
  _mm256_zeroall();
}

void sha256_known_avx2(const LanesState<Sha256Lanes>& from, const std::uint32_t* sums,
                       LanesState<Sha256Lanes>& to) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run_known(from, sums, to);
  _mm256_zeroall();
}

void sha256_front_avx2(const LanesState<Sha256Lanes>& from, const LanesRow<Sha256Lanes>* front,
                       std::size_t count, const KnownEnd<std::uint32_t>& end,
                       LanesState<Sha256Lanes>& to) noexcept {
  Sha2Rounds<Avx2, Sha256Numbers>::run_front(from, front, count, end, to);
  _mm256_zeroall();
}

void sha512_avx2(Sha512Lanes& lanes, std::size_t blocks) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run(lanes, blocks);
  _mm256_zeroall();
}

void sha512_words_avx2(Sha512Lanes& lanes, const BlockWords<Sha512Lanes>& words,
                       std::size_t first) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_words(lanes, words, first);
  _mm256_zeroall();
}

void sha512_keys_avx2(Sha512Lanes& lanes) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_keys(lanes);
  _mm256_zeroall();
}

void sha512_known_avx2(const LanesState<Sha512Lanes>& from, const std::uint64_t* sums,
                       LanesState<Sha512Lanes>& to) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_known(from, sums, to);
  _mm256_zeroall();
}

void sha512_front_avx2(const LanesState<Sha512Lanes>& from, const LanesRow<Sha512Lanes>* front,
                       std::size_t count, const KnownEnd<std::uint64_t>& end,
                       LanesState<Sha512Lanes>& to) noexcept {
  Sha2Rounds<Long, Sha512Numbers>::run_front(from, front, count, end, to);
  _mm256_zeroall();
}

}  // namespace usher::crypto::x86
