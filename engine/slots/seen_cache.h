// What came of byte strings that were seen before: bounded, shared by all threads, lock-free.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "engine/limits.h"
#include "engine/secret.h"
#include "engine/slots/pages.h"
#include "engine/slots/seen_filter.h"
#include "engine/slots/seen_hash.h"
#include "engine/slots/seen_set.h"
#include "parsers/bytes.h"

namespace usher {

struct SeenCacheOptions {
  std::uint32_t entry_count = 0;     // At least 1; rounded up to a power of two, and to kSeenWays.
  std::uint32_t key_size_max = 0;    // Bytes; what is longer is declined.
  std::uint32_t value_size_max = 0;  // Likewise.
  // A key is admitted if it was offered before within so many seconds; at most 2^23.
  std::int64_t again_within_s = 3600;
};
inline constexpr std::uint32_t kSeenEntryCountMax = 1u << 20;
inline constexpr std::uint32_t kSeenSizeMax = 1u << 20;  // Bytes, of a key and of a value.

// Offered is what became of an offer. Whatever it is, nobody has waited.
enum class Offered : std::uint8_t {
  kAdmitted,   // Copied, to where nothing was or something that had expired.
  kReplaced,   // Copied, and an entry had to go that could have been found again.
  kFirstTime,  // Remembered that it was offered; nothing is copied before it is offered again.
  kPresent,    // It is there already: another thread was faster.
  kExpired,    // It may not be found any more.
  kTooLarge,   // Its key or its value.
  kBusy,       // Another thread is admitting something to the same set.
  kNoRoom,     // Everything in its place is pinned or was found since the last admission there.
  kForgotten,  // forget or wipe_all was called after it had been looked for.
};

// BasicSeenCache maps whole byte strings to what came of them: a value, which is copied in, and a
// Payload, which is made in its place. Before an entry is wiped its Payload is destroyed: it may
// hold what it must give back.
//
// Keys end in what differs whatever else is the same, as a sealed ticket does: those of one size
// and one end crowd one set. A key's hash chooses a set of 8 ways. Each way has a word - tag of the
// hash, number of pins, a bit for "found lately", state - and all words of a set lie in one cache
// line:
//
//   empty --admit--> writing --publish--> ready --doom--> doomed --last unpin wipes--> empty
//                       ^                 |   (pins come and go)
//                       `----- admit -----'   (no pin)
//
// Bytes are written in the state "writing", which one thread has entered by compare-and-swap from a
// word without pins, and by the last unpin of a doomed entry; they are read only under a pin, which
// is had by compare-and-swap on a ready word. So no byte is read while it is written. Whether an
// entry is the one that is looked for is decided under the pin, by comparing all of the key: what
// the way was when its word was first read does not matter, and there is no ABA.
//
// Admissions to one set take turns by a flag that nobody waits for: who finds it taken declines.
// That is what makes the bound on one client's share exact. A thread that is stopped in the middle
// of one keeps its set from admitting, and nobody from finding.
//
// All memory is the caller's and lies in one piece; it holds secrets. `Atomic` is std::atomic, or
// what tests/interleave.h substitutes. The child of a fork may go on with its copy; ways that other
// threads of the parent had pinned stay pinned there, and sets they were admitting to stay as they
// are.
template <class Payload, template <class> class Atomic>
class BasicSeenCache {
  static_assert(std::is_nothrow_default_constructible_v<Payload>);
  static_assert(std::is_nothrow_destructible_v<Payload>);
  static_assert(alignof(Payload) <= kCacheLine);
  using Filter = BasicSeenFilter<Atomic>;

 public:
  // memory_size is how many bytes a cache of these options takes. For each entry: 112 bytes, and
  // room for payload, key and value, each rounded up to a cache line. Of an entry's room only the
  // front is ever touched, as much as the largest that lay in it. With 1,280 bytes of payload, keys
  // and values of up to 8 KiB each: 17,840 bytes an entry, of which a ticket of 700 bytes touches
  // one or two pages, and one of 4.5 KB three or four.
  [[nodiscard]] static constexpr std::size_t memory_size(const SeenCacheOptions& options) noexcept;

  // entry_count is how many entries a cache of these options has.
  [[nodiscard]] static constexpr std::uint32_t entry_count(
      const SeenCacheOptions& options) noexcept {
    return std::bit_ceil(options.entry_count < kSeenWays ? kSeenWays : options.entry_count);
  }

  // is_valid says whether there can be a cache of these options.
  [[nodiscard]] static constexpr bool is_valid(const SeenCacheOptions& options) noexcept {
    return options.entry_count > 0 && options.entry_count <= kSeenEntryCountMax &&
           options.key_size_max <= kSeenSizeMax && options.value_size_max <= kSeenSizeMax &&
           options.again_within_s >= 0 && options.again_within_s <= Filter::kAgainSecondsMax;
  }

  // `memory` is borrowed for the cache's life: memory_size(options) zero bytes, aligned to
  // kCacheLine. `key` is secret and random, so that nobody can aim keys at one set.
  BasicSeenCache(MutableBytes memory, const SeenCacheOptions& options,
                 const SeenHashKey& key) noexcept;
  ~BasicSeenCache();  // Wipes everything. No pin may be left.
  BasicSeenCache(const BasicSeenCache&) = delete;
  BasicSeenCache& operator=(const BasicSeenCache&) = delete;

  // Sought is a key that is looked for, with its hash: the same for find and for the offer after a
  // miss. It borrows the key's bytes.
  class Sought {
    friend class BasicSeenCache;
    Bytes key;
    std::uint64_t generation = 0;
    std::uint64_t hash = 0;
    std::uint64_t forgets = 0;  // How often had been forgotten.
  };

  // Hit is a pin on an entry: what it shows stays there, and stays as it is, until the Hit is
  // dropped. It must not outlive the cache. One thread at a time has it, not always the same.
  class Hit {
   public:
    Hit() noexcept = default;  // Nothing was found.
    Hit(Hit&& other) noexcept
        : cache_(std::exchange(other.cache_, nullptr)), index_(other.index_) {}
    Hit& operator=(Hit&& other) noexcept {
      if (this != &other) {
        reset();
        cache_ = std::exchange(other.cache_, nullptr);
        index_ = other.index_;
      }
      return *this;
    }
    Hit(const Hit&) = delete;
    Hit& operator=(const Hit&) = delete;
    ~Hit() { reset(); }

    explicit operator bool() const noexcept { return cache_ != nullptr; }
    [[nodiscard]] Bytes key() const noexcept { return cache_->key_of(index_); }
    [[nodiscard]] Bytes value() const noexcept { return cache_->value_of(index_); }
    [[nodiscard]] const Payload& payload() const noexcept { return cache_->payload_of(index_); }

    // reset drops the pin. If the entry was forgotten meanwhile, the last one to do so wipes it.
    void reset() noexcept {
      if (cache_ != nullptr) {
        std::exchange(cache_, nullptr)->unpin(index_);
      }
    }

   private:
    friend class BasicSeenCache;
    Hit(BasicSeenCache* cache, std::uint32_t index) noexcept : cache_(cache), index_(index) {}
    BasicSeenCache* cache_ = nullptr;
    std::uint32_t index_ = 0;
  };

  // seek is where find and offer begin. `generation` numbers what the entry depends on (a key
  // ring, a policy); what was admitted under one is never found under another. Numbers are never
  // used again. Any thread.
  [[nodiscard]] Sought seek(std::uint64_t generation, Bytes key) const noexcept;

  // find pins the entry of that key and generation; a Hit that is false if there is none or `now_s`
  // has reached its `expires_s`. Any thread; lock-free: one load a way, a compare-and-swap for the
  // pin, again only if others pin the same entry at that moment. Keys are compared by memcmp: they
  // are no secrets (a sealed ticket crosses the network in clear).
  [[nodiscard]] Hit find(const Sought& sought, std::int64_t now_s) noexcept;

  // What a key came to.
  struct News {
    std::uint64_t client_hash = 0;  // hash_of, and equal for whatever one client offers: whose
                                    // share it is.
    Bytes value;
    std::int64_t expires_s = 0;  // From this second on it is not found. Any clock, that of find.
  };

  // offer copies the key and its news into the cache, or declines. After a find that missed, with
  // the same Sought. Any thread; never waits. What it copies gets its payload from
  // write_payload(Payload&, Bytes), which fills in one as Payload{} makes it, in its place. The
  // bytes are the value as it was copied: what points there is good as long as the entry.
  //
  // Admitted is what the same client has offered before, lately; the first offer leaves a word in a
  // filter, whose places clients do not share. In its set a client has at most kSeenWaysPerClient
  // ways, and what it offers then replaces its own older one. Otherwise an empty way is taken, one
  // that has expired, or one that was not found since an admission last came by; a pinned one
  // never. An entry is wiped to its end before its room is used anew.
  template <class WritePayload>
  [[nodiscard]] Offered offer(const Sought& sought, const News& news, std::int64_t now_s,
                              WritePayload write_payload) noexcept;

  // prefetch_offer begins to fetch what an offer of that client's will read first; seek does so for
  // find.
  void prefetch_offer(std::uint64_t client_hash) const noexcept { filter_.prefetch(client_hash); }

  // forget wipes all entries of a generation, wipe_expired all that cannot be found any more, and
  // wipe_all all. Each says how many. What is pinned is not found any more from now on, and is
  // wiped by whoever unpins it last. What is being offered and was sought before forget or wipe_all
  // began is not admitted, or gone again before its offer returns. For a reload: any thread,
  // lock-free, but they walk over all entries.
  std::uint32_t forget(std::uint64_t generation) noexcept;
  std::uint32_t wipe_expired(std::int64_t now_s) noexcept;
  std::uint32_t wipe_all() noexcept;

  // wipe_expired_now_and_then does so if nobody has for kSweepSeconds; for who has no clock of its
  // own that ticks. Any thread; who is not the one to walk only reads a word.
  static constexpr std::int64_t kSweepSeconds = 60;
  void wipe_expired_now_and_then(std::int64_t now_s) noexcept;

  // hash_of is a hash that nobody outside can aim, for News::client_hash: of `bytes`, and of a
  // number that goes with them.
  [[nodiscard]] std::uint64_t hash_of(Bytes bytes, std::uint64_t number) const noexcept {
    return hash_.of(bytes, number);
  }

 private:
  using Set = BasicSeenSet<Atomic>;
  using Entry = typename Set::Entry;
  using Word = typename Set::Word;
  using Group = typename Filter::Group;

  // Sizes in bytes of the parts of an entry's room. An odd number of lines, so that what lies at
  // one offset in many entries does not crowd one set of the processor's caches.
  static constexpr std::size_t lines(std::size_t size) noexcept {
    return (size + kCacheLine - 1) / kCacheLine * kCacheLine;
  }
  static constexpr std::size_t room_size(const SeenCacheOptions& options) noexcept {
    const std::size_t size =
        lines(sizeof(Payload)) + lines(options.key_size_max) + lines(options.value_size_max);
    return size | kCacheLine;
  }

  [[nodiscard]] Set& set_of(std::uint64_t hash) const noexcept {
    return sets_[static_cast<std::size_t>(hash) & (sets_.size() - 1)];
  }
  [[nodiscard]] std::uint32_t index_of(const Set& set, std::uint32_t way) const noexcept {
    return static_cast<std::uint32_t>(&set - sets_.data()) * kSeenWays + way;
  }
  [[nodiscard]] const Entry& entry_of(std::uint32_t index) const noexcept {
    return sets_[index / kSeenWays].entries[index % kSeenWays];
  }
  [[nodiscard]] Word& word_of(std::uint32_t index) const noexcept {
    return sets_[index / kSeenWays].words[index % kSeenWays];
  }
  [[nodiscard]] MutableBytes room(std::uint32_t index) const noexcept {
    return rooms_.subspan(index * room_size_, room_size_);
  }
  [[nodiscard]] MutableBytes key_of(std::uint32_t index) const noexcept {
    return room(index).subspan(lines(sizeof(Payload)), entry_of(index).key_size);
  }
  [[nodiscard]] MutableBytes value_of(std::uint32_t index) const noexcept {
    const Entry& entry = entry_of(index);
    return room(index).subspan(lines(sizeof(Payload)) + lines(entry.key_size), entry.value_size);
  }
  [[nodiscard]] Payload& payload_of(std::uint32_t index) const noexcept {
    return *std::launder(reinterpret_cast<Payload*>(room(index).data()));
  }

  // wanted_of is the word of a way in which an entry can be found, without its pins.
  static constexpr std::uint64_t wanted_of(const Sought& sought) noexcept {
    return (sought.hash & Set::kTagMask) | Set::kReady;
  }
  [[nodiscard]] Hit pin_if(Set& set, std::uint32_t way, const Sought& sought,
                           std::int64_t now_s) noexcept;
  void unpin(std::uint32_t index) noexcept;
  void wipe_room(std::uint32_t index) noexcept;
  template <class Gone>
  std::uint32_t doom_all(Gone gone) noexcept;

  template <class WritePayload>
  [[nodiscard]] Offered admit(Set& set, const Sought& sought, const News& news, std::int64_t now_s,
                              WritePayload write_payload) noexcept;
  template <class WritePayload>
  void fill(Set& set, std::uint32_t way, const Sought& sought, const News& news,
            WritePayload write_payload) noexcept;

  template <class T>
  [[nodiscard]] static std::span<T> take(MutableBytes& memory, std::size_t count) noexcept;

  std::span<Set> sets_;
  Filter filter_;
  MutableBytes rooms_;
  std::size_t room_size_;
  SeenCacheOptions options_;
  SeenHash hash_;
  alignas(kCacheLine) Atomic<std::uint64_t> forgets_{0};
  Atomic<std::int64_t> swept_s_{0};
};

template <class Payload>
using SeenCache = BasicSeenCache<Payload, std::atomic>;

// OwnedSeenCache is a SeenCache and its memory.
template <class Payload>
class OwnedSeenCache {
 public:
  // make is null if the options are not valid or there is no memory. Nothing is allocated later.
  [[nodiscard]] static std::unique_ptr<OwnedSeenCache> make(const SeenCacheOptions& options,
                                                            const SeenHashKey& key) noexcept {
    if (!SeenCache<Payload>::is_valid(options)) {
      return nullptr;
    }
    Pages pages = Pages::map_for_secrets(SeenCache<Payload>::memory_size(options));
    return std::unique_ptr<OwnedSeenCache>(
        pages.empty() ? nullptr : new (std::nothrow) OwnedSeenCache(pages, options, key));
  }

  [[nodiscard]] SeenCache<Payload>& operator*() noexcept { return cache_; }
  [[nodiscard]] SeenCache<Payload>* operator->() noexcept { return &cache_; }

 private:
  OwnedSeenCache(Pages& pages, const SeenCacheOptions& options, const SeenHashKey& key) noexcept
      : pages_(std::move(pages)), cache_(pages_.bytes(), options, key) {}

  Pages pages_;
  SeenCache<Payload> cache_;  // Wiped before its memory is given back.
};

// Implementation.

template <class Payload, template <class> class Atomic>
constexpr std::size_t BasicSeenCache<Payload, Atomic>::memory_size(
    const SeenCacheOptions& options) noexcept {
  const std::size_t count = entry_count(options);
  return count / kSeenWays * sizeof(Set) + count * (sizeof(Group) + room_size(options));
}

template <class Payload, template <class> class Atomic>
BasicSeenCache<Payload, Atomic>::BasicSeenCache(MutableBytes memory,
                                                const SeenCacheOptions& options,
                                                const SeenHashKey& key) noexcept
    : sets_(take<Set>(memory, entry_count(options) / kSeenWays)),
      filter_(take<Group>(memory, entry_count(options)), options.again_within_s),
      rooms_(memory),
      room_size_(room_size(options)),
      options_(options),
      hash_(key) {
  assert(is_valid(options) && rooms_.size() == entry_count(options) * room_size_);
}

// take makes an array at the front of `memory`, which then begins behind it. Whoever hands the
// finished cache to other threads publishes it.
template <class Payload, template <class> class Atomic>
template <class T>
std::span<T> BasicSeenCache<Payload, Atomic>::take(MutableBytes& memory,
                                                   std::size_t count) noexcept {
  assert(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(T) == 0);
  const MutableBytes front = memory.first(count * sizeof(T));
  memory = memory.subspan(front.size());
  const std::span<T> array(reinterpret_cast<T*>(front.data()), count);
  std::uninitialized_default_construct(array.begin(), array.end());
  return array;
}

template <class Payload, template <class> class Atomic>
BasicSeenCache<Payload, Atomic>::~BasicSeenCache() {
  wipe_all();
  // What is not empty now is somebody's Hit.
  assert(std::ranges::all_of(sets_, [](const Set& set) {
    return std::ranges::all_of(set.words, [](const Word& word) {
      return word.load(std::memory_order_relaxed) == Set::kEmpty;
    });
  }));
}

template <class Payload, template <class> class Atomic>
typename BasicSeenCache<Payload, Atomic>::Sought BasicSeenCache<Payload, Atomic>::seek(
    std::uint64_t generation, Bytes key) const noexcept {
  Sought sought;
  sought.key = key;
  sought.generation = generation;
  sought.hash = hash_.of_end(key, generation);
  // Relaxed: a count that is late only makes more of what is offered too old.
  sought.forgets = forgets_.load(std::memory_order_relaxed);
  __builtin_prefetch(&set_of(sought.hash));
  return sought;
}

template <class Payload, template <class> class Atomic>
typename BasicSeenCache<Payload, Atomic>::Hit BasicSeenCache<Payload, Atomic>::find(
    const Sought& sought, std::int64_t now_s) noexcept {
  Set& set = set_of(sought.hash);
  const std::uint64_t wanted = wanted_of(sought);
#pragma GCC unroll 8
  for (std::uint32_t way = 0; way < kSeenWays; ++way) {
    if (Set::could_be(set.words[way].load(std::memory_order_relaxed), wanted)) {
      if (Hit hit = pin_if(set, way, sought, now_s)) {
        return hit;
      }
    }
  }
  return {};
}

// pin_if pins a way if its entry is the one that is sought. Apart, because most of what find looks
// at is not.
template <class Payload, template <class> class Atomic>
[[gnu::noinline]] typename BasicSeenCache<Payload, Atomic>::Hit
BasicSeenCache<Payload, Atomic>::pin_if(Set& set, std::uint32_t way, const Sought& sought,
                                        std::int64_t now_s) noexcept {
  Word& word = set.words[way];
  if (!Set::pin(word, wanted_of(sought), Set::kUsed)) {
    return {};
  }
  Hit hit(this, index_of(set, way));
  const Entry& entry = set.entries[way];
  const Bytes key = hit.key();
  if (entry.generation != sought.generation || key.size() != sought.key.size() ||
      !std::equal(key.begin(), key.end(), sought.key.begin())) {
    return {};  // Another key of the same hash.
  }
  if (now_s < entry.expires_s) {
    return hit;
  }
  (void)Set::doom(word);  // Wiped as soon as nobody has it pinned.
  return {};
}

template <class Payload, template <class> class Atomic>
void BasicSeenCache<Payload, Atomic>::unpin(std::uint32_t index) noexcept {
  Word& word = word_of(index);
  // Release: this thread's reads are over before somebody writes there. Acquire, for the last one
  // to leave a doomed entry: so are those of all others.
  const std::uint64_t before = word.fetch_sub(Set::kPinUnit, std::memory_order_acq_rel);
  assert((before & Set::kPinMask) != 0);
  if ((before & (Set::kPinMask | Set::kStateMask)) == (Set::kPinUnit | Set::kDoomed)) {
    // Nobody pins it any more, and nobody admits anything to it before it is empty.
    wipe_room(index);
    word.store(Set::kEmpty, std::memory_order_release);  // To who admits: the wiping is over.
  }
}

template <class Payload, template <class> class Atomic>
void BasicSeenCache<Payload, Atomic>::wipe_room(std::uint32_t index) noexcept {
  const Entry& entry = entry_of(index);
  std::destroy_at(&payload_of(index));
  wipe(room(index).first(lines(sizeof(Payload)) + lines(entry.key_size) + entry.value_size));
}

template <class Payload, template <class> class Atomic>
template <class WritePayload>
Offered BasicSeenCache<Payload, Atomic>::offer(const Sought& sought, const News& news,
                                               std::int64_t now_s,
                                               WritePayload write_payload) noexcept {
  if (sought.key.size() > options_.key_size_max || news.value.size() > options_.value_size_max) {
    return Offered::kTooLarge;
  }
  if (news.expires_s <= now_s) {
    return Offered::kExpired;
  }
  if (!filter_.is_again(sought.hash, news.client_hash, now_s)) {
    return Offered::kFirstTime;
  }
  Set& set = set_of(sought.hash);
  // Acquire and release hand `hand`, `numbers` and `entries` from one admission to the next.
  if (set.admitting.exchange(1, std::memory_order_acquire) != 0) {
    return Offered::kBusy;
  }
  const Offered offered = admit(set, sought, news, now_s, write_payload);
  set.admitting.store(0, std::memory_order_release);
  return offered;
}

template <class Payload, template <class> class Atomic>
template <class WritePayload>
Offered BasicSeenCache<Payload, Atomic>::admit(Set& set, const Sought& sought, const News& news,
                                               std::int64_t now_s,
                                               WritePayload write_payload) noexcept {
  if (find(sought, now_s)) {
    return Offered::kPresent;
  }
  const typename Set::Choice choice = set.choose(news.client_hash, now_s);
  if (choice.way == kSeenWays) {
    return Offered::kNoRoom;
  }
  Word& word = set.words[choice.way];
  std::uint64_t expected = choice.word;
  // Acquire: the reads of all who had it pinned are over, or the wiping of who has emptied it.
  if (!word.compare_exchange_strong(expected, Set::kWriting, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
    return Offered::kNoRoom;  // It was found at this moment.
  }
  if (choice.word != Set::kEmpty) {
    wipe_room(index_of(set, choice.way));
  }
  fill(set, choice.way, sought, news, write_payload);
  // Release publishes the entry. seq_cst, as are forgets_ here and both in doom_all: this thread
  // looks for a forget after it has published, a forget for entries after it has counted itself. In
  // their one order one of the two comes second and sees the other.
  const std::uint64_t published = wanted_of(sought);
  word.store(published, std::memory_order_seq_cst);
  if (forgets_.load(std::memory_order_seq_cst) != sought.forgets) {
    if (Set::pin(word, published, 0)) {
      (void)Set::doom(word);
      unpin(index_of(set, choice.way));
    }
    return Offered::kForgotten;
  }
  return choice.is_loss ? Offered::kReplaced : Offered::kAdmitted;
}

template <class Payload, template <class> class Atomic>
template <class WritePayload>
void BasicSeenCache<Payload, Atomic>::fill(Set& set, std::uint32_t way, const Sought& sought,
                                           const News& news, WritePayload write_payload) noexcept {
  set.entries[way] = {.generation = sought.generation,
                      .expires_s = news.expires_s,
                      .client_hash = news.client_hash,
                      .key_size = static_cast<std::uint32_t>(sought.key.size()),
                      .value_size = static_cast<std::uint32_t>(news.value.size())};
  set.numbers[way] = ++set.admitted;
  const std::uint32_t index = index_of(set, way);
  copy(sought.key, key_of(index));
  copy(news.value, value_of(index));
  write_payload(*std::construct_at(reinterpret_cast<Payload*>(room(index).data())),
                Bytes(value_of(index)));
}

// doom_all dooms what `gone` says.
template <class Payload, template <class> class Atomic>
template <class Gone>
std::uint32_t BasicSeenCache<Payload, Atomic>::doom_all(Gone gone) noexcept {
  std::uint32_t count = 0;
  for (Set& set : sets_) {
    for (std::uint32_t way = 0; way < kSeenWays; ++way) {
      Word& word = set.words[way];
      const std::uint64_t seen = word.load(std::memory_order_seq_cst);  // See admit.
      if (Set::pin(word, (seen & Set::kTagMask) | Set::kReady, 0)) {
        count += std::uint32_t{gone(set.entries[way]) && Set::doom(word)};
        unpin(index_of(set, way));
      }
    }
  }
  return count;
}

template <class Payload, template <class> class Atomic>
std::uint32_t BasicSeenCache<Payload, Atomic>::forget(std::uint64_t generation) noexcept {
  forgets_.fetch_add(1, std::memory_order_seq_cst);  // See admit.
  return doom_all([&](const Entry& entry) { return entry.generation == generation; });
}

template <class Payload, template <class> class Atomic>
std::uint32_t BasicSeenCache<Payload, Atomic>::wipe_expired(std::int64_t now_s) noexcept {
  return doom_all([&](const Entry& entry) { return entry.expires_s <= now_s; });
}

template <class Payload, template <class> class Atomic>
void BasicSeenCache<Payload, Atomic>::wipe_expired_now_and_then(std::int64_t now_s) noexcept {
  // Relaxed: it only decides who walks.
  std::int64_t swept_s = swept_s_.load(std::memory_order_relaxed);
  const bool due = now_s - swept_s >= kSweepSeconds || now_s < swept_s;
  if (due && swept_s_.compare_exchange_strong(swept_s, now_s, std::memory_order_relaxed,
                                              std::memory_order_relaxed)) {
    (void)wipe_expired(now_s);
  }
}

template <class Payload, template <class> class Atomic>
std::uint32_t BasicSeenCache<Payload, Atomic>::wipe_all() noexcept {
  forgets_.fetch_add(1, std::memory_order_seq_cst);
  return doom_all([](const Entry&) { return true; });
}

}  // namespace usher
