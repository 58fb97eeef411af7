// A server written as for Windows, in C++: a thread for each client, who signs on, sends sealed
// messages and gets each of them back, sealed by the server. README.md describes the protocol.
//
//   sspi_server_cc [-k KEYTAB] [-a ACCOUNTS] [-p PACKAGE] PORT
//
// PORT 0 takes any that is free and says which. Ends with exit status 0 on SIGTERM and SIGINT.
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#define SECURITY_WIN32
#include <security.h>
#include <windows.h>

#include "context.h"
#include "frames.h"
#include "server.h"

namespace {

using namespace sample;

constexpr std::size_t kClientsMax = 64;
constexpr int kIdleSeconds = 30;

// Client is one connection and the thread that serves it.
class Client {
 public:
  Client(unsigned number, Descriptor socket, Credential& credential)
      : number_(number), socket_(std::move(socket)), credential_(credential), thread_([this] {
          try {
            serve();
          } catch (const std::exception& error) {
            say(error.what());
          }
          ::shutdown(socket_.get(), SHUT_RDWR);  // The client sees it now, not when we are joined.
          done_ = true;
        }) {}
  ~Client() { ::shutdown(socket_.get(), SHUT_RDWR); }  // It receives no more, and ends.
  [[nodiscard]] bool done() const { return done_; }

 private:
  void serve() {
    Context context;
    std::vector<BYTE> frame(kFrameMax);
    std::vector<BYTE> room;
    SECURITY_STATUS status = SEC_I_CONTINUE_NEEDED;
    while (status == SEC_I_CONTINUE_NEEDED) {
      const std::span<BYTE> token = receive(frame);
      if (token.data() == nullptr) {
        return;
      }
      status = accept(context, token, room);
    }
    say("signed on as " + context.client());
    unsigned count = 0;
    for (;; ++count) {
      const std::span<BYTE> sealed = receive(frame);
      if (sealed.data() == nullptr) {
        break;
      }
      send(context.seal(context.open(sealed), room));
    }
    say("leaves after " + std::to_string(count) + " messages");
  }

  // accept passes a token on, and the reply to the client.
  SECURITY_STATUS accept(Context& context, std::span<BYTE> token, std::vector<BYTE>& room) {
    room.resize(kFrameMax);
    SecBuffer in{static_cast<ULONG>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out{static_cast<ULONG>(room.size()), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    ULONG granted = 0;
    const SECURITY_STATUS status =
        AcceptSecurityContext(credential_.get(), context.old(), &input, kRequest,
                              SECURITY_NATIVE_DREP, context.fresh(), &output, &granted, nullptr);
    const std::runtime_error why = refusal("refused", status);
    if (status == SEC_E_OK) {
      must_protect(granted);
    }
    if (out.cbBuffer > 0) {  // Whatever the status: a refused client may get a token, too.
      send({&out, 1});
    }
    if (FAILED(status)) {
      throw why;
    }
    return status;
  }

  // receive returns the next frame, which lies in `room`; one without data if none comes any more.
  std::span<BYTE> receive(std::vector<BYTE>& room) {
    DWORD size = 0;
    const char* const why =
        receive_frame(socket_.get(), room.data(), static_cast<DWORD>(room.size()), &size);
    if (why != nullptr && *why != '\0') {
      throw std::runtime_error(why);
    }
    return why == nullptr ? std::span(room).first(size) : std::span<BYTE>();
  }
  void send(std::span<const SecBuffer> buffers) {
    const char* const why =
        send_frame(socket_.get(), buffers.data(), static_cast<DWORD>(buffers.size()));
    if (why != nullptr) {
      throw std::runtime_error(std::string("cannot send: ") + why);
    }
  }
  void say(const std::string& text) const { sample::say(number_, text); }

  unsigned number_;
  Descriptor socket_;
  Credential& credential_;
  std::atomic<bool> done_ = false;
  std::jthread thread_;  // The last: it ends before what it uses.
};

// accept_clients returns when a signal to end at has come.
void accept_clients(int listener, int signals, Credential& credential, std::list<Client>& clients) {
  std::array<pollfd, 2> waited = {{{listener, POLLIN, 0}, {signals, POLLIN, 0}}};
  for (unsigned number = 1;;) {
    if (::poll(waited.data(), waited.size(), -1) > 0 && waited[1].revents != 0) {
      return;
    }
    clients.remove_if([](const Client& client) { return client.done(); });
    Descriptor socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.get() < 0) {
      if (errno != EAGAIN && errno != ECONNABORTED) {
        std::perror("sspi_server: accept");
        ::usleep(100'000);  // No descriptors are left, say, until somebody leaves.
      }
      continue;
    }
    const timeval idle{.tv_sec = kIdleSeconds, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
    try {
      if (clients.size() >= kClientsMax) {
        throw std::runtime_error("turned away, there are too many");
      }
      clients.emplace_back(number, std::move(socket), credential);
    } catch (const std::exception& error) {  // Also of a thread that cannot be had.
      say(number, error.what());
    }
    ++number;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options(argc, argv);
    const Descriptor signals = block_signals();
    Credential credential(options.package, options.acceptor);
    const Descriptor listener = listen_on(options.port);
    std::list<Client> clients;
    accept_clients(listener.get(), signals.get(), credential, clients);
    std::fprintf(stderr, "ends, and %zu clients with it\n", clients.size());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sspi_server: %s\n", error.what());
    return 1;
  }
}
