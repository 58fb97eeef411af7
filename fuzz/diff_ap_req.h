// One sign-on as Usher sees it, for targets that hold another acceptor's view against it.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "fuzz/allowed_differences.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/support/ap_req_layers.h"
#include "fuzz/support/world.h"
#include "parsers/krb5.h"
#include "parsers/spnego.h"

namespace usher::fuzz {

struct SignOn {
  Status status{};
  Octets user;  // Without realm, escaped as krb5_unparse_name does.
  Octets realm;
  std::uint32_t sequence = 0;
  std::int32_t key_etype = 0;
  Octets key;    // The client's, or the acceptor's subkey if there is a reply.
  Octets reply;  // AP-REP, without SPNEGO.
  [[nodiscard]] bool accepted() const { return status == Status::kEstablished; }
};

inline SignOn offer(Bytes token) {
  Door door;
  // What the peers allow.
  world().credential->policy.allow_rc4 = world().credential->policy.allow_weaker_keys = true;
  SignOn sign_on;
  const Door::Answer answer = door.accept(token);
  sign_on.status = answer.status;
  if (!sign_on.accepted()) {
    return sign_on;
  }
  Status status = Status::kEstablished;
  const Pinned<auth::Context> context = door.environment().contexts.pin(answer.context, status);
  check(bool(context), "an established context can be pinned");
  sign_on.user = mint::octets_of(context->user());
  sign_on.realm = mint::octets_of(context->realm());
  sign_on.sequence = context->initiator_sequence;
  sign_on.key_etype = context->key_etype;
  sign_on.key = mint::octets_of(context->key.bytes());
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(answer.reply);
  sign_on.reply = resp.ok() ? mint::octets_of(resp->response_token) : answer.reply;
  return sign_on;
}

// TheirKey is a key as a peer has it; `value` is empty if there is none.
struct TheirKey {
  std::int32_t etype = 0;
  Octets value;
};

// TheirSignOn is what a peer's krb5_rd_req says about the same AP-REQ.
struct TheirSignOn {
  bool accepted = false;
  std::int32_t error = 0;
  Octets user;
  Octets realm;
  bool has_sequence = true;
  std::uint32_t sequence = 0;
  TheirKey session_key;
  TheirKey subkey;  // The client's.
  std::int64_t ctime = 0;
  std::uint32_t cusec = 0;
};

// user_of is the name in a text that ends in "@REALM", as krb5_unparse_name writes it.
inline Octets user_of(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] != '@') {
    at += text[at] == '\\' ? 2u : 1u;
  }
  return mint::octets_of(text.substr(0, at));
}

// is_asn1_error says whether a decoder said no: the error table "asn1", the same of both peers.
inline bool is_asn1_error(std::int32_t error) {
  constexpr std::int32_t kFirst = 1'859'794'432;
  return error >= kFirst && error < kFirst + 256;
}

// has_far_times says whether a ticket has times that 32 bits do not hold.
inline bool has_far_times(Bytes token) {
  const std::optional<ApReqLayers> layers = open_layers(token);
  const auto ticket = krb5::parse_enc_ticket_part(layers ? Bytes(layers->ticket) : Bytes{});
  return ticket.ok() &&
         std::ranges::any_of(std::array{ticket->auth_time, ticket->start_time, ticket->end_time,
                                        ticket->renew_till},
                             [](std::int64_t time) { return time != std::uint32_t(time); });
}

// check_same_sign_on wants one client, one key and one sequence number on both sides. Where Usher
// answers, a client with the peer's session key must believe the answer.
inline void check_same_sign_on(const SignOn& ours, const TheirSignOn& theirs) {
  check(ours.user == theirs.user && ours.realm == theirs.realm, "both see the same client");
  check(!theirs.has_sequence || ours.sequence == theirs.sequence,
        "both see the same sequence number");
  const TheirKey& client_key = theirs.subkey.value.empty() ? theirs.session_key : theirs.subkey;
  if (ours.reply.empty()) {
    check(ours.key_etype == client_key.etype && ours.key == client_key.value,
          "both have the same key");
    return;
  }
  const mint::KerberosMint client(*world().kit, shared_random());
  const mint::Ticket ticket{.encoded = {},
                            .session_etype = theirs.session_key.etype,
                            .session_key = theirs.session_key.value,
                            .client = {}};
  const mint::ApReq request{.message = {},
                            .ctime = theirs.ctime,
                            .cusec = theirs.cusec,
                            .subkey_etype = 0,
                            .subkey = {},
                            .seq_number = 0};
  const mint::KerberosMint::Answer answer = client.check_ap_rep(ticket, request, ours.reply);
  check(answer.error.empty(), "who has the peer's session key believes Usher's answer");
  if (answer.subkey_etype == 0) {
    return check(client_key.etype == 23 && ours.key == client_key.value,
                 "only with RC4 has the acceptor no key of its own");
  }
  check(answer.subkey_etype == ours.key_etype && answer.subkey == ours.key,
        "and has the key that Usher keeps");
}

}  // namespace usher::fuzz
