// The cryptography that a sign-on cannot do without, and nothing else: the yardstick for Usher's
// own stages. For AES-256 with SHA-1 (RFC 3962), on the bytes of the tokens that the other benches
// use.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/crypto/kit.h"
#include "parsers/bytes.h"
#include "tools/mint/octets.h"

namespace usher::bench {

inline constexpr std::size_t kBareBatchMax = 64;
inline constexpr std::size_t kBareKeySize = 32;
inline constexpr std::size_t kBareTagSize = 12;  // HMAC-SHA1-96.

using BareKey = std::array<std::uint8_t, kBareKeySize>;

// BareSignOn is what one client sends, and what it has to get.
struct BareSignOn {
  BareKey session_key{};
  mint::Octets ticket;         // Ciphertext, tag included.
  mint::Octets authenticator;  // The same.
  mint::Octets reply_plain;    // Confounder and EncAPRepPart.
  // What must come out, for a look before the clock starts.
  mint::Octets ticket_plain;         // With confounder.
  mint::Octets authenticator_plain;  // With confounder.
  mint::Octets reply;
};

// BareWork is all of it: sign-ons, and the service's keys, which are known long before.
struct BareWork {
  BareKey ke{};  // Derived from the service's key for tickets (key usage 2).
  BareKey ki{};
  std::array<std::array<std::uint8_t, 16>, 4>
      constants{};  // n-fold of 11 and 12, Ke and Ki of each.
  std::vector<BareSignOn> sign_ons;
};

// make_bare_work mints `count` sign-ons, as bench/tokens.h does, each with a ticket of its own.
BareWork make_bare_work(std::size_t count);

// BareBackend does the work with one library. Not for threads.
class BareBackend {
 public:
  BareBackend() = default;
  virtual ~BareBackend() = default;
  BareBackend(const BareBackend&) = delete;
  BareBackend& operator=(const BareBackend&) = delete;

  // run does sign-ons `begin` to `begin` + `count`, at most kBareBatchMax, all at once; false if a
  // tag is wrong or the library fails.
  [[nodiscard]] virtual bool run(std::size_t begin, std::size_t count) noexcept = 0;

  // results of sign-on `n` of the last run.
  [[nodiscard]] virtual Bytes ticket_plain(std::size_t n) const noexcept = 0;
  [[nodiscard]] virtual Bytes authenticator_plain(std::size_t n) const noexcept = 0;
  [[nodiscard]] virtual Bytes reply(std::size_t n) const noexcept = 0;
};

// All borrow `work`. The second and the third are null where the library, or what they need of the
// CPU, is missing.
std::unique_ptr<BareBackend> make_bare_openssl(const BareWork& work);
std::unique_ptr<BareBackend> make_bare_lanes(const BareWork& work);
std::unique_ptr<BareBackend> make_bare_ipsec_mb(const BareWork& work);

}  // namespace usher::bench
