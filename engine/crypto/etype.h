// Kerberos encryption types: which there are, and the sizes of those we serve.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace usher::crypto {

// Etype numbers as registered (RFC 3961 8, RFC 3962 7, RFC 8009 7, RFC 4757 2).
enum class Etype : std::int32_t {
  kAes128CtsSha1 = 17,
  kAes256CtsSha1 = 18,
  kAes128CtsSha256 = 19,
  kAes256CtsSha384 = 20,
  kRc4Hmac = 23,
};

// Family is how an etype derives keys, encrypts and authenticates.
enum class Family : std::uint8_t {
  kAesSha1,  // RFC 3962: the HMAC covers the plaintext.
  kAesSha2,  // RFC 8009: the HMAC covers the ciphertext.
  kRc4,      // RFC 4757: the HMAC covers the plaintext and makes the cipher's key.
};

// Strength is the order of etypes in which a session key may be weaker than its ticket's key
// (CVE-2022-37966: a KDC talked into RC4 under a ticket that AES protects). All AES etypes count
// alike. Nobody searches through 128 bits, none of the truncated HMACs can be forged, and ordinary
// realms mix them: a client that knows AES-128 alone gets such a session key under an AES-256
// ticket, and MIT's clients get one of RFC 3962 under a ticket of RFC 8009.
enum class Strength : std::uint8_t { kRc4, kAes };

// EtypeProfile holds the sizes of one etype, in bytes.
struct EtypeProfile {
  Etype etype;
  Family family;
  Strength strength;
  std::uint32_t key_size;
  std::uint32_t confounder_size;
  std::uint32_t tag_size;            // The truncated HMAC of encrypted data.
  std::uint32_t integrity_key_size;  // Of Ki and Kc.
  std::uint32_t hmac_size;           // Before truncation.
  std::int32_t checksum_type;        // The keyed checksum that goes with it.
  std::uint32_t checksum_size;

  [[nodiscard]] constexpr std::uint32_t overhead() const noexcept {
    return confounder_size + tag_size;
  }
};

inline constexpr std::size_t kHmacSizeMax = 48;  // SHA-384.

// profile_of returns the profile of an etype number from the wire, or null if we do not serve it.
// RC4 has one; whether a sign-on may use it is for auth/kerberos_checks to say.
[[nodiscard]] const EtypeProfile* profile_of(std::int32_t etype) noexcept;

// etype_name is the usual name of any registered etype number ("aes256-cts-hmac-sha1-96",
// "arcfour-hmac"), for people; "unknown" otherwise.
[[nodiscard]] std::string_view etype_name(std::int32_t etype) noexcept;

// KeyUsage numbers (RFC 4120 7.5.1, RFC 4121 2, MS-PAC 2.8, RFC 4757 7.2).
enum class KeyUsage : std::uint32_t {
  kLegacySequence = 0,  // SND_SEQ of RC4's per-message tokens.
  kTicket = 2,
  kApReqAuthenticator = 11,
  kApRepEncPart = 12,
  kKrbCred = 14,
  kLegacyMic = 15,  // RC4's MIC tokens.
  kPac = 17,
  kAcceptorSeal = 22,
  kAcceptorSign = 23,
  kInitiatorSeal = 24,
  kInitiatorSign = 25,
};

}  // namespace usher::crypto
