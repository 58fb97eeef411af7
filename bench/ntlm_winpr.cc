// WinPR's acceptor. It keeps a client's name with the credential, which all clients share, so each
// seat has a credential of its own.
#include "bench/ntlm_acceptors.h"

#ifndef USHER_BENCH_WINPR

namespace usher::bench {

Made make_winpr(std::size_t, WinprAccounts) {
  return {nullptr, "package libwinpr2-dev was missing when this was configured"};
}

}  // namespace usher::bench

#else

#include <winpr/ntlm.h>
#include <winpr/ssl.h>
#include <winpr/sspi.h>

#include <algorithm>
#include <array>

namespace usher::bench {
namespace {

constexpr std::size_t kSignatureSize = 16;

struct Seat {
  CredHandle credential{};
  CtxtHandle context{};
  bool begun = false;
};

class WinprAcceptor final : public NtlmAcceptor {
 public:
  WinprAcceptor(SecurityFunctionTableA& sspi, const SecPkgContext_AuthNtlmHash& hash,
                std::string_view file)
      : sspi_(sspi), hash_(hash), file_(file) {
    for (Seat& seat : seats_) {
      std::string package = "NTLM";
      mint::require(sspi_.AcquireCredentialsHandleA(nullptr, package.data(), SECPKG_CRED_INBOUND,
                                                    nullptr, nullptr, nullptr, nullptr,
                                                    &seat.credential, nullptr) == SEC_E_OK,
                    "WinPR gives no credential");
    }
  }
  ~WinprAcceptor() override {
    for (Seat& seat : seats_) {
      sspi_.FreeCredentialsHandle(&seat.credential);
    }
  }

  std::size_t challenge(std::size_t place, Bytes token, MutableBytes answer) override {
    SecBuffer out{static_cast<ULONG>(answer.size()), SECBUFFER_TOKEN, answer.data()};
    Seat& seat = seats_[place];
    const SECURITY_STATUS status = accept(seat, token, out);
    seat.begun = true;
    return status == SEC_I_CONTINUE_NEEDED ? out.cbBuffer : 0;
  }

  bool finish(std::size_t place, Bytes token) override {
    Seat& seat = seats_[place];
    SecBuffer out{0, SECBUFFER_TOKEN, nullptr};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    return accept(seat, token, out) == SEC_I_COMPLETE_NEEDED && tell(seat) &&
           sspi_.CompleteAuthToken(&seat.context, &output) == SEC_E_OK;
  }

  SignedOn signed_on(std::size_t place) override {
    Seat& seat = seats_[place];
    SecPkgContext_AuthIdentity identity{};
    mint::require(sspi_.QueryContextAttributesA(&seat.context, SECPKG_ATTR_AUTH_IDENTITY,
                                                &identity) == SEC_E_OK,
                  "WinPR does not say who the client is");
    SignedOn out{.user = identity.User, .mic = mint::Octets(kSignatureSize)};
    // It has no MakeSignature; without confidentiality, EncryptMessage is just that.
    mint::Octets text = mint::octets_of(kSignedText);
    std::array<SecBuffer, 2> buffers = {
        SecBuffer{static_cast<ULONG>(text.size()), SECBUFFER_DATA, text.data()},
        SecBuffer{kSignatureSize, SECBUFFER_TOKEN, out.mic.data()}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    mint::require(sspi_.EncryptMessage(&seat.context, 0, &message, 0) == SEC_E_OK,
                  "WinPR does not sign");
    return out;
  }

  void end(std::size_t place) noexcept override {
    Seat& seat = seats_[place];
    if (seat.begun) {
      sspi_.DeleteSecurityContext(&seat.context);
      seat.context = {};
      seat.begun = false;
    }
  }

 private:
  SECURITY_STATUS accept(Seat& seat, Bytes token, SecBuffer& out) {
    SecBuffer in{static_cast<ULONG>(token.size()), SECBUFFER_TOKEN,
                 const_cast<std::uint8_t*>(token.data())};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    ULONG attributes = 0;
    return sspi_.AcceptSecurityContext(&seat.credential, seat.begun ? &seat.context : nullptr,
                                       &input, ASC_REQ_INTEGRITY, SECURITY_NATIVE_DREP,
                                       &seat.context, &output, &attributes, nullptr);
  }

  // tell says where the account's hash is.
  bool tell(Seat& seat) {
    if (file_.path().empty()) {
      return sspi_.SetContextAttributesA(&seat.context, SECPKG_ATTR_AUTH_NTLM_HASH, &hash_,
                                         sizeof(hash_)) == SEC_E_OK;
    }
    std::string path = file_.path();
    return sspi_.SetContextAttributesA(&seat.context, SECPKG_ATTR_AUTH_NTLM_SAM_FILE, path.data(),
                                       static_cast<ULONG>(path.size())) == SEC_E_OK;
  }

  SecurityFunctionTableA& sspi_;
  SecPkgContext_AuthNtlmHash hash_;
  Scratch file_;
  std::array<Seat, kSeats> seats_{};
};

}  // namespace

Made make_winpr(std::size_t accounts, WinprAccounts kind) {
  winpr_InitializeSSL(WINPR_SSL_INIT_DEFAULT);  // Loads OpenSSL's legacy provider: MD4, RC4.
  SecPkgContext_AuthNtlmHash hash{};
  hash.Version = 1;
  std::u16string password(kPassword);
  mint::require(NTOWFv1W(reinterpret_cast<LPWSTR>(password.data()),
                         static_cast<UINT32>(2 * password.size()), hash.NtlmHash) == TRUE,
                "WinPR has no MD4");
  std::string lines;
  if (kind == WinprAccounts::kFile) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string rest = ":" + std::string(kDomain) + "::";
    for (const std::uint8_t octet : hash.NtlmHash) {
      rest += {kDigits[octet >> 4], kDigits[octet & 15]};
    }
    for (std::size_t account = 0; account < accounts; ++account) {
      lines += user_name(account) + rest + ":::\n";
    }
  }
  SecurityFunctionTableA* const sspi = InitSecurityInterfaceExA(SSPI_INTERFACE_WINPR);
  return {std::make_unique<WinprAcceptor>(*sspi, hash, lines), {}};
}

}  // namespace usher::bench

#endif
