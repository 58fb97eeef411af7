// Randomness drawn in bulk: confounders, subkeys, sequence numbers, server challenges.
#pragma once

#include <cstdint>
#include <memory>

#include "parsers/bytes.h"

namespace usher {

// RandomSource fills buffers with bytes nobody can foresee. One thread at a time.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  // fill writes all of `out`; false means no randomness could be had and nothing may be sent.
  [[nodiscard]] virtual bool fill(MutableBytes out) noexcept = 0;
};

// make_system_random returns a generator for one thread, or null if memory or the system's entropy
// cannot be had. It is AES-256-CTR with fast key erasure: each refill of a 16 KiB pool replaces the
// key, and bytes are erased as they are handed out, so a later look at memory tells nothing about
// earlier bytes. It is seeded from RAND_bytes at start and again every 64 MiB; in between it makes
// no system call and no allocation, which RAND_bytes itself would (it asks for the process id).
// Its state lives in a page the kernel empties on fork (MADV_WIPEONFORK) and leaves out of core
// dumps; an emptied page is seeded anew, so a child process never repeats its parent.
[[nodiscard]] std::unique_ptr<RandomSource> make_system_random() noexcept;

}  // namespace usher
