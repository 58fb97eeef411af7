// engine/io/connections.h: a place on the ready list is one connection's, also when its index has
// gone to another peer meanwhile.
#include "engine/io/connections.h"

#include <gtest/gtest.h>

#include <array>

#include "engine/clock.h"
#include "tests/io/sockets.h"

namespace usher::io {
namespace {

using usher::testing::Client;
using usher::testing::Descriptor;
using usher::testing::listen_tcp;

struct SilentEvents final : ConnectionEvents {
  void opened(ConnectionIndex, std::size_t) noexcept override {}
  void closed(ConnectionIndex) noexcept override {}
};

// ConnectionsTest drives connections by hand, completion by completion, without a worker's turns.
class ConnectionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_ = listen_tcp(port_);
    ASSERT_GE(listener_.get(), 0);
    const int opened = ring_.open({.entries = 16, .buffer_count = 4, .buffer_size = 64});
    if (opened < 0) {
      GTEST_SKIP() << "io_uring is not available: " << -opened;
    }
    ASSERT_EQ(ring_.own(), 0);
    fds_[0] = listener_.get();
    ASSERT_EQ(connections_.make(), 0);
    connections_.set_now(system_clock().steady_us());
    connections_.arm_accepts();
    made_ = true;
  }
  void TearDown() override {
    if (made_) {
      connections_.close_all();
      pump_until([this] { return connections_.idle(); });
    }
  }

  void pump_until(const auto& condition) {
    while (!condition()) {
      ring_.submit(true);
      ring_.reap(kCompletionsPerReap, [this](const Completion& completion) {
        switch (completion.ticket.op) {
          case Op::kAccept:
            return connections_.on_accept(completion);
          case Op::kReceive:
            return connections_.on_receive(completion);
          default:
            return;
        }
      });
    }
  }
  // arrive connects a client, which takes the lowest free index, and sends it a byte.
  Client arrive() {
    Client client = Client::tcp(port_);
    pump_until([this] { return counts_.live == 1; });
    EXPECT_TRUE(client.send("x"));
    pump_until([this] { return !connections_.input(kFirst).empty(); });
    return client;
  }

  static constexpr ConnectionIndex kFirst{0};
  std::uint16_t port_ = 0;
  Descriptor listener_;
  SilentEvents events_;
  WorkerCounts counts_;
  Ring ring_;
  std::array<int, 1> fds_{};
  WorkerOptions options_{.listeners = fds_, .connection_count = 2};
  Connections connections_{options_, ring_, events_, counts_};
  bool made_ = false;
};

// A full batch leaves connections on the ready list for the next turn. A second place there would
// frame one request twice: two answers at once, and input consumed that was never received.
TEST_F(ConnectionsTest, GivesASuccessorNoSecondPlaceOnTheReadyList) {
  Client predecessor = arrive();
  ASSERT_EQ(connections_.ready_count(), 1u);
  predecessor.reset();
  pump_until([this] { return counts_.live == 0; });

  const Client successor = arrive();
  EXPECT_EQ(connections_.ready_count(), 1u);
  ConnectionIndex index{1};
  ASSERT_TRUE(connections_.pop_ready(index));
  EXPECT_EQ(index, kFirst);
  EXPECT_FALSE(connections_.pop_ready(index)) << "one request, framed twice";
}

}  // namespace
}  // namespace usher::io
