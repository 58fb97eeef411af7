// What clients share that have no HTTP of their own: ntlm_clients/tokens.py carries their tokens,
// as lines of their standard input and output.
//
// A line in is the acceptor's token in hex, and empty at first. A line out is "continue" or
// "complete" and the client's token in hex, or "failed" and why.
#pragma once

#include <cstdint>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/hex.h"

namespace usher::testing {

using Octets = std::vector<std::uint8_t>;

inline std::string line_of(bool complete, std::span<const std::uint8_t> token) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string line = complete ? "complete " : "continue ";
  for (const std::uint8_t octet : token) {
    line += {kDigits[octet >> 4], kDigits[octet & 15]};
  }
  return line;
}

// answer_lines asks `step` for a line out for every line in, until there are no more.
inline void answer_lines(const std::function<std::string(Octets)>& step) {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << step(hex(line)) << std::endl;
  }
}

}  // namespace usher::testing
