#include "engine/engine.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/fork_number.h"
#include "engine/random.h"
#include "engine/secret.h"

namespace usher {
namespace {

// make_array takes memory for one array of T, which is all zeros.
//
// Accepts come to anywhere in the replay cache's places, so those prefer huge pages: each access is
// one miss of the processor's caches then, and not another one of its page tables. Such a table is
// soon touched everywhere, so nothing is lost; without huge pages in the kernel the advice fails.
// Of a page store's pages hardly any are ever used: nothing is to be reserved for them, and none is
// to bring others with it.
template <class T>
std::span<T> make_array(std::size_t count) noexcept {
  constexpr bool kSparse = std::is_same_v<T, PageStore::Page>;
  void* const memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | (kSparse ? MAP_NORESERVE : 0), -1, 0);
  if (memory == MAP_FAILED) {
    return {};
  }
  if constexpr (kSparse) {
    (void)::madvise(memory, count * sizeof(T), MADV_NOHUGEPAGE);
  }
  if constexpr (std::is_same_v<T, ReplayCache::Place>) {
    (void)::madvise(memory, count * sizeof(T), MADV_HUGEPAGE);
  }
  const std::span<T> array(static_cast<T*>(memory), count);
  std::uninitialized_default_construct(array.begin(), array.end());
  return array;
}

template <class T>
void free_array(std::span<T> array) noexcept {
  if (!array.empty()) {
    std::destroy(array.begin(), array.end());
    ::munmap(array.data(), array.size_bytes());
  }
}

// Keys and tokens of all open exchanges lie here: not for core dumps.
template <class T>
void keep_private(std::span<T> array) noexcept {
  (void)::madvise(array.data(), array.size_bytes(), MADV_DONTDUMP);
}

// Arrays is all of an engine's memory.
struct Arrays {
  std::span<SlotPool::Slot> slots;
  std::span<Context> contexts;
  std::span<ReplayCache::Place> places;  // Unless they lie in a file.
  std::span<PageStore::Page> pages;
  std::span<PageStore::Link> links;

  [[nodiscard]] bool complete(bool with_places) const noexcept {
    return !slots.empty() && !contexts.empty() && (!places.empty() || !with_places) &&
           !pages.empty() && !links.empty();
  }
  void free() const noexcept {
    free_array(slots);
    free_array(contexts);  // Each context wipes its key.
    free_array(places);
    free_array(pages);
    free_array(links);
  }
};

using Tickets = OwnedSeenCache<auth::OpenedTicket>;

SeenCacheOptions ticket_options(const EngineOptions& options) noexcept {
  return {.entry_count = options.ticket_count,
          .key_size_max = kCachedTicketSizeMax,
          .value_size_max = kCachedTicketSizeMax};
}

// all_page_count is how many pages contexts and remembered tickets share: so many that a ticket's
// PAC never takes the room of a context's.
std::uint32_t all_page_count(const EngineOptions& options) noexcept {
  static_assert(kPageCountMax + kTicketCacheEntriesMax * kCachedTicketPages <=
                PageStore::kCapacityMax);
  return options.page_count +
         (options.ticket_count == 0
              ? 0
              : auth::TicketCache::entry_count(ticket_options(options)) * kCachedTicketPages);
}

// Secrets are drawn when the engine is made, and decide where things lie.
struct Secrets {
  ReplayKey replays{};
  SeenHashKey tickets{};

  Secrets() = default;
  Secrets(const Secrets&) = delete;
  Secrets& operator=(const Secrets&) = delete;
  ~Secrets() { OPENSSL_cleanse(this, sizeof(*this)); }

  [[nodiscard]] bool draw(RandomSource& random) noexcept {
    return random.fill({reinterpret_cast<std::uint8_t*>(replays.data()), sizeof(replays)}) &&
           random.fill({reinterpret_cast<std::uint8_t*>(tickets.data()), sizeof(tickets)});
  }
};

class TheEngine final : public Engine {
 public:
  TheEngine(const Arrays& arrays, const ReplayKey& key, std::unique_ptr<ReplayFile> file,
            std::unique_ptr<Tickets> tickets, std::unique_ptr<auth::ContextSealer> sealer,
            const EngineOptions& options) noexcept
      : arrays_(arrays),
        file_(std::move(file)),
        pages_(arrays.pages, arrays.links),
        pool_(arrays.slots, arrays.contexts, options.half_open_s, &pages_),
        replays_(file_ ? file_->places() : arrays.places, file_ ? file_->key() : key,
                 options.skew_max_s, file_ ? file_->lost_until_s() : kNothingLost),
        tickets_(std::move(tickets)),
        sealer_(std::move(sealer)),
        export_s_(options.export_s != 0 ? options.export_s
                                        : std::min(kExportSecondsDefault, options.skew_max_s)),
        environment_{pool_, replays_, options.clock != nullptr ? *options.clock : system_clock(),
                     tickets_ ? &**tickets_ : nullptr} {}
  TheEngine(const TheEngine&) = delete;
  TheEngine& operator=(const TheEngine&) = delete;
  ~TheEngine() override {
    tickets_.reset();  // Which hold pages.
    arrays_.free();
  }

  [[nodiscard]] const auth::Environment& environment() const noexcept override {
    return environment_;
  }
  [[nodiscard]] bool sees_all_replays() const noexcept override {
    return file_ != nullptr || made_in_ == fork_number();
  }
  [[nodiscard]] const auth::ContextSealer& sealer() const noexcept override { return *sealer_; }
  [[nodiscard]] std::int64_t export_s() const noexcept override { return export_s_; }

 private:
  const std::uint32_t made_in_ = fork_number();
  Arrays arrays_;
  std::unique_ptr<ReplayFile> file_;
  PageStore pages_;
  auth::ContextPool pool_;
  ReplayCache replays_;
  std::unique_ptr<Tickets> tickets_;  // Null: none are remembered.
  std::unique_ptr<auth::ContextSealer> sealer_;
  std::int64_t export_s_;
  auth::Environment environment_;
};

std::size_t replay_place_count(std::uint32_t entries) noexcept {
  return std::bit_ceil(std::size_t{std::max(entries, ReplayCache::kProbesMax)});
}

// open_replay_file is null if it cannot be used; then `why_not` says why.
std::unique_ptr<ReplayFile> open_replay_file(const EngineOptions& options, const ReplayKey& key,
                                             ReplayFile::Reason& why_not) noexcept {
  const Clock& clock = options.clock != nullptr ? *options.clock : system_clock();
  ReplayFile::Wanted wanted{.path = options.replay_file,
                            .place_count = replay_place_count(options.replay_entry_count),
                            .skew_max_s = options.skew_max_s,
                            .now_s = clock.wall_us() / kMicrosPerSecond};
  if (!read_machine_boot(clock, wanted.boot)) {
    constexpr std::string_view kNoProc = "replay file: /proc/sys/kernel/random/boot_id is missing";
    std::ranges::copy(kNoProc, why_not.begin());
    return nullptr;
  }
  return ReplayFile::open(wanted, key, why_not);
}

bool in_range(const EngineOptions& options) noexcept {
  return options.slot_count != 0 && options.slot_count <= kSlotCountMax &&
         options.half_open_s > 0 && options.replay_entry_count <= kReplayEntryCountMax &&
         options.page_count != 0 && options.page_count <= kPageCountMax &&
         options.ticket_count <= kTicketCacheEntriesMax && options.skew_max_s <= kSkewSecondsMax &&
         options.export_s >= 0 &&
         options.export_s <= std::min(kExportSecondsMax, options.skew_max_s);
}

std::unique_ptr<auth::ContextSealer> make_sealer(const EngineOptions& options, RandomSource& random,
                                                 auth::KeyFileReason& why_not) noexcept {
  if (options.context_key_file != nullptr) {
    return auth::make_sealer_of_file(options.context_key_file, why_not);
  }
  Secret<auth::kContextKeySize> key;
  return random.fill(key.reset(auth::kContextKeySize)) ? auth::ContextSealer::make(key.bytes())
                                                       : nullptr;
}

}  // namespace

std::unique_ptr<Engine> Engine::make(const EngineOptions& options,
                                     ReplayFile::Reason* why_not) noexcept {
  const std::unique_ptr<RandomSource> random = make_system_random();
  Secrets secrets;
  if (!in_range(options) || !watch_forks() || random == nullptr || !secrets.draw(*random)) {
    return nullptr;
  }
  static_assert(std::is_same_v<ReplayFile::Reason, auth::KeyFileReason>);
  ReplayFile::Reason nobody_asks{};
  ReplayFile::Reason& reason = why_not != nullptr ? *why_not : nobody_asks;
  std::unique_ptr<auth::ContextSealer> sealer = make_sealer(options, *random, reason);
  if (sealer == nullptr) {
    return nullptr;
  }
  std::unique_ptr<ReplayFile> file;
  const bool in_memory = options.replay_file == nullptr;
  if (!in_memory) {
    file = open_replay_file(options, secrets.replays, reason);
    if (file == nullptr) {
      return nullptr;
    }
  }
  const std::size_t place_count = replay_place_count(options.replay_entry_count);
  const std::uint32_t page_count = all_page_count(options);
  const Arrays arrays{.slots = make_array<SlotPool::Slot>(options.slot_count),
                      .contexts = make_array<Context>(options.slot_count),
                      .places = in_memory ? make_array<ReplayCache::Place>(place_count)
                                          : std::span<ReplayCache::Place>(),
                      .pages = make_array<PageStore::Page>(page_count),
                      .links = make_array<PageStore::Link>(page_count)};
  const bool remembers = options.ticket_count != 0;
  std::unique_ptr<Tickets> tickets =
      remembers ? Tickets::make(ticket_options(options), secrets.tickets) : nullptr;
  std::unique_ptr<Engine> engine;
  if (arrays.complete(in_memory) && (tickets != nullptr || !remembers)) {
    keep_private(arrays.contexts);
    keep_private(arrays.pages);
    engine.reset(new (std::nothrow) TheEngine(arrays, secrets.replays, std::move(file),
                                              std::move(tickets), std::move(sealer), options));
  }
  if (engine == nullptr) {
    arrays.free();
  }
  return engine;
}

void Engine::forget_tickets(std::uint64_t generation) const noexcept {
  if (auth::TicketCache* const tickets = environment().tickets; tickets != nullptr) {
    (void)tickets->forget(generation);
  }
}

void Engine::forget_expired_tickets() const noexcept {
  const auth::Environment& here = environment();
  if (here.tickets != nullptr) {
    (void)here.tickets->wipe_expired(here.clock.wall_us() / kMicrosPerSecond);
  }
}

Status Engine::release(ContextHandle handle) const noexcept {
  Status status = Status::kEstablished;
  auth::ContextPool& contexts = environment().contexts;
  Pinned<Context> context = contexts.pin_patiently(handle, status);
  if (context) {
    contexts.release(context);
  }
  return status;
}

}  // namespace usher
