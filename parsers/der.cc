// DER elements, in and out; der.h says what is promised.
#include "parsers/der.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace usher::der {
[[gnu::noinline]] Reader::Integer Reader::decode_integer(Bytes contents) noexcept {
  // No INTEGER that is read as a number needs more octets: 2^32-1 has four and a leading zero.
  constexpr std::size_t kIntegerSizeMax = 5;
  if (contents.empty() || contents.size() > kIntegerSizeMax) {
    return {};
  }
  const bool negative = contents[0] >= 0x80;
  if (contents.size() > 1) {
    //= X.690 8.3.2
    const bool next_is_negative = contents[1] >= 0x80;
    const bool needless = contents[0] == (negative ? 0xff : 0x00) && negative == next_is_negative;
    if (needless) {
      return {};
    }
  }
  std::uint64_t octets = 0;
  if (contents.size() >= sizeof(std::uint32_t)) {
    octets = load_be<std::uint32_t>(contents);
    octets = contents.size() > sizeof(std::uint32_t) ? octets << 8 | contents.back() : octets;
  } else {
    for (const std::uint8_t octet : contents) {
      octets = octets << 8 | octet;
    }
  }
  const std::size_t unused_bits = 64 - 8 * contents.size();
  return {.is_one = true, .value = static_cast<std::int64_t>(octets << unused_bits) >> unused_bits};
}

std::uint32_t Reader::integer_begin(Bytes contents) const noexcept {
  std::uint32_t header_size = 2;
  if (contents.size() >= 0x80) {
    header_size += static_cast<std::uint32_t>((std::bit_width(contents.size()) + 7) / 8);
  }
  return static_cast<std::uint32_t>(contents.data() - parse_.input().data()) - header_size;
}

[[gnu::noinline]] Reader::Header Reader::any_header(Bytes unread, Tag tag) noexcept {
  const auto size = static_cast<std::uint32_t>(unread.size());
  // The messages' own elements have one or two octets of length.
  if (size >= 4 && unread[0] == std::uint8_t(tag)) {
    const std::uint32_t more = unread[1] - 0x80u;
    const std::uint32_t length = more == 1 ? unread[2] : unread[2] * 256u + unread[3];
    if ((more == 1 || more == 2) && length >= 0x80 && unread[2] != 0 && length <= size - 2 - more) {
      return {.size = 2 + more, .content_size = length, .fault = {}};
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

[[gnu::noinline]] Reader::Header Reader::any_headers(Bytes unread, Tag outer, Tag tag) noexcept {
  // Most that come here have two octets of length behind 0x82, or one behind 0x81, both of them.
  if (unread.size() >= 8) {
    const auto octets = load_le<std::uint64_t>(unread);
    const std::uint64_t outer_octet = std::uint8_t(outer);
    const std::uint64_t tag_octet = std::uint8_t(tag);
    if ((octets & 0xffff'0000'ffff) == (outer_octet | 0x8200 | tag_octet << 32 | 0x82ull << 40)) {
      const std::uint32_t outer_size = load_be<std::uint16_t>(unread.subspan(2));
      const std::uint32_t size = load_be<std::uint16_t>(unread.subspan(6));
      if (size >= 0x100 && outer_size == size + 4 && outer_size <= unread.size() - 4) {
        return {.size = 8, .content_size = size, .fault = {}};
      }
    } else if ((octets & 0xff'ff00'ffff) ==
               (outer_octet | 0x8100 | tag_octet << 24 | 0x81ull << 32)) {
      const std::uint32_t outer_size = unread[2];
      const std::uint32_t size = unread[5];
      if (size >= 0x80 && outer_size == size + 3 && outer_size <= unread.size() - 3) {
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
constexpr std::size_t kTimeSize = 15;
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
