// engine/slots and engine/auth/context_pool.h: slots taken, pinned, given back, released, and taken
// back by deadline, against a list of who lives. An input is a script of two bytes a step.
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/auth/context_pool.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kSlots = 6;
constexpr std::size_t kPlaces = 9;  // More than slots, so that stale handles stay known.
constexpr int kStepsMax = 128;
constexpr std::int64_t kHalfOpenSeconds = 30;
constexpr ContextHandle kNone{};
constexpr std::array<std::uint8_t, kIdentitySizeMax> kWiped{};

// Tenant is what the model knows of one handle, long after its end.
struct Tenant {
  ContextHandle handle = kNone;
  bool live = false;
  std::uint32_t deadline_s = 0;  // 0: established.
  std::uint8_t mark = 0;         // What the tenant wrote into its context.
  Pinned<auth::Context> pin;
};

// Contexts are wiped when they are released, and every input releases all.
std::array<auth::Context, kSlots> g_contexts;

class Play {
 public:
  Play(Bytes script, std::uint32_t generation) : script_(script) {
    for (SlotPool::Slot& slot : slots_) {
      slot.word.store(std::uint64_t{generation} << 2, std::memory_order_relaxed);  // Free.
    }
  }

  void run() {
    for (int step_count = 0; step_count < kStepsMax && script_.size() >= 2; ++step_count) {
      step(script_[0] % 9, tenants_[(script_[0] / 9) % kPlaces], script_[1]);
      script_ = script_.subspan(2);
      check(pool_.live() == live(), "as many contexts live as the model says");
    }
    for (Tenant& tenant : tenants_) {
      end(tenant);
    }
    check(pool_.live() == 0, "every slot comes back");
    fill_up();
  }

 private:
  void step(int what, Tenant& tenant, std::uint8_t value) {
    switch (what) {
      case 0:
        return open(value);
      case 1:
        return pin(tenant);
      case 2:
        return tenant.pin.reset();
      case 3:
        return end(tenant);
      case 4:
        return establish(tenant);
      case 5:
        steady_us_ += value * kMicrosPerSecond / 2;
        return;
      case 6:
        return sweep();
      case 7:
        return forge(tenant, value);
      default: {  // A pin that moves is still one pin.
        Pinned<auth::Context> moved = std::move(tenant.pin);
        check(!tenant.pin, "a pin that was moved from holds nothing");
        tenant.pin = std::move(moved);
      }
    }
  }

  [[nodiscard]] std::uint32_t now_s() const {
    return static_cast<std::uint32_t>(steady_us_ / kMicrosPerSecond);
  }
  [[nodiscard]] std::size_t live() const {
    return static_cast<std::size_t>(std::ranges::count(tenants_, true, &Tenant::live));
  }

  // overdue ends in the model what a sweep must free, and counts it.
  std::uint32_t overdue() {
    std::uint32_t count = 0;
    for (Tenant& tenant : tenants_) {
      if (tenant.live && !tenant.pin && tenant.deadline_s != 0 && tenant.deadline_s < now_s()) {
        tenant.live = false;
        ++count;
      }
    }
    return count;
  }

  void open(std::uint8_t mark) {
    if (live() == kSlots && now_s() != swept_s_) {
      swept_s_ = now_s();
      overdue();
    }
    const bool room = live() < kSlots;
    Status status = Status::kEstablished;
    Pinned<auth::Context> context = pool_.open(steady_us_, status);
    check(bool(context) == room, "a slot is given if and only if one is free");
    if (!room) {
      check(status == Status::kNoFreeSlot, "a refusal says why");
      return;
    }
    const ContextHandle handle = context.handle();
    check(handle.generation != 0, "generation 0 is never issued");
    for (const Tenant& other : tenants_) {
      check(!(other.handle == handle), "no handle comes twice");
      check(!other.live || other.handle.index != handle.index, "no slot has two tenants");
    }
    check(context->state == auth::State::kFirstToken && context->key.empty() &&
              std::memcmp(context->storage.data(), kWiped.data(), kWiped.size()) == 0,
          "a new tenant finds nothing of the last one");
    Tenant& tenant = *std::ranges::find(tenants_, false, &Tenant::live);
    tenant = {.handle = handle,
              .live = true,
              .deadline_s = now_s() + static_cast<std::uint32_t>(kHalfOpenSeconds),
              .mark = static_cast<std::uint8_t>(mark | 1),
              .pin = std::move(context)};
    check(tenant.pin->deadline_s == tenant.deadline_s, "a new context has its deadline");
    std::array<std::uint8_t, kIdentitySizeMax> marks;
    marks.fill(tenant.mark);
    check(tenant.pin->keep(0, marks), "a context has room for its tenant's name");
  }

  void pin(Tenant& tenant) {
    const bool held = bool(tenant.pin);
    Status status = Status::kEstablished;
    Pinned<auth::Context> context = pool_.pin(tenant.handle, status);
    check(bool(context) == (tenant.live && !held), "pinned if it lives and nobody has it");
    if (!context) {
      check(status == (held ? Status::kContextBusy : Status::kStaleHandle), "a refusal says why");
      return;
    }
    check(context->storage.front() == tenant.mark && context->storage.back() == tenant.mark,
          "a handle leads to its own context");
    tenant.pin = std::move(context);
  }

  void end(Tenant& tenant) {
    if (!tenant.pin) {
      pin(tenant);
    }
    if (tenant.pin) {
      pool_.release(tenant.pin);
      tenant.live = false;
      check(!tenant.pin, "who has released holds nothing");
      pin(tenant);  // Stale from now on.
    }
  }

  void establish(Tenant& tenant) {
    if (tenant.pin) {
      pool_.establish(tenant.pin);
      tenant.deadline_s = 0;
    }
  }

  void sweep() {
    const std::uint32_t expected = overdue();
    check(pool_.sweep(steady_us_) == expected, "a sweep frees those that are overdue, no others");
  }

  // forge tries a handle that is near one that was issued.
  void forge(const Tenant& near, std::uint8_t change) {
    ContextHandle forged = near.handle;
    forged.generation += static_cast<std::uint32_t>(change % 5) - 2;
    forged.index = SlotIndex(std::uint32_t(forged.index) + (change / 5) % 3);
    forged.index = SlotIndex(std::uint32_t(forged.index) ^ std::uint32_t{change} / 15 << 24);
    const auto found = std::ranges::find_if(
        tenants_, [&](const Tenant& tenant) { return tenant.live && tenant.handle == forged; });
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context = pool_.pin(forged, status);
    check(bool(context) == (found != tenants_.end() && !found->pin), "a forged handle is stale");
    check(context || found != tenants_.end() || status == Status::kStaleHandle, "and says so");
  }

  // fill_up proves that the free list still holds every slot once.
  void fill_up() {
    std::array<Pinned<auth::Context>, kSlots> all;
    Status status = Status::kEstablished;
    std::uint32_t indices = 0;
    for (Pinned<auth::Context>& one : all) {
      one = pool_.open(steady_us_, status);
      check(bool(one), "all slots can be had again");
      indices |= 1u << std::uint32_t(one.handle().index);
    }
    check(indices == (1u << kSlots) - 1, "each of them once");
    for (Pinned<auth::Context>& one : all) {
      pool_.release(one);
    }
  }

  Bytes script_;
  std::int64_t steady_us_ = 1000 * kMicrosPerSecond;
  std::uint32_t swept_s_ = 0;
  std::array<SlotPool::Slot, kSlots> slots_;
  auth::ContextPool pool_{slots_, g_contexts, kHalfOpenSeconds};
  std::array<Tenant, kPlaces> tenants_;
};

}  // namespace

void run_one(Bytes input) {
  constexpr std::uint32_t kNearTheEnd = 0xfffffffd;  // Generations begin anew after 2^32 - 1.
  if (!input.empty()) {
    Play(input.subspan(1), input[0] % 2 == 0 ? 1 : kNearTheEnd).run();
  }
}

}  // namespace usher::fuzz
