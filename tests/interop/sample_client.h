// A client of the servers in tools/samples, whatever library it signs on with: it sends sealed
// messages, and each must come back as it was, sealed by the server.
//
//   CLIENT --port N --messages N [--end WORD] [more, of the library's own]
//
// At its end it closes the connection; or with --end it does, once it has signed on and had its
// messages, what a server has to refuse, and waits for the server to close:
//   flip    a sealed message with one bit changed      replay  the last message once more
//   plain   a message that is signed only              long    a frame of 4 GiB
//   cut     ends the connection inside a frame
// Prints what it saw as lines "name=value". Exit status 0 unless anything was not so.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace usher::testing {

using Octets = std::vector<std::uint8_t>;

// SampleConnection speaks in frames: four bytes of length, the lowest first.
class SampleConnection {
 public:
  explicit SampleConnection(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error(std::string("cannot connect: ") + std::strerror(errno));
    }
  }
  ~SampleConnection() { ::close(socket_); }
  SampleConnection(const SampleConnection&) = delete;
  SampleConnection& operator=(const SampleConnection&) = delete;

  static Octets head_of(std::size_t size) {
    Octets head(4);
    for (std::size_t i = 0; i < head.size(); ++i) {
      head[i] = static_cast<std::uint8_t>(size >> 8 * i);
    }
    return head;
  }
  void send_frame(const Octets& contents) {
    Octets frame = head_of(contents.size());
    frame.insert(frame.end(), contents.begin(), contents.end());
    send(frame);
  }
  void send(const Octets& octets) {
    for (std::size_t sent = 0; sent < octets.size();) {
      const ssize_t put = ::send(socket_, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL);
      if (put < 0) {
        throw std::runtime_error(std::string("cannot send: ") + std::strerror(errno));
      }
      sent += static_cast<std::size_t>(put);
    }
  }
  Octets receive_frame() {
    const Octets head = receive(4);
    return receive(head[0] | std::size_t{head[1]} << 8 | std::size_t{head[2]} << 16 |
                   std::size_t{head[3]} << 24);
  }
  // ended waits until the server closes the connection; a server that sends something has not.
  bool ended() {
    std::uint8_t octet = 0;
    return ::recv(socket_, &octet, 1, 0) <= 0;
  }

 private:
  Octets receive(std::size_t size) {
    Octets octets(size);
    for (std::size_t have = 0; have < size;) {
      const ssize_t got = ::recv(socket_, octets.data() + have, size - have, 0);
      if (got <= 0) {
        throw std::runtime_error("the server has closed the connection");
      }
      have += static_cast<std::size_t>(got);
    }
    return octets;
  }

  int socket_;
};

// SampleMessages are of all sizes from nothing to 64 KiB, the edges first.
class SampleMessages {
 public:
  Octets next() {
    constexpr std::array<std::size_t, 14> kEdges = {0,    1,    2,    15,    16,    17,    31,
                                                    4095, 4096, 4097, 65535, 65536, 65520, 0};
    const std::size_t limit = count_ % 10 == 0 ? 65537 : 2048;
    const std::size_t size =
        count_ < kEdges.size() ? kEdges[count_] : static_cast<std::size_t>(random_()) % limit;
    ++count_;
    Octets message(size);
    std::ranges::generate(message, [this] { return static_cast<std::uint8_t>(random_()); });
    return message;
  }

 private:
  std::mt19937 random_{7};
  std::size_t count_ = 0;
};

inline bool contains(const Octets& whole, const Octets& part) {
  return std::search(whole.begin(), whole.end(), part.begin(), part.end()) != whole.end();
}

// misbehave does what `how` says and returns whether the server has ended the connection for it.
template <class Client>
bool misbehave(const std::string& how, Client& client, SampleConnection& connection,
               const Octets& last) {
  const Octets text(100, 'x');
  if (how == "flip") {
    Octets sealed = client.seal(text, true);
    sealed[sealed.size() / 2] ^= 0x10;
    connection.send_frame(sealed);
  } else if (how == "replay") {
    connection.send_frame(last);
  } else if (how == "plain") {
    connection.send_frame(client.seal(text, false));
  } else if (how == "long") {
    connection.send(SampleConnection::head_of(0xffffffff));
  } else if (how == "cut") {
    connection.send(SampleConnection::head_of(100));
    connection.send(Octets(10));
    return true;  // The connection is closed by us.
  } else {
    throw std::runtime_error("what is --end " + how);
  }
  return connection.ended();
}

// run_client signs on and sends. A Client has
//   Octets step(const Octets&)     the next token, for the server's last; throws when refused
//   bool complete()                nothing more is expected of the server
//   Octets seal(const Octets&, bool encrypted), Octets open(const Octets&)
//   void report()                  prints what the library says of the context
template <class Client>
void run_client(Client& client, std::map<std::string, std::string>& options) {
  SampleConnection connection(std::stoi(options["port"]));
  for (Octets answer; !client.complete();) {
    const Octets token = client.step(answer);
    if (!token.empty()) {
      connection.send_frame(token);
    }
    if (!client.complete()) {
      answer = connection.receive_frame();
    }
  }
  client.report();
  const int count = std::stoi(options["messages"]);
  SampleMessages messages;
  std::size_t octets = 0;
  Octets last;
  for (int number = 0; number < count; ++number) {
    const Octets message = messages.next();
    const Octets sealed = last = client.seal(message, true);
    connection.send_frame(sealed);
    const Octets answer = connection.receive_frame();
    if (message.size() >= 16 && (contains(sealed, message) || contains(answer, message))) {
      throw std::runtime_error("a message can be read on the wire");
    }
    if (client.open(answer) != message) {
      throw std::runtime_error("message " + std::to_string(number) + " comes back as another");
    }
    octets += message.size();
  }
  std::cout << "messages=" << count << "\noctets=" << octets << '\n';
  if (!options["end"].empty()) {
    std::cout << "ended=" << misbehave(options["end"], client, connection, last) << '\n';
  }
}

// client_main is main(): `make` makes a Client of the options.
template <class Make>
int client_main(int argc, char** argv, Make make) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) {
    options[std::string(argv[i]).substr(2)] = argv[i + 1];
  }
  try {
    auto client = make(options);
    run_client(*client, options);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 1;
  }
}

}  // namespace usher::testing
