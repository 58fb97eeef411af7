// The load generator against a usherd: who brings the right tokens is counted, who does not is not.
#include <ctime>

#include "tests/tools/usherd_daemon.h"
#include "tools/load/client.h"
#include "tools/load/tickets.h"

namespace usherd {
namespace {

using load::Results;
using load::TokenStore;
using testing::Octets;
using testing::Process;
using testing::UsherdDaemon;

constexpr std::size_t kTokens = 192;

class LoadUsherd : public UsherdDaemon {
 protected:
  // write_keys makes a keytab with one key of each etype.
  void write_keys(const std::string& name, std::uint64_t seed) {
    usher::mint::SeededRandom random{seed};
    std::vector<usher::mint::Service> services;
    for (const std::int32_t etype : {17, 18, 19, 20}) {
      services.push_back(usher::mint::make_service(random, "HTTP/localhost@EXAMPLE.TEST", etype));
    }
    write_file(name, usher::mint::keytab_image(services));
  }

  Results run(Process& daemon, const std::string& keytab, std::int32_t etype, std::size_t size,
              load::Options options = {}) {
    const TokenStore tokens(load::minted_tickets({.keytab = path(keytab),
                                                  .service = "HTTP/localhost",
                                                  .etype = etype,
                                                  .count = 5,
                                                  .shape = {.size = size}}),
                            kTokens, std::time(nullptr));
    options.port = daemon.port();
    options.connections = 3;
    options.prove_every = options.prove_every == 0 ? 0 : 7;
    return load::Client(options, &tokens).run();
  }
};

TEST_F(LoadUsherd, EveryEtypeAndSizeSignsOn) {
  write_keys("keytab", 1);
  Process daemon(flags());
  for (const std::int32_t etype : {17, 18, 19, 20}) {
    for (const std::size_t size : {0u, 2048u, 4608u}) {
      const Results results = run(daemon, "keytab", etype, size);
      EXPECT_EQ(results.accepted, kTokens) << etype << " " << size << results.first_failure;
      EXPECT_EQ(results.failed, 0u) << results.first_failure;
      EXPECT_EQ(results.proved, (kTokens + 6) / 7);
      EXPECT_EQ(results.latencies.count(), kTokens);
    }
  }
}

TEST_F(LoadUsherd, TicketsAreAsLargeAsAsked) {
  write_keys("keytab", 1);
  for (const std::size_t size : {2048u, 4608u}) {
    const auto tickets = load::minted_tickets(
        {.keytab = path("keytab"), .service = "HTTP/localhost", .count = 2, .shape = {size}});
    for (const usher::mint::Ticket& ticket : tickets) {
      EXPECT_LE(ticket.encoded.size(), size);
      EXPECT_GT(ticket.encoded.size() + 32, size);
    }
    EXPECT_NE(tickets[0].session_key, tickets[1].session_key);
  }
}

TEST_F(LoadUsherd, AnOpenLoopSendsWhatIsDue) {
  write_keys("keytab", 1);
  Process daemon(flags());
  load::Options options;
  options.rate = 400;
  options.seconds = 0.25;
  const Results results = run(daemon, "keytab", 18, 0, options);
  EXPECT_EQ(results.accepted + results.given_up, 100u);
  EXPECT_GT(results.accepted, 0u);
  EXPECT_EQ(results.failed, 0u) << results.first_failure;
}

TEST_F(LoadUsherd, AnotherKeyIsAFailure) {
  write_keys("keytab", 1);
  write_keys("other", 2);
  Process daemon(flags());
  const Results results = run(daemon, "other", 18, 0);
  EXPECT_EQ(results.accepted, 0u);
  EXPECT_EQ(results.failed, kTokens);
  EXPECT_EQ(results.first_failure, "status 401");
}

TEST_F(LoadUsherd, AStatusOf200IsNoProof) {
  write_keys("keytab", 1);
  Process daemon(flags());
  load::Options options;
  options.path = "/healthz";  // Which answers 200 to everybody.
  const Results doubted = run(daemon, "keytab", 18, 0, options);
  EXPECT_EQ(doubted.failed, (kTokens + 6) / 7);
  EXPECT_EQ(doubted.first_failure, "an answer without a token in WWW-Authenticate");
  options.prove_every = 0;
  const Results bare = run(daemon, "keytab", 18, 0, options);
  EXPECT_EQ(bare.accepted, kTokens);
  EXPECT_EQ(bare.failed, 0u);
}

TEST_F(LoadUsherd, WithoutAKeyThereAreNoTickets) {
  write_keys("keytab", 1);
  EXPECT_THROW(
      load::minted_tickets({.keytab = path("keytab"), .service = "HTTP/elsewhere", .shape = {}}),
      std::runtime_error);
  EXPECT_THROW(
      load::minted_tickets({.keytab = path("none"), .service = "HTTP/localhost", .shape = {}}),
      std::runtime_error);
}

}  // namespace
}  // namespace usherd
