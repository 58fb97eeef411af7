// DER (X.690) reading without copying, allocating, recursing or throwing.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

#include "parsers/bytes.h"
#include "parsers/der_tag.h"
#include "parsers/der_time.h"
#include "parsers/result.h"

namespace usher::der {

// Reader walks the elements of one constructed value, front to back.
//
// Reads never fail visibly: after the first fault every read yields an empty value, every `in` and
// `each` body is skipped, and Parse::finish reports the fault. A parse function can therefore be
// written in the shape of its ASN.1 module, with one check at the end. No read has to ask for a
// fault: where there was one, nothing is left to read, neither here nor in the Readers around.
class Reader {
 public:
  explicit Reader(Parse& parse) noexcept
      : Reader(parse, parse.input().first(parse.ok() ? parse.input().size() : 0)) {}

  // The elements of `part` of what is parsed: for who comes back to them.
  Reader(Parse& parse, Bytes part) noexcept : parse_(parse), unread_(part) {}

  [[nodiscard]] bool more() const noexcept { return !unread_.empty(); }
  [[nodiscard]] bool next_is(Tag tag) const noexcept {
    return more() && unread_[0] == std::uint8_t(tag);
  }

  // bytes returns the contents of the next element, which must carry `tag`.
  Bytes bytes(Tag tag) noexcept {
    // Most elements are well-formed and shorter than 128 bytes; those are taken here, where the
    // compiler can keep the Reader in registers.
    if (unread_.size() >= 2) {
      const auto octets = load_le<std::uint16_t>(unread_);
      const std::size_t size = octets >> 8;
      if ((octets & kShort) == std::uint8_t(tag) && 2 + size <= unread_.size()) {
        return take(2, size);
      }
    }
    return take(any_header(unread_, tag));
  }

  // large is bytes for what often has 128 octets or more, but not 2^16.
  Bytes large(Tag tag) noexcept {
    if (unread_.size() >= 4) {
      // What the header says beyond the least that has a length of two octets, or of one more.
      const std::uint32_t octets = load_be<std::uint32_t>(unread_);
      const std::uint32_t above_two = octets - (large_header(tag, 2) | 0x100);
      if (const std::size_t size = 0x100 + std::size_t{above_two};
          above_two <= 0xffff - 0x100 && unread_.size() >= 4 + size) {
        return take(4, size);
      }
      const std::uint32_t above_one = octets - (large_header(tag, 1) | 0x80 << 8);
      if (const std::size_t size = 0x80 + (above_one >> 8);
          above_one <= 0x7fff && 3 + size <= unread_.size()) {
        return take(3, size);
      }
      const std::uint32_t above_none = octets - (octet_of(tag) << 24);
      if (const std::size_t size = above_none >> 16; size <= 0x7f && unread_.size() >= 2 + size) {
        return take(2, size);
      }
    }
    return take(any_header(unread_, tag));
  }

  // passes goes over the next octets if they are these, and says whether. Of elements that can only
  // hold one thing, and so have one encoding, it finds the right ones at once; what is wrong with
  // others is for who reads them one by one.
  template <std::size_t kSize>
  bool passes(const std::array<std::uint8_t, kSize>& octets) noexcept {
    const bool there =
        unread_.size() >= kSize && std::memcmp(unread_.data(), octets.data(), kSize) == 0;
    if (there) {
      unread_ = unread_.subspan(kSize);
    }
    return there;
  }

  // rest returns everything unread, as it is; for contents that are not DER (RFC 2743 3.1).
  Bytes rest() noexcept { return take(0, unread_.size()); }

  // ahead is everything unread, without reading it.
  [[nodiscard]] Bytes ahead() const noexcept { return unread_; }

  // checked is rest, for which `check` says what is wrong, counted from its first octet.
  template <class Check>
  Bytes checked(const Check& check) noexcept {
    const ParseFault fault = check(unread_);
    if (fault.code != ParseCode::kOk) [[unlikely]] {
      fail(fault.code, mark() + fault.offset);
    }
    return rest();
  }

  // mark and since bracket a run of elements, headers included: checksums cover those octets too.
  [[nodiscard]] std::uint32_t mark() const noexcept { return mark_of(unread_); }
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
  // such as `[n] EXPLICIT INTEGER`: `in`, in one step where both headers have one form.
  Bytes bytes_in(Tag outer, Tag tag) noexcept {
    if (unread_.size() >= 4) {
      // What the headers say beyond what they say around nothing is the contents' size, twice.
      const std::uint32_t sizes =
          load_be<std::uint32_t>(unread_) - (octet_of(outer) << 24 | 2 << 16 | octet_of(tag) << 8);
      const std::size_t size = sizes & 0xffff;
      if (size == sizes >> 16 && size <= 0x7f - 2 && 4 + size <= unread_.size()) {
        return take(4, size);
      }
    }
    return take(any_headers(unread_, outer, tag));
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

  // sized_in is bytes_in for what almost always has kSize octets.
  template <std::size_t kSize>
  Bytes sized_in(Tag outer, Tag tag) noexcept {
    static_assert(2 + kSize < 0x80);
    constexpr std::uint32_t kSizes = (2 + kSize) << 8 | kSize << 24;
    const std::uint32_t octets = octet_of(outer) | octet_of(tag) << 16 | kSizes;
    if (unread_.size() >= 4 + kSize && load_le<std::uint32_t>(unread_) == octets) {
      return take(4, kSize);
    }
    return bytes_in(outer, tag);
  }

  // large_in is to bytes_in what large is to bytes.
  Bytes large_in(Tag outer, Tag tag) noexcept {
    if (unread_.size() >= 8) {
      // What the headers say beyond what they say around nothing is the contents' size, twice.
      const auto octets = load_be<std::uint64_t>(unread_);
      const std::uint64_t two_octets =
          octets - (std::uint64_t{large_header(outer, 2) + 4} << 32 | large_header(tag, 2));
      std::size_t size = two_octets & 0xffff'ffff;
      if (size == two_octets >> 32 && size >= 0x100 && size <= 0xffff - 4 &&
          8 + size <= unread_.size()) {
        return take(8, size);
      }
      const std::uint64_t one_octet =
          (octets >> 16) -
          (std::uint64_t{(large_header(outer, 1) >> 8) + 3} << 24 | large_header(tag, 1) >> 8);
      size = one_octet & 0xff'ffff;
      if (size == one_octet >> 24 && size >= 0x80 && size <= 0xff - 3 &&
          6 + size <= unread_.size()) {
        return take(6, size);
      }
      const std::uint32_t no_octet = static_cast<std::uint32_t>(octets >> 32) -
                                     (octet_of(outer) << 24 | 2 << 16 | octet_of(tag) << 8);
      size = no_octet & 0xffff;
      if (no_octet >> 16 == size && size <= 0x7f - 2 && unread_.size() >= 4 + size) {
        return take(4, size);
      }
    }
    return take(any_headers(unread_, outer, tag));
  }

  // in runs `body` on a Reader over the contents of the next element, which must carry `tag` and
  // must be consumed entirely; or, with two tags, over what bytes_in yields; in_large likewise.
  template <class Body>
  void in(Tag tag, Body body) noexcept {
    in(bytes(tag), body);
  }
  template <class Body>
  void in(Tag outer, Tag tag, Body body) noexcept {
    in(bytes_in(outer, tag), body);
  }
  template <class Body>
  void in_large(Tag tag, Body body) noexcept {
    in(large(tag), body);
  }
  template <class Body>
  void in_large(Tag outer, Tag tag, Body body) noexcept {
    in(large_in(outer, tag), body);
  }

  // numbered_in reads SEQUENCE { [0] INTEGER, [1] `tag` }, alone in an element of `outer`: the
  // INTEGER, an i32 which almost always has kOctets, into `number`, and what `tag` holds by `body`,
  // as in `in`.
  template <std::uint32_t kOctets = 1, class Body>
  void numbered_in(Tag outer, Tag tag, std::int32_t& number, Body body) noexcept {
    Reader after(parse_, unread_.first(0));
    const Bytes contents = numbered<kOctets>(outer, tag, number, after);
    in(contents, body);
    after.finish();
    if (!parse_.ok()) [[unlikely]] {
      stop();
    }
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
    if (!valid) [[unlikely]] {
      fail(ParseCode::kBadValue, mark());
    }
  }

  // finish rejects unread bytes. `in` calls it; a top-level caller must do so itself.
  void finish() noexcept {
    if (!unread_.empty()) [[unlikely]] {
      fail(ParseCode::kTrailingBytes, mark());
    }
  }

 private:
  // Of a header in its two octets: the tag, and that the other is a length itself.
  static constexpr std::uint32_t kShort = 0x80ff;

  // large_header is the four octets a header of `tag` with length_octets of length begins with, but
  // for that length.
  static constexpr std::uint32_t large_header(Tag tag, std::uint32_t length_octets) noexcept {
    return octet_of(tag) << 24 | (0x80 | length_octets) << 16;
  }

  // Header is what any_header and any_headers found, in octets: that before the contents, and the
  // contents; or what is wrong, counted from the element's beginning.
  struct Header {
    std::uint32_t size = 0;
    std::uint32_t content_size = 0;
    ParseFault fault;
  };
  // any_header reads the header of an element of any length, or knows what is wrong with it;
  // any_headers reads two, one alone in the other. They get and return values only, so that Reader
  // and Parse need no address.
  static Header any_header(Bytes unread, Tag tag) noexcept;
  static Header any_headers(Bytes unread, Tag outer, Tag tag) noexcept;

  [[nodiscard]] std::uint32_t mark_of(Bytes part) const noexcept {
    return static_cast<std::uint32_t>(part.data() - parse_.input().data());
  }

  // fail records a fault, if it is the first, and leaves nothing to read.
  void fail(ParseCode code, std::uint32_t offset) noexcept {
    parse_.fail(code, offset);
    stop();
  }
  void stop() noexcept { unread_ = unread_.first(0); }

  // take passes over what stands before the contents and the contents, which it returns.
  Bytes take(std::size_t before, std::size_t size) noexcept {
    const Bytes taken = unread_.first(before + size);
    unread_ = unread_.subspan(before + size);
    return taken.subspan(before);
  }
  Bytes take(const Header& header) noexcept {
    if (header.fault.code != ParseCode::kOk) [[unlikely]] {
      fail(header.fault.code, mark() + header.fault.offset);
      return unread_;
    }
    return take(header.size, header.content_size);
  }

  // numbered reads what numbered_in does but for the contents of `tag`, which it returns; `after`
  // is then on what follows in the SEQUENCE.
  template <std::uint32_t kOctets>
  Bytes numbered(Tag outer, Tag tag, std::int32_t& number, Reader& after) noexcept {
    static_assert(kOctets >= 1 && kOctets <= 4);
    constexpr std::uint32_t kHeaders = 12 + kOctets;  // And the number; 2 of them stand outside.
    if (unread_.size() >= kHeaders) {
      // Most have a number of kOctets and are short. Then both, the first eight octets and the
      // four behind the number, say beyond what they say around nothing the contents' size, twice.
      constexpr std::uint32_t kSizes = (kHeaders - 2) << 16 | (kHeaders - 4);
      constexpr std::uint32_t kNumber = 0xa0'00'02'00 | (2 + kOctets) << 16 | kOctets;
      const std::uint64_t first =
          load_be<std::uint64_t>(unread_) -
          (std::uint64_t{octet_of(outer) << 24 | 0x30'00 | kSizes} << 32 | kNumber);
      const std::uint32_t last = load_be<std::uint32_t>(unread_.subspan(kHeaders - 4)) -
                                 (0xa1'02'00'00 | octet_of(tag) << 8);
      const std::size_t size = last & 0xffff;
      const std::uint32_t value = positive<kOctets>(unread_.subspan(8));
      if (size <= 0x7f - (kHeaders - 2) && last >> 16 == size &&
          first == std::uint64_t{last} << 32 && value != kNoPositive &&
          kHeaders + size <= unread_.size()) {
        number = static_cast<std::int32_t>(value);
        return take(kHeaders, size);
      }
    }
    after.unread_ = bytes_in(outer, Tag::kSequence);
    number = after.i32_in(context(0));
    return after.bytes_in(context(1), tag);
  }

  // positive decodes an INTEGER of kOctets at the beginning of `octets` if it is not below 0, and
  // in its shortest form.
  static constexpr std::uint32_t kNoPositive = 0xffff'ffff;
  template <std::uint32_t kOctets>
  static std::uint32_t positive(Bytes octets) noexcept {
    std::uint32_t value = octets[0];
    for (std::uint32_t n = 1; n < kOctets; ++n) {
      value = value << 8 | octets[n];
    }
    constexpr std::uint32_t kMin = kOctets == 1 ? 0 : 0x80u << 8 * (kOctets - 2);
    constexpr std::uint32_t kEnd = 0x80u << 8 * (kOctets - 1);
    return value >= kMin && value < kEnd ? value : kNoPositive;
  }

  template <class Body>
  void in(Bytes contents, Body body) noexcept {
    if (parse_.ok()) [[likely]] {
      Reader inner(parse_, contents);
      body(inner);
      inner.finish();
      if (!parse_.ok()) [[unlikely]] {
        stop();
      }
    }
  }

  struct Limits {
    std::int64_t min;
    std::int64_t max;
  };
  static constexpr Limits kSigned{std::numeric_limits<std::int32_t>::min(),
                                  std::numeric_limits<std::int32_t>::max()};
  static constexpr Limits kUnsigned{0, std::numeric_limits<std::uint32_t>::max()};
  static constexpr Limits kEither{kSigned.min, kUnsigned.max};

  // number decodes an INTEGER's contents, which have just been read: two's complement in its
  // shortest form.
  std::int64_t number(Bytes contents, Limits limits) noexcept {
    const std::size_t size = contents.size();
    std::int64_t value = 0;
    bool valid = false;
    if (size == 1) {
      value = static_cast<std::int8_t>(contents[0]);
      valid = true;
    } else if (size >= 2 && size <= 4) {
      // The first two octets and the last two, which have one in common if there are three, and are
      // the same if there are two.
      const auto begin = static_cast<std::int16_t>(load_be<std::uint16_t>(contents));
      const auto end = load_be<std::uint16_t>(contents.last<2>());
      value = std::int64_t{begin} << 8 * (size - 2) | end;
      valid = begin >> 7 != 0 && begin >> 7 != -1;  //= X.690 8.3.2
    } else if (size == 5) {  // Of what is read as a number only 2^31..2^32-1 need so many.
      value = load_be<std::uint32_t>(contents.last<4>());
      valid = contents[0] == 0 && contents[1] >= 0x80;
    }
    if (valid && value >= limits.min && value <= limits.max) {
      return value;
    }
    if (parse_.ok()) {
      fail(ParseCode::kBadValue, mark_of(contents) - size_of_header(contents.size()));
    }
    return 0;
  }

  // size_of_header is how many octets a header has before contents of `size`.
  static std::uint32_t size_of_header(std::size_t size) noexcept;

  std::int64_t integer(Tag tag, Limits limits) noexcept { return number(bytes(tag), limits); }
  std::int64_t integer_in(Tag outer, Limits limits) noexcept {
    constexpr std::uint32_t kOneOctet = 0x01020300;  // Lengths 3 and 1, and the tag, little-endian.
    static_assert(std::uint8_t(Tag::kInteger) == 2);
    if (unread_.size() >= 5 &&
        load_le<std::uint32_t>(unread_) == (kOneOctet | std::uint8_t(outer)) && unread_[4] < 0x80) {
      return take(4, 1)[0];  // Within all limits there are here.
    }
    if (unread_.size() >= 8) {  // Of up to four octets, again with their count said twice.
      const auto octets = load_be<std::uint64_t>(unread_);
      const std::uint32_t sizes =
          static_cast<std::uint32_t>(octets >> 32) - (octet_of(outer) << 24 | 0x02'02'00);
      const std::uint32_t size = sizes & 0xffff;
      if (sizes >> 16 == size && size - 1 < 4) {
        const auto begin = static_cast<std::int32_t>(octets);  // Its octets, and what follows.
        const std::int64_t value = begin >> 8 * (4 - size);
        const bool shortest = size == 1 || (begin >> 23 != 0 && begin >> 23 != -1);
        if (shortest && value >= limits.min && value <= limits.max) {
          take(4, size);
          return value;
        }
      }
    }
    return number(take(any_headers(unread_, outer, Tag::kInteger)), limits);
  }

  Parse& parse_;
  Bytes unread_;  // Part of parse_.input(), also when it is empty.
};

}  // namespace usher::der
