// What a domain's refusal means to us: NTSTATUS (MS-ERREF 2.3) to Status.
#pragma once

#include <cstdint>

#include "engine/status.h"

namespace usher::auth {

// NtRefusal is one row of the table.
struct NtRefusal {
  std::uint32_t nt_status;
  Status status;
};

// Those that winbindd passes on from a domain controller or has of its own, on its way to one.
inline constexpr NtRefusal kNtRefusals[] = {
    {0xc0000064, Status::kNtlmProof},  // NO_SUCH_USER; also of a domain that nobody knows.
    {0xc000006a, Status::kNtlmProof},  // WRONG_PASSWORD
    // INVALID_PARAMETER: a response whose AV pairs Samba's domain controller cannot read.
    // NOT_FOUND: it says so of a wrong password where the user came as user@domain.
    {0xc000000d, Status::kNtlmProof},
    {0xc0000225, Status::kNtlmProof},
    // LOGON_FAILURE. Of names and passwords controllers say the two above; this they say if the
    // server names in the response, which come from the CHALLENGE, are not those of the machine
    // that asks (since CVE-2015-0005): a relayed response, or ours are set wrong.
    {0xc000006d, Status::kAuthorityOtherServer},

    {0xc0000072, Status::kAccountDisabled},    // ACCOUNT_DISABLED
    {0xc0000193, Status::kAccountExpired},     // ACCOUNT_EXPIRED
    {0xc0000234, Status::kAccountLocked},      // ACCOUNT_LOCKED_OUT
    {0xc0000071, Status::kPasswordExpired},    // PASSWORD_EXPIRED
    {0xc0000224, Status::kPasswordExpired},    // PASSWORD_MUST_CHANGE
    {0xc000006e, Status::kAccountRestricted},  // ACCOUNT_RESTRICTION; also of Protected Users.
    {0xc000006f, Status::kAccountRestricted},  // INVALID_LOGON_HOURS
    {0xc0000070, Status::kAccountRestricted},  // INVALID_WORKSTATION
    {0xc0000155, Status::kAccountRestricted},  // LOGON_NOT_GRANTED
    {0xc000015b, Status::kAccountRestricted},  // LOGON_TYPE_NOT_GRANTED
    {0xc0000198, Status::kAccountRestricted},  // NOLOGON_INTERDOMAIN_TRUST_ACCOUNT
    {0xc0000199, Status::kAccountRestricted},  // NOLOGON_WORKSTATION_TRUST_ACCOUNT
    {0xc000019a, Status::kAccountRestricted},  // NOLOGON_SERVER_TRUST_ACCOUNT
    {0xc00002fa, Status::kAccountRestricted},  // SMARTCARD_LOGON_REQUIRED
    {0xc0000413, Status::kAccountRestricted},  // AUTHENTICATION_FIREWALL_FAILED
    {0xc0000418, Status::kAccountRestricted},  // NTLM_BLOCKED

    {0xc000005e, Status::kAuthorityNoServer},  // NO_LOGON_SERVERS
    {0xc0000192, Status::kAuthorityNoServer},  // NETLOGON_NOT_STARTED
    {0xc0000233, Status::kAuthorityNoServer},  // DOMAIN_CONTROLLER_NOT_FOUND
    {0xc00000ac, Status::kAuthorityNoServer},  // PIPE_NOT_AVAILABLE
    {0xc00000b0, Status::kAuthorityNoServer},  // PIPE_DISCONNECTED
    {0xc00000b5, Status::kAuthorityNoServer},  // IO_TIMEOUT
    {0xc00000bc, Status::kAuthorityNoServer},  // REMOTE_NOT_LISTENING
    {0xc00000be, Status::kAuthorityNoServer},  // BAD_NETWORK_PATH
    {0xc00000bf, Status::kAuthorityNoServer},  // NETWORK_BUSY
    {0xc00000c3, Status::kAuthorityNoServer},  // INVALID_NETWORK_RESPONSE
    {0xc00000c4, Status::kAuthorityNoServer},  // UNEXPECTED_NETWORK_ERROR
    {0xc00000c9, Status::kAuthorityNoServer},  // NETWORK_NAME_DELETED
    {0xc00000d6, Status::kAuthorityNoServer},  // VIRTUAL_CIRCUIT_CLOSED
    {0xc000013b, Status::kAuthorityNoServer},  // LOCAL_DISCONNECT
    {0xc000013c, Status::kAuthorityNoServer},  // REMOTE_DISCONNECT
    {0xc000013e, Status::kAuthorityNoServer},  // LINK_FAILED
    {0xc000013f, Status::kAuthorityNoServer},  // LINK_TIMEOUT
    {0xc000014b, Status::kAuthorityNoServer},  // PIPE_BROKEN
    {0xc000020c, Status::kAuthorityNoServer},  // CONNECTION_DISCONNECTED
    {0xc000020d, Status::kAuthorityNoServer},  // CONNECTION_RESET
    {0xc0000236, Status::kAuthorityNoServer},  // CONNECTION_REFUSED
    {0xc0000237, Status::kAuthorityNoServer},  // GRACEFUL_DISCONNECT
    {0xc000023a, Status::kAuthorityNoServer},  // CONNECTION_INVALID
    {0xc000023c, Status::kAuthorityNoServer},  // NETWORK_UNREACHABLE
    {0xc000023d, Status::kAuthorityNoServer},  // HOST_UNREACHABLE
    {0xc000023e, Status::kAuthorityNoServer},  // PROTOCOL_UNREACHABLE
    {0xc000023f, Status::kAuthorityNoServer},  // PORT_UNREACHABLE
    {0xc0000241, Status::kAuthorityNoServer},  // CONNECTION_ABORTED
    {0xc0000466, Status::kAuthorityNoServer},  // SERVER_UNAVAILABLE
    {0xc0020017, Status::kAuthorityNoServer},  // RPC_NT_SERVER_UNAVAILABLE
    {0xc0020018, Status::kAuthorityNoServer},  // RPC_NT_SERVER_TOO_BUSY
    {0xc002001b, Status::kAuthorityNoServer},  // RPC_NT_CALL_FAILED
    {0xc002001c, Status::kAuthorityNoServer},  // RPC_NT_CALL_FAILED_DNE
    {0xc0020052, Status::kAuthorityNoServer},  // RPC_NT_COMM_FAILURE

    // ACCESS_DENIED: winbindd itself never says so on its privileged pipe. A domain controller
    // does when it refuses the machine's own password.
    {0xc0000022, Status::kAuthorityNoTrust},
    {0xc00000da, Status::kAuthorityNoTrust},  // CANT_ACCESS_DOMAIN_INFO
    {0xc00000df, Status::kAuthorityNoTrust},  // NO_SUCH_DOMAIN
    {0xc000018a, Status::kAuthorityNoTrust},  // NO_TRUST_LSA_SECRET
    {0xc000018b, Status::kAuthorityNoTrust},  // NO_TRUST_SAM_ACCOUNT
    {0xc000018c, Status::kAuthorityNoTrust},  // TRUSTED_DOMAIN_FAILURE
    {0xc000018d, Status::kAuthorityNoTrust},  // TRUSTED_RELATIONSHIP_FAILURE
    {0xc0000190, Status::kAuthorityNoTrust},  // TRUST_FAILURE
    {0xc000019b, Status::kAuthorityNoTrust},  // DOMAIN_TRUST_INCONSISTENT
};

// status_of_refusal is the table; kAuthorityFailed for all that is not in it, success included: a
// refusal that says "success" is none that anybody understands.
[[nodiscard]] constexpr Status status_of_refusal(std::uint32_t nt_status) noexcept {
  for (const NtRefusal& refusal : kNtRefusals) {
    if (refusal.nt_status == nt_status) {
      return refusal.status;
    }
  }
  return Status::kAuthorityFailed;
}

}  // namespace usher::auth
