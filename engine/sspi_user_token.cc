// QuerySecurityContextToken, ImpersonateSecurityContext and RevertSecurityContext.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <optional>
#include <string>

#include "engine/auth/unicode.h"
#include "engine/sspi_async_system.h"
#include "engine/sspi_internal.h"
#include "engine/sspi_memory.h"
#include "engine/sspi_users.h"
#include "engine/user_token.h"
#include "engine/users/impersonation.h"
#include "engine/users/patient_threads.h"

namespace usher::sspi {
namespace {

using users::Client;
using users::PatientThreads;
using users::Settings;
using users::Sought;

// Never freed while there is an engine: a thread that was given up may still be reading it.
constinit std::atomic<const Settings*> g_settings{nullptr};

const Settings& settings() {
  // Acquire: sees what keep_user_settings has stored.
  const Settings* const told = g_settings.load(std::memory_order_acquire);
  static const Settings& defaults = *new Settings;
  return told != nullptr ? *told : defaults;
}

// Identity is memory that make_identity has made.
class Identity {
 public:
  Identity() = default;
  ~Identity() { free_for_caller(identity_); }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // take reads a context's PAC; there may be none.
  [[nodiscard]] SECURITY_STATUS take(const SecHandle* context) noexcept {
    KeptPac pac;
    const SECURITY_STATUS status = pac.take(context);
    return status == SEC_E_OK ? make_identity(pac.pac(), pac.signatures(), identity_)
           : status == SEC_E_NO_IMPERSONATION ? SEC_E_OK
                                              : status;
  }
  [[nodiscard]] const USHER_IDENTITY* get() const noexcept { return identity_; }

 private:
  PUSHER_IDENTITY identity_ = nullptr;
};

// Snapshot is copied out of a context while it is pinned, when nothing is allocated.
struct Snapshot {
  bool complete = false;
  bool ntlm = false;
  bool identify_only = false;
  std::size_t name_size = 0;
  std::size_t user_size = 0;
  std::array<std::uint8_t, kClientNameSizeMax> name;
  std::array<std::uint8_t, kIdentitySizeMax> parts;  // User, realm.
  std::size_t realm_size = 0;
};

Status take_snapshot(const SecHandle* handle, Snapshot& out) noexcept {
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    return Status::kStaleHandle;
  }
  return engine->inspect(read_context_handle(handle), [&out](const Context& context) {
    out.complete = context.state == auth::State::kEstablished;
    if (!out.complete) {
      return;
    }
    out.ntlm = context.is_ntlm();
    out.identify_only = gss::has(context.flags, gss::ContextFlags::kIdentify);
    out.name_size = context.write_client_name(out.name).size();
    out.user_size = context.user().size();
    out.realm_size = context.realm().size();
    const auto behind = std::ranges::copy(context.user(), out.parts.begin()).out;
    std::ranges::copy(context.realm(), behind);
  });
}

// Asked is a client, and what is said of it.
struct Asked {
  Client client;
  Identity identity;
  bool identify_only = false;
};

std::string string_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

SECURITY_STATUS take_client(const SecHandle* handle, Asked& out) {
  if (AsyncSystem::is_worker() || inside_ask()) {
    return refuse(SEC_E_OUT_OF_SEQUENCE,
                  "name services may block: not in a callback or a USHER_ASK, which must not");
  }
  Snapshot seen;
  const Status status = take_snapshot(handle, seen);
  if (status != Status::kEstablished) {
    return refuse(status);
  }
  if (!seen.complete) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  const Bytes name = Bytes(seen.name).first(seen.name_size);
  std::array<std::uint8_t, 2 * kClientNameSizeMax> utf16;
  if (!auth::utf8_to_utf16(name, utf16)) {  // A NUL would cut it off, and leave somebody else's.
    return refuse(SEC_E_INVALID_UPN_NAME, "the client's name holds a NUL, or is not UTF-8");
  }
  const SECURITY_STATUS told = out.identity.take(handle);
  if (told != SEC_E_OK) {
    return told;
  }
  const Bytes parts(seen.parts);
  const USHER_IDENTITY* const identity = out.identity.get();
  out.client = {.ntlm = seen.ntlm,
                .user = string_of(parts.first(seen.user_size)),
                .realm = string_of(parts.subspan(seen.user_size, seen.realm_size)),
                .name = string_of(name),
                .sid = identity != nullptr ? identity->UserSid : "",
                .account = identity != nullptr ? identity->AccountName : ""};
  out.identify_only = seen.identify_only;
  return SEC_E_OK;
}

// Search is looking for one client's user, on a thread that whoever asked need not wait for.
class Search final : public users::Errand {
 public:
  Search(const Settings& with, const Client& client) : settings_(with), client_(client) {}
  void run() noexcept override { users::find_user(settings_, client_, sought); }

  Sought sought;

 private:
  const Settings& settings_;
  Client client_;
};

constexpr SECURITY_STATUS kNoAnswer = SEC_E_NO_AUTHENTICATING_AUTHORITY;

SECURITY_STATUS judge(PatientThreads::Outcome outcome) noexcept {
  switch (outcome) {
    case PatientThreads::Outcome::kDone:
      return SEC_E_OK;
    case PatientThreads::Outcome::kLate:
      return refuse(kNoAnswer, "name services did not answer within UserMilliseconds");
    case PatientThreads::Outcome::kBusy:
      return refuse(kNoAnswer, "too many threads wait for name services already");
    case PatientThreads::Outcome::kNoThread:
      return refuse(SEC_E_INSUFFICIENT_MEMORY, "no thread to ask name services on can be had");
  }
  return SEC_E_INTERNAL_ERROR;
}

SECURITY_STATUS judge(const Sought& sought) {
  const std::string by = std::string("\"") + users::word_of(sought.source) + "\" ";
  const users::Account& said = sought.user.account;
  switch (sought.outcome) {
    case Sought::Outcome::kFound:
      return SEC_E_OK;
    case Sought::Outcome::kUnknown:
      return refuse(SEC_E_NO_IMPERSONATION,
                    "the client is no local user: nobody of USHER_OPTIONS.Users knows it");
    case Sought::Outcome::kNobody:
      return refuse(SEC_E_NO_IMPERSONATION,
                    "the client is no local user: the map of users says so");
    case Sought::Outcome::kRefused:
      return refuse_copying(SEC_E_NO_IMPERSONATION,
                            std::string("the client is no local user: ") + sought.why);
    case Sought::Outcome::kNoSuchUser:
      return refuse_copying(
          SEC_E_NO_IMPERSONATION,
          by + "names a user whom name services do not know: " +
              (said.name.empty() ? "uid " + std::to_string(said.uid) : said.name));
    case Sought::Outcome::kFailed:
      return refuse_copying(kNoAnswer, by + "or name services about its user failed");
    case Sought::Outcome::kNoMemory:
      return refuse(Status::kNoMemory);
  }
  return SEC_E_INTERNAL_ERROR;
}

// find_user looks for the client's local user, and waits at most as long as it may.
SECURITY_STATUS find_user(const Client& client, Sought& out) {
  PatientThreads* const threads = PatientThreads::of_process();
  if (threads == nullptr) {
    return refuse(Status::kNoMemory);
  }
  const auto search = std::make_shared<Search>(settings(), client);
  const SECURITY_STATUS status = judge(threads->run(search, settings().deadline_ms));
  if (status != SEC_E_OK) {
    return status;  // What it finds from here on is not ours to look at.
  }
  out = std::move(search->sought);
  return judge(out);
}

// Texts puts strings one behind the other.
class Texts {
 public:
  explicit Texts(char* at) noexcept : at_(at) {}
  const char* put(std::string_view text) noexcept {
    char* const begin = at_;
    at_ = std::ranges::copy(text, at_).out;
    *at_++ = '\0';
    return begin;
  }

 private:
  char* at_;
};

SECURITY_STATUS make_token(const Client& client, const USHER_IDENTITY* identity,
                           const Sought& sought, void*& out) {
  static constexpr USHER_IDENTITY kNone{.UserSid = "", .PrimaryGroupSid = ""};
  const USHER_IDENTITY& told = identity != nullptr ? *identity : kNone;
  const std::span<const USHER_GROUP> sids(told.Groups, told.GroupCount);
  const users::LocalUser& user = sought.user;
  const std::string_view found_by = users::word_of(sought.source);
  std::size_t text_size = 0;
  const auto count = [&text_size](std::string_view text) { text_size += text.size() + 1; };
  for (const std::string_view text :
       {std::string_view(user.account.name), std::string_view(client.name), found_by,
        std::string_view(told.UserSid), std::string_view(told.PrimaryGroupSid)}) {
    count(text);
  }
  std::ranges::for_each(sids, count, &USHER_GROUP::Sid);
  static_assert(sizeof(USHER_TOKEN) % alignof(USHER_GROUP) == 0);
  const std::size_t sids_at = sizeof(USHER_TOKEN);
  const std::size_t groups_at = sids_at + sids.size_bytes();
  const std::size_t texts_at = groups_at + user.groups.size() * sizeof(std::uint32_t);
  auto* const memory = static_cast<char*>(allocate_for_caller(texts_at + text_size));
  if (memory == nullptr) {
    return refuse(Status::kNoMemory);
  }
  Texts texts(memory + texts_at);
  auto* const token_sids = reinterpret_cast<USHER_GROUP*>(memory + sids_at);
  auto* const groups = reinterpret_cast<std::uint32_t*>(memory + groups_at);
  std::ranges::copy(user.groups, groups);
  for (std::size_t i = 0; i < sids.size(); ++i) {
    token_sids[i] = {.Sid = texts.put(sids[i].Sid), .Attributes = sids[i].Attributes};
  }
  out = new (memory) USHER_TOKEN{.Size = sizeof(USHER_TOKEN),
                                 .Uid = user.account.uid,
                                 .Gid = user.account.gid,
                                 .GroupCount = static_cast<std::uint32_t>(user.groups.size()),
                                 .Groups = groups,
                                 .UserName = texts.put(user.account.name),
                                 .ClientName = texts.put(client.name),
                                 .FoundBy = texts.put(found_by),
                                 .UserSid = texts.put(told.UserSid),
                                 .PrimaryGroupSid = texts.put(told.PrimaryGroupSid),
                                 .Sids = token_sids,
                                 .SidCount = told.GroupCount,
                                 .Reserved = 0};
  return SEC_E_OK;
}

SECURITY_STATUS query_token(const SecHandle* handle, void*& out) {
  Asked asked;
  SECURITY_STATUS status = take_client(handle, asked);
  Sought sought;
  status = status == SEC_E_OK ? find_user(asked.client, sought) : status;
  return status == SEC_E_OK ? make_token(asked.client, asked.identity.get(), sought, out) : status;
}

users::Impersonated name_of(const SecHandle* handle) noexcept {
  const ContextHandle context = read_context_handle(handle);
  return {std::uint32_t(context.index), context.generation};
}

SECURITY_STATUS judge(const users::Changed& changed) {
  const auto by_kernel = [&changed] {
    return std::string(changed.step) + ": " + std::strerror(changed.error);
  };
  switch (changed.outcome) {
    case users::Changed::Outcome::kDone:
      return SEC_E_OK;
    case users::Changed::Outcome::kRoot:
      return refuse(SEC_E_NO_IMPERSONATION,
                    "the client is root here, and root is never impersonated");
    case users::Changed::Outcome::kNoPrivilege:
      return refuse(SEC_E_NO_IMPERSONATION,
                    "impersonating needs CAP_SETUID and CAP_SETGID in effect");
    case users::Changed::Outcome::kNotThat:
      return refuse(SEC_E_NO_IMPERSONATION,
                    "the thread does not impersonate the client of this context");
    case users::Changed::Outcome::kRefused:
      return refuse_copying(SEC_E_NO_IMPERSONATION, "the kernel refuses: " + by_kernel());
    case users::Changed::Outcome::kHalfWay:
      return refuse_copying(
          SEC_E_INTERNAL_ERROR,
          "the kernel has taken the thread half the way, and not back: " + by_kernel());
  }
  return SEC_E_INTERNAL_ERROR;
}

SECURITY_STATUS impersonate(const SecHandle* handle) {
  Asked asked;
  SECURITY_STATUS status = take_client(handle, asked);
  if (status != SEC_E_OK) {
    return status;
  }
  if (asked.identify_only) {
    return refuse(SEC_E_NO_IMPERSONATION,
                  "the client lets itself be identified, not impersonated (ASC_RET_IDENTIFY)");
  }
  Sought sought;
  status = find_user(asked.client, sought);
  if (status != SEC_E_OK) {
    return status;
  }
  return judge(users::impersonate({.uid = sought.user.account.uid,
                                   .gid = sought.user.account.gid,
                                   .groups = std::move(sought.user.groups)},
                                  name_of(handle)));
}

SECURITY_STATUS revert(const SecHandle* handle) {
  if (name_of(handle).generation == 0) {
    return refuse(Status::kStaleHandle);
  }
  users::Changed changed = users::revert(name_of(handle));
  const SECURITY_STATUS status = judge(changed);
  // The thread still impersonates.
  return changed.outcome == users::Changed::Outcome::kRefused ? SEC_E_INTERNAL_ERROR : status;
}

SECURITY_STATUS read_settings(const USHER_OPTIONS& options, std::unique_ptr<const Settings>& out) {
  constexpr std::uint32_t kMillisecondsMax = 600'000;
  if (options.UserMilliseconds > kMillisecondsMax) {
    return refuse(SEC_E_INVALID_PARAMETER, "USHER_OPTIONS: UserMilliseconds is more than 600,000");
  }
  auto made = std::make_unique<Settings>();
  const std::string wrong = users::read_settings(options.Users, options.UserMap, *made);
  if (!wrong.empty()) {
    return refuse_copying(SEC_E_INVALID_PARAMETER, "USHER_OPTIONS: " + wrong);
  }
  if (options.UserMilliseconds != 0) {
    made->deadline_ms = options.UserMilliseconds;
  }
  out = std::move(made);
  return SEC_E_OK;
}

}  // namespace

std::int32_t read_user_settings(const _USHER_OPTIONS& options,
                                std::unique_ptr<const users::Settings>& out) noexcept {
  return within_memory([&] { return read_settings(options, out); });
}

void keep_user_settings(std::unique_ptr<const users::Settings> settings) noexcept {
  delete g_settings.exchange(settings.release(), std::memory_order_acq_rel);
}

}  // namespace usher::sspi

extern "C" SECURITY_STATUS QuerySecurityContextToken(PCtxtHandle context, void** token) {
  using namespace usher::sspi;
  if (token == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "QuerySecurityContextToken: Token is null");
  }
  *token = nullptr;
  return within_memory([&] { return query_token(context, *token); });
}

extern "C" SECURITY_STATUS ImpersonateSecurityContext(PCtxtHandle context) {
  using namespace usher::sspi;
  return within_memory([&] { return impersonate(context); });
}

extern "C" SECURITY_STATUS RevertSecurityContext(PCtxtHandle context) {
  using namespace usher::sspi;
  return within_memory([&] { return revert(context); });
}
