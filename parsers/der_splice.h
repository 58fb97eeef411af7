// A DER message with the contents of one element replaced, as pieces, without copying the rest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "parsers/bytes.h"

namespace usher::der {

// Splice walks from a message's outermost element to the one that is replaced and writes a new
// header for each on the way: their lengths change with it, and DER wants the shortest form (X.690
// 10.1). OCTET STRINGs that hold DER are walked into like anything else, because the way is found
// by position alone.
class Splice {
 public:
  // Elements around the replaced one, at most. A ticket's PAC lies 7 deep, and 4 more for each
  // AD-IF-RELEVANT around it.
  static constexpr std::size_t kDepthMax = 32;

  Splice() = default;
  Splice(const Splice&) = delete;  // parts() points into it.
  Splice& operator=(const Splice&) = delete;

  // Place is where the contents octets of an element stand in a message.
  struct Place {
    std::size_t offset = 0;  // Bytes from the message's first.
    std::size_t size = 0;    // Bytes; not 0.
  };

  // make prepares `message`, which is one element and nothing else, with `replacement` for what
  // stands at `place`. False if that is not all contents of an element, if an element on the way to
  // it is not DER, or if there are more than kDepthMax. Both are borrowed while parts() is used.
  [[nodiscard]] bool make(Bytes message, Place place, Bytes replacement) noexcept;

  // parts is the new message, one piece after the other and none of them empty, unless it is the
  // replacement or what follows it; only after make returned true. Headers with nothing between
  // them are one piece.
  [[nodiscard]] std::span<const Bytes> parts() const noexcept {
    return std::span(parts_).first(part_count_);
  }

 private:
  struct Element {
    std::size_t begin = 0;     // Offset of the tag.
    std::size_t contents = 0;  // Offset of the first contents octet.
    std::size_t end = 0;       // One past the last.
    std::size_t length = 0;    // New number of contents octets.
  };
  static constexpr std::size_t kHeaderSizeMax = 2 + sizeof(std::size_t);  // Tag and length.

  [[nodiscard]] static bool read(Bytes message, std::size_t at, std::size_t end,
                                 Element& out) noexcept;
  [[nodiscard]] bool descend(Bytes message, Place place) noexcept;
  std::size_t write_header(std::uint8_t tag, std::size_t length, std::size_t at) noexcept;
  void add(Bytes part) noexcept;

  std::array<Element, kDepthMax> path_{};  // Outermost first; the last is the replaced one.
  std::array<std::uint8_t, kDepthMax * kHeaderSizeMax> headers_{};  // Outermost first.
  std::size_t depth_ = 0;
  std::array<Bytes, 2 * kDepthMax + 2> parts_{};
  std::size_t part_count_ = 0;
};

}  // namespace usher::der
