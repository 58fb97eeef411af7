// Promise: delegated credentials are taken only if the caller asks for them and the policy lets it;
// then they are whole, the client's own and kept as they came, or the sign-on is refused.
#include <functional>

#include "parsers/krb_cred.h"
#include "tests/auth/door.h"
#include "tests/recorded.h"
#include "tools/mint/cred_mint.h"

namespace usher {
namespace {

using mint::Octets;
using testing::Door;
using testing::kNow;

constexpr auto kDelegate = std::uint32_t(gss::ContextFlags::kDelegate);

// Attempt is a sign-on that delegates.
struct Attempt {
  explicit Attempt(Door& its_door) : door(its_door) {
    door.credential.policy.accept_delegation = true;
    ticket = door.ticket_fields();
    ticket.session_key = Octets(32, 0x42);
    authenticator = door.authenticator_fields();
    authenticator.context_flags |= kDelegate;
    cred = mint::forwarded_tgt(door.client, ticket.client, kNow - 60, kNow + 36'000);
  }

  Octets krb_cred() const {
    const bool with_subkey = seal_with_subkey && authenticator.subkey_etype.has_value();
    return mint::krb_cred(door.client, encrypt ? with_subkey ? *authenticator.subkey_etype : 18 : 0,
                          with_subkey ? authenticator.subkey : ticket.session_key, cred);
  }
  auth::AcceptReply offer() {
    authenticator.delegation = message.empty() ? krb_cred() : message;
    const mint::Ticket sealed = door.client.ticket(door.services[0], ticket);
    const Octets token = mint::gss_token(door.client.ap_req(sealed, authenticator).message);
    return door.offer(auth::AcceptRequest{.token = token, .take_delegation = asked});
  }

  Door& door;
  mint::TicketFields ticket;
  mint::AuthenticatorFields authenticator;
  mint::Cred cred;
  Octets message;  // In place of one made of cred.
  bool encrypt = true;
  bool seal_with_subkey = false;
  bool asked = true;
};

// kept is what a context has in its pages.
Octets kept(Door& door, ContextHandle handle) {
  const Pinned<auth::Context> context = door.look(handle);
  Octets bytes(context->delegated.size);
  door.pool.pages()->read(context->delegated, bytes);
  return bytes;
}

Octets as_kept(Bytes message, Bytes part) {
  Octets bytes;
  mint::append_le(bytes, static_cast<std::uint32_t>(message.size()));
  mint::append(bytes, message);
  mint::append(bytes, part);
  return bytes;
}

struct Case {
  const char* name;
  Status expected;
  bool granted;
  std::function<void(Attempt&)> spoil;
  const char* why;
};

const Case kCases[] = {
    {"AsItShouldBe", Status::kEstablished, true, [](Attempt&) {}, "the positive twin of all"},
    {"SealedWithSubkey", Status::kEstablished, true,
     [](Attempt& a) {
       a.authenticator.subkey_etype = 17;
       a.authenticator.subkey = Octets(16, 0x51);
       a.seal_with_subkey = true;
     },
     "MIT's clients take the subkey if there is one"},
    {"SealedWithSessionKeyBesideSubkey", Status::kEstablished, true,
     [](Attempt& a) {
       a.authenticator.subkey_etype = 18;
       a.authenticator.subkey = Octets(32, 0x51);
     },
     "Java's do not"},
    {"SealedWithSubkeyOfTheSameEtype", Status::kEstablished, true,
     [](Attempt& a) {
       a.authenticator.subkey_etype = 18;
       a.authenticator.subkey = Octets(32, 0x51);
       a.seal_with_subkey = true;
     },
     "the second key that is tried"},
    {"Unencrypted", Status::kEstablished, true, [](Attempt& a) { a.encrypt = false; },
     "MIT's older clients leave that to the authenticator"},
    {"NamesLeftOut", Status::kEstablished, true,
     [](Attempt& a) {
       a.cred.infos[0].client.reset();
       a.cred.infos[0].service.reset();
     },
     "C10: they are optional"},
    {"OnlyTheKey", Status::kEstablished, true,
     [](Attempt& a) { a.cred.infos[0] = {.etype = 18, .key = Octets(32, 1)}; },
     "C10: so is everything else"},
    {"WithTimeAndAddresses", Status::kEstablished, true,
     [](Attempt& a) {
       a.cred.nonce = 0xffffffffu;
       a.cred.timestamp = kNow - 86'400;
       a.cred.usec = 999'999;
       a.cred.sender_address = mint::host_address(2, Octets{10, 0, 0, 1});
       a.cred.recipient_address = mint::host_address(2, Octets{10, 0, 0, 2});
       a.cred.infos[0].addresses = mint::host_addresses({{2, {10, 0, 0, 1}}});
     },
     "the authenticator around it is fresh"},
    {"TwoTickets", Status::kEstablished, true,
     [](Attempt& a) {
       a.cred.tickets.push_back(a.cred.tickets[0]);
       a.cred.infos.push_back(a.cred.infos[0]);
     },
     "RFC 4120 5.8.1"},

    {"NotAskedFor", Status::kEstablished, false, [](Attempt& a) { a.asked = false; },
     "the caller has no use for it"},
    {"NotByPolicy", Status::kEstablished, false,
     [](Attempt& a) { a.door.credential.policy.accept_delegation = false; }, "the default"},
    {"NotAskedForAndMalformed", Status::kEstablished, false,
     [](Attempt& a) {
       a.asked = false;
       a.message = Octets(40, 0x76);
     },
     "what is not taken is not looked at"},
    {"NotDelegated", Status::kEstablished, false,
     [](Attempt& a) { a.authenticator.context_flags &= ~kDelegate; }, "nothing to take"},
    {"NoChecksum", Status::kEstablished, false,
     [](Attempt& a) { a.authenticator.checksum_absent = true; }, "nothing to take"},

    {"OtherKey", Status::kDelegationKey, false,
     [](Attempt& a) { a.cred.sealing.key = Octets(32, 0x11); }, "nobody's"},
    {"SubkeyThatIsNotThere", Status::kDelegationKey, false,
     [](Attempt& a) { a.cred.sealing.key = Octets(32, 0x51); }, "the client kept it for itself"},
    {"OtherEtype", Status::kDelegationKey, false, [](Attempt& a) { a.cred.sealing.etype = 17; },
     "no key of that etype"},
    {"Rc4Etype", Status::kDelegationKey, false, [](Attempt& a) { a.cred.sealing.etype = 23; },
     "no key of that etype"},
    {"CipherCut", Status::kDelegationKey, false,
     [](Attempt& a) { a.cred.sealing.cipher = Octets(27, 0); }, "shorter than any"},
    {"CipherEmpty", Status::kDelegationKey, false,
     [](Attempt& a) { a.cred.sealing.cipher = Octets{}; }, "shorter than any"},

    {"NoKrbCred", Status::kMalformedDelegation, false,
     [](Attempt& a) { a.message = Octets(40, 0x76); }, "RFC 4121 4.1.1.1"},
    {"AnApReqInstead", Status::kMalformedDelegation, false,
     [](Attempt& a) {
       const mint::Ticket ticket = a.door.client.ticket(a.door.services[0], a.ticket);
       a.message = a.door.client.ap_req(ticket, a.door.authenticator_fields()).message;
     },
     "another message"},
    {"PartIsNone", Status::kMalformedDelegation, false,
     [](Attempt& a) {
       a.cred.sealing.plain = Octets{0x7d, 0x00};
     },
     "RFC 4120 5.8.1"},
    {"UnencryptedPartIsNone", Status::kMalformedDelegation, false,
     [](Attempt& a) {
       a.encrypt = false;
       a.cred.sealing.plain = Octets{};
     },
     "RFC 4120 5.8.1"},
    {"Empty", Status::kMalformedDelegation, false,
     [](Attempt& a) {
       a.cred.tickets.clear();
       a.cred.infos.clear();
     },
     "C11: the flag promises credentials"},
    {"PartTooLong", Status::kMalformedDelegation, false,
     [](Attempt& a) { a.cred.infos[0].key = Octets(kDelegatedPartSizeMax, 1); }, "bounded"},
    {"AddressesTooMany", Status::kMalformedDelegation, false,
     [](Attempt& a) {
       a.cred.infos[0].addresses =
           mint::host_addresses(std::vector<std::pair<std::int32_t, Octets>>(65, {2, Octets(4)}));
     },
     "bounded"},

    {"OtherClient", Status::kDelegationClient, false,
     [](Attempt& a) { a.cred.infos[0].client = mint::Principal::of("bob@EXAMPLE.TEST"); },
     "another's credentials under this one's name"},
    {"OtherClientRealm", Status::kDelegationClient, false,
     [](Attempt& a) { a.cred.infos[0].client = mint::Principal::of("alice@OTHER.TEST"); },
     "another's credentials under this one's name"},
    {"SecondOfOtherClient", Status::kDelegationClient, false,
     [](Attempt& a) {
       a.cred.tickets.push_back(a.cred.tickets[0]);
       a.cred.infos.push_back(a.cred.infos[0]);
       a.cred.infos[1].client = mint::Principal::of("bob@EXAMPLE.TEST");
     },
     "each of them counts"},
};

class KerberosDelegation : public ::testing::TestWithParam<Case> {};

TEST_P(KerberosDelegation, IsWholeOrRefused) {
  Door door;
  Attempt attempt(door);
  GetParam().spoil(attempt);
  const std::uint32_t pages = door.pool.pages()->free_count();
  const auth::AcceptReply result = attempt.offer();
  EXPECT_EQ(text_of(result.verdict.status), text_of(GetParam().expected)) << GetParam().why;
  EXPECT_EQ(has(result.flags, gss::ContextFlags::kDelegate), GetParam().granted);
  if (result.verdict.status == Status::kEstablished) {
    const Octets expected = GetParam().granted
                                ? as_kept(attempt.authenticator.delegation,
                                          mint::encode_enc_krb_cred_part(attempt.cred))
                                : Octets{};
    EXPECT_EQ(kept(door, result.context), expected);
    EXPECT_TRUE(door.end(result.context));
  } else {
    EXPECT_TRUE(door.reply.empty());
  }
  EXPECT_EQ(door.pool.live(), 0u);
  EXPECT_EQ(door.pool.pages()->free_count(), pages) << "all pages are back";
}

INSTANTIATE_TEST_SUITE_P(Table, KerberosDelegation, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(DelegatedTickets, AreAsManyAsTheirInfos) {
  for (std::size_t tickets = 0; tickets <= 3; ++tickets) {
    for (std::size_t infos = 0; infos <= 3; ++infos) {
      for (const bool encrypt : {true, false}) {
        Door door;
        Attempt attempt(door);
        attempt.encrypt = encrypt;
        attempt.cred.tickets.resize(tickets, attempt.cred.tickets[0]);
        attempt.cred.infos.resize(infos, attempt.cred.infos[0]);
        EXPECT_EQ(text_of(attempt.offer().verdict.status),
                  text_of(tickets == infos && tickets > 0 ? Status::kEstablished
                                                          : Status::kMalformedDelegation))
            << tickets << " tickets, " << infos << " infos";
      }
    }
  }
}

TEST(DelegatedTickets, AreOpenedWithKeysOfEveryEtype) {
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    Door door;
    Attempt attempt(door);
    door.credential.policy.allow_rc4 = door.credential.policy.allow_weaker_keys = etype == 23;
    const std::uint32_t key_size = crypto::profile_of(etype)->key_size;
    attempt.ticket.session_etype = etype;
    attempt.ticket.session_key = Octets(key_size, 0x42);
    attempt.message = mint::krb_cred(door.client, etype, attempt.ticket.session_key, attempt.cred);
    EXPECT_EQ(text_of(attempt.offer().verdict.status), text_of(Status::kEstablished)) << etype;
    ++attempt.authenticator.cusec;
    attempt.message = mint::krb_cred(door.client, etype, Octets(key_size, 0x43), attempt.cred);
    EXPECT_EQ(text_of(attempt.offer().verdict.status), text_of(Status::kDelegationKey)) << etype;
  }
}

TEST(DelegatedTickets, WithAnyBitChangedOfTheirSealedPartAreRefused) {
  Door door;
  Attempt attempt(door);
  const Octets right = attempt.krb_cred();
  const Bytes cipher = krb5::parse_krb_cred(right)->enc_part.cipher;
  const auto begin = static_cast<std::size_t>(cipher.data() - right.data());
  for (std::size_t bit = 8 * begin; bit < 8 * (begin + cipher.size()); bit += 7) {
    attempt.message = right;
    attempt.message[bit / 8] = static_cast<std::uint8_t>(right[bit / 8] ^ 1u << bit % 8);
    ++attempt.authenticator.cusec;
    ASSERT_EQ(attempt.offer().verdict.status, Status::kDelegationKey) << bit;
  }
  attempt.message = right;
  ++attempt.authenticator.cusec;
  EXPECT_EQ(attempt.offer().verdict.status, Status::kEstablished) << "the positive twin";
}

TEST(DelegatedTickets, ThatNoPageIsFreeForAreRefused) {
  Door door;
  Attempt attempt(door);
  const Octets others((door.store.free_count() - 1) * kPageSize);
  const std::array<Bytes, 1> parts = {others};
  Kept kept_by_others;
  ASSERT_TRUE(door.store.keep(parts, kept_by_others));
  attempt.cred.tickets.resize(3, attempt.cred.tickets[0]);
  attempt.cred.infos.resize(3, attempt.cred.infos[0]);
  attempt.cred.tickets.push_back(
      mint::forwarded_tgt(door.client, mint::Principal::of(std::string(kPageSize, 'x') + "@X"), 0,
                          1)
          .tickets[0]);
  attempt.cred.infos.push_back(attempt.cred.infos[0]);
  EXPECT_EQ(text_of(attempt.offer().verdict.status), text_of(Status::kNoFreePage));
  EXPECT_EQ(door.pool.live(), 0u);
  EXPECT_EQ(door.store.free_count(), 1u);
  door.store.release(kept_by_others);
  ++attempt.authenticator.cusec;
  EXPECT_EQ(text_of(attempt.offer().verdict.status), text_of(Status::kEstablished));
}

TEST(DelegatedTickets, OfActiveDirectoryAreTaken) {
  Door door;
  crypto::KeyRing::Loaded loaded =
      crypto::KeyRing::load_keytab(*door.kit, testing::test_data("ad/web.keytab"));
  ASSERT_EQ(loaded.error, "");
  auto keys = std::make_unique<auth::Keys>();
  keys->ring = std::move(loaded.ring);
  door.credential.keys.replace(std::move(keys));
  door.credential.policy.accept_delegation = true;
  door.clock.wall = 1'795'166'192 * kMicrosPerSecond;  // 2026-11-20T09:16:32Z
  const Octets token = testing::recorded_token("ad/aes256-krb5-deleg.hex");
  const auth::AcceptReply result =
      door.offer(auth::AcceptRequest{.token = token, .take_delegation = true});
  ASSERT_EQ(text_of(result.verdict.status), text_of(Status::kEstablished));
  EXPECT_TRUE(has(result.flags, gss::ContextFlags::kDelegate));
  EXPECT_EQ(kept(door, result.context),
            as_kept(testing::recorded_token("ad/krb-cred.hex"),
                    testing::recorded_token("ad/enc-krb-cred-part.hex")));
}

}  // namespace
}  // namespace usher
