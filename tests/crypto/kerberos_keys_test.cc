// engine/crypto/kerberos_keys.h: keys are derived exactly as RFC 3961, RFC 8009 and RFC 4757 say.
#include "engine/crypto/kerberos_keys.h"

#include <gtest/gtest.h>
#include <krb5.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/crypto/checksum.h"
#include "tests/crypto/recorded.h"
#include "tests/hex.h"

namespace usher::crypto {
namespace {

using testing::hex;
using testing::Octets;

Octets octets(std::string_view text) { return {text.begin(), text.end()}; }

TEST(NFold, IsAsRfc3961Prints) {  // RFC 3961 A.1
  struct FoldCase {
    const char* text;
    const char* folded;
  };
  const FoldCase cases[] = {
      {"012345", "be072631276b1955"},
      {"password", "78a07b6caf85fa"},
      {"Rough Consensus, and Running Code", "bb6ed30870b7f0e0"},
      {"password", "59e4a8ca7c0385c3c37b3f6d2000247cb6e6bd5b3e"},
      {"MASSACHVSETTS INSTITVTE OF TECHNOLOGY", "db3b0d8f0b061e603282b308a50841229ad798fab9540c1b"},
      {"Q", "518a54a215a8452a518a54a215a8452a518a54a215"},
      {"ba", "fb25d531ae8974499f52fd92ea9857c4ba24cf297e"},
      {"kerberos", "6b65726265726f73"},
      {"kerberos", "6b65726265726f737b9b5b2b93132b93"},
      {"kerberos", "8372c236344e5f1550cd0747e15d62ca7a5a3bcea4"},
      {"kerberos", "6b65726265726f737b9b5b2b93132b935c9bdcdad95c9899c4cae4dee6d6cae4"},
  };
  for (const FoldCase& c : cases) {
    const Octets expected = hex(c.folded);
    Octets out(expected.size(), 0xff);
    n_fold(octets(c.text), out);
    EXPECT_EQ(out, expected) << c.text << " to " << expected.size() * 8 << " bits";
  }
}

TEST(Derive, KnownKeysOfTheTicketUsage) {
  // 17, 18: the values MIT krb5's own test suite expects; OpenSSL's KRB5KDF agrees. 19, 20: RFC
  // 8009 Appendix A.
  struct DeriveCase {
    std::int32_t etype;
    const char* base;
    const char* kc;
    const char* ke;
    const char* ki;
  };
  const DeriveCase cases[] = {
      {17, "42263c6e89f4fc28b8df68ee09799f15", "34280a382bc92769b2da2f9ef066854b",
       "5b14fc4e250e14ddf9dccf1af6674f53", "4ed31063621684f09ae8d89991af3e8f"},
      {18, "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
       "bfab388bdcb238e9f9c98d6a878304f04d30c82556375ac507a7a852790f4674",
       "c7cfd9cd75fe793a586a542d87e0d1396f1134a104bb1a9190b8c90ada3ddf37",
       "97151b4c76945063e2eb0529dc067d97d7bba90776d8126d91f34f3101aea8ba"},
      {19, "3705d96080c17728a0e800eab6e0d23c", "b31a018a48f54776f403e9a396325dc3",
       "9b197dd1e8c5609d6e67c3e37c62c72e", "9fda0e56ab2d85e1569a688696c26a6c"},
      {20, "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52",
       "ef5718be86cc84963d8bbb5031e9f5c4ba41f28faf69e73d",
       "56ab22bee63d82d7bc5227f6773f8ea7a5eb1c825160c38312980c442e5c7e49",
       "69b16514e3cd8e56b82010d5c73012b622c4d00ffc23ed1f"},
  };
  const std::unique_ptr<Kit> kit = Kit::make();
  ASSERT_NE(kit, nullptr);
  for (const DeriveCase& c : cases) {
    const EtypeProfile& profile = *profile_of(c.etype);
    const Octets base = hex(c.base);
    Key key;
    const auto is = [&](const char* expected) {
      const Octets bytes(key.bytes().begin(), key.bytes().end());
      return bytes == hex(expected);
    };
    EXPECT_TRUE(derive_checksum(*kit, profile, base, KeyUsage::kTicket, key) && is(c.kc));
    EXPECT_TRUE(derive_encryption(*kit, profile, base, KeyUsage::kTicket, key) && is(c.ke));
    EXPECT_TRUE(derive_integrity(*kit, profile, base, KeyUsage::kTicket, key) && is(c.ki));
  }
}

// RFC 4757 prints no values. Its labels, written out: K1 of usage 2, and Ksign, whatever the usage.
TEST(Derive, Rc4HasOneKeyForTextAndTagAndOneForAllChecksums) {
  const std::unique_ptr<Kit> kit = Kit::make();
  ASSERT_NE(kit, nullptr);
  const EtypeProfile& profile = *profile_of(23);
  const Octets base(16, 0x61);
  const auto expected = [&](Bytes label) {
    Octets key(16);
    EXPECT_TRUE(kit->hmac_md5(base, std::span(&label, 1), key));
    return key;
  };
  const Octets k1 = expected(hex("02000000"));
  const Octets k_sign = expected(hex("7369676e61747572656b657900"));
  Key key;
  const auto is = [&](const Octets& other) { return std::ranges::equal(key.bytes(), other); };
  EXPECT_TRUE(derive_encryption(*kit, profile, base, KeyUsage::kTicket, key) && is(k1));
  EXPECT_TRUE(derive_integrity(*kit, profile, base, KeyUsage::kTicket, key) && is(k1));
  EXPECT_TRUE(derive_checksum(*kit, profile, base, KeyUsage::kTicket, key) && is(k_sign));
  EXPECT_TRUE(derive_checksum(*kit, profile, base, KeyUsage::kPac, key) && is(k_sign));
}

TEST(Derive, Rc4NumbersUsagesInItsOwnWay) {  // RFC 4757 3, and MIT krb5 for all the others
  for (std::uint32_t usage = 0; usage < 64; ++usage) {
    const std::uint32_t expected = usage == 3 ? 8 : usage == 23 ? 13 : usage;
    EXPECT_EQ(load_le<std::uint32_t>(rc4_salt(KeyUsage(usage))), expected);
  }
}

class EveryUsage : public ::testing::TestWithParam<KeyUsage> {};

// MIT krb5 makes the checksum; our Kc over the same bytes must give it too.
TEST_P(EveryUsage, ChecksumAgreesWithMit) {
  const std::unique_ptr<Kit> kit = Kit::make();
  ASSERT_NE(kit, nullptr);
  krb5_context context = nullptr;
  ASSERT_EQ(krb5_init_context(&context), 0);
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    const EtypeProfile& profile = *profile_of(etype);
    Octets base(profile.key_size, 0x61);
    krb5_keyblock block{};
    block.enctype = etype;
    block.length = profile.key_size;
    block.contents = base.data();
    std::string text = "what is signed";
    krb5_data data{};
    data.length = static_cast<unsigned>(text.size());
    data.data = text.data();
    krb5_checksum expected{};
    ASSERT_EQ(krb5_c_make_checksum(context, profile.checksum_type, &block,
                                   static_cast<krb5_keyusage>(GetParam()), &data, &expected),
              0);
    ChecksumKey key;
    ASSERT_TRUE(make_checksum_key(*kit, profile, base, GetParam(), key));
    Octets checksum(profile.checksum_size);
    const Octets covered = octets(text);
    const Bytes parts[] = {covered};
    ASSERT_TRUE(write_checksum(*kit, key, parts, checksum));
    EXPECT_EQ(checksum, Octets(expected.contents, expected.contents + expected.length)) << etype;
    krb5_free_checksum_contents(context, &expected);
  }
  krb5_free_context(context);
}

// 3 is one of the two that RC4 numbers otherwise; nobody here uses it.
INSTANTIATE_TEST_SUITE_P(Derive, EveryUsage,
                         ::testing::Values(KeyUsage::kTicket, KeyUsage(3),
                                           KeyUsage::kApReqAuthenticator, KeyUsage::kApRepEncPart,
                                           KeyUsage::kKrbCred, KeyUsage::kLegacyMic, KeyUsage::kPac,
                                           KeyUsage::kAcceptorSeal, KeyUsage::kAcceptorSign,
                                           KeyUsage::kInitiatorSeal, KeyUsage::kInitiatorSign));

TEST(Etypes, FiveAreServedAndAllHaveNames) {
  struct SizeCase {
    std::int32_t etype;
    std::uint32_t key;
    std::uint32_t overhead;
    std::int32_t checksum_type;
    std::uint32_t checksum;
  };
  constexpr SizeCase kSizes[] = {{17, 16, 16 + 12, 15, 12},
                                 {18, 32, 16 + 12, 16, 12},
                                 {19, 16, 16 + 16, 19, 16},
                                 {20, 32, 16 + 24, 20, 24},
                                 {23, 16, 8 + 16, -138, 16}};
  for (const SizeCase& c : kSizes) {
    const EtypeProfile* const profile = profile_of(c.etype);
    ASSERT_NE(profile, nullptr) << c.etype;
    EXPECT_EQ(static_cast<std::int32_t>(profile->etype), c.etype);
    EXPECT_EQ(profile->key_size, c.key);
    EXPECT_EQ(profile->overhead(), c.overhead);
    EXPECT_EQ(profile->checksum_type, c.checksum_type);
    EXPECT_EQ(profile->checksum_size, c.checksum);
  }
  // DES, DES3, RC4 for export, Camellia, and what only looks like 17.
  for (const std::int32_t etype : {-128, -1, 0, 1, 2, 3, 16, 24, 25, 26, 17 + 65536}) {
    EXPECT_EQ(profile_of(etype), nullptr) << etype;
  }
  EXPECT_EQ(etype_name(18), "aes256-cts-hmac-sha1-96");
  EXPECT_EQ(etype_name(23), "arcfour-hmac");
  EXPECT_EQ(etype_name(-1), "unknown");
}

TEST(Etypes, OnlyRc4IsWeaker) {
  for (const std::int32_t etype : {17, 18, 19, 20}) {
    EXPECT_LT(profile_of(23)->strength, profile_of(etype)->strength) << etype;
    EXPECT_EQ(profile_of(17)->strength, profile_of(etype)->strength) << etype;
  }
}

}  // namespace
}  // namespace usher::crypto
