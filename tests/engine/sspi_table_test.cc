// InitSecurityInterface gives the exported functions in Windows' order, and those that have nothing
// to do here say so of a live handle, and of no other.
#include <gtest/gtest.h>
#include <usher/sspi_table.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

// Windows' offsets on a machine with 64-bit pointers.
static_assert(offsetof(SecurityFunctionTableA, EnumerateSecurityPackagesA) == 8 &&
              offsetof(SecurityFunctionTableA, AcceptSecurityContext) == 8 * 7 &&
              offsetof(SecurityFunctionTableA, FreeContextBuffer) == 8 * 16 &&
              offsetof(SecurityFunctionTableA, Reserved3) == 8 * 18 &&
              offsetof(SecurityFunctionTableA, DecryptMessage) == 8 * 26 &&
              offsetof(SecurityFunctionTableA, QueryCredentialsAttributesExA) == 8 * 31 &&
              sizeof(SecurityFunctionTableA) == 8 * 32);
static_assert(offsetof(SecurityFunctionTableW, QuerySecurityContextToken) == 8 * 24 &&
              offsetof(SecurityFunctionTableW, SetContextAttributesW) == 8 * 27 &&
              offsetof(SecurityFunctionTableW, ChangeAccountPasswordW) == 8 * 29 &&
              sizeof(SecurityFunctionTableW) == sizeof(SecurityFunctionTableA));

class SspiTable : public SspiTest {};

TEST_F(SspiTable, HoldsTheExportedFunctions) {
  const SecurityFunctionTableA& a = *InitSecurityInterfaceA();
  const SecurityFunctionTableW& w = *InitSecurityInterfaceW();
  EXPECT_EQ(a.dwVersion, std::uint32_t{SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5});
  EXPECT_EQ(w.dwVersion, a.dwVersion);
  EXPECT_EQ(a.EnumerateSecurityPackagesA, &EnumerateSecurityPackagesA);
  EXPECT_EQ(w.EnumerateSecurityPackagesW, &EnumerateSecurityPackagesW);
  EXPECT_EQ(a.QueryCredentialsAttributesA, &QueryCredentialsAttributesA);
  EXPECT_EQ(w.QueryCredentialsAttributesW, &QueryCredentialsAttributesW);
  EXPECT_EQ(a.AcquireCredentialsHandleA, &AcquireCredentialsHandleA);
  EXPECT_EQ(w.AcquireCredentialsHandleW, &AcquireCredentialsHandleW);
  EXPECT_EQ(a.QueryContextAttributesA, &QueryContextAttributesA);
  EXPECT_EQ(w.QueryContextAttributesW, &QueryContextAttributesW);
  EXPECT_EQ(a.QuerySecurityPackageInfoA, &QuerySecurityPackageInfoA);
  EXPECT_EQ(w.QuerySecurityPackageInfoW, &QuerySecurityPackageInfoW);
  EXPECT_EQ(a.SetContextAttributesA, &SetContextAttributesA);
  EXPECT_EQ(w.SetContextAttributesW, &SetContextAttributesW);
  EXPECT_EQ(a.SetCredentialsAttributesA, &SetCredentialsAttributesA);
  EXPECT_EQ(w.SetCredentialsAttributesW, &SetCredentialsAttributesW);
  EXPECT_EQ(a.QueryContextAttributesExA, &QueryContextAttributesExA);
  EXPECT_EQ(w.QueryContextAttributesExW, &QueryContextAttributesExW);
  EXPECT_EQ(a.QueryCredentialsAttributesExA, &QueryCredentialsAttributesExA);
  EXPECT_EQ(w.QueryCredentialsAttributesExW, &QueryCredentialsAttributesExW);
  EXPECT_EQ(a.ImportSecurityContextA, &ImportSecurityContextA);
  EXPECT_EQ(w.ImportSecurityContextW, &ImportSecurityContextW);
  EXPECT_EQ(a.AddCredentialsA, &AddCredentialsA);
  EXPECT_EQ(w.AddCredentialsW, &AddCredentialsW);
}

template <class Table>
void expect_common(const Table& table) {
  EXPECT_EQ(table.FreeCredentialHandle, &FreeCredentialsHandle);
  EXPECT_EQ(table.AcceptSecurityContext, &AcceptSecurityContext);
  EXPECT_EQ(table.CompleteAuthToken, &CompleteAuthToken);
  EXPECT_EQ(table.DeleteSecurityContext, &DeleteSecurityContext);
  EXPECT_EQ(table.ApplyControlToken, &ApplyControlToken);
  EXPECT_EQ(table.ImpersonateSecurityContext, &ImpersonateSecurityContext);
  EXPECT_EQ(table.RevertSecurityContext, &RevertSecurityContext);
  EXPECT_EQ(table.ExportSecurityContext, &ExportSecurityContext);
  EXPECT_EQ(table.QuerySecurityContextToken, &QuerySecurityContextToken);
  EXPECT_EQ(table.MakeSignature, &MakeSignature);
  EXPECT_EQ(table.VerifySignature, &VerifySignature);
  EXPECT_EQ(table.FreeContextBuffer, &FreeContextBuffer);
  EXPECT_EQ(table.Reserved3, &EncryptMessage);
  EXPECT_EQ(table.Reserved4, &DecryptMessage);
  EXPECT_EQ(table.EncryptMessage, &EncryptMessage);
  EXPECT_EQ(table.DecryptMessage, &DecryptMessage);
  EXPECT_TRUE(table.Reserved2 == nullptr && table.Reserved8 == nullptr);
}

TEST_F(SspiTable, IsTheSameInBothForms) {
  expect_common(*InitSecurityInterfaceA());
  expect_common(*InitSecurityInterfaceW());
  EXPECT_EQ(InitSecurityInterfaceA()->InitializeSecurityContextA, nullptr);
  EXPECT_EQ(InitSecurityInterfaceW()->InitializeSecurityContextW, nullptr);
  EXPECT_EQ(InitSecurityInterfaceA()->ChangeAccountPasswordA, nullptr);
  EXPECT_EQ(InitSecurityInterfaceW()->ChangeAccountPasswordW, nullptr);
  EXPECT_EQ(InitSecurityInterfaceA(), InitSecurityInterfaceA()) << "there is one";
}

TEST_F(SspiTable, SignsAClientOnWithNothingElse) {
  const SecurityFunctionTableW& table = *InitSecurityInterfaceW();
  USHER_ACCEPTOR with = acceptor();
  char16_t package[] = u"Negotiate";
  CredHandle handle;
  ASSERT_EQ(table.AcquireCredentialsHandleW(nullptr, package, SECPKG_CRED_INBOUND, nullptr, &with,
                                            nullptr, nullptr, &handle, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  Octets token = kerberos_token();
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBuffer out{0, SECBUFFER_TOKEN, nullptr};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context = no_handle();
  ASSERT_EQ(table.AcceptSecurityContext(&handle, nullptr, &input, ASC_REQ_ALLOCATE_MEMORY,
                                        SECURITY_NATIVE_DREP, &context, &output, nullptr, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(table.FreeContextBuffer(out.pvBuffer), SEC_E_OK);
  SecPkgContext_NamesW names{};
  ASSERT_EQ(table.QueryContextAttributesExW(&context, SECPKG_ATTR_NAMES, &names, sizeof(names)),
            SEC_E_OK);
  EXPECT_EQ(std::u16string(names.sUserName), u"alice@EXAMPLE.TEST");
  table.FreeContextBuffer(names.sUserName);
  EXPECT_EQ(table.DeleteSecurityContext(&context), SEC_E_OK);
  EXPECT_EQ(table.FreeCredentialHandle(&handle), SEC_E_OK);
}

// Half-open, complete and gone: whatever the state, there is nothing for these to do.
TEST_F(SspiTable, FunctionsOfOtherPackagesAskForALiveContext) {
  const auto expect_all = [](CtxtHandle& handle, SECURITY_STATUS status) {
    SecBufferDesc nothing{SECBUFFER_VERSION, 0, nullptr};
    std::uint64_t value = 0;
    EXPECT_EQ(CompleteAuthToken(&handle, &nothing), status);
    EXPECT_EQ(CompleteAuthToken(&handle, nullptr), status);
    EXPECT_EQ(ApplyControlToken(&handle, &nothing), status);
    EXPECT_EQ(ApplyControlToken(&handle, nullptr), status);
    for (std::uint32_t attribute = 0; attribute < 130; ++attribute) {
      EXPECT_EQ(SetContextAttributesA(&handle, attribute, &value, sizeof(value)), status);
      EXPECT_EQ(SetContextAttributesW(&handle, attribute, nullptr, 0), status);
    }
  };
  Called leg = open_half();
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED);
  expect_all(leg.context, SEC_E_UNSUPPORTED_FUNCTION);
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  ASSERT_EQ(leg.status, SEC_E_OK) << "asking has not disturbed it: " << usher_last_refusal();
  expect_all(leg.context, SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  expect_all(leg.context, SEC_E_INVALID_HANDLE);
  expect_all(credential.handle, SEC_E_INVALID_HANDLE);
  EXPECT_EQ(CompleteAuthToken(nullptr, nullptr), SEC_E_INVALID_HANDLE);
}

TEST_F(SspiTable, CredentialsTellTheNameTheyWereAskedForUnder) {
  USHER_ACCEPTOR with = acceptor();
  CredHandle named;
  ASSERT_EQ(AcquireCredentialsHandleA("HTTP/web.example.test", MICROSOFT_KERBEROS_NAME_A,
                                      SECPKG_CRED_INBOUND, nullptr, &with, nullptr, nullptr, &named,
                                      nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  SecPkgCredentials_NamesA names{};
  ASSERT_EQ(QueryCredentialsAttributesA(&named, SECPKG_CRED_ATTR_NAMES, &names), SEC_E_OK);
  EXPECT_STREQ(names.sUserName, "HTTP/web.example.test");
  FreeContextBuffer(names.sUserName);
  SecPkgCredentials_NamesW wide{};
  ASSERT_EQ(QueryCredentialsAttributesW(&named, SECPKG_CRED_ATTR_NAMES, &wide), SEC_E_OK);
  EXPECT_EQ(std::u16string(wide.sUserName), u"HTTP/web.example.test");
  FreeContextBuffer(wide.sUserName);
  EXPECT_EQ(FreeCredentialsHandle(&named), SEC_E_OK);
  ASSERT_EQ(QueryCredentialsAttributesExA(&credential.handle, SECPKG_CRED_ATTR_NAMES, &names,
                                          sizeof(names)),
            SEC_E_OK);
  EXPECT_STREQ(names.sUserName, "") << "all of the keytab";
  FreeContextBuffer(names.sUserName);
}

TEST_F(SspiTable, CredentialsAreAskedWithAHandleABufferAndItsSize) {
  CredHandle stale = no_handle();
  CtxtHandle context = open_half().context;
  SecPkgCredentials_NamesW names{};
  for (CredHandle* const bad : {&stale, &context, static_cast<CredHandle*>(nullptr)}) {
    EXPECT_EQ(QueryCredentialsAttributesA(bad, SECPKG_CRED_ATTR_NAMES, &names),
              SEC_E_INVALID_HANDLE);
    EXPECT_EQ(QueryCredentialsAttributesExW(bad, SECPKG_CRED_ATTR_NAMES, &names, sizeof(names)),
              SEC_E_INVALID_HANDLE);
    EXPECT_EQ(SetCredentialsAttributesA(bad, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS, &names, 8),
              SEC_E_INVALID_HANDLE);
    EXPECT_EQ(SetCredentialsAttributesW(bad, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS, &names, 8),
              SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  CredHandle& good = credential.handle;
  EXPECT_EQ(QueryCredentialsAttributesW(&good, SECPKG_CRED_ATTR_NAMES, nullptr),
            SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(SetCredentialsAttributesA(&good, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS, &names, 8),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(SetCredentialsAttributesW(&good, SECPKG_CRED_ATTR_PAC_BYPASS, &names, 8),
            SEC_E_UNSUPPORTED_FUNCTION);
  for (std::uint32_t attribute = 0; attribute < 16; ++attribute) {
    if (attribute != SECPKG_CRED_ATTR_NAMES) {
      EXPECT_EQ(QueryCredentialsAttributesA(&good, attribute, &names), SEC_E_UNSUPPORTED_FUNCTION);
    }
  }
  for (const std::uint32_t size : {0u, 7u}) {
    EXPECT_EQ(QueryCredentialsAttributesExA(&good, SECPKG_CRED_ATTR_NAMES, &names, size),
              SEC_E_BUFFER_TOO_SMALL);
    EXPECT_EQ(QueryCredentialsAttributesExW(&good, SECPKG_CRED_ATTR_NAMES, &names, size),
              SEC_E_BUFFER_TOO_SMALL);
  }
  EXPECT_EQ(names.sUserName, nullptr) << "nothing was written";
  ASSERT_EQ(QueryCredentialsAttributesExW(&good, SECPKG_CRED_ATTR_NAMES, &names, UINT32_MAX),
            SEC_E_OK);
  FreeContextBuffer(names.sUserName);
}

}  // namespace
}  // namespace usher::testing
