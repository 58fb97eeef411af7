// The mint's PACs are what a KDC would write: MIT krb5, as acceptor and as KDC, verifies their
// signatures and their client, and says no to each that the mint was told to spoil.
#include <gtest/gtest.h>
#include <krb5/krb5.h>

#include <cstdlib>
#include <string>

#include "parsers/krb5.h"
#include "tools/mint/pac_mint.h"

namespace usher::mint {
namespace {

constexpr std::int64_t kAuthTime = 1'790'000'000;
constexpr const char* kServiceName = "HTTP/web.example.test@EXAMPLE.TEST";

krb5_data data_of(Bytes bytes) {
  krb5_data data{};
  data.length = static_cast<unsigned>(bytes.size());
  data.data = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  return data;
}

// Etypes are those of the service's key and of the KDC's.
struct Etypes {
  std::int32_t service;
  std::int32_t krbtgt;
};

class PacMint : public ::testing::TestWithParam<Etypes> {
 protected:
  PacMint() {
    ::setenv("KRB5_CONFIG", "/dev/null", 1);
    EXPECT_EQ(krb5_init_context(&context_), 0);
    EXPECT_EQ(krb5_parse_name(context_, kServiceName, &server_), 0);
    EXPECT_EQ(krb5_parse_name(context_, "alice@EXAMPLE.TEST", &alice_), 0);
    ticket_.auth_time = kAuthTime;
    ticket_.end_time = kAuthTime + 36'000;
  }
  ~PacMint() override {
    krb5_free_principal(context_, server_);
    krb5_free_principal(context_, alice_);
    krb5_free_context(context_);
  }

  static krb5_keyblock key_of(Service& service) {
    krb5_keyblock key{};
    key.enctype = service.etype;
    key.length = static_cast<unsigned>(service.key.size());
    key.contents = service.key.data();
    return key;
  }

  // verify is krb5_pac_verify: both signatures and the client.
  krb5_error_code verify(Bytes octets) {
    krb5_pac pac = nullptr;
    krb5_error_code code = krb5_pac_parse(context_, octets.data(), octets.size(), &pac);
    if (code == 0) {
      const krb5_keyblock server = key_of(service_);
      const krb5_keyblock kdc = key_of(krbtgt_);
      code = krb5_pac_verify(context_, pac, krb5_timestamp(kAuthTime), alice_, &server, &kdc);
      krb5_pac_free(context_, pac);
    }
    return code;
  }

  // verify_as_kdc is krb5_kdc_verify_ticket: the ticket signature as well.
  krb5_error_code verify_as_kdc(const Ticket& sealed) {
    const krb5_data encoded = data_of(sealed.encoded);
    krb5_ticket* ticket = nullptr;
    krb5_keytab keytab = nullptr;
    krb5_keytab_entry entry{};
    entry.principal = server_;
    entry.vno = service_.kvno;
    entry.key = key_of(service_);
    EXPECT_EQ(krb5_decode_ticket(&encoded, &ticket), 0);
    EXPECT_EQ(krb5_kt_resolve(context_, "MEMORY:pac_mint", &keytab), 0);
    EXPECT_EQ(krb5_kt_add_entry(context_, keytab, &entry), 0);
    krb5_error_code code = krb5_server_decrypt_ticket_keytab(context_, keytab, ticket);
    EXPECT_EQ(code, 0);
    if (code == 0) {
      const krb5_keyblock server = key_of(service_);
      const krb5_keyblock kdc = key_of(krbtgt_);
      krb5_pac pac = nullptr;
      code = krb5_kdc_verify_ticket(context_, ticket->enc_part2, server_, &server, &kdc, &pac);
      EXPECT_EQ(code == 0, pac != nullptr);
      krb5_pac_free(context_, pac);
    }
    krb5_free_ticket(context_, ticket);
    krb5_kt_close(context_, keytab);  // A keytab in memory goes with its last user.
    return code;
  }

  Octets pac(const PacFields& fields) {
    ticket_.session_key = Octets(32, 7);
    return mint_pac(*kit_, service_, krbtgt_, ticket_, fields);
  }
  Ticket sealed(const PacFields& fields, void (*change)(TicketFields&) = nullptr) {
    TicketFields ticket = ticket_;
    add_pac(*kit_, random_, service_, krbtgt_, ticket, fields);
    if (change != nullptr) {
      change(ticket);
    }
    return KerberosMint(*kit_, random_).ticket(service_, ticket);
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  SeededRandom random_{11};
  Service service_ = make_service(random_, kServiceName, GetParam().service, 3);
  Service krbtgt_ = make_service(random_, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST", GetParam().krbtgt, 2);
  TicketFields ticket_;
  krb5_context context_ = nullptr;
  krb5_principal server_ = nullptr;
  krb5_principal alice_ = nullptr;
};

TEST_P(PacMint, MitVerifiesBothSignaturesAndTheClient) {
  EXPECT_EQ(verify(pac({})), 0);
  PacFields full;
  full.delegation_info = PacDelegationInfo{};
  full.more = {{13, Octets(40'000, 1)}, {17, make_attributes()}};
  EXPECT_EQ(verify(pac(full)), 0);
}

TEST_P(PacMint, MitVerifiesTheTicketSignatureAsAKdc) { EXPECT_EQ(verify_as_kdc(sealed({})), 0); }

TEST_P(PacMint, MitRefusesWhatIsSpoilt) {
  struct Row {
    const char* name;
    void (*spoil)(PacFields&);
  };
  const Row rows[] = {
      {"server key", [](PacFields& f) { f.server.make = [](Bytes) { return Octets(24, 1); }; }},
      {"server absent", [](PacFields& f) { f.server.absent = true; }},
      {"KDC key", [](PacFields& f) { f.kdc.make = [](Bytes) { return Octets(24, 1); }; }},
      {"KDC absent", [](PacFields& f) { f.kdc.absent = true; }},
      {"unkeyed",
       [](PacFields& f) {
         f.server.type = 7;
         f.server.size = 16;
       }},
      {"name", [](PacFields& f) { f.client_name = "bob"; }},
      {"time", [](PacFields& f) { f.client_time = kAuthTime + 1; }},
      {"no client", [](PacFields& f) { f.client_name.reset(); }},
  };
  for (const Row& row : rows) {
    PacFields fields;
    row.spoil(fields);
    EXPECT_NE(verify(pac(fields)), 0) << row.name;
  }
  PacFields unsigned_ticket;
  unsigned_ticket.ticket.absent = true;
  EXPECT_NE(verify_as_kdc(sealed(unsigned_ticket)), 0);
  PacFields wrong;
  wrong.ticket.make = [](Bytes) { return Octets(24, 1); };
  EXPECT_NE(verify_as_kdc(sealed(wrong)), 0);
  EXPECT_NE(verify_as_kdc(sealed({}, [](TicketFields& t) { t.flags ^= 0x40000000; })), 0)
      << "CVE-2020-17049";
}

INSTANTIATE_TEST_SUITE_P(Etypes, PacMint,
                         ::testing::Values(Etypes{18, 18}, Etypes{17, 18}, Etypes{18, 17},
                                           Etypes{20, 18}, Etypes{19, 20}, Etypes{23, 18}),
                         [](const auto& param_info) {
                           return "Service" + std::to_string(param_info.param.service) + "Krbtgt" +
                                  std::to_string(param_info.param.krbtgt);
                         });

}  // namespace
}  // namespace usher::mint
