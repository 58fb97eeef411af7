#include "tools/mint/ntlm_mint.h"

#include <openssl/des.h>

#include <algorithm>
#include <array>

#include "engine/crypto/proof_batch.h"
#include "engine/protect/mic.h"

namespace usher::mint {
namespace {

using ntlm::AvId;
using ntlm::NegotiateFlags;

constexpr std::array<std::uint8_t, 8> kSignature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};
constexpr std::array<std::uint8_t, 8> kVersion = {10, 0, 0x63, 0x45, 0, 0, 0, 15};
constexpr std::size_t kKeySize = 16;

NegotiateFlags without(NegotiateFlags flags, NegotiateFlags flag) {
  return flags & NegotiateFlags(~std::uint32_t(flag));
}

Octets utf16(std::u16string_view text) {
  Octets out;
  for (const char16_t unit : text) {
    append_le(out, static_cast<std::uint16_t>(unit));
  }
  return out;
}

Octets name_octets(std::u16string_view text, bool unicode) {
  if (unicode) {
    return utf16(text);
  }
  Octets out;
  for (const char16_t unit : text) {
    out.push_back(static_cast<std::uint8_t>(unit));
  }
  return out;
}

std::u16string ascii_upper(std::u16string text) {
  for (char16_t& unit : text) {
    unit = unit >= u'a' && unit <= u'z' ? static_cast<char16_t>(unit - (u'a' - u'A')) : unit;
  }
  return text;
}

// Message is one under construction: a fixed part that points into a payload.
class Message {
 public:
  explicit Message(std::uint32_t type) {
    append(fixed, kSignature);
    append_le(fixed, type);
  }

  // field writes {length, length, offset}; the offset is filled in by finish.
  void field(Bytes contents) {
    append_le(fixed, static_cast<std::uint16_t>(contents.size()));
    append_le(fixed, static_cast<std::uint16_t>(contents.size()));
    offsets_.push_back({fixed.size(), payload_.size()});
    append_le(fixed, std::uint32_t{0});
    append(payload_, contents);
  }

  Octets finish() {
    for (const Offset& offset : offsets_) {
      store_le(MutableBytes(fixed).subspan(offset.place),
               static_cast<std::uint32_t>(fixed.size() + offset.in_payload));
    }
    append(fixed, payload_);
    return fixed;
  }

  Octets fixed;

 private:
  struct Offset {
    std::size_t place;
    std::size_t in_payload;
  };
  std::vector<Offset> offsets_;
  Octets payload_;
};

Octets hmac(crypto::Kit& kit, Bytes key, std::initializer_list<Bytes> parts) {
  Octets out(kKeySize);
  require(kit.hmac_md5(key, std::span(parts.begin(), parts.size()), out), "HMAC-MD5 failed");
  return out;
}

Octets nt_hash(crypto::Kit& kit, const AuthenticateFields& fields) {
  Octets hash(crypto::kNtHashSize);
  require(crypto::nt_hash_of(kit, utf16(fields.password), hash), "MD4 failed");
  return hash;
}

// des_long is DESL (MS-NLMP 6): three DES encryptions of `challenge` under the hash, zero-padded.
Octets des_long(Bytes hash, Bytes challenge) {
  Octets padded = octets_of(hash);
  padded.resize(21);
  Octets out(24);
  for (std::size_t third = 0; third < 3; ++third) {
    const Bytes seven = Bytes(padded).subspan(7 * third, 7);
    DES_cblock key;
    unsigned carry = 0;
    for (unsigned i = 0; i < 8; ++i) {  // Seven bits and a parity bit nobody checks.
      const unsigned octet = i < 7 ? seven[i] : 0u;
      key[i] = static_cast<std::uint8_t>((carry << (8 - i)) | ((octet >> i) & 0xfe));
      carry = octet & ((1u << (i + 1)) - 1);
    }
    DES_key_schedule schedule;
    DES_set_key_unchecked(&key, &schedule);
    DES_cblock in;
    DES_cblock result;
    std::ranges::copy(challenge.first(8), in);
    DES_ecb_encrypt(&in, &result, &schedule, DES_ENCRYPT);
    std::ranges::copy(result, out.begin() + static_cast<std::ptrdiff_t>(8 * third));
  }
  return out;
}

// Responses are the two fields that answer a challenge, and the key both sides then share.
struct Responses {
  Octets lm = Octets(24);
  Octets nt;
  Octets session_base_key = Octets(kKeySize);
};

void append_pair(Octets& list, AvId id, Bytes value) {
  append_le(list, static_cast<std::uint16_t>(id));
  append_le(list, static_cast<std::uint16_t>(value.size()));
  append(list, value);
}

// target_info is the client's AV list: the server's pairs and its own (MS-NLMP 3.1.5.1.2).
Octets target_info(const ntlm::Challenge& challenge, const AuthenticateFields& fields) {
  Octets list;
  Bytes theirs = fields.copy_target_info ? challenge.target_info : Bytes{};
  while (theirs.size() >= 4 && load_le<std::uint16_t>(theirs) != std::uint16_t(AvId::kEol)) {
    const std::size_t size = std::size_t{4} + load_le<std::uint16_t>(theirs.subspan(2));
    require(size <= theirs.size(), "the CHALLENGE's target info is malformed");
    append(list, theirs.first(size));
    theirs = theirs.subspan(size);
  }
  if (fields.announce_mic.value_or(fields.mic)) {
    Octets value;
    append_le(value, ntlm::kAvFlagMic);
    append_pair(list, AvId::kFlags, value);
  }
  if (!fields.channel_bindings.empty()) {
    append_pair(list, AvId::kChannelBindings, fields.channel_bindings);
  }
  if (!fields.target_name.empty()) {
    append_pair(list, AvId::kTargetName, utf16(fields.target_name));
  }
  append_pair(list, AvId::kEol, {});
  return list;
}

std::uint64_t timestamp(const ntlm::Challenge& challenge, const AuthenticateFields& fields) {
  const Result<ntlm::AvPairs> pairs = ntlm::parse_av_pairs(challenge.target_info);
  const bool use_theirs = !fields.own_time && pairs.ok() && pairs->has_timestamp;
  return use_theirs ? pairs->timestamp : fields.time;
}

// respond_v2 is MS-NLMP 3.3.2; the names go into the key as UTF-16 whatever is negotiated.
Responses respond_v2(crypto::Kit& kit, const ntlm::Challenge& challenge,
                     const AuthenticateFields& fields) {
  const std::u16string user = fields.user_upper ? *fields.user_upper : ascii_upper(fields.user);
  const Octets key = hmac(kit, nt_hash(kit, fields), {utf16(user), utf16(fields.domain)});
  Octets blob = {1, 1, 0, 0, 0, 0, 0, 0};
  append_le(blob, timestamp(challenge, fields));
  append(blob, fields.client_challenge);
  append_le(blob, std::uint32_t{0});
  append(blob, target_info(challenge, fields));
  append_le(blob, std::uint32_t{0});

  Responses out;
  out.nt = hmac(kit, key, {challenge.server_challenge, blob});
  out.session_base_key = hmac(kit, key, {out.nt});
  append(out.nt, blob);
  if (fields.lmv2) {
    out.lm = hmac(kit, key, {challenge.server_challenge, fields.client_challenge});
    append(out.lm, fields.client_challenge);
  }
  return out;
}

Responses respond_v1(crypto::Kit& kit, const ntlm::Challenge& challenge,
                     const AuthenticateFields& fields) {
  const Octets hash = nt_hash(kit, fields);
  Responses out;
  require(kit.md4(hash, out.session_base_key), "MD4 failed");
  if (fields.response == NtlmResponse::kV1) {
    out.nt = des_long(hash, challenge.server_challenge);
    out.lm = out.nt;  // What clients without an LM hash send (MS-NLMP 3.3.1).
    return out;
  }
  Octets nonce = octets_of(challenge.server_challenge);
  append(nonce, fields.client_challenge);
  Octets digest(16);
  const Bytes parts[] = {nonce};
  require(kit.md5(parts, digest), "MD5 failed");
  out.nt = des_long(hash, digest);
  out.lm = fields.client_challenge;
  out.lm.resize(24);
  out.session_base_key = hmac(kit, out.session_base_key, {nonce});
  return out;
}

Responses respond(crypto::Kit& kit, const ntlm::Challenge& challenge,
                  const AuthenticateFields& fields) {
  switch (fields.response) {
    case NtlmResponse::kV2:
      return respond_v2(kit, challenge, fields);
    case NtlmResponse::kV1:
    case NtlmResponse::kV1Session:
      return respond_v1(kit, challenge, fields);
    case NtlmResponse::kLmAlone:
    case NtlmResponse::kAnonymous:
      break;
  }
  constexpr std::size_t kLmResponseSize = 24;
  Responses empty;
  empty.lm = Octets(fields.response == NtlmResponse::kLmAlone ? kLmResponseSize : 1);
  empty.session_base_key = Octets(kKeySize);
  return empty;
}

NegotiateFlags choose_flags(const ntlm::Challenge& challenge, const AuthenticateFields& fields) {
  if (fields.flags) {
    return *fields.flags;
  }
  NegotiateFlags flags = challenge.flags;
  flags = without(flags, NegotiateFlags::kTargetTypeDomain | NegotiateFlags::kTargetTypeServer);
  if (fields.unicode) {
    flags = without(flags, NegotiateFlags::kUnicode | NegotiateFlags::kOem);
    flags = flags | (*fields.unicode ? NegotiateFlags::kUnicode : NegotiateFlags::kOem);
  }
  if (fields.response == NtlmResponse::kAnonymous) {
    flags = flags | NegotiateFlags::kAnonymous;
  }
  return flags;
}

}  // namespace

Octets ntlm_negotiate(const NegotiateFields& fields) {
  NegotiateFlags flags = fields.flags;
  if (!fields.domain.empty()) {
    flags = flags | NegotiateFlags::kDomainSupplied;
  }
  if (!fields.workstation.empty()) {
    flags = flags | NegotiateFlags::kWorkstationSupplied;
  }
  Message message(1);
  append_le(message.fixed, std::uint32_t(flags));
  if (fields.form == NegotiateForm::kFlagsOnly) {
    return message.finish();
  }
  message.field(octets_of(std::string_view(fields.domain)));
  message.field(octets_of(std::string_view(fields.workstation)));
  if (fields.form == NegotiateForm::kFull) {
    append(message.fixed, kVersion);
  }
  return message.finish();
}

Authenticated ntlm_authenticate(crypto::Kit& kit, Bytes negotiate, Bytes challenge_message,
                                const AuthenticateFields& fields) {
  const Result<ntlm::Challenge> challenge = ntlm::parse_challenge(challenge_message);
  require(challenge.ok(), "the server's token is no CHALLENGE");
  const bool anonymous = fields.response == NtlmResponse::kAnonymous;
  const Responses responses = respond(kit, *challenge, fields);

  Authenticated out;
  out.flags = choose_flags(*challenge, fields);
  const bool unicode = fields.unicode.value_or(has(out.flags, NegotiateFlags::kUnicode));
  out.exported_session_key = responses.session_base_key;
  Octets encrypted_key;
  if (has(out.flags, NegotiateFlags::kKeyExchange)) {
    out.exported_session_key = fields.session_key;
    encrypted_key.resize(kKeySize);
    require(kit.rc4(responses.session_base_key, fields.session_key, encrypted_key), "RC4 failed");
  }
  if (fields.encrypted_session_key) {
    encrypted_key = *fields.encrypted_session_key;
  }

  Message message(3);
  message.field(fields.lm_response.value_or(responses.lm));
  message.field(responses.nt);
  message.field(anonymous ? Octets{} : name_octets(fields.domain, unicode));
  message.field(anonymous ? Octets{} : name_octets(fields.user, unicode));
  message.field(name_octets(fields.workstation, unicode));
  message.field(encrypted_key);
  append_le(message.fixed, std::uint32_t(out.flags));
  if (fields.version || fields.mic) {
    append(message.fixed, kVersion);
  }
  if (fields.mic) {
    message.fixed.resize(message.fixed.size() + ntlm::kMicSize);
  }
  out.message = message.finish();
  if (fields.mic) {  // Over all three messages, its own place counting as zeros.
    const Octets mic =
        hmac(kit, out.exported_session_key, {negotiate, challenge_message, out.message});
    std::ranges::copy(mic, out.message.begin() + ntlm::kMicOffset);
  }
  return out;
}

Octets ntlm_mech_list_mic(crypto::Kit& kit, const Authenticated& authenticated, Bytes mech_types) {
  const protect::NtlmMicKey key{authenticated.exported_session_key, authenticated.flags};
  Octets mic(protect::kMicSizeMax);
  mic.resize(
      protect::write_mic(kit, key, protect::Sender::kInitiator, std::uint32_t{0}, mech_types, mic));
  require(!mic.empty(), "write_mic failed");
  return mic;
}

bool check_ntlm_mech_list_mic(crypto::Kit& kit, const Authenticated& authenticated,
                              Bytes mech_types, Bytes mic) {
  const protect::NtlmMicKey key{authenticated.exported_session_key, authenticated.flags};
  return protect::check_mic(kit, key, protect::Sender::kAcceptor, std::uint32_t{0}, mech_types,
                            mic);
}

}  // namespace usher::mint
