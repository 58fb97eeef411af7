// Which authenticators have been seen (RFC 4120 3.2.3): bounded, shared by all threads, lock-free.
#pragma once

#include <openssl/crypto.h>

#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/limits.h"

namespace usher {

// Fingerprint stands for one authenticator. It is made from the keyed checksum that was computed
// over the decrypted authenticator, so whoever cannot make a new authenticator cannot make a new
// fingerprint for an old one (crypto::AuthenticatorJob::fingerprint).
using Fingerprint = std::array<std::uint64_t, 2>;

// ReplayKey is secret and random, and drawn anew for every cache.
using ReplayKey = std::array<std::uint64_t, 4>;

enum class ReplayVerdict : std::uint8_t {
  kFresh,    // Not seen before; from now on it has been.
  kReplay,   // Seen.
  kFull,     // No room to remember it in.
  kUnknown,  // Of a time whose entries may be lost: whether it was seen cannot be told.
};

// ReplayCounts is how often test_and_insert gave each verdict that is no success.
struct ReplayCounts {
  std::uint64_t replays = 0;
  std::uint64_t full = 0;
  std::uint64_t unknown = 0;

  friend bool operator==(const ReplayCounts&, const ReplayCounts&) = default;
};

// kNothingLost, as the time up to which entries may be lost.
inline constexpr std::int64_t kNothingLost = INT64_MIN;

// BasicReplayCache remembers each fingerprint for as long as its authenticator's time lies within
// the clock skew, in 8 bytes, in one table that all times share.
//
// An entry is a tag and the slice, of kSliceSeconds, that its authenticator's time lies in. Places
// are found by open addressing over at most kProbesMax places. A fingerprint of slice c may take a
// place that was never used or whose entry is more than `window` slices older than c: whoever can
// still present an authenticator of slice c at all cannot present one of that old slice any more.
// Nothing is ever cleared or scanned.
//
// Why no authenticator gets in twice: two threads that present one have the same tag and the same
// c, so they walk the same places and agree which are free, whatever their clocks say. A place's
// slice only ever grows, so a place that one of them found taken stays taken for the other. The
// first free place is taken by compare-and-swap: one wins, the other finds its own entry there.
template <template <class> class Atomic>
class BasicReplayCache {
 public:
  static constexpr std::int64_t kSliceSeconds = 64;
  static constexpr std::uint32_t kProbesMax = 64;
  using Place = Atomic<std::uint64_t>;  // Tag (high 40 bits) and slice number (low 24); 0: unused.

  // `places` is borrowed for the cache's life; its size is a power of two, at least kProbesMax.
  // `key` is secret and random: it decides where a fingerprint goes, so that a client cannot aim
  // its own at one place. `skew_max_s` is the widest clock skew that callers will check
  // authenticators with, at most kSkewSecondsMax. Of authenticators with times up to
  // `lost_until_s`, some that were accepted may be missing in `places`, so all are unknown.
  BasicReplayCache(std::span<Place> places, const ReplayKey& key, std::int64_t skew_max_s,
                   std::int64_t lost_until_s = kNothingLost) noexcept;
  BasicReplayCache(const BasicReplayCache&) = delete;
  BasicReplayCache& operator=(const BasicReplayCache&) = delete;
  ~BasicReplayCache() { OPENSSL_cleanse(key_.data(), sizeof(key_)); }

  // skew_max_s is what the constructor was given: within it nothing is forgotten.
  [[nodiscard]] std::int64_t skew_max_s() const noexcept { return skew_max_s_; }

  // test_and_insert: any thread, lock-free, bounded time. `authenticator_s` is ctime, in seconds
  // since 1970, and has been found within the allowed skew.
  [[nodiscard]] ReplayVerdict test_and_insert(const Fingerprint& fingerprint,
                                              std::int64_t authenticator_s) noexcept;

  // prefetch begins to fetch the memory that test_and_insert of this fingerprint will read first,
  // which in a large table is in no cache; for who has other work until then.
  void prefetch(const Fingerprint& fingerprint) const noexcept {
    __builtin_prefetch(&places_[hash(fingerprint) & (places_.size() - 1)], 1);
  }

  // counts is what this cache object has seen so far: of places that several processes share, each
  // counts its own. Any thread; the numbers need not be of one moment.
  [[nodiscard]] ReplayCounts counts() const noexcept {
    return {.replays = counters_.replays.load(std::memory_order_relaxed),
            .full = counters_.full.load(std::memory_order_relaxed),
            .unknown = counters_.unknown.load(std::memory_order_relaxed)};
  }

 private:
  // Relaxed: they order nothing. A line of their own, because threads write to them that only read
  // the members around.
  struct alignas(kCacheLine) Counters {
    std::atomic<std::uint64_t> replays{0};
    std::atomic<std::uint64_t> full{0};
    std::atomic<std::uint64_t> unknown{0};
  };
  static void count(std::atomic<std::uint64_t>& counter) noexcept {
    counter.fetch_add(1, std::memory_order_relaxed);
  }

  static constexpr unsigned kSliceBits = 24;
  static constexpr std::uint64_t kSliceMask = (std::uint64_t{1} << kSliceBits) - 1;
  static constexpr unsigned kTagBits = 64 - kSliceBits;
  // Tag and index come from one 64-bit hash. In the largest table they share bits, which costs
  // nothing but some of the tag's power to tell entries of one neighbourhood apart.
  static constexpr std::size_t kPlacesMax = std::size_t{1} << 32;

  [[nodiscard]] std::uint64_t hash(const Fingerprint& fingerprint) const noexcept;
  [[nodiscard]] bool is_taken(std::uint64_t value, std::uint64_t slice) const noexcept;

  std::span<Place> places_;
  std::int64_t skew_max_s_;
  std::int64_t lost_until_s_;
  std::uint64_t window_;  // Slices.
  ReplayKey key_;
  Counters counters_;
};

using ReplayCache = BasicReplayCache<std::atomic>;

// Implementation.
//
// Every access to a place is relaxed. A place is one word and publishes nothing but itself, and all
// decisions rest on the order of changes to that one word: a load that is late by an entry takes
// the place for free, but then the compare-and-swap fails and shows the entry. A place seen taken
// stays taken while its slice lives, so a late load never sends two walks of one fingerprint apart.

template <template <class> class Atomic>
BasicReplayCache<Atomic>::BasicReplayCache(std::span<Place> places, const ReplayKey& key,
                                           std::int64_t skew_max_s,
                                           std::int64_t lost_until_s) noexcept
    : places_(places),
      skew_max_s_(skew_max_s),
      lost_until_s_(lost_until_s),
      // From one end of what is accepted at a moment to the other, in slices; one more because the
      // ends cut through slices.
      window_(static_cast<std::uint64_t>(2 * skew_max_s / kSliceSeconds + 1)),
      key_(key) {
  assert(skew_max_s >= 0 && skew_max_s <= kSkewSecondsMax);
  assert(std::has_single_bit(places.size()));
  assert(places.size() >= kProbesMax && places.size() <= kPlacesMax);
}

template <template <class> class Atomic>
ReplayVerdict BasicReplayCache<Atomic>::test_and_insert(const Fingerprint& fingerprint,
                                                        std::int64_t authenticator_s) noexcept {
  static_assert(kSliceSeconds == 1 << 6);
  if (authenticator_s <= lost_until_s_) {
    count(counters_.unknown);
    return ReplayVerdict::kUnknown;
  }
  // The number wraps every 34 years, next on 2038-01-19; is_taken compares across that.
  const std::uint64_t slice = static_cast<std::uint64_t>(authenticator_s >> 6) & kSliceMask;
  const std::uint64_t hashed = hash(fingerprint);
  const std::uint64_t tag_bits = hashed >> (64 - kTagBits);
  // Tag 0 would make an entry of slice 0 look like a place that was never used.
  const std::uint64_t tag = tag_bits == 0 ? 1 : tag_bits;
  const std::uint64_t entry = tag << kSliceBits | slice;

  for (std::uint32_t probe = 0; probe < kProbesMax; ++probe) {
    Place& place = places_[(hashed + probe) & (places_.size() - 1)];
    std::uint64_t value = place.load(std::memory_order_relaxed);
    while (!is_taken(value, slice)) {
      if (place.compare_exchange_strong(value, entry, std::memory_order_relaxed,
                                        std::memory_order_relaxed)) {
        return ReplayVerdict::kFresh;
      }
      // Somebody was faster. Look at what is there now: it may be this very authenticator.
    }
    if (value == entry) {
      count(counters_.replays);
      return ReplayVerdict::kReplay;
    }
  }
  count(counters_.full);
  return ReplayVerdict::kFull;
}

// hash maps a fingerprint (x0, x1) to the upper 64 bits of a0 * x0 + a1 * x1 mod 2^128, where the
// secret key is a0 and a1, of 128 bits each.
//
// What that gives: for any two different fingerprints chosen without knowledge of the key, and any
// v, at most two keys in 2^64 make their hashes differ by v mod 2^64. (Let one word differ by
// d != 0. At most 2^63 divides d, so a * d is uniform over multiples of a power of two that leaves
// the upper 64 bits free, and a carry can come from below.) So two fingerprints begin at one place
// with at most twice the chance of random places; and a fresh authenticator is taken for one of the
// others of its slice, having an equal tag in reach of its walk, with a chance below 2^-31 (2^-28
// in a table of 2^28 places), even if one slice fills the table. That refuses a client by mistake
// and never lets one in.
//
// What it does not give: it is linear, not a pseudo-random function. Whoever could read the table
// could compute the key. Nobody outside sees it: a client learns only whether it was refused.
template <template <class> class Atomic>
std::uint64_t BasicReplayCache<Atomic>::hash(const Fingerprint& fingerprint) const noexcept {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"  // Every supported compiler has 128-bit integers.
  using Wide = unsigned __int128;
#pragma GCC diagnostic pop
  const Wide a0 = Wide{key_[1]} << 64 | key_[0];
  const Wide a1 = Wide{key_[3]} << 64 | key_[2];
  return static_cast<std::uint64_t>((a0 * fingerprint[0] + a1 * fingerprint[1]) >> 64);
}

// is_taken: whether a place holding `value` may not be used for `slice`. Slice numbers are compared
// on their circle: the half behind `slice` is older, the half ahead newer, and newer is taken: a
// thread that was stopped for long, or a clock that was set back, makes nobody forget what came
// later. (What later entries have replaced is gone: a clock set back by more than the skew makes it
// acceptable again, as it does for every cache that forgets.)
template <template <class> class Atomic>
bool BasicReplayCache<Atomic>::is_taken(std::uint64_t value, std::uint64_t slice) const noexcept {
  const std::uint64_t age = (slice - value) & kSliceMask;
  return value != 0 && (age <= window_ || age > kSliceMask / 2);
}

}  // namespace usher
