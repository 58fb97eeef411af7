// NTLMv2 proofs, session keys and MICs, one job after the other.
#include "engine/crypto/proof_batch.h"

#include <algorithm>
#include <cassert>

#include "engine/secret.h"
#include "parsers/ntlm.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kMd5Size = 16;
constexpr std::size_t kServerChallengeSize = 8;
using Hash = Secret<kMd5Size>;

// check_proof compares NTProofStr (MS-NLMP 3.3.2) and makes SessionBaseKey, which under NTLMv2 is
// the KeyExchangeKey too (MS-NLMP 3.4.5.1).
Outcome check_proof(Kit& kit, const ProofJob& job, Hash& session_base_key) noexcept {
  Hash response_key;  // NTOWFv2.
  Hash expected;
  const Bytes account[] = {job.user_upper, job.domain};
  const Bytes covered[] = {job.server_challenge, job.client_data};
  if (!kit.hmac_md5(job.nt_hash, account, response_key.reset(kMd5Size)) ||
      !kit.hmac_md5(response_key.bytes(), covered, expected.reset(kMd5Size))) {
    return Outcome::kFailed;
  }
  if (!equal_secret(expected.bytes(), job.proof)) {
    return Outcome::kForged;
  }
  const Bytes proof[] = {expected.bytes()};
  return kit.hmac_md5(response_key.bytes(), proof, session_base_key.reset(kMd5Size))
             ? Outcome::kDone
             : Outcome::kFailed;
}

// check_mic is MS-NLMP 3.2.5.1.2: the MIC covers the three messages, itself counted as zeros.
Outcome check_mic(Kit& kit, const ProofJob& job) noexcept {
  constexpr std::size_t kMicEnd = ntlm::kMicOffset + ntlm::kMicSize;
  constexpr std::array<std::uint8_t, ntlm::kMicSize> kZeroMic{};
  if (job.authenticate.size() < kMicEnd) {
    return Outcome::kForged;
  }
  const Bytes covered[] = {job.negotiate, job.challenge, job.authenticate.first(ntlm::kMicOffset),
                           kZeroMic, job.authenticate.subspan(kMicEnd)};
  Hash expected;
  if (!kit.hmac_md5(job.session_key, covered, expected.reset(kMd5Size))) {
    return Outcome::kFailed;
  }
  return equal_secret(expected.bytes(), job.mic) ? Outcome::kDone : Outcome::kForged;
}

// export_session_key writes ExportedSessionKey (MS-NLMP 3.2.5.1.2).
bool export_session_key(Kit& kit, const ProofJob& job, Bytes session_base_key) noexcept {
  if (job.key_exchange) {
    assert(job.encrypted_session_key.size() == kMd5Size);
    return kit.rc4(session_base_key, job.encrypted_session_key, job.session_key);
  }
  std::ranges::copy(session_base_key, job.session_key.begin());
  return true;
}

void verify(Kit& kit, ProofJob& job) noexcept {
  assert(job.nt_hash.size() == kNtHashSize && job.session_key.size() == kMd5Size);
  assert(job.server_challenge.size() == kServerChallengeSize);
  Hash session_base_key;
  job.proof_outcome = check_proof(kit, job, session_base_key);
  if (job.proof_outcome == Outcome::kDone &&
      !export_session_key(kit, job, session_base_key.bytes())) {
    job.proof_outcome = Outcome::kFailed;
  }
  if (job.proof_outcome != Outcome::kDone) {
    job.mic_outcome = job.proof_outcome;
  } else {
    job.mic_outcome = job.check_mic ? check_mic(kit, job) : Outcome::kDone;
  }
  if (job.mic_outcome != Outcome::kDone) {
    wipe(job.session_key);
  }
}

}  // namespace

void verify_proofs(Kit& kit, std::span<ProofJob> jobs) noexcept {
  for (ProofJob& job : jobs) {
    if (job.proof_outcome == Outcome::kPending) {
      verify(kit, job);
    }
  }
}

bool nt_hash_of(Kit& kit, Bytes password_utf16, MutableBytes nt_hash) noexcept {
  assert(nt_hash.size() == kNtHashSize);
  return kit.md4(password_utf16, nt_hash);
}

}  // namespace usher::crypto
