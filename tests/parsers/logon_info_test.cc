// parsers/pac.h: KERB_VALIDATION_INFO and S4U_DELEGATION_INFO, the two structures in NDR.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "parsers/pac.h"
#include "tests/data/pac_messages.h"

namespace usher::pac {
namespace {

using testing::full_logon_info;
using testing::make_delegation_info;
using testing::make_logon_info;
using testing::make_sid;
using testing::PacDelegationInfo;
using testing::PacLogonInfo;
using testing::PacText;
using testing::patched;
namespace at = testing::logon_info_at;
using Octets = std::vector<std::uint8_t>;

constexpr ParseFault kNone{};

std::string ascii_of(Bytes utf16) {
  std::string text;
  for (; utf16.size() >= 2; utf16 = utf16.subspan(2)) {
    text.push_back(static_cast<char>(load_le<std::uint16_t>(utf16)));
  }
  return text;
}

std::string text_of(SidView sid) {
  std::array<std::uint8_t, kSidTextSizeMax> out{};
  const std::size_t size = write_sid_text(sid, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> groups_of(Bytes groups) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
  each_group(groups,
             [&](const Group& group) { found.emplace_back(group.relative_id, group.attributes); });
  return found;
}

std::vector<std::pair<std::string, std::uint32_t>> extra_sids_of(const LogonInfo& info) {
  std::vector<std::pair<std::string, std::uint32_t>> found;
  each_extra_sid(info, [&](SidView sid, std::uint32_t attributes) {
    found.emplace_back(text_of(sid), attributes);
  });
  return found;
}

std::vector<std::string> transited_of(const DelegationInfo& info) {
  std::vector<std::string> found;
  each_transited(info, [&](Bytes name) { found.push_back(ascii_of(name)); });
  return found;
}

ParseFault fault_of(const Octets& buffer) { return parse_logon_info(buffer).fault(); }

// offset_of finds the first place after `from` where `wanted` stands.
std::size_t offset_of(const Octets& buffer, const Octets& wanted, std::size_t from = 0) {
  const auto found = std::search(buffer.begin() + static_cast<std::ptrdiff_t>(from), buffer.end(),
                                 wanted.begin(), wanted.end());
  EXPECT_NE(found, buffer.end());
  return static_cast<std::size_t>(found - buffer.begin());
}

TEST(LogonInfo, EveryFieldIsWhereItBelongs) {
  const Octets buffer = make_logon_info(full_logon_info());
  const Result<LogonInfo> info = parse_logon_info(buffer);
  ASSERT_EQ(info.fault(), kNone);
  EXPECT_EQ(info->logon_time, 0x0000000100000011u);
  EXPECT_EQ(info->logoff_time, 0x0000000200000012u);
  EXPECT_EQ(info->kick_off_time, 0x0000000300000013u);
  EXPECT_EQ(info->password_last_set, 0x0000000400000014u);
  EXPECT_EQ(info->password_can_change, 0x0000000500000015u);
  EXPECT_EQ(info->password_must_change, 0x0000000600000016u);
  EXPECT_EQ(ascii_of(info->effective_name), "alice");
  EXPECT_EQ(ascii_of(info->full_name), "Alice Example");
  EXPECT_EQ(ascii_of(info->logon_script), "logon.cmd");
  EXPECT_EQ(ascii_of(info->profile_path), "\\\\dc1\\p");
  EXPECT_EQ(ascii_of(info->home_directory), "\\\\dc1\\h");
  EXPECT_EQ(ascii_of(info->home_directory_drive), "H:");
  EXPECT_EQ(info->logon_count, 7);
  EXPECT_EQ(info->bad_password_count, 8);
  EXPECT_EQ(info->user_id, 1103u);
  EXPECT_EQ(info->primary_group_id, 513u);
  using Groups = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  EXPECT_EQ(groups_of(info->groups), (Groups{{513, 7}, {1104, 7}, {1105, 7}}));
  EXPECT_EQ(info->user_flags, 0x220u);
  EXPECT_EQ(info->user_session_key.size(), 16u);
  EXPECT_EQ(ascii_of(info->logon_server), "DC1");
  EXPECT_EQ(ascii_of(info->logon_domain_name), "EXAMPLE");
  EXPECT_EQ(text_of(info->logon_domain_id), "S-1-5-21-1000-2000-3000");
  EXPECT_EQ(info->user_account_control, 0x10u);
  using Sids = std::vector<std::pair<std::string, std::uint32_t>>;
  EXPECT_EQ(extra_sids_of(*info), (Sids{{"S-1-18-1", 7}, {"S-1-5-21-1-2-3-512", 0x20000007}}));
  EXPECT_EQ(text_of(info->resource_group_domain_sid), "S-1-5-21-4000-5000-6000");
  EXPECT_EQ(groups_of(info->resource_groups), (Groups{{1200, 0x20000007}, {1201, 0x20000007}}));
}

TEST(LogonInfo, EveryPrefixIsRefused) {
  for (const PacLogonInfo& info : {PacLogonInfo{}, full_logon_info()}) {
    const Octets buffer = make_logon_info(info);
    ASSERT_EQ(fault_of(buffer), kNone);
    for (std::size_t kept = 0; kept < buffer.size(); ++kept) {
      const Octets prefix(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(kept));
      const ParseFault fault = fault_of(prefix);
      EXPECT_NE(fault, kNone) << kept;
      EXPECT_LE(fault.offset, kept);
    }
  }
}

// A prefix whose header promises no more than there is ends inside the structure instead.
TEST(LogonInfo, EveryPrefixWithARightLengthIsRefused) {
  const Octets buffer = make_logon_info(full_logon_info());
  ASSERT_EQ(buffer.size() % 8, 0u);
  std::size_t kept = buffer.size() - 8;  // The last eight may be padding in part.
  ASSERT_EQ(load_le<std::uint32_t>(Bytes(buffer).subspan(kept)), 1201u);
  for (; kept >= at::kReferent + 4; --kept) {
    const Octets prefix(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(kept));
    const auto length = static_cast<std::uint32_t>(kept - 16);
    EXPECT_EQ(fault_of(patched(prefix, at::kObjectLength, length)).code, ParseCode::kTruncated)
        << kept;
  }
}

TEST(LogonInfo, WhatFollowsIsRefused) {
  Octets buffer = make_logon_info();
  for (int more = 1; more <= 16; ++more) {
    buffer.push_back(0);
    EXPECT_EQ(fault_of(buffer).code, ParseCode::kTrailingBytes) << more;
  }
}

TEST(LogonInfo, StringsMayBeNullOrEmptyOrRoomy) {
  for (const PacText& text : {PacText{"", 0, true}, PacText{"", 0}, PacText{"", 2}, PacText{"x", 0},
                              PacText{"x", 40}, PacText{std::string(32767, 'x')}}) {
    PacLogonInfo wanted;
    wanted.logon_script = text;
    wanted.logon_server = text;
    const Octets buffer = make_logon_info(wanted);
    const Result<LogonInfo> info = parse_logon_info(buffer);
    ASSERT_EQ(info.fault(), kNone) << text.ascii.size() << '+' << text.spare;
    EXPECT_EQ(ascii_of(info->logon_script), text.ascii);
    EXPECT_EQ(ascii_of(info->logon_server), text.ascii);
    EXPECT_EQ(ascii_of(info->logon_domain_name), "EXAMPLE");
  }
}

TEST(LogonInfo, NobodyNeedsGroups) {
  PacLogonInfo wanted;
  wanted.groups.clear();
  wanted.extra_sids.clear();
  EXPECT_EQ(fault_of(make_logon_info(wanted)), kNone);
  wanted.logon_domain_id.clear();
  EXPECT_EQ(fault_of(make_logon_info(wanted)), kNone);
}

TEST(LogonInfo, GroupsNeedTheirDomain) {
  PacLogonInfo wanted;
  wanted.logon_domain_id.clear();
  EXPECT_EQ(fault_of(make_logon_info(wanted)).code, ParseCode::kBadValue);
  wanted = full_logon_info();
  EXPECT_EQ(fault_of(make_logon_info(wanted)), kNone);
  wanted.resource_group_domain_sid.clear();
  EXPECT_EQ(fault_of(make_logon_info(wanted)).code, ParseCode::kBadValue);
}

TEST(LogonInfo, HoldsFifteenHundredGroups) {
  PacLogonInfo wanted;
  wanted.groups.clear();
  for (std::uint32_t i = 0; i < 1500; ++i) {
    wanted.groups.push_back({3 * i, i});
  }
  const Octets buffer = make_logon_info(wanted);
  const Result<LogonInfo> info = parse_logon_info(buffer);
  ASSERT_EQ(info.fault(), kNone);
  const auto groups = groups_of(info->groups);
  ASSERT_EQ(groups.size(), 1500u);
  for (std::uint32_t i = 0; i < 1500; ++i) {
    EXPECT_EQ(groups[i], std::pair(3 * i, i));
  }
}

TEST(LogonInfo, HoldsAThousandExtraSids) {
  PacLogonInfo wanted;
  wanted.extra_sids.clear();
  for (std::uint32_t i = 0; i < 1000; ++i) {
    wanted.extra_sids.push_back({make_sid(5, std::vector<std::uint32_t>(1 + i % 15, i)), i});
  }
  const Octets buffer = make_logon_info(wanted);
  const Result<LogonInfo> info = parse_logon_info(buffer);
  ASSERT_EQ(info.fault(), kNone);
  std::uint32_t i = 0;
  each_extra_sid(*info, [&](SidView sid, std::uint32_t attributes) {
    const Octets& expected = wanted.extra_sids[i].sid;
    EXPECT_TRUE(std::ranges::equal(sid.octets, expected)) << i;
    EXPECT_EQ(attributes, i++);
  });
  EXPECT_EQ(i, 1000u);
}

// Attack D7, row by row: what NDR says twice, and what it promises.
struct BrokenCase {
  const char* name;
  std::size_t offset;
  std::uint32_t value;  // In place of the 32 bits at `offset`.
  ParseCode code;
};

void PrintTo(const BrokenCase& c, std::ostream* out) { *out << c.name; }

constexpr std::array kBroken = {
    BrokenCase{"GroupCountHuge", at::kGroupCount, 0x10000000, ParseCode::kBadValue},
    BrokenCase{"GroupCountOneMore", at::kGroupCount, 4, ParseCode::kBadValue},
    BrokenCase{"GroupCountOneLess", at::kGroupCount, 2, ParseCode::kBadValue},
    BrokenCase{"GroupCountNone", at::kGroupCount, 0, ParseCode::kBadValue},
    BrokenCase{"GroupsNullWithACount", at::kGroups, 0, ParseCode::kBadValue},
    BrokenCase{"ExtraSidCountHuge", at::kExtraSidCount, 0x20000000, ParseCode::kBadValue},
    BrokenCase{"ExtraSidCountOneMore", at::kExtraSidCount, 3, ParseCode::kBadValue},
    BrokenCase{"ExtraSidsNullWithACount", at::kExtraSids, 0, ParseCode::kBadValue},
    BrokenCase{"ResourceGroupCountHuge", at::kResourceGroupCount, 0xffffffff, ParseCode::kBadValue},
    BrokenCase{"ResourceGroupsNullWithACount", at::kResourceGroups, 0, ParseCode::kBadValue},
    // Lengths 12 of at most 10; 10 of at most 8; 11 of at most 12.
    BrokenCase{"NameLongerThanItsMaximum", at::kEffectiveName, 0x000a000c, ParseCode::kBadValue},
    BrokenCase{"NameMaximumTooSmall", at::kEffectiveName, 0x0008000a, ParseCode::kBadValue},
    BrokenCase{"NameOfOddLength", at::kEffectiveName, 0x000c000b, ParseCode::kBadValue},
    BrokenCase{"NameShorterThanItsCharacters", at::kEffectiveName, 0x000a0008,
               ParseCode::kBadValue},
    BrokenCase{"NameNullWithALength", at::kEffectiveName + 4, 0, ParseCode::kBadValue},
    BrokenCase{"NameMaxCountHuge", at::kEffectiveNameBody, 0x40000000, ParseCode::kBadValue},
    BrokenCase{"NameMaxCountTooSmall", at::kEffectiveNameBody, 4, ParseCode::kBadValue},
    BrokenCase{"NameOffset", at::kEffectiveNameBody + 4, 1, ParseCode::kBadValue},
    BrokenCase{"NameActualCountTooSmall", at::kEffectiveNameBody + 8, 4, ParseCode::kBadValue},
    BrokenCase{"NameActualCountHuge", at::kEffectiveNameBody + 8, 0x80000005, ParseCode::kBadValue},
    BrokenCase{"TopLevelPointerNull", at::kReferent, 0, ParseCode::kBadValue},
    BrokenCase{"ObjectTooLong", at::kObjectLength, 0x1000, ParseCode::kOutOfBounds},
    BrokenCase{"ObjectTooShort", at::kObjectLength, 64, ParseCode::kOutOfBounds},
};

class LogonInfoBroken : public ::testing::TestWithParam<BrokenCase> {};

TEST_P(LogonInfoBroken, IsRefused) {
  const BrokenCase& c = GetParam();
  const Octets buffer = make_logon_info(full_logon_info());
  ASSERT_EQ(fault_of(buffer), kNone);
  const ParseFault fault = fault_of(patched(buffer, c.offset, c.value));
  EXPECT_EQ(fault.code, c.code);
  EXPECT_LE(fault.offset, buffer.size());
}

INSTANTIATE_TEST_SUITE_P(Table, LogonInfoBroken, ::testing::ValuesIn(kBroken),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// Where the referent of a non-null pointer says nothing: unique pointers do not alias.
TEST(LogonInfo, ReferentsMayBeAnything) {
  const Octets buffer = make_logon_info(full_logon_info());
  for (const std::size_t offset :
       {at::kReferent, at::kEffectiveName + 4, at::kGroups, at::kLogonDomainId, at::kExtraSids,
        at::kResourceGroupDomainSid, at::kResourceGroups}) {
    EXPECT_EQ(fault_of(patched<std::uint32_t>(buffer, offset, 1)), kNone) << offset;
    EXPECT_EQ(fault_of(patched<std::uint32_t>(buffer, offset, 0xffffffff)), kNone) << offset;
  }
}

TEST(LogonInfo, CountsOfGroupsAgree) {
  PacLogonInfo wanted;
  wanted.groups = {{0x11223344, 0x55667788}};
  const Octets buffer = make_logon_info(wanted);
  const std::size_t body = offset_of(buffer, {0x44, 0x33, 0x22, 0x11, 0x88, 0x77}) - 4;
  EXPECT_EQ(fault_of(buffer), kNone);
  for (const std::uint32_t count : {0u, 2u, 0x10000000u, 0xffffffffu}) {
    EXPECT_EQ(fault_of(patched(buffer, body, count)).code, ParseCode::kBadValue) << count;
    // In both places: only the bytes that are not there are left to notice.
    const Octets both = patched(patched(buffer, body, count), at::kGroupCount, count);
    EXPECT_NE(fault_of(both), kNone) << count;
  }
  const Octets huge = patched<std::uint32_t>(patched<std::uint32_t>(buffer, body, 0x10000000),
                                             at::kGroupCount, 0x10000000);
  EXPECT_EQ(fault_of(huge),
            (ParseFault{ParseCode::kTruncated, static_cast<std::uint32_t>(body + 4)}));
}

TEST(LogonInfo, ExtraSidsAreThereAndWhole) {
  PacLogonInfo wanted;
  wanted.extra_sids = {{make_sid(5, {0x11223344})}, {make_sid(5, {1, 2})}};
  const Octets buffer = make_logon_info(wanted);
  ASSERT_EQ(fault_of(buffer), kNone);
  const std::size_t sid = offset_of(buffer, make_sid(5, {0x11223344}));
  for (unsigned count = 0; count <= 255; ++count) {
    const Octets one = patched(buffer, sid + 1, static_cast<std::uint8_t>(count));
    const Octets both = patched<std::uint32_t>(one, sid - 4, count);
    EXPECT_EQ(fault_of(one) == kNone, count == 1) << count;
    EXPECT_EQ(fault_of(both) == kNone, count == 1) << count;
  }
  EXPECT_EQ(fault_of(patched<std::uint8_t>(buffer, sid, 2)),
            (ParseFault{ParseCode::kBadValue, static_cast<std::uint32_t>(sid)}));

  wanted.extra_sids[0].sid.clear();
  EXPECT_EQ(fault_of(make_logon_info(wanted)).code, ParseCode::kBadValue);
}

TEST(DelegationInfo, IsReadToItsEnd) {
  const Octets buffer = make_delegation_info();
  const Result<DelegationInfo> info = parse_delegation_info(buffer);
  ASSERT_EQ(info.fault(), kNone);
  EXPECT_EQ(ascii_of(info->proxy_target), "http/web");
  EXPECT_EQ(info->transited_count, 4u);
  EXPECT_EQ(transited_of(*info), (std::vector<std::string>{"cifs/a@R", "x", "", "http/b@R"}));
  for (std::size_t kept = 0; kept < buffer.size(); ++kept) {
    EXPECT_NE(parse_delegation_info(Bytes(buffer).first(kept)).fault(), kNone) << kept;
  }
  Octets longer = buffer;
  longer.resize(longer.size() + 8);
  EXPECT_EQ(parse_delegation_info(longer).fault().code, ParseCode::kTrailingBytes);
}

TEST(DelegationInfo, MayHaveNoServices) {
  const Octets buffer = make_delegation_info({.proxy_target = {"x"}, .transited = {}});
  const Result<DelegationInfo> info = parse_delegation_info(buffer);
  ASSERT_EQ(info.fault(), kNone);
  EXPECT_EQ(transited_of(*info), std::vector<std::string>{});
}

// Names whose characters end at every position within a word, the last one included.
TEST(DelegationInfo, NamesOfEveryLength) {
  for (std::size_t count = 1; count <= 5; ++count) {
    PacDelegationInfo wanted;
    wanted.transited.clear();
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < count; ++i) {
      expected.emplace_back(i, 'a');
      wanted.transited.push_back({expected.back()});
    }
    const Octets buffer = make_delegation_info(wanted);
    const Result<DelegationInfo> info = parse_delegation_info(buffer);
    ASSERT_EQ(info.fault(), kNone);
    EXPECT_EQ(transited_of(*info), expected);
  }
}

TEST(DelegationInfo, CountsAndPointersAgree) {
  const Octets buffer = make_delegation_info();
  constexpr std::size_t kCount = 28;
  constexpr std::size_t kPointer = 32;
  constexpr std::size_t kTargetBody = 36;
  constexpr std::size_t kElements = kTargetBody + 12 + 16 + 4;
  const auto fault = [&](std::size_t offset, std::uint32_t value) {
    return parse_delegation_info(patched(buffer, offset, value)).fault().code;
  };
  EXPECT_EQ(fault(kCount, 4), ParseCode::kOk);
  EXPECT_EQ(fault(kCount, 3), ParseCode::kBadValue);
  EXPECT_EQ(fault(kCount, 5), ParseCode::kBadValue);
  EXPECT_EQ(fault(kCount, 0x20000000), ParseCode::kBadValue);
  EXPECT_EQ(fault(kPointer, 0), ParseCode::kBadValue);
  EXPECT_EQ(fault(kTargetBody + 4, 1), ParseCode::kBadValue);
  EXPECT_EQ(fault(kElements, 0x00100010), ParseCode::kOk);        // As it is.
  EXPECT_EQ(fault(kElements, 0x00100012), ParseCode::kBadValue);  // Longer than its maximum.
  EXPECT_EQ(fault(kElements, 0x0012000f), ParseCode::kBadValue);  // Odd.
  EXPECT_EQ(fault(kElements + 4, 0), ParseCode::kBadValue);       // Null with a length.
  const Octets huge = patched<std::uint32_t>(patched<std::uint32_t>(buffer, kCount, 0x20000000),
                                             kElements - 4, 0x20000000);
  EXPECT_EQ(parse_delegation_info(huge).fault(), (ParseFault{ParseCode::kTruncated, kElements}));
}

Octets account_of(const PacLogonInfo& fields) {
  const Octets buffer = testing::make_logon_info(fields);
  const Result<LogonInfo> info = parse_logon_info(buffer);
  EXPECT_TRUE(info.ok());
  std::array<std::uint8_t, SidView::kSizeMax> room{};
  const SidView sid = write_account_sid(*info, room);
  return {sid.octets.begin(), sid.octets.end()};
}

TEST(AccountSid, IsTheUsersIdentifierInItsDomain) {
  EXPECT_EQ(account_of({}), testing::account_sid());
  PacLogonInfo deep;
  deep.logon_domain_id = testing::make_sid(5, std::vector<std::uint32_t>(14, 21));
  std::vector<std::uint32_t> all(14, 21);
  all.push_back(deep.user_id);
  EXPECT_EQ(account_of(deep), testing::make_sid(5, all));
}

// MS-PAC 2.5, UserId.
TEST(AccountSid, IsTheFirstExtraSidWhereTheIdentifierIsZero) {
  PacLogonInfo fields;
  fields.user_id = 0;
  fields.extra_sids = {{testing::make_sid(5, {21, 7, 8, 9, 1500})}, {testing::make_sid(18, {1})}};
  EXPECT_EQ(account_of(fields), testing::make_sid(5, {21, 7, 8, 9, 1500}));
}

TEST(AccountSid, IsNotMadeUp) {
  PacLogonInfo fields;
  fields.user_id = 0;
  fields.extra_sids.clear();
  EXPECT_TRUE(account_of(fields).empty()) << "neither identifier nor extra SID";
  fields = {};
  fields.logon_domain_id.clear();
  fields.groups.clear();
  EXPECT_TRUE(account_of(fields).empty()) << "no domain";
  fields = {};
  fields.logon_domain_id = testing::make_sid(5, std::vector<std::uint32_t>(15, 21));
  EXPECT_TRUE(account_of(fields).empty()) << "no room for one more sub-authority";
}

}  // namespace
}  // namespace usher::pac
