// Takes a Privilege Attribute Certificate apart (MS-PAC 2): who the domain controller says the
// client is. Signatures are named, not verified.
#include <array>
#include <string>

#include "parsers/pac.h"
#include "tools/usher/decoder.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

std::string time_text(pac::FileTime time) {
  return time == 0 || time >= pac::kNever ? "never" : utc_filetime(time);
}

std::string sid_text(SidView sid) {
  std::array<std::uint8_t, kSidTextSizeMax> room;
  return std::string(text_of_bytes(Bytes(room).first(write_sid_text(sid, room))));
}

Json group_texts(SidView domain, Bytes groups) {
  Json list = Json::array();
  pac::each_group(groups, [&](pac::Group group) {
    std::array<std::uint8_t, kSidTextSizeMax> room;
    list.push_back(std::string(
        text_of_bytes(Bytes(room).first(write_sid_text(domain, group.relative_id, room)))));
  });
  return list;
}

Json logon_info(const pac::LogonInfo& info) {
  Json out{{"logon name", utf16_text(info.effective_name)},
           {"full name", utf16_text(info.full_name)},
           {"logon domain", utf16_text(info.logon_domain_name)},
           {"logon server", utf16_text(info.logon_server)},
           {"logon time", time_text(info.logon_time)},
           {"kick-off time", time_text(info.kick_off_time)},
           {"domain SID", sid_text(info.logon_domain_id)},
           {"user", info.user_id},
           {"primary group", info.primary_group_id},
           {"groups", group_texts(info.logon_domain_id, info.groups)}};
  Json extra = Json::array();
  pac::each_extra_sid(info, [&](SidView sid, std::uint32_t) { extra.push_back(sid_text(sid)); });
  if (!extra.empty()) {
    out["extra SIDs"] = std::move(extra);
  }
  if (!info.resource_groups.empty()) {
    out["resource groups"] = group_texts(info.resource_group_domain_sid, info.resource_groups);
  }
  return out;
}

void put_signature(Json& out, const char* key, const pac::Signature& signature) {
  if (signature.value.empty()) {
    return;
  }
  out[key] = numbered(signature.type, pac::checksum_name(signature.type));
  out[key]["size"] = signature.value.size();
  if (signature.has_rodc_id) {
    out[key]["RODC"] = signature.rodc_id;
  }
}

Json upn_dns(const pac::UpnDns& info) {
  Json out{{"UPN", utf16_text(info.upn)}, {"DNS domain", utf16_text(info.dns_domain)}};
  if ((info.flags & pac::kUpnExtended) != 0) {
    out["account name"] = utf16_text(info.sam_name);
    out["SID"] = sid_text(info.sid);
  }
  return out;
}

Json delegation_info(const pac::DelegationInfo& info) {
  Json through = Json::array();
  pac::each_transited(info, [&](Bytes name) { through.push_back(utf16_text(name)); });
  return Json{{"proxy target", utf16_text(info.proxy_target)}, {"through", std::move(through)}};
}

void put_sized(Json& out, const char* key, Bytes contents) {
  if (!contents.empty()) {
    out[key] = sized(contents.size());
  }
}

}  // namespace

Json Decoder::pac(Bytes certificate) {
  Json out;
  const Result<pac::Pac> parsed = pac::parse_pac(certificate);
  if (!parsed.ok()) {
    out["fault"] = fault_in("PAC", parsed.fault(), "MS-PAC 2.3");
    return out;
  }
  out["buffers"] = parsed->buffer_count;
  if (parsed->has_logon_info) {
    out["logon info"] = logon_info(parsed->logon_info);
  }
  if (parsed->has_client_info) {
    out["client info"] = Json{{"name", utf16_text(parsed->client_info.name)},
                              {"authtime", time_text(parsed->client_info.client_id)}};
  }
  if (parsed->has_upn_dns) {
    out["UPN and DNS"] = upn_dns(parsed->upn_dns);
  }
  if (parsed->has_delegation_info) {
    out["delegation info"] = delegation_info(parsed->delegation_info);
  }
  if (!parsed->requestor.empty()) {
    out["requestor"] = sid_text(parsed->requestor);
  }
  if (parsed->has_attributes) {
    out["attributes"] = parsed->attributes;
  }
  put_signature(out, "server signature", parsed->server_signature);
  put_signature(out, "KDC signature", parsed->kdc_signature);
  put_signature(out, "ticket signature", parsed->ticket_signature);
  put_signature(out, "full signature", parsed->full_signature);
  put_sized(out, "credentials", parsed->credentials);
  put_sized(out, "client claims", parsed->client_claims);
  put_sized(out, "device info", parsed->device_info);
  put_sized(out, "device claims", parsed->device_claims);
  return out;
}

}  // namespace usher::cli
