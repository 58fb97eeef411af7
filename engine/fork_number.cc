#include "engine/fork_number.h"

#include <pthread.h>

#include <atomic>

namespace usher {
namespace {

constinit std::atomic<std::uint32_t> g_forks{0};

// Relaxed: a child has one thread when it is counted.
void count_fork() noexcept { g_forks.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

bool watch_forks() noexcept {
  static const bool watched = ::pthread_atfork(nullptr, nullptr, count_fork) == 0;
  return watched;
}

std::uint32_t fork_number() noexcept { return g_forks.load(std::memory_order_relaxed); }

}  // namespace usher
