// HMACs side by side in the lanes of x86_kernels.h; for lanes_x86.cc alone.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <span>
#include <utility>

#include "engine/crypto/hmac_alone.h"
#include "engine/crypto/hmac_parts.h"
#include "engine/crypto/known_ends.h"
#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {

inline constexpr std::size_t kTextsAtOnce = kBatchMax;  // Texts hashed at once.

// Way is a kernel for each input, how many lanes they have, a power of two, and how many must be in
// use, at least two: they take as long for one as for all. There may be one for outer hashes.
template <class Lanes>
struct Way {
  x86::HashKernel<Lanes>* kernel;
  x86::WordsKernel<Lanes>* words_kernel;
  x86::KeysKernel<Lanes>* keys_kernel;
  std::size_t lanes;
  std::size_t worth;
  x86::OuterKernel<Lanes>* outer_kernel = nullptr;
};

// each_share gives `count` things to the ways that are best for so many: `run` is called with a
// way, the number of its first one, and how many it has. What is left is not worth a way: from the
// number that is returned on.
template <class Way, class Run>
[[nodiscard]] std::size_t each_share(std::span<const Way> ways, std::size_t count,
                                     Run run) noexcept {
  std::size_t first = 0;
  for (const Way& way : ways) {
    const std::size_t over = (count - first) & (way.lanes - 1);
    const std::size_t some = count - first - (over >= way.worth ? 0 : over);
    if (some > 0) {
      run(way, first, some);
      first += some;
    }
  }
  return first;
}

// HmacLanes makes many HMACs side by side (RFC 2104). Hash is which: its lanes, its ways, where it
// starts, how many bytes of the last state it is, and the order of its words' bytes.
template <class Hash>
class HmacLanes {
 public:
  HmacLanes(std::span<const Way<typename Hash::Lanes>> ways,
            x86::AloneKernel<typename Hash::Lanes::Word>* alone) noexcept
      : ways_(ways), alone_(alone) {
    for (OuterTexts& texts : outer_) {
      for (std::size_t i = 0; i < kOuterEnd.size(); ++i) {
        std::ranges::fill(texts[kHashWords + i], kOuterEnd[i]);
      }
    }
  }

  // prepare and run take up to kTextsAtOnce at once, and leave nothing of them here.
  void prepare(std::span<HmacKey* const> keys) noexcept;
  void run(std::span<const HmacJob> jobs) noexcept;

 private:
  using Lanes = typename Hash::Lanes;
  using Word = typename Lanes::Word;
  static constexpr std::size_t kBlockSize = Lanes::kBlockSize;
  static constexpr std::size_t kHashWords = Hash::kHashSize / sizeof(Word);
  static constexpr auto kOuterEnd = outer_end_words<Hash>();
  static_assert(Lanes::kWords * sizeof(Word) <= sizeof(HmacKey::State));
  static_assert(x86::kKeyOctets == kKeySizeMax);

  // A seat is a lane's, for the end of its text with padding. What comes with that when it is
  // copied goes in front of it.
  static constexpr std::size_t kSeatSize = 3 * kBlockSize;
  [[nodiscard]] std::uint8_t* end_of(std::size_t lane) noexcept {
    return octets_.data() + lane * kSeatSize + kBlockSize;
  }

  // The blocks of the outer hashes lie there as words. What follows the hash never changes.
  using OuterTexts = x86::BlockWords<Lanes>;
  static constexpr std::size_t kColumns = Lanes::kLanesMax;

  // Sitting is what a lane is at: how many blocks it has left, of a text or of its end, how many
  // the end has that is still to come, and the text's number, if it has one.
  struct Sitting {
    std::uint32_t left = 0;
    std::uint32_t end_left = 0;
    std::size_t number = kNobody;
  };
  static constexpr std::size_t kNobody = kTextsAtOnce;

  void write_state(std::size_t lane, const std::uint8_t* words) noexcept {
    for (std::size_t i = 0; i < Lanes::kWords; ++i) {
      std::memcpy(&lanes_.state[i][lane], words + i * sizeof(Word), sizeof(Word));
    }
  }
  void read_state(std::size_t lane, std::uint8_t* words) const noexcept {
    for (std::size_t i = 0; i < Lanes::kWords; ++i) {
      std::memcpy(words + i * sizeof(Word), &lanes_.state[i][lane], sizeof(Word));
    }
  }
  void write_hash(std::size_t lane, std::uint8_t* out) const noexcept {
    for (std::size_t i = 0; i < kHashWords; ++i) {
      put_hash_word<Hash>(out, i, lanes_.state[i][lane]);
    }
  }

  void start(const Way<Lanes>& way, std::span<HmacKey* const> keys) noexcept;
  void begin(std::size_t lane, const HmacJob& job, std::size_t number) noexcept;
  void go_to_end(std::size_t lane) noexcept;
  void end(std::size_t lane) noexcept;
  void occupy_idle(const Way<Lanes>& way, std::uint32_t blocks) noexcept;
  void hash_inner(const Way<Lanes>& way, std::span<const HmacJob> jobs, std::size_t first) noexcept;
  void hash_outer(const Way<Lanes>& way, std::span<const HmacJob> jobs, std::size_t first) noexcept;
  void hash_outer_some(const Way<Lanes>& way, std::span<const HmacJob> jobs,
                       std::size_t first) noexcept;
  // forget wipes what is secret of the first `count` texts.
  void forget(std::size_t count) noexcept {
    wipe(std::span(octets_).first(std::min(count, kColumns) * kSeatSize));
    for (std::size_t first = 0; first < count; first += kColumns) {
      wipe_words(outer_[first / kColumns][0], kHashWords * kColumns);
    }
    forget_lanes();
  }
  void forget_lanes() noexcept {
    wipe_words(lanes_.state[0], Lanes::kWords * kColumns);
    // Of kernels of words and of keys, which take more, and of OpenSSL's SHA-384.
    x86::forget_stack<Hash::kHashSize >= 32 ? x86::kDeepestStack : x86::kDeepStack>();
  }
  static void wipe_words(Word* words, std::size_t count) noexcept {
    wipe({reinterpret_cast<std::uint8_t*>(words), count * sizeof(Word)});
  }

  // What a lane without a text has left: more than all the others together.
  static constexpr std::uint32_t kIdle = 1u << 31;

  const std::span<const Way<Lanes>> ways_;
  HmacAlone<Hash> alone_;
  Lanes lanes_{};
  Sitting sitting_[Lanes::kLanesMax]{};
  OuterTexts outer_[kTextsAtOnce / kColumns]{};
  std::array<std::uint8_t, kColumns * kSeatSize> octets_;
};

// start makes the states of as many keys as fit into the lanes, two lanes for each.
template <class Hash>
void HmacLanes<Hash>::start(const Way<Lanes>& way, std::span<HmacKey* const> keys) noexcept {
  for (std::size_t i = 0; i < Lanes::kWords; ++i) {
    std::ranges::fill(lanes_.state[i], Hash::kStart[i]);
  }
  for (std::size_t lane = 0; lane < 2 * keys.size(); ++lane) {
    lanes_.text[lane] = keys[lane / 2]->key().data();
  }
  for (std::size_t lane = 2 * keys.size(); lane < way.lanes; ++lane) {
    lanes_.text[lane] = lanes_.text[0];  // What these make does not matter.
  }
  way.keys_kernel(lanes_);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    read_state(2 * i, keys[i]->inner());
    read_state(2 * i + 1, keys[i]->outer());
  }
}

template <class Hash>
void HmacLanes<Hash>::prepare(std::span<HmacKey* const> keys) noexcept {
  const std::size_t lanes_used = each_share(
      ways_, 2 * keys.size(), [&](const Way<Lanes>& way, std::size_t first, std::size_t some) {
        for (const std::size_t end = first + some; first < end; first += way.lanes) {
          const std::size_t count = std::min(way.lanes, end - first) / 2;
          start(way, keys.subspan(first / 2, count));
        }
      });
  for (HmacKey* const key : keys.subspan(lanes_used / 2)) {
    key->prepare(Hash::kDigest);
  }
  forget_lanes();
}

// begin puts a text into a lane.
template <class Hash>
void HmacLanes<Hash>::begin(std::size_t lane, const HmacJob& job, std::size_t number) noexcept {
  const std::uint8_t* const text = job.text.data();
  const std::size_t size = job.text.size();
  const std::size_t blocks = size / kBlockSize;
  const std::size_t rest = size % kBlockSize;
  std::uint8_t* const end = end_of(lane);
  if (blocks == 0) {
    copy(job.text, {end, kBlockSize});
  } else {
    // The last whole block, because a copy of a known size takes a tenth of the instructions.
    std::memcpy(end + rest - kBlockSize, text + size - kBlockSize, kBlockSize);
  }
  pad<Hash>(end, rest, size);
  write_state(lane, job.key->inner());
  sitting_[lane] = {.left = static_cast<std::uint32_t>(blocks),
                    .end_left = static_cast<std::uint32_t>(padded_blocks<Hash>(rest)),
                    .number = number};
  lanes_.text[lane] = text;
  if (blocks == 0) {
    go_to_end(lane);
  }
}

// go_to_end goes on with a text's end.
template <class Hash>
void HmacLanes<Hash>::go_to_end(std::size_t lane) noexcept {
  Sitting& sitting = sitting_[lane];
  lanes_.text[lane] = end_of(lane);
  sitting.left = std::exchange(sitting.end_left, 0);
}

// end puts a text's inner hash where its outer one begins.
template <class Hash>
void HmacLanes<Hash>::end(std::size_t lane) noexcept {
  const std::size_t number = sitting_[lane].number;
  for (std::size_t i = 0; i < kHashWords; ++i) {
    outer_[number / kColumns][i][number % kColumns] = lanes_.state[i][lane];
  }
}

// occupy_idle gives idle lanes a text that `blocks` blocks can be taken from. What they make of it
// does not matter.
template <class Hash>
void HmacLanes<Hash>::occupy_idle(const Way<Lanes>& way, std::uint32_t blocks) noexcept {
  std::size_t first = 0;
  while (sitting_[first].left != blocks) {
    ++first;
  }
  for (std::size_t lane = 0; lane < way.lanes; ++lane) {
    if (sitting_[lane].number == kNobody) {
      lanes_.text[lane] = lanes_.text[first];
    }
  }
}

// hash_inner makes the inner hashes. Where a text ends, the next takes its lane.
template <class Hash>
void HmacLanes<Hash>::hash_inner(const Way<Lanes>& way, std::span<const HmacJob> jobs,
                                 std::size_t first) noexcept {
  auto next = jobs.begin();
  std::size_t idle = 0;
  const auto go_on = [&](std::size_t lane) {
    Sitting& sitting = sitting_[lane];
    if (sitting.end_left != 0) {
      return go_to_end(lane);
    }
    if (sitting.number != kNobody) {
      end(lane);
    }
    if (next != jobs.end()) {
      begin(lane, *next++, first++);
    } else {
      sitting = {.left = kIdle};
      ++idle;
    }
  };
  std::fill_n(sitting_, way.lanes, Sitting{});
  std::uint32_t taken = 0;  // Blocks, by all lanes.
  while (true) {
    std::uint32_t blocks = kIdle;  // Up to where the first lane comes to an end.
    for (std::size_t lane = 0; lane < way.lanes; ++lane) {
      sitting_[lane].left -= taken;
      if (sitting_[lane].left == 0) {
        go_on(lane);
      }
      blocks = std::min(blocks, sitting_[lane].left);
    }
    if (idle == way.lanes) {
      return;
    }
    if (idle > 0) {
      occupy_idle(way, blocks);
    }
    way.kernel(lanes_, blocks);
    taken = blocks;
  }
}

// hash_outer_some makes the outer hashes of as many texts as there are lanes.
template <class Hash>
void HmacLanes<Hash>::hash_outer_some(const Way<Lanes>& way, std::span<const HmacJob> jobs,
                                      std::size_t first) noexcept {
  // What lanes without a text make does not matter. They end where the columns do, as `first` is
  // a multiple of what wider ways took.
  assert(first % kColumns + way.lanes <= kColumns);
  const OuterTexts& texts = outer_[first / kColumns];
  if constexpr (requires { typename Hash::Numbers; }) {
    static constexpr x86::KnownEnd<Word> kEnd = text_end<Hash>();
    if (way.outer_kernel != nullptr) {
      assert(way.lanes == kColumns);
      std::uint8_t* out[kColumns];
      for (std::size_t lane = 0; lane < kColumns; ++lane) {
        lanes_.text[lane] = jobs[lane < jobs.size() ? lane : 0].key->outer();
        out[lane] = lane < jobs.size() ? jobs[lane].out.data() : nullptr;
      }
      return way.outer_kernel(lanes_, texts, kEnd, out);
    }
  }
  for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
    write_state(lane, jobs[lane].key->outer());
  }
  way.words_kernel(lanes_, texts, first % kColumns);
  for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
    write_hash(lane, jobs[lane].out.data());
  }
}

template <class Hash>
void HmacLanes<Hash>::hash_outer(const Way<Lanes>& way, std::span<const HmacJob> jobs,
                                 std::size_t first) noexcept {
  while (!jobs.empty()) {
    const std::size_t some = std::min(jobs.size(), way.lanes);
    hash_outer_some(way, jobs.first(some), first);
    jobs = jobs.subspan(some);
    first += some;
  }
}

template <class Hash>
void HmacLanes<Hash>::run(std::span<const HmacJob> jobs) noexcept {
  if (jobs.size() == 1) {
    return alone_.run(jobs[0]);
  }
  const std::size_t done = each_share(
      ways_, jobs.size(), [&](const Way<Lanes>& way, std::size_t first, std::size_t some) {
        hash_inner(way, jobs.subspan(first, some), first);
        hash_outer(way, jobs.subspan(first, some), first);
      });
  for (const HmacJob& job : jobs.subspan(done)) {
    alone_.run(job);
  }
  if (done > 0) {
    forget(done);
  }
}

}  // namespace usher::crypto
