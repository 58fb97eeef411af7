// Promise: an accounts file is read exactly as documented or refused with file and line, and an
// unknown user is as much work as a known one.
#include "engine/auth/accounts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>

#include "engine/auth/unicode.h"
#include "tests/hex.h"

namespace usher::auth {
namespace {

using testing::hex;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// upper is a name as find wants it.
std::vector<std::uint8_t> upper(std::string_view utf8) {
  std::array<std::uint8_t, 256> wide{};
  std::array<std::uint8_t, 256> raised{};
  const Bytes result = upper_utf16(utf8_to_utf16(bytes_of(utf8), wide).value(), raised).value();
  return {result.begin(), result.end()};
}

class AccountsTest : public ::testing::Test {
 protected:
  Accounts::Loaded parse(std::string_view text) { return Accounts::parse(*kit, text, "file"); }
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
};

// MS-NLMP 4.2.2.1.2: NTOWFv1 of "Password".
constexpr const char* kPasswordHash = "a4f49c406510bdcab6824ee7c30fd852";

TEST_F(AccountsTest, ReadsPasswordsAndHashesAlike) {
  const auto loaded = parse(
      "# who may come in\n\nDOM:clear:Password\r\n"
      "DOM:hashed::A4F49C406510BDCAB6824EE7C30FD852\nDOM:colons:a:b:c");
  ASSERT_EQ(loaded.error, "");
  EXPECT_EQ(loaded.accounts->size(), 3u);
  for (const char* user : {"clear", "HASHED"}) {
    const Accounts::Found found = loaded.accounts->find(upper(user), upper("dom"));
    EXPECT_TRUE(std::ranges::equal(found.nt_hash, hex(kPasswordHash))) << user;
    EXPECT_EQ(text_of(found.domain), "DOM");
  }
  EXPECT_EQ(text_of(loaded.accounts->find(upper("colons"), upper("DOM")).user), "colons");
}

TEST_F(AccountsTest, AnEmptyDomainFindsTheFirstOfThatName) {
  const auto loaded = parse("ONE:alice:a\nTWO:alice:b\nTWO:Müller:c\n");
  ASSERT_EQ(loaded.error, "");
  EXPECT_EQ(text_of(loaded.accounts->find(upper("alice"), {}).domain), "ONE");
  EXPECT_EQ(text_of(loaded.accounts->find(upper("alice"), upper("two")).domain), "TWO");
  EXPECT_EQ(text_of(loaded.accounts->find(upper("MÜLLER"), {}).user), "Müller");
}

TEST_F(AccountsTest, UnknownUsersGetADecoyThatNoTwoFilesShare) {
  const auto one = parse("D:alice:a\n");
  const auto two = parse("D:alice:a\n");
  for (const char* domain : {"D", "E", ""}) {
    const Accounts::Found found = one.accounts->find(upper("mallory"), upper(domain));
    EXPECT_TRUE(found.user.empty());
    EXPECT_EQ(found.nt_hash.size(), 16u);
    EXPECT_FALSE(std::ranges::equal(found.nt_hash,
                                    two.accounts->find(upper("mallory"), upper(domain)).nt_hash));
  }
  EXPECT_TRUE(one.accounts->find(upper("alice"), upper("E")).user.empty());
  EXPECT_FALSE(one.accounts->find(upper("alice"), upper("D")).user.empty()) << "the twin";
}

TEST_F(AccountsTest, TenThousandAreAllFound) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    text += "D:user" + std::to_string(i) + "::" + kPasswordHash + "\n";
  }
  const auto loaded = parse(text);
  ASSERT_EQ(loaded.error, "");
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "user" + std::to_string(i);
    ASSERT_EQ(text_of(loaded.accounts->find(upper(name), upper("D")).user), name);
  }
}

// Names of up to 120 letters, in three domains each: whatever a name takes in the table,
// it is found, as its own file spells it, and its neighbours are nobody.
TEST_F(AccountsTest, NamesOfAllSizesAreKeptApart) {
  constexpr const char* kDomains[] = {"One", "Two", "Sümmer"};
  const auto name_of = [](std::size_t n) {
    std::string name = std::to_string(n);
    name.resize(std::max(name.size(), n % 120), 'x');
    return name;
  };
  std::string text;
  for (std::size_t n = 0; n < 1500; ++n) {
    for (const char* domain : kDomains) {
      text += domain + (":" + name_of(n)) + "::" + kPasswordHash + "\n";
    }
  }
  const auto loaded = parse(text);
  ASSERT_EQ(loaded.error, "");
  EXPECT_EQ(loaded.accounts->size(), 4500u);
  for (std::size_t n = 0; n < 1500; ++n) {
    const std::string name = name_of(n);
    for (const char* domain : kDomains) {
      const Accounts::Found found = loaded.accounts->find(upper(name), upper(domain));
      ASSERT_EQ(text_of(found.user), name);
      ASSERT_EQ(text_of(found.domain), domain);
      ASSERT_TRUE(std::ranges::equal(found.nt_hash, hex(kPasswordHash)));
    }
    ASSERT_EQ(text_of(loaded.accounts->find(upper(name), {}).domain), "One");
    ASSERT_TRUE(loaded.accounts->find(upper(name), upper("Three")).user.empty());
    ASSERT_TRUE(loaded.accounts->find(upper(name + "y"), upper("One")).user.empty());
    ASSERT_TRUE(loaded.accounts->find(upper(name + "y"), {}).user.empty());
  }
}

TEST_F(AccountsTest, AnEmptyFileKnowsNobody) {
  const auto loaded = parse("# nobody yet\n");
  ASSERT_EQ(loaded.error, "");
  const Accounts::Found found = loaded.accounts->find(upper("alice"), upper("D"));
  EXPECT_TRUE(found.user.empty());
  EXPECT_EQ(found.nt_hash.size(), 16u);
}

struct Refusal {
  const char* text;
  const char* error;
};

TEST_F(AccountsTest, SaysLineAndExpectation) {
  const Refusal refusals[] = {
      {"D:alice\n", "file:1: expected DOMAIN:user:password or DOMAIN:user::NTHASH"},
      {"D:a:b\nalice\n", "file:2: expected DOMAIN:user:password or DOMAIN:user::NTHASH"},
      {"D:alice:\n", "file:1: expected a password; an empty one would let anybody in"},
      {"D::secret\n", "file:1: expected a user name, and no more than 768 bytes of names"},
      {"D:alice::1234\n", "file:1: expected 32 hex digits of the NT hash after '::'"},
      {"D:alice::g4f49c406510bdcab6824ee7c30fd852\n",
       "file:1: expected 32 hex digits of the NT hash after '::'"},
      {"D:al\xff:x\n", "file:1: expected names in UTF-8"},
      {"D:alice:\xff\n", "file:1: expected a password of at most 512 bytes of UTF-8"},
      {"D:alice:a\n\nd:ALICE:b\n", "file:3: an earlier line names this account already"},
      {"D:alice:a\n:alice:b\n", "file:2: an earlier line names this account already"},
  };
  for (const Refusal& refusal : refusals) {
    const auto loaded = parse(refusal.text);
    EXPECT_EQ(loaded.accounts, nullptr);
    EXPECT_EQ(loaded.error, refusal.error);
  }
  EXPECT_EQ(parse(":alice:b\nD:alice:a\n").error, "") << "the twin: the other way round";
  EXPECT_EQ(parse("").error, "") << "nobody may sign on, which is a choice";
}

class AccountsFile : public AccountsTest {
 protected:
  void SetUp() override {
    path = ::testing::TempDir() + "usher-accounts-" + std::to_string(::getpid());
    std::ofstream(path) << "D:alice:secret\n";
  }
  void TearDown() override { ::unlink(path.c_str()); }
  std::string error_with(mode_t mode) {
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return Accounts::load_file(*kit, path).error;
  }
  std::string path;
};

TEST_F(AccountsFile, ThatOthersCanReadIsRefused) {
  EXPECT_EQ(error_with(0600), "");
  EXPECT_EQ(error_with(0640), "") << "the daemon's group may";
  for (const mode_t mode : {0644u, 0602u, 0660u}) {
    EXPECT_NE(error_with(mode).find("chmod 600"), std::string::npos) << std::oct << mode;
  }
}

TEST_F(AccountsFile, ThatIsMissingSaysSo) {
  EXPECT_EQ(Accounts::load_file(*kit, path + "-not").error,
            "accounts " + path + "-not: No such file or directory");
  EXPECT_NE(Accounts::load_file(*kit, ::testing::TempDir()).error.find("not a regular file"),
            std::string::npos);
}

}  // namespace
}  // namespace usher::auth
