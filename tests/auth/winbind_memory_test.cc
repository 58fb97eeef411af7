// Promise: a question to winbindd that runs out of memory, wherever on its way, is refused with
// words, and everything that winbindd said is given back.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "engine/auth/winbind.h"
#include "tests/auth/fake_winbindd.h"

namespace usher::testing {
namespace {

// What operator new does while `armed`.
bool armed = false;
int until_failure = 0;  // So many succeed first.
bool failed = false;

void* take(std::size_t size) noexcept {
  if (armed && until_failure-- == 0) {
    armed = false;
    failed = true;
    return nullptr;
  }
  return std::malloc(size == 0 ? 1 : size);
}

[[gnu::noinline]] void give(void* memory) noexcept { std::free(memory); }

}  // namespace
}  // namespace usher::testing

void* operator new(std::size_t size) {
  void* const memory = usher::testing::take(size);
  return memory != nullptr ? memory : throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return usher::testing::take(size);
}
void* operator new[](std::size_t size) { return ::operator new(size); }
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return ::operator new(size, tag);
}
void operator delete(void* memory) noexcept { usher::testing::give(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { usher::testing::give(memory); }
void operator delete[](void* memory) noexcept { usher::testing::give(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  usher::testing::give(memory);
}
// For what a constructor that throws was to be built in.
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
  usher::testing::give(memory);
}
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
  usher::testing::give(memory);
}

namespace usher::testing {
namespace {

TEST(WinbindMemory, RunningOutOfItIsARefusal) {
  // Too long to lie in a string itself.
  const std::vector<std::uint8_t> name(100, 'a');
  Winbindd winbindd;
  const std::unique_ptr<auth::Answerer> answerer =
      auth::make_winbind_answerer(std::make_unique<FakeLine>(winbindd));
  ASSERT_NE(answerer, nullptr);
  auth::NtlmQuestion question;
  question.user = question.domain = question.workstation = question.nt_response = name;
  winbindd.remembers = false;
  int refusals = 0;
  for (int succeed = 0;; ++succeed) {
    auth::NtlmAnswer answer;
    until_failure = succeed;
    failed = false;
    armed = true;
    answerer->answer(question, answer);
    armed = false;
    EXPECT_EQ(winbindd.lent, 0);
    EXPECT_TRUE(winbindd.wiped);
    if (!failed) {
      EXPECT_EQ(answer.status, Status::kEstablished);
      break;
    }
    ++refusals;
    EXPECT_EQ(answer.status, Status::kNoMemory);
    EXPECT_TRUE(answer.key.empty());
    EXPECT_TRUE(answer.user.empty());
    EXPECT_TRUE(answer.pac.empty());
  }
  EXPECT_GT(refusals, 10);
}

}  // namespace
}  // namespace usher::testing
