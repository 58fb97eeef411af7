// The least an HTTP server can do: it reads requests to the end of their heads and answers each
// with as many bytes as it is told, with epoll, in one thread. What a sign-on costs more than this
// is not HTTP's doing.
//
//   bare_http ANSWER_BYTES     says on stderr which loopback port it listens on; SIGTERM ends it
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kAnswerSizeMin = 128;
constexpr std::size_t kAnswerSizeMax = 64 * 1024;

// answer_of is a response of exactly `size` bytes: a field takes what the rest leaves.
std::string answer_of(std::size_t size) {
  const std::string before = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nWWW-Authenticate: ";
  return before + std::string(size - before.size() - kHeadEnd.size(), 'x') + std::string(kHeadEnd);
}

class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)), buffer_(256 * 1024) {}

  // listen returns the port, or 0.
  int listen() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    const bool good = bind(listener_, generic, size) == 0 && ::listen(listener_, 1024) == 0 &&
                      getsockname(listener_, generic, &size) == 0 && add(listener_);
    return good ? ntohs(address.sin_port) : 0;
  }

  [[noreturn]] void serve() {
    std::array<epoll_event, 64> events;
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), int{events.size()}, -1);
      for (int n = 0; n < count; ++n) {
        const int fd = events[static_cast<std::size_t>(n)].data.fd;
        fd == listener_ ? open() : receive(fd);
      }
    }
  }

 private:
  bool add(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void open() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const int on = 1;
    if (fd >= 0 && (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 || !add(fd))) {
      close(fd);
    }
  }

  void receive(int fd) {
    const ssize_t size = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (size <= 0) {
      parts_.erase(fd);
      close(fd);
      return;
    }
    std::string_view received(buffer_.data(), static_cast<std::size_t>(size));
    const auto part = parts_.find(fd);
    if (part != parts_.end()) {
      part->second.append(received);
      received = part->second;
    }
    if (!received.ends_with(kHeadEnd)) {  // A client sends one request at a time.
      if (part == parts_.end()) {
        parts_.emplace(fd, received);
      }
      return;
    }
    if (part != parts_.end()) {
      parts_.erase(part);
    }
    if (send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) {
      close(fd);
    }
  }

  std::string answer_;
  std::vector<char> buffer_;
  std::map<int, std::string> parts_;  // Of requests that did not come in one piece.
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  std::size_t size = 0;
  if (argc == 2) {
    std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), size);
  }
  if (size < kAnswerSizeMin || size > kAnswerSizeMax) {
    std::fprintf(stderr, "usage: bare_http ANSWER_BYTES, %zu to %zu\n", kAnswerSizeMin,
                 kAnswerSizeMax);
    return 2;
  }
  Server server(answer_of(size));
  const int port = server.listen();
  if (port == 0) {
    std::perror("bare_http");
    return 1;
  }
  std::fprintf(stderr, "listening on tcp 127.0.0.1:%d\n", port);
  server.serve();
}
