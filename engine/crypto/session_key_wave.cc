// Both families' derivations as one call of the lanes: RFC 3962's encryptions, RFC 8009's HMACs.
#include "engine/crypto/session_key_wave.h"

#include <algorithm>
#include <cassert>

#include "engine/crypto/kerberos_keys.h"
#include "engine/secret.h"

namespace usher::crypto {
namespace {

// Inputs are those of all four keys.
struct Inputs {
  explicit Inputs(const EtypeProfile& profile) noexcept
      : authenticator_ke(profile, KeyUsage::kApReqAuthenticator, Purpose::kEncryption),
        authenticator_ki(profile, KeyUsage::kApReqAuthenticator, Purpose::kIntegrity),
        reply_ke(profile, KeyUsage::kApRepEncPart, Purpose::kEncryption),
        reply_ki(profile, KeyUsage::kApRepEncPart, Purpose::kIntegrity) {}

  DerivationInput authenticator_ke;
  DerivationInput authenticator_ki;
  DerivationInput reply_ke;
  DerivationInput reply_ki;
};

// each_key calls `derive` with an input and where its key is to go, for every key that is wanted.
template <class Items, class Derive>
void each_key(const EtypeProfile& profile, const Inputs& inputs, const Items& items,
              Derive derive) noexcept {
  for (std::size_t i = 0; i < items.size(); ++i) {
    SessionKeys& keys = *items[i].keys;
    if (items[i].wanted.authenticator) {
      derive(i, inputs.authenticator_ke.bytes(), keys.authenticator_ke.room(profile.key_size));
      derive(i, inputs.authenticator_ki.bytes(),
             std::span(keys.authenticator_ki).first(profile.integrity_key_size));
    }
    if (items[i].wanted.reply) {
      derive(i, inputs.reply_ke.bytes(), keys.reply_ke.room(profile.key_size));
      derive(i, inputs.reply_ki.bytes(),
             std::span(keys.reply_ki).first(profile.integrity_key_size));
    }
  }
}

}  // namespace

void SessionKeyWave::add(SessionKeys& keys, Bytes session_key, Wanted wanted) noexcept {
  wanted.authenticator = wanted.authenticator && !keys.has_authenticator;
  wanted.reply = wanted.reply && !keys.has_reply;
  if (wanted.authenticator || wanted.reply) {
    assert(session_key.size() == profile_.key_size);
    items_[count_++] = {.keys = &keys, .session_key = session_key, .wanted = wanted};
  }
}

bool SessionKeyWave::derive_sha1() noexcept {
  Lanes::Workspace& workspace = lanes_.workspace();
  for (std::size_t i = 0; i < count_; ++i) {
    workspace.base_keys[i].expand(items_[i].session_key, AesDirection::kEncrypt);
  }
  std::size_t count = 0;
  const Inputs inputs(profile_);
  each_key(profile_, inputs, items(), [&](std::size_t item, Bytes input, MutableBytes key) {
    workspace.cbc[count] = {.key = &workspace.base_keys[item], .in = input, .out = key};
    ++count;
  });
  const bool done = lanes_.cbc_encrypt(std::span<const CbcJob>(workspace.cbc).first(count));
  for (std::size_t i = 0; i < count_; ++i) {
    workspace.base_keys[i].clear();
  }
  return done;
}

bool SessionKeyWave::derive_sha2() noexcept {
  Lanes::Workspace& workspace = lanes_.workspace();
  std::array<MutableBytes, Lanes::Workspace::kDerivedMax> keys;
  std::size_t count = 0;
  each_key(profile_, Inputs(profile_), items(),
           [&](std::size_t item, Bytes input, MutableBytes key) {
             const MutableBytes text = std::span(workspace.texts[count].text).first(input.size());
             std::ranges::copy(input, text.begin());
             workspace.hmac[count] = {
                 .key = items_[item].session_key,
                 .text = text,
                 .out = std::span(workspace.hmacs[count]).first(profile_.hmac_size)};
             keys[count++] = key;
           });
  const bool done =
      lanes_.hmac(digest_of(profile_), std::span<const HmacJob>(workspace.hmac).first(count));
  for (std::size_t i = 0; i < count; ++i) {
    std::ranges::copy(Bytes(workspace.hmacs[i]).first(keys[i].size()), keys[i].begin());
  }
  wipe({reinterpret_cast<std::uint8_t*>(workspace.texts.data()),
        count * sizeof(Lanes::Workspace::Text)});
  wipe({workspace.hmacs.data()->data(), count * sizeof(workspace.hmacs[0])});
  return done;
}

bool SessionKeyWave::run() noexcept {
  if (count_ == 0) {
    return true;
  }
  const bool done = profile_.family == Family::kAesSha1 ? derive_sha1() : derive_sha2();
  for (const Item& item : items()) {
    if (!done) {
      item.keys->clear();
      continue;
    }
    if (item.wanted.authenticator) {
      item.keys->authenticator_ke.expand(AesDirection::kDecrypt);
      item.keys->has_authenticator = true;
    }
    if (item.wanted.reply) {
      item.keys->reply_ke.expand(AesDirection::kEncrypt);
      item.keys->has_reply = true;
    }
  }
  return done;
}

}  // namespace usher::crypto
