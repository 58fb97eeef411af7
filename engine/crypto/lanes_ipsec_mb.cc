// Lanes over Intel's ipsec-mb: up to sixteen operations in one register.
#define NO_COMPAT_IMB_API_053  // The header's old names are everybody's words.
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <new>

#include "engine/crypto/lanes_parts.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kChunk = kBatchMax;  // Jobs given to the library at once.

// The library counts a lane's bytes in 16 bits. What is larger is no sign-on's, and OpenSSL's; and
// so is what has no bytes, of which the library's HMAC reads one.
constexpr std::size_t kLaneTextMax = 32 * 1024;

// Functions are those of the library that need no manager, and what the CPU has. Asked once: the
// question is CPUID, which traps in a virtual machine.
struct Functions {
  std::uint64_t features = imb_get_feature_flags();
  decltype(&aes_keyexp_256_sse) expand_256;
  decltype(&aes_keyexp_256_sse) expand_128;
  decltype(&aes_keyexp_256_enc_sse) expand_enc_256;
  decltype(&aes_keyexp_256_enc_sse) expand_enc_128;

  Functions() noexcept {
    const bool avx = has(IMB_CPUFLAGS_AVX);
    expand_256 = avx ? aes_keyexp_256_avx : aes_keyexp_256_sse;
    expand_128 = avx ? aes_keyexp_128_avx : aes_keyexp_128_sse;
    expand_enc_256 = avx ? aes_keyexp_256_enc_avx : aes_keyexp_256_enc_sse;
    expand_enc_128 = avx ? aes_keyexp_128_enc_avx : aes_keyexp_128_enc_sse;
  }
  [[nodiscard]] bool has(std::uint64_t wanted) const noexcept {
    return (features & wanted) == wanted;
  }
};

const Functions& functions() noexcept {
  static const Functions found;
  return found;
}

// Manager is one of the library's. Built as Debian builds it (IMB_FEATURE_SAFE_DATA), the library
// clears what a lane held when its job is done. Built otherwise it keeps the last block of a lane's
// text and the digest's states until the lane is used again, or the manager goes, when all of it is
// wiped here.
class Manager {
 public:
  Manager() = default;
  ~Manager() {
    if (memory_ != nullptr) {
      wipe({memory_[0].bytes, size_});
    }
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  [[nodiscard]] bool open(void (*init)(IMB_MGR*)) noexcept {
    const std::size_t lines = (imb_get_mb_mgr_size() + kCacheLine - 1) / kCacheLine;
    size_ = lines * kCacheLine;
    memory_.reset(new (std::nothrow) Line[lines]);
    if (memory_ == nullptr) {
      return false;
    }
    init_ = init;
    manager_ = imb_set_pointers_mb_mgr(memory_.get(), 0, 1);
    reset();
    return manager_ != nullptr && imb_get_errno(manager_) == 0;
  }
  // reset empties all queues: after a failure jobs may be left whose texts are gone.
  void reset() noexcept {
    if (manager_ != nullptr) {
      init_(manager_);
    }
  }
  [[nodiscard]] IMB_MGR* get() const noexcept { return manager_; }

 private:
  struct alignas(kCacheLine) Line {
    std::uint8_t bytes[kCacheLine];
  };

  std::unique_ptr<Line[]> memory_;
  std::size_t size_ = 0;
  void (*init_)(IMB_MGR*) = nullptr;
  IMB_MGR* manager_ = nullptr;
};

IMB_HASH_ALG keyed_hash(Digest digest) noexcept {
  switch (digest) {
    case Digest::kSha1:
      return IMB_AUTH_HMAC_SHA_1;
    case Digest::kSha256:
      return IMB_AUTH_HMAC_SHA_256;
    case Digest::kSha384:
      return IMB_AUTH_HMAC_SHA_384;
    case Digest::kMd5:
      break;
  }
  return IMB_AUTH_MD5;
}

class IpsecMbLanes final : public Lanes {
 public:
  explicit IpsecMbLanes(Kit& kit) noexcept : Lanes(kit) {}

  [[nodiscard]] bool open(std::size_t tokens) noexcept {
    const Functions& found = functions();
    has_sha_ni_ = found.has(IMB_CPUFLAGS_SSE_T2);
    has_avx512_ = found.has(IMB_CPUFLAGS_AVX512);
    has_avx2_ = found.has(IMB_CPUFLAGS_AVX2);
    for (IMB_JOB& job : jobs_) {
      job = {};
    }
    if (has_sha_ni_ && !narrow_.open(init_mb_mgr_sse)) {
      return false;
    }
    if (tokens == 1 && has_sha_ni_) {
      return true;
    }
    return wide_.open(has_avx512_ ? init_mb_mgr_avx512
                      : has_avx2_ ? init_mb_mgr_avx2
                                  : init_mb_mgr_sse);
  }

  bool derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept override;
  bool cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept override;
  bool cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept override;
  bool hmac(Digest digest, std::span<const HmacJob> jobs) noexcept override;

 private:
  using Block = std::array<std::uint8_t, kAesBlockSize>;

  // Way is how the first `count` texts are to be hashed. No manager is OpenSSL.
  struct Way {
    IMB_MGR* manager;
    std::size_t count;
  };
  [[nodiscard]] Way choose(Digest digest, std::size_t left) const noexcept;

  // CBC is the wide manager's at every width.
  [[nodiscard]] IMB_MGR* cipher_manager() const noexcept {
    return wide_.get() != nullptr ? wide_.get() : narrow_.get();
  }

  void put_cipher(std::size_t index, const AesKey& key, const std::uint8_t* in, std::uint8_t* out,
                  std::size_t size, const std::uint8_t* iv) noexcept;
  [[nodiscard]] bool run_cipher(std::size_t count, IMB_CIPHER_DIRECTION direction,
                                std::size_t key_size) noexcept;
  template <class Fill>
  [[nodiscard]] bool run_hashes(IMB_MGR* manager, IMB_HASH_ALG algorithm, std::size_t hash_size,
                                std::size_t job_count, Fill fill) noexcept;
  [[nodiscard]] bool decrypt_some(std::span<const CtsDecryptJob> jobs) noexcept;
  [[nodiscard]] bool encrypt_some(std::span<const CtsEncryptJob* const> jobs) noexcept;
  [[nodiscard]] bool hmac_some(IMB_MGR* manager, Digest digest,
                               std::span<const HmacJob* const> jobs) noexcept;

  // in_chunks runs `run` over the jobs whose size has lanes, kChunk at a time, and `run_alone`
  // over each of the others.
  template <class Job, class Size, class Run, class RunAlone>
  static bool in_chunks(std::span<const Job> jobs, Size size_of, Run run, RunAlone run_alone) {
    std::array<const Job*, kChunk> chunk;
    std::size_t count = 0;
    bool done = true;
    for (const Job& job : jobs) {
      if (const std::size_t size = size_of(job); size == 0 || size > kLaneTextMax) {
        done = done && run_alone(job);
        continue;
      }
      chunk[count++] = &job;
      if (count == kChunk) {
        done = done && run(std::span<const Job* const>(chunk));
        count = 0;
      }
    }
    return done && (count == 0 || run(std::span<const Job* const>(chunk).first(count)));
  }

  Manager wide_;
  Manager narrow_;  // Only with SHA-NI, which it uses for SHA-1 and SHA-256.
  bool has_sha_ni_ = false;
  bool has_avx512_ = false;
  bool has_avx2_ = false;
  std::array<IMB_JOB, kChunk> jobs_;
  std::array<Block, kChunk> blocks_;
  std::array<AesKey, kChunk / std::tuple_size_v<DeriveInputs>> base_keys_;
};

// Threshold says from how many texts at once a manager beats what is left of it: OpenSSL, then the
// narrow one, then the wide one. 0: never.
struct Threshold {
  Digest digest;
  std::size_t narrow;
  std::size_t wide;
};

// With SHA-NI and AVX-512 (EPYC, Zen 4), nanoseconds a text of 150 bytes; OpenSSL, narrow, wide:
//             1 text            4                 8                 12                16
//   SHA-1     253  178  665   233  104  255    231  102  164    229  101  133    228  101  119
//   SHA-256   295  188 1255   255  105  390    247  104  234    246  102  180    245  102  158
//   SHA-384   855 1093 1217   844  559  367    878  556  196    840  554  246    841  554  189
// Of SHA-384, two texts take 847, 565, 656.
// Of MD5, an NTLMv2 proof with its MIC, four HMACs, takes 3,807 by OpenSSL, and 2,278 by the wide
// one with four at once, 1,778 with eight, 1,472 with sixteen.
constexpr std::array kWithShaNi = {Threshold{Digest::kSha1, 1, 16},
                                   Threshold{Digest::kSha256, 1, 0},
                                   Threshold{Digest::kSha384, 0, 2}, Threshold{Digest::kMd5, 0, 3}};

// Without SHA-NI and with AVX2, as callgrind counts it, instructions a text of 150 bytes; OpenSSL,
// wide:    1 text             2                 3                 8
//   SHA-1     6301  7358     6271  3889     6261  2726     6248  1206
//   SHA-256  12791 15916    12761  8184    12751  5599    12738  2299
//   SHA-384  15482 15141    15452  7738    15442  5263    15429  3959
constexpr std::array kWithoutShaNi = {
    Threshold{Digest::kSha1, 0, 2}, Threshold{Digest::kSha256, 0, 2},
    Threshold{Digest::kSha384, 0, 2}, Threshold{Digest::kMd5, 0, 3}};

IpsecMbLanes::Way IpsecMbLanes::choose(Digest digest, std::size_t left) const noexcept {
  const auto& table = has_sha_ni_ ? kWithShaNi : kWithoutShaNi;
  const Threshold& from = *std::ranges::find(table, digest, &Threshold::digest);
  // AVX2's eight lanes of SHA-1 are no match for SHA-NI.
  const bool has_wide =
      wide_.get() != nullptr && from.wide != 0 &&
      (digest == Digest::kSha384 || digest == Digest::kMd5 || !has_sha_ni_ || has_avx512_);
  if (has_wide) {
    // The library works as long for one lane as for all, so a few that are over go another way.
    const std::size_t words = has_avx512_ ? 16 : has_avx2_ ? 8 : 4;
    const std::size_t lanes = digest == Digest::kSha384 ? words / 2 : words;
    const std::size_t over = left % lanes;
    if (over >= from.wide || over == 0) {
      return {wide_.get(), left};
    }
    if (left > over) {
      return {wide_.get(), left - over};
    }
  }
  if (narrow_.get() != nullptr && from.narrow != 0 && left >= from.narrow) {
    return {narrow_.get(), left};
  }
  return {nullptr, left};
}

void IpsecMbLanes::put_cipher(std::size_t index, const AesKey& key, const std::uint8_t* in,
                              std::uint8_t* out, std::size_t size,
                              const std::uint8_t* iv) noexcept {
  IMB_JOB& job = jobs_[index];
  job.enc_keys = key.schedule();
  job.dec_keys = key.schedule();
  job.src = in;
  job.dst = out;
  job.msg_len_to_cipher_in_bytes = size;
  job.iv = iv;
}

bool IpsecMbLanes::run_cipher(std::size_t count, IMB_CIPHER_DIRECTION direction,
                              std::size_t key_size) noexcept {
  const auto number = static_cast<std::uint32_t>(count);
  return IMB_SUBMIT_CIPHER_BURST_NOCHECK(
             cipher_manager(), jobs_.data(), number, IMB_CIPHER_CBC, direction,
             key_size == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES) == number;
}

// derive gives a few base keys at a time to the library: four jobs each.
bool IpsecMbLanes::derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept {
  std::array<std::array<std::uint8_t, 2 * kAesBlockSize>, std::tuple_size_v<DeriveInputs>> chains{};
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    std::ranges::copy(inputs[n], chains[n].begin());
  }
  bool done = true;
  while (!jobs.empty() && done) {
    const std::span<const DeriveJob> some = jobs.first(std::min(jobs.size(), base_keys_.size()));
    std::size_t count = 0;
    for (std::size_t i = 0; i < some.size(); ++i) {
      const DeriveJob& job = some[i];
      base_keys_[i].expand(job.base, AesDirection::kEncrypt);
      for (std::size_t n = 0; n < chains.size(); ++n) {
        if (job.keys[n] != nullptr) {
          put_cipher(count++, base_keys_[i], chains[n].data(), job.keys[n], job.base.size(),
                     kZeroIv.data());
        }
      }
    }
    done = count == 0 || run_cipher(count, IMB_DIR_ENCRYPT, some[0].base.size());
    for (std::size_t i = 0; i < some.size(); ++i) {
      base_keys_[i].clear();
    }
    jobs = jobs.subspan(some.size());
  }
  return done;
}

// Stolen is how a text of more than one block lies under ciphertext stealing, as swapped as RFC
// 3962 5 wants it: the last whole block of the ciphertext is that of the cut block of the text.
struct Stolen {
  explicit Stolen(std::size_t size) noexcept
      : cut((size - 1) / kAesBlockSize * kAesBlockSize),
        whole(cut - kAesBlockSize),
        cut_size(size - cut) {}
  std::size_t cut;       // Where the cut block begins,
  std::size_t whole;     // and the one before it.
  std::size_t cut_size;  // 1 to 16 bytes.
};

bool IpsecMbLanes::cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept {
  while (!jobs.empty()) {
    const std::span<const CtsDecryptJob> some = jobs.first(std::min(jobs.size(), kChunk));
    if (!decrypt_some(some)) {
      return false;
    }
    jobs = jobs.subspan(some.size());
  }
  return true;
}

// decrypt_some takes two steps: CBC over all but the cut block, which gives what the cut one and
// the end of the one before it are made of, and then that one block again.
bool IpsecMbLanes::decrypt_some(std::span<const CtsDecryptJob> jobs) noexcept {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const CtsDecryptJob& job = jobs[i];
    const std::size_t size = job.in.size();
    assert(size >= kAesBlockSize && job.out.size() == size);
    put_cipher(i, *job.key, job.in.data(), job.out.data(),
               size == kAesBlockSize ? size : Stolen(size).cut, kZeroIv.data());
  }
  const std::size_t key_size = jobs[0].key->key().size();
  if (!run_cipher(jobs.size(), IMB_DIR_DECRYPT, key_size)) {
    return false;
  }
  std::size_t count = 0;
  for (const CtsDecryptJob& job : jobs) {
    if (job.in.size() == kAesBlockSize) {
      continue;
    }
    const Stolen at(job.in.size());
    const std::uint8_t* const iv =
        at.whole == 0 ? kZeroIv.data() : job.in.subspan(at.whole - kAesBlockSize).data();
    const std::uint8_t* const cut_in = job.in.subspan(at.cut).data();
    std::uint8_t* const whole_out = job.out.subspan(at.whole).data();
    std::uint8_t* const cut_out = job.out.subspan(at.cut).data();
    // Decrypted, the whole block is the cut text, filled up with zeros, xor the block before, of
    // which the front was sent; so its end is that block's.
    Block& stolen = blocks_[count];
    for (std::size_t k = 0; k < kAesBlockSize; ++k) {
      stolen[k] = whole_out[k] ^ iv[k];
    }
    for (std::size_t k = 0; k < at.cut_size; ++k) {
      cut_out[k] = stolen[k] ^ cut_in[k];
      stolen[k] = cut_in[k];
    }
    put_cipher(count++, *job.key, stolen.data(), whole_out, kAesBlockSize, iv);
  }
  return count == 0 || run_cipher(count, IMB_DIR_DECRYPT, key_size);
}

bool IpsecMbLanes::cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept {
  return in_chunks(
      jobs, [](const CtsEncryptJob& job) { return job.text.size(); },
      [this](std::span<const CtsEncryptJob* const> some) { return encrypt_some(some); },
      [this](const CtsEncryptJob& job) {
        return kit().cts_encrypt(job.key->key(), job.text, job.out);
      });
}

bool IpsecMbLanes::encrypt_some(std::span<const CtsEncryptJob* const> jobs) noexcept {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const CtsEncryptJob& job = *jobs[i];
    const std::size_t size = job.text.size();
    assert(size >= kAesBlockSize && job.out.size() == size);
    const std::size_t fill = (kAesBlockSize - size % kAesBlockSize) % kAesBlockSize;
    std::uint8_t* const text = job.text.data();
    std::fill_n(text + size, fill, std::uint8_t{0});
    put_cipher(i, *job.key, text, text, size + fill, kZeroIv.data());
  }
  if (!run_cipher(jobs.size(), IMB_DIR_ENCRYPT, jobs[0]->key->key().size())) {
    return false;
  }
  for (const CtsEncryptJob* const job : jobs) {
    const std::uint8_t* const text = job->text.data();
    std::uint8_t* const out = job->out.data();
    if (job->text.size() == kAesBlockSize) {
      std::copy_n(text, kAesBlockSize, out);
      continue;
    }
    const Stolen at(job->text.size());
    std::copy_n(text, at.whole, out);
    std::copy_n(text + at.cut, kAesBlockSize, out + at.whole);
    std::copy_n(text + at.whole, at.cut_size, out + at.cut);
  }
  return true;
}

// run_hashes runs the library's out-of-order interface, and empties it before it returns: `fill`
// writes what is each job's own.
template <class Fill>
bool IpsecMbLanes::run_hashes(IMB_MGR* manager, IMB_HASH_ALG algorithm, std::size_t hash_size,
                              std::size_t job_count, Fill fill) noexcept {
  std::array<IMB_JOB*, kChunk> jobs;
  const auto count = static_cast<std::uint32_t>(job_count);
  if (IMB_GET_NEXT_BURST(manager, count, jobs.data()) != count) {
    return false;
  }
  for (std::size_t i = 0; i < job_count; ++i) {
    IMB_JOB& job = *jobs[i];
    job.cipher_mode = IMB_CIPHER_NULL;
    job.cipher_direction = IMB_DIR_ENCRYPT;
    job.chain_order = IMB_ORDER_HASH_CIPHER;
    job.hash_alg = algorithm;
    job.hash_start_src_offset_in_bytes = 0;
    job.auth_tag_output_len_in_bytes = hash_size;
    fill(job, i);
  }
  std::uint32_t done = IMB_SUBMIT_BURST_NOCHECK(manager, count, jobs.data());
  while (done < count) {
    const std::uint32_t more = IMB_FLUSH_BURST(manager, count - done, jobs.data());
    if (more == 0) {
      (manager == wide_.get() ? wide_ : narrow_).reset();
      return false;
    }
    done += more;
  }
  return true;
}

bool IpsecMbLanes::hmac_some(IMB_MGR* manager, Digest digest,
                             std::span<const HmacJob* const> jobs) noexcept {
  const auto fill = [&](IMB_JOB& job, std::size_t i) {
    const HmacJob& from = *jobs[i];
    job.src = from.text.data();
    job.msg_len_to_hash_in_bytes = from.text.size();
    job.auth_tag_output = from.out.data();
    job.u.HMAC._hashed_auth_key_xor_ipad = from.key->inner();
    job.u.HMAC._hashed_auth_key_xor_opad = from.key->outer();
  };
  if (digest == Digest::kMd5) {  // Which the call below does not know.
    return run_hashes(manager, keyed_hash(digest), hmac_size_of(digest), jobs.size(), fill);
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs_[i].auth_tag_output_len_in_bytes = hmac_size_of(digest);
    fill(jobs_[i], i);
  }
  const auto count = static_cast<std::uint32_t>(jobs.size());
  return IMB_SUBMIT_HASH_BURST_NOCHECK(manager, jobs_.data(), count, keyed_hash(digest)) == count;
}

bool IpsecMbLanes::hmac(Digest digest, std::span<const HmacJob> jobs) noexcept {
  const auto alone = [this, digest](const HmacJob& job) {
    return hmac_alone(kit(), digest, job.key->key(), job.text, job.out);
  };
  const auto size_of = [](const HmacJob& job) { return job.text.size(); };
  bool done = true;
  while (!jobs.empty() && done) {
    const Way way = choose(digest, jobs.size());
    const std::span<const HmacJob> some = jobs.first(way.count);
    const auto together = [&](std::span<const HmacJob* const> chunk) {
      return hmac_some(way.manager, digest, chunk);
    };
    done = way.manager == nullptr ? std::ranges::all_of(some, alone)
                                  : in_chunks(some, size_of, together, alone);
    jobs = jobs.subspan(way.count);
  }
  return done;
}

}  // namespace

// Jobs are laid out as the header has it, so a library of another version is not to be called.
bool has_ipsec_mb() noexcept {
  return functions().has(IMB_CPUFLAGS_SSE) && imb_get_version() == IMB_VERSION_NUM;
}

std::unique_ptr<Lanes> make_ipsec_mb_lanes(Kit& kit, std::size_t tokens) noexcept {
  std::unique_ptr<IpsecMbLanes> lanes(new (std::nothrow) IpsecMbLanes(kit));
  if (!has_ipsec_mb() || lanes == nullptr || !lanes->open(tokens)) {
    return nullptr;
  }
  return lanes;
}

void write_ipsec_mb_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept {
  if (!has_ipsec_mb()) {
    return;
  }
  const bool large = key.size() == 32;
  if (direction == AesDirection::kEncrypt) {
    (large ? functions().expand_enc_256 : functions().expand_enc_128)(key.data(), schedule);
    return;
  }
  alignas(16) std::array<std::uint8_t, 16 * 15> encryption;
  (large ? functions().expand_256 : functions().expand_128)(key.data(), encryption.data(),
                                                            schedule);
  wipe(encryption);
}

}  // namespace usher::crypto
