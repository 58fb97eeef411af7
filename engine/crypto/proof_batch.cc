// NTLM proofs, session keys and MICs: NTLMv2's HMACs in lanes, the rest one job after the other.
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
constexpr std::size_t kMicEnd = ntlm::kMicOffset + ntlm::kMicSize;
constexpr std::array<std::uint8_t, ntlm::kMicSize> kZeroMic{};
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

void assert_sizes([[maybe_unused]] const ProofJob& job) noexcept {
  assert(job.session_key.size() == kMd5Size);
  assert(job.kind == ProofKind::kAnonymous || job.nt_hash.size() == kNtHashSize ||
         job.session_base_key.size() == kMd5Size);
  assert(job.server_challenge.size() == kChallengeSize);
}

void verify(Kit& kit, ProofJob& job) noexcept {
  assert_sizes(job);
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

// What an HMAC of a job covers, in pieces; MIC's are five.
using Parts = std::array<Bytes, 5>;
Parts account_of(const ProofJob& job) noexcept { return {job.user_upper, job.domain}; }
Parts challenge_of(const ProofJob& job) noexcept { return {job.server_challenge, job.client_data}; }
Parts messages_of(const ProofJob& job) noexcept {
  return {job.negotiate, job.challenge, job.authenticate.first(ntlm::kMicOffset), kZeroMic,
          job.authenticate.subspan(kMicEnd)};
}
std::size_t size_of(const Parts& parts) noexcept {
  std::size_t size = 0;
  for (const Bytes part : parts) {
    size += part.size();
  }
  return size;
}

// has_lanes says whether a job is one of NTLMv2, and its texts are as large as texts usually are.
bool has_lanes(const ProofJob& job) noexcept {
  constexpr std::size_t kMost = Lanes::Workspace::kProofTextMax;
  const bool has_mic = job.check_mic && job.authenticate.size() >= kMicEnd;
  return job.kind == ProofKind::kV2 && job.session_base_key.empty() &&
         size_of(account_of(job)) <= kMost && size_of(challenge_of(job)) <= kMost &&
         (!has_mic || size_of(messages_of(job)) <= kMost);
}

// ProofWave is jobs that have lanes, up to as many as the workspace has room for.
class ProofWave {
 public:
  explicit ProofWave(Lanes& lanes) noexcept
      : lanes_(lanes), space_(lanes.workspace()), proof_space_(lanes.workspace().proofs) {}
  ~ProofWave() {
    for (std::size_t i = 0; i < added_; ++i) {
      proof_space_[i].keys.clear();
      proof_space_[i].response_key.clear();
      wipe(std::span(proof_space_[i].text).first(proof_space_[i].text_size));
      proof_space_[i].text_size = 0;
    }
    wipe({space_.hmacs.data()->data(), added_ * sizeof(space_.hmacs[0])});
  }
  ProofWave(const ProofWave&) = delete;
  ProofWave& operator=(const ProofWave&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  void add(ProofJob& job) noexcept {
    jobs_[count_++] = &job;
    added_ = count_;
  }

  // run decides them all.
  void run() noexcept {
    if (!make_response_keys() || !check_proofs() || !make_session_keys() || !check_mics()) {
      for (std::size_t i = 0; i < count_; ++i) {
        decide(*jobs_[i], Outcome::kFailed, Outcome::kFailed);
      }
    }
  }

 private:
  using ProofSpace = Lanes::Workspace::Proof;

  [[nodiscard]] Bytes hmac_of(std::size_t i) const noexcept {
    return Bytes(space_.hmacs[i]).first(kMd5Size);
  }
  static void decide(ProofJob& job, Outcome proof, Outcome mic) noexcept {
    job.proof_outcome = proof;
    job.mic_outcome = mic;
    if (mic != Outcome::kDone) {
      wipe(job.session_key);
    }
  }

  // prepare prepares a key of each job.
  template <class KeyOf>
  void prepare(HmacKey ProofSpace::*key, KeyOf key_of) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      const Bytes bytes = key_of(i);
      HmacKey& of_job = proof_space_[i].*key;
      std::ranges::copy(bytes, of_job.room(bytes.size()).begin());
      space_.hmac_keys[i] = &of_job;
    }
    lanes_.prepare(Digest::kMd5, std::span(space_.hmac_keys).first(count_));
  }

  // hmac makes one HMAC of each job, over what `parts_of` says.
  template <class PartsOf>
  [[nodiscard]] bool hmac(HmacKey ProofSpace::*key, PartsOf parts_of) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      ProofSpace& room = proof_space_[i];
      std::size_t size = 0;
      for (const Bytes part : parts_of(i)) {
        std::ranges::copy(part, std::span(room.text).subspan(size, part.size()).begin());
        size += part.size();
      }
      room.text_size = std::max(room.text_size, size);
      space_.hmac[i] = {.key = &(room.*key),
                        .text = Bytes(room.text).first(size),
                        .out = std::span(space_.hmacs[i]).first(kMd5Size)};
    }
    return lanes_.hmac(Digest::kMd5, std::span<const HmacJob>(space_.hmac).first(count_));
  }

  // keep_if drops jobs that are decided, with what belongs to them.
  template <class Keep>
  void keep_if(Keep keep) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (!keep(*jobs_[i], i)) {
        continue;
      }
      if (kept != i) {
        jobs_[kept] = jobs_[i];
        proof_space_[kept].response_key.assign(proof_space_[i].response_key.image());
        space_.hmacs[kept] = space_.hmacs[i];
      }
      ++kept;
    }
    count_ = kept;
  }

  // MS-NLMP 3.3.2: NTOWFv2.
  [[nodiscard]] bool make_response_keys() noexcept {
    prepare(&ProofSpace::keys, [this](std::size_t i) { return jobs_[i]->nt_hash; });
    if (!hmac(&ProofSpace::keys, [this](std::size_t i) { return account_of(*jobs_[i]); })) {
      return false;
    }
    prepare(&ProofSpace::response_key, [this](std::size_t i) { return hmac_of(i); });
    return true;
  }

  // MS-NLMP 3.3.2: NTProofStr. What stays is right.
  [[nodiscard]] bool check_proofs() noexcept {
    if (!hmac(&ProofSpace::response_key,
              [this](std::size_t i) { return challenge_of(*jobs_[i]); })) {
      return false;
    }
    keep_if([this](ProofJob& job, std::size_t i) {
      const bool right = equal_secret(hmac_of(i), job.proof);
      if (!right) {
        decide(job, Outcome::kForged, Outcome::kForged);
      }
      return right;
    });
    return true;
  }

  // MS-NLMP 3.3.2: SessionBaseKey, and what comes of it. What stays has a MIC to be checked.
  [[nodiscard]] bool make_session_keys() noexcept {
    if (!hmac(&ProofSpace::response_key,
              [this](std::size_t i) { return Parts{jobs_[i]->proof}; })) {
      return false;
    }
    keep_if([this](ProofJob& job, std::size_t i) {
      if (!export_session_key(lanes_.kit(), job, hmac_of(i))) {
        decide(job, Outcome::kFailed, Outcome::kFailed);
      } else if (!job.check_mic) {
        decide(job, Outcome::kDone, Outcome::kDone);
      } else if (job.authenticate.size() < kMicEnd) {
        decide(job, Outcome::kDone, Outcome::kForged);
      } else {
        return true;
      }
      return false;
    });
    return true;
  }

  [[nodiscard]] bool check_mics() noexcept {
    prepare(&ProofSpace::keys, [this](std::size_t i) { return Bytes(jobs_[i]->session_key); });
    if (!hmac(&ProofSpace::keys, [this](std::size_t i) { return messages_of(*jobs_[i]); })) {
      return false;
    }
    for (std::size_t i = 0; i < count_; ++i) {
      const bool right = equal_secret(hmac_of(i), jobs_[i]->mic);
      decide(*jobs_[i], Outcome::kDone, right ? Outcome::kDone : Outcome::kForged);
    }
    return true;
  }

  Lanes& lanes_;
  Lanes::Workspace& space_;
  std::span<ProofSpace> proof_space_;
  std::array<ProofJob*, kBatchMax> jobs_;
  std::size_t count_ = 0;
  std::size_t added_ = 0;
};

}  // namespace

void verify_proofs(Lanes& lanes, std::span<ProofJob> jobs) noexcept {
  while (!jobs.empty()) {
    const std::span<ProofJob> some =
        jobs.first(std::min(jobs.size(), lanes.workspace().proofs.size()));
    jobs = jobs.subspan(some.size());
    ProofWave wave(lanes);
    for (ProofJob& job : some) {
      if (job.proof_outcome != Outcome::kPending) {
        continue;
      }
      assert_sizes(job);
      if (has_lanes(job)) {
        wave.add(job);
      } else {
        verify(lanes.kit(), job);
      }
    }
    wave.run();
  }
}

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
