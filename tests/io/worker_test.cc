// engine/io/worker.h: every request is answered once and in order, whatever its peer does, and
// every buffer, descriptor and connection comes back.
#include "engine/io/worker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/io/ring.h"
#include "tests/io/line_worker.h"

namespace usher::io {
namespace {

TEST_F(WorkerTest, AnswersARequestThatArrivesInOneBytePieces) {
  Client client = connect();
  for (const char c : std::string("token abc\n")) {
    ASSERT_TRUE(client.send(std::string(1, c)));
  }
  EXPECT_EQ(client.read_line(), "abc: not a token\n");
}

TEST_F(WorkerTest, ServesTcpAndUnixSockets) {
  Client tcp = connect();
  ASSERT_TRUE(tcp.send("over tcp\n"));
  EXPECT_EQ(tcp.read_line(), "over tcp\n");
  EXPECT_EQ(front_end_.last_listener, 0u);
  Client local = Client::unix_stream(path_);
  ASSERT_TRUE(local.send("over unix\n"));
  EXPECT_EQ(local.read_line(), "over unix\n");
  EXPECT_EQ(front_end_.last_listener, 1u);
}

TEST_F(WorkerTest, AnswersPipelinedRequestsInOrder) {
  Client client = connect();
  std::string requests;
  std::string expected;
  for (int n = 0; n < 200; ++n) {
    const std::string number = std::to_string(n);
    requests += n % 3 == 0 ? "token " + number + "\n" : number + "\n";
    expected += n % 3 == 0 ? number + ": not a token\n" : number + "\n";
  }
  ASSERT_TRUE(client.send(requests));
  EXPECT_EQ(client.read_bytes(expected.size()), expected);
}

TEST_F(WorkerTest, AnswersMorePipelinedBytesThanItsInputHolds) {
  restart({.connection_count = 4, .input_size = 4096});
  Client client = connect();
  const std::string line = std::string(1000, 'p') + "\n";
  std::thread sender([&client, &line] {
    for (int n = 0; n < 1000; ++n) {
      ASSERT_TRUE(client.send(line));
    }
  });
  for (int n = 0; n < 1000; ++n) {
    ASSERT_EQ(client.read_line(), line) << n;
  }
  sender.join();
}

TEST_F(WorkerTest, ServesAHundredConnectionsAtOnce) {
  std::vector<Client> clients;
  for (int n = 0; n < 100; ++n) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().connected());
  }
  for (int round = 0; round < 5; ++round) {
    for (std::size_t n = 0; n < clients.size(); ++n) {
      ASSERT_TRUE(clients[n].send("token " + std::to_string(n) + "\n"));
    }
    for (std::size_t n = 0; n < clients.size(); ++n) {
      EXPECT_EQ(clients[n].read_line(), std::to_string(n) + ": not a token\n");
    }
  }
  worker_->stop();
  join();
  EXPECT_EQ(worker_->counts().tokens, 500u);
  EXPECT_LE(worker_->counts().batches, 500u);
}

TEST_F(WorkerTest, SendsAnswersThePeerIsSlowToRead) {
  restart({.connection_count = 4, .output_size = 4 * 1024 * 1024});
  Client client = connect();
  ASSERT_TRUE(client.send("big 4000000\nnext\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(client.read_bytes(4000000), std::string(4000000, 'b'));
  EXPECT_EQ(client.read_line(), "next\n");
}

TEST_F(WorkerTest, ClosesAfterSendingWhenTheFrontEndSaysSo) {
  Client client = connect();
  ASSERT_TRUE(client.send("bye\nnot answered any more\n"));
  EXPECT_EQ(client.read_to_end(), "bye\n");
}

TEST_F(WorkerTest, AnswersAPeerThatHasClosedItsSendingSide) {
  Client client = connect();
  ASSERT_TRUE(client.send("one\ntwo\nunfinished"));
  client.half_close();
  EXPECT_EQ(client.read_to_end(), "one\ntwo\n");
}

TEST_F(WorkerTest, SurvivesPeersThatResetInTheMiddleOfARequest) {
  for (int n = 0; n < 50; ++n) {
    Client client = connect();
    ASSERT_TRUE(client.send(n % 2 == 0 ? "token unfin" : "big 1000\nbig 1000\nhalf"));
    client.reset();
  }
  Client client = connect();
  ASSERT_TRUE(client.send("still here\n"));
  EXPECT_EQ(client.read_line(), "still here\n");
  EXPECT_TRUE(eventually([this] { return front_end_.closed_count == 50; }));
}

TEST_F(WorkerTest, ClosesARequestThatTricklesPastItsDeadline) {
  restart({.connection_count = 4, .idle_s = 30, .request_s = 1});
  Client quick = connect();
  Client slow = connect();
  bool cut = false;
  for (int n = 0; n < 40 && !cut; ++n) {
    ASSERT_TRUE(quick.send("quick\n"));
    ASSERT_EQ(quick.read_line(), "quick\n") << "a peer that is in time is not disturbed";
    cut = !slow.send("x");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(cut) << "four seconds of trickling were allowed";
}

TEST_F(WorkerTest, ClosesAConnectionThatIsSilentForTooLong) {
  restart({.connection_count = 4, .idle_s = 1, .request_s = 30});
  Client client = connect();
  ASSERT_TRUE(client.send("hello\n"));
  EXPECT_EQ(client.read_line(), "hello\n");
  EXPECT_TRUE(client.ended());
}

TEST_F(WorkerTest, ClosesARequestThatDoesNotFit) {
  restart({.connection_count = 4, .input_size = 4096});
  Client client = connect();
  (void)client.send(std::string(10000, 'x'));
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(front_end_.saw_full);
}

// With one place for connections, each successor takes over its predecessor's index while the
// completions of what the predecessor left unfinished are still around.
TEST_F(WorkerTest, NeverTakesALateCompletionForTheSuccessors) {
  restart({.connection_count = 1});
  for (int n = 0; n < 200; ++n) {
    Client rude = connect();
    ASSERT_TRUE(rude.send("big 10000\nleft over from " + std::to_string(n)));
    if (n % 3 == 0) {
      rude.reset();
    } else if (n % 3 == 1) {
      rude.close();
    } else {
      ASSERT_TRUE(rude.send("\nbye\nand more"));
      rude.close();
    }
    Client polite = connect();
    ASSERT_TRUE(polite.send("mine " + std::to_string(n) + "\n"));
    ASSERT_EQ(polite.read_line(), "mine " + std::to_string(n) + "\n");
  }
}

TEST_F(WorkerTest, StopsAcceptingWhileEveryConnectionIsTaken) {
  restart({.connection_count = 2});
  std::vector<Client> clients;
  for (int n = 0; n < 10; ++n) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send(std::to_string(n) + "\n"));
  }
  for (std::size_t n = 0; n < clients.size(); ++n) {
    EXPECT_EQ(clients[n].read_line(), std::to_string(n) + "\n") << "served when its turn came";
    clients[n].close();
  }
  worker_->stop();
  join();
  EXPECT_EQ(worker_->counts().accepted, 10u);
}

TEST_F(WorkerTest, DrainAnswersWhatHasBegunAndEndsTheRest) {
  Client idle = connect();
  ASSERT_TRUE(idle.send("hello\n"));
  EXPECT_EQ(idle.read_line(), "hello\n");
  Client busy = connect();
  ASSERT_TRUE(busy.send("hello\ntoken half"));
  EXPECT_EQ(busy.read_line(), "hello\n");
  Client fresh = connect();
  ASSERT_TRUE(eventually([this] { return front_end_.opened_count == 3; }));

  worker_->drain();
  EXPECT_TRUE(idle.ended());
  ASSERT_TRUE(fresh.send("first\n"));
  EXPECT_EQ(fresh.read_line(), "first\n");
  EXPECT_TRUE(fresh.ended());
  ASSERT_TRUE(busy.send(" and half\n"));
  EXPECT_EQ(busy.read_line(), "half and half: not a token\n");
  EXPECT_TRUE(busy.ended());
  idle.close();
  fresh.close();
  busy.close();
  join();  // run() returns by itself.
}

TEST_F(WorkerTest, DrainGivesUpAfterItsTime) {
  restart({.connection_count = 4, .idle_s = 30, .request_s = 30, .drain_s = 1});
  Client client = connect();
  ASSERT_TRUE(client.send("never finished"));
  ASSERT_TRUE(eventually([this] { return front_end_.opened_count > 0; }));
  worker_->drain();
  join();
  EXPECT_TRUE(client.ended());
}

TEST_F(WorkerTest, TicksWhenNothingArrives) {
  EXPECT_TRUE(eventually([this] { return front_end_.ticks >= 2; }));
}

class WorkerFallback : public WorkerTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override { start({.connection_count = kConnections, .first_fallback = GetParam()}); }
};

TEST_P(WorkerFallback, ServesWithWhateverTheKernelGrants) {
  std::vector<Client> clients;
  for (int n = 0; n < 20; ++n) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send("token x\nplain\n"));
  }
  for (Client& client : clients) {
    EXPECT_EQ(client.read_line(), "x: not a token\n");
    EXPECT_EQ(client.read_line(), "plain\n");
  }
}

INSTANTIATE_TEST_SUITE_P(All, WorkerFallback, ::testing::Range(0u, Ring::kFallbackCount));

}  // namespace
}  // namespace usher::io
