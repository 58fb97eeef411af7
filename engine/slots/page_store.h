// Pages of memory that all contexts take from, for what does not fit into one: taken and given back
// without locks and without allocation.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "engine/limits.h"
#include "engine/secret.h"
#include "parsers/bytes.h"

namespace usher {

// Kept names bytes in a PageStore: a chain of pages. Each of its holders gives it back.
struct Kept {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t first_page = kNone;
  std::uint32_t size = 0;

  [[nodiscard]] bool empty() const noexcept { return size == 0; }
};

// BasicPageStore is a free list of page indices with a tag against ABA, like BasicSlotPool's. What
// is kept has one holder, whose pages they are, until it is shared; it is never changed. Handing a
// Kept to another thread is the caller's business (a context's pin does it). The child of a fork
// may go on with its copy; what other threads of the parent were taking or giving back stays taken
// there. `Atomic` is std::atomic, or what tests/interleave.h substitutes.
template <template <class> class Atomic>
class BasicPageStore {
 public:
  static constexpr std::uint32_t kCapacityMax = (1u << 24) - 1;

  using Page = std::array<std::uint8_t, kPageSize>;
  struct Link {
    Atomic<std::uint32_t> next{0};    // Next free page, or next page of a chain.
    Atomic<std::uint32_t> others{0};  // Of a chain's first page: how many hold it besides one.
  };

  // Both are borrowed for the store's life and equally many; pages need not be touched before.
  BasicPageStore(std::span<Page> pages, std::span<Link> links) noexcept;
  BasicPageStore(const BasicPageStore&) = delete;
  BasicPageStore& operator=(const BasicPageStore&) = delete;

  // keep copies `parts`, one after the other, into as many pages as they need. False if so many are
  // not free; none is taken then. Nothing at all takes no page. Any thread.
  [[nodiscard]] bool keep(std::span<const Bytes> parts, Kept& out) noexcept;

  // read copies what is kept into `out`, which is kept.size bytes.
  void read(const Kept& kept, MutableBytes out) const noexcept;

  // share is another holder of what `kept`, which the caller holds, names; of nothing it is
  // nothing. Any thread; takes no page and no time worth mentioning, whatever the size.
  [[nodiscard]] Kept share(const Kept& kept) noexcept;

  // release empties `kept`. The last holder to do so wipes the pages and gives them back.
  void release(Kept& kept) noexcept;

  // free_count is how many pages nobody has; exact when nobody else is calling.
  [[nodiscard]] std::uint32_t free_count() const noexcept;

 private:
  // Index of the first free page (kEmpty: none) and a tag that every push and pop moves on.
  static constexpr std::uint64_t kTagUnit = 1u << 24;
  static constexpr std::uint64_t kIndexMask = kTagUnit - 1;
  static constexpr std::uint64_t kEmpty = kIndexMask;

  // leave says whether the caller, a holder of that chain, was the last.
  [[nodiscard]] bool leave(std::uint32_t first_page) noexcept;
  [[nodiscard]] std::uint32_t pop() noexcept;                   // Kept::kNone if there is none.
  void push(std::uint32_t first, std::uint32_t last) noexcept;  // A chain of pages, by links_.

  std::span<Page> pages_;
  std::span<Link> links_;
  alignas(kCacheLine) Atomic<std::uint64_t> head_;
};

using PageStore = BasicPageStore<std::atomic>;

// KeptShare is a holder that gives itself back. One thread at a time, but any may share it further.
class KeptShare {
 public:
  KeptShare() noexcept = default;  // Of nothing.
  KeptShare(PageStore& store, const Kept& kept) noexcept
      : store_(&store), kept_(store.share(kept)) {}
  KeptShare(KeptShare&& other) noexcept
      : store_(other.store_), kept_(std::exchange(other.kept_, {})) {}
  KeptShare& operator=(KeptShare&& other) noexcept {
    std::swap(store_, other.store_);
    std::swap(kept_, other.kept_);
    return *this;
  }
  ~KeptShare() {
    if (!kept_.empty()) {
      store_->release(kept_);
    }
  }

  explicit operator bool() const noexcept { return !kept_.empty(); }

  // share is one more holder, whom nobody gives back for the caller. Not of nothing.
  [[nodiscard]] Kept share() const noexcept { return store_->share(kept_); }

 private:
  PageStore* store_ = nullptr;
  Kept kept_;
};

// Implementation.

template <template <class> class Atomic>
BasicPageStore<Atomic>::BasicPageStore(std::span<Page> pages, std::span<Link> links) noexcept
    : pages_(pages), links_(links), head_(kEmpty) {
  assert(pages.size() == links.size() && pages.size() <= kCapacityMax);
  for (auto index = static_cast<std::uint32_t>(pages.size()); index-- > 0;) {
    push(index, index);
  }
}

template <template <class> class Atomic>
bool BasicPageStore<Atomic>::keep(std::span<const Bytes> parts, Kept& out) noexcept {
  std::size_t size = 0;
  for (const Bytes part : parts) {
    size += part.size();
  }
  out = {};
  // The chain is built first, so that a store that runs short is left as it was.
  for (std::size_t reserved = 0; reserved < size; reserved += kPageSize) {
    const std::uint32_t page = pop();
    if (page == Kept::kNone) {
      release(out);
      return false;
    }
    // Relaxed: a page that was popped is this thread's alone.
    links_[page].next.store(out.first_page, std::memory_order_relaxed);
    out.first_page = page;
    out.size = static_cast<std::uint32_t>(std::min(size, reserved + kPageSize));
  }
  std::uint32_t page = out.first_page;
  std::size_t at = 0;
  for (Bytes rest : parts) {
    while (!rest.empty()) {
      if (at == kPageSize) {
        page = links_[page].next.load(std::memory_order_relaxed);
        at = 0;
      }
      const Bytes piece = rest.first(std::min(rest.size(), kPageSize - at));
      copy(piece, std::span(pages_[page]).subspan(at));
      at += piece.size();
      rest = rest.subspan(piece.size());
    }
  }
  return true;
}

template <template <class> class Atomic>
void BasicPageStore<Atomic>::read(const Kept& kept, MutableBytes out) const noexcept {
  assert(out.size() == kept.size);
  for (std::uint32_t page = kept.first_page; !out.empty();
       page = links_[page].next.load(std::memory_order_relaxed)) {
    const Bytes piece = Bytes(pages_[page]).first(std::min(out.size(), kPageSize));
    copy(piece, out);
    out = out.subspan(piece.size());
  }
}

template <template <class> class Atomic>
Kept BasicPageStore<Atomic>::share(const Kept& kept) noexcept {
  if (!kept.empty()) {
    // Relaxed: the caller is a holder, so nobody is last before this is counted.
    links_[kept.first_page].others.fetch_add(1, std::memory_order_relaxed);
  }
  return kept;
}

template <template <class> class Atomic>
bool BasicPageStore<Atomic>::leave(std::uint32_t first_page) noexcept {
  Atomic<std::uint32_t>& others = links_[first_page].others;
  // Acquire, here and below: whatever others have read there is over before it is wiped. Where
  // there are no others nobody can come, for only a holder shares.
  if (others.load(std::memory_order_acquire) == 0) {
    return true;
  }
  // Release: so is what this thread has read.
  if (others.fetch_sub(1, std::memory_order_acq_rel) != 0) {
    return false;
  }
  others.store(0, std::memory_order_relaxed);  // The others have left since; push publishes it.
  return true;
}

template <template <class> class Atomic>
void BasicPageStore<Atomic>::release(Kept& kept) noexcept {
  if (kept.first_page == Kept::kNone || !leave(kept.first_page)) {
    kept = {};
    return;
  }
  std::size_t rest = kept.size;
  std::uint32_t last = kept.first_page;
  for (std::uint32_t page = kept.first_page; page != Kept::kNone;) {
    const std::size_t used = std::min(rest, kPageSize);
    wipe(std::span(pages_[page]).first(used));
    rest -= used;
    last = page;
    page = links_[page].next.load(std::memory_order_relaxed);
  }
  push(kept.first_page, last);
  kept = {};
}

template <template <class> class Atomic>
std::uint32_t BasicPageStore<Atomic>::free_count() const noexcept {
  std::uint32_t count = 0;
  for (std::uint64_t page = head_.load(std::memory_order_acquire) & kIndexMask; page != kEmpty;
       ++count) {
    page = links_[page].next.load(std::memory_order_relaxed) & kIndexMask;
  }
  return count;
}

template <template <class> class Atomic>
std::uint32_t BasicPageStore<Atomic>::pop() noexcept {
  // Acquire, here and below, pairs with the release in push: it shows the link that was written
  // before the page was pushed, and that its wiping is over.
  std::uint64_t head = head_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint64_t index = head & kIndexMask;
    if (index == kEmpty) {
      return Kept::kNone;
    }
    // Another thread may pop this page first and rewrite its link; then the tag has moved on and
    // the value read here is discarded.
    const std::uint64_t next = links_[index].next.load(std::memory_order_relaxed) & kIndexMask;
    const std::uint64_t popped = ((head & ~kIndexMask) + kTagUnit) | next;
    if (head_.compare_exchange_weak(head, popped, std::memory_order_acquire,
                                    std::memory_order_acquire)) {
      return static_cast<std::uint32_t>(index);
    }
  }
}

template <template <class> class Atomic>
void BasicPageStore<Atomic>::push(std::uint32_t first, std::uint32_t last) noexcept {
  // Relaxed: `head` is only copied into the link, never followed.
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  std::uint64_t pushed;
  do {
    links_[last].next.store(static_cast<std::uint32_t>(head & kIndexMask),
                            std::memory_order_relaxed);
    pushed = ((head & ~kIndexMask) + kTagUnit) | first;
    // Release publishes the links and the wiped pages to the acquire that pops them.
  } while (!head_.compare_exchange_weak(head, pushed, std::memory_order_release,
                                        std::memory_order_relaxed));
}

}  // namespace usher
