// engine/slots/seen_cache.h: what was offered twice is found, whole and under its generation only,
// until it ends; who floods it pushes out nobody; what is gone has left nothing in memory.
#include "engine/slots/seen_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "engine/slots/seen_counts.h"
#include "tests/slots/seen_things.h"

namespace usher {
namespace {

using testing::is_equal;
using testing::is_zero;
using testing::kLater;
using testing::kNow;
using testing::Octets;
using testing::octets;
using Payload = testing::SeenPayload;
using Cache = SeenCache<Payload>;

constexpr std::uint64_t kGeneration = 7;
constexpr SeenCacheOptions kSmall = {
    .entry_count = kSeenWays, .key_size_max = 1000, .value_size_max = 900, .again_within_s = 60};

// Thing is a key and what came of it.
struct Thing {
  explicit Thing(std::uint32_t number, std::size_t key_size = 700, std::size_t value_size = 600)
      : key(octets(number, key_size, 'K')), value(octets(number, value_size, 'V')) {
    payload.octets.fill('P');
    payload.octets[0] = static_cast<std::uint8_t>(number);
    client = number;
  }
  Octets key;
  Octets value;
  Payload payload;
  std::uint64_t client;
  std::int64_t expires_s = kLater;
};

class SeenCacheTest : public ::testing::Test {
 protected:
  void make(const SeenCacheOptions& wanted) {
    cache.reset();
    options = wanted;
    memory.emplace(Cache::memory_size(options));
    cache.emplace(memory->bytes(), options, testing::seen_hash_key());
  }
  Offered offer_once(const Thing& thing, std::int64_t now_s = kNow,
                     std::uint64_t generation = kGeneration) {
    return cache->offer(
        cache->seek(generation, thing.key),
        {.client_hash = thing.client, .value = thing.value, .expires_s = thing.expires_s}, now_s,
        [&](Payload& payload, Bytes) { payload = thing.payload; });
  }
  Offered offer(const Thing& thing, std::int64_t now_s = kNow,
                std::uint64_t generation = kGeneration) {
    const Offered first = offer_once(thing, now_s, generation);
    return first == Offered::kFirstTime ? offer_once(thing, now_s, generation) : first;
  }
  Cache::Hit find(const Thing& thing, std::int64_t now_s = kNow,
                  std::uint64_t generation = kGeneration) {
    return cache->find(cache->seek(generation, thing.key), now_s);
  }
  static bool shows(const Cache::Hit& hit, const Thing& thing) {
    return hit && is_equal(hit.key(), thing.key) && is_equal(hit.value(), thing.value) &&
           hit.payload().octets == thing.payload.octets;
  }
  // rooms is where keys, values and payloads lie.
  Bytes rooms() {
    const std::size_t count = std::bit_ceil(std::max(options.entry_count, kSeenWays));
    const std::size_t front = count * 112;
    return memory->bytes().subspan(front);
  }
  std::size_t set_of(const Thing& thing, std::size_t sets) const {
    return static_cast<std::size_t>(hash.of_end(thing.key, kGeneration)) % sets;
  }

  SeenHash hash{testing::seen_hash_key()};  // The cache's.
  SeenCacheOptions options;
  std::optional<testing::SeenMemory> memory;
  std::optional<Cache> cache;

  void SetUp() override { make(kSmall); }
};

TEST_F(SeenCacheTest, FindsWhatWasOfferedTwice) {
  const Thing thing(1);
  EXPECT_FALSE(find(thing));
  EXPECT_EQ(offer_once(thing), Offered::kFirstTime);
  EXPECT_FALSE(find(thing)) << "nothing is kept of what was offered once";
  EXPECT_TRUE(is_zero(rooms()));
  EXPECT_EQ(offer_once(thing), Offered::kAdmitted);
  EXPECT_TRUE(shows(find(thing), thing));
  EXPECT_TRUE(shows(find(thing), thing)) << "finding takes nothing away";
  EXPECT_EQ(offer_once(thing), Offered::kPresent);
}

TEST_F(SeenCacheTest, ASecondOfferThatComesTooLateIsAFirstOne) {
  const Thing slow(1);
  EXPECT_EQ(offer_once(slow, kNow), Offered::kFirstTime);
  EXPECT_EQ(offer_once(slow, kNow + 61), Offered::kFirstTime);
  EXPECT_EQ(offer_once(slow, kNow + 61 + 60), Offered::kAdmitted);
}

TEST_F(SeenCacheTest, ComparesAllOfAKey) {
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  for (std::size_t i = 0; i < thing.key.size(); ++i) {
    Thing other = thing;
    other.key[i] ^= 1;
    EXPECT_FALSE(find(other)) << i;
  }
  Thing longer = thing;
  longer.key.push_back('K');
  EXPECT_FALSE(find(longer));
  Thing shorter = thing;
  shorter.key.pop_back();
  EXPECT_FALSE(find(shorter));
  EXPECT_TRUE(shows(find(thing), thing));
}

TEST_F(SeenCacheTest, KeysOfOneHashAreDifferentEntries) {
  const Thing one(1);
  Thing two(1);
  two.key[20] = 'k';  // Not in the end that the hash looks at.
  two.value[20] = 'v';
  ASSERT_EQ(hash.of_end(one.key, kGeneration), hash.of_end(two.key, kGeneration));
  ASSERT_EQ(offer(one), Offered::kAdmitted);
  EXPECT_FALSE(find(two));
  ASSERT_EQ(offer(two), Offered::kAdmitted);
  EXPECT_TRUE(shows(find(one), one));
  EXPECT_TRUE(shows(find(two), two));
}

TEST_F(SeenCacheTest, AnotherGenerationFindsNothing) {
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  EXPECT_FALSE(find(thing, kNow, kGeneration + 1));
  EXPECT_FALSE(find(thing, kNow, 0));
  ASSERT_EQ(offer(thing, kNow, kGeneration + 1), Offered::kAdmitted);
  EXPECT_TRUE(shows(find(thing, kNow, kGeneration + 1), thing));
  EXPECT_TRUE(shows(find(thing), thing));
}

TEST_F(SeenCacheTest, AnEntryEndsAndIsWipedByWhoLooksForIt) {
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  EXPECT_TRUE(find(thing, kLater - 1));
  EXPECT_FALSE(is_zero(rooms()));
  EXPECT_FALSE(find(thing, kLater));
  EXPECT_TRUE(is_zero(rooms()));
  EXPECT_FALSE(find(thing, kLater - 1)) << "gone, also for a clock that is set back";
}

TEST_F(SeenCacheTest, WhatHasEndedIsNotAdmitted) {
  Thing thing(1);
  thing.expires_s = kNow;
  EXPECT_EQ(offer(thing), Offered::kExpired);
  thing.expires_s = kNow + 1;
  EXPECT_EQ(offer(thing), Offered::kAdmitted);
}

TEST_F(SeenCacheTest, DeclinesWhatIsTooLarge) {
  EXPECT_EQ(offer(Thing(1, 1001, 900)), Offered::kTooLarge);
  EXPECT_EQ(offer(Thing(1, 1000, 901)), Offered::kTooLarge);
  const Thing largest(1, 1000, 900);
  EXPECT_EQ(offer(largest), Offered::kAdmitted);
  EXPECT_TRUE(shows(find(largest), largest));
  EXPECT_FALSE(find(Thing(1, 1001, 900))) << "what is too large can be looked for";
  const Thing empty(2, 0, 0);
  EXPECT_EQ(offer(empty), Offered::kAdmitted);
  EXPECT_TRUE(shows(find(empty), empty));
  EXPECT_TRUE(shows(find(largest), largest)) << "neighbours do not overlap";
}

TEST_F(SeenCacheTest, AHitIsAPinThatMoves) {
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  Cache::Hit one = find(thing);
  Cache::Hit two = find(thing);
  EXPECT_EQ(one.value().data(), two.value().data()) << "one entry, pinned twice";
  Cache::Hit moved = std::move(one);
  EXPECT_FALSE(one);
  EXPECT_TRUE(shows(moved, thing));
  moved = std::move(two);
  EXPECT_TRUE(shows(moved, thing));
  EXPECT_EQ(cache->forget(kGeneration), 1u);
  EXPECT_TRUE(shows(moved, thing)) << "still pinned";
  moved.reset();
  EXPECT_FALSE(moved);
  EXPECT_TRUE(is_zero(rooms())) << "by nobody else";
}

// fill puts entries of eight clients into the one set there is.
class SeenCacheFull : public SeenCacheTest {
 protected:
  void SetUp() override {
    make(kSmall);
    for (std::uint32_t number = 0; number < kSeenWays; ++number) {
      things.emplace_back(number);
      ASSERT_EQ(offer(things.back()), Offered::kAdmitted);
    }
  }
  std::size_t found_count() {
    return static_cast<std::size_t>(std::ranges::count_if(
        things, [&](const Thing& thing) { return shows(find(thing), thing); }));
  }
  std::vector<Thing> things;
};

TEST_F(SeenCacheFull, WhatWasNotFoundIsReplacedAndWhatWasStays) {
  for (std::uint32_t number = 0; number < kSeenWays; ++number) {
    if (number != 5) {
      ASSERT_TRUE(find(things[number]));
    }
  }
  const Thing fresh(100);
  EXPECT_EQ(offer(fresh), Offered::kReplaced);
  EXPECT_TRUE(shows(find(fresh), fresh));
  EXPECT_FALSE(find(things[5]));
  EXPECT_EQ(found_count(), kSeenWays - 1u);
}

TEST_F(SeenCacheFull, WhatIsFoundBetweenAdmissionsIsNeverReplaced) {
  for (std::uint32_t number = 100; number < 200; ++number) {
    ASSERT_EQ(found_count(), kSeenWays);
    EXPECT_EQ(offer(Thing(number)), Offered::kNoRoom);
  }
  EXPECT_EQ(offer(Thing(200)), Offered::kReplaced) << "not found since";
  EXPECT_EQ(found_count(), kSeenWays - 1u);
}

TEST_F(SeenCacheFull, TheHandGoesOnFromWhereItWas) {
  for (std::uint32_t number = 100; number < 100 + kSeenWays; ++number) {
    ASSERT_EQ(offer(Thing(number)), Offered::kReplaced);
  }
  EXPECT_EQ(found_count(), 0u) << "each of the old ones had its turn";
  for (std::uint32_t number = 100; number < 100 + kSeenWays; ++number) {
    EXPECT_TRUE(find(Thing(number)));
  }
}

TEST_F(SeenCacheFull, WhatIsPinnedIsNeverReplaced) {
  std::vector<Cache::Hit> hits;
  for (const Thing& thing : things) {
    hits.push_back(find(thing));
  }
  const Thing fresh(100);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(offer(fresh), Offered::kNoRoom);
  }
  for (std::size_t i = 0; i < things.size(); ++i) {
    EXPECT_TRUE(shows(hits[i], things[i]));
  }
  hits[3].reset();
  EXPECT_EQ(offer(fresh), Offered::kNoRoom) << "it was found a moment ago";
  EXPECT_EQ(offer(fresh), Offered::kReplaced);
  EXPECT_FALSE(find(things[3]));
}

TEST_F(SeenCacheFull, WhatHasEndedGoesFirst) {
  ASSERT_EQ(cache->forget(kGeneration), kSeenWays);
  things[6].expires_s = kNow + 10;
  for (const Thing& thing : things) {
    ASSERT_EQ(offer(thing), Offered::kAdmitted);
  }
  EXPECT_EQ(offer(Thing(100), kNow + 10), Offered::kAdmitted) << "nothing good was lost";
  EXPECT_EQ(found_count(), kSeenWays - 1u);
  EXPECT_FALSE(find(things[6]));
}

TEST_F(SeenCacheFull, WhatHasEndedStaysWhileItIsPinned) {
  ASSERT_EQ(cache->forget(kGeneration), kSeenWays);
  things[6].expires_s = kNow + 10;
  for (const Thing& thing : things) {
    ASSERT_EQ(offer(thing), Offered::kAdmitted);
  }
  const Cache::Hit pinned = find(things[6]);
  EXPECT_EQ(offer(Thing(100), kNow + 10), Offered::kReplaced) << "another had to go";
  EXPECT_TRUE(shows(pinned, things[6]));
}

TEST_F(SeenCacheFull, EndedEntriesAreWipedAtOnce) {
  EXPECT_EQ(cache->wipe_expired(kLater - 1), 0u);
  EXPECT_EQ(found_count(), kSeenWays);
  EXPECT_EQ(cache->wipe_expired(kLater), kSeenWays);
  EXPECT_TRUE(is_zero(rooms()));
  EXPECT_EQ(offer(things[0]), Offered::kAdmitted);
}

TEST_F(SeenCacheFull, AClientsThirdReplacesItsOwnOlder) {
  std::vector<Thing> own;
  for (std::uint32_t number = 100; number < 105; ++number) {
    own.emplace_back(number);
    own.back().client = 99;
  }
  ASSERT_EQ(offer(own[0]), Offered::kReplaced);
  ASSERT_EQ(offer(own[1]), Offered::kReplaced);
  EXPECT_EQ(found_count(), kSeenWays - kSeenWaysPerClient);
  ASSERT_TRUE(find(own[0]));  // Used or not.
  ASSERT_EQ(offer(own[2]), Offered::kReplaced);
  EXPECT_FALSE(find(own[0]));
  EXPECT_TRUE(find(own[1]));
  {
    const Cache::Hit pinned = find(own[1]);
    ASSERT_EQ(offer(own[3]), Offered::kReplaced) << "the other one, if the older is pinned";
    EXPECT_FALSE(find(own[2]));
    const Cache::Hit both = find(own[3]);
    EXPECT_EQ(offer(own[4]), Offered::kNoRoom);
  }
  EXPECT_EQ(offer(own[4]), Offered::kReplaced);
  EXPECT_FALSE(find(own[1]));
  EXPECT_EQ(found_count(), kSeenWays - kSeenWaysPerClient) << "and nobody else's";
}

TEST_F(SeenCacheTest, OfAClientsOwnWhatHasEndedGoesFirst) {
  std::vector<Thing> own;
  for (std::uint32_t number = 0; number < 3; ++number) {
    own.emplace_back(number);
    own.back().client = 99;
  }
  own[1].expires_s = kNow + 10;
  ASSERT_EQ(offer(own[0]), Offered::kAdmitted);
  ASSERT_EQ(offer(own[1]), Offered::kAdmitted);
  ASSERT_EQ(offer(own[2], kNow + 10), Offered::kAdmitted);
  EXPECT_TRUE(find(own[0]));
  EXPECT_FALSE(find(own[1]));
  EXPECT_TRUE(find(own[2]));
}

// Eight sets of eight ways, of which others have six each. Whatever one client offers, however
// often, the others' stay: its share of a set is two.
class SeenCacheFlood : public SeenCacheTest {
 protected:
  static constexpr std::size_t kSets = 8;
  static constexpr std::uint32_t kFlood = 100'000;
  static constexpr std::uint64_t kFlooder = 999'999;

  void fill(std::size_t ways) {
    make({.entry_count = kSets * kSeenWays,
          .key_size_max = 64,
          .value_size_max = 64,
          .again_within_s = 60});
    std::array<std::size_t, kSets> taken{};
    for (std::uint32_t number = 0; others.size() < kSets * ways; ++number) {
      const Thing thing(number, 64, 64);
      if (taken[set_of(thing, kSets)] < ways) {
        ++taken[set_of(thing, kSets)];
        ASSERT_EQ(offer(thing), Offered::kAdmitted);
        others.push_back(thing);
      }
    }
  }
  std::size_t others_found() {
    return static_cast<std::size_t>(std::ranges::count_if(
        others, [&](const Thing& thing) { return shows(find(thing), thing); }));
  }
  std::vector<Thing> others;
};

TEST_F(SeenCacheFlood, NewTicketsOfOneClientAreNotCopied) {
  fill(kSeenWays);
  for (std::uint32_t number = 0; number < kFlood; ++number) {
    Thing thing(1'000'000 + number, 64, 64);
    thing.client = kFlooder;
    ASSERT_EQ(offer_once(thing), Offered::kFirstTime);
  }
  EXPECT_EQ(others_found(), others.size());
}

TEST_F(SeenCacheFlood, TicketsOfOneClientThatAreOfferedTwicePushOutItsOwn) {
  fill(kSeenWays - kSeenWaysPerClient);
  std::uint32_t admitted = 0;
  for (std::uint32_t number = 0; number < kFlood; ++number) {
    Thing thing(1'000'000 + number, 64, 64);
    thing.client = kFlooder;
    const Offered offered = offer(thing);
    admitted += offered == Offered::kAdmitted || offered == Offered::kReplaced ? 1u : 0u;
  }
  EXPECT_EQ(admitted, kFlood);
  EXPECT_EQ(others_found(), others.size());
}

TEST_F(SeenCacheFlood, OfFullSetsOneClientTakesItsShareAndNoMore) {
  fill(kSeenWays);
  for (std::uint32_t number = 0; number < kFlood; ++number) {
    Thing thing(1'000'000 + number, 64, 64);
    thing.client = kFlooder;
    (void)offer(thing);
  }
  EXPECT_EQ(others_found(), others.size() - kSets * kSeenWaysPerClient);
}

// While one client floods, another's ticket is still known to have been offered before: the filter
// keeps them apart.
TEST_F(SeenCacheFlood, AnothersSecondOfferIsStillASecondOne) {
  fill(1);
  std::uint32_t admitted = 0;
  for (std::uint32_t client = 0; client < 50; ++client) {
    Thing thing(2'000'000 + client, 64, 64);
    thing.client = 1000 + client;
    ASSERT_EQ(offer_once(thing), Offered::kFirstTime);
    for (std::uint32_t number = 0; number < 100; ++number) {
      Thing flood(3'000'000 + 100 * client + number, 64, 64);
      flood.client = kFlooder;
      ASSERT_EQ(offer_once(flood), Offered::kFirstTime);
    }
    const Offered offered = offer_once(thing);
    admitted += offered == Offered::kAdmitted || offered == Offered::kReplaced ? 1u : 0u;
  }
  EXPECT_GE(admitted, 45u) << "all but the few that share a group of the filter with the flood";
}

class SeenCacheWipe : public SeenCacheTest {};

TEST_F(SeenCacheWipe, ASmallerOneLeavesNothingOfTheLargerBeforeIt) {
  Thing large(1, 1000, 900);
  Thing next(2, 500, 400);
  Thing last(3, 10, 10);
  large.client = next.client = last.client = 99;
  large.payload.octets.fill('L');
  std::ranges::fill(large.value, 'L');
  std::ranges::fill(large.key, 'L');
  ASSERT_EQ(offer(large), Offered::kAdmitted);
  ASSERT_EQ(offer(next), Offered::kAdmitted);
  EXPECT_GE(std::ranges::count(rooms(), 'L'), 1900);
  ASSERT_EQ(offer(last), Offered::kReplaced);
  EXPECT_EQ(std::ranges::count(rooms(), 'L'), 0);
  EXPECT_TRUE(shows(find(next), next));
  EXPECT_TRUE(shows(find(last), last));
}

TEST_F(SeenCacheWipe, AGenerationThatIsForgottenIsWipedAndOthersStay) {
  const Thing old(1);
  Thing fresh(2);
  ASSERT_EQ(offer(old, kNow, 1), Offered::kAdmitted);
  ASSERT_EQ(offer(fresh, kNow, 2), Offered::kAdmitted);
  const auto keys = std::ranges::count(rooms(), 'K');
  EXPECT_EQ(cache->forget(3), 0u);
  EXPECT_EQ(std::ranges::count(rooms(), 'K'), keys);
  EXPECT_EQ(cache->forget(1), 1u);
  EXPECT_EQ(std::ranges::count(rooms(), 'K'), keys / 2);
  EXPECT_FALSE(find(old, kNow, 1));
  EXPECT_TRUE(shows(find(fresh, kNow, 2), fresh));
  EXPECT_EQ(cache->wipe_all(), 1u);
  EXPECT_FALSE(find(fresh, kNow, 2));
  EXPECT_TRUE(is_zero(rooms()));
  EXPECT_EQ(offer(old, kNow, 3), Offered::kAdmitted) << "and goes on";
}

TEST_F(SeenCacheWipe, WhoUnpinsAForgottenEntryLastWipesIt) {
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  Cache::Hit one = find(thing);
  Cache::Hit two = find(thing);
  EXPECT_EQ(cache->forget(kGeneration), 1u);
  EXPECT_EQ(cache->forget(kGeneration), 0u) << "once is enough";
  EXPECT_FALSE(find(thing));
  EXPECT_TRUE(shows(one, thing) && shows(two, thing));
  one.reset();
  EXPECT_TRUE(shows(two, thing));
  EXPECT_EQ(offer(thing), Offered::kAdmitted) << "elsewhere";
  EXPECT_TRUE(shows(two, thing) && shows(find(thing), thing));
  two.reset();
  EXPECT_EQ(std::ranges::count(rooms(), 'V'), 596);
  EXPECT_TRUE(shows(find(thing), thing));
}

TEST_F(SeenCacheWipe, WhatWasSoughtBeforeAForgetIsNotAdmitted) {
  const Thing thing(1);
  ASSERT_EQ(offer_once(thing), Offered::kFirstTime);
  const Cache::Sought before = cache->seek(kGeneration, thing.key);
  EXPECT_EQ(cache->forget(kGeneration), 0u);
  const Cache::News news = {
      .client_hash = thing.client, .value = thing.value, .expires_s = thing.expires_s};
  const auto write_payload = [&](Payload& payload, Bytes) { payload = thing.payload; };
  EXPECT_EQ(cache->offer(before, news, kNow, write_payload), Offered::kForgotten);
  EXPECT_TRUE(is_zero(rooms()));
  EXPECT_FALSE(find(thing));
  EXPECT_EQ(offer(thing), Offered::kAdmitted) << "sought after it";
}

TEST_F(SeenCacheWipe, NorIsWhatWasSoughtBeforeEverythingIsWiped) {
  const Thing thing(1);
  ASSERT_EQ(offer_once(thing), Offered::kFirstTime);
  const Cache::News news = {
      .client_hash = thing.client, .value = thing.value, .expires_s = thing.expires_s};
  const auto write_payload = [&](Payload& payload, Bytes) { payload = thing.payload; };
  const Cache::Sought before = cache->seek(kGeneration, thing.key);
  EXPECT_EQ(cache->wipe_expired(kNow), 0u);
  const Cache::Sought other = cache->seek(kGeneration, thing.key);
  EXPECT_EQ(cache->wipe_all(), 0u);
  EXPECT_EQ(cache->offer(before, news, kNow, write_payload), Offered::kForgotten);
  EXPECT_EQ(cache->offer(other, news, kNow, write_payload), Offered::kForgotten);
  EXPECT_TRUE(is_zero(rooms()));
}

TEST_F(SeenCacheWipe, TheEndWipesEverything) {
  for (std::uint32_t number = 0; number < kSeenWays; ++number) {
    ASSERT_EQ(offer(Thing(number)), Offered::kAdmitted);
  }
  EXPECT_FALSE(is_zero(rooms()));
  cache.reset();
  EXPECT_TRUE(is_zero(rooms()));
}

TEST_F(SeenCacheTest, PinsThatCannotBeCountedAreRefused) {
  constexpr std::size_t kPinsMax = (1u << 20) - 1;
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  const Cache::Sought sought = cache->seek(kGeneration, thing.key);
  std::vector<Cache::Hit> hits(kPinsMax);
  for (Cache::Hit& hit : hits) {
    hit = cache->find(sought, kNow);
    ASSERT_TRUE(hit);
  }
  EXPECT_FALSE(cache->find(sought, kNow));
  hits.pop_back();
  EXPECT_TRUE(cache->find(sought, kNow));
  hits.clear();
  EXPECT_EQ(cache->forget(kGeneration), 1u);
  EXPECT_TRUE(is_zero(rooms()));
}

#ifndef NDEBUG
using SeenCacheDeathTest = SeenCacheTest;
TEST_F(SeenCacheDeathTest, MisuseByTheEngineIsCaught) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Thing thing(1);
  ASSERT_EQ(offer(thing), Offered::kAdmitted);
  EXPECT_DEATH(
      {
        const Cache::Hit hit = find(thing);
        cache.reset();
      },
      "kEmpty")
      << "a Hit that outlives its cache";
  EXPECT_DEATH(Cache(memory->bytes().subspan(64), options, testing::seen_hash_key()), "rooms_");
}
#endif

TEST(SeenCounter, CountsWhatBecameOfFindsAndOffers) {
  SeenCounter counter;
  counter.count_find(true);
  counter.count_find(false);
  counter.count_find(true);
  using enum Offered;
  for (const Offered offered : {kAdmitted, kReplaced, kReplaced, kFirstTime, kPresent, kExpired,
                                kTooLarge, kBusy, kNoRoom, kForgotten}) {
    counter.count_offer(offered);
  }
  const SeenCounts expected = {
      .hits = 2, .misses = 1, .admitted = 3, .evicted = 2, .declined = 7, .no_room = 1};
  EXPECT_EQ(counter.counts(), expected);
  SeenCounts sum = expected;
  sum += expected;
  const SeenCounts twice = {
      .hits = 4, .misses = 2, .admitted = 6, .evicted = 4, .declined = 14, .no_room = 2};
  EXPECT_EQ(sum, twice);
  EXPECT_EQ(sum -= expected, expected);
}

}  // namespace
}  // namespace usher
