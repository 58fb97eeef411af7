// parsers/gss.h: what a token is, whose it is, and the flags and bindings of the 0x8003 checksum.
#include "parsers/gss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "parsers/der_writer.h"
#include "tests/hex.h"
#include "tests/recorded.h"

namespace usher::gss {
namespace {

using usher::testing::hex;
using usher::testing::recorded_exchange;
using usher::testing::recorded_token;

struct MechanismCase {
  const char* name;
  Mechanism mechanism;
  const char* oid;
};

constexpr std::array kMechanisms = {
    MechanismCase{"Spnego", Mechanism::kSpnego, "2b0601050502"},
    MechanismCase{"Kerberos", Mechanism::kKerberos, "2a864886f712010202"},
    MechanismCase{"MsKerberos", Mechanism::kMsKerberos, "2a864882f712010202"},
    MechanismCase{"Ntlm", Mechanism::kNtlm, "2b06010401823702020a"},
    MechanismCase{"NegoEx", Mechanism::kNegoEx, "2b06010401823702021e"},
    MechanismCase{"UserToUser", Mechanism::kUserToUser, "2a864886f71201020203"},
    MechanismCase{"Iakerb", Mechanism::kIakerb, "2b0601050205"},
};

class GssMechanismTable : public ::testing::TestWithParam<MechanismCase> {};

TEST_P(GssMechanismTable, IsItsOid) {
  const MechanismCase& c = GetParam();
  const auto oid = hex(c.oid);
  EXPECT_EQ(mechanism_of(oid), c.mechanism);
  EXPECT_TRUE(std::ranges::equal(oid_of(c.mechanism), oid));
  EXPECT_NE(mechanism_of(Bytes(oid).first(oid.size() - 1)), c.mechanism);
  auto longer = oid;
  longer.push_back(0x01);
  EXPECT_EQ(mechanism_of(longer), Mechanism::kUnknown);
}

INSTANTIATE_TEST_SUITE_P(Table, GssMechanismTable, ::testing::ValuesIn(kMechanisms),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(GssMechanism, HasNoOidIfUnknown) {
  EXPECT_TRUE(oid_of(Mechanism::kUnknown).empty());
  EXPECT_EQ(mechanism_of({}), Mechanism::kUnknown);
  EXPECT_EQ(mechanism_of(hex("2a")), Mechanism::kUnknown);
}

TEST(GssMechanism, HasANameOfItsOwn) {
  std::set<std::string_view> names = {name_of(Mechanism::kUnknown)};
  for (const MechanismCase& c : kMechanisms) {
    EXPECT_FALSE(name_of(c.mechanism).empty());
    EXPECT_TRUE(names.insert(name_of(c.mechanism)).second) << c.name;
  }
  EXPECT_EQ(name_of(Mechanism::kKerberos), "Kerberos");
  EXPECT_EQ(name_of(Mechanism::kNtlm), "NTLM");
}

struct KindCase {
  const char* name;
  const char* token;
  TokenKind kind;
};

constexpr std::array kKinds = {
    KindCase{"Empty", "", TokenKind::kUnknown},
    KindCase{"Initial", "60", TokenKind::kGssInitial},
    KindCase{"BareNegTokenInit", "a0 03 30 01", TokenKind::kNegTokenInit},
    KindCase{"NegTokenResp", "a1 07", TokenKind::kNegTokenResp},
    KindCase{"BareApReq", "6e 82 069f", TokenKind::kApReq},
    KindCase{"Ntlm", "4e544c4d53535000 01000000", TokenKind::kNtlm},
    KindCase{"NtlmSignatureOnly", "4e544c4d53535000", TokenKind::kNtlm},
    KindCase{"NtlmCutOff", "4e544c4d535350", TokenKind::kUnknown},
    KindCase{"NtlmWithoutNul", "4e544c4d53535020 01000000", TokenKind::kUnknown},
    KindCase{"ApRep", "6f 02 3000", TokenKind::kUnknown},
    KindCase{"KrbError", "7e 02 3000", TokenKind::kUnknown},
    KindCase{"TokId", "01 00 6e", TokenKind::kUnknown},
    KindCase{"Context2", "a2 00", TokenKind::kUnknown},
    KindCase{"Sequence", "30 00", TokenKind::kUnknown},
    KindCase{"NegoExMessage", "4e45474f45585453", TokenKind::kUnknown},
    KindCase{"Zero", "00", TokenKind::kUnknown},
};

class GssKindTable : public ::testing::TestWithParam<KindCase> {};

TEST_P(GssKindTable, IsToldByTheFirstOctets) {
  EXPECT_EQ(kind_of(hex(GetParam().token)), GetParam().kind);
}

INSTANTIATE_TEST_SUITE_P(Table, GssKindTable, ::testing::ValuesIn(kKinds),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(GssKind, IsToldForRecordedTokens) {
  EXPECT_EQ(kind_of(recorded_token("ad/aes256-krb5.hex")), TokenKind::kGssInitial);
  EXPECT_EQ(kind_of(recorded_token("ad/aes256-krb5-dce.hex")), TokenKind::kApReq);
  EXPECT_EQ(kind_of(recorded_token("mit/rc4-hmac-spnego.hex")), TokenKind::kGssInitial);
  EXPECT_EQ(kind_of(recorded_exchange("http/winpr2-cli-ntlm.txt")[0].token), TokenKind::kNtlm);
  EXPECT_EQ(kind_of(recorded_exchange("http/curl-nego-krb.txt")[1].token),
            TokenKind::kNegTokenResp);
}

struct InitialCase {
  const char* name;
  const char* token;
  ParseFault fault;
  const char* why;
};

// The smallest Kerberos one, for reference: 60 0d | 06 09 2a864886f712010202 | 0100
constexpr std::array kInitials = {
    InitialCase{"Kerberos", "60 0d 06 09 2a864886f712010202 0100", {}, "RFC 2743 3.1"},
    InitialCase{"NothingInside", "60 0b 06 09 2a864886f712010202", {}, "framing only"},
    InitialCase{"Empty", "", {ParseCode::kTruncated, 0}, "no identifier octet"},
    InitialCase{"BareApReq", "6e 02 3000", {ParseCode::kUnexpectedTag, 0}, "B2: no framing"},
    InitialCase{"NoOid", "60 02 0100", {ParseCode::kUnexpectedTag, 2}, "thisMech is not optional"},
    InitialCase{"EmptyFraming", "60 00", {ParseCode::kTruncated, 2}, "thisMech is missing"},
    InitialCase{"EmptyOid", "60 04 06 00 0100", {ParseCode::kBadValue, 4}, "X.690 8.19.2"},
    InitialCase{"OuterOneLess",
                "60 0c 06 09 2a864886f712010202 0100",
                {ParseCode::kTrailingBytes, 14},
                "A8: outer length 1 less"},
    InitialCase{"OuterOneMore",
                "60 0e 06 09 2a864886f712010202 0100",
                {ParseCode::kTruncated, 0},
                "A8: outer length 1 more"},
    InitialCase{"OuterThreeMore",
                "60 10 06 09 2a864886f712010202 0100",
                {ParseCode::kTruncated, 0},
                "A8: outer length 3 more"},
    InitialCase{"OidLeavesFraming",
                "60 0d 06 0c 2a864886f712010202 0100",
                {ParseCode::kTruncated, 2},
                "inner length beyond the outer one"},
    InitialCase{"Indefinite",
                "60 80 06 09 2a864886f712010202 0100 0000",
                {ParseCode::kBadLength, 1},
                "X.690 10.1"},
    InitialCase{
        "NonMinimal", "60 81 0d 06 09 2a864886f712010202 0100", {ParseCode::kBadLength, 1}, "A13"},
};

class GssInitialTable : public ::testing::TestWithParam<InitialCase> {};

TEST_P(GssInitialTable, IsReadOrPointedAt) {
  const InitialCase& c = GetParam();
  const auto token = hex(c.token);
  EXPECT_EQ(parse_initial_token(token).fault(), c.fault) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, GssInitialTable, ::testing::ValuesIn(kInitials),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// framed is `size` octets with the header of a mechanism's token in front.
std::vector<std::uint8_t> framed(Mechanism mechanism, std::size_t size) {
  std::vector<std::uint8_t> out(size + 32, 0x5a);
  der::Writer writer(out);
  writer.octets(Bytes(out).last(size));
  writer.bytes(der::Tag::kOid, oid_of(mechanism));
  writer.wrap(der::application(0));
  const Bytes token = writer.written();
  return {token.begin(), token.end()};
}

// Around the sizes at which the length in the header gets another form.
TEST(GssInitial, IsTakenApartAtAnySize) {
  for (const MechanismCase& c : kMechanisms) {
    for (const std::size_t size :
         {0u,      110u,    128u,    239u,    240u,    241u,    242u,    243u,   244u,
          245u,    246u,    247u,    248u,    249u,    250u,    256u,    4000u,  65'520u,
          65'522u, 65'523u, 65'524u, 65'525u, 65'527u, 65'528u, 65'535u, 70'000u}) {
      const std::vector<std::uint8_t> token = framed(c.mechanism, size);
      const Result<InitialToken> initial = parse_initial_token(token);
      ASSERT_TRUE(initial.ok()) << c.name << ' ' << size;
      EXPECT_EQ(initial->mechanism, c.mechanism) << size;
      EXPECT_TRUE(std::ranges::equal(initial->oid, oid_of(c.mechanism))) << size;
      EXPECT_EQ(initial->inner.size(), size) << c.name;
      EXPECT_EQ(initial->inner.data() + size, token.data() + token.size()) << c.name;
    }
  }
}

// No bit of the header can be another without being a fault or another mechanism.
TEST(GssInitial, IsAnotherWithAnyBitOfItsHeaderChanged) {
  for (const Mechanism mechanism : {Mechanism::kSpnego, Mechanism::kKerberos}) {
    std::vector<std::uint8_t> token = framed(mechanism, 1000);
    for (std::size_t bit = 0; bit < 8 * (token.size() - 1000); ++bit) {
      token[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      const Result<InitialToken> initial = parse_initial_token(token);
      EXPECT_TRUE(!initial.ok() || initial->mechanism != mechanism) << bit;
      token[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
    EXPECT_TRUE(parse_initial_token(token).ok());
    token.push_back(0);
    EXPECT_EQ(parse_initial_token(token).fault().code, ParseCode::kTrailingBytes);
    token.resize(token.size() - 2);
    EXPECT_EQ(parse_initial_token(token).fault(), (ParseFault{ParseCode::kTruncated, 0}));
  }
}

TEST(GssInitial, IsTakenApart) {
  const auto token = hex("60 0d 06 09 2a864886f712010202 0100");
  const Result<InitialToken> initial = parse_initial_token(token);
  ASSERT_TRUE(initial.ok());
  EXPECT_EQ(initial->mechanism, Mechanism::kKerberos);
  EXPECT_EQ(initial->oid.data(), &token[4]);
  EXPECT_EQ(initial->oid.size(), 9u);
  EXPECT_EQ(initial->inner.data(), &token[13]);
  EXPECT_EQ(initial->inner.size(), 2u);

  const auto unknown = hex("60 05 06 01 2a 0100");
  ASSERT_TRUE(parse_initial_token(unknown).ok());
  EXPECT_EQ(parse_initial_token(unknown)->mechanism, Mechanism::kUnknown);
}

TEST(GssInitial, OfEveryRecordedClientHoldsAnApReq) {
  for (const char* const name :
       {"ad/aes256-krb5.hex", "ad/aes256-krb5-deleg.hex", "mit/aes128-sha2-krb5.hex",
        "mit/aes256-cts-krb5.hex", "mit/aes256-cts-krb5-cb.hex", "mit/rc4-hmac-krb5.hex"}) {
    const auto token = recorded_token(name);
    const Result<InitialToken> initial = parse_initial_token(token);
    ASSERT_TRUE(initial.ok()) << name;
    EXPECT_EQ(initial->mechanism, Mechanism::kKerberos) << name;
    const Result<KerberosToken> kerberos = parse_kerberos_token(initial->inner);
    ASSERT_TRUE(kerberos.ok()) << name;
    EXPECT_EQ(kerberos->id, KerberosTokenId::kApReq) << name;
    EXPECT_EQ(kind_of(kerberos->message), TokenKind::kApReq) << name;
    for (std::size_t size = 0; size < token.size(); ++size) {  // B15
      ASSERT_FALSE(parse_initial_token(Bytes(token).first(size)).ok()) << name << size;
    }
  }
}

TEST(GssKerberosToken, KnowsThreeTokenIds) {
  EXPECT_EQ(parse_kerberos_token(hex("0100 6e00"))->id, KerberosTokenId::kApReq);
  EXPECT_EQ(parse_kerberos_token(hex("0200 6f00"))->id, KerberosTokenId::kApRep);
  EXPECT_EQ(parse_kerberos_token(hex("0300 7e00"))->id, KerberosTokenId::kError);
  EXPECT_EQ(parse_kerberos_token(hex("0100 6e00"))->message.size(), 2u);
  EXPECT_TRUE(parse_kerberos_token(hex("0100"))->message.empty());

  EXPECT_EQ(parse_kerberos_token({}).fault(), (ParseFault{ParseCode::kTruncated, 0}));
  EXPECT_EQ(parse_kerberos_token(hex("01")).fault(), (ParseFault{ParseCode::kTruncated, 0}));
  // RFC 4121 4.1: TOK_ID is big-endian; 04 00 is user-to-user's, 04 04 a MIC's, 05 04 a wrap's.
  for (const char* const token : {"0001", "0000", "0101", "0400", "0404", "0504", "6e82"}) {
    EXPECT_EQ(parse_kerberos_token(hex(token)).fault(), (ParseFault{ParseCode::kBadValue, 2}))
        << token;
  }
}

TEST(GssKerberosToken, IsFramedAsItIsRead) {
  const auto ap_rep = hex("6f 02 30 00");
  std::array<std::uint8_t, 64> out{};
  der::Writer writer(out);
  writer.octets(ap_rep);
  frame_kerberos(writer, KerberosTokenId::kApRep);
  const auto expected = hex("60 11 06 09 2a864886f712010202 0200 6f 02 30 00");
  EXPECT_TRUE(std::ranges::equal(writer.written(), expected));
}

struct ChecksumCase {
  const char* name;
  const char* checksum;
  ParseFault fault;
  const char* why;
};

#define BINDINGS "a8398e96473163fef6cae76013e8ab5a"

constexpr std::array kChecksums = {
    ChecksumCase{"Plain", "10000000" BINDINGS "3e000000", {}, "24 bytes"},
    ChecksumCase{"Extensions", "10000000" BINDINGS "3e000000 aabbcc", {}, "RFC 4121 4.1.1: Exts"},
    ChecksumCase{"Delegation", "10000000" BINDINGS "3f000000 0100 0200 7600", {}, "DlgOpt 1"},
    ChecksumCase{"DelegationAndExtensions",
                 "10000000" BINDINGS "3f000000 0100 0200 7600 aabbcc",
                 {},
                 "both"},
    ChecksumCase{"UnknownFlags", "10000000" BINDINGS "3e00ff80", {}, "C12: kept, mean nothing"},
    ChecksumCase{"Empty", "", {ParseCode::kTruncated, 0}, "C12"},
    ChecksumCase{"LengthOf15", "0f000000" BINDINGS "3e000000", {ParseCode::kBadValue, 4}, "C12"},
    ChecksumCase{"LengthOf17", "11000000" BINDINGS "3e000000", {ParseCode::kBadValue, 4}, "C12"},
    ChecksumCase{"LengthBigEndian",
                 "00000010" BINDINGS "3e000000",
                 {ParseCode::kBadValue, 4},
                 "RFC 4121 4.1.1: little-endian"},
    ChecksumCase{"BindingsCutOff",
                 "10000000 a8398e96473163fef6cae76013e8ab",
                 {ParseCode::kTruncated, 4},
                 "15 of 16"},
    ChecksumCase{
        "FlagsCutOff", "10000000" BINDINGS "3e0000", {ParseCode::kTruncated, 20}, "3 of 4"},
    ChecksumCase{"DelegationMissing",
                 "10000000" BINDINGS "3f000000",
                 {ParseCode::kTruncated, 24},
                 "C11: the flag without the field"},
    ChecksumCase{"DelegationOption0",
                 "10000000" BINDINGS "3f000000 0000 0200 7600",
                 {ParseCode::kBadValue, 26},
                 "DlgOpt is 1"},
    ChecksumCase{"DelegationEmpty",
                 "10000000" BINDINGS "3f000000 0100 0000",
                 {ParseCode::kBadValue, 28},
                 "C11: Dlgth 0"},
    ChecksumCase{"DelegationOneTooLong",
                 "10000000" BINDINGS "3f000000 0100 0300 7600",
                 {ParseCode::kTruncated, 28},
                 "C11: Dlgth longer than the rest"},
    ChecksumCase{"DelegationLengthCutOff",
                 "10000000" BINDINGS "3f000000 0100 02",
                 {ParseCode::kTruncated, 26},
                 "half a Dlgth"},
};

class GssChecksumTable : public ::testing::TestWithParam<ChecksumCase> {};

TEST_P(GssChecksumTable, IsReadOrPointedAt) {
  const ChecksumCase& c = GetParam();
  EXPECT_EQ(parse_gss_checksum(hex(c.checksum)).fault(), c.fault) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, GssChecksumTable, ::testing::ValuesIn(kChecksums),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(GssChecksum, IsTakenApart) {
  const auto octets = hex("10000000" BINDINGS "23700000 0100 0200 7600 aabbcc");
  const Result<GssChecksum> checksum = parse_gss_checksum(octets);
  ASSERT_TRUE(checksum.ok());
  EXPECT_TRUE(std::ranges::equal(checksum->bindings, hex(BINDINGS)));
  EXPECT_TRUE(has(checksum->flags, ContextFlags::kDelegate));
  EXPECT_TRUE(has(checksum->flags, ContextFlags::kMutual));
  EXPECT_FALSE(has(checksum->flags, ContextFlags::kReplay));
  EXPECT_FALSE(has(checksum->flags, ContextFlags::kConfidentiality));
  EXPECT_TRUE(has(checksum->flags, ContextFlags::kIntegrity));
  EXPECT_TRUE(has(checksum->flags, ContextFlags::kDceStyle));
  EXPECT_TRUE(has(checksum->flags, ContextFlags::kIdentify));
  EXPECT_TRUE(has(checksum->flags, ContextFlags::kExtendedError));
  EXPECT_TRUE(std::ranges::equal(checksum->delegation, hex("7600")));
  EXPECT_TRUE(std::ranges::equal(checksum->extensions, hex("aabbcc")));

  // Without the flag the same octets are extensions: nothing announces a KRB_CRED.
  const auto without = hex("10000000" BINDINGS "22700000 0100 0200 7600 aabbcc");
  ASSERT_TRUE(parse_gss_checksum(without).ok());
  EXPECT_TRUE(parse_gss_checksum(without)->delegation.empty());
  EXPECT_EQ(parse_gss_checksum(without)->extensions.size(), 9u);
}

TEST(GssChecksum, IsRefusedUpToItsLastFixedByte) {
  const auto octets = hex("10000000" BINDINGS "3f000000 0100 0200 7600");
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_FALSE(parse_gss_checksum(Bytes(octets).first(size)).ok()) << size;
  }
  EXPECT_TRUE(parse_gss_checksum(octets).ok());
}

}  // namespace
}  // namespace usher::gss
