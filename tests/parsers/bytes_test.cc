// parsers/bytes.h: integers are read and written in the named order, and never past a range's end.
#include "parsers/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace usher {
namespace {

constexpr std::array<std::uint8_t, 9> kOctets = {0x81, 0x02, 0x03, 0x04, 0x05,
                                                 0x06, 0x07, 0x88, 0x99};

TEST(Bytes, LoadsLittleEndian) {
  EXPECT_EQ(load_le<std::uint8_t>(kOctets), 0x81u);
  EXPECT_EQ(load_le<std::uint16_t>(kOctets), 0x0281u);
  EXPECT_EQ(load_le<std::uint32_t>(kOctets), 0x04030281u);
  EXPECT_EQ(load_le<std::uint64_t>(kOctets), 0x8807060504030281u);
}

TEST(Bytes, LoadsBigEndian) {
  EXPECT_EQ(load_be<std::uint8_t>(kOctets), 0x81u);
  EXPECT_EQ(load_be<std::uint16_t>(kOctets), 0x8102u);
  EXPECT_EQ(load_be<std::uint32_t>(kOctets), 0x81020304u);
  EXPECT_EQ(load_be<std::uint64_t>(kOctets), 0x8102030405060788u);
}

// Of every size where it goes another way, to a place of its own and to both sides within itself.
TEST(Bytes, CopiesWhatIsShortAsAnything) {
  std::vector<std::uint8_t> octets(80);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    octets[i] = static_cast<std::uint8_t>(i + 1);
  }
  for (std::size_t size = 0; size <= 40; ++size) {
    std::vector<std::uint8_t> out(size + 1, 0xee);
    copy_short(std::span(octets).first(size), out);
    EXPECT_TRUE(std::equal(out.begin(), out.end() - 1, octets.begin())) << size;
    EXPECT_EQ(out.back(), 0xee) << size;
    for (const std::size_t to : {0u, 7u, 20u, 33u}) {
      std::vector<std::uint8_t> expected = octets;
      copy(std::span(expected).subspan(20, size), std::span(expected).subspan(to));
      std::vector<std::uint8_t> moved = octets;
      copy_short(std::span(moved).subspan(20, size), std::span(moved).subspan(to));
      EXPECT_EQ(moved, expected) << size << ' ' << to;
    }
  }
}

TEST(Bytes, ComparesSizesAndEveryOctet) {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::vector<std::uint8_t> one(size, 0x5a);
    std::vector<std::uint8_t> other = one;
    EXPECT_TRUE(same_octets(one, other)) << size;
    for (std::size_t i = 0; i < size; ++i) {
      other[i] ^= 0x80;
      EXPECT_FALSE(same_octets(one, other)) << i << " of " << size;
      EXPECT_FALSE(same_octets(other, one)) << i << " of " << size;
      other[i] ^= 0x80;
    }
    EXPECT_FALSE(same_octets(one, std::vector<std::uint8_t>(size + 1, 0x5a))) << size;
  }
}

TEST(Bytes, StoresWhatItLoadsAndNothingElse) {
  std::array<std::uint8_t, 5> out{};
  out.fill(0xee);
  store_le(out, std::uint32_t{0x04030281});
  EXPECT_EQ(out, (std::array<std::uint8_t, 5>{0x81, 0x02, 0x03, 0x04, 0xee}));
  store_be(out, std::uint32_t{0x04030281});
  EXPECT_EQ(out, (std::array<std::uint8_t, 5>{0x04, 0x03, 0x02, 0x81, 0xee}));
  store_be(out, std::uint16_t{0xa1b2});
  EXPECT_EQ(out, (std::array<std::uint8_t, 5>{0xa1, 0xb2, 0x02, 0x81, 0xee}));
  store_le(out, std::uint8_t{0x77});
  EXPECT_EQ(out, (std::array<std::uint8_t, 5>{0x77, 0xb2, 0x02, 0x81, 0xee}));

  std::array<std::uint8_t, 8> wide{};
  store_be(wide, std::uint64_t{0x8102030405060788});
  EXPECT_EQ(load_be<std::uint64_t>(wide), 0x8102030405060788u);
  store_le(wide, std::uint64_t{0x8102030405060788});
  EXPECT_EQ(load_le<std::uint64_t>(wide), 0x8102030405060788u);
}

// At every place of texts of every size up to some words, among octets that differ from 0 by a bit.
TEST(Bytes, FindsANulWhereverItIs) {
  EXPECT_FALSE(has_nul({}));
  for (const std::uint8_t other : std::array<std::uint8_t, 4>{0x01, 0x80, 0x81, 0xff}) {
    for (std::size_t size = 1; size <= 80; ++size) {
      std::vector<std::uint8_t> text(size, other);
      EXPECT_FALSE(has_nul(text)) << size;
      for (std::uint8_t& octet : text) {
        octet = 0;
        EXPECT_TRUE(has_nul(text)) << size;
        EXPECT_TRUE(may_have_nul(text)) << size;
        octet = other;
      }
    }
  }
  for (std::size_t size = 4; size <= 64; ++size) {
    EXPECT_FALSE(may_have_nul(std::vector<std::uint8_t>(size, 'a'))) << "it is sure of " << size;
  }
  constexpr std::array<std::uint8_t, 10> kAround = {0, 1, 1, 1, 1, 1, 1, 1, 1, 0};
  for (std::size_t size = 1; size <= 8; ++size) {
    EXPECT_FALSE(has_nul(Bytes(kAround).subspan(1, size))) << "what is beside a text is not in it";
  }
}

TEST(BytesDeathTest, StopsTheProcessRatherThanReadOrWritePastTheEnd) {
  std::array<std::uint8_t, 3> three{};
  EXPECT_DEATH((void)load_le<std::uint32_t>(three), "");
  EXPECT_DEATH((void)load_be<std::uint32_t>(three), "");
  EXPECT_DEATH(store_le(three, std::uint32_t{1}), "");
  EXPECT_DEATH(store_be(three, std::uint32_t{1}), "");
}

}  // namespace
}  // namespace usher
