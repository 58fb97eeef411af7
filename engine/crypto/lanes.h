// Lanes: many operations of one kind at once, each with a key of its own.
#pragma once

#include <memory>
#include <span>

#include "engine/crypto/kit.h"
#include "engine/crypto/ready_keys.h"
#include "engine/limits.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// LanesChoice is which back end to take. kX86 is this project's own AES, SHA-1, SHA-2 and MD5 for
// CPUs with AES-NI and AVX2. kAuto is kX86, or ipsec-mb where it is built in and the CPU has
// AES-NI, or OpenSSL.
enum class LanesChoice : std::uint8_t { kAuto, kOpenssl, kIpsecMb, kX86 };

// What a text needs behind it to be encrypted: its last block is filled up there.
inline constexpr std::size_t kCtsTailroom = kAesBlockSize - 1;

// DeriveJob makes up to four keys of one base key, as many bytes each as that has (RFC 3961 5.1,
// DR): one for each of DeriveInputs, unless its pointer is null.
using DeriveInputs = std::array<std::array<std::uint8_t, kAesBlockSize>, 4>;
struct DeriveJob {
  Bytes base;  // 16 or 32 bytes.
  std::array<std::uint8_t*, 4> keys{};
};

// KdfJob makes up to four keys of one base key by HMACs (RFC 8009 3, without a context): the front
// of the HMAC of each of KdfInputs, as much as `keys` takes, unless that is empty. Where
// `hmac_keys` is not null, the key is that one's, which has been given its room, and is prepared,
// too.
inline constexpr std::size_t kKdfInputSize = 14;
using KdfInputs = std::array<std::array<std::uint8_t, kKdfInputSize>, 4>;
struct KdfJob {
  Bytes base;                          // 16 or 32 bytes.
  std::array<MutableBytes, 4> keys{};  // 16, 24 or 32 bytes, of one number the same in all jobs.
  std::array<HmacKey*, 4> hmac_keys{};
};

// CtsDecryptJob decrypts at least 16 bytes of CBC with ciphertext stealing (RFC 3962 5) and a zero
// IV. `out` is as large as `in`, other memory.
struct CtsDecryptJob {
  const AesKey* key = nullptr;  // For decryption.
  Bytes in;
  MutableBytes out;
};

// CtsEncryptJob is the reverse. `text` has kCtsTailroom bytes behind it; those and the text are
// overwritten. `out` is as large as `text`, other memory.
struct CtsEncryptJob {
  const AesKey* key = nullptr;  // For encryption.
  MutableBytes text;
  MutableBytes out;
};

// HmacJob makes an HMAC, not truncated. `out` takes hmac_size_of(digest) bytes.
struct HmacJob {
  const HmacKey* key = nullptr;  // Prepared for the digest.
  Bytes text;
  MutableBytes out;
};

// Lanes are one thread's. All jobs of a call are of one algorithm: their AES keys have one size,
// their HMACs one digest; that is how the stages gather them (by etype). The size of the texts may
// differ, and none is too large or too small for what its job says.
//
// A call decides all its jobs or returns false, if the library fails, which no input can cause:
// then the outputs are not to be used. Sizes that no caller may pass are asserted.
class Lanes {
 public:
  // make returns null if memory fails, or if what is chosen is not there. It allocates, and
  // asks the CPU what it has; nothing else does. `kit` must outlive the lanes: what is not worth
  // many lanes, or has none, is done with it. `tokens` is how many exchanges a call will usually be
  // about: for one alone, ipsec-mb takes half of the memory (200 KiB) and of the time to make it.
  [[nodiscard]] static std::unique_ptr<Lanes> make(Kit& kit, LanesChoice choice,
                                                   std::size_t tokens = kBatchMax) noexcept;
  virtual ~Lanes() = default;
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  [[nodiscard]] virtual bool derive(const DeriveInputs& inputs,
                                    std::span<const DeriveJob> jobs) noexcept = 0;
  [[nodiscard]] virtual bool derive(Digest digest, const KdfInputs& inputs,
                                    std::span<const KdfJob> jobs) noexcept;
  [[nodiscard]] virtual bool cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept = 0;
  [[nodiscard]] virtual bool cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept = 0;
  [[nodiscard]] virtual bool hmac(Digest digest, std::span<const HmacJob> jobs) noexcept = 0;

  // These do what HmacKey::prepare and AesKey::expand do, for many keys that have been written into
  // their rooms.
  virtual void prepare(Digest digest, std::span<HmacKey* const> keys) noexcept;
  virtual void expand(AesDirection direction, std::span<AesKey* const> keys) noexcept;

  [[nodiscard]] Kit& kit() const noexcept { return kit_; }

  // Workspace is where the stages of ticket_batch.h lay out what they give to the lanes; they wipe
  // what was secret in it.
  struct Workspace {
    // Of each session key at most two keys are derived for two usages.
    static constexpr std::size_t kDerivedMax = 4 * kBatchMax;
    // Of an NTLM proof (proof_batch.h): a text in one piece, as large as names, target information
    // and three messages usually are, and keys for one HMAC and for two.
    static constexpr std::size_t kProofTextMax = 2048;
    struct Proof {
      HmacKey keys;
      HmacKey response_key;
      std::size_t text_size = 0;  // How much of `text` has been used.
      std::array<std::uint8_t, kProofTextMax> text;
    };
    std::span<Proof> proofs;  // As many as the lanes were made for.
    std::array<DeriveJob, kBatchMax> derive;
    std::array<KdfJob, kBatchMax> kdf;
    std::array<HmacKey, kBatchMax> base_keys;  // Of RFC 8009's key derivation.
    std::array<HmacKey*, 2 * kBatchMax> hmac_keys;
    std::array<AesKey*, kBatchMax> aes_keys;
    std::array<CtsDecryptJob, kBatchMax> cts_decrypt;
    std::array<CtsEncryptJob, kBatchMax> cts_encrypt;
    std::array<HmacJob, kDerivedMax> hmac;
    std::array<std::array<std::uint8_t, kHmacSizeMax>, kDerivedMax> hmacs;
  };
  [[nodiscard]] Workspace& workspace() noexcept { return *workspace_; }

 protected:
  explicit Lanes(Kit& kit) noexcept : kit_(kit) {}

 private:
  Kit& kit_;
  [[nodiscard]] bool make_workspace(std::size_t tokens) noexcept;

  std::unique_ptr<Workspace> workspace_;  // Not of lanes inside of others.
  std::unique_ptr<Workspace::Proof[]> proofs_;
};

// These say whether LanesChoice::kIpsecMb and kX86 can be had in this process.
[[nodiscard]] bool has_ipsec_mb() noexcept;
[[nodiscard]] bool has_x86_lanes() noexcept;

}  // namespace usher::crypto
