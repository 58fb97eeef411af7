// NegoEx tokens (MS-NEGOEX 2.2.6) as Windows lays them out, for tests that spoil one field. Where a
// field lies is in the names below.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "parsers/bytes.h"
#include "parsers/negoex.h"
#include "tests/hex.h"

namespace usher::testing {

using NegoExOctets = std::vector<std::uint8_t>;

// Offsets of fields in a message.
inline constexpr std::size_t kNegoExType = 8;
inline constexpr std::size_t kNegoExSequence = 12;
inline constexpr std::size_t kNegoExHeaderLength = 16;
inline constexpr std::size_t kNegoExMessageLength = 20;
inline constexpr std::size_t kNegoExConversation = 24;
inline constexpr std::size_t kNegoExBody = 40;
inline constexpr std::size_t kNegoSchemes = 80;     // NEGO: offset, count (2), padding (2).
inline constexpr std::size_t kNegoExtensions = 88;  // NEGO: the same.
inline constexpr std::size_t kExchangeVector = 56;  // EXCHANGE: offset, length.
inline constexpr std::size_t kVerifyChecksum = 56;  // VERIFY: size, scheme, type, offset, length.
inline constexpr std::size_t kAlertVector = 60;     // ALERT: offset, count (2), padding (2).

// The auth scheme of PKU2U, {0d53335c-f9ea-4d0d-b2ec-4ae3786ec308}, which Windows always offers.
inline constexpr char kPku2uScheme[] = "5c33530deaf90d4db2ec4ae3786ec308";
inline constexpr char kNegoExConversationId[] = "3691b812168cbad4f67c3b24f06935c7";

inline void put32(NegoExOctets& out, std::uint32_t value) {
  std::uint8_t raw[4];
  store_le(MutableBytes(raw), value);
  out.insert(out.end(), raw, raw + 4);
}
inline void put(NegoExOctets& out, Bytes octets) {
  out.insert(out.end(), octets.begin(), octets.end());
}

// with32 and with16 are `octets` with one field exchanged.
inline NegoExOctets with32(NegoExOctets octets, std::size_t at, std::uint32_t value) {
  store_le(MutableBytes(octets).subspan(at), value);
  return octets;
}
inline NegoExOctets with16(NegoExOctets octets, std::size_t at, std::uint16_t value) {
  store_le(MutableBytes(octets).subspan(at), value);
  return octets;
}

// negoex_message is a message of a fixed part and what its vectors point to.
inline NegoExOctets negoex_message(negoex::MessageType type, std::uint32_t sequence,
                                   const NegoExOctets& fixed, const NegoExOctets& payload) {
  NegoExOctets out = hex("4e45474f45585453");
  put32(out, std::uint32_t(type));
  put32(out, sequence);
  put32(out, static_cast<std::uint32_t>(kNegoExBody + fixed.size()));
  put32(out, static_cast<std::uint32_t>(kNegoExBody + fixed.size() + payload.size()));
  put(out, hex(kNegoExConversationId));
  put(out, fixed);
  put(out, payload);
  return out;
}

// Extension and alert entries: a type, and a value behind all entries.
struct NegoExEntry {
  std::uint32_t type;
  NegoExOctets value;
};
inline NegoExOctets negoex_entries(std::size_t at, const std::vector<NegoExEntry>& entries) {
  NegoExOctets out;
  std::size_t value_at = at + 12 * entries.size();
  for (const NegoExEntry& entry : entries) {
    put32(out, entry.type);
    put32(out, static_cast<std::uint32_t>(value_at));
    put32(out, static_cast<std::uint32_t>(entry.value.size()));
    value_at += entry.value.size();
  }
  for (const NegoExEntry& entry : entries) {
    put(out, entry.value);
  }
  return out;
}

// INITIATOR_NEGO or ACCEPTOR_NEGO. A vector without elements has the offset 0, as from Windows.
inline NegoExOctets negoex_nego(std::uint32_t sequence, std::uint32_t schemes,
                                const std::vector<NegoExEntry>& extensions = {},
                                negoex::MessageType type = negoex::MessageType::kInitiatorNego) {
  constexpr std::size_t kFixed = 96;
  NegoExOctets fixed = hex("f11e9e45678922838ae1f2232fdbdb12dcbe229f8c3f58694de60a4f5a828ef4");
  put(fixed, hex("0000000000000000"));
  NegoExOctets payload;
  for (std::uint32_t i = 0; i < schemes; ++i) {
    put(payload, hex(kPku2uScheme));
  }
  put32(fixed, schemes == 0 ? 0 : std::uint32_t{kFixed});
  put32(fixed, schemes);
  put32(fixed, extensions.empty() ? 0 : static_cast<std::uint32_t>(kFixed + payload.size()));
  put32(fixed, static_cast<std::uint32_t>(extensions.size()));
  put(payload, negoex_entries(kFixed + payload.size(), extensions));
  return negoex_message(type, sequence, fixed, payload);
}

// One of the four messages that carry a mechanism's own token.
inline NegoExOctets negoex_exchange(negoex::MessageType type, std::uint32_t sequence,
                                    const NegoExOctets& token) {
  NegoExOctets fixed = hex(kPku2uScheme);
  put32(fixed, 64);
  put32(fixed, static_cast<std::uint32_t>(token.size()));
  return negoex_message(type, sequence, fixed, token);
}

inline NegoExOctets negoex_verify(std::uint32_t sequence, const NegoExOctets& checksum) {
  NegoExOctets fixed = hex(kPku2uScheme);
  for (const std::uint32_t value : {20u, 1u, 16u, 80u}) {
    put32(fixed, value);
  }
  put32(fixed, static_cast<std::uint32_t>(checksum.size()));
  put32(fixed, 0);  // Aligns the structure.
  return negoex_message(negoex::MessageType::kVerify, sequence, fixed, checksum);
}

inline NegoExOctets negoex_alert(std::uint32_t sequence, std::uint32_t error_code,
                                 const std::vector<NegoExEntry>& alerts) {
  NegoExOctets fixed = hex(kPku2uScheme);
  put32(fixed, error_code);
  put32(fixed, alerts.empty() ? 0 : 72);
  put32(fixed, static_cast<std::uint32_t>(alerts.size()));
  put32(fixed, 0);  // Aligns the structure.
  return negoex_message(negoex::MessageType::kAlert, sequence, fixed, negoex_entries(72, alerts));
}

inline NegoExOctets concatenated(std::initializer_list<NegoExOctets> messages) {
  NegoExOctets out;
  for (const NegoExOctets& message : messages) {
    put(out, message);
  }
  return out;
}

// What a Windows client sends as optimistic token when it prefers NegoEx: INITIATOR_NEGO and the
// meta-data of PKU2U.
inline NegoExOctets negoex_client_token() {
  return concatenated(
      {negoex_nego(0, 1), negoex_exchange(negoex::MessageType::kInitiatorMetaData, 1,
                                          hex("301ca01a30183016801430123110300e06035504031307"
                                              "4578616d706c65"))});
}

}  // namespace usher::testing
