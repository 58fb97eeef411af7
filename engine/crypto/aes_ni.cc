// AES with the instructions that do a round of it. Compiled for AES-NI and AVX; see x86_kernels.h.
#include <immintrin.h>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

using Block = __m128i;
constexpr std::size_t kBlockSize = 16;

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

// FIPS 197 5.2. AESENCLAST substitutes and adds the constant, or, where there is none, the words
// before; of four equal words, the shifting of rows that it does as well makes the same four.
template <bool kRotate>
inline Block next_key(Block before, Block last, [[maybe_unused]] int constant) {
  const Block spread = _mm_set1_epi32(kRotate ? 0x0c0f0e0d : 0x0f0e0d0c);  // The last word.
  const Block word = _mm_shuffle_epi8(last, spread);
  // Each word is the sum of those before it and itself.
  before = _mm_xor_si128(before, _mm_slli_si128(before, 4));
  before = _mm_xor_si128(before, _mm_slli_si128(before, 8));
  if constexpr (kRotate) {
    return _mm_xor_si128(before, _mm_aesenclast_si128(word, _mm_set1_epi32(constant)));
  } else {
    return _mm_aesenclast_si128(word, before);
  }
}

// put stores a round key where it is used. FIPS 197 5.3.5: those of decryption backwards, all but
// the outermost through InvMixColumns.
template <int kRounds, bool kDecrypt>
inline void put(std::uint8_t* schedule, int round, Block key) {
  Block* const at = reinterpret_cast<Block*>(schedule);
  if constexpr (!kDecrypt) {
    _mm_store_si128(at + round, key);
  } else {
    const bool outermost = round == 0 || round == kRounds;
    _mm_store_si128(at + (kRounds - round), outermost ? key : _mm_aesimc_si128(key));
  }
}

// expand_some makes kMany schedules side by side: one alone waits six cycles for each round key.
template <int kRounds, bool kDecrypt, std::size_t kMany>
[[gnu::always_inline]] inline void expand_some(const AesExpansion* keys) {
  constexpr int kConstants[] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
  Block before[kMany];
  Block last[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    before[n] = load(keys[n].key);
    put<kRounds, kDecrypt>(keys[n].schedule, 0, before[n]);
    last[n] = before[n];
    if constexpr (kRounds == 14) {
      last[n] = load(keys[n].key + kBlockSize);
      put<kRounds, kDecrypt>(keys[n].schedule, 1, last[n]);
    }
  }
#pragma GCC unroll 14
  for (int round = kRounds == 10 ? 1 : 2; round <= kRounds; ++round) {
    for (std::size_t n = 0; n < kMany; ++n) {
      Block next;
      if constexpr (kRounds == 10) {
        next = next_key<true>(last[n], last[n], kConstants[round - 1]);
      } else if (round % 2 == 0) {
        next = next_key<true>(before[n], last[n], kConstants[round / 2 - 1]);
      } else {
        next = next_key<false>(before[n], last[n], 0);
      }
      put<kRounds, kDecrypt>(keys[n].schedule, round, next);
      before[n] = last[n];
      last[n] = next;
    }
  }
}

template <int kRounds, bool kDecrypt>
void expand_all(const AesExpansion* keys, std::size_t count) {
  for (; count >= 4; keys += 4, count -= 4) {
    expand_some<kRounds, kDecrypt, 4>(keys);
  }
  for (; count > 0; ++keys, --count) {
    expand_some<kRounds, kDecrypt, 1>(keys);
  }
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
  std::uint8_t* begin[kMany];
  std::size_t size[kMany];  // Of whole blocks.
  std::size_t size_max = 0;
  for (std::size_t n = 0; n < kMany; ++n) {
    const AesEncryption& text = texts[n < count ? n : 0];
    schedules[n] = text.schedule;
    begin[n] = text.text;
    size[n] = n < count ? cut_of(text.size) + kBlockSize : 0;
    size_max = size[n] > size_max ? size[n] : size_max;
  }
  Block state[kMany] = {};
  for (std::size_t offset = 0; offset < size_max; offset += kBlockSize) {
    std::uint8_t* at[kMany];
    for (std::size_t n = 0; n < kMany; ++n) {
      at[n] = offset < size[n] ? begin[n] + offset : nothing;
      state[n] = _mm_xor_si128(state[n], load(at[n]));
    }
    encrypt<kRounds>(state, schedules);
    for (std::size_t n = 0; n < kMany; ++n) {
      store(at[n], state[n]);
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
  // Read once: for all the compiler knows, what is stored changes `text`.
  const std::uint8_t* const from = text.text;
  std::uint8_t* const out = text.out;
  const std::size_t cut = cut_of(text.size);
  const std::size_t cut_size = text.size - cut;
  const Block last = load(from + cut);
  if (cut == 0) {
    return store(out, last);
  }
  const std::size_t whole = cut - kBlockSize;
  for (std::size_t at = 0; at < whole; at += kBlockSize) {
    store(out + at, load(from + at));
  }
  store(out + whole, last);
  // The last 16 bytes in one piece, because behind them nothing may be written.
  store(out + cut + cut_size - kBlockSize,
        _mm_or_si128(to_front(last, cut_size), to_back(load(from + whole), kBlockSize - cut_size)));
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

// decrypt_whole decrypts all of a text but the last block, which may be cut.
template <int kRounds>
inline void decrypt_whole(const AesDecryption& from, AesFront* front) {
  const AesDecryption text = from;  // Read once: what is stored might change it.
  constexpr std::size_t kWorthAFront = 8 * kBlockSize;  // What AES-NI does at a time.
  const std::size_t size = text.size == kBlockSize ? kBlockSize : cut_of(text.size);
  Block iv = _mm_setzero_si128();
  std::size_t at = 0;
  if (front != nullptr && size >= kWorthAFront) {
    at = front(from, size, kRounds == 10 ? 16 : 32);
    iv = load(text.in + at - kBlockSize);
  }
  for (; size - at >= 8 * kBlockSize; at += 8 * kBlockSize) {
    decrypt_cbc<kRounds, 8>(text.schedule, text.in + at, text.out + at, iv);
    iv = load(text.in + at + 7 * kBlockSize);
  }
  if (size - at >= 4 * kBlockSize) {
    decrypt_cbc<kRounds, 4>(text.schedule, text.in + at, text.out + at, iv);
    iv = load(text.in + at + 3 * kBlockSize);
    at += 4 * kBlockSize;
  }
  if (size - at >= 2 * kBlockSize) {
    decrypt_cbc<kRounds, 2>(text.schedule, text.in + at, text.out + at, iv);
    iv = load(text.in + at + kBlockSize);
    at += 2 * kBlockSize;
  }
  if (size > at) {
    decrypt_cbc<kRounds, 1>(text.schedule, text.in + at, text.out + at, iv);
  }
}

// Stolen is what is left of a text of more than one block when all but the cut one are decrypted.
// That one was encrypted last, though it has come behind the one before (RFC 3962 5).
struct Stolen {
  Block iv;        // Of the whole block before the cut one.
  Block cut_text;  // What the cut block says, in the front.
  Block block;     // What was stolen from, put together again; it says what the whole one does.
};

inline Stolen find_stolen(const AesDecryption& text) {
  const std::size_t cut = cut_of(text.size);
  const std::size_t cut_size = text.size - cut;
  const std::size_t whole = cut - kBlockSize;
  const Block iv = whole == 0 ? _mm_setzero_si128() : load(text.in + whole - kBlockSize);
  // Decrypted, the whole block is the cut text, filled up with zeros, xor what was sent of the
  // block that is stolen from: its end is that block's.
  const Block made = _mm_xor_si128(load(text.out + whole), iv);
  const Block sent = to_front(load(text.in + text.size - kBlockSize), kBlockSize - cut_size);
  const Block kept = to_back(to_front(made, cut_size), cut_size);
  return {.iv = iv, .cut_text = _mm_xor_si128(made, sent), .block = _mm_or_si128(sent, kept)};
}

inline void put_stolen(const AesDecryption& from, const Stolen& stolen, Block decrypted) {
  const AesDecryption text = from;  // Read once.
  const std::size_t cut = cut_of(text.size);
  const std::size_t cut_size = text.size - cut;
  const Block whole_text = _mm_xor_si128(decrypted, stolen.iv);
  store(text.out + cut - kBlockSize, whole_text);
  // The last 16 bytes in one piece, because behind them nothing may be written.
  store(text.out + text.size - kBlockSize,
        _mm_or_si128(to_front(whole_text, cut_size),
                     to_back(stolen.cut_text, kBlockSize - cut_size)));
}

// decrypt_stolen does so for kMany texts side by side, each with its own key.
template <int kRounds, std::size_t kMany>
inline void decrypt_stolen(const AesDecryption* const (&texts)[kMany]) {
  Stolen stolen[kMany];
  Block state[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    stolen[n] = find_stolen(*texts[n]);
    state[n] = _mm_xor_si128(stolen[n].block, key_at(texts[n]->schedule, 0));
  }
#pragma GCC unroll 14
  for (int round = 1; round < kRounds; ++round) {
    for (std::size_t n = 0; n < kMany; ++n) {
      state[n] = _mm_aesdec_si128(state[n], key_at(texts[n]->schedule, round));
    }
  }
  for (std::size_t n = 0; n < kMany; ++n) {
    put_stolen(*texts[n], stolen[n],
               _mm_aesdeclast_si128(state[n], key_at(texts[n]->schedule, kRounds)));
  }
}

template <int kRounds>
void decrypt_all(const AesDecryption* texts, std::size_t count, AesFront* front) {
  constexpr std::size_t kMany = 4;
  const AesDecryption* some[kMany];
  std::size_t waiting = 0;
  for (std::size_t n = 0; n < count; ++n) {
    decrypt_whole<kRounds>(texts[n], front);
    if (texts[n].size == kBlockSize) {
      continue;
    }
    some[waiting++] = &texts[n];
    if (waiting == kMany) {
      decrypt_stolen<kRounds>(some);
      waiting = 0;
    }
  }
  for (std::size_t n = 0; n < waiting; ++n) {
    const AesDecryption* const one[1] = {some[n]};
    decrypt_stolen<kRounds>(one);
  }
}

// RFC 3961 5.1: the first block of a key is its input, encrypted, each of the others the one
// before.
template <int kRounds, std::size_t kMany>
void derive_some(const std::uint8_t (*inputs)[kBlockSize], const AesDerivation* derivations) {
  constexpr std::size_t kKeys = 4;
  alignas(kBlockSize) std::uint8_t room[kMany][kBlockSize * (kRounds + 1)];
  AesExpansion keys[kMany];
  for (std::size_t n = 0; n < kMany; ++n) {
    keys[n] = {derivations[n].base, room[n]};
  }
  expand_some<kRounds, false, kMany>(keys);
  const std::uint8_t* schedules[kMany * kKeys];
  Block state[kMany * kKeys];
  for (std::size_t n = 0; n < kMany * kKeys; ++n) {
    schedules[n] = room[n / kKeys];
    state[n] = load(inputs[n % kKeys]);
  }
  for (std::size_t at = 0; at < (kRounds == 10 ? 1 : 2) * kBlockSize; at += kBlockSize) {
    encrypt<kRounds>(state, schedules);
    for (std::size_t n = 0; n < kMany * kKeys; ++n) {
      if (std::uint8_t* const key = derivations[n / kKeys].keys[n % kKeys]; key != nullptr) {
        store(key + at, state[n]);
      }
    }
  }
}

template <int kRounds>
void derive_all(const std::uint8_t (*inputs)[kBlockSize], const AesDerivation* derivations,
                std::size_t count) {
  for (; count >= 2; derivations += 2, count -= 2) {
    derive_some<kRounds, 2>(inputs, derivations);
  }
  if (count > 0) {
    derive_some<kRounds, 1>(inputs, derivations);
  }
}

}  // namespace

void aes_expand(const AesExpansion* keys, std::size_t count, std::size_t key_size,
                bool decrypt) noexcept {
  if (rounds_of(key_size) == 10) {
    (decrypt ? expand_all<10, true> : expand_all<10, false>)(keys, count);
  } else {
    (decrypt ? expand_all<14, true> : expand_all<14, false>)(keys, count);
  }
  _mm256_zeroall();
}

void aes_cts_encrypt(const AesEncryption* texts, std::size_t count, std::size_t key_size) noexcept {
  (rounds_of(key_size) == 10 ? encrypt_all<10> : encrypt_all<14>)(texts, count);
  _mm256_zeroall();
}

void aes_cts_decrypt(const AesDecryption* texts, std::size_t count, std::size_t key_size,
                     AesFront* front) noexcept {
  (rounds_of(key_size) == 10 ? decrypt_all<10> : decrypt_all<14>)(texts, count, front);
  _mm256_zeroall();
}

void aes_derive(const std::uint8_t (&inputs)[4][kBlockSize], const AesDerivation* derivations,
                std::size_t count, std::size_t key_size) noexcept {
  (rounds_of(key_size) == 10 ? derive_all<10> : derive_all<14>)(inputs, derivations, count);
  _mm256_zeroall();
}

// Up to the stack pointer: between an array and that, compilers leave gaps, as GCC does for a
// canary. One piece of assembly, because what a compiler keeps below the stack pointer, as it may
// in a function that calls none, is overwritten too. The stack pointer goes down before: valgrind
// has no stack below it. (Who looks for callers just then, as a profiler does, may not find them:
// nothing that unwinds can come from here.) Stores are of the widest registers there are with AVX:
// a memset takes longer to begin than to overwrite so little.
template <std::size_t kSize>
[[gnu::noinline]] void forget_stack() noexcept {
  static_assert(kSize % 256 == 0);
  const std::uint8_t* at = nullptr;
  const std::uint8_t* end = nullptr;
  asm volatile(
      "mov %%rsp, %[end]\n\t"
      "sub %[size], %%rsp\n\t"
      "mov %%rsp, %[at]\n"
      "0:\n\t"
      "vmovdqu %[zeros], (%[at])\n\t"
      "vmovdqu %[zeros], 32(%[at])\n\t"
      "vmovdqu %[zeros], 64(%[at])\n\t"
      "vmovdqu %[zeros], 96(%[at])\n\t"
      "vmovdqu %[zeros], 128(%[at])\n\t"
      "vmovdqu %[zeros], 160(%[at])\n\t"
      "vmovdqu %[zeros], 192(%[at])\n\t"
      "vmovdqu %[zeros], 224(%[at])\n\t"
      "add $256, %[at]\n\t"
      "cmp %[end], %[at]\n\t"
      "jb 0b\n\t"
      "mov %[end], %%rsp"
      : [at] "=&r"(at), [end] "=&r"(end)
      : [size] "i"(kSize), [zeros] "x"(_mm256_setzero_si256())
      : "memory", "cc");
}
template void forget_stack<kShallowStack>() noexcept;
template void forget_stack<kDeepStack>() noexcept;
template void forget_stack<kDeepestStack>() noexcept;

}  // namespace usher::crypto::x86
