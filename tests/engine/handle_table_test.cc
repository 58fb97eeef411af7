// A tenant lives while it is in the table or held, in every order two threads can meet; then it is
// destroyed once, and its handle is stale for ever.
#include "engine/handle_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using testing::SteppedAtomic;

// Tenant counts its kind, and is wrong to look at once it is gone.
struct Tenant {
  explicit Tenant(int& counter) : alive(counter) { ++alive; }
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;
  ~Tenant() {
    --alive;
    sound = false;
  }
  int& alive;
  bool sound = true;
};

using Table = HandleTable<Tenant, 2>;
using SteppedTable = HandleTable<Tenant, 1, SteppedAtomic>;

TEST(HandleTable, KeepsATenantUntilItIsRemoved) {
  int alive = 0;
  Table table;
  auto tenant = std::make_unique<Tenant>(alive);
  const std::optional<TableHandle> handle = table.insert(tenant);
  ASSERT_TRUE(handle);
  EXPECT_TRUE(table.hold(*handle)->sound);
  EXPECT_EQ(alive, 1);
  EXPECT_TRUE(table.remove(*handle));
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(table.hold(*handle));
  EXPECT_FALSE(table.remove(*handle));
}

TEST(HandleTable, DestroysAHeldTenantWhenItsLastHolderLetsGo) {
  int alive = 0;
  Table table;
  auto tenant = std::make_unique<Tenant>(alive);
  const TableHandle handle = table.insert(tenant).value();
  {
    const Table::Hold first = table.hold(handle);
    {
      const Table::Hold second = table.hold(handle);
      EXPECT_TRUE(table.remove(handle));
      EXPECT_FALSE(table.hold(handle)) << "nobody new gets in";
      EXPECT_FALSE(table.remove(handle));
    }
    EXPECT_EQ(alive, 1);
    EXPECT_TRUE(first->sound);
  }
  EXPECT_EQ(alive, 0);
}

TEST(HandleTable, LeavesTheTenantToTheCallerWhenFull) {
  int alive = 0;
  Table table;
  auto first = std::make_unique<Tenant>(alive);
  auto second = std::make_unique<Tenant>(alive);
  auto third = std::make_unique<Tenant>(alive);
  const TableHandle handle = table.insert(first).value();
  ASSERT_TRUE(table.insert(second));
  EXPECT_FALSE(table.insert(third));
  ASSERT_NE(third, nullptr);
  EXPECT_TRUE(table.remove(handle));
  const std::optional<TableHandle> again = table.insert(third);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->index, handle.index);
  EXPECT_NE(again->generation, handle.generation);
  EXPECT_FALSE(table.hold(handle)) << "another tenant's place";
  EXPECT_FALSE(table.hold({.index = 2, .generation = 1}));
  EXPECT_FALSE(table.hold({.index = 0, .generation = 0}));
}

TEST(HandleTableOrder, HoldAndRemoveMeetInAnyOrder) {
  int alive = 0;
  int held = 0;
  std::unique_ptr<SteppedTable> table;
  const int schedules = Interleaver::explore(
      [&] {
        alive = 0;
        table = std::make_unique<SteppedTable>();
        auto tenant = std::make_unique<Tenant>(alive);
        const TableHandle handle = table->insert(tenant).value();
        const auto holder = [&, handle] {
          const SteppedTable::Hold hold = table->hold(handle);
          if (hold) {
            ++held;
            EXPECT_TRUE(hold->sound);
            EXPECT_EQ(alive, 1);
          }
        };
        return std::vector<Interleaver::Body>{holder, holder,
                                              [&, handle] { EXPECT_TRUE(table->remove(handle)); }};
      },
      [&] { EXPECT_EQ(alive, 0); });
  EXPECT_GT(schedules, 50);
  EXPECT_GT(held, 0);
}

TEST(HandleTableOrder, TwoRemovalsEndOneTenant) {
  int alive = 0;
  int removed = 0;
  std::unique_ptr<SteppedTable> table;
  Interleaver::explore(
      [&] {
        alive = 0;
        removed = 0;
        table = std::make_unique<SteppedTable>();
        auto tenant = std::make_unique<Tenant>(alive);
        const TableHandle handle = table->insert(tenant).value();
        const auto remover = [&, handle] { removed += table->remove(handle) ? 1 : 0; };
        return std::vector<Interleaver::Body>{remover, remover};
      },
      [&] {
        EXPECT_EQ(removed, 1);
        EXPECT_EQ(alive, 0);
      });
}

// A thread that must not destroy a tenant lets go only if somebody else will.
TEST(HandleTableOrder, WhoWillNotBeTheLastIsNot) {
  int alive = 0;
  int refused = 0;
  std::unique_ptr<SteppedTable> table;
  std::unique_ptr<SteppedTable::Hold> hold;
  const int schedules = Interleaver::explore(
      [&] {
        alive = 0;
        hold.reset();
        table = std::make_unique<SteppedTable>();
        auto tenant = std::make_unique<Tenant>(alive);
        const TableHandle handle = table->insert(tenant).value();
        hold = std::make_unique<SteppedTable::Hold>(table->hold(handle));
        const auto holder = [&] {
          if (!hold->let_go_unless_last()) {
            ++refused;
            EXPECT_EQ(alive, 1);
            EXPECT_TRUE((*hold)->sound) << "still held";
          }
        };
        return std::vector<Interleaver::Body>{holder,
                                              [&, handle] { EXPECT_TRUE(table->remove(handle)); }};
      },
      [&] {
        hold.reset();
        EXPECT_EQ(alive, 0);
      });
  EXPECT_GT(schedules, 5);
  EXPECT_TRUE(refused > 0 && refused < schedules) << refused << " of " << schedules;
}

// A place is given again only when its old tenant is gone, and an old handle never opens it.
TEST(HandleTableOrder, APlaceIsGivenAgainOnlyWhenItIsEmpty) {
  int old_alive = 0;
  int new_alive = 0;
  int inserted = 0;
  std::unique_ptr<SteppedTable> table;
  std::unique_ptr<Tenant> next;
  Interleaver::explore(
      [&] {
        next.reset();
        table.reset();
        old_alive = new_alive = 0;
        table = std::make_unique<SteppedTable>();
        auto tenant = std::make_unique<Tenant>(old_alive);
        const TableHandle handle = table->insert(tenant).value();
        next = std::make_unique<Tenant>(new_alive);
        return std::vector<Interleaver::Body>{[&, handle] {
                                                const SteppedTable::Hold hold = table->hold(handle);
                                                EXPECT_TRUE(!hold || &hold->alive == &old_alive);
                                              },
                                              [&, handle] { EXPECT_TRUE(table->remove(handle)); },
                                              [&] {
                                                if (table->insert(next)) {
                                                  ++inserted;
                                                  EXPECT_EQ(old_alive, 0);
                                                  EXPECT_EQ(next, nullptr);
                                                }
                                              }};
      },
      [&] {
        EXPECT_EQ(old_alive, 0);
        EXPECT_EQ(new_alive, 1) << "in the table, or still with the caller";
      });
  EXPECT_GT(inserted, 0);
}

}  // namespace
}  // namespace usher
