// What a configuration file must keep to before toml++ reads it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace usherd {

inline constexpr std::size_t kConfigSizeMax = 64 * 1024;

// TextFault is the first thing wrong with a text, and its line, from 1 on.
struct TextFault {
  std::size_t line = 1;
  std::string_view expected;  // Completes "expected ...".
};

// fault_of_text finds names of many parts ("a.a.a.a = 1") and brackets within brackets, outside of
// strings and comments. Each is a level of a recursion in toml++, which has no bound for the first.
[[nodiscard]] std::optional<TextFault> fault_of_text(std::string_view text);

}  // namespace usherd
