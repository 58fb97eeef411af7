// Memory that is not to be left.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "parsers/bytes.h"

namespace usher::testing {

// Guarded is memory between two pages that nobody may touch. A sanitizer does not see what
// assembly reads and writes; the pages do.
class Guarded {
 public:
  explicit Guarded(std::size_t room) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    size_ = (room + page_ - 1) / page_ * page_ + 2 * page_;
    void* const at = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(at, MAP_FAILED);
    base_ = static_cast<std::uint8_t*>(at);
    EXPECT_EQ(mprotect(base_ + page_, size_ - 2 * page_, PROT_READ | PROT_WRITE), 0);
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  // take is `size` bytes that end at the guard behind or begin at the one in front.
  [[nodiscard]] MutableBytes take(std::size_t size, bool at_end) const {
    return {at_end ? base_ + size_ - page_ - size : base_ + page_, size};
  }

 private:
  std::size_t page_;
  std::size_t size_;
  std::uint8_t* base_;
};

}  // namespace usher::testing
