// engine/auth/accept.h, Kerberos: one token from the wire to its verdict. The mutator opens tokens
// with world()'s keys, changes what is inside and seals them again; the acceptor checks everything.
#include <algorithm>
#include <numeric>

#include "fuzz/support/ap_req_layers.h"
#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"
#include "parsers/authorization_data.h"
#include "parsers/host_addresses.h"
#include "parsers/krb5.h"
#include "parsers/krb_cred.h"
#include "parsers/pac.h"
#include "parsers/spnego.h"
#include "tools/mint/pac_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// place_in is a number that depends on all of a token's octets, so that many tokens together try
// many places.
std::uint32_t place_in(Bytes token) {
  return std::accumulate(
      token.begin(), token.end(), std::uint32_t{2166136261u},
      [](std::uint32_t hash, std::uint8_t octet) { return (hash ^ octet) * 16777619u; });
}

// reflected is an answer of ours as a client would send it.
Octets reflected(const Octets& reply) {
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(reply);
  if (!resp.ok()) {
    return reply;
  }
  mint::NegTokenRespFields fields;
  fields.response_token = mint::octets_of(resp->response_token);
  return mint::neg_token_resp(fields);
}

// Identity is what an established context says about the client.
struct Identity {
  Octets user;
  Octets realm;
  Octets service;
  std::int64_t expires_s = 0;
  std::uint32_t sequence = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

struct Outcome {
  Door::Answer answer;
  Identity who;
  Octets key;
  std::int32_t key_etype = 0;
  bool dce_style = false;
  Octets pac;  // As the context keeps it.
  [[nodiscard]] Status status() const { return answer.status; }
  [[nodiscard]] bool accepted() const { return answer.status == Status::kEstablished; }
};

// third_leg_of is what a client in DCE style sends after our answer to its `token`; nothing if no
// third leg is owed.
std::optional<Octets> third_leg_of(Bytes token, const Octets& reply) {
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
  return answer_ap_rep(init.ok() ? init->mech_token : token, reply,
                       init.ok() ? init->mech_types : Bytes{});
}

// finish_dce_style plays the rest of an exchange in DCE style, if that is what has begun: our own
// AP-REP is no third leg, and the client's is.
void finish_dce_style(Door& door, Bytes token, Outcome& outcome) {
  if (outcome.status() != Status::kContinue) {
    return;
  }
  const std::optional<Octets> leg = third_leg_of(token, outcome.answer.reply);
  if (!leg) {
    return;
  }
  if (place_in(token) % 8 == 0) {
    const Octets back = reflected(outcome.answer.reply);
    check(!succeeded(door.accept(back, outcome.answer.context).status),
          "our answer is not the client's");
    return;
  }
  const Door::Answer last = door.accept(*leg, outcome.answer.context);
  check(last.status == Status::kEstablished, "the right third leg ends the exchange");
  outcome.answer.status = last.status;
  outcome.dce_style = true;
}

Outcome offer(Door& door, Bytes token, bool knows_krbtgt = false) {
  Outcome outcome;
  outcome.answer = door.accept(token, {}, {.error_tokens = true, .knows_krbtgt = knows_krbtgt});
  if (outcome.status() == Status::kRc4 || outcome.status() == Status::kWeakerKey) {
    // Refused by default; what comes of it where policy is lenient?
    auth::Credential& credential = knows_krbtgt ? *world().knowing : *world().credential;
    auth::Policy& policy = credential.policy;
    policy.allow_rc4 = policy.allow_weaker_keys = true;
    outcome.answer = door.accept(token, {}, {.error_tokens = true, .knows_krbtgt = knows_krbtgt});
    policy.allow_rc4 = policy.allow_weaker_keys = false;
    check(outcome.status() != Status::kRc4 && outcome.status() != Status::kWeakerKey,
          "a policy that allows it allows it");
  }
  finish_dce_style(door, token, outcome);
  if (outcome.accepted()) {
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context =
        door.environment().contexts.pin(outcome.answer.context, status);
    check(bool(context) && context->state == auth::State::kEstablished, "the verdict is the state");
    outcome.who = {mint::octets_of(context->user()), mint::octets_of(context->realm()),
                   mint::octets_of(context->service()), context->expires_s,
                   context->initiator_sequence};
    outcome.key = mint::octets_of(context->key.bytes());
    outcome.key_etype = context->key_etype;
    outcome.pac.resize(context->pac.size);
    door.environment().contexts.pages()->read(context->pac, outcome.pac);
  }
  return outcome;
}
Outcome offer(Bytes token) {
  Door door;
  return offer(door, token);
}

// Opened is a token as its own client would see it: opened here, not by the acceptor.
struct Opened {
  ApReqLayers layers;
  krb5::EncTicketPart ticket;
  krb5::Authenticator authenticator;
};

// check_reply looks at the AP-REP as the client does, and at the key that it brings.
void check_reply(const Opened& opened, const Outcome& outcome) {
  Bytes reply = outcome.answer.reply;
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(reply);
  check(resp.ok() == opened.layers.spnego, "SPNEGO is answered in SPNEGO, and nothing else");
  if (resp.ok()) {
    reply = resp->response_token;
  }
  const bool bare = gss::kind_of(reply) != gss::TokenKind::kGssInitial;
  check(reply.empty() || bare == opened.layers.bare, "a bare request is answered bare");
  const krb5::EncryptionKey& client_key =
      opened.authenticator.has_subkey ? opened.authenticator.subkey : opened.ticket.key;
  if (reply.empty()) {
    check(outcome.key_etype == client_key.etype && same(outcome.key, client_key.value),
          "without an AP-REP the client's key is used");
    check((opened.layers.ap_options & krb5::kApOptionMutualRequired) == 0,
          "mutual authentication is answered");
    return;
  }
  const mint::KerberosMint client(*world().kit, shared_random());
  const mint::Ticket ticket{.encoded = {},
                            .session_etype = opened.ticket.key.etype,
                            .session_key = mint::octets_of(opened.ticket.key.value),
                            .client = {}};
  const mint::ApReq request{.message = {},
                            .ctime = opened.authenticator.ctime,
                            .cusec = opened.authenticator.cusec,
                            .subkey_etype = 0,
                            .subkey = {},
                            .seq_number = 0};
  const mint::KerberosMint::Answer answer = client.check_ap_rep(ticket, request, reply);
  check(answer.error.empty(), "the client believes the AP-REP");
  if (answer.subkey_etype == 0) {
    return check(client_key.etype == 23 && same(outcome.key, client_key.value),
                 "only with RC4 has the acceptor no key of its own");
  }
  const auto data = krb5::parse_authorization_data(opened.authenticator.authorization_data);
  bool listed = answer.subkey_etype == client_key.etype;
  krb5::each_etype(data->etype_list,
                   [&](std::int32_t etype) { listed = listed || etype == answer.subkey_etype; });
  check(listed, "the acceptor's subkey is of an etype that the client wants");
  check(answer.subkey_etype == outcome.key_etype && same(answer.subkey, outcome.key),
        "both sides have the same key");
}

// check_understood looks at what restricts a ticket or an authenticator.
void check_understood(Bytes element) {
  const Result<krb5::AuthorizationData> data = krb5::parse_authorization_data(element);
  check(data.ok() && !data->has_critical, "no authorization data is passed over");
}

// check_pac looks at what a client with a PAC has signed on with: kept as it was, of this sign-on,
// and signed by somebody who has the service's key.
void check_pac(const Opened& opened, const Outcome& outcome) {
  // Not opened.layers.pac: what looks like a PAC may stand in what nobody reads.
  const auto data = krb5::parse_authorization_data(opened.ticket.authorization_data);
  check(data.ok() && data->has_pac == !outcome.pac.empty(), "a PAC is kept if there is one");
  if (!data->has_pac) {
    return;
  }
  check(same(data->pac, outcome.pac), "and kept as it came");
  const Result<pac::Pac> pac = pac::parse_pac(outcome.pac);
  check(pac.ok() && pac->has_client_info, "and can be read");
  Octets covered = outcome.pac;
  for (const Bytes value : {pac->server_signature.value, pac->kdc_signature.value}) {
    std::fill_n(covered.begin() + (value.data() - outcome.pac.data()), value.size(),
                std::uint8_t{0});
  }
  const auto service =
      std::ranges::find(world().services, opened.layers.ticket_etype, &mint::Service::etype);
  check(
      service != world().services.end() &&
          same(pac->server_signature.value, mint::keyed_checksum(*world().kit, *service, covered)),
      "the service's key has signed it");
  constexpr std::int64_t kEpochs = 11'644'473'600;
  check(static_cast<std::int64_t>(pac->client_info.client_id / 10'000'000) - kEpochs ==
            opened.ticket.auth_time,
        "it is of this sign-on");
}

// check_accepted compares a sign-on with the token that was opened here.
void check_accepted(Bytes token, const Outcome& outcome) {
  std::optional<ApReqLayers> layers = open_layers(token);
  check(layers.has_value(), "what is accepted is sealed with these keys");
  check(layers->bare == outcome.dce_style, "who leaves the framing out owes a third leg");
  const Result<krb5::EncTicketPart> ticket = krb5::parse_enc_ticket_part(layers->ticket);
  const Result<krb5::Authenticator> authenticator =
      krb5::parse_authenticator(layers->authenticator);
  check(ticket.ok() && authenticator.ok(), "and can be read");
  check(same(ticket->cname.components, authenticator->cname.components) &&
            same(ticket->crealm, authenticator->crealm),
        "ticket and authenticator name one client");
  Octets name(2 * kIdentitySizeMax);
  name.resize(krb5::write_principal_text(ticket->cname, {}, name));
  check(outcome.who.user == name && same(outcome.who.realm, ticket->crealm),
        "the client's name is the ticket's");
  check(std::abs(authenticator->ctime - kNowSeconds) <= kSkewMaxSeconds,
        "the authenticator is of this moment");
  check(ticket->start_time <= kNowSeconds + kSkewMaxSeconds &&
            ticket->end_time >= kNowSeconds - kSkewMaxSeconds &&
            outcome.who.expires_s == ticket->end_time,
        "the ticket is valid");
  check((ticket->flags & (krb5::kTicketFlagInvalid | krb5::kTicketFlagAnonymous)) == 0,
        "and not marked otherwise");
  check(ticket->transited.empty() || (ticket->flags & krb5::kTicketFlagTransitedPolicyChecked) != 0,
        "a KDC has checked the realms it went through");
  check(outcome.who.service == mint::octets_of("HTTP/web.example.test@EXAMPLE.TEST"),
        "the service is the one whose key this is");
  check_understood(ticket->authorization_data);
  check_understood(authenticator->authorization_data);
  const Opened opened{*layers, *ticket, *authenticator};
  check_reply(opened, outcome);
  check_pac(opened, outcome);
}

// check_neighbours offers a token that was accepted once more, changed in one place.
void check_neighbours(Bytes token, const Outcome& outcome) {
  const std::uint32_t place = place_in(token);
  const std::size_t at = place % token.size();
  check(!offer(token.first(at)).accepted(), "a part of a token is none");

  Octets longer = mint::octets_of(token);
  longer.push_back(static_cast<std::uint8_t>(place));
  check(!offer(longer).accepted(), "a token with something behind it is none");

  Octets flipped = mint::octets_of(token);
  flipped[at] = static_cast<std::uint8_t>(flipped[at] ^ 1u << (place >> 29));
  const Outcome other = offer(flipped);
  const Result<krb5::ApReq> ap_req = krb5::parse_ap_req(ap_req_in(token));
  check(ap_req.ok(), "an accepted token holds an AP-REQ");
  const Bytes bit = token.subspan(at, 1);
  check(!other.accepted() || (!within(bit, ap_req->ticket.enc_part.cipher) &&
                              !within(bit, ap_req->authenticator.cipher)),
        "whoever changes one sealed bit is refused");
  check(!other.accepted() || other.who == outcome.who,
        "whoever changes a clear one stays who he is");
}

bool is_about_delegation(Status status) {
  return status == Status::kMalformedDelegation || status == Status::kDelegationKey ||
         status == Status::kDelegationClient || status == Status::kNoFreePage;
}

// check_kept reads what a context keeps: a size, a KRB-CRED and its EncKrbCredPart.
void check_kept(Bytes kept, const krb5::EncTicketPart& ticket) {
  check(kept.size() > 4, "credentials are there");
  const std::uint32_t size = load_le<std::uint32_t>(kept);
  check(size < kept.size() - 4, "and both parts of them");
  const Result<krb5::KrbCred> cred = krb5::parse_krb_cred(kept.subspan(4, size));
  const Result<krb5::EncKrbCredPart> part = krb5::parse_enc_krb_cred_part(kept.subspan(4 + size));
  check(cred.ok() && part.ok(), "which can be read");
  check(cred->ticket_count == part->info_count, "one info for each ticket");
  for (std::uint32_t n = 0; n < part->info_count; ++n) {
    const krb5::KrbCredInfo info = krb5::info_at(*part, n);
    check(!info.has_client || (same(info.prealm, ticket.crealm) &&
                               same(info.pname.components, ticket.cname.components)),
          "every one of them is the client's");
    check(krb5::parse_host_addresses(info.addresses).ok(), "with addresses that can be read");
  }
}

// check_delegation offers a token that was accepted where delegated credentials are taken.
void check_delegation(Bytes token) {
  const std::optional<ApReqLayers> layers = open_layers(token);
  const Result<krb5::EncTicketPart> ticket = krb5::parse_enc_ticket_part(layers->ticket);
  const auto authenticator = krb5::parse_authenticator(layers->authenticator);
  const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(authenticator->checksum);
  const bool delegates = checksum.ok() && gss::has(checksum->flags, gss::ContextFlags::kDelegate);
  Door door;
  auth::Policy& policy = world().credential->policy;
  policy.accept_delegation = true;
  policy.allow_rc4 = policy.allow_weaker_keys = true;  // Whatever it took to be accepted.
  Door::Answer answer = door.accept(token, {}, {.take_delegation = true});
  if (answer.status == Status::kContinue) {
    const std::optional<Octets> leg = third_leg_of(token, answer.reply);
    check(layers->bare && leg.has_value(), "only DCE style takes another leg");
    answer = door.accept(*leg, answer.context);
  }
  check(answer.status == Status::kEstablished || (delegates && is_about_delegation(answer.status)),
        "delegation is all that can be wrong with it");
  if (answer.status != Status::kEstablished) {
    return;
  }
  check(gss::has(answer.flags, gss::ContextFlags::kDelegate) == delegates,
        "what is delegated is granted");
  Status status = Status::kEstablished;
  const Pinned<auth::Context> context = door.environment().contexts.pin(answer.context, status);
  check(context->delegated.empty() != delegates, "and kept");
  Octets kept(context->delegated.size);
  door.environment().contexts.pages()->read(context->delegated, kept);
  if (delegates) {
    check_kept(kept, *ticket);
  }
}

// is_past_signature says whether a verdict was found after a PAC's server signature was right.
bool is_past_signature(Status status) {
  switch (status) {
    case Status::kEstablished:
    case Status::kContinue:
    case Status::kPacClient:
    case Status::kNameTooLong:
    case Status::kReplay:
    case Status::kNoFreePage:
      return true;
    default:
      return false;
  }
}

void count(Bytes token, Status status) {
  reached(stage_of(status));
  if (is_past_signature(status)) {
    const std::optional<ApReqLayers> layers = open_layers(token);
    if (layers && layers->pac) {
      reached(Stage::kPac);
    }
  }
}

// check_knowing offers a token to who knows the KDC's key as well: he accepts no more than others,
// and nobody else.
void check_knowing(Bytes token, const Outcome& outcome) {
  Door door;
  const Outcome knowing = offer(door, token, true);
  check(!knowing.accepted() ||
            (outcome.accepted() && knowing.who == outcome.who && knowing.pac == outcome.pac),
        "whoever knows more accepts no more");
  check(
      outcome.accepted() == knowing.accepted() ||
          (knowing.status() == Status::kPacKdcSignature && outcome.accepted()) ||
          (knowing.status() == Status::kPacMissing && outcome.accepted() && outcome.pac.empty()) ||
          (knowing.status() == outcome.status()),
      "and refuses for the KDC's signatures, or for want of them, only");
}

}  // namespace

void run_one(Bytes token) {
  Outcome outcome;
  {
    Door door;
    outcome = offer(door, token);
    check(outcome.status() != Status::kInternal, "no token is anybody else's fault");
    if (outcome.accepted()) {
      check(offer(door, token).status() == Status::kReplay, "a token works once");
    }
  }
  count(token, outcome.status());
  const std::uint32_t place = place_in(token);
  if (place % 8 == 3) {  // Now and then, for the sake of speed; so are refusals repeated.
    check_knowing(token, outcome);
  }
  if (!outcome.accepted() && place % 4 != 0) {
    return;
  }
  const Outcome again = offer(token);
  check(again.status() == outcome.status() && again.answer.reply == outcome.answer.reply &&
            again.who == outcome.who && again.key == outcome.key,
        "one token, one verdict");
  if (outcome.accepted()) {
    check_accepted(token, outcome);
    place % 2 == 0 ? check_neighbours(token, outcome) : check_delegation(token);
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_ap_req({data, size}, size_max, seed), data, size_max);
}
