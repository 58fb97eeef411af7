// The SSPI client of WinPR, FreeRDP's portable Windows.
//
//   winpr2 NTLM|Negotiate DOMAIN USER PASSWORD
#include <winpr/ssl.h>
#include <winpr/sspi.h>

#include <array>
#include <iostream>
#include <string>

#include "tests/interop/ntlm_clients/token_lines.h"

int main(int argc, char** argv) {
  using usher::testing::Octets;
  if (argc != 5) {
    std::cerr << "usage: winpr2 NTLM|Negotiate DOMAIN USER PASSWORD\n";
    return 2;
  }
  // MD4 and RC4 are in OpenSSL's legacy provider, which this loads.
  winpr_InitializeSSL(WINPR_SSL_INIT_DEFAULT);
  SecurityFunctionTableA* const sspi = InitSecurityInterfaceExA(SSPI_INTERFACE_WINPR);
  SEC_WINNT_AUTH_IDENTITY identity{};
  sspi_SetAuthIdentity(&identity, argv[3], argv[2], argv[4]);
  CredHandle credential{};
  SECURITY_STATUS status =
      sspi->AcquireCredentialsHandleA(nullptr, argv[1], SECPKG_CRED_OUTBOUND, nullptr, &identity,
                                      nullptr, nullptr, &credential, nullptr);
  if (status != SEC_E_OK) {
    std::cerr << "winpr: no credential: " << GetSecurityStatusString(status) << '\n';
    return 2;
  }
  CtxtHandle context{};
  std::string target = "HTTP/localhost";
  bool begun = false;
  usher::testing::answer_lines([&](Octets token) {
    std::array<std::uint8_t, 16384> room;
    SecBuffer in = {static_cast<ULONG>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out = {room.size(), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc input = {SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output = {SECBUFFER_VERSION, 1, &out};
    ULONG attributes = 0;
    status = sspi->InitializeSecurityContextA(
        &credential, begun ? &context : nullptr, target.data(), ISC_REQ_INTEGRITY, 0,
        SECURITY_NATIVE_DREP, begun ? &input : nullptr, 0, &context, &output, &attributes, nullptr);
    begun = true;
    if (status == SEC_I_COMPLETE_NEEDED || status == SEC_I_COMPLETE_AND_CONTINUE) {
      sspi->CompleteAuthToken(&context, &output);
    }
    const bool complete = status == SEC_E_OK || status == SEC_I_COMPLETE_NEEDED;
    if (!complete && status != SEC_I_CONTINUE_NEEDED && status != SEC_I_COMPLETE_AND_CONTINUE) {
      return std::string("failed ") + GetSecurityStatusString(status);
    }
    return usher::testing::line_of(complete, {room.data(), out.cbBuffer});
  });
  if (begun) {
    sspi->DeleteSecurityContext(&context);
  }
  sspi->FreeCredentialsHandle(&credential);
}
