// engine/crypto: tickets and authenticators that real clients sent open with the keytab they were
// made for, and say what their parsers understand.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/crypto/ticket_batch.h"
#include "parsers/gss.h"
#include "parsers/krb5.h"
#include "parsers/spnego.h"
#include "tests/crypto/recorded.h"

namespace usher::crypto {
namespace {

using testing::Octets;

struct RecordedCase {
  const char* name;
  const char* token;
  const char* keytab;
  const char* client;
};

constexpr std::array kRecorded = {
    RecordedCase{"AdRaw", "ad/aes256-krb5.hex", "ad/web.keytab", "alice"},
    RecordedCase{"AdDceStyle", "ad/aes256-krb5-dce.hex", "ad/web.keytab", "alice"},
    RecordedCase{"AdDelegating", "ad/aes256-krb5-deleg.hex", "ad/web.keytab", "alice"},
    RecordedCase{"AdSpnego", "ad/aes256-spnego.hex", "ad/web.keytab", "alice"},
    RecordedCase{"AdBindings", "ad/aes256-spnego-cb.hex", "ad/web.keytab", "alice"},
    RecordedCase{"MitRaw", "mit/aes256-cts-krb5.hex", "mit/sha2.keytab", "alice"},
    RecordedCase{"MitBindings", "mit/aes256-cts-krb5-cb.hex", "mit/sha2.keytab", "alice"},
    RecordedCase{"MitSpnego", "mit/aes256-cts-spnego.hex", "mit/sha2.keytab", "alice"},
    RecordedCase{"MitSha2Raw", "mit/aes128-sha2-krb5.hex", "mit/sha2.keytab", "alice"},
    RecordedCase{"MitSha2Spnego", "mit/aes128-sha2-spnego.hex", "mit/sha2.keytab", "alice"},
    RecordedCase{"MitRc4Raw", "mit/rc4-hmac-krb5.hex", "mit/sha2.keytab", "alice"},
    RecordedCase{"MitRc4Spnego", "mit/rc4-hmac-spnego.hex", "mit/sha2.keytab", "alice"},
};

// ap_req_of takes the framing off, whichever of the three kinds it is.
Bytes ap_req_of(Bytes token) {
  if (gss::kind_of(token) == gss::TokenKind::kApReq) {
    return token;
  }
  if (const auto init = spnego::parse_neg_token_init(token); init.ok()) {
    token = init->mech_token;
  }
  const auto framed = gss::parse_initial_token(token);
  const auto kerberos = framed.ok() ? gss::parse_kerberos_token(framed->inner)
                                    : Result<gss::KerberosToken>(framed.fault());
  return kerberos.ok() ? kerberos->message : Bytes{};
}

class RecordedTicket : public ::testing::TestWithParam<RecordedCase> {
 protected:
  void SetUp() override {
    ASSERT_NE(lanes_, nullptr);
    KeyRing::Loaded loaded = KeyRing::load_keytab(*kit_, testing::data_path(GetParam().keytab));
    ring_ = std::move(loaded.ring);
    ASSERT_NE(ring_, nullptr) << loaded.error;
    const Result<krb5::ApReq> parsed = krb5::parse_ap_req(ap_req_of(token_));
    ASSERT_TRUE(parsed.ok());
    ap_req_ = *parsed;
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
  const std::unique_ptr<Lanes> lanes_ = Lanes::make(*kit_, LanesChoice::kAuto);
  const Octets token_ = testing::recorded_token(GetParam().token);
  std::unique_ptr<const KeyRing> ring_;
  krb5::ApReq ap_req_;
};

std::string first_component(const krb5::PrincipalName& name) {
  std::string text;
  krb5::each_component(name, [&](Bytes component) {
    if (text.empty()) {
      text.assign(component.begin(), component.end());
    }
  });
  return text;
}

TEST_P(RecordedTicket, OpensAndItsAuthenticatorToo) {
  const krb5::Ticket& ticket = ap_req_.ticket;
  const KeyRing::Found found =
      ring_->find(ticket.realm, ticket.sname.components, ticket.enc_part.etype,
                  ticket.enc_part.has_kvno, ticket.enc_part.kvno);
  ASSERT_NE(found.key, nullptr);
  EXPECT_EQ(found.key->kvno, ticket.enc_part.kvno);
  Octets room(opening_room(ticket.enc_part.cipher.size()));
  TicketJob job{.key = found.key, .cipher = ticket.enc_part.cipher, .room = room, .opened = {}};
  open_tickets(*lanes_, std::span(&job, 1));
  ASSERT_EQ(job.outcome, Outcome::kDone);
  const Result<krb5::EncTicketPart> part = krb5::parse_enc_ticket_part(job.opened);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(first_component(part->cname), GetParam().client);

  const EtypeProfile* const profile = profile_of(part->key.etype);
  ASSERT_NE(profile, nullptr);
  EXPECT_EQ(ap_req_.authenticator.etype, part->key.etype);
  Octets second_room(opening_room(ap_req_.authenticator.cipher.size()));
  SessionKeys keys;
  AuthenticatorJob second{.profile = profile,
                          .session_key = part->key.value,
                          .keys = &keys,
                          .cipher = ap_req_.authenticator.cipher,
                          .room = second_room,
                          .opened = {}};
  open_authenticators(*lanes_, std::span(&second, 1));
  ASSERT_EQ(second.outcome, Outcome::kDone);
  const Result<krb5::Authenticator> authenticator = krb5::parse_authenticator(second.opened);
  ASSERT_TRUE(authenticator.ok());
  EXPECT_EQ(first_component(authenticator->cname), GetParam().client);
  EXPECT_EQ(authenticator->checksum_type, gss::kGssChecksumType);

  Octets forged(ap_req_.authenticator.cipher.begin(), ap_req_.authenticator.cipher.end());
  forged[forged.size() / 2] ^= 0x10;
  second.cipher = forged;
  second.outcome = Outcome::kPending;
  open_authenticators(*lanes_, std::span(&second, 1));
  EXPECT_EQ(second.outcome, Outcome::kForged);
}

TEST_P(RecordedTicket, IsForgedWithOneBitChangedAnywhere) {
  const krb5::Ticket& ticket = ap_req_.ticket;
  const KeyRing::Found found =
      ring_->find(ticket.realm, ticket.sname.components, ticket.enc_part.etype, false, 0);
  ASSERT_NE(found.key, nullptr);
  Octets cipher(ticket.enc_part.cipher.begin(), ticket.enc_part.cipher.end());
  Octets room(opening_room(cipher.size()));
  for (std::size_t at = 0; at < cipher.size(); at += 11) {
    cipher[at] ^= 0x04;
    TicketJob job{.key = found.key, .cipher = cipher, .room = room, .opened = {}};
    open_tickets(*lanes_, std::span(&job, 1));
    EXPECT_EQ(job.outcome, Outcome::kForged) << at;
    cipher[at] ^= 0x04;
  }
  TicketJob job{.key = found.key, .cipher = cipher, .room = room, .opened = {}};
  open_tickets(*lanes_, std::span(&job, 1));
  EXPECT_EQ(job.outcome, Outcome::kDone);
}

INSTANTIATE_TEST_SUITE_P(Table, RecordedTicket, ::testing::ValuesIn(kRecorded),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace usher::crypto
