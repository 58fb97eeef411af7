// Encrypted data (RFC 4120 5.2.9): a confounder and a plaintext, encrypted and authenticated in the
// way of their etype's family. Tickets, authenticators, replies and credentials are all sealed so.
#pragma once

#include <array>
#include <cstdint>

#include "engine/crypto/kerberos_keys.h"
#include "engine/crypto/kit.h"
#include "parsers/bytes.h"

namespace usher::crypto {

enum class Outcome : std::uint8_t {
  kPending,  // Not worked on yet; never seen after the stage has run.
  kDone,     // Opened and verified, or sealed; the output holds what the job describes.
  kForged,   // The checksum is wrong: other key, changed, or shorter than any ciphertext.
  kFailed,   // OpenSSL failed; says nothing about the input.
};

// SealingKeys are Ke and Ki of one base key and usage.
struct SealingKeys {
  const EtypeProfile* profile = nullptr;
  Bytes ke;
  Bytes ki;
};

// Fingerprint tells ciphertexts of one key apart, for the replay cache: 16 bytes that depend on all
// of the plaintext and its confounder, and that whoever has only seen the ciphertext cannot
// compute, so that nobody on the wire can aim at an entry.
using Fingerprint = std::array<std::uint64_t, 2>;

// open_sealed verifies and decrypts `cipher` into `plain`, which has room for cipher.size() bytes;
// `opened` is the plaintext inside it, without confounder. If the outcome is kForged or kFailed,
// `plain` has been wiped and `opened` is empty. Comparisons take constant time.
[[nodiscard]] Outcome open_sealed(Kit& kit, const SealingKeys& keys, Bytes cipher,
                                  MutableBytes plain, Bytes& opened,
                                  Fingerprint* fingerprint = nullptr) noexcept;

// The same with a base key of profile.key_size bytes.
[[nodiscard]] Outcome open_sealed(Kit& kit, const EtypeProfile& profile, Bytes key, KeyUsage usage,
                                  Bytes cipher, MutableBytes plain, Bytes& opened,
                                  Fingerprint* fingerprint = nullptr) noexcept;

// seal writes exactly profile.overhead() + plain.size() bytes to `cipher`, which must not overlap
// `plain`; `confounder` is profile.confounder_size random bytes. False only if OpenSSL fails:
// `cipher` has then been wiped.
[[nodiscard]] bool seal(Kit& kit, const EtypeProfile& profile, Bytes key, KeyUsage usage,
                        Bytes confounder, Bytes plain, MutableBytes cipher) noexcept;

}  // namespace usher::crypto
