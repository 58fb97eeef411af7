// QuerySecurityContextToken where name services are slow, fail, or say what only a domain can. From
// below the C ABI, where a test can play their part.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "engine/sspi_users.h"
#include "tests/engine/user_caller.h"
#include "tests/in_child.h"
#include "tests/users/fake_name_services.h"
#include "tests/users/system_call_filter.h"

namespace usher::testing {
namespace {

using users::Settings;
using users::Source;

constexpr const char* kAlicesSid = "S-1-5-21-1000-2000-3000-1103";
constexpr std::uint64_t kThreads = 4;  // PatientThreads::Limits
constexpr std::uint64_t kWaiting = 64;

// Each case has a process of its own, with settings of its own.
class SspiUserServices : public ::testing::Test {
 protected:
  SspiUserServices() {
    services.accounts = {{"alice", {"alice", 1001, 101}}};
    services.groups = {{"alice", {101, 7}}};
    services.locals = {{"alice@EXAMPLE.TEST", "alice"}};
    services.sids = {{kAlicesSid, 1001}};
  }
  void start(std::vector<Source> order, std::int64_t deadline_ms) {
    auto settings = std::make_unique<Settings>();
    settings->order = std::move(order);
    settings->deadline_ms = deadline_ms;
    settings->services = &services;
    sspi::keep_user_settings(std::move(settings));
    door.emplace();
    alice = door->kerberos_with_pac();
  }
  void expect_refused(SECURITY_STATUS status, std::string_view why) {
    const Token token(alice);
    EXPECT_EQ(token.status, status);
    EXPECT_NE(token.why.find(why), std::string::npos) << token.why;
  }

  FakeNameServices services;
  std::optional<Door> door;
  CtxtHandle alice = no_handle();
};

TEST_F(SspiUserServices, WinbindKnowsTheSid) {
  in_child([this] {
    start({Source::kWinbind}, 600'000);
    const Token token(alice);
    ASSERT_EQ(token.status, SEC_E_OK) << token.why;
    EXPECT_STREQ(token->FoundBy, "winbind");
    EXPECT_EQ(token->Uid, 1001u);
    EXPECT_EQ(token->GroupCount, 2u);
    EXPECT_EQ(token->Groups[1], 7u);
    CtxtHandle without_sid = door->kerberos("alice@EXAMPLE.TEST");
    EXPECT_EQ(Token(without_sid).status, SEC_E_NO_IMPERSONATION);
  });
}

// A domain has given the account "alice$" a ticket as "alice".
TEST_F(SspiUserServices, AreNotAskedForANameThatIsNotTheAccounts) {
  in_child([this] {
    start({Source::kKrb5}, 600'000);
    EXPECT_EQ(Token(alice).status, SEC_E_OK) << "this one's is";
    const std::size_t asked = services.asked().size();
    alice = door->kerberos_with_pac("alice$");
    expect_refused(SEC_E_NO_IMPERSONATION,
                   "the client's name is not its account's, which its PAC tells");
    EXPECT_EQ(ImpersonateSecurityContext(&alice), SEC_E_NO_IMPERSONATION);
    EXPECT_EQ(services.asked().size(), asked);
  });
}

TEST_F(SspiUserServices, AreNotAskedWithoutASidWhereSidsCount) {
  in_child([this] {
    start({Source::kKrb5, Source::kWinbind}, 600'000);
    EXPECT_EQ(Token(alice).status, SEC_E_OK);
    const std::size_t asked = services.asked().size();
    alice = door->kerberos("alice@EXAMPLE.TEST");
    expect_refused(SEC_E_NO_IMPERSONATION, "the client has come without a PAC");
    EXPECT_EQ(services.asked().size(), asked);
  });
}

TEST_F(SspiUserServices, TellsOfAUserWhoHasOnlyANumber) {
  in_child([this] {
    services.accounts.clear();
    start({Source::kWinbind}, 600'000);
    expect_refused(SEC_E_NO_IMPERSONATION,
                   "\"winbind\" names a user whom name services do not know: uid 1001");
  });
}

TEST_F(SspiUserServices, AreNotWaitedForLongerThanTheDeadline) {
  in_child([this] {
    start({Source::kKrb5}, 20);
    services.hang();
    expect_refused(SEC_E_NO_AUTHENTICATING_AUTHORITY, "did not answer within UserMilliseconds");
    EXPECT_EQ(ImpersonateSecurityContext(&alice), SEC_E_NO_AUTHENTICATING_AUTHORITY);
    services.release();
    SECURITY_STATUS status = SEC_E_NO_AUTHENTICATING_AUTHORITY;
    while (status == SEC_E_NO_AUTHENTICATING_AUTHORITY) {  // The machine may be slow.
      status = Token(alice).status;
    }
    EXPECT_EQ(status, SEC_E_OK);
  });
}

TEST_F(SspiUserServices, TurnAwayWhomTheyHaveNoRoomFor) {
  in_child([this] {
    start({Source::kKrb5}, 600'000);
    services.hang();
    std::vector<CtxtHandle> contexts;
    std::vector<std::thread> callers;
    std::atomic<int> busy{0};
    std::atomic<int> found{0};
    for (std::uint64_t n = 0; n < kThreads + kWaiting + 1; ++n) {
      contexts.push_back(door->kerberos("alice@EXAMPLE.TEST"));
    }
    for (CtxtHandle& context : contexts) {
      callers.emplace_back([&] {
        const Token token(context);
        if (token.status == SEC_E_OK) {
          ++found;
        } else {
          EXPECT_EQ(token.status, SEC_E_NO_AUTHENTICATING_AUTHORITY);
          EXPECT_EQ(token.why, "too many threads wait for name services already");
          ++busy;
        }
      });
    }
    while (busy == 0) {
      std::this_thread::yield();
    }
    services.release();
    for (std::thread& caller : callers) {
      caller.join();
    }
    EXPECT_EQ(busy, 1);
    EXPECT_EQ(found, static_cast<int>(kThreads + kWaiting));
  });
}

TEST_F(SspiUserServices, ThatFailAreSaidTo) {
  in_child([this] {
    services.otherwise = Known::kFailed;
    services.locals.clear();
    start({Source::kKrb5}, 600'000);
    expect_refused(SEC_E_NO_AUTHENTICATING_AUTHORITY,
                   "\"krb5\" or name services about its user failed");
    services.out_of_memory = true;
    expect_refused(SEC_E_INSUFFICIENT_MEMORY, "memory");
  });
}

TEST_F(SspiUserServices, NeedAThread) {
  in_child([this] {
    start({Source::kKrb5}, 600'000);
    ASSERT_TRUE(fail_call(SYS_clone3, EPERM) && fail_call(SYS_clone, EAGAIN));
    expect_refused(SEC_E_INSUFFICIENT_MEMORY, "no thread to ask name services on can be had");
  });
}

// A parent's threads, and whoever waits for them, are not the child's.
TEST_F(SspiUserServices, AreAskedAnewInAForkedChild) {
  in_child([this] {
    start({Source::kKrb5}, 600'000);
    services.hang();
    std::thread waiting([this] { EXPECT_EQ(Token(alice).status, SEC_E_OK); });
    services.wait_asked(1);
    in_child([this] {
      FakeNameServices others;
      others.accounts = services.accounts;
      others.groups = services.groups;
      others.locals = services.locals;
      auto settings = std::make_unique<Settings>();
      settings->services = &others;
      settings->deadline_ms = 600'000;
      sspi::keep_user_settings(std::move(settings));
      EXPECT_EQ(Token(alice).status, SEC_E_OK);
    });
    services.release();
    waiting.join();
  });
}

}  // namespace
}  // namespace usher::testing
