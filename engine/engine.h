// The composition root: all memory and everything shared, made once.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/auth/accept.h"
#include "engine/auth/context_seal.h"
#include "engine/auth/replay_file.h"
#include "engine/clock.h"
#include "engine/limits.h"

namespace usher {

using auth::AcceptReply;
using auth::AcceptRequest;
using auth::Context;
using auth::Credential;
using auth::Desk;

struct EngineOptions {
  std::uint32_t slot_count = kSlotCountDefault;  // 1..kSlotCountMax; 1 KiB each.
  std::int64_t half_open_s = kHalfOpenSecondsDefault;
  std::uint32_t replay_entry_count = kReplayEntryCountDefault;  // Rounded up to a power of two.
  // Pages for contexts, 2 KiB each, used as they are needed.
  std::uint32_t page_count = kPageCountDefault;
  // Largest kerberos.skew that a credential may have, up to kSkewSecondsMax: no authenticator
  // within it is forgotten, so a wider one fills the replay cache sooner. With the replay check on,
  // a larger skew is treated as this one.
  std::int64_t skew_max_s = kSkewSecondsDefault;
  // Path of the file that the replay cache lies in, so that a restart forgets nothing and processes
  // share it (auth/replay_file.h); null: memory of this process.
  const char* replay_file = nullptr;
  // Opened tickets that are remembered, 18 KiB and kCachedTicketPages each, of which only what is
  // used is touched; rounded up to a power of two and to kSeenWays, at most kTicketCacheEntriesMax;
  // 0: none are.
  std::uint32_t ticket_count = kTicketCacheEntriesDefault;
  // How long a packed context can be imported, at most kExportSecondsMax and at most skew_max_s:
  // that it was imported, the replay cache remembers no longer. 0: kExportSecondsDefault, or
  // skew_max_s if that is less.
  std::int64_t export_s = 0;
  // Path of the file with the key of packed contexts (auth/context_seal.h), for engines that take
  // each other's; null: a random one, which this process and its children have.
  const char* context_key_file = nullptr;
  const Clock* clock = nullptr;  // Null: system_clock().
};

// Engine owns the slots, the contexts and the replay cache. Nothing allocates after make.
class Engine {
 public:
  // make is null if memory fails or a number is out of range, or, which `why_not` then says, if the
  // replay file or the context key file cannot be used.
  [[nodiscard]] static std::unique_ptr<Engine> make(const EngineOptions& options,
                                                    ReplayFile::Reason* why_not = nullptr) noexcept;
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // environment is what auth::accept needs besides a desk.
  [[nodiscard]] virtual const auth::Environment& environment() const noexcept = 0;

  // sealer has the key of packed contexts, and export_s is how long they are good.
  [[nodiscard]] virtual const auth::ContextSealer& sealer() const noexcept = 0;
  [[nodiscard]] virtual std::int64_t export_s() const noexcept = 0;

  // sees_all_replays says whether its replay cache is told of what other processes accept: one in a
  // file is; one in memory in the process that made it only, and not in children of fork, each of
  // which has a copy.
  [[nodiscard]] virtual bool sees_all_replays() const noexcept = 0;

  // forget_tickets wipes what is remembered of tickets that were opened with keys that are gone: to
  // be called with Keys::generation once those have been replaced, or their credential has ended.
  void forget_tickets(std::uint64_t generation) const noexcept;

  // forget_expired_tickets wipes what is remembered of tickets that have ended. Sign-ons do so now
  // and then; for who can call it when there are none.
  void forget_expired_tickets() const noexcept;

  // inspect calls visit(const Context&) while the context is pinned, patiently; kStaleHandle or
  // kContextBusy if it cannot be, and visit is not called.
  template <class Visit>
  [[nodiscard]] Status inspect(ContextHandle handle, Visit visit) const noexcept {
    Status status = Status::kEstablished;
    const Pinned<Context> context = environment().contexts.pin_patiently(handle, status);
    if (context) {
      visit(std::as_const(*context));
    }
    return status;
  }

  // release ends a context, pinned patiently: kEstablished when done, else kStaleHandle or
  // kContextBusy.
  [[nodiscard]] Status release(ContextHandle handle) const noexcept;

 protected:
  Engine() = default;
};

}  // namespace usher
