#include "engine/auth/kerberos_reply.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/auth/kerberos_checks.h"
#include "engine/auth/negotiate.h"
#include "engine/protect/mic.h"

namespace usher::auth {
namespace {

using crypto::Outcome;
using krb5::ErrorCode;

// A KRB-ERROR is no larger: with its own framing and SPNEGO's it fits into kReplySizeMax.
constexpr std::size_t kErrorSizeMax = 896;
static_assert(kErrorSizeMax + 64 <= kReplySizeMax);

// An EncAPRepPart is no larger.
constexpr std::size_t kEncApRepPartSizeMax = 128;

// What an AP-REP's own headers and those of RFC 2743's framing take at most, and a NegTokenResp's.
constexpr std::size_t kReplyHeadroom =
    ReplyFront<ApRepKind>::kSizeMax + ReplyFront<RespKind>::kSizeMax;

// What stage_reply and, if that is in vain, write_error take from the arena; exchange.h counts with
// twice a reply.
static_assert(2 * kKeySizeMax + 2 * kEncApRepPartSizeMax + kReplyHeadroom + 64 +
                  crypto::sealing_room(kEncApRepPartSizeMax) + kErrorSizeMax <=
              2 * kReplySizeMax);

// The part of Context::storage that keeps the session key while a third leg is owed: its etype in
// four bytes, little-endian, and the key.
constexpr std::size_t kSessionKeyPart = 4;

// came_bare says whether the AP-REQ has no GSS-API framing.
bool came_bare(const Exchange& exchange) noexcept {
  return gss::kind_of(exchange.mech_token) == gss::TokenKind::kApReq;
}

// client_key_profile is that of the client's subkey or, without one, the session key.
const crypto::EtypeProfile& client_key_profile(const KerberosWork& work) noexcept {
  return *key_profile(work.authenticator->has_subkey ? work.authenticator->subkey
                                                     : work.ticket->key);
}

// choose_subkey_etype decides of which etype our subkey is.
const crypto::EtypeProfile& choose_subkey_etype(const KerberosWork& work) noexcept {
  const crypto::EtypeProfile& base = client_key_profile(work);
  const crypto::EtypeProfile* chosen = nullptr;
  //= RFC 4537 3: a subkey of an etype from the client's list, if we prefer one of those to that of
  //= the client's subkey or, without one, the session key.
  // We prefer what the client prefers, as long as it is no step back: the key there is has passed
  // the policy, and so nothing is ever chosen that would not.
  krb5::each_etype(work.authenticator_data->etype_list, [&](std::int32_t etype) {
    const crypto::EtypeProfile* const profile = crypto::profile_of(etype);
    if (chosen == nullptr && profile != nullptr && profile->strength >= base.strength) {
      chosen = profile;
    }
  });
  return chosen != nullptr ? *chosen : base;
}

// our_subkey is the etype of a subkey of ours, or null for none.
// Per-message tokens of RC4 cannot say which key they are made with, so there is no new one; only
// in DCE style do clients look for it.
const crypto::EtypeProfile* our_subkey(const Exchange& exchange) noexcept {
  const crypto::EtypeProfile& profile = choose_subkey_etype(exchange.kerberos);
  return profile.family != crypto::Family::kRc4 || exchange.context->dce_style ? &profile : nullptr;
}

// 30 bits, so that no peer reads it as negative and none sees it wrap.
constexpr std::uint32_t kSequenceMax = 0x3fffffff;

// choose_sequence makes the number that our messages begin with of random bits.
//= RFC 4757 7.3: a message's key follows from the context's key and the message's number, whichever
//= side's it is
// So with RC4 ours begin far from where the client's do, on either side: at least kFar. Of the two
// numbers that differ in their highest bit alone, by 2 * kFar, one is.
std::uint32_t choose_sequence(std::uint32_t random, std::uint32_t clients,
                              const crypto::EtypeProfile& key) noexcept {
  constexpr std::uint32_t kFar = 1u << 28;
  static_assert(2 * kFar <= kSequenceMax && 4 * kFar > kSequenceMax);
  const std::uint32_t ours = random & kSequenceMax;
  const bool is_near = ours - clients < kFar || clients - ours < kFar;
  return key.family == crypto::Family::kRc4 && is_near ? ours ^ (2 * kFar) : ours;
}

// error_code_of translates a refusal into RFC 4120 7.5.9; kNone if it has no code there, or is none
// of the client's business.
//= MS-KILE 3.4.5: a message that is not well-formed or not supported gets a zero-length reply.
ErrorCode error_code_of(const Exchange& exchange) noexcept {
  const krb5::EncryptedData& sealed = exchange.kerberos.ap_req->ticket.enc_part;
  const crypto::ServiceKey* const key = exchange.kerberos.found_key;
  switch (exchange.verdict.status) {
    case Status::kTicketEtype:
    case Status::kSessionKeyEtype:
    case Status::kRc4:
    case Status::kWeakerKey:
      return ErrorCode::kEtypeNotSupported;
    case Status::kTicketExpired:
      return ErrorCode::kTicketExpired;
    case Status::kTicketNotYetValid:
    case Status::kTicketInvalid:  //= RFC 4120 3.2.3: the INVALID flag, too.
      return ErrorCode::kTicketNotYetValid;
    case Status::kReplay:
      return ErrorCode::kRepeat;
    case Status::kTargetRefused:
    case Status::kTicketGranting:
    case Status::kNoSuchService:
      return ErrorCode::kNotUs;
    case Status::kClientNameMismatch:
      return ErrorCode::kBadMatch;
    case Status::kClockSkew:
      return ErrorCode::kSkew;
    case Status::kAddresses:
      return ErrorCode::kBadAddress;
    case Status::kTicketKey:
      //= RFC 4120 3.2.3: KRB_AP_ERR_BADKEYVER if the ticket's key version is none of ours.
      return key != nullptr && sealed.has_kvno && key->kvno != sealed.kvno
                 ? ErrorCode::kBadKeyVersion
                 : ErrorCode::kModified;
    //= MS-KILE 3.4.5: KRB_AP_ERR_MODIFIED for ticket and authenticator, also where RFC 4120 3.2.3
    //= has KRB_AP_ERR_BAD_INTEGRITY.
    case Status::kAuthenticatorKey:
    case Status::kPacSignature:
    case Status::kPacKdcSignature:
    case Status::kDelegationKey:  //= RFC 4120 3.6.2
      return ErrorCode::kModified;
    case Status::kNoKeyOfEtype:
      return ErrorCode::kNoKey;
    case Status::kChecksumType:
      return ErrorCode::kChecksumType;
    case Status::kTransited:
      return ErrorCode::kPathNotAccepted;
    default:
      return ErrorCode::kNone;
  }
}

// write_ap_rep writes the token of an AP-REP around its ciphertext, which stands at the end of
// `room`.
Bytes write_ap_rep(const ApRepKind& kind, MutableBytes room, Bytes cipher) noexcept {
  der::Writer token(room);
  krb5::write_ap_rep(token, {.etype = kind.etype, .cipher = cipher});
  if (!kind.dce_style) {
    gss::frame_kerberos(token, gss::KerberosTokenId::kApRep);
  }
  assert(token.ok());
  return token.written();
}

// open_third_leg decrypts the client's AP-REP with the session key that was kept for it.
Outcome open_third_leg(Turn& turn, const Context& context, const krb5::EncryptedData& sealed,
                       Bytes& opened) noexcept {
  const Bytes kept = context.part(kSessionKeyPart);
  assert(kept.size() > sizeof(sealed.etype));
  const auto etype = static_cast<std::int32_t>(load_le<std::uint32_t>(kept));
  if (sealed.etype != etype) {
    return Outcome::kForged;
  }
  return crypto::open_sealed(*turn.desk.kit, *crypto::profile_of(etype),
                             kept.subspan(sizeof(etype)), crypto::KeyUsage::kApRepEncPart,
                             sealed.cipher, turn.desk.arena.take(sealed.cipher.size()), opened);
}

// is_answer_to_ours looks at what the client's AP-REP says.
//= RFC 4757 7.1: the client's AP-REP repeats the sequence number of the acceptor's.
// Only who has opened ours knows that number, which makes this AP-REP new and the client's alive.
// Its time says nothing more, and clients disagree which: MIT's give the time it is, Heimdal's the
// authenticator's. No client sends a subkey; ours has one, so it cannot be sent back to us.
bool is_answer_to_ours(const krb5::EncApRepPart& part, const Context& context) noexcept {
  return part.has_seq_number && part.seq_number == context.acceptor_sequence && !part.has_subkey;
}

}  // namespace

bool check_dce_style(Exchange& exchange) noexcept {
  //= MS-KILE 3.4.5.1: in DCE style the AP-REQ has no GSS-API wrapping, and the client sets
  //= GSS_C_DCE_STYLE in the authenticator's checksum.
  // Nothing protects the framing; whoever could add or remove it would decide how many legs there
  // are.
  const bool bare = came_bare(exchange);
  if (bare != has(exchange.kerberos.checksum.flags, gss::ContextFlags::kDceStyle)) {
    exchange.refuse(Status::kDceStyle);
    return false;
  }
  exchange.context->dce_style = bare;
  return true;
}

bool keep_session_key(Exchange& exchange) noexcept {
  if (!exchange.context->dce_style) {
    return true;
  }
  const krb5::EncryptionKey& key = exchange.kerberos.ticket->key;
  std::array<std::uint8_t, sizeof(key.etype) + kKeySizeMax> bytes{};
  const MutableBytes kept = std::span(bytes).first(sizeof(key.etype) + key.value.size());
  store_le(kept, static_cast<std::uint32_t>(key.etype));
  copy(key.value, kept.subspan(sizeof(key.etype)));
  if (!exchange.context->keep(kSessionKeyPart, kept)) {
    exchange.refuse(Status::kNameTooLong);
  }
  wipe(bytes);
  return exchange.live();
}

const crypto::EtypeProfile& reply_key(const Exchange& exchange) noexcept {
  const KerberosWork& work = exchange.kerberos;
  const crypto::EtypeProfile* const ours = wants_mutual(work) ? our_subkey(exchange) : nullptr;
  return ours != nullptr ? *ours : client_key_profile(work);
}

std::size_t ap_rep_size(const Exchange& exchange) noexcept {
  static constexpr std::array<std::uint8_t, kEncApRepPartSizeMax + 64> kAny{};
  const KerberosWork& work = exchange.kerberos;
  const crypto::EtypeProfile& profile = *key_profile(work.ticket->key);
  const crypto::EtypeProfile* const subkey = our_subkey(exchange);
  std::array<std::uint8_t, kEncApRepPartSizeMax> plain_room;
  der::Writer plain(plain_room);
  krb5::write_enc_ap_rep_part(
      plain, {.ctime = work.authenticator->ctime,
              .ctime_text = work.authenticator->ctime_text,
              .cusec = work.authenticator->cusec,
              .has_subkey = subkey != nullptr,
              .subkey = {.etype = subkey != nullptr ? std::int32_t(subkey->etype) : 0,
                         .value = Bytes(kAny).first(subkey != nullptr ? subkey->key_size : 0)},
              .has_seq_number = true,
              .seq_number = kSequenceMax});
  const std::size_t cipher_size = profile.overhead() + plain.written().size();
  assert(plain.ok() && cipher_size <= kAny.size());
  std::array<std::uint8_t, kReplyHeadroom + kAny.size()> token_room;
  der::Writer token(token_room);
  krb5::write_ap_rep(
      token, {.etype = std::int32_t(profile.etype), .cipher = Bytes(kAny).first(cipher_size)});
  if (!exchange.context->dce_style) {
    gss::frame_kerberos(token, gss::KerberosTokenId::kApRep);
  }
  assert(token.ok());
  return token.written().size();
}

// Here and below, flatten lets a Writer stay in registers, and nothing be written down for a call.
[[gnu::flatten]] bool stage_reply(Turn& turn, Exchange& exchange) noexcept {
  TurnDesk& desk = turn.desk;
  KerberosWork& work = exchange.kerberos;
  Context& context = *exchange.context;
  const crypto::EtypeProfile& profile = *work.authenticator_job->profile;
  const crypto::EtypeProfile* const subkey_profile = our_subkey(exchange);
  const bool has_subkey = subkey_profile != nullptr;
  const std::size_t subkey_size = has_subkey ? subkey_profile->key_size : 0;
  constexpr std::size_t kSequenceSize = sizeof(context.acceptor_sequence);
  const MutableBytes fresh = desk.arena.take(profile.confounder_size + subkey_size + kSequenceSize);
  if (!desk.random->fill(fresh)) {
    exchange.refuse(Status::kInternal);
    return false;
  }
  const Bytes confounder = fresh.first(profile.confounder_size);
  const Bytes subkey = fresh.subspan(profile.confounder_size, subkey_size);
  context.acceptor_sequence =
      choose_sequence(load_le<std::uint32_t>(fresh.last(kSequenceSize)), context.initiator_sequence,
                      has_subkey ? *subkey_profile : client_key_profile(work));
  if (has_subkey) {
    context.key.assign(subkey);
    context.key_etype = std::int32_t(subkey_profile->etype);
    context.key_is_acceptor_subkey = true;
  }

  der::Writer plain(desk.arena.take(kEncApRepPartSizeMax));
  //= RFC 4120 3.2.4: the reply's time is the authenticator's.
  krb5::write_enc_ap_rep_part(plain, {.ctime = work.authenticator->ctime,
                                      .ctime_text = work.authenticator->ctime_text,
                                      .cusec = work.authenticator->cusec,
                                      .has_subkey = has_subkey,
                                      .subkey = {.etype = context.key_etype, .value = subkey},
                                      .has_seq_number = true,
                                      .seq_number = context.acceptor_sequence});
  assert(plain.ok());
  // In front of the ciphertext there is room for the token around it.
  const std::size_t cipher_size = profile.overhead() + plain.written().size();
  work.reply_room = desk.arena.take_for_sending(kReplyHeadroom + cipher_size);
  work.seal_job =
      &desk.seals.add({.profile = &profile,
                       .session_key = work.ticket->key.value,
                       .keys = work.authenticator_job->keys,
                       .confounder = confounder,
                       .plain = plain.written(),
                       .room = desk.arena.take(crypto::sealing_room(plain.written().size())),
                       .cipher = work.reply_room.last(cipher_size)});
  return true;
}

void on_reply_sealed(Turn& turn, Exchange& exchange) noexcept {
  const crypto::SealJob& job = *exchange.kerberos.seal_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(Status::kInternal);
  }
  const MutableBytes room = exchange.kerberos.reply_room;
  const ApRepKind kind{.etype = std::int32_t(job.profile->etype),
                       .dce_style = exchange.context->dce_style,
                       .cipher_size = job.cipher.size()};
  exchange.has_mech_reply = true;
  exchange.mech_reply = turn.desk.ap_rep_front.repeat(kind, room, kind.cipher_size);
  if (exchange.mech_reply.empty()) {
    exchange.mech_reply = write_ap_rep(kind, room, job.cipher);
    turn.desk.ap_rep_front.remember(kind, exchange.mech_reply, kind.cipher_size);
  }
}

void on_third_leg(Turn& turn, Exchange& exchange) noexcept {
  constexpr auto kApRepTag = std::uint8_t(der::application(15));
  Context& context = *exchange.context;
  const Bytes token = exchange.mech_token;
  if (token.front() != kApRepTag) {
    return exchange.refuse(Status::kUnexpectedToken);
  }
  const Result<krb5::ApRep> message = krb5::parse_ap_rep(token);
  if (!message.ok()) {
    return exchange.refuse(Status::kMalformedApRep, message.fault(), token);
  }
  Bytes opened;
  const Outcome outcome = open_third_leg(turn, context, message->enc_part, opened);
  if (outcome != Outcome::kDone) {
    return exchange.refuse(outcome == Outcome::kForged ? Status::kThirdLeg : Status::kInternal);
  }
  const Result<krb5::EncApRepPart> part = krb5::parse_enc_ap_rep_part(opened);
  if (!part.ok()) {
    return exchange.refuse(Status::kMalformedApRep, part.fault(), opened);
  }
  if (!is_answer_to_ours(*part, context)) {
    return exchange.refuse(Status::kThirdLeg);
  }
  const bool has_mic = exchange.has_client_mic || context.mic_required;
  const std::size_t mic_size =
      has_mic ? protect::mic_size(*crypto::profile_of(context.key_etype)) : 0;
  if (!exchange.check_protection(context.flags) || !has_room(exchange, 0, mic_size)) {
    return;
  }
  context.forget(kSessionKeyPart);
  conclude(turn, exchange);
}

void write_error(Turn& turn, Exchange& exchange) noexcept {
  // What a refused exchange had to say to its client is not said.
  exchange.mech_reply = {};
  exchange.has_mech_reply = false;
  if (!exchange.request->error_tokens || !exchange.kerberos.ap_req) {
    return;
  }
  const krb5::Ticket& ticket = exchange.kerberos.ap_req->ticket;
  const ErrorCode code = error_code_of(exchange);
  if (code == ErrorCode::kNone || ticket.sname.components.empty()) {
    return;
  }
  //= MS-KILE 3.4.5: clock skew is answered with a KERB-ERROR-DATA, and clients try again by our
  //= clock (RFC 4120 5.9.1: stime, susec).
  std::array<std::uint8_t, 16> room;
  der::Writer recovery(room);
  if (code == ErrorCode::kSkew) {
    krb5::write_error_data(recovery, {.type = krb5::ErrorDataType::kSkewRecovery});
  }
  der::Writer token(turn.desk.arena.take(kErrorSizeMax));
  krb5::write_krb_error(token,
                        {.stime = turn.now_s,
                         .susec = static_cast<std::uint32_t>(turn.wall_us % kMicrosPerSecond),
                         .error_code = std::int32_t(code),
                         .realm = ticket.realm,
                         .sname = ticket.sname,
                         .e_data = recovery.written()});
  //= RFC 4757 7.1: in DCE style the tokens are the bare messages.
  // Whether the client wants that is in the authenticator, which may be what could not be read; so
  // an answer comes as the request came.
  if (!came_bare(exchange)) {
    gss::frame_kerberos(token, gss::KerberosTokenId::kError);
  }
  exchange.mech_reply = token.written();
  exchange.has_mech_reply = token.ok();
}

}  // namespace usher::auth
