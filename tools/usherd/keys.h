// What usherd accepts with, loaded at start, on SIGHUP, and when a file has changed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/auth/credential.h"
#include "engine/crypto/kit.h"
#include "tools/usherd/config.h"

namespace usherd {

struct LoadedKeys {
  std::unique_ptr<const usher::auth::Keys> keys;  // Null if something could not be loaded.
  std::string error;                              // Then: the file and the reason.
  std::string summary;                            // Else: what was loaded, for the log; no keys.
};

// load_keys reads the keytabs and the accounts that `config` names.
[[nodiscard]] LoadedKeys load_keys(const Config& config);

// key_files lists the files that load_keys reads.
[[nodiscard]] std::vector<std::string> key_files(const Config& config);

}  // namespace usherd
