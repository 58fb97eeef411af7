// parsers/ndr.h: headers, alignment, strings, arrays and SIDs, each with its bounds.
#include "parsers/ndr.h"

#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "tests/data/pac_messages.h"
#include "tests/hex.h"

namespace usher::ndr {
namespace {

using testing::hex;
using testing::make_sid;
using testing::PacOut;
using testing::patched;
using Octets = std::vector<std::uint8_t>;

constexpr ParseFault kNone{};

// Each function reads one thing, from a parse of its own, and says what became of it.
ParseFault headers_of(Bytes buffer) {
  Parse parse(buffer);
  Reader reader(parse);
  reader.headers();
  return parse.finish(0).fault();
}

ParseFault whole_of(Bytes buffer) {  // Headers, one word, and the end.
  Parse parse(buffer);
  Reader reader(parse);
  reader.headers();
  reader.u32();
  reader.finish();
  return parse.finish(0).fault();
}

Result<Bytes> characters_of(Bytes deferred, const UnicodeString& string) {
  Parse parse(deferred);
  Reader reader(parse);
  const Bytes characters = reader.characters(string);
  return parse.finish(characters);
}

Result<Bytes> array_of(Bytes deferred, std::uint32_t referent, std::uint32_t count,
                       std::uint32_t width = 8) {
  Parse parse(deferred);
  Reader reader(parse);
  const Bytes elements = reader.array(referent, count, width);
  return parse.finish(elements);
}

Result<SidView> sid_of(Bytes deferred, std::uint32_t referent = 1) {
  Parse parse(deferred);
  Reader reader(parse);
  const SidView sid = reader.sid(referent);
  return parse.finish(sid);
}

// Version 1, little-endian; filler; an object of 8 bytes: a referent and a word.
const Octets kObject = hex("01100800cccccccc 0800000000000000 00000200 2a000000");

TEST(NdrHeaders, AreReadOrRefused) {
  EXPECT_EQ(headers_of(kObject), kNone);
  EXPECT_EQ(headers_of(patched<std::uint8_t>(kObject, 0, 2)),  // Type serialization version 2.
            (ParseFault{ParseCode::kBadValue, 2}));
  EXPECT_EQ(headers_of(patched<std::uint8_t>(kObject, 1, 0)),  // Big-endian.
            (ParseFault{ParseCode::kBadValue, 2}));
  EXPECT_EQ(headers_of(patched<std::uint16_t>(kObject, 2, 64)),
            (ParseFault{ParseCode::kBadValue, 4}));
  EXPECT_EQ(headers_of(patched<std::uint32_t>(kObject, 16, 0)),  // A null top-level pointer.
            (ParseFault{ParseCode::kBadValue, 20}));
  for (std::size_t kept = 0; kept < 20; ++kept) {
    EXPECT_NE(headers_of(Bytes(kObject).first(kept)), kNone) << kept;
  }
}

TEST(NdrHeaders, FillersAreIgnored) {
  EXPECT_EQ(headers_of(patched<std::uint32_t>(kObject, 4, 0)), kNone);
  EXPECT_EQ(headers_of(patched<std::uint32_t>(kObject, 12, 0xcccccccc)), kNone);
}

TEST(NdrHeaders, ThePromisedLengthIsThere) {
  for (const std::uint32_t length : {9u, 16u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xffffffffu}) {
    EXPECT_EQ(headers_of(patched(kObject, 8, length)), (ParseFault{ParseCode::kOutOfBounds, 16}))
        << length;
  }
}

TEST(NdrFinish, WantsTheObjectToHoldWhatWasRead) {
  EXPECT_EQ(whole_of(kObject), kNone);
  for (std::uint32_t length = 0; length < 8; ++length) {
    EXPECT_EQ(whole_of(patched(kObject, 8, length)),
              (ParseFault{ParseCode::kOutOfBounds, 16 + length}));
  }
}

TEST(NdrFinish, TakesPaddingToAMultipleOfEightAndNothingElse) {
  Octets padded = kObject;
  for (std::size_t more = 1; more <= 24; ++more) {
    padded.push_back(0);
    EXPECT_EQ(whole_of(padded), (ParseFault{ParseCode::kTrailingBytes, 24})) << more;
  }
  Parse parse(kObject);  // The word that whole_of reads is padding if nobody reads it.
  Reader reader(parse);
  reader.headers();
  reader.finish();
  EXPECT_EQ(parse.finish(0).fault(), kNone);
}

TEST(NdrFinish, PaddingEndsAtAMultipleOfEight) {
  const Bytes short_object = Bytes(kObject).first(22);  // Two bytes after the referent.
  const Octets object = patched<std::uint32_t>({short_object.begin(), short_object.end()}, 8, 6);
  Parse parse(object);
  Reader reader(parse);
  reader.headers();
  reader.finish();
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTrailingBytes, 20}));
}

TEST(NdrReader, AlignsEveryIntegerToItsSize) {
  const Octets octets = hex("01 ee 0203 04 eeeeee 05060708 0910 eeee 1112131415161718");
  Parse parse(octets);
  Reader reader(parse);
  EXPECT_EQ(reader.octets(1).size(), 1u);
  EXPECT_EQ(reader.u16(), 0x0302);
  EXPECT_EQ(reader.octets(1)[0], 0x04);
  EXPECT_EQ(reader.u32(), 0x08070605u);
  EXPECT_EQ(reader.u16(), 0x1009);
  EXPECT_EQ(reader.block<8>().file_time(), 0x1817161514131211u);
  EXPECT_EQ(reader.at(), octets.size());
  EXPECT_EQ(parse.finish(0).fault(), kNone);
}

TEST(NdrReader, AMissingGapIsATruncation) {
  const Octets octets = hex("01ee");
  Parse parse(octets);
  Reader reader(parse);
  EXPECT_EQ(reader.octets(1).size(), 1u);
  EXPECT_EQ(reader.u32(), 0u);
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTruncated, 1}));
}

TEST(NdrReader, ABlockIsThereWholeOrNotAtAll) {
  const Octets octets = hex("01 eeeeee 0203 0405 06070809");
  for (std::size_t kept = 0; kept <= octets.size(); ++kept) {
    const Octets exact(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(kept));
    Parse parse(exact);
    Reader reader(parse);
    reader.octets(kept > 0 ? 1 : 0);
    auto block = reader.block<8>();
    const bool whole = kept == octets.size();
    EXPECT_EQ(block.u16(), whole ? 0x0302 : 0) << kept;
    EXPECT_EQ(block.octets(2).size(), whole ? 2u : 0u) << kept;
    EXPECT_EQ(block.u32(), whole ? 0x09080706u : 0u) << kept;
    const std::uint32_t at = kept == 0 ? 0 : kept < 4 ? 1 : 4;
    EXPECT_EQ(parse.finish(0).fault(), whole ? kNone : (ParseFault{ParseCode::kTruncated, at}))
        << kept;
  }
}

struct StringCase {
  const char* name;
  UnicodeString string;
  bool good;
};

void PrintTo(const StringCase& c, std::ostream* out) { *out << c.name; }

constexpr std::array kStrings = {
    StringCase{"Null", {0, 0, 0}, true},
    StringCase{"NullWithRoom", {0, 8, 0}, true},
    StringCase{"Empty", {0, 0, 1}, true},
    StringCase{"Full", {6, 6, 1}, true},
    StringCase{"WithRoom", {6, 8, 1}, true},
    StringCase{"Longest", {0xfffe, 0xfffe, 0xffffffff}, true},
    StringCase{"OddLength", {5, 8, 1}, false},
    StringCase{"OddMaximum", {6, 7, 1}, true},
    StringCase{"EmptyWithOddMaximum", {0, 1, 1}, true},
    StringCase{"LongerThanItsOddMaximum", {8, 7, 1}, false},
    StringCase{"LongerThanItsMaximum", {8, 6, 1}, false},
    StringCase{"NullWithALength", {6, 6, 0}, false},
};

class NdrString : public ::testing::TestWithParam<StringCase> {};

TEST_P(NdrString, IsCheckedWhereItStands) {
  const UnicodeString& wanted = GetParam().string;
  const Octets fixed =
      PacOut().u32(0).u16(wanted.length).u16(wanted.maximum_length).u32(wanted.referent).take();
  Parse parse(fixed);
  Reader reader(parse);
  EXPECT_EQ(reader.octets(1).size(), 1u);  // It is aligned to 4.
  const UnicodeString read = reader.block<UnicodeString::kSize>().unicode_string();
  EXPECT_EQ(read.length, wanted.length);
  EXPECT_EQ(read.maximum_length, wanted.maximum_length);
  EXPECT_EQ(read.referent, wanted.referent);
  EXPECT_EQ(parse.finish(0).fault(),
            GetParam().good ? kNone : (ParseFault{ParseCode::kBadValue, 12}));
}

INSTANTIATE_TEST_SUITE_P(Table, NdrString, ::testing::ValuesIn(kStrings),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

constexpr UnicodeString kThreeOfFour = {.length = 6, .maximum_length = 8, .referent = 1};

Octets three_characters(std::uint32_t max_count, std::uint32_t offset, std::uint32_t count) {
  return PacOut().u32(max_count).u32(offset).u32(count).octets(hex("610062006300")).take();
}

TEST(NdrCharacters, AreWhatTheStringPromised) {
  for (const std::uint32_t max_count : {3u, 4u}) {
    const Octets deferred = three_characters(max_count, 0, 3);
    const Result<Bytes> characters = characters_of(deferred, kThreeOfFour);
    ASSERT_EQ(characters.fault(), kNone);
    EXPECT_EQ(characters->data(), Bytes(deferred).subspan(12).data());
    EXPECT_EQ(characters->size(), 6u);
    for (std::size_t kept = 0; kept < deferred.size(); ++kept) {
      EXPECT_FALSE(characters_of(Bytes(deferred).first(kept), kThreeOfFour).ok()) << kept;
    }
  }
}

// Attack D7: a maximum and an actual count that do not fit each other or the fixed part.
TEST(NdrCharacters, CountsThatDisagreeAreRefused) {
  constexpr ParseFault kDisagree{ParseCode::kBadValue, 12};
  EXPECT_EQ(characters_of(three_characters(2, 0, 3), kThreeOfFour).fault(), kDisagree);
  EXPECT_EQ(characters_of(three_characters(5, 0, 3), kThreeOfFour).fault(), kDisagree);
  EXPECT_EQ(characters_of(three_characters(0xffffffff, 0, 3), kThreeOfFour).fault(), kDisagree);
  EXPECT_EQ(characters_of(three_characters(4, 1, 3), kThreeOfFour).fault(), kDisagree);
  EXPECT_EQ(characters_of(three_characters(4, 0, 2), kThreeOfFour).fault(), kDisagree);
  EXPECT_EQ(characters_of(three_characters(4, 0, 4), kThreeOfFour).fault(), kDisagree);
  EXPECT_EQ(characters_of(three_characters(4, 0, 0x80000003), kThreeOfFour).fault(), kDisagree);
}

TEST(NdrCharacters, ANullStringHasNone) {
  const Result<Bytes> characters = characters_of({}, UnicodeString{});
  ASSERT_TRUE(characters.ok());
  EXPECT_TRUE(characters->empty());
}

TEST(NdrArray, HasAsManyElementsAsPromised) {
  const Octets two = PacOut().u32(2).u64(1).u64(2).take();
  const Result<Bytes> elements = array_of(two, 1, 2);
  ASSERT_EQ(elements.fault(), kNone);
  EXPECT_EQ(elements->size(), 16u);
  EXPECT_EQ(array_of(two, 1, 1).fault(), (ParseFault{ParseCode::kBadValue, 4}));
  EXPECT_EQ(array_of(two, 1, 3).fault(), (ParseFault{ParseCode::kBadValue, 4}));
  for (std::size_t kept = 0; kept < two.size(); ++kept) {
    EXPECT_EQ(array_of(Bytes(two).first(kept), 1, 2).fault().code, ParseCode::kTruncated) << kept;
  }
}

// Attack D7: counts whose product with the element's size has no 32 bits, or hardly has.
TEST(NdrArray, ACountIsNoPromise) {
  for (const std::uint32_t count :
       {3u, 0x10000000u, 0x1fffffffu, 0x20000000u, 0x20000001u, 0x80000000u, 0xffffffffu}) {
    const Octets claimed = PacOut().u32(count).u64(1).u64(2).take();
    EXPECT_EQ(array_of(claimed, 1, count).fault(), (ParseFault{ParseCode::kTruncated, 4})) << count;
  }
}

TEST(NdrArray, ANullPointerHasNoElements) {
  EXPECT_EQ(array_of({}, 0, 0).fault(), kNone);
  EXPECT_EQ(array_of({}, 0, 1).fault(), (ParseFault{ParseCode::kBadValue, 0}));
  EXPECT_EQ(array_of({}, 0, 0x10000000).fault(), (ParseFault{ParseCode::kBadValue, 0}));
}

TEST(NdrArray, APointerMayPointToNoElements) {
  const Octets none = PacOut().u32(0).take();
  const Result<Bytes> elements = array_of(none, 1, 0);
  ASSERT_EQ(elements.fault(), kNone);
  EXPECT_TRUE(elements->empty());
  EXPECT_EQ(array_of({}, 1, 0).fault(), (ParseFault{ParseCode::kTruncated, 0}));
}

TEST(NdrSid, IsConformantAndThenASid) {
  for (std::uint32_t count = 1; count <= 15; ++count) {
    const Octets sid = make_sid(5, std::vector<std::uint32_t>(count, 9));
    const Octets deferred = PacOut().u32(count).octets(sid).take();
    const Result<SidView> read = sid_of(deferred);
    ASSERT_EQ(read.fault(), kNone);
    EXPECT_EQ(read->octets.data(), Bytes(deferred).subspan(4).data());
    EXPECT_EQ(read->octets.size(), sid.size());
    for (std::size_t kept = 0; kept < deferred.size(); ++kept) {
      EXPECT_FALSE(sid_of(Bytes(deferred).first(kept)).ok()) << kept;
    }
  }
}

// Attack D7: the two counts of a SID, and both outside the range.
TEST(NdrSid, CountsThatDisagreeAreRefused) {
  const Octets sid = make_sid(5, {1, 2, 3});
  const auto with = [&](std::uint32_t max_count) {
    return PacOut().u32(max_count).octets(sid).octets(Octets(64)).take();
  };
  EXPECT_EQ(sid_of(with(3)).fault(), kNone);
  EXPECT_EQ(sid_of(with(2)).fault(), (ParseFault{ParseCode::kBadValue, 5}));
  EXPECT_EQ(sid_of(with(4)).fault(), (ParseFault{ParseCode::kBadValue, 5}));
  for (const std::uint32_t count : {0u, 16u, 255u, 256u + 3, 0x40000000u, 0xffffffffu}) {
    EXPECT_EQ(sid_of(with(count)).fault(), (ParseFault{ParseCode::kBadValue, 4})) << count;
    const Octets both = patched(with(count), 5, static_cast<std::uint8_t>(count));
    EXPECT_EQ(sid_of(both).fault(), (ParseFault{ParseCode::kBadValue, 4})) << count;
  }
}

TEST(NdrSid, FaultsInsideCountFromTheBuffer) {
  const Octets deferred = PacOut().u32(1).octets(make_sid(5, {1})).take();
  EXPECT_EQ(sid_of(patched<std::uint8_t>(deferred, 4, 2)).fault(),  // Its revision.
            (ParseFault{ParseCode::kBadValue, 4}));
}

TEST(NdrSid, ANullPointerIsNoSid) {
  const Result<SidView> none = sid_of({}, 0);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

}  // namespace
}  // namespace usher::ndr
