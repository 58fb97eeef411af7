// parsers/gss_message.h: per-message tokens of RFC 4121 and RFC 1964, octet by octet.
#include "parsers/gss_message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/data/gss_message_tokens.h"
#include "tests/hex.h"

namespace usher::gss {
namespace {

using usher::testing::hex;
using usher::testing::kLegacyDeleteToken;
using usher::testing::kLegacyMicToken;
using usher::testing::kLegacyWrapToken;
using usher::testing::kMicToken;
using usher::testing::kPlainWrapToken;
using usher::testing::kSealedWrapToken;

using Octets = std::vector<std::uint8_t>;

bool is(Bytes bytes, const char* text) { return std::ranges::equal(bytes, hex(text)); }

TEST(GssMessageKind, IsToldByTheFirstOctets) {
  EXPECT_EQ(message_kind_of(hex(kMicToken)), MessageKind::kMic);
  EXPECT_EQ(message_kind_of(hex(kPlainWrapToken)), MessageKind::kWrap);
  EXPECT_EQ(message_kind_of(hex(kLegacyWrapToken)), MessageKind::kLegacy);
  EXPECT_EQ(message_kind_of(hex("0404")), MessageKind::kMic);
  EXPECT_EQ(message_kind_of(hex("0504")), MessageKind::kWrap);
  EXPECT_EQ(message_kind_of(hex("60")), MessageKind::kLegacy);
  for (const char* other : {"", "04", "05", "0405", "0405ff", "0604", "6100", "0101", "4e54"}) {
    EXPECT_EQ(message_kind_of(hex(other)), MessageKind::kUnknown) << other;
  }
}

TEST(GssMic, IsTakenApart) {
  const Octets token = hex(kMicToken);
  const Result<MicToken> mic = parse_mic_token(token);
  ASSERT_TRUE(mic.ok()) << mic.fault().offset;
  EXPECT_EQ(mic->flags, kAcceptorSubkey);
  EXPECT_EQ(mic->sequence, 1u);
  EXPECT_TRUE(is(mic->header, "0404 04 ffffffffff 0000000000000001"));
  EXPECT_TRUE(is(mic->checksum, "a0a1a2a3a4a5a6a7a8a9aaab"));
  EXPECT_EQ(mic->checksum.data(), &token[16]) << "a view, not a copy";
}

TEST(GssWrap, IsTakenApart) {
  const Octets plain = hex(kPlainWrapToken);
  const Result<WrapToken> wrap = parse_wrap_token(plain);
  ASSERT_TRUE(wrap.ok()) << wrap.fault().offset;
  EXPECT_EQ(wrap->flags, 0);
  EXPECT_EQ(wrap->extra_count, 12);
  EXPECT_EQ(wrap->right_rotation_count, 28);
  EXPECT_EQ(wrap->sequence, 1u);
  EXPECT_TRUE(is(wrap->header, "0504 00 ff 000c 001c 0000000000000001"));
  EXPECT_TRUE(is(wrap->payload, "a0a1a2a3a4a5a6a7a8a9aaab d0d1"));

  const Octets sealed = hex(kSealedWrapToken);
  ASSERT_TRUE(parse_wrap_token(sealed).ok());
  EXPECT_EQ(parse_wrap_token(sealed)->flags, kSealed | kAcceptorSubkey);
  EXPECT_EQ(parse_wrap_token(sealed)->payload.size(), 18u);
}

TEST(GssLegacy, IsTakenApart) {
  const Octets mic_token = hex(kLegacyMicToken);
  const Result<LegacyToken> mic = parse_legacy_token(mic_token);
  ASSERT_TRUE(mic.ok()) << mic.fault().offset;
  EXPECT_EQ(mic->id, LegacyTokenId::kMic);
  EXPECT_EQ(mic->sign, SignAlgorithm::kHmacMd5);
  EXPECT_EQ(mic->seal, SealAlgorithm::kNone);
  EXPECT_TRUE(is(mic->header, "0101 1100 ffffffff"));
  EXPECT_TRUE(is(mic->encrypted_sequence, "5051525354555657"));
  EXPECT_TRUE(is(mic->checksum, "a0a1a2a3a4a5a6a7"));
  EXPECT_TRUE(mic->payload.empty());

  const Octets wrap_token = hex(kLegacyWrapToken);
  const Result<LegacyToken> wrap = parse_legacy_token(wrap_token);
  ASSERT_TRUE(wrap.ok()) << wrap.fault().offset;
  EXPECT_EQ(wrap->id, LegacyTokenId::kWrap);
  EXPECT_EQ(wrap->seal, SealAlgorithm::kRc4);
  EXPECT_TRUE(is(wrap->header, "0201 1100 1000 ffff"));
  EXPECT_TRUE(is(wrap->checksum, "a0a1a2a3a4a5a6a7"));
  EXPECT_TRUE(is(wrap->payload, "c0c1c2c3c4c5c6c7 d0d1 01"));

  const Octets delete_token = hex(kLegacyDeleteToken);
  ASSERT_TRUE(parse_legacy_token(delete_token).ok());
  EXPECT_EQ(parse_legacy_token(delete_token)->id, LegacyTokenId::kDelete);

  // RFC 3961's DES3 has a checksum of 20 octets.
  const Octets des3 =
      hex("60 2f 06 09 2a864886f712010202 0101 0400 ffffffff 5051525354555657"
          " a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");
  ASSERT_TRUE(parse_legacy_token(des3).ok());
  EXPECT_EQ(parse_legacy_token(des3)->checksum.size(), 20u);
}

TEST(GssLegacy, KnowsTheAlgorithmsOfItsRfcs) {
  for (unsigned value = 0; value <= 0xffff; ++value) {
    Octets mic =
        hex("60 2f 06 09 2a864886f712010202 0101 0000 ffffffff 5051525354555657"
            " a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");
    store_be(MutableBytes(mic).subspan(15), static_cast<std::uint16_t>(value));
    if (value != 0x0400) {
      mic.resize(mic.size() - 12);
      mic[1] = 0x23;
    }
    const bool sign =
        value == 0x0000 || value == 0x0100 || value == 0x0200 || value == 0x0400 || value == 0x1100;
    ASSERT_EQ(parse_legacy_token(mic).fault().code, sign ? ParseCode::kOk : ParseCode::kBadValue)
        << value;
    Octets wrap = hex(kLegacyWrapToken);
    store_be(MutableBytes(wrap).subspan(17), static_cast<std::uint16_t>(value));
    const bool seal = value == 0x0000 || value == 0x0200 || value == 0x1000 || value == 0xffff;
    ASSERT_EQ(parse_legacy_token(wrap).fault().code, seal ? ParseCode::kOk : ParseCode::kBadValue)
        << value;
  }
}

// ---- the table: one field of a right token changed

struct MessageCase {
  const char* name;
  const char* token;
  ParseFault fault;
  const char* why;
};

void PrintTo(const MessageCase& c, std::ostream* out) { *out << c.why; }

constexpr std::array kMics = {
    MessageCase{"AsItShouldBe", kMicToken, {}, "the positive twin"},
    MessageCase{"AllFlagsButSealed",
                "0404 fd ffffffffff 0000000000000001 a0",
                {},
                "4.2.2: unknown flags are ignored"},
    MessageCase{"ChecksumOfOneOctet",
                "0404 04 ffffffffff 0000000000000001 a0",
                {},
                "its size is the etype's matter"},
    MessageCase{"HighestSequence", "0404 04 ffffffffff ffffffffffffffff a0", {}, "64 bits"},
    MessageCase{"Sealed",
                "0404 06 ffffffffff 0000000000000001 a0",
                {ParseCode::kBadValue, 16},
                "4.2.2: SHALL NOT"},
    MessageCase{"FirstFiller",
                "0404 04 00ffffffff 0000000000000001 a0",
                {ParseCode::kBadValue, 8},
                "4.2.6.1"},
    MessageCase{"LastFiller",
                "0404 04 fffffffffe 0000000000000001 a0",
                {ParseCode::kBadValue, 8},
                "4.2.6.1"},
    MessageCase{"NoChecksum",
                "0404 04 ffffffffff 0000000000000001",
                {ParseCode::kTruncated, 16},
                "C7: nothing to verify"},
    MessageCase{"WrapToken", kPlainWrapToken, {ParseCode::kUnexpectedTag, 0}, "another TOK_ID"},
    MessageCase{"LegacyMic",
                kLegacyMicToken,
                {ParseCode::kUnexpectedTag, 0},
                "C4: RFC 1964 where RFC 4121 is spoken"},
    MessageCase{"TokenIdReversed",
                "0440 04 ffffffffff 0000000000000001 a0",
                {ParseCode::kUnexpectedTag, 0},
                "4.2.6"},
    MessageCase{"Empty", "", {ParseCode::kTruncated, 0}, "no TOK_ID"},
};

constexpr std::array kWraps = {
    MessageCase{"Plain", kPlainWrapToken, {}, "the positive twin"},
    MessageCase{"Sealed", kSealedWrapToken, {}, "the positive twin"},
    MessageCase{
        "ChecksumOnly", "0504 00 ff 0002 0000 0000000000000001 a0a1", {}, "an empty message"},
    MessageCase{"SealedNoFiller",
                "0504 02 ff 0000 0000 0000000000000001 c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
                {},
                "EC may be 0 when sealed"},
    MessageCase{"RotatedFurtherThanItIsLong",
                "0504 00 ff 0001 ffff 0000000000000001 a0",
                {},
                "RRC counts modulo the size"},
    MessageCase{"UnknownFlags",
                "0504 f8 ff 0001 0000 0000000000000001 a0",
                {},
                "4.2.2: unknown flags are ignored"},
    MessageCase{"ExtraCountOneTooMany",
                "0504 00 ff 000f 001c 0000000000000001 a0a1a2a3a4a5a6a7a8a9aaab d0d1",
                {ParseCode::kBadValue, 16},
                "C6: EC beyond the payload"},
    MessageCase{"ExtraCountHighest",
                "0504 00 ff ffff 0000 0000000000000001 a0",
                {ParseCode::kBadValue, 16},
                "C6"},
    MessageCase{"NoChecksum",
                "0504 00 ff 0000 0000 0000000000000001 a0",
                {ParseCode::kBadValue, 16},
                "C7: nothing to verify"},
    MessageCase{
        "NothingAtAll", "0504 00 ff 0000 0000 0000000000000001", {ParseCode::kBadValue, 16}, "C6"},
    MessageCase{"SealedTooShortForTheHeader",
                "0504 02 ff 0000 0000 0000000000000001 c0c1c2c3c4c5c6c7c8c9cacbcccdce",
                {ParseCode::kBadValue, 16},
                "C6: plaintext below 16"},
    MessageCase{"SealedTooShortForItsFiller",
                "0504 06 ff 0003 001c 0000000000000001 c0c1c2c3c4c5c6c7c8c9cacbcccdcecf e0e1",
                {ParseCode::kBadValue, 16},
                "C6"},
    MessageCase{
        "Filler", "0504 00 fe 0001 0000 0000000000000001 a0", {ParseCode::kBadValue, 4}, "4.2.6.2"},
    MessageCase{"MicToken", kMicToken, {ParseCode::kUnexpectedTag, 0}, "another TOK_ID"},
    MessageCase{"LegacyWrap",
                kLegacyWrapToken,
                {ParseCode::kUnexpectedTag, 0},
                "C4: RFC 1964 where RFC 4121 is spoken"},
};

// The framing ends at offset 13.
constexpr std::array kLegacies = {
    MessageCase{"Mic", kLegacyMicToken, {}, "the positive twin"},
    MessageCase{"Delete", kLegacyDeleteToken, {}, "the positive twin"},
    MessageCase{"Wrap", kLegacyWrapToken, {}, "the positive twin"},
    MessageCase{"WrapOfNothing",
                "60 2c 06 09 2a864886f712010202 0201 1100 ffff ffff 5051525354555657 "
                "a0a1a2a3a4a5a6a7 c0c1c2c3c4c5c6c7 01",
                {},
                "an empty message, not sealed"},
    MessageCase{
        "TokenIdOfApReq",
        "60 23 06 09 2a864886f712010202 0100 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kUnexpectedTag, 13},
        "RFC 1964 1.1"},
    MessageCase{
        "TokenIdUnknown",
        "60 23 06 09 2a864886f712010202 0202 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kUnexpectedTag, 13},
        "1.2"},
    MessageCase{
        "MsKerberosOid",
        "60 23 06 09 2a864882f712010202 0101 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kUnexpectedTag, 13},
        "the misprint is SPNEGO's only"},
    MessageCase{
        "NtlmOid",
        "60 24 06 0a 2b06010401823702020a 0101 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kUnexpectedTag, 14},
        "another mechanism"},
    MessageCase{
        "MicFiller",
        "60 23 06 09 2a864886f712010202 0101 1100 ffffff00 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kBadValue, 21},
        "1.2.1.1"},
    MessageCase{"WrapFiller",
                "60 2e 06 09 2a864886f712010202 0201 1100 1000 00ff 5051525354555657 "
                "a0a1a2a3a4a5a6a7 c0c1c2c3c4c5c6c7 d0d1 01",
                {ParseCode::kBadValue, 21},
                "1.2.2.1"},
    MessageCase{
        "SignAlgorithmReversed",
        "60 23 06 09 2a864886f712010202 0101 0011 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kBadValue, 17},
        "RFC 4757 7.2"},
    MessageCase{"SealAlgorithmReversed",
                "60 2e 06 09 2a864886f712010202 0201 1100 0010 ffff 5051525354555657 "
                "a0a1a2a3a4a5a6a7 c0c1c2c3c4c5c6c7 d0d1 01",
                {ParseCode::kBadValue, 19},
                "RFC 4757 7.3"},
    MessageCase{
        "MicWithPayload",
        "60 24 06 09 2a864886f712010202 0101 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7 00",
        {ParseCode::kTrailingBytes, 37},
        "1.2.1"},
    MessageCase{"WrapWithoutPadding",
                "60 2b 06 09 2a864886f712010202 0201 1100 1000 ffff 5051525354555657 "
                "a0a1a2a3a4a5a6a7 c0c1c2c3c4c5c6c7",
                {ParseCode::kTruncated, 45},
                "C4, C8: shorter than confounder and padding"},
    MessageCase{
        "WrapWithoutConfounder",
        "60 23 06 09 2a864886f712010202 0201 1100 1000 ffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kTruncated, 37},
        "C4, C8"},
    MessageCase{"ChecksumCutOff",
                "60 22 06 09 2a864886f712010202 0101 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6",
                {ParseCode::kTruncated, 29},
                "C4: below 22 octets after TOK_ID"},
    MessageCase{"NothingInside",
                "60 0b 06 09 2a864886f712010202",
                {ParseCode::kTruncated, 13},
                "no TOK_ID"},
    MessageCase{
        "FramingOneMore",
        "60 24 06 09 2a864886f712010202 0101 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7",
        {ParseCode::kTruncated, 0},
        "C6: the framing is longer than the token"},
    MessageCase{"FramingOfHeaderOnly",
                "60 23 06 09 2a864886f712010202 0201 1100 1000 ffff 5051525354555657 "
                "a0a1a2a3a4a5a6a7 c0c1c2c3c4c5c6c7 d0d1 01",
                {ParseCode::kTrailingBytes, 37},
                "RFC 4757 7.3: only DCE style leaves the data out"},
    MessageCase{"Rfc4121Mic", kMicToken, {ParseCode::kUnexpectedTag, 0}, "no framing"},
};

std::string name_of_case(const ::testing::TestParamInfo<MessageCase>& param_info) {
  return param_info.param.name;
}

class GssMicTable : public ::testing::TestWithParam<MessageCase> {};
TEST_P(GssMicTable, IsReadOrPointedAt) {
  EXPECT_EQ(parse_mic_token(hex(GetParam().token)).fault(), GetParam().fault) << GetParam().why;
}
INSTANTIATE_TEST_SUITE_P(Table, GssMicTable, ::testing::ValuesIn(kMics), name_of_case);

class GssWrapTable : public ::testing::TestWithParam<MessageCase> {};
TEST_P(GssWrapTable, IsReadOrPointedAt) {
  EXPECT_EQ(parse_wrap_token(hex(GetParam().token)).fault(), GetParam().fault) << GetParam().why;
}
INSTANTIATE_TEST_SUITE_P(Table, GssWrapTable, ::testing::ValuesIn(kWraps), name_of_case);

class GssLegacyTable : public ::testing::TestWithParam<MessageCase> {};
TEST_P(GssLegacyTable, IsReadOrPointedAt) {
  EXPECT_EQ(parse_legacy_token(hex(GetParam().token)).fault(), GetParam().fault) << GetParam().why;
}
INSTANTIATE_TEST_SUITE_P(Table, GssLegacyTable, ::testing::ValuesIn(kLegacies), name_of_case);

// ---- prefixes

// A token that ends with what has no length of its own, a checksum or payload, is right at any size
// from `least` on; nobody but its checksum can tell that some is missing.
TEST(GssMessagePrefixes, AreRefusedUpToTheFixedPart) {
  const auto check = [](const char* text, std::size_t least, const auto& parse) {
    const Octets token = hex(text);
    for (std::size_t size = 0; size < token.size(); ++size) {
      EXPECT_EQ(parse(Bytes(token).first(size)).ok(), size >= least) << text << " " << size;
      if (size < 16) {
        EXPECT_EQ(parse(Bytes(token).first(size)).fault().code, ParseCode::kTruncated) << size;
      }
    }
  };
  check(kMicToken, 17, parse_mic_token);
  check(kPlainWrapToken, 28, parse_wrap_token);
  check(kSealedWrapToken, 34, parse_wrap_token);
  for (const char* legacy : {kLegacyMicToken, kLegacyDeleteToken, kLegacyWrapToken}) {
    check(legacy, SIZE_MAX, parse_legacy_token);  // The framing knows the size.
  }
}

}  // namespace
}  // namespace usher::gss
