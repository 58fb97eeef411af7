// A worker: one thread, one ring, one turn of the pipeline after another.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/auth/accept.h"
#include "engine/io/front_end.h"
#include "engine/io/submissions.h"
#include "engine/limits.h"
#include "engine/slots/pages.h"
#include "parsers/bytes.h"

namespace usher::io {

inline constexpr std::size_t kListenersMax = 16;

struct WorkerOptions {
  // Listening stream sockets, at most kListenersMax; several workers may share them. The list is
  // copied by make.
  std::span<const int> listeners{};
  std::uint32_t connection_count = 1024;  // Peers at once; when all are taken, accepting pauses.
  std::size_t input_size = 192 * 1024;    // Bytes of one request, and then some pipelined ones.
  std::size_t output_size = 16 * 1024;    // Bytes of one answer.
  std::int64_t idle_s = 60;               // How long a connection may be silent between requests.
  std::int64_t request_s = 5;  // From a request's first byte to its last, and for taking an answer.
  std::int64_t drain_s = 10;   // How long drain() waits for requests that have begun.
  unsigned first_fallback = 0;  // See RingOptions.

  // Other threads' tokens, which share turns with those of connections; null: none. Borrowed; its
  // `open` is called by make.
  Submissions* submissions = nullptr;
};

// WorkerCounts tells what a worker has done. Read it from the worker's thread, or after run().
struct WorkerCounts {
  std::uint64_t accepted = 0;          // Connections.
  std::uint64_t answered = 0;          // Answers sent entirely.
  std::uint64_t tokens = 0;            // Tokens given to the acceptor, and
  std::uint64_t batches = 0;           // in how many calls.
  std::uint64_t late_completions = 0;  // Completions that arrived after their connection's end.
  std::uint64_t timed_out = 0;         // Connections closed for being too slow or too quiet.
  std::uint64_t overrun = 0;           // Connections closed for sending far ahead of the answers.
  std::uint32_t live = 0;              // Connections now.
  std::uint32_t buffers_lent = 0;      // Receive buffers not given back: 0 between turns.
};

// Worker serves the connections of its listeners, if it has any, and submissions. All memory is had
// by make; nothing allocates later. Receive buffers of idle connections are untouched pages.
class Worker {
 public:
  // make returns null and a negative errno in `error` if the kernel refuses something. Everything
  // passed but the options is borrowed and outlives the worker; `desk` is for this worker alone.
  [[nodiscard]] static std::unique_ptr<Worker> make(const WorkerOptions& options, auth::Desk& desk,
                                                    const auth::Environment& environment,
                                                    FrontEnd& front_end, int& error) noexcept;

  // make_without_ring makes one that has submissions only. It needs neither io_uring, which old
  // kernels lack and sandboxes forbid, nor any descriptor, and is woken by a futex, which costs
  // less than an eventfd that a ring reads. With `several_processors` it waits awake for up to
  // Spin::kLimitUs when work has been coming that close (io/spin.h).
  [[nodiscard]] static std::unique_ptr<Worker> make_without_ring(
      Submissions& submissions, auth::Desk& desk, const auth::Environment& environment,
      bool several_processors, int& error) noexcept;

  virtual ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // run serves on the calling thread until stop or drain; 0 or a negative errno if it could not
  // begin. Once only.
  [[nodiscard]] virtual int run() noexcept = 0;

  // stop ends run at once; drain ends it when the requests that have begun are answered, or after
  // drain_s. Any thread, also from a signal handler.
  virtual void stop() noexcept = 0;
  virtual void drain() noexcept = 0;

  [[nodiscard]] virtual WorkerCounts counts() const noexcept = 0;

 protected:
  Worker() = default;
};

}  // namespace usher::io
