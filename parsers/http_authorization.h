// The HTTP Authorization header (RFC 4559 4.2, RFC 9110 11.6.2) and its base64 (RFC 4648 4).
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::http {

enum class Scheme : std::uint8_t {
  kNegotiate,
  kNtlm,
  kOther,  // A well-formed scheme that is not ours, such as Basic.
};

// Authorization is a header's value, taken apart.
struct Authorization {
  Scheme scheme = Scheme::kOther;
  Bytes scheme_name;  // As sent; compared without regard to case (RFC 9110 11.1).
  Bytes token68;      // What follows, for decode_base64 to look at; empty for a bare scheme.
};

// parse_authorization reads a field value without its name, already stripped of leading and
// trailing white space or not. Scheme and token68 are separated by one or more spaces. For kOther
// the rest is not looked at and token68 is empty. Fails with kBadValue for an empty scheme or one
// with characters outside RFC 9110's token set.
[[nodiscard]] Result<Authorization> parse_authorization(Bytes value) noexcept;

// base64_decoded_size_max bounds what decode_base64 writes for `encoded_size` characters.
constexpr std::size_t base64_decoded_size_max(std::size_t encoded_size) noexcept {
  return encoded_size / 4 * 3;
}
constexpr std::size_t base64_encoded_size(std::size_t size) noexcept { return (size + 2) / 3 * 4; }

// decode_base64 is strict: the standard alphabet, padding required, no white space, and the unused
// bits of the last character zero, so that a token has one spelling. The result is the front of
// `out`, which may begin where `text` does. Fails with kBadValue for a bad character or bad
// padding, kBadLength if all are good and text.size() is not a multiple of 4, kOutOfBounds if `out`
// is too small.
[[nodiscard]] Result<Bytes> decode_base64(Bytes text, MutableBytes out) noexcept;

// encode_base64 writes base64_encoded_size(bytes.size()) characters, which `out` must have room
// for, and returns them.
Bytes encode_base64(Bytes bytes, MutableBytes out) noexcept;

}  // namespace usher::http
