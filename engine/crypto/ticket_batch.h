// Stages 7 and 10: open the tickets, then the authenticators, then seal the replies of all the
// exchanges that one turn has collected.
#pragma once

#include <array>
#include <cassert>
#include <memory>
#include <span>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/lanes.h"
#include "engine/crypto/sealing.h"
#include "engine/crypto/session_keys.h"
#include "engine/limits.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// The jobs differ in type so that stages cannot be called out of order. A job owns nothing but its
// result's numbers: `cipher` lies in the token, `room` in the turn's arena.

// Where a job's plaintext goes there is room in front, for what its HMAC covers besides: an IV.
inline constexpr std::size_t kOpeningHeadroom = kAesBlockSize;

// opening_room is how much room opening `cipher_size` bytes takes, sealing_room that of sealing
// `plain_size` bytes.
[[nodiscard]] constexpr std::size_t opening_room(std::size_t cipher_size) noexcept {
  return kOpeningHeadroom + cipher_size;
}
[[nodiscard]] constexpr std::size_t sealing_room(std::size_t plain_size) noexcept {
  return kOpeningHeadroom + kAesBlockSize + plain_size + kCtsTailroom;
}

// TicketJob opens one ticket with a service key (key usage 2).
struct TicketJob {
  const ServiceKey* key = nullptr;
  Bytes cipher;       // EncryptedData's: body and tag, in the order of the key's family.
  MutableBytes room;  // opening_room(cipher.size()) bytes.
  Bytes opened;       // Out: the plaintext inside `room`, without confounder. A job that comes
                      // decided brings it from elsewhere.
  Outcome outcome = Outcome::kPending;
};

// AuthenticatorJob opens one authenticator with a ticket's session key (key usage 11).
struct AuthenticatorJob {
  const EtypeProfile* profile = nullptr;
  Bytes session_key;  // profile->key_size bytes; not looked at if `keys` are made.
  // Of the AES families: as derived from this session key before, or empty and then made. Null will
  // do for RC4.
  SessionKeys* keys = nullptr;
  bool reply_expected = false;  // If `keys` are made, then also the reply's.
  Bytes cipher;
  MutableBytes room;
  Bytes opened;
  Fingerprint fingerprint{};  // Out; for the replay cache.
  Outcome outcome = Outcome::kPending;
};

// SealJob encrypts one EncAPRepPart with a session key (key usage 12).
struct SealJob {
  const EtypeProfile* profile = nullptr;
  Bytes session_key;
  SessionKeys* keys = nullptr;  // As above; what is missing is made.
  Bytes confounder;             // profile->confounder_size random bytes.
  Bytes plain;
  MutableBytes room;    // sealing_room(plain.size()) bytes, not those of `plain`.
  MutableBytes cipher;  // Out: exactly profile->overhead() + plain.size() bytes, other memory.
  Outcome outcome = Outcome::kPending;
};

// ChecksumJob verifies one signature of a PAC (key usage 17), as check_checksum does.
struct ChecksumJob {
  const ServiceKey* key = nullptr;
  std::int32_t type = 0;  // As the signature says: must be the one that the key's etype makes.
  Bytes text;             // In one piece; where zeros count in place of something, with those.
  Bytes checksum;
  Outcome outcome = Outcome::kPending;
};

// Each stage decides every pending job, leaves decided ones alone, and lets no job influence
// another; only if the library fails, all of one etype get kFailed. A kForged or kFailed job's room
// (or `cipher`, if it was to be sealed) has been wiped, and its `opened` is empty. Room of those
// that are kDone is secret.
//
// The AES families run in lanes, RC4 one job after the other.
void open_tickets(Lanes& lanes, std::span<TicketJob> jobs) noexcept;
void open_authenticators(Lanes& lanes, std::span<AuthenticatorJob> jobs) noexcept;
void seal_replies(Lanes& lanes, std::span<SealJob> jobs) noexcept;
void verify_checksums(Lanes& lanes, std::span<ChecksumJob> jobs) noexcept;

// Batch is a fixed array with a count: no allocation, no growth, no reordering.
template <class Job, std::size_t kMax = kBatchMax>
class Batch {
 public:
  [[nodiscard]] bool full() const noexcept { return count_ == kMax; }
  [[nodiscard]] std::span<Job> jobs() noexcept { return std::span(jobs_).first(count_); }
  void clear() noexcept { count_ = 0; }

  // add requires !full(); the reference is good until clear().
  Job& add(const Job& job) noexcept {
    assert(!full());
    return *std::construct_at(&jobs_[count_++], job);
  }

 private:
  std::array<Job, kMax> jobs_{};
  std::size_t count_ = 0;
};

}  // namespace usher::crypto
