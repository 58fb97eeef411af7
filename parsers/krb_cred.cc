// KRB-CRED and its encrypted part; krb_cred.h says what is promised.
#include "parsers/krb_cred.h"

#include <cassert>

#include "parsers/der.h"
#include "parsers/krb5_fields.h"

namespace usher::krb5 {
namespace {

using der::Reader;
using der::Tag;

// The message type doubles as its APPLICATION tag (RFC 4120 5.10).
constexpr std::uint8_t kKrbCredType = 22;
constexpr std::uint8_t kEncKrbCredPartTag = 29;

// list_of reads a SEQUENCE OF with 1 to kCredTicketsMax elements, each by `read_element`.
template <class Read>
Bytes list_of(Reader& field, std::uint32_t& count, Read read_element) noexcept {
  Bytes elements;
  field.in(Tag::kSequence, [&](Reader& list) {
    const std::uint32_t begin = list.mark();
    list.each([&](Reader& rest) {
      rest.require(++count <= kCredTicketsMax);
      read_element(rest);
    });
    list.require(count > 0);
    elements = list.since(begin);
  });
  return elements;
}

bool maybe_realm(Reader& body, std::uint8_t field_number, Bytes& realm) noexcept {
  const bool present = body.next_is(der::context(field_number));
  if (present) {
    realm = fields::realm(body, field_number);
  }
  return present;
}

bool maybe_name(Reader& body, std::uint8_t field_number, PrincipalName& name) noexcept {
  const bool present = body.next_is(der::context(field_number));
  if (present) {
    fields::principal(body, field_number, name);
  }
  return present;
}

KrbCredInfo cred_info(Reader& field) noexcept {
  KrbCredInfo info;
  field.in(Tag::kSequence, [&](Reader& body) {
    fields::encryption_key(body, 0, info.key);
    info.has_client = maybe_realm(body, 1, info.prealm);
    body.require(maybe_name(body, 2, info.pname) == info.has_client);
    info.has_flags = body.next_is(der::context(3));
    info.flags = info.has_flags ? fields::flags(body, 3) : 0;
    info.has_auth_time = fields::maybe_time(body, 4, info.auth_time);
    info.has_start_time = fields::maybe_time(body, 5, info.start_time);
    info.has_end_time = fields::maybe_time(body, 6, info.end_time);
    info.has_renew_till = fields::maybe_time(body, 7, info.renew_till);
    info.has_service = maybe_realm(body, 8, info.srealm);
    body.require(maybe_name(body, 9, info.sname) == info.has_service);
    info.addresses = fields::maybe_typed_list(body, 10);
  });
  return info;
}

}  // namespace

Result<KrbCred> parse_krb_cred(Bytes message) noexcept {
  Parse parse(message);
  KrbCred cred;
  fields::message_body(parse, kKrbCredType, 3, [&](Reader& body) {
    fields::constant(body, 0, fields::kProtocolVersion);
    fields::constant(body, 1, kKrbCredType);
    body.in(der::context(2), [&](Reader& field) {
      cred.tickets = list_of(field, cred.ticket_count, [](Reader& element) {
        Ticket ticket;
        fields::ticket(element, ticket);
      });
    });
    fields::encrypted_data(body, 3, cred.enc_part);
  });
  return parse.finish(cred);
}

Result<EncKrbCredPart> parse_enc_krb_cred_part(Bytes plain) noexcept {
  Parse parse(plain);
  EncKrbCredPart part;
  fields::message_body(parse, kEncKrbCredPartTag, 5, [&](Reader& body) {
    body.in(der::context(0), [&](Reader& field) {
      part.infos = list_of(field, part.info_count, [](Reader& element) { cred_info(element); });
    });
    part.has_nonce =
        body.maybe(der::context(1), [&](Reader& field) { part.nonce = field.u32_modulo(); });
    part.has_timestamp = fields::maybe_time(body, 2, part.timestamp);
    part.has_usec = body.next_is(der::context(3));
    part.usec = part.has_usec ? fields::microseconds(body, 3) : 0;
    body.maybe(der::context(4),
               [&](Reader& field) { part.sender_address = fields::typed_value(field); });
    body.maybe(der::context(5),
               [&](Reader& field) { part.recipient_address = fields::typed_value(field); });
  });
  return parse.finish(part);
}

CredTicket ticket_at(const KrbCred& cred, std::uint32_t n) noexcept {
  assert(n < cred.ticket_count);
  Parse parse(cred.tickets);
  Reader list(parse);
  CredTicket found;
  for (std::uint32_t i = 0; i <= n; ++i) {
    const std::uint32_t begin = list.mark();
    fields::ticket(list, found.ticket);
    found.encoded = list.since(begin);
    found.ticket.encoded = found.encoded;
  }
  return found;
}

KrbCredInfo info_at(const EncKrbCredPart& part, std::uint32_t n) noexcept {
  assert(n < part.info_count);
  Parse parse(part.infos);
  Reader list(parse);
  KrbCredInfo found;
  for (std::uint32_t i = 0; i <= n; ++i) {
    found = cred_info(list);
  }
  return found;
}

}  // namespace usher::krb5
