// The daemon as a process: it starts only with a good configuration, serves real sockets, takes new
// keys without dropping a connection, and ends without dropping a request.
#include "tests/tools/usherd_daemon.h"

#include <array>
#include <chrono>
#include <regex>
#include <string>
#include <thread>

namespace usherd {
namespace {

using testing::base64;
using testing::Client;
using testing::Descriptor;
using testing::Octets;
using testing::Process;
using testing::Reply;
using testing::UsherdDaemon;

TEST_F(UsherdDaemon, ServesTcpAndUnixAndEndsOnSigterm) {
  Process daemon(flags({"--listen-unix", path("sock"), "--listen-unix-mode", "0600"}));
  Client tcp = Client::tcp(daemon.port());
  EXPECT_EQ(auth(tcp, "Negotiate", kerberos_token()).field("X-Auth-User"), "alice@EXAMPLE.TEST");
  EXPECT_EQ(auth(tcp, "Negotiate", kerberos_token()).status, 200) << "keep-alive";

  ASSERT_TRUE(daemon.wait_for("listening on unix " + path("sock") + "\n"));
  struct stat status {};
  ASSERT_EQ(stat(path("sock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  Client local = Client::unix_stream(path("sock"));
  EXPECT_EQ(ask(local, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").body, "ok\n");

  tcp.close();
  local.close();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0) << daemon.log();
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
  EXPECT_NE(daemon.log().find("signed on mech=Kerberos client=alice@EXAMPLE.TEST"),
            std::string::npos);
}

TEST_F(UsherdDaemon, SighupTakesNewAccountsWithoutDroppingAConnection) {
  Process daemon(flags());
  Client client = Client::tcp(daemon.port());
  Octets challenge = auth(client, "NTLM", negotiate_).token("NTLM");
  write_accounts("EXAMPLE:alice:changed\n");
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.wait_for("info reloaded ")) << daemon.log();
  EXPECT_EQ(auth(client, "NTLM", ntlm_answer(challenge, u"changed")).status, 200)
      << "an exchange that was half-way goes on, with the new password";

  challenge = auth(client, "NTLM", negotiate_).token("NTLM");
  EXPECT_EQ(auth(client, "NTLM", ntlm_answer(challenge, u"Al1ce-Passw0rd")).status, 401);
  daemon.signal(SIGTERM);
  client.close();
  EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(UsherdDaemon, SighupKeepsTheOldKeysIfTheNewOnesAreBroken) {
  Process daemon(flags());
  Client client = Client::tcp(daemon.port());
  write_accounts("not an account\n");
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.wait_for("error reload: " + path("accounts") + ":1")) << daemon.log();
  const Octets challenge = auth(client, "NTLM", negotiate_).token("NTLM");
  EXPECT_EQ(auth(client, "NTLM", ntlm_answer(challenge, u"Al1ce-Passw0rd")).status, 200);
  EXPECT_EQ(auth(client, "Negotiate", kerberos_token()).status, 200);
}

TEST_F(UsherdDaemon, SigtermAnswersARequestThatHasBegun) {
  Process daemon(flags());
  const std::uint16_t port = daemon.port();
  Client client = Client::tcp(port);
  EXPECT_TRUE(Client::tcp(port).connected()) << "the twin";
  EXPECT_EQ(ask(client, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  ASSERT_TRUE(client.send("GET /healthz HTTP/1.1\r\nHo"));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  daemon.signal(SIGTERM);
  ASSERT_TRUE(daemon.wait_for("draining"));
  EXPECT_FALSE(Client::tcp(port).connected()) << "nobody shall wait for a daemon that is going";
  const Reply reply = ask(client, "st: h\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.ended());
  client.close();
  EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(UsherdDaemon, WorkersShareWhatAProxySpreadsOverConnections) {
  Process daemon(flags({"--workers", "2", "--connection-header", "X-Auth-Connection"}));
  const std::uint16_t port = daemon.port();
  for (int exchange = 0; exchange < 20; ++exchange) {
    const std::string lines = "X-Auth-Connection: " + std::to_string(exchange) + "\r\n";
    Client first = Client::tcp(port);
    Client second = Client::tcp(port);
    const Octets challenge = auth(first, "NTLM", negotiate_, lines).token("NTLM");
    const Octets answer = ntlm_answer(challenge, u"Al1ce-Passw0rd");
    EXPECT_EQ(auth(second, "NTLM", answer, lines).status, 200);
  }
}

TEST_F(UsherdDaemon, LogsWhatRememberedTicketsWereGoodFor) {
  Process daemon(flags({"--workers", "2", "--ticket-entries", "8"}));
  Client client = Client::tcp(daemon.port());
  const usher::mint::Ticket ticket = ticket_of(service_);
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(auth(client, "Negotiate", token_with(ticket)).status, 200);
  }
  client.close();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0) << daemon.log();
  // A minute may end, as the first does at the start, between two of them.
  const std::regex line(
      "info ticket cache: found ([0-9]+) of ([0-9]+) tickets, remembered ([0-9]+)");
  std::array<int, 3> sums{};
  const std::string log = daemon.log();
  for (std::sregex_iterator at(log.begin(), log.end(), line), end; at != end; ++at) {
    for (std::size_t n = 0; n < sums.size(); ++n) {
      sums[n] += std::stoi((*at)[n + 1]);
    }
  }
  EXPECT_EQ(sums, (std::array{1, 3, 1})) << log;
}

TEST_F(UsherdDaemon, SaysNothingOfTicketsThatPolicyHasNotRemembered) {
  Process daemon(flags({"--policy", "kerberos.ticket-cache=off"}));
  Client client = Client::tcp(daemon.port());
  const usher::mint::Ticket ticket = ticket_of(service_);
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(auth(client, "Negotiate", token_with(ticket)).status, 200);
  }
  client.close();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0) << daemon.log();
  EXPECT_EQ(daemon.log().find("ticket cache"), std::string::npos) << daemon.log();
}

TEST_F(UsherdDaemon, LogsNoToken) {
  Process daemon(flags());
  Client client = Client::tcp(daemon.port());
  const Octets token = kerberos_token();
  EXPECT_EQ(auth(client, "Negotiate", token).status, 200);
  EXPECT_EQ(auth(client, "Negotiate", token).status, 401);
  ASSERT_TRUE(daemon.wait_for("a replay"));
  for (std::size_t at = 0; at + 16 < token.size(); at += 16) {
    const std::string part = base64(usher::Bytes(token).subspan(at, 15)).substr(0, 12);
    ASSERT_EQ(daemon.log().find(part), std::string::npos) << daemon.log();
  }
}

TEST_F(UsherdDaemon, DoesNotStartWithAWrongConfiguration) {
  std::ofstream(path("good.toml")) << "keytab = \"" << path("keytab") << "\"\n";
  std::ofstream(path("bad.toml")) << "keytab = \"" << path("keytab") << "\"\nslots = -1\n";
  Process good({"--config", path("good.toml"), "--check"});
  EXPECT_EQ(good.wait(), 0) << good.log();
  Process bad({"--config", path("bad.toml")});
  EXPECT_EQ(bad.wait(), 2);
  EXPECT_TRUE(bad.log().starts_with(path("bad.toml") + ":2: slots: expected ")) << bad.log();
}

TEST_F(UsherdDaemon, DoesNotStartWithoutItsFiles) {
  Process no_keytab({"--keytab", path("nothing"), "--listen-tcp", "127.0.0.1:0"});
  EXPECT_EQ(no_keytab.wait(), 2);
  EXPECT_NE(no_keytab.log().find(path("nothing")), std::string::npos) << no_keytab.log();
  chmod(path("accounts").c_str(), 0644);
  Process readable(flags());
  EXPECT_EQ(readable.wait(), 2) << "accounts that everybody may read";
  EXPECT_NE(readable.log().find(path("accounts")), std::string::npos) << readable.log();
}

TEST_F(UsherdDaemon, TakesOverADeadSocketButNotALiveOne) {
  { const Descriptor dead = usher::testing::listen_unix(path("sock")); }
  ASSERT_TRUE(std::filesystem::exists(path("sock")));
  Process first({"--accounts", path("accounts"), "--listen-unix", path("sock")});
  ASSERT_TRUE(first.wait_for("listening on unix")) << first.log();
  Process second({"--accounts", path("accounts"), "--listen-unix", path("sock")});
  EXPECT_EQ(second.wait(), 1);
  EXPECT_NE(second.log().find("another process"), std::string::npos) << second.log();
  Client client = Client::unix_stream(path("sock"));
  EXPECT_EQ(ask(client, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

}  // namespace
}  // namespace usherd
