// Tags of DER (X.690), and lists of short elements that have one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "parsers/bytes.h"

namespace usher::der {

// Tag is the single identifier octet of an element: class, constructed bit and number (X.690
// 8.1.2). Every tag in SPNEGO and Kerberos has a number below 31, so one octet is enough.
enum class Tag : std::uint8_t {
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kOid = 0x06,
  kEnumerated = 0x0a,
  kGeneralizedTime = 0x18,
  kGeneralString = 0x1b,
  kSequence = 0x30,
};

// context(n) is `[n] EXPLICIT`, application(n) is `[APPLICATION n]`; both are constructed.
constexpr Tag context(std::uint8_t number) noexcept { return Tag(0xa0 | number); }
constexpr Tag application(std::uint8_t number) noexcept { return Tag(0x60 | number); }

// octet_of is a tag's octet, for what is composed of several.
constexpr std::uint32_t octet_of(Tag tag) noexcept { return std::uint8_t(tag); }

// are_short says whether `elements` are elements of `tag`, `count_max` at most, each of kLeast
// octets at least and with one octet of length, as names and OIDs nearly all are; false if they may
// be right all the same.
template <std::size_t kLeast>
bool are_short(Bytes elements, Tag tag, std::uint32_t count_max) noexcept {
  constexpr std::uint32_t kShort = 0x80ff;  // Of a header: the tag, and that the length is a size.
  for (std::uint32_t count = 0; count < count_max && elements.size() >= 2; ++count) {
    const std::uint32_t header = load_le<std::uint16_t>(elements);
    const std::size_t size = header >> 8;
    if ((header & kShort) != octet_of(tag) || size < kLeast || 2 + size > elements.size()) {
      return false;
    }
    elements = elements.subspan(2 + size);
  }
  return elements.empty();
}

}  // namespace usher::der
