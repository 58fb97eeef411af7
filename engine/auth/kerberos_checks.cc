#include "engine/auth/kerberos_checks.h"

#include <algorithm>
#include <array>

#include "parsers/authorization_data.h"

namespace usher::auth {
namespace {

// read_authorization_data reads authorization data; it refuses what cannot be read, with
// `malformed`, or not be heeded. `plain` is the decrypted message it is part of: faults count from
// there, like the message's own.
bool read_authorization_data(Exchange& exchange, Bytes element, Bytes plain, Status malformed,
                             krb5::AuthorizationData& out) noexcept {
  const Result<krb5::AuthorizationData> data = krb5::parse_authorization_data(element);
  if (!data.ok()) {
    const auto at = static_cast<std::uint32_t>(element.data() - plain.data());
    exchange.refuse(malformed, {data.fault().code, at + data.fault().offset}, plain);
    return false;
  }
  //= RFC 4120 5.2.6: an authorization-data element that is not understood fails the
  //= authentication, unless it stands inside AD-IF-RELEVANT.
  if (data->has_critical) {
    exchange.refuse(Status::kAuthorizationData);
    return false;
  }
  out = *data;
  return true;
}

// skew_of is the policy's clock skew, as far as replays can be recognised over it.
std::int64_t skew_of(const Turn& turn, const Exchange& exchange) noexcept {
  const Policy& policy = exchange.request->credential->policy;
  return policy.check_replays ? std::min(policy.skew_s, turn.environment.replays.skew_max_s())
                              : policy.skew_s;
}

// RFC 8062 3: the name of the client that nobody knows, in DER.
constexpr std::array<std::uint8_t, 22> kAnonymousName = {0x1b, 9,   'W', 'E',  'L', 'L', 'K', 'N',
                                                         'O',  'W', 'N', 0x1b, 9,   'A', 'N', 'O',
                                                         'N',  'Y', 'M', 'O',  'U', 'S'};

// Times, widened by the skew on both sides, and flags.
Status check_validity(const krb5::EncTicketPart& ticket, const Turn& turn, std::int64_t skew_s) {
  //= RFC 4120 3.2.3: a ticket with the INVALID flag, or whose start lies in the future by more than
  //= the skew, is not yet valid; past its end by more than the skew it has expired.
  if ((ticket.flags & krb5::kTicketFlagInvalid) != 0) {
    return Status::kTicketInvalid;
  }
  if (ticket.start_time > turn.now_s() + skew_s) {
    return Status::kTicketNotYetValid;
  }
  if (ticket.end_time < turn.now_s() - skew_s) {
    return Status::kTicketExpired;
  }
  if ((ticket.flags & krb5::kTicketFlagAnonymous) != 0 ||
      std::ranges::equal(ticket.cname.components, kAnonymousName)) {
    return Status::kKerberosAnonymous;
  }
  if (key_profile(ticket.key) == nullptr) {
    return Status::kSessionKeyEtype;
  }
  return Status::kContinue;
}

Status compare_with_ticket(const KerberosWork& work, const Turn& turn, std::int64_t skew_s) {
  const krb5::Authenticator& authenticator = work.authenticator;
  //= RFC 4120 3.2.3: the name and realm of the client from the ticket are compared against the
  //= same fields in the authenticator.
  if (!std::ranges::equal(authenticator.cname.components, work.ticket.cname.components) ||
      !std::ranges::equal(authenticator.crealm, work.ticket.crealm)) {
    return Status::kClientNameMismatch;
  }
  //= RFC 4120 3.2.3: local time and the client's differ by no more than the allowable clock skew.
  const std::int64_t client_us = authenticator.ctime * kMicrosPerSecond + authenticator.cusec;
  const std::int64_t apart_us = turn.wall_us - client_us;
  if (apart_us > skew_s * kMicrosPerSecond || -apart_us > skew_s * kMicrosPerSecond) {
    return Status::kClockSkew;
  }
  if (authenticator.has_checksum && authenticator.checksum_type != gss::kGssChecksumType) {
    return Status::kChecksumType;
  }
  if (authenticator.has_subkey && key_profile(authenticator.subkey) == nullptr) {
    return Status::kSessionKeyEtype;
  }
  return Status::kContinue;
}

// read_checksum reads what the client asked for. Without a checksum it asked for nothing (MS-KILE
// 3.4.5: impacket sends none).
bool read_checksum(Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (!work.authenticator.has_checksum) {
    return true;
  }
  const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(work.authenticator.checksum);
  if (!checksum.ok()) {
    exchange.refuse(Status::kMalformedGssChecksum, checksum.fault(), work.authenticator.checksum);
    return false;
  }
  if (has(checksum->flags, gss::ContextFlags::kDceStyle)) {
    exchange.refuse(Status::kDceStyle);
    return false;
  }
  work.checksum = *checksum;
  return true;
}

}  // namespace

const crypto::EtypeProfile* key_profile(const krb5::EncryptionKey& key) noexcept {
  const crypto::EtypeProfile* profile = crypto::profile_of(key.etype);
  return profile != nullptr && key.value.size() == profile->key_size ? profile : nullptr;
}

bool check_target(Exchange&) noexcept { return true; }

bool check_ticket(const Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const Status status = check_validity(work.ticket, turn, skew_of(turn, exchange));
  if (status != Status::kContinue) {
    exchange.refuse(status);
    return false;
  }
  return read_authorization_data(exchange, work.ticket.authorization_data, work.ticket_job->opened,
                                 Status::kMalformedTicket, work.ticket_data);
}

bool check_authenticator(const Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const Status status = compare_with_ticket(work, turn, skew_of(turn, exchange));
  if (status != Status::kContinue) {
    exchange.refuse(status);
    return false;
  }
  return read_authorization_data(exchange, work.authenticator.authorization_data,
                                 work.authenticator_job->opened, Status::kMalformedAuthenticator,
                                 work.authenticator_data) &&
         read_checksum(exchange);
}

bool check_replay(const Turn& turn, Exchange& exchange) noexcept {
  //= RFC 4120 3.2.3: a replayed authenticator, within the allowable skew, is rejected.
  if (!exchange.request->credential->policy.check_replays) {
    return true;
  }
  const KerberosWork& work = exchange.kerberos;
  switch (turn.environment.replays.test_and_insert(work.authenticator_job->fingerprint,
                                                   work.authenticator.ctime)) {
    case ReplayVerdict::kFresh:
      return true;
    case ReplayVerdict::kReplay:
      exchange.refuse(Status::kReplay);
      return false;
    case ReplayVerdict::kFull:
      exchange.refuse(Status::kReplayCacheFull);
      return false;
  }
  return false;
}

}  // namespace usher::auth
