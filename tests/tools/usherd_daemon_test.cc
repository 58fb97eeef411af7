// The daemon as a process: it starts only with a good configuration, serves real sockets, takes new
// keys without dropping a connection, and ends without dropping a request.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "engine/io/ring.h"
#include "tests/io/sockets.h"
#include "tests/tools/usherd_http.h"

namespace usherd {
namespace {

using testing::base64;
using testing::Octets;
using testing::parse_reply;
using testing::Reply;
using usher::testing::Client;
using usher::testing::Descriptor;

// Process is one run of usherd; what it writes to stderr is kept.
class Process {
 public:
  explicit Process(std::vector<std::string> flags) {
    int pipe_fds[2];
    EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    flags.insert(flags.begin(), USHERD);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(pipe_fds[1], STDERR_FILENO);
      std::vector<char*> argv;
      for (std::string& flag : flags) {
        argv.push_back(flag.data());
      }
      argv.push_back(nullptr);
      execv(USHERD, argv.data());
      _exit(127);
    }
    close(pipe_fds[1]);
    errors_ = Descriptor(pipe_fds[0]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  void signal(int number) const { kill(pid_, number); }

  // wait_for reads stderr until `text` is in it; false if it ends or ten seconds pass.
  bool wait_for(const std::string& text) {
    while (log_.find(text) == std::string::npos) {
      if (!read_some()) {
        return false;
      }
    }
    return true;
  }
  // wait gives the exit status; -1 if it was killed or does not end.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    const pid_t waited = waitpid(pid_, &status, 0);
    pid_ = 0;
    return waited > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] const std::string& log() const { return log_; }
  std::uint16_t port() {
    const std::string before = "listening on tcp 127.0.0.1:";
    EXPECT_TRUE(wait_for(before) && wait_for_line_after(before)) << log_;
    return static_cast<std::uint16_t>(std::stoi(log_.substr(log_.find(before) + before.size())));
  }

 private:
  bool wait_for_line_after(const std::string& text) {
    while (log_.find('\n', log_.find(text)) == std::string::npos) {
      if (!read_some()) {
        return false;
      }
    }
    return true;
  }
  bool read_some() {
    pollfd ready{.fd = errors_.get(), .events = POLLIN, .revents = 0};
    std::array<char, 4096> chunk;
    if (poll(&ready, 1, 10'000) <= 0) {
      return false;
    }
    const ssize_t size = read(errors_.get(), chunk.data(), chunk.size());
    if (size <= 0) {
      return false;
    }
    log_.append(chunk.data(), static_cast<std::size_t>(size));
    return true;
  }

  pid_t pid_ = 0;
  Descriptor errors_;
  std::string log_;
};

class UsherdDaemon : public ::testing::Test {
 protected:
  UsherdDaemon() {
    std::string folder = ::testing::TempDir() + "usherd_XXXXXX";
    folder_ = mkdtemp(folder.data());
    const Octets keytab = usher::mint::keytab_image(std::span(&service_, 1));
    std::ofstream(path("keytab"), std::ios::binary)
        .write(static_cast<const char*>(static_cast<const void*>(keytab.data())),
               static_cast<std::streamsize>(keytab.size()));
    write_accounts("EXAMPLE:alice:Al1ce-Passw0rd\n");
  }
  ~UsherdDaemon() override { std::filesystem::remove_all(folder_); }
  void SetUp() override {
    usher::io::Ring ring;
    const int opened = ring.open({.entries = 8, .buffer_count = 1});
    if (opened < 0) {
      GTEST_SKIP() << "io_uring is not available: " << -opened;
    }
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write_accounts(const std::string& text) const {
    std::ofstream(path("accounts")) << text;
    chmod(path("accounts").c_str(), 0600);
  }
  std::vector<std::string> flags(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--listen-tcp", "127.0.0.1:0", "--keytab", path("keytab"),
                               "--accounts", path("accounts"), "--log-level", "debug"});
    return more;
  }

  static Reply ask(Client& client, const std::string& request) {
    EXPECT_TRUE(client.send(request));
    std::string answer = client.read_until("\r\n\r\n");
    const Reply head = parse_reply(answer, false);
    answer += client.read_bytes(static_cast<std::size_t>(std::stoi(head.field("Content-Length"))));
    return parse_reply(answer, false);
  }
  static Reply auth(Client& client, const std::string& scheme, usher::Bytes token,
                    const std::string& lines = {}) {
    return ask(client, "GET /auth HTTP/1.1\r\nHost: h\r\n" + lines + "Authorization: " + scheme +
                           " " + base64(token) + "\r\n\r\n");
  }
  Octets kerberos_token() {
    const std::int64_t now = std::time(nullptr);
    usher::mint::TicketFields ticket;
    ticket.auth_time = now - 60;
    ticket.end_time = now + 3600;
    usher::mint::AuthenticatorFields authenticator;
    authenticator.ctime = now;
    authenticator.cusec = ++cusec_;
    return usher::mint::spnego_token(
        mint_.ap_req(mint_.ticket(service_, ticket), authenticator).message);
  }
  Octets ntlm_answer(usher::Bytes challenge, const std::u16string& password) {
    usher::mint::AuthenticateFields fields;
    fields.password = password;
    return usher::mint::ntlm_authenticate(*kit_, negotiate_, challenge, fields).message;
  }

  std::unique_ptr<usher::crypto::Kit> kit_ = usher::crypto::Kit::make();
  usher::mint::SeededRandom random_{23};
  usher::mint::KerberosMint mint_{*kit_, random_};
  usher::mint::Service service_ =
      usher::mint::make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST");
  Octets negotiate_ = usher::mint::ntlm_negotiate({});
  std::string folder_;
  std::uint32_t cusec_ = 0;
};

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
