// What other threads need of a worker that sleeps.
#pragma once

namespace usher::io {

// Waker is a worker, seen by those who have something for it.
class Waker {
 public:
  // wake ends the worker's sleep, or the next one if it is awake; one too many does no harm. What
  // the caller wrote before is seen by the worker after it. One system call. Any thread, also in a
  // signal handler; not after the worker has been destroyed.
  virtual void wake() noexcept = 0;

 protected:
  ~Waker() = default;
};

}  // namespace usher::io
