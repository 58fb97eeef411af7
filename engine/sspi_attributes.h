// What QueryContextAttributes fills in, one structure an attribute. Part of sspi.h, which includes
// it.
#pragma once

#include "sspi_types.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
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

// The client for who decides by name: AuthzSvc is RPC_C_AUTHZ_NAME and pPac the name as in NamesW,
// in both forms of the function, one allocation. (RPC_C_AUTHZ_DCE would be a PAC, whose size this
// structure cannot say: usher_query_identity tells what is in it.)
#define RPC_C_AUTHZ_NONE 0u
#define RPC_C_AUTHZ_NAME 1u
#define RPC_C_AUTHZ_DCE 2u
typedef struct _SecPkgContext_DceInfo {
  uint32_t AuthzSvc;
  void* pPac;
} SecPkgContext_DceInfo, *PSecPkgContext_DceInfo;

// The principal whose key opened the ticket: "HTTP/web@REALM". CredentialType is 0; Windows has no
// values for it. Kerberos only: an NTLM acceptor has no name of its own to prove.
typedef struct _SecPkgContext_CredentialNameA {
  uint32_t CredentialType;
  SEC_CHAR* sCredentialName;
} SecPkgContext_CredentialNameA, *PSecPkgContext_CredentialNameA;
typedef struct _SecPkgContext_CredentialNameW {
  uint32_t CredentialType;
  SEC_WCHAR* sCredentialName;
} SecPkgContext_CredentialNameW, *PSecPkgContext_CredentialNameW;

// The service that the client means to speak with, an SPN as the client spells it ("HTTP/web"),
// UTF-16 in both forms of the function. It was under the client's own protection all the way: in
// the authenticator (MS-KILE 2.2.9) or in the NTLMv2 response (MsvAvTargetName). A Kerberos client
// that names none there has named the service whose key opened its ticket; an NTLM client that
// names none has not said.
typedef struct _SecPkgContext_ClientSpecifiedTarget {
  SEC_WCHAR* sTargetName;
} SecPkgContext_ClientSpecifiedTarget, *PSecPkgContext_ClientSpecifiedTarget;

// Whether the token that was accepted last is the client's last: Yes once the context is complete,
// No before. Which it is is always known here, so it is never Maybe.
typedef enum _SECPKG_ATTR_LCT_STATUS {
  SecPkgAttrLastClientTokenYes,
  SecPkgAttrLastClientTokenNo,
  SecPkgAttrLastClientTokenMaybe
} SECPKG_ATTR_LCT_STATUS,
    *PSECPKG_ATTR_LCT_STATUS;
typedef struct _SecPkgContext_LastClientTokenStatus {
  SECPKG_ATTR_LCT_STATUS LastClientTokenStatus;
} SecPkgContext_LastClientTokenStatus, *PSecPkgContext_LastClientTokenStatus;

// The client as a local user: what QuerySecurityContextToken gives, a PUSHER_TOKEN (user_token.h),
// to be freed with FreeContextBuffer.
typedef struct _SecPkgContext_AccessToken {
  void* AccessToken;
} SecPkgContext_AccessToken, *PSecPkgContext_AccessToken;

// What QueryCredentialsAttributes fills in.
typedef struct _SecPkgCredentials_NamesA {
  SEC_CHAR* sUserName;
} SecPkgCredentials_NamesA, *PSecPkgCredentials_NamesA;
typedef struct _SecPkgCredentials_NamesW {
  SEC_WCHAR* sUserName;
} SecPkgCredentials_NamesW, *PSecPkgCredentials_NamesW;
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
