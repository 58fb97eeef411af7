// Tickets and authenticators opened, replies sealed, signatures checked: in waves. A wave is up to
// kBatchMax jobs of one etype of the AES families; each step of it is one call of the lanes.
#include "engine/crypto/ticket_batch.h"

#include <algorithm>
#include <cstring>

#include "engine/crypto/session_key_wave.h"
#include "engine/secret.h"

namespace usher::crypto {
namespace {

using Workspace = Lanes::Workspace;

MutableBytes hmac_of(Workspace& workspace, std::size_t index, const EtypeProfile& profile) {
  return std::span(workspace.hmacs[index]).first(profile.hmac_size);
}
void wipe_hmacs(Workspace& workspace, std::size_t count) noexcept {
  wipe({workspace.hmacs.data()->data(), count * sizeof(workspace.hmacs[0])});
}

const EtypeProfile& profile_of(const TicketJob& job) noexcept { return *job.key->profile; }
const EtypeProfile& profile_of(const AuthenticatorJob& job) noexcept { return *job.profile; }
const EtypeProfile& profile_of(const SealJob& job) noexcept { return *job.profile; }
const EtypeProfile& profile_of(const ChecksumJob& job) noexcept { return *job.key->profile; }

// Where things lie in a job's room.
template <class Job>
MutableBytes body_in(const Job& job, std::size_t size) noexcept {
  return job.room.template subspan<kOpeningHeadroom>().first(size);
}
//= RFC 8009 5: the HMAC is over the IV and the ciphertext.
template <class Job>
MutableBytes body_with_iv_in(const Job& job, Bytes body) noexcept {
  const MutableBytes text = job.room.first(kAesBlockSize + body.size());
  copy(kZeroIv, text);
  copy(body, text.subspan(kAesBlockSize));
  return text;
}

void note_fingerprint(TicketJob& /*job*/, Bytes /*hmac*/) noexcept {}
// Of HMAC-SHA1-96 8 of the 16 bytes never go over the wire, of RFC 8009's HMACs at least that many;
// the confounder makes each another one.
void note_fingerprint(AuthenticatorJob& job, Bytes hmac) noexcept {
  std::memcpy(job.fingerprint.data(), hmac.last(sizeof(Fingerprint)).data(), sizeof(Fingerprint));
}
void forget_fingerprint(TicketJob& /*job*/) noexcept {}
void forget_fingerprint(AuthenticatorJob& job) noexcept { job.fingerprint = {}; }

const AesKey& cipher_of(const TicketJob& job) noexcept { return job.key->ticket_cipher; }
const AesKey& cipher_of(const AuthenticatorJob& job) noexcept { return job.keys->authenticator_ke; }

// could_be_right says whether a job can come to anything, whatever its octets are.
//= RFC 3961 5.3: shorter than a confounder and a tag is no ciphertext
template <class Job>
bool could_be_right(const Job& job) noexcept {
  assert(job.room.size() >= opening_room(job.cipher.size()));
  return job.cipher.size() >= profile_of(job).overhead();
}
bool could_be_right(const SealJob& /*job*/) noexcept { return true; }
bool could_be_right(const ChecksumJob& job) noexcept {
  const EtypeProfile& profile = profile_of(job);
  return job.type == profile.checksum_type && job.checksum.size() == profile.checksum_size;
}

template <class Job>
void decide_badly(Job& job, Outcome outcome) noexcept {
  wipe(job.room);
  job.opened = {};
  forget_fingerprint(job);
  job.outcome = outcome;
}
void decide_badly(SealJob& job, Outcome outcome) noexcept {
  wipe(job.room);
  wipe(job.cipher);
  job.outcome = outcome;
}
void decide_badly(ChecksumJob& job, Outcome outcome) noexcept { job.outcome = outcome; }

// Wave holds jobs of one etype, in the order of arrival.
template <class Job>
class Wave {
 public:
  Wave(Lanes& lanes, const EtypeProfile& profile) noexcept : lanes_(lanes), profile_(profile) {}

  void add(Job& job) noexcept { jobs_[count_++] = &job; }
  void fail() noexcept {
    for (Job* const job : jobs()) {
      decide_badly(*job, Outcome::kFailed);
    }
  }
  [[nodiscard]] std::span<Job* const> jobs() const noexcept {
    return std::span(jobs_).first(count_);
  }

  // keep_if drops the jobs that `keep` refuses, which are decided then.
  template <class Predicate>
  void keep_if(Predicate keep) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      Job* const job = jobs_[i];
      if (keep(*job, i)) {
        jobs_[kept++] = job;
      }
    }
    count_ = kept;
  }

  [[nodiscard]] Lanes& lanes() const noexcept { return lanes_; }
  [[nodiscard]] Workspace& workspace() const noexcept { return lanes_.workspace(); }
  [[nodiscard]] const EtypeProfile& profile() const noexcept { return profile_; }

 private:
  Lanes& lanes_;
  const EtypeProfile& profile_;
  std::array<Job*, kBatchMax> jobs_;
  std::size_t count_ = 0;
};

// each_wave runs `run`, which decides all of them, over waves of the pending jobs, and `run_alone`
// over RC4's.
template <class Job, class Run, class RunAlone>
void each_wave(Lanes& lanes, std::span<Job> jobs, Run run, RunAlone run_alone) noexcept {
  while (!jobs.empty()) {
    const std::span<Job> some = jobs.first(std::min(jobs.size(), kBatchMax));
    jobs = jobs.subspan(some.size());
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (some[i].outcome != Outcome::kPending) {
        continue;
      }
      if (profile_of(some[i]).family == Family::kRc4) {
        run_alone(some[i]);
        continue;
      }
      Wave<Job> wave(lanes, profile_of(some[i]));
      for (Job& job : some.subspan(i)) {
        if (job.outcome != Outcome::kPending || &profile_of(job) != &wave.profile()) {
          continue;
        }
        if (could_be_right(job)) {
          wave.add(job);
        } else {
          decide_badly(job, Outcome::kForged);
        }
      }
      run(wave);
    }
  }
}

template <class Job>
Bytes body_of(const Wave<Job>& wave, const Job& job) noexcept {
  return job.cipher.first(job.cipher.size() - wave.profile().tag_size);
}

template <class Job>
bool decrypt(Wave<Job>& wave) noexcept {
  Workspace& workspace = wave.workspace();
  std::size_t count = 0;
  for (const Job* const job : wave.jobs()) {
    const Bytes body = body_of(wave, *job);
    workspace.cts_decrypt[count++] = {
        .key = &cipher_of(*job), .in = body, .out = body_in(*job, body.size())};
  }
  return wave.lanes().cts_decrypt(std::span(workspace.cts_decrypt).first(count));
}

// covered is what a job's HMAC is over, in the job's room.
template <class Job>
MutableBytes covered(const Wave<Job>& wave, const Job& job) noexcept {
  const Bytes body = body_of(wave, job);
  return wave.profile().family == Family::kAesSha1 ? body_in(job, body.size())
                                                   : body_with_iv_in(job, body);
}

const HmacKey& mac_of(const TicketJob& job) noexcept { return job.key->ticket_hmac; }
const HmacKey& mac_of(const AuthenticatorJob& job) noexcept { return job.keys->authenticator_ki; }
const HmacKey& mac_of(const SealJob& job) noexcept { return job.keys->reply_ki; }
const HmacKey& mac_of(const ChecksumJob& job) noexcept { return job.key->pac_hmac; }

// hmac_all makes the HMACs of a wave's jobs, each of the text that `text_of` finds.
template <class Job, class TextOf>
bool hmac_all(Wave<Job>& wave, TextOf text_of) noexcept {
  Workspace& workspace = wave.workspace();
  std::size_t count = 0;
  for (const Job* const job : wave.jobs()) {
    workspace.hmac[count] = {.key = &mac_of(*job),
                             .text = text_of(*job),
                             .out = hmac_of(workspace, count, wave.profile())};
    ++count;
  }
  return wave.lanes().hmac(digest_of(wave.profile()), std::span(workspace.hmac).first(count));
}

template <class Job>
bool make_hmacs(Wave<Job>& wave) noexcept {
  return hmac_all(wave, [&](const Job& job) { return covered(wave, job); });
}

// judge compares the tags; the jobs whose tag is wrong are decided and leave the wave.
template <class Job>
void judge(Wave<Job>& wave) noexcept {
  Workspace& workspace = wave.workspace();
  const std::size_t count = wave.jobs().size();
  const EtypeProfile& profile = wave.profile();
  const std::size_t confounder_size = profile.confounder_size;
  wave.keep_if([&](Job& job, std::size_t index) {
    const Bytes hmac = hmac_of(workspace, index, profile);
    const Bytes tag = job.cipher.last(profile.tag_size);
    if (!equal_secret(hmac.first(tag.size()), tag)) {
      decide_badly(job, Outcome::kForged);
      return false;
    }
    note_fingerprint(job, hmac);
    job.opened = job.room.subspan(kOpeningHeadroom + confounder_size,
                                  job.cipher.size() - tag.size() - confounder_size);
    job.outcome = Outcome::kDone;
    return true;
  });
  wipe_hmacs(workspace, count);
}

template <class Job>
void open(Wave<Job>& wave) noexcept {
  bool done = false;
  if (wave.profile().family == Family::kAesSha1) {
    // RFC 3962 6: the tag is over confounder and plaintext, so it can only be checked afterwards.
    done = decrypt(wave) && make_hmacs(wave);
    if (done) {
      judge(wave);
    }
  } else {
    //= RFC 8009 5: nothing is decrypted before its tag is right.
    done = make_hmacs(wave);
    if (done) {
      judge(wave);
      done = decrypt(wave);
    }
  }
  if (!done) {
    wipe_hmacs(wave.workspace(), kBatchMax);
    wave.fail();
  }
}

// open_alone opens RC4's.
template <class Job, class Open>
void open_alone(Job& job, Open open) noexcept {
  job.outcome = open(job.room.subspan(kOpeningHeadroom));
  if (job.outcome != Outcome::kDone) {
    decide_badly(job, job.outcome);
  }
}

// encrypt encrypts the bodies in the rooms.
bool encrypt(Wave<SealJob>& wave) noexcept {
  Workspace& workspace = wave.workspace();
  std::size_t count = 0;
  for (const SealJob* const job : wave.jobs()) {
    const std::size_t size = job->cipher.size() - wave.profile().tag_size;
    workspace.cts_encrypt[count++] = {
        .key = &job->keys->reply_ke, .text = body_in(*job, size), .out = job->cipher.first(size)};
  }
  return wave.lanes().cts_encrypt(std::span(workspace.cts_encrypt).first(count));
}

bool make_tags(Wave<SealJob>& wave) noexcept {
  const EtypeProfile& profile = wave.profile();
  return hmac_all(wave, [&](const SealJob& job) {
    const Bytes body = job.cipher.first(job.cipher.size() - profile.tag_size);
    return profile.family == Family::kAesSha1 ? body_in(job, body.size())
                                              : body_with_iv_in(job, body);
  });
}

void seal_wave(Wave<SealJob>& wave) noexcept {
  const EtypeProfile& profile = wave.profile();
  SessionKeyWave keys(wave.lanes(), profile);
  for (SealJob* const job : wave.jobs()) {
    assert(job->keys != nullptr && job->confounder.size() == profile.confounder_size);
    assert(job->cipher.size() == profile.overhead() + job->plain.size());
    assert(job->room.size() >= sealing_room(job->plain.size()));
    keys.add(*job->keys, job->session_key, {.reply = true});
    const MutableBytes body = body_in(*job, profile.confounder_size + job->plain.size());
    copy(job->confounder.first<kAesBlockSize>(), body);
    copy(job->plain, body.subspan(profile.confounder_size));
  }
  const bool tag_first = profile.family == Family::kAesSha1;
  const bool done = keys.run() && (tag_first ? make_tags(wave) && encrypt(wave)
                                             : encrypt(wave) && make_tags(wave));
  if (!done) {
    wipe_hmacs(wave.workspace(), kBatchMax);
    return wave.fail();
  }
  const std::size_t count = wave.jobs().size();
  for (std::size_t i = 0; i < count; ++i) {
    SealJob& job = *wave.jobs()[i];
    const Bytes hmac = hmac_of(wave.workspace(), i, profile);
    copy(hmac.first(profile.tag_size), job.cipher.last(profile.tag_size));
    job.outcome = Outcome::kDone;
  }
  wipe_hmacs(wave.workspace(), count);
}

void verify_wave(Wave<ChecksumJob>& wave) noexcept {
  const EtypeProfile& profile = wave.profile();
  Workspace& workspace = wave.workspace();
  const std::size_t count = wave.jobs().size();
  const bool done = hmac_all(wave, [](const ChecksumJob& job) { return job.text; });
  for (std::size_t i = 0; i < count; ++i) {
    ChecksumJob& job = *wave.jobs()[i];
    const Bytes hmac = hmac_of(workspace, i, profile);
    const bool right = equal_secret(hmac.first(job.checksum.size()), job.checksum);
    job.outcome = !done ? Outcome::kFailed : right ? Outcome::kDone : Outcome::kForged;
  }
  wipe_hmacs(workspace, count);
}

}  // namespace

void open_tickets(Lanes& lanes, std::span<TicketJob> jobs) noexcept {
  each_wave(lanes, jobs, open<TicketJob>, [&lanes](TicketJob& job) {
    const SealingKeys keys{
        .profile = job.key->profile, .ke = job.key->ke.bytes(), .ki = job.key->ki.bytes()};
    open_alone(job, [&](MutableBytes plain) {
      return open_sealed(lanes.kit(), keys, job.cipher, plain, job.opened);
    });
  });
}

void open_authenticators(Lanes& lanes, std::span<AuthenticatorJob> jobs) noexcept {
  const auto run = [](Wave<AuthenticatorJob>& wave) {
    SessionKeyWave keys(wave.lanes(), wave.profile());
    for (AuthenticatorJob* const job : wave.jobs()) {
      assert(job->keys != nullptr);
      if (!job->keys->has_authenticator) {
        keys.add(*job->keys, job->session_key,
                 {.authenticator = true, .reply = job->reply_expected});
      }
    }
    if (keys.run()) {
      open(wave);
    } else {
      wave.fail();
    }
  };
  each_wave(lanes, jobs, run, [&lanes](AuthenticatorJob& job) {
    open_alone(job, [&](MutableBytes plain) {
      return open_sealed(lanes.kit(), *job.profile, job.session_key, KeyUsage::kApReqAuthenticator,
                         job.cipher, plain, job.opened, &job.fingerprint);
    });
  });
}

void seal_replies(Lanes& lanes, std::span<SealJob> jobs) noexcept {
  each_wave(lanes, jobs, seal_wave, [&lanes](SealJob& job) {
    const bool sealed = seal(lanes.kit(), *job.profile, job.session_key, KeyUsage::kApRepEncPart,
                             job.confounder, job.plain, job.cipher);
    job.outcome = sealed ? Outcome::kDone : Outcome::kFailed;
  });
}

void verify_checksums(Lanes& lanes, std::span<ChecksumJob> jobs) noexcept {
  each_wave(lanes, jobs, verify_wave, [&lanes](ChecksumJob& job) {
    job.outcome = judge_checksum(lanes.kit(), job.key->pac, job.type, {&job.text, 1}, job.checksum);
  });
}

}  // namespace usher::crypto
