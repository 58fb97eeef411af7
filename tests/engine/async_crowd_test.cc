// engine/async.h, "Overload": who waits for answers is never turned away while he keeps no more
// than half of all queues full, however many workers there are. Each case runs in a process of its
// own, for a process has one set of workers.
#include <sys/wait.h>
#include <unistd.h>
#include <usher/async.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "tests/engine/sspi_caller.h"

namespace usher {
namespace {

using namespace testing;

constexpr std::uint32_t kQueue = 1024;

// Client has one accept in flight, again and again. Its token is refused before it takes a slot.
struct Client {
  SspiAsyncContext* async = SspiCreateAsyncContext();
  SecBufferDesc input{7, 0, nullptr};
  CtxtHandle context = no_handle();

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
      EXPECT_EQ(SspiSetAsyncNotifyCallback(client.async, answered, this), SEC_E_OK);
      ready_.push_back(client.async);
      at_[client.async] = &client;
    }
  }
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
        now.swap(ready_);
      }
      pending -= asked_ ? now.size() : 0;
      asked_ = true;
      for (SspiAsyncContext* const one : now) {
        EXPECT_EQ(SspiReinitAsyncContext(one), 0);
        while (to_ask > 0 && at_[one]->submit(credential_) != SEC_E_OK) {
          ++refused;
        }
        pending += to_ask > 0 ? 1 : 0;
        to_ask -= to_ask > 0 ? 1 : 0;
      }
    }
    return refused;
  }

 private:
  static void answered(SspiAsyncContext* async, void* data) {
    auto& self = *static_cast<Crowd*>(data);
    for (int n = 0; n < 30'000; ++n) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    const std::scoped_lock lock(self.mutex_);
    self.ready_.push_back(async);
  }

  CredHandle& credential_;
  std::deque<Client> clients_;
  std::map<SspiAsyncContext*, Client*> at_;
  bool asked_ = false;
  std::mutex mutex_;
  std::vector<SspiAsyncContext*> ready_;
};

// turned_away counts those of as many clients as fill the queues of all workers half.
std::uint64_t turned_away(std::uint32_t workers) {
  const USHER_OPTIONS options{.Version = USHER_OPTIONS_VERSION,
                              .Size = sizeof(USHER_OPTIONS),
                              .ReplayEntries = 4096,
                              .AsyncWorkers = workers,
                              .AsyncQueue = kQueue};
  EXPECT_EQ(usher_start(&options), SEC_E_OK) << usher_last_refusal();
  const Folder folder;
  const std::string accounts = folder.write("accounts", kAccounts);
  USHER_ACCEPTOR acceptor{};
  acceptor.Accounts = accounts.c_str();
  OwnCredential credential{acceptor, NTLMSP_NAME_A};
  EXPECT_EQ(credential.status, SEC_E_OK) << usher_last_refusal();
  Crowd crowd(credential.handle, workers * kQueue / 2);
  const std::uint64_t refused = crowd.run(60);
  USHER_ASYNC_COUNTS counts{};
  counts.Size = sizeof counts;
  EXPECT_EQ(usher_async_counts(&counts), SEC_E_OK);
  EXPECT_EQ(counts.Workers, workers);
  EXPECT_EQ(counts.Refused, refused);
  return refused;
}

class AsyncCrowd : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(AsyncCrowd, NobodyIsTurnedAwayWhileQueuesAreHalfFull) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    EXPECT_EQ(turned_away(GetParam()), 0u);
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

INSTANTIATE_TEST_SUITE_P(Workers, AsyncCrowd, ::testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace usher
