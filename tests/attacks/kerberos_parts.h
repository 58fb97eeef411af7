// Kerberos messages with one field exchanged for another.
#pragma once

#include "tests/attacks/build.h"
#include "tests/parsers/krb5_messages.h"

namespace usher::attacks {

using krb5::KindIndex;

// The selector of fuzz_krb5 is the message's place in KindIndex.
inline const Parser kApReq = {"krb5", {0}, fault_of<krb5::parse_ap_req>};
inline const Parser kEncTicketPart = {"krb5", {2}, fault_of<krb5::parse_enc_ticket_part>};
inline const Parser kAuthenticator = {"krb5", {3}, fault_of<krb5::parse_authenticator>};
inline const Parser kKrbError = {"krb5", {6}, fault_of<krb5::parse_krb_error>};

// body_with is the fields of a whole message of `kind`, the one numbered `index` replaced.
inline Octets body_with(KindIndex kind, std::size_t index, const Octets& field) {
  Octets body;
  const krb5::Fields& fields = krb5::kinds()[kind].fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    body = cat({body, i == index ? field : hex(fields[i])});
  }
  return body;
}

// with_field returns a builder of such messages; it takes the contents of the [number] around the
// field, which for all but a few is `index` itself.
inline auto with_field(KindIndex kind, std::size_t index) {
  return [=](const Octets& contents) {
    const auto tag = static_cast<std::uint8_t>(0xa0 | index);
    const auto application = static_cast<std::uint8_t>(0x60 | krb5::kinds()[kind].application);
    return element(application, element(0x30, body_with(kind, index, element(tag, contents))));
  };
}

// encrypted_data is an EncryptedData whose etype, kvno or cipher element is given.
inline Octets encrypted_data(const Octets& etype, const Octets& kvno, const Octets& cipher) {
  return element(0x30, cat({element(0xa0, etype), element(0xa1, kvno), element(0xa2, cipher)}));
}
inline const Octets kEtype = hex("02 01 12");
inline const Octets kKvno = hex("02 01 02");
inline const Octets kCipher = hex("04 02 cafe");

}  // namespace usher::attacks
