// ASC_REQ_* asks for exactly what sspi.h says, and ASC_RET_* claims not one bit that is not so:
// each bit asked for and not, with clients that have what it is about and clients that have not.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "tests/engine/sspi_caller.h"
#include "tools/mint/dce_mint.h"

namespace usher::testing {
namespace {

using gss::ContextFlags;

// Protection is one that can be required.
struct Protection {
  const char* name;
  std::uint32_t request;
  std::uint32_t returned;
  ContextFlags flag;
};
constexpr std::array kProtections = {
    Protection{"mutual", ASC_REQ_MUTUAL_AUTH, ASC_RET_MUTUAL_AUTH, ContextFlags::kMutual},
    Protection{"replay", ASC_REQ_REPLAY_DETECT, ASC_RET_REPLAY_DETECT, ContextFlags::kReplay},
    Protection{"sequence", ASC_REQ_SEQUENCE_DETECT, ASC_RET_SEQUENCE_DETECT,
               ContextFlags::kSequence},
    Protection{"confidentiality", ASC_REQ_CONFIDENTIALITY, ASC_RET_CONFIDENTIALITY,
               ContextFlags::kConfidentiality},
    Protection{"integrity", ASC_REQ_INTEGRITY, ASC_RET_INTEGRITY, ContextFlags::kIntegrity}};

constexpr std::string_view kMissing =
    "the client did not negotiate a protection that the caller requires (ASC_REQ_*)";

bool is_protection(std::uint32_t bit) {
  return std::ranges::any_of(kProtections,
                             [bit](const Protection& one) { return one.request == bit; });
}

class SspiFlags : public SspiTest {
 protected:
  Called kerberos(std::uint32_t context_flags, std::uint32_t request) {
    mint::AuthenticatorFields fields;
    fields.ap_options = 0;
    fields.context_flags = context_flags;
    return ended(accept(credential.handle,
                        mint::spnego_token(realm.ap_req(realm.ticket(), fields).message), nullptr,
                        request));
  }

  Called ntlm(ntlm::NegotiateFlags less, std::uint32_t request) {
    const mint::NegotiateFields usual;
    client.negotiate = mint::ntlm_negotiate({.flags = without(usual.flags, less)});
    Called leg = accept(credential.handle, client.first(), nullptr, request);
    EXPECT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    EXPECT_EQ(leg.attributes & ~(ASC_RET_CONNECTION | ASC_RET_ALLOCATED_MEMORY), 0u)
        << "nothing is protected yet";
    return ended(accept(credential.handle, client.second(leg.reply), &leg.context, request));
  }

  static ntlm::NegotiateFlags without(ntlm::NegotiateFlags flags, ntlm::NegotiateFlags less) {
    return ntlm::NegotiateFlags(std::uint32_t(flags) & ~std::uint32_t(less));
  }

  // ended deletes the context of a call that made one, and keeps why one that did not has not.
  Called ended(Called leg) {
    words = usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&leg.context),
              leg.status == SEC_E_OK ? SEC_E_OK : SEC_E_INVALID_HANDLE);
    return leg;
  }

  std::string words;
};

// What one bit asks for changes, besides protections: attributes, or a refusal.
struct Effect {
  std::uint32_t attributes = 0;
  SECURITY_STATUS status = SEC_E_OK;
};
Effect effect_of(std::uint32_t bit) {
  switch (bit) {
    case ASC_REQ_ALLOCATE_MEMORY:
      return {.attributes = ASC_RET_ALLOCATED_MEMORY};
    case ASC_REQ_CONNECTION:
      return {.attributes = ASC_RET_CONNECTION};
    case ASC_REQ_EXTENDED_ERROR:
      return {.attributes = ASC_RET_EXTENDED_ERROR};
    case ASC_REQ_PROXY_BINDINGS:  // None of these clients has bound itself to anything.
      return {.status = SEC_E_BAD_BINDINGS};
    default:
      return {};
  }
}

TEST_F(SspiFlags, OfEveryBitWithKerberosClientsThatHaveAllAndNothing) {
  constexpr std::uint32_t kAll = ASC_RET_MUTUAL_AUTH | ASC_RET_REPLAY_DETECT |
                                 ASC_RET_SEQUENCE_DETECT | ASC_RET_CONFIDENTIALITY |
                                 ASC_RET_INTEGRITY;
  for (std::uint32_t n = 0; n < 32; ++n) {
    const std::uint32_t bit = std::uint32_t{1} << n;
    const Effect effect = effect_of(bit);
    SCOPED_TRACE(n);
    const Called all = kerberos(mint::kContextFlagsUsual, bit);
    EXPECT_EQ(all.status, effect.status) << words;
    EXPECT_EQ(all.attributes, effect.status == SEC_E_OK ? kAll | effect.attributes : 0u);
    const Called none = kerberos(0, bit);
    EXPECT_EQ(none.status, is_protection(bit) ? SEC_E_SECURITY_QOS_FAILED : effect.status);
    EXPECT_EQ(none.attributes, none.status == SEC_E_OK ? effect.attributes : 0u);
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiFlags, OfEveryBitWithABareNtlmClient) {
  constexpr std::uint32_t kAll =
      ASC_RET_REPLAY_DETECT | ASC_RET_SEQUENCE_DETECT | ASC_RET_CONFIDENTIALITY | ASC_RET_INTEGRITY;
  for (std::uint32_t n = 0; n < 32; ++n) {
    const std::uint32_t bit = std::uint32_t{1} << n;
    SCOPED_TRACE(n);
    const Called leg = ntlm({}, bit);
    // NTLM authenticates one side, has no message that tells of an error, and this last leg no
    // reply that memory would be needed for.
    const bool is_refused = bit == ASC_REQ_MUTUAL_AUTH || bit == ASC_REQ_PROXY_BINDINGS;
    EXPECT_EQ(leg.status < 0, is_refused) << words;
    EXPECT_EQ(leg.attributes,
              is_refused ? 0u : kAll | (bit == ASC_REQ_CONNECTION ? ASC_RET_CONNECTION : 0u));
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiFlags, RequireWhatTheyNameAndNothingElse) {
  for (const Protection& required : kProtections) {
    for (const Protection& has : kProtections) {
      SCOPED_TRACE(std::string(required.name) + " required, " + has.name + " had");
      const bool fits = required.flag == has.flag;
      const Called leg = kerberos(std::uint32_t(has.flag), required.request);
      EXPECT_EQ(leg.status, fits ? SEC_E_OK : SEC_E_SECURITY_QOS_FAILED);
      EXPECT_EQ(leg.attributes, fits ? has.returned : 0u);
      if (!fits) {
        EXPECT_EQ(words, kMissing);
      }
    }
    // All but the one that is required.
    EXPECT_EQ(
        kerberos(mint::kContextFlagsUsual & ~std::uint32_t(required.flag), required.request).status,
        SEC_E_SECURITY_QOS_FAILED);
  }
}

TEST_F(SspiFlags, RequireOfNtlmClientsWhatTheyAgreedTo) {
  using ntlm::NegotiateFlags;
  const NegotiateFlags both =
      NegotiateFlags(std::uint32_t(NegotiateFlags::kSign) | std::uint32_t(NegotiateFlags::kSeal));
  for (const Protection& required : kProtections) {
    SCOPED_TRACE(required.name);
    const bool never = required.request == ASC_REQ_MUTUAL_AUTH;
    EXPECT_EQ(ntlm({}, required.request).status, never ? SEC_E_SECURITY_QOS_FAILED : SEC_E_OK);
    EXPECT_EQ(ntlm(NegotiateFlags::kSeal, required.request).status,
              never || required.request == ASC_REQ_CONFIDENTIALITY ? SEC_E_SECURITY_QOS_FAILED
                                                                   : SEC_E_OK);
    EXPECT_EQ(ntlm(both, required.request).status, SEC_E_SECURITY_QOS_FAILED);
  }
  // Who is wrong is told so and not what else would be missing.
  client.fields.password = u"guess";
  EXPECT_EQ(ntlm(both, ASC_REQ_INTEGRITY).status, SEC_E_LOGON_DENIED);
}

// A client that is refused for what it lacks has not used its authenticator up.
TEST_F(SspiFlags, RefuseBeforeAReplayIsRemembered) {
  mint::AuthenticatorFields fields;
  fields.context_flags = std::uint32_t(ContextFlags::kMutual);
  const Octets token = mint::gss_token(realm.ap_req(realm.ticket(), fields).message);
  EXPECT_EQ(accept(credential.handle, token, nullptr, ASC_REQ_INTEGRITY).status,
            SEC_E_SECURITY_QOS_FAILED);
  EXPECT_EQ(ended(accept(credential.handle, token)).status, SEC_E_OK) << usher_last_refusal();
}

// A caller that comes to require something on the last leg only is heard.
TEST_F(SspiFlags, AreHeardOnTheLastLegToo) {
  for (const bool required : {false, true}) {
    mint::AuthenticatorFields fields;
    fields.context_flags = std::uint32_t(ContextFlags::kDceStyle);
    const mint::Ticket ticket = realm.ticket();
    const mint::ApReq request = realm.ap_req(ticket, fields);
    Called leg = accept(credential.handle, request.message);
    ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    const mint::KerberosMint::Answer answer = realm.mint.check_ap_rep(ticket, request, leg.reply);
    const Octets third = mint::third_leg_to(realm.mint, ticket, request, answer);
    leg = ended(accept(credential.handle, third, &leg.context,
                       required ? ASC_REQ_INTEGRITY : ASC_REQ_MUTUAL_AUTH));
    EXPECT_EQ(leg.status, required ? SEC_E_SECURITY_QOS_FAILED : SEC_E_OK) << usher_last_refusal();
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

// Bytes travel in the order their protocols say, whatever the caller's machine has.
TEST_F(SspiFlags, DoNotGoByTheByteOrder) {
  for (const std::uint32_t order : {SECURITY_NATIVE_DREP, SECURITY_NETWORK_DREP, 0xffffffffu}) {
    Octets token = kerberos_token();
    Octets room(2888);
    SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    CtxtHandle context = no_handle();
    EXPECT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &input, 0, order, &context,
                                    &output, nullptr, nullptr),
              SEC_E_OK)
        << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  }
}

}  // namespace
}  // namespace usher::testing
