// AcceptSecurityContext: one call is a batch of one, run on the caller's own thread.
#include <array>
#include <cassert>
#include <cstring>
#include <memory>
#include <span>
#include <thread>

#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

// Desks are made at a thread's first token and freed when the thread ends.
Desk* own_desk() noexcept {
  thread_local std::unique_ptr<Desk> desk;
  if (desk == nullptr) {
    desk = Desk::make(1);  // Once more at the next token if it fails.
  }
  return desk.get();
}

std::span<SecBuffer> buffers_of(const SecBufferDesc* list) noexcept {
  return list == nullptr || list->pBuffers == nullptr ? std::span<SecBuffer>()
                                                      : std::span(list->pBuffers, list->cBuffers);
}

std::uint32_t type_of(const SecBuffer& buffer) noexcept {
  return buffer.BufferType & ~SECBUFFER_ATTRMASK;
}

// read_token finds the one token in `input`. What else might be in it and is not understood is
// refused, not passed over: the caller means something by it.
SECURITY_STATUS read_token(const SecBufferDesc* input, Bytes& token) noexcept {
  if (input != nullptr && input->ulVersion != SECBUFFER_VERSION) {
    return refuse(SEC_E_INVALID_TOKEN, "pInput: ulVersion is not SECBUFFER_VERSION");
  }
  const SecBuffer* found = nullptr;
  for (const SecBuffer& buffer : buffers_of(input)) {
    switch (type_of(buffer)) {
      case SECBUFFER_EMPTY:
        break;
      case SECBUFFER_TOKEN:
        if (found != nullptr) {
          return refuse(SEC_E_INVALID_TOKEN, "pInput holds more than one SECBUFFER_TOKEN");
        }
        found = &buffer;
        break;
      case SECBUFFER_CHANNEL_BINDINGS:
        return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                      "pInput holds SECBUFFER_CHANNEL_BINDINGS, which this version cannot check");
      default:
        return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                      "pInput holds a buffer of a type that is not understood");
    }
  }
  if (found == nullptr) {
    return refuse(SEC_E_INVALID_TOKEN, "pInput holds no SECBUFFER_TOKEN");
  }
  if (found->pvBuffer == nullptr || found->cbBuffer == 0) {
    return refuse(Status::kEmptyToken);
  }
  token = {static_cast<const std::uint8_t*>(found->pvBuffer), found->cbBuffer};
  return SEC_E_OK;
}

// ReplyRoom is where the reply goes. From the moment it is found it says "no reply".
struct ReplyRoom {
  SecBuffer* buffer = nullptr;  // Null: the caller gave none.
  std::uint32_t size = 0;
  bool allocate = false;
};

SECURITY_STATUS find_room(SecBufferDesc* output, bool allocate, ReplyRoom& room) noexcept {
  if (output != nullptr && output->ulVersion != SECBUFFER_VERSION) {
    return refuse(SEC_E_INVALID_TOKEN, "pOutput: ulVersion is not SECBUFFER_VERSION");
  }
  for (SecBuffer& buffer : buffers_of(output)) {
    if (type_of(buffer) != SECBUFFER_TOKEN) {
      continue;
    }
    if (room.buffer != nullptr) {
      return refuse(SEC_E_INVALID_TOKEN, "pOutput holds more than one SECBUFFER_TOKEN");
    }
    room = {.buffer = &buffer, .size = buffer.cbBuffer, .allocate = allocate};
    buffer.cbBuffer = 0;
    if (allocate) {
      buffer.pvBuffer = nullptr;
    }
  }
  return SEC_E_OK;
}

SECURITY_STATUS deliver(Bytes reply, const ReplyRoom& room) noexcept {
  if (reply.empty()) {
    return SEC_E_OK;
  }
  if (room.buffer == nullptr) {
    return refuse(SEC_E_INSUFFICIENT_BUFFERS,
                  "pOutput holds no SECBUFFER_TOKEN, and there is a reply to send");
  }
  if (room.allocate) {
    room.buffer->pvBuffer = allocate_for_caller(reply.size());
    if (room.buffer->pvBuffer == nullptr) {
      return refuse(Status::kNoMemory);
    }
  } else if (room.buffer->pvBuffer == nullptr || room.size < reply.size()) {
    return refuse(Status::kReplyTooLong);
  }
  std::memcpy(room.buffer->pvBuffer, reply.data(), reply.size());
  room.buffer->cbBuffer = static_cast<std::uint32_t>(reply.size());
  return SEC_E_OK;
}

// Leg is a call's arguments, and what it gives back if it succeeds.
struct Leg {
  const SecHandle* credential;
  const SecHandle* given;  // phContext.
  std::uint32_t request;

  Bytes token;
  ReplyRoom room{};

  ContextHandle context{};
  bool complete = false;
  gss::ContextFlags flags{};
  std::int64_t expires_s = kUnixNever;
};

// check looks at everything that needs no token to be read.
SECURITY_STATUS check(Leg& leg, const SecHandle* new_context, const SecBufferDesc* input,
                      SecBufferDesc* output) noexcept {
  if (leg.given != nullptr) {
    leg.context = read_context_handle(leg.given);
    assert(leg.context != ContextHandle{});  // Which would mean a first token.
  }
  // The token first: pInput and pOutput may be the same list, and find_room writes to it. And both,
  // whatever the first says: a refused call must not leave a size in pOutput.
  const SECURITY_STATUS input_status = read_token(input, leg.token);
  const SECURITY_STATUS output_status =
      find_room(output, (leg.request & ASC_REQ_ALLOCATE_MEMORY) != 0, leg.room);
  if (input_status != SEC_E_OK || output_status != SEC_E_OK) {
    return input_status != SEC_E_OK ? input_status : output_status;
  }
  if (new_context == nullptr) {
    return refuse(SEC_E_INVALID_HANDLE, "phNewContext is null");
  }
  if ((leg.request & ASC_REQ_PROXY_BINDINGS) != 0) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                  "ASC_REQ_PROXY_BINDINGS: this version cannot check channel bindings");
  }
  return SEC_E_OK;
}

// read_grant copies what a complete context grants. It can find the context busy only if a second
// thread has come with the same handle, against the rules: that one is about to be refused, and
// this one has won.
Status read_grant(const Engine& engine, Leg& leg) noexcept {
  constexpr int kRoundsMax = 10'000;
  Status seen = Status::kContextBusy;
  for (int round = 0; seen == Status::kContextBusy && round < kRoundsMax; ++round) {
    if (round > 0) {
      std::this_thread::yield();
    }
    seen = engine.inspect(leg.context, [&leg](const Context& context) {
      leg.flags = context.flags;
      leg.expires_s = context.expires_s;
    });
  }
  return seen;
}

// run does the work of a checked call.
SECURITY_STATUS run(Leg& leg, const Engine& engine) noexcept {
  const CredentialTable::Hold acceptor = credentials().hold(read_credential_handle(leg.credential));
  Desk* const desk = acceptor ? own_desk() : nullptr;
  if (desk == nullptr) {
    return refuse(acceptor ? Status::kNoMemory : Status::kStaleHandle);
  }
  // The reply gets memory of its own: the caller's may be too small, or be the token's.
  std::array<std::uint8_t, kReplySizeMax> reply_bytes;
  const AcceptRequest request{.credential = &acceptor->credential,
                              .context = leg.context,
                              .token = leg.token,
                              .reply = reply_bytes,
                              .error_tokens = (leg.request & ASC_REQ_EXTENDED_ERROR) != 0,
                              .take_delegation = (leg.request & ASC_REQ_DELEGATE) != 0,
                              .recorded_challenge = {}};
  AcceptReply reply;
  leg.context = {};  // From here on it is auth's to end.
  auth::accept(*desk, engine.environment(), {&request, 1}, {&reply, 1});
  const Bytes reply_token = Bytes(reply_bytes).first(reply.reply_size);

  if (!succeeded(reply.verdict.status)) {
    static_cast<void>(deliver(reply_token, leg.room));  // An error token that has no room is lost.
    return refuse(reply.verdict.status, reply.verdict.fault);
  }
  leg.context = reply.context;
  leg.complete = reply.verdict.status == Status::kEstablished;
  if (leg.complete) {
    const Status seen = read_grant(engine, leg);
    if (seen != Status::kEstablished) {
      leg.context = {};  // Another thread has got in between; it may not be ours to end.
      return refuse(seen);
    }
  }
  const SECURITY_STATUS delivered = deliver(reply_token, leg.room);
  return delivered == SEC_E_OK ? to_sspi(reply.verdict.status) : delivered;
}

// end_refused ends what a call that was refused outside of auth::accept would leave behind: a
// reply that has no room belongs to a context of this call's own making, anything else must not end
// a session that is in use.
void end_refused(const Leg& leg, const Engine& engine) noexcept {
  bool in_use = false;
  const Status status = engine.inspect(leg.context, [&in_use](const Context& context) {
    in_use = context.state == auth::State::kEstablished;
  });
  if (status == Status::kEstablished && (leg.complete || !in_use)) {
    static_cast<void>(engine.release(leg.context));
  }
}

std::uint32_t attributes_of(const Leg& leg) noexcept {
  std::uint32_t attributes = leg.request & (ASC_REQ_CONNECTION | ASC_REQ_EXTENDED_ERROR);
  if (leg.room.allocate && leg.room.buffer->pvBuffer != nullptr) {
    attributes |= ASC_RET_ALLOCATED_MEMORY;
  }
  return leg.complete ? attributes | granted_attributes(leg.flags) : attributes;
}
static_assert(ASC_REQ_CONNECTION == ASC_RET_CONNECTION);
static_assert(ASC_REQ_EXTENDED_ERROR == ASC_RET_EXTENDED_ERROR);

}  // namespace
}  // namespace usher::sspi

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS AcceptSecurityContext(PCredHandle credential, PCtxtHandle context,
                                                 PSecBufferDesc input, uint32_t request,
                                                 uint32_t /*target_data*/, PCtxtHandle new_context,
                                                 PSecBufferDesc output, uint32_t* attributes,
                                                 PTimeStamp expiry) {
  namespace sspi = usher::sspi;
  const usher::Engine* const engine = sspi::running_engine();
  sspi::Leg leg{.credential = credential, .given = context, .request = request, .token = {}};
  SECURITY_STATUS status = sspi::check(leg, new_context, input, output);
  if (status == SEC_E_OK) {
    status =
        engine == nullptr ? sspi::refuse(usher::Status::kStaleHandle) : sspi::run(leg, *engine);
  }
  if (status < 0) {
    if (engine != nullptr) {
      sspi::end_refused(leg, *engine);
    }
    if (new_context != nullptr && new_context != context) {
      SecInvalidateHandle(new_context);
    }
    if (attributes != nullptr) {
      *attributes = 0;
    }
    return status;
  }
  sspi::write_handle(*new_context, leg.context);
  if (attributes != nullptr) {
    *attributes = sspi::attributes_of(leg);
  }
  if (expiry != nullptr && leg.complete) {
    *expiry = sspi::to_filetime(leg.expires_s);
  }
  return status;
}
