// engine/auth/accept.h, NTLM: the third message for a CHALLENGE that never changes. The mutator
// makes proof, key exchange and MIC again after a change; the acceptor checks everything.
#include <algorithm>
#include <numeric>

#include "fuzz/support/ntlm_layers.h"
#include "fuzz/support/reach.h"
#include "fuzz/support/world.h"
#include "parsers/ntlm.h"

namespace usher::fuzz {
namespace {

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

bool is(const Octets& name, std::string_view text) { return name == mint::octets_of(text); }

struct Outcome {
  Door::Answer answer;
  Octets user;
  Octets domain;
  Octets key;
  [[nodiscard]] Status status() const { return answer.status; }
  [[nodiscard]] bool accepted() const { return answer.status == Status::kEstablished; }
};

// offer plays an exchange; with `lax`, where policy allows what it may, and lists one service; with
// `asks`, where an authority knows what the accounts know.
Outcome offer(const NtlmExchange& exchange, Bytes authenticate, bool lax = false,
              bool asks = false) {
  Door door;
  if (lax) {
    auth::Policy& policy = world().credential->policy;
    policy.allow_ntlm_v1 = policy.allow_ntlm_anonymous = true;
    policy.ntlm_target = auth::NtlmTargetPolicy::kListed;
    policy.targets = {"HTTP/web.example.test"};
  }
  const Door::Answer first =
      door.accept(exchange.negotiate, {}, {.recorded_challenge = exchange.challenge, .asks = asks});
  check(first.status == Status::kContinue && same(first.reply, exchange.challenge),
        "the CHALLENGE is the one that was asked for");
  Outcome outcome;
  outcome.answer = door.accept(authenticate, first.context, {.asks = asks, .allow_anonymous = lax});
  if (outcome.accepted()) {
    Status status = Status::kEstablished;
    {
      const Pinned<auth::Context> context = door.environment().contexts.pin(first.context, status);
      check(bool(context) && context->is_ntlm(), "a sign-on leaves a context");
      outcome.user = mint::octets_of(context->user());
      outcome.domain = mint::octets_of(context->realm());
      outcome.key = mint::octets_of(context->key.bytes());
    }
    check(door.accept(authenticate, first.context).status == Status::kNotHalfOpen,
          "an exchange ends once");
  }
  return outcome;
}

bool mic_is_due(const ntlm::Authenticate& message) {
  const Result<ntlm::Ntlmv2Response> response = ntlm::parse_ntlmv2_response(message.nt_response);
  return response.ok() && response->pairs.has_flags &&
         (response->pairs.flags & ntlm::kAvFlagMic) != 0;
}

// check_accepted compares a sign-on with what a client who knows the password makes of the message.
void check_accepted(const NtlmExchange& exchange, Bytes authenticate, const Outcome& outcome) {
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(authenticate);
  const std::optional<NtlmSecrets> secrets = secrets_of(exchange, authenticate);
  check(message.ok() && secrets.has_value(), "whoever signs on has an account");
  check(same(secrets->proof, message->nt_response.first(secrets->proof.size())),
        "and has proved to know its password");
  check(!mic_is_due(*message) || same(secrets->mic, message->mic), "a MIC that is due is right");
  check(same(secrets->session_key, outcome.key), "both sides have the same key");
  check((is(outcome.user, "alice") || is(outcome.user, "bob")) && is(outcome.domain, "EXAMPLE"),
        "names are those of the accounts");
}

// check_neighbours offers what was accepted once more, changed in one place.
void check_neighbours(const NtlmExchange& exchange, Bytes authenticate, const Outcome& outcome) {
  const std::uint32_t place = std::accumulate(
      authenticate.begin(), authenticate.end(), std::uint32_t{2166136261u},
      [](std::uint32_t hash, std::uint8_t octet) { return (hash ^ octet) * 16777619u; });
  const std::size_t at = place % authenticate.size();
  const bool due = mic_is_due(*ntlm::parse_authenticate(authenticate));
  const Outcome shorter = offer(exchange, authenticate.first(at));
  Octets flipped = mint::octets_of(authenticate);
  flipped[at] = static_cast<std::uint8_t>(flipped[at] ^ 1u << (place >> 29));
  const Outcome other = offer(exchange, flipped);
  check(!due || (!shorter.accepted() && !other.accepted()), "a MIC covers every bit");
  for (const Outcome& neighbour : {shorter, other}) {
    check(!neighbour.accepted() ||
              (neighbour.user == outcome.user && neighbour.domain == outcome.domain),
          "without one, whoever changes the message stays who he is");
  }
  const Bytes proved = ntlm::parse_authenticate(authenticate)->nt_response;
  check(!other.accepted() || !within(authenticate.subspan(at, 1), proved),
        "the proof covers all that comes with it");

  NtlmExchange fresh = exchange;
  constexpr std::size_t kServerChallengeOffset = 24;
  fresh.challenge[kServerChallengeOffset + place % 8] ^= 1;
  check(!offer(fresh, authenticate).accepted(), "an answer is good for one CHALLENGE");
}

// check_asked offers a message where an authority is asked: it ends as it does here.
void check_asked(const NtlmExchange& exchange, Bytes authenticate, const Outcome& outcome,
                 bool lax) {
  const Outcome asked = offer(exchange, authenticate, lax, true);
  check(asked.status() == outcome.status() || asked.status() == Status::kAuthorityQuestion,
        "whoever knows the passwords, the verdict is the same");
  check(!asked.accepted() || (asked.user == outcome.user && asked.domain == outcome.domain &&
                              asked.key == outcome.key),
        "and so is everything else");
}

// check_lax offers a message where more is allowed: nobody becomes somebody, and DES responses are
// worth what NTLMv2's are.
void check_lax(const NtlmExchange& exchange, Bytes authenticate, const Outcome& outcome) {
  const Outcome lax = offer(exchange, authenticate, true);
  check_asked(exchange, authenticate, lax, true);
  if (outcome.accepted()) {
    check(lax.status() == Status::kNtlmTarget ||
              (lax.accepted() && lax.user == outcome.user && lax.key == outcome.key),
          "only another service's name is worse where one is listed");
    return;
  }
  check(lax.status() != outcome.status() || outcome.status() == Status::kNtlmAnonymous,
        "what policy allows is not refused for it");
  if (!lax.accepted()) {
    return;
  }
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(authenticate);
  if (outcome.status() == Status::kNtlmAnonymous) {
    check(message->user.empty() && message->nt_response.empty(), "nobody proves nothing");
    return check(is(lax.user, "ANONYMOUS LOGON") && is(lax.domain, "NT AUTHORITY"),
                 "and is called so");
  }
  check((is(lax.user, "alice") || is(lax.user, "bob")) && is(lax.domain, "EXAMPLE"),
        "a DES response is an account's");
  Octets flipped = mint::octets_of(authenticate);
  const std::size_t at =
      static_cast<std::size_t>(message->nt_response.data() - authenticate.data());
  flipped[at + authenticate.size() % message->nt_response.size()] ^= 1;
  check(!offer(exchange, flipped, true).accepted(), "and every bit of it counts");
}

// check_proved gives a refused message the proof it lacks: then it must not be that any more.
void check_proved(const NtlmExchange& exchange, Octets authenticate) {
  if (!sign_again(exchange, authenticate, true, true)) {
    return;  // Nobody knows a password for it.
  }
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(authenticate);
  const std::optional<NtlmSecrets> secrets = secrets_of(exchange, authenticate);
  // Where a name lies over the proof, or the MIC does, writing one has changed the other.
  if (secrets && same(secrets->proof, message->nt_response.first(secrets->proof.size()))) {
    check(offer(exchange, authenticate).status() != Status::kNtlmProof,
          "whoever knows the password has the right proof");
  }
}

}  // namespace

void run_one(Bytes authenticate) {
  const NtlmExchange& exchange = exchange_of(authenticate);
  const Outcome outcome = offer(exchange, authenticate);
  check_asked(exchange, authenticate, outcome, false);
  reached(stage_of(outcome.status()));
  check(outcome.status() != Status::kInternal && outcome.status() != Status::kContinue,
        "the third message is the last");
  if (outcome.accepted()) {
    check_accepted(exchange, authenticate, outcome);
    check_neighbours(exchange, authenticate, outcome);
    check_lax(exchange, authenticate, outcome);
    const Outcome again = offer(exchange, authenticate);
    check(again.user == outcome.user && again.key == outcome.key, "one message, one verdict");
  } else if (outcome.status() == Status::kNtlmV1 || outcome.status() == Status::kNtlmAnonymous) {
    check_lax(exchange, authenticate, outcome);
  } else if (outcome.status() == Status::kNtlmProof) {
    check_proved(exchange, mint::octets_of(authenticate));
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_authenticate({data, size}, size_max, seed), data, size_max);
}
