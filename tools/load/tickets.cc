#include "tools/load/tickets.h"

#include <krb5.h>

#include <ctime>
#include <stdexcept>
#include <thread>

#include "engine/random.h"

namespace load {
namespace {

using usher::mint::Octets;
using usher::mint::Service;
using usher::mint::Ticket;

// Krb5 is a library context and what was opened in it.
class Krb5 {
 public:
  Krb5() { check(krb5_init_context(&context_), "krb5_init_context"); }
  ~Krb5() {
    if (cache_ != nullptr) {
      krb5_cc_close(context_, cache_);
    }
    if (keytab_ != nullptr) {
      krb5_kt_close(context_, keytab_);
    }
    krb5_free_cred_contents(context_, &wanted_);
    krb5_free_context(context_);
  }
  Krb5(const Krb5&) = delete;
  Krb5& operator=(const Krb5&) = delete;

  Ticket cached(const std::string& service);
  // newest_key finds the plan's key in its keytab.
  Service newest_key(const KeytabPlan& plan);

 private:
  static Octets copy(const krb5_data& data) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data);
    return {bytes, bytes + data.length};
  }
  static Octets copy(const krb5_keyblock& key) { return {key.contents, key.contents + key.length}; }

  std::string name_of(krb5_const_principal principal) {
    char* text = nullptr;
    check(krb5_unparse_name(context_, principal, &text), "a principal's name");
    std::string name = text;
    krb5_free_unparsed_name(context_, text);
    return name;
  }

  void check(krb5_error_code code, const std::string& what) {
    if (code != 0) {
      const char* text = krb5_get_error_message(context_, code);
      const std::string message = what + ": " + text;
      krb5_free_error_message(context_, text);
      throw std::runtime_error(message);
    }
  }

  krb5_context context_ = nullptr;
  krb5_ccache cache_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  krb5_creds wanted_{};
};

Ticket Krb5::cached(const std::string& service) {
  krb5_creds* got = nullptr;
  check(krb5_cc_default(context_, &cache_), "the credential cache");
  check(krb5_cc_get_principal(context_, cache_, &wanted_.client), "the credential cache");
  check(krb5_parse_name(context_, service.c_str(), &wanted_.server), "the service's name");
  check(krb5_get_credentials(context_, 0, cache_, &wanted_, &got), "a ticket for the service");
  Ticket ticket{.encoded = copy(got->ticket),
                .session_etype = got->keyblock.enctype,
                .session_key = copy(got->keyblock),
                .client = usher::mint::Principal::of(name_of(got->client))};
  krb5_free_creds(context_, got);
  return ticket;
}

Service Krb5::newest_key(const KeytabPlan& plan) {
  krb5_kt_cursor cursor{};
  krb5_keytab_entry entry{};
  check(krb5_kt_resolve(context_, ("FILE:" + plan.keytab).c_str(), &keytab_), plan.keytab);
  check(krb5_kt_start_seq_get(context_, keytab_, &cursor), plan.keytab);
  Service found{.kvno = 0, .key = {}};
  while (krb5_kt_next_entry(context_, keytab_, &entry, &cursor) == 0) {
    const std::string name = name_of(entry.principal);
    const bool named = name == plan.service || name.starts_with(plan.service + "@");
    const bool fits = plan.etype == 0 || entry.key.enctype == plan.etype;
    if (named && fits && (found.key.empty() || entry.vno > found.kvno)) {
      found = {.name = usher::mint::Principal::of(name),
               .etype = entry.key.enctype,
               .kvno = entry.vno,
               .key = copy(entry.key)};
    }
    krb5_free_keytab_entry_contents(context_, &entry);
  }
  krb5_kt_end_seq_get(context_, keytab_, &cursor);
  if (found.key.empty()) {
    throw std::runtime_error(plan.keytab + ": no such key for " + plan.service);
  }
  return found;
}

}  // namespace

Ticket cached_ticket(const std::string& service) { return Krb5().cached(service); }

std::vector<Ticket> minted_tickets(const KeytabPlan& plan) {
  const Service service = Krb5().newest_key(plan);
  usher::mint::TicketShape shape = plan.shape;
  shape.session_etype = service.etype;
  const std::int64_t now_s = std::time(nullptr);
  std::vector<Ticket> tickets(plan.count);
  const std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  const auto make_share = [&](std::size_t worker) {
    const auto kit = usher::crypto::Kit::make();
    const auto random = usher::make_system_random();
    usher::mint::require(kit && random, "OpenSSL or its randomness is not to be had");
    const usher::mint::TicketShaper shaper(*kit, *random, service, shape, now_s);
    for (std::size_t n = worker; n < tickets.size(); n += workers) {
      tickets[n] = shaper.make();
    }
  };
  {
    // What cannot be made throws here, before any thread would have to.
    const auto kit = usher::crypto::Kit::make();
    const auto random = usher::make_system_random();
    usher::mint::require(kit && random, "OpenSSL or its randomness is not to be had");
    (void)usher::mint::TicketShaper(*kit, *random, service, shape, now_s).make();
  }
  std::vector<std::jthread> threads;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    threads.emplace_back(make_share, worker);
  }
  threads.clear();  // Joined.
  return tickets;
}

}  // namespace load
