#include "fuzz/support/world.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/auth/accept_wait.h"
#include "fuzz/support/kit_boundary.h"
#include "fuzz/support/twin_authority.h"
#include "parsers/gss.h"
#include "parsers/krb5.h"
#include "parsers/spnego.h"

namespace usher::fuzz {
namespace {

constexpr std::string_view kServiceName = "HTTP/web.example.test@EXAMPLE.TEST";
constexpr std::string_view kAccounts =
    "EXAMPLE:alice:Al1ce-Passw0rd\n"
    "EXAMPLE:bob:B0b-Passw0rd\n";

// A reply has `kGuardSize` octets behind its room that nobody may touch.
constexpr std::size_t kGuardSize = 64;
constexpr std::uint8_t kUntouched = 0xa5;
constexpr auto kGuard = [] {
  std::array<std::uint8_t, kGuardSize> guard{};
  guard.fill(kUntouched);
  return guard;
}();

mint::SeededRandom g_random(2);
std::array<auth::Context, Door::kSlots> g_contexts;
std::array<PageStore::Page, Door::kPages> g_pages;
bool g_door_open = false;

// FromShared lets the desk draw from the source that mints draw from.
struct FromShared final : RandomSource {
  [[nodiscard]] bool fill(MutableBytes out) noexcept override { return g_random.fill(out); }
};

mint::Service service_of(std::int32_t etype, std::size_t key_size, std::uint8_t first) {
  mint::Service service{
      .name = mint::Principal::of(kServiceName), .etype = etype, .kvno = 1, .key = {}};
  service.key.resize(key_size);
  std::iota(service.key.begin(), service.key.end(), first);
  return service;
}

std::array<auth::Context, Door::kSlots>& unused_contexts() {
  check(!g_door_open, "one Door at a time");
  g_door_open = true;
  return g_contexts;
}

}  // namespace

World::World()
    : kit(make_kit()),
      services{service_of(18, 32, 1), service_of(17, 16, 101), service_of(19, 16, 41),
               service_of(20, 32, 151), service_of(23, 16, 201)},
      krbtgt(service_of(18, 32, 201)),
      desk(auth::Desk::make(Door::kSlots, std::make_unique<FromShared>(), make_kit())) {
  const Abroad abroad;  // Accounts draw randomness from OpenSSL.
  auto keys = std::make_unique<auth::Keys>();
  keys->ring = mint::make_ring(*kit, services);
  keys->accounts = auth::Accounts::parse(*kit, kAccounts, "fuzz").accounts;
  check(keys->ring != nullptr && keys->accounts != nullptr && desk != nullptr,
        "the world can be made");
  credential = std::make_unique<auth::Credential>(auth::Package::kNegotiate, std::move(keys));
  credential->target = {"EXAMPLE", "WEB", "example.test", "web.example.test"};
  krbtgt.name = mint::Principal::of("krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
  auto more_keys = std::make_unique<auth::Keys>();
  more_keys->ring = mint::make_ring(*kit, services);
  more_keys->kdc_ring = mint::make_ring(*kit, {&krbtgt, 1});
  check(more_keys->ring != nullptr && more_keys->kdc_ring != nullptr, "and its KDC");
  knowing = std::make_unique<auth::Credential>(auth::Package::kNegotiate, std::move(more_keys));
  asking =
      std::make_unique<auth::Credential>(auth::Package::kNegotiate, std::make_unique<auth::Keys>());
  asking->target = credential->target;
  asking->authority = std::make_unique<TwinAuthority>(*credential->keys.borrow()->accounts);
}

World& world() {
  static World one;
  return one;
}

mint::SeededRandom& shared_random() { return g_random; }
void restart_random() { g_random = mint::SeededRandom(2); }

Door::Door(auth::Desk& desk)
    : desk_(desk),
      contexts_(unused_contexts()),
      places_(ReplayCache::kProbesMax),
      pages_(g_pages, links_),
      pool_(slots_, contexts_, kHalfOpenSecondsDefault, &pages_),
      replays_(places_, ReplayKey{1, 2, 3, 4}, kSkewMaxSeconds),
      environment_{pool_, replays_, clock_} {
  auth::Credential& credential = *world().credential;
  credential.package = auth::Package::kNegotiate;
  credential.allow_kerberos = credential.allow_ntlm = true;
  credential.policy = {};
  world().knowing->policy = {};
  restart_random();
}

Door::~Door() {
  for (const ContextHandle context : open_) {
    Status status = Status::kEstablished;
    Pinned<auth::Context> pinned = pool_.pin(context, status);
    if (pinned) {  // A sweep may have been faster.
      pool_.release(pinned);
    }
  }
  check(pool_.live() == 0, "every slot comes back");
  check(pages_.free_count() == kPages, "and every page");
  g_door_open = false;
}

namespace {

// check_error_token looks at what a refused client is told: inside SPNEGO that it is rejected, and
// of Kerberos a KRB-ERROR at most, which says what time it is here and nothing of what was sealed.
void check_error_token(Bytes reply, std::int64_t now_us) {
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(reply);
  if (resp.ok()) {
    check(resp->has_state && resp->state == spnego::NegState::kReject && !resp->has_mech_list_mic,
          "a reject is a reject");
    if (!resp->has_response_token) {
      return;
    }
    reply = resp->response_token;
  }
  const Result<gss::InitialToken> framed = gss::parse_initial_token(reply);
  if (framed.ok()) {
    const Result<gss::KerberosToken> inner = gss::parse_kerberos_token(framed->inner);
    check(inner.ok() && inner->id == gss::KerberosTokenId::kError, "an error says that it is one");
    reply = inner->message;
  }
  const Result<krb5::KrbError> error = krb5::parse_krb_error(reply);
  check(error.ok() && error->error_code != 0, "an error is a KRB-ERROR");
  check(error->stime == now_us / kMicrosPerSecond && error->susec == now_us % kMicrosPerSecond,
        "it tells the time");
  check(!error->has_client_time && error->crealm.empty() && error->cname.components.empty() &&
            error->e_text.empty(),
        "and nothing that was encrypted");
  constexpr std::int32_t kSkew = std::int32_t(krb5::ErrorCode::kSkew);
  check(error->e_data.empty() == (error->error_code != kSkew) &&
            (error->e_data.empty() || krb5::parse_error_data(error->e_data).ok()),
        "only clock skew comes with data");
}

auth::Credential* credential_of(const Door::Options& options) {
  if (options.asks) {
    world().asking->policy = world().credential->policy;
    return world().asking.get();
  }
  return options.knows_krbtgt ? world().knowing.get() : world().credential.get();
}

}  // namespace

Door::Answer Door::accept(Bytes token, ContextHandle context, const Options& options) {
  static std::array<std::uint8_t, kReplySizeMax + kGuardSize> room;
  check(options.reply_room <= kReplySizeMax, "a target asks for the room there is");
  std::memset(room.data(), kUntouched, options.reply_room + kGuardSize);
  // The token is gone when accept returns: whoever keeps a view of it is found out.
  auto copy = std::make_unique_for_overwrite<std::uint8_t[]>(token.size());
  std::copy_n(token.data(), token.size(), copy.get());
  const auth::AcceptRequest request{.credential = credential_of(options),
                                    .context = context,
                                    .token = {copy.get(), token.size()},
                                    .reply = std::span(room).first(options.reply_room),
                                    .error_tokens = options.error_tokens,
                                    .bindings = options.bindings,
                                    .binding_demand = options.binding_demand,
                                    .take_delegation = options.take_delegation,
                                    .allow_anonymous = options.allow_anonymous,
                                    .allow_replay = options.allow_replay,
                                    .recorded_challenge = options.recorded_challenge};
  auth::AcceptReply reply;
  auth::accept_and_wait(desk_, environment_, request, reply);
  copy.reset();

  const Status status = reply.verdict.status;
  check(reply.reply_size <= options.reply_room, "a reply fits into its room");
  check(std::memcmp(&room[options.reply_room], kGuard.data(), kGuardSize) == 0,
        "nothing is written behind the room");
  check(succeeded(status) == (reply.context != ContextHandle{}),
        "a refusal gives no handle and everything else one");
  check(status != Status::kContinue || reply.reply_size > 0, "who waits has asked");
  if (!succeeded(status) && reply.reply_size > 0) {
    check(options.error_tokens, "a refusal says nothing unless asked");
    check_error_token(Bytes(room).first(reply.reply_size), clock_.us);
  }
  if (succeeded(status)) {
    check(context == ContextHandle{} || context == reply.context, "an exchange keeps its handle");
    if (context == ContextHandle{}) {
      open_.push_back(reply.context);
    }
  } else if (status != Status::kNotHalfOpen && status != Status::kContextBusy) {
    std::erase(open_, context);
    check(context == ContextHandle{} || !is_live(context), "a refused exchange is over");
  }
  check(pool_.live() <= open_.size(), "whoever was refused has no slot");
  return {.status = status,
          .context = reply.context,
          .reply = Octets(room.begin(), room.begin() + reply.reply_size),
          .flags = reply.flags};
}

bool Door::is_live(ContextHandle context) {
  Status status = Status::kEstablished;
  return bool(pool_.pin(context, status));
}

void Door::end(ContextHandle context) {
  {
    Status status = Status::kEstablished;
    Pinned<auth::Context> pinned = pool_.pin(context, status);
    check(bool(pinned), "a live exchange can be ended");
    pool_.release(pinned);
  }
  check(!is_live(context), "and only once");
  std::erase(open_, context);
}

}  // namespace usher::fuzz
