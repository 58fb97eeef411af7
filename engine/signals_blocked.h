// Threads of the library leave the embedding program's signals to the program's own.
#pragma once

#include <pthread.h>

#include <csignal>

namespace usher {

// SignalsBlocked blocks signals for the calling thread, and so for the threads it starts, from
// their first instruction on: the signals are the embedding program's and go to its own threads.
// Those of a thread's own faults stay as they are; blocked, they would pass a handler by.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
      sigdelset(&all, fault);
    }
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace usher
