// Promise: a client in DCE style signs on with its third leg and never before; a third leg that is
// not the answer to ours ends the exchange, and nothing of it is left behind.
#include "tools/mint/dce_mint.h"

#include "tests/auth/door.h"

namespace usher {
namespace {

using gss::ContextFlags;
using gss::Mechanism;
using mint::Octets;
using spnego::NegState;
using testing::Door;
using testing::kNow;

class DceStyle : public ::testing::Test {
 protected:
  mint::AuthenticatorFields dce_fields() {
    mint::AuthenticatorFields fields = door.authenticator_fields();
    fields.context_flags = mint::kContextFlagsDce;
    fields.seq_number = 4711;
    return fields;
  }

  // ap_req is a bare first token; the fields are those a client is remembered by afterwards.
  Octets ap_req(const mint::AuthenticatorFields& fields, mint::TicketFields ticket_fields,
                std::size_t service = 0) {
    ticket = door.client.ticket(door.services[service], std::move(ticket_fields));
    request = door.client.ap_req(ticket, fields);
    return request.message;
  }
  Octets ap_req() { return ap_req(dce_fields(), door.ticket_fields()); }

  // first_leg offers a bare AP-REQ and takes the answer as the client does.
  auth::AcceptReply first_leg() {
    const auth::AcceptReply result = door.offer(ap_req());
    EXPECT_EQ(text_of(result.verdict.status), text_of(Status::kContinue));
    answer = door.client.check_ap_rep(ticket, request, door.reply);
    EXPECT_EQ(answer.error, "");
    return result;
  }
  Octets third_leg() { return mint::third_leg_to(door.client, ticket, request, answer); }
  mint::ThirdLegFields third_leg_fields() {
    return {.ctime = request.ctime, .cusec = request.cusec, .seq_number = answer.seq_number};
  }

  Door door;
  mint::Ticket ticket;
  mint::ApReq request;
  mint::KerberosMint::Answer answer;
};

TEST_F(DceStyle, SignsOnWithThreeLegs) {
  const auth::AcceptReply first = first_leg();
  EXPECT_EQ(door.reply.front(), 0x6f) << "MS-KILE 3.4.5.1: a bare AP-REP";
  EXPECT_NE(answer.subkey_etype, 0);
  {
    const Pinned<auth::Context> context = door.look(first.context);
    EXPECT_EQ(context->state, auth::State::kThirdLegOwed);
    EXPECT_EQ(context->part(4).size(), 4 + ticket.session_key.size());
  }
  const auth::AcceptReply last = door.offer(third_leg(), first.context);
  ASSERT_EQ(text_of(last.verdict.status), text_of(Status::kEstablished));
  EXPECT_TRUE(door.reply.empty()) << "the client has been done since it sent its third leg";
  EXPECT_EQ(last.context, first.context);
  EXPECT_EQ(last.expires_s, kNow + 36'000);
  EXPECT_TRUE(has(last.flags, ContextFlags::kDceStyle) && has(last.flags, ContextFlags::kMutual));
  EXPECT_EQ(door.client_of(last.context), "alice@EXAMPLE.TEST");

  const Pinned<auth::Context> context = door.look(last.context);
  EXPECT_TRUE(context->dce_style && context->key_is_acceptor_subkey);
  EXPECT_TRUE(std::ranges::equal(context->key.bytes(), answer.subkey));
  EXPECT_EQ(context->key_etype, answer.subkey_etype);
  EXPECT_EQ(context->acceptor_sequence, answer.seq_number) << "RFC 4121 2: not the third leg's";
  EXPECT_EQ(context->initiator_sequence, 4711u);
  EXPECT_TRUE(context->part(4).empty());
  EXPECT_EQ(std::search(context->storage.begin(), context->storage.end(),
                        ticket.session_key.begin(), ticket.session_key.end()),
            context->storage.end())
      << "the session key is wiped when it has been used";
}

TEST_F(DceStyle, ImpliesMutualAuthentication) {
  mint::AuthenticatorFields fields = dce_fields();
  fields.ap_options = 0;
  fields.context_flags = std::uint32_t(ContextFlags::kDceStyle);
  const auth::AcceptReply first = door.offer(ap_req(fields, door.ticket_fields()));
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  answer = door.client.check_ap_rep(ticket, request, door.reply);
  EXPECT_EQ(answer.error, "");
  const auth::AcceptReply last = door.offer(third_leg(), first.context);
  EXPECT_EQ(last.verdict.status, Status::kEstablished);
  EXPECT_EQ(last.flags, ContextFlags(std::uint32_t(ContextFlags::kDceStyle) |
                                     std::uint32_t(ContextFlags::kMutual)));
}

TEST_F(DceStyle, WorksWithEveryEtype) {
  door.credential.policy.allow_rc4 = true;
  for (std::size_t service = 0; service < door.services.size(); ++service) {
    const std::int32_t etype = door.services[service].etype;
    mint::TicketFields fields = door.ticket_fields();
    fields.session_etype = etype;
    const auth::AcceptReply first = door.offer(ap_req(dce_fields(), fields, service));
    ASSERT_EQ(text_of(first.verdict.status), text_of(Status::kContinue)) << etype;
    answer = door.client.check_ap_rep(ticket, request, door.reply);
    EXPECT_EQ(answer.error, "") << etype;
    EXPECT_EQ(answer.subkey_etype, etype)
        << "DCE style implies a subkey of the acceptor, RC4's too";
    const auth::AcceptReply last = door.offer(third_leg(), first.context);
    EXPECT_EQ(text_of(last.verdict.status), text_of(Status::kEstablished)) << etype;
    EXPECT_TRUE(std::ranges::equal(door.look(last.context)->key.bytes(), answer.subkey)) << etype;
    EXPECT_TRUE(door.end(last.context));
  }
}

TEST_F(DceStyle, TakesWhateverTimeTheThirdLegGives) {
  // MIT's clients give the time it is, Heimdal's the authenticator's; the sequence number is what
  // makes the third leg new.
  for (const std::int64_t ctime : {kNow, kNow + 17, std::int64_t{0}}) {
    const auth::AcceptReply first = first_leg();
    mint::ThirdLegFields fields = third_leg_fields();
    fields.ctime = ctime;
    const auth::AcceptReply last =
        door.offer(mint::third_leg(door.client, ticket, fields), first.context);
    EXPECT_EQ(last.verdict.status, Status::kEstablished) << ctime;
    EXPECT_TRUE(door.end(last.context));
  }
}

TEST_F(DceStyle, FramingAndFlagMustAgree) {
  mint::AuthenticatorFields fields = dce_fields();
  EXPECT_EQ(door.offer(mint::gss_token(ap_req(fields, door.ticket_fields()))).verdict.status,
            Status::kDceStyle);
  EXPECT_EQ(
      door.offer(mint::spnego_token(ap_req(dce_fields(), door.ticket_fields()))).verdict.status,
      Status::kDceStyle)
      << "SPNEGO's framing is not the mechanism's";
  const mint::AuthenticatorFields plain = door.authenticator_fields();
  EXPECT_EQ(door.offer(ap_req(plain, door.ticket_fields())).verdict.status, Status::kDceStyle);
  mint::AuthenticatorFields no_checksum = door.authenticator_fields();
  no_checksum.checksum_absent = true;
  EXPECT_EQ(door.offer(ap_req(no_checksum, door.ticket_fields())).verdict.status,
            Status::kDceStyle);
  EXPECT_EQ(door.pool.live(), 0u);
  // Without touching the replay cache, so the same authenticators do for the positive twins.
  EXPECT_EQ(door.offer(ap_req(fields, door.ticket_fields())).verdict.status, Status::kContinue);
  EXPECT_EQ(door.offer(mint::gss_token(ap_req(plain, door.ticket_fields()))).verdict.status,
            Status::kEstablished);
}

TEST_F(DceStyle, IsRefusedLikeAnyOtherTicket) {
  mint::AuthenticatorFields late = dce_fields();
  late.ctime = kNow - 301;
  EXPECT_EQ(door.offer(ap_req(late, door.ticket_fields())).verdict.status, Status::kClockSkew);
  mint::TicketFields expired = door.ticket_fields();
  expired.end_time = kNow - 301;
  EXPECT_EQ(door.offer(ap_req(dce_fields(), expired)).verdict.status, Status::kTicketExpired);
  const Octets first = ap_req();
  EXPECT_EQ(door.offer(first).verdict.status, Status::kContinue);
  EXPECT_EQ(door.offer(first).verdict.status, Status::kReplay);
  door.credential.allow_kerberos = false;
  EXPECT_EQ(door.offer(ap_req()).verdict.status, Status::kMechanismNotAllowed);
}

// ---- the third leg

class DceStyleLeg;

struct WrongLeg {
  const char* name;
  Status expected;
  Octets (*make)(DceStyleLeg&);
  const char* why;
};

class DceStyleLeg : public DceStyle, public ::testing::WithParamInterface<WrongLeg> {
 public:
  Octets leg_of(void (*spoil)(mint::ThirdLegFields&)) {
    mint::ThirdLegFields fields = third_leg_fields();
    spoil(fields);
    return mint::third_leg(door.client, ticket, fields);
  }
  Octets right() { return third_leg(); }
  Octets ours() { return door.reply; }
  Octets another_first() { return ap_req(); }
  Octets of_another_exchange() {
    // A client that holds the same ticket, and its own answer from us.
    const Octets second = door.client.ap_req(ticket, dce_fields()).message;
    const auth::AcceptReply first = door.offer(second);
    EXPECT_EQ(first.verdict.status, Status::kContinue);
    const Result<krb5::ApRep> reply = krb5::parse_ap_rep(door.reply);
    const Octets plain = door.client.open(ticket.session_etype, ticket.session_key,
                                          crypto::KeyUsage::kApRepEncPart, reply->enc_part.cipher);
    const Result<krb5::EncApRepPart> part = krb5::parse_enc_ap_rep_part(plain);
    mint::ThirdLegFields fields = third_leg_fields();
    fields.seq_number = part->seq_number;
    EXPECT_TRUE(door.end(first.context));
    return mint::third_leg(door.client, ticket, fields);
  }
};

const WrongLeg kWrongLegs[] = {
    {"SequenceNumberOneMore", Status::kThirdLeg,
     [](DceStyleLeg& t) {
       return t.leg_of([](mint::ThirdLegFields& f) { f.seq_number = *f.seq_number + 1; });
     },
     "it has not opened our AP-REP"},
    {"SequenceNumberOfTheClient", Status::kThirdLeg,
     [](DceStyleLeg& t) { return t.leg_of([](mint::ThirdLegFields& f) { f.seq_number = 4711; }); },
     "RFC 4757 7.1: ours"},
    {"SequenceNumberAbsent", Status::kThirdLeg,
     [](DceStyleLeg& t) { return t.leg_of([](mint::ThirdLegFields& f) { f.seq_number.reset(); }); },
     "nothing then is new in it"},
    {"WithASubkey", Status::kThirdLeg,
     [](DceStyleLeg& t) {
       return t.leg_of([](mint::ThirdLegFields& f) {
         f.subkey_etype = 18;
         f.subkey = Octets(32, 1);
       });
     },
     "only ours has one"},
    {"OursSentBack", Status::kThirdLeg, [](DceStyleLeg& t) { return t.ours(); },
     "reflection: whoever cannot open our AP-REP can still send it back"},
    {"OfAnotherExchange", Status::kThirdLeg, [](DceStyleLeg& t) { return t.of_another_exchange(); },
     "the right client, another exchange"},
    {"OtherKey", Status::kThirdLeg,
     [](DceStyleLeg& t) {
       return t.leg_of([](mint::ThirdLegFields& f) { f.sealing.key = Octets(32, 0x11); });
     },
     "a stolen ticket"},
    {"SubkeyInsteadOfTheSessionKey", Status::kThirdLeg,
     [](DceStyleLeg& t) {
       return t.leg_of([](mint::ThirdLegFields& f) { f.sealing.key = Octets(32, 0x22); });
     },
     "RFC 4120 5.5.2: the session key"},
    {"KeyUsageOfAnAuthenticator", Status::kThirdLeg,
     [](DceStyleLeg& t) {
       return t.leg_of(
           [](mint::ThirdLegFields& f) { f.usage = crypto::KeyUsage::kApReqAuthenticator; });
     },
     "RFC 4120 7.5.1: 12"},
    {"LabelOfAnotherEtype", Status::kThirdLeg,
     [](DceStyleLeg& t) { return t.leg_of([](mint::ThirdLegFields& f) { f.sealing.etype = 17; }); },
     "the session key decides"},
    {"CipherTooShort", Status::kThirdLeg,
     [](DceStyleLeg& t) {
       return t.leg_of([](mint::ThirdLegFields& f) { f.sealing.cipher = Octets(27, 0); });
     },
     "shorter than any"},
    {"PlaintextIsNone", Status::kMalformedApRep,
     [](DceStyleLeg& t) {
       return t.leg_of([](mint::ThirdLegFields& f) { f.sealing.plain = Octets{0x7b, 0x00}; });
     },
     "RFC 4120 5.5.2"},
    {"CutShort", Status::kMalformedApRep,
     [](DceStyleLeg& t) {
       Octets token = t.right();
       token.pop_back();
       return token;
     },
     "RFC 4120 5.5.2"},
    {"TrailingByte", Status::kMalformedApRep,
     [](DceStyleLeg& t) {
       Octets token = t.right();
       token.push_back(0);
       return token;
     },
     "RFC 4120 5.5.2"},
    {"Framed", Status::kUnexpectedToken,
     [](DceStyleLeg& t) { return mint::gss_token(t.right(), gss::KerberosTokenId::kApRep); },
     "RFC 4757 7.1: bare"},
    {"AnotherFirstToken", Status::kUnexpectedToken,
     [](DceStyleLeg& t) { return t.another_first(); }, "C23"},
    {"KrbError", Status::kUnexpectedToken,
     [](DceStyleLeg&) {
       return Octets{0x7e, 0x02, 0x30, 0x00};
     },
     "C23: the client has given up"},
    {"Empty", Status::kEmptyToken, [](DceStyleLeg&) { return Octets{}; }, "B3"},
};

TEST_P(DceStyleLeg, IsRefusedAndLeavesNothingBehind) {
  const auth::AcceptReply first = first_leg();
  const Octets wrong = GetParam().make(*this);
  door.error_tokens = true;
  const auth::AcceptReply last = door.offer(wrong, first.context);
  EXPECT_EQ(text_of(last.verdict.status), text_of(GetParam().expected)) << GetParam().why;
  EXPECT_TRUE(door.reply.empty()) << "a client that has sent its third leg listens no more";
  EXPECT_EQ(door.pool.live(), 0u);
  EXPECT_EQ(door.offer(wrong, first.context).verdict.status, Status::kStaleHandle);

  // The positive twin.
  const auth::AcceptReply again = first_leg();
  EXPECT_EQ(door.offer(third_leg(), again.context).verdict.status, Status::kEstablished);
}

INSTANTIATE_TEST_SUITE_P(Table, DceStyleLeg, ::testing::ValuesIn(kWrongLegs),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST_F(DceStyle, EveryPrefixAndEveryFlippedBitOfTheThirdLegIsRefused) {
  door.credential.policy.check_replays = false;
  const Octets first_token = ap_req();
  const auto refused = [&](const auto& change) {
    const auth::AcceptReply first = door.offer(first_token);
    answer = door.client.check_ap_rep(ticket, request, door.reply);
    Octets token = third_leg();
    change(token);
    const auth::AcceptReply last = door.offer(token, first.context);
    const bool is_refused = !succeeded(last.verdict.status);
    EXPECT_TRUE(is_refused || door.end(last.context));
    return is_refused;
  };
  const std::size_t size = third_leg().size();
  for (std::size_t cut = 0; cut < size; ++cut) {
    EXPECT_TRUE(refused([&](Octets& token) { token.resize(cut); })) << cut;
  }
  for (std::size_t bit = 0; bit < 8 * size; ++bit) {
    EXPECT_TRUE(refused([&](Octets& token) {
      token[bit / 8] = static_cast<std::uint8_t>(token[bit / 8] ^ (1u << bit % 8));
    })) << bit;
  }
  EXPECT_FALSE(refused([](Octets&) {})) << "the positive twin";
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(DceStyle, IsGivenUpWhenTheThirdLegComesTooLate) {
  const auth::AcceptReply first = first_leg();
  door.clock.steady += Door::kHalfOpenSeconds * kMicrosPerSecond;
  EXPECT_EQ(door.offer(third_leg(), first.context).verdict.status, Status::kHalfOpenTooLong);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(DceStyle, FinishesWithTheKeysItBeganWith) {
  const auth::AcceptReply first = first_leg();
  door.credential.keys.replace(door.make_keys(false, true));
  EXPECT_EQ(door.offer(third_leg(), first.context).verdict.status, Status::kEstablished);
}

TEST_F(DceStyle, NamesThatFillTheContextLeaveNoRoomForTheSessionKey) {
  const std::string service = "HTTP/web.example.test@EXAMPLE.TEST";
  const std::size_t rest = kIdentitySizeMax - service.size() - std::string("EXAMPLE.TEST").size();
  for (const auto& [size, expected] :
       {std::pair{rest - 36, Status::kContinue}, std::pair{rest - 35, Status::kNameTooLong}}) {
    mint::TicketFields fields = door.ticket_fields();
    fields.client = {1, {std::string(size, 'x')}, "EXAMPLE.TEST"};
    EXPECT_EQ(text_of(door.offer(ap_req(dce_fields(), fields)).verdict.status), text_of(expected));
  }
}

// ---- inside SPNEGO

TEST_F(DceStyle, CompletesInSpnego) {
  const auth::AcceptReply first = door.offer(mint::optimistic({Mechanism::kKerberos}, ap_req()));
  ASSERT_EQ(text_of(first.verdict.status), text_of(Status::kContinue));
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kAcceptIncomplete);
  EXPECT_EQ(resp.supported_mech, Mechanism::kKerberos);
  ASSERT_TRUE(resp.response_token);
  EXPECT_EQ(resp.response_token->front(), 0x6f) << "bare inside SPNEGO, too";
  EXPECT_FALSE(resp.mech_list_mic);
  answer = door.client.check_ap_rep(ticket, request, *resp.response_token);
  EXPECT_EQ(answer.error, "");

  const auth::AcceptReply last =
      door.offer(mint::neg_token_resp({.response_token = third_leg()}), first.context);
  ASSERT_EQ(text_of(last.verdict.status), text_of(Status::kEstablished));
  const mint::ServerResp done = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(done.state, NegState::kAcceptCompleted);
  EXPECT_FALSE(done.response_token);
}

TEST_F(DceStyle, ChecksAMechListMicThatComesWithTheThirdLeg) {
  const Octets types = mint::mech_type_list({Mechanism::kKerberos, Mechanism::kNtlm});
  for (const bool right : {true, false}) {
    const auth::AcceptReply first =
        door.offer(mint::optimistic({Mechanism::kKerberos, Mechanism::kNtlm}, ap_req()));
    ASSERT_EQ(first.verdict.status, Status::kContinue);
    answer = door.client.check_ap_rep(ticket, request,
                                      *mint::read_neg_token_resp(door.reply).response_token);
    Octets mic = door.client.write_mech_list_mic(ticket, request, answer, types);
    mic.back() ^= right ? 0 : 1;
    const auth::AcceptReply last = door.offer(
        mint::neg_token_resp({.response_token = third_leg(), .mech_list_mic = mic}), first.context);
    EXPECT_EQ(text_of(last.verdict.status),
              text_of(right ? Status::kEstablished : Status::kMechListMicWrong));
    if (right) {
      const mint::ServerResp done = mint::read_neg_token_resp(door.reply);
      ASSERT_TRUE(done.mech_list_mic);
      EXPECT_TRUE(
          door.client.check_mech_list_mic(ticket, request, answer, types, *done.mech_list_mic));
    }
  }
}

TEST_F(DceStyle, NeedsTheMechListMicIfKerberosWasNotTheFavourite) {
  const std::vector<Mechanism> mechs = {Mechanism::kNegoEx, Mechanism::kKerberos};
  const Octets types = mint::mech_type_list(mechs);
  for (const bool with_mic : {true, false}) {
    const auth::AcceptReply hint = door.offer(mint::neg_token_init({.mechs = mechs}));
    ASSERT_EQ(hint.verdict.status, Status::kContinue);
    ASSERT_EQ(
        door.offer(mint::neg_token_resp({.response_token = ap_req()}), hint.context).verdict.status,
        Status::kContinue);
    const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
    ASSERT_TRUE(resp.response_token);
    EXPECT_FALSE(resp.mech_list_mic) << "RFC 4178 5: after the mechanism is done";
    answer = door.client.check_ap_rep(ticket, request, *resp.response_token);
    mint::NegTokenRespFields fields{.response_token = third_leg()};
    if (with_mic) {
      fields.mech_list_mic = door.client.write_mech_list_mic(ticket, request, answer, types);
    }
    const auth::AcceptReply last = door.offer(mint::neg_token_resp(fields), hint.context);
    EXPECT_EQ(last.verdict.status == Status::kEstablished, with_mic);
  }
}

TEST_F(DceStyle, NoMechListMicCanComeBeforeTheKeyThatMakesIt) {
  const Octets types = mint::mech_type_list({Mechanism::kKerberos});
  const Octets token = ap_req();
  const Octets mic = door.client.write_mech_list_mic(ticket, request, {}, types);
  EXPECT_EQ(
      door.offer(mint::neg_token_init({.mech_token = token, .mech_list_mic = mic})).verdict.status,
      Status::kMechListMicWrong);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(DceStyle, AWrongThirdLegInSpnegoIsRejected) {
  const auth::AcceptReply first = door.offer(mint::optimistic({Mechanism::kKerberos}, ap_req()));
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  door.error_tokens = true;
  EXPECT_EQ(door.offer(mint::neg_token_resp({.response_token = Octets{0x6f, 0x00}}), first.context)
                .verdict.status,
            Status::kMalformedApRep);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kReject);
  EXPECT_FALSE(resp.response_token);
}

}  // namespace
}  // namespace usher
