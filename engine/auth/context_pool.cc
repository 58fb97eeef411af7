#include "engine/auth/context_pool.h"

#include <sched.h>

#include <cassert>

namespace usher::auth {
namespace {

std::uint32_t seconds(std::int64_t steady_us) noexcept {
  return static_cast<std::uint32_t>(steady_us / kMicrosPerSecond);
}

}  // namespace

ContextPool::ContextPool(std::span<SlotPool::Slot> slots, std::span<Context> contexts,
                         std::int64_t half_open_s, PageStore* pages) noexcept
    : slots_(slots), contexts_(contexts), half_open_s_(half_open_s), pages_(pages) {
  assert(slots.size() == contexts.size());
  assert(half_open_s > 0);
}

Pinned<Context> ContextPool::open(std::int64_t steady_us, Status& status) noexcept {
  ContextHandle handle = slots_.acquire();
  if (!handle && sweep_now_and_then(steady_us)) {
    handle = slots_.acquire();
  }
  if (!handle) {
    status = Status::kNoFreeSlot;
    return {};
  }
  const std::uint32_t deadline_s = seconds(steady_us) + static_cast<std::uint32_t>(half_open_s_);
  slots_.set_deadline(handle, deadline_s);
  Pinned<Context> context(slots_, handle, contexts_[std::size_t(handle.index)]);
  context->deadline_s = deadline_s;
  return context;
}

Pinned<Context> ContextPool::pin(ContextHandle handle, Status& status) noexcept {
  if (!slots_.pin(handle)) {
    status = slots_.is_live(handle) ? Status::kContextBusy : Status::kStaleHandle;
    return {};
  }
  return {slots_, handle, contexts_[std::size_t(handle.index)]};
}

Pinned<Context> ContextPool::pin_patiently(ContextHandle handle, Status& status) noexcept {
  // Whoever has it copies a pointer or names, or, once, derives keys; a yield lets one go on that
  // was preempted meanwhile. Not nanosleep: a thread could be cancelled in it.
  constexpr unsigned kPatience = 1u << 20;
  Pinned<Context> context = pin(handle, status);
  for (unsigned waited = 0; !context && status == Status::kContextBusy && waited < kPatience &&
                            !slots_.has_deadline(handle);
       ++waited) {
    (void)::sched_yield();
    status = Status::kEstablished;
    context = pin(handle, status);
  }
  return context;
}

bool ContextPool::keep(std::span<const Bytes> parts, Kept& out, std::int64_t steady_us) noexcept {
  return pages_ != nullptr &&
         (pages_->keep(parts, out) || (sweep_now_and_then(steady_us) && pages_->keep(parts, out)));
}

bool ContextPool::sweep_now_and_then(std::int64_t steady_us) noexcept {
  // Relaxed: it only decides who walks.
  std::uint32_t swept = swept_s_.load(std::memory_order_relaxed);
  const std::uint32_t now_s = seconds(steady_us);
  return now_s != swept &&
         swept_s_.compare_exchange_strong(swept, now_s, std::memory_order_relaxed) &&
         sweep(steady_us) > 0;
}

void ContextPool::prolong(const Pinned<Context>& context, std::int64_t steady_us,
                          std::int64_t more_s) noexcept {
  const std::uint32_t deadline_s = seconds(steady_us) + static_cast<std::uint32_t>(more_s);
  if (context->deadline_s < deadline_s) {
    context->deadline_s = deadline_s;
    slots_.set_deadline(context.handle(), deadline_s);
  }
}

void ContextPool::establish(const Pinned<Context>& context) noexcept {
  slots_.set_deadline(context.handle(), 0);
  context->deadline_s = 0;
}

std::uint32_t ContextPool::sweep(std::int64_t steady_us) noexcept {
  std::uint32_t freed = 0;
  std::uint32_t from = 0;
  while (const ContextHandle handle = slots_.pin_expired(from, seconds(steady_us))) {
    Pinned<Context> context(slots_, handle, contexts_[std::size_t(handle.index)]);
    release(context);
    ++freed;
  }
  return freed;
}

void ContextPool::release(Pinned<Context>& context) noexcept {
  for (Kept* const kept : {&context->pac, &context->delegated}) {
    if (!kept->empty()) {
      assert(pages_ != nullptr);
      pages_->release(*kept);
    }
  }
  context.release();
}

}  // namespace usher::auth
