// A bounded queue between threads: any may post, any may take, nobody waits and nothing allocates.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "engine/limits.h"

namespace usher {

// BasicMailbox holds small values, first in, first out.
//
// Post n writes cell n % size, and take n reads it. The cell's `turn` says whose it is: 2 * round
// while round's post is due, one more while its take is. A poster claims its number by moving
// `tail_`, writes the value and passes the cell on with a release that the taker acquires; so a
// value is never seen half written, and a cell never overwritten before it was read. `Atomic` is
// std::atomic, or what tests/interleave.h substitutes.
template <class Value, template <class> class Atomic>
class BasicMailbox {
  static_assert(std::is_nothrow_copy_assignable_v<Value>, "a claimed cell must be passed on");

 public:
  struct Cell {
    Atomic<std::uint64_t> turn{0};
    Value value{};
  };

  // Borrowed for the mailbox's life; a power of two, at least two. Cells must be new.
  explicit BasicMailbox(std::span<Cell> cells) noexcept
      : cells_(cells), shift_(std::countr_zero(cells.size())) {
    assert(std::has_single_bit(cells.size()) && cells.size() >= 2);
  }
  BasicMailbox(const BasicMailbox&) = delete;
  BasicMailbox& operator=(const BasicMailbox&) = delete;

  // post adds a value; false if the mailbox is full. What has been claimed and not finished counts:
  // while a thread stands still in the middle of a take, its cell is not free, and posts are
  // refused once they come round to it, even if all the others have been taken meanwhile. Any
  // thread; lock-free.
  [[nodiscard]] bool post(const Value& value) noexcept;

  // take removes the oldest value; false if there is none, or its post has not finished, even if
  // later ones have. So whoever sleeps after a false must be woken by the end of every post, not
  // only by one for each value. Any thread; lock-free.
  [[nodiscard]] bool take(Value& value) noexcept;

  // ready says whether take would find a value, a moment ago. Any thread; wait-free.
  [[nodiscard]] bool ready() const noexcept {
    const std::uint64_t number = head_.load(std::memory_order_relaxed);
    // Acquires what take would; an older head than there is makes it say yes for a moment.
    return cell(number).turn.load(std::memory_order_acquire) > 2 * round(number);
  }

  // posted and taken count what ever was, claimed ones included: guesses of how full it is while
  // others are calling. Any thread.
  [[nodiscard]] std::uint64_t posted() const noexcept {
    return tail_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t taken() const noexcept {
    return head_.load(std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] Cell& cell(std::uint64_t number) const noexcept {
    return cells_[number & (cells_.size() - 1)];
  }
  [[nodiscard]] std::uint64_t round(std::uint64_t number) const noexcept {
    return number >> shift_;
  }
  // claim moves `counter` on if the next number's cell is at `turn` of its round; false if not.
  [[nodiscard]] bool claim(Atomic<std::uint64_t>& counter, std::uint64_t turn,
                           std::uint64_t& number) noexcept;

  std::span<Cell> cells_;
  int shift_;
  alignas(kCacheLine) Atomic<std::uint64_t> tail_{0};  // The next post's number,
  alignas(kCacheLine) Atomic<std::uint64_t> head_{0};  // and the next take's.
};

template <class Value>
using Mailbox = BasicMailbox<Value, std::atomic>;

// Implementation.

template <class Value, template <class> class Atomic>
bool BasicMailbox<Value, Atomic>::claim(Atomic<std::uint64_t>& counter, std::uint64_t turn,
                                        std::uint64_t& number) noexcept {
  // Counters only grow, and 64 bits do not come round: there is no ABA.
  number = counter.load(std::memory_order_relaxed);
  while (true) {
    const std::uint64_t due = 2 * round(number) + turn;
    // Acquires what the one before us did with the cell.
    const std::uint64_t found = cell(number).turn.load(std::memory_order_acquire);
    if (found < due) {
      return false;  // Full, or empty.
    }
    // Otherwise somebody has been faster, and `counter` is reloaded; relaxed, for the cell's turn
    // carries everything that is published.
    if (found == due && counter.compare_exchange_weak(number, number + 1, std::memory_order_relaxed,
                                                      std::memory_order_relaxed)) {
      return true;
    }
    if (found > due) {
      number = counter.load(std::memory_order_relaxed);
    }
  }
}

template <class Value, template <class> class Atomic>
bool BasicMailbox<Value, Atomic>::post(const Value& value) noexcept {
  std::uint64_t number = 0;
  if (!claim(tail_, 0, number)) {
    return false;
  }
  Cell& mine = cell(number);
  mine.value = value;
  mine.turn.store(2 * round(number) + 1, std::memory_order_release);  // To its taker.
  return true;
}

template <class Value, template <class> class Atomic>
bool BasicMailbox<Value, Atomic>::take(Value& value) noexcept {
  std::uint64_t number = 0;
  if (!claim(head_, 1, number)) {
    return false;
  }
  Cell& mine = cell(number);
  value = mine.value;
  mine.turn.store(2 * (round(number) + 1), std::memory_order_release);  // To the next round's post.
  return true;
}

}  // namespace usher
