// What a Kerberos acceptor answers: AP-REP (RFC 4120 3.2.4), the third leg of DCE style (MS-KILE
// 3.4.5.1, RFC 4757 7.1) and KRB-ERROR (RFC 4120 5.9.1, MS-KILE 2.2.2).
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// check_dce_style compares how the AP-REQ came with what the client says under encryption: bare is
// DCE style, framed is not. False: refused.
[[nodiscard]] bool check_dce_style(Exchange& exchange) noexcept;

// keep_session_key keeps the ticket's session key in the context if a third leg, which is sealed
// with it, is going to follow. False: refused.
[[nodiscard]] bool keep_session_key(Exchange& exchange) noexcept;

// ap_rep_size is the most octets that the token of stage_reply's AP-REP will have.
[[nodiscard]] std::size_t ap_rep_size(const Exchange& exchange) noexcept;

// reply_key is the etype of the key that messages are protected with once our AP-REP is sent.
[[nodiscard]] const crypto::EtypeProfile& reply_key(const Exchange& exchange) noexcept;

// stage_reply makes the EncAPRepPart, with a fresh subkey and sequence number of ours (RFC 4120
// 3.2.4, RFC 4121 2, RFC 4537), and queues it for sealing; false: refused.
[[nodiscard]] bool stage_reply(Turn& turn, Exchange& exchange) noexcept;

// on_reply_sealed makes the AP-REP token of a sealed EncAPRepPart: framed, but bare in DCE style.
void on_reply_sealed(Turn& turn, Exchange& exchange) noexcept;

// on_third_leg takes the client's own AP-REP, which ends an exchange in DCE style.
void on_third_leg(Turn& turn, Exchange& exchange) noexcept;

// write_error makes the KRB-ERROR token of a refused exchange, if the caller wants one and RFC 4120
// 7.5.9 has a code for the refusal; otherwise, and if it does not fit, there is none. It says no
// more than the code, our clock, and the service's name as the client sent it.
void write_error(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
