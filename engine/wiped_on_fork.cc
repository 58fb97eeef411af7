#include "engine/wiped_on_fork.h"

#include <sys/mman.h>
#include <unistd.h>

namespace usher {

std::size_t whole_pages(std::size_t size) noexcept {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

void* map_wiped_on_fork(std::size_t kept_size, std::size_t wiped_size) noexcept {
  const std::size_t kept = whole_pages(kept_size);
  const std::size_t wiped = whole_pages(wiped_size);
  void* const memory =
      ::mmap(nullptr, kept + wiped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  if (::madvise(static_cast<char*>(memory) + kept, wiped, MADV_WIPEONFORK) != 0) {
    ::munmap(memory, kept + wiped);
    return nullptr;
  }
  return memory;
}

}  // namespace usher
