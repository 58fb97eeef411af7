// engine/slots/admission.h: a burst is let in whole, a crowd that stays is kept to what a turn
// takes, and neither lasts longer than it should.
#include "engine/slots/admission.h"

#include <gtest/gtest.h>

namespace usher {
namespace {

constexpr std::uint32_t kBurst = 1000;
constexpr std::uint32_t kCrowd = 32;
constexpr std::int64_t kTurnUs = 100;

// Queue is what waits for a worker that takes `kPerTurn` a turn.
class AdmissionTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kPerTurn = 32;

  // post tries `count` and returns how many were let in.
  std::uint64_t post(std::uint64_t count) {
    const std::uint64_t before = posted;
    while (count-- > 0 && admission.admits(posted)) {
      ++posted;
    }
    return posted - before;
  }
  void turn() {
    const std::uint64_t then = posted;
    taken = std::min(posted, taken + kPerTurn);
    admission.turn(then, taken, now_us);
    now_us += kTurnUs;
  }
  // overload has more come than is taken, for a while, and returns the most that waited at last.
  std::uint64_t overload(std::int64_t for_us) {
    const std::int64_t end_us = now_us + for_us;
    while (now_us < end_us) {
      post(10 * kPerTurn);
      turn();
    }
    return posted - taken;
  }

  Admission admission{kBurst, kCrowd};
  std::uint64_t posted = 0;
  std::uint64_t taken = 0;
  std::int64_t now_us = 1'000'000;
};

TEST_F(AdmissionTest, LetsABurstIn) {
  EXPECT_EQ(post(2 * kBurst), kBurst);
  EXPECT_EQ(admission.waiting(posted), kBurst);
  EXPECT_EQ(post(1), 0u);
  turn();
  EXPECT_EQ(post(kBurst), kPerTurn) << "as many as were taken";
}

TEST_F(AdmissionTest, ACrowdThatStaysIsKeptToATurn) {
  post(kBurst);
  EXPECT_GT(overload(Admission::kPatienceUs - kTurnUs), kBurst / 2) << "it may still be a burst";
  overload(50 * kTurnUs);
  EXPECT_LE(overload(kBurst * kTurnUs), kCrowd);
  const std::uint64_t room = kCrowd - (posted - taken);
  EXPECT_EQ(post(kBurst), room) << "the rest is turned away";
}

// Clients that wait for their answers before they ask again are never turned away.
TEST_F(AdmissionTest, AQueueThatIsHalfFullMayStaySo) {
  const std::int64_t end_us = now_us + 100 * Admission::kPatienceUs;
  while (now_us < end_us) {
    const std::uint64_t missing = kBurst / 2 - (posted - taken);
    ASSERT_EQ(post(missing), missing);
    turn();
  }
  const std::uint64_t room = kBurst - (posted - taken);
  EXPECT_EQ(post(kBurst), room) << "and a burst may come on top";
}

TEST_F(AdmissionTest, AQueueThatGetsShortInBetweenIsNone) {
  for (int round = 0; round < 100; ++round) {
    EXPECT_EQ(post(kBurst), kBurst) << round;
    while (taken < posted) {
      turn();
    }
    turn();
  }
}

TEST_F(AdmissionTest, SoIsOneWhoseWorkerHadNothingToTake) {
  EXPECT_EQ(post(kBurst), kBurst);
  turn();
  taken = posted;  // Worked off since, which no turn has told.
  admission.idle();
  now_us += 100 * Admission::kPatienceUs;
  const std::uint64_t room = kBurst - (kBurst - kPerTurn);
  EXPECT_EQ(post(kBurst), room) << "of what the last turn told";
  turn();
  EXPECT_EQ(post(kBurst), kBurst) << "still a burst";
}

TEST_F(AdmissionTest, WhenNobodyWasTurnedAwayForAWhileABurstMayComeAgain) {
  overload(4 * Admission::kPatienceUs);
  ASSERT_LE(posted - taken, kCrowd);
  while (taken < posted) {
    turn();
  }
  const std::int64_t end_us = now_us + Admission::kPatienceUs / 2;
  while (now_us < end_us) {
    post(kCrowd / 2);
    turn();
  }
  EXPECT_EQ(post(kBurst), kCrowd) << "not yet";
  turn();  // Full once more: it begins anew.
  const std::int64_t calm_us = now_us + Admission::kPatienceUs + 2 * kTurnUs;
  while (now_us < calm_us) {
    turn();
  }
  EXPECT_EQ(post(2 * kBurst), kBurst);
}

TEST_F(AdmissionTest, ACrowdIsNeverMoreThanABurst) {
  Admission small(8, kCrowd);
  std::uint64_t n = 0;
  while (small.admits(n)) {
    ++n;
  }
  EXPECT_EQ(n, 8u);
  for (std::int64_t at = 0; at < 10 * Admission::kPatienceUs; at += kTurnUs) {
    small.turn(n, n - 8, at);
  }
  EXPECT_TRUE(small.admits(n - 1));
  EXPECT_FALSE(small.admits(n));
}

}  // namespace
}  // namespace usher
