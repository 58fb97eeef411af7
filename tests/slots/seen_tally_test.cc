// engine/slots/seen_tally.h: what was counted stays counted, whoever has counted it and is gone.
#include "engine/slots/seen_tally.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <optional>
#include <thread>
#include <vector>

namespace usher {
namespace {

TEST(SeenTally, CountsEachKindOnce) {
  SeenTally tally;
  EXPECT_EQ(tally.counts(), SeenCounts{});
  SeenTally::Lent counter = tally.lend();
  ASSERT_TRUE(counter);
  counter.count_find(true);
  counter.count_find(false);
  counter.count_find(false);
  for (const Offered offered : {Offered::kAdmitted, Offered::kReplaced, Offered::kFirstTime,
                                Offered::kPresent, Offered::kExpired, Offered::kTooLarge,
                                Offered::kBusy, Offered::kNoRoom, Offered::kForgotten}) {
    counter.count_offer(offered);
  }
  const SeenCounts wanted{
      .hits = 1, .misses = 2, .admitted = 2, .evicted = 1, .declined = 7, .no_room = 1};
  EXPECT_EQ(counter.counts(), wanted);
  EXPECT_EQ(tally.counts(), wanted);
}

TEST(SeenTally, KeepsWhatWasCountedAndBeginsAnewForTheNextBorrower) {
  SeenTally tally;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    SeenTally::Lent counter = tally.lend();
    ASSERT_TRUE(counter);
    EXPECT_EQ(counter.counts(), SeenCounts{}) << round;
    counter.count_find(true);
    counter.count_offer(Offered::kNoRoom);
    EXPECT_EQ(counter.counts(), (SeenCounts{.hits = 1, .declined = 1, .no_room = 1}));
    EXPECT_EQ(tally.counts(), (SeenCounts{.hits = round, .declined = round, .no_room = round}));
  }
}

TEST(SeenTally, LendsEachCounterToOneAtATime) {
  SeenTally tally;
  std::optional<SeenTally::Lent> first(tally.lend());
  SeenTally::Lent second = tally.lend();
  first->count_find(true);
  EXPECT_EQ(second.counts(), SeenCounts{});
  SeenTally::Lent moved = std::move(*first);
  first.reset();  // Gives nothing back.
  SeenTally::Lent third = tally.lend();
  third.count_find(true);
  EXPECT_EQ(moved.counts(), (SeenCounts{.hits = 1}));
  EXPECT_EQ(third.counts(), (SeenCounts{.hits = 1}));
  EXPECT_EQ(tally.counts(), (SeenCounts{.hits = 2}));
}

TEST(SeenTally, LosesNothingOfThreadsThatComeAndGo) {
  SeenTally tally;
  constexpr std::size_t kThreads = 4;
  constexpr std::uint64_t kRounds = 500;
  constexpr std::uint64_t kFinds = 7;
  std::barrier start(kThreads);
  std::atomic<bool> done{false};
  std::thread reader([&] {
    for (std::uint64_t before = 0; !done.load();) {
      const std::uint64_t now = tally.counts().hits;
      EXPECT_GE(now, before) << "a number falls";
      before = now;
    }
  });
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < kThreads; ++n) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        SeenTally::Lent counter = tally.lend();
        for (std::uint64_t find = 0; find < kFinds; ++find) {
          counter.count_find(true);
        }
        EXPECT_EQ(counter.counts().hits, kFinds) << "somebody else counts with it";
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  done = true;
  reader.join();
  EXPECT_EQ(tally.counts(), (SeenCounts{.hits = kThreads * kRounds * kFinds}));
}

}  // namespace
}  // namespace usher
