// engine/slots/slot_pool.h under every interleaving of two or three threads with few preemptions.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "engine/slots/slot_pool.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using Pool = BasicSlotPool<testing::SteppedAtomic>;
using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;

class SlotPoolOrder : public ::testing::Test {
 protected:
  // fresh makes a new pool, and the handle of one idle context in it.
  void fresh(std::size_t capacity) {
    slots = std::vector<Pool::Slot>(capacity);
    pool = std::make_unique<Pool>(slots);
  }
  void fresh_with_tenant(std::size_t capacity, std::uint32_t deadline_s = 0) {
    fresh(capacity);
    tenant = pool->acquire();
    pool->set_deadline(tenant, deadline_s);
    pool->unpin(tenant);
  }
  std::uint32_t deadline_of(ContextHandle handle) {
    return slots[std::size_t(handle.index)].deadline_s.load(std::memory_order_relaxed);
  }
  // left counts how many slots can still be acquired; all must be different.
  std::size_t left() {
    std::set<SlotIndex> seen;
    std::size_t count = 0;
    while (count <= slots.size()) {
      const auto handle = pool->acquire();
      if (!handle) {
        break;
      }
      seen.insert(handle.index);
      ++count;
    }
    EXPECT_EQ(seen.size(), count) << "one slot twice on the free list";
    return count;
  }
  void explored(int schedules, int at_least) {
    EXPECT_TRUE(HasFailure() || schedules >= at_least) << schedules << ": has become trivial";
    RecordProperty("schedules", schedules);
  }

  std::vector<Pool::Slot> slots;
  std::unique_ptr<Pool> pool;
  ContextHandle tenant;
};

// One thread stalls inside acquire while the other takes two slots and returns the first: without a
// tag on the list head, the stalled thread would install a slot that is in use (the ABA problem).
TEST_F(SlotPoolOrder, AStalledAcquireIsNotFooledByAReturnedSlot) {
  ContextHandle stalled;
  ContextHandle kept;
  const auto make = [&]() -> Bodies {
    fresh(3);
    return {[&] { stalled = pool->acquire(); },
            [&] {
              const auto returned = pool->acquire();
              kept = pool->acquire();
              pool->release(returned);
            }};
  };
  const auto check = [&] {
    const auto third = pool->acquire();
    ASSERT_TRUE(stalled && kept && third);
    const std::set<SlotIndex> owners{stalled.index, kept.index, third.index};
    ASSERT_EQ(owners.size(), 3u) << "two owners share a slot";
    ASSERT_FALSE(pool->acquire());
  };
  explored(Interleaver::explore(make, check), 100);
}

// The same on the other side: push stalls between reading the head and installing its slot, while
// the slot it has read is taken and given back with another one underneath.
TEST_F(SlotPoolOrder, AStalledReleaseLosesNoSlot) {
  ContextHandle mine;
  const auto make = [&]() -> Bodies {
    fresh(3);
    mine = pool->acquire();
    return {[&] { pool->release(mine); },
            [&] {
              const auto first = pool->acquire();
              const auto second = pool->acquire();
              pool->release(first);
              pool->release(second);
            }};
  };
  explored(Interleaver::explore(make, [&] { ASSERT_EQ(left(), 3u); }), 100);
}

// Acquiring a slot that another thread has just released must find it free, of the next generation
// and without a deadline; acquire asserts the first and the last.
TEST_F(SlotPoolOrder, ASlotOnTheFreeListIsReadyForItsNextTenant) {
  ContextHandle next;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(1, 10);
    EXPECT_TRUE(pool->pin(tenant));
    next = {};
    return {[&] { pool->release(tenant); }, [&] { next = pool->acquire(); }};
  };
  const auto check = [&] {
    if (!next) {
      next = pool->acquire();
    }
    ASSERT_TRUE(next);
    ASSERT_EQ(next.generation, tenant.generation + 1);
    ASSERT_EQ(deadline_of(next), 0u);
    pool->unpin(next);
    ASSERT_FALSE(pool->pin(tenant));
    ASSERT_TRUE(pool->pin(next));
  };
  explored(Interleaver::explore(make, check), 10);
}

TEST_F(SlotPoolOrder, OnePinOfOneContextAtATime) {
  int holders = 0;
  int most = 0;
  int pins = 0;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(1);
    holders = most = pins = 0;
    const Interleaver::Body use = [&] {
      if (pool->pin(tenant)) {
        ++pins;
        most = std::max(most, ++holders);
        Interleaver::step();
        --holders;
        pool->unpin(tenant);
      }
    };
    return {use, use, use};
  };
  const auto check = [&] {
    ASSERT_EQ(most, 1) << "two threads in one context";
    ASSERT_GE(pins, 1);
    ASSERT_TRUE(pool->pin(tenant)) << "the last one out leaves it idle";
  };
  explored(Interleaver::explore(make, check), 20);
}

// Two threads want to end one context: exactly one may, and the slot is freed once.
TEST_F(SlotPoolOrder, ADoubleDeleteFreesTheSlotOnce) {
  int ended = 0;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(2);
    ended = 0;
    const Interleaver::Body end = [&] {
      if (pool->pin(tenant)) {
        ++ended;
        pool->release(tenant);
      }
    };
    return {end, end};
  };
  const auto check = [&] {
    ASSERT_EQ(ended, 1);
    ASSERT_EQ(left(), 2u);
  };
  explored(Interleaver::explore(make, check), 10);
}

// A handle from before the release never reaches the next tenant, whenever it arrives.
TEST_F(SlotPoolOrder, AStalePinNeverReachesTheNextTenant) {
  bool stale_pinned = false;
  bool released = false;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(1);
    EXPECT_TRUE(pool->pin(tenant));
    stale_pinned = released = false;
    return {[&] {
              released = true;
              pool->release(tenant);
              pool->unpin(pool->acquire());
            },
            [&] {
              stale_pinned = pool->pin(tenant);
              EXPECT_FALSE(stale_pinned) << (released ? "the next tenant's" : "busy");
            }};
  };
  const auto check = [&] {
    ASSERT_FALSE(stale_pinned);
    ASSERT_TRUE(pool->pin({tenant.index, tenant.generation + 1}));
  };
  explored(Interleaver::explore(make, check), 8);
}

// A sweep looks at the deadline before it has the pin, so the context may be used in between.
TEST_F(SlotPoolOrder, ASweepDoesNotTakeAContextThatWasPutOff) {
  bool swept = false;
  std::uint32_t deadline_at_pin_s = 0;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(1, 10);
    swept = false;
    return {[&] {
              std::uint32_t from = 0;
              if (const auto expired = pool->pin_expired(from, 20)) {
                swept = true;
                deadline_at_pin_s = deadline_of(expired);
                pool->release(expired);
              }
            },
            [&] {
              if (pool->pin(tenant)) {
                pool->set_deadline(tenant, 30);
                pool->unpin(tenant);
              }
            }};
  };
  int sweeps = 0;
  const auto check = [&] {
    sweeps += swept ? 1 : 0;
    ASSERT_TRUE(!swept || deadline_at_pin_s == 10u) << "swept although not due";
    ASSERT_NE(pool->pin(tenant), swept) << "either swept or alive";
  };
  const int schedules = Interleaver::explore(make, check);
  explored(schedules, 20);
  EXPECT_TRUE(HasFailure() || (sweeps > 0 && sweeps < schedules)) << "both ends are reached";
}

// The same when the slot goes to another tenant, who has no deadline.
TEST_F(SlotPoolOrder, ASweepDoesNotTakeTheNextTenant) {
  ContextHandle expired;
  ContextHandle next;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(1, 10);
    expired = {};
    next = {};
    return {[&] {
              std::uint32_t from = 0;
              expired = pool->pin_expired(from, 20);
            },
            [&] {
              if (pool->pin(tenant)) {
                pool->release(tenant);
                next = pool->acquire();
                pool->unpin(next);
              }
            }};
  };
  const auto check = [&] {
    ASSERT_TRUE(!expired || expired == tenant) << "a tenant without a deadline was swept";
    ASSERT_NE(bool(expired), bool(next));
    ASSERT_TRUE(!next || pool->pin(next)) << "the sweep left it idle";
  };
  explored(Interleaver::explore(make, check), 20);
}

TEST_F(SlotPoolOrder, TwoSweepsShareTheExpired) {
  std::vector<ContextHandle> taken;
  const auto make = [&]() -> Bodies {
    fresh_with_tenant(2, 10);
    const ContextHandle other = pool->acquire();
    pool->set_deadline(other, 10);
    pool->unpin(other);
    taken.clear();
    const Interleaver::Body sweep = [&] {
      std::uint32_t from = 0;
      while (const auto expired = pool->pin_expired(from, 20)) {
        taken.push_back(expired);
        pool->release(expired);
      }
    };
    return {sweep, sweep};
  };
  const auto check = [&] {
    ASSERT_EQ(taken.size(), 2u);
    ASSERT_NE(taken[0].index, taken[1].index);
    ASSERT_EQ(left(), 2u);
  };
  explored(Interleaver::explore(make, check), 100);
}

TEST_F(SlotPoolOrder, ThreeThreadsThatTakeAndReturnSlotsLoseNone) {
  ContextHandle kept;
  const auto make = [&]() -> Bodies {
    fresh(2);
    const Interleaver::Body use = [&] {
      if (const auto handle = pool->acquire()) {
        pool->release(handle);
      }
    };
    return {use, use, [&] { kept = pool->acquire(); }};
  };
  const auto check = [&] { ASSERT_EQ(left(), kept ? 1u : 2u); };
  explored(Interleaver::explore(make, check), 500);
}

}  // namespace
}  // namespace usher
