#include "engine/auth/credential.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

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

}  // namespace

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

}  // namespace usher::auth
