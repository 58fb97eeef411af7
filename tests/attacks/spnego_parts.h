// SPNEGO tokens with a hole for the field under attack (RFC 4178 4.2).
#pragma once

#include "parsers/spnego.h"
#include "tests/attacks/build.h"

namespace usher::attacks {

inline const Parser kSpnegoInit = {"spnego", {}, fault_of<spnego::parse_neg_token_init>};
inline const Parser kSpnegoResp = {"spnego", {}, fault_of<spnego::parse_neg_token_resp>};
inline const Parser kGssInitial = {"gss", {}, fault_of<gss::parse_initial_token>};

inline const Octets kSpnegoOid = hex("06 06 2b0601050502");
inline const Octets kKerberosOid = hex("06 09 2a864886f712010202");

// framed is an InitialContextToken of SPNEGO (RFC 2743 3.1).
inline Octets framed(const Octets& inner) { return element(0x60, cat({kSpnegoOid, inner})); }

inline Octets init(const Octets& body) { return framed(element(0xa0, element(0x30, body))); }
inline Octets resp(const Octets& body) { return element(0xa1, element(0x30, body)); }

// The fields of an init and of a resp that are always right.
inline const Octets kMechTypes = element(0xa0, element(0x30, kKerberosOid));
inline const Octets kState = hex("a0 03 0a 01 01");  // accept-incomplete

inline const Octets kInitBody = element(0x30, kMechTypes);
inline const Octets kRespBody = element(0x30, kState);

}  // namespace usher::attacks
