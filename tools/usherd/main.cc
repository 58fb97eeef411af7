// usherd: answers over HTTP who signs on. Flags and file, then a loop over signals.
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "tools/usherd/config.h"
#include "tools/usherd/daemon.h"
#include "tools/usherd/listen.h"

namespace {

constexpr int kBadConfiguration = 2;
constexpr int kFailed = 1;
constexpr int kWorkerEnded = SIGUSR1;
constexpr std::size_t kLogLinesQueued = 8192;

// Lines go through a queue that drops the oldest: a log that nobody reads stops no sign-on.
std::shared_ptr<spdlog::logger> make_logger(const std::string& level) {
  spdlog::init_thread_pool(kLogLinesQueued, 1);
  auto logger = std::make_shared<spdlog::async_logger>(
      "usherd", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  logger->set_level(spdlog::level::from_str(level));
  return logger;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define USHERD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define USHERD_SANITIZED 1
#endif
#endif

// Keys are in this process's memory: not for core files, not for other processes of its user, and
// not for programs it might be made to run. A core limit of 0 does not stop a core that is piped to
// a handler; being undumpable does. Leak checkers attach as other processes do, so not for them.
void harden() {
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &no_core);
#ifndef USHERD_SANITIZED
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// A connection takes a descriptor; the usual soft limit of 1024 is for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// block_signals leaves the signals that matter to the loop in serve(), for all threads made later.
sigset_t block_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGHUP, SIGINT, SIGTERM, kWorkerEnded}) {
    sigaddset(&signals, number);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Signals is where blocked signals arrive.
class Signals {
 public:
  explicit Signals(const sigset_t& signals)
      : descriptor_(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC)) {
    if (descriptor_ < 0) {
      throw std::system_error(errno, std::generic_category(), "signalfd");
    }
  }
  ~Signals() { close(descriptor_); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // next returns a signal's number; 0: there is none.
  [[nodiscard]] int next() const {
    signalfd_siginfo signal{};
    return read(descriptor_, &signal, sizeof signal) == sizeof signal
               ? static_cast<int>(signal.ssi_signo)
               : 0;
  }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

// serve runs until the workers have ended: the first SIGTERM or SIGINT drains, the second stops.
void serve(usherd::Daemon& daemon, usherd::Listeners& listeners, const sigset_t& blocked,
           spdlog::logger& logger) {
  const Signals signals(blocked);
  bool draining = false;
  while (daemon.running()) {
    std::array<pollfd, 2> ready{
        {{.fd = signals.descriptor(), .events = POLLIN, .revents = 0},
         {.fd = daemon.watch_descriptor(), .events = POLLIN, .revents = 0}}};
    poll(ready.data(), ready.size(), daemon.tick());
    if (ready[1].revents != 0) {
      daemon.files_happened();
    }
    while (const int number = signals.next()) {
      if (number == SIGHUP) {
        daemon.reload();
      } else if (number != kWorkerEnded && !draining) {
        draining = true;
        daemon.drain();
        listeners.refuse_more();
        logger.info("draining");
      } else if (number != kWorkerEnded) {
        daemon.stop();
      }
    }
  }
}

// complain writes a line at once, so that the log's thread cannot write into it.
void complain(const std::string& error) { std::cerr << ("usherd: " + error + "\n"); }

int run(const usherd::Config& config, const sigset_t& signals, spdlog::logger& logger) {
  usherd::Daemon daemon(config, logger);
  std::string error = daemon.open();
  if (error.empty() && config.check_only) {
    error = usherd::Listeners::check(config);
  }
  if (!error.empty()) {
    complain(error);
    return kBadConfiguration;
  }
  if (config.check_only) {
    std::cout << "usherd: configuration is good\n";
    return 0;
  }
  usherd::Listeners listeners;
  error = listeners.open(config);
  if (error.empty()) {
    error = daemon.start(listeners.sockets(), kWorkerEnded);
  }
  if (!error.empty()) {
    complain(error);
    return kFailed;
  }
  for (const std::string& name : listeners.names()) {
    std::cerr << ("listening on " + name + "\n");
  }
  serve(daemon, listeners, signals, logger);
  const int exit_code = daemon.join() ? 0 : kFailed;
  logger.flush();
  daemon.close(exit_code);
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = 0;
  try {
    harden();
    const auto config = usherd::load_config(argc, argv, std::cout, std::cerr, exit_code);
    if (config) {
      raise_descriptor_limit();
      const sigset_t signals = block_signals();  // Before the log's thread is made.
      const auto logger = make_logger(config->log_level);
      exit_code = run(*config, signals, *logger);
      logger->flush();
      spdlog::shutdown();
    }
  } catch (const std::exception& error) {
    std::cerr << "usherd: " << error.what() << "\n";
    exit_code = kFailed;
  }
  return exit_code;
}
