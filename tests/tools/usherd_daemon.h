// usherd as a process for tests: it is started, read from, killed; and a folder with its files, and
// clients that hold its keys.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/io/ring.h"
#include "tests/io/sockets.h"
#include "tests/tools/usherd_http.h"

namespace usherd::testing {

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
  // wait_for_more reads what is there next; false as above.
  bool wait_for_more() { return read_some(); }
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

// UsherdDaemon is the fixture: a service's keytab and an accounts file, in a folder of their own.
class UsherdDaemon : public ::testing::Test {
 protected:
  UsherdDaemon() {
    std::string folder = ::testing::TempDir() + "usherd_XXXXXX";
    folder_ = mkdtemp(folder.data());
    write_file("keytab", usher::mint::keytab_image(std::span(&service_, 1)));
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
  void write_file(const std::string& name, usher::Bytes contents) const {
    std::ofstream(path(name), std::ios::binary)
        .write(static_cast<const char*>(static_cast<const void*>(contents.data())),
               static_cast<std::streamsize>(contents.size()));
  }
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
  Octets kerberos_token() { return kerberos_token(service_); }
  Octets kerberos_token(const usher::mint::Service& service) {
    return token_with(ticket_of(service));
  }
  usher::mint::Ticket ticket_of(const usher::mint::Service& service) {
    const std::int64_t now = std::time(nullptr);
    usher::mint::TicketFields fields;
    fields.auth_time = now - 60;
    fields.end_time = now + 3600;
    return mint_.ticket(service, fields);
  }
  Octets token_with(const usher::mint::Ticket& ticket) {
    usher::mint::AuthenticatorFields authenticator;
    authenticator.ctime = std::time(nullptr);
    authenticator.cusec = ++cusec_;
    return usher::mint::spnego_token(mint_.ap_req(ticket, authenticator).message);
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

}  // namespace usherd::testing
