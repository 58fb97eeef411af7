// The turn: completions put work on lists, then each stage runs once over its list.
#include "engine/io/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <new>

#include "engine/clock.h"
#include "engine/io/connections.h"
#include "engine/io/waiting_room.h"

namespace usher::io {
namespace {

constexpr unsigned kCompletionsPerTurn = 1024;
constexpr unsigned kEntriesMax = 32768;  // The kernel's own limit.

// Every connection may receive, send and cancel in one turn without a system call more.
unsigned entries_for(std::uint32_t connection_count) noexcept {
  const std::uint64_t operations = std::uint64_t{connection_count} * 3 + 2 * kListenersMax + 2;
  return static_cast<unsigned>(std::bit_ceil(std::min<std::uint64_t>(operations, kEntriesMax)));
}

std::uint16_t buffers_for(std::uint32_t connection_count) noexcept {
  return std::bit_ceil(
      static_cast<std::uint16_t>(std::clamp<std::uint32_t>(connection_count, 16, 512)));
}

class RingWorker final : public Worker, private ConnectionEvents, private Waker {
 public:
  RingWorker(const WorkerOptions& options, auth::Desk& desk, const auth::Environment& environment,
             FrontEnd& front_end) noexcept
      : options_(options), desk_(desk), environment_(environment), front_end_(front_end) {}
  ~RingWorker() override;

  [[nodiscard]] int open() noexcept;
  [[nodiscard]] int run() noexcept override;
  void stop() noexcept override { request(stop_requested_); }
  void drain() noexcept override { request(drain_requested_); }
  [[nodiscard]] WorkerCounts counts() const noexcept override;

 private:
  void request(std::atomic<bool>& what) noexcept;
  void wake() noexcept override;
  void heed_requests() noexcept;
  void begin_stop() noexcept;
  void arm_tick() noexcept;
  void arm_wake() noexcept;

  void opened(ConnectionIndex connection, std::size_t listener) noexcept override;
  void closed(ConnectionIndex connection) noexcept override;

  void turn() noexcept;
  void submit() noexcept;
  void arm_pulse() noexcept;
  void take_submissions(std::int64_t now_us) noexcept;
  void resume_answered() noexcept;
  void reap_completions() noexcept;
  void dispatch(const Completion& completion) noexcept;
  void frame_input() noexcept;
  void frame_one(ConnectionIndex index) noexcept;
  void accept_tokens() noexcept;
  void send_answers() noexcept;
  void wait(ConnectionIndex index, std::size_t token) noexcept;
  [[nodiscard]] MutableBytes reply_room(std::size_t token) const noexcept {
    return reply_pages_.bytes().subspan(token * kReplySizeMax, kReplySizeMax);
  }
  void on_tick() noexcept;

  WorkerOptions options_;
  auth::Desk& desk_;
  const auth::Environment& environment_;
  FrontEnd& front_end_;

  WorkerCounts counts_;
  Ring ring_;
  int event_fd_ = -1;
  WaitingRoom waiting_;
  Connections connections_{options_, ring_, *this, counts_};
  std::atomic<bool> stop_requested_{false};
  std::atomic<bool> drain_requested_{false};
  static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers set it");
  bool stopping_ = false;
  bool draining_ = false;
  std::int64_t drain_until_us_ = 0;
  unsigned armed_ = 0;  // Tick, wake and pulse,
  bool pulse_armed_ = false;
  std::int64_t pulse_due_us_ = 0;

  // The turn's tokens, submitted ones first: token n is connection framed_[n]'s, and its front end
  // consumed so much.
  Pages reply_pages_;
  std::size_t submitted_count_ = 0;
  std::size_t token_count_ = 0;
  std::array<ConnectionIndex, kBatchMax> framed_{};
  std::array<std::size_t, kBatchMax> consumed_{};
  std::array<Waiting, kBatchMax> resumed_{};  // Whose second call it is; nobody's otherwise.
  std::array<auth::AcceptRequest, kBatchMax> requests_{};
  std::array<auth::AcceptReply, kBatchMax> replies_{};
};

RingWorker::~RingWorker() {
  if (event_fd_ >= 0) {
    waiting_.settle();  // Whoever answers now writes to it.
    ::close(event_fd_);
  }
}

int RingWorker::open() noexcept {
  event_fd_ = eventfd(0, EFD_CLOEXEC);
  if (event_fd_ < 0) {
    return -errno;
  }
  reply_pages_ = Pages::map(kBatchMax * kReplySizeMax);
  if (reply_pages_.empty()) {
    return -ENOMEM;
  }
  int result = waiting_.make(options_.connection_count, *this);
  if (result < 0) {
    return result;
  }
  result = ring_.open({.entries = entries_for(options_.connection_count),
                       .buffer_count = buffers_for(options_.connection_count),
                       .first_fallback = options_.first_fallback});
  result = result < 0 ? result : connections_.make();
  if (result >= 0 && options_.submissions != nullptr) {
    options_.submissions->open(*this);
  }
  return result;
}

// An eventfd write and a lock-free store are all there is, so a signal handler may call it.
void RingWorker::request(std::atomic<bool>& what) noexcept {
  what.store(true, std::memory_order_release);
  wake();
}

void RingWorker::wake() noexcept {
  const std::uint64_t one = 1;
  const int saved_errno = errno;
  [[maybe_unused]] const ssize_t written = write(event_fd_, &one, sizeof one);
  errno = saved_errno;
}

int RingWorker::run() noexcept {
  const int result = ring_.own();
  if (result < 0) {
    return result;
  }
  connections_.set_now(environment_.clock.steady_us());
  arm_tick();
  arm_wake();
  connections_.arm_accepts();
  while (!stopping_ || armed_ > 0 || !connections_.idle()) {
    turn();
  }
  return 0;
}

// One turn. The batch grows with the load by itself: one token when idle, kBatchMax when busy.
void RingWorker::turn() noexcept {
  submit();
  const std::int64_t now_us = environment_.clock.steady_us();
  connections_.set_now(now_us);
  reap_completions();  // 1 receive
  heed_requests();
  token_count_ = 0;
  take_submissions(now_us);
  resume_answered();
  frame_input();    // 2 frame
  accept_tokens();  // 3 to 10
  send_answers();
}

void RingWorker::submit() noexcept {
  const bool idle = connections_.ready_count() == 0 && !waiting_.any_due();
  Submissions* const submissions = options_.submissions;
  if (submissions == nullptr) {
    return ring_.submit(idle);
  }
  if (!idle || submissions->any()) {
    return ring_.submit(false);
  }
  const bool sleep = submissions->lie_down();
  if (sleep) {
    arm_pulse();
  }
  ring_.submit(sleep);
  submissions->get_up();
}

// Submissions share the turn with connections: each gets half of it at least.
void RingWorker::take_submissions(std::int64_t now_us) noexcept {
  submitted_count_ = 0;
  if (options_.submissions == nullptr) {
    return;
  }
  // By the clock of the turn, whatever keeps the worker from sleeping.
  if (now_us >= pulse_due_us_) {
    pulse_due_us_ = now_us + Submissions::kPulseUs;
    options_.submissions->pulse();
  }
  const std::size_t room = options_.listeners.empty() ? kBatchMax : kBatchMax / 2;
  for (std::size_t token = 0; token < room; ++token) {
    requests_[token].reply = reply_room(token);
  }
  submitted_count_ = options_.submissions->take(desk_, std::span(requests_).first(room));
  token_count_ = submitted_count_;
}

void RingWorker::reap_completions() noexcept {
  ring_.reap(kCompletionsPerTurn, [this](const Completion& completion) { dispatch(completion); });
}

void RingWorker::dispatch(const Completion& completion) noexcept {
  switch (completion.ticket.op) {
    case Op::kReceive:
      return connections_.on_receive(completion);
    case Op::kSend:
      return connections_.on_send(completion);
    case Op::kAccept:
      return connections_.on_accept(completion);
    case Op::kCancel:
      return;  // What was cancelled completes by itself.
    case Op::kTick:
      --armed_;
      return on_tick();
    case Op::kWake:
      --armed_;
      return arm_wake();
    case Op::kPulse:
      --armed_;  // It has ended the sleep: what is due, the turn sees.
      pulse_armed_ = false;
      return;
  }
}

void RingWorker::arm_tick() noexcept {
  if (!stopping_) {
    ++armed_;
    ring_.tick({.connection = {}, .epoch = 0, .op = Op::kTick});
  }
}

void RingWorker::arm_wake() noexcept {
  if (!stopping_) {
    ++armed_;
    ring_.wake(event_fd_, {.connection = {}, .epoch = 0, .op = Op::kWake});
  }
}

void RingWorker::arm_pulse() noexcept {
  if (!stopping_ && !pulse_armed_ && options_.submissions->impatient()) {
    ++armed_;
    pulse_armed_ = true;
    ring_.pulse({.connection = {}, .epoch = 0, .op = Op::kPulse});
  }
}

void RingWorker::on_tick() noexcept {
  const std::int64_t now_us = environment_.clock.steady_us();
  environment_.contexts.sweep(now_us);
  front_end_.tick();
  connections_.sweep();
  waiting_.expire(now_us, kMicrosPerSecond);
  if (draining_ && now_us >= drain_until_us_) {
    begin_stop();
  }
  arm_tick();
}

void RingWorker::heed_requests() noexcept {
  if (stop_requested_.load(std::memory_order_acquire)) {
    begin_stop();
  } else if (!draining_ && drain_requested_.load(std::memory_order_acquire)) {
    draining_ = true;
    drain_until_us_ = environment_.clock.steady_us() + options_.drain_s * kMicrosPerSecond;
    connections_.drain();
  }
  if (draining_ && connections_.idle()) {
    begin_stop();
  }
}

void RingWorker::begin_stop() noexcept {
  if (!stopping_) {
    stopping_ = true;
    connections_.close_all();
    ring_.cancel({.connection = {}, .epoch = 0, .op = Op::kTick});
    ring_.cancel({.connection = {}, .epoch = 0, .op = Op::kWake});
    if (pulse_armed_) {
      ring_.cancel({.connection = {}, .epoch = 0, .op = Op::kPulse});
    }
  }
}

void RingWorker::opened(ConnectionIndex connection, std::size_t listener) noexcept {
  front_end_.opened(connection, listener);
}

void RingWorker::closed(ConnectionIndex connection) noexcept {
  Status status = Status::kContinue;
  Pinned<auth::Context> context = environment_.contexts.pin(waiting_.leave(connection), status);
  if (context) {
    environment_.contexts.release(context);
  }
  front_end_.closed(connection);
}

// Tokens whose authority has answered, or has let its deadline pass, go through the stages again.
void RingWorker::resume_answered() noexcept {
  waiting_.collect();
  ConnectionIndex index{};
  while (token_count_ < kBatchMax && waiting_.next(index, resumed_[token_count_])) {
    Waiting& waiting = resumed_[token_count_];
    waiting.request.reply = reply_room(token_count_);
    requests_[token_count_] = waiting.request;
    framed_[token_count_] = index;
    consumed_[token_count_] = waiting.consumed;
    ++token_count_;
  }
}

void RingWorker::frame_input() noexcept {
  ConnectionIndex index{};
  // Those that become ready meanwhile, and those that no longer fit the batch, wait for a turn.
  for (std::size_t left = connections_.ready_count(); left > 0 && token_count_ < kBatchMax;
       --left) {
    if (!connections_.pop_ready(index)) {
      return;
    }
    frame_one(index);
  }
}

void RingWorker::frame_one(ConnectionIndex index) noexcept {
  const MutableBytes input = connections_.input(index);
  if (input.empty()) {
    if (connections_.end_of_stream(index)) {
      connections_.close(index);
    }
    return;
  }
  auth::AcceptRequest& request = requests_[token_count_];
  request = {};
  request.reply = reply_room(token_count_);
  request.asker = &waiting_;
  request.tag = std::uint64_t(index);
  const FrontEnd::Framed framed =
      front_end_.frame(index, input, connections_.full(index), request, connections_.output(index));
  switch (framed.framing) {
    case FrontEnd::Framing::kIncomplete:
      if (connections_.full(index) || connections_.end_of_stream(index)) {
        connections_.close(index);
      }
      return;
    case FrontEnd::Framing::kToken:
      framed_[token_count_] = index;
      consumed_[token_count_] = framed.consumed;
      resumed_[token_count_] = {};
      ++token_count_;
      return;
    case FrontEnd::Framing::kAnswered:
      return connections_.answer(
          index, {.consumed = framed.consumed, .size = framed.answer_size, .close = framed.close});
  }
}

void RingWorker::accept_tokens() noexcept {
  if (token_count_ > 0) {
    counts_.tokens += token_count_;
    ++counts_.batches;
    auth::accept(desk_, environment_, std::span(requests_).first(token_count_),
                 std::span(replies_).first(token_count_));
  }
}

void RingWorker::send_answers() noexcept {
  if (submitted_count_ > 0) {
    options_.submissions->finish(std::span(requests_).first(submitted_count_),
                                 std::span(replies_).first(submitted_count_));
  }
  for (std::size_t token = submitted_count_; token < token_count_; ++token) {
    const ConnectionIndex index = framed_[token];
    WaitingRoom::done(resumed_[token]);
    if (replies_[token].verdict.status == Status::kAsked) {
      wait(index, token);
      continue;
    }
    const FrontEnd::Answer answer =
        front_end_.answer(index, requests_[token], replies_[token], connections_.output(index));
    connections_.answer(index,
                        {.consumed = consumed_[token], .size = answer.size, .close = answer.close});
  }
}

void RingWorker::wait(ConnectionIndex index, std::size_t token) noexcept {
  const auth::Authority& authority = *requests_[token].credential->authority;
  requests_[token].context = replies_[token].context;
  waiting_.enter(index, requests_[token], *replies_[token].inquiry, consumed_[token],
                 environment_.clock.steady_us());
  // The authority's deadline is the waiting room's business; this one is further away.
  connections_.wait(index, authority.deadline_us() / kMicrosPerSecond + options_.request_s);
}

WorkerCounts RingWorker::counts() const noexcept {
  WorkerCounts counts = counts_;
  counts.buffers_lent = ring_.buffers_lent();
  return counts;
}

}  // namespace

std::unique_ptr<Worker> Worker::make(const WorkerOptions& options, auth::Desk& desk,
                                     const auth::Environment& environment, FrontEnd& front_end,
                                     int& error) noexcept {
  std::unique_ptr<RingWorker> worker(new (std::nothrow)
                                         RingWorker(options, desk, environment, front_end));
  error = worker == nullptr ? -ENOMEM : worker->open();
  if (error < 0) {
    return nullptr;
  }
  return worker;
}

}  // namespace usher::io
