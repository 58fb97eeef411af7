// The Authorization header and base64; http_authorization.h says what is promised.
#include "parsers/http_authorization.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace usher::http {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static_assert(kAlphabet.size() == 64);
constexpr std::uint8_t kPadding = '=';
constexpr std::uint8_t kNotInAlphabet = 0xff;

// kSextets is the alphabet turned round: character to value.
constexpr std::array<std::uint8_t, 256> kSextets = [] {
  std::array<std::uint8_t, 256> sextets{};
  sextets.fill(kNotInAlphabet);
  for (std::size_t value = 0; value < kAlphabet.size(); ++value) {
    sextets[static_cast<std::uint8_t>(kAlphabet[value])] = static_cast<std::uint8_t>(value);
  }
  return sextets;
}();

constexpr std::uint8_t lower(std::uint8_t c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c - 'A' + 'a') : c;
}

constexpr bool is_white_space(std::uint8_t c) noexcept { return c == ' ' || c == '\t'; }

constexpr bool is_token_character(std::uint8_t c) noexcept {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";  // RFC 9110 5.6.2
  const std::uint8_t l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
         kOthers.find(static_cast<char>(c)) != std::string_view::npos;
}

bool equal_ignoring_case(Bytes text, std::string_view lower_case) noexcept {
  return std::ranges::equal(text, lower_case, {}, lower,
                            [](char c) { return static_cast<std::uint8_t>(c); });
}

Scheme scheme_of(Bytes name) noexcept {
  if (equal_ignoring_case(name, "negotiate")) {
    return Scheme::kNegotiate;
  }
  return equal_ignoring_case(name, "ntlm") ? Scheme::kNtlm : Scheme::kOther;
}

}  // namespace

Result<Authorization> parse_authorization(Bytes value) noexcept {
  Parse parse(value);
  const Bytes all = parse.input();
  std::uint32_t at = 0;
  std::uint32_t end = parse.size();
  while (at < end && is_white_space(all[at])) {
    ++at;
  }
  while (end > at && is_white_space(all[end - 1])) {
    --end;
  }

  const std::uint32_t scheme_begin = at;
  while (at < end && is_token_character(all[at])) {
    ++at;
  }
  Authorization out;
  out.scheme_name = all.subspan(scheme_begin, at - scheme_begin);
  //= RFC 9110 11.4
  if (out.scheme_name.empty() || (at < end && all[at] != ' ')) {
    parse.fail(ParseCode::kBadValue, at);
    return parse.finish(out);
  }
  out.scheme = scheme_of(out.scheme_name);
  if (out.scheme == Scheme::kOther) {
    return parse.finish(out);
  }

  while (at < end && all[at] == ' ') {
    ++at;
  }
  out.token68 = all.subspan(at, end - at);
  for (; at < end; ++at) {
    if (kSextets[all[at]] == kNotInAlphabet && all[at] != kPadding) {
      parse.fail(ParseCode::kBadValue, at);
      break;
    }
  }
  return parse.finish(out);
}

Result<Bytes> decode_base64(Bytes text, MutableBytes out) noexcept {
  Parse parse(text);
  if (text.size() % 4 != 0) {
    parse.fail(ParseCode::kBadLength, parse.size());
  }
  if (!parse.ok() || text.empty()) {
    return parse.finish(Bytes{});
  }

  //= RFC 4648 3.2
  std::uint32_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == kPadding) {
    ++padding;
  }
  const std::size_t size = base64_decoded_size_max(text.size()) - padding;
  if (size > out.size()) {
    parse.fail(ParseCode::kOutOfBounds, 0);
    return parse.finish(Bytes{});
  }

  std::uint32_t bits = 0;  // The unwritten ones: the lowest `bit_count` of it.
  std::uint32_t bit_count = 0;
  std::size_t written = 0;
  for (std::uint32_t at = 0; at < parse.size() - padding; ++at) {
    const std::uint8_t sextet = kSextets[text[at]];
    if (sextet == kNotInAlphabet) {
      parse.fail(ParseCode::kBadValue, at);
      return parse.finish(Bytes{});
    }
    bits = (bits << 6 | sextet) & 0xffff;
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      out[written++] = static_cast<std::uint8_t>(bits >> bit_count);
    }
  }
  //= RFC 4648 3.5
  if ((bits & ((1u << bit_count) - 1)) != 0) {
    parse.fail(ParseCode::kBadValue, parse.size() - padding - 1);
  }
  return parse.finish(Bytes(out.first(size)));
}

Bytes encode_base64(Bytes bytes, MutableBytes out) noexcept {
  const MutableBytes text = out.first(base64_encoded_size(bytes.size()));
  std::size_t written = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const Bytes group = bytes.subspan(at, std::min<std::size_t>(3, bytes.size() - at));
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? group[i] : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint32_t sextet = bits >> (18 - 6 * i) & 0x3f;
      text[written++] = i <= group.size() ? static_cast<std::uint8_t>(kAlphabet[sextet]) : kPadding;
    }
  }
  return text;
}

}  // namespace usher::http
