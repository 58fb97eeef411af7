// What all asynchronous operations of a process share: their memory, handles and threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/slots/pages.h"
#include "engine/slots/waiting_mailbox.h"
#include "engine/sspi_operation.h"
#include "engine/sspi_shard.h"

namespace usher::sspi {

struct ShardThread;

// AsyncSystem is made at the first asynchronous call and never destroyed, for its callers' threads
// may outlive main. Its own threads stop when the process exits, before what they use is taken
// down. A forked child leaves its parent's behind and makes its own.
class AsyncSystem {
 public:
  // start gives the process's, made if need be; null if memory or a thread cannot be had. running
  // is null if there is none. Any thread; start takes a lock if there is none yet.
  [[nodiscard]] static AsyncSystem* start() noexcept;
  [[nodiscard]] static AsyncSystem* running() noexcept;

  AsyncSystem(const AsyncSystem&) = delete;
  AsyncSystem& operator=(const AsyncSystem&) = delete;

  // Handles. create takes a free operation, null if there is none; recycle gives one back whose
  // phase nobody else will change. find is null for a handle that names none. Any thread.
  [[nodiscard]] Operation* create() noexcept;
  void recycle(Operation& operation) noexcept;
  struct Found {
    Operation* operation = nullptr;
    std::uint32_t generation = 0;
  };
  [[nodiscard]] Found find(const SspiAsyncContext* handle) noexcept;
  [[nodiscard]] Operation& operation_at(std::uint32_t index) noexcept { return operations_[index]; }
  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return static_cast<std::uint32_t>(operations_.size());
  }

  [[nodiscard]] USHER_COMPLETIONS* create_queue() noexcept;
  [[nodiscard]] QueueTable::Hold find_queue(const USHER_COMPLETIONS* handle) noexcept;
  [[nodiscard]] bool free_queue(const USHER_COMPLETIONS* handle) noexcept;

  // has_shards starts the workers if need be, for an engine that is there; false if that fails.
  [[nodiscard]] bool has_shards(const Engine& engine) noexcept;
  [[nodiscard]] const Engine& engine() const noexcept { return *engine_; }

  // full says whether no shard would queue one more accept. For who asks before doing anything
  // else: it reads what a worker writes once a turn, and where the next post goes, which every post
  // moves; while all are full nobody posts, and that rests.
  [[nodiscard]] bool full() const noexcept;
  // post queues an operation at a shard and says which, not yet ringing; null: all are full.
  [[nodiscard]] Shard* post(Operation& operation) noexcept;
  // crowd_watch says how many may wait at a shard; look_for_crowd has it look at all of them. A
  // shard's thread.
  [[nodiscard]] CrowdWatch& crowd_watch() noexcept { return *crowd_watch_; }
  void look_for_crowd(std::int64_t now_us) noexcept;
  // notify has a shard look at an operation that needs no room in a mailbox, and rings.
  void notify(Operation& operation) noexcept;
  // block queues an operation for the thread that may be kept waiting; there is room for all.
  void block(Operation& operation) noexcept;
  // end_hold lets go of a credential; if that is its end, the same thread does it.
  void end_hold(CredentialTable::Hold hold) noexcept;
  // is_worker says whether the calling thread is one, which nothing may keep waiting: in a
  // callback.
  [[nodiscard]] static bool is_worker() noexcept;

  // mark says that an accept is pending on a security context, SEC_E_OK; else why it may not be.
  // unmark ends that.
  [[nodiscard]] SECURITY_STATUS mark(ContextHandle context) noexcept;
  void unmark(ContextHandle context) noexcept;

  // finish makes `status` final, lets go of what the operation has held, and tells its owner by
  // callback if it has one. True: it is to be put into its completion queue now. The phase is one
  // that nobody else can leave.
  [[nodiscard]] bool finish(Operation& operation, SECURITY_STATUS status) noexcept;
  // complete does both.
  void complete(Operation& operation, SECURITY_STATUS status) noexcept;
  // done ends an operation that nobody will be told of any more.
  void done(Operation& operation) noexcept;

  void count_submitted(std::uint64_t count) noexcept {
    own_tally().submitted.fetch_add(count, std::memory_order_relaxed);
  }
  void count_refused(std::uint64_t count) noexcept {
    own_tally().refused.fetch_add(count, std::memory_order_relaxed);
  }
  void tell(USHER_ASYNC_COUNTS& counts) const noexcept;

 private:
  // Job is an operation, or a credential whose last hold is to be let go of: both may take long.
  struct Job {
    Operation* operation = nullptr;
    std::uint32_t credential = 0;  // Index in last_holds_, without an operation.
  };

  // Tally counts what some of the callers' threads have queued and could not queue.
  struct alignas(kCacheLine) Tally {
    std::atomic<std::uint64_t> submitted{0};
    std::atomic<std::uint64_t> refused{0};
  };
  static constexpr std::size_t kTallyCount = 16;

  AsyncSystem() noexcept = default;
  static const bool g_watches_forks;
  [[nodiscard]] Tally& own_tally() noexcept;
  static void before_fork() noexcept;
  static void after_fork() noexcept;
  static void in_child() noexcept;
  static void at_exit() noexcept;
  void stop() noexcept;

  // make gets the memory and starts the blocking thread.
  [[nodiscard]] bool make(const AsyncOptions& options) noexcept;
  [[nodiscard]] bool start_shards(const Engine& engine) noexcept;
  void run_blocking() noexcept;
  void let_go(Operation& operation) noexcept;
  void work(Operation& operation) noexcept;
  [[nodiscard]] ShardThread* start_shard(Shard& shard) noexcept;
  [[nodiscard]] std::span<const std::unique_ptr<Shard>> shards() const noexcept;

  AsyncOptions options_;
  std::uint8_t epoch_ = 0;  // Part of all handles: one more after each fork.
  Pages slot_pages_;
  Pages operation_pages_;
  std::span<Operation> operations_;
  std::optional<SlotPool> pool_;
  QueueTable queues_;
  // For a child to close; -1: none. Changed together with the descriptors themselves, under the
  // lock that a fork takes.
  std::array<int, USHER_COMPLETIONS_MAX> queue_fds_;

  const Engine* engine_ = nullptr;
  Pages mark_pages_;
  std::span<std::atomic<std::uint32_t>> marks_;  // By context: the generation that is marked.
  std::optional<CrowdWatch> crowd_watch_;        // The shards'.
  std::unique_ptr<std::unique_ptr<Shard>[]> shards_;
  std::unique_ptr<ShardThread*[]> shard_threads_;  // Each shard's; never freed, for it is running.
  std::atomic<std::uint32_t> shard_count_{0};      // Published when they run.

  std::array<std::optional<CredentialTable::Hold>, kCredentialCountMax> last_holds_;
  std::unique_ptr<WaitingMailbox<Job>::Cell[]> job_cells_;
  std::optional<WaitingMailbox<Job>> jobs_;
  std::atomic<bool> blocking_ended_{false};

  std::array<Tally, kTallyCount> tallies_;
  alignas(kCacheLine) std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> cancelled_{0};
  std::atomic<std::uint64_t> late_{0};
};

}  // namespace usher::sspi
