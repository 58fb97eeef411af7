// An AP-REQ token that world()'s acceptor accepts, with or without a PAC.
#pragma once

#include <algorithm>

#include "fuzz/support/world.h"
#include "tools/mint/dce_mint.h"
#include "tools/mint/pac_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::testing {

struct Minted {
  std::int32_t etype = 18;
  bool pac = true;
  bool spnego = false;
  bool bare = false;
  bool dce = false;  // Bare, and the client says so.
};
inline mint::Octets minted(const Minted& how) {
  fuzz::World& world = fuzz::world();
  const mint::Service& service =
      *std::ranges::find(world.services, how.etype, &mint::Service::etype);
  const mint::KerberosMint mint(*world.kit, fuzz::shared_random());
  mint::TicketFields ticket;
  ticket.auth_time = fuzz::kNowSeconds - 60;
  ticket.end_time = fuzz::kNowSeconds + 3600;
  ticket.session_etype = how.etype;
  if (how.pac) {
    mint::add_pac(*world.kit, fuzz::shared_random(), service, world.krbtgt, ticket);
  }
  mint::AuthenticatorFields authenticator;
  authenticator.ctime = fuzz::kNowSeconds;
  if (how.dce) {
    authenticator.context_flags = mint::kContextFlagsDce;
  }
  const mint::Octets message = mint.ap_req(mint.ticket(service, ticket), authenticator).message;
  if (how.dce && how.spnego) {
    return mint::optimistic({gss::Mechanism::kKerberos}, message);
  }
  return how.bare || how.dce ? message
         : how.spnego        ? mint::spnego_token(message)
                             : mint::gss_token(message);
}

}  // namespace usher::testing
