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
constexpr std::uint32_t kQuad = 4;     // Characters that stand for
constexpr std::uint32_t kTriplet = 3;  // so many octets.
constexpr std::uint32_t kNoBits = ~0u;

// kSextets is the alphabet turned round: character to value.
constexpr std::array<std::uint8_t, 256> kSextets = [] {
  std::array<std::uint8_t, 256> sextets{};
  sextets.fill(kNotInAlphabet);
  for (std::size_t value = 0; value < kAlphabet.size(); ++value) {
    sextets[static_cast<std::uint8_t>(kAlphabet[value])] = static_cast<std::uint8_t>(value);
  }
  return sextets;
}();

// bits_of puts together a quad's 24 bits; kNoBits if a character is not in the alphabet.
std::uint32_t bits_of(Bytes quad) noexcept {
  const auto characters = load_be<std::uint32_t>(quad);
  const auto sextet = [&](unsigned shift) -> std::uint32_t {
    return kSextets[characters >> shift & 0xff];
  };
  const std::uint32_t a = sextet(24);
  const std::uint32_t b = sextet(16);
  const std::uint32_t c = sextet(8);
  const std::uint32_t d = sextet(0);
  return (a | b | c | d) < kAlphabet.size() ? a << 18 | b << 12 | c << 6 | d : kNoBits;
}

void put_quad(std::uint32_t bits, MutableBytes text) noexcept {
  const auto character = [&](unsigned shift) {
    return std::uint32_t{static_cast<std::uint8_t>(kAlphabet[bits >> shift & 0x3f])};
  };
  store_be(text, character(18) << 24 | character(12) << 16 | character(6) << 8 | character(0));
}

// first_outside is where the first character stands that is not in the alphabet, or the size.
std::uint32_t first_outside(Bytes text) noexcept {
  const auto outside = [](std::uint8_t c) { return kSextets[c] == kNotInAlphabet; };
  return static_cast<std::uint32_t>(std::ranges::find_if(text, outside) - text.begin());
}

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
  return parse.finish(out);
}

// Here and below, flatten has nothing called in a loop, also where all of this is inlined.
[[gnu::flatten]] Result<Bytes> decode_base64(Bytes text, MutableBytes out) noexcept {
  Parse parse(text);
  if (!parse.ok() || text.empty()) {
    return parse.finish(Bytes{});
  }
  //= RFC 4648 3.2
  std::uint32_t padding = 0;
  while (padding < 2 && padding < parse.size() && text[text.size() - 1 - padding] == kPadding) {
    ++padding;
  }
  if (parse.size() % kQuad != 0) {
    // What is no base64 at all says more than how long it is.
    const std::uint32_t bad = first_outside(text.first(parse.size() - padding));
    const bool all_good = bad == parse.size() - padding;
    parse.fail(all_good ? ParseCode::kBadLength : ParseCode::kBadValue,
               all_good ? parse.size() : bad);
    return parse.finish(Bytes{});
  }
  const std::size_t size = base64_decoded_size_max(text.size()) - padding;
  if (size > out.size()) {
    parse.fail(ParseCode::kOutOfBounds, 0);
    return parse.finish(Bytes{});
  }

  // Of four octets that are stored the last is the next quad's first.
  const std::uint32_t last = parse.size() - kQuad;
  std::size_t written = 0;
  for (std::uint32_t at = 0; at < last; at += kQuad, written += kTriplet) {
    const std::uint32_t bits = bits_of(text.subspan(at));
    if (bits == kNoBits) {
      parse.fail(ParseCode::kBadValue, at + first_outside(text.subspan(at)));
      return parse.finish(Bytes{});
    }
    store_be(out.subspan(written), bits << 8);
  }
  std::array<std::uint8_t, kQuad> quad;
  quad.fill(static_cast<std::uint8_t>(kAlphabet[0]));
  copy(text.last(kQuad).first(kQuad - padding), quad);
  const std::uint32_t bits = bits_of(quad);
  //= RFC 4648 3.5
  const bool unused_bits = (bits & ((1u << 8 * padding) - 1)) != 0;
  if (bits == kNoBits || unused_bits) {
    const std::uint32_t bad = bits == kNoBits ? first_outside(quad) : kQuad - padding - 1;
    parse.fail(ParseCode::kBadValue, last + bad);
    return parse.finish(Bytes{});
  }
  std::array<std::uint8_t, kQuad> octets;
  store_be(octets, bits << 8);
  copy(Bytes(octets).first(size - written), out.subspan(written));
  return parse.finish(Bytes(out.first(size)));
}

[[gnu::flatten]] Bytes encode_base64(Bytes bytes, MutableBytes out) noexcept {
  const MutableBytes text = out.first(base64_encoded_size(bytes.size()));
  std::size_t written = 0;
  for (; bytes.size() > kTriplet; bytes = bytes.subspan(kTriplet), written += kQuad) {
    put_quad(load_be<std::uint32_t>(bytes) >> 8, text.subspan(written));
  }
  if (!bytes.empty()) {
    std::array<std::uint8_t, kQuad> last{};
    copy(bytes, last);
    put_quad(load_be<std::uint32_t>(last) >> 8, text.subspan(written));
    std::ranges::fill(text.last(kTriplet - bytes.size()), kPadding);
  }
  return text;
}

}  // namespace usher::http
