// When requests are due: as soon as a connection is free, or at a given rate whatever the server
// does.
#pragma once

#include <cstdint>
#include <optional>

namespace load {

inline constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// Schedule hands out due times, in nanoseconds of any steady clock. In a closed loop (a rate of 0)
// a request is due when it is asked for. In an open loop request n is due at begin + n / rate, also
// while the server is slow; whoever counts its latency from then does not hide that it has waited
// (coordinated omission). Not for threads.
class Schedule {
 public:
  struct Plan {
    double rate = 0;            // Requests a second; 0: closed loop.
    std::int64_t begin_ns = 0;  // Nothing is due before,
    std::int64_t end_ns = 0;    // and nothing from then on.
    // Open loop: so many may wait while all connections are busy; if more do, the oldest give up.
    std::optional<std::uint64_t> waiting_max{};
  };
  explicit Schedule(const Plan& plan) noexcept : plan_(plan) {}

  // take removes the oldest request that is due by `now_ns` and returns when it was due; nothing if
  // none is. `now_ns` never goes back.
  [[nodiscard]] std::optional<std::int64_t> take(std::int64_t now_ns) noexcept;

  // all_busy_until makes those give up that are too many to wait. Due before a take that follows
  // upon a time without any free connection.
  void all_busy_until(std::int64_t now_ns) noexcept;

  // next_ns says when take will have something, or nothing if it never will again.
  [[nodiscard]] std::optional<std::int64_t> next_ns(std::int64_t now_ns) const noexcept;

  // finish makes all give up that still wait, and returns how many did in all.
  [[nodiscard]] std::uint64_t finish(std::int64_t now_ns) noexcept;

 private:
  [[nodiscard]] std::int64_t due_ns(std::uint64_t number) const noexcept;
  // due_by counts the requests that were due by `now_ns`, since the beginning.
  [[nodiscard]] std::uint64_t due_by(std::int64_t now_ns) const noexcept;
  void give_up(std::uint64_t due, std::uint64_t waiting_max) noexcept;

  Plan plan_;
  std::uint64_t next_ = 0;  // The oldest neither taken nor given up.
  std::uint64_t given_up_ = 0;
};

}  // namespace load
