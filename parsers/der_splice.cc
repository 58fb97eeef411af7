#include "parsers/der_splice.h"

#include <cassert>

namespace usher::der {
namespace {

constexpr std::size_t kShortLengthMax = 0x7f;

// length_size is how many octets a length takes (X.690 8.1.3).
std::size_t length_size(std::size_t length) noexcept {
  std::size_t size = 1;
  if (length > kShortLengthMax) {
    for (; length != 0; length >>= 8) {
      ++size;
    }
  }
  return size;
}

}  // namespace

bool Splice::read(Bytes message, std::size_t at, std::size_t end, Element& out) noexcept {
  if (end - at < 2) {
    return false;
  }
  const std::size_t first = message[at + 1];
  std::size_t length = first;
  std::size_t size = 1;
  if (first > kShortLengthMax) {
    size += first - kShortLengthMax - 1;
    if (size == 1 || size > 1 + sizeof(std::uint32_t) || size > end - at - 1) {
      return false;
    }
    length = 0;
    for (const std::uint8_t octet : message.subspan(at + 2, size - 1)) {
      length = length << 8 | octet;
    }
    if (length_size(length) != size) {
      return false;
    }
  }
  out = {.begin = at, .contents = at + 1 + size, .end = at + 1 + size + length};
  return length <= end - out.contents;
}

// descend fills path_ with the elements around a place, and with the one whose contents stand
// there.
bool Splice::descend(Bytes message, Place place) noexcept {
  const std::size_t place_end = place.offset + place.size;
  std::size_t at = 0;
  std::size_t level_end = message.size();
  Element element;
  while (depth_ < kDepthMax && read(message, at, level_end, element)) {
    if (element.end <= place.offset) {
      at = element.end;  // A sibling in front of it.
      continue;
    }
    if (element.contents > place.offset || element.end < place_end) {
      return false;
    }
    path_[depth_++] = element;
    if (element.contents == place.offset && element.end == place_end) {
      return path_[0].begin == 0 && path_[0].end == message.size();
    }
    at = element.contents;
    level_end = element.end;
  }
  return false;
}

// write_headers makes new headers from the inside out; `length` is the innermost contents' new one.
void Splice::write_headers(Bytes message, std::size_t length) noexcept {
  for (std::size_t i = depth_; i-- > 0;) {
    Header& header = headers_[i];
    header.octets[0] = message[path_[i].begin];
    header.size = 1 + length_size(length);
    if (header.size == 2) {
      header.octets[1] = static_cast<std::uint8_t>(length);
    } else {
      header.octets[1] = static_cast<std::uint8_t>(kShortLengthMax + header.size - 1);
      for (std::size_t k = 2; k < header.size; ++k) {
        header.octets[k] = static_cast<std::uint8_t>(length >> 8 * (header.size - 1 - k));
      }
    }
    if (i > 0) {
      const Element& outer = path_[i - 1];
      length += header.size + (path_[i].begin - outer.contents) + (outer.end - path_[i].end);
    }
  }
}

void Splice::add(Bytes part) noexcept {
  assert(part_count_ < parts_.size());
  parts_[part_count_++] = part;
}

bool Splice::make(Bytes message, Place place, Bytes replacement) noexcept {
  depth_ = part_count_ = 0;
  if (place.size == 0 || place.offset > message.size() ||
      place.size > message.size() - place.offset || !descend(message, place)) {
    return false;
  }
  write_headers(message, replacement.size());
  // What stands in front of an element of the path, and its new header; behind the innermost one
  // everything stays as it is.
  std::size_t at = 0;
  for (std::size_t i = 0; i < depth_; ++i) {
    add(message.subspan(at, path_[i].begin - at));
    add(Bytes(headers_[i].octets).first(headers_[i].size));
    at = path_[i].contents;
  }
  add(replacement);
  add(message.subspan(place.offset + place.size));
  return true;
}

}  // namespace usher::der
