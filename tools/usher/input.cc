// Tokens as people have them: hex, base64, raw bytes, HTTP headers, recorded exchanges.
#include "tools/usher/input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "parsers/http_authorization.h"
#include "tools/usher/text.h"
#include "tools/usher/usage_error.h"

namespace usher::cli {
namespace {

constexpr std::size_t kFileSizeMax = std::size_t{64} << 20;
constexpr std::string_view kSpace = " \t\r\n";

struct HeaderName {
  std::string_view name;  // Lower case.
  Direction direction;
};
constexpr std::array kHeaderNames = {
    HeaderName{"authorization:", Direction::kClientToServer},
    HeaderName{"proxy-authorization:", Direction::kClientToServer},
    HeaderName{"www-authenticate:", Direction::kServerToClient},
    HeaderName{"proxy-authenticate:", Direction::kServerToClient},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool begins_with(std::string_view text, std::string_view lower_prefix) {
  return text.size() >= lower_prefix.size() &&
         std::ranges::equal(text.substr(0, lower_prefix.size()), lower_prefix,
                            [](char a, char b) { return lower(a) == b; });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// each_line calls visit(line, number) for every line, trimmed.
template <class Visit>
void each_line(std::string_view text, Visit visit) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(trimmed(text.substr(0, end)), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string without_space(std::string_view text) {
  std::string kept;
  std::ranges::copy_if(text, std::back_inserter(kept),
                       [](char c) { return kSpace.find(c) == std::string_view::npos; });
  return kept;
}

std::optional<unsigned> digit_of(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t digit = kDigits.find(lower(c));
  return digit == std::string_view::npos ? std::nullopt : std::optional(unsigned(digit));
}

bool all_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return digit_of(c).has_value(); });
}

// hex_bytes reads digits without white space between them; nothing if they are not all digits or
// their number is odd.
std::optional<std::vector<std::uint8_t>> hex_bytes(std::string_view digits) {
  if (digits.size() % 2 != 0 || !all_hex(digits)) {
    return std::nullopt;
  }
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(
        static_cast<std::uint8_t>(*digit_of(digits[i]) << 4 | *digit_of(digits[i + 1])));
  }
  return bytes;
}

bool is_text(std::string_view contents) {
  return std::ranges::all_of(contents, [](char c) {
    return (c >= 0x20 && c <= 0x7e) || c == '\t' || c == '\r' || c == '\n';
  });
}

// direction_of also takes a direction with nothing after it, so that a line cut short is
// reported as such.
std::optional<Direction> direction_of(std::string_view line) {
  const std::string_view word = line.substr(0, line.find_first_of(kSpace));
  if (word == "c2s") {
    return Direction::kClientToServer;
  }
  return word == "s2c" ? std::optional(Direction::kServerToClient) : std::nullopt;
}

bool is_transcript(std::string_view contents) {
  bool found = false;
  each_line(contents, [&](std::string_view line, std::size_t) {
    found = found || direction_of(line).has_value();
  });
  return found;
}

Input parse_transcript(std::string_view contents, const std::string& name) {
  Input input{.form = "transcript", .pieces = {}};
  each_line(contents, [&](std::string_view line, std::size_t number) {
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) {
      return;
    }
    const std::optional<Direction> direction = direction_of(line);
    if (!direction) {
      throw UsageError(
          fmt::format("{}:{}: expected `c2s HEX`, `s2c HEX` or a # comment", name, number));
    }
    auto token = hex_bytes(without_space(line.substr(3)));
    if (!token || token->empty()) {
      throw UsageError(fmt::format("{}:{}: expected hex, two digits a byte, after {}", name, number,
                                   line.substr(0, 3)));
    }
    input.pieces.push_back(
        {.direction = *direction, .line = number, .token = std::move(*token), .base64 = {}});
  });
  return input;
}

// HeaderLine is a header field, or a bare `Negotiate ...`, found in a line.
struct HeaderLine {
  std::string_view value;
  Direction direction;
};

std::optional<HeaderLine> header_of(std::string_view line) {
  if (line.starts_with("> ") || line.starts_with("< ")) {
    line = trimmed(line.substr(2));
  }
  for (const HeaderName& header : kHeaderNames) {
    if (begins_with(line, header.name)) {
      return HeaderLine{trimmed(line.substr(header.name.size())), header.direction};
    }
  }
  for (const std::string_view scheme : {"negotiate", "ntlm"}) {
    if (begins_with(line, scheme) &&
        (line.size() == scheme.size() || kSpace.find(line[scheme.size()]) != kSpace.npos)) {
      return HeaderLine{line, Direction::kUnknown};
    }
  }
  return std::nullopt;
}

Piece header_piece(const HeaderLine& header, const http::Authorization& value, std::size_t line) {
  Piece piece{.direction = header.direction, .line = line, .token = {}, .base64 = {}};
  piece.offer = value.token68.empty();
  piece.token.resize(http::base64_decoded_size_max(value.token68.size()));
  const Result<Bytes> decoded = http::decode_base64(value.token68, piece.token);
  piece.base64 = decoded.fault();
  piece.token.resize(decoded.ok() ? decoded->size() : 0);
  return piece;
}

// parse_headers returns no pieces if `contents` has no header of interest, and throws if it has
// only those of other schemes; their values are not repeated, Basic's is a password.
Input parse_headers(std::string_view contents, const std::string& name) {
  Input input{.form = "HTTP header", .pieces = {}};
  std::string other;
  each_line(contents, [&](std::string_view line, std::size_t number) {
    const std::optional<HeaderLine> header = header_of(line);
    if (!header) {
      return;
    }
    const Result<http::Authorization> value = http::parse_authorization(bytes_of(header->value));
    if (!value.ok()) {
      throw UsageError(fmt::format("{}:{}: byte {} of the header's value: {}", name, number,
                                   value.fault().offset,
                                   "expected a scheme, and a space before its token"));
    }
    if (value->scheme == http::Scheme::kOther) {
      other = fmt::format("{}:{}: the scheme is {}; only Negotiate and NTLM carry a token", name,
                          number, printable(value->scheme_name));
      return;
    }
    input.pieces.push_back(header_piece(*header, *value, number));
  });
  if (input.pieces.empty() && !other.empty()) {
    throw UsageError(other);
  }
  return input;
}

}  // namespace

constexpr std::size_t kPathShownMax = 100;

std::string read_file(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    errno = 0;
    file.open(path, std::ios::binary);
    if (!file) {
      // Whoever passes a token in place of a file shall not find it in a log.
      const bool is_long = path.size() > kPathShownMax;
      throw UsageError(fmt::format("cannot open {}{}: {}", path.substr(0, kPathShownMax),
                                   is_long ? "…" : "", std::strerror(errno)));
    }
  }
  std::istream& stream = path == "-" ? std::cin : file;
  std::string contents;
  std::array<char, 65536> block;
  while (stream.read(block.data(), block.size()), stream.gcount() > 0) {
    contents.append(block.data(), static_cast<std::size_t>(stream.gcount()));
    if (contents.size() > kFileSizeMax) {
      throw UsageError(fmt::format("{} is longer than 64 MiB", path));
    }
  }
  if (stream.bad()) {
    throw UsageError(fmt::format("cannot read {}", path));
  }
  return contents;
}

Input parse_input(std::string_view contents, const std::string& name) {
  const auto single = [](const char* form, std::vector<std::uint8_t> token) {
    return Input{.form = form, .pieces = {{.token = std::move(token), .base64 = {}}}};
  };
  if (!is_text(contents)) {
    const Bytes bytes = bytes_of(contents);
    return single("raw bytes", {bytes.begin(), bytes.end()});
  }
  if (is_transcript(contents)) {
    return parse_transcript(contents, name);
  }
  if (Input headers = parse_headers(contents, name); !headers.pieces.empty()) {
    return headers;
  }
  const std::string dense = without_space(contents);
  if (all_hex(dense)) {
    std::optional<std::vector<std::uint8_t>> token = hex_bytes(dense);
    if (!token) {
      throw UsageError(
          fmt::format("{}: {} hex digits: one is missing, or one too many", name, dense.size()));
    }
    return single("hex", std::move(*token));
  }
  std::vector<std::uint8_t> token(http::base64_decoded_size_max(dense.size()));
  if (const Result<Bytes> decoded = http::decode_base64(bytes_of(dense), token); decoded.ok()) {
    token.resize(decoded->size());
    return single("base64", std::move(token));
  }
  throw UsageError(fmt::format(
      "{}: neither hex, base64, raw bytes, an Authorization or WWW-Authenticate header with "
      "Negotiate or NTLM, nor a transcript (c2s HEX, s2c HEX)",
      name));
}

}  // namespace usher::cli
