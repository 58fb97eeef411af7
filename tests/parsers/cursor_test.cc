// parsers/cursor.h: fixed layouts are read in order, places a message chooses stay inside it.
#include "parsers/cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/hex.h"

namespace usher {
namespace {

using usher::testing::hex;

TEST(Cursor, ReadsOneFieldAfterTheOther) {
  const auto message = hex("0102 03040506 0708090a0b0c0d0e aabb cc");
  Parse parse(message);
  Cursor cursor(parse);
  EXPECT_EQ(cursor.u16(), 0x0201u);
  EXPECT_EQ(cursor.u32(), 0x06050403u);
  EXPECT_EQ(cursor.u64(), 0x0e0d0c0b0a090807u);
  const Bytes two = cursor.bytes(2);
  EXPECT_EQ(two.data(), &message[14]);
  EXPECT_EQ(two.size(), 2u);
  const Bytes rest = cursor.rest();
  EXPECT_EQ(rest.data(), &message[16]);
  EXPECT_EQ(rest.size(), 1u);
  EXPECT_TRUE(cursor.rest().empty());
  EXPECT_TRUE(cursor.bytes(0).empty());
  EXPECT_TRUE(parse.ok());
}

TEST(Cursor, YieldsNothingAfterTheFirstFault) {
  const auto message = hex("010203");
  Parse parse(message);
  Cursor cursor(parse);
  EXPECT_EQ(cursor.u16(), 0x0201u);
  EXPECT_EQ(cursor.u16(), 0u);
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTruncated, 2}));

  EXPECT_TRUE(cursor.bytes(1).empty());
  EXPECT_TRUE(cursor.rest().empty());
  EXPECT_TRUE(cursor.range({.offset = 0, .length = 1, .not_before = 0}).empty());
  cursor.require(false);
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTruncated, 2}));
}

TEST(Cursor, RefusesToReadPastTheEnd) {
  for (const std::uint32_t count : {4u, 0x80000000u, 0xfffffffeu, 0xffffffffu}) {
    const auto message = hex("00 010203");
    Parse parse(message);
    Cursor cursor(parse);
    cursor.bytes(1);
    EXPECT_TRUE(cursor.bytes(count).empty());
    EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTruncated, 1})) << count;
  }
  const auto message = hex("00 010203");
  Parse parse(message);
  Cursor cursor(parse);
  cursor.bytes(1);
  EXPECT_EQ(cursor.bytes(3).size(), 3u);
  EXPECT_TRUE(parse.ok());
}

TEST(Cursor, RequirePointsAtTheCurrentPosition) {
  const auto message = hex("01020304");
  Parse parse(message);
  Cursor cursor(parse);
  cursor.require(true);
  EXPECT_TRUE(parse.ok());
  cursor.require(cursor.u16() == 0x0102);
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kBadValue, 2}));
}

struct RangeCase {
  const char* name;
  Cursor::Range range;
  bool accepted;
  const char* why;
};

constexpr std::array kRanges = {
    RangeCase{"Whole", {.offset = 0, .length = 8, .not_before = 0}, true, "all there is"},
    RangeCase{"OneTooLong", {.offset = 0, .length = 9, .not_before = 0}, false, "one byte over"},
    RangeCase{"Tail", {.offset = 5, .length = 3, .not_before = 4}, true, "up to the end"},
    RangeCase{"TailTooLong", {.offset = 5, .length = 4, .not_before = 4}, false, "one byte over"},
    RangeCase{"EmptyAtEnd", {.offset = 8, .length = 0, .not_before = 4}, true, "an end is a place"},
    RangeCase{"EmptyPastEnd", {.offset = 9, .length = 0, .not_before = 4}, false, "no place"},
    RangeCase{"AfterHeader", {.offset = 4, .length = 1, .not_before = 4}, true, "first free byte"},
    RangeCase{"InHeader", {.offset = 3, .length = 1, .not_before = 4}, false, "header's last byte"},
    RangeCase{"SumWraps",
              {.offset = 0xfffffff0, .length = 0x20, .not_before = 0},
              false,
              "CVE-2023-25563: offset + length overflows 32 bits"},
    RangeCase{"LengthWraps",
              {.offset = 4, .length = 0xfffffffc, .not_before = 0},
              false,
              "the sum is 0 in 32 bits"},
    RangeCase{"LengthNegative",
              {.offset = 4, .length = 0x80000000, .not_before = 0},
              false,
              "CVE-2018-8789: negative as an int"},
};

class CursorRange : public ::testing::TestWithParam<RangeCase> {};

TEST_P(CursorRange, StaysInTheMessageAndOutOfItsHeader) {
  const RangeCase& c = GetParam();
  const auto message = hex("0001020304050607");
  Parse parse(message);
  Cursor cursor(parse);
  cursor.u16();
  const Bytes bytes = cursor.range(c.range);
  EXPECT_EQ(parse.ok(), c.accepted) << c.why;
  if (c.accepted) {
    EXPECT_EQ(bytes.data(), message.data() + c.range.offset);
    EXPECT_EQ(bytes.size(), c.range.length);
    EXPECT_EQ(cursor.u16(), 0x0302u) << "range does not move the cursor";
  } else {
    EXPECT_TRUE(bytes.empty());
    EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kOutOfBounds, 2}));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, CursorRange, ::testing::ValuesIn(kRanges),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace usher
