// tools/usher/decode_command.h: the whole of `usher decode` on any bytes, with keys that open what
// seeds hold. Both forms of output agree, JSON is JSON, and nothing in a token reaches a terminal.
#include <algorithm>
#include <array>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>

#include "fuzz/support/world.h"
#include "tools/usher/decode_command.h"
#include "tools/usher/text.h"
#include "tools/usher/tree.h"
#include "tools/usher/usage_error.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kSizeMax = 8192;
constexpr int kThrew = -1;

// Sink is an ostream into a string, without the cost of a stringstream for every input.
class Sink final : public std::streambuf {
 public:
  std::string text;

 private:
  int_type overflow(int_type c) override {
    text += static_cast<char>(c);
    return c;
  }
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    text.append(data, static_cast<std::size_t>(size));
    return size;
  }
};

cli::Opener& opener() {
  static cli::Opener one(make_kit(), mint::make_ring(*world().kit, world().services));
  return one;
}

// Run is what one call gave.
struct Run {
  int status = kThrew;
  std::string out;
  std::string error;
};

Run decode(std::string_view contents, bool json, bool keys) {
  static Sink sink;
  static std::ostream stream(&sink);
  sink.text.clear();
  Run run;
  try {
    run.status = cli::decode_contents(contents, {.file = "-", .json = json},
                                      keys ? &opener() : nullptr, stream);
  } catch (const cli::UsageError& error) {  // Anything else ends the run.
    run.error = error.what();
  }
  run.out = sink.text;
  return run;
}

// acts_on_terminals says whether UTF-8 begins with a control or bidi character beyond ASCII.
bool acts_on_terminals(std::string_view text) {
  if (text.size() < 2) {
    return false;
  }
  const auto second = static_cast<std::uint8_t>(text[1]);
  if (text[0] == '\xc2') {  // U+0080..U+009F, C1.
    return second >= 0x80 && second <= 0x9f;
  }
  if (text[0] != '\xe2' || text.size() < 3) {
    return false;
  }
  const auto third = static_cast<std::uint8_t>(text[2]);
  return second == 0x80 ? third == 0x8e || third == 0x8f ||                  // U+200E, U+200F.
                              (third >= 0xaa && third <= 0xae)               // U+202A..U+202E.
                        : second == 0x81 && third >= 0xa6 && third <= 0xa9;  // U+2066..U+2069.
}

void check_plain(std::string_view text, bool newlines) {
  check(std::ranges::none_of(
            text,
            [&](char c) {
              return (static_cast<std::uint8_t>(c) < 0x20 && !(newlines && c == '\n')) || c == 0x7f;
            }),
        "no control character is printed");
  for (std::size_t at = text.find_first_of("\xc2\xe2"); at != text.npos;
       at = text.find_first_of("\xc2\xe2", at + 1)) {
    check(!acts_on_terminals(text.substr(at)), "nor one that is not ASCII");
  }
}

// check_offsets looks at every fault in a tree: where it counts from the token, it lies in it.
void check_offsets(const cli::Json& tree, std::size_t size_max) {
  if (const auto fault = tree.find("fault"); tree.is_object() && fault != tree.end()) {
    check(fault->at("offset").get<std::size_t>() <= size_max, "a fault lies inside");
    check(!fault->at("why").get_ref<const std::string&>().empty(), "and says why");
  }
  for (const cli::Json& child : tree) {
    if (child.is_structured()) {
      check_offsets(child, size_max);
    }
  }
}

// check_json reads the output back: one object a line, each printed as it is read.
std::size_t check_json(std::string_view out, std::size_t size_max) {
  std::size_t tokens = 0;
  while (!out.empty()) {
    const std::size_t end = out.find('\n');
    check(end != out.npos, "a line ends");
    const std::string_view line = out.substr(0, end);
    out.remove_prefix(end + 1);
    const cli::Json object = cli::Json::parse(line, nullptr, false);
    check(object.is_object(), "a line is one JSON object");
    check(object.dump() == line, "read and printed it is the same");
    check_offsets(object.at("token"), size_max);
    ++tokens;
  }
  return tokens;
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const bool keys = input[0] % 2 == 0;
  const std::string_view contents =
      cli::text_of_bytes(input.subspan(1, std::min(input.size() - 1, kSizeMax)));
  const Run json = decode(contents, true, keys);
  const Run text = decode(contents, false, keys);
  check(json.status == text.status && json.error == text.error,
        "both forms of output agree on the verdict");
  check((json.status == kThrew) == !json.error.empty(), "a mistake is named");
  check(json.status == kThrew || json.status == cli::kExitGood || json.status == cli::kExitRefused,
        "a status is one of three");
  if (json.status == kThrew) {
    return check(json.out.empty() && text.out.empty(), "a mistake comes without output");
  }
  const std::size_t tokens = check_json(json.out, contents.size());
  check((tokens > 0) == !text.out.empty(), "what one form shows the other does");
  check_plain(json.out, true);
  check_plain(text.out, true);
}

}  // namespace usher::fuzz
