// Tickets of the sizes that clients bring: an MIT realm's, and those of domains whose users are in
// ten or in hundreds of groups. For benches and load.
#pragma once

#include <cstdint>

#include "tools/mint/kerberos_mint.h"

namespace usher::mint {

// TicketShape is what matters of a ticket to whoever has to open it.
struct TicketShape {
  // Bytes of the Ticket, about: as near as groups in its PAC bring it, eight bytes each. 0: without
  // a PAC, as MIT's KDC makes it, 138 bytes of authorization data.
  std::size_t size = 0;
  std::int32_t session_etype = 18;
};

// The smallest ticket that a PAC fits into; TicketShaper refuses less, but for 0.
inline constexpr std::size_t kPacTicketSizeMin = 1300;

// TicketShaper makes as many tickets of one shape as are wanted: all of the same size and for the
// same client, each with another session key. Borrows kit and random. Not for threads.
class TicketShaper {
 public:
  // Tickets are good from ten minutes before `now_s` (seconds since 1970) to ten hours after.
  // Throws if `shape` cannot be made.
  TicketShaper(crypto::Kit& kit, RandomSource& random, Service service, const TicketShape& shape,
               std::int64_t now_s);

  [[nodiscard]] Ticket make() const;

 private:
  [[nodiscard]] Ticket make(std::size_t groups) const;

  crypto::Kit& kit_;
  RandomSource& random_;
  Service service_;
  Service krbtgt_;
  TicketFields fields_;
  bool pac_ = false;
  std::size_t groups_ = 0;
};

}  // namespace usher::mint
