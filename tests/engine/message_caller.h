// A service's context and its client's end of it, for tests of messages through the C ABI.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/protect/message.h"
#include "tests/engine/signed_on.h"

namespace usher::testing {

using protect::MessageOutcome;
using protect::Part;
using protect::Sender;
using protect::Session;
using protect::SessionShare;

inline Octets text(std::size_t size) {
  Octets out(size);
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::uint8_t>(i * 7 + i / 251 + 3);
  }
  return out;
}

inline SecBuffer buffer(std::uint32_t type, Octets& of) {
  return {static_cast<std::uint32_t>(of.size()), type, of.data()};
}

template <std::size_t N>
SecBufferDesc list(std::array<SecBuffer, N>& of) {
  return {SECBUFFER_VERSION, static_cast<std::uint32_t>(N), of.data()};
}

class SspiMessage : public SspiTest {
 protected:
  void TearDown() override { DeleteSecurityContext(&context); }

  // These make both ends of a context.
  void sign_on_with_kerberos(std::int32_t etype = 18,
                             std::uint32_t flags = mint::kContextFlagsUsual) {
    mint::AuthenticatorFields fields;
    fields.seq_number = 0xfffffffe;  // Numbers of AES have 64 bits, and go on behind 32.
    fields.context_flags = flags;
    begin(testing::sign_on_with_kerberos(realm, credential.handle, etype, fields));
  }
  void sign_on_with_ntlm(bool in_spnego) {
    begin(testing::sign_on_with_ntlm(realm, client, credential.handle, in_spnego));
  }
  void begin(SignedOn both) {
    ends = std::move(both);
    context = ends.context;
    peer_begins();
  }
  // peer_begins makes the client's end, with no message yet.
  void peer_begins() {
    peer = Session::make(ends.terms());
    ASSERT_NE(peer, nullptr);
  }

  SecPkgContext_Sizes sizes() {
    SecPkgContext_Sizes out{};
    EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_SIZES, &out), SEC_E_OK)
        << usher_last_refusal();
    return out;
  }

  // we_send seals by the API and opens as the peer.
  void we_send(std::size_t size) {
    Octets data = text(size);
    Octets token(sizes().cbSecurityTrailer);
    Octets padding(sizes().cbBlockSize);
    std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data),
                          buffer(SECBUFFER_PADDING, padding)};
    SecBufferDesc message = list(buffers);
    ASSERT_EQ(EncryptMessage(&context, 0, &message, 0), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(buffers[1].cbBuffer, size);
    EXPECT_TRUE(size < 16 || data != text(size)) << "it is sealed";
    const Part part{.bytes = data};
    const Session::Opened opened =
        peer->open(std::span(&part, 1), MutableBytes(token).first(buffers[0].cbBuffer),
                   MutableBytes(padding).first(buffers[2].cbBuffer));
    EXPECT_EQ(opened.outcome, MessageOutcome::kGood);
    EXPECT_TRUE(opened.encrypted);
    EXPECT_EQ(data, text(size));
  }

  struct Sent {
    Octets token;
    Octets data;
    Octets padding;
    [[nodiscard]] Octets stream() const {
      Octets out = token;
      out.insert(out.end(), data.begin(), data.end());
      out.insert(out.end(), padding.begin(), padding.end());
      return out;
    }
  };
  Sent peer_sends(std::size_t size, bool encrypt = true) {
    Sent sent{.token = Octets(peer->sizes().trailer), .data = text(size), .padding = Octets(1)};
    const Part part{.bytes = sent.data};
    const Session::Sealed sealed =
        peer->seal(std::span(&part, 1), encrypt, sent.token, sent.padding);
    EXPECT_EQ(sealed.outcome, MessageOutcome::kGood);
    sent.token.resize(sealed.token_size);
    sent.padding.resize(sealed.padding_size);
    return sent;
  }

  // we_take opens what the peer sent, in parts; `qop` becomes what the call says.
  SECURITY_STATUS we_take(Sent& sent, std::uint32_t* qop = nullptr) {
    std::array buffers = {buffer(SECBUFFER_DATA, sent.data), buffer(SECBUFFER_TOKEN, sent.token),
                          buffer(SECBUFFER_PADDING, sent.padding)};
    SecBufferDesc message = list(buffers);
    return DecryptMessage(&context, &message, 0, qop);
  }

  SECURITY_STATUS verify(Octets data, Octets& token, std::uint32_t* qop = nullptr) {
    std::array buffers = {buffer(SECBUFFER_DATA, data), buffer(SECBUFFER_TOKEN, token)};
    SecBufferDesc message = list(buffers);
    return VerifySignature(&context, &message, 0, qop);
  }

  Octets peer_signs(Octets data) {
    Octets token(peer->sizes().signature);
    const Part part{.bytes = data};
    EXPECT_EQ(peer->sign(std::span(&part, 1), token).outcome, MessageOutcome::kGood);
    return token;
  }

  void exchange_everything() {
    for (const std::size_t size : {1u, 15u, 16u, 17u, 4096u, 65536u}) {
      we_send(size);
      Sent sent = peer_sends(size);
      std::uint32_t qop = 7;
      ASSERT_EQ(we_take(sent, &qop), SEC_E_OK) << usher_last_refusal();
      EXPECT_EQ(qop, 0u);
      EXPECT_EQ(sent.data, text(size));
    }
  }

  SignedOn ends;
  CtxtHandle context = no_handle();
  SessionShare peer;
};

}  // namespace usher::testing
