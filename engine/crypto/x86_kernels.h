// SHA-1, MD5 and AES for the instructions that x86 has for them: the loops, in files that are
// compiled for those instructions alone. lanes_x86.cc says when they run and what on.
//
// Those files must not instantiate anything of the standard library's: a linker keeps one copy of
// such a function for the whole program, and might keep that which not every CPU can run. Hence
// plain pointers here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace usher::crypto::x86 {

inline constexpr std::size_t kHashLanesMax = 16;

// HashLanes is a hash for each lane: its state, in words as the algorithm counts them (FIPS 180-4
// 6.1, RFC 1321 3.3), and where its next 64 bytes are.
template <std::size_t kWordCount>
struct HashLanes {
  static constexpr std::size_t kWords = kWordCount;
  alignas(64) std::uint32_t state[kWords][kHashLanesMax];
  const std::uint8_t* text[kHashLanesMax];
};
using Sha1Lanes = HashLanes<5>;
using Md5Lanes = HashLanes<4>;

// HashKernel takes in as many whole blocks of 64 bytes, `blocks` of them, in all of its lanes, the
// first of HashLanes; `text` then points behind them. The time depends on `blocks` only.
template <class Lanes>
using HashKernel = void(Lanes& lanes, std::size_t blocks) noexcept;
using Sha1Kernel = HashKernel<Sha1Lanes>;
Sha1Kernel sha1_ni_1;
Sha1Kernel sha1_ni_2;
Sha1Kernel sha1_ni_4;
Sha1Kernel sha1_avx2;    // Eight lanes.
Sha1Kernel sha1_avx512;  // Sixteen.
using Md5Kernel = HashKernel<Md5Lanes>;
Md5Kernel md5_avx2;    // Eight lanes.
Md5Kernel md5_avx512;  // Sixteen.

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
void aes_cts_decrypt(const AesDecryption* texts, std::size_t count, std::size_t key_size) noexcept;
void aes_cts_encrypt(const AesEncryption* texts, std::size_t count, std::size_t key_size) noexcept;

// AesDerivation is DR (RFC 3961 5.1) of one base key for four inputs of one block: `key_size` bytes
// each, or nothing where the pointer is null.
struct AesDerivation {
  const std::uint8_t* base;
  std::uint8_t* keys[4];
};
void aes_derive(const std::uint8_t (&inputs)[4][16], const AesDerivation* derivations,
                std::size_t count, std::size_t key_size) noexcept;

}  // namespace usher::crypto::x86
