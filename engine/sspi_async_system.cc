// The memory, handles and threads that asynchronous operations share.
#include "engine/sspi_async_system.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>

#include "engine/crypto/kit.h"
#include "engine/io/worker.h"
#include "engine/signals_blocked.h"
#include "engine/users/impersonation.h"

namespace usher::sspi {
namespace {

std::atomic<AsyncSystem*> g_system{nullptr};
// Held by who starts anything, or makes or closes a descriptor, and over a fork.
std::mutex g_changing;
std::uint8_t g_epoch{};  // Guarded by it.

// A handle is a number of ours dressed as a pointer: generation, tag, index.
constexpr std::uintptr_t kIndexMask = 0xffffff;
constexpr unsigned kTagShift = 24;
constexpr unsigned kGenerationShift = 32;
constexpr std::uint8_t kOperationTag = 0x80;
constexpr std::uint8_t kQueueTag = 0xc0;
constexpr std::uint8_t kEpochMask = 0x3f;

template <class Handle>
Handle* write_pointer(std::uint8_t tag, std::uint32_t index, std::uint32_t generation) noexcept {
  const std::uintptr_t number =
      std::uintptr_t{generation} << kGenerationShift | std::uintptr_t{tag} << kTagShift | index;
  return reinterpret_cast<Handle*>(number);
}

// read_pointer gives generation 0, which is never issued, for what has another tag.
TableHandle read_pointer(const void* pointer, std::uint8_t tag) noexcept {
  const auto number = reinterpret_cast<std::uintptr_t>(pointer);
  if ((number >> kTagShift & 0xff) != tag) {
    return {};
  }
  return {static_cast<std::uint32_t>(number & kIndexMask),
          static_cast<std::uint32_t>(number >> kGenerationShift)};
}
static_assert(sizeof(std::uintptr_t) == 8, "a handle holds a generation and an index");

// construct makes `count` new Ts in the pages, which it maps.
template <class T>
std::span<T> construct(Pages& pages, std::size_t count) noexcept {
  pages = Pages::map(count * sizeof(T));
  if (pages.empty()) {
    return {};
  }
  const std::span<T> all(reinterpret_cast<T*>(pages.bytes().data()), count);
  std::uninitialized_value_construct(all.begin(), all.end());
  return all;
}

std::uint32_t processor_count() noexcept {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (::sched_getaffinity(0, sizeof usable, &usable) == 0 && CPU_COUNT(&usable) > 0) {
    return static_cast<std::uint32_t>(CPU_COUNT(&usable));
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

// start_thread runs `body` on a thread that nobody joins: it lasts as long as the process. Not for
// who impersonates a client: the thread would be that client for good.
bool start_thread(const char* name, void* (*body)(void*), void* argument) noexcept {
  if (users::server_identity() != nullptr) {
    return false;
  }
  const SignalsBlocked blocked;
  pthread_t thread{};
  if (::pthread_create(&thread, nullptr, body, argument) != 0) {
    return false;
  }
  ::pthread_setname_np(thread, name);
  ::pthread_detach(thread);
  return true;
}

// thread_number is the calling thread's, counted from the first that called.
std::uint32_t thread_number() noexcept {
  static std::atomic<std::uint32_t> next{0};
  constinit thread_local std::uint32_t number = UINT32_MAX;
  if (number == UINT32_MAX) {
    number = next.fetch_add(1, std::memory_order_relaxed);
  }
  return number;
}

// leave_no_credential ends an acquisition that has not begun as any that fails.
void leave_no_credential(const Operation& operation) noexcept {
  if (operation.kind != Operation::Kind::kFreeCredential &&
      operation.acquire.credential != nullptr) {
    SecInvalidateHandle(operation.acquire.credential);
  }
}

// Which of our threads the calling one is, or null: that one cannot be waited for.
thread_local const void* t_self = nullptr;

// At exit our threads are given so long to end the turn or call they are in.
constexpr std::chrono::seconds kExitPatience{1};

}  // namespace

// ShardThread is what the thread of a shard works with.
struct ShardThread {
  std::unique_ptr<Desk> desk;
  std::unique_ptr<io::Worker> worker;
  std::atomic<bool> ended{false};

  // run lasts until the process exits.
  void run() noexcept {
    t_self = this;
    [[maybe_unused]] const int result = worker->run();
    assert(result == 0);
    ended.store(true, std::memory_order_release);  // The desk is whose who sees it.
  }
};

AsyncSystem* AsyncSystem::running() noexcept {
  // Acquire: sees the finished system that start has stored.
  return g_system.load(std::memory_order_acquire);
}

AsyncSystem* AsyncSystem::start() noexcept {
  AsyncSystem* system = running();
  if (system != nullptr) {
    return system;
  }
  // OpenSSL is to take itself down at exit after at_exit has run, so it is set up before that is
  // registered; and what making a Kit does once must not be under way when somebody forks.
  if (OPENSSL_init_crypto(0, nullptr) != 1 || crypto::Kit::make() == nullptr) {
    return nullptr;
  }
  // Both, in a fork's order: usher_start either has set its options or finds that it is too late.
  const std::scoped_lock starting(starting_engine());
  const std::scoped_lock turn(g_changing);
  system = running();
  if (system != nullptr) {
    return system;
  }
  static bool watches_exit = false;
  watches_exit = watches_exit || std::atexit(at_exit) == 0;
  if (!g_watches_forks || !watches_exit) {
    return nullptr;
  }
  std::unique_ptr<AsyncSystem> made(new (std::nothrow) AsyncSystem);
  if (made == nullptr || !made->make(async_options())) {
    return nullptr;
  }
  made->epoch_ = g_epoch;
  g_system.store(made.get(), std::memory_order_release);
  return made.release();
}

// From when the library is loaded: a thread that calls it for the first time may be anywhere when
// another forks.
const bool AsyncSystem::g_watches_forks = [] {
  static_cast<void>(credentials());  // Made once, by nobody who is forked meanwhile.
  return ::pthread_atfork(before_fork, after_fork, in_child) == 0;
}();

// The child must not find a lock held by a thread that it does not have.
void AsyncSystem::before_fork() noexcept {
  hold_reloads_for_fork();
  starting_engine().lock();
  g_changing.lock();
}
void AsyncSystem::after_fork() noexcept {
  g_changing.unlock();
  starting_engine().unlock();
  go_on_reloading_in_parent();
}

// The child leaves everything where it is, for its parent's threads, which it does not have, may
// have been in the middle of anything.
void AsyncSystem::in_child() noexcept {
  AsyncSystem* const parents = g_system.exchange(nullptr, std::memory_order_relaxed);
  if (parents != nullptr) {
    g_epoch = (g_epoch + 1) & kEpochMask;
    for (const int fd : parents->queue_fds_) {
      if (fd >= 0) {
        ::close(fd);
      }
    }
  }
  g_changing.unlock();
  starting_engine().unlock();
  go_on_reloading_in_child();
}

// OpenSSL takes itself down at exit, later than this because it was set up earlier; nobody may be
// in the middle of a turn then.
void AsyncSystem::at_exit() noexcept {
  AsyncSystem* const system = running();
  if (system != nullptr) {
    system->stop();
  }
}

void AsyncSystem::stop() noexcept {
  const auto shard_threads = std::span(shard_threads_.get(), shards().size());
  jobs_->stop();
  for (ShardThread* const thread : shard_threads) {
    thread->worker->stop();
  }
  // A callback that does not return must not keep the process from exiting.
  const auto give_up_at = std::chrono::steady_clock::now() + kExitPatience;
  const auto await = [&](const std::atomic<bool>& ended, const void* who) {
    bool has = ended.load(std::memory_order_acquire);
    while (!has && t_self != who && std::chrono::steady_clock::now() < give_up_at) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      has = ended.load(std::memory_order_acquire);
    }
    return has;
  };
  static_cast<void>(await(blocking_ended_, this));
  for (ShardThread* const thread : shard_threads) {
    if (await(thread->ended, thread)) {
      thread->desk.reset();
    }
  }
}

bool AsyncSystem::make(const AsyncOptions& options) noexcept {
  options_ = options;
  queue_fds_.fill(-1);
  const auto slots = construct<SlotPool::Slot>(slot_pages_, options.contexts);
  operations_ = construct<Operation>(operation_pages_, options.contexts);
  // Room for each operation once, and for each credential's end.
  const std::size_t jobs = std::bit_ceil(std::size_t{options.contexts} + kCredentialCountMax + 1);
  job_cells_.reset(new (std::nothrow) WaitingMailbox<Job>::Cell[jobs]);
  if (slots.empty() || operations_.empty() || job_cells_ == nullptr) {
    return false;
  }
  pool_.emplace(slots);
  jobs_.emplace(std::span(job_cells_.get(), jobs));
  return start_thread(
      "usher-blocking",
      [](void* system) -> void* {
        static_cast<AsyncSystem*>(system)->run_blocking();
        return nullptr;
      },
      this);
}

Operation* AsyncSystem::create() noexcept {
  const ContextHandle place = pool_->acquire();
  if (!place) {
    return nullptr;
  }
  Operation& operation = operations_[std::uint32_t(place.index)];
  operation.place = place;
  operation.handle =
      write_pointer<SspiAsyncContext>(static_cast<std::uint8_t>(kOperationTag | epoch_),
                                      std::uint32_t(place.index), place.generation);
  operation.word.store(std::uint64_t{place.generation} << 32 | std::uint64_t(Phase::kReady),
                       std::memory_order_release);
  return &operation;
}

void AsyncSystem::recycle(Operation& operation) noexcept {
  operation.callback = nullptr;
  operation.data = nullptr;
  operation.queue.reset();
  operation.deadline_ms = 0;
  operation.word.store(
      std::uint64_t{operation.place.generation} << 32 | std::uint64_t(Phase::kFree),
      std::memory_order_relaxed);  // The pool publishes it to the next.
  pool_->release(operation.place);
}

AsyncSystem::Found AsyncSystem::find(const SspiAsyncContext* handle) noexcept {
  const TableHandle number =
      read_pointer(handle, static_cast<std::uint8_t>(kOperationTag | epoch_));
  if (number.generation == 0 || number.index >= operations_.size()) {
    return {};
  }
  Operation& operation = operations_[number.index];
  const std::uint64_t word = operation.word.load(std::memory_order_acquire);
  const bool live = word >> 32 == number.generation && (word & Operation::kOrphan) == 0 &&
                    Phase(word & Operation::kPhaseMask) != Phase::kFree;
  return live ? Found{&operation, number.generation} : Found{};
}

USHER_COMPLETIONS* AsyncSystem::create_queue() noexcept {
  // A child knows of every descriptor that there is when it is forked.
  const std::scoped_lock turn(g_changing);
  std::unique_ptr<CompletionQueue> queue(new (std::nothrow) CompletionQueue(*this));
  if (queue == nullptr || queue->fd() < 0) {
    return nullptr;
  }
  const int fd = queue->fd();
  const std::optional<TableHandle> handle = queues_.insert(queue);
  if (!handle) {
    return nullptr;
  }
  queue_fds_[handle->index] = fd;
  return write_pointer<USHER_COMPLETIONS>(static_cast<std::uint8_t>(kQueueTag | epoch_),
                                          handle->index, handle->generation);
}

QueueTable::Hold AsyncSystem::find_queue(const USHER_COMPLETIONS* handle) noexcept {
  return queues_.hold(read_pointer(handle, static_cast<std::uint8_t>(kQueueTag | epoch_)));
}

bool AsyncSystem::free_queue(const USHER_COMPLETIONS* handle) noexcept {
  const QueueTable::Hold queue = find_queue(handle);
  if (!queue) {
    return false;
  }
  const TableHandle number = read_pointer(handle, static_cast<std::uint8_t>(kQueueTag | epoch_));
  const std::scoped_lock turn(g_changing);  // As in create_queue.
  queue->close();
  queue_fds_[number.index] = -1;
  return queues_.remove(number);
}

std::span<const std::unique_ptr<Shard>> AsyncSystem::shards() const noexcept {
  // Acquire: sees the shards that start_shards has made. Before that, their array is not looked at:
  // another thread may be making it.
  const std::uint32_t count = shard_count_.load(std::memory_order_acquire);
  if (count == 0) {
    return {};
  }
  return {shards_.get(), count};
}

bool AsyncSystem::has_shards(const Engine& engine) noexcept {
  if (shard_count_.load(std::memory_order_acquire) > 0) {
    return true;
  }
  const std::scoped_lock turn(g_changing);
  return shard_count_.load(std::memory_order_relaxed) > 0 || start_shards(engine);
}

bool AsyncSystem::start_shards(const Engine& engine) noexcept {
  const std::uint32_t wanted = options_.workers != 0 ? options_.workers : processor_count();
  engine_ = &engine;
  crowd_watch_.emplace(std::max(options_.queue, 1u), Shard::kCrowd);
  marks_ =
      construct<std::atomic<std::uint32_t>>(mark_pages_, engine.environment().contexts.capacity());
  shards_.reset(new (std::nothrow) std::unique_ptr<Shard>[wanted]);
  shard_threads_.reset(new (std::nothrow) ShardThread* [wanted] {});
  if (marks_.empty() || shards_ == nullptr || shard_threads_ == nullptr) {
    return false;
  }
  std::uint32_t count = 0;
  while (count < wanted) {
    std::unique_ptr<Shard> shard(new (std::nothrow) Shard(*this));
    shard_threads_[count] = shard != nullptr ? start_shard(*shard) : nullptr;
    if (shard_threads_[count] == nullptr) {
      break;
    }
    shards_[count++] = std::move(shard);
  }
  // Release: whoever reads the number finds that many shards. Fewer than were wanted will do.
  shard_count_.store(count, std::memory_order_release);
  return count > 0;
}

// start_shard is null if memory or a thread cannot be had.
ShardThread* AsyncSystem::start_shard(Shard& shard) noexcept {
  std::unique_ptr<ShardThread> thread(new (std::nothrow) ShardThread);
  if (thread == nullptr || !shard.make(std::max(options_.queue, 1u))) {
    return nullptr;
  }
  thread->desk = Desk::make(kBatchMax);
  if (thread->desk == nullptr) {
    return nullptr;
  }
  int error = 0;
  thread->worker = io::Worker::make_without_ring(shard, *thread->desk, engine_->environment(),
                                                 processor_count() > 1, error);
  if (thread->worker == nullptr) {
    return nullptr;
  }
  if (!start_thread(
          "usher-worker",
          [](void* its) -> void* {
            static_cast<ShardThread*>(its)->run();
            return nullptr;
          },
          thread.get())) {
    return nullptr;
  }
  return thread.release();  // As long as there is a process.
}

bool AsyncSystem::full() const noexcept {
  const std::span<const std::unique_ptr<Shard>> all = shards();
  return !all.empty() &&
         std::none_of(all.begin(), all.end(), [](const auto& shard) { return shard->admits(); });
}

Shard* AsyncSystem::post(Operation& operation) noexcept {
  // Each thread has a shard of its own to begin with, so that what it posts makes batches.
  return post_to_one(shards(), thread_number(), kBatchMax, operation);
}

void AsyncSystem::look_for_crowd(std::int64_t now_us) noexcept {
  crowd_watch_->look(now_us, [this] {
    CrowdWatch::Seen seen;
    for (const std::unique_ptr<Shard>& shard : shards()) {
      ++seen.queues;
      seen.waiting += shard->waiting();
    }
    for (const Tally& tally : tallies_) {
      seen.turned_away += tally.refused.load(std::memory_order_relaxed);
    }
    return seen;
  });
}

void AsyncSystem::notify(Operation& operation) noexcept {
  Shard& shard = operation.shard != nullptr ? *operation.shard : *shards().front();
  shard.notice(operation);
  shard.ring();
}

void AsyncSystem::block(Operation& operation) noexcept {
  [[maybe_unused]] const bool posted = jobs_->post({.operation = &operation, .credential = 0});
  assert(posted);
}

void AsyncSystem::end_hold(CredentialTable::Hold hold) noexcept {
  const std::uint32_t index = hold.index();
  if (!hold.let_go_unless_last()) {
    // Its end may wait for threads. Nobody else has this place until it is over.
    last_holds_[index].emplace(std::move(hold));
    [[maybe_unused]] const bool posted = jobs_->post({.operation = nullptr, .credential = index});
    assert(posted);
  }
}

bool AsyncSystem::is_worker() noexcept { return t_self != nullptr && t_self != running(); }

AsyncSystem::Tally& AsyncSystem::own_tally() noexcept {
  return tallies_[thread_number() % kTallyCount];
}

SECURITY_STATUS AsyncSystem::mark(ContextHandle context) noexcept {
  const auto index = std::uint32_t(context.index);
  // Looked at first: a handle that was made up, of a generation to come, must keep nobody out.
  if (index >= marks_.size() || !engine_->environment().contexts.is_live(context)) {
    return refuse(Status::kStaleHandle);
  }
  // Relaxed, here and in unmark: it only counts to one. What is in a context is published by its
  // pin, and that an operation is over by its phase.
  std::uint32_t seen = marks_[index].load(std::memory_order_relaxed);
  do {
    if (seen == context.generation) {
      return refuse(SEC_E_OUT_OF_SEQUENCE, "an accept is pending on this security context");
    }
    // A mark of an earlier tenant is of one that was deleted, and gives way.
    if (seen != 0 && static_cast<std::int32_t>(context.generation - seen) < 0) {
      return refuse(Status::kStaleHandle);
    }
  } while (
      !marks_[index].compare_exchange_weak(seen, context.generation, std::memory_order_relaxed));
  return SEC_E_OK;
}

void AsyncSystem::unmark(ContextHandle context) noexcept {
  std::uint32_t mine = context.generation;
  static_cast<void>(marks_[std::uint32_t(context.index)].compare_exchange_strong(
      mine, 0, std::memory_order_relaxed));
}

void AsyncSystem::let_go(Operation& operation) noexcept {
  if (operation.context_is_marked) {
    unmark(read_context_handle(&operation.context));
    operation.context_is_marked = false;
  }
  if (operation.acceptor) {
    end_hold(std::move(*operation.acceptor));
    operation.acceptor.reset();
  }
}

bool AsyncSystem::finish(Operation& operation, SECURITY_STATUS status) noexcept {
  operation.result.set(status);
  let_go(operation);
  completed_.fetch_add(1, std::memory_order_relaxed);
  if (status == USHER_E_CANCELLED) {
    cancelled_.fetch_add(1, std::memory_order_relaxed);
  } else if (status == USHER_E_DEADLINE) {
    late_.fetch_add(1, std::memory_order_relaxed);
  }
  if (operation.queue) {
    operation.settle(Phase::kUntaken);
    return true;
  }
  // Copied before it is final: from then on it may be freed, and be somebody else's.
  const SspiAsyncNotifyCallback callback = operation.callback;
  void* const data = operation.data;
  SspiAsyncContext* const handle = operation.handle;
  done(operation);
  if (callback != nullptr) {
    callback(handle, data);
  }
  return false;
}

void AsyncSystem::complete(Operation& operation, SECURITY_STATUS status) noexcept {
  if (finish(operation, status)) {
    (*operation.queue)->add(operation, operation);
  }
}

void AsyncSystem::done(Operation& operation) noexcept {
  if (operation.settle(Phase::kDone)) {
    recycle(operation);  // Freed meanwhile.
  }
}

void AsyncSystem::run_blocking() noexcept {
  t_self = this;
  Job job;
  while (jobs_->wait_and_take(job)) {
    if (job.operation != nullptr) {
      work(*job.operation);
    } else {
      // Its place is free for the next before it ends.
      const CredentialTable::Hold last = std::move(*last_holds_[job.credential]);
      last_holds_[job.credential].reset();
    }
  }
  blocking_ended_.store(true, std::memory_order_release);
}

void AsyncSystem::work(Operation& operation) noexcept {
  SECURITY_STATUS status = SEC_E_OK;
  if (!operation.move(operation.place.generation, Phase::kQueued, Phase::kRunning)) {
    status = refuse(USHER_E_CANCELLED, "the operation was cancelled");
    leave_no_credential(operation);
  } else if (operation.expires_us != 0 && system_clock().steady_us() >= operation.expires_us) {
    status = refuse(USHER_E_DEADLINE, "the operation's deadline has passed");
    leave_no_credential(operation);
  } else if (operation.kind == Operation::Kind::kFreeCredential) {
    status = FreeCredentialsHandle(&operation.credential);
  } else {
    const Operation::Acquire& a = operation.acquire;
    status = operation.kind == Operation::Kind::kAcquireA
                 ? AcquireCredentialsHandleA(static_cast<const SEC_CHAR*>(a.principal),
                                             static_cast<const SEC_CHAR*>(a.package), a.use,
                                             a.logon_id, a.auth_data, a.get_key, a.get_key_argument,
                                             a.credential, a.expiry)
                 : AcquireCredentialsHandleW(static_cast<const SEC_WCHAR*>(a.principal),
                                             static_cast<const SEC_WCHAR*>(a.package), a.use,
                                             a.logon_id, a.auth_data, a.get_key, a.get_key_argument,
                                             a.credential, a.expiry);
  }
  complete(operation, status);
}

void AsyncSystem::tell(USHER_ASYNC_COUNTS& counts) const noexcept {
  counts = {.Size = sizeof(USHER_ASYNC_COUNTS), .Workers = 0};
  for (const Tally& tally : tallies_) {
    counts.Submitted += tally.submitted.load(std::memory_order_relaxed);
    counts.Refused += tally.refused.load(std::memory_order_relaxed);
  }
  counts.Completed = completed_.load(std::memory_order_relaxed);
  counts.Cancelled = cancelled_.load(std::memory_order_relaxed);
  counts.Late = late_.load(std::memory_order_relaxed);
  for (const std::unique_ptr<Shard>& shard : shards()) {
    ++counts.Workers;
    counts.Tokens += shard->counts().tokens.load(std::memory_order_relaxed);
    counts.Batches += shard->counts().batches.load(std::memory_order_relaxed);
    counts.WakeUps += shard->wake_ups();
  }
}

}  // namespace usher::sspi
