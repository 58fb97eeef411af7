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

// unsigned_pac is a small PAC for the account `name` that has a client info, a requestor and empty
// places for the signatures; `etype` says which.
Octets unsigned_pac(std::u16string_view name, std::int64_t auth_time, std::int32_t etype);

// sign_pac writes the server signature of a PAC that has room for one (MS-PAC 2.8.1). The KDC's
// stays as it is: only the KDC can make or check it.
void sign_pac(crypto::Kit& kit, const mint::Service& service, Octets& pac);

// change_pac changes one thing: an entry of the table, a buffer's contents, the order, or octets
// anywhere. Signatures are not made anew.
void change_pac(Mutator& mutator, Octets& pac, std::size_t size_max);

}  // namespace usher::fuzz
