// parsers/krb_cred.h: KRB-CRED and its encrypted part, and both written anew.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "fuzz/fuzz_target.h"
#include "parsers/krb_cred.h"

namespace usher::fuzz {
namespace {

using der::Tag;
using der::Writer;

constexpr std::int64_t kYear10000 = 253'402'300'800;  // Seconds; a KerberosTime has four digits.

std::array<std::uint8_t, kInputSizeMax + 64> out;

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

void check_views(std::initializer_list<Bytes> views, Bytes message) {
  for (const Bytes view : views) {
    check(within(view, message), "every view points into the message");
  }
}

// check_size_is_exact: a right message has no byte too few or too many.
template <class Result>
void check_size_is_exact(Result (*parse)(Bytes) noexcept, Bytes message) {
  check(!parse(message.first(message.size() - 1)).ok(), "every byte counts");
  std::ranges::copy(message, out.begin());
  out[message.size()] = 0;
  check(!parse(Bytes(out).first(message.size() + 1)).ok(), "no byte may follow");
}

// check_rewritten compares a message with what was written from the values in it. Two things make
// them differ: extensions, which are skipped (RFC 4120 1.5.1), and a number that may be signed.
void check_rewritten(Bytes written, Bytes message, bool may_be_signed) {
  check(may_be_signed || written.size() <= message.size(), "there is no shorter encoding");
  check(may_be_signed || written.size() < message.size() || same(written, message),
        "there is one encoding");
}

void write_cred(Writer& writer, const krb5::KrbCred& cred) {
  writer.in(Tag::kSequence, [&](Writer& body) {
    body.in(der::context(3), [&](Writer& field) {
      field.in(Tag::kSequence, [&](Writer& data) {
        data.in(der::context(2),
                [&](Writer& cipher) { cipher.bytes(Tag::kOctetString, cred.enc_part.cipher); });
        if (cred.enc_part.has_kvno) {
          data.in(der::context(1), [&](Writer& kvno) { kvno.u32(cred.enc_part.kvno); });
        }
        data.in(der::context(0), [&](Writer& etype) { etype.i32(cred.enc_part.etype); });
      });
    });
    body.in(der::context(2), [&](Writer& field) { field.bytes(Tag::kSequence, cred.tickets); });
    body.in(der::context(1), [](Writer& type) { type.u32(22); });
    body.in(der::context(0), [](Writer& version) { version.u32(5); });
  });
  writer.wrap(der::application(22));
}

void check_tickets(const krb5::KrbCred& cred) {
  check(cred.ticket_count >= 1 && cred.ticket_count <= krb5::kCredTicketsMax,
        "1 to kCredTicketsMax tickets");
  std::size_t at = 0;
  for (std::uint32_t n = 0; n < cred.ticket_count; ++n) {
    const krb5::CredTicket ticket = krb5::ticket_at(cred, n);
    check(ticket.encoded.data() == cred.tickets.subspan(at).data(), "tickets stand side by side");
    at += ticket.encoded.size();
    check_views({ticket.ticket.realm, ticket.ticket.enc_part.cipher}, ticket.encoded);
    check(krb5::parse_ticket(ticket.encoded).ok(), "each ticket is one");
  }
  check(at == cred.tickets.size(), "tickets are all there is");
}

void check_cred(Bytes message) {
  const Result<krb5::KrbCred> cred = krb5::parse_krb_cred(message);
  if (!cred.ok()) {
    check(cred.fault().offset <= message.size(), "a fault points into the message");
    return;
  }
  check_views({cred->tickets, cred->enc_part.cipher}, message);
  check_tickets(*cred);
  check_size_is_exact(krb5::parse_krb_cred, message);

  Writer writer(out);
  write_cred(writer, *cred);
  check_rewritten(writer.written(), message, cred->enc_part.kvno > INT32_MAX);
  const Result<krb5::KrbCred> again = krb5::parse_krb_cred(writer.written());
  check(again.ok() && same(again->tickets, cred->tickets) &&
            again->enc_part.etype == cred->enc_part.etype &&
            again->enc_part.has_kvno == cred->enc_part.has_kvno &&
            again->enc_part.kvno == cred->enc_part.kvno &&
            same(again->enc_part.cipher, cred->enc_part.cipher),
        "what is written can be read");
}

void check_time(bool present, krb5::UnixSeconds seconds) {
  check(present || seconds == 0, "no time, no seconds");
  check(seconds < kYear10000, "a time has a year of four digits");
}

void check_info(const krb5::KrbCredInfo& info, Bytes infos) {
  check(!info.key.value.empty(), "a key has octets");
  check_views({info.key.value, info.prealm, info.pname.components, info.srealm,
               info.sname.components, info.addresses},
              infos);
  check(info.has_client || (info.prealm.empty() && info.pname.components.empty()),
        "no client, no name");
  check(info.has_service || (info.srealm.empty() && info.sname.components.empty()),
        "no service, no name");
  check(info.has_flags || info.flags == 0, "no flags, no bits");
  check_time(info.has_auth_time, info.auth_time);
  check_time(info.has_start_time, info.start_time);
  check_time(info.has_end_time, info.end_time);
  check_time(info.has_renew_till, info.renew_till);
  for (const krb5::PrincipalName* name : {&info.pname, &info.sname}) {
    std::uint32_t count = 0;
    krb5::each_component(*name, [&](Bytes component) {
      check(within(component, name->components), "a component is part of its name");
      ++count;
    });
    check(count <= krb5::kNameComponentsMax, "names have at most kNameComponentsMax components");
  }
}

void write_part(Writer& writer, const krb5::EncKrbCredPart& part) {
  writer.in(Tag::kSequence, [&](Writer& body) {
    if (!part.recipient_address.empty()) {
      body.in(der::context(5), [&](Writer& field) { field.octets(part.recipient_address); });
    }
    if (!part.sender_address.empty()) {
      body.in(der::context(4), [&](Writer& field) { field.octets(part.sender_address); });
    }
    if (part.has_usec) {
      body.in(der::context(3), [&](Writer& field) { field.u32(part.usec); });
    }
    if (part.has_timestamp) {
      body.in(der::context(2), [&](Writer& field) { field.time(part.timestamp); });
    }
    if (part.has_nonce) {
      body.in(der::context(1), [&](Writer& field) { field.u32(part.nonce); });
    }
    body.in(der::context(0), [&](Writer& field) { field.bytes(Tag::kSequence, part.infos); });
  });
  writer.wrap(der::application(29));
}

void check_part(Bytes message) {
  const Result<krb5::EncKrbCredPart> part = krb5::parse_enc_krb_cred_part(message);
  if (!part.ok()) {
    check(part.fault().offset <= message.size(), "a fault points into the message");
    return;
  }
  check(part->info_count >= 1 && part->info_count <= krb5::kCredTicketsMax,
        "1 to kCredTicketsMax infos");
  check(part->usec < 1'000'000, "less than a second");
  check_views({part->infos, part->sender_address, part->recipient_address}, message);
  for (std::uint32_t n = 0; n < part->info_count; ++n) {
    check_info(krb5::info_at(*part, n), part->infos);
  }
  check_size_is_exact(krb5::parse_enc_krb_cred_part, message);

  Writer writer(out);
  write_part(writer, *part);
  check_rewritten(writer.written(), message, part->nonce > INT32_MAX);
  const auto again = krb5::parse_enc_krb_cred_part(writer.written());
  check(again.ok() && same(again->infos, part->infos) && again->nonce == part->nonce &&
            again->timestamp == part->timestamp && again->usec == part->usec &&
            same(again->sender_address, part->sender_address) &&
            same(again->recipient_address, part->recipient_address),
        "what is written can be read");
}

}  // namespace

// The first byte says which message the rest is.
void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const Bytes message = input.subspan(1);
  return input[0] % 2 == 0 ? check_cred(message) : check_part(message);
}

}  // namespace usher::fuzz
