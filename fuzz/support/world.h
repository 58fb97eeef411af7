// The acceptor that targets drive: fixed keys, accounts, clock and randomness, so that an input
// does the same thing every time, and every check of the product on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/auth/accept.h"
#include "fuzz/fuzz_target.h"
#include "tools/mint/kerberos_mint.h"

namespace usher::fuzz {

using mint::Octets;

inline constexpr std::int64_t kNowSeconds = 1'790'000'000;  // Since 1970.
inline constexpr std::int64_t kSkewMaxSeconds = 300;
inline constexpr std::uint64_t kServerChallenge = 0x0123456789abcdef;

class SetClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return us; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return us; }
  std::int64_t us = kNowSeconds * kMicrosPerSecond;
};

// World is what all inputs of a process share. Everything in it repeats from run to run: an input
// sealed with these keys can be kept in a corpus.
struct World {
  World();
  std::unique_ptr<crypto::Kit> kit;
  // HTTP/web.example.test@EXAMPLE.TEST, kvno 1: etypes 18, 17, 19, 20 and 23. Keys are the bytes 1,
  // 2, 3, ..., and from 101, 41, 151 and 201 on.
  std::array<mint::Service, 5> services;
  // krbtgt/EXAMPLE.TEST@EXAMPLE.TEST, kvno 1, etype 18: the bytes 201, 202, ...
  mint::Service krbtgt;
  // EXAMPLE\alice, password Al1ce-Passw0rd, and EXAMPLE\bob, B0b-Passw0rd.
  std::unique_ptr<auth::Credential> credential;
  // The same service, which knows its KDC's key.
  std::unique_ptr<auth::Credential> knowing;
  // One without accounts, whose authority knows those of `credential`.
  std::unique_ptr<auth::Credential> asking;
  std::unique_ptr<auth::Desk> desk;  // Room for eight tokens a turn.
};
World& world();

// make_kit is Kit::make(); under MemorySanitizer its results count as initialised, because OpenSSL
// is not instrumented, and its arguments are checked on the way in, which OpenSSL would not do.
std::unique_ptr<crypto::Kit> make_kit();

// ConstantRandom gives every draw the same octets. Replies carry server challenges, confounders and
// subkeys: where two runs must say the same, nothing else makes them differ.
struct ConstantRandom final : RandomSource {
  [[nodiscard]] bool fill(MutableBytes out) noexcept override {
    std::fill(out.begin(), out.end(), std::uint8_t{0x5a});
    return true;
  }
};

// random is where desk and mints draw from; restart_random makes it begin anew.
mint::SeededRandom& shared_random();
void restart_random();

// Door is one input's acceptor over world(): slots, contexts, a replay cache and a clock of its
// own, one Door at a time. It checks what holds for every accept: a reply fits its room, nothing is
// written behind it, a refusal gives no handle, and in the end every slot has come back.
class Door {
 public:
  static constexpr std::size_t kSlots = 8;
  static constexpr std::size_t kPages = 64;

  // Tokens go over `desk`. Also restarts randomness and puts world()'s credential back to its
  // defaults.
  explicit Door(auth::Desk& desk = *world().desk);
  ~Door();  // Ends what is still open and checks that every slot and page is back.
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  struct Answer {
    Status status{};
    ContextHandle context;
    Octets reply;
    gss::ContextFlags flags{};
  };
  struct Options {
    bool error_tokens = false;
    bool take_delegation = false;
    std::size_t reply_room = kReplySizeMax;
    Bytes recorded_challenge{};
    bool knows_krbtgt = false;  // Goes to world().knowing instead of world().credential,
    bool asks = false;          // or to world().asking, under the policy of that.
    auth::ChannelBindings bindings{};
    auth::BindingDemand binding_demand{};
    bool allow_anonymous = false;
    bool allow_replay = false;
  };
  Answer accept(Bytes token, ContextHandle context, const Options& options);
  Answer accept(Bytes token, ContextHandle context = {}) { return accept(token, context, {}); }

  // is_live says whether a context is there; end releases one and checks that its handle is stale
  // afterwards.
  bool is_live(ContextHandle context);
  void end(ContextHandle context);

  auth::Environment& environment() { return environment_; }
  SetClock& clock() { return clock_; }

 private:
  auth::Desk& desk_;
  SetClock clock_;
  std::array<SlotPool::Slot, kSlots> slots_;
  std::array<auth::Context, kSlots>& contexts_;
  std::vector<ReplayCache::Place> places_;
  std::array<PageStore::Link, kPages> links_;
  PageStore pages_;
  auth::ContextPool pool_;
  ReplayCache replays_;
  auth::Environment environment_;
  std::vector<ContextHandle> open_;
};

}  // namespace usher::fuzz
