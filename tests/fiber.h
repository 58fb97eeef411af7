// A function that can be stopped in the middle and continued, all on one operating-system thread.
#pragma once

#include <ucontext.h>

#include <cassert>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define USHER_FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define USHER_FIBER_TSAN 1
#endif
#endif

namespace usher::testing {

// Fiber runs `body` on a stack of its own. Switching costs a microsecond whatever else the machine
// is doing; handing a baton between real threads costs a time slice each when it is busy.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body)
      : body_(std::move(body)), stack_(std::make_unique_for_overwrite<char[]>(kStackSize)) {
    ::getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack_.get();
    inside_.uc_stack.ss_size = kStackSize;
    inside_.uc_link = nullptr;
    ::makecontext(&inside_, &Fiber::run_current, 0);
#ifdef USHER_FIBER_TSAN
    tsan_inside_ = __tsan_create_fiber(0);
#endif
  }
  // A fiber that has not finished is forgotten as it stands; what its body owns is not destroyed.
  ~Fiber() {
#ifdef USHER_FIBER_TSAN
    __tsan_destroy_fiber(tsan_inside_);
#endif
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // resume continues the body until it suspends or ends. Not from inside a fiber.
  void resume() {
    assert(current_ == nullptr && !finished_);
    current_ = this;
#ifdef USHER_FIBER_ASAN
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, stack_.get(), kStackSize);
#endif
#ifdef USHER_FIBER_TSAN
    tsan_outside_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_inside_, 0);
#endif
    ::swapcontext(&outside_, &inside_);
#ifdef USHER_FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
    current_ = nullptr;
  }

  // suspend returns from the resume() that the calling fiber runs under.
  static void suspend() {
    assert(current_ != nullptr);
    current_->leave();
  }

  [[nodiscard]] bool finished() const { return finished_; }

 private:
  static constexpr std::size_t kStackSize = 256 * 1024;  // A failing assertion prints on it.

  static void run_current() {
    Fiber& self = *current_;
#ifdef USHER_FIBER_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self.outside_stack_, &self.outside_stack_size_);
#endif
    self.body_();
    self.finished_ = true;
    self.leave();
  }

  void leave() {
#ifdef USHER_FIBER_ASAN
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(finished_ ? nullptr : &fake_stack, outside_stack_,
                                   outside_stack_size_);
#endif
#ifdef USHER_FIBER_TSAN
    __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
    ::swapcontext(&inside_, &outside_);
#ifdef USHER_FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, &outside_stack_, &outside_stack_size_);
#endif
  }

  std::function<void()> body_;
  std::unique_ptr<char[]> stack_;
  bool finished_ = false;
  ucontext_t inside_{};
  ucontext_t outside_{};
#ifdef USHER_FIBER_ASAN
  const void* outside_stack_ = nullptr;
  std::size_t outside_stack_size_ = 0;
#endif
#ifdef USHER_FIBER_TSAN
  void* tsan_inside_ = nullptr;
  void* tsan_outside_ = nullptr;
#endif
  static inline Fiber* current_ = nullptr;
};

}  // namespace usher::testing
