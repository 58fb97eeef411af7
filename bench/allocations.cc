#include "bench/allocations.h"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

// glibc lets a program bring its own malloc and keeps its own reachable under these names.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

std::atomic<std::uint64_t> g_allocations{0};

void count() noexcept { g_allocations.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

extern "C" {
void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  *out = memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
}

std::uint64_t usher::bench::allocation_count() noexcept {
  return g_allocations.load(std::memory_order_relaxed);
}

void usher::bench::expect_no_allocations_since(std::uint64_t before, benchmark::State& state) {
  if (allocation_count() != before) {
    state.SkipWithError("allocation on an allocation-free path");
  }
}
