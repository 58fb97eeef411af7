// PACs in the forms that tests, attacks and seeds want them in.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/mint/pac_buffers.h"

namespace usher::testing {

namespace logon_info_at = mint::logon_info_at;
using mint::account_sid;
using mint::domain_sid;
using mint::kPacEntryOffsetAt;
using mint::kPacEntrySize;
using mint::kPacEntrySizeAt;
using mint::kPacTableAt;
using mint::make_attributes;
using mint::make_client_info;
using mint::make_delegation_info;
using mint::make_logon_info;
using mint::make_pac;
using mint::make_sid;
using mint::make_signature;
using mint::make_upn_dns;
using mint::pac_utf16;
using mint::PacBuffer;
using mint::PacDelegationInfo;
using mint::PacGroup;
using mint::PacLogonInfo;
using mint::PacNdr;
using mint::PacOut;
using mint::PacSid;
using mint::PacText;
using mint::PacUpnDns;
using mint::patched;

// full_logon_info is one with everything that a KERB_VALIDATION_INFO can have.
inline PacLogonInfo full_logon_info() {
  PacLogonInfo info;
  info.logon_script = {"logon.cmd"};
  info.profile_path = {"\\\\dc1\\p"};
  info.home_directory = {"\\\\dc1\\h"};
  info.home_directory_drive = {"H:"};
  info.user_flags = 0x220;
  info.extra_sids = {{make_sid(18, {1})}, {make_sid(5, {21, 1, 2, 3, 512}), 0x20000007}};
  info.resource_group_domain_sid = make_sid(5, {21, 4000, 5000, 6000});
  info.resource_groups = {{1200, 0x20000007}, {1201, 0x20000007}};
  return info;
}

// minimal_pac is what an MIT KDC writes for a principal its database knows nothing more about.
inline std::vector<PacBuffer> minimal_pac() {
  return {{10, make_client_info()}, {6, make_signature()}, {7, make_signature()}};
}

// service_pac is what a domain controller puts into a ticket for a service.
inline std::vector<PacBuffer> service_pac(const PacLogonInfo& info = {}) {
  return {{1, make_logon_info(info)}, {10, make_client_info()}, {12, make_upn_dns()},
          {6, make_signature()},      {7, make_signature()},    {16, make_signature()},
          {19, make_signature()}};
}

// full_pac has a buffer of every type that MS-PAC knows, and one that it does not.
inline std::vector<PacBuffer> full_pac() {
  const std::vector<std::uint8_t> opaque(13, 0xee);
  return {{1, make_logon_info(full_logon_info())},
          {2, opaque},
          {13, {}},  // As Windows writes it when there are no claims.
          {10, make_client_info()},
          {12, make_upn_dns()},
          {11, make_delegation_info()},
          {14, opaque},
          {15, opaque},
          {17, make_attributes()},
          {18, account_sid()},
          {0x7fff0001, opaque},
          {6, make_signature(-138, 16)},
          {7, make_signature(20, 24)},
          {16, make_signature(15, 12)},
          {19, make_signature(19, 16)}};
}

// groups_pac is a service's PAC with `count` groups.
inline std::vector<PacBuffer> groups_pac(std::uint32_t count) {
  PacLogonInfo info;
  info.groups.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    info.groups.push_back({2000 + i});
  }
  return service_pac(info);
}

}  // namespace usher::testing
