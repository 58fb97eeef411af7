// How bytes, times and faults are written for people.
#include "tools/usher/text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <vector>

#include "engine/auth/unicode.h"

namespace usher::cli {
namespace {

bool shows_as_itself(utf8proc_int32_t code_point) {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

// date_and_time is RFC 3339 without the final 'Z', or empty outside the years 0..9999.
std::string date_and_time(std::int64_t seconds) {
  constexpr std::int64_t kYear0 = -62'167'219'200;
  constexpr std::int64_t kYear10000 = 253'402'300'800;
  if (seconds < kYear0 || seconds >= kYear10000) {
    return {};
  }
  const std::chrono::sys_seconds moment{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::int64_t of_day = (moment - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), of_day / 3600, of_day / 60 % 60,
                     of_day % 60);
}

}  // namespace

std::string hex_of(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t octet : bytes) {
    text += fmt::format("{:02x}", octet);
  }
  return text;
}

std::string printable(Bytes utf8) {
  std::string text;
  while (!utf8.empty()) {
    utf8proc_int32_t code_point = -1;
    const utf8proc_ssize_t size =
        utf8proc_iterate(utf8.data(), static_cast<utf8proc_ssize_t>(utf8.size()), &code_point);
    if (size <= 0) {
      text += fmt::format("\\x{:02x}", utf8.front());
      utf8 = utf8.subspan(1);
      continue;
    }
    const Bytes one = utf8.first(static_cast<std::size_t>(size));
    if (shows_as_itself(code_point)) {
      text += text_of_bytes(one);
    } else if (code_point < 0x80) {
      text += fmt::format("\\x{:02x}", code_point);
    } else {
      text += fmt::format("\\u{{{:x}}}", code_point);
    }
    utf8 = utf8.subspan(one.size());
  }
  return text;
}

std::string utf16_text(Bytes utf16le) {
  std::vector<std::uint8_t> room(utf16le.size() * 2);  // A unit of 2 bytes becomes at most 3.
  const std::optional<Bytes> utf8 = auth::utf16_to_utf8(utf16le, room);
  return utf8 ? printable(*utf8) : fmt::format("no valid UTF-16, {} bytes", utf16le.size());
}

std::string utc(std::int64_t seconds) {
  const std::string text = date_and_time(seconds);
  return text.empty() ? fmt::format("{} s since 1970", seconds) : text + "Z";
}

std::string utc_micros(std::int64_t seconds, std::uint32_t micros) {
  const std::string text = date_and_time(seconds);
  return text.empty() ? utc(seconds) : fmt::format("{}.{:06}Z", text, micros);
}

std::string utc_filetime(std::uint64_t filetime) {
  constexpr std::uint64_t kPerSecond = 10'000'000;
  constexpr std::int64_t kUnixEpochSeconds = 11'644'473'600;  // From 1601 to 1970.
  const std::int64_t seconds = static_cast<std::int64_t>(filetime / kPerSecond) - kUnixEpochSeconds;
  const std::string text = date_and_time(seconds);
  return text.empty() ? fmt::format("FILETIME {}", filetime)
                      : fmt::format("{}.{:07}Z", text, filetime % kPerSecond);
}

std::string dotted(Bytes oid) {
  const std::string as_hex = "0x" + hex_of(oid);
  if (oid.empty() || (oid.back() & 0x80) != 0) {
    return as_hex;  // An arc that never ends.
  }
  std::string text;
  std::uint64_t arc = 0;
  for (const std::uint8_t octet : oid) {
    if (arc > std::numeric_limits<std::uint64_t>::max() >> 7) {
      return as_hex;
    }
    arc = arc << 7 | (octet & 0x7fu);
    if ((octet & 0x80) != 0) {
      continue;
    }
    if (text.empty()) {  // X.690 8.19.4: the first two arcs share a number.
      const std::uint64_t root = arc < 80 ? arc / 40 : 2;
      text = fmt::format("{}.{}", root, arc - root * 40);
    } else {
      text += fmt::format(".{}", arc);
    }
    arc = 0;
  }
  return text;
}

bool all_zero(Bytes bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::uint8_t octet) { return octet == 0; });
}

std::string bindings_text(Bytes bindings) {
  return all_zero(bindings) ? "none (all zero)" : hex_of(bindings);
}

std::string_view words_of(ParseCode code) noexcept {
  switch (code) {
    case ParseCode::kOk:
      return "no fault";
    case ParseCode::kTruncated:
      return "truncated";
    case ParseCode::kUnexpectedTag:
      return "unexpected tag";
    case ParseCode::kBadLength:
      return "bad length";
    case ParseCode::kTrailingBytes:
      return "trailing bytes";
    case ParseCode::kBadValue:
      return "bad value";
    case ParseCode::kOutOfBounds:
      return "out of bounds";
  }
  return "unknown fault";
}

std::string_view explanation_of(ParseCode code) noexcept {
  switch (code) {
    case ParseCode::kOk:
      return "nothing is wrong";
    case ParseCode::kTruncated:
      return "an element promises more bytes than there are";
    case ParseCode::kUnexpectedTag:
      return "another element belongs here";
    case ParseCode::kBadLength:
      return "the length is indefinite, not in its shortest form, or over 4 GiB (X.690 10.1)";
    case ParseCode::kTrailingBytes:
      return "bytes are left over after the last element";
    case ParseCode::kBadValue:
      return "the value is outside the range the specification allows";
    case ParseCode::kOutOfBounds:
      return "an offset and length point outside the message";
  }
  return {};
}

Bytes bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view text_of_bytes(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace usher::cli
