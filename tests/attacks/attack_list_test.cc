// Promise: every message that broke another implementation is refused here, for the reason meant
// and without work behind the fault; and it is the bad field that is refused, because the same
// message with that field repaired is accepted.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/attacks/attacks.h"

namespace usher::attacks {
namespace {

class AttackList : public ::testing::TestWithParam<Attack> {};

TEST_P(AttackList, IsRefusedAndItsTwinAccepted) {
  const Attack& attack = GetParam();
  ASSERT_NE(attack.bad, attack.twin);
  const ParseFault fault = attack.parser.judge(attack.bad);
  EXPECT_EQ(fault.code, attack.expected);
  EXPECT_LE(fault.offset, std::min<std::size_t>(attack.bad.size(), attack.offset_max));
  EXPECT_EQ(attack.parser.judge(attack.twin), ParseFault{}) << "or the test proves nothing";
  if (!attack.seed.empty()) {
    EXPECT_EQ(attack.parser.judge(attack.seed).code, attack.expected) << "the seed is bad too";
  }
}

INSTANTIATE_TEST_SUITE_P(Table, AttackList, ::testing::ValuesIn(all_attacks()),
                         [](const auto& param_info) { return param_info.param.test_name(); });

TEST(AttackSeeds, AreWhatTheTableMakes) {
  constexpr std::size_t kSeedSizeMax = 4096;
  std::set<std::string> names;
  for (const Attack& attack : all_attacks()) {
    const std::string name = std::string(attack.parser.target) + '/' + attack.seed_name();
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
    EXPECT_LT(attack.seed_octets().size(), kSeedSizeMax) << name;
    std::ifstream file(USHER_FUZZ_CORPUS "/" + name, std::ios::binary);
    const Octets stored{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(file.is_open()) << name << " is missing: run write_attack_seeds";
    EXPECT_EQ(stored, attack.seed_octets()) << name;
  }
}

}  // namespace
}  // namespace usher::attacks
