// AddCredentials and usher_reload: other keys for a credential that is in use.
#include <optional>
#include <string>

#include "engine/sspi_internal.h"
#include "engine/sspi_memory.h"

namespace usher::sspi {
namespace {

using auth::Package;

constexpr std::size_t kFilesMax = 16;  // Of a credential, with the first.

// Added is what a call adds.
struct Added {
  Package package = Package::kNegotiate;
  std::string principal;
  AddedFiles files;
};

// fits says whether a credential can have more of a package's kind at all.
SECURITY_STATUS fits(const Acceptor& acceptor, const Added& added) {
  const auth::Credential& credential = acceptor.credential;
  const bool serves_it =
      added.package == credential.package ||
      (credential.package == Package::kNegotiate &&
       (added.package == Package::kKerberos ? credential.allow_kerberos : credential.allow_ntlm));
  if (!serves_it) {
    return refuse(SEC_E_SECPKG_NOT_FOUND, "AddCredentials: the credential serves another package");
  }
  const bool kerberos = added.package != Package::kNtlm && acceptor.sources.kerberos;
  const bool ntlm = added.package != Package::kKerberos && credential.allow_ntlm &&
                    credential.package != Package::kKerberos;
  if ((!kerberos && (!added.files.keytab.empty() || !added.principal.empty())) ||
      (!ntlm && !added.files.accounts.empty())) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "AddCredentials: the package has no use for a keytab, a principal or accounts");
  }
  return SEC_E_OK;
}

SECURITY_STATUS add_to(const Acceptor& acceptor, const Added& added, Sources& sources) {
  const SECURITY_STATUS status = fits(acceptor, added);
  if (status != SEC_E_OK) {
    return status;
  }
  if (added.principal.empty() && added.files.keytab.empty() && added.files.accounts.empty()) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "AddCredentials: there is neither a principal, a keytab nor an accounts file");
  }
  if (!added.files.accounts.empty()) {
    if (!sources.accounts.empty()) {
      return refuse(SEC_E_INVALID_PARAMETER,
                    "AddCredentials: the credential has an accounts file already");
    }
    sources.accounts = added.files.accounts;
    sources.ntlm = true;
  }
  if (!added.files.keytab.empty()) {
    sources.more_keytabs.push_back(added.files.keytab);
  }
  if (!added.principal.empty()) {
    sources.more_principals.push_back(added.principal);
  }
  return sources.more_keytabs.size() < kFilesMax && sources.more_principals.size() < kFilesMax
             ? SEC_E_OK
             : refuse(SEC_E_INVALID_PARAMETER,
                      "AddCredentials: a credential has at most 16 keytabs and 16 principals");
}

// Arguments is what AddCredentialsA and W have in common.
struct Arguments {
  const SecHandle* credential;
  const PackageRow* package;
  std::uint32_t use;
  const void* auth_data;
  bool key_callback;
  TimeStamp* expiry;
};

template <class Char>
SECURITY_STATUS check_and_add(const Char* name, const Arguments& arguments) {
  if (!credentials().hold(read_credential_handle(arguments.credential))) {
    return refuse(Status::kStaleHandle);
  }
  if (arguments.package == nullptr) {
    return refuse(SEC_E_SECPKG_NOT_FOUND, "there is no security package of that name");
  }
  if ((arguments.use & SECPKG_CRED_INBOUND) == 0 || arguments.key_callback) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION,
                  "fCredentialUse: only SECPKG_CRED_INBOUND; and pGetKeyFn must be null");
  }
  std::optional<std::string> principal = principal_of(name);
  if (!principal) {
    return refuse(SEC_E_UNKNOWN_CREDENTIALS, "pszPrincipal is not valid UTF-16");
  }
  Added added{
      .package = arguments.package->package, .principal = std::move(*principal), .files = {}};
  SECURITY_STATUS status = read_added_files(arguments.auth_data, added.files);
  if (status == SEC_E_OK) {
    status = replace_keys(
        arguments.credential,
        [](void* context, const Acceptor& acceptor, Sources& sources) {
          return add_to(acceptor, *static_cast<const Added*>(context), sources);
        },
        &added);
  }
  if (status == SEC_E_OK && arguments.expiry != nullptr) {
    *arguments.expiry = to_local_filetime(kUnixNever);
  }
  return status;
}

}  // namespace
}  // namespace usher::sspi

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS AddCredentialsA(PCredHandle credential, const SEC_CHAR* principal,
                                           const SEC_CHAR* package, uint32_t use, void* auth_data,
                                           SEC_GET_KEY_FN get_key, void* /*get_key_argument*/,
                                           PTimeStamp expiry) {
  return usher::sspi::within_memory([&] {
    return usher::sspi::check_and_add(principal, {.credential = credential,
                                                  .package = usher::sspi::find_package(package),
                                                  .use = use,
                                                  .auth_data = auth_data,
                                                  .key_callback = get_key != nullptr,
                                                  .expiry = expiry});
  });
}

// NOLINTNEXTLINE(readability-function-size): Windows decides how many parameters there are.
extern "C" SECURITY_STATUS AddCredentialsW(PCredHandle credential, const SEC_WCHAR* principal,
                                           const SEC_WCHAR* package, uint32_t use, void* auth_data,
                                           SEC_GET_KEY_FN get_key, void* /*get_key_argument*/,
                                           PTimeStamp expiry) {
  return usher::sspi::within_memory([&] {
    return usher::sspi::check_and_add(principal, {.credential = credential,
                                                  .package = usher::sspi::find_package(package),
                                                  .use = use,
                                                  .auth_data = auth_data,
                                                  .key_callback = get_key != nullptr,
                                                  .expiry = expiry});
  });
}

extern "C" SECURITY_STATUS usher_reload(PCredHandle credential) {
  return usher::sspi::within_memory([&] {
    return usher::sspi::replace_keys(
        credential,
        [](void*, const usher::sspi::Acceptor&, usher::sspi::Sources&) -> SECURITY_STATUS {
          return SEC_E_OK;
        },
        nullptr);
  });
}
