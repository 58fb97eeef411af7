// DER (X.690) reading without copying, allocating, recursing or throwing.
#pragma once

#include <cstdint>
#include <limits>

#include "parsers/bytes.h"
#include "parsers/result.h"

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

// Reader walks the elements of one constructed value, front to back.
//
// Reads never fail visibly: after the first fault every read yields an empty value, every `in` and
// `each` body is skipped, and Parse::finish reports the fault. A parse function can therefore be
// written in the shape of its ASN.1 module, with one check at the end.
class Reader {
 public:
  explicit Reader(Parse& parse) noexcept : Reader(parse, parse.input()) {}

  [[nodiscard]] bool more() const noexcept { return parse_.ok() && !unread_.empty(); }
  [[nodiscard]] bool next_is(Tag tag) const noexcept {
    return more() && unread_[0] == std::uint8_t(tag);
  }

  // bytes returns the contents of the next element, which must carry `tag`.
  Bytes bytes(Tag tag) noexcept {
    if (!parse_.ok()) {
      return {};
    }
    // Nearly all elements are well-formed and shorter than 128 bytes; those are taken here, where
    // the compiler can keep the Reader in registers.
    if (unread_.size() >= 2 && unread_[0] == std::uint8_t(tag) && unread_[1] < 0x80) {
      const std::size_t size = unread_[1];
      if (size <= unread_.size() - 2) {
        return take(2, size);
      }
    }
    const Header header = any_header(unread_, tag);
    if (header.fault.code != ParseCode::kOk) {
      parse_.fail(header.fault.code, mark() + header.fault.offset);
      return {};
    }
    return take(header.size, header.content_size);
  }

  // rest returns everything unread, as it is; for contents that are not DER (RFC 2743 3.1).
  Bytes rest() noexcept { return parse_.ok() ? take(0, unread_.size()) : Bytes{}; }

  // mark and since bracket a run of elements, headers included: checksums cover those octets too.
  [[nodiscard]] std::uint32_t mark() const noexcept {
    return static_cast<std::uint32_t>(unread_.data() - parse_.input().data());
  }
  [[nodiscard]] Bytes since(std::uint32_t begin) const noexcept {
    return parse_.ok() ? parse_.input().subspan(begin, mark() - begin) : Bytes{};
  }

  // u32 reads an INTEGER or ENUMERATED in the range 0..2^32-1, i32 one in -2^31..2^31-1, and
  // u32_modulo one in -2^31..2^32-1 taken modulo 2^32 (X.690 8.3).
  std::uint32_t u32(Tag tag = Tag::kInteger) noexcept {
    return static_cast<std::uint32_t>(integer(tag, kUnsigned));
  }
  std::int32_t i32(Tag tag = Tag::kInteger) noexcept {
    return static_cast<std::int32_t>(integer(tag, kSigned));
  }
  std::uint32_t u32_modulo(Tag tag = Tag::kInteger) noexcept {
    return static_cast<std::uint32_t>(integer(tag, kEither));
  }

  // bytes_in, u32_in, i32_in and u32_modulo_in read what is alone inside an element of `outer`,
  // such as `[n] EXPLICIT INTEGER`: `in`, in one step where both headers are short.
  Bytes bytes_in(Tag outer, Tag tag) noexcept {
    const std::uint32_t tags = std::uint32_t{std::uint8_t(outer)} | std::uint32_t{std::uint8_t(tag)}
                                                                        << 16;
    if (unread_.size() >= 4 && parse_.ok()) {
      const auto octets = load_le<std::uint32_t>(unread_);
      const std::size_t size = octets >> 8 & 0xff;
      const std::size_t inner_size = octets >> 24;
      if ((octets & 0x00ff00ff) == tags && size == inner_size + 2 && size < 0x80 &&
          size <= unread_.size() - 2) {
        return take(4, inner_size);
      }
    }
    Bytes contents;
    in(outer, [&](Reader& inner) { contents = inner.bytes(tag); });
    return parse_.ok() ? contents : Bytes{};
  }
  std::uint32_t u32_in(Tag outer) noexcept {
    return static_cast<std::uint32_t>(integer_in(outer, kUnsigned));
  }
  std::int32_t i32_in(Tag outer) noexcept {
    return static_cast<std::int32_t>(integer_in(outer, kSigned));
  }
  std::uint32_t u32_modulo_in(Tag outer) noexcept {
    return static_cast<std::uint32_t>(integer_in(outer, kEither));
  }

  // in runs `body` on a Reader over the contents of the next element, which must carry `tag` and
  // must be consumed entirely.
  template <class Body>
  void in(Tag tag, Body body) noexcept {
    const Bytes contents = bytes(tag);
    if (!parse_.ok()) {
      return;
    }
    Reader inner(parse_, contents);
    body(inner);
    inner.finish();
  }

  // maybe is `in` for an OPTIONAL element; it returns whether the element was there.
  template <class Body>
  bool maybe(Tag tag, Body body) noexcept {
    const bool present = next_is(tag);
    if (present) {
      in(tag, body);
    }
    return present;
  }

  // each runs `body` once per remaining element; `body` must consume at least one element a turn.
  template <class Body>
  void each(Body body) noexcept {
    while (more()) {
      [[maybe_unused]] const std::size_t before = unread_.size();
      body(*this);
      assert(unread_.size() < before || !parse_.ok());
    }
  }

  // require rejects the message with kBadValue, at the current position, unless `valid`.
  void require(bool valid) noexcept {
    if (!valid) {
      parse_.fail(ParseCode::kBadValue, mark());
    }
  }

  // finish rejects unread bytes. `in` calls it; a top-level caller must do so itself.
  void finish() noexcept {
    if (!unread_.empty()) {
      parse_.fail(ParseCode::kTrailingBytes, mark());
    }
  }

 private:
  Reader(Parse& parse, Bytes unread) noexcept : parse_(parse), unread_(unread) {}

  // take passes over a header of `skipped` octets and `size` of contents, which it returns.
  Bytes take(std::size_t skipped, std::size_t size) noexcept {
    const Bytes contents = unread_.subspan(skipped, size);
    unread_ = unread_.subspan(skipped + size);
    return contents;
  }

  // Header is what any_header found: sizes in octets, or what is wrong, counted from its beginning.
  struct Header {
    std::uint32_t size = 0;
    std::uint32_t content_size = 0;
    ParseFault fault;
  };
  // any_header reads the header of an element of any length; it gets and returns values only, so
  // that Reader and Parse need no address.
  static Header any_header(Bytes unread, Tag tag) noexcept;

  struct Limits {
    std::int64_t min;
    std::int64_t max;
  };
  static constexpr Limits kSigned{std::numeric_limits<std::int32_t>::min(),
                                  std::numeric_limits<std::int32_t>::max()};
  static constexpr Limits kUnsigned{0, std::numeric_limits<std::uint32_t>::max()};
  static constexpr Limits kEither{kSigned.min, kUnsigned.max};

  // number decodes an INTEGER; what is wrong with it is wrong at `begin`.
  std::int64_t number(std::uint32_t begin, Bytes contents, Limits limits) noexcept {
    if (contents.size() == 1 && contents[0] < 0x80) {  // Within all limits there are here.
      return contents[0];
    }
    std::int64_t value = 0;
    if (!decode_integer(contents, value) || value < limits.min || value > limits.max) {
      parse_.fail(ParseCode::kBadValue, begin);  // No effect if bytes() already failed.
      return 0;
    }
    return value;
  }
  // decode_integer reads two's complement in its shortest form; false if it is not that.
  static bool decode_integer(Bytes contents, std::int64_t& value) noexcept;

  std::int64_t integer(Tag tag, Limits limits) noexcept {
    const std::uint32_t begin = mark();
    return number(begin, bytes(tag), limits);
  }
  std::int64_t integer_in(Tag outer, Limits limits) noexcept {
    constexpr std::uint32_t kOneOctet = 0x01020300;  // Lengths 3 and 1, and the tag, little-endian.
    static_assert(std::uint8_t(Tag::kInteger) == 2);
    if (unread_.size() >= 5 && parse_.ok() &&
        load_le<std::uint32_t>(unread_) == (kOneOctet | std::uint8_t(outer)) && unread_[4] < 0x80) {
      return take(4, 1)[0];  // Within all limits there are here.
    }
    std::int64_t value = 0;
    in(outer, [&](Reader& inner) { value = inner.integer(Tag::kInteger, limits); });
    return parse_.ok() ? value : 0;
  }

  Parse& parse_;
  Bytes unread_;  // Part of parse_.input(), also when it is empty.
};

// Writer builds a message in the caller's buffer from its last byte to its first, so that every
// length is known when its header is written. The price is order: fields are written last to first,
// and `in` wraps what its body writes.
//
// Running out of room is sticky, as faults are in a Reader: ok() turns false, written() empty.
class Writer {
 public:
  explicit Writer(MutableBytes out) noexcept : out_(out), at_(out.size()) {}

  [[nodiscard]] bool ok() const noexcept { return fits_; }

  // written returns the message: the tail of the buffer. move_to_front moves it to the buffer's
  // beginning, which is where callers want a reply, and returns its size.
  [[nodiscard]] Bytes written() const noexcept;
  std::size_t move_to_front() noexcept;

  // octets puts bytes in front as they are; bytes gives them a header of `tag`.
  void octets(Bytes octets) noexcept;
  void bytes(Tag tag, Bytes contents) noexcept;

  void u32(std::uint32_t value, Tag tag = Tag::kInteger) noexcept;
  void i32(std::int32_t value) noexcept;

  // bits writes a BIT STRING of the 32 bits of `flags`, most significant first (RFC 4120 5.2.8).
  void bits(std::uint32_t flags) noexcept;

  // time writes a GeneralizedTime "YYYYMMDDHHMMSSZ" (RFC 4120 5.2.3); `seconds` since 1970 must lie
  // in the years 0..9999.
  void time(std::int64_t seconds) noexcept;

  // in runs `body` on this Writer and puts the header of `tag` in front of what it wrote.
  template <class Body>
  void in(Tag tag, Body body) noexcept {
    const std::size_t end = at_;
    body(*this);
    header(tag, end - at_);
  }

  // wrap puts the header of `tag` in front of everything written so far.
  void wrap(Tag tag) noexcept { header(tag, out_.size() - at_); }

 private:
  void header(Tag tag, std::size_t size) noexcept {
    if (size < 0x80 && at_ >= 2 && fits_) {
      out_[--at_] = static_cast<std::uint8_t>(size);
      out_[--at_] = std::uint8_t(tag);
    } else {
      any_header(tag, size);
    }
  }
  void any_header(Tag tag, std::size_t size) noexcept;
  void integer(Tag tag, std::int64_t value) noexcept;
  void octet(std::uint8_t value) noexcept {
    fits_ = fits_ && at_ > 0;
    if (fits_) {
      out_[--at_] = value;
    }
  }

  MutableBytes out_;
  std::size_t at_;  // Offset of the first written byte.
  bool fits_ = true;
};

// parse_time reads the contents of a GeneralizedTime of the one form DER and RFC 4120 5.2.3 allow,
// "YYYYMMDDHHMMSSZ", into seconds since 1970; false if it is no calendar second (a leap second, 60,
// is none).
[[nodiscard]] bool parse_time(Bytes contents, std::int64_t& seconds) noexcept;

}  // namespace usher::der
