// What ExportSecurityContext hands out: an image (auth/context_image.h), sealed so that nobody
// reads it, nobody makes or changes one, and engines that share a key take each other's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/auth/replay_cache.h"
#include "engine/random.h"
#include "engine/slots/pages.h"
#include "parsers/bytes.h"

namespace usher::auth {

inline constexpr std::size_t kContextKeySize = 32;

// A sealed image is, little-endian:
//   0  "USHERCTX"
//   8  version, 4 bytes
//  12  size of the image, 4 bytes
//  16  when it was packed, seconds since 1970, 8 bytes
//  24  the last second in which it may be imported, 8 bytes
//  32  salt, 32 bytes
//  64  the image, AES-256-GCM
// end  the tag, 16 bytes
// Everything before the image is authenticated with it.
//
// Each one has a key of its own: HKDF-SHA-256 (RFC 5869) of the engine's key and the salt, which is
// random, gives key, nonce and fingerprint. A nonce of 96 random bits under one key that processes
// and machines share would repeat by chance after too few (2^32 for a chance of 2^-32, NIST SP
// 800-38D 8.3), and a repeated nonce gives GCM's authentication away; 256 bits of salt do not
// repeat.
inline constexpr std::size_t kSealedHeaderSize = 64;
inline constexpr std::size_t kSealedTagSize = 16;
inline constexpr std::size_t kSealedOverhead = kSealedHeaderSize + kSealedTagSize;
inline constexpr std::uint32_t kSealedVersion = 1;

struct SealedTimes {
  std::int64_t packed_s = 0;      // Since 1970.
  std::int64_t good_until_s = 0;  // The last second in which it may be imported.
};

// What may come of opening one.
enum class SealOutcome : std::uint8_t {
  kOpened,
  kNotSealed,     // No sealed image, or cut off, or longer than its size says.
  kOtherVersion,  // Of another version of this library.
  kAltered,       // Changed, or sealed with another key: nothing of it may be believed.
  kFailed,        // OpenSSL or its memory failed.
};

// ContextSealer holds the key, in a page that core dumps leave out. All calls: any thread. They
// allocate, inside OpenSSL.
class ContextSealer {
 public:
  // make takes a key of kContextKeySize bytes; null if there is no memory.
  [[nodiscard]] static std::unique_ptr<ContextSealer> make(Bytes key) noexcept;
  ~ContextSealer();
  ContextSealer(const ContextSealer&) = delete;
  ContextSealer& operator=(const ContextSealer&) = delete;

  // seal makes a sealed image of `blob`, whose first kSealedHeaderSize and last kSealedTagSize
  // bytes are room and whose rest is the image. False, and blob is wiped, if OpenSSL or the random
  // source fails.
  [[nodiscard]] bool seal(const SealedTimes& times, RandomSource& random,
                          MutableBytes blob) const noexcept;

  // Opened is what a sealed image has told. Its fingerprint stands for it in the replay cache: it
  // follows from salt and key, so nobody without the key can make two of one or aim one at another.
  struct Opened {
    SealOutcome outcome = SealOutcome::kFailed;
    SealedTimes times;
    Fingerprint fingerprint{};
  };
  // open decrypts `blob` into `image`, which has room for all of it without the overhead. Unless it
  // is kOpened, `image` is wiped and nothing else is told. Whether it is too late, and whether it
  // was imported before, is the caller's to find out.
  [[nodiscard]] Opened open(Bytes blob, MutableBytes image) const noexcept;

 private:
  explicit ContextSealer(Pages page) noexcept : page_(std::move(page)) {}
  [[nodiscard]] Bytes key() const noexcept { return Bytes(page_.bytes()).first(kContextKeySize); }

  Pages page_;
};

// looks_sealed says what can be told of a blob without a key: kOpened if it may be one.
[[nodiscard]] SealOutcome looks_sealed(Bytes blob) noexcept;

// KeyFileReason is text for people, ended by NUL: the file and what is wrong with it.
using KeyFileReason = std::array<char, 512>;

// make_sealer_of_file reads the key from a file of exactly kContextKeySize bytes that are not all
// zero (a file that was never written). It must be an ordinary file of the user's who runs this or
// of root's, which nobody else may read or write; symbolic links are followed. Null and a reason
// otherwise. I/O: at start only.
[[nodiscard]] std::unique_ptr<ContextSealer> make_sealer_of_file(const char* path,
                                                                 KeyFileReason& why) noexcept;

}  // namespace usher::auth
