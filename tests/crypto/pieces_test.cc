// engine/crypto/pieces.h: however a message is cut, its ciphertext and tag are those of one piece.
#include "engine/crypto/pieces.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tests/crypto/recorded.h"

namespace usher::crypto {
namespace {

using testing::Octets;

class Pieces : public ::testing::TestWithParam<std::int32_t> {
 protected:
  void SetUp() override {
    ASSERT_NE(kit_, nullptr);
    ASSERT_TRUE(derive_encryption(*kit_, *profile_, base_, KeyUsage::kAcceptorSeal, ke_));
    ASSERT_TRUE(derive_integrity(*kit_, *profile_, base_, KeyUsage::kAcceptorSeal, ki_));
  }
  SealingKeys keys() const { return {.profile = profile_, .ke = ke_.bytes(), .ki = ki_.bytes()}; }
  // plain is a confounder and `size` bytes.
  Octets plain(std::size_t size) const {
    Octets out(profile_->confounder_size + size);
    std::iota(out.begin(), out.end(), std::uint8_t{3});
    return out;
  }
  // whole is body and tag as sealing.h makes them of one piece.
  Octets whole(const Octets& text) {
    Octets out(text.size() + profile_->tag_size);
    EXPECT_TRUE(seal(*kit_, *profile_, base_, KeyUsage::kAcceptorSeal,
                     Bytes(text).first(profile_->confounder_size),
                     Bytes(text).subspan(profile_->confounder_size), out));
    return out;
  }

  const EtypeProfile* profile_ = profile_of(GetParam());
  const std::unique_ptr<Kit> kit_ = Kit::make();
  const Octets base_ = Octets(profile_->key_size, 0x29);
  Key ke_;
  Key ki_;
};
INSTANTIATE_TEST_SUITE_P(Etype, Pieces, ::testing::Values(17, 18, 19, 20));

// cut makes pieces of `text` of the given sizes; what is left is the last one.
std::vector<Octets> cut(const Octets& text, const std::vector<std::size_t>& sizes) {
  std::vector<Octets> out;
  auto at = text.begin();
  for (const std::size_t size : sizes) {
    const auto end =
        at + static_cast<std::ptrdiff_t>(std::min(size, static_cast<std::size_t>(text.end() - at)));
    out.emplace_back(at, end);
    at = end;
  }
  out.emplace_back(at, text.end());
  return out;
}

std::vector<Piece> views(std::vector<Octets>& parts) {
  std::vector<Piece> out;
  for (Octets& part : parts) {
    out.push_back({.bytes = part});
  }
  return out;
}

Octets joined(const std::vector<Octets>& parts) {
  Octets out;
  for (const Octets& part : parts) {
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

TEST_P(Pieces, AreSealedAndOpenedAsOne) {
  const std::vector<std::vector<std::size_t>> cuts = {
      {}, {16}, {1}, {0, 5, 0}, {15, 1}, {16, 16}, {17, 30}, {1, 1, 1, 1}, {16, 100, 3}, {31, 33}};
  for (std::size_t size = 1; size < 200; size += size < 80 ? 1 : 17) {
    const Octets text = plain(size);
    const Octets expected = whole(text);
    for (const std::vector<std::size_t>& sizes : cuts) {
      std::vector<Octets> parts = cut(text, sizes);
      Octets tag(profile_->tag_size);
      ASSERT_TRUE(seal_pieces(*kit_, keys(), views(parts), tag));
      Octets sealed = joined(parts);
      sealed.insert(sealed.end(), tag.begin(), tag.end());
      ASSERT_EQ(sealed, expected) << size << ", " << sizes.size() << " cuts";
      ASSERT_EQ(open_pieces(*kit_, keys(), views(parts), tag), Outcome::kDone);
      ASSERT_EQ(joined(parts), text) << size << ", " << sizes.size() << " cuts";
    }
  }
}

TEST_P(Pieces, EveryBitOfThemAndOfTheTagCounts) {
  std::vector<Octets> parts = cut(plain(37), {16, 20});
  Octets tag(profile_->tag_size);
  ASSERT_TRUE(seal_pieces(*kit_, keys(), views(parts), tag));
  const std::vector<Octets> sealed = parts;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (std::size_t bit = 0; bit < 8 * parts[part].size(); ++bit) {
      parts = sealed;
      parts[part][bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      EXPECT_EQ(open_pieces(*kit_, keys(), views(parts), tag), Outcome::kForged) << part << bit;
    }
  }
  for (std::size_t bit = 0; bit < 8 * tag.size(); ++bit) {
    parts = sealed;
    tag[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_EQ(open_pieces(*kit_, keys(), views(parts), tag), Outcome::kForged) << bit;
    tag[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  parts = sealed;
  EXPECT_EQ(open_pieces(*kit_, keys(), views(parts), tag), Outcome::kDone);
}

TEST_P(Pieces, WhatIsOnlyAuthenticatedStaysAsItIsAndCounts) {
  std::vector<Octets> parts = cut(plain(60), {16, 10, 20});
  std::vector<Piece> pieces = views(parts);
  pieces[1].encrypted = false;
  const Octets before = parts[1];
  Octets tag(profile_->tag_size);
  ASSERT_TRUE(seal_pieces(*kit_, keys(), pieces, tag));
  EXPECT_EQ(parts[1], before);
  const std::vector<Octets> sealed = parts;
  parts[1][3] ^= 1;
  EXPECT_EQ(open_pieces(*kit_, keys(), pieces, tag), Outcome::kForged);
  std::ranges::copy(sealed[0], parts[0].begin());
  std::ranges::copy(sealed[2], parts[2].begin());
  std::ranges::copy(sealed[3], parts[3].begin());
  parts[1][3] ^= 1;
  EXPECT_EQ(open_pieces(*kit_, keys(), pieces, tag), Outcome::kDone);
}

}  // namespace
}  // namespace usher::crypto
