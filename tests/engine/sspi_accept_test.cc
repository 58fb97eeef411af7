// AcceptSecurityContext follows the call rules of Windows, and a refused call leaves nothing
// behind.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

constexpr std::uint32_t kKerberosAttributes = ASC_RET_MUTUAL_AUTH | ASC_RET_REPLAY_DETECT |
                                              ASC_RET_SEQUENCE_DETECT | ASC_RET_CONFIDENTIALITY |
                                              ASC_RET_INTEGRITY;

class AcceptSecurityContextTest : public SspiTest {
 protected:
  // call is AcceptSecurityContext for a first token with any lists of buffers.
  SECURITY_STATUS call(SecBufferDesc* input, SecBufferDesc* output, std::uint32_t request = 0) {
    context = {1, 1};  // What a caller left there.
    const SECURITY_STATUS status =
        AcceptSecurityContext(&credential.handle, nullptr, input, request, SECURITY_NATIVE_DREP,
                              &context, output, nullptr, nullptr);
    EXPECT_EQ(SecIsValidHandle(&context), status >= 0);
    return status;
  }

  CtxtHandle context{};
};

TEST_F(AcceptSecurityContextTest, SignsAKerberosClientOnInOneLeg) {
  const mint::Ticket ticket = realm.ticket();
  const mint::ApReq request = realm.ap_req(ticket);
  Called leg = accept(credential.handle, mint::spnego_token(request.message));
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(leg.attributes, kKerberosAttributes);
  const mint::ServerResp resp = mint::read_neg_token_resp(leg.reply);
  EXPECT_EQ(resp.state, spnego::NegState::kAcceptCompleted);
  ASSERT_TRUE(resp.response_token);
  EXPECT_EQ(realm.mint.check_ap_rep(ticket, request, *resp.response_token).error, "");
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, AnswersABareKerberosTokenInKind) {
  const mint::Ticket ticket = realm.ticket();
  const mint::ApReq request = realm.ap_req(ticket);
  Called leg = accept(credential.handle, mint::gss_token(request.message));
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(realm.mint.check_ap_rep(ticket, request, leg.reply).error, "");
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, SignsAnNtlmClientOnInTwoLegs) {
  Called leg = open_half();
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  EXPECT_EQ(leg.attributes, 0u) << "security bits are valid on the last leg only";
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(leg.attributes & ASC_RET_INTEGRITY, ASC_RET_INTEGRITY);
  EXPECT_EQ(leg.expiry.QuadPart, SECURITY_TIME_NEVER);
  EXPECT_EQ(leg.reply, Octets()) << "bare NTLM ends with the AUTHENTICATE";
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, SignsAnNtlmClientOnInsideSpnego) {
  Called leg = accept(credential.handle, client.first_in_spnego());
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  leg = accept(credential.handle, client.second_in_spnego(leg.reply), &leg.context);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(mint::read_neg_token_resp(leg.reply).state, spnego::NegState::kAcceptCompleted)
      << "a reply that comes with SEC_E_OK is to be sent, too";
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, TellsTheTicketsEndAsFiletime) {
  const std::int64_t end = unix_now() + 1234;
  Called leg = accept(credential.handle,
                      mint::gss_token(realm.ap_req(realm.ticket(realm.service, 1234)).message));
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  const std::int64_t told = leg.expiry.QuadPart / 10'000'000 - 11'644'473'600;
  EXPECT_GE(told, end);
  EXPECT_LE(told, end + 5) << "the ticket was made within seconds of `end`";
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, TakesOneAddressForBothHandles) {
  CtxtHandle both = no_handle();
  Octets room(2888);
  Octets token = client.first();
  for (int leg = 0; leg < 2; ++leg) {
    SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    ASSERT_EQ(AcceptSecurityContext(&credential.handle, leg == 0 ? nullptr : &both, &input, 0,
                                    SECURITY_NATIVE_DREP, &both, &output, nullptr, nullptr),
              leg == 0 ? SEC_I_CONTINUE_NEEDED : SEC_E_OK)
        << usher_last_refusal();
    if (leg == 0) {
      token = client.second(Bytes(room).first(out.cbBuffer));
    }
  }
  EXPECT_EQ(DeleteSecurityContext(&both), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, AllocatesTheReplyIfAsked) {
  Octets token = kerberos_token();
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBuffer out{0, SECBUFFER_TOKEN, nullptr};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  std::uint32_t attributes = 0;
  ASSERT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &input,
                                  ASC_REQ_ALLOCATE_MEMORY | ASC_REQ_CONNECTION, 0, &context,
                                  &output, &attributes, nullptr),
            SEC_E_OK)
      << usher_last_refusal();
  EXPECT_EQ(attributes, kKerberosAttributes | ASC_RET_ALLOCATED_MEMORY | ASC_RET_CONNECTION);
  ASSERT_NE(out.pvBuffer, nullptr);
  EXPECT_EQ(
      mint::read_neg_token_resp({static_cast<std::uint8_t*>(out.pvBuffer), out.cbBuffer}).state,
      spnego::NegState::kAcceptCompleted);
  EXPECT_EQ(FreeContextBuffer(out.pvBuffer), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, WritesNoByteBehindTheCallersRoom) {
  Called first = open_half();  // A CHALLENGE, because all of them are equally long.
  const auto needed = static_cast<std::uint32_t>(first.reply.size());
  EXPECT_EQ(DeleteSecurityContext(&first.context), SEC_E_OK);
  ASSERT_GT(needed, 0u);
  for (const std::uint32_t size : {0u, 1u, needed - 1, needed}) {
    Octets token = client.first();
    const auto room = std::make_unique<std::uint8_t[]>(size);  // ASan watches its end.
    SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out{size, SECBUFFER_TOKEN, room.get()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    const bool fits = size >= needed;
    EXPECT_EQ(call(&input, &output), fits ? SEC_I_CONTINUE_NEEDED : SEC_E_BUFFER_TOO_SMALL) << size;
    EXPECT_EQ(out.cbBuffer, fits ? needed : 0);
    EXPECT_EQ(DeleteSecurityContext(&context), fits ? SEC_E_OK : SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

// A complete context that its owner never hears of must not be left either.
TEST_F(AcceptSecurityContextTest, EndsAContextWhoseLastReplyHasNoRoom) {
  Octets token = kerberos_token();
  std::uint8_t room = 0;
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBuffer out{1, SECBUFFER_TOKEN, &room};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  EXPECT_EQ(call(&input, &output), SEC_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(AcceptSecurityContextTest, LetsTheReplyOverwriteTheToken) {
  Octets token = kerberos_token();
  SecBuffer both{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBufferDesc list{SECBUFFER_VERSION, 1, &both};
  ASSERT_EQ(call(&list, &list), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(mint::read_neg_token_resp(Bytes(token).first(both.cbBuffer)).state,
            spnego::NegState::kAcceptCompleted);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, NeedsNoOutputIfThereIsNoReply) {
  mint::AuthenticatorFields one_way;
  one_way.ap_options = 0;
  one_way.context_flags &= ~std::uint32_t(gss::ContextFlags::kMutual);
  const mint::Ticket ticket = realm.ticket();
  struct Case {
    Octets token;
    SECURITY_STATUS status;
  };
  for (Case& c : std::array{
           Case{mint::gss_token(realm.ap_req(ticket, one_way).message), SEC_E_OK},
           Case{mint::gss_token(realm.ap_req(ticket).message), SEC_E_INSUFFICIENT_BUFFERS}}) {
    SecBuffer in{static_cast<std::uint32_t>(c.token.size()), SECBUFFER_TOKEN, c.token.data()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    EXPECT_EQ(call(&input, nullptr), c.status) << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&context),
              c.status == SEC_E_OK ? SEC_E_OK : SEC_E_INVALID_HANDLE);
  }
}

TEST_F(AcceptSecurityContextTest, SendsARejectOnlyIfAskedForErrors) {
  Octets spoiled = kerberos_token();
  spoiled.back() ^= 1;  // The authenticator's checksum.
  EXPECT_EQ(accept(credential.handle, spoiled).reply, Octets());
  Called leg = accept(credential.handle, spoiled, nullptr, ASC_REQ_EXTENDED_ERROR);
  EXPECT_LT(leg.status, 0);
  EXPECT_EQ(leg.attributes, 0u);
  EXPECT_EQ(mint::read_neg_token_resp(leg.reply).state, spnego::NegState::kReject);
  leg =
      accept(credential.handle, spoiled, nullptr, ASC_REQ_EXTENDED_ERROR | ASC_REQ_ALLOCATE_MEMORY);
  EXPECT_EQ(mint::read_neg_token_resp(leg.reply).state, spnego::NegState::kReject);
}

struct InputCase {
  const char* name;
  std::vector<std::uint32_t> types;
  SECURITY_STATUS status;
  const char* words;
};

class InputBuffers : public AcceptSecurityContextTest,
                     public ::testing::WithParamInterface<InputCase> {};

TEST_P(InputBuffers, AreOneTokenAndNothingNotUnderstood) {
  Octets token = kerberos_token();
  std::vector<SecBuffer> buffers;
  for (const std::uint32_t type : GetParam().types) {
    buffers.push_back({static_cast<std::uint32_t>(token.size()), type, token.data()});
  }
  Octets room(2888);
  SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
  SecBufferDesc input{SECBUFFER_VERSION, static_cast<std::uint32_t>(buffers.size()),
                      buffers.data()};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  EXPECT_EQ(call(&input, &output), GetParam().status);
  if (GetParam().status < 0) {
    EXPECT_NE(std::strstr(usher_last_refusal(), GetParam().words), nullptr) << usher_last_refusal();
    EXPECT_EQ(out.cbBuffer, 0u);
  }
  DeleteSecurityContext(&context);
  EXPECT_EQ(free_slots(), kTestSlots);
}

INSTANTIATE_TEST_SUITE_P(
    Table, InputBuffers,
    ::testing::Values(
        InputCase{"Token", {SECBUFFER_TOKEN}, SEC_E_OK, ""},
        InputCase{"ReadOnlyToken", {SECBUFFER_TOKEN | SECBUFFER_READONLY}, SEC_E_OK, ""},
        InputCase{"TokenAndEmpty", {SECBUFFER_TOKEN, SECBUFFER_EMPTY}, SEC_E_OK, ""},
        InputCase{"None", {}, SEC_I_CONTINUE_NEEDED, ""},
        InputCase{"EmptyOnly", {SECBUFFER_EMPTY}, SEC_I_CONTINUE_NEEDED, ""},
        InputCase{"Two", {SECBUFFER_TOKEN, SECBUFFER_TOKEN}, SEC_E_INVALID_TOKEN, "more than one"},
        InputCase{"TokenAsBindings",
                  {SECBUFFER_TOKEN, SECBUFFER_CHANNEL_BINDINGS},
                  SEC_E_INVALID_PARAMETER,
                  "SECBUFFER_CHANNEL_BINDINGS"},
        InputCase{"TwoBindings",
                  {SECBUFFER_TOKEN, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_CHANNEL_BINDINGS},
                  SEC_E_INVALID_TOKEN,
                  "more than one SECBUFFER_CHANNEL_BINDINGS"},
        InputCase{"Data",
                  {SECBUFFER_TOKEN, SECBUFFER_DATA},
                  SEC_E_UNSUPPORTED_FUNCTION,
                  "not understood"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST_F(AcceptSecurityContextTest, RefusesATokenWithoutBytes) {
  Octets token = kerberos_token();
  Octets room(2888);
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, nullptr};
  SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  EXPECT_EQ(call(&input, &output), SEC_E_INVALID_TOKEN);
  EXPECT_STREQ(usher_last_refusal(), "the token is empty");
  in.pvBuffer = token.data();
  out.cbBuffer = static_cast<std::uint32_t>(room.size());
  input.ulVersion = 1;
  EXPECT_EQ(call(&input, &output), SEC_E_INVALID_TOKEN);
  input.ulVersion = SECBUFFER_VERSION;
  out.cbBuffer = static_cast<std::uint32_t>(room.size());  // Zero since the call before.
  EXPECT_EQ(call(&input, &output), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

// The first call of Negotiate may come before the client's first token.
TEST_F(AcceptSecurityContextTest, SaysWhatThereIsBeforeTheClientSaysAnything) {
  Octets room(2888);
  SecBuffer in{0, SECBUFFER_TOKEN, nullptr};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  for (SecBufferDesc* const nothing : {&input, static_cast<SecBufferDesc*>(nullptr)}) {
    SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    ASSERT_EQ(call(nothing, &output), SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    const Result<spnego::NegTokenInit> hint =
        spnego::parse_neg_token_init(Bytes(room).first(out.cbBuffer));
    EXPECT_TRUE(hint.ok() && hint->has_neg_hints);
    Called leg = accept(credential.handle, kerberos_token(), &context);
    EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  }
  for (const char* package : {MICROSOFT_KERBEROS_NAME_A, NTLMSP_NAME_A}) {
    OwnCredential other(acceptor(), package);
    ASSERT_EQ(other.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(accept(other.handle, {}).status, SEC_E_INVALID_TOKEN);
    EXPECT_STREQ(usher_last_refusal(), "the token is empty");
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(AcceptSecurityContextTest, RefusesAReplay) {
  const Octets token = kerberos_token();
  Called leg = accept(credential.handle, token);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(accept(credential.handle, token).status, SEC_E_LOGON_DENIED);
  EXPECT_NE(std::strstr(usher_last_refusal(), "replay"), nullptr);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(AcceptSecurityContextTest, RefusesAWrongPassword) {
  client.fields.password = u"guess";
  Called leg = open_half();
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  EXPECT_EQ(leg.status, SEC_E_LOGON_DENIED);
  EXPECT_NE(std::strstr(usher_last_refusal(), "NTProofStr"), nullptr);
}

TEST_F(AcceptSecurityContextTest, SaysWhichByteOfWhatIsMalformed) {
  Octets token = kerberos_token();
  token.resize(token.size() - 1);
  EXPECT_EQ(accept(credential.handle, token).status, SEC_E_INVALID_TOKEN);
  EXPECT_STREQ(usher_last_refusal(),
               "the GSS-API framing is malformed: an element promises more bytes than there are "
               "(code 1) at byte 0");
}

// The first call makes no context to leave behind, the second must end the one it was given.
TEST_F(AcceptSecurityContextTest, LeavesNoContextAfterARefusedLeg) {
  for (std::uint32_t round = 0; round < 2 * kTestSlots; ++round) {
    EXPECT_LT(accept(credential.handle, mint::octets_of("junk")).status, 0);
    Called leg = open_half();
    ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    Called second = accept(credential.handle, mint::octets_of("junk"), &leg.context);
    EXPECT_LT(second.status, 0);
    EXPECT_FALSE(SecIsValidHandle(&second.context));
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

// The same for mistakes of the caller's, which never reach the token.
TEST_F(AcceptSecurityContextTest, LeavesNoContextAfterAMistakenCall) {
  CredHandle stale = no_handle();
  for (std::uint32_t round = 0; round < 2 * kTestSlots; ++round) {
    Called leg = open_half();
    ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    const Octets token = client.second(leg.reply);
    EXPECT_EQ(round % 2 == 0 ? accept(stale, token, &leg.context).status
                             : accept(credential.handle, {}, &leg.context).status,
              round % 2 == 0 ? SEC_E_INVALID_HANDLE : SEC_E_INVALID_TOKEN);
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(AcceptSecurityContextTest, SparesACompleteContext) {
  Called leg = accept(credential.handle, kerberos_token());
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(accept(credential.handle, kerberos_token(), &leg.context).status,
            SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(accept(credential.handle, {}, &leg.context).status, SEC_E_INVALID_TOKEN);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK) << "it was in use";
}

TEST_F(AcceptSecurityContextTest, WantsAPlaceForTheHandle) {
  Octets token = client.first();
  Octets room(2888);
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  EXPECT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &input, 0, 0, nullptr, &output,
                                  nullptr, nullptr),
            SEC_E_INVALID_HANDLE);
  EXPECT_EQ(free_slots(), kTestSlots);
}

}  // namespace
}  // namespace usher::testing
