// Tokens as people have them: hex, base64, raw bytes, HTTP headers, recorded exchanges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/result.h"

namespace usher::cli {

// What wrote a token, if the input says so.
enum class Direction : std::uint8_t { kUnknown, kClientToServer, kServerToClient };

// Piece is one token of an input.
struct Piece {
  Direction direction = Direction::kUnknown;
  std::size_t line = 1;  // Where it stands in the file.
  std::vector<std::uint8_t> token;
  bool offer = false;  // A header that names the scheme and carries no token.
  ParseFault base64;   // kOk, or why the header's base64 could not be read; `token` is empty then.
};

// Input is a file, read.
struct Input {
  std::string form;  // "hex", "base64", "raw bytes", "HTTP header", "transcript".
  std::vector<Piece> pieces;
};

// read_file returns the contents of `path`, or of standard input for "-". Throws UsageError.
[[nodiscard]] std::string read_file(const std::string& path);

// parse_input finds out by itself which form `contents` has. White space between hex or base64
// characters does not count. A transcript is lines `c2s HEX` and `s2c HEX` and comments after '#';
// of HTTP text every Negotiate or NTLM header (RFC 4559) is taken, with or without the "> " that
// curl -v puts in front. `name` stands for the file in messages. Throws UsageError if it is nothing
// of all that, "NAME:LINE: why" if it begins well.
[[nodiscard]] Input parse_input(std::string_view contents, const std::string& name);

}  // namespace usher::cli
