// A whole acceptor for tests: fixed clock, minted service, minted clients, one token at a time.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "engine/auth/accept.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::testing {

inline constexpr std::int64_t kNow = 1'790'000'000;  // Seconds since 1970, in 2026.

class TestClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return wall; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return steady; }
  std::int64_t wall = kNow * kMicrosPerSecond;
  std::int64_t steady = 1000 * kMicrosPerSecond;
};

// Door owns everything an Environment needs. A test changes what it wants to see refused.
class Door {
 public:
  static constexpr std::uint32_t kSlots = 4;
  static constexpr std::uint32_t kPages = 64;
  static constexpr std::int64_t kHalfOpenSeconds = 30;

  explicit Door(auth::Package package = auth::Package::kNegotiate, bool kerberos = true,
                bool ntlm = true)
      : credential(package, make_keys(kerberos, ntlm)) {
    credential.target = {"EXAMPLE", "WEB", "example.test", "web.example.test"};
  }

  std::unique_ptr<const auth::Keys> make_keys(bool kerberos, bool ntlm) {
    auto keys = std::make_unique<auth::Keys>();
    if (kerberos) {
      keys->ring = mint::make_ring(*kit, services);
    }
    if (ntlm) {
      auth::Accounts::Loaded loaded =
          auth::Accounts::parse(*kit, "EXAMPLE:alice:Al1ce-Passw0rd\nEXAMPLE:bob:B0b\n", "test");
      EXPECT_EQ(loaded.error, "");
      keys->accounts = std::move(loaded.accounts);
    }
    return keys;
  }

  // offer gives one token to the acceptor; `reply` is the answer's token afterwards.
  auth::AcceptReply offer(Bytes token, ContextHandle context = {}) {
    return offer(
        auth::AcceptRequest{.credential = &credential, .context = context, .token = token});
  }
  auth::AcceptReply offer(auth::AcceptRequest request) {
    reply.assign(reply_capacity, 0);
    request.credential = &credential;
    request.reply = reply;
    request.error_tokens = error_tokens;
    auth::AcceptReply result;
    auth::accept(*desk, environment, std::span(&request, 1), std::span(&result, 1));
    reply.resize(result.reply_size);
    return result;
  }

  // look pins a live context for a look inside.
  Pinned<auth::Context> look(ContextHandle handle) {
    Status status = Status::kEstablished;
    return pool.pin(handle, status);
  }
  bool end(ContextHandle handle) {
    Pinned<auth::Context> context = look(handle);
    const bool live = bool(context);
    if (live) {
      pool.release(context);
    }
    return live;
  }
  std::string client_of(ContextHandle handle) {
    std::array<std::uint8_t, kClientNameSizeMax> out{};
    const Bytes name = look(handle)->write_client_name(out);
    return {name.begin(), name.end()};
  }

  // What a client of the right realm would do at this moment.
  mint::TicketFields ticket_fields() const {
    mint::TicketFields fields;
    fields.auth_time = kNow - 60;
    fields.end_time = kNow + 36'000;
    return fields;
  }
  mint::AuthenticatorFields authenticator_fields() {
    mint::AuthenticatorFields fields;
    fields.ctime = kNow;
    fields.cusec = ++cusec;
    return fields;
  }
  mint::Octets kerberos_token() {
    const mint::Ticket ticket = client.ticket(services[0], ticket_fields());
    return mint::gss_token(client.ap_req(ticket, authenticator_fields()).message);
  }

  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::SeededRandom random{7};
  mint::KerberosMint client{*kit, random};
  std::vector<mint::Service> services = {
      mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", 18, 3),
      mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", 18, 2),
      mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", 17, 3),
      mint::make_service(random, "HTTP/old.example.test@EXAMPLE.TEST", 17, 1),
      mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", 19, 3),
      mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", 20, 3),
      mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", 23, 3)};
  TestClock clock;
  std::vector<SlotPool::Slot> slots = std::vector<SlotPool::Slot>(kSlots);
  std::vector<auth::Context> contexts = std::vector<auth::Context>(kSlots);
  std::vector<ReplayCache::Place> places = std::vector<ReplayCache::Place>(8192);
  std::vector<PageStore::Page> pages = std::vector<PageStore::Page>(kPages);
  std::vector<PageStore::Link> links = std::vector<PageStore::Link>(kPages);
  PageStore store{pages, links};
  auth::ContextPool pool{slots, contexts, kHalfOpenSeconds, &store};
  ReplayCache replays{places, ReplayKey{1, 2, 3, 4}, kSkewSecondsDefault};
  auth::Environment environment{pool, replays, clock};
  std::unique_ptr<auth::Desk> desk = auth::Desk::make(4);
  auth::Credential credential;
  std::size_t reply_capacity = kReplySizeMax;
  bool error_tokens = false;
  mint::Octets reply;
  std::uint32_t cusec = 0;
};

}  // namespace usher::testing
