#include "engine/users/patient_threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>

#include "engine/signals_blocked.h"
#include "engine/users/impersonation.h"

namespace usher::users {
namespace {

std::atomic<PatientThreads*> g_of_process{nullptr};

// At exit a thread is given so long to end the errand it is on.
constexpr std::chrono::seconds kExitPatience{1};

}  // namespace

// Turn is an errand and who waits for it. Guarded by the lock, but for the errand while it runs.
struct PatientThreads::Turn {
  explicit Turn(std::shared_ptr<Errand> what) noexcept : errand(std::move(what)) {}

  std::shared_ptr<Errand> errand;
  std::condition_variable over;
  bool done = false;
};

// From when the library is loaded. A child leaves its parent's where they are, with a lock that
// somebody may hold and threads that it does not have. And libraries take themselves down at exit,
// when nobody may be in the middle of a call to them; those that this one uses do so later.
const bool PatientThreads::g_watches = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { g_of_process.store(nullptr); }) == 0 &&
         std::atexit(at_exit) == 0;
}();

void PatientThreads::at_exit() noexcept {
  PatientThreads* const all = g_of_process.load(std::memory_order_acquire);
  if (all != nullptr) {
    std::unique_lock held(all->lock_);
    all->stopping_ = true;
    all->work_.notify_all();
    all->ended_.wait_for(held, kExitPatience, [all] { return all->threads_ == 0; });
  }
}

PatientThreads* PatientThreads::of_process() noexcept {
  // Acquire: sees what who made it has stored.
  PatientThreads* all = g_of_process.load(std::memory_order_acquire);
  if (all == nullptr && g_watches) {
    std::unique_ptr<PatientThreads> made(new (std::nothrow) PatientThreads(Limits{}));
    // Never destroyed once it is the process's: threads may be in a call that does not return.
    if (made != nullptr &&
        g_of_process.compare_exchange_strong(all, made.get(), std::memory_order_acq_rel)) {
      all = made.release();
    }
  }
  return all;
}

PatientThreads::~PatientThreads() {
  std::unique_lock turn(lock_);
  stopping_ = true;
  work_.notify_all();
  ended_.wait(turn, [this] { return threads_ == 0; });
}

PatientThreads::Outcome PatientThreads::run(const std::shared_ptr<Errand>& errand,
                                            std::int64_t deadline_ms) {
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
  std::unique_lock held(lock_);
  const auto turn = std::make_shared<Turn>(errand);
  // Those that are idle have been woken for what waits already.
  const bool needs_thread = queue_.size() >= idle_ && threads_ < limits_.threads;
  const bool has_thread = !needs_thread || start_thread();
  if (!has_thread && threads_ == 0) {
    return Outcome::kNoThread;
  }
  if (queue_.size() >= limits_.waiting + idle_) {
    return Outcome::kBusy;
  }
  queue_.push_back(turn);
  work_.notify_one();
  if (turn->over.wait_until(held, give_up_at, [&turn] { return turn->done; })) {
    return Outcome::kDone;
  }
  std::erase(queue_, turn);  // If its turn has not come.
  return Outcome::kLate;
}

// Start is what a new thread is told. It has inherited as whom the thread that makes it acts.
struct PatientThreads::Start {
  PatientThreads* all;
  std::optional<ThreadIdentity> server;
};

bool PatientThreads::start_thread() {
  std::optional<ThreadIdentity> server;
  if (const ThreadIdentity* const mine = server_identity(); mine != nullptr) {
    server = *mine;
  }
  auto start = std::make_unique<Start>(Start{this, std::move(server)});
  const SignalsBlocked blocked;
  pthread_t thread{};
  if (::pthread_create(&thread, nullptr, begin, start.get()) != 0) {
    return false;
  }
  static_cast<void>(start.release());
  ::pthread_setname_np(thread, "usher-names");
  ::pthread_detach(thread);
  ++threads_;
  ++idle_;
  return true;
}

void* PatientThreads::begin(void* told) noexcept {
  std::unique_ptr<Start> start(static_cast<Start*>(told));
  PatientThreads& all = *start->all;
  const bool is_server = !start->server || become_server(*start->server);
  start.reset();
  std::unique_lock held(all.lock_);
  if (is_server) {
    all.live(held);
  }
  --all.idle_;
  if (--all.threads_ == 0) {
    all.ended_.notify_all();
  }
  return nullptr;
}

void PatientThreads::live(std::unique_lock<std::mutex>& held) noexcept {
  while (true) {
    work_.wait(held, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) {
      return;
    }
    --idle_;
    std::shared_ptr<Turn> turn = std::move(queue_.front());
    queue_.pop_front();
    held.unlock();
    turn->errand->run();
    held.lock();
    ++idle_;
    turn->done = true;
    turn->over.notify_one();
    turn.reset();  // Whoever still waits is the only one who has it, once it has the lock.
  }
}

}  // namespace usher::users
