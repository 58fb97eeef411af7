// Fixed-layout little-endian reading (NTLM, PAC, NDR, the GSS checksum), with the same sticky
// faults as der::Reader.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher {

// Cursor walks one message front to back. After the first fault every read yields an empty value or
// 0, so a parse function needs one check at its end.
class Cursor {
 public:
  explicit Cursor(Parse& parse) noexcept : parse_(parse), unread_(parse.input()) {}

  // u16, u32 and u64 read the next integer; 0, and kTruncated, if the message ends before it does.
  std::uint16_t u16() noexcept { return integer<std::uint16_t>(); }
  std::uint32_t u32() noexcept { return integer<std::uint32_t>(); }
  std::uint64_t u64() noexcept { return integer<std::uint64_t>(); }

  // bytes returns the next `count` bytes.
  Bytes bytes(std::uint32_t count) noexcept {
    if (count > unread_.size() || !parse_.ok()) {
      parse_.fail(ParseCode::kTruncated, at());
      return {};
    }
    const Bytes taken = unread_.first(count);
    unread_ = unread_.subspan(count);
    return taken;
  }

  // rest returns all that is left, possibly nothing.
  Bytes rest() noexcept { return bytes(static_cast<std::uint32_t>(unread_.size())); }

  // at is the offset of the next unread byte, for faults of a part that has an own parse.
  [[nodiscard]] std::uint32_t at() const noexcept {
    return static_cast<std::uint32_t>(unread_.data() - parse_.input().data());
  }

  // align skips to the next multiple of `boundary`, a power of two, counted from the message's
  // start; kTruncated if the message ends before it.
  void align(std::uint32_t boundary) noexcept {
    if (const std::uint32_t gap = (0u - at()) & (boundary - 1); gap != 0) {
      bytes(gap);
    }
  }

  // Range is a place in the message that the message itself chose.
  struct Range {
    std::uint32_t offset;      // Bytes from the start of the message.
    std::uint32_t length;      // Bytes.
    std::uint32_t not_before;  // Lowest offset that is not part of a fixed header.
  };

  // range resolves `wanted` without moving the cursor; kOutOfBounds if it leaves the message or
  // reaches into the header.
  Bytes range(Range wanted) noexcept {
    if (wanted.offset < wanted.not_before || wanted.offset > parse_.size() ||
        wanted.length > parse_.size() - wanted.offset) {
      parse_.fail(ParseCode::kOutOfBounds, at());
    }
    return parse_.ok() ? parse_.input().subspan(wanted.offset, wanted.length) : Bytes{};
  }

  // require rejects the message with kBadValue, at the current position, unless `valid`.
  void require(bool valid) noexcept {
    if (!valid) {
      parse_.fail(ParseCode::kBadValue, at());
    }
  }

 private:
  template <class T>
  T integer() noexcept {
    const Bytes raw = bytes(sizeof(T));
    return raw.empty() ? T{0} : load_le<T>(raw);
  }

  Parse& parse_;
  Bytes unread_;  // The end of parse_.input(), also when it is empty.
};

}  // namespace usher
