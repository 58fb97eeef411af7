// Kerberos messages, each parse function in the shape of its ASN.1 type.
#include "parsers/krb5.h"

#include <algorithm>
#include <array>

#include "parsers/krb5_fields.h"

namespace usher::krb5 {
namespace {

using der::Reader;
using der::Tag;
using der::Writer;

// The message types double as APPLICATION tags (RFC 4120 5.10).
constexpr std::uint8_t kApReqType = 14;
constexpr std::uint8_t kApRepType = 15;
constexpr std::uint8_t kKrbErrorType = 30;
constexpr std::uint8_t kAuthenticatorTag = 2;
constexpr std::uint8_t kEncTicketPartTag = 3;
constexpr std::uint8_t kEncApRepPartTag = 27;

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
    // Hardly a name holds any.
    if (std::ranges::none_of(text, [](std::uint8_t octet) { return kQuotedAs[octet] != 0; })) {
      return put_plain(text);
    }
    for (const std::uint8_t octet : text) {
      const char quoted = kQuotedAs[octet];
      if (quoted != 0) {
        put('\\');
      }
      put(quoted != 0 ? quoted : static_cast<char>(octet));
    }
  }

  [[nodiscard]] std::size_t finish() const noexcept { return fits_ ? size_ : 0; }

 private:
  // By octet: what follows the backslash, or 0 for none.
  static constexpr auto kQuotedAs = [] {
    std::array<char, 256> table{};
    for (const char character : {'/', '@', '\\'}) {
      table[static_cast<std::uint8_t>(character)] = character;
    }
    table['\n'] = 'n';
    table['\t'] = 't';
    table['\b'] = 'b';
    return table;
  }();

  void put_plain(Bytes text) noexcept {
    fits_ = fits_ && text.size() <= out_.size() - size_;
    if (fits_) {
      copy(text, out_.subspan(size_));
      size_ += text.size();
    }
  }

  MutableBytes out_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

void write_encrypted_data(Writer& writer, std::uint8_t field_number,
                          const EncryptedData& data) noexcept {
  writer.in(der::context(field_number), Tag::kSequence, [&](Writer& parts) {
    parts.bytes_in(der::context(2), Tag::kOctetString, data.cipher);
    if (data.has_kvno) {
      parts.u32_in(der::context(1), data.kvno);
    }
    parts.i32_in(der::context(0), data.etype);
  });
}

void write_principal(Writer& writer, std::uint8_t field_number,
                     const PrincipalName& name) noexcept {
  writer.in(der::context(field_number), Tag::kSequence, [&](Writer& parts) {
    parts.bytes_in(der::context(1), Tag::kSequence, name.components);
    parts.i32_in(der::context(0), name.type);
  });
}

void write_encryption_key(Writer& writer, std::uint8_t field_number,
                          const EncryptionKey& key) noexcept {
  writer.in(der::context(field_number), Tag::kSequence, [&](Writer& parts) {
    parts.bytes_in(der::context(1), Tag::kOctetString, key.value);
    parts.i32_in(der::context(0), key.etype);
  });
}

// in_place makes a Result of what parse_into reads, with `places` for what there is besides.
template <class T, class... Besides>
Result<T> in_place(Bytes message, Besides... places) noexcept {
  T read;
  const ParseFault fault = parse_into(message, read, places...);
  return fault.code == ParseCode::kOk ? Result<T>(read) : Result<T>(fault);
}

}  // namespace

[[gnu::flatten]] std::size_t write_principal_text(const PrincipalName& name, Bytes realm_name,
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

[[gnu::flatten]] ParseFault parse_into(Bytes message, ApReq& request) noexcept {
  Parse parse(message);
  fields::message_body(parse, kApReqType, 4, [&](Reader& body) {
    fields::version_and_type(body, kApReqType);
    request.ap_options = fields::flags(body, 2);
    body.in_large(der::context(3), [&](Reader& field) {
      request.ticket.encoded = field.ahead();
      fields::ticket(field, request.ticket);
    });
    fields::encrypted_data(body, 4, request.authenticator);
  });
  return parse.fault();
}

Result<ApReq> parse_ap_req(Bytes message) noexcept { return in_place<ApReq>(message); }

[[gnu::flatten]] Result<Ticket> parse_ticket(Bytes message) noexcept {
  Parse parse(message);
  Ticket ticket{.encoded = message};
  Reader reader(parse);
  fields::ticket(reader, ticket);
  reader.finish();
  return parse.finish(ticket);
}

[[gnu::flatten]] ParseFault parse_into(Bytes plain, EncTicketPart& part,
                                       AuthorizationData& data) noexcept {
  Parse parse(plain);
  fields::message_body(parse, kEncTicketPartTag, 10, [&](Reader& body) {
    part.flags = fields::flags(body, 0);
    fields::encryption_key(body, 1, part.key);
    part.crealm = fields::realm(body, 2);
    fields::principal(body, 3, part.cname);
    body.numbered_in(der::context(4), Tag::kOctetString, part.transited_type,
                     [&](Reader& contents) { part.transited = contents.rest(); });
    part.auth_time = fields::time(body, 5);
    part.start_time = part.auth_time;  //= RFC 4120 5.3
    part.has_start_time = fields::maybe_time(body, 6, part.start_time);
    part.end_time = fields::time(body, 7);
    part.has_renew_till = fields::maybe_time(body, 8, part.renew_till);
    part.addresses = fields::maybe_typed_list(body, 9);
    part.authorization_data = fields::maybe_authorization_data(body, 10, data);
  });
  return parse.fault();
}

Result<EncTicketPart> parse_enc_ticket_part(Bytes plain) noexcept {
  return in_place<EncTicketPart>(plain, AuthorizationData());
}

[[gnu::flatten]] ParseFault parse_into(Bytes plain, Authenticator& authenticator,
                                       AuthorizationData& data) noexcept {
  Parse parse(plain);
  fields::message_body(parse, kAuthenticatorTag, 8, [&](Reader& body) {
    fields::constant(body, 0, fields::kProtocolVersion);
    authenticator.crealm = fields::realm(body, 1);
    fields::principal(body, 2, authenticator.cname);
    authenticator.has_checksum = body.next_is(der::context(3));
    if (authenticator.has_checksum) {
      // Of GSS-API's, 0x8003.
      body.numbered_in<3>(der::context(3), Tag::kOctetString, authenticator.checksum_type,
                          [&](Reader& contents) { authenticator.checksum = contents.rest(); });
    }
    authenticator.cusec = fields::microseconds(body, 4);
    authenticator.ctime_text = fields::time_text(body, 5);
    authenticator.ctime = fields::seconds_of(body, authenticator.ctime_text);
    authenticator.has_subkey = body.next_is(der::context(6));
    if (authenticator.has_subkey) {
      fields::encryption_key(body, 6, authenticator.subkey);
    }
    authenticator.has_seq_number = body.next_is(der::context(7));
    if (authenticator.has_seq_number) {
      authenticator.seq_number = body.u32_modulo_in(der::context(7));
    }
    authenticator.authorization_data = fields::maybe_authorization_data(body, 8, data);
  });
  return parse.fault();
}

Result<Authenticator> parse_authenticator(Bytes plain) noexcept {
  return in_place<Authenticator>(plain, AuthorizationData());
}

Result<ApRep> parse_ap_rep(Bytes message) noexcept {
  Parse parse(message);
  ApRep reply;
  fields::message_body(parse, kApRepType, 2, [&](Reader& body) {
    fields::version_and_type(body, kApRepType);
    fields::encrypted_data(body, 2, reply.enc_part);
  });
  return parse.finish(reply);
}

Result<EncApRepPart> parse_enc_ap_rep_part(Bytes plain) noexcept {
  Parse parse(plain);
  EncApRepPart part;
  fields::message_body(parse, kEncApRepPartTag, 3, [&](Reader& body) {
    part.ctime = fields::time(body, 0);
    part.cusec = fields::microseconds(body, 1);
    part.has_subkey = body.next_is(der::context(2));
    if (part.has_subkey) {
      fields::encryption_key(body, 2, part.subkey);
    }
    part.has_seq_number =
        body.maybe(der::context(3), [&](Reader& field) { part.seq_number = field.u32_modulo(); });
  });
  return parse.finish(part);
}

Result<KrbError> parse_krb_error(Bytes message) noexcept {
  Parse parse(message);
  KrbError error;
  fields::message_body(parse, kKrbErrorType, 12, [&](Reader& body) {
    fields::version_and_type(body, kKrbErrorType);
    error.has_client_time = fields::maybe_time(body, 2, error.ctime);
    error.cusec = body.next_is(der::context(3)) ? fields::microseconds(body, 3) : 0;
    error.stime = fields::time(body, 4);
    error.susec = fields::microseconds(body, 5);
    body.in(der::context(6), [&](Reader& field) { error.error_code = field.i32(); });
    if (body.next_is(der::context(7))) {
      error.crealm = fields::realm(body, 7);
    }
    if (body.next_is(der::context(8))) {
      fields::principal(body, 8, error.cname);
    }
    error.realm = fields::realm(body, 9);
    fields::principal(body, 10, error.sname);
    // Old MIT KDCs count the terminating NUL in e-text, so it is not held to realm's rule.
    body.maybe(der::context(11),
               [&](Reader& field) { error.e_text = field.bytes(Tag::kGeneralString); });
    body.maybe(der::context(12),
               [&](Reader& field) { error.e_data = field.bytes(Tag::kOctetString); });
  });
  return parse.finish(error);
}

Result<ErrorData> parse_error_data(Bytes e_data) noexcept {
  Parse parse(e_data);
  ErrorData data;
  Reader reader(parse);
  reader.in(Tag::kSequence, [&](Reader& body) {
    body.in(der::context(1), [&](Reader& field) { data.type = ErrorDataType(field.i32()); });
    data.has_value = body.maybe(
        der::context(2), [&](Reader& field) { data.value = field.bytes(Tag::kOctetString); });
  });
  reader.finish();
  return parse.finish(data);
}

[[gnu::flatten]] void write_ap_rep(Writer& out, const EncryptedData& enc_part) noexcept {
  out.apart([&](Writer& writer) {
    writer.in(der::application(kApRepType), Tag::kSequence, [&](Writer& body) {
      write_encrypted_data(body, 2, enc_part);
      body.u32_in(der::context(1), kApRepType);
      body.u32_in(der::context(0), fields::kProtocolVersion);
    });
  });
}

[[gnu::flatten]] void write_enc_ap_rep_part(Writer& out, const EncApRepPart& part) noexcept {
  out.apart([&](Writer& writer) {
    writer.in(der::application(kEncApRepPartTag), Tag::kSequence, [&](Writer& body) {
      if (part.has_seq_number) {
        body.u32_in(der::context(3), part.seq_number);
      }
      if (part.has_subkey) {
        write_encryption_key(body, 2, part.subkey);
      }
      body.u32_in(der::context(1), part.cusec);
      if (part.ctime_text.empty()) {
        body.time_in(der::context(0), part.ctime);
      } else {
        body.bytes_in(der::context(0), Tag::kGeneralizedTime, part.ctime_text);
      }
    });
  });
}

void write_error_data(Writer& writer, const ErrorData& data) noexcept {
  writer.in(Tag::kSequence, [&](Writer& body) {
    if (data.has_value) {
      body.bytes_in(der::context(2), Tag::kOctetString, data.value);
    }
    body.i32_in(der::context(1), std::int32_t(data.type));
  });
}

void write_krb_error(Writer& writer, const KrbError& error) noexcept {
  const auto text = [](Writer& body, std::uint8_t field_number, Tag tag, Bytes contents) {
    if (!contents.empty()) {
      body.bytes_in(der::context(field_number), tag, contents);
    }
  };
  writer.in(der::application(kKrbErrorType), Tag::kSequence, [&](Writer& body) {
    text(body, 12, Tag::kOctetString, error.e_data);
    text(body, 11, Tag::kGeneralString, error.e_text);
    write_principal(body, 10, error.sname);
    body.bytes_in(der::context(9), Tag::kGeneralString, error.realm);
    if (!error.cname.components.empty()) {
      write_principal(body, 8, error.cname);
    }
    text(body, 7, Tag::kGeneralString, error.crealm);
    body.i32_in(der::context(6), error.error_code);
    body.u32_in(der::context(5), error.susec);
    body.time_in(der::context(4), error.stime);
    if (error.has_client_time) {
      body.u32_in(der::context(3), error.cusec);
      body.time_in(der::context(2), error.ctime);
    }
    body.u32_in(der::context(1), kKrbErrorType);
    body.u32_in(der::context(0), fields::kProtocolVersion);
  });
}

}  // namespace usher::krb5
