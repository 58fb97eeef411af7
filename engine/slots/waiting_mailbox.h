// A mailbox whose takers sleep until there is something to take; posting still never waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "engine/limits.h"
#include "engine/slots/mailbox.h"

namespace usher {

// BasicWaitingMailbox is a BasicMailbox and a count of wake-ups, on which takers sleep. `Atomic` is
// std::atomic, or what tests/interleave.h substitutes.
template <class Value, template <class> class Atomic>
class BasicWaitingMailbox {
 public:
  using Cell = typename BasicMailbox<Value, Atomic>::Cell;

  // As BasicMailbox.
  explicit BasicWaitingMailbox(std::span<Cell> cells) noexcept : mailbox_(cells) {}

  // post adds a value and wakes who sleeps; false if the mailbox is full. Any thread; never waits.
  [[nodiscard]] bool post(const Value& value) noexcept;

  // wait_and_take removes the oldest value, and sleeps until there is one. False: stop was called,
  // whether there is one or not. Any thread.
  [[nodiscard]] bool wait_and_take(Value& value) noexcept;

  // take removes the oldest value if there is one, as BasicMailbox's. Any thread; never waits.
  [[nodiscard]] bool take(Value& value) noexcept { return mailbox_.take(value); }

  // stop ends every wait_and_take there is and will be. Any thread; never waits.
  void stop() noexcept;

 private:
  void wake() noexcept;

  BasicMailbox<Value, Atomic> mailbox_;
  // It comes round to the same number only if somebody sleeps through 2^32 wake-ups.
  alignas(kCacheLine) Atomic<std::uint32_t> wakes_{0};
  Atomic<bool> stopped_{false};
};

template <class Value>
using WaitingMailbox = BasicWaitingMailbox<Value, std::atomic>;

// Implementation.

template <class Value, template <class> class Atomic>
bool BasicWaitingMailbox<Value, Atomic>::post(const Value& value) noexcept {
  if (!mailbox_.post(value)) {
    return false;
  }
  wake();
  return true;
}

template <class Value, template <class> class Atomic>
bool BasicWaitingMailbox<Value, Atomic>::wait_and_take(Value& value) noexcept {
  while (true) {
    // Read before looking: what is posted after the look has changed it, and wait returns at once.
    // Acquired from wake: whoever sees the number sees what the wake-up is about.
    const std::uint32_t seen = wakes_.load(std::memory_order_acquire);
    if (stopped_.load(std::memory_order_relaxed)) {
      return false;
    }
    if (mailbox_.take(value)) {
      return true;
    }
    wakes_.wait(seen, std::memory_order_relaxed);
  }
}

template <class Value, template <class> class Atomic>
void BasicWaitingMailbox<Value, Atomic>::stop() noexcept {
  stopped_.store(true, std::memory_order_relaxed);  // wake publishes it.
  wake();
}

template <class Value, template <class> class Atomic>
void BasicWaitingMailbox<Value, Atomic>::wake() noexcept {
  wakes_.fetch_add(1, std::memory_order_release);
  // All, not one: if a later post has finished first, nothing could be taken at its wake-up, and
  // this one is for two values.
  wakes_.notify_all();
}

}  // namespace usher
