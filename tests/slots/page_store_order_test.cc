// engine/slots/page_store.h under every interleaving of two or three threads with few preemptions:
// no page has two owners, none is lost, and none is wiped while somebody holds it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "engine/slots/page_store.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using Store = BasicPageStore<testing::SteppedAtomic>;
using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;

class PageStoreOrder : public ::testing::Test {
 protected:
  void fresh(std::size_t capacity) {
    pages.resize(capacity);
    links = std::vector<Store::Link>(capacity);
    store = std::make_unique<Store>(pages, links);
    kept = {};
  }
  // keep keeps `count` pages full of `octet`.
  bool keep(std::size_t count, std::uint8_t octet, Kept& out) {
    const std::vector<std::uint8_t> octets(count * kPageSize, octet);
    const Bytes part = octets;
    return store->keep({&part, 1}, out);
  }
  // is_intact says whether a chain still holds what was put there.
  [[nodiscard]] bool is_intact(const Kept& chain, std::uint8_t octet) const {
    std::vector<std::uint8_t> out(chain.size);
    store->read(chain, out);
    return std::ranges::all_of(out, [octet](std::uint8_t found) { return found == octet; });
  }
  // all_come_back gives every chain back and looks for pages that are lost or there twice.
  void all_come_back() {
    for (Kept& chain : kept) {
      store->release(chain);
    }
    ASSERT_EQ(store->free_count(), pages.size());
    Kept all;
    ASSERT_TRUE(keep(pages.size(), 9, all)) << "a page is lost";
    ASSERT_TRUE(is_intact(all, 9)) << "a page is on the free list twice";
    store->release(all);
    ASSERT_EQ(store->free_count(), pages.size()) << "a page remembers who held it before";
  }
  void explored(int schedules, int at_least) {
    EXPECT_TRUE(HasFailure() || schedules >= at_least) << schedules << ": has become trivial";
    RecordProperty("schedules", schedules);
  }

  std::vector<Store::Page> pages;
  std::vector<Store::Link> links;
  std::unique_ptr<Store> store;
  std::array<Kept, 3> kept;
};

// One thread stalls inside keep while the other takes two pages and gives the first one back:
// without a tag on the list's head the stalled one would install a page that is in use (ABA).
TEST_F(PageStoreOrder, AStalledKeepIsNotFooledByAPageThatCameBack) {
  const auto make = [&]() -> Bodies {
    fresh(3);
    return {[&] { (void)keep(1, 1, kept[0]); },
            [&] {
              Kept returned;
              (void)keep(1, 2, returned);
              (void)keep(1, 3, kept[1]);
              store->release(returned);
            }};
  };
  const auto check = [&] {
    ASSERT_TRUE(keep(1, 4, kept[2]));
    ASSERT_TRUE(is_intact(kept[0], 1) && is_intact(kept[1], 3) && is_intact(kept[2], 4))
        << "two owners share a page";
    all_come_back();
  };
  explored(Interleaver::explore(make, check), 100);
}

TEST_F(PageStoreOrder, AStalledReleaseLosesNoPage) {
  const auto make = [&]() -> Bodies {
    fresh(3);
    EXPECT_TRUE(keep(1, 1, kept[0]));
    return {[&] { store->release(kept[0]); },
            [&] {
              Kept first;
              Kept second;
              (void)keep(1, 2, first);
              (void)keep(1, 3, second);
              store->release(first);
              store->release(second);
            }};
  };
  explored(Interleaver::explore(make, [&] { all_come_back(); }), 100);
}

// Both want two of three pages: at most one can have them, and whoever falls short gives back what
// it had taken. Both may: each can hold a page that the other was short of.
TEST_F(PageStoreOrder, WhoFallsShortKeepsNothing) {
  std::array<bool, 2> got{};
  const auto make = [&]() -> Bodies {
    fresh(3);
    return {[&] { got[0] = keep(2, 1, kept[0]); }, [&] { got[1] = keep(2, 2, kept[1]); }};
  };
  const auto check = [&] {
    ASSERT_FALSE(got[0] && got[1]);
    for (const std::size_t i : {0u, 1u}) {
      ASSERT_EQ(kept[i].empty(), !got[i]);
      ASSERT_TRUE(is_intact(kept[i], static_cast<std::uint8_t>(i + 1)));
    }
    ASSERT_EQ(store->free_count(), got[0] || got[1] ? 1u : 3u);
    all_come_back();
  };
  explored(Interleaver::explore(make, check), 100);
}

// Whoever gets a page that another thread has just released gets it wiped and off the list.
TEST_F(PageStoreOrder, APageOnTheFreeListIsReadyForItsNextOwner) {
  bool got = false;
  const auto make = [&]() -> Bodies {
    fresh(1);
    EXPECT_TRUE(keep(1, 7, kept[0]));
    return {[&] { store->release(kept[0]); },
            [&] {
              const std::array<std::uint8_t, 1> one = {8};
              const Bytes part = one;
              got = store->keep({&part, 1}, kept[1]);
            }};
  };
  const auto check = [&] {
    ASSERT_TRUE(kept[0].empty());
    ASSERT_EQ(pages[0][0], got ? 8 : 0);
    ASSERT_TRUE(std::ranges::all_of(std::span(pages[0]).subspan(1),
                                    [](std::uint8_t octet) { return octet == 0; }));
    all_come_back();
  };
  explored(Interleaver::explore(make, check), 10);
}

// Two holders of one chain: whoever gives it back last wipes it, once, and nobody before.
TEST_F(PageStoreOrder, TheLastHolderGivesItBackWhoeverThatIs) {
  std::array<bool, 2> intact{};
  const auto make = [&]() -> Bodies {
    fresh(1);
    EXPECT_TRUE(keep(1, 1, kept[0]));
    kept[1] = store->share(kept[0]);
    const auto leave = [&](std::size_t i) {
      intact[i] = is_intact(kept[i], 1);
      store->release(kept[i]);
    };
    return {[=] { leave(0); }, [=] { leave(1); }};
  };
  const auto check = [&] {
    ASSERT_TRUE(intact[0] && intact[1]) << "wiped under a holder";
    ASSERT_TRUE(std::ranges::all_of(pages, [](const Store::Page& page) {
      return std::ranges::all_of(page, [](std::uint8_t octet) { return octet == 0; });
    }));
    all_come_back();
  };
  explored(Interleaver::explore(make, check), 10);
}

// One holder makes another while a third leaves: the new one holds what it was given.
TEST_F(PageStoreOrder, AShareThatIsMadeWhileAnotherLeavesHolds) {
  bool intact = false;
  const auto make = [&]() -> Bodies {
    fresh(2);
    EXPECT_TRUE(keep(1, 1, kept[0]));
    kept[1] = store->share(kept[0]);
    return {[&] {
              Kept more = store->share(kept[0]);
              store->release(kept[0]);
              intact = is_intact(more, 1);
              store->release(more);
            },
            [&] { store->release(kept[1]); }};
  };
  const auto check = [&] {
    ASSERT_TRUE(intact) << "wiped under a holder";
    all_come_back();
  };
  explored(Interleaver::explore(make, check), 10);
}

}  // namespace
}  // namespace usher
