// Messages of Kerberos with AES (RFC 4121 4.2), laid out as MS-KILE 3.4.5.4.1 has them: what
// follows the data is rotated to the front, so that a token stands alone and the data stays in its
// place.
#include <algorithm>
#include <cassert>

#include "engine/crypto/pieces.h"
#include "engine/protect/session_base.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

using crypto::ChecksumKey;
using crypto::EtypeProfile;
using crypto::KeyUsage;
using crypto::Kit;
using crypto::Piece;

constexpr std::size_t kAesHeaderSize = gss::kMessageHeaderSize;
constexpr std::uint8_t kFiller = 0xff;  // Of EC; any value would do (RFC 4121 4.2.3).
constexpr std::size_t kDceFillerSize = crypto::kAesBlockSize;

std::size_t filler_size(const SessionTerms& terms) noexcept {
  return terms.dce_style ? kDceFillerSize : 0;
}

// What a sealed message has besides header and data: filler, header, tag, confounder.
std::size_t front_size(const EtypeProfile& profile, std::size_t filler_size) noexcept {
  return filler_size + kAesHeaderSize + profile.overhead();
}

// AesSideKeys are what one side's messages are made with.
struct AesSideKeys {
  std::uint8_t flags = 0;
  crypto::Key ke;
  crypto::Key ki;
  ChecksumKey wrap;
  ChecksumKey mic;

  [[nodiscard]] bool derive(Kit& kit, const KerberosMicKey& key, Sender sender) noexcept {
    //= RFC 4121 2: a usage for each side's Wrap tokens and another for its MIC tokens
    const bool acceptor = sender == Sender::kAcceptor;
    const KeyUsage seal = acceptor ? KeyUsage::kAcceptorSeal : KeyUsage::kInitiatorSeal;
    const KeyUsage sign = acceptor ? KeyUsage::kAcceptorSign : KeyUsage::kInitiatorSign;
    flags = side_flags(key, sender);
    return derive_encryption(kit, *key.profile, key.key, seal, ke) &&
           derive_integrity(kit, *key.profile, key.key, seal, ki) &&
           make_checksum_key(kit, *key.profile, key.key, seal, wrap) &&
           make_checksum_key(kit, *key.profile, key.key, sign, mic);
  }
  [[nodiscard]] crypto::SealingKeys sealing() const noexcept {
    return {.profile = wrap.profile, .ke = ke.bytes(), .ki = ki.bytes()};
  }
};

// Envelope is what stands around the data of a sealed message.
struct Envelope {
  MutableBytes tail;  // Filler, and the copy of the header: encrypted behind the data.
  MutableBytes tag;
  MutableBytes confounder;  // Encrypted before it.
};

// The order of an Envelope in a token, behind the header, and its sizes.
Envelope envelope_in(MutableBytes front, const EtypeProfile& profile) noexcept {
  const std::size_t tail_size = front.size() - profile.overhead();
  return {.tail = front.first(tail_size),
          .tag = front.subspan(tail_size, profile.tag_size),
          .confounder = front.last(profile.confounder_size)};
}

PieceList<Piece> pieces_of(const Envelope& envelope, std::span<const Part> parts) noexcept {
  PieceList<Piece> pieces;
  pieces.add({.bytes = envelope.confounder});
  for (const Part& part : parts) {
    pieces.add({.bytes = part.bytes, .encrypted = part.use == Part::Use::kSealed});
  }
  pieces.add({.bytes = envelope.tail});
  return pieces;
}

// PayloadSegments are the pieces of memory in which a rotated payload lies.
class PayloadSegments {
 public:
  PayloadSegments(MutableBytes front, std::span<const Part> parts) noexcept {
    add(front);
    for (const Part& part : parts) {
      if (part.use == Part::Use::kSealed) {
        add(part.bytes);
      }
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // rotate_left is std::rotate over all of them, by turning round both halves and then the whole.
  void rotate_left(std::size_t by) noexcept {
    reverse(0, by);
    reverse(by, size_);
    reverse(0, size_);
  }

 private:
  struct Place {
    std::size_t segment = 0;
    std::size_t offset = 0;
  };

  void add(MutableBytes segment) noexcept {
    segments_[count_++] = segment;
    size_ += segment.size();
  }

  [[nodiscard]] Place place_of(std::size_t at) const noexcept {
    Place place;
    while (place.segment < count_ && at >= segments_[place.segment].size()) {
      at -= segments_[place.segment++].size();
    }
    place.offset = at;
    return place;
  }
  [[nodiscard]] std::uint8_t& next(Place& place) noexcept {
    while (place.offset == segments_[place.segment].size()) {
      ++place.segment;
      place.offset = 0;
    }
    return segments_[place.segment][place.offset++];
  }
  [[nodiscard]] std::uint8_t& before(Place& place) noexcept {
    while (place.offset == 0) {
      place.offset = segments_[--place.segment].size();
    }
    return segments_[place.segment][--place.offset];
  }

  void reverse(std::size_t from, std::size_t to) noexcept {
    Place front = place_of(from);
    Place back = place_of(to);
    for (std::size_t i = 0; i < (to - from) / 2; ++i) {
      std::swap(next(front), before(back));
    }
  }

  std::array<MutableBytes, kMessagePartsMax + 1> segments_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
};

class AesSession final : public SessionBase {
 public:
  AesSession(const SessionTerms& terms, SessionTools tools) noexcept
      : SessionBase(terms, std::move(tools)),
        profile_(*terms.kerberos.profile),
        filler_size_(filler_size(terms)),
        dce_style_(terms.dce_style) {}

  bool derive(const SessionTerms& terms) noexcept override {
    const Sender peer = terms.self == Sender::kAcceptor ? Sender::kInitiator : Sender::kAcceptor;
    return ours_.derive(send_kit(), terms.kerberos, terms.self) &&
           theirs_.derive(send_kit(), terms.kerberos, peer);
  }

 protected:
  Sealed write_wrap(std::span<const Part> parts, bool encrypt, std::uint64_t number,
                    MutableBytes token, MutableBytes padding) noexcept override;
  Taken read_wrap(std::span<const Part> parts, MutableBytes token, Bytes padding) noexcept override;
  Taken read_stream(MutableBytes message) noexcept override;
  bool write_mic(Covered message, std::uint64_t number, MutableBytes out) noexcept override {
    return write_aes_mic(send_kit(), ours_.mic, ours_.flags, number, message, out);
  }
  Taken read_mic(Covered message, Bytes token) noexcept override {
    Taken taken;
    taken.outcome =
        check_aes_mic(receive_kit(), theirs_.mic, theirs_.flags, message, token, taken.number);
    return taken;
  }

 private:
  // Wrapped is a Wrap token's header, and the sizes that follow from it.
  struct Wrapped {
    MessageHeader header{};
    bool sealed = false;
    std::size_t trailer_size = 0;  // What is rotated to the front.
    std::size_t front_size = 0;    // That, and the confounder.
    std::size_t rotation = 0;      // To the right, and not reduced yet.
    std::uint64_t number = 0;
  };

  [[nodiscard]] MessageOutcome examine(Bytes token, Wrapped& out) const noexcept;
  [[nodiscard]] bool make_checksum(Kit& kit, const ChecksumKey& key, std::span<const Part> parts,
                                   Bytes header, MutableBytes out) const noexcept;
  [[nodiscard]] Taken open_sealed(const Wrapped& wrapped, const Envelope& envelope,
                                  std::span<const Part> parts) noexcept;
  [[nodiscard]] Taken open_signed(const Wrapped& wrapped, Bytes checksum,
                                  std::span<const Part> parts) noexcept;

  const EtypeProfile& profile_;
  const std::size_t filler_size_;
  const bool dce_style_;
  AesSideKeys ours_;
  AesSideKeys theirs_;
};

// make_checksum makes that of a message that is not sealed; `header` has no counts in it.
bool AesSession::make_checksum(Kit& kit, const ChecksumKey& key, std::span<const Part> parts,
                               Bytes header, MutableBytes out) const noexcept {
  //= RFC 4121 4.2.4: over the plaintext and the header, of which EC and RRC count as zero
  PieceList<Bytes> covered = covered_by(parts);
  covered.add(header);
  return write_checksum(kit, key, covered.view(), out);
}

Session::Sealed AesSession::write_wrap(std::span<const Part> parts, bool encrypt,
                                       std::uint64_t number, MutableBytes token,
                                       MutableBytes /*padding*/) noexcept {
  const std::size_t front = encrypt ? front_size(profile_, filler_size_)
                                    : static_cast<std::size_t>(profile_.checksum_size);
  if (token.size() < kAesHeaderSize + front) {
    return {.outcome = MessageOutcome::kNoRoom};
  }
  const MutableBytes behind = token.subspan(kAesHeaderSize, front);
  MessageHeader header =
      wrap_header(static_cast<std::uint8_t>(ours_.flags | (encrypt ? gss::kSealed : 0)), number);
  bool done = false;
  if (encrypt) {
    //= RFC 4121 4.2.4: RRC is zero in the copy that is encrypted, EC is not
    set_counts(header, filler_size_, 0);
    const Envelope envelope = envelope_in(behind, profile_);
    std::ranges::fill(envelope.tail.first(filler_size_), kFiller);
    copy(header, envelope.tail.last(kAesHeaderSize));
    done =
        draw(envelope.confounder) &&
        seal_pieces(send_kit(), ours_.sealing(), pieces_of(envelope, parts).view(), envelope.tag);
    //= MS-KILE 3.4.5.4.1: RRC is 28 (with its two etypes), and the rotation is by RRC and EC
    set_counts(header, filler_size_, kAesHeaderSize + profile_.tag_size);
  } else {
    done = make_checksum(send_kit(), ours_.wrap, parts, header, behind);
    //= MS-KILE 3.4.5.4.1: RRC is 12 if nothing is encrypted, the size of the checksum
    set_counts(header, profile_.checksum_size, profile_.checksum_size);
  }
  copy(header, token);
  return {.outcome = done ? MessageOutcome::kGood : MessageOutcome::kFailed,
          .token_size = kAesHeaderSize + front};
}

// examine reads the header. kGood, kMalformed or kAltered.
MessageOutcome AesSession::examine(Bytes token, Wrapped& out) const noexcept {
  const Result<gss::WrapToken> parsed = gss::parse_wrap_token(token);
  if (!parsed.ok()) {
    return MessageOutcome::kMalformed;
  }
  if (!is_of_side(parsed->flags, theirs_.flags)) {
    return MessageOutcome::kAltered;
  }
  copy(parsed->header, out.header);
  out.number = parsed->sequence;
  out.sealed = (parsed->flags & gss::kSealed) != 0;
  out.rotation = parsed->right_rotation_count;
  if (out.sealed) {
    // Windows rotates by EC too, in DCE style (MS-KILE 3.4.5.4.1), and so do all others there.
    out.rotation += dce_style_ ? std::size_t{parsed->extra_count} : 0;
    out.front_size = front_size(profile_, parsed->extra_count);
    out.trailer_size = out.front_size - profile_.confounder_size;
  } else if (parsed->extra_count == profile_.checksum_size) {
    out.front_size = profile_.checksum_size;
    out.trailer_size = out.front_size;
  } else {
    return MessageOutcome::kMalformed;
  }
  return parsed->payload.size() < out.front_size ? MessageOutcome::kMalformed
                                                 : MessageOutcome::kGood;
}

SessionBase::Taken AesSession::open_sealed(const Wrapped& wrapped, const Envelope& envelope,
                                           std::span<const Part> parts) noexcept {
  Taken taken{.encrypted = true, .number = wrapped.number, .data = {}};
  const crypto::Outcome outcome = open_pieces(receive_kit(), theirs_.sealing(),
                                              pieces_of(envelope, parts).view(), envelope.tag);
  if (outcome == crypto::Outcome::kFailed) {
    return taken;
  }
  //= RFC 4121 4.2.4: the header's copy MUST be the header
  // RRC may change on the way, and says nothing that the tag would not.
  MessageHeader inner;
  copy(envelope.tail.last(kAesHeaderSize), inner);
  MessageHeader outer = wrapped.header;
  store_be(std::span(inner).subspan(6), std::uint16_t{0});
  store_be(std::span(outer).subspan(6), std::uint16_t{0});
  const bool genuine = outcome == crypto::Outcome::kDone && equal_secret(inner, outer);
  taken.outcome = genuine ? MessageOutcome::kGood : MessageOutcome::kAltered;
  return taken;
}

SessionBase::Taken AesSession::open_signed(const Wrapped& wrapped, Bytes checksum,
                                           std::span<const Part> parts) noexcept {
  Taken taken{.number = wrapped.number, .data = {}};
  MessageHeader header = wrapped.header;
  set_counts(header, 0, 0);
  Secret<crypto::kChecksumSizeMax> expected;
  if (!make_checksum(receive_kit(), theirs_.wrap, parts, header, expected.reset(checksum.size()))) {
    return taken;
  }
  taken.outcome =
      equal_secret(expected.bytes(), checksum) ? MessageOutcome::kGood : MessageOutcome::kAltered;
  return taken;
}

SessionBase::Taken AesSession::read_wrap(std::span<const Part> parts, MutableBytes token,
                                         Bytes padding) noexcept {
  Wrapped wrapped;
  Taken taken{.outcome = examine(token, wrapped), .data = {}};
  if (taken.outcome != MessageOutcome::kGood) {
    return taken;
  }
  if (!padding.empty() || token.size() != kAesHeaderSize + wrapped.front_size) {
    taken.outcome = MessageOutcome::kMalformed;
    return taken;
  }
  //= RFC 4121 4.2.5: the receiver MUST be able to interpret all RRC values, including those
  //= greater than the length of the token
  const MutableBytes front = token.subspan(kAesHeaderSize);
  PayloadSegments segments(front, parts);
  const std::size_t size = segments.size();
  const std::size_t wanted = wrapped.trailer_size % size;
  const std::size_t is = wrapped.rotation % size;
  if (is != wanted) {
    segments.rotate_left((is + size - wanted) % size);
  }
  return wrapped.sealed ? open_sealed(wrapped, envelope_in(front, profile_), parts)
                        : open_signed(wrapped, front, parts);
}

SessionBase::Taken AesSession::read_stream(MutableBytes message) noexcept {
  Wrapped wrapped;
  Taken taken{.outcome = examine(message, wrapped), .data = {}};
  if (taken.outcome != MessageOutcome::kGood) {
    return taken;
  }
  const MutableBytes payload = message.subspan(kAesHeaderSize);
  const std::size_t data_size = payload.size() - wrapped.front_size;
  const std::size_t wanted = wrapped.trailer_size % payload.size();
  std::size_t is = wrapped.rotation % payload.size();
  if (is != 0 && is != wanted) {
    const std::size_t by = (is + payload.size() - wanted) % payload.size();
    std::rotate(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(by), payload.end());
    is = wanted;
  }
  // Rotated, a message is in Windows' order. As it is, the data stands between the confounder, if
  // there is one, and the trailer.
  const std::size_t before =
      is == 0 ? wrapped.front_size - wrapped.trailer_size : wrapped.front_size;
  const MutableBytes data = payload.subspan(before, data_size);
  const Part part{.bytes = data};
  const MutableBytes trailer =
      is == 0 ? payload.last(wrapped.trailer_size) : payload.first(wrapped.trailer_size);
  if (wrapped.sealed) {
    const std::size_t tail_size = wrapped.trailer_size - profile_.tag_size;
    taken = open_sealed(wrapped,
                        {.tail = trailer.first(tail_size),
                         .tag = trailer.subspan(tail_size),
                         .confounder = payload.subspan(before - profile_.confounder_size,
                                                       profile_.confounder_size)},
                        std::span(&part, 1));
  } else {
    taken = open_signed(wrapped, trailer, std::span(&part, 1));
  }
  taken.data = data;
  return taken;
}

}  // namespace

MessageSizes aes_sizes(const SessionTerms& terms) noexcept {
  const EtypeProfile& profile = *terms.kerberos.profile;
  const std::size_t sealed = kAesHeaderSize + front_size(profile, filler_size(terms));
  return {.signature = static_cast<std::uint32_t>(kAesHeaderSize + profile.checksum_size),
          .trailer = static_cast<std::uint32_t>(sealed)};
}

std::shared_ptr<SessionBase> make_aes_session(const SessionTerms& terms, SessionTools tools) {
  return std::make_shared<AesSession>(terms, std::move(tools));
}

}  // namespace usher::protect
