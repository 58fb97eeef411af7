// CBC with ciphertext stealing over pieces: long runs of blocks in place, what crosses a border and
// the last two blocks by way of a copy.
#include "engine/crypto/pieces.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/secret.h"

namespace usher::crypto {
namespace {

using BlockCopy = Secret<kAesBlockSize>;

void add_bytes(MutableBytes to, Bytes what) noexcept {
  for (std::size_t i = 0; i < what.size(); ++i) {
    to[i] ^= what[i];
  }
}

// Walk goes through the encrypted pieces as if they were one.
class Walk {
 public:
  explicit Walk(std::span<const Piece> pieces) noexcept : pieces_(pieces) {}

  // run is whatever whole blocks lie in one piece from here, at most `size` bytes, and moves on.
  MutableBytes run(std::size_t size) noexcept {
    const MutableBytes here = rest();
    const std::size_t whole = std::min(here.size(), size) / kAesBlockSize * kAesBlockSize;
    offset_ += whole;
    return here.first(whole);
  }

  // gather copies from here and moves on; scatter copies to here and moves on.
  void gather(MutableBytes out) noexcept {
    while (!out.empty()) {
      const Bytes part = take(out.size());
      copy(part, out);
      out = out.subspan(part.size());
    }
  }
  void scatter(Bytes in) noexcept {
    while (!in.empty()) {
      const MutableBytes part = take(in.size());
      copy(in.first(part.size()), part);
      in = in.subspan(part.size());
    }
  }

 private:
  // rest is what is left of the piece we are in, or of the next that has anything.
  MutableBytes rest() noexcept {
    while (!pieces_[index_].encrypted || offset_ == pieces_[index_].bytes.size()) {
      ++index_;
      offset_ = 0;
    }
    return pieces_[index_].bytes.subspan(offset_);
  }
  MutableBytes take(std::size_t size) noexcept {
    const MutableBytes here = rest();
    const std::size_t taken = std::min(here.size(), size);
    offset_ += taken;
    return here.first(taken);
  }

  std::span<const Piece> pieces_;
  std::size_t index_ = 0;
  std::size_t offset_ = 0;
};

// Chain is CBC that goes on from one run of blocks to the next. The Kit starts from a zero IV:
// another one is added to the first block.
class Chain {
 public:
  Chain(Kit& kit, Bytes key) noexcept : kit_(kit), key_(key) { last_.reset(kAesBlockSize); }

  [[nodiscard]] bool encrypt(MutableBytes blocks) noexcept {
    add_bytes(blocks, last_.bytes());
    const bool done = kit_.cbc_encrypt(key_, blocks, blocks);
    last_.assign(blocks.last(kAesBlockSize));
    return done;
  }
  [[nodiscard]] bool decrypt(MutableBytes blocks) noexcept {
    BlockCopy before;
    before.assign(last_.bytes());
    last_.assign(blocks.last(kAesBlockSize));
    const bool done = kit_.cbc_decrypt(key_, blocks, blocks);
    add_bytes(blocks, before.bytes());
    return done;
  }

 private:
  Kit& kit_;
  Bytes key_;
  BlockCopy last_;  // The ciphertext block before.
};

// CtsShape is how many bytes there are before the last two blocks, and how many in the very last.
struct CtsShape {
  std::size_t body = 0;
  std::size_t last = 0;
};
CtsShape shape_of(std::span<const Piece> pieces) noexcept {
  std::size_t size = 0;
  for (const Piece& piece : pieces) {
    size += piece.encrypted ? piece.bytes.size() : 0;
  }
  assert(size > kAesBlockSize);
  const std::size_t last = (size - 1) % kAesBlockSize + 1;
  return {.body = size - last - kAesBlockSize, .last = last};
}

// run_body applies `step`, Chain's way in one direction, to all blocks but the last two.
template <class Step>
[[nodiscard]] bool run_body(Walk& walk, std::size_t size, Step step) noexcept {
  bool done = true;
  while (done && size > 0) {
    const MutableBytes run = walk.run(size);
    if (!run.empty()) {
      done = step(run);
      size -= run.size();
      continue;
    }
    BlockCopy crossing;
    const MutableBytes block = crossing.reset(kAesBlockSize);
    Walk back = walk;
    walk.gather(block);
    done = step(block);
    back.scatter(block);
    size -= block.size();
  }
  return done;
}

//= RFC 3962 5: the last two blocks are always swapped, and what the last lacks is zero
[[nodiscard]] bool cts_encrypt(Kit& kit, Bytes key, std::span<const Piece> pieces) noexcept {
  const CtsShape shape = shape_of(pieces);
  Walk walk(pieces);
  Chain chain(kit, key);
  if (!run_body(walk, shape.body, [&](MutableBytes run) { return chain.encrypt(run); })) {
    return false;
  }
  Secret<2 * kAesBlockSize> room;
  const MutableBytes both = room.reset(2 * kAesBlockSize);
  Walk back = walk;
  walk.gather(both.first(kAesBlockSize + shape.last));
  const bool done = chain.encrypt(both);
  back.scatter(both.last(kAesBlockSize));
  back.scatter(both.first(shape.last));
  return done;
}

[[nodiscard]] bool cts_decrypt(Kit& kit, Bytes key, std::span<const Piece> pieces) noexcept {
  const CtsShape shape = shape_of(pieces);
  Walk walk(pieces);
  Chain chain(kit, key);
  if (!run_body(walk, shape.body, [&](MutableBytes run) { return chain.decrypt(run); })) {
    return false;
  }
  Secret<2 * kAesBlockSize> room;
  const MutableBytes both = room.reset(2 * kAesBlockSize);
  const MutableBytes first = both.first(kAesBlockSize);
  const MutableBytes second = both.last(kAesBlockSize);
  Walk back = walk;
  walk.gather(both.first(kAesBlockSize + shape.last));
  // What was encrypted last stands first. Its plaintext is the end of the message and, behind that,
  // the end of the ciphertext block before it.
  BlockCopy last;
  const MutableBytes plain = last.reset(kAesBlockSize);
  if (!kit.cbc_decrypt(key, first, plain)) {
    return false;
  }
  copy(plain.subspan(shape.last), second.subspan(shape.last));
  add_bytes(plain.first(shape.last), second.first(shape.last));
  const bool done = chain.decrypt(second);
  back.scatter(second);
  back.scatter(plain.first(shape.last));
  return done;
}

using PiecesHmac = Secret<kHmacSizeMax>;

// make_pieces_hmac makes the HMAC over all pieces, encrypted or not.
[[nodiscard]] bool make_pieces_hmac(Kit& kit, const SealingKeys& keys,
                                    std::span<const Piece> pieces, PiecesHmac& out) noexcept {
  assert(pieces.size() <= kPiecesMax);
  std::array<Bytes, 1 + kPiecesMax> covered;
  std::size_t count = 0;
  if (keys.profile->family == Family::kAesSha2) {
    covered[count++] = kZeroIv;  // RFC 8009 5
  }
  for (const Piece& piece : pieces) {
    covered[count++] = piece.bytes;
  }
  return hmac(kit, *keys.profile, keys.ki, std::span(covered).first(count),
              out.reset(keys.profile->hmac_size));
}

}  // namespace

bool seal_pieces(Kit& kit, const SealingKeys& keys, std::span<const Piece> pieces,
                 MutableBytes tag) noexcept {
  assert(keys.profile->family != Family::kRc4 && tag.size() == keys.profile->tag_size);
  PiecesHmac hmac;
  // RFC 3962 authenticates the plaintext, RFC 8009 the ciphertext.
  const bool done =
      keys.profile->family == Family::kAesSha1
          ? make_pieces_hmac(kit, keys, pieces, hmac) && cts_encrypt(kit, keys.ke, pieces)
          : cts_encrypt(kit, keys.ke, pieces) && make_pieces_hmac(kit, keys, pieces, hmac);
  copy(hmac.bytes().first(std::min(tag.size(), hmac.bytes().size())), tag);
  return done;
}

Outcome open_pieces(Kit& kit, const SealingKeys& keys, std::span<const Piece> pieces,
                    Bytes tag) noexcept {
  assert(keys.profile->family != Family::kRc4 && tag.size() == keys.profile->tag_size);
  PiecesHmac hmac;
  if (keys.profile->family == Family::kAesSha1) {
    if (!cts_decrypt(kit, keys.ke, pieces) || !make_pieces_hmac(kit, keys, pieces, hmac)) {
      return Outcome::kFailed;
    }
    return equal_secret(hmac.bytes().first(tag.size()), tag) ? Outcome::kDone : Outcome::kForged;
  }
  //= RFC 8009 5: nothing is decrypted before its checksum is right
  if (!make_pieces_hmac(kit, keys, pieces, hmac)) {
    return Outcome::kFailed;
  }
  if (!equal_secret(hmac.bytes().first(tag.size()), tag)) {
    return Outcome::kForged;
  }
  return cts_decrypt(kit, keys.ke, pieces) ? Outcome::kDone : Outcome::kFailed;
}

}  // namespace usher::crypto
