// Promise: clients sign on with each etype that is served, RC4 and weaker session keys only where
// policy says so, and nothing else; reply and mechListMIC are made in the etype's own way.
#include "parsers/spnego.h"
#include "tests/auth/door.h"

namespace usher {
namespace {

using mint::Octets;
using testing::Door;
using testing::kNow;

// Attempt is what a KDC and a client of certain etypes make.
struct Attempt {
  std::int32_t ticket = 18;  // Of the service's key.
  std::int32_t session = 18;
  std::int32_t subkey = 0;  // 0: none.
  bool allow_rc4 = false;
  bool allow_weaker = false;
};

struct Case {
  const char* name;
  Status expected;
  Attempt attempt;
  const char* why;
};

constexpr Case kCases[] = {
    {"Aes128Sha1", Status::kEstablished, {.ticket = 17, .session = 17, .subkey = 17}, "RFC 3962"},
    {"Aes256Sha1", Status::kEstablished, {.ticket = 18, .session = 18, .subkey = 18}, "RFC 3962"},
    {"Aes128Sha2", Status::kEstablished, {.ticket = 19, .session = 19, .subkey = 19}, "RFC 8009"},
    {"Aes256Sha2", Status::kEstablished, {.ticket = 20, .session = 20, .subkey = 20}, "RFC 8009"},
    {"Aes128KeyUnderAes256",
     Status::kEstablished,
     {.ticket = 20, .session = 17},
     "all that some clients know; no 128 bits are weak"},
    {"Sha1KeyUnderSha2",
     Status::kEstablished,
     {.ticket = 20, .session = 18},
     "what MIT's clients prefer"},
    {"Sha2KeyUnderSha1",
     Status::kEstablished,
     {.ticket = 17, .session = 20, .subkey = 19},
     "the client's choice"},
    {"Aes128SubkeyUnderAes256",
     Status::kEstablished,
     {.ticket = 18, .session = 18, .subkey = 17},
     "likewise"},
    {"Rc4", Status::kRc4, {.ticket = 23, .session = 23}, "by policy only: kerberos.rc4"},
    {"Rc4TicketAesSessionKey",
     Status::kRc4,
     {.ticket = 23, .session = 18},
     "the service's password is what an offline search finds"},
    {"Rc4Allowed",
     Status::kEstablished,
     {.ticket = 23, .session = 23, .allow_rc4 = true},
     "RFC 4757"},
    {"Rc4AllowedWithSubkey",
     Status::kEstablished,
     {.ticket = 23, .session = 23, .subkey = 23, .allow_rc4 = true},
     "RFC 4757"},
    {"Rc4TicketAesSessionKeyAllowed",
     Status::kEstablished,
     {.ticket = 23, .session = 18, .allow_rc4 = true},
     "stronger than the ticket's key: what KDCs do since CVE-2022-37966"},
    {"Rc4SessionKeyUnderAes", Status::kRc4, {.session = 23}, "CVE-2022-37966"},
    {"Rc4SessionKeyUnderAesRc4Allowed",
     Status::kWeakerKey,
     {.session = 23, .allow_rc4 = true},
     "CVE-2022-37966, where RC4 is allowed for the sake of old services"},
    {"Rc4SessionKeyUnderSha2",
     Status::kWeakerKey,
     {.ticket = 19, .session = 23, .allow_rc4 = true},
     "likewise"},
    {"Rc4SessionKeyUnderAesBothAllowed",
     Status::kEstablished,
     {.session = 23, .allow_rc4 = true, .allow_weaker = true},
     "kerberos.rc4 and kerberos.weaker-keys"},
    {"WeakerKeysAllowedAlone",
     Status::kRc4,
     {.session = 23, .allow_weaker = true},
     "RC4 has a policy of its own"},
    {"Rc4SubkeyUnderAes", Status::kRc4, {.subkey = 23}, "by policy only"},
    {"Rc4SubkeyUnderAesRc4Allowed",
     Status::kWeakerKey,
     {.subkey = 23, .allow_rc4 = true},
     "weaker than the ticket's key"},
    {"Rc4SubkeyUnderAesBothAllowed",
     Status::kEstablished,
     {.subkey = 23, .allow_rc4 = true, .allow_weaker = true},
     "by both policies"},
    {"AesSubkeyUnderRc4Allowed",
     Status::kEstablished,
     {.ticket = 23, .session = 23, .subkey = 18, .allow_rc4 = true},
     "RFC 4121 2"},
    {"DesSessionKey",
     Status::kSessionKeyEtype,
     {.session = 3, .allow_rc4 = true, .allow_weaker = true},
     "RFC 6649: by no policy"},
    {"Des3SessionKey",
     Status::kSessionKeyEtype,
     {.session = 16, .allow_rc4 = true, .allow_weaker = true},
     "RFC 8429: by no policy"},
    {"CamelliaSessionKey", Status::kSessionKeyEtype, {.session = 26}, "not served"},
    {"Rc4ExportSubkey",
     Status::kSessionKeyEtype,
     {.subkey = 24, .allow_rc4 = true, .allow_weaker = true},
     "RFC 6649: by no policy"},
    {"CamelliaSubkey", Status::kSessionKeyEtype, {.subkey = 25}, "not served"},
};

class KerberosEtypes : public ::testing::TestWithParam<Case> {
 protected:
  KerberosEtypes() {
    door_.credential.policy.allow_rc4 = GetParam().attempt.allow_rc4;
    door_.credential.policy.allow_weaker_keys = GetParam().attempt.allow_weaker;
  }

  const mint::Service& service(std::int32_t etype) {
    const auto found = std::ranges::find(door_.services, etype, &mint::Service::etype);
    EXPECT_NE(found, door_.services.end());
    return *found;
  }
  mint::Ticket ticket() {
    mint::TicketFields fields = door_.ticket_fields();
    fields.session_etype = GetParam().attempt.session;
    return door_.client.ticket(service(GetParam().attempt.ticket), fields);
  }
  mint::ApReq ap_req(const mint::Ticket& ticket) {
    mint::AuthenticatorFields fields = door_.authenticator_fields();
    if (GetParam().attempt.subkey != 0) {
      fields.subkey_etype = GetParam().attempt.subkey;
    }
    if (crypto::profile_of(ticket.session_etype) == nullptr) {
      fields.sealing.cipher = Octets(64);
    }
    return door_.client.ap_req(ticket, fields);
  }

  Door door_;
};

TEST_P(KerberosEtypes, ARawTokenIsDecidedAndAnswered) {
  const mint::Ticket held = ticket();
  const mint::ApReq request = ap_req(held);
  const auth::AcceptReply result = door_.offer(mint::gss_token(request.message));
  ASSERT_EQ(text_of(result.verdict.status), text_of(GetParam().expected)) << GetParam().why;
  if (result.verdict.status != Status::kEstablished) {
    EXPECT_EQ(door_.pool.live(), 0u);
    return;
  }
  EXPECT_EQ(door_.client_of(result.context), "alice@EXAMPLE.TEST");
  const auto answer = door_.client.check_ap_rep(held, request, door_.reply);
  ASSERT_EQ(answer.error, "");
  const Pinned<auth::Context> context = door_.look(result.context);
  EXPECT_EQ(context->ticket_etype, GetParam().attempt.ticket);
  const std::int32_t key_etype =
      request.subkey_etype != 0 ? request.subkey_etype : held.session_etype;
  EXPECT_EQ(context->key_etype, key_etype);
  // Tokens of RFC 4757 cannot say whose key they are made with; there is only the client's.
  EXPECT_EQ(answer.subkey_etype, key_etype == 23 ? 0 : key_etype);
  const Octets& client_key = request.subkey_etype != 0 ? request.subkey : held.session_key;
  EXPECT_TRUE(
      std::ranges::equal(context->key.bytes(), key_etype == 23 ? client_key : answer.subkey));
}

// A client whose favourite is another mechanism: both mechListMICs are due.
TEST_P(KerberosEtypes, BothMechListMicsAreMadeWithTheKeyOfTheContext) {
  const std::vector<gss::Mechanism> mechs = {gss::Mechanism::kNegoEx, gss::Mechanism::kKerberos};
  mint::NegTokenInitFields init;
  init.mechs = mechs;
  const mint::Ticket held = ticket();
  const mint::ApReq request = ap_req(held);
  for (const bool genuine : {false, true}) {
    door_.credential.policy.check_replays = false;
    const auth::AcceptReply first = door_.offer(mint::neg_token_init(init));
    ASSERT_EQ(first.verdict.status, Status::kContinue);
    mint::NegTokenRespFields second;
    second.response_token = mint::gss_token(request.message);
    const auth::AcceptReply middle = door_.offer(mint::neg_token_resp(second), first.context);
    if (GetParam().expected != Status::kEstablished) {
      EXPECT_EQ(text_of(middle.verdict.status), text_of(GetParam().expected)) << GetParam().why;
      continue;
    }
    ASSERT_EQ(text_of(middle.verdict.status), text_of(Status::kContinue));
    const mint::ServerResp resp = mint::read_neg_token_resp(door_.reply);
    ASSERT_TRUE(resp.response_token && resp.mech_list_mic);
    const auto answer = door_.client.check_ap_rep(held, request, *resp.response_token);
    ASSERT_EQ(answer.error, "");
    const Octets list = mint::mech_type_list(mechs);
    EXPECT_TRUE(door_.client.check_mech_list_mic(held, request, answer, list, *resp.mech_list_mic));

    mint::NegTokenRespFields third;
    third.mech_list_mic = door_.client.write_mech_list_mic(held, request, answer, list);
    third.mech_list_mic->back() ^= genuine ? 0 : 1;
    const auth::AcceptReply last = door_.offer(mint::neg_token_resp(third), middle.context);
    EXPECT_EQ(text_of(last.verdict.status),
              text_of(genuine ? Status::kEstablished : Status::kMechListMicWrong));
  }
}

// Not one bit of what is encrypted may change, and not one octet be missing.
TEST_P(KerberosEtypes, EveryFlippedBitOfBothCiphersIsRefused) {
  if (GetParam().expected != Status::kEstablished) {
    return;  // Refused as it is.
  }
  door_.credential.policy.check_replays = false;
  const Octets token = mint::gss_token(ap_req(ticket()).message);
  const auto framed = gss::parse_initial_token(token);
  ASSERT_TRUE(framed.ok());
  const auto message = gss::parse_kerberos_token(framed->inner);
  ASSERT_TRUE(message.ok());
  const auto parsed = krb5::parse_ap_req(message->message);
  ASSERT_TRUE(parsed.ok());
  for (const Bytes cipher : {parsed->ticket.enc_part.cipher, parsed->authenticator.cipher}) {
    const auto begin = static_cast<std::size_t>(cipher.data() - token.data());
    Octets flipped = token;
    for (std::size_t bit = 0; bit < 8 * cipher.size(); ++bit) {
      const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
      flipped[begin + bit / 8] ^= mask;
      ASSERT_FALSE(succeeded(door_.offer(flipped).verdict.status)) << bit;
      flipped[begin + bit / 8] ^= mask;
    }
  }
  EXPECT_EQ(door_.offer(token).verdict.status, Status::kEstablished);
}

TEST_P(KerberosEtypes, AReplayIsOne) {
  if (GetParam().expected != Status::kEstablished) {
    return;
  }
  const mint::Ticket held = ticket();
  const Octets token = mint::gss_token(ap_req(held).message);
  EXPECT_EQ(door_.offer(token).verdict.status, Status::kEstablished);
  EXPECT_EQ(door_.offer(token).verdict.status, Status::kReplay);
  EXPECT_EQ(door_.offer(mint::gss_token(ap_req(held).message)).verdict.status,
            Status::kEstablished);
}

INSTANTIATE_TEST_SUITE_P(Table, KerberosEtypes, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// What the clear part of a ticket says of its etype, whatever it is sealed with.
TEST(KerberosTicketEtype, ThatIsNotServedIsRefusedByAnyPolicy) {
  Door door;
  door.credential.policy.allow_rc4 = door.credential.policy.allow_weaker_keys = true;
  for (const std::int32_t etype : {INT32_MIN, -128, -1, 0, 1, 2, 3, 5, 16, 24, 25, 26, 65553}) {
    mint::TicketFields fields = door.ticket_fields();
    fields.sealing.etype = etype;
    const mint::Ticket ticket = door.client.ticket(door.services[0], fields);
    const auto request = door.client.ap_req(ticket, door.authenticator_fields());
    EXPECT_EQ(text_of(door.offer(mint::gss_token(request.message)).verdict.status),
              text_of(Status::kTicketEtype))
        << etype;
  }
  EXPECT_EQ(door.offer(door.kerberos_token()).verdict.status, Status::kEstablished);
}

// Attack C15: another etype's label on a ciphertext, with or without a key of that etype's size.
TEST(KerberosTicketEtype, ThatIsAnotherOneOpensNothing) {
  Door door;
  door.credential.policy.allow_rc4 = door.credential.policy.allow_weaker_keys = true;
  for (const mint::Service& service : door.services) {
    for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
      if (service.name.components[1] != "web.example.test") {
        continue;
      }
      mint::TicketFields fields = door.ticket_fields();
      fields.sealing.etype = etype;
      const mint::Ticket ticket = door.client.ticket(service, fields);
      const auto request = door.client.ap_req(ticket, door.authenticator_fields());
      const auth::AcceptReply result = door.offer(mint::gss_token(request.message));
      EXPECT_EQ(text_of(result.verdict.status),
                text_of(etype == service.etype ? Status::kEstablished : Status::kTicketKey))
          << service.etype << " as " << etype;
      door.end(result.context);
    }
  }
}

}  // namespace
}  // namespace usher
