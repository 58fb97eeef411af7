#include "tools/mint/cred_mint.h"

#include <algorithm>

#include "tools/mint/kerberos_fields.h"

namespace usher::mint {
namespace {

using der::application;
using der::context;
using der::Tag;
using der::Writer;

constexpr std::uint32_t kMessageTypeKrbCred = 22;

void maybe_time(Writer& writer, std::uint8_t number, const std::optional<std::int64_t>& seconds) {
  if (seconds) {
    write_time(writer, number, *seconds);
  }
}

void maybe_number(Writer& writer, std::uint8_t number, const std::optional<std::uint32_t>& value) {
  if (value) {
    writer.in(context(number), [&](Writer& field) { field.u32(*value); });
  }
}

// maybe_principal writes [number] Realm, [number + 1] PrincipalName.
void maybe_principal(Writer& writer, std::uint8_t number, const std::optional<Principal>& name) {
  if (name) {
    writer.in(context(static_cast<std::uint8_t>(number + 1)),
              [&](Writer& field) { write_principal(field, *name); });
    write_string(writer, number, name->realm);
  }
}

void write_info(Writer& writer, const CredInfo& info) {
  writer.in(Tag::kSequence, [&](Writer& part) {
    write_element(part, 10, info.addresses);
    maybe_principal(part, 8, info.service);
    maybe_time(part, 7, info.renew_till);
    maybe_time(part, 6, info.end_time);
    maybe_time(part, 5, info.start_time);
    maybe_time(part, 4, info.auth_time);
    if (info.flags) {
      part.in(context(3), [&](Writer& field) { field.bits(*info.flags); });
    }
    maybe_principal(part, 1, info.client);
    part.in(context(0), [&](Writer& field) { write_key(field, info.etype, info.key); });
  });
}

}  // namespace

Octets host_address(std::int32_t type, Bytes address) {
  return build([&](Writer& writer) { write_key(writer, type, address); });  // Shaped like one.
}

Octets host_addresses(const std::vector<std::pair<std::int32_t, Octets>>& addresses) {
  return build([&](Writer& writer) {
    writer.in(Tag::kSequence, [&](Writer& list) {
      std::for_each(addresses.rbegin(), addresses.rend(),
                    [&](const auto& address) { write_key(list, address.first, address.second); });
    });
  });
}

Cred forwarded_tgt(const KerberosMint& mint, const Principal& client, std::int64_t auth_time,
                   std::int64_t end_time) {
  const Principal krbtgt{2, {"krbtgt", client.realm}, client.realm};
  constexpr std::uint32_t kForwardableForwarded = 0x60a00000;  // And renewable, pre-authent.
  const Service service{.name = krbtgt, .etype = 18, .kvno = 1, .key = Octets(32, 0x7b)};
  TicketFields fields;
  fields.client = client;
  fields.flags = kForwardableForwarded;
  fields.auth_time = auth_time;
  fields.end_time = end_time;
  const Ticket ticket = mint.ticket(service, fields);
  Cred cred;
  cred.tickets.push_back(ticket.encoded);
  cred.infos.push_back({.etype = ticket.session_etype,
                        .key = ticket.session_key,
                        .client = client,
                        .flags = kForwardableForwarded,
                        .auth_time = auth_time,
                        .start_time = auth_time,
                        .end_time = end_time,
                        .renew_till = end_time + 86'400,
                        .service = krbtgt});
  return cred;
}

Octets encode_enc_krb_cred_part(const Cred& cred) {
  return build([&](Writer& writer) {
    writer.in(application(29), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& part) {
        write_element(part, 5, cred.recipient_address);
        write_element(part, 4, cred.sender_address);
        maybe_number(part, 3, cred.usec);
        maybe_time(part, 2, cred.timestamp);
        maybe_number(part, 1, cred.nonce);
        part.in(context(0), [&](Writer& field) {
          field.in(Tag::kSequence, [&](Writer& infos) {
            std::for_each(cred.infos.rbegin(), cred.infos.rend(),
                          [&](const CredInfo& info) { write_info(infos, info); });
          });
        });
      });
    });
  });
}

Octets krb_cred(const KerberosMint& mint, std::int32_t etype, Bytes key, const Cred& cred) {
  const Sealing& sealing = cred.sealing;
  const Octets plain = sealing.plain ? *sealing.plain : encode_enc_krb_cred_part(cred);
  Octets cipher = plain;
  if (sealing.cipher) {
    cipher = *sealing.cipher;
  } else if (etype != 0) {
    cipher = mint.seal(etype, sealing.key ? Bytes(*sealing.key) : key, crypto::KeyUsage::kKrbCred,
                       plain);
  }
  return build([&](Writer& writer) {
    writer.in(application(22), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& part) {
        part.in(context(3), [&](Writer& field) {
          write_encrypted(field, sealing.etype.value_or(etype), sealing.kvno, cipher);
        });
        part.in(context(2), [&](Writer& field) {
          field.in(Tag::kSequence, [&](Writer& tickets) {
            std::for_each(cred.tickets.rbegin(), cred.tickets.rend(),
                          [&](const Octets& ticket) { tickets.octets(ticket); });
          });
        });
        part.in(context(1), [](Writer& field) { field.u32(kMessageTypeKrbCred); });
        part.in(context(0), [](Writer& field) { field.u32(kProtocolVersion); });
      });
    });
  });
}

}  // namespace usher::mint
