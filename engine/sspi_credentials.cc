// AcquireCredentialsHandle and FreeCredentialsHandle, and how a credential gets other keys.
#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/auth/unicode.h"
#include "engine/auth/winbind.h"
#include "engine/crypto/kit.h"
#include "engine/sspi_async_system.h"
#include "engine/sspi_internal.h"
#include "engine/sspi_memory.h"
#include "engine/users/impersonation.h"

namespace usher::sspi {
namespace {

using auth::Package;

std::mutex g_reloading;

struct LoadedKeys {
  std::unique_ptr<const auth::Keys> keys;  // Null if refused.
  SECURITY_STATUS status = SEC_E_OK;
  bool keytab_is_there = false;  // Sources::keytab was read.
};

// has_principal says whether a ring has a key of the principal that was asked for, if one was.
bool has_principal(const crypto::KeyRing& ring, const std::string& principal) {
  return principal.empty() ||
         std::ranges::any_of(ring.principals(), [&](const crypto::KeyRing::Principal& other) {
           return auth::is_target(principal, other.text);
         });
}

// load_ring reads the keytabs; of those only the first may be missing, where it is optional.
SECURITY_STATUS load_ring(crypto::Kit& kit, const Sources& sources, auth::Keys& keys,
                          bool& first_is_there) {
  std::vector<std::string> paths{sources.keytab};
  paths.insert(paths.end(), sources.more_keytabs.begin(), sources.more_keytabs.end());
  crypto::KeyRing::Loaded loaded = crypto::KeyRing::load_keytabs(kit, paths);
  first_is_there = loaded.ring != nullptr;
  if (loaded.ring == nullptr && sources.keytab_optional && loaded.absent) {
    if (sources.more_keytabs.empty()) {
      return SEC_E_OK;
    }
    loaded = crypto::KeyRing::load_keytabs(kit, sources.more_keytabs);
  }
  if (loaded.ring == nullptr) {
    return refuse_copying(SEC_E_NO_CREDENTIALS, loaded.error);
  }
  std::vector<std::string> principals = sources.more_principals;
  principals.push_back(sources.principal);
  for (const std::string& principal : principals) {
    if (!has_principal(*loaded.ring, principal)) {
      return refuse_copying(SEC_E_NO_CREDENTIALS,
                            "pszPrincipal: the keytab has no key of " + principal);
    }
  }
  keys.ring = std::move(loaded.ring);
  keys.targets = sources.more_principals;
  return SEC_E_OK;
}

LoadedKeys load_keys(const Sources& sources) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  if (kit == nullptr) {
    return {nullptr, refuse(SEC_E_INTERNAL_ERROR, "OpenSSL lacks an algorithm that is needed")};
  }
  auto keys = std::make_unique<auth::Keys>();
  bool keytab_is_there = false;
  if (sources.kerberos) {
    const SECURITY_STATUS status = load_ring(*kit, sources, *keys, keytab_is_there);
    if (status != SEC_E_OK) {
      return {nullptr, status};
    }
  }
  if (sources.kerberos && !sources.kdc_keytab.empty()) {
    crypto::KeyRing::Loaded loaded = crypto::KeyRing::load_kdc_keytab(*kit, sources.kdc_keytab);
    if (loaded.ring == nullptr) {
      return {nullptr, refuse_copying(SEC_E_NO_CREDENTIALS, loaded.error)};
    }
    keys->kdc_ring = std::move(loaded.ring);
  }
  if (sources.ntlm && !sources.accounts.empty()) {
    auth::Accounts::Loaded loaded = auth::Accounts::load_file(*kit, sources.accounts);
    if (loaded.accounts == nullptr) {
      return {nullptr, refuse_copying(SEC_E_NO_CREDENTIALS, loaded.error)};
    }
    keys->accounts = std::move(loaded.accounts);
  }
  return {std::move(keys), SEC_E_OK, keytab_is_there};
}

// choose_sources decides what a credential of `package` reads.
SECURITY_STATUS choose_sources(Package package, AcquireOptions& options) {
  Sources& sources = options.sources;
  sources.kerberos = package != Package::kNtlm && options.allow_kerberos;
  sources.ntlm = package != Package::kKerberos && options.allow_ntlm &&
                 (!sources.accounts.empty() || options.authority.any());
  sources.keytab_optional = sources.keytab.empty() && sources.ntlm && sources.principal.empty();
  if (!sources.principal.empty() && !sources.kerberos) {
    return refuse(SEC_E_UNKNOWN_CREDENTIALS,
                  "pszPrincipal names a Kerberos service, and this credential serves NTLM alone");
  }
  if (!sources.kerberos && !sources.ntlm) {
    return refuse(SEC_E_NO_CREDENTIALS,
                  "nothing is left to accept: NTLM needs Accounts, Authority or Ask in "
                  "USHER_ACCEPTOR, and PackageList may have excluded the rest");
  }
  return SEC_E_OK;
}

SECURITY_STATUS check_together(const AcquireOptions& options) {
  const char* wrong = auth::fault_of(options.target);
  wrong = wrong != nullptr ? wrong : auth::fault_of(options.policy);
  return wrong == nullptr ? SEC_E_OK : refuse(SEC_E_INVALID_PARAMETER, wrong);
}

// check_skew makes the engine if there is none, wide enough for this credential.
SECURITY_STATUS check_skew(const auth::Policy& policy) {
  EngineOptions engine_options;
  engine_options.skew_max_s = std::max(engine_options.skew_max_s, policy.skew_s);
  bool already = false;
  ReplayFile::Reason why_not{};
  const Engine* const engine = start_engine(engine_options, already, &why_not);
  if (engine == nullptr) {
    return why_not[0] != '\0'
               ? refuse_copying(SEC_E_OUT_OF_SEQUENCE, why_not.data())
               : refuse(SEC_E_INSUFFICIENT_MEMORY, "memory for the engine could not be had");
  }
  if (policy.check_replays && policy.skew_s > engine->environment().replays.skew_max_s()) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "kerberos.skew is wider than the replay cache was made for: see "
                  "USHER_OPTIONS.ClockSkewSecondsMax");
  }
  return SEC_E_OK;
}

// use_principal makes one principal the only one that tickets may be for: what the policy
// kerberos.targets does, and a key of that name has to be there as well.
SECURITY_STATUS use_principal(const std::string& principal, AcquireOptions& options) {
  if (principal.empty()) {
    return SEC_E_OK;
  }
  if (options.policy.target_policy != auth::TargetPolicy::kKeytab) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "pszPrincipal and the policy kerberos.targets both say which service it is for");
  }
  options.policy.target_policy = auth::TargetPolicy::kListed;
  options.policy.targets = {principal};
  options.sources.principal = principal;
  return SEC_E_OK;
}

SECURITY_STATUS acquire(Package package, const std::string& principal, const void* auth_data,
                        SecHandle& out) {
  AcquireOptions options;
  options.target = auth::local_ntlm_target();
  SECURITY_STATUS status = read_auth_data(auth_data, options);
  status = status == SEC_E_OK ? use_principal(principal, options) : status;
  status = status == SEC_E_OK ? check_skew(options.policy) : status;
  status = status == SEC_E_OK ? check_together(options) : status;
  status = status == SEC_E_OK ? choose_sources(package, options) : status;
  if (status != SEC_E_OK) {
    return status;
  }
  LoadedKeys loaded = load_keys(options.sources);
  if (loaded.keys == nullptr) {
    return loaded.status;
  }
  auto acceptor = std::make_unique<Acceptor>(package, std::move(loaded.keys), principal);
  acceptor->sources = std::move(options.sources);
  acceptor->keytab_is_there = loaded.keytab_is_there;
  acceptor->credential.allow_kerberos = options.allow_kerberos;
  acceptor->credential.allow_ntlm = options.allow_ntlm;
  acceptor->credential.policy = options.policy;
  acceptor->credential.target = std::move(options.target);
  if (acceptor->sources.ntlm && options.authority.winbind) {
    if (users::server_identity() != nullptr) {
      return refuse(
          SEC_E_OUT_OF_SEQUENCE,
          "Authority: a thread that impersonates a client starts no others: they would be "
          "that client for good");
    }
    const char* const fault = auth::take_domain_names(acceptor->credential.target);
    if (fault != nullptr) {
      return refuse(SEC_E_NO_AUTHENTICATING_AUTHORITY, fault);
    }
  }
  if (acceptor->sources.ntlm && options.authority.any()) {
    acceptor->credential.authority = make_authority(options.authority);
    if (acceptor->credential.authority == nullptr) {
      return refuse(SEC_E_NO_CREDENTIALS,
                    "Authority: there are no threads or no memory to ask winbindd with");
    }
    acceptor->callers_authority =
        options.authority.ask != nullptr ? acceptor->credential.authority.get() : nullptr;
  }
  const std::optional<TableHandle> handle = credentials().insert(acceptor);
  if (!handle) {
    return refuse(SEC_E_INSUFFICIENT_MEMORY, "all credential handles are in use");
  }
  write_handle(out, *handle);
  return SEC_E_OK;
}

// Arguments is what AcquireCredentialsHandleA and W have in common.
struct Arguments {
  const PackageRow* package;
  std::uint32_t use;
  const void* logon_id;
  const void* auth_data;
  bool key_callback;
  SecHandle* out;
  TimeStamp* expiry;
};

template <class Char>
SECURITY_STATUS check_and_acquire(const Char* name, const Arguments& arguments) {
  if (arguments.out == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "phCredential is null");
  }
  SecInvalidateHandle(arguments.out);
  if (arguments.package == nullptr) {
    return refuse(SEC_E_SECPKG_NOT_FOUND, "there is no security package of that name");
  }
  if ((arguments.use & SECPKG_CRED_INBOUND) == 0) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                  "fCredentialUse: only SECPKG_CRED_INBOUND; there is no initiator here");
  }
  const std::optional<std::string> principal = principal_of(name);
  if (!principal) {
    return refuse(SEC_E_UNKNOWN_CREDENTIALS, "pszPrincipal is not valid UTF-16");
  }
  if (arguments.logon_id != nullptr || arguments.key_callback) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION, "pvLogonId and pGetKeyFn must be null");
  }
  const SECURITY_STATUS status =
      acquire(arguments.package->package, *principal, arguments.auth_data, *arguments.out);
  if (status == SEC_E_OK && arguments.expiry != nullptr) {
    *arguments.expiry = to_local_filetime(kUnixNever);
  }
  return status;
}

}  // namespace

std::optional<std::string> principal_of(const SEC_CHAR* name) {
  return std::string(name == nullptr ? "" : name);
}

std::optional<std::string> principal_of(const SEC_WCHAR* name) {
  std::size_t length = 0;
  while (name != nullptr && name[length] != 0) {
    ++length;
  }
  std::string text(3 * length, '\0');
  const std::optional<Bytes> utf8 =
      auth::utf16_to_utf8({reinterpret_cast<const std::uint8_t*>(name), sizeof(SEC_WCHAR) * length},
                          {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (!utf8) {
    return std::nullopt;
  }
  text.resize(utf8->size());
  return text;
}

SECURITY_STATUS replace_keys(const SecHandle* credential, ChangeSources change, void* context) {
  if (inside_ask()) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "a credential's keys are not replaced inside a USHER_ASK");
  }
  const CredentialTable::Hold acceptor = credentials().hold(read_credential_handle(credential));
  if (!acceptor) {
    return refuse(Status::kStaleHandle);
  }
  if (acceptor->keeps_its_keys) {
    return refuse(SEC_E_OUT_OF_SEQUENCE,
                  "the credential comes from a process that forked inside a USHER_ASK, and keeps "
                  "its keys");
  }
  // One at a time, so that what is in force afterwards is what was read last.
  const std::scoped_lock turn(g_reloading);
  Sources sources = acceptor->sources;
  const SECURITY_STATUS status = change(context, *acceptor, sources);
  if (status != SEC_E_OK) {
    return status;
  }
  Sources wanted = sources;
  // A keytab that was there and cannot be read replaces nothing.
  wanted.keytab_optional = sources.keytab_optional && !acceptor->keytab_is_there;
  LoadedKeys loaded = load_keys(wanted);
  if (loaded.keys != nullptr) {
    const std::uint64_t old = acceptor->credential.keys.borrow()->generation;
    acceptor->sources = std::move(sources);
    acceptor->keytab_is_there = acceptor->keytab_is_there || loaded.keytab_is_there;
    acceptor->credential.keys.replace(std::move(loaded.keys));
    if (const Engine* const engine = running_engine(); engine != nullptr) {
      engine->forget_tickets(old);
    }
  }
  return loaded.status;
}

Acceptor::~Acceptor() {
  if (const Engine* const engine = running_engine(); engine != nullptr) {
    engine->forget_tickets(credential.keys.borrow()->generation);
  }
}

// A thread inside a USHER_ASK is in a turn that a reload may be waiting for: it must not wait for
// that one.
void hold_reloads_for_fork() noexcept {
  if (!inside_ask()) {
    g_reloading.lock();
  }
}

void go_on_reloading_in_parent() noexcept {
  if (!inside_ask()) {
    g_reloading.unlock();
  }
}

void go_on_reloading_in_child() noexcept {
  if (inside_ask()) {
    // Another thread may have been in it, which is not here to leave it: a new one.
    std::construct_at(&g_reloading);
    credentials().each_live([](Acceptor& acceptor) { acceptor.keeps_its_keys = true; });
  } else {
    g_reloading.unlock();
    credentials().each_live([](Acceptor& acceptor) { acceptor.credential.keys.forget_readers(); });
  }
}

CredentialTable& credentials() noexcept {
  // Never destroyed: threads that outlive main may still be accepting.
  alignas(CredentialTable) static std::array<std::byte, sizeof(CredentialTable)> room;
  static CredentialTable* const table =
      std::construct_at(reinterpret_cast<CredentialTable*>(room.data()));
  return *table;
}

}  // namespace usher::sspi

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS AcquireCredentialsHandleA(const SEC_CHAR* principal,
                                                     const SEC_CHAR* package, uint32_t use,
                                                     void* logon_id, void* auth_data,
                                                     SEC_GET_KEY_FN get_key,
                                                     void* /*get_key_argument*/,
                                                     PCredHandle credential, PTimeStamp expiry) {
  return usher::sspi::within_memory([&] {
    return usher::sspi::check_and_acquire(principal, {.package = usher::sspi::find_package(package),
                                                      .use = use,
                                                      .logon_id = logon_id,
                                                      .auth_data = auth_data,
                                                      .key_callback = get_key != nullptr,
                                                      .out = credential,
                                                      .expiry = expiry});
  });
}

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS AcquireCredentialsHandleW(const SEC_WCHAR* principal,
                                                     const SEC_WCHAR* package, uint32_t use,
                                                     void* logon_id, void* auth_data,
                                                     SEC_GET_KEY_FN get_key,
                                                     void* /*get_key_argument*/,
                                                     PCredHandle credential, PTimeStamp expiry) {
  return usher::sspi::within_memory([&] {
    return usher::sspi::check_and_acquire(principal, {.package = usher::sspi::find_package(package),
                                                      .use = use,
                                                      .logon_id = logon_id,
                                                      .auth_data = auth_data,
                                                      .key_callback = get_key != nullptr,
                                                      .out = credential,
                                                      .expiry = expiry});
  });
}

extern "C" SECURITY_STATUS FreeCredentialsHandle(PCredHandle credential) {
  namespace sspi = usher::sspi;
  const usher::TableHandle handle = sspi::read_credential_handle(credential);
  // In a callback its end, which may wait for threads, is for the thread that may be kept waiting.
  sspi::CredentialTable::Hold kept = sspi::AsyncSystem::is_worker()
                                         ? sspi::credentials().hold(handle)
                                         : sspi::CredentialTable::Hold();
  const bool removed = sspi::credentials().remove(handle);
  if (kept) {
    sspi::AsyncSystem::running()->end_hold(std::move(kept));
  }
  return removed ? SEC_E_OK : sspi::refuse(usher::Status::kStaleHandle);
}
