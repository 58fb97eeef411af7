// engine/slots/collected.h under every interleaving with few preemptions: nothing is lost or taken
// twice, each adder's order is kept, and of those who find it empty somebody knows.
#include "engine/slots/collected.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;

struct Node {
  int number = 0;
  Node* next = nullptr;
};
using List = BasicCollected<Node, testing::SteppedAtomic>;

class CollectedOrder : public ::testing::Test {
 protected:
  void fresh() {
    list = std::make_unique<List>();
    for (int number = 0; number < 6; ++number) {
      nodes[static_cast<std::size_t>(number)] = {number, nullptr};
    }
    taken.clear();
    found_empty = 0;
  }
  void add(std::size_t number) { found_empty += list->add(nodes[number], nodes[number]) ? 1 : 0; }
  void take() {
    for (Node* node = list->take_all(); node != nullptr; node = node->next) {
      taken.push_back(node->number);
      ASSERT_LE(taken.size(), nodes.size()) << "the list has become a circle";
    }
  }

  std::unique_ptr<List> list;
  std::array<Node, 6> nodes;
  std::vector<int> taken;
  int found_empty = 0;
};

TEST_F(CollectedOrder, NothingIsLostAndEachAddersOrderIsKept) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] {
              add(0);
              add(1);
            },
            [&] {
              add(2);
              add(3);
            },
            [&] { take(); }};
  };
  const auto check = [&] {
    take();
    const auto at = [&](int number) { return std::ranges::find(taken, number); };
    ASSERT_EQ(taken.size(), 4u);
    ASSERT_LT(at(0), at(1));
    ASSERT_LT(at(2), at(3));
    ASSERT_NE(at(3), taken.end());
    ASSERT_GE(found_empty, 1);
  };
  const int schedules = Interleaver::explore(make, check);
  EXPECT_TRUE(HasFailure() || schedules > 200) << schedules;
}

// Whoever empties the list and goes to sleep is woken by the next who adds.
TEST_F(CollectedOrder, WhoAddsToAnEmptyOneKnows) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { add(0); }, [&] { add(1); }, [&] { take(); }};
  };
  int never = 0;
  const int schedules = Interleaver::explore(make, [&] {
    const bool left = !list->empty();
    const bool both_before = taken.size() == 2;
    // What is left was added after the take, to an empty list.
    ASSERT_TRUE(!left || found_empty >= 1);
    ASSERT_TRUE(!(left && !taken.empty()) || found_empty == 2);
    ASSERT_TRUE(!both_before || found_empty == 1);
    never += found_empty == 0 ? 1 : 0;
  });
  EXPECT_EQ(never, 0);
  EXPECT_TRUE(HasFailure() || schedules > 50) << schedules;
}

TEST_F(CollectedOrder, AChainGoesInAsItIs) {
  fresh();
  add(0);
  // 3 is to be taken first, then 4, then 5.
  nodes[5].next = &nodes[4];
  nodes[4].next = &nodes[3];
  EXPECT_FALSE(list->add(nodes[5], nodes[3]));
  add(1);
  EXPECT_FALSE(list->empty());
  take();
  EXPECT_EQ(taken, (std::vector<int>{0, 3, 4, 5, 1}));
  EXPECT_TRUE(list->empty());
  EXPECT_EQ(list->take_all(), nullptr);
}

}  // namespace
}  // namespace usher
