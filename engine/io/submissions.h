// Where a worker's tokens come from besides its connections: other threads of the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/auth/accept.h"
#include "engine/io/waker.h"
#include "parsers/bytes.h"

namespace usher::io {

// Submissions are tokens that other threads post for one worker. It calls all of this from its own
// thread only, one call at a time, and never again after run() has returned.
class Submissions {
 public:
  virtual ~Submissions() = default;

  // open comes before the worker runs: `waker` wakes it, and lives as long as it does.
  virtual void open(Waker& waker) noexcept = 0;

  // any says whether something is to be taken, as far as can be seen without taking it. It costs
  // little and may be wrong either way for a moment: who sleeps asks lie_down.
  [[nodiscard]] virtual bool any() const noexcept = 0;

  // take fills in requests, at most as many as there are, from what has been posted, and returns
  // how many; request.reply is the worker's, set before, and stays as it is. Never waits: what
  // comes later is for the next turn. `desk` is the worker's.
  [[nodiscard]] virtual std::size_t take(auth::Desk& desk,
                                         std::span<auth::AcceptRequest> requests) noexcept = 0;

  // finish hands back the requests that take has filled in, with their replies, which may be
  // kAsked: the request is then this object's to keep, and to bring again as a resumed one.
  virtual void finish(std::span<const auth::AcceptRequest> requests,
                      std::span<const auth::AcceptReply> replies) noexcept = 0;

  // lie_down says whether the worker may sleep until it is woken; false if something is to be
  // taken. Each lie_down is followed by a get_up, and that by a take.
  [[nodiscard]] virtual bool lie_down() noexcept = 0;
  // nap_us is how long the worker may sleep at most before it takes again, though nobody wakes it:
  // at least 1. Asked after lie_down, by a worker without a ring.
  [[nodiscard]] virtual std::int64_t nap_us() const noexcept { return kMicrosPerSecond; }
  virtual void get_up() noexcept = 0;

  // pulse is called about once a second, and every kPulseUs while `impatient`: some are waiting
  // whose time may be over.
  static constexpr std::int64_t kPulseUs = 10'000;
  virtual void pulse() noexcept = 0;
  [[nodiscard]] virtual bool impatient() const noexcept = 0;
};

}  // namespace usher::io
