// What a verified PAC says, in words.
#include <array>

#include "parsers/pac.h"
#include "tools/usher/replay.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

using SidText = std::array<std::uint8_t, kSidTextSizeMax>;

std::string sid_text(SidView sid) {
  SidText room;
  return std::string(text_of_bytes(Bytes(room).first(write_sid_text(sid, room))));
}

std::string sid_text(SidView domain, std::uint32_t relative_id) {
  SidText room;
  return std::string(text_of_bytes(Bytes(room).first(write_sid_text(domain, relative_id, room))));
}

void put_logon_info(const pac::LogonInfo& info, PacFacts& out) {
  out.full_name = utf16_text(info.full_name);
  out.domain = utf16_text(info.logon_domain_name);
  out.logon_server = utf16_text(info.logon_server);
  std::array<std::uint8_t, SidView::kSizeMax> room;
  out.user_sid = sid_text(pac::write_account_sid(info, room));
  out.primary_group_sid = sid_text(info.logon_domain_id, info.primary_group_id);
  pac::each_group(info.groups, [&](pac::Group group) {
    out.groups.push_back(sid_text(info.logon_domain_id, group.relative_id));
  });
  pac::each_extra_sid(
      info, [&out](SidView sid, std::uint32_t) { out.extra_sids.push_back(sid_text(sid)); });
  pac::each_group(info.resource_groups, [&](pac::Group group) {
    out.resource_groups.push_back(sid_text(info.resource_group_domain_sid, group.relative_id));
  });
}

}  // namespace

std::optional<PacFacts> facts_of(Bytes octets, std::uint8_t signatures) {
  const Result<pac::Pac> pac = pac::parse_pac(octets);
  if (!pac.ok()) {
    return std::nullopt;
  }
  PacFacts out;
  out.signatures = signatures;
  out.has_ticket_signature = !pac->ticket_signature.value.empty();
  out.has_full_signature = !pac->full_signature.value.empty();
  if (pac->has_logon_info) {
    put_logon_info(pac->logon_info, out);
  }
  const Bytes logon_name = pac->logon_info.effective_name;
  out.logon_name = utf16_text(logon_name.empty() ? pac->client_info.name : logon_name);
  out.upn = utf16_text(pac->upn_dns.upn);
  out.dns_domain = utf16_text(pac->upn_dns.dns_domain);
  out.has_client_claims = !pac->client_claims.empty();
  out.has_device_claims = !pac->device_claims.empty();
  return out;
}

}  // namespace usher::cli
