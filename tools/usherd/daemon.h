// The running daemon: an engine, a credential, and one worker and front end for each thread.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/io/worker.h"
#include "tools/usherd/config.h"
#include "tools/usherd/context_table.h"
#include "tools/usherd/http_front_end.h"
#include "tools/usherd/key_watch.h"
#include "tools/usherd/keys.h"
#include "tools/usherd/verdict_log.h"

namespace usherd {

// Daemon is used by one thread, which makes it, starts it, and tells it what signals came.
class Daemon {
 public:
  Daemon(const Config& config, spdlog::logger& logger) : config_(config), logger_(logger) {}
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // open loads keys and gets all memory; returns an empty string, or what went wrong.
  [[nodiscard]] std::string open();

  // start makes the workers and runs each on a thread; returns an empty string, or what went wrong.
  // When a worker ends, its thread sends the process `end_signal`.
  [[nodiscard]] std::string start(const std::vector<int>& listeners, int end_signal);

  // reload reads keytab and accounts again. Later sign-ons use what was read; connections do not
  // notice. If anything is wrong the old ones stay.
  void reload();

  // watch_descriptor is readable when keytab or accounts may have changed: then call
  // files_happened. -1: there is no such descriptor, and tick() notices within a minute.
  [[nodiscard]] int watch_descriptor() const noexcept { return watch_->descriptor(); }
  void files_happened() { watch_->read_events(std::chrono::steady_clock::now()); }

  // tick does what is due: reloads files that have changed, and once a minute logs what the replay
  // cache refused and what the ticket cache was good for. Returns how many milliseconds it may wait
  // until the next one.
  [[nodiscard]] int tick();

  // drain lets requests that have begun be answered; stop does not.
  void drain();
  void stop();

  [[nodiscard]] bool running() const noexcept { return running_.load() > 0; }

  // join waits for the threads and logs the last minute; true if every worker did what it should.
  [[nodiscard]] bool join();

  // close ends what join has left, at the end of the process. An authority may keep threads of ours
  // for minutes, as long as a hanging winbindd does; then the process ends with `exit_code` after a
  // few seconds, everything else having been closed in order.
  void close(int exit_code);

 private:
  void load_again();
  [[nodiscard]] usher::SeenCounts ticket_counts() const noexcept;
  struct Seat {
    std::unique_ptr<usher::Desk> desk;
    std::unique_ptr<HttpFrontEnd> front_end;
    std::unique_ptr<usher::io::Worker> worker;
    std::thread thread;
  };

  const Config& config_;
  spdlog::logger& logger_;
  VerdictLog verdicts_{logger_};
  std::unique_ptr<usher::Engine> engine_;
  std::unique_ptr<usher::Credential> credential_;
  std::unique_ptr<ContextTable> table_;
  std::unique_ptr<KeyWatch> watch_;
  std::string failure_;  // Why the last reload failed, so that it is said once for a change.
  std::chrono::steady_clock::time_point minute_ = std::chrono::steady_clock::now();
  std::vector<Seat> seats_;
  std::atomic<int> running_{0};
  std::atomic<bool> failed_{false};
};

}  // namespace usherd
