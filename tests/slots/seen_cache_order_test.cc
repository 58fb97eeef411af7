// engine/slots/seen_cache.h under every interleaving of two or three threads with few preemptions:
// what is pinned stays as it is, nothing is there twice, and what is forgotten is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "engine/slots/seen_cache.h"
#include "tests/interleave.h"
#include "tests/slots/seen_things.h"

namespace usher {
namespace {

using testing::Interleaver;
using testing::is_equal;
using testing::is_zero;
using testing::kLater;
using testing::kNow;
using testing::Octets;
using testing::octets;
using Payload = testing::SeenPayload;
using Cache = BasicSeenCache<Payload, testing::SteppedAtomic>;
using Bodies = std::vector<Interleaver::Body>;
using enum Offered;

constexpr std::uint64_t kGeneration = 7;
constexpr SeenCacheOptions kOptions = {
    .entry_count = kSeenWays, .key_size_max = 64, .value_size_max = 64};

// Thing is a key and what came of it; its client is its own unless said otherwise.
struct Thing {
  explicit Thing(std::uint32_t number, std::uint64_t of_client = 0)
      : key(octets(number, 20 + number, 'K')),
        value(octets(number, 60 - number, 'V')),
        client(of_client == 0 ? 100 + number : of_client) {
    payload.octets.fill(static_cast<std::uint8_t>(number));
  }
  Octets key;
  Octets value;
  Payload payload;
  std::uint64_t client;
  std::int64_t expires_s = kLater;
};

class SeenCacheOrder : public ::testing::Test {
 protected:
  // fresh makes a cache of one set with these in it. Everything has been offered before.
  void fresh(const std::vector<const Thing*>& present) {
    cache.reset();
    std::ranges::fill(memory.bytes(), std::uint8_t{0});
    cache.emplace(memory.bytes(), kOptions, testing::seen_hash_key());
    for (const Thing* thing : present) {
      EXPECT_EQ(offer(*thing), kFirstTime);
      EXPECT_EQ(offer(*thing), kAdmitted);
    }
  }
  void offered_before(const Thing& thing) { EXPECT_EQ(offer(thing), kFirstTime); }
  Offered offer(const Thing& thing) { return offer(thing, cache->seek(kGeneration, thing.key)); }
  Offered offer(const Thing& thing, const Cache::Sought& sought) {
    return cache->offer(
        sought, {.client_hash = thing.client, .value = thing.value, .expires_s = thing.expires_s},
        kNow, [&](Payload& payload, Bytes) { payload = thing.payload; });
  }
  Cache::Hit find(const Thing& thing, std::int64_t now_s = kNow) {
    return cache->find(cache->seek(kGeneration, thing.key), now_s);
  }
  static bool shows(const Cache::Hit& hit, const Thing& thing) {
    return is_equal(hit.key(), thing.key) && is_equal(hit.value(), thing.value) &&
           hit.payload().octets == thing.payload.octets;
  }
  // look finds a thing and looks at all of it, twice; says whether it was there.
  bool look(const Thing& thing) {
    const Cache::Hit hit = find(thing);
    if (hit) {
      EXPECT_TRUE(shows(hit, thing)) << "found unfinished, or another";
      Interleaver::step();
      EXPECT_TRUE(shows(hit, thing)) << "changed under a pin";
    }
    return bool(hit);
  }
  Bytes rooms() { return memory.bytes().subspan(std::size_t{kSeenWays} * 112); }
  // all_come_back wipes everything: no pin is left behind, and none is missing.
  void all_come_back(std::uint32_t entries) {
    ASSERT_EQ(cache->wipe_all(), entries);
    ASSERT_TRUE(is_zero(rooms())) << "somebody's pin was left behind";
  }
  void explored(int schedules, int at_least) {
    EXPECT_TRUE(HasFailure() || schedules >= at_least) << schedules << ": has become trivial";
    RecordProperty("schedules", schedules);
  }

  testing::SeenMemory memory{Cache::memory_size(kOptions)};
  std::optional<Cache> cache;
  const Thing one{1};
  const Thing two{2};
};

TEST_F(SeenCacheOrder, ThreeThreadsFindOneEntry) {
  std::array<bool, 3> found{};
  const auto make = [&]() -> Bodies {
    fresh({&one, &two});
    return {[&] { found[0] = look(one); }, [&] { found[1] = look(one); },
            [&] { found[2] = look(two); }};
  };
  const auto check = [&] {
    ASSERT_TRUE(found[0] && found[1] && found[2]);
    all_come_back(2);
  };
  explored(Interleaver::explore(make, check), 500);
}

// A full set, an entry of which is found while another thread wants its way.
TEST_F(SeenCacheOrder, WhatIsFoundIsNotReplacedMeanwhile) {
  std::vector<Thing> others;
  std::vector<const Thing*> present;
  for (std::uint32_t number = 0; number < kSeenWays; ++number) {
    others.emplace_back(10 + number);
  }
  for (const Thing& other : others) {
    present.push_back(&other);
  }
  Offered offered{};
  bool found = false;
  int replaced = 0;
  int declined = 0;
  int missed = 0;
  const auto make = [&]() -> Bodies {
    fresh(present);
    offered_before(one);
    return {[&] { offered = offer(one); }, [&] { found = look(others[0]); }};
  };
  const auto check = [&] {
    ASSERT_TRUE(offered == kReplaced || offered == kNoRoom);
    replaced += offered == kReplaced ? 1 : 0;
    declined += offered == kNoRoom ? 1 : 0;
    missed += found ? 0 : 1;
    ASSERT_EQ(look(one), offered == kReplaced);
    all_come_back(kSeenWays);
  };
  explored(Interleaver::explore(make, check), 200);
  EXPECT_TRUE(HasFailure() || (replaced > 0 && declined > 0 && missed > 0)) << "all is reached";
}

// The hand clears the bit of an entry at the moment when it is pinned, unpinned, found again.
TEST_F(SeenCacheOrder, TheHandTakesNoPinAway) {
  std::vector<Thing> others;
  std::vector<const Thing*> present;
  for (std::uint32_t number = 0; number < kSeenWays; ++number) {
    others.emplace_back(10 + number);
  }
  for (const Thing& other : others) {
    present.push_back(&other);
  }
  const auto make = [&]() -> Bodies {
    fresh(present);
    offered_before(one);
    offered_before(two);
    EXPECT_TRUE(find(others[0]));
    return {[&] { (void)offer(one); }, [&] { EXPECT_TRUE(look(others[0])); },
            [&] { EXPECT_TRUE(look(others[0])); }};
  };
  explored(Interleaver::explore(make, [&] { all_come_back(kSeenWays); }), 1'000);
}

TEST_F(SeenCacheOrder, OneKeyIsAdmittedOnce) {
  std::array<Offered, 2> offered{};
  bool found = false;
  int late = 0;
  const auto make = [&]() -> Bodies {
    fresh({});
    offered_before(one);
    return {[&] { offered[0] = offer(one); }, [&] { offered[1] = offer(one); },
            [&] { found = look(one); }};
  };
  const auto check = [&] {
    ASSERT_EQ(std::ranges::count(offered, kAdmitted), 1);
    ASSERT_EQ(std::ranges::count(offered, kPresent) + std::ranges::count(offered, kBusy), 1);
    late += std::ranges::count(offered, kPresent) == 1 ? 1 : 0;
    ASSERT_TRUE(look(one));
    all_come_back(1);
  };
  explored(Interleaver::explore(make, check), 1'000);
  EXPECT_TRUE(HasFailure() || late > 0);
}

// Two threads offer for one client that has a way already: it never gets a third.
TEST_F(SeenCacheOrder, TwoOffersOfOneClientDoNotExceedItsShare) {
  const Thing first(1, 99);
  const Thing second(2, 99);
  const Thing third(3, 99);
  std::array<Offered, 2> offered{};
  const auto make = [&]() -> Bodies {
    fresh({&first});
    offered_before(second);
    offered_before(third);
    return {[&] { offered[0] = offer(second); }, [&] { offered[1] = offer(third); }};
  };
  const auto check = [&] {
    for (const Offered one_offered : offered) {
      ASSERT_TRUE(one_offered == kAdmitted || one_offered == kReplaced || one_offered == kBusy);
    }
    ASSERT_EQ(look(second), offered[0] != kBusy);
    ASSERT_EQ(look(third), offered[1] != kBusy);
    ASSERT_EQ(look(first), offered[0] == kBusy || offered[1] == kBusy);
    all_come_back(kSeenWaysPerClient);
    ASSERT_EQ(offer(first), kAdmitted) << "the set admits again";
  };
  explored(Interleaver::explore(make, check), 500);
}

// Who looks for an entry while it is made sees all of it, or nothing.
TEST_F(SeenCacheOrder, AnEntryIsFoundFinished) {
  const Thing older(5, one.client);
  const Thing old(6, one.client);
  Offered offered{};
  std::array<bool, 2> found{};
  int early = 0;
  const auto make = [&]() -> Bodies {
    fresh({&older, &old});
    offered_before(one);
    return {[&] { offered = offer(one); },
            [&] {
              found[0] = look(one);
              found[1] = look(older);
            }};
  };
  const auto check = [&] {
    ASSERT_TRUE(offered == kReplaced || offered == kNoRoom);
    early += found[0] ? 1 : 0;
    ASSERT_FALSE(found[0] && found[1]) << "one is where the other was";
    all_come_back(2);
  };
  explored(Interleaver::explore(make, check), 500);
  EXPECT_TRUE(HasFailure() || early > 0);
}

TEST_F(SeenCacheOrder, AForgottenEntryIsWipedByTheLastWhoHasIt) {
  int missed = 0;
  int wiped = 0;
  const auto make = [&]() -> Bodies {
    fresh({&one});
    const Interleaver::Body reader = [&] { missed += look(one) ? 0 : 1; };
    return {[&] {
              EXPECT_EQ(cache->forget(kGeneration), 1u);
              wiped += is_zero(rooms()) ? 1 : 0;
              EXPECT_FALSE(find(one)) << "forgotten, and found afterwards";
            },
            reader, reader};
  };
  const auto check = [&] {
    ASSERT_TRUE(is_zero(rooms()));
    offered_before(two);
    ASSERT_EQ(offer(two), kAdmitted);
    ASSERT_TRUE(look(two));
    all_come_back(1);
  };
  const int schedules = Interleaver::explore(make, check);
  explored(schedules, 500);
  EXPECT_TRUE(HasFailure() || (missed > 0 && wiped > 0 && wiped < schedules)) << "all is reached";
}

TEST_F(SeenCacheOrder, TwoForgetsAndAReader) {
  std::array<std::uint32_t, 2> forgotten{};
  const auto make = [&]() -> Bodies {
    fresh({&one});
    return {[&] { forgotten[0] = cache->forget(kGeneration); },
            [&] { forgotten[1] = cache->wipe_expired(kLater); }, [&] { (void)look(one); }};
  };
  const auto check = [&] {
    ASSERT_EQ(forgotten[0] + forgotten[1], 1u);
    ASSERT_TRUE(is_zero(rooms()));
    all_come_back(0);
  };
  explored(Interleaver::explore(make, check), 500);
}

// What was sought before a forget began leaves nothing behind, wherever its offer is by then.
TEST_F(SeenCacheOrder, AnOfferThatAForgetOvertakesLeavesNothing) {
  Offered offered{};
  std::optional<Cache::Sought> sought;
  int in_time = 0;
  const auto make = [&]() -> Bodies {
    fresh({});
    offered_before(one);
    sought = cache->seek(kGeneration, one.key);
    return {[&] { offered = offer(one, *sought); }, [&] { cache->forget(kGeneration); }};
  };
  const auto check = [&] {
    ASSERT_TRUE(offered == kAdmitted || offered == kForgotten);
    in_time += offered == kAdmitted ? 1 : 0;
    ASSERT_TRUE(is_zero(rooms())) << "an entry of a generation that is gone";
    ASSERT_EQ(offer(two), kFirstTime);
    ASSERT_EQ(offer(two), kAdmitted);
    all_come_back(1);
  };
  explored(Interleaver::explore(make, check), 100);
  EXPECT_TRUE(HasFailure() || in_time > 0);
}

TEST_F(SeenCacheOrder, AnOfferThatAForgetOvertakesWhileItIsFound) {
  std::optional<Cache::Sought> sought;
  const auto make = [&]() -> Bodies {
    fresh({});
    offered_before(one);
    sought = cache->seek(kGeneration, one.key);
    return {[&] { (void)offer(one, *sought); }, [&] { cache->forget(kGeneration); },
            [&] { (void)look(one); }};
  };
  explored(Interleaver::explore(make, [&] { ASSERT_TRUE(is_zero(rooms())); }), 1'000);
}

// The way of an entry that is wiped by its last reader is taken anew at that moment.
TEST_F(SeenCacheOrder, AWayIsTakenAnewOnlyWhenItIsWiped) {
  std::vector<Thing> others;
  std::vector<const Thing*> present;
  for (std::uint32_t number = 0; number < kSeenWays; ++number) {
    others.emplace_back(10 + number);
  }
  for (const Thing& other : others) {
    present.push_back(&other);
  }
  Offered offered{};
  int admitted = 0;
  std::optional<Cache::Hit> last;
  std::vector<Cache::Hit> pins;
  const auto make = [&]() -> Bodies {
    last.reset();
    fresh(present);
    offered_before(one);
    last = find(others[3]);
    EXPECT_EQ(cache->forget(kGeneration), kSeenWays);
    for (const Thing& other : others) {
      if (&other != &others[3]) {
        EXPECT_EQ(offer(other), kAdmitted);
        pins.push_back(find(other));
      }
    }
    return {[&] { last->reset(); }, [&] { offered = offer(one); }};
  };
  const auto check = [&] {
    pins.clear();
    ASSERT_TRUE(offered == kAdmitted || offered == kNoRoom);
    admitted += offered == kAdmitted ? 1 : 0;
    ASSERT_EQ(look(one), offered == kAdmitted);
    all_come_back(kSeenWays - (offered == kAdmitted ? 0u : 1u));
  };
  const int schedules = Interleaver::explore(make, check);
  explored(schedules, 50);
  EXPECT_TRUE(HasFailure() || (admitted > 0 && admitted < schedules)) << "both ends are reached";
}

// Two find that an entry has ended; it is wiped once, when both have left.
TEST_F(SeenCacheOrder, AnEndedEntryIsWipedOnce) {
  const auto make = [&]() -> Bodies {
    fresh({&one});
    const Interleaver::Body late = [&] { EXPECT_FALSE(find(one, kLater)); };
    return {late, late, [&] { (void)look(one); }};
  };
  const auto check = [&] {
    ASSERT_TRUE(is_zero(rooms()));
    all_come_back(0);
  };
  explored(Interleaver::explore(make, check), 500);
}

}  // namespace
}  // namespace usher
