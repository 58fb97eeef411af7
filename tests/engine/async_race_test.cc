// engine/async.h: of a result, a cancellation, a deadline and a deletion exactly one is told, once,
// whichever comes first; two operations on one context are kept apart; queues have an end.
#include <algorithm>
#include <chrono>

#include "tests/engine/async_caller.h"

namespace usher {
namespace {

using namespace testing;

using AsyncRace = AsyncTest;

void let_pass(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

TEST_F(AsyncRace, ACancelledOperationCompletesWithThatAndOnce) {
  AsyncCall call;
  AsyncCall twin;
  const std::uint64_t before = async_counts().Cancelled;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_OK);
    ASSERT_EQ(twin.submit(credential.handle, kerberos_token()), SEC_E_OK);
    EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OK);
    EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_I_ASYNC_CALL_PENDING);
    EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OUT_OF_SEQUENCE) << "it has won already";
  }
  EXPECT_EQ(call.wait(), USHER_E_CANCELLED);
  EXPECT_STREQ(usher_last_refusal(), "the operation was cancelled");
  EXPECT_EQ(call.calls, 1);
  EXPECT_EQ(call.out.cbBuffer, 0u);
  EXPECT_FALSE(SecIsValidHandle(&call.context));
  EXPECT_EQ(async_counts().Cancelled, before + 1);
  EXPECT_EQ(twin.wait(), SEC_E_OK);
  EXPECT_EQ(usher_async_cancel(twin.async), SEC_E_OUT_OF_SEQUENCE) << "over";
  EXPECT_EQ(SspiGetAsyncCallStatus(twin.async), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&twin.context), SEC_E_OK);
}

// Also of one that would have been refused for its arguments.
TEST_F(AsyncRace, ACancellationIsWhatIsToldWhateverElseIsWrong) {
  AsyncCall call;
  call.input.ulVersion = 7;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(credential.handle, kerberos_token()), SEC_E_OK);
    EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OK);
  }
  EXPECT_EQ(call.wait(), USHER_E_CANCELLED);
  EXPECT_STREQ(usher_last_refusal(), "the operation was cancelled");
}

// As after any error, no context remains of one that was continued.
TEST_F(AsyncRace, ACancelledLegEndsItsExchange) {
  const Called first = open_half();
  CtxtHandle half_open = first.context;
  AsyncCall call;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(credential.handle, client.second(first.reply), &half_open), SEC_E_OK);
    EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OK);
  }
  EXPECT_EQ(call.wait(), USHER_E_CANCELLED);
  expect_deleted(first.context);
}

TEST_F(AsyncRace, WhatWaitsForAnAuthorityCanBeCancelled) {
  OwnCredential asking{with_ask()};
  AsyncCall call;
  const std::uint64_t inquiry = ask_about_carol(call, asking.handle);
  EXPECT_EQ(SspiGetAsyncCallStatus(call.async), SEC_I_ASYNC_CALL_PENDING);
  EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OK);
  EXPECT_EQ(call.wait(), USHER_E_CANCELLED);
  EXPECT_EQ(call.calls, 1);
  expect_deleted(half);
  EXPECT_EQ(program.answer(asking.handle, inquiry), SEC_E_INVALID_HANDLE);
}

TEST_F(AsyncRace, WhoIsAskedDoesNotHoldTheWorkerUp) {
  OwnCredential asking{with_ask()};
  AsyncCall call;
  const std::uint64_t inquiry = ask_about_carol(call, asking.handle);
  AsyncCall other;
  EXPECT_EQ(other.run(credential.handle, kerberos_token()), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&other.context), SEC_E_OK);
  EXPECT_EQ(program.answer(asking.handle, inquiry), SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OUT_OF_SEQUENCE);
  SecPkgContext_NamesA names{};
  ASSERT_EQ(QueryContextAttributesA(&call.context, SECPKG_ATTR_NAMES, &names), SEC_E_OK);
  EXPECT_STREQ(names.sUserName, "SHOP\\Carol");
  FreeContextBuffer(names.sUserName);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

TEST_F(AsyncRace, ADeadlineThatPassesHasAStatusOfItsOwn) {
  AsyncCall late;
  AsyncCall patient;
  ASSERT_EQ(usher_async_set_deadline(late.async, 1), SEC_E_OK);
  ASSERT_EQ(usher_async_set_deadline(patient.async, 600'000), SEC_E_OK);
  const std::uint64_t before = async_counts().Late;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(late.submit(credential.handle, kerberos_token()), SEC_E_OK);
    ASSERT_EQ(patient.submit(credential.handle, kerberos_token()), SEC_E_OK);
    let_pass(5);
  }
  EXPECT_EQ(late.wait(), USHER_E_DEADLINE);
  EXPECT_STREQ(usher_last_refusal(), "the operation's deadline has passed");
  EXPECT_EQ(late.calls, 1);
  EXPECT_EQ(async_counts().Late, before + 1);
  EXPECT_EQ(patient.wait(), SEC_E_OK) << "the positive twin";
  EXPECT_EQ(DeleteSecurityContext(&patient.context), SEC_E_OK);
  // It stays over a reinitialisation, and can be lifted.
  ASSERT_EQ(SspiReinitAsyncContext(late.async), 0);
  {
    Plug plug(credential.handle);
    ASSERT_EQ(late.submit(credential.handle, kerberos_token()), SEC_E_OK);
    let_pass(5);
  }
  EXPECT_EQ(late.wait(), USHER_E_DEADLINE);
  ASSERT_EQ(SspiReinitAsyncContext(late.async), 0);
  ASSERT_EQ(usher_async_set_deadline(late.async, 0), SEC_E_OK);
  {
    Plug plug(credential.handle);
    ASSERT_EQ(late.submit(credential.handle, kerberos_token()), SEC_E_OK);
    let_pass(5);
  }
  EXPECT_EQ(late.wait(), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&late.context), SEC_E_OK);
}

// As every acquisition that fails: what the handle was before is no handle afterwards.
TEST_F(AsyncRace, AnAcquisitionThatDoesNotBeginLeavesNoHandle) {
  USHER_ACCEPTOR with = acceptor();
  const auto acquire = [&with](SspiAsyncContext* async, CredHandle* out) {
    return SspiAcquireCredentialsHandleAsyncA(async, nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND,
                                              nullptr, &with, nullptr, nullptr, out, nullptr);
  };
  // The one thread that acquires is kept inside the callback of the first.
  struct Inside {
    std::binary_semaphore entered{0};
    std::binary_semaphore release{0};
  } inside;
  AsyncCall first;
  ASSERT_EQ(SspiSetAsyncNotifyCallback(
                first.async,
                [](SspiAsyncContext*, void* data) {
                  auto& self = *static_cast<Inside*>(data);
                  self.entered.release();
                  self.release.acquire();
                },
                &inside),
            SEC_E_OK);
  CredHandle own{};
  ASSERT_EQ(acquire(first.async, &own), SEC_E_OK);
  inside.entered.acquire();
  AsyncCall cancelled;
  AsyncCall late;
  AsyncCall nowhere;
  CredHandle of_cancelled = credential.handle;
  CredHandle of_late = credential.handle;
  ASSERT_EQ(usher_async_set_deadline(late.async, 1), SEC_E_OK);
  ASSERT_EQ(acquire(cancelled.async, &of_cancelled), SEC_E_OK);
  ASSERT_EQ(acquire(late.async, &of_late), SEC_E_OK);
  ASSERT_EQ(acquire(nowhere.async, nullptr), SEC_E_OK);
  EXPECT_EQ(usher_async_cancel(cancelled.async), SEC_E_OK);
  EXPECT_EQ(usher_async_cancel(nowhere.async), SEC_E_OK);
  let_pass(5);
  inside.release.release();
  EXPECT_EQ(cancelled.wait(), USHER_E_CANCELLED);
  EXPECT_EQ(late.wait(), USHER_E_DEADLINE);
  EXPECT_EQ(nowhere.wait(), USHER_E_CANCELLED);
  EXPECT_FALSE(SecIsValidHandle(&of_cancelled));
  EXPECT_FALSE(SecIsValidHandle(&of_late));
  EXPECT_TRUE(SecIsValidHandle(&own)) << "the positive twin";
  EXPECT_EQ(FreeCredentialsHandle(&own), SEC_E_OK);
}

TEST_F(AsyncRace, ADeadlinePassesWhileAnAuthorityIsAsked) {
  OwnCredential asking{with_ask()};
  AsyncCall call;
  ASSERT_EQ(usher_async_set_deadline(call.async, 30), SEC_E_OK);
  const std::uint64_t inquiry = ask_about_carol(call, asking.handle);
  EXPECT_EQ(call.wait(), USHER_E_DEADLINE) << "the authority itself would have 600 seconds";
  EXPECT_EQ(call.calls, 1);
  expect_deleted(half);
  EXPECT_EQ(program.answer(asking.handle, inquiry), SEC_E_INVALID_HANDLE);
}

// The authority's own deadline is that of the synchronous call.
TEST_F(AsyncRace, AnAuthoritysOwnDeadlineIsItsOwnStatus) {
  USHER_ACCEPTOR with = with_ask();
  with.AuthorityMilliseconds = 1;
  OwnCredential asking{with};
  AsyncCall call;
  ask_about_carol(call, asking.handle);
  EXPECT_EQ(call.wait(), SEC_E_NO_AUTHENTICATING_AUTHORITY);
  expect_deleted(half);
}

// Who asks while an async context is begun anew, again and again, is told what one of its
// operations came to, with that one's words; never a mixture.
TEST_F(AsyncRace, AStatusThatIsAskedForLateIsOneOperationsOwn) {
  constexpr int kRounds = 2'000;
  AsyncCall call;
  CredHandle nobody = no_handle();
  std::string malformed;
  std::string stale;
  const auto run = [&](bool known) {
    return call.run(known ? credential.handle : nobody, mint::octets_of("?"));
  };
  ASSERT_EQ(run(true), SEC_E_INVALID_TOKEN);
  malformed = usher_last_refusal();
  ASSERT_EQ(SspiReinitAsyncContext(call.async), 0);
  ASSERT_EQ(run(false), SEC_E_INVALID_HANDLE);
  stale = usher_last_refusal();
  ASSERT_NE(malformed, stale);
  std::atomic<bool> over{false};
  std::atomic<int> seen{0};
  std::thread asking([&] {
    while (!over) {
      const SECURITY_STATUS status = SspiGetAsyncCallStatus(call.async);
      const std::string words = usher_last_refusal();
      if (status == SEC_E_INVALID_TOKEN) {
        EXPECT_EQ(words, malformed);
      } else if (status == SEC_E_INVALID_HANDLE) {
        EXPECT_EQ(words, stale);
      } else {
        EXPECT_TRUE(status == SEC_I_ASYNC_CALL_PENDING || status == SEC_E_OUT_OF_SEQUENCE)
            << status;
        continue;
      }
      ++seen;
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_EQ(SspiReinitAsyncContext(call.async), 0);
    EXPECT_EQ(run(round % 2 == 0), round % 2 == 0 ? SEC_E_INVALID_TOKEN : SEC_E_INVALID_HANDLE);
    for (const int before = seen; round % 100 == 0 && seen == before;) {
      std::this_thread::yield();  // Also on a busy machine something is asked in time.
    }
  }
  over = true;
  asking.join();
  EXPECT_GT(seen, 0);
}

TEST_F(AsyncRace, OneAcceptAtATimeForOneContext) {
  const Called first = open_half();
  CtxtHandle half_open = first.context;
  AsyncCall call;
  AsyncCall second;
  AsyncCall other;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(credential.handle, client.second(first.reply), &half_open), SEC_E_OK);
    EXPECT_EQ(second.submit(credential.handle, client.second(first.reply), &half_open),
              SEC_E_OUT_OF_SEQUENCE);
    EXPECT_STREQ(usher_last_refusal(), "an accept is pending on this security context");
    EXPECT_EQ(other.submit(credential.handle, client.first()), SEC_E_OK) << "another one may";
  }
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(other.wait(), SEC_I_CONTINUE_NEEDED);
  EXPECT_EQ(second.calls, 0);
  // Now that it is over the mark is gone: whether it makes sense is the accept's business again.
  EXPECT_EQ(second.run(credential.handle, client.second(first.reply), &half_open),
            SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(second.calls, 1);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&other.context), SEC_E_OK);
}

// A handle that was made up, of a use of the slot that is still to come, keeps the real one's legs
// from nothing.
TEST_F(AsyncRace, AForgedContextKeepsNobodyOut) {
  const Called first = open_half();
  CtxtHandle half_open = first.context;
  CtxtHandle forged = first.context;
  forged.dwUpper += 5;
  AsyncCall call;
  AsyncCall forger;
  {
    Plug plug(credential.handle);
    EXPECT_EQ(forger.submit(credential.handle, client.second(first.reply), &forged),
              SEC_E_INVALID_HANDLE);
    EXPECT_EQ(call.submit(credential.handle, client.second(first.reply), &half_open), SEC_E_OK);
  }
  EXPECT_EQ(call.wait(), SEC_E_OK);
  EXPECT_EQ(forger.calls, 0);
  EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
}

// Held is a caller's own authority that does not return from being asked, which it should: so a
// context is worked on for as long as the test wants.
struct HeldInside {
  std::binary_semaphore entered{0};
  std::binary_semaphore release{0};
  static void ask(void* context, const USHER_QUESTION* /*question*/) {
    auto& self = *static_cast<HeldInside*>(context);
    self.entered.release();
    self.release.acquire();
  }
};

TEST_F(AsyncRace, ADeleteThatIsLateSaysSoAndDeletesNothing) {
  HeldInside held;
  USHER_ACCEPTOR with = acceptor();
  with.Ask = HeldInside::ask;
  with.AskContext = &held;
  with.AuthorityMilliseconds = 1;
  OwnCredential asking{with};
  client.fields.user = u"nobody";
  const Called first = accept(asking.handle, client.first());
  CtxtHandle half_open = first.context;
  std::thread working([&] {
    CtxtHandle copy = half_open;
    EXPECT_LT(accept(asking.handle, client.second(first.reply), &copy).status, 0);
  });
  held.entered.acquire();
  AsyncCall late;
  AsyncCall patient;
  ASSERT_EQ(usher_async_set_deadline(late.async, 1), SEC_E_OK);
  ASSERT_EQ(SspiDeleteSecurityContextAsync(late.async, &half_open), SEC_E_OK);
  ASSERT_EQ(SspiDeleteSecurityContextAsync(patient.async, &half_open), SEC_E_OK);
  EXPECT_EQ(late.wait(), USHER_E_DEADLINE);
  EXPECT_EQ(SspiGetAsyncCallStatus(patient.async), SEC_I_ASYNC_CALL_PENDING) << "the positive twin";
  held.release.release();
  working.join();
  // Whichever came first, the refused accept or the delete, has ended it.
  const SECURITY_STATUS ended = patient.wait();
  EXPECT_TRUE(ended == SEC_E_OK || ended == SEC_E_INVALID_HANDLE) << ended;
  expect_deleted(half_open);
}

TEST_F(AsyncRace, ADeletedContextIsDeadAtOnceForItsPendingAccept) {
  const Called first = open_half();
  CtxtHandle half_open = first.context;
  AsyncCall call;
  AsyncCall deleting;
  std::vector<CtxtHandle> tenants;
  std::vector<std::unique_ptr<AsyncCall>> of_tenants;
  {
    Plug plug(credential.handle);
    ASSERT_EQ(call.submit(credential.handle, client.second(first.reply), &half_open), SEC_E_OK);
    ASSERT_EQ(SspiDeleteSecurityContextAsync(deleting.async, &half_open), SEC_E_OK);
    expect_deleted(first.context);
    // Its slot may have another tenant at once, and that one an accept of its own.
    for (Called leg = open_half(); leg.status == SEC_I_CONTINUE_NEEDED; leg = open_half()) {
      tenants.push_back(leg.context);
    }
    ASSERT_EQ(tenants.size(), kTestSlots);
    for (CtxtHandle& tenant : tenants) {
      of_tenants.push_back(std::make_unique<AsyncCall>());
      EXPECT_EQ(of_tenants.back()->submit(credential.handle, client.first(), &tenant), SEC_E_OK)
          << usher_last_refusal();
    }
  }
  for (const auto& of_tenant : of_tenants) {
    EXPECT_EQ(of_tenant->wait(), SEC_E_OUT_OF_SEQUENCE) << "a second NEGOTIATE: its own verdict";
  }
  EXPECT_EQ(call.wait(), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(deleting.wait(), SEC_E_OK);
}

TEST_F(AsyncRace, ADeleteWhileAnAuthorityIsAskedEndsBoth) {
  OwnCredential asking{with_ask()};
  AsyncCall call;
  const std::uint64_t inquiry = ask_about_carol(call, asking.handle);
  AsyncCall deleting;
  ASSERT_EQ(SspiDeleteSecurityContextAsync(deleting.async, &half), SEC_E_OK);
  EXPECT_EQ(deleting.wait(), SEC_E_OK);
  expect_deleted(half);
  EXPECT_EQ(program.answer(asking.handle, inquiry), SEC_E_OK);
  EXPECT_EQ(call.wait(), SEC_E_INVALID_HANDLE);
}

TEST_F(AsyncRace, AFullQueueRefusesAtOnceAndKeepsWhatItHas) {
  std::vector<std::unique_ptr<AsyncCall>> calls;
  for (std::uint32_t n = 0; n < kTestAsyncQueue + 3; ++n) {
    calls.push_back(std::make_unique<AsyncCall>());
    calls.back()->input.ulVersion = 7;  // Refused before it takes a slot, of which there are few.
  }
  const USHER_ASYNC_COUNTS before = async_counts();
  std::uint32_t queued = 0;
  {
    Plug plug(credential.handle);
    for (const auto& call : calls) {
      const SECURITY_STATUS status = call->submit(credential.handle, mint::octets_of("?"));
      queued += status == SEC_E_OK ? 1 : 0;
      if (status != SEC_E_OK) {
        EXPECT_EQ(status, SEC_E_INSUFFICIENT_MEMORY);
        EXPECT_EQ(SspiGetAsyncCallStatus(call->async), SEC_E_OUT_OF_SEQUENCE) << "it has none";
      }
    }
    EXPECT_EQ(queued, kTestAsyncQueue);
    const USHER_ASYNC_COUNTS now = async_counts();
    EXPECT_EQ(now.Refused - before.Refused, 3u);
    EXPECT_EQ(now.Submitted - before.Submitted, queued + 1);  // And the plug.
  }
  for (std::uint32_t n = 0; n < queued; ++n) {
    EXPECT_EQ(calls[n]->wait(), SEC_E_INVALID_TOKEN);
  }
  calls.back()->input.ulVersion = SECBUFFER_VERSION;
  EXPECT_EQ(calls.back()->run(credential.handle, kerberos_token()), SEC_E_OK) << "room again";
  EXPECT_EQ(DeleteSecurityContext(&calls.back()->context), SEC_E_OK);
  EXPECT_EQ(async_counts().Completed - before.Completed, queued + 2);
}

// One thread cancels while another's operations complete: each is told exactly one end, once.
TEST_F(AsyncRace, ACancellationThatHasWonIsTheResult) {
  constexpr int kRounds = 2'000;
  AsyncCall call;
  std::atomic<SspiAsyncContext*> target{nullptr};
  std::atomic<int> won{0};
  std::atomic<bool> over{false};
  std::thread canceller([&] {
    while (!over) {
      SspiAsyncContext* const handle = target.exchange(nullptr);
      if (handle != nullptr) {
        won += usher_async_cancel(handle) == SEC_E_OK ? 1 : 0;
      }
    }
  });
  int cancelled = 0;
  int refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_EQ(call.submit(credential.handle, mint::octets_of("?")), SEC_E_OK);
    target.store(call.async);
    const SECURITY_STATUS status = call.wait();
    cancelled += status == USHER_E_CANCELLED ? 1 : 0;
    refused += status == SEC_E_INVALID_TOKEN ? 1 : 0;
    while (target.load() != nullptr) {  // Else it might cancel the next one.
      std::this_thread::yield();
    }
    ASSERT_EQ(SspiReinitAsyncContext(call.async), 0);
  }
  over = true;
  canceller.join();
  EXPECT_EQ(cancelled + refused, kRounds);
  EXPECT_EQ(cancelled, won);
  EXPECT_EQ(call.calls, kRounds);
}

// A cancellation may meet the moment in which a full queue gives an operation back.
TEST_F(AsyncRace, ACancellationIsKeptAlsoOfWhatAFullQueueGivesBack) {
  constexpr std::size_t kSubmitters = 3;
  constexpr int kRounds = 3'000;
  std::array<AsyncCall, kSubmitters> calls;
  std::atomic<int> won{0};
  std::atomic<bool> over{false};
  std::thread canceller([&] {
    while (!over) {
      for (AsyncCall& call : calls) {
        won += usher_async_cancel(call.async) == SEC_E_OK ? 1 : 0;
      }
    }
  });
  std::vector<std::unique_ptr<AsyncCall>> fillers;
  for (std::uint32_t n = 0; n + 1 < kTestAsyncQueue; ++n) {  // One place is left to be fought for.
    fillers.push_back(std::make_unique<AsyncCall>());
  }
  std::atomic<int> cancelled{0};
  std::vector<std::thread> submitters;
  {
    Plug plug(credential.handle);
    for (const auto& filler : fillers) {
      ASSERT_EQ(filler->submit(credential.handle, mint::octets_of("?")), SEC_E_OK);
    }
    for (AsyncCall& call : calls) {
      submitters.emplace_back([&] {
        for (int round = 0; round < kRounds; ++round) {
          const SECURITY_STATUS queued = call.submit(credential.handle, mint::octets_of("?"));
          if (queued == SEC_E_OK) {  // In the queue behind the plug, or cancelled.
            break;
          }
          EXPECT_EQ(queued, SEC_E_INSUFFICIENT_MEMORY);
        }
      });
    }
    for (std::thread& submitter : submitters) {
      submitter.join();
    }
  }
  over = true;
  canceller.join();
  for (AsyncCall& call : calls) {
    if (SspiGetAsyncCallStatus(call.async) != SEC_E_OUT_OF_SEQUENCE) {
      cancelled += call.wait() == USHER_E_CANCELLED ? 1 : 0;
      EXPECT_EQ(call.calls, 1);
    }
  }
  for (const auto& filler : fillers) {
    filler->wait();
  }
  EXPECT_EQ(cancelled, won) << "who was told OK is told the rest";
}

// The same where answer, cancellation and deadline meet while an authority is asked.
TEST_F(AsyncRace, AnswerCancellationAndDeadlineMeet) {
  OwnCredential asking{with_ask()};
  std::array<int, 4> ends{};
  for (int round = 0; round < 150; ++round) {
    AsyncCall call;
    ASSERT_EQ(usher_async_set_deadline(call.async, round % 3 == 0 ? 20 : 0), SEC_E_OK);
    const std::uint64_t inquiry = ask_about_carol(call, asking.handle);
    if (round % 3 == 0) {
      let_pass(20 + round % 11);
    }
    std::atomic<int> ready{0};
    const auto together = [&ready] {
      ready += 1;
      while (ready < 2) {
      }
    };
    SECURITY_STATUS won = SEC_E_INTERNAL_ERROR;
    std::thread canceller([&] {
      together();
      won = usher_async_cancel(call.async);
    });
    together();
    const SECURITY_STATUS answered = program.answer(asking.handle, inquiry);
    canceller.join();
    const SECURITY_STATUS status = call.wait();
    EXPECT_EQ(status == USHER_E_CANCELLED, won == SEC_E_OK);
    EXPECT_EQ(call.calls, 1);
    if (status == SEC_E_OK) {
      EXPECT_EQ(answered, SEC_E_OK);
      EXPECT_EQ(DeleteSecurityContext(&call.context), SEC_E_OK);
      ends[0] += 1;
    } else {
      EXPECT_TRUE(status == USHER_E_CANCELLED || status == USHER_E_DEADLINE) << status;
      expect_deleted(half);
      ends[status == USHER_E_CANCELLED ? 1 : 2] += 1;
    }
  }
  EXPECT_EQ(ends[0] + ends[1] + ends[2], 150);
}

// Threads that delete and accept the same contexts: every operation ends, and no context is left.
// The credential may go in the callback of the last operation with it, also of one that was
// cancelled when its answer had come and nobody had looked at that yet.
TEST_F(AsyncRace, ACredentialIsFreedBehindAnAnswerThatCameTooLate) {
  static OwnCredential* asking = nullptr;
  static std::binary_semaphore told{0};
  for (int n = 0; n < 20; ++n) {
    OwnCredential own(with_ask());
    asking = &own;
    AsyncCall call;
    ASSERT_EQ(SspiSetAsyncNotifyCallback(
                  call.async,
                  [](SspiAsyncContext*, void*) {
                    EXPECT_EQ(FreeCredentialsHandle(&asking->handle), SEC_E_OK);
                    told.release();
                  },
                  nullptr),
              SEC_E_OK);
    const std::uint64_t inquiry = ask_about_carol(call, own.handle);
    {
      Plug plug(credential.handle);
      EXPECT_EQ(program.answer(own.handle, inquiry), SEC_E_OK);
      EXPECT_EQ(usher_async_cancel(call.async), SEC_E_OK);
    }
    told.acquire();
    EXPECT_EQ(SspiGetAsyncCallStatus(call.async), USHER_E_CANCELLED);
  }
}

TEST_F(AsyncRace, DeletesMeetAcceptsOnTheSameContexts) {
  for (int round = 0; round < 300; ++round) {
    const Called first = open_half();
    ASSERT_EQ(first.status, SEC_I_CONTINUE_NEEDED);
    CtxtHandle half_open = first.context;
    const Octets token = client.second(first.reply);
    AsyncCall call;
    AsyncCall deleting;
    SECURITY_STATUS deleted = SEC_E_INTERNAL_ERROR;
    std::thread other([&] {
      CtxtHandle copy = first.context;
      deleted = SspiDeleteSecurityContextAsync(deleting.async, &copy);
    });
    // Deleted before it is queued, or after.
    const SECURITY_STATUS status = call.run(credential.handle, token, &half_open);
    other.join();
    const SECURITY_STATUS ended = deleted == SEC_E_OK ? deleting.wait() : deleted;
    EXPECT_TRUE(status == SEC_E_OK || status == SEC_E_INVALID_HANDLE) << status;
    EXPECT_TRUE(ended == SEC_E_OK) << ended << " " << status;
    expect_deleted(first.context);
  }
}

}  // namespace
}  // namespace usher
