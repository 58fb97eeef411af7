// engine/auth/context_pool.h: pages go back with the context that had them, however it ends.
#include "engine/auth/context_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string_view>
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

class ContextStorage : public ::testing::Test {
 protected:
  static Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  // Whatever was written is gone, be it part of something that was kept or not.
  void expect_zeros_when_wiped() {
    EXPECT_FALSE(is_zero());
    context.wipe();
    EXPECT_TRUE(is_zero());
  }
  bool is_zero() {
    return std::ranges::all_of(context.storage, [](std::uint8_t octet) { return octet == 0; });
  }
  Context context{};
};

TEST_F(ContextStorage, IsZerosAgainWhateverWasKept) {
  ASSERT_TRUE(context.keep(0, bytes_of("alice")));
  ASSERT_TRUE(context.keep(1, bytes_of("EXAMPLE.TEST")));
  ASSERT_TRUE(context.keep(2, bytes_of("HTTP/web.example.test@EXAMPLE.TEST")));
  constexpr std::array<std::uint8_t, 4> kTarget = {'w', 0, 'e', 0};
  ASSERT_TRUE(context.keep_target(kTarget));
  EXPECT_EQ(context.target().size(), 2u);
  expect_zeros_when_wiped();
}

TEST_F(ContextStorage, IsZerosAgainAfterSomethingShorter) {
  ASSERT_TRUE(context.keep(0, std::vector<std::uint8_t>(context.storage.size(), 'x')));
  ASSERT_TRUE(context.keep(0, bytes_of("bob")));
  expect_zeros_when_wiped();
  ASSERT_TRUE(context.keep(0, bytes_of("bob")));
  ASSERT_TRUE(context.keep(1, bytes_of("REALM")));
  context.forget(1);
  ASSERT_TRUE(context.keep(0, bytes_of("b")));
  expect_zeros_when_wiped();
}

TEST_F(ContextStorage, IsZerosAgainAfterNamesThatDidNotFit) {
  ASSERT_TRUE(context.keep(0, std::vector<std::uint8_t>(context.storage.size() - 20, 'x')));
  // A component that fits, and one that does not any more.
  std::vector<std::uint8_t> components = {0x1b, 4, 'H', 'T', 'T', 'P', 0x1b, 40};
  components.resize(components.size() + 40, 'y');
  EXPECT_FALSE(context.keep_principal(1, {.type = 2, .components = components}));
  expect_zeros_when_wiped();
  ASSERT_TRUE(context.keep(0, bytes_of("bob")));
  // Half of a pair of surrogates behind what is text.
  std::vector<std::uint8_t> broken(40, 'z');
  broken.insert(broken.end(), {0x00, 0xd8});
  EXPECT_TRUE(context.keep_target(broken));
  EXPECT_EQ(context.target().size(), 1u);
  expect_zeros_when_wiped();
}

}  // namespace
}  // namespace usher::auth
