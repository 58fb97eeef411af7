// Promise: what write_pac writes of an identity, parse_pac reads back; nothing is written of one
// that cannot be said in a PAC.
#include "engine/auth/pac_write.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>

#include "engine/auth/unicode.h"
#include "parsers/pac.h"

namespace usher::auth {
namespace {

using Octets = std::vector<std::uint8_t>;

// sid_of makes S-1-<authority>-<...>.
Octets sid_of(std::uint8_t authority, const std::vector<std::uint32_t>& subs) {
  Octets sid{1, static_cast<std::uint8_t>(subs.size()), 0, 0, 0, 0, 0, authority};
  for (const std::uint32_t sub : subs) {
    sid.resize(sid.size() + 4);
    store_le(MutableBytes(sid).last(4), sub);
  }
  return sid;
}

const Octets kUser = sid_of(5, {21, 11, 22, 33, 1103});
const Octets kUsers = sid_of(5, {21, 11, 22, 33, 513});

std::string utf8(Bytes utf16) {
  std::string out(2 * utf16.size(), 0);
  const auto written =
      utf16_to_utf8(utf16, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  EXPECT_TRUE(written);
  out.resize(written ? written->size() : 0);
  return out;
}

Octets octets_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

std::map<std::uint32_t, std::uint32_t> groups_of(const pac::LogonInfo& info) {
  std::map<std::uint32_t, std::uint32_t> groups;
  pac::each_group(info.groups,
                  [&](pac::Group group) { groups[group.relative_id] = group.attributes; });
  return groups;
}

std::vector<std::pair<Octets, std::uint32_t>> extra_of(const pac::LogonInfo& info) {
  std::vector<std::pair<Octets, std::uint32_t>> extra;
  pac::each_extra_sid(info, [&](SidView sid, std::uint32_t attributes) {
    extra.emplace_back(octets_of(sid.octets), attributes);
  });
  return extra;
}

// Written is a PAC and what parse_pac reads of it.
struct Written {
  explicit Written(const Identity& identity) : octets(write_pac(identity).value_or(Octets())) {
    const Result<pac::Pac> parsed = pac::parse_pac(octets);
    EXPECT_TRUE(parsed.ok());
    pac = parsed.ok() ? *parsed : pac::Pac{};
    EXPECT_TRUE(pac.has_logon_info);
  }
  Octets octets;
  pac::Pac pac;
};

Identity alice() {
  return {.account = "alice", .domain = "EXAMPLE", .user = {kUser}, .primary_group = {kUsers}};
}

TEST(PacWrite, EveryFieldComesBack) {
  Identity identity = alice();
  identity.full_name = "Alice Example";
  identity.dns_domain = "EXAMPLE.TEST";
  identity.upn = "alice@example.test";
  identity.logon_server = "DC1";
  identity.logon_time = 0x0102030405060708;
  identity.logoff_time = 0x1112131415161718;
  identity.kick_off_time = 0x2122232425262728;
  identity.password_last_set = 0x3132333435363738;
  identity.password_can_change = 0x4142434445464748;
  identity.password_must_change = 0x5152535455565758;
  identity.logon_count = 0x1234;
  identity.bad_password_count = 0x5678;
  identity.user_flags = 0x100;
  identity.user_account_control = 0x210;
  const Written written(identity);
  const pac::LogonInfo& info = written.pac.logon_info;
  EXPECT_EQ(written.pac.buffer_count, 2u);
  EXPECT_EQ(utf8(info.effective_name), "alice");
  EXPECT_EQ(utf8(info.full_name), "Alice Example");
  EXPECT_EQ(utf8(info.logon_domain_name), "EXAMPLE");
  EXPECT_EQ(utf8(info.logon_server), "DC1");
  EXPECT_EQ(info.logon_time, identity.logon_time);
  EXPECT_EQ(info.logoff_time, identity.logoff_time);
  EXPECT_EQ(info.kick_off_time, identity.kick_off_time);
  EXPECT_EQ(info.password_last_set, identity.password_last_set);
  EXPECT_EQ(info.password_can_change, identity.password_can_change);
  EXPECT_EQ(info.password_must_change, identity.password_must_change);
  EXPECT_EQ(info.logon_count, 0x1234);
  EXPECT_EQ(info.bad_password_count, 0x5678);
  EXPECT_EQ(info.user_flags, 0x100u);
  EXPECT_EQ(info.user_account_control, 0x210u);
  EXPECT_EQ(info.user_id, 1103u);
  EXPECT_EQ(info.primary_group_id, 513u);
  EXPECT_EQ(octets_of(info.logon_domain_id.octets), sid_of(5, {21, 11, 22, 33}));
  EXPECT_EQ(octets_of(info.user_session_key), Octets(16));
  ASSERT_TRUE(written.pac.has_upn_dns);
  EXPECT_EQ(utf8(written.pac.upn_dns.upn), "alice@example.test");
  EXPECT_EQ(utf8(written.pac.upn_dns.dns_domain), "EXAMPLE.TEST");
  EXPECT_EQ(written.pac.upn_dns.flags, 0u);
}

TEST(PacWrite, TheAccountsOwnSidComesBack) {
  const Written written(alice());
  std::array<std::uint8_t, SidView::kSizeMax> room{};
  EXPECT_EQ(octets_of(pac::write_account_sid(written.pac.logon_info, room).octets), kUser);
}

TEST(PacWrite, NobodySignsIt) {
  const Written written(alice());
  EXPECT_TRUE(written.pac.server_signature.value.empty());
  EXPECT_TRUE(written.pac.kdc_signature.value.empty());
  EXPECT_FALSE(written.pac.has_client_info);
}

TEST(PacWrite, GroupsOfTheOwnDomainAreToldFromOthers) {
  const Octets own = sid_of(5, {21, 11, 22, 33, 1104});
  const Octets other_domain = sid_of(5, {21, 11, 22, 34, 1104});
  const Octets other_authority = sid_of(6, {21, 11, 22, 33, 1104});
  const Octets longer = sid_of(5, {21, 11, 22, 33, 44, 1104});
  const Octets shorter = sid_of(5, {21, 11, 22, 1104});
  const Octets well_known = sid_of(18, {1});
  const SidAndAttributes groups[] = {{{own}, 0x27}, {{other_domain}, 1},     {{other_authority}, 2},
                                     {{longer}, 3}, {{shorter}, 0x20000007}, {{well_known}},
                                     {SidView{}}};
  Identity identity = alice();
  identity.groups = groups;
  const Written written(identity);
  const pac::LogonInfo& info = written.pac.logon_info;
  EXPECT_EQ(groups_of(info), (std::map<std::uint32_t, std::uint32_t>{{1104, 0x27}}));
  const std::vector<std::pair<Octets, std::uint32_t>> expected = {
      {other_domain, 1}, {other_authority, 2}, {longer, 3}, {shorter, 0x20000007}, {well_known, 7}};
  EXPECT_EQ(extra_of(info), expected);
}

TEST(PacWrite, UserFlagsSayWhichSidsThereAre) {
  const Octets own = sid_of(5, {21, 11, 22, 33, 1104});
  const Octets other = sid_of(18, {1});
  const SidAndAttributes groups[] = {{{own}}, {{other}}};
  Identity identity = alice();
  identity.user_flags = 0x320;  // NTLMv2, ResourceGroupIds, ExtraSids.
  EXPECT_EQ(Written(identity).pac.logon_info.user_flags, 0x100u);
  identity.groups = std::span(groups).first(1);
  EXPECT_EQ(Written(identity).pac.logon_info.user_flags, 0x100u);
  identity.groups = groups;
  EXPECT_EQ(Written(identity).pac.logon_info.user_flags, 0x120u);
}

TEST(PacWrite, AThousandGroupsOfEachKindComeBack) {
  constexpr std::uint32_t kCount = 1000;
  std::vector<Octets> sids;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    sids.push_back(sid_of(5, {21, 11, 22, 33, 2000 + i}));
    sids.push_back(sid_of(5, {21, 44, 55, 66, 2000 + i}));
  }
  std::vector<SidAndAttributes> groups;
  for (std::size_t i = 0; i < sids.size(); ++i) {
    groups.push_back({{sids[i]}, static_cast<std::uint32_t>(i)});
  }
  Identity identity = alice();
  identity.groups = groups;
  const Written written(identity);
  const auto own = groups_of(written.pac.logon_info);
  const auto extra = extra_of(written.pac.logon_info);
  ASSERT_EQ(own.size(), kCount);
  ASSERT_EQ(extra.size(), kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(own.at(2000 + i), 2 * i);
    EXPECT_EQ(extra[i], std::pair(sids[2 * i + 1], 2 * i + 1));
  }
}

TEST(PacWrite, AUserOfNoDomainIsTheFirstExtraSid) {
  const Octets group = sid_of(5, {21, 11, 22, 33, 1104});
  const SidAndAttributes groups[] = {{{group}, 1}};
  for (const Octets& user : {sid_of(5, {7}), sid_of(5, {21, 11, 22, 33, 0})}) {
    const Written written({.account = "nobody", .user = {user}, .groups = groups});
    const pac::LogonInfo& info = written.pac.logon_info;
    EXPECT_EQ(info.user_id, 0u);
    EXPECT_TRUE(info.logon_domain_id.empty());
    const std::vector<std::pair<Octets, std::uint32_t>> expected = {{user, 7}, {group, 1}};
    EXPECT_EQ(extra_of(info), expected);
    std::array<std::uint8_t, SidView::kSizeMax> room{};
    EXPECT_EQ(octets_of(pac::write_account_sid(info, room).octets), user);
  }
}

TEST(PacWrite, APrimaryGroupOfAnotherDomainIsLeftOut) {
  const Octets other = sid_of(5, {21, 11, 22, 34, 513});
  Identity identity = alice();
  EXPECT_EQ(Written(identity).pac.logon_info.primary_group_id, 513u);
  identity.primary_group = {other};
  EXPECT_EQ(Written(identity).pac.logon_info.primary_group_id, 0u);
  identity.primary_group = {};
  EXPECT_EQ(Written(identity).pac.logon_info.primary_group_id, 0u);
}

TEST(PacWrite, NamesOutsideAsciiComeBack) {
  const std::string names[] = {"\xc3\xbc", "\xd0\xb6\xd0\xb6\xd0\xb6", "\xe6\xbc\xa2\xe5\xad\x97",
                               "a\xf0\x90\x90\xa8", "\xf4\x8f\xbf\xbf"};
  for (const std::string& name : names) {
    Identity identity = alice();
    identity.account = identity.full_name = identity.domain = identity.dns_domain = identity.upn =
        identity.logon_server = name;
    const Written written(identity);
    const pac::LogonInfo& info = written.pac.logon_info;
    for (const Bytes read :
         {info.effective_name, info.full_name, info.logon_domain_name,
          written.pac.upn_dns.dns_domain, written.pac.upn_dns.upn, info.logon_server}) {
      EXPECT_EQ(utf8(read), name);
    }
  }
}

TEST(PacWrite, EmptyNamesComeBackEmpty) {
  const Written written({.user = {kUser}});
  const pac::LogonInfo& info = written.pac.logon_info;
  EXPECT_EQ(written.pac.buffer_count, 1u);
  EXPECT_FALSE(written.pac.has_upn_dns);
  for (const Bytes read :
       {info.effective_name, info.full_name, info.logon_domain_name, info.logon_server,
        info.logon_script, info.profile_path, info.home_directory, info.home_directory_drive}) {
    EXPECT_TRUE(read.empty());
  }
  EXPECT_EQ(info.user_id, 1103u);
}

TEST(PacWrite, OneOfUpnAndDnsDomainIsEnoughForTheirBuffer) {
  Identity identity = alice();
  identity.upn = "alice@example.test";
  const Written upn(identity);
  ASSERT_TRUE(upn.pac.has_upn_dns);
  EXPECT_EQ(utf8(upn.pac.upn_dns.upn), "alice@example.test");
  EXPECT_TRUE(upn.pac.upn_dns.dns_domain.empty());
  identity.upn = {};
  identity.dns_domain = "EXAMPLE.TEST";
  const Written dns(identity);
  ASSERT_TRUE(dns.pac.has_upn_dns);
  EXPECT_TRUE(dns.pac.upn_dns.upn.empty());
  EXPECT_EQ(utf8(dns.pac.upn_dns.dns_domain), "EXAMPLE.TEST");
}

constexpr std::string_view Identity::*kNames[] = {&Identity::account, &Identity::full_name,
                                                  &Identity::domain,  &Identity::dns_domain,
                                                  &Identity::upn,     &Identity::logon_server};

TEST(PacWrite, RefusesANameThatIsNoUtf8) {
  for (const auto name : kNames) {
    for (const std::string_view bad : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80"}) {
      Identity identity = alice();
      identity.*name = "\xc3\xbc";
      EXPECT_TRUE(write_pac(identity));
      identity.*name = bad;
      EXPECT_FALSE(write_pac(identity)) << bad;
    }
  }
}

TEST(PacWrite, RefusesANameThatIsTooLongForItsLength) {
  const std::string longest(32767, 'a');  // 65,534 bytes of UTF-16.
  const std::string longer = longest + 'a';
  for (const auto name : {&Identity::account, &Identity::full_name, &Identity::domain,
                          &Identity::logon_server, &Identity::dns_domain}) {
    Identity identity = alice();
    identity.*name = longest;
    EXPECT_EQ(Written(identity).pac.buffer_count, name == &Identity::dns_domain ? 2u : 1u);
    identity.*name = longer;
    EXPECT_FALSE(write_pac(identity));
  }
}

TEST(PacWrite, RefusesAUpnThatPutsTheDnsDomainOutOfReach) {
  Identity identity = alice();
  identity.dns_domain = "EXAMPLE.TEST";
  const std::string longest(32756, 'a');  // 65,512 bytes, and the domain at 65,528.
  identity.upn = longest;
  EXPECT_EQ(utf8(Written(identity).pac.upn_dns.dns_domain), "EXAMPLE.TEST");
  const std::string longer = longest + 'a';
  identity.upn = longer;
  EXPECT_FALSE(write_pac(identity));
}

TEST(PacWrite, RefusesNobody) {
  Identity identity = alice();
  EXPECT_TRUE(write_pac(identity));
  identity.user = {};
  EXPECT_FALSE(write_pac(identity));
}

}  // namespace
}  // namespace usher::auth
