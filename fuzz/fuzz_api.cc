// The C ABI (engine/sspi.h, acceptor.h): sequences of calls over many contexts and credentials,
// wrong handles and buffers, and time, against a model that knows which handles are live and what
// status each call must give. An input is a script.
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "fuzz/api_caller.h"
#include "fuzz/api_calls.h"
#include "parsers/spnego.h"

namespace usher::fuzz {
namespace {

// Play is one input's run.
class Play {
 public:
  explicit Play(Bytes input) : script_{input} {}

  void run() {
    for (int step = 0; step < kStepsMax && !script_.rest.empty(); ++step) {
      take_step(script_.byte());
    }
    for (Exchange& exchange : exchanges_) {
      end(exchange);
    }
    for (Acquired& credential : acquired_) {
      free(credential);
    }
    check(sspi::running_engine()->environment().contexts.live() == 0, "every slot comes back");
  }

 private:
  static constexpr std::size_t kExchanges = 16;  // More than slots.

  struct Acquired {
    CredHandle handle = invalid_handle();
    bool live = false;
  };

  void take_step(std::uint8_t what) {
    Exchange& exchange = exchanges_[what >> 4];
    switch (what & 0x0f) {
      case 0:
      case 1:
      case 2:
        return open(script_.byte());
      case 3:
      case 4:
      case 5:
        return exchange.live() ? continue_exchange(exchange, script_.byte()) : void();
      case 6:
        return query(exchange, script_.byte());
      case 7:
        return query_all(exchange);
      case 8:
        return end(exchange);
      case 9:
        return stale(exchange, script_.byte());
      case 10:
        return pass_time(script_.byte());
      case 11:
        return move_wall(script_.byte());
      case 12:
        return flood();
      case 13:
        return acquire(script_.byte());
      case 14:
        return ask_packages(script_.byte());
      default:
        return credentials(exchange, script_.byte());
    }
  }

  // call makes one of the calls that came after the others: the scripts of before mean the same.
  void call(Exchange& exchange, Messages& messages, unsigned which) {
    switch (which % 17) {
      case 0:
        return ask_with_size(exchange, script_);
      case 1:
        return call_unserved(exchange, script_);
      case 2:
        return ask_credential(exchange.handle, false, script_);
      case 3: {
        const std::uint8_t who = script_.byte();
        const Acquired& credential = acquired_[who % acquired_.size()];
        return who < 128 ? ask_credential(process().credentials[who % 3], true, script_)
                         : ask_credential(credential.handle, credential.live, script_);
      }
      case 4:
      case 5:
        return make_message(exchange, messages, script_, false);
      case 6:
      case 7:
        return make_message(exchange, messages, script_, true);
      case 8:
      case 9:
        return take_message(exchange, messages, script_, which % 2 == 0);
      case 10:
        return take_junk(exchange, script_);
      case 11:
        return asked_users_++ < kUsersAskedMax ? ask_user(exchange, script_.byte()) : void();
      case 12:
      case 13:
        return pack(exchange, messages, packed_, script_);
      case 14:
        return unpack_wrong(packed_, script_);
      case 15:
        return import(script_.byte());
      default: {
        const std::uint8_t who = script_.byte();
        const Acquired& ntlm = acquired_[who % acquired_.size()];
        return who < 128
                   ? add_wrongly(process().credentials[who % 3], true, who % 3, script_.byte())
                   : add_wrongly(ntlm.handle, ntlm.live, 2, script_.byte());
      }
    }
  }

  void import(std::uint8_t how) {
    Exchange fresh;
    if (!packed_.blob.empty() && unpack(
                                     packed_, [this] { return make_room(); }, how, fresh)) {
      Exchange* const place = std::ranges::find(exchanges_, State::kGone, &Exchange::state);
      *place = std::move(fresh);
      messages_[static_cast<std::size_t>(place - exchanges_.data())] = packed_.messages;
    }
  }

  // Time.

  void pass_time(std::uint8_t seconds) {
    g_clock.wall += seconds * kMicrosPerSecond / 2;
    g_clock.steady += seconds * kMicrosPerSecond / 2;
  }

  // move_wall is somebody setting the machine's clock (F8). A clock set back makes old
  // authenticators acceptable again, so the model forgets them.
  void move_wall(std::uint8_t how) {
    const std::int64_t seconds = std::int64_t{1} << how % 20;
    g_clock.wall += (how < 128 ? seconds : -seconds) * kMicrosPerSecond;
    if (how >= 128) {
      kerberos_ = {};
      packed_ = {};
    }
  }

  // Contexts.

  [[nodiscard]] std::size_t live() const {
    return static_cast<std::size_t>(std::ranges::count_if(exchanges_, &Exchange::live));
  }

  // make_room is what the engine does when a first token finds every slot taken.
  bool make_room() {
    if (live() == kSlots && g_clock.steady_s() != g_swept_s) {
      g_swept_s = g_clock.steady_s();
      for (Exchange& exchange : exchanges_) {
        if (exchange.state == State::kHalfOpen && exchange.deadline_s < g_clock.steady_s()) {
          exchange.state = State::kGone;
        }
      }
    }
    return live() < kSlots;
  }

  // first_offer chooses a first token, and knows what a credential of `package` makes of it.
  Offer first_offer(std::uint8_t which, auth::Package package) {
    const bool negotiate = package == auth::Package::kNegotiate;
    const auto serves = [&](bool mechanism) {
      return mechanism ? Expected::kContinue : Expected::kRefused;
    };
    switch (which % 4) {
      case 0: {
        const std::size_t n = which / 4 % KerberosTokens::kCount;
        Offer offer{.token = kerberos_.get(n), .authenticator = static_cast<int>(n)};
        const bool served =
            negotiate || (package == auth::Package::kKerberos && !KerberosTokens::is_spnego(n));
        offer.expected = served && good_keytab_ && kerberos_.in_time(n) && !kerberos_.seen(n)
                             ? Expected::kEstablished
                             : Expected::kRefused;
        return offer;
      }
      case 1:
        return {.token = ntlm_negotiate(),
                .expected = serves(package != auth::Package::kKerberos),
                .bare_ntlm = true};
      case 2:
        return {.token = mint::optimistic({gss::Mechanism::kNtlm}, ntlm_negotiate()),
                .expected = serves(negotiate),
                .spnego_ntlm = true};
      default:
        return {.token = mint::octets_of(script_.chunk())};
    }
  }

  void open(std::uint8_t which) {
    const std::size_t n = which >> 6 == 3 ? 0 : which >> 6;
    const Offer offer = first_offer(which & 0x3f, kPackages[n]);
    Exchange* const place = std::ranges::find(exchanges_, State::kGone, &Exchange::state);
    check(place != exchanges_.end(), "the model has room for every slot");
    Exchange fresh;
    fresh.credential = kPackages[n];
    const Call call = offer_to(fresh, nullptr, offer, script_.byte());
    if (call.status >= 0) {
      check(
          std::ranges::none_of(
              exchanges_, [&](const Exchange& other) { return same(other.handle, fresh.handle); }),
          "no handle comes twice");
      *std::ranges::find(exchanges_, State::kGone, &Exchange::state) = std::move(fresh);
    }
  }

  // answer is what the client of `exchange` sends next; `flip` spoils a bit of it.
  static Octets answer(const Exchange& exchange, unsigned flip) {
    const spnego::NegTokenResp resp = exchange.spnego_ntlm
                                          ? *spnego::parse_neg_token_resp(exchange.reply)
                                          : spnego::NegTokenResp{};
    mint::Authenticated made = mint::ntlm_authenticate(
        *world().kit, ntlm_negotiate(),
        exchange.spnego_ntlm ? resp.response_token : Bytes(exchange.reply), {});
    if (flip != 0) {
      made.message[flip % made.message.size()] ^= static_cast<std::uint8_t>(1u << flip % 8);
    }
    if (exchange.bare_ntlm) {
      return made.message;
    }
    const Octets mic =
        mint::ntlm_mech_list_mic(*world().kit, made, mint::mech_type_list({gss::Mechanism::kNtlm}));
    return mint::neg_token_resp({.response_token = made.message, .mech_list_mic = mic});
  }

  Offer next_offer(const Exchange& exchange, std::uint8_t which) {
    if (exchange.hinted) {
      return first_offer(which, exchange.credential);
    }
    const bool asked = exchange.ntlm() && exchange.state == State::kHalfOpen;
    switch (asked ? which % 4 : 3) {
      case 0:
        return {.token = answer(exchange, 0), .expected = Expected::kEstablished};
      case 1:
        return {.token = answer(exchange, 1u + which), .expected = Expected::kRefused};
      case 2: {  // The answer to another CHALLENGE.
        const Exchange& other = exchanges_[which / 4 % kExchanges];
        if (&other != &exchange && other.ntlm() && other.state == State::kHalfOpen &&
            other.bare_ntlm == exchange.bare_ntlm) {
          return {.token = answer(other, 0), .expected = Expected::kRefused};
        }
        return {.token = ntlm_negotiate(), .expected = Expected::kRefused};
      }
      default:
        return {.token = mint::octets_of(script_.chunk())};
    }
  }

  void continue_exchange(Exchange& exchange, std::uint8_t which) {
    const CtxtHandle given = exchange.handle;
    const Offer offer = next_offer(exchange, which);
    const bool in_use = exchange.state == State::kEstablished;
    Exchange after = exchange;
    const Call call = offer_to(after, &given, offer, script_.byte());
    if (call.status >= 0) {
      check(same(after.handle, given), "an exchange keeps its handle");
      exchange = std::move(after);
    } else if (!in_use && !lacked_room(call)) {
      exchange.state = State::kGone;  // After an error no context remains.
      check(DeleteSecurityContext(&exchange.handle) == SEC_E_INVALID_HANDLE, "and none is left");
    }
  }

  // expected_status is the status before buffers come into it, and nothing where any will do.
  std::optional<SECURITY_STATUS> expected_status(const Exchange& exchange, bool first,
                                                 const Offer& offer, const Call& call) {
    const bool says_nothing = offer.token.empty() || call.shape == Shape::kEmptyToken;
    if (call.shape == Shape::kTwoTokens || call.shape == Shape::kVersion ||
        (says_nothing && !first)) {
      return SEC_E_INVALID_TOKEN;  // Of several faults, one of pInput is told first.
    }
    if (!call.good_bindings()) {
      return SEC_E_INVALID_PARAMETER;
    }
    if (refusal_of(call.shape) != SEC_E_OK) {
      return refusal_of(call.shape);
    }
    if (first && !make_room()) {
      return SEC_E_INSUFFICIENT_MEMORY;
    }
    if (!first && exchange.state == State::kEstablished) {
      return SEC_E_OUT_OF_SEQUENCE;
    }
    if (!first && g_clock.steady >= exchange.deadline_s * kMicrosPerSecond) {
      return SEC_E_CONTEXT_EXPIRED;
    }
    if (says_nothing) {
      return exchange.credential == auth::Package::kNegotiate ? SEC_I_CONTINUE_NEEDED
                                                              : SEC_E_INVALID_TOKEN;
    }
    if (!first && exchange.ntlm() && offer.expected == Expected::kEstablished &&
        std::abs(g_clock.wall / kMicrosPerSecond - exchange.challenged_s) >
            auth::Policy().ntlm_lifetime_s) {
      return SEC_E_TIME_SKEW;
    }
    if (call.shape == Shape::kProxyBindings && offer.expected == Expected::kEstablished) {
      return SEC_E_BAD_BINDINGS;  // Before the replay cache sees it.
    }
    switch (offer.expected) {
      case Expected::kEstablished:
        return SEC_E_OK;
      case Expected::kContinue:
        return SEC_I_CONTINUE_NEEDED;
      default:
        return std::nullopt;
    }
  }

  // lacked_room says whether a call was refused for want of room alone: it can be made again.
  static bool lacked_room(const Call& call) {
    return call.status == SEC_E_BUFFER_TOO_SMALL || call.status == SEC_E_INSUFFICIENT_BUFFERS;
  }

  // check_status compares; `room` is what a reply may take.
  static void check_status(SECURITY_STATUS status, std::optional<SECURITY_STATUS> expected,
                           const Offer& offer, const Call& call, bool owes_reply) {
    const bool no_buffer = call.shape == Shape::kNoOutput;
    const bool small =
        !no_buffer && call.room_for(offer.token) < kReplySizeMax && call.shape != Shape::kAllocate;
    if (!expected) {
      check(status != SEC_E_OK, "nobody signs on who does not know a key");
      check(status < 0 || offer.expected == Expected::kNotEstablished, "what is wrong is refused");
    } else if (*expected < 0 || !owes_reply) {
      // Room is looked at before what a token proves.
      const bool proof = *expected == SEC_E_TIME_SKEW || *expected == SEC_E_BAD_BINDINGS;
      check(status == *expected || (proof && (small || no_buffer) && lacked_room(call)),
            "the status is the model's");
    } else if (no_buffer) {
      check(status == SEC_E_INSUFFICIENT_BUFFERS, "a reply without a buffer is an error");
    } else {
      check(status == *expected || (small && status == SEC_E_BUFFER_TOO_SMALL),
            "the status is the model's, or the room is too small");
    }
    check(small || status != SEC_E_BUFFER_TOO_SMALL, "room that is always enough is enough");
  }

  // offer_to makes one call. `exchange` becomes what the model makes of it if it succeeds.
  Call offer_to(Exchange& exchange, const CtxtHandle* given, const Offer& offer,
                std::uint8_t shape) {
    Call call;
    call.shape = Shape(shape < 128 ? 0 : shape % kShapes);
    call.in_batch = shape % 5 == 4;  // Whatever its shape: it makes no difference.
    call.room_size = call.shape == Shape::kSmallRoom ? script_.byte() * 2u : 0;
    call.bindings = call.shape == Shape::kBindings ? script_.chunk() : Bytes{};
    const bool first = given == nullptr;
    const auto expected = expected_status(exchange, first, offer, call);
    const bool owes_reply = first || !exchange.bare_ntlm;
    const auto n = static_cast<std::size_t>(exchange.credential);
    call.run(process().credentials[n], given, offer.token);
    check_status(call.status, expected, offer, call, owes_reply);
    if (offer.authenticator >= 0 && expected == SEC_E_OK && !lacked_room(call)) {
      kerberos_.see(static_cast<std::size_t>(offer.authenticator));
      ++g_authenticators;
    }
    if (call.status < 0) {
      check(*usher_last_refusal() != '\0', "a refusal says why");
      check(call.attributes == 0, "a refusal grants nothing");
      check(call.shape == Shape::kSameContext || call.shape == Shape::kNoNewContext ||
                same(call.context, invalid_handle()),
            "a refusal gives no handle");
      return call;
    }
    check(call.status == SEC_E_OK || !call.reply.empty(), "who waits has asked");
    check(!owes_reply || !call.reply.empty(), "what is owed is sent");
    check((call.attributes & ASC_RET_CONNECTION) != 0, "a request is echoed");
    check(((call.attributes & ASC_RET_ALLOCATED_MEMORY) != 0) ==
              (call.shape == Shape::kAllocate && !call.reply.empty()),
          "memory that was allocated is announced");
    check_result(call);
    const bool says_nothing = offer.token.empty() || call.shape == Shape::kEmptyToken;
    if (first) {
      exchange.deadline_s = g_clock.steady_s() + kHalfOpenSeconds;
    }
    if (first || exchange.hinted) {
      exchange.challenged_s = g_clock.wall / kMicrosPerSecond;
      exchange.hinted = says_nothing;
      exchange.bare_ntlm = offer.bare_ntlm && !says_nothing;
      exchange.spnego_ntlm = offer.spnego_ntlm && !says_nothing;
    }
    exchange.handle = call.context;
    exchange.state = call.status == SEC_E_OK ? State::kEstablished : State::kHalfOpen;
    exchange.reply = call.reply;
    return call;
  }

  // check_result: clients that may send no bindings, and send none.
  static void check_result(const Call& call) {
    constexpr std::uint32_t kAbsent =
        SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING;
    check(call.shape != Shape::kBindings ||
              call.binding_flags == (call.status == SEC_E_OK ? kAbsent : 0),
          "who signs on is told what came of its bindings");
  }

  void end(Exchange& exchange) {
    CtxtHandle handle = exchange.handle;
    check(DeleteSecurityContext(&handle) == (exchange.live() ? SEC_E_OK : SEC_E_INVALID_HANDLE),
          "a live context can be deleted");
    exchange.state = State::kGone;
    check(DeleteSecurityContext(&handle) == SEC_E_INVALID_HANDLE, "and only once");
  }

  // F2: more first tokens than there are slots.
  void flood() {
    for (std::size_t n = 0; n <= kSlots && floods_ < kFloodsMax; ++n) {
      Exchange* const place = std::ranges::find(exchanges_, State::kGone, &Exchange::state);
      Exchange fresh;
      const Offer offer{
          .token = ntlm_negotiate(), .expected = Expected::kContinue, .bare_ntlm = true};
      if (offer_to(fresh, nullptr, offer, 0).status < 0) {
        break;
      }
      *place = std::move(fresh);
    }
    ++floods_;
  }

  // Handles, credentials and packages.

  // F4, B6: a handle that is not, or no longer, one of a live context.
  void stale(const Exchange& near, std::uint8_t how) {
    Exchange forged = near;
    forged.state = State::kGone;
    switch (how % 8) {
      case 0:
        forged.handle.dwUpper += 1;
        break;
      case 1:
        forged.handle.dwUpper -= 1;
        break;
      case 2:
        forged.handle.dwLower ^= std::uintptr_t{1} << how / 8;
        break;
      case 3:
        forged.handle.dwLower ^= std::uintptr_t{1} << (32 + how / 8);
        break;
      case 4:
        forged.handle.dwUpper ^= std::uintptr_t{1} << (32 + how / 8);
        break;
      case 5:
        forged.handle = process().credentials[how / 8 % 3];
        break;
      case 6:
        forged.handle = {0, 0};
        break;
      default:
        break;  // As it is: stale, unless it is live.
    }
    if (std::ranges::any_of(exchanges_, [&](const Exchange& one) {
          return one.live() && same(one.handle, forged.handle);
        })) {
      return;
    }
    query(forged, how);
    Messages none;
    // A credential's handle is no context's, but is one.
    if (how % 8 != 5 || how / 16 != 2) {
      call(forged, none, how / 16);
    }
    end(forged);
    Call call;
    call.run(process().credentials[0], &forged.handle, ntlm_negotiate());
    check(call.status == SEC_E_INVALID_HANDLE, "a stale handle begins nothing");
    if (how % 8 != 5) {
      call.run(forged.handle, nullptr, ntlm_negotiate());
      check(call.status == SEC_E_INVALID_HANDLE, "a context is no credential");
      check(FreeCredentialsHandle(&forged.handle) == SEC_E_INVALID_HANDLE, "and not freed as one");
    }
  }

  // The one good way reads the accounts, and is taken a few times at most.
  void acquire(std::uint8_t how) {
    if (how % 8 != 7) {
      return acquire_wrongly(how);
    }

    const auto place = std::ranges::find(acquired_, false, &Acquired::live);
    if (acquires_ < kAcquiresMax && place != acquired_.end()) {
      ++acquires_;
      check(process().acquire(NTLMSP_NAME_A, place->handle) == SEC_E_OK, "good files are taken");
      place->live = true;
    }
  }

  static void free(Acquired& credential) {
    CredHandle handle = credential.handle;
    check(FreeCredentialsHandle(&handle) == (credential.live ? SEC_E_OK : SEC_E_INVALID_HANDLE),
          "a credential can be freed");
    credential.live = false;
    check(FreeCredentialsHandle(&handle) == SEC_E_INVALID_HANDLE &&
              usher_reload(&handle) == SEC_E_INVALID_HANDLE,
          "and only once");
  }

  void credentials(Exchange& exchange, std::uint8_t what) {
    Acquired& credential = acquired_[what / 4 % acquired_.size()];
    switch (what % 4) {
      case 0:
        return free(credential);
      case 1: {  // Used for a token and gone, or gone already; its context lives on.
        Call call;
        call.run(credential.handle, nullptr, ntlm_negotiate());
        const bool room = !credential.live || make_room();
        check(call.status == (!credential.live ? SEC_E_INVALID_HANDLE
                              : room           ? SEC_I_CONTINUE_NEEDED
                                               : SEC_E_INSUFFICIENT_MEMORY),
              "a credential serves while it lives");
        if (call.status >= 0) {
          free(credential);
          check(DeleteSecurityContext(&call.context) == SEC_E_OK, "a context outlives it");
        }
        return;
      }
      case 2:
        return what == 0xfe ? change_keytab() : void();
      default:
        return call(exchange, messages_[static_cast<std::size_t>(&exchange - exchanges_.data())],
                    what / 4);
    }
  }

  // F8: the keytab is replaced while exchanges are open, and put back.
  void change_keytab() {
    if (reloads_++ < kReloadsMax) {
      auto others = world().services;
      for (mint::Service& service : others) {
        service.key[0] ^= 1;
      }
      load_keytab(mint::keytab_image(others));
      good_keytab_ = false;
      for (std::uint8_t n = 0; n < KerberosTokens::kCount; ++n) {
        open(static_cast<std::uint8_t>(n * 4));
      }
      load_keytab(mint::keytab_image(world().services));
      good_keytab_ = true;
    }
  }
  static void load_keytab(const Octets& image) {
    process().keytab.write(image);
    for (std::size_t n = 0; n < 2; ++n) {  // Negotiate and Kerberos.
      check(usher_reload(&process().credentials[n]) == SEC_E_OK, "a good keytab is taken");
    }
  }

  Script script_;
  std::array<Exchange, kExchanges> exchanges_;
  std::array<Messages, kExchanges> messages_;  // Of each of them.
  Packed packed_;
  std::array<Acquired, 2> acquired_;
  KerberosTokens kerberos_;
  bool good_keytab_ = true;
  int acquires_ = 0;
  int reloads_ = 0;
  int floods_ = 0;
  int asked_users_ = 0;
};

// go_on sets the clock for the next input: by wall time all inputs begin alike, until the replay
// cache has taken so many authenticators that they have to become old.
void go_on(std::int64_t& base_us) {
  constexpr std::uint32_t kAuthenticatorsMax = kReplayEntries / 8;
  constexpr std::int64_t kStepUs = (std::int64_t{1} << 21) * kMicrosPerSecond;
  constexpr std::int64_t kSteadyMaxUs = 3'000'000'000 * kMicrosPerSecond;
  if (g_authenticators > kAuthenticatorsMax) {
    g_authenticators = 0;
    base_us += kStepUs;
  }
  g_clock.wall = base_us;
  g_clock.steady += 2 * kMicrosPerSecond;
  if (g_clock.steady > kSteadyMaxUs) {
    g_clock.steady = 1000 * kMicrosPerSecond;  // Deadlines have 32 bits; none is left now.
  }
}

}  // namespace

void run_one(Bytes input) {
  static std::int64_t base_us = g_clock.wall;
  (void)process();
  go_on(base_us);
  Play(input).run();
}

}  // namespace usher::fuzz
