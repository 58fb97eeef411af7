#include "engine/auth/pac_check.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/auth/unicode.h"
#include "engine/crypto/checksum.h"
#include "parsers/der_splice.h"

namespace usher::auth {
namespace {

constexpr std::int32_t kHmacMd5 = -138;  // RFC 4757 4

constexpr std::array<std::uint8_t, crypto::kChecksumSizeMax> kZeros{};

// Zeroed is a PAC in pieces, with zeros where the values of up to three signatures stand.
class Zeroed {
 public:
  // Zeroed takes values that parse_pac found in `pac`; they never overlap, and none is larger than
  // kZeros.
  Zeroed(Bytes pac, std::initializer_list<Bytes> values) noexcept {
    std::array<Bytes, 3> sorted;
    assert(values.size() <= sorted.size());
    const auto end = std::ranges::copy_if(values, sorted.begin(), [](Bytes value) {
                       return !value.empty();
                     }).out;
    std::sort(sorted.begin(), end, [](Bytes a, Bytes b) { return a.data() < b.data(); });
    std::size_t at = 0;
    for (auto value = sorted.begin(); value != end; ++value) {
      const auto offset = static_cast<std::size_t>(value->data() - pac.data());
      add(pac.subspan(at, offset - at));
      add(Bytes(kZeros).first(value->size()));
      at = offset + value->size();
    }
    add(pac.subspan(at));
  }

  [[nodiscard]] std::span<const Bytes> parts() const noexcept {
    return std::span(parts_).first(count_);
  }

 private:
  void add(Bytes part) noexcept { parts_[count_++] = part; }

  std::array<Bytes, 7> parts_;
  std::size_t count_ = 0;
};

// may_be_signature says whether a signature is there and no larger than any that exists: of a type
// that nobody knows it may be of any size.
bool may_be_signature(const pac::Signature& signature) noexcept {
  return !signature.value.empty() && signature.value.size() <= kZeros.size();
}

// etype_of is the etype whose keys make checksums of `type` (MS-PAC 2.8); 0 for another type.
std::int32_t etype_of(std::int32_t type) noexcept {
  switch (type) {
    case kHmacMd5:
      return 23;
    case 15:
      return 17;
    case 16:
      return 18;
    case 19:
    case 20:
      return type;  // RFC 8009 4: both have one number.
    default:
      return 0;
  }
}

// KdcKeys are the keys of a realm's krbtgt, which stands as krbtgt/REALM in most keytabs, and as
// krbtgt alone where Samba has exported it.
class KdcKeys {
 public:
  KdcKeys(const crypto::KeyRing& ring, Bytes realm) noexcept : ring_(ring), realm_(realm) {
    constexpr std::array<std::uint8_t, 6> kKrbtgt = {'k', 'r', 'b', 't', 'g', 't'};
    der::Writer writer(name_);
    writer.bytes(der::Tag::kGeneralString, realm);
    const std::size_t instance_size = writer.written().size();
    writer.bytes(der::Tag::kGeneralString, kKrbtgt);
    both_ = writer.written();  // Empty if the realm is too long; then nothing is found.
    krbtgt_ = both_.first(both_.size() - (writer.ok() ? instance_size : 0));
  }

  // find returns the key that has made `signature` over `part`, or null.
  [[nodiscard]] const crypto::ServiceKey* find(crypto::Kit& kit, const pac::Signature& signature,
                                               Bytes part) const noexcept {
    for (const Bytes name : {both_, krbtgt_}) {
      const crypto::ServiceKey* key =
          ring_.find(realm_, name, etype_of(signature.type), false, 0).newest;
      for (std::uint32_t tries = 0; key != nullptr && tries < kKeyTriesMax; key = key->sibling) {
        //= MS-PAC 2.8: RODCIdentifier is the first 16 bits of the key version number of the
        //= read-only domain controller that signed.
        if (key->kvno >> 16 != (signature.has_rodc_id ? signature.rodc_id : 0)) {
          continue;
        }
        ++tries;
        if (check_checksum(kit, key->pac, signature.type, {&part, 1}, signature.value)) {
          return key;
        }
      }
    }
    return nullptr;
  }

 private:
  const crypto::KeyRing& ring_;
  Bytes realm_;
  std::array<std::uint8_t, kIdentitySizeMax> name_;
  Bytes both_;
  Bytes krbtgt_;
};

// ticket_signature_is_right checks the signature over the ticket with the PAC taken out.
bool ticket_signature_is_right(crypto::Kit& kit, const crypto::ServiceKey& key, Bytes ticket,
                               Bytes pac, const pac::Signature& signature) noexcept {
  //= MS-PAC 2.8.3: the ad-data of the PAC is replaced by a single zero byte, and the EncTicketPart
  //= encoded in DER.
  // KDCs put the PAC into one AD-IF-RELEVANT; of nested ones the parts become too many.
  der::Splice splice;
  return splice.make(
             ticket,
             {.offset = static_cast<std::size_t>(pac.data() - ticket.data()), .size = pac.size()},
             Bytes(kZeros).first(1)) &&
         splice.parts().size() <= crypto::kChecksumPartsMax &&
         check_checksum(kit, key.pac, signature.type, splice.parts(), signature.value);
}

// check_kdc_signatures checks what only the KDC can have signed. It says false, too, if `ring` has
// no key for the ticket's realm: that realm stands in the clear part, and whoever writes another
// one into it must not get around the check. For the same reason no service is excepted by its
// name, though MS-PAC 2.8.3 has no such signatures in tickets for kadmin/changepw; those for krbtgt
// are never accepted.
bool check_kdc_signatures(Turn& turn, Exchange& exchange, const pac::Pac& pac,
                          const crypto::KeyRing& ring) noexcept {
  KerberosWork& work = exchange.kerberos;
  crypto::Kit& kit = *turn.desk.kit;
  const Bytes octets = work.ticket_data->pac;
  std::uint8_t& verified = exchange.context->pac_signatures;
  //= MS-PAC 2.8.2: the KDC signature is a keyed hash of the Server Signature.
  const crypto::ServiceKey* const key =
      KdcKeys(ring, work.ap_req->ticket.realm)
          .find(kit, pac.kdc_signature, pac.server_signature.value);
  if (key == nullptr) {
    return false;
  }
  verified |= kPacKdc;
  // Every KDC that is still kept up to date writes this one (CVE-2020-17049).
  if (!ticket_signature_is_right(kit, *key, work.ticket_job->opened, octets,
                                 pac.ticket_signature)) {
    return false;
  }
  verified |= kPacTicket;
  // Not all write this one: MIT krb5 does from 1.21 on. It protects what a collision of server
  // signatures would break (CVE-2022-37967), and those are within reach where they hash with MD5.
  const bool required = exchange.request->credential->policy.pac == PacPolicy::kRequire ||
                        pac.server_signature.type == kHmacMd5;
  if (pac.full_signature.value.empty()) {
    return !required;
  }
  if (!may_be_signature(pac.full_signature)) {
    return false;
  }
  //= MS-PAC 2.8.4: the extended KDC signature is made before the Server Signature, over the whole
  //= PAC.
  const Zeroed covered(
      octets, {pac.server_signature.value, pac.kdc_signature.value, pac.full_signature.value});
  if (!check_checksum(kit, key->pac, pac.full_signature.type, covered.parts(),
                      pac.full_signature.value)) {
    return false;
  }
  verified |= kPacFull;
  return true;
}

// place_of is where `value` stands in the ticket, which this turn has opened into its own memory.
MutableBytes place_of(const KerberosWork& work, Bytes value) noexcept {
  assert(!work.seen);  // What is remembered is others' as well.
  const MutableBytes room = work.ticket_job->room;
  return room.subspan(static_cast<std::size_t>(value.data() - room.data()), value.size());
}

// put_aside leaves zeros where a signature's value stands; put_back undoes it.
void put_aside(const KerberosWork& work, Bytes value, MutableBytes aside) noexcept {
  copy(value, aside);
  std::ranges::fill(place_of(work, value), std::uint8_t{0});
}
void put_back(const KerberosWork& work, Bytes value, MutableBytes aside) noexcept {
  copy(aside.first(value.size()), place_of(work, value));
  wipe(aside);
}

// stage_server_signature puts the server's signature into the turn's batch.
Status stage_server_signature(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const pac::Pac& pac = *work.pac;
  const Bytes octets = work.ticket_data->pac;
  //= MS-PAC 2.8: a PAC holds both signatures.
  if (!may_be_signature(pac.server_signature)) {
    return Status::kPacSignature;
  }
  if (!may_be_signature(pac.kdc_signature)) {
    return Status::kPacKdcSignature;
  }
  //= MS-PAC 2.8.1: the keyed hash is of the entire PAC with the Signature of both
  //= PAC_SIGNATURE_DATA structures set to zero, made with the key the ticket is encrypted with.
  put_aside(work, pac.server_signature.value, work.signatures_aside.server);
  put_aside(work, pac.kdc_signature.value, work.signatures_aside.kdc);
  work.pac_job = &turn.desk.checksums.add(
      {.key = work.ticket_job->key,
       .type = pac.server_signature.type,
       .text = octets,
       .checksum = Bytes(work.signatures_aside.server).first(pac.server_signature.value.size())});
  return Status::kContinue;
}

// write_plain_name writes a name's components with '/' between them, without escapes; empty if they
// do not fit.
Bytes write_plain_name(const krb5::PrincipalName& name, MutableBytes out) noexcept {
  std::size_t size = 0;
  bool fits = true;
  krb5::each_component(name, [&](Bytes component) {
    const std::size_t slash = size == 0 ? 0 : 1;
    fits = fits && slash + component.size() <= out.size() - size;
    if (fits) {
      copy(std::array<std::uint8_t, 1>{'/'}, out.subspan(size));
      size += slash;
      copy(component, out.subspan(size));
      size += component.size();
    }
  });
  return fits ? Bytes(out.first(size)) : Bytes{};
}

// is_same_client compares PAC_CLIENT_INFO with the ticket, whose client has `user` for its name in
// text. The name is the ticket's without its realm: one with a realm is for the KDCs on the way to
// another realm's service only. Windows writes it plainly, MIT and Heimdal escape what
// krb5_unparse_name does.
bool is_same_client(const krb5::EncTicketPart& ticket, Bytes user,
                    const pac::ClientInfo& info) noexcept {
  constexpr std::uint64_t kUnitsPerSecond = 10'000'000;
  constexpr std::int64_t kEpochs = 11'644'473'600;  // Seconds from 1601 to 1970.
  //= MS-PAC 2.7: ClientId is the client's initial TGT auth time.
  if (static_cast<std::int64_t>(info.client_id / kUnitsPerSecond) - kEpochs != ticket.auth_time) {
    return false;
  }
  std::array<std::uint8_t, kIdentitySizeMax> theirs_room;
  std::array<std::uint8_t, kIdentitySizeMax> plain_room;
  const std::optional<Bytes> theirs = utf16_to_utf8(info.name, theirs_room);
  if (!theirs || theirs->empty()) {
    return false;
  }
  return std::ranges::equal(*theirs, user) ||
         std::ranges::equal(*theirs, write_plain_name(ticket.cname, plain_room));
}

// sids_agree says whether the PAC names one account throughout.
bool sids_agree(const pac::Pac& pac) noexcept {
  std::array<std::uint8_t, SidView::kSizeMax> room;
  Bytes account;
  if (pac.has_logon_info) {
    account = pac::write_account_sid(pac.logon_info, room).octets;
    if (account.empty() && pac.logon_info.user_id != 0) {
      return false;  // A user of no domain.
    }
  }
  for (const SidView other : {pac.requestor, pac.upn_dns.sid}) {
    if (other.empty()) {
      continue;
    }
    if (!account.empty() && !std::ranges::equal(account, other.octets)) {
      return false;
    }
    account = other.octets;
  }
  return true;
}

}  // namespace

bool stage_pac(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  const PacPolicy policy = exchange.request->credential->policy.pac;
  if (policy == PacPolicy::kIgnore) {
    return true;
  }
  if (!work.ticket_data->has_pac) {
    // Where the KDC's key is known, leaving the PAC out must not be the way around its signatures.
    if (policy == PacPolicy::kRequire || exchange.keys->kdc_ring != nullptr) {
      exchange.refuse(Status::kPacMissing);
    }
    return exchange.live();
  }
  work.keeps_pac = true;
  if (work.seen) {  // What follows was found right in these octets, with these keys and policy.
    exchange.context->pac_signatures = work.seen.payload().pac_signatures;
    return true;
  }
  const ParseFault fault = pac::parse_into(work.ticket_data->pac, work.pac.emplace());
  if (fault.code != ParseCode::kOk) {
    work.pac.reset();
    exchange.refuse(Status::kMalformedPac, fault, work.ticket_data->pac);
    return false;
  }
  const Status status = stage_server_signature(turn, exchange);
  if (status != Status::kContinue) {
    exchange.refuse(status);
  }
  return exchange.live();
}

bool check_pac(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (work.pac_job == nullptr) {
    return true;
  }
  put_back(work, work.pac->server_signature.value, work.signatures_aside.server);
  put_back(work, work.pac->kdc_signature.value, work.signatures_aside.kdc);
  if (work.pac_job->outcome != crypto::Outcome::kDone) {
    exchange.refuse(work.pac_job->outcome == crypto::Outcome::kForged ? Status::kPacSignature
                                                                      : Status::kInternal);
    return false;
  }
  exchange.context->pac_signatures = kPacServer;
  const crypto::KeyRing* const kdc_ring = exchange.keys->kdc_ring.get();
  if (kdc_ring != nullptr && !check_kdc_signatures(turn, exchange, *work.pac, *kdc_ring)) {
    exchange.refuse(Status::kPacKdcSignature);
    return false;
  }
  //= MS-KILE 3.4.5.3: what the PAC says is used only once it is verified.
  if (!work.pac->has_client_info ||
      !is_same_client(*work.ticket, exchange.context->user(), work.pac->client_info) ||
      !sids_agree(*work.pac)) {
    exchange.refuse(Status::kPacClient);
  }
  return exchange.live();
}

bool keep_pac(Turn& turn, Exchange& exchange) noexcept {
  ContextPool& contexts = turn.environment.contexts;
  const KerberosWork& work = exchange.kerberos;
  if (contexts.pages() == nullptr || !work.keeps_pac) {
    return true;
  }
  if (work.seen && work.seen.payload().pac) {
    exchange.context->pac = work.seen.payload().pac.share();
    return true;
  }
  const Bytes octets = work.ticket_data->pac;
  if (!contexts.keep({&octets, 1}, exchange.context->pac, turn.steady_us)) {
    exchange.refuse(Status::kNoFreePage);
  }
  return exchange.live();
}

}  // namespace usher::auth
