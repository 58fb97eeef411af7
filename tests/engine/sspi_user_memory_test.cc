// Promise (attack F6): looking for a client's local user and becoming it, out of memory wherever on
// the way that is, is refused with words, changes nothing and loses nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>

#include "engine/sspi_users.h"
#include "tests/engine/user_caller.h"
#include "tests/in_child.h"
#include "tests/users/fake_name_services.h"
#include "tests/users/thread_status.h"

namespace usher::testing {
namespace {

// What this thread's calls of operator new do while `armed`.
thread_local bool armed = false;
thread_local long until_failure = 0;  // So many succeed first.
thread_local bool failed = false;
std::atomic<long> live{0};  // All threads'.

void* take(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  if (armed && until_failure-- == 0) {
    armed = false;
    failed = true;
    return nullptr;
  }
  ++live;
  const std::size_t whole =
      (std::max(size, std::size_t{1}) + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, whole);
}

void give(void* memory) noexcept {
  live -= memory != nullptr ? 1 : 0;
  std::free(memory);
}

}  // namespace
}  // namespace usher::testing

#include "tests/replaced_new.h"  // Behind what it calls.

namespace usher::testing {
namespace {

class SspiUserMemory : public ::testing::Test {
 protected:
  void start() {
    services.remembers = false;
    services.accounts = {{"a-user-with-a-name-too-long-for-a-string", {"alice", 54321, 54322}}};
    services.groups = {{"alice", {54322, 54323}}};
    auto settings = std::make_unique<users::Settings>();
    settings->order = {users::Source::kMap};
    settings->map = users::UserMap::parse(
                        "alice@EXAMPLE.TEST a-user-with-a-name-too-long-for-a-string\n", "map")
                        .map;
    settings->deadline_ms = 600'000;
    settings->services = &services;
    sspi::keep_user_settings(std::move(settings));
    door.emplace();
    alice = door->kerberos_with_pac();
  }
  // fail_each fails one allocation after the other until `call` has all it needs, and returns how
  // many that are. `undo` whenever it worked.
  static long fail_each(const std::function<SECURITY_STATUS()>& call,
                        const std::function<void()>& undo) {
    EXPECT_EQ(call(), SEC_E_OK) << usher_last_refusal();  // What is made only once is there now.
    undo();
    const std::string before = thread_status();
    for (long n = 0;; ++n) {
      const long live_before = live;
      until_failure = n;
      failed = false;
      armed = true;
      const SECURITY_STATUS status = call();
      armed = false;
      if (status == SEC_E_OK) {
        undo();
      }
      EXPECT_EQ(live, live_before) << "allocation " << n;
      EXPECT_EQ(thread_status(), before) << "allocation " << n;
      if (!failed) {
        EXPECT_EQ(status, SEC_E_OK);
        return n;
      }
      EXPECT_EQ(status, SEC_E_INSUFFICIENT_MEMORY) << "allocation " << n;
      EXPECT_STRNE(usher_last_refusal(), "");
    }
  }

  FakeNameServices services;
  std::optional<Door> door;
  CtxtHandle alice = no_handle();
};

TEST_F(SspiUserMemory, OfATokenIsRefusedInOrder) {
  in_child([this] {
    start();
    void* token = nullptr;
    const long needed = fail_each([&] { return QuerySecurityContextToken(&alice, &token); },
                                  [&] { FreeContextBuffer(token); });
    EXPECT_GT(needed, 3);
  });
}

TEST_F(SspiUserMemory, OfImpersonatingIsRefusedInOrder) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "becoming others needs root";
  }
  in_child([this] {
    start();
    const long needed = fail_each([this] { return ImpersonateSecurityContext(&alice); },
                                  [this] { EXPECT_EQ(RevertSecurityContext(&alice), SEC_E_OK); });
    EXPECT_GT(needed, 3);
  });
}

TEST_F(SspiUserMemory, OfRevertingIsRefusedAndTriedAgain) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "becoming others needs root";
  }
  in_child([this] {
    start();
    const std::string before = thread_status();
    ASSERT_EQ(ImpersonateSecurityContext(&alice), SEC_E_OK) << usher_last_refusal();
    SECURITY_STATUS status = SEC_E_INSUFFICIENT_MEMORY;
    for (long n = 0; status != SEC_E_OK && n < 100; ++n) {
      const std::string meanwhile = thread_status();
      until_failure = n;
      armed = true;
      status = RevertSecurityContext(&alice);
      armed = false;
      if (status != SEC_E_OK) {
        EXPECT_EQ(status, SEC_E_INSUFFICIENT_MEMORY);
        EXPECT_EQ(thread_status(), meanwhile);
      }
    }
    EXPECT_EQ(status, SEC_E_OK);
    EXPECT_EQ(thread_status(), before);
  });
}

}  // namespace
}  // namespace usher::testing
