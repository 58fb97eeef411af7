// Recorded exchanges in the forms the tests of proofs, tickets and MICs want them in.
#pragma once

#include <cassert>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/bytes.h"
#include "parsers/ntlm.h"
#include "parsers/spnego.h"
#include "tests/recorded.h"
#include "tests/test_data.h"

namespace usher::testing {

using Octets = std::vector<std::uint8_t>;

inline std::string data_path(const std::string& name) { return test_data(name); }

// data_file returns a file's bytes; a missing one fails the test that needs it by being empty.
inline std::string data_file(const std::string& name) {
  std::ifstream file(data_path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// transcript returns the tokens of a recorded exchange, in the order they went over the wire.
inline std::vector<Octets> transcript(const std::string& name) {
  std::vector<Octets> tokens;
  for (const Leg& leg : recorded_exchange(name)) {
    tokens.push_back(leg.token);
  }
  return tokens;
}

// ntlm_message finds the NTLM message in a token, bare or in SPNEGO.
inline Octets ntlm_message(Bytes token) {
  if (const auto init = spnego::parse_neg_token_init(token); init.ok()) {
    token = init->mech_token;
  } else if (const auto resp = spnego::parse_neg_token_resp(token); resp.ok()) {
    token = resp->response_token;
  }
  return {token.begin(), token.end()};
}

// utf16 makes UTF-16LE of ASCII.
inline Octets utf16(std::string_view ascii) {
  Octets text;
  for (const char c : ascii) {
    text.push_back(static_cast<std::uint8_t>(c));
    text.push_back(0);
  }
  return text;
}

// Exact is a copy on the heap of exactly that size, so that a sanitizer sees a read past it.
class Exact {
 public:
  explicit Exact(Bytes bytes) : bytes_(new std::uint8_t[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  [[nodiscard]] Bytes bytes() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_;
};

}  // namespace usher::testing
