// Messages of packed contexts: the copy goes on where the original was, with the peer that knows
// nothing of it; no message is made twice with one key stream.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/protect/message.h"
#include "tests/engine/context_answers.h"
#include "tests/engine/signed_on.h"

namespace usher::testing {
namespace {

using protect::MessageOutcome;
using protect::Part;
using protect::Sender;
using protect::Session;
using protect::SessionShare;

constexpr std::uint32_t kDelete = SECPKG_CONTEXT_EXPORT_DELETE_OLD;
constexpr std::uint32_t kReset = SECPKG_CONTEXT_EXPORT_RESET_NEW;

const Octets kText(200, 0x41);

// Kind is a way to sign on: an etype, or NTLM.
struct Kind {
  const char* name;
  std::int32_t etype = 0;
  bool in_spnego = false;

  [[nodiscard]] bool key_stream() const { return etype == 0 || etype == 23; }
};

// Sent is a message on its way: a MIC, or something sealed.
struct Sent {
  SECURITY_STATUS status = SEC_E_OK;
  Octets token;
  Octets data;
  Octets padding;
};

class SspiExportMessage : public SspiTest, public ::testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    SspiTest::SetUp();
    both = GetParam().etype == 0
               ? sign_on_with_ntlm(realm, client, own.handle, GetParam().in_spnego)
               : sign_on_with_kerberos(realm, own.handle, GetParam().etype);
    context = both.context;
    peer = Session::make(terms());
    ASSERT_NE(peer, nullptr);
  }
  void TearDown() override {
    DeleteSecurityContext(&context);
    EXPECT_EQ(free_slots(), kTestSlots) << "a test has left a context";
  }

  USHER_ACCEPTOR lax() const {
    USHER_ACCEPTOR out = acceptor();
    out.Policy = "kerberos.rc4=allow,kerberos.weaker-keys=allow";
    return out;
  }
  protect::SessionTerms terms() const { return both.terms(); }  // The client's.

  // seal and sign are the server's, through the API.
  static Sent seal(CtxtHandle from) {
    SecPkgContext_Sizes sizes{};
    EXPECT_EQ(QueryContextAttributesA(&from, SECPKG_ATTR_SIZES, &sizes), SEC_E_OK);
    Sent sent{.token = Octets(sizes.cbSecurityTrailer),
              .data = kText,
              .padding = Octets(sizes.cbBlockSize)};
    std::array buffers = {
        SecBuffer{sizes.cbSecurityTrailer, SECBUFFER_TOKEN, sent.token.data()},
        SecBuffer{static_cast<std::uint32_t>(kText.size()), SECBUFFER_DATA, sent.data.data()},
        SecBuffer{sizes.cbBlockSize, SECBUFFER_PADDING, sent.padding.data()}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    sent.status = EncryptMessage(&from, 0, &message, 0);
    sent.token.resize(buffers[0].cbBuffer);
    sent.padding.resize(buffers[2].cbBuffer);
    return sent;
  }
  static Sent sign(CtxtHandle from) {
    Sent sent{.token = Octets(64), .data = kText, .padding = {}};
    std::array buffers = {
        SecBuffer{static_cast<std::uint32_t>(kText.size()), SECBUFFER_DATA, sent.data.data()},
        SecBuffer{64, SECBUFFER_TOKEN, sent.token.data()}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    sent.status = MakeSignature(&from, 0, &message, 0);
    sent.token.resize(buffers[1].cbBuffer);
    return sent;
  }
  MessageOutcome peer_opens(Sent sent) {
    const Part part{.bytes = sent.data};
    const MessageOutcome outcome = peer->open({&part, 1}, sent.token, sent.padding).outcome;
    EXPECT_TRUE(outcome != MessageOutcome::kGood || sent.data == kText);
    return outcome;
  }
  MessageOutcome peer_verifies(Sent sent) {
    const Part part{.use = Part::Use::kSigned, .bytes = sent.data};
    return peer->verify({&part, 1}, sent.token);
  }

  // peer_signs makes a MIC of the client's, and verify takes one through the API.
  Sent peer_signs() {
    Sent sent{.token = Octets(peer->sizes().signature), .data = kText, .padding = {}};
    const Part part{.use = Part::Use::kSigned, .bytes = sent.data};
    EXPECT_EQ(peer->sign({&part, 1}, sent.token).outcome, MessageOutcome::kGood);
    return sent;
  }
  static SECURITY_STATUS verify(CtxtHandle by, Sent sent) {
    std::array buffers = {
        SecBuffer{static_cast<std::uint32_t>(sent.data.size()), SECBUFFER_DATA, sent.data.data()},
        SecBuffer{static_cast<std::uint32_t>(sent.token.size()), SECBUFFER_TOKEN,
                  sent.token.data()}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    return VerifySignature(&by, &message, 0, nullptr);
  }

  // converse has both sides say something, in both ways.
  void converse(const CtxtHandle& with, int rounds = 3) {
    for (int n = 0; n < rounds; ++n) {
      ASSERT_EQ(peer_opens(seal(with)), MessageOutcome::kGood) << n;
      ASSERT_EQ(peer_verifies(sign(with)), MessageOutcome::kGood) << n;
      ASSERT_EQ(verify(with, peer_signs()), SEC_E_OK) << n << ' ' << usher_last_refusal();
    }
  }
  static CtxtHandle unpacked(const Packed& packed) {
    EXPECT_EQ(packed.status, SEC_E_OK) << usher_last_refusal();
    const Unpacked copy = unpack(packed.blob);
    EXPECT_EQ(copy.status, SEC_E_OK) << usher_last_refusal();
    return copy.context;
  }

  OwnCredential own{lax()};
  CtxtHandle context = no_handle();
  SignedOn both;
  SessionShare peer;
};
INSTANTIATE_TEST_SUITE_P(All, SspiExportMessage,
                         ::testing::Values(Kind{"Aes256", 18}, Kind{"Aes128", 17},
                                           Kind{"Aes128Sha2", 19}, Kind{"Aes256Sha2", 20},
                                           Kind{"Rc4", 23}, Kind{"Ntlm", 0},
                                           Kind{"NtlmInSpnego", 0, true}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(SspiExportMessage, GoOnWhereTheyWereFromCopyToCopy) {
  converse(context);
  const Sent old = peer_signs();
  ASSERT_EQ(verify(context, old), SEC_E_OK);
  for (int n = 0; n < 5; ++n) {
    context = unpacked(pack(context, kDelete));
    EXPECT_EQ(verify(context, old), SEC_E_OUT_OF_SEQUENCE) << "a copy knows what was seen";
    converse(context);
  }
}

TEST_P(SspiExportMessage, BeginWithTheFirstIfNoneWasMade) {
  context = unpacked(pack(context, kDelete));
  converse(context);
}

TEST_P(SspiExportMessage, BeginWithTheFirstAfterOneThatWasRefused) {
  Sent other = peer_signs();
  other.data[0] ^= 1;
  ASSERT_EQ(verify(context, other), SEC_E_MESSAGE_ALTERED);
  peer = Session::make(terms());
  context = unpacked(pack(context, kDelete | kReset));
  converse(context);
}

TEST_P(SspiExportMessage, AnOldCopyDoesNotSendWithAKeyStreamTwice) {
  for (const int rounds : {0, 2}) {
    if (rounds > 0) {
      converse(context, rounds);
    }
    CtxtHandle old = context;
    context = unpacked(pack(old));
    if (GetParam().key_stream()) {
      EXPECT_EQ(seal(old).status, SEC_E_OUT_OF_SEQUENCE);
      EXPECT_EQ(sign(old).status, SEC_E_OUT_OF_SEQUENCE);
      EXPECT_NE(std::string_view(usher_last_refusal()).find("ExportSecurityContext"),
                std::string_view::npos);
    }
    converse(context);
    if (!GetParam().key_stream()) {
      // It may, but its numbers are taken.
      EXPECT_EQ(peer_opens(seal(old)), MessageOutcome::kReplayed);
    }
    EXPECT_EQ(DeleteSecurityContext(&old), SEC_E_OK);
  }
}

// A key stream would be used twice, and what the peer has sent would be taken again.
TEST_P(SspiExportMessage, DoNotBeginAnewOnceOneWasMadeOrTaken) {
  const Sent old = peer_signs();
  ASSERT_EQ(verify(context, old), SEC_E_OK);
  EXPECT_EQ(pack(context, kReset | kDelete).status, SEC_E_UNSUPPORTED_FUNCTION) << "one was taken";
  converse(context);  // It was not deleted, nor stopped.
  EXPECT_EQ(pack(context, kReset).status, SEC_E_UNSUPPORTED_FUNCTION);
  context = unpacked(pack(context, kDelete));
  EXPECT_EQ(pack(context, kReset).status, SEC_E_UNSUPPORTED_FUNCTION) << "a copy has begun, too";
  EXPECT_EQ(verify(context, old), SEC_E_OUT_OF_SEQUENCE);
  converse(context);
}

TEST_P(SspiExportMessage, NoneIsMadeBehindWhatWasPacked) {
  // A thread that sends while the context is packed and deleted: the peer takes every message it
  // made, and then those of the copy, without a gap and without one that comes twice.
  for (const std::uint32_t flags : {kDelete, std::uint32_t{0}}) {
    if (flags == 0 && !GetParam().key_stream()) {
      continue;  // The old copy may go on: it is the caller's to keep it idle.
    }
    std::atomic<int> made{0};
    std::vector<Sent> sent;
    const CtxtHandle old = context;
    std::thread sender([&] {
      for (Sent one = sign(old); one.status == SEC_E_OK; one = sign(old)) {
        sent.push_back(std::move(one));
        ++made;
      }
    });
    while (made < 20) {
      std::this_thread::yield();
    }
    context = unpacked(pack(old, flags));
    sender.join();
    for (const Sent& one : sent) {
      ASSERT_EQ(peer_verifies(one), MessageOutcome::kGood);
    }
    converse(context);
    CtxtHandle gone = old;
    EXPECT_EQ(DeleteSecurityContext(&gone), flags == 0 ? SEC_E_OK : SEC_E_INVALID_HANDLE);
  }
}

}  // namespace
}  // namespace usher::testing
