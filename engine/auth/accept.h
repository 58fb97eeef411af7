// One token in, one verdict out; or many at once, stage by stage.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/auth/authority.h"
#include "engine/auth/bindings.h"
#include "engine/auth/context_pool.h"
#include "engine/auth/credential.h"
#include "engine/auth/replay_cache.h"
#include "engine/auth/ticket_cache.h"
#include "engine/clock.h"
#include "engine/crypto/kit.h"
#include "engine/random.h"
#include "engine/slots/seen_counts.h"
#include "engine/status.h"
#include "parsers/bytes.h"
#include "parsers/gss.h"

namespace usher::auth {

struct AcceptRequest {
  Credential* credential = nullptr;
  ContextHandle context;  // Default for the first token of an exchange.
  Bytes token;            // Read during the call, never kept. Empty for none: asks for the hint.
  // Room for the reply token; kReplySizeMax is always enough. With less a reply may not fit, which
  // is found out before anything has come of the token: see kReplyTooLong below.
  MutableBytes reply;

  // On a refusal, answer with a KRB-ERROR, in SPNEGO with a NegTokenResp that rejects
  // (ASC_REQ_EXTENDED_ERROR).
  bool error_tokens = false;

  // Each leg may name them; those of the leg that brings the client's count: the AP-REQ, or the
  // AUTHENTICATE.
  ChannelBindings bindings;
  BindingDemand binding_demand;

  // Protections that a client without is refused for (ASC_REQ_INTEGRITY and its like), on each leg
  // from the one on that says what the client wants.
  gss::ContextFlags required{};

  bool take_delegation = false;  // ASC_REQ_DELEGATE; the policy has to accept it, too.

  // Also nobody may sign on (ASC_REQ_ALLOW_NULL_SESSION); the policy has to allow it, too.
  bool allow_anonymous = false;

  // An authenticator that was seen before is let in, and AcceptReply::replayed says so: for a
  // caller that knows it is asking twice about one and the same request of a client
  // (ASC_REQ_ALLOW_CONTEXT_REPLAY).
  bool allow_replay = false;

  // Who learns that the credential's authority has answered, and what that inquiry is to be tagged
  // with. Without one no authority is asked, and its clients are refused.
  Asker* asker = nullptr;
  std::uint64_t tag = 0;

  // The second call about a token whose first gave kAsked, everything else as in the first: the
  // answered inquiry, or none if it has been abandoned because its time was over.
  bool resumed = false;
  const Inquiry* inquiry = nullptr;

  // Replays of recordings only: a CHALLENGE that was really sent, in place of a fresh one. Whoever
  // sets it chooses the server challenge, and with it gives up NTLM's freshness.
  Bytes recorded_challenge;
};

struct AcceptReply {
  Verdict verdict;
  ContextHandle context;         // Good if succeeded(verdict.status); else there is none to free.
  Inquiry* inquiry = nullptr;    // When the status is kAsked: the caller's to abandon or to close.
  std::uint32_t reply_size = 0;  // Bytes of AcceptRequest::reply to send, whatever the verdict.

  // When the status is kEstablished:
  gss::ContextFlags flags{};
  std::int64_t expires_s = 0;  // Since 1970; 0: never.
  bool replayed = false;       // Let in by allow_replay alone.

  // When succeeded(verdict.status): there is a form in which this client can be told of an error.
  bool tells_errors = false;

  // Whatever the status, once they have been looked at, now or on an earlier leg.
  BindingResult bindings = BindingResult::kUnchecked;
  bool client_supports_bindings = false;
};

// Environment is what all threads of an engine share.
struct Environment {
  ContextPool& contexts;
  ReplayCache& replays;
  const Clock& clock;
  TicketCache* tickets = nullptr;  // Null: no ticket is remembered.
};

// Desk is one thread's working memory for a turn: ciphers, randomness, job batches and the arena
// decrypted tickets lie in, wiped at the end of each turn. Made once; nothing allocates later.
class Desk {
 public:
  // make prepares for `tokens` tokens of up to kTokenSizeMax a turn (at most kBatchMax). `random`
  // null means make_system_random(), `kit` null Kit::make(), with ipsec-mb beside it where there is
  // one; over a kit that is given all is done with that. Null if memory or OpenSSL fails.
  [[nodiscard]] static std::unique_ptr<Desk> make(
      std::size_t tokens, std::unique_ptr<RandomSource> random = nullptr,
      std::unique_ptr<crypto::Kit> kit = nullptr) noexcept;
  virtual ~Desk() = default;

  // ticket_counts tells how often this desk has found tickets that were opened before, and
  // all_ticket_counts how often all desks of the process have, also those that are gone. Any
  // thread, no lock.
  [[nodiscard]] SeenCounts ticket_counts() const noexcept;
  [[nodiscard]] static SeenCounts all_ticket_counts() noexcept;

  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

 protected:
  Desk() = default;
};

// make_bindings hashes `fields` with the desk's own ciphers (bindings.h).
[[nodiscard]] bool make_bindings(Desk& desk, const BindingFields& fields,
                                 ChannelBindings& out) noexcept;

// accept runs stages 3 to 10 over all requests, in turns of as many as fit the desk. replies[i]
// answers requests[i]; sizes are equal. No two requests may name one context (the later one gets
// kContextBusy). No request influences another's verdict, except that of two with the same
// authenticator the later is a replay. Any thread, one desk each; no lock, no allocation, no system
// call, but for what an authority does when it is asked (a wake-up, or the embedding program's
// own).
//
// kAsked says that the credential's authority has been asked who the client is. The caller keeps
// the request and its token as they are until request.asker is told, or gives up after the
// authority's deadline; then it calls again with `resumed`, and then closes the inquiry. Meanwhile
// the context takes no other token.
//
// A request that is refused leaves nothing behind: its context, also one it continued, is wiped and
// its handle stale. Two refusals spare the context they name, because somebody is using it:
// kNotHalfOpen (it is established) and kContextBusy (another thread has it). A third leaves it as
// it was before the token came, kReplyTooLong: with more room the call may be made again, also the
// first one of an exchange, which is no replay then.
void accept(Desk& desk, const Environment& environment, std::span<const AcceptRequest> requests,
            std::span<AcceptReply> replies) noexcept;

}  // namespace usher::auth
