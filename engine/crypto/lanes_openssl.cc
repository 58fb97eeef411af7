// Lanes over the Kit: one operation after the other.
#include <algorithm>
#include <new>

#include "engine/crypto/lanes_parts.h"

namespace usher::crypto {
namespace {

class OpensslLanes final : public Lanes {
 public:
  explicit OpensslLanes(Kit& kit) noexcept : Lanes(kit) {}

  bool cbc_encrypt(std::span<const CbcJob> jobs) noexcept override {
    return std::ranges::all_of(jobs, [this](const CbcJob& job) {
      return kit().cbc_encrypt(job.key->key(), job.in, job.out);
    });
  }
  bool cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept override {
    return std::ranges::all_of(jobs, [this](const CtsDecryptJob& job) {
      return kit().cts_decrypt(job.key->key(), job.in, job.out);
    });
  }
  bool cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept override {
    return std::ranges::all_of(jobs, [this](const CtsEncryptJob& job) {
      return kit().cts_encrypt(job.key->key(), job.text, job.out);
    });
  }
  bool hmac(Digest digest, std::span<const HmacJob> jobs) noexcept override {
    return std::ranges::all_of(jobs, [this, digest](const HmacJob& job) {
      return hmac_alone(kit(), digest, job.key, job.text, job.out);
    });
  }
  bool hmac(Digest digest, std::span<const ReadyHmacJob> jobs) noexcept override {
    return std::ranges::all_of(jobs, [this, digest](const ReadyHmacJob& job) {
      return hmac_alone(kit(), digest, job.key->key(), job.text, job.out);
    });
  }
};

}  // namespace

bool hmac_alone(Kit& kit, Digest digest, Bytes key, Bytes text, MutableBytes out) noexcept {
  const Bytes parts[] = {text};
  switch (digest) {
    case Digest::kSha1:
      return kit.hmac_sha1(key, parts, out);
    case Digest::kSha256:
      return kit.hmac_sha256(key, parts, out);
    case Digest::kSha384:
      return kit.hmac_sha384(key, parts, out);
  }
  return false;
}

std::unique_ptr<Lanes> make_openssl_lanes(Kit& kit) noexcept {
  return std::unique_ptr<Lanes>(new (std::nothrow) OpensslLanes(kit));
}

std::unique_ptr<Lanes> Lanes::make(Kit& kit, LanesChoice choice, std::size_t tokens) noexcept {
  const bool ipsec_mb =
      choice == LanesChoice::kIpsecMb || (choice == LanesChoice::kAuto && has_ipsec_mb());
  return ipsec_mb ? make_ipsec_mb_lanes(kit, tokens) : make_openssl_lanes(kit);
}

}  // namespace usher::crypto
