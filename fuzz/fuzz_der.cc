// parsers/der.h: Reader and Writer are each other's inverse, and Reader walks anything safely.
#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"

namespace usher::fuzz {
namespace {

using der::Reader;
using der::Tag;
using der::Writer;

// Elements nest; walk() does so with them, but not without end.
constexpr unsigned kDepthMax = 12;

// Walk takes its next operation from a script, and starts it again when it is at its end.
struct Walk {
  Parse& parse;
  Bytes script;
  std::size_t at = 0;
  std::size_t steps_left = 4096;

  std::uint8_t next() { return script.empty() ? std::uint8_t{0} : script[at++ % script.size()]; }
};

void walk(Walk& state, Reader& reader, unsigned depth);

void step(Walk& state, Reader& reader, unsigned depth) {
  const std::uint8_t op = state.next();
  const Bytes input = state.parse.input();
  // An honest operation asks for the tag that stands there, others for what the script says.
  const Tag tag = (op & 0x80) != 0 ? Tag(state.next()) : Tag(input[reader.mark()]);
  const std::uint32_t before = reader.mark();
  switch (op & 0x07) {
    case 0:
    case 1:
    case 2:
      if (depth < kDepthMax && (std::uint8_t(tag) & 0x20) != 0) {
        return reader.in(tag, [&](Reader& inner) { walk(state, inner, depth + 1); });
      }
      check(within(reader.bytes(tag), input), "contents lie inside the message");
      check(within(reader.since(before), input), "an element lies inside the message");
      return;
    case 3:
      reader.u32(tag);
      return;
    case 4:
      reader.i32(tag);
      return;
    case 5:
      reader.u32_modulo(tag);
      return;
    case 6: {
      const bool next_is = reader.next_is(tag);
      check(reader.maybe(tag, [](Reader& inner) { inner.rest(); }) == next_is,
            "maybe tells what next_is does");
      check(next_is || reader.mark() == before, "an absent element moves nothing");
      return;
    }
    default:
      check(within(reader.rest(), input), "the rest lies inside the message");
      return;
  }
}

void walk(Walk& state, Reader& reader, unsigned depth) {
  while (reader.more() && state.steps_left > 0) {
    --state.steps_left;
    step(state, reader, depth);
  }
  reader.rest();  // Whether a script comes to the end is no property of the message.
}

void check_walk(Bytes script, Bytes message) {
  Parse parse(message);
  Reader reader(parse);
  Walk state{.parse = parse, .script = script};
  walk(state, reader, 0);

  const ParseFault fault = parse.finish(0).fault();
  check(fault.offset <= message.size(), "a fault points into the message");
  if (!parse.ok()) {
    check(!reader.more(), "after a fault there is nothing more to read");
    check(reader.bytes(Tag::kOctetString).empty(), "after a fault reads are empty");
    reader.require(false);
    reader.finish();
    check(parse.finish(0).fault() == fault, "the first fault stays");
  }
}

// read_one returns what `read` makes of a message that must be one element.
template <class Read>
auto read_one(Bytes message, Read read) {
  Parse parse(message);
  Reader reader(parse);
  const auto value = read(reader);
  reader.finish();
  return parse.finish(value);
}

// written_is says whether `write` fills exactly as much room as `expected` needs, with `expected`,
// and nothing at all if there is one octet less.
template <class Write>
bool written_is(Bytes expected, Write write) {
  std::vector<std::uint8_t> out(expected.size());
  Writer writer(out);
  write(writer);
  const bool equal = writer.ok() && std::ranges::equal(writer.written(), expected);

  std::vector<std::uint8_t> short_out(expected.size() - 1);
  Writer short_writer(short_out);
  write(short_writer);
  return equal && !short_writer.ok() && short_writer.written().empty() &&
         short_writer.move_to_front() == 0;
}

// check_same has the front of a message read in two ways, by functions that return octets or
// numbers: what they make of it and where they stop are the same, or it is wrong for both. What is
// wrong first may depend: of a number, the number itself or what stands behind it.
template <class OneWay, class OtherWay>
void check_same(Bytes message, OneWay one_way, OtherWay other_way, const char* what) {
  Parse one(message);
  Parse other(message);
  Reader one_reader(one);
  Reader other_reader(other);
  const auto read = one_way(one_reader);
  const auto also = other_way(other_reader);
  check(one.ok() == other.ok(), what);
  if (one.ok()) {
    check(one_reader.mark() == other_reader.mark() && std::ranges::equal(read, also), what);
  }
}

// check_shortcuts: what takes the usual forms of elements in one step does as the general way does.
void check_shortcuts(Bytes message) {
  if (message.empty()) {
    return;
  }
  const Tag outer = Tag(message[0]);
  const auto whole = [outer](Reader& r) { return r.bytes(outer); };
  Parse parse(message);
  Reader reader(parse);
  const Bytes contents = whole(reader);
  const Tag tag = contents.empty() ? Tag::kOctetString : Tag(contents[0]);
  check_same(
      message, [&](Reader& r) { return r.large(outer); }, whole, "large reads what bytes does");

  const auto in_two_steps = [&](Reader& r) {
    Bytes value;
    r.in(outer, [&](Reader& inner) { value = inner.bytes(tag); });
    return value;
  };
  check_same(
      message, [&](Reader& r) { return r.bytes_in(outer, tag); }, in_two_steps,
      "bytes_in reads what in and bytes do");
  check_same(
      message, [&](Reader& r) { return r.large_in(outer, tag); }, in_two_steps,
      "large_in reads what in and bytes do");
  check_same(
      message, [&](Reader& r) { return r.sized_in<der::kTimeSize>(outer, tag); }, in_two_steps,
      "sized_in reads what in and bytes do");

  const auto number = [](std::int64_t value) { return std::array{value}; };
  check_same(
      message, [&](Reader& r) { return number(r.i32_in(outer)); },
      [&](Reader& r) {
        std::int32_t value = 0;
        r.in(outer, [&](Reader& inner) { value = inner.i32(); });
        return number(value);
      },
      "i32_in reads what in and i32 do");
  check_same(
      message, [&](Reader& r) { return number(r.u32_in(outer)); },
      [&](Reader& r) {
        std::uint32_t value = 0;
        r.in(outer, [&](Reader& inner) { value = inner.u32(); });
        return number(value);
      },
      "u32_in reads what in and u32 do");
}

// check_numbered: likewise for a number and what it says of an element of `tag`, in a SEQUENCE
// alone in what the message begins with.
template <std::uint32_t kOctets>
void check_numbered(Bytes message, Tag tag) {
  if (message.empty()) {
    return;
  }
  const Tag outer = Tag(message[0]);
  const auto facts = [&](std::int32_t number, Bytes value) {
    return std::array<std::int64_t, 3>{number, value.empty() ? 0 : value.data() - message.data(),
                                       static_cast<std::int64_t>(value.size())};
  };
  check_same(
      message,
      [&](Reader& r) {
        std::int32_t type = 0;
        Bytes value;
        r.numbered_in<kOctets>(outer, tag, type, [&](Reader& v) { value = v.rest(); });
        return facts(type, value);
      },
      [&](Reader& r) {
        std::int32_t type = 0;
        Bytes value;
        r.in(outer, Tag::kSequence, [&](Reader& fields) {
          type = fields.i32_in(der::context(0));
          fields.in(der::context(1), tag, [&](Reader& v) { value = v.rest(); });
        });
        return facts(type, value);
      },
      "numbered_in reads what its fields do");
}

// check_field looks at an element alone in one of `outer`: in one step it is read and written as in
// two.
void check_field(Tag outer, Bytes inner, Bytes message) {
  if (inner.empty()) {
    return;
  }
  const Tag tag = Tag(inner[0]);
  const auto one = read_one(message, [&](Reader& r) { return r.bytes_in(outer, tag); });
  const auto two = read_one(inner, [&](Reader& r) { return r.bytes(tag); });
  check(one.ok() == two.ok(), "bytes_in reads what in and bytes do");
  if (!one.ok()) {
    return;
  }
  check(one->data() == two->data() && one->size() == two->size(), "they read the same");
  check(written_is(message, [&](Writer& w) { w.bytes_in(outer, tag, *one); }),
        "bytes_in has one encoding");
  const auto number = read_one(message, [&](Reader& r) { return r.u32_in(outer); });
  if (tag == Tag::kInteger && number.ok()) {
    check(written_is(message, [&](Writer& w) { w.u32_in(outer, *number); }),
          "an INTEGER has one encoding");
  }
}

void check_element(Bytes message) {
  if (message.empty()) {
    return;
  }
  const Tag tag = Tag(message[0]);
  const auto bytes = read_one(message, [&](Reader& r) { return r.bytes(tag); });
  if (!bytes.ok()) {
    return;
  }
  check(written_is(message, [&](Writer& w) { w.bytes(tag, *bytes); }), "DER has one encoding");
  check(written_is(message, [&](Writer& w) { w.in(tag, [&](Writer& b) { b.octets(*bytes); }); }),
        "in writes what bytes writes");
  check_field(tag, *bytes, message);
  const Bytes shorter = message.first(message.size() - 1);
  check(!read_one(shorter, [&](Reader& r) { return r.bytes(tag); }).ok(), "every byte counts");

  const auto modulo = read_one(message, [&](Reader& r) { return r.u32_modulo(tag); });
  const auto u32 = read_one(message, [&](Reader& r) { return r.u32(tag); });
  const auto i32 = read_one(message, [&](Reader& r) { return r.i32(tag); });
  check(modulo.ok() == (u32.ok() || i32.ok()), "u32_modulo reads what u32 or i32 does");
  if (u32.ok()) {
    check(*u32 == *modulo, "u32 and u32_modulo agree");
    check(tag != Tag::kInteger || written_is(message, [&](Writer& w) { w.u32(*u32); }),
          "an INTEGER has one encoding");
  }
  if (i32.ok()) {
    check(static_cast<std::uint32_t>(*i32) == *modulo, "i32 and u32_modulo agree");
  }
  if (i32.ok() && tag == Tag::kInteger) {
    check(written_is(message, [&](Writer& w) { w.i32(*i32); }), "an INTEGER has one encoding");
  }
}

void check_time(Bytes message) {
  std::int64_t seconds = 0;
  if (der::parse_time(message, seconds)) {
    std::array<std::uint8_t, 32> expected{};
    Writer contents(expected);
    contents.bytes(Tag::kGeneralizedTime, message);
    check(written_is(contents.written(), [&](Writer& w) { w.time(seconds); }),
          "a second has one spelling");
  }
}

// What is written comes back, whatever the numbers.
void check_numbers(Bytes message) {
  if (message.size() < sizeof(std::uint64_t)) {
    return;
  }
  const auto number = load_le<std::uint64_t>(message);
  const auto u32 = static_cast<std::uint32_t>(number);
  const auto i32 = static_cast<std::int32_t>(u32);
  constexpr std::uint64_t kSecondsOfAllYears = 315'569'520'000;  // Years 0 to 9999.
  const std::int64_t seconds =
      static_cast<std::int64_t>(number % kSecondsOfAllYears) - 62'167'219'200;

  std::array<std::uint8_t, 64> out{};
  Writer writer(out);
  writer.time(seconds);
  writer.bits(u32);
  writer.i32(i32);
  writer.u32(u32);
  const Bytes sequence = Bytes(out).first(writer.move_to_front());

  Parse parse(sequence);
  Reader reader(parse);
  std::int64_t read_seconds = 0;
  check(reader.u32() == u32, "a u32 comes back");
  check(reader.i32() == i32, "an i32 comes back");
  const Bytes bits = reader.bytes(Tag::kBitString);
  check(bits.size() == 5 && bits[0] == 0 && load_be<std::uint32_t>(bits.subspan(1)) == u32,
        "32 flags come back, first bit first");
  check(der::parse_time(reader.bytes(Tag::kGeneralizedTime), read_seconds), "a time is a time");
  check(read_seconds == seconds, "a time comes back");
  reader.finish();
  check(parse.ok(), "nothing else was written");
}

}  // namespace

// The input is the size of a script, the script, and the message it walks through.
void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const std::size_t script_size = std::min<std::size_t>(input[0], input.size() - 1);
  const Bytes message = input.subspan(1 + script_size);
  check_walk(input.subspan(1, script_size), message);
  check_element(message);
  check_shortcuts(message);
  for (const Tag tag : {Tag::kOctetString, Tag::kSequence}) {
    check_numbered<1>(message, tag);
    check_numbered<3>(message, tag);
  }
  check_time(message);
  check_numbers(message);
}

}  // namespace usher::fuzz
