// LocalTime agrees with the C library at every moment it was asked about, in zones of every kind.
#include "engine/local_time.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <cstring>

namespace usher {
namespace {

constexpr std::int64_t kNow = 1'795'780'800;  // 2026-11-27T12:00:00Z
constexpr std::int64_t kHour = 3'600;
constexpr std::int64_t kYear = 365 * 24 * kHour;

std::int64_t asked(std::int64_t unix_s) {
  const auto moment = static_cast<time_t>(unix_s);
  tm broken{};
  ::localtime_r(&moment, &broken);
  return broken.tm_gmtoff;
}

LocalTime local_in(const char* zone) {
  ::setenv("TZ", zone, 1);
  return LocalTime::make(kNow);
}

TEST(LocalTime, IsUtcUnlessSomebodySaysOtherwise) {
  EXPECT_EQ(LocalTime().ahead_s(kNow), 0);
  EXPECT_EQ(local_in("UTC0").ahead_s(kNow), 0);
}

TEST(LocalTime, IsWhatTheLibrarySaysInEveryHour) {
  // No summer time; half hours; both halves of the year; a change at an odd time of day.
  for (const char* const zone : {"IST-5:30", "EST5EDT,M3.2.0,M11.1.0", "CET-1CEST,M3.5.0,M10.5.0/3",
                                 "AEST-10AEDT,M10.1.0,M4.1.0/3", "SST11"}) {
    const LocalTime local = local_in(zone);
    std::int64_t changes = 0;
    for (std::int64_t at = kNow - 24 * kHour; at < kNow + 10 * kYear; at += kHour) {
      ASSERT_EQ(local.ahead_s(at), asked(at)) << zone << " at " << at;
      changes += asked(at) != asked(at - kHour) ? 1 : 0;
    }
    const bool has_summer_time = std::strchr(zone, ',') != nullptr;
    EXPECT_EQ(changes, has_summer_time ? 20 : 0) << zone;
  }
}

TEST(LocalTime, ChangesToTheSecond) {
  const LocalTime local = local_in("CET-1CEST,M3.5.0,M10.5.0/3");
  constexpr std::int64_t kSpring = 1'806'195'600;  // 2027-03-28T01:00:00Z
  EXPECT_EQ(local.ahead_s(kSpring - 1), kHour);
  EXPECT_EQ(local.ahead_s(kSpring), 2 * kHour);
}

TEST(LocalTime, GoesOnAsAtItsEnds) {
  const LocalTime local = local_in("CET-1CEST,M3.5.0,M10.5.0/3");
  EXPECT_EQ(local.ahead_s(0), kHour);
  EXPECT_EQ(local.ahead_s(INT64_MIN), kHour);
  const std::int64_t last = local.ahead_s(INT64_MAX);
  EXPECT_TRUE(last == kHour || last == 2 * kHour) << last;
}

}  // namespace
}  // namespace usher
