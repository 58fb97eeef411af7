// The machine's local time, as it is told to callers who expect that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace usher {

// LocalTime says how far local time is ahead of UTC at a moment. The C library, which takes a lock
// for each question, is asked beforehand about the years to come. Default: local time is UTC.
class LocalTime {
 public:
  LocalTime() noexcept = default;

  // make asks by the zone that TZ or the machine names now: from a year before `now_s` (seconds
  // since 1970) to twenty years after; earlier and later moments are as those at the ends. May read
  // files and allocate, as the C library does.
  [[nodiscard]] static LocalTime make(std::int64_t now_s) noexcept;

  // ahead_s is in seconds, negative to the west. Any thread, no lock.
  [[nodiscard]] std::int64_t ahead_s(std::int64_t unix_s) const noexcept;

 private:
  struct Period {
    std::int64_t from_s = 0;
    std::int64_t ahead_s = 0;
  };
  static constexpr std::size_t kPeriodsMax = 160;  // Morocco has four a year.

  std::array<Period, kPeriodsMax> periods_{};
  std::size_t count_ = 1;
};

}  // namespace usher
