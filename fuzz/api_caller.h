// What fuzz_api.cc calls the C ABI with: the process's engine, clock and files, good tokens, and
// one AcceptSecurityContext in any shape.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sspi_internal.h"
#include "fuzz/support/world.h"
#include "parsers/channel_bindings.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {

inline constexpr std::uint32_t kSlots = 12;
inline constexpr std::uint32_t kHalfOpenSeconds = 60;
inline constexpr std::uint32_t kReplayEntries = 1u << 16;
inline constexpr int kStepsMax = 24;
inline constexpr int kReloadsMax = 1;   // They read files.
inline constexpr int kAcquiresMax = 2;  // So do these.
inline constexpr int kFloodsMax = 2;
inline constexpr int kUsersAskedMax = 2;  // On another thread.

// The process's one engine lives on from input to input, and so does its clock.
struct EngineClock final : Clock {
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return wall; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return steady; }
  [[nodiscard]] std::uint32_t steady_s() const {
    return static_cast<std::uint32_t>(steady / kMicrosPerSecond);
  }
  std::int64_t wall = kNowSeconds * kMicrosPerSecond;
  std::int64_t steady = 1000 * kMicrosPerSecond;
};
inline EngineClock g_clock;
inline std::uint32_t g_swept_s = 0;  // When the engine last looked for half-open contexts to end.

// How many authenticators the replay cache has taken since its entries last became old.
inline std::uint32_t g_authenticators = 0;

// Authenticators must not repeat from input to input, or they would be replays.
inline mint::SeededRandom g_random(3);

// File is a file in memory.
class File {
 public:
  File(const char* name, Bytes contents) : descriptor_(::memfd_create(name, MFD_CLOEXEC)) {
    check(descriptor_ >= 0 && ::fchmod(descriptor_, 0600) == 0, "a file can be made");
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
    write(contents);
  }
  void write(Bytes contents) const {
    check(::ftruncate(descriptor_, 0) == 0 &&
              ::pwrite(descriptor_, contents.data(), contents.size(), 0) ==
                  static_cast<ssize_t>(contents.size()),
          "a file can be written");
  }
  [[nodiscard]] const char* path() const { return path_.c_str(); }

 private:
  int descriptor_;
  std::string path_;
};

inline CtxtHandle invalid_handle() {
  CtxtHandle handle;
  SecInvalidateHandle(&handle);
  return handle;
}

inline bool same(const SecHandle& a, const SecHandle& b) {
  return a.dwLower == b.dwLower && a.dwUpper == b.dwUpper;
}

inline constexpr std::array kPackageNames = {NEGOSSP_NAME_A, MICROSOFT_KERBEROS_NAME_A,
                                             NTLMSP_NAME_A};
inline constexpr std::array kPackages = {auth::Package::kNegotiate, auth::Package::kKerberos,
                                         auth::Package::kNtlm};

// Process is the engine, its files, and one credential of each package that stay.
struct Process {
  Process()
      : keytab("usher-fuzz-keytab", mint::keytab_image(world().services)),
        accounts("usher-fuzz-accounts",
                 mint::octets_of(std::string_view("EXAMPLE:alice:Al1ce-Passw0rd\n"))) {
    // No realm is this machine's, so that none of our clients is a user of it.
    check(::setenv("KRB5_CONFIG", "/dev/null", 1) == 0, "an environment can be set");
    bool already = false;
    const EngineOptions options{.slot_count = kSlots,
                                .half_open_s = kHalfOpenSeconds,
                                .replay_entry_count = kReplayEntries,
                                .skew_max_s = kSkewMaxSeconds,
                                .clock = &g_clock};
    check(sspi::start_engine(options, already) != nullptr && !already, "the engine can be started");
    for (std::size_t n = 0; n < kPackageNames.size(); ++n) {
      check(acquire(kPackageNames[n], credentials[n]) == SEC_E_OK, "credentials can be acquired");
    }
  }

  SECURITY_STATUS acquire(const char* package, CredHandle& out,
                          std::uint32_t use = SECPKG_CRED_INBOUND) const {
    USHER_ACCEPTOR acceptor{};
    acceptor.Version = USHER_ACCEPTOR_VERSION;
    acceptor.Size = sizeof(acceptor);
    acceptor.Keytab = keytab.path();
    acceptor.Accounts = accounts.path();
    acceptor.NetbiosDomain = "EXAMPLE";
    acceptor.NetbiosComputer = "WEB";
    acceptor.DnsDomain = "example.test";
    acceptor.DnsComputer = "web.example.test";
    return AcquireCredentialsHandleA(nullptr, package, use, nullptr, &acceptor, nullptr, nullptr,
                                     &out, nullptr);
  }

  File keytab;
  File accounts;
  std::array<CredHandle, 3> credentials{};
};
inline Process& process() {
  static Process one;
  return one;
}

// Script hands the input out in bytes; past its end, zeros.
struct Script {
  Bytes rest;
  std::uint8_t byte() {
    const std::uint8_t value = rest.empty() ? std::uint8_t{0} : rest.front();
    rest = rest.subspan(rest.empty() ? 0 : 1);
    return value;
  }
  Bytes chunk() {
    const std::size_t wanted = byte();
    const Bytes taken = rest.first(std::min(wanted, rest.size()));
    rest = rest.subspan(taken.size());
    return taken;
  }
};

// Expected is what a token by itself would bring, before buffers and handles are looked at.
enum class Expected : std::uint8_t {
  kEstablished,
  kContinue,
  kRefused,
  kNotEstablished,  // Any bytes: whatever comes of them, nobody is signed on.
};

struct Offer {
  Octets token{};
  Expected expected = Expected::kNotEstablished;
  bool bare_ntlm = false;    // The exchange it begins.
  bool spnego_ntlm = false;  // Ditto.
  int authenticator = -1;    // Which Kerberos token it is.
};

// Exchange is a context as the model knows it; it outlives the context, as its handle may.
struct Exchange {
  CtxtHandle handle = invalid_handle();
  enum class State : std::uint8_t { kGone, kHalfOpen, kEstablished } state = State::kGone;
  std::uint32_t deadline_s = 0;
  std::int64_t challenged_s = 0;  // By the wall clock, which an NTLM client's answer repeats.
  auth::Package credential = auth::Package::kNegotiate;
  bool bare_ntlm = false;
  bool spnego_ntlm = false;
  bool hinted = false;  // The client has said nothing yet.
  Octets reply{};       // The last one.

  [[nodiscard]] bool live() const { return state != State::kGone; }
  [[nodiscard]] bool ntlm() const { return bare_ntlm || spnego_ntlm; }
};
using State = Exchange::State;

inline const Octets& ntlm_negotiate() {
  static const Octets one = mint::ntlm_negotiate({});
  return one;
}

// KerberosTokens are good tokens of this input, each made when it is first wanted.
class KerberosTokens {
 public:
  static constexpr std::size_t kCount = 2;

  // get makes the first in SPNEGO, the other bare.
  const Octets& get(std::size_t n) {
    Octets& token = tokens_[n];
    if (token.empty()) {
      const mint::KerberosMint mint(*world().kit, g_random);
      mint::AuthenticatorFields fields;
      fields.ctime = g_clock.wall / kMicrosPerSecond;
      fields.cusec = static_cast<std::uint32_t>(n);
      made_s_[n] = fields.ctime;
      const mint::ApReq request = mint.ap_req(ticket(mint, fields.ctime), fields);
      token = is_spnego(n) ? mint::spnego_token(request.message) : mint::gss_token(request.message);
    }
    return token;
  }
  static bool is_spnego(std::size_t n) { return n % 2 == 0; }

  // in_time says whether the token is still, or already, within the clock skew. A ticket holds
  // longer.
  [[nodiscard]] bool in_time(std::size_t n) const {
    const std::int64_t now_us = g_clock.wall;
    const std::int64_t made_us = made_s_[n] * kMicrosPerSecond + static_cast<std::int64_t>(n);
    return std::max(now_us - made_us, made_us - now_us) <= kSkewMaxSeconds * kMicrosPerSecond;
  }
  bool seen(std::size_t n) const { return seen_[n]; }
  void see(std::size_t n) { seen_[n] = true; }

 private:
  // ticket lasts for all inputs around now, before the clock has gone on too far.
  static const mint::Ticket& ticket(const mint::KerberosMint& mint, std::int64_t now_s) {
    constexpr std::int64_t kLifeSeconds = 30 * 86'400;
    static mint::Ticket one;
    static std::int64_t made_s = 0;
    if (made_s == 0 || now_s - made_s > kLifeSeconds / 2 || now_s < made_s) {
      made_s = now_s;
      one = mint.ticket(world().services[0],
                        {.auth_time = now_s - kLifeSeconds, .end_time = now_s + kLifeSeconds});
    }
    return one;
  }

  std::array<Octets, kCount> tokens_;
  std::array<std::int64_t, kCount> made_s_{};
  std::array<bool, kCount> seen_{};
};

// Shape is how a call presents its buffers and other arguments.
enum class Shape : std::uint8_t {
  kUsual,
  kSmallRoom,    // A chosen number of bytes.
  kNoOutput,     // No pOutput at all.
  kAllocate,     // ASC_REQ_ALLOCATE_MEMORY.
  kInPlace,      // pInput and pOutput are one list.
  kSameContext,  // phNewContext is phContext.
  kEmptyToken,
  kTwoTokens,      // In pInput.
  kTwoRooms,       // In pOutput.
  kVersion,        // Of pInput.
  kBindings,       // SECBUFFER_CHANNEL_BINDINGS of any bytes; clients, which send none, may do so.
  kProxyBindings,  // Clients must send some, and do not.
  kNoNewContext,   // phNewContext null.
};
inline constexpr std::size_t kShapes = 13;

// refusal_of is the status of a call that is refused for its shape alone.
inline SECURITY_STATUS refusal_of(Shape shape) {
  switch (shape) {
    case Shape::kTwoTokens:
    case Shape::kTwoRooms:
    case Shape::kVersion:
      return SEC_E_INVALID_TOKEN;
    case Shape::kNoNewContext:
      return SEC_E_INVALID_HANDLE;
    default:
      return SEC_E_OK;
  }
}

inline constexpr std::uint8_t kUntouched = 0xa5;

// is_untouched takes at most 64 bytes. One comparison: engines look at each of a loop's.
inline bool is_untouched(Bytes bytes) {
  static constexpr auto kPattern = [] {
    std::array<std::uint8_t, 64> pattern{};
    pattern.fill(kUntouched);
    return pattern;
  }();
  return std::memcmp(bytes.data(), kPattern.data(), bytes.size()) == 0;
}

// Call is one AcceptSecurityContext, with guards around what it may write to.
struct Call {
  static constexpr std::size_t kGuardSize = 32;

  Shape shape = Shape::kUsual;
  std::size_t room_size = kReplySizeMax;
  Bytes bindings{};       // Of kBindings.
  bool in_batch = false;  // By usher_accept_batch, behind a neighbour that is refused.

  SECURITY_STATUS status = SEC_E_OK;
  CtxtHandle context{};  // What phNewContext received.
  std::uint32_t attributes = 0;
  TimeStamp expiry{};
  Octets reply{};
  std::uint32_t binding_flags = 0;  // Of kBindings: what the result says.

  [[nodiscard]] bool good_bindings() const {
    return shape != Shape::kBindings || channel::parse_sec_channel_bindings(bindings).ok();
  }

  static SECURITY_STATUS accept_in_batch(const USHER_ACCEPT& call) {
    std::array batch = {USHER_ACCEPT{}, call};
    check(usher_accept_batch(batch.data(), batch.size()) == SEC_E_OK, "each has its own status");
    check(batch[0].Status == SEC_E_INVALID_HANDLE, "a neighbour without anything is refused");
    return batch[1].Status;
  }

  // room_for is how large a reply to `token` may be.
  [[nodiscard]] std::size_t room_for(Bytes token) const {
    return shape == Shape::kSmallRoom ? room_size
           : shape == Shape::kInPlace ? token.size()
                                      : kReplySizeMax;
  }

  void run(CredHandle credential, const CtxtHandle* given, Bytes token) {
    const std::size_t size = room_for(token);
    Octets room(size + kGuardSize, kUntouched);
    if (shape == Shape::kInPlace) {
      std::ranges::copy(token, room.begin());
    }
    auto* const from =
        shape == Shape::kInPlace ? room.data() : const_cast<std::uint8_t*>(token.data());
    const std::size_t token_size = shape == Shape::kEmptyToken ? 0 : token.size();
    std::array in = {
        SecBuffer{static_cast<std::uint32_t>(token_size), SECBUFFER_TOKEN, from},
        SecBuffer{4, shape == Shape::kTwoTokens ? SECBUFFER_TOKEN : SECBUFFER_EMPTY, room.data()}};
    std::array out = {
        SecBuffer{static_cast<std::uint32_t>(size), SECBUFFER_TOKEN, room.data()},
        SecBuffer{0, shape == Shape::kTwoRooms ? SECBUFFER_TOKEN : SECBUFFER_EMPTY, nullptr}};
    // Of exactly its size: a read behind it is found out.
    const auto exact = std::make_unique<std::uint8_t[]>(bindings.size());
    std::ranges::copy(bindings, exact.get());
    SEC_CHANNEL_BINDINGS_RESULT result{0xffffffff};
    if (shape == Shape::kBindings) {
      in[1] = {static_cast<std::uint32_t>(bindings.size()), SECBUFFER_CHANNEL_BINDINGS,
               exact.get()};
      out[1] = {sizeof(result), SECBUFFER_CHANNEL_BINDINGS_RESULT, &result};
    }
    SecBufferDesc input{shape == Shape::kVersion ? 1 : SECBUFFER_VERSION, 2, in.data()};
    SecBufferDesc output{SECBUFFER_VERSION, 2, out.data()};
    SecBufferDesc& answer = shape == Shape::kInPlace ? input : output;
    const SecBuffer& written = shape == Shape::kInPlace ? in[0] : out[0];
    const std::uint32_t request = ASC_REQ_CONNECTION |
                                  (shape == Shape::kAllocate ? ASC_REQ_ALLOCATE_MEMORY : 0) |
                                  (shape == Shape::kBindings ? ASC_REQ_ALLOW_MISSING_BINDINGS : 0) |
                                  (shape == Shape::kProxyBindings ? ASC_REQ_PROXY_BINDINGS : 0);
    CtxtHandle copy = given == nullptr ? invalid_handle() : *given;
    CtxtHandle* const old = given == nullptr ? nullptr : &copy;
    context = {1, 1};
    CtxtHandle* fresh = shape == Shape::kNoNewContext  ? nullptr
                        : shape == Shape::kSameContext ? &copy
                                                       : &context;
    attributes = 0xffffffff;
    USHER_ACCEPT call{.phCredential = &credential,
                      .phContext = old,
                      .pInput = &input,
                      .fContextReq = request,
                      .TargetDataRep = SECURITY_NATIVE_DREP,
                      .phNewContext = fresh,
                      .pOutput = shape == Shape::kNoOutput ? nullptr : &answer,
                      .pfContextAttr = &attributes,
                      .ptsExpiry = &expiry};
    status = in_batch
                 ? accept_in_batch(call)
                 : AcceptSecurityContext(call.phCredential, call.phContext, call.pInput,
                                         call.fContextReq, call.TargetDataRep, call.phNewContext,
                                         call.pOutput, call.pfContextAttr, call.ptsExpiry);
    if (shape == Shape::kSameContext) {
      context = copy;
    }
    binding_flags = shape == Shape::kBindings ? result.flags : 0;
    const std::size_t reply_size = shape == Shape::kNoOutput ? 0 : written.cbBuffer;
    if (shape != Shape::kTwoRooms && reply_size > 0) {
      take_reply(written, size);
    }
    check(is_untouched(Bytes(room).last(kGuardSize)), "nothing is written behind the room");
  }

 private:
  void take_reply(const SecBuffer& written, std::size_t size) {
    check(written.cbBuffer <= (shape == Shape::kAllocate ? kReplySizeMax : size),
          "a reply fits its room");
    const auto* const bytes = static_cast<const std::uint8_t*>(written.pvBuffer);
    reply.assign(bytes, bytes + written.cbBuffer);
    if (shape == Shape::kAllocate) {
      FreeContextBuffer(written.pvBuffer);
    }
  }
};

// expected_answer is the status of a question about `exchange`.
inline SECURITY_STATUS expected_answer(const Exchange& exchange, std::uint32_t attribute) {
  if (!exchange.live()) {
    return SEC_E_INVALID_HANDLE;
  }
  switch (attribute) {
    case SECPKG_ATTR_FLAGS:
    case SECPKG_ATTR_PACKAGE_INFO:
    case SECPKG_ATTR_NEGOTIATION_INFO:
    case SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS:
      return SEC_E_OK;
    case SECPKG_ATTR_ACCESS_TOKEN:  // Nobody here is a local user.
      return exchange.state == State::kEstablished ? SEC_E_NO_IMPERSONATION : SEC_E_OUT_OF_SEQUENCE;
    case SECPKG_ATTR_CREDENTIAL_NAME:  // An NTLM acceptor has none.
      if (exchange.state == State::kEstablished && exchange.ntlm()) {
        return SEC_E_UNSUPPORTED_FUNCTION;
      }
      return exchange.state == State::kEstablished ? SEC_E_OK : SEC_E_OUT_OF_SEQUENCE;
    case SECPKG_ATTR_CLIENT_SPECIFIED_TARGET:  // The NTLM clients here name none.
      if (exchange.state == State::kEstablished && exchange.ntlm()) {
        return SEC_E_TARGET_UNKNOWN;
      }
      return exchange.state == State::kEstablished ? SEC_E_OK : SEC_E_OUT_OF_SEQUENCE;
    case SECPKG_ATTR_SIZES:
    case SECPKG_ATTR_NAMES:
    case SECPKG_ATTR_DCE_INFO:
    case SECPKG_ATTR_LIFESPAN:
    case SECPKG_ATTR_KEY_INFO:
    case SECPKG_ATTR_AUTHORITY:
    case SECPKG_ATTR_NATIVE_NAMES:
    case SECPKG_ATTR_SESSION_KEY:
      return exchange.state == State::kEstablished ? SEC_E_OK : SEC_E_OUT_OF_SEQUENCE;
    case SECPKG_ATTR_PASSWORD_EXPIRY:
    case SECPKG_ATTR_LOGOFF_TIME:
    case SECPKG_ATTR_USER_FLAGS:  // Nobody here has a PAC.
      return exchange.state == State::kEstablished ? SEC_E_NO_IMPERSONATION : SEC_E_OUT_OF_SEQUENCE;
    default:
      return SEC_E_UNSUPPORTED_FUNCTION;
  }
}

inline void check_name(const Exchange& exchange, void* allocated, bool wide) {
  if (wide) {
    const std::u16string_view name(static_cast<SEC_WCHAR*>(allocated));
    check(name == (exchange.ntlm() ? u"EXAMPLE\\alice" : u"alice@EXAMPLE.TEST"),
          "a client is who it is");
  } else {
    const std::string_view name(static_cast<SEC_CHAR*>(allocated));
    check(name == (exchange.ntlm() ? "EXAMPLE\\alice" : "alice@EXAMPLE.TEST"),
          "a client is who it is");
  }
  FreeContextBuffer(allocated);
}

// ask asks one question; no answer is longer than 64 bytes.
inline void ask(const Exchange& exchange, std::uint32_t attribute, bool wide) {
  alignas(void*) std::array<std::uint8_t, 64> answer;
  answer.fill(kUntouched);
  CtxtHandle handle = exchange.handle;
  const SECURITY_STATUS status =
      (wide ? QueryContextAttributesW : QueryContextAttributesA)(&handle, attribute, answer.data());
  check(status == expected_answer(exchange, attribute), "a question is answered when it may be");
  if (status != SEC_E_OK) {
    check(is_untouched(answer), "a refusal writes nothing");
    return;
  }
  std::uint32_t number = 0;
  std::copy_n(answer.begin(), sizeof(number), reinterpret_cast<std::uint8_t*>(&number));
  void* allocated = nullptr;
  std::copy_n(answer.begin(), sizeof(allocated), reinterpret_cast<std::uint8_t*>(&allocated));
  if (attribute == SECPKG_ATTR_FLAGS) {
    check((number != 0) == (exchange.state == State::kEstablished), "flags come at the end");
  } else if (attribute == SECPKG_ATTR_NAMES) {
    check_name(exchange, allocated, wide);
  } else if (attribute == SECPKG_ATTR_PACKAGE_INFO || attribute == SECPKG_ATTR_NEGOTIATION_INFO) {
    check(!wide || static_cast<SecPkgInfoW*>(allocated)->cbMaxToken > 0, "a package is known");
    check(wide || !exchange.ntlm() ||
              std::string_view(static_cast<SecPkgInfoA*>(allocated)->Name) == NTLMSP_NAME_A,
          "the package is the one negotiated");
    FreeContextBuffer(allocated);
  } else if (attribute == SECPKG_ATTR_AUTHORITY) {
    FreeContextBuffer(allocated);
  } else if (attribute == SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS) {
    check(number == (exchange.state == State::kEstablished ? SecPkgAttrLastClientTokenYes
                                                           : SecPkgAttrLastClientTokenNo),
          "the last token was the last");
  } else if (attribute == SECPKG_ATTR_DCE_INFO || attribute == SECPKG_ATTR_CREDENTIAL_NAME) {
    void* name = nullptr;  // The second member.
    std::copy_n(answer.begin() + sizeof(name), sizeof(name),
                reinterpret_cast<std::uint8_t*>(&name));
    check(name != nullptr, "a name is there");
    FreeContextBuffer(name);
  } else if (attribute == SECPKG_ATTR_CLIENT_SPECIFIED_TARGET) {
    FreeContextBuffer(allocated);
  } else if (attribute == SECPKG_ATTR_NATIVE_NAMES || attribute == SECPKG_ATTR_KEY_INFO) {
    void* second = nullptr;
    std::copy_n(answer.begin() + sizeof(second), sizeof(second),
                reinterpret_cast<std::uint8_t*>(&second));
    check(allocated != nullptr && second != nullptr, "both names are there");
    FreeContextBuffer(allocated);
    FreeContextBuffer(second);
  } else if (attribute == SECPKG_ATTR_SESSION_KEY) {
    SecPkgContext_SessionKey key{};
    std::copy_n(answer.begin(), sizeof(key), reinterpret_cast<std::uint8_t*>(&key));
    check(key.SessionKeyLength == 16 || key.SessionKeyLength == 32, "a key has a key's size");
    FreeContextBuffer(key.SessionKey);
  }
}

inline void query(const Exchange& exchange, std::uint8_t what) {
  ask(exchange, what & 0x3f, (what & 0x80) != 0);
  CtxtHandle handle = exchange.handle;
  check(QueryContextAttributesA(&handle, what & 0x3f, nullptr) ==
            (exchange.live() ? SEC_E_INVALID_PARAMETER : SEC_E_INVALID_HANDLE),
        "an answer needs room");
}

// B5: everything is asked of a context in whatever state it is.
inline void query_all(const Exchange& exchange) {
  for (std::uint32_t attribute = 0; attribute <= SECPKG_ATTR_IS_LOOPBACK; ++attribute) {
    ask(exchange, attribute, attribute % 2 == 0);
  }
  ask(exchange, SECPKG_ATTR_SUBJECT_SECURITY_ATTRIBUTES, false);
  CtxtHandle handle = exchange.handle;
  PUSHER_IDENTITY identity = nullptr;
  check(usher_query_identity(&handle, &identity) ==
                expected_answer(exchange, SECPKG_ATTR_USER_FLAGS) &&
            identity == nullptr,
        "there is no identity without a PAC");
}

}  // namespace usher::fuzz
