// A value that many threads read while one thread replaces it, without a lock on the reading side.
#pragma once

#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/limits.h"

namespace usher {

// Published holds the current T. Readers borrow it for the length of a turn; replace() installs a
// new one at once for later readers, waits until the last reader of the old one is gone, and only
// then destroys it, so that old keys are wiped at a known moment and never under a reader.
//
// Two places, each with a count of its readers. A reader announces itself in the place it believes
// current, looks again, and leaves if it has changed meanwhile. `Atomic` is std::atomic, or what
// tests/interleave.h substitutes.
template <class T, template <class> class Atomic = std::atomic>
class Published {
 public:
  explicit Published(std::unique_ptr<const T> first) noexcept;
  ~Published() = default;  // No reader may be left.
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  // Borrowed is a reader's hold on one value; it must not outlive the Published.
  class Borrowed {
   public:
    Borrowed(Borrowed&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), place_(other.place_) {}
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Borrowed& operator=(Borrowed&&) = delete;
    ~Borrowed() {
      if (owner_ != nullptr) {
        owner_->leave(place_);
      }
    }
    const T& operator*() const noexcept { return *owner_->places_[place_].value; }
    const T* operator->() const noexcept { return &**this; }

   private:
    friend class Published;
    Borrowed(const Published* owner, std::uint32_t place) noexcept : owner_(owner), place_(place) {}
    const Published* owner_;
    std::uint32_t place_;
  };

  // borrow: any thread, lock-free.
  [[nodiscard]] Borrowed borrow() const noexcept;

  // replace: any thread that is not itself a reader; calls take turns. Returns after the old value
  // has been destroyed.
  void replace(std::unique_ptr<const T> next) noexcept;

  // forget_readers is for a child of fork, which has none of the threads that were readers; and not
  // while one of them was in replace.
  void forget_readers() noexcept {
    for (Place& place : places_) {
      place.readers.store(0, std::memory_order_relaxed);
    }
  }

 private:
  struct Place {
    alignas(kCacheLine) mutable Atomic<std::uint32_t> readers{0};
    std::unique_ptr<const T> value;
  };
  void leave(std::uint32_t place) const noexcept;
  static void pause(std::uint32_t round) noexcept;

  std::array<Place, 2> places_;
  alignas(kCacheLine) Atomic<std::uint32_t> current_{0};
  std::mutex replacing_;
};

// Implementation.
//
// A reader announces itself, then looks at `current_`; the writer switches `current_`, then looks
// at the announcements. Each must not look before its own write is visible to the other: if both
// writes waited in store buffers, the reader would find its place still current, the writer would
// find it empty, and the value would be destroyed under the reader. Acquire and release do not
// forbid that; one total order over the four operations does, so all four are seq_cst: in it, the
// reader's look comes after the switch (it leaves again), or its announcement comes before the
// writer's look (it is waited for).

template <class T, template <class> class Atomic>
Published<T, Atomic>::Published(std::unique_ptr<const T> first) noexcept {
  assert(first != nullptr);
  places_[0].value = std::move(first);
}

template <class T, template <class> class Atomic>
typename Published<T, Atomic>::Borrowed Published<T, Atomic>::borrow() const noexcept {
  for (;;) {
    // Relaxed: a guess, confirmed below.
    const std::uint32_t place = current_.load(std::memory_order_relaxed);
    places_[place].readers.fetch_add(1, std::memory_order_seq_cst);
    // Reading the switch that made `place` current also shows the value stored before that switch.
    // A place that was current, was not, and is again holds a finished value like any other.
    if (current_.load(std::memory_order_seq_cst) == place) {
      return Borrowed(this, place);
    }
    leave(place);  // Never touched the value; the writer may be filling it in right now.
  }
}

template <class T, template <class> class Atomic>
void Published<T, Atomic>::leave(std::uint32_t place) const noexcept {
  // Release: all of this reader's reads of the value come before the writer sees it gone.
  [[maybe_unused]] const std::uint32_t before =
      places_[place].readers.fetch_sub(1, std::memory_order_release);
  assert(before > 0);
}

template <class T, template <class> class Atomic>
void Published<T, Atomic>::replace(std::unique_ptr<const T> next) noexcept {
  assert(next != nullptr);
  const std::scoped_lock turn(replacing_);
  // Relaxed: only replace() stores here, and the mutex orders its calls.
  const std::uint32_t old = current_.load(std::memory_order_relaxed);
  const std::uint32_t fresh = 1 - old;
  assert(places_[fresh].value == nullptr);  // The call that left it waited for its readers.
  places_[fresh].value = std::move(next);
  current_.store(fresh, std::memory_order_seq_cst);
  // Reading the zero that a reader's leave() wrote also acquires: its reads are over.
  for (std::uint32_t round = 0; places_[old].readers.load(std::memory_order_seq_cst) != 0;
       ++round) {
    pause(round);
  }
  places_[old].value.reset();
}

// pause lets readers get on. They hold a value for a turn, that is for microseconds, and never wake
// the writer: that would cost every reader something on every turn, for an event of once a day.
template <class T, template <class> class Atomic>
void Published<T, Atomic>::pause(std::uint32_t round) noexcept {
  constexpr std::uint32_t kYields = 64;
  if constexpr (requires { Atomic<std::uint32_t>::pause(); }) {
    Atomic<std::uint32_t>::pause();  // The exploring test's: it picks who runs next.
  } else if (round < kYields) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

}  // namespace usher
