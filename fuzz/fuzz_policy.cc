// engine/auth/policy.h and the lists an SSPI caller gives (engine/sspi_auth_data.cc): every policy
// is set or refused with words that help, and a list means what its items mean one after the other.
#include <algorithm>
#include <string>
#include <string_view>

#include "engine/sspi_internal.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

using auth::Policy;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

// stated is every policy as text, in a form that set_policy takes.
std::string stated(const Policy& policy) {
  std::string text;
  for (const auth::PolicyRow& row : auth::policy_table()) {
    text.append(row.name).append("=").append(auth::policy_value(policy, row.name)).append(",");
  }
  return text;
}

// set_one sets one policy and looks at what came of it.
bool set_one(Policy& policy, std::string_view name, std::string_view value) {
  const Policy before = policy;
  const std::string error = auth::set_policy(policy, name, value);
  const auto rows = auth::policy_table();
  const bool known = std::ranges::find(rows, name, &auth::PolicyRow::name) != rows.end();
  if (!error.empty()) {
    check(policy == before, "a policy that is refused changes nothing");
    check(error.starts_with(known ? "expected " : "no such policy; there are "),
          "a refusal says what was expected");
    return false;
  }
  check(known, "only what the table names can be set");
  check(policy.skew_s >= 0 && policy.skew_s <= kSkewSecondsMax, "a skew is within its bounds");
  for (const auth::PolicyRow& row : rows) {
    check(row.name == name ||
              auth::policy_value(policy, row.name) == auth::policy_value(before, row.name),
          "a policy changes nothing but itself");
  }
  return true;
}

// set_all is the model of a list: items between commas, blank ones skipped, to the first mistake.
bool set_all(Policy& policy, std::string_view list) {
  while (!list.empty()) {
    const std::string_view item = trimmed(list.substr(0, list.find(',')));
    list.remove_prefix(std::min(list.find(','), list.size() - 1) + 1);
    const std::size_t equals = std::min(item.find('='), item.size());
    if (!item.empty() && !set_one(policy, trimmed(item.substr(0, equals)),
                                  trimmed(item.substr(std::min(equals + 1, item.size()))))) {
      return false;
    }
  }
  return true;
}

SECURITY_STATUS read(const char* policies, const char* packages, sspi::AcquireOptions& out) {
  const USHER_ACCEPTOR acceptor{.Version = USHER_ACCEPTOR_VERSION,
                                .Size = sizeof(USHER_ACCEPTOR),
                                .PackageList = packages,
                                .Policy = policies};
  return sspi::read_auth_data(&acceptor, out);
}

void check_policies(const std::string& list) {
  Policy expected;
  const bool good = set_all(expected, list);
  sspi::AcquireOptions options;
  const SECURITY_STATUS status = read(list.c_str(), nullptr, options);
  check(status == (good ? SEC_E_OK : SEC_E_INVALID_PARAMETER), "a list is as good as its items");
  if (!good) {
    check(std::string_view(usher_last_refusal()).starts_with("Policy \""),
          "a refusal names the item");
    return;
  }
  check(options.policy == expected, "a list means its items");
  sspi::AcquireOptions again;
  check(read(stated(expected).c_str(), nullptr, again) == SEC_E_OK && again.policy == expected,
        "what is in force can be stated and read again");
}

void check_packages(const std::string& list) {
  sspi::AcquireOptions options;
  if (read(nullptr, list.c_str(), options) != SEC_E_OK) {
    check(std::string_view(usher_last_refusal()).starts_with("PackageList: "),
          "a refusal says where");
    return;
  }
  // The same list the other way round, and in the other of the two structures.
  const std::string stated =
      std::string(options.allow_kerberos ? "" : "!kerberos,") + (options.allow_ntlm ? "" : "!ntlm");
  sspi::AcquireOptions again;
  check(read(nullptr, stated.c_str(), again) == SEC_E_OK &&
            again.allow_kerberos == options.allow_kerberos &&
            again.allow_ntlm == options.allow_ntlm,
        "a choice of packages can be stated and read again");
  std::string copy = list;
  SEC_WINNT_AUTH_IDENTITY_EXA identity{};
  identity.Version = SEC_WINNT_AUTH_IDENTITY_VERSION;
  identity.Length = sizeof(identity);
  identity.Flags = SEC_WINNT_AUTH_IDENTITY_ANSI;
  identity.PackageList = reinterpret_cast<unsigned char*>(copy.data());
  identity.PackageListLength = static_cast<std::uint32_t>(copy.size());
  sspi::AcquireOptions windows;
  const SECURITY_STATUS status = sspi::read_auth_data(&identity, windows);
  constexpr std::size_t kListSizeMax = 256;
  check(status == (list.size() <= kListSizeMax ? SEC_E_OK : SEC_E_INVALID_PARAMETER),
        "both structures take the same lists, save for their length");
  check(status != SEC_E_OK || (windows.allow_kerberos == options.allow_kerberos &&
                               windows.allow_ntlm == options.allow_ntlm),
        "and mean the same by them");
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty() || std::ranges::find(input.subspan(1), 0) != input.end()) {
    return;  // A C string ends there.
  }
  constexpr std::size_t kListSizeMax = 512;
  const Bytes text = input.subspan(1, std::min(input.size() - 1, kListSizeMax));
  const std::string list(text.begin(), text.end());
  if (input[0] % 4 == 0) {
    check_packages(list);
  } else {
    check_policies(list);
  }
}

}  // namespace usher::fuzz
