// Takes one token apart: which token it is, GSS-API framing and SPNEGO.
#include "tools/usher/decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "parsers/gss.h"
#include "parsers/gss_message.h"
#include "tools/usher/names.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

constexpr std::uint8_t kApRepTag = 0x6f;                   // [APPLICATION 15]
constexpr std::uint8_t kKrbErrorTag = 0x7e;                // [APPLICATION 30]
constexpr std::string_view kNegoexSignature = "NEGOEXTS";  // MS-NEGOEX 2.2.6.2

std::string_view state_name(spnego::NegState state) {
  switch (state) {
    case spnego::NegState::kAcceptCompleted:
      return "accept-completed";
    case spnego::NegState::kAcceptIncomplete:
      return "accept-incomplete";
    case spnego::NegState::kReject:
      return "reject";
    case spnego::NegState::kRequestMic:
      return "request-mic";
  }
  return "unknown";
}

// promised_size is how long the DER element at the front of `token` says it is, header included; 0
// if that cannot be told. A front end's header limit cuts tokens off: the numbers say so at once.
std::uint64_t promised_size(Bytes token) {
  if (token.size() < 2) {
    return 0;
  }
  const std::size_t count = token[1] & 0x7fu;
  if (token[1] < 0x80) {
    return token[1] + 2u;
  }
  if (count == 0 || count > 4 || token.size() < 2 + count) {
    return 0;
  }
  std::uint64_t size = 0;
  for (const std::uint8_t octet : token.subspan(2, count)) {
    size = size << 8 | octet;
  }
  return size + 2 + count;
}

}  // namespace

Json type_and_size(std::string_view type, Bytes bytes) {
  return Json{{"type", type}, {"size", bytes.size()}};
}

Json Decoder::fault_in(std::string_view whole, ParseFault found, std::string_view thing) {
  faulty_ = true;
  Json note{{"offset", found.offset}};
  if (!whole.empty()) {
    note["in"] = whole;
  }
  note["code"] = words_of(found.code);
  note["why"] = fmt::format("{} ({})", explanation_of(found.code), thing);
  return note;
}

Json Decoder::fault(Bytes part, ParseFault found, std::string_view thing) {
  if (!part.empty()) {
    found.offset += static_cast<std::uint32_t>(part.data() - token_.data());
  }
  return fault_in("", found, thing);
}

Json Decoder::der_fault(Bytes part, ParseFault found, std::string_view thing) {
  Json note = fault(part, found, thing);
  const std::uint64_t promised = promised_size(part);
  if (found.code == ParseCode::kTruncated && promised > part.size()) {
    note["why"] = fmt::format("{} bytes are promised and {} are there: cut off ({})", promised,
                              part.size(), thing);
  }
  return note;
}

Json Decoder::decode(Bytes token) {
  token_ = token;
  return any(token, 0);
}

Json Decoder::any(Bytes token, int depth) {
  if (depth > kDepthMax) {
    return type_and_size("not looked into, too many layers", token);
  }
  switch (gss::kind_of(token)) {
    case gss::TokenKind::kGssInitial:
      return gss_initial(token, depth);
    case gss::TokenKind::kNegTokenInit:
      return neg_token_init(token, depth);
    case gss::TokenKind::kNegTokenResp:
      return neg_token_resp(token, depth);
    case gss::TokenKind::kNtlm:
      return ntlm(token);
    case gss::TokenKind::kApReq:
      return ap_req(token);
    case gss::TokenKind::kUnknown:
      break;
  }
  if (!token.empty() && token[0] == kApRepTag) {
    return ap_rep(token);
  }
  if (!token.empty() && token[0] == kKrbErrorTag) {
    return krb_error(token);
  }
  switch (gss::message_kind_of(token)) {
    case gss::MessageKind::kMic:
      return mic_token(token);
    case gss::MessageKind::kWrap:
      return wrap_token(token);
    default:
      break;
  }
  if (text_of_bytes(token).starts_with(kNegoexSignature)) {
    return negoex(token);
  }
  return unknown(token);
}

Json Decoder::unknown(Bytes token) {
  constexpr std::string_view kSignature{"NTLMSSP\0", 8};
  Json out = type_and_size("unknown", token);
  const std::string_view text = text_of_bytes(token);
  ParseFault found{ParseCode::kBadValue, 0};
  std::string why = "SPNEGO begins with 0x60, 0xa0 or 0xa1, Kerberos with 0x60, NTLM with NTLMSSP";
  if (token.empty()) {
    found.code = ParseCode::kTruncated;
    why = "the token is empty";
  } else if (kSignature.starts_with(text)) {
    found = {ParseCode::kTruncated, static_cast<std::uint32_t>(token.size())};
    why = "cut off within the NTLM signature (MS-NLMP 2.2.1)";
  } else if (text.starts_with("TlRMTVNT") || text.starts_with("YII")) {
    why = "this looks like base64: it was encoded twice";
  }
  out["fault"] = fault(token, found, "");
  out["fault"]["why"] = why;
  return out;
}

Json Decoder::gss_initial(Bytes token, int depth) {
  const Result<gss::InitialToken> initial = gss::parse_initial_token(token);
  if (!initial.ok()) {
    Json out = type_and_size("GSS-API initial token", token);
    out["fault"] = der_fault(token, initial.fault(), "GSS-API framing, RFC 2743 3.1");
    return out;
  }
  switch (initial->mechanism) {
    case gss::Mechanism::kSpnego:
      return neg_token_init(token, depth);
    case gss::Mechanism::kKerberos:
    case gss::Mechanism::kMsKerberos:
      return kerberos(token, initial->inner);
    default: {
      Json out = type_and_size("GSS-API initial token", token);
      out["mechanism"] = mechanism_text(initial->oid);
      out["inner"] = gss::kind_of(initial->inner) == gss::TokenKind::kNtlm
                         ? any(initial->inner, depth + 1)
                         : sized(initial->inner.size());
      return out;
    }
  }
}

Json Decoder::neg_token_init(Bytes token, int depth) {
  Json out = type_and_size("SPNEGO NegTokenInit", token);
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
  if (!init.ok()) {
    out["fault"] = der_fault(token, init.fault(), "NegTokenInit, RFC 4178 4.2.1");
    return out;
  }
  Json mechanisms = Json::array();
  spnego::each_mechanism(init->mech_oids, [&](gss::Mechanism, Bytes oid, bool) {
    mechanisms.push_back(mechanism_text(oid));
  });
  out["mechTypes"] = std::move(mechanisms);
  if (init->has_mech_token) {
    out["mechToken"] = init->mech_token.empty() ? sized(0) : any(init->mech_token, depth + 1);
  }
  if (init->has_neg_hints) {
    out["negHints"] = printable(init->hint_name);
  }
  if (init->has_mech_list_mic) {
    out["mechListMIC"] = sized(init->mech_list_mic.size());
  }
  return out;
}

Json Decoder::neg_token_resp(Bytes token, int depth) {
  Json out = type_and_size("SPNEGO NegTokenResp", token);
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(token);
  if (!resp.ok()) {
    out["fault"] = der_fault(token, resp.fault(), "NegTokenResp, RFC 4178 4.2.2");
    return out;
  }
  if (resp->has_state) {
    out["negState"] = state_name(resp->state);
  }
  if (!resp->supported_mech.empty()) {
    out["supportedMech"] = mechanism_text(resp->supported_mech);
  }
  if (resp->has_response_token) {
    out["responseToken"] =
        resp->response_token.empty() ? sized(0) : any(resp->response_token, depth + 1);
  }
  if (resp->has_mech_list_mic) {
    out["mechListMIC"] = sized(resp->mech_list_mic.size());
  }
  return out;
}

}  // namespace usher::cli
