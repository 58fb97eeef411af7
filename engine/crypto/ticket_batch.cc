// Tickets and authenticators opened, replies sealed, one job after the other.
#include "engine/crypto/ticket_batch.h"

#include <algorithm>

namespace usher::crypto {

void open_tickets(Kit& kit, std::span<TicketJob> jobs) noexcept {
  for (TicketJob& job : jobs) {
    if (job.outcome != Outcome::kPending) {
      continue;
    }
    assert(job.key != nullptr);
    const SealingKeys keys{
        .profile = job.key->profile, .ke = job.key->ke.bytes(), .ki = job.key->ki.bytes()};
    job.outcome = open_sealed(kit, keys, job.cipher, job.plain, job.opened);
  }
}

void open_authenticators(Kit& kit, std::span<AuthenticatorJob> jobs) noexcept {
  for (AuthenticatorJob& job : jobs) {
    if (job.outcome != Outcome::kPending) {
      continue;
    }
    assert(job.profile != nullptr);
    job.outcome = open_sealed(kit, *job.profile, job.session_key, KeyUsage::kApReqAuthenticator,
                              job.cipher, job.plain, job.opened, &job.fingerprint);
  }
}

void seal_replies(Kit& kit, std::span<SealJob> jobs) noexcept {
  for (SealJob& job : jobs) {
    if (job.outcome != Outcome::kPending) {
      continue;
    }
    assert(job.profile != nullptr);
    const bool sealed = seal(kit, *job.profile, job.session_key, KeyUsage::kApRepEncPart,
                             job.confounder, job.plain, job.cipher);
    job.outcome = sealed ? Outcome::kDone : Outcome::kFailed;
  }
}

}  // namespace usher::crypto
