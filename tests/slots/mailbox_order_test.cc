// engine/slots/mailbox.h under every interleaving of two or three threads with few preemptions:
// what is posted is taken once, whole and in order, and nobody is refused without a reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/slots/mailbox.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;

// A value that takes two steps to copy, so that a thread can stand still in the middle.
struct Letter {
  Letter() = default;
  explicit Letter(int number) : front(number), back(number) {}
  Letter(const Letter&) = default;
  Letter& operator=(const Letter& from) noexcept {
    Interleaver::step();
    front = from.front;
    Interleaver::step();
    back = from.back;
    return *this;
  }
  ~Letter() = default;

  int front = 0;
  int back = 0;
};

using Letters = BasicMailbox<Letter, testing::SteppedAtomic>;

class MailboxOrder : public ::testing::Test {
 protected:
  void fresh(std::size_t size) {
    cells = std::vector<Letters::Cell>(size);
    mailbox = std::make_unique<Letters>(cells);
    taken.clear();
    posted = 0;
  }
  bool post(int number) {
    const bool done = mailbox->post(Letter(number));
    posted += done ? 1 : 0;
    return done;
  }
  // take returns the number of a letter, 0 for none; what has been taken is in `taken`, too.
  int take() {
    Letter letter;
    if (!mailbox->take(letter)) {
      return 0;
    }
    EXPECT_EQ(letter.front, letter.back) << "half written";
    taken.push_back(letter.front);
    return letter.front;
  }
  // post_until and take_until wait, as long as it takes, for room and for a letter.
  void post_until(int number) {
    while (!post(number)) {
      Interleaver::wait();
    }
  }
  int take_until() {
    int number = take();
    while (number == 0) {
      Interleaver::wait();
      number = take();
    }
    return number;
  }
  // rest takes what is left, once all threads have ended: nothing is held up any more.
  void rest() {
    while (taken.size() <= posted && take() != 0) {
    }
    ASSERT_EQ(taken.size(), posted) << "lost, or there twice";
    std::vector<int> sorted = taken;
    std::sort(sorted.begin(), sorted.end());
    ASSERT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end()) << "there twice";
  }
  // serves_as_new checks that all cells can be used again.
  void serves_as_new(int first = 100) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      ASSERT_TRUE(post(first + static_cast<int>(i))) << i;
    }
    ASSERT_FALSE(post(first + 99));
    for (std::size_t i = 0; i < cells.size(); ++i) {
      ASSERT_EQ(take(), first + static_cast<int>(i));
    }
    ASSERT_EQ(take(), 0);
  }
  void explored(int schedules, int at_least) {
    EXPECT_TRUE(HasFailure() || schedules >= at_least) << schedules << ": has become trivial";
    RecordProperty("schedules", schedules);
  }

  std::vector<Letters::Cell> cells;
  std::unique_ptr<Letters> mailbox;
  std::vector<int> taken;
  std::size_t posted = 0;
};

// One thread alone. In here a loop without an end is noticed, too.
TEST_F(MailboxOrder, OneThreadGoesRoundAndRound) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    return {[&] {
      for (int round = 0; round < 3; ++round) {
        serves_as_new(10 * round + 1);
      }
    }};
  };
  explored(Interleaver::explore(make, [&] { rest(); }), 10);
}

// Two posts with room for both: whoever is overtaken between looking and claiming tries again.
TEST_F(MailboxOrder, TwoPostsWithRoomForBothAreBothAccepted) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    return {[&] { EXPECT_TRUE(post(1)); }, [&] { EXPECT_TRUE(post(2)); }};
  };
  const auto check = [&] {
    rest();
    ASSERT_EQ(taken.size(), 2u);
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 20);
}

TEST_F(MailboxOrder, TwoPostsWithRoomForOneAreOneAccepted) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    EXPECT_TRUE(post(1));
    return {[&] { (void)post(2); }, [&] { (void)post(3); }};
  };
  const auto check = [&] {
    ASSERT_EQ(posted, 2u);
    ASSERT_EQ(take(), 1);
    rest();
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 20);
}

TEST_F(MailboxOrder, TwoTakesOfTwoLettersHaveOneEach) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    EXPECT_TRUE(post(1) && post(2));
    return {[&] { EXPECT_NE(take(), 0); }, [&] { EXPECT_NE(take(), 0); }};
  };
  const auto check = [&] {
    rest();
    ASSERT_EQ(taken.size(), 2u);
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 20);
}

TEST_F(MailboxOrder, TwoTakesOfOneLetterHaveItOnce) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    EXPECT_TRUE(post(1));
    return {[&] { (void)take(); }, [&] { (void)take(); }};
  };
  const auto check = [&] {
    ASSERT_EQ(taken, std::vector<int>{1});
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 20);
}

// A letter is taken whole, and in the order of one poster, across more rounds than there are cells.
TEST_F(MailboxOrder, APosterAndATakerAgreeRoundAfterRound) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    return {[&] {
              for (const int number : {1, 2, 3, 4}) {
                post_until(number);
              }
            },
            [&] {
              for (const int number : {1, 2, 3, 4}) {
                EXPECT_EQ(take_until(), number);
              }
            }};
  };
  const auto check = [&] {
    ASSERT_EQ(taken, (std::vector<int>{1, 2, 3, 4}));
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 100);
}

// A full mailbox: a post in the place of a letter that is just being taken does not overwrite it.
TEST_F(MailboxOrder, ALetterIsNotOverwrittenWhileItIsTaken) {
  int refused = 0;
  const auto make = [&]() -> Bodies {
    fresh(2);
    EXPECT_TRUE(post(1) && post(2));
    return {[&] { EXPECT_EQ(take(), 1); }, [&] { refused += post(3) ? 0 : 1; }};
  };
  const auto check = [&] {
    const bool three = posted == 3;
    ASSERT_EQ(take(), 2);
    ASSERT_EQ(take(), three ? 3 : 0);
    rest();
    serves_as_new();
  };
  const int schedules = Interleaver::explore(make, check);
  explored(schedules, 20);
  EXPECT_TRUE(HasFailure() || (refused > 0 && refused < schedules)) << "both ends are reached";
}

// The first letter's post stands still: the second one is not handed out before it.
TEST_F(MailboxOrder, ALetterDoesNotOvertakeAnUnfinishedOne) {
  const auto make = [&]() -> Bodies {
    fresh(4);
    return {[&] {
              EXPECT_TRUE(post(1));
              EXPECT_TRUE(post(2));
            },
            [&] { EXPECT_TRUE(post(3)); },
            [&] {
              (void)take();
              (void)take();
            }};
  };
  const auto check = [&] {
    rest();
    ASSERT_EQ(taken.size(), 3u);
    ASSERT_LT(std::find(taken.begin(), taken.end(), 1), std::find(taken.begin(), taken.end(), 2));
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 500);
}

TEST_F(MailboxOrder, ThreeThreadsThatPostAndTakeLoseNothing) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    const auto pass = [&](int number) {
      return [this, number] {
        (void)post(number);
        (void)take();
      };
    };
    return {pass(1), pass(2), pass(3)};
  };
  const auto check = [&] {
    ASSERT_GE(posted, 2u) << "there is room for two";
    rest();
    serves_as_new();
  };
  explored(Interleaver::explore(make, check), 500);
}

}  // namespace
}  // namespace usher
