// Keys made ready once.
#include "engine/crypto/ready_keys.h"

#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/session_keys.h"

namespace usher::crypto {

void AesKey::expand(AesDirection direction) noexcept {
  assert(image_.size != 0);
  write_schedule(key(), direction, image_.schedule.data());
}

void AesKey::clear() noexcept {
  wipe(image_.schedule);
  wipe(image_.key);
  image_.size = 0;
}

Digest digest_of(const EtypeProfile& profile) noexcept {
  assert(profile.family != Family::kRc4);
  if (profile.family == Family::kAesSha1) {
    return Digest::kSha1;
  }
  return profile.etype == Etype::kAes128CtsSha256 ? Digest::kSha256 : Digest::kSha384;
}

void HmacKey::prepare(Digest digest, Bytes key) noexcept {
  assert(key.size() <= key_.size());
  size_ = static_cast<std::uint8_t>(key.size());
  std::ranges::copy(key, key_.begin());
  std::array<std::uint8_t, 128> inner;
  std::array<std::uint8_t, 128> outer;
  pad_key(digest, key, inner.data(), outer.data());
  write_state(digest, std::span(inner).first(block_size_of(digest)), inner_.data());
  write_state(digest, std::span(outer).first(block_size_of(digest)), outer_.data());
  wipe(inner);
  wipe(outer);
}

void HmacKey::clear() noexcept {
  wipe(inner_);
  wipe(outer_);
  wipe(key_);
  size_ = 0;
}

void SessionKeys::copy_to(Image& image) const noexcept {
  image.has_authenticator = has_authenticator;
  image.has_reply = has_reply;
  image.authenticator_ke = authenticator_ke.image();
  image.reply_ke = reply_ke.image();
  image.authenticator_ki = authenticator_ki;
  image.reply_ki = reply_ki;
}

void SessionKeys::assign(const Image& image) noexcept {
  has_authenticator = image.has_authenticator;
  has_reply = image.has_reply;
  authenticator_ke.assign(image.authenticator_ke);
  reply_ke.assign(image.reply_ke);
  authenticator_ki = image.authenticator_ki;
  reply_ki = image.reply_ki;
}

void SessionKeys::clear() noexcept {
  authenticator_ke.clear();
  reply_ke.clear();
  wipe(authenticator_ki);
  wipe(reply_ki);
  has_authenticator = false;
  has_reply = false;
}

}  // namespace usher::crypto
