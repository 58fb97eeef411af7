// A fixed set of context slots shared by all threads, without locks and without allocation.
#pragma once

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/limits.h"

namespace usher {

enum class SlotIndex : std::uint32_t { kNone = 0xffffffff };

// ContextHandle names one use of one slot. Generation 0 is never issued, so a default handle
// matches nothing, and a handle that outlives its context never matches the slot's next tenant.
struct ContextHandle {
  SlotIndex index = SlotIndex::kNone;
  std::uint32_t generation = 0;

  // False: a default handle, which stands for none. Instead of an std::optional, which GCC passes
  // on by way of memory, and waits for it.
  explicit operator bool() const noexcept { return generation != 0; }
  friend bool operator==(const ContextHandle&, const ContextHandle&) = default;
};
static_assert(sizeof(ContextHandle) == 8);

// BasicSlotPool hands out indices; whoever holds a PinnedSlot owns the memory at that index.
//
//   free --acquire--> pinned --unpin--> idle --pin--> pinned --release--> free (generation + 1)
//
// pin is one compare-and-swap on the slot's own word, which holds generation and state together: a
// stale handle, a double delete and two threads sharing one context are all refused by the same
// instruction. While a slot is pinned nobody but the holder changes its word, so unpin and release
// are a plain store. `Atomic` is std::atomic; tests/interleave.h substitutes one that lets a test
// choose the order of every load, store and exchange.
template <template <class> class Atomic>
class BasicSlotPool {
 public:
  static constexpr std::uint32_t kCapacityMax = (1u << 24) - 1;

  // Slot is the pool's own bookkeeping; the context it stands for lives in a parallel array.
  struct Slot {
    Atomic<std::uint64_t> word{0};  // generation << 2 | state
    Atomic<std::uint32_t> next{0};  // Free-list link; meaningful only while free.
    // Steady clock, seconds; 0 for never. Only a hint that pinning the slot is worth while.
    Atomic<std::uint32_t> deadline_s{0};
  };

  // The pool borrows `slots` for its whole life; they come from the startup arena.
  explicit BasicSlotPool(std::span<Slot> slots) noexcept;
  BasicSlotPool(const BasicSlotPool&) = delete;
  BasicSlotPool& operator=(const BasicSlotPool&) = delete;

  // acquire takes a free slot, pinned for the calling thread; {} when all are in use. Any thread;
  // lock-free.
  [[nodiscard]] ContextHandle acquire() noexcept;

  // pin gives the calling thread exclusive use of a live context; false if the handle is stale or
  // another thread has it pinned.
  [[nodiscard]] bool pin(ContextHandle handle) noexcept;

  // is_live says whether `handle` named a context, pinned or not, a moment ago: after pin has
  // refused, it tells "another thread is using it" from "stale". Any thread.
  [[nodiscard]] bool is_live(ContextHandle handle) const noexcept;

  // unpin and release end exclusive use; the context survives the first and not the second.
  // The caller must hold the pin.
  void unpin(ContextHandle handle) noexcept;
  void release(ContextHandle handle) noexcept;

  // set_deadline says until when (steady clock, seconds; 0 for ever) the context may stay idle. The
  // caller must hold the pin.
  void set_deadline(ContextHandle handle, std::uint32_t deadline_s) noexcept;

  // has_deadline says whether a context has one, as a hint: without the pin it may be old, or the
  // slot another's. Any thread.
  [[nodiscard]] bool has_deadline(ContextHandle handle) const noexcept {
    return std::uint32_t(handle.index) < capacity() &&
           slots_[std::uint32_t(handle.index)].deadline_s.load(std::memory_order_relaxed) != 0;
  }

  // pin_expired pins one idle context whose deadline is before `now_s`, looking from slot `from`
  // on, and moves `from` past it; {} if there is none up to the last slot. Any thread.
  [[nodiscard]] ContextHandle pin_expired(std::uint32_t& from, std::uint32_t now_s) noexcept;

  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return static_cast<std::uint32_t>(slots_.size());
  }

  // used_count walks over all slots and counts those in use; exact when nobody else is calling.
  [[nodiscard]] std::uint32_t used_count() const noexcept;

 private:
  enum State : std::uint64_t { kFree = 0, kIdle = 1, kPinned = 2 };

  // Head packs the index of the first free slot with a counter that makes every push and pop leave
  // a different value behind. A pop that sleeps is fooled only if exactly a multiple of 2^40
  // operations pass meanwhile: at ten million a second, thirty hours to the instruction.
  static constexpr std::uint64_t kTagUnit = 1u << 24;
  static constexpr std::uint64_t kIndexMask = kTagUnit - 1;
  static constexpr std::uint64_t kEmpty = kIndexMask;

  static constexpr std::uint64_t word(std::uint32_t generation, State state) noexcept {
    return (std::uint64_t{generation} << 2) | state;
  }
  static constexpr bool is_due(std::uint32_t deadline_s, std::uint32_t now_s) noexcept {
    return deadline_s != 0 && deadline_s < now_s;
  }
  bool give_up(ContextHandle handle, std::uint64_t to) noexcept;
  void push(std::uint32_t index) noexcept;

  std::span<Slot> slots_;
  alignas(kCacheLine) Atomic<std::uint64_t> head_;
};

using SlotPool = BasicSlotPool<std::atomic>;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// Implementation.

template <template <class> class Atomic>
BasicSlotPool<Atomic>::BasicSlotPool(std::span<Slot> slots) noexcept
    : slots_(slots), head_(kEmpty) {
  assert(!slots.empty());
  assert(slots.size() <= kCapacityMax);
  // Relaxed: whoever hands the finished pool to other threads publishes all of this.
  for (auto index = static_cast<std::uint32_t>(slots.size()); index-- > 0;) {
    slots_[index].word.store(word(1, kFree), std::memory_order_relaxed);
    slots_[index].deadline_s.store(0, std::memory_order_relaxed);
    push(index);
  }
}

template <template <class> class Atomic>
ContextHandle BasicSlotPool<Atomic>::acquire() noexcept {
  // Acquire, here and below, pairs with the release in push: it shows this thread the `next` and
  // the free word that were written before the slot was pushed.
  std::uint64_t head = head_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint64_t index = head & kIndexMask;
    if (index == kEmpty) {
      return {};
    }
    Slot& slot = slots_[index];
    // Another thread may pop this slot first and rewrite both; then the tag below has moved on and
    // what is read here is discarded. Not after the exchange: no read passes a locked instruction.
    const std::uint64_t next = slot.next.load(std::memory_order_relaxed);
    const std::uint64_t free_word = slot.word.load(std::memory_order_relaxed);
    const std::uint64_t popped = ((head & ~kIndexMask) + kTagUnit) | next;
    if (head_.compare_exchange_weak(head, popped, std::memory_order_acquire,
                                    std::memory_order_acquire)) {
      assert((free_word & 3) == kFree);
      assert(slot.deadline_s.load(std::memory_order_relaxed) == 0);
      const auto generation = static_cast<std::uint32_t>(free_word >> 2);
      // Relaxed: who reads "pinned" only goes away again; the tenant is published by unpin.
      slot.word.store(word(generation, kPinned), std::memory_order_relaxed);
      return ContextHandle{SlotIndex(static_cast<std::uint32_t>(index)), generation};
    }
  }
}

template <template <class> class Atomic>
bool BasicSlotPool<Atomic>::pin(ContextHandle handle) noexcept {
  const auto index = std::uint32_t(handle.index);
  if (index >= slots_.size()) {
    return false;  // Handles come back from callers; an out-of-range index is not our bug.
  }
  std::uint64_t expected = word(handle.generation, kIdle);
  // Acquire shows this thread what the holder before it wrote into the context. Relaxed on failure:
  // a refused caller reads nothing.
  return slots_[index].word.compare_exchange_strong(expected, word(handle.generation, kPinned),
                                                    std::memory_order_acquire,
                                                    std::memory_order_relaxed);
}

template <template <class> class Atomic>
bool BasicSlotPool<Atomic>::is_live(ContextHandle handle) const noexcept {
  const auto index = std::uint32_t(handle.index);
  if (index >= slots_.size()) {
    return false;
  }
  // Relaxed: the answer publishes nothing and may be out of date when it arrives.
  const std::uint64_t seen = slots_[index].word.load(std::memory_order_relaxed);
  return seen == word(handle.generation, kIdle) || seen == word(handle.generation, kPinned);
}

template <template <class> class Atomic>
void BasicSlotPool<Atomic>::unpin(ContextHandle handle) noexcept {
  [[maybe_unused]] const bool held = give_up(handle, word(handle.generation, kIdle));
  assert(held);
}

template <template <class> class Atomic>
void BasicSlotPool<Atomic>::release(ContextHandle handle) noexcept {
  const std::uint32_t next_generation = handle.generation + 1;
  const std::uint32_t generation = next_generation == 0 ? 1 : next_generation;
  if (give_up(handle, word(generation, kFree))) {
    // Neither live nor on the free list yet, the slot is still this thread's alone: the next tenant
    // does not inherit the deadline, and a release without the pin touches nobody's. Relaxed: push
    // publishes it.
    slots_[std::uint32_t(handle.index)].deadline_s.store(0, std::memory_order_relaxed);
    push(std::uint32_t(handle.index));
  } else {
    assert(false && "release without the pin");
  }
}

template <template <class> class Atomic>
void BasicSlotPool<Atomic>::set_deadline(ContextHandle handle, std::uint32_t deadline_s) noexcept {
  Slot& slot = slots_[std::uint32_t(handle.index)];
  assert(slot.word.load(std::memory_order_relaxed) == word(handle.generation, kPinned));
  // Relaxed: unpin publishes it to the next who pins; to pin_expired it is only a hint.
  slot.deadline_s.store(deadline_s, std::memory_order_relaxed);
}

template <template <class> class Atomic>
ContextHandle BasicSlotPool<Atomic>::pin_expired(std::uint32_t& from,
                                                 std::uint32_t now_s) noexcept {
  while (from < capacity()) {
    const std::uint32_t index = from++;
    const Slot& slot = slots_[index];
    // Relaxed, both: a guess without the pin. A deadline seen too late is seen in the next sweep.
    if (!is_due(slot.deadline_s.load(std::memory_order_relaxed), now_s)) {
      continue;
    }
    const std::uint64_t seen = slot.word.load(std::memory_order_relaxed);
    const ContextHandle handle{SlotIndex(index), static_cast<std::uint32_t>(seen >> 2)};
    if ((seen & 3) != kIdle || !pin(handle)) {
      continue;
    }
    // Meanwhile the context may have been used and put off, or the slot have got another tenant.
    // Relaxed: pin has acquired what the last holder wrote.
    if (is_due(slot.deadline_s.load(std::memory_order_relaxed), now_s)) {
      return handle;
    }
    unpin(handle);
  }
  return {};
}

// give_up ends the caller's pin; false, and nothing is changed, if it has none.
template <template <class> class Atomic>
bool BasicSlotPool<Atomic>::give_up(ContextHandle handle, std::uint64_t to) noexcept {
  const auto index = std::uint32_t(handle.index);
  // Relaxed: nobody else changes the word of a slot that this thread has pinned.
  if (index >= slots_.size() ||
      slots_[index].word.load(std::memory_order_relaxed) != word(handle.generation, kPinned)) {
    return false;
  }
  // Release publishes what this thread wrote into the context to the next who pins it.
  slots_[index].word.store(to, std::memory_order_release);
  return true;
}

template <template <class> class Atomic>
std::uint32_t BasicSlotPool<Atomic>::used_count() const noexcept {
  return static_cast<std::uint32_t>(std::ranges::count_if(slots_, [](const Slot& slot) {
    return (slot.word.load(std::memory_order_relaxed) & 3) != kFree;
  }));
}

template <template <class> class Atomic>
void BasicSlotPool<Atomic>::push(std::uint32_t index) noexcept {
  // Relaxed: `head` is only copied into `next`, never followed.
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  std::uint64_t pushed;
  do {
    slots_[index].next.store(static_cast<std::uint32_t>(head & kIndexMask),
                             std::memory_order_relaxed);
    pushed = ((head & ~kIndexMask) + kTagUnit) | index;
    // Release publishes `next`, the free word and the deadline to the acquire that pops this slot,
    // also past pops and pushes in between: each is a read-modify-write, so the release sequence
    // goes on.
  } while (!head_.compare_exchange_weak(head, pushed, std::memory_order_release,
                                        std::memory_order_relaxed));
}

}  // namespace usher
