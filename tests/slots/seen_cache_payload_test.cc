// engine/slots/seen_cache.h: a payload lives as long as its entry, and gives back what it holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "engine/slots/seen_cache.h"
#include "tests/slots/seen_things.h"

namespace usher {
namespace {

using testing::kLater;
using testing::kNow;
using testing::Octets;
using testing::octets;

constexpr std::uint64_t kGeneration = 7;
constexpr SeenCacheOptions kOneSet{
    .entry_count = kSeenWays, .key_size_max = 1000, .value_size_max = 900, .again_within_s = 60};

// HoldingPayload holds one of something as long as it lives.
struct HoldingPayload {
  HoldingPayload() noexcept = default;
  HoldingPayload(const HoldingPayload&) = delete;
  HoldingPayload& operator=(const HoldingPayload&) = delete;
  ~HoldingPayload() {
    if (held != nullptr) {
      --*held;
    }
  }
  int* held = nullptr;
  Bytes value;  // A view.
};
using Cache = SeenCache<HoldingPayload>;

class SeenCachePayload : public ::testing::Test {
 protected:
  static Octets key(std::uint32_t number) { return octets(number, 700, 'K'); }
  Offered offer(std::uint32_t number) {
    const Octets its_key = key(number);
    const Octets value = octets(number, 600, 'V');
    return cache->offer(cache->seek(kGeneration, its_key),
                        {.client_hash = number, .value = value, .expires_s = kLater}, kNow,
                        [&](HoldingPayload& payload, Bytes copied) {
                          payload.held = &held;
                          payload.value = copied;
                          ++held;
                        });
  }
  Offered offer_twice(std::uint32_t number) {
    EXPECT_EQ(offer(number), Offered::kFirstTime);
    return offer(number);
  }

  testing::SeenMemory memory{Cache::memory_size(kOneSet)};
  std::optional<Cache> cache{std::in_place, memory.bytes(), kOneSet, testing::seen_hash_key()};
  int held = 0;
};

TEST_F(SeenCachePayload, EndsWhereAnotherTakesItsPlace) {
  for (std::uint32_t number = 0; number < 2 * kSeenWays; ++number) {
    EXPECT_EQ(offer_twice(number), number < kSeenWays ? Offered::kAdmitted : Offered::kReplaced);
    EXPECT_EQ(held, int(std::min(number + 1, kSeenWays))) << "one for each entry";
  }
}

TEST_F(SeenCachePayload, OfAPinnedEntryEndsWithTheLastPin) {
  ASSERT_EQ(offer_twice(1), Offered::kAdmitted);
  ASSERT_EQ(offer_twice(2), Offered::kAdmitted);
  Cache::Hit hit = cache->find(cache->seek(kGeneration, key(1)), kNow);
  ASSERT_TRUE(hit);
  EXPECT_EQ(cache->forget(kGeneration), 2u);
  EXPECT_EQ(held, 1);
  hit.reset();
  EXPECT_EQ(held, 0);
}

TEST_F(SeenCachePayload, MayPointIntoTheValueAsItWasCopied) {
  ASSERT_EQ(offer_twice(1), Offered::kAdmitted);
  const Cache::Hit hit = cache->find(cache->seek(kGeneration, key(1)), kNow);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit.payload().value.data(), hit.value().data());
  EXPECT_TRUE(testing::is_equal(hit.payload().value, octets(1, 600, 'V')));
}

TEST_F(SeenCachePayload, EndsWithTheCache) {
  ASSERT_EQ(offer_twice(1), Offered::kAdmitted);
  EXPECT_EQ(held, 1);
  cache.reset();
  EXPECT_EQ(held, 0);
}

}  // namespace
}  // namespace usher
