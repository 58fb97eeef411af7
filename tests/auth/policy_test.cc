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
  EXPECT_EQ(set.skew_s, fresh.skew_s);
  EXPECT_EQ(set.check_replays, fresh.check_replays);
  EXPECT_EQ(set.ntlm_mic_always, fresh.ntlm_mic_always);
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
