// A list of connections, first in, first out.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>

#include "engine/io/front_end.h"

namespace usher::io {

// IndexQueue is a first-in-first-out list of connections, each at most once.
class IndexQueue {
 public:
  void use(std::span<ConnectionIndex> places) noexcept { places_ = places; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void push(ConnectionIndex index) noexcept {
    assert(size_ < places_.size());
    places_[(first_ + size_++) % places_.size()] = index;
  }
  [[nodiscard]] ConnectionIndex pop() noexcept {
    assert(size_ > 0);
    const ConnectionIndex index = places_[first_];
    first_ = (first_ + 1) % places_.size();
    --size_;
    return index;
  }

 private:
  std::span<ConnectionIndex> places_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace usher::io
