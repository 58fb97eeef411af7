// fuzz/support/ntlm_layers.h: what it signs is what the acceptor takes.
#include "fuzz/support/ntlm_layers.h"

#include <gtest/gtest.h>

#include <set>

#include "parsers/ntlm.h"
#include "tools/mint/ntlm_mint.h"

namespace usher::fuzz {
namespace {

Status status_of(const NtlmExchange& exchange, Bytes message) {
  Door door;
  const Door::Answer first =
      door.accept(exchange.negotiate, {}, {.recorded_challenge = exchange.challenge});
  EXPECT_EQ(first.status, Status::kContinue);
  return door.accept(message, first.context).status;
}

Octets answer_to(const NtlmExchange& exchange, const mint::AuthenticateFields& fields = {}) {
  return mint::ntlm_authenticate(*world().kit, exchange.negotiate, exchange.challenge, fields)
      .message;
}

TEST(NtlmExchange, IsAnsweredByClientsOfBothCharsets) {
  for (const bool unicode : {false, true}) {
    const NtlmExchange& exchange = ntlm_exchange(unicode);
    const Octets message = answer_to(exchange);
    EXPECT_EQ(&exchange_of(message), &exchange);
    EXPECT_EQ(status_of(exchange, message), Status::kEstablished);
  }
}

TEST(SignAgain, MakesWhatTheClientMade) {
  for (const bool unicode : {false, true}) {
    const NtlmExchange& exchange = ntlm_exchange(unicode);
    const Octets message = answer_to(exchange);
    Octets spoiled = message;
    const Result<ntlm::Authenticate> parsed = ntlm::parse_authenticate(message);
    spoiled[static_cast<std::size_t>(parsed->nt_response.data() - message.data())] ^= 1;
    spoiled[ntlm::kMicOffset] ^= 1;
    EXPECT_EQ(status_of(exchange, spoiled), Status::kNtlmProof);
    Octets proved = spoiled;
    EXPECT_TRUE(sign_again(exchange, proved, true, false));
    EXPECT_EQ(status_of(exchange, proved), Status::kNtlmMicWrong);
    EXPECT_TRUE(sign_again(exchange, proved, true, true));
    EXPECT_EQ(proved, message);
  }
}

TEST(SignAgain, KnowsNobodyElse) {
  const NtlmExchange& exchange = ntlm_exchange(true);
  mint::AuthenticateFields fields;
  fields.user = u"mallory";
  Octets message = answer_to(exchange, fields);
  EXPECT_FALSE(sign_again(exchange, message, true, true));
  fields = {};
  fields.domain = u"ELSEWHERE";
  message = answer_to(exchange, fields);
  EXPECT_FALSE(sign_again(exchange, message, true, true));
  fields = {};
  fields.response = mint::NtlmResponse::kV1;
  message = answer_to(exchange, fields);
  EXPECT_FALSE(sign_again(exchange, message, true, true));
  message.resize(40);
  EXPECT_FALSE(sign_again(exchange, message, true, true));
}

TEST(MutateAuthenticate, GetsBehindTheProof) {
  const Octets message = answer_to(ntlm_exchange(true));
  std::set<Status> seen;
  for (unsigned seed = 0; seed < 1000; ++seed) {
    const Octets changed = mutate_authenticate(message, 2048, seed);
    EXPECT_LE(changed.size(), 2048u);
    EXPECT_EQ(mutate_authenticate(message, 2048, seed), changed);
    seen.insert(status_of(exchange_of(changed), changed));
  }
  for (const Status status :
       {Status::kEstablished, Status::kNtlmProof, Status::kNtlmMicWrong, Status::kNtlmMicMissing,
        Status::kMalformedNtlmResponse, Status::kNtlmSessionKey}) {
    EXPECT_TRUE(seen.contains(status)) << text_of(status);
  }
}

}  // namespace
}  // namespace usher::fuzz
