// QuerySecurityContextToken, ImpersonateSecurityContext and RevertSecurityContext, with this
// machine's own users: who a client is, acting as it, and every way in which that is refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <usher/async.h>

#include <algorithm>
#include <cstring>
#include <semaphore>
#include <string>
#include <vector>

#include "tests/engine/async_caller.h"
#include "tests/engine/user_caller.h"
#include "tests/in_child.h"
#include "tests/users/system_call_filter.h"
#include "tests/users/thread_status.h"

namespace usher::testing {
namespace {

// Somebody is a user of this machine.
struct Somebody {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// others are two users, neither root nor each other: those that every machine has, or any.
std::vector<Somebody> others() {
  std::vector<Somebody> found;
  const auto add = [&found](const passwd* entry) {
    if (entry != nullptr && entry->pw_uid != 0 && found.size() < 2 &&
        std::ranges::find(found, entry->pw_uid, &Somebody::uid) == found.end()) {
      found.push_back({entry->pw_name, entry->pw_uid, entry->pw_gid});
    }
  };
  add(::getpwnam("daemon"));
  add(::getpwnam("nobody"));
  ::setpwent();
  while (const passwd* const entry = ::getpwent()) {
    add(entry);
  }
  ::endpwent();
  return found;
}

// World is what usher_start is told, once a process.
struct World {
  World() : users(others()) {
    if (users.size() < 2) {
      return;
    }
    const std::string text = "alice@EXAMPLE.TEST " + users[0].name +
                             "\n"
                             "EXAMPLE\\alice\t" +
                             users[0].name +
                             "\n"
                             "bob@EXAMPLE.TEST " +
                             users[1].name +
                             "\n"
                             "admin@EXAMPLE.TEST root\n"
                             "nobody-here@EXAMPLE.TEST -\n"
                             "ghost@EXAMPLE.TEST usher-nobody-has-this-name\n";
    const std::string map = folder.write("users", text);
    const std::string conf =
        folder.write("krb5.conf", "[libdefaults]\n default_realm = EXAMPLE.TEST\n");
    ::setenv("KRB5_CONFIG", conf.c_str(), 1);
    USHER_OPTIONS options{};
    options.Version = USHER_OPTIONS_VERSION;
    options.Size = sizeof options;
    options.UserMap = map.c_str();
    options.UserMilliseconds = 600'000;
    EXPECT_EQ(usher_start(&options), SEC_E_OK) << usher_last_refusal();
  }

  Folder folder;
  std::vector<Somebody> users;
};

class SspiUserToken : public ::testing::Test {
 protected:
  static World& world() {
    static World one;
    return one;
  }
  void SetUp() override {
    ASSERT_EQ(world().users.size(), 2u) << "these tests need two users besides root";
    door.emplace();
  }
  const Somebody& first() const { return world().users[0]; }
  const Somebody& second() const { return world().users[1]; }

  // expect_refused says that a context has no token for this reason, and cannot be impersonated.
  static void expect_refused(CtxtHandle context, SECURITY_STATUS status, std::string_view why) {
    const Token token(context);
    EXPECT_EQ(token.status, status);
    EXPECT_NE(token.why.find(why), std::string::npos) << token.why;
    EXPECT_EQ(ImpersonateSecurityContext(&context), status);
    EXPECT_NE(std::string_view(usher_last_refusal()).find(why), std::string_view::npos);
  }

  std::optional<Door> door;
};

TEST_F(SspiUserToken, IsAnAttributeOfTheContextToo) {
  CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
  SecPkgContext_AccessToken attribute{};
  ASSERT_EQ(
      QueryContextAttributesExW(&context, SECPKG_ATTR_ACCESS_TOKEN, &attribute, sizeof(attribute)),
      SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(static_cast<PUSHER_TOKEN>(attribute.AccessToken)->Uid, first().uid);
  FreeContextBuffer(attribute.AccessToken);
}

TEST_F(SspiUserToken, TellsWhoTheClientIsHere) {
  CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
  const Token token(context);
  ASSERT_EQ(token.status, SEC_E_OK) << token.why;
  EXPECT_EQ(token->Size, sizeof(USHER_TOKEN));
  EXPECT_EQ(token->Uid, first().uid);
  EXPECT_EQ(token->Gid, first().gid);
  EXPECT_EQ(token->UserName, first().name);
  EXPECT_STREQ(token->ClientName, "alice@EXAMPLE.TEST");
  EXPECT_STREQ(token->FoundBy, "map");
  const std::span<const std::uint32_t> groups(token->Groups, token->GroupCount);
  EXPECT_NE(std::ranges::find(groups, first().gid), groups.end());
  EXPECT_STREQ(token->UserSid, "");
  EXPECT_STREQ(token->PrimaryGroupSid, "");
  EXPECT_EQ(token->SidCount, 0u);
  EXPECT_EQ(token->Reserved, 0u);
}

TEST_F(SspiUserToken, TellsWhatTheDomainSays) {
  CtxtHandle context = door->kerberos_with_pac();
  const Token token(context);
  ASSERT_EQ(token.status, SEC_E_OK) << token.why;
  EXPECT_EQ(token->Uid, first().uid);
  EXPECT_STREQ(token->UserSid, "S-1-5-21-1000-2000-3000-1103");
  EXPECT_STREQ(token->PrimaryGroupSid, "S-1-5-21-1000-2000-3000-513");
  PUSHER_IDENTITY identity = nullptr;
  ASSERT_EQ(usher_query_identity(&context, &identity), SEC_E_OK);
  ASSERT_EQ(token->SidCount, identity->GroupCount);
  ASSERT_GT(token->SidCount, 1u);
  for (std::uint32_t i = 0; i < token->SidCount; ++i) {
    EXPECT_STREQ(token->Sids[i].Sid, identity->Groups[i].Sid);
    EXPECT_EQ(token->Sids[i].Attributes, identity->Groups[i].Attributes);
  }
  FreeContextBuffer(identity);
}

TEST_F(SspiUserToken, OfAnNtlmClient) {
  CtxtHandle context = door->ntlm(u"alice", u"Al1ce-Passw0rd");
  const Token token(context);
  ASSERT_EQ(token.status, SEC_E_OK) << token.why;
  EXPECT_EQ(token->Uid, first().uid);
  EXPECT_STREQ(token->ClientName, "EXAMPLE\\alice");
  EXPECT_STREQ(token->UserSid, "");
}

TEST_F(SspiUserToken, FollowsTheRulesOfKrb5Conf) {
  CtxtHandle context = door->kerberos(first().name + "@EXAMPLE.TEST");
  const Token token(context);
  ASSERT_EQ(token.status, SEC_E_OK) << token.why;
  EXPECT_EQ(token->Uid, first().uid);
  EXPECT_STREQ(token->FoundBy, "krb5");
}

TEST_F(SspiUserToken, IsACopyThatOutlivesTheContext) {
  CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
  const Token token(context);
  ASSERT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  ASSERT_EQ(token.status, SEC_E_OK);
  EXPECT_EQ(token->UserName, first().name);
}

TEST_F(SspiUserToken, IsRefusedToWhomIsNoUser) {
  expect_refused(door->kerberos("nobody-here@EXAMPLE.TEST"), SEC_E_NO_IMPERSONATION,
                 "the map of users says so");
  expect_refused(door->kerberos("ghost@EXAMPLE.TEST"), SEC_E_NO_IMPERSONATION,
                 "\"map\" names a user whom name services do not know: "
                 "usher-nobody-has-this-name");
  expect_refused(door->kerberos("HTTP/ghost@EXAMPLE.TEST"), SEC_E_NO_IMPERSONATION,
                 "nobody of USHER_OPTIONS.Users knows it");
  expect_refused(door->ntlm(u"bob", u"B0b-Passw0rd"), SEC_E_NO_IMPERSONATION,
                 "nobody of USHER_OPTIONS.Users knows it");
  // Latin-1. As a C string in UTF-8 it would be another name.
  expect_refused(door->kerberos("J\xfcrgen@EXAMPLE.TEST"), SEC_E_INVALID_UPN_NAME, "not UTF-8");
}

TEST_F(SspiUserToken, TellsRootAndDoesNotImpersonateIt) {
  CtxtHandle context = door->kerberos("admin@EXAMPLE.TEST");
  const Token token(context);
  ASSERT_EQ(token.status, SEC_E_OK) << token.why;
  EXPECT_EQ(token->Uid, 0u);
  EXPECT_STREQ(token->UserName, "root");
  const std::string before = thread_status();
  EXPECT_EQ(ImpersonateSecurityContext(&context), SEC_E_NO_IMPERSONATION);
  EXPECT_STREQ(usher_last_refusal(), "the client is root here, and root is never impersonated");
  EXPECT_EQ(thread_status(), before);
}

TEST_F(SspiUserToken, NeedsACompleteContext) {
  expect_refused(door->half_open(), SEC_E_OUT_OF_SEQUENCE, "not complete yet");
  CtxtHandle half_open = door->half_open();
  EXPECT_EQ(RevertSecurityContext(&half_open), SEC_E_NO_IMPERSONATION);
}

TEST_F(SspiUserToken, RefusesHandlesThatNameNone) {
  CtxtHandle good = door->kerberos("alice@EXAMPLE.TEST");
  CtxtHandle gone = door->kerberos("alice@EXAMPLE.TEST");
  ASSERT_EQ(DeleteSecurityContext(&gone), SEC_E_OK);
  const std::uintptr_t high = std::uintptr_t{1} << 40;
  const std::string before = thread_status();
  for (CtxtHandle forged :
       {CtxtHandle{0, 0}, no_handle(), CtxtHandle{good.dwLower, good.dwUpper + 1},
        CtxtHandle{good.dwLower, good.dwUpper | high}, CtxtHandle{good.dwLower & 0xffffff, 1},
        CtxtHandle{good.dwLower | 0xffffff, good.dwUpper}, CtxtHandle{good.dwLower, 0}, gone,
        door->credential()}) {
    expect_refused(forged, SEC_E_INVALID_HANDLE, "");
    EXPECT_NE(RevertSecurityContext(&forged), SEC_E_OK);
  }
  void* token = &token;
  EXPECT_EQ(QuerySecurityContextToken(nullptr, &token), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(token, nullptr);
  EXPECT_EQ(ImpersonateSecurityContext(nullptr), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(RevertSecurityContext(nullptr), SEC_E_INVALID_HANDLE);
  CtxtHandle none = no_handle();
  EXPECT_EQ(RevertSecurityContext(&none), SEC_E_INVALID_HANDLE);
  CtxtHandle credential = door->credential();
  EXPECT_EQ(RevertSecurityContext(&credential), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(QuerySecurityContextToken(&good, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(RevertSecurityContext(&good), SEC_E_NO_IMPERSONATION);
  EXPECT_STREQ(usher_last_refusal(), "the thread does not impersonate the client of this context");
  EXPECT_EQ(thread_status(), before);
}

// A worker has other clients to see to, and would be somebody else for them.
TEST_F(SspiUserToken, IsNotToBeHadOnAWorker) {
  in_child([this] {
    struct Seen {
      AsyncCall call;  // For its buffers.
      SECURITY_STATUS token = SEC_E_OK;
      SECURITY_STATUS impersonation = SEC_E_OK;
      std::binary_semaphore over{0};
    } seen;
    SspiAsyncContext* const async = SspiCreateAsyncContext();
    const auto ask = [](SspiAsyncContext*, void* data) {
      Seen& to = *static_cast<Seen*>(data);
      void* token = nullptr;
      to.token = QuerySecurityContextToken(&to.call.context, &token);
      EXPECT_EQ(token, nullptr);
      to.impersonation = ImpersonateSecurityContext(&to.call.context);
      to.over.release();
    };
    ASSERT_EQ(SspiSetAsyncNotifyCallback(async, ask, &seen), SEC_E_OK);
    mint::TicketFields ticket;
    ticket.auth_time = unix_now() - 60;
    ticket.end_time = unix_now() + 3600;
    Realm& realm = door->realm;
    USHER_ACCEPT request = seen.call.request(
        door->credential(),
        mint::spnego_token(realm.ap_req(realm.mint.ticket(realm.service, ticket)).message));
    ASSERT_EQ(usher_accept_async_batch(&async, &request, 1), SEC_E_OK) << usher_last_refusal();
    seen.over.acquire();
    EXPECT_EQ(seen.token, SEC_E_OUT_OF_SEQUENCE);
    EXPECT_EQ(seen.impersonation, SEC_E_OUT_OF_SEQUENCE);
    const Token token(seen.call.context);
    EXPECT_EQ(token.status, SEC_E_OK) << "on any other thread: " << token.why;
    SspiFreeAsyncContext(async);
  });
}

// Nor while another client is being asked about, in the middle of a turn.
TEST_F(SspiUserToken, IsNotToBeHadInsideAnAsk) {
  struct Seen {
    CtxtHandle alice;
    SECURITY_STATUS token = SEC_E_OK;
    SECURITY_STATUS impersonation = SEC_E_OK;
  } seen{.alice = door->kerberos("alice@EXAMPLE.TEST")};
  USHER_ACCEPTOR acceptor{};
  acceptor.AskContext = &seen;
  acceptor.AuthorityMilliseconds = 1;
  acceptor.Ask = [](void* context, const USHER_QUESTION*) {
    Seen& to = *static_cast<Seen*>(context);
    void* token = nullptr;
    to.token = QuerySecurityContextToken(&to.alice, &token);
    to.impersonation = ImpersonateSecurityContext(&to.alice);
  };
  OwnCredential asking(acceptor, NTLMSP_NAME_A);
  ASSERT_EQ(asking.status, SEC_E_OK) << usher_last_refusal();
  NtlmClient client{door->realm};
  Called leg = accept(asking.handle, client.first());
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  leg = accept(asking.handle, client.second(leg.reply), &leg.context);
  EXPECT_EQ(leg.status, SEC_E_NO_AUTHENTICATING_AUTHORITY) << "nobody answered";
  EXPECT_EQ(seen.token, SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(seen.impersonation, SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(Token(seen.alice).status, SEC_E_OK);
}

// Whoever runs this.
TEST_F(SspiUserToken, IsImpersonatedOnlyWithThePrivilege) {
  in_child([this] {
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    if (::geteuid() == 0) {
      ASSERT_TRUE(become_user(1000, 1000, bit(CAP_SETUID)));
    }
    EXPECT_EQ(Token(context).status, SEC_E_OK) << "to be told needs none";
    const std::string before = thread_status();
    EXPECT_EQ(ImpersonateSecurityContext(&context), SEC_E_NO_IMPERSONATION);
    EXPECT_STREQ(usher_last_refusal(), "impersonating needs CAP_SETUID and CAP_SETGID in effect");
    EXPECT_EQ(thread_status(), before);
    EXPECT_EQ(RevertSecurityContext(&context), SEC_E_NO_IMPERSONATION);
  });
}

// Impersonating changes who runs the test, so each case has a process of its own.
class SspiImpersonation : public SspiUserToken {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "becoming others needs root";
    }
    SspiUserToken::SetUp();
  }
  static std::string uid_line(const Somebody& who) {
    return "0\t" + std::to_string(who.uid) + "\t0\t" + std::to_string(who.uid);
  }
};

TEST_F(SspiImpersonation, ActsAsTheClientAndComesBack) {
  in_child([this] {
    const std::string text = world().folder.write("text", "text");
    ASSERT_EQ(::chmod(std::filesystem::path(text).parent_path().c_str(), 0755), 0);
    const std::string secret = world().folder.write("secret", "text");
    ASSERT_EQ(::chown(text.c_str(), first().uid, first().gid), 0);
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    const std::string before = thread_status();
    ASSERT_EQ(ImpersonateSecurityContext(&context), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(line_of(thread_status(), "Uid:"), uid_line(first()));
    EXPECT_EQ(line_of(thread_status(), "CapEff:"), "0000000000000000");
    EXPECT_GE(::open(text.c_str(), O_RDWR | O_CLOEXEC), 0);
    EXPECT_EQ(::open(secret.c_str(), O_RDONLY | O_CLOEXEC), -1);
    const Token token(context);
    EXPECT_EQ(token.status, SEC_E_OK) << "it can still be asked";
    EXPECT_EQ(RevertSecurityContext(&context), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(thread_status(), before);
    EXPECT_GE(::open(secret.c_str(), O_RDONLY | O_CLOEXEC), 0);
    EXPECT_EQ(RevertSecurityContext(&context), SEC_E_NO_IMPERSONATION) << "once";
  });
}

// A thread of the library's would be the client for good.
TEST_F(SspiImpersonation, StartsNoThreads) {
  in_child([this] {
    const auto acquire = [] {
      USHER_ACCEPTOR with{};
      with.Authority = "winbind";
      return OwnCredential(with, NTLMSP_NAME_A).status;
    };
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    ASSERT_EQ(ImpersonateSecurityContext(&context), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(SspiCreateAsyncContext(), nullptr);
    EXPECT_EQ(acquire(), SEC_E_OUT_OF_SEQUENCE) << usher_last_refusal();
    ASSERT_EQ(RevertSecurityContext(&context), SEC_E_OK) << usher_last_refusal();
    EXPECT_NE(acquire(), SEC_E_OUT_OF_SEQUENCE) << "it depends on winbindd now";
    SspiAsyncContext* const made = SspiCreateAsyncContext();
    EXPECT_NE(made, nullptr) << usher_last_refusal();
    SspiFreeAsyncContext(made);
  });
}

TEST_F(SspiImpersonation, OutlivesItsContext) {
  in_child([this] {
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    CtxtHandle handle = context;
    const std::string before = thread_status();
    ASSERT_EQ(ImpersonateSecurityContext(&context), SEC_E_OK) << usher_last_refusal();
    ASSERT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
    EXPECT_EQ(ImpersonateSecurityContext(&handle), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(line_of(thread_status(), "Uid:"), uid_line(first()));
    EXPECT_EQ(RevertSecurityContext(&handle), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(thread_status(), before);
  });
}

TEST_F(SspiImpersonation, ChangesOverAndBackToTheServer) {
  in_child([this] {
    CtxtHandle alice = door->kerberos("alice@EXAMPLE.TEST");
    CtxtHandle bob = door->kerberos("bob@EXAMPLE.TEST");
    const std::string before = thread_status();
    ASSERT_EQ(ImpersonateSecurityContext(&alice), SEC_E_OK) << usher_last_refusal();
    ASSERT_EQ(ImpersonateSecurityContext(&bob), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(line_of(thread_status(), "Uid:"), uid_line(second()));
    EXPECT_EQ(RevertSecurityContext(&alice), SEC_E_NO_IMPERSONATION);
    CtxtHandle admin = door->kerberos("admin@EXAMPLE.TEST");
    EXPECT_EQ(ImpersonateSecurityContext(&admin), SEC_E_NO_IMPERSONATION);
    EXPECT_EQ(line_of(thread_status(), "Uid:"), uid_line(second())) << "as it was";
    EXPECT_EQ(RevertSecurityContext(&bob), SEC_E_OK);
    EXPECT_EQ(thread_status(), before);
  });
}

// GSS_C_IDENTIFY_FLAG (MS-KILE 2.2).
TEST_F(SspiImpersonation, IsNotOfAClientThatOnlyWantsToBeIdentified) {
  in_child([this] {
    mint::AuthenticatorFields fields;
    fields.context_flags |= std::uint32_t(gss::ContextFlags::kIdentify);
    CtxtHandle context = door->kerberos(mint::TicketFields{}, fields);
    const Token token(context);
    EXPECT_EQ(token.status, SEC_E_OK);
    EXPECT_EQ(ImpersonateSecurityContext(&context), SEC_E_NO_IMPERSONATION);
    EXPECT_NE(std::string_view(usher_last_refusal()).find("ASC_RET_IDENTIFY"),
              std::string_view::npos);
  });
}

TEST_F(SspiImpersonation, SaysWhatTheKernelRefuses) {
  in_child([this] {
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    const std::string before = thread_status();
    ASSERT_TRUE(fail_call(SYS_setresuid, EAGAIN));
    EXPECT_EQ(ImpersonateSecurityContext(&context), SEC_E_NO_IMPERSONATION);
    EXPECT_EQ(usher_last_refusal(),
              std::string("the kernel refuses: setresuid: ") + std::strerror(EAGAIN));
    EXPECT_EQ(line_of(thread_status(), "Uid:"), line_of(before, "Uid:"));
    EXPECT_EQ(line_of(thread_status(), "Gid:"), line_of(before, "Gid:"));
    EXPECT_EQ(line_of(thread_status(), "CapEff:"), line_of(before, "CapEff:"));
  });
}

TEST_F(SspiImpersonation, SaysWhenItCannotBeUndone) {
  in_child([this] {
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    ASSERT_EQ(ImpersonateSecurityContext(&context), SEC_E_OK) << usher_last_refusal();
    ASSERT_TRUE(fail_call(SYS_setresuid, EPERM));
    EXPECT_EQ(RevertSecurityContext(&context), SEC_E_INTERNAL_ERROR);
    EXPECT_NE(std::string_view(usher_last_refusal()).find("setresuid"), std::string_view::npos);
    EXPECT_EQ(line_of(thread_status(), "Uid:"), uid_line(first()));
    EXPECT_EQ(line_of(thread_status(), "CapEff:"), "0000000000000000");
    EXPECT_EQ(RevertSecurityContext(&context), SEC_E_INTERNAL_ERROR) << "it can be tried again";
  });
}

TEST_F(SspiImpersonation, SaysWhenItIsHalfWay) {
  in_child([this] {
    CtxtHandle context = door->kerberos("alice@EXAMPLE.TEST");
    ASSERT_EQ(::syscall(SYS_setgroups, 0, nullptr), 0);
    ASSERT_TRUE(fail_call(SYS_setresuid, EPERM));
    ASSERT_TRUE(fail_call_with(SYS_setgroups, 0, 0, EPERM));
    EXPECT_EQ(ImpersonateSecurityContext(&context), SEC_E_INTERNAL_ERROR);
    EXPECT_NE(std::string_view(usher_last_refusal()).find("half the way"), std::string_view::npos);
    EXPECT_EQ(line_of(thread_status(), "CapEff:"), "0000000000000000");
  });
}

// usher_start looks at what it is told of users before anything else is made, so these do not mind
// an engine that is there.
class UserOptions : public ::testing::Test {
 protected:
  SECURITY_STATUS start() {
    options.Version = USHER_OPTIONS_VERSION;
    options.Size = sizeof options;
    return usher_start(&options);
  }
  void expect_refused(std::string_view why) {
    EXPECT_EQ(start(), SEC_E_INVALID_PARAMETER);
    EXPECT_NE(std::string_view(usher_last_refusal()).find(why), std::string_view::npos)
        << usher_last_refusal();
  }
  USHER_OPTIONS options{};
  Folder folder;
};

TEST_F(UserOptions, ThatMeanNothingAreRefused) {
  options.Users = "krb5,ldap";
  expect_refused("USHER_OPTIONS: Users: \"ldap\" is none of map, winbind and krb5");
  options.Users = "ld\nap\x1b";
  expect_refused("Users: \"ld?ap?\" is none of");
  options.Users = "map";
  expect_refused("\"map\" needs a UserMap");
  options.Users = nullptr;
  options.UserMap = "/nonexistent/users";
  expect_refused("No such file");
  const std::string wrong = folder.write("users", "alice@R a\nalice\n");
  options.UserMap = wrong.c_str();
  expect_refused(":2: expected a client, white space and a local user");
  const std::string open_to_all = folder.write("open", "alice@R a\n");
  ASSERT_EQ(::chmod(open_to_all.c_str(), 0666), 0);
  options.UserMap = open_to_all.c_str();
  expect_refused("writable by others");
  options.UserMap = nullptr;
  options.UserMilliseconds = 600'001;
  expect_refused("UserMilliseconds is more than 600,000");
}

TEST_F(UserOptions, ThatMeanSomethingAreTaken) {
  in_child([this] {
    const std::string map = folder.write("users", "alice@R a\n");
    options.Users = "krb5, map";
    options.UserMap = map.c_str();
    options.UserMilliseconds = 600'000;
    const SECURITY_STATUS status = start();
    EXPECT_TRUE(status == SEC_E_OK || status == SEC_E_OUT_OF_SEQUENCE) << usher_last_refusal();
  });
}

}  // namespace
}  // namespace usher::testing
