#include "engine/auth/delegation.h"

#include <algorithm>
#include <array>

#include "engine/auth/kerberos_checks.h"
#include "engine/crypto/sealing.h"
#include "parsers/host_addresses.h"
#include "parsers/krb_cred.h"

namespace usher::auth {
namespace {

using crypto::Outcome;

bool is_taken(const Exchange& exchange) noexcept {
  const AcceptRequest& request = *exchange.request;
  return gss::has(exchange.kerberos.checksum.flags, gss::ContextFlags::kDelegate) &&
         request.take_delegation && request.credential->policy.accept_delegation;
}

// open_with tries one key that the client may have sealed with. kForged: it is another's.
Outcome open_with(Turn& turn, const krb5::EncryptionKey& key, const krb5::EncryptedData& sealed,
                  MutableBytes plain, Bytes& opened) noexcept {
  const crypto::EtypeProfile* const profile = key_profile(key);
  if (profile == nullptr || key.etype != sealed.etype) {
    return Outcome::kForged;
  }
  return crypto::open_sealed(*turn.desk.kit, *profile, key.value, crypto::KeyUsage::kKrbCred,
                             sealed.cipher, plain, opened);
}

// open_part decrypts the EncKrbCredPart.
bool open_part(Turn& turn, Exchange& exchange, const krb5::EncryptedData& sealed,
               Bytes& opened) noexcept {
  // MIT's clients did not encrypt it for many years and its acceptor and Heimdal's still take that:
  // it travels inside the authenticator, which is encrypted, so nobody else has seen or made it.
  constexpr std::int32_t kNoEncryption = 0;
  if (sealed.etype == kNoEncryption) {
    opened = sealed.cipher;
    return true;
  }
  const KerberosWork& work = exchange.kerberos;
  const MutableBytes plain = turn.desk.arena.take(sealed.cipher.size());
  Outcome outcome = open_with(turn, work.ticket->key, sealed, plain, opened);
  if (outcome == Outcome::kForged && work.authenticator->has_subkey) {
    outcome = open_with(turn, work.authenticator->subkey, sealed, plain, opened);
  }
  if (outcome != Outcome::kDone) {
    exchange.refuse(outcome == Outcome::kForged ? Status::kDelegationKey : Status::kInternal);
  }
  return outcome == Outcome::kDone;
}

// judge_infos decides about what is said of the tickets.
Status judge_infos(const krb5::KrbCred& cred, const krb5::EncKrbCredPart& part,
                   const krb5::EncTicketPart& client) noexcept {
  //= RFC 4120 5.8.1: tickets and ticket-info are in the same order: one info for each ticket
  if (part.info_count != cred.ticket_count) {
    return Status::kMalformedDelegation;
  }
  for (std::uint32_t n = 0; n < part.info_count; ++n) {
    const krb5::KrbCredInfo info = krb5::info_at(part, n);
    if (!krb5::parse_host_addresses(info.addresses).ok()) {
      return Status::kMalformedDelegation;
    }
    // Whoever takes them over acts for the client who signs on; a ticket of somebody else among
    // them would have him act for that one.
    if (info.has_client && (!std::ranges::equal(info.prealm, client.crealm) ||
                            !std::ranges::equal(info.pname.components, client.cname.components))) {
      return Status::kDelegationClient;
    }
  }
  return Status::kContinue;
}

}  // namespace

bool open_delegation(Turn& turn, Exchange& exchange) noexcept {
  if (!is_taken(exchange)) {
    return true;
  }
  KerberosWork& work = exchange.kerberos;
  const Bytes message = work.checksum.delegation;
  const Result<krb5::KrbCred> cred = krb5::parse_krb_cred(message);
  if (!cred.ok()) {
    exchange.refuse(Status::kMalformedDelegation, cred.fault(), message);
    return false;
  }
  if (cred->enc_part.cipher.size() > kDelegatedPartSizeMax) {
    exchange.refuse(Status::kMalformedDelegation);
    return false;
  }
  Bytes opened;
  if (!open_part(turn, exchange, cred->enc_part, opened)) {
    return false;
  }
  const Result<krb5::EncKrbCredPart> part = krb5::parse_enc_krb_cred_part(opened);
  if (!part.ok()) {
    exchange.refuse(Status::kMalformedDelegation, part.fault(), opened);
    return false;
  }
  const Status status = judge_infos(*cred, *part, *work.ticket);
  if (status != Status::kContinue) {
    exchange.refuse(status);
    return false;
  }
  work.delegated = opened;
  return true;
}

bool keep_delegation(Turn& turn, Exchange& exchange) noexcept {
  const KerberosWork& work = exchange.kerberos;
  if (work.delegated.empty()) {
    return true;
  }
  std::array<std::uint8_t, sizeof(std::uint32_t)> size{};
  store_le(size, static_cast<std::uint32_t>(work.checksum.delegation.size()));
  const std::array<Bytes, 3> parts = {size, work.checksum.delegation, work.delegated};
  if (!turn.environment.contexts.keep(parts, exchange.context->delegated, turn.steady_us)) {
    exchange.refuse(Status::kNoFreePage);
    return false;
  }
  return true;
}

}  // namespace usher::auth
