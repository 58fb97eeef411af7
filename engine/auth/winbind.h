// A Windows or Samba domain as an authority, asked through Samba's winbindd on this machine, which
// has joined the domain and passes NTLM responses on to a domain controller.
#pragma once

#include <memory>

#include "engine/auth/asking_threads.h"
#include "engine/auth/credential.h"

namespace usher::auth {

// make_winbind_answerer makes one thread's connection to winbindd; it is opened at the first
// question, and again after winbindd was away. Null if this build has no libwbclient, or without
// memory. The process needs access to winbindd's privileged pipe: group winbindd_priv, or root.
//
// An answer carries the user session key, the account's name and domain as the domain controller
// spells them, and a PAC with what it says of the account: names, UPN, times, SIDs of the user and
// its groups. Refusals: kNtlmProof for a wrong password and for nobody, kAccountDisabled and the
// like where the domain controller tells, kAuthorityAbsent (no winbindd), kAuthorityDenied (its
// pipe is closed to us), kAuthorityNoServer (no domain controller), kAuthorityNoTrust (the machine
// is not joined, or not any more), kAuthorityOtherServer (see take_domain_names), kAuthorityFailed.
[[nodiscard]] std::unique_ptr<Answerer> make_winbind_answerer() noexcept;

// take_domain_names puts the names under which the domain knows this machine, as winbindd tells
// them, in place of those of `target` that are as local_ntlm_target made them. A domain controller
// compares the NetBIOS names in a response with them, and refuses everybody if they differ. Null,
// or what is wrong, for people. Blocks and allocates.
[[nodiscard]] const char* take_domain_names(NtlmTarget& target);

}  // namespace usher::auth
