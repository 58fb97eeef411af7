// Where the words of a block come from, for hashes whose rounds are one function; for sha1_rounds.h
// and md5_rounds.h, in hash_avx2.cc and hash_avx512.cc, alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/crypto/x86_kernels.h"

namespace usher::crypto::x86 {
namespace {

// Rounds has `block`, which takes in a block of words. They lie there as in BlockWords, a row of
// all lanes after the other.
template <class Rounds>
[[gnu::always_inline]] inline void run_block(typename Rounds::Lanes& lanes,
                                             const typename Rounds::Isa::Vector (&words)[16]) {
  alignas(64) BlockWords<typename Rounds::Lanes> given;
  for (std::size_t i = 0; i < 16; ++i) {
    Rounds::Isa::store(given[i], words[i]);
  }
  Rounds::block(lanes, given[0]);
}

// These do what HashKernel, KeysKernel and WordsKernel say.
template <class Rounds>
[[gnu::always_inline]] inline void run(typename Rounds::Lanes& lanes, std::size_t blocks) {
  for (; blocks > 0; --blocks) {
    typename Rounds::Isa::Vector words[16];
    Rounds::Isa::template load_words<Rounds::kBigEndian>(lanes.text, words);
    run_block<Rounds>(lanes, words);
  }
}
template <class Rounds>
[[gnu::always_inline]] inline void run_keys(typename Rounds::Lanes& lanes) {
  typename Rounds::Isa::Vector words[16];
  Rounds::Isa::template load_keys<Rounds::kBigEndian>(lanes.text, words);
  run_block<Rounds>(lanes, words);
}
template <class Rounds>
[[gnu::always_inline]] inline void run_words(typename Rounds::Lanes& lanes,
                                             const BlockWords<typename Rounds::Lanes>& words,
                                             std::size_t first) {
  Rounds::block(lanes, words[0] + first);
}

}  // namespace
}  // namespace usher::crypto::x86
