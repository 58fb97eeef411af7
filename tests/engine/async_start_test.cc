// engine/acceptor.h: usher_start sizes asynchronous calls, so it comes before the first of them.
// Each case runs in a process of its own, for a process is started once.
#include <gtest/gtest.h>
#include <unistd.h>
#include <usher/async.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/in_child.h"

namespace usher {
namespace {

constexpr std::uint32_t kContexts = 7;  // Else there are far more.

SECURITY_STATUS start() {
  const USHER_OPTIONS options{.Version = USHER_OPTIONS_VERSION,
                              .Size = sizeof(USHER_OPTIONS),
                              .ReplayEntries = 4096,
                              .AsyncContexts = kContexts};
  return usher_start(&options);
}

std::uint32_t count_contexts() {
  std::uint32_t count = 0;
  while (count <= kContexts && SspiCreateAsyncContext() != nullptr) {
    ++count;
  }
  return count;
}

TEST(AsyncStart, ComesBeforeTheFirstAsynchronousCall) {
  testing::in_child([] {
    EXPECT_EQ(start(), SEC_E_OK) << "the positive twin";
    EXPECT_EQ(count_contexts(), kContexts);
  });
  testing::in_child([] {
    SspiFreeAsyncContext(SspiCreateAsyncContext());
    EXPECT_EQ(start(), SEC_E_OUT_OF_SEQUENCE);
    EXPECT_STREQ(usher_last_refusal(), "usher_start comes before the first asynchronous call");
  });
  testing::in_child([] {
    usher_free_completions(usher_create_completions());
    EXPECT_EQ(start(), SEC_E_OUT_OF_SEQUENCE);
  });
}

// Another thread's first call either finds what usher_start was told, or has usher_start refused.
TEST(AsyncStart, MeetsTheFirstAsynchronousCall) {
  for (int round = 0; round < 50; ++round) {
    testing::in_child([&] {
      std::atomic<int> ready{0};
      const auto together = [&ready] {
        ready += 1;
        while (ready < 2) {
        }
      };
      std::thread first([&] {
        together();
        for (int n = 0; n < 20'000 * round; ++n) {
          std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        SspiFreeAsyncContext(SspiCreateAsyncContext());
      });
      together();
      const SECURITY_STATUS started = start();
      first.join();
      EXPECT_EQ(count_contexts() == kContexts, started == SEC_E_OK) << started;
    });
  }
}

}  // namespace
}  // namespace usher
