// The server side of the Security Support Provider Interface (SSPI), as Windows' sspi.h declares
// it.
//
// Code written against Windows compiles unchanged, with these differences of the platform:
// * `unsigned long` has 64 bits on Linux, so every ULONG of the original is a uint32_t here.
// * SEC_WCHAR is char16_t: UTF-16, as on Windows. The A functions take and give UTF-8.
// * Input strings are const.
// * There are no thread tokens on Linux: ask for SECPKG_ATTR_NAMES instead of impersonating.
// Declared is only what works; an acceptor's keytab, accounts and policy are named in acceptor.h.
//
// Any function may be called on any thread. One context, however, is for one thread at a time: a
// second caller is refused with SEC_E_INVALID_HANDLE, never made to wait. AcceptSecurityContext
// takes no lock, and after a thread's first call no memory from the heap (save for a token that
// ASC_REQ_ALLOCATE_MEMORY asks for) and makes no system call. It waits for nobody, but for an
// authority that USHER_ACCEPTOR names for NTLM clients without an account (acceptor.h).
#pragma once

#include <stdint.h>
#ifndef __cplusplus
#include <uchar.h>
#endif

#include "sspi_bindings.h"
#include "sspi_status.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#ifdef __cplusplus
extern "C" {
#endif

#define SEC_ENTRY
#define USHER_API __attribute__((visibility("default")))

// Basic types.
typedef char SEC_CHAR;
typedef char16_t SEC_WCHAR;

// A TimeStamp is a FILETIME: 100 ns since 1601-01-01T00:00:00Z, always UTC, or SECURITY_TIME_NEVER.
typedef union _SECURITY_INTEGER {
  __extension__ struct {
    uint32_t LowPart;
    int32_t HighPart;
  };
  int64_t QuadPart;
} SECURITY_INTEGER, *PSECURITY_INTEGER;
typedef SECURITY_INTEGER TimeStamp, *PTimeStamp;
#define SECURITY_TIME_NEVER INT64_MAX

// SecHandle is opaque. A handle that outlives what it named is recognised and refused.
typedef struct _SecHandle {
  uintptr_t dwLower;
  uintptr_t dwUpper;
} SecHandle, *PSecHandle;
typedef SecHandle CredHandle, CtxtHandle, *PCredHandle, *PCtxtHandle;
#define SEC_DELETED_HANDLE (UINTPTR_MAX - 1u)
#define SecInvalidateHandle(handle) ((handle)->dwLower = (handle)->dwUpper = UINTPTR_MAX)
#define SecIsValidHandle(handle) \
  ((handle)->dwLower != UINTPTR_MAX && (handle)->dwUpper != UINTPTR_MAX)

typedef struct _SecBuffer {
  uint32_t cbBuffer;    // Bytes.
  uint32_t BufferType;  // SECBUFFER_*
  void* pvBuffer;
} SecBuffer, *PSecBuffer;
typedef struct _SecBufferDesc {
  uint32_t ulVersion;  // SECBUFFER_VERSION
  uint32_t cBuffers;
  PSecBuffer pBuffers;
} SecBufferDesc, *PSecBufferDesc;

// Security packages.
#define NEGOSSP_NAME_A "Negotiate"
#define NEGOSSP_NAME_W u"Negotiate"
#define MICROSOFT_KERBEROS_NAME_A "Kerberos"
#define MICROSOFT_KERBEROS_NAME_W u"Kerberos"
#define NTLMSP_NAME_A "NTLM"
#define NTLMSP_NAME_W u"NTLM"

typedef struct _SecPkgInfoA {
  uint32_t fCapabilities;  // SECPKG_FLAG_*
  uint16_t wVersion;
  uint16_t wRPCID;
  uint32_t cbMaxToken;  // Bytes; an output buffer this large is never too small.
  SEC_CHAR* Name;
  SEC_CHAR* Comment;
} SecPkgInfoA, *PSecPkgInfoA;
typedef struct _SecPkgInfoW {
  uint32_t fCapabilities;
  uint16_t wVersion;
  uint16_t wRPCID;
  uint32_t cbMaxToken;
  SEC_WCHAR* Name;
  SEC_WCHAR* Comment;
} SecPkgInfoW, *PSecPkgInfoW;

#define SECPKG_FLAG_INTEGRITY 0x00000001u
#define SECPKG_FLAG_PRIVACY 0x00000002u
#define SECPKG_FLAG_TOKEN_ONLY 0x00000004u
#define SECPKG_FLAG_DATAGRAM 0x00000008u
#define SECPKG_FLAG_CONNECTION 0x00000010u
#define SECPKG_FLAG_MULTI_REQUIRED 0x00000020u
#define SECPKG_FLAG_CLIENT_ONLY 0x00000040u
#define SECPKG_FLAG_EXTENDED_ERROR 0x00000080u
#define SECPKG_FLAG_IMPERSONATION 0x00000100u
#define SECPKG_FLAG_ACCEPT_WIN32_NAME 0x00000200u
#define SECPKG_FLAG_STREAM 0x00000400u
#define SECPKG_FLAG_NEGOTIABLE 0x00000800u
#define SECPKG_FLAG_GSS_COMPATIBLE 0x00001000u
#define SECPKG_FLAG_LOGON 0x00002000u
#define SECPKG_FLAG_ASCII_BUFFERS 0x00004000u
#define SECPKG_FLAG_FRAGMENT 0x00008000u
#define SECPKG_FLAG_MUTUAL_AUTH 0x00010000u
#define SECPKG_FLAG_DELEGATION 0x00020000u
#define SECPKG_FLAG_READONLY_WITH_CHECKSUM 0x00040000u
#define SECPKG_FLAG_RESTRICTED_TOKENS 0x00080000u
#define SECPKG_FLAG_NEGO_EXTENDER 0x00100000u
#define SECPKG_FLAG_NEGOTIABLE2 0x00200000u
#define SECPKG_FLAG_APPCONTAINER_PASSTHROUGH 0x00400000u
#define SECPKG_FLAG_APPCONTAINER_CHECKS 0x00800000u
#define SECPKG_FLAG_CREDENTIAL_ISOLATION_ENABLED 0x01000000u
#define SECPKG_FLAG_APPLY_LOOPBACK 0x02000000u
#define SECPKG_ID_NONE 0xFFFFu

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

// Context attributes: what QueryContextAttributes answers, and the structure it fills in. Strings
// and PackageInfo are one allocation each, the caller's to free with FreeContextBuffer.
// Sizes of per-message tokens (RFC 4121 4.2, MS-NLMP 2.2.2.9); zero without integrity, or without
// confidentiality, as granted.
typedef struct _SecPkgContext_Sizes {
  uint32_t cbMaxToken;
  uint32_t cbMaxSignature;
  uint32_t cbBlockSize;
  uint32_t cbSecurityTrailer;
} SecPkgContext_Sizes, *PSecPkgContext_Sizes;

// The client: "alice@REALM" (Kerberos) or "DOMAIN\alice" (NTLM).
typedef struct _SecPkgContext_NamesA {
  SEC_CHAR* sUserName;
} SecPkgContext_NamesA, *PSecPkgContext_NamesA;
typedef struct _SecPkgContext_NamesW {
  SEC_WCHAR* sUserName;
} SecPkgContext_NamesW, *PSecPkgContext_NamesW;

// Kerberos: the ticket's start and end. NTLM: when it was established, and never.
typedef struct _SecPkgContext_Lifespan {
  TimeStamp tsStart;
  TimeStamp tsExpiry;
} SecPkgContext_Lifespan, *PSecPkgContext_Lifespan;

// What messages are protected with. Kerberos: the names of RFC 3961 and its kin, and the numbers of
// checksum type and encryption type. NTLM: "HMAC-MD5" and "RC4", and zeros. KeySize is in bits.
typedef struct _SecPkgContext_KeyInfoA {
  SEC_CHAR* sSignatureAlgorithmName;
  SEC_CHAR* sEncryptAlgorithmName;
  uint32_t KeySize;
  uint32_t SignatureAlgorithm;
  uint32_t EncryptAlgorithm;
} SecPkgContext_KeyInfoA, *PSecPkgContext_KeyInfoA;
typedef struct _SecPkgContext_KeyInfoW {
  SEC_WCHAR* sSignatureAlgorithmName;
  SEC_WCHAR* sEncryptAlgorithmName;
  uint32_t KeySize;
  uint32_t SignatureAlgorithm;
  uint32_t EncryptAlgorithm;
} SecPkgContext_KeyInfoW, *PSecPkgContext_KeyInfoW;

// Who vouches for the client: its realm (Kerberos) or domain (NTLM).
typedef struct _SecPkgContext_AuthorityA {
  SEC_CHAR* sAuthorityName;
} SecPkgContext_AuthorityA, *PSecPkgContext_AuthorityA;
typedef struct _SecPkgContext_AuthorityW {
  SEC_WCHAR* sAuthorityName;
} SecPkgContext_AuthorityW, *PSecPkgContext_AuthorityW;

// The client as in Names, and the service as it was called: "HTTP/web@REALM"; NTLM has none, "".
typedef struct _SecPkgContext_NativeNamesA {
  SEC_CHAR* sClientName;
  SEC_CHAR* sServerName;
} SecPkgContext_NativeNamesA, *PSecPkgContext_NativeNamesA;
typedef struct _SecPkgContext_NativeNamesW {
  SEC_WCHAR* sClientName;
  SEC_WCHAR* sServerName;
} SecPkgContext_NativeNamesW, *PSecPkgContext_NativeNamesW;

// The key that both sides share: the acceptor's subkey, else the client's, else the session key.
// Whoever asks for it wipes it before freeing it.
typedef struct _SecPkgContext_SessionKey {
  uint32_t SessionKeyLength;
  unsigned char* SessionKey;
} SecPkgContext_SessionKey, *PSecPkgContext_SessionKey;

// From the PAC (MS-PAC 2.5): when the password must be changed, when the session is to end (the
// earlier of logoff and kick-off time), and UserFlags.
typedef struct _SecPkgContext_PasswordExpiry {
  TimeStamp tsPasswordExpires;
} SecPkgContext_PasswordExpiry, *PSecPkgContext_PasswordExpiry;
typedef struct _SecPkgContext_LogoffTime {
  TimeStamp tsLogoffTime;
} SecPkgContext_LogoffTime, *PSecPkgContext_LogoffTime;
typedef struct _SecPkgContext_UserFlags {
  uint32_t UserFlags;
} SecPkgContext_UserFlags, *PSecPkgContext_UserFlags;

// ASC_RET_*; zero before the context is complete.
typedef struct _SecPkgContext_Flags {
  uint32_t Flags;
} SecPkgContext_Flags, *PSecPkgContext_Flags;

// The package that was negotiated; Negotiate while none is.
typedef struct _SecPkgContext_PackageInfoA {
  PSecPkgInfoA PackageInfo;
} SecPkgContext_PackageInfoA, *PSecPkgContext_PackageInfoA;
typedef struct _SecPkgContext_PackageInfoW {
  PSecPkgInfoW PackageInfo;
} SecPkgContext_PackageInfoW, *PSecPkgContext_PackageInfoW;

// The same, and how far it is: SECPKG_NEGOTIATION_IN_PROGRESS or _COMPLETE.
typedef struct _SecPkgContext_NegotiationInfoA {
  PSecPkgInfoA PackageInfo;
  uint32_t NegotiationState;
} SecPkgContext_NegotiationInfoA, *PSecPkgContext_NegotiationInfoA;
typedef struct _SecPkgContext_NegotiationInfoW {
  PSecPkgInfoW PackageInfo;
  uint32_t NegotiationState;
} SecPkgContext_NegotiationInfoW, *PSecPkgContext_NegotiationInfoW;

#define SECPKG_NEGOTIATION_COMPLETE 0u
#define SECPKG_NEGOTIATION_OPTIMISTIC 1u
#define SECPKG_NEGOTIATION_IN_PROGRESS 2u
#define SECPKG_NEGOTIATION_DIRECT 3u
#define SECPKG_NEGOTIATION_TRY_MULTICRED 4u
// All of Windows' attributes; see QueryContextAttributes for those that are served.
#define SECPKG_ATTR_SIZES 0u
#define SECPKG_ATTR_NAMES 1u
#define SECPKG_ATTR_LIFESPAN 2u
#define SECPKG_ATTR_DCE_INFO 3u
#define SECPKG_ATTR_STREAM_SIZES 4u
#define SECPKG_ATTR_KEY_INFO 5u
#define SECPKG_ATTR_AUTHORITY 6u
#define SECPKG_ATTR_PROTO_INFO 7u
#define SECPKG_ATTR_PASSWORD_EXPIRY 8u
#define SECPKG_ATTR_SESSION_KEY 9u
#define SECPKG_ATTR_PACKAGE_INFO 10u
#define SECPKG_ATTR_USER_FLAGS 11u
#define SECPKG_ATTR_NEGOTIATION_INFO 12u
#define SECPKG_ATTR_NATIVE_NAMES 13u
#define SECPKG_ATTR_FLAGS 14u
#define SECPKG_ATTR_USE_VALIDATED 15u
#define SECPKG_ATTR_CREDENTIAL_NAME 16u
#define SECPKG_ATTR_TARGET_INFORMATION 17u
#define SECPKG_ATTR_ACCESS_TOKEN 18u
#define SECPKG_ATTR_TARGET 19u
#define SECPKG_ATTR_AUTHENTICATION_ID 20u
#define SECPKG_ATTR_LOGOFF_TIME 21u
#define SECPKG_ATTR_NEGO_KEYS 22u
#define SECPKG_ATTR_PROMPTING_NEEDED 24u
#define SECPKG_ATTR_UNIQUE_BINDINGS 25u
#define SECPKG_ATTR_ENDPOINT_BINDINGS 26u
#define SECPKG_ATTR_CLIENT_SPECIFIED_TARGET 27u
#define SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS 30u
#define SECPKG_ATTR_NEGO_PKG_INFO 31u
#define SECPKG_ATTR_NEGO_STATUS 32u
#define SECPKG_ATTR_CONTEXT_DELETED 33u
#define SECPKG_ATTR_DTLS_MTU 34u
#define SECPKG_ATTR_SUBJECT_SECURITY_ATTRIBUTES 128u
#define SECPKG_ATTR_APPLICATION_PROTOCOL 35u
#define SECPKG_ATTR_NEGOTIATED_TLS_EXTENSIONS 36u
#define SECPKG_ATTR_IS_LOOPBACK 37u
#define SECPKG_ATTR_DATAGRAM_SIZES SECPKG_ATTR_STREAM_SIZES

// What a credential is for.
#define SECPKG_CRED_INBOUND 0x00000001u
#define SECPKG_CRED_OUTBOUND 0x00000002u
#define SECPKG_CRED_BOTH 0x00000003u
#define SECPKG_CRED_DEFAULT 0x00000004u
#define SECPKG_CRED_RESERVED 0xF0000000u
#define SECPKG_CRED_AUTOLOGON_RESTRICTED 0x00000010u
#define SECPKG_CRED_PROCESS_POLICY_ONLY 0x00000020u
#define SECPKG_CRED_KERB_ANCHOR_DS_VERSION 0x00000040u

// What AcceptSecurityContext is asked for and answers.
#define ASC_REQ_DELEGATE 0x00000001u
#define ASC_REQ_MUTUAL_AUTH 0x00000002u
#define ASC_REQ_REPLAY_DETECT 0x00000004u
#define ASC_REQ_SEQUENCE_DETECT 0x00000008u
#define ASC_REQ_CONFIDENTIALITY 0x00000010u
#define ASC_REQ_USE_SESSION_KEY 0x00000020u
#define ASC_REQ_SESSION_TICKET 0x00000040u
#define ASC_REQ_ALLOCATE_MEMORY 0x00000100u
#define ASC_REQ_USE_DCE_STYLE 0x00000200u
#define ASC_REQ_DATAGRAM 0x00000400u
#define ASC_REQ_CONNECTION 0x00000800u
#define ASC_REQ_CALL_LEVEL 0x00001000u
#define ASC_REQ_FRAGMENT_SUPPLIED 0x00002000u
#define ASC_REQ_EXTENDED_ERROR 0x00008000u
#define ASC_REQ_STREAM 0x00010000u
#define ASC_REQ_INTEGRITY 0x00020000u
#define ASC_REQ_LICENSING 0x00040000u
#define ASC_REQ_IDENTIFY 0x00080000u
#define ASC_REQ_ALLOW_NULL_SESSION 0x00100000u
#define ASC_REQ_ALLOW_NON_USER_LOGONS 0x00200000u
#define ASC_REQ_ALLOW_CONTEXT_REPLAY 0x00400000u
#define ASC_REQ_FRAGMENT_TO_FIT 0x00800000u
#define ASC_REQ_NO_TOKEN 0x01000000u
#define ASC_REQ_PROXY_BINDINGS 0x04000000u
#define ASC_REQ_ALLOW_MISSING_BINDINGS 0x10000000u

#define ASC_RET_DELEGATE 0x00000001u
#define ASC_RET_MUTUAL_AUTH 0x00000002u
#define ASC_RET_REPLAY_DETECT 0x00000004u
#define ASC_RET_SEQUENCE_DETECT 0x00000008u
#define ASC_RET_CONFIDENTIALITY 0x00000010u
#define ASC_RET_USE_SESSION_KEY 0x00000020u
#define ASC_RET_SESSION_TICKET 0x00000040u
#define ASC_RET_ALLOCATED_MEMORY 0x00000100u
#define ASC_RET_USED_DCE_STYLE 0x00000200u
#define ASC_RET_DATAGRAM 0x00000400u
#define ASC_RET_CONNECTION 0x00000800u
#define ASC_RET_CALL_LEVEL 0x00002000u
#define ASC_RET_THIRD_LEG_FAILED 0x00004000u
#define ASC_RET_EXTENDED_ERROR 0x00008000u
#define ASC_RET_STREAM 0x00010000u
#define ASC_RET_INTEGRITY 0x00020000u
#define ASC_RET_LICENSING 0x00040000u
#define ASC_RET_IDENTIFY 0x00080000u
#define ASC_RET_NULL_SESSION 0x00100000u
#define ASC_RET_ALLOW_NON_USER_LOGONS 0x00200000u
#define ASC_RET_ALLOW_CONTEXT_REPLAY 0x00400000u
#define ASC_RET_FRAGMENT_ONLY 0x00800000u
#define ASC_RET_NO_TOKEN 0x01000000u
#define ASC_RET_NO_ADDITIONAL_TOKEN 0x02000000u

// Buffer types, and the bits that may be added to one.
#define SECBUFFER_VERSION 0u
#define SECBUFFER_EMPTY 0u
#define SECBUFFER_DATA 1u
#define SECBUFFER_TOKEN 2u
#define SECBUFFER_PKG_PARAMS 3u
#define SECBUFFER_MISSING 4u
#define SECBUFFER_EXTRA 5u
#define SECBUFFER_STREAM_TRAILER 6u
#define SECBUFFER_STREAM_HEADER 7u
#define SECBUFFER_NEGOTIATION_INFO 8u
#define SECBUFFER_PADDING 9u
#define SECBUFFER_STREAM 10u
#define SECBUFFER_MECHLIST 11u
#define SECBUFFER_MECHLIST_SIGNATURE 12u
#define SECBUFFER_TARGET 13u
#define SECBUFFER_CHANNEL_BINDINGS 14u
#define SECBUFFER_CHANGE_PASS_RESPONSE 15u
#define SECBUFFER_TARGET_HOST 16u
#define SECBUFFER_ALERT 17u
#define SECBUFFER_APPLICATION_PROTOCOLS 18u
#define SECBUFFER_SRTP_PROTECTION_PROFILES 19u
#define SECBUFFER_SRTP_MASTER_KEY_IDENTIFIER 20u
#define SECBUFFER_TOKEN_BINDING 21u
#define SECBUFFER_PRESHARED_KEY 22u
#define SECBUFFER_PRESHARED_KEY_IDENTITY 23u
#define SECBUFFER_DTLS_MTU 24u
#define SECBUFFER_SEND_GENERIC_TLS_EXTENSION 25u
#define SECBUFFER_SUBSCRIBE_GENERIC_TLS_EXTENSION 26u
#define SECBUFFER_FLAGS 27u
#define SECBUFFER_TRAFFIC_SECRETS 28u
#define SECBUFFER_CERTIFICATE_REQUEST_CONTEXT 29u
#define SECBUFFER_CHANNEL_BINDINGS_RESULT 30u
#define SECBUFFER_APP_SESSION_STATE 31u
#define SECBUFFER_SESSION_TICKET 32u
#define SECBUFFER_ATTRMASK 0xF0000000u
#define SECBUFFER_READONLY 0x80000000u
#define SECBUFFER_READONLY_WITH_CHECKSUM 0x10000000u
#define SECBUFFER_RESERVED 0x60000000u

#define SECURITY_NATIVE_DREP 0x00000010u
#define SECURITY_NETWORK_DREP 0x00000000u

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
//   ptsExpiry       Receives SECURITY_TIME_NEVER; may be NULL.
// SEC_E_NO_CREDENTIALS if a keytab or an accounts file cannot be used, or nothing is left to
// accept; SEC_E_NO_AUTHENTICATING_AUTHORITY if winbindd is to be asked and does not answer;
// SEC_E_INSUFFICIENT_MEMORY if memory or all credential handles are used up.
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

// AcceptSecurityContext takes one token of a client and answers it.
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
//                request of one client. All others change nothing: what the client got is in
//                pfContextAttr, and a caller that needs integrity, say, must look there.
//   TargetDataRep  Not used by these packages.
//   phNewContext Never NULL; may be the same address as phContext.
//   pOutput      One SECBUFFER_TOKEN with room for the reply (cbMaxToken is always enough), whose
//                cbBuffer becomes the reply's size, 0 for no reply. May overlap pInput. It may be
//                left out only if nothing has to be sent (else SEC_E_INSUFFICIENT_BUFFERS). A reply
//                is to be sent whatever the status is. A SECBUFFER_CHANNEL_BINDINGS_RESULT with
//                room for a SEC_CHANNEL_BINDINGS_RESULT receives what came of the bindings,
//                whatever the status is.
//   pfContextAttr  Receives ASC_RET_*; the security bits are there with SEC_E_OK only. May be NULL.
//   ptsExpiry    Receives the end of the context with SEC_E_OK. May be NULL.
// Returns SEC_E_OK, SEC_I_CONTINUE_NEEDED (send the reply, pass in the answer), or an error. Waits
// where an NTLM client has to be asked about, and for that alone (USHER_ACCEPTOR.Authority, Ask).
//
// After an error no context remains, neither a new one nor the one of phContext: its memory is
// wiped, and deleting it gives SEC_E_INVALID_HANDLE. (Windows keeps the latter until it is deleted;
// a caller that deletes it in either case is right on both.) Spared is only what is in use: a
// context that another thread is working on, and one that was complete before this call.
USHER_API SECURITY_STATUS SEC_ENTRY
AcceptSecurityContext(PCredHandle phCredential, PCtxtHandle phContext, PSecBufferDesc pInput,
                      uint32_t fContextReq, uint32_t TargetDataRep, PCtxtHandle phNewContext,
                      PSecBufferDesc pOutput, uint32_t* pfContextAttr, PTimeStamp ptsExpiry);

// DeleteSecurityContext ends a context, complete or not, and wipes it. SEC_E_INVALID_HANDLE if
// there is none, or if another thread is using it; then it stays.
USHER_API SECURITY_STATUS SEC_ENTRY DeleteSecurityContext(PCtxtHandle phContext);

// FreeContextBuffer frees whatever a function here has allocated for the caller. NULL is allowed.
USHER_API SECURITY_STATUS SEC_ENTRY FreeContextBuffer(void* pvContextBuffer);

// QueryContextAttributes fills in *pBuffer, the structure of ulAttribute: FLAGS, PACKAGE_INFO and
// NEGOTIATION_INFO at any time; SIZES, NAMES, LIFESPAN, KEY_INFO, AUTHORITY, NATIVE_NAMES and
// SESSION_KEY of a complete context, else SEC_E_OUT_OF_SEQUENCE; likewise PASSWORD_EXPIRY,
// LOGOFF_TIME and USER_FLAGS, which are SEC_E_NO_IMPERSONATION if the client came without a PAC.
// Any other is SEC_E_UNSUPPORTED_FUNCTION. SEC_E_INVALID_UPN_NAME: a name holds a NUL, or is not
// UTF-8, and cannot be a string. On an error *pBuffer is not touched. usher_query_identity
// (acceptor.h) tells all of a PAC.
USHER_API SECURITY_STATUS SEC_ENTRY QueryContextAttributesA(PCtxtHandle phContext,
                                                            uint32_t ulAttribute, void* pBuffer);
USHER_API SECURITY_STATUS SEC_ENTRY QueryContextAttributesW(PCtxtHandle phContext,
                                                            uint32_t ulAttribute, void* pBuffer);

// EnumerateSecurityPackages gives all packages, QuerySecurityPackageInfo the one of that name (else
// SEC_E_SECPKG_NOT_FOUND), as one allocation for FreeContextBuffer. Their capabilities are those of
// Windows less what there is no function for here.
USHER_API SECURITY_STATUS SEC_ENTRY EnumerateSecurityPackagesA(uint32_t* pcPackages,
                                                               PSecPkgInfoA* ppPackageInfo);
USHER_API SECURITY_STATUS SEC_ENTRY EnumerateSecurityPackagesW(uint32_t* pcPackages,
                                                               PSecPkgInfoW* ppPackageInfo);
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
#define QueryContextAttributes QueryContextAttributesW
#define EnumerateSecurityPackages EnumerateSecurityPackagesW
#define QuerySecurityPackageInfo QuerySecurityPackageInfoW
typedef SecPkgInfoW SecPkgInfo, *PSecPkgInfo;
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
#define QueryContextAttributes QueryContextAttributesA
#define EnumerateSecurityPackages EnumerateSecurityPackagesA
#define QuerySecurityPackageInfo QuerySecurityPackageInfoA
typedef SecPkgInfoA SecPkgInfo, *PSecPkgInfo;
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
