// tests/interleave.h: the explorer reaches the orders it promises, and only those.
#include "tests/interleave.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace usher::testing {
namespace {

using Bodies = std::vector<Interleaver::Body>;
using Word = SteppedAtomic<unsigned>;

// Two threads add one by load and store; the explorer must find the order that loses one.
TEST(Interleaver, FindsALostUpdateAndNoneWithAReadModifyWrite) {
  for (const bool atomic : {false, true}) {
    std::unique_ptr<Word> word;
    const auto make = [&]() -> Bodies {
      word = std::make_unique<Word>(0u);
      const Interleaver::Body add = [&] {
        if (atomic) {
          word->fetch_add(1, std::memory_order_relaxed);
        } else {
          word->store(word->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
      };
      return {add, add};
    };
    std::set<unsigned> results;
    Interleaver::explore(make, [&] { results.insert(word->load(std::memory_order_relaxed)); });
    EXPECT_EQ(results, (atomic ? std::set<unsigned>{2} : std::set<unsigned>{1, 2}));
  }
}

// Store buffering: each thread stores its own word and loads the other's. Both may load 0 unless
// the stores are seq_cst.
TEST(Interleaver, ReachesStoreBufferingExactlyWhenAStoreIsNotSeqCst) {
  for (const std::memory_order order : {std::memory_order_release, std::memory_order_seq_cst}) {
    std::unique_ptr<std::pair<Word, Word>> words;
    std::pair<unsigned, unsigned> read;
    const auto make = [&]() -> Bodies {
      words = std::make_unique<std::pair<Word, Word>>();
      return {[&] {
                words->first.store(1, order);
                read.second = words->second.load(std::memory_order_seq_cst);
              },
              [&] {
                words->second.store(1, order);
                read.first = words->first.load(std::memory_order_seq_cst);
              }};
    };
    std::set<std::pair<unsigned, unsigned>> results;
    Interleaver::explore(make, [&] { results.insert(read); });
    EXPECT_EQ(results.count({0, 0}), order == std::memory_order_seq_cst ? 0u : 1u);
    EXPECT_EQ(results.count({1, 1}), 1u);
  }
}

// Message passing works on this model, as on x86: stores become visible in program order, and a
// thread sees its own at once.
TEST(Interleaver, KeepsTheOrderOfOneThreadsStores) {
  std::unique_ptr<std::pair<Word, Word>> words;
  unsigned own = 0;
  std::pair<unsigned, unsigned> read;
  const auto make = [&]() -> Bodies {
    words = std::make_unique<std::pair<Word, Word>>();
    return {[&] {
              words->first.store(7, std::memory_order_relaxed);
              own = words->first.load(std::memory_order_relaxed);
              words->second.store(1, std::memory_order_release);
            },
            [&] {
              read.second = words->second.load(std::memory_order_acquire);
              read.first = words->first.load(std::memory_order_relaxed);
            }};
  };
  std::set<std::pair<unsigned, unsigned>> results;
  Interleaver::explore(make, [&] {
    EXPECT_EQ(own, 7u);
    results.insert(read);
  });
  EXPECT_EQ(results, (std::set<std::pair<unsigned, unsigned>>{{0, 0}, {7, 0}, {7, 1}}));
}

TEST(Interleaver, AWaitingThreadRunsAgainOnceAnotherHasMoved) {
  std::unique_ptr<Word> word;
  const auto make = [&]() -> Bodies {
    word = std::make_unique<Word>(0u);
    return {[&] {
              while (word->load(std::memory_order_acquire) == 0) {
                Word::pause();
              }
            },
            [&] { word->store(1, std::memory_order_release); }};
  };
  const int schedules =
      Interleaver::explore(make, [&] { EXPECT_EQ(word->load(std::memory_order_relaxed), 1u); });
  EXPECT_GT(schedules, 2);
  EXPECT_LT(schedules, 100) << "a waiting loop must not multiply the orders";
}

// Two threads sleep on a word until a third has changed it and, by `notify`, said so.
int explore_sleepers(void (*notify)(Word&)) {
  std::unique_ptr<Word> word;
  const auto make = [&]() -> Bodies {
    word = std::make_unique<Word>(0u);
    const Interleaver::Body sleep = [&] { word->wait(0, std::memory_order_acquire); };
    return {sleep, sleep, [&, notify] {
              word->store(1, std::memory_order_release);
              notify(*word);
            }};
  };
  return Interleaver::explore(make, [] {});
}

TEST(Interleaver, WhoSleepsRunsAgainOnceItIsWoken) {
  EXPECT_GT(explore_sleepers([](Word& word) { word.notify_all(); }), 10);
}

TEST(InterleaverDeathTest, SaysWhenSomebodySleepsForEver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(explore_sleepers([](Word& word) { word.notify_one(); }), "every thread waits");
  EXPECT_DEATH(explore_sleepers([](Word&) {}), "every thread waits");
}

TEST(InterleaverDeathTest, SaysWhenEveryThreadWaits) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto make = [&]() -> Bodies { return {[] { Word::pause(); }}; };
  EXPECT_DEATH(Interleaver::explore(make, [] {}), "every thread waits");
}

}  // namespace
}  // namespace usher::testing
