// What the sspi_*.cc files share: statuses in words, handles, the process's engine and credentials.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/acceptor.h"
#include "engine/engine.h"
#include "engine/handle_table.h"
#include "engine/protect/message.h"
#include "engine/sspi.h"
#include "parsers/pac.h"

namespace usher::sspi {

// to_sspi is the second column of the table in status.h.
[[nodiscard]] SECURITY_STATUS to_sspi(Status status) noexcept;

// refuse remembers why, for usher_last_refusal on this thread, and returns the status to report. No
// allocation. refuse takes a literal, or a row of status.h; refuse_copying copies `text`, up to
// 511 bytes of it, control characters as question marks.
SECURITY_STATUS refuse(SECURITY_STATUS status, const char* text) noexcept;
SECURITY_STATUS refuse_copying(SECURITY_STATUS status, std::string_view text) noexcept;
SECURITY_STATUS refuse(Status status, ParseFault fault = {}) noexcept;

// Refusal is what usher_last_refusal tells. It is constant-initialised, so that a thread's first
// refusal costs nothing, and words are put together only when somebody asks.
struct Refusal {
  const char* literal = "";
  bool has_verdict = false;
  Verdict verdict;
  std::array<char, 512> text{};
};

// keep_refusal copies why the calling thread's last call was refused; tell_refusal makes a copy, of
// a call on any thread, the calling thread's.
void keep_refusal(Refusal& out) noexcept;
void tell_refusal(const Refusal& kept) noexcept;

// write_handle and the two readers translate between SSPI's handles and ours. Contexts and
// credentials are tagged apart. A handle that was never written here reads as one that is stale.
void write_handle(SecHandle& out, ContextHandle handle) noexcept;
void write_handle(SecHandle& out, TableHandle handle) noexcept;
[[nodiscard]] ContextHandle read_context_handle(const SecHandle* handle) noexcept;
[[nodiscard]] TableHandle read_credential_handle(const SecHandle* handle) noexcept;

// running_engine is the process's engine, or null if none was made yet. Any thread, lock-free.
[[nodiscard]] Engine* running_engine() noexcept;

// AsyncOptions is what usher_start was told of asynchronous calls. async_options is for who holds
// starting_engine: usher_start holds it until it has set them.
struct AsyncOptions {
  std::uint32_t workers = 0;  // 0: as many as processors.
  std::uint32_t contexts = 4096;
  std::uint32_t queue = 1024;
};
[[nodiscard]] AsyncOptions async_options() noexcept;

// starting_engine is the lock under which the engine is started, for who handles a fork.
[[nodiscard]] std::mutex& starting_engine() noexcept;

// These are a fork's part for the keys, before it and after it in parent and child. Whoever takes
// starting_engine's lock too takes it behind the first.
void hold_reloads_for_fork() noexcept;
void go_on_reloading_in_parent() noexcept;
void go_on_reloading_in_child() noexcept;

// start_engine makes it, unless there is one: then it returns that one and sets `already`. Null if
// memory, OpenSSL or, which `why_not` then says, the replay file fails. With options.clock, which
// the C ABI leaves alone, tests and fuzzing that link this layer set the time.
[[nodiscard]] Engine* start_engine(const EngineOptions& options, bool& already,
                                   ReplayFile::Reason* why_not = nullptr) noexcept;

// Sources is where a credential's keys come from, for usher_reload.
struct Sources {
  bool kerberos = false;  // Whether a keytab is wanted at all, and accounts.
  bool ntlm = false;
  bool keytab_optional = false;  // None was named, and there is something to serve without.
  std::string keytab;            // Empty: the system's.
  std::string accounts;          // Empty: none, though an authority may know somebody.
  std::string kdc_keytab;        // Empty: none.
  std::string principal;         // The keytab must have a key of it; empty: any.
  // What AddCredentials has added.
  std::vector<std::string> more_keytabs;
  std::vector<std::string> more_principals;  // The keytabs together must have a key of each.
};

// AuthorityOptions is who is asked about NTLM clients besides the accounts.
struct AuthorityOptions {
  bool winbind = false;
  USHER_ASK ask = nullptr;
  void* ask_context = nullptr;
  std::uint32_t deadline_ms = 5'000;
  std::uint32_t questions_max = 256;

  [[nodiscard]] bool any() const noexcept { return winbind || ask != nullptr; }
};

// make_authority makes it; null if there is none to be had. Allocates.
[[nodiscard]] std::unique_ptr<auth::Authority> make_authority(const AuthorityOptions& options);

// inside_ask says whether the calling thread is inside a USHER_ASK, and with it in the middle of a
// turn: it must not begin another, or wait for readers of the keys.
[[nodiscard]] bool& inside_ask() noexcept;

// Acceptor is one credential handle's tenant. Only its keys change, and, by AddCredentials, where
// they come from.
struct Acceptor {
  Acceptor(auth::Package package, std::unique_ptr<const auth::Keys> keys,
           std::string principal = {})
      : credential(package, std::move(keys)), acquired_for(std::move(principal)) {}
  ~Acceptor();  // Nobody holds it any more: what is remembered of its tickets is wiped.
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  auth::Credential credential;
  const std::string acquired_for;  // pszPrincipal; empty for all.
  Sources sources;  // AddCredentials writes, and who loads keys reads, one at a time: replace_keys.
  bool keytab_is_there = false;  // Sources::keytab was read once; likewise.
  // The credential's authority if the embedding program is it: what usher_answer answers to.
  auth::Authority* callers_authority = nullptr;
  // Keys may have been in the middle of being replaced when the process was made by a fork.
  bool keeps_its_keys = false;
};

using CredentialTable = HandleTable<Acceptor, kCredentialCountMax>;

// credentials is the process's table of them.
[[nodiscard]] CredentialTable& credentials() noexcept;

// replace_keys loads what `change` makes of a copy of a credential's sources, and puts it,
// and them, in place of what it had: one call at a time, of all credentials. SEC_E_OK, or the
// refusal, and nothing has changed. Allocates.
using ChangeSources = SECURITY_STATUS (*)(void* context, const Acceptor& acceptor,
                                          Sources& sources);
[[nodiscard]] SECURITY_STATUS replace_keys(const SecHandle* credential, ChangeSources change,
                                           void* context);

// AddedFiles is pAuthData of AddCredentials.
struct AddedFiles {
  std::string keytab;    // Empty: none.
  std::string accounts;  // Likewise.
};
[[nodiscard]] SECURITY_STATUS read_added_files(const void* auth_data, AddedFiles& out);

// principal_of is a name as a caller gives it, in UTF-8; "" for none, nothing if it is not valid
// UTF-16. Allocates.
[[nodiscard]] std::optional<std::string> principal_of(const SEC_CHAR* name);
[[nodiscard]] std::optional<std::string> principal_of(const SEC_WCHAR* name);

// AcquireOptions is pAuthData, understood and copied.
struct AcquireOptions {
  Sources sources;
  AuthorityOptions authority;
  bool allow_kerberos = true;
  bool allow_ntlm = true;
  auth::Policy policy;
  auth::NtlmTarget target;
};

// read_auth_data changes in `out` what `auth_data` asks for; SEC_E_OK, or the refusal. Allocates.
[[nodiscard]] SECURITY_STATUS read_auth_data(const void* auth_data, AcquireOptions& out);

// to_local_filetime converts seconds since 1970 to a TimeStamp in the local time of the process, as
// it was when the engine started; kUnixNever becomes SECURITY_TIME_NEVER. No lock.
inline constexpr std::int64_t kUnixNever = 0;
[[nodiscard]] TimeStamp to_local_filetime(std::int64_t unix_seconds) noexcept;

// granted_attributes turns a complete context's flags into ASC_RET_*.
[[nodiscard]] std::uint32_t granted_attributes(gss::ContextFlags flags) noexcept;

// find_session gives the Session of a complete context, made when it is first asked for: SEC_E_OK,
// or the refusal. Waits while another thread does the same; one that stays at work on the context,
// which a complete one gives no cause for, is SEC_E_INVALID_HANDLE after a second.
[[nodiscard]] SECURITY_STATUS find_session(const SecHandle* context,
                                           protect::SessionShare& out) noexcept;

// KeptPac is a copy of a context's PAC, wiped when it goes.
class KeptPac {
 public:
  KeptPac() = default;
  ~KeptPac();
  KeptPac(const KeptPac&) = delete;
  KeptPac& operator=(const KeptPac&) = delete;

  // take copies a complete context's PAC; SEC_E_OK, or the refusal.
  [[nodiscard]] SECURITY_STATUS take(const SecHandle* context) noexcept;

  [[nodiscard]] const pac::Pac& pac() const noexcept { return pac_; }  // Lies in this object.
  [[nodiscard]] std::uint8_t signatures() const noexcept { return signatures_; }

 private:
  std::unique_ptr<std::uint8_t[]> octets_;
  std::size_t size_ = 0;
  pac::Pac pac_;
  std::uint8_t signatures_ = 0;  // auth::PacSignature
};

// make_identity writes what a PAC says, in memory for the caller; SEC_E_OK, or the refusal, and
// `out` is as it was.
[[nodiscard]] SECURITY_STATUS make_identity(const pac::Pac& pac, std::uint8_t signatures,
                                            PUSHER_IDENTITY& out) noexcept;

// to_timestamp takes a FILETIME as it stands in a PAC; whatever is later than SECURITY_TIME_NEVER
// is never.
[[nodiscard]] TimeStamp to_timestamp(pac::FileTime time) noexcept;

// allocate_for_caller and free_for_caller: what FreeContextBuffer frees. Null if there is none.
[[nodiscard]] void* allocate_for_caller(std::size_t size) noexcept;
void free_for_caller(void* memory) noexcept;

// copy_string copies a name for the caller as UTF-8 or UTF-16: SEC_E_OK, or the refusal, which is
// SEC_E_INVALID_UPN_NAME if it cannot be a string or is longer than any name here, and `out` is as
// it was.
[[nodiscard]] SECURITY_STATUS copy_string(Bytes utf8, SEC_CHAR*& out) noexcept;
[[nodiscard]] SECURITY_STATUS copy_string(Bytes utf8, SEC_WCHAR*& out) noexcept;

// PackageRow is one security package.
struct PackageRow {
  auth::Package package;
  std::uint32_t capabilities;
  std::uint16_t rpc_id;
  std::uint32_t token_size_max;
  std::string_view name;
  std::string_view comment;
};
[[nodiscard]] const PackageRow& package_row(auth::Package package) noexcept;

// find_package looks a name up in any case; null if there is none, or `name` is null.
[[nodiscard]] const PackageRow* find_package(const SEC_CHAR* name) noexcept;
[[nodiscard]] const PackageRow* find_package(const SEC_WCHAR* name) noexcept;

// copy_package makes the structure and its strings one allocation; null if there is no memory.
[[nodiscard]] SecPkgInfoA* copy_package_a(const PackageRow& row) noexcept;
[[nodiscard]] SecPkgInfoW* copy_package_w(const PackageRow& row) noexcept;

}  // namespace usher::sspi
