// tools/usherd/http_answer.h: whatever a client is called and whatever token it is sent, an answer
// keeps its form and fits its room.
#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "tools/usherd/http_answer.h"

namespace usher::fuzz {
namespace {

std::array<std::uint8_t, usherd::kAnswerSizeMax> g_room;

// value_of finds a field's value in a head; nothing else may have that name.
std::string_view value_of(std::string_view head, std::string_view name) {
  const std::string begin = "\r\n" + std::string(name) + ": ";
  const std::size_t at = head.find(begin);
  check(at != head.npos && head.find(begin, at + 1) == head.npos, "a field comes once");
  const std::string_view rest = head.substr(at + begin.size());
  return rest.substr(0, rest.find("\r\n"));
}

int digit_of(char c) { return c <= '9' ? c - '0' : c - 'A' + 10; }

// unescaped undoes percent-encoding (RFC 3986 2.1).
std::string unescaped(std::string_view text) {
  std::string name;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      check(at + 2 < text.size(), "an escape has two digits");
      name += static_cast<char>(digit_of(text[at + 1]) << 4 | digit_of(text[at + 2]));
      at += 2;
    } else {
      name += text[at];
    }
  }
  return name;
}

std::size_t count_of(std::string_view text, char c) {
  return static_cast<std::size_t>(std::ranges::count(text, c));
}

}  // namespace

void run_one(Bytes input) {
  if (input.size() < 4) {
    return;
  }
  const std::uint8_t options = input[0];
  const usherd::AnswerStyle style{
      .head_only = (options & 1) != 0, .http_1_0 = (options & 2) != 0, .close = (options & 4) != 0};
  const Bytes rest = input.subspan(3);
  // Names and tokens of the largest size, however short the input is.
  const std::size_t times = (options & 8) != 0 ? 64 : 1;
  std::string name;
  for (std::size_t n = 0; n < times && name.size() < kClientNameSizeMax; ++n) {
    name.append(rest.begin(), rest.begin() + std::min<std::ptrdiff_t>(input[1], std::ssize(rest)));
  }
  name.resize(std::min(name.size(), kClientNameSizeMax));
  const Bytes token = rest.first(std::min({rest.size(), std::size_t{input[2]} * 4, kReplySizeMax}));
  const Bytes name_bytes{reinterpret_cast<const std::uint8_t*>(name.data()), name.size()};
  const std::string_view body = (options & 16) != 0 ? "refused" : "";

  usherd::HttpDate date;
  date.set(static_cast<std::int64_t>(input[1]) << 24);
  usherd::AnswerWriter writer(g_room);
  writer.status((options & 32) != 0 ? 200 : 401, date.text());
  writer.name_field("X-Auth-User", name_bytes);
  writer.name_field("X-Auth-Realm", name_bytes);
  writer.challenge("Negotiate", token);
  const std::size_t size = writer.end(style, body);
  check(size <= g_room.size(), "every answer fits its room");

  const std::string_view text(reinterpret_cast<const char*>(g_room.data()), size);
  const std::size_t head_size = text.find("\r\n\r\n");
  check(head_size != text.npos, "a head ends");
  const std::string_view head = text.substr(0, head_size);
  const std::string_view sent = text.substr(head_size + 4);
  const std::size_t fields =
      5u + (style.close || style.http_1_0 ? 1u : 0u) + (body.empty() ? 0u : 1u);
  check(count_of(head, '\n') == fields && count_of(head, '\r') == fields,
        "no name adds or ends a line");
  for (const std::string_view field : {"X-Auth-User", "X-Auth-Realm"}) {
    const std::string_view value = value_of(head, field);
    check(unescaped(value) == name, "a name can be read back");
    check(std::ranges::all_of(value, [](char c) { return c >= 0x20 && c <= 0x7e; }) &&
              !value.starts_with(' ') && !value.ends_with(' '),
          "and is plain text that nobody trims");
  }
  std::size_t length = 0;
  const std::string_view announced = value_of(head, "Content-Length");
  std::from_chars(announced.data(), announced.data() + announced.size(), length);
  check(sent.size() == (style.head_only ? 0 : length), "as much is sent as is announced");
  const std::string_view challenge = value_of(head, "WWW-Authenticate");
  const std::size_t encoded = token.empty() ? 0 : 1 + http::base64_encoded_size(token.size());
  check(challenge.size() == std::string_view("Negotiate").size() + encoded,
        "a token is sent in whole");
}

}  // namespace usher::fuzz
