// engine/fork_number.h: each process has a number that none of its ancestors has, however it was
// made, from its first moment to its last.
#include "engine/fork_number.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <cstdint>
#include <thread>

#include "tests/in_child.h"

namespace usher {
namespace {

using testing::Fork;
using testing::in_child;
using testing::kForks;

class ForkNumber : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(watch_forks()); }
};

TEST_F(ForkNumber, StaysAsItIsInAProcess) {
  const std::uint32_t ours = fork_number();
  EXPECT_TRUE(watch_forks()) << "more than once";
  for (const Fork& fork : kForks) {
    in_child([] {}, fork);
    EXPECT_EQ(fork_number(), ours) << fork.name;
  }
}

TEST_F(ForkNumber, IsNoAncestors) {
  const std::uint32_t ours = fork_number();
  for (const Fork& fork : kForks) {
    for (const Fork& again : kForks) {
      const auto in_grandchild = [&](std::uint32_t parents) {
        EXPECT_NE(fork_number(), ours);
        EXPECT_NE(fork_number(), parents);
        EXPECT_EQ(fork_number(), fork_number());
      };
      in_child(
          [&] {
            const std::uint32_t childs = fork_number();
            EXPECT_NE(childs, ours) << fork.name;
            in_child([&] { in_grandchild(childs); }, again);
            EXPECT_EQ(fork_number(), childs) << again.name;
          },
          fork);
      in_child([&] { in_child([&] { in_grandchild(ours); }, again); }, fork);  // Who never asked.
    }
  }
  EXPECT_EQ(fork_number(), ours);
}

// Handlers run in the order they came in, and this one is here before main.
bool g_asks = false;
std::uint32_t g_of_handler = 0;
const int g_handler = ::pthread_atfork(nullptr, nullptr, [] {
  if (g_asks) {
    g_of_handler = fork_number();
  }
});

TEST_F(ForkNumber, IsTheChildsBeforeAnyHandlerRuns) {
  ASSERT_EQ(g_handler, 0);
  const std::uint32_t ours = fork_number();
  g_asks = true;
  in_child([&] {
    EXPECT_NE(g_of_handler, ours);
    EXPECT_EQ(g_of_handler, fork_number());
  });
  g_asks = false;
}

TEST_F(ForkNumber, IsOneForAllThreadsThatAskFirst) {
  for (int round = 0; round < 50; ++round) {
    in_child([] {
      std::array<std::uint32_t, 4> seen{};
      std::array<std::thread, seen.size()> threads;
      for (std::size_t i = 0; i < threads.size(); ++i) {
        threads[i] = std::thread([&seen, i] { seen[i] = fork_number(); });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
      for (const std::uint32_t number : seen) {
        EXPECT_EQ(number, fork_number());
      }
    });
  }
}

}  // namespace
}  // namespace usher
