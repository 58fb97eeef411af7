// engine/slots/seen_cache.h with real threads, and its own memory: nobody sees bytes of another
// entry, nothing is left behind, and pages that were never used are never touched.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "engine/slots/seen_cache.h"
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

// Four threads, two sets, forty keys of twenty clients, and a generation that ends now and then:
// whatever is found belongs together and stays as it is while it is pinned.
class SeenCacheThreads : public ::testing::Test {
 protected:
  static constexpr SeenCacheOptions kOptions = {
      .entry_count = 16, .key_size_max = 300, .value_size_max = 300, .again_within_s = 60};
  static constexpr std::uint32_t kThreads = 4;
  static constexpr std::uint32_t kRounds = 5'000;
  static constexpr std::uint32_t kKeys = 40;

  void SetUp() override {
    for (std::uint32_t number = 0; number < kKeys; ++number) {
      keys.push_back(octets(number, 100 + 5 * number, 'K'));
      values.push_back(octets(number, 300 - 7 * number, 'V'));
    }
    cache.emplace(memory.bytes(), kOptions, testing::seen_hash_key());
  }

  void expect(bool held) { wrong += held ? 0u : 1u; }

  void offer(const Cache::Sought& sought, std::uint32_t number, SeenCounter& counter) {
    const Cache::News news = {
        .client_hash = number / 2, .value = values[number], .expires_s = kLater};
    counter.count_offer(cache->offer(sought, news, kNow, [number](Payload& payload, Bytes) {
      payload.octets.fill(static_cast<std::uint8_t>(number));
    }));
  }

  void work(std::uint32_t seed, SeenCounter& counter) {
    std::uint32_t next = seed;
    Cache::Hit kept;
    std::uint32_t kept_number = 0;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      next = next * 1'664'525 + 1'013'904'223;
      // A few keys are common, as tickets are.
      const std::uint32_t number = (next >> 16) % ((next & 0x100) != 0 ? 6 : kKeys);
      const Cache::Sought sought = cache->seek(generation.load(), keys[number]);
      Cache::Hit hit = cache->find(sought, kNow);
      counter.count_find(bool(hit));
      if (!hit) {
        offer(sought, number, counter);
      } else {
        expect(is_equal(hit.key(), keys[number]) && is_equal(hit.value(), values[number]));
        expect(hit.payload().octets.front() == number && hit.payload().octets.back() == number);
        if (round % 3 == 0) {
          expect(!kept || is_equal(kept.value(), values[kept_number]));
          kept = std::move(hit);
          kept_number = number;
        }
      }
      if (round % 500 == 499) {
        cache->forget(generation.fetch_add(1));
      }
    }
  }

  testing::SeenMemory memory{Cache::memory_size(kOptions)};
  std::optional<Cache> cache;
  std::vector<Octets> keys;
  std::vector<Octets> values;
  std::atomic<std::uint64_t> generation{1};
  std::atomic<std::uint32_t> wrong{0};
};

TEST_F(SeenCacheThreads, WhatIsFoundBelongsTogether) {
  std::array<SeenCounter, kThreads> counters;
  std::vector<std::thread> threads;
  for (std::uint32_t index = 0; index < kThreads; ++index) {
    threads.emplace_back([&, index] { work(index + 1, counters[index]); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  cache.reset();
  EXPECT_TRUE(is_zero(memory.bytes().subspan(std::size_t{kOptions.entry_count} * 112)));
  EXPECT_EQ(wrong, 0u);
  SeenCounts sum;
  for (const SeenCounter& counter : counters) {
    sum += counter.counts();
  }
  EXPECT_EQ(sum.hits + sum.misses, kThreads * kRounds);
  EXPECT_EQ(sum.admitted + sum.declined, sum.misses);
  EXPECT_GT(sum.hits, 0u);
  EXPECT_GT(sum.evicted, 0u);
}

class OwnedSeenCacheTest : public ::testing::Test {
 protected:
  static constexpr SeenCacheOptions kLarge = {
      .entry_count = 4096, .key_size_max = 8192, .value_size_max = 8192};

  static Offered offer(Cache& cache, std::uint32_t number, const Octets& key) {
    const Octets value = octets(number, 700, 'V');
    const Cache::News news = {.client_hash = number, .value = value, .expires_s = kLater};
    const auto no_payload = [](Payload&, Bytes) {};
    (void)cache.offer(cache.seek(1, key), news, kNow, no_payload);
    return cache.offer(cache.seek(1, key), news, kNow, no_payload);
  }
  // vm_flags is what /proc/self/smaps says of the mapping that holds `address`.
  static std::string vm_flags(const void* address) {
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::ifstream smaps("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(smaps, line);) {
      std::uintptr_t begin = 0;
      std::uintptr_t end = 0;
      char dash = 0;
      std::istringstream words(line);
      if (words >> std::hex >> begin >> dash >> end && dash == '-') {
        inside = begin <= wanted && wanted < end;
      } else if (inside && line.starts_with("VmFlags:")) {
        return line + " ";
      }
    }
    return "";
  }
};

TEST_F(OwnedSeenCacheTest, ItsMemoryStaysOutOfDumpsAndSurvivesAFork) {
  const auto cache = OwnedSeenCache<Payload>::make(kLarge, testing::seen_hash_key());
  ASSERT_TRUE(cache);
  const Octets key = octets(1, 700, 'K');
  ASSERT_EQ(offer(**cache, 1, key), Offered::kAdmitted);
  const Cache::Hit hit = (*cache)->find((*cache)->seek(1, key), kNow);
  ASSERT_TRUE(hit);
  const std::string flags = vm_flags(hit.value().data());
  ASSERT_NE(flags, "");
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags << "do not dump";
  EXPECT_EQ(flags.find(" wf "), std::string::npos) << flags << "wipe on fork";
}

TEST_F(OwnedSeenCacheTest, RoomThatWasNeverUsedIsNeverTouched) {
  const Pages pages = Pages::map_for_secrets(Cache::memory_size(kLarge));
  ASSERT_FALSE(pages.empty());
  const auto page_size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  Cache cache(pages.bytes(), kLarge, testing::seen_hash_key());
  const auto touched = [&] {
    std::vector<unsigned char> resident((pages.bytes().size() + page_size - 1) / page_size);
    EXPECT_EQ(::mincore(pages.bytes().data(), pages.bytes().size(), resident.data()), 0);
    return std::ranges::count_if(resident, [](unsigned char page) { return (page & 1) != 0; });
  };
  const auto before = touched();
  EXPECT_LE(static_cast<std::size_t>(before), kLarge.entry_count * 112 / page_size + 2);
  for (std::uint32_t number = 0; number < 100; ++number) {
    ASSERT_EQ(offer(cache, number, octets(number, 700, 'K')), Offered::kAdmitted);
  }
  EXPECT_GT(touched(), before);
  EXPECT_LE(touched(), before + 200) << "two pages for 1,700 bytes";
  EXPECT_EQ(cache.wipe_all(), 100u);
  EXPECT_LE(touched(), before + 200) << "nor is it by wiping";
}

TEST_F(OwnedSeenCacheTest, RefusesOptionsThatCannotBe) {
  const auto makes = [](const SeenCacheOptions& options) {
    return OwnedSeenCache<Payload>::make(options, testing::seen_hash_key()) != nullptr;
  };
  EXPECT_TRUE(makes({.entry_count = 1}));
  EXPECT_FALSE(makes({.entry_count = 0}));
  EXPECT_FALSE(makes({.entry_count = kSeenEntryCountMax + 1}));
  EXPECT_TRUE(makes({.entry_count = 1, .key_size_max = kSeenSizeMax}));
  EXPECT_FALSE(makes({.entry_count = 1, .key_size_max = kSeenSizeMax + 1}));
  EXPECT_TRUE(makes({.entry_count = 1, .value_size_max = kSeenSizeMax}));
  EXPECT_FALSE(makes({.entry_count = 1, .value_size_max = kSeenSizeMax + 1}));
  EXPECT_TRUE(makes({.entry_count = 1, .again_within_s = 1 << 23}));
  EXPECT_FALSE(makes({.entry_count = 1, .again_within_s = (1 << 23) + 1}));
  EXPECT_FALSE(makes({.entry_count = 1, .again_within_s = -1}));
}

TEST_F(OwnedSeenCacheTest, CountsAreRoundedUp) {
  const auto size = [](std::uint32_t count) {
    return Cache::memory_size({.entry_count = count, .key_size_max = 100, .value_size_max = 1});
  };
  // 200 bytes of payload, 100 and 1: seven lines, an odd number.
  EXPECT_EQ(size(1), 8 * (112 + 7 * 64));
  EXPECT_EQ(size(8), size(1));
  EXPECT_EQ(size(9), 2 * size(1));
  EXPECT_EQ(Cache::memory_size({.entry_count = 8, .key_size_max = 100, .value_size_max = 65}),
            8 * (112 + 9u * 64));
}

}  // namespace
}  // namespace usher
