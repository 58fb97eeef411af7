// `usher accept`: replays recorded exchanges through the acceptor and says what came of them.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace usher::cli {

struct AcceptOptions {
  std::string keytab;      // Empty: no Kerberos.
  std::string accounts;    // Empty: no NTLM.
  std::string kdc_keytab;  // Empty: only the server signature of a PAC is verified.
  std::string at;          // RFC 3339, UTC; empty: now.
  std::optional<std::int64_t> clock_skew_s;
  std::vector<std::string> policies;    // name=value
  std::optional<std::string> bindings;  // Application data of the channel bindings in hex.
  bool json = false;                    // One object a transcript, a line each.
  std::vector<std::string> transcripts;
};

// accept_command replays all transcripts on one engine, in order, so that a token that comes twice
// is a replay. With `at` the clock stands still. Returns kExitRefused if a transcript did not end
// in SEC_E_OK. Throws UsageError, before anything is replayed.
[[nodiscard]] int accept_command(const AcceptOptions& options, std::ostream& out);

}  // namespace usher::cli
