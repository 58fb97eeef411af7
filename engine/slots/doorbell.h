// Whether the one who empties a mailbox sleeps, so that posting costs a wake-up only then.
#pragma once

#include <atomic>
#include <cstdint>

namespace usher {

// BasicDoorbell is one word between many who post and one who takes:
//
//   a poster:  post; if (bell.ring()) wake the sleeper;
//   the taker: bell.lie_down(); if (nothing to take) sleep until woken; bell.get_up(); look again
//
// The race is that of two store buffers: the poster writes a cell and reads the word, the taker
// writes the word and reads the cells, and if both reads came before both writes are visible, the
// taker would sleep beside a value. Therefore all three are a read-modify-write of the same word,
// which has one order. If lie_down is earlier, ring reads "asleep" and wakes, or is behind a ring
// that does, and the taker looks after get_up. If lie_down or get_up is later, it acquires the post
// before that ring: it reads what ring has written, or what a read-modify-write behind it has,
// which carries on what was released. A plain store in get_up would end that.
//
// ring comes after the end of every post: a take may be refused because of an earlier post that has
// not finished (mailbox.h). `Atomic` is std::atomic, or what tests/interleave.h substitutes.
template <template <class> class Atomic>
class BasicDoorbell {
 public:
  // ring says whether the caller has to wake the taker: true once for each time it lay down. Any
  // thread; wait-free.
  [[nodiscard]] bool ring() noexcept {
    return word_.exchange(kAwake, std::memory_order_acq_rel) == kAsleep;
  }

  // lie_down and get_up are the taker's. After lie_down it looks once more before it sleeps. A
  // wake-up may still come after get_up; it is then one too many.
  void lie_down() noexcept { word_.exchange(kAsleep, std::memory_order_acq_rel); }
  void get_up() noexcept { word_.exchange(kAwake, std::memory_order_acq_rel); }

 private:
  static constexpr std::uint32_t kAwake = 0;
  static constexpr std::uint32_t kAsleep = 1;

  Atomic<std::uint32_t> word_{kAwake};
};

using Doorbell = BasicDoorbell<std::atomic>;

}  // namespace usher
