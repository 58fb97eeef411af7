// engine/crypto/kit.h: every primitive gives the bytes its specification prints, every time.
#include "engine/crypto/kit.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <string>
#include <vector>

#include "tests/crypto/recorded.h"
#include "tests/hex.h"

namespace usher::crypto {
namespace {

using testing::hex;
using testing::Octets;

Octets octets(std::string_view text) { return {text.begin(), text.end()}; }

class KitTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }
  const std::unique_ptr<Kit> kit_ = Kit::make();
};

// RFC 3962 B; the key is "chicken teriyaki", the IV zero.
struct StealingCase {
  const char* name;
  const char* plain;
  const char* cipher;
};
constexpr std::array kStealing = {
    StealingCase{"Size17", "4920776f756c64206c696b652074686520",
                 "c6353568f2bf8cb4d8a580362da7ff7f97"},
    StealingCase{"Size31", "4920776f756c64206c696b65207468652047656e6572616c20476175277320",
                 "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5"},
    StealingCase{"Size32", "4920776f756c64206c696b65207468652047656e6572616c2047617527732043",
                 "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"},
    StealingCase{"Size47",
                 "4920776f756c64206c696b65207468652047656e6572616c2047617527732043"
                 "6869636b656e2c20706c656173652c",
                 "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e"
                 "39312523a78662d5be7fcbcc98ebf5"},
    StealingCase{"Size48",
                 "4920776f756c64206c696b65207468652047656e6572616c2047617527732043"
                 "6869636b656e2c20706c656173652c20",
                 "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd8"
                 "39312523a78662d5be7fcbcc98ebf5a8"},
    StealingCase{"Size64",
                 "4920776f756c64206c696b65207468652047656e6572616c2047617527732043"
                 "6869636b656e2c20706c656173652c20616e6420776f6e746f6e20736f75702e",
                 "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8"
                 "4807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8"},
};

TEST_F(KitTest, StealsCiphertextAsRfc3962Prints) {
  const Octets key = octets("chicken teriyaki");
  for (const StealingCase& c : kStealing) {
    const Octets plain = hex(c.plain);
    const Octets cipher = hex(c.cipher);
    Octets out(plain.size());
    ASSERT_TRUE(kit_->cts_encrypt(key, plain, out));
    EXPECT_EQ(out, cipher) << c.name;
    ASSERT_TRUE(kit_->cts_decrypt(key, cipher, out));
    EXPECT_EQ(out, plain) << c.name;
    // In place.
    ASSERT_TRUE(kit_->cts_encrypt(key, out, out));
    EXPECT_EQ(out, cipher) << c.name;
    ASSERT_TRUE(kit_->cts_decrypt(key, out, out));
    EXPECT_EQ(out, plain) << c.name;
  }
}

TEST_F(KitTest, StealingIsUndoneForEverySizeAndBothKeySizes) {
  for (const std::size_t key_size : {16u, 32u}) {
    const Octets key(key_size, 0x5a);
    for (std::size_t size = 16; size <= 200; ++size) {
      Octets plain(size);
      for (std::size_t i = 0; i < size; ++i) {
        plain[i] = static_cast<std::uint8_t>(i * 7 + size);
      }
      Octets cipher(size);
      Octets opened(size);
      ASSERT_TRUE(kit_->cts_encrypt(key, plain, cipher));
      EXPECT_NE(cipher, plain);
      ASSERT_TRUE(kit_->cts_decrypt(key, cipher, opened));
      EXPECT_EQ(opened, plain) << size;
      ASSERT_TRUE(kit_->cts_decrypt(key, cipher, cipher));
      EXPECT_EQ(cipher, plain) << size << " in place";
    }
  }
}

TEST_F(KitTest, OneBlockIsStolenNothing) {  // RFC 3962 5: CBC of a single block.
  const Octets key(32, 0x11);
  const Octets plain(16, 0x22);
  Octets stolen(16);
  Octets chained(16);
  ASSERT_TRUE(kit_->cts_encrypt(key, plain, stolen));
  ASSERT_TRUE(kit_->cbc_encrypt(key, plain, chained));
  EXPECT_EQ(stolen, chained);
}

TEST_F(KitTest, ChainsBlocksAsNistPrints) {
  // FIPS 197 C.1 and C.3 for the first block; the second shows the chain: E(0 ^ first).
  const Octets plain = hex("00112233445566778899aabbccddeeff");
  Octets out(16);
  ASSERT_TRUE(kit_->cbc_encrypt(hex("000102030405060708090a0b0c0d0e0f"), plain, out));
  EXPECT_EQ(out, hex("69c4e0d86a7b0430d8cdb78070b4c55a"));
  const Octets key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  Octets padded = plain;
  padded.resize(32);
  Octets two(32);
  ASSERT_TRUE(kit_->cbc_encrypt(key, padded, two));
  EXPECT_EQ(Octets(two.begin(), two.begin() + 16), hex("8ea2b7ca516745bfeafc49904b496089"));
  ASSERT_TRUE(kit_->cbc_encrypt(key, Octets(two.begin(), two.begin() + 16), out));
  EXPECT_EQ(Octets(two.begin() + 16, two.end()), out);
  ASSERT_TRUE(kit_->cbc_decrypt(key, two, two));
  EXPECT_EQ(two, padded) << "in place, and nothing is held back";
}

TEST_F(KitTest, EveryMessageStartsFromTheZeroIvAndItsOwnKey) {
  const Octets plain(40, 0x33);
  const Octets keys[] = {Octets(16, 1), Octets(32, 2), Octets(16, 3), Octets(32, 4)};
  std::vector<Octets> first;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < std::size(keys); ++i) {
      Octets out(plain.size());
      ASSERT_TRUE(kit_->cts_encrypt(keys[i], plain, out));
      if (round == 0) {
        first.push_back(out);
      }
      EXPECT_EQ(out, first[i]);
    }
  }
  EXPECT_NE(first[0], first[2]);
}

// RFC 2202 2 and 3.
struct HmacCase {
  const char* name;
  Octets md5_key;
  Octets sha1_key;
  Octets data;
  const char* md5;
  const char* sha1;
};
std::vector<HmacCase> hmac_cases() {
  const Octets counting = hex("0102030405060708090a0b0c0d0e0f10111213141516171819");
  return {
      {"1", Octets(16, 0x0b), Octets(20, 0x0b), octets("Hi There"),
       "9294727a3638bb1c13f48ef8158bfc9d", "b617318655057264e28bc0b6fb378c8ef146be00"},
      {"2", octets("Jefe"), octets("Jefe"), octets("what do ya want for nothing?"),
       "750c783e6ab0b503eaa86e310a5db738", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
      {"3", Octets(16, 0xaa), Octets(20, 0xaa), Octets(50, 0xdd),
       "56be34521d144c88dbb8c733f0e8b3f6", "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
      {"4", counting, counting, Octets(50, 0xcd), "697eaf0aca3a3aea3a75164746ffaa79",
       "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
      {"5", Octets(16, 0x0c), Octets(20, 0x0c), octets("Test With Truncation"),
       "56461ef2342edc00f9bab995690efd4c", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
      {"6", Octets(80, 0xaa), Octets(80, 0xaa),
       octets("Test Using Larger Than Block-Size Key - Hash Key First"),
       "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd", "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
      {"7", Octets(80, 0xaa), Octets(80, 0xaa),
       octets("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"),
       "6f630fad67cda0ee1fb1f562db3aa53e", "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
  };
}

TEST_F(KitTest, AuthenticatesAsRfc2202Prints) {
  for (const HmacCase& c : hmac_cases()) {
    Octets sha1(20);
    Octets md5(16);
    const Bytes whole[] = {c.data};
    ASSERT_TRUE(kit_->hmac_sha1(c.sha1_key, whole, sha1));
    EXPECT_EQ(sha1, hex(c.sha1)) << c.name;
    ASSERT_TRUE(kit_->hmac_md5(c.md5_key, whole, md5));
    EXPECT_EQ(md5, hex(c.md5)) << c.name;
  }
}

// RFC 4231 4; case 5 is truncated there.
struct Sha2Case {
  const char* name;
  Octets key;
  Octets data;
  const char* sha256;
  const char* sha384;
};
std::vector<Sha2Case> sha2_cases() {
  return {
      {"1", Octets(20, 0x0b), octets("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
       "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
       "faea9ea9076ede7f4af152e8b2fa9cb6"},
      {"2", octets("Jefe"), octets("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
       "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
       "8e2240ca5e69e2c78b3239ecfab21649"},
      {"3", Octets(20, 0xaa), Octets(50, 0xdd),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
       "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
       "2a5ab39dc13814b94e3ab6e101a34f27"},
      {"4", hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), Octets(50, 0xcd),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
       "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e"
       "6801dd23c4a7d679ccf8a386c674cffb"},
      {"6", Octets(131, 0xaa), octets("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
       "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
       "0c2ef6ab4030fe8296248df163f44952"},
      {"7", Octets(131, 0xaa),
       octets("This is a test using a larger than block-size key and a larger than block-size "
              "data. The key needs to be hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
       "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5"
       "a678cc31e799176d3860e6110c46523e"},
  };
}

TEST_F(KitTest, AuthenticatesAsRfc4231Prints) {
  for (const Sha2Case& c : sha2_cases()) {
    const Bytes data = c.data;
    for (const std::size_t cut : {std::size_t{0}, c.data.size() / 2, c.data.size()}) {
      const Bytes parts[] = {data.first(cut), {}, data.subspan(cut)};
      Octets sha256(32);
      Octets sha384(48);
      ASSERT_TRUE(kit_->hmac_sha256(c.key, parts, sha256));
      EXPECT_EQ(sha256, hex(c.sha256)) << c.name;
      ASSERT_TRUE(kit_->hmac_sha384(c.key, parts, sha384));
      EXPECT_EQ(sha384, hex(c.sha384)) << c.name;
    }
  }
}

// Keys of a block's size are taken as they are, longer ones hashed; texts end anywhere in a block.
TEST_F(KitTest, HmacAgreesWithOpensslsOwnAtEveryEdge) {
  using Make = bool (Kit::*)(Bytes, std::span<const Bytes>, MutableBytes) noexcept;
  struct Edge {
    const EVP_MD* digest;
    std::size_t block;
    std::size_t size;
    Make make;
  };
  const Edge edges[] = {{EVP_sha1(), 64, 20, &Kit::hmac_sha1},
                        {EVP_sha256(), 64, 32, &Kit::hmac_sha256},
                        {EVP_sha384(), 128, 48, &Kit::hmac_sha384},
                        {EVP_md5(), 64, 16, &Kit::hmac_md5}};
  for (const Edge& edge : edges) {
    for (const std::size_t key_size :
         {std::size_t{1}, edge.block - 1, edge.block, edge.block + 1}) {
      for (const std::size_t size :
           {std::size_t{0}, std::size_t{1}, edge.block - 17, edge.block - 9, edge.block - 8,
            edge.block - 1, edge.block, edge.block + 1}) {
        const Octets key(key_size, 0x5c);
        const Octets text(size, 0x36);
        const std::array<Bytes, 1> parts = {text};
        Octets ours(edge.size);
        Octets theirs(edge.size);
        ASSERT_TRUE((kit_.get()->*edge.make)(key, parts, ours));
        ASSERT_NE(HMAC(edge.digest, key.data(), static_cast<int>(key.size()), text.data(),
                       text.size(), theirs.data(), nullptr),
                  nullptr);
        EXPECT_EQ(ours, theirs) << edge.size << " " << key_size << " " << size;
      }
    }
  }
}

TEST_F(KitTest, PartsCountAsTheirConcatenation) {
  const HmacCase c = hmac_cases()[6];
  for (std::size_t cut = 0; cut <= c.data.size(); ++cut) {
    const Bytes data = c.data;
    const Bytes parts[] = {data.first(cut), {}, data.subspan(cut)};
    Octets sha1(20);
    Octets md5(16);
    ASSERT_TRUE(kit_->hmac_sha1(c.sha1_key, parts, sha1));
    EXPECT_EQ(sha1, hex(c.sha1)) << cut;
    ASSERT_TRUE(kit_->hmac_md5(c.md5_key, parts, md5));
    EXPECT_EQ(md5, hex(c.md5)) << cut;
  }
}

TEST_F(KitTest, HashesAsRfc1320AndRfc1321Print) {
  struct HashCase {
    const char* text;
    const char* md4;
    const char* md5;
  };
  const HashCase cases[] = {
      {"", "31d6cfe0d16ae931b73c59d7e0c089c0", "d41d8cd98f00b204e9800998ecf8427e"},
      {"a", "bde52cb31de33e46245e05fbdbd6fb24", "0cc175b9c0f1b6a831c399e269772661"},
      {"abc", "a448017aaf21d8525fc10ae87aa6729d", "900150983cd24fb0d6963f7d28e17f72"},
      {"message digest", "d9130a8164549fe818874806e1c7014b", "f96b697d7cb7938d525a2f31aaf161d0"},
      {"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9",
       "c3fcd3d76192e4007dfb496cca67e13b"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
       "043f8582f241db351ce627e153e7f0e4", "d174ab98d277d9f5a5611c2c9f419d9f"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "e33b4ddc9c38f2199c3e7b164fcc0536", "57edf4a22be3c955ac49da2e2107b67a"},
  };
  for (const HashCase& c : cases) {
    const Octets text = octets(c.text);
    Octets out(16);
    ASSERT_TRUE(kit_->md4(text, out));
    EXPECT_EQ(out, hex(c.md4)) << c.text;
    const Bytes whole = text;
    const Bytes parts[] = {whole.first(whole.size() / 2), whole.subspan(whole.size() / 2)};
    ASSERT_TRUE(kit_->md5(parts, out));
    EXPECT_EQ(out, hex(c.md5)) << c.text;
  }
}

TEST_F(KitTest, StreamsRc4AsRfc6229Prints) {
  struct StreamCase {
    const char* key;
    const char* stream;
  };
  const StreamCase cases[] = {
      {"0102030405060708090a0b0c0d0e0f10",
       "9ac7cc9a609d1ef7b2932899cde41b975248c4959014126a6e8a84f11d1a9e1c"},
      {"0102030405", "b2396305f03dc027ccc3524a0a1118a86982944f18fc82d589c403a47a0d0919"},
  };
  // Twice over, because the key size changes from case to case.
  for (int round = 0; round < 2; ++round) {
    for (const StreamCase& c : cases) {
      const Octets zeros(32);
      Octets out(32);
      ASSERT_TRUE(kit_->rc4(hex(c.key), zeros, out));
      EXPECT_EQ(out, hex(c.stream)) << c.key;
    }
  }
}

TEST(Kit, KitsDoNotShareState) {
  const std::unique_ptr<Kit> a = Kit::make();
  const std::unique_ptr<Kit> b = Kit::make();
  ASSERT_TRUE(a != nullptr && b != nullptr);
  const Octets plain(33, 0x44);
  Octets alone(33);
  ASSERT_TRUE(a->cts_encrypt(Octets(16, 1), plain, alone));
  Octets between(33);
  ASSERT_TRUE(b->cts_encrypt(Octets(16, 2), plain, between));
  Octets again(33);
  ASSERT_TRUE(a->cts_encrypt(Octets(16, 1), plain, again));
  EXPECT_EQ(alone, again);
  EXPECT_NE(alone, between);
}

}  // namespace
}  // namespace usher::crypto
