#include "engine/auth/negotiate.h"

#include <algorithm>
#include <array>

#include "engine/protect/mic.h"
#include "parsers/spnego.h"

namespace usher::auth {
namespace {

using gss::Mechanism;
using protect::Sender;
using spnego::NegState;

bool is_kerberos(Mechanism mechanism) noexcept {
  return mechanism == Mechanism::kKerberos || mechanism == Mechanism::kMsKerberos;
}

bool serves(const Exchange& exchange, Mechanism mechanism) noexcept {
  return (is_kerberos(mechanism) && exchange.serves_kerberos()) ||
         (mechanism == Mechanism::kNtlm && exchange.serves_ntlm());
}

// use_bare takes a token that came without SPNEGO; the answer goes without it too.
void use_bare(Exchange& exchange, Mechanism mechanism) noexcept {
  if (mechanism == Mechanism::kUserToUser) {
    return exchange.refuse(Status::kUserToUser);
  }
  if (!serves(exchange, mechanism)) {
    return exchange.refuse(Status::kMechanismNotAllowed);
  }
  exchange.context->mechanism = mechanism;
  exchange.mech_token = exchange.request->token;
}

// on_no_token: the client asks what there is before it says anything.
void on_no_token(Exchange& exchange) noexcept {
  if (!exchange.serves_kerberos() && !exchange.serves_ntlm()) {
    return exchange.refuse(Status::kMechanismNotAllowed);  // A reload took everything away.
  }
  exchange.go(State::kHintSent);
}

// write_hint lists what this credential serves, as Windows does it: the misprinted OID first.
//= MS-SPNG 3.2.5.2
void write_hint(Exchange& exchange) noexcept {
  std::array<Mechanism, 3> mechanisms{};
  std::size_t count = 0;
  for (const Mechanism mechanism :
       {Mechanism::kMsKerberos, Mechanism::kKerberos, Mechanism::kNtlm}) {
    if (serves(exchange, mechanism)) {
      mechanisms[count++] = mechanism;
    }
  }
  der::Writer writer(exchange.request->reply);
  spnego::write_neg_token_init2(writer, std::span(mechanisms).first(count));
  if (!writer.ok()) {
    return exchange.refuse(Status::kReplyTooLong);
  }
  exchange.reply->reply_size = static_cast<std::uint32_t>(writer.move_to_front());
}

// choose returns the first mechanism of the client's list that this credential serves; `preferred`
// is the first of all. Kerberos under its right and its misprinted OID is one mechanism (RFC 4178
// C), served under both or neither: a client that prefers it to others gets it as it is named
// first.
Mechanism choose(const Exchange& exchange, Mechanism preferred, Bytes mech_oids) noexcept {
  if (serves(exchange, preferred)) {
    return preferred;
  }
  Mechanism choice = Mechanism::kUnknown;
  spnego::each_mechanism(mech_oids, [&](Mechanism mechanism, Bytes, bool) {
    if (choice == Mechanism::kUnknown && serves(exchange, mechanism)) {
      choice = mechanism;
    }
  });
  return choice;
}

// use_spnego reads a NegTokenInit, which came in RFC 2743's framing or without, and chooses.
//= RFC 4178 4.2.1: reqFlags are not protected, and ignored.
void use_spnego(Exchange& exchange, Bytes token) noexcept {
  if (exchange.request->credential->package != Package::kNegotiate) {
    return exchange.refuse(Status::kMechanismNotAllowed);
  }
  Context& context = *exchange.context;
  context.spnego = true;
  spnego::NegTokenInit init;
  const ParseFault fault = spnego::parse_into(token, init);
  if (fault.code != ParseCode::kOk) {
    return exchange.refuse(Status::kMalformedSpnego, fault, token);
  }
  const Mechanism preferred = gss::mechanism_of(init.preferred_mech);
  const Mechanism choice = choose(exchange, preferred, init.mech_oids);
  if (choice == Mechanism::kUnknown) {
    return exchange.refuse(Status::kNoCommonMechanism);
  }
  context.mechanism = choice;
  if (init.mech_types.size() <= kMechTypesSizeMax) {
    copy(init.mech_types, context.mech_types);
    context.mech_types_size = static_cast<std::uint8_t>(init.mech_types.size());
  }
  //= RFC 4178 5: the MICs are exchanged unless the mechanism chosen is the favourite of both sides,
  //= because then nobody can have gained by changing the list. An acceptor that takes the first of
  //= the initiator's mechanisms that it serves has no favourite of its own.
  context.mic_required = choice != preferred;
  if (context.mic_required) {
    //= RFC 4178 4.2.2: request-mic stands in the first reply only, and the optimistic token, which
    //= is for another mechanism, is not looked at.
    exchange.reply_state = NegState::kRequestMic;
  } else if (init.has_mech_token && !init.mech_token.empty()) {
    exchange.mech_token = init.mech_token;
    exchange.has_client_mic = init.has_mech_list_mic;
    exchange.client_mic = init.mech_list_mic;
    return;
  }
  if (has_room(exchange, 0, 0)) {
    exchange.go(State::kMechTokenOwed);
  }
}

// The two mechanisms' MICs, over the MechTypeList as the client sent it (RFC 4178 5).
protect::KerberosMicKey kerberos_mic_key(const Context& context) noexcept {
  return {.profile = crypto::profile_of(context.key_etype),
          .key = context.key.bytes(),
          .key_is_acceptor_subkey = context.key_is_acceptor_subkey};
}

protect::NtlmMicKey ntlm_mic_key(const Context& context) noexcept {
  return {.exported_session_key = context.key.bytes(), .flags = context.ntlm_flags};
}

Bytes mech_types(const Context& context) noexcept {
  return std::span(context.mech_types).first(context.mech_types_size);
}

bool client_mic_is_right(Turn& turn, const Exchange& exchange) noexcept {
  const Context& context = *exchange.context;
  crypto::Kit& kit = *turn.desk.kit;
  return context.is_ntlm() ? protect::check_mic(kit, ntlm_mic_key(context), Sender::kInitiator, 0,
                                                mech_types(context), exchange.client_mic)
                           : protect::check_mic(kit, kerberos_mic_key(context), Sender::kInitiator,
                                                context.initiator_sequence, mech_types(context),
                                                exchange.client_mic);
}

Bytes make_our_mic(Turn& turn, const Exchange& exchange) noexcept {
  const Context& context = *exchange.context;
  crypto::Kit& kit = *turn.desk.kit;
  const MutableBytes out = turn.desk.arena.take(protect::kMicSizeMax);
  return out.first(context.is_ntlm()
                       ? protect::write_mic(kit, ntlm_mic_key(context), Sender::kAcceptor, 0,
                                            mech_types(context), out)
                       : protect::write_mic(kit, kerberos_mic_key(context), Sender::kAcceptor,
                                            context.acceptor_sequence, mech_types(context), out));
}

// can_make_mics refuses the exchange if there is nothing to make a mechListMIC over or with.
bool can_make_mics(Exchange& exchange) noexcept {
  const Context& context = *exchange.context;
  if (context.mech_types_size == 0) {
    exchange.refuse(Status::kMechTypesTooLong);
  } else if (context.is_ntlm() &&
             !has(context.ntlm_flags, ntlm::NegotiateFlags::kExtendedSessionSecurity)) {
    exchange.refuse(Status::kNtlmNoSigning);
  }
  return exchange.live();
}

// mics_are_due says whether the exchange may only end with both MICs.
bool mics_are_due(const Exchange& exchange) noexcept {
  //= MS-SPNG 3.1.5.1: a client that put a MIC into its AUTHENTICATE owes the mechListMIC too, or
  //= somebody may have taken a better mechanism off its list.
  const crypto::ProofJob* const proof = exchange.ntlm.proof_job;
  return exchange.context->mic_required || (proof != nullptr && proof->check_mic);
}

// on_owed_mic takes the token that may bring nothing but the mechListMIC.
void on_owed_mic(Turn& turn, Exchange& exchange) noexcept {
  if (!exchange.has_client_mic) {
    return exchange.refuse(Status::kMechListMicMissing);
  }
  if (!exchange.mech_token.empty()) {
    return exchange.refuse(Status::kUnexpectedToken);
  }
  if (!client_mic_is_right(turn, exchange)) {
    return exchange.refuse(Status::kMechListMicWrong);
  }
  exchange.reply_state = NegState::kAcceptCompleted;
  exchange.says_nothing = exchange.client_completed;
  if (exchange.check_protection(exchange.context->flags) && has_room(exchange, 0, 0)) {
    exchange.context->mics_exchanged = true;
    exchange.go(State::kEstablished);
  }
}

// size_of_resp is how large a NegTokenResp becomes, with what is known of it; too large for any
// reply is one more than kReplySizeMax.
std::size_t size_of_resp(const Exchange& exchange, std::size_t token_size, std::size_t mic_size) {
  static constexpr std::array<std::uint8_t, kReplySizeMax> kAny{};
  if (token_size > kAny.size() || mic_size > kAny.size()) {
    return kReplySizeMax + 1;
  }
  std::array<std::uint8_t, kReplySizeMax> room;
  der::Writer writer(room);
  spnego::write_neg_token_resp(
      writer, {.has_state = true,
               .state = exchange.reply_state,
               .supported_mech =
                   exchange.is_first_token ? gss::oid_of(exchange.context->mechanism) : Bytes{},
               .has_response_token = token_size > 0,
               .response_token = Bytes(kAny).first(token_size),
               .has_mech_list_mic = mic_size > 0,
               .mech_list_mic = Bytes(kAny).first(mic_size)});
  return writer.ok() ? writer.written().size() : kReplySizeMax + 1;
}

// hand_over copies a NegTokenResp to where the caller wants it, if there is room.
void hand_over(Exchange& exchange, Bytes resp) noexcept {
  const MutableBytes out = exchange.request->reply;
  if (!resp.empty() && resp.size() <= out.size()) {
    copy(resp, out);
    exchange.reply->reply_size = static_cast<std::uint32_t>(resp.size());
  } else if (exchange.live()) {
    exchange.refuse(Status::kReplyTooLong);
  }
}

// resp_of_success writes the NegTokenResp of an exchange that goes well; empty if it has no room.
Bytes resp_of_success(const Exchange& exchange, MutableBytes room) noexcept {
  der::Writer resp(room);
  //= RFC 4178 4.2.2: supportedMech in the first reply only, and one that the initiator offered.
  //= MS-SPNG 3.2.5: as the client named it, also by Microsoft's wrong OID.
  spnego::write_neg_token_resp(
      resp, {.has_state = true,
             .state = exchange.reply_state,
             .supported_mech =
                 exchange.is_first_token ? gss::oid_of(exchange.context->mechanism) : Bytes{},
             .has_response_token = exchange.has_mech_reply,
             .response_token = exchange.mech_reply,
             .has_mech_list_mic = !exchange.our_mic.empty(),
             .mech_list_mic = exchange.our_mic});
  return resp.written();
}

// write_resp writes it. Around an AP-REP of ours that is done where that stands, which has room in
// front of it; but a mechListMIC comes behind.
void write_resp(TurnDesk& desk, Exchange& exchange) noexcept {
  const MutableBytes room = exchange.kerberos.reply_room;
  if (room.empty() || !exchange.our_mic.empty()) {
    return hand_over(exchange, resp_of_success(exchange, exchange.request->reply));
  }
  const RespKind kind{.state = exchange.reply_state,
                      .names_mechanism = exchange.is_first_token,
                      .mechanism = exchange.context->mechanism,
                      .token_size = exchange.mech_reply.size()};
  Bytes resp = desk.resp_front.repeat(kind, room, kind.token_size);
  if (resp.empty()) {
    resp = resp_of_success(exchange, room);
    desk.resp_front.remember(kind, resp, kind.token_size);
  }
  hand_over(exchange, resp);
}

// write_reject writes that of one that has been refused.
void write_reject(Exchange& exchange) noexcept {
  der::Writer resp(exchange.request->reply);
  spnego::write_neg_token_resp(resp, {.has_state = true,
                                      .state = NegState::kReject,
                                      .has_response_token = exchange.has_mech_reply,
                                      .response_token = exchange.mech_reply});
  hand_over(exchange, resp.written());
}

}  // namespace

void on_first_token(Turn&, Exchange& exchange) noexcept {
  const Bytes token = exchange.request->token;
  if (token.empty()) {
    return on_no_token(exchange);
  }
  switch (gss::kind_of(token)) {
    case gss::TokenKind::kNtlm:
      return use_bare(exchange, Mechanism::kNtlm);
    case gss::TokenKind::kNegTokenInit:
      return use_spnego(exchange, token);
    case gss::TokenKind::kGssInitial: {
      gss::InitialToken framed;
      const ParseFault fault = gss::parse_into(token, framed);
      if (fault.code != ParseCode::kOk) {
        return exchange.refuse(Status::kMalformedGss, fault, token);
      }
      return framed.mechanism == Mechanism::kSpnego ? use_spnego(exchange, framed.inner)
                                                    : use_bare(exchange, framed.mechanism);
    }
    case gss::TokenKind::kApReq:
      return use_bare(exchange, Mechanism::kKerberos);  // DCE style.
    case gss::TokenKind::kNegTokenResp:
      return exchange.refuse(Status::kUnexpectedToken);
    case gss::TokenKind::kUnknown:
      return exchange.refuse(Status::kNotAToken);
  }
}

void on_later_token(Turn& turn, Exchange& exchange) noexcept {
  const Bytes token = exchange.request->token;
  if (!exchange.context->spnego) {
    exchange.mech_token = token;
    return;
  }
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(token);
  if (!resp.ok()) {
    return exchange.refuse(Status::kMalformedSpnego, resp.fault(), token);
  }
  if (resp->has_state && resp->state == NegState::kReject) {
    return exchange.refuse(Status::kPeerRejected);
  }
  //= RFC 4178 4.2.2: supportedMech and request-mic are the target's words. From a client they mean
  //= nothing; MIT's repeats the request-mic it was sent.
  exchange.client_completed = resp->has_state && resp->state == NegState::kAcceptCompleted;
  exchange.mech_token = resp->response_token;
  exchange.has_client_mic = resp->has_mech_list_mic;
  exchange.client_mic = resp->mech_list_mic;
  if (exchange.context->state == State::kMicOwed) {
    return on_owed_mic(turn, exchange);
  }
  if (exchange.mech_token.empty()) {
    exchange.refuse(Status::kUnexpectedToken);
  }
}

bool has_room(Exchange& exchange, std::size_t token_size, std::size_t mic_size) noexcept {
  const std::size_t room = exchange.request->reply.size();
  if (room >= kReplySizeMax) {
    return true;  // As nearly every caller has it.
  }
  std::size_t size = token_size;
  if (exchange.context->spnego) {
    size = exchange.says_nothing ? 0 : size_of_resp(exchange, token_size, mic_size);
  }
  if (size > room) {
    exchange.refuse(Status::kReplyTooLong);
    if (!exchange.opened_now) {
      exchange.spares_context = true;
      exchange.context->rewind(exchange.before);
    }
  }
  return exchange.live();
}

void conclude(Turn& turn, Exchange& exchange) noexcept {
  Context& context = *exchange.context;
  if (!context.spnego) {
    return exchange.go(State::kEstablished);
  }
  const bool due = mics_are_due(exchange);
  if (exchange.has_client_mic || due) {
    if (!can_make_mics(exchange)) {
      return;
    }
    //= RFC 4178 5: a MIC that is there is verified, also if it need not be there.
    if (exchange.has_client_mic && !client_mic_is_right(turn, exchange)) {
      return exchange.refuse(Status::kMechListMicWrong);
    }
    //= RFC 4178 5 (c): where the initiator sends the last mechanism token, and has been sent
    //= request-mic, its MIC comes with that token, or the negotiation ends.
    const bool ours_is_last = exchange.kerberos.seal_job != nullptr;
    if (context.mic_required && !ours_is_last && !exchange.has_client_mic) {
      return exchange.refuse(Status::kMechListMicMissing);
    }
    exchange.our_mic = make_our_mic(turn, exchange);
    if (exchange.our_mic.empty()) {
      return exchange.refuse(Status::kInternal);
    }
  }
  if (due && !exchange.has_client_mic) {
    exchange.reply_state = NegState::kAcceptIncomplete;
    return exchange.go(State::kMicOwed);
  }
  context.mics_exchanged = exchange.has_client_mic;
  exchange.reply_state = NegState::kAcceptCompleted;
  exchange.go(State::kEstablished);
}

void write_reply(Turn& turn, Exchange& exchange) noexcept {
  const MutableBytes out = exchange.request->reply;
  if (exchange.in(State::kHintSent)) {
    return write_hint(exchange);
  }
  if (exchange.in(State::kAuthorityAsked)) {
    return;
  }
  if (!exchange.context || !exchange.context->spnego) {
    if (exchange.mech_reply.size() > out.size()) {
      return exchange.live() ? exchange.refuse(Status::kReplyTooLong) : void();
    }
    copy(exchange.mech_reply, out);
    exchange.reply->reply_size = static_cast<std::uint32_t>(exchange.mech_reply.size());
    return;
  }
  if (exchange.live()) {
    return exchange.says_nothing ? void() : write_resp(turn.desk, exchange);
  }
  if (!exchange.spares_context && exchange.request->error_tokens &&
      exchange.verdict.status != Status::kReplyTooLong) {
    write_reject(exchange);
  }
}

}  // namespace usher::auth
