// Exchanges recorded from real clients, as they stand in tests/data/recorded.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/hex.h"
#include "tests/test_data.h"

namespace usher::testing {

struct Leg {
  bool from_client;
  std::vector<std::uint8_t> token;
};

// recorded_exchange reads a transcript of `c2s HEX` and `s2c HEX` lines; recorded_token a file that
// holds the hex of one token, both below tests/data/recorded. Both throw if there is no such file
// or nothing in it.
inline std::vector<Leg> recorded_exchange(const std::string& name) {
  std::ifstream file(test_data(name));
  std::vector<Leg> legs;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string direction;
    std::string token;
    words >> direction >> token;
    if (direction == "c2s" || direction == "s2c") {
      legs.push_back({direction == "c2s", hex(token)});
    }
  }
  if (legs.empty()) {
    throw std::runtime_error("no exchange in " + name);
  }
  return legs;
}

inline std::vector<std::uint8_t> recorded_token(const std::string& name) {
  std::ifstream file(test_data(name));
  std::string text;
  file >> text;
  if (text.empty()) {
    throw std::runtime_error("no token in " + name);
  }
  return hex(text);
}

}  // namespace usher::testing
