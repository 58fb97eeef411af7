// engine/protect/message.h: a Session that is made from another one's state goes on where that one
// was, and one that was stopped sends nothing any more.
#include <gtest/gtest.h>
#include <pthread.h>

#include <thread>

#include "tests/in_child.h"
#include "tests/protect/session_pair.h"

namespace usher::protect {
namespace {

using namespace usher::protect::testing;
using usher::testing::Octets;
using enum MessageOutcome;

class MessageState : public ::testing::TestWithParam<Mechanism> {
 protected:
  std::shared_ptr<Session> make(Sender self, const SessionState* state = nullptr) const {
    SessionTerms terms = terms_of(GetParam(), self);
    terms.state = state;
    return Session::make(terms);
  }
  static void exchange(Session& from, Session& to, int count) {
    for (int n = 0; n < count; ++n) {
      Message message = seal(from, {text(100)});
      ASSERT_EQ(message.sealed.outcome, kGood);
      ASSERT_EQ(open(to, message).outcome, kGood);
      ASSERT_EQ(message.parts[0], text(100));
      const Mic mic = sign(from, text(30));
      ASSERT_EQ(mic.sealed.outcome, kGood);
      ASSERT_EQ(verify(to, text(30), mic.token), kGood);
    }
  }

  const std::shared_ptr<Session> client_ = make(Sender::kInitiator);
  const std::shared_ptr<Session> server_ = make(Sender::kAcceptor);
};
INSTANTIATE_TEST_SUITE_P(All, MessageState, ::testing::ValuesIn(all_mechanisms()), name_of);

TEST_P(MessageState, AnotherSessionGoesOnInItsPlace) {
  exchange(*client_, *server_, 3);
  exchange(*server_, *client_, 2);
  const Mic old = sign(*client_, text(5));
  ASSERT_EQ(verify(*server_, text(5), old.token), kGood);
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kSending));
  EXPECT_EQ(state.sent_count, 4u);
  EXPECT_EQ(state.received.next, 7u);
  EXPECT_EQ(state.has_streams, GetParam().ntlm());
  const std::shared_ptr<Session> next = make(Sender::kAcceptor, &state);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(verify(*next, text(5), old.token), kReplayed);
  exchange(*next, *client_, 2);
  exchange(*client_, *next, 2);

  SessionState later;
  ASSERT_TRUE(next->save(later, Session::Stop::kNothing));
  EXPECT_EQ(later.sent_count, 8u);
  EXPECT_EQ(later.received.next, 11u);
}

TEST_P(MessageState, WithoutItsStateTheNumbersDoNotFit) {
  exchange(*client_, *server_, 1);
  const std::shared_ptr<Session> anew = make(Sender::kAcceptor);
  EXPECT_NE(verify(*anew, text(5), sign(*client_, text(5)).token), kGood);
}

TEST_P(MessageState, OfAFreshSessionIsTheStart) {
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kNothing));
  EXPECT_FALSE(state.begun);
  EXPECT_EQ(state.sent_count, 0u);
  EXPECT_EQ(state.received, SequenceWindow::Place{});
  const std::shared_ptr<Session> next = make(Sender::kAcceptor, &state);
  exchange(*client_, *next, 1);
  exchange(*next, *client_, 1);
}

TEST_P(MessageState, AStoppedSessionSendsNothingAndStillTakes) {
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kSending));
  Message message = seal(*server_, {text(100)});
  EXPECT_EQ(message.sealed.outcome, kStopped);
  EXPECT_EQ(message.parts[0], text(100)) << "nothing was done";
  EXPECT_EQ(sign(*server_, text(10)).sealed.outcome, kStopped);
  exchange(*client_, *server_, 1);
  // It is somebody else's now, who may be anywhere.
  SessionState again;
  EXPECT_FALSE(server_->save(again, Session::Stop::kNothing));
  EXPECT_FALSE(server_->save(again, Session::Stop::kSending));
  server_->resume();
  exchange(*server_, *client_, 1);
  EXPECT_TRUE(server_->save(again, Session::Stop::kNothing));
}

TEST_P(MessageState, WhoBeginsAnewStopsNobodyThatHasBegun) {
  using Stop = Session::Stop;
  SessionState state;
  for (const Stop stop : {Stop::kNothing, Stop::kSending, Stop::kEverything}) {
    exchange(*server_, *client_, 1);
    ASSERT_TRUE(server_->save_fresh(state, stop));
    EXPECT_TRUE(state.begun);
    exchange(*server_, *client_, 1);
    exchange(*client_, *server_, 1);
    const std::shared_ptr<Session> fresh = make(Sender::kAcceptor);
    const Mic mic = sign(*make(Sender::kInitiator), text(7));
    ASSERT_TRUE(fresh->save_fresh(state, stop));
    EXPECT_FALSE(state.begun);
    EXPECT_EQ(sign(*fresh, text(7)).sealed.outcome, stop == Stop::kNothing ? kGood : kStopped);
    EXPECT_EQ(verify(*fresh, text(7), mic.token), stop == Stop::kEverything ? kStopped : kGood);
    EXPECT_EQ(fresh->save_fresh(state, stop), stop == Stop::kNothing);
  }
}

TEST_P(MessageState, NoMessageIsMadeBehindTheStateOfAStoppedSession) {
  // Each message a thread could still make is among those the state counts.
  std::atomic<std::uint64_t> made{0};
  std::thread sender([&] {
    while (sign(*server_, text(16)).sealed.outcome == kGood) {
      made.fetch_add(1);
    }
  });
  while (made.load() < 100) {
    std::this_thread::yield();
  }
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kSending));
  sender.join();
  EXPECT_EQ(state.sent_count, made.load());
}

TEST_P(MessageState, SaysWhereTwoSendersWouldRepeatAKeyStream) {
  // The proof: two Sessions of the same terms, the same message, different texts.
  const std::shared_ptr<Session> other = make(Sender::kAcceptor);
  const Octets zeros(64, 0);
  const Octets ones(64, 1);
  const Message a = seal(*server_, {zeros});
  const Message b = seal(*other, {ones});
  Octets difference = a.parts[0];
  for (std::size_t i = 0; i < difference.size(); ++i) {
    difference[i] ^= b.parts[0][i];
  }
  EXPECT_EQ(difference == ones, repeats_key_stream(terms_of(GetParam(), Sender::kAcceptor)));
}

TEST(SequenceWindowPlace, AnotherWindowJudgesAlikeFromThere) {
  for (const std::uint64_t jump : {1u, 5u, 900u, 1023u, 1024u, 5000u}) {
    SequenceWindow one(7, 32);
    for (std::uint64_t number = 7; number < 60; number += number % 3 + 1) {
      ASSERT_NE(one.note(number), SequenceVerdict::kReplayed);
    }
    ASSERT_EQ(one.note(60 + jump), SequenceVerdict::kGap);
    SequenceWindow other(7, 32);
    other.go_on_from(one.place());
    for (std::uint64_t number = 0; number < 8000; ++number) {
      ASSERT_EQ(one.note(number), other.note(number)) << number;
    }
    EXPECT_EQ(one.place(), other.place());
  }
}

// Also where that is not the one that was expected, and where nobody looks for replays, and so no
// window tells.
TEST_P(MessageState, HasBegunWithTheFirstMessageOfThePeerWhicheverItIs) {
  if (GetParam().ntlm()) {
    return;  // It takes none but the next.
  }
  for (const gss::ContextFlags flags :
       {kUsual, gss::ContextFlags::kReplay, gss::ContextFlags::kIntegrity}) {
    const auto one = Session::make(terms_of(GetParam(), Sender::kAcceptor, flags));
    const auto peer = Session::make(terms_of(GetParam(), Sender::kInitiator, flags));
    ASSERT_EQ(sign(*peer, text(5)).sealed.outcome, kGood);
    EXPECT_EQ(verify(*one, text(5), sign(*peer, text(5)).token), flags == kUsual ? kGap : kGood);
    SessionState state;
    ASSERT_TRUE(one->save(state, Session::Stop::kNothing));
    EXPECT_TRUE(state.begun);
  }
}

TEST_P(MessageState, HasBegunWithTheFirstMessageOfEitherSide) {
  for (const gss::ContextFlags flags : {kUsual, gss::ContextFlags::kIntegrity}) {
    for (const bool sends : {true, false}) {
      const auto one = Session::make(terms_of(GetParam(), Sender::kAcceptor, flags));
      const auto peer = Session::make(terms_of(GetParam(), Sender::kInitiator, flags));
      const Mic first = sign(*peer, text(5));
      ASSERT_NE(verify(*one, text(6), first.token), kGood);
      SessionState state;
      ASSERT_TRUE(one->save(state, Session::Stop::kNothing));
      EXPECT_FALSE(state.begun) << "it was of another message";
      ASSERT_EQ(sends ? sign(*one, text(5)).sealed.outcome : verify(*one, text(5), first.token),
                kGood);
      ASSERT_TRUE(one->save(state, Session::Stop::kNothing));
      EXPECT_TRUE(state.begun) << sends;
    }
  }
}

// NTLM's token follows from its number, of which there are 2^32, and RC4's key of a message does,
// whichever side's it is: there one that does not come twice is no number of the peer's either.
TEST_P(MessageState, NoNumberComesTwiceWhereItMakesTheMessage) {
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kNothing));
  SessionTerms terms = terms_of(GetParam(), Sender::kAcceptor);
  terms.state = &state;
  constexpr std::uint64_t kAll = 0xffffffff;
  struct Case {
    std::uint64_t peers_first;  // Counted from ours.
    std::uint64_t messages;
  };
  for (Case c : {Case{0, kAll}, Case{1, 1}, Case{5, 5}, Case{0x80000000, 0x80000000},
                 Case{kAll - 1, kAll - 1}, Case{kAll, kAll}}) {
    c.messages = GetParam().ntlm() ? kAll : c.messages;
    for (const std::uint64_t first : {std::uint64_t{0x1234}, kAll}) {
      terms.send_sequence = first;
      terms.receive_sequence = first + c.peers_first;
      for (const std::uint64_t made :
           {std::uint64_t{0}, c.messages - 1, c.messages, c.messages + 1, std::uint64_t{1} << 40}) {
        SCOPED_TRACE(::testing::Message() << c.peers_first << ' ' << made);
        state.sent_count = made;
        const std::shared_ptr<Session> late = Session::make(terms);
        const bool any = GetParam().aes() || made < c.messages;
        EXPECT_EQ(sign(*late, text(16)).sealed.outcome, any ? kGood : kStopped);
        const bool more = GetParam().aes() || made + 1 < c.messages;
        Message message = seal(*late, {text(100)});
        EXPECT_EQ(message.sealed.outcome, more ? kGood : kStopped);
        EXPECT_EQ(message.parts[0] == text(100), !more) << "nothing was done";
      }
    }
  }
}

// Not even where all bits of the window say that nothing is missing.
TEST_P(MessageState, ARecordedMessageIsNotTakenAgainHoweverManyHaveCome) {
  const Mic mics[] = {sign(*client_, text(16)), sign(*client_, text(16))};
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kNothing));
  state.begun = true;
  for (const std::uint64_t next :
       {std::uint64_t{2}, std::uint64_t{0x7fffffff}, std::uint64_t{0x80000000},
        std::uint64_t{0x80000001}, std::uint64_t{0x80000002}, std::uint64_t{0xfffffffe},
        std::uint64_t{0xffffffff}}) {
    state.received.next = next;
    if (!GetParam().ntlm()) {
      state.received.seen.fill(~std::uint64_t{0});
    }
    const std::shared_ptr<Session> late = make(Sender::kAcceptor, &state);
    for (const Mic& mic : mics) {
      EXPECT_NE(verify(*late, text(16), mic.token), kGood) << next;
    }
  }
}

Octets streams_of(const SessionState& state) {
  Octets out(2 * crypto::Rc4Stream::kStateSize);
  state.send_stream.write_state(MutableBytes(out).first(crypto::Rc4Stream::kStateSize));
  state.receive_stream.write_state(MutableBytes(out).last(crypto::Rc4Stream::kStateSize));
  return out;
}

// What comes after the peer's last number is not looked at, and no stream goes on with it.
TEST_P(MessageState, NoMoreAreTakenThanThereAreNumbers) {
  if (!GetParam().ntlm()) {
    return;  // There a window says it: SequenceWindow.TheLastNumberIsTheSecondBeforeTheFirst.
  }
  SessionState ours;
  SessionState theirs;
  ASSERT_TRUE(server_->save(ours, Session::Stop::kNothing));
  ASSERT_TRUE(client_->save(theirs, Session::Stop::kNothing));
  for (const std::uint64_t left : {2u, 1u, 0u}) {
    theirs.sent_count = ours.received.next = 0xffffffff - left;
    const std::shared_ptr<Session> from = make(Sender::kInitiator, &theirs);
    const std::shared_ptr<Session> to = make(Sender::kAcceptor, &ours);
    for (std::uint64_t n = 0; n < left; ++n) {
      EXPECT_EQ(verify(*to, text(16), sign(*from, text(16)).token), kGood) << left;
    }
    EXPECT_EQ(sign(*from, text(16)).sealed.outcome, kStopped);
    SessionState before;
    ASSERT_TRUE(to->save(before, Session::Stop::kNothing));
    EXPECT_EQ(before.received.next, 0xffffffff);
    Message first = seal(*client_, {text(16)});
    const Mic second = sign(*client_, text(16));
    EXPECT_EQ(open(*to, first).outcome, kOld);
    EXPECT_EQ(first.parts[0], Octets(16)) << "it is wiped";
    EXPECT_EQ(verify(*to, text(16), second.token), kOld);
    SessionState after;
    ASSERT_TRUE(to->save(after, Session::Stop::kNothing));
    EXPECT_EQ(after.received, before.received);
    EXPECT_EQ(streams_of(after), streams_of(before));
  }
}

// A thread that still has it takes no message that is fresh to whoever goes on.
TEST_P(MessageState, WhatIsDeletedReceivesNoMoreEither) {
  SessionState state;
  ASSERT_TRUE(server_->save(state, Session::Stop::kEverything));
  Message message = seal(*client_, {text(40)});
  const Message sent = message;
  EXPECT_EQ(open(*server_, message).outcome, MessageOutcome::kStopped);
  Octets stream = message.stream();
  EXPECT_EQ(server_->open_stream(stream).outcome, MessageOutcome::kStopped);
  EXPECT_EQ(stream, sent.stream()) << "it is whole, for who goes on";
  EXPECT_EQ(open(*make(Sender::kAcceptor, &state), message).outcome, kGood);
  EXPECT_EQ(message.parts[0], text(40));
  const Mic mic = sign(*client_, text(40));
  EXPECT_EQ(verify(*server_, text(40), mic.token), MessageOutcome::kStopped);
  server_->resume();
  Message next = seal(*client_, {text(40)});
  EXPECT_NE(open(*server_, next).outcome, MessageOutcome::kStopped);
}

// Parent and child would both send with one key stream, and a lock may have been held by a thread
// that the child does not have.
TEST_P(MessageState, AChildHasNoneOfItsParentsMessages) {
  Message mine = seal(*client_, {text(40)});
  for (const usher::testing::Fork& fork : usher::testing::kForks) {
    SCOPED_TRACE(fork.name);
    const auto body = [&] {
      Octets data = text(8);
      Octets token(100);
      Octets padding(1);
      SessionState state;
      const Part part{.bytes = data};
      EXPECT_EQ(server_->seal({&part, 1}, true, token, padding).outcome, kStopped);
      EXPECT_EQ(server_->sign({&part, 1}, token).outcome, kStopped);
      EXPECT_EQ(open(*server_, mine).outcome, kStopped);
      EXPECT_FALSE(server_->save(state, Session::Stop::kNothing));
      EXPECT_GT(server_->sizes().signature, 0u);
      EXPECT_EQ(sign(*make(Sender::kAcceptor), text(8)).sealed.outcome, kGood) << "its own are";
    };
    usher::testing::in_child(body, fork);
  }
  EXPECT_EQ(open(*server_, mine).outcome, kGood) << "and its parent goes on";
}

// Handlers of pthread_atfork run in the order they came in, and the program's may come before any
// of a library's.
Session* g_signs_in_handler = nullptr;
MessageOutcome g_signed_in_handler = kFailed;
const int g_handler = ::pthread_atfork(nullptr, nullptr, [] {
  if (g_signs_in_handler != nullptr) {
    g_signed_in_handler = sign(*g_signs_in_handler, text(8)).sealed.outcome;
  }
});

TEST_P(MessageState, NorHasAChildInAHandlerThatRunsBeforeOthers) {
  ASSERT_EQ(g_handler, 0);
  ASSERT_EQ(sign(*server_, text(8)).sealed.outcome, kGood);
  g_signs_in_handler = server_.get();
  usher::testing::in_child([] { EXPECT_EQ(g_signed_in_handler, kStopped); });
  g_signs_in_handler = nullptr;
  EXPECT_EQ(sign(*server_, text(8)).sealed.outcome, kGood);
}

}  // namespace
}  // namespace usher::protect
