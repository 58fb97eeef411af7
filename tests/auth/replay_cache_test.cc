// engine/auth/replay_cache.h: what has been seen is refused for as long as it could be accepted.
#include "engine/auth/replay_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace usher {
namespace {

using enum ReplayVerdict;

constexpr std::int64_t kNow = 1'760'000'000;
constexpr std::int64_t kSlice = ReplayCache::kSliceSeconds;
constexpr std::int64_t kSkew = 300;
// How much newer an authenticator must be to take an older one's place: 2 * 300 s may reach
// into 10 slices after its own.
constexpr std::int64_t kOver = 11 * kSlice;
constexpr std::size_t kSmallest = ReplayCache::kProbesMax;

// With this key the hash of a fingerprint is its second word: its low bits say where the walk
// begins, its high 40 bits are the tag.
constexpr ReplayKey kPlainKey = {0, 0, 0, 1};
constexpr Fingerprint at(std::uint64_t index, std::uint64_t tag) { return {0, tag << 24 | index}; }

constexpr ReplayKey kKey = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
                            0x082efa98ec4e6c89};

struct Cache {
  explicit Cache(const ReplayKey& key, std::size_t place_count = kSmallest,
                 std::int64_t skew_s = kSkew)
      : places(place_count), cache(places, key, skew_s) {}
  ReplayVerdict operator()(const Fingerprint& fingerprint, std::int64_t time_s) {
    return cache.test_and_insert(fingerprint, time_s);
  }
  [[nodiscard]] std::size_t used() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        places, [](const auto& place) { return place.load(std::memory_order_relaxed) != 0; }));
  }
  std::vector<ReplayCache::Place> places;
  ReplayCache cache;
};

static_assert(sizeof(ReplayCache::Place) == 8, "an entry costs eight bytes");

TEST(ReplayCache, RefusesAFingerprintTheSecondTime) {
  Cache cache(kKey);
  EXPECT_EQ(cache({1, 2}, kNow), kFresh);
  EXPECT_EQ(cache({1, 2}, kNow), kReplay);
  EXPECT_EQ(cache({1, 2}, kNow), kReplay) << "and every time after";
  EXPECT_EQ(cache.used(), 1u);
}

// What differs from {1, 2} only here must be another authenticator.
constexpr Fingerprint kOthers[] = {
    {2, 1}, {1, 3}, {0, 2}, {1, 0}, {1ull << 63 | 1, 2}, {1, 1ull << 63 | 2}, {1ull << 32 | 1, 2},
};

TEST(ReplayCache, EveryBitOfAFingerprintCounts) {
  Cache cache(kKey, 1024);
  ASSERT_EQ(cache({1, 2}, kNow), kFresh);
  for (const Fingerprint& other : kOthers) {
    EXPECT_EQ(cache(other, kNow), kFresh) << other[0] << ' ' << other[1];
    EXPECT_EQ(cache(other, kNow), kReplay);
  }
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Fingerprint flipped = {0x5555, 0xaaaa};
    flipped[bit / 64] ^= std::uint64_t{1} << bit % 64;
    EXPECT_EQ(cache(flipped, kNow + kSlice), kFresh) << bit;
  }
}

TEST(ReplayCache, TheKeyDecidesWhereAFingerprintGoes) {
  const auto first_place = [](const ReplayKey& key) {
    Cache cache(key, 1 << 16);
    EXPECT_EQ(cache({1, 2}, 0), kFresh);
    std::size_t index = 0;
    while (cache.places[index].load(std::memory_order_relaxed) == 0) {
      ++index;
    }
    return index;
  };
  const std::size_t place = first_place(kKey);
  EXPECT_EQ(first_place(kKey), place);
  for (std::size_t word = 0; word < 4; ++word) {
    auto other = kKey;
    other[word] ^= 0x0101010101010101;
    // The low word of each half counts only through its carries, so change all of it.
    other[word] = ~other[word];
    EXPECT_NE(first_place(other), place) << word;
  }
}

TEST(ReplayCache, TellsTimesInOneSliceApartOnlyByFingerprint) {
  Cache cache(kKey);
  const std::int64_t begin = kNow / kSlice * kSlice;
  EXPECT_EQ(cache({1, 2}, begin), kFresh);
  EXPECT_EQ(cache({1, 2}, begin + kSlice - 1), kReplay);
  EXPECT_EQ(cache({1, 2}, begin + kSlice), kFresh) << "another slice is another time";
  EXPECT_EQ(cache({1, 2}, begin - 1), kFresh);
  EXPECT_EQ(cache.used(), 3u);
}

class ReplayCacheSkew : public ::testing::TestWithParam<std::int64_t> {};

// Everything the caller may still accept lies within the skew, on both sides of now.
TEST_P(ReplayCacheSkew, IsHowLongAFingerprintIsRemembered) {
  const std::int64_t skew = GetParam();
  for (const std::int64_t offset : {0, 1, 31, 63}) {
    Cache cache(kPlainKey, kSmallest, skew);
    EXPECT_EQ(cache.cache.skew_max_s(), skew);
    const std::int64_t sent = kNow + offset;  // The first moment it can come is sent - skew.
    ASSERT_EQ(cache(at(0, 1), sent), kFresh);
    // The last moment it can come again is sent + skew, when others are as new as sent + 2 * skew.
    for (std::uint64_t tag = 2; tag <= kSmallest; ++tag) {
      ASSERT_EQ(cache(at(0, tag), sent + 2 * skew), kFresh);
    }
    ASSERT_EQ(cache(at(0, 1'000), sent + 2 * skew), kFull);
    ASSERT_EQ(cache(at(0, 1), sent), kReplay);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ReplayCacheSkew,
                         ::testing::Values(0, 1, 32, 63, 64, 300, 960, 7'200, 86'400),
                         [](const auto& param_info) {
                           return "Of" + std::to_string(param_info.param) + "Seconds";
                         });

// The twin: what nobody can present any more makes room.
TEST(ReplayCache, ForgetsWhatIsOlderThanItsSkew) {
  Cache cache(kPlainKey);
  ASSERT_EQ(cache(at(0, 1), kNow), kFresh);
  for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
    ASSERT_EQ(cache(at(0, tag), kNow + kOver), kFresh);
  }
  EXPECT_EQ(cache(at(0, 1), kNow), kFull) << "its place is taken by somebody newer";
}

// A burst may use the whole table, whatever its times.
TEST(ReplayCache, OneSecondMayFillTheTable) {
  constexpr std::size_t kPlaces = 1 << 12;
  Cache cache(kKey, kPlaces);
  std::mt19937_64 numbers(11);
  for (std::size_t i = 0; i < kPlaces * 7 / 10; ++i) {
    ASSERT_EQ(cache({numbers(), numbers()}, kNow), kFresh) << i;
  }
}

TEST(ReplayCache, AWalkGoesPastOthersAndRound) {
  Cache cache(kPlainKey);
  EXPECT_EQ(cache(at(63, 1), kNow), kFresh);
  EXPECT_EQ(cache(at(63, 2), kNow), kFresh);
  EXPECT_EQ(cache(at(63, 3), kNow), kFresh);
  EXPECT_EQ(cache(at(0, 4), kNow), kFresh);
  EXPECT_EQ(cache(at(63, 1), kNow), kReplay);
  EXPECT_EQ(cache(at(63, 2), kNow), kReplay);
  EXPECT_EQ(cache(at(63, 3), kNow), kReplay);
  EXPECT_EQ(cache(at(0, 4), kNow), kReplay);
  EXPECT_EQ(cache.used(), 4u);
}

TEST(ReplayCache, SaysWhenItIsFullInsteadOfForgetting) {
  Cache cache(kPlainKey);
  for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
    ASSERT_EQ(cache(at(tag * 5, tag), kNow), kFresh) << tag;
  }
  EXPECT_EQ(cache(at(9, 1'000), kNow), kFull);
  EXPECT_EQ(cache(at(9, 1'000), kNow), kFull) << "and it has not been remembered";
  for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
    EXPECT_EQ(cache(at(tag * 5, tag), kNow), kReplay) << tag;
  }
  EXPECT_EQ(cache(at(9, 1'000), kNow + kOver - kSlice), kFull) << "these might still come again";
  EXPECT_EQ(cache(at(9, 1'000), kNow + kOver), kFresh) << "these cannot";
}

TEST(ReplayCache, WalksNoFurtherThanItsBound) {
  Cache cache(kPlainKey, 2 * kSmallest);
  for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
    ASSERT_EQ(cache(at(0, tag), kNow), kFresh);
  }
  EXPECT_EQ(cache(at(0, 1'000), kNow), kFull);
  EXPECT_EQ(cache(at(1, 1'001), kNow), kFresh) << "one further on there is a free place";
}

TEST(ReplayCache, PlacesWhoseTimeIsOverAreFreeAgain) {
  Cache cache(kPlainKey);
  for (const std::int64_t time : {kNow, kNow + kOver, kNow + 5 * kOver, kNow + 500'000 * kOver}) {
    for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
      ASSERT_EQ(cache(at(tag, tag), time), kFresh) << "the same fingerprints, another time";
    }
    ASSERT_EQ(cache(at(7, 1'000), time), kFull);
  }
}

// A place with a newer number is not free: a thread that was stopped for half an hour, or a clock
// that was set back, must not open the way for a replay.
TEST(ReplayCache, NewerEntriesAreNeverOverwritten) {
  Cache cache(kPlainKey);
  for (std::uint64_t tag = 1; tag < kSmallest; ++tag) {
    ASSERT_EQ(cache(at(tag, tag), kNow + kOver), kFresh);
  }
  EXPECT_EQ(cache(at(1, 500), kNow), kFresh) << "the one free place";
  EXPECT_EQ(cache(at(1, 501), kNow), kFull);
  for (std::uint64_t tag = 1; tag < kSmallest; ++tag) {
    ASSERT_EQ(cache(at(tag, tag), kNow + kOver), kReplay) << tag;
  }
}

// Slice numbers wrap at 2^31 seconds (2038-01-19T03:14:08Z), where much else does.
TEST(ReplayCache, WorksAcrossTheWrapOfSliceNumbers) {
  constexpr std::int64_t kWrap = std::int64_t{1} << 31;
  static_assert(kWrap / kSlice % (1 << 24) == 0, "the first number of a new circle");
  Cache cache(kPlainKey);
  const std::int64_t before = kWrap - kOver;
  for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
    ASSERT_EQ(cache(at(tag, tag), before), kFresh);
    ASSERT_EQ(cache(at(tag, tag), before), kReplay);
  }
  for (std::uint64_t tag = 1; tag <= kSmallest; ++tag) {
    ASSERT_EQ(cache(at(tag, tag), kWrap), kFresh) << "those before the wrap are over";
    ASSERT_EQ(cache(at(tag, tag), kWrap), kReplay);
  }
  EXPECT_EQ(cache(at(3, 3), before), kFull) << "and those after it are newer";
}

// Times whose slice number has its highest bit set or not, and 0: a place never used is free.
TEST(ReplayCache, AnUnusedPlaceIsFreeAtAnyTime) {
  for (const std::int64_t time :
       {std::int64_t{0}, std::int64_t{63}, std::int64_t{64}, kNow, std::int64_t{1} << 29,
        (std::int64_t{1} << 30) - 1, std::int64_t{1} << 30, std::int64_t{1} << 31,
        std::int64_t{1} << 40, std::int64_t{-1}, std::int64_t{-100}}) {
    Cache cache(kKey);
    EXPECT_EQ(cache({1, 2}, time), kFresh) << time;
    EXPECT_EQ(cache({1, 2}, time), kReplay) << time;
  }
}

TEST(ReplayCache, ATagOfZeroInSliceZeroIsRemembered) {
  Cache cache(kPlainKey);
  EXPECT_EQ(cache(at(5, 0), 0), kFresh);
  EXPECT_EQ(cache(at(5, 0), 0), kReplay);
  EXPECT_EQ(cache.used(), 1u);
}

TEST(ReplayCache, HoldsRandomFingerprintsUntilWellPastHalfFull) {
  constexpr std::size_t kPlaces = 1 << 14;
  Cache cache(kKey, kPlaces);
  std::mt19937_64 numbers(7);
  std::vector<Fingerprint> seen;
  for (std::size_t i = 0; i < kPlaces * 7 / 10; ++i) {
    seen.push_back({numbers(), numbers()});
    ASSERT_EQ(cache(seen.back(), kNow), kFresh) << i;
  }
  for (const Fingerprint& fingerprint : seen) {
    ASSERT_EQ(cache(fingerprint, kNow), kReplay);
  }
}

// Fingerprints that follow a pattern spread out too, whatever the stride.
TEST(ReplayCache, SpreadsRegularFingerprints) {
  for (const unsigned shift : {0u, 8u, 24u, 40u, 50u}) {
    for (const std::size_t word : {0u, 1u}) {
      Cache cache(kKey, 1 << 14);
      for (std::uint64_t i = 0; i < 1 << 13; ++i) {
        Fingerprint fingerprint{};
        fingerprint[word] = i << shift;
        ASSERT_EQ(cache(fingerprint, kNow), kFresh) << i << " << " << shift;
      }
    }
  }
}

// Four threads present the same authenticators: each is accepted by exactly one.
TEST(ReplayCache, OfFourThreadsWithOneFingerprintExactlyOneIsFirst) {
  constexpr std::size_t kThreads = 4;
  constexpr std::uint64_t kFingerprints = 20'000;
  Cache cache(kKey, 1 << 15);
  std::vector<std::vector<std::uint8_t>> fresh(kThreads, std::vector<std::uint8_t>(kFingerprints));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kFingerprints; ++i) {
        const ReplayVerdict verdict = cache({i, ~i}, kNow);
        ASSERT_NE(verdict, kFull);
        fresh[t][i] = verdict == kFresh ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::uint64_t i = 0; i < kFingerprints; ++i) {
    int firsts = 0;
    for (std::size_t t = 0; t < kThreads; ++t) {
      firsts += fresh[t][i];
    }
    ASSERT_EQ(firsts, 1) << i;
  }
}

}  // namespace
}  // namespace usher
