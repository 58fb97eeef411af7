// A worker without a ring, for where there is no io_uring: it has no connections and sleeps in
// poll.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <new>

#include "engine/clock.h"
#include "engine/io/worker.h"

namespace usher::io {
namespace {

class PlainWorker final : public Worker {
 public:
  PlainWorker(Submissions& submissions, auth::Desk& desk,
              const auth::Environment& environment) noexcept
      : submissions_(submissions), desk_(desk), environment_(environment) {}
  PlainWorker(const PlainWorker&) = delete;
  PlainWorker& operator=(const PlainWorker&) = delete;
  ~PlainWorker() override {
    if (event_fd_ >= 0) {
      ::close(event_fd_);
    }
  }

  [[nodiscard]] int open() noexcept;
  [[nodiscard]] int run() noexcept override;
  void stop() noexcept override;
  void drain() noexcept override { stop(); }  // Without connections there is nothing to drain.
  [[nodiscard]] WorkerCounts counts() const noexcept override { return counts_; }

 private:
  void turn() noexcept;
  void sleep() noexcept;
  void keep_time() noexcept;

  Submissions& submissions_;
  auth::Desk& desk_;
  const auth::Environment& environment_;
  WorkerCounts counts_;
  int event_fd_ = -1;
  std::atomic<bool> stop_requested_{false};
  std::int64_t tick_due_us_ = 0;
  std::int64_t pulse_due_us_ = 0;
  Pages reply_pages_;
  std::array<auth::AcceptRequest, kBatchMax> requests_{};
  std::array<auth::AcceptReply, kBatchMax> replies_{};
};

int PlainWorker::open() noexcept {
  event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd_ < 0) {
    return -errno;
  }
  reply_pages_ = Pages::map(kBatchMax * kReplySizeMax);
  return reply_pages_.empty() ? -ENOMEM : submissions_.open(event_fd_);
}

int PlainWorker::run() noexcept {
  while (!stop_requested_.load(std::memory_order_acquire)) {
    if (submissions_.lie_down()) {
      sleep();
    }
    submissions_.get_up();
    keep_time();
    turn();
  }
  return 0;
}

void PlainWorker::stop() noexcept {
  stop_requested_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  const int saved_errno = errno;
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof one);
  errno = saved_errno;
}

void PlainWorker::sleep() noexcept {
  const std::int64_t now_us = environment_.clock.steady_us();
  const std::int64_t due_us =
      submissions_.impatient() ? std::min(pulse_due_us_, tick_due_us_) : tick_due_us_;
  pollfd woken{.fd = event_fd_, .events = POLLIN, .revents = 0};
  const std::int64_t wait_ms = std::clamp<std::int64_t>((due_us - now_us + 999) / 1000, 0, 1000);
  if (::poll(&woken, 1, static_cast<int>(wait_ms)) == 1) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_fd_, &count, sizeof count);
  }
}

void PlainWorker::keep_time() noexcept {
  const std::int64_t now_us = environment_.clock.steady_us();
  if (now_us >= tick_due_us_) {
    environment_.contexts.sweep(now_us);
    tick_due_us_ = now_us + kMicrosPerSecond;
    pulse_due_us_ = now_us;
  }
  if (now_us >= pulse_due_us_) {
    submissions_.pulse();
    pulse_due_us_ = now_us + Submissions::kPulseUs;
  }
}

void PlainWorker::turn() noexcept {
  for (std::size_t token = 0; token < kBatchMax; ++token) {
    requests_[token].reply = reply_pages_.bytes().subspan(token * kReplySizeMax, kReplySizeMax);
  }
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
                                                  int& error) noexcept {
  std::unique_ptr<PlainWorker> worker(new (std::nothrow)
                                          PlainWorker(submissions, desk, environment));
  error = worker == nullptr ? -ENOMEM : worker->open();
  if (error < 0) {
    return nullptr;
  }
  return worker;
}

}  // namespace usher::io
