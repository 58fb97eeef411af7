// AddCredentials: more keytabs, principals and accounts for a credential that is in use, what it
// refuses, and that usher_reload reads all of it again.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

bool refusal_says(const char* words) { return std::strstr(usher_last_refusal(), words) != nullptr; }

class SspiAddCredentials : public SspiTest {
 protected:
  void SetUp() override {
    SspiTest::SetUp();
    ftp_keytab = folder.write("ftp.keytab", mint::keytab_image({&ftp, 1}));
  }

  static SECURITY_STATUS add(CredHandle& to, void* auth_data, const char* principal = nullptr,
                             const char* package = NEGOSSP_NAME_A,
                             std::uint32_t use = SECPKG_CRED_INBOUND) {
    char* const name = const_cast<char*>(principal);
    return AddCredentialsA(&to, name, package, use, auth_data, nullptr, nullptr, nullptr);
  }
  static USHER_ACCEPTOR files(const char* keytab_file, const char* accounts_file = nullptr) {
    USHER_ACCEPTOR out{};
    out.Version = USHER_ACCEPTOR_VERSION;
    out.Size = sizeof(out);
    out.Keytab = keytab_file;
    out.Accounts = accounts_file;
    return out;
  }
  SECURITY_STATUS sign_on(CredHandle& with, const mint::Service& to) {
    Called leg = accept(with, mint::gss_token(realm.ap_req(realm.ticket(to)).message));
    DeleteSecurityContext(&leg.context);
    return leg.status;
  }
  SECURITY_STATUS sign_on_with_ntlm(CredHandle& with) {
    Called leg = accept(with, client.first());
    if (leg.status == SEC_I_CONTINUE_NEEDED) {
      leg = accept(with, client.second(leg.reply), &leg.context);
      DeleteSecurityContext(&leg.context);
    }
    return leg.status;
  }

  mint::Service ftp = mint::make_service(*realm.random, "ftp/web.example.test@EXAMPLE.TEST");
  std::string ftp_keytab;
};

TEST_F(SspiAddCredentials, AddKeysOfAnotherKeytab) {
  EXPECT_NE(sign_on(credential.handle, ftp), SEC_E_OK);
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  TimeStamp expiry{};
  ASSERT_EQ(AddCredentialsA(&credential.handle, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_BOTH, &more,
                            nullptr, nullptr, &expiry),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(expiry.QuadPart, SECURITY_TIME_NEVER);
  EXPECT_EQ(sign_on(credential.handle, ftp), SEC_E_OK);
  EXPECT_EQ(sign_on(credential.handle, realm.service), SEC_E_OK) << "and what was there stays";
  EXPECT_EQ(sign_on_with_ntlm(credential.handle), SEC_E_OK);
}

TEST_F(SspiAddCredentials, TakeUtf16) {
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  ASSERT_EQ(AddCredentialsW(&credential.handle, u"ftp/web.example.test", u"Kerberos",
                            SECPKG_CRED_INBOUND, &more, nullptr, nullptr, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(sign_on(credential.handle, ftp), SEC_E_OK);
  const char16_t half[] = {0xd800, 0};
  EXPECT_EQ(AddCredentialsW(&credential.handle, half, u"Kerberos", SECPKG_CRED_INBOUND, &more,
                            nullptr, nullptr, nullptr),
            SEC_E_UNKNOWN_CREDENTIALS);
}

TEST_F(SspiAddCredentials, StayThroughReloads) {
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  ASSERT_EQ(add(credential.handle, &more), SEC_E_OK);
  ASSERT_EQ(usher_reload(&credential.handle), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(sign_on(credential.handle, ftp), SEC_E_OK);
  const mint::Service other =
      mint::make_service(*realm.random, "ftp/web.example.test@EXAMPLE.TEST");
  folder.write("ftp.keytab", mint::keytab_image({&other, 1}));
  ASSERT_EQ(usher_reload(&credential.handle), SEC_E_OK) << usher_last_refusal();
  EXPECT_NE(sign_on(credential.handle, ftp), SEC_E_OK) << "its keys were replaced";
  EXPECT_EQ(sign_on(credential.handle, other), SEC_E_OK);
  EXPECT_EQ(sign_on(credential.handle, realm.service), SEC_E_OK);
  folder.write("ftp.keytab", "no keytab");
  EXPECT_EQ(usher_reload(&credential.handle), SEC_E_NO_CREDENTIALS);
  EXPECT_TRUE(refusal_says("ftp.keytab")) << usher_last_refusal();
  EXPECT_EQ(sign_on(credential.handle, other), SEC_E_OK) << "what was in force stays";
}

TEST_F(SspiAddCredentials, NameOneMoreServiceWhereServicesAreNamed) {
  USHER_ACCEPTOR with = acceptor();
  CredHandle named{};
  ASSERT_EQ(AcquireCredentialsHandleA("HTTP/web.example.test", NEGOSSP_NAME_A, SECPKG_CRED_INBOUND,
                                      nullptr, &with, nullptr, nullptr, &named, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  ASSERT_EQ(add(named, &more), SEC_E_OK);
  EXPECT_NE(sign_on(named, ftp), SEC_E_OK) << "the key is there, its service is not accepted";
  EXPECT_EQ(add(named, nullptr, "ftp/nobody"), SEC_E_NO_CREDENTIALS);
  EXPECT_TRUE(refusal_says("ftp/nobody")) << usher_last_refusal();
  ASSERT_EQ(add(named, nullptr, "ftp/web.example.test"), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(sign_on(named, ftp), SEC_E_OK);
  EXPECT_EQ(sign_on(named, realm.service), SEC_E_OK);
  EXPECT_EQ(FreeCredentialsHandle(&named), SEC_E_OK);
}

TEST_F(SspiAddCredentials, AddAccountsWhereThereAreNone) {
  USHER_ACCEPTOR with = acceptor();
  with.Accounts = nullptr;
  OwnCredential own(with);
  ASSERT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_NE(sign_on_with_ntlm(own.handle), SEC_E_OK);
  USHER_ACCEPTOR more = files(nullptr, accounts.c_str());
  ASSERT_EQ(add(own.handle, &more, nullptr, NTLMSP_NAME_A), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(sign_on_with_ntlm(own.handle), SEC_E_OK);
  EXPECT_EQ(add(own.handle, &more), SEC_E_INVALID_PARAMETER) << "it has some now";
}

// The system's keytab may be missing where there is something else to accept with, and may come.
TEST_F(SspiAddCredentials, DoWithoutTheSystemsKeytabAsLongAsItIsMissing) {
  ::setenv("KRB5_KTNAME", "/nonexistent/system.keytab", 1);
  USHER_ACCEPTOR with = acceptor();
  with.Keytab = nullptr;
  OwnCredential own(with);
  ASSERT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  ASSERT_EQ(add(own.handle, &more), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(sign_on(own.handle, ftp), SEC_E_OK);
  EXPECT_EQ(usher_reload(&own.handle), SEC_E_OK) << "still missing: " << usher_last_refusal();
  ::setenv("KRB5_KTNAME", keytab.c_str(), 1);
  EXPECT_EQ(usher_reload(&own.handle), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(sign_on(own.handle, realm.service), SEC_E_OK);
  ::setenv("KRB5_KTNAME", "/nonexistent/system.keytab", 1);
  EXPECT_EQ(usher_reload(&own.handle), SEC_E_NO_CREDENTIALS) << "it was there, so it is missed";
  EXPECT_EQ(sign_on(own.handle, realm.service), SEC_E_OK);
  ::unsetenv("KRB5_KTNAME");
}

TEST_F(SspiAddCredentials, RefuseWhatIsNotTheirs) {
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  EXPECT_EQ(add(credential.handle, &more, nullptr, "Digest"), SEC_E_SECPKG_NOT_FOUND);
  EXPECT_EQ(add(credential.handle, &more, nullptr, nullptr), SEC_E_SECPKG_NOT_FOUND);
  EXPECT_EQ(add(credential.handle, &more, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_OUTBOUND),
            SEC_E_UNSUPPORTED_FUNCTION);
  const SEC_GET_KEY_FN get_key = [](void*, void*, std::uint32_t, void**, SECURITY_STATUS*) {};
  EXPECT_EQ(AddCredentialsA(&credential.handle, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, &more,
                            get_key, nullptr, nullptr),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(add(credential.handle, nullptr), SEC_E_INVALID_PARAMETER) << "nothing to add";
  USHER_ACCEPTOR empty = files(nullptr);
  EXPECT_EQ(add(credential.handle, &empty), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(add(credential.handle, &more, nullptr, NTLMSP_NAME_A), SEC_E_INVALID_PARAMETER);
  OwnCredential kerberos(acceptor(), MICROSOFT_KERBEROS_NAME_A);
  EXPECT_EQ(add(kerberos.handle, &more, nullptr, NTLMSP_NAME_A), SEC_E_SECPKG_NOT_FOUND);
  USHER_ACCEPTOR with_accounts = files(nullptr, accounts.c_str());
  EXPECT_EQ(add(kerberos.handle, &with_accounts, nullptr, MICROSOFT_KERBEROS_NAME_A),
            SEC_E_INVALID_PARAMETER);
  USHER_ACCEPTOR policy = more;
  policy.Policy = "kerberos.skew=1";
  EXPECT_EQ(add(credential.handle, &policy), SEC_E_INVALID_PARAMETER);
  USHER_ACCEPTOR size = more;
  size.Size = 8;
  EXPECT_EQ(add(credential.handle, &size), SEC_E_INVALID_PARAMETER);
  SEC_WINNT_AUTH_IDENTITY_EXA identity{};
  identity.Version = SEC_WINNT_AUTH_IDENTITY_VERSION;
  identity.Length = sizeof(identity);
  EXPECT_EQ(add(credential.handle, &identity), SEC_E_UNKNOWN_CREDENTIALS);
  USHER_ACCEPTOR missing = files("/nonexistent/more.keytab");
  EXPECT_EQ(add(credential.handle, &missing), SEC_E_NO_CREDENTIALS);
  EXPECT_TRUE(refusal_says("/nonexistent/more.keytab")) << usher_last_refusal();
  EXPECT_NE(sign_on(credential.handle, ftp), SEC_E_OK) << "nothing was added";
  EXPECT_EQ(sign_on(credential.handle, realm.service), SEC_E_OK);
  EXPECT_EQ(usher_reload(&credential.handle), SEC_E_OK) << usher_last_refusal();
}

TEST_F(SspiAddCredentials, TakeSixteenFilesAndNoMore) {
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  for (int n = 1; n < 16; ++n) {
    ASSERT_EQ(add(credential.handle, &more), SEC_E_OK) << n << usher_last_refusal();
  }
  EXPECT_EQ(add(credential.handle, &more), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(sign_on(credential.handle, ftp), SEC_E_OK) << "its key is there fifteen times";
}

TEST_F(SspiAddCredentials, RefuseHandlesThatAreNone) {
  USHER_ACCEPTOR more = files(ftp_keytab.c_str());
  CredHandle stale{};
  {
    OwnCredential gone(acceptor());
    stale = gone.handle;
  }
  EXPECT_EQ(add(stale, &more), SEC_E_INVALID_HANDLE);
  Called half = open_half();
  EXPECT_EQ(add(half.context, &more), SEC_E_INVALID_HANDLE) << "a context is no credential";
  EXPECT_EQ(DeleteSecurityContext(&half.context), SEC_E_OK);
  EXPECT_EQ(AddCredentialsA(nullptr, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, &more, nullptr,
                            nullptr, nullptr),
            SEC_E_INVALID_HANDLE);
}

}  // namespace
}  // namespace usher::testing
