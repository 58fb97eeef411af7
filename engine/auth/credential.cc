#include "engine/auth/credential.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <optional>

#include "engine/auth/unicode.h"
#include "engine/limits.h"

namespace usher::auth {
namespace {

// A NetBIOS name is at most 15 characters, in upper case (MS-NLMP 2.2.2.1, by way of RFC 1001 14).
constexpr std::size_t kNetbiosNameMax = 15;

std::string netbios_name(std::string_view label) {
  std::string name(label.substr(0, kNetbiosNameMax));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

// Relaxed: numbers only have to differ.
std::atomic<std::uint64_t> generations{0};

}  // namespace

Keys::Keys() noexcept : generation(generations.fetch_add(1, std::memory_order_relaxed) + 1) {}

NtlmTarget local_ntlm_target() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) {
    buffer[0] = '\0';
  }
  const std::string host(buffer[0] != '\0' ? buffer.data() : "localhost");
  const std::size_t dot = host.find('.');
  const std::string label = host.substr(0, dot);
  const std::string domain = dot == std::string::npos ? std::string() : host.substr(dot + 1);
  NtlmTarget target;
  target.netbios_computer = netbios_name(label);
  target.netbios_domain =
      domain.empty() ? target.netbios_computer : netbios_name(domain.substr(0, domain.find('.')));
  target.dns_domain = domain;
  target.dns_computer = host;
  return target;
}

void adopt(NtlmTarget& target, const NtlmTarget& local, const NtlmTarget& domain) {
  for (const auto name : {&NtlmTarget::netbios_domain, &NtlmTarget::netbios_computer,
                          &NtlmTarget::dns_domain, &NtlmTarget::dns_computer}) {
    if (target.*name == local.*name && !(domain.*name).empty()) {
      target.*name = domain.*name;
    }
  }
}

const char* fault_of(const NtlmTarget& target) noexcept {
  constexpr std::size_t kDnsNameMax = 255;
  // MS-NLMP 2.2.1.2: header, target name, five AV pairs with a header each, a timestamp, the end.
  std::size_t size = 56 + 5 * 4 + 8 + 4;
  const auto fits = [&size](const std::string& name, std::size_t units_max, std::size_t times) {
    std::array<std::uint8_t, kNtlmChallengeSizeMax> room;
    const std::optional<Bytes> wide =
        utf8_to_utf16({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()}, room);
    size += wide ? times * wide->size() : 0;
    return wide && wide->size() <= 2 * units_max;
  };
  const bool good = fits(target.netbios_domain, kNetbiosNameMax, 2) &&
                    fits(target.netbios_computer, kNetbiosNameMax, 1) &&
                    fits(target.dns_domain, kDnsNameMax, 1) &&
                    fits(target.dns_computer, kDnsNameMax, 1) && size <= kNtlmChallengeSizeMax;
  return good ? nullptr
              : "the NTLM names are not UTF-8 or too long: 15 characters for a NetBIOS name, "
                "about 130 for the two DNS names together";
}

bool Credential::serves_kerberos(const Keys& held) const noexcept {
  return allow_kerberos && package != Package::kNtlm && held.ring != nullptr;
}

bool Credential::serves_ntlm(const Keys& held) const noexcept {
  return allow_ntlm && package != Package::kKerberos &&
         (held.accounts != nullptr || authority != nullptr);
}

}  // namespace usher::auth
