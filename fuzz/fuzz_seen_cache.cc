// engine/slots/seen_cache.h: keys offered, found, pinned and forgotten, against a model of the one
// set there is; what is found is what was offered, and what is gone has left nothing in memory. An
// input is a script of three bytes a step.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "engine/slots/seen_cache.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

constexpr int kStepsMax = 160;
constexpr std::size_t kKeys = 24;  // Of eight clients.
constexpr std::size_t kPins = 6;
constexpr std::size_t kGenerations = 3;
constexpr std::int64_t kAgainSeconds = 100;
constexpr SeenCacheOptions kOptions = {.entry_count = kSeenWays,
                                       .key_size_max = 200,
                                       .value_size_max = 96,
                                       .again_within_s = kAgainSeconds};

struct Payload {
  std::array<std::uint8_t, 40> octets{};
};
using Cache = SeenCache<Payload>;
constexpr std::size_t kMemorySize = Cache::memory_size(kOptions);
constexpr std::size_t kRoomSize = (kMemorySize - kSeenWays * 112) / kSeenWays;
constexpr std::size_t lines(std::size_t size) {
  return (size + kCacheLine - 1) / kCacheLine * kCacheLine;
}
constexpr std::array<std::uint8_t, kRoomSize> kZeros{};
alignas(kCacheLine) std::array<std::uint8_t, kMemorySize> g_memory;

// Key 0 is one byte too long. The last two differ only where their hash does not look.
constexpr std::size_t size_of(std::size_t key) { return key == 0 ? 201 : key > 21 ? 200 : key * 9; }
constexpr std::size_t class_of(std::size_t key) { return key == 23 ? 22 : key; }
constexpr std::uint64_t client_of(std::size_t key) { return key / 3; }
std::array<std::array<std::uint8_t, 201>, kKeys> g_keys;
Bytes key_of(std::size_t key) {
  g_keys[key].fill(static_cast<std::uint8_t>(class_of(key) + 1));
  g_keys[key][10] ^= key == 23 ? 1 : 0;
  return std::span(g_keys[key]).first(size_of(key));
}

// Way is what the model knows of one.
struct Way {
  bool used = false;
  bool doomed = false;  // Forgotten, and still pinned.
  bool found = false;   // Since the hand came by.
  std::size_t key = 0;
  std::uint64_t generation = 0;
  std::uint8_t mark = 0;  // All bytes of value and payload.
  std::size_t value_size = 0;
  std::int64_t expires_s = 0;
  int number = 0;  // In the order of admission.
  int pins = 0;
};

// Place holds a pin, and what it must show; or a key that was sought a while ago.
struct Place {
  Cache::Hit hit;
  std::size_t way = 0;
};

class Play {
 public:
  explicit Play(Bytes script) : script_(script) {
    SeenHashKey key;
    for (std::size_t i = 0; i < key.size(); ++i) {
      key[i] = (i + 1) * 0x9e3779b97f4a7c15;
    }
    cache_.emplace(g_memory, kOptions, key);
  }

  void run() {
    for (int step_count = 0; step_count < kStepsMax && script_.size() >= 3; ++step_count) {
      step(script_[0] % 10, script_[1] % kKeys, script_[2]);
      script_ = script_.subspan(3);
      look();
    }
    for (Place& place : places_) {
      drop(place);
    }
    look();
    cache_.reset();
    ways_ = {};
    look();
  }

 private:
  void step(int what, std::size_t key, std::uint8_t value) {
    switch (what) {
      case 0:
      case 1:
      case 2:
        return offer(cache_->seek(generation_, key_of(key)), key, generation_, forgets_, value);
      case 3:
        return find(key, places_[value % kPins]);
      case 4:
        return drop(places_[value % kPins]);
      case 5:
        now_s_ += value;
        return;
      case 6:
        generation_ = value % kGenerations;
        return;
      case 7:
        return forget(key % 4, value % kGenerations);
      case 8:  // A key is sought now and offered later.
        sought_ = {cache_->seek(generation_, key_of(key)), key, generation_, forgets_};
        return;
      default:
        if (sought_) {
          offer(sought_->sought, sought_->key, sought_->generation, sought_->forgets, value);
        }
    }
  }

  static Bytes rooms() { return Bytes(g_memory).last(kSeenWays * kRoomSize); }

  // is_near says whether a search for that key stops at a way.
  static bool is_near(const Way& way, std::size_t key, std::uint64_t generation) {
    return way.used && !way.doomed && class_of(way.key) == class_of(key) &&
           way.generation == generation;
  }
  static void empty_if_left(Way& way) {
    if (way.doomed && way.pins == 0) {
      way = {};
    }
  }
  static void doom(Way& way) {
    way.doomed = true;
    empty_if_left(way);
  }

  // search is what find does; kSeenWays if there is nothing.
  std::size_t search(std::size_t key, std::uint64_t generation) {
    for (std::size_t i = 0; i < kSeenWays; ++i) {
      Way& way = ways_[i];
      if (is_near(way, key, generation)) {
        way.found = true;
        if (way.key == key && now_s_ < way.expires_s) {
          return i;
        }
        if (way.key == key) {
          doom(way);
        }
      }
    }
    return kSeenWays;
  }

  void find(std::size_t key, Place& place) {
    drop(place);
    place.hit = cache_->find(cache_->seek(generation_, key_of(key)), now_s_);
    place.way = search(key, generation_);
    check(bool(place.hit) == (place.way != kSeenWays), "found if and only if it is there");
    if (place.hit) {
      ++ways_[place.way].pins;
    }
  }

  void drop(Place& place) {
    if (place.hit) {
      place.hit.reset();
      --ways_[place.way].pins;
      empty_if_left(ways_[place.way]);
    }
  }

  void forget(std::size_t what, std::uint64_t generation) {
    const auto gone = [&](const Way& way) {
      return way.used && !way.doomed &&
             (what == 0 || (what == 1 && way.expires_s <= now_s_) ||
              (what > 1 && way.generation == generation));
    };
    const auto expected = std::ranges::count_if(ways_, gone);
    const std::uint32_t count = what == 0   ? cache_->wipe_all()
                                : what == 1 ? cache_->wipe_expired(now_s_)
                                            : cache_->forget(generation);
    check(count == expected, "as many are forgotten as there were");
    forgets_ += what == 1 ? 0 : 1;
    for (Way& way : ways_) {
      if (gone(way)) {
        doom(way);
      }
    }
  }

  void offer(const Cache::Sought& sought, std::size_t key, std::uint64_t generation, int forgets,
             std::uint8_t value) {
    const std::size_t value_size = value % 98;  // One too many.
    const std::int64_t expires_s = now_s_ + value % 7 * 100;
    mark_ = static_cast<std::uint8_t>(mark_ % 255 + 1);
    std::array<std::uint8_t, 98> octets;
    octets.fill(mark_);
    const Offered offered =
        cache_->offer(sought,
                      {.client_hash = client_of(key),
                       .value = std::span(octets).first(value_size),
                       .expires_s = expires_s},
                      now_s_, [this](Payload& payload, Bytes) { payload.octets.fill(mark_); });
    const bool is_too_large = key == 0 || value_size == 97;
    if (is_too_large || expires_s == now_s_) {
      check(offered == (is_too_large ? Offered::kTooLarge : Offered::kExpired), "has its limits");
      return;
    }
    if (is_first(class_of(key) * kGenerations + generation, offered)) {
      return;
    }
    if (search(key, generation) != kSeenWays) {
      check(offered == Offered::kPresent, "nothing is there twice");
      return;
    }
    const std::size_t at = choose(client_of(key));
    if (at == kSeenWays) {
      check(offered == Offered::kNoRoom, "only what may go makes room");
      return;
    }
    const bool is_loss = ways_[at].used && ways_[at].expires_s > now_s_;
    ways_[at] = {.used = true,
                 .key = key,
                 .generation = generation,
                 .mark = mark_,
                 .value_size = value_size,
                 .expires_s = expires_s,
                 .number = ++admitted_};
    if (forgets != forgets_) {
      check(offered == Offered::kForgotten, "a forget overtakes what was sought before");
      ways_[at] = {};
      return;
    }
    check(offered == (is_loss ? Offered::kReplaced : Offered::kAdmitted), "admitted otherwise");
  }

  // is_first checks kFirstTime against what has been offered. The filter may forget for eight that
  // are not older, and only for those.
  bool is_first(std::size_t what, Offered offered) {
    const bool is_first = offered == Offered::kFirstTime;
    Memory& memory = remembered_[what];
    const bool is_late = memory.at_s == 0 || now_s_ - memory.at_s > kAgainSeconds;
    check(is_first || !is_late, "nothing is admitted at once");
    check(!is_first || is_late || remembered_count_ - memory.older >= 1 + 8, "not forgotten early");
    if (is_first) {
      if (now_s_ != remembered_s_) {
        remembered_s_ = now_s_;
        remembered_before_ = remembered_count_;
      }
      memory = {.at_s = now_s_, .older = remembered_before_};
      ++remembered_count_;
    }
    return is_first;
  }

  // choose says in plain words who goes.
  std::size_t choose(std::uint64_t client) {
    const auto is_own = [&](const Way& way) { return way.used && client_of(way.key) == client; };
    const auto may_go = [](const Way& way) { return way.used && !way.doomed && way.pins == 0; };
    const bool only_own = std::ranges::count_if(ways_, is_own) >= 2;
    std::size_t oldest = kSeenWays;
    std::size_t ended = kSeenWays;
    for (std::size_t i = 0; i < kSeenWays; ++i) {
      if (!ways_[i].used && !only_own) {
        return i;
      }
      if (!may_go(ways_[i]) || (only_own && !is_own(ways_[i]))) {
        continue;
      }
      if (ways_[i].expires_s <= now_s_ && (ended == kSeenWays || !only_own)) {
        ended = i;
      }
      if (oldest == kSeenWays || ways_[i].number < ways_[oldest].number) {
        oldest = i;
      }
    }
    if (ended != kSeenWays || only_own) {
      return ended != kSeenWays ? ended : oldest;
    }
    for (std::size_t round = 0; round < kSeenWays; ++round) {
      const std::size_t i = (hand_ + round) % kSeenWays;
      if (may_go(ways_[i]) && !ways_[i].found) {
        hand_ = i + 1;
        return i;
      }
      ways_[i].found = ways_[i].found && !may_go(ways_[i]);
    }
    return kSeenWays;
  }

  // look compares memory and pins with the model.
  void look() {
    for (std::size_t i = 0; i < kSeenWays; ++i) {
      const Way& way = ways_[i];
      const Bytes room = rooms().subspan(i * kRoomSize, kRoomSize);
      const std::size_t used = way.used ? kCacheLine + lines(size_of(way.key)) + way.value_size : 0;
      check(std::memcmp(room.data() + used, kZeros.data(), kRoomSize - used) == 0,
            "nothing is left in memory of what is gone");
    }
    for (const Place& place : places_) {
      if (place.hit) {
        const Way& way = ways_[place.way];
        check(place.hit.key().size() == size_of(way.key) &&
                  std::ranges::equal(place.hit.key(), key_of(way.key)),
              "a pin shows its key");
        check(
            place.hit.value().size() == way.value_size &&
                std::ranges::count(place.hit.value(), way.mark) == std::ptrdiff_t(way.value_size) &&
                std::ranges::count(place.hit.payload().octets, way.mark) ==
                    std::ptrdiff_t(sizeof(Payload)),
            "and what came of it, unchanged");
      }
    }
  }

  struct Memory {
    std::int64_t at_s = 0;  // 0: never.
    int older = 0;          // How many were remembered in seconds before that one.
  };
  struct Earlier {
    Cache::Sought sought;
    std::size_t key = 0;
    std::uint64_t generation = 0;
    int forgets = 0;
  };

  Bytes script_;
  std::int64_t now_s_ = 1'790'000'000;
  std::uint64_t generation_ = 0;
  std::uint8_t mark_ = 0;
  int forgets_ = 0;
  int admitted_ = 0;
  int remembered_count_ = 0;
  int remembered_before_ = 0;  // The second in which the last was.
  std::int64_t remembered_s_ = 0;
  std::size_t hand_ = 0;
  std::array<Way, kSeenWays> ways_{};
  std::array<Memory, kKeys * kGenerations> remembered_{};
  std::optional<Earlier> sought_;
  std::optional<Cache> cache_;
  std::array<Place, kPins> places_;
};

}  // namespace

void run_one(Bytes input) { Play(input).run(); }

}  // namespace usher::fuzz
