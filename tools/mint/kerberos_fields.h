// Fields that several Kerberos messages share, written last field first, for the mints.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "parsers/bytes.h"
#include "parsers/der_writer.h"

namespace usher::mint {

struct Principal;

inline constexpr std::uint32_t kProtocolVersion = 5;  // pvno and tkt-vno (RFC 4120 5.2).

// as_bytes looks at text as octets.
inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// PrincipalName, EncryptionKey (a Checksum is shaped like it) and EncryptedData (RFC 4120 5.2).
void write_principal(der::Writer& writer, const Principal& name);
void write_key(der::Writer& writer, std::int32_t etype, Bytes key);
void write_encrypted(der::Writer& writer, std::int32_t etype, std::optional<std::uint32_t> kvno,
                     Bytes cipher);

// [number] KerberosTime, [number] KerberosString, and [number] around an element that is encoded
// already; none at all if that is empty.
void write_time(der::Writer& writer, std::uint8_t number, std::int64_t seconds);
void write_string(der::Writer& writer, std::uint8_t number, std::string_view text);
void write_element(der::Writer& writer, std::uint8_t number, Bytes element);

}  // namespace usher::mint
