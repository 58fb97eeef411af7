// parsers/pac.h: a PAC is accepted exactly if a model of its table says so and every buffer is
// accepted on its own; what it then says is what its buffers say.
#include <algorithm>
#include <array>

#include "fuzz/fuzz_target.h"
#include "parsers/pac.h"

namespace usher::fuzz {
namespace {

using pac::BufferType;
using pac::Pac;

bool same(Bytes a, Bytes b) { return a.size() == b.size() && (a.empty() || a.data() == b.data()); }

// Entry is a PAC_INFO_BUFFER, its end computed where it cannot wrap.
struct Entry {
  BufferType type;
  std::uint64_t size;
  std::uint64_t offset;
};

Entry entry_of(Bytes input, std::size_t index) {
  const Bytes raw = input.subspan(8 + 16 * index, 16);
  return {BufferType(load_le<std::uint32_t>(raw)), load_le<std::uint32_t>(raw.subspan(4)),
          load_le<std::uint64_t>(raw.subspan(8))};
}

// model_table says whether the table is right, the obvious way.
bool model_table(Bytes input) {
  if (input.size() < 8 || load_le<std::uint32_t>(input.subspan(4)) != 0) {
    return false;
  }
  const std::uint64_t count = load_le<std::uint32_t>(input);
  const std::uint64_t table_end = 8 + 16 * count;
  if (count == 0 || count > pac::kBuffersMax || table_end > input.size()) {
    return false;
  }
  std::array<Entry, pac::kBuffersMax> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const Entry& a = entries[i] = entry_of(input, i);
    if (a.offset % 8 != 0 || a.offset < table_end || a.offset > input.size() ||
        a.offset + a.size > input.size()) {
      return false;
    }
    for (std::size_t j = 0; j < i; ++j) {
      const Entry& b = entries[j];
      const bool apart = a.offset + a.size <= b.offset || b.offset + b.size <= a.offset;
      if (a.type == b.type || !apart) {
        return false;
      }
    }
  }
  return true;
}

bool check_logon_info(Bytes buffer, const Pac& pac) {
  const Result<pac::LogonInfo> alone = pac::parse_logon_info(buffer);
  if (alone.ok() && pac.buffer_count > 0) {
    check(pac.has_logon_info && same(pac.logon_info.groups, alone->groups) &&
              same(pac.logon_info.effective_name, alone->effective_name) &&
              same(pac.logon_info.extra_sid_bodies, alone->extra_sid_bodies) &&
              pac.logon_info.user_id == alone->user_id,
          "a logon info is the same in a PAC as alone");
  }
  return alone.ok();
}

bool check_client_info(Bytes buffer, const Pac& pac) {
  const Result<pac::ClientInfo> alone = pac::parse_client_info(buffer);
  if (alone.ok()) {
    check(10 + alone->name.size() == buffer.size() && within(alone->name, buffer),
          "a client info is its name and ten bytes");
    check(!pac::parse_client_info(buffer.first(buffer.size() - 1)).ok(), "all of it");
    check(pac.buffer_count == 0 || (pac.has_client_info && same(pac.client_info.name, alone->name)),
          "a client info is the same in a PAC as alone");
  }
  return alone.ok();
}

bool check_upn_dns(Bytes buffer, const Pac& pac) {
  const Result<pac::UpnDns> alone = pac::parse_upn_dns(buffer);
  if (!alone.ok()) {
    return false;
  }
  const bool extended = (alone->flags & pac::kUpnExtended) != 0;
  for (const Bytes text : {alone->upn, alone->dns_domain, alone->sam_name}) {
    check(text.size() % 2 == 0, "a name is made of UTF-16 units");
    check(within(text, buffer.subspan(extended ? 20 : 12)), "a name stands behind the header");
  }
  check(within(alone->sid.octets, buffer.subspan(extended ? 20 : 12)), "so does a SID");
  check(extended == parse_sid(alone->sid.octets).ok(), "there is a SID exactly if it is announced");
  check(extended || alone->sam_name.empty(), "so there is a SAM name");
  check(pac.buffer_count == 0 || (pac.has_upn_dns && same(pac.upn_dns.upn, alone->upn) &&
                                  same(pac.upn_dns.sid.octets, alone->sid.octets)),
        "a UPN is the same in a PAC as alone");
  return true;
}

bool check_signature(Bytes buffer, const Pac& pac, const pac::Signature& in_pac) {
  const Result<pac::Signature> alone = pac::parse_signature(buffer);
  if (!alone.ok()) {
    return false;
  }
  const std::size_t size = alone->value.size() + (alone->has_rodc_id ? 2u : 0u) + 4;
  check(size == buffer.size() && alone->value.data() == buffer.subspan(4).data(),
        "a signature is a type, a value and nothing unaccounted for");
  switch (alone->type) {
    case 15:
    case 16:
      check(alone->value.size() == 12, "HMAC-SHA1-96 has 12 octets");
      break;
    case -138:
    case 19:
      check(alone->value.size() == 16, "HMAC-MD5 and HMAC-SHA256-128 have 16");
      break;
    case 20:
      check(alone->value.size() == 24, "HMAC-SHA384-192 has 24");
      break;
    default:
      check(!alone->value.empty() && !alone->has_rodc_id, "others have some");
  }
  check(pac.buffer_count == 0 || (same(in_pac.value, alone->value) && in_pac.type == alone->type),
        "a signature is the same in a PAC as alone");
  return true;
}

bool check_delegation_info(Bytes buffer, const Pac& pac) {
  const Result<pac::DelegationInfo> alone = pac::parse_delegation_info(buffer);
  check(!alone.ok() || pac.buffer_count == 0 ||
            (pac.has_delegation_info &&
             same(pac.delegation_info.transited_bodies, alone->transited_bodies)),
        "a delegation info is the same in a PAC as alone");
  return alone.ok();
}

bool check_attributes(Bytes buffer, const Pac& pac) {
  const std::uint64_t bits = buffer.size() < 8 ? 0 : load_le<std::uint32_t>(buffer);
  const bool good = bits > 0 && buffer.size() == 4 + 4 * ((bits + 31) / 32);
  check(!good || pac.buffer_count == 0 ||
            (pac.has_attributes && pac.attributes == load_le<std::uint32_t>(buffer.subspan(4))),
        "attributes are their first word");
  return good;
}

bool check_opaque(Bytes buffer, const Pac& pac, Bytes in_pac) {
  check(pac.buffer_count == 0 || same(buffer, in_pac), "what is not read is the buffer");
  return true;
}

// check_buffer says whether a buffer is right on its own and, if `pac` was accepted, compares. A
// `pac` without buffers stands for one that was refused.
bool check_buffer(BufferType type, Bytes buffer, const Pac& pac) {
  switch (type) {
    case BufferType::kLogonInfo:
      return check_logon_info(buffer, pac);
    case BufferType::kCredentials:
      return check_opaque(buffer, pac, pac.credentials);
    case BufferType::kServerSignature:
      return check_signature(buffer, pac, pac.server_signature);
    case BufferType::kKdcSignature:
      return check_signature(buffer, pac, pac.kdc_signature);
    case BufferType::kClientInfo:
      return check_client_info(buffer, pac);
    case BufferType::kDelegationInfo:
      return check_delegation_info(buffer, pac);
    case BufferType::kUpnDns:
      return check_upn_dns(buffer, pac);
    case BufferType::kClientClaims:
      return check_opaque(buffer, pac, pac.client_claims);
    case BufferType::kDeviceInfo:
      return check_opaque(buffer, pac, pac.device_info);
    case BufferType::kDeviceClaims:
      return check_opaque(buffer, pac, pac.device_claims);
    case BufferType::kTicketSignature:
      return check_signature(buffer, pac, pac.ticket_signature);
    case BufferType::kAttributes:
      return check_attributes(buffer, pac);
    case BufferType::kRequestor: {
      const bool good = parse_sid(buffer).ok();
      check(!good || pac.buffer_count == 0 || same(buffer, pac.requestor.octets),
            "a requestor is the buffer");
      return good;
    }
    case BufferType::kFullSignature:
      return check_signature(buffer, pac, pac.full_signature);
  }
  return true;
}

}  // namespace

void run_one(Bytes input) {
  const Result<Pac> result = pac::parse_pac(input);
  static const Pac refused{};
  const Pac& pac = result.ok() ? *result : refused;
  if (!model_table(input)) {
    check(!result.ok(), "a PAC with a wrong table is refused");
    check(result.fault().offset <= input.size(), "a fault points into the PAC");
    return;
  }
  const std::size_t count = load_le<std::uint32_t>(input);
  check(!result.ok() || pac.buffer_count == count, "buffers are counted");
  bool all_good = true;
  for (std::size_t i = 0; i < count && all_good; ++i) {
    const Entry entry = entry_of(input, i);
    all_good = check_buffer(entry.type, input.subspan(entry.offset, entry.size), pac);
    if (!all_good) {
      check(!result.ok(), "a PAC with a wrong buffer is refused");
      check(result.fault().offset >= entry.offset &&
                result.fault().offset <= entry.offset + entry.size,
            "the fault points into the first wrong buffer");
    }
  }
  check(result.ok() == all_good, "a PAC of right buffers in a right table is accepted");
}

}  // namespace usher::fuzz
