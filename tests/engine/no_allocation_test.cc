// After a thread's first tokens, AcceptSecurityContext takes nothing from the heap and makes no
// system call, by either mechanism and however often.
#include <gtest/gtest.h>

#if defined(__has_feature)
#define USHER_HAS_FEATURE(x) __has_feature(x)
#else
#define USHER_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||               \
    USHER_HAS_FEATURE(address_sanitizer) || USHER_HAS_FEATURE(thread_sanitizer) || \
    USHER_HAS_FEATURE(memory_sanitizer)

TEST(NoAllocation, IsCountedWithoutSanitizers) {
  GTEST_SKIP() << "a sanitizer has its own malloc, and system calls of its own";
}

#elif !defined(__x86_64__)

TEST(NoAllocation, IsCountedOnX86) {
  GTEST_SKIP() << "passing on a trapped system call is written for x86-64 only";
}

#else

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "tests/engine/sspi_caller.h"
#include "tools/mint/dce_mint.h"

namespace {

// Counts is what happened while `counting`; one thread, so plain numbers do.
struct Counts {
  long accepted = 0;
  long heap_calls = 0;
  long system_calls = 0;
  long last_system_call = -1;
};
volatile bool g_counting = false;
Counts g_counts;

void count_heap_call() { g_counts.heap_calls += g_counting ? 1 : 0; }

}  // namespace

// These take the place of the C library's in the whole process, OpenSSL and libusher.so included.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);

void* malloc(std::size_t size) {
  count_heap_call();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  count_heap_call();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  count_heap_call();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count_heap_call();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  *out = memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
void free(void* memory) {
  if (memory != nullptr) {
    count_heap_call();
  }
  __libc_free(memory);
}

// usher_test_system_call is syscall(2) at an address of our own, the one place from which the
// filter lets system calls through.
long usher_test_system_call(long number, long a, long b, long c, long d, long e, long f);
extern const char usher_test_after_system_call[];
}
asm(R"(
.text
.globl usher_test_system_call
.type usher_test_system_call, @function
usher_test_system_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
.globl usher_test_after_system_call
usher_test_after_system_call:
  ret
.size usher_test_system_call, . - usher_test_system_call
)");

namespace usher::testing {
namespace {

constexpr int kRounds = 10'000;
constexpr int kWarmUpRounds = 8;

// on_system_call counts the call that was trapped, then makes it after all.
void on_system_call(int, siginfo_t*, void* opaque) {
  auto* const context = static_cast<ucontext_t*>(opaque);
  auto& registers = context->uc_mcontext.gregs;
  if (g_counting) {
    ++g_counts.system_calls;
    g_counts.last_system_call = registers[REG_RAX];
  }
  registers[REG_RAX] = usher_test_system_call(
      registers[REG_RAX], registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
      registers[REG_R10], registers[REG_R8], registers[REG_R9]);
}

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter jump_if(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

// trap_system_calls makes every system call of this process a SIGSYS, for good.
bool trap_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = on_system_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  const auto allowed = reinterpret_cast<std::uintptr_t>(usher_test_after_system_call);
  std::array filter = {
      load(offsetof(seccomp_data, nr)),
      jump_if(SYS_rt_sigreturn, 5, 0),
      load(offsetof(seccomp_data, instruction_pointer)),
      jump_if(static_cast<std::uint32_t>(allowed), 0, 2),
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      jump_if(static_cast<std::uint32_t>(allowed >> 32), 1, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::sigaction(SIGSYS, &action, nullptr) == 0 &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

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
