// engine/slots/doorbell.h under every interleaving with few preemptions and delayed stores: who
// lies down beside a value is woken, once, and nobody is woken who is awake.
#include "engine/slots/doorbell.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/slots/mailbox.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;
using Box = BasicMailbox<int, testing::SteppedAtomic>;
using Bell = BasicDoorbell<testing::SteppedAtomic>;

// World is a mailbox, its bell, and an eventfd: a count to sleep on.
class DoorbellOrder : public ::testing::Test {
 protected:
  void fresh() {
    cells = std::vector<Box::Cell>(4);
    box = std::make_unique<Box>(cells);
    bell = std::make_unique<Bell>();
    event = std::make_unique<testing::SteppedAtomic<int>>(0);
    taken.clear();
  }
  Interleaver::Body post(int number) {
    return [this, number] {
      ASSERT_TRUE(box->post(number));
      if (bell->ring()) {
        ++wake_ups;
        event->fetch_add(1, std::memory_order_seq_cst);
        event->notify_all();
      }
    };
  }
  // take is a worker: it takes `count` values, and sleeps when there is none.
  void take(std::size_t count) {
    while (taken.size() < count) {
      int number = 0;
      if (box->take(number)) {
        taken.push_back(number);
        continue;
      }
      bell->lie_down();
      if (box->take(number)) {
        taken.push_back(number);
      } else {
        event->wait(0, std::memory_order_relaxed);
        event->fetch_sub(1, std::memory_order_seq_cst);
        ++sleeps;
      }
      bell->get_up();
    }
  }

  std::vector<Box::Cell> cells;
  std::unique_ptr<Box> box;
  std::unique_ptr<Bell> bell;
  std::unique_ptr<testing::SteppedAtomic<int>> event;
  std::vector<int> taken;
  int wake_ups = 0;
  int sleeps = 0;
};

// A wake-up that is lost leaves both threads standing, which the explorer does not survive.
TEST_F(DoorbellOrder, WhoSleepsBesideAValueIsWoken) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { take(1); }, post(1)};
  };
  const int schedules = Interleaver::explore(make, [&] { ASSERT_EQ(taken.size(), 1u); });
  EXPECT_TRUE(HasFailure() || schedules > 20) << schedules;
  EXPECT_TRUE(HasFailure() || (sleeps > 0 && sleeps < schedules)) << "both ways are gone";
}

TEST_F(DoorbellOrder, TwoPostersWakeItForBoth) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {[&] { take(2); }, post(1), post(2)};
  };
  const int schedules = Interleaver::explore(make, [&] { ASSERT_EQ(taken.size(), 2u); });
  EXPECT_TRUE(HasFailure() || schedules > 500) << schedules;
}

TEST_F(DoorbellOrder, ASleeperIsWokenOnceAndWhoIsAwakeNever) {
  fresh();
  EXPECT_FALSE(bell->ring()) << "nobody has lain down";
  bell->lie_down();
  EXPECT_TRUE(bell->ring());
  EXPECT_FALSE(bell->ring()) << "is being woken already";
  bell->get_up();
  EXPECT_FALSE(bell->ring());
  bell->lie_down();
  bell->get_up();
  EXPECT_FALSE(bell->ring()) << "has found something before it slept";
}

}  // namespace
}  // namespace usher
