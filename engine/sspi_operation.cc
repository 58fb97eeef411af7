#include "engine/sspi_operation.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <thread>
#include <utility>

#include "engine/sspi_async_system.h"

namespace usher::sspi {

bool Operation::move(std::uint32_t generation, Phase from, Phase to) noexcept {
  // What its owner has freed is about to be recycled: from there on it is nobody's to use again.
  const std::uint64_t refused = from == Phase::kReady || from == Phase::kDone ? kOrphan : 0;
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while (seen >> 32 == generation && Phase(seen & kPhaseMask) == from && (seen & refused) == 0) {
    // Acquire: shows what whoever had it before has written; release: passes on what we have.
    if (word.compare_exchange_weak(seen, (seen & ~kPhaseMask) | std::uint64_t(to),
                                   std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

bool Operation::settle(Phase to) noexcept {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while (!word.compare_exchange_weak(seen, (seen & ~kPhaseMask) | std::uint64_t(to),
                                     std::memory_order_acq_rel, std::memory_order_relaxed)) {
  }
  return (seen & kOrphan) != 0;
}

void Operation::note_tells() noexcept {
  // Relaxed: it is about this call alone. Only the owner's freeing may come between.
  if (tells()) {
    word.fetch_or(kTells, std::memory_order_relaxed);
  } else {
    word.fetch_and(~kTells, std::memory_order_relaxed);
  }
}

CompletionQueue::CompletionQueue(AsyncSystem& system) noexcept
    : system_(system), fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

CompletionQueue::~CompletionQueue() {
  if (fd_ >= 0 && !closed_.load(std::memory_order_relaxed)) {
    ::close(fd_);
  }
}

void CompletionQueue::wake() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
}

void CompletionQueue::add(Operation& newest, Operation& oldest) noexcept {
  std::optional<QueueTable::Hold> last;  // Ends after everything here, and perhaps `this` with it.
  // Sequentially consistent, this and closed_: either close waits for us, or we see that it has
  // begun. Its descriptor is written to by nobody after it was closed.
  adding_.fetch_add(1, std::memory_order_seq_cst);
  if (closed_.load(std::memory_order_seq_cst)) {
    last.emplace(std::move(*oldest.queue));
    oldest.next = nullptr;
    discard(&newest);
  } else if (list_.add(newest, oldest)) {
    wake();
  }
  adding_.fetch_sub(1, std::memory_order_release);
}

void CompletionQueue::discard(Operation* first) noexcept {
  while (first != nullptr) {
    Operation& operation = *first;
    first = operation.next;  // Before it may be somebody else's.
    operation.queue.reset();
    operation.note_tells();
    system_.done(operation);
  }
}

std::uint32_t CompletionQueue::take(USHER_COMPLETION* out, std::uint32_t count) noexcept {
  // Released also by who finds somebody here: see below.
  if (count == 0 || taking_.exchange(true, std::memory_order_acq_rel)) {
    return 0;
  }
  // First the descriptor, then the list: whoever adds to an emptied list writes to it again.
  std::uint64_t writes = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd_, &writes, sizeof writes);
  std::uint32_t taken = 0;
  while (taken < count) {
    if (left_ == nullptr) {
      left_ = list_.take_all();
    }
    if (left_ == nullptr) {
      break;
    }
    Operation& operation = *left_;
    left_ = operation.next;
    const USHER_COMPLETION completion{
        .Context = operation.handle, .Data = operation.data, .Status = operation.result.status()};
    // Its owner has freed it before it was told: there is nobody to tell.
    if ((operation.word.load(std::memory_order_acquire) & Operation::kOrphan) == 0) {
      out[taken++] = completion;
    }
    system_.done(operation);
  }
  const bool left = left_ != nullptr;
  adding_.fetch_add(1, std::memory_order_seq_cst);  // The descriptor stays open, as in add.
  // Acquired from who was turned away meanwhile, and with it what it was woken for.
  taking_.exchange(false, std::memory_order_acq_rel);
  // What was added since the list was emptied may have written to the descriptor before it was
  // read, or have woken who was turned away.
  if (!closed_.load(std::memory_order_seq_cst) && (left || !list_.empty())) {
    wake();
  }
  adding_.fetch_sub(1, std::memory_order_release);
  return taken;
}

void CompletionQueue::close() noexcept {
  if (closed_.exchange(true, std::memory_order_seq_cst)) {
    return;
  }
  while (adding_.load(std::memory_order_seq_cst) > 0 ||
         taking_.exchange(true, std::memory_order_acquire)) {
    std::this_thread::yield();
  }
  discard(std::exchange(left_, nullptr));
  discard(list_.take_all());
  ::close(fd_);
}

}  // namespace usher::sspi
