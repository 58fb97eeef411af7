// A wall clock that jumps changes verdicts by rule only (F8): deadlines do not notice, and what was
// accepted once is not accepted again when the clock comes back.
#include <gtest/gtest.h>

#include "tests/auth/door.h"

namespace usher::auth {
namespace {

using testing::Door;
using testing::kNow;

class ClockJump : public ::testing::Test {
 protected:
  Status offer(Bytes token) {
    const AcceptReply reply = door_.offer(token);
    if (reply.verdict.status == Status::kEstablished) {
      EXPECT_TRUE(door_.end(reply.context));
    }
    return reply.verdict.status;
  }
  mint::Octets token_of(std::int64_t ctime) {
    mint::AuthenticatorFields fields = door_.authenticator_fields();
    fields.ctime = ctime;
    const mint::Ticket ticket = door_.client.ticket(door_.services[0], door_.ticket_fields());
    return mint::gss_token(door_.client.ap_req(ticket, fields).message);
  }
  void set_clock(std::int64_t now_s) { door_.clock.wall = now_s * kMicrosPerSecond; }

  Door door_;
};

TEST_F(ClockJump, ThereAndBackLetsNoReplayIn) {
  constexpr std::int64_t kSkew = kSkewSecondsDefault;
  const mint::Octets token = token_of(kNow);
  ASSERT_EQ(offer(token), Status::kEstablished);
  for (const std::int64_t there : {kNow + kSkew + 1, kNow - kSkew - 1}) {
    set_clock(there);
    EXPECT_EQ(offer(token), Status::kClockSkew) << there - kNow;
    // Others are served by the clock as it is now, and take up room.
    for (int n = 0; n < 100; ++n) {
      ASSERT_EQ(offer(token_of(there)), Status::kEstablished) << there - kNow;
    }
    for (const std::int64_t back : {kNow - kSkew + 1, kNow, kNow + kSkew}) {
      set_clock(back);
      EXPECT_EQ(offer(token), Status::kReplay) << there - kNow << ' ' << back - kNow;
    }
  }
  EXPECT_EQ(offer(token_of(kNow + kSkew)), Status::kEstablished) << "the twin";
}

TEST_F(ClockJump, AheadOfATicketsEndItIsExpiredAndBackAgainItIsNot) {
  set_clock(kNow + 100'000);
  EXPECT_EQ(offer(token_of(kNow + 100'000)), Status::kTicketExpired);
  set_clock(kNow - 100'000);
  EXPECT_EQ(offer(token_of(kNow - 100'000)), Status::kTicketNotYetValid);
  set_clock(kNow);
  EXPECT_EQ(offer(token_of(kNow)), Status::kEstablished);
}

TEST_F(ClockJump, DoesNotEndAnExchangeThatIsHalfOpen) {
  const mint::Octets negotiate = mint::ntlm_negotiate({});
  for (const std::int64_t jump : {std::int64_t{86'400}, std::int64_t{-86'400}, std::int64_t{0}}) {
    set_clock(kNow);
    const AcceptReply first = door_.offer(negotiate);
    ASSERT_EQ(first.verdict.status, Status::kContinue);
    const mint::Octets answer =
        mint::ntlm_authenticate(*door_.kit, negotiate, door_.reply, {}).message;
    set_clock(kNow + jump);
    const AcceptReply second = door_.offer(answer, first.context);
    EXPECT_EQ(second.verdict.status, Status::kEstablished) << jump;
    EXPECT_TRUE(door_.end(second.context));
  }
  // What ends it is the other clock.
  const AcceptReply first = door_.offer(negotiate);
  const mint::Octets answer =
      mint::ntlm_authenticate(*door_.kit, negotiate, door_.reply, {}).message;
  door_.clock.steady += (Door::kHalfOpenSeconds + 1) * kMicrosPerSecond;
  EXPECT_EQ(door_.offer(answer, first.context).verdict.status, Status::kHalfOpenTooLong);
}

}  // namespace
}  // namespace usher::auth
