// Whether a thread that has run out of work had better wait awake for the next, for a moment.
#pragma once

#include <algorithm>
#include <cstdint>

namespace usher::io {

// Going to sleep and being woken costs a worker and whoever wakes it some microseconds of processor
// time each, and the work that wakes it waits for as long. Waiting awake costs what it lasts. So it
// pays if the next work comes about as soon as that, and of this the last gap between two works is
// the best sign there is:
//
//   * after a gap longer than kLimitUs the worker sleeps at once: what is idle, or asked for now
//     and then, is never waited for awake;
//   * a wait that was in vain costs at most kLimitUs, and then a number of gaps that doubles from
//     one such wait to the next, up to kRestMax, is slept through: with more threads than
//     processors the work is kept away by the very one that waits for it;
//   * on a single processor nobody ever waits awake.
//
// A worker's own; no thread rule, no clock: it is told.
class Spin {
 public:
  static constexpr std::int64_t kLimitUs = 20;
  static constexpr std::uint32_t kRestMax = 256;

  explicit Spin(bool several_processors) noexcept : allowed_(several_processors) {}

  // worthwhile says whether to wait awake this time, for up to kLimitUs.
  [[nodiscard]] bool worthwhile() const noexcept { return allowed_ && soon_ && rest_ == 0; }

  // The gap is over. found: while waiting awake. slept: asleep, `gap_us` after there was nothing to
  // do; `in_vain` if it had waited awake before.
  void found() noexcept { rests_ = 0; }
  void slept(std::int64_t gap_us, bool in_vain) noexcept {
    soon_ = gap_us <= kLimitUs;
    if (in_vain) {
      rests_ = std::min(2 * rests_ + 1, kRestMax);
      rest_ = rests_;
    } else if (rest_ > 0) {
      --rest_;
    }
  }

 private:
  bool allowed_;
  bool soon_ = false;        // The last gap was short.
  std::uint32_t rest_ = 0;   // Gaps still to be slept through,
  std::uint32_t rests_ = 0;  // of so many after the last wait in vain.
};

}  // namespace usher::io
