// tools/usherd/config.h: what an operator writes means one thing, and a mistake is named with its
// place and what was expected.
#include "tools/usherd/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tools/usherd/settings.h"

namespace usherd {
namespace {

class UsherdConfig : public ::testing::Test {
 protected:
  UsherdConfig() : file_(::testing::TempDir() + "usherd_config_" + std::to_string(getpid())) {}
  ~UsherdConfig() override { unlink(file_.c_str()); }

  std::optional<Config> load(const std::string& text, std::vector<std::string> flags = {}) {
    std::ofstream(file_) << text;
    flags.insert(flags.begin(), {"usherd", "--config", file_});
    return load_flags(flags);
  }
  std::optional<Config> load_flags(const std::vector<std::string>& flags) {
    std::vector<const char*> argv;
    for (const std::string& flag : flags) {
      argv.push_back(flag.c_str());
    }
    out_.str({});
    errors_.str({});
    exit_code_ = 0;
    return load_config(static_cast<int>(argv.size()), argv.data(), out_, errors_, exit_code_);
  }

  std::string file_;
  std::ostringstream out_;
  std::ostringstream errors_;
  int exit_code_ = 0;
};

TEST_F(UsherdConfig, ReadsEverySettingFromAFile) {
  const auto config = load(R"(
keytab = "/etc/krb5.keytab"
kdc_keytab = "/etc/krbtgt.keytab"
accounts = "/etc/usherd.accounts"
authority = "winbind"
authority_seconds = 3
authority_threads = 2
authority_questions = 16
replay_file = "/run/usherd/replays"
packages = "negotiate,!kerberos"
slots = 100
connections = 200
workers = 2
half_open_seconds = 7
replay_entries = 4096
ticket_entries = 16
idle_seconds = 8
request_seconds = 9
drain_seconds = 10
connection_header = "X-Auth-Connection"
log_level = "warn"
[listen]
tcp = ["127.0.0.1:0", "[::1]:0"]
unix = ["/run/usherd.sock"]
unix_mode = 0o600
[ntlm]
netbios_domain = "EXAMPLE"
netbios_computer = "WEB"
dns_domain = "example.test"
dns_computer = "web.example.test"
[policy]
"kerberos.skew" = 60
[policy.ntlm]
mic = "always"
)");
  ASSERT_TRUE(config) << errors_.str();
  EXPECT_EQ(config->listen_tcp, (std::vector<std::string>{"127.0.0.1:0", "[::1]:0"}));
  EXPECT_EQ(config->listen_unix, std::vector<std::string>{"/run/usherd.sock"});
  EXPECT_EQ(config->unix_mode, 0600);
  EXPECT_EQ(config->keytab, "/etc/krb5.keytab");
  EXPECT_EQ(config->kdc_keytab, "/etc/krbtgt.keytab");
  EXPECT_EQ(config->accounts, "/etc/usherd.accounts");
  EXPECT_EQ(config->authority, "winbind");
  EXPECT_EQ(config->authority_seconds, 3);
  EXPECT_EQ(config->authority_threads, 2);
  EXPECT_EQ(config->authority_questions, 16);
  EXPECT_EQ(config->replay_file, "/run/usherd/replays");
  EXPECT_TRUE(config->allow_ntlm);
  EXPECT_FALSE(config->allow_kerberos);
  EXPECT_EQ(config->slots, 100);
  EXPECT_EQ(config->connections, 200);
  EXPECT_EQ(config->workers, 2);
  EXPECT_EQ(config->half_open_seconds, 7);
  EXPECT_EQ(config->replay_entries, 4096);
  EXPECT_EQ(config->ticket_entries, 16);
  EXPECT_EQ(config->idle_seconds, 8);
  EXPECT_EQ(config->request_seconds, 9);
  EXPECT_EQ(config->drain_seconds, 10);
  EXPECT_EQ(config->connection_header, "X-Auth-Connection");
  EXPECT_EQ(config->log_level, "warn");
  EXPECT_EQ(config->ntlm.netbios_domain, "EXAMPLE");
  EXPECT_EQ(config->ntlm.dns_computer, "web.example.test");
  EXPECT_EQ(config->policy.skew_s, 60) << "a quoted key with dots";
  EXPECT_TRUE(config->policy.ntlm_mic_always) << "a nested table";
  EXPECT_FALSE(config->check_only);
}

// What is refused elsewhere (UsherdConfigMistake) is all right in strings and comments.
TEST_F(UsherdConfig, TakesAnyCharactersInStringsAndComments) {
  const std::string dots(100, '.');
  const auto config = load("\xef\xbb\xbf# é " + dots + R"(
keytab = "/é\"/[[[[[[[[[[[[[[[[[[[["  # é "
accounts = '/é\'  # '
ntlm.dns_domain = '''a.b''c.'''''
connection_header = """\
  X"""
listen.unix = ["""/\
  é""", ")" + dots + "\"]\n");
  ASSERT_TRUE(config) << errors_.str();
  EXPECT_EQ(config->keytab, "/é\"/[[[[[[[[[[[[[[[[[[[[");
  EXPECT_EQ(config->accounts, "/é\\");
  EXPECT_EQ(config->ntlm.dns_domain, "a.b''c.''");
  EXPECT_EQ(config->listen_unix, (std::vector<std::string>{"/é", dots}));
}

TEST_F(UsherdConfig, FlagsWinOverTheFile) {
  const auto config =
      load("keytab = \"a\"\nslots = 1\n[listen]\ntcp = [\"x:1\"]\n",
           {"--slots", "2", "--listen-tcp", "y:2", "--listen-tcp", "z:3", "--listen-unix-mode",
            "0o640", "--policy", "kerberos.skew=10", "--policy", "ntlm.mic=always", "--check"});
  ASSERT_TRUE(config) << errors_.str();
  EXPECT_EQ(config->keytab, "a");
  EXPECT_EQ(config->slots, 2);
  EXPECT_EQ(config->listen_tcp, (std::vector<std::string>{"y:2", "z:3"}));
  EXPECT_EQ(config->unix_mode, 0640);
  EXPECT_EQ(config->policy.skew_s, 10);
  EXPECT_TRUE(config->policy.ntlm_mic_always);
  EXPECT_TRUE(config->check_only);
}

TEST_F(UsherdConfig, ListensOnTheLoopbackUnlessToldOtherwise) {
  EXPECT_EQ(load_flags({"usherd", "--keytab", "a"})->listen_tcp,
            std::vector<std::string>{"127.0.0.1:8080"});
  const auto local = load_flags({"usherd", "--keytab", "a", "--listen-unix", "/x"});
  EXPECT_TRUE(local->listen_tcp.empty());
}

TEST_F(UsherdConfig, TakesAnAuthorityInPlaceOfAccounts) {
  EXPECT_TRUE(load_flags({"usherd", "--authority", "winbind"})) << errors_.str();
  EXPECT_FALSE(load_flags({"usherd", "--authority", "winbind", "--packages", "negotiate,!ntlm"}))
      << "nobody could sign on";
  EXPECT_FALSE(
      load_flags({"usherd", "--authority", "winbind", "--keytab", "a", "--packages", "kerberos"}));
  EXPECT_NE(errors_.str().find("authority: expected packages to allow NTLM"), std::string::npos);
}

TEST_F(UsherdConfig, TakesAsManyTicketsAsThereCanBe) {
  for (const std::int64_t count : {8, 1 << 20}) {
    const auto config = load("keytab = \"k\"\nticket_entries = " + std::to_string(count));
    ASSERT_TRUE(config) << errors_.str();
    EXPECT_EQ(config->ticket_entries, count);
  }
  EXPECT_EQ(load("keytab = \"k\"")->ticket_entries, 4096);
}

// What --help says is what an operator gets who says nothing, and may be said.
class UsherdHelp : public UsherdConfig, public ::testing::WithParamInterface<std::size_t> {
 protected:
  // shown is the default of a setting as --help has it; empty if it says that there is none.
  std::string shown(std::string_view key) {
    EXPECT_FALSE(load_flags({"usherd", "--help"}));
    const std::string help = out_.str();
    const std::string some = " (" + std::string(key) + "; default ";
    const std::string none = " (" + std::string(key) + "; no default)\n";
    const std::size_t at = help.find(some);
    EXPECT_NE(at == std::string::npos, help.find(none) == std::string::npos) << key << help;
    if (at == std::string::npos) {
      return {};
    }
    const std::string line = help.substr(at + some.size(), help.find('\n', at) - at - some.size());
    EXPECT_TRUE(line.ends_with(')')) << line;
    return line.substr(0, line.size() - 1);
  }
};

TEST_P(UsherdHelp, TellsTheDefault) {
  const Setting& setting = settings()[GetParam()];
  const std::string value = shown(setting.key);
  // Something has to be said, or nobody could sign on.
  const std::string given = setting.key == "keytab" ? "--accounts" : "--keytab";
  const auto silent = load_flags({"usherd", given, "k"});
  ASSERT_TRUE(silent) << errors_.str();
  EXPECT_EQ(value, setting.value(*silent));
  if (value.empty()) {
    return;
  }
  const auto said = load_flags({"usherd", given, "k", std::string(setting.flag), value});
  ASSERT_TRUE(said) << errors_.str();
  for (const Setting& each : settings()) {
    EXPECT_EQ(each.value(*said), each.value(*silent)) << each.key;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, UsherdHelp, ::testing::Range(std::size_t{0}, settings().size()),
                         [](const auto& param_info) {
                           std::string name(settings()[param_info.param].key);
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST_F(UsherdConfig, EachSettingSaysWhatWasRead) {
  const auto config = load_flags({"usherd", "--keytab", "k", "--slots", "7", "--listen-tcp", "x:1",
                                  "--listen-tcp", "y:2", "--listen-unix-mode", "640",
                                  "--ntlm-dns-domain", "d.test", "--packages", "kerberos"});
  ASSERT_TRUE(config) << errors_.str();
  const auto value = [&](std::string_view key) {
    return std::ranges::find(settings(), key, &Setting::key)->value(*config);
  };
  EXPECT_EQ(value("slots"), "7");
  EXPECT_EQ(value("listen.tcp"), "x:1 y:2");
  EXPECT_EQ(value("listen.unix"), "");
  EXPECT_EQ(value("listen.unix_mode"), "0o640");
  EXPECT_EQ(value("ntlm.dns_domain"), "d.test");
  EXPECT_EQ(value("packages"), "kerberos");
}

TEST_F(UsherdConfig, AnswersHelpAndVersion) {
  EXPECT_FALSE(load_flags({"usherd", "--version"}));
  EXPECT_EQ(exit_code_, 0);
  EXPECT_TRUE(out_.str().starts_with("usherd ")) << out_.str();
  EXPECT_FALSE(load_flags({"usherd", "--help"}));
  EXPECT_EQ(exit_code_, 0);
  EXPECT_NE(out_.str().find("kerberos.skew"), std::string::npos) << "policies are listed";
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int n = 0; n < times; ++n) {
    all += text;
  }
  return all;
}

struct Mistake {
  const char* name;
  std::string text;
  const char* message;  // What follows the file's name.
};

class UsherdConfigMistake : public UsherdConfig, public ::testing::WithParamInterface<Mistake> {};

TEST_P(UsherdConfigMistake, IsNamedWithItsPlace) {
  const std::string good = "keytab = \"k\"\n";
  ASSERT_TRUE(load(good)) << errors_.str();
  EXPECT_FALSE(load(good + GetParam().text));
  EXPECT_EQ(exit_code_, 2);
  EXPECT_TRUE(errors_.str().starts_with(file_ + GetParam().message)) << errors_.str();
}

INSTANTIATE_TEST_SUITE_P(
    Table, UsherdConfigMistake,
    ::testing::Values(
        Mistake{"UnknownKey", "slot = 1", ":2: slot: expected a key that usherd knows"},
        Mistake{"UnknownTable", "\n[listn]\ntcp = []", ":4: listn.tcp: expected a key"},
        Mistake{"WrongType", "slots = \"1\"", ":2: slots: expected an integer from 1"},
        Mistake{"TextExpected", "accounts = 5", ":2: accounts: expected a path"},
        Mistake{"TooSmall", "slots = 0", ":2: slots: expected an integer from 1"},
        Mistake{"TooLarge", "slots = 1048577", ":2: slots: expected an integer from 1"},
        Mistake{"ListExpected", "listen.tcp = \"x:1\"", ":2: listen.tcp: expected a list"},
        Mistake{"TooFewTickets", "ticket_entries = 7",
                ":2: ticket_entries: expected an integer from 8 to 1048576"},
        Mistake{"TooManyTickets", "ticket_entries = 1048577",
                ":2: ticket_entries: expected an integer from 8 to 1048576"},
        Mistake{"PortTooLarge", "listen.tcp = [\"127.0.0.1:70000\"]",
                ":2: listen.tcp: expected a list of \"HOST:PORT\", ports from 0 to 65535"},
        Mistake{"NoPort", "listen.tcp = [\"127.0.0.1\"]", ":2: listen.tcp: expected a list"},
        Mistake{"ListOfTexts", "listen.tcp = [\"x:1\",\n 2]", ":3: listen.tcp: expected a list"},
        Mistake{"Authority", "authority = \"ldap\"", ":2: authority: expected \"winbind\""},
        Mistake{"AuthoritySeconds", "authority_seconds = 1",
                ":2: authority_seconds: expected an integer from 2 to 60"},
        Mistake{"AuthorityThreads", "authority_threads = 65",
                ":2: authority_threads: expected an integer from 1 to 64"},
        Mistake{"AuthorityQuestions", "authority_questions = 4097",
                ":2: authority_questions: expected an integer from 2 to 4096"},
        Mistake{"Mode", "listen.unix_mode = 0o1000", ":2: listen.unix_mode: expected permissions"},
        Mistake{"Packages", "packages = \"negotiate,ntlm\"", ":2: packages: expected"},
        Mistake{"NoPackages", "packages = \"negotiate,!ntlm,!kerberos\"", ":2: packages: expected"},
        Mistake{"Level", "log_level = \"loud\"", ":2: log_level: expected debug"},
        Mistake{"NetbiosName", "ntlm.netbios_domain = \"SIXTEENCHARACTER\"",
                ":2: ntlm.netbios_domain: expected a name of at most 15 characters"},
        Mistake{"DnsName", "ntlm.dns_domain = \"" + std::string(200, 'd') + "\"",
                ":2: ntlm.dns_domain: expected a name"},
        Mistake{"Header", "connection_header = \"a b\"", ":2: connection_header: expected"},
        Mistake{"PolicyName", "[policy]\nspeed = 1", ":3: policy.speed: no such policy"},
        Mistake{"PolicyValue", "[policy.kerberos]\nskew = -1",
                ":3: policy.kerberos.skew: expected"},
        Mistake{"PolicyType", "[policy.kerberos]\nskew = true",
                ":3: policy.kerberos.skew: expected a string or an integer"},
        Mistake{"BindingsThatUsherdDoesNotSee", "[policy]\nbindings = \"always\"",
                ":3: policy.bindings: expected when-supported or never: usherd does not see"},
        Mistake{"CredentialsThatUsherdDoesNotHandOut", "[policy]\ndelegation = \"accept\"",
                ":3: policy.delegation: expected ignore: usherd hands out no"},
        Mistake{"Syntax", "slots = \n", ":2: "},
        Mistake{"TableWithoutKey", "[*]", ":2: Error while parsing key: expected bare key"},
        Mistake{"LetterBehindANumber", "\nslots = 7é", ":3: Error while parsing"},
        Mistake{"LetterBehindABackslash", "accounts = \"\"\"\\é\"\"\"", ":2: Error while parsing"},
        Mistake{"ManyParts", repeated("a.", 20'000) + "a = 1", ":2: expected keys of a few parts"},
        Mistake{"ManyBrackets", "slots = " + repeated("[\n", 20'000),
                ":18: expected keys of a few parts"},
        Mistake{"TooLong", "#" + std::string(70'000, 'c'), ":1: expected at most 64 KiB"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST_F(UsherdConfig, RefusesFlagsThatMeanNothing) {
  const std::vector<std::vector<std::string>> mistakes = {
      {"--slots", "x"},
      {"--slots", "0"},
      {"--policy", "kerberos.skew"},
      {"--policy", "speed=1"},
      {"--policy", "bindings=always"},
      {"--policy", "delegation=accept"},
      {"--listen-unix-mode", "9"},
      {"--nonsense"},
      {"--slots"},
      {"stray"},
  };
  ASSERT_TRUE(load_flags({"usherd", "--keytab", "k"}));
  for (std::vector<std::string> flags : mistakes) {
    flags.insert(flags.begin(), {"usherd", "--keytab", "k"});
    EXPECT_FALSE(load_flags(flags)) << flags[3];
    EXPECT_EQ(exit_code_, 2);
    EXPECT_NE(errors_.str(), "");
  }
}

TEST_F(UsherdConfig, TakesWhatIsBesideARefusedPolicy) {
  const auto config = load_flags({"usherd", "--keytab", "k", "--policy", "bindings=never",
                                  "--policy", "delegation=ignore", "--check"});
  ASSERT_TRUE(config) << errors_.str();
  EXPECT_EQ(config->policy.bindings, usher::auth::BindingPolicy::kNever);
  EXPECT_FALSE(load_flags({"usherd", "--keytab", "k", "--policy", "bindings=always", "--check"}));
  EXPECT_TRUE(errors_.str().starts_with("--policy bindings: expected")) << errors_.str();
}

TEST_F(UsherdConfig, RefusesAFileThatIsNotThere) {
  EXPECT_FALSE(load_flags({"usherd", "--config", "/nowhere/usherd.toml"}));
  EXPECT_EQ(exit_code_, 2);
  EXPECT_TRUE(errors_.str().starts_with("/nowhere/usherd.toml:")) << errors_.str();
}

TEST_F(UsherdConfig, RefusesASetupInWhichNobodyCouldSignOn) {
  EXPECT_FALSE(load_flags({"usherd"}));
  EXPECT_EQ(exit_code_, 2);
  EXPECT_FALSE(load_flags({"usherd", "--keytab", "k", "--packages", "ntlm"}));
  EXPECT_TRUE(load_flags({"usherd", "--accounts", "a", "--packages", "ntlm"}));
}

}  // namespace
}  // namespace usherd
