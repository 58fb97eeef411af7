// The batch stages over each back end of Lanes, beside the same jobs done one at a time: many jobs
// of mixed etypes and sizes, and NTLM proofs, some of them forged.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "engine/crypto/proof_batch.h"
#include "engine/crypto/ticket_batch.h"
#include "fuzz/support/world.h"
#include "parsers/ntlm.h"

namespace usher::fuzz {
namespace {

using crypto::EtypeProfile;
using crypto::KeyUsage;
using crypto::Lanes;
using crypto::LanesChoice;
using crypto::Outcome;

constexpr std::array<std::int32_t, 8> kEtypes = {18, 20, 17, 20, 19, 23, 19, 18};
constexpr std::size_t kTextMax = 700;
constexpr std::size_t kHead = 5;  // Octets that say what a job is.

crypto::Kit& kit() {
  static const std::unique_ptr<crypto::Kit> made = make_kit();
  return *made;
}

// back_ends are OpenSSL's and, if they are there, ipsec-mb's and this project's own.
const std::vector<std::unique_ptr<Lanes>>& back_ends() {
  static const auto made = [] {
    std::vector<std::unique_ptr<Lanes>> all;
    all.push_back(Lanes::make(kit(), LanesChoice::kOpenssl));
    if (crypto::has_ipsec_mb()) {
      all.push_back(Lanes::make(kit(), LanesChoice::kIpsecMb));
    }
    if (crypto::has_x86_lanes()) {
      all.push_back(Lanes::make(kit(), LanesChoice::kX86));
    }
    return all;
  }();
  return made;
}

// Part is one job of the input: a key, a text, and what one at a time makes of it.
struct Part {
  const EtypeProfile* profile = nullptr;
  Octets key;
  Octets confounder;
  Octets text;
  bool spoilt = false;  // One bit of `sealed` has been changed.
  Octets sealed;

  [[nodiscard]] Outcome expected() const { return spoilt ? Outcome::kForged : Outcome::kDone; }
};

// Octets past the end of an input are its first again, each time one more.
class Source {
 public:
  explicit Source(Bytes input) : input_(input) {}
  std::uint8_t next() {
    const std::size_t at = at_++;
    return input_.empty()
               ? static_cast<std::uint8_t>(at)
               : static_cast<std::uint8_t>(input_[at % input_.size()] + at / input_.size());
  }
  Octets take(std::size_t size) {
    Octets octets(size);
    std::ranges::generate(octets, [this] { return next(); });
    return octets;
  }

 private:
  Bytes input_;
  std::size_t at_ = 0;
};

Part read_part(Bytes head, Source& source) {
  Part part;
  part.profile = crypto::profile_of(kEtypes[head[0] % kEtypes.size()]);
  part.spoilt = head[1] % 8 == 0;
  const std::size_t size = load_be<std::uint16_t>(head.subspan(2)) % kTextMax;
  part.key = source.take(part.profile->key_size);
  part.confounder = source.take(part.profile->confounder_size);
  part.text = source.take(size);
  return part;
}

void spoil(Part& part, std::uint8_t where) {
  if (part.spoilt) {
    part.sealed[where * part.sealed.size() / 256] ^= static_cast<std::uint8_t>(1u << where % 8);
  }
}

void seal_part(Part& part, KeyUsage usage) {
  part.sealed.assign(part.profile->overhead() + part.text.size(), 0);
  check(
      crypto::seal(kit(), *part.profile, part.key, usage, part.confounder, part.text, part.sealed),
      "the kit works");
}

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }
bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t octet) { return octet == 0; });
}

template <class Job>
void check_opened(const Part& part, const Job& job) {
  check(job.outcome == part.expected(), "a job is opened exactly if it is genuine");
  check(same(job.opened, part.spoilt ? Bytes() : Bytes(part.text)), "and says what was sealed");
  if (part.spoilt) {
    // RC4's room in front is never used.
    check(all_zero(job.room), "what a forged one decrypts to is wiped");
  }
}

void run_tickets(Lanes& lanes, std::span<const Part> parts) {
  std::vector<crypto::ServiceKey> keys(parts.size());
  std::vector<Octets> rooms(parts.size());
  std::vector<crypto::TicketJob> jobs(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check(make_service_key(kit(), *parts[i].profile, parts[i].key, keys[i]), "the kit works");
    rooms[i].resize(crypto::opening_room(parts[i].sealed.size()));
    jobs[i] = {.key = &keys[i], .cipher = parts[i].sealed, .room = rooms[i]};
  }
  open_tickets(lanes, jobs);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check_opened(parts[i], jobs[i]);
  }
}

void run_authenticators(Lanes& lanes, std::span<const Part> parts, bool ready) {
  std::vector<crypto::SessionKeys> keys(parts.size());
  std::vector<Octets> rooms(parts.size());
  std::vector<crypto::AuthenticatorJob> jobs(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    rooms[i].resize(crypto::opening_room(parts[i].sealed.size()));
    jobs[i] = {.profile = parts[i].profile,
               .session_key = parts[i].key,
               .keys = &keys[i],
               .reply_expected = i % 2 == 0,
               .cipher = parts[i].sealed,
               .room = rooms[i]};
  }
  open_authenticators(lanes, jobs);
  for (crypto::AuthenticatorJob& job : jobs) {
    if (ready) {
      job.outcome = Outcome::kPending;
    }
  }
  open_authenticators(lanes, jobs);  // With the keys as they are now, or nothing to do.
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check_opened(parts[i], jobs[i]);
    Octets plain(parts[i].sealed.size());
    Bytes opened;
    crypto::Fingerprint fingerprint{};
    check(crypto::open_sealed(kit(), *parts[i].profile, parts[i].key, KeyUsage::kApReqAuthenticator,
                              parts[i].sealed, plain, opened, &fingerprint) == jobs[i].outcome &&
              fingerprint == jobs[i].fingerprint,
          "its fingerprint is the same");
  }
}

void run_seals(Lanes& lanes, std::span<const Part> parts) {
  std::vector<crypto::SessionKeys> keys(parts.size());
  std::vector<Octets> rooms(parts.size());
  std::vector<Octets> sealed(parts.size());
  std::vector<crypto::SealJob> jobs(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    rooms[i].resize(crypto::sealing_room(parts[i].text.size()));
    sealed[i].resize(parts[i].sealed.size());
    jobs[i] = {.profile = parts[i].profile,
               .session_key = parts[i].key,
               .keys = &keys[i],
               .confounder = parts[i].confounder,
               .plain = parts[i].text,
               .room = rooms[i],
               .cipher = sealed[i]};
  }
  seal_replies(lanes, jobs);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check(jobs[i].outcome == Outcome::kDone && sealed[i] == parts[i].sealed,
          "what is sealed is the same");
  }
}

void run_checksums(Lanes& lanes, std::span<const Part> parts) {
  std::vector<crypto::ServiceKey> keys(parts.size());
  std::vector<crypto::ChecksumJob> jobs(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check(make_service_key(kit(), *parts[i].profile, parts[i].key, keys[i]), "the kit works");
    jobs[i] = {.key = &keys[i],
               .type = parts[i].profile->checksum_type,
               .text = parts[i].text,
               .checksum = parts[i].sealed};
  }
  verify_checksums(lanes, jobs);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check(jobs[i].outcome == parts[i].expected(), "a checksum is right or wrong to both");
  }
}

void sign_part(Part& part) {
  crypto::ServiceKey key;
  check(make_service_key(kit(), *part.profile, part.key, key), "the kit works");
  part.sealed.assign(part.profile->checksum_size, 0);
  const Bytes text[] = {part.text};
  check(crypto::write_checksum(kit(), key.pac, text, part.sealed), "the kit works");
}

bool spoils(const Part& part) {  // A MIC that is not looked at spoils nothing.
  return part.sealed.empty() || part.text.size() % 3 != 0;
}

// Proof is an NTLMv2 response that is right, with a MIC that is, unless one of them is spoilt.
struct Proof {
  explicit Proof(const Part& part)
      : user(part.text.begin(), part.text.begin() + std::ptrdiff_t(part.text.size() / 3)),
        authenticate(part.text),
        challenge(part.confounder.begin(), part.confounder.begin() + 8) {
    authenticate.resize(authenticate.size() + ntlm::kMicOffset + ntlm::kMicSize);
    job = {.nt_hash = Bytes(part.key).first(16),
           .user_upper = user,
           .domain = part.confounder,
           .server_challenge = challenge,
           .proof = proof,
           .client_data = part.text,
           .key_exchange = part.text.size() % 2 == 0,
           .encrypted_session_key = Bytes(part.key).first(16),
           .check_mic = part.text.size() % 3 != 0,
           .negotiate = user,
           .challenge = part.key,
           .authenticate = authenticate,
           .mic = mic,
           .session_key = session_key};
    make_proof();
    make_mic();
    (part.sealed.empty() ? proof : mic)[0] ^= part.spoilt ? 1 : 0;
  }
  Proof(const Proof&) = delete;
  Proof& operator=(const Proof&) = delete;

  void make_proof() {
    Octets response_key(16);
    const Bytes account[] = {job.user_upper, job.domain};
    const Bytes covered[] = {job.server_challenge, job.client_data};
    check(kit().hmac_md5(job.nt_hash, account, response_key) &&
              kit().hmac_md5(response_key, covered, proof),
          "the kit works");
  }
  void make_mic() {
    crypto::ProofJob without = job;
    without.check_mic = false;
    verify_proofs(kit(), std::span(&without, 1));
    const Octets none(ntlm::kMicSize);
    const Bytes covered[] = {job.negotiate, job.challenge, job.authenticate.first(ntlm::kMicOffset),
                             none, job.authenticate.subspan(ntlm::kMicOffset + ntlm::kMicSize)};
    check(without.proof_outcome == Outcome::kDone && kit().hmac_md5(session_key, covered, mic),
          "what was made is right");
  }

  Octets user;
  Octets authenticate;
  Octets challenge;
  Octets proof = Octets(16);
  Octets mic = Octets(ntlm::kMicSize);
  Octets session_key = Octets(16);
  crypto::ProofJob job;
};

void run_proofs(Lanes& lanes, std::span<const Part> parts) {
  std::deque<Proof> proofs;
  std::vector<crypto::ProofJob> alone;
  for (const Part& part : parts) {
    alone.push_back(proofs.emplace_back(part).job);
  }
  std::vector<crypto::ProofJob> together = alone;
  std::vector<Octets> keys(parts.size(), Octets(16));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    together[i].session_key = keys[i];
  }
  verify_proofs(kit(), alone);
  verify_proofs(lanes, together);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check(together[i].proof_outcome == alone[i].proof_outcome &&
              together[i].mic_outcome == alone[i].mic_outcome,
          "a proof is right or wrong to both");
    check((alone[i].mic_outcome == Outcome::kDone) == !(parts[i].spoilt && spoils(parts[i])),
          "and right if it was not spoilt");
    check(same(keys[i], alone[i].session_key), "and gives the same key");
  }
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const std::uint8_t stage = input[0] < 250 ? input[0] % 5 : 5;
  Bytes heads = input.subspan(1);
  Source source(input);
  std::vector<Part> parts;
  while (heads.size() >= kHead && parts.size() < kBatchMax + 2) {
    Part& part = parts.emplace_back(read_part(heads, source));
    switch (stage) {
      case 0:
        seal_part(part, KeyUsage::kTicket);
        break;
      case 1:
      case 2:
        seal_part(part, KeyUsage::kApReqAuthenticator);
        break;
      case 3:
        part.spoilt = false;
        seal_part(part, KeyUsage::kApRepEncPart);
        break;
      case 4:
        sign_part(part);
        break;
      default:
        part.profile = crypto::profile_of(18);
        part.key = source.take(32);
        part.confounder = source.take(16);
        part.sealed.assign(heads[4] % 2, 0);  // Which of the two is spoilt.
        break;
    }
    if (stage < 5) {
      spoil(part, heads[4]);
    }
    heads = heads.subspan(kHead);
  }
  for (const std::unique_ptr<Lanes>& lanes : back_ends()) {
    switch (stage) {
      case 0:
        run_tickets(*lanes, parts);
        break;
      case 1:
      case 2:
        run_authenticators(*lanes, parts, stage == 2);
        break;
      case 3:
        run_seals(*lanes, parts);
        break;
      case 4:
        run_checksums(*lanes, parts);
        break;
      default:
        run_proofs(*lanes, parts);
        break;
    }
  }
}

}  // namespace usher::fuzz
