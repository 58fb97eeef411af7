// Which hashes were offered before, and not long ago: bounded, shared by all threads, lock-free.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/limits.h"

namespace usher {

// BasicSeenFilter remembers 8 hashes of each group of clients: none is forgotten for an older one,
// but of one second's any may be for another. And it takes one for another that has the same upper
// 40 bits: what rests on it is only who may come in, not what is true. Groups do not share places,
// so a client that offers much makes the filter forget its own, and those of the few that a keyed
// hash has put into its group. `Atomic` is std::atomic, or what tests/interleave.h substitutes.
template <template <class> class Atomic>
class BasicSeenFilter {
 public:
  static constexpr std::size_t kPlaces = 8;
  static constexpr std::int64_t kAgainSecondsMax = 1 << 23;
  // A place is the upper bits of a hash and the low bits of a second.
  struct Group {
    alignas(kCacheLine) std::array<Atomic<std::uint64_t>, kPlaces> places{};
  };

  // `groups` is borrowed for the filter's life, new, and a power of two. A hash is remembered for
  // `again_within_s`, at most kAgainSecondsMax.
  BasicSeenFilter(std::span<Group> groups, std::int64_t again_within_s) noexcept
      : groups_(groups), again_within_s_(static_cast<std::uint64_t>(again_within_s)) {
    assert(std::has_single_bit(groups.size()));
    assert(again_within_s >= 0 && again_within_s <= kAgainSecondsMax);
  }

  // is_again says whether `hash` is remembered for the client, and sees to it that it is from now
  // on. Both hashes are keyed, so that nobody can aim at a place. Any thread; lock-free.
  [[nodiscard]] bool is_again(std::uint64_t hash, std::uint64_t client,
                              std::int64_t now_s) noexcept;

  // prefetch begins to fetch the memory that is_again will read.
  void prefetch(std::uint64_t client) const noexcept { __builtin_prefetch(&group_of(client), 1); }

 private:
  static constexpr std::uint64_t kSecondMask = 0xffffff;

  [[nodiscard]] Group& group_of(std::uint64_t client) const noexcept {
    return groups_[static_cast<std::size_t>(client) & (groups_.size() - 1)];
  }

  std::span<Group> groups_;
  std::uint64_t again_within_s_;
};

// Implementation.
//
// Every access is relaxed. A place publishes nothing but itself; of two threads that write to one,
// one is remembered.

template <template <class> class Atomic>
bool BasicSeenFilter<Atomic>::is_again(std::uint64_t hash, std::uint64_t client,
                                       std::int64_t now_s) noexcept {
  const std::uint64_t offered =
      (hash & ~kSecondMask) | (static_cast<std::uint64_t>(now_s) & kSecondMask);
  Group& group = group_of(client);
  Atomic<std::uint64_t>* oldest = &group.places[0];
  std::uint64_t oldest_age_s = 0;
#pragma GCC unroll 8
  for (Atomic<std::uint64_t>& place : group.places) {
    const std::uint64_t seen = place.load(std::memory_order_relaxed);
    // Seconds are compared on their circle: those of a clock that was set back seem very old. An
    // unused place is one of second 0, and of a hash that is as good as never had.
    const std::uint64_t age_s = (offered - seen) & kSecondMask;
    if (((seen ^ offered) & ~kSecondMask) == 0 && age_s <= again_within_s_) {
      return true;
    }
    if (age_s > oldest_age_s) {
      oldest = &place;
      oldest_age_s = age_s;
    }
  }
  oldest->store(offered, std::memory_order_relaxed);
  return false;
}

}  // namespace usher
