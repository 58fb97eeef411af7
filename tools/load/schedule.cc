#include "tools/load/schedule.h"

#include <algorithm>
#include <cmath>

namespace load {

std::int64_t Schedule::due_ns(std::uint64_t number) const noexcept {
  return plan_.begin_ns +
         static_cast<std::int64_t>(
             std::ceil(static_cast<double>(number) * (double{kNanosPerSecond} / plan_.rate)));
}

std::uint64_t Schedule::due_by(std::int64_t now_ns) const noexcept {
  const std::int64_t until = std::min(now_ns, plan_.end_ns - 1);
  if (until < plan_.begin_ns) {
    return 0;
  }
  const double periods =
      static_cast<double>(until - plan_.begin_ns) * (plan_.rate / double{kNanosPerSecond});
  auto due = static_cast<std::uint64_t>(periods) + 1;
  // The floating point may be one off at the edge; due_ns is what counts.
  while (due > 0 && due_ns(due - 1) > until) {
    --due;
  }
  while (due_ns(due) <= until) {
    ++due;
  }
  return due;
}

void Schedule::give_up(std::uint64_t due, std::uint64_t waiting_max) noexcept {
  if (due - next_ > waiting_max) {
    given_up_ += due - next_ - waiting_max;
    next_ = due - waiting_max;
  }
}

std::optional<std::int64_t> Schedule::take(std::int64_t now_ns) noexcept {
  if (plan_.rate == 0) {
    const bool is_time = now_ns >= plan_.begin_ns && now_ns < plan_.end_ns;
    return is_time ? std::optional(now_ns) : std::nullopt;
  }
  const std::uint64_t due = std::max(due_by(now_ns), next_);
  if (due == next_) {
    return std::nullopt;
  }
  return due_ns(next_++);
}

void Schedule::all_busy_until(std::int64_t now_ns) noexcept {
  if (plan_.rate != 0 && plan_.waiting_max) {
    give_up(std::max(due_by(now_ns), next_), *plan_.waiting_max);
  }
}

std::optional<std::int64_t> Schedule::next_ns(std::int64_t now_ns) const noexcept {
  const std::int64_t next = plan_.rate == 0 ? std::max(now_ns, plan_.begin_ns) : due_ns(next_);
  return next < plan_.end_ns ? std::optional(next) : std::nullopt;
}

std::uint64_t Schedule::finish(std::int64_t now_ns) noexcept {
  if (plan_.rate != 0) {
    give_up(std::max(due_by(now_ns), next_), 0);
  }
  return given_up_;
}

}  // namespace load
