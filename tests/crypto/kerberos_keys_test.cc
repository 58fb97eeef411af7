// engine/crypto/kerberos_keys.h: keys are derived exactly as RFC 3961 says.
#include "engine/crypto/kerberos_keys.h"

#include <gtest/gtest.h>
#include <krb5.h>

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
  // The values MIT krb5's own test suite expects; OpenSSL's KRB5KDF agrees.
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

class EveryUsage : public ::testing::TestWithParam<KeyUsage> {};

// MIT krb5 makes the checksum; our Kc over the same bytes must give it too.
TEST_P(EveryUsage, ChecksumKeyAgreesWithMit) {
  const std::unique_ptr<Kit> kit = Kit::make();
  ASSERT_NE(kit, nullptr);
  krb5_context context = nullptr;
  ASSERT_EQ(krb5_init_context(&context), 0);
  for (const std::int32_t etype : {17, 18}) {
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
    ASSERT_EQ(krb5_c_make_checksum(context, 0, &block, static_cast<krb5_keyusage>(GetParam()),
                                   &data, &expected),
              0);
    Key kc;
    ASSERT_TRUE(derive_checksum(*kit, profile, base, GetParam(), kc));
    Octets hmac(20);
    const Octets covered = octets(text);
    const Bytes parts[] = {covered};
    ASSERT_TRUE(kit->hmac_sha1(kc.bytes(), parts, hmac));
    hmac.resize(profile.tag_size);
    EXPECT_EQ(hmac, Octets(expected.contents, expected.contents + expected.length)) << etype;
    krb5_free_checksum_contents(context, &expected);
  }
  krb5_free_context(context);
}

// 17 is the PAC signatures' usage, which has no name in KeyUsage.
INSTANTIATE_TEST_SUITE_P(Derive, EveryUsage,
                         ::testing::Values(KeyUsage::kTicket, KeyUsage::kApReqAuthenticator,
                                           KeyUsage::kApRepEncPart, KeyUsage::kAcceptorSeal,
                                           KeyUsage::kAcceptorSign, KeyUsage::kInitiatorSeal,
                                           KeyUsage::kInitiatorSign, KeyUsage(17)));

TEST(Etypes, OnlyAesSha1IsServedAndAllHaveNames) {
  ASSERT_NE(profile_of(17), nullptr);
  ASSERT_NE(profile_of(18), nullptr);
  EXPECT_EQ(profile_of(17)->key_size, 16u);
  EXPECT_EQ(profile_of(18)->key_size, 32u);
  EXPECT_EQ(profile_of(18)->overhead(), 28u);
  for (const std::int32_t etype : {-1, 0, 1, 3, 16, 19, 20, 23, 25, 26, 17 + 65536}) {
    EXPECT_EQ(profile_of(etype), nullptr) << etype;
  }
  EXPECT_EQ(etype_name(18), "aes256-cts-hmac-sha1-96");
  EXPECT_EQ(etype_name(23), "arcfour-hmac");
  EXPECT_EQ(etype_name(-1), "unknown");
}

}  // namespace
}  // namespace usher::crypto
