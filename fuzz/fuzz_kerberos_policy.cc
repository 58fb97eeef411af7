// engine/auth, Kerberos: one token under a policy and a call that the input chooses. Whoever
// is stricter accepts no more and nobody else, and says what he is strict about.
#include <algorithm>

#include "fuzz/support/policy_choice.h"
#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"
#include "parsers/spnego.h"

namespace usher::fuzz {
namespace {

// Outcome is a verdict and, of a sign-on, who it was.
struct Outcome {
  Status status{};
  Octets who;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// offer takes an exchange to its end; a client in DCE style answers as it should.
Outcome offer(Door& door, Bytes token, const Choice& choice) {
  auth::Credential& credential =
      choice.options.knows_krbtgt ? *world().knowing : *world().credential;
  credential.policy = choice.policy;
  Door::Answer answer = door.accept(token, {}, choice.options);
  if (answer.status == Status::kContinue) {
    const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
    const std::optional<Octets> leg = answer_ap_rep(
        init.ok() ? init->mech_token : token, answer.reply, init.ok() ? init->mech_types : Bytes{});
    if (leg) {
      answer = door.accept(*leg, answer.context, choice.options);
    }
  }
  Outcome outcome{.status = answer.status, .who = {}};
  if (answer.status == Status::kEstablished) {
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context = door.environment().contexts.pin(answer.context, status);
    check(bool(context), "a sign-on leaves a context");
    check(choice.policy.pac != auth::PacPolicy::kRequire || !context->pac.empty(),
          "a PAC that is required is there");
    check(choice.policy.pac != auth::PacPolicy::kIgnore || context->pac.empty(),
          "a PAC that is ignored is not");
    check(context->delegated.empty() ||
              (choice.options.take_delegation && choice.policy.accept_delegation),
          "nothing is kept that nobody asked for");
    constexpr std::int32_t kRc4 = 23;
    check(context->key_etype != kRc4 || choice.policy.allow_rc4, "RC4 only where it is allowed");
    check(gss::has(context->flags, gss::ContextFlags::kMutual) ||
              gss::has(context->flags, gss::ContextFlags::kDceStyle) ||
              !choice.policy.require_mutual,
          "whoever has to prove himself has been asked to");
    outcome.who = mint::octets_of(context->user());
    mint::append(outcome.who, context->realm());
    mint::append(outcome.who, context->service());
  }
  return outcome;
}
Outcome offer(Bytes token, const Choice& choice) {
  Door door;
  return offer(door, token, choice);
}

// is_asked_for says whether a policy or a call can lead to this refusal.
bool is_asked_for(Status status, const Choice& choice) {
  const auth::Policy& policy = choice.policy;
  switch (status) {
    case Status::kRc4:
      return !policy.allow_rc4;
    case Status::kWeakerKey:
      return !policy.allow_weaker_keys;
    case Status::kMutualRequired:
      return policy.require_mutual;
    case Status::kTransited:
      return policy.check_transited;
    case Status::kAddresses:
      return policy.check_addresses;
    case Status::kTargetRefused:
      return policy.target_policy == auth::TargetPolicy::kListed;
    case Status::kPacMissing:
      return policy.pac == auth::PacPolicy::kRequire ||
             (choice.options.knows_krbtgt && policy.pac != auth::PacPolicy::kIgnore);
    case Status::kPacClient:
    case Status::kPacKdcSignature:
      return policy.pac != auth::PacPolicy::kIgnore;
    case Status::kBindingsMissing:
    case Status::kBindingsWrong:
      return policy.bindings != auth::BindingPolicy::kNever &&
             (choice.options.bindings.given || choice.options.binding_demand.proxy);
    case Status::kBindingsUnknown:
      return policy.bindings == auth::BindingPolicy::kAlways;
    case Status::kMalformedDelegation:
    case Status::kDelegationKey:
    case Status::kDelegationClient:
      return choice.options.take_delegation && policy.accept_delegation;
    case Status::kNoFreePage:
      return choice.options.take_delegation || policy.pac != auth::PacPolicy::kIgnore;
    default:
      return true;
  }
}

}  // namespace

// The input is what is chosen, in three octets, and a token.
void run_one(Bytes input) {
  if (input.size() <= Choice::kSize) {
    return;
  }
  Choice choice(input.first(Choice::kSize));
  const Bytes token = input.subspan(Choice::kSize);
  Client client;
  if (choice.see_client) {
    look(token, client);
    choice.see(client);
  }
  Outcome outcome;
  {
    Door door;
    outcome = offer(door, token, choice);
    reached(stage_of(outcome.status));
    check(outcome.status != Status::kInternal, "no token is anybody else's fault");
    check(is_asked_for(outcome.status, choice), "nobody is refused for what was not asked");
    if (outcome.status == Status::kEstablished) {
      const Outcome again = offer(door, token, choice);
      const bool may = !choice.policy.check_replays || choice.options.allow_replay;
      check(again == (may ? outcome : Outcome{Status::kReplay, {}}),
            "a token works once, unless it may work again");
    }
  }
  check(offer(token, choice) == outcome, "one token, one verdict");
  if (outcome.status == Status::kEstablished) {
    check(offer(token, Choice::lax()) == outcome, "whoever is lax accepts it, and nobody else");
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  if (size <= Choice::kSize || size_max <= Choice::kSize) {
    return usher::fuzz::hand_back({data, size}, data, size_max);
  }
  Mutator mutator(seed);
  if (mutator.chance(40)) {
    data[mutator.below(Choice::kSize)] ^= static_cast<std::uint8_t>(1u << mutator.below(8));
    return size;
  }
  const Octets token =
      mutate_ap_req({data + Choice::kSize, size - Choice::kSize}, size_max - Choice::kSize, seed);
  std::copy(token.begin(), token.end(), data + Choice::kSize);
  return Choice::kSize + token.size();
}
