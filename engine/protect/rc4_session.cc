// Messages of Kerberos with RC4 (RFC 4757 7.2 and 7.3), in the framing of RFC 1964.
//
// What is signed and not sealed does not cover its number: whoever can change messages on the way
// can give one another number, and send it twice. That is RC4's own fault, and every
// implementation's. Sealed messages are encrypted with a key that depends on the number.
#include <algorithm>

#include "engine/crypto/rc4_stream.h"
#include "engine/protect/session_base.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

using crypto::KeyUsage;
using crypto::Kit;

// Behind the framing: header, SND_SEQ, SGN_CKSUM, confounder. The confounder is there even if
// nothing is sealed.
constexpr std::size_t kRc4InnerSize =
    kLegacyHeaderSize + kLegacySequenceSize + kLegacyChecksumSize + kLegacyConfounderSize;
constexpr std::uint8_t kRc4Padding = 1;  // It tells its own size, which is one.

// The framing has 32 bits for how much there is.
constexpr std::size_t kRc4DataSizeMax = 0xffffff00;

// Rc4Token is one in its parts.
struct Rc4Token {
  MutableBytes header;
  MutableBytes sequence;
  MutableBytes checksum;
  MutableBytes confounder;

  explicit Rc4Token(MutableBytes inner) noexcept
      : header(inner.first(kLegacyHeaderSize)),
        sequence(inner.subspan(kLegacyHeaderSize, kLegacySequenceSize)),
        checksum(inner.subspan(kLegacyHeaderSize + kLegacySequenceSize, kLegacyChecksumSize)),
        confounder(inner.subspan(kRc4InnerSize - kLegacyConfounderSize, kLegacyConfounderSize)) {}
};

// Rc4SideKeys are what one side's messages are made with.
struct Rc4SideKeys {
  LegacySigner wrap;
  LegacySigner mic;

  [[nodiscard]] bool derive(Kit& kit, const KerberosMicKey& key, Sender sender) noexcept {
    //= RFC 4757 7.2, 7.3: usage 15 for MIC tokens of both sides, 13 for Wrap tokens
    return make_legacy_signer(kit, key, sender, KeyUsage::kAcceptorSign, wrap) &&
           make_legacy_signer(kit, key, sender, KeyUsage::kLegacyMic, mic);
  }
};

class Rc4Session final : public SessionBase {
 public:
  Rc4Session(const SessionTerms& terms, SessionTools tools) noexcept
      : SessionBase(terms, std::move(tools)), padding_size_(terms.dce_style ? 0 : 1) {}

  bool derive(const SessionTerms& terms) noexcept override {
    const Sender peer = terms.self == Sender::kAcceptor ? Sender::kInitiator : Sender::kAcceptor;
    //= RFC 4757 7.3: the cipher's key comes from Klocal, the key with 0xf0 added to each byte
    KerberosMicKey local = terms.kerberos;
    Secret<crypto::kMd5Size> changed;
    const MutableBytes bytes = changed.reset(local.key.size());
    std::ranges::transform(local.key, bytes.begin(), [](std::uint8_t byte) {
      return static_cast<std::uint8_t>(byte ^ 0xf0);
    });
    return ours_.derive(send_kit(), terms.kerberos, terms.self) &&
           theirs_.derive(send_kit(), terms.kerberos, peer) &&
           derive_encryption(send_kit(), *local.profile, changed.bytes(), KeyUsage::kLegacySequence,
                             seal_);
  }

 protected:
  Sealed write_wrap(std::span<const Part> parts, bool encrypt, std::uint64_t number,
                    MutableBytes token, MutableBytes padding) noexcept override;
  Taken read_wrap(std::span<const Part> parts, MutableBytes token, Bytes padding) noexcept override;
  Taken read_stream(MutableBytes message) noexcept override;
  bool write_mic(Covered message, std::uint64_t number, MutableBytes out) noexcept override {
    return write_legacy_mic(send_kit(), ours_.mic, static_cast<std::uint32_t>(number), message,
                            out);
  }
  Taken read_mic(Covered message, Bytes token) noexcept override {
    Taken taken;
    std::uint32_t number = 0;
    taken.outcome = check_legacy_mic(receive_kit(), theirs_.mic, message, token, number);
    taken.number = number;
    return taken;
  }

 private:
  // framing_for is what stands before a token with so much data and padding.
  [[nodiscard]] LegacyFraming framing_for(std::size_t data_size) const noexcept {
    //= RFC 4757 7.3: in DCE style the length counts the token alone
    return LegacyFraming(kRc4InnerSize + (padding_size_ == 0 ? 0 : data_size));
  }

  // make_checksum makes it over the plaintext.
  [[nodiscard]] static bool make_checksum(Kit& kit, const LegacySigner& signer,
                                          const Rc4Token& token, std::span<const Part> parts,
                                          Bytes padding, LegacyChecksum& out) noexcept;
  // run encrypts or decrypts all that is sealed; false only if OpenSSL fails.
  [[nodiscard]] bool run(Kit& kit, std::uint32_t number, const Rc4Token& token,
                         std::span<const Part> parts, MutableBytes padding) const noexcept;
  [[nodiscard]] Taken read_token(const Rc4Token& token, std::span<const Part> parts,
                                 MutableBytes padding) noexcept;

  const std::size_t padding_size_;
  Rc4SideKeys ours_;
  Rc4SideKeys theirs_;
  crypto::Key seal_;
};

bool Rc4Session::make_checksum(Kit& kit, const LegacySigner& signer, const Rc4Token& token,
                               std::span<const Part> parts, Bytes padding,
                               LegacyChecksum& out) noexcept {
  PieceList<Bytes> covered;
  covered.add(token.header);
  covered.add(token.confounder);
  for (const Part& part : parts) {
    covered.add(part.bytes);
  }
  covered.add(padding);
  return sign_legacy(kit, signer, covered.view(), out);
}

bool Rc4Session::run(Kit& kit, std::uint32_t number, const Rc4Token& token,
                     std::span<const Part> parts, MutableBytes padding) const noexcept {
  std::array<std::uint8_t, sizeof(number)> salt;
  store_be(std::span(salt), number);
  const Bytes salts[] = {salt};
  Secret<crypto::kMd5Size> key;
  if (!kit.hmac_md5(seal_.bytes(), salts, key.reset(crypto::kMd5Size))) {
    return false;
  }
  crypto::Rc4Stream stream;
  stream.start(key.bytes());
  stream.run(token.confounder);
  for (const Part& part : parts) {
    if (part.use == Part::Use::kSealed) {
      stream.run(part.bytes);
    }
  }
  stream.run(padding);
  return true;
}

Session::Sealed Rc4Session::write_wrap(std::span<const Part> parts, bool encrypt,
                                       std::uint64_t number, MutableBytes token,
                                       MutableBytes padding) noexcept {
  const std::size_t data_size = sealed_size(parts);
  if (data_size > kRc4DataSizeMax) {
    return {.outcome = MessageOutcome::kMalformed};
  }
  const LegacyFraming framing = framing_for(data_size + padding_size_);
  const std::size_t token_size = framing.bytes().size() + kRc4InnerSize;
  if (token.size() < token_size || padding.size() < padding_size_) {
    return {.outcome = MessageOutcome::kNoRoom};
  }
  copy(framing.bytes(), token);
  const Rc4Token fields(token.subspan(framing.bytes().size(), kRc4InnerSize));
  copy(encrypt ? kLegacySealedHeader : kLegacySignedHeader, fields.header);
  padding = padding.first(padding_size_);
  std::ranges::fill(padding, kRc4Padding);
  const auto number32 = static_cast<std::uint32_t>(number);
  LegacyChecksum checksum;
  LegacySequence sequence;
  const bool done = draw(fields.confounder) &&
                    make_checksum(send_kit(), ours_.wrap, fields, parts, padding, checksum) &&
                    seal_sequence(send_kit(), ours_.wrap, number32, checksum, sequence) &&
                    (!encrypt || run(send_kit(), number32, fields, parts, padding));
  if (!done) {
    return {};
  }
  copy(checksum, fields.checksum);
  copy(sequence, fields.sequence);
  return {
      .outcome = MessageOutcome::kGood, .token_size = token_size, .padding_size = padding_size_};
}

// read_token decides a token whose framing is right.
SessionBase::Taken Rc4Session::read_token(const Rc4Token& token, std::span<const Part> parts,
                                          MutableBytes padding) noexcept {
  Taken taken{.data = {}};
  taken.encrypted = std::ranges::equal(token.header, kLegacySealedHeader);
  if (!taken.encrypted && !std::ranges::equal(token.header, kLegacySignedHeader)) {
    taken.outcome = MessageOutcome::kMalformed;
    return taken;
  }
  std::uint32_t number = 0;
  bool right_side = false;
  LegacyChecksum expected;
  if (!open_sequence(receive_kit(), theirs_.wrap, token.sequence, token.checksum, number,
                     right_side) ||
      (taken.encrypted && !run(receive_kit(), number, token, parts, padding)) ||
      !make_checksum(receive_kit(), theirs_.wrap, token, parts, padding, expected)) {
    return taken;
  }
  taken.number = number;
  taken.outcome = right_side && equal_secret(expected, token.checksum) ? MessageOutcome::kGood
                                                                       : MessageOutcome::kAltered;
  return taken;
}

SessionBase::Taken Rc4Session::read_wrap(std::span<const Part> parts, MutableBytes token,
                                         Bytes padding) noexcept {
  const std::size_t data_size = sealed_size(parts) + padding.size();
  const LegacyFraming framing = framing_for(data_size);
  const std::size_t framing_size = framing.bytes().size();
  Taken taken{.outcome = MessageOutcome::kMalformed, .data = {}};
  if (token.size() != framing_size + kRc4InnerSize || padding.size() > padding_size_ ||
      data_size < padding_size_ || data_size > kRc4DataSizeMax ||
      !std::ranges::equal(token.first(framing_size), framing.bytes())) {
    return taken;
  }
  std::array<std::uint8_t, 1> room{};
  const MutableBytes own = std::span(room).first(padding.size());
  copy(padding, own);
  taken = read_token(Rc4Token(token.subspan(framing_size)), parts, own);
  taken.padding_in_data = padding_size_ - padding.size();
  std::uint8_t last = padding_size_ == 0 ? kRc4Padding : room[0];
  for (const Part& part : parts) {
    if (taken.padding_in_data > 0 && part.use == Part::Use::kSealed && !part.bytes.empty()) {
      last = part.bytes.back();
    }
  }
  if (taken.outcome == MessageOutcome::kGood && last != kRc4Padding) {
    taken.outcome = MessageOutcome::kMalformed;
  }
  return taken;
}

SessionBase::Taken Rc4Session::read_stream(MutableBytes message) noexcept {
  // The framing's own size follows from what is there altogether.
  for (std::size_t size = LegacyFraming(0).bytes().size(); size <= kLegacyFramingSizeMax; ++size) {
    if (message.size() < size + kRc4InnerSize) {
      break;
    }
    const Part part{.bytes = message.subspan(size + kRc4InnerSize)};
    if (framing_for(part.bytes.size()).bytes().size() == size) {
      Taken taken =
          read_wrap(std::span(&part, 1), message.first(size + kRc4InnerSize), /*padding=*/{});
      taken.data =
          part.bytes.first(part.bytes.size() - std::min(part.bytes.size(), taken.padding_in_data));
      return taken;
    }
  }
  return {.outcome = MessageOutcome::kMalformed, .data = {}};
}

}  // namespace

MessageSizes rc4_sizes(const SessionTerms& terms) noexcept {
  const LegacyFraming longest(kRc4InnerSize + (terms.dce_style ? 0 : kRc4DataSizeMax));
  return {.signature = kLegacyMicSize,
          .trailer = static_cast<std::uint32_t>(longest.bytes().size() + kRc4InnerSize)};
}

std::shared_ptr<SessionBase> make_rc4_session(const SessionTerms& terms, SessionTools tools) {
  return std::make_shared<Rc4Session>(terms, std::move(tools));
}

}  // namespace usher::protect
