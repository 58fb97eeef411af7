// parsers/ntlm.h: real messages are taken apart correctly, and payload fields stay inside the
// payload whatever they say.
#include "parsers/ntlm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/data/ntlm_messages.h"
#include "tests/hex.h"

namespace usher::ntlm {
namespace {

using usher::testing::hex;
using usher::testing::kRecordedNtlm;
using Octets = std::vector<std::uint8_t>;

constexpr ParseFault kNone{};

Octets octets_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
std::string text_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// wide is ASCII text as UTF-16LE.
std::string wide(std::string_view text) {
  std::string units;
  for (const char c : text) {
    units += c;
    units += '\0';
  }
  return units;
}

// le is `value` as little-endian hex of `size` bytes.
std::string le(std::uint64_t value, int size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  for (int i = 0; i < size; ++i, value >>= 8) {
    digits += kDigits[value >> 4 & 15];
    digits += kDigits[value & 15];
  }
  return digits;
}

std::string zeros(std::size_t count) { return std::string(2 * count, '0'); }

const std::string kSignatureHex = "4e544c4d53535000";

struct FieldHeader {
  std::uint16_t length = 0;
  std::uint32_t offset = 0;
  std::uint16_t length_max = 0;
};

std::string field(const FieldHeader& header) {
  return le(header.length, 2) + le(header.length_max, 2) + le(header.offset, 4);
}

// The six fields of an AUTHENTICATE_MESSAGE in their order, then `rest` from offset 64 on.
Octets authenticate(const std::array<FieldHeader, 6>& fields, const std::string& rest) {
  std::string message = kSignatureHex + le(3, 4);
  for (const FieldHeader& header : fields) {
    message += field(header);
  }
  return hex(message + le(0x00088201, 4) + rest);
}

std::array<Bytes, 6> fields_of(const Authenticate& message) {
  return {message.lm_response, message.nt_response, message.domain,
          message.user,        message.workstation, message.encrypted_session_key};
}

// ---- recorded messages

struct RecordedCase {
  bool wide;  // Strings are UTF-16LE.
  std::size_t nt_response_size;
  bool mic;
  std::uint32_t av_flags;  // 0 also if the pair is absent.
  const char* service;     // MsvAvTargetName.
  const char* channel_bindings;
};

constexpr const char* kZeroBindings = "00000000000000000000000000000000";
constexpr std::array<RecordedCase, kRecordedNtlm.size()> kRecordedCases = {{
    {true, 250, true, kAvFlagMic, "HTTP/web.bntlm.test:34993", "fbf26dacad552025f4835db387f76a13"},
    {true, 250, true, kAvFlagMic, "HTTP/web.bntlm.test:31786", kZeroBindings},
    {true, 148, true, kAvFlagMic, "HTTP/web.bntlm.test", ""},
    {false, 168, false, 0, "", ""},
    {false, 24, false, 0, "", ""},
    {true, 238, false, 0, "HTTP/web.bntlm.test", "a8398e96473163fef6cae76013e8ab5a"},
    {true, 148, true, kAvFlagMic, "HTTP/web.bntlm.test", ""},
    {true, 168, false, 0, "", ""},
    {true, 174, true, 0, "", kZeroBindings},
    {false, 176, true, kAvFlagMic, "", ""},
    {false, 24, false, 0, "", ""},
    {true, 246, true, kAvFlagMic, "HTTP/web.bntlm.test", kZeroBindings},
}};

class NtlmRecorded : public ::testing::TestWithParam<std::size_t> {
 protected:
  const Octets negotiate_ = hex(kRecordedNtlm[GetParam()].negotiate);
  const Octets challenge_ = hex(kRecordedNtlm[GetParam()].challenge);
  const Octets authenticate_ = hex(kRecordedNtlm[GetParam()].authenticate);
  const RecordedCase& expected_ = kRecordedCases[GetParam()];

  std::string charset(std::string_view text) const {
    return expected_.wide ? wide(text) : std::string(text);
  }
};

TEST_P(NtlmRecorded, NegotiateGivesItsFlags) {
  const Result<Negotiate> message = parse_negotiate(negotiate_);
  ASSERT_TRUE(message.ok()) << message.fault().offset;
  EXPECT_EQ(std::uint32_t(message->flags), load_le<std::uint32_t>(Bytes(negotiate_).subspan(12)));
  const bool domain_supplied = has(message->flags, NegotiateFlags::kDomainSupplied);
  EXPECT_EQ(text_of(message->domain), domain_supplied ? "BNTLM" : "");
  EXPECT_TRUE(message->workstation.empty());
}

TEST_P(NtlmRecorded, ChallengeGivesItsNames) {
  const Result<Challenge> message = parse_challenge(challenge_);
  ASSERT_TRUE(message.ok()) << message.fault().offset;
  EXPECT_EQ(message->server_challenge.data(), challenge_.data() + 24);
  EXPECT_EQ(message->server_challenge.size(), 8u);
  const bool requested = has(message->flags, NegotiateFlags::kRequestTarget);
  EXPECT_EQ(text_of(message->target_name), requested ? charset("BNTLM") : "");
  const Result<AvPairs> pairs = parse_av_pairs(message->target_info);
  ASSERT_TRUE(pairs.ok()) << pairs.fault().offset;
  EXPECT_EQ(text_of(pairs->netbios_domain), wide("BNTLM"));
  EXPECT_FALSE(pairs->netbios_computer.empty());
  EXPECT_TRUE(pairs->has_timestamp);
}

TEST_P(NtlmRecorded, AuthenticateGivesUserAndResponse) {
  const Result<Authenticate> message = parse_authenticate(authenticate_);
  ASSERT_TRUE(message.ok()) << message.fault().offset;
  EXPECT_EQ(text_of(message->user), charset("alice"));
  EXPECT_EQ(text_of(message->domain), charset("BNTLM"));
  EXPECT_EQ(message->nt_response.size(), expected_.nt_response_size);
  EXPECT_EQ(octets_of(message->mic),
            expected_.mic ? octets_of(Bytes(authenticate_).subspan(72, 16)) : Octets{});
  const bool exchanges_key = has(message->flags, NegotiateFlags::kKeyExchange);
  EXPECT_EQ(message->encrypted_session_key.size(), exchanges_key ? 16u : 0u);
}

TEST_P(NtlmRecorded, ResponseGivesTheClientsPairs) {
  const Result<Authenticate> message = parse_authenticate(authenticate_);
  ASSERT_TRUE(message.ok());
  const Result<Ntlmv2Response> response = parse_ntlmv2_response(message->nt_response);
  if (expected_.nt_response_size == 24) {
    EXPECT_EQ(response.fault(), (ParseFault{ParseCode::kTruncated, 24}));
    return;
  }
  ASSERT_TRUE(response.ok()) << response.fault().offset;
  EXPECT_EQ(response->proof.data(), message->nt_response.data());
  EXPECT_EQ(response->proof.size() + response->client_data.size(), message->nt_response.size());
  EXPECT_EQ(response->client_data.data(), message->nt_response.data() + 16);
  EXPECT_EQ(response->client_challenge.data(), message->nt_response.data() + 32);
  EXPECT_EQ(response->client_challenge.size(), 8u);
  // All were recorded in November 2026; clients without a clock of their own echo the server's.
  EXPECT_EQ(response->timestamp >> 40, 0x01dd78u);
  EXPECT_EQ(text_of(response->pairs.netbios_domain), wide("BNTLM"));
  EXPECT_TRUE(response->pairs.has_timestamp);
  EXPECT_EQ(response->pairs.flags, expected_.av_flags);
  EXPECT_EQ(text_of(response->pairs.target_name), wide(expected_.service));
  EXPECT_EQ(octets_of(response->pairs.channel_bindings), hex(expected_.channel_bindings));
}

TEST_P(NtlmRecorded, IsRefusedIfCutShort) {
  ASSERT_TRUE(parse_authenticate(authenticate_).ok() && parse_challenge(challenge_).ok());
  for (std::size_t size = 0; size < authenticate_.size(); ++size) {
    const ParseFault fault = parse_authenticate(Bytes(authenticate_).first(size)).fault();
    // A field may be found to leave the message before the header itself is found to be short.
    const bool in_fields = fault.code == ParseCode::kTruncated && size < 64;
    EXPECT_TRUE(in_fields || fault.code == ParseCode::kOutOfBounds) << size;
    EXPECT_LE(fault.offset, size);
  }
  for (std::size_t size = 0; size < challenge_.size(); ++size) {
    EXPECT_FALSE(parse_challenge(Bytes(challenge_).first(size)).ok()) << size;
  }
}

TEST_P(NtlmRecorded, ChallengeIsWrittenAsItIsParsed) {
  const Result<Challenge> message = parse_challenge(challenge_);
  ASSERT_TRUE(message.ok());
  Octets buffer(1024);
  const std::size_t size = write_challenge(*message, buffer);
  ASSERT_GT(size, 0u);
  const Result<Challenge> again = parse_challenge(Bytes(buffer).first(size));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->flags, message->flags);
  EXPECT_EQ(octets_of(again->target_name), octets_of(message->target_name));
  EXPECT_EQ(octets_of(again->server_challenge), octets_of(message->server_challenge));
  EXPECT_EQ(octets_of(again->target_info), octets_of(message->target_info));
}

INSTANTIATE_TEST_SUITE_P(Clients, NtlmRecorded,
                         ::testing::Range(std::size_t{0}, kRecordedNtlm.size()),
                         [](const auto& param_info) {
                           return std::string(kRecordedNtlm[param_info.param].client);
                         });

// ---- signature and type

TEST(NtlmMessageType, IsReadFromTwelveBytes) {
  for (std::uint32_t type = 0; type < 5; ++type) {
    const Octets message = hex(kSignatureHex + le(type, 4));
    const Result<MessageType> read = message_type(message);
    if (type >= 1 && type <= 3) {
      ASSERT_TRUE(read.ok()) << type;
      EXPECT_EQ(std::uint32_t(*read), type);
    } else {
      EXPECT_EQ(read.fault(), (ParseFault{ParseCode::kBadValue, 12})) << type;
    }
    for (std::size_t size = 0; size < message.size(); ++size) {
      EXPECT_EQ(message_type(Bytes(message).first(size)).fault().code, ParseCode::kTruncated);
    }
  }
}

TEST(NtlmMessageType, NeedsTheWholeSignature) {
  for (std::size_t i = 0; i < 8; ++i) {
    Octets message = hex(kSignatureHex + le(1, 4));
    message[i] ^= 0x20;
    EXPECT_EQ(message_type(message).fault(), (ParseFault{ParseCode::kBadValue, 8})) << i;
  }
}

TEST(NtlmMessageType, IsCheckedByEveryParser) {
  const ParseFault wrong_type{ParseCode::kBadValue, 12};
  for (std::uint32_t type = 1; type <= 3; ++type) {
    const Octets message = hex(kSignatureHex + le(type, 4) + zeros(52));
    EXPECT_EQ(parse_negotiate(message).fault(), type == 1 ? kNone : wrong_type);
    EXPECT_EQ(parse_challenge(message).fault(), type == 2 ? kNone : wrong_type);
    EXPECT_EQ(parse_authenticate(message).fault(), type == 3 ? kNone : wrong_type);
  }
}

// ---- NEGOTIATE

TEST(NtlmNegotiate, MayEndAfterFlagsOrBeforeOrAfterTheVersion) {
  const Octets message = hex(kSignatureHex + le(1, 4) + le(0x02000202, 4) + field({}) + field({}) +
                             "0601b11d0000000f");
  for (std::size_t size = 0; size <= message.size(); ++size) {
    const ParseFault fault = parse_negotiate(Bytes(message).first(size)).fault();
    if (size == 16 || size >= 32) {
      EXPECT_EQ(fault, kNone) << size;
    } else {
      EXPECT_EQ(fault.code, ParseCode::kTruncated) << size;
    }
  }
}

TEST(NtlmNegotiate, GivesSuppliedNames) {
  const auto flags = NegotiateFlags::kDomainSupplied | NegotiateFlags::kWorkstationSupplied;
  const Octets message =
      hex(kSignatureHex + le(1, 4) + le(std::uint32_t(flags), 4) +
          field({.length = 3, .offset = 34}) + field({.length = 2, .offset = 32}) + "5753 444f4d");
  const Result<Negotiate> parsed = parse_negotiate(message);
  ASSERT_TRUE(parsed.ok()) << parsed.fault().offset;
  EXPECT_EQ(text_of(parsed->domain), "DOM");
  EXPECT_EQ(text_of(parsed->workstation), "WS");
}

TEST(NtlmNegotiate, IgnoresNamesThatAreNotSupplied) {
  const std::string wild = field({.length = 9, .offset = 0xfffffff0});
  const std::string start = kSignatureHex + le(1, 4);
  const Octets ignored = hex(start + le(0, 4) + wild + wild);
  const Result<Negotiate> parsed = parse_negotiate(ignored);
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->domain.empty() && parsed->workstation.empty());
  EXPECT_EQ(parse_negotiate(hex(start + le(0x1000, 4) + wild + wild)).fault(),
            (ParseFault{ParseCode::kOutOfBounds, 24}));
  EXPECT_EQ(parse_negotiate(hex(start + le(0x2000, 4) + wild + wild)).fault(),
            (ParseFault{ParseCode::kOutOfBounds, 32}));
}

// Heimdal's domain begins at 24 if it sends no workstation.
TEST(NtlmNegotiate, KeepsNamesBehindTheFirstOfItsFields) {
  for (std::uint32_t offset = 0; offset < 40; ++offset) {
    const Octets message = hex(kSignatureHex + le(1, 4) + le(0x1000, 4) +
                               field({.length = 1, .offset = offset}) + field({}) + zeros(8));
    EXPECT_EQ(parse_negotiate(message).ok(), offset >= 24) << offset;
  }
}

// ---- payload fields

struct FieldCase {
  const char* name;
  FieldHeader field;
  ParseCode code;
  const char* why;
};

void PrintTo(const FieldCase& c, std::ostream* out) { *out << c.why; }

// The message has a payload of 32 bytes, at 64..96.
constexpr std::array kFieldCases = {
    FieldCase{"Whole", {32, 64, 32}, ParseCode::kOk, "all of the payload"},
    FieldCase{"LastByte", {1, 95, 1}, ParseCode::kOk, "ends with the message"},
    FieldCase{"MaxLengthZero", {32, 64, 0}, ParseCode::kOk, "MaxLen MUST be ignored"},
    FieldCase{"MaxLengthHuge", {32, 64, 0xffff}, ParseCode::kOk, "MaxLen MUST be ignored"},
    FieldCase{"EmptyAtZero", {0, 0, 0}, ParseCode::kOk, "curl"},
    FieldCase{"EmptyPastMessage", {0, 0xffffffff, 0}, ParseCode::kOk, "the offset means nothing"},
    FieldCase{"OneOver", {33, 64, 33}, ParseCode::kOutOfBounds, "CVE-2020-13396"},
    FieldCase{"LastByteAndOne", {2, 95, 2}, ParseCode::kOutOfBounds, "leaves the message"},
    FieldCase{"AtTheEnd", {1, 96, 1}, ParseCode::kOutOfBounds, "starts where the message ends"},
    FieldCase{"PastTheEnd", {1, 97, 1}, ParseCode::kOutOfBounds, "starts past the message"},
    FieldCase{"Longest", {0xffff, 64, 0xffff}, ParseCode::kOutOfBounds, "64 KiB are not there"},
    FieldCase{"SumWraps", {0x20, 0xfffffff0, 0x20}, ParseCode::kOutOfBounds, "CVE-2023-25563"},
    FieldCase{"SumWrapsToZero", {1, 0xffffffff, 1}, ParseCode::kOutOfBounds, "CVE-2023-25563"},
    FieldCase{"SumWrapsIntoPayload",
              {0x60, 0xfffffff0, 0x60},
              ParseCode::kOutOfBounds,
              "offset + length is 80"},
    FieldCase{"OffsetOfTwoToThe31",
              {1, 0x80000000, 1},
              ParseCode::kOutOfBounds,
              "CVE-2018-16890: no signed arithmetic"},
    FieldCase{"InTheHeader", {1, 63, 1}, ParseCode::kOutOfBounds, "flags are no payload"},
    FieldCase{"AtZero", {8, 0, 8}, ParseCode::kOutOfBounds, "the signature is no payload"},
};

class NtlmField : public ::testing::TestWithParam<FieldCase> {};

TEST_P(NtlmField, OfAuthenticateIsBoundedByThePayload) {
  const FieldCase& c = GetParam();
  for (std::uint32_t index = 0; index < 6; ++index) {
    std::array<FieldHeader, 6> headers{};
    headers[index] = c.field;
    const Octets message = authenticate(headers, zeros(32));
    const Result<Authenticate> parsed = parse_authenticate(message);
    EXPECT_EQ(parsed.fault().code, c.code) << c.why;
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.fault().offset, 12 + 8 * (index + 1)) << "just after the field";
      continue;
    }
    EXPECT_EQ(fields_of(*parsed)[index].size(), c.field.length);
    if (c.field.length > 0) {
      EXPECT_EQ(fields_of(*parsed)[index].data(), message.data() + c.field.offset);
    }
  }
}

TEST_P(NtlmField, OfChallengeIsBoundedByThePayload) {
  const FieldCase& c = GetParam();
  for (const bool target_info : {false, true}) {
    const std::string wanted = field(c.field);
    const Octets message =
        hex(kSignatureHex + le(2, 4) + (target_info ? field({}) : wanted) + le(0x00800004, 4) +
            zeros(16) + (target_info ? wanted : field({})) + zeros(48));
    const ParseFault fault = parse_challenge(message).fault();
    // The header ends at 48 here, so a field at 63 is payload like any other.
    const bool in_payload = c.field.offset == 63;
    EXPECT_EQ(fault.code, in_payload ? ParseCode::kOk : c.code) << c.why;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, NtlmField, ::testing::ValuesIn(kFieldCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// ---- CHALLENGE

TEST(NtlmChallenge, MayBeOfTheOldKindWithoutTargetInformation) {
  const Octets message = hex(kSignatureHex + le(2, 4) + field({.length = 4, .offset = 32}) +
                             le(0x00000206, 4) + "0123456789abcdef" + "42444f4d");
  const Result<Challenge> parsed = parse_challenge(message);
  ASSERT_TRUE(parsed.ok()) << parsed.fault().offset;
  EXPECT_EQ(text_of(parsed->target_name), "BDOM");
  EXPECT_EQ(octets_of(parsed->server_challenge), hex("0123456789abcdef"));
  EXPECT_TRUE(parsed->target_info.empty());
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_FALSE(parse_challenge(Bytes(message).first(size)).ok()) << size;
  }
}

TEST(NtlmChallenge, NeedsTheFieldItsFlagAnnounces) {
  const Octets announced =
      hex(kSignatureHex + le(2, 4) + field({}) + le(0x00800000, 4) + zeros(8 + 8 + 8));
  ASSERT_EQ(announced.size(), 48u);
  EXPECT_EQ(parse_challenge(announced).fault(), kNone);
  for (std::size_t size = 32; size < announced.size(); ++size) {
    EXPECT_EQ(parse_challenge(Bytes(announced).first(size)).fault().code, ParseCode::kTruncated);
  }
}

TEST(NtlmChallenge, KeepsFieldsOutOfItsHeader) {
  for (std::uint32_t offset = 0; offset < 56; ++offset) {
    const std::string wanted = field({.length = 1, .offset = offset});
    const std::string start = kSignatureHex + le(2, 4);
    const Octets name_only = hex(start + wanted + le(0x00000004, 4) + zeros(8 + 8 + 8 + 8));
    EXPECT_EQ(parse_challenge(name_only).ok(), offset >= 32) << offset;
    const Octets name = hex(start + wanted + le(0x00800004, 4) + zeros(16) + field({}) + zeros(8));
    EXPECT_EQ(parse_challenge(name).ok(), offset >= 48) << offset;
    const Octets info = hex(start + field({}) + le(0x00800004, 4) + zeros(16) + wanted + zeros(8));
    EXPECT_EQ(parse_challenge(info).ok(), offset >= 48) << offset;
  }
}

TEST(NtlmChallenge, IgnoresFieldsThatAreNotAnnounced) {
  const std::string wild = field({.length = 9, .offset = 0xfffffff0});
  const Octets message = hex(kSignatureHex + le(2, 4) + wild + le(0, 4) + zeros(16) + wild);
  const Result<Challenge> parsed = parse_challenge(message);
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->target_name.empty() && parsed->target_info.empty());
}

TEST(NtlmChallenge, IsWrittenByteForByte) {
  const Octets server_challenge = hex("0123456789abcdef");
  const Octets target_name = hex("4100");
  const Octets target_info = hex("00000000");
  const Challenge challenge{.flags = NegotiateFlags(0x00828205),
                            .target_name = target_name,
                            .server_challenge = server_challenge,
                            .target_info = target_info};
  Octets buffer(62, 0xee);
  ASSERT_EQ(write_challenge(challenge, buffer), 62u);
  EXPECT_EQ(buffer, hex(kSignatureHex + "02000000 0200 0200 38000000 05828200 0123456789abcdef" +
                        zeros(8) + "0400 0400 3a000000" + zeros(8) + "4100 00000000"));
  for (std::size_t size = 0; size < buffer.size(); ++size) {
    EXPECT_EQ(write_challenge(challenge, MutableBytes(buffer).first(size)), 0u) << size;
  }
}

TEST(NtlmChallenge, IsNotWrittenWithFieldsOfImpossibleSize) {
  Octets buffer(256 * 1024);
  const Octets huge(0x10000);
  const Octets server_challenge(8);
  Challenge challenge{.flags = {},
                      .target_name = Bytes(huge).first(0xffff),
                      .server_challenge = server_challenge,
                      .target_info = Bytes(huge).first(0xffff)};
  EXPECT_EQ(write_challenge(challenge, buffer), 56u + 2 * 0xffffu);
  challenge.target_info = huge;
  EXPECT_EQ(write_challenge(challenge, buffer), 0u);
  challenge.target_info = {};
  challenge.target_name = huge;
  EXPECT_EQ(write_challenge(challenge, buffer), 0u);
  challenge.target_name = {};
  EXPECT_EQ(write_challenge(challenge, buffer), 56u);
  challenge.server_challenge = Bytes(server_challenge).first(7);
  EXPECT_EQ(write_challenge(challenge, buffer), 0u);
}

// ---- AUTHENTICATE

TEST(NtlmAuthenticate, NeedsNothingBehindItsHeader) {
  const Octets message = authenticate({}, "");
  ASSERT_EQ(message.size(), 64u);
  const Result<Authenticate> parsed = parse_authenticate(message);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->flags, NegotiateFlags(0x00088201));
  EXPECT_TRUE(parsed->mic.empty());
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(parse_authenticate(Bytes(message).first(size)).fault().code, ParseCode::kTruncated);
  }
}

TEST(NtlmAuthenticate, HasAMicUnlessAFieldStandsInItsPlace) {
  const std::string version_mic_and_payload = zeros(8) + std::string(32, 'a') + zeros(8);
  for (std::uint32_t index = 0; index < 6; ++index) {
    for (std::uint32_t offset = 64; offset < 96; ++offset) {
      std::array<FieldHeader, 6> headers{};
      headers[index] = {.length = 1, .offset = offset};
      const Octets message = authenticate(headers, version_mic_and_payload);
      const Result<Authenticate> parsed = parse_authenticate(message);
      ASSERT_TRUE(parsed.ok());
      EXPECT_EQ(parsed->mic.size(), offset < 88 ? 0u : 16u) << index << ' ' << offset;
      headers[index].length = 0;
      const Octets without = authenticate(headers, version_mic_and_payload);
      EXPECT_EQ(octets_of(parse_authenticate(without)->mic), Octets(16, 0xaa));
    }
  }
}

TEST(NtlmAuthenticate, HasNoMicBeforeItsEnd) {
  for (std::size_t size = 0; size < 40; ++size) {
    const Octets message = authenticate({}, zeros(size));
    const Result<Authenticate> parsed = parse_authenticate(message);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->mic.size(), size < 24 ? 0u : 16u) << size;
  }
}

TEST(NtlmAuthenticate, TakesResponsesOfAnySizeThatFits) {
  // Which sizes are good is the verifier's business; here they must only stay in bounds.
  for (const std::uint16_t size :
       std::array<std::uint16_t, 9>{0, 1, 23, 24, 25, 43, 44, 60, 0xffff}) {
    std::array<FieldHeader, 6> headers{};
    headers[0] = headers[1] = {.length = size, .offset = 64};
    const Octets message = authenticate(headers, zeros(0xffff));
    const Result<Authenticate> parsed = parse_authenticate(message);
    ASSERT_TRUE(parsed.ok()) << size;
    EXPECT_EQ(parsed->lm_response.size(), size);
    EXPECT_EQ(parsed->nt_response.size(), size);
  }
}

}  // namespace
}  // namespace usher::ntlm
