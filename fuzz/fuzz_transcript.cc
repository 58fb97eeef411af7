// tools/usher/input.h: any bytes as the file that `usher decode` and `usher accept` read. Its
// tokens can be written as a transcript and read again, or a mistake says where it is.
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "tools/usher/input.h"
#include "tools/usher/text.h"
#include "tools/usher/usage_error.h"

namespace usher::fuzz {
namespace {

using cli::Direction;
using cli::Input;
using cli::Piece;

const std::string kName = "tokens.txt";
constexpr std::size_t kSizeMax = 8192;

std::size_t lines_of(std::string_view contents) {
  return static_cast<std::size_t>(std::ranges::count(contents, '\n')) + 1;
}

// transcript_of states the tokens there are; a header without one has no other form.
std::string transcript_of(const Input& input) {
  std::string text;
  for (const Piece& piece : input.pieces) {
    if (!piece.token.empty()) {
      text += piece.direction == Direction::kServerToClient ? "s2c " : "c2s ";
      text += cli::hex_of(piece.token) + "  # " + input.form + "\n";
    }
  }
  return text;
}

void check_pieces(const Input& input, std::string_view contents) {
  const bool single = input.form == "hex" || input.form == "base64" || input.form == "raw bytes";
  check(single || input.form == "transcript" || input.form == "HTTP header", "a form is named");
  check(!single || input.pieces.size() == 1, "one token, unless a form has several");
  std::size_t line = 1;
  for (const Piece& piece : input.pieces) {
    check(piece.line >= line && piece.line <= lines_of(contents), "lines are in order");
    line = piece.line;
    check(piece.token.size() <= contents.size(), "no token is longer than its text");
    check(piece.base64.code == ParseCode::kOk || piece.token.empty(),
          "what cannot be read is no token");
    check(piece.base64.offset <= contents.size(), "a fault lies inside");
    check(!piece.offer || piece.token.empty(), "a bare scheme carries no token");
  }
  check(input.form != "raw bytes" || cli::text_of_bytes(input.pieces[0].token) == contents,
        "raw bytes are what they are");
}

void check_transcript(const Input& input) {
  const std::string text = transcript_of(input);
  if (text.empty()) {
    return;
  }
  const Input again = cli::parse_input(text, kName);
  check(again.form == "transcript", "a transcript is known as one");
  auto piece = again.pieces.begin();
  for (const Piece& before : input.pieces) {
    if (!before.token.empty()) {
      check(piece != again.pieces.end() && piece->token == before.token, "tokens stay the same");
      check((piece->direction == Direction::kServerToClient) ==
                (before.direction == Direction::kServerToClient),
            "and so does who sent them");
      ++piece;
    }
  }
  check(piece == again.pieces.end(), "and there are no others");
}

void check_mistake(std::string_view error, std::string_view contents) {
  check(error.starts_with(kName + ":"), "a mistake names its file");
  error.remove_prefix(kName.size() + 1);
  std::size_t line = 0;
  const auto [at, parsed] = std::from_chars(error.data(), error.data() + error.size(), line);
  if (parsed == std::errc{}) {
    check(line >= 1 && line <= lines_of(contents), "and a line that it has");
    error.remove_prefix(static_cast<std::size_t>(at - error.data()) + 1);
  }
  check(error.starts_with(" ") && error.size() > 4, "and says what is wrong");
}

}  // namespace

void run_one(Bytes input) {
  const std::string_view contents =
      cli::text_of_bytes(input.first(std::min(input.size(), kSizeMax)));
  Input parsed;
  try {
    parsed = cli::parse_input(contents, kName);
  } catch (const cli::UsageError& error) {  // Anything else ends the run.
    return check_mistake(error.what(), contents);
  }
  check_pieces(parsed, contents);
  check_transcript(parsed);
}

}  // namespace usher::fuzz
