// Up to four SHA-1s with the instructions that do four rounds of one, and up to two SHA-256s with
// those that do two rounds. Compiled for SHA-NI; see x86_kernels.h.
#include <immintrin.h>

#include <utility>

#include "engine/crypto/sha2_rounds.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

using Words = __m128i;  // Four, the first of them highest.

inline Words load(const std::uint8_t* text) {
  const Words reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const Words*>(text)), reverse);
}

inline Words load_256(const std::uint8_t* text) {
  const Words swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const Words*>(text)), swap);
}

// These three are where words number 4 * four to 4 * four + 3 of a lane come from: a HashKernel's,
// a KeysKernel's and a WordsKernel's. kLoad is one of those above.
template <Words (*kLoad)(const std::uint8_t*)>
struct Texts {
  const std::uint8_t** text;
  Words at(std::size_t lane, std::size_t four) const { return kLoad(text[lane] + 16 * four); }
  void go_on(std::size_t lane) const { text[lane] += 64; }
};
template <Words (*kLoad)(const std::uint8_t*)>
struct Keys {
  const std::uint8_t* const* text;
  Words at(std::size_t lane, std::size_t four) const {
    const Words pad = _mm_set1_epi8(lane % 2 == 0 ? 0x36 : 0x5c);
    return four < 2 ? _mm_xor_si128(kLoad(text[lane] + 16 * four), pad) : pad;
  }
  void go_on(std::size_t /*lane*/) const {}
};
template <std::size_t kMany>
struct Given {
  Words words[4][kMany];
  Words at(std::size_t lane, std::size_t four) const { return words[four][lane]; }
  void go_on(std::size_t /*lane*/) const {}
};

// given turns the columns of a WordsKernel into rows.
template <bool kFirstHighest, std::size_t kMany, class Rows>
inline Given<kMany> given(const Rows& rows, std::size_t first) {
  static_assert(kMany == 2 || kMany == 4);
  Given<kMany> made;
  for (std::size_t four = 0; four < 4; ++four) {
    Words row[4];
    for (std::size_t i = 0; i < 4; ++i) {
      const auto* const from = reinterpret_cast<const Words*>(rows[4 * four + i] + first);
      row[kFirstHighest ? 3 - i : i] = kMany == 2 ? _mm_loadl_epi64(from) : _mm_loadu_si128(from);
    }
    const Words low = _mm_unpacklo_epi32(row[0], row[1]);
    const Words low_2 = _mm_unpacklo_epi32(row[2], row[3]);
    made.words[four][0] = _mm_unpacklo_epi64(low, low_2);
    made.words[four][1] = _mm_unpackhi_epi64(low, low_2);
    if constexpr (kMany == 4) {
      const Words high = _mm_unpackhi_epi32(row[0], row[1]);
      const Words high_2 = _mm_unpackhi_epi32(row[2], row[3]);
      made.words[four][2] = _mm_unpacklo_epi64(high, high_2);
      made.words[four][3] = _mm_unpackhi_epi64(high, high_2);
    }
  }
  return made;
}

// Lane is one SHA-1 inside a block: the variables a to d and e, and the last 16 words.
struct Lane {
  Words abcd;
  Words e;
  Words before;  // abcd four rounds ago: its a is what e comes from.
  Words words[4];
};

// Rounds 4 * kFour to 4 * kFour + 3 of all lanes: each waits six cycles for the one before, in
// which the others go on.
template <std::size_t kFour, std::size_t kMany, class Input>
[[gnu::always_inline]] inline void four_rounds(Lane (&lanes)[kMany], const Input& input) {
  for (std::size_t n = 0; n < kMany; ++n) {
    Lane& lane = lanes[n];
    Words& words = lane.words[kFour % 4];
    if constexpr (kFour < 4) {
      words = input.at(n, kFour);
    } else {
      words =
          _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(words, lane.words[(kFour + 1) % 4]),
                                           lane.words[(kFour + 2) % 4]),
                             lane.words[(kFour + 3) % 4]);
    }
    const Words e =
        kFour == 0 ? _mm_add_epi32(lane.e, words) : _mm_sha1nexte_epu32(lane.before, words);
    lane.before = lane.abcd;
    lane.abcd = _mm_sha1rnds4_epu32(lane.abcd, e, kFour / 5);
  }
}

template <std::size_t kMany, class Input, std::size_t... kFours>
[[gnu::always_inline]] inline void all_rounds(Lane (&lanes)[kMany], const Input& input,
                                              std::index_sequence<kFours...>) {
  (four_rounds<kFours>(lanes, input), ...);
}

// word_at says where a lane's word of the state lies.
template <std::size_t kMany, class Word, class Input>
void run_sha1(Word word_at, const Input& input, std::size_t blocks) {
  Words abcd[kMany];
  Words e[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    const auto word = [&](std::size_t i) { return static_cast<int>(word_at(i, n)); };
    abcd[n] = _mm_set_epi32(word(0), word(1), word(2), word(3));
    e[n] = _mm_set_epi32(word(4), 0, 0, 0);
  }
  for (; blocks > 0; --blocks) {
    Lane lanes[kMany];
    for (std::size_t n = 0; n < kMany; ++n) {
      lanes[n].abcd = abcd[n];
      lanes[n].e = e[n];
    }
    all_rounds(lanes, input, std::make_index_sequence<20>());
    for (std::size_t n = 0; n < kMany; ++n) {
      abcd[n] = _mm_add_epi32(abcd[n], lanes[n].abcd);
      e[n] = _mm_sha1nexte_epu32(lanes[n].before, e[n]);
      input.go_on(n);
    }
  }
  for (std::size_t n = 0; n < kMany; ++n) {
    word_at(0, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abcd[n], 3));
    word_at(1, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abcd[n], 2));
    word_at(2, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abcd[n], 1));
    word_at(3, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abcd[n], 0));
    word_at(4, n) = static_cast<std::uint32_t>(_mm_extract_epi32(e[n], 3));
  }
}

// Lane256 is one SHA-256 inside a block. The instructions want its variables in two halves, and its
// words the other way around: the first of four lowest.
struct Lane256 {
  Words abef;
  Words cdgh;
  Words words[4];
};

// Rounds 4 * kFour to 4 * kFour + 3 of all lanes, as above.
template <std::size_t kFour, std::size_t kMany, class Input>
[[gnu::always_inline]] inline void four_rounds(Lane256 (&lanes)[kMany], const Input& input) {
  const Words constants =
      _mm_load_si128(reinterpret_cast<const Words*>(kSha256Constants + 4 * kFour));
  for (std::size_t n = 0; n < kMany; ++n) {
    Lane256& lane = lanes[n];
    Words& words = lane.words[kFour % 4];
    if constexpr (kFour < 4) {
      words = input.at(n, kFour);
    } else {
      const Words& last = lane.words[(kFour + 3) % 4];
      const Words seven_before = _mm_alignr_epi8(last, lane.words[(kFour + 2) % 4], 4);
      words = _mm_sha256msg2_epu32(
          _mm_add_epi32(_mm_sha256msg1_epu32(words, lane.words[(kFour + 1) % 4]), seven_before),
          last);
    }
    const Words sums = _mm_add_epi32(words, constants);
    lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sums);
    lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32(sums, 0x0e));
  }
}

template <std::size_t kMany, class Input, std::size_t... kFours>
[[gnu::always_inline]] inline void all_rounds(Lane256 (&lanes)[kMany], const Input& input,
                                              std::index_sequence<kFours...>) {
  (four_rounds<kFours>(lanes, input), ...);
}

template <std::size_t kMany, class Word, class Input>
void run_sha256(Word word_at, const Input& input, std::size_t blocks) {
  Words abef[kMany];
  Words cdgh[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    const auto word = [&](std::size_t i) { return static_cast<int>(word_at(i, n)); };
    abef[n] = _mm_set_epi32(word(0), word(1), word(4), word(5));
    cdgh[n] = _mm_set_epi32(word(2), word(3), word(6), word(7));
  }
  for (; blocks > 0; --blocks) {
    Lane256 lanes[kMany];
    for (std::size_t n = 0; n < kMany; ++n) {
      lanes[n].abef = abef[n];
      lanes[n].cdgh = cdgh[n];
    }
    all_rounds(lanes, input, std::make_index_sequence<16>());
    for (std::size_t n = 0; n < kMany; ++n) {
      abef[n] = _mm_add_epi32(abef[n], lanes[n].abef);
      cdgh[n] = _mm_add_epi32(cdgh[n], lanes[n].cdgh);
      input.go_on(n);
    }
  }
  for (std::size_t n = 0; n < kMany; ++n) {
    word_at(0, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abef[n], 3));
    word_at(1, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abef[n], 2));
    word_at(2, n) = static_cast<std::uint32_t>(_mm_extract_epi32(cdgh[n], 3));
    word_at(3, n) = static_cast<std::uint32_t>(_mm_extract_epi32(cdgh[n], 2));
    word_at(4, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abef[n], 1));
    word_at(5, n) = static_cast<std::uint32_t>(_mm_extract_epi32(abef[n], 0));
    word_at(6, n) = static_cast<std::uint32_t>(_mm_extract_epi32(cdgh[n], 1));
    word_at(7, n) = static_cast<std::uint32_t>(_mm_extract_epi32(cdgh[n], 0));
  }
}

template <class Lanes>
auto words_in(Lanes& lanes) {
  return [&lanes](std::size_t i, std::size_t n) -> std::uint32_t& { return lanes.state[i][n]; };
}
auto words_in(std::uint32_t* state) {
  return [state](std::size_t i, std::size_t /*n*/) -> std::uint32_t& { return state[i]; };
}

// All of them have been used for words and states.
void forget_registers() {
  asm volatile(
      "pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
      "pxor %%xmm3, %%xmm3\n\tpxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
      "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm8, %%xmm8\n\t"
      "pxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
      "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\t"
      "pxor %%xmm15, %%xmm15"
      :
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

}  // namespace

void sha1_ni_1(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept {
  run_sha1<1>(words_in(state), Texts<load>{&text}, blocks);
  forget_registers();
}

void sha1_ni_2(Sha1Lanes& lanes, std::size_t blocks) noexcept {
  run_sha1<2>(words_in(lanes), Texts<load>{lanes.text}, blocks);
  forget_registers();
}

void sha1_keys_ni_2(Sha1Lanes& lanes) noexcept {
  run_sha1<2>(words_in(lanes), Keys<load>{lanes.text}, 1);
  forget_registers();
}

void sha1_words_ni_2(Sha1Lanes& lanes, const BlockWords<Sha1Lanes>& words,
                     std::size_t first) noexcept {
  run_sha1<2>(words_in(lanes), given<true, 2>(words, first), 1);
  forget_registers();
}

void sha1_ni_4(Sha1Lanes& lanes, std::size_t blocks) noexcept {
  run_sha1<4>(words_in(lanes), Texts<load>{lanes.text}, blocks);
  forget_registers();
}

void sha1_keys_ni_4(Sha1Lanes& lanes) noexcept {
  run_sha1<4>(words_in(lanes), Keys<load>{lanes.text}, 1);
  forget_registers();
}

void sha1_words_ni_4(Sha1Lanes& lanes, const BlockWords<Sha1Lanes>& words,
                     std::size_t first) noexcept {
  run_sha1<4>(words_in(lanes), given<true, 4>(words, first), 1);
  forget_registers();
}

void sha256_ni_1(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept {
  run_sha256<1>(words_in(state), Texts<load_256>{&text}, blocks);
  forget_registers();
}

void sha256_ni_2(Sha256Lanes& lanes, std::size_t blocks) noexcept {
  run_sha256<2>(words_in(lanes), Texts<load_256>{lanes.text}, blocks);
  forget_registers();
}

void sha256_keys_ni_2(Sha256Lanes& lanes) noexcept {
  run_sha256<2>(words_in(lanes), Keys<load_256>{lanes.text}, 1);
  forget_registers();
}

void sha256_words_ni_2(Sha256Lanes& lanes, const BlockWords<Sha256Lanes>& words,
                       std::size_t first) noexcept {
  run_sha256<2>(words_in(lanes), given<false, 2>(words, first), 1);
  forget_registers();
}

}  // namespace usher::crypto::x86
