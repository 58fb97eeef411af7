// engine/async.h: what Windows documents of asynchronous calls holds, and misuse has a status.
#include <cstring>
#include <set>

#include "tests/engine/async_caller.h"

namespace usher {
namespace {

using namespace testing;

using Async = AsyncTest;

TEST_F(Async, OneQueuedAndOneFinalStatus) {
  AsyncCall call;
  EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_E_OUT_OF_SEQUENCE) << "nothing was asked yet";
  ASSERT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(call.calls, 1);
  EXPECT_NE(call.thread.load(), std::this_thread::get_id());
  EXPECT_FALSE(call.reply().empty());
  EXPECT_NE(call.expiry.QuadPart, 0);
  SecPkgContext_NamesA names{};
  ASSERT_EQ(QueryContextAttributesA(&call.context, SECPKG_ATTR_NAMES, &names), SEC_E_OK);
  EXPECT_STREQ(names.sUserName, "alice@EXAMPLE.TEST");
  FreeContextBuffer(names.sUserName);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

// Whatever the synchronous call refuses, with whatever words, the asynchronous one does.
TEST_F(Async, RefusesAsTheSynchronousCallDoes) {
  Octets changed = kerberos_token();
  changed.back() ^= 1;
  for (const Octets& token : {changed, mint::octets_of("no token")}) {
    const Called twin = accept(credential.handle, token);
    const std::string why = usher_last_refusal();
    ASSERT_LT(twin.status, 0);
    AsyncCall call;
    EXPECT_EQ(call.run(credential.handle, token), twin.status);
    EXPECT_EQ(usher_last_refusal(), why);
    EXPECT_EQ(call.attributes, 0u);
    EXPECT_FALSE(SecIsValidHandle(&call.context));
  }
}

TEST_F(Async, BadBuffersAreTheOperationsStatus) {
  AsyncCall call;
  call.input.ulVersion = 7;
  EXPECT_EQ(call.run(credential.handle, kerberos_token()), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  call.input.ulVersion = SECBUFFER_VERSION;
  EXPECT_EQ(call.run(credential.handle, kerberos_token()), SEC_E_OK) << "the positive twin";
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

// Schannel's page asks for a token and an empty buffer.
TEST_F(Async, TakesATokenFollowedByAnEmptyBuffer) {
  AsyncCall call;
  USHER_ACCEPT request = call.request(credential.handle, kerberos_token());
  std::array<SecBuffer, 2> in{call.in, SecBuffer{0, SECBUFFER_EMPTY, nullptr}};
  call.input = {SECBUFFER_VERSION, in.size(), in.data()};
  SspiAsyncContext* const async = call.async;
  ASSERT_EQ(usher_accept_async_batch(&async, &request, 1), SEC_E_OK);
  EXPECT_EQ(request.Status, SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

TEST_F(Async, BothLegsOfNtlmOneContextReinitialised) {
  AsyncCall call;
  ASSERT_EQ(call.run(credential.handle, client.first()), SEC_I_CONTINUE_NEEDED);
  CtxtHandle context = call.context;
  const Octets challenge(call.reply().begin(), call.reply().end());
  EXPECT_EQ(call.submit(credential.handle, client.first(), &context), SEC_E_OUT_OF_SEQUENCE)
      << "it has had its operation";
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0) << "changes nothing";
  EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_E_OUT_OF_SEQUENCE);
  ASSERT_EQ(call.run(credential.handle, client.second(challenge), &context), SEC_E_OK);
  EXPECT_EQ(call.calls, 2) << "the callback stays";
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

TEST_F(Async, IsPendingUntilItIsDone) {
  AsyncCall call;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_OK);
    EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_I_ASYNC_CALL_PENDING);
    EXPECT_EQ(SspiReinitAsyncContext(call.async), USHER_STATUS_RESOURCE_IN_USE);
    EXPECT_EQ(SspiSetAsyncNotifyCallback(call.async, nullptr, nullptr), SEC_E_OUT_OF_SEQUENCE);
    EXPECT_EQ(usher_async_set_deadline(call.async, 1), SEC_E_OUT_OF_SEQUENCE);
    EXPECT_EQ(usher_async_set_completions(call.async, nullptr, nullptr), SEC_E_OUT_OF_SEQUENCE);
    EXPECT_EQ(SspiDeleteSecurityContextAsync(call.async, nullptr), SEC_E_OUT_OF_SEQUENCE);
    EXPECT_EQ(call.calls, 0);
  }
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(call.calls, 1);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

// Until it is done an operation's memory is its own: builds that assert show who looks too early.
TEST_F(Async, ResultsThatAreReadTooEarlyAreSeenToBe) {
#ifdef NDEBUG
  GTEST_SKIP() << "this build does not assert";
#endif
  AsyncCall call;
  AsyncCall in_place;
  {
    Plug plug(credential.handle);
    call.attributes = 0;
    ASSERT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_OK);
    EXPECT_EQ(call.attributes, 0xdbdbdbdb);
    EXPECT_EQ(call.context.dwLower, 0xdbdbdbdbdbdbdbdb);
    EXPECT_EQ(call.room, Octets(call.room.size(), 0xdb));
    // The token's own memory, where the reply is to take its place, is left alone.
    USHER_ACCEPT request = in_place.request(credential.handle, kerberos_token());
    in_place.out = in_place.in;
    const Octets token = in_place.token;
    ASSERT_EQ(usher_accept_async_batch(&in_place.async, &request, 1), SEC_E_OK);
    EXPECT_EQ(in_place.token, token);
  }
  for (AsyncCall* one : {&call, &in_place}) {
    EXPECT_EQ(one->wait(), SEC_E_OK);
    EXPECT_NE(one->attributes, 0xdbdbdbdb);
    EXPECT_NE(one->expiry.QuadPart, 0);
    EXPECT_EQ(DeleteSecurityContext(&one->context), SEC_E_OK);
  }
}

TEST_F(Async, OnlyADeleteNeedsNobodyToTell) {
  AsyncCall call;
  EXPECT_NE(SspiAsyncContextRequiresNotify(call.async), 0);
  ASSERT_EQ(SspiSetAsyncNotifyCallback(call.async, nullptr, nullptr), SEC_E_OK);
  EXPECT_EQ(SspiAsyncContextRequiresNotify(call.async), 0);
  EXPECT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_INVALID_PARAMETER);
  USHER_ACCEPTOR with = acceptor();
  CredHandle other{};
  EXPECT_EQ(
      SspiAcquireCredentialsHandleAsyncA(call.async, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND,
                                         nullptr, &with, nullptr, nullptr, &other, nullptr),
      SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(SspiFreeCredentialsHandleAsync(call.async, &credential.handle),
            SEC_E_INVALID_PARAMETER);

  Called opened = open_half();
  ASSERT_EQ(SspiDeleteSecurityContextAsync(call.async, &opened.context), SEC_E_OK);
  expect_deleted(opened.context);
  while (SspiGetAsyncCallStatus(call.async) == SEC_I_ASYNC_CALL_PENDING) {
    std::this_thread::yield();
  }
  EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_E_OK);

  // Without a callback its async context may be freed at once.
  opened = open_half();
  SspiAsyncContext* const brief = SspiCreateAsyncContext();
  ASSERT_EQ(SspiDeleteSecurityContextAsync(brief, &opened.context), SEC_E_OK);
  SspiFreeAsyncContext(brief);
  EXPECT_EQ(SspiGetAsyncCallStatus(brief), SEC_E_INVALID_HANDLE);
}

TEST_F(Async, ADeleteWithACallbackCallsIt) {
  Called opened = open_half();
  AsyncCall call;
  ASSERT_EQ(SspiDeleteSecurityContextAsync(call.async, &opened.context), SEC_E_OK);
  expect_deleted(opened.context);
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(call.calls, 1);
  EXPECT_NE(call.thread.load(), std::this_thread::get_id());
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  EXPECT_EQ(SspiDeleteSecurityContextAsync(call.async, &opened.context), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(SspiDeleteSecurityContextAsync(call.async, nullptr), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(call.calls, 1) << "not queued: nothing more comes";
}

// Whether somebody is told can be asked while other threads use the context, and disturbs none.
TEST_F(Async, AskingWhoIsToldDisturbsNobody) {
  AsyncCall call;
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::thread asking([&] {
    while (!over) {
      wrong += SspiAsyncContextRequiresNotify(call.async) == 0 ? 1 : 0;
    }
  });
  for (int round = 0; round < 3'000; ++round) {
    EXPECT_EQ(call.run(credential.handle, mint::octets_of("?")), SEC_E_INVALID_TOKEN);
    EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  }
  over = true;
  asking.join();
  EXPECT_EQ(wrong, 0);
  ASSERT_EQ(SspiSetAsyncNotifyCallback(call.async, nullptr, nullptr), SEC_E_OK);
  EXPECT_EQ(SspiAsyncContextRequiresNotify(call.async), 0);
}

// FreedInside is a callback that frees its own context, or uses it again.
struct FreedInside {
  std::binary_semaphore over{0};
  SECURITY_STATUS status = SEC_E_INTERNAL_ERROR;
  int calls = 0;
  static void free_it(SspiAsyncContext* handle, void* data) {
    auto& self = *static_cast<FreedInside*>(data);
    self.calls += 1;
    self.status = SspiGetAsyncCallStatus(handle);
    SspiFreeAsyncContext(handle);
    EXPECT_EQ(SspiGetAsyncCallStatus(handle), SEC_E_INVALID_HANDLE);
    self.over.release();
  }
};

TEST_F(Async, ACallbackMayFreeItsContext) {
  FreedInside inside;
  AsyncCall buffers;
  SspiAsyncContext* const own = SspiCreateAsyncContext();
  ASSERT_EQ(SspiSetAsyncNotifyCallback(own, FreedInside::free_it, &inside), SEC_E_OK);
  USHER_ACCEPT request = buffers.request(credential.handle, kerberos_token());
  ASSERT_EQ(usher_accept_async_batch(&own, &request, 1), SEC_E_OK);
  inside.over.acquire();
  EXPECT_EQ(inside.status, SEC_E_OK);
  EXPECT_EQ(inside.calls, 1);
  EXPECT_EQ(DeleteSecurityContext(&buffers.context), SEC_E_OK);
}

// Again is a callback that queues the next operation on its own context.
struct Again {
  std::binary_semaphore over{0};
  AsyncCall* buffers = nullptr;
  CredHandle* credential = nullptr;
  std::vector<Octets> tokens;
  std::size_t next = 0;
  std::vector<CtxtHandle> contexts;
  SECURITY_STATUS submit(SspiAsyncContext* handle) {
    USHER_ACCEPT request = buffers->request(*credential, tokens[next++]);
    return usher_accept_async_batch(&handle, &request, 1);
  }
  static void use_it_again(SspiAsyncContext* handle, void* data) {
    auto& self = *static_cast<Again*>(data);
    EXPECT_EQ(SspiGetAsyncCallStatus(handle), SEC_E_OK);
    self.contexts.push_back(self.buffers->context);
    EXPECT_EQ(SspiReinitAsyncContext(handle), 0);
    if (self.next == self.tokens.size()) {
      self.over.release();
    } else {
      EXPECT_EQ(self.submit(handle), SEC_E_OK);
    }
  }
};

TEST_F(Async, ACallbackMayUseItsContextAgain) {
  AsyncCall call;
  Again again;
  again.buffers = &call;
  again.credential = &credential.handle;
  for (int n = 0; n < 5; ++n) {
    again.tokens.push_back(kerberos_token());
  }
  ASSERT_EQ(SspiSetAsyncNotifyCallback(call.async, Again::use_it_again, &again), SEC_E_OK);
  ASSERT_EQ(again.submit(call.async), SEC_E_OK);
  again.over.acquire();
  ASSERT_EQ(again.contexts.size(), 5u);
  for (CtxtHandle& context : again.contexts) {
    EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  }
}

// Freed too soon is a mistake without consequences: it completes, the callback comes, it is free.
TEST_F(Async, OneThatIsFreedWhilePendingCompletes) {
  AsyncCall buffers;
  std::counting_semaphore<4> told{0};
  SspiAsyncContext* const own = SspiCreateAsyncContext();
  const auto tell = [](SspiAsyncContext*, void* data) {
    static_cast<std::counting_semaphore<4>*>(data)->release();
  };
  ASSERT_EQ(SspiSetAsyncNotifyCallback(own, tell, &told), SEC_E_OK);
  {
    Plug plug(credential.handle);
    USHER_ACCEPT request = buffers.request(credential.handle, kerberos_token());
    ASSERT_EQ(usher_accept_async_batch(&own, &request, 1), SEC_E_OK);
    SspiFreeAsyncContext(own);
    EXPECT_EQ(SspiGetAsyncCallStatus(own), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(usher_async_cancel(own), SEC_E_INVALID_HANDLE);
    SspiFreeAsyncContext(own);  // Twice is once.
  }
  told.acquire();
  EXPECT_EQ(DeleteSecurityContext(&buffers.context), SEC_E_OK);
}

TEST_F(Async, HandlesThatAreNoneAreRefused) {
  AsyncCall call;
  SspiAsyncContext* const stale = SspiCreateAsyncContext();
  SspiFreeAsyncContext(stale);
  SspiAsyncContext* const next = SspiCreateAsyncContext();
  EXPECT_NE(next, stale) << "the same place under another name";
  std::uint64_t real = 0;
  std::memcpy(&real, &next, sizeof real);
  std::vector<SspiAsyncContext*> bad = {nullptr, stale};
  for (const std::uint64_t forged :
       {real ^ 1ul << 23, real ^ 1ul << 40, real ^ 1ul << 25, 1ul, ~0ul}) {
    std::memcpy(&bad.emplace_back(), &forged, sizeof forged);
  }
  USHER_COMPLETIONS* const queue = usher_create_completions();
  std::memcpy(&bad.emplace_back(), &queue, sizeof queue);
  for (SspiAsyncContext* handle : bad) {
    EXPECT_EQ(SspiGetAsyncCallStatus(handle), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(SspiReinitAsyncContext(handle), USHER_STATUS_INVALID_HANDLE);
    EXPECT_EQ(SspiSetAsyncNotifyCallback(handle, nullptr, nullptr), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(SspiAsyncContextRequiresNotify(handle), 0);
    EXPECT_EQ(usher_async_cancel(handle), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(usher_async_set_deadline(handle, 5), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(usher_async_set_completions(handle, queue, nullptr), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(SspiDeleteSecurityContextAsync(handle, nullptr), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(SspiFreeCredentialsHandleAsync(handle, nullptr), SEC_E_INVALID_HANDLE);
    USHER_ACCEPT request = call.request(credential.handle, kerberos_token());
    EXPECT_EQ(usher_accept_async_batch(&handle, &request, 1), SEC_E_INVALID_HANDLE);
    SspiFreeAsyncContext(handle);
  }
  EXPECT_EQ(SspiGetAsyncCallStatus(next), SEC_E_OUT_OF_SEQUENCE) << "the positive twin lives";
  SspiFreeAsyncContext(next);
  usher_free_completions(queue);
  EXPECT_EQ(usher_completions_fd(queue), -1);
  usher_free_completions(queue);
  USHER_COMPLETION completion{};
  EXPECT_EQ(usher_take_completions(queue, &completion, 1), 0u);
  EXPECT_EQ(usher_async_set_completions(call.async, queue, nullptr), SEC_E_INVALID_HANDLE);
}

TEST_F(Async, StaleCredentialsAndContextsAreNotQueued) {
  AsyncCall call;
  CredHandle no_credential{};
  EXPECT_EQ(call.submit(no_credential, kerberos_token()), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(SspiAcceptSecurityContextAsync(call.async, nullptr, nullptr, nullptr, 0, 0, nullptr,
                                           nullptr, nullptr, nullptr),
            SEC_E_INVALID_HANDLE);
  CtxtHandle none = no_handle();
  EXPECT_EQ(call.submit(credential.handle, kerberos_token(), &none), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(call.calls, 0);
  // One that was deleted may only be found out by the worker; it is the final status then.
  const Called gone = open_half();
  CtxtHandle deleted = gone.context;
  EXPECT_EQ(DeleteSecurityContext(&deleted), SEC_E_OK);
  EXPECT_EQ(call.run(credential.handle, client.second(gone.reply), &deleted), SEC_E_INVALID_HANDLE);
}

TEST_F(Async, ContextsAreBounded) {
  std::set<SspiAsyncContext*> all;
  for (std::uint32_t n = 0; n < kTestAsyncContexts; ++n) {
    all.insert(SspiCreateAsyncContext());
  }
  EXPECT_EQ(all.size(), kTestAsyncContexts);
  EXPECT_EQ(all.count(nullptr), 0u);
  EXPECT_EQ(SspiCreateAsyncContext(), nullptr);
  EXPECT_STREQ(usher_last_refusal(), "all async contexts are in use");
  for (SspiAsyncContext* one : all) {
    SspiFreeAsyncContext(one);
  }
}

TEST_F(Async, CredentialsAreAcquiredAndFreed) {
  AsyncCall call;
  USHER_ACCEPTOR with = acceptor();
  CredHandle narrow{};
  CredHandle wide{};
  TimeStamp expiry{};
  ASSERT_EQ(
      SspiAcquireCredentialsHandleAsyncA(call.async, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND,
                                         nullptr, &with, nullptr, nullptr, &narrow, &expiry),
      SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(expiry.QuadPart, SECURITY_TIME_NEVER);
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  ASSERT_EQ(
      SspiAcquireCredentialsHandleAsyncW(call.async, nullptr, NEGOSSP_NAME_W, SECPKG_CRED_INBOUND,
                                         nullptr, &with, nullptr, nullptr, &wide, nullptr),
      SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_OK);
  for (CredHandle* one : {&narrow, &wide}) {
    EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
    EXPECT_EQ(call.run(*one, kerberos_token()), SEC_E_OK);
    EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
    EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
    ASSERT_EQ(SspiFreeCredentialsHandleAsync(call.async, one), SEC_E_OK);
    EXPECT_EQ(call.wait(), SEC_E_OK);
    EXPECT_EQ(FreeCredentialsHandle(one), SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
  EXPECT_EQ(SspiFreeCredentialsHandleAsync(call.async, &wide), SEC_E_INVALID_HANDLE);

  with.Keytab = "/no/such/keytab";
  ASSERT_EQ(SspiAcquireCredentialsHandleAsyncA(call.async, nullptr, MICROSOFT_KERBEROS_NAME_A,
                                               SECPKG_CRED_INBOUND, nullptr, &with, nullptr,
                                               nullptr, &narrow, nullptr),
            SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_NO_CREDENTIALS);
  EXPECT_NE(std::strstr(usher_last_refusal(), "/no/such/keytab"), nullptr) << usher_last_refusal();
}

// A credential that is freed under a pending operation is there until that is over.
TEST_F(Async, ACredentialMayBeFreedWhileItIsNeeded) {
  AsyncCall call;
  {
    OwnCredential brief{acceptor()};
    ASSERT_EQ(brief.status, SEC_E_OK);
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(brief.handle, kerberos_token()), SEC_E_OK);
    EXPECT_EQ(FreeCredentialsHandle(&brief.handle), SEC_E_OK);
    EXPECT_EQ(FreeCredentialsHandle(&brief.handle), SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

}  // namespace
}  // namespace usher
