// Promise: a map file names each client's local user, by name or SID, lines for nobody first, else
// the first line; a line that could mean something else than it says, or a file that others may
// write, is refused with the place.
#include "engine/users/user_map.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace usher::users {
namespace {

constexpr const char* kSid = "S-1-5-21-1004336348-1177238915-682003330-1104";

Client kerberos(std::string user, std::string realm, std::string sid = "") {
  const std::string name = user + "@" + realm;
  return {.ntlm = false, .user = user, .realm = realm, .name = name, .sid = sid};
}
Client ntlm(std::string domain, std::string user, std::string sid = "") {
  const std::string name = domain + "\\" + user;
  return {.ntlm = true, .user = user, .realm = domain, .name = name, .sid = sid};
}

std::string found(const UserMap& map, const Client& client) {
  const std::string* const user = map.find(client);
  return user == nullptr ? "(none)" : *user;
}

TEST(UserMap, FindsClientsByNameAndBySid) {
  const auto [map, error] = UserMap::parse(
      "# Who is who.\n"
      "\n"
      "alice@EXAMPLE.ORG   alice\r\n"
      "\t EXAMPLE\\Bob \t bob   # of the old domain\n"
      "\\carol\tcarol\n"
      "S-1-5-21-1004336348-1177238915-682003330-1104 dave\n"
      "HTTP/web.example.org@EXAMPLE.ORG www-data\n"
      "eve@EXAMPLE.ORG -\n"
      "EXAMPLE\\John Smith\tjohn\n"
      "EXAMPLE\\a#b\thash\n"
      "\\frank@example.org\tfrank\n"
      " \"EXAMPLE\\Jane #2 Smith\" jane # in quotes\n"
      "\"Jim Smith@EXAMPLE.ORG\"\tjim\r\n"
      "Joe Smith@EXAMPLE.ORG \t joe\n"
      "\"S-1-5-18\" system\n"
      "a\\@b.org@EXAMPLE.ORG enterprise\n"
      "S-1-0x123456789abc-1 hex\n"
      "   # nothing",
      "map");
  ASSERT_NE(map, nullptr) << error;
  EXPECT_EQ(error, "");
  EXPECT_EQ(map->size(), 15u);
  EXPECT_EQ(found(*map, kerberos("alice", "EXAMPLE.ORG")), "alice");
  EXPECT_EQ(found(*map, ntlm("EXAMPLE", "Bob")), "bob");
  EXPECT_EQ(found(*map, ntlm("", "carol")), "carol");
  EXPECT_EQ(found(*map, kerberos("dave", "ELSEWHERE", kSid)), "dave");
  EXPECT_EQ(found(*map, ntlm("ELSEWHERE", "dave", kSid)), "dave");
  EXPECT_EQ(found(*map, kerberos("HTTP/web.example.org", "EXAMPLE.ORG")), "www-data");
  EXPECT_EQ(found(*map, kerberos("eve", "EXAMPLE.ORG")), "-");
  EXPECT_EQ(found(*map, ntlm("EXAMPLE", "John Smith")), "john");
  EXPECT_EQ(found(*map, ntlm("EXAMPLE", "a#b")), "hash");
  EXPECT_EQ(found(*map, ntlm("", "frank@example.org")), "frank");
  EXPECT_EQ(found(*map, kerberos("a\\@b.org", "EXAMPLE.ORG")), "enterprise");
  EXPECT_EQ(found(*map, kerberos("x", "Y", "S-1-0x123456789abc-1")), "hex");
  EXPECT_EQ(found(*map, ntlm("EXAMPLE", "Jane #2 Smith")), "jane");
  EXPECT_EQ(found(*map, kerberos("Jim Smith", "EXAMPLE.ORG")), "jim");
  EXPECT_EQ(found(*map, kerberos("Joe Smith", "EXAMPLE.ORG")), "joe");
  EXPECT_EQ(found(*map, kerberos("x", "Y", "S-1-5-18")), "system");
  EXPECT_EQ(found(*map, ntlm("EXAMPLE", "John")), "(none)");
  EXPECT_EQ(found(*map, kerberos("mallory", "EXAMPLE.ORG")), "(none)");
  EXPECT_EQ(found(*map, kerberos("alice", "EXAMPLE.ORG.")), "(none)");
  EXPECT_EQ(found(*map, kerberos("x", "Y", "S-1-5-21-1004336348-1177238915-682003330-110")),
            "(none)");
}

// Windows compares names without regard to case; RFC 4120 6 does not.
TEST(UserMap, ComparesNtlmNamesInUpperCaseAndPrincipalsAsTheyAre) {
  const auto [map, error] = UserMap::parse(
      "EXAMPLE\\J\xc3\xbcrgen\tjuergen\nalice@EXAMPLE.ORG alice\nAlice@EXAMPLE.ORG other\n", "map");
  ASSERT_NE(map, nullptr) << error;
  EXPECT_EQ(found(*map, ntlm("example", "J\xc3\x9cRGEN")), "juergen");
  EXPECT_EQ(found(*map, kerberos("alice", "EXAMPLE.ORG")), "alice");
  EXPECT_EQ(found(*map, kerberos("Alice", "EXAMPLE.ORG")), "other");
  EXPECT_EQ(found(*map, kerberos("ALICE", "EXAMPLE.ORG")), "(none)");
  EXPECT_EQ(found(*map, kerberos("alice", "example.org")), "(none)");
}

// Upper case as utf8proc has it makes I of a dotless i and S of a long s; no domain does.
TEST(UserMap, DoesNotMakeAsciiOfWhatIsNone) {
  const auto [map, error] = UserMap::parse(
      "E\\SIM\tsim\nE\\\xc4\xb1rmak\tirmak\nE\\kelvin\tkelvin\nE\\\xc3\xa9x\tex\n", "map");
  ASSERT_NE(map, nullptr) << error;
  EXPECT_EQ(found(*map, ntlm("e", "sim")), "sim");
  EXPECT_EQ(found(*map, ntlm("E", "\xc5\xbfim")), "(none)") << "U+017F";
  EXPECT_EQ(found(*map, ntlm("E", "s\xc4\xb1m")), "(none)") << "U+0131";
  EXPECT_EQ(found(*map, ntlm("E", std::string("\xe2\x84\xaa") + "elvin")), "(none)") << "U+212A";
  EXPECT_EQ(found(*map, ntlm("E", "KELVIN")), "kelvin");
  EXPECT_EQ(found(*map, ntlm("E", "irmak")), "(none)") << "nor in a line";
  EXPECT_EQ(found(*map, ntlm("E", "IRMAK")), "(none)");
  EXPECT_EQ(found(*map, ntlm("e", "\xc4\xb1RMAK")), "irmak") << "it is itself";
  EXPECT_EQ(found(*map, ntlm("e", "\xc3\x89X")), "ex") << "others fold";
}

TEST(UserMap, TheFirstLineThatNamesAClientStands) {
  const std::string sid = kSid;
  const auto name_first = UserMap::parse("a@R one\n" + sid + " two\n", "map");
  const auto sid_first = UserMap::parse(sid + " two\na@R one\n", "map");
  ASSERT_NE(name_first.map, nullptr) << name_first.error;
  ASSERT_NE(sid_first.map, nullptr) << sid_first.error;
  EXPECT_EQ(found(*name_first.map, kerberos("a", "R", sid)), "one");
  EXPECT_EQ(found(*name_first.map, kerberos("b", "R", sid)), "two");
  EXPECT_EQ(found(*sid_first.map, kerberos("a", "R", sid)), "two");
  EXPECT_EQ(found(*sid_first.map, kerberos("a", "R")), "one");
}

TEST(UserMap, ALineForNobodyStandsWhereverItIs) {
  const std::string sid = kSid;
  for (const std::string& lines : {"a@R one\n" + sid + " -\n", sid + " -\na@R one\n",
                                   sid + " one\na@R -\n", "a@R -\n" + sid + " one\n"}) {
    const auto [map, error] = UserMap::parse(lines, "map");
    ASSERT_NE(map, nullptr) << error;
    EXPECT_EQ(found(*map, kerberos("a", "R", sid)), "-") << lines;
  }
  const auto ntlm_name = UserMap::parse("R\\a\t-\n" + sid + " one\n", "map");
  ASSERT_NE(ntlm_name.map, nullptr) << ntlm_name.error;
  EXPECT_EQ(found(*ntlm_name.map, kerberos("a", "R", sid)), "one") << "not this client's";
}

// Which of an account's lines it is for must not be what the client has chosen to be called.
TEST(UserMap, OfAnAccountsLinesTheClientDoesNotChoose) {
  const std::string sid = kSid;
  const auto [map, error] = UserMap::parse(
      "alice@R one\nAlice@R other\nbob@R two\nBob@R two\neve@R three\nEve@R -\n"
      "m.m@R four\nmallory@R five\na\\@b@C\\/D six\n" +
          sid + " seven\n",
      "map");
  ASSERT_NE(map, nullptr) << error;
  const auto found_of = [&](const char* user, const char* account, const char* realm = "R") {
    Client client = kerberos(user, realm, "S-1-5-18");
    client.account = account;
    return found(*map, client);
  };
  for (const char* const spelled : {"alice", "Alice", "ALICE", "a.a"}) {
    EXPECT_EQ(found_of(spelled, "alice"), "-") << "two lines for two users: " << spelled;
    EXPECT_EQ(found_of(spelled, "bob"), "two") << "and for one";
    EXPECT_EQ(found_of(spelled, "eve"), "-") << "one is for nobody";
    EXPECT_EQ(found_of(spelled, "carol"), "(none)");
  }
  EXPECT_EQ(found_of("m.m", "mallory"), "five") << "not the name that it has chosen";
  EXPECT_EQ(found_of("b", "a@b", "C/D"), "six") << "quoted as in the line";
  EXPECT_EQ(found_of("b", "a@b"), "(none)");
  Client late = kerberos("x", "R", sid);
  late.account = "alice";
  EXPECT_EQ(found(*map, late), "-") << "two lines for two users, and one for its SID";
  late.account = "carol";
  EXPECT_EQ(found(*map, late), "seven");
}

// Without a SID the PAC is of no domain of Active Directory, and "Alice" may be somebody else.
TEST(UserMap, WithoutASidOnlyALineForNobodyIsInAnyCase) {
  const auto [map, error] =
      UserMap::parse("alice@R one\nAlice@R two\nbob@R three\nEve@R -\n", "map");
  ASSERT_NE(map, nullptr) << error;
  const auto found_of = [&](const char* user) {
    Client client = kerberos(user, "R");
    client.account = user;
    return found(*map, client);
  };
  EXPECT_EQ(found_of("alice"), "one");
  EXPECT_EQ(found_of("Alice"), "two");
  EXPECT_EQ(found_of("bob"), "three");
  EXPECT_EQ(found_of("Bob"), "(none)");
  EXPECT_EQ(found_of("eve"), "-");
}

// A principal whose text is spelled like an NTLM name is not that client, nor the other way round.
TEST(UserMap, KeepsTheTwoKindsOfNamesApart) {
  const auto [map, error] = UserMap::parse("EXAMPLE\\nobody@R\tntlm\nX\\\\y@R kerberos\n", "map");
  ASSERT_NE(map, nullptr) << error;
  EXPECT_EQ(found(*map, ntlm("EXAMPLE", "nobody@R")), "ntlm");
  EXPECT_EQ(found(*map, kerberos("EXAMPLE\\nobody", "R")), "(none)") << "a line feed in its name";
  EXPECT_EQ(found(*map, kerberos("X\\\\y", "R")), "kerberos");
  EXPECT_EQ(found(*map, ntlm("X", "\\y@R")), "(none)");
}

TEST(UserMap, AnEmptyOneKnowsNobody) {
  for (const char* text : {"", "\n\n", "# only a comment", "   \t "}) {
    const auto [map, error] = UserMap::parse(text, "map");
    ASSERT_NE(map, nullptr) << error;
    EXPECT_EQ(map->size(), 0u);
    EXPECT_EQ(found(*map, kerberos("alice", "R")), "(none)");
  }
}

struct Bad {
  const char* name;
  std::string text;
  std::string error;  // How it begins.
};

class UserMapBad : public ::testing::TestWithParam<Bad> {};

TEST_P(UserMapBad, IsRefusedWithItsLine) {
  const auto [map, error] = UserMap::parse(GetParam().text, "map");
  EXPECT_EQ(map, nullptr);
  EXPECT_TRUE(error.starts_with(GetParam().error)) << error;
}

const std::string kLong(770, 'x');

INSTANTIATE_TEST_SUITE_P(
    Lines, UserMapBad,
    ::testing::Values(
        Bad{"OneWord", "a@R a\nb@R\n", "map:2: expected a client, white space"},
        Bad{"AllComment", "b@R # b", "map:1: expected a client, white space"},
        Bad{"NoRealmNoDomain", "alice alice", "map:1: expected name@REALM"},
        Bad{"EmptyRealm", "alice@ alice", "map:1: expected name@REALM"},
        Bad{"EmptyPrincipal", "@REALM alice", "map:1: expected name@REALM"},
        Bad{"EmptyNtlmUser", "EXAMPLE\\ alice", "map:1: expected name@REALM"},
        Bad{"EscapedAtSignOnly", "alice\\@\talice\n# \\@ is an NTLM name, but of nobody\n@ x",
            "map:3: expected name@REALM"},
        Bad{"Repeated", "a@R one\nb@R two\na@R three\nb@R four\n", "map:3: an earlier line"},
        Bad{"RepeatedInAnotherCase", "D\\a\tone\nd\\A\ttwo\n", "map:2: an earlier line"},
        Bad{"RepeatedSid", "S-1-5-18 a\nS-1-5-18 b\n", "map:2: an earlier line"},
        Bad{"SidWithoutSubAuthority", "S-1-5 a", "map:1: expected a SID"},
        Bad{"SidEndsEarly", "S-1-5- a", "map:1: expected a SID"},
        Bad{"SidZeroInFront", "S-1-5-021 a", "map:1: expected a SID"},
        Bad{"SidNumberTooLarge", "S-1-5-4294967296 a", "map:1: expected a SID"},
        Bad{"SidAuthorityTooLarge", "S-1-281474976710656-1 a", "map:1: expected a SID"},
        Bad{"SidHexWhereDecimal", "S-1-0x5-1 a", "map:1: expected a SID"},
        Bad{"SidTooManyParts", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16 a",
            "map:1: expected a SID"},
        Bad{"SidWithRest", "S-1-5-18x a", "map:1: expected a SID"},
        Bad{"NotUtf8Client", "al\xff@R a", "map:1: expected names in UTF-8"},
        Bad{"NotUtf8User", "alice@R \xc3\x28", "map:1: expected names in UTF-8"},
        Bad{"Nul", std::string("a\0@R a", 6), "map:1: expected names without control"},
        Bad{"ControlCharacter", "a@R a\x01", "map:1: expected names without control"},
        Bad{"TabInside", "D\\a\tb c", "map:1: expected a tab or quotes"},
        Bad{"TabInQuotes", "\"D\\a\tb\" c", "map:1: expected names without control"},
        Bad{"UserForgotten", "a@R a\nD\\John Smith", "map:2: expected a tab or quotes"},
        Bad{"UserForgottenBeforeATab", "D\\John Smith\t", "map:1: expected a tab or quotes"},
        Bad{"UserForgottenInQuotes", "\"D\\John Smith\"", "map:1: expected a client, white"},
        Bad{"BlankInAName", "John Smith@R john", "map:1: expected a tab or quotes"},
        Bad{"BlankInAnNtlmName", "D\\John Smith john", "map:1: expected a tab or quotes"},
        Bad{"BlankInAUser", "a@R\ta b", "map:1: expected a tab or quotes"},
        Bad{"BlankInAQuotedOnesUser", "\"a@R\" a b", "map:1: expected a tab or quotes"},
        Bad{"HashBehindABlank", "D\\John #2\tjohn", "map:1: expected a client, white"},
        Bad{"HashBehindTwo", "D\\John Smith #2\tjohn", "map:1: expected a tab or quotes"},
        Bad{"TwoCarriageReturns", "a@R a\r\r", "map:1: expected names without control"},
        Bad{"HashBehindTheDomain", "D\\ #2\tjohn", "map:1: expected a client, white"},
        Bad{"QuoteOpen", "\"D\\a b", "map:1: expected a quote"},
        Bad{"QuoteThenNoBlank", "\"D\\a\"b", "map:1: expected a client, white"},
        Bad{"QuotedNothing", "\"\" a", "map:1: expected name@REALM"},
        Bad{"QuotedBlankInFront", "\" D\\a\" a", "map:1: expected no blanks"},
        Bad{"QuotedBlankBehind", "\"D\\a \" a", "map:1: expected no blanks"},
        Bad{"UserAtRealm", "a@R a@R", "map:1: expected a local user's plain name"},
        Bad{"UserOfADomain", "a@R R\\a", "map:1: expected a local user's plain name"},
        Bad{"UserWithSlash", "a@R a/b", "map:1: expected a local user's plain name"},
        Bad{"UserWithColon", "a@R a:b", "map:1: expected a local user's plain name"},
        Bad{"UserLikeAnOption", "a@R -a", "map:1: expected a local user's plain name"},
        Bad{"LongClient", kLong + "@R a", "map:1: expected a client of at most"},
        Bad{"LongUser", "a@R " + kLong.substr(0, 256), "map:1: expected a client of at most"},
        Bad{"ByteOrderMark",
            "\xef\xbb\xbf"
            "a@R a",
            "map:1: expected no byte order mark"}),
    [](const auto& bad) { return bad.param.name; });

TEST(UserMap, TakesTheLongestNames) {
  const std::string user(255, 'u');
  const std::string client = kLong.substr(0, 767);
  const auto [map, error] = UserMap::parse(client + "@R " + user, "map");
  ASSERT_NE(map, nullptr) << error;
  EXPECT_EQ(found(*map, kerberos(client, "R")), user);
}

class UserMapFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "usher-map-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    path = folder / "map";
    std::ofstream(path) << "a@R a\n";
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string refusal() const {
    const auto [map, error] = UserMap::load_file(path);
    EXPECT_EQ(map == nullptr, !error.empty());
    return error;
  }

  std::filesystem::path folder;
  std::filesystem::path path;
};

TEST_F(UserMapFile, MayBeWrittenByItsOwnerAlone) {
  for (const mode_t mode : {0644u, 0600u, 0444u, 0755u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(refusal(), "") << std::oct << mode;
  }
  for (const mode_t mode : {0664u, 0646u, 0666u, 0620u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_NE(refusal().find("writable by others"), std::string::npos) << std::oct << mode;
  }
}

TEST_F(UserMapFile, IsOwnedByRootOrThisUser) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a file away";
  }
  ASSERT_EQ(::chown(path.c_str(), 54321, 0), 0);
  EXPECT_NE(refusal().find("owned by somebody"), std::string::npos);
  ASSERT_EQ(::seteuid(54321), 0);
  EXPECT_NE(refusal(), "") << "its folder is root's";
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  ASSERT_EQ(::seteuid(54321), 0);
  EXPECT_EQ(refusal(), "") << "it is this user's";
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  ASSERT_EQ(::seteuid(54321), 0);
  EXPECT_EQ(refusal(), "") << "it is root's";
  ASSERT_EQ(::seteuid(0), 0);
}

TEST_F(UserMapFile, MustBeAFile) {
  path = folder;
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  path = folder / "absent";
  EXPECT_NE(refusal().find("No such file"), std::string::npos);
  path = folder / "map";
  std::filesystem::resize_file(path, UserMap::kFileSizeMax + 1);
  EXPECT_NE(refusal().find("larger than"), std::string::npos);
}

}  // namespace
}  // namespace usher::users
