// SPNEGO negotiation tokens (RFC 4178 4.2, MS-SPNG 2.2).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "parsers/gss.h"
#include "parsers/result.h"

namespace usher::spnego {

// More mechanisms than this in one MechTypeList are refused: Windows offers 4, Heimdal 6.
inline constexpr std::uint32_t kMechTypesMax = 32;

// NegTokenInit is an initiator's first token (RFC 4178 4.2.1). Absent fields are empty.
struct NegTokenInit {
  NegTokenInit() noexcept {}  // As krb5::ApReq has, and why.

  Bytes mech_types;      // The MechTypeList element, header included: mechListMIC covers it.
  Bytes mech_oids;       // Its contents: one OID element after the other; never empty.
  Bytes preferred_mech;  // Contents octets of the first OID; never empty.
  bool has_mech_token = false;
  Bytes mech_token;            // Optimistic token for preferred_mech; may be empty though present.
  bool has_neg_hints = false;  // NegTokenInit2 (MS-SPNG 2.2.1); both hints mean nothing.
  Bytes hint_name;             // GeneralString; "not_defined_in_RFC4178@please_ignore".
  Bytes hint_address;
  bool has_mech_list_mic = false;
  Bytes mech_list_mic;
};

// parse_neg_token_init reads a first token, with its GSS-API header (RFC 2743 3.1) or without it.
// Every view in the result points into `token`. NegTokenInit2's negHints (MS-SPNG 2.2.1, context
// tag 3 holding a SEQUENCE) is told from mechListMIC by its inner tag; after it, mechListMIC has
// tag 4 and not 3.
//
// Fails with kUnexpectedTag if `token` is no such token at all or another element stands where the
// grammar wants one; kBadValue if its mechanism is not SPNEGO, the MechTypeList is longer than
// kMechTypesMax, an OID is empty, or reqFlags has more than 32 bits or padding that is not zero;
// kTruncated (also for an empty MechTypeList), kBadLength or kTrailingBytes if it is not DER.
[[nodiscard]] Result<NegTokenInit> parse_neg_token_init(Bytes token) noexcept;

// parse_into takes it without that header only, which is what RFC 2743's framing held, for who has
// a place for it: `out` is a new one, and filled in as far as there was no fault.
[[nodiscard]] ParseFault parse_into(Bytes token, NegTokenInit& out) noexcept;

// each_mechanism calls visit(Mechanism, Bytes oid, bool first) for every OID of a MechTypeList that
// parse_neg_token_init has accepted, in the initiator's order of preference.
template <class Visit>
void each_mechanism(Bytes mech_oids, Visit visit) noexcept {
  Parse parse(mech_oids);
  der::Reader oids(parse);
  bool first = true;
  oids.each([&](der::Reader& rest) {
    const Bytes oid = rest.bytes(der::Tag::kOid);
    if (!oid.empty()) {
      visit(gss::mechanism_of(oid), oid, first);
    }
    first = false;
  });
}

inline constexpr std::string_view kHintName = "not_defined_in_RFC4178@please_ignore";

enum class NegState : std::uint8_t {
  kAcceptCompleted = 0,
  kAcceptIncomplete = 1,
  kReject = 2,
  kRequestMic = 3,
};

// write_neg_token_init2 writes what a server says that is asked before it was told anything: its
// mechanisms, at least one, in order of preference, and the hint that means nothing, with the
// GSS-API header (MS-SPNG 2.2.1, 3.2.5.2). Nothing may be in `writer` before.
void write_neg_token_init2(der::Writer& writer,
                           std::span<const gss::Mechanism> mechanisms) noexcept;

// NegTokenResp is every later token, in both directions (RFC 4178 4.2.2).
struct NegTokenResp {
  bool has_state = false;
  NegState state{};
  Bytes supported_mech;  // Contents octets of the OID; empty if absent.
  bool has_response_token = false;
  Bytes response_token;
  bool has_mech_list_mic = false;
  Bytes mech_list_mic;
};

// parse_neg_token_resp reads one NegTokenResp. Fails as parse_neg_token_init does; kBadValue also
// for a negState above 3. mechListMIC is context tag 3, never 4 (RFC 4178 4.2.2).
[[nodiscard]] Result<NegTokenResp> parse_neg_token_resp(Bytes token) noexcept;

// write_neg_token_resp wraps what is given; fields without has_ (or empty supported_mech) are left
// out. Nothing may be in `writer` before.
void write_neg_token_resp(der::Writer& writer, const NegTokenResp& resp) noexcept;

}  // namespace usher::spnego
