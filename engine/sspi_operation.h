// One asynchronous operation: what SspiAsyncContext stands for.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "engine/async.h"
#include "engine/slots/collected.h"
#include "engine/slots/slot_pool.h"
#include "engine/sspi_leg.h"
#include "engine/sspi_result.h"

namespace usher::sspi {

struct Operation;
class AsyncSystem;
class Shard;

// CompletionQueue is USHER_COMPLETIONS' tenant. Operations whose async context names it hold it, so
// it outlives them; freed by its owner it is closed, and tells nobody any more.
class CompletionQueue {
 public:
  explicit CompletionQueue(AsyncSystem& system) noexcept;
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }  // Negative: it could not be had.

  // add puts in a chain of completed operations, linked as Collected wants it. Any thread; one
  // system call if there was nothing to take.
  void add(Operation& newest, Operation& oldest) noexcept;

  // take moves what is completed to `out`; 0 also while another thread is in it.
  [[nodiscard]] std::uint32_t take(USHER_COMPLETION* out, std::uint32_t count) noexcept;

  // closed says whether close has begun.
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  // close ends it for its owner: what is in it and what is added later is told to nobody.
  void close() noexcept;

 private:
  void wake() const noexcept;
  // discard ends operations that nobody is told of, and their holds; the caller has another.
  void discard(Operation* first) noexcept;

  AsyncSystem& system_;
  const int fd_;
  Collected<Operation> list_;
  Operation* left_ = nullptr;        // Taken off the list and not yet told; whoever is taking's.
  std::atomic<bool> taking_{false};  // Somebody is in take.
  std::atomic<bool> closed_{false};
  std::atomic<std::uint32_t> adding_{0};  // Threads inside add.
};
using QueueTable = HandleTable<CompletionQueue, USHER_COMPLETIONS_MAX>;

// Phase is how far an operation is. Who moves it on by compare-and-swap has it for himself:
//
//   free -> ready -> held -> ready | queued -> running <-> waiting
//                      ^-------------- |          |           |
//                                      `--> cancelled <-------'     all three -> (untaken ->) done
//   done -> ready | free
enum class Phase : std::uint32_t {
  kFree,
  kReady,      // The owner may set it up, and submit it.
  kHeld,       // A call is just doing so.
  kQueued,     // In a mailbox: a shard's, or the blocking thread's; or just being put there.
  kRunning,    // Some thread of ours works on it.
  kWaiting,    // Its authority is being asked.
  kCancelled,  // usher_async_cancel has won; whoever has it completes it with that.
  kUntaken,    // Final, and in a completion queue.
  kDone,       // Final.
};

struct alignas(kCacheLine) Operation {
  enum class Kind : std::uint8_t { kAccept, kDelete, kAcquireA, kAcquireW, kFreeCredential };

  // Generation, whether there is somebody to tell, whether its owner has freed it already, and the
  // phase.
  std::atomic<std::uint64_t> word{0};
  static constexpr std::uint64_t kOrphan = 1u << 8;
  static constexpr std::uint64_t kTells = 1u << 9;  // A copy of tells(), for who does not hold it.
  static constexpr std::uint64_t kPhaseMask = 0xff;

  // move goes from one phase to another if it is in that one, and of that generation. The orphan
  // bit stays.
  [[nodiscard]] bool move(std::uint32_t generation, Phase from, Phase to) noexcept;
  // settle goes to a phase from one that nobody else can leave; whether the owner had freed it.
  bool settle(Phase to) noexcept;
  [[nodiscard]] Phase phase() const noexcept {
    return Phase(word.load(std::memory_order_acquire) & kPhaseMask);
  }

  // tells says whether there is a callback or a queue to tell; note_tells copies that into the
  // word. For whoever holds the operation.
  [[nodiscard]] bool tells() const noexcept { return callback != nullptr || queue.has_value(); }
  void note_tells() noexcept;

  // For the whole use.
  ContextHandle place;  // In the pool of operations.
  SspiAsyncContext* handle = nullptr;

  // Set up while held; read by whoever has the operation.
  Kind kind = Kind::kAccept;
  SspiAsyncNotifyCallback callback = nullptr;
  void* data = nullptr;
  std::optional<QueueTable::Hold> queue;
  std::uint32_t deadline_ms = 0;
  std::int64_t expires_us = 0;  // Steady clock; 0: never.
  SecHandle credential{};
  SecHandle context{};
  bool context_is_marked = false;   // As the one with an accept pending.
  bool context_is_deleted = false;  // kDelete: only to be told of any more.
  AcceptArguments arguments;        // kAccept.
  struct Acquire {
    const void* principal = nullptr;
    const void* package = nullptr;
    std::uint32_t use = 0;
    void* logon_id = nullptr;
    void* auth_data = nullptr;
    SEC_GET_KEY_FN get_key = nullptr;
    void* get_key_argument = nullptr;
    PCredHandle credential = nullptr;
    PTimeStamp expiry = nullptr;
  } acquire;
  Shard* shard = nullptr;  // Where it waits for its authority, or did.
  std::optional<CredentialTable::Hold> acceptor;

  // While running.
  Leg leg;
  Operation* next = nullptr;  // In a list of completed, of noticed or of undone ones.
  Operation* waiting_before = nullptr;
  Operation* waiting_after = nullptr;

  OperationResult result;  // Final, as the phase says.
};

}  // namespace usher::sspi
