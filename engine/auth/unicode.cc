#include "engine/auth/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace usher::auth {
namespace {

constexpr bool is_high_surrogate(std::uint32_t unit) noexcept { return unit >> 10 == 0x36; }
constexpr bool is_low_surrogate(std::uint32_t unit) noexcept { return unit >> 10 == 0x37; }

// Output appends to a caller's buffer and remembers whether all of it fitted.
class Output {
 public:
  explicit Output(MutableBytes out) noexcept : out_(out) {}

  void octet(std::uint32_t value) noexcept {
    if (size_ == out_.size()) {
      fits_ = false;
      return;
    }
    out_[size_++] = static_cast<std::uint8_t>(value);
  }
  void unit(std::uint32_t value) noexcept {
    octet(value & 0xff);
    octet(value >> 8);
  }
  void utf16(std::uint32_t code_point) noexcept {
    if (code_point < 0x10000) {
      return unit(code_point);
    }
    unit(0xd800 + ((code_point - 0x10000) >> 10));
    unit(0xdc00 + ((code_point - 0x10000) & 0x3ff));
  }
  void utf8(std::uint32_t code_point) noexcept {
    if (code_point < 0x80) {
      return octet(code_point);
    }
    std::array<std::uint8_t, 4> octets{};
    const auto size = static_cast<std::size_t>(
        utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), octets.data()));
    for (const std::uint8_t value : std::span(octets).first(size)) {
      octet(value);
    }
  }
  [[nodiscard]] std::optional<Bytes> result() const noexcept {
    return fits_ ? std::optional<Bytes>(out_.first(size_)) : std::nullopt;
  }

 private:
  MutableBytes out_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

// each_code_point calls visit for every code point of a UTF-16LE name; false if it is not valid.
template <class Visit>
bool each_code_point(Bytes utf16le, Visit visit) noexcept {
  if (utf16le.size() % 2 != 0) {
    return false;
  }
  for (std::size_t at = 0; at < utf16le.size(); at += 2) {
    std::uint32_t code_point = load_le<std::uint16_t>(utf16le.subspan(at));
    if (code_point == 0 || is_low_surrogate(code_point)) {
      return false;
    }
    if (is_high_surrogate(code_point)) {
      at += 2;
      const std::uint32_t low =
          at < utf16le.size() ? load_le<std::uint16_t>(utf16le.subspan(at)) : 0u;
      if (!is_low_surrogate(low)) {
        return false;
      }
      code_point = 0x10000 + ((code_point & 0x3ff) << 10) + (low & 0x3ff);
    }
    visit(code_point);
  }
  return true;
}

}  // namespace

std::optional<Bytes> utf16_to_utf8(Bytes utf16le, MutableBytes out) noexcept {
  Output output(out);
  const bool valid =
      each_code_point(utf16le, [&](std::uint32_t code_point) { output.utf8(code_point); });
  return valid ? output.result() : std::nullopt;
}

std::optional<Bytes> utf8_to_utf16(Bytes utf8, MutableBytes out) noexcept {
  Output output(out);
  while (!utf8.empty()) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t taken =
        utf8proc_iterate(utf8.data(), static_cast<utf8proc_ssize_t>(utf8.size()), &code_point);
    if (taken <= 0 || code_point <= 0) {
      return std::nullopt;
    }
    output.utf16(static_cast<std::uint32_t>(code_point));
    utf8 = utf8.subspan(static_cast<std::size_t>(taken));
  }
  return output.result();
}

std::optional<Bytes> upper_utf16(Bytes utf16le, MutableBytes out) noexcept {
  // UnicodeData.txt gives sharp s no upper case, and Windows follows it; utf8proc maps it to
  // U+1E9E.
  constexpr std::uint32_t kSharpS = 0xdf;
  Output output(out);
  const bool valid = each_code_point(utf16le, [&](std::uint32_t code_point) {
    output.utf16(code_point == kSharpS ? kSharpS
                                       : static_cast<std::uint32_t>(utf8proc_toupper(
                                             static_cast<utf8proc_int32_t>(code_point))));
  });
  return valid ? output.result() : std::nullopt;
}

std::optional<Bytes> widen_oem(Bytes oem, MutableBytes out) noexcept {
  Output output(out);
  for (const std::uint8_t octet : oem) {
    if (octet == 0) {
      return std::nullopt;
    }
    output.unit(octet);
  }
  return output.result();
}

}  // namespace usher::auth
