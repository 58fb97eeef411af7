// engine/slots/page_store.h: what is kept is read as it was, takes as many pages as it needs and no
// more, stays as long as anybody holds it, and leaves nothing of itself behind.
#include "engine/slots/page_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace usher {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets pattern(std::size_t size, std::uint8_t seed) {
  Octets octets(size);
  std::uint8_t next = seed;
  for (std::uint8_t& octet : octets) {
    octet = next;
    next = static_cast<std::uint8_t>(next * 5 + 1);
  }
  return octets;
}

class PageStoreTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kPages = 8;

  bool keep(Bytes octets, Kept& out) { return store.keep({&octets, 1}, out); }
  Octets read(const Kept& kept) const {
    Octets out(kept.size);
    store.read(kept, out);
    return out;
  }
  [[nodiscard]] bool all_zero() const {
    return std::ranges::all_of(pages, [](const PageStore::Page& page) {
      return std::ranges::all_of(page, [](std::uint8_t octet) { return octet == 0; });
    });
  }

  std::vector<PageStore::Page> pages = std::vector<PageStore::Page>(kPages);
  std::vector<PageStore::Link> links = std::vector<PageStore::Link>(kPages);
  PageStore store{pages, links};
};

TEST_F(PageStoreTest, GivesBackWhatItWasGivenWhateverItsSize) {
  for (const std::size_t size : {std::size_t{1}, kPageSize - 1, kPageSize, kPageSize + 1,
                                 2 * kPageSize, 3 * kPageSize + 7, kPages * kPageSize}) {
    const Octets octets = pattern(size, 3);
    Kept kept;
    ASSERT_TRUE(keep(octets, kept)) << size;
    EXPECT_EQ(kept.size, size);
    EXPECT_EQ(store.free_count(), kPages - (size + kPageSize - 1) / kPageSize);
    EXPECT_EQ(read(kept), octets);
    EXPECT_EQ(read(kept), octets) << "reading takes nothing away";
    store.release(kept);
    EXPECT_TRUE(kept.empty());
    EXPECT_EQ(store.free_count(), kPages);
    EXPECT_TRUE(all_zero()) << size;
  }
}

TEST_F(PageStoreTest, JoinsParts) {
  const Octets a = pattern(kPageSize - 2, 1);
  const Octets b = pattern(5, 2);
  const Octets c = pattern(kPageSize, 3);
  const Bytes parts[] = {a, Bytes{}, b, c, Bytes{}};
  Kept kept;
  ASSERT_TRUE(store.keep(parts, kept));
  Octets all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  EXPECT_EQ(read(kept), all);
  EXPECT_EQ(store.free_count(), kPages - 3);
  store.release(kept);
}

TEST_F(PageStoreTest, NeedsNoPageForNothing) {
  Kept kept;
  EXPECT_TRUE(store.keep({}, kept));
  EXPECT_TRUE(kept.empty());
  EXPECT_EQ(store.free_count(), kPages);
  store.release(kept);
  store.release(kept);
  EXPECT_EQ(store.free_count(), kPages);
}

TEST_F(PageStoreTest, TakesAllOrNothing) {
  Kept first;
  ASSERT_TRUE(keep(pattern(6 * kPageSize, 1), first));
  Kept second;
  EXPECT_FALSE(keep(pattern(2 * kPageSize + 1, 2), second));
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(second.first_page, Kept::kNone);
  EXPECT_EQ(store.free_count(), 2u);
  EXPECT_TRUE(keep(pattern(2 * kPageSize, 2), second)) << "the positive twin";
  EXPECT_EQ(read(first), pattern(6 * kPageSize, 1)) << "a neighbour is not touched";
  EXPECT_EQ(read(second), pattern(2 * kPageSize, 2));
  Kept third;
  EXPECT_FALSE(keep(pattern(1, 3), third));
  store.release(first);
  EXPECT_TRUE(keep(pattern(1, 3), third));
  store.release(second);
  store.release(third);
  EXPECT_EQ(store.free_count(), kPages);
  EXPECT_TRUE(all_zero());
}

TEST_F(PageStoreTest, GivesPagesOutInAnyOrderTheyCameBack) {
  std::vector<Kept> kept(kPages);
  for (std::uint8_t i = 0; i < kPages; ++i) {
    ASSERT_TRUE(keep(pattern(kPageSize, i), kept[i]));
  }
  for (const std::size_t i : {3u, 0u, 7u, 5u}) {
    store.release(kept[i]);
  }
  Kept chain;
  ASSERT_TRUE(keep(pattern(4 * kPageSize, 99), chain));
  EXPECT_EQ(store.free_count(), 0u);
  EXPECT_EQ(read(chain), pattern(4 * kPageSize, 99));
  for (const std::size_t i : {1u, 2u, 4u, 6u}) {
    EXPECT_EQ(read(kept[i]), pattern(kPageSize, static_cast<std::uint8_t>(i)));
  }
}

TEST_F(PageStoreTest, IsWipedWhenItsLastHolderGivesItBack) {
  const Octets octets = pattern(2 * kPageSize + 9, 5);
  Kept first;
  ASSERT_TRUE(keep(octets, first));
  Kept second = store.share(first);
  Kept third = store.share(second);
  EXPECT_EQ(store.free_count(), kPages - 3) << "sharing takes no page";
  store.release(first);
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(read(second), octets);
  store.release(third);
  EXPECT_EQ(read(second), octets);
  EXPECT_EQ(store.free_count(), kPages - 3);
  store.release(second);
  EXPECT_EQ(store.free_count(), kPages);
  EXPECT_TRUE(all_zero());
}

TEST_F(PageStoreTest, PagesThatWereSharedAreAsGoodAsNew) {
  for (std::uint8_t round = 0; round < 3; ++round) {
    Kept all;
    ASSERT_TRUE(keep(pattern(kPages * kPageSize, round), all));
    Kept shared = store.share(all);
    store.release(all);
    EXPECT_EQ(store.free_count(), 0u) << "still held";
    store.release(shared);
    EXPECT_EQ(store.free_count(), kPages) << "nobody holds it, whoever did before";
  }
}

TEST_F(PageStoreTest, SharesNothingToo) {
  Kept nothing = store.share(Kept{});
  EXPECT_TRUE(nothing.empty());
  store.release(nothing);
  EXPECT_EQ(store.free_count(), kPages);
}

TEST_F(PageStoreTest, AShareGivesItselfBack) {
  const Octets octets = pattern(kPageSize, 6);
  Kept mine;
  ASSERT_TRUE(keep(octets, mine));
  {
    KeptShare none;
    EXPECT_FALSE(none);
    KeptShare share(store, mine);
    EXPECT_TRUE(share);
    store.release(mine);
    EXPECT_EQ(store.free_count(), kPages - 1);
    KeptShare moved(std::move(share));
    KeptShare assigned;
    assigned = std::move(moved);
    Kept again = assigned.share();
    EXPECT_EQ(read(again), octets);
    store.release(again);
    EXPECT_EQ(store.free_count(), kPages - 1);
  }
  EXPECT_EQ(store.free_count(), kPages);
  EXPECT_TRUE(all_zero());
}

TEST_F(PageStoreTest, LosesNoSharedPageToManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  const Octets octets = pattern(kPageSize + 1, 7);
  Kept root;
  ASSERT_TRUE(keep(octets, root));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, mine = store.share(root)]() mutable {
      for (int round = 0; round < kRounds; ++round) {
        Kept share = store.share(mine);
        wrong += round % 1000 == 0 && read(share) != octets ? 1 : 0;
        store.release(share);
      }
      store.release(mine);
    });
  }
  store.release(root);
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(store.free_count(), kPages);
  EXPECT_TRUE(all_zero());
}

TEST_F(PageStoreTest, LosesNoPageToManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  std::atomic<int> wrong{0};
  std::atomic<int> kept_count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        const std::size_t size = static_cast<std::size_t>(1 + (round * 7 + t) % 3) * kPageSize;
        const Octets octets(size, static_cast<std::uint8_t>(t + 1));
        Kept kept;
        if (keep(octets, kept)) {
          kept_count += 1;
          wrong += read(kept) == octets ? 0 : 1;
          store.release(kept);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(kept_count, kRounds);
  EXPECT_EQ(store.free_count(), kPages);
  EXPECT_TRUE(all_zero());
}

}  // namespace
}  // namespace usher
