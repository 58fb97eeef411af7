// DER elements taken apart the general way; der.h says what is promised.
#include "parsers/der.h"

#include <bit>

namespace usher::der {

std::uint32_t Reader::size_of_header(std::size_t size) noexcept {
  return 2 + (size < 0x80 ? 0 : static_cast<std::uint32_t>((std::bit_width(size) + 7) / 8));
}

[[gnu::noinline]] Reader::Header Reader::any_header(Bytes unread, Tag tag) noexcept {
  const auto size = static_cast<std::uint32_t>(unread.size());
  const auto fail = [](ParseCode code, std::uint32_t at) { return Header{.fault = {code, at}}; };
  if (size != 0 && unread[0] != std::uint8_t(tag)) {
    return fail(ParseCode::kUnexpectedTag, 0);
  }
  if (size < 2) {
    return fail(ParseCode::kTruncated, size);
  }
  // Definite lengths only, in their shortest form, up to 32 bits.
  //= X.690 8.1.3
  std::uint32_t length = unread[1];
  std::uint32_t header_size = 2;
  if (length >= 0x80) {
    const std::uint32_t count = length & 0x7fu;
    if (count == 0 || count > sizeof(length)) {
      return fail(ParseCode::kBadLength, 1);
    }
    header_size += count;
    if (size < header_size) {
      return fail(ParseCode::kTruncated, size);
    }
    length = unread[2];
    for (std::uint32_t i = 3; i < header_size; ++i) {
      length = (length << 8) | unread[i];
    }
    //= X.690 10.1
    if (length < 0x80 || unread[2] == 0) {
      return fail(ParseCode::kBadLength, 1);
    }
  }
  if (length > size - header_size) {
    return fail(ParseCode::kTruncated, 0);
  }
  return {.size = header_size, .content_size = length, .fault = {}};
}

[[gnu::noinline]] Reader::Header Reader::any_headers(Bytes unread, Tag outer, Tag tag) noexcept {
  const Header around = any_header(unread, outer);
  if (around.fault.code != ParseCode::kOk) {
    return around;
  }
  const Bytes within = unread.subspan(around.size, around.content_size);
  Header header = any_header(within, tag);
  if (header.fault.code != ParseCode::kOk) {
    header.fault.offset += around.size;
  } else if (const std::uint32_t end = header.size + header.content_size; end != within.size()) {
    header.fault = {ParseCode::kTrailingBytes, around.size + end};
  }
  header.size += around.size;
  return header;
}

}  // namespace usher::der
