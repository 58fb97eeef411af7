// engine/slots/seen_tally.h under every interleaving with few preemptions: a counter has one
// borrower at a time, none is lost, and none is made while another is free.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/slots/seen_tally.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;
using Tally = BasicSeenTally<testing::SteppedAtomic>;

class SeenTallyOrder : public ::testing::Test {
 protected:
  // borrow counts `times` finds with a counter that nobody else may count with meanwhile.
  void borrow(std::uint64_t times) {
    Tally::Lent counter = tally->lend();
    ASSERT_TRUE(counter);
    for (std::uint64_t n = 0; n < times; ++n) {
      counter.count_find(true);
      Interleaver::step();
    }
    ASSERT_EQ(counter.counts().hits, times) << "somebody else counts with it";
  }

  std::unique_ptr<Tally> tally;
};

TEST_F(SeenTallyOrder, WhoBorrowsAtOnceHasOneOfHisOwn) {
  const auto make = [&]() -> Bodies {
    tally = std::make_unique<Tally>();
    return {[&] { borrow(2); }, [&] { borrow(3); }, [&] { borrow(4); }};
  };
  const int schedules = Interleaver::explore(
      make, [&] { ASSERT_EQ(tally->counts().hits, 9u) << "a counter is lost"; });
  EXPECT_TRUE(HasFailure() || schedules > 100) << schedules;
}

// One is there that nobody has: two want it, and one gets it.
TEST_F(SeenTallyOrder, WhatWasGivenBackIsLentToOne) {
  const auto make = [&]() -> Bodies {
    tally = std::make_unique<Tally>();
    borrow(1);
    return {[&] { borrow(2); }, [&] { borrow(3); }};
  };
  const int schedules = Interleaver::explore(make, [&] { ASSERT_EQ(tally->counts().hits, 6u); });
  EXPECT_TRUE(HasFailure() || schedules > 50) << schedules;
}

TEST_F(SeenTallyOrder, SumsNeverFall) {
  std::vector<std::uint64_t> seen;
  const auto make = [&]() -> Bodies {
    tally = std::make_unique<Tally>();
    seen.clear();
    borrow(1);
    return {[&] {
              borrow(1);
              borrow(1);
            },
            [&] {
              for (int n = 0; n < 3; ++n) {
                seen.push_back(tally->counts().hits);
              }
            }};
  };
  const int schedules = Interleaver::explore(make, [&] {
    ASSERT_GE(seen[0], 1u);
    ASSERT_GE(seen[1], seen[0]);
    ASSERT_GE(seen[2], seen[1]);
    ASSERT_EQ(tally->counts().hits, 3u);
  });
  EXPECT_TRUE(HasFailure() || schedules > 20) << schedules;
}

}  // namespace
}  // namespace usher
