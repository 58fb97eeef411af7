// DER elements, in and out; der.h says what is promised.
#include "parsers/der.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace usher::der {
bool Reader::decode_integer(Bytes contents, std::int64_t& value) noexcept {
  // No INTEGER that is read as a number needs more octets: 2^32-1 has four and a leading zero.
  constexpr std::size_t kIntegerSizeMax = 5;
  if (contents.empty() || contents.size() > kIntegerSizeMax) {
    return false;
  }
  const bool negative = contents[0] >= 0x80;
  if (contents.size() > 1) {
    //= X.690 8.3.2
    const bool next_is_negative = contents[1] >= 0x80;
    const bool needless = contents[0] == (negative ? 0xff : 0x00) && negative == next_is_negative;
    if (needless) {
      return false;
    }
  }
  value = negative ? -1 : 0;
  for (const std::uint8_t octet : contents) {
    value = value * 256 + octet;
  }
  return true;
}

Reader::Header Reader::any_header(Bytes unread, Tag tag) noexcept {
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

Bytes Writer::written() const noexcept { return fits_ ? Bytes(out_.subspan(at_)) : Bytes{}; }

std::size_t Writer::move_to_front() noexcept {
  const Bytes message = written();
  std::ranges::copy(message, out_.begin());  // Forwards, because the two may overlap.
  return message.size();
}

void Writer::octets(Bytes octets) noexcept {
  if (!fits_ || octets.size() > at_) {
    fits_ = false;
    return;
  }
  at_ -= octets.size();
  std::ranges::copy(octets, out_.subspan(at_).begin());
}

void Writer::bytes(Tag tag, Bytes contents) noexcept {
  octets(contents);
  header(tag, contents.size());
}

void Writer::u32(std::uint32_t value, Tag tag) noexcept { integer(tag, value); }

void Writer::i32(std::int32_t value) noexcept { integer(Tag::kInteger, value); }

void Writer::integer(Tag tag, std::int64_t value) noexcept {
  std::size_t size = 0;
  bool sign_is_written = false;
  while (!sign_is_written) {
    const auto low = static_cast<std::uint8_t>(value & 0xff);
    octet(low);
    ++size;
    value >>= 8;
    sign_is_written = value == (low >= 0x80 ? -1 : 0);
  }
  header(tag, size);
}

void Writer::bits(std::uint32_t flags) noexcept {
  std::array<std::uint8_t, 1 + sizeof(flags)> contents{};  // First octet: no unused bits.
  store_be(std::span(contents).subspan(1), flags);
  bytes(Tag::kBitString, contents);
}

void Writer::any_header(Tag tag, std::size_t size) noexcept {
  if (size < 0x80) {
    octet(static_cast<std::uint8_t>(size));
  } else {
    std::uint8_t count = 0;
    for (; size != 0; size >>= 8) {
      octet(static_cast<std::uint8_t>(size & 0xff));
      ++count;
    }
    octet(static_cast<std::uint8_t>(0x80 | count));
  }
  octet(std::uint8_t(tag));
}

namespace {

// A GeneralizedTime of RFC 4120 5.2.3 is fourteen digits, two for each of the year's halves, month,
// day, hour, minute and second, and 'Z'.
constexpr std::size_t kTimeSize = 15;
constexpr std::size_t kPairCount = kTimeSize / 2;

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

void Writer::time(std::int64_t seconds) noexcept {
  namespace chrono = std::chrono;
  assert(seconds >= kTimeMin && seconds <= kTimeMax);
  const chrono::sys_seconds at{chrono::seconds(std::clamp(seconds, kTimeMin, kTimeMax))};
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(at - day);
  const auto year = static_cast<unsigned>(int(date.year()));
  const std::array<unsigned, kPairCount> pairs = {year / 100,
                                                  year % 100,
                                                  unsigned(date.month()),
                                                  unsigned(date.day()),
                                                  static_cast<unsigned>(clock.hours().count()),
                                                  static_cast<unsigned>(clock.minutes().count()),
                                                  static_cast<unsigned>(clock.seconds().count())};
  std::array<std::uint8_t, kTimeSize> contents{};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    contents[2 * i] = static_cast<std::uint8_t>('0' + pairs[i] / 10);
    contents[2 * i + 1] = static_cast<std::uint8_t>('0' + pairs[i] % 10);
  }
  contents.back() = 'Z';
  bytes(Tag::kGeneralizedTime, contents);
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
