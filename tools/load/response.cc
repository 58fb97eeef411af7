#include "tools/load/response.h"

#include <algorithm>
#include <charconv>

namespace load {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// starts_with compares without regard to case; `name` is in lower case.
bool starts_with(std::string_view text, std::string_view name) {
  return text.size() >= name.size() &&
         std::ranges::equal(text.substr(0, name.size()), name, {}, lower);
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  text.remove_suffix(text.size() - std::min(text.find_last_not_of(" \t") + 1, text.size()));
  return text;
}

// read_number reads all of `text`; false if it is no number.
bool read_number(std::string_view text, int base, std::size_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

// chunked_size returns the size of a chunked body (RFC 9112 7.1) without trailer fields; 0 if its
// end is not there.
std::size_t chunked_size(std::string_view body, bool& broken) {
  std::size_t at = 0;
  while (true) {
    const std::size_t end = body.find(kLineEnd, at);
    if (end == std::string_view::npos) {
      return 0;
    }
    const std::string_view line = body.substr(at, end - at);
    std::size_t size = 0;
    broken = !read_number(trimmed(line.substr(0, line.find(';'))), 16, size);
    if (broken || size > body.size()) {
      return 0;
    }
    at = end + kLineEnd.size() + size + kLineEnd.size();
    if (at > body.size()) {
      return 0;
    }
    if (size == 0) {
      return at;
    }
  }
}

struct BodyEnd {
  std::size_t length = 0;
  bool chunked = false;
};

void read_field(std::string_view line, Response& response, BodyEnd& body) {
  // The first letter decides for most fields.
  switch (line.empty() ? '\0' : lower(line[0])) {
    case 'w':
      if (starts_with(line, "www-authenticate:")) {
        const std::string_view value = trimmed(line.substr(line.find(':') + 1));
        if (starts_with(value, "negotiate ")) {
          response.negotiate = trimmed(value.substr(value.find(' ')));
        }
      }
      break;
    case 'c':
      if (starts_with(line, "content-length:")) {
        response.broken |= !read_number(trimmed(line.substr(line.find(':') + 1)), 10, body.length);
      } else if (starts_with(line, "connection:")) {
        response.closes = starts_with(trimmed(line.substr(line.find(':') + 1)), "close");
      }
      break;
    case 't':
      body.chunked |= starts_with(line, "transfer-encoding:");
      break;
    default:
      break;
  }
}

}  // namespace

Response parse_response(std::string_view received) {
  Response response;
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kStatusAt = 9;  // After "HTTP/1.1 ".
  constexpr std::size_t kHeadEndSize = 4;
  const std::size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return response;
  }
  std::string_view head = received.substr(0, end + kLineEnd.size());
  std::size_t status = 0;
  if (!head.starts_with(kVersion) || head.size() < kStatusAt + 3 ||
      !read_number(head.substr(kStatusAt, 3), 10, status)) {
    response.broken = true;
    return response;
  }
  response.status = static_cast<int>(status);
  BodyEnd body;
  for (std::size_t at = head.find(kLineEnd); at + kLineEnd.size() < head.size();) {
    const std::size_t begin = at + kLineEnd.size();
    at = head.find(kLineEnd, begin);
    read_field(head.substr(begin, at - begin), response, body);
  }
  const std::size_t body_at = end + kHeadEndSize;
  if (response.broken || status == 204 || status == 304) {
    response.size = response.broken ? 0 : body_at;
  } else if (body.chunked) {
    const std::size_t size = chunked_size(received.substr(body_at), response.broken);
    response.size = size == 0 ? 0 : body_at + size;
  } else if (received.size() - body_at >= body.length) {
    response.size = body_at + body.length;
  }
  return response;
}

}  // namespace load
