// parsers/negoex.h: NegoEx tokens as Windows writes them, and everything that is wrong with others.
#include "parsers/negoex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "tests/data/negoex_messages.h"
#include "tests/hex.h"

namespace usher::negoex {
namespace {

using namespace usher::testing;  // The builders and the names of offsets.

using Octets = NegoExOctets;

bool is(Bytes bytes, const char* text) { return std::ranges::equal(bytes, hex(text)); }

// The first message of MS-NEGOEX's own example, octet for octet: builder and parser against
// somebody else's bytes.
constexpr char kPublishedNego[] =
    "4e45474f45585453 00000000 00000000 60000000 70000000 3691b812168cbad4f67c3b24f06935c7"
    "f11e9e45678922838ae1f2232fdbdb12dcbe229f8c3f58694de60a4f5a828ef4 0000000000000000"
    "60000000 0100 0000 00000000 0000 0000 5c33530deaf90d4db2ec4ae3786ec308";

TEST(NegoExToken, IsLaidOutAsPublished) {
  EXPECT_EQ(negoex_nego(0, 1), hex(kPublishedNego));
  const Octets token = hex(kPublishedNego);
  const Result<Token> read = parse_token(token);
  ASSERT_TRUE(read.ok()) << read.fault().offset;
  EXPECT_EQ(read->message_count, 1u);
  const Message nego = message_at(*read, 0);
  EXPECT_EQ(nego.header.type, MessageType::kInitiatorNego);
  EXPECT_EQ(nego.header.sequence, 0u);
  EXPECT_EQ(nego.header.header_size, 96u);
  EXPECT_EQ(nego.header.message_size, 112u);
  EXPECT_TRUE(is(nego.header.conversation_id, kNegoExConversationId));
  EXPECT_TRUE(std::ranges::equal(nego.octets, token));
  EXPECT_TRUE(is(nego.random, "f11e9e45678922838ae1f2232fdbdb12dcbe229f8c3f58694de60a4f5a828ef4"));
  EXPECT_EQ(nego.protocol_version, 0u);
  EXPECT_TRUE(is(nego.auth_schemes, kPku2uScheme));
  EXPECT_EQ(nego.extension_count, 0u);
  EXPECT_FALSE(nego.has_critical_extension);
  EXPECT_TRUE(nego.auth_scheme.empty() && nego.exchange.empty() && nego.checksum.empty());
}

TEST(NegoExToken, GivesEveryKindOfMessage) {
  const Octets token = concatenated(
      {negoex_nego(5, 2, {{1, hex("aabb")}, {0x80000002, {}}}, MessageType::kAcceptorNego),
       negoex_exchange(MessageType::kAcceptorMetaData, 6, hex("3000")),
       negoex_exchange(MessageType::kChallenge, 7, {}),
       negoex_exchange(MessageType::kApRequest, 8, hex("c0ffee")),
       negoex_verify(9, hex("a0a1a2a3a4a5a6a7a8a9aaab")),
       negoex_alert(10, 0xc000006d, {{1, hex("0800000001000000")}}),
       negoex_exchange(MessageType::kInitiatorMetaData, 11, hex("00"))});
  const Result<Token> read = parse_token(token);
  ASSERT_TRUE(read.ok()) << read.fault().offset;
  ASSERT_EQ(read->message_count, 7u);

  const Message nego = message_at(*read, 0);
  EXPECT_EQ(nego.auth_schemes.size(), 2 * kGuidSize);
  EXPECT_EQ(nego.extension_count, 2u);
  EXPECT_TRUE(nego.has_critical_extension);
  EXPECT_TRUE(is(message_at(*read, 1).exchange, "3000"));
  EXPECT_TRUE(is(message_at(*read, 1).auth_scheme, kPku2uScheme));
  EXPECT_TRUE(message_at(*read, 2).exchange.empty());
  EXPECT_TRUE(is(message_at(*read, 3).exchange, "c0ffee"));
  const Message verify = message_at(*read, 4);
  EXPECT_EQ(verify.checksum_type, 16u);
  EXPECT_TRUE(is(verify.checksum, "a0a1a2a3a4a5a6a7a8a9aaab"));
  const Message alert = message_at(*read, 5);
  EXPECT_EQ(alert.header.type, MessageType::kAlert);
  EXPECT_EQ(alert.error_code, 0xc000006du);
  EXPECT_TRUE(is(alert.auth_scheme, kPku2uScheme));
  EXPECT_EQ(message_at(*read, 6).header.sequence, 11u);
}

TEST(NegoExToken, ExtensionsAreCriticalByTheirHighestBit) {
  for (const auto& [type, critical] :
       {std::pair{0u, false}, {0x7fffffffu, false}, {0x80000000u, true}, {0xffffffffu, true}}) {
    const Octets token = negoex_nego(0, 1, {{type, hex("00")}});
    const Result<Token> read = parse_token(token);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(message_at(*read, 0).has_critical_extension, critical) << type;
  }
}

// ---- one field of a right token changed

struct FieldCase {
  const char* name;
  Octets token;
  ParseFault fault;
  const char* why;
};

const Octets kNego = negoex_nego(0, 2, {{1, Octets(4, 0xee)}});  // 96 + 32 + 12 + 4 bytes.
const Octets kExchange = negoex_exchange(MessageType::kApRequest, 0, Octets(10, 0xcc));
const Octets kVerify = negoex_verify(0, Octets(12, 0xaa));
const Octets kAlert = negoex_alert(0, 1, {{1, hex("0800000001000000")}});
const Octets kTwo =
    concatenated({negoex_nego(0, 1), negoex_exchange(MessageType::kApRequest, 1, {})});
constexpr std::size_t kSecond = 112;

constexpr ParseCode kBad = ParseCode::kBadValue;
constexpr ParseCode kOut = ParseCode::kOutOfBounds;
constexpr ParseCode kCut = ParseCode::kTruncated;

Octets without_tail(Octets octets, std::size_t count) {
  octets.resize(octets.size() - count);
  return octets;
}

const std::vector<FieldCase> kFields = {
    {"Nego", kNego, {}, "the positive twin"},
    {"Exchange", kExchange, {}, "the positive twin"},
    {"Verify", kVerify, {}, "the positive twin"},
    {"Alert", kAlert, {}, "the positive twin"},
    {"Two", kTwo, {}, "the positive twin"},
    {"WindowsClient", negoex_client_token(), {}, "the positive twin"},

    {"Empty", {}, {kCut, 0}, "a token has a message"},
    {"Signature", with32(kNego, 0, 0), {kBad, 8}, "2.2.6.2"},
    {"SignatureOfNtlm", hex("4e544c4d53535000 01000000"), {kBad, 8}, "another protocol"},
    {"TypeEight", with32(kNego, kNegoExType, 8), {kBad, 12}, "2.2.6.1"},
    {"TypeHighest", with32(kNego, kNegoExType, 0xffffffff), {kBad, 12}, "2.2.6.1"},
    {"TypeOfOtherFixedPart", with32(kNego, kNegoExType, 5), {kBad, 20}, "B13"},

    {"HeaderLengthZero", with32(kNego, kNegoExHeaderLength, 0), {kBad, 20}, "B13"},
    {"HeaderLengthOneLess", with32(kNego, kNegoExHeaderLength, 95), {kBad, 20}, "B13"},
    {"HeaderLengthOneMore", with32(kNego, kNegoExHeaderLength, 97), {kBad, 20}, "B13"},
    {"HeaderLengthHighest", with32(kNego, kNegoExHeaderLength, 0xffffffff), {kBad, 20}, "B13"},
    {"HeaderLengthOfExchange", with32(kExchange, kNegoExHeaderLength, 63), {kBad, 20}, "B13"},
    {"HeaderLengthOfVerify", with32(kVerify, kNegoExHeaderLength, 76), {kBad, 20}, "B13"},
    {"HeaderLengthOfAlert", with32(kAlert, kNegoExHeaderLength, 68), {kBad, 20}, "B13"},
    {"MessageLengthZero", with32(kNego, kNegoExMessageLength, 0), {kBad, 24}, "no end of messages"},
    {"MessageLengthBelowHeader", with32(kNego, kNegoExMessageLength, 95), {kBad, 24}, "B13"},
    {"MessageLengthOneMore", with32(kNego, kNegoExMessageLength, 145), {kCut, 0}, "2.2.6.2"},
    {"MessageLengthHighest", with32(kNego, kNegoExMessageLength, 0xffffffff), {kCut, 0}, "B14"},
    {"MessageLengthOneLess",
     with32(kExchange, kNegoExMessageLength, 73),
     {kOut, 64},
     "the vector leaves its message, not the token"},
    {"ByteAfterTheMessage", concatenated({kNego, {0}}), {kCut, 144}, "no message of one byte"},

    {"SchemesPastTheEnd", with32(kNego, kNegoSchemes, 113), {kOut, 88}, "B12"},
    {"SchemesAtTheVeryEnd", with32(kNego, kNegoSchemes, 112), {}, "may overlap the extensions"},
    {"SchemesInTheHeader", with32(kNego, kNegoSchemes, 95), {kOut, 88}, "B12"},
    {"SchemesAtZero", with32(kNego, kNegoSchemes, 0), {kOut, 88}, "B12"},
    {"SchemesWrap", with32(kNego, kNegoSchemes, 0xfffffff0), {kOut, 88}, "B14"},
    {"SchemeCountOneMore", with16(kNego, kNegoSchemes + 4, 4), {kOut, 88}, "B12: 64 of 48 bytes"},
    {"SchemeCountHighest", with16(kNego, kNegoSchemes + 4, 0xffff), {kBad, 88}, "B12"},
    {"NoSchemes",
     with16(with32(kNego, kNegoSchemes, 0xffffffff), kNegoSchemes + 4, 0),
     {},
     "an offset of nothing"},
    {"SchemePadding", with16(kNego, kNegoSchemes + 6, 0xffff), {}, "alignment is not looked at"},

    {"ExtensionsPastTheEnd", with32(kNego, kNegoExtensions, 133), {kOut, 96}, "B12"},
    {"ExtensionsInTheHeader", with32(kNego, kNegoExtensions, 88), {kOut, 96}, "B12"},
    {"ExtensionsWrap", with32(kNego, kNegoExtensions, 0xfffffff8), {kOut, 96}, "B14"},
    {"ExtensionCountTwo", with16(kNego, kNegoExtensions + 4, 2), {kOut, 96}, "B12"},
    {"ExtensionCountHighest", with16(kNego, kNegoExtensions + 4, 0xffff), {kBad, 96}, "B12"},
    {"ExtensionValuePastTheEnd", with32(kNego, 96 + 32 + 4, 141), {kOut, 96}, "B12"},
    {"ExtensionValueInTheHeader", with32(kNego, 96 + 32 + 4, 92), {kOut, 96}, "B12"},
    {"ExtensionValueTooLong", with32(kNego, 96 + 32 + 8, 5), {kOut, 96}, "B12"},
    {"ExtensionValueWraps", with32(kNego, 96 + 32 + 8, 0xffffffff), {kOut, 96}, "B14"},

    {"TokenPastTheEnd", with32(kExchange, kExchangeVector, 65), {kOut, 64}, "2.2.6.4"},
    {"TokenInTheHeader", with32(kExchange, kExchangeVector, 63), {kOut, 64}, "2.2.6.4"},
    {"TokenTooLong", with32(kExchange, kExchangeVector + 4, 11), {kOut, 64}, "2.2.6.4"},
    {"TokenWraps", with32(kExchange, kExchangeVector + 4, 0xffffffc0), {kOut, 64}, "B14"},

    {"ChecksumHeader19", with32(kVerify, kVerifyChecksum, 19), {kBad, 60}, "2.2.5.1.3: 20"},
    {"ChecksumHeader21", with32(kVerify, kVerifyChecksum, 21), {kBad, 60}, "2.2.5.1.3: 20"},
    {"ChecksumScheme2", with32(kVerify, kVerifyChecksum + 4, 2), {kBad, 64}, "2.2.3: only 1"},
    {"ChecksumPastTheEnd", with32(kVerify, kVerifyChecksum + 12, 81), {kOut, 76}, "2.2.6.5"},
    {"ChecksumInTheHeader", with32(kVerify, kVerifyChecksum + 12, 76), {kOut, 76}, "2.2.6.5"},
    {"ChecksumTooLong", with32(kVerify, kVerifyChecksum + 16, 13), {kOut, 76}, "2.2.6.5"},

    {"AlertsPastTheEnd", with32(kAlert, kAlertVector, 81), {kOut, 68}, "2.2.6.6"},
    {"AlertCountHighest", with16(kAlert, kAlertVector + 4, 0xffff), {kBad, 68}, "2.2.6.6"},
    {"AlertValueTooLong", with32(kAlert, 72 + 8, 9), {kOut, 68}, "2.2.5.1.1"},

    {"SequenceNotZero",
     with32(with32(kTwo, kNegoExSequence, 7), kSecond + kNegoExSequence, 8),
     {},
     "a conversation has earlier tokens"},
    {"SequenceTwice", with32(kTwo, kSecond + kNegoExSequence, 0), {kBad, 112}, "B14"},
    {"SequenceLeftOut", with32(kTwo, kSecond + kNegoExSequence, 2), {kBad, 112}, "B14"},
    {"SequenceWraps",
     with32(with32(kTwo, kNegoExSequence, 0xffffffff), kSecond + kNegoExSequence, 0),
     {kBad, 112},
     "B14: counts up"},
    {"OtherConversation", with32(kTwo, kSecond + kNegoExConversation, 0), {kBad, 112}, "B14"},
    {"SecondSignature", with32(kTwo, kSecond, 0), {kBad, 120}, "2.2.6.2"},
    {"SecondCutOff", without_tail(kTwo, 1), {kCut, 112}, "2.2.6.2"},
};

void PrintTo(const FieldCase& c, std::ostream* out) { *out << c.why; }

class NegoExTable : public ::testing::TestWithParam<FieldCase> {};

TEST_P(NegoExTable, IsReadOrPointedAt) {
  EXPECT_EQ(parse_token(GetParam().token).fault(), GetParam().fault) << GetParam().why;
}

INSTANTIATE_TEST_SUITE_P(Table, NegoExTable, ::testing::ValuesIn(kFields),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(NegoExToken, HeaderLengthHasOneRightValue) {
  // B13: the whole range below, and beyond.
  for (std::uint32_t length = 0; length <= kNego.size() + 8; ++length) {
    EXPECT_EQ(parse_token(with32(kNego, kNegoExHeaderLength, length)).ok(), length == 96) << length;
  }
}

TEST(NegoExToken, CountsAreBounded) {
  EXPECT_TRUE(parse_token(negoex_nego(0, kVectorMax)).ok());
  EXPECT_EQ(parse_token(negoex_nego(0, kVectorMax + 1)).fault(), (ParseFault{kBad, 88}));
  const std::vector<NegoExEntry> many(kVectorMax, {1, {}});
  EXPECT_TRUE(parse_token(negoex_nego(0, 1, many)).ok());
  EXPECT_TRUE(parse_token(negoex_alert(0, 1, many)).ok());
  const std::vector<NegoExEntry> too_many(kVectorMax + 1, {1, {}});
  EXPECT_EQ(parse_token(negoex_nego(0, 1, too_many)).fault(), (ParseFault{kBad, 96}));
  EXPECT_EQ(parse_token(negoex_alert(0, 1, too_many)).fault(), (ParseFault{kBad, 68}));

  Octets messages;
  for (std::uint32_t i = 0; i < kMessagesMax; ++i) {
    put(messages, negoex_exchange(MessageType::kChallenge, i, {}));
  }
  const Result<Token> read = parse_token(messages);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->message_count, kMessagesMax);
  EXPECT_EQ(message_at(*read, kMessagesMax - 1).header.sequence, kMessagesMax - 1);
  put(messages, negoex_exchange(MessageType::kChallenge, kMessagesMax, {}));
  EXPECT_EQ(parse_token(messages).fault(), (ParseFault{kBad, kMessagesMax * 64}));
}

TEST(NegoExToken, EveryPrefixIsRefusedButWholeMessages) {
  const Octets token = negoex_client_token();
  for (std::size_t size = 0; size < token.size(); ++size) {
    const ParseFault fault = parse_token(Bytes(token).first(size)).fault();
    EXPECT_EQ(fault.code, size == kSecond ? ParseCode::kOk : kCut) << size;
  }
  for (const Octets& alone : {kNego, kExchange, kVerify, kAlert}) {
    for (std::size_t size = 0; size < alone.size(); ++size) {
      EXPECT_EQ(parse_token(Bytes(alone).first(size)).fault().code, kCut) << size;
    }
  }
}

}  // namespace
}  // namespace usher::negoex
