// Puts the parts together; daemon.h says what is promised.
#include "tools/usherd/daemon.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>
#include <system_error>
#include <utility>

#include "engine/auth/winbind.h"
#include "tools/usherd/folder.h"

namespace usherd {
namespace {

constexpr std::uint64_t kHeaderSize = 4096;  // Of a replay file.

bool is_missing(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) != 0 && errno == ENOENT;
}

// fault_of_new_replay_file says why the replay file, of which there is none, could not be made.
std::string fault_of_new_replay_file(const Config& config) {
  const auto entries = static_cast<std::uint64_t>(config.replay_entries);
  const std::string fault = fault_of_folder(
      config.replay_file, kHeaderSize + std::bit_ceil(entries) * sizeof(usher::ReplayCache::Place));
  return fault.empty() ? fault : "replay file " + config.replay_file + ": cannot be made: " + fault;
}

}  // namespace

std::string Daemon::open() {
  watch_ = std::make_unique<KeyWatch>(key_files(config_));  // Before the files are read.
  LoadedKeys loaded = load_keys(config_);
  if (!loaded.keys) {
    return loaded.error;
  }
  if (!loaded.summary.empty()) {
    logger_.info("{}", loaded.summary);
  }
  credential_ = std::make_unique<usher::Credential>(config_.package, std::move(loaded.keys));
  credential_->allow_kerberos = config_.allow_kerberos;
  credential_->allow_ntlm = config_.allow_ntlm;
  credential_->policy = config_.policy;
  credential_->target = config_.ntlm;
  if (!config_.authority.empty()) {
    if (const char* const fault = usher::auth::take_domain_names(credential_->target);
        fault != nullptr) {
      return std::string("authority: ") + fault;
    }
    credential_->authority = usher::auth::make_asking_threads(
        {.threads = static_cast<std::size_t>(config_.authority_threads),
         .inquiries_max = static_cast<std::size_t>(config_.authority_questions),
         .deadline_ms = config_.authority_seconds * 1000},
        usher::auth::make_winbind_answerer);
    if (credential_->authority == nullptr) {
      return "authority: no threads or no memory to ask winbindd with";
    }
    logger_.info("authority {}: the domain calls this machine {}\\{}", config_.authority,
                 credential_->target.netbios_domain, credential_->target.netbios_computer);
  }

  usher::EngineOptions options;
  options.slot_count = static_cast<std::uint32_t>(config_.slots);
  options.half_open_s = config_.half_open_seconds;
  options.replay_entry_count = static_cast<std::uint32_t>(config_.replay_entries);
  options.ticket_count =
      config_.policy.cache_tickets ? static_cast<std::uint32_t>(config_.ticket_entries) : 0;
  options.skew_max_s = std::max(options.skew_max_s, config_.policy.skew_s);
  options.replay_file = config_.replay_file.empty() ? nullptr : config_.replay_file.c_str();
  if (config_.check_only && options.replay_file != nullptr && is_missing(config_.replay_file)) {
    options.replay_file = nullptr;  // To check is not to make a file.
    std::string fault = fault_of_new_replay_file(config_);
    if (!fault.empty()) {
      return fault;
    }
  }
  usher::ReplayFile::Reason why_not{};
  engine_ = usher::Engine::make(options, &why_not);
  if (!engine_) {
    return why_not[0] != '\0' ? why_not.data()
                              : "not enough memory for slots, replay_entries and ticket_entries";
  }
  if (!config_.connection_header.empty()) {
    table_ = std::make_unique<ContextTable>(2 * static_cast<std::size_t>(config_.slots));
  }
  return {};
}

std::string Daemon::start(const std::vector<int>& listeners, int end_signal) {
  const auto connection_count = static_cast<std::uint32_t>(config_.connections);
  for (std::int64_t n = 0; n < config_.workers; ++n) {
    Seat seat;
    seat.desk = usher::Desk::make(usher::kBatchMax);
    if (!seat.desk) {
      return "not enough memory for a worker";
    }
    seat.front_end =
        std::make_unique<HttpFrontEnd>(*engine_, *credential_, verdicts_,
                                       HttpOptions{.connection_count = connection_count,
                                                   .connection_field = config_.connection_header,
                                                   .table = table_.get(),
                                                   .half_open_s = config_.half_open_seconds});
    int error = 0;
    seat.worker =
        usher::io::Worker::make({.listeners = listeners,
                                 .connection_count = connection_count,
                                 .input_size = kInputSize,
                                 .output_size = kAnswerSizeMax,
                                 .idle_s = config_.idle_seconds,
                                 .request_s = config_.request_seconds,
                                 .drain_s = config_.drain_seconds},
                                *seat.desk, engine_->environment(), *seat.front_end, error);
    if (!seat.worker) {
      return "io_uring: " + std::generic_category().message(-error) +
             " (Linux 6.0 or later is needed, and kernel.io_uring_disabled = 0)";
    }
    seats_.push_back(std::move(seat));
  }
  running_ = static_cast<int>(seats_.size());
  for (Seat& seat : seats_) {
    seat.thread = std::thread([this, &worker = *seat.worker, end_signal] {
      const int result = worker.run();
      if (result < 0) {
        logger_.error("worker: {}", std::generic_category().message(-result));
        failed_ = true;
      }
      --running_;
      kill(getpid(), end_signal);
    });
  }
  return {};
}

void Daemon::reload() {
  watch_->take();
  failure_.clear();
  load_again();
}

int Daemon::tick() {
  const auto now = std::chrono::steady_clock::now();
  if (now >= minute_) {
    minute_ = now + std::chrono::minutes(1);
    verdicts_.replays(engine_->environment().replays.counts());
    verdicts_.tickets(ticket_counts());
    engine_->forget_expired_tickets();
    watch_->suspect(now);  // Some file systems tell nobody what others do there.
  }
  if (now >= watch_->due()) {
    const bool changed = watch_->changed(now);
    // What failed may not have been the files, but krb5.conf or memory: it is tried again.
    if (changed || !failure_.empty()) {
      if (changed) {
        failure_.clear();
      }
      load_again();
    }
  }
  const auto next = std::min(minute_, watch_->due());
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
  return static_cast<int>(std::max(wait, decltype(wait){0}));
}

void Daemon::load_again() {
  LoadedKeys loaded;
  try {
    loaded = load_keys(config_);
  } catch (const std::bad_alloc&) {
    loaded = {};
    loaded.error = "out of memory";  // Short: no memory is needed for it.
  }
  if (!loaded.keys) {
    if (loaded.error != failure_) {
      logger_.error("reload: {}; what was loaded before stays in use", loaded.error);
    }
    failure_ = std::move(loaded.error);
    return;
  }
  failure_.clear();
  const std::uint64_t old = credential_->keys.borrow()->generation;
  credential_->keys.replace(std::move(loaded.keys));
  engine_->forget_tickets(old);
  logger_.info("reloaded {}", loaded.summary);
}

void Daemon::drain() {
  for (const Seat& seat : seats_) {
    seat.front_end->begin_drain();
    seat.worker->drain();
  }
}

void Daemon::stop() {
  for (const Seat& seat : seats_) {
    seat.worker->stop();
  }
}

usher::SeenCounts Daemon::ticket_counts() const noexcept {
  usher::SeenCounts counts;
  for (const Seat& seat : seats_) {
    counts += seat.desk->ticket_counts();
  }
  return counts;
}

bool Daemon::join() {
  for (Seat& seat : seats_) {
    if (seat.thread.joinable()) {
      seat.thread.join();
    }
  }
  verdicts_.tickets(ticket_counts());
  return !failed_;
}

void Daemon::close(int exit_code) {
  seats_.clear();
  table_.reset();
  engine_.reset();  // The replay file with it.
  if (credential_->authority != nullptr) {
    std::thread([exit_code] {
      std::this_thread::sleep_for(std::chrono::seconds(5));
      std::_Exit(exit_code);
    }).detach();
  }
  credential_.reset();
}

}  // namespace usherd
