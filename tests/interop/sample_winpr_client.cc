// A client of tools/samples with WinPR, FreeRDP's portable Windows: SSPI's other half. As Debian
// builds it it has no Kerberos, so this is NTLM, bare or within SPNEGO.
//
//   sample_winpr_client --port N --messages N --package NTLM|Negotiate --domain D --user U
//                       --password P [--end WORD]
#include <winpr/ssl.h>
#include <winpr/sspi.h>

#include <memory>

#include "tests/interop/sample_client.h"

namespace {

using usher::testing::Octets;

constexpr ULONG kWanted =
    ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_REPLAY_DETECT | ISC_REQ_SEQUENCE_DETECT;

class WinprClient {
 public:
  explicit WinprClient(std::map<std::string, std::string>& options) {
    winpr_InitializeSSL(WINPR_SSL_INIT_DEFAULT);  // OpenSSL's legacy provider: MD4, RC4.
    const auto text = [](std::string& value) { return reinterpret_cast<BYTE*>(value.data()); };
    const auto size = [](std::string& value) { return static_cast<UINT32>(value.size()); };
    std::string& user = options["user"];
    std::string& domain = options["domain"];
    std::string& password = options["password"];
    SEC_WINNT_AUTH_IDENTITY_A identity{};
    identity.User = text(user);
    identity.UserLength = size(user);
    identity.Domain = text(domain);
    identity.DomainLength = size(domain);
    identity.Password = text(password);
    identity.PasswordLength = size(password);
    identity.Flags = SEC_WINNT_AUTH_IDENTITY_ANSI;
    must("no credential", sspi_.AcquireCredentialsHandleA(nullptr, options["package"].data(),
                                                          SECPKG_CRED_OUTBOUND, nullptr, &identity,
                                                          nullptr, nullptr, &credential_, nullptr));
  }
  ~WinprClient() {
    if (begun_) {
      sspi_.DeleteSecurityContext(&context_);
    }
    sspi_.FreeCredentialsHandle(&credential_);
  }
  WinprClient(const WinprClient&) = delete;
  WinprClient& operator=(const WinprClient&) = delete;

  Octets step(Octets token) {
    Octets room(16384);
    SecBuffer in = {static_cast<ULONG>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out = {static_cast<ULONG>(room.size()), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc input = {SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output = {SECBUFFER_VERSION, 1, &out};
    const SECURITY_STATUS status = sspi_.InitializeSecurityContextA(
        &credential_, begun_ ? &context_ : nullptr, target_.data(), kWanted, 0,
        SECURITY_NATIVE_DREP, begun_ ? &input : nullptr, 0, &context_, &output, &granted_, nullptr);
    begun_ = true;
    if (status == SEC_I_COMPLETE_NEEDED || status == SEC_I_COMPLETE_AND_CONTINUE) {
      sspi_.CompleteAuthToken(&context_, &output);
    }
    complete_ = status == SEC_E_OK || status == SEC_I_COMPLETE_NEEDED;
    if (!complete_ && status != SEC_I_CONTINUE_NEEDED && status != SEC_I_COMPLETE_AND_CONTINUE) {
      must("no sign-on", status);
    }
    room.resize(out.cbBuffer);
    return room;
  }
  [[nodiscard]] bool complete() const { return complete_; }

  Octets seal(const Octets& message, bool encrypted) {
    if (!encrypted) {
      throw std::runtime_error("WinPR's NTLM cannot sign only");
    }
    Octets token(sizes_.cbSecurityTrailer);
    Octets data = message;
    data.resize(std::max<std::size_t>(data.size(), 1));  // WinPR wants an address.
    SecBufferDesc sealed = describe(token, data, message.size());
    must("no EncryptMessage", sspi_.EncryptMessage(&context_, 0, &sealed, sent_++));
    token.resize(buffers_[0].cbBuffer);
    token.insert(token.end(), data.begin(),
                 data.begin() + static_cast<std::ptrdiff_t>(buffers_[1].cbBuffer));
    return token;
  }
  Octets open(const Octets& sealed) {
    const std::size_t token_size = sizes_.cbSecurityTrailer;
    if (sealed.size() < token_size) {
      throw std::runtime_error("an answer is too short");
    }
    const auto middle = sealed.begin() + static_cast<std::ptrdiff_t>(token_size);
    Octets token(sealed.begin(), middle);
    Octets data(middle, sealed.end());
    const std::size_t size = data.size();
    data.resize(std::max<std::size_t>(size, 1));
    SecBufferDesc received = describe(token, data, size);
    must("no DecryptMessage", sspi_.DecryptMessage(&context_, &received, received_++, nullptr));
    data.resize(size);
    return data;
  }
  void report() {
    must("no sizes", sspi_.QueryContextAttributesA(&context_, SECPKG_ATTR_SIZES, &sizes_));
    std::cout << "trailer=" << sizes_.cbSecurityTrailer << '\n';
  }

 private:
  SecBufferDesc describe(Octets& token, Octets& data, std::size_t size) {
    buffers_ = {SecBuffer{static_cast<ULONG>(token.size()), SECBUFFER_TOKEN, token.data()},
                SecBuffer{static_cast<ULONG>(size), SECBUFFER_DATA, data.data()}};
    return {SECBUFFER_VERSION, 2, buffers_.data()};
  }
  static void must(const char* what, SECURITY_STATUS status) {
    if (status != SEC_E_OK) {
      throw std::runtime_error(std::string(what) + ": " + GetSecurityStatusString(status));
    }
  }

  SecurityFunctionTableA& sspi_ = *InitSecurityInterfaceExA(SSPI_INTERFACE_WINPR);
  CredHandle credential_{};
  CtxtHandle context_{};
  std::string target_ = "HTTP/localhost";
  bool begun_ = false;
  bool complete_ = false;
  ULONG granted_ = 0;
  ULONG sent_ = 0;
  ULONG received_ = 0;
  SecPkgContext_Sizes sizes_{};
  std::array<SecBuffer, 2> buffers_{};
};

}  // namespace

int main(int argc, char** argv) {
  return usher::testing::client_main(
      argc, argv, [](auto& options) { return std::make_unique<WinprClient>(options); });
}
