#include "engine/auth/negotiate.h"

#include <algorithm>

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

// Choice is the first mechanism of the client's list that this credential serves.
struct Choice {
  Mechanism mechanism = Mechanism::kUnknown;
  bool is_preferred = false;  // The optimistic token, if any, is for it.
};
Choice choose(const Exchange& exchange, const spnego::NegTokenInit& init) noexcept {
  Choice choice;
  Mechanism preferred = Mechanism::kUnknown;
  spnego::each_mechanism(init.mech_oids, [&](Mechanism mechanism, Bytes, bool first) {
    if (first) {
      preferred = mechanism;
    }
    if (choice.mechanism == Mechanism::kUnknown && serves(exchange, mechanism)) {
      choice.mechanism = mechanism;
    }
  });
  // Kerberos under its right and its misprinted OID is one mechanism (MS-SPNG 3.2.5.2).
  choice.is_preferred =
      choice.mechanism == preferred || (is_kerberos(choice.mechanism) && is_kerberos(preferred));
  return choice;
}

// use_spnego reads a NegTokenInit and chooses.
void use_spnego(Exchange& exchange) noexcept {
  if (exchange.request->credential->package != Package::kNegotiate) {
    return exchange.refuse(Status::kMechanismNotAllowed);
  }
  Context& context = *exchange.context;
  context.spnego = true;
  const Bytes token = exchange.request->token;
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
  if (!init.ok()) {
    return exchange.refuse(Status::kMalformedSpnego, init.fault(), token);
  }
  const Choice choice = choose(exchange, *init);
  if (choice.mechanism == Mechanism::kUnknown) {
    return exchange.refuse(Status::kNoCommonMechanism);
  }
  context.mechanism = choice.mechanism;
  if (init->mech_types.size() <= kMechTypesSizeMax) {
    std::ranges::copy(init->mech_types, context.mech_types.begin());
    context.mech_types_size = static_cast<std::uint16_t>(init->mech_types.size());
  }
  //= RFC 4178 5: the MICs are exchanged unless the mechanism chosen is the initiator's preferred
  //= one, because then nobody can have gained by changing the list.
  context.mic_required = !choice.is_preferred;
  if (context.mic_required) {
    exchange.reply_state = NegState::kRequestMic;
  } else if (init->has_mech_token && !init->mech_token.empty()) {
    exchange.mech_token = init->mech_token;
    exchange.has_client_mic = init->has_mech_list_mic;
    exchange.client_mic = init->mech_list_mic;
    return;
  }
  exchange.go(State::kMechTokenOwed);
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
  exchange.go(State::kEstablished);
}

}  // namespace

void on_first_token(Turn&, Exchange& exchange) noexcept {
  const Bytes token = exchange.request->token;
  switch (gss::kind_of(token)) {
    case gss::TokenKind::kNtlm:
      return use_bare(exchange, Mechanism::kNtlm);
    case gss::TokenKind::kNegTokenInit:
      return use_spnego(exchange);
    case gss::TokenKind::kGssInitial: {
      const Result<gss::InitialToken> framed = gss::parse_initial_token(token);
      if (!framed.ok()) {
        return exchange.refuse(Status::kMalformedGss, framed.fault(), token);
      }
      return framed->mechanism == Mechanism::kSpnego ? use_spnego(exchange)
                                                     : use_bare(exchange, framed->mechanism);
    }
    case gss::TokenKind::kApReq:
      return exchange.refuse(Status::kDceStyle);
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

void conclude(Turn& turn, Exchange& exchange) noexcept {
  Context& context = *exchange.context;
  if (!context.spnego) {
    return exchange.go(State::kEstablished);
  }
  if (exchange.has_client_mic || context.mic_required) {
    if (!can_make_mics(exchange)) {
      return;
    }
    if (exchange.has_client_mic && !client_mic_is_right(turn, exchange)) {
      return exchange.refuse(Status::kMechListMicWrong);
    }
    exchange.our_mic = make_our_mic(turn, exchange);
    if (exchange.our_mic.empty()) {
      return exchange.refuse(Status::kInternal);
    }
  }
  if (context.mic_required && !exchange.has_client_mic) {
    exchange.reply_state = NegState::kAcceptIncomplete;
    return exchange.go(State::kMicOwed);
  }
  exchange.reply_state = NegState::kAcceptCompleted;
  exchange.go(State::kEstablished);
}

void write_reply(Turn&, Exchange& exchange) noexcept {
  const MutableBytes out = exchange.request->reply;
  const bool spnego = exchange.context && exchange.context->spnego;
  spnego::NegTokenResp resp;
  if (exchange.live() && !spnego) {
    if (exchange.mech_reply.size() > out.size()) {
      return exchange.refuse(Status::kReplyTooLong);
    }
    std::ranges::copy(exchange.mech_reply, out.begin());
    exchange.reply->reply_size = static_cast<std::uint32_t>(exchange.mech_reply.size());
    return;
  }
  if (exchange.live() && !exchange.says_nothing) {
    resp = {.has_state = true,
            .state = exchange.reply_state,
            .has_response_token = exchange.has_mech_reply,
            .response_token = exchange.mech_reply,
            .has_mech_list_mic = !exchange.our_mic.empty(),
            .mech_list_mic = exchange.our_mic};
    if (exchange.opened_now) {
      resp.supported_mech = gss::oid_of(exchange.context->mechanism);  // RFC 4178 4.2.2
    }
  } else if (!exchange.live() && spnego && !exchange.spares_context &&
             exchange.request->error_tokens) {
    resp = {.has_state = true, .state = NegState::kReject};
  } else {
    return;
  }
  der::Writer writer(out);
  spnego::write_neg_token_resp(writer, resp);
  if (writer.ok()) {
    exchange.reply->reply_size = static_cast<std::uint32_t>(writer.move_to_front());
  } else if (exchange.live()) {
    exchange.refuse(Status::kReplyTooLong);
  }
}

}  // namespace usher::auth
