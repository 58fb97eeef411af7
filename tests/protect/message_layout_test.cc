// engine/protect: tokens are laid out as Windows has them, all layouts that RFC 4121 allows are
// taken, NTLM's bytes are those MS-NLMP prints, and a library that fails costs a message, no more.
#include <gtest/gtest.h>

#include "tests/hex.h"
#include "tests/protect/session_pair.h"

namespace usher::protect {
namespace {

using namespace usher::protect::testing;
using crypto::Kit;
using ntlm::NegotiateFlags;
using usher::testing::hex;
using usher::testing::Octets;
using usher::testing::utf16;
using enum MessageOutcome;

class AesLayout : public ::testing::TestWithParam<Mechanism> {
 protected:
  std::size_t tag() const { return crypto::profile_of(GetParam().etype)->tag_size; }

  const std::shared_ptr<Session> client_ = Session::make(terms_of(GetParam(), Sender::kInitiator));
  // Without order, so that one message can be tried in many forms.
  std::shared_ptr<Session> server() const {
    return Session::make(
        terms_of(GetParam(), Sender::kAcceptor, gss::ContextFlags::kConfidentiality));
  }
};
std::vector<Mechanism> aes_mechanisms() {
  std::vector<Mechanism> out = all_mechanisms();
  std::erase_if(out, [](const Mechanism& m) { return !m.aes(); });
  return out;
}
INSTANTIATE_TEST_SUITE_P(Etype, AesLayout, ::testing::ValuesIn(aes_mechanisms()), name_of);

TEST_P(AesLayout, IsTheOneOfWindows) {
  // MS-KILE 3.4.5.4.1: header, filler, the header's copy, tag, confounder. EC is 16 in DCE style,
  // and nothing otherwise; RRC is 28 with a tag of 12 bytes.
  Message sealed = seal(*client_, {text(40)});
  const std::size_t filler = GetParam().dce_style ? 16 : 0;
  EXPECT_EQ(sealed.token.size(), 16 + filler + 16 + tag() + 16);
  Octets header = hex("0504 02 ff 0000 0000 0000000000001234");
  header[2] = static_cast<std::uint8_t>(2 | (GetParam().acceptor_subkey ? 4 : 0));
  header[5] = static_cast<std::uint8_t>(filler);
  header[7] = static_cast<std::uint8_t>(16 + tag());
  EXPECT_EQ(Octets(sealed.token.begin(), sealed.token.begin() + 16), header);

  Message plain = seal(*client_, {text(40)}, false);
  EXPECT_EQ(plain.token.size(), 16 + tag());
  header[2] ^= 2;
  header[5] = static_cast<std::uint8_t>(tag());
  header[7] = static_cast<std::uint8_t>(tag());
  header[15] = 0x35;
  EXPECT_EQ(Octets(plain.token.begin(), plain.token.begin() + 16), header);
  EXPECT_EQ(plain.parts[0], text(40));
}

TEST_P(AesLayout, EveryRotationIsTaken) {
  for (const bool encrypt : {true, false}) {
    const Message message = seal(*client_, {text(29)}, encrypt);
    const Octets wire = message.stream();
    const std::size_t size = wire.size() - 16;
    // rotated_to is the message with another RRC.
    const auto rotated_to = [&](std::size_t rotation) {
      Octets out = wire;
      const std::size_t extra = GetParam().dce_style && encrypt ? 16 : 0;
      const std::size_t is = (wire[7] + extra) % size;
      const std::size_t wanted = (rotation + extra) % size;
      const auto payload = out.begin() + 16;
      std::rotate(payload, payload + static_cast<std::ptrdiff_t>((is + size - wanted) % size),
                  out.end());
      store_be(MutableBytes(out).subspan(6), static_cast<std::uint16_t>(rotation));
      return out;
    };
    const std::shared_ptr<Session> server = this->server();
    for (std::size_t rotation = 0; rotation < 3 * size; ++rotation) {
      Octets stream = rotated_to(rotation);
      const Session::OpenedStream opened = server->open_stream(stream);
      ASSERT_EQ(opened.outcome, kGood) << rotation;
      ASSERT_EQ(Octets(opened.data.begin(), opened.data.end()), text(29)) << rotation;

      const Octets same = rotated_to(rotation);
      Message parts = message;
      const auto token_end = same.begin() + static_cast<std::ptrdiff_t>(message.token.size());
      parts.token.assign(same.begin(), token_end);
      parts.parts = {Octets(token_end, token_end + 7), {}, Octets(token_end + 7, same.end())};
      ASSERT_EQ(open(*server, parts).outcome, kGood) << rotation;
      ASSERT_EQ(parts.data(), text(29)) << rotation;

      // It is not true that RRC does not matter.
      Octets wrong = rotated_to(rotation);
      wrong[7] ^= 1;
      ASSERT_NE(server->open_stream(wrong).outcome, kGood) << rotation;
    }
    Octets most = rotated_to(0xffff);
    EXPECT_EQ(server->open_stream(most).outcome, kGood);
  }
}

// Forged is a message in the order of RFC 4121 4.2.4, made by hand, with any EC and flags;
// `changed` is a bit of the header's copy that is another one. RRC is zero.
struct Forged {
  std::size_t filler = 0;
  std::uint8_t flags = gss::kSealed;
  std::size_t changed = kNothing;
  static constexpr std::size_t kNothing = ~std::size_t{0};
};
Octets forge(const Mechanism& mechanism, const Forged& what) {
  const crypto::EtypeProfile& profile = *crypto::profile_of(mechanism.etype);
  const std::unique_ptr<Kit> kit = Kit::make();
  Octets header = hex("0504 00 ff 0000 0000 0000000000000007");
  header[2] = static_cast<std::uint8_t>(what.flags | (mechanism.acceptor_subkey ? 4 : 0));
  store_be(MutableBytes(header).subspan(4), static_cast<std::uint16_t>(what.filler));
  Octets inside = text(25);
  inside.insert(inside.end(), what.filler, 0x77);
  inside.insert(inside.end(), header.begin(), header.end());
  if (what.changed != Forged::kNothing) {
    inside[inside.size() - 16 + what.changed / 8] ^=
        static_cast<std::uint8_t>(1u << what.changed % 8);
  }
  Octets cipher(profile.overhead() + inside.size());
  EXPECT_TRUE(crypto::seal(*kit, profile, key_of(mechanism), crypto::KeyUsage::kInitiatorSeal,
                           Octets(profile.confounder_size, 0x42), inside, cipher));
  if (mechanism.dce_style) {  // EC counts as rotation.
    std::rotate(cipher.begin(), cipher.end() - static_cast<std::ptrdiff_t>(what.filler),
                cipher.end());
  }
  Octets stream = header;
  stream.insert(stream.end(), cipher.begin(), cipher.end());
  return stream;
}

TEST_P(AesLayout, ASenderMayUseAnyFillerAndFlagsWeDoNotKnow) {
  const std::shared_ptr<Session> server = this->server();
  for (const std::size_t filler : {0u, 1u, 16u, 300u}) {
    for (const std::uint8_t flags : std::array<std::uint8_t, 3>{0x02, 0xf2, 0x0a}) {
      Octets stream = forge(GetParam(), {.filler = filler, .flags = flags});
      const Session::OpenedStream opened = server->open_stream(stream);
      ASSERT_EQ(opened.outcome, kGood) << filler;
      EXPECT_EQ(Octets(opened.data.begin(), opened.data.end()), text(25)) << filler;
    }
  }
}

// Whoever has the key must still say whose it is, and who speaks.
TEST_P(AesLayout, FlagsOfTheOtherSideOrOfAnotherKeyAreRefused) {
  const std::shared_ptr<Session> server = this->server();
  Mechanism other = GetParam();
  other.acceptor_subkey = !other.acceptor_subkey;
  Octets stream = forge(other, {});
  EXPECT_EQ(server->open_stream(stream).outcome, kAltered);
  stream = forge(GetParam(), {.flags = gss::kSealed | gss::kSentByAcceptor});
  EXPECT_EQ(server->open_stream(stream).outcome, kAltered);
  stream = forge(GetParam(), {});
  EXPECT_EQ(server->open_stream(stream).outcome, kGood);
}

// C5: whoever changes EC on the way decides how much of the data is thrown away.
TEST_P(AesLayout, AHeaderThatIsNotItsSealedCopyIsRefusedButForRrc) {
  const std::shared_ptr<Session> server = this->server();
  for (std::size_t bit = 0; bit < 8 * 16; ++bit) {
    Octets stream = forge(GetParam(), {.filler = 3, .changed = bit});
    const bool in_rrc = bit / 8 == 6 || bit / 8 == 7;
    EXPECT_EQ(server->open_stream(stream).outcome, in_rrc ? kGood : kAltered) << bit;
  }
}

// C4, and the other way round.
TEST_P(AesLayout, TokensOfRc4AreNone) {
  const Mechanism rc4{.etype = 23, .dce_style = GetParam().dce_style};
  const auto other = Session::make(terms_of(rc4, Sender::kInitiator));
  for (const bool encrypt : {true, false}) {
    Message message = seal(*other, {text(40)}, encrypt);
    Octets wire = message.stream();
    EXPECT_EQ(server()->open_stream(wire).outcome, kMalformed);
    EXPECT_EQ(open(*server(), message).outcome, kMalformed);
    const auto legacy = Session::make(terms_of(rc4, Sender::kAcceptor));
    Octets aes = seal(*client_, {text(40)}, encrypt).stream();
    EXPECT_EQ(legacy->open_stream(aes).outcome, kMalformed);
  }
  EXPECT_EQ(verify(*server(), text(4), sign(*other, text(4)).token), kMalformed);
}

TEST(Rc4Layout, IsTheOneOfRfc4757) {
  for (const bool dce : {false, true}) {
    const Mechanism mechanism{.etype = 23, .dce_style = dce};
    const std::shared_ptr<Session> client = Session::make(terms_of(mechanism, Sender::kInitiator));
    const Message sealed = seal(*client, {text(40)});
    Octets start = hex("60 2b 0609 2a864886f712010202 0201 1100 1000 ffff");
    start[1] = static_cast<std::uint8_t>(0x2b + (dce ? 0 : 41));
    EXPECT_EQ(Octets(sealed.token.begin(), sealed.token.begin() + 21), start);
    const Message plain = seal(*client, {text(40)}, false);
    start[17] = 0xff;
    start[18] = 0xff;
    EXPECT_EQ(Octets(plain.token.begin(), plain.token.begin() + 21), start);
    EXPECT_EQ(plain.padding, dce ? Octets{} : Octets{1});
    EXPECT_EQ(plain.parts[0], text(40));
  }
}

TEST(Rc4Layout, PaddingMayBeTheEndOfTheData) {
  const Mechanism mechanism{.etype = 23};
  const std::shared_ptr<Session> client = Session::make(terms_of(mechanism, Sender::kInitiator));
  const std::shared_ptr<Session> server = Session::make(terms_of(mechanism, Sender::kAcceptor));
  Message message = seal(*client, {text(10), text(6)});
  message.parts[1].push_back(message.padding[0]);
  message.parts.emplace_back();
  message.padding.clear();
  const Session::Opened opened = open(*server, message);
  EXPECT_EQ(opened.outcome, kGood);
  EXPECT_EQ(opened.padding_in_data, 1u);
  EXPECT_EQ(message.parts[0], text(10));
  message.parts[1].pop_back();
  EXPECT_EQ(message.parts[1], text(6));
}

// C4: padding that says it is more than there is.
TEST(Rc4Layout, PaddingThatIsNotOneByteOfOneIsRefused) {
  const Mechanism mechanism{.etype = 23};
  const SessionTerms terms = terms_of(mechanism, Sender::kAcceptor);
  const std::unique_ptr<Kit> kit = Kit::make();
  LegacySigner signer;
  ASSERT_TRUE(make_legacy_signer(*kit, terms.kerberos, Sender::kInitiator,
                                 crypto::KeyUsage::kAcceptorSign, signer));
  for (const std::size_t padding : {0u, 1u, 2u, 8u, 9u, 255u}) {
    Octets body(8, 0x42);  // The confounder.
    const Octets data = text(20);
    body.insert(body.end(), data.begin(), data.end());
    body.push_back(static_cast<std::uint8_t>(padding));
    const Bytes covered[] = {kLegacySignedHeader, body};
    LegacyChecksum checksum;
    LegacySequence sequence;
    ASSERT_TRUE(sign_legacy(*kit, signer, covered, checksum) &&
                seal_sequence(*kit, signer, kInitiatorFirst, checksum, sequence));
    const LegacyFraming framing(24 + body.size());
    Octets wire(framing.bytes().begin(), framing.bytes().end());
    for (const Bytes part :
         {Bytes(kLegacySignedHeader), Bytes(sequence), Bytes(checksum), Bytes(body)}) {
      wire.insert(wire.end(), part.begin(), part.end());
    }
    EXPECT_EQ(Session::make(terms)->open_stream(wire).outcome, padding == 1 ? kGood : kMalformed)
        << padding;
  }
}

TEST(NtlmLayout, SealedMessagesAreThoseMsNlmpPrints) {
  struct Printed {
    const char* key;
    NegotiateFlags flags;
    const char* data;
    const char* signature;
  };
  const Printed cases[] = {
      // 4.2.4.4: NTLMv2, with a key exchanged.
      {"55555555555555555555555555555555",
       NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k128 |
           NegotiateFlags::kKeyExchange,
       "54e50165bf1936dc996020c1811b0f06fb5f", "01000000 7fb38ec5c55d4976 00000000"},
      // 4.2.3.4: NTLMv1 with extended session security, no key exchanged.
      {"eb93429a8bd952f8b89c55b87f475edc",
       NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k56,
       "a02372f6530273f3aa1eb90190ce5200c99d", "01000000 ff2aeb52f681793a 00000000"},
  };
  for (const Printed& c : cases) {
    const Octets key = hex(c.key);
    SessionTerms terms{.ntlm = true,
                       .ntlm_key = {.exported_session_key = key, .flags = c.flags},
                       .flags = kUsual,
                       .self = Sender::kInitiator};
    const std::shared_ptr<Session> client = Session::make(terms);
    terms.self = Sender::kAcceptor;
    const std::shared_ptr<Session> server = Session::make(terms);
    Message message = seal(*client, {utf16("Plaintext")});
    EXPECT_EQ(message.parts[0], hex(c.data));
    EXPECT_EQ(message.token, hex(c.signature));
    EXPECT_EQ(open(*server, message).outcome, kGood);
    EXPECT_EQ(message.parts[0], utf16("Plaintext"));
  }
}

TEST(NtlmLayout, WithoutExtendedSessionSecurityThereIsNothing) {
  // 4.2.2.4's kind, whose checksum is a CRC: nobody gets it.
  const Mechanism old{.ntlm_flags = NegotiateFlags::k128 | NegotiateFlags::kKeyExchange};
  const std::shared_ptr<Session> session = Session::make(terms_of(old, Sender::kAcceptor));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(seal(*session, {text(4)}).sealed.outcome, kNotNegotiated);
  EXPECT_EQ(sign(*session, text(4)).sealed.outcome, kNotNegotiated);
  Message message{.token = hex("01000000 45c844e5 09dcd1df 2e459d36"),
                  .parts = {hex("56fe04d861f9319af0d7238a2e3b4d457fb8")}};
  EXPECT_EQ(open(*session, message).outcome, kNotNegotiated);
}

TEST(NtlmLayout, TakesMessagesInTheirOrderOnlyAndForgetsWrongOnes) {
  const Mechanism mechanism{.ntlm_flags = NegotiateFlags::kExtendedSessionSecurity |
                                          NegotiateFlags::k128 | NegotiateFlags::kKeyExchange};
  const std::shared_ptr<Session> client = Session::make(terms_of(mechanism, Sender::kInitiator));
  const std::shared_ptr<Session> server = Session::make(terms_of(mechanism, Sender::kAcceptor));
  const Message first = seal(*client, {text(9)});
  const Mic second = sign(*client, text(9));
  const Message third = seal(*client, {text(9)});
  const auto opened = [&](Message message) { return open(*server, message).outcome; };
  EXPECT_EQ(opened(third), kAltered);
  EXPECT_EQ(verify(*server, text(9), second.token), kAltered);
  EXPECT_EQ(opened(first), kGood);
  EXPECT_EQ(opened(first), kReplayed);
  EXPECT_EQ(opened(third), kAltered);
  EXPECT_EQ(verify(*server, text(9), second.token), kGood);
  EXPECT_EQ(verify(*server, text(9), second.token), kReplayed);
  EXPECT_EQ(opened(third), kGood);
}

// CountingKit fails at its n-th operation, as OpenSSL never should.
class CountingKit final : public Kit {
 public:
  explicit CountingKit(int& left) : left_(left) {}

  bool cts_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return works() && kit_->cts_encrypt(key, in, out);
  }
  bool cts_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return works() && kit_->cts_decrypt(key, in, out);
  }
  bool cbc_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return works() && kit_->cbc_encrypt(key, in, out);
  }
  bool cbc_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return works() && kit_->cbc_decrypt(key, in, out);
  }
  bool hmac_sha1(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return works() && kit_->hmac_sha1(key, parts, out);
  }
  bool hmac_sha256(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return works() && kit_->hmac_sha256(key, parts, out);
  }
  bool hmac_sha384(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return works() && kit_->hmac_sha384(key, parts, out);
  }
  bool hmac_md5(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return works() && kit_->hmac_md5(key, parts, out);
  }
  bool md5(std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return works() && kit_->md5(parts, out);
  }
  bool md4(Bytes, MutableBytes) noexcept override { return false; }
  bool des_encrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool rc4(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return works() && kit_->rc4(key, in, out);
  }

 private:
  bool works() noexcept { return left_-- != 0; }

  int& left_;
  const std::unique_ptr<Kit> kit_ = Kit::make();
};

constexpr int kNever = 1 << 30;

class FailingTest : public ::testing::TestWithParam<Mechanism> {
 protected:
  // make gives a Session whose operations count `left` down.
  std::shared_ptr<Session> make(Sender self, int& left) {
    return make_session(terms_of(GetParam(), self), {.send = std::make_unique<CountingKit>(left),
                                                     .receive = std::make_unique<CountingKit>(left),
                                                     .random = &random_});
  }
  KnownRandom random_;
};
INSTANTIATE_TEST_SUITE_P(All, FailingTest, ::testing::ValuesIn(all_mechanisms()), name_of);

// fail_each runs `operation` with the first, the second ... of its calls failing, until none does;
// it says how many there were.
template <class Operation>
int fail_each(int& left, Operation operation) {
  for (int fails_at = 0; fails_at < 40; ++fails_at) {
    left = fails_at;
    operation();
    if (left >= 0) {
      left = kNever;
      return fails_at;
    }
    left = kNever;
  }
  return -1;
}

TEST_P(FailingTest, NoKeysNoSession) {
  int left = kNever;
  EXPECT_GE(fail_each(left,
                      [&] {
                        const auto session = make(Sender::kAcceptor, left);
                        EXPECT_EQ(session == nullptr, left < 0);
                      }),
            4);
  EXPECT_EQ(make_session(terms_of(GetParam(), Sender::kAcceptor), {}), nullptr);
}

TEST_P(FailingTest, AMessageThatFailedIsNeitherSentNorTakenAndTheNextIs) {
  int left = kNever;
  const std::shared_ptr<Session> client = make(Sender::kInitiator, left);
  const std::shared_ptr<Session> server = make(Sender::kAcceptor, left);
  for (const bool encrypt : {true, false}) {
    if (!encrypt && GetParam().ntlm()) {
      continue;  // There is no such form.
    }
    Message message;
    const int seals = fail_each(left, [&] {
      message = seal(*client, {text(100), text(3)}, encrypt);
      if (left < 0) {
        EXPECT_EQ(message.sealed.outcome, kFailed);
        EXPECT_EQ(message.parts[0], Octets(100, 0));
      }
    });
    EXPECT_GE(seals, 1);
    ASSERT_EQ(message.sealed.outcome, kGood);
    EXPECT_GE(fail_each(left,
                        [&] {
                          Message copy = message;
                          const MessageOutcome outcome = open(*server, copy).outcome;
                          EXPECT_EQ(outcome, left < 0 ? kFailed : kGood);
                          EXPECT_EQ(copy.parts[0], left < 0 ? Octets(100, 0) : text(100));
                        }),
              1);
  }
}

TEST_P(FailingTest, ASignatureThatFailedIsNeitherSentNorTakenAndTheNextIs) {
  int left = kNever;
  const std::shared_ptr<Session> client = make(Sender::kInitiator, left);
  const std::shared_ptr<Session> server = make(Sender::kAcceptor, left);
  Mic mic;
  EXPECT_GE(fail_each(left,
                      [&] {
                        mic = sign(*client, text(5));
                        EXPECT_EQ(mic.sealed.outcome, left < 0 ? kFailed : kGood);
                        EXPECT_EQ(left < 0, mic.token == Octets(mic.token.size(), 0));
                      }),
            1);
  EXPECT_GE(fail_each(left,
                      [&] {
                        const MessageOutcome outcome = verify(*server, text(5), mic.token);
                        EXPECT_EQ(outcome, left < 0 ? kFailed : kGood);
                      }),
            1);
}

TEST_P(FailingTest, WithoutRandomnessNothingIsSent) {
  int left = kNever;
  const std::shared_ptr<Session> client = make(Sender::kInitiator, left);
  random_.fails = true;
  const Message message = seal(*client, {text(8)});
  EXPECT_EQ(message.sealed.outcome, GetParam().ntlm() ? kGood : kFailed);
  EXPECT_EQ(message.parts[0] == Octets(8, 0), !GetParam().ntlm());
  random_.fails = false;
  EXPECT_EQ(seal(*client, {text(8)}).sealed.outcome, kGood);
}

}  // namespace
}  // namespace usher::protect
