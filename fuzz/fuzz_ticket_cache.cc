// engine/auth/ticket_cache.h: the same tickets, with new authenticators, go to an engine that
// remembers tickets and to one that does not. Nobody may be able to tell which is which.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "engine/auth/ticket_cache.h"
#include "fuzz/support/der_edit.h"
#include "fuzz/support/policy_choice.h"
#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "parsers/krb5.h"
#include "parsers/spnego.h"

namespace usher::fuzz {
namespace {

// An exchange's ticket is remembered with its second success, so the third presentation is the
// first that can find it. What happens meanwhile happens before the fourth.
constexpr std::size_t kPresentations = 5;
constexpr std::size_t kEventBefore = 3;

// Ring is which keys a credential has: all of world()'s; two of them; or others for the same names.
enum class Ring : std::uint8_t { kAll, kFew, kOthers };

// Script is what an input's first octets say.
struct Script {
  static constexpr std::size_t kSize = 2 * Choice::kSize + 2;

  std::array<Choice, 2> choices;                     // Of two credentials of one service.
  std::array<std::uint8_t, kPresentations> turns{};  // Which of them a presentation goes to.
  std::optional<Ring> reload;                        // What the first one's keys become.
  bool forgets = false;                              // And the engine is told of it.
  std::uint8_t passes = 0;                           // How much time; see later_s.

  explicit Script(Bytes octets)
      : choices{Choice(octets), Choice(octets.subspan(Choice::kSize))},
        passes(octets[2 * Choice::kSize + 1]) {
    const std::uint8_t bits = octets[2 * Choice::kSize];
    for (std::size_t n = 0; n < kPresentations; ++n) {
      turns[n] = bits >> n & 1;
    }
    if (const int reloads = bits >> 5 & 3; reloads != 0) {
      reload = Ring(reloads - 1);
    }
    forgets = (bits & 0x80) != 0;
  }

  // later_s is the time from the event on, when it has been `now_s`.
  [[nodiscard]] std::int64_t later_s(std::int64_t now_s, std::int64_t ticket_end_s) const {
    const std::int64_t amount = passes >> 3;
    switch (passes & 7) {
      case 1:
        return ticket_end_s - 1;
      case 2:
        return ticket_end_s;
      case 3:
        return ticket_end_s + amount;
      case 4:
        return ticket_end_s + kSkewMaxSeconds;
      case 5:
        return ticket_end_s + kSkewMaxSeconds + 1;
      case 6:
        return now_s + 16 * amount;
      case 7:
        return now_s - 16 * amount;
      default:
        return now_s;
    }
  }
};

std::unique_ptr<const auth::Keys> make_keys(Ring ring, bool knows_krbtgt) {
  std::vector<mint::Service> services(world().services.begin(), world().services.end());
  if (ring == Ring::kFew) {
    services = {services[1], services[4]};
  } else if (ring == Ring::kOthers) {
    for (mint::Service& service : services) {
      service.key[0] ^= 0x80;
    }
  }
  auto keys = std::make_unique<auth::Keys>();
  keys->ring = mint::make_ring(*world().kit, services);
  if (knows_krbtgt) {
    keys->kdc_ring = mint::make_ring(*world().kit, {&world().krbtgt, 1});
  }
  check(keys->ring != nullptr && (!knows_krbtgt || keys->kdc_ring != nullptr), "keys can be made");
  return keys;
}

// Acceptor is a credential that stays from input to input, because making keys takes long.
class Acceptor {
 public:
  auth::Credential& credential() { return credential_; }
  [[nodiscard]] std::uint64_t generation() const { return credential_.keys.borrow()->generation; }

  // become makes it as if it were new.
  void become(const Choice& choice) {
    credential_.policy = choice.policy;
    if (ring_ != Ring::kAll || knows_krbtgt_ != choice.options.knows_krbtgt) {
      knows_krbtgt_ = choice.options.knows_krbtgt;
      reload(Ring::kAll);
    }
  }
  void reload(Ring ring) {
    ring_ = ring;
    credential_.keys.replace(make_keys(ring, knows_krbtgt_));
  }

 private:
  Ring ring_ = Ring::kAll;
  bool knows_krbtgt_ = false;
  auth::Credential credential_{auth::Package::kNegotiate, make_keys(ring_, false)};
};

Acceptor& acceptor(std::size_t n) {
  static std::array<Acceptor, 2> both;
  return both[n];
}

auth::Desk& desk() {
  static const std::unique_ptr<auth::Desk> one =
      auth::Desk::make(1, std::make_unique<ConstantRandom>(), make_kit());
  return *one;
}

// Outcome is everything that a caller can get to know of one token.
struct Outcome {
  Verdict verdict;
  ContextHandle context;
  Octets reply;
  std::int64_t expires_s = 0;
  std::uint32_t flags = 0;
  bool replayed = false;
  auth::BindingResult bindings{};
  bool client_supports_bindings = false;
  Octets kept;  // Of the context: names, key, PAC, credentials, numbers.

  [[nodiscard]] Status status() const { return verdict.status; }
};

void check_same(const Outcome& seen, const Outcome& opened) {
  check(seen.status() == opened.status(), "a remembered ticket is worth what it was");
  check(seen.verdict.fault == opened.verdict.fault, "and refused for the same octet");
  check(seen.reply == opened.reply, "with the same answer");
  check(seen.flags == opened.flags && seen.expires_s == opened.expires_s &&
            seen.replayed == opened.replayed,
        "with the same rights");
  check(seen.bindings == opened.bindings &&
            seen.client_supports_bindings == opened.client_supports_bindings,
        "for the same connection");
  check(seen.kept == opened.kept, "and the client is who it was, with the same keys and groups");
}

struct HallMemory {
  static constexpr std::size_t kSlots = 2;
  static constexpr std::size_t kPages = 64;
  std::array<auth::Context, kSlots> contexts{};
  std::array<PageStore::Page, kPages> pages;
};

// Hall is one engine for one input.
class Hall {
 public:
  Hall(HallMemory& memory, const SetClock& clock, auth::TicketCache* tickets)
      : pages_(memory.pages, links_),
        pool_(slots_, memory.contexts, kHalfOpenSecondsDefault, &pages_),
        environment_{pool_, replays_, clock, tickets} {}
  ~Hall() {
    check(pool_.live() == 0, "every slot comes back");
    check(pages_.free_count() == HallMemory::kPages, "and every page");
  }
  Hall(const Hall&) = delete;
  Hall& operator=(const Hall&) = delete;

  Outcome accept(auth::Credential& credential, const Choice& choice, Bytes token,
                 ContextHandle context) {
    std::array<std::uint8_t, kReplySizeMax> room;
    const auth::AcceptRequest request{.credential = &credential,
                                      .context = context,
                                      .token = token,
                                      .reply = room,
                                      .error_tokens = choice.options.error_tokens,
                                      .bindings = choice.options.bindings,
                                      .binding_demand = choice.options.binding_demand,
                                      .take_delegation = choice.options.take_delegation,
                                      .allow_replay = choice.options.allow_replay,
                                      .recorded_challenge = {}};
    auth::AcceptReply reply;
    auth::accept(desk(), environment_, {&request, 1}, {&reply, 1});
    return {.verdict = reply.verdict,
            .context = reply.context,
            .reply = Octets(room.begin(), room.begin() + reply.reply_size),
            .expires_s = reply.expires_s,
            .flags = std::uint32_t(reply.flags),
            .replayed = reply.replayed,
            .bindings = reply.bindings,
            .client_supports_bindings = reply.client_supports_bindings,
            .kept = kept_by(reply.context)};
  }

  void end(const Outcome& outcome) {
    Status status = Status::kEstablished;
    Pinned<auth::Context> context = pool_.pin(outcome.context, status);
    if (context) {
      pool_.release(context);
    }
  }

 private:
  Octets kept_by(ContextHandle handle) {
    Octets kept;
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context = pool_.pin(handle, status);
    if (!context) {
      return kept;
    }
    const auto add_part = [&](Bytes part) {
      mint::append_le(kept, static_cast<std::uint32_t>(part.size()));
      mint::append(kept, part);
    };
    for (const Bytes part : {context->part(0), context->part(1), context->part(2), context->part(3),
                             context->key.bytes()}) {
      add_part(part);
    }
    for (const Kept& pages : {context->pac, context->delegated}) {
      Octets octets(pages.size);
      pages_.read(pages, octets);
      add_part(octets);
    }
    for (const std::uint8_t octet :
         {std::uint8_t(context->state), context->pac_signatures, std::uint8_t(context->spnego),
          std::uint8_t(context->key_is_acceptor_subkey), std::uint8_t(context->dce_style),
          std::uint8_t(context->mechanism), std::uint8_t(context->bindings)}) {
      kept.push_back(octet);
    }
    for (const std::uint64_t number :
         {std::uint64_t(context->flags), std::uint64_t(context->key_etype),
          std::uint64_t(context->ticket_etype), std::uint64_t{context->initiator_sequence},
          std::uint64_t{context->acceptor_sequence}, std::uint64_t(context->start_s),
          std::uint64_t(context->expires_s)}) {
      mint::append_le(kept, number);
    }
    return kept;
  }

  std::array<SlotPool::Slot, HallMemory::kSlots> slots_;
  std::vector<ReplayCache::Place> places_ =
      std::vector<ReplayCache::Place>(ReplayCache::kProbesMax);
  std::array<PageStore::Link, HallMemory::kPages> links_;
  PageStore pages_;
  auth::ContextPool pool_;
  ReplayCache replays_{places_, ReplayKey{1, 2, 3, 4}, kSkewMaxSeconds};
  auth::Environment environment_;
};

constexpr SeenHashKey kHashKey = [] {
  SeenHashKey key{};
  std::uint64_t word = 20261127;
  for (std::uint64_t& part : key) {
    part = word = word * 6364136223846793005u + 1442695040888963407u;
  }
  return key;
}();

// A cache wants its memory new for each input; the entries' rooms it has wiped itself.
constexpr SeenCacheOptions kCacheOptions = {.entry_count = kSeenWays,
                                            .key_size_max = kCachedTicketSizeMax,
                                            .value_size_max = kCachedTicketSizeMax};
MutableBytes cache_memory() {
  alignas(kCacheLine) static std::array<std::uint8_t, auth::TicketCache::memory_size(kCacheOptions)>
      memory{};
  constexpr std::size_t kBeforeRooms =
      sizeof(BasicSeenSet<std::atomic>) + kSeenWays * sizeof(BasicSeenFilter<std::atomic>::Group);
  std::fill_n(memory.begin(), kBeforeRooms, std::uint8_t{0});
  return memory;
}

// Visitor is the client: it has a ticket, sealed in the input's token, and makes a new
// authenticator for each presentation by changing as many octets as that takes. A token that
// world()'s keys do not open is presented as it is.
class Visitor {
 public:
  explicit Visitor(Bytes token) : token_(token) {
    look(token, client_);
    const Result<krb5::ApReq> ap_req = krb5::parse_ap_req(ap_req_in(token));
    const auto ticket =
        krb5::parse_enc_ticket_part(client_.layers ? Bytes(client_.layers->ticket) : Bytes{});
    const crypto::EtypeProfile* const profile =
        ticket.ok() ? crypto::profile_of(ticket->key.etype) : nullptr;
    if (ap_req.ok() && profile != nullptr && profile->key_size == ticket->key.value.size()) {
      key_ = ticket->key;
      end_s_ = ticket->end_time;
      ticket_size_ = ap_req->ticket.encoded.size();
      sealed_ = ap_req->authenticator.cipher;
      find_times();
    }
  }
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;

  [[nodiscard]] const Client& client() const { return client_; }
  [[nodiscard]] std::int64_t end_s() const { return end_s_; }
  [[nodiscard]] bool fits() const { return ticket_size_ <= kCachedTicketSizeMax; }

  // present is the n-th token, of a client whose clock has moved on by so much.
  [[nodiscard]] Octets present(std::size_t n, std::int64_t moved_s) const {
    Octets token = mint::octets_of(token_);
    if (sealed_.empty() || cusec_ == 0) {
      return token;
    }
    Octets plain = client_.layers->authenticator;
    plain[cusec_] = static_cast<std::uint8_t>(plain[cusec_] ^ n);  // Stays below a million.
    write_time(plain, moved_s);
    const Octets cipher =
        mint::KerberosMint(*world().kit, shared_random())
            .seal(key_.etype, key_.value, crypto::KeyUsage::kApReqAuthenticator, plain);
    check(cipher.size() == sealed_.size(), "as much plaintext is as much ciphertext");
    std::ranges::copy(cipher, token.begin() + (sealed_.data() - token_.data()));
    return token;
  }

 private:
  // Contents of the fields [4] cusec and [5] ctime, of a size that their values do not change.
  void find_times() {
    const Octets& octets = client_.layers->authenticator;
    if (!krb5::parse_authenticator(octets).ok()) {
      return;
    }
    const std::vector<DerElement> elements = find_elements(octets);
    for (const DerElement& element : elements) {
      constexpr std::uint32_t kFields = 1;  // [APPLICATION 2], then the SEQUENCE.
      if (element.parent == DerElement::kNoParent || element.parent != kFields) {
        continue;
      }
      if (octets[element.begin] == 0xa4) {
        cusec_ = element.end - 1;
      } else if (octets[element.begin] == 0xa5) {
        ctime_ = element.contents + 2;
      }
    }
  }
  void write_time(Octets& plain, std::int64_t moved_s) const {
    constexpr std::size_t kTimeSize = 15;
    std::int64_t ctime = 0;
    const std::span<std::uint8_t> contents = std::span(plain).subspan(ctime_, kTimeSize);
    if (moved_s == 0 || !der::parse_time(contents, ctime)) {
      return;
    }
    constexpr std::int64_t kYear9999 = 253'370'764'800;
    if (ctime + moved_s < 0 || ctime + moved_s >= kYear9999) {
      return;
    }
    std::array<std::uint8_t, kTimeSize + 2> room;
    der::Writer writer(room);
    writer.time(ctime + moved_s);
    check(writer.written().size() == room.size(), "a time has one size");
    std::ranges::copy(writer.written().subspan(2), contents.begin());
  }

  Bytes token_;
  Client client_;
  krb5::EncryptionKey key_;
  std::int64_t end_s_ = kNowSeconds;
  std::size_t ticket_size_ = 0;
  Bytes sealed_;  // The authenticator in the token.
  std::size_t cusec_ = 0;
  std::size_t ctime_ = 0;
};

// Memories is what must be remembered, as far as that is certain.
class Memories {
 public:
  // saw takes what a presentation has counted.
  void saw(const SeenCounts& news, std::uint64_t generation, bool may_find, bool must_find) {
    check(news.hits + news.misses <= 1, "a ticket is looked for once");
    const bool known = std::ranges::find(generations_, generation) != generations_.end();
    check(news.hits == 0 || (known && may_find), "what has ended is not found");
    check(news.hits == 1 || !known || !must_find || generations_.size() > kSeenWaysPerClient,
          "what is remembered is found");
    check(news.admitted == 0 || !known || generations_.size() > kSeenWaysPerClient || !may_find,
          "and not remembered twice");
    if (news.admitted != 0 && !known) {
      generations_.push_back(generation);
    }
  }

 private:
  std::vector<std::uint64_t> generations_;  // Of the keys under which the ticket was remembered.
};

// Both is the two engines, and whoever presents a token to both.
class Both {
 public:
  explicit Both(Script& script) : script_(script) {}
  ~Both() { (void)tickets_.wipe_all(); }  // Remembered tickets hold pages of remembering_'s.
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;

  void present(std::size_t n, const Visitor& visitor) {
    const std::size_t who = script_.turns[n];
    Choice& choice = script_.choices[who];
    auth::Credential& credential = acceptor(who).credential();
    const Octets token = visitor.present(n, clock_.us / kMicrosPerSecond - kNowSeconds);
    const SeenCounts before = desk().ticket_counts();
    Outcome seen = remembering_.accept(credential, choice, token, {});
    SeenCounts news = desk().ticket_counts();
    news -= before;
    Outcome opened = forgetful_.accept(credential, choice, token, {});
    check_same(seen, opened);
    if (n == 0) {
      reached(stage_of(seen.status()));
    }
    const bool may_find = clock_.us / kMicrosPerSecond < visitor.end_s();
    // Whether it was looked for at all is up to checks that come before, and do not change.
    const bool looked = news.hits + news.misses != 0;
    check(!looked || choice.policy.cache_tickets, "only where policy lets it");
    memories_.saw(news, acceptor(who).generation(), may_find, may_find && looked);
    succeeded_ = seen.status() == Status::kEstablished ? succeeded_ + 1 : 0;
    if (n == 1 && succeeded_ == 2 && script_.turns[0] == who && looked && may_find &&
        visitor.fits()) {
      check(news.admitted == 1, "a ticket that succeeds twice is remembered");
    }
    if (seen.status() == Status::kContinue) {
      finish_dce_style(credential, choice, token, seen, opened);
    }
    is_welcome_ = succeeded(seen.status());
    remembering_.end(seen);
    forgetful_.end(opened);
  }

  // is_welcome says whether the last one was let in.
  [[nodiscard]] bool is_welcome() const { return is_welcome_; }

  // change is what happens between two presentations.
  void change(const Visitor& visitor) {
    if (script_.reload) {
      const std::uint64_t old = acceptor(0).generation();
      acceptor(0).reload(*script_.reload);
      if (script_.forgets) {
        (void)tickets_.forget(old);
      }
    } else if (script_.forgets) {
      (void)tickets_.wipe_expired(clock_.us / kMicrosPerSecond);
    }
    const std::int64_t now_s = script_.later_s(kNowSeconds, visitor.end_s());
    constexpr std::int64_t kYears = 100'000'000;  // Three: any ticket that is good now has ended.
    if (now_s > kNowSeconds - kYears && now_s < kNowSeconds + kYears) {
      clock_.us = now_s * kMicrosPerSecond;
    }
  }

 private:
  // The client's third leg, if it owes one: the answers were the same, so it is.
  void finish_dce_style(auth::Credential& credential, const Choice& choice, Bytes token,
                        Outcome& seen, Outcome& opened) {
    const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
    const std::optional<Octets> leg = answer_ap_rep(
        init.ok() ? init->mech_token : token, seen.reply, init.ok() ? init->mech_types : Bytes{});
    if (leg) {
      seen = remembering_.accept(credential, choice, *leg, seen.context);
      opened = forgetful_.accept(credential, choice, *leg, opened.context);
      check_same(seen, opened);
    }
  }

  static HallMemory& memory(std::size_t n) {
    static std::array<HallMemory, 2> both;
    return both[n];
  }

  Script& script_;
  SetClock clock_;
  auth::TicketCache tickets_{cache_memory(), kCacheOptions, kHashKey};
  Hall remembering_{memory(0), clock_, &tickets_};
  Hall forgetful_{memory(1), clock_, nullptr};
  Memories memories_;
  int succeeded_ = 0;
  bool is_welcome_ = false;
};

}  // namespace

// The input is a script and a token.
void run_one(Bytes input) {
  if (input.size() <= Script::kSize) {
    return;
  }
  restart_random();
  Script script(input);
  const Visitor visitor(input.subspan(Script::kSize));
  for (std::size_t n = 0; n < script.choices.size(); ++n) {
    acceptor(n).become(script.choices[n]);
    script.choices[n].see(visitor.client());
  }
  Both both(script);
  // Whoever has no ticket that opens has nothing to be remembered by.
  const std::size_t count = visitor.client().layers ? kPresentations : 1;
  for (std::size_t n = 0; n < count; ++n) {
    if (n == kEventBefore) {
      both.change(visitor);
    }
    // Whoever is refused is refused again, until something changes.
    const bool again = n > 0 && n < kEventBefore && script.turns[n] == script.turns[0];
    if (!again || both.is_welcome()) {
      both.present(n, visitor);
    }
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  if (size <= Script::kSize || size_max <= Script::kSize) {
    return usher::fuzz::hand_back({data, size}, data, size_max);
  }
  Mutator mutator(seed);
  if (mutator.chance(40)) {
    data[mutator.below(Script::kSize)] ^= static_cast<std::uint8_t>(1u << mutator.below(8));
    return size;
  }
  const Octets token =
      mutate_ap_req({data + Script::kSize, size - Script::kSize}, size_max - Script::kSize, seed);
  std::copy(token.begin(), token.end(), data + Script::kSize);
  return Script::kSize + token.size();
}
