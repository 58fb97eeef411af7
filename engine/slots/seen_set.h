// One set of a SeenCache: the words that say who may touch which entry, and who has to go.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/limits.h"

namespace usher {

inline constexpr std::uint32_t kSeenWays = 8;           // Entries in a set.
inline constexpr std::uint32_t kSeenWaysPerClient = 2;  // Of these, one client's.

// BasicSeenSet is part of seen_cache.h, which explains it. `Atomic` is std::atomic, or what
// tests/interleave.h substitutes.
template <template <class> class Atomic>
struct BasicSeenSet {
  // A word: tag of the hash (40 bits), number of pins (20 bits), found lately, state (2 bits).
  using Word = Atomic<std::uint64_t>;
  enum State : std::uint64_t { kEmpty = 0, kWriting = 1, kReady = 2, kDoomed = 3 };
  static constexpr std::uint64_t kStateMask = 3;
  static constexpr std::uint64_t kUsed = 4;
  static constexpr std::uint64_t kPinUnit = 16;
  static constexpr std::uint64_t kPinMask = 0xfffff0;
  static constexpr std::uint64_t kTagMask = ~std::uint64_t{0xffffff};

  // Entry is written by who admits, while the word says "writing", and read by who has a pin or
  // `admitting`. Nothing in it is secret.
  struct Entry {
    std::uint64_t generation = 0;
    std::int64_t expires_s = 0;
    std::uint64_t client_hash = 0;
    std::uint32_t key_size = 0;
    std::uint32_t value_size = 0;
  };

  // Choice is a way that can be taken if its word is still the same.
  struct Choice {
    std::uint32_t way = kSeenWays;  // None.
    std::uint64_t word = 0;
    bool is_loss = false;  // Its entry could have been found again.
  };

  // could_be says whether a word that was read has state and tag of `wanted`.
  [[nodiscard]] static constexpr bool could_be(std::uint64_t seen, std::uint64_t wanted) noexcept {
    return (seen & (kTagMask | kStateMask)) == wanted;
  }

  // pin adds a pin, and the bits `used`, to a word that has state and tag of `wanted`. False if it
  // has not, or has as many pins as it can count, which is a million.
  [[nodiscard]] static bool pin(Word& word, std::uint64_t wanted, std::uint64_t used) noexcept;

  // doom makes an entry that the caller has pinned unfindable; false if somebody else has.
  static bool doom(Word& word) noexcept;

  // choose says where something of that client may be put. Only for who has set `admitting`.
  [[nodiscard]] Choice choose(std::uint64_t client_hash, std::int64_t now_s) noexcept;

  alignas(kCacheLine) std::array<Word, kSeenWays> words{};
  // 1: somebody is admitting. The rest of this line is his.
  alignas(kCacheLine) Atomic<std::uint32_t> admitting{0};
  std::uint32_t hand = 0;                          // Where the next search begins.
  std::uint32_t admitted = 0;                      // How many were, and
  std::array<std::uint32_t, kSeenWays> numbers{};  // each entry's number.
  alignas(kCacheLine) std::array<Entry, kSeenWays> entries{};

 private:
  using Words = std::array<std::uint64_t, kSeenWays>;
  [[nodiscard]] Choice choose_own(const Words& seen, std::uint64_t client_hash,
                                  std::int64_t now_s) const noexcept;
  [[nodiscard]] Choice choose_unused(const Words& seen) noexcept;
  // Only ready and unpinned entries may be replaced.
  static constexpr bool is_idle(std::uint64_t word) noexcept {
    return (word & (kStateMask | kPinMask)) == kReady;
  }
};

// Implementation.

template <template <class> class Atomic>
bool BasicSeenSet<Atomic>::pin(Word& word, std::uint64_t wanted, std::uint64_t used) noexcept {
  // Relaxed: confirmed by the exchange.
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while (could_be(seen, wanted) && (seen & kPinMask) != kPinMask) {
    // Acquire shows all that was written before the entry was published: everything that changes a
    // word until the next admission is a read-modify-write, so the release sequence goes on.
    if (word.compare_exchange_weak(seen, (seen + kPinUnit) | used, std::memory_order_acquire,
                                   std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

template <template <class> class Atomic>
bool BasicSeenSet<Atomic>::doom(Word& word) noexcept {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while ((seen & kStateMask) == kReady) {
    // Relaxed: it publishes nothing; who wipes acquires what others have read by their unpins.
    if (word.compare_exchange_weak(seen, seen | kDoomed, std::memory_order_relaxed,
                                   std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// Words are read without an order: who writes `entries` has had `admitting`, and whoever takes a
// chosen way finds out by compare-and-swap whether its word is still as it was.
template <template <class> class Atomic>
typename BasicSeenSet<Atomic>::Choice BasicSeenSet<Atomic>::choose(std::uint64_t client_hash,
                                                                   std::int64_t now_s) noexcept {
  Words seen;
  std::uint32_t own = 0;
  for (std::uint32_t way = 0; way < kSeenWays; ++way) {
    seen[way] = words[way].load(std::memory_order_relaxed);
    own += std::uint32_t{seen[way] != kEmpty && entries[way].client_hash == client_hash};
  }
  if (own >= kSeenWaysPerClient) {
    return choose_own(seen, client_hash, now_s);
  }
  Choice expired;
  for (std::uint32_t way = 0; way < kSeenWays; ++way) {
    if (seen[way] == kEmpty) {
      return {.way = way, .word = kEmpty};
    }
    if (is_idle(seen[way]) && entries[way].expires_s <= now_s) {
      expired = {.way = way, .word = seen[way]};
    }
  }
  return expired.way != kSeenWays ? expired : choose_unused(seen);
}

// choose_own takes of one client's entries one that has expired, or else the oldest.
template <template <class> class Atomic>
typename BasicSeenSet<Atomic>::Choice BasicSeenSet<Atomic>::choose_own(
    const Words& seen, std::uint64_t client_hash, std::int64_t now_s) const noexcept {
  Choice choice;
  std::uint32_t age_max = 0;  // In admissions to this set, whose number may wrap.
  for (std::uint32_t way = 0; way < kSeenWays; ++way) {
    if (!is_idle(seen[way]) || entries[way].client_hash != client_hash) {
      continue;
    }
    if (entries[way].expires_s <= now_s) {
      return {.way = way, .word = seen[way]};
    }
    const std::uint32_t age = admitted - numbers[way];
    if (choice.way == kSeenWays || age > age_max) {
      choice = {.way = way, .word = seen[way], .is_loss = true};
      age_max = age;
    }
  }
  return choice;
}

// choose_unused goes round once, from where it last stopped. What was found since it last came by
// is passed over once; if that is all, there is no room this time.
template <template <class> class Atomic>
typename BasicSeenSet<Atomic>::Choice BasicSeenSet<Atomic>::choose_unused(
    const Words& seen) noexcept {
  for (std::uint32_t step = 0; step < kSeenWays; ++step) {
    const std::uint32_t way = (hand + step) % kSeenWays;
    if (!is_idle(seen[way])) {
      continue;
    }
    if ((seen[way] & kUsed) == 0) {
      hand = (way + 1) % kSeenWays;
      return {.way = way, .word = seen[way], .is_loss = true};
    }
    // Relaxed: a hint. If it fails, the entry is being used.
    std::uint64_t expected = seen[way];
    (void)words[way].compare_exchange_strong(expected, seen[way] & ~kUsed,
                                             std::memory_order_relaxed, std::memory_order_relaxed);
  }
  return {};
}

}  // namespace usher
