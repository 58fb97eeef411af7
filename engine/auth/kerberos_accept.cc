#include "engine/auth/kerberos_accept.h"

#include <algorithm>
#include <array>

#include "engine/auth/negotiate.h"
#include "parsers/authorization_data.h"

namespace usher::auth {
namespace {

using crypto::Outcome;

// The flags this acceptor grants when the client asks for them. Delegation is not: credentials are
// not taken over.
constexpr std::uint32_t kGrantable =
    std::uint32_t(gss::ContextFlags::kMutual) | std::uint32_t(gss::ContextFlags::kReplay) |
    std::uint32_t(gss::ContextFlags::kSequence) |
    std::uint32_t(gss::ContextFlags::kConfidentiality) |
    std::uint32_t(gss::ContextFlags::kIntegrity) | std::uint32_t(gss::ContextFlags::kIdentify) |
    std::uint32_t(gss::ContextFlags::kExtendedError);

// key_profile returns the profile of a session key or subkey, or null if we do not serve its etype
// or its size is not the etype's.
const crypto::EtypeProfile* key_profile(const krb5::EncryptionKey& key) noexcept {
  const crypto::EtypeProfile* profile = crypto::profile_of(key.etype);
  return profile != nullptr && key.value.size() == profile->key_size ? profile : nullptr;
}

// decode_ap_req takes the framing off, RFC 2743's and RFC 4121's, and decodes the AP-REQ.
bool decode_ap_req(Exchange& exchange) noexcept {
  const Bytes token = exchange.mech_token;
  if (gss::kind_of(token) == gss::TokenKind::kApReq) {
    exchange.refuse(Status::kDceStyle);  // MS-KILE 3.4.5.1: only DCE style leaves the framing out.
    return false;
  }
  const Result<gss::InitialToken> framed = gss::parse_initial_token(token);
  if (!framed.ok()) {
    exchange.refuse(Status::kMalformedGss, framed.fault(), token);
    return false;
  }
  if (framed->mechanism != gss::Mechanism::kKerberos &&
      framed->mechanism != gss::Mechanism::kMsKerberos) {
    exchange.refuse(Status::kUnexpectedToken);
    return false;
  }
  const Result<gss::KerberosToken> message = gss::parse_kerberos_token(framed->inner);
  if (!message.ok()) {
    exchange.refuse(Status::kMalformedGss, message.fault(), framed->inner);
    return false;
  }
  if (message->id != gss::KerberosTokenId::kApReq) {
    exchange.refuse(Status::kUnexpectedToken);
    return false;
  }
  const Result<krb5::ApReq> ap_req = krb5::parse_ap_req(message->message);
  if (!ap_req.ok()) {
    exchange.refuse(Status::kMalformedApReq, ap_req.fault(), message->message);
    return false;
  }
  exchange.kerberos.ap_req = *ap_req;
  return true;
}

// is_understood refuses authorization data that cannot be read, with `malformed`, or not be heeded.
// `plain` is the decrypted message it is part of: faults count from there, like the message's own.
bool is_understood(Exchange& exchange, Bytes authorization_data, Bytes plain,
                   Status malformed) noexcept {
  const Result<krb5::AuthorizationData> data = krb5::parse_authorization_data(authorization_data);
  if (!data.ok()) {
    const auto at = static_cast<std::uint32_t>(authorization_data.data() - plain.data());
    exchange.refuse(malformed, {data.fault().code, at + data.fault().offset}, plain);
    return false;
  }
  //= RFC 4120 5.2.6: an authorization-data element that is not understood fails the
  //= authentication, unless it stands inside AD-IF-RELEVANT.
  if (data->has_critical) {
    exchange.refuse(Status::kAuthorizationData);
    return false;
  }
  return true;
}

// RFC 8062 3: the name of the client that nobody knows, in DER.
constexpr std::array<std::uint8_t, 22> kAnonymousName = {0x1b, 9,   'W', 'E',  'L', 'L', 'K', 'N',
                                                         'O',  'W', 'N', 0x1b, 9,   'A', 'N', 'O',
                                                         'N',  'Y', 'M', 'O',  'U', 'S'};

// The ticket itself; its time limits are widened by the skew on both sides.
Status check_ticket(const krb5::EncTicketPart& ticket, const Turn& turn, std::int64_t skew_s) {
  //= RFC 4120 3.2.3: a ticket with the INVALID flag, or whose start lies in the future by more than
  //= the skew, is not yet valid; past its end by more than the skew it has expired.
  if ((ticket.flags & krb5::kTicketFlagInvalid) != 0) {
    return Status::kTicketInvalid;
  }
  if (ticket.start_time > turn.now_s() + skew_s) {
    return Status::kTicketNotYetValid;
  }
  if (ticket.end_time < turn.now_s() - skew_s) {
    return Status::kTicketExpired;
  }
  if ((ticket.flags & krb5::kTicketFlagAnonymous) != 0 ||
      std::ranges::equal(ticket.cname.components, kAnonymousName)) {
    return Status::kKerberosAnonymous;
  }
  if (key_profile(ticket.key) == nullptr) {
    return Status::kSessionKeyEtype;
  }
  return Status::kContinue;
}

Status check_authenticator(const KerberosWork& work, const Turn& turn, std::int64_t skew_s) {
  const krb5::Authenticator& authenticator = work.authenticator;
  //= RFC 4120 3.2.3: the name and realm of the client from the ticket are compared against the
  //= same fields in the authenticator.
  if (!std::ranges::equal(authenticator.cname.components, work.ticket.cname.components) ||
      !std::ranges::equal(authenticator.crealm, work.ticket.crealm)) {
    return Status::kClientNameMismatch;
  }
  //= RFC 4120 3.2.3: local time and the client's differ by no more than the allowable clock skew.
  const std::int64_t client_us = authenticator.ctime * kMicrosPerSecond + authenticator.cusec;
  const std::int64_t apart_us = turn.wall_us - client_us;
  if (apart_us > skew_s * kMicrosPerSecond || -apart_us > skew_s * kMicrosPerSecond) {
    return Status::kClockSkew;
  }
  if (authenticator.has_checksum && authenticator.checksum_type != gss::kGssChecksumType) {
    return Status::kChecksumType;
  }
  if (authenticator.has_subkey && key_profile(authenticator.subkey) == nullptr) {
    return Status::kSessionKeyEtype;
  }
  return Status::kContinue;
}

// client_flags reads what the client asked for. Without a checksum it asked for nothing (MS-KILE
// 3.4.5: impacket sends none).
bool client_flags(Exchange& exchange, gss::ContextFlags& flags) noexcept {
  const krb5::Authenticator& authenticator = exchange.kerberos.authenticator;
  flags = {};
  if (!authenticator.has_checksum) {
    return true;
  }
  const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(authenticator.checksum);
  if (!checksum.ok()) {
    exchange.refuse(Status::kMalformedGssChecksum, checksum.fault(), authenticator.checksum);
    return false;
  }
  if (has(checksum->flags, gss::ContextFlags::kDceStyle)) {
    exchange.refuse(Status::kDceStyle);
    return false;
  }
  flags = checksum->flags;
  return true;
}

// check_replay comes last, so that only authenticators that would be accepted take up room.
Status check_replay(const Turn& turn, const Exchange& exchange) noexcept {
  //= RFC 4120 3.2.3: a replayed authenticator, within the allowable skew, is rejected.
  if (!exchange.request->credential->policy.check_replays) {
    return Status::kContinue;
  }
  const KerberosWork& work = exchange.kerberos;
  switch (turn.environment.replays.test_and_insert(work.authenticator_job->fingerprint,
                                                   work.authenticator.ctime)) {
    case ReplayVerdict::kFresh:
      return Status::kContinue;
    case ReplayVerdict::kReplay:
      return Status::kReplay;
    case ReplayVerdict::kFull:
      return Status::kReplayCacheFull;
  }
  return Status::kInternal;
}

bool keep_names(Turn& turn, Exchange& exchange) noexcept {
  const KerberosWork& work = exchange.kerberos;
  const MutableBytes scratch = turn.desk.arena.take(kIdentitySizeMax);
  const krb5::Ticket& ticket = work.ap_req.ticket;
  Context& context = *exchange.context;
  const std::size_t user = krb5::write_principal_text(work.ticket.cname, {}, scratch);
  const bool kept =
      user > 0 && context.keep(0, scratch.first(user)) && context.keep(1, work.ticket.crealm);
  const std::size_t service = krb5::write_principal_text(ticket.sname, ticket.realm, scratch);
  if (!kept || service == 0 || !context.keep(2, scratch.first(service))) {
    exchange.refuse(Status::kNameTooLong);
    return false;
  }
  return true;
}

// skew_of is the policy's clock skew, as far as replays can be recognised over it.
std::int64_t skew_of(const Turn& turn, const Exchange& exchange) noexcept {
  const Policy& policy = exchange.request->credential->policy;
  return policy.check_replays ? std::min(policy.skew_s, turn.environment.replays.skew_max_s())
                              : policy.skew_s;
}

// stage_reply makes the EncAPRepPart, with a fresh subkey and sequence number of ours (RFC 4120
// 3.2.4, RFC 4121 2), and queues it for sealing.
bool stage_reply(Turn& turn, Exchange& exchange) noexcept {
  TurnDesk& desk = turn.desk;
  KerberosWork& work = exchange.kerberos;
  Context& context = *exchange.context;
  // The subkey is of the etype of the key the client prefers: its subkey's, else the ticket's.
  const krb5::EncryptionKey& model =
      work.authenticator.has_subkey ? work.authenticator.subkey : work.ticket.key;
  const crypto::EtypeProfile& profile = *key_profile(work.ticket.key);
  const MutableBytes confounder = desk.arena.take(profile.confounder_size);
  const MutableBytes subkey = desk.arena.take(model.value.size());
  std::array<std::uint8_t, 4> sequence{};
  if (!desk.random->fill(confounder) || !desk.random->fill(subkey) ||
      !desk.random->fill(sequence)) {
    exchange.refuse(Status::kInternal);
    return false;
  }
  // 30 bits, so that no peer reads it as negative and none sees it wrap.
  context.acceptor_sequence = load_le<std::uint32_t>(sequence) & 0x3fffffffu;
  context.key.assign(subkey);
  context.key_is_acceptor_subkey = true;

  der::Writer plain(desk.arena.take(256));
  krb5::write_enc_ap_rep_part(plain, {.ctime = work.authenticator.ctime,
                                      .cusec = work.authenticator.cusec,
                                      .has_subkey = true,
                                      .subkey = {.etype = model.etype, .value = subkey},
                                      .has_seq_number = true,
                                      .seq_number = context.acceptor_sequence});
  assert(plain.ok());
  const std::size_t cipher_size = profile.overhead() + plain.written().size();
  work.seal_job = &desk.seals.add({.profile = &profile,
                                   .session_key = work.ticket.key.value,
                                   .confounder = confounder,
                                   .plain = plain.written(),
                                   .cipher = desk.arena.take(cipher_size)});
  return true;
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
  if ((work.ap_req.ap_options & krb5::kApOptionUseSessionKey) != 0) {
    return exchange.refuse(Status::kUserToUser);
  }
  const krb5::Ticket& ticket = work.ap_req.ticket;
  if (crypto::profile_of(ticket.enc_part.etype) == nullptr) {
    return exchange.refuse(Status::kTicketEtype);
  }
  const crypto::KeyRing& ring = *(*exchange.keys)->ring;
  const crypto::KeyRing::Found found =
      ring.find(ticket.realm, ticket.sname.components, ticket.enc_part.etype,
                ticket.enc_part.has_kvno, ticket.enc_part.kvno);
  if (found.key == nullptr) {
    return exchange.refuse(found.principal ? Status::kNoKeyOfEtype : Status::kNoSuchService);
  }
  work.found_key = found.key;
  work.next_key = ring.first_of(*found.key);
  exchange.context->ticket_etype = ticket.enc_part.etype;
  work.ticket_job =
      &turn.desk.tickets.add({.key = found.key,
                              .cipher = ticket.enc_part.cipher,
                              .plain = turn.desk.arena.take(ticket.enc_part.cipher.size())});
  exchange.go(State::kTicketQueued);
}

bool try_next_key(Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (work.ticket_job->outcome != Outcome::kForged) {
    return false;
  }
  if (work.next_key == work.found_key) {
    work.next_key = work.next_key->sibling;
  }
  if (work.next_key == nullptr) {
    return false;
  }
  work.ticket_job->key = work.next_key;
  work.ticket_job->outcome = Outcome::kPending;
  work.next_key = work.next_key->sibling;
  return true;
}

void on_ticket_opened(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const crypto::TicketJob& job = *work.ticket_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(job.outcome == Outcome::kForged ? Status::kTicketKey
                                                           : Status::kInternal);
  }
  const Result<krb5::EncTicketPart> ticket = krb5::parse_enc_ticket_part(job.opened);
  if (!ticket.ok()) {
    return exchange.refuse(Status::kMalformedTicket, ticket.fault(), job.opened);
  }
  work.ticket = *ticket;
  const Status status = check_ticket(work.ticket, turn, skew_of(turn, exchange));
  if (status != Status::kContinue) {
    return exchange.refuse(status);
  }
  if (!is_understood(exchange, work.ticket.authorization_data, job.opened,
                     Status::kMalformedTicket)) {
    return;
  }
  const krb5::EncryptedData& cipher = work.ap_req.authenticator;
  if (cipher.etype != work.ticket.key.etype) {
    return exchange.refuse(Status::kAuthenticatorKey);
  }
  work.authenticator_job =
      &turn.desk.authenticators.add({.profile = key_profile(work.ticket.key),
                                     .session_key = work.ticket.key.value,
                                     .cipher = cipher.cipher,
                                     .plain = turn.desk.arena.take(cipher.cipher.size())});
  exchange.go(State::kAuthenticatorQueued);
}

void on_authenticator_opened(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const crypto::AuthenticatorJob& job = *work.authenticator_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(job.outcome == Outcome::kForged ? Status::kAuthenticatorKey
                                                           : Status::kInternal);
  }
  const Result<krb5::Authenticator> authenticator = krb5::parse_authenticator(job.opened);
  if (!authenticator.ok()) {
    return exchange.refuse(Status::kMalformedAuthenticator, authenticator.fault(), job.opened);
  }
  work.authenticator = *authenticator;
  Status status = check_authenticator(work, turn, skew_of(turn, exchange));
  gss::ContextFlags asked{};
  if (status != Status::kContinue) {
    return exchange.refuse(status);
  }
  if (!is_understood(exchange, work.authenticator.authorization_data, job.opened,
                     Status::kMalformedAuthenticator) ||
      !client_flags(exchange, asked) || !keep_names(turn, exchange)) {
    return;
  }
  status = check_replay(turn, exchange);
  if (status != Status::kContinue) {
    return exchange.refuse(status);
  }

  Context& context = *exchange.context;
  const krb5::EncryptionKey& client_key =
      work.authenticator.has_subkey ? work.authenticator.subkey : work.ticket.key;
  context.flags = gss::ContextFlags(std::uint32_t(asked) & kGrantable);
  context.key.assign(client_key.value);
  context.key_etype = client_key.etype;
  context.start_s = work.ticket.start_time;
  context.expires_s = work.ticket.end_time;
  context.initiator_sequence = work.authenticator.seq_number;
  context.acceptor_sequence = context.initiator_sequence;  // RFC 4121 2, when no AP-REP is sent.
  const bool mutual = (work.ap_req.ap_options & krb5::kApOptionMutualRequired) != 0 ||
                      has(asked, gss::ContextFlags::kMutual);
  if (mutual) {
    context.flags =
        gss::ContextFlags(std::uint32_t(context.flags) | std::uint32_t(gss::ContextFlags::kMutual));
    if (!stage_reply(turn, exchange)) {
      return;
    }
  }
  conclude(turn, exchange);
}

void on_reply_sealed(Turn& turn, Exchange& exchange) noexcept {
  const crypto::SealJob& job = *exchange.kerberos.seal_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(Status::kInternal);
  }
  der::Writer token(turn.desk.arena.take(512));
  krb5::write_ap_rep(token, {.etype = std::int32_t(job.profile->etype), .cipher = job.cipher});
  gss::frame_kerberos(token, gss::KerberosTokenId::kApRep);
  assert(token.ok());
  exchange.mech_reply = token.written();
  exchange.has_mech_reply = true;
}

}  // namespace usher::auth
