// engine/slots/waiting_mailbox.h under every interleaving of two or three threads with few
// preemptions: nobody sleeps beside a value, and stop ends every sleep. A wake-up that is lost
// would leave every thread waiting for another, which the explorer does not survive.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/slots/waiting_mailbox.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;
using Numbers = BasicWaitingMailbox<int, testing::SteppedAtomic>;

class WaitingMailboxOrder : public ::testing::Test {
 protected:
  void fresh() {
    cells = std::vector<Numbers::Cell>(4);
    mailbox = std::make_unique<Numbers>(cells);
    taken.clear();
    stops = 0;
  }
  // post and take are what a thread under exploration does; take may meet a stop.
  Interleaver::Body post(int number) {
    return [this, number] { EXPECT_TRUE(mailbox->post(number)); };
  }
  void take() {
    int number = 0;
    if (mailbox->wait_and_take(number)) {
      taken.push_back(number);
    } else {
      stops += 1;
    }
  }
  void explored(int schedules, int at_least) {
    EXPECT_TRUE(HasFailure() || schedules >= at_least) << schedules << ": has become trivial";
    RecordProperty("schedules", schedules);
  }

  std::vector<Numbers::Cell> cells;
  std::unique_ptr<Numbers> mailbox;
  std::vector<int> taken;
  int stops = 0;
};

TEST_F(WaitingMailboxOrder, WhoSleepsIsWokenByAPost) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { take(); }, post(1)};
  };
  explored(Interleaver::explore(make, [&] { ASSERT_EQ(taken, std::vector<int>{1}); }), 20);
}

TEST_F(WaitingMailboxOrder, OneTakerGetsWhatTwoHavePosted) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] {
              take();
              take();
            },
            post(1), post(2)};
  };
  const auto check = [&] {
    std::sort(taken.begin(), taken.end());
    ASSERT_EQ(taken, (std::vector<int>{1, 2}));
  };
  explored(Interleaver::explore(make, check), 500);
}

// Each taker has enough of one value, as a thread has whose answer takes long: the other value is
// the other taker's, even if it was posted last and its post finished first. One of the two has
// posted that value itself; a fourth thread would only make this slow.
TEST_F(WaitingMailboxOrder, TwoValuesWakeTwoTakers) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { take(); },
            [&] {
              EXPECT_TRUE(mailbox->post(1));
              take();
            },
            post(2)};
  };
  const auto check = [&] {
    std::sort(taken.begin(), taken.end());
    ASSERT_EQ(taken, (std::vector<int>{1, 2}));
  };
  explored(Interleaver::explore(make, check), 1'000);
}

TEST_F(WaitingMailboxOrder, StopEndsEverySleep) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { take(); }, [&] { take(); }, [&] { mailbox->stop(); }};
  };
  const auto check = [&] {
    ASSERT_EQ(stops, 2);
    take();
    ASSERT_EQ(stops, 3) << "and every later one";
  };
  explored(Interleaver::explore(make, check), 100);
}

// A value is taken, or stays to be found after stop.
TEST_F(WaitingMailboxOrder, StopLosesNothing) {
  int left_over = 0;
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { take(); }, post(1), [&] { mailbox->stop(); }};
  };
  const auto check = [&] {
    int number = 0;
    if (stops == 1) {
      ASSERT_TRUE(mailbox->take(number));
      ASSERT_EQ(number, 1);
      left_over += 1;
    } else {
      ASSERT_EQ(taken, std::vector<int>{1});
    }
    ASSERT_FALSE(mailbox->take(number));
  };
  const int schedules = Interleaver::explore(make, check);
  explored(schedules, 100);
  EXPECT_TRUE(HasFailure() || (left_over > 0 && left_over < schedules)) << "both ends are reached";
}

TEST_F(WaitingMailboxOrder, AFullOneRefusesAndTakesAgain) {
  fresh();
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(mailbox->post(i));
  }
  ASSERT_FALSE(mailbox->post(4));
  take();
  ASSERT_TRUE(mailbox->post(4)) << "the positive twin";
  for (int i = 0; i < 4; ++i) {
    take();
  }
  ASSERT_EQ(taken, (std::vector<int>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace usher
