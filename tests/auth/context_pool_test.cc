// engine/auth/context_pool.h: pages go back with the context that had them, however it ends.
#include "engine/auth/context_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace usher::auth {
namespace {

constexpr std::uint32_t kPages = 8;
constexpr std::int64_t kHalfOpenSeconds = 30;

class ContextPoolTest : public ::testing::Test {
 protected:
  // open opens a context that has kept something of both kinds.
  Pinned<Context> open_with_pages(std::int64_t at_s) {
    Status status = Status::kContinue;
    Pinned<Context> context = pool.open(at_s * kMicrosPerSecond, status);
    EXPECT_TRUE(bool(context));
    const std::vector<std::uint8_t> octets(kPageSize + 1, 0x5a);
    const Bytes part = octets;
    EXPECT_TRUE(pages.keep({&part, 1}, context->pac));
    EXPECT_TRUE(pages.keep({&part, 1}, context->delegated));
    EXPECT_EQ(pages.free_count(), kPages - 4);
    return context;
  }
  void expect_clean() {
    EXPECT_EQ(pages.free_count(), kPages) << "a page has leaked";
    EXPECT_EQ(pool.live(), 0u);
    EXPECT_TRUE(std::ranges::all_of(memory, [](const PageStore::Page& page) {
      return std::ranges::all_of(page, [](std::uint8_t octet) { return octet == 0; });
    }));
    EXPECT_TRUE(contexts[0].pac.empty() && contexts[0].delegated.empty());
  }

  std::vector<PageStore::Page> memory = std::vector<PageStore::Page>(kPages);
  std::vector<PageStore::Link> links = std::vector<PageStore::Link>(kPages);
  PageStore pages{memory, links};
  std::vector<SlotPool::Slot> slots = std::vector<SlotPool::Slot>(1);
  std::vector<Context> contexts = std::vector<Context>(1);
  ContextPool pool{slots, contexts, kHalfOpenSeconds, &pages};
};

TEST_F(ContextPoolTest, GivesPagesBackWhenAContextIsReleased) {
  Pinned<Context> context = open_with_pages(1000);
  pool.release(context);
  expect_clean();
}

TEST_F(ContextPoolTest, GivesPagesBackWhenAContextIsSweptAway) {
  { const Pinned<Context> context = open_with_pages(1000); }
  EXPECT_EQ(pool.sweep((1000 + kHalfOpenSeconds) * kMicrosPerSecond), 0u);
  EXPECT_EQ(pages.free_count(), kPages - 4) << "not yet";
  EXPECT_EQ(pool.sweep((1001 + kHalfOpenSeconds) * kMicrosPerSecond), 1u);
  expect_clean();
}

TEST_F(ContextPoolTest, GivesPagesBackWhenASlotIsNeededForANewContext) {
  { const Pinned<Context> context = open_with_pages(1000); }
  Pinned<Context> next = open_with_pages(1001 + kHalfOpenSeconds);
  pool.release(next);
  expect_clean();
}

TEST(ContextPool, TakesPagesFromLateContextsBeforeItRefuses) {
  std::vector<PageStore::Page> memory(kPages);
  std::vector<PageStore::Link> links(kPages);
  PageStore pages{memory, links};
  std::vector<SlotPool::Slot> slots(2);
  std::vector<Context> contexts(2);
  ContextPool pool{slots, contexts, kHalfOpenSeconds, &pages};
  const std::vector<std::uint8_t> octets(kPages * kPageSize, 0x5a);
  const Bytes all = octets;
  Status status = Status::kContinue;
  constexpr std::int64_t kBegin = 1000 * kMicrosPerSecond;
  {
    const Pinned<Context> late = pool.open(kBegin, status);
    ASSERT_TRUE(pool.keep({&all, 1}, late->pac, kBegin));
  }
  Pinned<Context> next = pool.open(kBegin, status);
  ASSERT_TRUE(bool(next)) << "there is a slot";
  EXPECT_FALSE(pool.keep({&all, 1}, next->pac, kBegin + kMicrosPerSecond)) << "not late yet";
  constexpr std::int64_t kLate = kBegin + (kHalfOpenSeconds + 1) * kMicrosPerSecond;
  EXPECT_TRUE(pool.keep({&all, 1}, next->pac, kLate));
  EXPECT_EQ(pool.live(), 1u) << "the late one is gone";
  pool.release(next);
  EXPECT_EQ(pages.free_count(), kPages);
}

TEST_F(ContextPoolTest, KeepsPagesOfAnEstablishedContextUntilItsEnd) {
  ContextHandle handle;
  {
    const Pinned<Context> context = open_with_pages(1000);
    pool.establish(context);
    handle = context.handle();
  }
  EXPECT_EQ(pool.sweep(1'000'000 * kMicrosPerSecond), 0u);
  EXPECT_EQ(pages.free_count(), kPages - 4);
  Status status = Status::kContinue;
  Pinned<Context> context = pool.pin(handle, status);
  ASSERT_TRUE(bool(context));
  pool.release(context);
  expect_clean();
}

}  // namespace
}  // namespace usher::auth
