// AcceptSecurityContext: one call is a batch of one, run on the caller's own thread.
#include <array>
#include <cassert>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "engine/auth/accept_wait.h"
#include "engine/sspi_internal.h"
#include "parsers/channel_bindings.h"

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

Bytes bytes_of(const SecBuffer& buffer) noexcept {
  return buffer.pvBuffer == nullptr
             ? Bytes{}
             : Bytes(static_cast<const std::uint8_t*>(buffer.pvBuffer), buffer.cbBuffer);
}

// Input is what pInput brings. Views lie in the caller's memory.
struct Input {
  Bytes token;  // Empty for none.
  bool has_bindings = false;
  channel::SecChannelBindings bindings{};
};

// read_token takes the token, which only the first call may leave out.
SECURITY_STATUS read_token(const SecBuffer* found, bool is_first, Input& input) noexcept {
  if (found == nullptr) {
    return is_first ? SEC_E_OK : refuse(SEC_E_INVALID_TOKEN, "pInput holds no SECBUFFER_TOKEN");
  }
  input.token = bytes_of(*found);
  const bool says_nothing = is_first && found->cbBuffer == 0;
  return input.token.empty() && !says_nothing ? refuse(Status::kEmptyToken) : SEC_E_OK;
}

SECURITY_STATUS read_bindings(const SecBuffer* found, Input& input) noexcept {
  if (found == nullptr) {
    return SEC_E_OK;
  }
  const Result<channel::SecChannelBindings> bindings =
      channel::parse_sec_channel_bindings(bytes_of(*found));
  if (!bindings.ok()) {
    return refuse(
        SEC_E_INVALID_PARAMETER,
        "SECBUFFER_CHANNEL_BINDINGS: a length or an offset leaves the buffer, or a header "
        "or flag is not known");
  }
  input.has_bindings = true;
  input.bindings = *bindings;
  return SEC_E_OK;
}

// read_input finds the token and the bindings in `list`. What else might be in it and is not
// understood is refused, not passed over: the caller means something by it.
SECURITY_STATUS read_input(const SecBufferDesc* list, bool is_first, Input& input) noexcept {
  if (list != nullptr && list->ulVersion != SECBUFFER_VERSION) {
    return refuse(SEC_E_INVALID_TOKEN, "pInput: ulVersion is not SECBUFFER_VERSION");
  }
  const SecBuffer* token = nullptr;
  const SecBuffer* bindings = nullptr;
  for (const SecBuffer& buffer : buffers_of(list)) {
    switch (type_of(buffer)) {
      case SECBUFFER_EMPTY:
      case SECBUFFER_CHANNEL_BINDINGS_RESULT:  // pOutput may be the same list.
        break;
      case SECBUFFER_TOKEN:
        if (std::exchange(token, &buffer) != nullptr) {
          return refuse(SEC_E_INVALID_TOKEN, "pInput holds more than one SECBUFFER_TOKEN");
        }
        break;
      case SECBUFFER_CHANNEL_BINDINGS:
        if (std::exchange(bindings, &buffer) != nullptr) {
          return refuse(SEC_E_INVALID_TOKEN,
                        "pInput holds more than one SECBUFFER_CHANNEL_BINDINGS");
        }
        break;
      default:
        return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                      "pInput holds a buffer of a type that is not understood");
    }
  }
  const SECURITY_STATUS status = read_token(token, is_first, input);
  return status == SEC_E_OK ? read_bindings(bindings, input) : status;
}

// ReplyRoom is where the reply goes. From the moment it is found it says "no reply".
struct ReplyRoom {
  SecBuffer* buffer = nullptr;  // Null: the caller gave none.
  std::uint32_t size = 0;
  bool allocate = false;
};

// find_result takes the place where the verdict on channel bindings goes.
SECURITY_STATUS find_result(SecBuffer& buffer, SecBuffer*& result) noexcept {
  if (result != nullptr) {
    return refuse(SEC_E_INVALID_TOKEN,
                  "pOutput holds more than one SECBUFFER_CHANNEL_BINDINGS_RESULT");
  }
  if (buffer.pvBuffer == nullptr || buffer.cbBuffer < sizeof(SEC_CHANNEL_BINDINGS_RESULT)) {
    return refuse(
        SEC_E_BUFFER_TOO_SMALL,
        "pOutput: SECBUFFER_CHANNEL_BINDINGS_RESULT holds no SEC_CHANNEL_BINDINGS_RESULT");
  }
  result = &buffer;
  return SEC_E_OK;
}

SECURITY_STATUS find_room(SecBufferDesc* output, bool allocate, ReplyRoom& room,
                          SecBuffer*& result) noexcept {
  if (output != nullptr && output->ulVersion != SECBUFFER_VERSION) {
    return refuse(SEC_E_INVALID_TOKEN, "pOutput: ulVersion is not SECBUFFER_VERSION");
  }
  SECURITY_STATUS status = SEC_E_OK;
  for (SecBuffer& buffer : buffers_of(output)) {
    if (type_of(buffer) == SECBUFFER_CHANNEL_BINDINGS_RESULT && status == SEC_E_OK) {
      status = find_result(buffer, result);
    }
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
  return status;
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

// Leg is a call's arguments, and what it gives back.
struct Leg {
  const SecHandle* credential;
  const SecHandle* given;  // phContext.
  std::uint32_t request;

  Input input{};
  ReplyRoom room{};
  SecBuffer* result = nullptr;  // Where the verdict on channel bindings goes; null: nowhere.

  ContextHandle context{};
  AcceptReply reply{};

  [[nodiscard]] bool asked_for(std::uint32_t flag) const noexcept { return (request & flag) != 0; }
  [[nodiscard]] bool complete() const noexcept {
    return reply.verdict.status == Status::kEstablished;
  }
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
  const SECURITY_STATUS input_status = read_input(input, leg.given == nullptr, leg.input);
  const SECURITY_STATUS output_status =
      find_room(output, leg.asked_for(ASC_REQ_ALLOCATE_MEMORY), leg.room, leg.result);
  if (input_status != SEC_E_OK || output_status != SEC_E_OK) {
    return input_status != SEC_E_OK ? input_status : output_status;
  }
  return new_context == nullptr ? refuse(SEC_E_INVALID_HANDLE, "phNewContext is null") : SEC_E_OK;
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
  AcceptRequest request{
      .credential = &acceptor->credential,
      .context = leg.context,
      .token = leg.input.token,
      .reply = reply_bytes,
      .error_tokens = leg.asked_for(ASC_REQ_EXTENDED_ERROR),
      .bindings = {},
      .binding_demand = {.allow_missing = leg.asked_for(ASC_REQ_ALLOW_MISSING_BINDINGS),
                         .proxy = leg.asked_for(ASC_REQ_PROXY_BINDINGS),
                         .audit = leg.input.bindings.audit},
      .take_delegation = leg.asked_for(ASC_REQ_DELEGATE),
      .allow_anonymous = leg.asked_for(ASC_REQ_ALLOW_NULL_SESSION),
      .allow_replay = leg.asked_for(ASC_REQ_ALLOW_CONTEXT_REPLAY),
      .recorded_challenge = {}};
  if (leg.input.has_bindings &&
      !auth::make_bindings(*desk, leg.input.bindings.fields, request.bindings)) {
    return refuse(Status::kInternal);
  }
  leg.context = {};  // From here on it is auth's to end.
  auth::accept_and_wait(*desk, engine.environment(), request, leg.reply);
  const Bytes reply_token = Bytes(reply_bytes).first(leg.reply.reply_size);

  if (!succeeded(leg.reply.verdict.status)) {
    static_cast<void>(deliver(reply_token, leg.room));  // An error token that has no room is lost.
    return refuse(leg.reply.verdict.status, leg.reply.verdict.fault);
  }
  leg.context = leg.reply.context;
  const SECURITY_STATUS delivered = deliver(reply_token, leg.room);
  return delivered == SEC_E_OK ? to_sspi(leg.reply.verdict.status) : delivered;
}

// end_refused ends what a call that was refused outside of auth::accept would leave behind: a
// reply that has no room belongs to a context of this call's own making, anything else must not end
// a session that is in use.
void end_refused(const Leg& leg, const Engine& engine) noexcept {
  bool in_use = false;
  const Status status = engine.inspect(leg.context, [&in_use](const Context& context) {
    in_use = context.state == auth::State::kEstablished;
  });
  if (status == Status::kEstablished && (leg.complete() || !in_use)) {
    static_cast<void>(engine.release(leg.context));
  }
}

std::uint32_t attributes_of(const Leg& leg) noexcept {
  std::uint32_t attributes = leg.request & (ASC_REQ_CONNECTION | ASC_REQ_EXTENDED_ERROR);
  if (leg.room.allocate && leg.room.buffer->pvBuffer != nullptr) {
    attributes |= ASC_RET_ALLOCATED_MEMORY;
  }
  if (leg.reply.replayed) {
    attributes |= ASC_RET_ALLOW_CONTEXT_REPLAY;
  }
  return leg.complete() ? attributes | granted_attributes(leg.reply.flags) : attributes;
}
static_assert(ASC_REQ_CONNECTION == ASC_RET_CONNECTION);
static_assert(ASC_REQ_EXTENDED_ERROR == ASC_RET_EXTENDED_ERROR);

// write_result tells what came of the channel bindings, also of a call that was refused.
void write_result(const Leg& leg) noexcept {
  using auth::BindingResult;
  if (leg.result == nullptr) {
    return;
  }
  SEC_CHANNEL_BINDINGS_RESULT result{};
  switch (leg.reply.bindings) {
    case BindingResult::kUnchecked:
      break;
    case BindingResult::kMatched:
      result.flags = SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED;
      break;
    case BindingResult::kProxied:
      result.flags = SEC_CHANNEL_BINDINGS_RESULT_VALID_PROXY;
      break;
    case BindingResult::kAbsentAllowed:
      result.flags = SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING;
      break;
    case BindingResult::kAbsent:
      result.flags =
          SEC_CHANNEL_BINDINGS_RESULT_ABSENT | SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING;
      break;
    case BindingResult::kMismatched:
      result.flags = SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH;
      break;
  }
  if (leg.reply.client_supports_bindings) {
    result.flags |= SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT;
  }
  std::memcpy(leg.result->pvBuffer, &result, sizeof(result));
  leg.result->cbBuffer = sizeof(result);
}

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
  sspi::Leg leg{.credential = credential, .given = context, .request = request};
  SECURITY_STATUS status =
      sspi::inside_ask()
          ? sspi::refuse(SEC_E_OUT_OF_SEQUENCE, "AcceptSecurityContext inside a USHER_ASK")
          : sspi::check(leg, new_context, input, output);
  if (status == SEC_E_OK) {
    status =
        engine == nullptr ? sspi::refuse(usher::Status::kStaleHandle) : sspi::run(leg, *engine);
  }
  sspi::write_result(leg);
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
  if (expiry != nullptr && leg.complete()) {
    *expiry = sspi::to_filetime(leg.reply.expires_s);
  }
  return status;
}
