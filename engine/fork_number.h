// Whether a process is still the one that it was.
#pragma once

#include <cstdint>

namespace usher {

// fork_number differs between a process and all that are made of it with a memory of their own, by
// fork or _Fork or clone, and is the same as long as a process lives. No handler of pthread_atfork
// has to run for that, or could run too late. Siblings may have the same one.
//
// watch_forks comes before it, and is false if there is no memory for it. Any thread, also in a
// child of a process with several; no lock, no system call after the first.
[[nodiscard]] bool watch_forks() noexcept;
[[nodiscard]] std::uint32_t fork_number() noexcept;

}  // namespace usher
