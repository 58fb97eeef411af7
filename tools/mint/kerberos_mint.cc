#include "tools/mint/kerberos_mint.h"

#include <algorithm>

#include "engine/crypto/sealing.h"
#include "engine/protect/mic.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "tools/mint/kerberos_fields.h"
#include "tools/mint/spnego_mint.h"

namespace usher::mint {
namespace {

using der::application;
using der::context;
using der::Tag;
using der::Writer;

constexpr std::uint32_t kMessageTypeApReq = 14;

std::size_t key_size_of(std::int32_t etype) {
  const crypto::EtypeProfile* profile = crypto::profile_of(etype);
  return profile == nullptr ? 16 : profile->key_size;
}

const crypto::EtypeProfile& served_profile(std::int32_t etype) {
  const crypto::EtypeProfile* profile = crypto::profile_of(etype);
  require(profile != nullptr, "the mint cannot encrypt with this etype");
  return *profile;
}

}  // namespace

Principal Principal::of(std::string_view text) {
  Principal name;
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    name.realm = std::string(text.substr(at + 1));
    text = text.substr(0, at);
  }
  std::size_t slash = 0;
  while ((slash = text.find('/')) != std::string_view::npos) {
    name.components.emplace_back(text.substr(0, slash));
    text.remove_prefix(slash + 1);
    name.type = 2;  // NT-SRV-INST
  }
  name.components.emplace_back(text);
  return name;
}

Octets name_components(const Principal& name) {
  return build([&](Writer& writer) {
    std::for_each(name.components.rbegin(), name.components.rend(), [&](const std::string& part) {
      writer.bytes(Tag::kGeneralString, as_bytes(part));
    });
  });
}

Service make_service(RandomSource& random, std::string_view principal, std::int32_t etype,
                     std::uint32_t kvno) {
  return {.name = Principal::of(principal),
          .etype = etype,
          .kvno = kvno,
          .key = draw(random, key_size_of(etype))};
}

Octets keytab_image(std::span<const Service> services) {
  Octets file = {0x05, 0x02};
  for (const Service& service : services) {
    Octets entry;
    const auto counted = [&entry](Bytes bytes) {
      append_be(entry, static_cast<std::uint16_t>(bytes.size()));
      append(entry, bytes);
    };
    append_be(entry, static_cast<std::uint16_t>(service.name.components.size()));
    counted(as_bytes(service.name.realm));
    for (const std::string& component : service.name.components) {
      counted(as_bytes(component));
    }
    append_be(entry, static_cast<std::uint32_t>(service.name.type));
    append_be(entry, std::uint32_t{0});  // When it was written: nobody asks.
    entry.push_back(static_cast<std::uint8_t>(service.kvno));
    append_be(entry, static_cast<std::uint16_t>(service.etype));
    counted(service.key);
    append_be(entry, service.kvno);  // The eight bits above do not hold every kvno.
    append_be(file, static_cast<std::uint32_t>(entry.size()));
    append(file, entry);
  }
  return file;
}

std::unique_ptr<const crypto::KeyRing> make_ring(crypto::Kit& kit,
                                                 std::span<const Service> services) {
  std::vector<Octets> components;
  std::vector<crypto::KeyRing::Entry> entries;
  components.reserve(services.size());
  for (const Service& service : services) {
    components.push_back(name_components(service.name));
    entries.push_back({.realm = as_bytes(service.name.realm),
                       .components = components.back(),
                       .etype = service.etype,
                       .kvno = service.kvno,
                       .key = service.key});
  }
  return crypto::KeyRing::make(kit, entries);
}

Octets authorization_data(std::int32_t type, Bytes data) {
  constexpr std::int32_t kIfRelevant = 1;
  const auto element = [](std::int32_t ad_type, Bytes ad_data) {
    return build([&](Writer& writer) {
      writer.in(Tag::kSequence, [&](Writer& list) {
        list.in(Tag::kSequence, [&](Writer& entry) {
          entry.in(context(1), [&](Writer& field) { field.bytes(Tag::kOctetString, ad_data); });
          entry.in(context(0), [&](Writer& field) { field.i32(ad_type); });
        });
      });
    });
  };
  return element(kIfRelevant, element(type, data));
}

Octets encode_enc_ticket_part(const TicketFields& fields) {
  return build([&](Writer& writer) {
    writer.in(application(3), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& part) {
        write_element(part, 10, fields.authorization_data);
        write_element(part, 9, fields.addresses);
        if (fields.renew_till) {
          write_time(part, 8, *fields.renew_till);
        }
        write_time(part, 7, fields.end_time);
        if (fields.start_time) {
          write_time(part, 6, *fields.start_time);
        }
        write_time(part, 5, fields.auth_time);
        part.in(context(4), [&](Writer& field) {  // Shaped like an EncryptionKey.
          write_key(field, fields.transited_type, fields.transited);
        });
        part.in(context(3), [&](Writer& field) { write_principal(field, fields.client); });
        write_string(part, 2, fields.client.realm);
        part.in(context(1),
                [&](Writer& field) { write_key(field, fields.session_etype, fields.session_key); });
        part.in(context(0), [&](Writer& field) { field.bits(fields.flags); });
      });
    });
  });
}

Octets encode_gss_checksum(const AuthenticatorFields& fields) {
  Octets checksum;
  append_le(checksum, static_cast<std::uint32_t>(fields.bindings.size()));
  append(checksum, fields.bindings);
  append_le(checksum, fields.context_flags);
  if ((fields.context_flags & std::uint32_t(gss::ContextFlags::kDelegate)) != 0) {
    append_le(checksum, std::uint16_t{1});
    append_le(checksum, static_cast<std::uint16_t>(fields.delegation.size()));
    append(checksum, fields.delegation);
  }
  append(checksum, fields.extensions);
  return checksum;
}

Octets encode_authenticator(const Ticket& ticket, const AuthenticatorFields& fields) {
  const Principal& client = fields.client ? *fields.client : ticket.client;
  const Octets checksum = fields.checksum ? *fields.checksum : encode_gss_checksum(fields);
  return build([&](Writer& writer) {
    writer.in(application(2), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& part) {
        write_element(part, 8, fields.authorization_data);
        if (fields.seq_number) {
          part.in(context(7), [&](Writer& field) { field.u32(*fields.seq_number); });
        }
        if (fields.subkey_etype) {
          part.in(context(6),
                  [&](Writer& field) { write_key(field, *fields.subkey_etype, fields.subkey); });
        }
        write_time(part, 5, fields.ctime);
        part.in(context(4), [&](Writer& field) { field.u32(fields.cusec); });
        if (!fields.checksum_absent) {
          part.in(context(3), [&](Writer& field) {  // A Checksum is shaped like an EncryptionKey.
            write_key(field, fields.checksum_type, checksum);
          });
        }
        part.in(context(2), [&](Writer& field) { write_principal(field, client); });
        write_string(part, 1, client.realm);
        part.in(context(0), [](Writer& field) { field.u32(kProtocolVersion); });
      });
    });
  });
}

Octets KerberosMint::seal(std::int32_t etype, Bytes key, crypto::KeyUsage usage,
                          Bytes plain) const {
  const crypto::EtypeProfile& profile = served_profile(etype);
  require(key.size() == profile.key_size, "the key does not fit its etype");
  const Octets confounder = draw(random_, profile.confounder_size);
  Octets cipher(profile.overhead() + plain.size());
  require(crypto::seal(kit_, profile, key, usage, confounder, plain, cipher), "encryption failed");
  return cipher;
}

Octets KerberosMint::open(std::int32_t etype, Bytes key, crypto::KeyUsage usage,
                          Bytes cipher) const {
  const crypto::EtypeProfile& profile = served_profile(etype);
  require(key.size() == profile.key_size, "the key does not fit its etype");
  Octets room(cipher.size());
  Bytes opened;
  const crypto::Outcome outcome =
      crypto::open_sealed(kit_, profile, key, usage, cipher, room, opened);
  require(outcome != crypto::Outcome::kFailed, "decryption failed");
  return octets_of(opened);
}

Ticket KerberosMint::ticket(const Service& service, TicketFields fields) const {
  if (fields.session_key.empty()) {
    fields.session_key = draw(random_, key_size_of(fields.session_etype));
  }
  const Sealing& sealing = fields.sealing;
  const Octets plain = sealing.plain ? *sealing.plain : encode_enc_ticket_part(fields);
  const Octets cipher = sealing.cipher
                            ? *sealing.cipher
                            : seal(service.etype, sealing.key ? *sealing.key : service.key,
                                   crypto::KeyUsage::kTicket, plain);
  std::optional<std::uint32_t> kvno = sealing.kvno.value_or(service.kvno);
  if (sealing.kvno_absent) {
    kvno.reset();
  }
  const Principal& name = fields.service ? *fields.service : service.name;
  Ticket ticket{.encoded = {},
                .session_etype = fields.session_etype,
                .session_key = fields.session_key,
                .client = fields.client};
  ticket.encoded = build([&](Writer& writer) {
    writer.in(application(1), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& part) {
        part.in(context(3), [&](Writer& field) {
          write_encrypted(field, sealing.etype.value_or(service.etype), kvno, cipher);
        });
        part.in(context(2), [&](Writer& field) { write_principal(field, name); });
        write_string(part, 1, name.realm);
        part.in(context(0), [](Writer& field) { field.u32(kProtocolVersion); });
      });
    });
  });
  return ticket;
}

ApReq KerberosMint::ap_req(const Ticket& ticket, AuthenticatorFields fields) const {
  if (fields.subkey_etype && fields.subkey.empty()) {
    fields.subkey = draw(random_, key_size_of(*fields.subkey_etype));
  }
  const Sealing& sealing = fields.sealing;
  const Octets plain = sealing.plain ? *sealing.plain : encode_authenticator(ticket, fields);
  const Octets cipher =
      sealing.cipher ? *sealing.cipher
                     : seal(ticket.session_etype, sealing.key ? *sealing.key : ticket.session_key,
                            crypto::KeyUsage::kApReqAuthenticator, plain);
  ApReq request{.message = {},
                .ctime = fields.ctime,
                .cusec = fields.cusec,
                .subkey_etype = fields.subkey_etype.value_or(0),
                .subkey = fields.subkey,
                .seq_number = fields.seq_number.value_or(0)};
  request.message = build([&](Writer& writer) {
    writer.in(application(14), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& part) {
        part.in(context(4), [&](Writer& field) {
          write_encrypted(field, sealing.etype.value_or(ticket.session_etype), sealing.kvno,
                          cipher);
        });
        part.in(context(3), [&](Writer& field) { field.octets(ticket.encoded); });
        part.in(context(2), [&](Writer& field) { field.bits(fields.ap_options); });
        part.in(context(1), [](Writer& field) { field.u32(kMessageTypeApReq); });
        part.in(context(0), [](Writer& field) { field.u32(kProtocolVersion); });
      });
    });
  });
  return request;
}

KerberosMint::Answer KerberosMint::check_ap_rep(const Ticket& ticket, const ApReq& request,
                                                Bytes reply) const {
  Answer answer;
  if (gss::kind_of(reply) == gss::TokenKind::kGssInitial) {
    const Result<gss::InitialToken> token = gss::parse_initial_token(reply);
    const Result<gss::KerberosToken> inner =
        gss::parse_kerberos_token(token.ok() ? token->inner : Bytes{});
    if (!inner.ok() || inner->id != gss::KerberosTokenId::kApRep) {
      answer.error = "not an AP-REP token";
      return answer;
    }
    reply = inner->message;
  }
  const Result<krb5::ApRep> message = krb5::parse_ap_rep(reply);
  if (!message.ok() || message->enc_part.etype != ticket.session_etype) {
    answer.error = "no AP-REP, or not of the session key's etype";
    return answer;
  }
  const Octets plain = open(ticket.session_etype, ticket.session_key,
                            crypto::KeyUsage::kApRepEncPart, message->enc_part.cipher);
  const Result<krb5::EncApRepPart> part = krb5::parse_enc_ap_rep_part(plain);
  if (plain.empty() || !part.ok()) {
    answer.error = "the AP-REP does not open with the session key";
    return answer;
  }
  if (part->ctime != request.ctime || part->cusec != request.cusec) {
    answer.error = "the AP-REP answers another authenticator";
    return answer;
  }
  if (part->has_subkey) {
    answer.subkey_etype = part->subkey.etype;
    answer.subkey = octets_of(part->subkey.value);
  }
  if (part->has_seq_number) {
    answer.seq_number = part->seq_number;
  }
  return answer;
}

namespace {

// mic_key chooses as RFC 4121 4.2.6.1 and 2 say.
protect::KerberosMicKey mic_key(const Ticket& ticket, const ApReq& request,
                                const KerberosMint::Answer& answer) {
  if (answer.subkey_etype != 0) {
    return {&served_profile(answer.subkey_etype), answer.subkey, true};
  }
  if (request.subkey_etype != 0) {
    return {&served_profile(request.subkey_etype), request.subkey, false};
  }
  return {&served_profile(ticket.session_etype), ticket.session_key, false};
}

}  // namespace

Octets KerberosMint::write_mech_list_mic(const Ticket& ticket, const ApReq& request,
                                         const Answer& answer, Bytes mech_types) const {
  Octets mic(protect::kMicSizeMax);
  mic.resize(protect::write_mic(kit_, mic_key(ticket, request, answer), protect::Sender::kInitiator,
                                std::uint64_t{request.seq_number}, mech_types, mic));
  require(!mic.empty(), "write_mic failed");
  return mic;
}

bool KerberosMint::check_mech_list_mic(const Ticket& ticket, const ApReq& request,
                                       const Answer& answer, Bytes mech_types, Bytes mic) const {
  return protect::check_mic(kit_, mic_key(ticket, request, answer), protect::Sender::kAcceptor,
                            std::uint64_t{answer.seq_number.value_or(0)}, mech_types, mic);
}

Octets gss_token(Bytes message, gss::KerberosTokenId id, gss::Mechanism mechanism) {
  return build([&](Writer& writer) {
    writer.octets(message);
    std::uint8_t token_id[2];
    store_be(token_id, static_cast<std::uint16_t>(id));
    writer.octets(token_id);
    writer.bytes(Tag::kOid, gss::oid_of(mechanism));
    writer.wrap(application(0));
  });
}

Octets spnego_token(Bytes message) {
  return optimistic({gss::Mechanism::kKerberos, gss::Mechanism::kMsKerberos, gss::Mechanism::kNtlm},
                    gss_token(message));
}

}  // namespace usher::mint
