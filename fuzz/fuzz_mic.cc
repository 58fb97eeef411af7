// engine/protect/mic.h: a MIC that was written is right, and not if anything about it is changed:
// one bit of the token or message, its length, the sequence number, the sender, the key.
#include <algorithm>
#include <array>

#include "engine/protect/mic.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {
namespace {

using protect::Sender;

constexpr std::size_t kMessageSizeMax = 256;

crypto::Kit& kit() {
  static const std::unique_ptr<crypto::Kit> one = make_kit();
  return *one;
}

Sender other(Sender sender) {
  return sender == Sender::kInitiator ? Sender::kAcceptor : Sender::kInitiator;
}

// Case is one message and its key, as the input has it.
struct Case {
  std::uint8_t mode;
  std::uint8_t what;    // Which change is tried.
  std::uint32_t where;  // And where.
  std::uint64_t sequence;
  Bytes key;  // 32 bytes.
  Bytes message;

  [[nodiscard]] Sender sender() const {
    return (mode & 4) != 0 ? Sender::kAcceptor : Sender::kInitiator;
  }
};

// Change says which of two MICs is changed by it, the token's or another thing's.
template <class Key, class Sequence>
void check_changes(const Case& one, const Key& key, const Key& other_key, Sequence sequence) {
  std::array<std::uint8_t, protect::kMicSizeMax> room{};
  const std::size_t size =
      protect::write_mic(kit(), key, one.sender(), sequence, one.message, room);
  check(size > 0 && size <= protect::kMicSizeMax, "a MIC can be written");
  check(std::ranges::all_of(std::span(room).subspan(size), [](auto octet) { return octet == 0; }),
        "nothing is written behind it");
  const Bytes mic = std::span(room).first(size);
  const auto right = [&](const Key& with, Sender sender, Sequence number, Bytes message,
                         Bytes token) {
    return protect::check_mic(kit(), with, sender, number, message, token);
  };
  check(right(key, one.sender(), sequence, one.message, mic), "what was written is right");

  std::array<std::uint8_t, kMessageSizeMax + 1> changed{};
  std::ranges::copy(one.message, changed.begin());
  const auto bit = static_cast<std::uint8_t>(1u << (one.where & 7));
  switch (one.what % 8) {
    case 0:  // C7: each bit of a token counts.
      room[(one.where >> 3) % size] ^= bit;
      check(!right(key, one.sender(), sequence, one.message, mic), "a bit of the token changed");
      return;
    case 1:
      if (!one.message.empty()) {
        changed[(one.where >> 3) % one.message.size()] ^= bit;
        check(
            !right(key, one.sender(), sequence, std::span(changed).first(one.message.size()), mic),
            "a bit of the message changed");
      }
      return;
    case 2:
      check(
          !right(key, one.sender(), sequence ^ Sequence{1} << (one.where % (8 * sizeof(sequence))),
                 one.message, mic),
          "another sequence number");
      return;
    case 3:
      return check(!right(key, other(one.sender()), sequence, one.message, mic), "another sender");
    case 4:
      check(!right(key, one.sender(), sequence, one.message, mic.first(one.where % size)),
            "the token is shorter");
      return;
    case 5:
      check(!right(key, one.sender(), sequence, one.message, std::span(room).first(size + 1)),
            "the token is longer");
      return;
    case 6:
      check(!right(key, one.sender(), sequence, std::span(changed).first(one.message.size() + 1),
                   mic),
            "the message is longer");
      return;
    default:
      return check(!right(other_key, one.sender(), sequence, one.message, mic), "another key");
  }
}

void check_kerberos(const Case& one) {
  constexpr std::array<std::int32_t, 8> kEtypes = {18, 17, 20, 19, 23, 23, 23, 23};
  const crypto::EtypeProfile* const profile =
      crypto::profile_of(kEtypes[(one.mode >> 5 & 6) | (one.mode >> 3 & 1)]);
  check(profile != nullptr, "all of them are served");
  const Bytes secret = one.key.first(profile->key_size);
  std::array<std::uint8_t, 32> changed{};
  std::ranges::copy(secret, changed.begin());
  changed[one.where % secret.size()] ^= 0x10;
  const protect::KerberosMicKey key{
      .profile = profile, .key = secret, .key_is_acceptor_subkey = (one.mode & 16) != 0};
  protect::KerberosMicKey other_key = key;
  const bool legacy = profile->family == crypto::Family::kRc4;
  if ((one.mode & 32) != 0 && !legacy) {  // RC4's tokens do not say whose key it is.
    other_key.key_is_acceptor_subkey = !key.key_is_acceptor_subkey;
  } else {
    other_key.key = std::span(changed).first(secret.size());
  }
  if (legacy) {
    return check_changes<protect::KerberosMicKey, std::uint32_t>(
        one, key, other_key, static_cast<std::uint32_t>(one.sequence));
  }
  check_changes<protect::KerberosMicKey, std::uint64_t>(one, key, other_key, one.sequence);
}

void check_ntlm(const Case& one) {
  using ntlm::NegotiateFlags;
  const auto flag = [&](std::uint8_t bit, NegotiateFlags value) {
    return (one.mode & bit) != 0 ? value : NegotiateFlags{};
  };
  const NegotiateFlags flags = NegotiateFlags::kExtendedSessionSecurity |
                               flag(8, NegotiateFlags::kKeyExchange) |
                               flag(16, NegotiateFlags::k128) | flag(32, NegotiateFlags::k56);
  const Bytes secret = one.key.first(16);
  std::array<std::uint8_t, 16> changed{};
  std::ranges::copy(secret, changed.begin());
  changed[one.where % changed.size()] ^= 0x10;
  check_changes<protect::NtlmMicKey, std::uint32_t>(
      one, {.exported_session_key = secret, .flags = flags},
      {.exported_session_key = changed, .flags = flags}, static_cast<std::uint32_t>(one.sequence));
}

}  // namespace

void run_one(Bytes input) {
  constexpr std::size_t kHeadSize = 1 + 1 + 4 + 8 + 32;
  if (input.size() < kHeadSize) {
    return;
  }
  const Case one{
      .mode = input[0],
      .what = input[1],
      .where = load_le<std::uint32_t>(input.subspan(2)),
      .sequence = load_be<std::uint64_t>(input.subspan(6)),
      .key = input.subspan(14, 32),
      .message = input.subspan(kHeadSize, std::min(input.size() - kHeadSize, kMessageSizeMax))};
  if ((one.mode & 1) != 0) {
    check_ntlm(one);
  } else {
    check_kerberos(one);
  }
}

}  // namespace usher::fuzz
