// engine/auth/kerberos_checks.h, check_replay: what each verdict of the replay cache means for a
// sign-on, and who may ask for another answer.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tests/auth/door.h"

namespace usher::auth {
namespace {

using testing::Door;
using testing::kNow;

// A door with a replay cache of the test's choice.
class ReplayCheck : public ::testing::Test {
 protected:
  AcceptReply offer(ReplayCache& cache, Bytes token, bool allow_replay = false) {
    const Environment environment{door_.pool, cache, door_.clock};
    AcceptRequest request{.credential = &door_.credential, .token = token};
    std::array<std::uint8_t, kReplySizeMax> reply_space;
    request.reply = reply_space;
    request.allow_replay = allow_replay;
    AcceptReply reply;
    accept(*door_.desk, environment, std::span(&request, 1), std::span(&reply, 1));
    if (reply.verdict.status == Status::kEstablished) {
      EXPECT_TRUE(door_.end(reply.context));
    }
    EXPECT_EQ(door_.pool.live(), 0u) << "a refusal keeps no context";
    return reply;
  }
  Status status(ReplayCache& cache, Bytes token) { return offer(cache, token).verdict.status; }
  void fill(ReplayCache& cache) {
    for (std::uint64_t n = 0; cache.counts().full == 0; ++n) {
      (void)cache.test_and_insert({n, 1}, kNow);
    }
  }

  Door door_;
  std::vector<ReplayCache::Place> places_ =
      std::vector<ReplayCache::Place>(ReplayCache::kProbesMax);
  ReplayCache cache_{places_, ReplayKey{1, 2, 3, 4}, kSkewSecondsDefault};
};

TEST_F(ReplayCheck, LetsAReplayInOnlyForWhoSaysThatItIsTheSameRequest) {
  const mint::Octets token = door_.kerberos_token();
  const AcceptReply first = offer(cache_, token, true);
  EXPECT_EQ(first.verdict.status, Status::kEstablished);
  EXPECT_FALSE(first.replayed) << "nothing had to be allowed";
  EXPECT_EQ(status(cache_, token), Status::kReplay);
  const AcceptReply again = offer(cache_, token, true);
  EXPECT_EQ(again.verdict.status, Status::kEstablished);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(status(cache_, token), Status::kReplay) << "for others it stays a replay";
  EXPECT_EQ(cache_.counts(), (ReplayCounts{.replays = 3}));
}

TEST_F(ReplayCheck, RefusesWhatItHasNoRoomToRememberUnlessPolicySaysOtherwise) {
  fill(cache_);
  const mint::Octets token = door_.kerberos_token();
  EXPECT_EQ(status(cache_, token), Status::kReplayCacheFull);
  EXPECT_EQ(offer(cache_, token, true).verdict.status, Status::kReplayCacheFull)
      << "nobody knows it for a replay";
  EXPECT_EQ(cache_.counts().full, 3u) << "one of them was fill()'s";

  ASSERT_EQ(set_policy(door_.credential.policy, "kerberos.replay-full", "accept"), "");
  const AcceptReply let_in = offer(cache_, token);
  EXPECT_EQ(let_in.verdict.status, Status::kEstablished);
  EXPECT_FALSE(let_in.replayed);
  EXPECT_EQ(cache_.counts().full, 4u) << "counted all the same";
}

TEST_F(ReplayCheck, AFullCacheStillRefusesTheReplaysItKnows) {
  const mint::Octets token = door_.kerberos_token();
  ASSERT_EQ(status(cache_, token), Status::kEstablished);
  fill(cache_);
  ASSERT_EQ(set_policy(door_.credential.policy, "kerberos.replay-full", "accept"), "");
  EXPECT_EQ(status(cache_, token), Status::kReplay);
}

TEST_F(ReplayCheck, RefusesTimesWhoseEntriesMayBeLostWhateverIsAllowed) {
  ReplayCache lossy(places_, ReplayKey{1, 2, 3, 4}, kSkewSecondsDefault, kNow - 10);
  ASSERT_EQ(set_policy(door_.credential.policy, "kerberos.replay-full", "accept"), "");
  const auto token_of = [&](std::int64_t ctime) {
    mint::AuthenticatorFields fields = door_.authenticator_fields();
    fields.ctime = ctime;
    return mint::gss_token(
        door_.client.ap_req(door_.client.ticket(door_.services[0], door_.ticket_fields()), fields)
            .message);
  };
  const mint::Octets old = token_of(kNow - 10);
  EXPECT_EQ(status(lossy, old), Status::kReplayUnknown);
  EXPECT_EQ(offer(lossy, old, true).verdict.status, Status::kReplayUnknown);
  const mint::Octets young = token_of(kNow - 9);
  EXPECT_EQ(status(lossy, young), Status::kEstablished);
  EXPECT_EQ(status(lossy, young), Status::kReplay);
  EXPECT_EQ(lossy.counts(), (ReplayCounts{.replays = 1, .unknown = 2}));
}

TEST_F(ReplayCheck, CanBeSwitchedOffByPolicyAlone) {
  const mint::Octets token = door_.kerberos_token();
  ASSERT_EQ(status(cache_, token), Status::kEstablished);
  ASSERT_EQ(status(cache_, token), Status::kReplay);
  ASSERT_EQ(set_policy(door_.credential.policy, "kerberos.replay", "off"), "");
  EXPECT_EQ(status(cache_, token), Status::kEstablished);
  EXPECT_EQ(cache_.counts().replays, 1u) << "nobody asked it";
}

// C13: cusec alone makes another authenticator, and both edges of the skew are remembered.
TEST_F(ReplayCheck, RemembersAtBothEdgesOfTheSkewAndToTheMicrosecond) {
  const mint::Ticket ticket = door_.client.ticket(door_.services[0], door_.ticket_fields());
  for (const std::int64_t offset : {-kSkewSecondsDefault, std::int64_t{0}, kSkewSecondsDefault}) {
    for (const std::uint32_t cusec : {0u, 1u, 999'999u}) {
      mint::AuthenticatorFields fields = door_.authenticator_fields();
      fields.ctime = kNow + offset;
      fields.cusec = cusec;
      const mint::Octets token = mint::gss_token(door_.client.ap_req(ticket, fields).message);
      const bool beyond = offset == kSkewSecondsDefault && cusec != 0;
      EXPECT_EQ(status(door_.replays, token), beyond ? Status::kClockSkew : Status::kEstablished)
          << offset << ' ' << cusec;
      EXPECT_EQ(status(door_.replays, token), beyond ? Status::kClockSkew : Status::kReplay);
    }
  }
}

}  // namespace
}  // namespace usher::auth
