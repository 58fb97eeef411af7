// engine/SSPI.md says what the library does: its tables name every function and every attribute,
// and what they say is so.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/engine/documented_statuses.h"
#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

// rows returns the cells of every row of a table, of whatever table.
std::vector<std::vector<std::string>> rows() {
  std::ifstream file(USHER_SOURCE "/engine/SSPI.md");
  std::vector<std::vector<std::string>> found;
  const std::regex cell(R"(\| *([^|]*?) *(?=\|))");
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> cells;
    for (std::sregex_iterator at(line.begin(), line.end(), cell), end; at != end; ++at) {
      cells.push_back((*at)[1]);
    }
    if (cells.size() >= 2 && cells[0].starts_with('`')) {
      found.push_back(cells);
    }
  }
  return found;
}

std::string word_of(const std::string& cell) { return cell.substr(1, cell.find('`', 1) - 1); }

class SspiDocument : public SspiTest {};

TEST_F(SspiDocument, NamesEveryFunction) {
  std::map<std::string, std::string> said;  // Name, with its form, and how it is served.
  for (const std::vector<std::string>& row : rows()) {
    if (row[1] == "served" || row[1] == "refuses") {
      const std::string name = word_of(row[0]);
      const bool has_forms = row[0].ends_with(" A W");
      for (const char* const form : {"A", "W"}) {
        said[name + (has_forms ? form : "")] = row[1];
      }
    }
  }
  std::set<std::string> declared;
  for (const char* const header : {"sspi.h", "sspi_table.h"}) {
    for (const auto& [name, statuses] :
         documented_statuses(std::string(USHER_SOURCE "/engine/") + header)) {
      declared.insert(name);
    }
  }
  std::set<std::string> named;
  for (const auto& [name, how] : said) {
    named.insert(name);
  }
  EXPECT_EQ(named, declared);
  EXPECT_EQ(
      std::ranges::count(said, std::string("refuses"), [](const auto& row) { return row.second; }),
      6);
  CtxtHandle context = accept(credential.handle, kerberos_token()).context;
  EXPECT_EQ(said["CompleteAuthToken"], "refuses");
  EXPECT_EQ(CompleteAuthToken(&context, nullptr), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(said["ApplyControlToken"], "refuses");
  EXPECT_EQ(ApplyControlToken(&context, nullptr), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(said["SetContextAttributesW"], "refuses");
  EXPECT_EQ(SetContextAttributesW(&context, 0, nullptr, 0), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(said["SetCredentialsAttributesW"], "refuses");
  EXPECT_EQ(SetCredentialsAttributesW(&credential.handle, 0, nullptr, 0),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

TEST_F(SspiDocument, SaysOfEveryAttributeWhetherItIsServed) {
  CtxtHandle context = accept(credential.handle, kerberos_token()).context;
  std::set<std::uint32_t> seen;
  for (const std::vector<std::string>& row : rows()) {
    if (row.size() < 4 || !row[0].starts_with("`SECPKG_ATTR_")) {
      continue;
    }
    const auto number = static_cast<std::uint32_t>(std::stoul(row[1]));
    alignas(8) std::array<std::uint8_t, 64> out{};
    const SECURITY_STATUS status = QueryContextAttributesA(&context, number, out.data());
    EXPECT_EQ(status != SEC_E_UNSUPPORTED_FUNCTION, row[2] == "served") << row[0];
    EXPECT_TRUE(row[2] == "served" || row[2] == "refused") << row[0];
    seen.insert(number);
    if (status == SEC_E_OK && number != SECPKG_ATTR_SIZES && number != SECPKG_ATTR_LIFESPAN &&
        number != SECPKG_ATTR_FLAGS && number != SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS) {
      const bool behind_a_number = number == SECPKG_ATTR_DCE_INFO ||
                                   number == SECPKG_ATTR_CREDENTIAL_NAME ||
                                   number == SECPKG_ATTR_SESSION_KEY;
      const bool has_two = number == SECPKG_ATTR_KEY_INFO || number == SECPKG_ATTR_NATIVE_NAMES;
      std::array<void*, 2> pointers{};
      std::memcpy(pointers.data(), out.data(), sizeof(pointers));
      FreeContextBuffer(pointers[behind_a_number ? 1 : 0]);
      FreeContextBuffer(has_two ? pointers[1] : nullptr);
    }
  }
  for (std::uint32_t number = 0; number < 256; ++number) {
    alignas(8) std::array<std::uint8_t, 64> out{};
    EXPECT_TRUE(seen.contains(number) ||
                QueryContextAttributesW(&context, number, out.data()) == SEC_E_UNSUPPORTED_FUNCTION)
        << number << " is served, and not in the table";
  }
  EXPECT_EQ(seen.size(), 36u) << "a row for each that sspi_numbers.h has";
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

}  // namespace
}  // namespace usher::testing
