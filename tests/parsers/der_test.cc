// parsers/der.h: only DER is read, only DER is written, and a refusal says where.
#include "parsers/der.h"
#include "parsers/der_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "tests/hex.h"

namespace usher::der {
namespace {

using usher::testing::hex;

struct ElementCase {
  const char* name;
  const char* element;
  ParseFault fault;
  const char* why;
};

constexpr ParseFault kAccepted{};

constexpr std::array kElements = {
    ElementCase{"Empty", "", {ParseCode::kTruncated, 0}, "no identifier octet"},
    ElementCase{"TagOnly", "04", {ParseCode::kTruncated, 1}, "no length octet"},
    ElementCase{"NoContents", "04 00", kAccepted, "contents may be empty"},
    ElementCase{"OneOctet", "04 01 aa", kAccepted, "X.690 8.1.3.4"},
    ElementCase{"OneOctetMissing", "04 01", {ParseCode::kTruncated, 0}, "A1: one more than there"},
    ElementCase{"OneOctetOver", "04 01 aa bb", {ParseCode::kTrailingBytes, 3}, "A8: one left"},
    ElementCase{"Length7f", "04 7f", {ParseCode::kTruncated, 0}, "A1: longest short form"},
    ElementCase{"LengthFfff", "04 82 ffff", {ParseCode::kTruncated, 0}, "A1"},
    ElementCase{"LengthFfffffff", "04 84 ffffffff aa", {ParseCode::kTruncated, 0}, "A2: wraps"},
    ElementCase{"Length7fffffff", "04 84 7fffffff aa", {ParseCode::kTruncated, 0}, "A2: sign"},
    ElementCase{"LengthOf64Bits",
                "04 88 8000000000000000",
                {ParseCode::kBadLength, 1},
                "A2: 2^63 does not fit our offsets"},
    ElementCase{
        "LengthOf40Bits", "04 85 0100000080", {ParseCode::kBadLength, 1}, "A2: 128 modulo 2^32"},
    ElementCase{"LengthOf127Octets", "04 ff 01", {ParseCode::kBadLength, 1}, "X.690 8.1.3.5 c"},
    ElementCase{"Indefinite", "04 80 aa 0000", {ParseCode::kBadLength, 1}, "X.690 10.1"},
    ElementCase{"NonMinimal81", "04 81 05 aaaaaaaaaa", {ParseCode::kBadLength, 1}, "A13"},
    ElementCase{"NonMinimal82", "04 82 0005 aaaaaaaaaa", {ParseCode::kBadLength, 1}, "A13"},
    ElementCase{"NonMinimal84", "04 84 00000005 aaaaaaaaaa", {ParseCode::kBadLength, 1}, "A13"},
    ElementCase{"NonMinimal81Of7f", "04 81 7f", {ParseCode::kBadLength, 1}, "127 has one octet"},
    ElementCase{"NonMinimal82Of80", "04 82 0080", {ParseCode::kBadLength, 1}, "128 has two"},
    ElementCase{"LengthCutOff", "04 82 01", {ParseCode::kTruncated, 3}, "half a length"},
    ElementCase{"OtherTag", "02 01 00", {ParseCode::kUnexpectedTag, 0}, "an INTEGER"},
    ElementCase{"Constructed", "24 03 04 01 aa", {ParseCode::kUnexpectedTag, 0}, "X.690 10.2"},
    ElementCase{"LongFormTag", "1f 81 00", {ParseCode::kUnexpectedTag, 0}, "A13: X.690 8.1.2.4"},
};

class DerElement : public ::testing::TestWithParam<ElementCase> {};

TEST_P(DerElement, IsReadOrPointedAt) {
  const ElementCase& c = GetParam();
  const auto element = hex(c.element);
  Parse parse(element);
  Reader reader(parse);
  const Bytes contents = reader.bytes(Tag::kOctetString);
  reader.finish();
  EXPECT_EQ(parse.finish(0).fault(), c.fault) << c.why;
  if (c.fault == kAccepted) {
    EXPECT_EQ(contents.size() + 2, element.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, DerElement, ::testing::ValuesIn(kElements),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Der, ReadsAndWritesEveryFormOfLength) {
  for (const std::size_t size : {0x7fu, 0x80u, 0xffu, 0x100u, 0xffffu, 0x10000u}) {
    const std::vector<std::uint8_t> contents(size, 0xab);
    std::vector<std::uint8_t> out(size + 8);
    Writer writer(out);
    writer.bytes(Tag::kOctetString, contents);
    const Bytes element = writer.written();

    Parse parse(element);
    Reader reader(parse);
    EXPECT_EQ(reader.bytes(Tag::kOctetString).size(), size);
    reader.finish();
    EXPECT_TRUE(parse.ok()) << size;
    const std::size_t length_size = size < 0x80 ? 1 : size < 0x100 ? 2 : size < 0x10000 ? 3 : 4;
    EXPECT_EQ(element.size(), 1 + length_size + size);
  }
}

struct IntegerCase {
  const char* name;
  const char* element;
  bool u32_accepted;
  bool i32_accepted;
  std::int64_t value;
  const char* why;
};

constexpr std::array kIntegers = {
    IntegerCase{"Zero", "02 01 00", true, true, 0, "X.690 8.3"},
    IntegerCase{"One", "02 01 01", true, true, 1, ""},
    IntegerCase{"OneOctetMax", "02 01 7f", true, true, 127, ""},
    IntegerCase{"LeadingZeroNeeded", "02 02 0080", true, true, 128, ""},
    IntegerCase{"MinusOne", "02 01 ff", false, true, -1, "A7"},
    IntegerCase{"Minus128", "02 01 80", false, true, -128, "A12: no negative zero"},
    IntegerCase{"Minus129", "02 02 ff7f", false, true, -129, "leading ones needed"},
    IntegerCase{"I32Max", "02 04 7fffffff", true, true, 2147483647, ""},
    IntegerCase{"I32Min", "02 04 80000000", false, true, -2147483648, "A7"},
    IntegerCase{"BelowI32Min", "02 05 ff7fffffff", false, false, 0, "-2^31-1"},
    IntegerCase{"TwoTo31", "02 05 0080000000", true, false, 2147483648, "A7, C21"},
    IntegerCase{"U32Max", "02 05 00ffffffff", true, false, 4294967295, ""},
    IntegerCase{"AboveU32Max", "02 05 0100000000", false, false, 0, "2^32"},
    IntegerCase{"SixOctets", "02 06 007fffffffff", false, false, 0, "too wide"},
    IntegerCase{"NineOctets", "02 09 00ffffffffffffffff", false, false, 0, "too wide"},
    IntegerCase{"NoOctets", "02 00", false, false, 0, "A12: X.690 8.3.1"},
    IntegerCase{"TwoZeros", "02 02 0000", false, false, 0, "A12: X.690 8.3.2"},
    IntegerCase{"LeadingZero", "02 02 007f", false, false, 0, "X.690 8.3.2"},
    IntegerCase{"LeadingOnes", "02 02 ff80", false, false, 0, "X.690 8.3.2"},
};

class DerInteger : public ::testing::TestWithParam<IntegerCase> {};

TEST_P(DerInteger, IsReadInItsShortestFormAndRange) {
  const IntegerCase& c = GetParam();
  const auto element = hex(c.element);
  const auto read = [&](auto method) {
    Parse parse(element);
    Reader reader(parse);
    const auto value = (reader.*method)(Tag::kInteger);
    reader.finish();
    return parse.finish(value);
  };
  const auto u32 = read(&Reader::u32);
  const auto i32 = read(&Reader::i32);
  const auto modulo = read(&Reader::u32_modulo);

  EXPECT_EQ(u32.ok(), c.u32_accepted) << c.why;
  EXPECT_EQ(i32.ok(), c.i32_accepted) << c.why;
  EXPECT_EQ(modulo.ok(), c.u32_accepted || c.i32_accepted) << c.why;
  if (u32.ok()) {
    EXPECT_EQ(*u32, c.value);
  } else {
    EXPECT_EQ(u32.fault(), (ParseFault{ParseCode::kBadValue, 0}));
  }
  if (i32.ok()) {
    EXPECT_EQ(*i32, c.value);
  }
  if (modulo.ok()) {
    EXPECT_EQ(*modulo, static_cast<std::uint32_t>(c.value));
  }
}

TEST_P(DerInteger, IsWrittenAsItIsRead) {
  const IntegerCase& c = GetParam();
  const auto element = hex(c.element);
  std::array<std::uint8_t, 16> out{};
  if (c.u32_accepted) {
    Writer writer(out);
    writer.u32(static_cast<std::uint32_t>(c.value));
    EXPECT_TRUE(std::ranges::equal(writer.written(), element));
  }
  if (c.i32_accepted) {
    Writer writer(out);
    writer.i32(static_cast<std::int32_t>(c.value));
    EXPECT_TRUE(std::ranges::equal(writer.written(), element));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, DerInteger, ::testing::ValuesIn(kIntegers),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// SEQUENCE { [0] INTEGER 5, [2] OCTET STRING 61 62, [3] OID 2a }
constexpr const char* kNested = "30 10 a0 03 02 01 05 a2 04 04 02 6162 a3 03 06 01 2a";

TEST(DerReader, FollowsTheShapeOfTheGrammar) {
  const auto message = hex(kNested);
  Parse parse(message);
  Reader reader(parse);
  std::uint32_t number = 0;
  Bytes text;
  Bytes second_field;
  bool has_first = true;
  reader.in(Tag::kSequence, [&](Reader& body) {
    body.in(context(0), [&](Reader& field) { number = field.u32(); });
    has_first = body.maybe(context(1), [](Reader& field) { field.u32(); });
    const std::uint32_t mark = body.mark();
    EXPECT_TRUE(body.next_is(context(2)));
    body.in(context(2), [&](Reader& field) { text = field.bytes(Tag::kOctetString); });
    second_field = body.since(mark);
    EXPECT_TRUE(body.more());
    const Bytes rest = body.rest();
    EXPECT_EQ(rest.data(), &message[13]);
    EXPECT_EQ(rest.size(), 5u);
    EXPECT_FALSE(body.more());
  });
  reader.finish();
  EXPECT_TRUE(parse.ok());
  EXPECT_EQ(number, 5u);
  EXPECT_FALSE(has_first);
  EXPECT_EQ(text.data(), &message[11]);
  EXPECT_EQ(text.size(), 2u);
  EXPECT_EQ(second_field.data(), &message[7]) << "header included";
  EXPECT_EQ(second_field.size(), 6u);
}

TEST(DerReader, RunsNoBodyAndMovesNoFaultAfterTheFirst) {
  const auto message = hex(kNested);
  Parse parse(message);
  Reader reader(parse);
  int bodies = 0;
  reader.in(Tag::kSequence, [&](Reader& body) {
    body.in(context(1), [&](Reader&) { ++bodies; });
    body.in(context(0), [&](Reader&) { ++bodies; });
    body.maybe(context(0), [&](Reader&) { ++bodies; });
    body.each([&](Reader&) { ++bodies; });
    EXPECT_TRUE(body.rest().empty());
    EXPECT_TRUE(body.since(0).empty());
    EXPECT_EQ(body.u32(), 0u);
    body.require(false);
  });
  EXPECT_EQ(bodies, 0);
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kUnexpectedTag, 2}));
}

TEST(DerReader, LeavesNothingToReadAroundAFault) {
  const auto message = hex("30 0a 30 03 02 01 05 02 01 06 05 00");
  for (const int fault : {0, 1, 2, 3}) {
    Parse parse(message);
    Reader reader(parse);
    reader.in(Tag::kSequence, [&](Reader& body) {
      body.in(Tag::kSequence, [&](Reader& inner) {
        switch (fault) {
          case 0:
            inner.bytes(Tag::kOctetString);
            break;
          case 1:
            inner.require(false);
            break;
          case 2:
            inner.checked([](Bytes) { return ParseFault{ParseCode::kBadLength, 2}; });
            break;
          default:
            break;  // It is left unread.
        }
        EXPECT_EQ(inner.more(), fault == 3);
      });
      EXPECT_FALSE(body.more());
      EXPECT_FALSE(body.next_is(Tag::kInteger));
      EXPECT_TRUE(body.ahead().empty());
      EXPECT_EQ(body.u32(), 0u);
    });
    EXPECT_FALSE(reader.more());
    EXPECT_TRUE(reader.rest().empty());
    EXPECT_TRUE(Reader(parse).rest().empty()) << "nor to a new one";
    constexpr std::array kFaults = {
        ParseFault{ParseCode::kUnexpectedTag, 4}, ParseFault{ParseCode::kBadValue, 4},
        ParseFault{ParseCode::kBadLength, 6}, ParseFault{ParseCode::kTrailingBytes, 4}};
    EXPECT_EQ(parse.fault(), kFaults[static_cast<std::size_t>(fault)]) << fault;
  }
}

TEST(DerReader, KeepsEveryElementInsideItsParent) {
  // [0] says three octets, and so does the OCTET STRING inside, which has room for one.
  const auto message = hex("30 08 a0 03 04 03 aa bb cc dd");
  Parse parse(message);
  Reader reader(parse);
  reader.in(Tag::kSequence, [](Reader& body) {
    body.in(context(0), [](Reader& field) { field.bytes(Tag::kOctetString); });
    body.rest();
  });
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTruncated, 4}));

  const auto repaired = hex("30 08 a0 03 04 01 aa bb cc dd");
  Parse again(repaired);
  Reader twin(again);
  twin.in(Tag::kSequence, [](Reader& body) {
    body.in(context(0), [](Reader& field) { field.bytes(Tag::kOctetString); });
    body.rest();
  });
  EXPECT_TRUE(again.ok());
}

TEST(DerReader, RefusesWhatABodyLeavesUnread) {
  const auto message = hex("30 06 02 01 05 02 01 06");
  Parse parse(message);
  Reader reader(parse);
  reader.in(Tag::kSequence, [](Reader& body) { body.u32(); });
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kTrailingBytes, 5}));

  Parse again(message);
  Reader twin(again);
  std::uint32_t sum = 0;
  twin.in(Tag::kSequence,
          [&](Reader& body) { body.each([&](Reader& rest) { sum += rest.u32(); }); });
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(sum, 11u);
}

TEST(DerReader, TakesOnlyItsOwnTagInNextIs) {
  const auto message = hex("a1 00");
  Parse parse(message);
  const Reader reader(parse);
  EXPECT_TRUE(reader.next_is(context(1)));
  EXPECT_FALSE(reader.next_is(context(0)));
  EXPECT_FALSE(reader.next_is(application(1)));

  Parse empty(Bytes{});
  const Reader nothing(empty);
  EXPECT_FALSE(nothing.next_is(Tag(0)));
}

TEST(DerReader, StopsAtTheFirstOfManyIndefiniteLengths) {
  // A4, CVE-2020-28196: nesting costs a reader nothing that does not ask for it.
  std::vector<std::uint8_t> bomb;
  for (int i = 0; i < 10'000; ++i) {
    bomb.push_back(0x30);
    bomb.push_back(0x80);
  }
  Parse parse(bomb);
  Reader reader(parse);
  int bodies = 0;
  reader.in(Tag::kSequence, [&](Reader&) { ++bodies; });
  EXPECT_EQ(bodies, 0);
  EXPECT_EQ(parse.finish(0).fault(), (ParseFault{ParseCode::kBadLength, 1}));
}

TEST(DerReader, TakesDeepNestingAsOpaqueContents) {
  // A5, CVE-2020-10704, with definite lengths.
  std::vector<std::uint8_t> out(32 * 1024);
  Writer writer(out);
  for (int i = 0; i < 4'000; ++i) {
    writer.wrap(Tag::kSequence);
  }
  ASSERT_TRUE(writer.ok());
  Parse parse(writer.written());
  Reader reader(parse);
  const Bytes contents = reader.bytes(Tag::kSequence);
  reader.finish();
  EXPECT_TRUE(parse.ok());
  EXPECT_EQ(contents.size() + 4, writer.written().size());
}

TEST(DerWriter, BuildsAMessageFromItsEnd) {
  std::array<std::uint8_t, 64> out{};
  Writer writer(out);
  writer.in(Tag::kSequence, [](Writer& body) {
    body.in(context(3), [](Writer& field) { field.bytes(Tag::kOid, hex("2a")); });
    body.in(context(2), [](Writer& field) { field.bytes(Tag::kOctetString, hex("6162")); });
    body.in(context(0), [](Writer& field) { field.u32(5); });
  });
  const auto expected = hex(kNested);
  EXPECT_TRUE(std::ranges::equal(writer.written(), expected));
  EXPECT_EQ(writer.written().data() + expected.size(), out.data() + out.size()) << "at the end";

  writer.octets(hex("beef"));
  writer.wrap(application(14));
  EXPECT_EQ(writer.written().size(), expected.size() + 4);
  EXPECT_TRUE(std::ranges::equal(writer.written().first(4), hex("6e14 beef")));
}

TEST(DerWriter, GoesOnWhereAWriterApartHasEnded) {
  const auto expected = hex("300a 0401aa 020105 0402beef");
  for (std::size_t room = 0; room <= expected.size(); ++room) {
    std::vector<std::uint8_t> out(room);
    Writer writer(out);
    writer.bytes(Tag::kOctetString, hex("beef"));
    writer.apart([](Writer& other) {
      other.u32(5);
      other.apart([](Writer& inner) { inner.bytes(Tag::kOctetString, hex("aa")); });
    });
    writer.wrap(Tag::kSequence);
    const bool fits = room == expected.size();
    EXPECT_EQ(writer.ok(), fits) << room;
    EXPECT_TRUE(std::ranges::equal(writer.written(), fits ? Bytes(expected) : Bytes{})) << room;
  }
}

TEST(DerWriter, MovesAMessageToTheFrontOfAnyBuffer) {
  const auto expected = hex("04 04 01020304");
  for (std::size_t room = 6; room < 20; ++room) {  // Below 12 the two places overlap.
    std::vector<std::uint8_t> out(room, 0xee);
    Writer writer(out);
    writer.bytes(Tag::kOctetString, hex("01020304"));
    ASSERT_EQ(writer.move_to_front(), 6u);
    EXPECT_TRUE(std::ranges::equal(Bytes(out).first(6), expected)) << room;
  }
}

TEST(DerWriter, WritesAllOrNothing) {
  const auto write = [](Writer& writer) {
    writer.in(Tag::kSequence, [](Writer& body) {
      body.time(0);
      body.bits(0x20000000);
      body.i32(-129);
      body.u32_in(context(1), 3, Tag::kEnumerated);
      body.time_in(context(2), 0);
      body.bytes(Tag::kOctetString, std::array<std::uint8_t, 130>{});
      body.bytes_in(context(3), Tag::kOctetString, std::array<std::uint8_t, 126>{});
    });
  };
  std::vector<std::uint8_t> large(512);
  Writer roomy(large);
  write(roomy);
  const std::size_t size = roomy.written().size();
  ASSERT_GT(size, 130u);
  for (std::size_t room = 0; room < size; ++room) {
    std::vector<std::uint8_t> out(room);
    Writer writer(out);
    write(writer);
    EXPECT_FALSE(writer.ok());
    EXPECT_TRUE(writer.written().empty());
    EXPECT_EQ(writer.move_to_front(), 0u);
    writer.octets({});
    EXPECT_FALSE(writer.ok()) << "running out of room is sticky";
  }
  std::vector<std::uint8_t> exact(size);
  Writer writer(exact);
  write(writer);
  EXPECT_TRUE(std::ranges::equal(writer.written(), roomy.written()));
}

TEST(DerWriter, WritesFlagsFirstBitFirst) {
  std::array<std::uint8_t, 16> out{};
  Writer writer(out);
  writer.bits(0x20000001);  // KerberosFlags 2 and 31 (RFC 4120 5.2.8).
  EXPECT_TRUE(std::ranges::equal(writer.written(), hex("03 05 00 20000001")));
}

struct TimeCase {
  const char* name;
  const char* text;
  std::int64_t seconds;
};

constexpr std::array kTimes = {
    TimeCase{"Epoch", "19700101000000Z", 0},
    TimeCase{"BeforeEpoch", "19691231235959Z", -1},
    TimeCase{"Rfc4120Example", "19851106210627Z", 500159187},
    TimeCase{"LeapDay2000", "20000229120000Z", 951825600},
    TimeCase{"LeapDay2024", "20240229235959Z", 1709251199},
    TimeCase{"Last32Signed", "20380119031407Z", 2147483647},
    TimeCase{"After32Signed", "20380119031408Z", 2147483648},
    TimeCase{"After32Unsigned", "21060207062816Z", 4294967296},
    TimeCase{"NoLeapDay2100", "21000301000000Z", 4107542400},
    TimeCase{"NeverOfWindows", "20370913024805Z", 2136422885},
    TimeCase{"LastSecond", "99991231235959Z", 253402300799},
    TimeCase{"FirstSecond", "00000101000000Z", -62167219200},
};

class DerTimeTable : public ::testing::TestWithParam<TimeCase> {};

TEST_P(DerTimeTable, IsReadAndWritten) {
  const TimeCase& c = GetParam();
  const std::string text = c.text;
  const std::vector<std::uint8_t> contents(text.begin(), text.end());
  std::int64_t seconds = 1;
  ASSERT_TRUE(parse_time(contents, seconds));
  EXPECT_EQ(seconds, c.seconds);

  std::array<std::uint8_t, 32> out{};
  Writer writer(out);
  writer.time(c.seconds);
  Parse parse(writer.written());
  Reader reader(parse);
  EXPECT_TRUE(std::ranges::equal(reader.bytes(Tag::kGeneralizedTime), contents));
  reader.finish();
  EXPECT_TRUE(parse.ok());
}

INSTANTIATE_TEST_SUITE_P(Table, DerTimeTable, ::testing::ValuesIn(kTimes),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(DerTime, RefusesWhatIsNoCalendarSecond) {
  // A3, CVE-2009-0846. The accepted twins are in the table above.
  for (const char* const text : {"",
                                 "2024022923595Z",
                                 "20240229235959",
                                 "202402292359590Z",
                                 "20240229235959z",
                                 "20260230000000Z",
                                 "20230229000000Z",
                                 "21000229000000Z",
                                 "20240431000000Z",
                                 "20240001000000Z",
                                 "20241301000000Z",
                                 "20240100000000Z",
                                 "20240132000000Z",
                                 "20240101240000Z",
                                 "20240101006000Z",
                                 "20161231235960Z",
                                 "2024010100000 Z",
                                 "-0240101000000Z",
                                 "20240101+00000Z",
                                 "2024010100000:Z",
                                 "2024010100000/Z",
                                 "20240101000000.0Z",
                                 "240101000000Z",
                                 "20240101000000+0000"}) {
    const std::string octets = text;
    const std::vector<std::uint8_t> contents(octets.begin(), octets.end());
    std::int64_t seconds = 7;
    EXPECT_FALSE(parse_time(contents, seconds)) << text;
    EXPECT_EQ(seconds, 7) << "untouched by a refusal";
  }
}

TEST(DerTime, TakesDigitsOnlyAtEachPlace) {
  const std::string_view good = "20261127051336Z";
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int octet = 0; octet < 256; ++octet) {
      std::array<std::uint8_t, 15> text{};
      std::ranges::copy(good, text.begin());
      text[at] = static_cast<std::uint8_t>(octet);
      const bool digit = octet >= '0' && octet <= '9';
      std::int64_t seconds = 0;
      if (parse_time(text, seconds)) {
        EXPECT_TRUE(at == 14 ? octet == 'Z' : digit) << at << ' ' << octet;
      } else {
        EXPECT_NE(text[at], good[at]) << at;
      }
    }
  }
}

// Years 0 to 9999, with days and months that there are not, too.
TEST(DerTime, KnowsTheCalendar) {
  constexpr unsigned kTheClock = (13 * 60 + 59) * 60 + 7;
  for (unsigned year = 0; year < 10'000; ++year) {
    for (unsigned month = 0; month <= 13; ++month) {
      for (const unsigned day : {0u, 1u, 15u, 28u, 29u, 30u, 31u, 32u, 99u}) {
        std::array<std::uint8_t, kTimeSize> text = {0,   0,   0,   0,   0,   0,   0,  0,
                                                    '1', '3', '5', '9', '0', '7', 'Z'};
        const std::array<unsigned, 4> pairs = {year / 100, year % 100, month, day};
        for (std::size_t i = 0; i < pairs.size(); ++i) {
          text[2 * i] = static_cast<std::uint8_t>('0' + pairs[i] / 10);
          text[2 * i + 1] = static_cast<std::uint8_t>('0' + pairs[i] % 10);
        }
        const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year)),
                                               std::chrono::month(month), std::chrono::day(day));
        std::int64_t seconds = 0;
        ASSERT_EQ(parse_time(text, seconds), date.ok()) << year << ' ' << month << ' ' << day;
        if (date.ok()) {
          const std::chrono::sys_seconds midnight{std::chrono::sys_days(date)};
          ASSERT_EQ(seconds, midnight.time_since_epoch().count() + kTheClock);
        }
      }
    }
  }
}

// And every clock of three pairs of digits.
TEST(DerTime, KnowsTheClock) {
  for (unsigned clock = 0; clock < 1'000'000; ++clock) {
    const std::string digits = std::to_string(1'000'000 + clock).substr(1);
    const std::string text = "19700101" + digits + 'Z';
    const std::vector<std::uint8_t> contents(text.begin(), text.end());
    const unsigned hour = clock / 10'000;
    const unsigned minute = clock / 100 % 100;
    const unsigned second = clock % 100;
    const bool right = hour < 24 && minute < 60 && second < 60;
    ASSERT_EQ(time_of(contents), right ? (hour * 60 + minute) * 60 + second : kNoTime) << text;
  }
}

TEST(DerTime, ComesBackForEveryDayOfFourCenturies) {
  constexpr std::int64_t kDay = 24 * 60 * 60;
  std::array<std::uint8_t, 32> out{};
  for (std::int64_t day = 0; day < 146'097; ++day) {
    const std::int64_t seconds = day * kDay + day % kDay;
    Writer writer(out);
    writer.time(seconds);
    std::int64_t back = 0;
    ASSERT_TRUE(parse_time(writer.written().subspan(2), back));
    ASSERT_EQ(back, seconds);
  }
}

}  // namespace
}  // namespace usher::der
