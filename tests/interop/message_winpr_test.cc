// Messages with WinPR over NTLM: its acceptor signs on a minted client, and each takes what the
// other has sealed, one after the other in both directions, by WinPR's own EncryptMessage. A key is
// exchanged: WinPR does not do without.
#include <gtest/gtest.h>
#include <winpr/ntlm.h>
#include <winpr/ssl.h>
#include <winpr/sspi.h>

#include <array>
#include <string>

#include "engine/protect/message.h"
#include "tools/mint/ntlm_mint.h"

namespace usher::mint {
namespace {

using protect::MessageOutcome;
using protect::Part;
using protect::Sender;
using protect::Session;

class WinprMessages : public ::testing::Test {
 protected:
  void SetUp() override {
    winpr_InitializeSSL(WINPR_SSL_INIT_DEFAULT);  // Loads OpenSSL's legacy provider: MD4, RC4.
    std::string package = "NTLM";
    ASSERT_EQ(sspi_.AcquireCredentialsHandleA(nullptr, package.data(), SECPKG_CRED_INBOUND, nullptr,
                                              nullptr, nullptr, nullptr, &credential_, nullptr),
              SEC_E_OK);
    const Octets negotiate = ntlm_negotiate({});
    const Octets challenge = accept(negotiate, SEC_I_CONTINUE_NEEDED);
    const Authenticated done = ntlm_authenticate(*kit_, negotiate, challenge, {});
    accept(done.message, SEC_I_COMPLETE_NEEDED);
    SecPkgContext_AuthNtlmHash hash{.Version = 1, .NtlmHash = {}};
    std::u16string password = AuthenticateFields{}.password;
    ASSERT_EQ(NTOWFv1W(reinterpret_cast<LPWSTR>(password.data()),
                       static_cast<UINT32>(2 * password.size()), hash.NtlmHash),
              TRUE);
    ASSERT_EQ(
        sspi_.SetContextAttributesA(&context_, SECPKG_ATTR_AUTH_NTLM_HASH, &hash, sizeof(hash)),
        SEC_E_OK);
    SecBuffer nothing{0, SECBUFFER_TOKEN, nullptr};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &nothing};
    ASSERT_EQ(sspi_.CompleteAuthToken(&context_, &output), SEC_E_OK);
    ours_ = Session::make(
        {.ntlm = true,
         .ntlm_key = {.exported_session_key = done.exported_session_key, .flags = done.flags},
         .flags = gss::ContextFlags(std::uint32_t(gss::ContextFlags::kConfidentiality) |
                                    std::uint32_t(gss::ContextFlags::kIntegrity)),
         .self = Sender::kInitiator});
    ASSERT_NE(ours_, nullptr);
  }
  void TearDown() override {
    sspi_.DeleteSecurityContext(&context_);
    sspi_.FreeCredentialsHandle(&credential_);
  }

  Octets accept(Bytes token, SECURITY_STATUS expected) {
    Octets answer(4096);
    SecBuffer in{static_cast<ULONG>(token.size()), SECBUFFER_TOKEN,
                 const_cast<std::uint8_t*>(token.data())};
    SecBuffer out{static_cast<ULONG>(answer.size()), SECBUFFER_TOKEN, answer.data()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    ULONG attributes = 0;
    EXPECT_EQ(
        sspi_.AcceptSecurityContext(&credential_, begun_ ? &context_ : nullptr, &input,
                                    ASC_REQ_CONFIDENTIALITY | ASC_REQ_INTEGRITY,
                                    SECURITY_NATIVE_DREP, &context_, &output, &attributes, nullptr),
        expected);
    begun_ = true;
    answer.resize(std::min<std::size_t>(out.cbBuffer, answer.size()));
    return answer;
  }

  static Octets text(std::size_t size) {
    Octets out(size);
    for (std::size_t i = 0; i < size; ++i) {
      out[i] = static_cast<std::uint8_t>(i * 11 + 1);
    }
    return out;
  }

  SecurityFunctionTableA& sspi_ = *InitSecurityInterfaceExA(SSPI_INTERFACE_WINPR);
  const std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  CredHandle credential_{};
  CtxtHandle context_{};
  bool begun_ = false;
  std::shared_ptr<Session> ours_;
};
TEST_F(WinprMessages, AreSealedAndOpenedOneAfterTheOther) {
  for (ULONG number = 0; number < 40; ++number) {
    const std::size_t size = number * number + 1;
    Octets data = text(size);
    const Part part{.bytes = data};
    Octets token(16);
    ASSERT_EQ(ours_->seal(std::span(&part, 1), true, token, {}).outcome, MessageOutcome::kGood);
    std::array<SecBuffer, 2> in = {
        SecBuffer{static_cast<ULONG>(data.size()), SECBUFFER_DATA, data.data()},
        SecBuffer{static_cast<ULONG>(token.size()), SECBUFFER_TOKEN, token.data()}};
    SecBufferDesc received{SECBUFFER_VERSION, in.size(), in.data()};
    ASSERT_EQ(sspi_.DecryptMessage(&context_, &received, number, nullptr), SEC_E_OK) << number;
    ASSERT_EQ(data, text(size));

    std::array<SecBuffer, 2> out = {
        SecBuffer{static_cast<ULONG>(data.size()), SECBUFFER_DATA, data.data()},
        SecBuffer{static_cast<ULONG>(token.size()), SECBUFFER_TOKEN, token.data()}};
    SecBufferDesc sent{SECBUFFER_VERSION, out.size(), out.data()};
    ASSERT_EQ(sspi_.EncryptMessage(&context_, 0, &sent, number), SEC_E_OK);
    Octets altered = data;
    altered[0] ^= 1;
    const Part other{.bytes = altered};
    Octets copy = token;
    EXPECT_EQ(ours_->open(std::span(&other, 1), copy, {}).outcome, MessageOutcome::kAltered);
    const Session::Opened opened = ours_->open(std::span(&part, 1), token, {});
    ASSERT_EQ(opened.outcome, MessageOutcome::kGood) << number;
    EXPECT_TRUE(opened.encrypted);
    EXPECT_EQ(data, text(size));
  }
}

}  // namespace
}  // namespace usher::mint
