// parsers/sid.h: exactly one SID is a SID, and its text is that of MS-DTYP 2.4.2.1.
#include "parsers/sid.h"

#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "tests/data/pac_messages.h"
#include "tests/hex.h"

namespace usher {
namespace {

using testing::hex;
using testing::make_sid;
using testing::patched;
using Octets = std::vector<std::uint8_t>;

constexpr ParseFault kNone{};

std::string text_of(const Octets& sid) {
  std::array<std::uint8_t, kSidTextSizeMax> out{};
  const std::size_t size = write_sid_text(SidView{sid}, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

std::string text_of(const Octets& domain, std::uint32_t relative_id) {
  std::array<std::uint8_t, kSidTextSizeMax> out{};
  const std::size_t size = write_sid_text(SidView{domain}, relative_id, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

struct TextCase {
  const char* name;
  Octets sid;
  const char* text;
};

void PrintTo(const TextCase& c, std::ostream* out) { *out << c.name; }

const std::array kTexts = {
    TextCase{"Everyone", hex("010100000000000100000000"), "S-1-1-0"},
    TextCase{"LocalSystem", hex("010100000000000512000000"), "S-1-5-18"},
    TextCase{"Domain", hex("0104000000000005 15000000 59114bd0 c411a211 e655b8ee"),
             "S-1-5-21-3494580569-295834052-4005058022"},
    TextCase{"Account", hex("0105000000000005 15000000 59114bd0 c411a211 e655b8ee 4f040000"),
             "S-1-5-21-3494580569-295834052-4005058022-1103"},
    TextCase{"AuthenticationAuthority", hex("010100000000001201000000"), "S-1-18-1"},
    TextCase{"LargestSubAuthority", make_sid(0, {0xffffffff}), "S-1-0-4294967295"},
    TextCase{"LargestDecimalAuthority", make_sid(0xffffffff, {10}), "S-1-4294967295-10"},
    TextCase{"SmallestHexAuthority", make_sid(0x100000000, {9}), "S-1-0x000100000000-9"},
    TextCase{"LargestAuthority", make_sid(0xffffffffffff, {100}), "S-1-0xffffffffffff-100"},
    TextCase{"HexDigits", make_sid(0x123456789abc, {1}), "S-1-0x123456789abc-1"},
};

class SidText : public ::testing::TestWithParam<TextCase> {};

TEST_P(SidText, IsThatOfTheSpecification) {
  const TextCase& c = GetParam();
  ASSERT_EQ(parse_sid(c.sid).fault(), kNone);
  EXPECT_EQ(text_of(c.sid), c.text);
  EXPECT_EQ(text_of(c.sid, 4294967295), c.text + std::string("-4294967295"));
  EXPECT_EQ(text_of(c.sid, 0), c.text + std::string("-0"));
}

TEST_P(SidText, NeedsRoomForAllOfIt) {
  const TextCase& c = GetParam();
  const std::size_t size = std::string(c.text).size();
  Octets out(size);
  EXPECT_EQ(write_sid_text(SidView{c.sid}, out), size);
  for (std::size_t less = 0; less < size; ++less) {
    out.resize(less);
    EXPECT_EQ(write_sid_text(SidView{c.sid}, out), 0u) << less;
  }
}

TEST_P(SidText, IsOfAViewOfTheInput) {
  const TextCase& c = GetParam();
  const Result<SidView> sid = parse_sid(c.sid);
  ASSERT_TRUE(sid.ok());
  EXPECT_EQ(sid->octets.data(), c.sid.data());
  EXPECT_EQ(sid->octets.size(), c.sid.size());
  EXPECT_FALSE(sid->empty());
}

INSTANTIATE_TEST_SUITE_P(Table, SidText, ::testing::ValuesIn(kTexts),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Sid, LongestTextFitsTheConstant) {
  const Octets longest =
      make_sid(0xffffffffffff, std::vector<std::uint32_t>(SidView::kSubAuthoritiesMax, 0xffffffff));
  ASSERT_EQ(parse_sid(longest).fault(), kNone);
  ASSERT_EQ(longest.size(), std::size_t{SidView::kSizeMax});
  EXPECT_EQ(text_of(longest, 0xffffffff).size(), 4u + 14 + 16 * 11);
  EXPECT_LE(text_of(longest, 0xffffffff).size(), kSidTextSizeMax);
}

TEST(Sid, NoSidHasNoText) {
  EXPECT_TRUE(SidView{}.empty());
  EXPECT_EQ(text_of({}), "");
  EXPECT_EQ(text_of({}, 513), "");
}

TEST(Sid, EveryCountIsReadToItsEnd) {
  for (std::size_t count = 1; count <= SidView::kSubAuthoritiesMax; ++count) {
    Octets sid = make_sid(5, std::vector<std::uint32_t>(count, 7));
    const auto size = static_cast<std::uint32_t>(sid.size());
    EXPECT_EQ(parse_sid(sid).fault(), kNone) << count;
    for (std::size_t kept = 0; kept < size; ++kept) {
      EXPECT_EQ(parse_sid(Bytes(sid).first(kept)).fault().code, ParseCode::kTruncated) << kept;
    }
    sid.push_back(0);
    EXPECT_EQ(parse_sid(sid).fault(), (ParseFault{ParseCode::kTrailingBytes, size}));
  }
}

// Attack D7: the count is checked, whether or not its sub-authorities are there.
TEST(Sid, CountsOutsideTheRangeAreRefused) {
  for (unsigned count = 0; count <= 255; ++count) {
    const Octets sid = make_sid(5, std::vector<std::uint32_t>(count, 7));
    const bool good = count >= 1 && count <= 15;
    const ParseFault expected = good ? kNone : ParseFault{ParseCode::kBadValue, 1};
    EXPECT_EQ(parse_sid(sid).fault(), expected) << count;
    if (!good) {
      const Octets promised = patched(make_sid(5, {1}), 1, static_cast<std::uint8_t>(count));
      EXPECT_EQ(parse_sid(promised).fault(), expected) << count;
    }
  }
}

TEST(Sid, OtherRevisionsAreRefused) {
  for (unsigned revision = 0; revision <= 255; ++revision) {
    const Octets sid = patched(make_sid(5, {18}), 0, static_cast<std::uint8_t>(revision));
    const ParseFault expected = revision == 1 ? kNone : ParseFault{ParseCode::kBadValue, 0};
    EXPECT_EQ(parse_sid(sid).fault(), expected) << revision;
  }
}

}  // namespace
}  // namespace usher
