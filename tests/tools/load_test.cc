// The parts of the load generator that decide what a run's numbers mean.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "tools/load/histogram.h"
#include "tools/load/response.h"
#include "tools/load/schedule.h"
#include "tools/mint/octets.h"

namespace load {
namespace {

constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMilli;

std::uint64_t draw(usher::mint::SeededRandom& random) {
  std::array<std::uint8_t, 8> octets{};
  EXPECT_TRUE(random.fill(octets));
  return usher::load_le<std::uint64_t>(octets);
}

TEST(LoadHistogram, SaysNothingOfNothing) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.percentile(50), 0u);
  EXPECT_EQ(empty.max(), 0u);
}

TEST(LoadHistogram, IsExactForShortTimes) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 200; ++value) {
    histogram.record(value);
  }
  EXPECT_EQ(histogram.percentile(50), 100u);
  EXPECT_EQ(histogram.percentile(99), 198u);
  EXPECT_EQ(histogram.percentile(99.9), 200u);
  EXPECT_EQ(histogram.percentile(0), 1u);
}

// Against the sorted values themselves, over nine powers of ten.
TEST(LoadHistogram, IsNeverTooSmallAndAtMostAHundredAndTwentyEighthTooLarge) {
  usher::mint::SeededRandom random(7);
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int n = 0; n < 20'000; ++n) {
    const std::uint64_t value = draw(random) >> (24 + draw(random) % 40);
    values.push_back(value);
    histogram.record(value);
  }
  std::ranges::sort(values);
  ASSERT_GT(values.back(), std::uint64_t{100'000'000'000});
  for (const double percent : {0.1, 1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * 20'000));
    const std::uint64_t exact = values[rank - 1];
    EXPECT_GE(histogram.percentile(percent), exact) << percent;
    EXPECT_LE(histogram.percentile(percent), exact + exact / 128) << percent;
  }
  EXPECT_EQ(histogram.max(), values.back());
}

TEST(LoadHistogram, CountsWhatIsBeyondItsEndAsTheEnd) {
  Histogram histogram;
  histogram.record(~std::uint64_t{0});
  EXPECT_EQ(histogram.max(), Histogram::kNanosecondsMax);
  EXPECT_EQ(histogram.percentile(50), Histogram::kNanosecondsMax);
}

TEST(LoadSchedule, AClosedLoopIsDueWheneverItIsAsked) {
  Schedule schedule({.begin_ns = 100, .end_ns = 1000});
  EXPECT_FALSE(schedule.take(99));
  EXPECT_EQ(schedule.take(100), 100);
  EXPECT_EQ(schedule.take(700), 700);
  EXPECT_EQ(schedule.next_ns(701), 701);
  EXPECT_FALSE(schedule.take(1000));
  EXPECT_FALSE(schedule.next_ns(1000));
  EXPECT_EQ(schedule.finish(2000), 0u);
}

TEST(LoadSchedule, AnOpenLoopIsDueAtItsRate) {
  Schedule schedule({.rate = 1000, .begin_ns = 5, .end_ns = 5 + 10 * kMilli});
  EXPECT_FALSE(schedule.take(4));
  for (std::int64_t n = 0; n < 10; ++n) {
    const std::int64_t due = 5 + n * kMilli;
    EXPECT_EQ(schedule.next_ns(due - 1), due);
    EXPECT_FALSE(schedule.take(due - 1));
    EXPECT_EQ(schedule.take(due), due);
  }
  EXPECT_FALSE(schedule.next_ns(9 * kMilli));
  EXPECT_FALSE(schedule.take(kSecond));
}

// A server that stops for a second: the requests it kept waiting are due when they would have been.
TEST(LoadSchedule, AnOpenLoopDoesNotWaitForTheServer) {
  Schedule schedule({.rate = 3000, .begin_ns = 0, .end_ns = 2 * kSecond});
  EXPECT_EQ(schedule.take(0), 0);
  std::int64_t last = 0;
  int due = 1;
  while (const auto next = schedule.take(kSecond)) {
    EXPECT_GT(*next, last);
    EXPECT_LE(*next, kSecond);
    last = *next;
    ++due;
  }
  EXPECT_EQ(due, 3001);
  EXPECT_EQ(last, kSecond);
}

TEST(LoadSchedule, HasAllThatAreDueAndNoneMore) {
  for (const double rate : {0.5, 3.0, 333.0, 70'000.0, 799'999.0}) {
    Schedule schedule({.rate = rate, .begin_ns = 12'345, .end_ns = 12'345 + 4 * kSecond});
    std::uint64_t count = 0;
    for (std::int64_t now = 12'345; now < 12'345 + 5 * kSecond; now += 7 * kMilli) {
      while (schedule.take(now)) {
        ++count;
      }
    }
    EXPECT_EQ(count, static_cast<std::uint64_t>(rate * 4)) << rate;
  }
}

TEST(LoadSchedule, TheOldestGiveUpWhenTooManyWait) {
  Schedule schedule({.rate = 1000, .begin_ns = 0, .end_ns = kSecond, .waiting_max = 2});
  EXPECT_EQ(schedule.take(0), 0);
  // Busy until 10.5 ms: 1 to 10 are due, of which 9 and 10 wait.
  schedule.all_busy_until(10 * kMilli + kMilli / 2);
  EXPECT_EQ(schedule.take(10 * kMilli + kMilli / 2), 9 * kMilli);
  EXPECT_EQ(schedule.take(10 * kMilli + kMilli / 2), 10 * kMilli);
  EXPECT_FALSE(schedule.take(10 * kMilli + kMilli / 2));
  EXPECT_EQ(schedule.take(11 * kMilli), 11 * kMilli);
  EXPECT_EQ(schedule.finish(14 * kMilli), 8u + 3u);  // 1 to 8, and 12 to 14 that still waited.
}

TEST(LoadSchedule, WithoutABoundNobodyGivesUpBeforeTheEnd) {
  Schedule schedule({.rate = 1000, .begin_ns = 0, .end_ns = kSecond});
  schedule.all_busy_until(500 * kMilli);
  EXPECT_EQ(schedule.take(500 * kMilli), 0);
  EXPECT_EQ(schedule.finish(2 * kSecond), 999u);
}

constexpr std::string_view kSignedOn =
    "HTTP/1.1 200 OK\r\nDate: x\r\nWWW-Authenticate: Negotiate oYG2\r\nContent-Length: "
    "3\r\n\r\nok\n";

TEST(LoadResponse, IsReadWithItsBody) {
  const Response response = parse_response(kSignedOn);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.size, kSignedOn.size());
  EXPECT_EQ(response.negotiate, "oYG2");
  EXPECT_FALSE(response.closes);
  EXPECT_EQ(parse_response(std::string(kSignedOn) + "HTTP/1.1").size, kSignedOn.size());
}

TEST(LoadResponse, IsAwaitedToItsLastByte) {
  for (std::size_t size = 0; size < kSignedOn.size(); ++size) {
    const Response response = parse_response(kSignedOn.substr(0, size));
    EXPECT_EQ(response.size, 0u) << size;
    EXPECT_FALSE(response.broken) << size;
  }
}

TEST(LoadResponse, FieldsHaveAnyCaseAndSpacing) {
  const Response response = parse_response(
      "HTTP/1.1 401 Unauthorized\r\nwww-authenticate:NEGOTIATE  abc= \r\nconnection:  Close\r\n"
      "CONTENT-LENGTH:0\r\n\r\n");
  EXPECT_EQ(response.status, 401);
  EXPECT_NE(response.size, 0u);
  EXPECT_EQ(response.negotiate, "abc=");
  EXPECT_TRUE(response.closes);
}

TEST(LoadResponse, MayHaveNoBodyOrAChunkedOne) {
  EXPECT_EQ(parse_response("HTTP/1.1 204 No Content\r\n\r\n").size, 27u);
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0;x\r\n\r\n";
  EXPECT_EQ(parse_response(chunked).size, chunked.size());
  EXPECT_EQ(parse_response(chunked.substr(0, chunked.size() - 1)).size, 0u);
}

TEST(LoadResponse, WhatIsNoneIsBroken) {
  EXPECT_TRUE(parse_response("SSH-2.0-x\r\n\r\n").broken);
  EXPECT_TRUE(parse_response("HTTP/1.1 abc\r\n\r\n").broken);
  EXPECT_TRUE(parse_response("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n").broken);
  EXPECT_TRUE(
      parse_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n").broken);
}

}  // namespace
}  // namespace load
