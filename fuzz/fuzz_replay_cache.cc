// engine/auth/replay_cache.h: what was seen is refused while it could be presented again, and a
// full cache is full by its own rules, against a table that counts time without wrapping.
#include <algorithm>
#include <array>
#include <span>

#include "engine/auth/replay_cache.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

constexpr std::int64_t kSkewSeconds = 300;
constexpr std::int64_t kWindow = 2 * kSkewSeconds / ReplayCache::kSliceSeconds + 1;  // Slices.
constexpr std::size_t kPlacesMax = 128;
constexpr std::size_t kStepsMax = 256;  // More than places.

// With this key the hash of a fingerprint is its second word, so that the model can know places.
constexpr ReplayKey kPlainKey = {0, 0, 0, 1};
constexpr ReplayKey kKey = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
                            0x082efa98ec4e6c89};

// Slice numbers wrap at the second of these times and their sign bit changes at the third.
constexpr std::array<std::int64_t, 4> kBases = {1'790'000'000, 2 * (std::int64_t{1} << 30),
                                                3 * (std::int64_t{1} << 29), 100'000};

std::array<ReplayCache::Place, kPlacesMax> g_places;

std::int64_t slice_of(std::int64_t time_s) { return time_s / ReplayCache::kSliceSeconds; }

struct SeenEntry {
  std::uint64_t input = 0;
  Fingerprint fingerprint{};
  std::int64_t slice = 0;
};
std::array<SeenEntry, 4 * kStepsMax> g_seen;
std::uint64_t g_input = 0;

// Seen is a set of authenticators that begins empty for every input without being cleared.
class Seen {
 public:
  Seen() { ++g_input; }

  // is_new says that it is not in the set yet; with `add` it is afterwards.
  bool is_new(const Fingerprint& fingerprint, std::int64_t slice, bool add) {
    std::size_t at = (fingerprint[1] * 0x9e3779b97f4a7c15u >> 32) % g_seen.size();
    while (g_seen[at].input == g_input &&
           (g_seen[at].fingerprint != fingerprint || g_seen[at].slice != slice)) {
      at = (at + 1) % g_seen.size();
    }
    const bool fresh = g_seen[at].input != g_input;
    if (fresh && add) {
      g_seen[at] = {g_input, fingerprint, slice};
    }
    return fresh;
  }
};

// Model is the table in plain words. It also knows every authenticator that was let in.
class Model {
 public:
  Model(std::size_t places, bool plain) : places_(places), plain_(plain) {}

  void check_verdict(ReplayVerdict verdict, const Fingerprint& fingerprint, std::int64_t time_s) {
    const std::int64_t slice = slice_of(time_s);
    const bool is_new = seen_.is_new(fingerprint, slice, verdict == ReplayVerdict::kFresh);
    check(is_new || verdict != ReplayVerdict::kFresh, "no authenticator gets in twice");
    // The plain key leaves equal tags side by side, which the secret one makes rarer than 2^-28.
    check(!is_new || plain_ || verdict != ReplayVerdict::kReplay, "nobody is taken for another");
    if (verdict == ReplayVerdict::kFull) {
      const auto taken =
          std::ranges::count_if(std::span(let_in_).first(let_in_count_),
                                [&](std::int64_t entry) { return slice - entry <= kWindow; });
      check(taken >= ReplayCache::kProbesMax, "full means that all places in reach are in use");
    }
    if (plain_) {
      check(verdict == walk(fingerprint[1], slice), "the table does what the model does");
    }
    if (verdict == ReplayVerdict::kFresh) {
      let_in_[let_in_count_++] = slice;
    }
  }

 private:
  struct Entry {
    bool used = false;
    std::uint64_t tag = 0;
    std::int64_t slice = 0;
  };

  // walk takes the first of 64 places, from `hash` on, that is free for `slice`.
  ReplayVerdict walk(std::uint64_t hash, std::int64_t slice) {
    const std::uint64_t tag = std::max<std::uint64_t>(hash >> 24, 1);
    for (std::size_t probe = 0; probe < ReplayCache::kProbesMax; ++probe) {
      Entry& entry = table_[(hash + probe) % places_];
      if (!entry.used || slice - entry.slice > kWindow) {
        entry = {true, tag, slice};
        return ReplayVerdict::kFresh;
      }
      if (entry.tag == tag && entry.slice == slice) {
        return ReplayVerdict::kReplay;
      }
    }
    return ReplayVerdict::kFull;
  }

  std::size_t places_;
  bool plain_;
  std::array<Entry, kPlacesMax> table_{};
  Seen seen_;
  std::array<std::int64_t, kStepsMax> let_in_{};  // Slices.
  std::size_t let_in_count_ = 0;
};

// step_of turns a byte into seconds that pass: mostly none, sometimes a window and more.
std::int64_t step_of(std::uint8_t byte) {
  return byte < 192 ? 0 : byte < 240 ? byte - 191 : (byte - 239) * 64;
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const std::uint8_t options = input[0];
  const bool plain = (options & 1) != 0;
  const std::size_t places = (options & 2) != 0 ? kPlacesMax : ReplayCache::kProbesMax;
  std::int64_t now_s = kBases[options >> 2 & 3];
  for (ReplayCache::Place& place : g_places) {
    place.store(0, std::memory_order_relaxed);
  }
  ReplayCache cache(std::span<ReplayCache::Place>(g_places).first(places), plain ? kPlainKey : kKey,
                    kSkewSeconds);
  Model model(places, plain);
  // A step: how much time passes, which authenticator, how far its clock is off.
  Bytes rest = input.subspan(1, std::min(input.size() - 1, 3 * kStepsMax));
  for (; rest.size() >= 3; rest = rest.subspan(3)) {
    now_s += step_of(rest[0]);
    const std::uint64_t tag = rest[1];
    const Fingerprint fingerprint = {plain ? 0 : tag, tag << 24 | (rest[0] & 0x3f)};
    const std::int64_t off = std::int64_t{rest[2]} * 2 * kSkewSeconds / 255 - kSkewSeconds;
    // All of a slice's times are one to the cache.
    const std::int64_t time_s = now_s + off;
    model.check_verdict(cache.test_and_insert(fingerprint, time_s), fingerprint, time_s);
  }
}

}  // namespace usher::fuzz
