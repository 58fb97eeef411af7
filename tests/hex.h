// Test vectors are written as hex, with spaces where a reader wants them; hex() makes bytes of
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace usher::testing {

// hex throws std::invalid_argument for anything but pairs of lower-case digits and spaces, so that
// a slip in a vector fails its test instead of changing it.
inline std::vector<std::uint8_t> hex(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::vector<std::uint8_t> bytes;
  unsigned pending = 16;
  for (const char c : text) {
    if (c == ' ') {
      continue;
    }
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      throw std::invalid_argument("no hex digit: " + std::string(1, c));
    }
    if (pending == 16) {
      pending = static_cast<unsigned>(digit);
    } else {
      bytes.push_back(static_cast<std::uint8_t>(pending << 4 | digit));
      pending = 16;
    }
  }
  if (pending != 16) {
    throw std::invalid_argument("half an octet at the end");
  }
  return bytes;
}

}  // namespace usher::testing
