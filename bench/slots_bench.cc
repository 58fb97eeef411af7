// What all threads of an engine share: the pool of slots and the mailbox, at 1 to 8 threads.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "engine/slots/mailbox.h"
#include "engine/slots/slot_pool.h"

namespace usher::bench {
namespace {

constexpr std::size_t kSlots = 8192;
constexpr std::size_t kCells = 1024;
constexpr int kThreadsMax = 8;

// Pool is one for all threads of all runs.
struct Pool {
  std::vector<SlotPool::Slot> slots = std::vector<SlotPool::Slot>(kSlots);
  SlotPool pool{slots};
};
Pool& shared_pool() {
  static Pool pool;
  return pool;
}

void BM_PoolAcquireRelease(benchmark::State& state) {
  SlotPool& pool = shared_pool().pool;
  bool good = true;
  for (auto _ : state) {
    const ContextHandle handle = pool.acquire();
    good = good && handle;
    if (handle) {
      pool.release(handle);
    }
  }
  if (!good) {
    state.SkipWithError("no free slot");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PoolAcquireRelease)->ThreadRange(1, kThreadsMax)->UseRealTime();

// What an exchange of two legs does between its ends.
void BM_PoolPinUnpin(benchmark::State& state) {
  SlotPool& pool = shared_pool().pool;
  const ContextHandle handle = pool.acquire();
  if (!handle) {
    state.SkipWithError("no free slot");
    return;
  }
  pool.unpin(handle);
  bool good = true;
  for (auto _ : state) {
    good = pool.pin(handle) && good;
    pool.unpin(handle);
  }
  if (!good || !pool.pin(handle)) {
    state.SkipWithError("a live context cannot be pinned");
    return;
  }
  pool.release(handle);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PoolPinUnpin)->ThreadRange(1, kThreadsMax)->UseRealTime();

using Box = Mailbox<std::uint64_t>;
struct Boxes {
  std::vector<Box::Cell> cells = std::vector<Box::Cell>(kCells);
  Box box{cells};
};
Box& shared_box() {
  static Boxes boxes;
  return boxes.box;
}

// Every thread posts one and takes one, whosever: the number in it stays small.
void BM_MailboxPostTake(benchmark::State& state) {
  Box& box = shared_box();
  std::uint64_t value = 0;
  std::int64_t moved = 0;
  for (auto _ : state) {
    moved += box.post(value) ? 1 : 0;
    benchmark::DoNotOptimize(box.take(value));
  }
  // A thread may post nothing for long: while another stands still in the middle of a take.
  state.SetItemsProcessed(moved);
}
BENCHMARK(BM_MailboxPostTake)->ThreadRange(1, kThreadsMax)->UseRealTime();

// One thread takes what the others post, as a worker does.
void BM_MailboxManyToOne(benchmark::State& state) {
  Box& box = shared_box();
  const bool takes = state.thread_index() == 0;
  std::uint64_t value = 0;
  std::int64_t moved = 0;
  for (auto _ : state) {
    moved += (takes ? box.take(value) : box.post(value)) ? 1 : 0;
  }
  state.SetItemsProcessed(takes ? moved : 0);
}
BENCHMARK(BM_MailboxManyToOne)->ThreadRange(2, kThreadsMax)->UseRealTime();

}  // namespace
}  // namespace usher::bench

BENCHMARK_MAIN();
