// Memory that no child process shares or copies.
#pragma once

#include <cstddef>

namespace usher {

// whole_pages is `size` as so many bytes of whole pages.
[[nodiscard]] std::size_t whole_pages(std::size_t size) noexcept;

// map_wiped_on_fork maps zeros: the pages of `kept_size` bytes, which a child copies as any memory,
// and behind them those of `wiped_size`, which the kernel empties in it: whatever made it (fork,
// _Fork, clone without CLONE_VM), and before anything runs there (MADV_WIPEONFORK). Null if memory
// cannot be had, or if the kernel cannot do that (before Linux 4.14). munmap ends both.
[[nodiscard]] void* map_wiped_on_fork(std::size_t kept_size, std::size_t wiped_size) noexcept;

}  // namespace usher
