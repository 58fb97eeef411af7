// SHA-1, SHA-2, MD5 and AES for the instructions that x86 has for them: the loops, in files that
// are compiled for those instructions alone. lanes_x86.cc says when they run and what on.
//
// Those files must not instantiate anything of the standard library's: a linker keeps one copy of
// such a function for the whole program, and might keep that which not every CPU can run. Hence
// plain pointers here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace usher::crypto::x86 {

// HashLanes is a hash for each lane: its state, in words as the algorithm counts them (FIPS 180-4
// 6.1 to 6.5, RFC 1321 3.3), and where its next block is. There are as many lanes as words fit into
// the widest register.
template <class WordType, std::size_t kWordCount>
struct HashLanes {
  using Word = WordType;
  static constexpr std::size_t kWords = kWordCount;
  static constexpr std::size_t kBlockSize = 16 * sizeof(Word);  // Bytes, 16 words.
  static constexpr std::size_t kLanesMax = 64 / sizeof(Word);
  alignas(64) Word state[kWords][kLanesMax];
  const std::uint8_t* text[kLanesMax];
};
template <class Lanes>
using LanesRow = typename Lanes::Word[Lanes::kLanesMax];  // A word of each lane.
template <class Lanes>
using LanesState = LanesRow<Lanes>[Lanes::kWords];
template <class Lanes>
using BlockWords = LanesRow<Lanes>[16];
using Sha1Lanes = HashLanes<std::uint32_t, 5>;
using Md5Lanes = HashLanes<std::uint32_t, 4>;
using Sha256Lanes = HashLanes<std::uint32_t, 8>;
using Sha512Lanes = HashLanes<std::uint64_t, 8>;  // SHA-384's, too.

// HashKernel takes in as many whole blocks of kBlockSize bytes, `blocks` of them, in all of its
// lanes, the first of HashLanes; `text` then points behind them. The time depends on `blocks` only.
template <class Lanes>
using HashKernel = void(Lanes& lanes, std::size_t blocks) noexcept;
using Sha1Kernel = HashKernel<Sha1Lanes>;
Sha1Kernel sha1_ni_2;
Sha1Kernel sha1_ni_4;
Sha1Kernel sha1_avx2;    // Eight lanes.
Sha1Kernel sha1_avx512;  // Sixteen.
using Md5Kernel = HashKernel<Md5Lanes>;
Md5Kernel md5_avx2;    // Eight lanes.
Md5Kernel md5_avx512;  // Sixteen.
using Sha256Kernel = HashKernel<Sha256Lanes>;
Sha256Kernel sha256_ni_2;
Sha256Kernel sha256_avx2;    // Eight lanes.
Sha256Kernel sha256_avx512;  // Sixteen.
using Sha512Kernel = HashKernel<Sha512Lanes>;
Sha512Kernel sha512_avx2;    // Four lanes.
Sha512Kernel sha512_avx512;  // Eight.

// AloneKernel takes blocks into one state, which lies there as words.
template <class Word>
using AloneKernel = void(Word* state, const std::uint8_t* text, std::size_t blocks) noexcept;
AloneKernel<std::uint32_t> sha1_ni_1;
AloneKernel<std::uint32_t> sha256_ni_1;

// WordsKernel takes in one block that lies there as words, 16 of each lane: those of the first one
// are words[0][first] to words[15][first], those of the next behind them. `text` is not looked at.
template <class Lanes>
using WordsKernel = void(Lanes& lanes, const BlockWords<Lanes>& words, std::size_t first) noexcept;
WordsKernel<Sha1Lanes> sha1_words_ni_2;
WordsKernel<Sha1Lanes> sha1_words_ni_4;
WordsKernel<Sha1Lanes> sha1_words_avx2;
WordsKernel<Sha1Lanes> sha1_words_avx512;
WordsKernel<Md5Lanes> md5_words_avx2;
WordsKernel<Md5Lanes> md5_words_avx512;
WordsKernel<Sha256Lanes> sha256_words_ni_2;
WordsKernel<Sha256Lanes> sha256_words_avx2;
WordsKernel<Sha256Lanes> sha256_words_avx512;
WordsKernel<Sha512Lanes> sha512_words_avx2;
WordsKernel<Sha512Lanes> sha512_words_avx512;

// KeysKernel takes in padded keys (RFC 2104 2), the inner pad in every even lane, the outer one in
// the lane behind it. `text` is the key, for both lanes: kKeyOctets, zeros behind its end.
inline constexpr std::size_t kKeyOctets = 32;
template <class Lanes>
using KeysKernel = void(Lanes& lanes) noexcept;
KeysKernel<Sha1Lanes> sha1_keys_ni_2;
KeysKernel<Sha1Lanes> sha1_keys_ni_4;
KeysKernel<Sha1Lanes> sha1_keys_avx2;
KeysKernel<Sha1Lanes> sha1_keys_avx512;
KeysKernel<Md5Lanes> md5_keys_avx2;
KeysKernel<Md5Lanes> md5_keys_avx512;
KeysKernel<Sha256Lanes> sha256_keys_ni_2;
KeysKernel<Sha256Lanes> sha256_keys_avx2;
KeysKernel<Sha256Lanes> sha256_keys_avx512;
KeysKernel<Sha512Lanes> sha512_keys_avx2;
KeysKernel<Sha512Lanes> sha512_keys_avx512;

// KnownKernel takes in a block that is the same in all lanes, of which the sums of the schedule's
// words and the rounds' constants are known (FIPS 180-4 6.2.2 and 6.4.2): about half of the work.
// The states are in memory as in HashLanes; both may be the same.
template <class Lanes>
using KnownKernel = void(const LanesState<Lanes>& from, const typename Lanes::Word* sums,
                         LanesState<Lanes>& to) noexcept;
KnownKernel<Sha256Lanes> sha256_known_avx2;
KnownKernel<Sha256Lanes> sha256_known_avx512;
KnownKernel<Sha512Lanes> sha512_known_avx2;
KnownKernel<Sha512Lanes> sha512_known_avx512;

// FrontKernel takes in a block of which only the front, as many words as a hash has, differs from
// lane to lane: a padded key, or an outer hash's text. Of the front there are `count` rows, and
// behind those zeros. KnownEnd is the rest: of rounds 0 to 15 the constants, with the words that
// are known added, then of words 16 to 31 what those add to them; and what the front's words are
// masked with. `to` may be `from`, or lie where `front` does.
template <class Lanes>
inline constexpr std::size_t kFrontWords = Lanes::kWords;
template <>
inline constexpr std::size_t kFrontWords<Sha512Lanes> = 6;  // SHA-384's.
template <class Word>
struct KnownEnd {
  Word sums[32];
  Word mask;
};
template <class Lanes>
using FrontKernel = void(const LanesState<Lanes>& from, const LanesRow<Lanes>* front,
                         std::size_t count, const KnownEnd<typename Lanes::Word>& end,
                         LanesState<Lanes>& to) noexcept;
FrontKernel<Sha256Lanes> sha256_front_avx2;
FrontKernel<Sha256Lanes> sha256_front_avx512;
FrontKernel<Sha512Lanes> sha512_front_avx2;
FrontKernel<Sha512Lanes> sha512_front_avx512;

// OuterKernel makes outer hashes (RFC 2104 4): `text` is each lane's state, as words beside each
// other, `front` the inner hashes as rows, and `out` where the hash goes as bytes, or null.
template <class Lanes>
using OuterKernel = void(Lanes& lanes, const LanesRow<Lanes>* front,
                         const KnownEnd<typename Lanes::Word>& end,
                         std::uint8_t* const* out) noexcept;
OuterKernel<Sha512Lanes> sha384_outer_avx512;

// AesExpansion makes a schedule of a key: 16 bytes for each round and one more, aligned so, in the
// order of their use. Those of decryption are for the equivalent inverse cipher (FIPS 197 5.3.5).
struct AesExpansion {
  const std::uint8_t* key;
  std::uint8_t* schedule;
};
void aes_expand(const AesExpansion* keys, std::size_t count, std::size_t key_size,
                bool decrypt) noexcept;

// CBC with ciphertext stealing and a zero IV (RFC 3962 5). All keys of a call have `key_size`, all
// texts at least 16 bytes. Encryption also overwrites its text and the 15 bytes behind it.
struct AesDecryption {
  const std::uint8_t* schedule;
  const std::uint8_t* in;
  std::uint8_t* out;  // Other memory.
  std::size_t size;
};
struct AesEncryption {
  const std::uint8_t* schedule;
  std::uint8_t* text;
  std::uint8_t* out;  // Other memory.
  std::size_t size;
};
// AesFront decrypts the front of a text, of whose first `size` bytes none is stolen from, in as
// many blocks as it does at a time, and returns how many bytes that were; the rest is AES-NI's.
using AesFront = std::size_t(const AesDecryption& text, std::size_t size,
                             std::size_t key_size) noexcept;
AesFront aes_front_vaes;
// `front` may be null.
void aes_cts_decrypt(const AesDecryption* texts, std::size_t count, std::size_t key_size,
                     AesFront* front) noexcept;
void aes_cts_encrypt(const AesEncryption* texts, std::size_t count, std::size_t key_size) noexcept;

// AesDerivation is DR (RFC 3961 5.1) of one base key for four inputs of one block: `key_size` bytes
// each, or nothing where the pointer is null.
struct AesDerivation {
  const std::uint8_t* base;
  std::uint8_t* keys[4];
};
void aes_derive(const std::uint8_t (&inputs)[4][16], const AesDerivation* derivations,
                std::size_t count, std::size_t key_size) noexcept;

// forget_stack overwrites what the kernels have left below: the compiler puts round keys and words
// of texts on the stack when it runs out of registers. How much is -fstack-usage's answer, of the
// compiler that takes most (always with -O3): of AES and what hashes alone up to 904 bytes, of MD5,
// SHA-1, SHA-512 and their keys and words up to 2,696, of SHA-256 alone up to 1,736, of aes_derive
// up to 2,240 (GCC 12 for a CPU with AVX-512, -march=native), and of SHA-256's keys, words and
// fronts up to 2,880. What of hmac_lanes.h stands between is not always inlined, and comes on top.
inline constexpr std::size_t kShallowStack = 1024;
inline constexpr std::size_t kDeepStack = 3072;
inline constexpr std::size_t kDeepestStack = 4096;
template <std::size_t kSize>
void forget_stack() noexcept;
extern template void forget_stack<kShallowStack>() noexcept;
extern template void forget_stack<kDeepStack>() noexcept;
extern template void forget_stack<kDeepestStack>() noexcept;

}  // namespace usher::crypto::x86
