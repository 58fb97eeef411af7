#include "engine/auth/policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>

#include "engine/limits.h"

namespace usher::auth {
namespace {

// Row is a line of the table and what its value is made of.
struct Row : PolicyRow {
  bool (*set)(Policy& policy, std::string_view value);
  std::string (*get)(const Policy& policy);
};

// named is a row whose value is a bool or an enumerator, each with its name, in their order.
template <auto kMember, const auto& kNames>
constexpr Row named(std::string_view name, std::string_view values, std::string_view meaning) {
  return {{name, values, meaning},
          [](Policy& policy, std::string_view value) {
            const auto found = std::ranges::find(kNames, value);
            if (found == kNames.end()) {
              return false;
            }
            auto& member = policy.*kMember;
            member = static_cast<std::remove_reference_t<decltype(member)>>(found - kNames.begin());
            return true;
          },
          [](const Policy& policy) {
            return std::string(kNames[static_cast<std::size_t>(policy.*kMember)]);
          }};
}

template <std::size_t kCount>
using Names = std::array<std::string_view, kCount>;
constexpr Names<2> kOffOn = {"off", "on"};
constexpr Names<2> kRefuseAccept = {"refuse", "accept"};
constexpr Names<2> kRefuseAllow = {"refuse", "allow"};
constexpr Names<2> kAskedRequired = {"when-asked", "required"};
constexpr Names<2> kIgnoreCheck = {"ignore", "check"};
constexpr Names<2> kAbsentPresent = {"absent", "present"};
constexpr Names<2> kIgnoreAccept = {"ignore", "accept"};
constexpr Names<2> kAnnouncedAlways = {"when-announced", "always"};
constexpr Names<3> kNtlmTargetNames = {"any", "listed", "required"};
constexpr Names<3> kPacNames = {"use", "require", "ignore"};
constexpr Names<3> kBindingNames = {"when-supported", "always", "never"};

// seconds is a row whose value is a number from 0 to kMax.
template <auto kMember, std::int64_t kMax>
constexpr Row seconds(std::string_view name, std::string_view values, std::string_view meaning) {
  return {{name, values, meaning},
          [](Policy& policy, std::string_view value) {
            std::int64_t number = 0;
            const char* const end = value.data() + value.size();
            const auto [parsed, error] = std::from_chars(value.data(), end, number);
            if (error != std::errc{} || parsed != end || number < 0 || number > kMax) {
              return false;
            }
            policy.*kMember = number;
            return true;
          },
          [](const Policy& policy) { return std::to_string(policy.*kMember); }};
}

// set_targets takes a keyword, or names with blanks between them, each with a '/' in it.
bool set_targets(Policy& policy, std::string_view value) {
  if (value == "keytab" || value == "any") {
    policy.target_policy = value == "any" ? TargetPolicy::kAny : TargetPolicy::kKeytab;
    policy.targets.clear();
    return true;
  }
  std::vector<std::string> names;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t blank = std::min(value.find(' ', at), value.size());
    const std::string_view name = value.substr(at, blank - at);
    at = blank + 1;
    if (name.empty()) {
      continue;
    }
    if (name.find('/') == std::string_view::npos) {
      return false;
    }
    names.emplace_back(name);
  }
  if (names.empty()) {
    return false;
  }
  policy.target_policy = TargetPolicy::kListed;
  policy.targets = std::move(names);
  return true;
}

std::string get_targets(const Policy& policy) {
  if (policy.target_policy != TargetPolicy::kListed) {
    return policy.target_policy == TargetPolicy::kAny ? "any" : "keytab";
  }
  std::string list;
  for (const std::string& name : policy.targets) {
    list.append(list.empty() ? "" : " ").append(name);
  }
  return list;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_in_any_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}

constexpr std::array kTable = {
    seconds<&Policy::skew_s, kSkewSecondsMax>("kerberos.skew", "300",
                                              "seconds that clocks may be apart (at most 86400)"),
    named<&Policy::check_replays, kOffOn>("kerberos.replay", "on | off",
                                          "refuse authenticators that were seen before"),
    named<&Policy::accept_when_full, kRefuseAccept>(
        "kerberos.replay-full", "refuse | accept",
        "sign-ons while the replay cache has no room to remember them"),
    named<&Policy::cache_tickets, kOffOn>(
        "kerberos.ticket-cache", "on | off",
        "remember tickets that were opened, so that they need not be opened again"),
    named<&Policy::allow_rc4, kRefuseAllow>("kerberos.rc4", "refuse | allow",
                                            "RC4 tickets, session keys and subkeys (etype 23)"),
    named<&Policy::allow_weaker_keys, kRefuseAllow>(
        "kerberos.weaker-keys", "refuse | allow",
        "session keys and subkeys that are weaker than the key the ticket is sealed with"),
    named<&Policy::require_mutual, kAskedRequired>(
        "kerberos.mutual", "when-asked | required",
        "whether clients that do not ask for mutual authentication are served"),
    Row{{"kerberos.targets", "keytab | any | NAME...",
         "services that tickets may be for: those the keytab names, any that one of its keys "
         "opens, or these (HTTP/web HTTP/web@REALM)"},
        set_targets,
        get_targets},
    named<&Policy::check_transited, kIgnoreCheck>(
        "kerberos.transited", "check | ignore",
        "refuse tickets that came through other realms unless the KDC has checked those (domains "
        "behind more than one trust need ignore)"),
    named<&Policy::check_addresses, kIgnoreCheck>(
        "kerberos.addresses", "ignore | check",
        "compare a ticket's addresses with the client's, which the caller gives with the channel "
        "bindings"),
    named<&Policy::pac, kPacNames>("pac", "use | require | ignore",
                                   "Windows' authorization data: groups, SIDs, names"),
    named<&Policy::bindings, kBindingNames>(
        "bindings", "when-supported | always | never",
        "channel bindings: compared if both sides have some, required, or not looked at"),
    named<&Policy::zero_bindings_present, kAbsentPresent>(
        "bindings.zero", "absent | present",
        "whether bindings of sixteen zeros count as none, or as wrong ones"),
    named<&Policy::accept_delegation, kIgnoreAccept>(
        "delegation", "ignore | accept", "keep delegated credentials for a caller that asks"),
    named<&Policy::allow_ntlm_v1, kRefuseAllow>(
        "ntlm.v1", "refuse | allow",
        "NTLMv1 responses, also with extended session security; they can be broken and relayed"),
    named<&Policy::allow_ntlm_anonymous, kRefuseAllow>(
        "ntlm.anonymous", "refuse | allow",
        "NTLM clients that name nobody and prove nothing (ASC_REQ_ALLOW_NULL_SESSION; usherd and "
        "usher accept ask for it)"),
    named<&Policy::ntlm_target, kNtlmTargetNames>("ntlm.target", "any | listed | required",
                                                  "the service that an NTLM client says it speaks "
                                                  "with: any or none; if it says one, one that "
                                                  "kerberos.targets lists; or always one of those"),
    seconds<&Policy::ntlm_lifetime_s, kNtlmLifetimeMax>(
        "ntlm.lifetime", "129600",
        "seconds that an NTLMv2 client's clock may be away from ours (at most 315360000)"),
    named<&Policy::ntlm_mic_always, kAnnouncedAlways>(
        "ntlm.mic", "when-announced | always",
        "whether NTLM clients that announce no MIC are served"),
};

constexpr auto kPublicTable = [] {
  std::array<PolicyRow, kTable.size()> rows;
  std::ranges::copy(kTable, rows.begin());
  return rows;
}();

}  // namespace

bool is_target(std::string_view target, std::string_view principal) noexcept {
  std::size_t at = 0;  // Of the '@' before the realm: the first without a backslash before it.
  while (at < principal.size() && principal[at] != '@') {
    at += principal[at] == '\\' ? 2u : 1u;
  }
  return equal_in_any_case(target, principal) || equal_in_any_case(target, principal.substr(0, at));
}

bool is_ntlm_target(std::string_view target, std::string_view spn) noexcept {
  target = target.substr(0, target.find('@'));
  const bool any_port = target.find(':') == std::string_view::npos;
  return equal_in_any_case(target, any_port ? spn.substr(0, spn.find(':')) : spn);
}

const char* fault_of(const Policy& policy) noexcept {
  return policy.ntlm_target != NtlmTargetPolicy::kAny && policy.targets.empty()
             ? "ntlm.target needs names to compare with: list them in kerberos.targets, as in "
               "\"HTTP/web.example.test HTTP/web\" (its keytab and any list none)"
             : nullptr;
}

std::span<const PolicyRow> policy_table() noexcept { return kPublicTable; }

std::string set_policy(Policy& policy, std::string_view name, std::string_view value) {
  const auto row = std::ranges::find(kTable, name, &PolicyRow::name);
  if (row == kTable.end()) {
    std::string known = "no such policy; there are";
    for (const PolicyRow& other : kTable) {
      known.append(" ").append(other.name);
    }
    return known;
  }
  if (row->set(policy, value)) {
    return {};
  }
  const bool is_number = row->values.find_first_not_of("0123456789") == std::string_view::npos;
  return std::string(is_number ? "expected a number, such as " : "expected ")
      .append(row->values)
      .append(": ")
      .append(row->meaning);
}

std::string policy_value(const Policy& policy, std::string_view name) {
  const auto row = std::ranges::find(kTable, name, &PolicyRow::name);
  return row == kTable.end() ? std::string() : row->get(policy);
}

}  // namespace usher::auth
