// engine/auth, Kerberos: one token under a policy and a call that the input chooses. Whoever
// is stricter accepts no more and nobody else, and says what he is strict about.
#include <algorithm>

#include "fuzz/support/ap_req_layers.h"
#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"
#include "parsers/host_addresses.h"
#include "parsers/spnego.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kChoiceSize = 3;

// Choice is what an input's first three octets make of policy and call.
struct Choice {
  auth::Policy policy;
  Door::Options options;
  bool see_client = false;  // The connection has the bindings and the address that the client has.

  explicit Choice(Bytes octets) {
    const std::uint32_t bits =
        octets[0] | std::uint32_t{octets[1]} << 8 | std::uint32_t{octets[2]} << 16;
    const auto bit = [bits](unsigned n) { return (bits >> n & 1) != 0; };
    const auto of_three = [bits](unsigned n) { return (bits >> n & 3) % 3; };
    policy.allow_rc4 = bit(0);
    policy.allow_weaker_keys = bit(1);
    policy.require_mutual = bit(2);
    policy.check_transited = !bit(3);
    policy.check_addresses = bit(4);
    policy.accept_delegation = bit(5);
    policy.check_replays = !bit(7);
    policy.target_policy = auth::TargetPolicy(of_three(8));
    if (policy.target_policy == auth::TargetPolicy::kListed) {
      policy.targets = {bit(10) ? "HTTP/other.example.test" : "http/WEB.example.test"};
    }
    policy.pac = auth::PacPolicy(of_three(11));
    policy.bindings = auth::BindingPolicy(of_three(13));
    policy.zero_bindings_present = bit(15);
    options.error_tokens = true;
    options.take_delegation = bit(22);
    options.knows_krbtgt = bit(6);
    options.bindings.given = bit(16);
    see_client = bit(17);
    options.binding_demand = {.allow_missing = bit(18), .proxy = bit(19), .audit = bit(20)};
    options.allow_replay = bit(21);
  }

  // lax accepts whatever anybody may.
  static Choice lax() {
    Choice choice(std::array<std::uint8_t, kChoiceSize>{});
    choice.policy.allow_rc4 = choice.policy.allow_weaker_keys = true;
    choice.policy.check_transited = false;
    choice.policy.target_policy = auth::TargetPolicy::kAny;
    choice.policy.pac = auth::PacPolicy::kIgnore;
    choice.policy.bindings = auth::BindingPolicy::kNever;
    return choice;
  }
};

// Client is what a token's own client knows of its connection.
struct Client {
  std::optional<ApReqLayers> layers;  // What the rest points into.
  Bytes bindings;
  krb5::HostAddress address;
};

void look(Bytes token, Client& client) {
  client.layers = open_layers(token);
  if (!client.layers) {
    return;
  }
  const auto authenticator = krb5::parse_authenticator(client.layers->authenticator);
  const auto ticket = krb5::parse_enc_ticket_part(client.layers->ticket);
  if (authenticator.ok()) {
    const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(authenticator->checksum);
    client.bindings = checksum.ok() ? checksum->bindings : Bytes{};
  }
  const auto addresses = krb5::parse_host_addresses(ticket.ok() ? ticket->addresses : Bytes{});
  if (addresses.ok()) {
    krb5::each_address(*addresses, [&](const krb5::HostAddress& one) { client.address = one; });
  }
}

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
  if (input.size() <= kChoiceSize) {
    return;
  }
  Choice choice(input.first(kChoiceSize));
  const Bytes token = input.subspan(kChoiceSize);
  Client client;
  if (choice.see_client) {
    look(token, client);
    auth::ChannelBindings& bindings = choice.options.bindings;
    std::ranges::copy(client.bindings, bindings.hash.begin());
    bindings.initiator_address_type = client.address.type;
    bindings.initiator_address = client.address.address;
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
  if (size <= kChoiceSize || size_max <= kChoiceSize) {
    return usher::fuzz::hand_back({data, size}, data, size_max);
  }
  Mutator mutator(seed);
  if (mutator.chance(40)) {
    data[mutator.below(kChoiceSize)] ^= static_cast<std::uint8_t>(1u << mutator.below(8));
    return size;
  }
  const Octets token =
      mutate_ap_req({data + kChoiceSize, size - kChoiceSize}, size_max - kChoiceSize, seed);
  std::copy(token.begin(), token.end(), data + kChoiceSize);
  return kChoiceSize + token.size();
}
