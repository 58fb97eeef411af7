// UTF-16LE and UTF-8 names, with utf8proc's simple case mapping.
#pragma once

#include <optional>

#include "parsers/bytes.h"

namespace usher::auth {

// Each function writes the front of `out` and returns it, or nothing if the input is not valid
// (odd size, lone surrogate, NUL, overlong or truncated UTF-8) or does not fit. None allocates.
[[nodiscard]] std::optional<Bytes> utf16_to_utf8(Bytes utf16le, MutableBytes out) noexcept;
[[nodiscard]] std::optional<Bytes> utf8_to_utf16(Bytes utf8, MutableBytes out) noexcept;

// upper_utf16 maps each code point to upper case one to one, as Windows does for NTOWFv2 (MS-NLMP
// 3.3.2, "Uppercase").
[[nodiscard]] std::optional<Bytes> upper_utf16(Bytes utf16le, MutableBytes out) noexcept;

// widen_oem makes UTF-16LE of OEM bytes, each byte a code unit: what curl and Java do on their
// side, and right for ASCII, which is all that clients without Unicode are served for.
[[nodiscard]] std::optional<Bytes> widen_oem(Bytes oem, MutableBytes out) noexcept;

}  // namespace usher::auth
