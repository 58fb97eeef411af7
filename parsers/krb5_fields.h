// Fields that several Kerberos messages share, each reader in the shape of its ASN.1 type. For the
// message parsers only: parsers/krb5.cc, parsers/krb_cred.cc and parsers/authorization_data.cc.
// They are inline so that a parse function becomes one function, with its Readers in registers.
#pragma once

#include <array>
#include <cstdint>

#include "parsers/authorization_data.h"
#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/krb5.h"
#include "parsers/result.h"

namespace usher::krb5::fields {

// pvno, tkt-vno, authenticator-vno (RFC 4120 5.2).
inline constexpr std::uint32_t kProtocolVersion = 5;

// skip_extensions passes over fields that came after the last one of a message's SEQUENCE since it
// was defined: what carries a higher context tag, in ascending order. Their contents are not read.
//= RFC 4120 1.5.1: recipients MUST NOT decline a request simply because an extension is present.
inline void skip_extensions(der::Reader& body, std::uint8_t last_field) noexcept {
  constexpr std::uint8_t kFieldMax = 30;  // Higher numbers take another form of tag (X.690 8.1.2).
  for (std::uint8_t field = last_field; body.more() && field < kFieldMax;) {
    body.maybe(der::context(++field), [](der::Reader& extension) { extension.rest(); });
  }
}

// message_body runs `body` on the SEQUENCE inside [APPLICATION number], which is all there is but
// for extensions behind [last_field].
template <class Body>
void message_body(Parse& parse, std::uint8_t number, std::uint8_t last_field, Body body) noexcept {
  der::Reader message(parse);
  message.in_large(der::application(number), der::Tag::kSequence, [&](der::Reader& elements) {
    body(elements);
    skip_extensions(elements, last_field);
  });
  message.finish();
}

// What takes a field_number reads the field [field_number] of `body`; what takes a `field` reads
// the next element.
inline void constant(der::Reader& body, std::uint8_t field_number,
                     std::uint32_t expected) noexcept {
  body.require(body.u32_in(der::context(field_number)) == expected);
}

// version_and_type reads what most messages begin with: pvno and msg-type, which is also their
// APPLICATION tag.
inline void version_and_type(der::Reader& body, std::uint8_t type) noexcept {
  if (!body.passes(std::array<std::uint8_t, 10>{0xa0, 3, 2, 1, kProtocolVersion,  //
                                                0xa1, 3, 2, 1, type})) [[unlikely]] {
    constant(body, 0, kProtocolVersion);
    constant(body, 1, type);
  }
}

// check_names, check_typed_value and check_typed_list say what is wrong with the contents of a
// name-string, with a typed value or with a list of them, counted from its first octet. They are no
// part of the parse function: it has few registers as it is.
ParseFault check_names(Bytes strings) noexcept;
ParseFault check_typed_value(Bytes element) noexcept;
ParseFault check_typed_list(Bytes element) noexcept;

// A realm with a NUL would end there for every C library that sees it later.
inline Bytes realm(der::Reader& body, std::uint8_t field_number) noexcept {  // RFC 4120 5.2.2
  const Bytes name = body.bytes_in(der::context(field_number), der::Tag::kGeneralString);
  body.require(!has_nul(name));
  return name;
}

// name_strings reads the contents of a name-string. The one component that clients' names mostly
// have is looked at here.
inline Bytes name_strings(der::Reader& strings) noexcept {
  const Bytes all = strings.ahead();
  const bool has_one = all.size() >= 2 && all[0] == der::octet_of(der::Tag::kGeneralString) &&
                       all[1] < 0x80 && all[1] == all.size() - 2;
  return has_one && !may_have_nul(all) ? strings.rest() : strings.checked(check_names);
}

// RFC 4120 5.2.2
inline void principal(der::Reader& body, std::uint8_t field_number, PrincipalName& name) noexcept {
  body.numbered_in(der::context(field_number), der::Tag::kSequence, name.type,
                   [&](der::Reader& strings) { name.components = name_strings(strings); });
}

// RFC 4120 5.2.9
inline void encrypted_data(der::Reader& body, std::uint8_t field_number,
                           EncryptedData& data) noexcept {
  body.in_large(der::context(field_number), der::Tag::kSequence, [&](der::Reader& parts) {
    data.etype = parts.i32_in(der::context(0));
    //= MS-KILE 3.1.5.8: key version numbers are encoded and decoded as signed 32-bit integers.
    data.has_kvno = parts.next_is(der::context(1));
    data.kvno = data.has_kvno ? parts.u32_modulo_in(der::context(1)) : 0;
    data.cipher = parts.large_in(der::context(2), der::Tag::kOctetString);
  });
}

// RFC 4120 5.2.9
inline void encryption_key(der::Reader& body, std::uint8_t field_number,
                           EncryptionKey& key) noexcept {
  body.numbered_in(der::context(field_number), der::Tag::kOctetString, key.etype,
                   [&](der::Reader& value) {
                     value.require(value.more());
                     key.value = value.rest();
                   });
}

//= RFC 4120 5.2.8
// Senders MUST ship at least 32 bits; flags beyond those have no meaning to us.
inline std::uint32_t flags(der::Reader& body, std::uint8_t field_number) noexcept {
  const Bytes bits =
      body.sized_in<1 + sizeof(std::uint32_t)>(der::context(field_number), der::Tag::kBitString);
  const bool whole_words = bits.size() >= 1 + sizeof(std::uint32_t) && bits[0] == 0;
  body.require(whole_words);
  return whole_words ? load_be<std::uint32_t>(bits.subspan(1)) : 0;
}

// time_text and seconds_of are the two halves of time (RFC 4120 5.2.3). maybe_time is for an
// OPTIONAL one: false, and `seconds` as it was, if it is not there.
inline Bytes time_text(der::Reader& body, std::uint8_t field_number) noexcept {
  return body.sized_in<der::kTimeSize>(der::context(field_number), der::Tag::kGeneralizedTime);
}
inline UnixSeconds seconds_of(der::Reader& body, Bytes text) noexcept {
  const UnixSeconds seconds = der::time_of(text);
  body.require(seconds != der::kNoTime);
  return seconds;
}
inline UnixSeconds time(der::Reader& body, std::uint8_t field_number) noexcept {
  return seconds_of(body, time_text(body, field_number));
}
inline bool maybe_time(der::Reader& body, std::uint8_t field_number,
                       UnixSeconds& seconds) noexcept {
  const bool present = body.next_is(der::context(field_number));
  if (present) {
    seconds = time(body, field_number);
  }
  return present;
}

inline std::uint32_t microseconds(der::Reader& body, std::uint8_t field_number) noexcept {
  constexpr std::uint32_t kMicrosecondsMax = 999'999;
  const std::uint32_t value = body.u32_in(der::context(field_number));
  body.require(value <= kMicrosecondsMax);  //= RFC 4120 5.2.4
  return value;
}

// typed_value reads SEQUENCE { [0] Int32, [1] OCTET STRING }, which a HostAddress (RFC 4120 5.2.5)
// and an element of AuthorizationData (5.2.6) both are, alone in `field`, and returns it, header
// included; maybe_typed_list a SEQUENCE OF them, empty if it is not there. All is checked here
// once, by check_typed_list or what does so and more, so that later walks cannot fail half way.
inline Bytes typed_value(der::Reader& field) noexcept { return field.checked(check_typed_value); }
template <class Check = ParseFault(Bytes)>
Bytes maybe_typed_list(der::Reader& body, std::uint8_t field_number,
                       const Check& check = check_typed_list) noexcept {
  Bytes element;
  if (body.next_is(der::context(field_number))) {
    body.in_large(der::context(field_number),
                  [&](der::Reader& field) { element = field.checked(check); });
  }
  return element;
}
inline Bytes maybe_authorization_data(der::Reader& body, std::uint8_t field_number,
                                      AuthorizationData& data) noexcept {
  return maybe_typed_list(body, field_number,
                          [&](Bytes element) { return read_within(element, data); });
}

// ticket leaves `encoded` to who knows where the ticket ends.
inline void ticket(der::Reader& field, Ticket& read) noexcept {  // RFC 4120 5.3
  constexpr std::uint8_t kTicketTag = 1;
  field.in_large(der::application(kTicketTag), der::Tag::kSequence, [&](der::Reader& body) {
    constant(body, 0, kProtocolVersion);
    read.realm = realm(body, 1);
    principal(body, 2, read.sname);
    encrypted_data(body, 3, read.enc_part);
    skip_extensions(body, 3);
  });
}

}  // namespace usher::krb5::fields
