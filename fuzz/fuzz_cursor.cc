// parsers/cursor.h: every read agrees with a model that does its arithmetic in 64 bits.
#include <algorithm>

#include "fuzz/fuzz_target.h"
#include "parsers/cursor.h"

namespace usher::fuzz {
namespace {

// Model is what a Cursor should do, written the obvious way.
struct Model {
  Bytes message;
  std::uint64_t at = 0;
  ParseFault fault;

  void fail(ParseCode code) {
    if (fault.code == ParseCode::kOk) {
      fault = {code, static_cast<std::uint32_t>(at)};
    }
  }

  Bytes take(std::uint64_t count) {
    if (at + count > message.size()) {
      fail(ParseCode::kTruncated);
    }
    if (fault.code != ParseCode::kOk) {
      return {};
    }
    const Bytes taken = message.subspan(at, count);
    at += count;
    return taken;
  }

  Bytes place(const Cursor::Range& range) {
    const std::uint64_t end = std::uint64_t{range.offset} + range.length;
    if (range.offset < range.not_before || end > message.size()) {
      fail(ParseCode::kOutOfBounds);
    }
    return fault.code == ParseCode::kOk ? message.subspan(range.offset, range.length) : Bytes{};
  }

  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t octet : take(size)) {
      value = value >> 8 | std::uint64_t{octet} << 56;
    }
    return value >> (64 - 8 * size);
  }
};

bool same(Bytes a, Bytes b) { return a.size() == b.size() && (a.empty() || a.data() == b.data()); }

// Takes one operation and its argument from `op` and `argument`.
void step(Cursor& cursor, Model& model, std::uint8_t op, std::uint32_t argument) {
  constexpr const char* kInteger = "an integer is its octets, lowest first";
  constexpr const char* kView = "a view is where it should be, or empty after a fault";
  const Cursor::Range range = {
      .offset = argument, .length = argument >> 16, .not_before = op & 0x0fu};
  switch (op >> 5) {
    case 0:
      return check(cursor.u16() == model.integer(2), kInteger);
    case 1:
      return check(cursor.u32() == model.integer(4), kInteger);
    case 2:
      return check(cursor.u64() == model.integer(8), kInteger);
    case 3:
      return check(same(cursor.bytes(argument & 0xff), model.take(argument & 0xff)), kView);
    case 4:
      return check(same(cursor.bytes(argument), model.take(argument)), kView);
    case 5:
      return check(same(cursor.range(range), model.place(range)), kView);
    case 6: {
      const Cursor::Range near = {
          .offset = argument & 0xff, .length = argument >> 8 & 0xff, .not_before = op & 0x0fu};
      return check(same(cursor.range(near), model.place(near)), kView);
    }
    default:
      if ((op & 1) != 0) {
        return check(same(cursor.rest(), model.take(model.message.size() - model.at)), kView);
      }
      cursor.require((op & 2) == 0);
      if ((op & 2) != 0) {
        model.fail(ParseCode::kBadValue);
      }
      return;
  }
}

}  // namespace

// The input is the size of a script, the script (one octet of operation and four of argument a
// step), and the message it reads.
void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const std::size_t script_size = std::min<std::size_t>(input[0], input.size() - 1);
  Bytes script = input.subspan(1, script_size);
  const Bytes message = input.subspan(1 + script_size);

  Parse parse(message);
  Cursor cursor(parse);
  Model model{.message = message, .at = 0, .fault = {}};
  for (; script.size() >= 5; script = script.subspan(5)) {
    step(cursor, model, script[0], load_le<std::uint32_t>(script.subspan(1)));
    check(parse.finish(0).fault() == model.fault, "the first fault is the one that counts");
  }
}

}  // namespace usher::fuzz
