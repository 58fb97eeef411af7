// What stands in front of a reply's ciphertext: the same octets in all replies of one kind.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "parsers/bytes.h"

namespace usher::auth {

// ReplyFront remembers the octets that were last written in front of something, which a Writer
// makes one header after the other: for the next reply of the same Kind they are copied. A Kind is
// all that they follow from, the size of what they stand in front of among it. They are no secrets.
template <class Kind>
class ReplyFront {
 public:
  static constexpr std::size_t kSizeMax = 64;

  // repeat puts the front of a reply of this kind before the last `size` octets of `room`, and
  // returns all of it. Empty if another kind was the last, or there is not kSizeMax of room, whose
  // octets are overwritten.
  [[nodiscard]] Bytes repeat(const Kind& kind, MutableBytes room, std::size_t size) const noexcept {
    if (front_size_ == 0 || !(kind == kind_) || room.size() < kSizeMax + size) {
      return {};
    }
    const MutableBytes end = room.last(kSizeMax + size);
    std::memcpy(end.data(), octets_.data(), kSizeMax);
    return end.last(front_size_ + size);
  }

  // remember keeps what stands in front of the last `size` octets of `reply`, if it is not longer
  // than kSizeMax.
  void remember(const Kind& kind, Bytes reply, std::size_t size) noexcept {
    assert(reply.size() > size);  // It has been written: there was room.
    const Bytes front = reply.first(reply.size() - size);
    front_size_ = front.size() <= kSizeMax ? front.size() : 0;
    kind_ = kind;
    copy(front.first(front_size_), std::span(octets_).last(front_size_));
  }

 private:
  Kind kind_{};
  std::size_t front_size_ = 0;                   // Nothing is remembered.
  std::array<std::uint8_t, kSizeMax> octets_{};  // At the end.
};

}  // namespace usher::auth
