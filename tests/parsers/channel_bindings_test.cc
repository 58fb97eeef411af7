// Promise: whatever lengths and offsets a caller's SEC_CHANNEL_BINDINGS has, no part leaves its
// buffer, and what is written can be read.
#include "parsers/channel_bindings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/hex.h"

namespace usher::channel {
namespace {

using Octets = std::vector<std::uint8_t>;

// Part is {length, offset}; Form the numbers of either header.
struct Part {
  std::uint32_t length = 0;
  std::uint32_t offset = 0;
};
struct Form {
  bool extended = false;
  std::uint32_t flags = 0;
  std::uint32_t header_length = kExtendedHeaderSize;
  std::uint32_t structure_length = 0;  // 0: the right one.
  std::uint32_t initiator_type = 0;
  Part initiator{};
  std::uint32_t acceptor_type = 0;
  Part acceptor{};
  Part application{};
  Octets data = Octets(16, 0xdd);  // Behind the header.
  Octets tail{};                   // Behind the structure.
};

Octets buffer_of(const Form& form) {
  std::vector<std::uint32_t> numbers;
  if (form.extended) {
    const auto right = static_cast<std::uint32_t>(kExtendedHeaderSize + form.data.size());
    numbers = {kExtendedMagic, form.flags, form.header_length,
               form.structure_length != 0 ? form.structure_length : right};
  }
  for (const std::uint32_t number :
       {form.initiator_type, form.initiator.length, form.initiator.offset, form.acceptor_type,
        form.acceptor.length, form.acceptor.offset, form.application.length,
        form.application.offset}) {
    numbers.push_back(number);
  }
  Octets out(4 * numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    store_le(MutableBytes(out).subspan(4 * i), numbers[i]);
  }
  out.insert(out.end(), form.data.begin(), form.data.end());
  out.insert(out.end(), form.tail.begin(), form.tail.end());
  return out;
}

ParseCode code_of(const Form& form) {
  // A copy of just the size, for ASan to watch its end.
  const Octets buffer = buffer_of(form);
  return parse_sec_channel_bindings(buffer).fault().code;
}

TEST(SecChannelBindings, TakesAllPartsOfBothForms) {
  for (const bool extended : {false, true}) {
    const std::uint32_t start = extended ? kExtendedHeaderSize : kHeaderSize;
    const Octets buffer = buffer_of({.extended = extended,
                                     .initiator_type = 2,
                                     .initiator = {4, start},
                                     .acceptor_type = 24,
                                     .acceptor = {8, start + 4},
                                     .application = {4, start + 12},
                                     .data = testing::hex("c0000201 2001000000000001 64617461")});
    const Result<SecChannelBindings> result = parse_sec_channel_bindings(buffer);
    ASSERT_TRUE(result.ok());
    EXPECT_FALSE(result->audit);
    EXPECT_EQ(result->fields.initiator_address_type, 2u);
    EXPECT_TRUE(std::ranges::equal(result->fields.initiator_address, testing::hex("c0000201")));
    EXPECT_EQ(result->fields.acceptor_address_type, 24u);
    EXPECT_TRUE(
        std::ranges::equal(result->fields.acceptor_address, testing::hex("2001000000000001")));
    EXPECT_TRUE(std::ranges::equal(result->fields.application_data, testing::hex("64617461")));
  }
}

TEST(SecChannelBindings, EmptyPartsMayPointAnywhere) {
  for (const std::uint32_t offset : {0u, 1u, 48u, 0xffffffffu}) {
    EXPECT_EQ(code_of({.initiator = {0, offset}, .application = {0, offset}}), ParseCode::kOk);
  }
  EXPECT_EQ(code_of({.data = {}}), ParseCode::kOk) << "a header alone binds to nothing";
}

// Every part, in both forms.
struct PartCase {
  const char* name;
  Part Form::*part;
};
class EveryPart : public ::testing::TestWithParam<std::tuple<bool, PartCase>> {};

TEST_P(EveryPart, StaysInsideItsBuffer) {
  const auto [extended, which] = GetParam();
  const std::uint32_t start = extended ? kExtendedHeaderSize : kHeaderSize;
  const std::uint32_t size = start + 16;
  const auto code = [&, ext = extended, part = which.part](Part value) {
    Form form{.extended = ext};
    form.*part = value;
    return code_of(form);
  };
  for (const Part good : {Part{16, start}, Part{1, start}, Part{1, size - 1}, Part{8, start + 8}}) {
    EXPECT_EQ(code(good), ParseCode::kOk) << good.length << " at " << good.offset;
  }
  for (const Part bad :
       {Part{17, start}, Part{1, size}, Part{1, start - 1}, Part{4, 0}, Part{16, start + 1},
        Part{0xffffffff, start}, Part{1, 0xffffffff}, Part{0x10, 0xfffffff0},
        Part{0xfffffff0, 0x30}, Part{0x80000000, 0x80000000}}) {
    EXPECT_EQ(code(bad), ParseCode::kOutOfBounds) << bad.length << " at " << bad.offset;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, EveryPart,
    ::testing::Combine(::testing::Bool(),
                       ::testing::Values(PartCase{"Initiator", &Form::initiator},
                                         PartCase{"Acceptor", &Form::acceptor},
                                         PartCase{"Application", &Form::application})),
    [](const auto& param_info) {
      return std::string(std::get<1>(param_info.param).name) +
             (std::get<0>(param_info.param) ? "Extended" : "Plain");
    });

TEST(SecChannelBindings, OfACutHeaderAreRefused) {
  for (const bool extended : {false, true}) {
    const Octets whole = buffer_of({.extended = extended, .data = {}});
    EXPECT_TRUE(parse_sec_channel_bindings(whole).ok());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(parse_sec_channel_bindings(cut).fault().code, ParseCode::kTruncated) << size;
    }
  }
}

TEST(SecChannelBindings, OfTheExtendedFormSayWhatTheyAre) {
  const Octets audit = buffer_of({.extended = true, .flags = kAuditFlag});
  EXPECT_TRUE(parse_sec_channel_bindings(audit)->audit);
  for (const std::uint32_t flags : {2u, 3u, 0x80000000u}) {
    EXPECT_EQ(code_of({.extended = true, .flags = flags}), ParseCode::kBadValue);
  }
  for (const std::uint32_t length : {0u, 32u, 47u, 49u, 64u, 0xffffffffu}) {
    EXPECT_EQ(code_of({.extended = true, .header_length = length}), ParseCode::kBadValue);
  }
  for (const std::uint32_t length : {1u, 47u, 65u, 0xffffffffu}) {
    EXPECT_EQ(code_of({.extended = true, .structure_length = length}), ParseCode::kBadValue);
  }
}

TEST(SecChannelBindings, EndWithTheirStructure) {
  const Octets tail(8, 0xee);
  EXPECT_EQ(code_of({.extended = true, .application = {16, 48}, .tail = tail}), ParseCode::kOk);
  EXPECT_EQ(code_of({.extended = true, .application = {17, 48}, .tail = tail}),
            ParseCode::kOutOfBounds);
  EXPECT_EQ(code_of({.application = {16, 32}, .tail = tail}), ParseCode::kOk);
}

TEST(SecChannelBindings, ThatAreWrittenCanBeRead) {
  const Octets data = testing::hex("746c732d7365727665722d656e642d706f696e743a");
  Octets room(kHeaderSize + data.size(), 0xff);
  EXPECT_EQ(write_sec_channel_bindings(data, MutableBytes(room).first(room.size() - 1)), 0u);
  EXPECT_EQ(room.front(), 0xff) << "nothing is half written";
  ASSERT_EQ(write_sec_channel_bindings(data, room), room.size());
  const Result<SecChannelBindings> read = parse_sec_channel_bindings(room);
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(std::ranges::equal(read->fields.application_data, data));
  EXPECT_TRUE(read->fields.initiator_address.empty() && read->fields.acceptor_address.empty());
  EXPECT_EQ(read->fields.initiator_address_type, 0u);
}

}  // namespace
}  // namespace usher::channel
