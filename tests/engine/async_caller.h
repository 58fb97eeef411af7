// What tests of asynchronous calls share: one operation with its buffers, a worker that is held up,
// and an authority that answers when it is told to.
#pragma once

#include <usher/async.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/crypto/proof_batch.h"
#include "tests/engine/sspi_caller.h"

namespace usher::testing {

// AsyncCall is an async context and all that one accept needs. Its callback counts.
class AsyncCall {
 public:
  AsyncCall() {
    EXPECT_NE(async, nullptr) << usher_last_refusal();
    EXPECT_EQ(SspiSetAsyncNotifyCallback(async, notify, this), SEC_E_OK);
  }
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;
  ~AsyncCall() { SspiFreeAsyncContext(async); }

  // request prepares an accept of one token; `given` null for the first of an exchange.
  USHER_ACCEPT request(CredHandle& credential, Bytes bytes, CtxtHandle* given = nullptr,
                       std::uint32_t flags = 0) {
    token.assign(bytes.begin(), bytes.end());
    in = {static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    out = {static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    context = no_handle();
    return {.phCredential = &credential,
            .phContext = given,
            .pInput = &input,
            .fContextReq = flags,
            .TargetDataRep = SECURITY_NATIVE_DREP,
            .phNewContext = &context,
            .pOutput = &output,
            .pfContextAttr = &attributes,
            .ptsExpiry = &expiry,
            .Status = SEC_E_INTERNAL_ERROR};
  }
  SECURITY_STATUS submit(CredHandle& credential, Bytes bytes, CtxtHandle* given = nullptr,
                         std::uint32_t flags = 0) {
    const USHER_ACCEPT r = request(credential, bytes, given, flags);
    return SspiAcceptSecurityContextAsync(async, r.phCredential, r.phContext, r.pInput,
                                          r.fContextReq, r.TargetDataRep, r.phNewContext, r.pOutput,
                                          r.pfContextAttr, r.ptsExpiry);
  }
  // wait sleeps until the callback has come, and returns the final status.
  SECURITY_STATUS wait() {
    called.acquire();
    return SspiGetAsyncCallStatus(async);
  }
  SECURITY_STATUS run(CredHandle& credential, Bytes bytes, CtxtHandle* given = nullptr) {
    const SECURITY_STATUS queued = submit(credential, bytes, given);
    return queued == SEC_E_OK ? wait() : queued;
  }
  [[nodiscard]] Bytes reply() const { return Bytes(room).first(out.cbBuffer); }

  SspiAsyncContext* async = SspiCreateAsyncContext();
  Octets token;
  Octets room = Octets(2048);
  SecBuffer in{};
  SecBuffer out{};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context = no_handle();
  std::uint32_t attributes = 0;
  TimeStamp expiry{};

  std::atomic<int> calls{0};
  std::atomic<std::thread::id> thread;
  std::counting_semaphore<1024> called{0};

 private:
  static void notify(SspiAsyncContext* handle, void* data) {
    auto& self = *static_cast<AsyncCall*>(data);
    EXPECT_EQ(handle, self.async);
    self.calls.fetch_add(1);
    self.thread.store(std::this_thread::get_id());
    self.called.release();
  }
};

// Plug holds the only worker up: its callback does not return. It is in it when the constructor
// returns, and out of it after pull.
class Plug {
 public:
  explicit Plug(CredHandle& credential) {
    EXPECT_EQ(SspiSetAsyncNotifyCallback(call_.async, notify, this), SEC_E_OK);
    EXPECT_EQ(call_.submit(credential, mint::octets_of("no token at all")), SEC_E_OK);
    entered_.acquire();
  }
  ~Plug() { pull(); }
  Plug(const Plug&) = delete;
  Plug& operator=(const Plug&) = delete;

  void pull() {
    if (!std::exchange(pulled_, true)) {
      release_.release();
      left_.acquire();
    }
  }

 private:
  static void notify(SspiAsyncContext* /*handle*/, void* data) {
    auto& self = *static_cast<Plug*>(data);
    self.entered_.release();
    self.release_.acquire();
    self.left_.release();
  }

  AsyncCall call_;
  std::binary_semaphore entered_{0};
  std::binary_semaphore release_{0};
  std::counting_semaphore<2> left_{0};
  bool pulled_ = false;
};

// SlowProgram is a caller's own authority: it keeps what it is asked until it is told to answer.
class SlowProgram {
 public:
  SlowProgram() {
    Octets password;
    for (const char c : std::string_view("C4rol")) {
      password.insert(password.end(), {static_cast<std::uint8_t>(c), 0});
    }
    const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
    EXPECT_TRUE(crypto::nt_hash_of(*kit, password, nt_hash_));
  }
  static void ask(void* context, const USHER_QUESTION* question) {
    auto& self = *static_cast<SlowProgram*>(context);
    const std::scoped_lock lock(self.mutex_);
    self.asked_.push_back(question->Inquiry);
    self.changed_.notify_all();
  }
  // next waits for a question and takes it.
  std::uint64_t next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !asked_.empty(); });
    const std::uint64_t inquiry = asked_.front();
    asked_.pop_front();
    return inquiry;
  }
  SECURITY_STATUS answer(CredHandle& credential, std::uint64_t inquiry) {
    USHER_ANSWER answer{};
    answer.NtHash = nt_hash_.data();
    answer.User = "Carol";
    answer.Domain = "SHOP";
    return usher_answer(&credential, inquiry, &answer);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::uint64_t> asked_;
  Octets nt_hash_ = Octets(16);
};

inline USHER_ASYNC_COUNTS async_counts() {
  USHER_ASYNC_COUNTS counts{};
  counts.Size = sizeof counts;
  EXPECT_EQ(usher_async_counts(&counts), SEC_E_OK);
  return counts;
}

// AsyncTest has one worker, and an authority's credential beside the usual one.
class AsyncTest : public SspiTest {
 protected:
  void TearDown() override {
    EXPECT_EQ(free_async_contexts(), kTestAsyncContexts) << "an async context was left behind";
    EXPECT_EQ(free_slots(), kTestSlots) << "a security context was left behind";
  }
  static std::uint32_t free_async_contexts() {
    std::vector<SspiAsyncContext*> all;
    for (SspiAsyncContext* one = SspiCreateAsyncContext(); one != nullptr;
         one = SspiCreateAsyncContext()) {
      all.push_back(one);
    }
    for (SspiAsyncContext* one : all) {
      SspiFreeAsyncContext(one);
    }
    return static_cast<std::uint32_t>(all.size());
  }
  static void expect_deleted(CtxtHandle context) {
    EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_INVALID_HANDLE);
  }
  // ask_about_carol queues the second leg of a client that only `program` knows, and waits until
  // it is being asked about.
  std::uint64_t ask_about_carol(AsyncCall& call, CredHandle& asking) {
    carol.fields.user = u"carol";
    carol.fields.domain = u"shop";
    carol.fields.password = u"C4rol";
    const Called first = accept(asking, carol.first());
    EXPECT_EQ(first.status, SEC_I_CONTINUE_NEEDED);
    half = first.context;
    EXPECT_EQ(call.submit(asking, carol.second(first.reply), &half), SEC_E_OK);
    const std::uint64_t inquiry = program.next();
    // Asked inside the turn; it waits once the turn is over, which a later operation shows.
    AsyncCall later;
    EXPECT_NE(later.run(credential.handle, mint::octets_of("?")), SEC_E_OK);
    return inquiry;
  }
  USHER_ACCEPTOR with_ask() {
    USHER_ACCEPTOR with = acceptor();
    with.Ask = SlowProgram::ask;
    with.AskContext = &program;
    with.AuthorityMilliseconds = 600'000;  // Nothing here waits for it.
    return with;
  }

  SlowProgram program;
  NtlmClient carol{realm};
  CtxtHandle half{};
};

}  // namespace usher::testing
