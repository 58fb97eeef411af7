// Loads keytabs and accounts; keys.h says what is promised.
#include "tools/usherd/keys.h"

#include <string_view>
#include <utility>

#include "engine/auth/accounts.h"
#include "engine/crypto/key_ring.h"

namespace usherd {

LoadedKeys load_keys(const Config& config) {
  LoadedKeys loaded;
  // Of its own: ciphers keep the last key they were given.
  const std::unique_ptr<usher::crypto::Kit> kit = usher::crypto::Kit::make();
  if (!kit) {
    loaded.error = "OpenSSL lacks an algorithm that is needed (is its legacy provider installed?)";
    return loaded;
  }
  auto keys = std::make_unique<usher::auth::Keys>();
  if (!config.keytab.empty()) {
    auto keytab = usher::crypto::KeyRing::load_keytab(*kit, config.keytab);
    if (!keytab.ring) {
      loaded.error = keytab.error;
      return loaded;
    }
    loaded.summary = "keytab " + config.keytab + ":";
    for (const auto& principal : keytab.ring->principals()) {
      loaded.summary.append(" ").append(principal.text);
    }
    if (keytab.ring->left_out() > 0) {
      loaded.summary.append(" (").append(std::to_string(keytab.ring->left_out()));
      loaded.summary.append(" entries of other encryption types left out)");
    }
    keys->ring = std::move(keytab.ring);
  }
  if (!config.kdc_keytab.empty()) {
    auto keytab = usher::crypto::KeyRing::load_kdc_keytab(*kit, config.kdc_keytab);
    if (!keytab.ring) {
      loaded.error = keytab.error;
      return loaded;
    }
    loaded.summary.append(loaded.summary.empty() ? "" : ", ").append("KDC keytab ");
    loaded.summary.append(config.kdc_keytab);
    keys->kdc_ring = std::move(keytab.ring);
  }
  if (!config.accounts.empty()) {
    auto accounts = usher::auth::Accounts::load_file(*kit, config.accounts);
    if (!accounts.accounts) {
      loaded.error = accounts.error;
      return loaded;
    }
    loaded.summary.append(loaded.summary.empty() ? "" : ", ").append("accounts ");
    loaded.summary.append(config.accounts).append(": ");
    loaded.summary.append(std::to_string(accounts.accounts->size()));
    keys->accounts = std::move(accounts.accounts);
  }
  loaded.keys = std::move(keys);
  return loaded;
}

std::vector<std::string> key_files(const Config& config) {
  constexpr std::string_view kPrefix = "FILE:";  // load_keytab takes it off, too.
  std::vector<std::string> files;
  for (const std::string* file : {&config.keytab, &config.kdc_keytab, &config.accounts}) {
    if (!file->empty()) {
      files.push_back(file->starts_with(kPrefix) ? file->substr(kPrefix.size()) : *file);
    }
  }
  return files;
}

}  // namespace usherd
