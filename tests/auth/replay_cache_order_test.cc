// engine/auth/replay_cache.h: in no order of threads is one authenticator accepted twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "engine/auth/replay_cache.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using enum ReplayVerdict;
using Cache = BasicReplayCache<testing::SteppedAtomic>;
using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;

constexpr std::int64_t kNow = 1'760'000'000;
constexpr std::int64_t kOver = 11 * Cache::kSliceSeconds;  // Newer by this: the old are over.

// With this key the hash of a fingerprint is its second word: place in the low bits, tag on top.
constexpr ReplayKey kPlainKey = {0, 0, 0, 1};
constexpr Fingerprint at(std::uint64_t index, std::uint64_t tag) { return {0, tag << 24 | index}; }

class ReplayCacheOrder : public ::testing::Test {
 protected:
  void fresh() {
    for (Cache::Place& place : places) {
      place.store(0, std::memory_order_seq_cst);
    }
    cache = std::make_unique<Cache>(places, kPlainKey, 300);
    verdicts.fill(kFull);
  }
  Interleaver::Body present(std::size_t verdict, Fingerprint fingerprint,
                            std::int64_t time_s = kNow) {
    return [this, verdict, fingerprint, time_s] {
      verdicts[verdict] = cache->test_and_insert(fingerprint, time_s);
    };
  }
  [[nodiscard]] auto count(ReplayVerdict verdict) const {
    return std::ranges::count(verdicts, verdict);
  }

  std::vector<Cache::Place> places = std::vector<Cache::Place>(Cache::kProbesMax);
  std::unique_ptr<Cache> cache;
  std::array<ReplayVerdict, 3> verdicts{};
};

TEST_F(ReplayCacheOrder, OneOfThreeEqualAuthenticatorsIsFresh) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {present(0, at(5, 1)), present(1, at(5, 1)), present(2, at(5, 1))};
  };
  const auto check = [&] {
    ASSERT_EQ(count(kFresh), 1);
    ASSERT_EQ(count(kReplay), 2);
  };
  EXPECT_GE(Interleaver::explore(make, check), HasFailure() ? 0 : 50);
}

// Two equal ones and a third that wants the same place: whoever gets it, the equal ones meet.
TEST_F(ReplayCacheOrder, EqualAuthenticatorsMeetWhereverANeighbourPushesThem) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {present(0, at(5, 1)), present(1, at(5, 2)), present(2, at(5, 1))};
  };
  const auto check = [&] {
    ASSERT_EQ(verdicts[1], kFresh);
    ASSERT_EQ(count(kFresh), 2);
    ASSERT_EQ(count(kReplay), 1);
    ASSERT_EQ(cache->test_and_insert(at(5, 1), kNow), kReplay);
    ASSERT_EQ(cache->test_and_insert(at(5, 2), kNow), kReplay);
  };
  EXPECT_GE(Interleaver::explore(make, check), HasFailure() ? 0 : 50);
}

// The places hold what long ago left there; reusing them is a race as well.
TEST_F(ReplayCacheOrder, EqualAuthenticatorsMeetOnPlacesThatAreOver) {
  const auto make = [&]() -> Bodies {
    fresh();
    EXPECT_EQ(cache->test_and_insert(at(5, 1), kNow - kOver), kFresh);
    EXPECT_EQ(cache->test_and_insert(at(5, 2), kNow - kOver), kFresh);
    return {present(0, at(5, 1)), present(1, at(5, 2)), present(2, at(5, 1))};
  };
  const auto check = [&] {
    ASSERT_EQ(verdicts[1], kFresh);
    ASSERT_EQ(count(kFresh), 2);
    ASSERT_EQ(count(kReplay), 1);
  };
  EXPECT_GE(Interleaver::explore(make, check), HasFailure() ? 0 : 50);
}

// A thread that comes far too late must not undo what is there by now.
TEST_F(ReplayCacheOrder, ALateThreadOverwritesNothingNewer) {
  const auto make = [&]() -> Bodies {
    fresh();
    return {present(0, at(5, 1), kNow), present(1, at(5, 1), kNow + kOver),
            present(2, at(5, 1), kNow + kOver)};
  };
  const auto check = [&] {
    ASSERT_EQ(verdicts[0], kFresh);
    ASSERT_EQ(static_cast<int>(verdicts[1] == kFresh) + static_cast<int>(verdicts[2] == kFresh), 1);
    ASSERT_EQ(cache->test_and_insert(at(5, 1), kNow + kOver), kReplay);
  };
  EXPECT_GE(Interleaver::explore(make, check), HasFailure() ? 0 : 50);
}

}  // namespace
}  // namespace usher
