// Messages of one context by many threads, and what else goes on with the context meanwhile.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/engine/message_caller.h"

namespace usher::testing {
namespace {

// "EncryptMessage on two threads of one context is safe": every message has a number of its own and
// opens, while the other direction is used, too.
TEST_F(SspiMessage, MayBeSentAndTakenByManyThreadsAtOnce) {
  sign_on_with_kerberos(18,
                        mint::kContextFlagsUsual & ~std::uint32_t(gss::ContextFlags::kSequence));
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 200;
  std::vector<Sent> theirs;
  for (std::size_t i = 0; i < kThreads * kEach; ++i) {
    theirs.push_back(peer_sends(64));
  }
  std::vector<Sent> ours(kThreads * kEach);
  const std::uint32_t room = sizes().cbSecurityTrailer;
  std::atomic<unsigned> failed{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t * kEach; i < (t + 1) * kEach; ++i) {
        Sent& mine = ours[i];
        mine.data = text(64);
        mine.token.resize(room);
        std::array buffers = {buffer(SECBUFFER_TOKEN, mine.token),
                              buffer(SECBUFFER_DATA, mine.data)};
        SecBufferDesc message = list(buffers);
        failed += EncryptMessage(&context, 0, &message, 0) != SEC_E_OK ? 1 : 0;
        failed += we_take(theirs[i]) != SEC_E_OK || theirs[i].data != text(64) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failed, 0u);
  for (Sent& sent : ours) {
    const Part part{.bytes = sent.data};
    ASSERT_EQ(peer->open(std::span(&part, 1), sent.token, {}).outcome, MessageOutcome::kGood);
  }
}

// Questions and the end of a complete context wait for senders; none is turned away.
TEST_F(SspiMessage, DoNotGetInTheWayOfQuestionsAndDeletion) {
  sign_on_with_kerberos();
  ASSERT_NE(sizes().cbSecurityTrailer, 0u);
  std::atomic<bool> stop{false};
  std::vector<std::thread> senders;
  for (int n = 0; n < 4; ++n) {
    senders.emplace_back([&] {
      Octets token(100);
      while (!stop) {
        Octets data = text(8);
        std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
        SecBufferDesc message = list(buffers);
        (void)EncryptMessage(&context, 0, &message, 0);
      }
    });
  }
  for (int n = 0; n < 20'000; ++n) {
    SecPkgContext_Sizes out{};
    ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_SIZES, &out), SEC_E_OK)
        << n << ": " << usher_last_refusal();
  }
  CtxtHandle handle = context;
  EXPECT_EQ(DeleteSecurityContext(&handle), SEC_E_OK) << usher_last_refusal();
  stop = true;
  for (std::thread& sender : senders) {
    sender.join();
  }
}

// A message that is under way when its context is deleted is finished.
TEST_F(SspiMessage, OutliveTheirContextAsLongAsTheyAreUnderWay) {
  sign_on_with_kerberos();
  std::atomic<bool> stop{false};
  std::atomic<unsigned> wrong{0};
  std::thread sender([&] {
    Octets token(100);
    while (!stop) {
      Octets data = text(4096);
      std::array buffers = {buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)};
      SecBufferDesc message = list(buffers);
      const SECURITY_STATUS status = EncryptMessage(&context, 0, &message, 0);
      wrong += status != SEC_E_OK && status != SEC_E_INVALID_HANDLE ? 1 : 0;
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CtxtHandle handle = context;
  EXPECT_EQ(DeleteSecurityContext(&handle), SEC_E_OK) << usher_last_refusal();
  stop = true;
  sender.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace usher::testing
