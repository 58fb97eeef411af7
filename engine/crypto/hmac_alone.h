// An HMAC that has no other beside it; for hmac_lanes.h alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>

#include "engine/crypto/hmac_parts.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {

// HmacAlone makes one HMAC after the other. Hash is as in HmacLanes.
template <class Hash>
class HmacAlone {
 public:
  using Word = typename Hash::Lanes::Word;
  explicit HmacAlone(x86::AloneKernel<Word>* kernel) noexcept : kernel_(kernel) {}

  // run leaves nothing of the job here.
  void run(const HmacJob& job) noexcept;

 private:
  static constexpr std::size_t kBlockSize = Hash::Lanes::kBlockSize;
  static constexpr std::size_t kHashWords = Hash::kHashSize / sizeof(Word);
  static constexpr auto kOuterEnd = outer_end<Hash>();
  // A text that is no larger is copied, to where its padding goes behind it: a second call of the
  // kernel takes longer.
  static constexpr std::size_t kCopiedMax = 512;
  // SHA-384 is OpenSSL's, whose schedule of a text lies up to 3,328 octets below.
  static constexpr std::size_t kStackLeft = Hash::kHashSize > 32    ? x86::kDeepestStack
                                            : Hash::kHashSize == 32 ? x86::kDeepStack
                                                                    : x86::kShallowStack;

  // What is secret lies in one piece, because that is wiped the soonest.
  struct Room {
    std::array<Word, Hash::Lanes::kWords> state;
    std::array<std::uint8_t, kBlockSize> outer;                 // The outer hash's block.
    std::array<std::uint8_t, kCopiedMax + 2 * kBlockSize> end;  // The text's, and its padding.
  };

  x86::AloneKernel<Word>* const kernel_;
  Room room_;
};

template <class Hash>
void HmacAlone<Hash>::run(const HmacJob& job) noexcept {
  static_assert(sizeof(Room::state) <= sizeof(HmacKey::State));
  Word* const state = room_.state.data();
  std::memcpy(state, job.key->inner(), sizeof(room_.state));
  Bytes rest = job.text;
  if (rest.size() > kCopiedMax) {
    const std::size_t blocks = rest.size() / kBlockSize;
    kernel_(state, rest.data(), blocks);
    rest = rest.subspan(blocks * kBlockSize);
  }
  std::uint8_t* const end = room_.end.data();
  copy(rest, room_.end);
  pad<Hash>(end, rest.size(), job.text.size());
  kernel_(state, end, padded_blocks<Hash>(rest.size()));

  std::uint8_t* const outer = room_.outer.data();
  for (std::size_t i = 0; i < kHashWords; ++i) {
    put_hash_word<Hash>(outer, i, state[i]);
  }
  std::memcpy(outer + Hash::kHashSize, kOuterEnd.data(), kOuterEnd.size());
  std::memcpy(state, job.key->outer(), sizeof(room_.state));
  kernel_(state, outer, 1);
  for (std::size_t i = 0; i < kHashWords; ++i) {
    put_hash_word<Hash>(job.out.data(), i, state[i]);
  }
  // Padding is no secret.
  wipe({reinterpret_cast<std::uint8_t*>(&room_), offsetof(Room, end) + rest.size()});
  x86::forget_stack<kStackLeft>();
}

}  // namespace usher::crypto
