// Promise: a ticket's PAC is believed only after the service's signature, and only if it is of the
// ticket's client; each single thing wrong with one has its own refusal.
#include "tests/auth/pac_door.h"

namespace usher {
namespace {

using mint::Octets;
using mint::Service;
using mint::TicketFields;
using testing::another;
using testing::Attempt;
using testing::Case;
using testing::Door;
using testing::md5_of;
using testing::PacDoor;

const Case kServerCases[] = {
    {"AsItShouldBe", Status::kEstablished, [](PacDoor&, Attempt&) {}, "the positive twin of all"},
    {"Aes128", Status::kEstablished,
     [](PacDoor& door, Attempt& a) { a.service = door.of_etype(17); }, "checksum type 15"},
    {"Aes128Sha2", Status::kEstablished,
     [](PacDoor& door, Attempt& a) { a.service = door.of_etype(19); }, "checksum type 19"},
    {"Aes256Sha2", Status::kEstablished,
     [](PacDoor& door, Attempt& a) { a.service = door.of_etype(20); }, "checksum type 20"},
    {"Rc4", Status::kEstablished,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.allow_rc4 = true;
       a.service = door.of_etype(23);
     },
     "checksum type -138"},
    {"OlderKeyVersion", Status::kEstablished, [](PacDoor&, Attempt& a) { a.service = 1; },
     "the key that opened the ticket"},
    {"NoPac", Status::kEstablished, [](PacDoor&, Attempt& a) { a.has_pac = false; },
     "policy pac=use"},
    {"NoPacButRequired", Status::kPacMissing,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kRequire;
       a.has_pac = false;
     },
     "D5, policy pac=require"},
    {"PacWhereRequired", Status::kEstablished,
     [](PacDoor& door, Attempt&) { door.credential.policy.pac = auth::PacPolicy::kRequire; },
     "the positive twin of the one before"},
    {"PacOfTheAuthenticator", Status::kPacMissing,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kRequire;
       a.ticket.session_key = Octets(32, 7);
       a.authenticator_data = mint::authorization_data(
           128, mint::mint_pac(*door.kit, door.services[0], door.krbtgt, a.ticket));
       a.has_pac = false;
     },
     "the client's own word"},
    {"Malformed", Status::kMalformedPac,
     [](PacDoor&, Attempt& a) {
       a.change = [](TicketFields& ticket) {
         ticket.authorization_data = mint::authorization_data(128, Octets(1));
       };
     },
     "MS-PAC 2.3"},
    {"MalformedButIgnored", Status::kEstablished,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kIgnore;
       a.change = [](TicketFields& ticket) {
         ticket.authorization_data = mint::authorization_data(128, Octets(1));
       };
     },
     "policy pac=ignore"},

    // D2, C2: the server signature.
    {"UnkeyedMd5", Status::kPacSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.server.type = 7;  // RSA-MD5
       a.pac.server.size = 16;
       a.pac.server.make = md5_of;
     },
     "CVE-2014-6324"},
    {"UnkeyedMd5AsHmacMd5", Status::kPacSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.server.type = -138;
       a.pac.server.size = 16;
       a.pac.server.make = md5_of;
     },
     "CVE-2014-6324"},
    {"UnkeyedCrc32", Status::kPacSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.server.type = 1;
       a.pac.server.size = 4;
     },
     "CVE-2010-1324"},
    {"UnkeyedMinusOne", Status::kPacSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.server.type = -1;
       a.pac.server.size = 16;
       a.pac.server.make = md5_of;
     },
     "CVE-2014-6324"},
    {"HmacMd5OfAnAesKey", Status::kPacSignature,
     [](PacDoor& door, Attempt& a) {
       a.pac.server.signer = door.services[0];
       a.pac.server.signer->etype = 23;
       a.pac.server.signer->key.resize(16);
     },
     "C2: the key's bytes in another etype's checksum"},
    {"OtherEtypesType", Status::kPacSignature, [](PacDoor&, Attempt& a) { a.pac.server.type = 15; },
     "the right signature under another type of the same size"},
    {"OtherServicesKey", Status::kPacSignature,
     [](PacDoor&, Attempt& a) { a.pac.server.signer = another("HTTP/x@EXAMPLE.TEST", 18); },
     "another key"},
    {"ServersOtherKeyVersion", Status::kPacSignature,
     [](PacDoor& door, Attempt& a) { a.pac.server.signer = door.services[1]; },
     "not the key that opened the ticket"},
    {"NoServerSignature", Status::kPacSignature,
     [](PacDoor&, Attempt& a) { a.pac.server.absent = true; }, "MS-PAC 2.8"},
    {"NoKdcSignature", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.kdc.absent = true; }, "MS-PAC 2.8"},
    {"LargeServerSignature", Status::kPacSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.server.type = 4711;
       a.pac.server.size = 25;
     },
     "D8: larger than any there is"},
    {"LargeKdcSignature", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.kdc.type = 4711;
       a.pac.kdc.size = 25;
     },
     "D8: larger than any there is"},
    {"KdcSignatureOfAnyType", Status::kEstablished,
     [](PacDoor&, Attempt& a) {
       a.pac.kdc.type = 17;  // cmac-camellia128
       a.pac.kdc.size = 16;
     },
     "whoever has no key of krbtgt does not judge its type"},
    {"ServerSignatureTooShort", Status::kMalformedPac,
     [](PacDoor&, Attempt& a) { a.pac.server.size = 11; }, "D8"},
    {"ServerSignatureTooLong", Status::kMalformedPac,
     [](PacDoor&, Attempt& a) { a.pac.server.size = 13; }, "D8"},
    {"RodcIdentifiers", Status::kEstablished,
     [](PacDoor&, Attempt& a) {
       a.pac.server.rodc_id = 0x1234;
       a.pac.kdc.rodc_id = 0x1234;
     },
     "D8: an identifier is no part of the octets that count as zero"},
    {"RodcIdentifierTakenAsZero", Status::kPacSignature,
     [](PacDoor& door, Attempt& a) {
       a.pac.server.rodc_id = 0xbeef;
       a.pac.server.make = [&door](Bytes covered) {
         Octets zeroed = mint::octets_of(covered);
         const std::array<std::uint8_t, 2> id = {0xef, 0xbe};
         const auto found = std::ranges::search(zeroed, id);
         EXPECT_FALSE(found.empty());
         std::ranges::fill(found, std::uint8_t{0});
         return mint::keyed_checksum(*door.kit, door.services[0], zeroed);
       };
     },
     "D8: zeroing the wrong bytes"},
    {"BuffersOfOtherTypes", Status::kEstablished,
     [](PacDoor&, Attempt& a) {
       a.pac.more = {{13, Octets(40, 1)}, {14, Octets(9, 2)}, {0x7fff0001, Octets(3, 3)}};
       a.pac.delegation_info = mint::PacDelegationInfo{};
     },
     "covered, not interpreted"},

    // D5: whose PAC it is.
    {"OtherClientName", Status::kPacClient, [](PacDoor&, Attempt& a) { a.pac.client_name = "bob"; },
     "CVE-2020-25719"},
    {"ClientNameInOtherCase", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_name = "Alice"; }, "names are compared as they are"},
    {"ClientNameLonger", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_name = "alice2"; }, "no prefix will do"},
    {"ClientNameEmpty", Status::kPacClient, [](PacDoor&, Attempt& a) { a.pac.client_name = ""; },
     "no name"},
    {"ClientNameWithNul", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_name = std::string("alice\0", 6); }, "no string"},
    {"ClientNameWithRealm", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_name = "alice@EXAMPLE.TEST"; },
     "MS-SFU: in tickets for KDCs on the way only"},
    {"NoClientInfo", Status::kPacClient, [](PacDoor&, Attempt& a) { a.pac.client_name.reset(); },
     "a PAC that could be anybody's"},
    {"EarlierSignOn", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_time = a.ticket.auth_time - 1; },
     "another sign-on of the same client"},
    {"LaterSignOn", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_time = a.ticket.auth_time + 1; },
     "another sign-on of the same client"},
    {"TimeBefore1601", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.client_time = -11'644'473'600; }, "FILETIME 0"},
    {"RequestorOfAnotherUser", Status::kPacClient,
     [](PacDoor&, Attempt& a) {
       a.pac.requestor = mint::make_sid(5, {21, 1000, 2000, 3000, 500});
     },
     "CVE-2021-42287"},
    {"UpnDnsOfAnotherUser", Status::kPacClient,
     [](PacDoor&, Attempt& a) {
       a.pac.requestor.clear();
       a.pac.upn_dns->sid = mint::make_sid(5, {21, 1000, 2000, 3000, 500});
     },
     "CVE-2021-42278"},
    {"UpnDnsAndRequestorDiffer", Status::kPacClient,
     [](PacDoor&, Attempt& a) {
       a.pac.logon_info.reset();
       a.pac.upn_dns->sid = mint::make_sid(5, {21, 1000, 2000, 3000, 500});
     },
     "without LOGON_INFO, too"},
    {"LogonInfoOfAnotherUser", Status::kPacClient,
     [](PacDoor&, Attempt& a) { a.pac.logon_info->user_id = 500; }, "D5"},
    {"LogonInfoOfAnotherDomain", Status::kPacClient,
     [](PacDoor&, Attempt& a) {
       a.pac.logon_info->logon_domain_id = mint::make_sid(5, {21, 1000, 2000, 3001});
     },
     "D5"},
    {"LogonInfoOfNoDomain", Status::kPacClient,
     [](PacDoor&, Attempt& a) {
       a.pac.logon_info->logon_domain_id.clear();
       a.pac.logon_info->groups.clear();
     },
     "an identifier relative to nothing"},
    {"UserOfAnotherAuthority", Status::kEstablished,
     [](PacDoor&, Attempt& a) {
       a.pac.logon_info->user_id = 0;
       a.pac.logon_info->extra_sids = {{mint::account_sid()}, {mint::make_sid(18, {1})}};
     },
     "MS-PAC 2.5: UserId 0, the SID is the first extra one"},
    {"UserOfAnotherAuthorityAndAnotherRequestor", Status::kPacClient,
     [](PacDoor&, Attempt& a) {
       a.pac.logon_info->user_id = 0;
       a.pac.logon_info->extra_sids = {{mint::make_sid(18, {1})}, {mint::account_sid()}};
     },
     "only the first one counts"},
    {"UpnDnsWithoutSid", Status::kEstablished,
     [](PacDoor&, Attempt& a) { a.pac.upn_dns->flags = 0; }, "before MS-PAC 2.10's extension"},
    {"ClientInfoAlone", Status::kEstablished,
     [](PacDoor&, Attempt& a) {
       a.pac.logon_info.reset();
       a.pac.upn_dns.reset();
       a.pac.requestor.clear();
     },
     "what an MIT KDC writes"},
};

class PacCheck : public ::testing::TestWithParam<Case> {};

TEST_P(PacCheck, DecidesAndLeavesNothingBehind) {
  PacDoor door;
  expect_verdict(door, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Table, PacCheck, ::testing::ValuesIn(kServerCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Pac, IsKeptAsItWasVerifiedAndSaysWhichSignaturesWere) {
  PacDoor door;
  Attempt attempt;
  attempt.ticket = door.ticket_fields();
  attempt.ticket.session_key = Octets(32, 5);
  const Octets pac = mint::mint_pac(*door.kit, door.services[0], door.krbtgt, attempt.ticket);
  struct Row {
    bool knows_krbtgt;
    bool full;
    int bits;
  };
  for (const Row& row :
       {Row{false, true, auth::kPacServer},
        Row{true, true, auth::kPacServer | auth::kPacKdc | auth::kPacTicket | auth::kPacFull},
        Row{true, false, auth::kPacServer | auth::kPacKdc | auth::kPacTicket}}) {
    if (row.knows_krbtgt) {
      door.know_krbtgt();
    }
    attempt.pac.full.absent = !row.full;
    const auth::AcceptReply result = door.sign_on(attempt);
    ASSERT_EQ(result.verdict.status, Status::kEstablished);
    {
      const Pinned<auth::Context> context = door.look(result.context);
      EXPECT_EQ(context->pac_signatures, row.bits);
      Octets kept(context->pac.size);
      door.store.read(context->pac, kept);
      EXPECT_EQ(kept == pac, row.full);
      EXPECT_TRUE(pac::parse_pac(kept).ok());
    }
    EXPECT_TRUE(door.end(result.context));
    EXPECT_EQ(door.store.free_count(), Door::kPages);
  }
}

TEST(Pac, NamesAreComparedAsEveryKdcWritesThem) {
  struct Row {
    std::vector<std::string> cname;
    const char* in_pac;  // Latin-1.
    bool same;
  };
  const Row rows[] = {
      {{"HTTP", "web"}, "HTTP/web", true},
      {{"HTTP", "web"}, "HTTP\\/web", false},
      {{"HTTP/web"}, "HTTP\\/web", true},  // MIT, Heimdal.
      {{"HTTP/web"}, "HTTP/web", true},    // Windows does not escape.
      {{"alice@corp.example"}, "alice\\@corp.example", true},
      {{"alice@corp.example"}, "alice@corp.example", true},  // An enterprise name.
      {{"alice"}, "alice@corp.example", false},
      {{"WEB$"}, "WEB$", true},
      {{"j\xc3\xbcrgen"}, "j\xfcrgen", true},
      {{"j\xc3\xbcrgen"}, "jurgen", false},
      {{std::string(600, 'x')}, nullptr, true},
  };
  for (const Row& row : rows) {
    PacDoor door;
    Attempt attempt;
    attempt.ticket = door.ticket_fields();
    attempt.ticket.client.components = row.cname;
    attempt.pac.client_name = row.in_pac != nullptr ? row.in_pac : row.cname[0];
    EXPECT_EQ(door.sign_on(attempt).verdict.status,
              row.same ? Status::kEstablished : Status::kPacClient)
        << row.cname[0] << " as " << *attempt.pac.client_name;
  }
}

// O(groups): a PAC as large as a token can hold, and what is kept of it.
TEST(Pac, Of1500GroupsIsTakenWhole) {
  PacDoor door;
  door.know_krbtgt();
  Attempt attempt;
  attempt.ticket = door.ticket_fields();
  attempt.pac.logon_info->groups.clear();
  for (std::uint32_t i = 0; i < 1500; ++i) {
    attempt.pac.logon_info->groups.push_back({2000 + i});
  }
  attempt.pac.more = {{13, Octets(30'000, 0x13)}};  // Client claims, for a token of 48 KB.
  const auth::AcceptReply result = door.sign_on(attempt);
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  {
    const Pinned<auth::Context> context = door.look(result.context);
    Octets kept(context->pac.size);
    EXPECT_GT(kept.size(), 42'000u);
    door.store.read(context->pac, kept);
    const Result<pac::Pac> pac = pac::parse_pac(kept);
    ASSERT_TRUE(pac.ok());
    EXPECT_EQ(pac->logon_info.groups.size(), 1500u * 8);
  }
  EXPECT_TRUE(door.end(result.context));
}

TEST(Pac, WithoutAFreePageIsRefusedAndTakesNone) {
  PacDoor door;
  Attempt attempt;
  attempt.ticket = door.ticket_fields();
  attempt.pac.more = {{13, Octets(34'000, 0x13)}};
  std::vector<ContextHandle> kept;
  for (int i = 0; i < 3; ++i) {
    const auth::AcceptReply result = door.sign_on(attempt);
    ASSERT_EQ(result.verdict.status, Status::kEstablished);
    kept.push_back(result.context);
  }
  const std::uint32_t left = door.store.free_count();
  EXPECT_LT(left, 17u) << "a fourth does not fit";
  EXPECT_EQ(door.sign_on(attempt).verdict.status, Status::kNoFreePage);
  EXPECT_EQ(door.store.free_count(), left);
  EXPECT_EQ(door.pool.live(), 3u);
  attempt.has_pac = false;
  const auth::AcceptReply without = door.sign_on(attempt);
  EXPECT_EQ(without.verdict.status, Status::kEstablished) << "who needs none gets in";
  EXPECT_TRUE(door.end(without.context));
  EXPECT_TRUE(door.end(kept[0]));
  attempt.has_pac = true;
  EXPECT_EQ(door.sign_on(attempt).verdict.status, Status::kEstablished) << "the positive twin";
}

// Every octet of a PAC is covered: those of the signatures by comparing them, the rest by the
// server's.
TEST(Pac, WithAnyBitChangedIsRefused) {
  PacDoor door;
  door.know_krbtgt();
  TicketFields ticket = door.ticket_fields();
  ticket.session_key = Octets(32, 5);
  const Octets pac = mint::mint_pac(*door.kit, door.services[0], door.krbtgt, ticket);
  const auto offer = [&](const Octets& octets) {
    ticket.authorization_data = mint::authorization_data(128, octets);
    const mint::Ticket sealed = door.client.ticket(door.services[0], ticket);
    return door.offer(
        mint::gss_token(door.client.ap_req(sealed, door.authenticator_fields()).message));
  };
  for (std::size_t bit = 0; bit < 8 * pac.size(); ++bit) {
    Octets flipped = pac;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << bit % 8));
    EXPECT_FALSE(succeeded(offer(flipped).verdict.status)) << bit;
  }
  for (std::size_t size = 0; size < pac.size(); size += 7) {
    EXPECT_FALSE(succeeded(
        offer({pac.begin(), pac.begin() + static_cast<std::ptrdiff_t>(size)}).verdict.status))
        << size;
  }
  EXPECT_EQ(offer(pac).verdict.status, Status::kEstablished) << "the positive twin";
  EXPECT_EQ(door.pool.live(), 1u);
}

}  // namespace
}  // namespace usher
