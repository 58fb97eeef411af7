// AcceptSecurityContext, one call or a batch of them, on the caller's own thread.
#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "engine/auth/accept_wait.h"
#include "engine/sspi_leg.h"

namespace usher::sspi {
namespace {

// Work is what calls that are made together need besides the desk.
struct Work {
  std::span<Leg> legs;
  std::span<SECURITY_STATUS> statuses;
  std::span<std::optional<CredentialTable::Hold>> acceptors;
  // Of the legs that have come so far, without gaps: whose each is, request, reply, its bytes.
  std::span<std::size_t> owners;
  std::span<AcceptRequest> requests;
  std::span<AcceptReply> replies;
  std::span<std::array<std::uint8_t, kReplySizeMax>> rooms;
};

// WorkFor is its memory.
template <std::size_t kCount>
struct WorkFor {
  std::array<Leg, kCount> legs;
  std::array<SECURITY_STATUS, kCount> statuses;
  std::array<std::optional<CredentialTable::Hold>, kCount> acceptors;
  std::array<std::size_t, kCount> owners;
  std::array<AcceptRequest, kCount> requests;
  std::array<AcceptReply, kCount> replies;
  std::array<std::array<std::uint8_t, kReplySizeMax>, kCount> rooms;

  [[nodiscard]] Work work() noexcept {
    return {.legs = legs,
            .statuses = statuses,
            .acceptors = acceptors,
            .owners = owners,
            .requests = requests,
            .replies = replies,
            .rooms = rooms};
  }
};

// OwnPlace is what a thread works with: made at its first token, or for its first batch, and freed
// when it ends. A thread that makes single calls has a desk for one.
struct OwnPlace {
  std::unique_ptr<Desk> desk;
  std::unique_ptr<WorkFor<kBatchMax>> batch;  // With it, `desk` is one for kBatchMax.
};
thread_local OwnPlace own_place;

Desk* own_desk() noexcept {
  if (own_place.desk == nullptr) {
    own_place.desk = Desk::make(1);  // Once more at the next token if it fails.
  }
  return own_place.desk.get();
}

// own_batch is null if memory for it cannot be had; the thread is as it was then.
WorkFor<kBatchMax>* own_batch() noexcept {
  if (own_place.batch == nullptr) {
    std::unique_ptr<WorkFor<kBatchMax>> batch(new (std::nothrow) WorkFor<kBatchMax>);
    std::unique_ptr<Desk> desk = batch != nullptr ? Desk::make(kBatchMax) : nullptr;
    if (desk != nullptr) {
      own_place.desk = std::move(desk);
      own_place.batch = std::move(batch);
    }
  }
  return own_place.batch.get();
}

// accept_checked does the work of the legs whose status is SEC_E_OK.
void accept_checked(const Work& work, Desk& desk, const Engine& engine) noexcept {
  std::size_t count = 0;
  for (std::size_t n = 0; n < work.legs.size(); ++n) {
    if (work.statuses[n] != SEC_E_OK) {
      continue;
    }
    work.statuses[n] = work.legs[n].prepare(desk, (*work.acceptors[n])->credential,
                                            work.rooms[count], work.requests[count]);
    if (work.statuses[n] == SEC_E_OK) {
      work.owners[count++] = n;
    }
  }
  auth::accept_and_wait(desk, engine.environment(), work.requests.first(count),
                        work.replies.first(count));
  for (std::size_t at = 0; at < count; ++at) {
    const std::size_t n = work.owners[at];
    work.statuses[n] = work.legs[n].accepted(work.replies[at], work.rooms[at]);
  }
}

// admit finds out whether there is anything to accept with.
SECURITY_STATUS admit(const SecHandle* credential, const Engine* engine,
                      std::optional<CredentialTable::Hold>& acceptor) noexcept {
  if (engine == nullptr) {
    return refuse(Status::kStaleHandle);
  }
  acceptor.emplace(credentials().hold(read_credential_handle(credential)));
  return *acceptor ? SEC_E_OK : refuse(Status::kStaleHandle);
}

// call makes the calls that `arguments_of(n)` tells; statuses[n] is what each returns. `get_desk`
// is asked for a desk if there is need of one.
template <class ArgumentsOf, class GetDesk>
void call(const Work& work, const ArgumentsOf& arguments_of, const GetDesk& get_desk) noexcept {
  const Engine* const engine = running_engine();
  bool any = false;
  for (std::size_t n = 0; n < work.legs.size(); ++n) {
    const AcceptArguments arguments = arguments_of(n);
    work.legs[n] = Leg(arguments);
    SECURITY_STATUS& status = work.statuses[n];
    status = inside_ask()
                 ? refuse(SEC_E_OUT_OF_SEQUENCE, "AcceptSecurityContext inside a USHER_ASK")
                 : work.legs[n].check();
    status = status == SEC_E_OK ? admit(arguments.credential, engine, work.acceptors[n]) : status;
    any |= status == SEC_E_OK;
  }
  Desk* const desk = any ? get_desk() : nullptr;
  if (desk != nullptr) {
    accept_checked(work, *desk, *engine);
  } else if (any) {
    for (SECURITY_STATUS& status : work.statuses) {
      status = status == SEC_E_OK ? refuse(Status::kNoMemory) : status;
    }
  }
  for (std::size_t n = 0; n < work.legs.size(); ++n) {
    work.legs[n].conclude(work.statuses[n], engine);
    work.acceptors[n].reset();
  }
}

void call_batch(WorkFor<kBatchMax>& memory, std::span<USHER_ACCEPT> requests) noexcept {
  Work work = memory.work();
  work.legs = work.legs.first(requests.size());
  work.statuses = work.statuses.first(requests.size());
  call(
      work, [&](std::size_t n) { return arguments_of(requests[n]); }, own_desk);
  for (std::size_t n = 0; n < requests.size(); ++n) {
    requests[n].Status = work.statuses[n];
  }
}

}  // namespace

AcceptArguments arguments_of(const USHER_ACCEPT& request) noexcept {
  return {.credential = request.phCredential,
          .context = request.phContext,
          .input = request.pInput,
          .request = request.fContextReq,
          .new_context = request.phNewContext,
          .output = request.pOutput,
          .attributes = request.pfContextAttr,
          .expiry = request.ptsExpiry,
          .one_handle = request.phNewContext == request.phContext};
}

}  // namespace usher::sspi

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS AcceptSecurityContext(PCredHandle credential, PCtxtHandle context,
                                                 PSecBufferDesc input, uint32_t request,
                                                 uint32_t /*target_data*/, PCtxtHandle new_context,
                                                 PSecBufferDesc output, uint32_t* attributes,
                                                 PTimeStamp expiry) {
  namespace sspi = usher::sspi;
  const sspi::AcceptArguments arguments{.credential = credential,
                                        .context = context,
                                        .input = input,
                                        .request = request,
                                        .new_context = new_context,
                                        .output = output,
                                        .attributes = attributes,
                                        .expiry = expiry,
                                        .one_handle = new_context == context};
  sspi::WorkFor<1> memory;
  sspi::call(
      memory.work(), [&](std::size_t) { return arguments; }, sspi::own_desk);
  return memory.statuses[0];
}

extern "C" SECURITY_STATUS usher_accept_batch(USHER_ACCEPT* requests, uint32_t count) {
  namespace sspi = usher::sspi;
  if (sspi::inside_ask()) {
    return sspi::refuse(SEC_E_OUT_OF_SEQUENCE, "usher_accept_batch inside a USHER_ASK");
  }
  if (requests == nullptr && count != 0) {
    return sspi::refuse(SEC_E_INVALID_PARAMETER, "requests is null");
  }
  sspi::WorkFor<usher::kBatchMax>* const memory = count != 0 ? sspi::own_batch() : nullptr;
  const std::span<USHER_ACCEPT> all(requests, count);
  for (std::size_t from = 0; from < count; from += usher::kBatchMax) {
    const auto some = all.subspan(from, std::min(usher::kBatchMax, count - from));
    if (memory != nullptr) {
      sspi::call_batch(*memory, some);
      continue;
    }
    for (USHER_ACCEPT& request : some) {  // One at a time wants less memory.
      request.Status =
          AcceptSecurityContext(request.phCredential, request.phContext, request.pInput,
                                request.fContextReq, request.TargetDataRep, request.phNewContext,
                                request.pOutput, request.pfContextAttr, request.ptsExpiry);
    }
  }
  return SEC_E_OK;
}
