// The process's one engine, SSPI handles, and why a call was refused.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <mutex>

#include "engine/local_time.h"
#include "engine/sspi_async_system.h"
#include "engine/sspi_internal.h"
#include "engine/sspi_users.h"

namespace usher::sspi {
namespace {

constinit thread_local Refusal refusal;

const char* text_of(ParseCode code) noexcept {
  switch (code) {
    case ParseCode::kOk:
      return "";
    case ParseCode::kTruncated:
      return "an element promises more bytes than there are";
    case ParseCode::kUnexpectedTag:
      return "another element than the one expected";
    case ParseCode::kBadLength:
      return "a length that is indefinite, not minimal or too large";
    case ParseCode::kTrailingBytes:
      return "bytes left over";
    case ParseCode::kBadValue:
      return "a value that is not allowed";
    case ParseCode::kOutOfBounds:
      return "an offset or length that points outside the message";
  }
  return "";
}

// Words fills the refusal's own text, as far as there is room. Control characters become question
// marks: names that others have chosen are not to write lines of their own into a log.
class Words {
 public:
  void add(std::string_view text) noexcept {
    text = text.substr(0, refusal.text.size() - 1 - size_);
    std::ranges::transform(
        text, refusal.text.begin() + static_cast<std::ptrdiff_t>(size_),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c; });
    size_ += text.size();
  }
  void add(std::uint32_t number) noexcept {
    std::array<char, 10> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
    add({digits.begin(), static_cast<std::size_t>(end - digits.begin())});
  }
  const char* finish() noexcept {
    refusal.text[size_] = '\0';
    return refusal.text.data();
  }

 private:
  std::size_t size_ = 0;
};

std::atomic<Engine*> g_engine{nullptr};
std::mutex g_starting;
// Guarded by it: usher_start has failed, and an engine with other options is no substitute for one
// with a replay file, a key or a map of users.
bool g_start_is_owed = false;
constinit LocalTime g_local_time;  // Written once, before g_engine is.
AsyncOptions g_async_options;      // Guarded by it.

// A context's index has 24 bits at most, a credential's far fewer.
constexpr std::uintptr_t kTagMask = 0xff000000;
constexpr std::uintptr_t kContextTag = 0x43000000;
constexpr std::uintptr_t kCredentialTag = 0x4b000000;
static_assert(kSlotCountMax <= ~kTagMask && kCredentialCountMax <= ~kTagMask);

struct Numbers {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // 0, which is never issued, if the handle is not of this kind.
};

Numbers read_numbers(const SecHandle* handle, std::uintptr_t tag) noexcept {
  if (handle == nullptr || handle->dwLower > UINT32_MAX || handle->dwUpper > UINT32_MAX ||
      (handle->dwLower & kTagMask) != tag) {
    return {};
  }
  return {static_cast<std::uint32_t>(handle->dwLower & ~kTagMask),
          static_cast<std::uint32_t>(handle->dwUpper)};
}

}  // namespace

SECURITY_STATUS to_sspi(Status status) noexcept {
  // NOLINTBEGIN(bugprone-branch-clone): many refusals share a status.
  switch (status) {
#define USHER_STATUS_CASE(name, sspi, text) \
  case Status::name:                        \
    return sspi;
    USHER_STATUS_LIST(USHER_STATUS_CASE)
#undef USHER_STATUS_CASE
  }
  // NOLINTEND(bugprone-branch-clone)
  return SEC_E_INTERNAL_ERROR;
}

SECURITY_STATUS refuse(SECURITY_STATUS status, const char* text) noexcept {
  refusal.literal = text;
  refusal.has_verdict = false;
  return status;
}

SECURITY_STATUS refuse_copying(SECURITY_STATUS status, std::string_view text) noexcept {
  Words words;
  words.add(text);
  return refuse(status, words.finish());
}

SECURITY_STATUS refuse(Status status, ParseFault fault) noexcept {
  refusal.has_verdict = true;
  refusal.verdict = {status, fault};
  return to_sspi(status);
}

void keep_refusal(Refusal& out) noexcept {
  const bool copied = refusal.literal == refusal.text.data();
  out.literal = copied ? out.text.data() : refusal.literal;
  out.has_verdict = refusal.has_verdict;
  out.verdict = refusal.verdict;
  if (copied) {
    out.text = refusal.text;
  }
}

void tell_refusal(const Refusal& kept) noexcept {
  const bool copied = kept.literal == kept.text.data();
  refusal.literal = copied ? refusal.text.data() : kept.literal;
  refusal.has_verdict = kept.has_verdict;
  refusal.verdict = kept.verdict;
  if (copied) {
    refusal.text = kept.text;
  }
}

void write_handle(SecHandle& out, ContextHandle handle) noexcept {
  out = {kContextTag | std::uint32_t(handle.index), handle.generation};
}

void write_handle(SecHandle& out, TableHandle handle) noexcept {
  out = {kCredentialTag | handle.index, handle.generation};
}

ContextHandle read_context_handle(const SecHandle* handle) noexcept {
  const Numbers numbers = read_numbers(handle, kContextTag);
  return {SlotIndex(numbers.index), numbers.generation};
}

TableHandle read_credential_handle(const SecHandle* handle) noexcept {
  const Numbers numbers = read_numbers(handle, kCredentialTag);
  return {numbers.index, numbers.generation};
}

Engine* running_engine() noexcept {
  // Acquire: sees the engine whose address start_engine stored.
  return g_engine.load(std::memory_order_acquire);
}

namespace {

// start_engine_locked is start_engine for who holds g_starting.
Engine* start_engine_locked(const EngineOptions& options, bool& already,
                            ReplayFile::Reason* why_not) noexcept {
  Engine* engine = running_engine();
  already = engine != nullptr;
  static bool local_time_is_known = false;
  if (already) {
    return engine;
  }
  if (!local_time_is_known) {  // Another try must not change it under who reads it.
    g_local_time = LocalTime::make(system_clock().wall_us() / kMicrosPerSecond);
    local_time_is_known = true;
  }
  // Never destroyed: threads that outlive main may still be accepting.
  engine = Engine::make(options, why_not).release();
  g_engine.store(engine, std::memory_order_release);
  return engine;
}

}  // namespace

Engine* start_engine(const EngineOptions& options, bool& already,
                     ReplayFile::Reason* why_not) noexcept {
  const std::scoped_lock turn(g_starting);
  if (g_start_is_owed && running_engine() == nullptr) {
    if (why_not != nullptr) {
      constexpr std::string_view kWords = "usher_start has failed: it must succeed first";
      const std::size_t end = kWords.copy(why_not->data(), why_not->size() - 1);
      (*why_not)[end] = '\0';
    }
    already = false;
    return nullptr;
  }
  return start_engine_locked(options, already, why_not);
}

std::mutex& starting_engine() noexcept { return g_starting; }

AsyncOptions async_options() noexcept { return g_async_options; }

TimeStamp to_local_filetime(std::int64_t unix_seconds) noexcept {
  constexpr std::int64_t kEpochs = 11'644'473'600;  // Seconds from 1601 to 1970.
  constexpr std::int64_t kUnits = 10'000'000;       // 100 ns each.
  constexpr std::int64_t kDay = 86'400;             // No zone is farther ahead.
  TimeStamp time;
  if (unix_seconds == kUnixNever || unix_seconds > SECURITY_TIME_NEVER / kUnits - kEpochs - kDay) {
    time.QuadPart = SECURITY_TIME_NEVER;
    return time;
  }
  // Only a context has a time to be told, and so there is an engine, or it is all UTC.
  const std::int64_t ahead_s = running_engine() != nullptr ? g_local_time.ahead_s(unix_seconds) : 0;
  time.QuadPart = (unix_seconds + ahead_s + kEpochs) * kUnits;
  return time;
}

}  // namespace usher::sspi

extern "C" const char* usher_last_refusal(void) {
  using usher::sspi::refusal;
  if (!refusal.has_verdict) {
    return refusal.literal;
  }
  usher::sspi::Words words;
  words.add(usher::text_of(refusal.verdict.status));
  const usher::ParseFault fault = refusal.verdict.fault;
  if (fault.code != usher::ParseCode::kOk) {
    words.add(": ");
    words.add(usher::sspi::text_of(fault.code));
    words.add(" (code ");
    words.add(static_cast<std::uint8_t>(fault.code));
    words.add(") at byte ");
    words.add(fault.offset);
  }
  return words.finish();
}

namespace usher::sspi {
namespace {

constexpr std::uint32_t kHalfOpenSecondsMax = 3600;
constexpr std::uint32_t kAsyncWorkersMax = 256;
constexpr std::uint32_t kAsyncContextsMax = 1u << 16;
constexpr std::uint32_t kAsyncQueueMax = 1u << 16;

// read_options copies the options of whichever version of this library the caller was built for.
SECURITY_STATUS read_options(const USHER_OPTIONS* given, USHER_OPTIONS& out) noexcept {
  if (given == nullptr || given->Version != USHER_OPTIONS_VERSION ||
      (given->Size != sizeof(USHER_OPTIONS) && given->Size != USHER_OPTIONS_SIZE_1 &&
       given->Size != USHER_OPTIONS_SIZE_2)) {
    return refuse(SEC_E_INVALID_PARAMETER, "USHER_OPTIONS: Version or Size is not this library's");
  }
  out = {};
  std::memcpy(&out, given, given->Size);
  if (out.SlotCount > kSlotCountMax || out.HalfOpenSeconds > kHalfOpenSecondsMax ||
      out.ReplayEntries > kReplayEntryCountMax || out.ClockSkewSecondsMax > kSkewSecondsMax ||
      out.TicketEntries > kTicketCacheEntriesMax) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "USHER_OPTIONS: more than 2^20 slots, 3600 half-open seconds, 2^28 replay "
                  "entries, a day of clock skew or 2^20 ticket entries");
  }
  const std::uint32_t skew =
      out.ClockSkewSecondsMax != 0 ? out.ClockSkewSecondsMax : std::uint32_t{kSkewSecondsDefault};
  if (out.ExportSeconds > kExportSecondsMax || out.ExportSeconds > skew) {
    return refuse(
        SEC_E_INVALID_PARAMETER,
        "USHER_OPTIONS: ExportSeconds is more than 300 or than ClockSkewSecondsMax, which "
        "is how long it is remembered that a packed context was imported");
  }
  if (out.AsyncWorkers > kAsyncWorkersMax || out.AsyncContexts > kAsyncContextsMax ||
      out.AsyncQueue > kAsyncQueueMax) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "USHER_OPTIONS: more than 256 asynchronous workers, 2^16 asynchronous contexts "
                  "or operations that wait for a worker");
  }
  return SEC_E_OK;
}

void set(auto& target, std::uint32_t value) noexcept {
  if (value != 0) {
    target = value;
  }
}

// start is usher_start, but for what a failure leaves behind.
SECURITY_STATUS start(const USHER_OPTIONS* given) {
  USHER_OPTIONS options;
  const SECURITY_STATUS read = read_options(given, options);
  if (read != SEC_E_OK) {
    return read;
  }
  EngineOptions engine_options;
  set(engine_options.slot_count, options.SlotCount);
  set(engine_options.half_open_s, options.HalfOpenSeconds);
  set(engine_options.replay_entry_count, options.ReplayEntries);
  set(engine_options.skew_max_s, options.ClockSkewSecondsMax);
  set(engine_options.ticket_count, options.TicketEntries);
  if (options.ReplayFile != nullptr && options.ReplayFile[0] != '\0') {
    engine_options.replay_file = options.ReplayFile;
  }
  std::unique_ptr<const users::Settings> user_settings;
  const SECURITY_STATUS users_read = read_user_settings(options, user_settings);
  if (users_read != SEC_E_OK) {
    return users_read;
  }
  set(engine_options.export_s, options.ExportSeconds);
  if (options.ContextKeyFile != nullptr && options.ContextKeyFile[0] != '\0') {
    if (engine_options.replay_file == nullptr) {
      return refuse(SEC_E_INVALID_PARAMETER,
                    "USHER_OPTIONS: a ContextKeyFile needs a ReplayFile, or each process "
                    "could import a packed context once");
    }
    engine_options.context_key_file = options.ContextKeyFile;
  }
  bool already = false;
  ReplayFile::Reason why_not{};
  // Over all of it: a first asynchronous call meanwhile comes after it and finds its numbers.
  const std::scoped_lock turn(g_starting);
  if (AsyncSystem::running() != nullptr) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "usher_start comes before the first asynchronous call");
  }
  if (running_engine() != nullptr) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the engine has already been started");
  }
  // Before it: what the engine is first used for finds them.
  keep_user_settings(std::move(user_settings));
  if (start_engine_locked(engine_options, already, &why_not) == nullptr) {
    keep_user_settings(nullptr);
    return why_not[0] != '\0'
               ? refuse_copying(SEC_E_INVALID_PARAMETER, why_not.data())
               : refuse(SEC_E_INSUFFICIENT_MEMORY, "memory for the engine could not be had");
  }
  set(g_async_options.workers, options.AsyncWorkers);
  set(g_async_options.contexts, options.AsyncContexts);
  set(g_async_options.queue, options.AsyncQueue);
  return SEC_E_OK;
}

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS usher_start(const USHER_OPTIONS* given) {
  namespace sspi = usher::sspi;
  const SECURITY_STATUS status = sspi::start(given);
  if (status != SEC_E_OUT_OF_SEQUENCE) {
    const std::scoped_lock turn(sspi::g_starting);
    sspi::g_start_is_owed = status != SEC_E_OK;
  }
  return status;
}

extern "C" SECURITY_STATUS usher_ticket_counts(USHER_TICKET_COUNTS* counts) {
  if (counts == nullptr || counts->Size != sizeof(USHER_TICKET_COUNTS)) {
    return usher::sspi::refuse(SEC_E_INVALID_PARAMETER,
                               "USHER_TICKET_COUNTS: Size is not this library's");
  }
  const usher::SeenCounts seen = usher::Desk::all_ticket_counts();
  *counts = {.Size = sizeof(USHER_TICKET_COUNTS),
             .Reserved = 0,
             .Found = seen.hits,
             .NotFound = seen.misses,
             .Remembered = seen.admitted,
             .Replaced = seen.evicted,
             .Declined = seen.declined,
             .NoRoom = seen.no_room};
  return SEC_E_OK;
}
