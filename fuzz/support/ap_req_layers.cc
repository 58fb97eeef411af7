#include "fuzz/support/ap_req_layers.h"

#include <algorithm>

#include "fuzz/support/der_edit.h"
#include "fuzz/support/pac_edit.h"
#include "parsers/krb5.h"
#include "parsers/krb_cred.h"
#include "parsers/pac.h"
#include "parsers/spnego.h"
#include "tools/mint/cred_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

using crypto::KeyUsage;

constexpr std::uint8_t kIntegerTag = 0x02;
constexpr std::uint8_t kOctetStringTag = 0x04;
constexpr std::uint8_t kAdTypeTag = 0xa0;
constexpr std::uint8_t kAdDataTag = 0xa1;
constexpr std::array<std::uint8_t, 2> kAdWin2kPac = {0x00, 0x80};  // 128, in DER.

// Framed is an AP-REQ and the token around it.
struct Framed {
  Bytes message;  // Empty: there is none.
  bool spnego = false;
  bool bare = false;
};
Framed unframe(Bytes token) {
  Framed out;
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
  if (init.ok()) {
    out.spnego = true;
    token = init->mech_token;
  }
  if (gss::kind_of(token) == gss::TokenKind::kApReq) {
    return {.message = token, .spnego = out.spnego, .bare = true};
  }
  const Result<gss::InitialToken> framed = gss::parse_initial_token(token);
  if (!framed.ok()) {
    return {};
  }
  const Result<gss::KerberosToken> message = gss::parse_kerberos_token(framed->inner);
  if (message.ok() && message->id == gss::KerberosTokenId::kApReq) {
    out.message = message->message;
  }
  return out;
}

const mint::Service* service_of(std::int32_t etype) {
  const auto& services = world().services;
  const auto found = std::ranges::find(services, etype, &mint::Service::etype);
  return found == services.end() ? nullptr : &*found;
}

mint::KerberosMint client() { return mint::KerberosMint(*world().kit, shared_random()); }

// SessionKey is what the authenticator is sealed with. A ticket that cannot be read has none; then
// any will do, because nobody gets to the authenticator.
struct SessionKey {
  std::int32_t etype = 18;
  Octets value = Octets(32);
};
SessionKey session_key_of(Bytes ticket) {
  const Result<krb5::EncTicketPart> part = krb5::parse_enc_ticket_part(ticket);
  if (part.ok()) {
    const crypto::EtypeProfile* profile = crypto::profile_of(part->key.etype);
    if (profile != nullptr && profile->key_size == part->key.value.size()) {
      return {part->key.etype, mint::octets_of(part->key.value)};
    }
  }
  return {};
}

// pac_element is the index of the OCTET STRING that is the ad-data of an AD-WIN2K-PAC, wherever it
// stands, or the number of elements.
std::size_t pac_element(Bytes ticket, const std::vector<DerElement>& elements) {
  for (std::size_t i = 0; i + 1 < elements.size(); ++i) {
    // Elements of one run follow one another: [0] type, [1] data; what they hold comes later.
    const DerElement& type = elements[i];
    const DerElement& data = elements[i + 1];
    if (type.parent != data.parent || ticket[type.begin] != kAdTypeTag ||
        ticket[data.begin] != kAdDataTag) {
      continue;
    }
    const Bytes number = type.contents_in(ticket);
    if (number.size() != 2 + kAdWin2kPac.size() || number[0] != kIntegerTag ||
        !std::ranges::equal(number.subspan(2), kAdWin2kPac)) {
      continue;
    }
    const auto string = std::ranges::find(elements, data.contents, &DerElement::begin);
    if (string != elements.end() && string->end == data.end &&
        ticket[string->begin] == kOctetStringTag) {
      return static_cast<std::size_t>(string - elements.begin());
    }
  }
  return elements.size();
}

std::optional<Octets> pac_of(Bytes ticket) {
  const std::vector<DerElement> elements = find_elements(ticket);
  const std::size_t index = pac_element(ticket, elements);
  if (index == elements.size()) {
    return std::nullopt;
  }
  return mint::octets_of(elements[index].contents_in(ticket));
}

// with_pac puts the layers' PAC where the ticket has one, signed if asked.
Octets with_pac(const ApReqLayers& layers, bool sign) {
  if (!layers.pac) {
    return layers.ticket;
  }
  const std::vector<DerElement> elements = find_elements(layers.ticket);
  const std::size_t index = pac_element(layers.ticket, elements);
  if (index == elements.size()) {
    return layers.ticket;
  }
  Octets pac = *layers.pac;
  if (sign) {
    const Octets emptied = replace_contents(layers.ticket, elements, index, Octets(1));
    sign_pac(*world().kit, *service_of(layers.ticket_etype), world().krbtgt, emptied, pac);
  }
  return replace_contents(layers.ticket, elements, index, pac);
}

// Delegation is a KRB-CRED in an authenticator, views into that.
struct Delegation {
  Bytes checksum;
  gss::GssChecksum fields;
  krb5::EncryptedData part;
};
std::optional<Delegation> delegation_in(Bytes authenticator) {
  const Result<krb5::Authenticator> said = krb5::parse_authenticator(authenticator);
  if (!said.ok() || !said->has_checksum || said->checksum_type != gss::kGssChecksumType) {
    return std::nullopt;
  }
  const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(said->checksum);
  if (!checksum.ok() || !gss::has(checksum->flags, gss::ContextFlags::kDelegate)) {
    return std::nullopt;
  }
  const Result<krb5::KrbCred> cred = krb5::parse_krb_cred(checksum->delegation);
  return cred.ok() ? std::optional(Delegation{said->checksum, *checksum, cred->enc_part})
                   : std::nullopt;
}

constexpr std::int32_t kNoEncryption = 0;

std::optional<Octets> delegated_of(const ApReqLayers& layers) {
  const std::optional<Delegation> delegation = delegation_in(layers.authenticator);
  if (!delegation) {
    return std::nullopt;
  }
  if (delegation->part.etype == kNoEncryption) {
    return mint::octets_of(delegation->part.cipher);
  }
  const SessionKey session = session_key_of(layers.ticket);
  if (delegation->part.etype != session.etype) {
    return std::nullopt;
  }
  Octets plain =
      client().open(session.etype, session.value, KeyUsage::kKrbCred, delegation->part.cipher);
  return plain.empty() ? std::nullopt : std::optional(std::move(plain));
}

// with_delegated puts the layers' EncKrbCredPart where the authenticator has one, sealed with
// `session`.
Octets with_delegated(const ApReqLayers& layers, const SessionKey& session) {
  const std::optional<Delegation> delegation = delegation_in(layers.authenticator);
  if (!layers.delegated || !delegation) {
    return layers.authenticator;
  }
  const Octets cipher =
      delegation->part.etype == kNoEncryption
          ? *layers.delegated
          : client().seal(session.etype, session.value, KeyUsage::kKrbCred, *layers.delegated);
  const Octets cred = replace_part(delegation->fields.delegation, delegation->part.cipher, cipher);
  if (cred.empty() || cred.size() > UINT16_MAX) {
    return layers.authenticator;
  }
  constexpr std::size_t kBeforeSize = 26;  // RFC 4121 4.1.1: Lgth, Bnd, Flags, DlgOpt.
  Octets checksum = mint::octets_of(delegation->checksum.first(kBeforeSize));
  mint::append_le(checksum, static_cast<std::uint16_t>(cred.size()));
  mint::append(checksum, cred);
  mint::append(checksum, delegation->fields.extensions);
  Octets authenticator = replace_part(layers.authenticator, delegation->checksum, checksum);
  return authenticator.empty() ? layers.authenticator : authenticator;
}

// seal_message is the AP-REQ alone.
Octets seal_message(const ApReqLayers& layers, const Forgery& forgery) {
  const mint::Service& service = *service_of(layers.ticket_etype);
  const SessionKey session = session_key_of(layers.ticket);
  const auto other = [](Octets key) {
    key[0] ^= 0x80;
    return key;
  };
  mint::TicketFields ticket;
  ticket.service = layers.service;
  ticket.session_etype = session.etype;
  ticket.session_key = session.value;
  ticket.sealing.plain = with_pac(layers, !forgery.pac);
  ticket.sealing.kvno = layers.kvno;
  ticket.sealing.kvno_absent = !layers.kvno.has_value();
  if (forgery.ticket) {
    ticket.sealing.key = other(service.key);
  }
  mint::AuthenticatorFields authenticator;
  authenticator.ap_options = layers.ap_options;
  authenticator.sealing.plain = with_delegated(
      layers, {session.etype, forgery.delegation ? other(session.value) : session.value});
  if (forgery.authenticator) {
    authenticator.sealing.key = other(session.value);
  }
  return client().ap_req(client().ticket(service, ticket), authenticator).message;
}

mint::Principal principal_of(const krb5::PrincipalName& name, Bytes realm) {
  mint::Principal principal;
  principal.type = name.type;
  principal.realm.assign(realm.begin(), realm.end());
  krb5::each_component(name, [&](Bytes component) {
    principal.components.emplace_back(component.begin(), component.end());
  });
  return principal;
}

// change_clear changes what is not encrypted, or how the rest is.
void change_clear(Mutator& mutator, ApReqLayers& layers) {
  switch (mutator.below(6)) {
    case 0:
      layers.ap_options ^= 0x80000000u >> mutator.below(32);
      break;
    case 1:
      layers.kvno = mutator.chance(50) ? std::nullopt : std::optional(mutator.below(4));
      break;
    case 2:
      layers.service.type = static_cast<std::int32_t>(mutator.below(12));
      break;
    case 3: {
      std::string& part = mutator.chance(50) || layers.service.components.empty()
                              ? layers.service.realm
                              : layers.service.components.front();
      part += mutator.chance(50) ? "." : "T";
      break;
    }
    default:
      layers.ticket_etype =
          world()
              .services[mutator.below(static_cast<std::uint32_t>(world().services.size()))]
              .etype;
      break;
  }
}

// auth_time_of is the time of the sign-on that a PAC is of; nothing if it does not say.
std::optional<std::int64_t> auth_time_of(Bytes octets) {
  constexpr std::uint64_t kUnitsPerSecond = 10'000'000;
  constexpr std::int64_t kEpochs = 11'644'473'600;  // Seconds from 1601 to 1970.
  const Result<pac::Pac> pac = pac::parse_pac(octets);
  if (!pac.ok() || !pac->has_client_info) {
    return std::nullopt;
  }
  const auto time =
      static_cast<std::int64_t>(pac->client_info.client_id / kUnitsPerSecond) - kEpochs;
  constexpr std::int64_t kYear9999 = 253'370'764'800;  // As far as a KerberosTime goes.
  return time >= 0 && time < kYear9999 ? std::optional(time) : std::nullopt;
}

// mend puts a ticket or an authenticator that can be read in the place of one that cannot, so that
// what other layers hold gets looked at again: the acceptor stops at the first fault.
void mend(ApReqLayers& layers) {
  const Result<krb5::EncTicketPart> ticket = krb5::parse_enc_ticket_part(layers.ticket);
  const Result<krb5::Authenticator> authenticator = krb5::parse_authenticator(layers.authenticator);
  mint::TicketFields fields;
  fields.auth_time = kNowSeconds - 60;
  fields.end_time = kNowSeconds + 3600;
  fields.session_etype = layers.ticket_etype;
  fields.session_key = Octets(crypto::profile_of(layers.ticket_etype)->key_size, 0x42);
  if (authenticator.ok()) {
    fields.client = principal_of(authenticator->cname, authenticator->crealm);
  } else if (ticket.ok()) {
    fields.client = principal_of(ticket->cname, ticket->crealm);
  }
  if (!ticket.ok()) {
    if (layers.pac) {
      fields.auth_time = auth_time_of(*layers.pac).value_or(fields.auth_time);
      fields.authorization_data = mint::authorization_data(128, *layers.pac);
    }
    layers.ticket = mint::encode_enc_ticket_part(fields);
  } else if (!authenticator.ok()) {
    mint::AuthenticatorFields said;
    said.ctime = kNowSeconds;
    said.client = fields.client;
    layers.authenticator = mint::encode_authenticator({}, said);
  }
}

// add_pac gives a ticket that holds no authorization data a PAC.
void add_pac(ApReqLayers& layers) {
  const Result<krb5::EncTicketPart> ticket = krb5::parse_enc_ticket_part(layers.ticket);
  if (!ticket.ok() || layers.pac || !ticket->authorization_data.empty()) {
    return;
  }
  mint::TicketFields fields;
  fields.client = principal_of(ticket->cname, ticket->crealm);
  fields.flags = ticket->flags;
  fields.auth_time = ticket->auth_time;
  fields.start_time = ticket->start_time;
  fields.end_time = ticket->end_time;
  fields.session_etype = ticket->key.etype;
  fields.session_key = mint::octets_of(ticket->key.value);
  fields.authorization_data =
      mint::authorization_data(128, unsigned_pac("alice", ticket->auth_time, layers.ticket_etype));
  layers.ticket = mint::encode_enc_ticket_part(fields);
  layers.pac = pac_of(layers.ticket);
}

void change_layers(Mutator& mutator, ApReqLayers& layers, std::size_t size_max) {
  const std::uint32_t what = mutator.below(100);
  if (what < 10) {
    change_clear(mutator, layers);
  } else if (layers.delegated && what < 40) {
    mutator.change_der(*layers.delegated, size_max);
  } else if (layers.pac && what < 45) {
    change_pac(mutator, *layers.pac, size_max);
  } else if (what < 70) {
    mutator.change_der(layers.ticket, size_max);
    layers.pac = pac_of(layers.ticket);
  } else {
    mutator.change_der(layers.authenticator, size_max);
    layers.delegated = delegated_of(layers);
  }
}

}  // namespace

Bytes ap_req_in(Bytes token) { return unframe(token).message; }

std::optional<ApReqLayers> open_layers(Bytes token) {
  const Framed framed = unframe(token);
  const Result<krb5::ApReq> ap_req = krb5::parse_ap_req(framed.message);
  if (!ap_req.ok()) {
    return std::nullopt;
  }
  const krb5::Ticket& ticket = ap_req->ticket;
  const mint::Service* service = service_of(ticket.enc_part.etype);
  if (service == nullptr) {
    return std::nullopt;
  }
  ApReqLayers layers;
  layers.spnego = framed.spnego;
  layers.bare = framed.bare;
  layers.ap_options = ap_req->ap_options;
  layers.service = principal_of(ticket.sname, ticket.realm);
  layers.ticket_etype = ticket.enc_part.etype;
  layers.kvno = ticket.enc_part.has_kvno ? std::optional(ticket.enc_part.kvno) : std::nullopt;
  layers.ticket =
      client().open(service->etype, service->key, KeyUsage::kTicket, ticket.enc_part.cipher);
  const SessionKey session = session_key_of(layers.ticket);
  layers.authenticator = client().open(session.etype, session.value, KeyUsage::kApReqAuthenticator,
                                       ap_req->authenticator.cipher);
  if (layers.ticket.empty() || layers.authenticator.empty()) {
    return std::nullopt;
  }
  layers.pac = pac_of(layers.ticket);
  layers.delegated = delegated_of(layers);
  return layers;
}

Octets seal_layers(const ApReqLayers& layers, const Forgery& forgery) {
  const Octets message = seal_message(layers, forgery);
  const Octets token = layers.bare ? message : mint::gss_token(message);
  return layers.spnego ? mint::optimistic({gss::Mechanism::kKerberos, gss::Mechanism::kMsKerberos,
                                           gss::Mechanism::kNtlm},
                                          token)
                       : token;
}

Octets mutate_ap_req(Bytes token, std::size_t size_max, unsigned seed) {
  restart_random();  // Confounders, so that a seed always does the same.
  Mutator mutator(seed);
  std::optional<ApReqLayers> layers = open_layers(token);
  if (!layers || mutator.chance(8)) {
    Octets changed = mint::octets_of(token);
    if (mutator.chance(50)) {
      mutator.change(changed, size_max);
    } else {
      mutator.change_der(changed, size_max);
    }
    return changed;
  }
  if (mutator.chance(70)) {
    mend(*layers);
  }
  if (mutator.chance(10)) {
    add_pac(*layers);
  }
  for (std::uint32_t turns = mutator.chance(25) ? 2 : 1; turns > 0; --turns) {
    change_layers(mutator, *layers, size_max);
  }
  const Forgery forgery{.ticket = mutator.chance(2),
                        .authenticator = mutator.chance(2),
                        .pac = mutator.chance(10),
                        .delegation = mutator.chance(5)};
  const Octets message = seal_message(*layers, forgery);
  // What is around the AP-REQ stays as it is.
  Octets changed =
      layers->bare && !layers->spnego ? message : replace_part(token, ap_req_in(token), message);
  if (changed.empty() || changed.size() > size_max) {
    changed = mint::octets_of(token);
    mutator.change(changed, size_max);
  }
  return changed;
}

}  // namespace usher::fuzz
