// A worker's operations: taken from its mailbox, given to the acceptor, completed.
#include "engine/sspi_shard.h"

#include <algorithm>
#include <bit>
#include <new>

#include "engine/sspi_async_system.h"

namespace usher::sspi {
namespace {

// Operations looked at in one turn. Some need no place in the batch, and whoever posts only such
// ones must not keep the others from going on.
constexpr std::size_t kLooksPerTurn = 4 * kBatchMax;

std::int64_t steady_us(const Engine& engine) noexcept {
  return engine.environment().clock.steady_us();
}

SECURITY_STATUS refuse_cancelled() noexcept {
  return refuse(USHER_E_CANCELLED, "the operation was cancelled");
}

SECURITY_STATUS refuse_late() noexcept {
  return refuse(USHER_E_DEADLINE, "the operation's deadline has passed");
}

// conclude_unstarted ends an accept that the acceptor has never seen, as any that is refused.
SECURITY_STATUS conclude_unstarted(Operation& operation, bool late, const Engine& engine) noexcept {
  operation.leg = Leg(operation.arguments);
  static_cast<void>(operation.leg.check());  // Which finds what there is to conclude.
  return operation.leg.conclude(late ? refuse_late() : refuse_cancelled(), &engine);
}

}  // namespace

bool Shard::make(std::uint32_t depth) noexcept {
  const std::size_t cells = std::bit_ceil(std::max(depth, 2u));
  cells_.reset(new (std::nothrow) Box::Cell[cells]);
  if (cells_ == nullptr) {
    return false;
  }
  mailbox_.emplace(std::span(cells_.get(), cells));
  admission_.emplace(system_.crowd_watch());
  return true;
}

bool Shard::any() const noexcept {
  return peeked_ != nullptr || mailbox_->ready() || !notices_.empty() || room_.any_due();
}

// asker is who an authority tells its answers. The room for those is had when there is a credential
// that has an authority; null if it cannot be.
auth::Asker* Shard::asker(const auth::Credential& credential) noexcept {
  if (credential.authority != nullptr && !has_room_) {
    has_room_ = room_.make(system_.capacity(), *waker_) == 0;
  }
  return has_room_ ? &room_ : nullptr;
}

void Shard::notice(Operation& operation) noexcept {
  // That it was empty does not matter here: ring tells whether the worker sleeps.
  static_cast<void>(notices_.add(operation, operation));
}

void Shard::ring() noexcept {
  if (bell_.ring()) {
    wake_ups_.fetch_add(1, std::memory_order_relaxed);
    waker_->wake();
  }
}

bool Shard::lie_down() noexcept {
  if (peeked_ != nullptr) {
    return false;
  }
  bell_.lie_down();
  const bool nothing = notices_.empty() && !room_.any_due() && !mailbox_->take(peeked_);
  if (nothing) {
    system_.crowd_watch().idle();
  }
  return nothing;
}

// A crowd ends while everybody sleeps only if somebody looks.
std::int64_t Shard::nap_us() const noexcept {
  return system_.crowd_watch().crowded() ? CrowdWatch::kPatienceUs + 1 : kMicrosPerSecond;
}

bool Shard::next_posted(Operation*& operation) noexcept {
  if (peeked_ != nullptr) {
    operation = std::exchange(peeked_, nullptr);
    return true;
  }
  return mailbox_->take(operation);
}

std::size_t Shard::take(auth::Desk& desk, std::span<auth::AcceptRequest> requests) noexcept {
  const std::int64_t now_us = steady_us(system_.engine());
  system_.look_for_crowd(now_us);
  heed_notices();
  delete_contexts(now_us);
  room_.collect();
  std::size_t count = 0;
  while (count < requests.size() && take_resumed(requests[count], count)) {
    ++count;
  }
  Operation* operation = nullptr;
  for (std::size_t looks = 0;
       count < requests.size() && looks < kLooksPerTurn && next_posted(operation); ++looks) {
    if (begin(desk, *operation, requests[count], now_us)) {
      turn_[count] = operation;
      resumed_[count] = {};
      ++count;
    }
  }
  admission_->turn(mailbox_->taken());
  tell_queue();
  if (count > 0) {
    const ShardCounts& now = counts_;
    counts_.tokens.store(now.tokens.load(std::memory_order_relaxed) + count,
                         std::memory_order_relaxed);
    counts_.batches.store(now.batches.load(std::memory_order_relaxed) + 1,
                          std::memory_order_relaxed);
  }
  return count;
}

// begin readies a posted operation for the turn; false if it has been completed instead.
bool Shard::begin(auth::Desk& desk, Operation& operation, auth::AcceptRequest& request,
                  std::int64_t now_us) noexcept {
  const Engine& engine = system_.engine();
  if (!operation.move(operation.place.generation, Phase::kQueued, Phase::kRunning)) {
    complete(operation, conclude_unstarted(operation, false, engine));
    return false;
  }
  if (operation.expires_us != 0 && now_us >= operation.expires_us) {
    complete(operation, conclude_unstarted(operation, true, engine));
    return false;
  }
  operation.leg = Leg(operation.arguments);
  SECURITY_STATUS status = operation.leg.check();
  if (status == SEC_E_OK) {
    const MutableBytes reply = request.reply;
    status = operation.leg.prepare(desk, (*operation.acceptor)->credential, reply, request);
  }
  if (status != SEC_E_OK) {
    complete(operation, operation.leg.conclude(status, &engine));
    return false;
  }
  request.asker = asker((*operation.acceptor)->credential);
  request.tag = std::uint64_t(operation.place.index);
  return true;
}

void Shard::finish(std::span<const auth::AcceptRequest> requests,
                   std::span<const auth::AcceptReply> replies) noexcept {
  for (std::size_t n = 0; n < requests.size(); ++n) {
    Operation& operation = *turn_[n];
    io::WaitingRoom::done(resumed_[n]);
    if (replies[n].verdict.status == Status::kAsked) {
      wait(operation, requests[n], replies[n]);
      continue;
    }
    const SECURITY_STATUS status = operation.leg.accepted(replies[n], requests[n].reply);
    complete(operation, operation.leg.conclude(status, &system_.engine()));
  }
  tell_queue();
}

void Shard::wait(Operation& operation, const auth::AcceptRequest& request,
                 const auth::AcceptReply& reply) noexcept {
  auth::AcceptRequest kept = request;
  kept.context = reply.context;
  room_.enter(io::ConnectionIndex(std::uint32_t(operation.place.index)), kept, *reply.inquiry, 0,
              steady_us(system_.engine()));
  operation.shard = this;
  operation.waiting_before = nullptr;
  operation.waiting_after = waiting_;
  if (waiting_ != nullptr) {
    waiting_->waiting_before = &operation;
  }
  waiting_ = &operation;
  impatient_count_ += operation.expires_us != 0 ? 1 : 0;
  operation.settle(Phase::kWaiting);
}

void Shard::unlink(Operation& operation) noexcept {
  (operation.waiting_before != nullptr ? operation.waiting_before->waiting_after : waiting_) =
      operation.waiting_after;
  if (operation.waiting_after != nullptr) {
    operation.waiting_after->waiting_before = operation.waiting_before;
  }
  impatient_count_ -= operation.expires_us != 0 ? 1 : 0;
}

// take_resumed finds an operation whose authority has answered, or has let its deadline pass.
bool Shard::take_resumed(auth::AcceptRequest& request, std::size_t at) noexcept {
  io::ConnectionIndex index{};
  while (room_.next(index, resumed_[at])) {
    Operation& operation = system_.operation_at(std::uint32_t(index));
    if (operation.move(operation.place.generation, Phase::kWaiting, Phase::kRunning)) {
      unlink(operation);
      resumed_[at].request.reply = request.reply;
      request = resumed_[at].request;
      turn_[at] = &operation;
      return true;
    }
    // Cancelled this moment; its notice, which is on its way, completes it.
    io::WaitingRoom::done(resumed_[at]);
    static_cast<void>(system_.engine().release(resumed_[at].request.context));
    resumed_[at] = {};
  }
  return false;
}

void Shard::heed_notices() noexcept {
  Operation* operation = notices_.take_all();
  while (operation != nullptr) {
    Operation& noticed = *operation;
    operation = noticed.next;
    if (noticed.kind == Operation::Kind::kAccept && noticed.shard == nullptr) {
      complete(noticed, conclude_unstarted(noticed, false, system_.engine()));
    } else if (noticed.kind == Operation::Kind::kAccept) {
      give_up(noticed, refuse_cancelled());
    } else if (noticed.context_is_deleted) {
      complete(noticed, SEC_E_OK);
    } else {
      noticed.next = undone_;
      undone_ = &noticed;
    }
  }
}

void Shard::delete_contexts(std::int64_t now_us) noexcept {
  Operation* operation = std::exchange(undone_, nullptr);
  while (operation != nullptr) {
    Operation& undone = *operation;
    operation = undone.next;
    const Status status = system_.engine().release(read_context_handle(&undone.context));
    if (status == Status::kContextBusy && undone.expires_us != 0 && now_us >= undone.expires_us) {
      complete(undone, refuse_late());
    } else if (status == Status::kContextBusy) {
      undone.next = undone_;
      undone_ = &undone;
    } else {
      complete(undone, status == Status::kEstablished ? SEC_E_OK : refuse(status));
    }
  }
}

void Shard::give_up(Operation& operation, SECURITY_STATUS status) noexcept {
  const auto index = io::ConnectionIndex(std::uint32_t(operation.place.index));
  // Settled: completing lets go of the credential, and its authority may go with it.
  static_cast<void>(system_.engine().release(room_.leave_settled(index)));
  unlink(operation);
  complete(operation, operation.leg.conclude(status, &system_.engine()));
}

void Shard::pulse() noexcept {
  const std::int64_t now_us = steady_us(system_.engine());
  delete_contexts(now_us);
  if (now_us - expired_us_ >= kMicrosPerSecond / 2) {
    expired_us_ = now_us;
    room_.expire(now_us, kMicrosPerSecond);
  }
  Operation* operation = impatient_count_ > 0 ? waiting_ : nullptr;
  while (operation != nullptr) {
    Operation& waiting = *operation;
    operation = waiting.waiting_after;
    if (waiting.expires_us != 0 && now_us >= waiting.expires_us &&
        waiting.move(waiting.place.generation, Phase::kWaiting, Phase::kRunning)) {
      give_up(waiting, refuse_late());
    }
  }
  tell_queue();
}

void Shard::complete(Operation& operation, SECURITY_STATUS status) noexcept {
  CompletionQueue* const queue = operation.queue ? &**operation.queue : nullptr;
  if (!system_.finish(operation, status)) {
    return;
  }
  if (queue != told_) {
    tell_queue();
    told_ = queue;
  }
  operation.next = newest_;
  newest_ = &operation;
  oldest_ = oldest_ != nullptr ? oldest_ : &operation;
}

// tell_queue hands over a turn's completions for one queue at once: one wake-up for all.
void Shard::tell_queue() noexcept {
  if (newest_ != nullptr) {
    std::exchange(told_, nullptr)
        ->add(*std::exchange(newest_, nullptr), *std::exchange(oldest_, nullptr));
  }
}

}  // namespace usher::sspi
