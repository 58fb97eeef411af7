// The KDC's hand in a ticket's PAC: buffers put together and signed, right or wrong in every way a
// test wants.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/crypto/kit.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/pac_buffers.h"

namespace usher::mint {

// PacSignatureFields is how one of the signatures is made. Whatever is set replaces the right
// value.
struct PacSignatureFields {
  bool absent = false;
  std::optional<std::int32_t> type{};  // The label alone: the signature stays what it is.
  std::optional<Service> signer{};     // Another key, whose etype decides what is made.
  std::optional<std::uint16_t> rodc_id{};
  std::optional<std::size_t> size{};  // Octets of the value, cut off or filled with zeros.
  // Makes the value from what is covered, in place of a keyed checksum.
  std::function<Octets(Bytes covered)> make{};
};

// PacFields is what a domain controller says of a client. The defaults are one account, alice.
struct PacFields {
  std::optional<PacLogonInfo> logon_info = PacLogonInfo{};
  std::optional<std::string> client_name = "alice";  // PAC_CLIENT_INFO; nothing: no such buffer.
  std::optional<std::int64_t> client_time{};         // Seconds since 1970; else the ticket's.
  std::optional<PacUpnDns> upn_dns = PacUpnDns{};
  std::optional<PacDelegationInfo> delegation_info{};
  Octets requestor = account_sid();  // Empty: no such buffer.
  std::vector<PacBuffer> more{};     // Further buffers.

  PacSignatureFields server{};
  PacSignatureFields kdc{};
  PacSignatureFields ticket{};
  PacSignatureFields full{};
};

// checksum_type_of is the RFC 3961 checksum type of an etype's keys.
std::int32_t checksum_type_of(std::int32_t etype);

// keyed_checksum is a PAC's kind of checksum: of the key's own type, for key usage 17.
Octets keyed_checksum(crypto::Kit& kit, const Service& signer, Bytes covered);

// mint_pac makes a PAC for `ticket`, whose session key must be set, sealed for `service` by the KDC
// whose krbtgt is `krbtgt`. The ticket's own authorization data is not looked at.
Octets mint_pac(crypto::Kit& kit, const Service& service, const Service& krbtgt,
                const TicketFields& ticket, const PacFields& fields = {});

// add_pac puts one into the ticket's authorization data, inside AD-IF-RELEVANT. A session key that
// is not set is drawn: the ticket signature covers it.
void add_pac(crypto::Kit& kit, RandomSource& random, const Service& service, const Service& krbtgt,
             TicketFields& ticket, const PacFields& fields = {});

}  // namespace usher::mint
