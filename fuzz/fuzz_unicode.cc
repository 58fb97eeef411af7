// engine/auth/unicode.h: names between UTF-8 and UTF-16LE, against decoders written from the
// standard's tables, and their upper case.
#include <algorithm>
#include <array>
#include <optional>

#include "engine/auth/unicode.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kNameSizeMax = 256;
using Room = std::array<std::uint8_t, 4 * kNameSizeMax>;

// Text is code points.
struct Text {
  std::array<std::uint32_t, kNameSizeMax> points{};
  std::size_t size = 0;
  void add(std::uint32_t point) { points[size++] = point; }
  [[nodiscard]] std::span<const std::uint32_t> all() const { return std::span(points).first(size); }
};

// read_utf8 follows the Unicode Standard's table 3-7, well-formed UTF-8 byte sequences; NUL is not
// allowed in names.
bool read_utf8(Bytes utf8, Text& out) {
  struct Row {
    std::uint8_t first_min, first_max, second_min, second_max;
    std::size_t size;
  };
  constexpr std::array kTable = {Row{0x01, 0x7f, 0, 0, 1},       Row{0xc2, 0xdf, 0x80, 0xbf, 2},
                                 Row{0xe0, 0xe0, 0xa0, 0xbf, 3}, Row{0xe1, 0xec, 0x80, 0xbf, 3},
                                 Row{0xed, 0xed, 0x80, 0x9f, 3}, Row{0xee, 0xef, 0x80, 0xbf, 3},
                                 Row{0xf0, 0xf0, 0x90, 0xbf, 4}, Row{0xf1, 0xf3, 0x80, 0xbf, 4},
                                 Row{0xf4, 0xf4, 0x80, 0x8f, 4}};
  while (!utf8.empty()) {
    const auto* const row = std::ranges::find_if(kTable, [&](const Row& one) {
      return utf8[0] >= one.first_min && utf8[0] <= one.first_max;
    });
    if (row == kTable.end() || utf8.size() < row->size ||
        (row->size > 1 && (utf8[1] < row->second_min || utf8[1] > row->second_max))) {
      return false;
    }
    std::uint32_t point = row->size == 1 ? utf8[0] : utf8[0] & (0x7fu >> row->size);
    for (const std::uint8_t octet : utf8.subspan(1, row->size - 1)) {
      if (octet < 0x80 || octet > 0xbf) {
        return false;
      }
      point = point << 6 | (octet & 0x3fu);
    }
    out.add(point);
    utf8 = utf8.subspan(row->size);
  }
  return true;
}

// read_utf16 follows table 3-5, UTF-16 bit distribution.
bool read_utf16(Bytes utf16le, Text& out) {
  std::uint32_t high = 0;
  for (std::size_t at = 0; at + 1 < utf16le.size(); at += 2) {
    const std::uint32_t unit = utf16le[at] | std::uint32_t{utf16le[at + 1]} << 8;
    const bool low = unit >= 0xdc00 && unit <= 0xdfff;
    if (unit == 0 || low != (high != 0)) {
      return false;
    }
    if (low) {
      out.add(0x10000 + (high - 0xd800) * 0x400 + (unit - 0xdc00));
      high = 0;
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
      high = unit;
    } else {
      out.add(unit);
    }
  }
  return high == 0 && utf16le.size() % 2 == 0;
}

// check_room runs `convert` with a room of exactly what it needs, and with one byte less.
template <class Convert>
void check_room(Convert convert, Bytes in, Bytes expected) {
  Room room;
  const MutableBytes exact = std::span(room).first(expected.size());
  const std::optional<Bytes> fits = convert(in, exact);
  check(fits && fits->data() == room.data() && std::ranges::equal(*fits, expected),
        "what fits exactly is written to the front");
  check(expected.empty() || !convert(in, exact.first(expected.size() - 1)),
        "what does not fit is refused");
}

void check_upper(Bytes utf16le, const Text& text) {
  Room room;
  const std::optional<Bytes> upper = auth::upper_utf16(utf16le, room);
  check(upper.has_value(), "whatever is valid has an upper case");
  Text raised;
  check(read_utf16(*upper, raised) && raised.size == text.size, "code points map one to one");
  for (std::size_t i = 0; i < text.size; ++i) {
    const std::uint32_t point = text.points[i];
    const bool lower = point >= 'a' && point <= 'z';
    check(point >= 0x80 || raised.points[i] == (lower ? point - 0x20 : point),
          "ASCII has ASCII's upper case");
  }
  Room twice;
  const std::optional<Bytes> again = auth::upper_utf16(*upper, twice);
  check(again && std::ranges::equal(*again, *upper), "upper case stays as it is");
  check_room(auth::upper_utf16, utf16le, *upper);
}

void check_utf16(Bytes utf16le) {
  Text text;
  const bool valid = read_utf16(utf16le, text);
  Room room;
  const std::optional<Bytes> utf8 = auth::utf16_to_utf8(utf16le, room);
  check(utf8.has_value() == valid, "UTF-16 is accepted if and only if it is valid");
  check(auth::upper_utf16(utf16le, room).has_value() == valid, "also for upper case");
  if (!valid) {
    return;
  }
  const std::optional<Bytes> again_utf8 = auth::utf16_to_utf8(utf16le, room);
  Text same;
  check(again_utf8 && read_utf8(*again_utf8, same) && std::ranges::equal(same.all(), text.all()),
        "UTF-8 holds the same code points");
  Room back_room;
  const std::optional<Bytes> back = auth::utf8_to_utf16(*again_utf8, back_room);
  check(back && std::ranges::equal(*back, utf16le), "there and back is the same");
  check_room(auth::utf16_to_utf8, utf16le, *again_utf8);
  check_upper(utf16le, text);
}

void check_utf8(Bytes utf8) {
  Text text;
  const bool valid = read_utf8(utf8, text);
  Room room;
  const std::optional<Bytes> utf16 = auth::utf8_to_utf16(utf8, room);
  check(utf16.has_value() == valid, "UTF-8 is accepted if and only if it is valid");
  if (valid) {
    check_utf16(*utf16);
    Room back_room;
    const std::optional<Bytes> back = auth::utf16_to_utf8(*utf16, back_room);
    check(back && std::ranges::equal(*back, utf8), "there and back is the same");
  }
}

void check_oem(Bytes oem) {
  Room room;
  const std::optional<Bytes> wide = auth::widen_oem(oem, room);
  check(wide.has_value() == (std::ranges::find(oem, 0) == oem.end()), "only NUL is refused");
  if (wide) {
    Text text;
    check(read_utf16(*wide, text) && std::ranges::equal(text.all(), oem), "each byte is a unit");
    check_room(auth::widen_oem, oem, *wide);
  }
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const Bytes name = input.subspan(1, std::min(input.size() - 1, kNameSizeMax));
  switch (input[0] % 3) {
    case 0:
      return check_utf8(name);
    case 1:
      return check_utf16(name);
    default:
      return check_oem(name);
  }
}

}  // namespace usher::fuzz
