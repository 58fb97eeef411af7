// Promise: an embedding program is asked about NTLM clients it may know, answers each inquiry once,
// at once or later, and AcceptSecurityContext waits no longer than it was told to.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "engine/crypto/proof_batch.h"
#include "tests/engine/sspi_caller.h"

namespace usher {
namespace {

using namespace testing;

constexpr std::string_view kPassword = "C4rol";

// Program is what embeds the library: its USHER_ASK and what came in.
class Program {
 public:
  enum class How { kAtOnce, kFromAnotherThread, kNever };

  static void ask(void* context, const USHER_QUESTION* question) {
    static_cast<Program*>(context)->on_question(*question);
  }

  Program() {
    Octets password;
    for (const char c : kPassword) {
      password.insert(password.end(), {static_cast<std::uint8_t>(c), 0});
    }
    EXPECT_TRUE(crypto::nt_hash_of(*kit_, password, nt_hash));
    answer.NtHash = nt_hash.data();
    answer.User = "Carol";
    answer.Domain = "SHOP";
  }
  ~Program() { join(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

  CredHandle* credential = nullptr;
  How how = How::kAtOnce;
  Octets nt_hash = Octets(16);
  USHER_ANSWER answer{};
  SECURITY_STATUS answered = SEC_E_INTERNAL_ERROR;
  std::atomic<int> asked{0};  // Counted when the rest has been written.
  std::uint64_t inquiry = 0;
  std::string user;
  std::string domain;
  std::string workstation;
  std::uint32_t response = 0;
  std::function<void()> inside;

 private:
  void on_question(const USHER_QUESTION& question) {
    inquiry = question.Inquiry;
    user = question.User;
    domain = question.Domain;
    workstation = question.Workstation;
    response = question.Response;
    EXPECT_GT(question.NtResponseSize, 16u);
    EXPECT_EQ(question.ClientChallenge, nullptr);  // Of NTLMv2 it is in the response.
    EXPECT_NE(question.NtResponse, nullptr);
    ++asked;
    if (inside) {
      inside();
    }
    if (how == How::kAtOnce) {
      answered = usher_answer(credential, inquiry, &answer);
    } else if (how == How::kFromAnotherThread) {
      threads_.emplace_back([this] { answered = usher_answer(credential, inquiry, &answer); });
    }
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  std::vector<std::thread> threads_;
};

class SspiAuthority : public SspiTest {
 protected:
  void SetUp() override {
    SspiTest::SetUp();
    asking.emplace(with_ask());
    ASSERT_EQ(asking->status, SEC_E_OK) << usher_last_refusal();
    program.credential = &asking->handle;
    client.fields.user = u"carol";
    client.fields.domain = u"shop";
    client.fields.password = u"C4rol";
  }
  USHER_ACCEPTOR with_ask() {
    USHER_ACCEPTOR with = acceptor();
    with.Ask = Program::ask;
    with.AskContext = &program;
    with.AuthorityMilliseconds = 2'000;
    return with;
  }
  Called sign_on() {
    Called leg = accept(asking->handle, client.first());
    EXPECT_EQ(leg.status, SEC_I_CONTINUE_NEEDED);
    leg = accept(asking->handle, client.second(leg.reply), &leg.context);
    program.join();
    return leg;
  }

  Program program;
  std::optional<OwnCredential> asking;
};

TEST_F(SspiAuthority, LetsInWhomTheProgramKnows) {
  for (const Program::How how : {Program::How::kAtOnce, Program::How::kFromAnotherThread}) {
    program.how = how;
    Called leg = sign_on();
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(program.answered, SEC_E_OK);
    SecPkgContext_NamesA names{};
    ASSERT_EQ(QueryContextAttributesA(&leg.context, SECPKG_ATTR_NAMES, &names), SEC_E_OK);
    EXPECT_STREQ(names.sUserName, "SHOP\\Carol");
    FreeContextBuffer(names.sUserName);
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  }
  EXPECT_EQ(program.asked, 2);
  EXPECT_EQ(program.user, "carol");
  EXPECT_EQ(program.domain, "shop");
  EXPECT_EQ(program.workstation, "CLIENT");
  EXPECT_EQ(program.response, USHER_RESPONSE_NTLMV2);
}

TEST_F(SspiAuthority, RefusesAWrongPasswordAndNobody) {
  client.fields.password = u"guess";
  EXPECT_EQ(sign_on().status, SEC_E_LOGON_DENIED);
  client.fields.password = u"C4rol";
  program.answer = {.Status = SEC_E_LOGON_DENIED};
  EXPECT_EQ(sign_on().status, SEC_E_LOGON_DENIED);
  program.answer = {.Status = SEC_E_NO_AUTHENTICATING_AUTHORITY};
  EXPECT_EQ(sign_on().status, SEC_E_NO_AUTHENTICATING_AUTHORITY);
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiAuthority, DoesNotAskAboutAccountsItHas) {
  client.fields = {};  // alice
  Called leg = sign_on();
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(program.asked, 0);
  DeleteSecurityContext(&leg.context);
}

TEST_F(SspiAuthority, ServesNtlmWithoutAnyAccounts) {
  USHER_ACCEPTOR with = with_ask();
  with.Accounts = nullptr;
  asking.emplace(with, NTLMSP_NAME_A);
  ASSERT_EQ(asking->status, SEC_E_OK) << usher_last_refusal();
  Called leg = sign_on();
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  DeleteSecurityContext(&leg.context);
}

TEST_F(SspiAuthority, WaitsNoLongerThanItWasTold) {
  USHER_ACCEPTOR with = with_ask();
  with.AuthorityMilliseconds = 20;
  with.AuthorityQuestions = 1;
  asking.emplace(with);
  program.how = Program::How::kNever;
  EXPECT_EQ(sign_on().status, SEC_E_NO_AUTHENTICATING_AUTHORITY);
  EXPECT_NE(std::string_view(usher_last_refusal()).find("deadline"), std::string_view::npos);
  EXPECT_EQ(free_slots(), kTestSlots);

  // What was given up is over: it takes no answer, and the only place there is is free.
  EXPECT_EQ(usher_answer(&asking->handle, program.inquiry, &program.answer), SEC_E_INVALID_HANDLE);
  program.how = Program::How::kAtOnce;
  Called leg = sign_on();
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  DeleteSecurityContext(&leg.context);
}

TEST_F(SspiAuthority, TakesOneAnswerForAnInquiry) {
  Called leg = sign_on();
  ASSERT_EQ(leg.status, SEC_E_OK);
  EXPECT_EQ(usher_answer(&asking->handle, program.inquiry, &program.answer), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(usher_answer(&asking->handle, 0, &program.answer), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(usher_answer(&asking->handle, ~std::uint64_t{0}, &program.answer),
            SEC_E_INVALID_HANDLE);
  EXPECT_EQ(usher_answer(&credential.handle, program.inquiry, &program.answer),
            SEC_E_INVALID_HANDLE)
      << "it asks nobody";
  EXPECT_EQ(usher_answer(nullptr, program.inquiry, &program.answer), SEC_E_INVALID_HANDLE);
  DeleteSecurityContext(&leg.context);
}

// Each way to be wrong is refused and leaves the inquiry open: then the right answer lets in.
TEST_F(SspiAuthority, RefusesAnswersThatSayNothing) {
  program.how = Program::How::kNever;
  Called leg = accept(asking->handle, client.first());
  Called second;
  std::thread caller(
      [&] { second = accept(asking->handle, client.second(leg.reply), &leg.context); });
  while (program.asked == 0) {
    std::this_thread::yield();
  }
  const auto answer = [this](const USHER_ANSWER* given) {
    return usher_answer(&asking->handle, program.inquiry, given);
  };
  USHER_ANSWER good = program.answer;
  const auto bad = [&](auto spoil) {
    USHER_ANSWER given = good;
    spoil(given);
    EXPECT_EQ(answer(&given), SEC_E_INVALID_PARAMETER);
  };
  bad([](USHER_ANSWER& a) { a.NtHash = nullptr; });
  bad([](USHER_ANSWER& a) { a.SessionKey = a.NtHash; });
  bad([](USHER_ANSWER& a) { a.User = nullptr; });
  bad([](USHER_ANSWER& a) { a.User = ""; });
  bad([](USHER_ANSWER& a) { a.Status = SEC_I_CONTINUE_NEEDED; });
  bad([](USHER_ANSWER& a) { a.User = "\xff"; });
  bad([](USHER_ANSWER& a) { a.Domain = "\xed\xa0\x80"; });
  bad([](USHER_ANSWER& a) { a.User = "a\r\nX: y"; });
  const std::string long_name(768, 'x');
  bad([&](USHER_ANSWER& a) { a.User = long_name.c_str(); });  // With its domain that is too much.
  EXPECT_EQ(answer(nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(answer(&good), SEC_E_OK);
  caller.join();
  EXPECT_EQ(second.status, SEC_E_OK);
  DeleteSecurityContext(&second.context);
}

// ends_in_order says whether a child that runs `body` ends with 0, and soon.
template <class Body>
bool ends_in_order(Body body) {
  constexpr unsigned kLateS = 20;
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kLateS);
    ::_exit(body() ? 0 : 1);
  }
  int status = -1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

// A reload waits for the turn that asks; fork must not wait for the reload.
TEST_F(SspiAuthority, MayForkInsideWhileAnotherThreadReloads) {
  std::thread reloading;
  bool in_order = false;
  program.inside = [&] {
    reloading = std::thread([this] { EXPECT_EQ(usher_reload(&asking->handle), SEC_E_OK); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // It is waiting, as a rule.
    ::alarm(20);                                                  // Ends this process if fork does.
    in_order = ends_in_order([this] {
      // The keys were being replaced; nobody does that any more.
      const bool refused = usher_reload(&asking->handle) == SEC_E_OUT_OF_SEQUENCE;
      OwnCredential own(acceptor());
      return refused && own.status == SEC_E_OK;
    });
    ::alarm(0);
  };
  EXPECT_EQ(sign_on().status, SEC_E_OK);
  reloading.join();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(usher_reload(&asking->handle), SEC_E_OK);
}

// In a child nobody is in the middle of a turn but who has forked.
TEST_F(SspiAuthority, AChildOfAForkReloadsThoughItsParentWasInATurn) {
  std::binary_semaphore entered(0);
  std::binary_semaphore leave(0);
  program.inside = [&] {
    entered.release();
    leave.acquire();
  };
  std::thread signing_on([this] { EXPECT_EQ(sign_on().status, SEC_E_OK); });
  entered.acquire();
  EXPECT_TRUE(ends_in_order([this] {
    return usher_reload(&asking->handle) == SEC_E_OK && usher_reload(&asking->handle) == SEC_E_OK;
  }));
  leave.release();
  signing_on.join();
  EXPECT_EQ(usher_reload(&asking->handle), SEC_E_OK);
}

// Inside a USHER_ASK the thread is in the middle of a turn: another would undo it, and a reload
// would wait for it.
TEST_F(SspiAuthority, AskMayNotBeginAnother) {
  program.how = Program::How::kAtOnce;
  program.inside = [this] {
    EXPECT_EQ(accept(asking->handle, client.first()).status, SEC_E_OUT_OF_SEQUENCE);
    EXPECT_EQ(usher_reload(&asking->handle), SEC_E_OUT_OF_SEQUENCE);
  };
  Called leg = sign_on();
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(usher_reload(&asking->handle), SEC_E_OK) << usher_last_refusal();
  DeleteSecurityContext(&leg.context);
}

// 768 octets of OEM become twice as many of UTF-8.
TEST_F(SspiAuthority, AsksAboutLongOemNamesAsTheyAre) {
  client.negotiate =
      mint::ntlm_negotiate({.flags = ntlm::NegotiateFlags::kOem | ntlm::NegotiateFlags::kNtlm |
                                     ntlm::NegotiateFlags::kExtendedSessionSecurity |
                                     ntlm::NegotiateFlags::kAlwaysSign});
  client.fields.user = std::u16string(768, u'\u00fc');
  client.fields.mic = false;
  EXPECT_EQ(sign_on().status, SEC_E_LOGON_DENIED);
  EXPECT_EQ(program.user.size(), 2u * 768);
}

TEST_F(SspiAuthority, RefusesOptionsThatContradictEachOther) {
  USHER_ACCEPTOR with = with_ask();
  with.Authority = "winbind";
  EXPECT_EQ(OwnCredential(with).status, SEC_E_INVALID_PARAMETER) << "two authorities";
  with.Ask = nullptr;
  with.Authority = "radius";
  EXPECT_EQ(OwnCredential(with).status, SEC_E_INVALID_PARAMETER);
  with = with_ask();
  with.AuthorityMilliseconds = 600'001;
  EXPECT_EQ(OwnCredential(with).status, SEC_E_INVALID_PARAMETER);
  with = with_ask();
  with.AuthorityQuestions = 4'097;
  EXPECT_EQ(OwnCredential(with).status, SEC_E_INVALID_PARAMETER);
  with.AuthorityQuestions = 4'096;
  EXPECT_EQ(OwnCredential(with).status, SEC_E_OK) << usher_last_refusal();
}

}  // namespace
}  // namespace usher
