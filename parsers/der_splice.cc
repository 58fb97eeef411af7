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

// write_header writes a header to headers_, `at` bytes in, and returns its size.
std::size_t Splice::write_header(std::uint8_t tag, std::size_t length, std::size_t at) noexcept {
  const std::size_t size = length_size(length);
  headers_[at] = tag;
  headers_[at + 1] = static_cast<std::uint8_t>(size == 1 ? length : kShortLengthMax + size);
  for (std::size_t k = 1; k < size; ++k) {
    headers_[at + 1 + k] = static_cast<std::uint8_t>(length >> 8 * (size - 1 - k));
  }
  return 1 + size;
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
  // Lengths, from the inside out.
  std::size_t length = replacement.size();
  for (std::size_t i = depth_; i-- > 0;) {
    path_[i].length = length;
    if (i > 0) {
      const Element& outer = path_[i - 1];
      length +=
          1 + length_size(length) + (path_[i].begin - outer.contents) + (outer.end - path_[i].end);
    }
  }
  // What stands in front of an element of the path, and its new header; behind the innermost one
  // everything stays as it is.
  std::size_t at = 0;
  std::size_t run = 0;  // Headers that are in no part yet.
  std::size_t run_end = 0;
  for (const Element& element : std::span(path_).first(depth_)) {
    if (element.begin > at && at > 0) {
      add(Bytes(headers_).subspan(run, run_end - run));
      add(message.subspan(at, element.begin - at));
      run = run_end;
    }
    run_end += write_header(message[element.begin], element.length, run_end);
    at = element.contents;
  }
  add(Bytes(headers_).subspan(run, run_end - run));
  add(replacement);
  add(message.subspan(place.offset + place.size));
  return true;
}

}  // namespace usher::der
