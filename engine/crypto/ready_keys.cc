// Keys made ready once.
#include "engine/crypto/ready_keys.h"

#include <type_traits>

#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/session_keys.h"

namespace usher::crypto {

namespace {

template <class Image>
void wipe_image(Image& image) noexcept {
  wipe({reinterpret_cast<std::uint8_t*>(&image), sizeof(image)});
}

}  // namespace

void AesKey::expand(AesDirection direction) noexcept {
  assert(image_.size != 0);
  if (has_x86_lanes()) {
    write_x86_schedule(key(), direction, image_.schedule.data());
  } else {
    write_ipsec_mb_schedule(key(), direction, image_.schedule.data());
  }
}

void AesKey::clear() noexcept { wipe_image(image_); }

Digest digest_of(const EtypeProfile& profile) noexcept {
  assert(profile.family != Family::kRc4);
  if (profile.family == Family::kAesSha1) {
    return Digest::kSha1;
  }
  return profile.etype == Etype::kAes128CtsSha256 ? Digest::kSha256 : Digest::kSha384;
}

void HmacKey::prepare(Digest digest) noexcept {
  std::array<std::uint8_t, 128> pads[2];
  pad_key(digest, key(), pads[0].data(), pads[1].data());
  std::uint8_t* const states[] = {inner(), outer()};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto begin = [&](const auto& start, auto add) {
      auto words = start;
      add(words.data(), pads[i].data(), 1);
      std::memcpy(states[i], words.data(), sizeof(words));
      wipe({reinterpret_cast<std::uint8_t*>(words.data()), sizeof(words)});
    };
    switch (digest) {
      case Digest::kSha1:
        begin(kSha1Start, add_sha1_blocks);
        break;
      case Digest::kSha256:
        begin(kSha256Start, add_sha256_blocks);
        break;
      case Digest::kSha384:
        begin(kSha384Start, add_sha512_blocks);
        break;
      case Digest::kMd5:
        begin(kMd5Start, add_md5_blocks);
        break;
    }
    wipe(pads[i]);
  }
}

void HmacKey::clear() noexcept { wipe_image(image_); }

void SessionKeys::copy_to(Image& image) const noexcept {
  image.has_authenticator = has_authenticator;
  image.has_reply = has_reply;
  image.authenticator_ke = authenticator_ke.image();
  image.reply_ke = reply_ke.image();
  image.authenticator_ki = authenticator_ki.image();
  image.reply_ki = reply_ki.image();
}

void SessionKeys::assign(const Image& image) noexcept {
  has_authenticator = image.has_authenticator;
  has_reply = image.has_reply;
  authenticator_ke.assign(image.authenticator_ke);
  reply_ke.assign(image.reply_ke);
  authenticator_ki.assign(image.authenticator_ki);
  reply_ki.assign(image.reply_ki);
}

// In one piece: nothing in it is anything but its own bytes.
void SessionKeys::clear() noexcept {
  static_assert(std::is_standard_layout_v<SessionKeys>);
  wipe({reinterpret_cast<std::uint8_t*>(this), sizeof(*this)});
}

}  // namespace usher::crypto
