// Accepts tokens that are as large, and make as much work, as a token can, for bench/token_budget
// to count what that takes (attack F1).
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include "bench/allocations.h"
#include "bench/door.h"
#include "parsers/authorization_data.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "tools/mint/cred_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/pac_mint.h"
#include "tools/mint/spnego_mint.h"

extern "C" {

// What callgrind collects; the name must survive the optimiser.
[[gnu::noinline, gnu::noclone]] const usher::AcceptReply& accept_worst(usher::bench::Door& door,
                                                                       usher::ContextHandle context,
                                                                       usher::Bytes token) {
  return door.next(context, token);
}

}  // extern "C"

namespace usher::bench {
namespace {

using mint::Octets;

// Room that is left below kTokenSizeMax for what is around the large part.
constexpr std::size_t kAround = 2048;
constexpr std::size_t kLarge = kTokenSizeMax - kAround;

class Client {
 public:
  explicit Client(std::int32_t etype = 18, std::uint32_t key_count = 1)
      : kit_(crypto::Kit::make()), mint_(*kit_, random_) {
    for (std::uint32_t kvno = 1; kvno <= key_count; ++kvno) {
      services_.push_back(
          mint::make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST", etype, kvno));
    }
    krbtgt_ = mint::make_service(random_, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
    ticket.auth_time = now_ - 600;
    ticket.end_time = now_ + 36'000;
    authenticator.ctime = now_;
    authenticator.subkey_etype = etype;
  }

  // kerberos_token seals the fields with the newest key, or with one that nobody has.
  Octets kerberos_token() {
    mint::Service service = services_.back();
    if (unknown_key) {
      service.key[0] ^= 1;
      service.kvno = 99;
    }
    if (pac) {
      mint::add_pac(*kit_, random_, service, krbtgt_, ticket, *pac);
    }
    const mint::Ticket sealed = mint_.ticket(service, ticket);
    if (delegated) {
      authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
      authenticator.delegation =
          mint::krb_cred(mint_, sealed.session_etype, sealed.session_key, *delegated);
    }
    ++authenticator.cusec;
    return mint::spnego_token(mint_.ap_req(sealed, authenticator).message);
  }

  [[nodiscard]] std::span<const mint::Service> services() const { return services_; }
  [[nodiscard]] const mint::Service& krbtgt() const { return krbtgt_; }
  [[nodiscard]] crypto::Kit& kit() { return *kit_; }
  [[nodiscard]] const mint::KerberosMint& mint() const { return mint_; }

  mint::TicketFields ticket;
  mint::AuthenticatorFields authenticator;
  std::optional<mint::PacFields> pac;
  std::optional<mint::Cred> delegated;
  bool unknown_key = false;

 private:
  std::int64_t now_ = std::time(nullptr);
  std::unique_ptr<crypto::Kit> kit_;
  mint::SeededRandom random_{20261};
  mint::KerberosMint mint_;
  std::vector<mint::Service> services_;
  mint::Service krbtgt_;
};

Octets filler(std::size_t size) { return Octets(size, 0x55); }

// elements joins as many copies of `one` as have room.
Octets elements(const Octets& one, std::size_t room) {
  Octets all;
  while (all.size() + one.size() <= room) {
    mint::append(all, one);
  }
  return all;
}

Octets operator+(Octets a, const Octets& b) {
  mint::append(a, b);
  return a;
}

// der is an element.
Octets der(std::uint8_t tag, const Octets& contents) {
  constexpr std::size_t kHeaderSizeMax = 6;
  Octets room(contents.size() + kHeaderSizeMax);
  der::Writer writer(room);
  writer.bytes(der::Tag(tag), contents);
  room.resize(writer.move_to_front());
  return room;
}

Octets mech_types(Client& /*client*/) {
  mint::NegTokenInitFields fields;
  fields.mech_types = der(0x30, elements({0x06, 0x01, 0x2a}, kLarge));
  return mint::neg_token_init(fields);
}

Octets nested(Client& /*client*/) {
  Octets all;  // From the inside out and from the end.
  while (all.size() < kLarge) {
    const std::size_t size = all.size();
    all.push_back(static_cast<std::uint8_t>(size));
    if (size >= 0x100) {
      all.push_back(static_cast<std::uint8_t>(size >> 8));
    }
    if (size >= 0x80) {
      all.push_back(size >= 0x100 ? 0x82 : 0x81);
    }
    all.push_back(0x30);
  }
  std::ranges::reverse(all);
  return mint::optimistic({gss::Mechanism::kKerberos}, all);
}

// As many elements as an acceptor reads, in the deepest nesting, and large.
Octets authorization_data(Client& client) {
  constexpr std::size_t kElements = krb5::kAdElementsMax - krb5::kAdDepthMax;
  const Octets element = der(0x30, der(0xa0, {0x02, 0x02, 0x27, 0x0f}) +
                                       der(0xa1, der(0x04, filler(kLarge / kElements - 64))));
  Octets list = der(0x30, elements(element, kElements * element.size()));
  for (std::uint32_t depth = 1; depth < krb5::kAdDepthMax; ++depth) {
    list = der(0x30, der(0x30, der(0xa0, {0x02, 0x01, 0x01}) + der(0xa1, der(0x04, list))));
  }
  client.ticket.authorization_data = list;
  return client.kerberos_token();
}

Octets pac_of_many_groups(Client& client) {
  mint::PacFields fields;
  for (std::uint32_t i = 0; i < 1500; ++i) {
    fields.logon_info->groups.push_back({2000 + i, 7});
  }
  for (std::uint32_t i = 0; i < 1000; ++i) {
    fields.logon_info->extra_sids.push_back({mint::make_sid(5, {21, 1, 2, 3, i})});
  }
  client.pac = fields;
  return client.kerberos_token();
}

Octets ticket_of_an_unknown_key(Client& client) {
  client.unknown_key = true;
  client.ticket.authorization_data = mint::authorization_data(9999, filler(kLarge - 1024));
  return client.kerberos_token();
}

Octets large_authenticator(Client& client) {
  client.authenticator.extensions = filler(kLarge - 1024);
  return client.kerberos_token();
}

Octets delegated_tickets(Client& client) {
  constexpr std::size_t kTickets = 16;
  mint::Cred cred = mint::forwarded_tgt(client.mint(), client.ticket.client,
                                        client.ticket.auth_time, client.ticket.end_time);
  mint::TicketFields large = client.ticket;
  large.authorization_data = mint::authorization_data(9999, filler(kLarge / kTickets - 512));
  cred.tickets[0] = client.mint().ticket(client.krbtgt(), large).encoded;
  while (cred.tickets.size() < kTickets) {
    cred.tickets.push_back(cred.tickets[0]);
    cred.infos.push_back(cred.infos[0]);
  }
  client.delegated = cred;
  return client.kerberos_token();
}

// Empty pairs of an id that nobody knows, and a proof over them that fails at the last.
Octets av_pairs(Client& client, Bytes negotiate, Bytes challenge) {
  Octets message = mint::ntlm_authenticate(client.kit(), negotiate, challenge, {}).message;
  Octets response(16);                    // NTProofStr
  mint::append(response, Octets{1, 1});   // MS-NLMP 2.2.2.7: RespType, HiRespType
  mint::append(response, Octets(26, 0));  // Reserved, TimeStamp, ChallengeFromClient, Reserved
  mint::append(response, elements({0x77, 0x77, 0, 0}, kLarge - response.size()));
  mint::append(response, Octets(8, 0));  // MsvAvEOL, and the last reserved field.
  constexpr std::size_t kNtResponseField = 20;
  Octets field;
  mint::append_le(field, static_cast<std::uint16_t>(response.size()));
  mint::append_le(field, static_cast<std::uint16_t>(response.size()));
  mint::append_le(field, static_cast<std::uint32_t>(message.size()));
  std::ranges::copy(field, message.begin() + kNtResponseField);
  mint::append(message, response);
  return message;
}

// Worst is one kind of token, what comes of it, and how to make the next one.
struct Worst {
  const char* name;
  Status expected;
  Octets (*make)(Client&);
  std::int32_t etype = 18;
  std::uint32_t key_count = 1;
};
constexpr std::uint32_t kKeys = 2 * kKeyTriesMax;
constexpr std::array kWorst = {
    Worst{"mechanisms", Status::kMalformedSpnego, mech_types},
    Worst{"nesting", Status::kMalformedGss, nested},
    Worst{"authorization-data", Status::kEstablished, authorization_data},
    Worst{"pac-groups", Status::kEstablished, pac_of_many_groups},
    Worst{"pac-groups-rc4", Status::kEstablished, pac_of_many_groups, 23},
    Worst{"unknown-key-17", Status::kTicketKey, ticket_of_an_unknown_key, 17, kKeys},
    Worst{"unknown-key-18", Status::kTicketKey, ticket_of_an_unknown_key, 18, kKeys},
    Worst{"unknown-key-19", Status::kTicketKey, ticket_of_an_unknown_key, 19, kKeys},
    Worst{"unknown-key-20", Status::kTicketKey, ticket_of_an_unknown_key, 20, kKeys},
    Worst{"unknown-key-23", Status::kTicketKey, ticket_of_an_unknown_key, 23, kKeys},
    Worst{"authenticator", Status::kEstablished, large_authenticator},
    Worst{"delegation", Status::kEstablished, delegated_tickets},
};

// Measured is one accept.
struct Measured {
  Status status = Status::kInternal;
  std::size_t size = 0;
  std::uint64_t heap_calls = 0;
};

Measured measure(Door& door, ContextHandle context, const Octets& token) {
  const std::uint64_t before = allocation_count();
  const AcceptReply& reply = accept_worst(door, context, token);
  const Measured measured{reply.verdict.status, token.size(), allocation_count() - before};
  if (succeeded(measured.status)) {
    door.release(reply.context);
  }
  return measured;
}

// The first of a kind warms up whatever is set up once.
Measured measure(const Worst& worst) {
  Client client(worst.etype, worst.key_count);
  const Octets first = worst.make(client);
  Door door(client.services(), {.krbtgt = client.pac ? &client.krbtgt() : nullptr,
                                .allow_rc4 = true,
                                .accept_delegation = true});
  const AcceptReply& reply = door.next({}, first);
  if (succeeded(reply.verdict.status)) {
    door.release(reply.context);
  }
  return measure(door, {}, worst.make(client));
}

Measured measure_av_pairs() {
  Client client;
  Door door(client.services());
  Measured measured;
  for (int round = 0; round < 2; ++round) {
    const Octets negotiate = mint::ntlm_negotiate({});
    const ContextHandle context = door.next({}, negotiate).context;
    const Octets token = av_pairs(client, negotiate, door.reply(0));
    if (round == 0) {
      door.next(context, token);
    } else {
      measured = measure(door, context, token);
    }
  }
  return measured;
}

int report(const Measured& measured, Status expected) {
  std::printf("%zu bytes, %llu heap calls: %s\n", measured.size,
              static_cast<unsigned long long>(measured.heap_calls),
              std::string(text_of(measured.status)).c_str());
  if (measured.status != expected) {
    std::printf("expected: %s\n", std::string(text_of(expected)).c_str());
  }
  return measured.status == expected && measured.heap_calls == 0 &&
                 measured.size <= kTokenSizeMax && measured.size > kTokenSizeMax * 3 / 4
             ? 0
             : 1;
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  using namespace usher::bench;
  constexpr std::string_view kAvPairs = "av-pairs";
  const std::string_view name = argc == 2 ? argv[1] : "";
  if (name == kAvPairs) {
    return report(measure_av_pairs(), usher::Status::kNtlmProof);
  }
  for (const Worst& worst : kWorst) {
    if (name == worst.name) {
      return report(measure(worst), worst.expected);
    }
  }
  if (name == "--list") {
    for (const Worst& worst : kWorst) {
      std::puts(worst.name);
    }
    std::puts(kAvPairs.data());
    return 0;
  }
  std::fputs("usage: worst_token NAME | --list\n", stderr);
  return 2;
}
