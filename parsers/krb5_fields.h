// Fields that several Kerberos messages share, each reader in the shape of its ASN.1 type. For the
// message parsers only: parsers/krb5.cc and parsers/krb_cred.cc.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/krb5.h"
#include "parsers/result.h"

namespace usher::krb5::fields {

// pvno, tkt-vno, authenticator-vno (RFC 4120 5.2).
inline constexpr std::uint32_t kProtocolVersion = 5;

// skip_extensions passes over fields that came after the last one of a message's SEQUENCE since it
// was defined: what carries a higher context tag, in ascending order. Their contents are not read.
void skip_extensions(der::Reader& body, std::uint8_t last_field) noexcept;

// message_body runs `body` on the SEQUENCE inside [APPLICATION number], which is all there is but
// for extensions behind [last_field].
template <class Body>
void message_body(Parse& parse, std::uint8_t number, std::uint8_t last_field, Body body) noexcept {
  der::Reader message(parse);
  message.in(der::application(number), [&](der::Reader& tagged) {
    tagged.in(der::Tag::kSequence, [&](der::Reader& elements) {
      body(elements);
      skip_extensions(elements, last_field);
    });
  });
  message.finish();
}

// What takes a field_number reads the field [field_number] of `body`; what takes a `field` reads
// the next element.
void constant(der::Reader& body, std::uint8_t field_number, std::uint32_t expected) noexcept;

Bytes name_string(der::Reader& field) noexcept;  // KerberosString (RFC 4120 5.2.1).
Bytes realm(der::Reader& body, std::uint8_t field_number) noexcept;

PrincipalName principal_name(der::Reader& field) noexcept;  // RFC 4120 5.2.2
PrincipalName principal(der::Reader& body, std::uint8_t field_number) noexcept;

EncryptedData encrypted_data(der::Reader& body, std::uint8_t field_number) noexcept;  // 5.2.9
EncryptionKey encryption_key(der::Reader& field) noexcept;                            // 5.2.9

std::uint32_t flags(der::Reader& body, std::uint8_t field_number) noexcept;  // RFC 4120 5.2.8

// maybe_time is for an OPTIONAL one: false, and `seconds` as it was, if it is not there.
UnixSeconds time(der::Reader& body, std::uint8_t field_number) noexcept;  // RFC 4120 5.2.3
bool maybe_time(der::Reader& body, std::uint8_t field_number, UnixSeconds& seconds) noexcept;

std::uint32_t microseconds(der::Reader& body, std::uint8_t field_number) noexcept;  // 5.2.4

// typed_value reads SEQUENCE { [0] Int32, [1] OCTET STRING }, which a HostAddress (RFC 4120 5.2.5)
// and an element of AuthorizationData (5.2.6) both are, and returns it, header included; typed_list
// a SEQUENCE OF them. All is checked here once, so that later walks cannot fail half way.
Bytes typed_value(der::Reader& field) noexcept;
Bytes typed_list(der::Reader& field) noexcept;

Ticket ticket(der::Reader& field) noexcept;  // RFC 4120 5.3

}  // namespace usher::krb5::fields
