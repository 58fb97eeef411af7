#include "engine/auth/kerberos_checks.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "parsers/authorization_data.h"
#include "parsers/host_addresses.h"

namespace usher::auth {
namespace {

// check_authorization_data refuses authorization data that could not be read, with `malformed`, or
// cannot be heeded. `element` is where it stands in `plain`, the decrypted message it is part of:
// faults count from there, like the message's own.
bool check_authorization_data(Exchange& exchange, const krb5::AuthorizationData& data,
                              Bytes element, Bytes plain, Status malformed) noexcept {
  if (data.fault.code != ParseCode::kOk) {
    const auto at = static_cast<std::uint32_t>(element.data() - plain.data());
    exchange.refuse(malformed, {data.fault.code, at + data.fault.offset}, plain);
    return false;
  }
  //= RFC 4120 5.2.6: an authorization-data element that is not understood fails the
  //= authentication, unless it stands inside AD-IF-RELEVANT.
  if (data.has_critical) {
    exchange.refuse(Status::kAuthorizationData);
    return false;
  }
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

// check_key decides whether a session key or subkey may be used under a ticket whose own key is of
// `ticket`'s etype.
Status check_key(const krb5::EncryptionKey& key, const crypto::EtypeProfile& ticket,
                 const Policy& policy) noexcept {
  const crypto::EtypeProfile* const profile = key_profile(key);
  if (profile == nullptr) {
    return Status::kSessionKeyEtype;
  }
  if (profile->etype == crypto::Etype::kRc4Hmac && !policy.allow_rc4) {
    return Status::kRc4;
  }
  // Whoever gets a KDC to hand out weaker session keys than its service has (CVE-2022-37966) can
  // break the exchange without the service's key.
  if (profile->strength < ticket.strength && !policy.allow_weaker_keys) {
    return Status::kWeakerKey;
  }
  return Status::kContinue;
}

// Times, widened by the skew on both sides, and flags. MAY-POSTDATE is the KDC's business (RFC 4120
// 2.4); POSTDATED without INVALID is a ticket that a KDC has validated since, and INITIAL one that
// was had with a password at once (2.1): both are as good as others, here as on Windows.
Status check_validity(const krb5::EncTicketPart& ticket, const Turn& turn, std::int64_t skew_s) {
  //= RFC 4120 3.2.3: a ticket with the INVALID flag, or whose start lies in the future by more than
  //= the skew, is not yet valid; past its end by more than the skew it has expired.
  if ((ticket.flags & krb5::kTicketFlagInvalid) != 0) {
    return Status::kTicketInvalid;
  }
  if (ticket.start_time > turn.now_s + skew_s) {
    return Status::kTicketNotYetValid;
  }
  if (ticket.end_time < turn.now_s - skew_s) {
    return Status::kTicketExpired;
  }
  if ((ticket.flags & krb5::kTicketFlagAnonymous) != 0 ||
      std::ranges::equal(ticket.cname.components, kAnonymousName)) {
    return Status::kKerberosAnonymous;
  }
  return Status::kContinue;
}

// check_transited decides about the realms that the client's came through on the way to ours.
//= RFC 4120 2.7: without TRANSITED-POLICY-CHECKED, an application server either checks those realms
//= itself or rejects the ticket.
// We know no realm's policy, so the KDC's word is what there is.
bool check_transited(Exchange& exchange) noexcept {
  const krb5::EncTicketPart& ticket = *exchange.kerberos.ticket;
  const bool checked = (ticket.flags & krb5::kTicketFlagTransitedPolicyChecked) != 0;
  if (exchange.request->credential->policy.check_transited && !checked &&
      !ticket.transited.empty()) {
    exchange.refuse(Status::kTransited);
  }
  return exchange.live();
}

// check_addresses compares the ticket's addresses, if it has any, with where the client comes from.
bool check_addresses(Exchange& exchange) noexcept {
  if (!exchange.request->credential->policy.check_addresses) {
    return true;
  }
  const Bytes opened = exchange.kerberos.ticket_job->opened;
  const Bytes element = exchange.kerberos.ticket->addresses;
  const Result<krb5::HostAddresses> addresses = krb5::parse_host_addresses(element);
  if (!addresses.ok()) {
    const auto at = static_cast<std::uint32_t>(element.data() - opened.data());
    exchange.refuse(Status::kMalformedTicket,
                    {addresses.fault().code, at + addresses.fault().offset}, opened);
    return false;
  }
  //= RFC 4120 3.2.3: if no match is found, or the server insists on addresses and none are present,
  //= KRB_AP_ERR_BADADDR; a ticket without addresses is good from anywhere (2.6).
  // A caller that does not say where the client comes from cannot have it compared.
  const ChannelBindings& bindings = exchange.request->bindings;
  const krb5::HostAddress from{.type = bindings.initiator_address_type,
                               .address = bindings.initiator_address};
  if (addresses->count > 0 && (from.address.empty() || !krb5::contains(*addresses, from))) {
    exchange.refuse(Status::kAddresses);
  }
  return exchange.live();
}

Status compare_with_ticket(const KerberosWork& work, const Turn& turn, std::int64_t skew_s) {
  const krb5::Authenticator& authenticator = *work.authenticator;
  //= RFC 4120 3.2.3: the name and realm of the client from the ticket are compared against the
  //= same fields in the authenticator.
  if (!same_octets(authenticator.cname.components, work.ticket->cname.components) ||
      !same_octets(authenticator.crealm, work.ticket->crealm)) {
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
  return Status::kContinue;
}

// read_checksum reads what the client asked for. Without a checksum it asked for nothing (MS-KILE
// 3.4.5: impacket sends none).
bool read_checksum(Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (!work.authenticator->has_checksum) {
    return true;
  }
  const Bytes checksum = work.authenticator->checksum;
  const ParseFault fault = gss::parse_into(checksum, work.checksum);
  if (fault.code != ParseCode::kOk) {
    exchange.refuse(Status::kMalformedGssChecksum, fault, checksum);
  }
  return exchange.live();
}

// is_listed says whether a service's name is among those the policy lists.
[[gnu::noinline]] bool is_listed(const Exchange& exchange, Bytes components, Bytes realm) noexcept {
  std::array<std::uint8_t, kIdentitySizeMax> room;
  const std::size_t size =
      krb5::write_principal_text({.type = 0, .components = components}, realm, room);
  const std::string_view name(reinterpret_cast<const char*>(room.data()), size);
  const auto is_it = [name](const auto& target) { return is_target(target, name); };
  return size > 0 && (std::ranges::any_of(exchange.request->credential->policy.targets, is_it) ||
                      std::ranges::any_of(exchange.keys->targets, is_it));
}

// check_listed refuses a service whose name is not listed, where names are; elsewhere the keytab
// decides.
bool check_listed(Exchange& exchange, Bytes components, Bytes realm) noexcept {
  if (exchange.request->credential->policy.target_policy == TargetPolicy::kListed &&
      !is_listed(exchange, components, realm)) {
    exchange.refuse(Status::kTargetRefused);
    return false;
  }
  return true;
}

bool check_mutual(Exchange& exchange) noexcept {
  // Where there is a checksum, it decides: nothing protects the AP option.
  const KerberosWork& work = exchange.kerberos;
  const bool asked = work.authenticator->has_checksum
                         ? gss::has(work.checksum.flags, gss::ContextFlags::kMutual) ||
                               gss::has(work.checksum.flags, gss::ContextFlags::kDceStyle)
                         : wants_mutual(work);
  if (exchange.request->credential->policy.require_mutual && !asked) {
    exchange.refuse(Status::kMutualRequired);
  }
  return exchange.live();
}

}  // namespace

bool wants_mutual(const KerberosWork& work) noexcept {
  return (work.ap_req->ap_options & krb5::kApOptionMutualRequired) != 0 ||
         gss::has(work.checksum.flags, gss::ContextFlags::kMutual) ||
         gss::has(work.checksum.flags, gss::ContextFlags::kDceStyle);
}

const crypto::EtypeProfile* key_profile(const krb5::EncryptionKey& key) noexcept {
  const crypto::EtypeProfile* profile = crypto::profile_of(key.etype);
  return profile != nullptr && key.value.size() == profile->key_size ? profile : nullptr;
}

bool check_target(Exchange& exchange) noexcept {
  const krb5::Ticket& ticket = exchange.kerberos.ap_req->ticket;
  if (crypto::is_ticket_granting(ticket.sname.components)) {
    exchange.refuse(Status::kTicketGranting);
    return false;
  }
  return check_listed(exchange, ticket.sname.components, ticket.realm);
}

bool check_key_owner(Exchange& exchange) noexcept {
  const crypto::ServiceKey& key = *exchange.kerberos.ticket_job->key;
  return check_listed(exchange, key.components, key.realm);
}

bool check_ticket(const Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  Status status = check_validity(*work.ticket, turn, skew_of(turn, exchange));
  if (status == Status::kContinue) {
    status = check_key(work.ticket->key, *work.ticket_job->key->profile,
                       exchange.request->credential->policy);
  }
  if (status != Status::kContinue) {
    exchange.refuse(status);
    return false;
  }
  if (!check_transited(exchange) || !check_addresses(exchange)) {
    return false;
  }
  return check_authorization_data(exchange, *work.ticket_data, work.ticket->authorization_data,
                                  work.ticket_job->opened, Status::kMalformedTicket);
}

bool check_authenticator(const Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  Status status = compare_with_ticket(work, turn, skew_of(turn, exchange));
  if (status == Status::kContinue && work.authenticator->has_subkey) {
    status = check_key(work.authenticator->subkey, *work.ticket_job->key->profile,
                       exchange.request->credential->policy);
  }
  if (status != Status::kContinue) {
    exchange.refuse(status);
    return false;
  }
  return check_authorization_data(
             exchange, *work.authenticator_data, work.authenticator->authorization_data,
             work.authenticator_job->opened, Status::kMalformedAuthenticator) &&
         read_checksum(exchange) && check_mutual(exchange);
}

bool check_replay(const Turn& turn, Exchange& exchange) noexcept {
  const AcceptRequest& request = *exchange.request;
  const Policy& policy = request.credential->policy;
  if (!policy.check_replays) {
    return true;
  }
  const KerberosWork& work = exchange.kerberos;
  switch (turn.environment.replays.test_and_insert(work.authenticator_job->fingerprint,
                                                   work.authenticator->ctime)) {
    case ReplayVerdict::kFresh:
      return true;
    case ReplayVerdict::kReplay:
      //= RFC 4120 3.2.3: a replayed authenticator, within the allowable skew, is rejected.
      if (!request.allow_replay) {
        exchange.refuse(Status::kReplay);
      }
      exchange.context->replayed = request.allow_replay;
      return request.allow_replay;
    case ReplayVerdict::kFull:
      if (!policy.accept_when_full) {
        exchange.refuse(Status::kReplayCacheFull);
      }
      return policy.accept_when_full;
    case ReplayVerdict::kUnknown:
      //= RFC 4120 3.2.3: a server that has lost track of authenticators presented within the
      //= allowable skew rejects requests until the skew has passed.
      // No allowance for replays or for a full cache counts here: neither is known to be the case.
      exchange.refuse(Status::kReplayUnknown);
      return false;
  }
  return false;
}

}  // namespace usher::auth
