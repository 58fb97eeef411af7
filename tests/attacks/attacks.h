// Every attack on a parser that the history of other implementations teaches, as data: a message
// with one bad field, and its twin with that field repaired. README.md says which row is which and
// where the rows that are no parser's business are proven.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "parsers/result.h"
#include "tests/hex.h"

namespace usher::attacks {

using testing::hex;
using Octets = std::vector<std::uint8_t>;

// Parser is who judges, and which fuzz target runs the same code.
struct Parser {
  const char* target;  // fuzz/fuzz_<target>.cc.
  Octets selector;     // What that target wants in front of a message.
  ParseFault (*judge)(Bytes);
};

template <auto kParse>
ParseFault fault_of(Bytes message) {
  return kParse(message).fault();
}

struct Attack {
  std::string row;   // "A1"
  std::string name;  // "length-beyond-end"
  Parser parser;
  ParseCode expected{};
  Octets bad;
  Octets twin;
  Octets seed;                            // For the corpus, where `bad` is too big; else empty.
  std::uint32_t offset_max = UINT32_MAX;  // The fault is found no later: no work behind it.

  // seed_name is the file in fuzz/corpus/<target>, seed_octets its contents.
  [[nodiscard]] std::string seed_name() const { return row + '-' + name; }
  [[nodiscard]] Octets seed_octets() const;
  // test_name is "A1_LengthBeyondEnd".
  [[nodiscard]] std::string test_name() const;
};
void PrintTo(const Attack& attack, std::ostream* out);

// Section is what a builder file appends its attacks to. Bad message and twin come from the same
// `build`, which takes the field under attack and nothing else.
class Section {
 public:
  explicit Section(std::vector<Attack>& list) : list_(list) {}

  template <class Build, class Field>
  Section& add(const std::string& row, const std::string& name, const Parser& parser,
               ParseCode expected, Build build, const Field& bad, const Field& twin) {
    list_.push_back({row, name, parser, expected, build(bad), build(twin), {}});
    return *this;
  }

  // add_big is add for a message that no corpus should hold; `seed` is a smaller bad field.
  template <class Build, class Field>
  Section& add_big(const std::string& row, const std::string& name, const Parser& parser,
                   ParseCode expected, Build build, const Field& bad, const Field& twin,
                   const Field& seed) {
    add(row, name, parser, expected, build, bad, twin);
    list_.back().seed = build(seed);
    return *this;
  }

  // found_by bounds the offset of the last attack's fault.
  Section& found_by(std::uint32_t offset) {
    list_.back().offset_max = offset;
    return *this;
  }

 private:
  std::vector<Attack>& list_;
};

// One function each of attacks_<section>.cc.
void add_der(Section section);
void add_spnego(Section section);
void add_negoex(Section section);
void add_kerberos(Section section);
void add_kerberos_messages(Section section);
void add_pac(Section section);
void add_ntlm(Section section);

// all_attacks is the whole table; two attacks never share a seed file or a test name.
const std::vector<Attack>& all_attacks();

}  // namespace usher::attacks
