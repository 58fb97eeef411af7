// Stages 7 and 10: open the tickets, then the authenticators, then seal the replies of all the
// exchanges that one turn has collected.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <span>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/kit.h"
#include "engine/limits.h"
#include "parsers/bytes.h"

namespace usher::crypto {

enum class Outcome : std::uint8_t {
  kPending,  // Not worked on yet; never seen after the stage has run.
  kDone,     // Opened and verified, or sealed; the output holds what the job describes.
  kForged,   // The checksum is wrong: other key, changed, or shorter than any ciphertext.
  kFailed,   // OpenSSL failed; says nothing about the input.
};

// The three jobs differ in type so that stages cannot be called out of order. A job owns nothing
// but its result's numbers: `cipher` lies in the token, `plain` in the turn's plaintext arena.

// TicketJob opens one ticket with a service key (key usage 2).
struct TicketJob {
  const ServiceKey* key = nullptr;
  Bytes cipher;        // Ciphertext of confounder | plaintext, then the tag (RFC 3961 5.3).
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
  // Out: 16 bytes of the HMAC over confounder and plaintext, 8 of which never went over the wire.
  std::array<std::uint64_t, 2> fingerprint{};
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
