// parsers/result.h: the first fault counts, and there is no way round it to a value.
#include "parsers/result.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>

namespace usher {
namespace {

struct View {
  Bytes bytes;
};
static_assert(std::is_trivially_copyable_v<Result<View>>);

constexpr std::array<std::uint8_t, 4> kInput = {1, 2, 3, 4};

TEST(Parse, YieldsTheViewIfNothingFailed) {
  const Parse parse(kInput);
  EXPECT_TRUE(parse.ok());
  EXPECT_EQ(parse.size(), 4u);
  const Result<View> result = parse.finish(View{parse.input().subspan(1, 2)});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.fault(), ParseFault{});
  EXPECT_EQ(result->bytes.data(), &kInput[1]);
  EXPECT_EQ((*result).bytes.size(), 2u);
}

TEST(Parse, KeepsTheFirstFaultOnly) {
  Parse parse(kInput);
  parse.fail(ParseCode::kBadValue, 3);
  parse.fail(ParseCode::kTruncated, 1);
  EXPECT_FALSE(parse.ok());
  const Result<View> result = parse.finish(View{parse.input()});
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.fault(), (ParseFault{ParseCode::kBadValue, 3}));
}

TEST(Parse, RefusesWhat32BitOffsetsCannotReach) {
  // Address space without memory: nobody may touch a byte of it.
  constexpr std::size_t kSize = (std::size_t{1} << 32) + 4096;
  void* const map =
      mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(map, MAP_FAILED);
  const Bytes space(static_cast<const std::uint8_t*>(map), kSize);

  const Parse too_long(space.first(std::size_t{1} << 32));
  EXPECT_EQ(too_long.finish(0).fault(), (ParseFault{ParseCode::kBadLength, 0}));
  EXPECT_EQ(too_long.size(), 0u);
  const Parse longest(space.first(UINT32_MAX));
  EXPECT_TRUE(longest.finish(0).ok());
  EXPECT_EQ(longest.size(), UINT32_MAX);
  munmap(map, kSize);
}

#ifndef NDEBUG
TEST(ResultDeathTest, HasNoValueAfterAFault) {
  const Result<int> result = ParseFault{ParseCode::kTruncated, 0};
  EXPECT_DEATH((void)*result, "");
}
#endif

}  // namespace
}  // namespace usher
