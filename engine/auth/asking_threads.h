// An authority whose answers block, such as a domain's: a few threads ask it, from a bounded queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/auth/authority.h"

namespace usher::auth {

struct AskingOptions {
  std::size_t threads = 4;           // Questions asked at once; at most kAuthorityThreadsMax.
  std::size_t inquiries_max = 256;   // Those and the ones that wait.
  std::int64_t deadline_ms = 5'000;  // How long whoever asks waits for an answer.
};

// Answerer is one thread's own connection to whoever knows.
class Answerer {
 public:
  virtual ~Answerer() = default;

  // answer may block. It is given a cleared answer and fills it in.
  virtual void answer(const NtlmQuestion& question, NtlmAnswer& answer) noexcept = 0;
};

// make_asking_threads starts the threads; each makes itself an Answerer by `make_answerer`, which
// several call at once. Null if that gives null to one of them, or memory or threads are not to be
// had.
//
// Inquiries are answered in the order in which they were asked, as threads get free. One that was
// abandoned before its turn is not asked about any more. The destructor waits for the threads, that
// is for the answers they are waiting for; nobody may be waiting for one of its inquiries then.
[[nodiscard]] std::unique_ptr<Authority> make_asking_threads(
    const AskingOptions& options, const std::function<std::unique_ptr<Answerer>()>& make_answerer);

}  // namespace usher::auth
