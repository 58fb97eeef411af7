// A list that many threads add to and one takes as a whole: no bound, no memory of its own.
#pragma once

#include <atomic>
#include <utility>

namespace usher {

// BasicCollected links nodes through their own `Node* next`, so it has room for as many as there
// are. A node is in one list at most, and whoever added it leaves it alone until it has been taken.
//
// There is no ABA: nodes are never popped singly. `Atomic` is std::atomic, or what
// tests/interleave.h substitutes.
template <class Node, template <class> class Atomic>
class BasicCollected {
 public:
  // add puts the chain from `first` to `last` in; `last` is the one to be taken first, and each
  // other's `next` has been set to the one that is taken before it. True if the list was empty: the
  // taker may be asleep then, and has to be woken. Any thread; lock-free.
  [[nodiscard]] bool add(Node& first, Node& last) noexcept {
    // Relaxed: `head` is only copied into `next`, and followed by the taker.
    Node* head = newest_.load(std::memory_order_relaxed);
    do {
      last.next = head;
      // Release publishes the chain; later adds carry it on, each being a read-modify-write.
    } while (!newest_.compare_exchange_weak(head, &first, std::memory_order_release,
                                            std::memory_order_relaxed));
    return head == nullptr;
  }

  // take_all empties the list and returns its nodes, oldest first, linked by `next`; null if there
  // are none. Any thread; wait-free but for turning the order round.
  [[nodiscard]] Node* take_all() noexcept {
    Node* newest = newest_.exchange(nullptr, std::memory_order_acquire);
    Node* oldest = nullptr;
    while (newest != nullptr) {
      Node* const older = std::exchange(newest->next, oldest);
      oldest = std::exchange(newest, older);
    }
    return oldest;
  }

  // empty says whether there is nothing to take, a moment ago. Any thread.
  [[nodiscard]] bool empty() const noexcept {
    return newest_.load(std::memory_order_acquire) == nullptr;
  }

 private:
  Atomic<Node*> newest_{nullptr};
};

template <class Node>
using Collected = BasicCollected<Node, std::atomic>;

}  // namespace usher
