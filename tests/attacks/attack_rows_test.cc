// Promise: README.md of this folder tells the truth. Every row of the table is in it, and every
// test that it names exists.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "tests/attacks/attacks.h"

namespace usher::attacks {
namespace {

namespace fs = std::filesystem;

std::string text_of_file(const fs::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// readme_rows maps "A1" to the last cell of its line.
std::map<std::string, std::string> readme_rows() {
  std::map<std::string, std::string> rows;
  const std::string text = text_of_file(fs::path(USHER_TESTS_FOLDER) / "attacks" / "README.md");
  const std::regex line("\\| ([A-F][0-9]+) \\|.*\\| (.*) \\|");
  for (std::sregex_iterator i(text.begin(), text.end(), line), end; i != end; ++i) {
    EXPECT_TRUE(rows.emplace((*i)[1], (*i)[2]).second) << (*i)[1] << " twice";
  }
  return rows;
}

// test_sources is the text of every test, without white space: a name may be broken over lines.
std::vector<std::string> test_sources() {
  std::vector<std::string> sources;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(USHER_TESTS_FOLDER)) {
    if (entry.path().string().ends_with("_test.cc")) {
      std::string text = text_of_file(entry.path());
      std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
      sources.push_back(std::move(text));
    }
  }
  return sources;
}

// exists says whether a test is defined: `Suite.Test`, or `Suite/Case` for a row of a table.
bool exists(const std::vector<std::string>& sources, const std::string& suite, char kind,
            const std::string& name) {
  return std::ranges::any_of(sources, [&](const std::string& text) {
    return kind == '.' ? text.find('(' + suite + ',' + name + "){") != std::string::npos
                       : text.find("TEST_P(" + suite + ',') != std::string::npos &&
                             text.find("{\"" + name + "\",") != std::string::npos;
  });
}

// is_ctest says whether a CMakeLists.txt adds a test of that name: programs that are no gtests.
bool is_ctest(const std::string& name) {
  const fs::path root = fs::path(USHER_TESTS_FOLDER).parent_path();
  for (const char* folder : {"bench", "tests/crypto"}) {
    const std::string text = text_of_file(root / folder / "CMakeLists.txt");
    if (text.find("add_test(NAME " + name + '\n') != std::string::npos ||
        text.find("add_test(NAME " + name + ' ') != std::string::npos) {
      return true;
    }
  }
  return false;
}

TEST(AttackRows, AreAllInTheReadme) {
  constexpr std::size_t kRowCount = 92;
  const std::map<std::string, std::string> rows = readme_rows();
  EXPECT_EQ(rows.size(), kRowCount);
  std::set<std::string> in_table;
  for (const Attack& attack : all_attacks()) {
    in_table.insert(attack.row);
  }
  for (const auto& [row, proof] : rows) {
    EXPECT_EQ(proof.starts_with("table"), in_table.contains(row)) << row << ": " << proof;
  }
}

TEST(AttackRows, NameTestsThatExist) {
  const std::vector<std::string> sources = test_sources();
  const std::regex name("`([A-Za-z0-9]+)([./])([A-Za-z0-9]+)`");
  const std::regex program("ctest `([a-z0-9_]+)`");
  std::size_t count = 0;
  for (const auto& [row, proof] : readme_rows()) {
    bool proven = proof.starts_with("table") || proof.find("later: ") != std::string::npos;
    for (std::sregex_iterator i(proof.begin(), proof.end(), name), end; i != end; ++i, ++count) {
      const std::smatch& match = *i;
      EXPECT_TRUE(exists(sources, match[1], match.str(2)[0], match[3])) << row << ": " << match[0];
      proven = true;
    }
    for (std::sregex_iterator i(proof.begin(), proof.end(), program), end; i != end; ++i) {
      EXPECT_TRUE(is_ctest((*i)[1])) << row << ": " << (*i)[0];
      proven = true;
    }
    EXPECT_TRUE(proven) << row << " says nothing";
  }
  EXPECT_GT(count, 80u);
  EXPECT_FALSE(exists(sources, "AttackRows", '.', "NameTestsThatNobodyWrote")) << "it can tell";
  EXPECT_FALSE(exists(sources, "KerberosAccept", '/', "NoSuchCase"));
  EXPECT_FALSE(is_ctest("no_such_test"));
}

}  // namespace
}  // namespace usher::attacks
