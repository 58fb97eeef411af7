// What an accept derives from a ticket's session key.
#pragma once

#include "engine/crypto/ready_keys.h"

namespace usher::crypto {

// SessionKeys are Ke and Ki of a session key of the AES families, for the authenticator (key usage
// 11) and for the AP-REP (12). The stages of ticket_batch.h make them, many at once; who keeps them
// for the next authenticator of the same ticket hands them back and saves that.
//
// They are plain memory without pointers, wiped when they go.
struct SessionKeys {
  bool has_authenticator = false;  // Which are made.
  bool has_reply = false;
  AesKey authenticator_ke;
  AesKey reply_ke;
  HmacKey authenticator_ki;
  HmacKey reply_ki;

  SessionKeys() = default;
  SessionKeys(const SessionKeys&) = delete;
  SessionKeys& operator=(const SessionKeys&) = delete;

  // Image is all of it as bytes, for who keeps it elsewhere and wipes it there.
  struct Image {
    bool has_authenticator = false;
    bool has_reply = false;
    AesKey::Image authenticator_ke;
    AesKey::Image reply_ke;
    HmacKey::Image authenticator_ki;
    HmacKey::Image reply_ki;
  };
  void copy_to(Image& image) const noexcept;
  void assign(const Image& image) noexcept;
  void clear() noexcept;
};

}  // namespace usher::crypto
