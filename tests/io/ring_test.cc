// engine/io/ring.h: what goes in typed comes out typed, buffers are counted, and every fallback
// works.
#include "engine/io/ring.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "tests/io/sockets.h"

namespace usher::io {
namespace {

using usher::testing::Client;
using usher::testing::Descriptor;
using usher::testing::listen_tcp;

constexpr Ticket kTicket{.connection = ConnectionIndex(7), .epoch = 3, .op = Op::kReceive};

Bytes bytes_of(std::string_view text) {
  return {static_cast<const std::uint8_t*>(static_cast<const void*>(text.data())), text.size()};
}

class RingFallback : public ::testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    const int opened = ring_.open(
        {.entries = 16, .buffer_count = 4, .buffer_size = 64, .first_fallback = GetParam()});
    if (opened < 0) {
      GTEST_SKIP() << "io_uring is not available: " << -opened;
    }
    ASSERT_EQ(ring_.own(), 0);
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ours_ = Descriptor(pair[0]);
    theirs_ = Descriptor(pair[1]);
  }

  // next waits for one completion that is not a cancellation's.
  Completion next() {
    Completion found;
    for (bool done = false; !done;) {
      if (pending_.empty()) {
        ring_.submit(true);
        ring_.reap(kCompletionsPerReap,
                   [this](const Completion& completion) { pending_.push_back(completion); });
      }
      while (!done && !pending_.empty()) {
        found = pending_.front();
        pending_.erase(pending_.begin());
        done = found.ticket.op != Op::kCancel;
      }
    }
    return found;
  }
  std::string text_of(const Completion& completion) {
    const Bytes bytes = ring_.received(completion);
    return {bytes.begin(), bytes.end()};
  }
  void write_theirs(std::string_view text) const {
    ASSERT_EQ(write(theirs_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  Ring ring_;
  Descriptor ours_;
  Descriptor theirs_;
  std::vector<Completion> pending_;
};

TEST_P(RingFallback, StaysWithTheFallbackItWasToldToBeginWith) {
  EXPECT_GE(ring_.fallback(), GetParam());
}

TEST_P(RingFallback, ReceivesAgainAndAgainWithOneSubmission) {
  ring_.receive(ours_.get(), kTicket);
  for (const std::string_view text : {"first", "second", "third"}) {
    ring_.submit(false);
    write_theirs(text);
    const Completion completion = next();
    EXPECT_EQ(completion.ticket, kTicket);
    ASSERT_TRUE(completion.has_buffer);
    EXPECT_TRUE(completion.more);
    EXPECT_EQ(text_of(completion), text);
    EXPECT_EQ(ring_.buffers_lent(), 1u);
    ring_.give_back(completion.buffer);
    EXPECT_EQ(ring_.buffers_lent(), 0u);
  }
}

TEST_P(RingFallback, TellsWhenNoBufferIsLeftAndGoesOnAfterwards) {
  ring_.receive(ours_.get(), kTicket);
  write_theirs(std::string(64 * 5, 'x'));
  std::vector<BufferIndex> lent;
  Completion completion = next();
  while (completion.has_buffer) {
    lent.push_back(completion.buffer);
    ASSERT_LE(lent.size(), 4u);
    completion = next();
  }
  EXPECT_EQ(completion.result, -ENOBUFS);
  EXPECT_FALSE(completion.more);
  EXPECT_EQ(ring_.buffers_lent(), 4u);
  for (const BufferIndex buffer : lent) {
    ring_.give_back(buffer);
  }
  ring_.receive(ours_.get(), kTicket);
  completion = next();
  ASSERT_TRUE(completion.has_buffer);
  EXPECT_EQ(text_of(completion), std::string(64, 'x'));
  ring_.give_back(completion.buffer);
}

TEST_P(RingFallback, SaysEndOfStreamWithoutABuffer) {
  ring_.receive(ours_.get(), kTicket);
  theirs_.reset();
  const Completion completion = next();
  EXPECT_EQ(completion.result, 0);
  EXPECT_FALSE(completion.more);
  EXPECT_FALSE(completion.has_buffer);
}

TEST_P(RingFallback, CancelsExactlyTheTicketNamed) {
  Ticket successor = kTicket;
  ++successor.epoch;
  ring_.receive(ours_.get(), successor);
  ring_.submit(false);
  ring_.cancel(kTicket);  // Of an earlier epoch: must not end its successor.
  ring_.submit(false);
  write_theirs("still here");
  Completion completion = next();
  EXPECT_EQ(completion.ticket, successor);
  ASSERT_TRUE(completion.has_buffer);
  ring_.give_back(completion.buffer);

  ring_.cancel(successor);
  completion = next();
  EXPECT_EQ(completion.result, -ECANCELED);
  EXPECT_FALSE(completion.more);
}

TEST_P(RingFallback, SendsAndAcceptsAndWakesAndTicks) {
  std::uint16_t port = 0;
  const Descriptor listener = listen_tcp(port);
  ASSERT_GE(listener.get(), 0);
  const Ticket accepting{.connection = {}, .epoch = 0, .op = Op::kAccept};
  ring_.accept(listener.get(), accepting);
  ring_.submit(false);
  for (int peer = 0; peer < 3; ++peer) {
    // On a thread of its own: the older kinds of ring interrupt their thread's system calls.
    std::thread([port] { EXPECT_TRUE(Client::tcp(port).connected()); }).join();
    const Completion completion = next();
    EXPECT_EQ(completion.ticket, accepting);
    EXPECT_TRUE(completion.more);
    ASSERT_GE(completion.result, 0);
    ::close(completion.result);
  }

  const Ticket sending{.connection = {}, .epoch = 0, .op = Op::kSend};
  ring_.send(ours_.get(), bytes_of("hello"), sending);
  EXPECT_EQ(next().result, 5);
  char text[5];
  ASSERT_EQ(read(theirs_.get(), text, sizeof text), 5);
  EXPECT_EQ(std::string_view(text, 5), "hello");

  const Descriptor event(eventfd(0, EFD_CLOEXEC));
  ring_.wake(event.get(), {.connection = {}, .epoch = 0, .op = Op::kWake});
  ring_.submit(false);
  std::thread waker([&event] {
    const std::uint64_t one = 1;
    EXPECT_EQ(write(event.get(), &one, sizeof one), ssize_t{sizeof one});
  });
  EXPECT_EQ(next().ticket.op, Op::kWake);
  waker.join();

  ring_.tick({.connection = {}, .epoch = 0, .op = Op::kTick});
  const Completion tick = next();
  EXPECT_EQ(tick.ticket.op, Op::kTick);
  EXPECT_EQ(tick.result, -ETIME);
}

TEST_P(RingFallback, QueuesMoreOperationsThanItHasEntries) {
  for (std::uint16_t epoch = 0; epoch < 100; ++epoch) {
    ring_.send(ours_.get(), bytes_of("x"), {.connection = {}, .epoch = epoch, .op = Op::kSend});
  }
  std::vector<bool> seen(100);
  for (int n = 0; n < 100; ++n) {
    const Completion completion = next();
    EXPECT_EQ(completion.result, 1);
    seen[completion.ticket.epoch] = true;
  }
  EXPECT_EQ(std::ranges::count(seen, true), 100);
}

INSTANTIATE_TEST_SUITE_P(All, RingFallback, ::testing::Range(0u, Ring::kFallbackCount));

TEST(Ring, MayBeOpenedByOneThreadAndOwnedByAnother) {
  Ring ring;
  const int opened = ring.open({.entries = 8, .buffer_count = 4, .buffer_size = 64});
  if (opened < 0) {
    GTEST_SKIP() << "io_uring is not available: " << -opened;
  }
  int owned = -1;
  Op completed{};
  std::thread owner([&] {
    owned = ring.own();
    ring.tick({.connection = {}, .epoch = 0, .op = Op::kTick});
    ring.submit(true);
    ring.reap(1, [&](const Completion& completion) { completed = completion.ticket.op; });
  });
  owner.join();
  EXPECT_EQ(owned, 0);
  EXPECT_EQ(completed, Op::kTick);
}

}  // namespace
}  // namespace usher::io
