// A few long-lived things, shared by all threads and named by handles that may go stale at any
// time.
#pragma once

#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "engine/limits.h"

namespace usher {

// TableHandle names one use of one place. Generation 0 is never issued.
struct TableHandle {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;

  friend bool operator==(const TableHandle&, const TableHandle&) = default;
};

// HandleTable owns up to kCount tenants. Unlike a context, a tenant may be held by many threads at
// once, and taking it out while some do is no error: it is destroyed by whoever lets go of it last.
//
//   free --insert--> filling --> live (+ holders) --remove--> closing (holders) --last--> free
//
// One word for each place holds generation, state and the count of holders, so that a hold is one
// compare-and-swap which a stale handle fails. All functions: any thread, lock-free; only insert
// and the destruction of a tenant touch the heap. `Atomic` is std::atomic, or what
// tests/interleave.h substitutes.
template <class T, std::size_t kCount, template <class> class Atomic = std::atomic>
class HandleTable {
 public:
  HandleTable() noexcept = default;
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  // Hold keeps a tenant alive; it must not outlive the table.
  class Hold {
   public:
    Hold() noexcept = default;  // Holds nothing.
    Hold(Hold&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), index_(other.index_) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (table_ != nullptr) {
        table_->let_go(index_);
      }
    }
    explicit operator bool() const noexcept { return table_ != nullptr; }
    T& operator*() const noexcept { return *table_->places_[index_].tenant; }
    T* operator->() const noexcept { return &**this; }

    // index is the place, nobody else's while this holds.
    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

    // let_go_unless_last ends the hold, unless the tenant would be destroyed by it: false then,
    // and the hold stays. For threads that must not wait for such a destruction.
    [[nodiscard]] bool let_go_unless_last() noexcept {
      if (table_ != nullptr && !table_->let_go_unless_last(index_)) {
        return false;
      }
      table_ = nullptr;
      return true;
    }

   private:
    friend class HandleTable;
    Hold(HandleTable* table, std::uint32_t index) noexcept : table_(table), index_(index) {}
    HandleTable* table_ = nullptr;
    std::uint32_t index_ = 0;
  };

  // insert moves `tenant` in; nothing, and `tenant` is left alone, if all places are taken.
  [[nodiscard]] std::optional<TableHandle> insert(std::unique_ptr<T>& tenant) noexcept;

  // hold takes a share in a tenant; an empty Hold if the handle is stale.
  [[nodiscard]] Hold hold(TableHandle handle) noexcept;

  // remove makes the handle stale. False if it already was.
  [[nodiscard]] bool remove(TableHandle handle) noexcept;

  // each_live calls visit(T&) for every tenant; only for who is alone with the table, as a child of
  // fork is.
  template <class Visit>
  void each_live(Visit visit) noexcept {
    for (Place& place : places_) {
      if (state_of(place.word.load(std::memory_order_relaxed)) == kLive) {
        visit(*place.tenant);
      }
    }
  }

 private:
  enum State : std::uint64_t { kFree = 0, kFilling = 1, kLive = 2, kClosing = 3 };
  static constexpr unsigned kStateShift = 30;
  static constexpr std::uint64_t kHoldersMask = (std::uint64_t{1} << kStateShift) - 1;

  struct alignas(kCacheLine) Place {
    Atomic<std::uint64_t> word{std::uint64_t{1} << 32};  // generation, state, holders
    std::unique_ptr<T> tenant;
  };

  static constexpr std::uint64_t word(std::uint32_t generation, State state,
                                      std::uint64_t holders) noexcept {
    return std::uint64_t{generation} << 32 | std::uint64_t{state} << kStateShift | holders;
  }
  static constexpr std::uint32_t generation_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 32);
  }
  static constexpr State state_of(std::uint64_t word) noexcept {
    return State(word >> kStateShift & 3);
  }
  static constexpr std::uint64_t holders_of(std::uint64_t word) noexcept {
    return word & kHoldersMask;
  }
  void let_go(std::uint32_t index) noexcept;
  [[nodiscard]] bool let_go_unless_last(std::uint32_t index) noexcept;
  void destroy(Place& place, std::uint32_t generation) noexcept;

  std::array<Place, kCount> places_;
};

// Implementation. While a place is live the table itself is one of its holders; so the count can
// fall to zero only after remove, and exactly one thread sees it do so.

template <class T, std::size_t kCount, template <class> class Atomic>
std::optional<TableHandle> HandleTable<T, kCount, Atomic>::insert(
    std::unique_ptr<T>& tenant) noexcept {
  assert(tenant != nullptr);
  for (std::uint32_t index = 0; index < kCount; ++index) {
    Place& place = places_[index];
    std::uint64_t seen = place.word.load(std::memory_order_relaxed);
    const std::uint32_t generation = generation_of(seen);
    // Acquire: the last tenant's destruction comes before this one moves in.
    if (state_of(seen) == kFree &&
        place.word.compare_exchange_strong(seen, word(generation, kFilling, 0),
                                           std::memory_order_acquire, std::memory_order_relaxed)) {
      place.tenant = std::move(tenant);
      // Release: publishes the tenant to whoever holds it.
      place.word.store(word(generation, kLive, 1), std::memory_order_release);
      return TableHandle{index, generation};
    }
  }
  return std::nullopt;
}

template <class T, std::size_t kCount, template <class> class Atomic>
typename HandleTable<T, kCount, Atomic>::Hold HandleTable<T, kCount, Atomic>::hold(
    TableHandle handle) noexcept {
  if (handle.index >= kCount) {
    return {};  // Handles come back from callers; an out-of-range index is not our bug.
  }
  Place& place = places_[handle.index];
  std::uint64_t seen = place.word.load(std::memory_order_relaxed);
  while (generation_of(seen) == handle.generation && state_of(seen) == kLive) {
    assert(holders_of(seen) < kHoldersMask);
    // Acquire: sees the tenant that insert published.
    if (place.word.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
      return Hold(this, handle.index);
    }
  }
  return {};
}

template <class T, std::size_t kCount, template <class> class Atomic>
bool HandleTable<T, kCount, Atomic>::remove(TableHandle handle) noexcept {
  if (handle.index >= kCount) {
    return false;
  }
  Place& place = places_[handle.index];
  std::uint64_t seen = place.word.load(std::memory_order_relaxed);
  while (generation_of(seen) == handle.generation && state_of(seen) == kLive) {
    const std::uint64_t others = holders_of(seen) - 1;
    // Acquire and release as in let_go: this is the table letting go.
    if (place.word.compare_exchange_weak(seen, word(handle.generation, kClosing, others),
                                         std::memory_order_acq_rel, std::memory_order_relaxed)) {
      if (others == 0) {
        destroy(place, handle.generation);
      }
      return true;
    }
  }
  return false;
}

template <class T, std::size_t kCount, template <class> class Atomic>
void HandleTable<T, kCount, Atomic>::let_go(std::uint32_t index) noexcept {
  Place& place = places_[index];
  // Release: this holder's use comes before the destruction. Acquire: so does everybody else's, if
  // it is this thread that destroys.
  const std::uint64_t before = place.word.fetch_sub(1, std::memory_order_acq_rel);
  assert(holders_of(before) > 0);
  if (holders_of(before) == 1) {
    assert(state_of(before) == kClosing);
    destroy(place, generation_of(before));
  }
}

template <class T, std::size_t kCount, template <class> class Atomic>
bool HandleTable<T, kCount, Atomic>::let_go_unless_last(std::uint32_t index) noexcept {
  Place& place = places_[index];
  std::uint64_t seen = place.word.load(std::memory_order_relaxed);
  do {
    // While it is live the table is a holder, too, so only a closing one can have but one.
    if (holders_of(seen) == 1) {
      return false;
    }
    // Release as in let_go; who destroys is another, and acquires.
  } while (!place.word.compare_exchange_weak(seen, seen - 1, std::memory_order_release,
                                             std::memory_order_relaxed));
  return true;
}

template <class T, std::size_t kCount, template <class> class Atomic>
void HandleTable<T, kCount, Atomic>::destroy(Place& place, std::uint32_t generation) noexcept {
  place.tenant.reset();
  const std::uint32_t next = generation + 1;
  // Release: the next insert finds the place empty.
  place.word.store(word(next == 0 ? 1 : next, kFree, 0), std::memory_order_release);
}

}  // namespace usher
