// The server side of the Security Support Provider Interface (SSPI), as Windows' sspi.h declares
// it.
//
// Code written against Windows compiles unchanged, with these differences of the platform:
// * `unsigned long` has 64 bits on Linux, so every ULONG of the original is a uint32_t here.
// * SEC_WCHAR is char16_t: UTF-16, as on Windows. The A functions take and give UTF-8.
// * Input strings are const.
// * Linux has no access tokens: QuerySecurityContextToken gives a USHER_TOKEN (user_token.h), and
//   impersonating changes the calling thread's user and groups.
// Declared is only what works; an acceptor's keytab, accounts and policy are named in acceptor.h.
//
// Any function may be called on any thread. A context that is being accepted, however, is for one
// thread at a time: a second caller is refused with SEC_E_INVALID_HANDLE, never made to wait. Of a
// complete one, questions, messages and its deletion wait for each other, for moments.
// AcceptSecurityContext
// takes no lock, and after a thread's first call no memory from the heap (save for a token that
// ASC_REQ_ALLOCATE_MEMORY asks for) and makes no system call. It waits for nobody, but for an
// authority that USHER_ACCEPTOR names for NTLM clients without an account (acceptor.h).
#pragma once

#include <stdint.h>

#include "sspi_attributes.h"
#include "sspi_bindings.h"
#include "sspi_numbers.h"
#include "sspi_status.h"
#include "sspi_types.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#ifdef __cplusplus
extern "C" {
#endif

// Identities for AcquireCredentialsHandle. Usher opens tickets with a keytab and never holds a
// service's password, so of these only PackageList of the _EX forms means anything, and a user or
// password is refused (SEC_E_UNKNOWN_CREDENTIALS).
#define SEC_WINNT_AUTH_IDENTITY_ANSI 0x1u
#define SEC_WINNT_AUTH_IDENTITY_UNICODE 0x2u
#define SEC_WINNT_AUTH_IDENTITY_VERSION 0x200u

typedef struct _SEC_WINNT_AUTH_IDENTITY_A {
  unsigned char* User;
  uint32_t UserLength;  // Characters, without a terminator; so all lengths here.
  unsigned char* Domain;
  uint32_t DomainLength;
  unsigned char* Password;
  uint32_t PasswordLength;
  uint32_t Flags;  // SEC_WINNT_AUTH_IDENTITY_ANSI
} SEC_WINNT_AUTH_IDENTITY_A, *PSEC_WINNT_AUTH_IDENTITY_A;
typedef struct _SEC_WINNT_AUTH_IDENTITY_W {
  unsigned short* User;
  uint32_t UserLength;
  unsigned short* Domain;
  uint32_t DomainLength;
  unsigned short* Password;
  uint32_t PasswordLength;
  uint32_t Flags;  // SEC_WINNT_AUTH_IDENTITY_UNICODE
} SEC_WINNT_AUTH_IDENTITY_W, *PSEC_WINNT_AUTH_IDENTITY_W;
typedef struct _SEC_WINNT_AUTH_IDENTITY_EXA {
  uint32_t Version;  // SEC_WINNT_AUTH_IDENTITY_VERSION
  uint32_t Length;   // sizeof the structure.
  unsigned char* User;
  uint32_t UserLength;
  unsigned char* Domain;
  uint32_t DomainLength;
  unsigned char* Password;
  uint32_t PasswordLength;
  uint32_t Flags;
  unsigned char* PackageList;  // "!ntlm", "kerberos,ntlm", ...
  uint32_t PackageListLength;
} SEC_WINNT_AUTH_IDENTITY_EXA, *PSEC_WINNT_AUTH_IDENTITY_EXA;
typedef struct _SEC_WINNT_AUTH_IDENTITY_EXW {
  uint32_t Version;
  uint32_t Length;
  unsigned short* User;
  uint32_t UserLength;
  unsigned short* Domain;
  uint32_t DomainLength;
  unsigned short* Password;
  uint32_t PasswordLength;
  uint32_t Flags;
  unsigned short* PackageList;
  uint32_t PackageListLength;
} SEC_WINNT_AUTH_IDENTITY_EXW, *PSEC_WINNT_AUTH_IDENTITY_EXW;

// Unless said otherwise a function returns SEC_E_OK or an error, and usher_last_refusal
// (acceptor.h) then says why in words. The callbacks of the original that Usher has no use for must
// be null.
typedef void(SEC_ENTRY* SEC_GET_KEY_FN)(void* Arg, void* Principal, uint32_t KeyVer, void** Key,
                                        SECURITY_STATUS* Status);

// AcquireCredentialsHandle loads what an acceptor accepts with.
//   pszPrincipal    NULL or empty: every principal of the keytab. "HTTP/web" or "HTTP/web@REALM":
//                   tickets for that one only, as the policy kerberos.targets=HTTP/web would (not
//                   both: SEC_E_INVALID_PARAMETER); the keytab must have a key of that name, at
//                   each reload again, else SEC_E_NO_CREDENTIALS. SEC_E_UNKNOWN_CREDENTIALS for
//                   NTLM alone, which has no principals.
//   pszPackage      "Negotiate", "Kerberos" or "NTLM", in any case; else SEC_E_SECPKG_NOT_FOUND.
//   fCredentialUse  SECPKG_CRED_INBOUND or _BOTH. _OUTBOUND alone is
//                   SEC_E_UNSUPPORTED_FUNCTION, not _NO_CREDENTIALS: no password or ticket would
//                   make an initiator appear.
//   pvLogonId       NULL.
//   pAuthData       A USHER_ACCEPTOR (acceptor.h), or a SEC_WINNT_AUTH_IDENTITY_EX for its package
//                   list, or NULL: Kerberos with the system's keytab.
//   pGetKeyFn       NULL.
//   pvGetKeyArgument  Not looked at.
//   phCredential    Receives the handle.
//   ptsExpiry       Receives SECURITY_TIME_NEVER; may be NULL.
// SEC_E_NO_CREDENTIALS if a keytab or an accounts file cannot be used, or nothing is left to
// accept; SEC_E_NO_AUTHENTICATING_AUTHORITY if winbindd is to be asked and does not answer;
// SEC_E_OUT_OF_SEQUENCE if it is, and the calling thread impersonates a client, or if usher_start
// was called and has not succeeded; SEC_E_INSUFFICIENT_MEMORY if memory or all credential handles
// are used up.
USHER_API SECURITY_STATUS SEC_ENTRY AcquireCredentialsHandleA(
    const SEC_CHAR* pszPrincipal, const SEC_CHAR* pszPackage, uint32_t fCredentialUse,
    void* pvLogonId, void* pAuthData, SEC_GET_KEY_FN pGetKeyFn, void* pvGetKeyArgument,
    PCredHandle phCredential, PTimeStamp ptsExpiry);
USHER_API SECURITY_STATUS SEC_ENTRY AcquireCredentialsHandleW(
    const SEC_WCHAR* pszPrincipal, const SEC_WCHAR* pszPackage, uint32_t fCredentialUse,
    void* pvLogonId, void* pAuthData, SEC_GET_KEY_FN pGetKeyFn, void* pvGetKeyArgument,
    PCredHandle phCredential, PTimeStamp ptsExpiry);

// FreeCredentialsHandle ends a credential. Calls that are using it finish first; its keys are wiped
// when the last of them has. Contexts made with it live on.
USHER_API SECURITY_STATUS SEC_ENTRY FreeCredentialsHandle(PCredHandle phCredential);
#define FreeCredentialHandle FreeCredentialsHandle

// AddCredentials gives a credential more to accept with: what pAuthData names besides what
// AcquireCredentialsHandle was told. Contexts, and calls that are under way, go on as they are, and
// usher_reload reads all of it again.
//   phCredential    The credential.
//   pszPrincipal    NULL or empty, or a service that the keytabs must have a key of, at each reload
//                   again, else SEC_E_NO_CREDENTIALS. Where tickets may be for certain services
//                   only (AcquireCredentialsHandle's pszPrincipal, kerberos.targets), they may be
//                   for this one, too.
//   pszPackage      The credential's own, or one of the two that its Negotiate serves; else
//                   SEC_E_SECPKG_NOT_FOUND.
//   fCredentialUse  SECPKG_CRED_INBOUND or _BOTH, else SEC_E_UNSUPPORTED_FUNCTION.
//   pAuthData       NULL, or a USHER_ACCEPTOR of whose members Keytab, Accounts or both are set.
//                   Any other member belongs to the whole credential: SEC_E_INVALID_PARAMETER, as
//                   are accounts for a credential that has some, a keytab for one that serves NTLM
//                   alone, nothing at all to add, and a seventeenth keytab or principal.
//   pGetKeyFn       NULL.
//   pvGetKeyArgument  Not looked at.
//   ptsExpiry       Receives SECURITY_TIME_NEVER; may be NULL.
// On an error the credential is as it was. Otherwise AcquireCredentialsHandle's errors, and
// SEC_E_OUT_OF_SEQUENCE inside a USHER_ASK.
USHER_API SECURITY_STATUS SEC_ENTRY AddCredentialsA(PCredHandle phCredential,
                                                    const SEC_CHAR* pszPrincipal,
                                                    const SEC_CHAR* pszPackage,
                                                    uint32_t fCredentialUse, void* pAuthData,
                                                    SEC_GET_KEY_FN pGetKeyFn,
                                                    void* pvGetKeyArgument, PTimeStamp ptsExpiry);
USHER_API SECURITY_STATUS SEC_ENTRY AddCredentialsW(PCredHandle phCredential,
                                                    const SEC_WCHAR* pszPrincipal,
                                                    const SEC_WCHAR* pszPackage,
                                                    uint32_t fCredentialUse, void* pAuthData,
                                                    SEC_GET_KEY_FN pGetKeyFn,
                                                    void* pvGetKeyArgument, PTimeStamp ptsExpiry);

// AcceptSecurityContext takes one token of a client and answers it.
//   phCredential What to accept with.
//   phContext    NULL for the first token of an exchange, afterwards what phNewContext received.
//   pInput       One SECBUFFER_TOKEN, not empty: else SEC_E_INVALID_TOKEN. On the first call of
//                Negotiate it may be missing or empty, and pInput NULL: the reply is then a hint of
//                what there is (NegTokenInit2), and the client's first token comes on the second.
//                Besides it SECBUFFER_EMPTY, and at most one SECBUFFER_CHANNEL_BINDINGS with a
//                SEC_CHANNEL_BINDINGS or _EX (SEC_E_INVALID_PARAMETER if it leaves its buffer):
//                what the connection is bound to. They are compared with the client's when those
//                come, so pass them on every leg; what does not fit is SEC_E_BAD_BINDINGS. A client
//                without is refused, too, unless ASC_REQ_ALLOW_MISSING_BINDINGS is asked for, and
//                one that knows of bindings and says it has none even then. The policy `bindings`
//                may be stricter, or look at nothing. With SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS
//                nobody is refused for bindings, unless that policy is `always`. Without bindings
//                and without ASC_REQ_PROXY_BINDINGS the client's are not looked at.
//   fContextReq  ASC_REQ_ALLOCATE_MEMORY: pvBuffer of the reply is allocated, to be freed with
//                FreeContextBuffer. ASC_REQ_EXTENDED_ERROR: a refusal may come with a token to
//                send. ASC_REQ_CONNECTION is echoed. ASC_REQ_PROXY_BINDINGS: TLS ends elsewhere,
//                and the client must have sent bindings to whatever channel. ASC_REQ_DELEGATE: what
//                the client delegates is kept, if the policy delegation=accept allows it
//                (usher_store_delegated).
//                ASC_REQ_ALLOW_CONTEXT_REPLAY: let an authenticator in that was seen before, and
//                say so in pfContextAttr; only for a caller that knows it asks twice about one
//                request of one client. ASC_REQ_MUTUAL_AUTH, _REPLAY_DETECT, _SEQUENCE_DETECT,
//                _CONFIDENTIALITY and _INTEGRITY: a client that has not negotiated it is refused
//                (SEC_E_SECURITY_QOS_FAILED); NTLM never has mutual authentication. All others
//                change nothing (SSPI.md); what the client got is in pfContextAttr.
//   TargetDataRep  Not used by these packages.
//   phNewContext Never NULL; may be the same address as phContext.
//   pOutput      One SECBUFFER_TOKEN with room for the reply (cbMaxToken is always enough), whose
//                cbBuffer becomes the reply's size, 0 for no reply. May overlap pInput. It may be
//                left out only if nothing has to be sent (else SEC_E_INSUFFICIENT_BUFFERS). With
//                too little room the call is SEC_E_BUFFER_TOO_SMALL; after either of these two the
//                same token can be passed again. A reply is to be sent whatever the status is. A
//                SECBUFFER_CHANNEL_BINDINGS_RESULT with room for a SEC_CHANNEL_BINDINGS_RESULT
//                receives what came of the bindings, whatever the status is.
//   pfContextAttr  Receives ASC_RET_*; the security bits are there with SEC_E_OK only. May be NULL.
//   ptsExpiry    Receives the end of the context with SEC_E_OK. May be NULL.
// Returns SEC_E_OK, SEC_I_CONTINUE_NEEDED (send the reply, pass in the answer), or an error. Waits
// where an NTLM client has to be asked about, and for that alone (USHER_ACCEPTOR.Authority, Ask).
//
// SEC_E_INVALID_TOKEN: malformed, or not what is due. SEC_E_LOGON_DENIED: wrong user, password or
// key. SEC_E_BAD_BINDINGS. SEC_E_OUT_OF_SEQUENCE: the context is complete.
// SEC_E_NO_AUTHENTICATING_AUTHORITY: who knows NTLM users does not answer.
// SEC_E_INSUFFICIENT_MEMORY: all contexts, or memory, are in use. SEC_E_INTERNAL_ERROR: OpenSSL or
// the source of randomness fails. SSPI.md has more; usher_last_refusal says which check it was.
//
// After an error no context remains, neither a new one nor the one of phContext: its memory is
// wiped, and deleting it gives SEC_E_INVALID_HANDLE. (Windows keeps the latter until it is deleted;
// a caller that deletes it in either case is right on both.) Spared is what is in use - a context
// that another thread is working on, and one that was complete before this call - and one whose
// reply had no room.
USHER_API SECURITY_STATUS SEC_ENTRY
AcceptSecurityContext(PCredHandle phCredential, PCtxtHandle phContext, PSecBufferDesc pInput,
                      uint32_t fContextReq, uint32_t TargetDataRep, PCtxtHandle phNewContext,
                      PSecBufferDesc pOutput, uint32_t* pfContextAttr, PTimeStamp ptsExpiry);

// DeleteSecurityContext ends a context, complete or not, and wipes it. SEC_E_INVALID_HANDLE if
// there is none, or if another thread is using it; then it stays.
USHER_API SECURITY_STATUS SEC_ENTRY DeleteSecurityContext(PCtxtHandle phContext);

// FreeContextBuffer frees whatever a function here has allocated for the caller. NULL is allowed.
USHER_API SECURITY_STATUS SEC_ENTRY FreeContextBuffer(void* pvContextBuffer);

// QueryContextAttributes fills in *pBuffer, the structure of ulAttribute: FLAGS, PACKAGE_INFO,
// NEGOTIATION_INFO and LAST_CLIENT_TOKEN_STATUS at any time; SIZES, NAMES, LIFESPAN, DCE_INFO,
// KEY_INFO, AUTHORITY, NATIVE_NAMES, CREDENTIAL_NAME, CLIENT_SPECIFIED_TARGET and SESSION_KEY of a
// complete context, else SEC_E_OUT_OF_SEQUENCE; likewise PASSWORD_EXPIRY, LOGOFF_TIME and
// USER_FLAGS, which are SEC_E_NO_IMPERSONATION if the client came without a PAC, and ACCESS_TOKEN,
// whose errors are QuerySecurityContextToken's. Any other is SEC_E_UNSUPPORTED_FUNCTION, and
// CREDENTIAL_NAME with NTLM; SEC_E_TARGET_UNKNOWN: an NTLM client has not said its target. SSPI.md
// has them all in a table. SEC_E_INSUFFICIENT_MEMORY. SEC_E_INVALID_UPN_NAME: a name holds a NUL,
// or is not UTF-8, and cannot be a string. On an error *pBuffer is not touched.
// usher_query_identity (acceptor.h) tells all of a PAC.
USHER_API SECURITY_STATUS SEC_ENTRY QueryContextAttributesA(PCtxtHandle phContext,
                                                            uint32_t ulAttribute, void* pBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY QueryContextAttributesW(PCtxtHandle phContext,
                                                            uint32_t ulAttribute, void* pBuffer);
// QueryContextAttributesEx does so for a caller that says how large *pBuffer is, in bytes:
// SEC_E_BUFFER_TOO_SMALL, and *pBuffer is not touched, if that is less than the structure.
USHER_API SECURITY_STATUS SEC_ENTRY QueryContextAttributesExA(PCtxtHandle phContext,
                                                              uint32_t ulAttribute, void* pBuffer,
                                                              uint32_t cbBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY QueryContextAttributesExW(PCtxtHandle phContext,
                                                              uint32_t ulAttribute, void* pBuffer,
                                                              uint32_t cbBuffer);

// Messages: what both sides send each other once a context is complete (else
// SEC_E_OUT_OF_SEQUENCE). Kerberos: GSS_GetMIC and GSS_Wrap (RFC 4121 4.2, RFC 4757 7), laid out as
// Windows does (MS-KILE 3.4.5.4 to 3.4.5.7); NTLM: MS-NLMP 3.4.3 to 3.4.7. The peer may use SSPI or
// GSS-API.
//   phContext      The context.
//   pMessage       The buffers, in the order in which the message is signed; they must not overlap.
//                  SECBUFFER_DATA, at most 16, is signed, and encrypted in place. With
//                  SECBUFFER_READONLY_WITH_CHECKSUM added it is signed and stays as it is (headers
//                  and trailers of DCE/RPC); with SECBUFFER_READONLY it is not looked at.
//                  SECBUFFER_TOKEN, one, is where the token is or goes. SECBUFFER_PADDING, at most
//                  one, takes what stands behind the data: one byte with RC4 and Kerberos and
//                  without DCE style; else there is none, and the buffer may be missing.
//                  SECBUFFER_EMPTY is passed over. Any other type is SEC_E_INVALID_TOKEN, as is one
//                  of these that is missing or comes twice, or a token for reading only where one
//                  is written or opened; SEC_E_INVALID_PARAMETER if one has a size and no memory.
//   MessageSeqNo   Not used: messages are numbered here, as Windows does it for these packages.
//   fQOP, pfQOP    0, or SECQOP_WRAP_NO_ENCRYPT: signed, in the form of an encrypted message.
// A child of fork, or of _Fork or clone with a memory of its own, has none of the messages of
// contexts that its parent has sent or received on (SEC_E_OUT_OF_SEQUENCE), not even while handlers
// of pthread_atfork run: its parent goes on, or packs the context for it (ExportSecurityContext).
// That holds too if all that the parent tried was refused, one of these calls or an
// ExportSecurityContext. Of other contexts from before the fork, one of the two may use messages,
// and the other must not.
//
// Any number of threads may call these functions on one context at once; those that send take
// turns, and so do those that receive. A context's first message takes 14 KiB from the heap, which
// go with the context. A context's end (ptsExpiry) does not end its messages: a caller that wants
// that looks at the clock. With NTLM, and with RC4 and Kerberos, each side has 2^32-1 numbers for
// messages, then SEC_E_OUT_OF_SEQUENCE. With RC4 and Kerberos, where a message's key follows from
// its number, ours end where the client's begin, after 2^28 at least.
//
// On an error nothing was sent or taken: buffers are as they were, no number is used up, and the
// call may be made again. But what was received and did not verify, or came out of its order, is
// wiped from its buffers, and so is what is half encrypted if OpenSSL fails (SEC_E_ENCRYPT_FAILURE,
// SEC_E_DECRYPT_FAILURE; SEC_E_INTERNAL_ERROR of the other two).

// MakeSignature makes the token of a message that stays readable; SECPKG_ATTR_SIZES says how large
// it is (cbMaxSignature), and its cbBuffer becomes that. SEC_E_BUFFER_TOO_SMALL;
// SEC_E_QOP_NOT_SUPPORTED for an fQOP but 0; SEC_E_UNSUPPORTED_FUNCTION if the client did not
// negotiate integrity (ASC_RET_INTEGRITY, _REPLAY_DETECT or _SEQUENCE_DETECT).
USHER_API SECURITY_STATUS SEC_ENTRY MakeSignature(PCtxtHandle phContext, uint32_t fQOP,
                                                  PSecBufferDesc pMessage, uint32_t MessageSeqNo);

// VerifySignature checks one of the peer's; nothing is written to its buffers.
// SEC_E_MESSAGE_ALTERED: it is of another message. SEC_E_OUT_OF_SEQUENCE: it came before, or, where
// the client negotiated ASC_RET_SEQUENCE_DETECT, others that came before it are missing (the
// message itself is right, and taken). SEC_E_INVALID_TOKEN: no token of this context's kind.
USHER_API SECURITY_STATUS SEC_ENTRY VerifySignature(PCtxtHandle phContext, PSecBufferDesc pMessage,
                                                    uint32_t MessageSeqNo, uint32_t* pfQOP);

// EncryptMessage seals a message in place. The token buffer has room for cbSecurityTrailer bytes,
// and cbBuffer becomes what it takes; likewise the padding's cbBlockSize. The peer gets token, data
// and padding, in that order if it uses GSS_Unwrap. SEC_E_UNSUPPORTED_FUNCTION if the client did
// not negotiate confidentiality (with SECQOP_WRAP_NO_ENCRYPT: integrity).
USHER_API SECURITY_STATUS SEC_ENTRY EncryptMessage(PCtxtHandle phContext, uint32_t fQOP,
                                                   PSecBufferDesc pMessage, uint32_t MessageSeqNo);

// DecryptMessage opens one of the peer's, in place: from the buffers that EncryptMessage made, or
// from a SECBUFFER_STREAM that holds all of it (GSS_Wrap's output) and a SECBUFFER_DATA, which then
// becomes the part of that memory where the plaintext is. *pfQOP, if pfQOP is not null, becomes
// SECQOP_WRAP_NO_ENCRYPT if the message was readable all the way. Errors are VerifySignature's.
USHER_API SECURITY_STATUS SEC_ENTRY DecryptMessage(PCtxtHandle phContext, PSecBufferDesc pMessage,
                                                   uint32_t MessageSeqNo, uint32_t* pfQOP);

// ExportSecurityContext packs a complete context for another process, or for later: everything that
// ImportSecurityContext needs to go on with it, its keys, its place in the sequence of messages,
// its PAC and what was delegated. It is sealed (AES-256-GCM) with a key of the engine's: a random
// one, which this process and its children have (children import with a ReplayFile only), or that
// of the file USHER_OPTIONS.ContextKeyFile, for processes and machines that share it.
//   phContext       The context.
//   fFlags          SECPKG_CONTEXT_EXPORT_DELETE_OLD: the context is deleted once it is packed; on
//                   an error it stays as it was.
//                   SECPKG_CONTEXT_EXPORT_RESET_NEW: the packed one begins its messages at the
//                   numbers the exchange agreed on. SEC_E_UNSUPPORTED_FUNCTION once a message was
//                   made or taken: the same key stream would be used twice, or what the peer has
//                   sent before be taken again. _TO_KERNEL is SEC_E_UNSUPPORTED_FUNCTION.
//   pPackedContext  pvBuffer receives memory for FreeContextBuffer, cbBuffer its size, BufferType
//                   SECBUFFER_TOKEN: at most USHER_PACKED_CONTEXT_SIZE_MAX bytes. What is in it
//                   before the call is not looked at, and on an error not changed.
//   pToken          NULL, or receives NULL: the user's token is made anew where it is wanted.
// Without DELETE_OLD both copies count messages from where they are now: one of them must be idle.
// Of a context with a key stream - NTLM's, or Kerberos's with RC4, whose message keys follow from
// the messages' numbers alone (RFC 4757 7.3) - the old one is, by the library: its MakeSignature,
// EncryptMessage and ExportSecurityContext are SEC_E_OUT_OF_SEQUENCE from now on. It still
// receives, as does the new one: only one of the two may be given the peer's messages.
// SEC_E_OUT_OF_SEQUENCE also if the context is not complete; SEC_E_INVALID_HANDLE;
// SEC_E_INVALID_PARAMETER for other flags or no pPackedContext; SEC_E_INSUFFICIENT_MEMORY;
// SEC_E_CONTEXT_EXPIRED if its time has passed; SEC_E_CANNOT_PACK if its PAC has more than 96 KiB.
#define USHER_PACKED_CONTEXT_SIZE_MAX 0x40000u
USHER_API SECURITY_STATUS SEC_ENTRY ExportSecurityContext(PCtxtHandle phContext, uint32_t fFlags,
                                                          PSecBuffer pPackedContext, void** pToken);

// ImportSecurityContext makes a context of what ExportSecurityContext has packed; it is complete
// and can be queried, can make and read messages, and be exported again, as the original.
//   pszPackage      "Negotiate", or the package of the context ("Kerberos", "NTLM"), in any case;
//                   else SEC_E_SECPKG_NOT_FOUND.
//   pPackedContext  What was packed; BufferType is not looked at, and nothing is changed. Good for
//                   USHER_OPTIONS.ExportSeconds after it was packed, not beyond the context's own
//                   end, and once: a second import by engines with the same replay cache
//                   (USHER_OPTIONS.ReplayFile) is SEC_E_OUT_OF_SEQUENCE, and so is any in a
//                   child of fork whose engine has none. Machines never share one:
//                   who packs for several must see to it that only one imports.
//   Token           NULL.
//   phContext       Receives the handle; on an error it is not changed.
// SEC_E_INVALID_TOKEN if it is none, not all of one, or of another version; SEC_E_MESSAGE_ALTERED
// if it was changed, or packed with another key; SEC_E_CONTEXT_EXPIRED if it is too late, and
// SEC_E_TIME_SKEW if it was packed later than now by more than ClockSkewSecondsMax;
// SEC_E_OUT_OF_SEQUENCE also if the replay file may have lost that it was imported before (until
// it is too late anyway); SEC_E_INVALID_PARAMETER for a null pPackedContext or phContext, or a
// Token. SEC_E_INSUFFICIENT_MEMORY if all contexts, or memory for them, are in use. After an
// error it has not been used up. The engine is the one that is there (usher_start,
// AcquireCredentialsHandle); none is made for this.
USHER_API SECURITY_STATUS SEC_ENTRY ImportSecurityContextA(const SEC_CHAR* pszPackage,
                                                           PSecBuffer pPackedContext, void* Token,
                                                           PCtxtHandle phContext);
USHER_API SECURITY_STATUS SEC_ENTRY ImportSecurityContextW(const SEC_WCHAR* pszPackage,
                                                           PSecBuffer pPackedContext, void* Token,
                                                           PCtxtHandle phContext);

// QuerySecurityContextToken says which local user the client of a complete context is: *Token
// receives a PUSHER_TOKEN (user_token.h, which says how users are found), memory for
// FreeContextBuffer in place of CloseHandle. May wait for the machine's name services, at most
// USHER_OPTIONS.UserMilliseconds. SEC_E_NO_IMPERSONATION if the client is no local user;
// SEC_E_NO_AUTHENTICATING_AUTHORITY if name services did not answer in time, or failed, or more
// than 64 threads wait for them; SEC_E_INVALID_UPN_NAME if the client's name, or one in its PAC,
// cannot be a string; SEC_E_OUT_OF_SEQUENCE if the context is not complete, and in callbacks of
// async.h and inside a USHER_ASK, which must not block; SEC_E_INVALID_HANDLE;
// SEC_E_INVALID_PARAMETER if Token is null; SEC_E_INSUFFICIENT_MEMORY. On an error *Token is null.
USHER_API SECURITY_STATUS SEC_ENTRY QuerySecurityContextToken(PCtxtHandle phContext, void** Token);

// ImpersonateSecurityContext makes the calling thread, and no other, act as the local user that
// QuerySecurityContextToken tells: its effective user and group, those for files, and supplementary
// groups are the user's, and no capability is in effect. Needs CAP_SETUID and CAP_SETGID in effect.
// A thread that impersonates already changes over.
//
// SEC_E_NO_IMPERSONATION without those capabilities; for a client that is no local user, for root,
// who is never impersonated, and for one that lets itself only be identified (ASC_RET_IDENTIFY); if
// the kernel refuses, or the thread has a group that its user namespace could not give back.
// Returns QuerySecurityContextToken's errors otherwise. On an error the thread is as it was, but
// may not be after SEC_E_INTERNAL_ERROR: the kernel took it half the way and not back, it has no
// capability in effect, and RevertSecurityContext can be tried.
//
// Real and saved ids and the permitted capabilities stay the server's, which is the way back:
// nothing may run in the thread that the client could have chosen. Threads and processes that it
// starts meanwhile inherit all of it, so a program for the client is to be started some other way.
// The library starts none then that stays the client: one for name services becomes the server
// again, or ends; the first asynchronous call, and an acceptor with Authority "winbind", are
// refused. What goes by something else than the effective user is the server's:
// * access(2) asks for the real user: use faccessat with AT_EACCESS.
// * system(3), popen(3) and any shell: the shell puts the effective user back to the real one.
// * kill(2) reaches the server's processes, and the client's too.
// * ptrace(2), process_vm_readv(2), pidfd_getfd(2) and prlimit(2) go by the real user, and so reach
//   the server's processes.
// * unix(7): SCM_CREDENTIALS that are left to the kernel tell the real user.
// * io_uring: with IORING_SETUP_SQPOLL, requests are done as whoever made the ring.
// * keyrings(7): the session keyring is the server's.
// libc's setuid and its like, which change all threads, abort the process meanwhile. Once a thread
// has impersonated, the process is not dumpable any more: so the kernel wants it (PR_SET_DUMPABLE).
USHER_API SECURITY_STATUS SEC_ENTRY ImpersonateSecurityContext(PCtxtHandle phContext);

// RevertSecurityContext makes the calling thread what it was before it began to impersonate, to the
// last group and capability. phContext must be the one that the thread impersonates, else
// SEC_E_NO_IMPERSONATION; it may have been deleted meanwhile. SEC_E_INVALID_HANDLE for what is no
// context's handle. SEC_E_INTERNAL_ERROR if the kernel refuses: the thread still impersonates, or
// is half the way, without a capability in effect, and it can be tried again; so it can after
// SEC_E_INSUFFICIENT_MEMORY, which changes nothing. Look at the status: a thread that impersonated
// goes on as the client after whatever is refused here.
USHER_API SECURITY_STATUS SEC_ENTRY RevertSecurityContext(PCtxtHandle phContext);

// QueryCredentialsAttributes fills in *pBuffer: SECPKG_CRED_ATTR_NAMES, the principal that
// AcquireCredentialsHandle was asked for, or "" for all of the keytab. Others are
// SEC_E_UNSUPPORTED_FUNCTION. The Ex form checks cbBuffer as QueryContextAttributesEx does.
USHER_API SECURITY_STATUS SEC_ENTRY QueryCredentialsAttributesA(PCredHandle phCredential,
                                                                uint32_t ulAttribute,
                                                                void* pBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY QueryCredentialsAttributesW(PCredHandle phCredential,
                                                                uint32_t ulAttribute,
                                                                void* pBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY QueryCredentialsAttributesExA(PCredHandle phCredential,
                                                                  uint32_t ulAttribute,
                                                                  void* pBuffer, uint32_t cbBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY QueryCredentialsAttributesExW(PCredHandle phCredential,
                                                                  uint32_t ulAttribute,
                                                                  void* pBuffer, uint32_t cbBuffer);

// Functions that Windows' three packages have no use for either, so that a table of functions is
// complete. Each checks its handle (SEC_E_INVALID_HANDLE) and is SEC_E_UNSUPPORTED_FUNCTION:
// CompleteAuthToken, because no call here returns SEC_I_COMPLETE_NEEDED or
// SEC_I_COMPLETE_AND_CONTINUE, which are Digest's and Schannel's; ApplyControlToken and
// SetContextAttributes, which are Schannel's; SetCredentialsAttributes, whose KDC settings an
// acceptor, which asks no KDC, has nothing to do with.
USHER_API SECURITY_STATUS SEC_ENTRY CompleteAuthToken(PCtxtHandle phContext, PSecBufferDesc pToken);
USHER_API SECURITY_STATUS SEC_ENTRY ApplyControlToken(PCtxtHandle phContext, PSecBufferDesc pInput);
USHER_API SECURITY_STATUS SEC_ENTRY SetContextAttributesA(PCtxtHandle phContext,
                                                          uint32_t ulAttribute, void* pBuffer,
                                                          uint32_t cbBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY SetContextAttributesW(PCtxtHandle phContext,
                                                          uint32_t ulAttribute, void* pBuffer,
                                                          uint32_t cbBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY SetCredentialsAttributesA(PCredHandle phCredential,
                                                              uint32_t ulAttribute, void* pBuffer,
                                                              uint32_t cbBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY SetCredentialsAttributesW(PCredHandle phCredential,
                                                              uint32_t ulAttribute, void* pBuffer,
                                                              uint32_t cbBuffer);

// EnumerateSecurityPackages gives all packages, as one allocation for FreeContextBuffer. Their
// capabilities are those of Windows less what there is no function for here.
USHER_API SECURITY_STATUS SEC_ENTRY EnumerateSecurityPackagesA(uint32_t* pcPackages,
                                                               PSecPkgInfoA* ppPackageInfo);
USHER_API SECURITY_STATUS SEC_ENTRY EnumerateSecurityPackagesW(uint32_t* pcPackages,
                                                               PSecPkgInfoW* ppPackageInfo);
// QuerySecurityPackageInfo gives the package of that name, in the same way; in any case of letters,
// else SEC_E_SECPKG_NOT_FOUND.
USHER_API SECURITY_STATUS SEC_ENTRY QuerySecurityPackageInfoA(const SEC_CHAR* pszPackageName,
                                                              PSecPkgInfoA* ppPackageInfo);
USHER_API SECURITY_STATUS SEC_ENTRY QuerySecurityPackageInfoW(const SEC_WCHAR* pszPackageName,
                                                              PSecPkgInfoW* ppPackageInfo);

// Names without a suffix follow UNICODE, as on Windows.
#ifdef UNICODE
#define NEGOSSP_NAME NEGOSSP_NAME_W
#define MICROSOFT_KERBEROS_NAME MICROSOFT_KERBEROS_NAME_W
#define NTLMSP_NAME NTLMSP_NAME_W
#define AcquireCredentialsHandle AcquireCredentialsHandleW
#define AddCredentials AddCredentialsW
#define ImportSecurityContext ImportSecurityContextW
#define QueryContextAttributes QueryContextAttributesW
#define SetCredentialsAttributes SetCredentialsAttributesW
#define SetContextAttributes SetContextAttributesW
#define QueryCredentialsAttributesEx QueryCredentialsAttributesExW
#define QueryCredentialsAttributes QueryCredentialsAttributesW
#define QueryContextAttributesEx QueryContextAttributesExW
#define EnumerateSecurityPackages EnumerateSecurityPackagesW
#define QuerySecurityPackageInfo QuerySecurityPackageInfoW
typedef SecPkgInfoW SecPkgInfo, *PSecPkgInfo;
typedef SecPkgCredentials_NamesW SecPkgCredentials_Names, *PSecPkgCredentials_Names;
typedef SecPkgContext_NamesW SecPkgContext_Names, *PSecPkgContext_Names;
typedef SecPkgContext_KeyInfoW SecPkgContext_KeyInfo, *PSecPkgContext_KeyInfo;
typedef SecPkgContext_AuthorityW SecPkgContext_Authority, *PSecPkgContext_Authority;
typedef SecPkgContext_NativeNamesW SecPkgContext_NativeNames, *PSecPkgContext_NativeNames;
typedef SecPkgContext_PackageInfoW SecPkgContext_PackageInfo, *PSecPkgContext_PackageInfo;
typedef SecPkgContext_NegotiationInfoW SecPkgContext_NegotiationInfo,
    *PSecPkgContext_NegotiationInfo;
typedef SEC_WINNT_AUTH_IDENTITY_W SEC_WINNT_AUTH_IDENTITY, *PSEC_WINNT_AUTH_IDENTITY;
typedef SEC_WINNT_AUTH_IDENTITY_EXW SEC_WINNT_AUTH_IDENTITY_EX, *PSEC_WINNT_AUTH_IDENTITY_EX;
#else
#define NEGOSSP_NAME NEGOSSP_NAME_A
#define MICROSOFT_KERBEROS_NAME MICROSOFT_KERBEROS_NAME_A
#define NTLMSP_NAME NTLMSP_NAME_A
#define AcquireCredentialsHandle AcquireCredentialsHandleA
#define AddCredentials AddCredentialsA
#define ImportSecurityContext ImportSecurityContextA
#define QueryContextAttributes QueryContextAttributesA
#define SetCredentialsAttributes SetCredentialsAttributesA
#define SetContextAttributes SetContextAttributesA
#define QueryCredentialsAttributesEx QueryCredentialsAttributesExA
#define QueryCredentialsAttributes QueryCredentialsAttributesA
#define QueryContextAttributesEx QueryContextAttributesExA
#define EnumerateSecurityPackages EnumerateSecurityPackagesA
#define QuerySecurityPackageInfo QuerySecurityPackageInfoA
typedef SecPkgInfoA SecPkgInfo, *PSecPkgInfo;
typedef SecPkgCredentials_NamesA SecPkgCredentials_Names, *PSecPkgCredentials_Names;
typedef SecPkgContext_NamesA SecPkgContext_Names, *PSecPkgContext_Names;
typedef SecPkgContext_KeyInfoA SecPkgContext_KeyInfo, *PSecPkgContext_KeyInfo;
typedef SecPkgContext_AuthorityA SecPkgContext_Authority, *PSecPkgContext_Authority;
typedef SecPkgContext_NativeNamesA SecPkgContext_NativeNames, *PSecPkgContext_NativeNames;
typedef SecPkgContext_PackageInfoA SecPkgContext_PackageInfo, *PSecPkgContext_PackageInfo;
typedef SecPkgContext_NegotiationInfoA SecPkgContext_NegotiationInfo,
    *PSecPkgContext_NegotiationInfo;
typedef SEC_WINNT_AUTH_IDENTITY_A SEC_WINNT_AUTH_IDENTITY, *PSEC_WINNT_AUTH_IDENTITY;
typedef SEC_WINNT_AUTH_IDENTITY_EXA SEC_WINNT_AUTH_IDENTITY_EX, *PSEC_WINNT_AUTH_IDENTITY_EX;
#endif

#ifdef __cplusplus
}  // extern "C"
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
