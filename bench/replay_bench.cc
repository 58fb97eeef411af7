// What an entry of the replay cache costs: bytes, and nanoseconds to make one and to refuse a
// replay, in a cache that already holds millions that are all still needed.
//
//   replay_bench [--entries N] [--file PATH]   10,000,000 entries in memory, unless told otherwise
#include <unistd.h>
#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>

#include "engine/engine.h"

namespace {

using usher::Fingerprint;
using usher::ReplayVerdict;

constexpr std::size_t kTimed = 200'000;

// Every authenticator is made from its number, so that a replay needs no list of them.
std::uint64_t mix(std::uint64_t word) {
  word += 0x9e3779b97f4a7c15;
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
  word = (word ^ word >> 27) * 0x94d049bb133111eb;
  return word ^ word >> 31;
}

// Filler presents authenticators by number and counts what became of them.
class Filler {
 public:
  explicit Filler(usher::ReplayCache& cache) : cache_(cache) {}

  // present does so `count` times, for numbers that next() gives, and returns nanoseconds each.
  template <class Next>
  double present(std::size_t count, Next next) {
    verdicts_ = {};
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t n = 0; n < count; ++n) {
      const std::uint64_t number = next(n);
      // Clients' clocks are spread over the whole skew, on both sides of now.
      const std::int64_t time = now_s_ - 300 + static_cast<std::int64_t>(number % 600);
      const Fingerprint fingerprint = {mix(number), mix(~number)};
      ++verdicts_[static_cast<std::size_t>(cache_.test_and_insert(fingerprint, time))];
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    return took.count() / static_cast<double>(count);
  }
  [[nodiscard]] std::size_t count(ReplayVerdict verdict) const {
    return verdicts_[static_cast<std::size_t>(verdict)];
  }

 private:
  usher::ReplayCache& cache_;
  std::int64_t now_s_ = std::time(nullptr) + 3600;  // Later than what a new file calls unknown.
  std::array<std::size_t, 4> verdicts_{};
};

// resident is what this process has in memory, in bytes, files it has mapped included.
std::size_t resident() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

int fail(const char* why) {
  std::fprintf(stderr, "replay_bench: %s\n", why);
  return 1;
}

int run(std::size_t entries, const char* file) {
  // Above three fifths some sign-ons begin to find no room within a walk's bound.
  const auto places = std::bit_ceil(entries + entries * 2 / 3);
  const std::size_t before = resident();
  usher::ReplayFile::Reason why_not{};
  const auto engine = usher::Engine::make({.slot_count = 1,
                                           .replay_entry_count = static_cast<std::uint32_t>(places),
                                           .page_count = 1,
                                           .replay_file = file},
                                          &why_not);
  if (engine == nullptr) {
    return fail(why_not[0] != '\0' ? why_not.data() : "no memory");
  }
  Filler filler(engine->environment().replays);
  filler.present(entries, [](std::size_t n) { return n; });
  const std::size_t live = filler.count(ReplayVerdict::kFresh);
  const std::size_t no_room = filler.count(ReplayVerdict::kFull);
  const double bytes = static_cast<double>(resident() - before) / static_cast<double>(live);
  if (live + no_room != entries || no_room > entries / 100'000) {
    return fail("a new authenticator was taken for a replay, or there is no room");
  }
  const double replay_ns =
      filler.present(kTimed, [entries](std::size_t n) { return mix(n) % entries; });
  // An authenticator that found no room is none that was seen.
  if (filler.count(ReplayVerdict::kReplay) + no_room < kTimed ||
      filler.count(ReplayVerdict::kFresh) > no_room) {
    return fail("a replay was not recognised");
  }
  const double insert_ns = filler.present(kTimed, [entries](std::size_t n) { return entries + n; });
  if (filler.count(ReplayVerdict::kFresh) + filler.count(ReplayVerdict::kFull) != kTimed) {
    return fail("a new authenticator was taken for a replay");
  }
  std::printf(
      "%zu live entries in %zu places (%.0f %%), %zu more found no room\n"
      "%.1f bytes an entry, %.0f ns per insert, %.0f ns per refused replay\n",
      live, places, 100.0 * static_cast<double>(live) / static_cast<double>(places), no_room, bytes,
      insert_ns, replay_ns);
  return bytes <= 16 ? 0 : fail("more than 16 bytes an entry");
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t entries = 10'000'000;
  const char* file = nullptr;
  for (int n = 1; n + 1 < argc; n += 2) {
    const std::string_view flag = argv[n];
    if (flag == "--file") {
      file = argv[n + 1];
    } else if (flag == "--entries") {
      std::from_chars(argv[n + 1], argv[n + 1] + std::strlen(argv[n + 1]), entries);
    }
  }
  if (argc % 2 == 0 || entries < 10'000 || entries > 100'000'000) {
    std::fputs("usage: replay_bench [--entries N] [--file PATH]\n", stderr);
    return 2;
  }
  return run(entries, file);
}
