// A thread's own cipher and digest objects, made once so that the accept path allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/crypto/etype.h"
#include "parsers/bytes.h"

namespace usher::crypto {

inline constexpr std::size_t kAesBlockSize = 16;
inline constexpr std::size_t kMd5Size = 16;
// The initial vector of every AES cipher here, where one is covered by an HMAC (RFC 8009 5).
inline constexpr std::array<std::uint8_t, kAesBlockSize> kZeroIv{};

// Kit holds states of OpenSSL's providers, keyed anew for each use, over a library context that is
// not the process's own: MD4, DES and RC4 come from the legacy provider, and loading that into the
// caller's context would change what the embedding process gets. One thread at a time.
//
// HMAC is composed here from digests (RFC 2104): EVP_MAC allocates at every new key, and every key
// of an accept is new.
class Kit {
 public:
  // make returns null if OpenSSL lacks an algorithm or memory. It allocates; nothing else does.
  [[nodiscard]] static std::unique_ptr<Kit> make() noexcept;
  virtual ~Kit() = default;
  Kit(const Kit&) = delete;
  Kit& operator=(const Kit&) = delete;

  // Each function returns false only if OpenSSL fails, which no input can cause; the output is then
  // not to be used. Sizes that no caller may pass are asserted.

  // AES in CBC mode with ciphertext stealing (RFC 3962 5, RFC 8009 4) and a zero IV; key of 16 or
  // 32 bytes; at least 16 bytes of input; `out` is as large as `in` and may be the same memory.
  [[nodiscard]] virtual bool cts_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept = 0;
  [[nodiscard]] virtual bool cts_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept = 0;

  // AES-CBC without padding and with a zero IV over whole blocks, for key derivation (RFC 3961
  // 5.1); `out` is as large as `in` and may be the same memory.
  [[nodiscard]] virtual bool cbc_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept = 0;
  // cbc_decrypt is its other way round, for messages in pieces (crypto/pieces.h).
  [[nodiscard]] virtual bool cbc_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept = 0;

  // HMAC over the concatenation of `parts`; `out` takes 20 bytes (SHA-1), 32 (SHA-256), 48
  // (SHA-384) or 16 (MD5).
  [[nodiscard]] virtual bool hmac_sha1(Bytes key, std::span<const Bytes> parts,
                                       MutableBytes out) noexcept = 0;
  [[nodiscard]] virtual bool hmac_sha256(Bytes key, std::span<const Bytes> parts,
                                         MutableBytes out) noexcept = 0;
  [[nodiscard]] virtual bool hmac_sha384(Bytes key, std::span<const Bytes> parts,
                                         MutableBytes out) noexcept = 0;
  [[nodiscard]] virtual bool hmac_md5(Bytes key, std::span<const Bytes> parts,
                                      MutableBytes out) noexcept = 0;
  [[nodiscard]] virtual bool md5(std::span<const Bytes> parts, MutableBytes out) noexcept = 0;
  [[nodiscard]] virtual bool md4(Bytes in, MutableBytes out) noexcept = 0;

  // One block of DES: key and blocks of 8 bytes; the key's parity bits do not matter. For NTLMv1.
  [[nodiscard]] virtual bool des_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept = 0;

  // RC4 from the start of the key's stream; sizes of `in` and `out` are equal.
  [[nodiscard]] virtual bool rc4(Bytes key, Bytes in, MutableBytes out) noexcept = 0;

 protected:
  Kit() = default;
};

}  // namespace usher::crypto
