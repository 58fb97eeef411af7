// Network Data Representation, as far as PAC buffers use it: type serialization version 1,
// little-endian (MS-RPCE 2.2.6), NDR20 transfer syntax (C706 14).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "parsers/bytes.h"
#include "parsers/cursor.h"
#include "parsers/result.h"
#include "parsers/sid.h"

namespace usher::ndr {

// UnicodeString is the fixed part of an RPC_UNICODE_STRING (MS-DTYP 2.3.10); its characters are
// deferred: they follow later, in the order in which the pointers stood.
struct UnicodeString {
  std::uint16_t length = 0;  // Bytes; even.
  //= MS-DTYP 2.3.10: an odd MaximumLength is decremented by 1 before use. Windows before 2008 R2
  //= wrote 1 for an empty string.
  std::uint16_t maximum_length = 0;  // Bytes; at least `length` without its lowest bit.
  std::uint32_t referent = 0;        // 0: no characters, and length is 0.

  static constexpr std::uint32_t kSize = 8;

  // load reads one from the front of `fixed`, which must hold at least kSize bytes.
  [[nodiscard]] static UnicodeString load(Bytes fixed) noexcept {
    return {load_le<std::uint16_t>(fixed), load_le<std::uint16_t>(fixed.subspan(2)),
            load_le<std::uint32_t>(fixed.subspan(4))};
  }

  // well_formed says whether the lengths are what is said of them above.
  [[nodiscard]] bool well_formed() const noexcept {
    return length % 2 == 0 && length / 2 <= maximum_length / 2 && (referent != 0 || length == 0);
  }
};

// Block reads a structure of kSize bytes that are all there, and aligned: where each field stands
// is known when this is compiled, and none needs a comparison of its own. Without the bytes, after
// a fault, all is 0 or empty.
template <std::uint32_t kSize>
class Block {
 public:
  Block(Parse& parse, Bytes bytes) noexcept
      : parse_(parse), bytes_(bytes.size() == kSize ? bytes.first<kSize>() : Whole(kNothing)) {}

  std::uint16_t u16() noexcept { return load_le<std::uint16_t>(take(2)); }
  std::uint32_t u32() noexcept { return load_le<std::uint32_t>(take(4)); }
  std::uint64_t file_time() noexcept {  // Two 32-bit halves, aligned to 4 (MS-DTYP 2.3.3).
    return load_le<std::uint64_t>(take(8));
  }
  UnicodeString unicode_string() noexcept {  // kBadValue, behind it, unless it is well_formed.
    const UnicodeString string = UnicodeString::load(take(UnicodeString::kSize));
    if (!string.well_formed()) {  //= MS-DTYP 2.3.10
      parse_.fail(ParseCode::kBadValue, offset_of(parse_, bytes_) + at_);
    }
    return string;
  }
  Bytes octets(std::uint32_t count) noexcept {
    const Bytes taken = take(count);
    return bytes_.data() == kNothing.data() ? Bytes{} : taken;
  }

 private:
  Bytes take(std::uint32_t count) noexcept {
    const Bytes taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }

  using Whole = std::span<const std::uint8_t, kSize>;
  static constexpr std::array<std::uint8_t, kSize> kNothing{};
  static std::uint32_t offset_of(const Parse& parse, Bytes part) noexcept {
    return static_cast<std::uint32_t>(part.data() - parse.input().data());
  }

  Parse& parse_;
  Whole bytes_;
  std::uint32_t at_ = 0;  // Of the next unread byte.
};

// Reader reads one serialized object front to back, with the sticky faults of Cursor. Alignment
// counts from the start of the buffer; what lies in a gap is not looked at (C706 14.2.2).
class Reader {
 public:
  explicit Reader(Parse& parse) noexcept : parse_(parse), cursor_(parse) {}

  // headers reads the common and the private header (MS-RPCE 2.2.6.1, 2.2.6.2) and the referent of
  // the top-level pointer, which must not be null. kBadValue for another version, byte order or
  // common header length; kOutOfBounds if the object promises to be longer than the buffer.
  void headers() noexcept;

  std::uint16_t u16() noexcept {
    cursor_.align(2);
    return cursor_.u16();
  }
  std::uint32_t u32() noexcept {  // Also a pointer's referent: 0 is null.
    cursor_.align(4);
    return cursor_.u32();
  }
  Bytes octets(std::uint32_t count) noexcept { return cursor_.bytes(count); }  // Unaligned.

  // block reads a structure of kSize bytes whose fields are aligned to 4, or less, where it is:
  // kTruncated, at its beginning, if it is not all there.
  template <std::uint32_t kSize>
  Block<kSize> block() noexcept {
    cursor_.align(4);
    return {parse_, cursor_.bytes(kSize)};
  }

  // characters reads the deferred part of `string`: max count, offset, actual count and that many
  // UTF-16LE units (C706 14.3.4.2). kBadValue unless offset is 0, the actual count is length / 2,
  // and the max count is at least that and at most maximum_length / 2. Nothing if it is null.
  Bytes characters(const UnicodeString& string) noexcept;

  // array reads a deferred conformant array of `count` elements of `width` bytes: its max count,
  // which must be `count`, then the elements as they are. No memory is touched, and no product
  // formed, before the bytes are known to be there. Nothing if `referent` is 0; then `count` must
  // be 0.
  Bytes array(std::uint32_t referent, std::uint32_t count, std::uint32_t width) noexcept;

  // sid reads a deferred RPC_SID (MS-DTYP 2.4.2.3): a max count equal to its count of
  // sub-authorities, then the SID. Empty if `referent` is 0.
  SidView sid(std::uint32_t referent) noexcept;

  // at is the offset of the next unread byte.
  [[nodiscard]] std::uint32_t at() const noexcept { return cursor_.at(); }

  void require(bool valid) noexcept { cursor_.require(valid); }

  // finish rejects what is left of the buffer unless it is the padding that fills the object to a
  // multiple of eight bytes (MS-RPCE 2.2.6.2); kOutOfBounds if more was read than the object
  // promised to have.
  void finish() noexcept;

 private:
  Parse& parse_;
  Cursor cursor_;
  std::uint32_t object_end_ = 0;  // Where the private header says that the object ends.
};

}  // namespace usher::ndr
