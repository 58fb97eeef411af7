// ImportSecurityContext in time: a packed context is good for as long as the engine says and not
// for a second more, and as long as it is, it is known whether it was imported. From below the C
// ABI, where tests set the clock.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/sspi_internal.h"
#include "tools/mint/pac_mint.h"

namespace usher::sspi {
namespace {

using mint::Octets;

constexpr std::int64_t kExportSeconds = 100;
constexpr std::int64_t kSkewSeconds = 150;
constexpr std::uint32_t kEntries = 256;
constexpr std::uint32_t kPageCount = 16;

struct SetClock final : Clock {
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return now_s * kMicrosPerSecond; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return kMicrosPerSecond; }
  std::int64_t now_s = 1'800'000'000;
};
SetClock test_clock;

class ExportTime : public ::testing::Test {
 protected:
  ExportTime() {
    bool already = false;
    static Engine* const engine = start_engine({.slot_count = 8,
                                                .replay_entry_count = kEntries,
                                                .page_count = kPageCount,
                                                .skew_max_s = kSkewSeconds,
                                                .ticket_count = 0,
                                                .export_s = kExportSeconds,
                                                .clock = &test_clock},
                                               already);
    engine_ = engine;
    test_clock.now_s += 1'000'000;  // What earlier tests left in the replay cache is over.
  }
  ~ExportTime() override { EXPECT_EQ(engine_->environment().contexts.live(), 0u); }

  // established makes a complete context out of nothing.
  CtxtHandle established(std::int64_t expires_s = kUnixNever, std::int32_t etype = 18) {
    const auth::Environment& here = engine_->environment();
    Status status = Status::kEstablished;
    Pinned<Context> context = here.contexts.open(here.clock.steady_us(), status);
    EXPECT_TRUE(context);
    context->mechanism = gss::Mechanism::kKerberos;
    context->key_etype = etype;
    context->flags = gss::ContextFlags::kIntegrity;
    context->expires_s = expires_s;
    context->key.assign(Octets(etype == 18 ? 32 : 16, 1));
    EXPECT_TRUE(context->keep(0, std::array<std::uint8_t, 1>{'a'}));
    enter(context->state, auth::State::kEstablished);
    here.contexts.establish(context);
    CtxtHandle handle{};
    write_handle(handle, context.handle());
    return handle;
  }
  static SECURITY_STATUS pack(CtxtHandle context, Octets& blob,
                              std::uint32_t flags = SECPKG_CONTEXT_EXPORT_DELETE_OLD) {
    SecBuffer buffer{};
    const SECURITY_STATUS status = ExportSecurityContext(&context, flags, &buffer, nullptr);
    const auto* const bytes = static_cast<const std::uint8_t*>(buffer.pvBuffer);
    blob.assign(bytes, bytes + buffer.cbBuffer);
    FreeContextBuffer(buffer.pvBuffer);
    return status;
  }
  static Octets packed(const CtxtHandle& context) {
    Octets blob;
    EXPECT_EQ(pack(context, blob), SEC_E_OK) << usher_last_refusal();
    return blob;
  }
  Octets packed() { return packed(established()); }

  static SECURITY_STATUS takes(Octets blob) {
    SecBuffer buffer{static_cast<std::uint32_t>(blob.size()), SECBUFFER_TOKEN, blob.data()};
    CtxtHandle context{};
    const SECURITY_STATUS status =
        ImportSecurityContextW(NEGOSSP_NAME_W, &buffer, nullptr, &context);
    if (status == SEC_E_OK) {
      EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
    }
    return status;
  }
  // sealed_anew is what an engine with our key, and other options, would have packed.
  Octets sealed_anew(const Octets& blob, const auth::SealedTimes& times) {
    Octets out(blob.size());
    const MutableBytes image =
        MutableBytes(out).subspan(auth::kSealedHeaderSize, blob.size() - auth::kSealedOverhead);
    EXPECT_EQ(engine_->sealer().open(blob, image).outcome, auth::SealOutcome::kOpened);
    EXPECT_TRUE(engine_->sealer().seal(times, *make_system_random(), out));
    return out;
  }
  // sign_ons are authenticators of others, as late as any can be now.
  ReplayVerdict sign_on(std::uint64_t n) {
    return engine_->environment().replays.test_and_insert({n, 0x5151},
                                                          test_clock.now_s + kSkewSeconds);
  }

  const Engine* engine_ = nullptr;
};

TEST_F(ExportTime, IsGoodForItsSecondsAndNoMore) {
  const std::int64_t packed_s = test_clock.now_s;
  for (const std::int64_t after_s : {std::int64_t{0}, std::int64_t{1}, kExportSeconds}) {
    test_clock.now_s = packed_s;
    const Octets blob = packed();
    test_clock.now_s = packed_s + after_s;
    EXPECT_EQ(takes(blob), SEC_E_OK) << after_s;
  }
  test_clock.now_s = packed_s;
  const Octets blob = packed();
  for (const std::int64_t after_s :
       {kExportSeconds + 1, kExportSeconds + 2, std::int64_t{86'400}}) {
    test_clock.now_s = packed_s + after_s;
    EXPECT_EQ(takes(blob), SEC_E_CONTEXT_EXPIRED) << after_s;
  }
  test_clock.now_s = packed_s + kExportSeconds;
  EXPECT_EQ(takes(blob), SEC_E_OK) << "a refusal has not used it up";
}

TEST_F(ExportTime, IsNotGoodLongerThanTheContext) {
  const std::int64_t now = test_clock.now_s;
  const Octets blob = packed(established(now + 10));
  test_clock.now_s = now + 11;
  EXPECT_EQ(takes(blob), SEC_E_CONTEXT_EXPIRED);
  test_clock.now_s = now + 10;
  EXPECT_EQ(takes(blob), SEC_E_OK);
}

TEST_F(ExportTime, AContextWhoseTimeHasPassedIsNotPacked) {
  const CtxtHandle context = established(test_clock.now_s + 10);
  test_clock.now_s += 11;
  Octets none;
  EXPECT_EQ(pack(context, none), SEC_E_CONTEXT_EXPIRED);
  test_clock.now_s -= 1;
  EXPECT_EQ(takes(packed(context)), SEC_E_OK) << "nor deleted";
}

TEST_F(ExportTime, AClockThatIsAheadIsBelievedWithinTheSkew) {
  const std::int64_t packed_s = test_clock.now_s;
  const Octets blob = packed();
  test_clock.now_s = packed_s - kSkewSeconds - 1;
  EXPECT_EQ(takes(blob), SEC_E_TIME_SKEW);
  test_clock.now_s = packed_s - kSkewSeconds;
  EXPECT_EQ(takes(blob), SEC_E_OK);
  test_clock.now_s = packed_s + kExportSeconds;
  EXPECT_EQ(takes(blob), SEC_E_OUT_OF_SEQUENCE) << "and remembered from then on";
}

// Another engine may have a wider skew and promise more than ours can keep.
TEST_F(ExportTime, IsNotGoodForLongerThanItsImportIsRemembered) {
  const std::int64_t packed_s = test_clock.now_s;
  const Octets blob =
      sealed_anew(packed(), {.packed_s = packed_s, .good_until_s = packed_s + 10 * kSkewSeconds});
  test_clock.now_s = packed_s + kSkewSeconds + 1;
  EXPECT_EQ(takes(blob), SEC_E_CONTEXT_EXPIRED);
  test_clock.now_s = packed_s + kSkewSeconds;
  EXPECT_EQ(takes(blob), SEC_E_OK);
  EXPECT_EQ(takes(blob), SEC_E_OUT_OF_SEQUENCE);
}

TEST_F(ExportTime, TimesThatAreNoneAreRefused) {
  const Octets blob = packed();
  const std::int64_t now = test_clock.now_s;
  for (const std::int64_t packed_s :
       {INT64_MIN, std::int64_t{-1}, INT64_MAX, std::int64_t{1} << 41}) {
    EXPECT_EQ(takes(sealed_anew(blob, {.packed_s = packed_s, .good_until_s = INT64_MAX})),
              SEC_E_INVALID_TOKEN)
        << packed_s;
  }
  for (const std::int64_t good_until_s : {INT64_MIN, std::int64_t{-1}, now - 1}) {
    EXPECT_EQ(takes(sealed_anew(blob, {.packed_s = now, .good_until_s = good_until_s})),
              SEC_E_CONTEXT_EXPIRED)
        << good_until_s;
  }
  EXPECT_EQ(takes(sealed_anew(blob, {.packed_s = now, .good_until_s = INT64_MAX})), SEC_E_OK);
}

TEST_F(ExportTime, WhoHoldsASessionSendsNothingBehindWhatWasPacked) {
  const CtxtHandle context = established();
  protect::SessionShare held;
  ASSERT_EQ(find_session(&context, held), SEC_E_OK);
  Octets token(held->sizes().signature);
  ASSERT_EQ(held->sign({}, token).outcome, protect::MessageOutcome::kGood);
  const Octets blob = packed(context);  // Deletes it.
  EXPECT_EQ(held->sign({}, token).outcome, protect::MessageOutcome::kStopped);
  EXPECT_EQ(takes(blob), SEC_E_OK);
}

// Watched is a Session that tells what is saved of it, before and after.
class Watched final : public protect::Session {
 public:
  using Told = std::function<void(Stop)>;
  Watched(protect::SessionShare whole, Told told, Told after)
      : whole_(std::move(whole)), told_(std::move(told)), after_(std::move(after)) {}
  [[nodiscard]] protect::MessageSizes sizes() const noexcept override { return whole_->sizes(); }
  Sealed seal(std::span<const protect::Part> parts, bool encrypt, MutableBytes token,
              MutableBytes padding) noexcept override {
    return whole_->seal(parts, encrypt, token, padding);
  }
  Opened open(std::span<const protect::Part> parts, MutableBytes token,
              Bytes padding) noexcept override {
    return whole_->open(parts, token, padding);
  }
  OpenedStream open_stream(MutableBytes message) noexcept override {
    return whole_->open_stream(message);
  }
  Sealed sign(std::span<const protect::Part> parts, MutableBytes token) noexcept override {
    return whole_->sign(parts, token);
  }
  protect::MessageOutcome verify(std::span<const protect::Part> parts,
                                 Bytes token) noexcept override {
    return whole_->verify(parts, token);
  }
  bool save(protect::SessionState& out, Stop stop) noexcept override {
    told_(stop);
    const bool done = whole_->save(out, stop);
    after_(stop);
    return done;
  }
  bool save_fresh(protect::SessionState& out, Stop stop) noexcept override {
    told_(stop);
    const bool done = whole_->save_fresh(out, stop);
    after_(stop);
    return done;
  }
  void resume() noexcept override { whole_->resume(); }

 private:
  protect::SessionShare whole_;
  Told told_;
  Told after_;
};

class ExportWatched : public ExportTime {
 protected:
  using Stop = protect::Session::Stop;

  // watch has `told` called with all that is saved of a context, and `after` when it is.
  void watch(
      const CtxtHandle& handle, Watched::Told told, Watched::Told after = [](Stop) {}) {
    protect::SessionShare whole;
    ASSERT_EQ(find_session(&handle, whole), SEC_E_OK);
    Status status = Status::kEstablished;
    const Pinned<Context> context =
        engine_->environment().contexts.pin(read_context_handle(&handle), status);
    ASSERT_TRUE(context);
    context->session = std::make_shared<Watched>(whole, std::move(told), std::move(after));
  }
  static protect::MessageOutcome sign(const CtxtHandle& handle) {
    protect::SessionShare session;
    EXPECT_EQ(find_session(&handle, session), SEC_E_OK);
    Octets token(session->sizes().signature);
    return session->sign({}, token).outcome;
  }
};

// To take the place of messages, all that are in hand are waited for, and one may be long.
TEST_F(ExportWatched, OthersUseTheContextWhileItsMessagesAreWaitedFor) {
  const CtxtHandle context = established();
  int looked = 0;
  watch(context, [&](Stop) {
    Status status = Status::kEstablished;
    EXPECT_TRUE(engine_->environment().contexts.pin(read_context_handle(&context), status));
    ++looked;
  });
  EXPECT_EQ(takes(packed(context)), SEC_E_OK);
  EXPECT_EQ(looked, 1);
}

TEST_F(ExportWatched, WhoEndsTheContextMeanwhileHasEndedIt) {
  CtxtHandle context = established();
  watch(context, [&](Stop) { EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK); });
  Octets none;
  EXPECT_EQ(pack(context, none), SEC_E_INVALID_HANDLE);
  EXPECT_TRUE(none.empty());
}

// Nobody could import what is packed then, and with DELETE_OLD nobody would have it any more.
TEST_F(ExportWatched, WhatEndsMeanwhileIsNotPackedAndStays) {
  for (const std::int32_t etype : {18, 23}) {
    for (const std::int64_t waited_s : {2, 1}) {
      const std::int64_t begin_s = test_clock.now_s;
      CtxtHandle context = established(begin_s + 1, etype);
      watch(context, [&](Stop) { test_clock.now_s = begin_s + waited_s; });
      Octets blob;
      ASSERT_EQ(pack(context, blob), waited_s > 1 ? SEC_E_CONTEXT_EXPIRED : SEC_E_OK);
      if (waited_s > 1) {
        EXPECT_TRUE(blob.empty());
        EXPECT_EQ(sign(context), protect::MessageOutcome::kGood) << "nor stopped";
        EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
      } else {
        EXPECT_EQ(takes(blob), SEC_E_OK);
      }
    }
  }
}

// Not even for a moment, in which another thread's message would be refused: also if the first
// message comes as late as it can.
TEST_F(ExportWatched, ARefusedResetStopsNobody) {
  constexpr std::uint32_t kReset =
      SECPKG_CONTEXT_EXPORT_DELETE_OLD | SECPKG_CONTEXT_EXPORT_RESET_NEW;
  for (const std::int32_t etype : {18, 23}) {
    for (const bool late : {false, true}) {
      const CtxtHandle context = established(kUnixNever, etype);
      int saved = 0;
      bool resets = true;
      const auto send = [&] { EXPECT_EQ(sign(context), protect::MessageOutcome::kGood) << late; };
      const auto before = [&](Stop stop) {
        if (late && resets && stop != Stop::kNothing) {
          send();
        }
      };
      const auto after = [&](Stop stop) {
        ++saved;
        if (resets && stop != Stop::kNothing) {
          send();
        }
      };
      watch(context, before, after);
      if (!late) {
        send();
      }
      Octets none;
      EXPECT_EQ(pack(context, none, kReset), SEC_E_UNSUPPORTED_FUNCTION);
      EXPECT_EQ(saved, 1);
      send();
      resets = false;
      EXPECT_EQ(takes(packed(context)), SEC_E_OK);
    }
  }
}

// What has not begun is packed, and stopped as any other.
TEST_F(ExportWatched, AResetBeforeTheFirstMessageStopsWhatWasPacked) {
  const CtxtHandle context = established(kUnixNever, 23);
  std::vector<protect::MessageOutcome> sent;
  watch(
      context, [](Stop) {}, [&](Stop) { sent.push_back(sign(context)); });
  Octets blob;
  EXPECT_EQ(pack(context, blob, SECPKG_CONTEXT_EXPORT_RESET_NEW), SEC_E_OK);
  EXPECT_EQ(sent, std::vector{protect::MessageOutcome::kStopped});
  EXPECT_EQ(takes(blob), SEC_E_OK);
  CtxtHandle old = context;
  EXPECT_EQ(DeleteSecurityContext(&old), SEC_E_OK);
}

TEST_F(ExportTime, ThatItWasImportedIsKnownForAsLongAsItIsGood) {
  const std::int64_t packed_s = test_clock.now_s;
  const Octets blob = packed();
  ASSERT_EQ(takes(blob), SEC_E_OK);
  std::uint64_t n = 0;
  for (std::int64_t after_s = 0; after_s <= kExportSeconds; ++after_s) {
    test_clock.now_s = packed_s + after_s;
    // Others come until there is no room, which they can have only of what is over.
    for (std::uint32_t i = 0; i < 2 * kEntries; ++i) {
      (void)sign_on(++n);
    }
    ASSERT_EQ(takes(blob), SEC_E_OUT_OF_SEQUENCE) << after_s;
  }
  test_clock.now_s = packed_s + kExportSeconds + 1;
  EXPECT_EQ(takes(blob), SEC_E_CONTEXT_EXPIRED);
}

TEST_F(ExportTime, WhatCannotBeRememberedIsNotImported) {
  const Octets blob = packed();
  std::uint64_t n = 1'000'000;
  for (std::uint32_t i = 0; i < 20 * kEntries; ++i) {
    (void)sign_on(++n);
  }
  EXPECT_EQ(takes(blob), SEC_E_INSUFFICIENT_MEMORY);
  EXPECT_NE(std::string_view(usher_last_refusal()).find("replay cache is full"),
            std::string_view::npos);
}

TEST_F(ExportTime, WithoutPagesForItItIsGoodLater) {
  const auth::Environment& here = engine_->environment();
  const CtxtHandle context = established();
  {
    const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
    const std::unique_ptr<RandomSource> random = make_system_random();
    const mint::Service service = mint::make_service(*random, "HTTP/web@EXAMPLE.TEST");
    mint::TicketFields fields;
    fields.session_key = Octets(32, 1);
    const Octets pac = mint::mint_pac(*kit, service, service, fields);
    const Bytes bytes(pac);
    Status status = Status::kEstablished;
    const Pinned<Context> pinned = here.contexts.pin(read_context_handle(&context), status);
    ASSERT_TRUE(here.contexts.keep({&bytes, 1}, pinned->pac, 0));
  }
  const Octets blob = packed(context);
  Kept all;
  const Octets much(kPageCount * kPageSize, 1);
  const Bytes bytes(much);
  ASSERT_TRUE(here.contexts.keep({&bytes, 1}, all, 0)) << "it was given back";
  EXPECT_EQ(takes(blob), SEC_E_INSUFFICIENT_MEMORY);
  here.contexts.pages()->release(all);
  EXPECT_EQ(takes(blob), SEC_E_OK);
  EXPECT_EQ(here.contexts.pages()->free_count(), kPageCount);
}

TEST(ExportOptions, AreNotLongerThanImportsAreRemembered) {
  const auto export_s = [](std::int64_t wanted_s, std::int64_t skew_s) {
    const std::unique_ptr<Engine> engine = Engine::make({.slot_count = 1,
                                                         .replay_entry_count = 64,
                                                         .page_count = 1,
                                                         .skew_max_s = skew_s,
                                                         .ticket_count = 0,
                                                         .export_s = wanted_s});
    return engine != nullptr ? engine->export_s() : -1;
  };
  EXPECT_EQ(export_s(0, 300), 60);
  EXPECT_EQ(export_s(0, 60), 60);
  EXPECT_EQ(export_s(0, 59), 59);
  EXPECT_EQ(export_s(0, 0), 0);
  EXPECT_EQ(export_s(300, 300), 300);
  EXPECT_EQ(export_s(301, 86'400), -1);
  EXPECT_EQ(export_s(30, 30), 30);
  EXPECT_EQ(export_s(31, 30), -1);
  EXPECT_EQ(export_s(-1, 300), -1);
}

}  // namespace
}  // namespace usher::sspi
