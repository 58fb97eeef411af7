// engine/slots/seen_hash.h and seen_filter.h: what the hash looks at changes it; what the filter
// was told, it knows for a while, each group of clients for itself.
#include "engine/slots/seen_hash.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <vector>

#include "engine/slots/seen_filter.h"
#include "tests/slots/seen_things.h"

namespace usher {
namespace {

using testing::kNow;
using testing::Octets;
using testing::octets;
using Filter = BasicSeenFilter<std::atomic>;

class SeenHashTest : public ::testing::Test {
 protected:
  SeenHash hash{testing::seen_hash_key()};
};

TEST_F(SeenHashTest, EveryByteOfAShortStringCounts) {
  for (const std::size_t size : {1u, 7u, 8u, 9u, 64u, 127u, 128u}) {
    Octets string = octets(1, size, 'x');
    const std::uint64_t before = hash.of(string, 5);
    for (std::uint8_t& octet : string) {
      octet ^= 0x80;
      EXPECT_NE(hash.of(string, 5), before) << size;
      octet ^= 0x80;
    }
    EXPECT_EQ(hash.of(string, 5), before);
  }
}

TEST_F(SeenHashTest, OfALongStringTheEndAndWordsInBetweenCount) {
  for (const std::size_t size : {129u, 700u, 4'500u, 65'536u}) {
    Octets string = octets(1, size, 'x');
    const std::uint64_t before = hash.of(string, 5);
    std::size_t count = 0;
    std::size_t last = 0;  // That counted.
    for (std::size_t i = 0; i < size; ++i) {
      string[i] ^= 1;
      const bool differs = hash.of(string, 5) != before;
      count += differs ? 1u : 0u;
      last = differs ? i : last;
      EXPECT_LE(i - last, size / 8) << "a long part in which nothing counts";
      EXPECT_TRUE(differs || (i >= 8 && i < size - 64)) << i << " of " << size;
      string[i] ^= 1;
    }
    EXPECT_EQ(count, 128u) << size;
  }
}

TEST_F(SeenHashTest, OfAnEndTheLastOctetsCount) {
  for (const std::size_t size : {1u, 15u, 16u, 17u, 700u}) {
    Octets string = octets(1, size, 'x');
    const std::uint64_t before = hash.of_end(string, 5);
    EXPECT_NE(hash.of_end(string, 6), before) << size;
    EXPECT_NE(hash.of_end(octets(1, size + 1, 'x'), 5), before) << size;
    for (std::size_t i = 0; i < size; ++i) {
      string[i] ^= 1;
      EXPECT_EQ(hash.of_end(string, 5) != before, i + SeenHash::kEnd >= size)
          << i << " of " << size;
      string[i] ^= 1;
    }
  }
}

TEST_F(SeenHashTest, SizeNumberAndKeyCount) {
  const Octets zeros(64, 0);
  std::set<std::uint64_t> hashes;
  for (std::size_t size = 0; size <= zeros.size(); ++size) {
    hashes.insert(hash.of(Bytes(zeros).first(size), 0));
    hashes.insert(hash.of(Bytes(zeros).first(size), 1));
  }
  EXPECT_EQ(hashes.size(), 2 * (zeros.size() + 1));
  for (std::size_t i = 0; i < SeenHashKey{}.size(); ++i) {
    SeenHashKey key = testing::seen_hash_key();
    key[i] ^= 0x8000'0001'8000'0001;
    const SeenHash other(key);
    EXPECT_TRUE(other.of(octets(1, 65, 1), 3) != hash.of(octets(1, 65, 1), 3) ||
                other.of(octets(1, 701, 1), 3) != hash.of(octets(1, 701, 1), 3))
        << "word " << i << " of the key is never used";
  }
}

// Neighbours in everything spread over 256 places about as random ones do: a chi-square with 255
// degrees of freedom is below 400 but once in ten million times.
TEST_F(SeenHashTest, NeighboursSpread) {
  const auto spread = [](const auto& of) {
    std::vector<double> places(256);
    for (std::uint32_t number = 0; number < 25'600; ++number) {
      places[of(number) & 255] += 1;
    }
    double sum = 0;
    for (const double place : places) {
      sum += (place - 100) * (place - 100) / 100;
    }
    return sum;
  };
  EXPECT_LT(spread([&](std::uint32_t n) { return hash.of(octets(n, 700, 'x'), 1); }), 400);
  EXPECT_LT(spread([&](std::uint32_t n) { return hash.of(octets(n, 4, 'x'), 1) >> 24; }), 400);
}

class SeenFilterTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t hash_of(std::uint64_t tag) { return tag << 24; }

  std::vector<Filter::Group> groups = std::vector<Filter::Group>(4);
  Filter filter{groups, 60};
};

TEST_F(SeenFilterTest, KnowsWhatItWasToldForAWhile) {
  EXPECT_FALSE(filter.is_again(hash_of(1), 0, kNow));
  EXPECT_TRUE(filter.is_again(hash_of(1), 0, kNow));
  EXPECT_TRUE(filter.is_again(hash_of(1), 0, kNow + 60));
  EXPECT_FALSE(filter.is_again(hash_of(1), 0, kNow + 61)) << "too late, and told anew";
  EXPECT_TRUE(filter.is_again(hash_of(1), 0, kNow + 121));
  EXPECT_FALSE(filter.is_again(hash_of(2), 0, kNow));
}

TEST_F(SeenFilterTest, RemembersTheLastEightOfAGroup) {
  for (std::uint64_t tag = 1; tag <= 9; ++tag) {
    EXPECT_FALSE(filter.is_again(hash_of(tag), 1, kNow + std::int64_t(tag)));
  }
  for (std::uint64_t tag = 2; tag <= 9; ++tag) {
    EXPECT_TRUE(filter.is_again(hash_of(tag), 1, kNow + 10)) << tag;
  }
  EXPECT_FALSE(filter.is_again(hash_of(1), 1, kNow + 10)) << "the oldest had to go";
  EXPECT_FALSE(filter.is_again(hash_of(2), 1, kNow + 10)) << "and now the next";
}

TEST_F(SeenFilterTest, GroupsDoNotShare) {
  EXPECT_FALSE(filter.is_again(hash_of(1), 1, kNow));
  for (std::uint64_t tag = 2; tag < 100; ++tag) {
    EXPECT_FALSE(filter.is_again(hash_of(tag), 2, kNow));
  }
  EXPECT_TRUE(filter.is_again(hash_of(1), 1, kNow));
  EXPECT_FALSE(filter.is_again(hash_of(1), 3, kNow)) << "another client's";
  EXPECT_TRUE(filter.is_again(hash_of(1), 5, kNow)) << "another client's, in the same group";
}

// Seconds are kept in 24 bits; here they wrap.
TEST_F(SeenFilterTest, SecondsWrap) {
  constexpr std::int64_t kWrap = std::int64_t{1} << 30;
  EXPECT_FALSE(filter.is_again(hash_of(1), 0, kWrap - 30));
  EXPECT_TRUE(filter.is_again(hash_of(1), 0, kWrap + 30));
  EXPECT_FALSE(filter.is_again(hash_of(1), 0, kWrap + 31));
}

TEST_F(SeenFilterTest, AClockThatIsSetBackOnlyForgets) {
  EXPECT_FALSE(filter.is_again(hash_of(1), 0, kNow));
  EXPECT_FALSE(filter.is_again(hash_of(1), 0, kNow - 1));
  EXPECT_TRUE(filter.is_again(hash_of(1), 0, kNow - 1));
}

}  // namespace
}  // namespace usher
