// engine/slots/slot_pool.h: one owner per slot; forged, stale and busy handles are refused; idle
// contexts expire; nothing is lost under contention.
#include "engine/slots/slot_pool.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace usher {
namespace {

TEST(SlotPool, IsExhaustedAfterCapacityAcquires) {
  std::vector<SlotPool::Slot> slots(2);
  SlotPool pool(slots);
  EXPECT_EQ(pool.capacity(), 2u);
  ASSERT_TRUE(pool.acquire());
  const auto second = pool.acquire();
  ASSERT_TRUE(second);
  EXPECT_FALSE(pool.acquire());
  pool.release(second);
  EXPECT_TRUE(pool.acquire());
}

TEST(SlotPool, HandsOutEverySlotOnce) {
  std::vector<SlotPool::Slot> slots(100);
  SlotPool pool(slots);
  std::set<SlotIndex> seen;
  while (const auto handle = pool.acquire()) {
    EXPECT_EQ(handle.generation, 1u);
    seen.insert(handle.index);
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(seen.count(SlotIndex{0}), 1u);
  EXPECT_EQ(seen.count(SlotIndex{99}), 1u);
}

// What a caller may hand back, against a pool of two slots. Slot 0 was released once, so its tenant
// has generation 2; slot 1 has its first tenant. Both are idle.
struct PinCase {
  const char* name;
  ContextHandle handle;
  bool accepted;
  const char* why;
};
constexpr std::uint32_t kGenerationMax = 0xffffffff;
constexpr PinCase kPins[] = {
    {"Live", {SlotIndex{0}, 2}, true, "the tenant's own handle"},
    {"LiveNeighbour", {SlotIndex{1}, 1}, true, "the neighbour's own handle"},
    {"Default", {}, false, "a handle that names nothing"},
    {"IndexJustOutside", {SlotIndex{2}, 1}, false, "one past the last slot"},
    {"IndexMask", {SlotIndex{0xffffff}, 1}, false, "the free list's end mark is no slot"},
    {"IndexNone", {SlotIndex::kNone, 2}, false, "all ones"},
    {"GenerationZero", {SlotIndex{0}, 0}, false, "never issued"},
    {"GenerationZeroNeighbour", {SlotIndex{1}, 0}, false, "never issued"},
    {"Stale", {SlotIndex{0}, 1}, false, "the tenant before"},
    {"Future", {SlotIndex{0}, 3}, false, "the tenant after"},
    {"NeighboursGeneration", {SlotIndex{1}, 2}, false, "generations are per slot"},
    {"GenerationMax", {SlotIndex{1}, kGenerationMax}, false, "all ones"},
    {"GenerationHighBit", {SlotIndex{1}, 0x80000001}, false, "no bit of a generation is ignored"},
    {"GenerationAliasesState", {SlotIndex{1}, 0x40000001}, false, "nor lost in the shift"},
};

class SlotPoolPin : public ::testing::TestWithParam<PinCase> {};

TEST_P(SlotPoolPin, TakesOnlyTheTenantsHandle) {
  std::vector<SlotPool::Slot> slots(2);
  SlotPool pool(slots);
  pool.release(pool.acquire());
  pool.unpin(pool.acquire());
  pool.unpin(pool.acquire());
  EXPECT_EQ(pool.is_live(GetParam().handle), GetParam().accepted) << GetParam().why;
  EXPECT_EQ(pool.pin(GetParam().handle), GetParam().accepted) << GetParam().why;
}

INSTANTIATE_TEST_SUITE_P(Table, SlotPoolPin, ::testing::ValuesIn(kPins),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SlotPool, RefusesAHandleThatOutlivedItsContext) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle stale = pool.acquire();
  pool.release(stale);
  EXPECT_FALSE(pool.pin(stale)) << "free";
  const ContextHandle fresh = pool.acquire();
  EXPECT_FALSE(pool.pin(stale)) << "pinned by the next tenant";
  pool.unpin(fresh);
  EXPECT_EQ(stale.index, fresh.index);
  EXPECT_FALSE(pool.pin(stale)) << "the next tenant is idle";
  EXPECT_TRUE(pool.pin(fresh));
}

TEST(SlotPool, AContextIsLiveFromAcquireToRelease) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  EXPECT_FALSE(pool.is_live({SlotIndex{0}, 1})) << "not acquired yet";
  const ContextHandle handle = pool.acquire();
  EXPECT_TRUE(pool.is_live(handle));
  pool.unpin(handle);
  EXPECT_TRUE(pool.is_live(handle));
  ASSERT_TRUE(pool.pin(handle)) << "asking has pinned nothing";
  pool.release(handle);
  EXPECT_FALSE(pool.is_live(handle));
  EXPECT_FALSE(pool.is_live({handle.index, handle.generation + 1}));
}

TEST(SlotPool, RefusesASecondPinUntilTheFirstIsGivenBack) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle handle = pool.acquire();
  EXPECT_FALSE(pool.pin(handle)) << "acquire has pinned it";
  pool.unpin(handle);
  EXPECT_TRUE(pool.pin(handle));
  EXPECT_FALSE(pool.pin(handle));
  pool.unpin(handle);
  EXPECT_TRUE(pool.pin(handle));
}

TEST(SlotPool, CountsPinnedAndIdleSlotsAsUsed) {
  std::vector<SlotPool::Slot> slots(3);
  SlotPool pool(slots);
  EXPECT_EQ(pool.used_count(), 0u);
  const ContextHandle first = pool.acquire();
  const ContextHandle second = pool.acquire();
  pool.unpin(second);
  EXPECT_EQ(pool.used_count(), 2u);
  pool.release(first);
  EXPECT_EQ(pool.used_count(), 1u);
}

TEST(SlotPool, RefusesAFreeSlotsNextHandle) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle guessed{SlotIndex{0}, 1};
  EXPECT_FALSE(pool.pin(guessed)) << "right generation, but nobody has acquired it";
  EXPECT_EQ(pool.acquire(), guessed);
  pool.unpin(guessed);
  EXPECT_TRUE(pool.pin(guessed));
}

TEST(SlotPool, SkipsGenerationZeroWhenTheCountComesRound) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  // Four thousand million releases, in short: the pool's own word, one before the end.
  slots[0].word.store(std::uint64_t{kGenerationMax} << 2, std::memory_order_relaxed);
  const ContextHandle last = pool.acquire();
  EXPECT_EQ(last.generation, kGenerationMax);
  pool.unpin(last);
  EXPECT_TRUE(pool.pin(last));
  pool.release(last);
  EXPECT_EQ(pool.acquire().generation, 1u);
}

#ifndef NDEBUG
using SlotPoolDeathTest = ::testing::Test;
TEST(SlotPoolDeathTest, MisuseByTheEngineIsCaught) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle handle = pool.acquire();
  pool.set_deadline(handle, 1);
  pool.unpin(handle);
  EXPECT_DEATH(pool.unpin(handle), "held");
  EXPECT_DEATH(pool.release(handle), "release without the pin");
  EXPECT_DEATH(pool.set_deadline(handle, 2), "kPinned");
  ASSERT_TRUE(pool.pin(handle));
  const ContextHandle before{handle.index, handle.generation - 1};
  EXPECT_DEATH(pool.unpin(before), "held");
  EXPECT_DEATH(pool.release(before), "release without the pin");
  const ContextHandle nowhere{SlotIndex{1}, handle.generation};
  EXPECT_DEATH(pool.unpin(nowhere), "held");
  EXPECT_DEATH(pool.release(nowhere), "release without the pin");
}
#endif

// Which idle contexts a sweep finds at `now_s` = 100.
struct DeadlineCase {
  const char* name;
  std::uint32_t deadline_s;
  bool expired;
};
constexpr DeadlineCase kDeadlines[] = {
    {"LongAgo", 1, true},      {"JustBefore", 99, true}, {"Now", 100, false},
    {"JustAfter", 101, false}, {"Never", 0, false},      {"FarAway", kGenerationMax, false},
};

class SlotPoolDeadline : public ::testing::TestWithParam<DeadlineCase> {};

TEST_P(SlotPoolDeadline, DecidesWhetherASweepPinsTheContext) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle handle = pool.acquire();
  pool.set_deadline(handle, GetParam().deadline_s);
  pool.unpin(handle);
  std::uint32_t from = 0;
  const auto expired = pool.pin_expired(from, 100);
  ASSERT_EQ(bool(expired), GetParam().expired);
  EXPECT_EQ(from, 1u);
  if (expired) {
    EXPECT_EQ(expired, handle);
    EXPECT_FALSE(pool.pin(handle)) << "the sweep has it";
    pool.release(handle);
  } else {
    EXPECT_TRUE(pool.pin(handle)) << "the sweep has left it alone";
  }
}

INSTANTIATE_TEST_SUITE_P(Table, SlotPoolDeadline, ::testing::ValuesIn(kDeadlines),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SlotPool, ASweepPassesOverBusyAndFreeSlotsAndGoesOnWhereItStopped) {
  std::vector<SlotPool::Slot> slots(5);
  SlotPool pool(slots);
  std::vector<ContextHandle> handles;
  for (std::uint32_t i = 0; i < 5; ++i) {
    handles.push_back(pool.acquire());
    ASSERT_EQ(handles[i].index, SlotIndex{i});
    pool.set_deadline(handles[i], 10);
  }
  pool.unpin(handles[1]);
  pool.release(handles[2]);
  pool.unpin(handles[4]);  // 0 and 3 stay pinned.

  std::uint32_t from = 0;
  EXPECT_EQ(pool.pin_expired(from, 20), handles[1]);
  EXPECT_EQ(from, 2u);
  EXPECT_EQ(pool.pin_expired(from, 20), handles[4]);
  EXPECT_EQ(from, 5u);
  EXPECT_EQ(pool.pin_expired(from, 20), ContextHandle{});
  EXPECT_EQ(from, 5u);
  from = 7;
  EXPECT_EQ(pool.pin_expired(from, 20), ContextHandle{}) << "beyond the last slot";
}

TEST(SlotPool, ATenantDoesNotInheritADeadline) {
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle first = pool.acquire();
  pool.set_deadline(first, 10);
  pool.release(first);
  const ContextHandle second = pool.acquire();
  pool.unpin(second);
  std::uint32_t from = 0;
  EXPECT_EQ(pool.pin_expired(from, 20), ContextHandle{});

  ASSERT_TRUE(pool.pin(second));
  pool.set_deadline(second, 10);
  pool.unpin(second);
  from = 0;
  EXPECT_EQ(pool.pin_expired(from, 20), second) << "its own counts";
}

TEST(SlotPool, ADeadlineInLeftOverMemoryIsForgotten) {
  std::vector<SlotPool::Slot> slots(1);
  slots[0].deadline_s.store(10, std::memory_order_relaxed);
  SlotPool pool(slots);
  pool.unpin(pool.acquire());
  std::uint32_t from = 0;
  EXPECT_EQ(pool.pin_expired(from, 20), ContextHandle{});
}

TEST(SlotPool, NeverGivesOneSlotToTwoThreads) {
  constexpr unsigned kThreads = 4;
  constexpr int kRounds = 50'000;
  std::vector<SlotPool::Slot> slots(kThreads);
  SlotPool pool(slots);
  std::vector<int> tenants(kThreads);  // Deliberately not atomic: TSan proves exclusion.
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const ContextHandle handle = pool.acquire();
        ++tenants[std::size_t(handle.index)];
        pool.unpin(handle);
        ASSERT_TRUE(pool.pin(handle));
        pool.release(handle);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  int total = 0;
  for (const int count : tenants) {
    total += count;
  }
  EXPECT_EQ(total, static_cast<int>(kThreads) * kRounds);
}

// One context, four threads that pin it when they can, and a sweep that may find it expired.
TEST(SlotPool, ThreadsThatShareOneContextTakeTurns) {
  constexpr unsigned kThreads = 4;
  constexpr int kRounds = 20'000;
  std::vector<SlotPool::Slot> slots(1);
  SlotPool pool(slots);
  const ContextHandle handle = pool.acquire();
  pool.set_deadline(handle, 10);
  pool.unpin(handle);
  int uses = 0;  // Deliberately not atomic.
  std::vector<int> wins(kThreads);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        std::uint32_t from = 0;
        if (t == 0 ? bool(pool.pin_expired(from, 20)) : pool.pin(handle)) {
          ++uses;
          ++wins[t];
          pool.set_deadline(handle, round % 2 == 0 ? 10 : 30);
          pool.unpin(handle);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  int total = 0;
  for (const int count : wins) {
    total += count;
  }
  EXPECT_EQ(uses, total);
  EXPECT_GT(uses, 0);
}

}  // namespace
}  // namespace usher
