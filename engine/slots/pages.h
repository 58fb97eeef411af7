// Anonymous memory from the kernel: zero, touched lazily, given back as a whole.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "parsers/bytes.h"

namespace usher {

// Pages owns one mapping. Pages never touched cost address space only. A child of fork has its own
// copy and may go on with it. Whoever puts secrets there wipes them.
class Pages {
 public:
  Pages() noexcept = default;
  Pages(Pages&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
    if (!bytes_.empty()) {
      ::munmap(bytes_.data(), bytes_.size());
    }
  }

  // map returns `size` zero bytes, page aligned; empty() if the kernel refuses.
  [[nodiscard]] static Pages map(std::size_t size) noexcept {
    Pages pages;
    void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address != MAP_FAILED) {
      pages.bytes_ = {static_cast<std::uint8_t*>(address), size};
    }
    return pages;
  }

  // map_for_secrets is map for what lies far apart and shall not be in core dumps; empty() also if
  // that cannot be had.
  [[nodiscard]] static Pages map_for_secrets(std::size_t size) noexcept {
    Pages pages = map(size);
    if (pages.empty() || ::madvise(pages.bytes_.data(), size, MADV_DONTDUMP) != 0) {
      return {};
    }
    // A huge page would be there as a whole once a byte of it is. Without them in the kernel this
    // fails, and there are none.
    (void)::madvise(pages.bytes_.data(), size, MADV_NOHUGEPAGE);
    return pages;
  }

  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] MutableBytes bytes() const noexcept { return bytes_; }

 private:
  MutableBytes bytes_;
};

}  // namespace usher
