// HMACs side by side in the lanes of x86_kernels.h; for lanes_x86.cc alone.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <span>

#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {

inline constexpr std::size_t kTextsAtOnce = kBatchMax;  // Texts hashed at once.

// forget_stack overwrites what the kernels have left below: the compiler puts round keys and words
// of texts on the stack when it runs out of registers. How much is -fstack-usage's answer, of the
// compiler that takes most (always with -O3): of AES, SHA-1, MD5 and SHA-512 up to 904 bytes, of
// SHA-256 up to 1,736, and of the kernels of kdf_lanes.h up to 2,880.
inline constexpr std::size_t kStackOfMost = 1024;
inline constexpr std::size_t kStackOfSha256 = 2048;
inline constexpr std::size_t kStackOfKdf = 4096;
template <std::size_t kSize>
[[gnu::noinline]] inline void forget_stack() noexcept {
  std::array<std::uint8_t, kSize> room;
  wipe(room);
}

// Way is a kernel, how many lanes it has, and how many must be in use: it takes as long for one as
// for all.
template <class Lanes>
struct Way {
  x86::HashKernel<Lanes>* kernel;
  std::size_t lanes;
  std::size_t worth;
};

// each_share gives `count` things to the ways that are best for so many: `run` is called with a
// way, the number of its first one, and how many it has.
template <class Way, class Run>
void each_share(std::span<const Way> ways, std::size_t count, Run run) noexcept {
  std::size_t first = 0;
  for (const Way& way : ways) {
    const std::size_t over = (count - first) % way.lanes;
    const std::size_t some = count - first - (over >= way.worth ? 0 : over);
    if (some > 0) {
      run(way, first, some);
      first += some;
    }
  }
  assert(first == count);
}

// put_size writes the number of bits of a text behind a padded key, to the end of its last block
// (FIPS 180-4 5.1, RFC 1321 3.2). The number has twice as many bits as a word.
template <class Hash>
constexpr void put_size(std::uint8_t* block_end, std::size_t size) noexcept {
  constexpr std::size_t kNumberSize = 2 * sizeof(typename Hash::Lanes::Word);
  const std::uint64_t bits = 8 * (Hash::Lanes::kBlockSize + size);
  const auto octets = std::bit_cast<std::array<std::uint8_t, sizeof(bits)>>(
      Hash::kBigEndian ? __builtin_bswap64(bits) : bits);
  std::fill(block_end - kNumberSize, block_end - octets.size(), std::uint8_t{0});
  std::copy(octets.begin(), octets.end(), block_end - octets.size());
}

// outer_end is what follows the hash in an outer hash's block.
template <class Hash>
constexpr auto outer_end() noexcept {
  std::array<std::uint8_t, Hash::Lanes::kBlockSize - Hash::kHashSize> end{0x80};
  put_size<Hash>(end.data() + end.size(), Hash::kHashSize);
  return end;
}

// HmacLanes makes many HMACs side by side (RFC 2104). Hash is which: its lanes, its ways, where it
// starts, how many bytes of the last state it is, and the order of its words' bytes.
template <class Hash>
class HmacLanes {
 public:
  explicit HmacLanes(std::span<const Way<typename Hash::Lanes>> ways) noexcept : ways_(ways) {}

  // prepare and run take up to kTextsAtOnce at once, and leave nothing of them here.
  void prepare(std::span<HmacKey* const> keys) noexcept;
  void run(std::span<const HmacJob> jobs) noexcept;

 private:
  using Lanes = typename Hash::Lanes;
  using State = std::array<typename Lanes::Word, Lanes::kWords>;
  static constexpr std::size_t kBlockSize = Lanes::kBlockSize;
  static constexpr std::size_t kNumberSize = 2 * sizeof(typename Lanes::Word);  // Of the bits.
  static constexpr auto kOuterEnd = outer_end<Hash>();
  static_assert(sizeof(State) <= sizeof(HmacKey::State) && Hash::kHashSize <= sizeof(State));

  // Seat is one text's: its end, with padding, and its outer hash's block. Of a key, both pads.
  struct Seat {
    // In front of the end there is room for what comes with it when it is copied.
    std::array<std::uint8_t, 3 * kBlockSize> octets;
    std::uint32_t tail_blocks;
    bool in_tail;

    [[nodiscard]] std::uint8_t* outer() noexcept { return octets.data(); }
    [[nodiscard]] std::uint8_t* tail() noexcept { return octets.data() + kBlockSize; }
  };

  void write_state(std::size_t lane, const std::uint8_t* words) noexcept {
    State state;
    std::memcpy(state.data(), words, sizeof(state));
    for (std::size_t i = 0; i < state.size(); ++i) {
      lanes_.state[i][lane] = state[i];
    }
  }
  [[nodiscard]] State state_of(std::size_t lane) const noexcept {
    State state;
    for (std::size_t i = 0; i < state.size(); ++i) {
      state[i] = lanes_.state[i][lane];
    }
    return state;
  }
  static std::uint32_t reversed(std::uint32_t word) noexcept { return __builtin_bswap32(word); }
  static std::uint64_t reversed(std::uint64_t word) noexcept { return __builtin_bswap64(word); }
  void write_hash(std::size_t lane, std::uint8_t* out) const noexcept {
    State state = state_of(lane);
    if constexpr (Hash::kBigEndian) {
      for (auto& word : state) {
        word = reversed(word);
      }
    }
    std::memcpy(out, state.data(), Hash::kHashSize);
  }

  void begin(std::size_t lane, const HmacJob& job, Seat& seat) noexcept;
  void step(std::size_t lane_count, x86::HashKernel<Lanes>* kernel, std::size_t idle) noexcept;
  void hash_inner(const Way<Lanes>& way, std::span<const HmacJob> jobs, Seat* seats) noexcept;
  void hash_outer(const Way<Lanes>& way, std::span<const HmacJob> jobs, Seat* seats) noexcept;
  void forget(std::size_t count) noexcept {
    wipe({reinterpret_cast<std::uint8_t*>(seats_.data()), count * sizeof(Seat)});
    wipe({reinterpret_cast<std::uint8_t*>(&lanes_), sizeof(lanes_)});
    forget_stack<Hash::kHashSize == 32 ? kStackOfSha256 : kStackOfMost>();
  }

  // What a lane without a text has left: more than any other.
  static constexpr std::uint32_t kIdle = 1u << 31;

  const std::span<const Way<Lanes>> ways_;
  Lanes lanes_{};
  std::array<std::uint32_t, Lanes::kLanesMax> left_{};  // Blocks.
  std::array<Seat*, Lanes::kLanesMax> sitting_{};
  std::array<Seat, kTextsAtOnce> seats_;
};

template <class Hash>
void HmacLanes<Hash>::prepare(std::span<HmacKey* const> keys) noexcept {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::uint8_t* const pads = seats_[i].tail();
    pad_key<kBlockSize>(keys[i]->key(), pads, pads + kBlockSize);
  }
  // Two lanes for each key.
  each_share(ways_, 2 * keys.size(),
             [&](const Way<Lanes>& way, std::size_t first, std::size_t some) {
               const std::size_t end = first + some;
               for (; first < end; first += way.lanes) {
                 for (std::size_t i = 0; i < Lanes::kWords; ++i) {
                   std::fill_n(lanes_.state[i], way.lanes, Hash::kStart[i]);
                 }
                 for (std::size_t lane = 0; lane < way.lanes; ++lane) {
                   const std::size_t at = std::min(first + lane, end - 1);
                   lanes_.text[lane] = seats_[at / 2].tail() + at % 2 * kBlockSize;
                 }
                 way.kernel(lanes_, 1);
                 const std::size_t group_end = std::min(first + way.lanes, end);
                 for (std::size_t at = first; at < group_end; ++at) {
                   const State state = state_of(at - first);
                   std::memcpy(at % 2 == 0 ? keys[at / 2]->inner() : keys[at / 2]->outer(),
                               state.data(), sizeof(state));
                 }
               }
             });
  forget(keys.size());
}

// begin puts a text into a lane.
template <class Hash>
void HmacLanes<Hash>::begin(std::size_t lane, const HmacJob& job, Seat& seat) noexcept {
  const std::size_t blocks = job.text.size() / kBlockSize;
  const Bytes rest = job.text.subspan(blocks * kBlockSize);
  //= FIPS 180-4 5.1, RFC 1321 3.1 and 3.2: a one, zeros, and the number of bits, those of the
  // padded key included
  seat.tail_blocks = rest.size() < kBlockSize - kNumberSize ? 1 : 2;
  seat.in_tail = blocks == 0;
  if (seat.in_tail) {
    std::ranges::copy(rest, seat.tail());
  } else {
    // The last whole block, because a copy of a known size takes a tenth of the instructions.
    std::memcpy(seat.octets.data() + rest.size(), rest.data() + rest.size() - kBlockSize,
                kBlockSize);
  }
  std::memset(seat.tail() + rest.size(), 0, kBlockSize);  // Of two blocks, up to the number.
  seat.tail()[rest.size()] = 0x80;
  put_size<Hash>(seat.tail() + seat.tail_blocks * kBlockSize, job.text.size());
  write_state(lane, job.key->inner());
  lanes_.text[lane] = seat.in_tail ? seat.tail() : job.text.data();
  left_[lane] = static_cast<std::uint32_t>(seat.in_tail ? seat.tail_blocks : blocks);
  sitting_[lane] = &seat;
}

// step goes on to where the first lane comes to an end. What `idle` lanes take in does not matter,
// only that there is some text.
template <class Hash>
void HmacLanes<Hash>::step(std::size_t lane_count, x86::HashKernel<Lanes>* kernel,
                           std::size_t idle) noexcept {
  const auto first = std::min_element(left_.begin(), left_.begin() + lane_count);
  const std::uint32_t blocks = *first;
  if (idle > 0) {
    const std::uint8_t* const text = lanes_.text[first - left_.begin()];
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      if (left_[lane] == kIdle) {
        lanes_.text[lane] = text;
        left_[lane] += blocks;
      }
    }
  }
  kernel(lanes_, blocks);
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    left_[lane] -= blocks;
  }
}

// hash_inner leaves the inner hashes where the outer ones begin. Where a text ends, the next takes
// its lane.
template <class Hash>
void HmacLanes<Hash>::hash_inner(const Way<Lanes>& way, std::span<const HmacJob> jobs,
                                 Seat* seats) noexcept {
  std::size_t next = 0;
  std::size_t idle = 0;
  const auto go_on = [&](std::size_t lane) {
    if (next < jobs.size()) {
      begin(lane, jobs[next], seats[next]);
      ++next;
    } else {
      left_[lane] = kIdle;
      ++idle;
    }
  };
  for (std::size_t lane = 0; lane < way.lanes; ++lane) {
    go_on(lane);
  }
  while (idle < way.lanes) {
    step(way.lanes, way.kernel, idle);
    for (std::size_t lane = 0; lane < way.lanes; ++lane) {
      if (left_[lane] != 0) {
        continue;
      }
      Seat& seat = *sitting_[lane];
      if (!seat.in_tail) {
        seat.in_tail = true;
        lanes_.text[lane] = seat.tail();
        left_[lane] = static_cast<std::uint32_t>(seat.tail_blocks);
        continue;
      }
      write_hash(lane, seat.outer());
      std::memcpy(seat.outer() + Hash::kHashSize, kOuterEnd.data(), kOuterEnd.size());
      go_on(lane);
    }
  }
}

template <class Hash>
void HmacLanes<Hash>::hash_outer(const Way<Lanes>& way, std::span<const HmacJob> jobs,
                                 Seat* seats) noexcept {
  while (!jobs.empty()) {
    const std::size_t some = std::min(jobs.size(), way.lanes);
    for (std::size_t lane = 0; lane < way.lanes; ++lane) {
      const std::size_t at = std::min(lane, some - 1);
      write_state(lane, jobs[at].key->outer());
      lanes_.text[lane] = seats[at].outer();
    }
    way.kernel(lanes_, 1);
    for (std::size_t lane = 0; lane < some; ++lane) {
      write_hash(lane, jobs[lane].out.data());
    }
    jobs = jobs.subspan(some);
    seats += some;
  }
}

template <class Hash>
void HmacLanes<Hash>::run(std::span<const HmacJob> jobs) noexcept {
  each_share(ways_, jobs.size(), [&](const Way<Lanes>& way, std::size_t first, std::size_t some) {
    hash_inner(way, jobs.subspan(first, some), &seats_[first]);
    hash_outer(way, jobs.subspan(first, some), &seats_[first]);
  });
  forget(jobs.size());
}

}  // namespace usher::crypto
