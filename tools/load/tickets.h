// Where the tickets of a load come from: the caller's credential cache, or a test realm's key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/mint/kerberos_mint.h"
#include "tools/mint/ticket_shapes.h"

namespace load {

// cached_ticket asks the caller's credential cache, or the KDC, for a ticket to `service`. Throws
// std::runtime_error with the library's words.
usher::mint::Ticket cached_ticket(const std::string& service);

// KeytabPlan is what minted_tickets is to make.
struct KeytabPlan {
  std::string keytab;      // Path.
  std::string service;     // "HTTP/localhost", of any realm; or with "@REALM".
  std::int32_t etype = 0;  // Of the key; 0: the newest entry's, and of those the first one's.
  std::size_t count = 1;   // Tickets, each with another session key.
  usher::mint::TicketShape shape;  // Its session_etype is the key's.
};

// minted_tickets does what the realm's KDC would do, with the service's key. Throws if the keytab
// has no such key, or the tickets cannot be made.
std::vector<usher::mint::Ticket> minted_tickets(const KeytabPlan& plan);

}  // namespace load
