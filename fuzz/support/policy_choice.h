// A policy and a call of the acceptor that an input's octets choose, and what the client of a token
// knows of its own connection.
#pragma once

#include <optional>

#include "fuzz/support/ap_req_layers.h"
#include "fuzz/support/world.h"
#include "parsers/host_addresses.h"

namespace usher::fuzz {

// Client is what a token's own client knows of its connection.
struct Client {
  std::optional<ApReqLayers>
      layers;  // What the rest points into; nothing if they cannot be opened.
  Bytes bindings;
  krb5::HostAddress address;
};

// look fills in `client` from a token that opens with world()'s keys.
void look(Bytes token, Client& client);

// Choice is what kSize octets of an input make of policy and call.
struct Choice {
  static constexpr std::size_t kSize = 3;

  auth::Policy policy;
  Door::Options options;
  bool see_client = false;  // The connection has the bindings and the address that the client has.

  explicit Choice(Bytes octets);

  // see gives the connection what the client has, if it was chosen to.
  void see(const Client& client);

  // lax accepts whatever anybody may.
  static Choice lax();
};

}  // namespace usher::fuzz
