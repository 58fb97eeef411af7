// Lanes over this project's own AES, SHA-1, SHA-2 and MD5 for x86: which of x86_kernels.h runs
// when, on what.
#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include "engine/crypto/hmac_lanes.h"
#include "engine/crypto/kdf_lanes.h"
#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {
namespace {

// Cpu is what there is. Asked once: the question traps in a virtual machine.
struct Cpu {
  bool has_lanes;
  bool has_avx512;
  bool has_sha_ni;
  bool has_vaes;  // With AVX-512.

  Cpu() noexcept {
    __builtin_cpu_init();
    has_lanes = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("aes") != 0;
    has_avx512 = __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
    std::uint32_t d = 0;
    const bool has_leaf = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0;
    has_sha_ni = has_leaf && (b & bit_SHA) != 0;
    has_vaes = has_avx512 && has_leaf && (c & bit_VAES) != 0;
  }
};

const Cpu& cpu() noexcept {
  static const Cpu found;
  return found;
}

// From the widest to the narrowest. A text without a neighbour goes to OpenSSL, if the CPU has no
// instructions for its hash. Nanoseconds a block, all lanes together (EPYC, Zen 4, 3.7 GHz):
// AVX-512 148, AVX2 145; SHA-NI four 61, two 39, one 34; OpenSSL 33 with SHA-NI. In instructions,
// AVX2 takes 1,630 and OpenSSL 950 without SHA-NI.
using Sha1Way = Way<x86::Sha1Lanes>;
constexpr std::array kSha1Avx512 = {
    Sha1Way{x86::sha1_avx512, x86::sha1_words_avx512, x86::sha1_keys_avx512, 16, 9},
    Sha1Way{x86::sha1_ni_4, x86::sha1_words_ni_4, x86::sha1_keys_ni_4, 4, 3},
    Sha1Way{x86::sha1_ni_2, x86::sha1_words_ni_2, x86::sha1_keys_ni_2, 2, 2}};
constexpr std::array kSha1Avx512Alone = {
    Sha1Way{x86::sha1_avx512, x86::sha1_words_avx512, x86::sha1_keys_avx512, 16, 9},
    Sha1Way{x86::sha1_avx2, x86::sha1_words_avx2, x86::sha1_keys_avx2, 8, 2}};
constexpr std::array kSha1ShaNi = {
    Sha1Way{x86::sha1_ni_4, x86::sha1_words_ni_4, x86::sha1_keys_ni_4, 4, 3},
    Sha1Way{x86::sha1_ni_2, x86::sha1_words_ni_2, x86::sha1_keys_ni_2, 2, 2}};
constexpr std::array kSha1Avx2 = {
    Sha1Way{x86::sha1_avx2, x86::sha1_words_avx2, x86::sha1_keys_avx2, 8, 2}};

// MD5 likewise: AVX-512 122, AVX2 119, OpenSSL 95.
using Md5Way = Way<x86::Md5Lanes>;
constexpr std::array kMd5Avx512 = {
    Md5Way{x86::md5_avx512, x86::md5_words_avx512, x86::md5_keys_avx512, 16, 2}};
constexpr std::array kMd5Avx2 = {
    Md5Way{x86::md5_avx2, x86::md5_words_avx2, x86::md5_keys_avx2, 8, 2}};

// SHA-256: AVX-512 321, AVX2 295; SHA-NI two 37, one 35; OpenSSL 35 with SHA-NI. On Emerald Rapids,
// 2.9 GHz, AVX-512 takes 312 and SHA-NI two 79. So with both, sixteen lanes win half of the time
// there, and lose a twelfth on Zen 4, whose registers of 64 bytes are halves that take turns.
using Sha256Way = Way<x86::Sha256Lanes>;
constexpr std::array kSha256Avx512ShaNi = {
    Sha256Way{x86::sha256_avx512, x86::sha256_words_avx512, x86::sha256_keys_avx512, 16, 12},
    Sha256Way{x86::sha256_ni_2, x86::sha256_words_ni_2, x86::sha256_keys_ni_2, 2, 2}};
constexpr std::array kSha256ShaNi = {
    Sha256Way{x86::sha256_ni_2, x86::sha256_words_ni_2, x86::sha256_keys_ni_2, 2, 2}};
constexpr std::array kSha256Avx512 = {
    Sha256Way{x86::sha256_avx512, x86::sha256_words_avx512, x86::sha256_keys_avx512, 16, 9},
    Sha256Way{x86::sha256_avx2, x86::sha256_words_avx2, x86::sha256_keys_avx2, 8, 2}};
constexpr std::array kSha256Avx2 = {
    Sha256Way{x86::sha256_avx2, x86::sha256_words_avx2, x86::sha256_keys_avx2, 8, 2}};

// SHA-512: AVX-512 363, AVX2 350, OpenSSL 146.
using Sha512Way = Way<x86::Sha512Lanes>;
constexpr std::array kSha512Avx512 = {Sha512Way{x86::sha512_avx512, x86::sha512_words_avx512,
                                                x86::sha512_keys_avx512, 8, 3,
                                                x86::sha384_outer_avx512}};
constexpr std::array kSha512Avx2 = {
    Sha512Way{x86::sha512_avx2, x86::sha512_words_avx2, x86::sha512_keys_avx2, 4, 3}};

// A group of base keys: SHA-256 by AVX-512 3,500, where one by SHA-NI takes 450; SHA-512 4,500,
// where one takes 900.
using Sha256Kdf = KdfWay<x86::Sha256Lanes>;
using Sha512Kdf = KdfWay<x86::Sha512Lanes>;
constexpr std::array kSha256KdfAvx512 = {
    Sha256Kdf{x86::sha256_front_avx512, x86::sha256_known_avx512, 16, 9}};
constexpr std::array kSha256KdfAvx2 = {
    Sha256Kdf{x86::sha256_front_avx2, x86::sha256_known_avx2, 8, 5}};
constexpr std::array kSha512KdfAvx512 = {
    Sha512Kdf{x86::sha512_front_avx512, x86::sha512_known_avx512, 8, 5}};
constexpr std::array kSha512KdfAvx2 = {
    Sha512Kdf{x86::sha512_front_avx2, x86::sha512_known_avx2, 4, 3}};

struct Sha1 {
  using Lanes = x86::Sha1Lanes;
  static constexpr Digest kDigest = Digest::kSha1;
  static constexpr std::size_t kHashSize = hmac_size_of(kDigest);
  static constexpr std::array kStart = kSha1Start;
  static constexpr bool kBigEndian = true;

  static std::span<const Sha1Way> ways() noexcept {
    if (cpu().has_sha_ni) {
      return cpu().has_avx512 ? std::span<const Sha1Way>(kSha1Avx512) : kSha1ShaNi;
    }
    return cpu().has_avx512 ? std::span<const Sha1Way>(kSha1Avx512Alone) : kSha1Avx2;
  }
  static x86::AloneKernel<std::uint32_t>* alone() noexcept {
    return cpu().has_sha_ni ? x86::sha1_ni_1 : add_sha1_blocks;
  }
};

struct Md5 {
  using Lanes = x86::Md5Lanes;
  static constexpr Digest kDigest = Digest::kMd5;
  static constexpr std::size_t kHashSize = hmac_size_of(kDigest);
  static constexpr std::array kStart = kMd5Start;
  static constexpr bool kBigEndian = false;

  static std::span<const Md5Way> ways() noexcept {
    return cpu().has_avx512 ? std::span<const Md5Way>(kMd5Avx512) : kMd5Avx2;
  }
  static x86::AloneKernel<std::uint32_t>* alone() noexcept { return add_md5_blocks; }
};

struct Sha256 {
  using Lanes = x86::Sha256Lanes;
  static constexpr Digest kDigest = Digest::kSha256;
  using Numbers = x86::Sha256Numbers;
  static constexpr std::size_t kHashSize = hmac_size_of(kDigest);
  static constexpr std::array kStart = kSha256Start;
  static constexpr bool kBigEndian = true;

  static std::span<const Sha256Way> ways() noexcept {
    if (cpu().has_sha_ni) {
      return cpu().has_avx512 ? std::span<const Sha256Way>(kSha256Avx512ShaNi) : kSha256ShaNi;
    }
    return cpu().has_avx512 ? std::span<const Sha256Way>(kSha256Avx512) : kSha256Avx2;
  }
  static x86::AloneKernel<std::uint32_t>* alone() noexcept {
    return cpu().has_sha_ni ? x86::sha256_ni_1 : add_sha256_blocks;
  }
  static std::span<const Sha256Kdf> kdf_ways() noexcept {
    if (cpu().has_avx512) {
      return kSha256KdfAvx512;
    }
    return cpu().has_sha_ni ? std::span<const Sha256Kdf>() : kSha256KdfAvx2;
  }
};

struct Sha384 {
  using Lanes = x86::Sha512Lanes;
  static constexpr Digest kDigest = Digest::kSha384;
  using Numbers = x86::Sha512Numbers;
  static constexpr std::size_t kHashSize = hmac_size_of(kDigest);
  static constexpr std::array kStart = kSha384Start;
  static constexpr bool kBigEndian = true;

  static std::span<const Sha512Way> ways() noexcept {
    return cpu().has_avx512 ? std::span<const Sha512Way>(kSha512Avx512) : kSha512Avx2;
  }
  static x86::AloneKernel<std::uint64_t>* alone() noexcept { return add_sha512_blocks; }
  static std::span<const Sha512Kdf> kdf_ways() noexcept {
    return cpu().has_avx512 ? std::span<const Sha512Kdf>(kSha512KdfAvx512) : kSha512KdfAvx2;
  }
};

class X86Lanes final : public Lanes {
 public:
  explicit X86Lanes(Kit& kit) noexcept : Lanes(kit) {}

  bool derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept override;
  bool derive(Digest digest, const KdfInputs& inputs,
              std::span<const KdfJob> jobs) noexcept override;
  bool cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept override;
  bool cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept override;
  bool hmac(Digest digest, std::span<const HmacJob> jobs) noexcept override;
  void prepare(Digest digest, std::span<HmacKey* const> keys) noexcept override;
  void expand(AesDirection direction, std::span<AesKey* const> keys) noexcept override;

 private:
  // with calls `run` with the lanes of a digest.
  template <class Run>
  void with(Digest digest, Run run) noexcept {
    switch (digest) {
      case Digest::kSha1:
        return run(sha1_);
      case Digest::kSha256:
        return run(sha256_);
      case Digest::kSha384:
        return run(sha384_);
      case Digest::kMd5:
        return run(md5_);
    }
  }

  HmacLanes<Sha1> sha1_{Sha1::ways(), Sha1::alone()};
  HmacLanes<Sha256> sha256_{Sha256::ways(), Sha256::alone()};
  HmacLanes<Sha384> sha384_{Sha384::ways(), Sha384::alone()};
  HmacLanes<Md5> md5_{Md5::ways(), Md5::alone()};
  KdfLanes<Sha256> kdf_sha256_{Sha256::kdf_ways()};
  KdfLanes<Sha384> kdf_sha384_{Sha384::kdf_ways()};
  std::array<x86::AesDecryption, kTextsAtOnce> decryptions_;
  std::array<x86::AesEncryption, kTextsAtOnce> encryptions_;
  std::array<x86::AesDerivation, kTextsAtOnce> derivations_;
  std::array<x86::AesExpansion, kTextsAtOnce> expansions_;
};

template <class Job, class Run>
void in_chunks(std::span<const Job> jobs, Run run) noexcept {
  while (!jobs.empty()) {
    const std::span<const Job> some = jobs.first(std::min(jobs.size(), kTextsAtOnce));
    run(some);
    jobs = jobs.subspan(some.size());
  }
}

bool X86Lanes::derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept {
  std::uint8_t blocks[std::tuple_size_v<DeriveInputs>][kAesBlockSize];
  static_assert(sizeof(blocks) == sizeof(inputs));
  static_assert(sizeof(DeriveJob::keys) == sizeof(x86::AesDerivation::keys));
  std::memcpy(blocks, inputs.data(), sizeof(blocks));
  in_chunks(jobs, [&](std::span<const DeriveJob> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      derivations_[i].base = some[i].base.data();
      std::memcpy(derivations_[i].keys, some[i].keys.data(), sizeof(derivations_[i].keys));
    }
    x86::aes_derive(blocks, derivations_.data(), some.size(), some[0].base.size());
  });
  x86::forget_stack<x86::kDeepestStack>();
  return true;
}

bool X86Lanes::derive(Digest digest, const KdfInputs& inputs,
                      std::span<const KdfJob> jobs) noexcept {
  assert(digest == Digest::kSha256 || digest == Digest::kSha384);
  const std::size_t done =
      digest == Digest::kSha256 ? kdf_sha256_.run(inputs, jobs) : kdf_sha384_.run(inputs, jobs);
  return Lanes::derive(digest, inputs, jobs.subspan(done));
}

bool X86Lanes::cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept {
  in_chunks(jobs, [&](std::span<const CtsDecryptJob> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      const CtsDecryptJob& job = some[i];
      assert(job.in.size() >= kAesBlockSize && job.out.size() == job.in.size());
      decryptions_[i] = {.schedule = job.key->schedule(),
                         .in = job.in.data(),
                         .out = job.out.data(),
                         .size = job.in.size()};
    }
    x86::aes_cts_decrypt(decryptions_.data(), some.size(), some[0].key->key().size(),
                         cpu().has_vaes ? x86::aes_front_vaes : nullptr);
  });
  x86::forget_stack<x86::kShallowStack>();
  return true;
}

bool X86Lanes::cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept {
  in_chunks(jobs, [&](std::span<const CtsEncryptJob> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      const CtsEncryptJob& job = some[i];
      assert(job.text.size() >= kAesBlockSize && job.out.size() == job.text.size());
      encryptions_[i] = {.schedule = job.key->schedule(),
                         .text = job.text.data(),
                         .out = job.out.data(),
                         .size = job.text.size()};
    }
    x86::aes_cts_encrypt(encryptions_.data(), some.size(), some[0].key->key().size());
  });
  x86::forget_stack<x86::kShallowStack>();
  return true;
}

bool X86Lanes::hmac(Digest digest, std::span<const HmacJob> jobs) noexcept {
  with(digest, [jobs](auto& lanes) {
    in_chunks(jobs, [&lanes](std::span<const HmacJob> some) { lanes.run(some); });
  });
  return true;
}

void X86Lanes::prepare(Digest digest, std::span<HmacKey* const> keys) noexcept {
  with(digest, [keys](auto& lanes) {
    in_chunks(keys, [&lanes](std::span<HmacKey* const> some) { lanes.prepare(some); });
  });
}

void X86Lanes::expand(AesDirection direction, std::span<AesKey* const> keys) noexcept {
  in_chunks(keys, [&](std::span<AesKey* const> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      expansions_[i] = {.key = some[i]->key().data(), .schedule = some[i]->schedule()};
    }
    x86::aes_expand(expansions_.data(), some.size(), some[0]->key().size(),
                    direction == AesDirection::kDecrypt);
  });
  x86::forget_stack<x86::kShallowStack>();
}

}  // namespace

bool has_x86_lanes() noexcept { return cpu().has_lanes; }

std::unique_ptr<Lanes> make_x86_lanes(Kit& kit) noexcept {
  if (!has_x86_lanes()) {
    return nullptr;
  }
  return std::unique_ptr<Lanes>(new (std::nothrow) X86Lanes(kit));
}

void write_x86_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept {
  const x86::AesExpansion expansion{.key = key.data(), .schedule = schedule};
  x86::aes_expand(&expansion, 1, key.size(), direction == AesDirection::kDecrypt);
}

}  // namespace usher::crypto
