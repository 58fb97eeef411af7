// Runs a few threads one atomic operation at a time, in every order with few preemptions.
//
// A stress test visits the orders the machine happens to like; this visits all orders in which
// threads are interrupted at most kPreemptionsMax times, so it finds faults that need a thread to
// stop at exactly the wrong instruction. Beyond sequential consistency it models one weakness, the
// one x86 has: a store that is not seq_cst may stay invisible to other threads until its thread's
// next read-modify-write or seq_cst store. Such a delay costs as much as a preemption. Weaker
// reorderings are not modelled: TSan and the memory-order comments cover those.
//
// The threads are fibers on one real thread, so code under test may wait for another thread only
// through pause(), and never on a mutex that another one holds.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/fiber.h"

namespace usher::testing {

inline constexpr int kPreemptionsMax = 2;

class Interleaver {
 public:
  using Body = std::function<void()>;

  // explore calls make() for a fresh set of threads per schedule, runs them, then calls check(). It
  // stops at the first schedule that fails: one counterexample is enough. Returns the number of
  // schedules.
  template <class Make, class Check>
  static int explore(Make make, Check check) {
    std::vector<Choice> path;
    int schedules = 0;
    do {
      Interleaver run(make(), path);
      run.execute();
      check();
      ++schedules;
    } while (!::testing::Test::HasFailure() && advance(path));
    return schedules;
  }

  // step is called before every atomic operation of a thread under exploration.
  static void step() {
    if (self_ != nullptr) {
      Fiber::suspend();
    }
  }

  // wait is called in the loop of a thread that can do nothing until another has moved: it is not
  // scheduled again before one has. Its own stores become visible, as they do in finite time.
  static void wait() {
    if (self_ == nullptr) {
      std::this_thread::yield();
      return;
    }
    enter_kernel();
    running().waiting = true;
    Fiber::suspend();
  }

  // sleep stops the calling thread until another one calls wake for the same address: all that
  // sleep there, or the one that has been there longest.
  static void sleep(const void* address) {
    running().asleep_at = address;
    running().asleep_since = ++self_->sleeps_;
    Fiber::suspend();
  }
  static void wake(const void* address, bool all) {
    if (self_ == nullptr) {
      return;
    }
    Thread* first = nullptr;
    for (const auto& thread : self_->threads_) {
      if (thread->asleep_at != address) {
        continue;
      }
      if (all) {
        thread->asleep_at = nullptr;
      } else if (first == nullptr || thread->asleep_since < first->asleep_since) {
        first = thread.get();
      }
    }
    if (first != nullptr) {
      first->asleep_at = nullptr;
    }
  }
  // enter_kernel is what a thread does before it sleeps: its own stores have become visible then.
  static void enter_kernel() {
    let_stores_linger();
    publish_stores();
  }

  // delays_store says whether a store of the calling thread stays invisible for now. Stores become
  // visible in program order, so one behind a delayed store is delayed too.
  static bool delays_store(std::memory_order order) {
    if (self_ == nullptr || order == std::memory_order_seq_cst) {
      publish_stores();
      return false;
    }
    if (!running().delayed.empty()) {
      return true;
    }
    const bool delayed = self_->preemptions_ < kPreemptionsMax && self_->choose(2) == 1;
    self_->preemptions_ += delayed ? 1 : 0;
    return delayed;
  }
  static void delay_store(const void* address, std::uint64_t value, std::function<void()> apply) {
    running().delayed.push_back({address, value, std::move(apply)});
  }
  // own_store is what the calling thread itself reads back from a store nobody else sees yet.
  static std::optional<std::uint64_t> own_store(const void* address) {
    std::optional<std::uint64_t> value;
    if (self_ != nullptr) {
      for (const DelayedStore& store : running().delayed) {
        value = store.address == address ? store.value : value;
      }
    }
    return value;
  }
  static void publish_stores() {
    if (self_ != nullptr) {
      for (const DelayedStore& store : running().delayed) {
        store.apply();
      }
      running().delayed.clear();
    }
  }

 private:
  // A correct scenario of a few dozen operations ends long before this; a livelock does not.
  static constexpr int kTurnsMax = 2'000;

  struct Choice {
    std::size_t taken = 0;    // Which of the options was taken.
    std::size_t options = 0;  // How many there were.
  };
  struct DelayedStore {
    const void* address;
    std::uint64_t value;
    std::function<void()> apply;
  };
  struct Thread {
    explicit Thread(Body body)
        : fiber([body = std::move(body)] {
            body();
            let_stores_linger();
            publish_stores();
          }) {}

    Fiber fiber;
    bool waiting = false;  // Nothing for it to do until another thread has moved.
    const void* asleep_at = nullptr;
    int asleep_since = 0;
    std::vector<DelayedStore> delayed;
  };

  Interleaver(const std::vector<Body>& bodies, std::vector<Choice>& path) : path_(path) {
    for (const Body& body : bodies) {
      threads_.push_back(std::make_unique<Thread>(body));
    }
  }

  void execute() {
    for (int turn = 0;; ++turn) {
      const std::vector<Thread*> options = options_after(running_);
      if (options.empty()) {
        break;
      }
      if (turn == kTurnsMax) {
        give_up("the threads never finish");
      }
      Thread* const next = options[choose(options.size())];
      preemptions_ += running_ != nullptr && can_run(*running_) && next != running_ ? 1 : 0;
      running_ = next;
      self_ = this;
      running_->fiber.resume();
      self_ = nullptr;
      for (const auto& thread : threads_) {
        thread->waiting = thread->waiting && thread.get() == running_;
      }
    }
    for (const auto& thread : threads_) {
      if (!thread->fiber.finished()) {
        give_up("every thread waits for another");
      }
    }
  }

  // running is the thread that calls it.
  static Thread& running() { return *self_->running_; }

  static bool can_run(const Thread& thread) {
    return !thread.fiber.finished() && !thread.waiting && thread.asleep_at == nullptr;
  }

  // options_after lists who may run next, the current thread first.
  std::vector<Thread*> options_after(Thread* running) {
    std::vector<Thread*> options;
    if (running != nullptr && can_run(*running)) {
      options.push_back(running);
      if (preemptions_ == kPreemptionsMax) {
        return options;
      }
    }
    for (const auto& thread : threads_) {
      if (can_run(*thread) && thread.get() != running) {
        options.push_back(thread.get());
      }
    }
    return options;
  }

  // choose takes the next turning on the path; past the path's end, the first.
  std::size_t choose(std::size_t options) {
    if (depth_ == path_.size()) {
      path_.push_back({0, options});
    }
    return path_[depth_++].taken;
  }

  // let_stores_linger lets others run while this thread's last stores are still invisible.
  static void let_stores_linger() {
    if (!running().delayed.empty()) {
      step();
    }
  }

  // advance moves to the next path in depth-first order; false when there is none.
  static bool advance(std::vector<Choice>& path) {
    while (!path.empty() && ++path.back().taken == path.back().options) {
      path.pop_back();
    }
    return !path.empty();
  }

  // give_up ends the process: threads in the middle of something cannot be made to return.
  [[noreturn]] static void give_up(const char* why) {
    std::fprintf(stderr, "interleave: %s\n", why);
    std::abort();
  }

  std::vector<std::unique_ptr<Thread>> threads_;
  Thread* running_ = nullptr;
  std::vector<Choice>& path_;
  std::size_t depth_ = 0;
  int preemptions_ = 0;
  int sleeps_ = 0;
  static inline Interleaver* self_ = nullptr;  // Set while one of its threads runs.
};

// SteppedAtomic is std::atomic with a scheduling point in front of every operation.
template <class T>
class SteppedAtomic {
 public:
  SteppedAtomic(T value = T()) : value_(value) {}

  T load(std::memory_order) const {
    Interleaver::step();
    const std::optional<std::uint64_t> own = Interleaver::own_store(this);
    if constexpr (std::is_pointer_v<T>) {
      return own ? reinterpret_cast<T>(*own) : value_.load();
    } else {
      return own ? static_cast<T>(*own) : value_.load();
    }
  }
  void store(T value, std::memory_order order) {
    Interleaver::step();
    if (Interleaver::delays_store(order)) {
      Interleaver::delay_store(this, value, [this, value] { value_.store(value); });
    } else {
      value_.store(value);
    }
  }
  T exchange(T value, std::memory_order) { return locked().exchange(value); }
  T fetch_add(T by, std::memory_order) { return locked().fetch_add(by); }
  T fetch_sub(T by, std::memory_order) { return locked().fetch_sub(by); }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order, std::memory_order) {
    return locked().compare_exchange_strong(expected, desired);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) {
    return locked().compare_exchange_strong(expected, desired);
  }

  // wait sleeps while the value is `old`, as a futex does; so may no thread that is not explored.
  void wait(T old, std::memory_order) const {
    Interleaver::step();
    Interleaver::enter_kernel();
    while (value_.load() == old) {
      Interleaver::sleep(this);
    }
  }
  void notify_all() {
    Interleaver::step();
    Interleaver::publish_stores();
    Interleaver::wake(this, true);
  }
  void notify_one() {
    Interleaver::step();
    Interleaver::publish_stores();
    Interleaver::wake(this, false);
  }

  // pause is what code under test calls in a waiting loop, in place of sleeping.
  static void pause() { Interleaver::wait(); }

 private:
  // A read-modify-write finds the stores in front of it done.
  std::atomic<T>& locked() {
    Interleaver::step();
    Interleaver::publish_stores();
    return value_;
  }

  std::atomic<T> value_;
};

}  // namespace usher::testing
