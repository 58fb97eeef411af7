// How many forks lie between a process and the one that first asked.
#pragma once

#include <cstdint>

namespace usher {

// fork_number differs between a process and its children of fork, and is the same as long as a
// process lives; false from watch_forks, which comes before it, if nobody tells of forks. Any
// thread; no lock, no system call after the first.
[[nodiscard]] bool watch_forks() noexcept;
[[nodiscard]] std::uint32_t fork_number() noexcept;

}  // namespace usher
