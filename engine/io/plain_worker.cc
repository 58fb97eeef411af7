// A worker without connections, and so without a ring and without a descriptor: it sleeps on a
// futex, after having waited awake for a moment where that pays.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <new>

#include "engine/clock.h"
#include "engine/io/futex.h"
#include "engine/io/spin.h"
#include "engine/io/worker.h"

namespace usher::io {
namespace {

// pause tells the processor that this thread is waiting.
void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
constexpr int kPausesPerLook = 8;  // At the clock: about a microsecond.

class PlainWorker final : public Worker, private Waker {
 public:
  PlainWorker(Submissions& submissions, auth::Desk& desk, const auth::Environment& environment,
              bool several_processors) noexcept
      : submissions_(submissions),
        desk_(desk),
        environment_(environment),
        spin_(several_processors) {}
  PlainWorker(const PlainWorker&) = delete;
  PlainWorker& operator=(const PlainWorker&) = delete;

  [[nodiscard]] int open() noexcept;
  [[nodiscard]] int run() noexcept override;
  void stop() noexcept override;
  void drain() noexcept override { stop(); }  // Without connections there is nothing to drain.
  [[nodiscard]] WorkerCounts counts() const noexcept override { return counts_; }

 private:
  void wake() noexcept override;
  [[nodiscard]] std::int64_t now_us() const noexcept { return environment_.clock.steady_us(); }
  void await_work() noexcept;
  [[nodiscard]] bool comes_soon() const noexcept;
  void sleep() noexcept;
  void keep_time() noexcept;
  void turn() noexcept;

  Submissions& submissions_;
  auth::Desk& desk_;
  const auth::Environment& environment_;
  WorkerCounts counts_;
  Spin spin_;
  std::int64_t now_us_ = 0;  // The turn's.
  std::uint32_t seen_ = 0;   // wakes_, before the last turn.
  std::int64_t tick_due_us_ = 0;
  std::int64_t pulse_due_us_ = 0;
  Pages reply_pages_;
  std::array<auth::AcceptRequest, kBatchMax> requests_{};
  std::array<auth::AcceptReply, kBatchMax> replies_{};
  // What others write: how often it was woken, which it sleeps on, and whether to stop.
  alignas(kCacheLine) std::atomic<std::uint32_t> wakes_{0};
  std::atomic<bool> stop_requested_{false};
};

int PlainWorker::open() noexcept {
  reply_pages_ = Pages::map(kBatchMax * kReplySizeMax);
  if (reply_pages_.empty()) {
    return -ENOMEM;
  }
  for (std::size_t token = 0; token < kBatchMax; ++token) {
    requests_[token].reply = reply_pages_.bytes().subspan(token * kReplySizeMax, kReplySizeMax);
  }
  submissions_.open(*this);
  return 0;
}

int PlainWorker::run() noexcept {
  while (!stop_requested_.load(std::memory_order_acquire)) {
    now_us_ = now_us();
    if (!submissions_.any()) {
      await_work();
    }
    // Before looking: whoever has something after the look has changed it.
    seen_ = wakes_.load(std::memory_order_acquire);
    keep_time();
    turn();
  }
  return 0;
}

void PlainWorker::stop() noexcept {
  stop_requested_.store(true, std::memory_order_release);
  wake();
}

// Two atomic operations and a system call are all there is, so a signal handler may call it.
void PlainWorker::wake() noexcept {
  // Release: whoever finds the number changed also finds what it was changed for.
  wakes_.fetch_add(1, std::memory_order_release);
  futex_wake(wakes_);
}

// await_work waits until there may be something to take, or until it is time to look.
void PlainWorker::await_work() noexcept {
  const std::int64_t began_us = now_us_;
  const bool awake = spin_.worthwhile();
  if (awake && comes_soon()) {
    spin_.found();
    now_us_ = now_us();
    return;
  }
  sleep();
  now_us_ = now_us();
  spin_.slept(now_us_ - began_us, awake);
}

bool PlainWorker::comes_soon() const noexcept {
  while (now_us() - now_us_ < Spin::kLimitUs) {
    for (int n = 0; n < kPausesPerLook; ++n) {
      if (submissions_.any() || wakes_.load(std::memory_order_relaxed) != seen_) {
        return true;
      }
      pause();
    }
  }
  return false;
}

void PlainWorker::sleep() noexcept {
  if (submissions_.lie_down() && !stop_requested_.load(std::memory_order_acquire)) {
    const std::int64_t due_us =
        submissions_.impatient() ? std::min(pulse_due_us_, tick_due_us_) : tick_due_us_;
    futex_sleep(wakes_, seen_,
                std::clamp<std::int64_t>(due_us - now_us_, 0, submissions_.nap_us()));
  }
  submissions_.get_up();
}

void PlainWorker::keep_time() noexcept {
  if (now_us_ >= tick_due_us_) {
    environment_.contexts.sweep(now_us_);
    tick_due_us_ = now_us_ + kMicrosPerSecond;
    pulse_due_us_ = now_us_;
  }
  if (now_us_ >= pulse_due_us_) {
    submissions_.pulse();
    pulse_due_us_ = now_us_ + Submissions::kPulseUs;
  }
}

void PlainWorker::turn() noexcept {
  const std::size_t count = submissions_.take(desk_, requests_);
  if (count == 0) {
    return;
  }
  counts_.tokens += count;
  ++counts_.batches;
  const auto requests = std::span(requests_).first(count);
  const auto replies = std::span(replies_).first(count);
  auth::accept(desk_, environment_, requests, replies);
  submissions_.finish(requests, replies);
}

}  // namespace

std::unique_ptr<Worker> Worker::make_without_ring(Submissions& submissions, auth::Desk& desk,
                                                  const auth::Environment& environment,
                                                  bool several_processors, int& error) noexcept {
  std::unique_ptr<PlainWorker> worker(
      new (std::nothrow) PlainWorker(submissions, desk, environment, several_processors));
  error = worker == nullptr ? -ENOMEM : worker->open();
  if (error < 0) {
    return nullptr;
  }
  return worker;
}

}  // namespace usher::io
