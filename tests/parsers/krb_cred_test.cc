// parsers/krb_cred.h: delegated credentials, what is read of them and what is refused.
#include "parsers/krb_cred.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/data/krb_cred_messages.h"
#include "tests/hex.h"
#include "tests/recorded.h"

namespace usher::krb5 {
namespace {

using usher::testing::hex;
using usher::testing::recorded_token;

std::string text_of(const PrincipalName& name, Bytes realm) {
  std::vector<std::uint8_t> out(64);
  out.resize(write_principal_text(name, realm, out));
  return {out.begin(), out.end()};
}

TEST(KrbCredParse, GivesEveryField) {
  const Octets message = krb_cred(2);
  const Result<KrbCred> cred = parse_krb_cred(message);
  ASSERT_TRUE(cred.ok()) << cred.fault().offset;
  EXPECT_EQ(cred->ticket_count, 2u);
  EXPECT_EQ(cred->enc_part.etype, 0);
  EXPECT_FALSE(cred->enc_part.has_kvno);
  EXPECT_TRUE(std::ranges::equal(cred->enc_part.cipher, hex("cafe")));
  for (const std::uint32_t n : {0u, 1u}) {
    const CredTicket at = ticket_at(*cred, n);
    EXPECT_TRUE(std::ranges::equal(at.encoded, hex(ticket())));
    EXPECT_EQ(text_of(at.ticket.sname, at.ticket.realm), "s/h@R");
    EXPECT_EQ(at.encoded.data(), cred->tickets.data() + n * at.encoded.size());
  }
}

TEST(KrbCredParse, TellsTicketsApart) {
  Fields fields = cred_fields(1);
  const std::string other =
      element(0x61, sequence(field(0, "020105") + field(1, string_element("OTHER")) +
                             field(2, name({"krbtgt", "X"})) + field(3, encrypted())));
  fields[2] = field(2, sequence(ticket() + other + ticket()));
  const Octets message = build(kKrbCredTag, fields).message;
  const Result<KrbCred> cred = parse_krb_cred(message);
  ASSERT_TRUE(cred.ok());
  EXPECT_EQ(cred->ticket_count, 3u);
  const CredTicket second = ticket_at(*cred, 1);
  EXPECT_EQ(text_of(second.ticket.sname, second.ticket.realm), "krbtgt/X@OTHER");
  EXPECT_TRUE(std::ranges::equal(second.encoded, hex(other)));
  EXPECT_TRUE(std::ranges::equal(ticket_at(*cred, 2).encoded, hex(ticket())));
}

TEST(EncKrbCredPartParse, GivesEveryField) {
  const Octets message = enc_krb_cred_part(1);
  const Result<EncKrbCredPart> part = parse_enc_krb_cred_part(message);
  ASSERT_TRUE(part.ok()) << part.fault().offset;
  EXPECT_EQ(part->info_count, 1u);
  EXPECT_TRUE(part->has_nonce && part->has_timestamp && part->has_usec);
  EXPECT_EQ(part->nonce, 0x7fffffffu);
  EXPECT_EQ(part->timestamp, 1795166192);
  EXPECT_EQ(part->usec, 999'999u);
  const Octets address = hex(sequence(field(0, "020102") + field(1, "04040a000001")));
  EXPECT_TRUE(std::ranges::equal(part->sender_address, address));
  EXPECT_TRUE(std::ranges::equal(part->recipient_address, address));

  const KrbCredInfo info = info_at(*part, 0);
  EXPECT_EQ(info.key.etype, 17);
  EXPECT_EQ(info.key.value.size(), 16u);
  ASSERT_TRUE(info.has_client && info.has_service);
  EXPECT_EQ(text_of(info.pname, info.prealm), "alice@REALM");
  EXPECT_EQ(text_of(info.sname, info.srealm), "krbtgt/REALM@SREALM");
  EXPECT_TRUE(info.has_flags && info.has_auth_time && info.has_start_time);
  EXPECT_EQ(info.flags, 0x40a10000u);
  EXPECT_EQ(info.auth_time, 1795166192);
  EXPECT_EQ(info.start_time, 1795166192);
  EXPECT_TRUE(info.has_end_time && info.has_renew_till);
  EXPECT_EQ(info.end_time, 1795166192 + 86'400);
  EXPECT_EQ(info.renew_till, 0x80000000);
  EXPECT_TRUE(std::ranges::equal(info.addresses, hex(typed_list("020102", "04040a000001"))));
}

TEST(KrbCredParse, ReadsWhatARealClientDelegated) {
  const Octets message = recorded_token("ad/krb-cred.hex");
  const Result<KrbCred> cred = parse_krb_cred(message);
  ASSERT_TRUE(cred.ok()) << cred.fault().offset;
  EXPECT_EQ(cred->ticket_count, 1u);
  const Ticket tgt = ticket_at(*cred, 0).ticket;
  EXPECT_EQ(text_of(tgt.sname, tgt.realm), "krbtgt/BNTLM.TEST@BNTLM.TEST");
  EXPECT_EQ(cred->enc_part.etype, 18);

  const Octets plain = recorded_token("ad/enc-krb-cred-part.hex");
  const Result<EncKrbCredPart> part = parse_enc_krb_cred_part(plain);
  ASSERT_TRUE(part.ok()) << part.fault().offset;
  ASSERT_EQ(part->info_count, cred->ticket_count);
  const KrbCredInfo info = info_at(*part, 0);
  EXPECT_EQ(text_of(info.pname, info.prealm), "alice@BNTLM.TEST");
  EXPECT_EQ(text_of(info.sname, info.srealm), "krbtgt/BNTLM.TEST@BNTLM.TEST");
  EXPECT_EQ(info.key.value.size(), 32u);
  EXPECT_EQ(info.end_time - info.start_time, 10 * 3600);
  EXPECT_TRUE(info.addresses.empty());
  EXPECT_TRUE(part->has_nonce && part->has_timestamp && part->has_usec);
  EXPECT_EQ(part->timestamp, info.auth_time);
}

TEST(EncKrbCredPartParse, NeedsNothingButTheKey) {
  Fields fields = enc_cred_part_fields(1);
  fields[0] = field(0, sequence(sequence(field(0, key())) + cred_info()));
  const Octets message = build(kEncKrbCredPartTag, {fields[0]}).message;
  const Result<EncKrbCredPart> part = parse_enc_krb_cred_part(message);
  ASSERT_TRUE(part.ok()) << part.fault().offset;
  EXPECT_EQ(part->info_count, 2u);
  EXPECT_FALSE(part->has_nonce || part->has_timestamp || part->has_usec);
  EXPECT_TRUE(part->sender_address.empty() && part->recipient_address.empty());
  const KrbCredInfo bare = info_at(*part, 0);
  EXPECT_EQ(bare.key.value.size(), 16u);
  EXPECT_FALSE(bare.has_client || bare.has_service || bare.has_flags || bare.has_auth_time ||
               bare.has_start_time || bare.has_end_time || bare.has_renew_till);
  EXPECT_TRUE(bare.addresses.empty());
  EXPECT_TRUE(info_at(*part, 1).has_client) << "the second is not the first";
}

TEST(EncKrbCredPartParse, EachOptionalFieldOfAnInfoMayBeAbsent) {
  const Fields full = cred_info_fields();
  for (std::size_t i = 1; i < full.size(); ++i) {
    Fields fields = full;
    fields[i].clear();
    if (i == 1 || i == 8) {
      fields[i + 1].clear();  // A realm and its name go together.
    } else if (i == 2 || i == 9) {
      fields[i - 1].clear();
    }
    Fields part = enc_cred_part_fields(1);
    part[0] = field(0, sequence(sequence(joined(fields))));
    const Octets message = build(kEncKrbCredPartTag, part).message;
    EXPECT_TRUE(parse_enc_krb_cred_part(message).ok()) << i;
  }
}

TEST(EncKrbCredPartParse, NoncesMayBeSigned) {
  // MIT encodes the nonce as a signed number of 32 bits.
  for (const auto& [integer, value] :
       {std::pair{"020480000000", 0x80000000u}, std::pair{"0201ff", 0xffffffffu},
        std::pair{"020500ffffffff", 0xffffffffu}}) {
    Fields fields = enc_cred_part_fields(1);
    fields[1] = field(1, integer);
    const Octets message = build(kEncKrbCredPartTag, fields).message;
    const Result<EncKrbCredPart> part = parse_enc_krb_cred_part(message);
    ASSERT_TRUE(part.ok()) << integer;
    EXPECT_EQ(part->nonce, value) << integer;
  }
}

TEST(KrbCredParse, CountsTicketsAndInfos) {
  // C10, C11: the counts are the caller's to compare, and none is too few.
  for (const std::uint32_t count : {0u, 1u, 2u, kCredTicketsMax, kCredTicketsMax + 1, 200u}) {
    const bool accepted = count >= 1 && count <= kCredTicketsMax;
    const Octets cred_message = krb_cred(count);
    const Result<KrbCred> cred = parse_krb_cred(cred_message);
    const Octets part_message = enc_krb_cred_part(count);
    const Result<EncKrbCredPart> part = parse_enc_krb_cred_part(part_message);
    EXPECT_EQ(cred.fault().code, accepted ? ParseCode::kOk : ParseCode::kBadValue) << count;
    EXPECT_EQ(part.fault().code, accepted ? ParseCode::kOk : ParseCode::kBadValue) << count;
    if (accepted) {
      EXPECT_EQ(cred->ticket_count, count);
      EXPECT_EQ(part->info_count, count);
      EXPECT_TRUE(std::ranges::equal(ticket_at(*cred, count - 1).encoded, hex(ticket())));
      EXPECT_TRUE(info_at(*part, count - 1).has_client);
    }
  }
}

TEST(KrbCredParse, SkipsExtensions) {
  //= RFC 4120 1.5.1
  Fields cred = cred_fields(1);
  cred.push_back(field(4, "0400"));
  EXPECT_TRUE(parse_krb_cred(build(kKrbCredTag, cred).message).ok());
  Fields part = enc_cred_part_fields(1);
  part.push_back(field(9, "0400"));
  EXPECT_TRUE(parse_enc_krb_cred_part(build(kEncKrbCredPartTag, part).message).ok());
  part.push_back(field(6, "0400"));
  EXPECT_FALSE(parse_enc_krb_cred_part(build(kEncKrbCredPartTag, part).message).ok()) << "order";
}

// ---- what is refused: one field of one message exchanged; `offset` counts from that field.

enum class Of { kCred, kPart, kInfo };

struct RefusalCase {
  const char* name;
  Of of;
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
    {"Pvno4", Of::kCred, 0, field(0, "020104"), kBad, 5, "RFC 4120 5.8.1"},
    {"MessageTypeOfApReq", Of::kCred, 1, field(1, "02010e"), kBad, 5, "RFC 4120 5.10"},
    {"TicketsAbsent", Of::kCred, 2, "", kTag, 0, "C11: not OPTIONAL"},
    {"TicketsEmpty", Of::kCred, 2, field(2, "3000"), kBad, 4, "C11: never none"},
    {"TicketsASet", Of::kCred, 2, field(2, "3100"), kTag, 2, "SEQUENCE OF"},
    {"TicketVersion4", Of::kCred, 2, field(2, sequence(ticket("020104"))), kBad, 13, "5.3"},
    {"TicketOfOtherTag", Of::kCred, 2, field(2, sequence(encrypted())), kTag, 4, "5.3"},
    {"EncPartAbsent", Of::kCred, 3, "", ParseCode::kTruncated, 0, "not OPTIONAL"},
    {"CipherAbsent", Of::kCred, 3, field(3, sequence(field(0, "020100"))), ParseCode::kTruncated, 9,
     "RFC 4120 5.2.9"},
    {"InfosAbsent", Of::kPart, 0, "", kTag, 0, "not OPTIONAL"},
    {"InfosEmpty", Of::kPart, 0, field(0, "3000"), kBad, 4, "C10"},
    {"NonceOfFiveOctets", Of::kPart, 1, field(1, "02050100000000"), kBad, 2, "UInt32"},
    {"TimestampOf14", Of::kPart, 2, field(2, time_element("20261120091632")), kBad, 18, "5.2.3"},
    {"UsecOfAMillion", Of::kPart, 3, field(3, "02030f4240"), kBad, 7, "RFC 4120 5.2.4"},
    {"SenderAListOfAddresses", Of::kPart, 4, field(4, typed_list("020102", "0400")), kTag, 4,
     "one HostAddress"},
    {"RecipientWithoutType", Of::kPart, 5, field(5, sequence(field(1, "0400"))), kTag, 4, "5.2.5"},
    {"KeyAbsent", Of::kInfo, 0, "", kTag, 0, "not OPTIONAL"},
    {"KeyEmpty", Of::kInfo, 0, field(0, key("0400")), kBad, 13, "no key at all"},
    {"RealmWithoutName", Of::kInfo, 2, "", kBad, 0, "C10: missing client name"},
    {"NameWithoutRealm", Of::kInfo, 1, "", kBad, 20, "C10: missing client realm"},
    {"RealmWithNul", Of::kInfo, 1, field(1, element(0x1b, "4100")), kBad, 6, "5.2.1"},
    {"FlagsOf24Bits", Of::kInfo, 3, field(3, "030400200000"), kBad, 8, "RFC 4120 5.2.8"},
    {"AuthTimeOf14", Of::kInfo, 4, field(4, time_element("20261120091632")), kBad, 18, "5.2.3"},
    {"ServiceRealmWithoutName", Of::kInfo, 9, "", kBad, 0, "C10: missing server name"},
    {"ServiceNameWithoutRealm", Of::kInfo, 8, "", kBad, 28, "C10: missing server realm"},
    {"AddressWithoutType", Of::kInfo, 10, field(10, sequence(sequence(field(1, "0400")))), kTag, 6,
     "RFC 4120 5.2.5"},
    {"FieldTwelve", Of::kInfo, 10, field(11, "3000"), ParseCode::kTrailingBytes, 0, "5.8.1"},
};

class KrbCredRefusal : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(KrbCredRefusal, PointsAtTheFirstFault) {
  const RefusalCase& c = GetParam();
  Fields fields = c.of == Of::kCred   ? cred_fields(1)
                  : c.of == Of::kPart ? enc_cred_part_fields(1)
                                      : cred_info_fields();
  fields[c.index] = c.field;
  std::uint32_t begin = 0;
  ParseFault fault;
  if (c.of == Of::kCred) {
    const Built built = build(kKrbCredTag, fields);
    begin = built.offsets[c.index];
    fault = parse_krb_cred(built.message).fault();
  } else if (c.of == Of::kPart) {
    const Built built = build(kEncKrbCredPartTag, fields);
    begin = built.offsets[c.index];
    fault = parse_enc_krb_cred_part(built.message).fault();
  } else {
    const std::string info = sequence(joined(fields));
    const Built built = build(kEncKrbCredPartTag, {field(0, sequence(info))});
    const std::string rest =
        joined({fields.begin() + static_cast<std::ptrdiff_t>(c.index), fields.end()});
    begin = static_cast<std::uint32_t>(built.message.size() - rest.size() / 2);
    fault = parse_enc_krb_cred_part(built.message).fault();
  }
  EXPECT_EQ(fault.code, c.code) << c.why;
  EXPECT_EQ(fault.offset, begin + c.offset) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, KrbCredRefusal, ::testing::ValuesIn(kRefusals),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(KrbCredParse, RefusesEveryPrefixAndAnyByteMore) {
  const auto cred_fault = [](Bytes message) { return parse_krb_cred(message).fault(); };
  const auto part_fault = [](Bytes message) { return parse_enc_krb_cred_part(message).fault(); };
  const auto check = [](Octets message, const auto& fault) {
    ASSERT_EQ(fault(message), ParseFault{});
    for (std::size_t size = 0; size < message.size(); ++size) {
      EXPECT_EQ(fault(Bytes(message).first(size)).code, ParseCode::kTruncated) << size;
    }
    const auto size = static_cast<std::uint32_t>(message.size());
    message.push_back(0);
    EXPECT_EQ(fault(message), (ParseFault{ParseCode::kTrailingBytes, size}));
    message.pop_back();
    for (unsigned tag = 0; tag < 256; ++tag) {
      const bool own = message[0] == tag;
      Octets other = message;
      other[0] = static_cast<std::uint8_t>(tag);
      EXPECT_EQ(fault(other).code, own ? ParseCode::kOk : ParseCode::kUnexpectedTag) << tag;
    }
  };
  check(krb_cred(2), cred_fault);
  check(enc_krb_cred_part(2), part_fault);
}

}  // namespace
}  // namespace usher::krb5
