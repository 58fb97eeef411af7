#include "engine/auth/ticket_cache.h"

#include <cassert>
#include <memory>

#include "engine/auth/exchange.h"

namespace usher::auth {
namespace {

// client_of tells clients apart, so that each has its share of the cache: by the name and realm
// that the context has been told.
std::uint64_t client_of(const TicketCache& cache, const Context& context) noexcept {
  const Bytes user = context.user();
  return cache.hash_of(Bytes(context.storage).first(user.size() + context.realm().size()),
                       user.size());
}

// ends_sealed says whether the ticket's last octets are its ciphertext's: its keyed checksum, or
// with RC4 what is enciphered under that. Behind them only extensions can stand (RFC 4120 1.5.1),
// which nothing protects: with one, a client could make any number of tickets from its own, even
// such as have one hash.
bool ends_sealed(const krb5::Ticket& ticket) noexcept {
  return std::to_address(ticket.enc_part.cipher.end()) == std::to_address(ticket.encoded.end());
}

// read makes views into `plain`, a copy of what was read without fault before.
void read(Bytes plain, OpenedTicket& opened) noexcept {
  [[maybe_unused]] const ParseFault fault = krb5::parse_into(plain, opened.part, opened.data);
  assert(fault.code == ParseCode::kOk && opened.data.fault.code == ParseCode::kOk);
}

}  // namespace

void seek_ticket(Turn& turn, Exchange& exchange) noexcept {
  const TicketCache* const cache = turn.environment.tickets;
  KerberosWork& work = exchange.kerberos;
  const krb5::Ticket& ticket = work.ap_req->ticket;
  if (cache != nullptr && exchange.request->credential->policy.cache_tickets &&
      ends_sealed(ticket)) {
    work.sought.emplace(cache->seek(exchange.keys->generation, ticket.encoded));
  }
}

bool recall(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (!work.sought) {
    return false;
  }
  work.seen = turn.environment.tickets->find(*work.sought, turn.now_s);
  turn.desk.tickets_seen.count_find(bool(work.seen));
  if (!work.seen) {
    return false;
  }
  const OpenedTicket& opened = work.seen.payload();
  work.ticket = opened.part;
  work.ticket_data = opened.data;
  work.ticket_job = &turn.desk.tickets.add(
      {.key = opened.key, .opened = work.seen.value(), .outcome = crypto::Outcome::kDone});
  return true;
}

void about_to_remember(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (work.sought && !work.seen) {
    const TicketCache& cache = *turn.environment.tickets;
    work.client_hash = client_of(cache, *exchange.context);
    cache.prefetch_offer(work.client_hash);
  }
}

void remember(Turn& turn, Exchange& exchange) noexcept {
  KerberosWork& work = exchange.kerberos;
  if (!work.sought || work.seen) {
    return;
  }
  TicketCache& cache = *turn.environment.tickets;
  const Offered offered =
      cache.offer(*work.sought,
                  {.client_hash = work.client_hash,
                   .value = work.ticket_job->opened,
                   .expires_s = work.ticket->end_time},
                  turn.now_s, [&](OpenedTicket& opened, Bytes plain) {
                    read(plain, opened);
                    const Context& context = *exchange.context;
                    if (!context.pac.empty()) {
                      opened.pac = {*turn.environment.contexts.pages(), context.pac};
                    }
                    opened.key = work.ticket_job->key;
                    opened.pac_signatures = context.pac_signatures;
                    work.authenticator_job->keys->copy_to(opened.session_keys);
                  });
  turn.desk.tickets_seen.count_offer(offered);
  cache.wipe_expired_now_and_then(turn.now_s);
}

}  // namespace usher::auth
