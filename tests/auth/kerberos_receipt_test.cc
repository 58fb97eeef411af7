// Promise: which service a ticket may be for, through which realms and from where it may come, and
// what its flags say, is decided by the policy and by nothing that is not protected.
#include <array>
#include <functional>

#include "engine/auth/kerberos_accept.h"
#include "tests/auth/door.h"
#include "tools/mint/cred_mint.h"

namespace usher {
namespace {

using auth::TargetPolicy;
using mint::AuthenticatorFields;
using mint::Octets;
using mint::TicketFields;
using testing::Door;
using testing::kNow;

constexpr const char* kService = "HTTP/web.example.test@EXAMPLE.TEST";

// Attempt is a sign-on, and the policy and connection it meets.
struct Attempt {
  explicit Attempt(Door& its_door)
      : door(its_door),
        ticket(door.ticket_fields()),
        authenticator(door.authenticator_fields()),
        policy(door.credential.policy) {}

  Door& door;
  TicketFields ticket;
  AuthenticatorFields authenticator;
  auth::Policy& policy;
  mint::Service service = door.services[0];
  auth::ChannelBindings bindings{};

  void set(const char* name, const char* value) {
    EXPECT_EQ(auth::set_policy(policy, name, value), "");
  }
  auth::AcceptReply offer() {
    const mint::Ticket sealed = door.client.ticket(service, ticket);
    const Octets token = mint::gss_token(door.client.ap_req(sealed, authenticator).message);
    return door.offer(auth::AcceptRequest{.token = token, .bindings = bindings});
  }
};

struct Case {
  const char* name;
  Status expected;
  std::function<void(Attempt&)> prepare;
  const char* why;
};

void rename(Attempt& a, const char* clear_name) {
  a.ticket.service = mint::Principal::of(clear_name);
}

// The client's address, as a caller gives it.
const Octets kAddress = {10, 0, 0, 1};
const Octets kOtherAddress = {10, 0, 0, 2};
const Octets kAddress6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
void come_from(Attempt& a, std::int32_t type, const Octets& address) {
  a.set("kerberos.addresses", "check");
  a.bindings.initiator_address_type = type;
  a.bindings.initiator_address = address;
}

const Case kCases[] = {
    {"AsItShouldBe", Status::kEstablished, [](Attempt&) {}, "the positive twin of all"},

    // kerberos.targets
    {"KeytabUnknownName", Status::kNoSuchService,
     [](Attempt& a) { rename(a, "HTTP/alias.example.test@EXAMPLE.TEST"); },
     "the clear name must be in the keytab"},
    {"AnyUnknownName", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "one account with many names"},
    {"AnyUnknownRealm", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       rename(a, "HTTP/web.example.test@OTHER.TEST");
     },
     "the key decides"},
    {"AnyOfAnotherPrincipalsKey", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       a.service = a.door.services[3];
       a.ticket.session_etype = 17;
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "the second of two keys of that etype"},
    {"AnyOlderKey", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       a.service = a.door.services[1];
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "MS-KILE 3.4.5: older keys, for aliases as well"},
    {"AnyForeignKey", Status::kTicketKey,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       a.ticket.sealing.key = Octets(32, 0x11);
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "no key of ours"},
    {"AnyNoKeyOfThatEtype", Status::kNoKeyOfEtype,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
       a.door.services = {a.door.services[2]};
       a.door.credential.keys.replace(a.door.make_keys(true, true));
     },
     "nobody has one"},
    {"AnyOtherNamesKey", Status::kTicketKey,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       a.service = a.door.services[3];
       rename(a, kService);
     },
     "a name with keys of its own is tried with no others"},
    {"ListedName", Status::kEstablished,
     [](Attempt& a) { a.set("kerberos.targets", "FTP/x HTTP/web.example.test"); }, "in any realm"},
    {"ListedNameWithRealm", Status::kEstablished,
     [](Attempt& a) { a.set("kerberos.targets", kService); }, "this one"},
    {"ListedNameInOtherCase", Status::kEstablished,
     [](Attempt& a) { a.set("kerberos.targets", "http/WEB.example.TEST@example.test"); },
     "ASCII letters in either case"},
    {"ListedNameOtherRealm", Status::kTargetRefused,
     [](Attempt& a) { a.set("kerberos.targets", "HTTP/web.example.test@OTHER.TEST"); },
     "another realm's"},
    {"ListedOther", Status::kTargetRefused,
     [](Attempt& a) { a.set("kerberos.targets", "HTTP/old.example.test"); },
     "C16: in the keytab, but not accepted"},
    {"ListedPrefix", Status::kTargetRefused,
     [](Attempt& a) { a.set("kerberos.targets", "HTTP/web HTTP/web.example.test.org"); },
     "names are whole"},
    {"ListedAlias", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/alias.example.test HTTP/web.example.test");
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "its key stands in the keytab under another name that is listed"},
    {"ListedAliasOfAnUnlistedName", Status::kTargetRefused,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/alias.example.test");
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "C16: nothing protects the name, so whose key it is decides"},
    {"ListedNameOnAnUnlistedOnesTicket", Status::kTargetRefused,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/web.example.test");
       a.service = a.door.services[3];
       a.ticket.session_etype = 17;
       rename(a, "http/WEB.example.test@EXAMPLE.TEST");
     },
     "C16: the keytab does not know it spelled so, and every key is tried"},
    {"ListedNameInAnotherRealmOnAnUnlistedOnesTicket", Status::kTargetRefused,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/web.example.test");
       a.service = a.door.services[3];
       a.ticket.session_etype = 17;
       rename(a, "HTTP/web.example.test@OTHER.TEST");
     },
     "C16: likewise"},
    {"ListedNameInOtherCaseOnItsOwnTicket", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/web.example.test");
       rename(a, "http/WEB.example.test@EXAMPLE.TEST");
     },
     "its own key opens it"},
    {"ListedAliasForeignKey", Status::kTicketKey,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/alias.example.test HTTP/web.example.test");
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
       a.ticket.sealing.key = Octets(32, 0x11);
     },
     "no key of ours"},
    {"UnlistedAlias", Status::kTargetRefused,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/alias.example.test");
       rename(a, "cifs/alias.example.test@EXAMPLE.TEST");
     },
     "C16: another service of the same account"},
    {"ListedNameTooLong", Status::kTargetRefused,
     [](Attempt& a) {
       a.set("kerberos.targets", "HTTP/alias.example.test");
       rename(a, ("HTTP/" + std::string(kIdentitySizeMax, 'x') + "@EXAMPLE.TEST").c_str());
     },
     "a name that does not fit is not listed"},

    // Ticket-granting tickets.
    {"TicketGranting", Status::kTicketGranting,
     [](Attempt& a) { rename(a, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST"); }, "not for a service"},
    {"TicketGrantingAny", Status::kTicketGranting,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       rename(a, "KRBTGT/EXAMPLE.TEST@EXAMPLE.TEST");
     },
     "whatever the policy"},
    {"TicketGrantingUnderOtherName", Status::kTicketKey,
     [](Attempt& a) {
       a.set("kerberos.targets", "any");
       a.service = mint::make_service(a.door.random, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
       a.door.services.push_back(a.service);
       a.door.credential.keys.replace(a.door.make_keys(true, true));
       rename(a, "HTTP/alias.example.test@EXAMPLE.TEST");
     },
     "C3: a renamed TGT; nobody is tried with the key of krbtgt"},
    {"UserToUser", Status::kUserToUser,
     [](Attempt& a) { a.authenticator.ap_options |= krb5::kApOptionUseSessionKey; },
     "RFC 4120 3.7"},

    // Flags.
    {"Invalid", Status::kTicketInvalid,
     [](Attempt& a) { a.ticket.flags |= krb5::kTicketFlagInvalid; }, "RFC 4120 2.2"},
    {"InvalidPostdated", Status::kTicketInvalid,
     [](Attempt& a) { a.ticket.flags |= krb5::kTicketFlagPostdated | krb5::kTicketFlagInvalid; },
     "RFC 4120 2.4: postdated, and not yet validated by the KDC"},
    {"Postdated", Status::kEstablished,
     [](Attempt& a) {
       a.ticket.flags |= krb5::kTicketFlagPostdated;
       a.ticket.auth_time = kNow - 86'400;
       a.ticket.start_time = kNow - 60;
     },
     "RFC 4120 2.4: validated since"},
    {"PostdatedNotYet", Status::kTicketNotYetValid,
     [](Attempt& a) {
       a.ticket.flags |= krb5::kTicketFlagPostdated;
       a.ticket.auth_time = kNow - 86'400;
       a.ticket.start_time = kNow + 3600;
     },
     "its time has not come"},
    {"MayPostdate", Status::kEstablished,
     [](Attempt& a) { a.ticket.flags |= krb5::kTicketFlagMayPostdate; },
     "RFC 4120 2.4: application servers can ignore it"},
    {"Initial", Status::kEstablished,
     [](Attempt& a) { a.ticket.flags |= krb5::kTicketFlagInitial; },
     "RFC 4120 2.1: had with a password, not with a TGT"},
    {"Anonymous", Status::kKerberosAnonymous,
     [](Attempt& a) { a.ticket.flags |= krb5::kTicketFlagAnonymous; }, "RFC 6112"},

    // kerberos.transited
    {"Transited", Status::kTransited,
     [](Attempt& a) { a.ticket.transited = mint::octets_of("MIDDLE.TEST"); },
     "RFC 4120 2.7: nobody has checked it"},
    {"TransitedChecked", Status::kEstablished,
     [](Attempt& a) {
       a.ticket.transited = mint::octets_of("MIDDLE.TEST");
       a.ticket.flags |= krb5::kTicketFlagTransitedPolicyChecked;
     },
     "the KDC has"},
    {"TransitedIgnored", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.transited", "ignore");
       a.ticket.transited = mint::octets_of("MIDDLE.TEST");
     },
     "MS-KILE 3.1.5.4, by policy only"},
    {"TransitedOfUnknownType", Status::kTransited,
     [](Attempt& a) {
       a.ticket.transited_type = 99;
       a.ticket.transited = Octets{1, 2, 3};
     },
     "realms that nobody can even read"},
    {"TransitedOfUnknownTypeChecked", Status::kEstablished,
     [](Attempt& a) {
       a.ticket.transited_type = 99;
       a.ticket.transited = Octets{1, 2, 3};
       a.ticket.flags |= krb5::kTicketFlagTransitedPolicyChecked;
     },
     "the KDC can"},
    {"TransitedNoneOfUnknownType", Status::kEstablished,
     [](Attempt& a) { a.ticket.transited_type = 0; }, "Windows 2003 says so of no realms"},
    {"TransitedNotChecked", Status::kEstablished,
     [](Attempt& a) { a.ticket.flags &= ~krb5::kTicketFlagTransitedPolicyChecked; },
     "no realms, nothing to check"},

    // kerberos.addresses
    {"AddressesIgnored", Status::kEstablished,
     [](Attempt& a) {
       a.ticket.addresses = mint::host_addresses({{2, kAddress}});
     },
     "the default: clients sit behind proxies and NAT"},
    {"AddressesNone", Status::kEstablished, [](Attempt& a) { come_from(a, 2, kAddress); },
     "RFC 4120 2.6: a ticket without is good from anywhere"},
    {"AddressesEmpty", Status::kEstablished,
     [](Attempt& a) {
       come_from(a, 2, kAddress);
       a.ticket.addresses = mint::host_addresses({});
     },
     "none"},
    {"AddressIsThere", Status::kEstablished,
     [](Attempt& a) {
       come_from(a, 2, kAddress);
       a.ticket.addresses = mint::host_addresses({{24, kAddress6}, {2, kAddress}});
     },
     "RFC 4120 3.2.3"},
    {"Address6IsThere", Status::kEstablished,
     [](Attempt& a) {
       come_from(a, 24, kAddress6);
       a.ticket.addresses = mint::host_addresses({{24, kAddress6}, {2, kAddress}});
     },
     "RFC 4120 3.2.3"},
    {"AddressIsNotThere", Status::kAddresses,
     [](Attempt& a) {
       come_from(a, 2, kOtherAddress);
       a.ticket.addresses = mint::host_addresses({{24, kAddress6}, {2, kAddress}});
     },
     "a ticket that was carried away"},
    {"AddressOfOtherType", Status::kAddresses,
     [](Attempt& a) {
       come_from(a, 20, kAddress);
       a.ticket.addresses = mint::host_addresses({{2, kAddress}});
     },
     "the same bytes, another network"},
    {"AddressUnknown", Status::kAddresses,
     [](Attempt& a) {
       a.set("kerberos.addresses", "check");
       a.ticket.addresses = mint::host_addresses({{2, kAddress}});
     },
     "the caller does not say where the client comes from"},
    {"AddressUnknownAndEmpty", Status::kAddresses,
     [](Attempt& a) {
       a.set("kerberos.addresses", "check");
       a.ticket.addresses = mint::host_addresses({{0, {}}});
     },
     "an address of nothing is no match for none"},
    {"AddressesTooMany", Status::kMalformedTicket,
     [](Attempt& a) {
       come_from(a, 2, kAddress);
       a.ticket.addresses =
           mint::host_addresses(std::vector<std::pair<std::int32_t, Octets>>(65, {2, kAddress}));
     },
     "bounded"},

    // kerberos.mutual
    {"MutualNotAsked", Status::kEstablished,
     [](Attempt& a) {
       a.authenticator.ap_options = 0;
       a.authenticator.context_flags = 0;
     },
     "the default"},
    {"MutualRequired", Status::kMutualRequired,
     [](Attempt& a) {
       a.set("kerberos.mutual", "required");
       a.authenticator.ap_options = 0;
       a.authenticator.context_flags = 0;
     },
     "the client would not know whom it speaks to"},
    {"MutualRequiredNoChecksum", Status::kMutualRequired,
     [](Attempt& a) {
       a.set("kerberos.mutual", "required");
       a.authenticator.ap_options = 0;
       a.authenticator.checksum_absent = true;
     },
     "MS-KILE 3.4.5: none of the flags are set"},
    {"MutualByOptionAgainstTheChecksum", Status::kMutualRequired,
     [](Attempt& a) {
       a.set("kerberos.mutual", "required");
       a.authenticator.context_flags = 0;
     },
     "nothing protects the option, and the checksum says no"},
    {"MutualByOptionNoChecksum", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.mutual", "required");
       a.authenticator.checksum_absent = true;
     },
     "RFC 4120 3.2.2"},
    {"MutualByFlag", Status::kEstablished,
     [](Attempt& a) {
       a.set("kerberos.mutual", "required");
       a.authenticator.ap_options = 0;
     },
     "RFC 4121 4.1.1.1"},
};

class KerberosReceipt : public ::testing::TestWithParam<Case> {};

TEST_P(KerberosReceipt, DecidesAndLeavesNothingBehind) {
  Door door;
  Attempt attempt(door);
  GetParam().prepare(attempt);
  const auth::AcceptReply result = attempt.offer();
  EXPECT_EQ(text_of(result.verdict.status), text_of(GetParam().expected)) << GetParam().why;
  if (result.verdict.status == Status::kEstablished) {
    EXPECT_EQ(door.client_of(result.context), "alice@EXAMPLE.TEST");
    EXPECT_TRUE(door.end(result.context));
  } else {
    EXPECT_TRUE(door.reply.empty());
  }
  EXPECT_EQ(door.pool.live(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Table, KerberosReceipt, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

std::string service_of(Door& door, ContextHandle handle) {
  const Pinned<auth::Context> context = door.look(handle);
  const Bytes name = context->service();
  return {name.begin(), name.end()};
}

TEST(KerberosService, IsTheOneWhoseKeyOpenedTheTicket) {
  Door door;
  Attempt attempt(door);
  auth::AcceptReply result = attempt.offer();
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  EXPECT_EQ(service_of(door, result.context), kService);

  attempt.set("kerberos.targets", "any");
  for (const char* clear :
       {"HTTP/alias.example.test@EXAMPLE.TEST", "cifs/dc.example.test@X.TEST"}) {
    rename(attempt, clear);
    ++attempt.authenticator.cusec;
    result = attempt.offer();
    ASSERT_EQ(result.verdict.status, Status::kEstablished);
    EXPECT_EQ(service_of(door, result.context), kService) << "C3: not what nothing protects";
    EXPECT_TRUE(door.end(result.context));
  }
}

TEST(KerberosService, MayBeItsOwnClient) {
  // C16: a service's own ticket that is sent back to it is that of one more client. No name is let
  // in without a key, and none gets more because it is ours.
  Door door;
  Attempt attempt(door);
  attempt.ticket.client = mint::Principal::of(kService);
  const auth::AcceptReply result = attempt.offer();
  ASSERT_EQ(result.verdict.status, Status::kEstablished);
  EXPECT_EQ(door.client_of(result.context), kService);
}

TEST(KerberosKeys, InOneBatchAreEachTicketsOwn) {
  // What a ticket's key was found by stands in its clear part: service, realm, etype and kvno.
  Door door;
  const auto status_of_each = [&](std::vector<std::pair<mint::Service, const char*>> tickets) {
    std::vector<Octets> tokens;
    std::vector<std::array<std::uint8_t, kReplySizeMax>> replies(tickets.size());
    std::vector<auth::AcceptRequest> requests;
    for (const auto& [service, name] : tickets) {
      TicketFields fields = door.ticket_fields();
      fields.service = mint::Principal::of(name);
      tokens.push_back(mint::gss_token(
          door.client.ap_req(door.client.ticket(service, fields), door.authenticator_fields())
              .message));
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      requests.push_back({.credential = &door.credential, .token = tokens[i], .reply = replies[i]});
    }
    std::vector<auth::AcceptReply> results(tokens.size());
    auth::accept(*door.desk, door.environment, requests, results);
    std::vector<Status> statuses;
    for (const auth::AcceptReply& result : results) {
      statuses.push_back(result.verdict.status);
      EXPECT_EQ(door.end(result.context), result.verdict.status == Status::kEstablished);
    }
    return statuses;
  };
  const char* const web = "HTTP/web.example.test@EXAMPLE.TEST";
  const char* const old = "HTTP/old.example.test@EXAMPLE.TEST";
  const auto& services = door.services;  // 0, 1: etype 18; 2: etype 17; 3: etype 17, another's.
  const std::vector<Status> all_good(4, Status::kEstablished);
  EXPECT_EQ(status_of_each(
                {{services[0], web}, {services[0], web}, {services[2], web}, {services[1], web}}),
            all_good);
  EXPECT_EQ(status_of_each(
                {{services[3], old}, {services[2], web}, {services[3], old}, {services[0], web}}),
            all_good);
  EXPECT_EQ(status_of_each({{services[0], web},
                            {services[0], "HTTP/web.example.test@OTHER.TEST"},
                            {services[0], "HTTP/wet.example.test@EXAMPLE.TEST"},
                            {services[0], web}}),
            (std::vector<Status>{Status::kEstablished, Status::kNoSuchService,
                                 Status::kNoSuchService, Status::kEstablished}));
  EXPECT_EQ(status_of_each({{services[3], old}, {services[3], web}}),
            (std::vector<Status>{Status::kEstablished, Status::kTicketKey}));
}

// A keytab of `count` versions of one service's key or, if `names`, as many services' keys.
std::vector<mint::Service> many_keys(Door& door, std::uint32_t count, bool names) {
  std::vector<mint::Service> services;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string host = names ? std::string("s") + char('a' + i) : "web";
    services.push_back(
        mint::make_service(door.random, "HTTP/" + host + "@EXAMPLE.TEST", 18, names ? 1 : i + 1));
  }
  return services;
}

// opened_by offers a ticket sealed with each of the keys in turn and says which are found.
std::string opened_by(Door& door, const char* name, std::optional<std::uint32_t> kvno) {
  std::string found;
  for (std::size_t i = 0; i < door.services.size(); ++i) {
    Attempt attempt(door);
    attempt.service = door.services[i];
    attempt.ticket.sealing.kvno = kvno;
    attempt.ticket.sealing.kvno_absent = !kvno.has_value();
    rename(attempt, name);
    const auth::AcceptReply result = attempt.offer();
    if (result.verdict.status == Status::kEstablished) {
      found += (found.empty() ? "" : " ") + std::to_string(i + 1);
      EXPECT_TRUE(door.end(result.context));
    } else {
      EXPECT_EQ(text_of(result.verdict.status), text_of(Status::kTicketKey));
    }
  }
  return found;
}

TEST(KerberosKeys, AreTriedUpToALimitNewestFirstAfterTheTicketsOwn) {
  static_assert(kKeyTriesMax == 8);
  Door door;
  door.services = many_keys(door, 10, false);
  door.credential.keys.replace(door.make_keys(true, true));
  const char* const name = "HTTP/web@EXAMPLE.TEST";
  EXPECT_EQ(opened_by(door, name, std::nullopt), "3 4 5 6 7 8 9 10");
  EXPECT_EQ(opened_by(door, name, 77), "3 4 5 6 7 8 9 10") << "a kvno that nobody has";
  EXPECT_EQ(opened_by(door, name, 10), "3 4 5 6 7 8 9 10");
  EXPECT_EQ(opened_by(door, name, 1), "1 4 5 6 7 8 9 10") << "its own, then seven of the newest";
  EXPECT_EQ(opened_by(door, name, 5), "3 4 5 6 7 8 9 10") << "and none twice";
}

TEST(KerberosKeys, OfEverybodyAreTriedUpToTheSameLimit) {
  Door door;
  door.services = many_keys(door, 10, true);
  door.credential.keys.replace(door.make_keys(true, true));
  door.credential.policy.target_policy = TargetPolicy::kAny;
  EXPECT_EQ(opened_by(door, "HTTP/alias@EXAMPLE.TEST", 1), "1 2 3 4 5 6 7 8");
  // The names of one account share a key, and it is tried once.
  for (std::size_t i = 1; i < 8; ++i) {
    door.services[i].key = door.services[0].key;
  }
  door.credential.keys.replace(door.make_keys(true, true));
  EXPECT_EQ(opened_by(door, "HTTP/alias@EXAMPLE.TEST", 1), "1 2 3 4 5 6 7 8 9 10");
}

TEST(KerberosKeys, AForgedTicketCostsAsManyTriesAsThereMayBe) {
  // Work is what every stage before knows of a ticket that no key will open.
  for (const bool names : {false, true}) {
    Door door;
    const auto ring = mint::make_ring(*door.kit, many_keys(door, 100, false));
    crypto::TicketJob job{.key = ring->first_of_any(18), .outcome = crypto::Outcome::kForged};
    auth::Exchange exchange;
    auth::KerberosWork& work = exchange.kerberos;
    work.ticket_job = &job;
    work.found_key = names ? nullptr : job.key;
    work.next_key = names ? job.key->other : job.key;
    work.key_tries = 1;
    std::vector<const crypto::ServiceKey*> tried = {job.key};
    while (auth::try_next_key(exchange)) {
      ASSERT_EQ(job.outcome, crypto::Outcome::kPending);
      job.outcome = crypto::Outcome::kForged;
      tried.push_back(job.key);
    }
    EXPECT_EQ(tried.size(), kKeyTriesMax);
    std::ranges::sort(tried);
    EXPECT_EQ(std::ranges::adjacent_find(tried), tried.end()) << "no key twice";
    job.outcome = crypto::Outcome::kDone;
    work.key_tries = 1;
    EXPECT_FALSE(auth::try_next_key(exchange)) << "what is open stays open";
  }
}

TEST(KerberosKeys, OfAReloadBetweenHintAndTokenCount) {
  // F8: the exchange began under other keys; what counts are those in force when its ticket comes.
  Door door;
  const Octets first = mint::optimistic({gss::Mechanism::kNtlm, gss::Mechanism::kKerberos}, {});
  door.credential.allow_ntlm = false;
  auth::AcceptReply result = door.offer(first);
  ASSERT_EQ(result.verdict.status, Status::kContinue);
  const mint::Service old = door.services[0];
  door.services = {mint::make_service(door.random, kService, 18, 4)};
  door.credential.keys.replace(door.make_keys(true, true));
  const auto second = [&](const mint::Service& service) {
    mint::NegTokenRespFields resp;
    resp.response_token = mint::gss_token(
        door.client
            .ap_req(door.client.ticket(service, door.ticket_fields()), door.authenticator_fields())
            .message);
    return mint::neg_token_resp(resp);
  };
  EXPECT_EQ(door.offer(second(old), result.context).verdict.status, Status::kTicketKey);
  result = door.offer(first);
  EXPECT_EQ(door.offer(second(door.services[0]), result.context).verdict.status, Status::kContinue)
      << "only the MIC is owed";
}

}  // namespace
}  // namespace usher
