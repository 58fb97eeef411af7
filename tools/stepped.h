// A child process that is stepped through what it marks, one instruction at a time: what runs, and
// how much, on this very CPU.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace usher::tools {

// Stepped is what a child did: the instructions between its marks, and what its body returned; -1
// if it did not get so far, kCannotBeTraced if nothing may be traced here.
struct Stepped {
  long instructions = 0;
  int returned = -1;
};
inline constexpr int kCannotBeTraced = 254;

// mark_steps, in the child, begins what is stepped through, or ends it.
inline void mark_steps() { (void)::raise(SIGSTOP); }

// step runs `body`, which returns an int up to 253, in a child, and calls `look` with the child's
// process id before each instruction between the marks.
template <class Body, class Look>
Stepped step(Body body, Look look) {
  Stepped stepped;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
      ::_exit(kCannotBeTraced);
    }
    ::_exit(body());
  }
  bool stepping = false;
  int state = 0;
  while (::waitpid(child, &state, 0) == child && WIFSTOPPED(state)) {
    const int signal = WSTOPSIG(state);
    if (signal == SIGSTOP) {
      stepping = !stepping;
    } else if (signal == SIGTRAP && stepping) {
      ++stepped.instructions;
      look(child);
    }
    const bool own = signal == SIGSTOP || signal == SIGTRAP;
    ::ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, child, nullptr, own ? 0 : signal);
  }
  stepped.returned = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
  return stepped;
}

}  // namespace usher::tools
