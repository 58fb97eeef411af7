// The buffers of a PAC (MS-PAC 2): every structure from a description with sensible defaults, so
// that a caller changes one thing of a PAC that is otherwise right. Octets are written as told,
// right or wrong; pac_mint.h signs the whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/bytes.h"

namespace usher::mint {

// PacOut appends little-endian integers and octets.
class PacOut {
 public:
  template <class T>
  PacOut& integer(T value) {
    const std::size_t at = octets_.size();
    octets_.resize(at + sizeof(T));
    store_le(MutableBytes(octets_).subspan(at), value);
    return *this;
  }
  PacOut& u16(std::size_t value) { return integer(static_cast<std::uint16_t>(value)); }
  PacOut& u32(std::size_t value) { return integer(static_cast<std::uint32_t>(value)); }
  PacOut& u64(std::uint64_t value) { return integer(value); }
  PacOut& octets(Bytes bytes) {
    octets_.insert(octets_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  PacOut& align(std::size_t boundary) {
    while (octets_.size() % boundary != 0) {
      octets_.push_back(0);
    }
    return *this;
  }
  [[nodiscard]] std::size_t size() const { return octets_.size(); }
  [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(octets_); }

 private:
  std::vector<std::uint8_t> octets_;
};

// patched returns `octets` with the integer at `at` replaced.
template <class T>
inline std::vector<std::uint8_t> patched(std::vector<std::uint8_t> octets, std::size_t at,
                                         T value) {
  store_le(MutableBytes(octets).subspan(at), value);
  return octets;
}

inline std::vector<std::uint8_t> pac_utf16(std::string_view ascii) {
  PacOut out;
  for (const char c : ascii) {
    out.u16(static_cast<unsigned char>(c));
  }
  return out.take();
}

// make_sid writes a SID of revision 1; `authority` has 48 bits.
inline std::vector<std::uint8_t> make_sid(std::uint64_t authority,
                                          const std::vector<std::uint32_t>& sub_authorities) {
  PacOut out;
  out.u16(1 | sub_authorities.size() << 8);
  for (int shift = 40; shift >= 0; shift -= 8) {
    out.integer(static_cast<std::uint8_t>(authority >> shift));
  }
  for (const std::uint32_t value : sub_authorities) {
    out.u32(value);
  }
  return out.take();
}

inline std::vector<std::uint8_t> domain_sid() { return make_sid(5, {21, 1000, 2000, 3000}); }
inline std::vector<std::uint8_t> account_sid() { return make_sid(5, {21, 1000, 2000, 3000, 1103}); }

// PacText is an RPC_UNICODE_STRING to be: `spare` bytes of maximum_length beyond its length.
struct PacText {
  std::string ascii;
  std::size_t spare = 0;
  bool null = false;
};

struct PacGroup {
  std::uint32_t relative_id = 0;
  std::uint32_t attributes = 7;
};

struct PacSid {
  std::vector<std::uint8_t> sid;  // Empty: a null pointer.
  std::uint32_t attributes = 7;
};

// PacNdr writes one NDR object behind its headers. Pointers get referents in the order in which
// they are written; what they point to follows by calls to text_body and the like.
class PacNdr {
 public:
  PacNdr() {
    out_.u32(0x00081001).u32(0xcccccccc).u64(0);
    pointer(true);
  }

  PacOut& out() { return out_; }

  PacNdr& pointer(bool there) {
    out_.u32(there ? next_referent_ : 0);
    next_referent_ += there ? 4 : 0;
    return *this;
  }
  PacNdr& text(const PacText& text) {
    out_.u16(2 * text.ascii.size()).u16(2 * text.ascii.size() + text.spare);
    return pointer(!text.null);
  }
  PacNdr& text_body(const PacText& text) {
    if (!text.null) {
      out_.align(4).u32(text.ascii.size() + text.spare / 2).u32(0).u32(text.ascii.size());
      out_.octets(pac_utf16(text.ascii));
    }
    return *this;
  }
  PacNdr& sid_body(const std::vector<std::uint8_t>& sid) {
    if (!sid.empty()) {
      out_.align(4).u32((sid.size() - 8) / 4).octets(sid);
    }
    return *this;
  }
  PacNdr& groups_body(const std::vector<PacGroup>& groups) {
    if (!groups.empty()) {
      out_.align(4).u32(groups.size());
      for (const PacGroup& group : groups) {
        out_.u32(group.relative_id).u32(group.attributes);
      }
    }
    return *this;
  }

  // take fills the object to a multiple of eight and writes its length.
  [[nodiscard]] std::vector<std::uint8_t> take() {
    out_.align(8);
    const auto size = static_cast<std::uint32_t>(out_.size());
    return patched(out_.take(), 8, size - 16);
  }

 private:
  PacOut out_;
  std::uint32_t next_referent_ = 0x00020000;
};

// Where fields of the fixed part of a KERB_VALIDATION_INFO stand in their buffer.
namespace logon_info_at {
inline constexpr std::size_t kObjectLength = 8;
inline constexpr std::size_t kReferent = 16;
inline constexpr std::size_t kLogonTime = 20;
inline constexpr std::size_t kEffectiveName = 68;
inline constexpr std::size_t kGroupCount = 128;
inline constexpr std::size_t kGroups = 132;
inline constexpr std::size_t kLogonDomainId = 172;
inline constexpr std::size_t kExtraSidCount = 216;
inline constexpr std::size_t kExtraSids = 220;
inline constexpr std::size_t kResourceGroupDomainSid = 224;
inline constexpr std::size_t kResourceGroupCount = 228;
inline constexpr std::size_t kResourceGroups = 232;
inline constexpr std::size_t kEffectiveNameBody = 236;  // Max count, offset, actual count, units.
}  // namespace logon_info_at

struct PacLogonInfo {
  PacText effective_name{"alice"};
  PacText full_name{"Alice Example"};
  PacText logon_script{""};
  PacText profile_path{""};
  PacText home_directory{""};
  PacText home_directory_drive{"", 0, true};
  std::uint32_t user_id = 1103;
  std::uint32_t primary_group_id = 513;
  std::vector<PacGroup> groups{{513}, {1104}, {1105}};
  std::uint32_t user_flags = 0x20;
  PacText logon_server{"DC1", 2};
  PacText logon_domain_name{"EXAMPLE", 2};
  std::vector<std::uint8_t> logon_domain_id = domain_sid();
  std::vector<PacSid> extra_sids{{make_sid(18, {1})}};
  std::vector<std::uint8_t> resource_group_domain_sid;
  std::vector<PacGroup> resource_groups;
};

inline std::vector<std::uint8_t> make_logon_info(const PacLogonInfo& info = {}) {
  PacNdr ndr;
  for (std::uint64_t time = 1; time <= 6; ++time) {
    ndr.out().u64(time << 32 | (0x10 + time));
  }
  ndr.text(info.effective_name).text(info.full_name).text(info.logon_script);
  ndr.text(info.profile_path).text(info.home_directory).text(info.home_directory_drive);
  ndr.out().u16(7).u16(8).u32(info.user_id).u32(info.primary_group_id);
  ndr.out().u32(info.groups.size());
  ndr.pointer(!info.groups.empty());
  ndr.out().u32(info.user_flags).u64(0).u64(0);  // With an empty session key.
  ndr.text(info.logon_server).text(info.logon_domain_name);
  ndr.pointer(!info.logon_domain_id.empty());
  ndr.out().u64(0).u32(0x10).u32(0).u64(0).u64(0).u64(0).u32(info.extra_sids.size());
  ndr.pointer(!info.extra_sids.empty()).pointer(!info.resource_group_domain_sid.empty());
  ndr.out().u32(info.resource_groups.size());
  ndr.pointer(!info.resource_groups.empty());

  ndr.text_body(info.effective_name).text_body(info.full_name).text_body(info.logon_script);
  ndr.text_body(info.profile_path).text_body(info.home_directory);
  ndr.text_body(info.home_directory_drive).groups_body(info.groups);
  ndr.text_body(info.logon_server).text_body(info.logon_domain_name);
  ndr.sid_body(info.logon_domain_id);
  if (!info.extra_sids.empty()) {
    ndr.out().align(4).u32(info.extra_sids.size());
    for (const PacSid& extra : info.extra_sids) {
      ndr.pointer(!extra.sid.empty()).out().u32(extra.attributes);
    }
    for (const PacSid& extra : info.extra_sids) {
      ndr.sid_body(extra.sid);
    }
  }
  ndr.sid_body(info.resource_group_domain_sid).groups_body(info.resource_groups);
  return ndr.take();
}

struct PacDelegationInfo {
  PacText proxy_target{"http/web"};
  std::vector<PacText> transited{{"cifs/a@R"}, {"x"}, {"", 0, true}, {"http/b@R", 2}};
};

inline std::vector<std::uint8_t> make_delegation_info(const PacDelegationInfo& info = {}) {
  PacNdr ndr;
  ndr.text(info.proxy_target).out().u32(info.transited.size());
  ndr.pointer(!info.transited.empty()).text_body(info.proxy_target);
  if (!info.transited.empty()) {
    ndr.out().align(4).u32(info.transited.size());
    for (const PacText& text : info.transited) {
      ndr.text(text);
    }
    for (const PacText& text : info.transited) {
      ndr.text_body(text);
    }
  }
  return ndr.take();
}

inline std::vector<std::uint8_t> make_client_info(std::uint64_t client_id = 0x01d12345abcdef00,
                                                  std::string_view name = "alice") {
  return PacOut().u64(client_id).u16(2 * name.size()).octets(pac_utf16(name)).take();
}

struct PacUpnDns {
  std::string upn = "alice@example.test";
  std::string dns_domain = "EXAMPLE.TEST";
  std::uint32_t flags = 2;  // Extended.
  std::string sam_name = "alice";
  std::vector<std::uint8_t> sid = account_sid();
};

// make_upn_dns lays strings out as Windows does, each at a multiple of eight, the SID where the
// last string ends, and the whole filled to a multiple of eight.
inline std::vector<std::uint8_t> make_upn_dns(const PacUpnDns& info = {}) {
  const bool extended = (info.flags & 2) != 0;
  const auto round = [](std::size_t size) { return (size + 7) / 8 * 8; };
  const std::size_t upn_at = round(extended ? 20 : 12);
  const std::size_t dns_at = round(upn_at + 2 * info.upn.size());
  const std::size_t sam_at = round(dns_at + 2 * info.dns_domain.size());
  const std::size_t sid_at = sam_at + 2 * info.sam_name.size();
  PacOut out;
  out.u16(2 * info.upn.size()).u16(upn_at).u16(2 * info.dns_domain.size()).u16(dns_at);
  out.u32(info.flags);
  if (extended) {
    out.u16(2 * info.sam_name.size()).u16(sam_at).u16(info.sid.size()).u16(sid_at);
  }
  out.align(8).octets(pac_utf16(info.upn));
  out.align(8).octets(pac_utf16(info.dns_domain));
  if (extended) {
    out.align(8).octets(pac_utf16(info.sam_name)).octets(info.sid);
  }
  return out.align(8).take();
}

// make_signature writes a PAC_SIGNATURE_DATA of `size` octets, all of them `fill`.
inline std::vector<std::uint8_t> make_signature(std::int32_t type = 16, std::size_t size = 12,
                                                std::uint8_t fill = 0x5a) {
  const std::vector<std::uint8_t> value(size, fill);
  return PacOut().u32(static_cast<std::uint32_t>(type)).octets(value).take();
}

inline std::vector<std::uint8_t> make_attributes(std::uint32_t bits = 2, std::uint32_t flags = 1) {
  return PacOut().u32(bits).u32(flags).take();
}

// PacBuffer is one element of a PAC by its ulType.
struct PacBuffer {
  std::uint32_t type;
  std::vector<std::uint8_t> octets;
};

inline constexpr std::size_t kPacTableAt = 8;  // Where the PAC_INFO_BUFFERs begin,
inline constexpr std::size_t kPacEntrySize = 16;
inline constexpr std::size_t kPacEntrySizeAt = 4;  // and what each has where.
inline constexpr std::size_t kPacEntryOffsetAt = 8;

// make_pac places the buffers one after the other, each at a multiple of eight, and fills the
// whole.
inline std::vector<std::uint8_t> make_pac(const std::vector<PacBuffer>& buffers) {
  PacOut table;
  PacOut body;
  const std::size_t body_at = kPacTableAt + kPacEntrySize * buffers.size();
  table.u32(buffers.size()).u32(0);
  for (const PacBuffer& buffer : buffers) {
    table.u32(buffer.type).u32(buffer.octets.size()).u64(body_at + body.size());
    body.octets(buffer.octets).align(8);
  }
  return table.octets(body.take()).take();
}

}  // namespace usher::mint
