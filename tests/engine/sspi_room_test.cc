// A reply that has no room loses nothing: the very same call succeeds once there is room, on every
// leg of every kind of exchange, and what it is then is what it would have been at first.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine/sspi_caller.h"
#include "tools/mint/dce_mint.h"

namespace usher::testing {
namespace {

using gss::Mechanism;

// Talk is a client's side of one exchange: the token for each leg, made of the reply to the one
// before.
using Talk = std::vector<std::function<Octets(Bytes)>>;

class SspiRoom : public SspiTest {
 protected:
  Octets ap_req(mint::AuthenticatorFields fields = {}) {
    ticket = realm.ticket();
    request = realm.ap_req(ticket, fields);
    return request.message;
  }

  // mic is the client's mechListMIC over `types` once `reply` has been read.
  Octets kerberos_mic(Bytes ap_rep, const std::vector<Mechanism>& types) {
    answer = realm.mint.check_ap_rep(ticket, request, ap_rep);
    EXPECT_EQ(answer.error, "");
    return realm.mint.write_mech_list_mic(ticket, request, answer, mint::mech_type_list(types));
  }

  static Octets nothing(Bytes) { return {}; }
  Talk hint_before(Talk talk) {
    talk.insert(talk.begin(), nothing);
    return talk;
  }

  Talk kerberos(bool in_spnego, bool mutual) {
    mint::AuthenticatorFields fields;
    if (!mutual) {
      fields.ap_options = 0;
      fields.context_flags &= ~std::uint32_t(gss::ContextFlags::kMutual);
    }
    const Octets token = mint::gss_token(ap_req(fields));
    return {[=](Bytes) {
      return in_spnego ? mint::optimistic({Mechanism::kKerberos, Mechanism::kNtlm}, token) : token;
    }};
  }

  // The favourite is not served: both MICs are due (RFC 4178 5).
  Talk renegotiated() {
    static const std::vector<Mechanism> kTypes = {Mechanism::kNegoEx, Mechanism::kKerberos};
    return {[](Bytes) { return mint::optimistic(kTypes, Octets(3, 'x')); },
            [this](Bytes) {
              mint::NegTokenRespFields fields;
              fields.response_token = mint::gss_token(ap_req());
              return mint::neg_token_resp(fields);
            },
            [this](Bytes reply) {
              mint::NegTokenRespFields fields;
              fields.mech_list_mic =
                  kerberos_mic(mint::read_neg_token_resp(reply).response_token.value(), kTypes);
              return mint::neg_token_resp(fields);
            }};
  }

  Talk dce(bool in_spnego) {
    mint::AuthenticatorFields fields;
    fields.context_flags = mint::kContextFlagsDce;
    const Octets token = ap_req(fields);
    return {
        [=](Bytes) { return in_spnego ? mint::optimistic({Mechanism::kKerberos}, token) : token; },
        [this, in_spnego](Bytes reply) {
          answer = realm.mint.check_ap_rep(
              ticket, request,
              in_spnego ? mint::read_neg_token_resp(reply).response_token.value()
                        : mint::octets_of(reply));
          EXPECT_EQ(answer.error, "");
          const Octets third = mint::third_leg_to(realm.mint, ticket, request, answer);
          mint::NegTokenRespFields resp;
          resp.response_token = third;
          return in_spnego ? mint::neg_token_resp(resp) : third;
        }};
  }

  Talk ntlm(bool in_spnego) {
    return {[=, this](Bytes) { return in_spnego ? client.first_in_spnego() : client.first(); },
            [=, this](Bytes reply) {
              return in_spnego ? client.second_in_spnego(reply) : client.second(reply);
            }};
  }

  // take_leg makes the call with ever more room, from none on, until it is enough.
  SECURITY_STATUS take_leg(const Octets& token, bool first, CtxtHandle& context, Octets& reply) {
    constexpr std::uint32_t kSlack = 3;  // A random number may be shorter than the longest.
    for (std::uint32_t size = 0; size < 2048; ++size) {
      Octets copy = token;
      const auto room = std::make_unique<std::uint8_t[]>(size);  // ASan watches its end.
      SecBuffer in{static_cast<std::uint32_t>(copy.size()), SECBUFFER_TOKEN, copy.data()};
      SecBuffer out{size, SECBUFFER_TOKEN, room.get()};
      SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
      SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
      const SECURITY_STATUS status =
          AcceptSecurityContext(&credential.handle, first ? nullptr : &context, &input,
                                ASC_REQ_EXTENDED_ERROR, 0, &context, &output, nullptr, nullptr);
      if (status != SEC_E_BUFFER_TOO_SMALL) {
        EXPECT_LE(out.cbBuffer, size);
        EXPECT_LE(size, out.cbBuffer + kSlack);
        reply.assign(room.get(), room.get() + out.cbBuffer);
        return status;
      }
      EXPECT_EQ(out.cbBuffer, 0u) << "nothing is to be sent, also not that the client is refused";
      EXPECT_STREQ(usher_last_refusal(), "the output buffer cannot hold the reply");
    }
    return SEC_E_BUFFER_TOO_SMALL;
  }

  void expect_talk(const char* name, const Talk& talk) {
    SCOPED_TRACE(name);
    CtxtHandle context = no_handle();
    Octets reply;
    for (std::size_t leg = 0; leg < talk.size(); ++leg) {
      const Octets token = talk[leg](reply);
      ASSERT_EQ(take_leg(token, leg == 0, context, reply),
                leg + 1 == talk.size() ? SEC_E_OK : SEC_I_CONTINUE_NEEDED)
          << leg << ": " << usher_last_refusal();
    }
    EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
    EXPECT_EQ(free_slots(), kTestSlots);
  }

  mint::Ticket ticket;
  mint::ApReq request;
  mint::KerberosMint::Answer answer;
};

TEST_F(SspiRoom, IsAskedForAgainOnEveryLegOfEveryExchange) {
  for (const bool in_spnego : {false, true}) {
    for (const bool mutual : {false, true}) {
      expect_talk("Kerberos", kerberos(in_spnego, mutual));
    }
    expect_talk("NTLM", ntlm(in_spnego));
    expect_talk("DCE style", dce(in_spnego));
  }
  expect_talk("renegotiated", renegotiated());
  expect_talk("Kerberos after a hint", hint_before(kerberos(true, true)));
  expect_talk("NTLM after a hint", hint_before(ntlm(false)));
  expect_talk("renegotiated after a hint", hint_before(renegotiated()));
}

// What came before the room was found is forgotten: another client may take the hint up.
TEST_F(SspiRoom, LeavesNothingOfATokenThatHadNone) {
  Called hint = accept(credential.handle, {});
  ASSERT_EQ(hint.status, SEC_I_CONTINUE_NEEDED);
  Octets token = mint::optimistic({Mechanism::kKerberos}, mint::gss_token(ap_req()));
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  std::uint8_t byte = 0;
  SecBuffer out{1, SECBUFFER_TOKEN, &byte};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  ASSERT_EQ(AcceptSecurityContext(&credential.handle, &hint.context, &input, 0, 0, &hint.context,
                                  &output, nullptr, nullptr),
            SEC_E_BUFFER_TOO_SMALL);
  Called leg = accept(credential.handle, client.first(), &hint.context);
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  EXPECT_EQ(std::memcmp(leg.reply.data(), "NTLMSSP", 8), 0) << "bare, as it came";
  leg = accept(credential.handle, client.second(leg.reply), &leg.context);
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiRoom, IsNoWayRoundTheReplayCache) {
  const Octets token = mint::gss_token(ap_req());
  CtxtHandle context = no_handle();
  Octets reply;
  ASSERT_EQ(take_leg(token, true, context, reply), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  EXPECT_EQ(accept(credential.handle, token).status, SEC_E_LOGON_DENIED);
}

// Whoever gives no buffer at all may give one then.
TEST_F(SspiRoom, MayBeNoneAtFirst) {
  Octets token = mint::gss_token(ap_req());
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  CtxtHandle context = no_handle();
  EXPECT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &input, 0, 0, &context, nullptr,
                                  nullptr, nullptr),
            SEC_E_INSUFFICIENT_BUFFERS);
  EXPECT_FALSE(SecIsValidHandle(&context));
  Called leg = accept(credential.handle, token);
  EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

// A bad token is refused as such, with room or without, where a right one is found out to be right.
TEST_F(SspiRoom, IsNotWhatABadTokenIsRefusedFor) {
  Octets token = mint::gss_token(ap_req());
  token.back() ^= 1;
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBuffer out{0, SECBUFFER_TOKEN, nullptr};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context = no_handle();
  EXPECT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &input, 0, 0, &context, &output,
                                  nullptr, nullptr),
            SEC_E_MESSAGE_ALTERED);
  token.back() ^= 1;
  EXPECT_EQ(AcceptSecurityContext(&credential.handle, nullptr, &input, 0, 0, &context, &output,
                                  nullptr, nullptr),
            SEC_E_BUFFER_TOO_SMALL);
}

}  // namespace
}  // namespace usher::testing
