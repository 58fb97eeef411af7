// Fields that several Kerberos messages share; krb5_fields.h says what is promised.
#include "parsers/krb5_fields.h"

#include <algorithm>

namespace usher::krb5::fields {
namespace {

using der::Reader;
using der::Tag;

constexpr std::uint32_t kMicrosecondsMax = 999'999;
constexpr std::uint8_t kTicketTag = 1;

}  // namespace

//= RFC 4120 1.5.1: recipients MUST NOT decline a request simply because an extension is present.
void skip_extensions(Reader& body, std::uint8_t last_field) noexcept {
  constexpr std::uint8_t kFieldMax = 30;  // Higher numbers take another form of tag (X.690 8.1.2).
  for (std::uint8_t field = last_field; body.more() && field < kFieldMax;) {
    body.maybe(der::context(++field), [](Reader& extension) { extension.rest(); });
  }
}

void constant(Reader& body, std::uint8_t field_number, std::uint32_t expected) noexcept {
  body.in(der::context(field_number),
          [&](Reader& field) { field.require(field.u32() == expected); });
}

// A NUL would end the name for every C library that sees it later.
Bytes name_string(Reader& field) noexcept {
  const Bytes text = field.bytes(Tag::kGeneralString);
  field.require(std::ranges::find(text, std::uint8_t{0}) == text.end());
  return text;
}

Bytes realm(Reader& body, std::uint8_t field_number) noexcept {
  Bytes name;
  body.in(der::context(field_number), [&](Reader& field) { name = name_string(field); });
  return name;
}

PrincipalName principal_name(Reader& field) noexcept {
  PrincipalName name;
  field.in(Tag::kSequence, [&](Reader& body) {
    body.in(der::context(0), [&](Reader& type) { name.type = type.i32(); });
    body.in(der::context(1), [&](Reader& strings_field) {
      strings_field.in(Tag::kSequence, [&](Reader& strings) {
        const std::uint32_t begin = strings.mark();
        std::uint32_t count = 0;
        strings.each([&](Reader& rest) {
          rest.require(++count <= kNameComponentsMax);
          name_string(rest);
        });
        name.components = strings.since(begin);
      });
    });
  });
  return name;
}

PrincipalName principal(Reader& body, std::uint8_t field_number) noexcept {
  PrincipalName name;
  body.in(der::context(field_number), [&](Reader& field) { name = principal_name(field); });
  return name;
}

EncryptedData encrypted_data(Reader& body, std::uint8_t field_number) noexcept {
  EncryptedData data;
  body.in(der::context(field_number), [&](Reader& element) {
    element.in(Tag::kSequence, [&](Reader& parts) {
      parts.in(der::context(0), [&](Reader& field) { data.etype = field.i32(); });
      //= MS-KILE 3.1.5.8: key version numbers are encoded and decoded as signed 32-bit integers.
      data.has_kvno =
          parts.maybe(der::context(1), [&](Reader& field) { data.kvno = field.u32_modulo(); });
      parts.in(der::context(2),
               [&](Reader& field) { data.cipher = field.bytes(Tag::kOctetString); });
    });
  });
  return data;
}

EncryptionKey encryption_key(Reader& field) noexcept {
  EncryptionKey key;
  field.in(Tag::kSequence, [&](Reader& parts) {
    parts.in(der::context(0), [&](Reader& type) { key.etype = type.i32(); });
    parts.in(der::context(1), [&](Reader& value) {
      key.value = value.bytes(Tag::kOctetString);
      value.require(!key.value.empty());
    });
  });
  return key;
}

//= RFC 4120 5.2.8
// Senders MUST ship at least 32 bits; flags beyond those have no meaning to us.
std::uint32_t kerberos_flags(Reader& field) noexcept {
  const Bytes bits = field.bytes(Tag::kBitString);
  const bool whole_words = bits.size() >= 1 + sizeof(std::uint32_t) && bits[0] == 0;
  field.require(whole_words);
  return whole_words ? load_be<std::uint32_t>(bits.subspan(1)) : 0;
}

std::uint32_t flags(Reader& body, std::uint8_t field_number) noexcept {
  std::uint32_t bits = 0;
  body.in(der::context(field_number), [&](Reader& field) { bits = kerberos_flags(field); });
  return bits;
}

UnixSeconds kerberos_time(Reader& field) noexcept {
  UnixSeconds seconds = 0;
  field.require(der::parse_time(field.bytes(Tag::kGeneralizedTime), seconds));
  return seconds;
}

UnixSeconds time(Reader& body, std::uint8_t field_number) noexcept {
  UnixSeconds seconds = 0;
  body.in(der::context(field_number), [&](Reader& field) { seconds = kerberos_time(field); });
  return seconds;
}

std::uint32_t microseconds_value(Reader& field) noexcept {
  const std::uint32_t value = field.u32();
  field.require(value <= kMicrosecondsMax);  //= RFC 4120 5.2.4
  return value;
}

std::uint32_t microseconds(Reader& body, std::uint8_t field_number) noexcept {
  std::uint32_t value = 0;
  body.in(der::context(field_number), [&](Reader& field) { value = microseconds_value(field); });
  return value;
}

Bytes typed_value(Reader& field) noexcept {
  const std::uint32_t begin = field.mark();
  field.in(Tag::kSequence, [](Reader& parts) {
    parts.in(der::context(0), [](Reader& type) { type.i32(); });
    parts.in(der::context(1), [](Reader& data) { data.bytes(Tag::kOctetString); });
  });
  return field.since(begin);
}

Bytes typed_list(Reader& field) noexcept {
  const std::uint32_t begin = field.mark();
  field.in(Tag::kSequence,
           [](Reader& list) { list.each([](Reader& rest) { typed_value(rest); }); });
  return field.since(begin);
}

Ticket ticket(Reader& field) noexcept {
  Ticket read;
  field.in(der::application(kTicketTag), [&](Reader& tagged) {
    tagged.in(Tag::kSequence, [&](Reader& body) {
      constant(body, 0, kProtocolVersion);
      read.realm = realm(body, 1);
      read.sname = principal(body, 2);
      read.enc_part = encrypted_data(body, 3);
      skip_extensions(body, 3);
    });
  });
  return read;
}

}  // namespace usher::krb5::fields
