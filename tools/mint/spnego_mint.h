// A client's side of SPNEGO (RFC 4178, MS-SPNG): first tokens of every shape, later tokens.
#pragma once

#include <optional>
#include <vector>

#include "parsers/gss.h"
#include "parsers/spnego.h"
#include "tools/mint/octets.h"

namespace usher::mint {

// mech_type_list is the MechTypeList element, header included: what mechListMIC covers. The second
// form takes OIDs as contents octets, for mechanisms nobody knows.
Octets mech_type_list(const std::vector<gss::Mechanism>& mechs);
Octets mech_type_list(const std::vector<Octets>& oids);

// NegTokenInitFields describes a first token. What is not there is left out.
struct NegTokenInitFields {
  std::vector<gss::Mechanism> mechs = {gss::Mechanism::kKerberos};
  std::optional<Octets> mech_types{};        // In place of `mechs`: any element.
  std::optional<std::uint32_t> req_flags{};  // Seven bits, as in 4.2.1: the top ones of the word.
  std::optional<Octets> mech_token{};        // The optimistic token, for the first mechanism.
  std::optional<Octets> mech_list_mic{};
  bool neg_hints = false;  // NegTokenInit2: MS-SPNG's please-ignore hint at tag 3, MIC at tag 4.
  bool gss_header = true;  // 0x60 and the SPNEGO OID in front (RFC 2743 3.1).
};
Octets neg_token_init(const NegTokenInitFields& fields);

// optimistic is the usual case: `mechs`, and `mech_token` for the first of them.
Octets optimistic(const std::vector<gss::Mechanism>& mechs, Octets mech_token);

// NegTokenRespFields describes a later token of the client.
struct NegTokenRespFields {
  std::optional<spnego::NegState> state{};
  gss::Mechanism supported_mech = gss::Mechanism::kUnknown;  // kUnknown: left out.
  std::optional<Octets> response_token{};
  std::optional<Octets> mech_list_mic{};
};
Octets neg_token_resp(const NegTokenRespFields& fields);

// ServerResp is a server's NegTokenResp with its views copied out; throws if `token` is none.
struct ServerResp {
  std::optional<spnego::NegState> state{};
  gss::Mechanism supported_mech = gss::Mechanism::kUnknown;
  std::optional<Octets> response_token{};
  std::optional<Octets> mech_list_mic{};
};
ServerResp read_neg_token_resp(Bytes token);

}  // namespace usher::mint
