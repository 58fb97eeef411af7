// Promise: AcceptSecurityContext checks the channel bindings it is given, tells what came of them
// whatever the status is, and never reads past the buffer that holds them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "tests/engine/sspi_caller.h"
#include "tests/hex.h"

namespace usher::testing {
namespace {

constexpr std::uint32_t kNoResult = 0xdeadbeef;

// bindings_of is a SEC_CHANNEL_BINDINGS, or _EX, with application data alone.
Octets bindings_of(Bytes data, bool extended = false, std::uint32_t flags = 0) {
  const std::uint32_t header =
      extended ? sizeof(SEC_CHANNEL_BINDINGS_EX) : sizeof(SEC_CHANNEL_BINDINGS);
  Octets out(header);
  if (extended) {
    SEC_CHANNEL_BINDINGS_EX fields{};
    fields.magicNumber = SEC_CHANNEL_BINDINGS_EX_MAGIC;
    fields.flags = flags;
    fields.cbHeaderLength = header;
    fields.cbStructureLength = static_cast<std::uint32_t>(header + data.size());
    fields.cbApplicationDataLength = static_cast<std::uint32_t>(data.size());
    fields.dwApplicationDataOffset = header;
    std::memcpy(out.data(), &fields, sizeof(fields));
  } else {
    SEC_CHANNEL_BINDINGS fields{};
    fields.cbApplicationDataLength = static_cast<std::uint32_t>(data.size());
    fields.dwApplicationDataOffset = header;
    std::memcpy(out.data(), &fields, sizeof(fields));
  }
  mint::append(out, data);
  return out;
}

// Told is what one call gave back about bindings.
struct Told {
  SECURITY_STATUS status = SEC_E_OK;
  CtxtHandle context{};
  std::uint32_t flags = 0;
  std::uint32_t attributes = 0;
};

class SspiBindings : public SspiTest {
 protected:
  Told offer(CredHandle& its_credential, Bytes token, Bytes bindings, std::uint32_t request = 0,
             CtxtHandle* given = nullptr) {
    Octets token_copy = mint::octets_of(token);
    // Of exactly their size, for ASan to watch the end.
    const auto copy = std::make_unique<std::uint8_t[]>(bindings.size());
    std::ranges::copy(bindings, copy.get());
    std::array in = {
        SecBuffer{static_cast<std::uint32_t>(token_copy.size()), SECBUFFER_TOKEN,
                  token_copy.data()},
        SecBuffer{static_cast<std::uint32_t>(bindings.size()),
                  bindings.empty() ? SECBUFFER_EMPTY : SECBUFFER_CHANNEL_BINDINGS, copy.get()}};
    reply.assign(48000, 0);
    SEC_CHANNEL_BINDINGS_RESULT result{kNoResult};
    std::array out = {
        SecBuffer{static_cast<std::uint32_t>(reply.size()), SECBUFFER_TOKEN, reply.data()},
        SecBuffer{sizeof(result), SECBUFFER_CHANNEL_BINDINGS_RESULT, &result}};
    SecBufferDesc input{SECBUFFER_VERSION, in.size(), in.data()};
    SecBufferDesc output{SECBUFFER_VERSION, out.size(), out.data()};
    Told told;
    told.context = no_handle();
    told.status =
        AcceptSecurityContext(&its_credential, given, &input, request, SECURITY_NATIVE_DREP,
                              &told.context, &output, &told.attributes, nullptr);
    reply.resize(out[0].cbBuffer);
    told.flags = result.flags;
    EXPECT_EQ(out[1].cbBuffer, sizeof(result));
    return told;
  }
  Told offer(Bytes token, Bytes bindings, std::uint32_t request = 0) {
    return offer(credential.handle, token, bindings, request);
  }

  // hash_of is what a client sends for application data alone (RFC 4121 4.1.1.2).
  Octets hash_of(Bytes data) {
    Octets hashed(16);  // Two address types and two empty addresses.
    mint::append_le(hashed, static_cast<std::uint32_t>(data.size()));
    mint::append(hashed, data);
    Octets hash(16);
    EXPECT_TRUE(realm.kit->md5(std::array{Bytes(hashed)}, hash));
    return hash;
  }

  // token_with is a Kerberos client's first token, bound to `data`.
  Octets token_with(Bytes data) {
    mint::AuthenticatorFields fields;
    if (!data.empty()) {
      std::ranges::copy(hash_of(data), fields.bindings.begin());
    }
    return mint::spnego_token(realm.ap_req(realm.ticket(), fields).message);
  }

  void expect(const Told& told, SECURITY_STATUS status, std::uint32_t flags) {
    EXPECT_EQ(told.status, status) << usher_last_refusal();
    EXPECT_EQ(told.flags, flags);
    if (told.status >= 0) {
      CtxtHandle context = told.context;
      EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
    }
  }

  const Octets channel = mint::octets_of(std::string_view("tls-server-end-point:this one"));
  const Octets other = mint::octets_of(std::string_view("tls-server-end-point:that one"));
  const Octets ours = bindings_of(channel);
  Octets reply;
};

TEST_F(SspiBindings, AreCompared) {
  expect(offer(token_with(channel), ours), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  expect(offer(token_with(channel), bindings_of(channel, true)), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  expect(
      offer(token_with(other), ours), SEC_E_BAD_BINDINGS,
      SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiBindings, MayBeMissingIfTheCallerSaysSo) {
  expect(offer(token_with({}), ours), SEC_E_BAD_BINDINGS,
         SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING);
  EXPECT_NE(std::strstr(usher_last_refusal(), "channel bindings"), nullptr);
  expect(offer(token_with({}), ours, ASC_REQ_ALLOW_MISSING_BINDINGS), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING);
  expect(
      offer(token_with(other), ours, ASC_REQ_ALLOW_MISSING_BINDINGS), SEC_E_BAD_BINDINGS,
      SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
}

TEST_F(SspiBindings, AreOnlyReportedInAnAudit) {
  const Octets audit = bindings_of(channel, true, SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS);
  expect(
      offer(token_with(other), audit), SEC_E_OK,
      SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  expect(offer(token_with({}), audit), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING);
}

TEST_F(SspiBindings, OfAProxysClientMustBeThere) {
  expect(offer(token_with(other), {}, ASC_REQ_PROXY_BINDINGS), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_VALID_PROXY | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  expect(offer(token_with({}), {}, ASC_REQ_PROXY_BINDINGS), SEC_E_BAD_BINDINGS,
         SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING);
  expect(offer(token_with({}), {}, ASC_REQ_PROXY_BINDINGS | ASC_REQ_ALLOW_MISSING_BINDINGS),
         SEC_E_OK, SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING);
}

TEST_F(SspiBindings, ThatNobodyAskedForAreNotLookedAt) {
  expect(offer(token_with(other), {}), SEC_E_OK, SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  expect(offer(mint::octets_of("junk"), ours), SEC_E_INVALID_TOKEN, 0);
}

TEST_F(SspiBindings, ObeyThePolicy) {
  USHER_ACCEPTOR strict = acceptor();
  strict.Policy = "bindings=always";
  OwnCredential always(strict);
  ASSERT_EQ(always.status, SEC_E_OK) << usher_last_refusal();
  expect(offer(always.handle, token_with({}), ours, ASC_REQ_ALLOW_MISSING_BINDINGS),
         SEC_E_BAD_BINDINGS,
         SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING);
  expect(offer(always.handle, token_with(channel), {}), SEC_E_BAD_BINDINGS,
         SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  expect(offer(always.handle, token_with(channel), ours), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  strict.Policy = "bindings=never";
  OwnCredential never(strict);
  expect(offer(never.handle, token_with(other), ours), SEC_E_OK, 0);
}

TEST_F(SspiBindings, OfNtlmComeWithTheSecondLeg) {
  for (const bool right : {true, false}) {
    client.fields.channel_bindings = hash_of(channel);
    client.fields.channel_bindings[3] ^= right ? 0 : 1;
    Told first = offer(client.first(), ours);
    ASSERT_EQ(first.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    EXPECT_EQ(first.flags, 0u);
    const Octets answer = client.second(reply);
    expect(offer(credential.handle, answer, ours, 0, &first.context),
           right ? SEC_E_OK : SEC_E_BAD_BINDINGS,
           SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT |
               (right ? SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED
                      : SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH));
  }
}

TEST_F(SspiBindings, ThatAreMalformedAreTheCallersMistake) {
  for (std::size_t size = 1; size < ours.size(); ++size) {
    const Told told = offer(token_with(channel), Bytes(ours).first(size));
    EXPECT_EQ(told.status, SEC_E_INVALID_PARAMETER) << size;
    EXPECT_EQ(told.flags, 0u);
  }
  for (const char* const part : {"ffffffff 20000000", "10000000 f0ffffff", "1d000000 00000000",
                                 "1e000000 20000000", "00000080 00000080"}) {
    Octets wrong = ours;
    const Octets numbers = hex(part);
    std::ranges::copy(numbers, wrong.begin() + 24);
    EXPECT_EQ(offer(token_with(channel), wrong).status, SEC_E_INVALID_PARAMETER) << part;
    EXPECT_NE(std::strstr(usher_last_refusal(), "SECBUFFER_CHANNEL_BINDINGS"), nullptr);
  }
  EXPECT_EQ(offer(token_with(channel), bindings_of(channel, true, 2)).status,
            SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(free_slots(), kTestSlots);
  expect(offer(token_with(channel), ours), SEC_E_OK,
         SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
}

TEST_F(SspiBindings, ResultNeedsRoomAndIsOne) {
  Octets token = kerberos_token();
  Octets room(2888);
  SEC_CHANNEL_BINDINGS_RESULT result{kNoResult};
  CtxtHandle context = no_handle();
  const auto call = [&](SecBuffer second, SecBuffer third) {
    SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    std::array out = {
        SecBuffer{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()}, second,
        third};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, out.size(), out.data()};
    return AcceptSecurityContext(&credential.handle, nullptr, &input, 0, 0, &context, &output,
                                 nullptr, nullptr);
  };
  const SecBuffer good{sizeof(result), SECBUFFER_CHANNEL_BINDINGS_RESULT, &result};
  const SecBuffer empty{0, SECBUFFER_EMPTY, nullptr};
  EXPECT_EQ(call({3, SECBUFFER_CHANNEL_BINDINGS_RESULT, &result}, empty), SEC_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(call({4, SECBUFFER_CHANNEL_BINDINGS_RESULT, nullptr}, empty), SEC_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(result.flags, kNoResult) << "a place that is none is not written to";
  EXPECT_EQ(call(good, good), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(call(good, empty), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(result.flags, 0u);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiBindings, MayShareOneListWithTheReply) {
  Octets token = token_with(channel);
  Octets bindings = ours;
  token.resize(4096);  // Room for the reply.
  const auto size = static_cast<std::uint32_t>(token_with(channel).size());
  SEC_CHANNEL_BINDINGS_RESULT result{kNoResult};
  std::array list = {SecBuffer{size, SECBUFFER_TOKEN, token.data()},
                     SecBuffer{static_cast<std::uint32_t>(bindings.size()),
                               SECBUFFER_CHANNEL_BINDINGS, bindings.data()},
                     SecBuffer{sizeof(result), SECBUFFER_CHANNEL_BINDINGS_RESULT, &result}};
  SecBufferDesc both{SECBUFFER_VERSION, list.size(), list.data()};
  CtxtHandle context = no_handle();
  ASSERT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &both, 0, 0, &context, &both,
                                  nullptr, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(result.flags,
            SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED | SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

}  // namespace
}  // namespace usher::testing
