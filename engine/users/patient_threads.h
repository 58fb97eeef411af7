// Threads for what may block and cannot be interrupted, so that who wants it done can give up.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

namespace usher::users {

// Errand is something to be done that may take long. Whoever wanted it done may have gone by then:
// it owns all it needs.
class Errand {
 public:
  virtual ~Errand() = default;
  virtual void run() noexcept = 0;
};

// PatientThreads runs errands, a few at once, the others in the order in which they came. Threads
// are made as they are needed and stay. They act as the server, also if a thread that impersonates
// a client is the one that needs them. Any thread may call; it takes a lock and the heap.
class PatientThreads {
 public:
  struct Limits {
    std::size_t threads = 4;
    std::size_t waiting = 64;  // Errands that wait for a thread.
  };

  // of_process is the process's own, made at the first call; a child of fork has none of its
  // parent's threads, and makes its own. Null without memory.
  [[nodiscard]] static PatientThreads* of_process() noexcept;

  explicit PatientThreads(Limits limits) noexcept : limits_(limits) {}
  // Waits for the threads, that is for the errands that they are on.
  ~PatientThreads();
  PatientThreads(const PatientThreads&) = delete;
  PatientThreads& operator=(const PatientThreads&) = delete;

  enum class Outcome : std::uint8_t {
    kDone,
    kLate,  // It is not done yet, and may never be; what it does from here on is its own affair.
    kBusy,  // As many wait for a thread as may; it has not begun.
    kNoThread,  // No thread can be had; it has not begun.
  };
  // run returns when the errand is done, which is then the caller's alone, or at the deadline. One
  // whose turn has not come by then is dropped. Throws std::bad_alloc, with nothing begun.
  [[nodiscard]] Outcome run(const std::shared_ptr<Errand>& errand, std::int64_t deadline_ms);

 private:
  struct Turn;
  struct Start;
  static const bool g_watches;
  static void at_exit() noexcept;
  // start_thread starts one more, with lock_ held, and counts it as idle; begin is what it does,
  // and live what it does from then on. A thread that cannot become the server ends at once.
  [[nodiscard]] bool start_thread();
  static void* begin(void* told) noexcept;
  void live(std::unique_lock<std::mutex>& held) noexcept;

  Limits limits_;
  std::mutex lock_;  // Guards all below.
  std::condition_variable work_;
  std::condition_variable ended_;
  std::deque<std::shared_ptr<Turn>> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;  // Of those, waiting for work, or about to.
  bool stopping_ = false;
};

}  // namespace usher::users
