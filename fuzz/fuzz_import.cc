// ImportSecurityContext with what was sealed by who has the key and packs anything: a model says
// what comes of it, what is imported is a context in every way, and packed again it is the same. An
// input is four octets - what is done to the blob, package, age, life - and an image.
#include <algorithm>
#include <array>
#include <optional>

#include "fuzz/api_caller.h"
#include "fuzz/support/image_layers.h"

namespace usher::fuzz {
namespace {

using auth::ContextImage;

constexpr std::size_t kChoices = 4;
constexpr std::uint32_t kImportsMax = 1u << 13;  // Before the replay cache has to forget.
constexpr std::uint32_t kPageCount = 160;
const Octets kKey(auth::kContextKeySize, 0x6b);

// Importer is the process's engine and another that has its key. Both live on from input to input.
struct Importer {
  Importer() : file("usher-fuzz-context-key", kKey), sealer(auth::ContextSealer::make(kKey)) {
    bool already = false;
    ReplayFile::Reason why{};
    engine = sspi::start_engine({.slot_count = 4,
                                 .replay_entry_count = 1u << 16,
                                 .page_count = kPageCount,
                                 .skew_max_s = kSkewMaxSeconds,
                                 .ticket_count = 0,
                                 .context_key_file = file.path(),
                                 .clock = &g_clock},
                                already, &why);
    check(engine != nullptr && sealer != nullptr, "the engine can be started");
  }
  File file;
  std::unique_ptr<auth::ContextSealer> sealer;
  Engine* engine = nullptr;
  std::uint32_t imports = 0;
};
Importer& importer() {
  static Importer one;
  return one;
}

std::int64_t now_s() { return g_clock.wall / kMicrosPerSecond; }

// Choices is what an input's first octets say.
struct Choices {
  enum class Way : std::uint8_t { kWhole, kFlipped, kCut, kLonger, kOtherKey, kCount };
  Way way;
  std::uint32_t where;
  std::size_t package;  // Behind the last: none that there is.
  bool wide;
  auth::SealedTimes times;

  explicit Choices(Bytes octets)
      : way(Way(octets[0] % 8 < 4 ? 0 : octets[0] % 8 - 3)),
        where(octets[0] / 8u * 97u),
        package(octets[1] % 4),
        wide(octets[1] >= 128) {
    constexpr std::int64_t kStep = 4;
    times.packed_s = now_s() - kStep * static_cast<std::int8_t>(octets[2]);
    times.good_until_s = times.packed_s + kStep * static_cast<std::int8_t>(octets[3]);
  }
};

SECURITY_STATUS import(const Choices& choices, Octets blob, CtxtHandle& out) {
  constexpr std::array<const char*, 4> kNames = {NEGOSSP_NAME_A, "Kerberos", "ntlm", "Digest"};
  constexpr std::array<const SEC_WCHAR*, 4> kWideNames = {NEGOSSP_NAME_W, u"kerberos", u"NTLM",
                                                          u""};
  SecBuffer buffer{static_cast<std::uint32_t>(blob.size()), SECBUFFER_TOKEN, blob.data()};
  out = invalid_handle();
  const SECURITY_STATUS status =
      choices.wide ? ImportSecurityContextW(kWideNames[choices.package], &buffer, nullptr, &out)
                   : ImportSecurityContextA(kNames[choices.package], &buffer, nullptr, &out);
  importer().imports += status == SEC_E_OK ? 1 : 0;
  check(same(out, invalid_handle()) == (status != SEC_E_OK), "a handle comes with success only");
  check(status == SEC_E_OK || *usher_last_refusal() != '\0', "a refusal says why");
  return status;
}

// expected is what the model says of a whole blob; sizes are far below their bound.
SECURITY_STATUS expected(const Choices& choices, const Result<ContextImage>& image) {
  if (choices.package == 3) {
    return SEC_E_SECPKG_NOT_FOUND;
  }
  if (!image.ok()) {
    return SEC_E_INVALID_TOKEN;
  }
  const auth::SealedTimes& times = choices.times;
  if (times.packed_s - now_s() > kSkewMaxSeconds) {
    return SEC_E_TIME_SKEW;
  }
  const bool ended = image->expires_s != 0 && image->expires_s < now_s();
  if (times.good_until_s < now_s() || now_s() - times.packed_s > kSkewMaxSeconds || ended) {
    return SEC_E_CONTEXT_EXPIRED;
  }
  const bool is_ntlm = image->mechanism == gss::Mechanism::kNtlm;
  return choices.package != 0 && is_ntlm != (choices.package == 2) ? SEC_E_SECPKG_NOT_FOUND
                                                                   : SEC_E_OK;
}

Octets sealed(const auth::ContextSealer& sealer, const auth::SealedTimes& times, Bytes image) {
  Octets blob(image.size() + auth::kSealedOverhead);
  copy(image, MutableBytes(blob).subspan(auth::kSealedHeaderSize));
  check(sealer.seal(times, g_random, blob), "it can be sealed");
  return blob;
}

// damaged does to a blob what the input says; it must be refused, and change nothing.
void check_damaged(const Choices& choices, Octets blob, Bytes image) {
  using Way = Choices::Way;
  switch (choices.way) {
    case Way::kFlipped:
      blob[choices.where % blob.size()] ^= static_cast<std::uint8_t>(1u << choices.where % 7);
      break;
    case Way::kCut:
      blob.resize(choices.where % blob.size());
      break;
    case Way::kLonger:
      blob.push_back(static_cast<std::uint8_t>(choices.where));
      break;
    case Way::kOtherKey: {
      Octets other = kKey;
      other[choices.where % other.size()] ^= 1;
      blob = sealed(*auth::ContextSealer::make(other), choices.times, image);
      break;
    }
    default:
      return;
  }
  CtxtHandle context;
  const SECURITY_STATUS status = import(choices, blob, context);
  check(status == SEC_E_MESSAGE_ALTERED || status == SEC_E_INVALID_TOKEN ||
            (status == SEC_E_SECPKG_NOT_FOUND && choices.package == 3),
        "what was changed is refused");
}

template <class Answer>
void ask(CtxtHandle& context, std::uint32_t attribute) {
  Answer answer{};
  const SECURITY_STATUS status = QueryContextAttributesW(&context, attribute, &answer);
  check(status != SEC_E_INVALID_HANDLE && status != SEC_E_OUT_OF_SEQUENCE &&
            status != SEC_E_INTERNAL_ERROR,
        "a complete context answers");
  if (status != SEC_E_OK) {
    return;
  }
  if constexpr (requires { answer.sUserName; }) {
    FreeContextBuffer(answer.sUserName);
  } else if constexpr (requires { answer.sAuthorityName; }) {
    FreeContextBuffer(answer.sAuthorityName);
  } else if constexpr (requires { answer.sClientName; }) {
    FreeContextBuffer(answer.sClientName);
    FreeContextBuffer(answer.sServerName);
  } else if constexpr (requires { answer.SessionKey; }) {
    FreeContextBuffer(answer.SessionKey);
  } else if constexpr (requires { answer.sTargetName; }) {
    FreeContextBuffer(answer.sTargetName);
  }
}

void check_answers(CtxtHandle& context, const ContextImage& image) {
  ask<SecPkgContext_Sizes>(context, SECPKG_ATTR_SIZES);
  ask<SecPkgContext_NamesW>(context, SECPKG_ATTR_NAMES);
  ask<SecPkgContext_NativeNamesW>(context, SECPKG_ATTR_NATIVE_NAMES);
  ask<SecPkgContext_AuthorityW>(context, SECPKG_ATTR_AUTHORITY);
  ask<SecPkgContext_SessionKey>(context, SECPKG_ATTR_SESSION_KEY);
  ask<SecPkgContext_Lifespan>(context, SECPKG_ATTR_LIFESPAN);
  ask<SecPkgContext_ClientSpecifiedTarget>(context, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET);
  PUSHER_IDENTITY identity = nullptr;
  const SECURITY_STATUS told = usher_query_identity(&context, &identity);
  check((told == SEC_E_NO_IMPERSONATION) == image.pac.empty(), "a PAC tells, and nothing else");
  check(told != SEC_E_INTERNAL_ERROR, "whatever is kept as one is a PAC");
  FreeContextBuffer(identity);
  const SECURITY_STATUS stored = usher_store_delegated(&context, "MEMORY:usher-fuzz-import");
  check((stored == SEC_E_NO_CREDENTIALS) == image.delegated.empty(), "what is there is stored");
}

// check_packed packs the context, which ends it, and wants the image again.
Octets check_packed(CtxtHandle& context, Bytes input) {
  SecBuffer packed{};
  check(ExportSecurityContext(&context, SECPKG_CONTEXT_EXPORT_DELETE_OLD, &packed, nullptr) ==
            SEC_E_OK,
        "what was imported can be packed");
  check(DeleteSecurityContext(&context) == SEC_E_INVALID_HANDLE, "and is deleted then");
  const auto* const bytes = static_cast<const std::uint8_t*>(packed.pvBuffer);
  Octets blob(bytes, bytes + packed.cbBuffer);
  FreeContextBuffer(packed.pvBuffer);
  Octets again(blob.size() - auth::kSealedOverhead);
  check(importer().sealer->open(blob, again).outcome == auth::SealOutcome::kOpened,
        "engines of one key open each other's");
  check(std::ranges::equal(again, input), "it is the same");
  return blob;
}

void check_imported(CtxtHandle& context, const ContextImage& image, Bytes input) {
  check_answers(context, image);
  const Octets blob = check_packed(context, input);
  const Choices plain(std::array<std::uint8_t, kChoices>{});
  CtxtHandle next;
  check(import(plain, blob, next) == SEC_E_OK, "a copy can be imported");
  std::array<std::uint8_t, 64> token{};
  std::array<std::uint8_t, 5> data{1, 2, 3, 4, 5};
  std::array buffers = {SecBuffer{data.size(), SECBUFFER_DATA, data.data()},
                        SecBuffer{token.size(), SECBUFFER_TOKEN, token.data()}};
  SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
  const SECURITY_STATUS made = MakeSignature(&next, 0, &message, 0);
  check(made == SEC_E_OK || made == SEC_E_UNSUPPORTED_FUNCTION, "and makes messages");
  check(DeleteSecurityContext(&next) == SEC_E_OK, "and ends");
}

}  // namespace

void run_one(Bytes input) {
  if (input.size() < kChoices || input.size() > USHER_PACKED_CONTEXT_SIZE_MAX / 2) {
    return;
  }
  Importer& here = importer();
  if (here.imports > kImportsMax) {  // By wall time all inputs begin alike until then.
    here.imports = 0;
    g_clock.wall += (std::int64_t{1} << 21) * kMicrosPerSecond;
  }
  const Choices choices(input);
  const Bytes packed = input.subspan(kChoices);
  const Result<ContextImage> image = auth::read_image(packed);
  const Octets blob = sealed(*here.sealer, choices.times, packed);
  check_damaged(choices, blob, packed);
  CtxtHandle context;
  const SECURITY_STATUS status = import(choices, blob, context);
  check(status == expected(choices, image), "the status is the model's");
  if (status == SEC_E_OK) {
    CtxtHandle second;
    check(import(choices, blob, second) == SEC_E_OUT_OF_SEQUENCE, "once is all it is good for");
    check_imported(context, *image, packed);
  }
  const auth::ContextPool& contexts = here.engine->environment().contexts;
  check(contexts.live() == 0 && contexts.pages()->free_count() == kPageCount,
        "nothing is left behind");
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  Octets input(data, data + size);
  input.resize(std::max(input.size(), kChoices));
  Mutator mutator(seed);
  Octets choices(input.begin(), input.begin() + kChoices);
  Octets image(input.begin() + kChoices, input.end());
  if (mutator.chance(15)) {
    choices[mutator.below(kChoices)] = static_cast<std::uint8_t>(mutator.below(256));
  } else {
    image = mutate_image(image, size_max - std::min(size_max, kChoices), seed);
  }
  choices.insert(choices.end(), image.begin(), image.end());
  return hand_back(choices, data, size_max);
}
