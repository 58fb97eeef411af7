// One table: every outcome of an exchange, the SSPI status it becomes, and what it means.
#pragma once

#include <cstdint>
#include <string_view>

#include "parsers/result.h"

namespace usher {

// name, the SECURITY_STATUS of winerror.h it is reported as, and one line for people that names the
// check. The second column is expanded where those numbers are known (engine/sspi.h).
#define USHER_STATUS_LIST(X)                                                                       \
  X(kEstablished, SEC_E_OK, "signed on")                                                           \
  X(kContinue, SEC_I_CONTINUE_NEEDED, "the client owes another token")                             \
  /* The caller's side. */                                                                         \
  X(kStaleHandle, SEC_E_INVALID_HANDLE, "the handle names no live context or credential")          \
  X(kContextBusy, SEC_E_INVALID_HANDLE, "another thread is using this context")                    \
  X(kNotHalfOpen, SEC_E_OUT_OF_SEQUENCE, "the context is complete and takes no further token")     \
  X(kHalfOpenTooLong, SEC_E_CONTEXT_EXPIRED, "the exchange was not finished within its deadline")  \
  X(kNoFreeSlot, SEC_E_INSUFFICIENT_MEMORY, "all context slots are in use")                        \
  X(kNoMemory, SEC_E_INSUFFICIENT_MEMORY, "memory for this thread's work could not be had")        \
  X(kNoFreePage, SEC_E_INSUFFICIENT_MEMORY,                                                        \
    "all pages for PACs and delegated credentials are in use")                                     \
  X(kReplyTooLong, SEC_E_BUFFER_TOO_SMALL, "the output buffer cannot hold the reply")              \
  X(kProtectionMissing, SEC_E_SECURITY_QOS_FAILED,                                                 \
    "the client did not negotiate a protection that the caller requires (ASC_REQ_*)")              \
  X(kInternal, SEC_E_INTERNAL_ERROR, "the cryptographic library or its randomness failed")         \
  /* Tokens and SPNEGO. */                                                                         \
  X(kEmptyToken, SEC_E_INVALID_TOKEN, "the token is empty")                                        \
  X(kTokenTooLong, SEC_E_INVALID_TOKEN, "the token is longer than 64 KiB")                         \
  X(kNotAToken, SEC_E_INVALID_TOKEN, "the token is neither SPNEGO, Kerberos nor NTLM")             \
  X(kMalformedSpnego, SEC_E_INVALID_TOKEN, "the SPNEGO token is malformed")                        \
  X(kMalformedGss, SEC_E_INVALID_TOKEN, "the GSS-API framing is malformed")                        \
  X(kUnexpectedToken, SEC_E_OUT_OF_SEQUENCE, "the token does not belong at this point")            \
  X(kNoCommonMechanism, SEC_E_UNSUPPORTED_FUNCTION,                                                \
    "the client offers no mechanism that this credential accepts")                                 \
  X(kMechanismNotAllowed, SEC_E_UNSUPPORTED_FUNCTION,                                              \
    "this credential does not accept the token's mechanism")                                       \
  X(kPeerRejected, SEC_E_LOGON_DENIED, "the client rejected the negotiation")                      \
  X(kMechTypesTooLong, SEC_E_INVALID_TOKEN, "the mechanism list is too long to verify a MIC over") \
  X(kMechListMicMissing, SEC_E_MESSAGE_ALTERED,                                                    \
    "mechListMIC is required and missing: the mechanism list may have been changed")               \
  X(kMechListMicWrong, SEC_E_MESSAGE_ALTERED,                                                      \
    "mechListMIC is wrong: the mechanism list was changed, or signed with another key")            \
  /* Kerberos. */                                                                                  \
  X(kMalformedApReq, SEC_E_INVALID_TOKEN, "the AP-REQ is malformed")                               \
  X(kMalformedTicket, SEC_E_INVALID_TOKEN, "the decrypted ticket is malformed")                    \
  X(kMalformedAuthenticator, SEC_E_INVALID_TOKEN, "the decrypted authenticator is malformed")      \
  X(kMalformedGssChecksum, SEC_E_INVALID_TOKEN,                                                    \
    "the authenticator's GSS checksum (0x8003) is malformed")                                      \
  X(kChecksumType, SEC_E_INVALID_TOKEN,                                                            \
    "the authenticator's checksum is not the GSS checksum (0x8003)")                               \
  X(kUserToUser, SEC_E_UNSUPPORTED_FUNCTION, "user-to-user tickets are not accepted")              \
  X(kDceStyle, SEC_E_INVALID_TOKEN,                                                                \
    "GSS-API framing and DCE style contradict each other: one goes without the other")             \
  X(kMalformedApRep, SEC_E_INVALID_TOKEN, "the AP-REP of the third leg is malformed")              \
  X(kThirdLeg, SEC_E_MESSAGE_ALTERED,                                                              \
    "the AP-REP of the third leg is wrong: another key, or not the answer to ours")                \
  X(kTicketEtype, SEC_E_ETYPE_NOT_SUPP, "the ticket's encryption type is not accepted")            \
  X(kSessionKeyEtype, SEC_E_ETYPE_NOT_SUPP,                                                        \
    "the session key's or subkey's encryption type is not accepted, or its size is wrong")         \
  X(kRc4, SEC_E_ETYPE_NOT_SUPP, "RC4 keys are refused (policy kerberos.rc4)")                      \
  X(kWeakerKey, SEC_E_ETYPE_NOT_SUPP,                                                              \
    "the session key or subkey is weaker than the ticket's key (policy kerberos.weaker-keys)")     \
  X(kTargetRefused, SEC_E_WRONG_PRINCIPAL,                                                         \
    "the ticket is for a service that is not accepted (policy kerberos.targets)")                  \
  X(kTicketGranting, SEC_E_WRONG_PRINCIPAL, "ticket-granting tickets are not accepted")            \
  X(kNoSuchService, SEC_E_WRONG_PRINCIPAL, "no key for the service the ticket is for")             \
  X(kNoKeyOfEtype, SEC_E_NO_KERB_KEY, "no key of the ticket's encryption type for this service")   \
  X(kTicketKey, SEC_E_MESSAGE_ALTERED,                                                             \
    "no key of this service opens the ticket: another key or key version, or changed on the way")  \
  X(kAuthenticatorKey, SEC_E_MESSAGE_ALTERED,                                                      \
    "the ticket's session key does not open the authenticator: changed, or of another ticket")     \
  X(kTicketExpired, SEC_E_CONTEXT_EXPIRED, "the ticket has expired")                               \
  X(kTicketNotYetValid, SEC_E_TIME_SKEW, "the ticket is not valid yet")                            \
  X(kTicketInvalid, SEC_E_LOGON_DENIED, "the ticket carries the INVALID flag")                     \
  X(kKerberosAnonymous, SEC_E_LOGON_DENIED, "anonymous Kerberos is refused")                       \
  X(kAuthorizationData, SEC_E_LOGON_DENIED,                                                        \
    "the ticket or authenticator carries a restriction that is not understood")                    \
  X(kTransited, SEC_E_LOGON_DENIED,                                                                \
    "the ticket went through realms that nobody has checked (policy kerberos.transited)")          \
  X(kAddresses, SEC_E_LOGON_DENIED,                                                                \
    "the ticket is not for the address the client comes from (policy kerberos.addresses)")         \
  X(kMutualRequired, SEC_E_SECURITY_QOS_FAILED,                                                    \
    "the client does not ask for mutual authentication (policy kerberos.mutual)")                  \
  X(kBindingsMissing, SEC_E_BAD_BINDINGS,                                                          \
    "channel bindings are required, and the client sent none")                                     \
  X(kBindingsWrong, SEC_E_BAD_BINDINGS,                                                            \
    "the client's channel bindings are not those of this connection: somebody may be between")     \
  X(kBindingsUnknown, SEC_E_BAD_BINDINGS,                                                          \
    "policy wants channel bindings, and the caller passed none to compare with")                   \
  X(kPacMissing, SEC_E_LOGON_DENIED, "the ticket holds no PAC")                       \
  X(kMalformedPac, SEC_E_INVALID_TOKEN, "the ticket's PAC is malformed")                           \
  X(kPacSignature, SEC_E_MESSAGE_ALTERED,                                                          \
    "the PAC's server signature is missing, wrong, or of a type the service's key does not make")  \
  X(kPacKdcSignature, SEC_E_MESSAGE_ALTERED,                                                       \
    "the PAC's KDC, ticket or full signature is missing or wrong")                                 \
  X(kPacClient, SEC_E_LOGON_DENIED,                                                                \
    "the PAC is of another client or another sign-on: its name, time or SIDs do not fit")          \
  X(kMalformedDelegation, SEC_E_INVALID_TOKEN, "delegated credentials (KRB-CRED) are malformed")   \
  X(kDelegationKey, SEC_E_MESSAGE_ALTERED,                                                         \
    "neither session key nor subkey opens the delegated credentials (KRB-CRED)")                   \
  X(kDelegationClient, SEC_E_LOGON_DENIED,                                                         \
    "the delegated credentials (KRB-CRED) are those of another client")                            \
  X(kClockSkew, SEC_E_TIME_SKEW, "the authenticator's time is outside the allowed clock skew")     \
  X(kClientNameMismatch, SEC_E_LOGON_DENIED, "ticket and authenticator name different clients")    \
  X(kReplay, SEC_E_LOGON_DENIED, "the authenticator has been seen before: a replay")               \
  X(kReplayCacheFull, SEC_E_INSUFFICIENT_MEMORY, "the replay cache is full")                       \
  X(kReplayUnknown, SEC_E_LOGON_DENIED,                                                            \
    "the replay cache's file may have lost entries: refused until the clock skew has passed")      \
  X(kNameTooLong, SEC_E_INVALID_TOKEN, "the names of client and service are too long to keep")     \
  /* NTLM. */                                                                                      \
  X(kMalformedNtlm, SEC_E_INVALID_TOKEN, "the NTLM message is malformed")                          \
  X(kNtlmMessageTooLong, SEC_E_INVALID_TOKEN,                                                      \
    "the NTLM NEGOTIATE or CHALLENGE is too long to verify a MIC over")                            \
  X(kNtlmCharset, SEC_E_INVALID_TOKEN,                                                             \
    "the NTLM NEGOTIATE offers neither Unicode nor OEM strings")                                   \
  X(kMalformedNtlmResponse, SEC_E_INVALID_TOKEN, "the NTLMv2 response is malformed")               \
  X(kMalformedNtlmName, SEC_E_INVALID_TOKEN,                                                       \
    "the NTLM user or domain name is no valid UTF-16, or too long")                                \
  X(kNtlmAnonymous, SEC_E_LOGON_DENIED, "anonymous NTLM is refused (policy ntlm.anonymous)")       \
  X(kNtlmV1, SEC_E_LOGON_DENIED, "NTLMv1 responses are refused (policy ntlm.v1)")                  \
  X(kNtlmLm, SEC_E_LOGON_DENIED, "an LM response alone is never accepted")                         \
  X(kNtlmProof, SEC_E_LOGON_DENIED,                                                                \
    "NTProofStr is wrong: unknown user, wrong password, or another server's challenge")            \
  X(kNtlmTime, SEC_E_TIME_SKEW,                                                                    \
    "the NTLMv2 response is of another time than ours (policy ntlm.lifetime)")                     \
  X(kNtlmTargetMissing, SEC_E_WRONG_PRINCIPAL,                                                     \
    "the client does not say which service it speaks with (policy ntlm.target)")                   \
  X(kNtlmTarget, SEC_E_WRONG_PRINCIPAL,                                                            \
    "the client speaks with another service than one that is listed (policy ntlm.target)")         \
  X(kNtlmSessionKey, SEC_E_INVALID_TOKEN, "EncryptedRandomSessionKey is not 16 bytes")             \
  X(kNtlmMicMissing, SEC_E_MESSAGE_ALTERED,                                                        \
    "the MIC is required and missing (announced by the client, or policy ntlm.mic)")               \
  X(kNtlmMicWrong, SEC_E_MESSAGE_ALTERED,                                                          \
    "the MIC is wrong: one of the three messages was changed on the way")                          \
  X(kNtlmNoSigning, SEC_E_UNSUPPORTED_FUNCTION,                                                    \
    "mechListMIC needs extended session security, which was not negotiated")                       \
  /* Whoever else knows NTLM's users. */                                                           \
  X(kAsked, SEC_I_ASYNC_CALL_PENDING, "somebody else is asked who the client is")                  \
  X(kAuthorityQuestion, SEC_E_INVALID_TOKEN,                                                       \
    "the NTLM names and responses are too long to ask anybody about")                              \
  X(kAuthorityBusy, SEC_E_NO_AUTHENTICATING_AUTHORITY,                                             \
    "as many questions to the authority are under way as there may be")                            \
  X(kAuthorityLate, SEC_E_NO_AUTHENTICATING_AUTHORITY,                                             \
    "the authority did not answer within its deadline")                                            \
  X(kAuthorityAbsent, SEC_E_NO_AUTHENTICATING_AUTHORITY,                                           \
    "winbindd does not answer: is it running?")                                                    \
  X(kAuthorityDenied, SEC_E_NO_AUTHENTICATING_AUTHORITY,                                           \
    "winbindd does not let us ask: its privileged pipe is closed to this user")                    \
  X(kAuthorityNoServer, SEC_E_NO_AUTHENTICATING_AUTHORITY, "no domain controller can be reached")  \
  X(kAuthorityNoTrust, SEC_E_NO_AUTHENTICATING_AUTHORITY,                                          \
    "the domain does not trust this machine: is it joined?")                                       \
  X(kAuthorityOtherServer, SEC_E_LOGON_DENIED,                                                     \
    "the domain finds the response made for another server than this machine as it knows it")      \
  X(kAuthorityFailed, SEC_E_NO_AUTHENTICATING_AUTHORITY,                                           \
    "the authority could not say whether the client is who it says")                               \
  X(kAccountDisabled, SEC_E_LOGON_DENIED, "the account is disabled")                               \
  X(kAccountExpired, SEC_E_LOGON_DENIED, "the account has expired")                                \
  X(kAccountLocked, SEC_E_LOGON_DENIED, "the account is locked out")                               \
  X(kAccountRestricted, SEC_E_LOGON_DENIED, "the account may not sign on here, or not now")        \
  X(kPasswordExpired, SEC_E_LOGON_DENIED, "the account's password has expired or must be changed")

enum class Status : std::uint8_t {
#define USHER_STATUS_ENUM(name, sspi, text) name,
  USHER_STATUS_LIST(USHER_STATUS_ENUM)
#undef USHER_STATUS_ENUM
};

// text_of is the table's third column.
[[nodiscard]] constexpr std::string_view text_of(Status status) noexcept {
  switch (status) {
#define USHER_STATUS_TEXT(name, sspi, text) \
  case Status::name:                        \
    return text;
    USHER_STATUS_LIST(USHER_STATUS_TEXT)
#undef USHER_STATUS_TEXT
  }
  return {};
}

[[nodiscard]] constexpr bool succeeded(Status status) noexcept {
  return status == Status::kEstablished || status == Status::kContinue || status == Status::kAsked;
}

// Verdict is a Status and, when a parser said no, what it found and where: `fault.offset` counts
// from the start of the thing the status names (token, decrypted ticket, ...).
struct Verdict {
  Status status = Status::kContinue;
  ParseFault fault;
};

}  // namespace usher
