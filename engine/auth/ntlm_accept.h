// The NTLM acceptor (MS-NLMP 3.2.5), one function per state.
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// on_negotiate reads exchange.mech_token as a NEGOTIATE and answers with a CHALLENGE.
void on_negotiate(Turn& turn, Exchange& exchange) noexcept;

// on_authenticate reads exchange.mech_token as an AUTHENTICATE and puts its NTLMv2 response into
// the turn's batch.
void on_authenticate(Turn& turn, Exchange& exchange) noexcept;

// on_proof_verified establishes the context if proof and MIC were right.
void on_proof_verified(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
