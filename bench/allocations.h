// Counts heap calls, so that a benchmark of an allocation-free path fails when it is not.
#pragma once

#include <cstdint>

namespace benchmark {
class State;
}

namespace usher::bench {

// allocation_count returns the calls to malloc, calloc, realloc and the aligned ones since the
// process started, by whatever library made them; operator new ends there too.
std::uint64_t allocation_count() noexcept;

// expect_no_allocations_since fails the benchmark if allocation_count has moved past `before`. Call
// it right after the timed loop: setting counters allocates too.
void expect_no_allocations_since(std::uint64_t before, benchmark::State& state);

}  // namespace usher::bench
