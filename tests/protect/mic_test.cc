// engine/protect/mic.h: MICs are those of MIT krb5, of MS-NLMP and of a recorded client, and a MIC
// that differs in anything that counts is refused.
#include "engine/protect/mic.h"

#include <gtest/gtest.h>
#include <krb5.h>

#include <array>
#include <string>
#include <vector>

#include "engine/crypto/proof_batch.h"
#include "parsers/gss_message.h"
#include "parsers/spnego.h"
#include "tests/crypto/ntlm_recorded.h"
#include "tests/hex.h"

namespace usher::protect {
namespace {

using crypto::Kit;
using ntlm::NegotiateFlags;
using testing::Exact;
using testing::hex;
using testing::Octets;
using testing::utf16;

Octets octets(std::string_view text) { return {text.begin(), text.end()}; }

template <class Key>
Octets written(Kit& kit, const Key& key, Sender sender, std::uint32_t sequence, Bytes message) {
  Octets mic(kMicSizeMax);
  mic.resize(write_mic(kit, key, sender, sequence, message, mic));
  return mic;
}

class KerberosMic : public ::testing::TestWithParam<std::int32_t> {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }

  // mit_checksum is what MIT krb5 makes of the same key, usage and octets.
  Octets mit_checksum(int usage, Octets covered) {
    krb5_context context = nullptr;
    EXPECT_EQ(krb5_init_context(&context), 0);
    Octets key = key_;
    krb5_keyblock block{};
    block.enctype = GetParam();
    block.length = static_cast<unsigned>(key.size());
    block.contents = key.data();
    krb5_data data{};
    data.length = static_cast<unsigned>(covered.size());
    data.data = reinterpret_cast<char*>(covered.data());
    krb5_checksum checksum{};
    EXPECT_EQ(krb5_c_make_checksum(context, 0, &block, usage, &data, &checksum), 0);
    Octets result(checksum.contents, checksum.contents + checksum.length);
    krb5_free_checksum_contents(context, &checksum);
    krb5_free_context(context);
    return result;
  }

  KerberosMicKey mic_key(bool acceptor_subkey = false) const {
    return {.profile = crypto::profile_of(GetParam()),
            .key = key_,
            .key_is_acceptor_subkey = acceptor_subkey};
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
  const Octets key_ = Octets(crypto::profile_of(GetParam())->key_size, 0x29);
  const Octets message_ = octets("the mechanism list");
};
INSTANTIATE_TEST_SUITE_P(Etype, KerberosMic, ::testing::Values(17, 18, 19, 20));

TEST_P(KerberosMic, IsHeaderAndChecksumAsRfc4121Has) {
  struct HeaderCase {
    Sender sender;
    bool acceptor_subkey;
    std::uint64_t sequence;
    int usage;
    const char* header;
  };
  const HeaderCase cases[] = {
      {Sender::kInitiator, false, 0, 25, "0404 00 ffffffffff 0000000000000000"},
      {Sender::kInitiator, true, 0x12345678, 25, "0404 04 ffffffffff 0000000012345678"},
      {Sender::kAcceptor, false, 0x89abcdef, 23, "0404 01 ffffffffff 0000000089abcdef"},
      {Sender::kAcceptor, true, 0x0123456789abcdef, 23, "0404 05 ffffffffff 0123456789abcdef"},
  };
  for (const HeaderCase& c : cases) {
    Octets covered = message_;
    const Octets header = hex(c.header);
    covered.insert(covered.end(), header.begin(), header.end());
    Octets expected = header;
    const Octets checksum = mit_checksum(c.usage, covered);
    expected.insert(expected.end(), checksum.begin(), checksum.end());

    Octets mic(kMicSizeMax);
    mic.resize(write_mic(*kit_, mic_key(c.acceptor_subkey), c.sender, c.sequence, message_, mic));
    EXPECT_EQ(mic, expected) << c.header;
    EXPECT_TRUE(check_mic(*kit_, mic_key(c.acceptor_subkey), c.sender, c.sequence, message_, mic));
  }
}

TEST_P(KerberosMic, IsRefusedWhenAnythingIsNotAsExpected) {
  const Octets mic = written(*kit_, mic_key(), Sender::kInitiator, 7, message_);
  ASSERT_EQ(mic.size(), 16 + crypto::profile_of(GetParam())->checksum_size);
  ASSERT_EQ(mic.size(), mic_size(*crypto::profile_of(GetParam())));
  const auto accepted = [&](const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
                            Bytes message) {
    return check_mic(*kit_, key, sender, sequence, message, mic);
  };
  EXPECT_TRUE(accepted(mic_key(), Sender::kInitiator, 7, message_));
  EXPECT_FALSE(accepted(mic_key(), Sender::kInitiator, 8, message_));
  EXPECT_FALSE(accepted(mic_key(), Sender::kInitiator, 7 + (1ull << 32), message_));
  EXPECT_FALSE(accepted(mic_key(), Sender::kAcceptor, 7, message_)) << "reflected";
  EXPECT_FALSE(accepted(mic_key(true), Sender::kInitiator, 7, message_));
  EXPECT_FALSE(accepted(mic_key(), Sender::kInitiator, 7, octets("the mechanism lisT")));
  EXPECT_FALSE(accepted(mic_key(), Sender::kInitiator, 7, {}));
  const Octets other(key_.size(), 0x2a);
  KerberosMicKey other_key = mic_key();
  other_key.key = other;
  EXPECT_FALSE(accepted(other_key, Sender::kInitiator, 7, message_));
}

TEST_P(KerberosMic, EveryFlippedBitAndEveryOtherSizeIsRefused) {
  Octets mic = written(*kit_, mic_key(), Sender::kInitiator, 7, message_);
  const auto accepted = [&](Bytes candidate) {
    return check_mic(*kit_, mic_key(), Sender::kInitiator, 7, message_, candidate);
  };
  for (std::size_t bit = 0; bit < mic.size() * 8; ++bit) {
    mic[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(accepted(mic)) << bit;
    mic[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  Octets longer = mic;
  longer.push_back(0);
  for (std::size_t size = 0; size <= longer.size(); ++size) {
    const Exact candidate(Bytes(longer).first(size));
    EXPECT_EQ(accepted(candidate.bytes()), size == mic.size()) << size;
  }
}

// A sender of a later version may set flags we do not know; then the checksum covers them.
TEST_P(KerberosMic, UnknownFlagsAreIgnoredButSealedIsNot) {
  for (const std::uint8_t flags : std::array<std::uint8_t, 5>{0x00, 0x80, 0xf8, 0x02, 0x82}) {
    Octets header = hex("0404 00 ffffffffff 0000000000000007");
    header[2] = flags;
    Octets covered = message_;
    covered.insert(covered.end(), header.begin(), header.end());
    const Octets checksum = mit_checksum(25, covered);
    Octets mic = header;
    mic.insert(mic.end(), checksum.begin(), checksum.end());
    EXPECT_EQ(check_mic(*kit_, mic_key(), Sender::kInitiator, 7, message_, mic),
              (flags & 0x02) == 0)
        << int{flags};
  }
}

// RC4's have the old framing (RFC 1964 1.2.1) and 32 bits of sequence number. That they are MIT's
// is for tests/interop/mint_test.cc to say.
class LegacyMic : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }

  bool accepted(Sender sender, std::uint32_t sequence, Bytes message, Bytes mic) {
    return check_mic(*kit_, mic_key_, sender, sequence, message, mic);
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
  const Octets key_ = Octets(16, 0x29);
  const KerberosMicKey mic_key_{.profile = crypto::profile_of(23), .key = key_};
  const Octets message_ = octets("the mechanism list");
};

TEST_F(LegacyMic, IsWhatRfc4757Describes) {
  const Octets mic = written(*kit_, mic_key_, Sender::kAcceptor, 0x89abcdef, message_);
  EXPECT_EQ(mic.size(), mic_size(*mic_key_.profile));
  const Result<gss::LegacyToken> token = gss::parse_legacy_token(mic);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->id, gss::LegacyTokenId::kMic);
  EXPECT_EQ(token->sign, gss::SignAlgorithm::kHmacMd5);

  // RFC 4757 7.2, step by step.
  const auto hmac = [&](Bytes key, Bytes text) {
    Octets out(16);
    EXPECT_TRUE(kit_->hmac_md5(key, std::span(&text, 1), out));
    return out;
  };
  const Octets salt = hex("0f000000");
  const Bytes covered[] = {salt, token->header, message_};
  Octets digest(16);
  ASSERT_TRUE(kit_->md5(covered, digest));
  const Octets sign_key = hmac(key_, hex("7369676e61747572656b657900"));
  const Octets checksum = hmac(sign_key, digest);
  EXPECT_TRUE(std::ranges::equal(token->checksum, Bytes(checksum).first(8)));
  const Octets sequence_key = hmac(hmac(key_, hex("00000000")), token->checksum);
  Octets sequence(8);
  ASSERT_TRUE(kit_->rc4(sequence_key, token->encrypted_sequence, sequence));
  EXPECT_EQ(sequence, hex("89abcdef ffffffff"));

  const Octets ours = written(*kit_, mic_key_, Sender::kInitiator, 1, message_);
  const Result<gss::LegacyToken> initiators = gss::parse_legacy_token(ours);
  ASSERT_TRUE(initiators.ok());
  EXPECT_FALSE(std::ranges::equal(initiators->encrypted_sequence, token->encrypted_sequence));
}

TEST_F(LegacyMic, IsRefusedWhenAnythingIsNotAsExpected) {
  const Octets mic = written(*kit_, mic_key_, Sender::kInitiator, 7, message_);
  EXPECT_TRUE(accepted(Sender::kInitiator, 7, message_, mic));
  EXPECT_FALSE(accepted(Sender::kInitiator, 8, message_, mic));
  EXPECT_FALSE(accepted(Sender::kAcceptor, 7, message_, mic)) << "reflected";
  EXPECT_FALSE(accepted(Sender::kInitiator, 7, octets("the mechanism lisT"), mic));
  EXPECT_FALSE(accepted(Sender::kInitiator, 7, {}, mic));
  const Octets other(16, 0x2a);
  const KerberosMicKey other_key{.profile = mic_key_.profile, .key = other};
  EXPECT_FALSE(check_mic(*kit_, other_key, Sender::kInitiator, 7, message_, mic));
  // An AES key's MIC is none, and the reverse (attack C4).
  const KerberosMicKey aes{.profile = crypto::profile_of(17), .key = key_};
  EXPECT_FALSE(check_mic(*kit_, aes, Sender::kInitiator, 7, message_, mic));
  EXPECT_FALSE(accepted(Sender::kInitiator, 7, message_,
                        written(*kit_, aes, Sender::kInitiator, 7, message_)));
}

TEST_F(LegacyMic, EveryFlippedBitAndEveryOtherSizeIsRefused) {
  Octets mic = written(*kit_, mic_key_, Sender::kInitiator, 7, message_);
  for (std::size_t bit = 0; bit < mic.size() * 8; ++bit) {
    mic[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(accepted(Sender::kInitiator, 7, message_, mic)) << bit;
    mic[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  Octets longer = mic;
  longer.resize(70);
  for (std::size_t size = 0; size <= longer.size(); ++size) {
    const Exact candidate(Bytes(longer).first(size));
    EXPECT_EQ(accepted(Sender::kInitiator, 7, message_, candidate.bytes()), size == mic.size())
        << size;
  }
}

class NtlmMic : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }
  const std::unique_ptr<Kit> kit_ = Kit::make();
};

constexpr NegotiateFlags kStrong = NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k128;

TEST_F(NtlmMic, IsAsMsNlmpPrints) {
  const Octets message = utf16("Plaintext");
  // MS-NLMP 4.2.3.4: no key exchange, so the checksum stands in the clear.
  const Octets weak_key = hex("eb93429a8bd952f8b89c55b87f475edc");
  const NtlmMicKey weak{.exported_session_key = weak_key,
                        .flags = NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k56};
  EXPECT_EQ(written(*kit_, weak, Sender::kInitiator, 0, message),
            hex("01000000 ff2aeb52f681793a 00000000"));
  // MS-NLMP 4.2.4.4 prints the checksum before it is sealed.
  const Octets key = Octets(16, 0x55);
  const NtlmMicKey strong{.exported_session_key = key, .flags = kStrong};
  EXPECT_EQ(written(*kit_, strong, Sender::kInitiator, 0, message),
            hex("01000000 70352851f2564309 00000000"));
}

TEST_F(NtlmMic, SealsTheChecksumWithTheKeyOfTheNegotiatedStrength) {
  // SEALKEYs of MS-NLMP 4.2.4.4 (128 bits) and 4.2.3.4 (56 bits), and the 40-bit one by 3.4.5.3.
  struct SealCase {
    NegotiateFlags strength;
    const char* session_key;
    const char* sealing_key;
    const char* checksum;
  };
  const SealCase cases[] = {
      {NegotiateFlags::k128, "55555555555555555555555555555555", "59f600973cc4960a25480a7c196e4c58",
       "70352851f2564309"},
      {NegotiateFlags::k128 | NegotiateFlags::k56, "55555555555555555555555555555555",
       "59f600973cc4960a25480a7c196e4c58", "70352851f2564309"},
      {NegotiateFlags::k56, "eb93429a8bd952f8b89c55b87f475edc", "04dd7f014d8504d265a25cc86a3a7c06",
       "ff2aeb52f681793a"},
      {NegotiateFlags{}, "eb93429a8bd952f8b89c55b87f475edc", "26b2c1e77be4533d555a220a0fdeb96c",
       "ff2aeb52f681793a"},
  };
  const Octets message = utf16("Plaintext");
  for (const SealCase& c : cases) {
    const Octets session_key = hex(c.session_key);
    const NtlmMicKey key{.exported_session_key = session_key,
                         .flags = NegotiateFlags::kExtendedSessionSecurity |
                                  NegotiateFlags::kKeyExchange | c.strength};
    Octets sealed(8);
    ASSERT_TRUE(kit_->rc4(hex(c.sealing_key), hex(c.checksum), sealed));
    Octets expected = hex("01000000");
    expected.insert(expected.end(), sealed.begin(), sealed.end());
    expected.insert(expected.end(), 4, 0);
    EXPECT_EQ(written(*kit_, key, Sender::kInitiator, 0, message), expected) << c.sealing_key;
  }
}

// gss-ntlmssp as the client and as the server of one exchange over SPNEGO: both mechListMICs.
TEST_F(NtlmMic, RecordedMechListMicsAreGenuineBothWays) {
  const std::string file = "http/gssntlmssp-spnego-mic.txt";
  testing::RecordedNtlm exchange(*kit_, file);
  crypto::ProofJob job = exchange.job();
  crypto::verify_proofs(*kit_, std::span(&job, 1));
  ASSERT_EQ(job.proof_outcome, crypto::Outcome::kDone);
  const std::vector<Octets> tokens = testing::transcript(file);
  ASSERT_EQ(tokens.size(), 4u);
  const auto init = spnego::parse_neg_token_init(tokens[0]);
  const auto client = spnego::parse_neg_token_resp(tokens[2]);
  const auto server = spnego::parse_neg_token_resp(tokens[3]);
  ASSERT_TRUE(init.ok() && client.ok() && server.ok());
  ASSERT_EQ(client->mech_list_mic.size(), 16u);
  const NtlmMicKey key{.exported_session_key = exchange.session_key(), .flags = exchange.flags()};
  EXPECT_TRUE(has(key.flags, NegotiateFlags::kKeyExchange));

  EXPECT_TRUE(
      check_mic(*kit_, key, Sender::kInitiator, 0, init->mech_types, client->mech_list_mic));
  const Octets reply = written(*kit_, key, Sender::kAcceptor, 0, init->mech_types);
  EXPECT_TRUE(std::ranges::equal(reply, server->mech_list_mic));

  // The list with another mechanism in it, as a man in the middle would have it.
  Octets changed(init->mech_types.begin(), init->mech_types.end());
  changed.back() ^= 1;
  EXPECT_FALSE(check_mic(*kit_, key, Sender::kInitiator, 0, changed, client->mech_list_mic));
  EXPECT_FALSE(
      check_mic(*kit_, key, Sender::kInitiator, 0, init->mech_types, server->mech_list_mic));
}

TEST_F(NtlmMic, EveryFlippedBitSizeSenderAndSequenceIsRefused) {
  const Octets session_key(16, 0x55);
  const Octets message = octets("the mechanism list");
  for (const NegotiateFlags flags : {kStrong, kStrong | NegotiateFlags::kKeyExchange}) {
    const NtlmMicKey key{.exported_session_key = session_key, .flags = flags};
    Octets mic = written(*kit_, key, Sender::kInitiator, 3, message);
    const auto accepted = [&](Bytes candidate) {
      return check_mic(*kit_, key, Sender::kInitiator, 3, message, candidate);
    };
    EXPECT_TRUE(accepted(mic));
    EXPECT_FALSE(check_mic(*kit_, key, Sender::kAcceptor, 3, message, mic));
    EXPECT_FALSE(check_mic(*kit_, key, Sender::kInitiator, 4, message, mic));
    for (std::size_t bit = 0; bit < mic.size() * 8; ++bit) {
      mic[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      EXPECT_FALSE(accepted(mic)) << bit;
      mic[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    Octets longer = mic;
    longer.push_back(0);
    for (std::size_t size = 0; size <= longer.size(); ++size) {
      const Exact candidate(Bytes(longer).first(size));
      EXPECT_EQ(accepted(candidate.bytes()), size == mic.size()) << size;
    }
  }
}

}  // namespace
}  // namespace usher::protect
