// Takes one token apart, layer by layer, into a tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "parsers/authorization_data.h"
#include "parsers/bytes.h"
#include "parsers/krb5.h"
#include "parsers/ntlm.h"
#include "parsers/result.h"
#include "parsers/spnego.h"
#include "tools/usher/opener.h"
#include "tools/usher/tree.h"

namespace usher::cli {

// Decoder shows tokens of one exchange, in order: what an NTLM CHALLENGE settled decides how the
// AUTHENTICATE after it is read. Proofs, responses, MICs, keys and ciphertexts are shown as sizes.
class Decoder {
 public:
  // `opener` may be null; then tickets stay closed. It is borrowed.
  explicit Decoder(Opener* opener) : opener_(opener) {}

  // decode never fails: what cannot be read stands in the tree as a "fault", its offset counted
  // from the start of `token`, or of what "in" names.
  [[nodiscard]] Json decode(Bytes token);

  // faulty says whether any token so far had a fault, or a ticket that the keytab did not open.
  [[nodiscard]] bool faulty() const { return faulty_; }

 private:
  // SPNEGO in SPNEGO is malformed; more layers than this are not looked into.
  static constexpr int kDepthMax = 3;

  Json any(Bytes token, int depth);
  Json unknown(Bytes token);

  Json gss_initial(Bytes token, int depth);
  Json neg_token_init(Bytes token, int depth);
  Json neg_token_resp(Bytes token, int depth);

  Json kerberos(Bytes token, Bytes inner);
  Json ap_req(Bytes token);
  Json ap_rep(Bytes token);
  Json krb_error(Bytes token);
  void open(Json& out, const krb5::ApReq& request);
  void open_authenticator(Json& out, const krb5::ApReq& request, const krb5::EncTicketPart& ticket);
  Json enc_ticket_part(const krb5::EncTicketPart& part);
  Json authenticator(const krb5::Authenticator& part);
  Json gss_checksum(Bytes checksum);
  Json krb_cred(Bytes message);
  Json closed_ticket(const krb5::Ticket& ticket);
  Json pac(Bytes certificate);
  Json mic_token(Bytes token);
  Json wrap_token(Bytes token);
  Json legacy_token(Bytes token);
  Json negoex(Bytes token);
  Json authorization_data(Bytes element, std::uint32_t depth = 0);
  Json authorization_element(krb5::AdType type, Bytes data, std::uint32_t depth);

  Json ntlm(Bytes token);
  Json ntlm_negotiate(Bytes token);
  Json ntlm_challenge(Bytes token);
  Json ntlm_authenticate(Bytes token);
  Json nt_response(const ntlm::Authenticate& message);
  Json av_pairs(const ntlm::AvPairs& pairs);

  // fault makes the tree's note of one; `part` is what was parsed, `thing` its name and clause.
  Json fault(Bytes part, ParseFault found, std::string_view thing);
  // der_fault is fault for a DER message; one that was cut off says how much is missing.
  Json der_fault(Bytes part, ParseFault found, std::string_view thing);
  // fault_in is for something that is not part of the token as it came: `whole` names it.
  Json fault_in(std::string_view whole, ParseFault found, std::string_view thing);

  Opener* opener_;
  Bytes token_;                                     // What decode() was given.
  std::optional<ntlm::NegotiateFlags> negotiated_;  // Of the last CHALLENGE.
  bool faulty_ = false;
};

// type_and_size begins every layer's object.
[[nodiscard]] Json type_and_size(std::string_view type, Bytes bytes);

}  // namespace usher::cli
