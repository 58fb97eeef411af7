// engine/slots/admission.h: a burst is let in whole, a crowd that stays is kept to what a turn
// takes, and neither lasts longer than it should; several queues are one.
#include "engine/slots/admission.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace usher {
namespace {

constexpr std::uint32_t kBurst = 1000;
constexpr std::uint32_t kCrowd = 32;
constexpr std::uint64_t kPerTurn = 32;
constexpr std::int64_t kTurnUs = 100;
constexpr std::int64_t kPatienceUs = CrowdWatch::kPatienceUs;

// Queue is what waits for a worker that takes `per_turn` a turn.
struct Queue {
  explicit Queue(const CrowdWatch& watch) : admission(watch) {}
  [[nodiscard]] bool admits() const noexcept { return admission.admits(posted); }
  [[nodiscard]] std::uint64_t backlog() const noexcept { return admission.waiting(posted); }
  bool post(std::uint64_t& value) noexcept {
    const bool admitted = admits();
    posted += admitted ? 1 : 0;
    value += admitted ? 1 : 0;
    return admitted;
  }
  [[nodiscard]] std::uint64_t waiting() const { return posted - taken; }

  Admission admission;
  std::uint64_t per_turn = kPerTurn;
  std::uint64_t posted = 0;
  std::uint64_t taken = 0;
  std::uint64_t in_turn = 0;  // Taken in the last turn, and answered at the next.
};

class AdmissionTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  AdmissionTest() {
    for (std::size_t n = 0; n < size(); ++n) {
      queues.push_back(std::make_unique<Queue>(watch));
    }
  }
  [[nodiscard]] std::size_t size() const { return GetParam(); }

  // post tries `count`, one after another from one thread, and returns how many were let in.
  std::uint64_t post(std::uint64_t count) {
    std::uint64_t let_in = 0;
    const std::span<const std::unique_ptr<Queue>> all(queues);
    while (count-- > 0) {
      if (post_to_one(all, home, 2 * kPerTurn, let_in) == nullptr) {
        ++turned_away;
      }
    }
    return let_in;
  }
  [[nodiscard]] std::uint64_t waiting() const {
    std::uint64_t all = 0;
    for (const auto& queue : queues) {
      all += queue->waiting();
    }
    return all;
  }
  // turn is one of each worker, one after the other within the turn's time; what was answered.
  std::uint64_t turn() {
    std::uint64_t answered = 0;
    for (const auto& queue : queues) {
      look();
      answered += std::exchange(queue->in_turn, std::min(queue->waiting(), queue->per_turn));
      queue->taken += queue->in_turn;
      queue->admission.turn(queue->taken);
      now_us += kTurnUs / static_cast<std::int64_t>(size());
    }
    return answered;
  }
  void look() {
    watch.look(now_us, [this] {
      CrowdWatch::Seen seen{.queues = size(), .waiting = 0, .turned_away = turned_away};
      for (const auto& queue : queues) {
        seen.waiting += queue->waiting();
      }
      return seen;
    });
  }
  void turns_for(std::int64_t for_us) {
    for (const std::int64_t end_us = now_us + for_us; now_us < end_us;) {
      turn();
    }
  }
  void work_off() {
    while (waiting() > 0) {
      turn();
    }
  }
  // overload has more come than is taken, for a while, and returns the most that waited at last.
  std::uint64_t overload(std::int64_t for_us) {
    for (const std::int64_t end_us = now_us + for_us; now_us < end_us;) {
      post(10 * kPerTurn * size());
      turn();
    }
    return waiting();
  }
  // closed_loop has so many clients that wait for their answers before they ask again, and at once
  // if they were turned away, for a while.
  void closed_loop(std::uint64_t clients, std::int64_t for_us) {
    std::uint64_t ready = clients;
    for (const std::int64_t end_us = now_us + for_us; now_us < end_us;) {
      ready -= post(ready);
      ready += turn();
      home = thread_per_post ? home + 1 : home;
    }
    work_off();
    turn();
  }

  CrowdWatch watch{kBurst, kCrowd};
  std::vector<std::unique_ptr<Queue>> queues;
  std::size_t home = 0;
  bool thread_per_post = false;
  std::uint64_t turned_away = 0;
  std::int64_t now_us = 1'000'000;
};
INSTANTIATE_TEST_SUITE_P(Queues, AdmissionTest, ::testing::Values(1u, 2u, 4u));

TEST_P(AdmissionTest, LetsABurstIn) {
  EXPECT_EQ(post(2 * kBurst * size()), kBurst * size());
  EXPECT_EQ(waiting(), kBurst * size());
  EXPECT_EQ(queues.front()->backlog(), kBurst);
  EXPECT_EQ(post(1), 0u);
  turn();
  EXPECT_EQ(post(kBurst * size()), kPerTurn * size()) << "as many as were taken";
}

TEST_P(AdmissionTest, MakesBatchesAtHomeAndThenAtTheNext) {
  home = size() - 1;
  EXPECT_EQ(post(2 * kPerTurn), 2 * kPerTurn);
  EXPECT_EQ(queues.back()->backlog(), 2 * kPerTurn);
  EXPECT_EQ(post(1), 1u);
  EXPECT_EQ(queues.front()->backlog(), size() == 1 ? 2 * kPerTurn + 1 : 1);
}

// Else one would be full while there is room at the others.
TEST_P(AdmissionTest, WhatIsMoreGoesToTheShortest) {
  const std::uint64_t count = kBurst / 2 * size();
  EXPECT_EQ(post(count), count);
  for (const auto& queue : queues) {
    EXPECT_EQ(queue->backlog(), kBurst / 2);
  }
}

TEST_P(AdmissionTest, ACrowdThatStaysIsKeptToATurn) {
  watch.idle();  // Which is over once there is something to do.
  post(kBurst * size());
  EXPECT_GT(overload(kPatienceUs - kTurnUs), kBurst * size() / 2) << "it may still be a burst";
  EXPECT_FALSE(watch.crowded());
  overload(50 * kTurnUs);
  EXPECT_TRUE(watch.crowded());
  EXPECT_LE(overload(kBurst * kTurnUs), kCrowd * size());
  const std::uint64_t room = kCrowd * size() - waiting();
  EXPECT_EQ(post(kBurst * size()), room) << "the rest is turned away";
}

// Clients that wait for their answers before they ask again are never turned away, whether one
// thread asks for all of them or many do.
TEST_P(AdmissionTest, WhatIsHalfFullMayStaySo) {
  for (const bool many : {false, true}) {
    thread_per_post = many;
    closed_loop(kBurst * size() / 2, 100 * kPatienceUs);
    EXPECT_EQ(turned_away, 0u) << many;
  }
  EXPECT_EQ(post(2 * kBurst * size()), kBurst * size()) << "and a burst may come on top";
}

// A queue whose worker was kept from working for a while does not have the others turn anybody
// away, then or later.
TEST_P(AdmissionTest, AWorkerThatStoodStillMakesNoCrowd) {
  if (size() == 1) {
    GTEST_SKIP() << "it takes another one";
  }
  const std::uint64_t clients = kBurst * size() / 2;
  std::uint64_t ready = clients;
  const auto go_on = [&](std::int64_t for_us) {
    for (const std::int64_t end_us = now_us + for_us; now_us < end_us;) {
      ready -= post(ready);
      ready += turn();
    }
  };
  queues.front()->per_turn = 0;
  go_on(10 * kPatienceUs);
  queues.front()->per_turn = kPerTurn;
  go_on(100 * kPatienceUs);
  EXPECT_EQ(turned_away, 0u);
  EXPECT_FALSE(watch.crowded());
}

TEST_P(AdmissionTest, WhatGetsShortInBetweenIsNoCrowd) {
  for (int round = 0; round < 100; ++round) {
    EXPECT_EQ(post(kBurst * size()), kBurst * size()) << round;
    work_off();
    turn();
  }
}

TEST_P(AdmissionTest, NorIsWhatComesAfterAWorkerHadNothingToTake) {
  EXPECT_EQ(post(kBurst * size()), kBurst * size());
  turn();
  for (const auto& queue : queues) {  // Worked off since, and nobody looked.
    queue->taken = queue->posted;
    queue->admission.turn(queue->taken);
  }
  watch.idle();
  now_us += 100 * kPatienceUs;
  EXPECT_EQ(post(kBurst * size()), kBurst * size());
  turn();
  EXPECT_EQ(post(kBurst * size()), kPerTurn * size()) << "still a burst";
}

TEST_P(AdmissionTest, WhenNobodyWasTurnedAwayForAWhileABurstMayComeAgain) {
  overload(4 * kPatienceUs);
  ASSERT_LE(waiting(), kCrowd * size());
  work_off();
  turns_for(kPatienceUs / 2);
  EXPECT_EQ(post(kBurst * size()), kCrowd * size()) << "not yet, and so it begins anew";
  turns_for(kPatienceUs - kTurnUs);
  EXPECT_TRUE(watch.crowded());
  turns_for(4 * kTurnUs);
  EXPECT_EQ(post(2 * kBurst * size()), kBurst * size());
}

// However much is let in meanwhile: only that somebody is turned away makes a crowd last.
TEST_P(AdmissionTest, ACrowdEndsAlsoWhileAsManyComeAsMay) {
  overload(4 * kPatienceUs);
  work_off();
  turned_away = 0;
  closed_loop(kCrowd * size(), 2 * kPatienceUs);
  EXPECT_EQ(turned_away, 0u);
  EXPECT_FALSE(watch.crowded());
}

TEST(CrowdWatch, ACrowdIsNeverMoreThanABurst) {
  CrowdWatch watch(8, kCrowd);
  EXPECT_EQ(watch.limit(), 8u);
  for (std::int64_t at = 0; at < 10 * kPatienceUs; at += kTurnUs) {
    watch.look(at, [] { return CrowdWatch::Seen{.queues = 1, .waiting = 100, .turned_away = 3}; });
  }
  EXPECT_EQ(watch.limit(), 8u);
  EXPECT_FALSE(watch.crowded());
}

// Who looks more often than is due asks for nothing.
TEST(CrowdWatch, LooksNoMoreOftenThanItShould) {
  CrowdWatch watch(kBurst, kCrowd);
  int looks = 0;
  for (std::int64_t at = 0; at < 10 * CrowdWatch::kLookUs; ++at) {
    watch.look(at, [&] {
      ++looks;
      return CrowdWatch::Seen{};
    });
  }
  EXPECT_EQ(looks, 10);
}

}  // namespace
}  // namespace usher
