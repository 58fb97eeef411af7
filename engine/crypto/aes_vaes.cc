// AES on four blocks an instruction. Compiled for VAES and AVX-512; see x86_kernels.h.
#include <immintrin.h>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

using Blocks = __m512i;
constexpr std::size_t kBlockSize = 16;
constexpr std::size_t kSize = sizeof(Blocks);

inline Blocks load(const std::uint8_t* from) { return _mm512_loadu_si512(from); }
inline Blocks key_at(const std::uint8_t* schedule, int round) {
  return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(schedule) + round));
}

// before is what stands in front of each block: in front of the first of a text, zeros.
inline Blocks before(const std::uint8_t* in, bool first) {
  constexpr __mmask8 kAllButOneBlock = 0xfc;
  return first ? _mm512_maskz_loadu_epi64(kAllButOneBlock, in - kBlockSize) : load(in - kBlockSize);
}

// decrypt takes kMany times four blocks through the inverse cipher, all of one text.
template <int kRounds, std::size_t kMany>
inline void decrypt(const AesDecryption& text, std::size_t at) {
  Blocks state[kMany];
  const Blocks first = key_at(text.schedule, 0);
  for (std::size_t n = 0; n < kMany; ++n) {
    state[n] = _mm512_xor_si512(load(text.in + at + n * kSize), first);
  }
#pragma GCC unroll 14
  for (int round = 1; round < kRounds; ++round) {
    const Blocks key = key_at(text.schedule, round);
    for (std::size_t n = 0; n < kMany; ++n) {
      state[n] = _mm512_aesdec_epi128(state[n], key);
    }
  }
  const Blocks last = key_at(text.schedule, kRounds);
  for (std::size_t n = 0; n < kMany; ++n) {
    const std::size_t begin = at + n * kSize;
    _mm512_storeu_si512(text.out + begin, _mm512_xor_si512(_mm512_aesdeclast_epi128(state[n], last),
                                                           before(text.in + begin, begin == 0)));
  }
}

template <int kRounds>
std::size_t decrypt_front(const AesDecryption& text, std::size_t size) {
  std::size_t at = 0;
  for (; size - at >= 8 * kSize; at += 8 * kSize) {
    decrypt<kRounds, 8>(text, at);
  }
  for (; size - at >= 4 * kSize; at += 4 * kSize) {
    decrypt<kRounds, 4>(text, at);
  }
  for (; size - at >= 2 * kSize; at += 2 * kSize) {
    decrypt<kRounds, 2>(text, at);
  }
  for (; size - at >= kSize; at += kSize) {
    decrypt<kRounds, 1>(text, at);
  }
  return at;
}

}  // namespace

std::size_t aes_front_vaes(const AesDecryption& text, std::size_t size,
                           std::size_t key_size) noexcept {
  const std::size_t done =
      key_size == 16 ? decrypt_front<10>(text, size) : decrypt_front<14>(text, size);
  _mm256_zeroall();
  return done;
}

}  // namespace usher::crypto::x86
