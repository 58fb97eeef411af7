// Promise: what winbindd says of a client becomes an answer or a refusal, and winbindd is asked
// nothing but what the client has proved.
#include "engine/auth/winbind.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "engine/auth/unicode.h"
#include "parsers/pac.h"
#include "tests/auth/fake_winbindd.h"
#include "tests/hex.h"

namespace usher::auth {
namespace {

using Octets = std::vector<std::uint8_t>;
using testing::FakeLine;
using testing::hex;
using testing::sid_of;
using testing::Winbindd;

class WinbindTest : public ::testing::Test {
 protected:
  WinbindTest() {
    question_.server_challenge = {1, 2, 3, 4, 5, 6, 7, 8};
    question_.user = bytes("Alice");
    question_.domain = bytes("example");
    question_.workstation = bytes("PC7");
    question_.nt_response = nt_response_;
    question_.lm_response = lm_response_;
  }
  ~WinbindTest() override {
    EXPECT_EQ(winbindd_.lent, 0) << "everything is given back";
    EXPECT_TRUE(winbindd_.wiped);
  }

  static Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }

  // ask puts the question; the answer is left in `answer_`.
  Status ask() {
    answer_.clear();
    answerer_->answer(question_, answer_);
    if (answer_.status != Status::kEstablished) {
      EXPECT_TRUE(answer_.key.empty());
      EXPECT_TRUE(answer_.user.empty());
      EXPECT_TRUE(answer_.pac.empty());
    }
    return answer_.status;
  }

  // pac parses the answer's PAC.
  pac::Pac pac() const {
    const Result<pac::Pac> parsed = pac::parse_pac(answer_.pac);
    EXPECT_TRUE(parsed.ok());
    return parsed.ok() ? *parsed : pac::Pac{};
  }

  static std::string utf8(Bytes utf16) {
    std::array<std::uint8_t, 2048> room{};
    const auto written = utf16_to_utf8(utf16, room);
    EXPECT_TRUE(written);
    return written ? std::string(written->begin(), written->end()) : std::string();
  }

  Octets nt_response_ = Octets(200, 0x4e);
  Octets lm_response_ = Octets(24, 0x4c);
  NtlmQuestion question_;
  NtlmAnswer answer_;
  Winbindd winbindd_;
  std::unique_ptr<Answerer> answerer_ =
      make_winbind_answerer(std::make_unique<FakeLine>(winbindd_));
};

TEST_F(WinbindTest, AsksWhatTheClientHasProved) {
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_EQ(winbindd_.asked, 1);
  EXPECT_EQ(winbindd_.asked_account, "Alice");
  EXPECT_EQ(winbindd_.asked_domain, "example");
  EXPECT_EQ(winbindd_.asked_workstation, "PC7");
  EXPECT_EQ(winbindd_.asked_challenge, hex("0102030405060708"));
  EXPECT_EQ(winbindd_.asked_nt, nt_response_);
  EXPECT_EQ(winbindd_.params.level, wbcAuthUserParams::WBC_AUTH_USER_LEVEL_RESPONSE);
  EXPECT_EQ(winbindd_.params.flags, 0u);
}

TEST_F(WinbindTest, MachinesSignOnAndClearTextDoesNot) {
  ask();
  EXPECT_EQ(winbindd_.params.parameter_control,
            std::uint32_t{WBC_MSV1_0_ALLOW_WORKSTATION_TRUST_ACCOUNT |
                          WBC_MSV1_0_ALLOW_SERVER_TRUST_ACCOUNT});
}

// A domain controller that may try the LM response lets in whoever has a good one, and his NT
// response may say of MIC, target and channel bindings what it likes.
TEST_F(WinbindTest, TheLmResponseStaysHere) {
  for (const auto kind :
       {crypto::ProofKind::kV2, crypto::ProofKind::kV1, crypto::ProofKind::kV1Session}) {
    question_.kind = kind;
    EXPECT_EQ(ask(), Status::kEstablished);
    EXPECT_EQ(winbindd_.params.password.response.lm_length, 0u);
    EXPECT_EQ(winbindd_.params.password.response.lm_data, nullptr);
  }
}

// MS-NLMP 4.2.3, whose response to both challenges must be one of NTLMv1 to what is passed on.
TEST_F(WinbindTest, WithExtendedSessionSecurityTheChallengeIsOfBothSides) {
  question_.server_challenge = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
  lm_response_ = hex("aaaaaaaaaaaaaaaa 00000000000000000000000000000000");
  question_.lm_response = lm_response_;
  const Octets nt_hash = hex("a4f49c406510bdcab6824ee7c30fd852");
  const Octets response = hex("7537f803ae367128ca458204bde7caf81e97ed2683267232");
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  std::array<std::uint8_t, kNtlmKeySize> session_key{};
  for (const auto& [kind, outcome] :
       {std::pair(crypto::ProofKind::kV1Session, crypto::Outcome::kDone),
        std::pair(crypto::ProofKind::kV1, crypto::Outcome::kForged)}) {
    question_.kind = kind;
    EXPECT_EQ(ask(), Status::kEstablished);
    crypto::ProofJob job{.kind = crypto::ProofKind::kV1,
                         .nt_hash = nt_hash,
                         .server_challenge = winbindd_.asked_challenge,
                         .proof = response,
                         .session_key = session_key};
    verify_proofs(*kit, {&job, 1});
    EXPECT_EQ(job.proof_outcome, outcome);
  }
  EXPECT_EQ(winbindd_.asked_challenge, hex("0123456789abcdef")) << "of NTLMv1";
}

TEST_F(WinbindTest, AnswersWithNamesAndKey) {
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_EQ(answer_.user, "alice") << "as the domain spells it";
  EXPECT_EQ(answer_.domain, "EXAMPLE");
  EXPECT_EQ(answer_.key_kind, NtlmAnswer::KeyKind::kSessionBase);
  EXPECT_TRUE(std::ranges::equal(answer_.key.bytes(), hex("000102030405060708090a0b0c0d0e0f")));
}

TEST_F(WinbindTest, AnswersWithGroupsInAPac) {
  EXPECT_EQ(ask(), Status::kEstablished);
  const pac::Pac pac = this->pac();
  const pac::LogonInfo& info = pac.logon_info;
  EXPECT_EQ(info.user_id, 1103u);
  EXPECT_EQ(info.primary_group_id, 513u);
  std::vector<std::uint32_t> groups;
  pac::each_group(info.groups, [&](pac::Group group) {
    groups.push_back(group.relative_id);
    EXPECT_EQ(group.attributes, 7u);
  });
  EXPECT_EQ(groups, (std::vector<std::uint32_t>{513, 1104}));
  int others = 0;
  pac::each_extra_sid(info, [&](SidView sid, std::uint32_t attributes) {
    ++others;
    std::array<std::uint8_t, kSidTextSizeMax> text{};
    const std::size_t size = write_sid_text(sid, text);
    EXPECT_EQ(std::string(text.begin(), text.begin() + std::ptrdiff_t(size)),
              "S-1-5-21-44-55-66-1200");
    EXPECT_EQ(attributes, 0x20000007u);
  });
  EXPECT_EQ(others, 1);
  EXPECT_EQ(info.user_flags, 0x120u) << "NTLMv2, ExtraSids";
  EXPECT_EQ(info.user_account_control, 0x10u);
}

TEST_F(WinbindTest, AnswersWithNamesAndTimesInAPac) {
  EXPECT_EQ(ask(), Status::kEstablished);
  const pac::Pac pac = this->pac();
  const pac::LogonInfo& info = pac.logon_info;
  EXPECT_EQ(utf8(info.effective_name), "alice");
  EXPECT_EQ(utf8(info.full_name), "Alice Example");
  EXPECT_EQ(utf8(info.logon_domain_name), "EXAMPLE");
  EXPECT_EQ(utf8(info.logon_server), "DC1");
  EXPECT_EQ(utf8(pac.upn_dns.upn), "alice@example.test");
  EXPECT_EQ(utf8(pac.upn_dns.dns_domain), "EXAMPLE.TEST");
  EXPECT_EQ(info.logon_count, 7);
  EXPECT_EQ(info.bad_password_count, 2);
  EXPECT_EQ(info.logon_time, 133'444'736'000'000'000u);
  EXPECT_EQ(info.logoff_time, pac::kNever);
  EXPECT_EQ(info.kick_off_time, pac::kNever);
  EXPECT_EQ(info.password_last_set, 132'444'736'000'000'000u);
  EXPECT_EQ(info.password_can_change, 132'445'600'000'000'000u);
  EXPECT_EQ(info.password_must_change, 134'444'736'000'000'000u);
}

TEST_F(WinbindTest, TimesThatAreNoneAreNone) {
  winbindd_.info.logon_time = 0;
  winbindd_.info.pass_last_set_time = 0;
  winbindd_.info.pass_must_change_time = 0xffffffffffffffff;
  EXPECT_EQ(ask(), Status::kEstablished);
  const pac::Pac pac = this->pac();
  EXPECT_EQ(pac.logon_info.logon_time, 0u);
  EXPECT_EQ(pac.logon_info.password_last_set, 0u);
  EXPECT_EQ(pac.logon_info.password_must_change, pac::kNever);
}

TEST_F(WinbindTest, WhatADomainControllerDoesNotSayIsEmpty) {
  winbindd_.info.full_name = nullptr;
  winbindd_.info.user_principal = nullptr;
  winbindd_.info.dns_domain_name = nullptr;
  winbindd_.info.logon_server = nullptr;
  winbindd_.info.domain_name = nullptr;
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_TRUE(answer_.domain.empty());
  const pac::Pac pac = this->pac();
  EXPECT_FALSE(pac.has_upn_dns);
  EXPECT_TRUE(pac.logon_info.full_name.empty());
}

TEST_F(WinbindTest, EachRefusalIsToldApart) {
  struct Row {
    std::uint32_t nt_status;
    Status expected;
  };
  constexpr Row kRows[] = {
      {0xc000006a, Status::kNtlmProof},          // WRONG_PASSWORD
      {0xc0000064, Status::kNtlmProof},          // NO_SUCH_USER
      {0xc0000072, Status::kAccountDisabled},    // ACCOUNT_DISABLED
      {0xc0000193, Status::kAccountExpired},     // ACCOUNT_EXPIRED
      {0xc0000234, Status::kAccountLocked},      // ACCOUNT_LOCKED_OUT
      {0xc000006f, Status::kAccountRestricted},  // INVALID_LOGON_HOURS
      {0xc0000224, Status::kPasswordExpired},    // PASSWORD_MUST_CHANGE
      {0xc000005e, Status::kAuthorityNoServer},  // NO_LOGON_SERVERS
      {0xc000018b, Status::kAuthorityNoTrust},   // NO_TRUST_SAM_ACCOUNT
      {0xc00000e5, Status::kAuthorityFailed},    // INTERNAL_ERROR
      {0, Status::kAuthorityFailed},
  };
  for (const Row& row : kRows) {
    winbindd_.refuse(row.nt_status);
    EXPECT_EQ(ask(), row.expected) << std::hex << row.nt_status;
    winbindd_.result = WBC_ERR_SUCCESS;
    EXPECT_EQ(ask(), Status::kEstablished);
  }
}

TEST_F(WinbindTest, EachFailureOfTheLineIsToldApart) {
  struct Row {
    wbcErr result;
    Status expected;
  };
  constexpr Row kRows[] = {{WBC_ERR_NO_MEMORY, Status::kNoMemory},
                           {WBC_ERR_UNKNOWN_FAILURE, Status::kAuthorityFailed},
                           {WBC_ERR_INVALID_RESPONSE, Status::kAuthorityFailed},
                           {WBC_ERR_DOMAIN_NOT_FOUND, Status::kAuthorityFailed},
                           {WBC_ERR_NSS_ERROR, Status::kAuthorityFailed}};
  for (const Row& row : kRows) {
    winbindd_.result = row.result;
    EXPECT_EQ(ask(), row.expected) << row.result;
  }
}

TEST_F(WinbindTest, AWordWithoutReasonsIsNone) {
  for (const wbcErr result : {WBC_ERR_SUCCESS, WBC_ERR_AUTH_ERROR}) {
    winbindd_.result = result;
    winbindd_.forgets = true;
    EXPECT_EQ(ask(), Status::kAuthorityFailed) << result;
  }
  winbindd_.result = WBC_ERR_SUCCESS;
  winbindd_.forgets = false;
  EXPECT_EQ(ask(), Status::kEstablished);
}

TEST_F(WinbindTest, AnAbsentWinbinddIsToldFromAClosedPipe) {
  winbindd_.result = WBC_ERR_WINBIND_NOT_AVAILABLE;
  EXPECT_EQ(ask(), Status::kAuthorityDenied);
  winbindd_.there = false;
  EXPECT_EQ(ask(), Status::kAuthorityAbsent);
  EXPECT_EQ(winbindd_.pinged, 2);
  winbindd_.result = WBC_ERR_SUCCESS;
  EXPECT_EQ(ask(), Status::kEstablished) << "it is back";
  EXPECT_EQ(winbindd_.pinged, 2);
}

TEST_F(WinbindTest, AConnectionLostIsNoClosedPipe) {
  EXPECT_EQ(ask(), Status::kEstablished);
  winbindd_.result = WBC_ERR_WINBIND_NOT_AVAILABLE;
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
  winbindd_.there = false;
  EXPECT_EQ(ask(), Status::kAuthorityAbsent);
  winbindd_.there = true;
  EXPECT_EQ(ask(), Status::kAuthorityDenied) << "the new winbindd has not let us in yet";
}

// Where the Guest account is enabled, Windows lets everybody in as that.
TEST_F(WinbindTest, GuestsAreNobody) {
  winbindd_.info.user_flags |= WBC_AUTH_USER_INFO_GUEST;
  EXPECT_EQ(ask(), Status::kNtlmProof);
  winbindd_.info.user_flags &= ~std::uint32_t{WBC_AUTH_USER_INFO_GUEST};
  EXPECT_EQ(ask(), Status::kEstablished);
  winbindd_.sids[0].sid = sid_of(5, {21, 11, 22, 33, 501});
  EXPECT_EQ(ask(), Status::kNtlmProof);
}

TEST_F(WinbindTest, AnLmPasswordIsNone) {
  winbindd_.info.user_flags |= WBC_AUTH_USER_INFO_USED_LM_PASSWORD;
  EXPECT_EQ(ask(), Status::kNtlmLm);
}

TEST_F(WinbindTest, AKeyOfZerosIsNone) {
  std::ranges::fill(winbindd_.info.user_session_key, std::uint8_t{0});
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
  winbindd_.info.user_session_key[15] = 1;
  EXPECT_EQ(ask(), Status::kEstablished);
}

TEST_F(WinbindTest, RefusesAnAccountWithoutNameOrSid) {
  winbindd_.info.account_name = nullptr;
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
  std::string empty;
  winbindd_.info.account_name = empty.data();
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
  winbindd_.info.account_name = winbindd_.account.data();
  EXPECT_EQ(ask(), Status::kEstablished);
  const std::vector<wbcSidWithAttr> sids = winbindd_.sids;
  winbindd_.sids.resize(2);
  EXPECT_EQ(ask(), Status::kEstablished);
  winbindd_.sids.resize(1);
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
  winbindd_.sids = sids;
  winbindd_.sids[0].sid.sub_auths[4] = 0;
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
}

TEST_F(WinbindTest, RefusesASidThatIsNone) {
  for (const std::size_t which : {0u, 1u, 4u}) {
    const wbcDomainSid good = winbindd_.sids[which].sid;
    winbindd_.sids[which].sid.sid_rev_num = 2;
    EXPECT_EQ(ask(), Status::kAuthorityFailed);
    winbindd_.sids[which].sid = good;
    winbindd_.sids[which].sid.num_auths = 16;
    EXPECT_EQ(ask(), Status::kAuthorityFailed);
    winbindd_.sids[which].sid.num_auths = 0;
    EXPECT_EQ(ask(), Status::kAuthorityFailed);
    winbindd_.sids[which].sid = good;
    EXPECT_EQ(ask(), Status::kEstablished);
  }
}

// winbindd cuts names off at 255 bytes.
TEST_F(WinbindTest, ANameThatMayBeCutOffIsNotTaken) {
  std::string longest(254, 'a');
  std::string cut(255, 'a');
  for (char* wbcAuthUserInfo::*name :
       {&wbcAuthUserInfo::account_name, &wbcAuthUserInfo::domain_name}) {
    char* const good = winbindd_.info.*name;
    winbindd_.info.*name = longest.data();
    EXPECT_EQ(ask(), Status::kEstablished);
    winbindd_.info.*name = cut.data();
    EXPECT_EQ(ask(), Status::kAuthorityFailed);
    winbindd_.info.*name = good;
  }
  winbindd_.info.user_principal = longest.data();
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_EQ(utf8(pac().upn_dns.upn), longest);
  winbindd_.info.user_principal = cut.data();
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_TRUE(pac().upn_dns.upn.empty());
}

TEST_F(WinbindTest, AFullNameLosesHalfACharacterAtMost) {
  const std::string prefix(252, 'a');
  const std::string whole[] = {prefix + "abc", prefix + "a\xc3\xbc", prefix + "\xe6\xbc\xa2"};
  for (const std::string& name : whole) {
    std::string full = name;
    winbindd_.info.full_name = full.data();
    EXPECT_EQ(ask(), Status::kEstablished);
    EXPECT_EQ(utf8(pac().logon_info.full_name), name);
  }
  const std::string halves[] = {"ab\xc3", "a\xe6\xbc", "\xf0\x90\x90", "ab\xf0"};
  for (const std::string& half : halves) {
    std::string full = prefix + half;
    winbindd_.info.full_name = full.data();
    EXPECT_EQ(ask(), Status::kEstablished);
    EXPECT_EQ(utf8(pac().logon_info.full_name),
              prefix + half.substr(0, half.find_first_not_of("ab")));
  }
}

TEST_F(WinbindTest, NamesThatAreNoUtf8AreNoAnswer) {
  winbindd_.account = "al\xc3\xbc";
  winbindd_.info.account_name = winbindd_.account.data();
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_EQ(answer_.user, "al\xc3\xbc");
  winbindd_.account = "al\xfc";
  winbindd_.info.account_name = winbindd_.account.data();
  EXPECT_EQ(ask(), Status::kAuthorityFailed);
}

TEST_F(WinbindTest, AsksNothingThatWouldBeCutOffOnTheWay) {
  const std::string longest(255, 'a');
  const std::string longer(256, 'a');
  const std::string_view zero("a\0b", 3);
  for (const auto name : {&NtlmQuestion::user, &NtlmQuestion::domain, &NtlmQuestion::workstation}) {
    const Bytes good = question_.*name;
    question_.*name = bytes(longest);
    EXPECT_EQ(ask(), Status::kEstablished);
    for (const std::string_view bad : {std::string_view(longer), zero}) {
      const int asked = winbindd_.asked;
      question_.*name = bytes(bad);
      EXPECT_EQ(ask(), Status::kAuthorityQuestion);
      EXPECT_EQ(winbindd_.asked, asked);
    }
    question_.*name = good;
  }
}

TEST_F(WinbindTest, AsksNothingWithoutAResponse) {
  question_.nt_response = {};
  EXPECT_EQ(ask(), Status::kAuthorityQuestion);
  question_.nt_response = nt_response_;
  question_.kind = crypto::ProofKind::kV1Session;
  question_.lm_response = Bytes(lm_response_).first(7);
  EXPECT_EQ(ask(), Status::kAuthorityQuestion);
  EXPECT_EQ(winbindd_.asked, 0);
  question_.lm_response = Bytes(lm_response_).first(8);
  EXPECT_EQ(ask(), Status::kEstablished);
}

TEST_F(WinbindTest, EmptyDomainAndWorkstationAreAskedAbout) {
  question_.user = bytes("alice@example.test");
  question_.domain = {};
  question_.workstation = {};
  EXPECT_EQ(ask(), Status::kEstablished);
  EXPECT_EQ(winbindd_.asked_account, "alice@example.test");
  EXPECT_EQ(winbindd_.asked_domain, "");
  EXPECT_EQ(winbindd_.asked_workstation, "");
}

TEST(Winbind, NobodyIsMadeWithoutALine) { EXPECT_EQ(make_winbind_answerer(nullptr), nullptr); }

// The real library, where no winbindd is to be found.
TEST(Winbind, SaysThatThereIsNoWinbindd) {
  if (access("/run/samba/winbindd/pipe", F_OK) == 0) {
    GTEST_SKIP() << "there is one";
  }
  const std::unique_ptr<Answerer> answerer = make_winbind_answerer();
  ASSERT_NE(answerer, nullptr);
  const Octets response(64, 1);
  NtlmQuestion question;
  question.user = response;
  question.nt_response = response;
  for (int i = 0; i < 2; ++i) {
    NtlmAnswer answer;
    answerer->answer(question, answer);
    EXPECT_EQ(answer.status, Status::kAuthorityAbsent);
  }
}

TEST(DomainNames, ReplaceThoseThatNobodyHasChosen) {
  const NtlmTarget local{"WEB", "WEB", "", "web"};
  const NtlmTarget domain{"EXAMPLE", "MEMBER", "example.org", ""};
  NtlmTarget target = local;
  adopt(target, local, domain);
  EXPECT_EQ(target.netbios_domain, "EXAMPLE");
  EXPECT_EQ(target.netbios_computer, "MEMBER");
  EXPECT_EQ(target.dns_domain, "example.org");
  EXPECT_EQ(target.dns_computer, "web");  // The domain does not say.

  target = {"CHOSEN", "WEB", "", "web"};
  adopt(target, local, domain);
  EXPECT_EQ(target.netbios_domain, "CHOSEN");
  EXPECT_EQ(target.netbios_computer, "MEMBER");
}

}  // namespace
}  // namespace usher::auth
