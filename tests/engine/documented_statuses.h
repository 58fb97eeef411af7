// The statuses that a public header documents for each of its functions.
#pragma once

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

namespace usher::testing {

// documented_statuses reads a header as our headers are written: a comment, then the functions it
// describes, without a blank line between. Every SEC_E_ and SEC_I_ word of the comment counts.
inline std::map<std::string, std::set<std::string>> documented_statuses(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw std::runtime_error("no header " + path);
  }
  std::map<std::string, std::set<std::string>> found;
  std::set<std::string> words;
  bool in_comment = false;
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("//")) {
      words = in_comment ? words : std::set<std::string>();
      in_comment = true;
      for (std::size_t at = line.find("SEC_"); at != line.npos; at = line.find("SEC_", at + 1)) {
        const auto end =
            std::find_if_not(line.begin() + static_cast<std::ptrdiff_t>(at), line.end(), is_word);
        const std::string word(line.begin() + static_cast<std::ptrdiff_t>(at), end);
        if (word.starts_with("SEC_E_") || word.starts_with("SEC_I_")) {
          words.insert(word);
        }
      }
    } else if (line.starts_with("USHER_API")) {
      in_comment = false;
      std::string declaration = line;
      while (declaration.find('(') == declaration.npos && std::getline(file, line)) {
        declaration += ' ' + line;
      }
      const std::string before = declaration.substr(0, declaration.find('('));
      const std::size_t last = before.find_last_not_of(" *");
      const std::size_t first = before.find_last_of(" *", last) + 1;
      found[before.substr(first, last + 1 - first)] = words;
    } else if (line.empty()) {
      in_comment = false;
      words.clear();
    } else {
      in_comment = false;
    }
  }
  return found;
}

}  // namespace usher::testing
