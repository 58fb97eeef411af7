// A Door whose clients come with PACs, and whose KDC's key may be known.
#pragma once

#include <span>
#include <string_view>

#include "engine/auth/pac_check.h"
#include "parsers/pac.h"
#include "tests/auth/door.h"
#include "tools/mint/pac_mint.h"

namespace usher::testing {

using mint::Octets;
using mint::PacFields;
using mint::Service;
using mint::TicketFields;

inline constexpr std::string_view kRealmsKrbtgt = "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST";

// Attempt is a ticket, its PAC, and what happens to the ticket once the KDC has signed.
struct Attempt {
  TicketFields ticket;
  PacFields pac;
  std::size_t service = 0;  // Index in Door::services.
  bool has_pac = true;
  void (*change)(TicketFields&) = nullptr;
  Octets authenticator_data;
};

// PacDoor is a Door that may know its KDC's key.
class PacDoor : public Door {
 public:
  // know_krbtgt gives the door these keys besides the service's.
  void know_krbtgt(std::span<const Service> keys) {
    auto fresh = std::make_unique<auth::Keys>();
    fresh->ring = mint::make_ring(*kit, services);
    fresh->kdc_ring = mint::make_ring(*kit, keys);
    ASSERT_NE(fresh->kdc_ring, nullptr);
    credential.keys.replace(std::move(fresh));
  }
  void know_krbtgt() { know_krbtgt({&krbtgt, 1}); }

  auth::AcceptReply sign_on(Attempt attempt) {
    if (attempt.has_pac) {
      mint::add_pac(*kit, random, services[attempt.service], krbtgt, attempt.ticket, attempt.pac);
    }
    if (attempt.change != nullptr) {
      attempt.change(attempt.ticket);
    }
    mint::AuthenticatorFields fields = authenticator_fields();
    fields.authorization_data = attempt.authenticator_data;
    const mint::Ticket ticket = client.ticket(services[attempt.service], attempt.ticket);
    return offer(mint::gss_token(client.ap_req(ticket, fields).message));
  }

  // of_etype is the index in services of the first key of an etype.
  [[nodiscard]] std::size_t of_etype(std::int32_t etype) const {
    return static_cast<std::size_t>(std::ranges::find(services, etype, &Service::etype) -
                                    services.begin());
  }
  Service krbtgt = mint::make_service(random, kRealmsKrbtgt, 18, 2);
};

// md5_of is the unkeyed checksum of CVE-2014-6324.
inline Octets md5_of(Bytes covered) {
  const auto kit = crypto::Kit::make();
  Octets out(16);
  EXPECT_TRUE(kit->md5({&covered, 1}, out));
  return out;
}

inline Service another(const char* name, std::int32_t etype) {
  mint::SeededRandom random(99);
  return mint::make_service(random, name, etype, 9);
}

struct Case {
  const char* name;
  Status expected;
  void (*spoil)(PacDoor&, Attempt&);
  const char* why;
};

// expect_verdict offers what a case makes of a right sign-on, and wants nothing left of it.
inline void expect_verdict(PacDoor& door, const Case& which) {
  Attempt attempt;
  attempt.ticket = door.ticket_fields();
  which.spoil(door, attempt);
  const auth::AcceptReply result = door.sign_on(attempt);
  EXPECT_EQ(text_of(result.verdict.status), text_of(which.expected)) << which.why;
  if (result.verdict.status == Status::kEstablished) {
    EXPECT_EQ(door.client_of(result.context), "alice@EXAMPLE.TEST");
    EXPECT_TRUE(door.end(result.context));
  }
  EXPECT_EQ(door.pool.live(), 0u);
  EXPECT_EQ(door.store.free_count(), Door::kPages) << "a page has leaked";
}

}  // namespace usher::testing
