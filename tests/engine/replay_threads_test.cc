// engine/auth/accept.h: of any number of threads that bring the same authenticator at the same
// time, exactly one signs on.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <memory>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tools/mint/kerberos_mint.h"

namespace usher {
namespace {

constexpr std::size_t kThreads = 64;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define USHER_THREADS_ARE_SLOW 1
#endif
#endif
#ifdef USHER_THREADS_ARE_SLOW
constexpr std::size_t kRounds = 100;
#else
constexpr std::size_t kRounds = 1000;
#endif

class FixedClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return 1'790'000'000 * kMicrosPerSecond;
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return kMicrosPerSecond; }
};

struct Count {
  std::atomic<int> established{0};
  std::atomic<int> replays{0};
};

std::vector<mint::Octets> make_tokens(const mint::KerberosMint& client,
                                      const mint::Service& service, std::int64_t now_s) {
  mint::TicketFields ticket_fields;
  ticket_fields.auth_time = now_s - 60;
  ticket_fields.end_time = now_s + 3600;
  const mint::Ticket ticket = client.ticket(service, ticket_fields);
  std::vector<mint::Octets> tokens;
  for (std::size_t round = 0; round < kRounds; ++round) {
    mint::AuthenticatorFields fields;
    fields.ctime = now_s;
    fields.cusec = static_cast<std::uint32_t>(round);
    tokens.push_back(mint::spnego_token(client.ap_req(ticket, fields).message));
  }
  return tokens;
}

TEST(ReplayThreads, OfSixtyFourWithOneTokenExactlyOneSignsOn) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::SeededRandom random{64};
  const mint::KerberosMint client{*kit, random};
  const mint::Service service = mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST");
  const FixedClock clock;
  const std::vector<mint::Octets> tokens =
      make_tokens(client, service, clock.wall_us() / kMicrosPerSecond);
  const std::unique_ptr<Engine> engine =
      Engine::make({.slot_count = kThreads, .replay_entry_count = 1 << 14, .clock = &clock});
  ASSERT_NE(engine, nullptr);
  auto keys = std::make_unique<auth::Keys>();
  keys->ring = mint::make_ring(*kit, std::span(&service, 1));
  auth::Credential credential(auth::Package::kNegotiate, std::move(keys));

  std::vector<Count> counts(kRounds);
  std::atomic<int> others{0};
  std::barrier starting_line(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < kThreads; ++n) {
    threads.emplace_back([&] {
      const std::unique_ptr<auth::Desk> desk = auth::Desk::make(1);
      std::array<std::uint8_t, kReplySizeMax> reply_space;
      for (std::size_t round = 0; round < kRounds; ++round) {
        const AcceptRequest request{
            .credential = &credential, .token = tokens[round], .reply = reply_space};
        AcceptReply reply;
        starting_line.arrive_and_wait();
        auth::accept(*desk, engine->environment(), std::span(&request, 1), std::span(&reply, 1));
        if (reply.verdict.status == Status::kEstablished) {
          ++counts[round].established;
          others += engine->release(reply.context) == Status::kEstablished ? 0 : 1;
        } else if (reply.verdict.status == Status::kReplay) {
          ++counts[round].replays;
        } else {
          ++others;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(others, 0);
  for (std::size_t round = 0; round < kRounds; ++round) {
    ASSERT_EQ(counts[round].established, 1) << "round " << round;
    ASSERT_EQ(counts[round].replays, int{kThreads} - 1) << "round " << round;
  }
  EXPECT_EQ(engine->environment().replays.counts(),
            (ReplayCounts{.replays = kRounds * (kThreads - 1)}));
}

}  // namespace
}  // namespace usher
