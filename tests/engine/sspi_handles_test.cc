// A handle names one context or credential while it lives, and nothing ever after; whoever uses one
// wrongly is refused and nobody else is hurt.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cstring>
#include <thread>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

constexpr std::uint32_t kAttributesMax = 130;

class SspiHandles : public SspiTest {
 protected:
  // query_everything asks for every attribute there is, and some that there are not. Nothing is
  // written for a refusal.
  static void expect_all_refused(CtxtHandle& handle, SECURITY_STATUS status) {
    std::array<std::uint8_t, 256> answer{};
    for (std::uint32_t attribute = 0; attribute < kAttributesMax; ++attribute) {
      EXPECT_EQ(QueryContextAttributesA(&handle, attribute, answer.data()), status) << attribute;
      EXPECT_EQ(QueryContextAttributesW(&handle, attribute, answer.data()), status) << attribute;
    }
    EXPECT_EQ(answer, (std::array<std::uint8_t, 256>{}));
    PUSHER_IDENTITY identity = nullptr;
    EXPECT_EQ(usher_query_identity(&handle, &identity), status);
    EXPECT_EQ(identity, nullptr);
  }
};

TEST_F(SspiHandles, AreStaleAfterDeletion) {
  Called leg = open_half();
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  CtxtHandle copy = leg.context;
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&copy), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(accept(credential.handle, client.second(leg.reply), &copy).status,
            SEC_E_INVALID_HANDLE);
  EXPECT_STREQ(usher_last_refusal(), "the handle names no live context or credential");
  expect_all_refused(copy, SEC_E_INVALID_HANDLE);
}

TEST_F(SspiHandles, NeverReachTheSlotsNextTenant) {
  Called old = open_half();
  ASSERT_EQ(old.status, SEC_I_CONTINUE_NEEDED);
  EXPECT_EQ(DeleteSecurityContext(&old.context), SEC_E_OK);
  Called next = open_half();
  ASSERT_EQ(next.context.dwLower, old.context.dwLower) << "the same slot, or nothing is tested";
  EXPECT_EQ(DeleteSecurityContext(&old.context), SEC_E_INVALID_HANDLE);
  expect_all_refused(old.context, SEC_E_INVALID_HANDLE);
  next = accept(credential.handle, client.second(next.reply), &next.context);
  EXPECT_EQ(next.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&next.context), SEC_E_OK);
}

TEST_F(SspiHandles, ThatNobodyIssuedAreRefused) {
  Called live = open_half();
  ASSERT_EQ(live.status, SEC_I_CONTINUE_NEEDED);
  const CtxtHandle good = live.context;
  const std::uintptr_t high = std::uintptr_t{1} << 40;
  for (CtxtHandle forged : {
           CtxtHandle{0, 0},
           CtxtHandle{UINTPTR_MAX, UINTPTR_MAX},
           CtxtHandle{SEC_DELETED_HANDLE, SEC_DELETED_HANDLE},
           CtxtHandle{good.dwLower, good.dwUpper + 1},
           CtxtHandle{good.dwLower, good.dwUpper - 1},
           CtxtHandle{good.dwLower, 0},
           CtxtHandle{good.dwLower, good.dwUpper | high},
           CtxtHandle{good.dwLower | high, good.dwUpper},
           CtxtHandle{good.dwLower + 1, good.dwUpper + 7},
           CtxtHandle{good.dwLower | 0xffffff, good.dwUpper},
           CtxtHandle{good.dwLower & 0xffffff, good.dwUpper},
           credential.handle,
       }) {
    expect_all_refused(forged, SEC_E_INVALID_HANDLE);
    EXPECT_EQ(accept(credential.handle, client.first(), &forged).status, SEC_E_INVALID_HANDLE)
        << "not a first token either";
    EXPECT_EQ(DeleteSecurityContext(&forged), SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(DeleteSecurityContext(nullptr), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(accept(live.context, client.first()).status, SEC_E_INVALID_HANDLE)
      << "a context is no credential";
  EXPECT_EQ(FreeCredentialsHandle(&live.context), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(DeleteSecurityContext(&live.context), SEC_E_OK) << "the live one is untouched";
}

TEST_F(SspiHandles, OfHalfOpenContextsAnswerOnlyWhatIsKnown) {
  Called leg = accept(credential.handle, client.first_in_spnego());
  ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED);
  std::array<std::uint8_t, 256> answer{};
  for (std::uint32_t attribute = 0; attribute < kAttributesMax; ++attribute) {
    const SECURITY_STATUS status = QueryContextAttributesA(&leg.context, attribute, answer.data());
    switch (attribute) {
      case SECPKG_ATTR_SIZES:
      case SECPKG_ATTR_NAMES:
      case SECPKG_ATTR_LIFESPAN:
      case SECPKG_ATTR_KEY_INFO:
      case SECPKG_ATTR_AUTHORITY:
      case SECPKG_ATTR_PASSWORD_EXPIRY:
      case SECPKG_ATTR_SESSION_KEY:
      case SECPKG_ATTR_USER_FLAGS:
      case SECPKG_ATTR_NATIVE_NAMES:
      case SECPKG_ATTR_LOGOFF_TIME:
      case SECPKG_ATTR_DCE_INFO:
      case SECPKG_ATTR_CREDENTIAL_NAME:
      case SECPKG_ATTR_CLIENT_SPECIFIED_TARGET:
      case SECPKG_ATTR_ACCESS_TOKEN:
        EXPECT_EQ(status, SEC_E_OUT_OF_SEQUENCE) << attribute;
        break;
      case SECPKG_ATTR_FLAGS:
      case SECPKG_ATTR_PACKAGE_INFO:
      case SECPKG_ATTR_NEGOTIATION_INFO:
      case SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS:
        EXPECT_EQ(status, SEC_E_OK) << attribute;
        break;
      default:
        EXPECT_EQ(status, SEC_E_UNSUPPORTED_FUNCTION) << attribute;
    }
    if (status == SEC_E_OK && attribute != SECPKG_ATTR_FLAGS &&
        attribute != SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS) {
      void* package = nullptr;
      std::memcpy(&package, answer.data(), sizeof(package));
      EXPECT_STREQ(static_cast<SecPkgInfoA*>(package)->Name, "NTLM");
      FreeContextBuffer(package);
    }
  }
  PUSHER_IDENTITY identity = nullptr;
  EXPECT_EQ(usher_query_identity(&leg.context, &identity), SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(identity, nullptr);
  leg = accept(credential.handle, client.second_in_spnego(leg.reply), &leg.context);
  EXPECT_EQ(leg.status, SEC_E_OK) << "being asked does not disturb it: " << usher_last_refusal();
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiHandles, OfFailedContextsMayBeDeletedTwiceAndUsedForNothing) {
  Called leg = open_half();
  CtxtHandle failed = leg.context;
  Octets wrong = client.second(leg.reply);
  wrong.back() ^= 1;
  EXPECT_LT(accept(credential.handle, wrong, &failed).status, 0);
  EXPECT_EQ(accept(credential.handle, client.second(leg.reply), &failed).status,
            SEC_E_INVALID_HANDLE);
  expect_all_refused(failed, SEC_E_INVALID_HANDLE);
  EXPECT_EQ(DeleteSecurityContext(&failed), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(DeleteSecurityContext(&failed), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiHandles, RunOutAndComeBack) {
  std::array<Called, kTestSlots> legs;
  for (Called& leg : legs) {
    leg = open_half();
    ASSERT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  }
  EXPECT_EQ(open_half().status, SEC_E_INSUFFICIENT_MEMORY);
  EXPECT_STREQ(usher_last_refusal(), "all context slots are in use");
  EXPECT_EQ(DeleteSecurityContext(&legs[3].context), SEC_E_OK);
  legs[3] = open_half();
  EXPECT_EQ(legs[3].status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  for (Called& leg : legs) {
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  }
}

TEST_F(SspiHandles, LetOneOfTwoThreadsFinishAContext) {
  constexpr int kRounds = 200;
  struct Round {
    CtxtHandle context{};
    Octets token;
    std::array<SECURITY_STATUS, 2> statuses{};
  } round;
  int winners = 0;
  std::barrier meet(3);
  const auto run = [&](std::size_t self) {
    for (int i = 0; i < kRounds; ++i) {
      meet.arrive_and_wait();
      CtxtHandle own = round.context;
      round.statuses[self] = accept(credential.handle, round.token, &own).status;
      meet.arrive_and_wait();
    }
  };
  std::thread first(run, 0);
  std::thread second(run, 1);
  for (int i = 0; i < kRounds; ++i) {
    const Called leg = open_half();
    EXPECT_EQ(leg.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    round.context = leg.context;
    round.token = client.second(leg.reply);
    meet.arrive_and_wait();
    meet.arrive_and_wait();
    for (const SECURITY_STATUS status : round.statuses) {
      winners += status == SEC_E_OK ? 1 : 0;
      EXPECT_TRUE(status == SEC_E_OK || status == SEC_E_INVALID_HANDLE ||
                  status == SEC_E_OUT_OF_SEQUENCE)
          << std::hex << status;
    }
    EXPECT_EQ(winners, i + 1) << "one winner a round";
    EXPECT_EQ(DeleteSecurityContext(&round.context), SEC_E_OK) << "the loser spared it";
  }
  first.join();
  second.join();
  EXPECT_EQ(free_slots(), kTestSlots);
}

TEST_F(SspiHandles, OfCredentialsMayBeFreedWhileOthersUseThem) {
  constexpr int kRounds = 20;
  constexpr int kCalls = 100;
  for (int i = 0; i < kRounds; ++i) {
    OwnCredential own(acceptor());
    ASSERT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
    std::atomic<int> begun{0};
    const auto run = [&] {
      bool freed = false;
      for (int call = 0; call < kCalls; ++call) {
        CredHandle copy = own.handle;
        Called leg = accept(copy, client.first());
        begun.fetch_add(1);
        freed = freed || leg.status == SEC_E_INVALID_HANDLE;
        EXPECT_EQ(leg.status, freed ? SEC_E_INVALID_HANDLE : SEC_I_CONTINUE_NEEDED)
            << "once stale, stale for ever";
        EXPECT_EQ(DeleteSecurityContext(&leg.context), freed ? SEC_E_INVALID_HANDLE : SEC_E_OK);
      }
    };
    std::thread first(run);
    std::thread second(run);
    while (begun.load() < i) {
      std::this_thread::yield();
    }
    CredHandle copy = own.handle;
    EXPECT_EQ(FreeCredentialsHandle(&copy), SEC_E_OK);
    first.join();
    second.join();
    EXPECT_EQ(FreeCredentialsHandle(&copy), SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(free_slots(), kTestSlots);
}

}  // namespace
}  // namespace usher::testing
