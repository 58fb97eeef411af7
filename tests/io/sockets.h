// Plain blocking sockets for tests: a listener on a free port or path, and a client with a
// deadline.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace usher::testing {

// Descriptor closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  [[nodiscard]] int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_;
};

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

template <class Address>
const sockaddr* generic(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// listen_tcp listens on a free port of the loopback, which it stores in `port`.
inline Descriptor listen_tcp(std::uint16_t& port, int backlog = 512) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const int one = 1;
  setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener.get(), generic(address), size) != 0 || listen(listener.get(), backlog) != 0 ||
      getsockname(listener.get(), const_cast<sockaddr*>(generic(address)), &size) != 0) {
    return Descriptor();
  }
  port = ntohs(address.sin_port);
  return listener;
}

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

inline Descriptor listen_unix(const std::string& path) {
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address(path);
  unlink(path.c_str());
  if (bind(listener.get(), generic(address), sizeof address) != 0 ||
      listen(listener.get(), 64) != 0) {
    return Descriptor();
  }
  return listener;
}

// Client talks over a blocking socket. Reads give up after ten seconds.
class Client {
 public:
  static Client tcp(std::uint16_t port) {
    Client client(AF_INET);
    const sockaddr_in address = loopback(port);
    const int one = 1;
    setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client.connect_to(generic(address), sizeof address);
    return client;
  }
  static Client unix_stream(const std::string& path) {
    Client client(AF_UNIX);
    const sockaddr_un address = unix_address(path);
    client.connect_to(generic(address), sizeof address);
    return client;
  }

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] bool connected() const { return connected_; }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent =
          retry([&] { return ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL); });
      if (sent <= 0) {
        return false;
      }
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // read_until returns everything up to and including `end`; less if the stream ends before.
  std::string read_until(std::string_view end) {
    for (;;) {
      const std::size_t at = pending_.find(end);
      if (at != std::string::npos) {
        const std::string text = pending_.substr(0, at + end.size());
        pending_.erase(0, text.size());
        return text;
      }
      if (!more()) {
        return std::exchange(pending_, {});
      }
    }
  }
  std::string read_line() { return read_until("\n"); }
  std::string read_bytes(std::size_t size) {
    while (pending_.size() < size && more()) {
    }
    const std::string text = pending_.substr(0, size);
    pending_.erase(0, text.size());
    return text;
  }
  std::string read_to_end() {
    while (more()) {
    }
    return std::exchange(pending_, {});
  }
  // ended says that the peer closes (or resets) without another byte.
  bool ended() { return pending_.empty() && !more() && !timed_out_; }

  void half_close() const { shutdown(fd(), SHUT_WR); }
  void close() { socket_.reset(); }
  void reset() {  // RST instead of FIN.
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

 private:
  explicit Client(int family) : socket_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  void connect_to(const sockaddr* address, socklen_t size) {
    connected_ = connect(fd(), address, size) == 0;
  }
  // A ring that this thread once made may still interrupt it while it is being torn down.
  template <class Call>
  static ssize_t retry(Call call) {
    ssize_t result = call();
    while (result < 0 && errno == EINTR) {
      result = call();
    }
    return result;
  }
  bool more() {
    char chunk[16384];
    const ssize_t size = retry([&] { return recv(fd(), chunk, sizeof chunk, 0); });
    if (size <= 0) {
      timed_out_ = size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
      return false;
    }
    pending_.append(chunk, static_cast<std::size_t>(size));
    return true;
  }

  Descriptor socket_;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string pending_;
};

}  // namespace usher::testing
