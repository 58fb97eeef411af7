// DER (X.690) writing without allocating, recursing or throwing.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <limits>

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
// Running out of room is sticky, as faults are in a Reader: ok() turns false, written() empty. No
// room at all is a buffer of nothing, not even of a place: that is not ok from the beginning.
class Writer {
 public:
  explicit Writer(MutableBytes out) noexcept : out_(out), free_(out) {}

  [[nodiscard]] bool ok() const noexcept { return free_.data() != nullptr; }

  // written returns the message: the tail of the buffer. move_to_front moves it to the buffer's
  // beginning, which is where callers want a reply, and returns its size.
  [[nodiscard]] Bytes written() const noexcept {
    return ok() ? Bytes(out_.subspan(free_.size())) : Bytes{};
  }
  std::size_t move_to_front() noexcept;

  // apart runs `body` on a Writer that goes on where this one is, and this one on where that ends.
  // What is written might be this Writer, for all the compiler knows, and cannot be that one: it
  // stays in registers. Spans go there by their two numbers: what was stored as two and is loaded
  // at once waits for the processor's whole queue of stores.
  template <class Body>
  void apart(Body body) noexcept {
    Writer writer(out_.first(out_.size()), free_.first(free_.size()));
    body(writer);
    free_ = writer.free_;
  }

  // octets puts bytes in front as they are; bytes gives them a header of `tag`. Bytes that stand
  // where they are to be put already are left there.
  void octets(Bytes octets) noexcept {
    if (octets.size() > free_.size()) {
      free_ = {};
      return;
    }
    const MutableBytes taken = free_.last(octets.size());
    take(octets.size());
    if (taken.data() != octets.data()) {
      copy_short(octets, taken);
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
    integer_in(outer, tag, value);
  }
  void i32_in(Tag outer, std::int32_t value) noexcept { integer_in(outer, Tag::kInteger, value); }

  // bits writes a BIT STRING of the 32 bits of `flags`, most significant first (RFC 4120 5.2.8).
  void bits(std::uint32_t flags) noexcept;

  // time writes a GeneralizedTime "YYYYMMDDHHMMSSZ" (RFC 4120 5.2.3); `seconds` since 1970 must lie
  // in the years 0..9999.
  void time(std::int64_t seconds) noexcept {
    free_ = put_time(free_, seconds);
    header(Tag::kGeneralizedTime, kTimeSize);
  }
  void time_in(Tag outer, std::int64_t seconds) noexcept {
    free_ = put_time(free_, seconds);
    headers(outer, Tag::kGeneralizedTime, kTimeSize);
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
  Writer(MutableBytes out, MutableBytes free) noexcept : out_(out), free_(free) {}

  // take makes the last `size` octets of what is free written ones.
  void take(std::size_t size) noexcept { free_ = free_.first(free_.size() - size); }

  // put writes the low `size` octets of `value`.
  void put(std::uint64_t value, std::size_t size) noexcept {
    constexpr std::size_t kWord = sizeof(value);
    assert(size <= kWord);
    if (free_.size() >= kWord) {  // In one step; what is more is free still.
      store_be(free_.last<kWord>(), value);
      take(size);
    } else {
      free_ = put_in_little(free_, value, size);
    }
  }

  // put_le writes `octets`, the lowest first.
  template <class T>
  void put_le(T octets) noexcept {
    if (free_.size() >= sizeof(T)) {
      store_le(free_.last<sizeof(T)>(), octets);
      take(sizeof(T));
    } else {
      free_ = {};
    }
  }

  // header writes a tag and a length, which has 8 octets at most; headers two, one alone in the
  // other.
  void header(Tag tag, std::size_t size) noexcept {
    if (size < 0x80) {
      put_le(static_cast<std::uint16_t>(octet_of(tag) | size << 8));
    } else if (size < 0x100) {
      put(octet_of(tag) << 16 | 0x81'00 | size, 3);
    } else {
      free_ = put_header(free_, tag, size);
    }
  }
  void headers(Tag outer, Tag tag, std::size_t size) noexcept {
    // Where both lengths have one form, the headers are those around nothing, and the size twice.
    if (size < 0x80 - 2) {
      put_le((octet_of(outer) | 2 << 8 | octet_of(tag) << 16) +
             static_cast<std::uint32_t>(size) * (1u << 8 | 1u << 24));
    } else if (size >= 0x80 && size < 0x100 - 3) {
      put((std::uint64_t{octet_of(outer) << 16 | 0x81'03} << 24 | octet_of(tag) << 16 | 0x81'00) +
              (size << 24 | size),
          6);
    } else {
      const std::size_t end = free_.size();
      header(tag, size);
      header(outer, size + end - free_.size());
    }
  }

  // integer writes contents, and returns their size; integer_in what i32_in and u32_in do.
  //= X.690 8.3.2: in as few octets as hold the value and its sign.
  std::size_t integer(std::int64_t value) noexcept {
    const auto magnitude = static_cast<std::uint64_t>(value < 0 ? ~value : value);
    const std::size_t size = static_cast<std::size_t>(std::bit_width(magnitude)) / 8 + 1;
    put(static_cast<std::uint64_t>(value), size);
    return size;
  }
  void integer_in(Tag outer, Tag tag, std::int64_t value) noexcept {
    const std::uint32_t around = octet_of(outer) << 24 | 2 << 16 | octet_of(tag) << 8;
    if (value >= 0 && value < 0x80) {  // As etypes, versions and states are.
      put(std::uint64_t{around + (1 << 16 | 1)} << 8 | static_cast<std::uint64_t>(value), 5);
    } else if (value >= 0x80 && value <= std::numeric_limits<std::int32_t>::max()) {
      const auto octets = static_cast<std::uint32_t>(value);
      const std::uint32_t size = static_cast<std::uint32_t>(std::bit_width(octets)) / 8 + 1;
      put(std::uint64_t{around + (size << 16 | size)} << 8 * size | octets, 4 + size);
    } else {
      headers(outer, tag, integer(value));
    }
  }

  // What is rare: room for less than a word, which is mostly a buffer of the message's size,
  // lengths of more than an octet, and times that are not at hand as text. They get and return
  // values only, so that a Writer needs no address.
  static MutableBytes put_in_little(MutableBytes free, std::uint64_t value,
                                    std::size_t size) noexcept;
  static MutableBytes put_time(MutableBytes free, std::int64_t seconds) noexcept;
  static MutableBytes put_header(MutableBytes free, Tag tag, std::size_t size) noexcept;

  MutableBytes out_;
  MutableBytes free_;  // The front of out_; no memory once something did not fit.
};

}  // namespace usher::der
