// Queueing an operation, and being told of its end, takes nothing from the heap; while the worker
// is awake queueing makes no system call, and taking completions makes one, however many there are.
// A call that finds the queue full makes none and takes nothing whoever sleeps.
#include <gtest/gtest.h>
#include <poll.h>

#include "tests/engine/counted_calls.h"

#ifdef USHER_CALLS_ARE_NOT_COUNTED

TEST(AsyncNoAllocation, IsCountedElsewhere) { GTEST_SKIP() << USHER_CALLS_ARE_NOT_COUNTED; }

#else

#include "tests/engine/async_caller.h"

namespace usher::testing {
namespace {

constexpr std::size_t kAtOnce = 8;  // As many as there are slots.
constexpr int kRounds = 200;

// Counted is what a child process has found out.
struct Counted {
  Counts queueing;
  Counts taking;
  Counts refusing;
  long refused = 0;
  long signed_on = -1;
};

void add(Counts& sum, const Counts& more) {
  sum.heap_calls += more.heap_calls;
  sum.system_calls += more.system_calls;
  sum.last_system_call = more.last_system_call;
}

// Crowd is what fills the queue up, and as many more that are refused.
struct Crowd {
  explicit Crowd(CredHandle& credential) {
    for (std::size_t n = 0; n < 2 * kAtOnce; ++n) {
      calls.push_back(std::make_unique<AsyncCall>());
      contexts.push_back(calls[n]->async);
      requests.push_back(calls[n]->request(credential, mint::octets_of("?")));
    }
  }
  // fill queues the first half, and refuse has the second half refused, and one more.
  void fill() { usher_accept_async_batch(contexts.data(), requests.data(), kAtOnce); }
  long refuse() {
    usher_accept_async_batch(&contexts[kAtOnce], &requests[kAtOnce], kAtOnce);
    const USHER_ACCEPT& r = requests.back();
    return SspiAcceptSecurityContextAsync(contexts.back(), r.phCredential, nullptr, r.pInput, 0, 0,
                                          r.phNewContext, r.pOutput, nullptr,
                                          nullptr) == SEC_E_INSUFFICIENT_MEMORY
               ? 1
               : 0;
  }
  void wait() {
    for (std::size_t n = 0; n < kAtOnce; ++n) {
      calls[n]->wait();
      SspiReinitAsyncContext(contexts[n]);
    }
  }

  std::vector<std::unique_ptr<AsyncCall> > calls;
  std::vector<SspiAsyncContext*> contexts;
  std::vector<USHER_ACCEPT> requests;
};
static_assert(2 * kAtOnce == kTestAsyncQueue);

// Spinning is a callback that keeps its worker awake, without a system call, until it is let go.
struct Spinning {
  std::atomic<bool> inside{false};
  std::atomic<bool> over{false};
  static void notify(SspiAsyncContext* /*handle*/, void* data) {
    auto& self = *static_cast<Spinning*>(data);
    self.inside = true;
    while (!self.over) {
    }
  }
};

// submit queues one by itself and the others by one call.
void submit(std::array<SspiAsyncContext*, kAtOnce>& contexts,
            std::array<USHER_ACCEPT, kAtOnce>& requests) {
  for (SspiAsyncContext* const context : contexts) {
    SspiReinitAsyncContext(context);
  }
  const USHER_ACCEPT& r = requests[0];
  SspiAcceptSecurityContextAsync(contexts[0], r.phCredential, r.phContext, r.pInput, r.fContextReq,
                                 r.TargetDataRep, r.phNewContext, r.pOutput, r.pfContextAttr,
                                 r.ptsExpiry);
  usher_accept_async_batch(&contexts[1], &requests[1], kAtOnce - 1);
}

// count plays rounds in which the worker is held awake, accepts are queued singly and by a batch,
// and their completions are taken. Only the threads' own steps between are not counted.
Counted count(CredHandle& credential, const std::vector<Octets>& tokens) {
  Counted counted;
  counted.signed_on = 0;
  USHER_COMPLETIONS* const queue = usher_create_completions();
  std::vector<std::unique_ptr<AsyncCall> > calls;
  std::array<SspiAsyncContext*, kAtOnce> contexts{};
  for (SspiAsyncContext*& context : contexts) {
    calls.push_back(std::make_unique<AsyncCall>());
    context = calls.back()->async;
    usher_async_set_completions(context, queue, calls.back().get());
  }
  AsyncCall holding;
  Crowd crowd(credential);
  std::array<USHER_COMPLETION, kAtOnce> done{};
  std::array<USHER_ACCEPT, kAtOnce> requests{};
  for (int round = 0; round < kRounds; ++round) {
    Spinning spinning;
    SspiReinitAsyncContext(holding.async);
    SspiSetAsyncNotifyCallback(holding.async, Spinning::notify, &spinning);
    holding.submit(credential, mint::octets_of("?"));
    while (!spinning.inside) {
    }
    for (std::size_t n = 0; n < kAtOnce; ++n) {
      requests[n] =
          calls[n]->request(credential, tokens[static_cast<std::size_t>(round) * kAtOnce + n]);
    }
    if (round == kRounds / 2) {
      counted.queueing = {};  // Until here it was warming up.
      counted.taking = {};
      counted.refusing = {};
      counted.signed_on = 0;
      counted.refused = 0;
    }
    g_counts = {};
    g_counting = true;
    submit(contexts, requests);
    g_counting = false;
    add(counted.queueing, g_counts);
    crowd.fill();
    g_counts = {};
    g_counting = true;
    counted.refused += crowd.refuse();
    g_counting = false;
    add(counted.refusing, g_counts);
    g_counts = {};
    g_counting = true;  // The worker's heap calls, too, whatever it does meanwhile.
    spinning.over = true;
    pollfd told{.fd = usher_completions_fd(queue), .events = POLLIN, .revents = 0};
    usher_test_system_call(SYS_poll, reinterpret_cast<long>(&told), 1, -1, 0, 0,
                           0);  // Not counted.
    std::uint32_t count = usher_take_completions(queue, done.data(), kAtOnce);
    g_counting = false;
    add(counted.taking, g_counts);
    while (count < kAtOnce) {
      count += usher_take_completions(queue, &done[count], kAtOnce - count);
    }
    for (const USHER_COMPLETION& one : done) {
      counted.signed_on += one.Status == SEC_E_OK ? 1 : 0;
      DeleteSecurityContext(&static_cast<AsyncCall*>(one.Data)->context);
    }
    crowd.wait();
  }
  return counted;
}

TEST(AsyncNoAllocation, QueueingAndTakingTakeNothing) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const StartedEngine engine;
    Folder folder;
    Realm realm;
    const std::string keytab = folder.write("keytab", mint::keytab_image({&realm.service, 1}));
    USHER_ACCEPTOR acceptor{};
    acceptor.Keytab = keytab.c_str();
    OwnCredential credential(acceptor);
    std::vector<Octets> tokens;
    for (std::size_t n = 0; n < kRounds * kAtOnce; ++n) {
      tokens.push_back(mint::spnego_token(realm.ap_req(realm.ticket()).message));
    }
    {
      AsyncCall first;  // Starts the worker, whose own system calls are not trapped then.
      first.run(credential.handle, mint::octets_of("?"));
    }
    if (credential.status == SEC_E_OK && trap_system_calls()) {
      const Counted counted = count(credential.handle, tokens);
      (void)!::write(ends[1], &counted, sizeof counted);
    }
    std::filesystem::remove_all(std::filesystem::path(keytab).parent_path());
    ::_exit(0);
  }
  ::close(ends[1]);
  Counted counted;
  EXPECT_EQ(::read(ends[0], &counted, sizeof counted), ssize_t{sizeof counted})
      << "the child has died, or may not use seccomp";
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(counted.signed_on, long{kRounds / 2} * long{kAtOnce});
  EXPECT_EQ(counted.queueing.heap_calls, 0);
  EXPECT_EQ(counted.queueing.system_calls, 0)
      << "the last was number " << counted.queueing.last_system_call;
  EXPECT_EQ(counted.refused, long{kRounds / 2});
  EXPECT_EQ(counted.refusing.heap_calls, 0);
  EXPECT_EQ(counted.refusing.system_calls, 0);
  EXPECT_EQ(counted.taking.heap_calls, 0);
  EXPECT_EQ(counted.taking.system_calls, kRounds / 2) << "one read of the eventfd each";
}

}  // namespace
}  // namespace usher::testing

#endif
