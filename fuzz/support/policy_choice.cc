#include "fuzz/support/policy_choice.h"

#include <algorithm>
#include <array>

#include "parsers/gss.h"
#include "parsers/krb5.h"

namespace usher::fuzz {

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

Choice::Choice(Bytes octets) {
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
  policy.cache_tickets = !bit(23);
  options.error_tokens = true;
  options.take_delegation = bit(22);
  options.knows_krbtgt = bit(6);
  options.bindings.given = bit(16);
  see_client = bit(17);
  options.binding_demand = {.allow_missing = bit(18), .proxy = bit(19), .audit = bit(20)};
  options.allow_replay = bit(21);
}

void Choice::see(const Client& client) {
  if (see_client) {
    auth::ChannelBindings& bindings = options.bindings;
    std::copy_n(client.bindings.begin(), std::min(client.bindings.size(), bindings.hash.size()),
                bindings.hash.begin());
    bindings.initiator_address_type = client.address.type;
    bindings.initiator_address = client.address.address;
  }
}

Choice Choice::lax() {
  Choice choice(std::array<std::uint8_t, kSize>{});
  choice.policy.allow_rc4 = choice.policy.allow_weaker_keys = true;
  choice.policy.check_transited = false;
  choice.policy.target_policy = auth::TargetPolicy::kAny;
  choice.policy.pac = auth::PacPolicy::kIgnore;
  choice.policy.bindings = auth::BindingPolicy::kNever;
  return choice;
}

}  // namespace usher::fuzz
