// The machine's clock.
#include "engine/clock.h"

#include <time.h>

#include <cassert>

namespace usher {
namespace {

// read_us asks the vDSO: clock_gettime enters the kernel only where the machine has no usable
// counter.
std::int64_t read_us(clockid_t id) noexcept {
  timespec now{};
  [[maybe_unused]] const int result = ::clock_gettime(id, &now);
  assert(result == 0);  // Both clocks exist on every Linux.
  return std::int64_t{now.tv_sec} * kMicrosPerSecond + now.tv_nsec / 1000;
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return read_us(CLOCK_REALTIME); }
  [[nodiscard]] std::int64_t steady_us() const noexcept override {
    return read_us(CLOCK_MONOTONIC);
  }
};

}  // namespace

const Clock& system_clock() noexcept {
  static constexpr SystemClock kClock;
  return kClock;
}

}  // namespace usher
