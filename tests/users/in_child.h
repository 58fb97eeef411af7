// A test's part in a process of its own, for what would change this one for good.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace usher::testing {

// in_child runs `body` in a child, whose end must be in order.
template <class Body>
void in_child(Body body) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace usher::testing

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Else ThreadSanitizer ends a child of a process with threads that starts some of its own.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif
#endif
