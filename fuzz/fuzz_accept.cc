// engine/auth/accept.h: whole exchanges, past the encryption. An input is a script: tokens as they
// are, and plaintexts that a client and a KDC who hold the keys seal into tokens; every check of
// the acceptor stays on.
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "engine/auth/accept.h"
#include "fuzz/fuzz_target.h"
#include "parsers/spnego.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

using mint::Octets;

constexpr std::int64_t kNow = 1'790'000'000;  // Seconds since 1970.
constexpr std::size_t kSlots = 4;
constexpr std::int64_t kSkewMaxSeconds = 300;
constexpr int kStepsMax = 32;

struct FixedClock final : Clock {
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return us; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return us; }
  std::int64_t us = kNow * kMicrosPerSecond;
};

// SharedRandom lets desk and mint draw from one source that starts anew with every input.
mint::SeededRandom g_random(1);
struct SharedRandom final : RandomSource {
  [[nodiscard]] bool fill(MutableBytes out) noexcept override { return g_random.fill(out); }
};

// World is what all inputs share: keys, accounts, ciphers.
struct World {
  World() {
    auto keys = std::make_unique<auth::Keys>();
    keys->ring = mint::make_ring(*kit, {&service, 1});
    keys->accounts = auth::Accounts::parse(*kit, "EXAMPLE:alice:Al1ce-Passw0rd\n", "fuzz").accounts;
    check(keys->ring != nullptr && keys->accounts != nullptr, "the world can be made");
    credential = std::make_unique<auth::Credential>(auth::Package::kNegotiate, std::move(keys));
    credential->target = {"EXAMPLE", "WEB", "example.test", "web.example.test"};
  }
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::Service service = mint::make_service(g_random, "HTTP/web.example.test@EXAMPLE.TEST");
  std::unique_ptr<auth::Credential> credential;
  std::unique_ptr<auth::Desk> desk = auth::Desk::make(1, std::make_unique<SharedRandom>());
};
World& world() {
  static World one;
  return one;
}

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
    const std::size_t size = std::min(low | std::size_t{byte()} << 8, rest.size());
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

// Play is one input's run.
class Play {
 public:
  explicit Play(Script script) : script_(script) {
    const std::uint8_t options = script_.byte();
    auth::Credential& credential = *world().credential;
    credential.package = auth::Package((options & 3) % 3);
    credential.allow_kerberos = (options & 4) == 0;
    credential.allow_ntlm = (options & 8) == 0;
    credential.policy = {};
    credential.policy.check_replays = (options & 16) == 0;
    credential.policy.ntlm_mic_always = (options & 32) != 0;
    error_tokens_ = (options & 64) != 0;
    capacity_ = (options & 128) == 0 ? kReplySizeMax : script_.byte();
  }

  void run() {
    for (int step = 0; step < kStepsMax && !script_.rest.empty(); ++step) {
      take_step(script_.byte());
    }
    for (ContextHandle& context : held_) {
      end(context);
    }
    check(pool_.live() == 0, "every slot comes back");
  }

 private:
  static constexpr ContextHandle kNone{};

  // current is the exchange that a step works on.
  ContextHandle& current() { return held_[place_]; }

  void take_step(std::uint8_t what) {
    place_ = what >> 6;
    switch (what & 0x0f) {
      case 0:
        return offer(mint::octets_of(script_.chunk()), false);
      case 1:
        return offer(sealed_ticket(script_.chunk()), true);
      case 2:
        return offer(sealed_authenticator(script_.chunk()), true);
      case 3:
        return offer(with_checksum(script_.chunk()), true);
      case 4:
        return offer(patch(kerberos({}, {}), script_.chunk()), true);
      case 5:
        return offer(patch(ntlm_answer(), script_.chunk()), true);
      case 6:
        return offer(patch(mint::spnego_token(request({}, {}).message), script_.chunk()), true);
      case 7:
        clock_.us += script_.byte() * kMicrosPerSecond;
        return;
      case 8:
        return end(current());
      default:
        return offer(mint::ntlm_negotiate({}), false);
    }
  }

  // What a KDC and a client would make, but for the plaintext that the script gives.
  mint::ApReq request(mint::TicketFields ticket, mint::AuthenticatorFields authenticator) {
    ticket.auth_time = kNow - 60;
    ticket.end_time = kNow + 3600;
    ticket.session_key = Octets(32, 0x42);
    authenticator.ctime = clock_.us / kMicrosPerSecond;
    authenticator.cusec = ++cusec_;
    const mint::KerberosMint mint(*world().kit, g_random);
    return mint.ap_req(mint.ticket(world().service, ticket), authenticator);
  }
  Octets kerberos(mint::TicketFields ticket, mint::AuthenticatorFields authenticator) {
    return mint::gss_token(request(std::move(ticket), std::move(authenticator)).message);
  }
  Octets sealed_ticket(Bytes plain) {
    mint::TicketFields ticket;
    ticket.sealing.plain = mint::octets_of(plain);
    return kerberos(ticket, {});
  }
  Octets sealed_authenticator(Bytes plain) {
    mint::AuthenticatorFields authenticator;
    authenticator.sealing.plain = mint::octets_of(plain);
    return kerberos({}, authenticator);
  }
  Octets with_checksum(Bytes checksum) {
    mint::AuthenticatorFields authenticator;
    authenticator.checksum = mint::octets_of(checksum);
    return kerberos({}, authenticator);
  }

  // ntlm_answer is the AUTHENTICATE that the last CHALLENGE asks for, or a NEGOTIATE.
  Octets ntlm_answer() {
    const Octets negotiate = mint::ntlm_negotiate({});
    const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(last_reply_);
    const Bytes challenge = resp.ok() ? resp->response_token : Bytes(last_reply_);
    if (!ntlm::parse_challenge(challenge).ok()) {
      return mint::optimistic({gss::Mechanism::kNtlm}, negotiate);
    }
    const mint::Authenticated answer =
        mint::ntlm_authenticate(*world().kit, negotiate, challenge, {});
    if (!resp.ok()) {
      return answer.message;
    }
    mint::NegTokenRespFields fields;
    fields.response_token = answer.message;
    fields.mech_list_mic = mint::ntlm_mech_list_mic(*world().kit, answer,
                                                    mint::mech_type_list({gss::Mechanism::kNtlm}));
    return mint::neg_token_resp(fields);
  }

  auth::AcceptReply accept(Bytes token, ContextHandle context) {
    constexpr std::size_t kGuard = 64;
    constexpr std::uint8_t kUntouched = 0xa5;
    Octets room(capacity_ + kGuard, kUntouched);
    const auth::AcceptRequest request{.credential = world().credential.get(),
                                      .context = context,
                                      .token = token,
                                      .reply = std::span(room).first(capacity_),
                                      .error_tokens = error_tokens_,
                                      .recorded_challenge = {}};
    auth::AcceptReply reply;
    auth::accept(*world().desk, environment_, {&request, 1}, {&reply, 1});
    check(reply.reply_size <= capacity_, "a reply fits into its room");
    check(std::ranges::count(Bytes(room).last(kGuard), kUntouched) == kGuard,
          "nothing is written behind the room");
    last_reply_.assign(room.begin(), room.begin() + reply.reply_size);
    return reply;
  }

  // offer gives one token to the current exchange, or begins one, and looks at what comes of it.
  void offer(const Octets& token, bool minted) {
    const bool first = current() == kNone;
    const std::uint32_t live = pool_.live();
    minted_ = minted_ || minted;
    const auth::AcceptReply reply = accept(token, current());
    const Status status = reply.verdict.status;
    if (!succeeded(status)) {
      check(reply.context == kNone, "a refusal gives no handle");
      on_refusal(status, live);
      return;
    }
    check(pool_.live() == live + (first ? 1 : 0), "one token, at most one slot");
    check(first || reply.context == current(), "an exchange keeps its handle");
    current() = reply.context;
    const auth::State state = state_of(current());
    check((state == auth::State::kEstablished) == (status == Status::kEstablished),
          "the verdict is the state");
    check(state == auth::State::kEstablished || !last_reply_.empty(), "who waits has asked");
    if (status == Status::kEstablished) {
      on_established(token, first);
    }
  }

  void on_refusal(Status status, std::uint32_t live) {
    if (current() == kNone) {
      check(pool_.live() == live, "a refused first token leaves no slot behind");
      return;
    }
    if (status == Status::kNotHalfOpen) {
      check(pool_.live() == live, "a complete context is spared");
      check(state_of(current()) == auth::State::kEstablished, "and as it was");
      return;
    }
    check(pool_.live() == live - 1, "a refused exchange gives its slot back");
    const ContextHandle stale = current();
    current() = kNone;
    check(accept(last_reply_, stale).verdict.status == Status::kStaleHandle,
          "there is no second verdict");
  }

  void on_established(const Octets& token, bool first) {
    check(minted_, "nobody signs on who does not know a key");
    Status status = Status::kEstablished;
    {
      const Pinned<auth::Context> context = pool_.pin(current(), status);
      check(bool(context) && !context->key.empty(), "there is a key to go with it");
      const auth::Credential& credential = *world().credential;
      check(context->is_ntlm()
                ? credential.allow_ntlm && credential.package != auth::Package::kKerberos
                : credential.allow_kerberos && credential.package != auth::Package::kNtlm,
            "the mechanism was allowed");
      check(!context->is_ntlm() ||
                std::ranges::equal(context->user(), mint::octets_of(std::string_view("alice"))),
            "NTLM accounts are those of the file");
    }
    if (first && world().credential->policy.check_replays) {
      const auth::AcceptReply again = accept(token, kNone);
      check(!succeeded(again.verdict.status), "an authenticator works once");
    }
  }

  auth::State state_of(ContextHandle handle) {
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context = pool_.pin(handle, status);
    check(bool(context), "a handle that was given out is good");
    return context->state;
  }

  void end(ContextHandle& handle) {
    if (handle != kNone) {
      Status status = Status::kEstablished;
      Pinned<auth::Context> context = pool_.pin(handle, status);
      check(bool(context), "a live exchange can be ended");
      pool_.release(context);
      check(!pool_.pin(handle, status) && status == Status::kStaleHandle, "and only once");
      handle = kNone;
    }
  }

  Script script_;
  bool error_tokens_ = false;
  std::size_t capacity_ = kReplySizeMax;
  FixedClock clock_;
  std::array<SlotPool::Slot, kSlots> slots_;
  std::array<auth::Context, kSlots> contexts_;
  std::vector<ReplayCache::Place> places_ =
      std::vector<ReplayCache::Place>(ReplayCache::kProbesMax);
  auth::ContextPool pool_{slots_, contexts_, 1 << 20};
  ReplayCache replays_{places_, ReplayKey{1, 2, 3, 4}, kSkewMaxSeconds};
  auth::Environment environment_{pool_, replays_, clock_};
  std::array<ContextHandle, kSlots> held_;
  std::size_t place_ = 0;
  bool minted_ = false;
  Octets last_reply_;
  std::uint32_t cusec_ = 0;
};

}  // namespace

void run_one(Bytes input) {
  (void)world();
  g_random = mint::SeededRandom(2);
  Play(Script{input}).run();
}

}  // namespace usher::fuzz
