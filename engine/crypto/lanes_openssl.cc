// Lanes over the Kit: one operation after the other.
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <new>
#include <utility>

#include "engine/crypto/lanes_parts.h"

namespace usher::crypto {
namespace {

class OpensslLanes final : public Lanes {
 public:
  explicit OpensslLanes(Kit& kit) noexcept : Lanes(kit) {}

  bool derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept override {
    return std::ranges::all_of(jobs, [&](const DeriveJob& job) { return one(inputs, job); });
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
      return hmac_alone(kit(), digest, job.key->key(), job.text, job.out);
    });
  }

 private:
  // Each block of a key encrypts the one before: CBC with a zero IV over the input and zeros.
  bool one(const DeriveInputs& inputs, const DeriveJob& job) noexcept {
    bool done = true;
    for (std::size_t n = 0; n < inputs.size(); ++n) {
      if (job.keys[n] != nullptr) {
        std::array<std::uint8_t, 2 * kAesBlockSize> chain{};
        std::ranges::copy(inputs[n], chain.begin());
        done = done && kit().cbc_encrypt(job.base, std::span(chain).first(job.base.size()),
                                         {job.keys[n], job.base.size()});
      }
    }
    return done;
  }
};

}  // namespace

void Lanes::prepare(Digest digest, std::span<HmacKey* const> keys) noexcept {
  for (HmacKey* const key : keys) {
    key->prepare(digest);
  }
}

// Each base key is an HMAC key.
bool Lanes::derive(Digest digest, const KdfInputs& inputs, std::span<const KdfJob> jobs) noexcept {
  Workspace& space = *workspace_;
  assert(jobs.size() <= kBatchMax);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    std::ranges::copy(jobs[i].base, space.base_keys[i].room(jobs[i].base.size()).begin());
    space.hmac_keys[i] = &space.base_keys[i];
  }
  prepare(digest, std::span(space.hmac_keys).first(jobs.size()));
  std::size_t count = 0;
  std::size_t hmac_key_count = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (std::size_t n = 0; n < inputs.size(); ++n) {
      if (jobs[i].keys[n].empty()) {
        continue;
      }
      space.hmac[count] = {.key = &space.base_keys[i],
                           .text = inputs[n],
                           .out = std::span(space.hmacs[count]).first(hmac_size_of(digest))};
      ++count;
      if (jobs[i].hmac_keys[n] != nullptr) {
        space.hmac_keys[hmac_key_count++] = jobs[i].hmac_keys[n];
      }
    }
  }
  const bool done = hmac(digest, std::span(space.hmac).first(count));
  std::size_t next = 0;
  for (const KdfJob& job : jobs) {
    for (const MutableBytes key : job.keys) {
      if (!key.empty()) {
        std::ranges::copy(Bytes(space.hmacs[next++]).first(key.size()), key.begin());
      }
    }
  }
  wipe({reinterpret_cast<std::uint8_t*>(space.base_keys.data()),
        jobs.size() * sizeof(space.base_keys[0])});
  wipe({space.hmacs.data()->data(), count * sizeof(space.hmacs[0])});
  if (done) {
    prepare(digest, std::span(space.hmac_keys).first(hmac_key_count));
  }
  return done;
}

void Lanes::expand(AesDirection direction, std::span<AesKey* const> keys) noexcept {
  for (AesKey* const key : keys) {
    key->expand(direction);
  }
}

bool hmac_alone(Kit& kit, Digest digest, Bytes key, Bytes text, MutableBytes out) noexcept {
  const Bytes parts[] = {text};
  switch (digest) {
    case Digest::kSha1:
      return kit.hmac_sha1(key, parts, out);
    case Digest::kSha256:
      return kit.hmac_sha256(key, parts, out);
    case Digest::kSha384:
      return kit.hmac_sha384(key, parts, out);
    case Digest::kMd5:
      return kit.hmac_md5(key, parts, out);
  }
  return false;
}

namespace {

// add_blocks puts a state where the library counts on, and takes it from there again. Of whole
// blocks the library keeps nothing.
template <class Word, class Theirs, std::size_t kWords, class Hash>
void add_blocks(Word* state, Theirs* const (&words)[kWords], Hash hash) noexcept {
  static_assert(sizeof(Word) == sizeof(Theirs));
  for (std::size_t i = 0; i < kWords; ++i) {
    *words[i] = state[i];
  }
  hash();
  for (std::size_t i = 0; i < kWords; ++i) {
    state[i] = *words[i];
    *words[i] = 0;
  }
  asm volatile("" : : "r"(words[0]) : "memory");
}

}  // namespace

// Only OpenSSL's old functions let a hash begin in the middle.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void add_sha1_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept {
  SHA_CTX sha1{};
  add_blocks(state, {&sha1.h0, &sha1.h1, &sha1.h2, &sha1.h3, &sha1.h4}, [&] {
    if (blocks == 1) {
      SHA1_Transform(&sha1, text);  // Does not count bytes, nor ask whether some are left over.
    } else {
      SHA1_Update(&sha1, text, blocks * block_size_of(Digest::kSha1));
    }
  });
}

void add_md5_blocks(std::uint32_t* state, const std::uint8_t* text, std::size_t blocks) noexcept {
  MD5_CTX md5{};
  add_blocks(state, {&md5.A, &md5.B, &md5.C, &md5.D},
             [&] { MD5_Update(&md5, text, blocks * block_size_of(Digest::kMd5)); });
}

void add_sha256_blocks(std::uint32_t* state, const std::uint8_t* text,
                       std::size_t blocks) noexcept {
  SHA256_CTX sha{};
  SHA_LONG* const h = sha.h;
  add_blocks(state, {h, h + 1, h + 2, h + 3, h + 4, h + 5, h + 6, h + 7},
             [&] { SHA256_Update(&sha, text, blocks * block_size_of(Digest::kSha256)); });
}

void add_sha512_blocks(std::uint64_t* state, const std::uint8_t* text,
                       std::size_t blocks) noexcept {
  SHA512_CTX sha{};
  SHA_LONG64* const h = sha.h;
  add_blocks(state, {h, h + 1, h + 2, h + 3, h + 4, h + 5, h + 6, h + 7},
             [&] { SHA512_Update(&sha, text, blocks * block_size_of(Digest::kSha384)); });
}
#pragma GCC diagnostic pop

std::unique_ptr<Lanes> make_openssl_lanes(Kit& kit) noexcept {
  return std::unique_ptr<Lanes>(new (std::nothrow) OpensslLanes(kit));
}

bool Lanes::make_workspace(std::size_t tokens) noexcept {
  workspace_.reset(new (std::nothrow) Workspace());
  proofs_.reset(new (std::nothrow)
                    Workspace::Proof[tokens]);  // Texts: not touched before they are used.
  if (workspace_ == nullptr || proofs_ == nullptr) {
    return false;
  }
  workspace_->proofs = {proofs_.get(), tokens};
  return true;
}

std::unique_ptr<Lanes> Lanes::make(Kit& kit, LanesChoice choice, std::size_t tokens) noexcept {
  if (choice == LanesChoice::kAuto) {
    choice = has_x86_lanes()  ? LanesChoice::kX86
             : has_ipsec_mb() ? LanesChoice::kIpsecMb
                              : LanesChoice::kOpenssl;
  }
  std::unique_ptr<Lanes> lanes = choice == LanesChoice::kX86 ? make_x86_lanes(kit)
                                 : choice == LanesChoice::kIpsecMb
                                     ? make_ipsec_mb_lanes(kit, tokens)
                                     : make_openssl_lanes(kit);
  return lanes != nullptr && lanes->make_workspace(tokens) ? std::move(lanes) : nullptr;
}

}  // namespace usher::crypto
