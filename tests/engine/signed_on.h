// A context that is complete, and what its client knows of it: for tests of messages.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "engine/protect/message.h"
#include "tests/engine/sspi_caller.h"

namespace usher::testing {

struct SignedOn {
  CtxtHandle context = no_handle();
  Octets key;
  std::int32_t etype = 0;  // 0: NTLM.
  bool key_is_acceptor_subkey = false;
  ntlm::NegotiateFlags ntlm_flags{};
  gss::ContextFlags flags = gss::ContextFlags(mint::kContextFlagsUsual);
  std::uint32_t send_first = 0;  // The client's first number, and ours.
  std::uint32_t receive_first = 0;

  // terms are the client's, with views of this.
  [[nodiscard]] protect::SessionTerms terms() const {
    protect::SessionTerms out{.ntlm = etype == 0,
                              .flags = flags,
                              .send_sequence = send_first,
                              .receive_sequence = receive_first,
                              .self = protect::Sender::kInitiator};
    if (out.ntlm) {
      out.ntlm_key = {.exported_session_key = key, .flags = ntlm_flags};
    } else {
      out.kerberos = {.profile = crypto::profile_of(etype),
                      .key = key,
                      .key_is_acceptor_subkey = key_is_acceptor_subkey};
    }
    return out;
  }
};

// sign_on_with_kerberos and sign_on_with_ntlm sign a client on to `service`. With a failure of the
// test there is no context.
inline SignedOn sign_on_with_kerberos(Realm& realm, CredHandle& service, std::int32_t etype,
                                      const mint::AuthenticatorFields& authenticator = {}) {
  mint::TicketFields fields;
  fields.auth_time = unix_now() - 60;
  fields.end_time = unix_now() + 3600;
  fields.session_etype = etype;
  const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
  const mint::ApReq request = realm.ap_req(ticket, authenticator);
  const Called leg = accept(service, mint::gss_token(request.message));
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  const mint::KerberosMint::Answer answer = realm.mint.check_ap_rep(ticket, request, leg.reply);
  EXPECT_EQ(answer.error, "");
  const bool subkey = answer.subkey_etype != 0;  // RC4 has none.
  return {.context = leg.context,
          .key = subkey ? answer.subkey : ticket.session_key,
          .etype = etype,
          .key_is_acceptor_subkey = subkey,
          .flags = gss::ContextFlags(authenticator.context_flags),
          .send_first = request.seq_number,
          .receive_first = answer.seq_number.value_or(0)};
}

inline SignedOn sign_on_with_ntlm(Realm& realm, NtlmClient& client, CredHandle& service,
                                  bool in_spnego) {
  Called leg = accept(service, in_spnego ? client.first_in_spnego() : client.first());
  const Octets challenge =
      in_spnego ? mint::read_neg_token_resp(leg.reply).response_token.value() : leg.reply;
  const mint::Authenticated done =
      mint::ntlm_authenticate(*realm.kit, client.negotiate, challenge, client.fields);
  Octets last = done.message;
  if (in_spnego) {
    mint::NegTokenRespFields resp;
    resp.response_token = done.message;
    resp.mech_list_mic =
        mint::ntlm_mech_list_mic(*realm.kit, done, mint::mech_type_list({gss::Mechanism::kNtlm}));
    last = mint::neg_token_resp(resp);
  }
  leg = accept(service, last, &leg.context);
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  // The two mechListMICs are of the sequence, too.
  const std::uint32_t taken = in_spnego ? 1 : 0;
  return {.context = leg.context,
          .key = done.exported_session_key,
          .ntlm_flags = done.flags,
          .send_first = taken,
          .receive_first = taken};
}

}  // namespace usher::testing
