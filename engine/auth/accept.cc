#include "engine/auth/accept.h"

#include <algorithm>
#include <memory>
#include <new>

#include "engine/auth/exchange.h"
#include "engine/auth/kerberos_accept.h"
#include "engine/auth/kerberos_reply.h"
#include "engine/auth/negotiate.h"
#include "engine/auth/ntlm_accept.h"

namespace usher::auth {
namespace {

// Never destroyed: threads may outlive main, and count until they end.
union TicketsSeen {
  constexpr TicketsSeen() noexcept : tally() {}
  ~TicketsSeen() {}
  SeenTally tally;
};
constinit TicketsSeen g_tickets_seen;

// asks_for_hint says whether no token at all is in order: the first call of SPNEGO.
bool asks_for_hint(const Exchange& exchange) noexcept {
  return exchange.opened_now && exchange.request->credential->package == Package::kNegotiate;
}

// 3 bind: the request's context, new or continued, pinned for the turn.
void bind(Turn& turn, Exchange& exchange) noexcept {
  const AcceptRequest& request = *exchange.request;
  ContextPool& contexts = turn.environment.contexts;
  Status status = Status::kContinue;
  if (request.context == ContextHandle{}) {
    exchange.opened_now = true;
    exchange.context = contexts.open(turn.steady_us, status);
  } else {
    exchange.context = contexts.pin(request.context, status);
  }
  if (!exchange.context) {
    return exchange.refuse(status);
  }
  const Context& context = *exchange.context;
  exchange.before = context.state;
  if (context.state == State::kEstablished) {
    exchange.spares_context = true;  // A stray token must not end a session that is in use.
    return exchange.refuse(Status::kNotHalfOpen);
  }
  if ((context.state == State::kAuthorityAsked) != request.resumed) {
    exchange.spares_context = true;  // Whoever has asked is waiting for the answer.
    return exchange.refuse(Status::kContextBusy);
  }
  if (request.resumed && request.inquiry == nullptr) {
    return exchange.refuse(Status::kAuthorityLate);
  }
  if (turn.steady_us >= context.deadline_s * kMicrosPerSecond) {
    return exchange.refuse(Status::kHalfOpenTooLong);
  }
  if (request.credential == nullptr) {
    return exchange.refuse(Status::kStaleHandle);
  }
  if (request.token.empty() && !asks_for_hint(exchange)) {
    return exchange.refuse(Status::kEmptyToken);
  }
  if (request.token.size() > kTokenSizeMax) {
    return exchange.refuse(Status::kTokenTooLong);
  }
  exchange.keys = &turn.desk.keys.of(*request.credential);
}

// stage hands a token that now has a mechanism to that mechanism.
void stage(Turn& turn, Exchange& exchange) noexcept {
  switch (exchange.context->state) {
    case State::kFirstToken:
    case State::kHintSent:
    case State::kMechTokenOwed:
      return exchange.context->is_ntlm() ? on_negotiate(turn, exchange)
                                         : stage_ticket(turn, exchange);
    case State::kChallengeSent:
    case State::kAuthorityAsked:
      return on_authenticate(turn, exchange);
    case State::kThirdLegOwed:
      return on_third_leg(turn, exchange);
    case State::kTicketQueued:
    case State::kAuthenticatorQueued:
    case State::kPacQueued:
    case State::kProofQueued:
    case State::kMicOwed:
    case State::kEstablished:
    case State::kFailed:
      return;
  }
}

// 4 unwrap, 5 decode, 6 stage.
void decode(Turn& turn, Exchange& exchange) noexcept {
  exchange.is_first_token = exchange.opened_now || exchange.in(State::kHintSent);
  if (exchange.is_first_token) {
    on_first_token(turn, exchange);
  } else {
    on_later_token(turn, exchange);
  }
  if (exchange.live() && !exchange.mech_token.empty()) {
    stage(turn, exchange);
  }
}

// 7 open tickets; a ticket that its key does not open is tried with the service's other keys.
void open_all_tickets(TurnDesk& desk, std::span<Exchange> exchanges) noexcept {
  bool again = true;
  while (again) {
    crypto::open_tickets(*desk.lanes, desk.tickets.jobs());
    again = false;
    for (Exchange& exchange : exchanges) {
      again |= exchange.in(State::kTicketQueued) && try_next_key(exchange);
    }
  }
}

// The reply is written and the context either kept or given up.
void finish(Turn& turn, Exchange& exchange) noexcept {
  if (!exchange.live()) {
    write_error(turn, exchange);
  }
  write_reply(turn, exchange);
  AcceptReply& reply = *exchange.reply;
  ContextPool& contexts = turn.environment.contexts;
  if (!exchange.live()) {
    if (exchange.context && !exchange.spares_context) {
      contexts.release(exchange.context);
    }
  } else {
    reply.bindings = exchange.context->bindings;
    reply.client_supports_bindings = exchange.context->client_supports_bindings;
    // NTLM itself has no message that says no.
    reply.tells_errors = exchange.context->spnego || !exchange.context->is_ntlm();
    if (exchange.context->state == State::kEstablished) {
      contexts.establish(exchange.context);
      exchange.verdict.status = Status::kEstablished;
      reply.flags = exchange.context->flags;
      reply.expires_s = exchange.context->expires_s;
      reply.replayed = exchange.context->replayed;
    } else if (exchange.context->state == State::kAuthorityAsked) {
      exchange.verdict.status = Status::kAsked;
      // How long the answer takes is not the client's fault; and one second for each rounding.
      contexts.prolong(
          exchange.context, turn.steady_us,
          exchange.request->credential->authority->deadline_us() / kMicrosPerSecond + 2);
    }
    reply.context = exchange.context.handle();
  }
  reply.verdict = exchange.verdict;
  std::destroy_at(&exchange);  // Gives back the pin.
  std::construct_at(&exchange);
}

// each runs `stage` over the exchanges that wait in `state`.
template <class Stage>
void each(Turn& turn, std::span<Exchange> exchanges, State state, Stage stage) noexcept {
  for (Exchange& exchange : exchanges) {
    if (exchange.in(state)) {
      stage(turn, exchange);
    }
  }
}

// prefetch begins to fetch the front of a token that will be read soon: it came from the network,
// perhaps by way of another processor.
void prefetch(Bytes token) noexcept {
  constexpr std::size_t kFront = 8192;
  constexpr std::size_t kAtOnce = 8 * kCacheLine;
  Bytes front = token.first(std::min(token.size(), kFront));
  for (; front.size() >= kAtOnce; front = front.subspan(kAtOnce)) {
    for (std::size_t at = 0; at < kAtOnce; at += kCacheLine) {
      __builtin_prefetch(front.data() + at);
    }
  }
  for (std::size_t at = 0; at < front.size(); at += kCacheLine) {
    __builtin_prefetch(front.data() + at);
  }
}

// run_turn is the pipeline of ARCHITECTURE.md, stages 3 to 10.
void run_turn(Turn& turn, std::span<const AcceptRequest> requests,
              std::span<AcceptReply> replies) noexcept {
  TurnDesk& desk = turn.desk;
  const std::span<Exchange> exchanges = std::span(desk.exchanges).first(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (i + 1 < requests.size()) {
      prefetch(requests[i + 1].token);
    }
    std::construct_at(&replies[i]);
    exchanges[i].request = &requests[i];
    exchanges[i].reply = &replies[i];
    bind(turn, exchanges[i]);
    if (exchanges[i].live()) {
      decode(turn, exchanges[i]);
    }
  }
  each(turn, exchanges, State::kTicketQueued, queue_ticket);
  open_all_tickets(desk, exchanges);
  each(turn, exchanges, State::kTicketQueued, on_ticket_opened);
  crypto::open_authenticators(*desk.lanes, desk.authenticators.jobs());
  each(turn, exchanges, State::kAuthenticatorQueued, on_authenticator_opened);
  crypto::verify_checksums(*desk.lanes, desk.checksums.jobs());
  each(turn, exchanges, State::kPacQueued, on_pac_verified);
  crypto::verify_proofs(*desk.lanes, desk.proofs.jobs());
  each(turn, exchanges, State::kProofQueued, on_proof_verified);
  crypto::seal_replies(*desk.lanes, desk.seals.jobs());
  for (Exchange& exchange : exchanges) {
    if (exchange.live() && exchange.kerberos.seal_job != nullptr) {
      on_reply_sealed(turn, exchange);
    }
    finish(turn, exchange);
  }
  for (crypto::AuthenticatorJob& job : desk.authenticators.jobs()) {
    job.keys->clear();
  }
  desk.tickets.clear();
  desk.authenticators.clear();
  desk.checksums.clear();
  desk.seals.clear();
  desk.proofs.clear();
  desk.arena.wipe();
  desk.key_search.forget();
  desk.keys.give_back();
}

}  // namespace

bool Exchange::serves_kerberos() const noexcept {
  return request->credential->serves_kerberos(*keys);
}

bool Exchange::serves_ntlm() const noexcept { return request->credential->serves_ntlm(*keys); }

void Exchange::refuse(Status status) noexcept { verdict = {status, {}}; }

void Exchange::refuse(Status status, ParseFault fault, Bytes part) noexcept {
  const Bytes token = request->token;
  // Addresses are compared as numbers: `part` may lie in the arena instead.
  const auto begin = reinterpret_cast<std::uintptr_t>(token.data());
  const auto at = reinterpret_cast<std::uintptr_t>(part.data());
  if (at >= begin && at <= begin + token.size()) {
    fault.offset += static_cast<std::uint32_t>(at - begin);
  }
  verdict = {status, fault};
}

bool Exchange::check_protection(gss::ContextFlags granted) noexcept {
  if ((granted & request->required) != request->required) {
    refuse(Status::kProtectionMissing);
  }
  return live();
}

bool Exchange::check_bindings(const ClientBindings& client) noexcept {
  const BindingVerdict judged = judge_bindings(request->credential->policy, request->binding_demand,
                                               request->bindings, client);
  reply->bindings = context->bindings = judged.result;
  reply->client_supports_bindings = context->client_supports_bindings = judged.client_supports;
  if (judged.status != Status::kContinue) {
    refuse(judged.status);
  }
  return live();
}

void Arena::wipe() noexcept {
  usher::wipe(all_.first(static_cast<std::size_t>(free_.data() - all_.data())));
  free_ = all_;
}

std::unique_ptr<Desk> Desk::make(std::size_t tokens, std::unique_ptr<RandomSource> random,
                                 std::unique_ptr<crypto::Kit> kit) noexcept {
  assert(tokens >= 1 && tokens <= kBatchMax);
  const auto choice = kit == nullptr ? crypto::LanesChoice::kAuto : crypto::LanesChoice::kOpenssl;
  if (kit == nullptr) {
    kit = crypto::Kit::make();
  }
  if (random == nullptr) {
    random = make_system_random();
  }
  std::unique_ptr<crypto::Lanes> lanes =
      kit == nullptr ? nullptr : crypto::Lanes::make(*kit, choice, tokens);
  // Not initialised: pages that no token reaches are never touched.
  std::unique_ptr<std::uint8_t[]> memory(new (std::nothrow)
                                             std::uint8_t[TurnDesk::arena_size(tokens)]);
  SeenTally::Lent counter = g_tickets_seen.tally.lend();
  if (lanes == nullptr || random == nullptr || memory == nullptr || !counter) {
    return nullptr;
  }
  return std::unique_ptr<Desk>(new (std::nothrow) TurnDesk(tokens, std::move(kit), std::move(lanes),
                                                           std::move(random), std::move(memory),
                                                           std::move(counter)));
}

SeenCounts Desk::ticket_counts() const noexcept {
  return static_cast<const TurnDesk&>(*this).tickets_seen.counts();
}

SeenCounts Desk::all_ticket_counts() noexcept { return g_tickets_seen.tally.counts(); }

bool make_bindings(Desk& desk, const BindingFields& fields, ChannelBindings& out) noexcept {
  return make_bindings(*static_cast<TurnDesk&>(desk).kit, fields, out);
}

void accept(Desk& desk, const Environment& environment, std::span<const AcceptRequest> requests,
            std::span<AcceptReply> replies) noexcept {
  assert(requests.size() == replies.size());
  auto& turn_desk = static_cast<TurnDesk&>(desk);
  while (!requests.empty()) {
    const std::size_t count = std::min(turn_desk.capacity, requests.size());
    Turn turn{turn_desk, environment, environment.clock.wall_us(), environment.clock.steady_us()};
    run_turn(turn, requests.first(count), replies.first(count));
    requests = requests.subspan(count);
    replies = replies.subspan(count);
  }
}

}  // namespace usher::auth
