// A test's part in a process of its own, for what would change this one for good.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace usher::testing {

// Fork is a way to make a process with a copy of this one's memory. Handlers of pthread_atfork run
// in the first one's child only.
struct Fork {
  const char* name;
  pid_t (*make)();
};
inline const Fork kForks[] = {
    {"fork", [] { return ::fork(); }},
    {"_Fork", [] { return ::_Fork(); }},
    {"clone", [] { return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }}};

inline constexpr int kSkippedInChild = 77;

// how_it_ended is what a child that has run a part of a test ends with.
inline int how_it_ended() {
  return ::testing::Test::HasFailure() ? 1 : ::testing::Test::IsSkipped() ? kSkippedInChild : 0;
}

// in_child runs `body` in a child, whose end must be in order. If that skips the test, the test is
// skipped.
template <class Body>
void in_child(Body body, const Fork& fork = kForks[0]) {
  const pid_t child = fork.make();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    ::_exit(how_it_ended());
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == kSkippedInChild) {
    GTEST_SKIP() << "as its child said";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace usher::testing

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Else ThreadSanitizer ends a child of a process with threads that starts some of its own.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif
#endif
