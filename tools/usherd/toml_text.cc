// Walks over a text's strings and comments; toml_text.h says what for.
#include "tools/usherd/toml_text.h"

#include <algorithm>
#include <string>

namespace usherd {
namespace {

constexpr int kDotsMax = 16;      // Of one line, outside of strings. The longest key has two.
constexpr int kBracketsMax = 16;  // Within each other. A list in a table takes two.

// Walk is where fault_of_text stands. It agrees with toml++ on where a string ends up to the first
// mistake that toml++ reports.
class Walk {
 public:
  explicit Walk(std::string_view text) : rest_(text) {}

  // step goes over a character, a comment or a string; false if that was one dot or bracket too
  // many.
  bool step() {
    const char c = rest_.front();
    if (c == '#') {
      take(std::min(rest_.find('\n'), rest_.size()));
      return true;
    }
    if (c == '"' || c == '\'') {
      take_string(c);
      return true;
    }
    take(1);
    if (c == '\n') {
      dots_ = 0;
    }
    dots_ += c == '.' ? 1 : 0;
    brackets_ += c == '[' || c == '{' ? 1 : 0;
    brackets_ -= (c == ']' || c == '}') && brackets_ > 0 ? 1 : 0;
    return dots_ <= kDotsMax && brackets_ <= kBracketsMax;
  }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  void take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    line_ += static_cast<std::size_t>(std::ranges::count(taken, '\n'));
    rest_.remove_prefix(taken.size());
  }

  // take_string goes over a string with its quotes; one without an end is taken up to its line's.
  void take_string(char quote) {
    const bool multi_line = rest_.starts_with(std::string(3, quote));
    const std::string end(multi_line ? 3 : 1, quote);
    std::size_t at = end.size();
    while (at < rest_.size() && rest_.substr(at, end.size()) != end &&
           (multi_line || rest_[at] != '\n')) {
      at += rest_[at] == '\\' && quote == '"' ? std::size_t{2} : 1;
    }
    at = std::min(at, rest_.size());
    at += rest_.substr(at).starts_with(end) ? end.size() : 0;
    for (int more = 0; multi_line && more < 2 && rest_.substr(at).starts_with(quote); ++more) {
      ++at;  // A multi-line string may end in one or two quotes of its own.
    }
    take(at);
  }

  std::string_view rest_;
  std::size_t line_ = 1;
  int dots_ = 0;
  int brackets_ = 0;
};

}  // namespace

std::optional<TextFault> fault_of_text(std::string_view text) {
  if (text.size() > kConfigSizeMax) {
    return TextFault{.expected = "at most 64 KiB"};
  }
  for (Walk walk(text); !walk.at_end();) {
    const std::size_t line = walk.line();
    if (!walk.step()) {
      return TextFault{.line = line,
                       .expected = "keys of a few parts, and lists that are not nested"};
    }
  }
  return std::nullopt;
}

}  // namespace usherd
