// What the two servers in C++ share that is not SSPI: arguments, signals, a listening socket.
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <security.h>
#include <usher/acceptor.h>
#include <windows.h>

namespace sample {

inline int must_system(int result, const char* what) {
  if (result < 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return result;
}

// say tells of a client. Its name may hold what a terminal takes for an order, or the log for
// another line: control characters become question marks.
inline void say(unsigned number, std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<BYTE>(c) < ' ' || c == 0x7f; }, '?');
  std::fprintf(stderr, "client %u: %s\n", number, text.c_str());
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

// Options are a command line: [-k KEYTAB] [-a ACCOUNTS] [-p PACKAGE] PORT.
struct Options {
  Options(int argc, char** argv) {
    acceptor.Version = USHER_ACCEPTOR_VERSION;
    acceptor.Size = sizeof acceptor;
    for (int option = 0; (option = ::getopt(argc, argv, "k:a:p:")) != -1;) {
      if (option == '?') {
        ::exit(2);  // getopt has said why.
      }
      *(option == 'k' ? &acceptor.Keytab : option == 'a' ? &acceptor.Accounts : &package) = optarg;
    }
    const std::string_view text = optind + 1 == argc ? argv[optind] : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
      std::fprintf(stderr, "usage: %s [-k KEYTAB] [-a ACCOUNTS] [-p PACKAGE] PORT\n", argv[0]);
      ::exit(2);
    }
  }

  USHER_ACCEPTOR acceptor{};
  const char* package = NEGOSSP_NAME_A;
  WORD port = 0;
};

// block_signals blocks SIGTERM and SIGINT in this thread and those it starts, and returns a
// descriptor that is readable once one of them has come.
inline Descriptor block_signals() {
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return Descriptor(must_system(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
}

// listen_on listens on 127.0.0.1, with port 0 on any that is free, and prints where.
inline Descriptor listen_on(WORD port) {
  Descriptor listener(
      must_system(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  const int yes = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  must_system(::bind(listener.get(), name, size), "cannot listen on 127.0.0.1");
  must_system(::listen(listener.get(), SOMAXCONN), "cannot listen on 127.0.0.1");
  must_system(::getsockname(listener.get(), name, &size), "getsockname");
  std::printf("listening on 127.0.0.1:%u\n", unsigned{ntohs(address.sin_port)});
  std::fflush(stdout);
  return listener;
}

}  // namespace sample
