// Stages 7 and 10: open the tickets, then the authenticators, then seal the replies of all the
// exchanges that one turn has collected.
#pragma once

#include <array>
#include <cassert>
#include <span>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/kit.h"
#include "engine/crypto/sealing.h"
#include "engine/limits.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// The three jobs differ in type so that stages cannot be called out of order. A job owns nothing
// but its result's numbers: `cipher` lies in the token, `plain` in the turn's plaintext arena.

// TicketJob opens one ticket with a service key (key usage 2).
struct TicketJob {
  const ServiceKey* key = nullptr;
  Bytes cipher;        // EncryptedData's: body and tag, in the order of the key's family.
  MutableBytes plain;  // Room for cipher.size() bytes.
  Bytes opened;        // Out: the plaintext inside `plain`, without confounder.
  Outcome outcome = Outcome::kPending;
};

// AuthenticatorJob opens one authenticator with a ticket's session key (key usage 11).
struct AuthenticatorJob {
  const EtypeProfile* profile = nullptr;
  Bytes session_key;  // profile->key_size bytes.
  Bytes cipher;
  MutableBytes plain;
  Bytes opened;
  Fingerprint fingerprint{};  // Out; for the replay cache.
  Outcome outcome = Outcome::kPending;
};

// SealJob encrypts one EncAPRepPart with a session key (key usage 12).
struct SealJob {
  const EtypeProfile* profile = nullptr;
  Bytes session_key;
  Bytes confounder;  // profile->confounder_size random bytes.
  Bytes plain;
  MutableBytes cipher;  // Out: exactly profile->overhead() + plain.size() bytes.
  Outcome outcome = Outcome::kPending;
};

// Each stage decides every pending job, leaves decided ones alone, and lets no job influence
// another. A kForged or kFailed job's `plain` has been wiped and its `opened` is empty.
void open_tickets(Kit& kit, std::span<TicketJob> jobs) noexcept;
void open_authenticators(Kit& kit, std::span<AuthenticatorJob> jobs) noexcept;
void seal_replies(Kit& kit, std::span<SealJob> jobs) noexcept;

// Batch is a fixed array with a count: no allocation, no growth, no reordering.
template <class Job, std::size_t kMax = kBatchMax>
class Batch {
 public:
  [[nodiscard]] bool full() const noexcept { return count_ == kMax; }
  [[nodiscard]] std::span<Job> jobs() noexcept { return std::span(jobs_).first(count_); }
  void clear() noexcept {
    for (Job& job : jobs()) {
      job = Job{};
    }
    count_ = 0;
  }

  // add requires !full(); the reference is good until clear().
  Job& add(const Job& job) noexcept {
    assert(!full());
    return jobs_[count_++] = job;
  }

 private:
  std::array<Job, kMax> jobs_{};
  std::size_t count_ = 0;
};

}  // namespace usher::crypto
