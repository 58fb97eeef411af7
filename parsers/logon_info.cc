// KERB_VALIDATION_INFO (MS-PAC 2.5): the fixed part, then what its pointers point to, in order.
#include <algorithm>

#include "parsers/ndr.h"
#include "parsers/pac.h"

namespace usher::pac {
namespace {

constexpr std::uint32_t kFixedSize = 216;
constexpr std::uint32_t kGroupSize = 8;
constexpr std::uint32_t kSidAndAttributesSize = 8;
constexpr std::uint32_t kUserSessionKeySize = 16;
constexpr std::size_t kSidCountAt = 1;  // Where a SID has its count of sub-authorities.

// Pointers is what the fixed part says of the deferred parts.
struct Pointers {
  ndr::UnicodeString effective_name;
  ndr::UnicodeString full_name;
  ndr::UnicodeString logon_script;
  ndr::UnicodeString profile_path;
  ndr::UnicodeString home_directory;
  ndr::UnicodeString home_directory_drive;
  std::uint32_t group_count = 0;
  std::uint32_t groups = 0;
  ndr::UnicodeString logon_server;
  ndr::UnicodeString logon_domain_name;
  std::uint32_t logon_domain_id = 0;
  std::uint32_t extra_sid_count = 0;
  std::uint32_t extra_sids = 0;
  std::uint32_t resource_group_domain_sid = 0;
  std::uint32_t resource_group_count = 0;
  std::uint32_t resource_groups = 0;
};

Pointers read_fixed(ndr::Block<kFixedSize> fixed, LogonInfo& info) noexcept {
  Pointers pointers;
  info.logon_time = fixed.file_time();
  info.logoff_time = fixed.file_time();
  info.kick_off_time = fixed.file_time();
  info.password_last_set = fixed.file_time();
  info.password_can_change = fixed.file_time();
  info.password_must_change = fixed.file_time();
  pointers.effective_name = fixed.unicode_string();
  pointers.full_name = fixed.unicode_string();
  pointers.logon_script = fixed.unicode_string();
  pointers.profile_path = fixed.unicode_string();
  pointers.home_directory = fixed.unicode_string();
  pointers.home_directory_drive = fixed.unicode_string();
  info.logon_count = fixed.u16();
  info.bad_password_count = fixed.u16();
  info.user_id = fixed.u32();
  info.primary_group_id = fixed.u32();
  pointers.group_count = fixed.u32();
  pointers.groups = fixed.u32();
  info.user_flags = fixed.u32();
  info.user_session_key = fixed.octets(kUserSessionKeySize);
  pointers.logon_server = fixed.unicode_string();
  pointers.logon_domain_name = fixed.unicode_string();
  pointers.logon_domain_id = fixed.u32();
  fixed.file_time();  // Reserved1.
  info.user_account_control = fixed.u32();
  fixed.u32();        // SubAuthStatus.
  fixed.file_time();  // LastSuccessfulILogon.
  fixed.file_time();  // LastFailedILogon.
  fixed.u32();        // FailedILogonCount.
  fixed.u32();        // Reserved3.
  pointers.extra_sid_count = fixed.u32();
  pointers.extra_sids = fixed.u32();
  pointers.resource_group_domain_sid = fixed.u32();
  pointers.resource_group_count = fixed.u32();
  pointers.resource_groups = fixed.u32();
  return pointers;
}

// read_extra_sids reads KERB_SID_AND_ATTRIBUTES and the SIDs that follow all of them. The array's
// bytes are there before the loop begins, so its count bounds nothing that was not paid for.
void read_extra_sids(Parse& parse, ndr::Reader& reader, const Pointers& pointers,
                     LogonInfo& info) noexcept {
  info.extra_sids =
      reader.array(pointers.extra_sids, pointers.extra_sid_count, kSidAndAttributesSize);
  const std::uint32_t begin = reader.at();
  for (Bytes rest = info.extra_sids; !rest.empty() && parse.ok();
       rest = rest.subspan(kSidAndAttributesSize)) {
    const auto referent = load_le<std::uint32_t>(rest);
    reader.require(referent != 0);  // An extra SID that is none.
    reader.sid(referent);
  }
  if (parse.ok()) {
    info.extra_sid_bodies = parse.input().subspan(begin, reader.at() - begin);
  }
}

void read_deferred(Parse& parse, ndr::Reader& reader, const Pointers& pointers,
                   LogonInfo& info) noexcept {
  info.effective_name = reader.characters(pointers.effective_name);
  info.full_name = reader.characters(pointers.full_name);
  info.logon_script = reader.characters(pointers.logon_script);
  info.profile_path = reader.characters(pointers.profile_path);
  info.home_directory = reader.characters(pointers.home_directory);
  info.home_directory_drive = reader.characters(pointers.home_directory_drive);
  info.groups = reader.array(pointers.groups, pointers.group_count, kGroupSize);
  info.logon_server = reader.characters(pointers.logon_server);
  info.logon_domain_name = reader.characters(pointers.logon_domain_name);
  info.logon_domain_id = reader.sid(pointers.logon_domain_id);
  read_extra_sids(parse, reader, pointers, info);
  info.resource_group_domain_sid = reader.sid(pointers.resource_group_domain_sid);
  info.resource_groups =
      reader.array(pointers.resource_groups, pointers.resource_group_count, kGroupSize);
}

}  // namespace

[[gnu::flatten]] ParseFault parse_into(Bytes buffer, LogonInfo& info) noexcept {
  Parse parse(buffer);
  ndr::Reader reader(parse);
  reader.headers();
  const Pointers pointers = read_fixed(reader.block<kFixedSize>(), info);
  read_deferred(parse, reader, pointers, info);
  // A relative identifier is relative to a domain.
  reader.require(info.groups.empty() || !info.logon_domain_id.empty());
  reader.require(info.resource_groups.empty() || !info.resource_group_domain_sid.empty());
  reader.finish();
  return parse.fault();
}

Result<LogonInfo> parse_logon_info(Bytes buffer) noexcept {
  LogonInfo info;
  const ParseFault fault = parse_into(buffer, info);
  return fault.code == ParseCode::kOk ? Result<LogonInfo>(info) : Result<LogonInfo>(fault);
}

SidView write_account_sid(const LogonInfo& info, MutableBytes out) noexcept {
  Bytes sid;
  if (info.user_id != 0) {
    const Bytes domain = info.logon_domain_id.octets;
    if (domain.empty() || domain.size() + sizeof(info.user_id) > SidView::kSizeMax) {
      return {};
    }
    std::ranges::copy(domain, out.begin());
    ++out[kSidCountAt];
    store_le(out.subspan(domain.size()), info.user_id);
    return {out.first(domain.size() + sizeof(info.user_id))};
  }
  each_extra_sid(info, [&](SidView extra, std::uint32_t) {
    if (sid.empty()) {
      sid = extra.octets;
    }
  });
  std::ranges::copy(sid, out.begin());
  return {out.first(sid.size())};
}

}  // namespace usher::pac
