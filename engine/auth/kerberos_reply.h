// What a Kerberos acceptor answers: AP-REP (RFC 4120 3.2.4), the third leg of DCE style (MS-KILE
// 3.4.5.1, RFC 4757 7.1) and KRB-ERROR (RFC 4120 5.9.1, MS-KILE 2.2.1).
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// stage_reply makes the EncAPRepPart, with a fresh subkey and sequence number of ours (RFC 4120
// 3.2.4, RFC 4121 2, RFC 4537), and queues it for sealing; false: refused.
[[nodiscard]] bool stage_reply(Turn& turn, Exchange& exchange) noexcept;

// on_reply_sealed makes the AP-REP token of a sealed EncAPRepPart, and for DCE style leaves the
// exchange waiting for its third leg.
void on_reply_sealed(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
