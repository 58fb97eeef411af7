// How far inputs got: a campaign that never passes a stage tests nothing behind it.
#pragma once

#include <cstdint>

#include "engine/status.h"

namespace usher::fuzz {

enum class Stage : std::uint8_t {
  kOffered,        // An input was given to the acceptor at all.
  kOuterToken,     // GSS and SPNEGO framing and the AP-REQ or NTLM message could be read.
  kKeyFound,       // A key of the service, or an account, was tried.
  kDecrypted,      // The ticket opened; NTLM: the proof was right.
  kAuthenticator,  // The authenticator opened; NTLM: the MIC was right.
  kPac,            // The ticket held a PAC that can be read.
  kAccepted,
};

// reached counts one input at `stage` and every earlier one but kPac; kPac is counted alone, beside
// the stage that the same input reached. If any input was counted, the process prints one line at
// its end, to standard error:
//   reach: offered 1000, outer token 900, key found 850, decrypted 700, authenticator 500, PAC 300,
//   accepted 120
void reached(Stage stage) noexcept;

// stage_of says how far a token got that was refused or accepted with `status`.
Stage stage_of(Status status) noexcept;

}  // namespace usher::fuzz
