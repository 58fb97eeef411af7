// DER elements, in and out; der.h says what is promised.
#include "parsers/der.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace usher::der {

std::uint32_t Reader::size_of_header(std::size_t size) noexcept {
  return 2 + (size < 0x80 ? 0 : static_cast<std::uint32_t>((std::bit_width(size) + 7) / 8));
}

[[gnu::noinline]] Reader::Header Reader::any_header(Bytes unread, Tag tag) noexcept {
  const auto size = static_cast<std::uint32_t>(unread.size());
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

}  // namespace usher::der
