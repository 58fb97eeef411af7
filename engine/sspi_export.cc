// ExportSecurityContext and ImportSecurityContext.
#include <memory>
#include <new>

#include "engine/auth/context_image.h"
#include "engine/auth/context_seal.h"
#include "engine/protect/message.h"
#include "engine/secret.h"
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

using auth::ContextImage;
using auth::ContextSealer;
using auth::SealOutcome;

static_assert(USHER_PACKED_CONTEXT_SIZE_MAX >= auth::kSealedOverhead + auth::kImagePacSizeMax +
                                                   auth::kImageDelegatedSizeMax + kContextSize +
                                                   sizeof(protect::SessionState));

std::int64_t now_s(const Engine& engine) noexcept {
  return engine.environment().clock.wall_us() / kMicrosPerSecond;
}

bool has_expired(std::int64_t expires_s, std::int64_t now) noexcept {
  return expires_s != kUnixNever && now > expires_s;
}

// Messages is the place of a context's messages, while the context is packed.
class Messages {
 public:
  // What is stopped and not kept by the end of this object goes on as before.
  explicit Messages(std::uint32_t flags) noexcept
      : deletes_((flags & SECPKG_CONTEXT_EXPORT_DELETE_OLD) != 0),
        resets_((flags & SECPKG_CONTEXT_EXPORT_RESET_NEW) != 0) {}
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;
  ~Messages() {
    if (stopped_ && !kept_) {
      session_->resume();
    }
  }

  // find looks for the Session of a context that is pinned; SEC_E_OK, or the refusal.
  [[nodiscard]] SECURITY_STATUS find(Context& context) noexcept {
    const protect::SessionTerms terms = context.session_terms();
    repeats_ = protect::repeats_key_stream(terms);
    if (context.session == nullptr && repeats_ && !deletes_) {
      context.session = protect::Session::make(terms);  // To be stopped.
      if (context.session == nullptr) {
        return refuse(Status::kNoMemory);
      }
    }
    session_ = context.session;
    state_.has_streams = protect::has_streams(terms);
    return SEC_E_OK;
  }
  // exist says whether there is a Session, whose threads have to be waited for. Without one, there
  // is none for as long as the context stays pinned.
  [[nodiscard]] bool exist() const noexcept { return session_ != nullptr; }
  [[nodiscard]] bool are_of(const Context& context) const noexcept {
    return context.session == session_;
  }
  // largest has the size that state will have at most.
  [[nodiscard]] const protect::SessionState* largest() const noexcept {
    return exist() ? &state_ : nullptr;
  }

  // take waits until no message is in hand and finds where they are; SEC_E_OK, or the refusal. From
  // then on the context sends no more, if it is to be deleted or could only repeat a key stream: no
  // message of a thread that is sending comes behind what is packed. A refusal stops nobody.
  [[nodiscard]] SECURITY_STATUS take() noexcept {
    using Stop = protect::Session::Stop;
    const Stop stop = deletes_ ? Stop::kEverything : repeats_ ? Stop::kSending : Stop::kNothing;
    if (!(resets_ ? session_->save_fresh(state_, stop) : session_->save(state_, stop))) {
      return refuse(SEC_E_OUT_OF_SEQUENCE,
                    "the context was packed before, or this process was forked, and its other "
                    "copy goes on in its place");
    }
    if (resets_ && state_.begun) {
      return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                    "the context's messages have begun: anew, it would use key streams twice, or "
                    "take messages that were recorded");
    }
    stopped_ = stop != Stop::kNothing;
    has_state_ = state_.begun;
    return SEC_E_OK;
  }

  [[nodiscard]] const protect::SessionState* state() const noexcept {
    return has_state_ ? &state_ : nullptr;
  }
  // keep says that somebody will go on from there.
  void keep() noexcept { kept_ = true; }

 private:
  const bool deletes_;
  const bool resets_;
  protect::SessionShare session_;
  protect::SessionState state_;
  bool repeats_ = false;
  bool has_state_ = false;
  bool stopped_ = false;
  bool kept_ = false;
};

// Blob is memory for the caller until it is handed over.
class Blob {
 public:
  explicit Blob(std::size_t size) noexcept
      : bytes_(static_cast<std::uint8_t*>(allocate_for_caller(size)), size) {
    if (bytes_.data() == nullptr) {
      bytes_ = {};
    }
  }
  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;
  ~Blob() {
    if (!bytes_.empty()) {
      wipe(bytes_);
      free_for_caller(bytes_.data());
    }
  }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] MutableBytes bytes() const noexcept { return bytes_; }
  // cut leaves the first `size` bytes; false if there are not as many.
  [[nodiscard]] bool cut(std::size_t size) noexcept {
    if (size > bytes_.size()) {
      return false;
    }
    bytes_ = bytes_.first(size);
    return true;
  }
  void hand_over(SecBuffer& out) noexcept {
    out = {static_cast<std::uint32_t>(bytes_.size()), SECBUFFER_TOKEN, bytes_.data()};
    bytes_ = {};
  }

 private:
  MutableBytes bytes_;
};

// seal_context writes the image of a context where it is sealed; SEC_E_OK, or the refusal.
SECURITY_STATUS seal_context(const Engine& engine, const Context& context,
                             const protect::SessionState* state, std::int64_t now,
                             MutableBytes blob) noexcept {
  const MutableBytes image =
      blob.subspan(auth::kSealedHeaderSize, blob.size() - auth::kSealedOverhead);
  auth::write_image(context, state, engine.environment().contexts.pages(), image);
  if (!auth::read_image(image).ok()) {  // Nobody gets what nobody can import.
    return refuse(Status::kInternal);
  }
  auth::SealedTimes times{.packed_s = now, .good_until_s = now + engine.export_s()};
  if (context.expires_s != kUnixNever) {
    times.good_until_s = std::min(times.good_until_s, context.expires_s);
  }
  const std::unique_ptr<RandomSource> random = make_system_random();
  return random != nullptr && engine.sealer().seal(times, *random, blob)
             ? SEC_E_OK
             : refuse(Status::kInternal);
}

// check_packable says whether a context can be packed now; SEC_E_OK, or the refusal.
SECURITY_STATUS check_packable(const Context& context, std::int64_t now) noexcept {
  if (context.state != auth::State::kEstablished) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  if (has_expired(context.expires_s, now)) {
    return refuse(SEC_E_CONTEXT_EXPIRED, "the context's time has passed");
  }
  return auth::image_fits(context)
             ? SEC_E_OK
             : refuse(SEC_E_CANNOT_PACK, "the client's PAC is too large to be packed");
}

// take_unpinned takes the place of messages while others may use their context: a message in hand
// can be long.
SECURITY_STATUS take_unpinned(auth::ContextPool& contexts, Messages& messages,
                              Pinned<Context>& context) noexcept {
  const ContextHandle handle = context.handle();
  context.reset();
  const SECURITY_STATUS taken = messages.take();
  if (taken != SEC_E_OK) {
    return taken;
  }
  Status status = Status::kEstablished;
  context = contexts.pin_patiently(handle, status);
  if (!context) {
    return refuse(status);
  }
  return messages.are_of(*context) ? SEC_E_OK : refuse(Status::kInternal);
}

SECURITY_STATUS pack(const Engine& engine, const SecHandle* handle, std::uint32_t flags,
                     SecBuffer& out) noexcept {
  auth::ContextPool& contexts = engine.environment().contexts;
  Status status = Status::kEstablished;
  Pinned<Context> context = contexts.pin_patiently(read_context_handle(handle), status);
  if (!context) {
    return refuse(status);
  }
  SECURITY_STATUS result = check_packable(*context, now_s(engine));
  Messages messages(flags);
  result = result == SEC_E_OK ? messages.find(*context) : result;
  if (result != SEC_E_OK) {
    return result;
  }
  // Before anything is stopped, and so for the most there may be.
  Blob blob(auth::image_size(*context, messages.largest()) + auth::kSealedOverhead);
  if (blob.empty()) {
    return refuse(Status::kNoMemory);
  }
  result = messages.exist() ? take_unpinned(contexts, messages, context) : SEC_E_OK;
  if (result != SEC_E_OK) {
    return result;
  }
  // Messages may have been waited for until the context's end, and nobody could import it.
  const std::int64_t now = now_s(engine);
  result = check_packable(*context, now);
  if (result != SEC_E_OK) {
    return result;
  }
  if (!blob.cut(auth::image_size(*context, messages.state()) + auth::kSealedOverhead)) {
    return refuse(Status::kInternal);
  }
  result = seal_context(engine, *context, messages.state(), now, blob.bytes());
  if (result != SEC_E_OK) {
    return result;
  }
  messages.keep();
  blob.hand_over(out);
  if ((flags & SECPKG_CONTEXT_EXPORT_DELETE_OLD) != 0) {
    contexts.release(context);
  }
  return SEC_E_OK;
}

// Plain is room for an image, wiped when it goes.
class Plain {
 public:
  explicit Plain(std::size_t size) noexcept
      : octets_(new (std::nothrow) std::uint8_t[size]()), size_(size) {}
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;
  ~Plain() {
    if (octets_ != nullptr) {
      wipe(bytes());
    }
  }
  [[nodiscard]] bool empty() const noexcept { return octets_ == nullptr; }
  [[nodiscard]] MutableBytes bytes() const noexcept { return {octets_.get(), size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> octets_;
  std::size_t size_;
};

SECURITY_STATUS refuse_sealed(SealOutcome outcome) noexcept {
  switch (outcome) {
    case SealOutcome::kOpened:
      return SEC_E_OK;
    case SealOutcome::kNotSealed:
      return refuse(SEC_E_INVALID_TOKEN, "this is no packed context, or not all of one");
    case SealOutcome::kOtherVersion:
      return refuse(SEC_E_INVALID_TOKEN, "the context was packed by another version of Usher");
    case SealOutcome::kAltered:
      return refuse(SEC_E_MESSAGE_ALTERED,
                    "the packed context was changed, or packed with another key "
                    "(USHER_OPTIONS.ContextKeyFile)");
    case SealOutcome::kFailed:
      break;
  }
  return refuse(Status::kInternal);
}

// check_times says whether a packed context may still be imported. Its time is looked at as an
// authenticator's is: the replay cache remembers it for as long as that lets it in.
SECURITY_STATUS check_times(const auth::SealedTimes& times, const ContextImage& image,
                            std::int64_t now, std::int64_t skew_s) noexcept {
  constexpr std::int64_t kLatest = std::int64_t{1} << 40;  // Within it nothing overflows.
  if (times.packed_s < 0 || times.packed_s > kLatest) {
    return refuse(SEC_E_INVALID_TOKEN, "the packed context is of no time");
  }
  if (times.packed_s > now + skew_s) {
    return refuse(SEC_E_TIME_SKEW, "the context was packed by a clock that is ahead of ours");
  }
  if (now > times.good_until_s || now > times.packed_s + skew_s ||
      has_expired(image.expires_s, now)) {
    return refuse(SEC_E_CONTEXT_EXPIRED, "the context was packed too long ago");
  }
  return SEC_E_OK;
}

bool is_of(const ContextImage& image, auth::Package package) noexcept {
  return package == auth::Package::kNegotiate ||
         (package == auth::Package::kNtlm) == (image.mechanism == gss::Mechanism::kNtlm);
}

// fill makes a fresh context that of the image; SEC_E_OK, or the refusal.
SECURITY_STATUS fill(const Engine& engine, const ContextImage& image, Context& context) noexcept {
  auth::ContextPool& contexts = engine.environment().contexts;
  const std::int64_t steady_us = engine.environment().clock.steady_us();
  auth::fill_context(image, context);
  if (!contexts.keep({&image.pac, 1}, context.pac, steady_us) ||
      !contexts.keep({&image.delegated, 1}, context.delegated, steady_us)) {
    return refuse(Status::kNoFreePage);
  }
  if (image.has_session) {
    const protect::SessionState state = auth::session_state(image);
    protect::SessionTerms terms = context.session_terms();
    terms.state = &state;
    context.session = protect::Session::make(terms);
    if (context.session == nullptr) {
      return refuse(Status::kNoMemory);
    }
  }
  return SEC_E_OK;
}

// note_import says whether it is the first of this packed context.
SECURITY_STATUS note_import(const Engine& engine, const ContextSealer::Opened& opened) noexcept {
  if (!engine.sees_all_replays()) {
    return refuse(
        SEC_E_OUT_OF_SEQUENCE,
        "in a child of fork a packed context is imported with a replay file "
        "(USHER_OPTIONS.ReplayFile) only: without one nobody knows whether it was before");
  }
  switch (engine.environment().replays.test_and_insert(opened.fingerprint, opened.times.packed_s)) {
    case ReplayVerdict::kFresh:
      return SEC_E_OK;
    case ReplayVerdict::kReplay:
      return refuse(SEC_E_OUT_OF_SEQUENCE, "the packed context was imported before");
    case ReplayVerdict::kFull:
      return refuse(Status::kReplayCacheFull);
    case ReplayVerdict::kUnknown:
      break;
  }
  return refuse(SEC_E_OUT_OF_SEQUENCE,
                "the replay cache's file may have lost entries: whether the packed context was "
                "imported before cannot be told");
}

SECURITY_STATUS unpack(const Engine& engine, auth::Package package, Bytes blob,
                       SecHandle& out) noexcept {
  const Plain plain(blob.size() - auth::kSealedOverhead);
  if (plain.empty()) {
    return refuse(Status::kNoMemory);
  }
  const ContextSealer::Opened opened = engine.sealer().open(blob, plain.bytes());
  if (opened.outcome != SealOutcome::kOpened) {
    return refuse_sealed(opened.outcome);
  }
  const Result<ContextImage> image = auth::read_image(plain.bytes());
  if (!image.ok()) {
    return refuse(SEC_E_INVALID_TOKEN, "what was packed is no context");
  }
  const auth::Environment& here = engine.environment();
  const SECURITY_STATUS timely =
      check_times(opened.times, *image, now_s(engine), here.replays.skew_max_s());
  if (timely != SEC_E_OK) {
    return timely;
  }
  if (!is_of(*image, package)) {
    return refuse(SEC_E_SECPKG_NOT_FOUND, "the packed context is of another package");
  }
  Status status = Status::kEstablished;
  Pinned<Context> context = here.contexts.open(here.clock.steady_us(), status);
  if (!context) {
    return refuse(status);
  }
  SECURITY_STATUS result = fill(engine, *image, *context);
  // Last, so that what could not be imported can be later.
  result = result == SEC_E_OK ? note_import(engine, opened) : result;
  if (result != SEC_E_OK) {
    here.contexts.release(context);
    return result;
  }
  auth::enter(context->state, auth::State::kEstablished);
  here.contexts.establish(context);
  write_handle(out, context.handle());
  return SEC_E_OK;
}

template <class Char>
SECURITY_STATUS import_context(const Char* package, const SecBuffer* packed, const void* token,
                               SecHandle* context) noexcept {
  if (packed == nullptr || context == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "ImportSecurityContext: pPackedContext and phContext must not be null");
  }
  if (token != nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "ImportSecurityContext: Token must be null; the user's is made anew where it is "
                  "wanted");
  }
  const PackageRow* const row = find_package(package);
  if (row == nullptr) {
    return refuse(SEC_E_SECPKG_NOT_FOUND, "there is no such security package");
  }
  const std::size_t size = packed->pvBuffer == nullptr ? 0 : packed->cbBuffer;
  if (size > USHER_PACKED_CONTEXT_SIZE_MAX) {
    return refuse_sealed(SealOutcome::kNotSealed);
  }
  const Bytes blob(static_cast<const std::uint8_t*>(packed->pvBuffer), size);
  const SealOutcome look = auth::looks_sealed(blob);
  if (look != SealOutcome::kOpened) {
    return refuse_sealed(look);
  }
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    // One that is made now with a random key could not have packed it either.
    return refuse(SEC_E_MESSAGE_ALTERED,
                  "no engine was started here, and so there is no key to open a packed context "
                  "with (usher_start)");
  }
  return unpack(*engine, row->package, blob, *context);
}

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS ExportSecurityContext(PCtxtHandle context, uint32_t flags,
                                                 PSecBuffer packed, void** token) {
  using namespace usher::sspi;
  constexpr std::uint32_t kServed =
      SECPKG_CONTEXT_EXPORT_RESET_NEW | SECPKG_CONTEXT_EXPORT_DELETE_OLD;
  if (token != nullptr) {
    *token = nullptr;
  }
  if (packed == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "ExportSecurityContext: pPackedContext is null");
  }
  if ((flags & ~(kServed | SECPKG_CONTEXT_EXPORT_TO_KERNEL)) != 0) {
    return refuse(SEC_E_INVALID_PARAMETER, "ExportSecurityContext: a flag is not known");
  }
  const usher::Engine* const engine = running_engine();
  if (engine == nullptr) {
    return refuse(usher::Status::kStaleHandle);
  }
  if ((flags & SECPKG_CONTEXT_EXPORT_TO_KERNEL) != 0) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                  "the kernel takes no contexts here (SECPKG_CONTEXT_EXPORT_TO_KERNEL)");
  }
  return pack(*engine, context, flags, *packed);
}

extern "C" SECURITY_STATUS ImportSecurityContextA(const SEC_CHAR* package, PSecBuffer packed,
                                                  void* token, PCtxtHandle context) {
  return usher::sspi::import_context(package, packed, token, context);
}

extern "C" SECURITY_STATUS ImportSecurityContextW(const SEC_WCHAR* package, PSecBuffer packed,
                                                  void* token, PCtxtHandle context) {
  return usher::sspi::import_context(package, packed, token, context);
}
