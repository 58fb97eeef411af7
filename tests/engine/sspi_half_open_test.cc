// An exchange that nobody finishes loses its slot after the time it was given, and not before.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

TEST(SspiHalfOpen, GivesItsSlotUpAfterItsTime) {
  const USHER_OPTIONS options{.Version = USHER_OPTIONS_VERSION,
                              .Size = sizeof(USHER_OPTIONS),
                              .SlotCount = 2,
                              .HalfOpenSeconds = 2,
                              .ReplayEntries = 0,
                              .ClockSkewSecondsMax = 0};
  ASSERT_EQ(usher_start(&options), SEC_E_OK);
  EXPECT_EQ(usher_start(&options), SEC_E_OUT_OF_SEQUENCE);

  Folder folder;
  Realm realm;
  NtlmClient client(realm);
  const std::string accounts = folder.write("accounts", kAccounts);
  USHER_ACCEPTOR acceptor{};
  acceptor.Accounts = accounts.c_str();
  OwnCredential credential(acceptor, NTLMSP_NAME_A);
  ASSERT_EQ(credential.status, SEC_E_OK) << usher_last_refusal();

  Called complete = accept(credential.handle, client.first());
  complete = accept(credential.handle, client.second(complete.reply), &complete.context);
  ASSERT_EQ(complete.status, SEC_E_OK) << usher_last_refusal();
  Called abandoned = accept(credential.handle, client.first());
  ASSERT_EQ(abandoned.status, SEC_I_CONTINUE_NEEDED);
  EXPECT_EQ(accept(credential.handle, client.first()).status, SEC_E_INSUFFICIENT_MEMORY)
      << "its time is not over";

  std::this_thread::sleep_for(std::chrono::milliseconds(3500));  // Deadlines count whole seconds.
  Called next = accept(credential.handle, client.first());
  EXPECT_EQ(next.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&abandoned.context), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(DeleteSecurityContext(&next.context), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&complete.context), SEC_E_OK) << "complete ones have no deadline";
}

}  // namespace
}  // namespace usher::testing
