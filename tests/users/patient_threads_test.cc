// Promise: errands run on a few threads, in order; whoever waits for one gives up at the deadline
// and nothing is lost by that; too many are turned away; a child of fork has its own; and what runs
// them acts as the server, whoever asks.
#include "engine/users/patient_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "engine/users/impersonation.h"
#include "tests/in_child.h"
#include "tests/users/system_call_filter.h"
#include "tests/users/thread_status.h"

namespace usher::users {
namespace {

using namespace testing;
using Outcome = PatientThreads::Outcome;

constexpr std::int64_t kForever_ms = 600'000;
constexpr std::int64_t kSoon_ms = 20;

// Count counts errands that are alive, so that none is lost.
std::atomic<int> g_alive{0};

class Call final : public Errand {
 public:
  explicit Call(std::function<void()> what) : what_(std::move(what)) { ++g_alive; }
  ~Call() override { --g_alive; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  void run() noexcept override { what_(); }

 private:
  std::function<void()> what_;
};

std::shared_ptr<Errand> call(std::function<void()> what) {
  return std::make_shared<Call>(std::move(what));
}

// Hanging keeps threads busy until it is let go.
struct Hanging {
  // occupy makes `count` threads run errands that hang; nobody waits for those any more.
  void occupy(PatientThreads& threads, int count) {
    while (begun < count) {  // One whose thread is slow to begin is dropped.
      ASSERT_EQ(threads.run(call([this] {
                              ++begun;
                              end.wait();
                            }),
                            kSoon_ms),
                Outcome::kLate);
    }
  }
  std::atomic<int> begun{0};
  std::latch end{1};
};

TEST(PatientThreads, RunsAnErrandOnAnotherThread) {
  PatientThreads threads({});
  std::thread::id where;
  EXPECT_EQ(threads.run(call([&] { where = std::this_thread::get_id(); }), kForever_ms),
            Outcome::kDone);
  EXPECT_NE(where, std::thread::id());
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_EQ(g_alive, 0);
}

TEST(PatientThreads, UsesAThreadAgain) {
  PatientThreads threads({});
  std::thread::id first;
  std::thread::id second;
  EXPECT_EQ(threads.run(call([&] { first = std::this_thread::get_id(); }), kForever_ms),
            Outcome::kDone);
  EXPECT_EQ(threads.run(call([&] { second = std::this_thread::get_id(); }), kForever_ms),
            Outcome::kDone);
  EXPECT_EQ(first, second);
}

TEST(PatientThreads, WhoeverWaitsGivesUpAtTheDeadline) {
  Hanging hanging;
  PatientThreads threads({});
  hanging.occupy(threads, 1);
  bool ran = false;
  EXPECT_EQ(threads.run(call([&] { ran = true; }), kForever_ms), Outcome::kDone)
      << "another thread is there for it";
  EXPECT_TRUE(ran);
  hanging.end.count_down();
}

TEST(PatientThreads, DropsAnErrandWhoseTurnHasNotCome) {
  Hanging hanging;
  PatientThreads threads({.threads = 1, .waiting = 8});
  hanging.occupy(threads, 1);
  bool ran = false;
  std::shared_ptr<Errand> waiting = call([&] { ran = true; });
  EXPECT_EQ(threads.run(waiting, kSoon_ms), Outcome::kLate);
  EXPECT_EQ(waiting.use_count(), 1) << "nobody holds it any more";
  hanging.end.count_down();
  EXPECT_EQ(threads.run(call([] {}), kForever_ms), Outcome::kDone);
  EXPECT_FALSE(ran);
}

TEST(PatientThreads, RunsThemInTheOrderInWhichTheyCame) {
  Hanging hanging;
  PatientThreads threads({.threads = 1, .waiting = 8});
  hanging.occupy(threads, 1);
  std::vector<int> order;
  std::vector<std::thread> callers;
  for (int n = 0; n < 4; ++n) {
    const std::shared_ptr<Errand> errand = call([&order, n] { order.push_back(n); });
    callers.emplace_back(
        [&, errand] { EXPECT_EQ(threads.run(errand, kForever_ms), Outcome::kDone); });
    while (errand.use_count() < 3) {  // It is in the queue: here, with its caller and there.
      std::this_thread::yield();
    }
  }
  hanging.end.count_down();
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

TEST(PatientThreads, TurnsAwayWhomThereIsNoRoomFor) {
  Hanging hanging;
  PatientThreads threads({.threads = 2, .waiting = 1});
  hanging.occupy(threads, 2);
  const std::shared_ptr<Errand> errand = call([] {});
  std::thread waiting([&] { EXPECT_EQ(threads.run(errand, kForever_ms), Outcome::kDone); });
  while (errand.use_count() < 2) {  // It is in the queue, or its caller is about to put it there.
    std::this_thread::yield();
  }
  EXPECT_EQ(threads.run(call([] { ADD_FAILURE() << "it has not begun"; }), kSoon_ms),
            Outcome::kBusy);
  hanging.end.count_down();
  waiting.join();
  EXPECT_EQ(threads.run(call([] {}), kForever_ms), Outcome::kDone) << "there is room again";
}

TEST(PatientThreads, ManyAtOnceAreAllAnswered) {
  PatientThreads threads({.threads = 4, .waiting = 64});
  std::atomic<int> ran{0};
  std::vector<std::thread> callers;
  for (int n = 0; n < 16; ++n) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        EXPECT_EQ(threads.run(call([&] { ++ran; }), kForever_ms), Outcome::kDone);
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(ran, 16 * 50);
  EXPECT_EQ(g_alive, 0);
}

// Deadlines and answers meet at every moment there is.
TEST(PatientThreads, GivingUpAndBeingDoneMeet) {
  {
    PatientThreads threads({.threads = 2, .waiting = 64});
    std::vector<std::thread> callers;
    for (int n = 0; n < 4; ++n) {
      callers.emplace_back([&] {
        for (int round = 0; round < 200; ++round) {
          auto ran = std::make_shared<std::atomic<bool>>(false);
          const Outcome outcome = threads.run(call([ran] { *ran = true; }), round % 2);
          EXPECT_TRUE(outcome == Outcome::kLate || (outcome == Outcome::kDone && *ran));
        }
      });
    }
    for (std::thread& caller : callers) {
      caller.join();
    }
  }
  EXPECT_EQ(g_alive, 0);
}

TEST(PatientThreads, AChildOfForkHasItsOwn) {
  in_child([] {
    PatientThreads* const all = PatientThreads::of_process();
    ASSERT_NE(all, nullptr);
    EXPECT_EQ(PatientThreads::of_process(), all);
    Hanging hanging;  // One thread is busy, one idle.
    hanging.occupy(*all, 1);
    ASSERT_EQ(all->run(call([] {}), kForever_ms), Outcome::kDone);
    in_child([&] {
      PatientThreads* const own = PatientThreads::of_process();
      ASSERT_NE(own, nullptr);
      EXPECT_NE(own, all);
      EXPECT_EQ(own->run(call([] {}), kForever_ms), Outcome::kDone);
    });
    EXPECT_EQ(all->run(call([] {}), kForever_ms), Outcome::kDone);
    hanging.end.count_down();
  });
}

// Also one that is made while the parent's threads are being asked.
TEST(PatientThreads, ForksMeetErrands) {
  in_child([] {
    std::atomic<bool> over{false};
    std::thread asking([&] {
      while (!over) {
        EXPECT_EQ(PatientThreads::of_process()->run(call([] {}), kForever_ms), Outcome::kDone);
      }
    });
    for (int round = 0; round < 30; ++round) {
      in_child([] {
        EXPECT_EQ(PatientThreads::of_process()->run(call([] {}), kForever_ms), Outcome::kDone);
      });
    }
    over = true;
    asking.join();
  });
}

// In the order in which exit comes to them: the one that was registered last, the library's, the
// first.
std::atomic<bool> g_exits{false};
std::atomic<bool> g_ended{false};
bool g_looks_at_exit = false;
[[gnu::constructor(101)]] void look_at_exit_behind_the_library() {
  std::atexit([] {
    if (g_looks_at_exit) {
      ::_exit(g_ended ? 7 : 1);
    }
  });
}

TEST(PatientThreads, ExitWaitsForAnErrandThatEnds) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    g_looks_at_exit = true;
    std::atomic<bool> begun{false};
    while (!begun) {
      static_cast<void>(PatientThreads::of_process()->run(
          call([&begun] {
            begun = true;
            while (!g_exits) {
              std::this_thread::yield();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));  // Unless it is waited for.
            g_ended = true;
          }),
          kSoon_ms));
    }
    std::atexit([] { g_exits = true; });
    std::exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

TEST(PatientThreads, ExitDoesNotWaitForEver) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    g_looks_at_exit = true;
    static Hanging hanging;
    hanging.occupy(*PatientThreads::of_process(), 1);
    std::exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
}

TEST(PatientThreads, SaysWhenNoThreadCanBeHad) {
  in_child([] {
    PatientThreads threads({});
    // Callers of glibc's pthread_create see EAGAIN for whichever of the two it takes.
    ASSERT_TRUE(fail_call(SYS_clone3, EPERM) && fail_call(SYS_clone, EAGAIN));
    EXPECT_EQ(threads.run(call([] { ADD_FAILURE() << "it has not begun"; }), kForever_ms),
              Outcome::kNoThread);
  });
}

TEST(PatientThreads, LeavesSignalsToTheProgram) {
  PatientThreads threads({});
  sigset_t mask;
  ASSERT_EQ(threads.run(call([&] { ::pthread_sigmask(SIG_BLOCK, nullptr, &mask); }), kForever_ms),
            Outcome::kDone);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 1);
  EXPECT_EQ(sigismember(&mask, SIGSEGV), 0);
}

// Else every later question would be asked as that client, and by whoever's groups.
TEST(PatientThreads, ActAsTheServerIfAnImpersonatingThreadNeedsThemFirst) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "becoming others needs root";
  }
  in_child([] {
    const std::string before = thread_status();
    const Impersonated what{.index = 1, .generation = 1};
    ASSERT_EQ(impersonate({.uid = 54321, .gid = 54322, .groups = {54322}}, what).outcome,
              Changed::Outcome::kDone);
    PatientThreads threads({});
    std::string there;
    ASSERT_EQ(threads.run(call([&] { there = thread_status(); }), kForever_ms), Outcome::kDone);
    EXPECT_EQ(there, before);
    EXPECT_NE(thread_status(), before);
  });
}

TEST(PatientThreads, AThreadThatCannotBecomeTheServerRunsNothing) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "becoming others needs root";
  }
  in_child([] {
    const Impersonated what{.index = 1, .generation = 1};
    ASSERT_EQ(::syscall(SYS_setgroups, 0, nullptr), 0);
    ASSERT_EQ(impersonate({.uid = 54321, .gid = 54322, .groups = {54322}}, what).outcome,
              Changed::Outcome::kDone);
    ASSERT_TRUE(fail_call_with(SYS_setgroups, 0, 0, EPERM));
    PatientThreads threads({});
    const auto errand = call([] { ADD_FAILURE() << "as whom?"; });
    EXPECT_EQ(threads.run(errand, kSoon_ms), Outcome::kLate);
    // Without another thread to be had, it says so once that one has ended.
    ASSERT_TRUE(fail_call(SYS_clone3, EPERM) && fail_call(SYS_clone, EAGAIN));
    Outcome outcome = Outcome::kLate;
    while (outcome == Outcome::kLate) {
      outcome = threads.run(errand, kSoon_ms);
    }
    EXPECT_EQ(outcome, Outcome::kNoThread);
  });
}

}  // namespace
}  // namespace usher::users
