// Putting messages together octet by octet. A DER writer of its own, so that parsers/der is not its
// own judge.
#pragma once

#include <initializer_list>
#include <string_view>

#include "tests/attacks/attacks.h"

namespace usher::attacks {

inline Octets cat(std::initializer_list<Octets> parts) {
  Octets all;
  for (const Octets& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

inline Octets repeat(const Octets& part, std::size_t count) {
  Octets all;
  for (; count > 0; --count) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

inline Octets octets_of(std::string_view text) { return {text.begin(), text.end()}; }

// le is `value` as `size` octets, lowest first.
inline Octets le(std::uint64_t value, std::size_t size) {
  Octets all;
  for (; size > 0; --size, value >>= 8) {
    all.push_back(static_cast<std::uint8_t>(value & 0xff));
  }
  return all;
}

// long_length is a length in the long form, with exactly `count` octets behind the first.
inline Octets long_length(std::size_t size, std::size_t count) {
  Octets all = {static_cast<std::uint8_t>(0x80 | count)};
  for (; count > 0; --count) {
    all.push_back(static_cast<std::uint8_t>(size >> 8 * (count - 1) & 0xff));
  }
  return all;
}

// length is the one that DER allows (X.690 10.1).
inline Octets length(std::size_t size) {
  if (size < 0x80) {
    return {static_cast<std::uint8_t>(size)};
  }
  std::size_t count = 1;
  while (size >> 8 * count != 0) {
    ++count;
  }
  return long_length(size, count);
}

inline Octets element(std::uint8_t tag, const Octets& contents) {
  return cat({{tag}, length(contents.size()), contents});
}

// nested is `levels` SEQUENCEs, one in the other, around nothing.
inline Octets nested(std::size_t levels) {
  Octets all;
  for (; levels > 0; --levels) {
    all = element(0x30, all);
  }
  return all;
}

}  // namespace usher::attacks
