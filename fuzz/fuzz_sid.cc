// parsers/sid.h: what a SID is, and its text against one written the obvious way.
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "fuzz/fuzz_target.h"
#include "parsers/sid.h"

namespace usher::fuzz {
namespace {

constexpr std::uint32_t kRelativeId = 0xfffffffe;
constexpr std::size_t kRelativeIdTextSize = 11;  // "-4294967294"

// Text is a buffer with what was written to it.
struct Text {
  std::array<char, kSidTextSizeMax + 1> characters{};
  std::size_t size = 0;

  template <class... Arguments>
  void append(const char* format, Arguments... arguments) {
    const int more =
        std::snprintf(characters.data() + size, characters.size() - size, format, arguments...);
    size += static_cast<std::size_t>(more);
    check(more > 0 && size <= kSidTextSizeMax, "kSidTextSizeMax holds every text");
  }
};

Text model_text(Bytes sid) {
  Text text;
  const std::uint64_t authority = std::uint64_t{load_be<std::uint16_t>(sid.subspan(2))} << 32 |
                                  load_be<std::uint32_t>(sid.subspan(4));
  text.append(authority >> 32 == 0 ? "S-1-%" PRIu64 : "S-1-0x%012" PRIx64, authority);
  for (Bytes rest = sid.subspan(8); !rest.empty(); rest = rest.subspan(4)) {
    text.append("-%" PRIu32, load_le<std::uint32_t>(rest));
  }
  return text;
}

void check_text(SidView sid) {
  Text expected = model_text(sid.octets);
  std::array<std::uint8_t, kSidTextSizeMax> out;
  const std::size_t size = write_sid_text(sid, out);
  const auto same_start = [&](std::size_t length) {
    return std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(length),
                      expected.characters.begin());
  };
  check(size == expected.size && same_start(size), "a text is that of the specification");
  const MutableBytes room(out);
  check(write_sid_text(sid, room.first(size)) == size, "an exact buffer is enough");
  check(write_sid_text(sid, room.first(size - 1)) == 0, "a smaller buffer is not");
  check(write_sid_text(sid, room.first(size / 2)) == 0, "nor is a much smaller one");

  expected.append("-%" PRIu32, kRelativeId);
  const std::size_t longer = write_sid_text(sid, kRelativeId, out);
  check(longer == size + kRelativeIdTextSize && same_start(longer),
        "a relative identifier is one more sub-authority");
  check(write_sid_text(sid, kRelativeId, room.first(longer - 1)) == 0, "it needs room, too");
}

}  // namespace

void run_one(Bytes input) {
  const bool counted = input.size() >= 8 && input[0] == 1 && input[1] >= 1 && input[1] <= 15;
  const bool good = counted && input.size() == 8 + std::size_t{4} * input[1];
  const Result<SidView> sid = parse_sid(input);
  check(sid.ok() == good, "a SID is revision 1, 1 to 15 sub-authorities, and nothing else");
  if (!sid.ok()) {
    check(sid.fault().offset <= input.size(), "a fault points into the input");
    std::array<std::uint8_t, kSidTextSizeMax> out;
    check(write_sid_text(SidView{}, out) == 0 && write_sid_text(SidView{}, kRelativeId, out) == 0,
          "no SID has no text");
    return;
  }
  check(sid->octets.data() == input.data() && sid->octets.size() == input.size(),
        "a SID is all of its octets");
  check(!parse_sid(input.first(input.size() - 1)).ok(), "one byte less is refused");
  check_text(*sid);
}

}  // namespace usher::fuzz
