#include "engine/auth/context_seal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "engine/file_image.h"
#include "engine/secret.h"

namespace usher::auth {
namespace {

// Offsets of the header's fields.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kSizeAt = 12;
constexpr std::size_t kPackedAt = 16;
constexpr std::size_t kGoodUntilAt = 24;
constexpr std::size_t kSaltAt = 32;
constexpr std::size_t kSaltSize = kSealedHeaderSize - kSaltAt;
constexpr std::array<std::uint8_t, kVersionAt> kMagic = {'U', 'S', 'H', 'E', 'R', 'C', 'T', 'X'};

// The key may serve other ends one day; what is derived for this one is nobody else's.
constexpr std::string_view kPurpose = "usher packed context 1";

constexpr std::size_t kCipherKeySize = 32;
constexpr std::size_t kNonceSize = 12;

// Derived is what one sealed image is sealed with.
struct Derived {
  Secret<kCipherKeySize + kNonceSize + sizeof(Fingerprint)> bytes;

  [[nodiscard]] Bytes key() const noexcept { return bytes.bytes().first(kCipherKeySize); }
  [[nodiscard]] Bytes nonce() const noexcept {
    return bytes.bytes().subspan(kCipherKeySize, kNonceSize);
  }
  [[nodiscard]] Fingerprint fingerprint() const noexcept {
    const Bytes from = bytes.bytes().last(sizeof(Fingerprint));
    return {load_le<std::uint64_t>(from), load_le<std::uint64_t>(from.subspan(8))};
  }
};

// QuietErrors leaves OpenSSL's list of errors, which is the embedding program's too, as it was.
class QuietErrors {
 public:
  QuietErrors() noexcept { ERR_set_mark(); }
  ~QuietErrors() { ERR_pop_to_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
};

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
using Kdf = std::unique_ptr<EVP_KDF, Freed<EVP_KDF_free>>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, Freed<EVP_KDF_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;

// OpenSSL's parameters point to what they do not change.
OSSL_PARAM octets(const char* name, Bytes value) noexcept {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(value.data()),
                                           value.size());
}

bool derive(Bytes engine_key, Bytes salt, Derived& out) noexcept {
  const Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const KdfContext context(kdf != nullptr ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (context == nullptr) {
    return false;
  }
  std::array<char, 7> digest = {"SHA256"};
  const Bytes purpose(reinterpret_cast<const std::uint8_t*>(kPurpose.data()), kPurpose.size());
  const std::array parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      octets(OSSL_KDF_PARAM_KEY, engine_key),
      octets(OSSL_KDF_PARAM_SALT, salt),
      octets(OSSL_KDF_PARAM_INFO, purpose),
      OSSL_PARAM_construct_end(),
  };
  const MutableBytes room = out.bytes.reset(kCipherKeySize + kNonceSize + sizeof(Fingerprint));
  return EVP_KDF_derive(context.get(), room.data(), room.size(), parameters.data()) == 1;
}

// An image is far below 2^31 bytes: EVP counts in int.
int int_size(Bytes bytes) noexcept { return static_cast<int>(bytes.size()); }

bool encrypt(const Derived& derived, Bytes header, MutableBytes text, MutableBytes tag) noexcept {
  const Cipher cipher(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const context = cipher.get();
  int size = 0;
  return context != nullptr &&
         EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, derived.key().data(),
                            derived.nonce().data()) == 1 &&
         EVP_EncryptUpdate(context, nullptr, &size, header.data(), int_size(header)) == 1 &&
         EVP_EncryptUpdate(context, text.data(), &size, text.data(), int_size(text)) == 1 &&
         EVP_EncryptFinal_ex(context, tag.data(), &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, int_size(tag), tag.data()) == 1;
}

SealOutcome decrypt(const Derived& derived, Bytes header, Bytes text, Bytes tag,
                    MutableBytes out) noexcept {
  const Cipher cipher(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const context = cipher.get();
  int size = 0;
  std::array<std::uint8_t, kSealedTagSize> expected;
  copy(tag, expected);
  const bool done =
      context != nullptr &&
      EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nullptr, derived.key().data(),
                         derived.nonce().data()) == 1 &&
      EVP_DecryptUpdate(context, nullptr, &size, header.data(), int_size(header)) == 1 &&
      EVP_DecryptUpdate(context, out.data(), &size, text.data(), int_size(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, int_size(expected), expected.data()) == 1;
  if (!done) {
    return SealOutcome::kFailed;
  }
  return EVP_DecryptFinal_ex(context, expected.data(), &size) == 1 ? SealOutcome::kOpened
                                                                   : SealOutcome::kAltered;
}

}  // namespace

std::unique_ptr<ContextSealer> ContextSealer::make(Bytes key) noexcept {
  Pages page = Pages::map_for_secrets(kContextKeySize);
  if (page.empty() || key.size() != kContextKeySize) {
    return nullptr;
  }
  copy(key, page.bytes());
  return std::unique_ptr<ContextSealer>(new (std::nothrow) ContextSealer(std::move(page)));
}

ContextSealer::~ContextSealer() { wipe(page_.bytes()); }

bool ContextSealer::seal(const SealedTimes& times, RandomSource& random,
                         MutableBytes blob) const noexcept {
  const QuietErrors quiet;
  const MutableBytes header = blob.first(kSealedHeaderSize);
  const MutableBytes tag = blob.last(kSealedTagSize);
  const MutableBytes text = blob.subspan(header.size(), blob.size() - kSealedOverhead);
  copy(kMagic, header);
  store_le(header.subspan(kVersionAt), kSealedVersion);
  store_le(header.subspan(kSizeAt), static_cast<std::uint32_t>(text.size()));
  store_le(header.subspan(kPackedAt), static_cast<std::uint64_t>(times.packed_s));
  store_le(header.subspan(kGoodUntilAt), static_cast<std::uint64_t>(times.good_until_s));
  const MutableBytes salt = header.subspan(kSaltAt);
  std::ranges::fill(tag, std::uint8_t{0});
  Derived derived;
  const bool sealed =
      random.fill(salt) && derive(key(), salt, derived) && encrypt(derived, header, text, tag);
  if (!sealed) {
    wipe(blob);
  }
  return sealed;
}

SealOutcome looks_sealed(Bytes blob) noexcept {
  if (blob.size() < kSealedOverhead || !std::ranges::equal(blob.first(kMagic.size()), kMagic)) {
    return SealOutcome::kNotSealed;
  }
  // First: what another version has behind it is not known.
  if (load_le<std::uint32_t>(blob.subspan(kVersionAt)) != kSealedVersion) {
    return SealOutcome::kOtherVersion;
  }
  return load_le<std::uint32_t>(blob.subspan(kSizeAt)) == blob.size() - kSealedOverhead
             ? SealOutcome::kOpened
             : SealOutcome::kNotSealed;
}

ContextSealer::Opened ContextSealer::open(Bytes blob, MutableBytes image) const noexcept {
  const QuietErrors quiet;
  Opened opened{.outcome = looks_sealed(blob)};
  if (opened.outcome != SealOutcome::kOpened) {
    return opened;
  }
  // A copy, so that what is told of it below is what was authenticated, whoever has the blob.
  std::array<std::uint8_t, kSealedHeaderSize> header_copy;
  copy(blob.first(kSealedHeaderSize), header_copy);
  const Bytes header(header_copy);
  const Bytes text = blob.subspan(header.size(), blob.size() - kSealedOverhead);
  image = image.first(text.size());
  Derived derived;
  opened.outcome = derive(key(), header.subspan(kSaltAt, kSaltSize), derived)
                       ? decrypt(derived, header, text, blob.last(kSealedTagSize), image)
                       : SealOutcome::kFailed;
  if (opened.outcome != SealOutcome::kOpened) {
    wipe(image);
    return opened;
  }
  opened.times.packed_s =
      static_cast<std::int64_t>(load_le<std::uint64_t>(header.subspan(kPackedAt)));
  opened.times.good_until_s =
      static_cast<std::int64_t>(load_le<std::uint64_t>(header.subspan(kGoodUntilAt)));
  opened.fingerprint = derived.fingerprint();
  return opened;
}

std::unique_ptr<ContextSealer> make_sealer_of_file(const char* path, KeyFileReason& why) noexcept {
  const auto refuse = [&](const char* what, const char* detail = "") {
    (void)std::snprintf(why.data(), why.size(), "context key file %.300s: %s%s", path, what,
                        detail);
    return nullptr;
  };
  FileImage file;
  const int error = file.read(path, kContextKeySize);
  if (error == ENODEV) {
    return refuse("is no ordinary file");
  }
  if (error != 0 && error != EFBIG) {
    return refuse("cannot be read: ", std::strerror(error));
  }
  if (error == EFBIG || file.bytes().size() != kContextKeySize) {
    return refuse("does not have exactly 32 bytes");
  }
  if (file.owner() != ::geteuid() && file.owner() != 0) {
    return refuse("belongs neither to the user who runs this nor to root");
  }
  if ((file.mode() & 077) != 0) {
    return refuse("others than its owner may read or write it (expected mode 600 or 400)");
  }
  if (std::ranges::all_of(file.bytes(), [](std::uint8_t byte) { return byte == 0; })) {
    return refuse("holds nothing but zeros");
  }
  std::unique_ptr<ContextSealer> sealer = ContextSealer::make(file.bytes());
  if (sealer == nullptr) {
    return refuse("memory for the key could not be had");
  }
  return sealer;
}

}  // namespace usher::auth
