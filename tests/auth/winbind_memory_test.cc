// Promise: a question to winbindd that runs out of memory, wherever on its way, is refused with
// words, and everything that winbindd said is given back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
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

void* take(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) noexcept {
  if (armed && until_failure-- == 0) {
    armed = false;
    failed = true;
    return nullptr;
  }
  const std::size_t whole =
      (std::max(size, std::size_t{1}) + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, whole);
}

[[gnu::noinline]] void give(void* memory) noexcept { std::free(memory); }

}  // namespace
}  // namespace usher::testing

#include "tests/replaced_new.h"  // Behind what it calls.

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
