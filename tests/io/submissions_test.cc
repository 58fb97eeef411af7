// engine/io/submissions.h: what other threads post shares turns with what connections bring, and
// neither is lost, kept waiting or answered twice; with a ring and without one.
#include "engine/io/submissions.h"

#include <mutex>
#include <vector>

#include "engine/slots/doorbell.h"
#include "engine/slots/mailbox.h"
#include "tests/io/line_worker.h"

namespace usher::io {
namespace {

// Posts is a mailbox of tokens that are none, each posted by number.
class Posts final : public Submissions {
 public:
  explicit Posts(Credential& credential) : credential_(credential) {}

  bool post(std::uint64_t number) {
    if (!box_.post(number)) {
      return false;
    }
    if (bell_.ring()) {
      ++wake_ups;
      waker_->wake();
    }
    return true;
  }

  void open(Waker& waker) noexcept override { waker_ = &waker; }
  bool any() const noexcept override { return has_peeked_ || box_.ready(); }
  std::size_t take(auth::Desk&, std::span<AcceptRequest> requests) noexcept override {
    ++turns;
    std::size_t count = 0;
    std::uint64_t number = 0;
    while (count < requests.size() &&
           (std::exchange(has_peeked_, false) ? (number = peeked_, true) : box_.take(number))) {
      const MutableBytes reply = requests[count].reply;
      EXPECT_EQ(reply.size(), kReplySizeMax);
      requests[count] = {.credential = &credential_, .token = kToken, .reply = reply};
      taken_[count++] = number;
    }
    largest = std::max<std::size_t>(largest, count);
    return count;
  }
  void finish(std::span<const AcceptRequest> requests,
              std::span<const AcceptReply> replies) noexcept override {
    for (std::size_t n = 0; n < requests.size(); ++n) {
      EXPECT_EQ(replies[n].verdict.status, Status::kNotAToken);
      EXPECT_EQ(taken_[n], finished.load()) << "in order";
      ++finished;
    }
  }
  bool lie_down() noexcept override {
    bell_.lie_down();
    has_peeked_ = has_peeked_ || box_.take(peeked_);
    return !has_peeked_;
  }
  void get_up() noexcept override { bell_.get_up(); }
  void pulse() noexcept override { ++pulses; }
  bool impatient() const noexcept override { return is_impatient; }

  std::atomic<std::uint64_t> finished{0};
  std::atomic<int> pulses{0};
  std::atomic<int> turns{0};
  std::atomic<int> wake_ups{0};
  std::atomic<bool> is_impatient{false};
  std::atomic<std::size_t> largest{0};

 private:
  static constexpr std::array<std::uint8_t, 3> kToken = {'x', 'y', 'z'};

  Credential& credential_;
  std::vector<Mailbox<std::uint64_t>::Cell> cells_ =
      std::vector<Mailbox<std::uint64_t>::Cell>(1024);
  Mailbox<std::uint64_t> box_{cells_};
  Doorbell bell_;
  Waker* waker_ = nullptr;
  bool has_peeked_ = false;
  std::uint64_t peeked_ = 0;
  std::array<std::uint64_t, kBatchMax> taken_{};
};

class WorkerSubmissions : public WorkerTest {
 protected:
  void SetUp() override {
    start({.connection_count = kConnections,
           .idle_s = 30,
           .request_s = 5,
           .drain_s = 5,
           .submissions = &posts});
  }
  Posts posts{credential_};
};

TEST_F(WorkerSubmissions, ShareTurnsWithConnections) {
  constexpr std::uint64_t kPosts = 20'000;
  std::thread poster([this] {
    for (std::uint64_t number = 0; number < kPosts;) {
      number += posts.post(number) ? 1u : 0u;
    }
  });
  Client client = connect();
  for (int n = 0; n < 200; ++n) {
    client.send("token abc\n");
    ASSERT_EQ(client.read_line(), "abc: not a token\n");
  }
  poster.join();
  EXPECT_TRUE(eventually([this] { return posts.finished == kPosts; })) << posts.finished;
  EXPECT_LE(posts.largest, kBatchMax / 2) << "the other half is the connections'";
}

TEST_F(WorkerSubmissions, WakeAWorkerThatSleeps) {
  for (std::uint64_t number = 0; number < 100; ++number) {
    ASSERT_TRUE(posts.post(number));
    ASSERT_TRUE(eventually([&] { return posts.finished == number + 1; }));
    if (number % 10 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // So that it does sleep.
    }
  }
  EXPECT_GT(posts.wake_ups, 0);
}

TEST_F(WorkerSubmissions, AreLookedAfterMoreOftenWhileTheyAreImpatient) {
  ASSERT_TRUE(eventually([this] { return posts.pulses >= 1; })) << "once a second";
  posts.is_impatient = true;
  ASSERT_TRUE(posts.post(0));  // Which wakes it.
  const int before = posts.pulses;
  EXPECT_TRUE(eventually([&] { return posts.pulses >= before + 20; }));
}

// Not only when it sleeps: what waits has its time looked at while the worker is never idle.
TEST_F(WorkerSubmissions, AreLookedAfterWhileTheWorkerIsBusy) {
  std::atomic<bool> over{false};
  std::thread poster([&] {
    for (std::uint64_t number = 0; !over;) {
      number += posts.post(number) ? 1u : 0u;
    }
  });
  EXPECT_TRUE(eventually([&] { return posts.pulses >= 20; }));
  over = true;
  poster.join();
}

// Without a ring: the same, but for connections.
TEST(PlainWorker, TakesSubmissionsAndSleeps) {
  Credential credential{auth::Package::kNegotiate, std::make_unique<auth::Keys>()};
  const std::unique_ptr<Engine> engine = Engine::make({});
  const std::unique_ptr<Desk> desk = Desk::make(kBatchMax);
  ASSERT_TRUE(engine && desk);
  Posts posts(credential);
  int error = 0;
  const std::unique_ptr<Worker> worker =
      Worker::make_without_ring(posts, *desk, engine->environment(), true, error);
  ASSERT_TRUE(worker) << error;
  std::thread thread([&] { EXPECT_EQ(worker->run(), 0); });
  for (std::uint64_t number = 0; number < 5'000;) {
    number += posts.post(number) ? 1u : 0u;
  }
  while (posts.finished < 5'000) {
    std::this_thread::yield();
  }
  const int turns = posts.turns;
  posts.is_impatient = true;
  ASSERT_TRUE(posts.post(5'000));
  const int before = posts.pulses;
  while (posts.pulses < before + 5) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  worker->stop();
  thread.join();
  EXPECT_LE(posts.turns - turns, posts.pulses - before + 10) << "it spins";
  EXPECT_EQ(posts.finished, 5'001u);
  EXPECT_EQ(worker->counts().tokens, 5'001u);
}

}  // namespace
}  // namespace usher::io
