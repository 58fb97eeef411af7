#include "engine/fork_number.h"

#include <sys/mman.h>

#include <atomic>
#include <cassert>
#include <memory>

#include "engine/wiped_on_fork.h"

namespace usher {
namespace {

using Number = std::atomic<std::uint32_t>;

// The process's number lies where a child finds 0: nobody has asked there yet.
constinit std::atomic<Number*> g_number{nullptr};
// A child has a copy of this one. It is never less than the number of the process.
constinit Number g_last{0};

}  // namespace

bool watch_forks() noexcept {
  if (g_number.load(std::memory_order_acquire) != nullptr) {
    return true;
  }
  void* const page = map_wiped_on_fork(0, sizeof(Number));
  if (page == nullptr) {
    return false;
  }
  Number* found = nullptr;
  if (!g_number.compare_exchange_strong(found, std::construct_at(static_cast<Number*>(page), 0u))) {
    ::munmap(page, whole_pages(sizeof(Number)));
  }
  return true;
}

std::uint32_t fork_number() noexcept {
  Number* const number = g_number.load(std::memory_order_acquire);
  assert(number != nullptr);
  std::uint32_t found = number->load(std::memory_order_relaxed);
  if (found == 0) {
    // What is used is counted first: whichever moment another thread's fork comes at, its child
    // goes on from there.
    const std::uint32_t fresh = g_last.fetch_add(1) + 1;
    if (number->compare_exchange_strong(found, fresh)) {
      found = fresh;
    }
  }
  return found;
}

}  // namespace usher
