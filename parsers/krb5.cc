// Kerberos messages, each parse function in the shape of its ASN.1 type.
#include "parsers/krb5.h"

#include <algorithm>

namespace usher::krb5 {
namespace {

using der::Reader;
using der::Tag;
using der::Writer;

constexpr std::uint32_t kProtocolVersion = 5;  // pvno, tkt-vno, authenticator-vno (RFC 4120 5.2).
constexpr std::uint32_t kMicrosecondsMax = 999'999;

// The message types double as APPLICATION tags (RFC 4120 5.10).
constexpr std::uint8_t kApReqType = 14;
constexpr std::uint8_t kApRepType = 15;
constexpr std::uint8_t kKrbErrorType = 30;
constexpr std::uint8_t kTicketTag = 1;
constexpr std::uint8_t kAuthenticatorTag = 2;
constexpr std::uint8_t kEncTicketPartTag = 3;
constexpr std::uint8_t kEncApRepPartTag = 27;

// message_body runs `body` on the SEQUENCE inside [APPLICATION number], which is all there is.
template <class Body>
void message_body(Parse& parse, std::uint8_t number, Body body) noexcept {
  Reader message(parse);
  message.in(der::application(number), [&](Reader& tagged) { tagged.in(Tag::kSequence, body); });
  message.finish();
}

void constant(Reader& body, std::uint8_t field_number, std::uint32_t expected) noexcept {
  body.in(der::context(field_number),
          [&](Reader& field) { field.require(field.u32() == expected); });
}

// KerberosString (RFC 4120 5.2.1). A NUL would end the name for every C library that sees it later.
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

// PrincipalName (RFC 4120 5.2.2).
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

// EncryptedData (RFC 4120 5.2.9).
EncryptedData encrypted_data(Reader& body, std::uint8_t field_number) noexcept {
  EncryptedData data;
  body.in(der::context(field_number), [&](Reader& element) {
    element.in(Tag::kSequence, [&](Reader& parts) {
      parts.in(der::context(0), [&](Reader& field) { data.etype = field.i32(); });
      data.has_kvno = parts.maybe(der::context(1), [&](Reader& field) { data.kvno = field.u32(); });
      parts.in(der::context(2),
               [&](Reader& field) { data.cipher = field.bytes(Tag::kOctetString); });
    });
  });
  return data;
}

// EncryptionKey (RFC 4120 5.2.9).
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
std::uint32_t kerberos_flags(Reader& body, std::uint8_t field_number) noexcept {
  std::uint32_t flags = 0;
  body.in(der::context(field_number), [&](Reader& field) {
    const Bytes bits = field.bytes(Tag::kBitString);
    const bool whole_words = bits.size() >= 1 + sizeof(flags) && bits[0] == 0;
    field.require(whole_words);
    flags = whole_words ? load_be<std::uint32_t>(bits.subspan(1)) : 0;
  });
  return flags;
}

// KerberosTime (RFC 4120 5.2.3).
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

// typed_list returns the SEQUENCE OF SEQUENCE { [0] Int32, [1] OCTET STRING } that HostAddresses
// and AuthorizationData both are (RFC 4120 5.2.5 and 5.2.6), header included; its elements are
// checked here once, so that later walks over it cannot fail half way.
Bytes typed_list(Reader& field) noexcept {
  const std::uint32_t begin = field.mark();
  field.in(Tag::kSequence, [](Reader& list) {
    list.each([](Reader& rest) {
      rest.in(Tag::kSequence, [](Reader& parts) {
        parts.in(der::context(0), [](Reader& type) { type.i32(); });
        parts.in(der::context(1), [](Reader& data) { data.bytes(Tag::kOctetString); });
      });
    });
  });
  return field.since(begin);
}

// Ticket (RFC 4120 5.3).
Ticket ticket_element(Reader& field) noexcept {
  Ticket ticket;
  field.in(der::application(kTicketTag), [&](Reader& tagged) {
    tagged.in(Tag::kSequence, [&](Reader& body) {
      constant(body, 0, kProtocolVersion);
      ticket.realm = realm(body, 1);
      ticket.sname = principal(body, 2);
      ticket.enc_part = encrypted_data(body, 3);
    });
  });
  return ticket;
}

// TextWriter appends to a caller's buffer; running out of room is sticky.
class TextWriter {
 public:
  explicit TextWriter(MutableBytes out) noexcept : out_(out) {}

  void put(char octet) noexcept {
    fits_ = fits_ && size_ < out_.size();
    if (fits_) {
      out_[size_++] = static_cast<std::uint8_t>(octet);
    }
  }

  // put_quoted writes `text` so that separators and control characters inside it cannot be mistaken
  // for the name's own structure; the letters are those of krb5_unparse_name.
  void put_quoted(Bytes text) noexcept {
    for (const std::uint8_t octet : text) {
      const char character = static_cast<char>(octet);
      const char quoted = quoted_as(character);
      if (quoted != 0) {
        put('\\');
      }
      put(quoted != 0 ? quoted : character);
    }
  }

  [[nodiscard]] std::size_t finish() const noexcept { return fits_ ? size_ : 0; }

 private:
  // quoted_as returns what follows the backslash, or 0 if `character` needs none.
  static char quoted_as(char character) noexcept {
    switch (character) {
      case '/':
      case '@':
      case '\\':
        return character;
      case '\n':
        return 'n';
      case '\t':
        return 't';
      case '\b':
        return 'b';
      default:
        return 0;
    }
  }

  MutableBytes out_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

void write_encrypted_data(Writer& writer, const EncryptedData& data) noexcept {
  writer.in(Tag::kSequence, [&](Writer& parts) {
    parts.in(der::context(2), [&](Writer& field) { field.bytes(Tag::kOctetString, data.cipher); });
    if (data.has_kvno) {
      parts.in(der::context(1), [&](Writer& field) { field.u32(data.kvno); });
    }
    parts.in(der::context(0), [&](Writer& field) { field.i32(data.etype); });
  });
}

void write_encryption_key(Writer& writer, const EncryptionKey& key) noexcept {
  writer.in(Tag::kSequence, [&](Writer& parts) {
    parts.in(der::context(1), [&](Writer& field) { field.bytes(Tag::kOctetString, key.value); });
    parts.in(der::context(0), [&](Writer& field) { field.i32(key.etype); });
  });
}

}  // namespace

std::size_t write_principal_text(const PrincipalName& name, Bytes realm_name,
                                 MutableBytes out) noexcept {
  TextWriter text(out);
  bool first = true;
  each_component(name, [&](Bytes component) {
    if (!first) {
      text.put('/');
    }
    first = false;
    text.put_quoted(component);
  });
  if (!realm_name.empty()) {
    text.put('@');
    text.put_quoted(realm_name);
  }
  return text.finish();
}

Result<ApReq> parse_ap_req(Bytes message) noexcept {
  Parse parse(message);
  ApReq request;
  message_body(parse, kApReqType, [&](Reader& body) {
    constant(body, 0, kProtocolVersion);
    constant(body, 1, kApReqType);
    request.ap_options = kerberos_flags(body, 2);
    body.in(der::context(3), [&](Reader& field) { request.ticket = ticket_element(field); });
    request.authenticator = encrypted_data(body, 4);
  });
  return parse.finish(request);
}

Result<Ticket> parse_ticket(Bytes message) noexcept {
  Parse parse(message);
  Reader reader(parse);
  const Ticket ticket = ticket_element(reader);
  reader.finish();
  return parse.finish(ticket);
}

Result<EncTicketPart> parse_enc_ticket_part(Bytes plain) noexcept {
  Parse parse(plain);
  EncTicketPart part;
  message_body(parse, kEncTicketPartTag, [&](Reader& body) {
    part.flags = kerberos_flags(body, 0);
    body.in(der::context(1), [&](Reader& field) { part.key = encryption_key(field); });
    part.crealm = realm(body, 2);
    part.cname = principal(body, 3);
    body.in(der::context(4), [&](Reader& field) {
      field.in(Tag::kSequence, [&](Reader& transited) {
        transited.in(der::context(0), [&](Reader& type) { part.transited_type = type.i32(); });
        transited.in(der::context(1),
                     [&](Reader& data) { part.transited = data.bytes(Tag::kOctetString); });
      });
    });
    part.auth_time = time(body, 5);
    part.start_time = part.auth_time;  //= RFC 4120 5.3
    part.has_start_time =
        body.maybe(der::context(6), [&](Reader& field) { part.start_time = kerberos_time(field); });
    part.end_time = time(body, 7);
    part.has_renew_till =
        body.maybe(der::context(8), [&](Reader& field) { part.renew_till = kerberos_time(field); });
    body.maybe(der::context(9), [&](Reader& field) { part.addresses = typed_list(field); });
    body.maybe(der::context(10),
               [&](Reader& field) { part.authorization_data = typed_list(field); });
  });
  return parse.finish(part);
}

Result<Authenticator> parse_authenticator(Bytes plain) noexcept {
  Parse parse(plain);
  Authenticator authenticator;
  message_body(parse, kAuthenticatorTag, [&](Reader& body) {
    constant(body, 0, kProtocolVersion);
    authenticator.crealm = realm(body, 1);
    authenticator.cname = principal(body, 2);
    authenticator.has_checksum = body.maybe(der::context(3), [&](Reader& field) {
      field.in(Tag::kSequence, [&](Reader& parts) {
        parts.in(der::context(0), [&](Reader& type) { authenticator.checksum_type = type.i32(); });
        parts.in(der::context(1),
                 [&](Reader& value) { authenticator.checksum = value.bytes(Tag::kOctetString); });
      });
    });
    authenticator.cusec = microseconds(body, 4);
    authenticator.ctime = time(body, 5);
    authenticator.has_subkey = body.maybe(
        der::context(6), [&](Reader& field) { authenticator.subkey = encryption_key(field); });
    authenticator.has_seq_number = body.maybe(
        der::context(7), [&](Reader& field) { authenticator.seq_number = field.u32_modulo(); });
    body.maybe(der::context(8),
               [&](Reader& field) { authenticator.authorization_data = typed_list(field); });
  });
  return parse.finish(authenticator);
}

Result<ApRep> parse_ap_rep(Bytes message) noexcept {
  Parse parse(message);
  ApRep reply;
  message_body(parse, kApRepType, [&](Reader& body) {
    constant(body, 0, kProtocolVersion);
    constant(body, 1, kApRepType);
    reply.enc_part = encrypted_data(body, 2);
  });
  return parse.finish(reply);
}

Result<EncApRepPart> parse_enc_ap_rep_part(Bytes plain) noexcept {
  Parse parse(plain);
  EncApRepPart part;
  message_body(parse, kEncApRepPartTag, [&](Reader& body) {
    part.ctime = time(body, 0);
    part.cusec = microseconds(body, 1);
    part.has_subkey =
        body.maybe(der::context(2), [&](Reader& field) { part.subkey = encryption_key(field); });
    part.has_seq_number =
        body.maybe(der::context(3), [&](Reader& field) { part.seq_number = field.u32_modulo(); });
  });
  return parse.finish(part);
}

Result<KrbError> parse_krb_error(Bytes message) noexcept {
  Parse parse(message);
  KrbError error;
  message_body(parse, kKrbErrorType, [&](Reader& body) {
    constant(body, 0, kProtocolVersion);
    constant(body, 1, kKrbErrorType);
    error.has_client_time =
        body.maybe(der::context(2), [&](Reader& field) { error.ctime = kerberos_time(field); });
    body.maybe(der::context(3), [&](Reader& field) { error.cusec = microseconds_value(field); });
    error.stime = time(body, 4);
    error.susec = microseconds(body, 5);
    body.in(der::context(6), [&](Reader& field) { error.error_code = field.i32(); });
    body.maybe(der::context(7), [&](Reader& field) { error.crealm = name_string(field); });
    body.maybe(der::context(8), [&](Reader& field) { error.cname = principal_name(field); });
    error.realm = realm(body, 9);
    error.sname = principal(body, 10);
    // Old MIT KDCs count the terminating NUL in e-text, so it is not held to name_string's rule.
    body.maybe(der::context(11),
               [&](Reader& field) { error.e_text = field.bytes(Tag::kGeneralString); });
    body.maybe(der::context(12),
               [&](Reader& field) { error.e_data = field.bytes(Tag::kOctetString); });
  });
  return parse.finish(error);
}

void write_ap_rep(Writer& writer, const EncryptedData& enc_part) noexcept {
  writer.in(der::application(kApRepType), [&](Writer& tagged) {
    tagged.in(Tag::kSequence, [&](Writer& body) {
      body.in(der::context(2), [&](Writer& field) { write_encrypted_data(field, enc_part); });
      body.in(der::context(1), [&](Writer& field) { field.u32(kApRepType); });
      body.in(der::context(0), [&](Writer& field) { field.u32(kProtocolVersion); });
    });
  });
}

void write_enc_ap_rep_part(Writer& writer, const EncApRepPart& part) noexcept {
  writer.in(der::application(kEncApRepPartTag), [&](Writer& tagged) {
    tagged.in(Tag::kSequence, [&](Writer& body) {
      if (part.has_seq_number) {
        body.in(der::context(3), [&](Writer& field) { field.u32(part.seq_number); });
      }
      if (part.has_subkey) {
        body.in(der::context(2), [&](Writer& field) { write_encryption_key(field, part.subkey); });
      }
      body.in(der::context(1), [&](Writer& field) { field.u32(part.cusec); });
      body.in(der::context(0), [&](Writer& field) { field.time(part.ctime); });
    });
  });
}

}  // namespace usher::krb5
