// What SSPI leaves to the platform: how an acceptor on Linux names its keytab, accounts and policy,
// how large the engine is, and why a call was refused. For C and C++, beside sspi.h.
#pragma once

#include <stddef.h>

#include "sspi.h"

// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): C, and names as in Windows' headers.
#ifdef __cplusplus
extern "C" {
#endif

// USHER_QUESTION is what an NTLM client proves itself with. Names are UTF-8, as the client spelled
// them; Domain is "" if it named none, Workstation if it named none that can be read.
#define USHER_RESPONSE_NTLMV2 2u          // MS-NLMP 3.3.2.
#define USHER_RESPONSE_NTLMV1 1u          // MS-NLMP 3.3.1; only where the policy ntlm.v1 allows it.
#define USHER_RESPONSE_NTLMV1_SESSION 3u  // Likewise, with extended session security.
typedef struct _USHER_QUESTION {
  uint64_t Inquiry;  // For usher_answer.
  const char* User;
  const char* Domain;
  const char* Workstation;
  uint32_t Response;  // USHER_RESPONSE_*
  uint32_t NtResponseSize;
  const uint8_t* NtResponse;
  const uint8_t* ClientChallenge;  // Eight bytes with USHER_RESPONSE_NTLMV1_SESSION, else NULL.
  uint8_t ServerChallenge[8];
} USHER_QUESTION, *PUSHER_QUESTION;

// USHER_ASK is the caller's own authority: asked about each NTLM client that Accounts does not
// have, once the policy ntlm.v1 allows its response; time, MIC and bindings are looked at with the
// answer. It runs inside AcceptSecurityContext and must neither block nor throw. It answers by
// usher_answer, at once or later from any thread; AcceptSecurityContext and usher_reload are
// refused inside it (SEC_E_OUT_OF_SEQUENCE). What `question` points to is good until it has
// answered, or returns if that is sooner. Freeing the credential takes the questions with it: who
// waits for their answers waits for the deadline. It may fork; in such a child usher_reload is
// refused for the credentials of its parent (SEC_E_OUT_OF_SEQUENCE).
typedef void (*USHER_ASK)(void* context, const USHER_QUESTION* question);

// USHER_ANSWER answers a question. With NtHash, 16 bytes of MD4 over the password in UTF-16LE, the
// client's response is verified here. With SessionKey, 16 bytes of SessionBaseKey (MS-NLMP 3.3), it
// has been verified by who answers. Exactly one of them if Status is SEC_E_OK; without that status
// only the status is looked at.
typedef struct _USHER_ANSWER {
  SECURITY_STATUS Status;  // SEC_E_OK; SEC_E_LOGON_DENIED; SEC_E_NO_AUTHENTICATING_AUTHORITY.
  const uint8_t* NtHash;
  const uint8_t* SessionKey;
  // How the client is called from now on, in UTF-8 without control characters: together at most 768
  // bytes. User is not "" with SEC_E_OK; without a Domain the client is "\user".
  const char* User;
  const char* Domain;
} USHER_ANSWER, *PUSHER_ANSWER;

// usher_answer answers an inquiry of that credential once; everything is copied, keys are wiped
// after use. SEC_E_INVALID_HANDLE if there is no such credential or inquiry, it has been answered,
// or its caller has given up.
// SEC_E_INVALID_PARAMETER if the answer is not as described, and it is still to be answered;
// SEC_E_INSUFFICIENT_MEMORY likewise. Any thread, also inside USHER_ASK.
USHER_API SECURITY_STATUS usher_answer(PCredHandle phCredential, uint64_t Inquiry,
                                       const USHER_ANSWER* answer);

// USHER_ACCEPTOR is passed to AcquireCredentialsHandle as pAuthData. Set everything to zero, then
// Version and Size, then what shall differ from the default. All strings are UTF-8, read during the
// call and not kept; NULL and "" are the same.
//
//   USHER_ACCEPTOR acceptor = {.Version = USHER_ACCEPTOR_VERSION, .Size = sizeof acceptor};
//   acceptor.Keytab = "/etc/web/http.keytab";
#define USHER_ACCEPTOR_VERSION 0x31555341u
typedef struct _USHER_ACCEPTOR {
  uint32_t Version;  // USHER_ACCEPTOR_VERSION, which no other kind of pAuthData begins with.
  uint32_t Size;     // sizeof(USHER_ACCEPTOR)

  // A keytab file. Default: the system's. It must be readable if it is named here, or if only
  // Kerberos is served; with accounts and no system keytab, Negotiate serves NTLM alone. One that
  // is there and cannot be read is an error: say which package is wanted.
  const char* Keytab;

  // Who may sign on with NTLM: a file of lines DOMAIN:user:password or DOMAIN:user::NTHASH (32 hex
  // digits), not readable by others. Default: nobody, and NTLM is not offered.
  const char* Accounts;

  // Which of "kerberos" and "ntlm" a Negotiate credential serves: "kerberos,ntlm" is both (the
  // default), "kerberos" only that one, "!ntlm" all but that one.
  const char* PackageList;

  // Policies as name=value, separated by commas: "kerberos.skew=600,ntlm.mic=always". Default: the
  // first value of each line of the table in README.
  const char* Policy;

  // How this server names itself in an NTLM CHALLENGE (MS-NLMP 2.2.1.2). Default of each: made from
  // the host's name.
  const char* NetbiosDomain;    // "EXAMPLE"
  const char* NetbiosComputer;  // "WEB"
  const char* DnsDomain;        // "example.org"
  const char* DnsComputer;      // "web.example.org"

  // A keytab with keys of krbtgt, for who has them: the KDC's own signatures in a PAC are then
  // verified, too, which tells tickets that a KDC has made from those that somebody made who holds
  // the service's key. It never opens tickets. With it, a ticket whose PAC lacks the KDC's
  // signature or the ticket signature is refused, and with the policy pac=require also one without
  // a full signature (MS-PAC 2.8.4), which MIT krb5 makes from 1.21 on; every realm that tickets
  // come from must have its krbtgt in it. A ticket without a PAC is refused then, unless the policy
  // pac=ignore leaves PACs alone. Default: none.
  const char* KdcKeytab;

  // Who is asked about NTLM clients that Accounts does not have. AcceptSecurityContext waits for
  // the answer, at most AuthorityMilliseconds (5,000); SEC_E_NO_AUTHENTICATING_AUTHORITY after
  // that, and when more than AuthorityQuestions (256) are under way. One of the two, or neither:
  // With "winbind", the domain that this machine has joined, winbindd is asked on threads of the
  // credential's own: acquire it in the process that uses it, not before a fork, and expect
  // FreeCredentialsHandle to last as long as what winbindd has been asked.
  const char* Authority;
  USHER_ASK Ask;                   // The caller's own.
  void* AskContext;                // Passed to Ask as it is.
  uint32_t AuthorityMilliseconds;  // At most 600,000.
  uint32_t AuthorityQuestions;     // At most 4,096.
} USHER_ACCEPTOR, *PUSHER_ACCEPTOR;

// USHER_OPTIONS sizes the engine, which is one for the whole process. Zero is the default of each.
#define USHER_OPTIONS_VERSION 0x314f5355u
typedef struct _USHER_OPTIONS {
  uint32_t Version;              // USHER_OPTIONS_VERSION
  uint32_t Size;                 // sizeof(USHER_OPTIONS)
  uint32_t SlotCount;            // Contexts alive at once, 1 KiB each: 8192; at most 2^20.
  uint32_t HalfOpenSeconds;      // How long an unfinished exchange may keep its slot: 30.
  uint32_t ReplayEntries;        // Authenticators remembered, 8 bytes each: 2^22; at most 2^28.
  uint32_t ClockSkewSecondsMax;  // Widest kerberos.skew a credential may have: 300.

  // A file for the replay cache: what was accepted before a restart or a crash of the process is
  // still refused after it, and processes that name one file share it. It is made if there is none,
  // with mode 0600, for ReplayEntries and ClockSkewSecondsMax as they are, and holds a secret. Put
  // it where nobody else can write, best under /run. NULL and "": the cache is in memory.
  const char* ReplayFile;

  // Asynchronous calls (async.h), of which usher_start comes before the first. A program that was
  // built before there were any passes a Size without these and what follows, and gets the
  // defaults.
  uint32_t AsyncWorkers;   // Threads that do accepts: as many as processors; at most 256.
  uint32_t AsyncContexts;  // Of SspiCreateAsyncContext, alive at once: 4096; at most 2^16.
  uint32_t AsyncQueue;     // Operations that may wait for each worker in a burst (async.h,
                           // "Overload"): 1024; at most 2^16.

  // Opened tickets remembered, so that they need not be opened again: 4096; at most 2^20; rounded
  // up to a power of two, and to 8. Each takes 26 KiB of address space, but memory only once there
  // is a ticket there, one or two pages of 4 KiB for a small one, five for one of 4.5 KB. A ticket
  // that finds no room is opened anew each time. The policy kerberos.ticket-cache=off has none of a
  // credential's remembered; usher_ticket_counts tells what they were good for.
  uint32_t TicketEntries;

  // Contexts that are packed for others (ExportSecurityContext). A program built before this passes
  // a Size without it and what follows.
  uint32_t ExportSeconds;  // How long a packed context can be imported: 60; at most 300, and at
                           // most ClockSkewSecondsMax, which is how long it is remembered that it
                           // was. If that is less than 60, it is the default.
  // A file of 32 random bytes and nothing else, the key packed contexts are sealed with: the user's
  // own or root's, which nobody but its owner may read. Read by usher_start alone. Whoever reads it
  // can open and make packed contexts of every engine that has it. Needs a ReplayFile, which the
  // processes share: what is packed is then imported once. NULL and "": a random key of this
  // engine's.
  const char* ContextKeyFile;

  // Which local users clients are (user_token.h): the kinds of names that are asked, in order,
  // separated by commas. "map" is the file UserMap, "winbind" the domain this machine has joined,
  // "krb5" the rules auth_to_local of krb5.conf. NULL and "": "map,krb5" with a UserMap, else
  // "krb5".
  const char* Users;
  const char* UserMap;
  uint32_t UserMilliseconds;  // How long name services are waited for: 5,000; at most 600,000.
} USHER_OPTIONS, *PUSHER_OPTIONS;
#define USHER_OPTIONS_SIZE_1 offsetof(USHER_OPTIONS, AsyncWorkers)
#define USHER_OPTIONS_SIZE_2 offsetof(USHER_OPTIONS, ExportSeconds)

// usher_start makes the engine. Optional: the first AcquireCredentialsHandle makes one of the
// default size, wide enough for its own kerberos.skew. SEC_E_OUT_OF_SEQUENCE if there is one
// already, or there has been an asynchronous call; SEC_E_INVALID_PARAMETER if a number is out of
// range, the replay file, the context key file or the user map cannot be used, or Users names what
// there is none of, such as winbind in a build without it; SEC_E_INSUFFICIENT_MEMORY. After an
// error AcquireCredentialsHandle refuses with SEC_E_OUT_OF_SEQUENCE until usher_start succeeds: no
// engine of the default size is made in place of the one that was wanted.
USHER_API SECURITY_STATUS usher_start(const USHER_OPTIONS* options);

// USHER_TICKET_COUNTS is what remembering tickets was good for, in all sign-ons of the process by
// whatever call; a child of fork goes on from its parent's. A ticket is remembered when it comes
// the second time within an hour, so a client's first two sign-ons find nothing.
typedef struct _USHER_TICKET_COUNTS {
  uint32_t Size;  // sizeof(USHER_TICKET_COUNTS)
  uint32_t Reserved;
  uint64_t Found;       // Tickets looked for and found,
  uint64_t NotFound;    // and not found; each was opened.
  uint64_t Remembered;  // Tickets put there.
  uint64_t Replaced;    // Of those, in the place of one that could have been found again.
  uint64_t Declined;    // Not put there: most of them because it was their first time, and
  uint64_t NoRoom;      // so many because all that lay in their place was in use.
} USHER_TICKET_COUNTS, *PUSHER_TICKET_COUNTS;

// usher_ticket_counts tells what remembering tickets was good for. Numbers are each exact and not
// all of the same moment; before the first sign-on all are 0. SEC_E_INVALID_PARAMETER if Size is
// not this library's. Any thread, at any time; no lock.
USHER_API SECURITY_STATUS usher_ticket_counts(USHER_TICKET_COUNTS* counts);

// USHER_ACCEPT is one call of AcceptSecurityContext: its arguments, by their names there, and what
// it returns.
typedef struct _USHER_ACCEPT {
  PCredHandle phCredential;
  PCtxtHandle phContext;
  PSecBufferDesc pInput;
  uint32_t fContextReq;
  uint32_t TargetDataRep;
  PCtxtHandle phNewContext;
  PSecBufferDesc pOutput;
  uint32_t* pfContextAttr;
  PTimeStamp ptsExpiry;
  SECURITY_STATUS Status;
} USHER_ACCEPT, *PUSHER_ACCEPT;

// usher_accept_batch makes `count` calls of AcceptSecurityContext together, on the calling thread:
// for a program that has collected several clients' tokens, since their cryptography is done side
// by side and each costs less. Each request is answered, in arguments and Status, as that function
// would: one that is refused changes nothing for the others. Requests are worked on 64 at a time,
// in order. Of two with one authenticator the later is a replay; of two that continue one context
// the later, if it is among the same 64, is refused with SEC_E_INVALID_HANDLE. Waits, where NTLM
// clients have to be asked about, for all of the 64 at once.
//
// SEC_E_OK: each request has its Status, and usher_last_refusal tells why the last one that was
// refused was. SEC_E_OUT_OF_SEQUENCE inside a USHER_ASK, SEC_E_INVALID_PARAMETER if requests is
// NULL and count is not 0; no Status is set then. After a thread's first call nothing is taken from
// the heap and no system call made, as by AcceptSecurityContext; the first takes 5 MiB of address
// space, of which a batch of small tokens touches little.
USHER_API SECURITY_STATUS usher_accept_batch(USHER_ACCEPT* requests, uint32_t count);

// usher_reload reads a credential's keytabs and accounts again and puts them in place of the old
// ones at once; calls that have begun finish with the old ones, which are wiped before this
// returns. If one of them cannot be used, SEC_E_NO_CREDENTIALS, or SEC_E_INSUFFICIENT_MEMORY, and
// the old ones stay.
USHER_API SECURITY_STATUS usher_reload(PCredHandle phCredential);

// usher_store_delegated writes what the client of a complete context delegated to a credential
// cache of MIT krb5, in place of what is in it: "FILE:/run/web/krb5cc_alice", which only its owner
// may read and which is complete the moment it is there, or "MEMORY:name", the process's own. In it
// are the client's tickets, as a rule one ticket-granting ticket: whoever reads it can act as the
// client. The context keeps its copy until it is deleted, so this can be called again.
//
// There is something to store if ASC_RET_DELEGATE was granted, for which the client,
// ASC_REQ_DELEGATE and the policy delegation=accept are needed; else SEC_E_NO_CREDENTIALS.
// SEC_E_OUT_OF_SEQUENCE if the context is not complete, SEC_E_INVALID_PARAMETER for another kind of
// cache, SEC_E_INTERNAL_ERROR if it cannot be written, SEC_E_INSUFFICIENT_MEMORY. Allocates and
// does I/O. Any thread.
USHER_API SECURITY_STATUS usher_store_delegated(PCtxtHandle phContext, const char* ccache_name);

// USHER_GROUP is a group the client is in. Attributes are Windows' SE_GROUP_*: 1 mandatory,
// 2 enabled by default, 4 enabled, 0x10 for denying only, 0x20000000 local to the service's domain.
typedef struct _USHER_GROUP {
  const char* Sid;  // "S-1-5-21-..."
  uint32_t Attributes;
} USHER_GROUP, *PUSHER_GROUP;

// Bits of USHER_IDENTITY.Signatures. Of a ticket's PAC the server's has always been verified; the
// others need USHER_ACCEPTOR.KdcKeytab (MS-PAC 2.8). What a domain says of an NTLM client has none.
#define USHER_PAC_SERVER_SIGNATURE 0x1u
#define USHER_PAC_KDC_SIGNATURE 0x2u
#define USHER_PAC_TICKET_SIGNATURE 0x4u
#define USHER_PAC_FULL_SIGNATURE 0x8u

// Bits of USHER_IDENTITY.Contents: what else there is.
#define USHER_PAC_LOGON_INFO 0x1u       // Without it, times, flags and groups are all zero.
#define USHER_PAC_UPN_CONSTRUCTED 0x2u  // The account has no UPN of its own; this one was made up.
#define USHER_PAC_CLIENT_CLAIMS 0x4u
#define USHER_PAC_DEVICE_CLAIMS 0x8u
#define USHER_PAC_DEVICE_INFO 0x10u
#define USHER_PAC_DELEGATION_INFO 0x20u  // Services have acted for the client (MS-PAC 2.9).

// USHER_IDENTITY is what a domain controller says of a client: in its ticket's PAC, verified, or,
// of an NTLM client, when it was asked (USHER_ACCEPTOR.Authority).
// Strings are UTF-8, and "" where the PAC has none. SIDs are text. Times are as in SSPI; those of
// the password and the logon are 0 where the domain controller knows none.
typedef struct _USHER_IDENTITY {
  const char* AccountName;  // "alice"
  const char* FullName;
  const char* DomainName;     // "EXAMPLE"
  const char* DnsDomainName;  // "EXAMPLE.ORG"
  const char* Upn;            // "alice@example.org"
  const char* LogonServer;
  const char* UserSid;
  const char* PrimaryGroupSid;
  const USHER_GROUP* Groups;  // Of the domain, then extra SIDs, then resource groups.
  uint32_t GroupCount;
  uint32_t UserFlags;
  uint32_t UserAccountControl;
  uint32_t Signatures;  // USHER_PAC_*_SIGNATURE
  uint32_t Contents;    // USHER_PAC_*
  TimeStamp LogonTime;
  TimeStamp LogoffTime;
  TimeStamp KickOffTime;
  TimeStamp PasswordLastSet;
  TimeStamp PasswordCanChange;
  TimeStamp PasswordMustChange;
} USHER_IDENTITY, *PUSHER_IDENTITY;

// usher_query_identity gives a complete context's identity as one allocation for FreeContextBuffer.
// SEC_E_OUT_OF_SEQUENCE before the context is complete; SEC_E_NO_IMPERSONATION if there is no PAC:
// an NTLM client of Accounts or of Ask, a KDC that makes none, or the policy pac=ignore;
// SEC_E_INVALID_UPN_NAME if a name in it holds a NUL or is no UTF-16, and so cannot be a string;
// SEC_E_INSUFFICIENT_MEMORY. Any thread. On an error *identity is null.
USHER_API SECURITY_STATUS usher_query_identity(PCtxtHandle phContext, PUSHER_IDENTITY* identity);

// usher_tls_server_end_point makes channel bindings of the type tls-server-end-point (RFC 5929 4)
// from a TLS server's certificate, as DER: a SEC_CHANNEL_BINDINGS whose application data is
// "tls-server-end-point:" and the certificate's hash. Pass it to AcceptSecurityContext as
// SECBUFFER_CHANNEL_BINDINGS, for every connection that was served with this certificate; it
// changes only with that.
//
// The hash function is that of the certificate's signature; SHA-256 in place of MD5 and SHA-1. For
// a signature without one of its own (Ed25519, Ed448) or with two (RSASSA-PSS whose mask is made
// with another), the RFC defines none: SEC_E_UNSUPPORTED_FUNCTION, and no client has one either.
//
// *bindings_size is the room at `bindings`, and becomes the size of the buffer;
// USHER_TLS_BINDINGS_SIZE_MAX is always enough. SEC_E_BUFFER_TOO_SMALL tells the size in it, too;
// after any other refusal it is 0. SEC_E_CERT_UNKNOWN if this is no certificate, or one with bytes
// behind it. Any thread; allocates.
#define USHER_TLS_BINDINGS_SIZE_MAX 128u
USHER_API SECURITY_STATUS usher_tls_server_end_point(const void* certificate,
                                                     uint32_t certificate_size, void* bindings,
                                                     uint32_t* bindings_size);

// usher_last_refusal says in words why the calling thread's last refused call was refused: which
// check said no and, for a malformed token, what is wrong at which byte. "" if none was. It never
// holds any part of a token or a key. The text is good until the thread's next call of a function
// of this library.
USHER_API const char* usher_last_refusal(void);

#ifdef __cplusplus
}  // extern "C"
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
