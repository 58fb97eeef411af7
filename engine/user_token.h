// Which local user a client is: what QuerySecurityContextToken tells and ImpersonateSecurityContext
// becomes.
#pragma once

#include "acceptor.h"

// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): C, and names as in Windows' headers.
#ifdef __cplusplus
extern "C" {
#endif

// USHER_TOKEN names the local user that a client is, in place of Windows' access token. It is one
// allocation for FreeContextBuffer, a copy: later changes of users and groups are not in it.
//
// The user is found by the first of USHER_OPTIONS.Users that knows the client:
//   map      the first line of the file UserMap that names the client: a client's name as
//            SECPKG_ATTR_NAMES tells it ("alice@EXAMPLE.ORG", "EXAMPLE\alice"; of NTLM in any
//            case, of Kerberos as it is), or its UserSid ("S-1-5-21-..."), then white space, then
//            the name of a local user (no blanks, none of @ \ / :, no - in front), or "-" for a
//            client that is nobody here, whatever other lines there are, and whoever else may know
//            it. Names of NTLM, and those with blanks in them, are in quotes or have a tab behind
//            them. "#" begins a comment, at the beginning of a line or behind white space, and not
//            in quotes. The file is read when the engine starts, which a line that is wrong or not
//            clear prevents; nobody but its owner, root or this process's user, may be able to
//            write it.
//   winbind  the user whom winbindd has for the UserSid of the client's PAC; if it has none, or is
//            out of order, the search ends.
//   krb5     the local name that the rules auth_to_local of krb5.conf make of a Kerberos client's
//            principal, if that is one plain component ("alice@REALM", not "alice/admin@REALM",
//            nor "alice$@REALM") and the local name is plain, too. NTLM clients have none.
//
// Of Active Directory, names are not enough: whoever may make an account there, by default every
// user, can have a ticket in another's name. A PAC tells the account, and a Kerberos client whose
// name is not its account's is known by its SID, and in the map by its account, too. A client
// may also come without a PAC; where the map has a SID in it, or Users has "winbind", such a one is
// nobody. With a map of names only, or krb5, and a domain whose users you do not trust, refuse
// tickets without PAC: pac=require.
//
// A Kerberos client's lines are those for its account, whatever it calls itself: the account's name
// with the client's realm, in any case of ASCII (without a SID in the PAC, as it is, but for "-").
// A "-" for the name that it goes by counts as well, though the name is not the account's. If its
// lines name more than one user, or one of them nobody, the client is nobody.
//
// To keep somebody out where another source follows the map, put "-" behind the SID. That holds in
// every package; "-" behind a name of Kerberos does not hold against NTLM, nor the other way round.
//
// A name is looked up in the machine's name services (getpwnam, getgrouplist), off the threads that
// accept. Where it is none of theirs, and where a source fails, the search ends: the next source
// might know somebody else by that name. Only the map can say that a client is root (uid 0): one
// whom another source takes for root is nobody. The number 4294967295 stands for no user or group.
typedef struct _USHER_TOKEN {
  uint32_t Size;  // sizeof(USHER_TOKEN)
  uint32_t Uid;
  uint32_t Gid;  // The user's primary group.
  uint32_t GroupCount;
  const uint32_t* Groups;  // Supplementary groups, Gid among them as getgrouplist tells.
  const char* UserName;    // The local user's.
  const char* ClientName;  // SECPKG_ATTR_NAMES.
  const char* FoundBy;     // "map", "winbind" or "krb5".
  // What the client's PAC says; "" and 0 without one.
  const char* UserSid;
  const char* PrimaryGroupSid;
  const USHER_GROUP* Sids;
  uint32_t SidCount;
  uint32_t Reserved;
} USHER_TOKEN, *PUSHER_TOKEN;

#ifdef __cplusplus
}  // extern "C"
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
