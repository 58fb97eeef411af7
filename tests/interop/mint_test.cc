// The mint's tokens are what real clients would send: MIT's acceptor, reading the minted keytab,
// signs on the right ones and refuses the wrong ones; NTLM responses match MS-NLMP 4.2.
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <string>

#include "tests/hex.h"
#include "tools/mint/dce_mint.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/mit_acceptor.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::mint {
namespace {

using testing::hex;

class MintTest : public ::testing::TestWithParam<std::int32_t> {
 protected:
  TicketFields ticket_now() const {
    return {.auth_time = now_, .end_time = now_ + 3600, .session_etype = etype_};
  }
  AuthenticatorFields authenticator_now() const {
    AuthenticatorFields fields;
    fields.ctime = now_;
    fields.cusec = 1234;
    fields.seq_number = 0x12345678;
    return fields;
  }

  std::int32_t etype_ = GetParam();
  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  SeededRandom random_{7};
  KerberosMint mint_{*kit_, random_};
  Service service_ = make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST", etype_, 3);
  MitAcceptor mit_{keytab_image(std::span(&service_, 1))};
  std::int64_t now_ = std::time(nullptr);
};

TEST_P(MintTest, MitSignsOnARawKerberosToken) {
  const Ticket ticket = mint_.ticket(service_, ticket_now());
  const ApReq request = mint_.ap_req(ticket, authenticator_now());
  const MitAcceptor::Reply reply = mit_.accept(gss_token(request.message));
  ASSERT_TRUE(reply.established) << reply.error;
  EXPECT_EQ(reply.client, "alice@EXAMPLE.TEST");
  EXPECT_NE(reply.flags & GSS_C_MUTUAL_FLAG, 0u);

  const KerberosMint::Answer answer = mint_.check_ap_rep(ticket, request, reply.token);
  EXPECT_EQ(answer.error, "");
  EXPECT_TRUE(answer.seq_number.has_value());
}

TEST_P(MintTest, BothSidesAgreeOnTheKeyOfMessages) {
  const Ticket ticket = mint_.ticket(service_, ticket_now());
  AuthenticatorFields fields = authenticator_now();
  fields.subkey_etype = etype_;
  const ApReq request = mint_.ap_req(ticket, fields);
  const MitAcceptor::Reply reply = mit_.accept(gss_token(request.message));
  ASSERT_TRUE(reply.established) << reply.error;
  const KerberosMint::Answer answer = mint_.check_ap_rep(ticket, request, reply.token);
  ASSERT_EQ(answer.error, "");

  const Octets message = octets_of("a list of mechanisms");
  const Octets mic = mint_.write_mech_list_mic(ticket, request, answer, message);
  EXPECT_TRUE(mit_.verify_mic(message, mic));
  EXPECT_FALSE(mit_.verify_mic(octets_of("another list"), mic));
  EXPECT_TRUE(mint_.check_mech_list_mic(ticket, request, answer, message, mit_.get_mic(message)));
}

TEST_P(MintTest, MitSignsOnASpnegoToken) {
  const Ticket ticket = mint_.ticket(service_, ticket_now());
  const ApReq request = mint_.ap_req(ticket, authenticator_now());
  const MitAcceptor::Reply reply = mit_.accept(spnego_token(request.message));
  ASSERT_TRUE(reply.established) << reply.error;
  const ServerResp resp = read_neg_token_resp(reply.token);
  EXPECT_EQ(resp.state, spnego::NegState::kAcceptCompleted);
  ASSERT_TRUE(resp.response_token.has_value());
  EXPECT_EQ(mint_.check_ap_rep(ticket, request, *resp.response_token).error, "");
}

TEST_P(MintTest, MitTakesTheMechListMicOfAClientWhoseFavouriteIsNotKerberos) {
  const Ticket ticket = mint_.ticket(service_, ticket_now());
  const ApReq request = mint_.ap_req(ticket, authenticator_now());
  const std::vector<gss::Mechanism> mechs = {gss::Mechanism::kNtlm, gss::Mechanism::kKerberos};
  NegTokenInitFields init;
  init.mechs = mechs;
  const MitAcceptor::Reply first = mit_.accept(neg_token_init(init));
  ASSERT_TRUE(first.continue_needed) << first.error;
  EXPECT_EQ(read_neg_token_resp(first.token).supported_mech, gss::Mechanism::kKerberos);

  NegTokenRespFields second;
  second.response_token = gss_token(request.message);
  const MitAcceptor::Reply reply = mit_.accept(neg_token_resp(second));
  ASSERT_TRUE(reply.continue_needed) << reply.error;
  const ServerResp resp = read_neg_token_resp(reply.token);
  ASSERT_TRUE(resp.response_token && resp.mech_list_mic);
  const KerberosMint::Answer answer = mint_.check_ap_rep(ticket, request, *resp.response_token);
  ASSERT_EQ(answer.error, "");
  EXPECT_TRUE(mint_.check_mech_list_mic(ticket, request, answer, mech_type_list(mechs),
                                        *resp.mech_list_mic));

  NegTokenRespFields third;
  third.mech_list_mic = mint_.write_mech_list_mic(ticket, request, answer, mech_type_list(mechs));
  const MitAcceptor::Reply last = mit_.accept(neg_token_resp(third));
  EXPECT_TRUE(last.established) << last.error;
}

TEST_P(MintTest, MitTakesTheThirdLegOfDceStyle) {
  for (const bool spnego : {false, true}) {
    const Ticket ticket = mint_.ticket(service_, ticket_now());
    AuthenticatorFields fields = authenticator_now();
    fields.context_flags = kContextFlagsDce;
    const ApReq request = mint_.ap_req(ticket, fields);
    const std::vector<gss::Mechanism> mechs = {gss::Mechanism::kKerberos};
    const MitAcceptor::Reply first =
        mit_.accept(spnego ? optimistic(mechs, request.message) : request.message);
    ASSERT_TRUE(first.continue_needed) << first.error;
    const KerberosMint::Answer answer = mint_.check_ap_rep(
        ticket, request, spnego ? *read_neg_token_resp(first.token).response_token : first.token);
    ASSERT_EQ(answer.error, "");
    const Octets leg = third_leg_to(mint_, ticket, request, answer);
    const MitAcceptor::Reply last =
        mit_.accept(spnego ? neg_token_resp({.response_token = leg}) : leg);
    EXPECT_TRUE(last.established) << last.error;
    EXPECT_NE(last.flags & std::uint32_t(gss::ContextFlags::kDceStyle), 0u);
    const Octets message = octets_of("a list of mechanisms");
    EXPECT_TRUE(
        mit_.verify_mic(message, mint_.write_mech_list_mic(ticket, request, answer, message)));
    mit_.forget();
  }
}

TEST_P(MintTest, MitRefusesAnotherThirdLeg) {
  const Ticket ticket = mint_.ticket(service_, ticket_now());
  AuthenticatorFields fields = authenticator_now();
  fields.context_flags = kContextFlagsDce;
  const ApReq request = mint_.ap_req(ticket, fields);
  const MitAcceptor::Reply first = mit_.accept(request.message);
  ASSERT_TRUE(first.continue_needed) << first.error;
  KerberosMint::Answer answer = mint_.check_ap_rep(ticket, request, first.token);
  answer.seq_number = *answer.seq_number + 1;
  EXPECT_FALSE(mit_.accept(third_leg_to(mint_, ticket, request, answer)).established);
}

TEST_P(MintTest, MitSkipsAuthorizationDataItDoesNotKnow) {
  TicketFields fields = ticket_now();
  fields.authorization_data = authorization_data(9999, Octets(120));
  const Ticket ticket = mint_.ticket(service_, fields);
  const MitAcceptor::Reply reply =
      mit_.accept(spnego_token(mint_.ap_req(ticket, authenticator_now()).message));
  EXPECT_TRUE(reply.established) << reply.error;
}

// Every one of these is the first test's token with one thing wrong. (The service's name is not
// among them: MIT tries its keys whatever name the ticket carries.)
struct WrongCase {
  const char* name;
  std::function<void(TicketFields&, AuthenticatorFields&)> spoil;
};

Octets other_key(std::int32_t etype) { return Octets(crypto::profile_of(etype)->key_size); }

const WrongCase kWrong[] = {
    {"TicketKey",
     [](auto& ticket, auto&) { ticket.sealing.key = other_key(ticket.session_etype); }},
    {"SessionKey",
     [](auto& ticket, auto& part) { part.sealing.key = other_key(ticket.session_etype); }},
    {"Expired", [](auto& ticket, auto&) { ticket.end_time -= 4000; }},
    {"NotYetValid", [](auto& ticket, auto&) { ticket.start_time = ticket.auth_time + 3000; }},
    {"InvalidFlag", [](auto& ticket, auto&) { ticket.flags |= krb5::kTicketFlagInvalid; }},
    {"OtherClient", [](auto&, auto& part) { part.client = Principal::of("bob@EXAMPLE.TEST"); }},
    {"Skew", [](auto&, auto& part) { part.ctime -= 1000; }},
    {"ChecksumType", [](auto&, auto& part) { part.checksum_type = 7; }},
    {"ChecksumCut", [](auto&, auto& part) { part.checksum = Octets(23); }},
    {"TicketEtypeLabel", [](auto& ticket, auto&) { ticket.sealing.etype = 25; }},
    {"TicketCut", [](auto& ticket, auto&) { ticket.sealing.cipher = Octets(27); }},
    {"AuthenticatorNotDer", [](auto&, auto& part) { part.sealing.plain = Octets(60); }},
};

TEST_P(MintTest, MitRefusesEachWrongToken) {
  for (const WrongCase& wrong : kWrong) {
    TicketFields ticket_fields = ticket_now();
    AuthenticatorFields part = authenticator_now();
    wrong.spoil(ticket_fields, part);
    const Ticket ticket = mint_.ticket(service_, ticket_fields);
    const MitAcceptor::Reply reply = mit_.accept(gss_token(mint_.ap_req(ticket, part).message));
    EXPECT_FALSE(reply.established) << wrong.name;
    EXPECT_NE(reply.error, "") << wrong.name;
    mit_.forget();
  }
}

TEST_P(MintTest, TheSameSeedGivesTheSameToken) {
  const auto token = [&](std::uint64_t seed) {
    SeededRandom random(seed);
    const KerberosMint mint(*kit_, random);
    return mint.ap_req(mint.ticket(service_, ticket_now()), authenticator_now()).message;
  };
  EXPECT_EQ(token(1), token(1));
  EXPECT_NE(token(1), token(2));
}

TEST_P(MintTest, TheRingHoldsTheKeyThatTheKeytabHolds) {
  const std::unique_ptr<const crypto::KeyRing> ring = make_ring(*kit_, std::span(&service_, 1));
  ASSERT_NE(ring, nullptr);
  const Octets realm = octets_of("EXAMPLE.TEST");
  const auto found = ring->find(realm, name_components(service_.name), etype_, true, 3);
  ASSERT_NE(found.key, nullptr);
  EXPECT_EQ(found.key->kvno, 3u);
  const Octets other = name_components(Principal::of("HTTP/other"));
  EXPECT_FALSE(ring->find(realm, other, etype_, true, 3).principal);
}

INSTANTIATE_TEST_SUITE_P(Etypes, MintTest, ::testing::Values(17, 18, 19, 20, 23),
                         [](const auto& etype) { return "Etype" + std::to_string(etype.param); });

// The names, times and keys of MS-NLMP 4.2.1.
class NtlmMintTest : public ::testing::Test {
 protected:
  NtlmMintTest() {
    fields_.user = u"User";
    fields_.domain = u"Domain";
    fields_.workstation = u"COMPUTER";
    fields_.password = u"Password";
    fields_.time = 0;
    fields_.mic = false;
    fields_.lmv2 = true;
  }

  Octets challenge(ntlm::NegotiateFlags flags, Bytes target_info) const {
    const Octets server_challenge = hex("0123456789abcdef");
    Octets out(512);
    out.resize(ntlm::write_challenge({.flags = flags,
                                      .target_name = {},
                                      .server_challenge = server_challenge,
                                      .target_info = target_info},
                                     out));
    return out;
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  AuthenticateFields fields_;
};

TEST_F(NtlmMintTest, Ntlmv2MatchesTheSpecification) {  // MS-NLMP 4.2.4
  const Octets info =
      hex("0200 0c00 44006f006d00610069006e00 0100 0c00 530065007200760065007200 0000 0000");
  const Authenticated out = ntlm_authenticate(
      *kit_, ntlm_negotiate({}),
      challenge(kNtlmFlagsUsual | ntlm::NegotiateFlags::kTargetInfo, info), fields_);
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(out.message);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(octets_of(message->lm_response),
            hex("86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa"));
  EXPECT_EQ(octets_of(message->nt_response.first(16)), hex("68cd0ab851e51c96aabc927bebef6a1c"));
  EXPECT_EQ(octets_of(message->encrypted_session_key), hex("c5dad2544fc9799094ce1ce90bc9d03e"));
  EXPECT_EQ(out.exported_session_key, Octets(16, 0x55));
}

TEST_F(NtlmMintTest, Ntlmv1MatchesTheSpecification) {  // MS-NLMP 4.2.2
  fields_.response = NtlmResponse::kV1;
  const Authenticated out = ntlm_authenticate(
      *kit_, ntlm_negotiate({}), challenge(ntlm::NegotiateFlags::kUnicode, {}), fields_);
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(out.message);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(octets_of(message->nt_response),
            hex("67c43011f30298a2ad35ece64f16331c44bdbed927841f94"));
  EXPECT_EQ(out.exported_session_key, hex("d87262b0cde4b1cb7499becccdf10784"));
}

TEST_F(NtlmMintTest, Ntlmv1WithAClientChallengeMatchesTheSpecification) {  // MS-NLMP 4.2.3
  fields_.response = NtlmResponse::kV1Session;
  const Authenticated out = ntlm_authenticate(
      *kit_, ntlm_negotiate({}), challenge(ntlm::NegotiateFlags::kUnicode, {}), fields_);
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(out.message);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(octets_of(message->nt_response),
            hex("7537f803ae367128ca458204bde7caf81e97ed2683267232"));
}

TEST_F(NtlmMintTest, MessagesAreWellFormedInEveryForm) {
  for (const NegotiateForm form :
       {NegotiateForm::kFull, NegotiateForm::kWithoutVersion, NegotiateForm::kFlagsOnly}) {
    EXPECT_TRUE(ntlm::parse_negotiate(ntlm_negotiate({.form = form})).ok());
  }
  fields_.mic = true;
  fields_.channel_bindings = Octets(16, 1);
  fields_.target_name = u"HTTP/web";
  const Authenticated out = ntlm_authenticate(
      *kit_, ntlm_negotiate({}), challenge(kNtlmFlagsUsual, hex("0000 0000")), fields_);
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(out.message);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->mic.size(), ntlm::kMicSize);
  const Result<ntlm::Ntlmv2Response> response = ntlm::parse_ntlmv2_response(message->nt_response);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->pairs.flags, ntlm::kAvFlagMic);
  EXPECT_EQ(octets_of(response->pairs.channel_bindings), Octets(16, 1));
  EXPECT_FALSE(response->pairs.target_name.empty());
}

}  // namespace
}  // namespace usher::mint
