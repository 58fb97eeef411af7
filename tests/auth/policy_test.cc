// Promise: every policy of the table can be set to what the table says, and nothing else.
#include "engine/auth/policy.h"

#include <gtest/gtest.h>

namespace usher::auth {
namespace {

TEST(Policy, DefaultsAreTheTablesFirstValues) {
  const Policy fresh;
  Policy set;
  for (const PolicyRow& row : policy_table()) {
    const std::string_view first = row.values.substr(0, row.values.find(' '));
    EXPECT_EQ(set_policy(set, row.name, first), "") << row.name;
  }
  EXPECT_EQ(set, fresh);
}

TEST(Policy, OtherValuesTakeEffect) {
  Policy policy;
  EXPECT_EQ(set_policy(policy, "kerberos.skew", "60"), "");
  EXPECT_EQ(set_policy(policy, "kerberos.replay", "off"), "");
  EXPECT_EQ(set_policy(policy, "ntlm.mic", "always"), "");
  EXPECT_EQ(policy.skew_s, 60);
  EXPECT_FALSE(policy.check_replays);
  EXPECT_TRUE(policy.ntlm_mic_always);
}

TEST(Policy, EveryOtherValueOfTheTableTakesEffect) {
  for (const PolicyRow& row : policy_table()) {
    std::string_view values = row.values;
    for (std::size_t bar = values.find(" | "); bar != values.npos; bar = values.find(" | ")) {
      values.remove_prefix(bar + 3);
      const std::string_view value = values.substr(0, values.find(' '));
      Policy policy;
      if (value != "NAME...") {
        EXPECT_EQ(set_policy(policy, row.name, value), "") << row.name << "=" << value;
        EXPECT_NE(policy, Policy()) << row.name << "=" << value;
        EXPECT_EQ(policy_value(policy, row.name), value);
      }
    }
  }
}

TEST(Policy, NtlmTargetsNeedAList) {
  Policy policy;
  EXPECT_EQ(fault_of(policy), nullptr);
  EXPECT_EQ(set_policy(policy, "ntlm.target", "listed"), "");
  EXPECT_NE(fault_of(policy), nullptr);
  EXPECT_EQ(set_policy(policy, "kerberos.targets", "HTTP/web"), "");
  EXPECT_EQ(fault_of(policy), nullptr);
}

TEST(Policy, NtlmTargetsHaveNoRealmAndNoCase) {
  EXPECT_TRUE(is_ntlm_target("HTTP/web", "http/WEB"));
  EXPECT_TRUE(is_ntlm_target("HTTP/web@EXAMPLE.TEST", "HTTP/web"));
  EXPECT_FALSE(is_ntlm_target("HTTP/web", "HTTP/web.example.test"));
  EXPECT_FALSE(is_ntlm_target("HTTP/web", "HTTP/web@EXAMPLE.TEST"));
  EXPECT_FALSE(is_ntlm_target("HTTP/web", ""));
  EXPECT_TRUE(is_ntlm_target("HTTP/web", "HTTP/web:8080"));
  EXPECT_TRUE(is_ntlm_target("HTTP/web:8080", "HTTP/web:8080"));
  EXPECT_FALSE(is_ntlm_target("HTTP/web:8080", "HTTP/web:81"));
  EXPECT_FALSE(is_ntlm_target("HTTP/web:8080", "HTTP/web"));
}

TEST(Policy, TargetsAreAKeywordOrNamesWithASlash) {
  Policy policy;
  EXPECT_EQ(set_policy(policy, "kerberos.targets", " HTTP/web  HTTP/web@EXAMPLE.TEST"), "");
  EXPECT_EQ(policy.target_policy, TargetPolicy::kListed);
  EXPECT_EQ(policy.targets, (std::vector<std::string>{"HTTP/web", "HTTP/web@EXAMPLE.TEST"}));
  const Policy listed = policy;
  for (const char* bad : {"", " ", "web", "HTTP/web none"}) {
    EXPECT_NE(set_policy(policy, "kerberos.targets", bad).find("expected keytab"),
              std::string::npos)
        << bad;
    EXPECT_EQ(policy, listed) << bad;
  }
  EXPECT_EQ(set_policy(policy, "kerberos.targets", "any"), "");
  EXPECT_EQ(policy.target_policy, TargetPolicy::kAny);
  EXPECT_TRUE(policy.targets.empty());
}

TEST(Policy, WrongValuesSayWhatWasExpectedAndChangeNothing) {
  Policy policy;
  for (const char* bad : {"", "-1", "1h", "300 ", "99999999999999999999", "86401"}) {
    EXPECT_NE(set_policy(policy, "kerberos.skew", bad).find("seconds"), std::string::npos) << bad;
  }
  EXPECT_NE(set_policy(policy, "kerberos.replay", "maybe").find("on | off"), std::string::npos);
  EXPECT_NE(set_policy(policy, "ntlm.Mic", "always").find("no such policy; there are"),
            std::string::npos);
  EXPECT_EQ(policy.skew_s, 300);
  EXPECT_TRUE(policy.check_replays);
}

}  // namespace
}  // namespace usher::auth
