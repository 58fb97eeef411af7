// MakeSignature, VerifySignature, EncryptMessage and DecryptMessage: a context's Session, and the
// caller's buffers as its parts.
#include <array>
#include <span>
#include <utility>

#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

using protect::MessageOutcome;
using protect::Part;
using protect::Session;
using protect::SessionShare;

// share_session makes a complete context's Session if there is none; under the context's pin.
SECURITY_STATUS share_session(Context& context, SessionShare& out) noexcept {
  if (context.state != auth::State::kEstablished) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete and has no messages yet");
  }
  if (context.session == nullptr) {
    context.session = Session::make(context.session_terms());
  }
  out = context.session;
  return out != nullptr ? SEC_E_OK : refuse(Status::kNoMemory);
}

// Buffers is a caller's message, sorted.
struct Buffers {
  std::array<Part, protect::kMessagePartsMax> parts;
  std::size_t part_count = 0;
  SecBuffer* token = nullptr;
  SecBuffer* padding = nullptr;
  SecBuffer* stream = nullptr;
  SecBuffer* data = nullptr;  // The last that is sealed and not empty, else the last.
  std::size_t data_count = 0;
  bool data_lacks_memory = false;  // Right only where it comes out of a stream.
  bool is_read_only = false;       // What a message is sealed to or opened in must not be.

  [[nodiscard]] std::span<const Part> message() const noexcept {
    return std::span(parts).first(part_count);
  }
};

MutableBytes bytes_of(const SecBuffer* buffer) noexcept {
  return buffer == nullptr || buffer->pvBuffer == nullptr
             ? MutableBytes{}
             : MutableBytes(static_cast<std::uint8_t*>(buffer->pvBuffer), buffer->cbBuffer);
}

// take_once remembers the only buffer of its type.
SECURITY_STATUS take_once(SecBuffer*& place, SecBuffer& buffer) noexcept {
  return std::exchange(place, &buffer) == nullptr
             ? SEC_E_OK
             : refuse(SEC_E_INVALID_TOKEN, "pMessage holds two buffers of a type that comes once");
}

SECURITY_STATUS take_data(SecBuffer& buffer, Part::Use use, Buffers& out) noexcept {
  if (out.part_count == out.parts.size()) {
    return refuse(SEC_E_INVALID_TOKEN, "pMessage holds more than 16 buffers of data");
  }
  out.parts[out.part_count++] = {.use = use, .bytes = bytes_of(&buffer)};
  if (use == Part::Use::kSealed) {
    // What stands behind the data is behind all that there is of it.
    out.data = buffer.cbBuffer != 0 || out.data == nullptr ? &buffer : out.data;
    ++out.data_count;
  }
  return SEC_E_OK;
}

SECURITY_STATUS take_buffer(SecBuffer& buffer, Buffers& out) noexcept {
  const std::uint32_t type = buffer.BufferType & ~SECBUFFER_ATTRMASK;
  const bool is_signed = (buffer.BufferType & SECBUFFER_READONLY_WITH_CHECKSUM) != 0;
  const bool is_passed_over = (buffer.BufferType & SECBUFFER_READONLY) != 0;
  const bool lacks_memory = buffer.pvBuffer == nullptr && buffer.cbBuffer != 0;
  if (type == SECBUFFER_EMPTY || (type == SECBUFFER_DATA && is_passed_over)) {
    return SEC_E_OK;
  }
  if (type == SECBUFFER_DATA) {
    out.data_lacks_memory = out.data_lacks_memory || lacks_memory;
    return take_data(buffer, is_signed ? Part::Use::kSigned : Part::Use::kSealed, out);
  }
  if (lacks_memory) {
    return refuse(SEC_E_INVALID_PARAMETER, "pMessage: a buffer with a size has no memory");
  }
  out.is_read_only = out.is_read_only || is_signed || is_passed_over;
  switch (type) {
    case SECBUFFER_TOKEN:
      return take_once(out.token, buffer);
    case SECBUFFER_PADDING:
      return take_once(out.padding, buffer);
    case SECBUFFER_STREAM:
      return take_once(out.stream, buffer);
    default:
      return refuse(SEC_E_INVALID_TOKEN,
                    "pMessage holds a buffer of a type that messages do not have");
  }
}

SECURITY_STATUS read_buffers(const SecBufferDesc* list, Buffers& out) noexcept {
  if (list == nullptr || (list->pBuffers == nullptr && list->cBuffers != 0)) {
    return refuse(SEC_E_INVALID_PARAMETER, "pMessage is null or has no buffers");
  }
  if (list->ulVersion != SECBUFFER_VERSION) {
    return refuse(SEC_E_INVALID_TOKEN, "pMessage: ulVersion is not SECBUFFER_VERSION");
  }
  for (SecBuffer& buffer : std::span(list->pBuffers, list->cBuffers)) {
    const SECURITY_STATUS status = take_buffer(buffer, out);
    if (status != SEC_E_OK) {
      return status;
    }
  }
  return out.data_lacks_memory && out.stream == nullptr
             ? refuse(SEC_E_INVALID_PARAMETER, "pMessage: a buffer with a size has no memory")
             : SEC_E_OK;
}

SECURITY_STATUS need_token(const Buffers& buffers) noexcept {
  if (buffers.token == nullptr) {
    return refuse(SEC_E_INVALID_TOKEN, "pMessage holds no SECBUFFER_TOKEN");
  }
  return buffers.stream == nullptr
             ? SEC_E_OK
             : refuse(SEC_E_INVALID_TOKEN, "pMessage: a SECBUFFER_STREAM is for DecryptMessage");
}

// need_writable_token is for who writes a token, or opens one in place.
SECURITY_STATUS need_writable_token(const Buffers& buffers) noexcept {
  const SECURITY_STATUS status = need_token(buffers);
  return status == SEC_E_OK && buffers.is_read_only
             ? refuse(SEC_E_INVALID_TOKEN,
                      "pMessage: SECBUFFER_TOKEN or SECBUFFER_PADDING is for reading only")
             : status;
}

// status_of says in SSPI's words what came of a message; `failed` is what it is called when it
// could not be made or read for want of a working library.
SECURITY_STATUS status_of(MessageOutcome outcome, SECURITY_STATUS failed) noexcept {
  switch (outcome) {
    case MessageOutcome::kGood:
      return SEC_E_OK;
    case MessageOutcome::kMalformed:
      return refuse(SEC_E_INVALID_TOKEN, "this is no token of a message of this context's kind");
    case MessageOutcome::kAltered:
      return refuse(SEC_E_MESSAGE_ALTERED, "the message's checksum is wrong");
    case MessageOutcome::kReplayed:
      return refuse(SEC_E_OUT_OF_SEQUENCE, "the message was seen before");
    case MessageOutcome::kOld:
      return refuse(SEC_E_OUT_OF_SEQUENCE,
                    "the message is too old to tell whether it was seen, or all numbers that the "
                    "peer has for messages are used up");
    case MessageOutcome::kGap:
      return refuse(SEC_E_OUT_OF_SEQUENCE, "the message is not the next one");
    case MessageOutcome::kNotNegotiated:
      return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                    "the client has not negotiated messages that are protected this way");
    case MessageOutcome::kNoSuchForm:
      return refuse(SEC_E_QOP_NOT_SUPPORTED,
                    "NTLM has no message in the form of a sealed one that stays readable");
    case MessageOutcome::kNoRoom:
      return refuse(SEC_E_BUFFER_TOO_SMALL,
                    "pMessage: the token's buffer or the padding's is too small");
    case MessageOutcome::kStopped:
      return refuse(
          SEC_E_OUT_OF_SEQUENCE,
          "the context was packed (ExportSecurityContext), or this process was forked after its "
          "first message, or an attempt at one: its other copy goes on in its place; or all "
          "numbers for our messages are used up");
    case MessageOutcome::kFailed:
      break;
  }
  return refuse(failed, "OpenSSL failed or there was no randomness");
}

// prepare is how each of these calls begins.
SECURITY_STATUS prepare(const SecHandle* context, const SecBufferDesc* list, SessionShare& session,
                        Buffers& buffers) noexcept {
  const SECURITY_STATUS status = find_session(context, session);
  return status == SEC_E_OK ? read_buffers(list, buffers) : status;
}

SECURITY_STATUS refuse_qop() noexcept {
  return refuse(SEC_E_QOP_NOT_SUPPORTED, "fQOP is neither 0 nor SECQOP_WRAP_NO_ENCRYPT");
}

SECURITY_STATUS make_signature(const SecHandle* context, std::uint32_t qop,
                               const SecBufferDesc* list) noexcept {
  SessionShare session;
  Buffers buffers;
  SECURITY_STATUS status = prepare(context, list, session, buffers);
  if (status == SEC_E_OK) {
    status = qop == 0 ? need_writable_token(buffers)
                      : refuse(SEC_E_QOP_NOT_SUPPORTED, "fQOP is not 0, the only one there is");
  }
  if (status != SEC_E_OK) {
    return status;
  }
  const Session::Sealed made = session->sign(buffers.message(), bytes_of(buffers.token));
  if (made.outcome == MessageOutcome::kGood) {
    buffers.token->cbBuffer = static_cast<std::uint32_t>(made.token_size);
  }
  return status_of(made.outcome, SEC_E_INTERNAL_ERROR);
}

SECURITY_STATUS verify_signature(const SecHandle* context, const SecBufferDesc* list,
                                 std::uint32_t* qop) noexcept {
  SessionShare session;
  Buffers buffers;
  SECURITY_STATUS status = prepare(context, list, session, buffers);
  status = status == SEC_E_OK ? need_token(buffers) : status;
  if (status != SEC_E_OK) {
    return status;
  }
  status =
      status_of(session->verify(buffers.message(), bytes_of(buffers.token)), SEC_E_INTERNAL_ERROR);
  if (status == SEC_E_OK && qop != nullptr) {
    *qop = 0;
  }
  return status;
}

SECURITY_STATUS encrypt(const SecHandle* context, std::uint32_t qop,
                        const SecBufferDesc* list) noexcept {
  SessionShare session;
  Buffers buffers;
  SECURITY_STATUS status = prepare(context, list, session, buffers);
  if (status == SEC_E_OK) {
    status =
        qop == 0 || qop == SECQOP_WRAP_NO_ENCRYPT ? need_writable_token(buffers) : refuse_qop();
  }
  if (status != SEC_E_OK) {
    return status;
  }
  const Session::Sealed made = session->seal(buffers.message(), qop == 0, bytes_of(buffers.token),
                                             bytes_of(buffers.padding));
  if (made.outcome == MessageOutcome::kGood) {
    buffers.token->cbBuffer = static_cast<std::uint32_t>(made.token_size);
    if (buffers.padding != nullptr) {
      buffers.padding->cbBuffer = static_cast<std::uint32_t>(made.padding_size);
    }
  }
  return status_of(made.outcome, SEC_E_ENCRYPT_FAILURE);
}

// decrypt_stream opens a message in one piece and tells where in it the data is.
MessageOutcome decrypt_stream(Session& session, const Buffers& buffers, bool& encrypted) noexcept {
  const Session::OpenedStream opened = session.open_stream(bytes_of(buffers.stream));
  encrypted = opened.encrypted;
  if (opened.outcome == MessageOutcome::kGood) {
    buffers.data->pvBuffer = opened.data.data();
    buffers.data->cbBuffer = static_cast<std::uint32_t>(opened.data.size());
  }
  return opened.outcome;
}

MessageOutcome decrypt_parts(Session& session, const Buffers& buffers, bool& encrypted) noexcept {
  const Session::Opened opened =
      session.open(buffers.message(), bytes_of(buffers.token), bytes_of(buffers.padding));
  encrypted = opened.encrypted;
  if (opened.outcome == MessageOutcome::kGood && buffers.data != nullptr) {
    buffers.data->cbBuffer -= static_cast<std::uint32_t>(opened.padding_in_data);
  }
  return opened.outcome;
}

SECURITY_STATUS decrypt(const SecHandle* context, const SecBufferDesc* list,
                        std::uint32_t* qop) noexcept {
  SessionShare session;
  Buffers buffers;
  SECURITY_STATUS status = prepare(context, list, session, buffers);
  if (status != SEC_E_OK) {
    return status;
  }
  const bool in_one_piece = buffers.stream != nullptr;
  if (in_one_piece &&
      (buffers.token != nullptr || buffers.padding != nullptr || buffers.is_read_only ||
       buffers.data_count != 1 || buffers.part_count != 1)) {
    return refuse(SEC_E_INVALID_TOKEN,
                  "pMessage: with a SECBUFFER_STREAM there is one SECBUFFER_DATA and nothing else, "
                  "and it is not for reading only");
  }
  status = in_one_piece ? SEC_E_OK : need_writable_token(buffers);
  if (status != SEC_E_OK) {
    return status;
  }
  bool encrypted = false;
  status = status_of(in_one_piece ? decrypt_stream(*session, buffers, encrypted)
                                  : decrypt_parts(*session, buffers, encrypted),
                     SEC_E_DECRYPT_FAILURE);
  if (status == SEC_E_OK && qop != nullptr) {
    *qop = encrypted ? 0 : SECQOP_WRAP_NO_ENCRYPT;
  }
  return status;
}

}  // namespace

SECURITY_STATUS find_session(const SecHandle* context, SessionShare& out) noexcept {
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    return refuse(Status::kStaleHandle);
  }
  Status status = Status::kEstablished;
  const Pinned<Context> pinned =
      engine->environment().contexts.pin_patiently(read_context_handle(context), status);
  return pinned ? share_session(*pinned, out) : refuse(status);
}

}  // namespace usher::sspi

extern "C" SECURITY_STATUS MakeSignature(PCtxtHandle context, uint32_t qop, PSecBufferDesc message,
                                         uint32_t /*sequence*/) {
  return usher::sspi::make_signature(context, qop, message);
}

extern "C" SECURITY_STATUS VerifySignature(PCtxtHandle context, PSecBufferDesc message,
                                           uint32_t /*sequence*/, uint32_t* qop) {
  return usher::sspi::verify_signature(context, message, qop);
}

extern "C" SECURITY_STATUS EncryptMessage(PCtxtHandle context, uint32_t qop, PSecBufferDesc message,
                                          uint32_t /*sequence*/) {
  return usher::sspi::encrypt(context, qop, message);
}

extern "C" SECURITY_STATUS DecryptMessage(PCtxtHandle context, PSecBufferDesc message,
                                          uint32_t /*sequence*/, uint32_t* qop) {
  return usher::sspi::decrypt(context, message, qop);
}
