// engine/crypto/lanes.h: every back end does what OpenSSL does one at a time, bit for bit, and
// touches nothing beside what it was given.
#include "engine/crypto/lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/crypto/guarded.h"
#include "tests/hex.h"

namespace usher::crypto {
namespace {

using testing::Guarded;
using testing::hex;
using Octets = std::vector<std::uint8_t>;

// Sizes around the blocks of AES (16), SHA-1 and SHA-256 (64) and SHA-384 (128), a ticket's, and
// one that has no lane, because ipsec-mb counts in 16 bits.
constexpr std::array<std::size_t, 44> kSizes = {
    16,  17,  31,  32,  33,  47,  48,  49,  55,  56,  57,  63,   64,    65,   79,
    80,  81,  95,  96,  97,  111, 112, 113, 119, 120, 121, 127,  128,   129,  191,
    192, 193, 255, 256, 257, 500, 511, 512, 513, 732, 999, 4500, 32768, 65536};
constexpr std::size_t kSizeMax = 65536;
constexpr std::size_t kAround = 256;  // What a text wants in front and behind.

std::size_t size_of(std::size_t width, std::size_t index) {
  return kSizes[(width * 7 + index) % kSizes.size()];
}

struct Param {
  LanesChoice choice;
  std::size_t tokens;
  const char* name;
};

class LanesTest : public ::testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    ASSERT_NE(kit_, nullptr);
    if ((GetParam().choice == LanesChoice::kIpsecMb && !has_ipsec_mb()) ||
        (GetParam().choice == LanesChoice::kX86 && !has_x86_lanes())) {
      EXPECT_EQ(Lanes::make(*kit_, GetParam().choice), nullptr);
      GTEST_SKIP() << "it was not built in, or the CPU is too old for it";
    }
    lanes_ = Lanes::make(*kit_, GetParam().choice, GetParam().tokens);
    ASSERT_NE(lanes_, nullptr);
    for (std::size_t i = 0; i < kBatchMax; ++i) {
      in_.push_back(std::make_unique<Guarded>(kSizeMax + kAround));
      out_.push_back(std::make_unique<Guarded>(kSizeMax + kAround));
    }
  }

  void fill(MutableBytes bytes) {
    std::ranges::generate(bytes, [this] { return static_cast<std::uint8_t>(random_()); });
  }
  Octets some(std::size_t size) {
    Octets octets(size);
    fill(octets);
    return octets;
  }
  bool reference(Digest digest, Bytes key, Bytes text, MutableBytes out) {
    const Bytes parts[] = {text};
    switch (digest) {
      case Digest::kSha1:
        return kit_->hmac_sha1(key, parts, out);
      case Digest::kSha256:
        return kit_->hmac_sha256(key, parts, out);
      case Digest::kSha384:
        return kit_->hmac_sha384(key, parts, out);
      case Digest::kMd5:
        return kit_->hmac_md5(key, parts, out);
    }
    return false;
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
  std::unique_ptr<Lanes> lanes_;
  std::vector<std::unique_ptr<Guarded>> in_;
  std::vector<std::unique_ptr<Guarded>> out_;
  std::array<AesKey, kBatchMax> keys_;
  std::array<HmacKey, kBatchMax> hmac_keys_;
  std::mt19937 random_{20261127};
};
constexpr std::array kParams = {
    Param{LanesChoice::kOpenssl, kBatchMax, "Openssl"},
    Param{LanesChoice::kIpsecMb, kBatchMax, "IpsecMb"},
    Param{LanesChoice::kIpsecMb, 1, "IpsecMbForOne"},
    Param{LanesChoice::kX86, kBatchMax, "X86"},
    Param{LanesChoice::kX86, 1, "X86ForOne"},
};
INSTANTIATE_TEST_SUITE_P(Each, LanesTest, ::testing::ValuesIn(kParams),
                         [](const auto& param_info) { return param_info.param.name; });

// reference_key is RFC 3961 5.1's: the encryption of the input, and the encryption of that.
Octets reference_key(Kit& kit, Bytes base, Bytes input) {
  Octets chain(base.size());
  std::ranges::copy(input, chain.begin());
  Octets key(base.size());
  EXPECT_TRUE(kit.cbc_encrypt(base, chain, key));
  return key;
}

TEST_P(LanesTest, KeysDerivedAtEveryWidthAreTheKits) {
  for (const std::size_t key_size : {16u, 32u}) {
    for (std::size_t width = 1; width <= kBatchMax; ++width) {
      DeriveInputs inputs;
      std::ranges::for_each(inputs, [this](MutableBytes input) { fill(input); });
      std::vector<DeriveJob> jobs(width);
      std::vector<MutableBytes> keys(width);
      for (std::size_t i = 0; i < width; ++i) {
        const MutableBytes base = in_[i]->take(key_size, width % 2 == 0);
        fill(base);
        jobs[i].base = base;
        keys[i] = out_[i]->take(inputs.size() * key_size, width % 2 == 0);
        for (std::size_t n = 0; n < inputs.size(); ++n) {
          // Every choice of them.
          jobs[i].keys[n] = (i >> n) % 2 == 0 ? &keys[i][n * key_size] : nullptr;
        }
        std::ranges::fill(keys[i], std::uint8_t{0xa5});
      }
      ASSERT_TRUE(lanes_->derive(inputs, jobs));
      for (std::size_t i = 0; i < width; ++i) {
        for (std::size_t n = 0; n < inputs.size(); ++n) {
          const Octets expected = jobs[i].keys[n] == nullptr
                                      ? Octets(key_size, 0xa5)
                                      : reference_key(*kit_, jobs[i].base, inputs[n]);
          ASSERT_TRUE(std::ranges::equal(keys[i].subspan(n * key_size, key_size), expected))
              << width << ", " << i << ", " << n;
        }
      }
    }
  }
}

TEST_P(LanesTest, DecryptionWithStealingOfEveryWidthIsTheKits) {
  for (const std::size_t key_size : {16u, 32u}) {
    for (std::size_t width = 1; width <= kBatchMax; ++width) {
      std::vector<CtsDecryptJob> jobs(width);
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t size = size_of(width, i);
        const MutableBytes in = in_[i]->take(size, width % 2 == 0);
        fill(in);
        keys_[i].expand(some(key_size), AesDirection::kDecrypt);
        jobs[i] = {.key = &keys_[i], .in = in, .out = out_[i]->take(size, width % 2 == 0)};
      }
      ASSERT_TRUE(lanes_->cts_decrypt(jobs));
      for (const CtsDecryptJob& job : jobs) {
        Octets expected(job.in.size());
        ASSERT_TRUE(kit_->cts_decrypt(job.key->key(), job.in, expected));
        ASSERT_TRUE(std::ranges::equal(job.out, expected)) << width << ", " << job.in.size();
      }
    }
  }
}

TEST_P(LanesTest, EncryptionWithStealingOfEveryWidthIsTheKits) {
  for (const std::size_t key_size : {16u, 32u}) {
    for (std::size_t width = 1; width <= kBatchMax; ++width) {
      std::vector<CtsEncryptJob> jobs(width);
      std::vector<Octets> texts(width);
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t size = size_of(width, i);
        texts[i] = some(size);
        const MutableBytes text = in_[i]->take(size + kCtsTailroom, width % 2 == 0).first(size);
        std::ranges::copy(texts[i], text.begin());
        keys_[i].expand(some(key_size), AesDirection::kEncrypt);
        jobs[i] = {.key = &keys_[i], .text = text, .out = out_[i]->take(size, width % 2 == 0)};
      }
      ASSERT_TRUE(lanes_->cts_encrypt(jobs));
      for (std::size_t i = 0; i < width; ++i) {
        Octets expected(texts[i].size());
        ASSERT_TRUE(kit_->cts_encrypt(keys_[i].key(), texts[i], expected));
        ASSERT_TRUE(std::ranges::equal(jobs[i].out, expected)) << width << ", " << texts[i].size();
      }
    }
  }
}

constexpr std::array kDigests = {Digest::kSha1, Digest::kSha256, Digest::kSha384, Digest::kMd5};

TEST_P(LanesTest, HmacOfEveryWidthIsTheKitsAndOnlyReadsTheText) {
  for (const Digest digest : kDigests) {
    for (std::size_t width = 1; width <= kBatchMax; ++width) {
      std::vector<HmacJob> jobs(width);
      std::vector<Octets> texts(width);
      for (std::size_t i = 0; i < width; ++i) {
        // As small as a text may be, too: derivation hashes 14 bytes, and nothing is a text.
        texts[i] = some(size_of(width, i) - 16);
        const MutableBytes text = in_[i]->take(texts[i].size(), width % 2 == 0);
        std::ranges::copy(texts[i], text.begin());
        hmac_keys_[i].prepare(digest, some(i % 3 == 0 ? 16 : i % 3 == 1 ? 24 : 32));
        jobs[i] = {.key = &hmac_keys_[i],
                   .text = text,
                   .out = out_[i]->take(hmac_size_of(digest), width % 2 == 0)};
      }
      ASSERT_TRUE(lanes_->hmac(digest, jobs));
      for (std::size_t i = 0; i < width; ++i) {
        Octets expected(jobs[i].out.size());
        ASSERT_TRUE(reference(digest, hmac_keys_[i].key(), texts[i], expected));
        ASSERT_TRUE(std::ranges::equal(jobs[i].out, expected)) << width << ", " << texts[i].size();
        ASSERT_TRUE(std::ranges::equal(jobs[i].text, texts[i]));
      }
    }
  }
}

TEST_P(LanesTest, KeysPreparedTogetherAreThosePreparedAlone) {
  for (const Digest digest : kDigests) {
    for (std::size_t width = 1; width <= kBatchMax; ++width) {
      std::array<HmacKey*, kBatchMax> keys;
      std::vector<HmacKey> alone(width);
      for (std::size_t i = 0; i < width; ++i) {
        const Octets key = some(i % 3 == 0 ? 16 : i % 3 == 1 ? 24 : 32);
        alone[i].prepare(digest, key);
        hmac_keys_[i].clear();
        std::ranges::copy(some(32), hmac_keys_[i].room(32).begin());  // Another key was there.
        std::ranges::copy(key, hmac_keys_[i].room(key.size()).begin());
        keys[i] = &hmac_keys_[i];
      }
      lanes_->prepare(digest, std::span(keys).first(width));
      for (std::size_t i = 0; i < width; ++i) {
        ASSERT_TRUE(std::ranges::equal(hmac_keys_[i].key(), alone[i].key()));
        ASSERT_EQ(hmac_keys_[i].image().inner, alone[i].image().inner) << width << ", " << i;
        ASSERT_EQ(hmac_keys_[i].image().outer, alone[i].image().outer) << width << ", " << i;
      }
    }
  }
}

TEST_P(LanesTest, MoreJobsThanABatchHasAreDoneToo) {
  constexpr std::size_t kMany = 4 * kBatchMax + 1;  // As the derivation of a batch's keys is.
  for (const Digest digest : kDigests) {
    const Octets key = some(32);
    const Octets text = some(200);
    Octets expected(hmac_size_of(digest));
    ASSERT_TRUE(reference(digest, key, text, expected));
    hmac_keys_[0].prepare(digest, key);
    std::vector<Octets> out(kMany, Octets(expected.size()));
    std::vector<HmacJob> jobs(kMany);
    for (std::size_t i = 0; i < kMany; ++i) {
      jobs[i] = {.key = &hmac_keys_[0], .text = text, .out = out[i]};
    }
    ASSERT_TRUE(lanes_->hmac(digest, jobs));
    EXPECT_EQ(std::ranges::count(out, expected), std::ptrdiff_t{kMany});
  }
}

TEST_P(LanesTest, NothingIsDoneWhenThereIsNothingToDo) {
  EXPECT_TRUE(lanes_->derive(DeriveInputs{}, {}));
  EXPECT_TRUE(lanes_->cts_decrypt({}));
  EXPECT_TRUE(lanes_->cts_encrypt({}));
  for (const Digest digest : kDigests) {
    EXPECT_TRUE(lanes_->hmac(digest, {}));
    lanes_->prepare(digest, {});
  }
}

// RFC 3962 B: the last of each length modulo 16 that it has.
struct CtsVector {
  const char* text;
  const char* cipher;
};
constexpr const char* kCtsKey = "636869636b656e207465726979616b69";
constexpr std::array kCtsVectors = {
    CtsVector{"4920776f756c64206c696b652074686520", "c6353568f2bf8cb4d8a580362da7ff7f97"},
    CtsVector{"4920776f756c64206c696b65207468652047656e6572616c20476175277320",
              "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5"},
    CtsVector{"4920776f756c64206c696b65207468652047656e6572616c2047617527732043",
              "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"},
    CtsVector{
        "4920776f756c64206c696b65207468652047656e6572616c20476175277320436869636b656e2c20706c65"
        "6173652c",
        "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcb"
        "cc98ebf5"},
};

TEST_P(LanesTest, EncryptsAndDecryptsAsInRfc3962) {
  const Octets raw = hex(kCtsKey);
  AesKey encryption;
  AesKey decryption;
  encryption.expand(raw, AesDirection::kEncrypt);
  decryption.expand(raw, AesDirection::kDecrypt);
  for (const CtsVector& vector : kCtsVectors) {
    const Octets text = hex(vector.text);
    const Octets cipher = hex(vector.cipher);
    Octets room(text.size() + kCtsTailroom);
    std::ranges::copy(text, room.begin());
    Octets out(text.size());
    const CtsEncryptJob encrypt{
        .key = &encryption, .text = std::span(room).first(text.size()), .out = out};
    ASSERT_TRUE(lanes_->cts_encrypt({&encrypt, 1}));
    EXPECT_EQ(out, cipher);
    const CtsDecryptJob decrypt{.key = &decryption, .in = cipher, .out = out};
    ASSERT_TRUE(lanes_->cts_decrypt({&decrypt, 1}));
    EXPECT_EQ(out, text);
  }
}

// RFC 2202 3 and RFC 4231 4.2, 4.3.
struct HmacVector {
  Digest digest;
  const char* key;
  const char* text;
  const char* hmac;
};
constexpr const char* kHiKey = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
constexpr const char* kHiThere = "4869205468657265";
constexpr const char* kJefe = "4a656665";
constexpr const char* kNothing = "7768617420646f2079612077616e7420666f72206e6f7468696e673f";
constexpr std::array kHmacVectors = {
    HmacVector{Digest::kSha1, kHiKey, kHiThere, "b617318655057264e28bc0b6fb378c8ef146be00"},
    HmacVector{Digest::kSha1, kJefe, kNothing, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    HmacVector{Digest::kSha256, kHiKey, kHiThere,
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    HmacVector{Digest::kSha256, kJefe, kNothing,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    HmacVector{Digest::kSha384, kHiKey, kHiThere,
               "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
               "faea9ea9076ede7f4af152e8b2fa9cb6"},
    HmacVector{Digest::kSha384, kJefe, kNothing,
               "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
               "8e2240ca5e69e2c78b3239ecfab21649"},
};

TEST_P(LanesTest, HashesAsInRfc2202AndRfc4231AtEveryWidth) {
  for (const HmacVector& vector : kHmacVectors) {
    const Octets key = hex(vector.key);
    const Octets text = hex(vector.text);
    const Octets expected = hex(vector.hmac);
    hmac_keys_[0].prepare(vector.digest, key);
    for (std::size_t width = 1; width <= 20; ++width) {
      std::vector<Octets> out(width, Octets(expected.size()));
      std::vector<HmacJob> jobs(width);
      for (std::size_t i = 0; i < width; ++i) {
        jobs[i] = {.key = &hmac_keys_[0], .text = text, .out = out[i]};
      }
      ASSERT_TRUE(lanes_->hmac(vector.digest, jobs));
      EXPECT_EQ(std::ranges::count(out, expected), std::ptrdiff_t(width)) << vector.hmac;
    }
  }
}

TEST(Lanes, AutoIsWhatThereIs) {
  const std::unique_ptr<Kit> kit = Kit::make();
  EXPECT_NE(Lanes::make(*kit, LanesChoice::kAuto), nullptr);
}

}  // namespace
}  // namespace usher::crypto
