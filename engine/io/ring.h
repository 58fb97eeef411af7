// A thin io_uring wrapper: typed operations in, typed completions out.
#pragma once

#include <liburing.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <span>

#include "engine/io/front_end.h"
#include "engine/slots/pages.h"
#include "parsers/bytes.h"

namespace usher::io {

inline constexpr unsigned kCompletionsPerReap = 128;

enum class Op : std::uint16_t { kReceive, kSend, kAccept, kCancel, kTick, kWake, kPulse };

// Ticket is what travels through the kernel in user_data: which operation, on whose behalf. The
// epoch tells a completion for a closed connection from one for its successor.
struct Ticket {
  ConnectionIndex connection{};  // For kAccept the listener's number.
  std::uint16_t epoch = 0;
  Op op{};

  friend bool operator==(const Ticket&, const Ticket&) = default;
};
static_assert(sizeof(Ticket) == sizeof(std::uint64_t));

// BufferIndex names one of the ring's receive buffers.
enum class BufferIndex : std::uint16_t {};

// Completion is one result. An operation with `more` is still armed and will complete again; any
// other is over. `has_buffer` obliges whoever reaps to give_back(buffer), whatever else is wrong.
struct Completion {
  Ticket ticket;
  int result = 0;  // Bytes, a file descriptor, or a negative errno.
  bool more = false;
  bool has_buffer = false;
  BufferIndex buffer{};
};

struct RingOptions {
  unsigned entries = 1024;           // Submissions that fit before one system call more is made.
  std::uint16_t buffer_count = 256;  // Receive buffers; a power of two.
  std::uint32_t buffer_size = 4096;  // Bytes each.

  // How much to ask of the kernel: 0 for everything, and each step down asks for less, as for older
  // kernels and for those that refuse. Tests start further down.
  unsigned first_fallback = 0;
};

// Ring is one io_uring owned by one thread. Operations are queued by the calls below and handed to
// the kernel by submit, so a worker makes one system call a turn. Memory that an operation names
// must stay until its completion has been reaped.
class Ring {
 public:
  // Needs Linux 6.0 for multishot receive.
  static constexpr unsigned kFallbackCount = 4;

  Ring() noexcept = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // open makes the ring and its receive buffers; 0 or a negative errno. Any thread.
  [[nodiscard]] int open(const RingOptions& options) noexcept;

  // own binds the ring to the calling thread, the only one that may use it from now on; 0 or a
  // negative errno. Comes before any of the calls below.
  [[nodiscard]] int own() noexcept;

  // Multishot: completes once a connection, `result` being its descriptor, until `more` is false.
  void accept(int listener, Ticket ticket) noexcept;

  // Multishot: completes once per arrival, with a buffer, until `more` is false. -ENOBUFS means
  // that every buffer was lent and it has to be armed again; 0 without a buffer means end of
  // stream.
  void receive(int fd, Ticket ticket) noexcept;

  // send may complete short; the caller sends the rest.
  void send(int fd, Bytes from, Ticket ticket) noexcept;

  // cancel ends what was armed under `target`, which then completes with -ECANCELED if it was not
  // over already. The cancellation itself completes under Op::kCancel.
  void cancel(Ticket target) noexcept;

  // tick completes once, a second after it is submitted.
  void tick(Ticket ticket) noexcept;

  // pulse completes once, Submissions::kPulseUs after it is submitted.
  void pulse(Ticket ticket) noexcept;

  // wake completes once `event_fd` has been written to.
  void wake(int event_fd, Ticket ticket) noexcept;

  // submit hands everything queued to the kernel and, if `wait`, sleeps until there is a
  // completion. Without it, it only collects those that are ready.
  void submit(bool wait) noexcept;

  // reap calls handle(const Completion&) for every completion that is ready, at most `limit`; the
  // rest keep. Returns how many there were.
  template <class Handle>
  unsigned reap(unsigned limit, Handle handle) noexcept {
    unsigned total = 0;
    std::array<io_uring_cqe*, kCompletionsPerReap> ready;
    while (total < limit) {
      const unsigned count = io_uring_peek_batch_cqe(&ring_, ready.data(),
                                                     std::min(limit - total, kCompletionsPerReap));
      if (count == 0) {
        break;
      }
      for (const io_uring_cqe* completion : std::span(ready).first(count)) {
        handle(typed(*completion));
      }
      io_uring_cq_advance(&ring_, count);
      total += count;
    }
    return total;
  }

  // received is what a completion with a buffer brought; its size is the completion's result.
  [[nodiscard]] Bytes received(const Completion& completion) const noexcept;

  // give_back lets the kernel fill a buffer again.
  void give_back(BufferIndex buffer) noexcept;

  // Buffers that completions brought and that were not given back yet.
  [[nodiscard]] std::uint32_t buffers_lent() const noexcept { return buffers_lent_; }

  // The fallback in use; RingOptions::first_fallback or a higher one.
  [[nodiscard]] unsigned fallback() const noexcept { return fallback_; }

 private:
  [[nodiscard]] int open_ring() noexcept;
  [[nodiscard]] int open_buffers() noexcept;
  [[nodiscard]] MutableBytes buffer(BufferIndex index) const noexcept;
  [[nodiscard]] io_uring_sqe* next_submission() noexcept;
  void timeout(const __kernel_timespec& interval, Ticket ticket) noexcept;
  Completion typed(const io_uring_cqe& raw) noexcept;

  io_uring ring_{};
  bool open_ = false;
  unsigned fallback_ = 0;
  RingOptions options_;
  Pages buffer_ring_pages_;
  Pages buffer_pages_;
  std::uint32_t buffers_lent_ = 0;
  std::uint64_t wake_count_ = 0;  // The kernel reads the eventfd into it.
};

}  // namespace usher::io
