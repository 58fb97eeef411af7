// One way to open and one to seal for each family of etypes.
#include "engine/crypto/sealing.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine/secret.h"

namespace usher::crypto {
namespace {

// Hmac is one before truncation: its front is the tag on the wire, the rest never is.
using Hmac = Secret<kHmacSizeMax>;

bool make_hmac(Kit& kit, const SealingKeys& keys, std::span<const Bytes> covered,
               Hmac& out) noexcept {
  return hmac(kit, *keys.profile, keys.ki, covered, out.reset(keys.profile->hmac_size));
}

bool is_tag(const Hmac& hmac, Bytes tag) noexcept {
  return equal_secret(hmac.bytes().first(tag.size()), tag);
}

// Split is a ciphertext in its two parts.
struct Split {
  Bytes body;  // Confounder and plaintext, encrypted.
  Bytes tag;
};
Split split(const EtypeProfile& profile, Bytes cipher) noexcept {
  const std::size_t body_size = cipher.size() - profile.tag_size;
  //= RFC 4757 5: the checksum comes first; RFC 3961 5.3, RFC 8009 5: it comes last
  return profile.family == Family::kRc4
             ? Split{.body = cipher.last(body_size), .tag = cipher.first(profile.tag_size)}
             : Split{.body = cipher.first(body_size), .tag = cipher.last(profile.tag_size)};
}

// The three below decide one ciphertext, leave what they decrypted at the front of `plain`, and the
// fingerprint in `mark`: 16 bytes.

// RFC 3961 5.3, RFC 3962 6: the tag is over confounder and plaintext, so it can only be checked
// afterwards. Of the 16 last bytes of the HMAC 8 never go over the wire.
Outcome open_aes_sha1(Kit& kit, const SealingKeys& keys, const Split& cipher, MutableBytes plain,
                      MutableBytes mark) noexcept {
  Hmac hmac;
  const Bytes covered[] = {plain};
  if (!kit.cts_decrypt(keys.ke, cipher.body, plain) || !make_hmac(kit, keys, covered, hmac)) {
    return Outcome::kFailed;
  }
  std::ranges::copy(hmac.bytes().last(mark.size()), mark.begin());
  return is_tag(hmac, cipher.tag) ? Outcome::kDone : Outcome::kForged;
}

// RFC 8009 5: the tag is over IV and ciphertext, and nothing is decrypted before it is right. It is
// half of the HMAC; the other half never goes over the wire. The confounder makes each ciphertext,
// and with it the HMAC, another one.
Outcome open_aes_sha2(Kit& kit, const SealingKeys& keys, const Split& cipher, MutableBytes plain,
                      MutableBytes mark) noexcept {
  Hmac hmac;
  const Bytes covered[] = {kZeroIv, cipher.body};
  if (!make_hmac(kit, keys, covered, hmac)) {
    return Outcome::kFailed;
  }
  if (!is_tag(hmac, cipher.tag)) {
    return Outcome::kForged;
  }
  std::ranges::copy(hmac.bytes().last(mark.size()), mark.begin());
  return kit.cts_decrypt(keys.ke, cipher.body, plain) ? Outcome::kDone : Outcome::kFailed;
}

// RFC 4757 5: the tag over confounder and plaintext is the whole HMAC, and from it comes K3, the
// cipher's key. K3 is as good a mark as the HMAC, and unlike that one it never goes over the wire.
Outcome open_rc4(Kit& kit, const SealingKeys& keys, const Split& cipher, MutableBytes plain,
                 MutableBytes mark) noexcept {
  Hmac k3;
  Hmac hmac;
  const Bytes tag[] = {cipher.tag};
  const Bytes covered[] = {plain};
  if (!make_hmac(kit, keys, tag, k3) || !kit.rc4(k3.bytes(), cipher.body, plain) ||
      !make_hmac(kit, keys, covered, hmac)) {
    return Outcome::kFailed;
  }
  std::ranges::copy(k3.bytes(), mark.begin());
  return is_tag(hmac, cipher.tag) ? Outcome::kDone : Outcome::kForged;
}

Outcome decrypt_and_verify(Kit& kit, const SealingKeys& keys, const Split& cipher,
                           MutableBytes plain, MutableBytes mark) noexcept {
  switch (keys.profile->family) {
    case Family::kAesSha1:
      return open_aes_sha1(kit, keys, cipher, plain, mark);
    case Family::kAesSha2:
      return open_aes_sha2(kit, keys, cipher, plain, mark);
    case Family::kRc4:
      return open_rc4(kit, keys, cipher, plain, mark);
  }
  return Outcome::kFailed;
}

// encrypt encrypts `body`, confounder and plaintext, in place and makes its tag.
bool encrypt(Kit& kit, const SealingKeys& keys, MutableBytes body, Hmac& tag) noexcept {
  const Bytes whole[] = {body};
  const Bytes with_iv[] = {kZeroIv, body};
  switch (keys.profile->family) {
    case Family::kAesSha1:
      return make_hmac(kit, keys, whole, tag) && kit.cts_encrypt(keys.ke, body, body);
    case Family::kAesSha2:
      return kit.cts_encrypt(keys.ke, body, body) && make_hmac(kit, keys, with_iv, tag);
    case Family::kRc4: {
      Hmac k3;
      if (!make_hmac(kit, keys, whole, tag)) {
        return false;
      }
      const Bytes tags[] = {tag.bytes()};
      return make_hmac(kit, keys, tags, k3) && kit.rc4(k3.bytes(), body, body);
    }
  }
  return false;
}

// BaseKeys are the keys of one sealing, made from a base key.
struct BaseKeys {
  Key ke;
  Key ki;

  [[nodiscard]] bool make(Kit& kit, const EtypeProfile& profile, Bytes key,
                          KeyUsage usage) noexcept {
    assert(key.size() == profile.key_size);
    return derive_encryption(kit, profile, key, usage, ke) &&
           derive_integrity(kit, profile, key, usage, ki);
  }
  [[nodiscard]] SealingKeys view(const EtypeProfile& profile) const noexcept {
    return {.profile = &profile, .ke = ke.bytes(), .ki = ki.bytes()};
  }
};

}  // namespace

Outcome open_sealed(Kit& kit, const SealingKeys& keys, Bytes cipher, MutableBytes plain,
                    Bytes& opened, Fingerprint* fingerprint) noexcept {
  assert(keys.profile != nullptr && plain.size() >= cipher.size());
  opened = {};
  Outcome outcome = Outcome::kForged;
  std::array<std::uint8_t, sizeof(Fingerprint)> mark{};
  //= RFC 3961 5.3: shorter than a confounder and a tag is no ciphertext
  if (cipher.size() >= keys.profile->overhead()) {
    const Split parts = split(*keys.profile, cipher);
    outcome = decrypt_and_verify(kit, keys, parts, plain.first(parts.body.size()), mark);
  }
  if (outcome != Outcome::kDone) {
    wipe(plain.first(cipher.size()));
  } else {
    opened = plain.subspan(keys.profile->confounder_size, cipher.size() - keys.profile->overhead());
    if (fingerprint != nullptr) {
      std::memcpy(fingerprint->data(), mark.data(), mark.size());
    }
  }
  wipe(mark);
  return outcome;
}

Outcome open_sealed(Kit& kit, const EtypeProfile& profile, Bytes key, KeyUsage usage, Bytes cipher,
                    MutableBytes plain, Bytes& opened, Fingerprint* fingerprint) noexcept {
  BaseKeys keys;
  if (!keys.make(kit, profile, key, usage)) {
    wipe(plain.first(cipher.size()));
    opened = {};
    return Outcome::kFailed;
  }
  return open_sealed(kit, keys.view(profile), cipher, plain, opened, fingerprint);
}

bool seal(Kit& kit, const EtypeProfile& profile, Bytes key, KeyUsage usage, Bytes confounder,
          Bytes plain, MutableBytes cipher) noexcept {
  assert(confounder.size() == profile.confounder_size);
  assert(cipher.size() == profile.overhead() + plain.size());
  const bool tag_first = profile.family == Family::kRc4;
  const std::size_t body_size = cipher.size() - profile.tag_size;
  const MutableBytes body = tag_first ? cipher.last(body_size) : cipher.first(body_size);
  const MutableBytes tag =
      tag_first ? cipher.first(profile.tag_size) : cipher.last(profile.tag_size);
  std::ranges::copy(confounder, body.begin());
  std::ranges::copy(plain, body.subspan(confounder.size()).begin());
  BaseKeys keys;
  Hmac hmac;
  if (!keys.make(kit, profile, key, usage) || !encrypt(kit, keys.view(profile), body, hmac)) {
    wipe(cipher);
    return false;
  }
  std::ranges::copy(hmac.bytes().first(tag.size()), tag.begin());
  return true;
}

}  // namespace usher::crypto
