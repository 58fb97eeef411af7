// engine/secret.h: key material is gone from memory when its owner is done with it.
#include "engine/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <type_traits>
#include <vector>

namespace usher {
namespace {

using Key = Secret<32>;
static_assert(!std::is_copy_constructible_v<Key> && !std::is_copy_assignable_v<Key>);
static_assert(!std::is_move_constructible_v<Key> && !std::is_move_assignable_v<Key>);

constexpr std::array<std::uint8_t, 16> kKey = {0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x17, 0x28,
                                               0x39, 0x4a, 0x5b, 0x6c, 0x7d, 0x8e, 0x9f, 0x10};

// SecretTest builds a Secret in memory the test owns, so that it may look at what is left there.
class SecretTest : public ::testing::Test {
 protected:
  void SetUp() override { key = std::construct_at(reinterpret_cast<Key*>(memory.data())); }
  // holds says whether four bytes of the key in a row are anywhere in the memory.
  [[nodiscard]] bool holds_part_of_the_key() const {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // Look at the memory, not at guesses.
    for (std::size_t i = 0; i + 4 <= kKey.size(); ++i) {
      const auto part = std::span(kKey).subspan(i, 4);
      if (std::search(memory.begin(), memory.end(), part.begin(), part.end()) != memory.end()) {
        return true;
      }
    }
    return false;
  }

  alignas(Key) std::array<std::uint8_t, sizeof(Key)> memory{};
  Key* key = nullptr;
};

TEST_F(SecretTest, IsWipedByItsDestructor) {
  key->assign(kKey);
  ASSERT_TRUE(holds_part_of_the_key()) << "this test looks in the wrong place";
  std::destroy_at(key);
  EXPECT_FALSE(holds_part_of_the_key());
}

TEST_F(SecretTest, IsWipedByClear) {
  key->assign(kKey);
  ASSERT_TRUE(holds_part_of_the_key());
  key->clear();
  EXPECT_FALSE(holds_part_of_the_key());
  EXPECT_TRUE(key->empty());
  EXPECT_TRUE(key->bytes().empty());
  std::destroy_at(key);
}

TEST_F(SecretTest, IsWipedByAShorterAssignment) {
  key->assign(kKey);
  ASSERT_TRUE(holds_part_of_the_key());
  const std::array<std::uint8_t, 2> shorter{1, 2};
  key->assign(shorter);
  EXPECT_FALSE(holds_part_of_the_key()) << "the old key's tail";
  EXPECT_TRUE(std::ranges::equal(key->bytes(), shorter));
  std::destroy_at(key);
}

TEST_F(SecretTest, ResetYieldsZeroBytesToFill) {
  key->assign(kKey);
  ASSERT_TRUE(holds_part_of_the_key());
  const MutableBytes bytes = key->reset(32);
  EXPECT_EQ(bytes.size(), 32u);
  EXPECT_EQ(std::ranges::count(bytes, 0), 32);
  EXPECT_FALSE(holds_part_of_the_key());
  std::ranges::copy(kKey, bytes.begin());
  EXPECT_TRUE(std::ranges::equal(key->bytes().first(16), kKey));
  EXPECT_FALSE(key->empty());
  std::destroy_at(key);
}

TEST(Wipe, ZeroesTheBytesItIsGivenAndNoOthers) {
  std::array<std::uint8_t, 4> bytes{1, 2, 3, 4};
  wipe(std::span(bytes).subspan(1, 2));
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 4>{1, 0, 0, 4}));
  wipe({});
}

TEST(EqualSecret, ComparesSizesAndEveryByte) {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::vector<std::uint8_t> one(size, 0x5a);
    std::vector<std::uint8_t> other = one;
    EXPECT_TRUE(equal_secret(one, other)) << size;
    for (std::size_t i = 0; i < size; ++i) {
      for (const unsigned bit : {0x01u, 0x80u}) {
        other[i] = static_cast<std::uint8_t>(other[i] ^ bit);
        EXPECT_FALSE(equal_secret(one, other)) << "byte " << i << " of " << size;
        other[i] = one[i];
      }
    }
  }
  EXPECT_FALSE(equal_secret(kKey, std::span(kKey).first(15)));
  EXPECT_FALSE(equal_secret(std::span(kKey).first(15), kKey));
  EXPECT_FALSE(equal_secret({}, kKey));
}

}  // namespace
}  // namespace usher
