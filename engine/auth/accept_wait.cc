#include "engine/auth/accept_wait.h"

#include <algorithm>
#include <array>
#include <cassert>
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

  // wait returns whether there is an answer by then; if not, the inquiry is the authority's again.
  [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point deadline,
                                Inquiry& inquiry) noexcept {
    if (answered_.try_acquire_until(deadline)) {
      return true;
    }
    if (inquiry.authority().abandon(inquiry)) {
      return false;
    }
    answered_.acquire();  // It has come this moment: answered is on its way.
    return true;
  }

 private:
  std::binary_semaphore answered_{0};
};

// await_answers sleeps until each request that was asked about has an answer, or none in time, and
// turns it into the second call that is due. `due` receives their numbers.
std::size_t await_answers(std::span<AcceptRequest> requests, std::span<const AcceptReply> replies,
                          std::span<Waiter> waiters, std::span<std::size_t> due) noexcept {
  const auto asked_at = std::chrono::steady_clock::now();
  std::size_t count = 0;
  for (std::size_t n = 0; n < requests.size(); ++n) {
    if (replies[n].verdict.status != Status::kAsked) {
      continue;
    }
    Inquiry& inquiry = *replies[n].inquiry;
    const std::chrono::microseconds deadline(inquiry.authority().deadline_us());
    const bool answered = waiters[n].wait_until(asked_at + deadline, inquiry);
    requests[n].resumed = true;
    requests[n].inquiry = answered ? &inquiry : nullptr;
    requests[n].context = replies[n].context;
    due[count++] = n;
  }
  return count;
}

void ask_and_wait(Desk& desk, const Environment& environment, std::span<AcceptRequest> requests,
                  std::span<AcceptReply> replies) noexcept {
  std::array<Waiter, kBatchMax> waiters;
  for (std::size_t n = 0; n < requests.size(); ++n) {
    requests[n].asker = &waiters[n];
  }
  accept(desk, environment, requests, replies);
  std::array<std::size_t, kBatchMax> due;
  const std::size_t count = await_answers(requests, replies, waiters, due);
  for (const std::size_t n : std::span(due).first(count)) {
    Inquiry* const inquiry = requests[n].inquiry != nullptr ? replies[n].inquiry : nullptr;
    accept(desk, environment, requests.subspan(n, 1), replies.subspan(n, 1));
    if (inquiry != nullptr) {
      inquiry->authority().close(*inquiry);
    }
  }
}

}  // namespace

void accept_and_wait(Desk& desk, const Environment& environment, std::span<AcceptRequest> requests,
                     std::span<AcceptReply> replies) noexcept {
  assert(requests.size() == replies.size() && requests.size() <= kBatchMax);
  const bool may_ask = std::ranges::any_of(requests, [](const AcceptRequest& request) {
    return request.credential != nullptr && request.credential->authority != nullptr;
  });
  may_ask ? ask_and_wait(desk, environment, requests, replies)
          : accept(desk, environment, requests, replies);
}

void accept_and_wait(Desk& desk, const Environment& environment, const AcceptRequest& request,
                     AcceptReply& reply) noexcept {
  AcceptRequest asking = request;
  accept_and_wait(desk, environment, std::span(&asking, 1), std::span(&reply, 1));
}

}  // namespace usher::auth
