// How bytes, times and faults are written for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::cli {

// hex_of writes two lower-case digits a byte.
[[nodiscard]] std::string hex_of(Bytes bytes);

// printable returns UTF-8 text as it is, except that what a terminal would act upon (control,
// format and unassigned characters) and bytes that are no UTF-8 become "\x1b" or "\u{202e}": names
// in a token were chosen by whoever sent it.
[[nodiscard]] std::string printable(Bytes utf8);

// utf16_text is printable of UTF-16LE, or says that it is none.
[[nodiscard]] std::string utf16_text(Bytes utf16le);

// utc is RFC 3339, "2026-11-20T09:16:32Z", of seconds since 1970; the bare number outside the years
// 0..9999. utc_micros adds six digits of fraction.
[[nodiscard]] std::string utc(std::int64_t seconds);
[[nodiscard]] std::string utc_micros(std::int64_t seconds, std::uint32_t micros);

// utc_filetime is the same for a FILETIME (MS-DTYP 2.3.3): 100 ns since 1601-01-01.
[[nodiscard]] std::string utc_filetime(std::uint64_t filetime);

// dotted writes an OID's contents octets as numbers with dots (X.690 8.19); an octet string that is
// no OID becomes "0x" and hex.
[[nodiscard]] std::string dotted(Bytes oid);

[[nodiscard]] bool all_zero(Bytes bytes) noexcept;

// bindings_text shows the MD5 of channel bindings. It is made of public data, and comparing it is
// the only way to find out why two sides disagree.
[[nodiscard]] std::string bindings_text(Bytes bindings);

// words_of names a ParseCode ("truncated"), explanation_of says what that means in one clause.
[[nodiscard]] std::string_view words_of(ParseCode code) noexcept;
[[nodiscard]] std::string_view explanation_of(ParseCode code) noexcept;

// bytes_of looks at text as bytes, text_of_bytes the other way round; neither copies.
[[nodiscard]] Bytes bytes_of(std::string_view text) noexcept;
[[nodiscard]] std::string_view text_of_bytes(Bytes bytes) noexcept;

}  // namespace usher::cli
