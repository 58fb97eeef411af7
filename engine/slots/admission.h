// How many may wait for a worker: a burst is let in, a crowd that stays is not.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "engine/limits.h"

namespace usher {

// Admission bounds how long what is let in has to wait, and tells the others at once. It counts, as
// BasicMailbox does, what was ever posted and taken; waiting is the difference.
//
// A queue may hold `burst`: many come at once and soon have their turn, and clients that wait for
// their answers before they ask again may well keep it half full. One that has been more than half
// full for kPatienceUs without a break is offered more than can be done, and what waits in it only
// gets old: from then on `crowd` may wait, about what the worker does in a turn, until for as long
// as kPatienceUs nobody had to be turned away.
//
// admits reads what the worker writes once a turn, and a refusal writes nothing.
class Admission {
 public:
  static constexpr std::int64_t kPatienceUs = 5'000;

  // Both at least 1; crowd is at most burst.
  Admission(std::uint32_t burst, std::uint32_t crowd) noexcept
      : burst_(burst),
        crowd_(std::min(crowd, burst)),
        many_(std::max(burst / 2, crowd_)),
        until_(burst) {}

  // admits says whether one more may be posted, if so many were. Threads that ask at the same time
  // may all be let in. Any thread; wait-free.
  [[nodiscard]] bool admits(std::uint64_t posted) const noexcept {
    // Relaxed: an old value turns away or lets in somebody a moment late, nothing more.
    return posted < until_.load(std::memory_order_relaxed);
  }

  // waiting is about how many wait, if so many were posted. Any thread; wait-free.
  [[nodiscard]] std::uint64_t waiting(std::uint64_t posted) const noexcept {
    const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
    return posted > taken ? posted - taken : 0;
  }

  // turn tells what there was when the worker began to take, and what it has taken by now, at a
  // time on a steady clock. The worker's thread, once a turn, and now and then without one.
  void turn(std::uint64_t posted, std::uint64_t taken, std::int64_t now_us) noexcept {
    const std::uint64_t waited = waiting(posted);
    // What has to last: in a burst that there are many, in a crowd that it is not full.
    const bool lasts = crowded_ ? waited < crowd_ : waited > many_;
    if (!lasts || since_us_ < 0) {
      since_us_ = lasts ? now_us : kNever;
    } else if (now_us - since_us_ > kPatienceUs) {
      crowded_ = !crowded_ && burst_ > crowd_;
      since_us_ = kNever;
    }
    taken_.store(taken, std::memory_order_relaxed);
    until_.store(taken + (crowded_ ? crowd_ : burst_), std::memory_order_relaxed);
  }

  // idle tells that there was nothing to take at all. The worker's thread.
  void idle() noexcept { since_us_ = crowded_ ? since_us_ : kNever; }

 private:
  static constexpr std::int64_t kNever = -1;

  const std::uint32_t burst_;
  const std::uint32_t crowd_;
  const std::uint32_t many_;
  // The worker's own.
  bool crowded_ = false;
  std::int64_t since_us_ = kNever;
  // What others read.
  alignas(kCacheLine) std::atomic<std::uint64_t> until_;
  std::atomic<std::uint64_t> taken_{0};
};

}  // namespace usher
