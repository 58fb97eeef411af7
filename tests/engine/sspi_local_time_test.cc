// Where Microsoft's pages recommend local time callers get it, and UTC everywhere else.
#include <gtest/gtest.h>

#include <string>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

constexpr std::int64_t kAhead = 19'800;  // +5:30 all the year.
[[maybe_unused]] const bool g_zone_is_set = [] {
  test_zone = "IST-5:30";
  return true;
}();

std::int64_t to_unix(TimeStamp time) { return time.QuadPart / 10'000'000 - 11'644'473'600; }

class SspiLocalTime : public SspiTest {};

TEST_F(SspiLocalTime, IsWhenAContextBeginsAndEnds) {
  mint::TicketFields fields;
  fields.auth_time = unix_now() - 60;
  fields.end_time = unix_now() + 1234;
  const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
  Called leg = accept(credential.handle, mint::gss_token(realm.ap_req(ticket).message));
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(to_unix(leg.expiry), fields.end_time + kAhead);
  SecPkgContext_Lifespan lifespan{};
  ASSERT_EQ(QueryContextAttributesA(&leg.context, SECPKG_ATTR_LIFESPAN, &lifespan), SEC_E_OK);
  EXPECT_EQ(to_unix(lifespan.tsStart), fields.auth_time + kAhead);
  EXPECT_EQ(to_unix(lifespan.tsExpiry), fields.end_time + kAhead);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiLocalTime, DoesNotMakeNeverAMoment) {
  Called leg = open_half();
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(leg.expiry.QuadPart, SECURITY_TIME_NEVER);
  SecPkgContext_Lifespan lifespan{};
  ASSERT_EQ(QueryContextAttributesW(&leg.context, SECPKG_ATTR_LIFESPAN, &lifespan), SEC_E_OK);
  EXPECT_EQ(lifespan.tsExpiry.QuadPart, SECURITY_TIME_NEVER);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

}  // namespace
}  // namespace usher::testing
