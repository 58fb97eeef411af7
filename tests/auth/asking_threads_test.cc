// Promise: inquiries are answered in the order in which they were asked, by as many threads as
// there may be; abandoned ones are skipped; nothing is lost, also when the authority ends.
#include "engine/auth/asking_threads.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <latch>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "tests/auth/asking.h"

namespace usher::auth {
namespace {

using testing::bytes_of;
using testing::question_of;
using testing::text_of;
using testing::ToldAsker;

using Names = std::vector<std::string>;

// Domain knows everybody, and answers as often as it is allowed to.
class Domain {
 public:
  static constexpr std::uint64_t kNoEnd = std::uint64_t{1} << 60;

  // allow lets that many more answers out.
  void allow(std::uint64_t answers) {
    const std::lock_guard lock(mutex_);
    allowed_ += answers;
    changed_.notify_all();
  }
  // wait_asked waits, as long as it takes, until it has been asked about `count`.
  Names wait_asked(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, count] { return asked_.size() >= count; });
    return asked_;
  }
  [[nodiscard]] Names asked() { return wait_asked(0); }

  void answer(const NtlmQuestion& question, NtlmAnswer& answer) {
    std::unique_lock lock(mutex_);
    asked_.push_back(text_of(question.user));
    changed_.notify_all();
    changed_.wait(lock, [this] { return allowed_ > 0; });
    allowed_ -= 1;
    answer.status = Status::kEstablished;
    answer.user = text_of(question.user) + " of " + text_of(question.domain);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t allowed_ = 0;
  Names asked_;  // Users, in the order of the questions.
};

class DomainAnswerer final : public Answerer {
 public:
  explicit DomainAnswerer(Domain& domain) : domain_(domain) {}
  void answer(const NtlmQuestion& question, NtlmAnswer& answer) noexcept override {
    domain_.answer(question, answer);
  }

 private:
  Domain& domain_;
};

class AskingThreadsTest : public ::testing::Test {
 protected:
  ~AskingThreadsTest() override { domain.allow(Domain::kNoEnd); }

  void start(std::size_t threads, std::size_t inquiries_max) {
    authority =
        make_asking_threads({.threads = threads, .inquiries_max = inquiries_max, .deadline_ms = 3},
                            [this] { return std::make_unique<DomainAnswerer>(domain); });
    ASSERT_NE(authority, nullptr);
  }
  Inquiry* ask(const std::string& user, Status expected = Status::kAsked) {
    Inquiry* inquiry = nullptr;
    EXPECT_EQ(authority->ask(question_of(user), {}, asker, 0, inquiry), expected);
    return inquiry;
  }
  // names lists what the asker has been told of, and checks that it was let in.
  static Names names(const std::vector<Inquiry*>& told) {
    Names users;
    for (const Inquiry* inquiry : told) {
      users.push_back(text_of(inquiry->question().user));
      EXPECT_EQ(inquiry->answer.status, Status::kEstablished) << users.back();
      EXPECT_EQ(inquiry->answer.user, users.back() + " of EXAMPLE");
    }
    return users;
  }

  Domain domain;
  ToldAsker asker;
  std::unique_ptr<Authority> authority;  // Ends first: its threads use the others.
};

TEST_F(AskingThreadsTest, AnswersWhatIsAsked) {
  start(2, 4);
  EXPECT_EQ(authority->deadline_us(), 3'000);
  domain.allow(Domain::kNoEnd);
  for (const std::string user : {"alice", "bob", "carol"}) {
    const Inquiry* inquiry = ask(user);
    ASSERT_EQ(asker.wait(1), std::vector<Inquiry*>{const_cast<Inquiry*>(inquiry)});
    EXPECT_EQ(names(asker.told()), Names{user});
    asker.close_all(*authority);
  }
}

TEST_F(AskingThreadsTest, AnswersInTheOrderAsked) {
  start(1, 8);
  const Names users = {"a", "b", "c", "d", "e", "f", "g", "h"};
  for (const std::string& user : users) {
    ask(user);
  }
  domain.allow(Domain::kNoEnd);
  EXPECT_EQ(names(asker.wait(users.size())), users);
  EXPECT_EQ(domain.asked(), users);
}

TEST_F(AskingThreadsTest, TakesNoMoreThanItMayAndThenAgain) {
  start(1, 4);
  for (const std::string user : {"a", "b", "c", "d"}) {
    ask(user);
  }
  ask("e", Status::kAuthorityBusy);
  domain.allow(1);
  EXPECT_EQ(names(asker.wait(1)), Names{"a"});
  ask("e", Status::kAuthorityBusy);  // The answer has not been fetched.
  asker.close_all(*authority);
  ask("f");
  ask("g", Status::kAuthorityBusy);
  domain.allow(Domain::kNoEnd);
  EXPECT_EQ(names(asker.wait(4)), (Names{"b", "c", "d", "f"}));
}

TEST_F(AskingThreadsTest, SkipsWhatWasAbandonedBeforeItsTurn) {
  start(1, 4);
  ask("a");
  Inquiry* b = ask("b");
  ask("c");
  domain.wait_asked(1);
  EXPECT_TRUE(authority->abandon(*b));
  domain.allow(Domain::kNoEnd);
  EXPECT_EQ(names(asker.wait(2)), (Names{"a", "c"}));
  EXPECT_EQ(domain.asked(), (Names{"a", "c"}));
  ask("d");
  ask("e");  // In b's place.
  ask("f", Status::kAuthorityBusy);
  EXPECT_EQ(names(asker.wait(4)), (Names{"a", "c", "d", "e"}));
}

TEST_F(AskingThreadsTest, TellsNobodyOfAnAnswerThatCameTooLate) {
  start(1, 2);
  Inquiry* a = ask("a");
  domain.wait_asked(1);
  EXPECT_TRUE(authority->abandon(*a));
  ask("b");
  ask("c", Status::kAuthorityBusy);  // a's question is still under way.
  domain.allow(Domain::kNoEnd);
  EXPECT_EQ(names(asker.wait(1)), Names{"b"});
  ask("d");
  EXPECT_EQ(names(asker.wait(2)), (Names{"b", "d"}));
  EXPECT_EQ(domain.asked(), (Names{"a", "b", "d"}));
}

// All three must be in the middle of an answer before one of them gets on.
TEST_F(AskingThreadsTest, AsksAsManyAtOnceAsItHasThreads) {
  start(3, 8);
  for (const std::string user : {"a", "b", "c", "d", "e"}) {
    ask(user);
  }
  EXPECT_EQ(domain.wait_asked(3).size(), 3u);
  EXPECT_TRUE(asker.told().empty());
  domain.allow(1);
  asker.wait(1);
  EXPECT_EQ(domain.wait_asked(4)[3], "d") << "next in the queue";
  domain.allow(Domain::kNoEnd);
  EXPECT_EQ(asker.wait(5).size(), 5u);
}

// The domain answers one by one, and the authority ends somewhere in between. What has been asked
// until then is answered; the rest fails, and is told of as well.
TEST_F(AskingThreadsTest, LosesNothingWhenItEnds) {
  class Listener final : public Asker {
   public:
    void answered(Inquiry& inquiry) noexcept override {
      const std::lock_guard lock(mutex);
      told.push_back(text_of(inquiry.question().user));
      failed += inquiry.answer.status == Status::kAuthorityFailed ? 1 : 0;
      EXPECT_EQ(inquiry.answer.status == Status::kEstablished, failed == 0) << "the last ones";
    }
    std::mutex mutex;
    Names told;
    int failed = 0;
  };
  constexpr int kInquiries = 64;
  start(1, kInquiries);
  Listener listener;
  Names users;
  for (int i = 0; i < kInquiries; ++i) {
    Inquiry* inquiry = nullptr;
    const std::string user = std::to_string(i);
    ASSERT_EQ(authority->ask(question_of(user), {}, listener, 0, inquiry), Status::kAsked);
    if (i % 8 == 5) {
      ASSERT_TRUE(authority->abandon(*inquiry));
    } else {
      users.push_back(user);
    }
  }
  domain.wait_asked(1);
  std::thread slow([&] {
    for (int i = 0; i < kInquiries; ++i) {
      std::this_thread::yield();
      domain.allow(1);
    }
  });
  authority.reset();
  slow.join();
  EXPECT_EQ(listener.told, users);
  EXPECT_EQ(domain.asked().size() + static_cast<std::size_t>(listener.failed), users.size());
}

TEST_F(AskingThreadsTest, EndsWithoutEverHavingBeenAsked) {
  start(4, 2);
  authority.reset();
  EXPECT_TRUE(domain.asked().empty());
}

// Threads fall asleep and are woken all the time; one wake-up that is lost, and this never ends.
TEST_F(AskingThreadsTest, ManyAskersAreAllAnswered) {
  constexpr int kAskers = 3;
  constexpr int kRounds = 1'000;
  start(2, 4);
  domain.allow(Domain::kNoEnd);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  std::vector<ToldAsker> askers(kAskers);
  for (int i = 0; i < kAskers; ++i) {
    threads.emplace_back([&, i] {
      ToldAsker& mine = askers[static_cast<std::size_t>(i)];
      for (int round = 0; round < kRounds; ++round) {
        const std::string user = std::to_string(i) + "/" + std::to_string(round);
        const ContextHandle context{SlotIndex(i), 1};
        Inquiry* inquiry = nullptr;
        while (authority->ask(question_of(user), context, mine, 0, inquiry) != Status::kAsked) {
          std::this_thread::yield();
        }
        // kAuthorityBusy: the queue came round to a take that had not finished.
        const Inquiry* told = mine.wait(1)[0];
        wrong += told == inquiry && (told->answer.user == user + " of EXAMPLE" ||
                                     told->answer.status == Status::kAuthorityBusy)
                     ? 0
                     : 1;
        mine.close_all(*authority);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

// Counted counts the Answerers there are, and wants each to stay with its thread.
struct Counted final : Answerer {
  explicit Counted(std::atomic<int>& to_count) : count(to_count) { count += 1; }
  ~Counted() override {
    EXPECT_EQ(std::this_thread::get_id(), home);
    count -= 1;
  }
  void answer(const NtlmQuestion& /*question*/, NtlmAnswer& answer) noexcept override {
    EXPECT_EQ(std::this_thread::get_id(), home);
    answer.status = Status::kNtlmProof;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  std::atomic<int>& count;
  std::thread::id home = std::this_thread::get_id();
};

// All are being made before one of them is ready: they are made at once, each on its thread.
TEST(MakeAskingThreads, EachThreadHasItsOwnAnswerer) {
  std::atomic<int> count{0};
  std::latch all(3);
  std::unique_ptr<Authority> authority =
      make_asking_threads({.threads = 3, .inquiries_max = 2}, [&] {
        all.arrive_and_wait();
        return std::make_unique<Counted>(count);
      });
  ASSERT_NE(authority, nullptr);
  EXPECT_EQ(count, 3);
  ToldAsker asker;
  Inquiry* inquiry = nullptr;
  ASSERT_EQ(authority->ask(question_of("alice"), {}, asker, 0, inquiry), Status::kAsked);
  EXPECT_EQ(asker.wait(1)[0]->answer.status, Status::kNtlmProof);
  authority.reset();
  EXPECT_EQ(count, 0);
}

TEST(MakeAskingThreads, IsNullWithoutOneOfTheAnswerers) {
  for (const int missing : {0, 1, 2, 3}) {
    for (const bool throws : {false, true}) {
      std::atomic<int> count{0};
      std::atomic<int> next{0};
      const std::unique_ptr<Authority> authority = make_asking_threads(
          {.threads = 3, .inquiries_max = 2}, [&]() -> std::unique_ptr<Answerer> {
            if (next++ != missing) {
              return std::make_unique<Counted>(count);
            }
            return throws ? throw std::bad_alloc() : nullptr;
          });
      EXPECT_EQ(authority != nullptr, missing == 3) << missing << throws;
      EXPECT_EQ(count, missing == 3 ? 3 : 0) << "none is left over";
    }
  }
}

TEST(MakeAskingThreads, IsNullWithoutMemoryForTheInquiries) {
  std::atomic<int> count{0};
  const auto make = [&] { return std::make_unique<Counted>(count); };
  EXPECT_EQ(make_asking_threads({.inquiries_max = std::size_t{1} << 60}, make), nullptr);
  EXPECT_NE(make_asking_threads({.inquiries_max = std::size_t{1} << 4}, make), nullptr);
}

// Signals are the embedding program's, and a thread's own faults the crash handler's.
TEST(MakeAskingThreads, LeavesSignalsToOthersAndHasAName) {
  struct Look final : Answerer {
    void answer(const NtlmQuestion& /*question*/, NtlmAnswer& answer) noexcept override {
      std::string name(16, '\0');
      pthread_getname_np(pthread_self(), name.data(), name.size());
      answer.user = name.c_str();
      sigset_t blocked;
      pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
      for (const int each :
           {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPROF, SIGCHLD, SIGPIPE, SIGWINCH,
            SIGIO, SIGQUIT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
        answer.pac.push_back(static_cast<std::uint8_t>(sigismember(&blocked, each)));
      }
      answer.status = Status::kEstablished;
    }
  };
  sigset_t before;
  sigset_t own;
  sigset_t after;
  sigemptyset(&own);
  sigaddset(&own, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &own, &before);
  const std::unique_ptr<Authority> authority = make_asking_threads(
      {.threads = 1, .inquiries_max = 2}, [] { return std::make_unique<Look>(); });
  ASSERT_NE(authority, nullptr);
  pthread_sigmask(SIG_SETMASK, &before, &after);
  for (const int each : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGPIPE}) {
    EXPECT_EQ(sigismember(&after, each), each == SIGUSR1 ? 1 : 0) << each << ": as it was";
  }
  ToldAsker asker;
  Inquiry* inquiry = nullptr;
  ASSERT_EQ(authority->ask(question_of("alice"), {}, asker, 0, inquiry), Status::kAsked);
  asker.wait(1);
  EXPECT_EQ(inquiry->answer.user, "usher-asking");
  EXPECT_EQ(inquiry->answer.pac,
            (std::vector<std::uint8_t>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace usher::auth
