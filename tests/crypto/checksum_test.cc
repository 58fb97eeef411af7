// engine/crypto/checksum.h: checksums are those of the published vectors, each etype makes one
// type, and nothing else is accepted.
#include "engine/crypto/checksum.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/crypto/recorded.h"
#include "tests/hex.h"

namespace usher::crypto {
namespace {

using testing::Exact;
using testing::hex;
using testing::Octets;

Octets octets(std::string_view text) { return {text.begin(), text.end()}; }

// RFC 8009 Appendix A prints the checksums of 19 and 20 under usage 2; the others are from MIT
// krb5's own test suite.
struct Published {
  std::int32_t etype;
  std::uint32_t usage;
  const char* key;
  Octets text;
  std::int32_t type;
  const char* checksum;
};
std::vector<Published> published() {
  const Octets counting = hex("000102030405060708090a0b0c0d0e0f1011121314");
  return {
      {17, 3, "9062430c8cda3388922e6d6a509f5b7a", octets("eight nine ten eleven twelve thirteen"),
       15, "01a4b088d45628f6946614e3"},
      {18, 4, "b1ae4cd8462aff1677053cc9279aac30b796fb81ce21474dd3ddbcfea4ec76d7",
       octets("fourteen"), 16, "e08739e3279e2903ec8e3836"},
      {19, 2, "3705d96080c17728a0e800eab6e0d23c", counting, 19, "d78367186643d67b411cba9139fc1dee"},
      {20, 2, "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52", counting, 20,
       "45ee791567eefca37f4ac1e0222de80d43c3bfa06699672a"},
      {23, 6, "f7d3a155af5e238a0b7a871a96ba2ab2", octets("seventeen eighteen nineteen twenty"),
       -138, "eb38cc97e2230f59da4117dc5859d7ec"},
  };
}

class Checksum : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }

  void make(const Published& c, ChecksumKey& key) {
    ASSERT_TRUE(make_checksum_key(*kit_, *profile_of(c.etype), hex(c.key), KeyUsage(c.usage), key));
  }
  bool accepted(const ChecksumKey& key, std::int32_t type, Bytes text, Bytes checksum) {
    return check_checksum(*kit_, key, type, std::span(&text, 1), checksum);
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
};

TEST_F(Checksum, IsAsPublishedInOnePartOrMany) {
  for (const Published& c : published()) {
    ChecksumKey key;
    make(c, key);
    const Octets expected = hex(c.checksum);
    const Bytes text = c.text;
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      const Bytes parts[] = {text.first(cut), {}, text.subspan(cut)};
      Octets checksum(expected.size());
      ASSERT_TRUE(write_checksum(*kit_, key, parts, checksum));
      EXPECT_EQ(checksum, expected) << c.etype << " cut at " << cut;
      EXPECT_TRUE(check_checksum(*kit_, key, c.type, parts, checksum));
    }
    std::array<Bytes, kChecksumPartsMax> most{};
    most.back() = text;
    EXPECT_TRUE(check_checksum(*kit_, key, c.type, most, expected)) << c.etype;
    EXPECT_LE(expected.size(), kChecksumSizeMax);
  }
}

// Attack C2: types that need no key, that another etype's key makes, or that only look alike.
TEST_F(Checksum, OfAnyOtherTypeIsRefused) {
  for (const Published& c : published()) {
    ChecksumKey key;
    make(c, key);
    const Octets right = hex(c.checksum);
    EXPECT_TRUE(accepted(key, c.type, c.text, right));
    for (std::int32_t type = -256; type <= 0x10000; ++type) {
      if (type != c.type) {
        ASSERT_FALSE(accepted(key, type, c.text, right)) << c.etype << " as " << type;
      }
    }
    // Under its right type, what an unkeyed digest would be.
    Octets md5(16);
    const Bytes parts[] = {c.text};
    ASSERT_TRUE(kit_->md5(parts, md5));
    md5.resize(right.size());
    EXPECT_FALSE(accepted(key, c.type, c.text, md5)) << c.etype;
    EXPECT_FALSE(accepted(key, c.type, c.text, Octets(right.size()))) << c.etype;
  }
}

TEST_F(Checksum, OfAnotherKeyUsageOrTextIsRefused) {
  for (const Published& c : published()) {
    const Octets right = hex(c.checksum);
    ChecksumKey key;
    make({.etype = c.etype, .usage = c.usage + 1, .key = c.key}, key);
    EXPECT_FALSE(accepted(key, c.type, c.text, right)) << c.etype;
    make(c, key);
    EXPECT_FALSE(accepted(key, c.type, {}, right)) << c.etype;
    Octets longer = c.text;
    longer.push_back(0);
    EXPECT_FALSE(accepted(key, c.type, longer, right)) << c.etype;
    Octets other = hex(c.key);
    other[0] ^= 0x80;
    ASSERT_TRUE(make_checksum_key(*kit_, *profile_of(c.etype), other, KeyUsage(c.usage), key));
    EXPECT_FALSE(accepted(key, c.type, c.text, right)) << c.etype;
  }
}

TEST_F(Checksum, WithAnyBitFlippedOrOfAnotherSizeIsRefused) {
  for (const Published& c : published()) {
    ChecksumKey key;
    make(c, key);
    Octets checksum = hex(c.checksum);
    for (std::size_t bit = 0; bit < 8 * checksum.size(); ++bit) {
      checksum[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      EXPECT_FALSE(accepted(key, c.type, c.text, checksum)) << c.etype << " " << bit;
      checksum[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    Octets longer = checksum;
    longer.resize(60);
    for (std::size_t size = 0; size <= longer.size(); ++size) {
      const Exact candidate(Bytes(longer).first(size));
      EXPECT_EQ(accepted(key, c.type, c.text, candidate.bytes()), size == checksum.size()) << size;
    }
  }
}

}  // namespace
}  // namespace usher::crypto
