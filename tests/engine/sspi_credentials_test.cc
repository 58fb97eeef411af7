// AcquireCredentialsHandle takes what it understands, refuses the rest with a reason, and
// usher_reload replaces keys without a gap.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

SECURITY_STATUS acquire(void* auth_data, const char* package = NEGOSSP_NAME_A,
                        std::uint32_t use = SECPKG_CRED_INBOUND, const char* principal = nullptr) {
  CredHandle handle;
  const SECURITY_STATUS status = AcquireCredentialsHandleA(
      principal, package, use, nullptr, auth_data, nullptr, nullptr, &handle, nullptr);
  if (status == SEC_E_OK) {
    EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK);
  } else {
    EXPECT_FALSE(SecIsValidHandle(&handle));
  }
  return status;
}

bool refusal_says(const char* words) { return std::strstr(usher_last_refusal(), words) != nullptr; }

class SspiCredentials : public SspiTest {
 protected:
  // serves says which mechanisms a credential accepts a first token of.
  struct Served {
    bool kerberos = false;
    bool ntlm = false;
    friend bool operator==(const Served&, const Served&) = default;
  };
  Served serves(CredHandle& handle) {
    Called kerberos = accept(handle, mint::gss_token(realm.ap_req(realm.ticket()).message));
    Called ntlm = accept(handle, client.first());
    DeleteSecurityContext(&kerberos.context);
    DeleteSecurityContext(&ntlm.context);
    return {kerberos.status == SEC_E_OK, ntlm.status == SEC_I_CONTINUE_NEEDED};
  }
};

TEST_F(SspiCredentials, ServeThePackageTheyAreFor) {
  OwnCredential kerberos(acceptor(), "kerberos");
  OwnCredential ntlm(acceptor(), "Ntlm");
  ASSERT_EQ(kerberos.status, SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(ntlm.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(serves(kerberos.handle), (Served{true, false}));
  EXPECT_EQ(serves(ntlm.handle), (Served{false, true}));
  EXPECT_EQ(serves(credential.handle), (Served{true, true}));
}

TEST_F(SspiCredentials, FollowThePackageList) {
  struct Case {
    const char* list;
    Served served;
  };
  for (const Case& c : {Case{"!ntlm", {true, false}}, Case{"!Kerberos", {false, true}},
                        Case{"kerberos,!ntlm", {true, false}}, Case{"NTLM", {false, true}},
                        Case{" kerberos , ntlm ", {true, true}}, Case{"negotiate", {true, true}},
                        Case{"!pku2u", {true, true}}, Case{"", {true, true}}}) {
    USHER_ACCEPTOR with = acceptor();
    with.PackageList = c.list;
    OwnCredential own(with);
    ASSERT_EQ(own.status, SEC_E_OK) << c.list << ": " << usher_last_refusal();
    EXPECT_EQ(serves(own.handle), c.served) << c.list;
  }
  USHER_ACCEPTOR with = acceptor();
  with.PackageList = "kerbros";
  EXPECT_EQ(acquire(&with), SEC_E_SECPKG_NOT_FOUND);
  EXPECT_TRUE(refusal_says("kerbros")) << usher_last_refusal();
  with.PackageList = "!ntlm,!kerberos";
  EXPECT_EQ(acquire(&with), SEC_E_NO_CREDENTIALS);
}

TEST_F(SspiCredentials, AreForAccepting) {
  USHER_ACCEPTOR with = acceptor();
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND), SEC_E_OK);
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, SECPKG_CRED_BOTH), SEC_E_OK);
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, SECPKG_CRED_OUTBOUND), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, 0), SEC_E_UNSUPPORTED_FUNCTION);
}

TEST_F(SspiCredentials, RefuseWhatWouldBeIgnored) {
  USHER_ACCEPTOR with = acceptor();
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, ""), SEC_E_OK);
  CredHandle handle;
  int logon = 0;
  EXPECT_EQ(AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, &logon, &with,
                                      nullptr, nullptr, &handle, nullptr),
            SEC_E_UNSUPPORTED_FUNCTION);
  const SEC_GET_KEY_FN key = [](void*, void*, std::uint32_t, void**, SECURITY_STATUS*) {};
  EXPECT_EQ(AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr, &with,
                                      key, nullptr, &handle, nullptr),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr, &with,
                                      nullptr, nullptr, nullptr, nullptr),
            SEC_E_INVALID_PARAMETER);
}

TEST_F(SspiCredentials, AreForOnePrincipalIfOneIsNamed) {
  const mint::Service other =
      mint::make_service(*realm.random, "cifs/web.example.test@EXAMPLE.TEST");
  const std::array services = {realm.service, other};
  const std::string both = folder.write("both.keytab", mint::keytab_image(services));
  USHER_ACCEPTOR with = acceptor();
  with.Keytab = both.c_str();
  const auto status_for = [&](CredHandle& handle, const mint::Service& service) {
    Called leg = accept(handle, mint::gss_token(realm.ap_req(realm.ticket(service)).message));
    DeleteSecurityContext(&leg.context);
    return leg.status;
  };
  for (const char* name : {"HTTP/web.example.test", "HTTP/web.example.test@EXAMPLE.TEST",
                           "http/WEB.example.test@example.test"}) {
    CredHandle handle;
    ASSERT_EQ(AcquireCredentialsHandleA(name, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr, &with,
                                        nullptr, nullptr, &handle, nullptr),
              SEC_E_OK)
        << name << ": " << usher_last_refusal();
    EXPECT_EQ(status_for(handle, realm.service), SEC_E_OK) << name;
    EXPECT_EQ(status_for(handle, other), SEC_E_WRONG_PRINCIPAL) << name;
    // At the next reload the key is gone: the credential stays what it was.
    folder.write("both.keytab", mint::keytab_image({&other, 1}));
    EXPECT_EQ(usher_reload(&handle), SEC_E_NO_CREDENTIALS);
    EXPECT_EQ(status_for(handle, realm.service), SEC_E_OK);
    folder.write("both.keytab", mint::keytab_image(services));
    EXPECT_EQ(usher_reload(&handle), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK);
  }
  OwnCredential everybody(with);
  EXPECT_EQ(status_for(everybody.handle, other), SEC_E_OK) << "the positive twin";

  const SEC_WCHAR wide[] = {'c', 'i', 'f', 's', '/', 'w', 'e', 'b', '.', 'e', 'x',
                            'a', 'm', 'p', 'l', 'e', '.', 't', 'e', 's', 't', 0};
  CredHandle handle;
  SEC_WCHAR package[] = {'K', 'e', 'r', 'b', 'e', 'r', 'o', 's', 0};
  ASSERT_EQ(AcquireCredentialsHandleW(wide, package, SECPKG_CRED_INBOUND, nullptr, &with, nullptr,
                                      nullptr, &handle, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(status_for(handle, other), SEC_E_OK);
  EXPECT_EQ(status_for(handle, realm.service), SEC_E_WRONG_PRINCIPAL);
  EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK);
  const SEC_WCHAR lone_surrogate[] = {0xd800, 0};
  EXPECT_EQ(AcquireCredentialsHandleW(lone_surrogate, package, SECPKG_CRED_INBOUND, nullptr, &with,
                                      nullptr, nullptr, &handle, nullptr),
            SEC_E_UNKNOWN_CREDENTIALS);
}

TEST_F(SspiCredentials, ForAPrincipalNeedItsKey) {
  USHER_ACCEPTOR with = acceptor();
  const char* const service = "HTTP/web.example.test";
  const std::uint32_t use = SECPKG_CRED_INBOUND;
  for (const char* name : {"HTTP/web", "HTTP/web.example.test@OTHER.TEST", "web.example.test"}) {
    EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, use, name), SEC_E_NO_CREDENTIALS) << name;
    EXPECT_TRUE(refusal_says(name)) << usher_last_refusal();
  }
  EXPECT_EQ(acquire(&with, NTLMSP_NAME_A, use, service), SEC_E_UNKNOWN_CREDENTIALS);
  with.PackageList = "!kerberos";
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, use, service), SEC_E_UNKNOWN_CREDENTIALS);
  with.PackageList = nullptr;
  for (const char* policy : {"kerberos.targets=any", "kerberos.targets=HTTP/web.example.test"}) {
    with.Policy = policy;
    EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, use, service), SEC_E_INVALID_PARAMETER) << policy;
  }
  with.Policy = "kerberos.targets=keytab";
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, use, service), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A, use, ""), SEC_E_OK) << usher_last_refusal();
}

TEST_F(SspiCredentials, NeedAPackageThatExists) {
  USHER_ACCEPTOR with = acceptor();
  for (const char* name : {"Schannel", "", "Negotiat", "Negotiate2"}) {
    EXPECT_EQ(acquire(&with, name), SEC_E_SECPKG_NOT_FOUND) << name;
  }
  EXPECT_EQ(acquire(&with, nullptr), SEC_E_SECPKG_NOT_FOUND);
  EXPECT_EQ(acquire(&with, "NEGOTIATE"), SEC_E_OK);
}

TEST_F(SspiCredentials, NeedTheFilesThatAreNamed) {
  USHER_ACCEPTOR with = acceptor();
  with.Keytab = "/nonexistent/service.keytab";
  EXPECT_EQ(acquire(&with), SEC_E_NO_CREDENTIALS);
  EXPECT_TRUE(refusal_says("/nonexistent/service.keytab")) << usher_last_refusal();
  with = acceptor();
  with.Accounts = "/nonexistent/accounts";
  EXPECT_EQ(acquire(&with), SEC_E_NO_CREDENTIALS);
  EXPECT_TRUE(refusal_says("/nonexistent/accounts")) << usher_last_refusal();
  with = acceptor();
  with.Accounts = nullptr;
  EXPECT_EQ(acquire(&with, NTLMSP_NAME_A), SEC_E_NO_CREDENTIALS);
  EXPECT_EQ(acquire(&with, NEGOSSP_NAME_A), SEC_E_OK) << "Kerberos alone";
}

TEST_F(SspiCredentials, FallBackOnTheSystemsKeytab) {
  ::setenv("KRB5_KTNAME", "/nonexistent/system.keytab", 1);
  USHER_ACCEPTOR with = acceptor();
  with.Keytab = nullptr;
  {
    OwnCredential own(with);
    ASSERT_EQ(own.status, SEC_E_OK) << "NTLM can be served: " << usher_last_refusal();
    EXPECT_EQ(serves(own.handle), (Served{false, true}));
  }
  EXPECT_EQ(acquire(&with, MICROSOFT_KERBEROS_NAME_A), SEC_E_NO_CREDENTIALS);
  EXPECT_EQ(acquire(nullptr), SEC_E_NO_CREDENTIALS);
  ::setenv("KRB5_KTNAME", keytab.c_str(), 1);
  OwnCredential own(with);
  ASSERT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(serves(own.handle), (Served{true, true}));
  EXPECT_EQ(acquire(nullptr), SEC_E_OK) << usher_last_refusal();
  ::setenv("KRB5_KTNAME", "/nonexistent/system.keytab", 1);
  EXPECT_EQ(usher_reload(&own.handle), SEC_E_NO_CREDENTIALS) << "it was there, so it is missed";
  EXPECT_EQ(serves(own.handle), (Served{true, true})) << "and what was in force stays";
  ::setenv("KRB5_KTNAME", keytab.c_str(), 1);
  EXPECT_EQ(usher_reload(&own.handle), SEC_E_OK) << usher_last_refusal();
  ::unsetenv("KRB5_KTNAME");
}

TEST_F(SspiCredentials, TakePolicies) {
  USHER_ACCEPTOR with = acceptor();
  with.Policy = "kerberos.skew=600, ntlm.mic = always";
  {
    OwnCredential own(with);
    ASSERT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
    client.fields.mic = false;
    Called leg = accept(own.handle, client.first());
    EXPECT_EQ(accept(own.handle, client.second(leg.reply), &leg.context).status,
              SEC_E_MESSAGE_ALTERED);
    leg = open_half();
    leg = accept(credential.handle, client.second(leg.reply), &leg.context);
    EXPECT_EQ(leg.status, SEC_E_OK) << "without the policy: " << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  }
  for (const char* wrong : {"kerberos.skew", "kerberos.skew=x", "no.such=1", "ntlm.mic=never"}) {
    with.Policy = wrong;
    EXPECT_EQ(acquire(&with), SEC_E_INVALID_PARAMETER) << wrong;
    EXPECT_TRUE(refusal_says(wrong)) << usher_last_refusal();
  }
  with.Policy = "kerberos.skew=5000";
  EXPECT_EQ(acquire(&with), SEC_E_INVALID_PARAMETER);
  EXPECT_TRUE(refusal_says("ClockSkewSecondsMax")) << usher_last_refusal();
}

TEST_F(SspiCredentials, NameTheServerToNtlmClients) {
  USHER_ACCEPTOR with = acceptor();
  with.NetbiosDomain = "WONDERLAND";
  with.DnsComputer = "rabbit.wonderland.example";
  OwnCredential own(with);
  ASSERT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
  Called leg = accept(own.handle, client.first());
  const Result<ntlm::Challenge> challenge = ntlm::parse_challenge(leg.reply);
  ASSERT_TRUE(challenge.ok());
  const std::string info(challenge->target_info.begin(), challenge->target_info.end());
  const auto wide = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      out += {c, '\0'};
    }
    return out;
  };
  EXPECT_NE(info.find(wide("WONDERLAND")), std::string::npos);
  EXPECT_NE(info.find(wide("rabbit.wonderland.example")), std::string::npos);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiCredentials, RefuseServerNamesThatNoChallengeHolds) {
  USHER_ACCEPTOR with = acceptor();
  with.NetbiosDomain = "A-NAME-TOO-LONG-";
  EXPECT_EQ(acquire(&with), SEC_E_INVALID_PARAMETER);
  with.NetbiosDomain = "A-NAME-THAT-FIT";
  EXPECT_EQ(acquire(&with), SEC_E_OK) << usher_last_refusal();
  with.DnsComputer = "\xff";
  EXPECT_EQ(acquire(&with), SEC_E_INVALID_PARAMETER);

  // The longest that is taken must really fit.
  std::size_t longest = 0;
  with.NetbiosComputer = "A-NAME-THAT-FIT";
  with.DnsDomain = "d";
  for (std::size_t size = 100; size < 200; ++size) {
    const std::string name(size, 'x');
    with.DnsComputer = name.c_str();
    OwnCredential own(with);
    if (own.status != SEC_E_OK) {
      break;
    }
    longest = size;
    Called leg = accept(own.handle, client.first());
    EXPECT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << size << ": " << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  }
  EXPECT_GE(longest, 120u);
  EXPECT_LT(longest, 199u) << "a limit was reached";
}

TEST_F(SspiCredentials, TellAcceptorStructuresApart) {
  USHER_ACCEPTOR with = acceptor();
  EXPECT_EQ(acquire(&with), SEC_E_OK);
  with.Size -= 8;
  EXPECT_EQ(acquire(&with), SEC_E_INVALID_PARAMETER);
  struct Later {
    USHER_ACCEPTOR known;
    const char* unknown = nullptr;
  } later{acceptor()};
  later.known.Size = sizeof(later);
  EXPECT_EQ(acquire(&later), SEC_E_OK)
      << "what we do not know is not set: " << usher_last_refusal();
  later.unknown = "x";
  EXPECT_EQ(acquire(&later), SEC_E_INVALID_PARAMETER);
  with = acceptor();
  with.Version = 0;
  EXPECT_EQ(acquire(&with), SEC_E_UNKNOWN_CREDENTIALS);
}

TEST_F(SspiCredentials, TakeThePackageListOfAnIdentity) {
  ::setenv("KRB5_KTNAME", keytab.c_str(), 1);
  unsigned char list[] = "!ntlm";
  unsigned short wide_list[] = {'k', 'e', 'r', 'b', 'e', 'r', 'o', 's'};
  unsigned char user[] = "svc";
  SEC_WINNT_AUTH_IDENTITY_EXA identity{};
  identity.Version = SEC_WINNT_AUTH_IDENTITY_VERSION;
  identity.Length = sizeof(identity);
  identity.Flags = SEC_WINNT_AUTH_IDENTITY_ANSI;
  identity.PackageList = list;
  identity.PackageListLength = 5;
  EXPECT_EQ(acquire(&identity), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(acquire(&identity, NTLMSP_NAME_A), SEC_E_NO_CREDENTIALS);
  identity.User = user;
  identity.UserLength = 3;
  EXPECT_EQ(acquire(&identity), SEC_E_UNKNOWN_CREDENTIALS);
  SEC_WINNT_AUTH_IDENTITY_EXW wide{};
  wide.Version = SEC_WINNT_AUTH_IDENTITY_VERSION;
  wide.Length = sizeof(wide);
  wide.Flags = SEC_WINNT_AUTH_IDENTITY_UNICODE;
  wide.PackageList = wide_list;
  wide.PackageListLength = 8;
  CredHandle handle;
  ASSERT_EQ(AcquireCredentialsHandleW(u"", NEGOSSP_NAME_W, SECPKG_CRED_INBOUND, nullptr, &wide,
                                      nullptr, nullptr, &handle, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(serves(handle), (Served{true, false}));
  EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK);
  EXPECT_EQ(AcquireCredentialsHandleW(u"HTTP/web", NEGOSSP_NAME_W, SECPKG_CRED_INBOUND, nullptr,
                                      &wide, nullptr, nullptr, &handle, nullptr),
            SEC_E_NO_CREDENTIALS)
      << "the keytab has no such key";
  ::unsetenv("KRB5_KTNAME");
}

TEST_F(SspiCredentials, NeverExpireByThemselves) {
  CredHandle handle;
  TimeStamp expiry{};
  USHER_ACCEPTOR with = acceptor();
  ASSERT_EQ(AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr, &with,
                                      nullptr, nullptr, &handle, &expiry),
            SEC_E_OK);
  EXPECT_EQ(expiry.QuadPart, SECURITY_TIME_NEVER);
  EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK);
  EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(FreeCredentialsHandle(nullptr), SEC_E_INVALID_HANDLE);
}

TEST_F(SspiCredentials, RunOutAndComeBack) {
  USHER_ACCEPTOR with = acceptor();
  std::vector<CredHandle> handles;
  CredHandle handle;
  SECURITY_STATUS status = SEC_E_OK;
  while (status == SEC_E_OK && handles.size() < 1000) {
    status = AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr, &with,
                                       nullptr, nullptr, &handle, nullptr);
    if (status == SEC_E_OK) {
      handles.push_back(handle);
    }
  }
  EXPECT_EQ(status, SEC_E_INSUFFICIENT_MEMORY);
  EXPECT_EQ(handles.size(), kCredentialCountMax - 1) << "the fixture has one";
  EXPECT_EQ(FreeCredentialsHandle(&handles.back()), SEC_E_OK);
  handles.pop_back();
  EXPECT_EQ(acquire(&with), SEC_E_OK);
  for (CredHandle& each : handles) {
    EXPECT_EQ(FreeCredentialsHandle(&each), SEC_E_OK);
  }
}

TEST_F(SspiCredentials, ReloadTheirKeysAndAccounts) {
  const mint::Service old_service = realm.service;
  const mint::Service new_service =
      mint::make_service(*realm.random, "HTTP/web.example.test@EXAMPLE.TEST", 18, 2);
  const auto status_of = [&](const mint::Service& service) {
    Called leg =
        accept(credential.handle, mint::gss_token(realm.ap_req(realm.ticket(service)).message));
    DeleteSecurityContext(&leg.context);
    return leg.status;
  };
  EXPECT_EQ(status_of(old_service), SEC_E_OK);
  EXPECT_NE(status_of(new_service), SEC_E_OK);

  folder.write("service.keytab", "no keytab");
  EXPECT_EQ(usher_reload(&credential.handle), SEC_E_NO_CREDENTIALS);
  EXPECT_TRUE(refusal_says("service.keytab")) << usher_last_refusal();
  EXPECT_EQ(status_of(old_service), SEC_E_OK) << "what was in force stays in force";

  folder.write("service.keytab", mint::keytab_image({&new_service, 1}));
  folder.write("accounts", "EXAMPLE:alice:changed\n");
  EXPECT_EQ(usher_reload(&credential.handle), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(status_of(new_service), SEC_E_OK);
  EXPECT_NE(status_of(old_service), SEC_E_OK);
  client.fields.password = u"changed";
  Called leg = open_half();
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);

  CredHandle stale = no_handle();
  EXPECT_EQ(usher_reload(&stale), SEC_E_INVALID_HANDLE);
}

TEST_F(SspiCredentials, KnowWhatTheyWereAcquiredForWhileTheyAreReloaded) {
  USHER_ACCEPTOR with = acceptor();
  CredHandle named{};
  ASSERT_EQ(AcquireCredentialsHandleA("HTTP/web.example.test", NEGOSSP_NAME_A, SECPKG_CRED_INBOUND,
                                      nullptr, &with, nullptr, nullptr, &named, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  std::atomic<bool> done{false};
  std::thread reloader([&] {
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(usher_reload(&named), SEC_E_OK) << usher_last_refusal();
    }
    done = true;
  });
  while (!done) {
    SecPkgCredentials_NamesA names{};
    ASSERT_EQ(QueryCredentialsAttributesA(&named, SECPKG_CRED_ATTR_NAMES, &names), SEC_E_OK);
    EXPECT_STREQ(names.sUserName, "HTTP/web.example.test");
    FreeContextBuffer(names.sUserName);
  }
  reloader.join();
  EXPECT_EQ(FreeCredentialsHandle(&named), SEC_E_OK);
}

TEST_F(SspiCredentials, ReloadWithoutAGap) {
  std::atomic<bool> done{false};
  std::thread reloader([&] {
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(usher_reload(&credential.handle), SEC_E_OK) << usher_last_refusal();
    }
    done = true;
  });
  do {
    Called leg = open_half();
    EXPECT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    leg = accept(credential.handle, client.second(leg.reply), &leg.context);
    EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  } while (!done);
  reloader.join();
}

}  // namespace
}  // namespace usher::testing
