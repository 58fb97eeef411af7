// After a thread's first tokens, AcceptSecurityContext takes nothing from the heap and makes no
// system call, by either mechanism and however often.
#include <gtest/gtest.h>

#include "tests/engine/counted_calls.h"

#ifdef USHER_CALLS_ARE_NOT_COUNTED

TEST(NoAllocation, IsCountedElsewhere) { GTEST_SKIP() << USHER_CALLS_ARE_NOT_COUNTED; }

#else

#include <vector>

#include "tests/engine/sspi_caller.h"
#include "tools/mint/dce_mint.h"

namespace usher::testing {
namespace {

constexpr int kRounds = 10'000;
constexpr int kWarmUpRounds = 8;

// counted is the accept helper of the other tests, with everything but the call itself outside.
struct Leg {
  explicit Leg(CredHandle& handle) : credential(handle) {}

  SECURITY_STATUS run(Bytes token, bool first) {
    in = {static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN,
          const_cast<std::uint8_t*>(token.data())};
    out = {static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    g_counting = true;
    const SECURITY_STATUS status =
        AcceptSecurityContext(&credential, first ? nullptr : &context, &input, request,
                              SECURITY_NATIVE_DREP, &context, &output, &attributes, &expiry);
    if (status == SEC_E_OK) {
      DeleteSecurityContext(&context);
    }
    g_counting = false;
    return status;
  }
  [[nodiscard]] Bytes reply() const { return Bytes(room).first(out.cbBuffer); }

  CredHandle& credential;
  CtxtHandle context{};
  std::array<std::uint8_t, 2048> room{};
  SecBuffer in{};
  SecBuffer out{};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  std::uint32_t request = 0;  // ASC_REQ_*
  std::uint32_t attributes = 0;
  TimeStamp expiry{};
};

// in_child runs `body(credential, realm)` in a process of its own, where system calls are trapped,
// and returns what it counted; nothing if that process failed.
template <class Body>
Counts in_child(Body body, std::int32_t etype = 18, bool knows_krbtgt = false) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Folder folder;
    Realm realm;
    realm.service = mint::make_service(*realm.random, "HTTP/web.example.test@EXAMPLE.TEST", etype);
    const std::string keytab = folder.write("keytab", mint::keytab_image({&realm.service, 1}));
    const std::string accounts = folder.write("accounts", kAccounts);
    USHER_ACCEPTOR acceptor{};
    acceptor.Keytab = keytab.c_str();
    acceptor.Accounts = accounts.c_str();
    acceptor.Policy = "kerberos.rc4=allow";
    const std::string kdc_keytab =
        folder.write("krbtgt.keytab", mint::keytab_image({&realm.krbtgt, 1}));
    acceptor.KdcKeytab = knows_krbtgt ? kdc_keytab.c_str() : nullptr;
    OwnCredential credential(acceptor);
    if (credential.status == SEC_E_OK && trap_system_calls()) {
      body(credential.handle, realm);
      (void)!::write(ends[1], &g_counts, sizeof(g_counts));
    }
    std::filesystem::remove_all(std::filesystem::path(keytab).parent_path());
    ::_exit(0);
  }
  ::close(ends[1]);
  Counts counts;
  counts.accepted = -1;
  EXPECT_EQ(::read(ends[0], &counts, sizeof(counts)), ssize_t{sizeof(counts)})
      << "the child has died, or may not use seccomp";
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  return counts;
}

class NoAllocationOfEtype : public ::testing::TestWithParam<std::int32_t> {};

TEST_P(NoAllocationOfEtype, OneLegOfKerberosTakesNothing) {
  const auto body = [](CredHandle& credential, Realm& realm) {
    mint::TicketFields fields;
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + 3600;
    fields.session_etype = realm.service.etype;
    const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
    std::vector<Octets> tokens;
    for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
      tokens.push_back(mint::spnego_token(realm.ap_req(ticket).message));
    }
    Leg leg(credential);
    for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
      if (i == kWarmUpRounds) {
        g_counts = {};
      }
      g_counts.accepted += leg.run(tokens[static_cast<std::size_t>(i)], true) == SEC_E_OK ? 1 : 0;
    }
  };
  const Counts counts = in_child(body, GetParam());
  EXPECT_EQ(counts.accepted, kRounds);
  EXPECT_EQ(counts.heap_calls, 0);
  EXPECT_EQ(counts.system_calls, 0) << "the last was number " << counts.last_system_call;
}

INSTANTIATE_TEST_SUITE_P(Etype, NoAllocationOfEtype, ::testing::Values(17, 18, 19, 20, 23));

// 1,500 groups in a token of 48 KB, with signatures of service and KDC.
TEST(NoAllocation, ALargePacTakesNothing) {
  constexpr int kLargeRounds = 200;
  const auto body = [](CredHandle& credential, Realm& realm) {
    mint::TicketFields fields;
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + 3600;
    mint::PacFields pac;
    pac.logon_info->groups.clear();
    for (std::uint32_t i = 0; i < 1500; ++i) {
      pac.logon_info->groups.push_back({2000 + i});
    }
    pac.more = {{13, Octets(34'000, 0x13)}};  // Client claims.
    mint::add_pac(*realm.kit, *realm.random, realm.service, realm.krbtgt, fields, pac);
    const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
    std::vector<Octets> tokens;
    for (int i = 0; i < kWarmUpRounds + kLargeRounds; ++i) {
      tokens.push_back(mint::spnego_token(realm.ap_req(ticket).message));
    }
    if (tokens[0].size() < 47'000) {
      return;
    }
    Leg leg(credential);
    for (int i = 0; i < kWarmUpRounds + kLargeRounds; ++i) {
      if (i == kWarmUpRounds) {
        g_counts = {};
      }
      g_counts.accepted += leg.run(tokens[static_cast<std::size_t>(i)], true) == SEC_E_OK ? 1 : 0;
    }
  };
  const Counts counts = in_child(body, 18, true);
  EXPECT_EQ(counts.accepted, kLargeRounds);
  EXPECT_EQ(counts.heap_calls, 0);
  EXPECT_EQ(counts.system_calls, 0) << "the last was number " << counts.last_system_call;
}

TEST(NoAllocation, TwoLegsOfNtlmTakeNothing) {
  const Counts counts = in_child([](CredHandle& credential, Realm& realm) {
    const NtlmClient client(realm);
    const Octets first = client.first_in_spnego();
    Leg leg(credential);
    for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
      if (i == kWarmUpRounds) {
        g_counts = {};
      }
      if (leg.run(first, true) == SEC_I_CONTINUE_NEEDED) {
        const Octets second = client.second_in_spnego(leg.reply());  // Not counted.
        g_counts.accepted += leg.run(second, false) == SEC_E_OK ? 1 : 0;
      }
    }
  });
  EXPECT_EQ(counts.accepted, kRounds);
  EXPECT_EQ(counts.heap_calls, 0);
  EXPECT_EQ(counts.system_calls, 0) << "the last was number " << counts.last_system_call;
}

TEST(NoAllocation, ThreeLegsOfDceStyleTakeNothing) {
  const Counts counts = in_child([](CredHandle& credential, Realm& realm) {
    const mint::Ticket ticket = realm.ticket();
    mint::AuthenticatorFields fields;
    fields.context_flags = mint::kContextFlagsDce;
    Leg leg(credential);
    for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
      if (i == kWarmUpRounds) {
        g_counts = {};
      }
      const mint::ApReq request = realm.ap_req(ticket, fields);  // Not counted.
      if (leg.run(request.message, true) == SEC_I_CONTINUE_NEEDED) {
        const Octets third = mint::third_leg_to(
            realm.mint, ticket, request, realm.mint.check_ap_rep(ticket, request, leg.reply()));
        const bool done = leg.run(third, false) == SEC_E_OK;
        g_counts.accepted += done && (leg.attributes & ASC_RET_USED_DCE_STYLE) != 0 ? 1 : 0;
      }
    }
  });
  EXPECT_EQ(counts.accepted, kRounds);
  EXPECT_EQ(counts.heap_calls, 0);
  EXPECT_EQ(counts.system_calls, 0) << "the last was number " << counts.last_system_call;
}

// A flood of bad tokens must not cost more than good ones, also if each is answered with an error.
// A name that leaks in one of its forms (attack E4), or a refusal on the way (E16), would be seen.
TEST(NoAllocation, NoFormOfAnNtlmNameTakesAnything) {
  const Counts counts = in_child([](CredHandle& credential, Realm& realm) {
    struct Form {
      std::u16string user;
      std::u16string domain;
    };
    const Form forms[] = {{u"alice", u"EXAMPLE"},        {u"alice", u""},
                          {u"EXAMPLE\\alice", u""},      {u"EXAMPLE\\alice@example.test", u""},
                          {u"alice@example.test", u""},  {u"", u"EXAMPLE"},
                          {u"alice", u"EXAMPLE\\alice"}, {u"\xd800", u"EXAMPLE"}};
    NtlmClient client(realm);
    Leg leg(credential);
    for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
      if (i == kWarmUpRounds) {
        g_counts = {};
      }
      for (const Form& form : forms) {
        client.fields.user = form.user;
        client.fields.domain = form.domain;
        if (leg.run(client.first(), true) == SEC_I_CONTINUE_NEEDED) {
          const Octets second = client.second(leg.reply());  // Not counted.
          g_counts.accepted += leg.run(second, false) == SEC_E_OK ? 1 : 0;
        }
      }
    }
  });
  EXPECT_EQ(counts.accepted, 2 * kRounds);  // The first two forms are an account's.
  EXPECT_EQ(counts.heap_calls, 0);
  EXPECT_EQ(counts.system_calls, 0) << "the last was number " << counts.last_system_call;
}

TEST(NoAllocation, RefusalsTakeNothing) {
  const Counts counts = in_child([](CredHandle& credential, Realm& realm) {
    Octets forged = mint::spnego_token(realm.ap_req(realm.ticket()).message);
    forged.back() ^= 1;
    Octets cut = forged;
    cut.pop_back();
    Leg leg(credential);
    leg.request = ASC_REQ_EXTENDED_ERROR;
    for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
      if (i == kWarmUpRounds) {
        g_counts = {};
      }
      g_counts.accepted += leg.run(forged, true) == SEC_E_OK ? 1 : 0;
      g_counts.accepted += leg.run(cut, true) == SEC_E_OK ? 1 : 0;
    }
  });
  EXPECT_EQ(counts.accepted, 0);
  EXPECT_EQ(counts.heap_calls, 0);
  EXPECT_EQ(counts.system_calls, 0) << "the last was number " << counts.last_system_call;
}

TEST(NoAllocation, WouldBeNoticed) {
  const Counts counts = in_child([](CredHandle&, Realm&) {
    g_counting = true;
    void* volatile memory = std::malloc(1);
    std::free(memory);
    (void)::getppid();
    g_counting = false;
    std::free(std::malloc(1));
    (void)::getppid();
  });
  EXPECT_EQ(counts.heap_calls, 2);
  EXPECT_EQ(counts.system_calls, 1);
  EXPECT_EQ(counts.last_system_call, SYS_getppid);
}

}  // namespace
}  // namespace usher::testing

#endif
