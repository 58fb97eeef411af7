// fuzz/support/session_layers.h: frames, and answers put into them.
#include "fuzz/support/session_layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "parsers/spnego.h"
#include "tests/fuzz/minted.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

TEST(Frames, AreReadAsWritten) {
  const std::vector<OwnedFrame> frames = {{Frame::Kind::kOffer, 0, {1, 2, 3}},
                                          {Frame::Kind::kEnd, 7, {}},
                                          {Frame::Kind::kPolicy, 3, Octets(300, 9)}};
  const Octets input = write_frames(frames);
  FrameReader reader(input);
  for (const OwnedFrame& frame : frames) {
    const std::optional<Frame> read = reader.next();
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->kind, frame.kind);
    EXPECT_EQ(read->place, frame.place);
    EXPECT_EQ(mint::octets_of(read->octets), frame.octets);
  }
  EXPECT_FALSE(reader.next().has_value());
}

TEST(Frames, TheLastMayBeCutOff) {
  const Octets input = {0x00, 0xff, 0xff, 0x42};
  FrameReader reader(input);
  EXPECT_EQ(mint::octets_of(reader.next()->octets), Octets{0x42});
  EXPECT_FALSE(reader.next().has_value());
  EXPECT_FALSE(FrameReader(Bytes(input).first(2)).next().has_value());
}

TEST(AnswerChallenge, SignsOnBareAndInSpnego) {
  const Octets negotiate = mint::ntlm_negotiate({});
  const Octets mech_types = mint::mech_type_list({gss::Mechanism::kNtlm});
  for (const Octets& first : {negotiate, mint::optimistic({gss::Mechanism::kNtlm}, negotiate)}) {
    Door door;
    const Door::Answer challenge = door.accept(first);
    ASSERT_EQ(challenge.status, Status::kContinue);
    const std::optional<Octets> answer = answer_challenge(negotiate, challenge.reply, mech_types);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(door.accept(*answer, challenge.context).status, Status::kEstablished);
  }
  EXPECT_FALSE(answer_challenge(negotiate, negotiate, mech_types).has_value());
}

// signs_on says whether one of 500 mutations made for one desk is a sign-on over another, by NTLM:
// a mutation may bring a whole sign-on by Kerberos, which answers nothing.
bool signs_on(auth::Desk& made_for, auth::Desk& offered_to) {
  const Octets input = write_frames({{Frame::Kind::kOffer, 2, mint::ntlm_negotiate({})}});
  for (unsigned seed = 0; seed < 500; ++seed) {
    const Octets changed = mutate_session(input, 1500, seed, made_for);
    FrameReader reader(changed);
    Door door(offered_to);
    ContextHandle context;
    while (const std::optional<Frame> frame = reader.next()) {
      if (frame->place == 2) {
        const Door::Answer answer = door.accept(frame->octets, context);
        Status status = Status::kEstablished;
        const Pinned<auth::Context> pinned =
            door.environment().contexts.pin(answer.context, status);
        if (answer.status == Status::kEstablished && pinned->is_ntlm()) {
          return true;
        }
        context = answer.context;
      }
    }
  }
  return false;
}

TEST(AnswerApRep, SignsOnBareAndInSpnego) {
  for (const bool spnego : {false, true}) {
    Door door;
    const Octets first = testing::minted({.spnego = spnego, .dce = true});
    const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(first);
    EXPECT_EQ(init.ok(), spnego);
    const Octets ap_req = spnego ? mint::octets_of(init->mech_token) : first;
    const Octets types = spnego ? mint::octets_of(init->mech_types) : Octets{};
    EXPECT_FALSE(answer_ap_rep(ap_req, ap_req, types)) << "an AP-REQ is no answer";
    const Door::Answer answer = door.accept(first);
    ASSERT_EQ(answer.status, Status::kContinue);
    const std::optional<Octets> leg = answer_ap_rep(ap_req, answer.reply, types);
    ASSERT_TRUE(leg);
    EXPECT_EQ(door.accept(*leg, answer.context).status, Status::kEstablished);
  }
  EXPECT_FALSE(answer_ap_rep(testing::minted({}), {}, {})) << "framed: no third leg is owed";
}

TEST(MutateSession, AnswersADceClientToo) {
  const Octets input =
      write_frames({{Frame::Kind::kOffer, 1, testing::minted({.pac = false, .dce = true})}});
  bool answered = false;
  for (unsigned seed = 0; seed < 500 && !answered; ++seed) {
    const Octets changed = mutate_session(input, 4000, seed);
    FrameReader reader(changed);
    Door door;
    ContextHandle context;
    while (const std::optional<Frame> frame = reader.next()) {
      if (frame->kind == Frame::Kind::kOffer && frame->place == 1) {
        const Door::Answer answer = door.accept(frame->octets, context);
        answered =
            answered || (answer.status == Status::kEstablished && context != ContextHandle{});
        context = answer.context;
      }
    }
  }
  EXPECT_TRUE(answered);
}

TEST(MutateSession, AnswersTheDeskItIsToldOf) {
  struct Fives final : RandomSource {
    [[nodiscard]] bool fill(MutableBytes out) noexcept override {
      std::ranges::fill(out, std::uint8_t{5});
      return true;
    }
  };
  const std::unique_ptr<auth::Desk> other =
      auth::Desk::make(Door::kSlots, std::make_unique<Fives>(), make_kit());
  EXPECT_TRUE(signs_on(*other, *other));
  EXPECT_FALSE(signs_on(*world().desk, *other));
}

TEST(MutateSession, StaysInItsRoomRepeatsAndAnswers) {
  const Octets input = write_frames({{Frame::Kind::kOffer, 2, mint::ntlm_negotiate({})}});
  std::set<Octets> seen;
  bool answered = false;
  for (unsigned seed = 0; seed < 500; ++seed) {
    const Octets changed = mutate_session(input, 1500, seed);
    EXPECT_LE(changed.size(), 1500u);
    EXPECT_EQ(mutate_session(input, 1500, seed), changed);
    seen.insert(changed);
    FrameReader reader(changed);
    Door door;
    ContextHandle context;
    while (const std::optional<Frame> frame = reader.next()) {
      if (frame->kind == Frame::Kind::kOffer && frame->place == 2) {
        const Door::Answer answer = door.accept(frame->octets, context);
        answered = answered || answer.status == Status::kEstablished;
        context = answer.context;
      }
    }
  }
  EXPECT_GT(seen.size(), 200u);
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace usher::fuzz
