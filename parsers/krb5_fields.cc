// Fields that several Kerberos messages share; krb5_fields.h says what is promised.
#include "parsers/krb5_fields.h"

#include <cstring>

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
  body.require(body.u32_in(der::context(field_number)) == expected);
}

namespace {

// A NUL would end the name for every C library that sees it later.
Bytes checked_name(Reader& reader, Bytes text) noexcept {
  reader.require(text.empty() || std::memchr(text.data(), 0, text.size()) == nullptr);
  return text;
}

}  // namespace

Bytes name_string(Reader& field) noexcept {
  return checked_name(field, field.bytes(Tag::kGeneralString));
}

Bytes realm(Reader& body, std::uint8_t field_number) noexcept {
  return checked_name(body, body.bytes_in(der::context(field_number), Tag::kGeneralString));
}

PrincipalName principal_name(Reader& field) noexcept {
  PrincipalName name;
  field.in(Tag::kSequence, [&](Reader& body) {
    name.type = body.i32_in(der::context(0));
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
      data.etype = parts.i32_in(der::context(0));
      //= MS-KILE 3.1.5.8: key version numbers are encoded and decoded as signed 32-bit integers.
      data.has_kvno = parts.next_is(der::context(1));
      data.kvno = data.has_kvno ? parts.u32_modulo_in(der::context(1)) : 0;
      data.cipher = parts.bytes_in(der::context(2), Tag::kOctetString);
    });
  });
  return data;
}

EncryptionKey encryption_key(Reader& field) noexcept {
  EncryptionKey key;
  field.in(Tag::kSequence, [&](Reader& parts) {
    key.etype = parts.i32_in(der::context(0));
    key.value = parts.bytes_in(der::context(1), Tag::kOctetString);
    parts.require(!key.value.empty());
  });
  return key;
}

//= RFC 4120 5.2.8
// Senders MUST ship at least 32 bits; flags beyond those have no meaning to us.
std::uint32_t flags(Reader& body, std::uint8_t field_number) noexcept {
  const Bytes bits = body.bytes_in(der::context(field_number), Tag::kBitString);
  const bool whole_words = bits.size() >= 1 + sizeof(std::uint32_t) && bits[0] == 0;
  body.require(whole_words);
  return whole_words ? load_be<std::uint32_t>(bits.subspan(1)) : 0;
}

UnixSeconds time(Reader& body, std::uint8_t field_number) noexcept {
  UnixSeconds seconds = 0;
  body.require(
      der::parse_time(body.bytes_in(der::context(field_number), Tag::kGeneralizedTime), seconds));
  return seconds;
}

bool maybe_time(Reader& body, std::uint8_t field_number, UnixSeconds& seconds) noexcept {
  const bool present = body.next_is(der::context(field_number));
  if (present) {
    seconds = time(body, field_number);
  }
  return present;
}

std::uint32_t microseconds(Reader& body, std::uint8_t field_number) noexcept {
  const std::uint32_t value = body.u32_in(der::context(field_number));
  body.require(value <= kMicrosecondsMax);  //= RFC 4120 5.2.4
  return value;
}

Bytes typed_value(Reader& field) noexcept {
  const std::uint32_t begin = field.mark();
  field.in(Tag::kSequence, [](Reader& parts) {
    parts.i32_in(der::context(0));
    parts.bytes_in(der::context(1), Tag::kOctetString);
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
  const std::uint32_t begin = field.mark();
  field.in(der::application(kTicketTag), [&](Reader& tagged) {
    tagged.in(Tag::kSequence, [&](Reader& body) {
      constant(body, 0, kProtocolVersion);
      read.realm = realm(body, 1);
      read.sname = principal(body, 2);
      read.enc_part = encrypted_data(body, 3);
      skip_extensions(body, 3);
    });
  });
  read.encoded = field.since(begin);
  return read;
}

}  // namespace usher::krb5::fields
