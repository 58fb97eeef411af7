// engine/clock.h: the machine's clock tells the right times, in microseconds.
#include "engine/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace usher {
namespace {

TEST(SystemClock, WallTimeIsMicrosecondsSince1970) {
  using std::chrono::system_clock;
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               system_clock::now().time_since_epoch())
        .count();
  };
  const std::int64_t before = now();
  const std::int64_t told = usher::system_clock().wall_us();
  EXPECT_LE(before, told);
  EXPECT_LE(told, now());
}

TEST(SystemClock, SteadyTimeGoesForwardAtTheRateOfMicroseconds) {
  const Clock& clock = system_clock();
  std::int64_t last = clock.steady_us();
  for (int i = 0; i < 10'000; ++i) {
    const std::int64_t next = clock.steady_us();
    ASSERT_GE(next, last);
    last = next;
  }
  const auto reference = std::chrono::steady_clock::now();
  const std::int64_t start = clock.steady_us();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::int64_t slept_us = clock.steady_us() - start;
  const auto longest = std::chrono::steady_clock::now() - reference;
  EXPECT_GE(slept_us, 20'000);
  EXPECT_LE(std::chrono::microseconds(slept_us), longest + std::chrono::microseconds(1));
}

}  // namespace
}  // namespace usher
