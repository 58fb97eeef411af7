// Opens tickets and authenticators with a keytab, to look inside.
#include "tools/usher/opener.h"

#include <fmt/format.h>

#include <array>
#include <new>
#include <utility>

#include "engine/crypto/ticket_batch.h"
#include "engine/secret.h"
#include "tools/usher/usage_error.h"

namespace usher::cli {
namespace {

// Looking inside is one at a time; nothing is gained by ipsec-mb.
std::unique_ptr<crypto::Lanes> openssl_lanes(crypto::Kit& kit) {
  auto lanes = crypto::Lanes::make(kit, crypto::LanesChoice::kOpenssl);
  return lanes != nullptr ? std::move(lanes) : throw std::bad_alloc();
}

}  // namespace

Opener::Opened::~Opened() { wipe(plain_); }

Opener::Opener(const std::string& keytab) : kit_(crypto::Kit::make()) {
  if (kit_ == nullptr) {
    throw UsageError("OpenSSL lacks an algorithm: are its default and legacy providers installed?");
  }
  crypto::KeyRing::Loaded loaded = crypto::KeyRing::load_keytab(*kit_, keytab);
  if (loaded.ring == nullptr) {
    throw UsageError(loaded.error);
  }
  lanes_ = openssl_lanes(*kit_);
  ring_ = std::move(loaded.ring);
}

Opener::Opener(std::unique_ptr<crypto::Kit> kit, std::unique_ptr<const crypto::KeyRing> ring)
    : kit_(std::move(kit)), lanes_(openssl_lanes(*kit_)), ring_(std::move(ring)) {}

Opener::Opened Opener::open_ticket(const krb5::Ticket& ticket) {
  const krb5::EncryptedData& enc_part = ticket.enc_part;
  const crypto::KeyRing::Found found = ring_->find(
      ticket.realm, ticket.sname.components, enc_part.etype, enc_part.has_kvno, enc_part.kvno);
  if (!found.principal) {
    return Opened("the keytab has no key for this service");
  }
  if (found.key == nullptr) {
    return Opened(fmt::format("the keytab has no {} key for this service",
                              crypto::etype_name(enc_part.etype)));
  }
  Opened opened(crypto::opening_room(enc_part.cipher.size()));
  for (const crypto::ServiceKey* key = found.newest; key != nullptr; key = key->sibling) {
    std::array jobs = {
        crypto::TicketJob{.key = key, .cipher = enc_part.cipher, .room = opened.plain_}};
    crypto::open_tickets(*lanes_, jobs);
    if (jobs[0].outcome == crypto::Outcome::kDone) {
      opened.bytes_ = jobs[0].opened;
      return opened;
    }
  }
  return Opened("none of the keytab's keys for this service opens the ticket");
}

Opener::Opened Opener::open_authenticator(const krb5::EncryptionKey& session_key,
                                          const krb5::EncryptedData& authenticator) {
  const crypto::EtypeProfile* profile = crypto::profile_of(session_key.etype);
  if (profile == nullptr || profile->key_size != session_key.value.size()) {
    return Opened(fmt::format("session keys of etype {} and {} bytes are not served",
                              crypto::etype_name(session_key.etype), session_key.value.size()));
  }
  if (authenticator.etype != session_key.etype) {
    return Opened("its etype is not the session key's");
  }
  Opened opened(crypto::opening_room(authenticator.cipher.size()));
  crypto::SessionKeys keys;
  std::array jobs = {crypto::AuthenticatorJob{.profile = profile,
                                              .session_key = session_key.value,
                                              .keys = &keys,
                                              .cipher = authenticator.cipher,
                                              .room = opened.plain_}};
  crypto::open_authenticators(*lanes_, jobs);
  if (jobs[0].outcome != crypto::Outcome::kDone) {
    return Opened("the ticket's session key does not open it");
  }
  opened.bytes_ = jobs[0].opened;
  return opened;
}

}  // namespace usher::cli
