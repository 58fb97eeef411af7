// A GeneralizedTime, read; der_time.h says what is promised.
#include "parsers/der_time.h"

#include <array>

namespace usher::der {
namespace {

constexpr std::uint64_t kEachOctet = 0x0101'0101'0101'0101;  // Times an octet: eight of it.

// each_above has the highest bit of each octet of `octets` that is above that octet of `most`.
constexpr std::uint64_t each_above(std::uint64_t octets, std::uint64_t most) noexcept {
  return (octets | (octets + (kEachOctet * 0x7f - most))) & kEachOctet * 0x80;
}

// pairs_of has in each octet the number of two digits that ends there.
constexpr std::uint64_t pairs_of(std::uint64_t digits) noexcept { return digits * (1 + (10 << 8)); }
constexpr unsigned octet(std::uint64_t octets, unsigned n) noexcept {
  return static_cast<unsigned>(octets >> 8 * n & 0xff);
}

// The highest digits of a date, YYYYMMDD, and of its last digit, a clock's HHMMSS and what is left
// of 'Z', each in an octet, the first one lowest. Months above 12 are told by kMonths, hours above
// 23 apart.
constexpr std::uint64_t kDateMost = 0x0903'0901'0909'0909;
constexpr std::uint64_t kClockMost = 0x0009'0509'0509'0209;

// Month is how many days a month has, and the day before its first one, from 1970-01-01, if its
// year were 0: days count from 0 there, but a leap day has been counted when its year begins.
struct Month {
  std::int32_t days;
  std::int32_t day_before;
};
// By what is left of a year, or else of its century, by four; and by the month.
constexpr auto kMonths = [] {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  constexpr std::int32_t kEpochDay = 719'528;  // 1970-01-01, from 0000-01-01.
  std::array<std::array<Month, 32>, 4> months{};
  for (const unsigned left : {0u, 1u, 2u, 3u}) {
    const int leap_days = left == 0 ? 1 : 0;
    std::int32_t day_before = -leap_days - kEpochDay;
    for (std::size_t n = 0; n < kDays.size(); ++n) {
      const int days = kDays[n] + (n == 1 ? leap_days : 0);
      months[left][1 + n] = {days, day_before};
      day_before += days;
    }
  }
  return months;
}();

}  // namespace

[[gnu::noinline]] std::int64_t time_of(Bytes contents) noexcept {
  //= RFC 4120 5.2.3
  if (contents.size() != kTimeSize) {
    return kNoTime;
  }
  constexpr std::uint64_t kZ = std::uint64_t{'0' ^ 'Z'} << 56;
  const std::uint64_t date_digits = load_le<std::uint64_t>(contents) ^ kEachOctet * '0';
  const std::uint64_t clock_digits =
      load_le<std::uint64_t>(contents.last<8>()) ^ (kEachOctet * '0' ^ kZ);
  if ((each_above(date_digits, kDateMost) | each_above(clock_digits, kClockMost)) != 0) {
    return kNoTime;
  }
  const std::uint64_t date = pairs_of(date_digits);
  const std::uint64_t clock = pairs_of(clock_digits);
  const unsigned century = octet(date, 1);
  const unsigned year = octet(date, 3);  // Of the century.
  const unsigned month = octet(date, 5) & 31;
  const unsigned day = octet(date, 7);
  const unsigned hour = octet(clock, 2);
  // Minutes and seconds, in words of 16 bits: the highest one becomes their sum.
  constexpr std::uint64_t kMinutesAndSeconds = 0x00ff'00ff'0000'0000;
  const std::uint64_t of_hour = ((clock & kMinutesAndSeconds) * (1 + (60 << 16))) >> 48;
  const Month& of_month = kMonths[(year != 0 ? year : century) & 3][month];
  if (day - 1 >= static_cast<unsigned>(of_month.days) || hour > 23) {
    return kNoTime;
  }
  // With all leap days up to this year's end. The centuries that begin with one are every fourth.
  const auto days = static_cast<int>(century * 146'097 / 4 + year * 1461 / 4 + day);
  const std::int64_t hours = std::int64_t{of_month.day_before + days} * 24 + hour;
  return hours * 3600 + static_cast<std::int64_t>(of_hour);
}

bool parse_time(Bytes contents, std::int64_t& seconds) noexcept {
  const std::int64_t read = time_of(contents);
  seconds = read != kNoTime ? read : seconds;
  return read != kNoTime;
}

}  // namespace usher::der
