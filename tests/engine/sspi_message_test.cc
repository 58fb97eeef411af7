// MakeSignature, VerifySignature, EncryptMessage, DecryptMessage and SECPKG_ATTR_SIZES: a context's
// messages, with a client's Session at the other end.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tests/engine/message_caller.h"
#include "tests/in_child.h"

namespace usher::testing {
namespace {

TEST_F(SspiMessage, AreSealedBothWaysWithEveryEtype) {
  USHER_ACCEPTOR lenient = acceptor();
  lenient.Policy = "kerberos.rc4=allow,kerberos.weaker-keys=allow";
  OwnCredential any(lenient);
  ASSERT_EQ(any.status, SEC_E_OK);
  std::swap(any.handle, credential.handle);
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    SCOPED_TRACE(etype);
    sign_on_with_kerberos(etype);
    exchange_everything();
    DeleteSecurityContext(&context);
  }
  std::swap(any.handle, credential.handle);
}

TEST_F(SspiMessage, AreSealedBothWaysWithNtlm) {
  sign_on_with_ntlm(false);
  exchange_everything();
}

TEST_F(SspiMessage, AreNumberedBehindTheMechListMics) {
  sign_on_with_ntlm(true);
  exchange_everything();
}

// Nothing was sent or taken yet, and the parent may leave the context to its child.
TEST_F(SspiMessage, AChildSendsOnWhatItsParentHasOnlyAskedTheSizesOf) {
  for (const bool ntlm : {false, true}) {
    ntlm ? sign_on_with_ntlm(false) : sign_on_with_kerberos();
    EXPECT_GT(sizes().cbMaxSignature, 0u);
    in_child([&] {
      peer_begins();
      exchange_everything();
    });
    // What it has tried and was refused counts as begun.
    Octets token = peer_signs(text(9));
    EXPECT_EQ(verify(text(8), token), SEC_E_MESSAGE_ALTERED);
    in_child([&] {
      EXPECT_EQ(verify(text(9), token), SEC_E_OUT_OF_SEQUENCE);
      EXPECT_NE(std::string_view(usher_last_refusal()).find("attempt"), std::string_view::npos);
    });
    DeleteSecurityContext(&context);
  }
}

TEST_F(SspiMessage, SizesAreRightToTheByte) {
  for (const bool ntlm : {false, true}) {
    ntlm ? sign_on_with_ntlm(false) : sign_on_with_kerberos();
    const SecPkgContext_Sizes said = sizes();
    Octets data = text(100);
    for (const std::uint32_t room : {said.cbSecurityTrailer - 1, said.cbSecurityTrailer}) {
      Octets token(room);
      std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
      SecBufferDesc message = list(buffers);
      const bool fits = room == said.cbSecurityTrailer;
      EXPECT_EQ(EncryptMessage(&context, 0, &message, 0), fits ? SEC_E_OK : SEC_E_BUFFER_TOO_SMALL);
      EXPECT_EQ(buffers[0].cbBuffer, room) << "as it was, or all of it";
      EXPECT_EQ(data == text(100), !fits);
    }
    data = text(100);
    for (const std::uint32_t room : {said.cbMaxSignature - 1, said.cbMaxSignature}) {
      Octets token(room);
      std::array buffers = {buffer(SECBUFFER_DATA, data), buffer(SECBUFFER_TOKEN, token)};
      SecBufferDesc message = list(buffers);
      EXPECT_EQ(MakeSignature(&context, 0, &message, 0),
                room == said.cbMaxSignature ? SEC_E_OK : SEC_E_BUFFER_TOO_SMALL);
      EXPECT_EQ(buffers[1].cbBuffer, room);
    }
    DeleteSecurityContext(&context);
  }
}

// RC4's padding at the end of the data, which is where GSS_Unwrap's callers leave it.
TEST_F(SspiMessage, PaddingIsCutOffTheDataAndNotOffAnEmptyBuffer) {
  USHER_ACCEPTOR lenient = acceptor();
  lenient.Policy = "kerberos.rc4=allow,kerberos.weaker-keys=allow";
  OwnCredential any(lenient);
  ASSERT_EQ(any.status, SEC_E_OK);
  std::swap(any.handle, credential.handle);
  sign_on_with_kerberos(23);
  std::swap(any.handle, credential.handle);
  for (std::size_t place = 0; place < 3; ++place) {
    Sent sent = peer_sends(200);
    ASSERT_EQ(sent.padding.size(), 1u);
    Octets data = sent.data;
    data.push_back(sent.padding[0]);
    std::array buffers = {
        SecBuffer{0, SECBUFFER_DATA, nullptr}, SecBuffer{0, SECBUFFER_DATA, nullptr},
        SecBuffer{0, SECBUFFER_DATA, nullptr}, buffer(SECBUFFER_TOKEN, sent.token)};
    buffers[place] = buffer(SECBUFFER_DATA, data);
    SecBufferDesc message = list(buffers);
    ASSERT_EQ(DecryptMessage(&context, &message, 0, nullptr), SEC_E_OK) << usher_last_refusal();
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(buffers[i].cbBuffer, i == place ? 200u : 0u) << place << ' ' << i;
    }
  }
}

// A sealed message of NTLM that could be read would take the peer's key stream out of step.
TEST_F(SspiMessage, OfNtlmAreSealedOrSigned) {
  sign_on_with_ntlm(false);
  Octets data = text(50);
  Octets token(16);
  std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
  SecBufferDesc message = list(buffers);
  EXPECT_EQ(EncryptMessage(&context, SECQOP_WRAP_NO_ENCRYPT, &message, 0), SEC_E_QOP_NOT_SUPPORTED);
  EXPECT_EQ(data, text(50));
  we_send(50);
}

// What had no room took no number: the peer sees no gap.
TEST_F(SspiMessage, ARefusalLosesNothing) {
  sign_on_with_kerberos();
  Octets data = text(10);
  Octets small(3);
  std::array buffers = {buffer(SECBUFFER_TOKEN, small), buffer(SECBUFFER_DATA, data)};
  SecBufferDesc message = list(buffers);
  EXPECT_EQ(EncryptMessage(&context, 0, &message, 0), SEC_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(MakeSignature(&context, 0, &message, 0), SEC_E_BUFFER_TOO_SMALL);
  we_send(10);
}

TEST_F(SspiMessage, InOnePieceIsOpenedWhereItLies) {
  for (const bool ntlm : {false, true}) {
    ntlm ? sign_on_with_ntlm(false) : sign_on_with_kerberos();
    Octets whole = peer_sends(777).stream();
    std::array buffers = {buffer(SECBUFFER_STREAM, whole), SecBuffer{0, SECBUFFER_DATA, nullptr}};
    SecBufferDesc message = list(buffers);
    ASSERT_EQ(DecryptMessage(&context, &message, 0, nullptr), SEC_E_OK) << usher_last_refusal();
    const auto* const at = static_cast<const std::uint8_t*>(buffers[1].pvBuffer);
    EXPECT_EQ(Octets(at, at + buffers[1].cbBuffer), text(777));
    EXPECT_TRUE(at >= whole.data() && at + 777 <= whole.data() + whole.size());

    // Windows' programs give the data first, or a size that means nothing.
    whole = peer_sends(5).stream();
    buffers = {SecBuffer{99, SECBUFFER_DATA, nullptr}, buffer(SECBUFFER_STREAM, whole)};
    EXPECT_EQ(DecryptMessage(&context, &message, 0, nullptr), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(buffers[0].cbBuffer, 5u);
    DeleteSecurityContext(&context);
  }
}

TEST_F(SspiMessage, MayStayReadable) {
  sign_on_with_kerberos();
  Octets data = text(50);
  Octets token(sizes().cbSecurityTrailer);
  std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
  SecBufferDesc message = list(buffers);
  ASSERT_EQ(EncryptMessage(&context, SECQOP_WRAP_NO_ENCRYPT, &message, 0), SEC_E_OK);
  EXPECT_EQ(data, text(50));
  const Part part{.bytes = data};
  const Session::Opened opened =
      peer->open(std::span(&part, 1), MutableBytes(token).first(buffers[0].cbBuffer), {});
  EXPECT_EQ(opened.outcome, MessageOutcome::kGood);
  EXPECT_FALSE(opened.encrypted);

  Sent sent = peer_sends(50, false);
  std::uint32_t qop = 0;
  EXPECT_EQ(we_take(sent, &qop), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(qop, SECQOP_WRAP_NO_ENCRYPT);
  EXPECT_EQ(EncryptMessage(&context, 1, &message, 0), SEC_E_QOP_NOT_SUPPORTED);
  EXPECT_EQ(MakeSignature(&context, SECQOP_WRAP_NO_ENCRYPT, &message, 0), SEC_E_QOP_NOT_SUPPORTED);
}

TEST_F(SspiMessage, AreSignedBothWays) {
  for (const bool ntlm : {false, true}) {
    ntlm ? sign_on_with_ntlm(false) : sign_on_with_kerberos();
    Octets data = text(300);
    Octets token(sizes().cbMaxSignature);
    std::array buffers = {buffer(SECBUFFER_DATA, data), buffer(SECBUFFER_TOKEN, token)};
    SecBufferDesc message = list(buffers);
    ASSERT_EQ(MakeSignature(&context, 0, &message, 0), SEC_E_OK) << usher_last_refusal();
    const Part part{.bytes = data};
    EXPECT_EQ(peer->verify(std::span(&part, 1), token), MessageOutcome::kGood);

    Octets theirs = peer_signs(text(300));
    std::uint32_t qop = 7;
    EXPECT_EQ(verify(text(300), theirs, &qop), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(qop, 0u);
    theirs = peer_signs(text(300));
    EXPECT_EQ(verify(text(301), theirs), SEC_E_MESSAGE_ALTERED);
    EXPECT_EQ(verify(text(300), theirs), SEC_E_OK) << "the right one still comes through";
    DeleteSecurityContext(&context);
  }
}

TEST_F(SspiMessage, ThatWereChangedAreWiped) {
  sign_on_with_kerberos();
  Sent sent = peer_sends(64);
  Sent changed = sent;
  changed.data[10] ^= 1;
  EXPECT_EQ(we_take(changed), SEC_E_MESSAGE_ALTERED);
  EXPECT_EQ(changed.data, Octets(64));
  EXPECT_EQ(we_take(sent), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(we_take(sent), SEC_E_MESSAGE_ALTERED) << "it is open already";
}

TEST_F(SspiMessage, ThatCameBeforeOrTooEarlyAreOutOfSequence) {
  sign_on_with_kerberos();
  Sent first = peer_sends(8);
  Sent again = first;
  Sent skipped = peer_sends(8);
  Sent third = peer_sends(8);
  EXPECT_EQ(we_take(first), SEC_E_OK);
  EXPECT_EQ(we_take(again), SEC_E_OUT_OF_SEQUENCE);
  EXPECT_STREQ(usher_last_refusal(), "the message was seen before");
  EXPECT_EQ(we_take(third), SEC_E_OUT_OF_SEQUENCE);
  EXPECT_STREQ(usher_last_refusal(), "the message is not the next one");
}

TEST_F(SspiMessage, AreOnlyWhatWasNegotiated) {
  sign_on_with_kerberos(18, std::uint32_t(gss::ContextFlags::kMutual));
  Octets data = text(8);
  Octets token(100);
  std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
  SecBufferDesc message = list(buffers);
  EXPECT_EQ(EncryptMessage(&context, 0, &message, 0), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(EncryptMessage(&context, SECQOP_WRAP_NO_ENCRYPT, &message, 0),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(MakeSignature(&context, 0, &message, 0), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(VerifySignature(&context, &message, 0, nullptr), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(data, text(8));
  EXPECT_EQ(sizes().cbMaxSignature, 0u);
  EXPECT_EQ(sizes().cbSecurityTrailer, 0u);
  DeleteSecurityContext(&context);

  sign_on_with_kerberos(
      18, std::uint32_t(gss::ContextFlags::kMutual) | std::uint32_t(gss::ContextFlags::kIntegrity));
  EXPECT_EQ(EncryptMessage(&context, 0, &message, 0), SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(EncryptMessage(&context, SECQOP_WRAP_NO_ENCRYPT, &message, 0), SEC_E_OK);
}

// DCE/RPC's way: a header and a trailer that are signed only, the body between them sealed.
TEST_F(SspiMessage, PartsMayBeSignedOnlyOrPassedOver) {
  sign_on_with_kerberos();
  Octets header = text(24);
  Octets body = text(100);
  Octets unseen = text(5);
  Octets trailer = text(8);
  Octets token(sizes().cbSecurityTrailer);
  std::array buffers = {buffer(SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM, header),
                        buffer(SECBUFFER_DATA, body),
                        buffer(SECBUFFER_DATA | SECBUFFER_READONLY, unseen),
                        buffer(SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM, trailer),
                        buffer(SECBUFFER_TOKEN, token),
                        SecBuffer{12, SECBUFFER_EMPTY, nullptr}};
  SecBufferDesc message = list(buffers);
  ASSERT_EQ(EncryptMessage(&context, 0, &message, 0), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(header, text(24));
  EXPECT_EQ(unseen, text(5));
  EXPECT_EQ(trailer, text(8));
  EXPECT_NE(body, text(100));
  const std::array<Part, 3> parts = {Part{.use = Part::Use::kSigned, .bytes = header},
                                     Part{.bytes = body},
                                     Part{.use = Part::Use::kSigned, .bytes = trailer}};
  EXPECT_EQ(peer->open(parts, MutableBytes(token).first(buffers[4].cbBuffer), {}).outcome,
            MessageOutcome::kGood);
  EXPECT_EQ(body, text(100));
}

// Every list of buffers that is none, and that the next right one is taken all the same.
TEST_F(SspiMessage, BuffersThatAreNoMessageAreRefused) {
  sign_on_with_kerberos();
  Octets data = text(8);
  Octets token(sizes().cbSecurityTrailer);
  Octets more(64);
  struct Bad {
    std::vector<SecBuffer> buffers;
    SECURITY_STATUS status;
  };
  const SecBuffer good_token = buffer(SECBUFFER_TOKEN, token);
  const SecBuffer good_data = buffer(SECBUFFER_DATA, data);
  std::vector<Bad> all = {
      {{}, SEC_E_INVALID_TOKEN},
      {{good_data}, SEC_E_INVALID_TOKEN},
      {{good_token, good_token, good_data}, SEC_E_INVALID_TOKEN},
      {{good_token, good_data, buffer(SECBUFFER_PADDING, more), buffer(SECBUFFER_PADDING, more)},
       SEC_E_INVALID_TOKEN},
      {{good_token, good_data, buffer(SECBUFFER_STREAM, more)}, SEC_E_INVALID_TOKEN},
      {{buffer(SECBUFFER_TOKEN | SECBUFFER_READONLY, token), good_data}, SEC_E_INVALID_TOKEN},
      {{buffer(SECBUFFER_TOKEN | SECBUFFER_READONLY_WITH_CHECKSUM, token), good_data},
       SEC_E_INVALID_TOKEN},
      {{good_token, {8, SECBUFFER_DATA, nullptr}}, SEC_E_INVALID_PARAMETER},
      {{{60, SECBUFFER_TOKEN, nullptr}, good_data}, SEC_E_INVALID_PARAMETER},
      {{{0, SECBUFFER_TOKEN, nullptr}, good_data}, SEC_E_BUFFER_TOO_SMALL},
      {{{1, SECBUFFER_TOKEN, token.data()}, good_data}, SEC_E_BUFFER_TOO_SMALL},
      {{good_token, good_data, {0xffffffff, SECBUFFER_PADDING, nullptr}}, SEC_E_INVALID_PARAMETER},
      {{good_token, {0x80000000, SECBUFFER_DATA, nullptr}}, SEC_E_INVALID_PARAMETER},
  };
  for (std::uint32_t type = 0; type < 32; ++type) {
    if (type != SECBUFFER_EMPTY && type != SECBUFFER_DATA && type != SECBUFFER_TOKEN &&
        type != SECBUFFER_PADDING) {
      all.push_back({{good_token, good_data, buffer(type, more)}, SEC_E_INVALID_TOKEN});
    }
  }
  Bad many{{good_token}, SEC_E_INVALID_TOKEN};
  many.buffers.resize(1 + protect::kMessagePartsMax + 1, SecBuffer{0, SECBUFFER_DATA, nullptr});
  all.push_back(many);
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    SecBufferDesc message{SECBUFFER_VERSION, static_cast<std::uint32_t>(all[i].buffers.size()),
                          all[i].buffers.data()};
    EXPECT_EQ(EncryptMessage(&context, 0, &message, 0), all[i].status) << usher_last_refusal();
    EXPECT_EQ(data, text(8));
  }
  SecBufferDesc wrong{1, 0, nullptr};
  EXPECT_EQ(EncryptMessage(&context, 0, &wrong, 0), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(EncryptMessage(&context, 0, nullptr, 0), SEC_E_INVALID_PARAMETER);
  SecBufferDesc no_buffers{SECBUFFER_VERSION, 2, nullptr};
  EXPECT_EQ(EncryptMessage(&context, 0, &no_buffers, 0), SEC_E_INVALID_PARAMETER);
  many.buffers.pop_back();
  SecBufferDesc most{SECBUFFER_VERSION, 1 + protect::kMessagePartsMax, many.buffers.data()};
  EXPECT_EQ(EncryptMessage(&context, 0, &most, 0), SEC_E_OK) << "so many are not too many";
  const Part nothing{};
  EXPECT_EQ(peer->open(std::span(&nothing, 1), token, {}).outcome, MessageOutcome::kGood);
  we_send(8);
}

TEST_F(SspiMessage, WhatIsNoMessageIsNotTaken) {
  sign_on_with_kerberos();
  Octets data = text(8);
  Octets junk = text(60);
  Sent bad{.token = junk, .data = data, .padding = {}};
  EXPECT_EQ(we_take(bad), SEC_E_INVALID_TOKEN);
  Octets mic = junk;
  EXPECT_EQ(verify(text(8), mic), SEC_E_INVALID_TOKEN);
  Octets whole = text(12);
  std::array buffers = {buffer(SECBUFFER_STREAM, whole), SecBuffer{0, SECBUFFER_DATA, nullptr}};
  SecBufferDesc message = list(buffers);
  EXPECT_EQ(DecryptMessage(&context, &message, 0, nullptr), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(buffers[1].pvBuffer, nullptr);
  SecBuffer alone = buffer(SECBUFFER_STREAM, whole);
  SecBufferDesc no_data{SECBUFFER_VERSION, 1, &alone};
  EXPECT_EQ(DecryptMessage(&context, &no_data, 0, nullptr), SEC_E_INVALID_TOKEN);
  Sent good = peer_sends(8);
  EXPECT_EQ(we_take(good), SEC_E_OK) << usher_last_refusal();
}

TEST_F(SspiMessage, AreACompleteContextsOnly) {
  Called half = open_half();
  CtxtHandle gone = half.context;
  sign_on_with_kerberos();
  Octets data = text(8);
  Octets token(100);
  std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
  SecBufferDesc message = list(buffers);
  const auto expect = [&](CtxtHandle* handle, SECURITY_STATUS status) {
    EXPECT_EQ(MakeSignature(handle, 0, &message, 0), status);
    EXPECT_EQ(VerifySignature(handle, &message, 0, nullptr), status);
    EXPECT_EQ(EncryptMessage(handle, 0, &message, 0), status);
    EXPECT_EQ(DecryptMessage(handle, &message, 0, nullptr), status);
  };
  expect(&half.context, SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(DeleteSecurityContext(&half.context), SEC_E_OK);
  expect(&gone, SEC_E_INVALID_HANDLE);
  expect(&credential.handle, SEC_E_INVALID_HANDLE);
  CtxtHandle forged = context;
  forged.dwUpper += 1;
  expect(&forged, SEC_E_INVALID_HANDLE);
  expect(nullptr, SEC_E_INVALID_HANDLE);
  we_send(3);
}

}  // namespace
}  // namespace usher::testing
