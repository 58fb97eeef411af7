// NTLM proofs, session keys and MICs, one job after the other.
#include "engine/crypto/proof_batch.h"

#include <algorithm>
#include <cassert>

#include "engine/secret.h"
#include "parsers/ntlm.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kChallengeSize = 8;
constexpr std::size_t kDesKeySize = 8;
constexpr std::size_t kV1ResponseSize = 24;
using Hash = Secret<kMd5Size>;

// des_key spreads 56 bits over 8 octets, whose lowest bits are parity (MS-NLMP 6, DES).
void des_key(Bytes bits, MutableBytes key) noexcept {
  std::uint64_t all = 0;
  for (const std::uint8_t octet : bits) {
    all = all << 8 | octet;
  }
  for (std::size_t i = kDesKeySize; i-- > 0; all >>= 7) {
    key[i] = static_cast<std::uint8_t>(all << 1);
  }
}

// des_long is DESL (MS-NLMP 6): the challenge under three keys of 7 octets, of which the hash makes
// two and 2 octets of the third.
bool des_long(Kit& kit, Bytes hash, Bytes challenge, MutableBytes out) noexcept {
  constexpr std::size_t kBitsSize = 7;
  Secret<3 * kBitsSize> bits;
  std::ranges::copy(hash, bits.reset(3 * kBitsSize).begin());
  bool done = true;
  for (std::size_t n = 0; n < 3 && done; ++n) {
    Secret<kDesKeySize> key;
    des_key(bits.bytes().subspan(n * kBitsSize, kBitsSize), key.reset(kDesKeySize));
    done = kit.des_encrypt(key.bytes(), challenge, out.subspan(n * kChallengeSize, kChallengeSize));
  }
  return done;
}

// check_v1 compares an NTLMv1 response (MS-NLMP 3.3.1) and makes SessionBaseKey.
Outcome check_v1(Kit& kit, const ProofJob& job, Hash& session_base_key) noexcept {
  const bool session = job.kind == ProofKind::kV1Session;
  const Bytes challenges[] = {job.server_challenge, job.client_data};
  Hash both;
  Secret<kV1ResponseSize> response;
  if ((session && !kit.md5(challenges, both.reset(kMd5Size))) ||
      !des_long(kit, job.nt_hash,
                session ? both.bytes().first(kChallengeSize) : job.server_challenge,
                response.reset(kV1ResponseSize)) ||
      !kit.md4(job.nt_hash, session_base_key.reset(kMd5Size))) {
    return Outcome::kFailed;
  }
  return equal_secret(response.bytes(), job.proof) ? Outcome::kDone : Outcome::kForged;
}

// check_v2 compares NTProofStr (MS-NLMP 3.3.2) and makes SessionBaseKey.
Outcome check_v2(Kit& kit, const ProofJob& job, Hash& session_base_key) noexcept {
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

// check_proof makes SessionBaseKey of a client that has proved itself, here or elsewhere.
Outcome check_proof(Kit& kit, const ProofJob& job, Hash& session_base_key) noexcept {
  if (!job.session_base_key.empty()) {
    session_base_key.assign(job.session_base_key);
    return Outcome::kDone;
  }
  switch (job.kind) {
    case ProofKind::kV2:
      return check_v2(kit, job, session_base_key);
    case ProofKind::kV1:
    case ProofKind::kV1Session:
      return check_v1(kit, job, session_base_key);
    case ProofKind::kAnonymous:
      session_base_key.reset(kMd5Size);
      return Outcome::kDone;
  }
  return Outcome::kFailed;
}

// make_key_exchange_key is MS-NLMP 3.4.5.1: SessionBaseKey itself, but for NTLMv1 with extended
// session security a hash of it and of both challenges.
bool make_key_exchange_key(Kit& kit, const ProofJob& job, Hash& key) noexcept {
  if (job.kind != ProofKind::kV1Session) {
    return true;
  }
  const Bytes challenges[] = {job.server_challenge, job.client_data};
  Hash made;
  if (!kit.hmac_md5(key.bytes(), challenges, made.reset(kMd5Size))) {
    return false;
  }
  key.assign(made.bytes());
  return true;
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
bool export_session_key(Kit& kit, const ProofJob& job, Bytes key_exchange_key) noexcept {
  if (job.key_exchange) {
    assert(job.encrypted_session_key.size() == kMd5Size);
    return kit.rc4(key_exchange_key, job.encrypted_session_key, job.session_key);
  }
  std::ranges::copy(key_exchange_key, job.session_key.begin());
  return true;
}

void verify(Kit& kit, ProofJob& job) noexcept {
  assert(job.session_key.size() == kMd5Size);
  assert(job.kind == ProofKind::kAnonymous || job.nt_hash.size() == kNtHashSize ||
         job.session_base_key.size() == kMd5Size);
  assert(job.server_challenge.size() == kChallengeSize);
  Hash key;
  job.proof_outcome = check_proof(kit, job, key);
  if (job.proof_outcome == Outcome::kDone &&
      !(make_key_exchange_key(kit, job, key) && export_session_key(kit, job, key.bytes()))) {
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
