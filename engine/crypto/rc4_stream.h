// RC4 as a stream that goes on: NTLM's sessions encrypt all their messages with one (MS-NLMP 3.4),
// and a Kerberos message in pieces is encrypted with one (RFC 4757 7.3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/secret.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// Rc4Stream is a key's stream from its start. It cannot fail, and wipes itself. Kit::rc4 is faster
// where a stream is used once, and the tests hold this one against it.
class Rc4Stream {
 public:
  Rc4Stream() = default;  // Of no use before start.
  ~Rc4Stream() { wipe_all(); }
  // Copies are for who may have to go back, and are as secret.
  Rc4Stream(const Rc4Stream&) = default;
  Rc4Stream& operator=(const Rc4Stream&) = default;

  // start begins with a key of 1 to 256 bytes.
  void start(Bytes key) noexcept;

  // run encrypts or decrypts `data` in place.
  void run(MutableBytes data) noexcept;

  // write_state puts where the stream is into `out`, kStateSize bytes as secret as the key, and
  // read_state goes on from there; false if that is no stream's state, and this one is as it was.
  static constexpr std::size_t kStateSize = 258;
  void write_state(MutableBytes out) const noexcept;
  [[nodiscard]] bool read_state(Bytes in) noexcept;

 private:
  void wipe_all() noexcept;

  std::array<std::uint8_t, 256> state_{};
  std::uint8_t i_ = 0;
  std::uint8_t j_ = 0;
};

}  // namespace usher::crypto
