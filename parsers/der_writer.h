// DER (X.690) writing without allocating, recursing or throwing.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/der_tag.h"
#include "parsers/der_time.h"

namespace usher::der {

// TimeText is the contents of a GeneralizedTime of the one form that DER and RFC 4120 5.2.3 allow.
class TimeText {
 public:
  explicit TimeText(std::int64_t seconds) noexcept;  // Since 1970, in the years 0..9999.
  operator Bytes() const noexcept { return text_; }

 private:
  std::array<std::uint8_t, kTimeSize> text_;
};

// Writer builds a message in the caller's buffer from its last byte to its first, so that every
// length is known when its header is written. The price is order: fields are written last to first,
// and `in` wraps what its body writes.
//
// Running out of room is sticky, as faults are in a Reader: ok() turns false, written() empty.
class Writer {
 public:
  explicit Writer(MutableBytes out) noexcept : out_(out), free_(out) {}

  [[nodiscard]] bool ok() const noexcept { return fits_; }

  // written returns the message: the tail of the buffer. move_to_front moves it to the buffer's
  // beginning, which is where callers want a reply, and returns its size.
  [[nodiscard]] Bytes written() const noexcept {
    return fits_ ? Bytes(out_.subspan(free_.size())) : Bytes{};
  }
  std::size_t move_to_front() noexcept;

  // apart runs `body` on a Writer that goes on where this one is, and this one on where that ends.
  // What is written might be this Writer, for all the compiler knows, and cannot be that one: it
  // stays in registers. Only what changes comes back: what was stored as two numbers and is loaded
  // at once as a span waits for the processor's whole queue of stores.
  template <class Body>
  void apart(Body body) noexcept {
    Writer writer = *this;
    body(writer);
    free_ = out_.first(writer.free_.size());
    fits_ = writer.fits_;
  }

  // octets puts bytes in front as they are; bytes gives them a header of `tag`. Bytes that stand
  // where they are to be put already are left there.
  void octets(Bytes octets) noexcept {
    if (const MutableBytes room = take(octets.size()); room.data() != octets.data() && fits_) {
      copy(octets, room);
    }
  }
  void bytes(Tag tag, Bytes contents) noexcept {
    octets(contents);
    header(tag, contents.size());
  }

  void u32(std::uint32_t value) noexcept { header(Tag::kInteger, integer(value)); }
  void i32(std::int32_t value) noexcept { header(Tag::kInteger, integer(value)); }

  // bytes_in, u32_in and i32_in write what stands alone inside an element of `outer`, such as `[n]
  // EXPLICIT INTEGER`, headers of both included.
  void bytes_in(Tag outer, Tag tag, Bytes contents) noexcept {
    octets(contents);
    headers(outer, tag, contents.size());
  }
  void u32_in(Tag outer, std::uint32_t value, Tag tag = Tag::kInteger) noexcept {
    headers(outer, tag, integer(value));
  }
  void i32_in(Tag outer, std::int32_t value) noexcept {
    headers(outer, Tag::kInteger, integer(value));
  }

  // bits writes a BIT STRING of the 32 bits of `flags`, most significant first (RFC 4120 5.2.8).
  void bits(std::uint32_t flags) noexcept;

  // time writes a GeneralizedTime "YYYYMMDDHHMMSSZ" (RFC 4120 5.2.3); `seconds` since 1970 must lie
  // in the years 0..9999.
  void time(std::int64_t seconds) noexcept { bytes(Tag::kGeneralizedTime, TimeText(seconds)); }
  void time_in(Tag outer, std::int64_t seconds) noexcept {
    bytes_in(outer, Tag::kGeneralizedTime, TimeText(seconds));
  }

  // in runs `body` on this Writer and puts the header of `tag` in front of what it wrote; with two
  // tags, both headers.
  template <class Body>
  void in(Tag tag, Body body) noexcept {
    const std::size_t end = free_.size();
    body(*this);
    header(tag, end - free_.size());
  }
  template <class Body>
  void in(Tag outer, Tag tag, Body body) noexcept {
    const std::size_t end = free_.size();
    body(*this);
    headers(outer, tag, end - free_.size());
  }

  // wrap puts the header of `tag` in front of everything written so far.
  void wrap(Tag tag) noexcept { header(tag, out_.size() - free_.size()); }

 private:
  // take is the last `size` octets of what is free, which are written now; nothing if they do not
  // fit.
  MutableBytes take(std::size_t size) noexcept {
    if (!fits_ || size > free_.size()) {
      fits_ = false;
      return {};
    }
    const MutableBytes taken = free_.last(size);
    free_ = free_.first(free_.size() - size);
    return taken;
  }

  // header writes a tag and a length, which has 8 octets at most; headers two, one alone in the
  // other.
  void header(Tag tag, std::size_t size) noexcept {
    const auto tag_octet = std::uint8_t(tag);
    if (size < 0x80) {
      if (const MutableBytes room = take(2); fits_) {
        store_le(room, static_cast<std::uint16_t>(tag_octet | size << 8));
      }
      return;
    }
    if (size < 0x100) {
      if (const MutableBytes room = take(3); fits_) {
        store_le(room, static_cast<std::uint16_t>(tag_octet | 0x8100));
        room[2] = static_cast<std::uint8_t>(size);
      }
      return;
    }
    if (size < 0x10000) {
      if (const MutableBytes room = take(4); fits_) {
        store_be(room, octet_of(tag) << 24 | 0x82u << 16 | static_cast<std::uint32_t>(size));
      }
      return;
    }
    const std::size_t size_octets = (static_cast<std::size_t>(std::bit_width(size)) + 7) / 8;
    big_endian(size, size_octets);
    if (const MutableBytes room = take(2); fits_) {
      store_le(room, static_cast<std::uint16_t>(tag_octet | (0x80 | size_octets) << 8));
    }
  }
  void headers(Tag outer, Tag tag, std::size_t size) noexcept {
    if (size < 0x80 - 2) {
      if (const MutableBytes room = take(4); fits_) {
        const auto inner_size = static_cast<std::uint32_t>(size);
        store_le(room,
                 octet_of(outer) | (inner_size + 2) << 8 | octet_of(tag) << 16 | inner_size << 24);
      }
      return;
    }
    const std::size_t before = free_.size();
    header(tag, size);
    header(outer, size + before - free_.size());
  }

  // integer writes contents, and returns their size.
  //= X.690 8.3.2: in as few octets as hold the value and its sign.
  std::size_t integer(std::int64_t value) noexcept {
    if (value >= 0 && value < 0x80) {  // As etypes, versions and states are.
      if (const MutableBytes room = take(1); fits_) {
        room[0] = static_cast<std::uint8_t>(value);
      }
      return 1;
    }
    const auto magnitude = static_cast<std::uint64_t>(value < 0 ? ~value : value);
    const std::size_t size = static_cast<std::size_t>(std::bit_width(magnitude)) / 8 + 1;
    big_endian(static_cast<std::uint64_t>(value), size);
    return size;
  }

  // big_endian writes the low `size` octets of `value`.
  void big_endian(std::uint64_t value, std::size_t size) noexcept {
    const MutableBytes before = free_;
    const MutableBytes room = take(size);
    if (fits_ && before.size() >= sizeof(value)) {  // In one step; what is more is free still.
      store_be(before.last<sizeof(value)>(), value);
    } else {
      for (std::size_t i = room.size(); i-- > 0; value >>= 8) {
        room[i] = static_cast<std::uint8_t>(value);
      }
    }
  }

  MutableBytes out_;
  MutableBytes free_;  // The front of out_.
  bool fits_ = true;
};

}  // namespace usher::der
