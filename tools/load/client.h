// The client's side of a load: connections kept alive, one request on each, driven by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/load/histogram.h"
#include "tools/load/response.h"
#include "tools/load/schedule.h"
#include "tools/load/token_store.h"

namespace load {

// Options is what a user asks for.
struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string host = "localhost";  // The Host field.
  std::string path = "/auth";
  std::size_t connections = 16;
  double seconds = 5;
  double rate = 0;  // Requests a second; 0: closed loop.
  std::optional<std::uint64_t> waiting_max{};
  // One response in this many is decrypted, not only looked at: doing so costs as much as a
  // sign-on. 0: none, any answer of status 200 or 204 will do.
  std::size_t prove_every = 64;
  bool progress = false;  // A line a second on stderr.
};

// Results are what a run has found out.
struct Results {
  std::uint64_t accepted = 0;  // Status 200 or 204, and, of the sample, the key was proved.
  std::uint64_t refused = 0;   // Status 503: the server says that it has too much to do.
  std::uint64_t failed = 0;    // Anything else.
  std::uint64_t given_up = 0;  // Open loop: found no free connection in time.
  std::uint64_t proved = 0;
  double seconds = 0;
  Histogram latencies;          // Of the accepted, from when they were due.
  std::size_t answer_size = 0;  // Bytes of the last answer.
  std::string first_failure;

  void fail(std::string why);
};

// Client is one run. `tokens` null: requests without Authorization. Not for threads.
class Client {
 public:
  Client(const Options& options, const TokenStore* tokens);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // run connects, sends what the schedule says until the time is over or no token is left, and
  // waits for the answers. Throws std::system_error if it cannot connect.
  Results run();

 private:
  struct Connection {
    int socket = -1;
    bool busy = false;  // A request is on its way.
    std::size_t token = 0;
    std::int64_t due_ns = 0;
    std::string received;  // Of an answer that has not come in one piece.
  };

  void open(std::size_t index);
  void drop(std::size_t index, std::string why);
  // dispatch sends what is due over connections that are free.
  void dispatch(Schedule& schedule);
  void send(std::size_t index, std::int64_t due_ns);
  void receive(std::size_t index, Schedule& schedule);
  void judge(const Connection& connection, const Response& response, std::int64_t now_ns);
  // check_proof says what is wrong with the server's token, or nothing.
  std::string check_proof(std::size_t token, std::string_view negotiate);
  // wait_ms says how long to sleep for events.
  [[nodiscard]] int wait_ms(const Schedule& schedule) const;
  [[nodiscard]] bool has_tokens() const { return tokens_ == nullptr || next_ < tokens_->size(); }
  void show_progress(std::int64_t now_ns);

  const Options& options_;
  const TokenStore* tokens_;
  std::unique_ptr<usher::crypto::Kit> kit_ = usher::crypto::Kit::make();
  std::unique_ptr<usher::RandomSource> random_ = usher::make_system_random();
  std::string head_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_;
  std::size_t next_ = 0;  // Token.
  std::size_t busy_ = 0;
  std::int64_t begin_ns_ = 0;
  std::int64_t shown_ns_ = 0;
  std::uint64_t shown_accepted_ = 0;
  std::vector<char> buffer_;
  Results results_;
};

}  // namespace load
