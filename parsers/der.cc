// DER elements, in and out; der.h says what is promised.
#include "parsers/der.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <limits>

namespace usher::der {
namespace {

// No INTEGER that is read as a number needs more octets: 2^32-1 has four and a leading zero.
constexpr std::size_t kIntegerSizeMax = 5;

// decode_integer reads two's complement in its shortest form; false if it is not that.
bool decode_integer(Bytes contents, std::int64_t& value) noexcept {
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

}  // namespace

bool Reader::next_is(Tag tag) const noexcept {
  return more() && parse_.input()[at_] == std::uint8_t(tag);
}

Bytes Reader::bytes(Tag tag) noexcept {
  const Range range = header(tag);
  return view(range.begin, range.end);
}

Bytes Reader::rest() noexcept {
  const std::uint32_t begin = at_;
  at_ = end_;
  return view(begin, end_);
}

std::int64_t Reader::integer(Tag tag, std::int64_t min, std::int64_t max) noexcept {
  const std::uint32_t begin = at_;
  std::int64_t value = 0;
  if (!decode_integer(bytes(tag), value) || value < min || value > max) {
    parse_.fail(ParseCode::kBadValue, begin);  // No effect if bytes() already failed.
    return 0;
  }
  return value;
}

std::uint32_t Reader::u32(Tag tag) noexcept {
  return static_cast<std::uint32_t>(integer(tag, 0, std::numeric_limits<std::uint32_t>::max()));
}

std::int32_t Reader::i32(Tag tag) noexcept {
  using Limits = std::numeric_limits<std::int32_t>;
  return static_cast<std::int32_t>(integer(tag, Limits::min(), Limits::max()));
}

std::uint32_t Reader::u32_modulo(Tag tag) noexcept {
  return static_cast<std::uint32_t>(integer(tag, std::numeric_limits<std::int32_t>::min(),
                                            std::numeric_limits<std::uint32_t>::max()));
}

void Reader::require(bool valid) noexcept {
  if (!valid) {
    parse_.fail(ParseCode::kBadValue, at_);
  }
}

void Reader::finish() noexcept {
  if (at_ != end_) {
    parse_.fail(ParseCode::kTrailingBytes, at_);
  }
}

Reader::Range Reader::header(Tag tag) noexcept {
  const std::uint32_t begin = at_;
  if (octet() != std::uint8_t(tag)) {
    parse_.fail(ParseCode::kUnexpectedTag, begin);  // No effect if octet() already failed.
  }
  const std::uint32_t content_length = length();
  if (!parse_.ok()) {
    return {};
  }
  if (content_length > end_ - at_) {
    parse_.fail(ParseCode::kTruncated, begin);
    return {};
  }
  const Range range{at_, at_ + content_length};
  at_ = range.end;
  return range;
}

// Definite lengths only, in their shortest form, up to 32 bits.
std::uint32_t Reader::length() noexcept {
  //= X.690 8.1.3
  const std::uint32_t begin = at_;
  const std::uint8_t first = octet();
  if (first < 0x80) {
    return first;
  }
  const std::uint32_t count = first & 0x7fu;
  if (count == 0 || count > sizeof(std::uint32_t)) {
    parse_.fail(ParseCode::kBadLength, begin);
    return 0;
  }
  std::uint32_t value = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    value = (value << 8) | octet();
  }
  //= X.690 10.1
  const bool minimal = value >= 0x80 && (value >> (8 * (count - 1))) != 0;
  if (!minimal) {
    parse_.fail(ParseCode::kBadLength, begin);  // No effect if an octet() above already failed.
  }
  return value;
}

std::uint8_t Reader::octet() noexcept {
  if (at_ == end_ || !parse_.ok()) {
    parse_.fail(ParseCode::kTruncated, at_);
    return 0;
  }
  return parse_.input()[at_++];
}

Bytes Reader::view(std::uint32_t begin, std::uint32_t end) const noexcept {
  return parse_.ok() ? parse_.input().subspan(begin, end - begin) : Bytes{};
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

void Writer::header(Tag tag, std::size_t size) noexcept {
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

void Writer::octet(std::uint8_t value) noexcept { octets(Bytes(&value, 1)); }

namespace {

// A GeneralizedTime of RFC 4120 5.2.3: fields of decimal digits, most significant first, and 'Z'.
constexpr std::size_t kTimeSize = 15;
constexpr std::array<std::size_t, 6> kTimeFieldSizes = {4, 2, 2, 2, 2, 2};

// The seconds of 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
constexpr std::int64_t kTimeMin = -62'167'219'200;
constexpr std::int64_t kTimeMax = 253'402'300'799;

bool decode_digits(Bytes digits, unsigned& value) noexcept {
  value = 0;
  for (const std::uint8_t digit : digits) {
    if (digit < '0' || digit > '9') {
      return false;
    }
    value = value * 10 + (digit - unsigned{'0'});
  }
  return true;
}

void encode_digits(unsigned value, MutableBytes digits) noexcept {
  for (std::size_t i = digits.size(); i > 0; --i) {
    digits[i - 1] = static_cast<std::uint8_t>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

void Writer::time(std::int64_t seconds) noexcept {
  namespace chrono = std::chrono;
  assert(seconds >= kTimeMin && seconds <= kTimeMax);
  const chrono::sys_seconds at{chrono::seconds(std::clamp(seconds, kTimeMin, kTimeMax))};
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(at - day);
  const std::array<unsigned, kTimeFieldSizes.size()> fields = {
      static_cast<unsigned>(int(date.year())),
      unsigned(date.month()),
      unsigned(date.day()),
      static_cast<unsigned>(clock.hours().count()),
      static_cast<unsigned>(clock.minutes().count()),
      static_cast<unsigned>(clock.seconds().count())};

  std::array<std::uint8_t, kTimeSize> contents{};
  MutableBytes rest(contents);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    encode_digits(fields[i], rest.first(kTimeFieldSizes[i]));
    rest = rest.subspan(kTimeFieldSizes[i]);
  }
  rest[0] = 'Z';
  bytes(Tag::kGeneralizedTime, contents);
}

bool parse_time(Bytes contents, std::int64_t& seconds) noexcept {
  namespace chrono = std::chrono;
  //= RFC 4120 5.2.3
  if (contents.size() != kTimeSize || contents.back() != 'Z') {
    return false;
  }
  std::array<unsigned, kTimeFieldSizes.size()> fields{};
  Bytes rest = contents;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!decode_digits(rest.first(kTimeFieldSizes[i]), fields[i])) {
      return false;
    }
    rest = rest.subspan(kTimeFieldSizes[i]);
  }
  const auto [year, month, day, hour, minute, second] = fields;
  const chrono::year_month_day date(chrono::year(static_cast<int>(year)), chrono::month(month),
                                    chrono::day(day));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  const chrono::sys_seconds at = chrono::sys_days(date) + chrono::hours(hour) +
                                 chrono::minutes(minute) + chrono::seconds(second);
  seconds = at.time_since_epoch().count();
  return true;
}

}  // namespace usher::der
