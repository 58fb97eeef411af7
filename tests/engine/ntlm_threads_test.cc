// engine/auth/accept.h: of many threads on one credential, with exchanges of two users in turn,
// each gets the identity and the session key of the user whose exchange it is.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tools/mint/ntlm_mint.h"

namespace usher {
namespace {

constexpr std::size_t kThreads = 8;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define USHER_THREADS_ARE_SLOW 1
#endif
#endif
#ifdef USHER_THREADS_ARE_SLOW
constexpr std::size_t kExchanges = 10'000;
#else
constexpr std::size_t kExchanges = 100'000;
#endif

struct User {
  std::u16string name;
  std::u16string password;
  std::string client;  // As write_client_name has it.
};
const std::array kUsers = {User{u"alice", u"Al1ce-Passw0rd", "EXAMPLE\\alice"},
                           User{u"bob", u"B0b-Passw0rd", "EXAMPLE\\bob"}};

// Caller is one thread's side: clients and the acceptor's desk.
class Caller {
 public:
  Caller(const Engine& engine, auth::Credential& credential)
      : engine_(engine), credential_(credential) {}

  // sign_on plays one exchange; false if its outcome is not this user's.
  bool sign_on(const User& user, std::uint8_t session_key) {
    const AcceptReply first = offer({}, negotiate_);
    mint::AuthenticateFields fields;
    fields.user = user.name;
    fields.password = user.password;
    fields.session_key = mint::Octets(16, session_key);
    const mint::Octets challenge(room_.begin(), room_.begin() + first.reply_size);
    const mint::Authenticated client =
        mint::ntlm_authenticate(*kit_, negotiate_, challenge, fields);
    const AcceptReply last = offer(first.context, client.message);
    bool same = last.verdict.status == Status::kEstablished;
    const Status looked = engine_.inspect(last.context, [&](const Context& context) {
      std::array<std::uint8_t, kClientNameSizeMax> text{};
      const Bytes name = context.write_client_name(text);
      same = same && std::string(name.begin(), name.end()) == user.client &&
             std::ranges::equal(context.key.bytes(), client.exported_session_key);
    });
    return same && looked == Status::kEstablished &&
           engine_.release(last.context) == Status::kEstablished;
  }

 private:
  AcceptReply offer(ContextHandle context, Bytes token) {
    const AcceptRequest request{
        .credential = &credential_, .context = context, .token = token, .reply = room_};
    AcceptReply reply;
    auth::accept(*desk_, engine_.environment(), std::span(&request, 1), std::span(&reply, 1));
    return reply;
  }

  const Engine& engine_;
  auth::Credential& credential_;
  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  std::unique_ptr<auth::Desk> desk_ = auth::Desk::make(1);
  mint::Octets negotiate_ = mint::ntlm_negotiate({});
  std::array<std::uint8_t, kReplySizeMax> room_{};
};

TEST(NtlmThreads, NeverMixTwoUsers) {
  const std::unique_ptr<Engine> engine =
      Engine::make({.slot_count = 2 * kThreads, .replay_entry_count = 1 << 10});
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  ASSERT_TRUE(engine && kit);
  auto keys = std::make_unique<auth::Keys>();
  keys->accounts =
      auth::Accounts::parse(*kit, "EXAMPLE:alice:Al1ce-Passw0rd\nEXAMPLE:bob:B0b-Passw0rd\n", "two")
          .accounts;
  ASSERT_NE(keys->accounts, nullptr);
  auth::Credential credential(auth::Package::kNtlm, std::move(keys));

  std::atomic<std::size_t> right{0};
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < kThreads; ++n) {
    threads.emplace_back([&, n] {
      Caller caller(*engine, credential);
      for (std::size_t i = 0; i < kExchanges / kThreads; ++i) {
        const bool good =
            caller.sign_on(kUsers[(n + i) % kUsers.size()], static_cast<std::uint8_t>(n * 31 + i));
        right += good ? 1u : 0u;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, kExchanges);
  EXPECT_EQ(engine->environment().contexts.live(), 0u);
}

}  // namespace
}  // namespace usher
