// The table of a PAC and its small buffers. logon_info.cc and delegation_info.cc have the two that
// are written in NDR.
#include "parsers/pac.h"

#include <algorithm>
#include <array>

#include "parsers/cursor.h"

namespace usher::pac {
namespace {

constexpr std::uint32_t kHeaderSize = 8;
constexpr std::uint32_t kEntrySize = 16;
constexpr std::uint32_t kBufferAlignment = 8;

constexpr std::uint32_t kUpnDnsHeaderSize = 12;
constexpr std::uint32_t kUpnDnsExtendedHeaderSize = 20;

constexpr std::uint32_t kFlagsWordBits = 32;

// Checksum types of RFC 3961, 3962, 4757 and 8009 that sign PACs (MS-PAC 2.8).
constexpr std::int32_t kHmacMd5 = -138;
constexpr std::int32_t kHmacSha1Aes128 = 15;
constexpr std::int32_t kHmacSha1Aes256 = 16;
constexpr std::int32_t kHmacSha256Aes128 = 19;
constexpr std::int32_t kHmacSha384Aes256 = 20;
constexpr std::uint32_t kRodcIdSize = 2;

// signature_size returns the octets of a checksum of `type`, or 0 for another type.
std::uint32_t signature_size(std::int32_t type) noexcept {
  switch (type) {
    case kHmacSha1Aes128:
    case kHmacSha1Aes256:
      return 12;
    case kHmacMd5:
    case kHmacSha256Aes128:
      return 16;
    case kHmacSha384Aes256:
      return 24;
    default:
      return 0;
  }
}

void require_end(Parse& parse, std::uint32_t at, std::uint32_t padding_max) noexcept {
  if (parse.size() - at > padding_max) {
    parse.fail(ParseCode::kTrailingBytes, at);
  }
}

// Field is a length and an offset in an UPN_DNS_INFO.
struct Field {
  std::uint16_t length;
  std::uint16_t offset;
};

Field read_field(Cursor& cursor) noexcept {
  const std::uint16_t length = cursor.u16();
  return {length, cursor.u16()};
}

// UpnDnsReader resolves fields and remembers where the last of them ends.
class UpnDnsReader {
 public:
  UpnDnsReader(Cursor& cursor, std::uint32_t header_size) noexcept
      : cursor_(cursor), header_size_(header_size), end_(header_size) {}

  Bytes octets(Field field) noexcept {
    if (field.length == 0) {
      return {};  // Its offset says nothing.
    }
    end_ = std::max(end_, std::uint32_t{field.offset} + field.length);
    return cursor_.range(
        {.offset = field.offset, .length = field.length, .not_before = header_size_});
  }

  Bytes text(Field field) noexcept {
    cursor_.require(field.length % 2 == 0);
    return octets(field);
  }

  [[nodiscard]] std::uint32_t end() const noexcept { return end_; }

 private:
  Cursor& cursor_;
  std::uint32_t header_size_;
  std::uint32_t end_;
};

// Entry is a PAC_INFO_BUFFER (MS-PAC 2.4).
struct Entry {
  BufferType type;
  std::uint32_t size;
  std::uint64_t offset;
};

using Entries = std::array<Entry, kBuffersMax>;

Entry read_entry(Cursor& cursor) noexcept {
  const Bytes octets = cursor.bytes(kEntrySize);
  if (octets.empty()) {
    return {};
  }
  return {BufferType{load_le<std::uint32_t>(octets)}, load_le<std::uint32_t>(octets.subspan(4)),
          load_le<std::uint64_t>(octets.subspan(8))};
}

// overlap says whether both buffers, already known to lie inside the PAC, share an octet. An empty
// one may stand where another begins: that is how Windows writes claims when there are none.
bool overlap(const Entry& a, const Entry& b) noexcept {
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

// check_entry checks entry `index` against the PAC, whose table has `count`, and against the
// entries before it, the last of which ends at `end`.
void check_entry(Parse& parse, const Entries& entries, std::uint32_t index, std::uint32_t count,
                 std::uint64_t end) noexcept {
  const std::uint32_t at = kHeaderSize + index * kEntrySize;
  const Entry& entry = entries[index];
  //= MS-PAC 2.4: the data offset MUST be a multiple of eight.
  if (entry.offset % kBufferAlignment != 0) {
    parse.fail(ParseCode::kBadValue, at);
  }
  if (entry.offset < kHeaderSize + count * kEntrySize || entry.offset > parse.size() ||
      entry.size > parse.size() - entry.offset) {
    parse.fail(ParseCode::kOutOfBounds, at);
  }
  const bool is_behind = entry.offset >= end;  // As where everybody writes them in order.
  for (std::uint32_t i = 0; i < index; ++i) {
    // MS-PAC 2.4 has a second buffer of a type ignored. No domain controller sends one, and a
    // reader that took the second where another took the first would see another user in the same
    // PAC.
    if (entries[i].type == entry.type) {
      parse.fail(ParseCode::kBadValue, at);
    }
    if (!is_behind && overlap(entries[i], entry)) {
      parse.fail(ParseCode::kOutOfBounds, at);
    }
  }
}

// adopt takes over what a structure's own parse found, `at` bytes into the PAC.
void adopt(Parse& parse, std::uint32_t at, ParseFault fault) noexcept {
  if (fault.code != ParseCode::kOk) {
    parse.fail(fault.code, at + fault.offset);
  }
}
template <class T>
void adopt(Parse& parse, std::uint32_t at, const Result<T>& found, T& target) noexcept {
  if (found.ok()) {
    target = *found;
  } else {
    adopt(parse, at, found.fault());
  }
}

// parse_attributes reads PAC_ATTRIBUTES_INFO (MS-PAC 2.14): a number of bits, and words for them.
Result<std::uint32_t> parse_attributes(Bytes buffer) noexcept {
  Parse parse(buffer);
  Cursor cursor(parse);
  const std::uint32_t bits = cursor.u32();
  cursor.require(bits > 0);
  const std::uint32_t first = cursor.u32();
  cursor.bytes((bits - 1) / kFlagsWordBits * 4);  // What later words may come to mean.
  require_end(parse, cursor.at(), 0);
  return parse.finish(first);
}

void read_buffer(Parse& parse, const Entry& entry, Pac& pac) noexcept {
  const auto at = static_cast<std::uint32_t>(entry.offset);
  const Bytes buffer = parse.input().subspan(at, entry.size);
  switch (entry.type) {
    case BufferType::kLogonInfo:
      pac.has_logon_info = true;
      return adopt(parse, at, parse_into(buffer, pac.logon_info));
    case BufferType::kCredentials:
      pac.credentials = buffer;
      return;
    case BufferType::kServerSignature:
      return adopt(parse, at, parse_signature(buffer), pac.server_signature);
    case BufferType::kKdcSignature:
      return adopt(parse, at, parse_signature(buffer), pac.kdc_signature);
    case BufferType::kClientInfo:
      pac.has_client_info = true;
      return adopt(parse, at, parse_client_info(buffer), pac.client_info);
    case BufferType::kDelegationInfo:
      pac.has_delegation_info = true;
      return adopt(parse, at, parse_delegation_info(buffer), pac.delegation_info);
    case BufferType::kUpnDns:
      pac.has_upn_dns = true;
      return adopt(parse, at, parse_upn_dns(buffer), pac.upn_dns);
    case BufferType::kClientClaims:
      pac.client_claims = buffer;
      return;
    case BufferType::kDeviceInfo:
      pac.device_info = buffer;
      return;
    case BufferType::kDeviceClaims:
      pac.device_claims = buffer;
      return;
    case BufferType::kTicketSignature:
      return adopt(parse, at, parse_signature(buffer), pac.ticket_signature);
    case BufferType::kAttributes:
      pac.has_attributes = true;
      return adopt(parse, at, parse_attributes(buffer), pac.attributes);
    case BufferType::kRequestor:
      return adopt(parse, at, parse_sid(buffer), pac.requestor);
    case BufferType::kFullSignature:
      return adopt(parse, at, parse_signature(buffer), pac.full_signature);
  }
}

}  // namespace

std::string_view checksum_name(std::int32_t type) noexcept {
  switch (type) {
    case kHmacMd5:
      return "hmac-md5";
    case kHmacSha1Aes128:
      return "hmac-sha1-96-aes128";
    case kHmacSha1Aes256:
      return "hmac-sha1-96-aes256";
    case kHmacSha256Aes128:
      return "hmac-sha256-128-aes128";
    case kHmacSha384Aes256:
      return "hmac-sha384-192-aes256";
    default:
      return "unknown";
  }
}

[[gnu::flatten]] Result<Signature> parse_signature(Bytes buffer) noexcept {
  Parse parse(buffer);
  Cursor cursor(parse);
  Signature out;
  out.type = static_cast<std::int32_t>(cursor.u32());
  const std::uint32_t size = signature_size(out.type);
  if (size == 0) {
    out.value = cursor.rest();
    if (out.value.empty()) {
      parse.fail(ParseCode::kTruncated, cursor.at());
    }
    return parse.finish(out);
  }
  out.value = cursor.bytes(size);
  //= MS-PAC 2.8: RODCIdentifier does not exist if the KDC is not an RODC.
  if (parse.ok() && parse.size() - cursor.at() == kRodcIdSize) {
    out.has_rodc_id = true;
    out.rodc_id = cursor.u16();
  }
  require_end(parse, cursor.at(), 0);
  return parse.finish(out);
}

[[gnu::flatten]] Result<ClientInfo> parse_client_info(Bytes buffer) noexcept {
  Parse parse(buffer);
  Cursor cursor(parse);
  ClientInfo out;
  out.client_id = cursor.u64();
  const std::uint16_t length = cursor.u16();
  cursor.require(length % 2 == 0);
  out.name = cursor.bytes(length);
  require_end(parse, cursor.at(), 0);
  return parse.finish(out);
}

[[gnu::flatten]] Result<UpnDns> parse_upn_dns(Bytes buffer) noexcept {
  Parse parse(buffer);
  Cursor cursor(parse);
  UpnDns out;
  const Field upn = read_field(cursor);
  const Field dns_domain = read_field(cursor);
  out.flags = cursor.u32();
  const bool extended = (out.flags & kUpnExtended) != 0;
  Field sam_name{};
  Field sid{};
  if (extended) {
    sam_name = read_field(cursor);
    sid = read_field(cursor);
  }
  UpnDnsReader reader(cursor, extended ? kUpnDnsExtendedHeaderSize : kUpnDnsHeaderSize);
  out.upn = reader.text(upn);
  out.dns_domain = reader.text(dns_domain);
  out.sam_name = reader.text(sam_name);
  cursor.require(!extended || sid.length > 0);
  const Bytes sid_octets = reader.octets(sid);
  if (extended && parse.ok()) {
    adopt(parse, sid.offset, parse_sid(sid_octets), out.sid);
  }
  if (parse.ok()) {  // Windows and Samba fill this buffer to a multiple of eight.
    require_end(parse, reader.end(), kBufferAlignment - 1);
  }
  return parse.finish(out);
}

ParseFault parse_into(Bytes pac, Pac& out) noexcept {
  Parse parse(pac);
  Cursor cursor(parse);
  out.buffer_count = cursor.u32();
  cursor.require(out.buffer_count >= 1 && out.buffer_count <= kBuffersMax);
  cursor.require(cursor.u32() == 0);  //= MS-PAC 2.3: Version MUST be 0.
  if (!parse.ok()) {
    return parse.fault();
  }
  Entries entries;
  for (std::uint32_t i = 0; i < out.buffer_count; ++i) {
    entries[i] = read_entry(cursor);
  }
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < out.buffer_count && parse.ok(); ++i) {
    check_entry(parse, entries, i, out.buffer_count, end);
    end = std::max(end, entries[i].offset + entries[i].size);
  }
  for (std::uint32_t i = 0; i < out.buffer_count && parse.ok(); ++i) {
    read_buffer(parse, entries[i], out);
  }
  return parse.fault();
}

Result<Pac> parse_pac(Bytes pac) noexcept {
  Pac out;
  const ParseFault fault = parse_into(pac, out);
  return fault.code == ParseCode::kOk ? Result<Pac>(out) : Result<Pac>(fault);
}

}  // namespace usher::pac
