// A connection's life, completion by completion; connections.h says what is promised.
#include "engine/io/connections.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/clock.h"

namespace usher::io {
namespace {

constexpr std::size_t kPage = 4096;

// A multishot receive hands over up to 32 buffers before it looks whether it has been cancelled
// (Linux 6.8 and later). Room for two such bursts lies behind every connection's input.
constexpr std::size_t kBurstSize = 256 * 1024;

constexpr std::int64_t kLingerSeconds = 2;
constexpr std::size_t kDroppedMax = 1024 * 1024;

// Input that grew beyond this is given back to the kernel when its connection ends.
constexpr std::size_t kInputKept = 32 * 1024;

constexpr std::size_t round_up(std::size_t size, std::size_t to) noexcept {
  return (size + to - 1) / to * to;
}

bool worth_retrying_at_once(int error) noexcept {
  return error == -ECANCELED || error == -ECONNABORTED || error == -EINTR || error == -EAGAIN;
}

}  // namespace

int Connections::make() noexcept {
  const std::size_t count = options_.connection_count;
  if (count == 0 || options_.listeners.size() > kListenersMax) {
    return -EINVAL;
  }
  input_stride_ = round_up(options_.input_size + kBurstSize, kPage);
  table_pages_ = Pages::map(count * sizeof(Connection));
  index_pages_ = Pages::map(2 * count * sizeof(ConnectionIndex));
  input_pages_ = Pages::map(count * input_stride_);
  output_pages_ = Pages::map(count * options_.output_size);
  if (table_pages_.empty() || index_pages_.empty() || input_pages_.empty() ||
      output_pages_.empty()) {
    return -ENOMEM;
  }
  auto* const table = reinterpret_cast<Connection*>(table_pages_.bytes().data());
  std::uninitialized_value_construct_n(table, count);
  table_ = {table, count};
  auto* const indices = reinterpret_cast<ConnectionIndex*>(index_pages_.bytes().data());
  std::uninitialized_value_construct_n(indices, 2 * count);
  free_ = std::span(indices, 2 * count).first(count);
  ready_.use(std::span(indices, 2 * count).last(count));
  for (std::size_t index = count; index-- > 0;) {
    free_[free_count_++] = ConnectionIndex(index);  // The lowest index is taken first.
  }
  for (const int fd : options_.listeners) {
    listeners_[listener_count_++].fd = fd;
  }
  return 0;
}

Connections::~Connections() {
  for (const Connection& connection : table_) {
    if (connection.fd >= 0) {
      ::close(connection.fd);
    }
  }
  for (const Parked& parked : std::span(parked_).first(parked_count_)) {
    ::close(parked.fd);
  }
}

Ticket Connections::ticket(ConnectionIndex index, Op op) const noexcept {
  return {.connection = index, .epoch = at(index).epoch, .op = op};
}

void Connections::set_deadline(ConnectionIndex index, std::int64_t seconds) noexcept {
  at(index).deadline_us = now_us_ + seconds * kMicrosPerSecond;
}

// Accepting.

void Connections::arm_accepts() noexcept {
  if (!accepting_ || free_count_ == 0) {
    return;
  }
  for (std::uint32_t number = 0; number < listener_count_; ++number) {
    Listener& listener = listeners_[number];
    if (!listener.armed && !listener.resting) {
      listener.armed = true;
      ++accepts_armed_;
      ring_.accept(listener.fd,
                   {.connection = ConnectionIndex(number), .epoch = 0, .op = Op::kAccept});
    }
  }
}

void Connections::pause_accepts() noexcept {
  for (std::uint32_t number = 0; number < listener_count_; ++number) {
    Listener& listener = listeners_[number];
    if (listener.armed && !listener.pausing) {
      listener.pausing = true;
      ring_.cancel({.connection = ConnectionIndex(number), .epoch = 0, .op = Op::kAccept});
    }
  }
}

void Connections::end_accepts() noexcept {
  accepting_ = false;
  pause_accepts();
}

void Connections::on_accept(const Completion& completion) noexcept {
  const auto number = std::uint32_t(completion.ticket.connection);
  Listener& listener = listeners_[number];
  if (!completion.more) {
    listener.armed = false;
    listener.pausing = false;
    --accepts_armed_;
  }
  const int fd = completion.result;
  if (fd < 0) {
    listener.resting = !worth_retrying_at_once(fd);
  } else if (free_count_ > 0 && !stopping_) {
    open(fd, number);
  } else if (parked_count_ < kParkedMax && !stopping_) {
    parked_[parked_count_++] = {.fd = fd, .listener = number};
  } else {
    ::close(fd);
  }
  if (free_count_ == 0) {
    pause_accepts();
  } else {
    arm_accepts();
  }
}

void Connections::open_parked() noexcept {
  while (free_count_ > 0 && parked_count_ > 0 && !stopping_) {
    const Parked oldest = parked_[0];
    std::ranges::move(std::span(parked_).subspan(1, parked_count_ - 1), parked_.begin());
    --parked_count_;
    open(oldest.fd, oldest.listener);
  }
}

void Connections::open(int fd, std::uint32_t listener) noexcept {
  const ConnectionIndex index = free_[--free_count_];
  Connection& connection = at(index);
  assert(connection.phase == Phase::kFree);
  // A predecessor's place on the ready list may still be there, after a turn whose batch was full.
  connection = {
      .fd = fd, .epoch = connection.epoch, .phase = Phase::kOpen, .queued = connection.queued};
  ++counts_.accepted;
  ++counts_.live;
  set_deadline(index, draining_ ? options_.request_s : options_.idle_s);
  events_.opened(index, listener);
  resume_receive(index);
}

// Receiving.

MutableBytes Connections::input_pages(ConnectionIndex index) const noexcept {
  return input_pages_.bytes().subspan(std::size_t(index) * input_stride_, input_stride_);
}

MutableBytes Connections::input(ConnectionIndex index) const noexcept {
  const Connection& connection = at(index);
  return input_pages(index).subspan(connection.begin, connection.end - connection.begin);
}

MutableBytes Connections::output(ConnectionIndex index) const noexcept {
  return output_pages_.bytes().subspan(std::size_t(index) * options_.output_size,
                                       options_.output_size);
}

bool Connections::full(ConnectionIndex index) const noexcept {
  return at(index).end - at(index).begin >= options_.input_size;
}

bool Connections::end_of_stream(ConnectionIndex index) const noexcept {
  return at(index).end_of_stream;
}

void Connections::resume_receive(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  const bool alive = connection.phase == Phase::kOpen || connection.phase == Phase::kLingering;
  if (alive && !connection.receiving && !connection.end_of_stream && !full(index)) {
    connection.receiving = true;
    ++connection.in_flight;
    ring_.receive(connection.fd, ticket(index, Op::kReceive));
  }
}

void Connections::pause_receive(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  if (connection.receiving && !connection.pausing) {
    connection.pausing = true;
    ring_.cancel(ticket(index, Op::kReceive));
  }
}

void Connections::move_to_front(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  const MutableBytes pages = input_pages(index);
  const std::size_t unread = connection.end - connection.begin;
  std::memmove(pages.data(), pages.subspan(connection.begin).data(), unread);
  connection.begin = 0;
  connection.end = unread;
}

// append keeps what has arrived; false if the peer is too far ahead.
bool Connections::append(ConnectionIndex index, Bytes bytes) noexcept {
  Connection& connection = at(index);
  const MutableBytes pages = input_pages(index);
  const std::size_t unread = connection.end - connection.begin;
  if (bytes.size() > pages.size() - unread) {
    return false;
  }
  if (bytes.size() > pages.size() - connection.end) {
    if (connection.waiting) {
      return false;
    }
    move_to_front(index);
  }
  std::ranges::copy(bytes, pages.subspan(connection.end).begin());
  connection.end += bytes.size();
  connection.high_water = std::max(connection.high_water, connection.end);
  if (unread == 0 && !connection.sending) {
    set_deadline(index, options_.request_s);
  }
  return true;
}

void Connections::take(ConnectionIndex index, Bytes bytes) noexcept {
  Connection& connection = at(index);
  if (connection.phase == Phase::kLingering) {
    connection.dropped += bytes.size();
    if (connection.dropped > kDroppedMax) {
      close(index);
    }
    return;
  }
  if (!append(index, bytes)) {
    ++counts_.overrun;
    return close(index);
  }
  if (full(index)) {
    pause_receive(index);
  }
  push_ready(index);
}

void Connections::on_receive(const Completion& completion) noexcept {
  const ConnectionIndex index = completion.ticket.connection;
  Connection& connection = at(index);
  const bool late = connection.phase == Phase::kFree || completion.ticket.epoch != connection.epoch;
  if (late) {
    ++counts_.late_completions;
  } else if (completion.has_buffer) {
    take(index, ring_.received(completion));
  }
  if (completion.has_buffer) {
    ring_.give_back(completion.buffer);
  }
  if (!completion.more && connection.phase != Phase::kFree) {
    connection.receiving = false;
    connection.pausing = false;
    --connection.in_flight;
  }
  if (connection.phase == Phase::kClosing) {
    release_if_over(index);
  } else if (!late) {
    after_receive(index, completion);
  }
}

void Connections::after_receive(ConnectionIndex index, const Completion& completion) noexcept {
  Connection& connection = at(index);
  const int result = completion.result;
  if (result == 0) {
    connection.end_of_stream = true;
    if (connection.phase == Phase::kLingering) {
      close(index);
    } else {
      push_ready(index);
    }
  } else if (result < 0 && result != -ENOBUFS && result != -ECANCELED) {
    close(index);
  } else if (!completion.more) {
    resume_receive(index);
  }
}

void Connections::push_ready(ConnectionIndex index) noexcept {
  if (!at(index).queued) {
    at(index).queued = true;
    ready_.push(index);
  }
}

bool Connections::pop_ready(ConnectionIndex& index) noexcept {
  while (ready_.size() > 0) {
    index = ready_.pop();
    at(index).queued = false;
    if (at(index).phase == Phase::kOpen && !at(index).sending && !at(index).waiting) {
      // A token in it may have to wait, and bytes behind it must find room without its being moved.
      if (at(index).begin > 0 && input_stride_ - at(index).end < kBurstSize) {
        move_to_front(index);
      }
      return true;
    }
  }
  return false;
}

// Answering.

void Connections::answer(ConnectionIndex index, const Outcome& outcome) noexcept {
  Connection& connection = at(index);
  assert(connection.phase == Phase::kOpen && !connection.sending);
  assert(outcome.consumed <= connection.end - connection.begin);
  connection.waiting = false;
  connection.begin += outcome.consumed;
  if (connection.begin == connection.end) {
    connection.begin = 0;
    connection.end = 0;
  }
  if (outcome.size > 0) {
    connection.sending = true;
    connection.sent = 0;
    connection.to_send = outcome.size;
    connection.close_after_send = outcome.close;
    ++connection.in_flight;
    set_deadline(index, options_.request_s);
    ring_.send(connection.fd, output(index).first(outcome.size), ticket(index, Op::kSend));
  } else if (outcome.close) {
    return finish(index);
  } else if (outcome.consumed > 0 && connection.end > 0) {
    push_ready(index);
  }
  resume_receive(index);
}

void Connections::wait(ConnectionIndex index, std::int64_t seconds) noexcept {
  assert(at(index).phase == Phase::kOpen && !at(index).sending);
  at(index).waiting = true;
  set_deadline(index, seconds);
}

void Connections::on_send(const Completion& completion) noexcept {
  const ConnectionIndex index = completion.ticket.connection;
  Connection& connection = at(index);
  if (connection.phase == Phase::kFree) {
    ++counts_.late_completions;
    return;
  }
  connection.sending = false;
  --connection.in_flight;
  if (completion.ticket.epoch != connection.epoch) {
    ++counts_.late_completions;
    return release_if_over(index);
  }
  if (completion.result <= 0) {
    return close(index);
  }
  connection.sent += static_cast<std::size_t>(completion.result);
  if (connection.sent < connection.to_send) {
    connection.sending = true;
    ++connection.in_flight;
    const Bytes rest = output(index).subspan(connection.sent, connection.to_send - connection.sent);
    return ring_.send(connection.fd, rest, ticket(index, Op::kSend));
  }
  sent_everything(index);
}

void Connections::sent_everything(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  ++counts_.answered;
  connection.answered = true;
  if (connection.close_after_send) {
    return finish(index);
  }
  if (connection.end > 0) {
    set_deadline(index, options_.request_s);
    return push_ready(index);
  }
  if (connection.end_of_stream || draining_) {
    return finish(index);
  }
  set_deadline(index, options_.idle_s);
}

// Ending.

void Connections::tell_closed(ConnectionIndex index) noexcept {
  if (at(index).phase == Phase::kOpen) {
    events_.closed(index);
  }
}

void Connections::finish(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  if (connection.end_of_stream) {
    return close(index);
  }
  assert(connection.phase == Phase::kOpen && !connection.sending);
  tell_closed(index);
  connection.phase = Phase::kLingering;
  connection.begin = 0;
  connection.end = 0;
  set_deadline(index, kLingerSeconds);
  shutdown(connection.fd, SHUT_WR);
  resume_receive(index);
}

void Connections::close(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  assert(connection.phase == Phase::kOpen || connection.phase == Phase::kLingering);
  tell_closed(index);
  if (connection.receiving) {
    ring_.cancel(ticket(index, Op::kReceive));
  }
  if (connection.in_flight > 0) {
    shutdown(connection.fd, SHUT_RDWR);  // Ends a send that waits for the peer.
  }
  connection.phase = Phase::kClosing;
  ++connection.epoch;  // From here on its completions are late ones.
  release_if_over(index);
}

void Connections::release_if_over(ConnectionIndex index) noexcept {
  Connection& connection = at(index);
  if (connection.phase != Phase::kClosing || connection.in_flight > 0) {
    return;
  }
  ::close(connection.fd);
  connection.fd = -1;
  connection.phase = Phase::kFree;
  if (connection.high_water > kInputKept) {
    const MutableBytes pages = input_pages(index);
    madvise(pages.data(), pages.size(), MADV_DONTNEED);
  }
  free_[free_count_++] = index;
  --counts_.live;
  open_parked();
  arm_accepts();
}

void Connections::sweep() noexcept {
  for (std::uint32_t number = 0; number < table_.size(); ++number) {
    const auto index = ConnectionIndex(number);
    const Connection& connection = at(index);
    if (connection.deadline_us > now_us_) {
      continue;
    }
    if (connection.phase == Phase::kLingering) {
      close(index);
    } else if (connection.phase == Phase::kOpen) {
      ++counts_.timed_out;
      const bool quiet = connection.end == 0 && !connection.sending;
      quiet ? finish(index) : close(index);
    }
  }
  for (Listener& listener : listeners_) {
    listener.resting = false;
  }
  arm_accepts();
}

void Connections::drain() noexcept {
  draining_ = true;
  end_accepts();
  for (std::uint32_t number = 0; number < table_.size(); ++number) {
    const auto index = ConnectionIndex(number);
    Connection& connection = at(index);
    if (connection.phase != Phase::kOpen || connection.sending || connection.end > 0) {
      continue;
    }
    if (connection.answered) {
      finish(index);
    } else {  // Its request may be on the way.
      const std::int64_t latest_us = now_us_ + options_.request_s * kMicrosPerSecond;
      connection.deadline_us = std::min(connection.deadline_us, latest_us);
    }
  }
}

void Connections::close_all() noexcept {
  stopping_ = true;
  end_accepts();
  for (std::uint32_t number = 0; number < table_.size(); ++number) {
    const Phase phase = table_[number].phase;
    if (phase == Phase::kOpen || phase == Phase::kLingering) {
      close(ConnectionIndex(number));
    }
  }
}

}  // namespace usher::io
