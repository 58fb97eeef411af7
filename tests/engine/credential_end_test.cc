// engine/async.h: a credential whose end comes in a callback does not end on the worker, which
// would wait there for its authority's threads.
#include <future>

#include "engine/sspi_internal.h"
#include "tests/engine/async_caller.h"

namespace usher {
namespace {

using namespace testing;

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

class CredentialEnd : public AsyncTest {
 protected:
  // witnessed makes a credential that nobody else knows.
  CredHandle witnessed(std::promise<std::thread::id>& ended) {
    auto tenant =
        std::make_unique<sspi::Acceptor>(auth::Package::kNegotiate, std::make_unique<auth::Keys>());
    tenant->credential.authority = std::make_unique<Witness>(ended);
    const std::optional<TableHandle> place = sspi::credentials().insert(tenant);
    EXPECT_TRUE(place);
    CredHandle handle{};
    sspi::write_handle(handle, place.value_or(TableHandle{}));
    return handle;
  }
};

// Freeing is a callback that frees its credential, and keeps its worker until it is let go.
struct Freeing {
  CredHandle credential{};
  SECURITY_STATUS status = SEC_E_INTERNAL_ERROR;
  std::thread::id worker;
  std::binary_semaphore freed{0};
  std::binary_semaphore over{0};
  static void notify(SspiAsyncContext* /*handle*/, void* data) {
    auto& self = *static_cast<Freeing*>(data);
    self.worker = std::this_thread::get_id();
    self.status = FreeCredentialsHandle(&self.credential);
    self.freed.release();
    self.over.acquire();
  }
};

TEST_F(CredentialEnd, IsNotTheWorkersInACallback) {
  std::promise<std::thread::id> ended;
  Freeing freeing;
  freeing.credential = witnessed(ended);
  AsyncCall call;
  ASSERT_EQ(SspiSetAsyncNotifyCallback(call.async, Freeing::notify, &freeing), SEC_E_OK);
  ASSERT_EQ(call.submit(freeing.credential, mint::octets_of("?")), SEC_E_OK);
  freeing.freed.acquire();
  EXPECT_EQ(freeing.status, SEC_E_OK);
  EXPECT_EQ(FreeCredentialsHandle(&freeing.credential), SEC_E_INVALID_HANDLE) << "dead at once";
  const std::thread::id by = ended.get_future().get();  // While the worker is in the callback.
  EXPECT_NE(by, freeing.worker);
  EXPECT_NE(by, std::this_thread::get_id());
  freeing.over.release();
  while (SspiGetAsyncCallStatus(call.async) == SEC_I_ASYNC_CALL_PENDING) {
    std::this_thread::yield();
  }
}

TEST_F(CredentialEnd, IsTheCallersElsewhere) {
  std::promise<std::thread::id> ended;
  CredHandle credential = witnessed(ended);
  AsyncCall call;
  EXPECT_EQ(call.run(credential, mint::octets_of("?")), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(FreeCredentialsHandle(&credential), SEC_E_OK);
  EXPECT_EQ(ended.get_future().get(), std::this_thread::get_id());
}

}  // namespace
}  // namespace usher
