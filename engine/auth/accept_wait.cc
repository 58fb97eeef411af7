#include "engine/auth/accept_wait.h"

#include <chrono>
#include <semaphore>

namespace usher::auth {
namespace {

// Waiter sleeps until its one inquiry has been answered.
class Waiter final : public Asker {
 public:
  // The last that happens here: whoever waits may be gone when release returns, which only wakes by
  // an address then.
  void answered(Inquiry& /*inquiry*/) noexcept override { answered_.release(); }

  // wait returns whether there is an answer; if not, the inquiry is the authority's again.
  [[nodiscard]] bool wait(Authority& authority, Inquiry& inquiry) noexcept {
    if (answered_.try_acquire_for(std::chrono::microseconds(authority.deadline_us()))) {
      return true;
    }
    if (authority.abandon(inquiry)) {
      return false;
    }
    answered_.acquire();  // It has come this moment: answered is on its way.
    return true;
  }

 private:
  std::binary_semaphore answered_{0};
};

}  // namespace

void accept_and_wait(Desk& desk, const Environment& environment, const AcceptRequest& request,
                     AcceptReply& reply) noexcept {
  Waiter waiter;
  AcceptRequest asking = request;
  asking.asker = &waiter;
  accept(desk, environment, {&asking, 1}, {&reply, 1});
  if (reply.verdict.status != Status::kAsked) {
    return;
  }
  Authority& authority = *request.credential->authority;
  Inquiry& inquiry = *reply.inquiry;
  const bool answered = waiter.wait(authority, inquiry);
  asking.resumed = true;
  asking.inquiry = answered ? &inquiry : nullptr;
  asking.context = reply.context;
  accept(desk, environment, {&asking, 1}, {&reply, 1});
  if (answered) {
    authority.close(inquiry);
  }
}

}  // namespace usher::auth
