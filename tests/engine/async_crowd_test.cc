// engine/async.h, "Overload": who waits for answers is never turned away while he keeps no more
// than half of all queues full, however many workers there are. Each case runs in a process of its
// own, for a process has one set of workers.
#include <unistd.h>
#include <usher/async.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/engine/sspi_caller.h"
#include "tests/in_child.h"

namespace usher {
namespace {

using namespace testing;

constexpr std::uint32_t kQueue = 1024;

// Client has one accept in flight, again and again. Its token is refused before it takes a slot.
struct Client {
  SspiAsyncContext* async = SspiCreateAsyncContext();
  SecBufferDesc input{7, 0, nullptr};
  CtxtHandle context = no_handle();

  USHER_ACCEPT request(CredHandle& credential) {
    return {.phCredential = &credential,
            .phContext = nullptr,
            .pInput = &input,
            .fContextReq = 0,
            .TargetDataRep = SECURITY_NATIVE_DREP,
            .phNewContext = &context,
            .pOutput = nullptr,
            .pfContextAttr = nullptr,
            .ptsExpiry = nullptr,
            .Status = SEC_E_OK};
  }
  SECURITY_STATUS submit(CredHandle& credential) {
    return SspiAcceptSecurityContextAsync(async, &credential, nullptr, &input, 0,
                                          SECURITY_NATIVE_DREP, &context, nullptr, nullptr,
                                          nullptr);
  }
};

// Crowd is clients of whom one thread asks for all, faster than they are answered: what a worker
// does for each takes a while.
class Crowd {
 public:
  Crowd(CredHandle& credential, std::uint32_t count) : credential_(credential), clients_(count) {
    for (Client& client : clients_) {
      EXPECT_EQ(SspiSetAsyncNotifyCallback(client.async, take_answer, this), SEC_E_OK);
      idle_.push_back(client.async);
      at_[client.async] = &client;
    }
  }
  ~Crowd() {
    for (Client& client : clients_) {
      SspiFreeAsyncContext(client.async);
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // run asks until each has had its answer `rounds` times, and counts how often one was turned
  // away.
  std::uint64_t run(std::uint32_t rounds) {
    std::uint64_t refused = 0;
    std::uint64_t to_ask = std::uint64_t{rounds} * clients_.size();
    std::uint64_t pending = 0;
    std::vector<SspiAsyncContext*> now;
    while (to_ask > 0 || pending > 0) {
      now.clear();
      {
        const std::scoped_lock lock(mutex_);
        now.swap(answered_);
      }
      pending -= now.size();
      idle_.insert(idle_.end(), now.begin(), now.end());
      for (; to_ask > 0 && !idle_.empty(); --to_ask, ++pending) {
        SspiAsyncContext* const one = idle_.back();
        idle_.pop_back();
        EXPECT_EQ(SspiReinitAsyncContext(one), 0);
        while (at_[one]->submit(credential_) != SEC_E_OK) {
          ++refused;
        }
      }
    }
    return refused;
  }
  void take_longer() { work_ = 2 * work_; }
  // burst asks for so many by one call, waits, and counts how many were turned away.
  std::uint64_t burst(std::size_t count) {
    std::vector<SspiAsyncContext*> asked(idle_.end() - std::ptrdiff_t(count), idle_.end());
    std::vector<USHER_ACCEPT> requests(count);
    for (std::size_t n = 0; n < count; ++n) {
      EXPECT_EQ(SspiReinitAsyncContext(asked[n]), 0);
      requests[n] = at_[asked[n]]->request(credential_);
    }
    static_cast<void>(
        usher_accept_async_batch(asked.data(), requests.data(), std::uint32_t(count)));
    const auto refused =
        std::count_if(requests.begin(), requests.end(),
                      [](const USHER_ACCEPT& request) { return request.Status != SEC_E_OK; });
    for (std::size_t left = count - std::size_t(refused); left > 0;) {
      const std::scoped_lock lock(mutex_);
      left -= std::exchange(answered_, {}).size();
    }
    return std::uint64_t(refused);
  }

 private:
  static void take_answer(SspiAsyncContext* async, void* data) {
    auto& self = *static_cast<Crowd*>(data);
    for (int n = self.work_; n > 0; --n) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    const std::scoped_lock lock(self.mutex_);
    self.answered_.push_back(async);
  }

  CredHandle& credential_;
  std::atomic<int> work_{30'000};  // For each answer: some microseconds.
  std::deque<Client> clients_;
  std::map<SspiAsyncContext*, Client*> at_;
  std::vector<SspiAsyncContext*> idle_;
  std::mutex mutex_;
  std::vector<SspiAsyncContext*> answered_;
};

// start makes the engine with so many workers.
void start(std::uint32_t workers) {
  const USHER_OPTIONS options{.Version = USHER_OPTIONS_VERSION,
                              .Size = sizeof(USHER_OPTIONS),
                              .ReplayEntries = 4096,
                              .AsyncWorkers = workers,
                              .AsyncContexts = 1u << 16,
                              .AsyncQueue = kQueue};
  EXPECT_EQ(usher_start(&options), SEC_E_OK) << usher_last_refusal();
}

struct NtlmService {
  NtlmService() {
    USHER_ACCEPTOR acceptor{};
    acceptor.Accounts = accounts.c_str();
    credential.emplace(acceptor, NTLMSP_NAME_A);
    EXPECT_EQ(credential->status, SEC_E_OK) << usher_last_refusal();
  }

  Folder folder;
  std::string accounts = folder.write("accounts", kAccounts);
  std::optional<OwnCredential> credential;
};

USHER_ASYNC_COUNTS counts_now() {
  USHER_ASYNC_COUNTS counts{};
  counts.Size = sizeof counts;
  EXPECT_EQ(usher_async_counts(&counts), SEC_E_OK);
  return counts;
}

class AsyncCrowd : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, AsyncCrowd, ::testing::Values(1u, 2u, 4u));

TEST_P(AsyncCrowd, NobodyIsTurnedAwayWhileQueuesAreHalfFull) {
  in_child([] {
    start(GetParam());
    NtlmService service;
    Crowd crowd(service.credential->handle, GetParam() * kQueue / 2);
    EXPECT_EQ(crowd.run(60), 0u);
    EXPECT_EQ(counts_now().Workers, GetParam());
    EXPECT_EQ(counts_now().Refused, 0u);
  });
}

// A worker that has nothing to do is no reason to keep a burst out, and need not be woken to see
// that. (It wakes by itself once a second, so that one round alone might not show if it did.)
TEST(AsyncCrowdEnd, NeedsNoWorkerToBeWoken) {
  in_child([] {
    start(1);
    NtlmService service;
    for (int round = 0; round < 6; ++round) {
      Crowd crowd(service.credential->handle, 2 * kQueue);
      while (crowd.run(3) == 0) {  // Too many, for long, if they take long.
        crowd.take_longer();
      }
      int tries = 0;
      do {
        std::this_thread::sleep_for(std::chrono::milliseconds(40));
      } while (crowd.burst(60) > 0 && ++tries < 5);
      EXPECT_LT(tries, 5);
    }
  });
}

}  // namespace
}  // namespace usher
