// engine/engine.h: how many tickets are remembered is what was asked for; the smallest cache works,
// and one that cannot be is refused.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/auth/ticket_cache.h"
#include "engine/engine.h"
#include "tools/mint/kerberos_mint.h"

namespace usher {
namespace {

constexpr std::int64_t kNow = 1'790'000'000;  // Seconds since 1970, in 2026.

class FixedClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return kNow * kMicrosPerSecond; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return kMicrosPerSecond; }
};

// What acceptor.h and README say of the memory.
constexpr SeenCacheOptions kOptions = {.entry_count = 4096,
                                       .key_size_max = kCachedTicketSizeMax,
                                       .value_size_max = kCachedTicketSizeMax};
constexpr std::size_t kEntrySize = auth::TicketCache::memory_size(kOptions) / 4096;
static_assert(kEntrySize > 17 * 1024 && kEntrySize <= 18 * 1024);

// A service that remembers so many tickets, and clients with one ticket each.
class TicketEntries : public ::testing::Test {
 protected:
  void make(std::uint32_t ticket_count) {
    engine_ = Engine::make({.slot_count = 8,
                            .replay_entry_count = 1u << 16,
                            .ticket_count = ticket_count,
                            .clock = &clock_});
    ASSERT_NE(engine_, nullptr);
    desk_ = auth::Desk::make(1);
    auto keys = std::make_unique<auth::Keys>();
    keys->ring = mint::make_ring(*kit_, {&service_, 1});
    credential_ = std::make_unique<Credential>(auth::Package::kKerberos, std::move(keys));
  }
  mint::Ticket ticket_of(const std::string& client) {
    mint::TicketFields fields;
    fields.client = mint::Principal::of(client + "@EXAMPLE.TEST");
    fields.auth_time = kNow - 60;
    fields.end_time = kNow + 3600;
    return mint_.ticket(service_, fields);
  }
  std::vector<mint::Ticket> tickets_of(std::size_t clients) {
    std::vector<mint::Ticket> tickets;
    for (std::size_t n = 0; n < clients; ++n) {
      tickets.push_back(ticket_of("client" + std::to_string(n)));
    }
    return tickets;
  }
  void sign_on(const mint::Ticket& ticket) {
    mint::AuthenticatorFields fields;
    fields.ctime = kNow;
    fields.cusec = cusec_++;
    const mint::Octets token = mint::gss_token(mint_.ap_req(ticket, fields).message);
    std::array<std::uint8_t, kReplySizeMax> room;
    const AcceptRequest request{.credential = credential_.get(), .token = token, .reply = room};
    AcceptReply reply;
    auth::accept(*desk_, engine_->environment(), {&request, 1}, {&reply, 1});
    EXPECT_EQ(reply.verdict.status, Status::kEstablished);
    EXPECT_EQ(engine_->release(reply.context), Status::kEstablished);
  }
  // remembered says how many of the clients' tickets are found once each has come twice.
  std::uint64_t remembered(const std::vector<mint::Ticket>& tickets) {
    for (const mint::Ticket& ticket : tickets) {
      sign_on(ticket);
      sign_on(ticket);
    }
    const std::uint64_t before = counts().hits;
    for (std::size_t n = tickets.size(); n-- > 0;) {  // What came last goes last.
      sign_on(tickets[n]);
    }
    return counts().hits - before;
  }
  [[nodiscard]] SeenCounts counts() const { return desk_->ticket_counts(); }

  FixedClock clock_;
  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  mint::SeededRandom random_{31};
  mint::KerberosMint mint_{*kit_, random_};
  mint::Service service_ = mint::make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST");
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<auth::Desk> desk_;
  std::unique_ptr<Credential> credential_;
  std::uint32_t cusec_ = 0;
};

TEST_F(TicketEntries, OneTicketIsMissedTwiceAndThenFound) {
  make(1);
  const mint::Ticket ticket = ticket_of("alice");
  sign_on(ticket);
  EXPECT_EQ(counts(), (SeenCounts{.misses = 1, .declined = 1})) << "its first time";
  sign_on(ticket);
  EXPECT_EQ(counts(), (SeenCounts{.misses = 2, .admitted = 1, .declined = 1}));
  sign_on(ticket);
  EXPECT_EQ(counts(), (SeenCounts{.hits = 1, .misses = 2, .admitted = 1, .declined = 1}));
}

TEST_F(TicketEntries, TheSmallestCacheHasRoomForEight) {
  make(1);
  const std::vector<mint::Ticket> eight = tickets_of(8);
  EXPECT_EQ(remembered(eight), 8u);
  EXPECT_EQ(counts().evicted + counts().no_room, 0u);
}

TEST_F(TicketEntries, TheNumberLimitsHowManyAreRemembered) {
  make(8);
  const std::vector<mint::Ticket> many = tickets_of(40);
  const std::uint64_t found = remembered(many);
  EXPECT_GE(found, 1u);
  EXPECT_LE(found, 8u);
  const SeenCounts seen = counts();
  EXPECT_GE(seen.evicted + seen.no_room, 32u) << "one for each that found no place";
  EXPECT_EQ(seen.admitted + seen.declined, seen.misses);
}

// The twin: what eight have no room for, 512 have.
TEST_F(TicketEntries, ALargerNumberLimitsLess) {
  make(512);
  const std::vector<mint::Ticket> many = tickets_of(40);
  EXPECT_EQ(remembered(many), 40u);
}

TEST_F(TicketEntries, WithoutAnyNothingIsLookedFor) {
  make(0);
  EXPECT_EQ(remembered({ticket_of("alice")}), 0u);
  EXPECT_EQ(counts(), SeenCounts{});
}

TEST_F(TicketEntries, MoreThanThereCanBeAreRefused) {
  EngineOptions options{.slot_count = 1, .replay_entry_count = 1, .page_count = 1};
  options.ticket_count = kTicketCacheEntriesMax + 1;
  EXPECT_EQ(Engine::make(options), nullptr);
  options.ticket_count = kTicketCacheEntriesMax;  // 25 GiB of address space; 144 B of memory each.
  EXPECT_NE(Engine::make(options), nullptr);
}

}  // namespace
}  // namespace usher
