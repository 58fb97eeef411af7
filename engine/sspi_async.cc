// The C ABI of async.h.
#include "engine/async.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "engine/sspi_async_system.h"

namespace usher::sspi {
namespace {

constexpr NTSTATUS kStatusSuccess = 0;
constexpr std::int64_t kMicrosPerMilli = 1000;

// How long a delete without a deadline waits for who is working on the context: longer than any
// authority may take. In a forked child it may be nobody at all.
constexpr std::int64_t kDeletePatienceMs = 660'000;

SECURITY_STATUS refuse_stale() noexcept {
  return refuse(SEC_E_INVALID_HANDLE, "the handle names no live async context");
}

SECURITY_STATUS refuse_full(AsyncSystem& system, std::uint64_t count = 1) noexcept {
  system.count_refused(count);
  return refuse(SEC_E_INSUFFICIENT_MEMORY, "as many operations are waiting as may");
}

SECURITY_STATUS refuse_threads() noexcept {
  return refuse(SEC_E_INSUFFICIENT_MEMORY, "memory or threads for operations cannot be had");
}

AsyncSystem::Found find(const SspiAsyncContext* handle) noexcept {
  AsyncSystem* const system = AsyncSystem::running();
  return system != nullptr ? system->find(handle) : AsyncSystem::Found{};
}

// Held is an async context that a call is setting up; given back in the end, unless it was queued.
class Held {
 public:
  explicit Held(const SspiAsyncContext* handle) noexcept : system_(AsyncSystem::running()) {
    const AsyncSystem::Found found = find(handle);
    if (found.operation == nullptr) {
      status_ = refuse_stale();
    } else if (!found.operation->move(found.generation, Phase::kReady, Phase::kHeld)) {
      status_ = refuse(SEC_E_OUT_OF_SEQUENCE,
                       "the async context has an operation, or had one and was not reinitialised");
    } else {
      operation_ = found.operation;
    }
  }
  ~Held() {
    if (operation_ != nullptr && operation_->settle(Phase::kReady)) {
      system_->recycle(*operation_);  // Freed while it was held.
    }
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  [[nodiscard]] SECURITY_STATUS status() const noexcept { return status_; }
  [[nodiscard]] AsyncSystem& system() const noexcept { return *system_; }
  Operation* operator->() const noexcept { return operation_; }
  Operation& operator*() const noexcept { return *operation_; }

  // begin makes it an operation; SEC_E_OK, or why it cannot be one.
  [[nodiscard]] SECURITY_STATUS begin(Operation::Kind kind, const Clock& clock) noexcept {
    if (operation_->queue && (**operation_->queue).closed()) {
      operation_->queue.reset();
      operation_->note_tells();
    }
    if (kind != Operation::Kind::kDelete && !operation_->tells()) {
      return refuse(SEC_E_INVALID_PARAMETER,
                    "the async context has neither a callback nor a completion queue");
    }
    operation_->kind = kind;
    operation_->shard = nullptr;
    operation_->context_is_deleted = false;
    const std::int64_t wait_ms = operation_->deadline_ms == 0 && kind == Operation::Kind::kDelete
                                     ? kDeletePatienceMs
                                     : operation_->deadline_ms;
    operation_->expires_us = wait_ms == 0 ? 0 : clock.steady_us() + wait_ms * kMicrosPerMilli;
    return SEC_E_OK;
  }
  // queued says that it is somebody else's from here on.
  Operation& queued(Phase phase) noexcept {
    operation_->settle(phase);
    return *std::exchange(operation_, nullptr);
  }
  // take_back undoes that, since nobody would have it. False: it was cancelled meanwhile, which is
  // a promise, and so it is an operation after all.
  [[nodiscard]] bool take_back(Operation& operation) noexcept {
    if (!operation.move(operation.place.generation, Phase::kQueued, Phase::kHeld)) {
      return false;
    }
    operation_ = &operation;
    return true;
  }

 private:
  AsyncSystem* system_;
  Operation* operation_ = nullptr;
  SECURITY_STATUS status_ = SEC_E_OK;
};

// not_queued gives back what an operation that is not queued after all has taken.
SECURITY_STATUS not_queued(Held& held, SECURITY_STATUS status) noexcept {
  if (std::exchange(held->context_is_marked, false)) {
    held.system().unmark(read_context_handle(&held->context));
  }
  held.system().end_hold(std::move(*held->acceptor));
  held->acceptor.reset();
  return status;
}

// take_handles holds the credential and marks the security context that an accept is about.
SECURITY_STATUS take_handles(Held& held, const USHER_ACCEPT& request,
                             const Engine* engine) noexcept {
  if (engine == nullptr) {
    return refuse(Status::kStaleHandle);
  }
  if (!held.system().has_shards(*engine)) {
    return refuse_threads();
  }
  held->acceptor.emplace(credentials().hold(read_credential_handle(request.phCredential)));
  if (!*held->acceptor) {
    return not_queued(held, refuse(Status::kStaleHandle));
  }
  if (request.phContext != nullptr) {
    const SECURITY_STATUS marked = held.system().mark(read_context_handle(request.phContext));
    if (marked != SEC_E_OK) {
      return not_queued(held, marked);
    }
    held->context = *request.phContext;
    held->context_is_marked = true;
  }
  return SEC_E_OK;
}

// queue_accept queues one and says which shard has to be rung for, if any.
SECURITY_STATUS queue_accept(SspiAsyncContext* handle, const USHER_ACCEPT& request,
                             Shard*& shard) noexcept {
  Held held(handle);
  if (held.status() != SEC_E_OK) {
    return held.status();
  }
  const Engine* const engine = running_engine();
  SECURITY_STATUS status = held.begin(
      Operation::Kind::kAccept, engine != nullptr ? engine->environment().clock : system_clock());
  status = status == SEC_E_OK ? take_handles(held, request, engine) : status;
  if (status != SEC_E_OK) {
    return status;
  }
  held->arguments = arguments_of(request);
  held->arguments.credential = nullptr;  // Held already; the caller's handle may go.
  held->arguments.context = request.phContext != nullptr ? &held->context : nullptr;
#ifndef NDEBUG
  poison_results(held->arguments);
#endif
  Operation& operation = held.queued(Phase::kQueued);
  AsyncSystem& system = held.system();
  shard = system.post(operation);
  if (shard != nullptr) {
    return SEC_E_OK;
  }
  if (held.take_back(operation)) {
    return not_queued(held, refuse_full(system));
  }
  system.notify(operation);  // Whose it is now.
  return SEC_E_OK;
}

// queue_blocking queues what the blocking thread does.
SECURITY_STATUS queue_blocking(Held& held) noexcept {
  AsyncSystem& system = held.system();
  Operation& operation = held.queued(Phase::kQueued);
  system.block(operation);
  system.count_submitted(1);
  return SEC_E_OK;
}

SECURITY_STATUS queue_acquire(SspiAsyncContext* handle, Operation::Kind kind,
                              const Operation::Acquire& acquire) noexcept {
  Held held(handle);
  if (held.status() != SEC_E_OK) {
    return held.status();
  }
  const SECURITY_STATUS status = held.begin(kind, system_clock());
  if (status != SEC_E_OK) {
    return status;
  }
  held->acquire = acquire;
  return queue_blocking(held);
}

SECURITY_STATUS queue_free_credential(SspiAsyncContext* handle,
                                      const SecHandle* credential) noexcept {
  Held held(handle);
  if (held.status() != SEC_E_OK) {
    return held.status();
  }
  const SECURITY_STATUS status = held.begin(Operation::Kind::kFreeCredential, system_clock());
  if (status != SEC_E_OK) {
    return status;
  }
  CredentialTable::Hold live = credentials().hold(read_credential_handle(credential));
  if (!live) {
    return refuse(Status::kStaleHandle);
  }
  held.system().end_hold(std::move(live));
  held->credential = *credential;
  return queue_blocking(held);
}

SECURITY_STATUS queue_delete(SspiAsyncContext* handle, const SecHandle* context) noexcept {
  Held held(handle);
  if (held.status() != SEC_E_OK) {
    return held.status();
  }
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    return refuse(Status::kStaleHandle);
  }
  const SECURITY_STATUS begun = held.begin(Operation::Kind::kDelete, engine->environment().clock);
  if (begun != SEC_E_OK) {
    return begun;
  }
  AsyncSystem& system = held.system();
  if (!system.has_shards(*engine)) {
    return refuse_threads();
  }
  // At once, so that the handle is dead when this returns. A callback is told on a thread of ours,
  // and who is working on the context is waited for there, too.
  const Status status = engine->release(read_context_handle(context));
  if (status != Status::kEstablished && status != Status::kContextBusy) {
    return refuse(status);
  }
  held->context = *context;
  held->context_is_deleted = status == Status::kEstablished;
  system.count_submitted(1);
  const bool tell_here = held->context_is_deleted && held->callback == nullptr;
  Operation& operation = held.queued(Phase::kRunning);
  tell_here ? system.complete(operation, SEC_E_OK) : system.notify(operation);
  return SEC_E_OK;
}

SECURITY_STATUS cancel(const SspiAsyncContext* handle) noexcept {
  const AsyncSystem::Found found = find(handle);
  if (found.operation == nullptr) {
    return refuse_stale();
  }
  // Who has it in a mailbox sees that when its turn comes; who has it waiting has to be told.
  if (found.operation->move(found.generation, Phase::kQueued, Phase::kCancelled)) {
    return SEC_E_OK;
  }
  if (found.operation->move(found.generation, Phase::kWaiting, Phase::kCancelled)) {
    AsyncSystem::running()->notify(*found.operation);
    return SEC_E_OK;
  }
  return refuse(SEC_E_OUT_OF_SEQUENCE,
                "the async context has no operation that could still be cancelled");
}

// free_operation makes a handle stale, and gives back what it stands for, now or when it is over.
bool free_operation(AsyncSystem& system, const AsyncSystem::Found& found) noexcept {
  Operation& operation = *found.operation;
  std::uint64_t seen = operation.word.load(std::memory_order_relaxed);
  while (seen >> 32 == found.generation && (seen & Operation::kOrphan) == 0) {
    const auto phase = Phase(seen & Operation::kPhaseMask);
    if (phase == Phase::kFree) {
      return false;
    }
    const bool idle = phase == Phase::kReady || phase == Phase::kDone;
    const std::uint64_t freed = idle ? (seen & ~Operation::kPhaseMask) | std::uint64_t(Phase::kFree)
                                     : seen | Operation::kOrphan;
    if (operation.word.compare_exchange_weak(seen, freed, std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
      if (idle) {
        system.recycle(operation);
      }
      return true;
    }
  }
  return false;
}

}  // namespace
}  // namespace usher::sspi

namespace sspi = usher::sspi;

extern "C" SspiAsyncContext* SspiCreateAsyncContext(void) {
  sspi::AsyncSystem* const system = sspi::AsyncSystem::start();
  if (system == nullptr) {
    sspi::refuse_threads();
    return nullptr;
  }
  sspi::Operation* const operation = system->create();
  if (operation == nullptr) {
    sspi::refuse(SEC_E_INSUFFICIENT_MEMORY, "all async contexts are in use");
    return nullptr;
  }
  return operation->handle;
}

extern "C" void SspiFreeAsyncContext(SspiAsyncContext* handle) {
  if (handle == nullptr) {
    return;
  }
  const sspi::AsyncSystem::Found found = sspi::find(handle);
  if (found.operation == nullptr || !sspi::free_operation(*sspi::AsyncSystem::running(), found)) {
    sspi::refuse_stale();
  }
}

extern "C" NTSTATUS SspiReinitAsyncContext(SspiAsyncContext* handle) {
  using sspi::Phase;
  const sspi::AsyncSystem::Found found = sspi::find(handle);
  if (found.operation == nullptr) {
    sspi::refuse_stale();
    return USHER_STATUS_INVALID_HANDLE;
  }
  if (found.operation->move(found.generation, Phase::kDone, Phase::kReady) ||
      found.operation->move(found.generation, Phase::kReady, Phase::kReady)) {
    return sspi::kStatusSuccess;
  }
  sspi::refuse(SEC_E_OUT_OF_SEQUENCE, "the async context's operation is pending");
  return USHER_STATUS_RESOURCE_IN_USE;
}

extern "C" SECURITY_STATUS SspiSetAsyncNotifyCallback(SspiAsyncContext* handle,
                                                      SspiAsyncNotifyCallback callback,
                                                      void* data) {
  sspi::Held held(handle);
  if (held.status() == SEC_E_OK) {
    held->callback = callback;
    held->data = data;
    held->queue.reset();
    held->note_tells();
  }
  return held.status();
}

extern "C" BOOLEAN SspiAsyncContextRequiresNotify(SspiAsyncContext* handle) {
  const sspi::AsyncSystem::Found found = sspi::find(handle);
  if (found.operation == nullptr) {
    sspi::refuse_stale();
    return 0;
  }
  return (found.operation->word.load(std::memory_order_relaxed) & sspi::Operation::kTells) != 0;
}

extern "C" SECURITY_STATUS SspiGetAsyncCallStatus(SspiAsyncContext* handle) {
  using sspi::Phase;
  const sspi::AsyncSystem::Found found = sspi::find(handle);
  if (found.operation == nullptr) {
    return sspi::refuse_stale();
  }
  switch (found.operation->phase()) {
    case Phase::kFree:
      return sspi::refuse_stale();
    case Phase::kReady:
    case Phase::kHeld:
      return sspi::refuse(SEC_E_OUT_OF_SEQUENCE, "the async context has no operation");
    case Phase::kQueued:
    case Phase::kRunning:
    case Phase::kWaiting:
    case Phase::kCancelled:
      return SEC_I_ASYNC_CALL_PENDING;
    case Phase::kUntaken:
    case Phase::kDone:
      break;
  }
  // Between finding and reading, its owner may have freed it, or begun it anew: then what was read
  // is another's. The phase was final before, and if it and the generation are still what they
  // were, so is this.
  const std::optional<SECURITY_STATUS> status = found.operation->result.tell();
  const std::uint64_t now = found.operation->word.load(std::memory_order_relaxed);
  if (now >> 32 != found.generation) {
    return sspi::refuse_stale();
  }
  const auto phase = Phase(now & sspi::Operation::kPhaseMask);
  if (!status || (phase != Phase::kUntaken && phase != Phase::kDone)) {
    return SEC_I_ASYNC_CALL_PENDING;  // It has been begun anew meanwhile.
  }
  return *status;
}

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS SspiAcquireCredentialsHandleAsyncA(
    SspiAsyncContext* handle, const SEC_CHAR* principal, const SEC_CHAR* package, uint32_t use,
    void* logon_id, void* auth_data, SEC_GET_KEY_FN get_key, void* get_key_argument,
    PCredHandle credential, PTimeStamp expiry) {
  return sspi::queue_acquire(handle, sspi::Operation::Kind::kAcquireA,
                             {.principal = principal,
                              .package = package,
                              .use = use,
                              .logon_id = logon_id,
                              .auth_data = auth_data,
                              .get_key = get_key,
                              .get_key_argument = get_key_argument,
                              .credential = credential,
                              .expiry = expiry});
}

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS SspiAcquireCredentialsHandleAsyncW(
    SspiAsyncContext* handle, const SEC_WCHAR* principal, const SEC_WCHAR* package, uint32_t use,
    void* logon_id, void* auth_data, SEC_GET_KEY_FN get_key, void* get_key_argument,
    PCredHandle credential, PTimeStamp expiry) {
  return sspi::queue_acquire(handle, sspi::Operation::Kind::kAcquireW,
                             {.principal = principal,
                              .package = package,
                              .use = use,
                              .logon_id = logon_id,
                              .auth_data = auth_data,
                              .get_key = get_key,
                              .get_key_argument = get_key_argument,
                              .credential = credential,
                              .expiry = expiry});
}

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS SspiAcceptSecurityContextAsync(
    SspiAsyncContext* handle, PCredHandle credential, PCtxtHandle context, PSecBufferDesc input,
    uint32_t request, uint32_t target_data, PCtxtHandle new_context, PSecBufferDesc output,
    uint32_t* attributes, PTimeStamp expiry) {
  // Before anything else: whoever comes too often must not cost those who were let in anything.
  sspi::AsyncSystem* const system = sspi::AsyncSystem::running();
  if (system != nullptr && system->full()) {
    return sspi::refuse_full(*system);
  }
  const USHER_ACCEPT accept{.phCredential = credential,
                            .phContext = context,
                            .pInput = input,
                            .fContextReq = request,
                            .TargetDataRep = target_data,
                            .phNewContext = new_context,
                            .pOutput = output,
                            .pfContextAttr = attributes,
                            .ptsExpiry = expiry,
                            .Status = SEC_E_OK};
  sspi::Shard* shard = nullptr;
  const SECURITY_STATUS status = sspi::queue_accept(handle, accept, shard);
  if (status == SEC_E_OK) {
    system->count_submitted(1);
  }
  if (shard != nullptr) {
    shard->ring();
  }
  return status;
}

extern "C" SECURITY_STATUS usher_accept_async_batch(SspiAsyncContext* const* contexts,
                                                    USHER_ACCEPT* requests, uint32_t count) {
  if (count != 0 && (contexts == nullptr || requests == nullptr)) {
    return sspi::refuse(SEC_E_INVALID_PARAMETER, "contexts or requests is null");
  }
  sspi::AsyncSystem* const system = sspi::AsyncSystem::running();
  SECURITY_STATUS first = SEC_E_OK;
  sspi::Shard* unrung = nullptr;
  std::uint64_t queued = 0;
  std::uint64_t full = 0;
  for (uint32_t n = 0; n < count; ++n) {
    sspi::Shard* shard = nullptr;
    if (system != nullptr && system->full()) {
      requests[n].Status = SEC_E_INSUFFICIENT_MEMORY;
      ++full;
    } else {
      requests[n].Status = sspi::queue_accept(contexts[n], requests[n], shard);
      queued += requests[n].Status == SEC_E_OK ? 1 : 0;
    }
    first = first == SEC_E_OK ? requests[n].Status : first;
    if (shard == nullptr) {
      continue;
    }
    if (unrung != nullptr && unrung != shard) {
      unrung->ring();
    }
    unrung = shard;
    if (queued % usher::kBatchMax == 0) {  // A batch is ready: let it begin.
      std::exchange(unrung, nullptr)->ring();
    }
  }
  if (queued > 0) {
    system->count_submitted(queued);
  }
  if (full > 0) {
    sspi::refuse_full(*system, full);
  }
  if (unrung != nullptr) {
    unrung->ring();
  }
  return first;
}

extern "C" SECURITY_STATUS SspiFreeCredentialsHandleAsync(SspiAsyncContext* handle,
                                                          PCredHandle credential) {
  return sspi::queue_free_credential(handle, credential);
}

extern "C" SECURITY_STATUS SspiDeleteSecurityContextAsync(SspiAsyncContext* handle,
                                                          PCtxtHandle context) {
  return sspi::queue_delete(handle, context);
}

extern "C" SECURITY_STATUS usher_async_cancel(SspiAsyncContext* handle) {
  return sspi::cancel(handle);
}

extern "C" SECURITY_STATUS usher_async_set_deadline(SspiAsyncContext* handle,
                                                    uint32_t milliseconds) {
  sspi::Held held(handle);
  if (held.status() == SEC_E_OK) {
    held->deadline_ms = milliseconds;
  }
  return held.status();
}

extern "C" USHER_COMPLETIONS* usher_create_completions(void) {
  sspi::AsyncSystem* const system = sspi::AsyncSystem::start();
  USHER_COMPLETIONS* const queue = system != nullptr ? system->create_queue() : nullptr;
  if (queue == nullptr) {
    sspi::refuse(SEC_E_INSUFFICIENT_MEMORY,
                 "memory, threads or a descriptor for a completion queue cannot be had");
  }
  return queue;
}

extern "C" int usher_completions_fd(USHER_COMPLETIONS* handle) {
  sspi::AsyncSystem* const system = sspi::AsyncSystem::running();
  if (system == nullptr) {
    return -1;
  }
  const sspi::QueueTable::Hold queue = system->find_queue(handle);
  return queue ? queue->fd() : -1;
}

extern "C" uint32_t usher_take_completions(USHER_COMPLETIONS* handle, USHER_COMPLETION* out,
                                           uint32_t count) {
  sspi::AsyncSystem* const system = sspi::AsyncSystem::running();
  if (system == nullptr || out == nullptr) {
    return 0;
  }
  const sspi::QueueTable::Hold queue = system->find_queue(handle);
  return queue ? queue->take(out, count) : 0;
}

extern "C" void usher_free_completions(USHER_COMPLETIONS* handle) {
  sspi::AsyncSystem* const system = sspi::AsyncSystem::running();
  if (handle != nullptr && (system == nullptr || !system->free_queue(handle))) {
    sspi::refuse(SEC_E_INVALID_HANDLE, "the handle names no live completion queue");
  }
}

extern "C" SECURITY_STATUS usher_async_set_completions(SspiAsyncContext* handle,
                                                       USHER_COMPLETIONS* queue, void* data) {
  sspi::Held held(handle);
  if (held.status() != SEC_E_OK) {
    return held.status();
  }
  if (queue == nullptr) {
    held->queue.reset();
    held->note_tells();
    return SEC_E_OK;
  }
  sspi::QueueTable::Hold found = held.system().find_queue(queue);
  if (!found) {
    return sspi::refuse(SEC_E_INVALID_HANDLE, "the handle names no live completion queue");
  }
  held->queue.emplace(std::move(found));
  held->data = data;
  held->callback = nullptr;
  held->note_tells();
  return SEC_E_OK;
}

extern "C" SECURITY_STATUS usher_async_counts(USHER_ASYNC_COUNTS* counts) {
  if (counts == nullptr || counts->Size != sizeof(USHER_ASYNC_COUNTS)) {
    return sspi::refuse(SEC_E_INVALID_PARAMETER, "USHER_ASYNC_COUNTS: Size is not this library's");
  }
  sspi::AsyncSystem* const system = sspi::AsyncSystem::running();
  *counts = {.Size = sizeof(USHER_ASYNC_COUNTS)};
  if (system != nullptr) {
    system->tell(*counts);
  }
  return SEC_E_OK;
}
