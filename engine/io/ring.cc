// How operations become submissions; ring.h says what is promised.
#include "engine/io/ring.h"

#include <linux/io_uring.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/io/submissions.h"

namespace usher::io {
namespace {

// From most to least. DEFER_TASKRUN (6.1) runs completions only when this thread asks for them, so
// a turn is never interrupted; it needs SINGLE_ISSUER (6.0). R_DISABLED leaves it open which thread
// that is until own(). COOP_TASKRUN (5.19) at least spares the interruption.
constexpr std::array<unsigned, Ring::kFallbackCount> kSetupFlags = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN,
    0,
};

constexpr int kBufferGroup = 0;
constexpr __kernel_timespec kTickInterval = {.tv_sec = 1, .tv_nsec = 0};
constexpr __kernel_timespec kPulseInterval = {.tv_sec = 0, .tv_nsec = Submissions::kPulseUs * 1000};

// tag comes after io_uring_prep_*, which may overwrite all of a submission.
void tag(io_uring_sqe* submission, Ticket ticket) noexcept {
  io_uring_sqe_set_data64(submission, std::bit_cast<std::uint64_t>(ticket));
}

}  // namespace

Ring::~Ring() {
  if (open_) {
    io_uring_queue_exit(&ring_);  // Before the memory it may write to is unmapped.
  }
}

int Ring::open(const RingOptions& options) noexcept {
  assert(!open_);
  assert(std::has_single_bit(options.buffer_count));
  options_ = options;
  const int result = open_ring();
  return result < 0 ? result : open_buffers();
}

int Ring::open_ring() noexcept {
  int result = -EINVAL;
  for (fallback_ = options_.first_fallback; fallback_ < kFallbackCount; ++fallback_) {
    io_uring_params params{};
    // Accepts and receives complete more often than they are submitted: a larger completion queue.
    params.flags = kSetupFlags[fallback_] | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    params.cq_entries = 4 * options_.entries;
    result = io_uring_queue_init_params(options_.entries, &ring_, &params);
    if (result == 0) {
      open_ = true;
      return 0;
    }
    // EINVAL: the kernel is older. EPERM, ENOSYS: io_uring itself is off, and less will not help.
    if (result != -EINVAL) {
      return result;
    }
  }
  return result;
}

int Ring::open_buffers() noexcept {
  buffer_ring_pages_ = Pages::map(options_.buffer_count * sizeof(io_uring_buf));
  buffer_pages_ = Pages::map(std::size_t{options_.buffer_count} * options_.buffer_size);
  if (buffer_ring_pages_.empty() || buffer_pages_.empty()) {
    return -ENOMEM;
  }
  io_uring_buf_reg registration{};
  registration.ring_addr = std::bit_cast<std::uintptr_t>(buffer_ring_pages_.bytes().data());
  registration.ring_entries = options_.buffer_count;
  registration.bgid = kBufferGroup;
  const int result = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (result < 0) {
    return result;
  }
  for (std::uint32_t index = 0; index < options_.buffer_count; ++index) {
    ++buffers_lent_;
    give_back(BufferIndex(index));
  }
  return 0;
}

int Ring::own() noexcept {
  if ((kSetupFlags[fallback_] & IORING_SETUP_R_DISABLED) == 0) {
    return 0;
  }
  // liburing 2.3's shared library declares io_uring_enable_rings and does not export it.
  const long result =
      syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  return result < 0 ? -errno : 0;
}

io_uring_sqe* Ring::next_submission() noexcept {
  io_uring_sqe* submission = io_uring_get_sqe(&ring_);
  while (submission == nullptr) {  // Only with more operations in one turn than entries.
    io_uring_submit(&ring_);
    submission = io_uring_get_sqe(&ring_);
  }
  return submission;
}

void Ring::accept(int listener, Ticket ticket) noexcept {
  io_uring_sqe* const submission = next_submission();
  io_uring_prep_multishot_accept(submission, listener, nullptr, nullptr, SOCK_CLOEXEC);
  tag(submission, ticket);
}

void Ring::receive(int fd, Ticket ticket) noexcept {
  io_uring_sqe* const submission = next_submission();
  io_uring_prep_recv_multishot(submission, fd, nullptr, 0, 0);
  submission->flags |= IOSQE_BUFFER_SELECT;
  submission->buf_group = kBufferGroup;
  tag(submission, ticket);
}

void Ring::send(int fd, Bytes from, Ticket ticket) noexcept {
  io_uring_sqe* const submission = next_submission();
  io_uring_prep_send(submission, fd, from.data(), from.size(), MSG_NOSIGNAL | MSG_WAITALL);
  tag(submission, ticket);
}

void Ring::cancel(Ticket target) noexcept {
  const Ticket ticket{.connection = target.connection, .epoch = target.epoch, .op = Op::kCancel};
  io_uring_sqe* const submission = next_submission();
  io_uring_prep_cancel64(submission, std::bit_cast<std::uint64_t>(target), 0);
  tag(submission, ticket);
}

void Ring::tick(Ticket ticket) noexcept { timeout(kTickInterval, ticket); }

void Ring::pulse(Ticket ticket) noexcept { timeout(kPulseInterval, ticket); }

void Ring::timeout(const __kernel_timespec& interval, Ticket ticket) noexcept {
  io_uring_sqe* const submission = next_submission();
  // liburing 2.3 takes a pointer to non-const and only reads it.
  io_uring_prep_timeout(submission, const_cast<__kernel_timespec*>(&interval), 0, 0);
  tag(submission, ticket);
}

void Ring::wake(int event_fd, Ticket ticket) noexcept {
  io_uring_sqe* const submission = next_submission();
  io_uring_prep_read(submission, event_fd, &wake_count_, sizeof wake_count_, 0);
  tag(submission, ticket);
}

void Ring::submit(bool wait) noexcept {
  // Errors (EINTR, EBUSY, EAGAIN) leave what is queued queued; the next turn submits it.
  if (wait) {
    io_uring_submit_and_wait(&ring_, 1);
  } else {
    io_uring_submit_and_get_events(&ring_);
  }
}

Completion Ring::typed(const io_uring_cqe& raw) noexcept {
  Completion completion{.ticket = std::bit_cast<Ticket>(std::uint64_t{raw.user_data}),
                        .result = raw.res,
                        .more = (raw.flags & IORING_CQE_F_MORE) != 0,
                        .has_buffer = (raw.flags & IORING_CQE_F_BUFFER) != 0,
                        .buffer = {}};
  if (completion.has_buffer) {
    completion.buffer =
        BufferIndex(static_cast<std::uint16_t>(raw.flags >> IORING_CQE_BUFFER_SHIFT));
    ++buffers_lent_;
  }
  return completion;
}

MutableBytes Ring::buffer(BufferIndex index) const noexcept {
  return buffer_pages_.bytes().subspan(std::size_t(index) * options_.buffer_size,
                                       options_.buffer_size);
}

Bytes Ring::received(const Completion& completion) const noexcept {
  assert(completion.has_buffer);
  return buffer(completion.buffer).first(static_cast<std::size_t>(std::max(completion.result, 0)));
}

void Ring::give_back(BufferIndex index) noexcept {
  assert(buffers_lent_ > 0);
  auto* const buffers = reinterpret_cast<io_uring_buf_ring*>(buffer_ring_pages_.bytes().data());
  const MutableBytes memory = buffer(index);
  io_uring_buf_ring_add(buffers, memory.data(), options_.buffer_size, std::uint16_t(index),
                        io_uring_buf_ring_mask(options_.buffer_count), 0);
  io_uring_buf_ring_advance(buffers, 1);
  --buffers_lent_;
}

}  // namespace usher::io
