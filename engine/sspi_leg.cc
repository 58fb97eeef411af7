// A call's arguments checked and its results handed over; sspi_leg.h says in which order.
#include "engine/sspi_leg.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <span>
#include <utility>

namespace usher::sspi {
namespace {

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

// required_of is which protections a client without is refused for.
gss::ContextFlags required_of(std::uint32_t request) noexcept {
  using gss::ContextFlags;
  struct Pair {
    std::uint32_t asked;
    ContextFlags flag;
  };
  static constexpr std::array kPairs = {
      Pair{ASC_REQ_MUTUAL_AUTH, ContextFlags::kMutual},
      Pair{ASC_REQ_REPLAY_DETECT, ContextFlags::kReplay},
      Pair{ASC_REQ_SEQUENCE_DETECT, ContextFlags::kSequence},
      Pair{ASC_REQ_CONFIDENTIALITY, ContextFlags::kConfidentiality},
      Pair{ASC_REQ_INTEGRITY, ContextFlags::kIntegrity},
  };
  ContextFlags required{};
  for (const Pair& pair : kPairs) {
    required = required | ((request & pair.asked) != 0 ? pair.flag : ContextFlags{});
  }
  return required;
}

// overlaps says whether any of the list's buffers has memory in common with `bytes`.
bool overlaps(const SecBufferDesc* list, Bytes bytes) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
  for (const SecBuffer& buffer : buffers_of(list)) {
    const auto other = reinterpret_cast<std::uintptr_t>(buffer.pvBuffer);
    if (begin < other + buffer.cbBuffer && other < begin + bytes.size()) {
      return true;
    }
  }
  return false;
}

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

}  // namespace

void poison_results(const AcceptArguments& arguments) noexcept {
  if (arguments.new_context != nullptr && !arguments.one_handle) {
    std::memset(arguments.new_context, kPoison, sizeof(SecHandle));
  }
  if (arguments.attributes != nullptr) {
    std::memset(arguments.attributes, kPoison, sizeof(std::uint32_t));
  }
  if (arguments.expiry != nullptr) {
    std::memset(arguments.expiry, kPoison, sizeof(TimeStamp));
  }
  const auto is_list = [](const SecBufferDesc* list) {
    return list == nullptr || list->ulVersion == SECBUFFER_VERSION;
  };
  if ((arguments.request & ASC_REQ_ALLOCATE_MEMORY) != 0 || !is_list(arguments.input) ||
      !is_list(arguments.output)) {
    return;
  }
  for (const SecBuffer& buffer : buffers_of(arguments.output)) {
    if (type_of(buffer) == SECBUFFER_TOKEN && buffer.pvBuffer != nullptr &&
        !overlaps(arguments.input, bytes_of(buffer))) {
      std::memset(buffer.pvBuffer, kPoison, buffer.cbBuffer);
    }
  }
}

// read_token takes the token, which only the first call may leave out.
SECURITY_STATUS Leg::read_token(const SecBuffer* found, bool is_first, Input& input) noexcept {
  if (found == nullptr) {
    return is_first ? SEC_E_OK : refuse(SEC_E_INVALID_TOKEN, "pInput holds no SECBUFFER_TOKEN");
  }
  input.token = bytes_of(*found);
  const bool says_nothing = is_first && found->cbBuffer == 0;
  return input.token.empty() && !says_nothing ? refuse(Status::kEmptyToken) : SEC_E_OK;
}

SECURITY_STATUS Leg::read_bindings(const SecBuffer* found, Input& input) noexcept {
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
SECURITY_STATUS Leg::read_input(const SecBufferDesc* list, bool is_first, Input& input) noexcept {
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

SECURITY_STATUS Leg::find_room() noexcept {
  SecBufferDesc* const output = arguments_.output;
  const bool allocate = asked_for(ASC_REQ_ALLOCATE_MEMORY);
  if (output != nullptr && output->ulVersion != SECBUFFER_VERSION) {
    return refuse(SEC_E_INVALID_TOKEN, "pOutput: ulVersion is not SECBUFFER_VERSION");
  }
  SECURITY_STATUS status = SEC_E_OK;
  for (SecBuffer& buffer : buffers_of(output)) {
    if (type_of(buffer) == SECBUFFER_CHANNEL_BINDINGS_RESULT && status == SEC_E_OK) {
      status = find_result(buffer, result_);
    }
    if (type_of(buffer) != SECBUFFER_TOKEN) {
      continue;
    }
    if (room_.buffer != nullptr) {
      return refuse(SEC_E_INVALID_TOKEN, "pOutput holds more than one SECBUFFER_TOKEN");
    }
    room_ = {.buffer = &buffer, .size = buffer.cbBuffer, .allocate = allocate};
    buffer.cbBuffer = 0;
    if (allocate) {
      buffer.pvBuffer = nullptr;
    }
  }
  return status;
}

// room is how much of a reply the caller can take.
std::size_t Leg::room() const noexcept {
  if (room_.buffer == nullptr) {
    return 0;
  }
  if (room_.allocate) {
    return kReplySizeMax;
  }
  return room_.buffer->pvBuffer == nullptr ? 0 : std::min<std::size_t>(room_.size, kReplySizeMax);
}

SECURITY_STATUS Leg::refuse_no_room() const noexcept {
  return room_.buffer != nullptr
             ? refuse(Status::kReplyTooLong)
             : refuse(SEC_E_INSUFFICIENT_BUFFERS,
                      "pOutput holds no SECBUFFER_TOKEN, and there is a reply to send");
}

// deliver hands a reply over that was made for room().
SECURITY_STATUS Leg::deliver(Bytes reply) const noexcept {
  assert(reply.size() <= room());
  if (reply.empty()) {
    return SEC_E_OK;
  }
  if (room_.allocate) {
    room_.buffer->pvBuffer = allocate_for_caller(reply.size());
    if (room_.buffer->pvBuffer == nullptr) {
      return refuse(Status::kNoMemory);
    }
  }
  std::memcpy(room_.buffer->pvBuffer, reply.data(), reply.size());
  room_.buffer->cbBuffer = static_cast<std::uint32_t>(reply.size());
  return SEC_E_OK;
}

SECURITY_STATUS Leg::check() noexcept {
  const bool is_first = arguments_.context == nullptr;
  if (!is_first) {
    context_ = read_context_handle(arguments_.context);
    assert(context_ != ContextHandle{});  // Which would mean a first token.
  }
  // The token first: pInput and pOutput may be the same list, and find_room writes to it. And both,
  // whatever the first says: a refused call must not leave a size in pOutput.
  const SECURITY_STATUS input_status = read_input(arguments_.input, is_first, input_);
  const SECURITY_STATUS output_status = find_room();
  if (input_status != SEC_E_OK || output_status != SEC_E_OK) {
    return input_status != SEC_E_OK ? input_status : output_status;
  }
  return arguments_.new_context == nullptr ? refuse(SEC_E_INVALID_HANDLE, "phNewContext is null")
                                           : SEC_E_OK;
}

SECURITY_STATUS Leg::prepare(auth::Desk& desk, auth::Credential& credential, MutableBytes reply,
                             auth::AcceptRequest& request) noexcept {
  request = {.credential = &credential,
             .context = context_,
             .token = input_.token,
             .reply = reply.first(room()),
             .error_tokens = asked_for(ASC_REQ_EXTENDED_ERROR),
             .bindings = {},
             .binding_demand = {.allow_missing = asked_for(ASC_REQ_ALLOW_MISSING_BINDINGS),
                                .proxy = asked_for(ASC_REQ_PROXY_BINDINGS),
                                .audit = input_.bindings.audit},
             .required = required_of(arguments_.request),
             .take_delegation = asked_for(ASC_REQ_DELEGATE),
             .allow_anonymous = asked_for(ASC_REQ_ALLOW_NULL_SESSION),
             .allow_replay = asked_for(ASC_REQ_ALLOW_CONTEXT_REPLAY),
             .recorded_challenge = {}};
  if (input_.has_bindings && !auth::make_bindings(desk, input_.bindings.fields, request.bindings)) {
    return refuse(Status::kInternal);
  }
  context_ = {};  // From here on it is auth's to end.
  return SEC_E_OK;
}

SECURITY_STATUS Leg::accepted(const auth::AcceptReply& reply, Bytes reply_bytes) noexcept {
  reply_ = reply;
  const Bytes reply_token = reply_bytes.first(reply.reply_size);
  if (!succeeded(reply.verdict.status)) {
    static_cast<void>(deliver(reply_token));  // If memory for an error token fails it is lost.
    return reply.verdict.status == Status::kReplyTooLong
               ? refuse_no_room()
               : refuse(reply.verdict.status, reply.verdict.fault);
  }
  context_ = reply.context;
  const SECURITY_STATUS delivered = deliver(reply_token);
  return delivered == SEC_E_OK ? to_sspi(reply.verdict.status) : delivered;
}

// end_refused ends what a call that was refused outside of auth::accept would leave behind: a
// reply that has no room belongs to a context of this call's own making, anything else must not end
// a session that is in use.
void Leg::end_refused(const Engine& engine) const noexcept {
  bool in_use = false;
  const Status status = engine.inspect(context_, [&in_use](const Context& context) {
    in_use = context.state == auth::State::kEstablished;
  });
  if (status == Status::kEstablished && (complete() || !in_use)) {
    static_cast<void>(engine.release(context_));
  }
}

std::uint32_t Leg::granted() const noexcept {
  std::uint32_t attributes =
      arguments_.request &
      (reply_.tells_errors ? ASC_REQ_CONNECTION | ASC_REQ_EXTENDED_ERROR : ASC_REQ_CONNECTION);
  if (room_.allocate && room_.buffer->pvBuffer != nullptr) {
    attributes |= ASC_RET_ALLOCATED_MEMORY;
  }
  if (reply_.replayed) {
    attributes |= ASC_RET_ALLOW_CONTEXT_REPLAY;
  }
  return complete() ? attributes | granted_attributes(reply_.flags) : attributes;
}
static_assert(ASC_REQ_CONNECTION == ASC_RET_CONNECTION);
static_assert(ASC_REQ_EXTENDED_ERROR == ASC_RET_EXTENDED_ERROR);

// write_result tells what came of the channel bindings, also of a call that was refused.
void Leg::write_result() const noexcept {
  using auth::BindingResult;
  if (result_ == nullptr) {
    return;
  }
  SEC_CHANNEL_BINDINGS_RESULT result{};
  switch (reply_.bindings) {
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
  if (reply_.client_supports_bindings) {
    result.flags |= SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT;
  }
  std::memcpy(result_->pvBuffer, &result, sizeof(result));
  result_->cbBuffer = sizeof(result);
}

SECURITY_STATUS Leg::conclude(SECURITY_STATUS status, const Engine* engine) noexcept {
  write_result();
  if (status < 0) {
    if (engine != nullptr) {
      end_refused(*engine);
    }
    if (arguments_.new_context != nullptr && !arguments_.one_handle) {
      SecInvalidateHandle(arguments_.new_context);
    }
    if (arguments_.attributes != nullptr) {
      *arguments_.attributes = 0;
    }
    return status;
  }
  write_handle(*arguments_.new_context, context_);
  if (arguments_.attributes != nullptr) {
    *arguments_.attributes = granted();
  }
  if (arguments_.expiry != nullptr && complete()) {
    *arguments_.expiry = to_local_filetime(reply_.expires_s);
  }
  return status;
}

}  // namespace usher::sspi
