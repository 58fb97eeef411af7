// Sleeping on a word of memory until another thread of the process changes it.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

namespace usher::io {

// futex_sleep sleeps while `word` is `seen`: until futex_wake, a signal, or so many microseconds
// have passed. Not at all if it is something else already. It orders no memory: load the word.
inline void futex_sleep(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
                        std::int64_t timeout_us) noexcept {
  static_assert(sizeof word == sizeof(std::uint32_t), "the kernel looks at the word itself");
  constexpr std::int64_t kMicros = 1'000'000;
  const timespec timeout{.tv_sec = timeout_us / kMicros, .tv_nsec = timeout_us % kMicros * 1000};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &timeout, nullptr, 0);
}

// futex_wake wakes one thread that sleeps on `word`, if any does. errno stays.
inline void futex_wake(const std::atomic<std::uint32_t>& word) noexcept {
  const int saved_errno = errno;
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  errno = saved_errno;
}

}  // namespace usher::io
