// How often a SeenCache helped: counted by each thread for itself, read by anybody.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/limits.h"
#include "engine/slots/seen_cache.h"

namespace usher {

struct SeenCounts {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t admitted = 0;  // Offers that were copied; those that replaced something included.
  std::uint64_t evicted = 0;   // Entries that had to go for one of these.
  std::uint64_t declined = 0;  // All other offers.
  std::uint64_t no_room = 0;   // Of these, for want of a place.

  SeenCounts& operator+=(const SeenCounts& more) noexcept {
    hits += more.hits;
    misses += more.misses;
    admitted += more.admitted;
    evicted += more.evicted;
    declined += more.declined;
    no_room += more.no_room;
    return *this;
  }
  SeenCounts& operator-=(const SeenCounts& less) noexcept {
    hits -= less.hits;
    misses -= less.misses;
    admitted -= less.admitted;
    evicted -= less.evicted;
    declined -= less.declined;
    no_room -= less.no_room;
    return *this;
  }
  friend bool operator==(const SeenCounts&, const SeenCounts&) = default;
};

// SeenCounter belongs to one thread (a desk), on a line of its own: the cache itself counts
// nothing, because a counter that all threads write to would cost a hit more than its pin does.
class alignas(kCacheLine) SeenCounter {
 public:
  // count_find and count_offer: the owning thread only.
  void count_find(bool is_hit) noexcept { add(is_hit ? hits_ : misses_); }
  void count_offer(Offered offered) noexcept {
    const bool replaced = offered == Offered::kReplaced;
    add(replaced || offered == Offered::kAdmitted ? admitted_ : declined_);
    if (replaced) {
      add(evicted_);
    }
    if (offered == Offered::kNoRoom) {
      add(no_room_);
    }
  }

  // counts: any thread; the numbers need not be of one moment.
  [[nodiscard]] SeenCounts counts() const noexcept {
    return {.hits = hits_.load(std::memory_order_relaxed),
            .misses = misses_.load(std::memory_order_relaxed),
            .admitted = admitted_.load(std::memory_order_relaxed),
            .evicted = evicted_.load(std::memory_order_relaxed),
            .declined = declined_.load(std::memory_order_relaxed),
            .no_room = no_room_.load(std::memory_order_relaxed)};
  }

 private:
  // Relaxed: they order nothing. One writer, so a load and a store are enough.
  static void add(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::atomic<std::uint64_t> admitted_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<std::uint64_t> declined_{0};
  std::atomic<std::uint64_t> no_room_{0};
};

}  // namespace usher
