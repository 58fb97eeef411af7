// Promise: an inquiry is answered or abandoned, never both; its asker is told once or not at all;
// it comes back wiped; and as many are under way as there may be, no more.
#include "engine/auth/authority.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/slots/mailbox.h"
#include "tests/auth/asking.h"

namespace usher::auth {
namespace {

using testing::bytes_of;
using testing::question_of;
using testing::text_of;
using testing::ToldAsker;

constexpr ContextHandle kContext{SlotIndex{3}, 7};
constexpr std::string_view kKey = "0123456789abcdef";

// HandDriven begins nothing by itself: the test finishes what was asked.
class HandDriven final : public Authority {
 public:
  explicit HandDriven(std::size_t inquiries_max) : Authority(inquiries_max, 2'000'000) {}
  using Authority::finish;
  using Authority::wanted;

  std::vector<Inquiry*> begun;
  bool at_once = false;  // Finish inside begin.

 private:
  void begin(Inquiry& inquiry) noexcept override {
    begun.push_back(&inquiry);
    if (at_once) {
      inquiry.answer.status = Status::kAuthorityBusy;
      finish(inquiry);
    }
  }
};

class AuthorityTest : public ::testing::Test {
 protected:
  Inquiry* ask(const NtlmQuestion& question, Status expected = Status::kAsked,
               std::uint64_t tag = 5) {
    Inquiry* inquiry = nullptr;
    EXPECT_EQ(authority.ask(question, kContext, asker, tag, inquiry), expected);
    EXPECT_EQ(inquiry != nullptr, expected == Status::kAsked);
    return inquiry;
  }
  static void fill_in(Inquiry& inquiry) {
    inquiry.answer.status = Status::kEstablished;
    inquiry.answer.key_kind = NtlmAnswer::KeyKind::kSessionBase;
    inquiry.answer.key.assign(bytes_of(kKey));
    inquiry.answer.user = "Alice";
    inquiry.answer.domain = "EXAMPLE";
    inquiry.answer.pac = {1, 2, 3};
  }
  // expect_places checks how many more inquiries there may be, and takes none of them.
  void expect_places(std::size_t count) {
    std::vector<Inquiry*> more;
    for (std::size_t i = 0; i < count; ++i) {
      more.push_back(ask(question_of("filler")));
    }
    ask(question_of("too many"), Status::kAuthorityBusy);
    for (Inquiry* inquiry : more) {
      EXPECT_TRUE(authority.abandon(*inquiry));
      authority.finish(*inquiry);
    }
  }

  ToldAsker asker;
  HandDriven authority{2};
};

TEST_F(AuthorityTest, AskCopiesTheQuestionAndHandsItOn) {
  std::string user = "alice";
  const NtlmQuestion question = question_of(user);
  const Inquiry* inquiry = ask(question);
  EXPECT_EQ(authority.begun, std::vector<Inquiry*>{const_cast<Inquiry*>(inquiry)});
  user = "-----";
  EXPECT_EQ(text_of(inquiry->question().user), "alice") << "a copy";
  EXPECT_EQ(text_of(inquiry->question().domain), "EXAMPLE");
  EXPECT_EQ(text_of(inquiry->question().workstation), "PC");
  EXPECT_EQ(text_of(inquiry->question().nt_response), "the NT response");
  EXPECT_EQ(text_of(inquiry->question().lm_response), "LM");
  EXPECT_EQ(inquiry->question().server_challenge, question.server_challenge);
  EXPECT_EQ(inquiry->question().kind, crypto::ProofKind::kV2);
  EXPECT_EQ(inquiry->context(), kContext);
  EXPECT_EQ(inquiry->tag(), 5u);
  EXPECT_EQ(inquiry->answer.status, Status::kAuthorityFailed) << "unless somebody says otherwise";
  EXPECT_EQ(authority.deadline_us(), 2'000'000);
}

TEST_F(AuthorityTest, FinishTellsTheAskerOnceAndCloseGivesThePlaceBack) {
  Inquiry* first = ask(question_of("alice"));
  Inquiry* second = ask(question_of("bob"));
  ask(question_of("carol"), Status::kAuthorityBusy);
  EXPECT_TRUE(authority.wanted(*first));
  fill_in(*first);
  EXPECT_TRUE(asker.told().empty());
  authority.finish(*first);
  ASSERT_EQ(asker.told(), std::vector<Inquiry*>{first});
  EXPECT_FALSE(authority.wanted(*first)) << "it has been answered";
  EXPECT_TRUE(authority.wanted(*second));
  EXPECT_EQ(text_of(first->answer.key.bytes()), kKey);
  EXPECT_EQ(text_of(first->question().user), "alice") << "readable until it is closed";
  ask(question_of("carol"), Status::kAuthorityBusy);
  authority.close(*first);
  EXPECT_EQ(text_of(second->question().user), "bob") << "a neighbour is not touched";
  Inquiry* third = ask(question_of("carol"));
  EXPECT_EQ(third, first) << "the place is used again";
  EXPECT_EQ(text_of(third->question().user), "carol");
}

TEST_F(AuthorityTest, AnAnswerInsideAskFindsTheInquiryInItsPlace) {
  authority.at_once = true;
  const Inquiry* inquiry = ask(question_of("alice"));
  ASSERT_EQ(asker.told().size(), 1u);
  EXPECT_EQ(asker.told()[0], inquiry);
  EXPECT_EQ(inquiry->answer.status, Status::kAuthorityBusy);
  asker.close_all(authority);
  authority.at_once = false;
  expect_places(2);
}

TEST_F(AuthorityTest, AnAbandonedInquiryIsToldToNobody) {
  Inquiry* inquiry = ask(question_of("alice"));
  ask(question_of("bob"));
  EXPECT_TRUE(authority.wanted(*inquiry));
  EXPECT_TRUE(authority.abandon(*inquiry));
  EXPECT_FALSE(authority.wanted(*inquiry));
  EXPECT_EQ(text_of(inquiry->question().user), "alice") << "the authority may still be reading it";
  ask(question_of("carol"), Status::kAuthorityBusy);
  fill_in(*inquiry);
  authority.finish(*inquiry);
  EXPECT_TRUE(asker.told().empty());
  expect_places(1);
}

TEST_F(AuthorityTest, WhoHasAbandonedAnInquiryMayBeGone) {
  auto passing = std::make_unique<ToldAsker>();
  Inquiry* inquiry = nullptr;
  ASSERT_EQ(authority.ask(question_of("alice"), kContext, *passing, 0, inquiry), Status::kAsked);
  EXPECT_TRUE(authority.abandon(*inquiry));
  passing.reset();
  authority.finish(*inquiry);
  expect_places(2);
}

TEST_F(AuthorityTest, AnAnsweredInquiryIsNotAbandoned) {
  Inquiry* inquiry = ask(question_of("alice"));
  fill_in(*inquiry);
  authority.finish(*inquiry);
  EXPECT_FALSE(authority.abandon(*inquiry));
  ASSERT_EQ(asker.told(), std::vector<Inquiry*>{inquiry});
  EXPECT_EQ(inquiry->answer.status, Status::kEstablished) << "the answer stands";
  asker.close_all(authority);
  expect_places(2);
}

// The asker closes the inquiry while it is told of it, and asks the next question.
TEST_F(AuthorityTest, AnAskerMayCloseAtOnce) {
  class Impatient final : public Asker {
   public:
    explicit Impatient(HandDriven& to_ask) : authority(to_ask) {}
    void answered(Inquiry& inquiry) noexcept override {
      authority.close(inquiry);
      Inquiry* next = nullptr;
      status = authority.ask(question_of("next"), kContext, *this, 1, next);
    }
    HandDriven& authority;
    Status status = Status::kContinue;
  };
  HandDriven one(1);
  Impatient impatient(one);
  Inquiry* inquiry = nullptr;
  ASSERT_EQ(one.ask(question_of("alice"), kContext, impatient, 0, inquiry), Status::kAsked);
  one.finish(*inquiry);
  EXPECT_EQ(impatient.status, Status::kAsked);
  ASSERT_EQ(one.begun.size(), 2u);
  EXPECT_EQ(text_of(one.begun[1]->question().user), "next");
}

// What is left where a question and an answer were.
struct Traces {
  explicit Traces(Inquiry& inquiry)
      : open(inquiry),
        question{inquiry.question().user, inquiry.question().domain, inquiry.question().workstation,
                 inquiry.question().nt_response, inquiry.question().lm_response},
        key(inquiry.answer.key.bytes()),
        pac(inquiry.answer.pac) {}

  void expect_wiped() const {
    for (const Bytes part : question) {
      EXPECT_TRUE(is_zero(part)) << text_of(part);
    }
    EXPECT_TRUE(is_zero(key));
    EXPECT_TRUE(is_zero(pac)) << "the vector keeps its memory";
    EXPECT_EQ(open.answer.status, Status::kAuthorityFailed);
    EXPECT_EQ(open.answer.key_kind, NtlmAnswer::KeyKind::kNtHash);
    EXPECT_TRUE(open.answer.key.empty());
    EXPECT_EQ(open.answer.user, "");
    EXPECT_EQ(open.answer.domain, "");
    EXPECT_TRUE(open.answer.pac.empty());
    EXPECT_TRUE(open.question().user.empty() && open.question().nt_response.empty());
    EXPECT_TRUE(is_zero(open.question().server_challenge));
    EXPECT_EQ(open.context(), ContextHandle{});
    EXPECT_EQ(open.tag(), 0u);
  }
  static bool is_zero(Bytes bytes) {
    return std::ranges::all_of(bytes, [](std::uint8_t octet) { return octet == 0; });
  }

  const Inquiry& open;
  std::array<Bytes, 5> question;
  Bytes key;
  Bytes pac;
};

TEST_F(AuthorityTest, CloseWipes) {
  Inquiry* inquiry = ask(question_of("alice"));
  fill_in(*inquiry);
  const Traces traces(*inquiry);
  authority.finish(*inquiry);
  EXPECT_FALSE(Traces::is_zero(traces.question[0]) || Traces::is_zero(traces.key) ||
               Traces::is_zero(traces.pac))
      << "still there";
  authority.close(*inquiry);
  traces.expect_wiped();
}

TEST_F(AuthorityTest, TheEndOfAnAbandonedOneWipesToo) {
  Inquiry* inquiry = ask(question_of("alice"));
  EXPECT_TRUE(authority.abandon(*inquiry));
  fill_in(*inquiry);
  const Traces traces(*inquiry);
  authority.finish(*inquiry);
  traces.expect_wiped();
}

TEST_F(AuthorityTest, AQuestionMayBeAsLongAsThereIsRoom) {
  const std::vector<std::uint8_t> longest(Inquiry::kQuestionSizeMax, 0x5a);
  const auto split = [&](std::size_t over) {
    NtlmQuestion question = question_of("alice");
    const std::size_t rest = question.user.size() + question.domain.size() +
                             question.workstation.size() + question.lm_response.size();
    question.nt_response = Bytes(longest).first(longest.size() - rest + over);
    return question;
  };
  ask(split(1), Status::kAuthorityQuestion);
  EXPECT_TRUE(authority.begun.empty());
  const NtlmQuestion question = split(0);
  const Inquiry* inquiry = ask(question);
  EXPECT_TRUE(inquiry->is_about(kContext, question)) << "all of it";
  ask(split(1), Status::kAuthorityQuestion);
  expect_places(1);
}

TEST_F(AuthorityTest, IsAboutExactlyTheQuestionThatWasAsked) {
  const NtlmQuestion asked = question_of("alice");
  const Inquiry* inquiry = ask(asked);
  EXPECT_TRUE(inquiry->is_about(kContext, asked));
  std::string copy = "alice";
  EXPECT_TRUE(inquiry->is_about(kContext, question_of(copy))) << "the same, from elsewhere";

  EXPECT_FALSE(inquiry->is_about({kContext.index, kContext.generation + 1}, asked));
  EXPECT_FALSE(inquiry->is_about({SlotIndex{4}, kContext.generation}, asked));
  EXPECT_FALSE(inquiry->is_about({}, asked));
  NtlmQuestion other = asked;
  other.kind = crypto::ProofKind::kV1;
  EXPECT_FALSE(inquiry->is_about(kContext, other)) << "kind";
  for (std::size_t i = 0; i < other.server_challenge.size(); ++i) {
    other = asked;
    other.server_challenge[i] ^= 0x80;
    EXPECT_FALSE(inquiry->is_about(kContext, other)) << "challenge " << i;
  }
  for (const auto part : {&NtlmQuestion::user, &NtlmQuestion::domain, &NtlmQuestion::workstation,
                          &NtlmQuestion::nt_response, &NtlmQuestion::lm_response}) {
    const std::string text = text_of(asked.*part);
    std::string last = text;
    last.back() ^= 1;
    for (const std::string& changed : {last, text + 'x', text.substr(1), std::string{}}) {
      other = asked;
      other.*part = bytes_of(changed);
      EXPECT_FALSE(inquiry->is_about(kContext, other)) << text << " became " << changed;
    }
    other = asked;
    other.*part = bytes_of(text);
    EXPECT_TRUE(inquiry->is_about(kContext, other)) << text;
  }
}

TEST_F(AuthorityTest, IsAboutTheSameTextInOtherPartsIsNot) {
  NtlmQuestion asked = question_of("ab");
  asked.domain = bytes_of("c");
  const Inquiry* inquiry = ask(asked);
  NtlmQuestion other = question_of("a");
  other.domain = bytes_of("bc");
  EXPECT_FALSE(inquiry->is_about(kContext, other));
  EXPECT_TRUE(inquiry->is_about(kContext, asked));
}

// Racing hands what was asked to other threads, which finish it.
class Racing final : public Authority {
 public:
  explicit Racing(std::size_t inquiries_max) : Authority(inquiries_max, 1) {}

  // finish_next answers one inquiry, its user with what the question said; false if there is none.
  bool finish_next() {
    Inquiry* inquiry = nullptr;
    if (!queue_.take(inquiry)) {
      return false;
    }
    if (wanted(*inquiry)) {
      inquiry->answer.status = Status::kEstablished;
      inquiry->answer.user = text_of(inquiry->question().user);
    }
    finish(*inquiry);
    return true;
  }

 private:
  void begin(Inquiry& inquiry) noexcept override {
    while (!queue_.post(&inquiry)) {  // A take has not finished.
      std::this_thread::yield();
    }
  }

  std::vector<Mailbox<Inquiry*>::Cell> cells_ = std::vector<Mailbox<Inquiry*>::Cell>(4);
  Mailbox<Inquiry*> queue_{cells_};
};

// RacingAsker is told on another thread, of one inquiry at a time.
class RacingAsker final : public Asker {
 public:
  void answered(Inquiry& inquiry) noexcept override {
    told.store(&inquiry, std::memory_order_release);
  }
  std::atomic<Inquiry*> told{nullptr};
};

// One thread asks, looks at its inquiry, and abandons it or closes its answer; `wrong` counts what
// may not be.
void ask_and_abandon(Racing& authority, RacingAsker& asker, int rounds, std::atomic<int>& wrong) {
  for (int round = 0; round < rounds;) {
    asker.told.store(nullptr, std::memory_order_relaxed);
    const std::string user = std::to_string(round);
    const NtlmQuestion question = question_of(user);
    const ContextHandle context{SlotIndex(round), 1};
    Inquiry* inquiry = nullptr;
    if (authority.ask(question, context, asker, 0, inquiry) == Status::kAuthorityBusy) {
      std::this_thread::yield();
      continue;
    }
    for (int turn = round++ % 4; turn > 0; --turn) {
      std::this_thread::yield();
    }
    wrong += inquiry->is_about(context, question) ? 0 : 1;
    if (authority.abandon(*inquiry)) {
      wrong += asker.told.load(std::memory_order_relaxed) == nullptr ? 0 : 1;
      continue;
    }
    wrong += inquiry->answer.user == user ? 0 : 1;
    while (asker.told.load(std::memory_order_acquire) == nullptr) {
      std::this_thread::yield();
    }
    wrong += asker.told.load(std::memory_order_relaxed) == inquiry ? 0 : 1;
    authority.close(*inquiry);
  }
}

// Every inquiry is told of or abandoned, and comes back, whoever is faster.
TEST(AuthorityThreads, FinishAndAbandonLoseNothing) {
  constexpr int kRounds = 5'000;
  constexpr std::size_t kPlaces = 2;
  Racing authority(kPlaces);
  std::atomic<int> wrong{0};
  std::atomic<bool> over{false};
  std::array<RacingAsker, 2> told;
  std::vector<std::thread> askers;
  std::vector<std::thread> finishers;
  for (RacingAsker& asker : told) {
    askers.emplace_back([&] { ask_and_abandon(authority, asker, kRounds, wrong); });
    finishers.emplace_back([&] {
      while (authority.finish_next() || !over.load()) {
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : askers) {
    thread.join();
  }
  over = true;
  for (std::thread& thread : finishers) {
    thread.join();
  }
  while (authority.finish_next()) {
  }
  EXPECT_EQ(wrong, 0);
  ToldAsker asker;
  Inquiry* inquiry = nullptr;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    EXPECT_EQ(authority.ask(question_of("last"), kContext, asker, i, inquiry), Status::kAsked);
  }
  EXPECT_EQ(authority.ask(question_of("last"), kContext, asker, 9, inquiry),
            Status::kAuthorityBusy);
}

}  // namespace
}  // namespace usher::auth
