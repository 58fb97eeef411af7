// Promise: an NTLMv2 client with the right password signs on; what is wrong with any other is
// named, and a refused exchange leaves nothing behind.
#include "tests/auth/door.h"

namespace usher {
namespace {

using mint::AuthenticateFields;
using mint::NegotiateFields;
using mint::NtlmResponse;
using mint::Octets;
using ntlm::NegotiateFlags;
using testing::Door;

constexpr NegotiateFlags kOemOnly = NegotiateFlags::kOem | NegotiateFlags::kNtlm |
                                    NegotiateFlags::kExtendedSessionSecurity |
                                    NegotiateFlags::kAlwaysSign;

constexpr NegotiateFlags kNoSession =
    NegotiateFlags(~std::uint32_t(NegotiateFlags::kExtendedSessionSecurity));

constexpr std::uint64_t kFiletimeSecond = 10'000'000;
std::uint64_t filetime_of(const Door& door) {
  constexpr std::int64_t kEpochs = 11'644'473'600;
  return static_cast<std::uint64_t>(door.clock.wall / kMicrosPerSecond + kEpochs) * kFiletimeSecond;
}

void list_targets(Door& door, auth::NtlmTargetPolicy policy) {
  door.credential.policy.ntlm_target = policy;
  door.credential.policy.targets = {"HTTP/other@EXAMPLE.TEST",
                                    "HTTP/web.example.test@EXAMPLE.TEST"};
}

struct Attempt {
  NegotiateFields negotiate;
  AuthenticateFields authenticate;
  void (*spoil_message)(Octets& authenticate) = [](Octets&) {};
};

struct Case {
  const char* name;
  Status expected;
  void (*spoil)(Door&, Attempt&);
  const char* why;
};

// An AUTHENTICATE's NTProofStr begins where its NT response does (offset at byte 24).
std::size_t proof_offset(Bytes message) { return load_le<std::uint32_t>(message.subspan(24)); }

const Case kCases[] = {
    {"AsItShouldBe", Status::kEstablished, [](Door&, Attempt&) {}, "the positive twin of all"},
    {"NoMic", Status::kEstablished, [](Door&, Attempt& a) { a.authenticate.mic = false; },
     "curl, Java and ntlm_auth announce none"},
    {"OemClient", Status::kEstablished,
     [](Door& d, Attempt& a) {
       a.negotiate.flags = kOemOnly;
       a.negotiate.form = mint::NegotiateForm::kWithoutVersion;
       a.authenticate.mic = false;
       a.authenticate.lmv2 = true;
       a.authenticate.own_time = true;
       a.authenticate.time = filetime_of(d);
     },
     "curl --ntlm"},
    {"FlagsOnlyNegotiate", Status::kEstablished,
     [](Door&, Attempt& a) { a.negotiate.form = mint::NegotiateForm::kFlagsOnly; }, "WinPR"},
    {"NoKeyExchange", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.negotiate.flags = NegotiateFlags(std::uint32_t(a.negotiate.flags) &
                                          ~std::uint32_t(NegotiateFlags::kKeyExchange));
     },
     "MS-NLMP 3.4.5.1: the session base key itself"},
    {"UserInOtherCase", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticate.user = u"aLiCe"; }, "names have no case"},
    {"DomainInOtherCase", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticate.domain = u"example"; },
     "MS-NLMP 3.3.2: the proof takes the domain as sent"},
    {"NoDomain", Status::kEstablished, [](Door&, Attempt& a) { a.authenticate.domain = u""; },
     "curl -u alice: the user name alone finds the account"},
    {"OtherDomain", Status::kNtlmProof, [](Door&, Attempt& a) { a.authenticate.domain = u"EVIL"; },
     "no such account"},
    {"UnknownUser", Status::kNtlmProof, [](Door&, Attempt& a) { a.authenticate.user = u"mallory"; },
     "and nothing tells it from a wrong password"},
    {"WrongPassword", Status::kNtlmProof,
     [](Door&, Attempt& a) { a.authenticate.password = u"guess"; }, "E11"},
    {"WrongPasswordNoMic", Status::kNtlmProof,
     [](Door&, Attempt& a) {
       a.authenticate.password = u"guess";
       a.authenticate.mic = false;
     },
     "E11: a missing MIC never skips the password"},
    {"OtherUsersPassword", Status::kNtlmProof,
     [](Door&, Attempt& a) { a.authenticate.user = u"bob"; }, "MS-NLMP 3.3.2"},
    {"ProofFlipped", Status::kNtlmProof,
     [](Door&, Attempt& a) { a.spoil_message = [](Octets& m) { m[proof_offset(m) + 15] ^= 1; }; },
     "MS-NLMP 3.2.5.1.2"},
    {"ProofZero", Status::kNtlmProof,
     [](Door&, Attempt& a) {
       a.spoil_message = [](Octets& m) {
         std::fill_n(m.begin() + std::ptrdiff_t(proof_offset(m)), 16, std::uint8_t{0});
       };
     },
     "E22"},
    {"MicFlipped", Status::kNtlmMicWrong,
     [](Door&, Attempt& a) { a.spoil_message = [](Octets& m) { m[ntlm::kMicOffset] ^= 0x80; }; },
     "MS-NLMP 3.2.5.1.2"},
    {"MicZero", Status::kNtlmMicWrong,
     [](Door&, Attempt& a) {
       a.spoil_message = [](Octets& m) {
         std::fill_n(m.begin() + ntlm::kMicOffset, ntlm::kMicSize, std::uint8_t{0});
       };
     },
     "E13"},
    {"MicDropped", Status::kNtlmMicMissing,
     [](Door&, Attempt& a) {
       a.authenticate.mic = false;
       a.authenticate.version = false;
       a.authenticate.announce_mic = true;
     },
     "E13, Drop the MIC: the proof says there was one"},
    {"FlagsChangedUnderMic", Status::kNtlmMicWrong,
     [](Door&, Attempt& a) { a.spoil_message = [](Octets& m) { m[60] ^= 0x10; }; },
     "E14: the MIC covers the flags"},
    {"PolicyWantsMic", Status::kNtlmMicMissing,
     [](Door& door, Attempt& a) {
       door.credential.policy.ntlm_mic_always = true;
       a.authenticate.mic = false;
     },
     "ntlm.mic = always"},
    {"PolicyWantsMicAndGetsIt", Status::kEstablished,
     [](Door& door, Attempt&) { door.credential.policy.ntlm_mic_always = true; },
     "ntlm.mic = always"},
    {"NtlmV1Allowed", Status::kEstablished,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = true;
       a.negotiate.flags = kOemOnly & kNoSession;
       a.negotiate.form = mint::NegotiateForm::kWithoutVersion;
       a.authenticate.response = NtlmResponse::kV1;
     },
     "ntlm.v1 = allow: wget, neon, LWP"},
    {"NtlmV1SessionAllowed", Status::kEstablished,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = true;
       a.authenticate.response = NtlmResponse::kV1Session;
     },
     "ntlm.v1 = allow: Heimdal"},
    {"NtlmV1WrongPassword", Status::kNtlmProof,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = true;
       a.authenticate.response = NtlmResponse::kV1Session;
       a.authenticate.password = u"guess";
     },
     "and no other password"},
    {"NtlmV1UnknownUser", Status::kNtlmProof,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = true;
       a.authenticate.response = NtlmResponse::kV1Session;
       a.authenticate.user = u"mallory";
     },
     "and no other user"},
    {"NtlmV1SessionAsV1", Status::kNtlmProof,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = true;
       a.authenticate.response = NtlmResponse::kV1;
     },
     "3.3.1: extended session security was negotiated"},
    {"NtlmV1WithoutMic", Status::kNtlmMicMissing,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = door.credential.policy.ntlm_mic_always = true;
       a.authenticate.response = NtlmResponse::kV1Session;
     },
     "ntlm.mic = always: NTLMv1 has none"},
    {"LmAlone", Status::kNtlmLm,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_v1 = true;
       a.authenticate.response = NtlmResponse::kLmAlone;
     },
     "E19"},
    {"AnonymousCallerDoesNotTake", Status::kNtlmAnonymous,
     [](Door& door, Attempt& a) {
       door.credential.policy.allow_ntlm_anonymous = true;
       a.authenticate.response = NtlmResponse::kAnonymous;
     },
     "ntlm.anonymous = allow, and no ASC_REQ_ALLOW_NULL_SESSION"},
    {"OwnTimeWithinLifetime", Status::kEstablished,
     [](Door& door, Attempt& a) {
       a.authenticate.own_time = true;
       a.authenticate.mic = false;
       a.authenticate.time = filetime_of(door) - 129'600 * kFiletimeSecond;
     },
     "3.1.1.1: 36 hours"},
    {"OwnTimeSlow", Status::kNtlmTime,
     [](Door& door, Attempt& a) {
       a.authenticate.own_time = true;
       a.authenticate.mic = false;
       a.authenticate.time = filetime_of(door) - 129'602 * kFiletimeSecond;
     },
     "ntlm.lifetime"},
    {"OwnTimeFast", Status::kNtlmTime,
     [](Door& door, Attempt& a) {
       a.authenticate.own_time = true;
       a.authenticate.mic = false;
       a.authenticate.time = filetime_of(door) + 129'602 * kFiletimeSecond;
     },
     "ntlm.lifetime"},
    {"OwnTimeSlowAndWrongPassword", Status::kNtlmProof,
     [](Door& door, Attempt& a) {
       a.authenticate.own_time = true;
       a.authenticate.mic = false;
       a.authenticate.time = filetime_of(door) - 129'602 * kFiletimeSecond;
       a.authenticate.password = u"guess";
     },
     "only who has proved himself hears of clocks"},
    {"TargetListed", Status::kEstablished,
     [](Door& door, Attempt& a) {
       list_targets(door, auth::NtlmTargetPolicy::kListed);
       a.authenticate.target_name = u"http/WEB.example.test";
     },
     "ntlm.target = listed"},
    {"TargetListedOther", Status::kNtlmTarget,
     [](Door& door, Attempt& a) {
       list_targets(door, auth::NtlmTargetPolicy::kListed);
       a.authenticate.target_name = u"HTTP/evil.example.test";
     },
     "E21: a client that was led here"},
    {"TargetListedNone", Status::kEstablished,
     [](Door& door, Attempt&) { list_targets(door, auth::NtlmTargetPolicy::kListed); },
     "curl names none"},
    {"TargetRequired", Status::kEstablished,
     [](Door& door, Attempt& a) {
       list_targets(door, auth::NtlmTargetPolicy::kRequired);
       a.authenticate.target_name = u"HTTP/web.example.test";
     },
     "ntlm.target = required"},
    {"TargetListedWithAPort", Status::kEstablished,
     [](Door& door, Attempt& a) {
       list_targets(door, auth::NtlmTargetPolicy::kListed);
       a.authenticate.target_name = u"HTTP/web.example.test:8080";
     },
     "Chromium names the port"},
    {"TargetRequiredOfV1", Status::kNtlmTargetMissing,
     [](Door& door, Attempt& a) {
       list_targets(door, auth::NtlmTargetPolicy::kRequired);
       door.credential.policy.allow_ntlm_v1 = true;
       a.authenticate.response = NtlmResponse::kV1Session;
     },
     "NTLMv1 cannot say one"},
    {"TargetRequiredNone", Status::kNtlmTargetMissing,
     [](Door& door, Attempt&) { list_targets(door, auth::NtlmTargetPolicy::kRequired); },
     "ntlm.target = required"},
    {"TargetAny", Status::kEstablished,
     [](Door&, Attempt& a) { a.authenticate.target_name = u"HTTP/evil.example.test"; },
     "the default"},
    {"NtlmV1", Status::kNtlmV1,
     [](Door&, Attempt& a) { a.authenticate.response = NtlmResponse::kV1; }, "E19"},
    {"NtlmV1Session", Status::kNtlmV1,
     [](Door&, Attempt& a) { a.authenticate.response = NtlmResponse::kV1Session; }, "E19"},
    {"Anonymous", Status::kNtlmAnonymous,
     [](Door&, Attempt& a) { a.authenticate.response = NtlmResponse::kAnonymous; }, "E19"},
    {"ProofAndClientChallengeZero", Status::kNtlmProof,
     [](Door&, Attempt& a) {
       a.authenticate.client_challenge = Octets(8, 0);
       a.spoil_message = [](Octets& m) {
         std::fill_n(m.begin() + std::ptrdiff_t(proof_offset(m)), 16, std::uint8_t{0});
       };
     },
     "E22"},
    {"SessionKeyZero", Status::kNtlmMicWrong,
     [](Door&, Attempt& a) { a.authenticate.encrypted_session_key = Octets(16, 0); },
     "E22: not the key that the client has made its MIC with"},
    {"SessionKeyShort", Status::kNtlmSessionKey,
     [](Door&, Attempt& a) { a.authenticate.encrypted_session_key = Octets(15, 1); }, "2.2.1.3"},
    {"KeyExchangeWithoutSigning", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.negotiate.flags = NegotiateFlags::kUnicode | NegotiateFlags::kNtlm |
                           NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::kKeyExchange;
       a.authenticate.mic = false;
       a.authenticate.encrypted_session_key = Octets{};
     },
     "MS-NLMP 3.1.5.1.2: without SIGN or SEAL there is no key to send"},
    {"SigningWithoutTheKey", Status::kNtlmSessionKey,
     [](Door&, Attempt& a) { a.authenticate.encrypted_session_key = Octets{}; }, "2.2.1.3"},
    {"NoServerPairs", Status::kEstablished,
     [](Door&, Attempt& a) {
       a.authenticate.copy_target_info = false;
       a.authenticate.mic = false;
     },
     "clients with an AV list of their own"},
    {"LoneSurrogate", Status::kMalformedNtlmName,
     [](Door&, Attempt& a) { a.authenticate.user = u"al\xd800ice"; }, "E2"},
    {"NulInName", Status::kMalformedNtlmName,
     [](Door&, Attempt& a) { a.authenticate.user = std::u16string(u"ali\0ce", 6); }, "E2"},
    {"NameTooLong", Status::kMalformedNtlmName,
     [](Door&, Attempt& a) { a.authenticate.user = std::u16string(20'000, u'x'); }, "E2"},
};

class NtlmAccept : public ::testing::TestWithParam<Case> {};

TEST_P(NtlmAccept, DecidesAndLeavesNothingBehind) {
  Door door;
  Attempt attempt;
  GetParam().spoil(door, attempt);
  const Octets negotiate = mint::ntlm_negotiate(attempt.negotiate);
  const auth::AcceptReply first = door.offer(negotiate);
  ASSERT_EQ(text_of(first.verdict.status), text_of(Status::kContinue));
  const Octets challenge = door.reply;
  Octets message =
      mint::ntlm_authenticate(*door.kit, negotiate, challenge, attempt.authenticate).message;
  attempt.spoil_message(message);
  const auth::AcceptReply result = door.offer(message, first.context);
  EXPECT_EQ(text_of(result.verdict.status), text_of(GetParam().expected)) << GetParam().why;
  if (result.verdict.status == Status::kEstablished) {
    EXPECT_EQ(door.client_of(result.context), "EXAMPLE\\alice");
    EXPECT_EQ(result.context, first.context);
    EXPECT_TRUE(door.end(result.context));
  } else {
    EXPECT_EQ(door.offer(message, first.context).verdict.status, Status::kStaleHandle);
  }
  EXPECT_TRUE(door.reply.empty());
  EXPECT_EQ(door.pool.live(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Table, NtlmAccept, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

class NtlmExchange : public ::testing::Test {
 protected:
  auth::AcceptReply begin() {
    negotiate = mint::ntlm_negotiate({});
    const auth::AcceptReply result = door.offer(negotiate);
    challenge = door.reply;
    return result;
  }
  Octets answer() { return mint::ntlm_authenticate(*door.kit, negotiate, challenge, {}).message; }

  Door door;
  Octets negotiate;
  Octets challenge;
};

TEST_F(NtlmExchange, AgreesOnTheClientsSessionKey) {
  const auth::AcceptReply first = begin();
  const mint::Authenticated client = mint::ntlm_authenticate(*door.kit, negotiate, challenge, {});
  const auth::AcceptReply result = door.offer(client.message, first.context);
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  EXPECT_TRUE(
      std::ranges::equal(door.look(result.context)->key.bytes(), client.exported_session_key));
}

TEST_F(NtlmExchange, NobodySignsOnIfPolicyAndCallerTakeHim) {
  door.credential.policy.allow_ntlm_anonymous = true;
  const auth::AcceptReply first = begin();
  mint::AuthenticateFields fields;
  fields.response = NtlmResponse::kAnonymous;
  const mint::Authenticated client =
      mint::ntlm_authenticate(*door.kit, negotiate, challenge, fields);
  const auth::AcceptReply result = door.offer(auth::AcceptRequest{
      .context = first.context, .token = client.message, .allow_anonymous = true});
  ASSERT_EQ(text_of(result.verdict.status), text_of(Status::kEstablished));
  EXPECT_EQ(door.client_of(result.context), "NT AUTHORITY\\ANONYMOUS LOGON");
  EXPECT_TRUE(gss::has(result.flags, gss::ContextFlags::kAnonymous));
  EXPECT_TRUE(
      std::ranges::equal(door.look(result.context)->key.bytes(), client.exported_session_key));
}

TEST_F(NtlmExchange, EveryoneElseIsSomebody) {
  door.credential.policy.allow_ntlm_anonymous = true;
  const auth::AcceptReply first = begin();
  const auth::AcceptReply result = door.offer(
      auth::AcceptRequest{.context = first.context, .token = answer(), .allow_anonymous = true});
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  EXPECT_EQ(door.client_of(result.context), "EXAMPLE\\alice");
  EXPECT_FALSE(gss::has(result.flags, gss::ContextFlags::kAnonymous));
}

TEST_F(NtlmExchange, EveryChallengeIsAnother) {
  (void)begin();
  const Octets one = challenge;
  (void)begin();
  EXPECT_FALSE(std::ranges::equal(Bytes(one).subspan(24, 8), Bytes(challenge).subspan(24, 8)));
}

TEST_F(NtlmExchange, AnAnswerToAnotherChallengeIsRefused) {
  const auth::AcceptReply one = begin();
  const Octets message = answer();
  const auth::AcceptReply other = begin();
  EXPECT_EQ(door.offer(message, other.context).verdict.status, Status::kNtlmProof);
  EXPECT_EQ(door.offer(message, one.context).verdict.status, Status::kEstablished);
}

TEST_F(NtlmExchange, MessagesOutOfOrderAreRefused) {
  const auth::AcceptReply first = begin();
  EXPECT_EQ(door.offer(negotiate, first.context).verdict.status, Status::kUnexpectedToken);
  const auth::AcceptReply again = begin();
  EXPECT_EQ(door.offer(answer()).verdict.status, Status::kUnexpectedToken) << "without a context";
  EXPECT_EQ(door.offer(challenge, again.context).verdict.status, Status::kUnexpectedToken);
}

TEST_F(NtlmExchange, AnEmptySecondTokenEndsIt) {
  const auth::AcceptReply first = begin();
  EXPECT_EQ(door.offer(Bytes{}, first.context).verdict.status, Status::kEmptyToken);
  EXPECT_EQ(door.offer(answer(), first.context).verdict.status, Status::kStaleHandle);
  const auth::AcceptReply again = begin();
  EXPECT_EQ(door.offer(answer(), again.context).verdict.status, Status::kEstablished);
}

TEST_F(NtlmExchange, AThirdTokenLeavesAnEstablishedContextAlone) {
  const auth::AcceptReply first = begin();
  const Octets message = answer();
  ASSERT_EQ(door.offer(message, first.context).verdict.status, Status::kEstablished);
  EXPECT_EQ(door.offer(message, first.context).verdict.status, Status::kNotHalfOpen);
  EXPECT_EQ(door.client_of(first.context), "EXAMPLE\\alice");
}

TEST_F(NtlmExchange, EveryPrefixOfTheAnswerIsRefused) {
  for (std::size_t size = 0;; ++size) {
    const auth::AcceptReply first = begin();
    const Octets message = answer();
    const auth::AcceptReply result = door.offer(Bytes(message).first(size), first.context);
    if (size == message.size()) {
      EXPECT_EQ(result.verdict.status, Status::kEstablished);
      break;
    }
    ASSERT_FALSE(succeeded(result.verdict.status)) << size;
  }
}

TEST_F(NtlmExchange, HalfOpenExchangesEndAtTheirDeadline) {
  const auth::AcceptReply first = begin();
  const Octets message = answer();
  door.clock.steady += Door::kHalfOpenSeconds * kMicrosPerSecond;
  EXPECT_EQ(door.offer(message, first.context).verdict.status, Status::kHalfOpenTooLong);
  EXPECT_EQ(door.pool.live(), 0u);
}

TEST_F(NtlmExchange, AllSlotsTakenIsSaidAndEndsWithTheDeadline) {
  for (std::uint32_t i = 0; i < Door::kSlots; ++i) {
    ASSERT_EQ(begin().verdict.status, Status::kContinue);
  }
  EXPECT_EQ(begin().verdict.status, Status::kNoFreeSlot);
  door.clock.steady += (Door::kHalfOpenSeconds + 1) * kMicrosPerSecond;
  EXPECT_EQ(begin().verdict.status, Status::kContinue) << "the abandoned ones were freed";
  EXPECT_EQ(door.pool.live(), 1u);
}

TEST_F(NtlmExchange, EstablishedContextsOutliveTheDeadline) {
  const auth::AcceptReply first = begin();
  ASSERT_EQ(door.offer(answer(), first.context).verdict.status, Status::kEstablished);
  door.clock.steady += 10 * Door::kHalfOpenSeconds * kMicrosPerSecond;
  EXPECT_EQ(door.pool.sweep(door.clock.steady), 0u);
  EXPECT_EQ(door.client_of(first.context), "EXAMPLE\\alice");
}

TEST_F(NtlmExchange, AReloadBetweenTheLegsCounts) {
  const auth::AcceptReply first = begin();
  const Octets message = answer();
  door.credential.keys.replace(door.make_keys(true, false));
  EXPECT_EQ(door.offer(message, first.context).verdict.status, Status::kMechanismNotAllowed);
}

TEST(NtlmPackages, TheCredentialDecides) {
  const Octets negotiate = mint::ntlm_negotiate({});
  Door kerberos_only(auth::Package::kKerberos);
  EXPECT_EQ(kerberos_only.offer(negotiate).verdict.status, Status::kMechanismNotAllowed);
  Door ntlm_only(auth::Package::kNtlm);
  EXPECT_EQ(ntlm_only.offer(negotiate).verdict.status, Status::kContinue);
  EXPECT_EQ(ntlm_only.offer(ntlm_only.kerberos_token()).verdict.status,
            Status::kMechanismNotAllowed);
  Door without_accounts(auth::Package::kNegotiate, true, false);
  EXPECT_EQ(without_accounts.offer(negotiate).verdict.status, Status::kMechanismNotAllowed);
  Door excluded;
  excluded.credential.allow_ntlm = false;
  EXPECT_EQ(excluded.offer(negotiate).verdict.status, Status::kMechanismNotAllowed);
}

TEST(NtlmNegotiate, NeitherUnicodeNorOemIsRefused) {
  Door door;
  EXPECT_EQ(door.offer(mint::ntlm_negotiate({.flags = NegotiateFlags::kNtlm})).verdict.status,
            Status::kNtlmCharset);
}

TEST(NtlmNegotiate, TooLongToKeepIsRefused) {
  Door door;
  const Octets fits = mint::ntlm_negotiate({.domain = std::string(200, 'D')});
  EXPECT_EQ(door.offer(fits).verdict.status, Status::kContinue);
  const Octets long_one = mint::ntlm_negotiate({.domain = std::string(400, 'D')});
  EXPECT_EQ(door.offer(long_one).verdict.status, Status::kNtlmMessageTooLong);
}

}  // namespace
}  // namespace usher
