// engine/async.h: a credential whose end comes in a callback does not end on the worker, which
// would wait there for its authority's threads. From below the C ABI, where that can be seen.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>
#include <utility>

#include "engine/async.h"
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

// Witness is an authority that nobody asks: it tells which thread ends it.
class Witness final : public auth::Authority {
 public:
  explicit Witness(std::promise<std::thread::id>& ended)
      : auth::Authority(1, kMicrosPerSecond), ended_(ended) {}
  ~Witness() override { ended_.set_value(std::this_thread::get_id()); }

 private:
  void begin(auth::Inquiry& inquiry) noexcept override { finish(inquiry); }

  std::promise<std::thread::id>& ended_;
};

// Call is an accept of nothing, whose callback may free its credential and keeps the worker until
// it is let go.
class Call {
 public:
  Call() {
    bool already = false;
    EXPECT_NE(start_engine({}, already), nullptr);
    auto tenant =
        std::make_unique<Acceptor>(auth::Package::kNegotiate, std::make_unique<auth::Keys>());
    tenant->credential.authority = std::make_unique<Witness>(promise_);
    const std::optional<TableHandle> place = credentials().insert(tenant);
    EXPECT_TRUE(place);
    write_handle(credential, place.value_or(TableHandle{}));
    async = SspiCreateAsyncContext();
    EXPECT_EQ(SspiSetAsyncNotifyCallback(async, notify, this), SEC_E_OK);
  }
  ~Call() { SspiFreeAsyncContext(async); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // submit queues it and waits until its callback has begun, and has freed what it should.
  void submit(bool frees_inside) {
    frees_inside_ = frees_inside;
    CtxtHandle none{};
    EXPECT_EQ(
        SspiAcceptSecurityContextAsync(async, &credential, nullptr, nullptr, 0,
                                       SECURITY_NATIVE_DREP, &none, nullptr, nullptr, nullptr),
        SEC_E_OK);
    begun_.acquire();
  }
  std::thread::id ended_by() { return promise_.get_future().get(); }
  void let_go() {
    release_.release();
    left_.acquire();
  }

  SspiAsyncContext* async = nullptr;
  CredHandle credential{};
  SECURITY_STATUS freed = SEC_E_INTERNAL_ERROR;
  std::thread::id worker;

 private:
  static void notify(SspiAsyncContext* /*handle*/, void* data) {
    auto& self = *static_cast<Call*>(data);
    self.worker = std::this_thread::get_id();
    if (self.frees_inside_) {
      self.freed = FreeCredentialsHandle(&self.credential);
    }
    self.begun_.release();
    self.release_.acquire();
    self.left_.release();
  }

  std::promise<std::thread::id> promise_;
  bool frees_inside_ = false;
  std::binary_semaphore begun_{0};
  std::binary_semaphore release_{0};
  std::counting_semaphore<2> left_{0};
};

TEST(CredentialEnd, IsNotTheWorkersInACallback) {
  Call call;
  call.submit(true);
  EXPECT_EQ(call.freed, SEC_E_OK);
  EXPECT_EQ(FreeCredentialsHandle(&call.credential), SEC_E_INVALID_HANDLE) << "dead at once";
  const std::thread::id by = call.ended_by();  // While the worker is in the callback.
  EXPECT_NE(by, call.worker);
  EXPECT_NE(by, std::this_thread::get_id());
  call.let_go();
}

TEST(CredentialEnd, IsItsOwnersElsewhere) {
  Call call;
  call.submit(false);
  EXPECT_EQ(FreeCredentialsHandle(&call.credential), SEC_E_OK);
  EXPECT_EQ(call.ended_by(), std::this_thread::get_id());
  call.let_go();
}

}  // namespace
}  // namespace usher::sspi
