// Credentials a client delegates: the KRB-CRED in the authenticator's checksum (RFC 4121 4.1.1.1).
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// open_delegation opens the KRB-CRED of exchange.kerberos.checksum if the caller asked for it and
// the policy accepts it; otherwise it is not looked at, and ASC_RET_DELEGATE not granted. It is
// encrypted with the session key or the client's subkey, or not at all: MIT's clients left that to
// the authenticator it travels in, and MIT's and Heimdal's acceptors take it. One that is
// malformed, or whose tickets and infos are not equally many, or that no key opens, or that names
// another client than the ticket refuses the sign-on: whoever holds the session key sent something
// broken, and half of what was asked for is not granted. Names may be left out. Timestamp, nonce
// and addresses are not looked at: it is as fresh as the authenticator around it. False: refused.
[[nodiscard]] bool open_delegation(Turn& turn, Exchange& exchange) noexcept;

// keep_delegation copies what was opened into the context's pages: a size (4 bytes, little-endian),
// the KRB-CRED message of that size, and the decrypted EncKrbCredPart; false: refused, no pages.
[[nodiscard]] bool keep_delegation(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
