// What an operator tells usherd, from a TOML file and from flags.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/auth/credential.h"
#include "engine/auth/policy.h"
#include "engine/limits.h"

namespace usherd {

struct Config {
  std::vector<std::string> listen_tcp;   // "HOST:PORT", "[V6]:PORT", "*:PORT".
  std::vector<std::string> listen_unix;  // Paths.
  std::int64_t unix_mode = 0660;
  std::string keytab;       // Empty: Kerberos is not served.
  std::string accounts;     // Empty: this machine has no accounts for NTLM.
  std::string authority;    // "winbind", or empty: nobody else is asked about NTLM's clients.
  std::string replay_file;  // Empty: the replay cache is in memory.
  std::string kdc_keytab;   // Empty: the KDC's signatures in PACs are not verified.
  std::string packages = "negotiate";
  std::int64_t slots = usher::kSlotCountDefault;
  std::int64_t connections = 1024;  // Per worker.
  std::int64_t workers = 1;
  std::int64_t half_open_seconds = usher::kHalfOpenSecondsDefault;
  std::int64_t replay_entries = usher::kReplayEntryCountDefault;
  std::int64_t ticket_entries = usher::kTicketCacheEntriesDefault;
  std::int64_t authority_seconds = 5;
  std::int64_t authority_threads = 4;
  std::int64_t authority_questions = 256;
  std::int64_t idle_seconds = 60;
  std::int64_t request_seconds = 5;
  std::int64_t drain_seconds = 10;
  std::string connection_header;
  std::string log_level = "info";
  usher::auth::NtlmTarget ntlm = usher::auth::local_ntlm_target();
  usher::auth::Policy policy;

  // What `packages` means.
  usher::auth::Package package = usher::auth::Package::kNegotiate;
  bool allow_kerberos = true;
  bool allow_ntlm = true;

  bool check_only = false;
};

// read_config changes in `config` what `text`, a configuration file, asks for, and checks the
// whole. Returns an empty string, or a mistake as load_config names it; `name` stands for the file.
// After a mistake `config` is not to be used.
[[nodiscard]] std::string read_config(Config& config, std::string_view text,
                                      const std::string& name);

// load_config reads the flags and the file they name; flags win. Nothing means that the program is
// to end with `exit_code`: 0 after --help and --version, which go to `out`, and 2 after a mistake,
// which `errors` names as "FILE:LINE: key: expected ..." or "--flag: expected ...".
[[nodiscard]] std::optional<Config> load_config(int argc, const char* const* argv,
                                                std::ostream& out, std::ostream& errors,
                                                int& exit_code);

}  // namespace usherd
