// engine/io/worker.h with an authority: whoever waits for its answer holds nobody else up, gets his
// own, and leaves nothing behind when he goes.
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/io/line_worker.h"
#include "tools/mint/ntlm_mint.h"

namespace usher::io {
namespace {

using mint::Octets;
using std::chrono::milliseconds;

constexpr std::size_t kInquiries = 64;
constexpr std::int64_t kDeadlineUs = 3'000'000;

// PatientAuthority keeps questions until the test answers them.
class PatientAuthority final : public auth::Authority {
 public:
  PatientAuthority() : Authority(kInquiries, kDeadlineUs) {}

  void begin(auth::Inquiry& inquiry) noexcept override {
    const std::scoped_lock lock(mutex_);
    asked_.push_back(&inquiry);
  }
  std::size_t asked() {
    const std::scoped_lock lock(mutex_);
    return asked_.size();
  }
  // answer lets in whoever was asked about last, under the name he gave.
  void answer() {
    auth::Inquiry* inquiry = nullptr;
    {
      const std::scoped_lock lock(mutex_);
      inquiry = asked_.back();
      asked_.pop_back();
    }
    inquiry->answer.status = Status::kEstablished;
    const Bytes user = inquiry->question().user;
    inquiry->answer.user.assign(user.begin(), user.end());
    inquiry->answer.key_kind = auth::NtlmAnswer::KeyKind::kSessionBase;
    inquiry->answer.key.assign(Octets(16, 1));
    finish(*inquiry);
  }

 private:
  std::mutex mutex_;
  std::vector<auth::Inquiry*> asked_;
};

std::string hex_of(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

std::uint8_t nibble(std::uint8_t digit) {
  return static_cast<std::uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

// HexFrontEnd is LineFrontEnd's lines with tokens in hexadecimal, decoded where they stand. It
// answers with the reply's token, the client's name, or the text of a refusal.
class HexFrontEnd final : public FrontEnd {
 public:
  explicit HexFrontEnd(Credential& credential) : credential_(credential) {}

  void use(const Engine& engine) { engine_ = &engine; }
  void opened(ConnectionIndex connection, std::size_t /*listener*/) noexcept override {
    at(connection) = {};
  }
  void closed(ConnectionIndex connection) noexcept override { release(at(connection)); }
  void tick() noexcept override {}

  Framed frame(ConnectionIndex connection, MutableBytes received, bool /*full*/,
               AcceptRequest& request, MutableBytes out) noexcept override {
    const auto end = std::ranges::find(received, std::uint8_t{'\n'});
    if (end == received.end()) {
      return {};
    }
    const auto size = static_cast<std::size_t>(end - received.begin());
    if (received[0] == '!') {
      std::ranges::copy(received.first(size + 1), out.begin());
      return {.framing = Framing::kAnswered, .consumed = size + 1, .answer_size = size + 1};
    }
    for (std::size_t n = 0; n < size / 2; ++n) {
      received[n] =
          static_cast<std::uint8_t>(nibble(received[2 * n]) << 4 | nibble(received[2 * n + 1]));
    }
    request.credential = &credential_;
    request.token = received.first(size / 2);
    request.context = std::exchange(at(connection), {});
    return {.framing = Framing::kToken, .consumed = size + 1};
  }

  Answer answer(ConnectionIndex connection, const AcceptRequest& request, const AcceptReply& reply,
                MutableBytes out) noexcept override {
    std::string text(text_of(reply.verdict.status));
    if (reply.verdict.status == Status::kContinue) {
      at(connection) = reply.context;
      text = hex_of(request.reply.first(reply.reply_size));
    } else if (reply.verdict.status == Status::kEstablished) {
      static_cast<void>(engine_->inspect(reply.context, [&](const auth::Context& context) {
        text.assign(context.user().begin(), context.user().end());
      }));
      release(reply.context);
    }
    text += '\n';
    std::ranges::copy(text, out.begin());
    return {.size = text.size()};
  }

 private:
  ContextHandle& at(ConnectionIndex connection) { return contexts_[std::size_t(connection)]; }
  void release(ContextHandle context) {
    if (context != ContextHandle{}) {
      static_cast<void>(engine_->release(context));
    }
  }

  Credential& credential_;
  const Engine* engine_ = nullptr;
  std::array<ContextHandle, kConnections> contexts_{};
};

class WorkerWaiting : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = std::make_unique<PatientAuthority>();
    authority_ = made.get();
    credential_.authority = std::move(made);
    engine_ = Engine::make({});
    desk_ = Desk::make(kBatchMax);
    listener_ = listen_tcp(port_);
    ASSERT_TRUE(engine_ && desk_ && listener_.get() >= 0);
    front_end_.use(*engine_);
    const std::array listeners = {listener_.get()};
    int error = 0;
    worker_ = Worker::make({.listeners = listeners, .connection_count = kConnections}, *desk_,
                           engine_->environment(), front_end_, error);
    if (!worker_) {
      GTEST_SKIP() << "io_uring is not available: " << -error;
    }
    thread_ = std::thread([this] { EXPECT_EQ(worker_->run(), 0); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      stop();
    }
    while (authority_->asked() > 0) {
      authority_->answer();  // Nobody waits any more, or the sanitizers will say so.
    }
    EXPECT_EQ(engine_->environment().contexts.live(), 0u);
  }
  void stop() {
    worker_->stop();
    thread_.join();
  }

  // Guest is a client that has sent both legs.
  struct Guest {
    Client client;
    std::string name;
  };
  Guest arrive(std::u16string name) {
    Guest guest{Client::tcp(port_), std::string(name.begin(), name.end())};
    const Octets negotiate = mint::ntlm_negotiate({});
    EXPECT_TRUE(guest.client.send(hex_of(negotiate) + "\n"));
    const std::string line = guest.client.read_line();
    Octets challenge;
    for (std::size_t n = 0; n + 1 < line.size(); n += 2) {
      challenge.push_back(static_cast<std::uint8_t>(nibble(std::uint8_t(line[n])) << 4 |
                                                    nibble(std::uint8_t(line[n + 1]))));
    }
    const mint::AuthenticateFields fields{.user = std::move(name), .mic = false};
    EXPECT_TRUE(guest.client.send(
        hex_of(mint::ntlm_authenticate(*kit_, negotiate, challenge, fields).message) + "\n"));
    return guest;
  }
  static bool eventually(const auto& condition) {
    for (int n = 0; n < 1000 && !condition(); ++n) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return condition();
  }
  bool asks(std::size_t count) {
    return eventually([&] { return authority_->asked() == count; });
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  Credential credential_{auth::Package::kNegotiate, std::make_unique<auth::Keys>()};
  PatientAuthority* authority_ = nullptr;
  HexFrontEnd front_end_{credential_};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Desk> desk_;
  std::uint16_t port_ = 0;
  Descriptor listener_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

TEST_F(WorkerWaiting, GivesEveryClientItsOwnAnswerInWhateverOrder) {
  std::vector<Guest> guests;
  for (char16_t n = 0; n < 40; ++n) {
    guests.push_back(arrive(u"guest-" + std::u16string(1, static_cast<char16_t>(u'A' + n))));
  }
  ASSERT_TRUE(asks(guests.size()));
  for (std::size_t n = 0; n < guests.size(); ++n) {
    authority_->answer();  // The last one first.
  }
  for (Guest& guest : guests) {
    EXPECT_EQ(guest.client.read_line(), guest.name + "\n");
  }
}

TEST_F(WorkerWaiting, HoldsNobodyElseUp) {
  Guest guest = arrive(u"slow");
  ASSERT_TRUE(asks(1));
  Client other = Client::tcp(port_);
  ASSERT_TRUE(other.send("!hello\n"));
  EXPECT_EQ(other.read_line(), "!hello\n");
  authority_->answer();
  EXPECT_EQ(guest.client.read_line(), "slow\n");
}

TEST_F(WorkerWaiting, LooksAtWhatIsPipelinedAfterTheAnswer) {
  Guest guest = arrive(u"eager");
  ASSERT_TRUE(guest.client.send("!one\n!two\n"));
  ASSERT_TRUE(asks(1));
  authority_->answer();
  EXPECT_EQ(guest.client.read_line(), "eager\n");
  EXPECT_EQ(guest.client.read_line(), "!one\n");
  EXPECT_EQ(guest.client.read_line(), "!two\n");
}

TEST_F(WorkerWaiting, ForgetsWhoHasGone) {
  {
    Guest gone = arrive(u"gone");
    ASSERT_TRUE(asks(1));
    gone.client.reset();
  }
  ASSERT_TRUE(eventually([this] { return engine_->environment().contexts.live() == 0; }));
  // His place is taken by another, whose answer is not mistaken for his.
  Guest next = arrive(u"next");
  ASSERT_TRUE(asks(2));
  authority_->answer();
  EXPECT_EQ(next.client.read_line(), "next\n");
  authority_->answer();  // The first one's, to nobody.
}

TEST_F(WorkerWaiting, GivesUpWhenTheTimeIsOver) {
  Guest guest = arrive(u"late");
  ASSERT_TRUE(asks(1));
  EXPECT_EQ(guest.client.read_line(), std::string(text_of(Status::kAuthorityLate)) + "\n");
  ASSERT_TRUE(guest.client.send("!still here\n"));
  EXPECT_EQ(guest.client.read_line(), "!still here\n");
}

TEST_F(WorkerWaiting, EndsAtOnceAllTheSame) {
  std::vector<Guest> guests;
  for (char16_t n = 0; n < 8; ++n) {
    guests.push_back(arrive(u"left-" + std::u16string(1, static_cast<char16_t>(u'a' + n))));
  }
  ASSERT_TRUE(asks(guests.size()));
  std::thread answering([this] {
    for (int n = 0; n < 4; ++n) {
      authority_->answer();
    }
  });
  stop();
  answering.join();
}

TEST_F(WorkerWaiting, RefusesWhoWouldBeOneTooMany) {
  std::vector<Guest> guests;
  for (std::size_t n = 0; n < kInquiries; ++n) {
    guests.push_back(arrive(u"many"));
  }
  ASSERT_TRUE(asks(kInquiries));
  Guest one_more = arrive(u"more");
  EXPECT_EQ(one_more.client.read_line(), std::string(text_of(Status::kAuthorityBusy)) + "\n");
  authority_->answer();
  ASSERT_TRUE(asks(kInquiries - 1));
  Guest again = arrive(u"again");
  EXPECT_TRUE(asks(kInquiries));
}

}  // namespace
}  // namespace usher::io
