// Opens listening sockets; listen.h says what is promised.
#include "tools/usherd/listen.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "tools/usherd/folder.h"

namespace usherd {
namespace {

constexpr int kBacklog = 4096;  // The kernel lowers it to net.core.somaxconn.

std::string because(const std::string& what) {
  return what + ": " + std::generic_category().message(errno);
}

const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

std::string name_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = static_cast<sockaddr*>(static_cast<void*>(&storage));
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (getsockname(fd, address, &size) != 0 ||
      getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const std::string text(host.data());
  const bool v6 = text.find(':') != std::string::npos;
  return (v6 ? "[" + text + "]" : text) + ":" + port.data();
}

// fault_of_path says what is wrong with a Unix socket's path, whether or not there is one.
std::string fault_of_path(const std::string& path) {
  if (path.size() >= sizeof sockaddr_un::sun_path) {
    return path + ": expected a path of at most 107 bytes";
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return path + ": exists and is no socket";
  }
  return {};
}

// somebody_answers tells a socket in use from one that was left behind.
bool somebody_answers(const sockaddr_un& address) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answers = connect(probe, generic(address), sizeof address) == 0;
  close(probe);
  return answers;
}

}  // namespace

Listeners::~Listeners() {
  for (const int fd : sockets_) {
    close(fd);
  }
  for (const std::string& path : paths_) {
    unlink(path.c_str());
  }
}

std::string Listeners::open(const Config& config) {
  for (const std::string& address : config.listen_tcp) {
    std::string error = open_tcp(address);
    if (!error.empty()) {
      return "listen.tcp " + error;
    }
  }
  for (const std::string& path : config.listen_unix) {
    std::string error = open_unix(path, config.unix_mode);
    if (!error.empty()) {
      return "listen.unix " + error;
    }
  }
  return {};
}

std::string Listeners::check(const Config& config) {
  Listeners tried;
  for (const std::string& address : config.listen_tcp) {
    std::string error = tried.bind_tcp(address, true);
    if (!error.empty()) {
      return "listen.tcp " + error;
    }
  }
  for (const std::string& path : config.listen_unix) {
    std::string error = fault_of_path(path);
    if (!error.empty()) {
      return "listen.unix " + error;
    }
    error = fault_of_folder(path, 0);
    if (!error.empty()) {
      return "listen.unix " + path + ": cannot be made: " + error;
    }
  }
  return {};
}

void Listeners::refuse_more() noexcept {
  for (const int fd : sockets_) {
    shutdown(fd, SHUT_RDWR);
  }
}

std::string Listeners::bind_tcp(const std::string& address, bool may_be_in_use) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* results = nullptr;
  const int failed = getaddrinfo(host == "*" ? nullptr : host.c_str(),
                                 address.substr(colon + 1).c_str(), &hints, &results);
  if (failed != 0) {
    return address + ": " + gai_strerror(failed);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(results, &freeaddrinfo);
  const int fd =
      socket(results->ai_family, results->ai_socktype | SOCK_CLOEXEC, results->ai_protocol);
  if (fd < 0) {
    return because(address);
  }
  sockets_.push_back(fd);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // Accepted sockets inherit it.
  const bool bound = bind(fd, results->ai_addr, results->ai_addrlen) == 0;
  return bound || (may_be_in_use && errno == EADDRINUSE) ? std::string() : because(address);
}

std::string Listeners::open_tcp(const std::string& address) {
  std::string error = bind_tcp(address, false);
  if (!error.empty()) {
    return error;
  }
  const int fd = sockets_.back();
  if (listen(fd, kBacklog) != 0) {
    return because(address);
  }
  names_.push_back("tcp " + name_of(fd));
  return {};
}

std::string Listeners::open_unix(const std::string& path, std::int64_t mode) {
  std::string fault = fault_of_path(path);
  if (!fault.empty()) {
    return fault;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  if (access(path.c_str(), F_OK) == 0) {
    if (somebody_answers(address)) {
      return path + ": another process is listening there";
    }
    unlink(path.c_str());
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return because(path);
  }
  sockets_.push_back(fd);
  // Nobody may connect before the permissions are the ones asked for.
  const mode_t before = umask(0777);
  const bool bound = bind(fd, generic(address), sizeof address) == 0;
  const int bind_error = errno;
  umask(before);
  errno = bind_error;
  if (!bound) {
    return because(path);
  }
  paths_.push_back(path);
  if (chmod(path.c_str(), static_cast<mode_t>(mode)) != 0 || listen(fd, kBacklog) != 0) {
    return because(path);
  }
  names_.push_back("unix " + path);
  return {};
}

}  // namespace usherd
