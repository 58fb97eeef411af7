// Negotiate: which mechanism, and SPNEGO around it (RFC 4178, MS-SPNG 3.2.5).
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// on_first_token finds the mechanism of a bare or SPNEGO token and sets exchange.mech_token, or
// answers that the mechanism's first token is owed. No token at all is answered with a hint of what
// there is, and the client's token then comes here, too.
void on_first_token(Turn& turn, Exchange& exchange) noexcept;

// on_later_token takes the mechanism token or the mechListMIC out of a later token.
void on_later_token(Turn& turn, Exchange& exchange) noexcept;

// has_room says whether there is room for a reply with a mechanism's token of `token_size` octets
// (0: none) and, in SPNEGO, a mechListMIC of `mic_size` (0: none). If not, the exchange is refused
// and its context is as it was when the token came. To be asked before anything comes of a token
// that a second one like it would be refused for. The size is exact or, for a token with random
// numbers in it, their largest.
[[nodiscard]] bool has_room(Exchange& exchange, std::size_t token_size,
                            std::size_t mic_size) noexcept;

// conclude is called when the mechanism is content: it checks the client's mechListMIC, if there is
// one, and either completes the exchange or leaves it owing the MIC.
void conclude(Turn& turn, Exchange& exchange) noexcept;

// write_reply puts the reply token or hint of a live exchange, or the reject token of a refused
// one, into request.reply.
void write_reply(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
