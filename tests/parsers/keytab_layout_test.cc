// parsers/keytab.h: a keytab of which anything is missing, or that others would stop reading early,
// is refused at the byte that is wrong.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "parsers/keytab.h"
#include "tests/test_data.h"

namespace usher::keytab {
namespace {

using Octets = std::vector<std::uint8_t>;

// Builder makes keytabs of both versions, right unless told otherwise.
struct Builder {
  int version = 2;
  Octets file{};

  template <class T>
  void add(Octets& out, T value) const {
    Octets bytes(sizeof(T));
    version == 1 ? store_le(bytes, value) : store_be(bytes, value);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  void counted(Octets& out, const std::string& text) const {
    add(out, static_cast<std::uint16_t>(text.size()));
    out.insert(out.end(), text.begin(), text.end());
  }
  [[nodiscard]] Octets entry(const std::vector<std::string>& components = {"HTTP", "web"},
                             const std::string& realm = "R",
                             const std::string& key = "0123456789abcdef",
                             const Octets& tail = {0, 0, 0, 1}) const {
    Octets out;
    add(out, static_cast<std::uint16_t>(components.size() + (version == 1 ? 1 : 0)));
    counted(out, realm);
    for (const std::string& component : components) {
      counted(out, component);
    }
    if (version == 2) {
      add(out, std::uint32_t{1});
    }
    add(out, std::uint32_t{0});
    add(out, std::uint8_t{1});
    add(out, std::uint16_t{17});
    counted(out, key);
    out.insert(out.end(), tail.begin(), tail.end());
    return out;
  }
  Builder& begin() {
    file = {5, static_cast<std::uint8_t>(version)};
    return *this;
  }
  Builder& record(const Octets& contents) { return sized(contents.size(), contents); }
  Builder& sized(std::size_t size, const Octets& contents) {
    add(file, static_cast<std::uint32_t>(size));
    file.insert(file.end(), contents.begin(), contents.end());
    return *this;
  }
  Builder& raw(const Octets& bytes) {
    file.insert(file.end(), bytes.begin(), bytes.end());
    return *this;
  }
};

class KeytabLayout : public ::testing::TestWithParam<int> {
 protected:
  [[nodiscard]] Builder file() const { return Builder{.version = GetParam()}.begin(); }
  [[nodiscard]] Octets entry() const { return Builder{.version = GetParam()}.entry(); }
  static void expect_layout(const Builder& built, std::uint32_t entries, std::uint32_t holes) {
    const Result<Layout> layout = parse_layout(built.file);
    ASSERT_TRUE(layout.ok()) << layout.fault().offset;
    const Layout expected{.version = static_cast<std::uint8_t>(built.version),
                          .entry_count = entries,
                          .hole_count = holes};
    EXPECT_EQ(*layout, expected);
  }
  static void expect_fault(const Builder& built, ParseCode code, std::uint32_t offset) {
    const Result<Layout> layout = parse_layout(built.file);
    ASSERT_FALSE(layout.ok());
    EXPECT_EQ(layout.fault(), (ParseFault{code, offset}))
        << int(layout.fault().code) << " at " << layout.fault().offset;
  }
};

INSTANTIATE_TEST_SUITE_P(Version, KeytabLayout, ::testing::Values(1, 2),
                         [](const auto& param_info) { return std::to_string(param_info.param); });

TEST_P(KeytabLayout, CountsEntriesAndHoles) {
  expect_layout(file(), 0, 0);
  expect_layout(file().record(entry()), 1, 0);
  expect_layout(file().record(entry()).sized(-std::size_t{7}, Octets(7)).record(entry()), 2, 1);
}

TEST_P(KeytabLayout, MayEndWithZeros) {
  expect_layout(file().record(entry()).raw(Octets(4)), 1, 0);
  expect_layout(file().record(entry()).raw(Octets(100)), 1, 0);
  const auto end = static_cast<std::uint32_t>(file().record(entry()).file.size());
  expect_fault(file().record(entry()).raw({0, 0, 0, 0, 0, 1}), ParseCode::kTrailingBytes, end + 4);
  // A keytab that goes on behind a size of 0 would lose what follows.
  expect_fault(file().raw(Octets(4)).record(entry()), ParseCode::kTrailingBytes, 6);
}

TEST_P(KeytabLayout, ARecordMayBeLongerThanItsFields) {
  const Builder built{.version = GetParam()};
  for (const std::size_t size : {0u, 1u, 3u, 4u, 8u, 60u}) {
    expect_layout(
        file().record(built.entry({"HTTP", "web"}, "R", "0123456789abcdef", Octets(size))), 1, 0);
  }
}

TEST_P(KeytabLayout, OfAnySingleByteLessIsRefusedUnlessItEndsBetweenRecords) {
  const Octets one = file().record(entry()).file;
  const Octets two = file().record(entry()).record(entry()).file;
  for (std::size_t size = 0; size < two.size(); ++size) {
    const bool between = size == 2 || size == one.size();
    const Result<Layout> layout = parse_layout(Bytes(two).first(size));
    EXPECT_EQ(layout.ok(), between) << size;
    if (!layout.ok()) {
      EXPECT_LE(layout.fault().offset, size);
    }
  }
}

TEST_P(KeytabLayout, SizesThatLieAreRefused) {
  const Octets whole = entry();
  expect_fault(file().sized(whole.size() + 1, whole), ParseCode::kTruncated, 2);
  expect_fault(file().sized(0x7fffffff, whole), ParseCode::kTruncated, 2);
  expect_fault(file().sized(0x80000000, whole), ParseCode::kBadLength, 2);
  expect_fault(file().sized(0x80000001, whole), ParseCode::kTruncated, 2);
  expect_fault(file().sized(-(whole.size() + 1), whole), ParseCode::kTruncated, 2);
  expect_layout(file().sized(-whole.size(), whole), 0, 1);
}

// Each field that does not fit into its record, though the file goes on.
TEST_P(KeytabLayout, NoFieldLeavesItsRecord) {
  const Octets whole = entry();
  const std::size_t least = whole.size() - 4;  // The last four bytes may be missing.
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const Octets part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const Result<Layout> layout = parse_layout(file().record(part).record(whole).file);
    EXPECT_EQ(layout.ok(), size >= least) << size;
  }
}

TEST_P(KeytabLayout, EmptyNamesAndKeysAreRefused) {
  const Builder built{.version = GetParam()};
  expect_layout(file().record(built.entry({"a"}, "R", "k")), 1, 0);
  expect_fault(file().record(built.entry({}, "R", "k")), ParseCode::kBadValue, 6);
  expect_fault(file().record(built.entry({"a"}, "", "k")), ParseCode::kBadValue, 8);
  expect_fault(file().record(built.entry({""}, "R", "k")), ParseCode::kBadValue, 11);
  expect_fault(file().record(built.entry({"a", ""}, "R", "k")), ParseCode::kBadValue, 14);
  const std::uint32_t key_at = 14 + (GetParam() == 2 ? 4 : 0) + 4 + 1 + 2;
  expect_fault(file().record(built.entry({"a"}, "R", "")), ParseCode::kBadValue, key_at);
}

TEST_P(KeytabLayout, WhatSixteenBitsWithASignDoNotHoldIsRefused) {
  const Builder built{.version = GetParam()};
  expect_layout(file().record(built.entry({"a"}, "R", std::string(0x7fff, 'k'))), 1, 0);
  const std::uint32_t key_at = 14 + (GetParam() == 2 ? 4 : 0) + 4 + 1 + 2;
  expect_fault(file().record(built.entry({"a"}, "R", std::string(0x8000, 'k'))),
               ParseCode::kBadValue, key_at);
  expect_fault(file().record(built.entry({std::string(0x8000, 'a')}, "R", "k")),
               ParseCode::kBadValue, 11);
  Octets many = built.entry();
  many[0] = 0xff;
  many[1] = 0xff;
  expect_fault(file().record(many), ParseCode::kBadValue, 6);
}

TEST(KeytabFile, IsKnownByItsFirstTwoBytes) {
  for (const std::string text : {"", "\x05", "\x05\x03", "\x04\x02", "this is no keytab"}) {
    const Result<Layout> layout = parse_layout(Octets(text.begin(), text.end()));
    ASSERT_FALSE(layout.ok());
    EXPECT_EQ(layout.fault(), (ParseFault{ParseCode::kUnexpectedTag, 0}));
  }
  EXPECT_FALSE(parse_layout(Octets{5, 0}).ok());
  EXPECT_TRUE(parse_layout(Octets{5, 2}).ok());
}

TEST(KeytabFile, RecordedOnesAreWhole) {
  for (const auto& [name, entries] : {std::pair{"ad/web.keytab", 2u}, {"mit/sha2.keytab", 6u}}) {
    std::ifstream file(testing::test_data(name), std::ios::binary);
    const Octets contents{std::istreambuf_iterator<char>(file), {}};
    const Result<Layout> layout = parse_layout(contents);
    ASSERT_TRUE(layout.ok()) << name << layout.fault().offset;
    EXPECT_EQ(layout->entry_count, entries) << name;
  }
}

}  // namespace
}  // namespace usher::keytab
