// One slot's memory, and the right to touch it.
#pragma once

#include <utility>

#include "engine/slots/slot_pool.h"

namespace usher {

// Pinned is exclusive use of one T, given back when it goes out of scope. Having one is the only
// way to reach a T, so holding a reference means holding the pin. T::wipe() erases what a next
// tenant must not see; release calls it while the pin is still held.
template <class T>
class Pinned {
 public:
  Pinned() noexcept = default;  // Holds nothing.
  Pinned(SlotPool& pool, ContextHandle handle, T& tenant) noexcept
      : pool_(&pool), handle_(handle), tenant_(&tenant) {}
  Pinned(Pinned&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        handle_(other.handle_),
        tenant_(std::exchange(other.tenant_, nullptr)) {}
  Pinned& operator=(Pinned&& other) noexcept {
    if (this != &other) {
      reset();
      pool_ = std::exchange(other.pool_, nullptr);
      handle_ = other.handle_;
      tenant_ = std::exchange(other.tenant_, nullptr);
    }
    return *this;
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { reset(); }

  explicit operator bool() const noexcept { return pool_ != nullptr; }
  T* operator->() const noexcept { return tenant_; }
  T& operator*() const noexcept { return *tenant_; }
  [[nodiscard]] ContextHandle handle() const noexcept { return handle_; }

  // release ends the tenancy: the T is wiped, the handle goes stale, the slot is free.
  void release() noexcept {
    if (pool_ != nullptr) {
      tenant_->wipe();
      std::exchange(pool_, nullptr)->release(handle_);
      tenant_ = nullptr;
    }
  }

  // reset gives the pin back; the T stays as it is and its handle stays good.
  void reset() noexcept {
    if (pool_ != nullptr) {
      std::exchange(pool_, nullptr)->unpin(handle_);
      tenant_ = nullptr;
    }
  }

 private:
  SlotPool* pool_ = nullptr;
  ContextHandle handle_;
  T* tenant_ = nullptr;
};

}  // namespace usher
