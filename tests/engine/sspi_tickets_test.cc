// USHER_OPTIONS.TicketEntries and usher_ticket_counts: how many tickets a program has remembered,
// and what that was good for, whatever thread has signed its clients on.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

USHER_TICKET_COUNTS counted() {
  USHER_TICKET_COUNTS counts{};
  counts.Size = sizeof(counts);
  EXPECT_EQ(usher_ticket_counts(&counts), SEC_E_OK);
  EXPECT_EQ(counts.Size, sizeof(counts));
  return counts;
}

// The process has one engine: with the fewest entries there can be, which are eight.
class SspiTickets : public ::testing::Test {
 protected:
  SspiTickets() {
    static const SECURITY_STATUS started = start(1);
    EXPECT_EQ(started, SEC_E_OK);
    acceptor_.Keytab = keytab_.c_str();
  }
  static SECURITY_STATUS start(std::uint32_t ticket_entries) {
    USHER_OPTIONS options{};
    options.Version = USHER_OPTIONS_VERSION;
    options.Size = sizeof(options);
    options.SlotCount = 8;
    options.ReplayEntries = 4096;
    options.TicketEntries = ticket_entries;
    return usher_start(&options);
  }
  void sign_on(CredHandle& credential, const mint::Ticket& ticket) {
    Called called = accept(credential, mint::spnego_token(realm_.ap_req(ticket).message));
    EXPECT_EQ(called.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&called.context), SEC_E_OK);
  }

  Folder folder_;
  Realm realm_;
  std::string keytab_ = folder_.write("service.keytab", mint::keytab_image({&realm_.service, 1}));
  USHER_ACCEPTOR acceptor_{};
};

// In a test of its own and before any fixture, for the engine must not be there yet.
TEST(SspiTicketEntries, MoreThanThereCanBeAreRefused) {
  EXPECT_EQ(counted().Found + counted().NotFound, 0u) << "before there is an engine";
  USHER_OPTIONS options{};
  options.Version = USHER_OPTIONS_VERSION;
  options.Size = sizeof(options);
  options.TicketEntries = (1u << 20) + 1;
  EXPECT_EQ(usher_start(&options), SEC_E_INVALID_PARAMETER);
  EXPECT_NE(std::string(usher_last_refusal()).find("2^20 ticket entries"), std::string::npos)
      << usher_last_refusal();
}

TEST_F(SspiTickets, AreMissedAndFoundByWhoeverLooks) {
  OwnCredential credential(acceptor_);
  const mint::Ticket ticket = realm_.ticket();
  const USHER_TICKET_COUNTS before = counted();
  sign_on(credential.handle, ticket);
  std::thread([&] { sign_on(credential.handle, ticket); }).join();
  std::thread([&] { sign_on(credential.handle, ticket); }).join();
  const USHER_TICKET_COUNTS after = counted();
  EXPECT_EQ(after.NotFound - before.NotFound, 2u);
  EXPECT_EQ(after.Found - before.Found, 1u) << "also of threads that are gone";
  EXPECT_EQ(after.Remembered - before.Remembered, 1u);
  EXPECT_EQ(after.Declined - before.Declined, 1u) << "its first time";
}

TEST_F(SspiTickets, AreNotLookedForWherePolicySaysSo) {
  acceptor_.Policy = "kerberos.ticket-cache=off";
  OwnCredential credential(acceptor_);
  const mint::Ticket ticket = realm_.ticket();
  const USHER_TICKET_COUNTS before = counted();
  for (int n = 0; n < 3; ++n) {
    sign_on(credential.handle, ticket);
  }
  EXPECT_EQ(counted().NotFound + counted().Found, before.NotFound + before.Found);
}

TEST_F(SspiTickets, AreNoMoreThanWasAskedFor) {
  OwnCredential credential(acceptor_);
  std::vector<mint::Ticket> tickets;
  for (int n = 0; n < 24; ++n) {
    mint::TicketFields fields;
    fields.client = mint::Principal::of("client" + std::to_string(n) + "@EXAMPLE.TEST");
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + 3600;
    tickets.push_back(realm_.mint.ticket(realm_.service, fields));
    sign_on(credential.handle, tickets.back());
    sign_on(credential.handle, tickets.back());
  }
  const USHER_TICKET_COUNTS before = counted();
  for (std::size_t n = tickets.size(); n-- > 0;) {  // What came last goes last.
    sign_on(credential.handle, tickets[n]);
  }
  const USHER_TICKET_COUNTS after = counted();
  EXPECT_GE(after.Found - before.Found, 1u) << "the smallest one works";
  EXPECT_LE(after.Found - before.Found, 8u);
  EXPECT_GE(after.Replaced + after.NoRoom, 16u);
}

TEST_F(SspiTickets, AreCountedForWhoKnowsTheStructure) {
  EXPECT_EQ(usher_ticket_counts(nullptr), SEC_E_INVALID_PARAMETER);
  USHER_TICKET_COUNTS counts{};
  EXPECT_EQ(usher_ticket_counts(&counts), SEC_E_INVALID_PARAMETER);
  EXPECT_NE(std::string(usher_last_refusal()).find("Size"), std::string::npos);
}

}  // namespace
}  // namespace usher::testing
