// One recorded exchange through the real acceptor.
#include "tools/usher/replay.h"

#include <array>

#include "parsers/gss.h"
#include "parsers/ntlm.h"
#include "parsers/spnego.h"
#include "tools/usher/text.h"
#include "tools/usher/usage_error.h"

namespace usher::cli {
namespace {

Client client_of(const Context& context, const PageStore& pages) {
  std::array<std::uint8_t, kClientNameSizeMax> room;
  std::vector<std::uint8_t> pac(context.pac.size);
  pages.read(context.pac, pac);
  return {.ntlm = context.is_ntlm(),
          .name = printable(context.write_client_name(room)),
          .service = printable(context.service()),
          .ticket_etype = context.ticket_etype,
          .flags = context.flags,
          .expires_s = context.expires_s,
          .pac = facts_of(pac, context.pac_signatures)};
}

}  // namespace

Bytes challenge_in(Bytes token) noexcept {
  if (gss::kind_of(token) == gss::TokenKind::kNegTokenResp) {
    const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(token);
    token = resp.ok() ? resp->response_token : Bytes{};
  }
  const Result<ntlm::MessageType> type = ntlm::message_type(token);
  return type.ok() && *type == ntlm::MessageType::kChallenge ? token : Bytes{};
}

Replayer::Replayer(std::unique_ptr<Credential> credential, const Clock& clock)
    : credential_(std::move(credential)),
      engine_(Engine::make({.slot_count = 16,
                            .replay_entry_count = 1u << 16,
                            .skew_max_s = credential_->policy.skew_s,
                            .clock = &clock})),
      desk_(Desk::make(1)) {
  if (engine_ == nullptr || desk_ == nullptr) {
    throw UsageError("the engine could not be started: out of memory, or OpenSSL failed");
  }
}

void Replayer::bind_to(Bytes application_data) {
  if (!auth::make_bindings(*desk_, {.application_data = application_data}, bindings_)) {
    throw UsageError("OpenSSL could not hash the channel bindings");
  }
}

Leg Replayer::step(const Piece& piece, Bytes recorded_challenge, ContextHandle& context,
                   Outcome& outcome) {
  std::array<std::uint8_t, kReplySizeMax> room;
  const AcceptRequest request{.credential = credential_.get(),
                              .context = context,
                              .token = piece.token,
                              .reply = room,
                              .bindings = bindings_,
                              .binding_demand = {.allow_missing = true},
                              .take_delegation = credential_->policy.accept_delegation,
                              .allow_anonymous = credential_->policy.allow_ntlm_anonymous,
                              .recorded_challenge = recorded_challenge};
  AcceptReply reply;
  auth::accept(*desk_, engine_->environment(), {&request, 1}, {&reply, 1});
  outcome.bindings = reply.bindings;
  if (succeeded(reply.verdict.status)) {
    context = reply.context;
  }
  return {.line = piece.line,
          .size = piece.token.size(),
          .verdict = reply.verdict,
          .reply_size = reply.reply_size};
}

Outcome Replayer::replay(const std::vector<Piece>& exchange) {
  Outcome outcome;
  ContextHandle context;
  for (std::size_t i = 0; i < exchange.size(); ++i) {
    if (exchange[i].direction == Direction::kServerToClient) {
      continue;
    }
    if (!outcome.legs.empty() && !succeeded(outcome.verdict().status)) {
      ++outcome.unused;
      continue;
    }
    const bool answered =
        i + 1 < exchange.size() && exchange[i + 1].direction == Direction::kServerToClient;
    outcome.legs.push_back(step(
        exchange[i], answered ? challenge_in(exchange[i + 1].token) : Bytes{}, context, outcome));
  }
  if (outcome.verdict().status == Status::kEstablished) {
    const Status inspected = engine_->inspect(context, [&](const Context& established) {
      outcome.client = client_of(established, *engine_->environment().contexts.pages());
    });
    if (inspected != Status::kEstablished) {
      outcome.legs.back().verdict.status = Status::kInternal;
    }
  }
  // Stale if the last leg was refused, but for one: a stray token leaves an established context be.
  (void)engine_->release(context);
  return outcome;
}

}  // namespace usher::cli
