// The peers of one worker: their sockets, buffers and life from accept to close.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/io/front_end.h"
#include "engine/io/index_queue.h"
#include "engine/io/ring.h"
#include "engine/io/worker.h"
#include "engine/slots/pages.h"
#include "parsers/bytes.h"

namespace usher::io {

// Phase is where a connection is in its life. Its index goes to another peer only after kFree, and
// that comes only when no operation on its descriptor is in flight any more: a descriptor is never
// closed under an operation, so no operation ever meets another connection's.
enum class Phase : std::uint8_t {
  kFree,
  kOpen,
  kLingering,  // Everything is sent; what the peer still sends is dropped until it closes too.
  kClosing,    // Waiting for operations to end.
};

struct Connection {
  int fd = -1;
  std::uint16_t epoch = 0;
  std::uint8_t in_flight = 0;  // Receive and send.
  Phase phase = Phase::kFree;
  bool queued = false;         // On the ready list.
  bool receiving = false;      // A receive is armed.
  bool pausing = false;        // It has been cancelled and that has not completed yet.
  bool end_of_stream = false;  // The peer sends no more; it may still read.
  bool sending = false;
  bool waiting = false;  // For the verdict on a token: input must stay where it is.
  bool close_after_send = false;
  bool answered = false;  // At least once.
  std::size_t begin = 0;  // Input not consumed yet: input[begin, end).
  std::size_t end = 0;
  std::size_t high_water = 0;  // Bytes of input ever touched.
  std::size_t sent = 0;        // Of output[0, to_send).
  std::size_t to_send = 0;
  std::size_t dropped = 0;       // Bytes dropped while lingering.
  std::int64_t deadline_us = 0;  // Steady clock.
};

// ConnectionEvents is told what becomes of connections, on the worker's thread.
class ConnectionEvents {
 public:
  // As FrontEnd's.
  virtual void opened(ConnectionIndex connection, std::size_t listener) noexcept = 0;
  virtual void closed(ConnectionIndex connection) noexcept = 0;

 protected:
  ~ConnectionEvents() = default;
};

// Connections moves bytes and knows nothing of what they mean. One thread.
class Connections {
 public:
  Connections(const WorkerOptions& options, Ring& ring, ConnectionEvents& events,
              WorkerCounts& counts) noexcept
      : options_(options), ring_(ring), events_(events), counts_(counts) {}
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // make gets all memory; 0 or a negative errno.
  [[nodiscard]] int make() noexcept;

  // The current turn's time; every deadline is made from it.
  void set_now(std::int64_t steady_us) noexcept { now_us_ = steady_us; }

  // arm_accepts begins or resumes accepting if there is room for a connection.
  void arm_accepts() noexcept;
  // end_accepts ends accepting for good.
  void end_accepts() noexcept;

  void on_accept(const Completion& completion) noexcept;
  void on_receive(const Completion& completion) noexcept;
  void on_send(const Completion& completion) noexcept;

  // ready: connections with input that has not been looked at. pop skips those that are busy
  // sending: they come back when they are not. False if there is none.
  [[nodiscard]] std::size_t ready_count() const noexcept { return ready_.size(); }
  [[nodiscard]] bool pop_ready(ConnectionIndex& index) noexcept;
  void push_ready(ConnectionIndex index) noexcept;

  [[nodiscard]] MutableBytes input(ConnectionIndex index) const noexcept;
  [[nodiscard]] MutableBytes output(ConnectionIndex index) const noexcept;
  [[nodiscard]] bool full(ConnectionIndex index) const noexcept;
  [[nodiscard]] bool end_of_stream(ConnectionIndex index) const noexcept;

  // answer consumes input and sends the front of output(index). Without anything to send it only
  // consumes, or closes.
  struct Outcome {
    std::size_t consumed = 0;
    std::size_t size = 0;
    bool close = false;
  };
  void answer(ConnectionIndex index, const Outcome& outcome) noexcept;

  // wait leaves input where it is, and looks at no more of it, until answer is called. What the
  // peer sends meanwhile is kept behind it.
  void wait(ConnectionIndex index, std::int64_t seconds) noexcept;

  // close ends a connection now. finish ends it once the peer has had the time to read what was
  // sent: closing over unread input would make the kernel throw away the answer (RFC 9112 9.6).
  void close(ConnectionIndex index) noexcept;
  void finish(ConnectionIndex index) noexcept;

  // sweep closes what is overdue. Called about once a second.
  void sweep() noexcept;

  // drain closes connections as soon as they owe no answer; close_all closes every one.
  void drain() noexcept;
  void close_all() noexcept;

  // Armed accepts and live connections: what still will complete.
  [[nodiscard]] bool idle() const noexcept { return counts_.live == 0 && accepts_armed_ == 0; }

 private:
  struct Listener {
    int fd = -1;
    bool armed = false;
    bool pausing = false;
    bool resting = false;  // Out of descriptors or memory; tried again at the next sweep.
  };
  struct Parked {
    int fd = -1;
    std::uint32_t listener = 0;
  };
  // Accepts that were under way when the last connection was taken wait here.
  static constexpr std::size_t kParkedMax = 256;

  Connection& at(ConnectionIndex index) noexcept { return table_[std::size_t(index)]; }
  const Connection& at(ConnectionIndex index) const noexcept { return table_[std::size_t(index)]; }
  [[nodiscard]] MutableBytes input_pages(ConnectionIndex index) const noexcept;
  [[nodiscard]] Ticket ticket(ConnectionIndex index, Op op) const noexcept;

  void pause_accepts() noexcept;
  void open(int fd, std::uint32_t listener) noexcept;
  void open_parked() noexcept;
  void move_to_front(ConnectionIndex index) noexcept;
  [[nodiscard]] bool append(ConnectionIndex index, Bytes bytes) noexcept;
  void resume_receive(ConnectionIndex index) noexcept;
  void pause_receive(ConnectionIndex index) noexcept;
  void take(ConnectionIndex index, Bytes bytes) noexcept;
  void after_receive(ConnectionIndex index, const Completion& completion) noexcept;
  void sent_everything(ConnectionIndex index) noexcept;
  void tell_closed(ConnectionIndex index) noexcept;
  void release_if_over(ConnectionIndex index) noexcept;
  void set_deadline(ConnectionIndex index, std::int64_t seconds) noexcept;

  const WorkerOptions& options_;
  Ring& ring_;
  ConnectionEvents& events_;
  WorkerCounts& counts_;

  Pages table_pages_;
  Pages index_pages_;
  Pages input_pages_;
  Pages output_pages_;
  std::size_t input_stride_ = 0;
  std::span<Connection> table_;
  std::span<ConnectionIndex> free_;  // A stack of free_count_ indices.
  std::size_t free_count_ = 0;
  IndexQueue ready_;
  std::array<Listener, kListenersMax> listeners_{};
  std::size_t listener_count_ = 0;
  std::size_t accepts_armed_ = 0;
  std::array<Parked, kParkedMax> parked_{};
  std::size_t parked_count_ = 0;
  bool accepting_ = true;
  bool draining_ = false;
  bool stopping_ = false;
  std::int64_t now_us_ = 0;
};

}  // namespace usher::io
