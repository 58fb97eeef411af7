// pAuthData of AcquireCredentialsHandle: what kind it is, and what it says.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>

#include "engine/auth/unicode.h"
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

// Whoever fills in a USHER_ACCEPTOR of a later version with a Size larger than ours, and uses a
// member we do not know, is refused; with zeros there, it means the same to us.
constexpr std::uint32_t kSizeMax = 4096;

std::string_view text_or_empty(const char* text) noexcept { return text == nullptr ? "" : text; }

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  const std::size_t end = text.find_last_not_of(kBlanks);
  return begin == text.npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

// take replaces a default by what is given, if anything is.
void take(std::string& out, const char* given) {
  if (!text_or_empty(given).empty()) {
    out = given;
  }
}

// for_each_item calls visit(item) for each non-empty item of a list with commas, until it returns
// another status than SEC_E_OK.
template <class Visit>
SECURITY_STATUS for_each_item(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = trimmed(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    const SECURITY_STATUS status = item.empty() ? SEC_E_OK : visit(item);
    if (status != SEC_E_OK) {
      return status;
    }
  }
  return SEC_E_OK;
}

// read_package_list understands "kerberos,!ntlm": a name without '!' leaves only those so named,
// one with '!' takes it away. Excluding a package that does not exist here ("!pku2u") is no error.
SECURITY_STATUS read_package_list(std::string_view list, AcquireOptions& out) {
  bool named_any = false;
  bool kerberos_named = false;
  bool ntlm_named = false;
  bool kerberos_excluded = false;
  bool ntlm_excluded = false;
  const SECURITY_STATUS status = for_each_item(list, [&](std::string_view item) {
    const bool excluded = item.front() == '!';
    const std::string name(trimmed(item.substr(excluded ? 1 : 0)));
    const PackageRow* const row = find_package(name.c_str());
    if (row == nullptr) {
      return excluded ? SEC_E_OK
                      : refuse_copying(SEC_E_SECPKG_NOT_FOUND,
                                       "PackageList: there is no package \"" + name + "\"");
    }
    if (row->package == auth::Package::kKerberos) {
      (excluded ? kerberos_excluded : kerberos_named) = true;
    } else if (row->package == auth::Package::kNtlm) {
      (excluded ? ntlm_excluded : ntlm_named) = true;
    }
    named_any = named_any || (!excluded && row->package != auth::Package::kNegotiate);
    return SEC_E_OK;
  });
  out.allow_kerberos = (!named_any || kerberos_named) && !kerberos_excluded;
  out.allow_ntlm = (!named_any || ntlm_named) && !ntlm_excluded;
  return status;
}

SECURITY_STATUS read_policy(std::string_view list, auth::Policy& out) {
  return for_each_item(list, [&out](std::string_view item) {
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string_view name = trimmed(item.substr(0, equals));
    const std::string_view value = trimmed(item.substr(std::min(equals + 1, item.size())));
    const std::string error = auth::set_policy(out, name, value);
    return error.empty() ? SEC_E_OK
                         : refuse_copying(SEC_E_INVALID_PARAMETER,
                                          "Policy \"" + std::string(item) + "\": " + error);
  });
}

SECURITY_STATUS read_authority(const USHER_ACCEPTOR& acceptor, AuthorityOptions& out) {
  constexpr std::uint32_t kMillisecondsMax = 600'000;
  constexpr std::uint32_t kQuestionsMax = 4'096;
  const std::string_view name = text_or_empty(acceptor.Authority);
  if (!name.empty() && (name != "winbind" || acceptor.Ask != nullptr)) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "USHER_ACCEPTOR: Authority can be \"winbind\", and not beside Ask");
  }
  if (acceptor.AuthorityMilliseconds > kMillisecondsMax ||
      acceptor.AuthorityQuestions > kQuestionsMax) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "USHER_ACCEPTOR: AuthorityMilliseconds is at most 600,000, and "
                  "AuthorityQuestions 4,096");
  }
  out.winbind = !name.empty();
  out.ask = acceptor.Ask;
  out.ask_context = acceptor.AskContext;
  if (acceptor.AuthorityMilliseconds != 0) {
    out.deadline_ms = acceptor.AuthorityMilliseconds;
  }
  if (acceptor.AuthorityQuestions != 0) {
    out.questions_max = acceptor.AuthorityQuestions;
  }
  return SEC_E_OK;
}

// copy_acceptor copies a USHER_ACCEPTOR that the caller may have been built with another version
// of.
SECURITY_STATUS copy_acceptor(const void* auth_data, USHER_ACCEPTOR& out) noexcept {
  std::uint32_t size = 0;
  std::memcpy(&size, static_cast<const std::byte*>(auth_data) + offsetof(USHER_ACCEPTOR, Size),
              sizeof(size));
  if (size < sizeof(USHER_ACCEPTOR) || size > kSizeMax) {
    return refuse(SEC_E_INVALID_PARAMETER, "USHER_ACCEPTOR: Size is wrong");
  }
  const auto* const bytes = static_cast<const std::byte*>(auth_data);
  if (!std::all_of(bytes + sizeof(USHER_ACCEPTOR), bytes + size,
                   [](std::byte byte) { return byte == std::byte{0}; })) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "USHER_ACCEPTOR: a member is set that this version does not know");
  }
  std::memcpy(&out, auth_data, sizeof(out));
  return SEC_E_OK;
}

SECURITY_STATUS read_acceptor(const void* auth_data, AcquireOptions& out) {
  USHER_ACCEPTOR acceptor;
  const SECURITY_STATUS copied = copy_acceptor(auth_data, acceptor);
  if (copied != SEC_E_OK) {
    return copied;
  }
  out.sources.keytab = text_or_empty(acceptor.Keytab);
  out.sources.accounts = text_or_empty(acceptor.Accounts);
  out.sources.kdc_keytab = text_or_empty(acceptor.KdcKeytab);
  const SECURITY_STATUS authority = read_authority(acceptor, out.authority);
  if (authority != SEC_E_OK) {
    return authority;
  }
  take(out.target.netbios_domain, acceptor.NetbiosDomain);
  take(out.target.netbios_computer, acceptor.NetbiosComputer);
  take(out.target.dns_domain, acceptor.DnsDomain);
  take(out.target.dns_computer, acceptor.DnsComputer);
  const SECURITY_STATUS status = read_package_list(text_or_empty(acceptor.PackageList), out);
  return status == SEC_E_OK ? read_policy(text_or_empty(acceptor.Policy), out.policy) : status;
}

// read_identity takes the package list out of a SEC_WINNT_AUTH_IDENTITY_EX; A and W have one
// layout.
SECURITY_STATUS read_identity(const void* auth_data, AcquireOptions& out) {
  static_assert(sizeof(SEC_WINNT_AUTH_IDENTITY_EXA) == sizeof(SEC_WINNT_AUTH_IDENTITY_EXW));
  SEC_WINNT_AUTH_IDENTITY_EXW identity;
  std::memcpy(&identity, auth_data, sizeof(identity));
  if (identity.Length < sizeof(identity)) {
    return refuse(SEC_E_INVALID_PARAMETER, "SEC_WINNT_AUTH_IDENTITY_EX: Length is wrong");
  }
  if (identity.UserLength != 0 || identity.DomainLength != 0 || identity.PasswordLength != 0) {
    return refuse(SEC_E_UNKNOWN_CREDENTIALS,
                  "a service's user and password are not supported: name a keytab in "
                  "USHER_ACCEPTOR");
  }
  if (identity.PackageList == nullptr || identity.PackageListLength == 0) {
    return SEC_E_OK;
  }
  constexpr std::uint32_t kListSizeMax = 256;
  if (identity.PackageListLength > kListSizeMax) {
    return refuse(SEC_E_INVALID_PARAMETER, "PackageList is too long");
  }
  const void* const list = identity.PackageList;
  if ((identity.Flags & SEC_WINNT_AUTH_IDENTITY_UNICODE) == 0) {
    return read_package_list({static_cast<const char*>(list), identity.PackageListLength}, out);
  }
  std::string text(std::size_t{3} * identity.PackageListLength, '\0');
  const std::optional<Bytes> utf8 = auth::utf16_to_utf8(
      {static_cast<const std::uint8_t*>(list), std::size_t{2} * identity.PackageListLength},
      {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (!utf8) {
    return refuse(SEC_E_INVALID_PARAMETER, "PackageList is not valid UTF-16");
  }
  text.resize(utf8->size());
  return read_package_list(text, out);
}

std::uint32_t version_of(const void* auth_data) noexcept {
  std::uint32_t version = 0;
  std::memcpy(&version, auth_data, sizeof(version));
  return version;
}

}  // namespace

SECURITY_STATUS read_added_files(const void* auth_data, AddedFiles& out) {
  if (auth_data == nullptr) {
    return SEC_E_OK;
  }
  if (version_of(auth_data) != USHER_ACCEPTOR_VERSION) {
    return refuse(SEC_E_UNKNOWN_CREDENTIALS, "AddCredentials: pAuthData is no USHER_ACCEPTOR");
  }
  USHER_ACCEPTOR given;
  const SECURITY_STATUS copied = copy_acceptor(auth_data, given);
  if (copied != SEC_E_OK) {
    return copied;
  }
  const auto is_unset = [](const char* text) { return text_or_empty(text).empty(); };
  if (!is_unset(given.PackageList) || !is_unset(given.Policy) || !is_unset(given.NetbiosDomain) ||
      !is_unset(given.NetbiosComputer) || !is_unset(given.DnsDomain) ||
      !is_unset(given.DnsComputer) || !is_unset(given.KdcKeytab) || !is_unset(given.Authority) ||
      given.Ask != nullptr || given.AskContext != nullptr || given.AuthorityMilliseconds != 0 ||
      given.AuthorityQuestions != 0) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "AddCredentials: of USHER_ACCEPTOR only Keytab and Accounts can be added");
  }
  out = {.keytab = std::string(text_or_empty(given.Keytab)),
         .accounts = std::string(text_or_empty(given.Accounts))};
  return SEC_E_OK;
}

SECURITY_STATUS read_auth_data(const void* auth_data, AcquireOptions& out) {
  if (auth_data == nullptr) {
    return SEC_E_OK;
  }
  const std::uint32_t version = version_of(auth_data);
  if (version == USHER_ACCEPTOR_VERSION) {
    return read_acceptor(auth_data, out);
  }
  if (version == SEC_WINNT_AUTH_IDENTITY_VERSION) {
    return read_identity(auth_data, out);
  }
  return refuse(SEC_E_UNKNOWN_CREDENTIALS,
                "pAuthData is neither USHER_ACCEPTOR nor SEC_WINNT_AUTH_IDENTITY_EX");
}

}  // namespace usher::sspi
