// A server with the asynchronous form: one thread, one epoll for all clients, and sign-ons that the
// library's workers do meanwhile. Each client signs on, sends sealed messages and gets each of them
// back, sealed by the server. README.md describes the protocol.
//
//   sspi_async_server [-k KEYTAB] [-a ACCOUNTS] [-p PACKAGE] PORT
//
// PORT 0 takes any that is free and says which. Ends with exit status 0 on SIGTERM and SIGINT.
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <span>

#define SECURITY_WIN32
#include <security.h>
#include <usher/async.h>
#include <windows.h>

#include "async_connection.h"
#include "context.h"
#include "server.h"

namespace {

using namespace sample;

constexpr std::size_t kClientsMax = 1000;

class Server {
 public:
  explicit Server(const Options& options)
      : signals_(block_signals()),
        epoll_(must_system(::epoll_create1(EPOLL_CLOEXEC), "epoll")),
        credential_(options.package, options.acceptor),
        queue_(usher_create_completions()),
        listener_(listen_on(options.port)) {
    for (const int descriptor :
         {signals_.get(), usher_completions_fd(queue_.get()), listener_.get()}) {
      wait_for(EPOLL_CTL_ADD, descriptor, EPOLLIN);
    }
  }

  void run() {
    for (;;) {
      std::array<epoll_event, 64> events;
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 1000);
      for (int i = 0; i < count; ++i) {
        const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
        if (descriptor == signals_.get()) {
          return finish();
        }
        if (descriptor == listener_.get()) {
          welcome();
        } else if (descriptor == usher_completions_fd(queue_.get())) {
          take_completions();
        } else if (const auto found = connections_.find(descriptor); found != connections_.end()) {
          found->second->proceed();
          settle(*found->second);
        }
      }
      end_the_slow();
      if (connections_.size() < full_at_) {
        full_at_ = 0;
        wait_for(EPOLL_CTL_MOD, listener_.get(), EPOLLIN);
      }
    }
  }

 private:
  struct FreeQueue {
    void operator()(USHER_COMPLETIONS* queue) const { usher_free_completions(queue); }
  };

  void wait_for(int how, int descriptor, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = descriptor;
    must_system(::epoll_ctl(epoll_.get(), how, descriptor, &event), "epoll");
  }

  // settle waits for what a connection wants next, or forgets it. Not while the library has its
  // memory: then its completion comes.
  void settle(Connection& connection) {
    if (connection.state() == Connection::State::kEnded) {
      connections_.erase(connection.socket());
    } else if (connection.state() != Connection::State::kAccepting) {
      wait_for(EPOLL_CTL_MOD, connection.socket(), connection.waits_for() | EPOLLONESHOT);
    }
  }

  void welcome() {
    Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        std::perror("accept");  // Nobody is let in until somebody leaves.
        full_at_ = std::max<std::size_t>(connections_.size(), 1);
        wait_for(EPOLL_CTL_MOD, listener_.get(), 0);
      }
      return;
    }
    const int descriptor = socket.get();
    ++number_;
    try {
      if (connections_.size() >= kClientsMax) {
        throw std::runtime_error("turned away, there are too many");
      }
      auto fresh =
          std::make_unique<Connection>(number_, std::move(socket), credential_, queue_.get());
      wait_for(EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLONESHOT);
      connections_.emplace(descriptor, std::move(fresh));
    } catch (const std::exception& error) {
      say(number_, error.what());
    }
  }

  void take_completions() {
    std::array<USHER_COMPLETION, 64> done;
    const std::uint32_t count = usher_take_completions(queue_.get(), done.data(), done.size());
    for (const USHER_COMPLETION& completion : std::span(done).first(count)) {
      auto& connection = *static_cast<Connection*>(completion.Data);
      connection.completed(completion.Status);
      settle(connection);
    }
  }

  void end_the_slow() {
    const Clock::time_point now = Clock::now();
    for (auto next = connections_.begin(); next != connections_.end();) {
      Connection& connection = *next++->second;
      connection.look_at_clock(now);
      if (connection.state() == Connection::State::kEnded) {
        connections_.erase(connection.socket());
      }
    }
  }

  // finish gives up what is waiting for its turn, and waits for what is being worked on.
  void finish() {
    std::fprintf(stderr, "ends, and %zu clients with it\n", connections_.size());
    while (std::ranges::any_of(connections_, [](const auto& one) {
      return one.second->state() == Connection::State::kAccepting;
    })) {
      for (const auto& [descriptor, connection] : connections_) {
        connection->cancel();
      }
      pollfd completed{usher_completions_fd(queue_.get()), POLLIN, 0};
      ::poll(&completed, 1, -1);
      take_completions();
    }
  }

  Descriptor signals_;
  Descriptor epoll_;
  Credential credential_;
  std::unique_ptr<USHER_COMPLETIONS, FreeQueue> queue_;
  Descriptor listener_;
  std::size_t full_at_ = 0;  // So many connections took all descriptors; 0: there are some.
  unsigned number_ = 0;
  std::map<int, std::unique_ptr<Connection>> connections_;  // By socket. The first to go.
};

}  // namespace

int main(int argc, char** argv) {
  try {
    Server(Options(argc, argv)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sspi_async_server: %s\n", error.what());
    return 1;
  }
}
