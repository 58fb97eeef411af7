// What an acceptor accepts with: packages, keys, accounts, policy and its own names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/auth/accounts.h"
#include "engine/auth/authority.h"
#include "engine/auth/policy.h"
#include "engine/crypto/key_ring.h"
#include "engine/slots/published.h"
#include "parsers/bytes.h"

namespace usher::auth {

// Package is the security package a credential was asked for by name.
enum class Package : std::uint8_t { kNegotiate, kKerberos, kNtlm };

// Keys is what a reload replaces as a whole. `ring` or `accounts` may be null: then that mechanism
// is not served.
struct Keys {
  Keys() noexcept;

  std::uint64_t generation;  // No other Keys of this process ever has that number; never 0.
  std::unique_ptr<const crypto::KeyRing> ring;
  std::unique_ptr<const Accounts> accounts;
  // Services that tickets may be for besides Policy::targets, where those are listed.
  std::vector<std::string> targets;
  // Keys of krbtgt, for who has them: the KDC's own signatures in a PAC are then verified, too.
  std::unique_ptr<const crypto::KeyRing> kdc_ring;
};

// NtlmTarget is how this server names itself in a CHALLENGE (MS-NLMP 2.2.1.2), in UTF-8.
struct NtlmTarget {
  std::string netbios_domain;
  std::string netbios_computer;
  std::string dns_domain;
  std::string dns_computer;
};

// local_ntlm_target makes one from the machine's host name: "web.example.org" becomes EXAMPLE, WEB,
// example.org, web.example.org. Allocates.
[[nodiscard]] NtlmTarget local_ntlm_target();

// adopt puts what a domain calls this machine in place of names that are as local_ntlm_target made
// them, `local`; an empty name of `domain` replaces nothing. Allocates.
void adopt(NtlmTarget& target, const NtlmTarget& local, const NtlmTarget& domain);

// fault_of returns null, or what is wrong with names that are not valid UTF-8 or would not fit into
// every CHALLENGE. A Credential must not be given such.
[[nodiscard]] const char* fault_of(const NtlmTarget& target) noexcept;

// Credential is shared by all threads; only its keys change, by Published::replace.
struct Credential {
  Credential(Package the_package, std::unique_ptr<const Keys> the_keys)
      : package(the_package), keys(std::move(the_keys)) {}

  Package package;
  bool allow_kerberos = true;  // Off: "!kerberos" in the package list.
  bool allow_ntlm = true;      // Off: "!ntlm".
  Policy policy;
  NtlmTarget target = local_ntlm_target();
  // Asked about NTLM clients that the accounts do not know; may be null.
  std::unique_ptr<Authority> authority;

  // What is served with the keys held, by package, and if there is anything to verify it with.
  [[nodiscard]] bool serves_kerberos(const Keys& held) const noexcept;
  [[nodiscard]] bool serves_ntlm(const Keys& held) const noexcept;
  Published<Keys> keys;
};

}  // namespace usher::auth
