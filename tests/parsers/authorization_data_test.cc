// parsers/authorization_data.h: what an acceptor learns from AuthorizationData, and how deep it
// looks.
#include "parsers/authorization_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/data/authorization_data_messages.h"
#include "tests/hex.h"

namespace usher::krb5 {
namespace {

using usher::testing::hex;

ParseFault fault_of_list(const std::string& list) {
  return parse_authorization_data(hex(list)).fault();
}

// etype_list is an EtypeList of `count` times aes256-cts-hmac-sha1-96.
std::string etype_list(std::uint32_t count) {
  std::string etypes;
  for (std::uint32_t i = 0; i < count; ++i) {
    etypes += "020112";
  }
  return sequence(etypes);
}

std::vector<std::int32_t> etypes_of(const AuthorizationData& data) {
  std::vector<std::int32_t> etypes;
  each_etype(data.etype_list, [&](std::int32_t etype) { etypes.push_back(etype); });
  return etypes;
}

TEST(AuthorizationDataParse, OfNothingIsNothing) {
  for (const char* nothing : {"", "3000"}) {
    const Octets octets = hex(nothing);
    const Result<AuthorizationData> data = parse_authorization_data(octets);
    ASSERT_TRUE(data.ok()) << nothing;
    EXPECT_EQ(data->element_count, 0u);
    EXPECT_FALSE(data->has_pac || data->has_ap_options || data->has_client_target ||
                 data->has_etype_list || data->has_critical);
    EXPECT_TRUE(etypes_of(*data).empty());
  }
}

TEST(AuthorizationDataParse, FindsThePacOfATicket) {
  const Octets octets = hex(ad_windows("0102030405060708"));
  const Result<AuthorizationData> data = parse_authorization_data(octets);
  ASSERT_TRUE(data.ok()) << data.fault().offset;
  EXPECT_EQ(data->element_count, 4u);
  ASSERT_TRUE(data->has_pac);
  EXPECT_TRUE(std::ranges::equal(data->pac, hex("0102030405060708")));
  EXPECT_TRUE(data->pac.data() > octets.data() && data->pac.data() < octets.data() + octets.size())
      << "a view, not a copy";
  EXPECT_FALSE(data->has_critical);
}

TEST(AuthorizationDataParse, FindsWhatAClientSaysAboutItself) {
  const Octets octets = hex(ad_windows_client());
  const Result<AuthorizationData> data = parse_authorization_data(octets);
  ASSERT_TRUE(data.ok()) << data.fault().offset;
  EXPECT_EQ(data->element_count, 4u);
  EXPECT_TRUE(data->has_ap_options);
  EXPECT_EQ(data->ap_options, 0x4000u);
  ASSERT_TRUE(data->has_client_target);
  EXPECT_TRUE(std::ranges::equal(data->client_target, hex("4800540054005000")));
  EXPECT_EQ(etypes_of(*data), (std::vector<std::int32_t>{18, 17, 23}));
  EXPECT_FALSE(data->has_pac || data->has_critical);
}

TEST(AuthorizationDataParse, ReadsWhatMitSaysAboutItself) {
  // From the authenticator of tests/data/recorded/mit/aes256-cts-krb5.hex: etypes and options.
  const Octets octets =
      hex("3034 3032 a003020101 a12b 0429 3027"
          " 3015 a00402020081 a10d 040b 3009020114020113020112"
          " 300e a0040202008f a106 0404 00400000");
  const Result<AuthorizationData> data = parse_authorization_data(octets);
  ASSERT_TRUE(data.ok()) << data.fault().offset;
  EXPECT_EQ(data->element_count, 3u);
  EXPECT_TRUE(data->has_ap_options);
  EXPECT_EQ(data->ap_options, 0x4000u);
  EXPECT_TRUE(data->has_etype_list);
  EXPECT_EQ(etypes_of(*data), (std::vector<std::int32_t>{20, 19, 18})) << "the favourite first";
  EXPECT_FALSE(data->has_client_target || data->has_pac || data->has_critical);
}

TEST(AuthorizationDataParse, TakesAllApOptionsAndTheFirstTarget) {
  const Octets octets = hex(
      ad_list({ad_if_relevant(ad_list({ad_element(143, "00400000"), ad_element(144, "4100"),
                                       ad_element(143, "00800000"), ad_element(144, "4200")}))}));
  const Result<AuthorizationData> data = parse_authorization_data(octets);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->ap_options, 0xc000u) << "no later element takes back what one has said";
  EXPECT_TRUE(std::ranges::equal(data->client_target, hex("4100")));
}

TEST(AuthorizationDataParse, TakesTheFirstEtypeList) {
  const Octets octets = hex(ad_list({ad_if_relevant(
      ad_list({ad_element(129, "3006020114020112"), ad_element(129, "3003020117")}))}));
  const Result<AuthorizationData> data = parse_authorization_data(octets);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(etypes_of(*data), (std::vector<std::int32_t>{20, 18}));
}

TEST(AuthorizationDataParse, TakesEtypeListsOfAnyEtypesUpToTheirBound) {
  const auto count_in = [](const std::string& list) {
    const Octets octets = hex(ad_nested(1, ad_list({ad_element(129, list)})));
    const Result<AuthorizationData> data = parse_authorization_data(octets);
    EXPECT_TRUE(data.ok() && data->has_etype_list) << list;
    return data.ok() ? etypes_of(*data).size() : 0;
  };
  EXPECT_EQ(count_in("3000"), 0u) << "an empty list asks for nothing";
  EXPECT_EQ(count_in("3009 0201ff 020480000000"), 2u) << "local use, and the least Int32";
  EXPECT_EQ(count_in(etype_list(kEtypeListMax)), kEtypeListMax);
}

struct CriticalCase {
  const char* name;
  std::string list;
  bool critical;
  std::int32_t type;
};

TEST(AuthorizationDataParse, SaysWhatMustBeUnderstood) {
  //= RFC 4120 5.2.6: whoever does not understand an element outside AD-IF-RELEVANT must refuse.
  const CriticalCase cases[] = {
      {"AbsentWhenAllIsIfRelevant", ad_windows(), false, 0},
      {"PacAlone", ad_list({ad_element(128, "00")}), false, 0},
      {"MandatoryForKdc", ad_list({ad_element(8, "00")}), true, 8},
      {"MandatoryForKdcIfRelevant", ad_nested(1, ad_list({ad_element(8, "00")})), false, 0},
      {"KdcIssued", ad_list({ad_element(4, "00")}), true, 4},
      {"AndOr", ad_list({ad_element(5, "00")}), true, 5},
      {"Unknown", ad_list({ad_element(4711, "00")}), true, 4711},
      {"UnknownAndEmpty", ad_list({ad_element(4711, "")}), true, 4711},
      {"TheFirstOfTwo", ad_list({ad_element(77, "00"), ad_element(78, "00")}), true, 77},
      {"AfterAnIfRelevant",
       ad_list({ad_if_relevant(ad_list({ad_element(9, "00")})), ad_element(8, "00")}), true, 8},
      {"BehindAPac", ad_list({ad_element(128, "00"), ad_element(8, "00")}), true, 8},
      {"ApOptionsAlone", ad_list({ad_element(143, "00400000")}), true, 143},
  };
  for (const CriticalCase& c : cases) {
    const Octets octets = hex(c.list);
    const Result<AuthorizationData> data = parse_authorization_data(octets);
    ASSERT_TRUE(data.ok()) << c.name;
    EXPECT_EQ(data->has_critical, c.critical) << c.name;
    EXPECT_EQ(std::int32_t(data->critical), c.type) << c.name;
  }
}

TEST(AuthorizationDataParse, TakesNegativeTypesAsTheyAre) {
  // Local use (RFC 4120 5.2.6); impacket and others number their own below zero.
  const std::string list = sequence(sequence(field(0, "0201ff") + field(1, "0400")));
  const Octets octets = hex(list);
  const Result<AuthorizationData> data = parse_authorization_data(octets);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(std::int32_t(data->critical), -1);
}

// ---- bounds (D9, A14)

TEST(AuthorizationDataParse, BoundsTheDepth) {
  const std::string innermost = ad_list({ad_element(128, "00")});
  for (std::uint32_t depth = 0; depth <= 64; ++depth) {
    const Octets octets = hex(ad_nested(depth, innermost));
    const Result<AuthorizationData> data = parse_authorization_data(octets);
    EXPECT_EQ(data.ok(), depth <= kAdDepthMax) << depth;
    if (data.ok()) {
      EXPECT_TRUE(data->has_pac);
      EXPECT_EQ(data->element_count, depth + 1);
    } else {
      EXPECT_EQ(data.fault().code, ParseCode::kBadValue) << depth;
    }
  }
}

TEST(AuthorizationDataParse, BoundsTheElements) {
  EXPECT_EQ(fault_of_list(ad_many(kAdElementsMax, 130)), ParseFault{});
  const std::string one = ad_element(130, "00");
  const auto one_size = static_cast<std::uint32_t>(one.size() / 2);
  for (const std::uint32_t count : {kAdElementsMax + 1, 1000u}) {
    const ParseFault fault = fault_of_list(ad_many(count, 130));
    EXPECT_EQ(fault.code, ParseCode::kBadValue);
    EXPECT_EQ(fault.offset, 4 + kAdElementsMax * one_size) << "where the 65th begins";
  }
  // Every level counts, and an AD-IF-RELEVANT too.
  EXPECT_EQ(fault_of_list(ad_nested(1, ad_many(kAdElementsMax - 1, 130))), ParseFault{});
  EXPECT_EQ(fault_of_list(ad_nested(1, ad_many(kAdElementsMax, 130))).code, ParseCode::kBadValue);
  EXPECT_EQ(fault_of_list(
                ad_list({ad_if_relevant(ad_many(32, 130)), one, ad_if_relevant(ad_many(29, 130))})),
            ParseFault{});
  EXPECT_EQ(fault_of_list(
                ad_list({ad_if_relevant(ad_many(32, 130)), one, ad_if_relevant(ad_many(30, 130))}))
                .code,
            ParseCode::kBadValue);
}

// ---- what is refused

struct RefusalCase {
  const char* name;
  std::string list;
  ParseCode code;
  std::uint32_t offset;
  const char* why;
};

void PrintTo(const RefusalCase& c, std::ostream* out) { *out << c.why; }

constexpr ParseCode kBad = ParseCode::kBadValue;
constexpr ParseCode kTag = ParseCode::kUnexpectedTag;

// In ad_nested(1, ...) the inner list begins at offset 13: 30 len | 30 len | a0 03 02 01 01 | a1
// len | 04 len.
const std::vector<RefusalCase> kRefusals = {
    {"NotASequence", "3100", kTag, 0, "RFC 4120 5.2.6"},
    {"ElementNotASequence", "30 02 3100", kTag, 2, "RFC 4120 5.2.6"},
    {"TypeMissing", sequence(sequence(field(1, "0400"))), kTag, 4, "[0] is not OPTIONAL"},
    {"TypeTooLarge", sequence(sequence(field(0, "02050080000000") + field(1, "0400"))), kBad, 6,
     "Int32"},
    {"DataMissing", sequence(sequence(field(0, "020101"))), ParseCode::kTruncated, 9,
     "[1] is not OPTIONAL"},
    {"DataNotOctets", sequence(sequence(field(0, "020101") + field(1, "3000"))), kTag, 11,
     "OCTET STRING is wanted"},
    {"ThirdField", sequence(sequence(field(0, "020109") + field(1, "0400") + field(2, "0400"))),
     ParseCode::kTrailingBytes, 13, "two fields"},
    {"TrailingByte", ad_windows() + "00", ParseCode::kTrailingBytes, 62, "one element"},
    {"NonMinimalLength", "30 81 00", ParseCode::kBadLength, 1, "X.690 10.1"},
    {"Indefinite", "30 80 0000", ParseCode::kBadLength, 1, "X.690 10.1"},
    {"NestedEmpty", ad_list({ad_element(1, "")}), ParseCode::kTruncated, 13,
     "an AD-IF-RELEVANT holds an AuthorizationData"},
    {"NestedNotASequence", ad_list({ad_element(1, "0400")}), kTag, 13, "RFC 4120 5.2.6.1"},
    {"NestedCutShort", ad_list({ad_element(1, "3002")}), ParseCode::kTruncated, 13, "A8"},
    {"NestedTrailingByte", ad_list({ad_element(1, "300000")}), ParseCode::kTrailingBytes, 15,
     "one element"},
    {"NestedElementBroken", ad_list({ad_element(1, "30020500")}), kTag, 15, "RFC 4120 5.2.6"},
    {"NestedTwiceBroken", ad_nested(1, ad_list({ad_element(1, "3100")})), kTag, 26,
     "offsets count from the outermost element"},
    {"BehindANestedOne", ad_list({ad_if_relevant("3000"), "0500"}), kTag, 15,
     "where the walk comes back to the outer list"},
    {"SecondPac", ad_list({ad_element(128, "00"), ad_element(128, "00")}), kBad, 15,
     "D6: two answers to who the client is"},
    {"SecondPacNested",
     ad_list({ad_element(128, "00"), ad_if_relevant(ad_list({ad_element(128, "00")}))}), kBad, 28,
     "wherever it stands"},
    {"ApOptionsOfThree", ad_nested(1, ad_list({ad_element(143, "004000")})), kBad, 15,
     "MS-KILE 2.2.7"},
    {"ApOptionsOfFive", ad_nested(1, ad_list({ad_element(143, "0040000000")})), kBad, 15,
     "MS-KILE 2.2.7"},
    {"ApOptionsOfNone", ad_nested(1, ad_list({ad_element(143, "")})), kBad, 15, "MS-KILE 2.2.7"},
    {"EtypesNone", ad_nested(1, ad_list({ad_element(129, "")})), kBad, 15, "RFC 4537 3"},
    {"EtypesNotASequence", ad_nested(1, ad_list({ad_element(129, "020112")})), kBad, 15,
     "RFC 4537 3"},
    {"EtypesNotAnInteger", ad_nested(1, ad_list({ad_element(129, "3003040112")})), kBad, 15,
     "RFC 4537 3"},
    {"EtypesTooLarge", ad_nested(1, ad_list({ad_element(129, "300702050080000000")})), kBad, 15,
     "Int32"},
    {"EtypesTrailingByte", ad_nested(1, ad_list({ad_element(129, "300302011200")})), kBad, 15,
     "one element"},
    {"EtypesCutShort", ad_nested(1, ad_list({ad_element(129, "3003 0201")})), kBad, 15,
     "RFC 4537 3"},
    {"EtypesTooMany", ad_nested(1, ad_list({ad_element(129, etype_list(kEtypeListMax + 1))})), kBad,
     15, "A14"},
    {"EtypesTheSecondIsNone",
     ad_nested(1, ad_list({ad_element(129, "3003020112"), ad_element(129, "00")})), kBad, 32,
     "wherever it stands"},
    {"TargetOdd", ad_nested(1, ad_list({ad_element(144, "410042")})), kBad, 15, "UTF-16"},
};

class AuthorizationDataRefusal : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(AuthorizationDataRefusal, PointsAtTheFault) {
  const RefusalCase& c = GetParam();
  const Octets octets = hex(c.list);
  const ParseFault fault = parse_authorization_data(octets).fault();
  EXPECT_EQ(fault.code, c.code) << c.why;
  EXPECT_EQ(fault.offset, c.offset) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, AuthorizationDataRefusal, ::testing::ValuesIn(kRefusals),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(AuthorizationDataRefusal, HasPositiveTwins) {
  for (const std::string& list :
       {ad_windows(), ad_list({ad_element(1, "3000")}), ad_list({ad_element(128, "00")}),
        ad_nested(1, ad_list({ad_element(143, "00400000")})),
        ad_nested(1, ad_list({ad_element(144, "4100")})),
        ad_nested(1, ad_list({ad_element(144, "")})),
        ad_list({ad_if_relevant("3000"), ad_element(8, "")})}) {
    EXPECT_EQ(fault_of_list(list), ParseFault{}) << list;
  }
}

TEST(AuthorizationDataRefusal, OfEveryPrefix) {
  for (const std::string& list : {ad_windows(), ad_windows_client(),
                                  ad_nested(kAdDepthMax, ad_list({ad_element(128, "00")}))}) {
    const Octets octets = hex(list);
    for (std::size_t size = 1; size < octets.size(); ++size) {
      EXPECT_EQ(parse_authorization_data(Bytes(octets).first(size)).fault().code,
                ParseCode::kTruncated)
          << size;
    }
  }
}

// ---- the walk

struct Visited {
  std::int32_t type;
  bool if_relevant;
  friend bool operator==(const Visited&, const Visited&) = default;
};

std::vector<Visited> walk(const Octets& octets) {
  std::vector<Visited> visited;
  AdWalk ad_walk(octets);
  for (AdElement element; ad_walk.next(element);) {
    visited.push_back({std::int32_t(element.type), element.if_relevant});
  }
  AdElement none;
  EXPECT_FALSE(ad_walk.next(none)) << "an end stays an end";
  return visited;
}

// What is right, wrong in what an element holds, and wrong as a list; and what a message is told.
struct WithinCase {
  const char* name;
  std::string list;
  bool list_is_right;
};

TEST(AuthorizationDataWithinMessage, SpoilsItOnlyAsAList) {
  const std::array cases = {
      WithinCase{"Nothing", "3000", true},
      WithinCase{"Windows", ad_windows(), true},
      WithinCase{"NestedTooDeep", ad_nested(kAdDepthMax + 1, ad_list({})), true},
      WithinCase{"TooMany", ad_many(kAdElementsMax + 1, 7), true},
      WithinCase{"TwoPacs", ad_list({ad_element(128, "00"), ad_element(128, "00")}), true},
      WithinCase{"NestedMalformed", ad_list({ad_if_relevant("0400")}), true},
      WithinCase{"NoOctets", "", false},
      WithinCase{"NoList", "0400", false},
      WithinCase{"NoElement", ad_list({ad_element(7, "00"), "0400"}), false},
      WithinCase{"BytesBehind", "300000", false},
      WithinCase{"NoElementBehindNestedMalformed", ad_list({ad_if_relevant("0400"), "0400"}),
                 false},
  };
  for (const WithinCase& c : cases) {
    SCOPED_TRACE(c.name);
    const Octets octets = hex(c.list);
    const Result<AuthorizationData> alone = parse_authorization_data(octets);
    AuthorizationData data;
    const ParseFault of_list = read_within(octets, data);
    EXPECT_EQ(of_list.code == ParseCode::kOk, c.list_is_right);
    EXPECT_EQ(data.fault, alone.fault());
    EXPECT_TRUE(!alone.ok() || data.element_count == alone->element_count);
  }
}

// The list's own fault counts, also where one that is nested comes before it.
TEST(AuthorizationDataWithinMessage, SaysWhereTheListIsWrong) {
  const Octets octets = hex(ad_list({ad_if_relevant("0400"), "0400"}));
  AuthorizationData data;
  EXPECT_EQ(read_within(octets, data),
            (ParseFault{ParseCode::kUnexpectedTag, static_cast<std::uint32_t>(octets.size()) - 2}));
  EXPECT_EQ(data.fault, (ParseFault{ParseCode::kUnexpectedTag, 13}));
}

TEST(AdWalk, VisitsElementsWhereTheyStand) {
  const std::string deep =
      ad_if_relevant(ad_list({ad_element(21, "00"), ad_if_relevant(ad_list({ad_element(31, "")})),
                              ad_element(22, "00"), ad_if_relevant("3000")}));
  const Octets octets = hex(ad_list({ad_element(11, "00"), deep, ad_element(12, "00")}));
  EXPECT_EQ(walk(octets),
            (std::vector<Visited>{{11, false}, {21, true}, {31, true}, {22, true}, {12, false}}));
  EXPECT_TRUE(walk({}).empty());
}

TEST(AdWalk, GoesAsFarAsTheDataIsRight) {
  const Octets octets = hex(ad_list({ad_element(11, "00"), "0500", ad_element(12, "00")}));
  EXPECT_EQ(walk(octets), (std::vector<Visited>{{11, false}}));
  EXPECT_EQ(walk(hex(ad_many(1000, 9))).size(), kAdElementsMax);
  EXPECT_TRUE(walk(hex(ad_nested(kAdDepthMax + 1, ad_list({ad_element(9, "")})))).empty());
  EXPECT_EQ(walk(hex(ad_nested(kAdDepthMax, ad_list({ad_element(9, "")})))).size(), 1u);
}

}  // namespace
}  // namespace usher::krb5
