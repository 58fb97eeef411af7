// Promise: a client's local user is the one that the first source which knows the client names;
// whatever keeps that source or name services from saying who it is, no later one is asked instead.
#include "engine/users/local_user.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/users/fake_name_services.h"

namespace usher::users {
namespace {

using Outcome = Sought::Outcome;
using Texts = std::vector<std::string>;

constexpr const char* kSid = "S-1-5-21-1-2-3-1104";

class LocalUserTest : public ::testing::Test {
 protected:
  LocalUserTest() {
    settings.services = &services;
    services.accounts = {{"alice", {"alice", 1001, 101}}, {"bob", {"bob", 1002, 102}}};
    services.groups = {{"alice", {101, 7, 8}}, {"bob", {102}}};
    services.locals = {{"alice@R", "alice"}};
    services.sids = {{kSid, 1002}};
  }
  void use_map(const std::string& text) {
    UserMap::Loaded loaded = UserMap::parse(text, "map");
    ASSERT_NE(loaded.map, nullptr) << loaded.error;
    settings.map = std::move(loaded.map);
  }
  void call_itself(const std::string& user) {
    client.user = user;
    client.name = user + "@R";
  }
  Sought find() const {
    Sought sought;
    find_user(settings, client, sought);
    return sought;
  }

  testing::FakeNameServices services;
  Settings settings;
  Client client{.ntlm = false, .user = "alice", .realm = "R", .name = "alice@R", .sid = kSid};
};

TEST_F(LocalUserTest, IsWhomTheRulesOfKrb5Name) {
  const Sought sought = find();
  EXPECT_EQ(sought.outcome, Outcome::kFound);
  EXPECT_EQ(sought.source, Source::kKrb5);
  EXPECT_EQ(sought.user.account.name, "alice");
  EXPECT_EQ(sought.user.account.uid, 1001u);
  EXPECT_EQ(sought.user.account.gid, 101u);
  EXPECT_EQ(sought.user.groups, (std::vector<std::uint32_t>{101, 7, 8}));
  EXPECT_EQ(services.asked(), (Texts{"local alice@R", "name alice", "groups alice"}));
}

TEST_F(LocalUserTest, IsWhomTheFirstSourceThatKnowsTheClientNames) {
  use_map("alice@R bob\n");
  settings.order = {Source::kMap, Source::kKrb5};
  EXPECT_EQ(find().user.account.uid, 1002u);
  EXPECT_EQ(services.asked(), (Texts{"name bob", "groups bob"}));
  settings.order = {Source::kKrb5, Source::kMap};
  EXPECT_EQ(find().user.account.uid, 1001u);
  settings.order = {Source::kWinbind, Source::kMap, Source::kKrb5};
  const Sought by_sid = find();
  EXPECT_EQ(by_sid.outcome, Outcome::kFound);
  EXPECT_EQ(by_sid.source, Source::kWinbind);
  EXPECT_EQ(by_sid.user.account.name, "bob");
  settings.order = {Source::kMap, Source::kKrb5};
  use_map("mallory@R bob\n");
  EXPECT_EQ(find().source, Source::kKrb5);
}

// libwbclient says the same of a SID that nobody has and of a winbindd that reaches nobody.
TEST_F(LocalUserTest, ASidThatWinbindHasNoUserForEndsTheSearch) {
  settings.order = {Source::kWinbind, Source::kKrb5};
  EXPECT_EQ(find().outcome, Outcome::kFound);
  client.sid = "S-1-5-18";
  EXPECT_EQ(find().outcome, Outcome::kRefused);
  EXPECT_STREQ(find().why, "winbindd has no user for the client's SID");
}

// MS-KILE 3.3.5.3: a client may ask for tickets without a PAC, and so without its SID.
TEST_F(LocalUserTest, WhereSidsCountNobodyComesWithoutOne) {
  use_map(std::string(kSid) + " -\n");
  settings.order = {Source::kMap, Source::kKrb5};
  EXPECT_EQ(find().outcome, Outcome::kNobody);
  client.sid = client.account = "";
  EXPECT_EQ(find().outcome, Outcome::kRefused) << "the line would be passed by";
  settings.order = {Source::kWinbind, Source::kKrb5};
  use_map("alice@R bob\n");
  EXPECT_EQ(find().outcome, Outcome::kRefused);
  settings.order = {Source::kMap, Source::kKrb5};
  EXPECT_EQ(find().outcome, Outcome::kFound) << "nobody is told by a SID here";
}

// Of the account "alice$", which everybody may make, a domain gives a ticket as "alice".
TEST_F(LocalUserTest, ANameThatIsNotTheAccountsIsNobodys) {
  client.account = "ALICE";
  EXPECT_EQ(find().outcome, Outcome::kFound) << "in any case";
  client.account = "alice$";
  EXPECT_EQ(find().outcome, Outcome::kRefused);
  EXPECT_STREQ(find().why, "the client's name is not its account's, which its PAC tells");
  use_map("alice@R bob\n");
  settings.order = {Source::kMap};
  EXPECT_EQ(find().outcome, Outcome::kUnknown) << "nor the map's, by name";
  use_map(std::string("alice@R bob\n") + kSid + " alice\n");
  EXPECT_EQ(find().user.account.name, "alice") << "its SID is its own";
}

// A client may spell its name in another case, or come by a UPN: its account is the same.
TEST_F(LocalUserTest, NobodyLeavesItsLineByAnotherSpelling) {
  settings.order = {Source::kMap, Source::kWinbind, Source::kKrb5};
  for (const char* const user : {"mallory", "Mallory", "m.m"}) {
    SCOPED_TRACE(user);
    call_itself(user);
    services.locals[client.name] = "alice";
    use_map("mallory@R -\n");
    for (const char* const account : {"mallory", "MALLORY"}) {
      client.account = account;
      EXPECT_EQ(find().outcome, Outcome::kNobody) << account;
    }
    EXPECT_TRUE(services.asked().empty());
    settings.order = {Source::kMap, Source::kKrb5};
    EXPECT_EQ(find().outcome, Outcome::kNobody);
    use_map("mallory@R alice\n");
    EXPECT_EQ(find().user.account.name, "alice") << "a line for somebody";
    EXPECT_EQ(find().source, Source::kMap);
    settings.order = {Source::kMap, Source::kWinbind, Source::kKrb5};
    use_map("mallory@OTHER -\nmallory$@R -\n");
    EXPECT_EQ(find().source, Source::kWinbind) << "others' lines";
    EXPECT_EQ(find().user.account.name, "bob");
    services.forget();
  }
}

TEST_F(LocalUserTest, ALineForNobodyIsForWhoeverComesByItsName) {
  settings.order = {Source::kMap, Source::kWinbind};
  client.account = "mallory";
  use_map("alice@R -\n");
  EXPECT_EQ(find().outcome, Outcome::kNobody) << "the name is not its account's";
  use_map("alice@R alice\n");
  EXPECT_EQ(find().source, Source::kWinbind) << "nor is the line then";
}

TEST_F(LocalUserTest, Krb5sRulesAreForPlainNames) {
  for (const char* const user : {"alice$", "alice/R", "alice\\@R", "alice\\nroot", ""}) {
    client.user = user;
    services.locals[std::string(user) + "@R"] = "alice";
    EXPECT_EQ(find().outcome, Outcome::kUnknown) << user;
  }
  client.user = "alice";
  for (const char* const local :
       {"alice@OTHER", "a b", "-alice", "", "R\\alice", "a\nroot", "a:b"}) {
    services.locals["alice@R"] = local;
    EXPECT_EQ(find().outcome, Outcome::kRefused) << local;
  }
  EXPECT_TRUE(std::ranges::none_of(
      services.asked(), [](const std::string& what) { return what.starts_with("name "); }));
}

// Whoever may name accounts could name one "root".
TEST_F(LocalUserTest, OnlyTheMapSaysWhoIsRoot) {
  services.accounts = {{"root", {"root", 0, 0}}};
  services.groups = {{"root", {0}}};
  services.locals = {{"alice@R", "root"}};
  services.sids[kSid] = 0;
  for (const Source source : {Source::kKrb5, Source::kWinbind}) {
    settings.order = {source};
    EXPECT_EQ(find().outcome, Outcome::kRefused);
    EXPECT_STREQ(find().why, "only the map of users can say that a client is root");
  }
  use_map("alice@R root\n");
  settings.order = {Source::kMap};
  EXPECT_EQ(find().outcome, Outcome::kFound);
}

// System calls take it for "leave it as it is" (setresuid(2)), which is the server.
TEST_F(LocalUserTest, ANumberThatStandsForNoneIsNobodys) {
  use_map("alice@R alice\n");
  services.sids[kSid] = UINT32_MAX;
  const auto expect = [this](Outcome outcome) {
    for (const Source source : {Source::kMap, Source::kKrb5, Source::kWinbind}) {
      settings.order = {source};
      EXPECT_EQ(find().outcome, outcome) << word_of(source);
      if (outcome == Outcome::kRefused) {
        EXPECT_STREQ(find().why, "name services tell a number that stands for no user or group");
      }
    }
  };
  services.accounts = {{"alice", {"alice", UINT32_MAX, 101}}};
  expect(Outcome::kRefused);
  services.sids[kSid] = UINT32_MAX - 1;
  services.accounts = {{"alice", {"alice", UINT32_MAX - 1, UINT32_MAX}}};
  expect(Outcome::kRefused);
  services.accounts = {{"alice", {"alice", UINT32_MAX - 1, UINT32_MAX - 1}}};
  services.groups["alice"] = {7, UINT32_MAX};
  expect(Outcome::kRefused);
  services.groups["alice"] = {7, UINT32_MAX - 1};
  expect(Outcome::kFound);
}

TEST_F(LocalUserTest, IsNobodyIfTheMapSaysSo) {
  use_map("alice@R -\n");
  settings.order = {Source::kMap, Source::kWinbind, Source::kKrb5};
  EXPECT_EQ(find().outcome, Outcome::kNobody);
  EXPECT_TRUE(services.asked().empty());
}

TEST_F(LocalUserTest, IsUnknownIfNobodyKnows) {
  client.user = "mallory";
  client.name = "mallory@R";
  client.sid = "S-1-5-18";
  use_map("alice@R bob\n");
  settings.order = {Source::kMap, Source::kKrb5};
  EXPECT_EQ(find().outcome, Outcome::kUnknown);
}

TEST_F(LocalUserTest, AnNtlmClientIsNotAskedAboutInKrb5Conf) {
  client = {.ntlm = true, .user = "alice", .realm = "R", .name = "R\\alice", .sid = ""};
  EXPECT_EQ(find().outcome, Outcome::kUnknown);
  EXPECT_TRUE(services.asked().empty());
}

// A later source may name somebody else.
TEST_F(LocalUserTest, WhomNameServicesDoNotKnowIsNotLookedForElsewhere) {
  use_map("alice@R carol\n");
  settings.order = {Source::kMap, Source::kKrb5};
  Sought sought = find();
  EXPECT_EQ(sought.outcome, Outcome::kNoSuchUser);
  EXPECT_EQ(sought.source, Source::kMap);
  EXPECT_EQ(sought.user.account.name, "carol");
  services.sids[kSid] = 4711;
  settings.order = {Source::kWinbind, Source::kKrb5};
  sought = find();
  EXPECT_EQ(sought.outcome, Outcome::kNoSuchUser);
  EXPECT_EQ(sought.user.account.uid, 4711u);
}

TEST_F(LocalUserTest, AFailureEndsTheSearch) {
  settings.order = {Source::kWinbind, Source::kKrb5};
  services.sids.clear();
  services.sids_otherwise = Known::kFailed;
  EXPECT_EQ(find().outcome, Outcome::kFailed) << "winbindd";
  EXPECT_EQ(find().source, Source::kWinbind);
  settings.order = {Source::kKrb5, Source::kWinbind};
  services.groups.clear();
  EXPECT_EQ(find().outcome, Outcome::kFailed) << "groups";
  services.accounts.clear();
  services.otherwise = Known::kFailed;
  EXPECT_EQ(find().outcome, Outcome::kFailed) << "names";
  services.locals.clear();
  EXPECT_EQ(find().outcome, Outcome::kFailed) << "krb5.conf";
  services.out_of_memory = true;
  EXPECT_EQ(find().outcome, Outcome::kNoMemory);
}

class UserSettings : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "usher-users-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    map = (folder / "map").string();
    std::ofstream(map) << "a@R a\n";
    ASSERT_EQ(::chmod(map.c_str(), 0600), 0);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::filesystem::path folder;
  std::string map;
  Settings settings;
};

using Order = std::vector<Source>;

TEST_F(UserSettings, HaveDefaults) {
  EXPECT_EQ(read_settings(nullptr, nullptr, settings), "");
  EXPECT_EQ(settings.order, Order{Source::kKrb5});
  EXPECT_EQ(read_settings("", "", settings), "");
  EXPECT_EQ(settings.order, Order{Source::kKrb5});
  EXPECT_EQ(settings.map, nullptr);
  EXPECT_EQ(read_settings(nullptr, map.c_str(), settings), "");
  EXPECT_EQ(settings.order, (Order{Source::kMap, Source::kKrb5}));
  ASSERT_NE(settings.map, nullptr);
  EXPECT_EQ(settings.map->size(), 1u);
}

TEST_F(UserSettings, KeepTheOrder) {
  EXPECT_EQ(read_settings("krb5, map", map.c_str(), settings), "");
  EXPECT_EQ(settings.order, (Order{Source::kKrb5, Source::kMap}));
  EXPECT_EQ(read_settings(" map ", map.c_str(), settings), "");
  EXPECT_EQ(settings.order, Order{Source::kMap});
}

TEST_F(UserSettings, HaveWinbindWhereItIsBuiltIn) {
  const std::string wrong = read_settings("winbind,krb5", nullptr, settings);
  if (winbind_is_built_in()) {
    EXPECT_EQ(wrong, "");
    EXPECT_EQ(settings.order, (Order{Source::kWinbind, Source::kKrb5}));
  } else {
    EXPECT_NE(wrong.find("without libwbclient"), std::string::npos) << wrong;
  }
}

TEST_F(UserSettings, RefuseWhatTheyDoNotUnderstand) {
  const auto wrong = [this](const char* words, const char* path) {
    return read_settings(words, path, settings);
  };
  EXPECT_NE(wrong("ldap", nullptr).find("\"ldap\" is none of"), std::string::npos);
  EXPECT_NE(wrong("krb5,", nullptr).find("\"\" is none of"), std::string::npos);
  EXPECT_NE(wrong(",", nullptr).find("\"\" is none of"), std::string::npos);
  EXPECT_NE(wrong("KRB5", nullptr).find("is none of"), std::string::npos);
  EXPECT_NE(wrong("krb5,krb5", nullptr).find("twice"), std::string::npos);
  EXPECT_NE(wrong("map,krb5", nullptr).find("needs a UserMap"), std::string::npos);
  EXPECT_NE(wrong("krb5", map.c_str()).find("does not have \"map\""), std::string::npos);
  EXPECT_NE(wrong("map", (map + "-not").c_str()).find("No such file"), std::string::npos);
  std::ofstream(map) << "a\n";
  EXPECT_NE(wrong("map", map.c_str()).find(":1: expected"), std::string::npos);
}

// The machine's own name services: whoever runs this test is one of its users, or none.
TEST(SystemNameServices, KnowsWhoRunsThis) {
  const NameServices& services = system_name_services();
  Account by_number;
  const Known known = services.account_numbered(::getuid(), by_number);
  if (known == Known::kNo) {
    GTEST_SKIP() << "the user who runs this has no entry";
  }
  ASSERT_EQ(known, Known::kYes);
  EXPECT_EQ(by_number.uid, ::getuid());
  Account by_name;
  ASSERT_EQ(services.account_named(by_number.name, by_name), Known::kYes);
  EXPECT_EQ(by_name.name, by_number.name);
  EXPECT_EQ(by_name.gid, by_number.gid);
  std::vector<std::uint32_t> groups;
  ASSERT_EQ(services.groups_of(by_name, groups), Known::kYes);
  EXPECT_NE(std::ranges::find(groups, by_name.gid), groups.end());
}

TEST(SystemNameServices, KnowsWhoIsNot) {
  Account account;
  EXPECT_EQ(system_name_services().account_named("usher-nobody-has-this-name", account),
            Known::kNo);
  EXPECT_EQ(system_name_services().account_numbered(4'000'000'123, account), Known::kNo);
}

TEST(SystemNameServices, AppliesTheRulesOfKrb5Conf) {
  std::string pattern = (std::filesystem::temp_directory_path() / "usher-krb5-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  const std::string conf = (folder / "krb5.conf").string();
  std::ofstream(conf) << "[libdefaults]\n default_realm = EXAMPLE.ORG\n[realms]\n"
                         " EXAMPLE.ORG = {\n  auth_to_local = RULE:[1:$1@$0](^.*@OTHER$)s/@.*//\n"
                         "  auth_to_local = DEFAULT\n }\n";
  ::setenv("KRB5_CONFIG", conf.c_str(), 1);
  const NameServices& services = system_name_services();
  std::string name;
  EXPECT_EQ(services.local_name("alice", "EXAMPLE.ORG", name), Known::kYes);
  EXPECT_EQ(name, "alice");
  EXPECT_EQ(services.local_name("bob", "OTHER", name), Known::kYes);
  EXPECT_EQ(name, "bob");
  EXPECT_EQ(services.local_name("alice", "ELSEWHERE", name), Known::kNo);
  EXPECT_EQ(services.local_name("HTTP/web", "EXAMPLE.ORG", name), Known::kNo);
  EXPECT_EQ(services.local_name("alice\\@EXAMPLE.ORG", "ELSEWHERE", name), Known::kNo)
      << "an at sign in a name begins no realm";
  std::ofstream(conf) << "[realms\n";
  EXPECT_EQ(services.local_name("alice", "EXAMPLE.ORG", name), Known::kFailed);
  ::unsetenv("KRB5_CONFIG");
  std::filesystem::remove_all(folder);
}

TEST(SystemNameServices, DoesNotMapASidThatIsNone) {
  std::uint32_t uid = 0;
  EXPECT_EQ(system_name_services().uid_of_sid("no SID", uid),
            winbind_is_built_in() ? Known::kNo : Known::kFailed);
}

}  // namespace
}  // namespace usher::users
