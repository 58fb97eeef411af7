// engine/auth/accept.h: whole exchanges, past the encryption. An input is a script: tokens as they
// are, and plaintexts that a client and a KDC who hold the keys seal into tokens; every check of
// the acceptor stays on.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/protect/mic.h"
#include "fuzz/support/ap_req_layers.h"
#include "fuzz/support/pac_edit.h"
#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"
#include "parsers/pac.h"
#include "parsers/spnego.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

constexpr int kStepsMax = 32;

// Script hands the input out in bytes and chunks; past its end, zeros and nothing.
struct Script {
  Bytes rest;
  std::uint8_t byte() {
    const std::uint8_t value = rest.empty() ? std::uint8_t{0} : rest.front();
    rest = rest.subspan(rest.empty() ? 0 : 1);
    return value;
  }
  Bytes chunk() {
    const std::size_t low = byte();
    const std::size_t high = byte();
    const std::size_t size = std::min(low | high << 8, rest.size());
    const Bytes taken = rest.first(size);
    rest = rest.subspan(size);
    return taken;
  }
};

// patch changes bytes of a token after it was sealed: (offset, xor) triples.
Octets patch(Octets token, Bytes patches) {
  for (; patches.size() >= 3 && !token.empty(); patches = patches.subspan(3)) {
    token[load_le<std::uint16_t>(patches) % token.size()] ^= patches[2];
  }
  return token;
}

// Held is one exchange as its client remembers it.
struct Held {
  ContextHandle context;
  bool minted = false;  // Some token of it was sealed by whoever holds the keys.
  Octets mech_types;    // As the client sent them; empty outside SPNEGO.
  Octets reply;         // The last one.
  mint::Ticket ticket;
  mint::ApReq request;
  bool dce = false;  // The request was sent bare.
};

// Play is one input's run.
class Play {
 public:
  explicit Play(Script script) : script_(script) {
    const std::uint8_t options = script_.byte();
    set_policy(options & 63);
    options_.error_tokens = (options & 64) != 0;
    options_.reply_room = (options & 128) == 0 ? kReplySizeMax : script_.byte();
  }

  void run() {
    for (int step = 0; step < kStepsMax && !script_.rest.empty(); ++step) {
      take_step(script_.byte());
    }
    reached(furthest_);
    if (has_pac_) {
      reached(Stage::kPac);
    }
  }

 private:
  static constexpr ContextHandle kNone{};
  static constexpr std::uint8_t kInSpnego = 0x10;    // Of a step: the token goes into SPNEGO.
  static constexpr std::uint8_t kWithoutMic = 0x20;  // No mechListMIC with it.

  // current is the exchange that a step works on.
  Held& current() { return held_[place_]; }

  void take_step(std::uint8_t what) {
    place_ = what >> 6;
    spnego_ = (what & kInSpnego) != 0;
    with_mic_ = (what & kWithoutMic) == 0;
    mint::TicketFields ticket;
    mint::AuthenticatorFields authenticator;
    switch (what & 0x0f) {
      case 0:
        return offer(mint::octets_of(script_.chunk()), false);
      case 1:
        ticket.sealing.plain = mint::octets_of(script_.chunk());
        return offer(kerberos(ticket, authenticator), true);
      case 2:
        authenticator.sealing.plain = mint::octets_of(script_.chunk());
        return offer(kerberos(ticket, authenticator), true);
      case 3:
        authenticator.checksum = mint::octets_of(script_.chunk());
        return offer(kerberos(ticket, authenticator), true);
      case 4: {
        const Octets token = kerberos(ticket, authenticator);
        return offer(patch(token, script_.chunk()), true);
      }
      case 5:
        return offer(patch(ntlm_answer(), script_.chunk()), true);
      case 6: {
        spnego_ = true;
        const Octets token = kerberos(ticket, authenticator);
        return offer(patch(token, script_.chunk()), true);
      }
      case 7:
        door_.clock().us += script_.byte() * kMicrosPerSecond;
        return;
      case 8:
        return end();
      case 9:
        return offer(mint::ntlm_negotiate({}), false);
      default:
        return take_long_step(what & 0x0f, ticket, authenticator);
    }
  }

  void take_long_step(int what, mint::TicketFields& ticket,
                      mint::AuthenticatorFields& authenticator) {
    switch (what) {
      case 10: {  // A PAC, signed with the service's key.
        Octets pac = mint::octets_of(script_.chunk());
        sign_pac(*world().kit, world().services[0], world().krbtgt, {}, pac);
        has_pac_ = has_pac_ || pac::parse_pac(pac).ok();
        ticket.authorization_data = mint::authorization_data(128, pac);
        break;
      }
      case 11: {  // Authorization data of the ticket, or of the authenticator; DCE style.
        const std::uint8_t which = script_.byte();
        const bool client = (which & 1) != 0;
        authenticator.context_flags |=
            (which & 2) != 0 ? std::uint32_t(gss::ContextFlags::kDceStyle) : 0;
        const Octets element = mint::octets_of(script_.chunk());
        (client ? authenticator.authorization_data : ticket.authorization_data) = element;
        break;
      }
      case 12: {  // Encryption types: ticket, session key, subkey.
        const std::uint8_t etypes = script_.byte();
        service_ = etypes & 1;
        ticket.session_etype = (etypes & 2) != 0 ? 17 : 18;
        if ((etypes & 4) != 0) {
          authenticator.subkey_etype = (etypes & 8) != 0 ? 17 : 18;
        }
        authenticator.ap_options = (etypes & 16) != 0 ? 0 : authenticator.ap_options;
        authenticator.context_flags = (etypes & 32) != 0 ? 0 : authenticator.context_flags;
        authenticator.checksum_absent = (etypes & 64) != 0;
        ticket.sealing.kvno_absent = (etypes & 128) != 0;
        break;
      }
      case 13:  // Delegation.
        authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
        authenticator.delegation = mint::octets_of(script_.chunk());
        authenticator.delegation.resize(
            std::min<std::size_t>(authenticator.delegation.size(), 0xffff));
        break;
      case 14: {  // Channel bindings and extensions.
        const Bytes bindings = script_.chunk();
        std::copy_n(bindings.begin(), std::min<std::size_t>(bindings.size(), 16),
                    authenticator.bindings.begin());
        authenticator.extensions = mint::octets_of(script_.chunk());
        break;
      }
      default:
        return offer(patch(last_leg(), script_.chunk()), true);
    }
    offer(kerberos(ticket, authenticator), true);
    service_ = 0;
  }

  // kerberos is what a KDC and a client would make, but for what the script gives: a first token,
  // or the one that an exchange waits for.
  Octets kerberos(mint::TicketFields ticket, mint::AuthenticatorFields authenticator) {
    ticket.auth_time = kNowSeconds - 60;
    ticket.end_time = kNowSeconds + 3600;
    ticket.session_key = Octets(ticket.session_etype == 18 ? 32 : 16, 0x42);
    authenticator.ctime = door_.clock().us / kMicrosPerSecond;
    authenticator.cusec = ++cusec_;
    const mint::KerberosMint mint(*world().kit, shared_random());
    Held& held = current();
    held.ticket = mint.ticket(world().services[service_], ticket);
    held.request = mint.ap_req(held.ticket, authenticator);
    held.dce = (authenticator.context_flags & std::uint32_t(gss::ContextFlags::kDceStyle)) != 0;
    const Octets token = held.dce ? held.request.message : mint::gss_token(held.request.message);
    if (held.context != kNone) {
      mint::NegTokenRespFields fields;
      fields.response_token = token;
      if (with_mic_ && !held.mech_types.empty()) {
        fields.mech_list_mic =
            mint.write_mech_list_mic(held.ticket, held.request, {}, held.mech_types);
      }
      return spnego_ ? mint::neg_token_resp(fields) : *fields.response_token;
    }
    return spnego_ ? mint::optimistic({gss::Mechanism::kKerberos, gss::Mechanism::kMsKerberos,
                                       gss::Mechanism::kNtlm},
                                      token)
                   : token;
  }

  // last_leg is what ends an exchange: the third leg of DCE style, or a mechListMIC.
  Octets last_leg() {
    const Held& held = current();
    const Bytes types = with_mic_ ? Bytes(held.mech_types) : Bytes{};
    const std::optional<Octets> leg =
        held.dce ? answer_ap_rep(held.request.message, held.reply, types) : std::nullopt;
    return leg ? *leg : mic_alone();
  }

  // mic_alone is the client's mechListMIC after an AP-REP.
  Octets mic_alone() {
    const Held& held = current();
    mint::NegTokenRespFields fields;
    fields.state = spnego_ ? std::optional(spnego::NegState::kAcceptCompleted) : std::nullopt;
    const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(held.reply);
    if (resp.ok() && with_mic_ && !held.ticket.encoded.empty()) {
      const mint::KerberosMint mint(*world().kit, shared_random());
      const mint::KerberosMint::Answer answer =
          mint.check_ap_rep(held.ticket, held.request, resp->response_token);
      fields.mech_list_mic =
          mint.write_mech_list_mic(held.ticket, held.request, answer, held.mech_types);
    }
    return mint::neg_token_resp(fields);
  }

  // ntlm_answer is the AUTHENTICATE that the last CHALLENGE asks for, or a NEGOTIATE.
  Octets ntlm_answer() {
    const Octets negotiate = mint::ntlm_negotiate({});
    const Held& held = current();
    const std::optional<Octets> answer =
        answer_challenge(negotiate, held.reply, with_mic_ ? Bytes(held.mech_types) : Bytes{});
    return answer ? *answer : mint::optimistic({gss::Mechanism::kNtlm}, negotiate);
  }

  // offer gives one token to the current exchange, or begins one, and looks at what comes of it.
  void offer(const Octets& token, bool minted) {
    Held& held = current();
    const bool first = held.context == kNone;
    if (first) {
      const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
      held.mech_types = init.ok() ? mint::octets_of(init->mech_types) : Octets{};
    }
    held.minted = held.minted || minted || open_layers(token).has_value();
    const Door::Answer answer = door_.accept(token, held.context, options_);
    furthest_ = std::max(furthest_, stage_of(answer.status));
    check(answer.status != Status::kInternal, "no token is anybody else's fault");
    if (!succeeded(answer.status)) {
      return on_refusal(answer.status, answer.reply);
    }
    held.context = answer.context;
    held.reply = answer.reply;
    const auth::State state = state_of(held.context);
    check((state == auth::State::kEstablished) == (answer.status == Status::kEstablished),
          "the verdict is the state");
    if (answer.status == Status::kEstablished) {
      on_established(token, first);
    }
  }

  void on_refusal(Status status, const Octets& reply) {
    Held& held = current();
    if (held.context == kNone) {
      held = {};
      return;
    }
    if (status == Status::kNotHalfOpen) {
      check(state_of(held.context) == auth::State::kEstablished, "a complete context is spared");
      return;
    }
    const ContextHandle stale = held.context;
    held = {};
    const Octets anything = reply.empty() ? Octets{1} : reply;
    check(door_.accept(anything, stale).status == Status::kStaleHandle,
          "there is no second verdict");
  }

  void on_established(const Octets& token, bool first) {
    Held& held = current();
    bool is_ntlm = false;
    {
      Status status = Status::kEstablished;
      const Pinned<auth::Context> context = door_.environment().contexts.pin(held.context, status);
      check(bool(context) && !context->key.empty(), "there is a key to go with it");
      is_ntlm = context->is_ntlm();
      const auth::Credential& credential = *world().credential;
      check(is_ntlm ? credential.allow_ntlm && credential.package != auth::Package::kKerberos
                    : credential.allow_kerberos && credential.package != auth::Package::kNtlm,
            "the mechanism was allowed");
      const auto is_user = [&](std::string_view name) {
        return std::ranges::equal(context->user(), mint::octets_of(name));
      };
      check(!is_ntlm || is_user("alice") || is_user("bob"), "NTLM accounts are those of the file");
      check_mic(token, *context);
    }
    check(is_ntlm || held.minted, "nobody signs on who does not know a key");
    if (first && world().credential->policy.check_replays) {
      check(!succeeded(door_.accept(token).status), "an authenticator works once");
    }
  }

  // check_mic: a mechListMIC that came with the token which completed the exchange is right.
  static void check_mic(const Octets& token, const auth::Context& context) {
    const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
    const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(token);
    const bool has_mic =
        (init.ok() && init->has_mech_list_mic) || (resp.ok() && resp->has_mech_list_mic);
    if (!context.spnego || !has_mic) {
      return;
    }
    const Bytes mic = init.ok() ? init->mech_list_mic : resp->mech_list_mic;
    const Bytes list = Bytes(context.mech_types).first(context.mech_types_size);
    const protect::KerberosMicKey kerberos{
        .profile = crypto::profile_of(context.key_etype),
        .key = context.key.bytes(),
        .key_is_acceptor_subkey = context.key_is_acceptor_subkey};
    const protect::NtlmMicKey ntlm{.exported_session_key = context.key.bytes(),
                                   .flags = context.ntlm_flags};
    constexpr auto kClient = protect::Sender::kInitiator;
    crypto::Kit& kit = *world().kit;
    check(context.is_ntlm()
              ? protect::check_mic(kit, ntlm, kClient, 0, list, mic)
              : protect::check_mic(kit, kerberos, kClient, context.initiator_sequence, list, mic),
          "a mechListMIC is right");
  }

  auth::State state_of(ContextHandle handle) {
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context = door_.environment().contexts.pin(handle, status);
    check(bool(context), "a handle that was given out is good");
    return context->state;
  }

  void end() {
    if (current().context != kNone && door_.is_live(current().context)) {
      door_.end(current().context);
    }
    current() = {};
  }

  Door door_;
  Script script_;
  Door::Options options_;
  std::array<Held, 4> held_;
  std::size_t place_ = 0;
  std::size_t service_ = 0;  // Which of world()'s.
  bool spnego_ = false;
  bool with_mic_ = true;
  bool has_pac_ = false;
  Stage furthest_ = Stage::kOffered;
  std::uint32_t cusec_ = 0;
};

}  // namespace

void run_one(Bytes input) { Play(Script{input}).run(); }

}  // namespace usher::fuzz
