// engine/sspi_identity.cc: what any PAC that can be read says, as strings for a caller: as many
// groups as it has, and nothing that would end early or could not be read.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "engine/auth/unicode.h"
#include "engine/sspi_internal.h"
#include "fuzz/fuzz_target.h"
#include "parsers/pac.h"

namespace usher::fuzz {
namespace {

Bytes as_bytes(const char* text) {
  return {reinterpret_cast<const std::uint8_t*>(text), std::strlen(text)};
}

// check_name wants the PAC's own name back, whose UTF-16 is no longer than that of a whole PAC.
void check_name(const char* text, Bytes utf16) {
  static std::array<std::uint8_t, 128 * 1024> room;
  const std::optional<Bytes> back = auth::utf8_to_utf16(as_bytes(text), room);
  check(back && std::ranges::equal(*back, utf16), "a name is the PAC's");
}

// check_sid wants "" or a SID: "S-1-" and numbers with dashes between them.
void check_sid(std::string_view text, bool required) {
  constexpr std::string_view kDigits = "0123456789abcdefx-";
  check(required ? !text.empty() : true, "a group has a SID");
  check(text.empty() || (text.starts_with("S-1-") &&
                         text.find_first_not_of(kDigits, 4) == text.npos && text.back() != '-'),
        "a SID is a SID");
}

void check_identity(const pac::Pac& pac, const USHER_IDENTITY& identity) {
  const pac::LogonInfo& info = pac.logon_info;
  constexpr std::size_t kElementSize = 8;
  check(identity.GroupCount ==
            (info.groups.size() + info.extra_sids.size() + info.resource_groups.size()) /
                kElementSize,
        "every group is there once");
  for (std::uint32_t i = 0; i < identity.GroupCount; ++i) {
    check_sid(identity.Groups[i].Sid, true);
  }
  check_sid(identity.UserSid, false);
  check_sid(identity.PrimaryGroupSid, false);
  check_name(identity.FullName, info.full_name);
  check_name(identity.DomainName, info.logon_domain_name);
  check_name(identity.LogonServer, info.logon_server);
  check_name(identity.Upn, pac.upn_dns.upn);
  check_name(identity.DnsDomainName, pac.upn_dns.dns_domain);
  if (!info.effective_name.empty()) {
    check_name(identity.AccountName, info.effective_name);
  }
  check(identity.Signatures == auth::kPacServer, "nothing is verified that was not");
  check(identity.LogonTime.QuadPart >= 0 && identity.KickOffTime.QuadPart >= 0,
        "no time lies before its beginning");
}

}  // namespace

void run_one(Bytes input) {
  const Result<pac::Pac> pac = pac::parse_pac(input);
  if (!pac.ok()) {
    return;
  }
  PUSHER_IDENTITY identity = nullptr;
  const SECURITY_STATUS status = sspi::make_identity(*pac, auth::kPacServer, identity);
  check(status == SEC_E_OK || status == SEC_E_INVALID_UPN_NAME, "names are all that can be wrong");
  check((status == SEC_E_OK) == (identity != nullptr), "an identity comes with success alone");
  if (identity != nullptr) {
    check_identity(*pac, *identity);
    sspi::free_for_caller(identity);
  }
}

}  // namespace usher::fuzz
