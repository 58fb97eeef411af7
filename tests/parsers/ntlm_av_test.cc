// parsers/ntlm.h: AV_PAIR lists and NTLMv2 responses are read to their end and not beyond.
#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "parsers/ntlm.h"
#include "tests/hex.h"

namespace usher::ntlm {
namespace {

using usher::testing::hex;
using Octets = std::vector<std::uint8_t>;

constexpr ParseFault kNone{};
const std::string kEolHex = "00000000";

Octets octets_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// pair is one AV_PAIR with `size` in its header and a value of zeros of that size.
Octets pair(std::uint16_t id, std::size_t size) {
  Octets octets(4 + size);
  store_le(octets, id);
  store_le(MutableBytes(octets).subspan(2), static_cast<std::uint16_t>(size));
  return octets;
}

Octets operator+(Octets left, const Octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

struct SizeCase {
  const char* name;
  AvId id;
  bool (*suits)(std::size_t);
};

void PrintTo(const SizeCase& c, std::ostream* out) { *out << c.name; }

constexpr std::array kSizes = {
    SizeCase{"NetbiosComputer", AvId::kNetbiosComputer, [](std::size_t n) { return n % 2 == 0; }},
    SizeCase{"NetbiosDomain", AvId::kNetbiosDomain, [](std::size_t n) { return n % 2 == 0; }},
    SizeCase{"DnsComputer", AvId::kDnsComputer, [](std::size_t n) { return n % 2 == 0; }},
    SizeCase{"DnsDomain", AvId::kDnsDomain, [](std::size_t n) { return n % 2 == 0; }},
    SizeCase{"DnsTree", AvId::kDnsTree, [](std::size_t n) { return n % 2 == 0; }},
    SizeCase{"Flags", AvId::kFlags, [](std::size_t n) { return n == 4; }},
    SizeCase{"Timestamp", AvId::kTimestamp, [](std::size_t n) { return n == 8; }},
    SizeCase{"SingleHost", AvId::kSingleHost, [](std::size_t n) { return n >= 48; }},
    SizeCase{"TargetName", AvId::kTargetName, [](std::size_t n) { return n % 2 == 0; }},
    SizeCase{"ChannelBindings", AvId::kChannelBindings, [](std::size_t n) { return n == 16; }},
    SizeCase{"Unknown", AvId(11), [](std::size_t) { return true; }},
    SizeCase{"Highest", AvId(0xffff), [](std::size_t) { return true; }},
};

class NtlmAvSize : public ::testing::TestWithParam<SizeCase> {};

TEST_P(NtlmAvSize, MustSuitTheId) {
  const SizeCase& c = GetParam();
  for (std::size_t size = 0; size <= 64; ++size) {
    const Octets list = pair(std::uint16_t(c.id), size) + hex(kEolHex);
    const ParseFault expected = c.suits(size) ? kNone : ParseFault{ParseCode::kBadValue, 4};
    EXPECT_EQ(parse_av_pairs(list).fault(), expected) << size;
  }
}

TEST_P(NtlmAvSize, MustBeThere) {
  const SizeCase& c = GetParam();
  for (std::size_t size = 1; size <= 64; ++size) {
    const Octets whole = pair(std::uint16_t(c.id), size);
    if (!c.suits(size)) {
      continue;
    }
    for (std::size_t kept = 4; kept < whole.size(); ++kept) {
      EXPECT_EQ(parse_av_pairs(Bytes(whole).first(kept)).fault(),
                (ParseFault{ParseCode::kOutOfBounds, 4}));
    }
  }
}

TEST_P(NtlmAvSize, MayOccurOnceUnlessUnknown) {
  const SizeCase& c = GetParam();
  std::size_t size = 0;
  while (!c.suits(size)) {
    ++size;
  }
  const Octets once = pair(std::uint16_t(c.id), size);
  EXPECT_EQ(parse_av_pairs(once + hex(kEolHex)).fault(), kNone);
  const ParseCode expected = c.id > AvId::kChannelBindings ? ParseCode::kOk : ParseCode::kBadValue;
  EXPECT_EQ(parse_av_pairs(once + once + hex(kEolHex)).fault().code, expected);
}

INSTANTIATE_TEST_SUITE_P(Table, NtlmAvSize, ::testing::ValuesIn(kSizes),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

struct ListCase {
  const char* name;
  const char* list;
  ParseFault fault;
  const char* why;
};

void PrintTo(const ListCase& c, std::ostream* out) { *out << c.why; }

constexpr std::array kLists = {
    ListCase{"OnlyTheEnd", "00000000", {}, "the shortest list"},
    ListCase{"Empty", "", {ParseCode::kTruncated, 0}, "MsvAvEOL MUST be there"},
    ListCase{"HalfAHeader", "0000 00", {ParseCode::kTruncated, 2}, "no size"},
    ListCase{"NoEnd", "0100 0200 4100", {ParseCode::kTruncated, 6}, "MsvAvEOL MUST be there"},
    ListCase{"EndWithSize", "0000 0100 00", {ParseCode::kBadValue, 4}, "AvLen of MsvAvEOL is 0"},
    ListCase{"EndWithSizeButNoValue", "0000 ffff", {ParseCode::kBadValue, 4}, "the same"},
    ListCase{
        "SizeOfRestAndOne", "0b00 0500 00000000", {ParseCode::kOutOfBounds, 4}, "CVE-2020-11097"},
    ListCase{"SizeSwallowsTheEnd",
             "0b00 0400 00000000",
             {ParseCode::kTruncated, 8},
             "what looks like MsvAvEOL is a value"},
    ListCase{"OnePaddingByte", "00000000 00", {}, "padding"},
    ListCase{"ThreePaddingBytes", "00000000 000000", {}, "padding"},
    ListCase{"ReservedField", "00000000 00000000", {}, "curl, Chromium, requests-ntlm, Java"},
    ListCase{"WinPrPadding", "00000000 000000000000000000000000", {}, "WinPR"},
    ListCase{"LongestPadding", "00000000 00000000000000000000000000000000", {}, "the limit"},
    ListCase{"TooMuchPadding",
             "00000000 0000000000000000000000000000000000",
             {ParseCode::kTrailingBytes, 4},
             "one past the limit"},
    ListCase{"SomethingBehindTheEnd", "00000000 01", {ParseCode::kTrailingBytes, 4}, "not zero"},
    ListCase{"APairBehindTheEnd",
             "00000000 0600 0400 02000000",
             {ParseCode::kTrailingBytes, 4},
             "it would look present to some and absent to others"},
};

class NtlmAvList : public ::testing::TestWithParam<ListCase> {};

TEST_P(NtlmAvList, EndsWithMsvAvEol) {
  const ListCase& c = GetParam();
  EXPECT_EQ(parse_av_pairs(hex(c.list)).fault(), c.fault) << c.why;
}

// The same list in a response: offsets count from the start of what was handed in.
TEST_P(NtlmAvList, IsHeldToTheSameRulesInAResponse) {
  const ListCase& c = GetParam();
  const Octets head = hex(std::string(32, 'a') + "0101" + std::string(52, '0'));
  ASSERT_EQ(head.size(), kNtlmv2ResponseSizeMin);
  const Octets list = hex(c.list);
  ParseFault expected = c.fault;
  if (list.empty()) {
    expected = kNone;  // Responses without any pair exist; a challenge without is none.
  } else if (expected != kNone) {
    expected.offset += kNtlmv2ResponseSizeMin;
  }
  EXPECT_EQ(parse_ntlmv2_response(head + list).fault(), expected) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, NtlmAvList, ::testing::ValuesIn(kLists),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(NtlmAvPairs, ManyUnknownOnesAreReadInOneSweep) {
  Octets list;
  for (int i = 0; i < 0xffff; ++i) {
    list = std::move(list) + pair(0x7777, 0);
  }
  EXPECT_EQ(parse_av_pairs(list).fault().code, ParseCode::kTruncated);
  EXPECT_EQ(parse_av_pairs(list + hex(kEolHex)).fault(), kNone);
}

TEST(NtlmAvPairs, AreWrittenAsTheyAreParsed) {
  const Octets computer = hex("570045004200");
  const Octets domain = hex("42004e00");
  const Octets dns_computer = hex("7700");
  const Octets dns_domain = hex("6200");
  const Octets dns_tree = hex("7400");
  const Octets flags = hex("02000000");
  const Octets timestamp = hex("0102030405060708");
  const Octets bindings = hex("fbf26dacad552025f4835db387f76a13");
  Octets buffer(256);
  AvWriter writer(buffer);
  writer.pair(AvId::kNetbiosComputer, computer);
  writer.pair(AvId::kNetbiosDomain, domain);
  writer.pair(AvId::kDnsComputer, dns_computer);
  writer.pair(AvId::kDnsDomain, dns_domain);
  writer.pair(AvId::kDnsTree, dns_tree);
  writer.pair(AvId::kTargetName, domain);
  writer.pair(AvId::kFlags, flags);
  writer.pair(AvId::kTimestamp, timestamp);
  writer.pair(AvId::kChannelBindings, bindings);
  const Result<AvPairs> pairs = parse_av_pairs(writer.finish());
  ASSERT_TRUE(pairs.ok()) << pairs.fault().offset;
  EXPECT_EQ(octets_of(pairs->netbios_computer), computer);
  EXPECT_EQ(octets_of(pairs->netbios_domain), domain);
  EXPECT_EQ(octets_of(pairs->dns_computer), dns_computer);
  EXPECT_EQ(octets_of(pairs->dns_domain), dns_domain);
  EXPECT_EQ(octets_of(pairs->dns_tree), dns_tree);
  EXPECT_EQ(octets_of(pairs->target_name), domain);
  EXPECT_TRUE(pairs->has_flags);
  EXPECT_EQ(pairs->flags, kAvFlagMic);
  EXPECT_TRUE(pairs->has_timestamp);
  EXPECT_EQ(pairs->timestamp, 0x0807060504030201u);
  EXPECT_EQ(octets_of(pairs->channel_bindings), bindings);
}

TEST(NtlmAvPairs, AbsentOnesAreSaidToBeAbsent) {
  const Octets list = hex(kEolHex);
  const Result<AvPairs> pairs = parse_av_pairs(list);
  ASSERT_TRUE(pairs.ok());
  EXPECT_FALSE(pairs->has_flags || pairs->has_timestamp);
  EXPECT_TRUE(pairs->channel_bindings.empty() && pairs->target_name.empty());
}

TEST(NtlmAvWriter, WritesByteForByte) {
  Octets buffer(12, 0xee);
  AvWriter writer(buffer);
  writer.pair(AvId::kNetbiosDomain, hex("42004e00"));
  EXPECT_EQ(octets_of(writer.finish()), hex("0200 0400 42004e00 0000 0000"));
}

TEST(NtlmAvWriter, GivesNothingIfAnythingDidNotFit) {
  const Octets value = hex("42004e00");
  for (std::size_t size = 0; size <= 12; ++size) {
    Octets buffer(size);
    AvWriter writer(buffer);
    writer.pair(AvId::kNetbiosDomain, value);
    EXPECT_EQ(writer.finish().size(), size < 12 ? 0u : 12u) << size;
  }
}

TEST(NtlmAvWriter, DoesNotForgetThatAPairDidNotFit) {
  Octets buffer(8);
  AvWriter writer(buffer);
  writer.pair(AvId::kTimestamp, Octets(8));
  writer.pair(AvId::kFlags, {});
  EXPECT_TRUE(writer.finish().empty());
}

TEST(NtlmAvWriter, RefusesAValueLongerThanItsLengthCanSay) {
  Octets buffer(0x20000);
  AvWriter fits(buffer);
  fits.pair(AvId::kDnsTree, Octets(0xffff));
  EXPECT_EQ(fits.finish().size(), 4u + 0xffffu + 4u);
  AvWriter writer(buffer);
  writer.pair(AvId::kDnsTree, Octets(0x10000));
  EXPECT_TRUE(writer.finish().empty());
}

TEST(NtlmNtlmv2Response, IsRefusedBelowItsSmallestSize) {
  const Octets response = hex(std::string(32, 'a') + "0101" + std::string(52, '0'));
  ASSERT_TRUE(parse_ntlmv2_response(response).ok());
  for (std::uint32_t size = 0; size < kNtlmv2ResponseSizeMin; ++size) {
    EXPECT_EQ(parse_ntlmv2_response(Bytes(response).first(size)).fault(),
              (ParseFault{ParseCode::kTruncated, size}));
  }
}

TEST(NtlmNtlmv2Response, NeedsBothVersionsToBe1) {
  for (const char* versions : {"0101", "0001", "0100", "0201", "0102", "0000", "ffff"}) {
    const Octets response = hex(std::string(32, 'a') + versions + std::string(52, '0'));
    const ParseFault expected =
        std::string_view(versions) == "0101" ? kNone : ParseFault{ParseCode::kBadValue, 18};
    EXPECT_EQ(parse_ntlmv2_response(response).fault(), expected) << versions;
  }
}

TEST(NtlmNtlmv2Response, GivesTheClientsTimeAndChallenge) {
  const Octets response = hex(std::string(32, 'a') + "0101 0000 00000000 0807060504030201" +
                              "1122334455667788 00000000" + "0600 0400 02000000" + kEolHex);
  const Result<Ntlmv2Response> parsed = parse_ntlmv2_response(response);
  ASSERT_TRUE(parsed.ok()) << parsed.fault().offset;
  EXPECT_EQ(octets_of(parsed->proof), Octets(16, 0xaa));
  EXPECT_EQ(octets_of(parsed->client_data), octets_of(Bytes(response).subspan(16)));
  EXPECT_EQ(parsed->timestamp, 0x0102030405060708u);
  EXPECT_EQ(octets_of(parsed->client_challenge), hex("1122334455667788"));
  EXPECT_EQ(parsed->pairs.flags, kAvFlagMic);
}

}  // namespace
}  // namespace usher::ntlm
