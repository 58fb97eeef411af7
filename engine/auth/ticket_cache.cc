#include "engine/auth/ticket_cache.h"

#include "engine/auth/exchange.h"

namespace usher::auth {
namespace {

// client_of tells clients apart, so that each has its share of the cache.
std::uint64_t client_of(const TicketCache& cache, const krb5::EncTicketPart& ticket) noexcept {
  return cache.hash_of(ticket.cname.components, cache.hash_of(ticket.crealm, 0));
}

}  // namespace

bool recall(Turn& turn, Exchange& exchange) noexcept {
  TicketCache* const cache = turn.environment.tickets;
  if (cache == nullptr || !exchange.request->credential->policy.cache_tickets) {
    return false;
  }
  KerberosWork& work = exchange.kerberos;
  const krb5::Ticket& ticket = work.ap_req->ticket;
  work.sought.emplace(cache->seek((*exchange.keys)->generation, ticket.encoded));
  work.seen = cache->find(*work.sought, turn.now_s());
  turn.desk.tickets_seen.count_find(bool(work.seen));
  if (!work.seen) {
    return false;
  }
  work.ticket_job = &turn.desk.tickets.add({.key = work.seen.payload().key,
                                            .opened = work.seen.value(),
                                            .outcome = crypto::Outcome::kDone});
  return true;
}

void remember(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (!work.sought || work.seen) {
    return;
  }
  OpenedTicket opened{.key = work.ticket_job->key,
                      .session_keys = {},
                      .pac_signatures = exchange.context->pac_signatures};
  work.authenticator_job->keys->copy_to(opened.session_keys);
  TicketCache& cache = *turn.environment.tickets;
  const Offered offered = cache.offer(*work.sought,
                                      {.client_hash = client_of(cache, *work.ticket),
                                       .value = work.ticket_job->opened,
                                       .payload = opened,
                                       .expires_s = work.ticket->end_time},
                                      turn.now_s());
  turn.desk.tickets_seen.count_offer(offered);
  cache.wipe_expired_now_and_then(turn.now_s());
  wipe({reinterpret_cast<std::uint8_t*>(&opened), sizeof(opened)});
}

}  // namespace usher::auth
