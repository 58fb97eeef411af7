// engine/protect/message.h: what a session takes of a peer that has its keys and says anything, of
// one that has not, and of one that seals as we do. An input is one message: a mechanism, how it is
// made and cut, a token's header, and what is in it.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/crypto/sealing.h"
#include "engine/protect/session_base.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {
namespace {

using protect::MessageOutcome;
using protect::Part;
using protect::Sender;
using protect::Session;

constexpr std::size_t kHeaderSize = gss::kMessageHeaderSize;
constexpr std::size_t kContentSizeMax = 4096;

// Input is what the bytes mean.
struct Input {
  std::int32_t etype = 0;  // 0: NTLM.
  bool dce_style = false;
  bool key_exchange = false;
  std::uint8_t way = 0;
  std::uint8_t what = 0;    // Which change is tried.
  std::uint16_t where = 0;  // And where; where a message is cut.
  Bytes header;             // 16 bytes.
  Bytes content;

  [[nodiscard]] bool aes() const { return etype != 0 && etype != 23; }
};

Bytes key_of(std::int32_t etype) {
  static const Octets key = [] {
    Octets octets(32);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      octets[i] = static_cast<std::uint8_t>(i + 1);
    }
    return octets;
  }();
  return Bytes(key).first(etype == 18 || etype == 20 ? 32 : 16);
}

protect::KerberosMicKey kerberos_key(const Input& input) {
  return {.profile = crypto::profile_of(input.etype), .key = key_of(input.etype)};
}

std::shared_ptr<Session> make_session(const Input& input, Sender self, bool ordered) {
  using ntlm::NegotiateFlags;
  static ConstantRandom random;
  protect::SessionTerms terms{
      .ntlm = input.etype == 0,
      .flags = gss::ContextFlags(
          std::uint32_t(gss::ContextFlags::kConfidentiality) |
          (ordered ? std::uint32_t(gss::ContextFlags::kSequence) : std::uint32_t{0})),
      .dce_style = input.dce_style,
      .self = self};
  if (terms.ntlm) {
    terms.ntlm_key = {
        .exported_session_key = key_of(0),
        .flags = NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k128 |
                 (input.key_exchange ? NegotiateFlags::kKeyExchange : NegotiateFlags{})};
  } else {
    terms.kerberos = kerberos_key(input);
  }
  std::shared_ptr<Session> session =
      protect::make_session(terms, {.send = make_kit(), .receive = make_kit(), .random = &random});
  check(session != nullptr, "a session can be made");
  return session;
}

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// open_both opens a message as a stream and, its token cut off where ours would end, in two parts;
// both must say the same. It returns whether it was good, and the data.
bool open_both(const Input& input, const Octets& wire, std::size_t token_size, Octets& data) {
  Octets stream = wire;
  const auto opened = make_session(input, Sender::kAcceptor, false)->open_stream(stream);
  const bool good = opened.outcome == MessageOutcome::kGood;
  check(good || all_zero(stream), "nothing is left of a message that is not good");
  check(within(opened.data, stream), "the data lies in the message");
  data.assign(opened.data.begin(), opened.data.end());
  check(opened.outcome != MessageOutcome::kFailed, "OpenSSL does not fail");

  token_size = std::min(token_size, wire.size());
  Octets token(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(token_size));
  Octets rest(wire.begin() + static_cast<std::ptrdiff_t>(token_size), wire.end());
  const MutableBytes all = rest;
  const std::size_t cut = rest.empty() ? 0 : input.where % rest.size();
  const std::array<Part, 2> parts = {Part{.bytes = all.first(cut)},
                                     Part{.bytes = all.subspan(cut)}};
  const Session::Opened in_parts =
      make_session(input, Sender::kAcceptor, false)->open(parts, token, {});
  if (in_parts.outcome == MessageOutcome::kGood) {
    check(good && in_parts.encrypted == opened.encrypted, "parts are good if the stream is");
    check(in_parts.padding_in_data <= rest.size(), "padding is in the data");
    rest.resize(rest.size() - in_parts.padding_in_data);
    check(rest == data, "parts and stream are the same data");
  } else {
    check(all_zero(rest), "nothing is left of parts that are not good");
  }
  check(!good || in_parts.outcome == MessageOutcome::kGood ||
            in_parts.outcome == MessageOutcome::kMalformed,
        "parts fail by their sizes alone if the stream is good");
  return good;
}

// Without the keys: bytes that are what they are.
void run_raw(const Input& input) {
  Octets wire(input.header.begin(), input.header.end());
  wire.insert(wire.end(), input.content.begin(), input.content.end());
  Octets data;
  open_both(input, wire, input.where % (wire.size() + 1), data);
  Octets message = wire;
  const Part part{.bytes = message};
  const MessageOutcome outcome =
      make_session(input, Sender::kAcceptor, true)->verify(std::span(&part, 1), input.content);
  check(outcome != MessageOutcome::kFailed && message == wire, "a text stays as it is");
}

// With the keys, AES: any header, and any plaintext under it.
void run_forged_aes(const Input& input) {
  static const std::unique_ptr<crypto::Kit> kit = make_kit();
  const crypto::EtypeProfile& profile = *crypto::profile_of(input.etype);
  const bool sealed = (input.header[2] & gss::kSealed) != 0;
  const std::size_t extra_count = load_be<std::uint16_t>(input.header.subspan(4));
  const std::size_t rotation = load_be<std::uint16_t>(input.header.subspan(6)) +
                               (sealed && input.dce_style ? extra_count : 0);
  const std::size_t tag_size = sealed ? profile.overhead() : profile.checksum_size;
  Octets payload(input.content.size() + tag_size);
  if (sealed) {
    const Octets confounder(profile.confounder_size, 0x5a);
    check(crypto::seal(*kit, profile, key_of(input.etype), crypto::KeyUsage::kInitiatorSeal,
                       confounder, input.content, payload),
          "OpenSSL does not fail");
  } else {
    Octets header(input.header.begin(), input.header.end());
    std::fill_n(header.begin() + 4, 4, std::uint8_t{0});
    const Bytes covered[] = {input.content, header};
    crypto::ChecksumKey key;
    std::ranges::copy(input.content, payload.begin());
    check(crypto::make_checksum_key(*kit, profile, key_of(input.etype),
                                    crypto::KeyUsage::kInitiatorSeal, key) &&
              crypto::write_checksum(*kit, key, covered,
                                     MutableBytes(payload).subspan(input.content.size())),
          "OpenSSL does not fail");
  }
  std::rotate(payload.begin(),
              payload.end() - static_cast<std::ptrdiff_t>(rotation % payload.size()),
              payload.end());
  Octets wire(input.header.begin(), input.header.end());
  wire.insert(wire.end(), payload.begin(), payload.end());

  // The model: what RFC 4121 wants of header and plaintext.
  bool right = input.header[0] == 0x05 && input.header[1] == 0x04 && input.header[3] == 0xff &&
               (input.header[2] & (gss::kSentByAcceptor | gss::kAcceptorSubkey)) == 0;
  std::size_t data_size = input.content.size();
  if (sealed) {
    right = right && data_size >= extra_count + kHeaderSize;
    if (right) {
      const Bytes copy = input.content.last(kHeaderSize);
      right = std::ranges::equal(copy.first(6), input.header.first(6)) &&
              std::ranges::equal(copy.subspan(8), input.header.subspan(8));
      data_size -= extra_count + kHeaderSize;
    }
  } else {
    right = right && extra_count == profile.checksum_size;
  }
  Octets data;
  const std::size_t token_size =
      kHeaderSize + (sealed ? extra_count + kHeaderSize + profile.overhead() : extra_count);
  check(open_both(input, wire, token_size, data) == right, "taken exactly if a model says so");
  check(!right || std::ranges::equal(data, input.content.first(data_size)),
        "what was sealed is what is opened");
}

// With the keys, RC4: any header, number and direction, and any plaintext.
void run_forged_rc4(const Input& input) {
  static const std::unique_ptr<crypto::Kit> kit = make_kit();
  protect::LegacySigner signer;
  check(protect::make_legacy_signer(*kit, kerberos_key(input), Sender::kInitiator,
                                    crypto::KeyUsage::kAcceptorSign, signer),
        "OpenSSL does not fail");
  signer.direction = (input.header[12] & 1) != 0 ? input.header[13] : signer.direction;
  const Bytes header = input.header.first(protect::kLegacyHeaderSize);
  const auto number = load_be<std::uint32_t>(input.header.subspan(8));
  const bool sealed = std::ranges::equal(header, protect::kLegacySealedHeader);
  Octets body(protect::kLegacyConfounderSize, 0x5a);
  body.insert(body.end(), input.content.begin(), input.content.end());
  const Bytes covered[] = {header, body};
  protect::LegacyChecksum checksum;
  protect::LegacySequence sequence;
  check(protect::sign_legacy(*kit, signer, covered, checksum) &&
            protect::seal_sequence(*kit, signer, number, checksum, sequence),
        "OpenSSL does not fail");
  if (sealed) {
    Octets local(16);
    std::ranges::transform(key_of(23), local.begin(), [](std::uint8_t byte) {
      return static_cast<std::uint8_t>(byte ^ 0xf0);
    });
    crypto::Key base;
    std::array<std::uint8_t, 4> salt;
    store_be(MutableBytes(salt), number);
    const Bytes salts[] = {salt};
    Octets key(16);
    check(crypto::derive_encryption(*kit, *signer.checksum.profile, local,
                                    crypto::KeyUsage::kLegacySequence, base) &&
              kit->hmac_md5(base.bytes(), salts, key) && kit->rc4(key, body, body),
          "OpenSSL does not fail");
  }
  const protect::LegacyFraming framing(24 + (input.dce_style ? 8 : body.size()));
  Octets wire(framing.bytes().begin(), framing.bytes().end());
  for (const Bytes part : {header, Bytes(sequence), Bytes(checksum), Bytes(body)}) {
    wire.insert(wire.end(), part.begin(), part.end());
  }
  bool right =
      (sealed || std::ranges::equal(header, protect::kLegacySignedHeader)) && signer.direction == 0;
  std::size_t data_size = input.content.size();
  if (!input.dce_style) {
    right = right && data_size > 0 && input.content.back() == 1;
    data_size -= right ? 1 : 0;
  }
  Octets data;
  check(open_both(input, wire, framing.bytes().size() + 32, data) == right,
        "taken exactly if a model says so");
  check(!right || std::ranges::equal(data, input.content.first(data_size)),
        "what was sealed is what is opened");
}

// As we seal: what one side makes the other takes, once, and not if one bit is another.
void run_mirrored(const Input& input) {
  const auto client = make_session(input, Sender::kInitiator, true);
  const auto server = make_session(input, Sender::kAcceptor, true);
  const bool encrypt = input.etype == 0 || (input.what & 1) == 0;
  Octets data(input.content.begin(), input.content.end());
  const MutableBytes all = data;
  const std::size_t cut = data.empty() ? 0 : input.where % data.size();
  const std::array<Part, 2> parts = {
      Part{.use = (input.what & 2) != 0 ? Part::Use::kSigned : Part::Use::kSealed,
           .bytes = all.first(cut)},
      Part{.bytes = all.subspan(cut)}};
  Octets token(client->sizes().trailer);
  Octets padding(1);
  const Session::Sealed sealed = client->seal(parts, encrypt, token, padding);
  check(sealed.outcome == MessageOutcome::kGood, "what is there can be sealed");
  check(sealed.token_size <= token.size(), "a token is as long as was said");
  token.resize(sealed.token_size);
  padding.resize(sealed.padding_size);
  const Octets good_token = token;
  const Octets good_data = data;

  if (!data.empty() || (input.what & 4) != 0) {
    const auto bit = static_cast<std::uint8_t>(1u << (input.header[0] & 7));
    const std::size_t at = load_be<std::uint16_t>(input.header.subspan(1));
    Octets& changed = (input.what & 4) != 0 ? token : data;
    changed[at % changed.size()] ^= bit;
    // RRC is not signed, and those that are the same modulo a message's size are the same.
    if (input.aes() && &changed == &token && (at % changed.size()) / 2 == 3) {
      const Session::Opened turned = server->open(parts, token, padding);
      check(turned.outcome != MessageOutcome::kGood || std::ranges::equal(data, input.content),
            "what is good is what was sealed");
      return;
    }
    check(server->open(parts, token, padding).outcome != MessageOutcome::kGood,
          "a bit of a message changed");
    check(all_zero(parts[1].bytes), "nothing is left of it");
    std::ranges::copy(good_data, data.begin());
    token = good_token;
    // RC4 does not sign its numbers: one that was changed may have moved what is expected.
    if (input.etype == 23 && !encrypt) {
      return;
    }
  }
  const Session::Opened opened = server->open(parts, token, padding);
  check(opened.outcome == MessageOutcome::kGood && opened.encrypted == encrypt,
        "what was sealed can be opened");
  check(std::ranges::equal(data, input.content), "and is what it was");
  std::ranges::copy(good_data, data.begin());
  token = good_token;
  check(server->open(parts, token, padding).outcome == MessageOutcome::kReplayed,
        "but not a second time");
}

}  // namespace

void run_one(Bytes bytes) {
  constexpr std::array<std::int32_t, 8> kEtypes = {18, 17, 20, 19, 23, 0, 23, 0};
  constexpr std::size_t kHeadSize = 5 + kHeaderSize;
  if (bytes.size() < kHeadSize) {
    return;
  }
  const Input input{
      .etype = kEtypes[bytes[0] & 7],
      .dce_style = (bytes[0] & 8) != 0,
      .key_exchange = (bytes[0] & 16) != 0,
      .way = static_cast<std::uint8_t>(bytes[1] % 3),
      .what = bytes[2],
      .where = load_be<std::uint16_t>(bytes.subspan(3)),
      .header = bytes.subspan(5, kHeaderSize),
      .content = bytes.subspan(kHeadSize, std::min(bytes.size() - kHeadSize, kContentSizeMax))};
  if (input.way == 0) {
    run_raw(input);
  } else if (input.way == 1 || input.etype == 0) {
    run_mirrored(input);
  } else if (input.aes()) {
    run_forged_aes(input);
  } else {
    run_forged_rc4(input);
  }
}

}  // namespace usher::fuzz
