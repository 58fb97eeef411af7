// engine/crypto/sealing.h: encrypted data is that of the published vectors, both ways, and what
// differs from it anywhere does not open.
#include "engine/crypto/sealing.h"

#include <gtest/gtest.h>

#include <algorithm>
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

// RFC 8009 Appendix A, usage 2. Of RC4, whose RFC prints none, and of 17 and 18, whose RFC prints
// none of whole messages: the values of MIT krb5's own test suite, which has no confounders.
constexpr const char* kSha256Key = "3705d96080c17728a0e800eab6e0d23c";
constexpr const char* kSha384Key =
    "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52";
struct Published {
  std::int32_t etype;
  std::uint32_t usage;
  const char* key;
  Octets plain;
  const char* confounder;  // Empty: not published.
  const char* cipher;
};
const Octets kShortText = hex("000102030405");
const Octets kBlock = hex("000102030405060708090a0b0c0d0e0f");
const Octets kLonger = hex("000102030405060708090a0b0c0d0e0f1011121314");
const std::vector<Published> kPublished = {
    {19,
     2,
     kSha256Key,
     {},
     "7e5895eaf2672435bad817f545a37148",
     "ef85fb890bb8472f4dab20394dca781dad877eda39d50c870c0d5a0a8e48c718"},
    {19, 2, kSha256Key, kShortText, "7bca285e2fd4130fb55b1a5c83bc5b24",
     "84d7f30754ed987bab0bf3506beb09cfb55402cef7e6877ce99e247e52d16ed4421dfdf8976c"},
    {19, 2, kSha256Key, kBlock, "56ab21713ff62c0a1457200f6fa9948f",
     "3517d640f50ddc8ad3628722b3569d2ae07493fa8263254080ea65c1008e8fc2"
     "95fb4852e7d83e1e7c48c37eebe6b0d3"},
    {19, 2, kSha256Key, kLonger, "a7a4e29a4728ce10664fb64e49ad3fac",
     "720f73b18d9859cd6ccb4346115cd336c70f58edc0c4437c5573544c31c813bc"
     "e1e6d072c186b39a413c2f92ca9b8334a287ffcbfc"},
    {20,
     2,
     kSha384Key,
     {},
     "f764e9fa15c276478b2c7d0c4e5f58e4",
     "41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c"},
    {20, 2, kSha384Key, kShortText, "b80d3251c1f6471494256ffe712d0b9a",
     "4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9f559c7f664f69eab7b60"
     "92237526ea0d1f61cb20d69d10f2"},
    {20, 2, kSha384Key, kBlock, "53bf8a0d105265d4e276428624ce5e63",
     "bc47ffec7998eb91e8115cf8d19dac4bbbe2e163e87dd37f49beca92027764f6"
     "8cf51f14d798c2273f35df574d1f932e40c4ff255b36a266"},
    {20, 2, kSha384Key, kLonger, "763e65367e864f02f55153c7e3b58af1",
     "40013e2df58e8751957d2878bcd2d6fe101ccfd556cb1eae79db3c3ee86429f2"
     "b2a602ac86fef6ecb647d6295fae077a1feb517508d2c16b4192e01f62"},
    {23,
     0,
     "f81fec39255f5784e850c4377c88bd85",
     {},
     "",
     "02c1eb15586144122ec717763dd348bf00434ddc6585954c"},
    {23, 1, "67d1300d281223867f9647ff48721273", octets("1"), "",
     "6156e0cc04e0a0874f9fda008f498a7adbbc80b70b14dddbc0"},
    {23, 2, "3e40ab6093695281b3ac1a9304224d98", octets("9 bytesss"), "",
     "0f9ad121d99d4a09448e4f1f718c4f5cbe6096262c66f29df232a87c9f98755d55"},
    {23, 3, "4ba2fbf0379faed87a254d3b353d5a7e", octets("13 bytes byte"), "",
     "612c57568b17a70352bae8cf26fb9459a6f3353cd35fd439db3107cbec765d326dfc04c1dd"},
    {23, 4, "68f263db3fce15d031c9eab02d67107a", octets("30 bytes bytes bytes bytes byt"), "",
     "95f9047c3ad75891c2e9b04b16566dc8b6eb9ce4231afb2542ef87a7b5a0f260"
     "a99f0460508de0cecc632d07c354124e46c5d2234eb8"},
    {17,
     0,
     "5a5c0f0ba54f3828b2195e66ca24a289",
     {},
     "",
     "49ff8e11c173d9583a3254fbe7b1f1df36c538e8416784a1672e6676"},
    {17, 1, "98450e3f3baa13f5c99beb936981b06f", octets("1"), "",
     "f86742f537b35dc2174a4dbaa920faf9042090b065e1ebb1cad9a65394"},
    {17, 2, "9062430c8cda3388922e6d6a509f5b7a", octets("9 bytesss"), "",
     "68fb9679601f45c78857b2bf820fd6e53eca8d42fd4b1d7024a09205abb7cd2ec26c355d2f"},
    {18,
     0,
     "17f275f2954f2ed1f90c377ba7f4d6a369aa0136e0bf0c927ad6133c693759a9",
     {},
     "",
     "e5094c55ee7b38262e2b044280b069379a95bf95bd8376fb3281b435"},
    {18, 1, "b9477e1ff0329c0050e20ce6c72d2dff27e8fe541ab0954429a9cb5b4f7b1e2a", octets("1"), "",
     "406150b97aeb76d43b36b62cc1ecdfbe6f40e95755e0beb5c27825f3a4"},
    {18, 2, "b1ae4cd8462aff1677053cc9279aac30b796fb81ce21474dd3ddbcfea4ec76d7", octets("9 bytesss"),
     "", "09957aa25fcaf88f7b39e4406e633012d5fea21853f6478da7065caef41fd454a40824eec5"},
    {18, 4, "f1c795e9248a09338d82c3f8d5b567040b0110736845041347235b1404231398",
     octets("30 bytes bytes bytes bytes byt"), "",
     "d1137a4d634cfece924dbc3bf6790648bd5cff7de0e7b99460211d0daef3d79a"
     "295c688858f3b34b9cbd6eebae81daf6b734d4d498b6714f1c1d"},
};

class Sealing : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }

  Outcome open(const Published& c, Bytes cipher, Octets& plain) {
    Octets room(cipher.size(), 0xee);
    Bytes opened;
    const Outcome outcome = open_sealed(*kit_, *profile_of(c.etype), hex(c.key), KeyUsage(c.usage),
                                        cipher, room, opened);
    plain.assign(opened.begin(), opened.end());
    if (outcome != Outcome::kDone) {
      EXPECT_TRUE(opened.empty());
      EXPECT_EQ(room, Octets(room.size())) << "nothing decrypted is left";
    }
    return outcome;
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
};

TEST_F(Sealing, OpensWhatIsPublished) {
  for (const Published& c : kPublished) {
    Octets plain;
    EXPECT_EQ(open(c, hex(c.cipher), plain), Outcome::kDone) << c.cipher;
    EXPECT_EQ(plain, c.plain) << c.cipher;
  }
}

TEST_F(Sealing, SealsAsIsPublished) {
  for (const Published& c : kPublished) {
    if (*c.confounder == '\0') {
      continue;
    }
    const EtypeProfile& profile = *profile_of(c.etype);
    Octets cipher(profile.overhead() + c.plain.size());
    ASSERT_TRUE(
        seal(*kit_, profile, hex(c.key), KeyUsage(c.usage), hex(c.confounder), c.plain, cipher));
    EXPECT_EQ(cipher, hex(c.cipher));
  }
}

TEST_F(Sealing, OpensWhatItSealedAtEverySize) {
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    const EtypeProfile& profile = *profile_of(etype);
    const Octets key(profile.key_size, 0x5a);
    const Octets confounder(profile.confounder_size, 0x77);
    for (std::size_t size = 0; size <= 66; ++size) {
      const Octets plain(size, 0x31);
      Octets cipher(profile.overhead() + size);
      ASSERT_TRUE(seal(*kit_, profile, key, KeyUsage::kKrbCred, confounder, plain, cipher));
      const Exact exact(cipher);
      Octets room(cipher.size());
      Bytes opened;
      ASSERT_EQ(open_sealed(*kit_, profile, key, KeyUsage::kKrbCred, exact.bytes(), room, opened),
                Outcome::kDone)
          << etype << " " << size;
      EXPECT_TRUE(std::ranges::equal(opened, plain)) << etype << " " << size;
      EXPECT_EQ(open_sealed(*kit_, profile, key, KeyUsage::kTicket, exact.bytes(), room, opened),
                Outcome::kForged)
          << etype << " with another usage";
    }
  }
}

TEST_F(Sealing, DoesNotOpenWithAnyBitFlippedOrAnyOctetLess) {
  for (const Published& c : kPublished) {
    Octets cipher = hex(c.cipher);
    Octets plain;
    for (std::size_t bit = 0; bit < 8 * cipher.size(); ++bit) {
      cipher[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      EXPECT_EQ(open(c, cipher, plain), Outcome::kForged) << c.cipher << " " << bit;
      cipher[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    for (std::size_t size = 0; size < cipher.size(); ++size) {
      const Exact cut(Bytes(cipher).first(size));
      EXPECT_EQ(open(c, cut.bytes(), plain), Outcome::kForged) << c.cipher << " " << size;
    }
    EXPECT_EQ(open(c, cipher, plain), Outcome::kDone);
  }
}

// A KRB-CRED's cipher may be 65,535 octets long and more.
TEST_F(Sealing, TakesLargeTexts) {
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    const EtypeProfile& profile = *profile_of(etype);
    const Octets key(profile.key_size, 0x5a);
    const Octets plain(70'001, 0x31);
    Octets cipher(profile.overhead() + plain.size());
    ASSERT_TRUE(seal(*kit_, profile, key, KeyUsage::kKrbCred, Octets(profile.confounder_size),
                     plain, cipher));
    Octets room(cipher.size());
    Bytes opened;
    EXPECT_EQ(open_sealed(*kit_, profile, key, KeyUsage::kKrbCred, cipher, room, opened),
              Outcome::kDone);
    EXPECT_TRUE(std::ranges::equal(opened, plain));
  }
}

}  // namespace
}  // namespace usher::crypto
