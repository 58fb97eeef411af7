// Kerberos encryption types: which there are, and the sizes of those we serve.
#pragma once

#include <cstdint>
#include <string_view>

namespace usher::crypto {

// Etype numbers as registered (RFC 3961 8, RFC 3962 7).
enum class Etype : std::int32_t {
  kAes128CtsSha1 = 17,
  kAes256CtsSha1 = 18,
};

// EtypeProfile holds the sizes of one etype, in bytes.
struct EtypeProfile {
  Etype etype;
  std::uint32_t key_size;
  std::uint32_t confounder_size;
  std::uint32_t tag_size;  // The truncated HMAC.

  [[nodiscard]] constexpr std::uint32_t overhead() const noexcept {
    return confounder_size + tag_size;
  }
};

// profile_of returns the profile of an etype number from the wire, or null if we do not serve it.
[[nodiscard]] const EtypeProfile* profile_of(std::int32_t etype) noexcept;

// etype_name is the usual name of any registered etype number ("aes256-cts-hmac-sha1-96",
// "arcfour-hmac"), for people; "unknown" otherwise.
[[nodiscard]] std::string_view etype_name(std::int32_t etype) noexcept;

// KeyUsage numbers (RFC 4120 7.5.1, RFC 4121 2).
enum class KeyUsage : std::uint32_t {
  kTicket = 2,
  kApReqAuthenticator = 11,
  kApRepEncPart = 12,
  kAcceptorSeal = 22,
  kAcceptorSign = 23,
  kInitiatorSeal = 24,
  kInitiatorSign = 25,
};

}  // namespace usher::crypto
