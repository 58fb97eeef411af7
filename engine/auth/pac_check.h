// The PAC of a ticket, from a claim to something to rely on (MS-PAC 2.8, MS-KILE 3.4.5.3).
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// stage_pac reads the PAC of exchange.kerberos.ticket_data, if the policy `pac` wants it, and puts
// its server signature, which is to be of the key that opened the ticket and of the type this key
// makes, into the turn's batch. A PAC in an authenticator is the client's own word and never read.
// Nothing is staged for a ticket that was seen before: its PAC has been through all this. False:
// refused.
[[nodiscard]] bool stage_pac(Turn& turn, Exchange& exchange) noexcept;

// check_pac goes on with what was staged: that signature, the KDC's three signatures where
// Keys::kdc_ring is there, client name and sign-on time against the ticket, and that all SIDs of
// the client in it agree (CVE-2020-25719, CVE-2021-42287). False: refused. What was verified is in
// context.pac_signatures.
//
// With a kdc_ring, these are refused (kPacKdcSignature): a KDC signature that no krbtgt key of the
// ticket's realm has made, or of a realm the ring knows no krbtgt of; a ticket signature (type 16)
// that is missing or wrong; a full signature (type 19) that is wrong, or missing where the policy
// is kRequire or the server signature is HMAC-MD5. No service is excepted: sname is clear text.
// Cost: a constant number of checksums over the PAC and one over the ticket; nothing is allocated.
[[nodiscard]] bool check_pac(Turn& turn, Exchange& exchange) noexcept;

// keep_pac copies a verified PAC into the context's pages; false: refused, there are none free.
[[nodiscard]] bool keep_pac(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
