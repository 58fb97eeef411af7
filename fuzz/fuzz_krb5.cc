// parsers/krb5.h: every message, its names, and the messages that can be written.
#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/host_addresses.h"
#include "parsers/krb5.h"

namespace usher::fuzz {
namespace {

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

void check_views(std::initializer_list<Bytes> views, Bytes message) {
  for (const Bytes view : views) {
    check(within(view, message), "every view points into the message");
  }
}

void check_key(const krb5::EncryptionKey& key, Bytes message) {
  check_views({key.value}, message);
  check(!key.value.empty(), "a key has octets");
}

void check_string(Bytes text) {
  check(std::ranges::find(text, std::uint8_t{0}) == text.end(), "no name holds a NUL");
}

void check_name(const krb5::PrincipalName& name, Bytes realm, Bytes message) {
  check_views({name.components, realm}, message);
  check_string(realm);
  std::size_t count = 0;
  std::size_t size = realm.empty() ? 0 : realm.size() + 1;
  krb5::each_component(name, [&](Bytes component) {
    check(within(component, name.components), "a component is part of its name");
    check_string(component);
    size += component.size() + (count > 0 ? 1 : 0);
    ++count;
  });
  check(count <= krb5::kNameComponentsMax, "names have at most kNameComponentsMax components");

  std::vector<std::uint8_t> out(2 * size);
  const std::size_t text_size = krb5::write_principal_text(name, realm, out);
  check(text_size >= size, "a text holds all there is");
  if (text_size > 0) {
    std::vector<std::uint8_t> exact(text_size);
    check(krb5::write_principal_text(name, realm, exact) == text_size, "an exact buffer is enough");
    check(same(exact, Bytes(out).first(text_size)), "the buffer's size changes nothing");
    exact.pop_back();
    check(krb5::write_principal_text(name, realm, exact) == 0, "a smaller buffer is not");
  }
}

void check_ticket(const krb5::Ticket& ticket, Bytes message) {
  check_name(ticket.sname, ticket.realm, message);
  check_views({ticket.enc_part.cipher}, message);
}

// check_list walks a list as whoever looks for a PAC in it does.
void check_list(Bytes list, Bytes message) {
  check_views({list}, message);
  if (list.empty()) {
    return;
  }
  Parse parse(list);
  der::Reader reader(parse);
  reader.in(der::Tag::kSequence, [](der::Reader& elements) {
    elements.each([](der::Reader& rest) {
      rest.in(der::Tag::kSequence, [](der::Reader& element) {
        element.in(der::context(0), [](der::Reader& type) { type.i32(); });
        element.in(der::context(1), [](der::Reader& data) { data.bytes(der::Tag::kOctetString); });
      });
    });
  });
  reader.finish();
  check(parse.ok(), "an accepted list can be walked to its end");
}

// check_addresses reads a list that was accepted as what it is.
void check_addresses(Bytes element, Bytes message) {
  check_list(element, message);
  const Result<krb5::HostAddresses> addresses = krb5::parse_host_addresses(element);
  if (!addresses.ok()) {
    check(addresses.fault().code == ParseCode::kBadValue, "it can only be too long");
    return;
  }
  std::uint32_t count = 0;
  krb5::each_address(*addresses, [&](const krb5::HostAddress& address) {
    check(within(address.address, element), "an address is part of the list");
    check(krb5::contains(*addresses, address), "what is there is found");
    ++count;
  });
  check(count == addresses->count && count <= krb5::kHostAddressesMax, "as many as it says");
  constexpr std::array<std::uint8_t, 2> kNowhere = {0xde, 0xad};
  check(!krb5::contains(*addresses, {.type = INT32_MIN, .address = kNowhere}) ||
            std::search(element.begin(), element.end(), kNowhere.begin(), kNowhere.end()) !=
                element.end(),
        "what is not there is not found");
}

// accepted checks what holds for every parse function and returns whether `parse` took `message`.
template <class T>
bool accepted(Result<T> (*parse)(Bytes) noexcept, const Result<T>& result, Bytes message) {
  if (!result.ok()) {
    check(result.fault().offset <= message.size(), "a fault points into the message");
    return false;
  }
  check(!parse(message.first(message.size() - 1)).ok(), "every byte counts");
  std::vector<std::uint8_t> longer(message.begin(), message.end());
  longer.push_back(0);
  check(!parse(longer).ok(), "no byte may follow");
  return true;
}

void check_ap_req(Bytes message) {
  const Result<krb5::ApReq> request = krb5::parse_ap_req(message);
  if (accepted(krb5::parse_ap_req, request, message)) {
    check_ticket(request->ticket, message);
    check_views({request->authenticator.cipher}, message);
  }
}

void check_lone_ticket(Bytes message) {
  const Result<krb5::Ticket> ticket = krb5::parse_ticket(message);
  if (accepted(krb5::parse_ticket, ticket, message)) {
    check_ticket(*ticket, message);
  }
}

void check_enc_ticket_part(Bytes message) {
  const Result<krb5::EncTicketPart> part = krb5::parse_enc_ticket_part(message);
  if (accepted(krb5::parse_enc_ticket_part, part, message)) {
    check_key(part->key, message);
    check_name(part->cname, part->crealm, message);
    check_views({part->transited}, message);
    check_addresses(part->addresses, message);
    check_list(part->authorization_data, message);
    check(part->has_start_time || part->start_time == part->auth_time, "a ticket has a start");
  }
}

void check_authenticator(Bytes message) {
  const Result<krb5::Authenticator> authenticator = krb5::parse_authenticator(message);
  if (accepted(krb5::parse_authenticator, authenticator, message)) {
    check_name(authenticator->cname, authenticator->crealm, message);
    check_views({authenticator->checksum}, message);
    check_list(authenticator->authorization_data, message);
    check(authenticator->cusec < 1'000'000, "less than a second");
    if (authenticator->has_subkey) {
      check_key(authenticator->subkey, message);
    }
  }
}

void check_ap_rep(Bytes message) {
  const Result<krb5::ApRep> reply = krb5::parse_ap_rep(message);
  if (accepted(krb5::parse_ap_rep, reply, message)) {
    check_views({reply->enc_part.cipher}, message);
    std::vector<std::uint8_t> out(message.size() + 16);  // A negative kvno grows, and lengths.
    der::Writer writer(out);
    krb5::write_ap_rep(writer, reply->enc_part);
    const Result<krb5::ApRep> again = krb5::parse_ap_rep(writer.written());
    check(again.ok() && again->enc_part.etype == reply->enc_part.etype &&
              again->enc_part.has_kvno == reply->enc_part.has_kvno &&
              again->enc_part.kvno == reply->enc_part.kvno &&
              same(again->enc_part.cipher, reply->enc_part.cipher),
          "what is written is what was parsed");
    const bool extended = writer.written().size() < message.size();
    check(same(writer.written(), message) || extended || reply->enc_part.kvno > INT32_MAX,
          "an AP-REP has one encoding, but for extensions and a signed kvno");
  }
}

void check_enc_ap_rep_part(Bytes message) {
  const Result<krb5::EncApRepPart> part = krb5::parse_enc_ap_rep_part(message);
  if (!accepted(krb5::parse_enc_ap_rep_part, part, message)) {
    return;
  }
  std::vector<std::uint8_t> out(message.size() + 8);  // A negative seq-number grows by an octet.
  der::Writer writer(out);
  krb5::write_enc_ap_rep_part(writer, *part);
  const Result<krb5::EncApRepPart> again = krb5::parse_enc_ap_rep_part(writer.written());
  check(again.ok(), "what is written can be parsed");
  check(again->ctime == part->ctime && again->cusec == part->cusec, "times come back");
  check(again->has_seq_number == part->has_seq_number && again->seq_number == part->seq_number,
        "a sequence number comes back");
  check(again->has_subkey == part->has_subkey && again->subkey.etype == part->subkey.etype &&
            same(again->subkey.value, part->subkey.value),
        "a subkey comes back");
  if (part->has_subkey) {
    check_key(part->subkey, message);
  }
}

bool same(const krb5::PrincipalName& a, const krb5::PrincipalName& b) {
  return a.type == b.type && same(a.components, b.components);
}

// check_krb_error_anew writes what was read, which leaves out what is there but empty.
void check_krb_error_anew(const krb5::KrbError& error, Bytes message) {
  std::vector<std::uint8_t> out(message.size() + 16);  // A client's microseconds may be missing.
  der::Writer writer(out);
  krb5::write_krb_error(writer, error);
  const Result<krb5::KrbError> again = krb5::parse_krb_error(writer.written());
  check(again.ok(), "what is written can be parsed");
  check(again->error_code == error.error_code && again->stime == error.stime &&
            again->susec == error.susec,
        "code and time come back");
  check(again->has_client_time == error.has_client_time && again->ctime == error.ctime &&
            (!error.has_client_time || again->cusec == error.cusec),
        "the client's time comes back");
  check(same(again->sname, error.sname) && same(again->realm, error.realm) &&
            same(again->crealm, error.crealm) &&
            (error.cname.components.empty() || same(again->cname, error.cname)),
        "names come back");
  check(same(again->e_text, error.e_text) && same(again->e_data, error.e_data),
        "text and data come back");
  std::vector<std::uint8_t> second(writer.written().size());
  der::Writer exact(second);
  krb5::write_krb_error(exact, *again);
  check(same(exact.written(), writer.written()), "and has one encoding from then on");
}

void check_krb_error(Bytes message) {
  const Result<krb5::KrbError> error = krb5::parse_krb_error(message);
  if (accepted(krb5::parse_krb_error, error, message)) {
    check_name(error->cname, error->crealm, message);
    check_name(error->sname, error->realm, message);
    check_views({error->e_text, error->e_data}, message);
    check_krb_error_anew(*error, message);
  }
}

void check_error_data(Bytes message) {
  const Result<krb5::ErrorData> data = krb5::parse_error_data(message);
  if (accepted(krb5::parse_error_data, data, message)) {
    check_views({data->value}, message);
    std::vector<std::uint8_t> out(message.size());
    der::Writer writer(out);
    krb5::write_error_data(writer, *data);
    check(same(writer.written(), message), "error data has one encoding");
  }
}

}  // namespace

// The first byte says which message the rest is.
void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const Bytes message = input.subspan(1);
  switch (input[0] % 8) {
    case 0:
      return check_ap_req(message);
    case 1:
      return check_lone_ticket(message);
    case 2:
      return check_enc_ticket_part(message);
    case 3:
      return check_authenticator(message);
    case 4:
      return check_ap_rep(message);
    case 5:
      return check_enc_ap_rep_part(message);
    case 6:
      return check_krb_error(message);
    default:
      return check_error_data(message);
  }
}

}  // namespace usher::fuzz
