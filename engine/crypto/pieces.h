// Encrypted data in pieces: what sealing.h does for one piece of memory, in place over several, of
// which some may only be authenticated (RFC 4121 4.2.4 as MS-KILE 3.4.5.4.1 extends it). AES only.
#pragma once

#include <span>

#include "engine/crypto/kit.h"
#include "engine/crypto/sealing.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// Piece is a part of what is sealed. Those that are not `encrypted` count for the checksum alone.
struct Piece {
  MutableBytes bytes;
  bool encrypted = true;
};
inline constexpr std::size_t kPiecesMax = 24;

// seal_pieces encrypts the pieces in place, as if they were one, and writes the tag over all of
// them: profile.tag_size bytes. The first is the confounder, and more than one block is encrypted.
// False only if OpenSSL fails: the pieces are then not to be used.
[[nodiscard]] bool seal_pieces(Kit& kit, const SealingKeys& keys, std::span<const Piece> pieces,
                               MutableBytes tag) noexcept;

// open_pieces is its other way round. kDone; after kForged and kFailed the pieces are to be wiped.
[[nodiscard]] Outcome open_pieces(Kit& kit, const SealingKeys& keys, std::span<const Piece> pieces,
                                  Bytes tag) noexcept;

}  // namespace usher::crypto
