// What an acceptor checks of a decrypted ticket and authenticator (RFC 4120 3.2.3, MS-KILE 3.4.5),
// each check with its own refusal.
#pragma once

#include "engine/auth/exchange.h"

namespace usher::auth {

// check_ticket decides whether exchange.kerberos.ticket is good now, by its flags, times, client,
// transited realms, addresses, keys and authorization data; false: refused.
[[nodiscard]] bool check_ticket(const Turn& turn, Exchange& exchange) noexcept;

// check_authenticator compares it with the ticket and the clock, and reads its checksum and
// authorization data into exchange.kerberos; false: refused.
[[nodiscard]] bool check_authenticator(const Turn& turn, Exchange& exchange) noexcept;

// check_target decides whether tickets for this service are accepted (policy kerberos.targets).
// `sname` and `realm` are the ticket's, which nothing protects: they choose keys, no more.
[[nodiscard]] bool check_target(Exchange& exchange) noexcept;

// check_key_owner decides whether the key that opened the ticket is one of a service that is
// accepted: with listed targets, its name in the keytab has to be listed, too. Otherwise a ticket
// for another service of the keytab would be let in under a name that only its clear part has.
[[nodiscard]] bool check_key_owner(Exchange& exchange) noexcept;

// check_replay comes last, so that only authenticators that would be accepted take up room.
[[nodiscard]] bool check_replay(const Turn& turn, Exchange& exchange) noexcept;

// wants_mutual says whether the client wants the acceptor to prove itself, too: by the AP option or
// by the checksum's flag, or because DCE style includes it. Nothing protects the AP option. All
// clients say it in both places, and then changing it changes nothing; otherwise an AP-REP is sent
// that nobody waits for, or none, and the client gives up. The policy kerberos.mutual does not go
// by the option where there is a checksum.
[[nodiscard]] bool wants_mutual(const KerberosWork& work) noexcept;

// key_profile returns the profile of a session key or subkey, or null if we do not serve its etype
// or its size is not the etype's.
[[nodiscard]] const crypto::EtypeProfile* key_profile(const krb5::EncryptionKey& key) noexcept;

}  // namespace usher::auth
