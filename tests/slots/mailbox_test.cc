// engine/slots/mailbox.h: what is posted is taken once, in that order; a full mailbox refuses and
// an empty one has nothing, round after round; many threads lose nothing.
#include "engine/slots/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace usher {
namespace {

using Numbers = Mailbox<std::uint64_t>;

class MailboxTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] std::size_t size() const { return GetParam(); }
  void fill(std::uint64_t first) {
    for (std::uint64_t i = 0; i < size(); ++i) {
      ASSERT_TRUE(mailbox.post(first + i)) << i;
    }
  }
  void expect_taken(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t value = 0;
      ASSERT_TRUE(mailbox.ready()) << i;
      ASSERT_TRUE(mailbox.take(value)) << i;
      ASSERT_EQ(value, first + i);
    }
  }
  void expect_empty() {
    std::uint64_t value = 77;
    ASSERT_FALSE(mailbox.ready());
    ASSERT_FALSE(mailbox.take(value));
    ASSERT_EQ(value, 77u) << "written although nothing was taken";
  }

  std::vector<Numbers::Cell> cells = std::vector<Numbers::Cell>(GetParam());
  Numbers mailbox{cells};
};

TEST_P(MailboxTest, HasNothingWhenNew) {
  expect_empty();
  ASSERT_TRUE(mailbox.post(1)) << "the positive twin";
  expect_taken(1, 1);
  expect_empty();
}

TEST_P(MailboxTest, GivesWhatWasPostedFirstInFirstOut) {
  fill(10);
  expect_taken(10, size());
  expect_empty();
}

TEST_P(MailboxTest, RefusesWhatDoesNotFitAndKeepsTheRest) {
  fill(10);
  ASSERT_FALSE(mailbox.post(99));
  ASSERT_FALSE(mailbox.post(99)) << "still";
  expect_taken(10, 1);
  ASSERT_TRUE(mailbox.post(10 + size())) << "the positive twin: there is room for one";
  ASSERT_FALSE(mailbox.post(99));
  expect_taken(11, size());
  expect_empty();
}

TEST_P(MailboxTest, CountsWhatWasPostedAndTaken) {
  fill(10);
  ASSERT_FALSE(mailbox.post(99)) << "which does not count";
  EXPECT_EQ(mailbox.posted(), size());
  EXPECT_EQ(mailbox.taken(), 0u);
  expect_taken(10, size());
  expect_empty();
  EXPECT_EQ(mailbox.posted(), size());
  EXPECT_EQ(mailbox.taken(), size());
}

TEST_P(MailboxTest, GoesRoundManyTimesAtEveryFillLevel) {
  std::uint64_t posted = 0;
  std::uint64_t taken = 0;
  for (std::uint64_t level = 1; level <= size(); ++level) {
    for (std::uint64_t turn = 0; turn < 5 * size(); ++turn) {
      while (posted - taken < level) {
        ASSERT_TRUE(mailbox.post(posted++));
      }
      expect_taken(taken++, 1);
    }
  }
  expect_taken(taken, posted - taken);
  expect_empty();
  fill(posted);
  ASSERT_FALSE(mailbox.post(99)) << "exactly as many fit as at the start";
}

INSTANTIATE_TEST_SUITE_P(Size, MailboxTest, ::testing::Values(2, 4, 8, 64),
                         ::testing::PrintToStringParamName());

// A value of several words, to be seen whole or not at all.
struct Letter {
  std::uint64_t from = 0;
  std::uint64_t number = 0;
  std::uint64_t check = 0;
};

// Each taker sees each poster's letters in the order in which they were posted, and none is lost,
// there twice, or half written.
TEST(MailboxThreads, LoseNothingAndKeepEachPostersOrder) {
  constexpr std::uint64_t kPosters = 2;
  constexpr std::uint64_t kTakers = 2;
  constexpr std::uint64_t kLetters = 20'000;  // Of each poster.
  std::vector<Mailbox<Letter>::Cell> cells(4);
  Mailbox<Letter> mailbox(cells);
  std::atomic<std::uint64_t> left{kPosters * kLetters};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::atomic<std::uint32_t>> seen(kPosters * kLetters);
  std::vector<std::thread> threads;
  for (std::uint64_t from = 0; from < kPosters; ++from) {
    threads.emplace_back([&, from] {
      for (std::uint64_t number = 0; number < kLetters;) {
        if (mailbox.post({from, number, from ^ ~number})) {
          ++number;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::uint64_t taker = 0; taker < kTakers; ++taker) {
    threads.emplace_back([&] {
      std::vector<std::uint64_t> next(kPosters, 0);
      while (left.load() > 0) {
        Letter letter;
        if (!mailbox.take(letter)) {
          std::this_thread::yield();
          continue;
        }
        left -= 1;
        if (letter.from >= kPosters || letter.number >= kLetters ||
            letter.check != (letter.from ^ ~letter.number) || letter.number < next[letter.from]) {
          wrong += 1;
          continue;
        }
        next[letter.from] = letter.number + 1;
        seen[letter.from * kLetters + letter.number] += 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0u);
  for (const std::atomic<std::uint32_t>& count : seen) {
    ASSERT_EQ(count, 1u);
  }
}

}  // namespace
}  // namespace usher
