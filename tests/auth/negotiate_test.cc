// Promise: SPNEGO finds the mechanism both sides know, and refuses to be talked out of a better
// one.
#include "tests/auth/door.h"
#include "tests/data/negoex_messages.h"

namespace usher {
namespace {

using gss::Mechanism;
using mint::Octets;
using spnego::NegState;
using testing::Door;

class Negotiate : public ::testing::Test {
 protected:
  // A Kerberos client that keeps what it needs for its mechListMIC.
  Octets ap_req() {
    ticket = door.client.ticket(door.services[0], door.ticket_fields());
    request = door.client.ap_req(ticket, door.authenticator_fields());
    return mint::gss_token(request.message);
  }
  auth::AcceptReply offer_init(const mint::NegTokenInitFields& fields) {
    return door.offer(mint::neg_token_init(fields));
  }
  auth::AcceptReply offer_resp(const mint::NegTokenRespFields& fields, ContextHandle context) {
    return door.offer(mint::neg_token_resp(fields), context);
  }

  Door door;
  mint::Ticket ticket;
  mint::ApReq request;
};

TEST_F(Negotiate, TakesTheOptimisticKerberosToken) {
  for (const Mechanism oid : {Mechanism::kKerberos, Mechanism::kMsKerberos}) {
    const auth::AcceptReply result =
        door.offer(mint::optimistic({oid, Mechanism::kNtlm}, ap_req()));
    ASSERT_EQ(result.verdict.status, Status::kEstablished);
    const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
    EXPECT_EQ(resp.state, NegState::kAcceptCompleted);
    EXPECT_EQ(resp.supported_mech, oid) << "as the client named it, also Microsoft's misprint";
    EXPECT_EQ(door.client.check_ap_rep(ticket, request, *resp.response_token).error, "");
    EXPECT_FALSE(resp.mech_list_mic) << "RFC 4178 5: not needed for the preferred mechanism";
    EXPECT_TRUE(door.end(result.context));
  }
}

TEST_F(Negotiate, AsksForTheTokenWhenThereIsNone) {
  const auth::AcceptReply first = offer_init({.mechs = {Mechanism::kKerberos}});
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kAcceptIncomplete);
  EXPECT_EQ(resp.supported_mech, Mechanism::kKerberos);
  EXPECT_FALSE(resp.response_token);
  EXPECT_EQ(offer_resp({.response_token = ap_req()}, first.context).verdict.status,
            Status::kEstablished);
}

TEST_F(Negotiate, RefusesAListWithoutAnythingCommon) {
  door.error_tokens = true;
  EXPECT_EQ(offer_init({.mechs = {Mechanism::kNegoEx, Mechanism::kIakerb}}).verdict.status,
            Status::kNoCommonMechanism);
  EXPECT_EQ(mint::read_neg_token_resp(door.reply).state, NegState::kReject);
  EXPECT_EQ(door.pool.live(), 0u);
  EXPECT_EQ(offer_init({.mechs = {Mechanism::kNegoEx, Mechanism::kNtlm}}).verdict.status,
            Status::kContinue);
}

// What a Windows client sends to a server it would rather use NegoEx with.
const std::vector<Mechanism> kWindowsPreferringNegoEx = {Mechanism::kNegoEx, Mechanism::kMsKerberos,
                                                         Mechanism::kKerberos, Mechanism::kNtlm};

TEST_F(Negotiate, DeclinesNegoExForAnotherOfTheList) {
  const Octets negoex = testing::negoex_client_token();
  const auth::AcceptReply first =
      offer_init({.mechs = kWindowsPreferringNegoEx, .mech_token = negoex});
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kRequestMic)
      << "RFC 4178 5: it was not the client's first choice";
  EXPECT_EQ(resp.supported_mech, Mechanism::kMsKerberos);
  EXPECT_FALSE(resp.response_token);

  const Octets types = mint::mech_type_list(kWindowsPreferringNegoEx);
  ASSERT_EQ(offer_resp({.response_token = ap_req()}, first.context).verdict.status,
            Status::kContinue);
  const auto answer = door.client.check_ap_rep(
      ticket, request, *mint::read_neg_token_resp(door.reply).response_token);
  const Octets mic = door.client.write_mech_list_mic(ticket, request, answer, types);
  EXPECT_EQ(offer_resp({.mech_list_mic = mic}, first.context).verdict.status, Status::kEstablished);
  EXPECT_EQ(door.client_of(first.context), "alice@EXAMPLE.TEST");

  Door ntlm_only(auth::Package::kNegotiate, false, true);
  EXPECT_EQ(
      ntlm_only
          .offer(mint::neg_token_init({.mechs = kWindowsPreferringNegoEx, .mech_token = negoex}))
          .verdict.status,
      Status::kContinue);
  EXPECT_EQ(mint::read_neg_token_resp(ntlm_only.reply).supported_mech, Mechanism::kNtlm);
}

TEST_F(Negotiate, LeavesTheNegoExTokenUnread) {
  // B12 to B14: what is in it cannot matter, because nobody looks.
  const Octets right = testing::negoex_client_token();
  for (const Octets& token :
       {right, testing::with32(right, testing::kNegoExHeaderLength, 0),
        testing::with32(right, testing::kNegoExMessageLength, 0xffffffff),
        testing::with16(right, testing::kNegoExtensions + 4, 0xffff), Octets(40, 0xff), Octets{}}) {
    const auth::AcceptReply first =
        offer_init({.mechs = kWindowsPreferringNegoEx, .mech_token = token});
    EXPECT_EQ(first.verdict.status, Status::kContinue);
    EXPECT_EQ(mint::read_neg_token_resp(door.reply).supported_mech, Mechanism::kMsKerberos);
    EXPECT_TRUE(door.end(first.context));
  }
}

TEST_F(Negotiate, RefusesAClientOfNegoExAlone) {
  door.error_tokens = true;
  const auth::AcceptReply result =
      offer_init({.mechs = {Mechanism::kNegoEx}, .mech_token = testing::negoex_client_token()});
  EXPECT_EQ(result.verdict.status, Status::kNoCommonMechanism);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kReject);
  EXPECT_FALSE(resp.response_token);
  EXPECT_EQ(door.pool.live(), 0u);
  // Outside SPNEGO it is no token at all.
  EXPECT_EQ(door.offer(testing::negoex_client_token()).verdict.status, Status::kNotAToken);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Negotiate, ChecksTheMicOfANegTokenInit2) {
  // MS-SPNG 2.2.1: after hints the mechListMIC has tag 4. A client that does not ask for mutual
  // authentication knows the key that makes it beforehand.
  for (const bool right : {true, false}) {
    mint::AuthenticatorFields fields = door.authenticator_fields();
    fields.ap_options = 0;
    fields.context_flags = std::uint32_t(gss::ContextFlags::kIntegrity);
    ticket = door.client.ticket(door.services[0], door.ticket_fields());
    request = door.client.ap_req(ticket, fields);
    Octets mic = door.client.write_mech_list_mic(ticket, request, {},
                                                 mint::mech_type_list({Mechanism::kKerberos}));
    mic.back() ^= right ? 0 : 1;
    EXPECT_EQ(offer_init({.mech_token = mint::gss_token(request.message),
                          .mech_list_mic = mic,
                          .neg_hints = true})
                  .verdict.status,
              right ? Status::kEstablished : Status::kMechListMicWrong);
  }
}

TEST_F(Negotiate, SendsARejectTokenOnlyWhenAskedTo) {
  const Octets token = mint::optimistic({Mechanism::kKerberos}, Octets{1, 2, 3});
  EXPECT_EQ(door.offer(token).verdict.status, Status::kMalformedGss);
  EXPECT_TRUE(door.reply.empty());
  door.error_tokens = true;
  EXPECT_EQ(door.offer(token).verdict.status, Status::kMalformedGss);
  EXPECT_EQ(mint::read_neg_token_resp(door.reply).state, NegState::kReject);
}

// A reselection: NegoEx first, so the optimistic token is not for us and the list must be signed.
class Reselected : public Negotiate {
 protected:
  void SetUp() override {
    const auth::AcceptReply first = offer_init(
        {.mechs = {Mechanism::kNegoEx, Mechanism::kKerberos}, .mech_token = Octets{1, 2, 3}});
    ASSERT_EQ(first.verdict.status, Status::kContinue);
    EXPECT_EQ(mint::read_neg_token_resp(door.reply).state, NegState::kRequestMic);
    context = first.context;
  }
  // The client's AP-REQ, answered by AP-REP and the server's MIC; the client's is owed.
  void send_ap_req() {
    const auth::AcceptReply second = offer_resp({.response_token = ap_req()}, context);
    ASSERT_EQ(second.verdict.status, Status::kContinue);
    const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
    EXPECT_EQ(resp.state, NegState::kAcceptIncomplete);
    answer = door.client.check_ap_rep(ticket, request, *resp.response_token);
    ASSERT_EQ(answer.error, "");
    EXPECT_TRUE(
        door.client.check_mech_list_mic(ticket, request, answer, types, *resp.mech_list_mic));
  }
  Octets client_mic() { return door.client.write_mech_list_mic(ticket, request, answer, types); }

  ContextHandle context;
  mint::KerberosMint::Answer answer;
  Octets types = mint::mech_type_list({Mechanism::kNegoEx, Mechanism::kKerberos});
};

TEST_F(Reselected, CompletesWithBothMics) {
  send_ap_req();
  EXPECT_EQ(
      offer_resp({.state = NegState::kAcceptCompleted, .mech_list_mic = client_mic()}, context)
          .verdict.status,
      Status::kEstablished);
  EXPECT_TRUE(door.reply.empty()) << "the client is done already";
  EXPECT_EQ(door.client_of(context), "alice@EXAMPLE.TEST");
}

TEST_F(Reselected, RefusesAWrongMic) {
  send_ap_req();
  Octets mic = client_mic();
  mic.back() ^= 1;
  EXPECT_EQ(offer_resp({.mech_list_mic = mic}, context).verdict.status, Status::kMechListMicWrong);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Reselected, RefusesAMicOverAnotherList) {
  send_ap_req();
  types = mint::mech_type_list({Mechanism::kKerberos});  // What the client really sent.
  EXPECT_EQ(offer_resp({.mech_list_mic = client_mic()}, context).verdict.status,
            Status::kMechListMicWrong);
}

TEST_F(Reselected, RefusesToFinishWithoutAMic) {
  send_ap_req();
  EXPECT_EQ(offer_resp({.state = NegState::kAcceptCompleted}, context).verdict.status,
            Status::kMechListMicMissing);
}

TEST_F(Reselected, TakesWhatMitsClientRepeats) {
  // Its token after a reselection carries the request-mic it was sent (RFC 4178 4.2.2 gives that,
  // and supportedMech, to the target alone).
  ASSERT_EQ(offer_resp({.state = NegState::kRequestMic,
                        .supported_mech = Mechanism::kKerberos,
                        .response_token = ap_req()},
                       context)
                .verdict.status,
            Status::kContinue);
  answer = door.client.check_ap_rep(ticket, request,
                                    *mint::read_neg_token_resp(door.reply).response_token);
  EXPECT_EQ(offer_resp({.mech_list_mic = client_mic()}, context).verdict.status,
            Status::kEstablished);
}

// RFC 4178 5 (c): without mutual authentication the client sends the last mechanism token.
class ReselectedOneWay : public Reselected {
 protected:
  Octets last_token() {
    mint::AuthenticatorFields fields = door.authenticator_fields();
    fields.ap_options = 0;
    fields.context_flags = std::uint32_t(gss::ContextFlags::kIntegrity);
    ticket = door.client.ticket(door.services[0], door.ticket_fields());
    request = door.client.ap_req(ticket, fields);
    return mint::gss_token(request.message);
  }
};

TEST_F(ReselectedOneWay, TheMicComesWithTheLastToken) {
  const Octets token = last_token();
  ASSERT_EQ(
      offer_resp({.response_token = token, .mech_list_mic = client_mic()}, context).verdict.status,
      Status::kEstablished);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kAcceptCompleted);
  answer.seq_number = request.seq_number;  // RFC 4121 2: without an AP-REP both begin alike.
  EXPECT_TRUE(door.client.check_mech_list_mic(ticket, request, answer, types, *resp.mech_list_mic));
}

TEST_F(ReselectedOneWay, OrTheNegotiationEnds) {
  EXPECT_EQ(offer_resp({.response_token = last_token()}, context).verdict.status,
            Status::kMechListMicMissing);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Negotiate, ChecksAMicThatWasNotRequired) {
  const Octets types = mint::mech_type_list({Mechanism::kKerberos});
  const auto fields = [&](Octets mic) {
    return mint::NegTokenInitFields{.mech_token = ap_req(), .mech_list_mic = std::move(mic)};
  };
  EXPECT_EQ(offer_init(fields(Octets(28, 0))).verdict.status, Status::kMechListMicWrong);
  EXPECT_EQ(offer_init(fields(Octets{})).verdict.status, Status::kMechListMicWrong) << "B10";
  EXPECT_EQ(door.pool.live(), 0u);
}

// NTLM inside SPNEGO, with and without mechListMIC.
class NtlmInSpnego : public Negotiate {
 protected:
  auth::AcceptReply begin(const std::vector<Mechanism>& mechs) {
    types = mint::mech_type_list(mechs);
    const auth::AcceptReply first = door.offer(mint::optimistic(mechs, negotiate));
    state = *mint::read_neg_token_resp(door.reply).state;
    return first;
  }
  mint::Authenticated authenticate(const mint::AuthenticateFields& fields = {}) {
    return mint::ntlm_authenticate(*door.kit, negotiate,
                                   *mint::read_neg_token_resp(door.reply).response_token, fields);
  }

  Octets negotiate = mint::ntlm_negotiate({});
  Octets types;
  NegState state{};
};

TEST_F(NtlmInSpnego, CompletesWithMics) {
  const auth::AcceptReply first = begin({Mechanism::kNtlm});
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  EXPECT_EQ(state, NegState::kAcceptIncomplete);
  const mint::Authenticated client = authenticate();
  const auth::AcceptReply result =
      offer_resp({.response_token = client.message,
                  .mech_list_mic = mint::ntlm_mech_list_mic(*door.kit, client, types)},
                 first.context);
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kAcceptCompleted);
  EXPECT_TRUE(mint::check_ntlm_mech_list_mic(*door.kit, client, types, *resp.mech_list_mic));
}

TEST_F(NtlmInSpnego, RefusesAWrongMechListMic) {
  const auth::AcceptReply first = begin({Mechanism::kNtlm});
  const mint::Authenticated client = authenticate();
  Octets mic = mint::ntlm_mech_list_mic(*door.kit, client, types);
  mic[5] ^= 4;
  EXPECT_EQ(offer_resp({.response_token = client.message, .mech_list_mic = mic}, first.context)
                .verdict.status,
            Status::kMechListMicWrong);
}

TEST_F(NtlmInSpnego, ClientsWithoutAnyMicAreServed) {
  const auth::AcceptReply first = begin({Mechanism::kNtlm});
  const mint::Authenticated client = authenticate({.mic = false});
  EXPECT_EQ(offer_resp({.response_token = client.message}, first.context).verdict.status,
            Status::kEstablished)
      << "ntlm_auth's gss-spnego-client";
}

TEST_F(NtlmInSpnego, AClientThatSignsItsMessagesMustSignTheListToo) {
  const auth::AcceptReply first = begin({Mechanism::kNtlm});
  const mint::Authenticated client = authenticate();
  EXPECT_EQ(offer_resp({.response_token = client.message}, first.context).verdict.status,
            Status::kContinue)
      << "somebody may have taken Kerberos off the list";
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kAcceptIncomplete);
  EXPECT_TRUE(mint::check_ntlm_mech_list_mic(*door.kit, client, types, *resp.mech_list_mic));
  EXPECT_EQ(offer_resp({.state = NegState::kAcceptCompleted}, first.context).verdict.status,
            Status::kMechListMicMissing);
}

TEST_F(NtlmInSpnego, TheOwedMicMayComeLater) {
  const auth::AcceptReply first = begin({Mechanism::kNtlm});
  const mint::Authenticated client = authenticate();
  ASSERT_EQ(offer_resp({.response_token = client.message}, first.context).verdict.status,
            Status::kContinue);
  const Octets mic = mint::ntlm_mech_list_mic(*door.kit, client, types);
  EXPECT_EQ(offer_resp({.mech_list_mic = mic}, first.context).verdict.status, Status::kEstablished);
  EXPECT_EQ(mint::read_neg_token_resp(door.reply).state, NegState::kAcceptCompleted);
}

TEST_F(NtlmInSpnego, ADowngradeFromKerberosNeedsTheMic) {
  // The client prefers Kerberos; this server has no keytab and chooses NTLM. Whether the
  // AUTHENTICATE has a MIC of its own makes no difference.
  const std::vector<Mechanism> mechs = {Mechanism::kKerberos, Mechanism::kNtlm};
  const Octets right = mint::mech_type_list(mechs);
  struct Case {
    std::optional<Octets> list;
    Status expected;
  };
  for (const Case& c : {Case{right, Status::kEstablished},
                        Case{mint::mech_type_list({Mechanism::kNtlm}), Status::kMechListMicWrong},
                        Case{std::nullopt, Status::kMechListMicMissing}}) {
    for (const bool ntlm_mic : {true, false}) {
      Door no_kerberos(auth::Package::kNegotiate, false, true);
      const auth::AcceptReply first = no_kerberos.offer(mint::optimistic(mechs, ap_req()));
      ASSERT_EQ(first.verdict.status, Status::kContinue);
      const mint::ServerResp resp = mint::read_neg_token_resp(no_kerberos.reply);
      EXPECT_EQ(resp.state, NegState::kRequestMic);
      EXPECT_EQ(resp.supported_mech, Mechanism::kNtlm);
      const auth::AcceptReply second =
          no_kerberos.offer(mint::neg_token_resp({.response_token = negotiate}), first.context);
      ASSERT_EQ(second.verdict.status, Status::kContinue);
      const mint::Authenticated client = mint::ntlm_authenticate(
          *door.kit, negotiate, *mint::read_neg_token_resp(no_kerberos.reply).response_token,
          {.mic = ntlm_mic});
      mint::NegTokenRespFields last{.response_token = client.message};
      if (c.list) {
        last.mech_list_mic = mint::ntlm_mech_list_mic(*door.kit, client, *c.list);
      }
      EXPECT_EQ(no_kerberos.offer(mint::neg_token_resp(last), first.context).verdict.status,
                c.expected);
      EXPECT_EQ(no_kerberos.pool.live(), c.expected == Status::kEstablished ? 1u : 0u);
    }
  }
}

TEST_F(Negotiate, PackagesDecideAboutSpnego) {
  Door kerberos_only(auth::Package::kKerberos);
  EXPECT_EQ(kerberos_only.offer(mint::spnego_token(request.message)).verdict.status,
            Status::kMechanismNotAllowed);
  EXPECT_EQ(kerberos_only.offer(kerberos_only.kerberos_token()).verdict.status,
            Status::kEstablished);
}

TEST_F(Negotiate, SpnegoInSpnegoIsNoMechanism) {  // B16
  Octets token = ap_req();
  for (int depth = 1; depth <= 20; ++depth) {
    token = mint::optimistic({Mechanism::kKerberos}, token);
    const auth::AcceptReply result = door.offer(token);
    EXPECT_EQ(result.verdict.status, depth == 1 ? Status::kEstablished : Status::kUnexpectedToken);
    EXPECT_EQ(door.end(result.context), depth == 1);
  }
  EXPECT_EQ(offer_init({.mechs = {Mechanism::kSpnego}, .mech_token = token}).verdict.status,
            Status::kNoCommonMechanism);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Negotiate, OddFirstTokensAreNamed) {
  const auto status = [&](const Octets& token) { return door.offer(token).verdict.status; };
  EXPECT_EQ(status(Octets(100, 0)), Status::kNotAToken);
  EXPECT_EQ(status(Octets(kTokenSizeMax + 1, 0x60)), Status::kTokenTooLong);
  EXPECT_EQ(status(mint::neg_token_resp({.state = NegState::kAcceptCompleted})),
            Status::kUnexpectedToken);
  (void)ap_req();
  EXPECT_EQ(status(request.message), Status::kDceStyle) << "a bare AP-REQ";
  EXPECT_EQ(status(mint::gss_token(request.message, gss::KerberosTokenId::kApRep)),
            Status::kUnexpectedToken);
  EXPECT_EQ(door.pool.live(), 0u);
}

// The client that says nothing first, and what it is told.
class Hint : public Negotiate {
 protected:
  // offered reads the hint in `reply`.
  static std::vector<Mechanism> offered(const Octets& reply) {
    const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(reply);
    EXPECT_EQ(gss::kind_of(reply), gss::TokenKind::kGssInitial);
    EXPECT_FALSE(init->has_mech_token || init->has_mech_list_mic);
    EXPECT_TRUE(init->has_neg_hints);
    EXPECT_EQ(std::string(init->hint_name.begin(), init->hint_name.end()),
              "not_defined_in_RFC4178@please_ignore");
    EXPECT_TRUE(init->hint_address.empty());
    std::vector<Mechanism> mechanisms;
    spnego::each_mechanism(init->mech_oids, [&](Mechanism mechanism, Bytes, bool) {
      mechanisms.push_back(mechanism);
    });
    return mechanisms;
  }
  ContextHandle ask() {
    const auth::AcceptReply result = door.offer(Octets{});
    EXPECT_EQ(result.verdict.status, Status::kContinue);
    return result.context;
  }
};

TEST_F(Hint, ListsWhatTheCredentialServes) {
  using enum Mechanism;
  struct Case {
    bool kerberos, ntlm;
    std::vector<Mechanism> expected;
  };
  for (const Case& c : {Case{true, true, {kMsKerberos, kKerberos, kNtlm}},
                        Case{true, false, {kMsKerberos, kKerberos}}, Case{false, true, {kNtlm}}}) {
    Door its_door(auth::Package::kNegotiate, c.kerberos, c.ntlm);
    EXPECT_EQ(its_door.offer(Octets{}).verdict.status, Status::kContinue);
    EXPECT_EQ(offered(its_door.reply), c.expected);
  }
  door.credential.allow_ntlm = false;
  EXPECT_TRUE(door.end(ask()));
  EXPECT_EQ(offered(door.reply), (std::vector<Mechanism>{kMsKerberos, kKerberos}));
  door.credential.allow_kerberos = false;
  EXPECT_EQ(door.offer(Octets{}).verdict.status, Status::kMechanismNotAllowed);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Hint, IsFollowedByAFirstToken) {
  ContextHandle context = ask();
  const Octets mechs = mint::optimistic({Mechanism::kMsKerberos, Mechanism::kNtlm}, ap_req());
  ASSERT_EQ(door.offer(mechs, context).verdict.status, Status::kEstablished);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kAcceptCompleted);
  EXPECT_EQ(resp.supported_mech, Mechanism::kMsKerberos) << "the first NegTokenResp has it";
  EXPECT_TRUE(door.end(context));

  context = ask();
  EXPECT_EQ(door.offer(ap_req(), context).verdict.status, Status::kEstablished) << "bare, too";
  EXPECT_EQ(door.client.check_ap_rep(ticket, request, door.reply).error, "");
  EXPECT_TRUE(door.end(context));

  context = ask();
  const Octets negotiate = mint::ntlm_negotiate({});
  ASSERT_EQ(door.offer(mint::optimistic({Mechanism::kNtlm}, negotiate), context).verdict.status,
            Status::kContinue);
  const mint::ServerResp challenge = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(challenge.supported_mech, Mechanism::kNtlm);
  const mint::Authenticated client =
      mint::ntlm_authenticate(*door.kit, negotiate, *challenge.response_token, {});
  const Octets mic =
      mint::ntlm_mech_list_mic(*door.kit, client, mint::mech_type_list({Mechanism::kNtlm}));
  EXPECT_EQ(
      offer_resp({.response_token = client.message, .mech_list_mic = mic}, context).verdict.status,
      Status::kEstablished)
      << "the list is the client's, not the hint's";
  EXPECT_EQ(mint::read_neg_token_resp(door.reply).supported_mech, Mechanism::kUnknown);
}

TEST_F(Hint, IsFollowedByAReselectionToo) {
  const ContextHandle context = ask();
  const Octets first = mint::neg_token_init(
      {.mechs = {Mechanism::kNegoEx, Mechanism::kKerberos}, .mech_token = Octets{1, 2, 3}});
  EXPECT_EQ(door.offer(first, context).verdict.status, Status::kContinue);
  const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
  EXPECT_EQ(resp.state, NegState::kRequestMic);
  EXPECT_EQ(resp.supported_mech, Mechanism::kKerberos);
  EXPECT_EQ(offer_resp({.response_token = ap_req()}, context).verdict.status, Status::kContinue);
  EXPECT_EQ(mint::read_neg_token_resp(door.reply).supported_mech, Mechanism::kUnknown);
}

TEST_F(Hint, IsGivenOnceAndBySpnegoOnly) {
  EXPECT_EQ(door.offer(Octets{}, ask()).verdict.status, Status::kEmptyToken);
  EXPECT_EQ(door.pool.live(), 0u);
  for (const auth::Package package : {auth::Package::kKerberos, auth::Package::kNtlm}) {
    Door its_door(package);
    EXPECT_EQ(its_door.offer(Octets{}).verdict.status, Status::kEmptyToken);
    EXPECT_EQ(its_door.pool.live(), 0u);
  }
  const auth::AcceptReply first = offer_init({.mechs = {Mechanism::kKerberos}});
  EXPECT_EQ(door.offer(Octets{}, first.context).verdict.status, Status::kEmptyToken);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Hint, ThatHasNoRoomLeavesNothing) {
  EXPECT_TRUE(door.end(ask()));
  const std::size_t size = door.reply.size();
  door.reply_capacity = size - 1;
  EXPECT_EQ(door.offer(Octets{}).verdict.status, Status::kReplyTooLong);
  EXPECT_EQ(door.pool.live(), 0u);
  door.reply_capacity = size;
  EXPECT_EQ(door.offer(Octets{}).verdict.status, Status::kContinue);
}

TEST_F(Hint, MakesNothingOfAResponseOrJunk) {
  door.error_tokens = true;
  EXPECT_EQ(offer_resp({.response_token = ap_req()}, ask()).verdict.status,
            Status::kUnexpectedToken);
  EXPECT_EQ(door.offer(Octets{1, 2, 3}, ask()).verdict.status, Status::kNotAToken);
  EXPECT_EQ(offer_init({.mechs = {Mechanism::kIakerb}}).verdict.status, Status::kNoCommonMechanism);
  EXPECT_EQ(mint::read_neg_token_resp(door.reply).state, NegState::kReject);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Negotiate, APeersRejectEndsTheExchange) {
  const auth::AcceptReply first = offer_init({.mechs = {Mechanism::kKerberos}});
  EXPECT_EQ(offer_resp({.state = NegState::kReject}, first.context).verdict.status,
            Status::kPeerRejected);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(Negotiate, ForgedHandlesReachNobody) {
  const auth::AcceptReply first = offer_init({.mechs = {Mechanism::kKerberos}});
  const Octets next = mint::neg_token_resp({.response_token = ap_req()});
  for (const ContextHandle forged :
       {ContextHandle{first.context.index, first.context.generation + 1},
        ContextHandle{first.context.index, 0}, ContextHandle{SlotIndex(99), 1},
        ContextHandle{SlotIndex::kNone, 1}}) {
    EXPECT_EQ(door.offer(next, forged).verdict.status, Status::kStaleHandle);
  }
  EXPECT_EQ(door.offer(next, first.context).verdict.status, Status::kEstablished);
}

TEST_F(Negotiate, AContextInUseElsewhereIsBusy) {
  const auth::AcceptReply first = offer_init({.mechs = {Mechanism::kKerberos}});
  const Octets next = mint::neg_token_resp({.response_token = ap_req()});
  {
    const Pinned<auth::Context> elsewhere = door.look(first.context);
    EXPECT_EQ(door.offer(next, first.context).verdict.status, Status::kContextBusy);
  }
  EXPECT_EQ(door.offer(next, first.context).verdict.status, Status::kEstablished);
}

}  // namespace
}  // namespace usher
