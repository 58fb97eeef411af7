// tools/usherd/http_front_end.h: every request gets the answer its status table says, and nothing a
// client sends gets it anything else.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/tools/usherd_http.h"
#include "tools/usherd/claimed_name.h"

namespace usherd {
namespace {

using testing::base64;
using testing::Harness;
using testing::Octets;
using testing::parse_reply;
using testing::Reply;

TEST(UsherdHttp, SaysThatItIsHealthy) {
  Harness http;
  const Reply reply = http.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "ok\n");
  EXPECT_EQ(reply.field("Content-Length"), "3");
  EXPECT_EQ(reply.field("Date"), "Mon, 21 Sep 2026 14:13:20 GMT");
  EXPECT_FALSE(reply.closed);
}

TEST(UsherdHttp, KnowsNoOtherPaths) {
  Harness http;
  for (const std::string path : {"/", "/authx", "/healthz/x", "*", "/AUTH"}) {
    EXPECT_EQ(http.ask("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n").status, 404) << path;
  }
  for (const std::string path :
       {"/auth", "/auth/", "/auth/a/b", "/auth?x=/y", "http://h/auth", "HTTPS://h:1/auth?q"}) {
    EXPECT_EQ(http.ask("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n").status, 401) << path;
  }
}

TEST(UsherdHttp, ChallengesWithWhatItServes) {
  const std::string request = "GET /auth HTTP/1.1\r\nHost: h\r\n\r\n";
  Harness both;
  EXPECT_EQ(both.ask(request).field("WWW-Authenticate"), "Negotiate\nNTLM");
  EXPECT_EQ(both.ask(request).field("Cache-Control"), "no-store");
  EXPECT_EQ(both.ask("GET /auth HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\r\n")
                .field("WWW-Authenticate"),
            "Negotiate\nNTLM");
  Harness kerberos({.ntlm = false});
  EXPECT_EQ(kerberos.ask(request).field("WWW-Authenticate"), "Negotiate");
  both.credential->allow_ntlm = false;
  EXPECT_EQ(both.ask(request).field("WWW-Authenticate"), "Negotiate");
}

TEST(UsherdHttp, SignsOnWithKerberosAndProvesItself) {
  Harness http;
  const usher::mint::Ticket ticket = http.client.ticket(http.service, http.ticket_fields());
  const usher::mint::ApReq request = http.client.ap_req(ticket, http.authenticator_fields());
  const Reply reply = http.auth("Negotiate", usher::mint::spnego_token(request.message));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.field("X-Auth-User"), "alice@EXAMPLE.TEST");
  EXPECT_EQ(reply.field("X-Auth-Realm"), "EXAMPLE.TEST");
  EXPECT_EQ(reply.field("X-Auth-Mech"), "Kerberos");
  EXPECT_EQ(reply.field("Cache-Control"), "no-store");
  const auto resp = usher::mint::read_neg_token_resp(reply.token("Negotiate"));
  ASSERT_TRUE(resp.response_token.has_value());
  EXPECT_EQ(http.client.check_ap_rep(ticket, request, *resp.response_token).error, "");
  EXPECT_EQ(http.live(), 0u) << "nothing stays signed on";
  EXPECT_NE(http.log.str().find("signed on mech=Kerberos client=alice@EXAMPLE.TEST"),
            std::string::npos);
}

TEST(UsherdHttp, RefusesAReplayWithARejectToken) {
  Harness http;
  const Octets token = http.kerberos_token();
  EXPECT_EQ(http.auth("Negotiate", token).status, 200);
  const Reply reply = http.auth("Negotiate", token);
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.field("X-Auth-User"), "");
  EXPECT_EQ(usher::mint::read_neg_token_resp(reply.token("Negotiate")).state,
            usher::spnego::NegState::kReject);
  EXPECT_NE(http.log.str().find("a replay"), std::string::npos);
}

TEST(UsherdLog, TellsOfTicketsWhatIsNew) {
  Harness http;
  const std::string line = "ticket cache: ";
  http.verdicts.tickets({});
  EXPECT_EQ(http.log.str().find(line), std::string::npos) << "nothing was looked for";
  http.verdicts.tickets({.hits = 5, .misses = 2, .admitted = 1, .declined = 1});
  EXPECT_NE(http.log.str().find(line + "found 5 of 7 tickets, remembered 1, 0 of them in another's "
                                       "place, no room for 0"),
            std::string::npos)
      << http.log.str();
  const usher::SeenCounts later{
      .hits = 6, .misses = 12, .admitted = 5, .evicted = 3, .declined = 7, .no_room = 2};
  http.verdicts.tickets(later);
  EXPECT_NE(http.log.str().find(line + "found 1 of 11 tickets, remembered 4, 3 of them in "
                                       "another's place, no room for 2"),
            std::string::npos)
      << http.log.str();
  const std::string before = http.log.str();
  http.verdicts.tickets(later);
  EXPECT_EQ(http.log.str(), before);
}

class UsherdNtlm : public ::testing::TestWithParam<const char*> {};

TEST_P(UsherdNtlm, SignsOnInThreeLegs) {
  Harness http;
  const Reply challenge = http.auth(GetParam(), http.negotiate);
  EXPECT_EQ(challenge.status, 401);
  EXPECT_FALSE(challenge.closed);
  EXPECT_EQ(http.live(), 1u);
  const Reply reply = http.auth(GetParam(), http.ntlm_answer(challenge.token(GetParam())));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.field("X-Auth-User"), "EXAMPLE\\alice");
  EXPECT_EQ(reply.field("X-Auth-Realm"), "EXAMPLE");
  EXPECT_EQ(reply.field("X-Auth-Mech"), "NTLM");
  EXPECT_EQ(reply.field("WWW-Authenticate"), "");
  EXPECT_EQ(http.live(), 0u);
}

TEST_P(UsherdNtlm, RefusesAWrongPasswordAndStartsOver) {
  Harness http;
  const Octets challenge = http.auth(GetParam(), http.negotiate).token(GetParam());
  const Reply refused = http.auth(GetParam(), http.ntlm_answer(challenge, u"wrong"));
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.field("WWW-Authenticate"), "Negotiate\nNTLM");
  EXPECT_EQ(http.live(), 0u);
  const Octets second = http.auth(GetParam(), http.negotiate).token(GetParam());
  EXPECT_NE(second, challenge);
  EXPECT_EQ(http.auth(GetParam(), http.ntlm_answer(second)).status, 200);
}

TEST_P(UsherdNtlm, LogsWhomARefusedClientClaimsToBe) {
  Harness http;
  const Octets challenge = http.auth(GetParam(), http.negotiate).token(GetParam());
  usher::mint::AuthenticateFields fields;
  fields.domain = u"EXAMPLE\r\n";
  fields.user = u"\u00e4%";
  const Octets answer =
      usher::mint::ntlm_authenticate(*http.kit, http.negotiate, challenge, fields).message;
  EXPECT_EQ(http.auth(GetParam(), answer).status, 401);
  const std::string log = http.log.str();
  EXPECT_TRUE(log.ends_with("; unverified client=EXAMPLE%0D%0A\\%C3%A4%25\n")) << log;
  EXPECT_NE(log.find(" http=401: NTProofStr is wrong"), std::string::npos) << log;

  (void)http.auth("Negotiate", Octets(40, 0x60));
  EXPECT_EQ(http.log.str().find("client=", log.size()), std::string::npos) << http.log.str();
}

INSTANTIATE_TEST_SUITE_P(Schemes, UsherdNtlm, ::testing::Values("NTLM", "Negotiate"));

TEST(UsherdHttp, TiesTheLegsOfAnExchangeToTheirConnection) {
  Harness http;
  const Octets challenge = http.auth("NTLM", http.negotiate, 1).token("NTLM");
  const Octets answer = http.ntlm_answer(challenge);
  EXPECT_EQ(http.auth("NTLM", answer, 2).status, 401) << "another connection's challenge";
  EXPECT_EQ(http.auth("NTLM", answer, 1).status, 200);
}

TEST(UsherdHttp, AFirstTokenBeginsAnewAndReleasesWhatWasHalfOpen) {
  Harness http;
  (void)http.auth("NTLM", http.negotiate);
  const Octets challenge = http.auth("NTLM", http.negotiate).token("NTLM");
  EXPECT_EQ(http.live(), 1u);
  EXPECT_EQ(http.auth("NTLM", http.ntlm_answer(challenge)).status, 200);
  (void)http.auth("NTLM", http.negotiate);
  EXPECT_EQ(http.auth("Negotiate", http.kerberos_token()).status, 200);
  EXPECT_EQ(http.live(), 0u);
}

TEST(UsherdHttp, ReleasesAHalfOpenExchangeWithItsConnection) {
  Harness http;
  (void)http.auth("NTLM", http.negotiate, 3);
  EXPECT_EQ(http.live(), 1u);
  http.front_end->closed(usher::io::ConnectionIndex(3));
  EXPECT_EQ(http.live(), 0u);
}

TEST(UsherdHttp, AnExchangeThatTookTooLongBeginsAnew) {
  Harness http;
  const Octets challenge = http.auth("NTLM", http.negotiate).token("NTLM");
  http.clock.steady += 31 * usher::kMicrosPerSecond;
  EXPECT_EQ(http.engine->environment().contexts.sweep(http.clock.steady), 1u);
  EXPECT_EQ(http.auth("NTLM", http.ntlm_answer(challenge)).status, 401);
  const Octets second = http.auth("NTLM", http.negotiate).token("NTLM");
  EXPECT_EQ(http.auth("NTLM", http.ntlm_answer(second)).status, 200);
}

TEST(UsherdHttp, TiesTheLegsToTheConnectionAProxyNames) {
  Harness http({.connection_field = "X-Auth-Connection"});
  const std::string one = "x-auth-connection: 1\r\n";
  const std::string two = "X-Auth-Connection: 2\r\n";
  const Octets first = http.auth("NTLM", http.negotiate, 0, one).token("NTLM");
  const Octets second = http.auth("NTLM", http.negotiate, 0, two).token("NTLM");
  EXPECT_EQ(http.live(), 2u);
  EXPECT_EQ(http.auth("NTLM", http.ntlm_answer(second), 4, two).status, 200);
  EXPECT_EQ(http.auth("NTLM", http.ntlm_answer(first), 5, one).status, 200);
  EXPECT_EQ(http.live(), 0u);

  const Octets third = http.auth("NTLM", http.negotiate, 0, one).token("NTLM");
  EXPECT_EQ(http.auth("NTLM", http.ntlm_answer(third), 0, two).status, 401);
  EXPECT_EQ(http.auth("NTLM", http.negotiate, 6).status, 400) << "no name, no exchange";
  EXPECT_EQ(http.auth("NTLM", http.negotiate, 7, one + two).status, 400) << "two names";
}

TEST(UsherdHttp, SaysForbiddenOnlyWhereRetryingIsVain) {
  Harness http({.ntlm = false});
  EXPECT_EQ(http.auth("Negotiate", http.negotiate).status, 403);
  EXPECT_EQ(http.auth("Negotiate", http.kerberos_token()).status, 200);

  Harness v1;
  const Octets challenge = v1.auth("NTLM", v1.negotiate).token("NTLM");
  usher::mint::AuthenticateFields fields;
  fields.response = usher::mint::NtlmResponse::kV1;
  fields.mic = false;
  const Octets old =
      usher::mint::ntlm_authenticate(*v1.kit, v1.negotiate, challenge, fields).message;
  EXPECT_EQ(v1.auth("NTLM", old).status, 403);
}

TEST(UsherdHttp, AsksToComeBackWhenEverySlotIsTaken) {
  Harness http({.slots = 1});
  EXPECT_EQ(http.auth("NTLM", http.negotiate, 0).status, 401);
  const Reply reply = http.auth("NTLM", http.negotiate, 1);
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.field("Retry-After"), "1");
  http.front_end->closed(usher::io::ConnectionIndex(0));
  EXPECT_EQ(http.auth("NTLM", http.negotiate, 1).status, 401);
}

TEST(UsherdHttp, NoNameCanInjectAFieldOrALogLine) {
  Harness http;
  auto fields = http.ticket_fields();
  fields.client.components = {" eve\r\nX-Auth-User: root%\xc3\xa4\x7f"};
  fields.client.realm = "EXAMPLE.TEST";
  const auto ticket = http.client.ticket(http.service, fields);
  const Octets token =
      usher::mint::spnego_token(http.client.ap_req(ticket, http.authenticator_fields()).message);
  const Reply reply = http.auth("Negotiate", token);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.field("X-Auth-User"), "%20eve%0D\\nX-Auth-User: root%25%C3%A4%7F@EXAMPLE.TEST");
  EXPECT_EQ(http.log.str().find("\nX-Auth-User"), std::string::npos);
}

TEST(UsherdHttp, LogsWhereAParserStopped) {
  Harness http;
  Octets token = http.kerberos_token();
  token.resize(40);
  EXPECT_EQ(http.auth("Negotiate", token).status, 401);
  EXPECT_NE(http.log.str().find("truncated at byte"), std::string::npos) << http.log.str();
  EXPECT_EQ(http.log.str().find(base64(token).substr(0, 16)), std::string::npos);
}

// Requests on one connection.

TEST(UsherdHttp, AnswersARequestInOneBytePiecesAndNotBefore) {
  Harness http;
  const std::string request = "GET /auth HTTP/1.1\r\nHost: h\r\nAuthorization: Negotiate " +
                              base64(http.kerberos_token()) + "\r\n\r\n";
  for (std::size_t n = 0; n + 1 < request.size(); ++n) {
    ASSERT_TRUE(http.feed(request.substr(n, 1)).empty()) << n;
  }
  const auto answers = http.feed(request.substr(request.size() - 1));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(parse_reply(answers[0], false).status, 200);
}

TEST(UsherdHttp, AnswersPipelinedRequestsEachAndSkipsTheirBodies) {
  Harness http;
  const auto answers = http.feed(
      "POST /auth HTTP/1.1\r\nHost: h\r\nContent-Length: 27\r\n\r\nGET /evil HTTP/1.1\r\nhidden:"
      "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n\r\n"
      "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(parse_reply(answers[0], false).status, 401);
  EXPECT_EQ(parse_reply(answers[1], false).status, 200);
  EXPECT_EQ(parse_reply(answers[2], false).status, 404);
}

TEST(UsherdHttp, ContinuesAClientThatWaitsBeforeItsBody) {
  Harness http;
  auto answers = http.feed(
      "POST /healthz HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0], "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(http.feed("bo").empty());
  answers = http.feed("dy");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(parse_reply(answers[0], false).status, 200);
}

TEST(UsherdHttp, AnswersHeadWithoutABody) {
  Harness http;
  const Reply reply = http.ask("HEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.field("Content-Length"), "3");
  EXPECT_EQ(reply.body, "");
}

struct PersistenceCase {
  const char* name;
  const char* request;
  bool closed;
  const char* field;  // Connection, as answered.
};

class UsherdPersistence : public ::testing::TestWithParam<PersistenceCase> {};

TEST_P(UsherdPersistence, IsAsTheClientAsks) {
  Harness http;
  const Reply reply = http.ask(GetParam().request);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.closed, GetParam().closed);
  EXPECT_EQ(reply.field("Connection"), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    Table, UsherdPersistence,
    ::testing::Values(
        PersistenceCase{"Http11", "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", false, ""},
        PersistenceCase{"Http11Close",
                        "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true,
                        "close"},
        PersistenceCase{"Http10", "GET /healthz HTTP/1.0\r\n\r\n", true, "close"},
        PersistenceCase{"Http10KeepAlive",
                        "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false,
                        "keep-alive"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(UsherdHttp, EveryAnswerIsTheLastWhileDraining) {
  Harness http;
  http.front_end->begin_drain();
  const Reply reply = http.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(reply.closed);
}

// Bad input. Each row's twin differs only in what is wrong, and is answered with 401 or 404.

struct BadInput {
  const char* name;
  std::string bad;
  int status;
  std::string good;
  const char* why;
};

std::string get(const std::string& lines) { return "GET /auth HTTP/1.1\r\n" + lines + "\r\n"; }
const std::string kHost = "Host: h\r\n";

std::string with_token(std::size_t size) {
  return get(kHost + "Authorization: Negotiate " + base64(Octets(size, 1)) + "\r\n");
}

std::vector<BadInput> bad_inputs() {
  const std::string ntlm = base64(usher::mint::ntlm_negotiate({}));
  return {
      {"NoHost", get(""), 400, get(kHost), "RFC 9112 3.2"},
      {"TwoHosts", get(kHost + kHost), 400, get(kHost), "RFC 9112 3.2"},
      {"Version", "GET / HTTP/3.0\r\n" + kHost + "\r\n", 400, "GET / HTTP/1.1\r\n" + kHost + "\r\n",
       "not ours"},
      {"Tls", "\x16\x03\x01", 400, get(kHost), "answered at once, not after a deadline"},
      {"BareLineFeed", "GET /auth HTTP/1.1\nHost: h\n\n", 400, get(kHost), "RFC 9112 2.2"},
      {"SpaceBeforeColon", get("Host : h\r\n"), 400, get(kHost), "RFC 9112 5.1"},
      {"NulInAValue", get(kHost + std::string("X: a\0b\r\n", 8)), 400, get(kHost + "X: a b\r\n"),
       "RFC 9110 5.5"},
      {"FoldedAuthorization", get(kHost + "Authorization: Basic\r\n YTpi\r\n"), 400,
       get(kHost + "Authorization: Basic YTpi\r\n"), "RFC 9112 5.2"},
      {"TwoAuthorizations", get(kHost + "Authorization: Basic YTpi\r\nAuthorization: Basic b\r\n"),
       400, get(kHost + "Authorization: Basic YTpi\r\n"), "which one would count?"},
      {"EmptyAuthorization", get(kHost + "Authorization:\r\n"), 401, get(kHost), "RFC 9110 11.4"},
      {"NoToken", get(kHost + "Authorization: Negotiate\r\n"), 401,
       get(kHost + "Authorization: Negotiate AAAA\r\n"), "RFC 4559 4.2"},
      {"NotBase64", get(kHost + "Authorization: Negotiate AA*A\r\n"), 401,
       get(kHost + "Authorization: Negotiate AAAA\r\n"), "RFC 4648 4"},
      {"NoPadding", get(kHost + "Authorization: Negotiate AAAAAA\r\n"), 401,
       get(kHost + "Authorization: Negotiate AAAAAA==\r\n"), "RFC 4648 3.2"},
      {"TwoTokens", get(kHost + "Authorization: Negotiate AAAA AAAA\r\n"), 401,
       get(kHost + "Authorization: Negotiate AAAAAAAA\r\n"), "RFC 9110 11.2"},
      {"NtlmSchemeWithoutNtlm", get(kHost + "Authorization: NTLM AAAA\r\n"), 401,
       get(kHost + "Authorization: NTLM " + ntlm + "\r\n"), "the scheme promises NTLMSSP"},
      {"TokenTooLarge", with_token(usher::kTokenSizeMax + 1), 403, with_token(usher::kTokenSizeMax),
       "kTokenSizeMax"},
      {"HeadTooLarge", get(kHost + "X: " + std::string(kHeadSizeMax, 'x') + "\r\n"), 431,
       get(kHost + "X: " + std::string(kHeadSizeMax - 100, 'x') + "\r\n"), "kHeadSizeMax"},
      {"HeadWithoutEnd", get(kHost).substr(0, 20) + std::string(kHeadSizeMax, 'x'), 431, get(kHost),
       "kHeadSizeMax"},
      {"BodyTooLarge", get(kHost + "Content-Length: 65537\r\n"), 413,
       get(kHost + "Content-Length: 65536\r\n") + std::string(65536, 'b'), "kBodySizeMax"},
      {"Chunked", get(kHost + "Transfer-Encoding: chunked\r\n"), 411,
       get(kHost + "Content-Length: 0\r\n"), "its size is not announced"},
      {"OtherEncoding", get(kHost + "Transfer-Encoding: gzip\r\n"), 411, get(kHost),
       "RFC 9112 6.3: where would the request end?"},
      {"LengthAndEncoding", get(kHost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400,
       get(kHost + "Content-Length: 3\r\n") + "abc", "RFC 9112 6.3: smuggling"},
      {"TwoLengths", get(kHost + "Content-Length: 3\r\nContent-Length: 4\r\n"), 400,
       get(kHost + "Content-Length: 3\r\nContent-Length: 3\r\n") + "abc", "RFC 9112 6.3"},
      {"NegativeLength", get(kHost + "Content-Length: -1\r\n"), 400,
       get(kHost + "Content-Length: 1\r\n") + "a", "RFC 9110 8.6"},
      {"LengthTooLong", get(kHost + "Content-Length: 99999999999999999999\r\n"), 400,
       get(kHost + "Content-Length: 0\r\n"), "more than 64 bits"},
  };
}

class UsherdBadInput : public ::testing::TestWithParam<BadInput> {};

TEST_P(UsherdBadInput, IsRefusedAndBrokenHttpClosesTheConnection) {
  Harness http;
  const Reply bad = http.ask(GetParam().bad, 0);
  EXPECT_EQ(bad.status, GetParam().status) << GetParam().why;
  const bool challenged = bad.status == 401;  // Then the client may try again at once.
  EXPECT_EQ(bad.closed, !challenged);
  EXPECT_EQ(bad.field("Connection"), challenged ? "" : "close");
  EXPECT_EQ(http.live(), 0u);

  const Reply good = http.ask(GetParam().good, 1);
  EXPECT_TRUE(good.status == 401 || good.status == 404) << good.status;
  EXPECT_FALSE(good.closed);
}

INSTANTIATE_TEST_SUITE_P(Table, UsherdBadInput, ::testing::ValuesIn(bad_inputs()),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// What the acceptor is not asked about is logged like what it refuses.

struct Logged {
  const char* name;
  std::string request;
  const char* line;  // Of the log, from "refused" on; empty for none.
};

std::vector<Logged> logged() {
  const std::string named = kHost + "X-Auth-Connection: 1\r\n";
  const auto negotiate = [&](const std::string& text) {
    return get(named + "Authorization: Negotiate" + text + "\r\n");
  };
  return {
      {"TokenTooLarge", negotiate(" " + base64(Octets(usher::kTokenSizeMax + 1, 1))),
       "scheme=Negotiate http=403: the token is longer than 64 KiB"},
      {"TokenMuchTooLarge", negotiate(" " + base64(Octets(usher::kTokenSizeMax * 5 / 4, 1))),
       "scheme=Negotiate http=403: the token is longer than 64 KiB"},
      {"NoTokenAndTooLarge", negotiate(" " + std::string(100000, '*')),
       "scheme=Negotiate http=403: the token is longer than 64 KiB"},
      {"HeadTooLarge", negotiate(" " + base64(Octets(usher::kTokenSizeMax * 2, 1))),
       "scheme=unknown http=431: the head is longer than 128 KiB"},
      {"NoConnection", get(kHost + "Authorization: NTLM AAAA\r\n"),
       "scheme=NTLM http=400: the field that connection_header names is missing, empty or over "
       "128 bytes"},
      {"NoConnectionAndNoBase64", get(kHost + "Authorization: NTLM AA*A\r\n"),
       "scheme=NTLM http=400: the field that connection_header names is missing, empty or over "
       "128 bytes"},
      {"ConnectionNameTooLong",
       get(kHost + "X-Auth-Connection: " + std::string(kConnectionIdSizeMax + 1, '1') +
           "\r\nAuthorization: Negotiate AAAA\r\n"),
       "scheme=Negotiate http=400: the field that connection_header names is missing, empty or "
       "over 128 bytes"},
      {"Malformed", negotiate("\tAAAA"),
       "scheme=unknown http=401: Authorization is malformed (bad value at byte 9)"},
      {"NotBase64", negotiate(" AA*A"),
       "scheme=Negotiate http=401: the token is no base64 (bad value at byte 2)"},
      {"NoPadding", negotiate(" AAAAAA"),
       "scheme=Negotiate http=401: the token is no base64 (bad length at byte 6)"},
      {"PaddingInside", negotiate(" A===AAAA"),
       "scheme=Negotiate http=401: the token is no base64 (bad value at byte 1)"},
      {"NoToken", negotiate(""), "scheme=Negotiate http=401: there is no token"},
      {"NoNtlm", get(named + "Authorization: NTLM AAAA\r\n"),
       "scheme=NTLM http=401: the token is no NTLM message"},
      {"NoAuthorization", get(kHost), ""},
      {"OtherScheme", get(kHost + "Authorization: Basic YTpi\r\n"), ""},
  };
}

class UsherdLogged : public ::testing::TestWithParam<Logged> {};

TEST_P(UsherdLogged, HasOneLine) {
  Harness http({.connection_field = "X-Auth-Connection"});
  (void)http.ask(GetParam().request);
  const std::string log = http.log.str();
  const std::string line = GetParam().line;
  if (line.empty()) {
    EXPECT_EQ(log, "");
    return;
  }
  EXPECT_TRUE(log.ends_with("[warning] refused " + line + "\n")) << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
}

INSTANTIATE_TEST_SUITE_P(Table, UsherdLogged, ::testing::ValuesIn(logged()),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// Names out of tokens that were refused.

std::string claimed(const Octets& token, std::size_t room = 100) {
  Octets out(room);
  const usher::Bytes name = claimed_name(token, out);
  return {name.begin(), name.end()};
}

TEST(ClaimedName, IsThatOfAnAuthenticateAlone) {
  Harness http;
  const Octets challenge = http.auth("NTLM", http.negotiate).token("NTLM");
  const auto authenticate = [&](const usher::mint::AuthenticateFields& fields) {
    return usher::mint::ntlm_authenticate(*http.kit, http.negotiate, challenge, fields).message;
  };
  const Octets alice = authenticate({});
  EXPECT_EQ(claimed(alice), "EXAMPLE\\alice");
  EXPECT_EQ(claimed(usher::mint::neg_token_resp({.response_token = alice})), "EXAMPLE\\alice");
  EXPECT_EQ(claimed(authenticate({.domain = u""})), "alice");
  EXPECT_EQ(claimed(authenticate({.unicode = false})), "EXAMPLE\\alice");
  EXPECT_EQ(claimed(authenticate({.user = u""})), "");
  EXPECT_EQ(claimed(authenticate({.user = u"\xd800"})), "EXAMPLE\\" + std::string("\0\xd8", 2))
      << "half a surrogate pair";
  EXPECT_EQ(claimed(http.negotiate), "");
  EXPECT_EQ(claimed(challenge), "");
  EXPECT_EQ(claimed(http.kerberos_token()), "");
  EXPECT_EQ(claimed(usher::mint::neg_token_resp({})), "");
  EXPECT_EQ(claimed({}), "");
}

TEST(ClaimedName, FitsOrIsLeftOut) {
  Harness http;
  const Octets challenge = http.auth("NTLM", http.negotiate).token("NTLM");
  const Octets alice = http.ntlm_answer(challenge);
  EXPECT_EQ(claimed(alice, 13), "EXAMPLE\\alice");
  for (std::size_t room = 0; room < 13; ++room) {
    EXPECT_EQ(claimed(alice, room), "") << room;
  }
}

// The table behind connection_header.

TEST(ContextTable, KeepsEachNameApartAndForgetsInTime) {
  ContextTable table(8);
  const auto handle = [](std::uint32_t n) { return usher::ContextHandle{usher::SlotIndex(n), 1}; };
  EXPECT_EQ(table.take("a", 0), usher::ContextHandle{});
  EXPECT_EQ(table.put("a", handle(1), 100), usher::ContextHandle{});
  EXPECT_EQ(table.put("b", handle(2), 200), usher::ContextHandle{});
  EXPECT_EQ(table.take("a", 50), handle(1));
  EXPECT_EQ(table.take("a", 50), usher::ContextHandle{}) << "taken once";
  EXPECT_EQ(table.take("b", 200), usher::ContextHandle{}) << "past its deadline";
}

TEST(ContextTable, GivesBackWhatHasToGiveWay) {
  ContextTable table(8);
  for (std::uint32_t n = 0; n < 8; ++n) {
    const usher::ContextHandle handle{usher::SlotIndex(n), 1};
    EXPECT_EQ(table.put(std::to_string(n), handle, 100 + n), usher::ContextHandle{});
  }
  const usher::ContextHandle newest{usher::SlotIndex(9), 1};
  EXPECT_EQ(table.put("5", newest, 500), (usher::ContextHandle{usher::SlotIndex(5), 1}));
  EXPECT_EQ(table.put("new", newest, 500), (usher::ContextHandle{usher::SlotIndex(0), 1}));
  EXPECT_EQ(table.take("new", 0), newest);
}

}  // namespace
}  // namespace usherd
