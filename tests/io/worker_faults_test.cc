// Promise (attack F6): whichever completion, system call or mapping fails, and whatever it was for,
// a worker goes on or says that it cannot begin; every buffer, descriptor and connection comes
// back.
#include <liburing.h>
#include <sys/mman.h>

#include <cerrno>
#include <filesystem>

#include "engine/io/ring.h"
#include "tests/io/line_worker.h"

namespace {

// Faults says what is to fail. One thread counts at a time: a worker's, or the one that makes it.
struct Faults {
  std::atomic<int> completions_left{-1};  // So many are left alone, then one fails; < 0: none does.
  std::atomic<int> submits_left{-1};      // Likewise, of system calls that submit.
  std::atomic<int> calls_left{-1};        // Likewise, of what makes a worker.
  std::atomic<int> failed{0};
  std::atomic<long> mapped{0};  // Mappings made by what is tested, less those taken down.
  std::atomic<int> last_op{-1};

  // What failed is on record before the count says that something did: whoever waits for that reads
  // the record next.
  bool hits(std::atomic<int>& left, int op = -1) {
    if (left < 0) {
      return false;
    }
    if (left > 0) {
      --left;
      return false;
    }
    last_op = op;
    ++failed;
    left = -1;
    return true;
  }
};
Faults faults;

}  // namespace

// The linker sends the worker's calls here (--wrap in CMakeLists.txt).
extern "C" {
unsigned __real_io_uring_peek_batch_cqe(io_uring* ring, io_uring_cqe** cqes, unsigned count);
int __real_io_uring_submit_and_wait(io_uring* ring, unsigned wait_nr);
int __real_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params);
int __real_io_uring_register_buf_ring(io_uring* ring, io_uring_buf_reg* reg, unsigned flags);
int __real_eventfd(unsigned count, int flags);
int __real_munmap(void* at, std::size_t size);
void* __real_mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset);

// A completion that fails after all: what it brought is gone, as if it had never come.
unsigned __wrap_io_uring_peek_batch_cqe(io_uring* ring, io_uring_cqe** cqes, unsigned count) {
  const unsigned ready = __real_io_uring_peek_batch_cqe(ring, cqes, count);
  for (unsigned i = 0; i < ready; ++i) {
    const auto ticket = std::bit_cast<usher::io::Ticket>(std::uint64_t{cqes[i]->user_data});
    const bool worked = cqes[i]->res >= 0 || ticket.op == usher::io::Op::kTick;  // By -ETIME.
    if (worked && faults.hits(faults.completions_left, int(ticket.op))) {
      if (ticket.op == usher::io::Op::kAccept) {
        ::close(cqes[i]->res);
      }
      cqes[i]->res = -EIO;
    }
  }
  return ready;
}
int __wrap_io_uring_submit_and_wait(io_uring* ring, unsigned wait_nr) {
  return faults.hits(faults.submits_left) ? -EBUSY : __real_io_uring_submit_and_wait(ring, wait_nr);
}
int __wrap_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
  return faults.hits(faults.calls_left) ? -EMFILE
                                        : __real_io_uring_queue_init_params(entries, ring, params);
}
int __wrap_io_uring_register_buf_ring(io_uring* ring, io_uring_buf_reg* reg, unsigned flags) {
  return faults.hits(faults.calls_left) ? -ENOMEM
                                        : __real_io_uring_register_buf_ring(ring, reg, flags);
}
int __wrap_eventfd(unsigned count, int flags) {
  if (faults.hits(faults.calls_left)) {
    errno = EMFILE;
    return -1;
  }
  return __real_eventfd(count, flags);
}
void* __wrap_mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) {
  if (faults.hits(faults.calls_left)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  ++faults.mapped;
  return __real_mmap(at, size, protection, flags, file, offset);
}
int __wrap_munmap(void* at, std::size_t size) {
  --faults.mapped;
  return __real_munmap(at, size);
}
}

namespace usher::io {
namespace {

class WorkerFaults : public WorkerTest {
 protected:
  void TearDown() override {
    faults.completions_left = faults.submits_left = faults.calls_left = -1;
    WorkerTest::TearDown();
  }

  // is_served says whether a new client is answered. Nobody may have to wait for a deadline.
  bool is_served() {
    Client client = connect();
    return client.connected() && client.send("token abc\nplain\n") &&
           client.read_line() == "abc: not a token\n" && client.read_line() == "plain\n";
  }

  static std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
  }
};

// One client's life is an accept, some receives and some sends; ticks come in between.
TEST_F(WorkerFaults, OfACompletionEndAtMostTheConnectionItIsOf) {
  std::array<int, 6> hit{};
  for (int n = 0; n < 60; ++n) {
    faults.last_op = -1;
    faults.completions_left = n % 12;
    is_served();  // Or is cut off.
    for (int round = 0; round < 12 && faults.completions_left >= 0; ++round) {
      is_served();
    }
    ASSERT_LT(faults.completions_left, 0);
    ++hit.at(std::size_t(faults.last_op));
    // A listener whose accept failed for no known reason rests for a tick.
    ASSERT_TRUE(eventually([this] { return is_served(); })) << "after fault " << n;
  }
  EXPECT_GT(hit[std::size_t(Op::kAccept)], 0);
  EXPECT_GT(hit[std::size_t(Op::kReceive)], 0);
  EXPECT_GT(hit[std::size_t(Op::kSend)], 0);
}

TEST_F(WorkerFaults, OfATickOrAWakeStopNeither) {
  int ticks = 0;
  for (int n = 0; n < 20 && ticks < 2; ++n) {
    faults.last_op = -1;
    faults.completions_left = 0;  // Nothing else happens.
    ASSERT_TRUE(eventually([] { return faults.completions_left < 0; }));
    ticks += faults.last_op == int(Op::kTick) ? 1 : 0;
  }
  EXPECT_EQ(ticks, 2);
  const int before = front_end_.ticks;
  EXPECT_TRUE(eventually([&] { return front_end_.ticks > before; }));
  // The next to complete is the wake, unless a tick comes first.
  faults.last_op = -1;
  faults.completions_left = 0;
  worker_->stop();
  join();  // And the worker ends when it is told to.
  EXPECT_TRUE(faults.last_op == int(Op::kWake) || faults.last_op == int(Op::kTick));
}

TEST_F(WorkerFaults, OfASubmissionLoseNothing) {
  for (int n = 0; n < 30; ++n) {
    faults.submits_left = n % 5;
    ASSERT_TRUE(is_served()) << n;
  }
  EXPECT_GT(faults.failed, 0);
}

TEST_F(WorkerFaults, OfAnythingThatAWorkerIsMadeOfLeaveNoPartOfIt) {
  WorkerOptions options{.connection_count = 4};
  const std::array listeners = {tcp_.get()};
  options.listeners = listeners;
  const std::size_t before = open_descriptors();
  const long mapped_before = faults.mapped;
  int refusals = 0;
  for (int n = 0;; ++n) {
    faults.failed = 0;
    faults.calls_left = n;
    int error = 0;
    std::unique_ptr<Worker> other =
        Worker::make(options, *desk_, engine_->environment(), front_end_, error);
    faults.calls_left = -1;
    if (other != nullptr) {
      EXPECT_EQ(faults.failed, 0);
      EXPECT_EQ(error, 0);
      break;
    }
    ++refusals;
    EXPECT_LT(error, 0);
    EXPECT_EQ(open_descriptors(), before) << "after fault " << n;
    EXPECT_EQ(faults.mapped, mapped_before) << "after fault " << n;
  }
  EXPECT_GE(refusals, 8) << "an eventfd, a ring, its buffers, four tables and replies";
}

}  // namespace
}  // namespace usher::io
