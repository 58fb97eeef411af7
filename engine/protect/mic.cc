// mechListMICs: keys are derived, used once and wiped. What the tokens look like is in signing.cc.
#include "engine/protect/mic.h"

#include <array>
#include <cassert>

#include "engine/protect/signing.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

using crypto::ChecksumKey;
using crypto::KeyUsage;
using crypto::Kit;

bool is_legacy(const KerberosMicKey& key) noexcept {
  assert(key.profile != nullptr && key.key.size() == key.profile->key_size);
  return key.profile->family == crypto::Family::kRc4;
}

bool make_signer(Kit& kit, const KerberosMicKey& key, Sender sender, ChecksumKey& out) noexcept {
  const KeyUsage usage =
      sender == Sender::kAcceptor ? KeyUsage::kAcceptorSign : KeyUsage::kInitiatorSign;
  return make_checksum_key(kit, *key.profile, key.key, usage, out);
}

bool make_signer(Kit& kit, const KerberosMicKey& key, Sender sender, LegacySigner& out) noexcept {
  return make_legacy_signer(kit, key, sender, KeyUsage::kLegacyMic, out);
}

}  // namespace

std::size_t mic_size(const crypto::EtypeProfile& profile) noexcept {
  return profile.family == crypto::Family::kRc4 ? kLegacyMicSize
                                                : gss::kMessageHeaderSize + profile.checksum_size;
}

std::size_t write_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
                      Bytes message, MutableBytes out) noexcept {
  const Bytes covered[] = {message};
  bool done = false;
  if (is_legacy(key)) {
    LegacySigner signer;
    done = make_signer(kit, key, sender, signer) &&
           write_legacy_mic(kit, signer, static_cast<std::uint32_t>(sequence), covered, out);
  } else {
    ChecksumKey signer;
    done = make_signer(kit, key, sender, signer) &&
           write_aes_mic(kit, signer, side_flags(key, sender), sequence, covered, out);
  }
  return done ? mic_size(*key.profile) : 0;
}

bool check_mic(Kit& kit, const KerberosMicKey& key, Sender sender, std::uint64_t sequence,
               Bytes message, Bytes mic) noexcept {
  const Bytes covered[] = {message};
  if (is_legacy(key)) {
    LegacySigner signer;
    std::uint32_t seen = 0;
    return make_signer(kit, key, sender, signer) &&
           check_legacy_mic(kit, signer, covered, mic, seen) == MessageOutcome::kGood &&
           seen == static_cast<std::uint32_t>(sequence);
  }
  ChecksumKey signer;
  std::uint64_t seen = 0;
  return make_signer(kit, key, sender, signer) &&
         check_aes_mic(kit, signer, side_flags(key, sender), covered, mic, seen) ==
             MessageOutcome::kGood &&
         seen == sequence;
}

std::size_t write_mic(Kit& kit, const NtlmMicKey& key, Sender sender, std::uint32_t sequence,
                      Bytes message, MutableBytes out) noexcept {
  const Bytes covered[] = {message};
  NtlmSigner signer;
  if (!make_ntlm_signer(kit, key, sender, signer) ||
      !write_ntlm_mic(kit, signer, sequence, covered, out)) {
    return 0;
  }
  seal_ntlm_mic(signer, out);
  return kNtlmMicSize;
}

bool check_mic(Kit& kit, const NtlmMicKey& key, Sender sender, std::uint32_t sequence,
               Bytes message, Bytes mic) noexcept {
  std::array<std::uint8_t, kNtlmMicSize> expected;
  return write_mic(kit, key, sender, sequence, message, expected) == kNtlmMicSize &&
         equal_secret(expected, mic);
}

}  // namespace usher::protect
