// parsers/krb5.h: real messages are taken apart correctly, and what RFC 4120 forbids is refused at
// the place where it stands.
#include "parsers/krb5.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/data/krb5_messages.h"
#include "tests/hex.h"
#include "tests/parsers/krb5_messages.h"

namespace usher::krb5 {
namespace {

using usher::testing::hex;

std::string text_of(const PrincipalName& principal, Bytes realm) {
  std::array<std::uint8_t, 256> buffer{};
  const std::size_t size = write_principal_text(principal, realm, buffer);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size)};
}

std::string string_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

Octets octets_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// ---- what is accepted

struct ApReqCase {
  const char* server;
  std::int32_t etype;
  std::uint32_t kvno;
  std::uint32_t ap_options;
  std::size_t ticket_cipher_size;
  std::size_t authenticator_cipher_size;
};

TEST(Krb5ApReq, RecordedOnesGiveServerAndCipher) {
  constexpr std::array<ApReqCase, usher::testing::kRecordedApReqs.size()> kExpected = {{
      {"HTTP/web.bntlm.test@BNTLM.TEST", 18, 2, kApOptionMutualRequired, 1372, 191},
      {"HTTP/aes256-cts.sha2.test@SHA2.TEST", 18, 1, kApOptionMutualRequired, 407, 246},
      {"HTTP/aes128-sha2.sha2.test@SHA2.TEST", 19, 1, kApOptionMutualRequired, 403, 231},
      {"HTTP/rc4-hmac.sha2.test@SHA2.TEST", 23, 1, kApOptionMutualRequired, 395, 235},
      {"HTTP/web.bntlm.test@BNTLM.TEST", 18, 2, 0, 1372, 191},
      {"HTTP/web.bntlm.test@BNTLM.TEST", 18, 2, kApOptionMutualRequired, 1372, 191},
      {"HTTP/web.bntlm.test@BNTLM.TEST", 18, 2, kApOptionMutualRequired, 1372, 240},
  }};
  for (std::size_t i = 0; i < kExpected.size(); ++i) {
    SCOPED_TRACE(usher::testing::kRecordedApReqs[i].name);
    const Octets message = hex(usher::testing::kRecordedApReqs[i].message);
    const Result<ApReq> request = parse_ap_req(message);
    ASSERT_TRUE(request.ok()) << request.fault().offset;
    EXPECT_EQ(text_of(request->ticket.sname, request->ticket.realm), kExpected[i].server);
    EXPECT_EQ(request->ap_options, kExpected[i].ap_options);
    EXPECT_EQ(request->ticket.enc_part.etype, kExpected[i].etype);
    EXPECT_TRUE(request->ticket.enc_part.has_kvno);
    EXPECT_EQ(request->ticket.enc_part.kvno, kExpected[i].kvno);
    EXPECT_EQ(request->ticket.enc_part.cipher.size(), kExpected[i].ticket_cipher_size);
    EXPECT_FALSE(request->authenticator.has_kvno);
    EXPECT_EQ(request->authenticator.cipher.size(), kExpected[i].authenticator_cipher_size);
    EXPECT_EQ(request->authenticator.cipher.data() + request->authenticator.cipher.size(),
              message.data() + message.size());
  }
}

TEST(Krb5Ticket, IsWhatAnApReqCarries) {
  const Octets message = build(14, kinds()[kApReq].fields).message;
  const Octets alone = hex(ticket());
  const Result<ApReq> request = parse_ap_req(message);
  const Result<Ticket> lone = parse_ticket(alone);
  ASSERT_TRUE(request.ok() && lone.ok());
  EXPECT_EQ(octets_of(request->ticket.sname.components), octets_of(lone->sname.components));
  EXPECT_EQ(text_of(lone->sname, lone->realm), "s/h@R");
  EXPECT_EQ(lone->enc_part.kvno, 2u);
  EXPECT_EQ(octets_of(lone->enc_part.cipher), hex("cafe"));
}

TEST(Krb5EncTicketPart, GivesEveryField) {
  const Octets message = build(3, kinds()[kEncTicketPart].fields).message;
  const Result<EncTicketPart> part = parse_enc_ticket_part(message);
  ASSERT_TRUE(part.ok()) << part.fault().offset;
  EXPECT_EQ(part->flags, 0x40a10000u);
  EXPECT_EQ(part->flags & kTicketFlagInvalid, 0u);
  EXPECT_EQ(part->key.etype, 17);
  EXPECT_EQ(octets_of(part->key.value), hex("000102030405060708090a0b0c0d0e0f"));
  EXPECT_EQ(text_of(part->cname, part->crealm), "alice@REALM");
  EXPECT_EQ(part->transited_type, 1);
  EXPECT_TRUE(part->transited.empty());
  EXPECT_EQ(part->auth_time, 1795166192);
  EXPECT_TRUE(part->has_start_time);
  EXPECT_EQ(part->start_time, 1795166192);
  EXPECT_EQ(part->end_time, 1795166192 + 86400);
  EXPECT_TRUE(part->has_renew_till);
  EXPECT_EQ(part->renew_till, std::int64_t{1} << 31);  // One past what 32 bits with a sign hold.
  EXPECT_EQ(octets_of(part->addresses), hex(typed_list("020102", "04040a000001")));
  EXPECT_EQ(octets_of(part->authorization_data), hex(typed_list("020101", "0403aabbcc")));
}

TEST(Krb5EncTicketPart, WithoutOptionalFieldsStartsAtAuthTime) {
  Fields fields = kinds()[kEncTicketPart].fields;
  fields.resize(8);
  fields.erase(fields.begin() + 6);
  const Octets message = build(3, fields).message;
  const Result<EncTicketPart> part = parse_enc_ticket_part(message);
  ASSERT_TRUE(part.ok()) << part.fault().offset;
  EXPECT_FALSE(part->has_start_time);
  EXPECT_EQ(part->start_time, 1795166192);
  EXPECT_FALSE(part->has_renew_till);
  EXPECT_TRUE(part->addresses.empty());
  EXPECT_TRUE(part->authorization_data.empty());
}

TEST(Krb5Authenticator, GivesEveryField) {
  const Octets message = build(2, kinds()[kAuthenticator].fields).message;
  const Result<Authenticator> authenticator = parse_authenticator(message);
  ASSERT_TRUE(authenticator.ok()) << authenticator.fault().offset;
  EXPECT_EQ(text_of(authenticator->cname, authenticator->crealm), "alice@REALM");
  EXPECT_TRUE(authenticator->has_checksum);
  EXPECT_EQ(authenticator->checksum_type, 0x8003);
  EXPECT_EQ(octets_of(authenticator->checksum), hex("beef"));
  EXPECT_EQ(authenticator->cusec, 999'999u);
  EXPECT_EQ(authenticator->ctime, 1795166192);
  EXPECT_TRUE(authenticator->has_subkey);
  EXPECT_EQ(authenticator->subkey.value.size(), 16u);
  EXPECT_TRUE(authenticator->has_seq_number);
  EXPECT_EQ(authenticator->seq_number, 0x7fffffffu);
  EXPECT_EQ(octets_of(authenticator->authorization_data), hex(typed_list("020101", "0403aabbcc")));
}

TEST(Krb5Authenticator, NeedsNoOptionalField) {
  const Fields& full = kinds()[kAuthenticator].fields;
  const Octets message = build(2, {full[0], full[1], full[2], full[4], full[5]}).message;
  const Result<Authenticator> authenticator = parse_authenticator(message);
  ASSERT_TRUE(authenticator.ok()) << authenticator.fault().offset;
  EXPECT_FALSE(authenticator->has_checksum);
  EXPECT_FALSE(authenticator->has_subkey);
  EXPECT_FALSE(authenticator->has_seq_number);
  EXPECT_TRUE(authenticator->authorization_data.empty());
}

struct SequenceNumberCase {
  const char* integer;
  std::uint32_t value;
};

TEST(Krb5Authenticator, SequenceNumbersMayBeSigned) {
  constexpr std::array kCases = {
      SequenceNumberCase{"020100", 0},
      SequenceNumberCase{"02047fffffff", 0x7fffffff},
      SequenceNumberCase{"02050080000000", 0x80000000},
      SequenceNumberCase{"020500ffffffff", 0xffffffff},
      SequenceNumberCase{"0201ff", 0xffffffff},
      SequenceNumberCase{"020480000000", 0x80000000},
  };
  for (const SequenceNumberCase& c : kCases) {
    Fields fields = kinds()[kAuthenticator].fields;
    fields[7] = field(7, c.integer);
    const Octets message = build(2, fields).message;
    const Result<Authenticator> authenticator = parse_authenticator(message);
    ASSERT_TRUE(authenticator.ok()) << c.integer;
    EXPECT_EQ(authenticator->seq_number, c.value) << c.integer;
  }
}

//= MS-KILE 3.1.5.8: key version numbers are encoded and decoded as signed 32-bit integers.
TEST(Krb5Ticket, KeyVersionsMayBeSigned) {
  constexpr std::array kCases = {
      SequenceNumberCase{"020100", 0},
      SequenceNumberCase{"020480000001", 0x80000001},  // Version 1 of RODC 32768's key.
      SequenceNumberCase{"02050080000001", 0x80000001},
      SequenceNumberCase{"020500ffffffff", 0xffffffff},
      SequenceNumberCase{"0201ff", 0xffffffff},
  };
  for (const SequenceNumberCase& c : kCases) {
    Fields fields = kinds()[kTicket].fields;
    fields[3] = field(3, encrypted("020112", c.integer));
    const Octets message = build(1, fields).message;
    const Result<Ticket> ticket = parse_ticket(message);
    ASSERT_TRUE(ticket.ok()) << c.integer;
    EXPECT_EQ(ticket->enc_part.kvno, c.value) << c.integer;
  }
}

TEST(Krb5KrbError, GivesEveryField) {
  const Octets message = build(30, kinds()[kKrbError].fields).message;
  const Result<KrbError> error = parse_krb_error(message);
  ASSERT_TRUE(error.ok()) << error.fault().offset;
  EXPECT_TRUE(error->has_client_time);
  EXPECT_EQ(error->ctime, 1795166192);
  EXPECT_EQ(error->cusec, 7u);
  EXPECT_EQ(error->stime, 1795166192);
  EXPECT_EQ(error->susec, 8u);
  EXPECT_EQ(error->error_code, 37);
  EXPECT_EQ(text_of(error->cname, error->crealm), "alice@C");
  EXPECT_EQ(text_of(error->sname, error->realm), "s/h@R");
  EXPECT_EQ(string_of(error->e_text), std::string("skew\0", 5));
  EXPECT_EQ(octets_of(error->e_data), hex("cafe"));
}

TEST(Krb5KrbError, NeedsNoOptionalField) {
  const Fields& full = kinds()[kKrbError].fields;
  const Octets message =
      build(30, {full[0], full[1], full[4], full[5], full[6], full[9], full[10]}).message;
  const Result<KrbError> error = parse_krb_error(message);
  ASSERT_TRUE(error.ok()) << error.fault().offset;
  EXPECT_FALSE(error->has_client_time);
  EXPECT_TRUE(error->crealm.empty() && error->cname.components.empty());
  EXPECT_TRUE(error->e_text.empty() && error->e_data.empty());
}

struct ValueCase {
  const char* name;
  KindIndex kind;
  std::size_t index;  // Into Kind::fields.
  std::string field;  // What stands there instead; empty: left out.
};

TEST(Krb5Accept, ValuesAtTheEdgeOfTheirRange) {
  const ValueCase cases[] = {
      {"AnEtypeOfMinusTwoToThe31", kApReq, 4, field(4, encrypted("020480000000"))},
      {"AKvnoOfFourOctets", kApReq, 4, field(4, encrypted("020112", "020500ffffffff"))},
      {"MoreThan32Flags", kApReq, 2, field(2, "030600 20000000ff")},
      {"AsManyComponentsAsAllowed", kAuthenticator, 2,
       field(2, name(std::vector<std::string>(kNameComponentsMax, "c")))},
      {"NonAsciiNames", kAuthenticator, 2, field(2, name({"\xc3\xa4"}))},
      {"TheLastSecondOfALeapDay", kAuthenticator, 5, field(5, time_element("20240229235959Z"))},
      {"ATimeBeforeTheEpoch", kAuthenticator, 5, field(5, time_element("19691231235959Z"))},
      {"TheYear9999", kEncTicketPart, 7, field(7, time_element("99991231235959Z"))},
      {"AKeyOfOneOctet", kEncTicketPart, 1, field(1, key("040100"))},
      {"AnEmptyListOfAddresses", kEncTicketPart, 9, field(9, "3000")},
      {"NoAuthorizationData", kEncTicketPart, 10, ""},
  };
  for (const ValueCase& c : cases) {
    Fields fields = kinds()[c.kind].fields;
    fields[c.index] = c.field;
    const Octets message = build(kinds()[c.kind].application, fields).message;
    EXPECT_EQ(kinds()[c.kind].fault(message), ParseFault{}) << c.name;
  }
}

// ---- what is refused

// A RefusalCase is a whole message with one field exchanged; the message as it was is its positive
// twin. `offset` counts from where that field begins.
struct RefusalCase {
  const char* name;
  KindIndex kind;
  std::size_t index;
  std::string field;
  ParseCode code;
  std::uint32_t offset;
  const char* why;
};

void PrintTo(const RefusalCase& c, std::ostream* out) { *out << c.why; }

constexpr ParseCode kBad = ParseCode::kBadValue;
constexpr ParseCode kTag = ParseCode::kUnexpectedTag;
const std::vector<RefusalCase> kRefusals = {
    {"Pvno4", kApReq, 0, field(0, "020104"), kBad, 5, "RFC 4120 5.5.1: pvno is 5"},
    {"PvnoNegative", kApReq, 0, field(0, "0201ff"), kBad, 2, "-1 is not 4294967295"},
    {"PvnoEmpty", kApReq, 0, field(0, "0200"), kBad, 2, "X.690 8.3.1"},
    {"PvnoWithLeadingZero", kApReq, 0, field(0, "02020005"), kBad, 2, "X.690 8.3.2"},
    {"PvnoEnumerated", kApReq, 0, field(0, "0a0105"), kTag, 2, "INTEGER is wanted"},
    {"PvnoTwice", kApReq, 0, field(0, "020105020105"), ParseCode::kTrailingBytes, 5, "one value"},
    {"MessageTypeOfApRep", kApReq, 1, field(1, "02010f"), kBad, 5, "RFC 4120 5.10"},
    {"MessageTypeOfTwoToThe31", kApReq, 1, field(1, "02050080000000"), kBad, 9, "not 14"},
    {"MessageTypeLeftOut", kApReq, 1, "", kTag, 0, "it is not OPTIONAL"},
    {"OptionsOf24Bits", kApReq, 2, field(2, "0304 00200000"), kBad, 8, "RFC 4120 5.2.8"},
    {"OptionsOfNoBits", kApReq, 2, field(2, "030100"), kBad, 5, "RFC 4120 5.2.8"},
    {"OptionsEmpty", kApReq, 2, field(2, "0300"), kBad, 4, "X.690 8.6.2.2"},
    {"OptionsWithUnusedBits", kApReq, 2, field(2, "030507 20000000"), kBad, 9, "not 32 bits"},
    {"OptionsWith255UnusedBits", kApReq, 2, field(2, "0305ff 20000000"), kBad, 9, "X.690 8.6.2.2"},
    {"OptionsConstructed", kApReq, 2, field(2, "2307 030500 20000000"), kTag, 2, "X.690 10.2"},
    {"TicketWithoutItsTag", kApReq, 3, field(3, encrypted()), kTag, 2, "[APPLICATION 1] is wanted"},
    {"TicketVersion4", kApReq, 3, field(3, ticket("020104")), kBad, 11, "RFC 4120 5.3"},
    {"EtypeOfTwoToThe31", kApReq, 4, field(4, encrypted("02050080000000")), kBad, 6, "Int32"},
    {"EtypeOfNineOctets", kApReq, 4, field(4, encrypted("0209 010000000000000000")), kBad, 6,
     "Int32"},
    {"KvnoBelowInt32", kApReq, 4, field(4, encrypted("020112", "0205ff7fffffff")), kBad, 11,
     "below what 32 bits hold"},
    {"KvnoOfTwoToThe32", kApReq, 4, field(4, encrypted("020112", "02050100000000")), kBad, 11,
     "UInt32"},
    {"CipherAsBitString", kApReq, 4, field(4, sequence(field(0, "020112") + field(2, "030100"))),
     kTag, 11, "OCTET STRING is wanted"},
    {"AuthenticatorLeftOut", kApReq, 4, "", ParseCode::kTruncated, 0, "it is not OPTIONAL"},
    {"ServerWithNul", kTicket, 2, field(2, name({"s", std::string("h\0x", 3)})), kBad, 21,
     "never treated as the shorter name"},
    {"RealmStartingWithNul", kAuthenticator, 1, field(1, element(0x1b, "0041414141")), kBad, 9,
     "CVE-2015-2697"},
    {"RealmAsUtf8String", kAuthenticator, 1, field(1, element(0x0c, "41")), kTag, 2,
     "KerberosString is a GeneralString"},
    {"ClientEndingInNul", kAuthenticator, 2, field(2, name({std::string("alice\0", 6)})), kBad, 21,
     "RFC 4120 5.2.1"},
    {"TooManyComponents", kAuthenticator, 2,
     field(2, name(std::vector<std::string>(kNameComponentsMax + 1, "c"))), kBad,
     13 + 3 * kNameComponentsMax, "kNameComponentsMax"},
    {"CusecOfAMillion", kAuthenticator, 4, field(4, "02030f4240"), kBad, 7, "RFC 4120 5.2.4"},
    {"CusecNegative", kAuthenticator, 4, field(4, "0201ff"), kBad, 2, "RFC 4120 5.2.4"},
    {"TimeEmpty", kAuthenticator, 5, field(5, time_element("")), kBad, 4, "CVE-2009-0846"},
    {"TimeOf14", kAuthenticator, 5, field(5, time_element("20261120091632")), kBad, 18, "no Z"},
    {"TimeOf16", kAuthenticator, 5, field(5, time_element("20261120091632ZZ")), kBad, 20,
     "RFC 4120 5.2.3"},
    {"TimeWithFraction", kAuthenticator, 5, field(5, time_element("20261120091632.5Z")), kBad, 21,
     "RFC 4120 5.2.3"},
    {"TimeWithOffset", kAuthenticator, 5, field(5, time_element("202611200916+010")), kBad, 20,
     "RFC 4120 5.2.3"},
    {"February30", kAuthenticator, 5, field(5, time_element("20260230000000Z")), kBad, 19,
     "no such day"},
    {"February29OfACommonYear", kAuthenticator, 5, field(5, time_element("21000229000000Z")), kBad,
     19, "2100 is no leap year"},
    {"Month13", kAuthenticator, 5, field(5, time_element("20261320000000Z")), kBad, 19,
     "12 months"},
    {"Hour24", kAuthenticator, 5, field(5, time_element("20261120240000Z")), kBad, 19, "0..23"},
    {"Second60", kAuthenticator, 5, field(5, time_element("20261231235960Z")), kBad, 19,
     "a leap second has no number"},
    {"TimeWithSign", kAuthenticator, 5, field(5, time_element("+0261120091632Z")), kBad, 19,
     "digits only"},
    {"SubkeyEmpty", kAuthenticator, 6, field(6, key("0400")), kBad, 13, "no key at all"},
    {"SequenceNumberOfTwoToThe32", kAuthenticator, 7, field(7, "02050100000000"), kBad, 2,
     "UInt32"},
    {"SequenceNumberBelowInt32", kAuthenticator, 7, field(7, "0205ff7fffffff"), kBad, 2,
     "below what 32 bits hold"},
    {"NegativeZero", kAuthenticator, 7, field(7, "02020000"), kBad, 2, "X.690 8.3.2"},
    {"AuthorizationDataNotAList", kAuthenticator, 8, field(8, sequence("0500")), kTag, 4,
     "RFC 4120 5.2.6"},
    {"AuthorizationDataCutShort", kAuthenticator, 8,
     field(8, sequence(sequence(field(0, "020101")))), ParseCode::kTruncated, 11, "RFC 4120 5.2.6"},
    {"FlagsOf31Bits", kEncTicketPart, 0, field(0, "03050140a10000"), kBad, 9, "RFC 4120 5.2.8"},
    {"KeyEmpty", kEncTicketPart, 1, field(1, key("0400")), kBad, 13, "no key at all"},
    {"EndTimeLeftOut", kEncTicketPart, 7, "", kTag, 0, "it is not OPTIONAL"},
    {"AddressWithoutType", kEncTicketPart, 9,
     field(9, sequence(sequence(field(1, "04040a000001")))), kTag, 6, "RFC 4120 5.2.5"},
    {"ReplyMessageTypeOfRequest", kApRep, 1, field(1, "02010e"), kBad, 5, "RFC 4120 5.10"},
    {"ReplyTimeOf14", kEncApRepPart, 0, field(0, time_element("20261120091632")), kBad, 18,
     "RFC 4120 5.2.3"},
    {"ReplySubkeyEmpty", kEncApRepPart, 2, field(2, key("0400")), kBad, 13, "no key at all"},
    {"ErrorMessageTypeOfRequest", kKrbError, 1, field(1, "02010e"), kBad, 5, "RFC 4120 5.10"},
    {"ErrorCusecOfAMillion", kKrbError, 3, field(3, "02030f4240"), kBad, 7, "RFC 4120 5.2.4"},
    {"ErrorRealmWithNul", kKrbError, 9, field(9, element(0x1b, "4100")), kBad, 6, "RFC 4120 5.2.1"},
};

class Krb5Refusal : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(Krb5Refusal, PointsAtTheFirstFault) {
  const RefusalCase& c = GetParam();
  const Kind& kind = kinds()[c.kind];
  ASSERT_EQ(kind.fault(build(kind.application, kind.fields).message), ParseFault{});
  Fields fields = kind.fields;
  fields[c.index] = c.field;
  const Built built = build(kind.application, fields);
  const ParseFault fault = kind.fault(built.message);
  EXPECT_EQ(fault.code, c.code) << c.why;
  EXPECT_EQ(fault.offset, built.offsets[c.index] + c.offset) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, Krb5Refusal, ::testing::ValuesIn(kRefusals),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// ---- what holds for every kind of message

class Krb5Message : public ::testing::TestWithParam<Kind> {
 protected:
  Octets message_ = build(GetParam().application, GetParam().fields).message;
};

TEST_P(Krb5Message, IsRefusedAtEveryShorterLength) {
  ASSERT_EQ(GetParam().fault(message_), ParseFault{});
  for (std::size_t size = 0; size < message_.size(); ++size) {
    EXPECT_EQ(GetParam().fault(Bytes(message_).first(size)).code, ParseCode::kTruncated) << size;
  }
}

TEST_P(Krb5Message, IsRefusedWithAByteMore) {
  const auto size = static_cast<std::uint32_t>(message_.size());
  message_.push_back(0);
  EXPECT_EQ(GetParam().fault(message_), (ParseFault{ParseCode::kTrailingBytes, size}));
}

TEST_P(Krb5Message, IsRefusedUnderAnyOtherTag) {
  const std::uint8_t own = message_[0];
  for (unsigned tag = 0; tag < 256; ++tag) {
    message_[0] = static_cast<std::uint8_t>(tag);
    const ParseFault expected =
        tag == own ? ParseFault{} : ParseFault{ParseCode::kUnexpectedTag, 0};
    EXPECT_EQ(GetParam().fault(message_), expected) << tag;
  }
}

TEST_P(Krb5Message, IsRefusedWithItsFieldsInAnotherOrder) {
  for (std::size_t i = 1; i < GetParam().fields.size(); ++i) {
    Fields fields = GetParam().fields;
    std::swap(fields[i - 1], fields[i]);
    EXPECT_NE(GetParam().fault(build(GetParam().application, fields).message), ParseFault{}) << i;
  }
}

//= RFC 4120 1.5.1: recipients MUST NOT decline a request simply because an extension is present.
TEST_P(Krb5Message, IsAcceptedWithExtensionsBehindItsLastField) {
  const Kind& kind = GetParam();
  const auto with = [&](const std::string& more) {
    Fields fields = kind.fields;
    fields.push_back(more);
    return kind.fault(build(kind.application, fields).message);
  };
  EXPECT_EQ(with(field(13, "020105")), ParseFault{});
  EXPECT_EQ(with(field(13, "020105") + field(14, "ffff")), ParseFault{}) << "contents are not read";
  EXPECT_EQ(with(field(30, "")), ParseFault{}) << "the last number of this form";
  EXPECT_NE(with(field(14, "020105") + field(13, "020105")), ParseFault{}) << "out of order";
  EXPECT_NE(with(field(13, "020105") + field(13, "020105")), ParseFault{}) << "twice";
  EXPECT_NE(with(kind.fields.back()), ParseFault{}) << "the last field twice";
  EXPECT_NE(with("020105"), ParseFault{}) << "no tag of a field";
  EXPECT_NE(with("bf1f0105"), ParseFault{}) << "a tag of another form";
  EXPECT_NE(with("ad0302"), ParseFault{}) << "cut short";
}

// headers lists the offset of every element's header inside `message`, outermost first.
void headers(const Octets& message, std::size_t begin, std::size_t end,
             std::vector<std::size_t>& offsets) {
  while (begin < end) {
    offsets.push_back(begin);
    const bool constructed = (message[begin] & 0x20) != 0;
    std::size_t size = message[begin + 1];
    std::size_t contents = begin + 2;
    if (size >= 0x80) {
      const std::size_t count = size & 0x7f;
      size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        size = size << 8 | message[contents + i];
      }
      contents += count;
    }
    if (constructed) {
      headers(message, contents, contents + size, offsets);
    }
    begin = contents + size;
  }
}

TEST_P(Krb5Message, IsRefusedWithAnyLengthChanged) {
  std::vector<std::size_t> offsets;
  headers(message_, 0, message_.size(), offsets);
  ASSERT_GT(offsets.size(), GetParam().fields.size());
  for (const std::size_t offset : offsets) {
    const std::uint8_t length = message_[offset + 1];
    for (const Octets& other :
         {hex("80"), hex("82ffff"), hex("84ffffffff"), hex("84ffff0000"), hex("85ffffffffff"),
          hex("ff"), Octets{static_cast<std::uint8_t>(length + 1)},
          Octets{static_cast<std::uint8_t>(length - 1)}}) {
      Octets changed = message_;
      const auto at = changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(offset) + 1);
      changed.insert(at, other.begin(), other.end());
      const ParseFault fault = GetParam().fault(changed);
      EXPECT_NE(fault, ParseFault{}) << offset;
      EXPECT_LE(fault.offset, changed.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Krb5Message, ::testing::ValuesIn(kinds()),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Krb5ApReq, RecordedOnesAreRefusedAtEveryShorterLength) {
  for (const auto& recorded : usher::testing::kRecordedApReqs) {
    const Octets message = hex(recorded.message);
    for (std::size_t size = 0; size < message.size(); ++size) {
      ASSERT_FALSE(parse_ap_req(Bytes(message).first(size)).ok()) << recorded.name << ' ' << size;
    }
  }
}

// ---- what is written

TEST(Krb5ApRep, IsWrittenAsOtherAcceptorsWriteIt) {
  for (const auto& recorded : usher::testing::kRecordedApReps) {
    const Octets message = hex(recorded.message);
    const Result<ApRep> reply = parse_ap_rep(message);
    ASSERT_TRUE(reply.ok()) << recorded.name;
    EXPECT_EQ(reply->enc_part.etype, 18);
    Octets buffer(message.size());
    der::Writer writer(buffer);
    write_ap_rep(writer, reply->enc_part);
    EXPECT_TRUE(writer.ok());
    EXPECT_EQ(octets_of(writer.written()), message) << recorded.name;
  }
}

TEST(Krb5ApRep, WritesAKeyVersionIfThereIsOne) {
  Octets buffer(64);
  der::Writer writer(buffer);
  const Octets cipher = hex("cafe");
  write_ap_rep(writer, {.etype = 18, .has_kvno = true, .kvno = 2, .cipher = cipher});
  EXPECT_EQ(octets_of(writer.written()), build(15, kinds()[kApRep].fields).message);
}

TEST(Krb5EncApRepPart, IsWrittenAsItIsParsed) {
  const Fields& full = kinds()[kEncApRepPart].fields;
  for (const Fields& fields : {full, Fields{full[0], full[1]}, Fields{full[0], full[1], full[2]},
                               Fields{full[0], full[1], field(3, "02050080000000")}}) {
    const Octets message = build(27, fields).message;
    const Result<EncApRepPart> part = parse_enc_ap_rep_part(message);
    ASSERT_TRUE(part.ok());
    Octets buffer(message.size());
    der::Writer writer(buffer);
    write_enc_ap_rep_part(writer, *part);
    EXPECT_EQ(octets_of(writer.written()), message);
  }
}

TEST(Krb5EncApRepPart, RepeatsTheAuthenticatorsTime) {
  const Octets plain = build(2, kinds()[kAuthenticator].fields).message;
  const Result<Authenticator> authenticator = parse_authenticator(plain);
  ASSERT_TRUE(authenticator.ok());
  const auto written = [](const EncApRepPart& part) {
    Octets buffer(64);
    der::Writer writer(buffer);
    write_enc_ap_rep_part(writer, part);
    return octets_of(writer.written());
  };
  const Octets by_number = written({.ctime = authenticator->ctime, .cusec = 1});
  EXPECT_EQ(written({.ctime_text = authenticator->ctime_text, .cusec = 1}), by_number);
  EXPECT_NE(written({.ctime = authenticator->ctime + 1, .cusec = 1}), by_number);
}

TEST(Krb5EncApRepPart, IsNotWrittenIntoTooSmallABuffer) {
  const Octets message = build(27, kinds()[kEncApRepPart].fields).message;
  const Result<EncApRepPart> part = parse_enc_ap_rep_part(message);
  ASSERT_TRUE(part.ok());
  for (std::size_t size = 0; size < message.size(); ++size) {
    Octets buffer(size);
    der::Writer writer(buffer);
    write_enc_ap_rep_part(writer, *part);
    EXPECT_FALSE(writer.ok()) << size;
    EXPECT_TRUE(writer.written().empty()) << size;
  }
}

struct TextCase {
  std::vector<std::string> components;
  std::string realm;
  std::string text;
};

TEST(Krb5PrincipalText, IsThatOfKrb5UnparseName) {
  const TextCase cases[] = {
      {{"alice"}, "REALM", "alice@REALM"},
      {{"HTTP", "web.test"}, "REALM", "HTTP/web.test@REALM"},
      {{"alice"}, "", "alice"},
      {{"a/b", "c@d"}, "R/X@Y", "a\\/b/c\\@d@R\\/X\\@Y"},
      {{"back\\slash"}, "R\\", "back\\\\slash@R\\\\"},
      {{"tab\tnewline\nbackspace\b"}, "R", "tab\\tnewline\\nbackspace\\b@R"},
      {{"", ""}, "R", "/@R"},
  };
  for (const TextCase& c : cases) {
    std::string strings;
    for (const std::string& component : c.components) {
      strings += string_element(component);
    }
    const Octets components = hex(strings);
    const PrincipalName principal{.type = 1, .components = components};
    const Octets realm(c.realm.begin(), c.realm.end());
    EXPECT_EQ(text_of(principal, realm), c.text);
    Octets exact(c.text.size());
    EXPECT_EQ(write_principal_text(principal, realm, exact), c.text.size());
    for (std::size_t size = 0; size < c.text.size(); ++size) {
      EXPECT_EQ(write_principal_text(principal, realm, MutableBytes(exact).first(size)), 0u);
    }
  }
}

TEST(Krb5Components, AreVisitedInOrder) {
  const Octets message = build(1, kinds()[kTicket].fields).message;
  const Result<Ticket> parsed = parse_ticket(message);
  ASSERT_TRUE(parsed.ok());
  std::vector<std::string> seen;
  each_component(parsed->sname, [&](Bytes component) { seen.push_back(string_of(component)); });
  EXPECT_EQ(seen, (std::vector<std::string>{"s", "h"}));
}

}  // namespace
}  // namespace usher::krb5
