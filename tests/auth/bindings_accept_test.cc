// Promise: both mechanisms bring the client's channel bindings to the same judge, once they have
// been proven to be the client's, and every leg tells what came of it.
#include "tests/auth/door.h"

namespace usher {
namespace {

using auth::BindingDemand;
using auth::BindingPolicy;
using auth::BindingResult;
using auth::ChannelBindings;
using gss::Mechanism;
using mint::Octets;
using testing::Door;

// Sent is what a client sends.
struct Sent {
  Octets hash{};             // Empty: no MsvAvChannelBindings, or no checksum at all.
  bool enlightened = false;  // Kerberos: KERB_AP_OPTIONS_CBT.
};

class BindingsAccept : public ::testing::TestWithParam<Mechanism> {
 protected:
  BindingsAccept() {
    const Octets data = mint::octets_of(std::string_view("tls-server-end-point:hash"));
    EXPECT_TRUE(auth::make_bindings(*door.desk, {.application_data = data}, ours));
    right.assign(ours.hash.begin(), ours.hash.end());
    wrong = right;
    wrong[7] ^= 1;
  }

  // sign_on runs a whole exchange with `ours` unless told otherwise.
  auth::AcceptReply sign_on(const Sent& sent, const BindingDemand& demand = {},
                            bool with_ours = true) {
    const auth::AcceptRequest request{.bindings = with_ours ? ours : ChannelBindings{},
                                      .binding_demand = demand};
    return GetParam() == Mechanism::kNtlm ? by_ntlm(sent, request) : by_kerberos(sent, request);
  }

  auth::AcceptReply by_kerberos(const Sent& sent, auth::AcceptRequest request) {
    mint::AuthenticatorFields fields = door.authenticator_fields();
    fields.checksum_absent = sent.hash.empty();
    std::ranges::copy(sent.hash, fields.bindings.begin());
    if (sent.enlightened) {
      fields.authorization_data = mint::authorization_data(143, Octets{0x00, 0x40, 0, 0});
    }
    const mint::Ticket ticket = door.client.ticket(door.services[0], door.ticket_fields());
    const Octets token = mint::gss_token(door.client.ap_req(ticket, fields).message);
    request.token = token;
    return door.offer(request);
  }

  auth::AcceptReply by_ntlm(const Sent& sent, auth::AcceptRequest request) {
    const Octets negotiate = mint::ntlm_negotiate({});
    request.token = negotiate;
    const auth::AcceptReply first = door.offer(request);
    EXPECT_EQ(first.verdict.status, Status::kContinue);
    EXPECT_EQ(first.bindings, BindingResult::kUnchecked) << "nothing has been proven yet";
    client.channel_bindings = sent.hash;
    const Octets answer = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, client).message;
    request.token = answer;
    request.context = first.context;
    return door.offer(request);
  }

  // expect checks status and result, and ends what was established.
  void expect(const auth::AcceptReply& reply, Status status, BindingResult result) {
    EXPECT_EQ(reply.verdict.status, status);
    EXPECT_EQ(reply.bindings, result);
    if (status == Status::kEstablished) {
      EXPECT_TRUE(door.end(reply.context));
    }
    EXPECT_EQ(door.pool.live(), 0u);
  }

  Door door;
  ChannelBindings ours;
  Octets right, wrong;
  const Octets zeros = Octets(16, 0);
  mint::AuthenticateFields client;
};

TEST_P(BindingsAccept, TakesTheRightOnesAndNoOther) {
  expect(sign_on({.hash = right}), Status::kEstablished, BindingResult::kMatched);
  expect(sign_on({.hash = wrong}), Status::kBindingsWrong, BindingResult::kMismatched);
  expect(sign_on({.hash = wrong}, {.allow_missing = true}), Status::kBindingsWrong,
         BindingResult::kMismatched);
  expect(sign_on({.hash = wrong}, {.audit = true}), Status::kEstablished,
         BindingResult::kMismatched);
}

TEST_P(BindingsAccept, NoneAreEnoughOnlyWhereTheyMayBeMissing) {
  expect(sign_on({}), Status::kBindingsMissing, BindingResult::kAbsent);
  expect(sign_on({}, {.allow_missing = true}), Status::kEstablished, BindingResult::kAbsentAllowed);
  door.credential.policy.bindings = BindingPolicy::kAlways;
  expect(sign_on({}, {.allow_missing = true}), Status::kBindingsMissing, BindingResult::kAbsent);
  expect(sign_on({.hash = right}), Status::kEstablished, BindingResult::kMatched);
}

TEST_P(BindingsAccept, AreNotLookedAtWithoutACallersOrByPolicy) {
  expect(sign_on({.hash = wrong}, {}, false), Status::kEstablished, BindingResult::kUnchecked);
  door.credential.policy.bindings = BindingPolicy::kAlways;
  expect(sign_on({.hash = right}, {}, false), Status::kBindingsUnknown, BindingResult::kUnchecked);
  door.credential.policy.bindings = BindingPolicy::kNever;
  expect(sign_on({.hash = wrong}), Status::kEstablished, BindingResult::kUnchecked);
}

TEST_P(BindingsAccept, BehindAProxyAnyWillDo) {
  expect(sign_on({.hash = wrong}, {.proxy = true}, false), Status::kEstablished,
         BindingResult::kProxied);
  expect(sign_on({}, {.proxy = true}, false), Status::kBindingsMissing, BindingResult::kAbsent);
  expect(sign_on({}, {.allow_missing = true, .proxy = true}, false), Status::kEstablished,
         BindingResult::kAbsentAllowed);
}

TEST_P(BindingsAccept, ZerosOfAClientThatKnowsBetterAreWrong) {
  // An NTLM client that sends the pair at all knows of bindings; Kerberos has an option for it.
  for (const bool allow_missing : {false, true}) {
    expect(sign_on({.hash = zeros, .enlightened = true}, {.allow_missing = allow_missing}),
           Status::kBindingsWrong, BindingResult::kAbsent);
  }
  EXPECT_TRUE(sign_on({.hash = zeros, .enlightened = true}).client_supports_bindings);
  EXPECT_FALSE(sign_on({}).client_supports_bindings);
  EXPECT_EQ(door.pool.live(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Mechanisms, BindingsAccept,
                         ::testing::Values(Mechanism::kKerberos, Mechanism::kNtlm),
                         [](const auto& param_info) {
                           return std::string(gss::name_of(param_info.param));
                         });

using BindingsOfKerberos = BindingsAccept;

TEST_P(BindingsOfKerberos, ZerosOfAnyOtherAreNoneUnlessPolicySaysTheyAreWrong) {
  expect(sign_on({.hash = zeros}, {.allow_missing = true}), Status::kEstablished,
         BindingResult::kAbsentAllowed);
  expect(sign_on({.hash = zeros}), Status::kBindingsMissing, BindingResult::kAbsent);
  door.credential.policy.zero_bindings_present = true;
  expect(sign_on({.hash = zeros}, {.allow_missing = true}), Status::kBindingsWrong,
         BindingResult::kMismatched);
}

INSTANTIATE_TEST_SUITE_P(Mechanisms, BindingsOfKerberos, ::testing::Values(Mechanism::kKerberos));

using BindingsOfNtlm = BindingsAccept;

TEST_P(BindingsOfNtlm, AreLookedAtAfterProofAndMic) {
  client.password = u"guess";
  expect(sign_on({.hash = wrong}), Status::kNtlmProof, BindingResult::kUnchecked);
  expect(sign_on({.hash = right}), Status::kNtlmProof, BindingResult::kUnchecked);
  client.password = mint::AuthenticateFields{}.password;
  expect(sign_on({.hash = right}), Status::kEstablished, BindingResult::kMatched);
}

TEST_P(BindingsOfNtlm, AreThoseOfTheAuthenticateAndToldOnTheLegsAfterIt) {
  const Octets negotiate = mint::ntlm_negotiate({});
  const Octets first_token = mint::optimistic({Mechanism::kNtlm}, negotiate);
  const auth::AcceptReply first = door.offer(auth::AcceptRequest{.token = first_token});
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  client.channel_bindings = right;
  const mint::Authenticated answer = mint::ntlm_authenticate(
      *door.kit, negotiate, *mint::read_neg_token_resp(door.reply).response_token, client);
  const Octets second_token = mint::neg_token_resp({.response_token = answer.message});
  const auth::AcceptReply second = door.offer(
      auth::AcceptRequest{.context = first.context, .token = second_token, .bindings = ours});
  ASSERT_EQ(second.verdict.status, Status::kContinue) << "the mechListMIC is owed";
  EXPECT_EQ(second.bindings, BindingResult::kMatched);
  const Octets third_token =
      mint::neg_token_resp({.mech_list_mic = mint::ntlm_mech_list_mic(
                                *door.kit, answer, mint::mech_type_list({Mechanism::kNtlm}))});
  const auth::AcceptReply third =
      door.offer(auth::AcceptRequest{.context = first.context, .token = third_token});
  EXPECT_TRUE(third.client_supports_bindings);
  expect(third, Status::kEstablished, BindingResult::kMatched);
}

INSTANTIATE_TEST_SUITE_P(Mechanisms, BindingsOfNtlm, ::testing::Values(Mechanism::kNtlm));

TEST(BindingsAcceptContext, ForgetsThemWithItsTenant) {
  auth::Context context{};
  context.bindings = BindingResult::kMatched;
  context.client_supports_bindings = true;
  context.wipe();
  EXPECT_EQ(context.bindings, BindingResult::kUnchecked);
  EXPECT_FALSE(context.client_supports_bindings);
}

}  // namespace
}  // namespace usher
