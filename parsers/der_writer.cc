// DER elements put together; der_writer.h says what is promised.
#include "parsers/der_writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace usher::der {

std::size_t Writer::move_to_front() noexcept {
  const Bytes message = written();
  copy(message, out_);
  return message.size();
}

[[gnu::cold, gnu::noinline]] MutableBytes Writer::put_in_little(MutableBytes free,
                                                                std::uint64_t value,
                                                                std::size_t size) noexcept {
  if (size > free.size()) {
    return {};
  }
  for (std::size_t i = 0; i < size; ++i, value >>= 8) {
    free.back() = static_cast<std::uint8_t>(value);
    free = free.first(free.size() - 1);
  }
  return free;
}

[[gnu::noinline]] MutableBytes Writer::put_header(MutableBytes free, Tag tag,
                                                  std::size_t size) noexcept {
  const std::size_t size_octets = (static_cast<std::size_t>(std::bit_width(size)) + 7) / 8;
  Writer writer(free);
  writer.put(size, size_octets);
  writer.put(octet_of(tag) << 8 | 0x80 | size_octets, 2);
  return writer.free_;
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

[[gnu::noinline]] MutableBytes Writer::put_time(MutableBytes free, std::int64_t seconds) noexcept {
  Writer writer(free);
  writer.octets(TimeText(seconds));
  return writer.free_;
}

}  // namespace usher::der
