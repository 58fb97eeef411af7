// Promise: a client that the accounts do not know is let in on the authority's word alone, for the
// token that was asked about; whoever waits for that word holds nobody up.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/auth/accept_wait.h"
#include "engine/auth/authority.h"
#include "tests/auth/door.h"

namespace usher {
namespace {

using auth::AcceptReply;
using auth::AcceptRequest;
using auth::Inquiry;
using auth::NtlmAnswer;
using mint::AuthenticateFields;
using mint::NtlmResponse;
using mint::Octets;
using testing::Door;

constexpr std::size_t kInquiries = 2;

// HandAuthority answers when the test says so, or at once.
class HandAuthority final : public auth::Authority {
 public:
  explicit HandAuthority(std::int64_t deadline_us = 1'000'000)
      : Authority(kInquiries, deadline_us) {}

  void begin(Inquiry& inquiry) noexcept override {
    asked.push_back(&inquiry);
    if (at_once != nullptr) {
      answer(inquiry, at_once);
    }
  }
  void answer(Inquiry& inquiry, void (*fill)(NtlmAnswer&)) {
    fill(inquiry.answer);
    finish(inquiry);
  }

  std::vector<Inquiry*> asked;
  void (*at_once)(NtlmAnswer&) = nullptr;
};

struct CountingAsker final : auth::Asker {
  void answered(Inquiry&) noexcept override { ++count; }
  int count = 0;
};

Octets utf16(std::u16string_view text) {
  Octets out;
  for (const char16_t unit : text) {
    mint::append_le(out, static_cast<std::uint16_t>(unit));
  }
  return out;
}

Octets nt_hash(crypto::Kit& kit, std::u16string_view password) {
  Octets hash(16);
  EXPECT_TRUE(crypto::nt_hash_of(kit, utf16(password), hash));
  return hash;
}

// session_base_key is what a domain controller finds out: MS-NLMP 3.3.2.
Octets session_base_key(crypto::Kit& kit, const AuthenticateFields& who, Bytes message) {
  std::u16string upper = who.user;
  for (char16_t& unit : upper) {
    unit = unit >= u'a' && unit <= u'z' ? static_cast<char16_t>(unit - 32) : unit;
  }
  Octets response_key(16);
  const Octets account = utf16(upper + who.domain);
  const Bytes account_part[] = {account};
  EXPECT_TRUE(kit.hmac_md5(nt_hash(kit, who.password), account_part, response_key));
  Octets key(16);
  const Bytes proof[] = {ntlm::parse_authenticate(message)->nt_response.first(16)};
  EXPECT_TRUE(kit.hmac_md5(response_key, proof, key));
  return key;
}

void let_carol_in(NtlmAnswer& answer) {
  answer.status = Status::kEstablished;
  answer.user = "Carol";
  answer.domain = "DOMAIN";
}

class AuthorityAccept : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = std::make_unique<HandAuthority>();
    authority = made.get();
    door.credential.authority = std::move(made);
    who.user = u"carol";
    who.domain = u"domain";
    who.password = u"C4rol";
  }

  // ask sends both legs, the second of which is asked about.
  AcceptReply ask() {
    const AcceptReply first = door.offer(negotiate);
    EXPECT_EQ(first.verdict.status, Status::kContinue);
    authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
    return second(first.context);
  }
  AcceptReply second(ContextHandle context) {
    return door.offer(AcceptRequest{
        .context = context, .token = authenticated.message, .asker = &asker, .tag = 7});
  }
  AcceptReply resume(const AcceptReply& asked, Bytes token, const Inquiry* inquiry) {
    return door.offer(AcceptRequest{.context = asked.context,
                                    .token = token,
                                    .asker = &asker,
                                    .tag = 7,
                                    .resumed = true,
                                    .inquiry = inquiry});
  }
  // finish answers by hand and resumes.
  AcceptReply finish(const AcceptReply& asked) {
    authority->answer(*asked.inquiry, let_carol_in);
    const AcceptReply reply = resume(asked, authenticated.message, asked.inquiry);
    authority->close(*asked.inquiry);
    return reply;
  }
  void give_key(const AcceptReply& asked) const {
    asked.inquiry->answer.key_kind = NtlmAnswer::KeyKind::kSessionBase;
    asked.inquiry->answer.key.assign(session_base_key(*door.kit, who, authenticated.message));
  }
  void give_hash(const AcceptReply& asked, std::u16string_view password) const {
    asked.inquiry->answer.key_kind = NtlmAnswer::KeyKind::kNtHash;
    asked.inquiry->answer.key.assign(nt_hash(*door.kit, password));
  }
  bool nothing_is_left() const { return door.pool.live() == 0; }

  Door door;
  HandAuthority* authority = nullptr;
  CountingAsker asker;
  Octets negotiate = mint::ntlm_negotiate({});
  AuthenticateFields who;
  mint::Authenticated authenticated;
};

TEST_F(AuthorityAccept, IsAskedWhatTheClientSaidAndSaysNothingMeanwhile) {
  const AcceptReply asked = ask();
  ASSERT_EQ(asked.verdict.status, Status::kAsked);
  EXPECT_TRUE(succeeded(asked.verdict.status));
  EXPECT_EQ(asked.reply_size, 0u);
  ASSERT_EQ(authority->asked, std::vector<Inquiry*>{asked.inquiry});
  const auth::NtlmQuestion& question = asked.inquiry->question();
  EXPECT_EQ(question.kind, crypto::ProofKind::kV2);
  EXPECT_EQ(mint::octets_of(question.user), mint::octets_of("carol"));
  EXPECT_EQ(mint::octets_of(question.domain), mint::octets_of("domain"));
  EXPECT_EQ(mint::octets_of(question.workstation), mint::octets_of("CLIENT"));
  const auto message = *ntlm::parse_authenticate(authenticated.message);
  EXPECT_EQ(mint::octets_of(question.nt_response), mint::octets_of(message.nt_response));
  EXPECT_TRUE(question.lm_response.empty());
  EXPECT_EQ(asked.inquiry->tag(), 7u);
  EXPECT_EQ(asked.inquiry->context(), asked.context);
}

TEST_F(AuthorityAccept, LetsInWithTheKeyOfAResponseItFoundRight) {
  const AcceptReply asked = ask();
  give_key(asked);
  asked.inquiry->answer.pac = {1, 2, 3};
  const AcceptReply reply = finish(asked);
  ASSERT_EQ(reply.verdict.status, Status::kEstablished) << text_of(reply.verdict.status);
  EXPECT_EQ(asker.count, 1);
  EXPECT_EQ(door.client_of(reply.context), "DOMAIN\\Carol");
  const auto context = door.look(reply.context);
  EXPECT_EQ(mint::octets_of(context->key.bytes()), authenticated.exported_session_key);
  ASSERT_EQ(context->pac.size, 3u);
  Octets pac(3);
  door.store.read(context->pac, pac);
  EXPECT_EQ(pac, (Octets{1, 2, 3}));
  EXPECT_EQ(context->pac_signatures, 0);
}

TEST_F(AuthorityAccept, LetsInWithTheHashThatTheResponseIsMadeWith) {
  const AcceptReply asked = ask();
  give_hash(asked, u"C4rol");
  const AcceptReply reply = finish(asked);
  ASSERT_EQ(reply.verdict.status, Status::kEstablished) << text_of(reply.verdict.status);
  EXPECT_EQ(mint::octets_of(door.look(reply.context)->key.bytes()),
            authenticated.exported_session_key);
}

TEST_F(AuthorityAccept, RefusesAResponseMadeWithAnotherHash) {
  const AcceptReply asked = ask();
  give_hash(asked, u"guess");
  EXPECT_EQ(finish(asked).verdict.status, Status::kNtlmProof);
  EXPECT_TRUE(nothing_is_left());
}

// What the authority cannot see is checked here all the same.
TEST_F(AuthorityAccept, DoesNotOverruleTheMic) {
  const AcceptReply first = door.offer(negotiate);
  authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
  authenticated.message[ntlm::kMicOffset] ^= 1;
  const AcceptReply asked = second(first.context);
  give_key(asked);
  EXPECT_EQ(finish(asked).verdict.status, Status::kNtlmMicWrong);
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AuthorityAccept, RefusesWithTheStatusItGives) {
  for (const Status status : {Status::kNtlmProof, Status::kAccountDisabled, Status::kAccountLocked,
                              Status::kAuthorityNoServer}) {
    const AcceptReply asked = ask();
    give_key(asked);
    asked.inquiry->answer.status = status;
    authority->answer(*asked.inquiry, [](NtlmAnswer&) {});
    EXPECT_EQ(resume(asked, authenticated.message, asked.inquiry).verdict.status, status);
    authority->close(*asked.inquiry);
    EXPECT_TRUE(nothing_is_left());
  }
}

TEST_F(AuthorityAccept, RefusesWhereItSaysNothingThatRefuses) {
  for (const Status status : {Status::kContinue, Status::kAsked}) {
    const AcceptReply asked = ask();
    give_key(asked);
    asked.inquiry->answer.status = status;
    authority->answer(*asked.inquiry, [](NtlmAnswer&) {});
    EXPECT_EQ(resume(asked, authenticated.message, asked.inquiry).verdict.status,
              Status::kAuthorityFailed);
    authority->close(*asked.inquiry);
    EXPECT_TRUE(nothing_is_left());
  }
}

TEST_F(AuthorityAccept, LetsNobodyInWithoutANameOrAKey) {
  AcceptReply asked = ask();
  give_key(asked);
  authority->answer(*asked.inquiry, [](NtlmAnswer& answer) {
    let_carol_in(answer);
    answer.user.clear();
  });
  EXPECT_EQ(resume(asked, authenticated.message, asked.inquiry).verdict.status,
            Status::kAuthorityFailed);
  authority->close(*asked.inquiry);
  asked = ask();
  EXPECT_EQ(finish(asked).verdict.status, Status::kAuthorityFailed);
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AuthorityAccept, IsNotAskedAboutAccountsOfThisMachine) {
  who = {};  // alice
  EXPECT_EQ(ask().verdict.status, Status::kEstablished);
  who.password = u"guess";
  EXPECT_EQ(ask().verdict.status, Status::kNtlmProof);
  EXPECT_TRUE(authority->asked.empty());
}

TEST_F(AuthorityAccept, IsAskedAboutEverybodyWithoutAccounts) {
  door.credential.keys.replace(door.make_keys(true, false));
  who = {};
  const AcceptReply asked = ask();
  ASSERT_EQ(asked.verdict.status, Status::kAsked);
  give_key(asked);
  EXPECT_EQ(finish(asked).verdict.status, Status::kEstablished);
}

TEST_F(AuthorityAccept, IsNotAskedAboutNobody) {
  door.credential.policy.allow_ntlm_anonymous = true;
  who.response = NtlmResponse::kAnonymous;
  who.mic = false;
  const AcceptReply first = door.offer(negotiate);
  authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
  const AcceptReply reply = door.offer(AcceptRequest{.context = first.context,
                                                     .token = authenticated.message,
                                                     .allow_anonymous = true,
                                                     .asker = &asker});
  EXPECT_EQ(reply.verdict.status, Status::kEstablished) << text_of(reply.verdict.status);
  EXPECT_TRUE(authority->asked.empty());
}

// The policy is looked at before the question leaves, and the key of extended session security is
// made here (MS-NLMP 3.4.5.1).
TEST_F(AuthorityAccept, IsAskedAboutNtlmV1OnlyByPolicy) {
  for (const NtlmResponse response : {NtlmResponse::kV1, NtlmResponse::kV1Session}) {
    who.response = response;
    who.mic = false;
    door.credential.policy.allow_ntlm_v1 = false;
    EXPECT_EQ(ask().verdict.status, Status::kNtlmV1);
    EXPECT_TRUE(authority->asked.empty());
    door.credential.policy.allow_ntlm_v1 = true;
    if (response == NtlmResponse::kV1) {
      negotiate = mint::ntlm_negotiate(
          {.flags = ntlm::NegotiateFlags(
               std::uint32_t(mint::kNtlmFlagsUsual) &
               ~std::uint32_t(ntlm::NegotiateFlags::kExtendedSessionSecurity))});
    } else {
      negotiate = mint::ntlm_negotiate({});
    }
    const AcceptReply asked = ask();
    ASSERT_EQ(asked.verdict.status, Status::kAsked);
    asked.inquiry->answer.key_kind = NtlmAnswer::KeyKind::kSessionBase;
    Octets base(16);
    EXPECT_TRUE(door.kit->md4(nt_hash(*door.kit, who.password), base));
    asked.inquiry->answer.key.assign(base);
    const AcceptReply reply = finish(asked);
    ASSERT_EQ(reply.verdict.status, Status::kEstablished);
    EXPECT_EQ(mint::octets_of(door.look(reply.context)->key.bytes()),
              authenticated.exported_session_key);
    authority->asked.clear();
    EXPECT_TRUE(door.end(reply.context));
  }
}

TEST_F(AuthorityAccept, KeepsTheContextForTheOneWhoWaits) {
  const AcceptReply asked = ask();
  EXPECT_EQ(second(asked.context).verdict.status, Status::kContextBusy);
  EXPECT_EQ(authority->asked.size(), 1u);
  give_key(asked);
  EXPECT_EQ(finish(asked).verdict.status, Status::kEstablished);
}

// An answer about one user must not let in another, who sends his own token in its place.
TEST_F(AuthorityAccept, TakesAnAnswerForTheTokenThatWasAskedAboutOnly) {
  const AcceptReply first = door.offer(negotiate);
  const Octets challenge = door.reply;
  authenticated = mint::ntlm_authenticate(*door.kit, negotiate, challenge, who);
  const AcceptReply asked = second(first.context);
  AuthenticateFields other = who;
  other.user = u"mallory";
  const Octets mallory = mint::ntlm_authenticate(*door.kit, negotiate, challenge, other).message;
  give_key(asked);
  authority->answer(*asked.inquiry, let_carol_in);
  EXPECT_EQ(resume(asked, mallory, asked.inquiry).verdict.status, Status::kInternal);
  authority->close(*asked.inquiry);
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AuthorityAccept, TakesNoAnswerForAContextThatAskedNothing) {
  const AcceptReply asked = ask();
  const AcceptReply other = door.offer(negotiate);
  give_key(asked);
  authority->answer(*asked.inquiry, let_carol_in);
  EXPECT_EQ(resume(other, authenticated.message, asked.inquiry).verdict.status,
            Status::kContextBusy);
  EXPECT_EQ(resume(asked, authenticated.message, asked.inquiry).verdict.status,
            Status::kEstablished);
  authority->close(*asked.inquiry);
}

TEST_F(AuthorityAccept, IsGivenUpAfterItsDeadline) {
  const AcceptReply asked = ask();
  EXPECT_TRUE(authority->abandon(*asked.inquiry));
  EXPECT_EQ(resume(asked, authenticated.message, nullptr).verdict.status, Status::kAuthorityLate);
  EXPECT_TRUE(nothing_is_left());
  authority->answer(*authority->asked[0], let_carol_in);  // Too late: nobody is told.
  EXPECT_EQ(asker.count, 0);
}

// The client had its time for its tokens; how long the answer takes is not its fault.
TEST_F(AuthorityAccept, HasItsOwnTime) {
  const AcceptReply first = door.offer(negotiate);
  authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
  door.clock.steady += (Door::kHalfOpenSeconds - 1) * kMicrosPerSecond;
  const AcceptReply asked = second(first.context);
  door.clock.steady += kMicrosPerSecond;  // The authority's deadline.
  EXPECT_EQ(door.pool.sweep(door.clock.steady), 0u);
  give_key(asked);
  EXPECT_EQ(finish(asked).verdict.status, Status::kEstablished);
}

TEST_F(AuthorityAccept, DoesNotOutliveTheExchange) {
  const AcceptReply asked = ask();
  door.clock.steady += Door::kHalfOpenSeconds * kMicrosPerSecond;
  give_key(asked);
  EXPECT_EQ(finish(asked).verdict.status, Status::kHalfOpenTooLong);
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AuthorityAccept, IsNotAskedMoreThanItCanBe) {
  const AcceptReply one = ask();
  const AcceptReply two = ask();
  ASSERT_EQ(two.verdict.status, Status::kAsked);
  EXPECT_EQ(ask().verdict.status, Status::kAuthorityBusy);
  EXPECT_TRUE(authority->abandon(*one.inquiry));
  authority->answer(*one.inquiry, let_carol_in);
  EXPECT_EQ(ask().verdict.status, Status::kAsked);
}

// Attack E15: 24 bytes is all the room that some have for an LM response. And whoever is given one
// may let a client in by it whose NT response is wrong.
TEST_F(AuthorityAccept, SeesNoLmResponse) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{24}, std::size_t{25}}) {
    const AcceptReply first = door.offer(negotiate);
    who.mic = false;
    who.lm_response = Octets(size, 1);
    authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
    const AcceptReply reply = second(first.context);
    ASSERT_EQ(reply.verdict.status, Status::kAsked);
    EXPECT_TRUE(reply.inquiry->question().lm_response.empty());
    give_key(reply);
    const AcceptReply signed_on = finish(reply);
    EXPECT_EQ(signed_on.verdict.status, Status::kEstablished);
    EXPECT_TRUE(door.end(signed_on.context));
  }
}

TEST_F(AuthorityAccept, IsNotAskedWhereNobodyCanWait) {
  const AcceptReply first = door.offer(negotiate);
  authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
  EXPECT_EQ(door.offer(authenticated.message, first.context).verdict.status,
            Status::kAuthorityFailed);
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AuthorityAccept, ServesClientsInsideSpnego) {
  const AcceptReply first = door.offer(mint::optimistic({gss::Mechanism::kNtlm}, negotiate));
  ASSERT_EQ(first.verdict.status, Status::kContinue);
  const Octets challenge = mint::read_neg_token_resp(door.reply).response_token.value();
  authenticated = mint::ntlm_authenticate(*door.kit, negotiate, challenge, who);
  mint::NegTokenRespFields resp;
  resp.response_token = authenticated.message;
  resp.mech_list_mic = mint::ntlm_mech_list_mic(*door.kit, authenticated,
                                                mint::mech_type_list({gss::Mechanism::kNtlm}));
  const Octets token = mint::neg_token_resp(resp);
  const AcceptReply asked =
      door.offer(AcceptRequest{.context = first.context, .token = token, .asker = &asker});
  ASSERT_EQ(asked.verdict.status, Status::kAsked);
  EXPECT_EQ(asked.reply_size, 0u);
  give_key(asked);
  authority->answer(*asked.inquiry, let_carol_in);
  EXPECT_EQ(resume(asked, token, asked.inquiry).verdict.status, Status::kEstablished);
  EXPECT_TRUE(mint::read_neg_token_resp(door.reply).mech_list_mic.has_value());
  authority->close(*asked.inquiry);
}

// accept_and_wait.

class AcceptAndWait : public AuthorityAccept {
 protected:
  AcceptReply sign_on() {
    const AcceptReply first = door.offer(negotiate);
    authenticated = mint::ntlm_authenticate(*door.kit, negotiate, door.reply, who);
    AcceptReply reply;
    Octets room(kReplySizeMax);
    auth::accept_and_wait(*door.desk, door.environment,
                          AcceptRequest{.credential = &door.credential,
                                        .context = first.context,
                                        .token = authenticated.message,
                                        .reply = room},
                          reply);
    return reply;
  }
};

TEST_F(AcceptAndWait, TakesAnAnswerThatComesAtOnce) {
  authority->at_once = [](NtlmAnswer& answer) {
    let_carol_in(answer);
    answer.key_kind = NtlmAnswer::KeyKind::kSessionBase;
    answer.key.assign(Octets(16, 1));
  };
  who.mic = false;  // Whose key would have to be right.
  EXPECT_EQ(sign_on().verdict.status, Status::kEstablished);
}

TEST_F(AcceptAndWait, GivesUpAfterTheDeadline) {
  auto made = std::make_unique<HandAuthority>(1000);
  authority = made.get();
  door.credential.authority = std::move(made);
  EXPECT_EQ(sign_on().verdict.status, Status::kAuthorityLate);
  EXPECT_TRUE(nothing_is_left());
  authority->answer(*authority->asked[0], let_carol_in);
}

// SlowAuthority answers on a thread of its own, about when the asker gives up.
class SlowAuthority final : public auth::Authority {
 public:
  SlowAuthority() : Authority(kInquiries, 200) {}
  ~SlowAuthority() override { join(); }
  void begin(Inquiry& inquiry) noexcept override {
    join();
    thread_ = std::thread([this, &inquiry] {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      let_carol_in(inquiry.answer);
      inquiry.answer.key_kind = NtlmAnswer::KeyKind::kSessionBase;
      inquiry.answer.key.assign(Octets(16, 1));
      finish(inquiry);
    });
  }
  void join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  std::thread thread_;
};

TEST_F(AcceptAndWait, IsEitherInTimeOrLateWhenBothHappenAtOnce) {
  door.credential.authority = std::make_unique<SlowAuthority>();
  who.mic = false;
  for (int round = 0; round < 200; ++round) {
    const AcceptReply reply = sign_on();
    if (reply.verdict.status == Status::kEstablished) {
      EXPECT_TRUE(door.end(reply.context));
    } else {
      EXPECT_TRUE(reply.verdict.status == Status::kAuthorityLate ||
                  reply.verdict.status == Status::kAuthorityBusy)
          << text_of(reply.verdict.status);
    }
  }
  EXPECT_TRUE(nothing_is_left());
}

}  // namespace
}  // namespace usher
