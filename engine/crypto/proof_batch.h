// NTLM proofs, session keys and MICs of all the exchanges that one turn has collected.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/crypto/kit.h"
#include "engine/crypto/lanes.h"
#include "engine/crypto/ticket_batch.h"
#include "parsers/bytes.h"

namespace usher::crypto {

inline constexpr std::size_t kNtHashSize = 16;

// ProofKind is what a client proves itself with.
enum class ProofKind : std::uint8_t {
  kV2,         // MS-NLMP 3.3.2.
  kV1,         // MS-NLMP 3.3.1: DES over the server challenge.
  kV1Session,  // Likewise, with extended session security: over a hash of both challenges.
  kAnonymous,  // Not at all; the session key is zeros (MS-NLMP 3.2.5.1.2).
};

// ProofJob verifies one NTLM response and what depends on its session key. Views
// lie in the token, in the context and in the account directory; all outlive the turn.
struct ProofJob {
  ProofKind kind = ProofKind::kV2;
  Bytes nt_hash;           // NTOWFv1 of the account: kNtHashSize bytes; none for kAnonymous.
  Bytes session_base_key;  // Not empty, 16 bytes: the response has been found right elsewhere, and
                           // is not compared here; nt_hash is not needed then.
  Bytes user_upper;        // UTF-16LE, upper case.
  Bytes domain;            // UTF-16LE, exactly as the client sent it (in UTF-16).
  Bytes server_challenge;  // 8 bytes.
  Bytes proof;             // NTProofStr, 16 bytes; of kV1 and kV1Session the 24-byte response.
  Bytes client_data;  // Rest of the NT response; of kV1Session the client's challenge, 8 bytes.

  bool key_exchange = false;    // NTLMSSP_NEGOTIATE_KEY_EXCH: the session key came encrypted.
  Bytes encrypted_session_key;  // 16 bytes if key_exchange.

  bool check_mic = false;
  Bytes negotiate;     // The three messages as they went over the wire;
  Bytes challenge;     // `authenticate` still with its MIC, which counts as 16 zero bytes
  Bytes authenticate;  // (MS-NLMP 3.2.5.1.2).
  Bytes mic;           // 16 bytes inside `authenticate`, at ntlm::kMicOffset.

  MutableBytes session_key;  // Out, 16 bytes: ExportedSessionKey. Wiped if refused.
  Outcome proof_outcome = Outcome::kPending;  // kForged: the proof is wrong.
  Outcome mic_outcome = Outcome::kPending;    // kForged: the MIC is wrong. kDone if !check_mic.
};

// verify_proofs decides every pending job; the proof is compared, in constant time, before anything
// else is looked at, and a wrong proof leaves mic_outcome kForged. If the library fails, all that
// are in lanes together get kFailed. No job influences another otherwise.
//
// With lanes, the HMACs of NTLMv2 run side by side, and those of other kinds of proofs one job
// after the other, as all do with a Kit alone.
void verify_proofs(Lanes& lanes, std::span<ProofJob> jobs) noexcept;
void verify_proofs(Kit& kit, std::span<ProofJob> jobs) noexcept;

// nt_hash_of makes NTOWFv1: MD4 of the password in UTF-16LE (MS-NLMP 3.3.1).
[[nodiscard]] bool nt_hash_of(Kit& kit, Bytes password_utf16, MutableBytes nt_hash) noexcept;

}  // namespace usher::crypto
