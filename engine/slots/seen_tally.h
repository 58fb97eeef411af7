// What threads that come and go have counted of a SeenCache, all together: lock-free.
#pragma once

#include <atomic>
#include <new>
#include <utility>

#include "engine/slots/seen_counts.h"

namespace usher {

// BasicSeenTally owns counters and lends each to one thread after another. A counter goes on where
// its last borrower left it, so the sum over all of them is what was ever counted, and counting
// costs its thread what it costs without. There are as many as were lent at once. A child of fork
// goes on with the sums; counters that other threads of the parent had borrowed stay lent there.
// `Atomic` is std::atomic, or what tests/interleave.h substitutes.
template <template <class> class Atomic>
class BasicSeenTally {
  struct Node {
    SeenCounter counter;
    Atomic<bool> lent{true};
    Node* next = nullptr;  // Set before others see the node.
  };

 public:
  constexpr BasicSeenTally() noexcept = default;
  ~BasicSeenTally() {  // Nothing is lent any more.
    for (Node* node = head_.load(std::memory_order_acquire); node != nullptr;) {
      delete std::exchange(node, node->next);
    }
  }
  BasicSeenTally(const BasicSeenTally&) = delete;
  BasicSeenTally& operator=(const BasicSeenTally&) = delete;

  // Lent is a borrowed counter, from lend to its end. One thread at a time counts with it.
  class Lent {
   public:
    Lent() noexcept = default;  // None.
    Lent(Lent&& other) noexcept
        : node_(std::exchange(other.node_, nullptr)), before_(other.before_) {}
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    Lent& operator=(Lent&&) = delete;
    ~Lent() {
      if (node_ != nullptr) {
        // Release: the next borrower goes on from what was counted here.
        node_->lent.store(false, std::memory_order_release);
      }
    }

    explicit operator bool() const noexcept { return node_ != nullptr; }
    void count_find(bool is_hit) noexcept { node_->counter.count_find(is_hit); }
    void count_offer(Offered offered) noexcept { node_->counter.count_offer(offered); }

    // counts is what was counted since it was lent. Any thread.
    [[nodiscard]] SeenCounts counts() const noexcept {
      SeenCounts counts = node_->counter.counts();
      return counts -= before_;
    }

   private:
    friend class BasicSeenTally;
    explicit Lent(Node* node) noexcept : node_(node), before_(node->counter.counts()) {}
    Node* node_ = nullptr;
    SeenCounts before_;
  };

  // lend is false if memory fails. Any thread; allocates if all counters are lent.
  [[nodiscard]] Lent lend() noexcept {
    // Acquire, here and below: nodes are seen as whoever pushed them has made them.
    for (Node* node = head_.load(std::memory_order_acquire); node != nullptr; node = node->next) {
      // Relaxed: a guess, confirmed by the exchange. Acquire: what was counted before is seen.
      if (!node->lent.load(std::memory_order_relaxed) &&
          !node->lent.exchange(true, std::memory_order_acquire)) {
        return Lent(node);
      }
    }
    Node* const node = new (std::nothrow) Node;
    if (node == nullptr) {
      return {};
    }
    node->next = head_.load(std::memory_order_relaxed);
    // Release publishes the node; those behind it were published before, and later pushes carry
    // that on, each being a read-modify-write.
    while (!head_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                        std::memory_order_relaxed)) {
    }
    return Lent(node);
  }

  // counts is the sum of all that was ever counted: each number never falls. Any thread.
  [[nodiscard]] SeenCounts counts() const noexcept {
    SeenCounts sum;
    for (const Node* node = head_.load(std::memory_order_acquire); node != nullptr;
         node = node->next) {
      sum += node->counter.counts();
    }
    return sum;
  }

 private:
  Atomic<Node*> head_{nullptr};
};

using SeenTally = BasicSeenTally<std::atomic>;

}  // namespace usher
