// Anonymous memory for secrets: zero, touched lazily, not in core dumps, given back as a whole.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "parsers/bytes.h"

namespace usher {

// SecretPages owns one mapping. A child of fork has its own copy and may go on with it. Whoever
// puts secrets there wipes them.
class SecretPages {
 public:
  SecretPages() noexcept = default;
  SecretPages(SecretPages&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SecretPages& operator=(SecretPages&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  SecretPages(const SecretPages&) = delete;
  SecretPages& operator=(const SecretPages&) = delete;
  ~SecretPages() {
    if (!bytes_.empty()) {
      ::munmap(bytes_.data(), bytes_.size());
    }
  }

  // map returns `size` zero bytes, page aligned; empty() if the kernel refuses, also if it cannot
  // leave them out of core dumps.
  [[nodiscard]] static SecretPages map(std::size_t size) noexcept {
    SecretPages pages;
    void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address != MAP_FAILED) {
      pages.bytes_ = {static_cast<std::uint8_t*>(address), size};
      if (::madvise(address, size, MADV_DONTDUMP) != 0) {
        return {};
      }
      // A huge page would be there as a whole once a byte of it is. Without them in the kernel this
      // fails, and there are none.
      (void)::madvise(address, size, MADV_NOHUGEPAGE);
    }
    return pages;
  }

  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] MutableBytes bytes() const noexcept { return bytes_; }

 private:
  MutableBytes bytes_;
};

}  // namespace usher
