// Who a client is, in the words of an authority, as a PAC: what comes of NTLM reaches the caller in
// the way that Kerberos' PAC does (MS-PAC 2.5, 2.10).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/pac.h"
#include "parsers/sid.h"

namespace usher::auth {

struct SidAndAttributes {
  SidView sid;
  std::uint32_t attributes = 7;  // SE_GROUP_*: mandatory, enabled by default, enabled.
};

// Identity is what write_pac writes. Names are UTF-8; empty: there is none.
struct Identity {
  std::string_view account;
  std::string_view full_name;
  std::string_view domain;
  std::string_view dns_domain;
  std::string_view upn;
  std::string_view logon_server;
  pac::FileTime logon_time = 0;
  pac::FileTime logoff_time = pac::kNever;
  pac::FileTime kick_off_time = pac::kNever;
  pac::FileTime password_last_set = 0;
  pac::FileTime password_can_change = 0;
  pac::FileTime password_must_change = pac::kNever;
  std::uint16_t logon_count = 0;
  std::uint16_t bad_password_count = 0;
  std::uint32_t user_flags = 0;  // write_pac itself says which kinds of SIDs there are.
  std::uint32_t user_account_control = 0;
  SidView user;
  SidView primary_group;  // Of the user's domain; ignored otherwise.
  std::span<const SidAndAttributes> groups;
};

// write_pac writes KERB_VALIDATION_INFO, and UPN_DNS_INFO if there is a UPN or a DNS domain. Groups
// of the user's own domain become GroupIds, others ExtraSids. There is no signature: nobody signed
// it. Nothing if a name is no UTF-8 or too long for its length field, or the user's SID is empty.
// What it writes pac::parse_pac reads. Allocates.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> write_pac(const Identity& identity);

}  // namespace usher::auth
