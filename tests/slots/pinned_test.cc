// engine/slots/pinned.h: a pin is given back exactly once, and release wipes before it frees.
#include "engine/slots/pinned.h"

#include <gtest/gtest.h>

#include <array>
#include <type_traits>
#include <vector>

namespace usher {
namespace {

struct Tenant {
  int secret = 7;
  SlotPool* pool = nullptr;
  bool free_when_wiped = false;
  // wipe notes whether somebody else could have had the slot already.
  void wipe() noexcept {
    secret = 0;
    free_when_wiped = pool != nullptr && pool->acquire();
  }
};

static_assert(!std::is_copy_constructible_v<Pinned<Tenant>>);
static_assert(!std::is_copy_assignable_v<Pinned<Tenant>>);
static_assert(std::is_nothrow_move_constructible_v<Pinned<Tenant>>);

class PinnedTest : public ::testing::Test {
 protected:
  Pinned<Tenant> acquire() {
    const ContextHandle handle = pool.acquire();
    return {pool, handle, tenants[std::size_t(handle.index)]};
  }

  std::array<SlotPool::Slot, 2> slots;
  SlotPool pool{slots};
  std::array<Tenant, 2> tenants;
};

TEST_F(PinnedTest, GivesThePinBackAtTheEndOfItsScope) {
  ContextHandle handle;
  {
    const Pinned<Tenant> pinned = acquire();
    ASSERT_TRUE(pinned);
    handle = pinned.handle();
    EXPECT_EQ(pinned->secret, 7);
    EXPECT_FALSE(pool.pin(handle));
  }
  EXPECT_TRUE(pool.pin(handle));
  EXPECT_EQ(tenants[0].secret, 7) << "the context survives";
}

TEST_F(PinnedTest, ReleaseWipesWhileThePinIsHeldAndThenFreesTheSlot) {
  Pinned<Tenant> other = acquire();
  Pinned<Tenant> pinned = acquire();
  const ContextHandle handle = pinned.handle();
  Tenant& tenant = *pinned;
  tenant.pool = &pool;  // No other slot is free, so an acquire during wipe() must fail.
  pinned.release();
  EXPECT_EQ(tenant.secret, 0);
  EXPECT_FALSE(tenant.free_when_wiped);
  EXPECT_FALSE(pinned);
  EXPECT_FALSE(pool.pin(handle));
  const auto next = pool.acquire();
  ASSERT_TRUE(next);
  EXPECT_EQ(next.index, handle.index);
  pinned.release();  // Holds nothing: no effect.
  pinned.reset();
  EXPECT_FALSE(pool.acquire());
}

TEST_F(PinnedTest, MovingHandsThePinOver) {
  Pinned<Tenant> from = acquire();
  const ContextHandle handle = from.handle();
  {
    const Pinned<Tenant> to = std::move(from);
    EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): that is the promise.
    EXPECT_TRUE(to);
    EXPECT_EQ(to.handle(), handle);
    EXPECT_FALSE(pool.pin(handle));
  }
  EXPECT_TRUE(pool.pin(handle));
}

TEST_F(PinnedTest, AssigningGivesBackWhatItHeld) {
  Pinned<Tenant> first = acquire();
  Pinned<Tenant> second = acquire();
  const ContextHandle first_handle = first.handle();
  const ContextHandle second_handle = second.handle();
  first = std::move(second);
  EXPECT_TRUE(pool.pin(first_handle));
  EXPECT_FALSE(pool.pin(second_handle));
  EXPECT_EQ(first.handle(), second_handle);
  Pinned<Tenant>& same = first;
  first = std::move(same);
  EXPECT_TRUE(first);
  EXPECT_FALSE(pool.pin(second_handle)) << "assigning to itself gives nothing back";
}

TEST(PinnedDefault, HoldsNothing) {
  Pinned<Tenant> none;
  EXPECT_FALSE(none);
  none.reset();
  none.release();
  EXPECT_FALSE(none);
}

}  // namespace
}  // namespace usher
