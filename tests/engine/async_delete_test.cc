// engine/async.h: a delete of a context that is being worked on waits for that, but not for ever:
// in a forked child it may be a thread of the parent's, which never ends. From below the C ABI,
// where the time can be set and a context held.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <semaphore>

#include "engine/async.h"
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

// AheadClock is the machine's, and further on.
class AheadClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return system_clock().wall_us() + ahead_us;
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override {
    return system_clock().steady_us() + ahead_us;
  }

  std::atomic<std::int64_t> ahead_us{0};
};
AheadClock g_clock;

// Deleting is a delete with a callback.
class Deleting {
 public:
  Deleting() { EXPECT_EQ(SspiSetAsyncNotifyCallback(async_, notify, this), SEC_E_OK); }
  ~Deleting() { SspiFreeAsyncContext(async_); }
  Deleting(const Deleting&) = delete;
  Deleting& operator=(const Deleting&) = delete;

  SECURITY_STATUS submit(ContextHandle context) {
    CtxtHandle handle{};
    write_handle(handle, context);
    return SspiDeleteSecurityContextAsync(async_, &handle);
  }
  SECURITY_STATUS wait() {
    called_.acquire();
    return status();
  }
  [[nodiscard]] SECURITY_STATUS status() const { return SspiGetAsyncCallStatus(async_); }

 private:
  static void notify(SspiAsyncContext* /*handle*/, void* data) {
    static_cast<Deleting*>(data)->called_.release();
  }

  SspiAsyncContext* async_ = SspiCreateAsyncContext();
  std::binary_semaphore called_{0};
};

TEST(AsyncDelete, OfAContextThatStaysBusyEndsOnce) {
  EngineOptions options;
  options.clock = &g_clock;
  bool already = false;
  const usher::Engine* const engine = start_engine(options, already);
  ASSERT_NE(engine, nullptr);
  auth::ContextPool& contexts = engine->environment().contexts;
  Deleting abandoned;
  Deleting next;
  ContextHandle handle;
  {
    Status status{};
    const Pinned<Context> busy = contexts.open(g_clock.steady_us(), status);
    ASSERT_TRUE(busy);
    contexts.establish(busy);  // Else it would end by itself.
    handle = busy.handle();
    ContextHandle idle;
    {
      const Pinned<Context> opened = contexts.open(g_clock.steady_us(), status);
      ASSERT_TRUE(opened);
      contexts.establish(opened);
      idle = opened.handle();
    }
    ASSERT_EQ(abandoned.submit(handle), SEC_E_OK);
    // As long as an authority may take it waits: a delete after it, which is over at once, shows
    // that the worker has looked.
    g_clock.ahead_us += std::int64_t{600} * kMicrosPerSecond;
    Deleting later;
    ASSERT_EQ(later.submit(idle), SEC_E_OK);
    EXPECT_EQ(later.wait(), SEC_E_OK);
    EXPECT_EQ(abandoned.status(), SEC_I_ASYNC_CALL_PENDING);
    g_clock.ahead_us += std::int64_t{61} * kMicrosPerSecond;
    EXPECT_EQ(abandoned.wait(), USHER_E_DEADLINE);
    EXPECT_TRUE(contexts.is_live(handle)) << "and is not deleted";
    ASSERT_EQ(next.submit(handle), SEC_E_OK);
  }
  EXPECT_EQ(next.wait(), SEC_E_OK) << "the positive twin";
  EXPECT_FALSE(contexts.is_live(handle));
}

}  // namespace
}  // namespace usher::sspi
