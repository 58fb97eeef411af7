// Promise: a reply's headers are its own, whatever kind the replies before it were of.
#include "engine/auth/reply_front.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/auth/door.h"
#include "tools/mint/dce_mint.h"

namespace usher {
namespace {

using auth::ReplyFront;
using gss::Mechanism;
using mint::Octets;
using spnego::NegState;
using testing::Door;

constexpr std::size_t kFrontMax = ReplyFront<int>::kSizeMax;

// written is `front` octets of `fill` in front of "inner".
Octets written(std::size_t front, std::uint8_t fill) {
  Octets octets(front, fill);
  for (const char c : std::string_view("inner")) {
    octets.push_back(static_cast<std::uint8_t>(c));
  }
  return octets;
}
constexpr std::size_t kInnerSize = 5;

class ReplyFrontTest : public ::testing::Test {
 protected:
  Bytes repeat(int kind, std::size_t room_size = kFrontMax + kInnerSize) {
    room.assign(room_size, 0xee);
    const Octets inner = written(0, 0);
    std::ranges::copy(inner, room.end() - std::ptrdiff_t(inner.size()));
    return front.repeat(kind, room, kInnerSize);
  }
  ReplyFront<int> front;
  Octets room;
};

TEST_F(ReplyFrontTest, RepeatsWhatWasWrittenForTheKind) {
  EXPECT_TRUE(repeat(0).empty()) << "nothing is remembered, not even of the kind that is all zeros";
  for (const std::size_t size : {std::size_t{1}, std::size_t{30}, kFrontMax}) {
    const Octets reply = written(size, 0x30);
    front.remember(7, reply, kInnerSize);
    EXPECT_TRUE(std::ranges::equal(repeat(7), reply)) << size;
    EXPECT_TRUE(std::ranges::equal(repeat(7), reply)) << "again";
    EXPECT_EQ(repeat(7).data() + size, room.data() + kFrontMax) << "where the inner part stands";
    EXPECT_TRUE(repeat(8).empty()) << "another kind";
  }
}

TEST_F(ReplyFrontTest, WritesNothingWhereItHasNoRoom) {
  front.remember(7, written(30, 0x30), kInnerSize);
  EXPECT_TRUE(repeat(7, kFrontMax + kInnerSize - 1).empty());
  EXPECT_EQ(std::ranges::count(room, 0xee), std::ptrdiff_t(kFrontMax - 1));
  EXPECT_FALSE(repeat(7, kFrontMax + kInnerSize).empty());
}

TEST_F(ReplyFrontTest, WhatIsTooLongIsNotRemembered) {
  front.remember(7, written(30, 0x30), kInnerSize);
  front.remember(8, written(kFrontMax + 1, 0x31), kInnerSize);
  EXPECT_TRUE(repeat(8).empty());
  EXPECT_TRUE(repeat(7).empty()) << "the last one was another";
}

// Client is how one of many kinds of clients asks.
struct Client {
  const char* name;
  std::size_t service;
  std::int32_t session_etype;
  bool dce_style;
  std::vector<Mechanism> mechs;  // None: no SPNEGO.
};
const std::array<Client, 7> kClients = {{
    {"etype 18", 0, 18, false, {Mechanism::kKerberos}},
    {"etype 17", 2, 17, false, {Mechanism::kKerberos}},
    {"etype 20", 5, 20, false, {Mechanism::kKerberos}},
    {"Microsoft's OID", 0, 18, false, {Mechanism::kMsKerberos}},
    {"asked for a MIC", 0, 18, false, {Mechanism::kNtlm, Mechanism::kKerberos}},
    {"no SPNEGO", 0, 18, false, {}},
    {"DCE style", 0, 18, true, {Mechanism::kKerberos}},
}};

// expect_right looks at what such a client is answered.
void expect_right(Door& door, const Client& client) {
  const mint::Ticket ticket = door.client.ticket(door.services[client.service], [&] {
    mint::TicketFields fields = door.ticket_fields();
    fields.session_etype = client.session_etype;
    return fields;
  }());
  mint::AuthenticatorFields fields = door.authenticator_fields();
  if (client.dce_style) {
    fields.context_flags = mint::kContextFlagsDce;
  }
  const mint::ApReq request = door.client.ap_req(ticket, fields);
  const Octets message = client.dce_style ? request.message : mint::gss_token(request.message);
  const bool later = !client.mechs.empty() && client.mechs[0] == Mechanism::kNtlm;
  Octets token = client.mechs.empty() ? message
                 : later              ? mint::neg_token_init({.mechs = client.mechs})
                                      : mint::optimistic(client.mechs, message);
  auth::AcceptReply result = door.offer(token);
  if (later) {  // The client's favourite is not served: its AP-REQ comes in a later token.
    ASSERT_EQ(result.verdict.status, Status::kContinue);
    const mint::ServerResp first = mint::read_neg_token_resp(door.reply);
    EXPECT_EQ(first.state, NegState::kRequestMic);
    EXPECT_EQ(first.supported_mech, Mechanism::kKerberos);
    result = door.offer(mint::neg_token_resp({.response_token = message}), result.context);
  }
  ASSERT_TRUE(succeeded(result.verdict.status));
  Octets inner = door.reply;
  if (!client.mechs.empty()) {
    const mint::ServerResp resp = mint::read_neg_token_resp(door.reply);
    EXPECT_EQ(resp.supported_mech, later ? Mechanism::kUnknown : client.mechs[0]);
    const bool owes_more = later || client.dce_style;
    EXPECT_EQ(resp.state, owes_more ? NegState::kAcceptIncomplete : NegState::kAcceptCompleted);
    ASSERT_TRUE(resp.response_token);
    inner = *resp.response_token;
  }
  EXPECT_EQ(gss::kind_of(inner) == gss::TokenKind::kGssInitial, !client.dce_style);
  EXPECT_EQ(door.client.check_ap_rep(ticket, request, inner).error, "");
  door.end(result.context);
}

TEST(ReplyFronts, NoKindOfReplyGetsAnothersHeaders) {
  Door door(auth::Package::kNegotiate, true, false);
  for (const Client& before : kClients) {
    for (const Client& client : kClients) {
      SCOPED_TRACE(std::string(client.name) + " after " + before.name);
      expect_right(door, before);
      expect_right(door, client);
      expect_right(door, client);
    }
  }
}

}  // namespace
}  // namespace usher
