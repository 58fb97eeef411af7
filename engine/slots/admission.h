// How many may wait for workers: a burst is let in, a crowd that stays is not.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/limits.h"

namespace usher {

// CrowdWatch bounds how long what is let in has to wait, and so tells the others at once. It is one
// for all queues that share the work, for who is turned away is turned away by all.
//
// Each queue may hold `burst`: many come at once and soon have their turn, and clients that wait
// for their answers before they ask again may well keep them half full. Where more than half of
// all there is room for has been waiting for kPatienceUs without a break, more is offered than can
// be done, and what waits only gets old: from then on `crowd` may wait in each, about what a worker
// does in a turn, until for kPatienceUs nobody was turned away.
class CrowdWatch {
 public:
  static constexpr std::int64_t kPatienceUs = 5'000;
  // So often somebody looks, at most: it costs a walk over all queues.
  static constexpr std::int64_t kLookUs = kPatienceUs / 50;

  // Both at least 1; crowd is at most burst.
  CrowdWatch(std::uint32_t burst, std::uint32_t crowd) noexcept
      : burst_(burst),
        crowd_(std::min(crowd, burst)),
        many_(std::max(burst / 2, crowd_)),
        limit_(burst) {}
  CrowdWatch(const CrowdWatch&) = delete;
  CrowdWatch& operator=(const CrowdWatch&) = delete;

  // limit is how many may wait in each queue, and crowded whether that is for a crowd. Any thread;
  // wait-free.
  [[nodiscard]] std::uint32_t limit() const noexcept {
    // Relaxed: an old value turns away or lets in somebody a moment late, nothing more.
    return limit_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool crowded() const noexcept { return limit() < burst_; }

  // Seen is what there is in a moment.
  struct Seen {
    std::uint64_t queues = 0;
    std::uint64_t waiting = 0;      // In all of them.
    std::uint64_t turned_away = 0;  // Ever.
  };
  // look asks `tell` for what there is at a time on a steady clock, if it is due, and judges it.
  // Each worker at the beginning of its turns, and now and then without one; any thread.
  template <class Tell>
  void look(std::int64_t now_us, const Tell& tell) noexcept {
    if (now_us < due_us_.load(std::memory_order_relaxed) ||
        looking_.exchange(true, std::memory_order_acquire)) {
      return;
    }
    due_us_.store(now_us + kLookUs, std::memory_order_relaxed);
    judge(tell(), now_us);
    looking_.store(false, std::memory_order_release);
  }

  // idle tells that a worker found nothing to take, and what comes next is no crowd's. Any thread.
  void idle() noexcept {
    if (!idle_.load(std::memory_order_relaxed)) {
      idle_.store(true, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr std::int64_t kNever = -1;

  void judge(const Seen& seen, std::int64_t now_us) noexcept {
    if (crowded()) {
      if (seen.turned_away != turned_away_) {
        turned_away_ = seen.turned_away;
        since_us_ = now_us;
      } else if (now_us - since_us_ > kPatienceUs) {
        since_us_ = kNever;
        limit_.store(burst_, std::memory_order_relaxed);
      }
      return;
    }
    const bool idle = idle_.load(std::memory_order_relaxed);
    const bool many = !idle && seen.waiting > seen.queues * many_;
    if (idle) {
      idle_.store(false, std::memory_order_relaxed);
    }
    if (!many || since_us_ < 0) {
      since_us_ = many ? now_us : kNever;
    } else if (now_us - since_us_ > kPatienceUs) {
      turned_away_ = seen.turned_away;
      since_us_ = now_us;
      limit_.store(crowd_, std::memory_order_relaxed);
    }
  }

  const std::uint32_t burst_;
  const std::uint32_t crowd_;
  const std::uint32_t many_;
  // What posters read.
  alignas(kCacheLine) std::atomic<std::uint32_t> limit_;
  // The workers'.
  alignas(kCacheLine) std::atomic<std::int64_t> due_us_{0};
  std::atomic<bool> looking_{false};
  std::atomic<bool> idle_{false};
  // Whose who looks. Since when: in a burst that there are many, in a crowd that nobody was turned
  // away.
  std::int64_t since_us_ = kNever;
  std::uint64_t turned_away_ = 0;
};

// Admission says whether one more may wait in a queue. It counts, as BasicMailbox does, what was
// ever posted and taken; waiting is the difference. It reads what its worker writes once a turn,
// and what hardly ever changes; a refusal writes nothing.
class Admission {
 public:
  // Borrowed for the queue's life.
  explicit Admission(const CrowdWatch& watch) noexcept : watch_(watch) {}

  // admits says whether one more may be posted, if so many were. Threads that ask at the same time
  // may all be let in. Any thread; wait-free.
  [[nodiscard]] bool admits(std::uint64_t posted) const noexcept {
    return waiting(posted) < watch_.limit();
  }

  // waiting is about how many wait, if so many were posted. Any thread; wait-free.
  [[nodiscard]] std::uint64_t waiting(std::uint64_t posted) const noexcept {
    const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
    return posted > taken ? posted - taken : 0;
  }

  // turn tells what the worker has taken by now. The worker's thread, once a turn.
  void turn(std::uint64_t taken) noexcept { taken_.store(taken, std::memory_order_relaxed); }

 private:
  const CrowdWatch& watch_;
  alignas(kCacheLine) std::atomic<std::uint64_t> taken_{0};
};

// post_to_one posts a value to the first queue from number `home` on, which makes batches, that has
// less than a batch waiting; else to the shortest, so that none is full while others are not. Null:
// none admits it. A Queue admits(), has a backlog() and may be asked to post(value), which is
// refused if it has filled up meanwhile. Any thread; lock-free.
template <class Queue, class Value>
[[nodiscard]] Queue* post_to_one(std::span<const std::unique_ptr<Queue>> queues, std::size_t home,
                                 std::uint64_t batch, Value& value) noexcept {
  Queue* shortest = nullptr;
  std::uint64_t least = 0;
  for (std::size_t n = 0; n < queues.size(); ++n) {
    Queue& queue = *queues[(home + n) % queues.size()];
    if (!queue.admits()) {
      continue;
    }
    const std::uint64_t backlog = queue.backlog();
    if (backlog < batch && queue.post(value)) {
      return &queue;
    }
    if (shortest == nullptr || backlog < least) {
      shortest = &queue;
      least = backlog;
    }
  }
  if (shortest == nullptr || shortest->post(value)) {
    return shortest;
  }
  for (const std::unique_ptr<Queue>& queue : queues) {  // It was filled up this moment.
    if (queue->post(value)) {
      return queue.get();
    }
  }
  return nullptr;
}

}  // namespace usher
