// AES with the instructions that do a round of it. Compiled for AES-NI and AVX; see x86_kernels.h.
#include <immintrin.h>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

using Block = __m128i;
constexpr std::size_t kBlockSize = 16;

constexpr std::size_t kKeysMax = 15;  // Of 14 rounds.
constexpr int rounds_of(std::size_t key_size) { return key_size == 16 ? 10 : 14; }

inline Block load(const std::uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const Block*>(from));
}
inline void store(std::uint8_t* to, Block block) {
  _mm_storeu_si128(reinterpret_cast<Block*>(to), block);
}
// Of a schedule, which is aligned: the instruction reads it itself.
inline Block key_at(const std::uint8_t* schedule, int round) {
  return _mm_load_si128(reinterpret_cast<const Block*>(schedule) + round);
}

// FIPS 197 5.2. AESENCLAST substitutes and adds the constant; of four equal words, the shifting of
// rows that it does as well makes the same four.
template <int kWord, bool kRotate>
inline Block next_key(Block before, Block last, int constant) {
  constexpr int w = 4 * kWord;
  const Block spread = kRotate ? _mm_set1_epi32((((w * 256 + w + 3) * 256 + w + 2) * 256) + w + 1)
                               : _mm_set1_epi32((((w + 3) * 256 + w + 2) * 256 + w + 1) * 256 + w);
  const Block word = _mm_aesenclast_si128(_mm_shuffle_epi8(last, spread), _mm_set1_epi32(constant));
  // Each word is the sum of those before it and itself.
  before = _mm_xor_si128(before, _mm_slli_si128(before, 4));
  before = _mm_xor_si128(before, _mm_slli_si128(before, 8));
  return _mm_xor_si128(before, word);
}

inline void expand_128(const std::uint8_t* key, Block* schedule) {
  constexpr int kConstants[] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
  schedule[0] = load(key);
  for (int i = 1; i <= 10; ++i) {
    schedule[i] = next_key<3, true>(schedule[i - 1], schedule[i - 1], kConstants[i - 1]);
  }
}

inline void expand_256(const std::uint8_t* key, Block* schedule) {
  schedule[0] = load(key);
  schedule[1] = load(key + kBlockSize);
  for (int i = 2; i <= 14; ++i) {
    schedule[i] = i % 2 == 0 ? next_key<3, true>(schedule[i - 2], schedule[i - 1], 1 << (i / 2 - 1))
                             : next_key<3, false>(schedule[i - 2], schedule[i - 1], 0);
  }
}

template <int kRounds>
inline void expand(const std::uint8_t* key, Block* schedule) {
  if constexpr (kRounds == 10) {
    expand_128(key, schedule);
  } else {
    expand_256(key, schedule);
  }
}

// FIPS 197 5.3.5: the round keys backwards, all but the outermost through InvMixColumns.
template <int kRounds>
void expand_for(const std::uint8_t* key, bool decrypt, std::uint8_t* out) {
  Block* const schedule = reinterpret_cast<Block*>(out);
  if (!decrypt) {
    return expand<kRounds>(key, schedule);
  }
  Block encryption[kKeysMax];
  expand<kRounds>(key, encryption);
  schedule[0] = encryption[kRounds];
  for (int i = 1; i < kRounds; ++i) {
    schedule[i] = _mm_aesimc_si128(encryption[kRounds - i]);
  }
  schedule[kRounds] = encryption[0];
}

// encrypt takes one block of each of kMany chains a step further, each with its own key.
template <int kRounds, std::size_t kMany>
inline void encrypt(Block (&state)[kMany], const std::uint8_t* const (&schedules)[kMany]) {
  for (std::size_t n = 0; n < kMany; ++n) {
    state[n] = _mm_xor_si128(state[n], key_at(schedules[n], 0));
  }
#pragma GCC unroll 14
  for (int round = 1; round < kRounds; ++round) {
    for (std::size_t n = 0; n < kMany; ++n) {
      state[n] = _mm_aesenc_si128(state[n], key_at(schedules[n], round));
    }
  }
  for (std::size_t n = 0; n < kMany; ++n) {
    state[n] = _mm_aesenclast_si128(state[n], key_at(schedules[n], kRounds));
  }
}

// kShift is where to begin to read the indices for PSHUFB so that it moves a block's bytes: by n to
// the front from 16 + n on, by n to the back from 16 - n on. What moves in is zeros.
alignas(16) constexpr std::uint8_t kShift[48] = {
    128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
    0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15,
    128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128};
inline Block to_front(Block block, std::size_t bytes) {
  return _mm_shuffle_epi8(block, load(kShift + kBlockSize + bytes));
}
inline Block to_back(Block block, std::size_t bytes) {
  return _mm_shuffle_epi8(block, load(kShift + kBlockSize - bytes));
}

// cut_of is where the last block of a text begins, which may be cut.
inline std::size_t cut_of(std::size_t size) { return (size - 1) / kBlockSize * kBlockSize; }

// encrypt_some encrypts up to kMany texts in place, whole blocks of them, side by side: a round
// takes four cycles and the next can begin in half of one, so what is not there costs no time.
template <int kRounds, std::size_t kMany>
void encrypt_some(const AesEncryption* texts, std::size_t count) {
  alignas(kBlockSize) std::uint8_t nothing[kBlockSize] = {};
  const std::uint8_t* schedules[kMany];
  std::uint8_t* at[kMany];
  std::size_t left[kMany];
  std::size_t steps = 0;
  for (std::size_t n = 0; n < kMany; ++n) {
    const AesEncryption& text = texts[n < count ? n : 0];
    schedules[n] = text.schedule;
    at[n] = n < count ? text.text : nothing;
    left[n] = n < count ? cut_of(text.size) / kBlockSize + 1 : 0;
    steps = left[n] > steps ? left[n] : steps;
  }
  Block state[kMany] = {};
  for (std::size_t step = 0; step < steps; ++step) {
    for (std::size_t n = 0; n < kMany; ++n) {
      at[n] = step < left[n] ? at[n] : nothing;
      state[n] = _mm_xor_si128(state[n], load(at[n]));
    }
    encrypt<kRounds>(state, schedules);
    for (std::size_t n = 0; n < kMany; ++n) {
      store(at[n], state[n]);
      at[n] += at[n] == nothing ? 0 : kBlockSize;
    }
  }
}

// fill fills up the cut block with zeros.
inline void fill(const AesEncryption& text) {
  const std::size_t cut = cut_of(text.size);
  if (text.size > kBlockSize) {
    store(text.text + cut,
          to_front(load(text.text + text.size - kBlockSize), cut + kBlockSize - text.size));
  }
}

// steal moves the ciphertext to where it is to go, the last two blocks of it in each other's place.
inline void steal(const AesEncryption& text) {
  const std::size_t cut = cut_of(text.size);
  const std::size_t cut_size = text.size - cut;
  const Block last = load(text.text + cut);
  if (cut == 0) {
    return store(text.out, last);
  }
  const std::size_t whole = cut - kBlockSize;
  for (std::size_t at = 0; at < whole; at += kBlockSize) {
    store(text.out + at, load(text.text + at));
  }
  store(text.out + whole, last);
  // The last 16 bytes in one piece, because behind them nothing may be written.
  store(text.out + text.size - kBlockSize,
        _mm_or_si128(to_front(last, cut_size),
                     to_back(load(text.text + whole), kBlockSize - cut_size)));
}

template <int kRounds>
void encrypt_all(const AesEncryption* texts, std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) {
    fill(texts[n]);
  }
  for (std::size_t done = 0; done < count;) {
    const std::size_t some = count - done < 8 ? count - done : 8;
    if (some > 4) {
      encrypt_some<kRounds, 8>(texts + done, some);
    } else if (some > 2) {
      encrypt_some<kRounds, 4>(texts + done, some);
    } else if (some == 2) {
      encrypt_some<kRounds, 2>(texts + done, some);
    } else {
      encrypt_some<kRounds, 1>(texts + done, some);
    }
    done += some;
  }
  for (std::size_t n = 0; n < count; ++n) {
    steal(texts[n]);
  }
}

// decrypt takes kMany blocks through the inverse cipher, with one key.
template <int kRounds, std::size_t kMany>
inline void decrypt(const std::uint8_t* schedule, Block (&state)[kMany]) {
  const Block first = key_at(schedule, 0);
  for (std::size_t n = 0; n < kMany; ++n) {
    state[n] = _mm_xor_si128(state[n], first);
  }
#pragma GCC unroll 14
  for (int round = 1; round < kRounds; ++round) {
    const Block key = key_at(schedule, round);
    for (std::size_t n = 0; n < kMany; ++n) {
      state[n] = _mm_aesdec_si128(state[n], key);
    }
  }
  const Block last = key_at(schedule, kRounds);
  for (std::size_t n = 0; n < kMany; ++n) {
    state[n] = _mm_aesdeclast_si128(state[n], last);
  }
}

template <int kRounds, std::size_t kMany>
inline void decrypt_cbc(const std::uint8_t* schedule, const std::uint8_t* in, std::uint8_t* out,
                        Block iv) {
  Block state[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    state[n] = load(in + n * kBlockSize);
  }
  decrypt<kRounds>(schedule, state);
  store(out, _mm_xor_si128(state[0], iv));
  for (std::size_t n = 1; n < kMany; ++n) {
    store(out + n * kBlockSize, _mm_xor_si128(state[n], load(in + (n - 1) * kBlockSize)));
  }
}

// Of a text of more than one block, the last is cut, to `cut_size` bytes; on the wire the one
// before has come behind it (RFC 3962 5), which is why here the cut one is last.
template <int kRounds>
void decrypt_stolen(const AesDecryption& text) {
  const std::size_t cut = cut_of(text.size);
  const std::size_t cut_size = text.size - cut;
  Block iv = _mm_setzero_si128();
  std::size_t at = 0;
  for (; cut - at > 8 * kBlockSize; at += 8 * kBlockSize) {
    decrypt_cbc<kRounds, 8>(text.schedule, text.in + at, text.out + at, iv);
    iv = load(text.in + at + 7 * kBlockSize);
  }
  for (; cut - at > 4 * kBlockSize; at += 4 * kBlockSize) {
    decrypt_cbc<kRounds, 4>(text.schedule, text.in + at, text.out + at, iv);
    iv = load(text.in + at + 3 * kBlockSize);
  }
  for (; cut - at > kBlockSize; at += kBlockSize) {
    decrypt_cbc<kRounds, 1>(text.schedule, text.in + at, text.out + at, iv);
    iv = load(text.in + at);
  }
  // The last whole block is the cut text, filled up with zeros, xor what was sent of the block
  // before it: its end is that block's.
  Block whole[1] = {load(text.in + at)};
  decrypt<kRounds>(text.schedule, whole);
  const Block sent = to_front(load(text.in + text.size - kBlockSize), kBlockSize - cut_size);
  const Block kept = to_back(to_front(whole[0], cut_size), cut_size);
  const Block cut_text = _mm_xor_si128(whole[0], sent);
  Block stolen[1] = {_mm_or_si128(sent, kept)};
  decrypt<kRounds>(text.schedule, stolen);
  stolen[0] = _mm_xor_si128(stolen[0], iv);
  store(text.out + at, stolen[0]);
  // The last 16 bytes in one piece, because behind them nothing may be written.
  store(text.out + text.size - kBlockSize,
        _mm_or_si128(to_front(stolen[0], cut_size), to_back(cut_text, kBlockSize - cut_size)));
}

template <int kRounds>
void decrypt_all(const AesDecryption* texts, std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) {
    if (texts[n].size == kBlockSize) {
      decrypt_cbc<kRounds, 1>(texts[n].schedule, texts[n].in, texts[n].out, _mm_setzero_si128());
    } else {
      decrypt_stolen<kRounds>(texts[n]);
    }
  }
}

// RFC 3961 5.1: the first block of a key is its input, encrypted, each of the others the one
// before.
template <int kRounds, std::size_t kMany>
inline void derive_some(const Block* schedule, const std::uint8_t (*inputs)[kBlockSize],
                        std::uint8_t* const* keys) {
  const std::uint8_t* schedules[kMany];
  Block state[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    schedules[n] = reinterpret_cast<const std::uint8_t*>(schedule);
    state[n] = load(inputs[n]);
  }
  for (std::size_t at = 0; at < (kRounds == 10 ? 1 : 2) * kBlockSize; at += kBlockSize) {
    encrypt<kRounds>(state, schedules);
    for (std::size_t n = 0; n < kMany; ++n) {
      if (keys[n] != nullptr) {
        store(keys[n] + at, state[n]);
      }
    }
  }
}

template <int kRounds>
void derive_all(const std::uint8_t (*inputs)[kBlockSize], const AesDerivation* derivations,
                std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) {
    const AesDerivation& one = derivations[n];
    Block schedule[kKeysMax];
    expand<kRounds>(one.base, schedule);
    derive_some<kRounds, 4>(schedule, inputs, one.keys);
  }
}

}  // namespace

void aes_expand(const std::uint8_t* key, std::size_t key_size, bool decrypt,
                std::uint8_t* schedule) noexcept {
  (rounds_of(key_size) == 10 ? expand_for<10> : expand_for<14>)(key, decrypt, schedule);
  _mm256_zeroall();
}

void aes_cts_encrypt(const AesEncryption* texts, std::size_t count, std::size_t key_size) noexcept {
  (rounds_of(key_size) == 10 ? encrypt_all<10> : encrypt_all<14>)(texts, count);
  _mm256_zeroall();
}

void aes_cts_decrypt(const AesDecryption* texts, std::size_t count, std::size_t key_size) noexcept {
  (rounds_of(key_size) == 10 ? decrypt_all<10> : decrypt_all<14>)(texts, count);
  _mm256_zeroall();
}

void aes_derive(const std::uint8_t (&inputs)[4][kBlockSize], const AesDerivation* derivations,
                std::size_t count, std::size_t key_size) noexcept {
  (rounds_of(key_size) == 10 ? derive_all<10> : derive_all<14>)(inputs, derivations, count);
  _mm256_zeroall();
}

}  // namespace usher::crypto::x86
