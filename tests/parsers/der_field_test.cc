// parsers/der.h: an element alone in another is read in one step as it is in two.
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "tests/hex.h"

namespace usher::der {
namespace {

using usher::testing::hex;

// What bytes_in and u32_in do in one step is what `in` does in two, whatever stands there.
TEST(DerReader, ReadsAFieldAsInDoes) {
  std::string long_number = "a0 81 83 02 81 80";
  for (int i = 0; i < 128; ++i) {
    long_number += "01";
  }
  for (const char* text : {long_number.c_str(),
                           "a0 03 02 01 05",
                           "a0 03 02 01 05 0500",
                           "a0 05 02 03 01e240",
                           "a0 04 02 02 00ff",
                           "a0 04 02 01 05 06",
                           "a0 02 02 01 05",
                           "a0 03 02 02 05 06",
                           "a0 03 02 01",
                           "a0 03 02",
                           "a0 03",
                           "a0",
                           "",
                           "a0 00",
                           "a0 01 02",
                           "a0 03 04 01 05",
                           "a1 03 02 01 05",
                           "a0 02 02 00",
                           "a0 03 02 01 80",
                           "a0 80 02 01 05 0000",
                           "a0 81 03 02 01 05",
                           "a0 04 02 81 01 05",
                           "a0 7f 02 01 05",
                           "a0 ff",
                           "a0 03 02 80 05"}) {
    const auto message = hex(text);
    Parse one(message);
    Reader reader(one);
    const Bytes contents = reader.bytes_in(der::context(0), Tag::kInteger);
    Parse two(message);
    Reader twin(two);
    Bytes expected;
    twin.in(der::context(0), [&](Reader& field) { expected = field.bytes(Tag::kInteger); });
    EXPECT_EQ(one.finish(0).fault(), two.finish(0).fault()) << text;
    if (two.ok()) {
      EXPECT_EQ(contents.data(), expected.data()) << text;
      EXPECT_EQ(contents.size(), expected.size()) << text;
      EXPECT_EQ(reader.mark(), twin.mark()) << text;
    } else {
      EXPECT_TRUE(contents.empty()) << text;
    }

    Parse three(message);
    Reader number(three);
    const std::uint32_t value = number.u32_in(der::context(0));
    Parse four(message);
    Reader number_twin(four);
    std::uint32_t expected_value = 0;
    number_twin.in(der::context(0), [&](Reader& field) { expected_value = field.u32(); });
    EXPECT_EQ(three.finish(0).fault(), four.finish(0).fault()) << text;
    EXPECT_EQ(value, four.ok() ? expected_value : 0u) << text;
  }
}

// pair_of is [0] around an OCTET STRING of `size`.
std::vector<std::uint8_t> pair_of(std::size_t size) {
  const std::vector<std::uint8_t> contents(size, 0x55);
  std::vector<std::uint8_t> room(size + 16);
  Writer writer(room);
  writer.in(der::context(0), [&](Writer& field) { field.bytes(Tag::kOctetString, contents); });
  return {writer.written().begin(), writer.written().end()};
}

// expect_same_pair reads `message` in one step and in two.
void expect_same_pair(Bytes message, bool is_right) {
  Parse one(message);
  Reader reader(one);
  const Bytes contents = reader.bytes_in(der::context(0), Tag::kOctetString);
  Parse two(message);
  Reader twin(two);
  Bytes expected;
  twin.in(der::context(0), [&](Reader& field) { expected = field.bytes(Tag::kOctetString); });
  Parse three(message);
  Reader third(three);
  Bytes inside;
  third.in(der::context(0), Tag::kOctetString, [&](Reader& body) { inside = body.rest(); });
  Parse four(message);
  Reader fourth(four);
  const Bytes large = fourth.large_in(der::context(0), Tag::kOctetString);
  EXPECT_EQ(one.finish(0).fault(), two.finish(0).fault());
  EXPECT_EQ(three.finish(0).fault(), two.finish(0).fault());
  EXPECT_EQ(four.finish(0).fault(), two.finish(0).fault());
  EXPECT_EQ(large.data(), contents.data());
  EXPECT_EQ(large.size(), contents.size());
  EXPECT_EQ(fourth.mark(), reader.mark());
  ASSERT_EQ(two.ok(), is_right);
  if (is_right) {
    EXPECT_EQ(contents.data(), expected.data());
    EXPECT_EQ(contents.size(), expected.size());
    EXPECT_EQ(inside.data(), expected.data());
    EXPECT_EQ(inside.size(), expected.size());
    EXPECT_EQ(reader.mark(), twin.mark());
    EXPECT_EQ(third.mark(), twin.mark());
  }
}

// Where lengths get another form, and some that are in between.
std::vector<std::size_t> telling_sizes() {
  std::vector<std::size_t> sizes(700);
  std::iota(sizes.begin(), sizes.end(), 0);
  for (std::size_t size = 0xfff0; size <= 0x10010; ++size) {
    sizes.push_back(size);
  }
  return sizes;
}

// Headers of one, two, three and four octets, and where one form ends for either of two.
TEST(DerReader, ReadsAFieldOfAnySizeAsInDoes) {
  for (const std::size_t size : telling_sizes()) {
    SCOPED_TRACE(size);
    std::vector<std::uint8_t> message = pair_of(size);
    expect_same_pair(message, true);
    expect_same_pair(std::span(message).first(message.size() - 1), false);
    message.push_back(0);  // Behind the element: the next one's business.
    expect_same_pair(message, true);
    // A length that is one too large or too small, of the outer or the inner element.
    const std::size_t outer_last = message[1] < 0x80 ? 1 : 1 + (message[1] & 0x7fu);
    const std::size_t inner_last =
        outer_last + 2 + (message[outer_last + 2] < 0x80 ? 0 : message[outer_last + 2] & 0x7fu);
    for (const std::size_t at : {outer_last, inner_last}) {
      for (const int change : {-1, 1}) {
        std::vector<std::uint8_t> wrong = message;
        wrong[at] = static_cast<std::uint8_t>(wrong[at] + change);
        expect_same_pair(wrong, false);
      }
    }
  }
}

// large reads what bytes does, also where a header is wrong.
TEST(DerReader, ReadsLargeElementsAsOthers) {
  const auto expect_same = [](Bytes message) {
    Parse one(message);
    Reader reader(one);
    const Bytes contents = reader.large(Tag::kOctetString);
    Parse two(message);
    Reader twin(two);
    const Bytes expected = twin.bytes(Tag::kOctetString);
    EXPECT_EQ(one.fault(), two.fault());
    EXPECT_EQ(contents.data(), expected.data());
    EXPECT_EQ(contents.size(), expected.size());
    EXPECT_EQ(reader.mark(), twin.mark());
  };
  for (const std::size_t size : telling_sizes()) {
    SCOPED_TRACE(size);
    const std::vector<std::uint8_t> contents(size, 0x55);
    std::vector<std::uint8_t> room(size + 9, 0x55);  // One octet more than there is.
    Writer writer(MutableBytes(room).first(size + 8));
    writer.bytes(Tag::kOctetString, contents);
    const std::size_t begin = size + 8 - writer.written().size();
    const MutableBytes element = MutableBytes(room).subspan(begin);
    expect_same(element);
    expect_same(element.first(element.size() - 1));
    expect_same(element.first(element.size() - 2));
    for (std::size_t at = 0; at < 6 && at < element.size(); ++at) {
      for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
        element[at] ^= static_cast<std::uint8_t>(bit);
        expect_same(element);
        element[at] ^= static_cast<std::uint8_t>(bit);
      }
    }
  }
}

// Numbered is what numbered_in reads, in one step or in two, and what the reader did with it.
struct Numbered {
  std::int32_t number = 7;
  Bytes contents;
  ParseFault fault;
  std::uint32_t mark = 0;
  bool more = false;
  bool is_read = false;
};
template <class Read>
Numbered read_by(Bytes message, Read read) {
  Numbered numbered;
  Parse parse(message);
  Reader reader(parse);
  read(reader, numbered);
  numbered.mark = reader.mark();
  numbered.more = reader.more();
  numbered.fault = parse.fault();
  return numbered;
}
template <std::uint32_t kOctets>
Numbered numbered_at_once(Bytes message) {
  return read_by(message, [](Reader& reader, Numbered& read) {
    reader.numbered_in<kOctets>(context(3), Tag::kOctetString, read.number, [&](Reader& body) {
      read.is_read = true;
      read.contents = body.rest();
    });
  });
}
Numbered numbered_in_steps(Bytes message) {
  return read_by(message, [](Reader& reader, Numbered& read) {
    reader.in(context(3), Tag::kSequence, [&](Reader& parts) {
      read.number = parts.i32_in(context(0));
      parts.in(context(1), Tag::kOctetString, [&](Reader& body) {
        read.is_read = true;
        read.contents = body.rest();
      });
    });
  });
}
template <std::uint32_t kOctets>
void expect_same_numbered_by(Bytes message) {
  SCOPED_TRACE(kOctets);
  const Numbered one = numbered_at_once<kOctets>(message);
  const Numbered two = numbered_in_steps(message);
  EXPECT_EQ(one.fault, two.fault);
  EXPECT_EQ(one.is_read, two.is_read);
  if (two.fault.code == ParseCode::kOk) {
    EXPECT_EQ(one.number, two.number);
    EXPECT_EQ(one.contents.data(), two.contents.data());
    EXPECT_EQ(one.contents.size(), two.contents.size());
    EXPECT_EQ(one.mark, two.mark);
  } else {
    EXPECT_FALSE(one.more) << "what is behind a fault is not read";
    EXPECT_FALSE(two.more);
  }
}

void expect_same_numbered(Bytes message) {
  expect_same_numbered_by<1>(message);
  expect_same_numbered_by<2>(message);
  expect_same_numbered_by<3>(message);
  expect_same_numbered_by<4>(message);
}

TEST(DerReader, ReadsANumberedFieldAsInDoes) {
  for (const std::int32_t number : {0, 1, 127, 128, -1, -129, 0x8003, 0x7fffffff}) {
    for (const std::size_t size :
         {0u, 1u, 2u, 32u, 113u, 114u, 115u, 116u, 117u, 118u, 127u, 128u, 300u}) {
      SCOPED_TRACE(size);
      const std::vector<std::uint8_t> contents(size, 0x55);
      std::vector<std::uint8_t> room(size + 32);
      Writer writer(room);
      writer.octets(hex("05 00"));  // Behind the element: the next one's business.
      writer.in(context(3), Tag::kSequence, [&](Writer& parts) {
        parts.bytes_in(context(1), Tag::kOctetString, contents);
        parts.i32_in(context(0), number);
      });
      std::vector<std::uint8_t> message(writer.written().begin(), writer.written().end());
      EXPECT_EQ(numbered_at_once<1>(message).number, number);
      EXPECT_EQ(numbered_at_once<3>(message).contents.size(), size);
      expect_same_numbered(message);
      for (std::size_t kept = 0; kept < message.size(); ++kept) {
        expect_same_numbered(Bytes(message).first(kept));
      }
      for (std::size_t at = 0; at < message.size() && at < 24; ++at) {
        for (int octet = 0; octet < 256; ++octet) {
          std::vector<std::uint8_t> wrong = message;
          wrong[at] = static_cast<std::uint8_t>(octet);
          expect_same_numbered(wrong);
        }
      }
    }
  }
}

// A number in a field is read at once as it is in two steps, whatever its size and what follows.
template <class Number, class InOneStep, class InTwo>
void expect_same_number(Bytes message, InOneStep in_one_step, InTwo in_two) {
  Parse one(message);
  Reader reader(one);
  const Number number = in_one_step(reader);
  Parse two(message);
  Reader twin(two);
  Number expected = 0;
  twin.in(context(7), [&](Reader& field) { expected = in_two(field); });
  // What is wrong with the two headers comes first, also what is behind the number.
  Parse three(message);
  Reader(three).bytes_in(context(7), Tag::kInteger);
  EXPECT_EQ(one.fault(), three.ok() ? two.fault() : three.fault());
  EXPECT_EQ(reader.more(), twin.more());
  if (two.ok()) {
    EXPECT_EQ(number, expected);
    EXPECT_EQ(reader.mark(), twin.mark());
  }
}

TEST(DerReader, ReadsANumberInAFieldAsInDoes) {
  for (const std::string contents :
       {"",           "00",         "7f",         "80",         "ff",          "0080",
        "007f",       "ff80",       "ff7f",       "8000",       "1234",        "008000",
        "007fff",     "ff8000",     "ff7fff",     "123456",     "00800000",    "007fffff",
        "ff800000",   "ff7fffff",   "12345678",   "80000000",   "0080000000",  "007fffffff",
        "00ffffffff", "0100000000", "ff7fffffff", "ff80000000", "000080000000"}) {
    for (const std::string behind : {"", "05", "0500", "05000500", "0500050005000500"}) {
      const auto value = hex(contents);
      const auto size = static_cast<std::uint8_t>(value.size());
      std::vector<std::uint8_t> message = {0xa7, static_cast<std::uint8_t>(2 + size), 0x02, size};
      message.insert(message.end(), value.begin(), value.end());
      const auto rest = hex(behind);
      message.insert(message.end(), rest.begin(), rest.end());
      for (std::size_t at = 0; at < message.size() && at < 10; ++at) {
        const std::uint8_t right = message[at];
        for (int octet = 0; octet < 256; ++octet) {
          SCOPED_TRACE(contents + ' ' + behind + " at " + std::to_string(at));
          message[at] = static_cast<std::uint8_t>(octet);
          expect_same_number<std::uint32_t>(
              message, [](Reader& reader) { return reader.u32_in(context(7)); },
              [](Reader& field) { return field.u32(); });
          expect_same_number<std::int32_t>(
              message, [](Reader& reader) { return reader.i32_in(context(7)); },
              [](Reader& field) { return field.i32(); });
          expect_same_number<std::uint32_t>(
              message, [](Reader& reader) { return reader.u32_modulo_in(context(7)); },
              [](Reader& field) { return field.u32_modulo(); });
        }
        message[at] = right;
      }
    }
  }
}

TEST(DerReader, PassesOverTheseOctetsAndNoOthers) {
  constexpr std::array<std::uint8_t, 5> kFive = {0xa0, 3, 2, 1, 5};
  struct PassCase {
    const char* text;
    bool passes;
  };
  for (const PassCase& c :
       {PassCase{"a003020105", true}, PassCase{"a003020105a1", true}, PassCase{"a003020104", false},
        PassCase{"a103020105", false}, PassCase{"a0030201", false}, PassCase{"", false}}) {
    const std::vector<std::uint8_t> octets = hex(c.text);
    Parse parse(octets);
    Reader reader(parse);
    EXPECT_EQ(reader.passes(kFive), c.passes) << c.text;
    EXPECT_EQ(reader.rest().size(), octets.size() - (c.passes ? kFive.size() : 0)) << c.text;
    EXPECT_TRUE(parse.ok()) << c.text;
  }
}

TEST(DerTag, TellsShortElementsFromOthers) {
  EXPECT_TRUE(are_short<0>({}, Tag::kOid, 0));
  EXPECT_TRUE(are_short<0>(hex("0600 060101"), Tag::kOid, 2));
  EXPECT_FALSE(are_short<1>(hex("0600 060101"), Tag::kOid, 2)) << "one is empty";
  EXPECT_TRUE(are_short<1>(hex("060102 060101"), Tag::kOid, 2));
  EXPECT_FALSE(are_short<1>(hex("060102 060101"), Tag::kOid, 1)) << "too many";
  EXPECT_FALSE(are_short<1>(hex("060102 040101"), Tag::kOid, 2)) << "another tag";
  EXPECT_FALSE(are_short<1>(hex("060102 06"), Tag::kOid, 2)) << "half a header";
  EXPECT_FALSE(are_short<1>(hex("060102 060201"), Tag::kOid, 2)) << "cut off";
  EXPECT_FALSE(are_short<1>(hex("06810102"), Tag::kOid, 2)) << "a length of two octets";
  std::vector<std::uint8_t> longest(2 + 128, 0x2a);
  longest[0] = 0x06;
  longest[1] = 128;
  EXPECT_FALSE(are_short<1>(longest, Tag::kOid, 1)) << "a length that is none";
  longest.pop_back();
  longest[1] = 127;
  EXPECT_TRUE(are_short<1>(longest, Tag::kOid, 1));
}

// written is what `write` makes of a Writer.
template <class Write>
std::vector<std::uint8_t> written(Write write) {
  std::vector<std::uint8_t> out(std::size_t{1} << 17);
  Writer writer(out);
  write(writer);
  EXPECT_TRUE(writer.ok());
  const Bytes message = writer.written();
  return {message.begin(), message.end()};
}

// Likewise a Writer's, at every size where a length gets another form.
TEST(DerWriter, WritesAFieldAsInDoes) {
  for (const std::size_t size :
       {0u,   1u,   123u, 124u, 125u,    126u,    127u,    128u,    129u,    252u,    253u,
        254u, 255u, 256u, 257u, 65'531u, 65'532u, 65'535u, 65'536u, 65'537u, 100'000u}) {
    const std::vector<std::uint8_t> contents(size, 0x5a);
    const auto nested = written([&](Writer& writer) {
      writer.in(context(4), [&](Writer& field) { field.bytes(Tag::kOctetString, contents); });
    });
    EXPECT_EQ(nested, written([&](Writer& writer) {
                writer.bytes_in(context(4), Tag::kOctetString, contents);
              }))
        << size;
    EXPECT_EQ(nested, written([&](Writer& writer) {
                writer.in(context(4), Tag::kOctetString,
                          [&](Writer& field) { field.octets(contents); });
              }))
        << size;
    Parse parse(nested);
    Reader reader(parse);
    EXPECT_EQ(reader.bytes_in(context(4), Tag::kOctetString).size(), size);
    reader.finish();
    EXPECT_TRUE(parse.ok()) << size;
  }
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{127}, std::int64_t{128}, std::int64_t{-129},
        std::int64_t{65'536}, std::int64_t{2'147'483'647}, std::int64_t{-2'147'483'648}}) {
    const auto number = static_cast<std::int32_t>(value);
    EXPECT_EQ(written([&](Writer& writer) {
                writer.in(context(2), [&](Writer& field) { field.i32(number); });
              }),
              written([&](Writer& writer) { writer.i32_in(context(2), number); }))
        << value;
  }
  EXPECT_EQ(written([](Writer& writer) { writer.u32_in(context(0), 0xffffffff); }),
            hex("a0 07 02 05 00ffffffff"));
}

}  // namespace
}  // namespace usher::der
