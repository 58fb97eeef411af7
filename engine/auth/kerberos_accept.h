// The Kerberos acceptor (RFC 4120 3.2.3, RFC 4121 4.1, MS-KILE 3.4.5), one function per state.
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// stage_ticket reads exchange.mech_token as an AP-REQ; queue_ticket puts its ticket, unless it is
// known already, into the turn's batch.
void stage_ticket(Turn& turn, Exchange& exchange) noexcept;
void queue_ticket(Turn& turn, Exchange& exchange) noexcept;

// try_next_key gives a ticket that its key did not open another key of its etype: the service's
// own, newest first, or for a service that the ring does not name everybody's. False if there is
// none left, kKeyTriesMax have been tried, or there is nothing to do.
[[nodiscard]] bool try_next_key(Exchange& exchange) noexcept;

// on_ticket_opened checks the ticket and puts the authenticator into the turn's batch.
void on_ticket_opened(Turn& turn, Exchange& exchange) noexcept;

// on_authenticator_opened checks the authenticator and puts the PAC's signature into the turn's
// batch.
void on_authenticator_opened(Turn& turn, Exchange& exchange) noexcept;

// on_pac_verified checks the PAC, establishes the context and, for mutual authentication, puts the
// EncAPRepPart into the turn's batch.
void on_pac_verified(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
