// Time, behind an interface, so that tests, replays of recordings and fuzzing choose it.
#pragma once

#include <cstdint>

namespace usher {

// Clock tells two times, both in microseconds: wall_us since 1970-01-01T00:00:00Z, which may jump
// and is what tickets are compared with, and steady_us since some moment, which never goes back and
// is what deadlines are made of. Any thread may ask; asking makes no system call.
class Clock {
 public:
  [[nodiscard]] virtual std::int64_t wall_us() const noexcept = 0;
  [[nodiscard]] virtual std::int64_t steady_us() const noexcept = 0;

 protected:
  ~Clock() = default;
};

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;

// system_clock is the machine's clock.
[[nodiscard]] const Clock& system_clock() noexcept;

}  // namespace usher
