// DER elements, in and out; der.h says what is promised.
#include "parsers/der.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace usher::der {

std::uint32_t Reader::integer_begin(Bytes contents) const noexcept {
  std::uint32_t header_size = 2;
  if (contents.size() >= 0x80) {
    header_size += static_cast<std::uint32_t>((std::bit_width(contents.size()) + 7) / 8);
  }
  return static_cast<std::uint32_t>(contents.data() - parse_.input().data()) - header_size;
}

[[gnu::noinline]] Reader::Header Reader::any_header(Bytes unread, Tag tag) noexcept {
  const auto size = static_cast<std::uint32_t>(unread.size());
  if (size >= 4) {  // The messages' own elements have one or two octets of length.
    const std::uint32_t octets = load_be<std::uint32_t>(unread);
    const std::uint32_t length = octets & 0xffff;
    if (octets >> 16 == (octet_of(tag) << 8 | 0x82u) && length >= 0x100 && 4 + length <= size) {
      return {.size = 4, .content_size = length, .fault = {}};
    }
    if (octets >> 16 == (octet_of(tag) << 8 | 0x81u) && length >= 0x8000 &&
        3 + (length >> 8) <= size) {
      return {.size = 3, .content_size = length >> 8, .fault = {}};
    }
  }
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

[[gnu::noinline]] Reader::Header Reader::any_headers(Bytes unread, Tag outer, Tag tag,
                                                     std::uint64_t expected) noexcept {
  // Most that come here have two octets of length behind 0x82, or one behind 0x81, both of them.
  if (unread.size() >= 8) {
    const auto octets = load_le<std::uint64_t>(unread);
    if ((octets & ~kLongLengths) == expected) {
      const std::uint64_t swapped = swap_octets(octets);
      const std::uint32_t size = swapped & 0xffff;
      if (size >= 0x100 && (swapped >> 32 & 0xffff) == 4 + size && 8 + size <= unread.size()) {
        return {.size = 8, .content_size = size, .fault = {}};
      }
    } else if ((octets & 0xff'ff00'ffff) ==
               (octet_of(outer) | 0x81u << 8 | std::uint64_t{octet_of(tag) | 0x81u << 8} << 24)) {
      const std::uint32_t size = octets >> 40 & 0xff;
      if (size >= 0x80 && (octets >> 16 & 0xff) == 3 + size && 6 + size <= unread.size()) {
        return {.size = 6, .content_size = size, .fault = {}};
      }
    }
  }
  return slow_headers(unread, outer, tag);
}

[[gnu::noinline]] Reader::Header Reader::slow_headers(Bytes unread, Tag outer, Tag tag) noexcept {
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

std::size_t Writer::move_to_front() noexcept {
  const Bytes message = written();
  copy(message, out_);
  return message.size();
}

void Writer::bits(std::uint32_t flags) noexcept {
  std::array<std::uint8_t, 1 + sizeof(flags)> contents{};  // First octet: no unused bits.
  store_be(std::span(contents).subspan(1), flags);
  bytes(Tag::kBitString, contents);
}

namespace {

// A TimeText is fourteen digits, two for each of the year's halves, month, day, hour, minute and
// second, and 'Z'.
constexpr std::size_t kPairCount = kTimeSize / 2;

// Two digits for each number below 100.
constexpr auto kDigits = [] {
  std::array<std::uint16_t, 100> digits{};
  for (unsigned n = 0; n < digits.size(); ++n) {
    digits[n] = static_cast<std::uint16_t>(('0' + n / 10) | ('0' + n % 10) << 8);
  }
  return digits;
}();

// The seconds of 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
constexpr std::int64_t kTimeMin = -62'167'219'200;
constexpr std::int64_t kTimeMax = 253'402'300'799;

// Pairs are four numbers of two digits, read in one step from eight octets.
struct Pairs {
  bool are_digits;
  std::array<unsigned, 4> values;
};
Pairs decode_pairs(Bytes octets) noexcept {
  constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;  // Times an octet: eight of it.
  const std::uint64_t digits = load_le<std::uint64_t>(octets) ^ kEach * '0';
  // What is above 9 reaches the octet's highest bit or has it already.
  const bool are_digits = ((digits | (digits + kEach * (0x80 - 10))) & kEach * 0x80) == 0;
  const std::uint64_t pairs = digits * 10 + (digits >> 8);  // In every other octet, from the first.
  const auto pair = [pairs](unsigned n) { return static_cast<unsigned>(pairs >> 16 * n & 0xff); };
  return {are_digits, {pair(0), pair(1), pair(2), pair(3)}};
}

}  // namespace

TimeText::TimeText(std::int64_t seconds) noexcept {
  namespace chrono = std::chrono;
  assert(seconds >= kTimeMin && seconds <= kTimeMax);
  const chrono::sys_seconds at{chrono::seconds(std::clamp(seconds, kTimeMin, kTimeMax))};
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date(day);
  const auto second = static_cast<unsigned>((at - day).count());
  const auto year = static_cast<unsigned>(int(date.year()));
  const std::array<unsigned, kPairCount> pairs = {
      year / 100,       year % 100, unsigned(date.month()), unsigned(date.day()), second / 3600,
      second / 60 % 60, second % 60};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    store_le(std::span(text_).subspan(2 * i), kDigits[pairs[i]]);
  }
  text_.back() = 'Z';
}

[[gnu::noinline]] bool parse_time(Bytes contents, std::int64_t& seconds) noexcept {
  namespace chrono = std::chrono;
  //= RFC 4120 5.2.3
  if (contents.size() != kTimeSize || contents.back() != 'Z') {
    return false;
  }
  const Pairs date_pairs = decode_pairs(contents.first<8>());
  const Pairs clock_pairs = decode_pairs(contents.subspan(6, 8));  // The day once more in front.
  const unsigned year = 100 * date_pairs.values[0] + date_pairs.values[1];
  const unsigned month = date_pairs.values[2];
  const unsigned day = date_pairs.values[3];
  const unsigned hour = clock_pairs.values[1];
  const unsigned minute = clock_pairs.values[2];
  const unsigned second = clock_pairs.values[3];
  if (!date_pairs.are_digits || !clock_pairs.are_digits || hour > 23 || minute > 59 ||
      second > 59) {
    return false;
  }
  const chrono::year_month_day date(chrono::year(static_cast<int>(year)), chrono::month(month),
                                    chrono::day(day));
  if (!date.ok()) {
    return false;
  }
  const std::int64_t days = chrono::sys_days(date).time_since_epoch().count();
  seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
  return true;
}

}  // namespace usher::der
