#include "engine/auth/pac_write.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "engine/auth/unicode.h"

namespace usher::auth {
namespace {

using Wide = std::vector<std::uint8_t>;  // UTF-16LE.

constexpr std::size_t kLengthMax = std::numeric_limits<std::uint16_t>::max();
constexpr std::size_t kSidCountAt = 1;  // Where a SID has its count of sub-authorities.
constexpr std::size_t kRelativeIdSize = 4;

// What UserFlags says of the SIDs (MS-PAC 2.5): there are ExtraSids, there are ResourceGroupIds.
constexpr std::uint32_t kLogonExtraSids = 0x20;
constexpr std::uint32_t kLogonResourceGroups = 0x200;

// Out appends little-endian integers and octets.
class Out {
 public:
  template <class T>
  void integer(T value) {
    std::array<std::uint8_t, sizeof(T)> octets{};
    store_le(octets, value);
    append(octets);
  }
  void u16(std::size_t value) { integer(static_cast<std::uint16_t>(value)); }
  void u32(std::size_t value) { integer(static_cast<std::uint32_t>(value)); }
  void u64(std::uint64_t value) { integer(value); }
  void append(Bytes octets) { octets_.insert(octets_.end(), octets.begin(), octets.end()); }
  void align(std::size_t boundary) {
    octets_.resize((octets_.size() + boundary - 1) / boundary * boundary);
  }

  [[nodiscard]] std::vector<std::uint8_t>& octets() { return octets_; }

 private:
  std::vector<std::uint8_t> octets_;
};

// Ndr writes one object by type serialization version 1 (MS-RPCE 2.2.6): what is fixed by the first
// row of functions, then, in the same order, what its pointers point to by the second. A null
// pointer stands for everything that is empty, and points to nothing.
class Ndr {
 public:
  Ndr() {
    out_.u32(0x00081001);  // Version 1, little-endian, a common header of eight bytes.
    out_.u32(0xcccccccc);
    out_.u64(0);  // The private header; finish fills in how long the object is.
    pointer(false);
  }

  Out& out() { return out_; }

  void pointer(bool null) {
    out_.u32(null ? 0 : next_referent_);
    next_referent_ += null ? 0 : 4;
  }
  void text(const Wide& wide) {  // RPC_UNICODE_STRING (MS-DTYP 2.3.10).
    out_.u16(wide.size());
    out_.u16(wide.size());
    pointer(wide.empty());
  }
  void array(std::size_t count) {
    out_.u32(count);
    pointer(count == 0);
  }

  void characters(const Wide& wide) {
    if (!wide.empty()) {
      out_.align(4);
      out_.u32(wide.size() / 2);
      out_.u32(0);
      out_.u32(wide.size() / 2);
      out_.append(wide);
    }
  }
  // count begins a conformant array, whose elements the caller writes.
  void count(std::size_t count) {
    if (count > 0) {
      out_.align(4);
      out_.u32(count);
    }
  }
  void sid(Bytes octets) {
    if (!octets.empty()) {
      count(octets[kSidCountAt]);
      out_.append(octets);
    }
  }

  // finish fills the object up to a multiple of eight bytes (MS-RPCE 2.2.6.2).
  std::vector<std::uint8_t>& finish() {
    constexpr std::size_t kHeadersSize = 16;
    constexpr std::size_t kLengthAt = 8;
    out_.align(8);
    std::vector<std::uint8_t>& octets = out_.octets();
    store_le(MutableBytes(octets).subspan(kLengthAt),
             static_cast<std::uint32_t>(octets.size() - kHeadersSize));
    return octets;
  }

 private:
  Out out_;
  std::uint32_t next_referent_ = 0x00020000;  // Where Windows and Samba begin.
};

// widen makes UTF-16LE of a name; false if it is none, or too long for a length of 16 bits.
bool widen(std::string_view utf8, Wide& wide) {
  wide.resize(2 * utf8.size());  // No code point is longer in UTF-16 than twice its UTF-8.
  const std::optional<Bytes> written =
      utf8_to_utf16({reinterpret_cast<const std::uint8_t*>(utf8.data()), utf8.size()}, wide);
  if (!written || written->size() > kLengthMax) {
    return false;
  }
  wide.resize(written->size());
  return true;
}

struct Names {
  Wide account;
  Wide full_name;
  Wide domain;
  Wide dns_domain;
  Wide upn;
  Wide logon_server;
};

bool widen_all(const Identity& identity, Names& names) {
  return widen(identity.account, names.account) && widen(identity.full_name, names.full_name) &&
         widen(identity.domain, names.domain) && widen(identity.dns_domain, names.dns_domain) &&
         widen(identity.upn, names.upn) && widen(identity.logon_server, names.logon_server);
}

std::uint32_t relative_id(SidView sid) noexcept {
  return load_le<std::uint32_t>(sid.octets.last(kRelativeIdSize));
}

// is_of says whether a SID is `domain` and one sub-authority more; they differ in the count, too.
bool is_of(Bytes domain, SidView sid) noexcept {
  return !domain.empty() && sid.octets.size() == domain.size() + kRelativeIdSize &&
         std::ranges::equal(sid.octets.subspan(2, domain.size() - 2), domain.subspan(2));
}

// Membership is the SIDs as KERB_VALIDATION_INFO has them (MS-PAC 2.5).
struct Membership {
  std::vector<std::uint8_t> domain;  // LogonDomainId; empty: there is none.
  std::uint32_t user_id = 0;
  std::uint32_t primary_group_id = 0;
  std::vector<pac::Group> groups;
  std::vector<SidAndAttributes> extra;
};

Membership sort_sids(const Identity& identity) {
  Membership sorted;
  const Bytes user = identity.user.octets;
  if (user[kSidCountAt] > 1 && relative_id(identity.user) != 0) {
    const Bytes domain = user.first(user.size() - kRelativeIdSize);
    sorted.domain.assign(domain.begin(), domain.end());
    --sorted.domain[kSidCountAt];
    sorted.user_id = relative_id(identity.user);
  } else {
    // MS-PAC 2.5, UserId: a user of no domain has 0, and is the first of ExtraSids.
    sorted.extra.push_back({identity.user});
  }
  if (is_of(sorted.domain, identity.primary_group)) {
    sorted.primary_group_id = relative_id(identity.primary_group);
  }
  for (const SidAndAttributes& group : identity.groups) {
    if (is_of(sorted.domain, group.sid)) {
      sorted.groups.push_back({relative_id(group.sid), group.attributes});
    } else if (!group.sid.empty()) {
      sorted.extra.push_back(group);
    }
  }
  return sorted;
}

void write_fixed(Ndr& ndr, const Identity& identity, const Names& names, const Membership& sorted) {
  Out& out = ndr.out();
  for (const pac::FileTime time :
       {identity.logon_time, identity.logoff_time, identity.kick_off_time,
        identity.password_last_set, identity.password_can_change, identity.password_must_change}) {
    out.u64(time);
  }
  ndr.text(names.account);
  ndr.text(names.full_name);
  for (int i = 0; i < 4; ++i) {  // LogonScript, ProfilePath, HomeDirectory, HomeDirectoryDrive.
    ndr.text({});
  }
  out.u16(identity.logon_count);
  out.u16(identity.bad_password_count);
  out.u32(sorted.user_id);
  out.u32(sorted.primary_group_id);
  ndr.array(sorted.groups.size());
  out.u32((identity.user_flags & ~(kLogonExtraSids | kLogonResourceGroups)) |
          (sorted.extra.empty() ? 0 : kLogonExtraSids));
  out.u64(0);  // UserSessionKey: the context's own key is what counts.
  out.u64(0);
  ndr.text(names.logon_server);
  ndr.text(names.domain);
  ndr.pointer(sorted.domain.empty());
  out.u64(0);  // Reserved1.
  out.u32(identity.user_account_control);
  out.u32(0);  // SubAuthStatus.
  out.u64(0);  // LastSuccessfulILogon.
  out.u64(0);  // LastFailedILogon.
  out.u32(0);  // FailedILogonCount.
  out.u32(0);  // Reserved3.
  ndr.array(sorted.extra.size());
  ndr.pointer(true);  // ResourceGroupDomainSid.
  ndr.array(0);       // ResourceGroupIds.
}

std::vector<std::uint8_t> write_logon_info(const Identity& identity, const Names& names) {
  const Membership sorted = sort_sids(identity);
  Ndr ndr;
  write_fixed(ndr, identity, names, sorted);
  ndr.characters(names.account);
  ndr.characters(names.full_name);
  ndr.count(sorted.groups.size());
  for (const pac::Group& group : sorted.groups) {
    ndr.out().u32(group.relative_id);
    ndr.out().u32(group.attributes);
  }
  ndr.characters(names.logon_server);
  ndr.characters(names.domain);
  ndr.sid(sorted.domain);
  ndr.count(sorted.extra.size());
  for (const SidAndAttributes& extra : sorted.extra) {
    ndr.pointer(false);
    ndr.out().u32(extra.attributes);
  }
  for (const SidAndAttributes& extra : sorted.extra) {
    ndr.sid(extra.sid.octets);
  }
  return std::move(ndr.finish());
}

// write_upn_dns writes UPN_DNS_INFO (MS-PAC 2.10), each string at a multiple of eight as Windows
// has it; nothing if they leave the reach of its offsets.
std::optional<std::vector<std::uint8_t>> write_upn_dns(const Names& names) {
  constexpr std::size_t kUpnAt = 16;
  const std::size_t dns_domain_at = (kUpnAt + names.upn.size() + 7) / 8 * 8;
  if (dns_domain_at > kLengthMax) {
    return std::nullopt;
  }
  Out out;
  out.u16(names.upn.size());
  out.u16(kUpnAt);
  out.u16(names.dns_domain.size());
  out.u16(dns_domain_at);
  out.u32(0);
  out.align(8);
  out.append(names.upn);
  out.align(8);
  out.append(names.dns_domain);
  out.align(8);
  return std::move(out.octets());
}

}  // namespace

std::optional<std::vector<std::uint8_t>> write_pac(const Identity& identity) {
  struct Buffer {
    pac::BufferType type;
    std::vector<std::uint8_t> octets;
  };
  Names names;
  if (identity.user.empty() || !widen_all(identity, names)) {
    return std::nullopt;
  }
  std::vector<Buffer> buffers;
  buffers.push_back({pac::BufferType::kLogonInfo, write_logon_info(identity, names)});
  if (!names.upn.empty() || !names.dns_domain.empty()) {
    std::optional<std::vector<std::uint8_t>> upn_dns = write_upn_dns(names);
    if (!upn_dns) {
      return std::nullopt;
    }
    buffers.push_back({pac::BufferType::kUpnDns, std::move(*upn_dns)});
  }

  // PACTYPE and its PAC_INFO_BUFFERs (MS-PAC 2.3, 2.4). Every buffer's size is a multiple of eight.
  constexpr std::size_t kHeaderSize = 8;
  constexpr std::size_t kEntrySize = 16;
  Out out;
  out.u32(buffers.size());
  out.u32(0);
  std::size_t at = kHeaderSize + kEntrySize * buffers.size();
  for (const Buffer& buffer : buffers) {
    out.u32(std::uint32_t(buffer.type));
    out.u32(buffer.octets.size());
    out.u64(at);
    at += buffer.octets.size();
  }
  for (const Buffer& buffer : buffers) {
    out.append(buffer.octets);
  }
  return std::move(out.octets());
}

}  // namespace usher::auth
