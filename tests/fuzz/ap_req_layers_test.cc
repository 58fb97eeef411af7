// fuzz/support/ap_req_layers.h and pac_edit.h: what they seal is what the acceptor opens.
#include "fuzz/support/ap_req_layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "fuzz/support/pac_edit.h"
#include "parsers/krb5.h"
#include "parsers/krb_cred.h"
#include "parsers/pac.h"
#include "tests/fuzz/minted.h"
#include "tools/mint/cred_mint.h"

namespace usher::fuzz {
namespace {

using testing::Minted;
using testing::minted;

Status status_of(Bytes token) { return Door().accept(token).status; }

const Minted kAll[] = {{.etype = 18},
                       {.etype = 17},
                       {.etype = 18, .pac = false},
                       {.etype = 17, .pac = true, .spnego = true},
                       {.etype = 19},
                       {.etype = 20}};

TEST(OpenLayers, WhatIsSealedAgainIsAccepted) {
  for (const Minted& how : kAll) {
    const Octets token = minted(how);
    ASSERT_EQ(status_of(token), Status::kEstablished);
    const std::optional<ApReqLayers> layers = open_layers(token);
    ASSERT_TRUE(layers.has_value());
    EXPECT_EQ(layers->ticket_etype, how.etype);
    EXPECT_EQ(layers->spnego, how.spnego);
    EXPECT_EQ(layers->pac.has_value(), how.pac);
    const Octets sealed = seal_layers(*layers);
    EXPECT_EQ(status_of(sealed), Status::kEstablished);
    const std::optional<ApReqLayers> again = open_layers(sealed);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->ticket, layers->ticket);  // The PAC's signature with it.
    EXPECT_EQ(again->authenticator, layers->authenticator);
    EXPECT_EQ(again->kvno, layers->kvno);
    EXPECT_EQ(again->ap_options, layers->ap_options);
  }
}

TEST(OpenLayers, ABareApReqOpensThoughNobodyAcceptsIt) {
  const Octets token = minted({.bare = true});
  const std::optional<ApReqLayers> layers = open_layers(token);
  ASSERT_TRUE(layers.has_value());
  EXPECT_TRUE(layers->bare);
  EXPECT_EQ(status_of(seal_layers(*layers)), Status::kDceStyle);
}

TEST(OpenLayers, RefusesWhatIsNotSealedWithTheseKeys) {
  const Octets token = minted({});
  ASSERT_TRUE(open_layers(token).has_value());
  Octets changed = token;
  changed.back() ^= 1;  // The authenticator's tag.
  EXPECT_FALSE(open_layers(changed).has_value());
  EXPECT_FALSE(open_layers(Bytes(token).first(token.size() - 1)).has_value());
  EXPECT_FALSE(open_layers({}).has_value());
}

TEST(SealLayers, EachForgeryIsRefused) {
  for (const Minted& how : kAll) {
    const std::optional<ApReqLayers> layers = open_layers(minted(how));
    ASSERT_TRUE(layers.has_value());
    EXPECT_EQ(status_of(seal_layers(*layers, {.ticket = true})), Status::kTicketKey);
    EXPECT_EQ(status_of(seal_layers(*layers, {.authenticator = true})), Status::kAuthenticatorKey);
  }
}

// status_of_pac is what an acceptor that takes RC4 makes of a token; he may know the KDC's key.
Status status_of_pac(Bytes token, bool knows_krbtgt = true) {
  Door door;
  world().credential->policy.allow_rc4 = world().knowing->policy.allow_rc4 = true;
  return door.accept(token, {}, {.knows_krbtgt = knows_krbtgt}).status;
}

TEST(SealLayers, AChangedPacIsSignedUnlessToldNotTo) {
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    std::optional<ApReqLayers> layers = open_layers(minted({.etype = etype}));
    ASSERT_TRUE(layers.has_value());
    EXPECT_EQ(status_of_pac(seal_layers(*layers)), Status::kEstablished);
    std::vector<PacBuffer> buffers = *take_apart(*layers->pac);
    buffers.push_back({std::uint32_t(pac::BufferType::kClientClaims), Octets(8)});
    layers->pac = put_together(buffers);
    const Octets changed = *layers->pac;
    const Octets forged = seal_layers(*layers, {.pac = true});
    EXPECT_EQ(*open_layers(forged)->pac, changed);
    EXPECT_EQ(status_of_pac(forged, false), Status::kPacSignature);
    const Octets sealed = seal_layers(*layers);
    EXPECT_EQ(status_of_pac(sealed, false), Status::kEstablished);
    EXPECT_EQ(status_of_pac(sealed), Status::kEstablished) << "by the KDC, too";
  }
}

// delegating is a token whose authenticator holds a KRB-CRED.
Octets delegating(std::int32_t etype) {
  const mint::KerberosMint mint(*world().kit, shared_random());
  mint::TicketFields ticket;
  ticket.auth_time = kNowSeconds - 60;
  ticket.end_time = kNowSeconds + 3600;
  ticket.session_key = Octets(32, 0x42);
  mint::AuthenticatorFields authenticator;
  authenticator.ctime = kNowSeconds;
  authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
  const mint::Cred cred =
      mint::forwarded_tgt(mint, ticket.client, kNowSeconds - 60, kNowSeconds + 3600);
  authenticator.delegation = mint::krb_cred(mint, etype, ticket.session_key, cred);
  authenticator.extensions = Octets(8, 0xee);
  return mint::gss_token(
      mint.ap_req(mint.ticket(world().services[0], ticket), authenticator).message);
}

Status taken(Bytes token) {
  Door door;
  world().credential->policy.accept_delegation = true;
  return door.accept(token, {}, {.take_delegation = true}).status;
}

TEST(OpenLayers, WhatIsDelegatedIsOpenedAndSealedAgain) {
  for (const std::int32_t etype : {18, 0}) {
    std::optional<ApReqLayers> layers = open_layers(delegating(etype));
    ASSERT_TRUE(layers.has_value() && layers->delegated.has_value()) << etype;
    EXPECT_TRUE(krb5::parse_enc_krb_cred_part(*layers->delegated).ok());
    EXPECT_EQ(taken(seal_layers(*layers)), Status::kEstablished);
    if (etype != 0) {
      EXPECT_EQ(taken(seal_layers(*layers, {.delegation = true})), Status::kDelegationKey);
    }
    layers->delegated->back() ^= 1;  // In the name of the ticket-granting service.
    const Octets changed = *layers->delegated;
    const std::optional<ApReqLayers> again = open_layers(seal_layers(*layers));
    ASSERT_TRUE(again.has_value() && again->delegated.has_value());
    EXPECT_EQ(*again->delegated, changed);
    layers->delegated->push_back(0);
    EXPECT_EQ(taken(seal_layers(*layers)), Status::kMalformedDelegation) << "of another size";
  }
  EXPECT_FALSE(open_layers(minted({}))->delegated.has_value());
}

TEST(SealLayers, AChangedTicketIsSignedByTheKdcToo) {
  std::optional<ApReqLayers> layers = open_layers(minted({}));
  ASSERT_TRUE(layers.has_value());
  const Result<krb5::EncTicketPart> ticket = krb5::parse_enc_ticket_part(layers->ticket);
  ASSERT_TRUE(ticket.ok());
  // The last octet of the flags, all of whose bits are reserved.
  const auto key = std::ranges::search(layers->ticket, Octets{0xa1, 0x2b, 0x30, 0x29});
  ASSERT_FALSE(key.empty());
  *(key.begin() - 1) ^= 1;
  EXPECT_EQ(status_of_pac(seal_layers(*layers)), Status::kEstablished);
  EXPECT_EQ(status_of(seal_layers(*layers, {.pac = true})), Status::kEstablished);
  EXPECT_EQ(status_of_pac(seal_layers(*layers, {.pac = true})), Status::kPacKdcSignature);
}

TEST(PacEdit, TakenApartAndPutTogetherIsTheSame) {
  const Octets pac = unsigned_pac("alice", kNowSeconds, 18);
  EXPECT_TRUE(pac::parse_pac(pac).ok());
  EXPECT_EQ(put_together(*take_apart(pac)), pac);
  EXPECT_FALSE(take_apart(Bytes(pac).first(pac.size() / 2)).has_value());
}

TEST(PacEdit, ChangesStayInTheirRoomAndAreSigned) {
  const Octets pac = unsigned_pac("alice", kNowSeconds, 18);
  std::set<Octets> seen;
  for (unsigned seed = 0; seed < 300; ++seed) {
    Octets changed = pac;
    Mutator mutator(seed);
    change_pac(mutator, changed, 1200);
    EXPECT_LE(changed.size(), 1200u);
    sign_pac(*world().kit, world().services[0], world().krbtgt, {}, changed);  // Whatever it is.
    seen.insert(changed);
  }
  EXPECT_GT(seen.size(), 150u);
}

TEST(MutateApReq, GetsBehindTheEncryption) {
  const Octets token = minted({});
  std::set<Status> seen;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    const Octets changed = mutate_ap_req(token, 4096, seed);
    EXPECT_LE(changed.size(), 4096u);
    seen.insert(status_of(changed));
  }
  for (const Status status :
       {Status::kEstablished, Status::kTicketKey, Status::kAuthenticatorKey,
        Status::kMalformedTicket, Status::kMalformedAuthenticator, Status::kMalformedGssChecksum,
        Status::kClientNameMismatch, Status::kClockSkew, Status::kNoSuchService,
        Status::kMalformedPac, Status::kPacSignature, Status::kPacClient}) {
    EXPECT_TRUE(seen.contains(status)) << text_of(status);
  }
}

TEST(MutateApReq, GetsIntoWhatIsDelegated) {
  const Octets token = delegating(18);
  std::set<Status> seen;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    seen.insert(taken(mutate_ap_req(token, 4096, seed)));
  }
  for (const Status status : {Status::kEstablished, Status::kMalformedDelegation,
                              Status::kDelegationKey, Status::kDelegationClient}) {
    EXPECT_TRUE(seen.contains(status)) << text_of(status);
  }
}

TEST(MutateApReq, RepeatsAndStaysInItsRoom) {
  const Octets token = minted({.spnego = true});
  for (unsigned seed = 0; seed < 50; ++seed) {
    for (const std::size_t size_max : {1u, 100u, 700u, 2000u}) {
      restart_random();
      const Octets once = mutate_ap_req(token, size_max, seed);
      restart_random();
      EXPECT_EQ(mutate_ap_req(token, size_max, seed), once);
      EXPECT_LE(once.size(), size_max);
    }
  }
}

}  // namespace
}  // namespace usher::fuzz
