// engine/slots/published.h: readers always see a whole live value; replace() returns only after the
// old one is gone.
#include "engine/slots/published.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace usher {
namespace {

// Value counts the living and knows whether it is one of them.
struct Value {
  explicit Value(int number_, std::atomic<int>& living_) : number(number_), living(living_) {
    ++living;
  }
  ~Value() {
    number = -1;
    --living;
  }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  int number;  // Deliberately not atomic: TSan proves that no reader is left when it is destroyed.
  std::atomic<int>& living;
};

TEST(Published, ReadersSeeTheNewestValue) {
  std::atomic<int> living = 0;
  {
    Published<Value> published(std::make_unique<const Value>(1, living));
    EXPECT_EQ(published.borrow()->number, 1);
    for (int number = 2; number < 6; ++number) {
      published.replace(std::make_unique<const Value>(number, living));
      EXPECT_EQ(published.borrow()->number, number);
      EXPECT_EQ((*published.borrow()).number, number);
      EXPECT_EQ(living, 1) << "replace returns after the old value is destroyed";
    }
  }
  EXPECT_EQ(living, 0);
}

TEST(Published, TwoReadersShareOneValue) {
  std::atomic<int> living = 0;
  const Published<Value> published(std::make_unique<const Value>(1, living));
  const auto first = published.borrow();
  const auto second = published.borrow();
  EXPECT_EQ(&*first, &*second);
}

TEST(Published, ReplaceWaitsForAReaderAndShowsLaterOnesTheNewValueMeanwhile) {
  std::atomic<int> living = 0;
  Published<Value> published(std::make_unique<const Value>(1, living));
  std::atomic<bool> replaced = false;
  std::thread writer;
  {
    auto early = published.borrow();
    const auto moved = std::move(early);  // The hold moves along and is given back once.
    writer = std::thread([&] {
      published.replace(std::make_unique<const Value>(2, living));
      replaced = true;
    });
    while (published.borrow()->number != 2) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // Past the writer's yields.
    EXPECT_EQ(moved->number, 1);
    EXPECT_EQ(living, 2);
    EXPECT_FALSE(replaced);
  }
  writer.join();
  EXPECT_TRUE(replaced);
  EXPECT_EQ(living, 1);
}

TEST(Published, HoldsUnderFourThreads) {
  constexpr int kReaders = 2;
  constexpr int kWriters = 2;
  constexpr int kReplaces = 1'000;
  std::atomic<int> living = 0;
  std::atomic<int> writing = kWriters;
  std::atomic<int> borrowed = 0;
  Published<Value> published(std::make_unique<const Value>(0, living));
  std::vector<std::thread> threads;
  for (int reader = 0; reader < kReaders; ++reader) {
    threads.emplace_back([&] {
      do {
        const auto value = published.borrow();
        EXPECT_GE(value->number, 0) << "a destroyed value";
        ++borrowed;
      } while (writing > 0);
    });
  }
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&] {
      for (int number = 1; number <= kReplaces; ++number) {
        published.replace(std::make_unique<const Value>(number, living));
      }
      --writing;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(living, 1);
  EXPECT_EQ(published.borrow()->number, kReplaces);
  EXPECT_GT(borrowed, 0);
}

}  // namespace
}  // namespace usher
