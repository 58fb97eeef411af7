// Session keys' derived keys, many at once.
#pragma once

#include <array>

#include "engine/crypto/lanes.h"
#include "engine/crypto/session_keys.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// SessionKeyWave makes the keys of up to kBatchMax session keys of one AES etype.
class SessionKeyWave {
 public:
  SessionKeyWave(Lanes& lanes, const EtypeProfile& profile) noexcept
      : lanes_(lanes), profile_(profile) {}

  struct Wanted {
    bool authenticator;
    bool reply;
  };
  // add puts what is wanted and not yet made on the list.
  void add(SessionKeys& keys, Bytes session_key, Wanted wanted) noexcept;

  // run makes them. False only if the library fails; then all that were added are empty.
  [[nodiscard]] bool run() noexcept;

 private:
  // Nothing in it is initialised: most of kBatchMax are not there.
  struct Item {
    SessionKeys* keys;
    const std::uint8_t* session_key;  // profile_.key_size bytes.
    Wanted wanted;
  };
  [[nodiscard]] std::span<const Item> items() const noexcept {
    return std::span(items_).first(count_);
  }
  [[nodiscard]] bool derive_sha1() noexcept;
  [[nodiscard]] bool derive_sha2() noexcept;
  void expand(bool Wanted::*wanted, AesKey SessionKeys::*key, AesDirection direction) noexcept;

  Lanes& lanes_;
  const EtypeProfile& profile_;
  std::array<Item, kBatchMax> items_;
  std::size_t count_ = 0;
};

}  // namespace usher::crypto
