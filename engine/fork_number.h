// Whether a process is still the one that it was.
#pragma once

#include <cstdint>

namespace usher {

// fork_number is the same as long as a process lives, and none that was told, until then, to a
// process it was made of by fork, _Fork or clone without CLONE_VM: what keeps the number it was
// made under knows whether it is a copy. No handler of pthread_atfork has to run for that, or could
// run too late. Processes of which neither can have anything of the other's may have the same one.
//
// watch_forks comes before it, and is false if there is no memory for it. Any thread, also in a
// child of a process with several; no lock, no system call after the first.
[[nodiscard]] bool watch_forks() noexcept;
[[nodiscard]] std::uint32_t fork_number() noexcept;

}  // namespace usher
