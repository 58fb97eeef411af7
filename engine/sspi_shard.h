// A shard: one worker's share of the asynchronous operations.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <span>

#include "engine/io/submissions.h"
#include "engine/io/waiting_room.h"
#include "engine/slots/admission.h"
#include "engine/slots/doorbell.h"
#include "engine/slots/mailbox.h"
#include "engine/sspi_operation.h"

namespace usher::sspi {

class AsyncSystem;

// ShardCounts are written by the shard's thread alone, and read by any.
struct ShardCounts {
  std::atomic<std::uint64_t> tokens{0};
  std::atomic<std::uint64_t> batches{0};
};

class Shard final : public io::Submissions {
 public:
  explicit Shard(AsyncSystem& system) noexcept : system_(system) {}
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // How many may wait where there have been many for long (slots/admission.h): the next turn's
  // batch while one is worked on, so that nobody waits for more than two. Half of what a turn could
  // take costs no throughput (two waves of sixteen lanes) and halves the waiting: at ten times the
  // load, 32, 48 and 64 gave a p99 of 258, 317 and 826 us and 1.9, 3.2 and 1.9 to 4.3 times that at
  // 70 % (bench/async_time overload).
  static constexpr std::uint32_t kCrowd = kBatchMax / 2;

  // make gets memory for a mailbox in which at most `depth` wait, at least 1. False: there is none.
  [[nodiscard]] bool make(std::uint32_t depth) noexcept;

  // admits says whether one more may be queued: what post asks first. Any thread; it writes
  // nothing, and reads what the worker writes once a turn and what other posts write.
  [[nodiscard]] bool admits() const noexcept { return admission_->admits(mailbox_->posted()); }

  // post queues an operation; false if too many are waiting. notice hands over one that is to be
  // looked at and needs no room: cancelled while it waited or was not queued yet, or to be deleted.
  // ring comes after either. Any thread; lock-free.
  [[nodiscard]] bool post(Operation& operation) noexcept {
    return admits() && mailbox_->post(&operation);
  }
  void notice(Operation& operation) noexcept;
  void ring() noexcept;

  // waiting is how many are, without those taken in this turn, which may have completed already.
  // Any thread; it reads what the worker writes at every take.
  [[nodiscard]] std::uint64_t waiting() const noexcept {
    const std::uint64_t posted = mailbox_->posted();
    const std::uint64_t taken = mailbox_->taken();
    return posted > taken ? posted - taken : 0;
  }
  // backlog is the same as of the worker's last turn, for who posts. Any thread.
  [[nodiscard]] std::uint64_t backlog() const noexcept {
    return admission_->waiting(mailbox_->posted());
  }
  [[nodiscard]] std::uint64_t wake_ups() const noexcept {
    return wake_ups_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] const ShardCounts& counts() const noexcept { return counts_; }

  // Submissions: the worker's thread.
  void open(io::Waker& waker) noexcept override { waker_ = &waker; }
  [[nodiscard]] bool any() const noexcept override;
  [[nodiscard]] std::size_t take(auth::Desk& desk,
                                 std::span<auth::AcceptRequest> requests) noexcept override;
  void finish(std::span<const auth::AcceptRequest> requests,
              std::span<const auth::AcceptReply> replies) noexcept override;
  [[nodiscard]] bool lie_down() noexcept override;
  [[nodiscard]] std::int64_t nap_us() const noexcept override;
  void get_up() noexcept override { bell_.get_up(); }
  void pulse() noexcept override;
  [[nodiscard]] bool impatient() const noexcept override {
    return impatient_count_ > 0 || undone_ != nullptr;
  }

 private:
  using Box = Mailbox<Operation*>;

  [[nodiscard]] bool next_posted(Operation*& operation) noexcept;
  [[nodiscard]] bool begin(auth::Desk& desk, Operation& operation, auth::AcceptRequest& request,
                           std::int64_t now_us) noexcept;
  [[nodiscard]] auth::Asker* asker(const auth::Credential& credential) noexcept;
  void heed_notices() noexcept;
  void delete_contexts(std::int64_t now_us) noexcept;
  [[nodiscard]] bool take_resumed(auth::AcceptRequest& request, std::size_t at) noexcept;
  void wait(Operation& operation, const auth::AcceptRequest& request,
            const auth::AcceptReply& reply) noexcept;
  // give_up ends an operation that waits for its authority, or did; its phase is running.
  void give_up(Operation& operation, SECURITY_STATUS status) noexcept;
  void unlink(Operation& operation) noexcept;
  void complete(Operation& operation, SECURITY_STATUS status) noexcept;
  void tell_queue() noexcept;

  AsyncSystem& system_;
  std::unique_ptr<Box::Cell[]> cells_;
  std::optional<Box> mailbox_;
  std::optional<Admission> admission_;
  Collected<Operation> notices_;
  Doorbell bell_;
  std::atomic<std::uint64_t> wake_ups_{0};
  io::Waker* waker_ = nullptr;

  // The worker's thread alone.
  alignas(kCacheLine) ShardCounts counts_;
  Operation* peeked_ = nullptr;        // Taken from the mailbox when the worker was about to sleep.
  Operation* undone_ = nullptr;        // Contexts to be deleted that somebody is working on.
  Operation* waiting_ = nullptr;       // Those whose authority is being asked.
  std::uint32_t impatient_count_ = 0;  // Of them, those with a deadline.
  std::int64_t expired_us_ = 0;        // When authorities' own deadlines were looked at.
  bool has_room_ = false;
  io::WaitingRoom room_;
  std::array<Operation*, kBatchMax> turn_{};  // The turn's, request by request.
  std::array<io::Waiting, kBatchMax> resumed_{};
  // Completions of this turn that go to one queue together.
  CompletionQueue* told_ = nullptr;
  Operation* newest_ = nullptr;
  Operation* oldest_ = nullptr;
};

}  // namespace usher::sspi
