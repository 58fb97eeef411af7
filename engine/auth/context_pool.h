// The contexts of one engine: a slot each, bound to a token by handle.
#pragma once

#include <cstdint>
#include <span>

#include "engine/auth/context.h"
#include "engine/clock.h"
#include "engine/slots/pinned.h"
#include "engine/slots/slot_pool.h"
#include "engine/status.h"

namespace usher::auth {

// ContextPool joins slots to contexts and gives half-open ones a deadline. All calls: any thread,
// lock-free, no allocation.
class ContextPool {
 public:
  // Slots and contexts are borrowed for the pool's life and equally many. So is `pages`, which
  // contexts keep PACs and delegated credentials in; without it none are kept.
  ContextPool(std::span<SlotPool::Slot> slots, std::span<Context> contexts,
              std::int64_t half_open_s, PageStore* pages = nullptr) noexcept;

  [[nodiscard]] PageStore* pages() const noexcept { return pages_; }

  // open takes a free slot for a first token. If there is none, expired half-open contexts are
  // freed first, at most once a second; then kNoFreeSlot.
  [[nodiscard]] Pinned<Context> open(std::int64_t steady_us, Status& status) noexcept;

  // pin takes the context of `handle`: kStaleHandle if there is none, kContextBusy if another
  // thread has it.
  [[nodiscard]] Pinned<Context> pin(ContextHandle handle, Status& status) noexcept;

  // pin_patiently is pin for who only looks, sends, receives or ends: an established context is had
  // by others for moments, and they are waited for, up to about a second. One that is being
  // accepted is refused at once. May make system calls.
  [[nodiscard]] Pinned<Context> pin_patiently(ContextHandle handle, Status& status) noexcept;

  // is_live says whether `handle` named a context a moment ago, pinned or not.
  [[nodiscard]] bool is_live(ContextHandle handle) const noexcept { return slots_.is_live(handle); }

  // keep copies `parts` into pages for a pinned context, after freeing expired half-open contexts
  // if there are too few; false if there still are.
  [[nodiscard]] bool keep(std::span<const Bytes> parts, Kept& out, std::int64_t steady_us) noexcept;

  // prolong gives a pinned half-open context at least `more_s` seconds more.
  void prolong(const Pinned<Context>& context, std::int64_t steady_us,
               std::int64_t more_s) noexcept;

  // establish lifts the deadline of a pinned context: from now on only release ends it.
  void establish(const Pinned<Context>& context) noexcept;

  // sweep frees every half-open context whose deadline has passed and returns how many.
  std::uint32_t sweep(std::int64_t steady_us) noexcept;

  // capacity is how many there can be: a handle's index is below it.
  [[nodiscard]] std::uint32_t capacity() const noexcept { return slots_.capacity(); }

  // live walks over all slots and counts the contexts in use; exact when nobody else is calling.
  [[nodiscard]] std::uint32_t live() const noexcept { return slots_.used_count(); }

  // release ends a pinned context: wiped, its pages given back, handle stale, slot free.
  void release(Pinned<Context>& context) noexcept;

 private:
  // sweep_now_and_then sweeps, but once a second at most; whether it has freed any. Looking costs a
  // walk over all slots, and a flood must not buy one with each token.
  bool sweep_now_and_then(std::int64_t steady_us) noexcept;

  SlotPool slots_;
  std::span<Context> contexts_;
  std::int64_t half_open_s_;
  PageStore* pages_;
  std::atomic<std::uint32_t> swept_s_{0};
};

}  // namespace usher::auth
