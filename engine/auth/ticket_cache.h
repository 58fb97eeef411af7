// Tickets that were opened before: a client sends one and the same with every request, for hours.
#pragma once

#include <cstdint>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/session_keys.h"
#include "engine/slots/page_store.h"
#include "engine/slots/seen_cache.h"
#include "parsers/authorization_data.h"
#include "parsers/krb5.h"

namespace usher::auth {

struct Exchange;
struct Turn;

// OpenedTicket is what is kept of a ticket besides its plaintext, which its views point into. All
// of it follows from the ticket's octets and from one credential's keys and policy, whose number
// (Keys::generation) an entry is found under; nothing of it depends on the client's authenticator,
// on time or on bindings, which every accept looks at anew.
struct OpenedTicket {
  const crypto::ServiceKey* key = nullptr;  // That opened it, one of those keys.
  krb5::EncTicketPart part;
  krb5::AuthorizationData data;
  crypto::SessionKeys::Image session_keys;
  std::uint8_t pac_signatures = 0;  // PacSignature bits: verified.
  KeptShare pac;  // As the contexts of this ticket have it; of nothing if they keep none.
};

// A ticket is found by all its octets, in the state in which it was opened, until its end time.
using TicketCache = SeenCache<OpenedTicket>;

// seek_ticket begins to look for the exchange's ticket, if the policy lets tickets be remembered
// and it is one that can be: nothing stands behind what is sealed. What is in front, names and
// numbers, a client can write in more than one way; it has its share of the cache, however it
// writes them. recall tells. True: it was found, and what it came to then is the turn's job for it,
// which is done already. Between the two the processor fetches memory that is in no cache.
void seek_ticket(Turn& turn, Exchange& exchange) noexcept;
[[nodiscard]] bool recall(Turn& turn, Exchange& exchange) noexcept;

// about_to_remember is called a stage before remember, once the context has the client's name, so
// that there is time to fetch memory here, too. remember offers the ticket of an AP-REQ in which
// everything was right, if it was not found there; what may be refused still is a mechListMIC or a
// third leg, which say nothing about the ticket.
void about_to_remember(Turn& turn, Exchange& exchange) noexcept;
void remember(Turn& turn, Exchange& exchange) noexcept;

}  // namespace usher::auth
