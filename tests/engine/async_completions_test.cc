// engine/async.h: completion queues, drained by the caller's own thread through their eventfd, and
// many accepts queued by one call.
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <map>

#include "engine/descriptor.h"
#include "tests/engine/async_caller.h"

namespace usher {
namespace {

using namespace testing;

class AsyncCompletions : public AsyncTest {
 protected:
  void TearDown() override {
    usher_free_completions(queue);
    AsyncTest::TearDown();
  }
  [[nodiscard]] bool readable() const {
    pollfd fd{.fd = usher_completions_fd(queue), .events = POLLIN, .revents = 0};
    return ::poll(&fd, 1, 0) == 1;
  }
  // enqueue has a call tell the queue, and queues it.
  void enqueue(AsyncCall& call, Bytes token) {
    ASSERT_EQ(usher_async_set_completions(call.async, queue, &call), SEC_E_OK);
    ASSERT_EQ(call.submit(credential.handle, token), SEC_E_OK);
  }
  // take_one waits for a completion.
  USHER_COMPLETION take_one() {
    USHER_COMPLETION completion{};
    pollfd fd{.fd = usher_completions_fd(queue), .events = POLLIN, .revents = 0};
    while (usher_take_completions(queue, &completion, 1) == 0) {
      EXPECT_EQ(::poll(&fd, 1, -1), 1);
    }
    return completion;
  }

  USHER_COMPLETIONS* queue = usher_create_completions();
};

TEST_F(AsyncCompletions, TellWhatHasCompletedAndWhose) {
  ASSERT_GE(usher_completions_fd(queue), 0);
  EXPECT_FALSE(readable());
  AsyncCall call;
  ASSERT_NO_FATAL_FAILURE(enqueue(call, kerberos_token()));
  EXPECT_NE(SspiAsyncContextRequiresNotify(call.async), 0);
  const USHER_COMPLETION completion = take_one();
  EXPECT_EQ(completion.Context, call.async);
  EXPECT_EQ(completion.Data, &call);
  EXPECT_EQ(completion.Status, SEC_E_OK);
  EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_E_OK);
  EXPECT_EQ(call.calls, 0) << "no code of ours runs on a foreign thread";
  EXPECT_FALSE(readable());
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
  USHER_COMPLETION none{};
  EXPECT_EQ(usher_take_completions(queue, &none, 1), 0u);
}

TEST_F(AsyncCompletions, ComeOldestFirstAndStayReadableUntilAllAreTaken) {
  std::vector<std::unique_ptr<AsyncCall>> calls;
  {
    Plug plug(credential.handle);
    for (int n = 0; n < 10; ++n) {
      calls.push_back(std::make_unique<AsyncCall>());
      calls.back()->input.ulVersion = 7;  // Refused before it takes a slot, of which there are few.
      ASSERT_NO_FATAL_FAILURE(enqueue(*calls.back(), mint::octets_of("?")));
    }
  }
  std::vector<USHER_COMPLETION> all;
  while (all.size() < calls.size()) {
    pollfd fd{.fd = usher_completions_fd(queue), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&fd, 1, -1), 1);
    std::array<USHER_COMPLETION, 3> some{};
    const std::uint32_t count = usher_take_completions(queue, some.data(), some.size());
    all.insert(all.end(), some.begin(), some.begin() + count);
  }
  EXPECT_FALSE(readable());
  for (std::size_t n = 0; n < calls.size(); ++n) {
    EXPECT_EQ(all[n].Context, calls[n]->async) << n;
    EXPECT_EQ(all[n].Status, SEC_E_INVALID_TOKEN);
  }
}

// A caller that takes once for each time it is woken is woken for whatever it has left.
TEST_F(AsyncCompletions, WhatCameWhileOthersWereTakenWakesItsTaker) {
  std::vector<std::unique_ptr<AsyncCall>> calls;
  const auto complete = [&](int count) {
    for (int n = 0; n < count; ++n) {
      calls.push_back(std::make_unique<AsyncCall>());
      ASSERT_NO_FATAL_FAILURE(enqueue(*calls.back(), mint::octets_of("?")));
      while (SspiGetAsyncCallStatus(calls.back()->async) == SEC_I_ASYNC_CALL_PENDING) {
        std::this_thread::yield();
      }
    }
  };
  pollfd fd{.fd = usher_completions_fd(queue), .events = POLLIN, .revents = 0};
  std::array<USHER_COMPLETION, 16> some{};
  complete(5);
  ASSERT_EQ(::poll(&fd, 1, -1), 1);
  std::uint32_t taken = usher_take_completions(queue, some.data(), 2);
  complete(3);
  ASSERT_EQ(::poll(&fd, 1, -1), 1);
  taken += usher_take_completions(queue, some.data(), 3);
  while (taken < calls.size()) {
    ASSERT_EQ(::poll(&fd, 1, 10'000), 1) << "with " << calls.size() - taken << " left";
    taken += usher_take_completions(queue, some.data(), 1);
  }
  EXPECT_EQ(taken, 8u);
}

TEST_F(AsyncCompletions, AContextWhoseQueueIsGoneNeedsAnother) {
  AsyncCall call;
  {
    Plug plug(credential.handle);
    ASSERT_NO_FATAL_FAILURE(enqueue(call, mint::octets_of("?")));
    usher_free_completions(queue);
  }
  while (SspiGetAsyncCallStatus(call.async) == SEC_I_ASYNC_CALL_PENDING) {
    std::this_thread::yield();
  }
  while (SspiReinitAsyncContext(call.async) != 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(SspiAsyncContextRequiresNotify(call.async), 0);
  EXPECT_EQ(call.submit(credential.handle, mint::octets_of("?")), SEC_E_INVALID_PARAMETER);
  queue = usher_create_completions();
  ASSERT_NO_FATAL_FAILURE(enqueue(call, mint::octets_of("?")));
  EXPECT_EQ(take_one().Context, call.async);
}

// Also if its completion was in there already, and if it had none.
TEST_F(AsyncCompletions, AContextWhoseQueueIsGoneHasNobodyToTell) {
  AsyncCall completed;
  AsyncCall unused;
  ASSERT_NO_FATAL_FAILURE(enqueue(completed, mint::octets_of("?")));
  ASSERT_EQ(usher_async_set_completions(unused.async, queue, nullptr), SEC_E_OK);
  pollfd fd{.fd = usher_completions_fd(queue), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&fd, 1, -1), 1);
  EXPECT_NE(SspiAsyncContextRequiresNotify(completed.async), 0);
  usher_free_completions(queue);
  EXPECT_EQ(SspiReinitAsyncContext(completed.async), 0);
  EXPECT_EQ(SspiAsyncContextRequiresNotify(completed.async), 0);
  // Who has not been used finds it out when he is to be.
  EXPECT_EQ(unused.submit(credential.handle, mint::octets_of("?")), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(SspiAsyncContextRequiresNotify(unused.async), 0);
}

TEST_F(AsyncCompletions, AContextIsInUseUntilItsCompletionIsTaken) {
  AsyncCall call;
  ASSERT_NO_FATAL_FAILURE(enqueue(call, mint::octets_of("?")));
  while (SspiGetAsyncCallStatus(call.async) == SEC_I_ASYNC_CALL_PENDING) {
    std::this_thread::yield();
  }
  EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(SspiReinitAsyncContext(call.async), USHER_STATUS_RESOURCE_IN_USE);
  take_one();
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  EXPECT_EQ(call.submit(credential.handle, mint::octets_of("?")), SEC_E_OK) << "the queue stays";
  EXPECT_EQ(take_one().Context, call.async);
}

TEST_F(AsyncCompletions, WhatIsFreedBeforeItIsTakenIsNotTold) {
  SspiAsyncContext* gone = nullptr;
  AsyncCall kept;
  AsyncCall buffers;
  {
    Plug plug(credential.handle);
    gone = SspiCreateAsyncContext();
    ASSERT_EQ(usher_async_set_completions(gone, queue, nullptr), SEC_E_OK);
    USHER_ACCEPT request = buffers.request(credential.handle, mint::octets_of("?"));
    ASSERT_EQ(usher_accept_async_batch(&gone, &request, 1), SEC_E_OK);
    ASSERT_NO_FATAL_FAILURE(enqueue(kept, mint::octets_of("?")));
    SspiFreeAsyncContext(gone);
  }
  EXPECT_EQ(take_one().Context, kept.async);
  USHER_COMPLETION none{};
  EXPECT_EQ(usher_take_completions(queue, &none, 1), 0u);
}

TEST_F(AsyncCompletions, AFreedQueueTellsNobodyAndLosesNothing) {
  AsyncCall before;
  AsyncCall pending;
  ASSERT_NO_FATAL_FAILURE(enqueue(before, kerberos_token()));
  while (SspiGetAsyncCallStatus(before.async) == SEC_I_ASYNC_CALL_PENDING) {
    std::this_thread::yield();
  }
  {
    Plug plug(credential.handle);
    ASSERT_NO_FATAL_FAILURE(enqueue(pending, kerberos_token()));
    usher_free_completions(queue);
    EXPECT_EQ(usher_completions_fd(queue), -1);
  }
  while (SspiGetAsyncCallStatus(pending.async) == SEC_I_ASYNC_CALL_PENDING) {
    std::this_thread::yield();
  }
  for (AsyncCall* call : {&before, &pending}) {
    EXPECT_EQ(SspiGetAsyncCallStatus(call->async), SEC_E_OK);
    EXPECT_EQ(DeleteSecurityContext(&call->context), SEC_E_OK);
  }
}

TEST_F(AsyncCompletions, CancelledDeletedAndAcquiredComeThereToo) {
  AsyncCall cancelled;
  AsyncCall deleted;
  AsyncCall acquired;
  Called opened = open_half();
  USHER_ACCEPTOR with = acceptor();
  CredHandle other{};
  {
    Plug plug(credential.handle);
    ASSERT_NO_FATAL_FAILURE(enqueue(cancelled, kerberos_token()));
    EXPECT_EQ(usher_async_cancel(cancelled.async), SEC_E_OK);
    ASSERT_EQ(usher_async_set_completions(deleted.async, queue, nullptr), SEC_E_OK);
    ASSERT_EQ(SspiDeleteSecurityContextAsync(deleted.async, &opened.context), SEC_E_OK);
    ASSERT_EQ(usher_async_set_completions(acquired.async, queue, nullptr), SEC_E_OK);
    ASSERT_EQ(SspiAcquireCredentialsHandleAsyncA(acquired.async, nullptr, NEGOSSP_NAME_A,
                                                 SECPKG_CRED_INBOUND, nullptr, &with, nullptr,
                                                 nullptr, &other, nullptr),
              SEC_E_OK);
  }
  std::map<SspiAsyncContext*, SECURITY_STATUS> ends;
  for (int n = 0; n < 3; ++n) {
    const USHER_COMPLETION completion = take_one();
    ends[completion.Context] = completion.Status;
  }
  EXPECT_EQ(ends[cancelled.async], USHER_E_CANCELLED);
  EXPECT_EQ(ends[deleted.async], SEC_E_OK);
  EXPECT_EQ(ends[acquired.async], SEC_E_OK);
  EXPECT_EQ(FreeCredentialsHandle(&other), SEC_E_OK);
}

TEST_F(AsyncCompletions, ABatchIsQueuedWithAStatusForEach) {
  std::vector<std::unique_ptr<AsyncCall>> calls;
  std::vector<SspiAsyncContext*> contexts;
  std::vector<USHER_ACCEPT> requests;
  CredHandle nobody{};
  for (int n = 0; n < 6; ++n) {
    calls.push_back(std::make_unique<AsyncCall>());
    contexts.push_back(calls.back()->async);
    ASSERT_EQ(usher_async_set_completions(contexts.back(), queue, calls.back().get()), SEC_E_OK);
    Octets token = kerberos_token();
    if (n == 4) {
      token.back() ^= 1;
    }
    requests.push_back(calls.back()->request(n == 2 ? nobody : credential.handle, token));
  }
  EXPECT_EQ(usher_accept_async_batch(contexts.data(), requests.data(), 6), SEC_E_INVALID_HANDLE);
  for (std::size_t n = 0; n < 6; ++n) {
    EXPECT_EQ(requests[n].Status, n == 2 ? SEC_E_INVALID_HANDLE : SEC_E_OK) << n;
  }
  std::map<SspiAsyncContext*, SECURITY_STATUS> ends;
  for (int n = 0; n < 5; ++n) {
    const USHER_COMPLETION completion = take_one();
    ends[completion.Context] = completion.Status;
  }
  EXPECT_EQ(ends.count(contexts[2]), 0u);
  for (const std::size_t n : {0u, 1u, 3u, 5u}) {
    EXPECT_EQ(ends[contexts[n]], SEC_E_OK) << "neighbours of a forged one";
    EXPECT_EQ(DeleteSecurityContext(&calls[n]->context), SEC_E_OK);
  }
  EXPECT_LT(ends[contexts[4]], 0);
  EXPECT_EQ(usher_accept_async_batch(nullptr, requests.data(), 6), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(usher_accept_async_batch(contexts.data(), nullptr, 6), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(usher_accept_async_batch(nullptr, nullptr, 0), SEC_E_OK);
}

// One thread with an event loop, as a proxy has: all it ever waits in is epoll.
TEST_F(AsyncCompletions, AnEventLoopNeedsNothingButEpoll) {
  constexpr std::size_t kInFlight = 6;
  constexpr std::size_t kTotal = 600;
  const Descriptor loop(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = queue}};
  ASSERT_EQ(::epoll_ctl(loop.get(), EPOLL_CTL_ADD, usher_completions_fd(queue), &event), 0);
  std::vector<std::unique_ptr<AsyncCall>> calls;
  std::size_t submitted = 0;
  std::size_t completed = 0;
  for (; submitted < kInFlight; ++submitted) {
    calls.push_back(std::make_unique<AsyncCall>());
    ASSERT_NO_FATAL_FAILURE(enqueue(*calls.back(), kerberos_token()));
  }
  while (completed < kTotal) {
    ASSERT_EQ(::epoll_wait(loop.get(), &event, 1, -1), 1);
    // Edge-triggered: until there are none.
    std::array<USHER_COMPLETION, 4> some{};
    std::uint32_t count = 0;
    while ((count = usher_take_completions(queue, some.data(), some.size())) > 0) {
      for (const USHER_COMPLETION& one : std::span(some).first(count)) {
        auto& call = *static_cast<AsyncCall*>(one.Data);
        ASSERT_EQ(one.Status, SEC_E_OK);
        ASSERT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
        ++completed;
        ASSERT_EQ(SspiReinitAsyncContext(one.Context), 0);
        if (submitted < kTotal) {
          ASSERT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_OK);
          ++submitted;
        }
      }
    }
  }
  EXPECT_EQ(submitted, kTotal);
}

// Threads that queue, one that drains: each token's verdict reaches its own call, once.
TEST_F(AsyncCompletions, ManyThreadsOneDrains) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  std::vector<std::vector<Octets>> tokens(kThreads);
  for (auto& own : tokens) {
    for (int n = 0; n < kRounds; ++n) {
      own.push_back(kerberos_token());
    }
  }
  std::vector<std::unique_ptr<AsyncCall>> calls;
  for (int n = 0; n < kThreads; ++n) {
    calls.push_back(std::make_unique<AsyncCall>());
    ASSERT_EQ(usher_async_set_completions(calls.back()->async, queue, calls.back().get()),
              SEC_E_OK);
  }
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < kThreads; ++n) {
    threads.emplace_back([&, n] {
      AsyncCall& call = *calls[n];
      for (const Octets& token : tokens[n]) {
        ASSERT_EQ(call.submit(credential.handle, token), SEC_E_OK) << usher_last_refusal();
        call.called.acquire();
        ASSERT_EQ(SspiGetAsyncCallStatus(call.async), SEC_E_OK);
        ASSERT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
        ASSERT_EQ(SspiReinitAsyncContext(call.async), 0);
      }
    });
  }
  for (int n = 0; n < kThreads * kRounds; ++n) {
    const USHER_COMPLETION completion = take_one();
    ASSERT_EQ(completion.Status, SEC_E_OK);
    static_cast<AsyncCall*>(completion.Data)->called.release();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace usher
