// engine/auth/ticket_cache.h: a ticket that was seen before costs less and is worth no more.
#include "engine/auth/ticket_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/auth/pac_door.h"

namespace usher::auth {
namespace {

using mint::AuthenticatorFields;
using mint::Octets;
using testing::kNow;
using testing::PacDoor;

constexpr SeenHashKey kHashKey = [] {
  SeenHashKey key{};
  std::uint64_t word = 20261127;
  for (std::uint64_t& part : key) {
    part = word = word * 6364136223846793005u + 1442695040888963407u;
  }
  return key;
}();

// A door that remembers tickets, and a client with one.
class RememberedTicket : public ::testing::Test {
 protected:
  static std::unique_ptr<OwnedSeenCache<OpenedTicket>> make_cache() {
    return OwnedSeenCache<OpenedTicket>::make({.entry_count = 64,
                                               .key_size_max = kCachedTicketSizeMax,
                                               .value_size_max = kCachedTicketSizeMax},
                                              kHashKey);
  }
  RememberedTicket() { door_.environment.tickets = &**cache_; }

  // take_ticket gets the client a new ticket, with a PAC.
  void take_ticket(std::int32_t etype = 18) {
    mint::TicketFields fields = door_.ticket_fields();
    const std::size_t service = door_.of_etype(etype);
    fields.session_etype = etype;
    mint::add_pac(*door_.kit, door_.random, door_.services[service], door_.krbtgt, fields, {});
    ticket_ = door_.client.ticket(door_.services[service], fields);
  }
  Octets token(const AuthenticatorFields& fields) {
    request_ = door_.client.ap_req(ticket_, fields);
    return mint::gss_token(request_.message);
  }
  AcceptReply offer(const Octets& token) {
    const AcceptReply reply = door_.offer(token);
    if (succeeded(reply.verdict.status)) {
      held_.push_back(reply.context);
    }
    return reply;
  }
  Status sign_on(const AuthenticatorFields& fields) { return offer(token(fields)).verdict.status; }
  Status sign_on() { return sign_on(door_.authenticator_fields()); }
  // proves says whether the last answer shows that the door holds the keys.
  std::string proves() { return door_.client.check_ap_rep(ticket_, request_, door_.reply).error; }
  void end_all() {
    for (const ContextHandle handle : held_) {
      EXPECT_TRUE(door_.end(handle));
    }
    held_.clear();
  }
  // warm has the ticket remembered: the first accept notes it, the second keeps it.
  void warm() {
    ASSERT_EQ(sign_on(), Status::kEstablished);
    ASSERT_EQ(sign_on(), Status::kEstablished);
    ASSERT_EQ(counts().admitted, 1u);
    end_all();
  }
  void expect_same(ContextHandle cold, ContextHandle warm) {
    const auto first = door_.look(cold);
    const auto third = door_.look(warm);
    EXPECT_TRUE(std::ranges::equal(first->user(), third->user()));
    EXPECT_TRUE(std::ranges::equal(first->realm(), third->realm()));
    EXPECT_TRUE(std::ranges::equal(first->service(), third->service()));
    EXPECT_EQ(first->pac_signatures, kPacServer);
    EXPECT_EQ(third->pac_signatures, kPacServer);
    EXPECT_FALSE(third->pac.empty()) << "groups and SIDs are as good as at the first time";
    EXPECT_EQ(first->expires_s, third->expires_s);
    EXPECT_EQ(first->ticket_etype, third->ticket_etype);
    EXPECT_EQ(first->flags, third->flags);
    EXPECT_FALSE(std::ranges::equal(first->key.bytes(), third->key.bytes())) << "a subkey each";
  }
  Octets pac_of(ContextHandle handle) {
    const auto context = door_.look(handle);
    Octets octets(context->pac.size);
    door_.store.read(context->pac, octets);
    return octets;
  }
  SeenCounts counts() { return door_.desk->ticket_counts(); }
  void TearDown() override { end_all(); }

  PacDoor door_;
  std::unique_ptr<OwnedSeenCache<OpenedTicket>> cache_ = make_cache();
  mint::Ticket ticket_;
  mint::ApReq request_;
  std::vector<ContextHandle> held_;
};

TEST_F(RememberedTicket, IsFoundFromTheThirdTimeOnAndEstablishesTheSame) {
  for (const std::int32_t etype : {17, 18, 19, 20}) {
    SCOPED_TRACE(etype);
    take_ticket(etype);
    const SeenCounts before = counts();
    ASSERT_EQ(sign_on(), Status::kEstablished);
    const ContextHandle cold = held_.back();
    ASSERT_EQ(sign_on(), Status::kEstablished);
    EXPECT_EQ(counts().hits, before.hits);
    ASSERT_EQ(sign_on(), Status::kEstablished);
    EXPECT_EQ(proves(), "");
    EXPECT_EQ(counts().hits, before.hits + 1);
    const ContextHandle warm = held_.back();
    expect_same(cold, warm);
    end_all();
  }
}

TEST_F(RememberedTicket, OfAReplayIsRefused) {
  take_ticket();
  warm();
  const Octets once = token(door_.authenticator_fields());
  EXPECT_EQ(offer(once).verdict.status, Status::kEstablished);
  EXPECT_EQ(offer(once).verdict.status, Status::kReplay);
  EXPECT_EQ(counts().hits, 2u) << "both found it";
}

TEST_F(RememberedTicket, EndsWhenTheTicketEnds) {
  take_ticket();
  warm();
  AuthenticatorFields late = door_.authenticator_fields();
  late.ctime = kNow + 36'000 - 1;
  door_.clock.wall = late.ctime * kMicrosPerSecond;
  EXPECT_EQ(sign_on(late), Status::kEstablished);
  EXPECT_EQ(counts().hits, 1u);
  late.ctime = kNow + 36'000;  // Good for the skew's time, but no longer remembered.
  door_.clock.wall = late.ctime * kMicrosPerSecond;
  EXPECT_EQ(sign_on(late), Status::kEstablished);
  EXPECT_EQ(counts().hits, 1u);
  late.ctime = kNow + 36'000 + 301;
  door_.clock.wall = late.ctime * kMicrosPerSecond;
  EXPECT_EQ(sign_on(late), Status::kTicketExpired);
}

// Nobody asks for a ticket that has ended; its keys go all the same.
TEST_F(RememberedTicket, IsWipedByOthersOnceItHasEnded) {
  take_ticket();
  warm();
  mint::TicketFields fields = door_.ticket_fields();
  fields.end_time += 10 * 3600;
  ticket_ = door_.client.ticket(door_.services[0], fields);
  AuthenticatorFields late = door_.authenticator_fields();
  late.ctime = kNow + 36'000 + 60;
  door_.clock.wall = late.ctime * kMicrosPerSecond;
  ASSERT_EQ(sign_on(late), Status::kEstablished);
  EXPECT_EQ((*cache_)->wipe_expired(late.ctime), 0u) << "that sign-on has done it";
}

TEST_F(RememberedTicket, ExcusesNothingInTheAuthenticator) {
  take_ticket();
  warm();
  AuthenticatorFields skewed = door_.authenticator_fields();
  skewed.ctime = kNow - 301;
  EXPECT_EQ(sign_on(skewed), Status::kClockSkew);
  AuthenticatorFields somebody = door_.authenticator_fields();
  somebody.client = mint::Principal::of("bob@EXAMPLE.TEST");
  EXPECT_EQ(sign_on(somebody), Status::kClientNameMismatch);
  AuthenticatorFields forged = door_.authenticator_fields();
  forged.sealing.key = Octets(32, 0x5a);
  EXPECT_EQ(sign_on(forged), Status::kAuthenticatorKey);
  AuthenticatorFields other_sum = door_.authenticator_fields();
  other_sum.checksum_type = 16;
  EXPECT_EQ(sign_on(other_sum), Status::kChecksumType);
  EXPECT_EQ(counts().hits, 4u) << "all of them found the ticket";
  EXPECT_EQ(sign_on(), Status::kEstablished);
}

TEST_F(RememberedTicket, IsComparedWithTheConnectionsBindings) {
  take_ticket();
  warm();
  const std::array<std::uint8_t, 16> ours{1, 2, 3};
  AuthenticatorFields fields = door_.authenticator_fields();
  fields.bindings = ours;
  AcceptRequest request{.token = {}, .bindings = {.given = true, .hash = ours}};
  const Octets right = token(fields);
  request.token = right;
  const AcceptReply matched = door_.offer(request);
  EXPECT_EQ(matched.verdict.status, Status::kEstablished);
  EXPECT_EQ(matched.bindings, BindingResult::kMatched);
  held_.push_back(matched.context);
  fields = door_.authenticator_fields();
  fields.bindings = {9, 9, 9};
  const Octets wrong = token(fields);
  request.token = wrong;
  EXPECT_EQ(door_.offer(request).bindings, BindingResult::kMismatched);
  EXPECT_EQ(counts().hits, 2u);
}

// A ticket is one that was seen if all its octets are: also those that nothing protects.
TEST_F(RememberedTicket, IsAnotherOneWithAnyOctetChanged) {
  take_ticket();
  warm();
  const mint::Ticket good = ticket_;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < good.encoded.size(); ++at) {
    ticket_ = good;
    ticket_.encoded[at] ^= 1;
    const Status status = sign_on();
    refused += status == Status::kEstablished ? 0u : 1u;
    // Only the clear version number may differ: the service's other keys are tried (MS-KILE 3.4.5).
    EXPECT_EQ(counts().hits, 0u) << at;
    end_all();
  }
  EXPECT_GE(refused, good.encoded.size() - 8);
  // Those that were let in are the client's own, and may have taken its share of the cache.
  ticket_ = good;
  EXPECT_EQ(sign_on(), Status::kEstablished);
}

// extended is a ticket with an extension behind its enc-part, which nothing protects: the client
// can write there what it likes (RFC 4120 1.5.1).
mint::Ticket extended(mint::Ticket ticket, const Octets& contents) {
  Parse parse(ticket.encoded);
  der::Reader reader(parse);
  Octets fields;
  reader.in(der::application(1), der::Tag::kSequence,
            [&](der::Reader& body) { mint::append(fields, body.rest()); });
  EXPECT_TRUE(parse.ok());
  ticket.encoded = mint::build([&](der::Writer& writer) {
    writer.in(der::application(1), der::Tag::kSequence, [&](der::Writer& body) {
      body.bytes_in(der::context(4), der::Tag::kOctetString, contents);
      body.octets(fields);
    });
  });
  return ticket;
}

// One ticket must not be as many as the client likes.
TEST_F(RememberedTicket, IsNotOneThatHasUnprotectedExtensions) {
  take_ticket();
  const mint::Ticket good = ticket_;
  for (std::uint8_t i = 0; i < 4; ++i) {
    ticket_ = extended(good, Octets(300, i));
    EXPECT_EQ(sign_on(), Status::kEstablished);
    EXPECT_EQ(sign_on(), Status::kEstablished) << "a right ticket all the same";
    EXPECT_EQ(sign_on(), Status::kEstablished);
    end_all();
  }
  EXPECT_EQ(counts().admitted, 0u);
  EXPECT_EQ(counts().hits, 0u);
  ticket_ = good;
  warm();
}

TEST_F(RememberedTicket, IsForgottenWithItsKeys) {
  take_ticket();
  warm();
  const std::uint64_t old = door_.credential.keys.borrow()->generation;
  door_.credential.keys.replace(door_.make_keys(true, true));
  EXPECT_EQ(sign_on(), Status::kEstablished) << "the new keytab has the key, too";
  EXPECT_EQ(counts().hits, 0u) << "but nothing is believed that was found out with the old one";
  EXPECT_EQ((*cache_)->forget(old), 1u);
  door_.credential.keys.replace(door_.make_keys(false, true));
  EXPECT_EQ(sign_on(), Status::kMechanismNotAllowed);
}

TEST_F(RememberedTicket, IsOpenedAnewWithoutItsKeys) {
  take_ticket();
  warm();
  std::vector<mint::Service> others = {door_.services[2]};
  auto keys = std::make_unique<Keys>();
  keys->ring = mint::make_ring(*door_.kit, others);
  door_.credential.keys.replace(std::move(keys));
  EXPECT_EQ(sign_on(), Status::kNoKeyOfEtype);
}

TEST_F(RememberedTicket, KeepsWhichOfThePacsSignaturesWereVerified) {
  door_.know_krbtgt();
  take_ticket();
  ASSERT_EQ(sign_on(), Status::kEstablished);
  const std::uint8_t cold = door_.look(held_.back())->pac_signatures;
  EXPECT_EQ(cold, kPacServer | kPacKdc | kPacTicket | kPacFull);
  ASSERT_EQ(sign_on(), Status::kEstablished);
  ASSERT_EQ(sign_on(), Status::kEstablished);
  ASSERT_EQ(counts().hits, 1u);
  EXPECT_EQ(door_.look(held_.back())->pac_signatures, cold);
}

// However many contexts there are of one ticket, its PAC is in memory once.
TEST_F(RememberedTicket, SharesItsPacWithItsContexts) {
  const std::uint32_t all = door_.store.free_count();
  take_ticket();
  ASSERT_EQ(sign_on(), Status::kEstablished);
  const Octets pac = pac_of(held_.back());
  const std::uint32_t for_one = all - door_.store.free_count();
  ASSERT_GT(for_one, 0u);
  end_all();
  ASSERT_EQ(door_.store.free_count(), all) << "nothing is kept of what was seen once";
  ASSERT_EQ(sign_on(), Status::kEstablished);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(sign_on(), Status::kEstablished);
    EXPECT_EQ(pac_of(held_.back()), pac);
    EXPECT_EQ(door_.store.free_count(), all - for_one);
  }
  EXPECT_EQ(counts().hits, 3u);
  end_all();
  EXPECT_EQ(door_.store.free_count(), all - for_one) << "the ticket's share";
  ASSERT_EQ(sign_on(), Status::kEstablished);
  EXPECT_EQ((*cache_)->wipe_all(), 1u);
  EXPECT_EQ(pac_of(held_.back()), pac) << "a context outlives what is remembered";
  end_all();
  EXPECT_EQ(door_.store.free_count(), all);
}

TEST_F(RememberedTicket, IsNotLookedForIfThePolicySaysSo) {
  ASSERT_EQ(set_policy(door_.credential.policy, "kerberos.ticket-cache", "off"), "");
  take_ticket();
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(sign_on(), Status::kEstablished);
    end_all();
  }
  EXPECT_EQ(counts(), SeenCounts{});
}

TEST_F(RememberedTicket, HelpsOneCredentialAlone) {
  take_ticket();
  warm();
  // Another credential of the same keytab wants the KDC's signature, which it cannot check.
  auto keys = std::make_unique<Keys>();
  keys->ring = mint::make_ring(*door_.kit, door_.services);
  const mint::Service stranger = testing::another("krbtgt/EXAMPLE.TEST@EXAMPLE.TEST", 18);
  keys->kdc_ring = mint::make_ring(*door_.kit, {&stranger, 1});
  Credential strict(Package::kNegotiate, std::move(keys));
  const Octets bytes = token(door_.authenticator_fields());
  std::array<std::uint8_t, kReplySizeMax> room;
  const AcceptRequest request{.credential = &strict, .token = bytes, .reply = room};
  AcceptReply reply;
  accept(*door_.desk, door_.environment, {&request, 1}, {&reply, 1});
  EXPECT_EQ(reply.verdict.status, Status::kPacKdcSignature);
}

TEST_F(RememberedTicket, IsNotRememberedOfWhoWasRefused) {
  mint::TicketFields fields = door_.ticket_fields();
  mint::PacFields pac;
  mint::add_pac(*door_.kit, door_.random, door_.services[1], door_.krbtgt, fields, pac);
  ticket_ = door_.client.ticket(door_.services[0], fields);  // Signed with another key of its own.
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sign_on(), Status::kPacSignature);
  }
  EXPECT_EQ(counts().admitted + counts().declined, 0u);
}

// The keys of a reply that nobody wanted at first are made when somebody does.
TEST_F(RememberedTicket, AnswersWhoAsksForMutualAuthenticationLater) {
  take_ticket();
  AuthenticatorFields one_way = door_.authenticator_fields();
  one_way.ap_options = 0;
  one_way.context_flags = 0;
  ASSERT_EQ(sign_on(one_way), Status::kEstablished);
  one_way.cusec += 1'000;
  ASSERT_EQ(sign_on(one_way), Status::kEstablished);
  ASSERT_EQ(counts().admitted, 1u);
  ASSERT_EQ(sign_on(), Status::kEstablished);
  EXPECT_EQ(counts().hits, 1u);
  EXPECT_EQ(proves(), "");
}

TEST_F(RememberedTicket, MayComeTwiceInOneBatch) {
  take_ticket();
  warm();
  const std::array tokens = {token(door_.authenticator_fields()),
                             token(door_.authenticator_fields()), door_.kerberos_token()};
  std::array<std::array<std::uint8_t, kReplySizeMax>, 3> rooms;
  std::array<AcceptRequest, 3> requests;
  std::array<AcceptReply, 3> replies;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i] = {.credential = &door_.credential, .token = tokens[i], .reply = rooms[i]};
  }
  accept(*door_.desk, door_.environment, requests, replies);
  for (const AcceptReply& reply : replies) {
    EXPECT_EQ(reply.verdict.status, Status::kEstablished);
    held_.push_back(reply.context);
  }
  EXPECT_EQ(counts().hits, 2u);
}

}  // namespace
}  // namespace usher::auth
