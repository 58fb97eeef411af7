// Promise: a domain's refusal becomes the status that says what to do about it.
#include "engine/auth/nt_status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace usher::auth {
namespace {

struct Row {
  std::uint32_t nt_status;  // By the numbers of MS-ERREF 2.3.1.
  Status expected;
};

constexpr Row kRows[] = {
    {0xc0000064, Status::kNtlmProof},             // STATUS_NO_SUCH_USER
    {0xc000006a, Status::kNtlmProof},             // STATUS_WRONG_PASSWORD
    {0xc000006d, Status::kAuthorityOtherServer},  // STATUS_LOGON_FAILURE
    {0xc000000d, Status::kNtlmProof},             // STATUS_INVALID_PARAMETER
    {0xc0000225, Status::kNtlmProof},             // STATUS_NOT_FOUND
    {0xc0000072, Status::kAccountDisabled},       // STATUS_ACCOUNT_DISABLED
    {0xc0000193, Status::kAccountExpired},        // STATUS_ACCOUNT_EXPIRED
    {0xc0000234, Status::kAccountLocked},         // STATUS_ACCOUNT_LOCKED_OUT
    {0xc000006e, Status::kAccountRestricted},     // STATUS_ACCOUNT_RESTRICTION
    {0xc000006f, Status::kAccountRestricted},     // STATUS_INVALID_LOGON_HOURS
    {0xc0000070, Status::kAccountRestricted},     // STATUS_INVALID_WORKSTATION
    {0xc0000413, Status::kAccountRestricted},     // STATUS_AUTHENTICATION_FIREWALL_FAILED
    {0xc0000071, Status::kPasswordExpired},       // STATUS_PASSWORD_EXPIRED
    {0xc0000224, Status::kPasswordExpired},       // STATUS_PASSWORD_MUST_CHANGE
    {0xc000005e, Status::kAuthorityNoServer},     // STATUS_NO_LOGON_SERVERS
    {0xc0000233, Status::kAuthorityNoServer},     // STATUS_DOMAIN_CONTROLLER_NOT_FOUND
    {0xc00000b5, Status::kAuthorityNoServer},     // STATUS_IO_TIMEOUT
    {0xc000023d, Status::kAuthorityNoServer},     // STATUS_HOST_UNREACHABLE
    {0xc0000236, Status::kAuthorityNoServer},     // STATUS_CONNECTION_REFUSED
    {0xc0020017, Status::kAuthorityNoServer},     // RPC_NT_SERVER_UNAVAILABLE
    {0xc0000022, Status::kAuthorityNoTrust},      // STATUS_ACCESS_DENIED
    {0xc00000da, Status::kAuthorityNoTrust},      // STATUS_CANT_ACCESS_DOMAIN_INFO
    {0xc000018b, Status::kAuthorityNoTrust},      // STATUS_NO_TRUST_SAM_ACCOUNT
    {0xc000018d, Status::kAuthorityNoTrust},      // STATUS_TRUSTED_RELATIONSHIP_FAILURE
    {0xc0000001, Status::kAuthorityFailed},       // STATUS_UNSUCCESSFUL
    {0xc0000002, Status::kAuthorityFailed},       // STATUS_NOT_IMPLEMENTED
    {0xc0000388, Status::kAuthorityFailed},       // STATUS_DOWNGRADE_DETECTED
    {0x80000005, Status::kAuthorityFailed},       // STATUS_BUFFER_OVERFLOW, a warning
    {0x00000103, Status::kAuthorityFailed},       // STATUS_PENDING
    {0x00000000, Status::kAuthorityFailed},       // STATUS_SUCCESS
    {0xffffffff, Status::kAuthorityFailed},       // None.
};

TEST(NtStatus, BecomesWhatItMeans) {
  for (const Row& row : kRows) {
    EXPECT_EQ(status_of_refusal(row.nt_status), row.expected) << std::hex << row.nt_status;
  }
}

TEST(NtStatus, NoRowLetsAnybodyIn) {
  for (const NtRefusal& refusal : kNtRefusals) {
    EXPECT_FALSE(succeeded(refusal.status)) << std::hex << refusal.nt_status;
    EXPECT_NE(refusal.status, Status::kAsked) << std::hex << refusal.nt_status;
    EXPECT_EQ(refusal.nt_status >> 30, 3u) << "an error: " << std::hex << refusal.nt_status;
  }
}

TEST(NtStatus, NoRowHidesAnother) {
  std::vector<std::uint32_t> numbers;
  for (const NtRefusal& refusal : kNtRefusals) {
    numbers.push_back(refusal.nt_status);
  }
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
}

}  // namespace
}  // namespace usher::auth
