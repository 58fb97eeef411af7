#include "fuzz/support/ntlm_layers.h"

#include <algorithm>

#include "engine/auth/unicode.h"
#include "engine/crypto/proof_batch.h"
#include "parsers/ntlm.h"
#include "tools/mint/ntlm_mint.h"

namespace usher::fuzz {
namespace {

using crypto::kMd5Size;
using ntlm::NegotiateFlags;

constexpr std::size_t kFieldCount = 6;
constexpr std::size_t kFirstField = 12;  // Behind signature and type; eight octets a field.
constexpr std::size_t kFlagsOffset = kFirstField + 8 * kFieldCount;
constexpr std::size_t kBodyOffset = kFlagsOffset + 4;
constexpr std::size_t kNtResponse = 1;  // The fields, in their order.
constexpr std::size_t kSessionKey = 5;
constexpr std::size_t kAvPairsOffset = 44;  // In an NTLMv2_RESPONSE.

Octets utf16(std::u16string_view text) {
  Octets out;
  for (const char16_t unit : text) {
    mint::append_le(out, static_cast<std::uint16_t>(unit));
  }
  return out;
}

Octets hmac(Bytes key, std::initializer_list<Bytes> parts) {
  Octets out(kMd5Size);
  check(world().kit->hmac_md5(key, std::span(parts.begin(), parts.size()), out), "HMAC-MD5 works");
  return out;
}

constexpr std::uint64_t kNowFiletime =  // 100 ns since 1601.
    static_cast<std::uint64_t>(kNowSeconds + 11'644'473'600) * 10'000'000;

// make_exchange writes the CHALLENGE itself: what the acceptor draws and offers may change, and
// inputs that are kept must not go stale by it.
NtlmExchange make_exchange(bool unicode) {
  NtlmExchange exchange;
  mint::NegotiateFields fields;
  if (!unicode) {
    fields.flags = fields.flags & NegotiateFlags(~std::uint32_t(NegotiateFlags::kUnicode));
  }
  exchange.negotiate = mint::ntlm_negotiate(fields);

  Octets room(256);
  Octets eight(8);
  ntlm::AvWriter pairs(room);
  pairs.pair(ntlm::AvId::kNetbiosDomain, utf16(u"EXAMPLE"));
  pairs.pair(ntlm::AvId::kNetbiosComputer, utf16(u"WEB"));
  store_le(MutableBytes(eight), kNowFiletime);
  pairs.pair(ntlm::AvId::kTimestamp, eight);
  store_be(MutableBytes(eight), kServerChallenge);
  const NegotiateFlags charset = unicode ? NegotiateFlags::kUnicode : NegotiateFlags::kOem;
  exchange.challenge.resize(512);
  exchange.challenge.resize(ntlm::write_challenge(
      {.flags = (fields.flags & NegotiateFlags(~3u)) | charset | NegotiateFlags::kTargetInfo,
       .target_name = {},
       .server_challenge = eight,
       .target_info = pairs.finish()},
      exchange.challenge));
  return exchange;
}

// Account is one of world()'s, as NTOWFv2 wants it.
struct Account {
  Octets user_upper;
  Octets nt_hash = Octets(crypto::kNtHashSize);
};
const Account* account_of(Bytes user_upper, Bytes domain_upper) {
  static const std::array<Account, 2> accounts = [] {
    std::array<Account, 2> made;
    made[0].user_upper = utf16(u"ALICE");
    made[1].user_upper = utf16(u"BOB");
    check(crypto::nt_hash_of(*world().kit, utf16(u"Al1ce-Passw0rd"), made[0].nt_hash) &&
              crypto::nt_hash_of(*world().kit, utf16(u"B0b-Passw0rd"), made[1].nt_hash),
          "MD4 works");
    return made;
  }();
  static const Octets domain = utf16(u"EXAMPLE");
  if (!domain_upper.empty() && !std::ranges::equal(domain_upper, domain)) {
    return nullptr;
  }
  const auto found = std::ranges::find_if(accounts, [user_upper](const Account& account) {
    return std::ranges::equal(account.user_upper, user_upper);
  });
  return found == accounts.end() ? nullptr : &*found;
}

// wide is a name in UTF-16LE, however it was sent; nothing if it is none.
std::optional<Octets> wide(Bytes name, bool unicode) {
  if (unicode) {
    return mint::octets_of(name);
  }
  Octets out(2 * name.size());
  return auth::widen_oem(name, out) ? std::optional(out) : std::nullopt;
}

// Parts is a message in pieces.
struct Parts {
  std::array<Octets, kFieldCount> fields;
  std::uint32_t flags = 0;
  Octets between;  // What stands between the fixed header and the payload: version, MIC.
};
std::optional<Parts> parts_of(Bytes message) {
  const Result<ntlm::Authenticate> parsed = ntlm::parse_authenticate(message);
  if (!parsed.ok() || message.size() < kBodyOffset) {
    return std::nullopt;
  }
  Parts parts;
  parts.fields = {
      mint::octets_of(parsed->lm_response), mint::octets_of(parsed->nt_response),
      mint::octets_of(parsed->domain),      mint::octets_of(parsed->user),
      mint::octets_of(parsed->workstation), mint::octets_of(parsed->encrypted_session_key)};
  parts.flags = std::uint32_t(parsed->flags);
  parts.between = Octets(parsed->mic.empty() ? 8 : ntlm::kMicOffset + ntlm::kMicSize - kBodyOffset);
  const Bytes rest = message.subspan(kBodyOffset);
  std::copy_n(rest.begin(), std::min(rest.size(), parts.between.size()), parts.between.begin());
  return parts;
}

Octets put_together(const Parts& parts) {
  Octets out = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0, 3, 0, 0, 0};
  Octets payload;
  const std::size_t first = kBodyOffset + parts.between.size();
  for (const Octets& field : parts.fields) {
    mint::append_le(out, static_cast<std::uint16_t>(field.size()));
    mint::append_le(out, static_cast<std::uint16_t>(field.size()));
    mint::append_le(out, static_cast<std::uint32_t>(first + payload.size()));
    mint::append(payload, field);
  }
  mint::append_le(out, parts.flags);
  mint::append(out, parts.between);
  mint::append(out, payload);
  return out;
}

// change_pairs changes one AV pair of an NTLMv2 response: its value, its number, its presence.
void change_pairs(Mutator& mutator, Octets& response, std::size_t size_max) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;  // Offset and size.
  for (std::size_t at = kAvPairsOffset; at + 4 <= response.size();) {
    const std::size_t size = 4 + load_le<std::uint16_t>(Bytes(response).subspan(at + 2));
    if (size > response.size() - at) {
      break;
    }
    pairs.emplace_back(at, size);
    at += size;
  }
  if (pairs.empty()) {
    return mutator.change(response, size_max);
  }
  const auto [at, size] = pairs[mutator.below(static_cast<std::uint32_t>(pairs.size()))];
  const Octets pair = mint::octets_of(Bytes(response).subspan(at, size));
  Octets instead;
  switch (mutator.below(5)) {
    case 0:
      break;
    case 1:
      mint::append(instead, pair);
      mint::append(instead, pair);
      break;
    case 2:
      instead = pair;
      instead[0] = static_cast<std::uint8_t>(mutator.below(12));
      break;
    default: {
      Octets value = mint::octets_of(Bytes(pair).subspan(4));
      mutator.change(value, std::min<std::size_t>(size_max, 0xffff));
      instead = mint::octets_of(Bytes(pair).first(2));
      mint::append_le(instead, static_cast<std::uint16_t>(value.size()));
      mint::append(instead, value);
      break;
    }
  }
  Octets changed = mint::octets_of(Bytes(response).first(at));
  mint::append(changed, instead);
  mint::append(changed, Bytes(response).subspan(at + size));
  response = std::move(changed);
}

void change_parts(Mutator& mutator, Parts& parts, std::size_t size_max) {
  switch (mutator.below(8)) {
    case 0:
      parts.flags ^= 1u << mutator.below(32);
      break;
    case 1:  // With room for a MIC, or without.
      parts.between.resize(parts.between.size() == 8 ? 8 + ntlm::kMicSize : 8);
      break;
    case 2:
      parts.fields[kSessionKey].resize(mutator.chance(50) ? kMd5Size : mutator.below(20));
      break;
    case 3: {
      constexpr std::array<std::u16string_view, 7> kNames = {u"alice",   u"ALICE",   u"bob", u"Bob",
                                                             u"EXAMPLE", u"example", u""};
      Octets name = utf16(kNames[mutator.below(kNames.size())]);
      if ((parts.flags & std::uint32_t(NegotiateFlags::kUnicode)) == 0) {
        std::size_t size = 0;
        for (std::size_t at = 0; at < name.size(); at += 2) {
          name[size++] = name[at];
        }
        name.resize(size);
      }
      parts.fields[2 + mutator.below(3)] = name;
      break;
    }
    case 4:
    case 5:
      change_pairs(mutator, parts.fields[kNtResponse], size_max);
      break;
    default:
      mutator.change(parts.fields[mutator.below(kFieldCount)],
                     std::min<std::size_t>(size_max, 0xffff));
      break;
  }
}

}  // namespace

const NtlmExchange& ntlm_exchange(bool unicode) {
  static const std::array<NtlmExchange, 2> exchanges = {make_exchange(false), make_exchange(true)};
  return exchanges[unicode ? 1 : 0];
}

const NtlmExchange& exchange_of(Bytes authenticate) {
  const Result<ntlm::Authenticate> parsed = ntlm::parse_authenticate(authenticate);
  return ntlm_exchange(!parsed.ok() || has(parsed->flags, NegotiateFlags::kUnicode));
}

std::optional<NtlmSecrets> secrets_of(const NtlmExchange& exchange, Bytes authenticate) {
  const Result<ntlm::Challenge> challenge = ntlm::parse_challenge(exchange.challenge);
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(authenticate);
  check(challenge.ok(), "the CHALLENGE can be read");
  if (!message.ok() || message->nt_response.size() < ntlm::kNtlmv2ResponseSizeMin) {
    return std::nullopt;
  }
  const bool unicode = has(challenge->flags, NegotiateFlags::kUnicode);
  const std::optional<Octets> user = wide(message->user, unicode);
  const std::optional<Octets> domain = wide(message->domain, unicode);
  if (!user || !domain) {
    return std::nullopt;
  }
  Octets user_room(2 * user->size());
  Octets domain_room(2 * domain->size());
  const std::optional<Bytes> user_upper = auth::upper_utf16(*user, user_room);
  const std::optional<Bytes> domain_upper = auth::upper_utf16(*domain, domain_room);
  const Account* account =
      user_upper && domain_upper ? account_of(*user_upper, *domain_upper) : nullptr;
  if (account == nullptr) {
    return std::nullopt;
  }
  NtlmSecrets secrets;
  const Octets key = hmac(account->nt_hash, {*user_upper, *domain});
  const Octets proof =
      hmac(key, {challenge->server_challenge, message->nt_response.subspan(kMd5Size)});
  std::ranges::copy(proof, secrets.proof.begin());
  secrets.session_key = hmac(key, {proof});
  const Bytes sent_key = message->encrypted_session_key;
  if (has(challenge->flags & message->flags, NegotiateFlags::kKeyExchange) &&
      sent_key.size() == kMd5Size) {
    Octets exported(kMd5Size);
    check(world().kit->rc4(secrets.session_key, sent_key, exported), "RC4 works");
    secrets.session_key = exported;
  }
  if (!message->mic.empty()) {
    Octets zeroed = mint::octets_of(authenticate);
    std::fill_n(zeroed.begin() + ntlm::kMicOffset, ntlm::kMicSize, std::uint8_t{0});
    const Octets mic = hmac(secrets.session_key, {exchange.negotiate, exchange.challenge, zeroed});
    std::ranges::copy(mic, secrets.mic.begin());
  }
  return secrets;
}

bool sign_again(const NtlmExchange& exchange, Octets& authenticate, bool proof, bool mic) {
  std::optional<NtlmSecrets> secrets = secrets_of(exchange, authenticate);
  if (!secrets) {
    return false;
  }
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(authenticate);
  if (proof) {
    std::ranges::copy(secrets->proof,
                      authenticate.begin() + (message->nt_response.data() - authenticate.data()));
    secrets = secrets_of(exchange, authenticate);  // A MIC covers the proof.
  }
  if (mic && secrets && !message->mic.empty()) {
    std::ranges::copy(secrets->mic, authenticate.begin() + ntlm::kMicOffset);
  }
  return secrets.has_value();
}

Octets mutate_authenticate(Bytes authenticate, std::size_t size_max, unsigned seed) {
  Mutator mutator(seed);
  Octets changed = mint::octets_of(authenticate);
  std::optional<Parts> parts = parts_of(authenticate);
  if (parts && mutator.chance(75)) {
    for (std::uint32_t turns = mutator.chance(25) ? 2 : 1; turns > 0; --turns) {
      change_parts(mutator, *parts, size_max);
    }
    changed = put_together(*parts);
  } else {
    mutator.change(changed, size_max);
  }
  if (mutator.chance(80)) {
    sign_again(exchange_of(changed), changed, mutator.chance(95), mutator.chance(90));
  }
  changed.resize(std::min(changed.size(), size_max));
  return changed;
}

}  // namespace usher::fuzz
