// HostAddresses (RFC 4120 5.2.5): where a ticket may be used from.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/result.h"

namespace usher::krb5 {

// More addresses than this in one list are refused; a client lists those of its own interfaces.
inline constexpr std::uint32_t kHostAddressesMax = 64;

struct HostAddress {
  std::int32_t type = 0;  // RFC 4120 7.5.3: 2 is IPv4, 24 IPv6, 20 NetBIOS.
  Bytes address;          // As the type has it, in network byte order; its size is not checked.
};

struct HostAddresses {
  std::uint32_t count = 0;  // 0..kHostAddressesMax
  Bytes elements;           // HostAddress elements, one after the other.
};

// parse_host_addresses reads a HostAddresses element, header included, as EncTicketPart and
// KrbCredInfo hold it; no bytes at all, an absent field, are no addresses. Views point into
// `element`.
//
// Fails with kBadValue beyond kHostAddressesMax; kUnexpectedTag, kTruncated, kBadLength and
// kTrailingBytes for what is not DER.
[[nodiscard]] Result<HostAddresses> parse_host_addresses(Bytes element) noexcept;

// read_host_address reads the next HostAddress (RFC 4120 5.2.5).
[[nodiscard]] HostAddress read_host_address(der::Reader& list) noexcept;

// each_address calls visit(const HostAddress&) for every one of a list that was accepted.
template <class Visit>
void each_address(const HostAddresses& addresses, Visit visit) noexcept {
  Parse parse(addresses.elements);
  der::Reader list(parse);
  list.each([&](der::Reader& rest) { visit(read_host_address(rest)); });
}

// contains says whether `address` is one of them: type and bytes are the same.
[[nodiscard]] bool contains(const HostAddresses& addresses, const HostAddress& address) noexcept;

}  // namespace usher::krb5
