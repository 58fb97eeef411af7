// The Kit on OpenSSL 3.0: the providers' own functions, on state made once and then only keyed.
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <new>
#include <string_view>

#include "engine/crypto/kit.h"
#include "engine/secret.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kDigestBlockSize = 64;  // Of MD4, MD5, SHA-1 and SHA-256 alike.
constexpr std::size_t kSha384BlockSize = 128;
constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kSha256Size = 32;
constexpr std::size_t kSha384Size = 48;
constexpr std::size_t kDesBlockSize = 8;

// Library is the providers we need, in a library context apart from the process's own.
struct Library {
  OSSL_PROVIDER* standard = nullptr;
  OSSL_PROVIDER* legacy = nullptr;
};

Library make_library() noexcept {
  OSSL_LIB_CTX* const context = OSSL_LIB_CTX_new();
  if (context == nullptr) {
    return {};
  }
  return {.standard = OSSL_PROVIDER_load(context, "default"),
          .legacy = OSSL_PROVIDER_load(context, "legacy")};
}

// shared_library is the one all Kits of the process use: making it takes over a millisecond, so
// threads that only sign on once should not each pay for it. It is never freed, on purpose: Kits
// live in threads that may outlast every static object.
const Library& shared_library() noexcept {
  static const Library library = make_library();
  return library;
}

// has_name looks for `name` in a provider's list "NAME:ALIAS:OID".
bool has_name(std::string_view names, std::string_view name) noexcept {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(':'), names.size());
    if (names.substr(0, end) == name) {
      return true;
    }
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

// functions_of returns the provider's functions for an algorithm, or null if it has none. OpenSSL's
// own providers keep these tables for as long as they are loaded.
//
// They are called without EVP in between, for two reasons. EVP_DigestInit_ex of OpenSSL 3.0 frees
// and allocates the provider's state at every use, while the provider's init only sets it back; and
// EVP_CipherInit_ex asks for key and IV size by parameter name each time, which costs more than the
// AES key schedule.
const OSSL_DISPATCH* functions_of(OSSL_PROVIDER* provider, int operation,
                                  std::string_view name) noexcept {
  int no_cache = 0;
  const OSSL_ALGORITHM* algorithm =
      provider == nullptr ? nullptr : OSSL_PROVIDER_query_operation(provider, operation, &no_cache);
  for (; algorithm != nullptr && algorithm->algorithm_names != nullptr; ++algorithm) {
    if (has_name(algorithm->algorithm_names, name)) {
      return algorithm->implementation;
    }
  }
  return nullptr;
}

// Cipher is one algorithm in one direction. Its state keeps the last key until the next one, or
// until it goes, when the provider cleanses it.
class Cipher {
 public:
  enum class Direction { kDecrypt, kEncrypt };

  struct Algorithm {
    OSSL_PROVIDER* provider;
    const char* name;
    Bytes iv;  // What every message starts from.
  };

  Cipher() = default;
  ~Cipher() {
    if (state_ != nullptr) {
      free_(state_);
    }
  }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  [[nodiscard]] bool open(const Algorithm& algorithm, Direction direction,
                          const OSSL_PARAM* parameters = nullptr) noexcept {
    const bool encrypts = direction == Direction::kEncrypt;
    const OSSL_DISPATCH* entry = functions_of(algorithm.provider, OSSL_OP_CIPHER, algorithm.name);
    OSSL_FUNC_cipher_newctx_fn* create = nullptr;
    OSSL_FUNC_cipher_set_ctx_params_fn* set = nullptr;
    for (; entry != nullptr && entry->function_id != 0; ++entry) {
      if (entry->function_id == OSSL_FUNC_CIPHER_NEWCTX) {
        create = OSSL_FUNC_cipher_newctx(entry);
      } else if (entry->function_id == OSSL_FUNC_CIPHER_FREECTX) {
        free_ = OSSL_FUNC_cipher_freectx(entry);
      } else if (entry->function_id == OSSL_FUNC_CIPHER_SET_CTX_PARAMS) {
        set = OSSL_FUNC_cipher_set_ctx_params(entry);
      } else if (entry->function_id == OSSL_FUNC_CIPHER_ENCRYPT_INIT && encrypts) {
        init_ = OSSL_FUNC_cipher_encrypt_init(entry);
      } else if (entry->function_id == OSSL_FUNC_CIPHER_DECRYPT_INIT && !encrypts) {
        init_ = OSSL_FUNC_cipher_decrypt_init(entry);
      } else if (entry->function_id == OSSL_FUNC_CIPHER_UPDATE) {
        update_ = OSSL_FUNC_cipher_update(entry);
      }
    }
    if (create == nullptr || free_ == nullptr || set == nullptr || init_ == nullptr ||
        update_ == nullptr) {
      return false;
    }
    iv_ = algorithm.iv;
    state_ = create(OSSL_PROVIDER_get0_provider_ctx(algorithm.provider));
    return state_ != nullptr && (parameters == nullptr || set(state_, parameters) == 1);
  }

  // run processes `in` in one call, from the beginning of the key's stream. Padding is left on: it
  // only concerns the last step of encryption, which is never taken.
  [[nodiscard]] bool run(Bytes key, Bytes in, MutableBytes out) noexcept {
    assert(out.size() >= in.size());
    std::size_t size = 0;
    return init_(state_, key.data(), key.size(), iv_.data(), iv_.size(), nullptr) == 1 &&
           update_(state_, out.data(), &size, out.size(), in.data(), in.size()) == 1 &&
           size == in.size();
  }

 private:
  OSSL_FUNC_cipher_freectx_fn* free_ = nullptr;
  OSSL_FUNC_cipher_encrypt_init_fn* init_ = nullptr;  // Decryption's has the same type.
  OSSL_FUNC_cipher_update_fn* update_ = nullptr;
  Bytes iv_;
  void* state_ = nullptr;
};

// DigestState is one hash, and HMAC over it. Its state is set back at each use.
class DigestState {
 public:
  DigestState() = default;
  ~DigestState() {
    if (state_ != nullptr) {
      free_(state_);
    }
  }
  DigestState(const DigestState&) = delete;
  DigestState& operator=(const DigestState&) = delete;

  [[nodiscard]] bool open(OSSL_PROVIDER* provider, std::string_view name,
                          std::size_t block_size = kDigestBlockSize) noexcept {
    OSSL_FUNC_digest_newctx_fn* create = nullptr;
    const OSSL_DISPATCH* entry = functions_of(provider, OSSL_OP_DIGEST, name);
    for (; entry != nullptr && entry->function_id != 0; ++entry) {
      if (entry->function_id == OSSL_FUNC_DIGEST_NEWCTX) {
        create = OSSL_FUNC_digest_newctx(entry);
      } else if (entry->function_id == OSSL_FUNC_DIGEST_FREECTX) {
        free_ = OSSL_FUNC_digest_freectx(entry);
      } else if (entry->function_id == OSSL_FUNC_DIGEST_INIT) {
        init_ = OSSL_FUNC_digest_init(entry);
      } else if (entry->function_id == OSSL_FUNC_DIGEST_UPDATE) {
        update_ = OSSL_FUNC_digest_update(entry);
      } else if (entry->function_id == OSSL_FUNC_DIGEST_FINAL) {
        final_ = OSSL_FUNC_digest_final(entry);
      }
    }
    if (create == nullptr || free_ == nullptr || init_ == nullptr || update_ == nullptr ||
        final_ == nullptr) {
      return false;
    }
    block_size_ = block_size;
    state_ = create(OSSL_PROVIDER_get0_provider_ctx(provider));
    return state_ != nullptr;
  }

  [[nodiscard]] bool hash(std::span<const Bytes> parts, MutableBytes out) noexcept {
    return begin() && add(parts) && end(out);
  }

  // RFC 2104 2: H(K ^ opad, H(K ^ ipad, text)).
  [[nodiscard]] bool hmac(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept {
    // The outer hash's input: the padded key, then the inner hash.
    std::array<std::uint8_t, kSha384BlockSize + kSha384Size> room;
    const MutableBytes block = std::span(room).first(block_size_ + out.size());
    const MutableBytes pad = block.first(block_size_);
    const MutableBytes inner = block.subspan(block_size_);
    std::ranges::fill(pad, std::uint8_t{0});
    bool done = pad_key(key, pad);
    flip(pad, kInnerPad);
    done = done && begin() && add(pad) && add(parts) && end(inner);
    flip(pad, kInnerPad ^ kOuterPad);
    done = done && begin() && add(block) && end(out);
    wipe(block);
    return done;
  }

 private:
  static constexpr std::uint8_t kInnerPad = 0x36;
  static constexpr std::uint8_t kOuterPad = 0x5c;

  // pad_key writes the key, or its hash if it is longer than a block, over the zeros of `pad`.
  [[nodiscard]] bool pad_key(Bytes key, MutableBytes pad) noexcept {
    if (key.size() > pad.size()) {
      return begin() && add(key) && end(pad);
    }
    std::ranges::copy(key, pad.begin());
    return true;
  }

  static void flip(MutableBytes pad, std::uint8_t mask) noexcept {
    for (std::uint8_t& byte : pad) {
      byte ^= mask;
    }
  }

  [[nodiscard]] bool begin() noexcept { return init_(state_, nullptr) == 1; }
  [[nodiscard]] bool add(Bytes part) noexcept {
    return update_(state_, part.data(), part.size()) == 1;
  }
  [[nodiscard]] bool add(std::span<const Bytes> parts) noexcept {
    return std::ranges::all_of(parts, [this](Bytes part) { return part.empty() || add(part); });
  }
  // end writes the whole hash to the front of `out`, or fails if it has no room.
  [[nodiscard]] bool end(MutableBytes out) noexcept {
    std::size_t size = 0;
    return final_(state_, out.data(), &size, out.size()) == 1;
  }

  OSSL_FUNC_digest_freectx_fn* free_ = nullptr;
  OSSL_FUNC_digest_init_fn* init_ = nullptr;
  OSSL_FUNC_digest_update_fn* update_ = nullptr;
  OSSL_FUNC_digest_final_fn* final_ = nullptr;
  std::size_t block_size_ = 0;
  void* state_ = nullptr;
};

class OpensslKit final : public Kit {
 public:
  [[nodiscard]] bool open() noexcept {
    const auto [standard, legacy] = shared_library();
    return open_aes(standard) &&
           rc4_.open({.provider = legacy, .name = "RC4", .iv = {}}, Cipher::Direction::kEncrypt) &&
           des_.open({.provider = legacy, .name = "DES-ECB", .iv = {}},
                     Cipher::Direction::kEncrypt) &&
           sha1_.open(standard, "SHA1") && sha256_.open(standard, "SHA2-256") &&
           sha384_.open(standard, "SHA2-384", kSha384BlockSize) && md5_.open(standard, "MD5") &&
           md4_.open(legacy, "MD4");
  }

  bool cts_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    assert(in.size() >= kAesBlockSize);
    return of(key, cts_encrypt_128_, cts_encrypt_256_).run(key, in, out);
  }
  bool cts_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    assert(in.size() >= kAesBlockSize);
    return of(key, cts_decrypt_128_, cts_decrypt_256_).run(key, in, out);
  }
  bool cbc_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    assert(in.size() % kAesBlockSize == 0);
    return of(key, cbc_encrypt_128_, cbc_encrypt_256_).run(key, in, out);
  }
  bool cbc_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    assert(in.size() % kAesBlockSize == 0);
    return of(key, cbc_decrypt_128_, cbc_decrypt_256_).run(key, in, out);
  }

  bool hmac_sha1(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    assert(out.size() == kSha1Size);
    return sha1_.hmac(key, parts, out);
  }
  bool hmac_sha256(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    assert(out.size() == kSha256Size);
    return sha256_.hmac(key, parts, out);
  }
  bool hmac_sha384(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    assert(out.size() == kSha384Size);
    return sha384_.hmac(key, parts, out);
  }
  bool hmac_md5(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    assert(out.size() == kMd5Size);
    return md5_.hmac(key, parts, out);
  }
  bool md5(std::span<const Bytes> parts, MutableBytes out) noexcept override {
    assert(out.size() == kMd5Size);
    return md5_.hash(parts, out);
  }
  bool md4(Bytes in, MutableBytes out) noexcept override {
    assert(out.size() == kMd5Size);
    return md4_.hash(std::span(&in, 1), out);
  }
  bool des_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    assert(key.size() == kDesBlockSize && in.size() == kDesBlockSize &&
           out.size() == kDesBlockSize);
    return des_.run(key, in, out);
  }
  bool rc4(Bytes key, Bytes in, MutableBytes out) noexcept override {
    assert(!key.empty() && in.size() == out.size());
    return rc4_.run(key, in, out);
  }

 private:
  [[nodiscard]] bool open_aes(OSSL_PROVIDER* provider) noexcept {
    using enum Cipher::Direction;
    const auto algorithm = [&](const char* name) {
      return Cipher::Algorithm{.provider = provider, .name = name, .iv = kZeroIv};
    };
    //= RFC 3962 5: the last two blocks are always swapped, which is variant CS3 (RFC 8009 4
    // likewise)
    std::array<char, 4> mode{OSSL_CIPHER_CTS_MODE_CS3};
    const std::array swapped{
        OSSL_PARAM_construct_utf8_string(OSSL_CIPHER_PARAM_CTS_MODE, mode.data(), 0),
        OSSL_PARAM_construct_end()};
    unsigned no_padding = 0;  // Or decryption holds the last block back.
    const std::array unpadded{OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_PADDING, &no_padding),
                              OSSL_PARAM_construct_end()};
    return cts_encrypt_128_.open(algorithm("AES-128-CBC-CTS"), kEncrypt, swapped.data()) &&
           cts_encrypt_256_.open(algorithm("AES-256-CBC-CTS"), kEncrypt, swapped.data()) &&
           cts_decrypt_128_.open(algorithm("AES-128-CBC-CTS"), kDecrypt, swapped.data()) &&
           cts_decrypt_256_.open(algorithm("AES-256-CBC-CTS"), kDecrypt, swapped.data()) &&
           cbc_encrypt_128_.open(algorithm("AES-128-CBC"), kEncrypt) &&
           cbc_encrypt_256_.open(algorithm("AES-256-CBC"), kEncrypt) &&
           cbc_decrypt_128_.open(algorithm("AES-128-CBC"), kDecrypt, unpadded.data()) &&
           cbc_decrypt_256_.open(algorithm("AES-256-CBC"), kDecrypt, unpadded.data());
  }

  static Cipher& of(Bytes key, Cipher& aes128, Cipher& aes256) noexcept {
    assert(key.size() == 16 || key.size() == 32);
    return key.size() == 16 ? aes128 : aes256;
  }

  Cipher cts_encrypt_128_;
  Cipher cts_encrypt_256_;
  Cipher cts_decrypt_128_;
  Cipher cts_decrypt_256_;
  Cipher cbc_encrypt_128_;
  Cipher cbc_encrypt_256_;
  Cipher cbc_decrypt_128_;
  Cipher cbc_decrypt_256_;
  Cipher des_;
  Cipher rc4_;
  DigestState sha1_;
  DigestState sha256_;
  DigestState sha384_;
  DigestState md5_;
  DigestState md4_;
};

}  // namespace

std::unique_ptr<Kit> Kit::make() noexcept {
  std::unique_ptr<OpensslKit> kit(new (std::nothrow) OpensslKit);
  if (kit == nullptr || !kit->open()) {
    return nullptr;
  }
  return kit;
}

}  // namespace usher::crypto
