// A PAC taken apart by its table alone (MS-PAC 2.3, 2.4), changed, put together and signed again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/crypto/kit.h"
#include "fuzz/support/mutator.h"
#include "tools/mint/kerberos_mint.h"

namespace usher::fuzz {

struct PacBuffer {
  std::uint32_t type = 0;
  Octets data;
};

// take_apart reads the table; nothing if a buffer does not lie in `pac`. put_together writes the
// table and the buffers behind it, each at a multiple of eight.
std::optional<std::vector<PacBuffer>> take_apart(Bytes pac);
Octets put_together(const std::vector<PacBuffer>& buffers);

// unsigned_pac is what a domain controller says of the account `name`, alice's SID and all, with
// empty places for its four signatures; `etype` is the service's.
Octets unsigned_pac(std::string_view name, std::int64_t auth_time, std::int32_t etype);

// sign_pac writes what it finds room for of the signatures of service and KDC (MS-PAC 2.8.1 to
// 2.8.4), whatever type they say they are of. `emptied_ticket` is the EncTicketPart with one zero
// octet for the PAC; empty, the ticket signature stays as it is.
void sign_pac(crypto::Kit& kit, const mint::Service& service, const mint::Service& krbtgt,
              Bytes emptied_ticket, Octets& pac);

// change_pac changes one thing: an entry of the table, a buffer's contents, the order, or octets
// anywhere. Signatures are not made anew.
void change_pac(Mutator& mutator, Octets& pac, std::size_t size_max);

}  // namespace usher::fuzz
