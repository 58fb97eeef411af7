// engine/async.h across a fork, and without io_uring. Each case runs in a process of its own, for a
// process has one set of workers.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <set>

#include "tests/engine/async_caller.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Else ThreadSanitizer ends a child of a process with threads that starts some of its own.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif
#endif

namespace usher {
namespace {

using namespace testing;

class AsyncFork : public SspiTest {
 protected:
  // in_child runs `body` in a child, whose end must be in order.
  template <class Body>
  static void in_child(Body body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      body();
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  // signs_on takes one client through an asynchronous accept.
  void signs_on(AsyncCall& call) {
    EXPECT_EQ(call.run(credential.handle, kerberos_token()), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
  }
};

TEST_F(AsyncFork, TheChildBeginsAnewAndTheParentGoesOn) {
  in_child([this] {  // This process stays as it is, so that the other cases can fork, too.
    AsyncCall before;
    signs_on(before);
    USHER_COMPLETIONS* const queue = usher_create_completions();
    const int fd = usher_completions_fd(queue);
    ASSERT_GE(fd, 0);
    AsyncCall pending;
    Plug plug(credential.handle);
    ASSERT_EQ(pending.submit(credential.handle, kerberos_token()), SEC_E_OK);
    in_child([&] {
      // What was the parent's is stale here, and its descriptor closed.
      EXPECT_EQ(SspiGetAsyncCallStatus(before.async), SEC_E_INVALID_HANDLE);
      EXPECT_EQ(SspiReinitAsyncContext(before.async), USHER_STATUS_INVALID_HANDLE);
      EXPECT_EQ(SspiGetAsyncCallStatus(pending.async), SEC_E_INVALID_HANDLE);
      EXPECT_EQ(usher_async_cancel(pending.async), SEC_E_INVALID_HANDLE);
      EXPECT_EQ(usher_completions_fd(queue), -1);
      EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
      EXPECT_EQ(async_counts().Workers, 0u);
      EXPECT_EQ(async_counts().Submitted, 0u);
      AsyncCall fresh;
      EXPECT_NE(fresh.async, before.async) << "no handle means two things";
      signs_on(fresh);
      EXPECT_EQ(async_counts().Workers, 1u);
      EXPECT_EQ(SspiGetAsyncCallStatus(pending.async), SEC_E_INVALID_HANDLE);
      in_child([&] {  // And so on.
        EXPECT_EQ(SspiGetAsyncCallStatus(fresh.async), SEC_E_INVALID_HANDLE);
        AsyncCall third;
        signs_on(third);
      });
    });
    EXPECT_GE(::fcntl(fd, F_GETFD), 0);
    plug.pull();
    EXPECT_EQ(pending.wait(), SEC_E_OK);
    EXPECT_EQ(DeleteSecurityContext(&pending.context), SEC_E_OK);
    EXPECT_EQ(SspiReinitAsyncContext(before.async), 0);
    signs_on(before);
    usher_free_completions(queue);
  });
}

// open_descriptors are all of this process's.
std::set<int> open_descriptors() {
  std::set<int> all;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) {
      all.insert(fd);
    }
  }
  return all;
}

TEST_F(AsyncFork, TheChildHasNoneOfTheParentsDescriptors) {
  in_child([this] {
    const std::set<int> before = open_descriptors();
    AsyncCall call;
    signs_on(call);
    USHER_COMPLETIONS* const queue = usher_create_completions();
    ASSERT_GE(usher_completions_fd(queue), 0);
    in_child([&] { EXPECT_EQ(open_descriptors(), before); });
    usher_free_completions(queue);
  });
}

// Nor one that another thread is just making or closing.
TEST_F(AsyncFork, ForksMeetCompletionQueuesThatComeAndGo) {
  in_child([] {
    usher_free_completions(usher_create_completions());
    const std::set<int> before = open_descriptors();
    std::atomic<bool> over{false};
    std::thread coming_and_going([&] {
      while (!over) {
        usher_free_completions(usher_create_completions());
      }
    });
    for (int round = 0; round < 100; ++round) {
      in_child([&] { EXPECT_EQ(open_descriptors(), before); });
    }
    over = true;
    coming_and_going.join();
  });
}

// Another thread may be in the middle of the first call of all, or of reading keys again.
TEST_F(AsyncFork, ForksMeetTheFirstCall) {
  for (int round = 0; round < 50; ++round) {
    in_child([&] {
      std::atomic<bool> begun{false};
      std::thread first([&] {
        begun = true;
        SspiFreeAsyncContext(SspiCreateAsyncContext());
      });
      while (!begun) {
      }
      for (int n = 0; n < round; ++n) {
        std::atomic_signal_fence(std::memory_order_seq_cst);
      }
      in_child([this] {
        AsyncCall call;
        signs_on(call);
      });
      first.join();
    });
  }
}

TEST_F(AsyncFork, ForksMeetAReload) {
  in_child([this] {
    std::atomic<bool> over{false};
    std::thread reloading([&] {
      while (!over) {
        EXPECT_EQ(usher_reload(&credential.handle), SEC_E_OK);
      }
    });
    for (int round = 0; round < 30; ++round) {
      in_child([this] { EXPECT_EQ(usher_reload(&credential.handle), SEC_E_OK); });
    }
    over = true;
    reloading.join();
  });
}

// skip_leak_check, before the first asynchronous call, ends the process when the library has
// stopped its workers: AddressSanitizer would find what this test itself has not given back by
// then.
void skip_leak_check() {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  std::atexit([] { ::_exit(7); });
#endif
#endif
}

// A process exits in order whatever its workers are doing, and from inside a callback, too.
TEST_F(AsyncFork, ExitEndsWhatIsPending) {
  for (const bool from_callback : {false, true}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      skip_leak_check();
      static std::vector<std::unique_ptr<AsyncCall>> calls;
      for (std::uint32_t n = 0; n < kTestAsyncQueue; ++n) {
        calls.push_back(std::make_unique<AsyncCall>());
        calls.back()->submit(credential.handle, kerberos_token());
      }
      if (from_callback) {
        SspiAsyncContext* const last = SspiCreateAsyncContext();
        SspiSetAsyncNotifyCallback(
            last, [](SspiAsyncContext*, void*) { std::exit(7); }, nullptr);
        AsyncCall buffers;
        USHER_ACCEPT request = buffers.request(credential.handle, mint::octets_of("?"));
        while (usher_accept_async_batch(&last, &request, 1) != SEC_E_OK) {
        }
        buffers.called.acquire();  // For ever.
      }
      std::exit(7);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status << from_callback;
  }
}

// forbid_io_uring makes it fail as in a container, or under an old kernel.
bool forbid_io_uring(int error) {
  std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

class AsyncWithoutRing : public AsyncFork, public ::testing::WithParamInterface<int> {};

TEST_P(AsyncWithoutRing, WorkersSleepWithoutIt) {
  in_child([this] {
    if (!forbid_io_uring(GetParam())) {
      return;  // No seccomp here.
    }
    AsyncCall call;
    for (int round = 0; round < 50; ++round) {
      signs_on(call);
      ASSERT_EQ(SspiReinitAsyncContext(call.async), 0);
    }
    EXPECT_GT(async_counts().WakeUps, 0u);
    // Deadlines and authorities, which need time to be kept.
    SlowProgram program;
    USHER_ACCEPTOR with = acceptor();
    with.Ask = SlowProgram::ask;
    with.AskContext = &program;
    with.AuthorityMilliseconds = 600'000;
    OwnCredential asking{with};
    client.fields.user = u"carol";
    client.fields.password = u"C4rol";
    for (const bool answered : {true, false}) {
      const Called first = accept(asking.handle, client.first());
      CtxtHandle half_open = first.context;
      ASSERT_EQ(usher_async_set_deadline(call.async, answered ? 0 : 20), SEC_E_OK);
      ASSERT_EQ(call.submit(asking.handle, client.second(first.reply), &half_open), SEC_E_OK);
      const std::uint64_t inquiry = program.next();
      if (answered) {
        EXPECT_EQ(program.answer(asking.handle, inquiry), SEC_E_OK);
      }
      EXPECT_EQ(call.wait(), answered ? SEC_E_OK : USHER_E_DEADLINE) << usher_last_refusal();
      ASSERT_EQ(SspiReinitAsyncContext(call.async), 0);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Error, AsyncWithoutRing, ::testing::Values(ENOSYS, EPERM));

}  // namespace
}  // namespace usher
