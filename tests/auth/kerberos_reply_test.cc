// Promise: whoever asks for error tokens gets the code that RFC 4120 has for a refusal, our clock
// and nothing else; what is malformed gets nothing. An AP-REP brings a subkey of an etype that both
// sides know and no step back.
#include <array>
#include <string>

#include "tests/auth/door.h"
#include "tests/hex.h"
#include "tools/mint/dce_mint.h"

namespace usher {
namespace {

using gss::ContextFlags;
using gss::Mechanism;
using krb5::ErrorCode;
using mint::Octets;
using spnego::NegState;
using testing::Door;
using testing::hex;
using testing::kNow;

struct Attempt {
  mint::TicketFields ticket;
  mint::AuthenticatorFields authenticator;
  std::size_t service = 0;  // Index in Door::services.
};

struct ErrorCase {
  const char* name;
  Status expected;
  ErrorCode code;  // kNone: no token.
  void (*spoil)(Door&, Attempt&);
  const char* why;
};

const ErrorCase kErrors[] = {
    {"TicketEtype", Status::kTicketEtype, ErrorCode::kEtypeNotSupported,
     [](Door&, Attempt& a) { a.ticket.sealing.etype = 25; }, "Camellia is not served"},
    {"Rc4", Status::kRc4, ErrorCode::kEtypeNotSupported,
     [](Door&, Attempt& a) { a.ticket.sealing.etype = 23; }, "by policy"},
    {"SessionKeySize", Status::kSessionKeyEtype, ErrorCode::kEtypeNotSupported,
     [](Door&, Attempt& a) {
       a.authenticator.subkey_etype = 18;
       a.authenticator.subkey = Octets(16, 1);
     },
     "a key of another size is none of its etype"},
    {"Expired", Status::kTicketExpired, ErrorCode::kTicketExpired,
     [](Door&, Attempt& a) { a.ticket.end_time = kNow - 301; }, "RFC 4120 3.2.3"},
    {"NotYetValid", Status::kTicketNotYetValid, ErrorCode::kTicketNotYetValid,
     [](Door&, Attempt& a) { a.ticket.start_time = kNow + 301; }, "RFC 4120 3.2.3"},
    {"InvalidFlag", Status::kTicketInvalid, ErrorCode::kTicketNotYetValid,
     [](Door&, Attempt& a) { a.ticket.flags |= krb5::kTicketFlagInvalid; }, "RFC 4120 3.2.3"},
    {"OtherService", Status::kNoSuchService, ErrorCode::kNotUs,
     [](Door&, Attempt& a) { a.ticket.service = mint::Principal::of("FTP/x@EXAMPLE.TEST"); },
     "RFC 4120 7.5.9"},
    {"OtherClient", Status::kClientNameMismatch, ErrorCode::kBadMatch,
     [](Door&, Attempt& a) { a.authenticator.client = mint::Principal::of("bob@EXAMPLE.TEST"); },
     "RFC 4120 3.2.3"},
    {"Skew", Status::kClockSkew, ErrorCode::kSkew,
     [](Door&, Attempt& a) { a.authenticator.ctime = kNow - 301; }, "RFC 4120 3.2.3"},
    {"TicketChanged", Status::kTicketKey, ErrorCode::kModified,
     [](Door&, Attempt& a) { a.ticket.sealing.key = Octets(32, 0x11); }, "MS-KILE 3.4.5"},
    {"TicketChangedWithoutKvno", Status::kTicketKey, ErrorCode::kModified,
     [](Door&, Attempt& a) {
       a.ticket.sealing.key = Octets(32, 0x11);
       a.ticket.sealing.kvno_absent = true;
     },
     "no version, so no bad one"},
    {"TicketOfAnotherKeyVersion", Status::kTicketKey, ErrorCode::kBadKeyVersion,
     [](Door&, Attempt& a) {
       a.ticket.sealing.key = Octets(32, 0x11);
       a.ticket.sealing.kvno = 77;
     },
     "RFC 4120 3.2.3"},
    {"AuthenticatorChanged", Status::kAuthenticatorKey, ErrorCode::kModified,
     [](Door&, Attempt& a) { a.authenticator.sealing.key = Octets(32, 0x22); }, "MS-KILE 3.4.5"},
    {"NoKeyOfEtype", Status::kNoKeyOfEtype, ErrorCode::kNoKey,
     [](Door&, Attempt& a) {
       a.ticket.service = mint::Principal::of("HTTP/old.example.test@EXAMPLE.TEST");
     },
     "RFC 4120 3.2.3"},
    {"ChecksumType", Status::kChecksumType, ErrorCode::kChecksumType,
     [](Door&, Attempt& a) { a.authenticator.checksum_type = 1; }, "RFC 4120 7.5.9"},

    // MS-KILE 3.4.5: zero-length, because not well-formed or not supported.
    {"MalformedTicket", Status::kMalformedTicket, ErrorCode::kNone,
     [](Door&, Attempt& a) {
       a.ticket.sealing.plain = Octets{0x30, 0x00};
     },
     "not well-formed"},
    {"MalformedAuthenticator", Status::kMalformedAuthenticator, ErrorCode::kNone,
     [](Door&, Attempt& a) {
       a.authenticator.sealing.plain = Octets{0x62, 0x00};
     },
     "not well-formed"},
    {"MalformedChecksum", Status::kMalformedGssChecksum, ErrorCode::kNone,
     [](Door&, Attempt& a) { a.authenticator.checksum = Octets(23, 0); }, "not well-formed"},
    {"UserToUser", Status::kUserToUser, ErrorCode::kNone,
     [](Door&, Attempt& a) { a.authenticator.ap_options |= krb5::kApOptionUseSessionKey; },
     "not supported"},
    {"DceFlagInFraming", Status::kDceStyle, ErrorCode::kNone,
     [](Door&, Attempt& a) { a.authenticator.context_flags = mint::kContextFlagsDce; },
     "not well-formed"},
    // No code for it in RFC 4120 7.5.9.
    {"Anonymous", Status::kKerberosAnonymous, ErrorCode::kNone,
     [](Door&, Attempt& a) { a.ticket.flags |= krb5::kTicketFlagAnonymous; }, "no code"},
    {"NameTooLong", Status::kNameTooLong, ErrorCode::kNone,
     [](Door&, Attempt& a) {
       a.ticket.client = {1, {std::string(kIdentitySizeMax, 'x')}, "EXAMPLE.TEST"};
     },
     "no code"},
};

// error_in takes the GSS-API framing off and reads the KRB-ERROR.
Result<krb5::KrbError> error_in(Bytes token) {
  const Result<gss::InitialToken> framed = gss::parse_initial_token(token);
  const Result<gss::KerberosToken> inner =
      gss::parse_kerberos_token(framed.ok() ? framed->inner : Bytes{});
  EXPECT_TRUE(inner.ok() && inner->id == gss::KerberosTokenId::kError);
  return krb5::parse_krb_error(inner.ok() ? inner->message : Bytes{});
}

Octets ap_req(Door& door, const Attempt& attempt) {
  const mint::Ticket ticket = door.client.ticket(door.services[attempt.service], attempt.ticket);
  return door.client.ap_req(ticket, attempt.authenticator).message;
}

class KerberosError : public ::testing::TestWithParam<ErrorCase> {
 protected:
  KerberosError() {
    door.clock.wall += 123'456;
    attempt = {door.ticket_fields(), door.authenticator_fields(), 0};
    GetParam().spoil(door, attempt);
    message = ap_req(door, attempt);
  }

  void expect_error(const Result<krb5::KrbError>& error) {
    ASSERT_TRUE(error.ok());
    EXPECT_EQ(ErrorCode(error->error_code), GetParam().code) << GetParam().why;
    EXPECT_EQ(error->stime, kNow) << "RFC 4120 5.9.1: our clock";
    EXPECT_EQ(error->susec, 123'456u);
    const mint::Principal& service =
        attempt.ticket.service ? *attempt.ticket.service : door.services[0].name;
    EXPECT_EQ(std::string(error->realm.begin(), error->realm.end()), service.realm);
    EXPECT_TRUE(std::ranges::equal(error->sname.components, mint::name_components(service)));
    const bool is_skew = GetParam().code == ErrorCode::kSkew;
    EXPECT_EQ(mint::octets_of(error->e_data), is_skew ? hex("3005a103020102") : Octets{})
        << "MS-KILE 2.2.2";
    EXPECT_FALSE(error->has_client_time) << "that was encrypted";
    EXPECT_TRUE(error->cname.components.empty() && error->crealm.empty()) << "and so was that";
    EXPECT_TRUE(error->e_text.empty()) << "who is refused need not know why we say so";
  }

  Door door;
  Attempt attempt;
  Octets message;
};

TEST_P(KerberosError, IsSentFramedToWhoAsks) {
  const Octets token = mint::gss_token(message);
  EXPECT_EQ(text_of(door.offer(token).verdict.status), text_of(GetParam().expected));
  EXPECT_TRUE(door.reply.empty()) << "only with ASC_REQ_EXTENDED_ERROR";

  door.error_tokens = true;
  EXPECT_EQ(text_of(door.offer(token).verdict.status), text_of(GetParam().expected));
  if (GetParam().code == ErrorCode::kNone) {
    EXPECT_TRUE(door.reply.empty()) << GetParam().why;
  } else {
    expect_error(error_in(door.reply));
  }
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_P(KerberosError, IsTheResponseTokenOfAReject) {
  door.error_tokens = true;
  EXPECT_EQ(text_of(door.offer(mint::spnego_token(message)).verdict.status),
            text_of(GetParam().expected));
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kReject);
  EXPECT_FALSE(resp.mech_list_mic);
  EXPECT_EQ(resp.response_token.has_value(), GetParam().code != ErrorCode::kNone);
  if (resp.response_token) {
    expect_error(error_in(*resp.response_token));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, KerberosError, ::testing::ValuesIn(kErrors),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

class KerberosReply : public ::testing::Test {
 protected:
  Attempt attempt() { return {door.ticket_fields(), door.authenticator_fields(), 0}; }
  // skewed is an AP-REQ that is answered with KRB_AP_ERR_SKEW.
  Octets skewed(const mint::TicketFields& fields) {
    Attempt late{fields, door.authenticator_fields(), 0};
    late.authenticator.ctime = kNow - 301;
    return ap_req(door, late);
  }
  Octets skewed() { return skewed(door.ticket_fields()); }

  Door door;
};

TEST_F(KerberosReply, AReplayIsAnsweredWithRepeat) {
  door.error_tokens = true;
  const Octets token = door.kerberos_token();
  EXPECT_EQ(door.offer(token).verdict.status, Status::kEstablished);
  EXPECT_EQ(door.offer(token).verdict.status, Status::kReplay);
  const Result<krb5::KrbError> error = error_in(door.reply);
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(ErrorCode(error->error_code), ErrorCode::kRepeat);
}

TEST_F(KerberosReply, AnErrorInDceStyleIsBare) {
  door.error_tokens = true;
  EXPECT_EQ(door.offer(skewed()).verdict.status, Status::kClockSkew);
  const Result<krb5::KrbError> error = krb5::parse_krb_error(door.reply);
  ASSERT_TRUE(error.ok()) << "RFC 4757 7.1";
  EXPECT_EQ(ErrorCode(error->error_code), ErrorCode::kSkew);

  EXPECT_EQ(door.offer(mint::optimistic({Mechanism::kKerberos}, skewed())).verdict.status,
            Status::kClockSkew);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kReject);
  ASSERT_TRUE(resp.response_token);
  EXPECT_TRUE(krb5::parse_krb_error(*resp.response_token).ok());
}

TEST_F(KerberosReply, AClientThatCorrectsItsClockByTheErrorSignsOn) {
  door.error_tokens = true;
  door.clock.wall += 7 * 3600 * kMicrosPerSecond;
  Attempt late = attempt();
  EXPECT_EQ(door.offer(mint::gss_token(ap_req(door, late))).verdict.status, Status::kClockSkew);
  const Result<krb5::KrbError> error = error_in(door.reply);
  ASSERT_TRUE(error.ok());
  late.authenticator.ctime = error->stime;
  late.authenticator.cusec = error->susec;
  EXPECT_EQ(door.offer(mint::gss_token(ap_req(door, late))).verdict.status, Status::kEstablished);
}

TEST_F(KerberosReply, AnErrorThatDoesNotFitIsNotSent) {
  door.error_tokens = true;
  const Octets token = mint::gss_token(skewed());
  EXPECT_EQ(door.offer(token).verdict.status, Status::kClockSkew);
  const std::size_t size = door.reply.size();
  for (const std::size_t room : {std::size_t{0}, std::size_t{40}, size - 1, size}) {
    door.reply_capacity = room;
    EXPECT_EQ(door.offer(token).verdict.status, Status::kClockSkew) << room;
    EXPECT_EQ(door.reply.size(), room < size ? 0 : size) << room;
  }
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(KerberosReply, ANameThatFillsTheReplyIsNotSentBack) {
  // Names come back as they came. One that makes too long a token gets none, in SPNEGO a bare
  // reject.
  door.error_tokens = true;
  for (const std::size_t size : {std::size_t{700}, std::size_t{900}, std::size_t{40'000}}) {
    Attempt other = attempt();
    other.ticket.service = mint::Principal{2, {"HTTP", std::string(size, 'x')}, "EXAMPLE.TEST"};
    const Octets message = ap_req(door, other);
    EXPECT_EQ(door.offer(mint::gss_token(message)).verdict.status, Status::kNoSuchService);
    EXPECT_EQ(door.reply.empty(), size >= 900) << size;
    EXPECT_EQ(door.offer(mint::spnego_token(message)).verdict.status, Status::kNoSuchService);
    const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
    EXPECT_EQ(resp.state, NegState::kReject);
    EXPECT_EQ(resp.response_token.has_value(), size < 900) << size;
  }
}

TEST_F(KerberosReply, WhatIsNoApReqGetsNoError) {
  door.error_tokens = true;
  const Octets right = ap_req(door, attempt());
  for (const gss::KerberosTokenId id :
       {gss::KerberosTokenId::kApRep, gss::KerberosTokenId::kError}) {
    EXPECT_EQ(door.offer(mint::gss_token(right, id)).verdict.status, Status::kUnexpectedToken);
    EXPECT_TRUE(door.reply.empty()) << "C23";
  }
  for (std::size_t size = 1; size < right.size(); size += 7) {
    EXPECT_FALSE(succeeded(door.offer(Bytes(right).first(size)).verdict.status));
    EXPECT_TRUE(door.reply.empty()) << size;
  }
  // Not even to our own answers.
  EXPECT_EQ(door.offer(mint::gss_token(skewed())).verdict.status, Status::kClockSkew);
  const Octets error = door.reply;
  EXPECT_FALSE(error.empty());
  EXPECT_EQ(door.offer(error).verdict.status, Status::kUnexpectedToken);
  EXPECT_TRUE(door.reply.empty());
}

TEST_F(KerberosReply, ARefusalAfterTheSealKeepsTheApRepBack) {
  // The client's mechListMIC is wrong, which is found out when the AP-REP is all but made.
  door.error_tokens = true;
  const mint::NegTokenInitFields fields{.mech_token = mint::gss_token(ap_req(door, attempt())),
                                        .mech_list_mic = Octets(28, 0)};
  EXPECT_EQ(door.offer(mint::neg_token_init(fields)).verdict.status, Status::kMechListMicWrong);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kReject);
  EXPECT_FALSE(resp.response_token);
}

// ---- AP-REP: when, and with which subkey

TEST_F(KerberosReply, IsSentIfEitherPlaceAsksForIt) {
  struct Place {
    std::uint32_t ap_options;
    ContextFlags flags;
    bool replied;
  };
  const Place places[] = {
      {krb5::kApOptionMutualRequired, ContextFlags::kMutual, true},
      {krb5::kApOptionMutualRequired, ContextFlags::kIntegrity, true},
      {0, ContextFlags::kMutual, true},
      {0, ContextFlags::kIntegrity, false},
  };
  for (const Place& place : places) {
    Attempt asked = attempt();
    asked.authenticator.ap_options = place.ap_options;
    asked.authenticator.context_flags = std::uint32_t(place.flags);
    const auth::AcceptReply result = door.offer(mint::gss_token(ap_req(door, asked)));
    ASSERT_EQ(result.verdict.status, Status::kEstablished);
    EXPECT_EQ(door.reply.empty(), !place.replied);
    EXPECT_EQ(has(result.flags, ContextFlags::kMutual), place.replied);
    EXPECT_TRUE(door.end(result.context));
  }
}

TEST_F(KerberosReply, IsWholeInAsMuchRoomAsItTakesAndNotSentInLess) {
  for (door.reply_capacity = 100; door.reply_capacity < kReplySizeMax; ++door.reply_capacity) {
    const mint::Ticket ticket = door.client.ticket(door.services[0], door.ticket_fields());
    const mint::ApReq request = door.client.ap_req(ticket, door.authenticator_fields());
    const auth::AcceptReply result = door.offer(mint::spnego_token(request.message));
    if (result.verdict.status == Status::kEstablished) {
      const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
      EXPECT_EQ(resp.state, NegState::kAcceptCompleted);
      EXPECT_EQ(resp.supported_mech, Mechanism::kKerberos);
      ASSERT_TRUE(resp.response_token);
      const auto answer = door.client.check_ap_rep(ticket, request, *resp.response_token);
      EXPECT_NE(answer.subkey_etype, 0);
      EXPECT_LE(door.reply.size(), door.reply_capacity);
      EXPECT_GE(door.reply.size() + 4, door.reply_capacity) << "but for a small sequence number";
      return;
    }
    ASSERT_EQ(result.verdict.status, Status::kReplyTooLong);
    EXPECT_TRUE(door.reply.empty());
  }
  FAIL() << "it never fits";
}

struct SubkeyCase {
  const char* name;
  std::int32_t session_etype;
  std::int32_t client_etype;  // Of the client's subkey; 0: none.
  const char* list;           // EtypeList; null: none.
  std::int32_t expected;      // Of ours; 0: none.
  const char* why;
};

class AcceptorSubkey : public ::testing::TestWithParam<SubkeyCase> {};

const SubkeyCase kSubkeys[] = {
    {"OfTheSessionKey", 17, 0, nullptr, 17, "RFC 4120 3.2.4"},
    {"OfTheClientsSubkey", 18, 17, nullptr, 17, "what the client prefers"},
    {"TheListsFirst", 18, 18, "3009 020114 020113 020112", 20, "RFC 4537 3: MIT's list"},
    {"TheListsFirstThatWeServe", 18, 18, "300c 02011a 020119 020113 020112", 19,
     "Camellia is not served"},
    {"AnyAesIsAsGoodAsAnother", 20, 20, "3009 020112 020111 020114", 18, "the client's favourite"},
    {"NeverRc4UnderAes", 18, 18, "3003 020117", 18, "no step back, whatever the list says"},
    {"Rc4IsPassedOver", 18, 18, "3006 020117 020111", 17, "no step back"},
    {"AnEmptyList", 18, 17, "3000", 17, "asks for nothing"},
    {"AListOfNothingServed", 18, 17, "3009 020101 020103 0201f0", 17, "DES and local use"},
    {"ALeastInt32", 18, 0, "3006 020480000000", 18, "nobody serves it"},
    {"Rc4UnderRc4", 23, 0, nullptr, 0, "RFC 4757 7: messages do not say whose key they use"},
    {"Rc4FromTheList", 23, 23, "3003 020117", 0, "likewise"},
    {"AesFromTheListUnderRc4", 23, 23, "3006 020112 020117", 18, "RFC 4537: what it is for"},
};

TEST_P(AcceptorSubkey, IsOfTheRightEtype) {
  const SubkeyCase& c = GetParam();
  Door door;
  door.credential.policy.allow_rc4 = true;
  door.credential.policy.allow_weaker_keys = true;
  mint::TicketFields ticket_fields = door.ticket_fields();
  ticket_fields.session_etype = c.session_etype;
  mint::AuthenticatorFields fields = door.authenticator_fields();
  if (c.client_etype != 0) {
    fields.subkey_etype = c.client_etype;
  }
  if (c.list != nullptr) {
    fields.authorization_data = mint::authorization_data(129, hex(c.list));
  }
  const mint::Ticket ticket = door.client.ticket(door.services[0], ticket_fields);
  const mint::ApReq request = door.client.ap_req(ticket, fields);
  const auth::AcceptReply result = door.offer(mint::gss_token(request.message));
  ASSERT_EQ(text_of(result.verdict.status), text_of(Status::kEstablished));
  const auto answer = door.client.check_ap_rep(ticket, request, door.reply);
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(answer.subkey_etype, c.expected) << c.why;
  const Pinned<auth::Context> context = door.look(result.context);
  EXPECT_EQ(context->key_is_acceptor_subkey, c.expected != 0);
  if (c.expected != 0) {
    EXPECT_EQ(context->key_etype, c.expected);
    EXPECT_TRUE(std::ranges::equal(context->key.bytes(), answer.subkey));
  } else {
    EXPECT_EQ(context->key_etype, c.session_etype);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, AcceptorSubkey, ::testing::ValuesIn(kSubkeys),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// ---- AP-REP: the number that our messages begin with

struct SequenceCase {
  std::int32_t etype;
  bool dce_style;
};

class AcceptorSequence : public ::testing::TestWithParam<SequenceCase> {
 protected:
  // ours is our number in answer to a client's.
  std::uint32_t ours(std::uint32_t clients) {
    mint::TicketFields ticket_fields = door.ticket_fields();
    ticket_fields.session_etype = GetParam().etype;
    mint::AuthenticatorFields fields = door.authenticator_fields();
    fields.seq_number = clients;
    if (GetParam().dce_style) {
      fields.context_flags = mint::kContextFlagsDce;
    }
    const mint::Ticket ticket = door.client.ticket(door.services[0], ticket_fields);
    const Octets message = door.client.ap_req(ticket, fields).message;
    const auth::AcceptReply result =
        door.offer(GetParam().dce_style ? message : mint::gss_token(message));
    EXPECT_TRUE(succeeded(result.verdict.status)) << text_of(result.verdict.status);
    EXPECT_FALSE(door.reply.empty());
    const std::uint32_t number = door.look(result.context)->acceptor_sequence;
    EXPECT_TRUE(door.end(result.context));
    return number;
  }

  Door door;
};

// With RC4 two messages of one number have one key, whoever sends them (RFC 4757 7.3).
TEST_P(AcceptorSequence, IsFarFromTheClientsWhereItMakesAKey) {
  constexpr std::uint32_t kFar = 1u << 28;
  door.credential.policy.allow_rc4 = true;
  door.credential.policy.allow_weaker_keys = true;
  int near = 0;
  int high = 0;
  for (const std::uint32_t clients :
       {0u, 1u, kFar - 1, kFar, kFar + 1, 2 * kFar - 1, 2 * kFar, 3 * kFar, 4 * kFar - 1, 4 * kFar,
        5 * kFar - 1, 5 * kFar, 0x7fffffffu, 0x80000000u, 0u - kFar, 0u - kFar + 1, 0xffffffffu}) {
    for (int n = 0; n < 16; ++n) {
      const std::uint32_t number = ours(clients);
      EXPECT_LE(number, 0x3fffffffu) << "no peer reads it as negative";
      near += number - clients < kFar || clients - number < kFar ? 1 : 0;
      high += number >= 2 * kFar ? 1 : 0;
    }
  }
  EXPECT_EQ(near == 0, GetParam().etype == 23);
  EXPECT_GT(high, 0) << "all 30 bits are random";
  EXPECT_LT(high, 17 * 16);
}
INSTANTIATE_TEST_SUITE_P(All, AcceptorSequence,
                         ::testing::Values(SequenceCase{23, false}, SequenceCase{23, true},
                                           SequenceCase{18, false}, SequenceCase{18, true}),
                         [](const auto& param_info) {
                           return std::to_string(param_info.param.etype) +
                                  (param_info.param.dce_style ? "Dce" : "");
                         });

TEST_F(KerberosReply, AListInTheTicketOrOneThatIsNoneChangesNothing) {
  Attempt in_ticket = attempt();
  in_ticket.ticket.authorization_data = mint::authorization_data(129, hex("3003 020114"));
  const mint::Ticket ticket = door.client.ticket(door.services[0], in_ticket.ticket);
  const mint::ApReq request = door.client.ap_req(ticket, in_ticket.authenticator);
  ASSERT_EQ(door.offer(mint::gss_token(request.message)).verdict.status, Status::kEstablished);
  EXPECT_EQ(door.client.check_ap_rep(ticket, request, door.reply).subkey_etype, 18)
      << "RFC 4537 3: the authenticator's";

  Attempt malformed = attempt();
  malformed.authenticator.authorization_data = mint::authorization_data(129, hex("3003 040114"));
  EXPECT_EQ(door.offer(mint::gss_token(ap_req(door, malformed))).verdict.status,
            Status::kMalformedAuthenticator);
}

TEST_F(KerberosReply, TheMechListMicIsMadeWithTheNegotiatedKey) {
  const std::vector<Mechanism> mechs = {Mechanism::kNegoEx, Mechanism::kKerberos};
  const Octets types = mint::mech_type_list(mechs);
  const auth::AcceptReply first = door.offer(mint::neg_token_init({.mechs = mechs}));
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  mint::AuthenticatorFields fields = door.authenticator_fields();
  fields.authorization_data = mint::authorization_data(129, hex("3003 020114"));
  const mint::Ticket ticket = door.client.ticket(door.services[0], door.ticket_fields());
  const mint::ApReq request = door.client.ap_req(ticket, fields);
  ASSERT_EQ(door.offer(mint::neg_token_resp({.response_token = mint::gss_token(request.message)}),
                       first.context)
                .verdict.status,
            Status::kContinue);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  ASSERT_TRUE(resp.response_token && resp.mech_list_mic);
  const auto answer = door.client.check_ap_rep(ticket, request, *resp.response_token);
  EXPECT_EQ(answer.subkey_etype, 20);
  EXPECT_TRUE(door.client.check_mech_list_mic(ticket, request, answer, types, *resp.mech_list_mic));
  const Octets mic = door.client.write_mech_list_mic(ticket, request, answer, types);
  EXPECT_EQ(door.offer(mint::neg_token_resp({.mech_list_mic = mic}), first.context).verdict.status,
            Status::kEstablished);
}

}  // namespace
}  // namespace usher
