// Promise: a right AP-REQ signs its client on; each single thing wrong with one has its own
// refusal, and nothing of a refused exchange is left behind.
#include "parsers/authorization_data.h"
#include "tests/auth/door.h"
#include "tests/data/authorization_data_messages.h"

namespace usher {
namespace {

using mint::AuthenticatorFields;
using mint::Octets;
using mint::TicketFields;
using testing::Door;
using testing::hex;
using testing::kNow;

struct Attempt {
  TicketFields ticket;
  AuthenticatorFields authenticator;
  std::size_t service = 0;  // Index in Door::services.
};

struct Case {
  const char* name;
  Status expected;
  void (*spoil)(Door&, Attempt&);
  const char* why;
};

Octets make_token(Door& door, const Attempt& attempt) {
  const mint::Ticket ticket = door.client.ticket(door.services[attempt.service], attempt.ticket);
  return mint::gss_token(door.client.ap_req(ticket, attempt.authenticator).message);
}

constexpr std::int64_t kSkew = 300;

// SEQUENCE OF { [0] 8 (AD-MANDATORY-FOR-KDC), [1] '00'H }, with nothing around it.
Octets critical_data() { return {0x30, 0x0c, 0x30, 0x0a, 0xa0, 3, 2, 1, 8, 0xa1, 3, 4, 1, 0}; }

// Both with nothing in them that must be understood.
Octets nested_data(std::uint32_t depth) {
  return hex(krb5::ad_nested(depth, krb5::ad_list({krb5::ad_element(142, "00")})));
}
Octets many_elements(std::uint32_t count) {
  return hex(krb5::ad_nested(1, krb5::ad_many(count, 4711)));
}
// An AD-IF-RELEVANT whose list has an element that is a NULL, at offset 15.
const std::string kNestedMalformed = krb5::ad_list({krb5::ad_element(1, "30020500")});

const Case kCases[] = {
    {"AsItShouldBe", Status::kEstablished, [](Door&, Attempt&) {}, "the positive twin of all"},
    {"OlderKeyVersion", Status::kEstablished, [](Door&, Attempt& a) { a.service = 1; },
     "MS-KILE 3.4.5: clients keep tickets over a key change"},
    {"Aes128", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.service = 2;
       a.ticket.session_etype = 17;
     },
     "RFC 3962"},
    {"KvnoAbsent", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.service = 1;
       a.ticket.sealing.kvno_absent = true;
     },
     "RFC 4120 5.2.9: kvno is optional"},
    {"KvnoUnknown", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.service = 1;
       a.ticket.sealing.kvno = 77;
     },
     "the other keys of the principal are tried"},
    {"UnknownService", Status::kNoSuchService,
     [](Door&, Attempt& a) { a.ticket.service = mint::Principal::of("FTP/x@EXAMPLE.TEST"); },
     "no key for it"},
    {"OtherRealm", Status::kNoSuchService,
     [](Door&, Attempt& a) {
       a.ticket.service = mint::Principal::of("HTTP/web.example.test@OTHER.TEST");
     },
     "realms are part of the name"},
    {"OtherServicesKey", Status::kTicketKey,
     [](Door&, Attempt& a) {
       a.service = 3;
       a.ticket.service = mint::Principal::of("HTTP/web.example.test@EXAMPLE.TEST");
     },
     "the clear service name chooses the key, and the wrong key opens nothing"},
    {"NoKeyOfThatEtype", Status::kNoKeyOfEtype,
     [](Door&, Attempt& a) {
       a.service = 0;
       a.ticket.service = mint::Principal::of("HTTP/old.example.test@EXAMPLE.TEST");
     },
     "old has only an AES-128 key"},
    {"Rc4Ticket", Status::kRc4, [](Door&, Attempt& a) { a.ticket.sealing.etype = 23; },
     "by policy only, before any key is tried; kerberos_etypes_test.cc has more of them"},
    {"OtherKey", Status::kTicketKey,
     [](Door&, Attempt& a) { a.ticket.sealing.key = Octets(32, 0x11); }, "forged"},
    {"EmptyTicketCipher", Status::kTicketKey,
     [](Door&, Attempt& a) { a.ticket.sealing.cipher = Octets(4, 0); }, "shorter than any"},
    {"TicketIsNoTicket", Status::kMalformedTicket,
     [](Door&, Attempt& a) {
       a.ticket.sealing.plain = Octets{0x30, 0x00};
     },
     "RFC 4120 5.3"},
    {"InvalidFlag", Status::kTicketInvalid,
     [](Door&, Attempt& a) { a.ticket.flags |= krb5::kTicketFlagInvalid; }, "RFC 4120 2.2"},
    {"ExpiredBeyondSkew", Status::kTicketExpired,
     [](Door&, Attempt& a) { a.ticket.end_time = kNow - kSkew - 1; }, "RFC 4120 3.2.3"},
    {"ExpiredWithinSkew", Status::kEstablished,
     [](Door&, Attempt& a) { a.ticket.end_time = kNow - kSkew; }, "RFC 4120 3.2.3"},
    {"StartsBeyondSkew", Status::kTicketNotYetValid,
     [](Door&, Attempt& a) { a.ticket.start_time = kNow + kSkew + 1; }, "RFC 4120 3.2.3"},
    {"StartsWithinSkew", Status::kEstablished,
     [](Door&, Attempt& a) { a.ticket.start_time = kNow + kSkew; }, "RFC 4120 3.2.3"},
    {"SessionKeyRc4", Status::kRc4, [](Door&, Attempt& a) { a.ticket.session_etype = 23; },
     "CVE-2022-37966: a weak session key under a strong ticket"},
    {"SessionKeyShort", Status::kSessionKeyEtype,
     [](Door& door, Attempt& a) {
       a.ticket.session_key = Octets(32, 1);
       a.authenticator.sealing.cipher = Octets(64, 0);
       TicketFields shorter = a.ticket;
       shorter.session_key = Octets(31, 1);
       a.ticket.sealing.plain = mint::encode_enc_ticket_part(shorter);
       (void)door;
     },
     "a key of another size than its etype's"},
    {"AuthenticatorOtherKey", Status::kAuthenticatorKey,
     [](Door&, Attempt& a) { a.authenticator.sealing.key = Octets(32, 0x22); },
     "a stolen ticket without its session key"},
    {"AuthenticatorOtherEtype", Status::kAuthenticatorKey,
     [](Door&, Attempt& a) { a.authenticator.sealing.etype = 17; }, "the session key decides"},
    {"AuthenticatorIsNone", Status::kMalformedAuthenticator,
     [](Door&, Attempt& a) {
       a.authenticator.sealing.plain = Octets{0x62, 0x00};
     },
     "5.5.1"},
    {"OtherClient", Status::kClientNameMismatch,
     [](Door&, Attempt& a) { a.authenticator.client = mint::Principal::of("bob@EXAMPLE.TEST"); },
     "RFC 4120 3.2.3"},
    {"OtherClientRealm", Status::kClientNameMismatch,
     [](Door&, Attempt& a) { a.authenticator.client = mint::Principal::of("alice@EVIL.TEST"); },
     "RFC 4120 3.2.3"},
    {"ClientClockSlow", Status::kClockSkew,
     [](Door&, Attempt& a) {
       a.authenticator.ctime = kNow - kSkew - 1;
       a.authenticator.cusec = 999'999;
     },
     "one microsecond too late"},
    {"ClientClockJustInTime", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.authenticator.ctime = kNow - kSkew;
       a.authenticator.cusec = 0;
     },
     "the limit itself is allowed"},
    {"ClientClockFast", Status::kClockSkew,
     [](Door&, Attempt& a) {
       a.authenticator.ctime = kNow + kSkew;
       a.authenticator.cusec = 1;
     },
     "one microsecond too early"},
    {"NoChecksum", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticator.checksum_absent = true; },
     "MS-KILE 3.4.5: no flags, no bindings"},
    {"Crc32Checksum", Status::kChecksumType,
     [](Door&, Attempt& a) { a.authenticator.checksum_type = 1; }, "CVE-2010-1324 family"},
    {"ChecksumTooShort", Status::kMalformedGssChecksum,
     [](Door&, Attempt& a) { a.authenticator.checksum = Octets(23, 0); }, "RFC 4121 4.1.1"},
    {"Delegation", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
       a.authenticator.delegation = Octets(40, 0x76);
     },
     "delegated credentials are left alone"},
    {"DelegationEmpty", Status::kMalformedGssChecksum,
     [](Door&, Attempt& a) {
       a.authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
     },
     "RFC 4121 4.1.1: the flag promises a KRB-CRED"},
    {"DceStyle", Status::kDceStyle,
     [](Door&, Attempt& a) {
       a.authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDceStyle);
     },
     "MS-KILE 3.4.5.1: DCE style has no framing; dce_style_test.cc has what has none"},
    {"UserToUser", Status::kUserToUser,
     [](Door&, Attempt& a) { a.authenticator.ap_options |= krb5::kApOptionUseSessionKey; },
     "RFC 4120 3.7"},
    {"Subkey", Status::kEstablished, [](Door&, Attempt& a) { a.authenticator.subkey_etype = 18; },
     "RFC 4121 2"},
    {"SubkeyOfOtherEtype", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticator.subkey_etype = 17; }, "any etype we serve"},
    {"SubkeyRc4", Status::kRc4, [](Door&, Attempt& a) { a.authenticator.subkey_etype = 23; },
     "by policy only"},
    {"SubkeyShort", Status::kSessionKeyEtype,
     [](Door&, Attempt& a) {
       a.authenticator.subkey_etype = 18;
       a.authenticator.subkey = Octets(16, 1);
     },
     "a key of another size than its etype's"},
    {"SequenceNumberHigh", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticator.seq_number = 0xffffffffu; }, "C21"},
    {"SequenceNumberAbsent", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticator.seq_number.reset(); }, "optional"},
    {"IfRelevantData", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.ticket.authorization_data = mint::authorization_data(4711, Octets(8, 1));
       a.authenticator.authorization_data = mint::authorization_data(4711, Octets(8, 1));
     },
     "RFC 4120 5.2.6.1: inside AD-IF-RELEVANT anything may stand"},
    {"TicketRestriction", Status::kAuthorizationData,
     [](Door&, Attempt& a) { a.ticket.authorization_data = critical_data(); },
     "RFC 4120 5.2.6: not understood, so refused"},
    {"AuthenticatorRestriction", Status::kAuthorizationData,
     [](Door&, Attempt& a) { a.authenticator.authorization_data = critical_data(); },
     "RFC 4120 5.2.6: not understood, so refused"},
    {"WindowsData", Status::kEstablished,
     [](Door& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kIgnore;  // PacCheck looks into one.
       a.ticket.authorization_data = hex(krb5::ad_windows());
       a.authenticator.authorization_data = hex(krb5::ad_windows_client());
     },
     "what clients and domain controllers send"},
    {"TicketPacAlone", Status::kEstablished,
     [](Door& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kIgnore;
       a.ticket.authorization_data = hex(krb5::ad_list({krb5::ad_element(128, "00")}));
     },
     "a PAC is understood where it must be, too"},
    {"TicketTwoPacs", Status::kMalformedTicket,
     [](Door&, Attempt& a) {
       a.ticket.authorization_data =
           hex(krb5::ad_list({krb5::ad_element(128, "00"), krb5::ad_element(128, "00")}));
     },
     "two answers to who the client is"},
    {"DataNestedAsAllowed", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.ticket.authorization_data = nested_data(krb5::kAdDepthMax);
       a.authenticator.authorization_data = nested_data(krb5::kAdDepthMax);
     },
     "the positive twin of the next four"},
    {"TicketNestedTooDeep", Status::kMalformedTicket,
     [](Door&, Attempt& a) { a.ticket.authorization_data = nested_data(krb5::kAdDepthMax + 1); },
     "D9"},
    {"TicketNested64Deep", Status::kMalformedTicket,
     [](Door&, Attempt& a) { a.ticket.authorization_data = nested_data(64); }, "D9"},
    {"AuthenticatorNestedTooDeep", Status::kMalformedAuthenticator,
     [](Door&, Attempt& a) {
       a.authenticator.authorization_data = nested_data(krb5::kAdDepthMax + 1);
     },
     "D9"},
    {"AuthenticatorNested64Deep", Status::kMalformedAuthenticator,
     [](Door&, Attempt& a) { a.authenticator.authorization_data = nested_data(64); }, "D9"},
    {"DataOfManyElements", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.ticket.authorization_data = many_elements(krb5::kAdElementsMax - 1);
       a.authenticator.authorization_data = many_elements(krb5::kAdElementsMax - 1);
     },
     "the positive twin of the next two"},
    {"TicketOf1000Elements", Status::kMalformedTicket,
     [](Door&, Attempt& a) { a.ticket.authorization_data = many_elements(1000); }, "D9"},
    {"AuthenticatorOf1000Elements", Status::kMalformedAuthenticator,
     [](Door&, Attempt& a) { a.authenticator.authorization_data = many_elements(1000); }, "D9"},
    {"TicketNestedMalformed", Status::kMalformedTicket,
     [](Door&, Attempt& a) { a.ticket.authorization_data = hex(kNestedMalformed); },
     "RFC 4120 5.2.6.1: AD-IF-RELEVANT holds an AuthorizationData"},
    {"AuthenticatorNestedMalformed", Status::kMalformedAuthenticator,
     [](Door&, Attempt& a) { a.authenticator.authorization_data = hex(kNestedMalformed); },
     "RFC 4120 5.2.6.1: AD-IF-RELEVANT holds an AuthorizationData"},
    {"ExpiredTicketNestedMalformed", Status::kTicketExpired,
     [](Door&, Attempt& a) {
       a.ticket.end_time = kNow - 3600;
       a.ticket.authorization_data = hex(kNestedMalformed);
     },
     "what an element holds comes after the ticket's own fields"},
    {"ExpiredTicketElementMalformed", Status::kMalformedTicket,
     [](Door&, Attempt& a) {
       a.ticket.end_time = kNow - 3600;
       a.ticket.authorization_data = hex(krb5::ad_list({"0500"}));
     },
     "RFC 4120 5.2.6: the elements themselves are part of the ticket"},
    {"AuthenticatorApOptionsCutShort", Status::kMalformedAuthenticator,
     [](Door&, Attempt& a) {
       a.authenticator.authorization_data =
           hex(krb5::ad_nested(1, krb5::ad_list({krb5::ad_element(143, "0040")})));
     },
     "MS-KILE 2.2.7: whoever cannot read it does not know about channel bindings"},
    {"AnonymousFlag", Status::kKerberosAnonymous,
     [](Door&, Attempt& a) { a.ticket.flags |= krb5::kTicketFlagAnonymous; }, "RFC 8062"},
    {"AnonymousName", Status::kKerberosAnonymous,
     [](Door&, Attempt& a) {
       a.ticket.client = mint::Principal::of("WELLKNOWN/ANONYMOUS@EXAMPLE.TEST");
     },
     "RFC 8062"},
    {"ClientNameTooLong", Status::kNameTooLong,
     [](Door&, Attempt& a) {
       a.ticket.client = {1, {std::string(kIdentitySizeMax, 'x')}, "EXAMPLE.TEST"};
     },
     "names are bounded"},
};

class KerberosAccept : public ::testing::TestWithParam<Case> {};

TEST_P(KerberosAccept, DecidesAndLeavesNothingBehind) {
  Door door;
  Attempt attempt{door.ticket_fields(), door.authenticator_fields()};
  GetParam().spoil(door, attempt);
  const auth::AcceptReply result = door.offer(make_token(door, attempt));
  EXPECT_EQ(text_of(result.verdict.status), text_of(GetParam().expected)) << GetParam().why;
  if (result.verdict.status == Status::kEstablished) {
    EXPECT_EQ(door.client_of(result.context), "alice@EXAMPLE.TEST");
    EXPECT_TRUE(door.end(result.context));
  } else {
    EXPECT_TRUE(door.reply.empty());
  }
  EXPECT_EQ(door.pool.live(), 0u);

  // The same door still lets the right one in.
  EXPECT_EQ(door.offer(door.kerberos_token()).verdict.status, Status::kEstablished);
}

INSTANTIATE_TEST_SUITE_P(Table, KerberosAccept, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(KerberosAcceptor, SaysWhereAuthorizationDataIsMalformed) {
  const Octets data = hex(kNestedMalformed);
  const auto fault_in = [&](Bytes plain) {
    const auto at =
        std::search(plain.begin(), plain.end(), data.begin(), data.end()) - plain.begin();
    return ParseFault{ParseCode::kUnexpectedTag, static_cast<std::uint32_t>(at) + 15};
  };
  Door door;
  Attempt attempt{door.ticket_fields(), door.authenticator_fields()};
  attempt.ticket.authorization_data = data;
  Verdict verdict = door.offer(make_token(door, attempt)).verdict;
  EXPECT_EQ(verdict.status, Status::kMalformedTicket);
  // A session key that is drawn is as long as one that is given.
  attempt.ticket.session_key = Octets(32, 1);
  EXPECT_EQ(verdict.fault, fault_in(mint::encode_enc_ticket_part(attempt.ticket)));

  attempt.ticket.authorization_data = {};
  attempt.authenticator.authorization_data = data;
  verdict = door.offer(make_token(door, attempt)).verdict;
  EXPECT_EQ(verdict.status, Status::kMalformedAuthenticator);
  const mint::Ticket ticket = door.client.ticket(door.services[0], attempt.ticket);
  EXPECT_EQ(verdict.fault, fault_in(mint::encode_authenticator(ticket, attempt.authenticator)));
}

TEST(KerberosAcceptor, ProvesItselfWithSubkeyAndSequenceNumber) {
  Door door;
  const mint::Ticket ticket = door.client.ticket(door.services[0], door.ticket_fields());
  const mint::ApReq request = door.client.ap_req(ticket, door.authenticator_fields());
  const auth::AcceptReply result = door.offer(mint::gss_token(request.message));
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  const auto answer = door.client.check_ap_rep(ticket, request, door.reply);
  EXPECT_EQ(answer.error, "");
  const Pinned<auth::Context> context = door.look(result.context);
  EXPECT_TRUE(std::ranges::equal(context->key.bytes(), answer.subkey));
  EXPECT_EQ(context->acceptor_sequence, answer.seq_number);
  EXPECT_EQ(context->initiator_sequence, 1u);
  EXPECT_EQ(context->expires_s, kNow + 36'000);
  EXPECT_TRUE(has(context->flags, gss::ContextFlags::kMutual));
  EXPECT_FALSE(has(context->flags, gss::ContextFlags::kDelegate));
}

TEST(KerberosAcceptor, StaysSilentWhenNobodyAsksItToProveItself) {
  Door door;
  AuthenticatorFields fields = door.authenticator_fields();
  fields.ap_options = 0;
  fields.context_flags = std::uint32_t(gss::ContextFlags::kIntegrity);
  const mint::Ticket ticket = door.client.ticket(door.services[0], door.ticket_fields());
  const auth::AcceptReply result =
      door.offer(mint::gss_token(door.client.ap_req(ticket, fields).message));
  EXPECT_EQ(result.verdict.status, Status::kEstablished);
  EXPECT_TRUE(door.reply.empty());
  const Pinned<auth::Context> context = door.look(result.context);
  EXPECT_TRUE(std::ranges::equal(context->key.bytes(), ticket.session_key));
}

TEST(KerberosAcceptor, RefusesAReplayButNotASecondAuthenticator) {
  Door door;
  const Octets token = door.kerberos_token();
  const auth::AcceptReply first = door.offer(token);
  ASSERT_EQ(first.verdict.status, Status::kEstablished);
  EXPECT_EQ(door.offer(token).verdict.status, Status::kReplay);
  EXPECT_EQ(door.offer(door.kerberos_token()).verdict.status, Status::kEstablished);
  door.credential.policy.check_replays = false;
  EXPECT_EQ(door.offer(token).verdict.status, Status::kEstablished) << "by policy only";
}

TEST(KerberosAcceptor, OneBatchWithAReplayInsideLetsExactlyOneIn) {
  Door door;
  const Octets token = door.kerberos_token();
  const Octets other = door.kerberos_token();
  std::array<std::array<std::uint8_t, kReplySizeMax>, 3> replies{};
  std::array<auth::AcceptRequest, 3> requests;
  for (std::size_t i = 0; i < 3; ++i) {
    requests[i] = {.credential = &door.credential,
                   .token = i == 2 ? Bytes(other) : Bytes(token),
                   .reply = replies[i]};
  }
  std::array<auth::AcceptReply, 3> results;
  auth::accept(*door.desk, door.environment, requests, results);
  EXPECT_EQ(results[0].verdict.status, Status::kEstablished);
  EXPECT_EQ(results[1].verdict.status, Status::kReplay);
  EXPECT_EQ(results[2].verdict.status, Status::kEstablished) << "a neighbour is not touched";
}

TEST(KerberosAcceptor, EveryPrefixAndEveryFlippedBitIsRefused) {
  Door door;
  const Octets token = door.kerberos_token();
  for (std::size_t size = 1; size < token.size(); ++size) {  // None at all asks for the hint.
    EXPECT_FALSE(succeeded(door.offer(Bytes(token).first(size)).verdict.status)) << size;
  }
  // Bits that carry no meaning for a sign-on: name-types are hints (RFC 4120 6.2), a kvno only says
  // where to look first, and most AP options are reserved.
  std::size_t survivors = 0;
  for (std::size_t bit = 0; bit < 8 * token.size(); ++bit) {
    Octets flipped = token;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << bit % 8));
    door.credential.policy.check_replays = false;
    const auth::AcceptReply result = door.offer(flipped);
    if (result.verdict.status == Status::kEstablished) {
      EXPECT_EQ(door.client_of(result.context), "alice@EXAMPLE.TEST");
      door.end(result.context);
      ++survivors;
    }
  }
  EXPECT_LT(survivors, 64u) << "of " << 8 * token.size();
  EXPECT_EQ(door.offer(token).verdict.status, Status::kEstablished) << "the positive twin";
}

TEST(KerberosAcceptor, AReplyThatDoesNotFitLeavesNothingBehind) {
  Door door;
  door.reply_capacity = 40;
  EXPECT_EQ(door.offer(door.kerberos_token()).verdict.status, Status::kReplyTooLong);
  EXPECT_EQ(door.pool.live(), 0u);
  door.reply_capacity = kReplySizeMax;
  EXPECT_EQ(door.offer(door.kerberos_token()).verdict.status, Status::kEstablished);
}

}  // namespace
}  // namespace usher
