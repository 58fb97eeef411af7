// Tickets and authenticators opened, replies sealed, one job after the other.
#include "engine/crypto/ticket_batch.h"

#include <algorithm>
#include <cstring>

#include "engine/crypto/kerberos_keys.h"
#include "engine/secret.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kHmacSize = 20;  // SHA-1, before truncation.
using Hmac = std::array<std::uint8_t, kHmacSize>;

// Protection is a pair of derived keys.
struct Protection {
  const EtypeProfile& profile;
  Bytes ke;
  Bytes ki;
};

// decrypt_and_verify opens `cipher` into the front of `plain` (RFC 3961 5.3, RFC 3962 6): the tag
// is the HMAC over confounder and plaintext, so it can only be checked afterwards.
Outcome decrypt_and_verify(Kit& kit, const Protection& keys, Bytes cipher, MutableBytes plain,
                           Hmac& hmac) noexcept {
  const std::size_t body_size = cipher.size() - keys.profile.tag_size;
  const MutableBytes body = plain.first(body_size);
  const Bytes covered[] = {body};
  if (!kit.cts_decrypt(keys.ke, cipher.first(body_size), body) ||
      !kit.hmac_sha1(keys.ki, covered, hmac)) {
    return Outcome::kFailed;
  }
  const Bytes tag = cipher.subspan(body_size);
  return equal_secret(std::span(hmac).first(tag.size()), tag) ? Outcome::kDone : Outcome::kForged;
}

// open decides one ciphertext, and leaves nothing behind of one that is not genuine.
Outcome open(Kit& kit, const Protection& keys, Bytes cipher, MutableBytes plain, Bytes& opened,
             Hmac& hmac) noexcept {
  assert(plain.size() >= cipher.size());
  opened = {};
  //= RFC 3961 5.3: shorter than a confounder and a tag is no ciphertext
  const bool long_enough = cipher.size() >= keys.profile.overhead();
  const Outcome outcome =
      long_enough ? decrypt_and_verify(kit, keys, cipher, plain, hmac) : Outcome::kForged;
  if (outcome != Outcome::kDone) {
    wipe(plain.first(cipher.size()));
    return outcome;
  }
  opened = plain.subspan(keys.profile.confounder_size, cipher.size() - keys.profile.overhead());
  return outcome;
}

void open_authenticator(Kit& kit, AuthenticatorJob& job) noexcept {
  assert(job.profile != nullptr && job.session_key.size() == job.profile->key_size);
  constexpr KeyUsage kUsage = KeyUsage::kApReqAuthenticator;
  Key ke;
  Key ki;
  if (!derive_encryption(kit, *job.profile, job.session_key, kUsage, ke) ||
      !derive_integrity(kit, *job.profile, job.session_key, kUsage, ki)) {
    wipe(job.plain.first(job.cipher.size()));
    job.opened = {};
    job.outcome = Outcome::kFailed;
    return;
  }
  Hmac hmac;
  const Protection keys{.profile = *job.profile, .ke = ke.bytes(), .ki = ki.bytes()};
  job.outcome = open(kit, keys, job.cipher, job.plain, job.opened, hmac);
  if (job.outcome == Outcome::kDone) {
    static_assert(sizeof(job.fingerprint) == 16 && kHmacSize == 4 + sizeof(job.fingerprint));
    std::memcpy(job.fingerprint.data(), std::span(hmac).subspan(4).data(), sizeof(job.fingerprint));
  }
}

// seal writes ciphertext and tag (RFC 3961 5.3).
bool seal(Kit& kit, const SealJob& job) noexcept {
  assert(job.profile != nullptr && job.session_key.size() == job.profile->key_size);
  assert(job.confounder.size() == job.profile->confounder_size);
  assert(job.cipher.size() == job.profile->overhead() + job.plain.size());
  constexpr KeyUsage kUsage = KeyUsage::kApRepEncPart;
  Key ke;
  Key ki;
  Hmac hmac;
  const Bytes covered[] = {job.confounder, job.plain};
  if (!derive_encryption(kit, *job.profile, job.session_key, kUsage, ke) ||
      !derive_integrity(kit, *job.profile, job.session_key, kUsage, ki) ||
      !kit.hmac_sha1(ki.bytes(), covered, hmac)) {
    return false;
  }
  const std::size_t tag_size = job.profile->tag_size;
  const MutableBytes body = job.cipher.first(job.cipher.size() - tag_size);
  std::ranges::copy(job.confounder, body.begin());
  std::ranges::copy(job.plain, body.subspan(job.confounder.size()).begin());
  std::ranges::copy(std::span(hmac).first(tag_size), job.cipher.last(tag_size).begin());
  return kit.cts_encrypt(ke.bytes(), body, body);
}

}  // namespace

void open_tickets(Kit& kit, std::span<TicketJob> jobs) noexcept {
  for (TicketJob& job : jobs) {
    if (job.outcome != Outcome::kPending) {
      continue;
    }
    assert(job.key != nullptr);
    Hmac hmac;
    const Protection keys{
        .profile = *job.key->profile, .ke = job.key->ke.bytes(), .ki = job.key->ki.bytes()};
    job.outcome = open(kit, keys, job.cipher, job.plain, job.opened, hmac);
  }
}

void open_authenticators(Kit& kit, std::span<AuthenticatorJob> jobs) noexcept {
  for (AuthenticatorJob& job : jobs) {
    if (job.outcome == Outcome::kPending) {
      open_authenticator(kit, job);
    }
  }
}

void seal_replies(Kit& kit, std::span<SealJob> jobs) noexcept {
  for (SealJob& job : jobs) {
    if (job.outcome != Outcome::kPending) {
      continue;
    }
    const bool sealed = seal(kit, job);
    if (!sealed) {
      wipe(job.cipher);
    }
    job.outcome = sealed ? Outcome::kDone : Outcome::kFailed;
  }
}

}  // namespace usher::crypto
