// Both families' derivations as one call of the lanes: RFC 3962's encryptions, RFC 8009's HMACs.
#include "engine/crypto/session_key_wave.h"

#include <algorithm>
#include <cassert>

#include "engine/crypto/kerberos_keys.h"
#include "engine/secret.h"

namespace usher::crypto {
namespace {

// In the order of DeriveInputs and of KdfInputs.
constexpr std::size_t kKeyCount = std::tuple_size_v<DeriveInputs>;
static_assert(std::tuple_size_v<KdfInputs> == kKeyCount);
struct Input {
  KeyUsage usage;
  Purpose purpose;
};
constexpr std::array<Input, kKeyCount> kInputs = {
    Input{KeyUsage::kApReqAuthenticator, Purpose::kEncryption},
    Input{KeyUsage::kApReqAuthenticator, Purpose::kIntegrity},
    Input{KeyUsage::kApRepEncPart, Purpose::kEncryption},
    Input{KeyUsage::kApRepEncPart, Purpose::kIntegrity}};

DeriveInputs derive_inputs(const EtypeProfile& profile) noexcept {
  DeriveInputs inputs;
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    const DerivationInput input(profile, kInputs[n].usage, kInputs[n].purpose);
    std::ranges::copy(input.bytes().first(kAesBlockSize), inputs[n].begin());
  }
  return inputs;
}

}  // namespace

void SessionKeyWave::add(SessionKeys& keys, Bytes session_key, Wanted wanted) noexcept {
  wanted.authenticator = wanted.authenticator && !keys.has_authenticator;
  wanted.reply = wanted.reply && !keys.has_reply;
  if (wanted.authenticator || wanted.reply) {
    assert(session_key.size() == profile_.key_size);
    items_[count_++] = {.keys = &keys, .session_key = session_key.data(), .wanted = wanted};
  }
}

bool SessionKeyWave::derive_sha1() noexcept {
  // In front of the zeros, which are not asked for here, they are the same for keys of all sizes.
  static const DeriveInputs inputs = derive_inputs(profile_);
  Lanes::Workspace& workspace = lanes_.workspace();
  std::size_t mac_count = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Item& item = items_[i];
    SessionKeys& keys = *item.keys;
    DeriveJob& job = workspace.derive[i] = {.base = {item.session_key, profile_.key_size}};
    if (item.wanted.authenticator) {
      job.keys[0] = keys.authenticator_ke.room(profile_.key_size).data();
      job.keys[1] = keys.authenticator_ki.room(profile_.key_size).data();
      workspace.hmac_keys[mac_count++] = &keys.authenticator_ki;
    }
    if (item.wanted.reply) {
      job.keys[2] = keys.reply_ke.room(profile_.key_size).data();
      job.keys[3] = keys.reply_ki.room(profile_.key_size).data();
      workspace.hmac_keys[mac_count++] = &keys.reply_ki;
    }
  }
  const bool done =
      lanes_.derive(inputs, std::span<const DeriveJob>(workspace.derive).first(count_));
  if (done) {
    lanes_.prepare(Digest::kSha1, std::span(workspace.hmac_keys).first(mac_count));
  }
  return done;
}

bool SessionKeyWave::derive_sha2() noexcept {
  KdfInputs inputs;
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    const DerivationInput input(profile_, kInputs[n].usage, kInputs[n].purpose);
    std::ranges::copy(input.bytes().first(kKdfInputSize), inputs[n].begin());
  }
  Lanes::Workspace& workspace = lanes_.workspace();
  for (std::size_t i = 0; i < count_; ++i) {
    const Item& item = items_[i];
    SessionKeys& keys = *item.keys;
    // In pieces: GCC 12 clears the whole by a string instruction, which starts slowly.
    KdfJob& job = workspace.kdf[i];
    job.base = {item.session_key, profile_.key_size};
    job.keys = {};
    job.hmac_keys = {};
    if (item.wanted.authenticator) {
      job.keys[0] = keys.authenticator_ke.room(profile_.key_size);
      job.keys[1] = keys.authenticator_ki.room(profile_.integrity_key_size);
      job.hmac_keys[1] = &keys.authenticator_ki;
    }
    if (item.wanted.reply) {
      job.keys[2] = keys.reply_ke.room(profile_.key_size);
      job.keys[3] = keys.reply_ki.room(profile_.integrity_key_size);
      job.hmac_keys[3] = &keys.reply_ki;
    }
  }
  return lanes_.derive(digest_of(profile_), inputs, std::span(workspace.kdf).first(count_));
}

// expand expands one of the two encryption keys of all that want it.
void SessionKeyWave::expand(bool Wanted::*wanted, AesKey SessionKeys::*key,
                            AesDirection direction) noexcept {
  Lanes::Workspace& workspace = lanes_.workspace();
  std::size_t count = 0;
  for (const Item& item : items()) {
    if (item.wanted.*wanted) {
      workspace.aes_keys[count++] = &(item.keys->*key);
    }
  }
  lanes_.expand(direction, std::span(workspace.aes_keys).first(count));
}

bool SessionKeyWave::run() noexcept {
  if (count_ == 0) {
    return true;
  }
  const bool done = profile_.family == Family::kAesSha1 ? derive_sha1() : derive_sha2();
  if (done) {
    expand(&Wanted::authenticator, &SessionKeys::authenticator_ke, AesDirection::kDecrypt);
    expand(&Wanted::reply, &SessionKeys::reply_ke, AesDirection::kEncrypt);
  }
  for (const Item& item : items()) {
    if (!done) {
      item.keys->clear();
      continue;
    }
    item.keys->has_authenticator = item.keys->has_authenticator || item.wanted.authenticator;
    item.keys->has_reply = item.keys->has_reply || item.wanted.reply;
  }
  return done;
}

}  // namespace usher::crypto
