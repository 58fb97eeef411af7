// What tests of engine/io/worker.h share: a protocol of lines, and a worker that serves it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "engine/engine.h"
#include "engine/io/worker.h"
#include "tests/io/sockets.h"

namespace usher::io {

using usher::testing::Client;
using usher::testing::Descriptor;
using usher::testing::listen_tcp;
using usher::testing::listen_unix;

inline constexpr std::uint32_t kConnections = 128;

// LineFrontEnd is a protocol of lines. "token TEXT" gives TEXT to the acceptor and answers with the
// verdict; "bye" answers and closes; "big N" answers N bytes; anything else is echoed. It keeps
// count of what a worker owes it.
class LineFrontEnd final : public FrontEnd {
 public:
  explicit LineFrontEnd(Credential& credential) : credential_(credential) {}

  void opened(ConnectionIndex connection, std::size_t listener) noexcept override {
    EXPECT_FALSE(open_[std::size_t(connection)].exchange(true)) << "opened twice";
    ++opened_count;
    last_listener = listener;
  }
  void closed(ConnectionIndex connection) noexcept override {
    EXPECT_TRUE(open_[std::size_t(connection)].exchange(false)) << "closed twice";
    ++closed_count;
  }
  void tick() noexcept override { ++ticks; }

  Framed frame(ConnectionIndex connection, MutableBytes received, bool full, AcceptRequest& request,
               MutableBytes out) noexcept override {
    EXPECT_TRUE(open_[std::size_t(connection)]);
    const auto end = std::ranges::find(received, std::uint8_t{'\n'});
    if (end == received.end()) {
      saw_full = saw_full || full;
      return {};
    }
    const std::string line(received.begin(), end);
    const std::size_t consumed = line.size() + 1;
    if (line.starts_with("token ")) {
      request.credential = &credential_;
      request.token = Bytes(received).subspan(6, line.size() - 6);
      return {.framing = Framing::kToken, .consumed = consumed};
    }
    if (line.starts_with("big ")) {
      const auto size = static_cast<std::size_t>(std::atoi(line.c_str() + 4));
      std::ranges::fill(out.first(size), std::uint8_t{'b'});
      return {.framing = Framing::kAnswered, .consumed = consumed, .answer_size = size};
    }
    std::ranges::copy(received.first(consumed), out.begin());
    return {.framing = Framing::kAnswered,
            .consumed = consumed,
            .answer_size = consumed,
            .close = line == "bye"};
  }

  Answer answer(ConnectionIndex connection, const AcceptRequest& request, const AcceptReply& reply,
                MutableBytes out) noexcept override {
    EXPECT_TRUE(open_[std::size_t(connection)]);
    std::string text(request.token.begin(), request.token.end());
    text += reply.verdict.status == Status::kNotAToken ? ": not a token\n" : ": ?\n";
    std::ranges::copy(text, out.begin());
    return {.size = text.size()};
  }

  std::atomic<int> opened_count{0};
  std::atomic<int> closed_count{0};
  std::atomic<int> ticks{0};
  std::atomic<std::size_t> last_listener{0};
  std::atomic<bool> saw_full{false};

 private:
  Credential& credential_;
  std::array<std::atomic<bool>, kConnections> open_{};
};

// WorkerTest runs one worker with a TCP and a Unix listener on a thread of its own.
class WorkerTest : public ::testing::Test {
 protected:
  void start(WorkerOptions options) {
    ASSERT_LE(options.connection_count, kConnections);
    tcp_ = listen_tcp(port_);
    path_ = ::testing::TempDir() + "worker_test_" + std::to_string(getpid()) + ".sock";
    unix_ = listen_unix(path_);
    ASSERT_GE(tcp_.get(), 0);
    ASSERT_GE(unix_.get(), 0);
    engine_ = Engine::make({});
    desk_ = Desk::make(kBatchMax);
    ASSERT_TRUE(engine_ && desk_);
    const std::array listeners = {tcp_.get(), unix_.get()};
    int error = 0;
    options.listeners = listeners;
    worker_ = Worker::make(options, *desk_, engine_->environment(), front_end_, error);
    if (!worker_) {
      GTEST_SKIP() << "io_uring is not available: " << -error;
    }
    thread_ = std::thread([this] { EXPECT_EQ(worker_->run(), 0); });
  }
  void SetUp() override {
    start({.connection_count = kConnections, .idle_s = 30, .request_s = 5, .drain_s = 5});
  }

  void join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  // Whatever a test did, everything has to have come back.
  void TearDown() override {
    if (worker_ && thread_.joinable()) {
      worker_->stop();
      join();
    }
    if (worker_) {
      const WorkerCounts counts = worker_->counts();
      EXPECT_EQ(counts.buffers_lent, 0u);
      EXPECT_EQ(counts.live, 0u);
      EXPECT_EQ(front_end_.opened_count, front_end_.closed_count);
    }
    unlink(path_.c_str());
  }
  // restart replaces the worker by one with other options.
  void restart(const WorkerOptions& options) {
    worker_->stop();
    join();
    start(options);
  }
  Client connect() const { return Client::tcp(port_); }

  static bool eventually(const auto& condition) {
    for (int n = 0; n < 1000 && !condition(); ++n) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
  }

  Credential credential_{auth::Package::kNegotiate, std::make_unique<auth::Keys>()};
  LineFrontEnd front_end_{credential_};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Desk> desk_;
  std::uint16_t port_ = 0;
  std::string path_;
  Descriptor tcp_;
  Descriptor unix_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace usher::io
