#include "engine/auth/kerberos_accept.h"

#include "engine/auth/delegation.h"
#include "engine/auth/kerberos_checks.h"
#include "engine/auth/kerberos_reply.h"
#include "engine/auth/negotiate.h"
#include "engine/auth/pac_check.h"
#include "engine/protect/mic.h"

namespace usher::auth {
namespace {

using crypto::Outcome;

using gss::ContextFlags;

// The flags this acceptor grants when the client asks for them. Delegation is granted when what was
// delegated has been kept.
constexpr ContextFlags kGrantable = ContextFlags::kMutual | ContextFlags::kReplay |
                                    ContextFlags::kSequence | ContextFlags::kConfidentiality |
                                    ContextFlags::kIntegrity | ContextFlags::kDceStyle |
                                    ContextFlags::kIdentify | ContextFlags::kExtendedError;

ContextFlags granted_flags(const KerberosWork& work) noexcept {
  return (work.checksum.flags & kGrantable) |
         (wants_mutual(work) ? ContextFlags::kMutual : ContextFlags{});
}

// reply_has_room asks for room for what is answered if all goes well; false: refused.
bool reply_has_room(Exchange& exchange) noexcept {
  const Context& context = *exchange.context;
  if (exchange.request->reply.size() >= kReplySizeMax) {
    return true;
  }
  const bool has_mic = !context.dce_style && (exchange.has_client_mic || context.mic_required);
  return has_room(exchange, wants_mutual(exchange.kerberos) ? ap_rep_size(exchange) : 0,
                  has_mic ? protect::mic_size(reply_key(exchange)) : 0);
}

// take_framing_off leaves the AP-REQ of a token: RFC 2743's framing and RFC 4121's, or neither.
// What goes without is DCE style or refused later, when the client's word on it can be believed.
bool take_framing_off(Exchange& exchange, Bytes& ap_req) noexcept {
  const Bytes token = exchange.mech_token;
  if (gss::kind_of(token) == gss::TokenKind::kApReq) {
    ap_req = token;
    return true;
  }
  gss::InitialToken framed;
  const ParseFault fault = gss::parse_into(token, framed);
  if (fault.code != ParseCode::kOk) {
    exchange.refuse(Status::kMalformedGss, fault, token);
    return false;
  }
  if (framed.mechanism != gss::Mechanism::kKerberos &&
      framed.mechanism != gss::Mechanism::kMsKerberos) {
    exchange.refuse(Status::kUnexpectedToken);
    return false;
  }
  const Result<gss::KerberosToken> message = gss::parse_kerberos_token(framed.inner);
  if (!message.ok()) {
    exchange.refuse(Status::kMalformedGss, message.fault(), framed.inner);
    return false;
  }
  if (message->id != gss::KerberosTokenId::kApReq) {
    exchange.refuse(Status::kUnexpectedToken);
    return false;
  }
  ap_req = message->message;
  return true;
}

bool decode_ap_req(Exchange& exchange) noexcept {
  Bytes message;
  if (!take_framing_off(exchange, message)) {
    return false;
  }
  std::optional<krb5::ApReq>& ap_req = exchange.kerberos.ap_req;
  const ParseFault fault = krb5::parse_into(message, ap_req.emplace());
  if (fault.code != ParseCode::kOk) {
    ap_req.reset();
    exchange.refuse(Status::kMalformedApReq, fault, message);
    return false;
  }
  return true;
}

// check_bindings compares the client's channel bindings with the connection's.
bool check_bindings(Exchange& exchange) noexcept {
  constexpr std::uint32_t kApOptionsCbt = 0x4000;  // MS-KILE 2.2.7
  const KerberosWork& work = exchange.kerberos;
  return exchange.check_bindings(
      {.hash = work.checksum.bindings,
       .enlightened = work.authenticator_data->has_ap_options &&
                      (work.authenticator_data->ap_options & kApOptionsCbt) != 0});
}

bool keep_names(Exchange& exchange) noexcept {
  const KerberosWork& work = exchange.kerberos;
  Context& context = *exchange.context;
  const bool kept =
      context.keep_principal(0, work.ticket->cname) && context.keep(1, work.ticket->crealm);
  // Nothing protects the name in the ticket's clear part. It has chosen a key, and whose key opened
  // the ticket is certain: that is the service. Where the name chose, the two are the same.
  const Bytes service = work.ticket_job->key->text;
  if (!kept || service.empty() || !context.keep(2, service) ||
      !context.keep_target(work.authenticator_data->client_target)) {
    exchange.refuse(Status::kNameTooLong);
    return false;
  }
  return true;
}

// choose_key finds the first key to try: of the service that the ticket names or, if the ring does
// not name that and the policy lets keys stand for other names, anybody's. Null: refused.
const crypto::ServiceKey* choose_key(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const krb5::Ticket& ticket = work.ap_req->ticket;
  const crypto::KeyRing& ring = *exchange.keys->ring;
  const crypto::KeyRing::Found& found = turn.desk.key_search.find(ring, ticket);
  if (found.key != nullptr) {
    work.found_key = found.key;
    work.next_key = found.newest;
    return found.key;
  }
  const bool anybody = !found.principal &&
                       exchange.request->credential->policy.target_policy != TargetPolicy::kKeytab;
  const crypto::ServiceKey* const key =
      anybody ? ring.first_of_any(ticket.enc_part.etype) : nullptr;
  if (key == nullptr) {
    exchange.refuse(found.principal || anybody ? Status::kNoKeyOfEtype : Status::kNoSuchService);
    return nullptr;
  }
  work.next_key = key->other;
  return key;
}

// read_ticket reads the opened ticket. One that was seen before has been read.
bool read_ticket(Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (work.seen) {
    return true;
  }
  const Bytes opened = work.ticket_job->opened;
  const ParseFault fault =
      krb5::parse_into(opened, work.ticket.emplace(), work.ticket_data.emplace());
  if (fault.code != ParseCode::kOk) {
    work.ticket.reset();
    work.ticket_data.reset();
    exchange.refuse(Status::kMalformedTicket, fault, opened);
  }
  return exchange.live();
}

// establish puts what was verified into the context.
void establish(Exchange& exchange) noexcept {
  const KerberosWork& work = exchange.kerberos;
  Context& context = *exchange.context;
  const krb5::EncryptionKey& client_key =
      work.authenticator->has_subkey ? work.authenticator->subkey : work.ticket->key;
  context.flags =
      granted_flags(work) | (context.delegated.empty() ? ContextFlags{} : ContextFlags::kDelegate);
  context.key.assign(client_key.value);
  context.key_etype = client_key.etype;
  context.start_s = work.ticket->start_time;
  context.expires_s = work.ticket->end_time;
  context.initiator_sequence = work.authenticator->seq_number;
  context.acceptor_sequence = context.initiator_sequence;  // RFC 4121 2, when no AP-REP is sent.
}

}  // namespace

void stage_ticket(Turn& turn, Exchange& exchange) noexcept {
  if (!decode_ap_req(exchange)) {
    return;
  }
  if (!exchange.serves_kerberos()) {
    return exchange.refuse(Status::kMechanismNotAllowed);  // A reload took the keytab away.
  }
  KerberosWork& work = exchange.kerberos;
  if ((work.ap_req->ap_options & krb5::kApOptionUseSessionKey) != 0) {
    return exchange.refuse(Status::kUserToUser);
  }
  if (!check_target(exchange)) {
    return;
  }
  const krb5::Ticket& ticket = work.ap_req->ticket;
  const crypto::EtypeProfile* const profile = crypto::profile_of(ticket.enc_part.etype);
  if (profile == nullptr) {
    return exchange.refuse(Status::kTicketEtype);
  }
  if (profile->etype == crypto::Etype::kRc4Hmac &&
      !exchange.request->credential->policy.allow_rc4) {
    return exchange.refuse(Status::kRc4);
  }
  exchange.context->ticket_etype = ticket.enc_part.etype;
  seek_ticket(turn, exchange);
  exchange.go(State::kTicketQueued);
}

void queue_ticket(Turn& turn, Exchange& exchange) noexcept {
  if (recall(turn, exchange)) {
    return;
  }
  const crypto::ServiceKey* const key = choose_key(turn, exchange);
  if (key == nullptr) {
    return;
  }
  KerberosWork& work = exchange.kerberos;
  const krb5::Ticket& ticket = work.ap_req->ticket;
  work.key_tries = 1;
  work.ticket_job = &turn.desk.tickets.add(
      {.key = key,
       .cipher = ticket.enc_part.cipher,
       .room = turn.desk.arena.take(crypto::opening_room(ticket.enc_part.cipher.size()))});
}

bool try_next_key(Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (work.ticket_job->outcome != Outcome::kForged || work.key_tries == kKeyTriesMax) {
    return false;
  }
  const crypto::ServiceKey* key = work.next_key;
  if (key != nullptr && key == work.found_key) {
    key = key->sibling;
  }
  if (key == nullptr) {
    return false;
  }
  work.ticket_job->key = key;
  work.ticket_job->outcome = Outcome::kPending;
  work.next_key = work.found_key != nullptr ? key->sibling : key->other;
  ++work.key_tries;
  return true;
}

void on_ticket_opened(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const crypto::TicketJob& job = *work.ticket_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(job.outcome == Outcome::kForged ? Status::kTicketKey
                                                           : Status::kInternal);
  }
  if (!check_key_owner(exchange)) {
    return;
  }
  if (!read_ticket(exchange)) {
    return;
  }
  if (!check_ticket(turn, exchange)) {
    return;
  }
  const krb5::EncryptedData& cipher = work.ap_req->authenticator;
  if (cipher.etype != work.ticket->key.etype) {
    return exchange.refuse(Status::kAuthenticatorKey);
  }
  TurnDesk& desk = turn.desk;
  crypto::SessionKeys& keys = desk.session_keys[desk.authenticators.jobs().size()];
  if (work.seen) {
    keys.assign(work.seen.payload().session_keys);
  }
  work.authenticator_job = &desk.authenticators.add(
      {.profile = key_profile(work.ticket->key),
       .session_key = work.ticket->key.value,
       .keys = &keys,
       .reply_expected = (work.ap_req->ap_options & krb5::kApOptionMutualRequired) != 0,
       .cipher = cipher.cipher,
       .room = desk.arena.take(crypto::opening_room(cipher.cipher.size()))});
  exchange.go(State::kAuthenticatorQueued);
}

void on_authenticator_opened(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const crypto::AuthenticatorJob& job = *work.authenticator_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(job.outcome == Outcome::kForged ? Status::kAuthenticatorKey
                                                           : Status::kInternal);
  }
  const ParseFault fault =
      krb5::parse_into(job.opened, work.authenticator.emplace(), work.authenticator_data.emplace());
  if (fault.code != ParseCode::kOk) {
    work.authenticator.reset();
    work.authenticator_data.reset();
    return exchange.refuse(Status::kMalformedAuthenticator, fault, job.opened);
  }
  if (check_authenticator(turn, exchange) && check_dce_style(exchange) &&
      exchange.check_protection(granted_flags(exchange.kerberos)) && check_bindings(exchange) &&
      keep_names(exchange) && stage_pac(turn, exchange)) {
    turn.environment.replays.prefetch(job.fingerprint);
    about_to_remember(turn, exchange);
    exchange.go(State::kPacQueued);
  }
}

void on_pac_verified(Turn& turn, Exchange& exchange) noexcept {
  const KerberosWork& work = exchange.kerberos;
  // Everything that may refuse comes before the replay cache, and what takes up room after it.
  if (!check_pac(turn, exchange) || !open_delegation(turn, exchange) || !reply_has_room(exchange) ||
      !keep_session_key(exchange) || !check_replay(turn, exchange) || !keep_pac(turn, exchange) ||
      !keep_delegation(turn, exchange)) {
    return;
  }
  establish(exchange);
  remember(turn, exchange);
  Context& context = *exchange.context;
  if (wants_mutual(work) && !stage_reply(turn, exchange)) {
    return;
  }
  if (!context.dce_style) {
    return conclude(turn, exchange);
  }
  // The key of a mechListMIC is only in our AP-REP: what came before it can be none.
  if (exchange.has_client_mic) {
    return exchange.refuse(Status::kMechListMicWrong);
  }
  exchange.go(State::kThirdLegOwed);
}

}  // namespace usher::auth
