// No accept runs CPUID: in a virtual machine that instruction goes to the hypervisor, which takes
// longer than all the rest of a sign-on. A child process is stepped through warm accepts one
// instruction at a time, and each that it is about to run is looked at.
#include <gtest/gtest.h>

#if defined(__has_feature)
#define USHER_HAS_FEATURE(x) __has_feature(x)
#else
#define USHER_HAS_FEATURE(x) 0
#endif
#if !defined(__x86_64__)
#define USHER_STEPS_ARE_NOT_LOOKED_AT "there is no such instruction here"
#elif USHER_HAS_FEATURE(address_sanitizer) || USHER_HAS_FEATURE(thread_sanitizer) || \
    USHER_HAS_FEATURE(memory_sanitizer)
#define USHER_STEPS_ARE_NOT_LOOKED_AT "a sanitizer's steps are too many"
#endif
#ifdef USHER_STEPS_ARE_NOT_LOOKED_AT

TEST(NoCpuid, IsLookedForElsewhere) { GTEST_SKIP() << USHER_STEPS_ARE_NOT_LOOKED_AT; }

#else

#include <cpuid.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <usher/acceptor.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <vector>

#include "tests/engine/sspi_caller.h"
#include "tools/stepped.h"

namespace usher::testing {
namespace {

constexpr int kWarmUpRounds = 4;
constexpr std::size_t kBatch = 9;  // As many as go side by side in the widest registers there are.

using tools::kCannotBeTraced;
using tools::mark_steps;

// Seen is what a child did between its marks.
struct Seen {
  tools::Stepped stepped;  // Its body returns how many were accepted.
  long cpuids = 0;
  std::uint64_t cpuid_at = 0;  // Of the last of them.
};

bool is_cpuid(long word) { return (word & 0xffff) == 0xa20f; }  // 0F A2.

// watch runs `body` in a child, and looks at what it runs between marks.
template <class Body>
Seen watch(Body body) {
  Seen seen;
  seen.stepped = tools::step(body, [&seen](pid_t child) {
    const auto at = static_cast<std::uint64_t>(
        ::ptrace(PTRACE_PEEKUSER, child, offsetof(user_regs_struct, rip), nullptr));
    errno = 0;
    const long word = ::ptrace(PTRACE_PEEKTEXT, child, at, nullptr);
    if (errno == 0 && is_cpuid(word)) {
      ++seen.cpuids;
      seen.cpuid_at = at;
    }
  });
  return seen;
}

// watch_service gives `body` a credential whose keytab has a key of `etype`, in a child.
template <class Body>
Seen watch_service(std::int32_t etype, Body body) {
  return watch([&] {
    Folder folder;
    Realm realm;
    realm.service = mint::make_service(*realm.random, "HTTP/web.example.test@EXAMPLE.TEST", etype);
    const std::string keytab = folder.write("keytab", mint::keytab_image({&realm.service, 1}));
    const std::string accounts = folder.write("accounts", kAccounts);
    USHER_ACCEPTOR acceptor{};
    acceptor.Keytab = keytab.c_str();
    acceptor.Accounts = accounts.c_str();
    acceptor.Policy = "kerberos.rc4=allow";
    OwnCredential credential(acceptor);
    return credential.status == SEC_E_OK ? body(credential.handle, realm) : 0;
  });
}

// Request is one call with its buffers, so that clearing them is not looked at: there each octet
// can be a step.
struct Request {
  Request(CredHandle& credential, Octets bytes, CtxtHandle* given = nullptr)
      : token(std::move(bytes)) {
    in = {static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    out = {static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    asked = {.phCredential = &credential,
             .phContext = given,
             .pInput = &input,
             .TargetDataRep = SECURITY_NATIVE_DREP,
             .phNewContext = &context,
             .pOutput = &output,
             .pfContextAttr = &attributes,
             .ptsExpiry = &expiry};
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  SECURITY_STATUS run() {
    return AcceptSecurityContext(asked.phCredential, asked.phContext, &input, 0,
                                 SECURITY_NATIVE_DREP, &context, &output, &attributes, &expiry);
  }
  [[nodiscard]] Bytes reply() const { return Bytes(room).first(out.cbBuffer); }

  Octets token;
  std::array<std::uint8_t, 2048> room{};
  SecBuffer in{};
  SecBuffer out{};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context = no_handle();
  std::uint32_t attributes = 0;
  TimeStamp expiry{};
  USHER_ACCEPT asked{};
};

void expect_none(const Seen& seen, int accepted) {
  if (seen.stepped.returned == kCannotBeTraced) {
    GTEST_SKIP() << "nothing may be traced here";
  }
  EXPECT_EQ(seen.stepped.returned, accepted);
  EXPECT_GT(seen.stepped.instructions, 1000 * accepted);
  EXPECT_EQ(seen.cpuids, 0) << "the last at " << std::hex << seen.cpuid_at;
}

mint::Ticket ticket_of(const Realm& realm) {
  mint::TicketFields fields;
  fields.auth_time = unix_now() - 60;
  fields.end_time = unix_now() + 3600;
  fields.session_etype = realm.service.etype;
  return realm.mint.ticket(realm.service, fields);
}

class NoCpuidOfEtype : public ::testing::TestWithParam<std::int32_t> {};

// A ticket that is new, and one that was seen before.
TEST_P(NoCpuidOfEtype, OneLegOfKerberosRunsNone) {
  const Seen seen = watch_service(GetParam(), [](CredHandle& credential, Realm& realm) {
    const mint::Ticket known = ticket_of(realm);
    for (int i = 0; i < kWarmUpRounds; ++i) {
      (void)accept(credential, mint::spnego_token(realm.ap_req(known).message));
    }
    int accepted = 0;
    for (const mint::Ticket& ticket : {known, ticket_of(realm)}) {
      Request request(credential, mint::spnego_token(realm.ap_req(ticket).message));
      mark_steps();
      const SECURITY_STATUS status = request.run();
      mark_steps();
      accepted += status == SEC_E_OK ? 1 : 0;
    }
    return accepted;
  });
  expect_none(seen, 2);
}

INSTANTIATE_TEST_SUITE_P(Etype, NoCpuidOfEtype, ::testing::Values(18, 19, 20, 23));

TEST(NoCpuid, TwoLegsOfNtlmRunNone) {
  const Seen seen = watch_service(18, [](CredHandle& credential, Realm& realm) {
    const NtlmClient client(realm);
    int accepted = 0;
    for (int i = 0; i <= kWarmUpRounds; ++i) {
      const bool warm = i == kWarmUpRounds;
      Request first(credential, client.first_in_spnego());
      warm ? mark_steps() : void();
      (void)first.run();
      warm ? mark_steps() : void();
      Request second(credential, client.second_in_spnego(first.reply()), &first.context);
      warm ? mark_steps() : void();
      const SECURITY_STATUS status = second.run();
      warm ? mark_steps() : void();
      accepted += warm && status == SEC_E_OK ? 1 : 0;
    }
    return accepted;
  });
  expect_none(seen, 1);
}

TEST(NoCpuid, ABatchRunsNone) {
  const Seen seen = watch_service(18, [](CredHandle& credential, Realm& realm) {
    int accepted = 0;
    for (int i = 0; i <= kWarmUpRounds; ++i) {
      const bool warm = i == kWarmUpRounds;
      std::deque<Request> requests;
      std::vector<USHER_ACCEPT> asked;
      for (std::size_t n = 0; n < kBatch; ++n) {
        requests.emplace_back(credential,
                              mint::spnego_token(realm.ap_req(ticket_of(realm)).message));
        asked.push_back(requests.back().asked);
      }
      warm ? mark_steps() : void();
      (void)usher_accept_batch(asked.data(), static_cast<std::uint32_t>(asked.size()));
      warm ? mark_steps() : void();
      for (const USHER_ACCEPT& one : asked) {
        accepted += warm && one.Status == SEC_E_OK ? 1 : 0;
      }
    }
    return accepted;
  });
  expect_none(seen, int{kBatch});
}

TEST(NoCpuid, WouldBeNoticed) {
  const Seen seen = watch([] {
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
    std::uint32_t d = 0;
    __cpuid(0, a, b, c, d);  // Before the mark.
    mark_steps();
    __cpuid(0, a, b, c, d);
    mark_steps();
    return b != 0 ? 1 : 0;
  });
  if (seen.stepped.returned == kCannotBeTraced) {
    GTEST_SKIP() << "nothing may be traced here";
  }
  EXPECT_EQ(seen.stepped.returned, 1);
  EXPECT_EQ(seen.cpuids, 1);
}

}  // namespace
}  // namespace usher::testing

#endif
