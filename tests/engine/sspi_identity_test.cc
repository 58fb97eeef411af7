// usher_query_identity tells what a domain controller says of a client, once it is verified, in one
// allocation; and KdcKeytab decides how much of it was.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

class SspiIdentity : public SspiTest {
 protected:
  void TearDown() override {
    FreeContextBuffer(identity);
    if (SecIsValidHandle(&context)) {
      EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
    }
  }

  // token_with signs a PAC into a fresh ticket.
  Octets token_with(const mint::PacFields& fields) {
    mint::TicketFields ticket;
    ticket.auth_time = unix_now() - 60;
    ticket.end_time = unix_now() + 3600;
    mint::add_pac(*realm.kit, *realm.random, realm.service, realm.krbtgt, ticket, fields);
    return mint::spnego_token(realm.ap_req(realm.mint.ticket(realm.service, ticket)).message);
  }
  SECURITY_STATUS sign_on(CredHandle& with, Bytes token) {
    const Called leg = accept(with, token);
    context = leg.context;
    return leg.status;
  }
  SECURITY_STATUS query() {
    FreeContextBuffer(identity);
    return usher_query_identity(&context, &identity);
  }

  CtxtHandle context = no_handle();
  PUSHER_IDENTITY identity = nullptr;
};

TEST_F(SspiIdentity, TellsEverythingOfOne) {
  mint::PacFields fields;
  fields.logon_info->full_name = {"J\xfcrgen Example"};  // Latin-1, in UTF-16.
  fields.logon_info->extra_sids = {{mint::make_sid(18, {1})},
                                   {mint::make_sid(5, {21, 1, 2, 3, 512}), 0x20000007}};
  fields.logon_info->resource_group_domain_sid = mint::make_sid(5, {21, 4000, 5000, 6000});
  fields.logon_info->resource_groups = {{1200, 0x20000007}};
  fields.more = {{13, Octets(24, 1)}, {15, Octets(24, 1)}};
  fields.delegation_info = mint::PacDelegationInfo{};
  ASSERT_EQ(sign_on(credential.handle, token_with(fields)), SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(query(), SEC_E_OK) << usher_last_refusal();
  EXPECT_STREQ(identity->AccountName, "alice");
  EXPECT_STREQ(identity->FullName, "J\xc3\xbcrgen Example");
  EXPECT_STREQ(identity->DomainName, "EXAMPLE");
  EXPECT_STREQ(identity->DnsDomainName, "EXAMPLE.TEST");
  EXPECT_STREQ(identity->Upn, "alice@example.test");
  EXPECT_STREQ(identity->LogonServer, "DC1");
  EXPECT_STREQ(identity->UserSid, "S-1-5-21-1000-2000-3000-1103");
  EXPECT_STREQ(identity->PrimaryGroupSid, "S-1-5-21-1000-2000-3000-513");
  const std::vector<std::pair<std::string, std::uint32_t>> expected = {
      {"S-1-5-21-1000-2000-3000-513", 7},  {"S-1-5-21-1000-2000-3000-1104", 7},
      {"S-1-5-21-1000-2000-3000-1105", 7}, {"S-1-18-1", 7},
      {"S-1-5-21-1-2-3-512", 0x20000007},  {"S-1-5-21-4000-5000-6000-1200", 0x20000007}};
  std::vector<std::pair<std::string, std::uint32_t>> groups;
  for (std::uint32_t i = 0; i < identity->GroupCount; ++i) {
    groups.emplace_back(identity->Groups[i].Sid, identity->Groups[i].Attributes);
  }
  EXPECT_EQ(groups, expected);
  EXPECT_EQ(identity->UserFlags, 0x20u);
  EXPECT_EQ(identity->UserAccountControl, 0x10u);
  EXPECT_EQ(identity->Signatures, USHER_PAC_SERVER_SIGNATURE);
  EXPECT_EQ(identity->Contents, USHER_PAC_LOGON_INFO | USHER_PAC_CLIENT_CLAIMS |
                                    USHER_PAC_DEVICE_CLAIMS | USHER_PAC_DELEGATION_INFO);
  EXPECT_EQ(identity->LogonTime.QuadPart, 0x100000011);
  EXPECT_EQ(identity->KickOffTime.QuadPart, 0x300000013);
  EXPECT_EQ(identity->PasswordMustChange.QuadPart, 0x600000016);
}

TEST_F(SspiIdentity, IsShortWhereTheKdcSaysLittle) {
  mint::PacFields fields;  // As an MIT KDC writes it.
  fields.logon_info.reset();
  fields.upn_dns.reset();
  fields.requestor.clear();
  ASSERT_EQ(sign_on(credential.handle, token_with(fields)), SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(query(), SEC_E_OK);
  EXPECT_STREQ(identity->AccountName, "alice");
  EXPECT_STREQ(identity->UserSid, "");
  EXPECT_STREQ(identity->PrimaryGroupSid, "");
  EXPECT_STREQ(identity->Upn, "");
  EXPECT_EQ(identity->GroupCount, 0u);
  EXPECT_EQ(identity->Contents, 0u);
  SecPkgContext_UserFlags flags{17};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_USER_FLAGS, &flags),
            SEC_E_NO_IMPERSONATION);
  EXPECT_EQ(flags.UserFlags, 17u);
}

TEST_F(SspiIdentity, NeedsAPac) {
  ASSERT_EQ(sign_on(credential.handle, kerberos_token()), SEC_E_OK);
  EXPECT_EQ(query(), SEC_E_NO_IMPERSONATION);
  EXPECT_STREQ(usher_last_refusal(),
               "there is no PAC: no domain controller has told anything of this client");
  EXPECT_EQ(identity, nullptr);
  EXPECT_EQ(usher_query_identity(&context, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  Called leg = open_half();
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  ASSERT_EQ(leg.status, SEC_E_OK);
  context = leg.context;
  EXPECT_EQ(query(), SEC_E_NO_IMPERSONATION) << "NTLM has none";
  TimeStamp time{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_LOGOFF_TIME, &time),
            SEC_E_NO_IMPERSONATION);
}

// A C string would end at the NUL, and "root" be the account.
TEST_F(SspiIdentity, InventsNoNames) {
  mint::PacFields fields;
  fields.logon_info->effective_name = {std::string("root\0nobody", 11)};
  ASSERT_EQ(sign_on(credential.handle, token_with(fields)), SEC_E_OK);
  EXPECT_EQ(query(), SEC_E_INVALID_UPN_NAME);
  EXPECT_EQ(identity, nullptr);
}

TEST_F(SspiIdentity, AnswersTheAttributesOfSspi) {
  ASSERT_EQ(sign_on(credential.handle, token_with({})), SEC_E_OK);
  SecPkgContext_UserFlags flags{};
  EXPECT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_USER_FLAGS, &flags), SEC_E_OK);
  EXPECT_EQ(flags.UserFlags, 0x20u);
  SecPkgContext_PasswordExpiry expiry{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_PASSWORD_EXPIRY, &expiry), SEC_E_OK);
  EXPECT_EQ(expiry.tsPasswordExpires.QuadPart, 0x600000016);
  SecPkgContext_LogoffTime logoff{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_LOGOFF_TIME, &logoff), SEC_E_OK);
  EXPECT_EQ(logoff.tsLogoffTime.QuadPart, 0x200000012) << "the earlier of the two";
}

TEST_F(SspiIdentity, SaysWhichSignaturesWereVerified) {
  USHER_ACCEPTOR with = acceptor();
  const std::string kdc_keytab =
      folder.write("krbtgt.keytab", mint::keytab_image({&realm.krbtgt, 1}));
  with.KdcKeytab = kdc_keytab.c_str();
  OwnCredential knowing(with);
  ASSERT_EQ(knowing.status, SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(sign_on(knowing.handle, token_with({})), SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(query(), SEC_E_OK);
  EXPECT_EQ(identity->Signatures, USHER_PAC_SERVER_SIGNATURE | USHER_PAC_KDC_SIGNATURE |
                                      USHER_PAC_TICKET_SIGNATURE | USHER_PAC_FULL_SIGNATURE);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);

  // Whoever has only the service's key makes no such ticket.
  mint::PacFields silver;
  silver.kdc.signer = silver.ticket.signer = silver.full.signer = realm.service;
  EXPECT_EQ(sign_on(knowing.handle, token_with(silver)), SEC_E_MESSAGE_ALTERED);
  EXPECT_EQ(sign_on(credential.handle, token_with(silver)), SEC_E_OK)
      << "as far as the service's key can tell";
}

TEST_F(SspiIdentity, ReloadsTheKdcsKeys) {
  USHER_ACCEPTOR with = acceptor();
  const std::string kdc_keytab =
      folder.write("krbtgt.keytab", mint::keytab_image({&realm.krbtgt, 1}));
  with.KdcKeytab = kdc_keytab.c_str();
  OwnCredential knowing(with);
  ASSERT_EQ(knowing.status, SEC_E_OK) << usher_last_refusal();
  realm.krbtgt = mint::make_service(*realm.random, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST", 18, 2);
  EXPECT_EQ(sign_on(knowing.handle, token_with({})), SEC_E_MESSAGE_ALTERED);
  folder.write("krbtgt.keytab", mint::keytab_image({&realm.service, 1}));
  EXPECT_EQ(usher_reload(&knowing.handle), SEC_E_NO_CREDENTIALS) << "no krbtgt in it";
  EXPECT_EQ(sign_on(knowing.handle, token_with({})), SEC_E_MESSAGE_ALTERED) << "the old ones stay";
  folder.write("krbtgt.keytab", mint::keytab_image({&realm.krbtgt, 1}));
  ASSERT_EQ(usher_reload(&knowing.handle), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(sign_on(knowing.handle, token_with({})), SEC_E_OK) << usher_last_refusal();
}

TEST_F(SspiIdentity, OpensNoTicketWithTheKdcsKeys) {
  USHER_ACCEPTOR with = acceptor();
  const mint::Service both[] = {realm.krbtgt,
                                mint::make_service(*realm.random, "HTTP/other@EXAMPLE.TEST")};
  const std::string kdc_keytab = folder.write("krbtgt.keytab", mint::keytab_image(both));
  with.KdcKeytab = kdc_keytab.c_str();
  with.Policy = "kerberos.targets=any";
  OwnCredential knowing(with);
  ASSERT_EQ(knowing.status, SEC_E_OK) << usher_last_refusal();
  for (const mint::Service& service : both) {
    const Called leg =
        accept(knowing.handle, mint::spnego_token(realm.ap_req(realm.ticket(service)).message));
    EXPECT_LT(leg.status, 0);
  }
  EXPECT_EQ(sign_on(knowing.handle, token_with({})), SEC_E_OK) << "the positive twin";
}

TEST_F(SspiIdentity, RefusesAKdcKeytabThatCannotBeUsed) {
  USHER_ACCEPTOR with = acceptor();
  with.KdcKeytab = "/nonexistent/krbtgt.keytab";
  EXPECT_EQ(OwnCredential(with).status, SEC_E_NO_CREDENTIALS);
  with.KdcKeytab = keytab.c_str();
  const OwnCredential without_krbtgt(with);
  EXPECT_EQ(without_krbtgt.status, SEC_E_NO_CREDENTIALS);
  EXPECT_NE(std::string(usher_last_refusal()).find("holds no key of krbtgt"), std::string::npos);
  with.KdcKeytab = "";
  EXPECT_EQ(OwnCredential(with).status, SEC_E_OK) << "none";
}

}  // namespace
}  // namespace usher::testing
