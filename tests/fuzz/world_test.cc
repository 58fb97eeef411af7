// fuzz/support/world.h and reach.h: every input finds the same acceptor.
#include "fuzz/support/world.h"

#include <gtest/gtest.h>

#include "fuzz/support/reach.h"
#include "tests/fuzz/minted.h"
#include "tools/mint/ntlm_mint.h"

namespace usher::fuzz {
namespace {

using testing::minted;

TEST(Door, GivesTheSameAnswerEveryTime) {
  const Octets kerberos = minted({});
  const Octets ntlm = mint::ntlm_negotiate({});
  const Door::Answer one = Door().accept(kerberos);
  const Door::Answer two = Door().accept(kerberos);
  EXPECT_EQ(one.status, Status::kEstablished);
  EXPECT_EQ(one.reply, two.reply);
  EXPECT_FALSE(one.reply.empty());
  const Octets challenge = Door().accept(ntlm).reply;
  EXPECT_EQ(Door().accept(ntlm).reply, challenge);
}

TEST(Door, TheWorldHasAllKeysAndBothAccounts) {
  for (const std::int32_t etype : {17, 18, 19, 20}) {
    EXPECT_EQ(Door().accept(minted({.etype = etype})).status, Status::kEstablished);
  }
  {
    Door lenient;
    EXPECT_EQ(lenient.accept(minted({.etype = 23})).status, Status::kRc4);
    world().credential->policy.allow_rc4 = true;
    EXPECT_EQ(lenient.accept(minted({.etype = 23})).status, Status::kEstablished);
  }
  mint::AuthenticateFields bob;
  bob.user = u"bob";
  bob.password = u"B0b-Passw0rd";
  mint::AuthenticateFields wrong;
  wrong.password = u"B0b-Passw0rd";
  for (const auto& [fields, status] :
       {std::pair(mint::AuthenticateFields{}, Status::kEstablished),
        std::pair(bob, Status::kEstablished), std::pair(wrong, Status::kNtlmProof)}) {
    Door door;
    const Octets negotiate = mint::ntlm_negotiate({});
    const Door::Answer challenge = door.accept(negotiate);
    ASSERT_EQ(challenge.status, Status::kContinue);
    const mint::Authenticated answer =
        mint::ntlm_authenticate(*world().kit, negotiate, challenge.reply, fields);
    EXPECT_EQ(door.accept(answer.message, challenge.context).status, status);
  }
}

TEST(Door, StartsFromDefaults) {
  {
    const Door door;
    auth::Credential& credential = *world().credential;
    credential.package = auth::Package::kNtlm;
    credential.allow_kerberos = false;
    credential.policy.skew_s = 1;
  }
  EXPECT_EQ(Door().accept(minted({})).status, Status::kEstablished);
}

TEST(Door, ReplaysAreRefusedWithinOneDoorOnly) {
  const Octets token = minted({});
  Door door;
  EXPECT_EQ(door.accept(token).status, Status::kEstablished);
  EXPECT_EQ(door.accept(token).status, Status::kReplay);
}

TEST(Door, EndsWhatIsOpen) {
  ContextHandle context;
  {
    Door door;
    context = door.accept(minted({})).context;
    EXPECT_TRUE(door.is_live(context));
    door.end(context);
    EXPECT_FALSE(door.is_live(context));
    EXPECT_EQ(door.accept(mint::ntlm_negotiate({})).status, Status::kContinue);
  }
  Door door;  // Its destructor has ended the other one.
  for (std::size_t i = 0; i < Door::kSlots; ++i) {
    EXPECT_EQ(door.accept(mint::ntlm_negotiate({})).status, Status::kContinue);
  }
  EXPECT_EQ(door.accept(mint::ntlm_negotiate({})).status, Status::kNoFreeSlot);
}

TEST(Door, NoticesAReplyThatDoesNotFit) {
  Door door;
  EXPECT_EQ(door.accept(mint::ntlm_negotiate({}), {}, {.reply_room = 10}).status,
            Status::kReplyTooLong);
}

TEST(StageOf, IsTotalAndInOrder) {
#define USHER_STATUS_STAGE(name, sspi, text) \
  EXPECT_LE(stage_of(Status::name), Stage::kAccepted) << text;
  USHER_STATUS_LIST(USHER_STATUS_STAGE)
#undef USHER_STATUS_STAGE
  EXPECT_EQ(stage_of(Status::kEstablished), Stage::kAccepted);
  EXPECT_EQ(stage_of(Status::kReplay), Stage::kAuthenticator);
  EXPECT_EQ(stage_of(Status::kTicketExpired), Stage::kDecrypted);
  EXPECT_EQ(stage_of(Status::kTicketKey), Stage::kKeyFound);
  EXPECT_EQ(stage_of(Status::kNoSuchService), Stage::kOuterToken);
  EXPECT_EQ(stage_of(Status::kMalformedApReq), Stage::kOffered);
}

}  // namespace
}  // namespace usher::fuzz
