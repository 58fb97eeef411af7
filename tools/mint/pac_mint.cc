#include "tools/mint/pac_mint.h"

#include <algorithm>

#include "engine/crypto/checksum.h"
#include "parsers/pac.h"

namespace usher::mint {
namespace {

using pac::BufferType;

constexpr std::int32_t kAdWin2kPac = 128;
constexpr auto kPacUsage = crypto::KeyUsage(17);  // RFC 4120 7.5.1, MS-PAC 2.8
constexpr std::size_t kTypeSize = 4;              // In front of a signature's value.

std::uint64_t file_time(std::int64_t unix_seconds) {
  constexpr std::int64_t kEpochs = 11'644'473'600;
  return static_cast<std::uint64_t>(unix_seconds + kEpochs) * 10'000'000;
}

std::size_t checksum_size_of(std::int32_t etype) {
  const crypto::EtypeProfile* const profile = crypto::profile_of(etype);
  require(profile != nullptr, "the mint cannot sign with this etype");
  return profile->checksum_size;
}

// Draft is a PAC whose signatures are filled in one after the other.
class Draft {
 public:
  Draft(crypto::Kit& kit, const Service& service, const Service& krbtgt, const PacFields& fields)
      : kit_(kit), service_(service), krbtgt_(krbtgt), fields_(fields) {}

  void add(BufferType type, Octets octets) {
    buffers_.push_back({static_cast<std::uint32_t>(type), std::move(octets)});
  }
  void add(const PacBuffer& buffer) { buffers_.push_back(buffer); }

  // reserve adds a signature's buffer with zeros for its value.
  void reserve(BufferType type) {
    const PacSignatureFields& how = fields_of(type);
    if (how.absent) {
      return;
    }
    const Service& signer = signer_of(type);
    Octets octets;
    append_le(octets,
              static_cast<std::uint32_t>(how.type.value_or(checksum_type_of(signer.etype))));
    octets.resize(kTypeSize + value_size_of(type));
    if (how.rodc_id) {
      append_le(octets, *how.rodc_id);
    }
    add(type, octets);
  }

  // sign writes a signature's value over `covered`.
  void sign(BufferType type, Bytes covered) {
    PacBuffer* const buffer = find(type);
    if (buffer == nullptr) {
      return;
    }
    const PacSignatureFields& how = fields_of(type);
    Octets value = how.make ? how.make(covered) : keyed_checksum(kit_, signer_of(type), covered);
    value.resize(value_size_of(type));
    std::ranges::copy(value, buffer->octets.begin() + kTypeSize);
  }

  Octets value(BufferType type) {
    const PacBuffer* const buffer = find(type);
    if (buffer == nullptr) {
      return {};
    }
    const auto begin = buffer->octets.begin() + kTypeSize;
    return {begin, begin + static_cast<std::ptrdiff_t>(value_size_of(type))};
  }

  Octets assemble() const { return make_pac(buffers_); }

 private:
  const PacSignatureFields& fields_of(BufferType type) const {
    switch (type) {
      case BufferType::kServerSignature:
        return fields_.server;
      case BufferType::kKdcSignature:
        return fields_.kdc;
      case BufferType::kTicketSignature:
        return fields_.ticket;
      default:
        return fields_.full;
    }
  }
  const Service& signer_of(BufferType type) const {
    const PacSignatureFields& how = fields_of(type);
    if (how.signer) {
      return *how.signer;
    }
    return type == BufferType::kServerSignature ? service_ : krbtgt_;
  }
  std::size_t value_size_of(BufferType type) const {
    return fields_of(type).size.value_or(checksum_size_of(signer_of(type).etype));
  }
  PacBuffer* find(BufferType type) {
    const auto found =
        std::ranges::find(buffers_, static_cast<std::uint32_t>(type), &PacBuffer::type);
    return found == buffers_.end() ? nullptr : &*found;
  }

  crypto::Kit& kit_;
  const Service& service_;
  const Service& krbtgt_;
  const PacFields& fields_;
  std::vector<PacBuffer> buffers_;
};

void add_contents(Draft& draft, const TicketFields& ticket, const PacFields& fields) {
  if (fields.logon_info) {
    draft.add(BufferType::kLogonInfo, make_logon_info(*fields.logon_info));
  }
  if (fields.client_name) {
    draft.add(BufferType::kClientInfo,
              make_client_info(file_time(fields.client_time.value_or(ticket.auth_time)),
                               *fields.client_name));
  }
  if (fields.upn_dns) {
    draft.add(BufferType::kUpnDns, make_upn_dns(*fields.upn_dns));
  }
  if (fields.delegation_info) {
    draft.add(BufferType::kDelegationInfo, make_delegation_info(*fields.delegation_info));
  }
  if (!fields.requestor.empty()) {
    draft.add(BufferType::kRequestor, fields.requestor);
  }
  for (const PacBuffer& buffer : fields.more) {
    draft.add(buffer);
  }
}

}  // namespace

std::int32_t checksum_type_of(std::int32_t etype) {
  switch (etype) {
    case 17:
      return 15;
    case 18:
      return 16;
    case 23:
      return -138;
    default:
      return etype;  // RFC 8009 4: 19 and 20.
  }
}

Octets keyed_checksum(crypto::Kit& kit, const Service& signer, Bytes covered) {
  Octets value(checksum_size_of(signer.etype));
  crypto::ChecksumKey key;
  require(crypto::make_checksum_key(kit, *crypto::profile_of(signer.etype), signer.key, kPacUsage,
                                    key) &&
              crypto::write_checksum(kit, key, {&covered, 1}, value),
          "a checksum can be made");
  return value;
}

Octets mint_pac(crypto::Kit& kit, const Service& service, const Service& krbtgt,
                const TicketFields& ticket, const PacFields& fields) {
  require(!ticket.session_key.empty(), "the ticket signature covers the session key");
  Draft draft(kit, service, krbtgt, fields);
  add_contents(draft, ticket, fields);
  for (const BufferType type : {BufferType::kServerSignature, BufferType::kKdcSignature,
                                BufferType::kTicketSignature, BufferType::kFullSignature}) {
    draft.reserve(type);
  }
  // MS-PAC 2.8.3: over the ticket, whose PAC is one zero octet for that.
  TicketFields emptied = ticket;
  const Octets zero(1);
  emptied.authorization_data = authorization_data(kAdWin2kPac, zero);
  draft.sign(BufferType::kTicketSignature, encode_enc_ticket_part(emptied));
  // MS-PAC 2.8.4, 2.8.1, 2.8.2: each covers the ones before, and nothing of those that follow.
  draft.sign(BufferType::kFullSignature, draft.assemble());
  draft.sign(BufferType::kServerSignature, draft.assemble());
  draft.sign(BufferType::kKdcSignature, draft.value(BufferType::kServerSignature));
  return draft.assemble();
}

void add_pac(crypto::Kit& kit, RandomSource& random, const Service& service, const Service& krbtgt,
             TicketFields& ticket, const PacFields& fields) {
  if (ticket.session_key.empty()) {
    const crypto::EtypeProfile* const profile = crypto::profile_of(ticket.session_etype);
    ticket.session_key = draw(random, profile != nullptr ? profile->key_size : 16);
  }
  ticket.authorization_data =
      authorization_data(kAdWin2kPac, mint_pac(kit, service, krbtgt, ticket, fields));
}

}  // namespace usher::mint
