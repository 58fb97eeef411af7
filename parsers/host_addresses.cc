// HostAddresses; host_addresses.h says what is promised.
#include "parsers/host_addresses.h"

#include <algorithm>

namespace usher::krb5 {

using der::Reader;
using der::Tag;

HostAddress read_host_address(Reader& list) noexcept {
  HostAddress address;
  list.in(Tag::kSequence, [&](Reader& parts) {
    parts.in(der::context(0), [&](Reader& type) { address.type = type.i32(); });
    parts.in(der::context(1),
             [&](Reader& octets) { address.address = octets.bytes(Tag::kOctetString); });
  });
  return address;
}

Result<HostAddresses> parse_host_addresses(Bytes element) noexcept {
  Parse parse(element);
  HostAddresses addresses;
  if (!element.empty()) {
    Reader message(parse);
    message.in(Tag::kSequence, [&](Reader& list) {
      const std::uint32_t begin = list.mark();
      list.each([&](Reader& rest) {
        rest.require(++addresses.count <= kHostAddressesMax);
        static_cast<void>(read_host_address(rest));
      });
      addresses.elements = list.since(begin);
    });
    message.finish();
  }
  return parse.finish(addresses);
}

bool contains(const HostAddresses& addresses, const HostAddress& address) noexcept {
  bool found = false;
  each_address(addresses, [&](const HostAddress& other) {
    found =
        found || (other.type == address.type && std::ranges::equal(other.address, address.address));
  });
  return found;
}

}  // namespace usher::krb5
