#include "fuzz/support/session_layers.h"

#include <algorithm>

#include "fuzz/support/ap_req_layers.h"
#include "parsers/ntlm.h"
#include "parsers/spnego.h"
#include "tools/mint/dce_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kFrameHeaderSize = 3;
constexpr std::size_t kFramesMax = 5;  // More in one session mostly take time.

std::vector<OwnedFrame> read_frames(Bytes input) {
  std::vector<OwnedFrame> frames;
  FrameReader reader(input);
  while (const std::optional<Frame> frame = reader.next()) {
    frames.push_back({frame->kind, frame->place, mint::octets_of(frame->octets)});
  }
  return frames;
}

// ready_tokens are first tokens that a client may begin with.
const std::vector<Octets>& ready_tokens() {
  using gss::Mechanism;
  static const std::vector<Octets> tokens = [] {
    const mint::KerberosMint client(*world().kit, shared_random());
    mint::TicketFields ticket;
    ticket.auth_time = kNowSeconds - 60;
    ticket.end_time = kNowSeconds + 3600;
    mint::AuthenticatorFields authenticator;
    authenticator.ctime = kNowSeconds;
    const Octets ap_req =
        client.ap_req(client.ticket(world().services[1], ticket), authenticator).message;
    authenticator.cusec = 1;
    authenticator.context_flags = mint::kContextFlagsDce;
    const Octets dce =
        client.ap_req(client.ticket(world().services[1], ticket), authenticator).message;
    const Octets negotiate = mint::ntlm_negotiate({});
    mint::NegTokenInitFields unfit;
    unfit.mechs = {Mechanism::kNegoEx, Mechanism::kNtlm};
    unfit.mech_token = Octets{1, 2, 3};
    mint::NegTokenInitFields plain;
    plain.mechs = {Mechanism::kKerberos, Mechanism::kNtlm};
    mint::NegTokenRespFields completed;
    completed.state = spnego::NegState::kAcceptCompleted;
    mint::NegTokenRespFields bare_negotiate;
    bare_negotiate.response_token = negotiate;
    mint::NegTokenRespFields bare_ap_req;
    bare_ap_req.response_token = mint::gss_token(ap_req);
    return std::vector<Octets>{negotiate,
                               mint::optimistic({Mechanism::kNtlm}, negotiate),
                               mint::gss_token(ap_req),
                               mint::spnego_token(ap_req),
                               dce,
                               mint::optimistic({Mechanism::kKerberos}, dce),
                               mint::neg_token_init(unfit),
                               mint::neg_token_init(plain),
                               mint::neg_token_resp(completed),
                               mint::neg_token_resp(bare_negotiate),
                               mint::neg_token_resp(bare_ap_req)};
  }();
  return tokens;
}

// Player runs a session for its replies alone.
struct Player {
  explicit Player(auth::Desk& desk) : door(desk) {}

  Door door;
  std::array<ContextHandle, Door::kSlots> contexts{};
  struct Leg {
    Octets first;      // What the context began with.
    Octets negotiate;  // The NEGOTIATE in it, or after it.
    Octets reply;
  };
  std::array<Leg, Door::kSlots> legs;

  void play(const OwnedFrame& frame) {
    ContextHandle& context = contexts[frame.place];
    switch (frame.kind) {
      case Frame::Kind::kOffer:
      case Frame::Kind::kOfferErrors: {
        Leg& leg = legs[frame.place];
        if (context == ContextHandle{}) {
          leg.first = frame.octets;
        }
        const Door::Answer answer = door.accept(frame.octets, context);
        leg.negotiate = frame.octets;
        leg.reply = answer.reply;
        if (answer.status != Status::kNotHalfOpen) {
          context = frame.place == Frame::kCrowd ? ContextHandle{} : answer.context;
        }
        return;
      }
      case Frame::Kind::kOfferTight:
        return;
      case Frame::Kind::kEnd:
        if (context != ContextHandle{} && door.is_live(context)) {
          door.end(context);
        }
        context = {};
        return;
      case Frame::Kind::kWait:
        door.clock().us += (frame.octets.empty() ? 0 : frame.octets[0]) * kMicrosPerSecond;
        return;
      case Frame::Kind::kPolicy:
        set_policy(frame.octets.empty() ? std::uint8_t{0} : frame.octets[0]);
        return;
    }
  }
};

// mechanism_token takes a token out of SPNEGO, if it is in there.
Bytes mechanism_token(Bytes token) {
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
  if (init.ok()) {
    return init->mech_token;
  }
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(token);
  return resp.ok() ? resp->response_token : token;
}

// answer_one plays up to a frame that drew a CHALLENGE, or a DCE client's AP-REP, and puts the
// answer behind it.
bool answer_one(Mutator& mutator, std::vector<OwnedFrame>& frames, auth::Desk& desk) {
  Player player(desk);
  const std::size_t start = mutator.below(static_cast<std::uint32_t>(frames.size()));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    player.play(frames[i]);
    const Player::Leg& leg = player.legs[frames[i].place];
    if (i < start || leg.reply.empty()) {
      continue;
    }
    const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(leg.first);
    const Bytes types = init.ok() && mutator.chance(90) ? init->mech_types : Bytes{};
    std::optional<Octets> answer =
        answer_challenge(mechanism_token(leg.negotiate), leg.reply, types);
    if (!answer) {
      answer = answer_ap_rep(mechanism_token(leg.negotiate), leg.reply, types);
    }
    if (answer) {
      frames.insert(frames.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                    {Frame::Kind::kOffer, frames[i].place, *answer});
      return true;
    }
  }
  return false;
}

void change_frames(Mutator& mutator, std::vector<OwnedFrame>& frames, std::size_t size_max,
                   auth::Desk& desk) {
  const auto count = static_cast<std::uint32_t>(frames.size());
  const auto at = frames.begin() + static_cast<std::ptrdiff_t>(mutator.below(count));
  switch (mutator.below(14)) {
    case 0:
      frames.insert(at, OwnedFrame(*at));
      return;
    case 1:
    case 12:
    case 13:
      frames.erase(at);
      return;
    case 2:
      std::swap(*at, frames[mutator.below(count)]);
      return;
    case 3:
      at->place = static_cast<std::uint8_t>(mutator.below(Door::kSlots));
      return;
    case 4:
      at->kind = Frame::Kind(mutator.below(Frame::kKindCount));
      return;
    case 5: {
      const std::vector<Octets>& tokens = ready_tokens();
      const Octets& token = tokens[mutator.below(static_cast<std::uint32_t>(tokens.size()))];
      frames.insert(at, {Frame::Kind::kOffer, at->place, token});
      return;
    }
    case 6:
      if (answer_one(mutator, frames, desk)) {
        return;
      }
      [[fallthrough]];
    case 7:
    case 8:
    case 9:
      mutator.change_der(at->octets, size_max);
      return;
    default:
      mutator.change(at->octets, size_max);
      return;
  }
}

}  // namespace

std::optional<Frame> FrameReader::next() {
  if (rest_.size() < kFrameHeaderSize) {
    return std::nullopt;
  }
  Frame frame;
  frame.place = rest_[0] % Door::kSlots;
  frame.kind = Frame::Kind(rest_[0] / Door::kSlots % Frame::kKindCount);
  const std::size_t size = load_le<std::uint16_t>(rest_.subspan(1));
  rest_ = rest_.subspan(kFrameHeaderSize);
  frame.octets = rest_.first(std::min(size, rest_.size()));
  rest_ = rest_.subspan(frame.octets.size());
  return frame;
}

Octets write_frames(const std::vector<OwnedFrame>& frames) {
  Octets out;
  for (const OwnedFrame& frame : frames) {
    out.push_back(static_cast<std::uint8_t>(frame.place + Door::kSlots * std::size_t(frame.kind)));
    const Bytes octets =
        Bytes(frame.octets).first(std::min<std::size_t>(frame.octets.size(), 0xffff));
    mint::append_le(out, static_cast<std::uint16_t>(octets.size()));
    mint::append(out, octets);
  }
  return out;
}

void set_policy(std::uint8_t choice) {
  auth::Credential& credential = *world().credential;
  credential.package = auth::Package((choice & 3) % 3);
  credential.allow_kerberos = (choice & 4) == 0;
  credential.allow_ntlm = (choice & 8) == 0;
  credential.policy.check_replays = (choice & 16) == 0;
  credential.policy.ntlm_mic_always = (choice & 32) != 0;
  credential.policy.allow_rc4 = (choice & 64) != 0;
  credential.policy.allow_weaker_keys = (choice & 128) != 0;
}

std::optional<Octets> answer_challenge(Bytes negotiate, Bytes reply, Bytes mech_types) {
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(reply);
  const Bytes challenge = resp.ok() ? resp->response_token : reply;
  if (!ntlm::parse_challenge(challenge).ok()) {
    return std::nullopt;
  }
  const mint::Authenticated answer =
      mint::ntlm_authenticate(*world().kit, negotiate, challenge, {});
  if (!resp.ok()) {
    return answer.message;
  }
  mint::NegTokenRespFields fields;
  fields.response_token = answer.message;
  if (!mech_types.empty() && has(answer.flags, ntlm::NegotiateFlags::kExtendedSessionSecurity)) {
    fields.mech_list_mic = mint::ntlm_mech_list_mic(*world().kit, answer, mech_types);
  }
  return mint::neg_token_resp(fields);
}

std::optional<Octets> answer_ap_rep(Bytes first, Bytes reply, Bytes mech_types) {
  if (gss::kind_of(first) != gss::TokenKind::kApReq) {
    return std::nullopt;
  }
  const std::optional<ApReqLayers> layers = open_layers(first);
  const auto sealed = krb5::parse_enc_ticket_part(layers ? Bytes(layers->ticket) : Bytes{});
  const auto said = krb5::parse_authenticator(layers ? Bytes(layers->authenticator) : Bytes{});
  if (!sealed.ok() || !said.ok() || crypto::profile_of(sealed->key.etype) == nullptr) {
    return std::nullopt;
  }
  const mint::KerberosMint client(*world().kit, shared_random());
  const mint::Ticket ticket{.encoded = {},
                            .session_etype = sealed->key.etype,
                            .session_key = mint::octets_of(sealed->key.value),
                            .client = {}};
  const mint::ApReq request{.message = {},
                            .ctime = said->ctime,
                            .cusec = said->cusec,
                            .subkey_etype = said->has_subkey ? said->subkey.etype : 0,
                            .subkey = mint::octets_of(said->subkey.value),
                            .seq_number = said->seq_number};
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(reply);
  const mint::KerberosMint::Answer answer =
      client.check_ap_rep(ticket, request, resp.ok() ? resp->response_token : reply);
  if (!answer.error.empty()) {
    return std::nullopt;
  }
  const Octets third_leg = mint::third_leg_to(client, ticket, request, answer);
  if (!resp.ok()) {
    return third_leg;
  }
  mint::NegTokenRespFields fields;
  fields.response_token = third_leg;
  if (!mech_types.empty()) {
    fields.mech_list_mic = client.write_mech_list_mic(ticket, request, answer, mech_types);
  }
  return mint::neg_token_resp(fields);
}

Octets mutate_session(Bytes input, std::size_t size_max, unsigned seed, auth::Desk& desk) {
  Mutator mutator(seed);
  std::vector<OwnedFrame> frames = read_frames(input);
  Octets changed = mint::octets_of(input);
  if (frames.empty() || mutator.chance(5)) {
    mutator.change(changed, size_max);
    return changed;
  }
  change_frames(mutator, frames, size_max, desk);
  while (frames.size() > kFramesMax) {
    frames.pop_back();
  }
  changed = write_frames(frames);
  changed.resize(std::min(changed.size(), size_max));
  return changed;
}

}  // namespace usher::fuzz
