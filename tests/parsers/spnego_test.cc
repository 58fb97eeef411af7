// parsers/spnego.h: what is accepted, what is refused, and where the refusal points.
#include "parsers/spnego.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "tests/hex.h"
#include "tests/recorded.h"

namespace usher::spnego {
namespace {

using gss::Mechanism;
using usher::testing::hex;
using usher::testing::Leg;
using usher::testing::recorded_exchange;
using usher::testing::recorded_token;

struct InitCase {
  const char* name;
  const char* token;
  ParseFault fault;
  const char* why;
};

// The smallest accepted token, for reference:
// 60 13 | 06 06 2b0601050502 | a0 09 | 30 07 | a0 05 | 30 03 06 01 2a
constexpr std::array kInits = {
    InitCase{"Smallest", "60 13 06 06 2b0601050502 a0 09 30 07 a0 05 30 03 06 01 2a", {}, ""},
    InitCase{"Bare", "a0 09 30 07 a0 05 30 03 06 01 2a", {}, "without the GSS-API header"},
    InitCase{"EmptyMechToken", "a0 0d 30 0b a0 05 30 03 06 01 2a a2 02 04 00", {}, "may be empty"},
    InitCase{"Mic", "a0 0e 30 0c a0 05 30 03 06 01 2a a3 03 04 01 dd", {}, "B9: tag 3"},
    InitCase{"MicUnderTag4",
             "a0 0e 30 0c a0 05 30 03 06 01 2a a4 03 04 01 dd",
             {ParseCode::kTrailingBytes, 11},
             "B9: tag 4 is no MIC"},
    InitCase{"MicOfOtherTag",
             "a0 0e 30 0c a0 05 30 03 06 01 2a a3 03 02 01 dd",
             {ParseCode::kUnexpectedTag, 13},
             "B10"},
    InitCase{
        "MicMissing", "a0 0b 30 09 a0 05 30 03 06 01 2a a3 00", {ParseCode::kTruncated, 13}, "B10"},
    InitCase{"MicTooLong",
             "a0 0e 30 0c a0 05 30 03 06 01 2a a3 03 04 02 dd",
             {ParseCode::kTruncated, 13},
             "B10"},
    InitCase{"MicTwice",
             "a0 13 30 11 a0 05 30 03 06 01 2a a3 03 04 01 dd a3 03 04 01 dd",
             {ParseCode::kTrailingBytes, 16},
             "one of each field"},
    InitCase{"FieldsOutOfOrder",
             "a0 0d 30 0b a2 02 04 00 a0 05 30 03 06 01 2a",
             {ParseCode::kUnexpectedTag, 4},
             "B1: unknown tag first"},
    InitCase{"Empty", "", {ParseCode::kTruncated, 0}, "no identifier octet"},
    InitCase{"RawNtlm",
             "4e544c4d53535000 01000000",
             {ParseCode::kUnexpectedTag, 0},
             "B2: NTLMSSP is not SPNEGO"},
    InitCase{"RawApReq", "6e 02 30 00", {ParseCode::kUnexpectedTag, 0}, "B2"},
    InitCase{"RespFirst", "a1 07 30 05 a0 03 0a 01 00", {ParseCode::kUnexpectedTag, 0}, "B2"},
    InitCase{"RespInFraming",
             "60 11 06 06 2b0601050502 a1 07 30 05 a0 03 0a 01 00",
             {ParseCode::kUnexpectedTag, 10},
             "A6: the other arm of the CHOICE"},
    InitCase{"RespBody", "a0 07 30 05 a0 03 0a 01 00", {ParseCode::kUnexpectedTag, 6}, "A6"},
    InitCase{"NothingAfterTag", "a0 00", {ParseCode::kTruncated, 2}, "A6"},
    InitCase{"KerberosOid",
             "60 0d 06 09 2a864886f712010202 0100",
             {ParseCode::kBadValue, 13},
             "RFC 4178 3: the mechanism must be SPNEGO"},
    InitCase{"NoFields", "a0 02 30 00", {ParseCode::kTruncated, 4}, "B1: mechTypes is missing"},
    InitCase{"NoMechanism", "a0 06 30 04 a0 02 30 00", {ParseCode::kTruncated, 8}, "B1: no OID"},
    InitCase{
        "EmptyOid", "a0 08 30 06 a0 04 30 02 06 00", {ParseCode::kBadValue, 10}, "X.690 8.19.2"},
    InitCase{"EmptySecondOid",
             "a0 0b 30 09 a0 07 30 05 06 01 2a 06 00",
             {ParseCode::kBadValue, 13},
             "X.690 8.19.2"},
    InitCase{"NotAnOid",
             "a0 0c 30 0a a0 08 30 06 06 01 2a 02 01 05",
             {ParseCode::kUnexpectedTag, 11},
             "a MechTypeList holds OIDs"},
    InitCase{
        "Indefinite", "60 80 06 06 2b0601050502 0000", {ParseCode::kBadLength, 1}, "X.690 10.1"},
    InitCase{"NonMinimal",
             "60 81 13 06 06 2b0601050502 a0 09 30 07 a0 05 30 03 06 01 2a",
             {ParseCode::kBadLength, 1},
             "X.690 10.1"},
    InitCase{"OuterOneLess",
             "60 12 06 06 2b0601050502 a0 09 30 07 a0 05 30 03 06 01 2a",
             {ParseCode::kTruncated, 10},
             "A8"},
    InitCase{"OuterOneMore",
             "60 14 06 06 2b0601050502 a0 09 30 07 a0 05 30 03 06 01 2a",
             {ParseCode::kTruncated, 0},
             "A8"},
    InitCase{"TrailingByte",
             "60 13 06 06 2b0601050502 a0 09 30 07 a0 05 30 03 06 01 2a 00",
             {ParseCode::kTrailingBytes, 21},
             "one byte after the token"},
    InitCase{"TrailingByteInside",
             "60 14 06 06 2b0601050502 a0 0a 30 08 a0 06 30 03 06 01 2a 00",
             {ParseCode::kTrailingBytes, 21},
             "one byte inside [0]"},
};

class SpnegoInitTable : public ::testing::TestWithParam<InitCase> {};

TEST_P(SpnegoInitTable, IsReadOrPointedAt) {
  const InitCase& c = GetParam();
  const auto token = hex(c.token);
  EXPECT_EQ(parse_neg_token_init(token).fault(), c.fault) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, SpnegoInitTable, ::testing::ValuesIn(kInits),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

struct FlagsCase {
  const char* name;
  const char* bit_string;
  bool accepted;
  const char* why;
};

constexpr std::array kFlags = {
    FlagsCase{"None", "03 01 00", true, "an empty BIT STRING"},
    FlagsCase{"One", "03 02 07 80", true, "delegFlag"},
    FlagsCase{"Seven", "03 02 01 fe", true, "RFC 2478's seven flags"},
    FlagsCase{"ThirtyTwo", "03 05 00 ffffffff", true, "RFC 4178: SIZE (32)"},
    FlagsCase{"ThirtyThree", "03 06 07 ffffffff80", false, "longer than SIZE (32)"},
    FlagsCase{"NoUnusedOctet", "03 00", false, "X.690 8.6.2.1"},
    FlagsCase{"UnusedEight", "03 02 08 00", false, "A11: X.690 8.6.2.2"},
    FlagsCase{"Unused255", "03 02 ff 00", false, "A11"},
    FlagsCase{"UnusedOfNothing", "03 01 07", false, "X.690 8.6.2.3"},
    FlagsCase{"UnusedNotZero", "03 02 01 ff", false, "X.690 11.2.1"},
    FlagsCase{"Constructed", "23 04 03 02 07 80", false, "A11: X.690 10.2"},
};

class SpnegoFlags : public ::testing::TestWithParam<FlagsCase> {};

TEST_P(SpnegoFlags, AreCheckedAndIgnored) {
  const FlagsCase& c = GetParam();
  std::array<std::uint8_t, 64> out{};
  der::Writer writer(out);
  writer.in(der::Tag::kSequence, [&](der::Writer& body) {
    body.in(der::context(1), [&](der::Writer& field) { field.octets(hex(c.bit_string)); });
    body.octets(hex("a0 05 30 03 06 01 2a"));
  });
  writer.wrap(der::context(0));
  EXPECT_EQ(parse_neg_token_init(writer.written()).ok(), c.accepted) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, SpnegoFlags, ::testing::ValuesIn(kFlags),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SpnegoInit, IsTakenApart) {
  const auto token =
      hex("60 23 06 06 2b0601050502 a0 19 30 17 a0 08 30 06 06 01 2a 06 01 2b"
          " a2 04 04 02 7473 a3 05 04 03 6d6963");
  const Result<NegTokenInit> init = parse_neg_token_init(token);
  ASSERT_TRUE(init.ok());
  EXPECT_TRUE(std::ranges::equal(init->mech_types, hex("30 06 06 01 2a 06 01 2b")));
  EXPECT_TRUE(std::ranges::equal(init->mech_oids, hex("06 01 2a 06 01 2b")));
  EXPECT_TRUE(std::ranges::equal(init->preferred_mech, hex("2a")));
  EXPECT_TRUE(init->has_mech_token);
  EXPECT_TRUE(std::ranges::equal(init->mech_token, hex("7473")));
  EXPECT_TRUE(init->has_mech_list_mic);
  EXPECT_TRUE(std::ranges::equal(init->mech_list_mic, hex("6d6963")));
  EXPECT_EQ(init->mech_types.data(), &token[16]) << "a view, not a copy";
}

TEST(SpnegoInit, TellsAnEmptyFieldFromAnAbsentOne) {
  const auto absent = hex("a0 09 30 07 a0 05 30 03 06 01 2a");
  ASSERT_TRUE(parse_neg_token_init(absent).ok());
  EXPECT_FALSE(parse_neg_token_init(absent)->has_mech_token);
  EXPECT_FALSE(parse_neg_token_init(absent)->has_mech_list_mic);

  const auto empty = hex("a0 11 30 0f a0 05 30 03 06 01 2a a2 02 04 00 a3 02 04 00");
  ASSERT_TRUE(parse_neg_token_init(empty).ok());
  EXPECT_TRUE(parse_neg_token_init(empty)->has_mech_token);
  EXPECT_TRUE(parse_neg_token_init(empty)->has_mech_list_mic);
  EXPECT_TRUE(parse_neg_token_init(empty)->mech_list_mic.empty());
}

// MS-SPNG 2.2.1: what NegTokenInit2 adds, between `a0 05 30 03 06 01 2a` and the end.
struct HintsCase {
  const char* name;
  const char* fields;
  ParseFault fault;
  const char* why;
};

constexpr std::array kHints = {
    HintsCase{"Name", "a3 07 30 05 a0 03 1b 01 61", {}, "as Windows and Samba send it"},
    HintsCase{"NameAndAddress", "a3 0c 30 0a a0 03 1b 01 61 a1 03 04 01 62", {}, ""},
    HintsCase{"Address", "a3 07 30 05 a1 03 04 01 62", {}, "each is OPTIONAL"},
    HintsCase{"Neither", "a3 02 30 00", {}, "both are OPTIONAL"},
    HintsCase{"EmptyName", "a3 06 30 04 a0 02 1b 00", {}, "it means nothing anyway"},
    HintsCase{"MicUnderTag4", "a3 07 30 05 a0 03 1b 01 61 a4 03 04 01 dd", {}, "B9: one further"},
    HintsCase{"MicUnderTag3",
              "a3 07 30 05 a0 03 1b 01 61 a3 03 04 01 dd",
              {ParseCode::kTrailingBytes, 20},
              "B9: tag 3 is taken"},
    HintsCase{"MicTwice",
              "a3 02 30 00 a4 03 04 01 dd a4 03 04 01 dd",
              {ParseCode::kTrailingBytes, 20},
              "one of each field"},
    HintsCase{"MicBeforeHints",
              "a4 03 04 01 dd a3 02 30 00",
              {ParseCode::kTrailingBytes, 11},
              "in the order of the grammar"},
    HintsCase{"MicUnderBothTags",
              "a3 03 04 01 dd a4 03 04 01 dd",
              {ParseCode::kTrailingBytes, 16},
              "B9: tag 4 belongs to hints"},
    HintsCase{
        "MicOfOtherTag", "a3 02 30 00 a4 03 02 01 dd", {ParseCode::kUnexpectedTag, 17}, "B10"},
    HintsCase{"HintsUnderTag4", "a4 02 30 00", {ParseCode::kTrailingBytes, 11}, "tag 3"},
    HintsCase{"NameAsOctets",
              "a3 07 30 05 a0 03 04 01 61",
              {ParseCode::kUnexpectedTag, 17},
              "GeneralString is wanted"},
    HintsCase{"AddressAsString",
              "a3 07 30 05 a1 03 1b 01 62",
              {ParseCode::kUnexpectedTag, 17},
              "OCTET STRING is wanted"},
    HintsCase{"AddressBeforeName",
              "a3 0c 30 0a a1 03 04 01 62 a0 03 1b 01 61",
              {ParseCode::kTrailingBytes, 20},
              "in the order of the grammar"},
    HintsCase{"ThirdHint", "a3 04 30 02 a2 00", {ParseCode::kTrailingBytes, 15}, "two of them"},
    HintsCase{"NameTooLong",
              "a3 07 30 05 a0 03 1b 02 61",
              {ParseCode::kTruncated, 17},
              "A8: one more than there is"},
    HintsCase{"SecondValue",
              "a3 04 30 00 30 00",
              {ParseCode::kTrailingBytes, 15},
              "one element in a field"},
};

std::vector<std::uint8_t> init2(const char* fields) {
  std::array<std::uint8_t, 128> out{};
  der::Writer writer(out);
  writer.in(der::Tag::kSequence, [&](der::Writer& body) {
    body.octets(hex(fields));
    body.octets(hex("a0 05 30 03 06 01 2a"));
  });
  writer.wrap(der::context(0));
  return {writer.written().begin(), writer.written().end()};
}

class SpnegoHints : public ::testing::TestWithParam<HintsCase> {};

TEST_P(SpnegoHints, AreReadOrPointedAt) {
  const HintsCase& c = GetParam();
  EXPECT_EQ(parse_neg_token_init(init2(c.fields)).fault(), c.fault) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, SpnegoHints, ::testing::ValuesIn(kHints),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SpnegoInit, GivesTheHintsOfNegTokenInit2) {
  // [3] SEQUENCE { [0] GeneralString "not_defined_in_RFC4178@please_ignore" }, as Windows has it.
  constexpr char kPleaseIgnore[] =
      "6e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265";
  const auto hinted = init2((std::string("a3 2a 30 28 a0 26 1b 24") + kPleaseIgnore).c_str());
  const Result<NegTokenInit> init = parse_neg_token_init(hinted);
  ASSERT_TRUE(init.ok());
  EXPECT_TRUE(init->has_neg_hints);
  EXPECT_TRUE(std::ranges::equal(init->hint_name, hex(kPleaseIgnore)));
  EXPECT_TRUE(init->hint_address.empty());
  EXPECT_FALSE(init->has_mech_list_mic) << "hints are no MIC";
  EXPECT_TRUE(init->mech_list_mic.empty());

  const auto signed_too = init2("a3 0c 30 0a a0 03 1b 01 61 a1 03 04 01 62 a4 03 04 01 dd");
  const Result<NegTokenInit> both = parse_neg_token_init(signed_too);
  ASSERT_TRUE(both.ok());
  EXPECT_TRUE(both->has_neg_hints && both->has_mech_list_mic);
  EXPECT_TRUE(std::ranges::equal(both->hint_name, hex("61")));
  EXPECT_TRUE(std::ranges::equal(both->hint_address, hex("62")));
  EXPECT_TRUE(std::ranges::equal(both->mech_list_mic, hex("dd")));

  const auto plain = init2("a3 03 04 01 dd");
  ASSERT_TRUE(parse_neg_token_init(plain).ok());
  EXPECT_FALSE(parse_neg_token_init(plain)->has_neg_hints) << "a MIC is no hint";
}

// offer is a NegTokenInit of `count` mechanisms.
std::vector<std::uint8_t> offer(std::size_t count) {
  std::vector<std::uint8_t> out(count * 3 + 64);
  der::Writer writer(out);
  for (std::size_t i = 0; i < count; ++i) {
    writer.bytes(der::Tag::kOid, hex("2a"));
  }
  writer.wrap(der::Tag::kSequence);
  writer.wrap(der::context(0));
  writer.wrap(der::Tag::kSequence);
  writer.wrap(der::context(0));
  out.resize(writer.move_to_front());
  return out;
}

TEST(SpnegoInit, RefusesTooManyMechanismsEarly) {
  EXPECT_TRUE(parse_neg_token_init(offer(1)).ok());
  EXPECT_TRUE(parse_neg_token_init(offer(kMechTypesMax)).ok());
  EXPECT_EQ(parse_neg_token_init(offer(kMechTypesMax + 1)).fault().code, ParseCode::kBadValue);

  // A14: the count is refused at the 33rd element, whatever follows it.
  const auto flood = offer(100'000);
  const ParseFault fault = parse_neg_token_init(flood).fault();
  EXPECT_EQ(fault.code, ParseCode::kBadValue);
  EXPECT_LT(fault.offset, 128u);
}

TEST(SpnegoInit, SpendsNoMoreOnNestingThanOnBytes) {
  // A4, A5, A10: definite and indefinite nesting, as the token and as the hints in it.
  std::vector<std::uint8_t> indefinite = {0xa0, 0x80};
  for (int i = 0; i < 10'000; ++i) {
    indefinite.insert(indefinite.end(), {0x30, 0x80});
  }
  std::vector<std::uint8_t> out(64 * 1024);
  der::Writer writer(out);
  for (int i = 0; i < 4'000; ++i) {
    writer.wrap(der::Tag::kSequence);
  }
  const std::vector<std::uint8_t> nested(writer.written().begin(), writer.written().end());
  writer.wrap(der::context(3));
  writer.octets(hex("a0 05 30 03 06 01 2a"));
  writer.wrap(der::Tag::kSequence);
  writer.wrap(der::context(0));
  const Bytes with_hints = writer.written();

  constexpr int kRepeats = 1'000;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRepeats; ++i) {
    ASSERT_EQ(parse_neg_token_init(indefinite).fault(), (ParseFault{ParseCode::kBadLength, 1}));
    ASSERT_EQ(parse_neg_token_init(nested).fault(), (ParseFault{ParseCode::kUnexpectedTag, 0}));
    ASSERT_EQ(parse_neg_token_init(with_hints).fault().code, ParseCode::kTrailingBytes);
  }
  const auto spent = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(spent, std::chrono::milliseconds(1) * kRepeats) << "1 ms for each of three";
}

TEST(SpnegoInit, LeavesSpnegoInsideSpnegoAlone) {
  // B16: the mechToken is bytes to this parser, so nesting has no depth.
  std::vector<std::uint8_t> out(4096);
  der::Writer writer(out);
  for (int i = 0; i < 50; ++i) {
    writer.wrap(der::Tag::kOctetString);
    writer.wrap(der::context(2));
    writer.octets(hex("a0 0a 30 08 06 06 2b0601050502"));
    writer.wrap(der::Tag::kSequence);
    writer.wrap(der::context(0));
    writer.bytes(der::Tag::kOid, gss::oid_of(Mechanism::kSpnego));
    writer.wrap(der::application(0));
  }
  const Result<NegTokenInit> init = parse_neg_token_init(writer.written());
  ASSERT_TRUE(init.ok());
  EXPECT_EQ(gss::mechanism_of(init->preferred_mech), Mechanism::kSpnego);
  EXPECT_EQ(gss::kind_of(init->mech_token), gss::TokenKind::kGssInitial);
}

TEST(SpnegoMechanisms, AreVisitedInOrder) {
  const auto token =
      hex("a0 2c 30 2a a0 28 30 26 06 09 2a864882f712010202 06 09 2a864886f712010202"
          " 06 0a 2b06010401823702020a 06 02 2b05");
  const Result<NegTokenInit> init = parse_neg_token_init(token);
  ASSERT_TRUE(init.ok());
  std::vector<Mechanism> mechanisms;
  std::vector<bool> firsts;
  each_mechanism(init->mech_oids, [&](Mechanism mechanism, Bytes oid, bool first) {
    mechanisms.push_back(mechanism);
    firsts.push_back(first);
    EXPECT_EQ(gss::mechanism_of(oid), mechanism);
  });
  EXPECT_EQ(mechanisms, (std::vector{Mechanism::kMsKerberos, Mechanism::kKerberos, Mechanism::kNtlm,
                                     Mechanism::kUnknown}));
  EXPECT_EQ(firsts, (std::vector{true, false, false, false}));
}

struct RespCase {
  const char* name;
  const char* token;
  ParseFault fault;
  const char* why;
};

constexpr std::array kResps = {
    RespCase{"Empty", "", {ParseCode::kTruncated, 0}, "B3: an empty second token"},
    RespCase{"NoFields", "a1 02 30 00", {}, "every field is OPTIONAL"},
    RespCase{"Completed", "a1 07 30 05 a0 03 0a 01 00", {}, ""},
    RespCase{"RequestMic", "a1 07 30 05 a0 03 0a 01 03", {}, "the highest state"},
    RespCase{"State4", "a1 07 30 05 a0 03 0a 01 04", {ParseCode::kBadValue, 9}, "RFC 4178 4.2.2"},
    RespCase{"StateMinus1", "a1 07 30 05 a0 03 0a 01 ff", {ParseCode::kBadValue, 6}, "negative"},
    RespCase{"StateOfTwoOctets",
             "a1 08 30 06 a0 04 0a 02 0003",
             {ParseCode::kBadValue, 6},
             "X.690 8.3.2"},
    RespCase{"StateAsInteger",
             "a1 07 30 05 a0 03 02 01 00",
             {ParseCode::kUnexpectedTag, 6},
             "ENUMERATED"},
    RespCase{"Mechanism", "a1 07 30 05 a1 03 06 01 2a", {}, ""},
    RespCase{
        "EmptyMechanism", "a1 06 30 04 a1 02 06 00", {ParseCode::kBadValue, 8}, "X.690 8.19.2"},
    RespCase{"TokenOnly", "a1 07 30 05 a2 03 04 01 aa", {}, "how clients send their second token"},
    RespCase{"Mic", "a1 07 30 05 a3 03 04 01 dd", {}, "B9: tag 3"},
    RespCase{"MicUnderTag4",
             "a1 07 30 05 a4 03 04 01 dd",
             {ParseCode::kTrailingBytes, 4},
             "B9: tag 4 is no MIC"},
    RespCase{"MicOfOtherTag",
             "a1 07 30 05 a3 03 30 01 dd",
             {ParseCode::kUnexpectedTag, 6},
             "B10: a NegTokenResp has no hints"},
    RespCase{"MicTooLong", "a1 07 30 05 a3 03 04 02 dd", {ParseCode::kTruncated, 6}, "B10"},
    RespCase{"OutOfOrder",
             "a1 0c 30 0a a2 03 04 01 aa a0 03 0a 01 00",
             {ParseCode::kTrailingBytes, 9},
             "[0] after [2]"},
    RespCase{"Init",
             "a0 09 30 07 a0 05 30 03 06 01 2a",
             {ParseCode::kUnexpectedTag, 0},
             "A6: the other arm of the CHOICE"},
    RespCase{"InitBody",
             "a1 09 30 07 a0 05 30 03 06 01 2a",
             {ParseCode::kUnexpectedTag, 6},
             "A6: the other arm's body"},
    RespCase{"Framed",
             "60 11 06 06 2b0601050502 a1 07 30 05 a0 03 0a 01 00",
             {ParseCode::kUnexpectedTag, 0},
             "RFC 4178 4.2: only the first token is framed"},
    RespCase{"TrailingByte", "a1 02 30 00 00", {ParseCode::kTrailingBytes, 4}, "one byte after"},
    RespCase{"Indefinite", "a1 80 30 00 0000", {ParseCode::kBadLength, 1}, "X.690 10.1"},
};

class SpnegoRespTable : public ::testing::TestWithParam<RespCase> {};

TEST_P(SpnegoRespTable, IsReadOrPointedAt) {
  const RespCase& c = GetParam();
  const auto token = hex(c.token);
  EXPECT_EQ(parse_neg_token_resp(token).fault(), c.fault) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, SpnegoRespTable, ::testing::ValuesIn(kResps),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SpnegoResp, IsWrittenAsItIsRead) {
  int accepted_count = 0;
  for (const RespCase& c : kResps) {
    const auto token = hex(c.token);
    const Result<NegTokenResp> resp = parse_neg_token_resp(token);
    if (resp.ok()) {
      std::array<std::uint8_t, 64> out{};
      der::Writer writer(out);
      write_neg_token_resp(writer, *resp);
      EXPECT_TRUE(std::ranges::equal(writer.written(), token)) << c.name;
      ++accepted_count;
    }
  }
  EXPECT_EQ(accepted_count, 6);
}

TEST(SpnegoResp, IsTakenApart) {
  const auto token =
      hex("a1 19 30 17 a0 03 0a 01 01 a1 03 06 01 2a a2 04 04 02 7473 a3 05 04 03 6d6963");
  const Result<NegTokenResp> resp = parse_neg_token_resp(token);
  ASSERT_TRUE(resp.ok());
  EXPECT_TRUE(resp->has_state);
  EXPECT_EQ(resp->state, NegState::kAcceptIncomplete);
  EXPECT_TRUE(std::ranges::equal(resp->supported_mech, hex("2a")));
  EXPECT_TRUE(resp->has_response_token);
  EXPECT_TRUE(std::ranges::equal(resp->response_token, hex("7473")));
  EXPECT_TRUE(resp->has_mech_list_mic);
  EXPECT_TRUE(std::ranges::equal(resp->mech_list_mic, hex("6d6963")));

  const auto nothing = hex("a1 02 30 00");
  ASSERT_TRUE(parse_neg_token_resp(nothing).ok());
  EXPECT_FALSE(parse_neg_token_resp(nothing)->has_state);
  EXPECT_FALSE(parse_neg_token_resp(nothing)->has_response_token);
  EXPECT_FALSE(parse_neg_token_resp(nothing)->has_mech_list_mic);
}

struct RecordedCase {
  const char* name;
  const char* file;
  Mechanism mechanism;
};

constexpr std::array kRecorded = {
    RecordedCase{"CurlKerberos", "http/curl-nego-krb.txt", Mechanism::kKerberos},
    RecordedCase{"CurlDelegating", "http/curl-nego-krb-deleg.txt", Mechanism::kKerberos},
    RecordedCase{"CurlNtlm", "http/curl-nego-ntlmssp.txt", Mechanism::kNtlm},
    RecordedCase{"ChromiumKerberos", "http/chromium-nego-krb.txt", Mechanism::kKerberos},
    RecordedCase{"HeimdalKerberos", "http/heimdal-spnego-krb.txt", Mechanism::kKerberos},
    RecordedCase{"GssNtlmssp", "http/gssntlmssp-spnego-mic.txt", Mechanism::kNtlm},
    RecordedCase{"NtlmAuth", "http/ntlm_auth-spnego-client.txt", Mechanism::kNtlm},
};

class SpnegoRecorded : public ::testing::TestWithParam<RecordedCase> {};

TEST_P(SpnegoRecorded, ExchangeIsReadFromBothSides) {
  const RecordedCase& c = GetParam();
  const std::vector<Leg> legs = recorded_exchange(c.file);
  const Result<NegTokenInit> init = parse_neg_token_init(legs[0].token);
  ASSERT_TRUE(init.ok());
  EXPECT_EQ(gss::mechanism_of(init->preferred_mech), c.mechanism);
  EXPECT_TRUE(init->has_mech_token);
  EXPECT_EQ(gss::kind_of(init->mech_token),
            c.mechanism == Mechanism::kNtlm ? gss::TokenKind::kNtlm : gss::TokenKind::kGssInitial);
  ASSERT_GE(legs.size(), 2u);
  for (std::size_t i = 1; i < legs.size(); ++i) {
    const Result<NegTokenResp> resp = parse_neg_token_resp(legs[i].token);
    ASSERT_TRUE(resp.ok()) << "token " << i + 1;
    EXPECT_EQ(resp->has_response_token && c.mechanism == Mechanism::kNtlm,
              gss::kind_of(resp->response_token) == gss::TokenKind::kNtlm);
    std::vector<std::uint8_t> out(legs[i].token.size());
    der::Writer writer(out);
    write_neg_token_resp(writer, *resp);
    EXPECT_EQ(out, legs[i].token) << "token " << i + 1 << " is DER to the last byte";
  }
}

TEST_P(SpnegoRecorded, TokenIsRefusedUpToItsLastByte) {
  // B15: every prefix.
  for (const Leg& leg : recorded_exchange(GetParam().file)) {
    const Bytes token = leg.token;
    for (std::size_t size = 0; size < token.size(); ++size) {
      ASSERT_FALSE(parse_neg_token_init(token.first(size)).ok()) << size;
      ASSERT_FALSE(parse_neg_token_resp(token.first(size)).ok()) << size;
    }
    EXPECT_NE(parse_neg_token_init(token).ok(), parse_neg_token_resp(token).ok());
  }
}

TEST_P(SpnegoRecorded, LengthThatIsWrongIsRefusedAnywhere) {
  // A1: every length octet of the framing, and every value it can take.
  const auto legs = recorded_exchange(GetParam().file);
  const std::vector<std::uint8_t>& good = legs[0].token;
  const Result<NegTokenInit> init = parse_neg_token_init(good);
  ASSERT_TRUE(init.ok());
  const auto header_end = static_cast<std::size_t>(init->mech_types.data() - good.data());
  for (std::size_t at = 0; at < header_end; ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      std::vector<std::uint8_t> bad = good;
      bad[at] = static_cast<std::uint8_t>(value);
      EXPECT_EQ(parse_neg_token_init(bad).ok(), bad == good) << at << " set to " << value;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, SpnegoRecorded, ::testing::ValuesIn(kRecorded),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SpnegoRecordedTokens, FirstTokensOfMitAndSambaRealmsAreRead) {
  for (const char* const name :
       {"ad/aes256-spnego.hex", "ad/aes256-spnego-cb.hex", "mit/aes128-sha2-spnego.hex",
        "mit/aes256-cts-spnego.hex", "mit/rc4-hmac-spnego.hex"}) {
    const auto token = recorded_token(name);
    const Result<NegTokenInit> init = parse_neg_token_init(token);
    ASSERT_TRUE(init.ok()) << name;
    const Result<gss::InitialToken> inner = gss::parse_initial_token(init->mech_token);
    ASSERT_TRUE(inner.ok()) << name;
    EXPECT_EQ(inner->mechanism, Mechanism::kKerberos) << name;
  }
}

TEST(SpnegoRecordedTokens, MicsOfNtlmExchangesAreFound) {
  const auto legs = recorded_exchange("http/gssntlmssp-spnego-mic.txt");
  const Result<NegTokenResp> client = parse_neg_token_resp(legs[2].token);
  const Result<NegTokenResp> server = parse_neg_token_resp(legs[3].token);
  ASSERT_TRUE(client.ok() && server.ok());
  EXPECT_TRUE(client->has_mech_list_mic);
  EXPECT_EQ(client->mech_list_mic.size(), 16u);
  EXPECT_TRUE(server->has_mech_list_mic);
  EXPECT_EQ(server->state, NegState::kAcceptCompleted);
}

TEST(SpnegoHint, IsOctetForOctetWhatSambaSends) {
  std::array<std::uint8_t, 74> room{};
  der::Writer writer(room);
  write_neg_token_init2(writer, std::array{Mechanism::kNtlm});
  EXPECT_TRUE(std::ranges::equal(
      writer.written(), hex("6048 0606 2b0601050502 a03e 303c a00e 300c 060a 2b06010401823702020a"
                            "a32a 3028 a026 1b24 6e6f745f646566696e65645f696e5f5246433431373840"
                            "706c656173655f69676e6f7265")));
}

}  // namespace
}  // namespace usher::spnego
