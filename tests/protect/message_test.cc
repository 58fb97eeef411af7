// engine/protect/message.h: what one side seals or signs the other takes, once and in order, and
// nothing else.
#include "engine/protect/message.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/protect/session_pair.h"

namespace usher::protect {
namespace {

using namespace usher::protect::testing;
using gss::ContextFlags;
using usher::testing::Octets;
using enum MessageOutcome;

class MessageTest : public ::testing::TestWithParam<Mechanism> {
 protected:
  void SetUp() override {
    ASSERT_NE(client_, nullptr);
    ASSERT_NE(server_, nullptr);
  }
  std::shared_ptr<Session> make(Sender self, ContextFlags flags = kUsual) const {
    return Session::make(terms_of(GetParam(), self, flags));
  }

  // reflected is what comes of a token that we sent ourselves. One of NTLM's, whose numbers must be
  // those expected, claims to be an earlier message of the other side.
  MessageOutcome reflected() const { return GetParam().ntlm() ? kReplayed : kAltered; }

  const std::shared_ptr<Session> client_ = make(Sender::kInitiator);
  const std::shared_ptr<Session> server_ = make(Sender::kAcceptor);
};
INSTANTIATE_TEST_SUITE_P(All, MessageTest, ::testing::ValuesIn(all_mechanisms()), name_of);

bool all_zero(const Octets& octets) {
  return std::ranges::all_of(octets, [](std::uint8_t octet) { return octet == 0; });
}

TEST_P(MessageTest, RoundTripsBothWaysInPartsAndAsAStream) {
  std::vector<std::size_t> sizes = {1000, 4096, 65536, 70001};
  for (std::size_t size = 0; size < 70; ++size) {
    sizes.push_back(size);
  }
  for (const auto& [from, to] : {std::pair(client_, server_), std::pair(server_, client_)}) {
    for (const std::size_t size : sizes) {
      for (const bool encrypt : {true, false}) {
        if (!encrypt && GetParam().ntlm()) {
          continue;  // NTLM takes all for sealed.
        }
        const Octets plain = text(size);
        Message message = seal(*from, {plain}, encrypt);
        ASSERT_EQ(message.sealed.outcome, kGood);
        ASSERT_EQ(message.padding.size(), GetParam().rc4() && !GetParam().dce_style ? 1u : 0u);
        if (!encrypt || size > 8) {  // Few bytes may be encrypted as themselves.
          ASSERT_EQ(encrypt, message.data() != plain) << size;
        }
        const Session::Opened opened = open(*to, message);
        ASSERT_EQ(opened.outcome, kGood) << size;
        EXPECT_EQ(opened.encrypted, encrypt);
        EXPECT_EQ(opened.padding_in_data, 0u);
        ASSERT_EQ(message.parts[0], plain) << size;

        Octets wire = seal(*from, {plain}, encrypt).stream();
        const Session::OpenedStream streamed = to->open_stream(wire);
        ASSERT_EQ(streamed.outcome, kGood) << size;
        EXPECT_EQ(streamed.encrypted, encrypt);
        ASSERT_EQ(Octets(streamed.data.begin(), streamed.data.end()), plain) << size;
      }
      const Mic mic = sign(*from, text(size));
      ASSERT_EQ(mic.sealed.outcome, kGood);
      EXPECT_EQ(mic.token.size(), from->sizes().signature);
      ASSERT_EQ(verify(*to, text(size), mic.token), kGood) << size;
    }
  }
}

TEST_P(MessageTest, PartsCutAtEveryPositionGiveTheSameBytes) {
  const Octets plain = text(53);
  for (const bool encrypt : {true, false}) {
    const auto sealed_by = [&](const std::vector<Octets>& parts) {
      KnownRandom random;
      return seal(*known_session(terms_of(GetParam(), Sender::kInitiator), random), parts, encrypt);
    };
    const Octets expected = sealed_by({plain}).stream();
    for (std::size_t at = 0; at <= plain.size(); ++at) {
      const auto cut = plain.begin() + static_cast<std::ptrdiff_t>(at);
      Message message = sealed_by({Octets(plain.begin(), cut), {}, Octets(cut, plain.end())});
      ASSERT_EQ(message.stream(), expected) << at;
      const std::shared_ptr<Session> server = make(Sender::kAcceptor);
      if (!GetParam().ntlm() || encrypt) {
        ASSERT_EQ(open(*server, message).outcome, kGood) << at;
        ASSERT_EQ(message.data(), plain) << at;
      }
    }
  }
}

TEST_P(MessageTest, EveryBitOfASealedMessageCounts) {
  for (const bool encrypt : {true, false}) {
    if (!encrypt && GetParam().ntlm()) {
      continue;
    }
    const std::shared_ptr<Session> client = make(Sender::kInitiator);
    const Message good = seal(*client, {text(21), text(10)}, encrypt, {1});
    const std::size_t size = good.token.size() + 31 + good.padding.size();
    for (std::size_t bit = 0; bit <= 8 * size; ++bit) {
      Message message = good;
      const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
      std::size_t at = bit / 8;
      for (Octets* const piece :
           {&message.token, &message.parts[0], &message.parts[1], &message.padding}) {
        if (at < piece->size()) {
          (*piece)[at] ^= mask;
          break;
        }
        at -= piece->size();
      }
      const std::shared_ptr<Session> server = make(Sender::kAcceptor);
      const MessageOutcome outcome = open(*server, message).outcome;
      if (bit == 8 * size) {
        EXPECT_EQ(outcome, kGood);  // Nothing was changed.
        continue;
      }
      ASSERT_NE(outcome, kGood) << bit;
      ASSERT_TRUE(all_zero(message.parts[0])) << bit;
      ASSERT_FALSE(all_zero(message.parts[1])) << "what is signed alone is not ours";
      // It changed nothing: the good one is still the next, unless its number was another one that
      // could be true, as RC4's signatures do not cover it.
      Message again = good;
      if (encrypt || !GetParam().rc4()) {
        ASSERT_EQ(open(*server, again).outcome, kGood) << bit;
      }
    }
  }
}

TEST_P(MessageTest, EveryBitOfASignatureCounts) {
  const Mic mic = sign(*client_, text(21));
  for (std::size_t bit = 0; bit < 8 * mic.token.size(); ++bit) {
    const std::shared_ptr<Session> server = make(Sender::kAcceptor);
    Octets changed = mic.token;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_NE(verify(*server, text(21), changed), kGood) << bit;
  }
  Octets other = text(21);
  other[20] ^= 1;
  EXPECT_EQ(verify(*server_, other, mic.token), kAltered);
  EXPECT_EQ(verify(*server_, text(20), mic.token), kAltered);
  EXPECT_EQ(verify(*client_, text(21), mic.token), reflected()) << "reflected";
  EXPECT_EQ(verify(*server_, text(21), mic.token), kGood);
}

TEST_P(MessageTest, AMessageCutOrLongerIsNone) {
  const Message good = seal(*client_, {text(5)});
  const Octets wire = good.stream();
  for (std::size_t size = 0; size < wire.size(); ++size) {
    Octets cut(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(server_->open_stream(cut).outcome, kGood) << size;
    EXPECT_TRUE(all_zero(cut)) << size;
  }
  Octets longer = wire;
  longer.push_back(0);
  EXPECT_NE(server_->open_stream(longer).outcome, kGood);
  for (std::size_t size = 0; size <= good.token.size() + 1; ++size) {
    if (size != good.token.size()) {
      Message message = good;
      message.token.resize(size);
      EXPECT_NE(open(*server_, message).outcome, kGood) << size;
    }
  }
  Message padded = good;
  padded.padding.push_back(1);
  EXPECT_NE(open(*server_, padded).outcome, kGood);
  Octets right = wire;
  EXPECT_EQ(server_->open_stream(right).outcome, kGood);
}

TEST_P(MessageTest, ATokenReflectedOrOfTheOtherKindIsRefused) {
  Message message = seal(*client_, {text(30)});
  Message copy = message;
  EXPECT_EQ(open(*client_, copy).outcome, reflected());
  if (!GetParam().ntlm()) {  // Whose sealed and signed tokens look alike.
    EXPECT_EQ(verify(*server_, text(30), message.token), kMalformed);
    Mic mic = sign(*client_, text(30));
    Message other{.token = mic.token, .parts = {text(30)}};
    EXPECT_EQ(open(*server_, other).outcome, kMalformed);
  }
  EXPECT_EQ(open(*server_, message).outcome, kGood);
}

TEST_P(MessageTest, WithoutRoomNothingIsDoneOrCounted) {
  KnownRandom random;
  const auto session = known_session(terms_of(GetParam(), Sender::kInitiator), random);
  KnownRandom same;
  const auto twin = known_session(terms_of(GetParam(), Sender::kInitiator), same);
  for (const bool encrypt : {true, false}) {
    if (!encrypt && GetParam().ntlm()) {
      continue;  // There is no such form.
    }
    const Message expected = seal(*twin, {text(40)}, encrypt);
    Octets data = text(40);
    const Part part{.bytes = data};
    Octets token(expected.token.size() - 1, 0xee);
    Octets padding(expected.padding.size());
    Session::Sealed sealed = session->seal(std::span(&part, 1), encrypt, token, padding);
    EXPECT_EQ(sealed.outcome, kNoRoom);
    EXPECT_EQ(data, text(40));
    EXPECT_EQ(token, Octets(token.size(), 0xee));
    token.push_back(0);
    if (!padding.empty()) {
      EXPECT_EQ(session->seal(std::span(&part, 1), encrypt, token, {}).outcome, kNoRoom);
    }
    sealed = session->seal(std::span(&part, 1), encrypt, token, padding);
    EXPECT_EQ(sealed.outcome, kGood);
    EXPECT_EQ(token, expected.token);
    EXPECT_EQ(data, expected.parts[0]);
  }
  Octets mic(session->sizes().signature - 1);
  EXPECT_EQ(session->sign({}, mic).outcome, kNoRoom);
  mic.push_back(0);
  EXPECT_EQ(session->sign({}, mic).outcome, kGood);
  EXPECT_EQ(mic, sign(*twin, {}).token);
}

TEST_P(MessageTest, SizesAreThoseOfTokens) {
  const MessageSizes sizes = client_->sizes();
  EXPECT_EQ(sign(*client_, text(9)).token.size(), sizes.signature);
  const Message message = seal(*client_, {text(9)});
  if (GetParam().rc4() && !GetParam().dce_style) {
    EXPECT_EQ(message.token.size(), 45u);
    EXPECT_EQ(sizes.trailer, 49u) << "for 4 GiB";
    EXPECT_EQ(seal(*client_, {text(300)}).token.size(), 47u);
  } else {
    EXPECT_EQ(message.token.size(), sizes.trailer);
  }
  EXPECT_EQ(sizes.block_size, 1u);
}

TEST_P(MessageTest, NobodyGetsWhatWasNotNegotiated) {
  const auto none = make(Sender::kInitiator, ContextFlags::kMutual);
  EXPECT_EQ(seal(*none, {text(3)}).sealed.outcome, kNotNegotiated);
  EXPECT_EQ(seal(*none, {text(3)}, false).sealed.outcome, kNotNegotiated);
  EXPECT_EQ(sign(*none, text(3)).sealed.outcome, kNotNegotiated);
  const auto signing = make(Sender::kInitiator, ContextFlags::kIntegrity);
  EXPECT_EQ(seal(*signing, {text(3)}).sealed.outcome, kNotNegotiated);
  Message plain = seal(*signing, {text(3)}, false);
  EXPECT_EQ(plain.sealed.outcome, kGood);
  EXPECT_EQ(plain.parts[0], text(3));

  const auto deaf = make(Sender::kAcceptor, ContextFlags::kMutual);
  Message message = seal(*client_, {text(3)});
  Octets wire = message.stream();
  EXPECT_EQ(deaf->open_stream(wire).outcome, kNotNegotiated);
  EXPECT_TRUE(all_zero(wire));
  EXPECT_EQ(verify(*deaf, text(3), sign(*client_, text(3)).token), kNotNegotiated);
  const auto reading = make(Sender::kAcceptor, ContextFlags::kIntegrity);
  Message copy = message;
  EXPECT_EQ(open(*reading, copy).outcome, GetParam().ntlm() ? kAltered : kNotNegotiated);
  EXPECT_TRUE(all_zero(copy.parts[0]));
  EXPECT_EQ(open(*reading, plain).outcome, kGood);
  EXPECT_EQ(open(*server_, message).outcome, kGood);
}

TEST_P(MessageTest, TooManyPartsAreRefusedAndAsManyAsThereMayBeAreNot) {
  std::vector<Octets> parts(kMessagePartsMax, text(7));
  Message message = seal(*client_, parts);
  EXPECT_EQ(message.sealed.outcome, kGood);
  EXPECT_EQ(open(*server_, message).outcome, kGood);
  EXPECT_EQ(message.parts, parts);
  parts.push_back(text(7));
  EXPECT_EQ(seal(*client_, parts).sealed.outcome, kMalformed);
  Message many{.token = Octets(client_->sizes().trailer), .parts = parts};
  EXPECT_EQ(open(*server_, many).outcome, kMalformed);
  Octets token(client_->sizes().signature);
  EXPECT_EQ(client_->sign(many.views(), token).outcome, kMalformed);
  EXPECT_EQ(server_->verify(many.views(), token), kMalformed);
}

TEST_P(MessageTest, WhatIsSignedAloneStaysReadableAndCounts) {
  const std::vector<Octets> plain = {text(24), text(100), text(8)};
  for (const bool encrypt : {true, false}) {
    if (!encrypt && GetParam().ntlm()) {
      continue;
    }
    Message message = seal(*client_, plain, encrypt, {0, 2});
    EXPECT_EQ(message.parts[0], plain[0]);
    EXPECT_EQ(message.parts[2], plain[2]);
    EXPECT_EQ(message.parts[1] != plain[1], encrypt);
    for (const std::size_t changed : {0u, 2u}) {
      Message other = message;
      other.parts[changed][5] ^= 0x80;
      EXPECT_EQ(open(*server_, other).outcome, kAltered) << changed;
    }
    if (encrypt) {
      Message swapped = message;
      swapped.signed_only = {0, 1};
      EXPECT_EQ(open(*server_, swapped).outcome, GetParam().rc4() && !GetParam().dce_style
                                                     ? kMalformed  // Other sizes.
                                                     : kAltered);
    }
    EXPECT_EQ(open(*server_, message).outcome, kGood);
    EXPECT_EQ(message.parts, plain);
  }
}

TEST_P(MessageTest, ThreadsMaySealAndOpenOnOneSession) {
  constexpr int kEach = 200;
  const auto from =
      make(Sender::kInitiator, flags_of({ContextFlags::kConfidentiality, ContextFlags::kReplay}));
  const auto to =
      make(Sender::kAcceptor, flags_of({ContextFlags::kConfidentiality, ContextFlags::kReplay}));
  std::vector<Message> sent[2];
  const auto send = [&](std::vector<Message>& out) {
    for (int i = 0; i < kEach; ++i) {
      out.push_back(seal(*from, {text(33)}));
      EXPECT_EQ(from->sizes().block_size, 1u);
    }
  };
  std::thread other(send, std::ref(sent[1]));
  send(sent[0]);
  other.join();
  if (GetParam().ntlm()) {
    // Whoever took which turn: the number says the order.
    std::vector<Message> all = sent[0];
    all.insert(all.end(), sent[1].begin(), sent[1].end());
    std::ranges::sort(
        all, {}, [](const Message& m) { return load_le<std::uint32_t>(Bytes(m.token).last(4)); });
    for (Message& message : all) {
      ASSERT_EQ(open(*to, message).outcome, kGood);
      ASSERT_EQ(message.parts[0], text(33));
    }
    return;
  }
  const auto receive = [&](std::vector<Message>& in) {
    for (Message& message : in) {
      EXPECT_EQ(open(*to, message).outcome, kGood);
      EXPECT_EQ(message.parts[0], text(33));
    }
  };
  std::thread reader(receive, std::ref(sent[1]));
  receive(sent[0]);
  reader.join();
}

// Replays, gaps and what comes late, as the flags have it.
class NumberTest : public MessageTest {};
std::vector<Mechanism> kerberos_mechanisms() {
  std::vector<Mechanism> out = all_mechanisms();
  std::erase_if(out, [](const Mechanism& m) { return m.ntlm(); });
  return out;
}
INSTANTIATE_TEST_SUITE_P(Kerberos, NumberTest, ::testing::ValuesIn(kerberos_mechanisms()), name_of);

TEST_P(NumberTest, AreJudgedAsTheFlagsHaveIt) {
  struct Expected {
    ContextFlags flags;
    MessageOutcome skipping;
    MessageOutcome late;
    MessageOutcome replayed;
    MessageOutcome old;
  };
  const Expected cases[] = {{kUsual, kGap, kGap, kReplayed, kOld},
                            {flags_of({ContextFlags::kConfidentiality, ContextFlags::kSequence}),
                             kGap, kGap, kReplayed, kOld},
                            {flags_of({ContextFlags::kConfidentiality, ContextFlags::kReplay}),
                             kGood, kGood, kReplayed, kOld},
                            {ContextFlags::kConfidentiality, kGood, kGood, kGood, kGood}};
  for (const Expected& c : cases) {
    const auto from = make(Sender::kInitiator);
    const auto to = make(Sender::kAcceptor, c.flags);
    std::vector<Message> sent;
    for (int i = 0; i < 1100; ++i) {
      sent.push_back(seal(*from, {text(12)}, i % 2 == 0));
    }
    const auto opened = [&](std::size_t which) {
      Message message = sent[which];
      const MessageOutcome outcome = open(*to, message).outcome;
      EXPECT_EQ(outcome == kGood ? message.parts[0] == text(12) : all_zero(message.parts[0]), true);
      return outcome;
    };
    EXPECT_EQ(opened(0), kGood);
    EXPECT_EQ(opened(0), c.replayed);
    EXPECT_EQ(opened(1), kGood);
    EXPECT_EQ(opened(3), c.skipping);
    EXPECT_EQ(opened(3), c.replayed);
    EXPECT_EQ(opened(4), kGood);
    EXPECT_EQ(opened(2), c.late);
    EXPECT_EQ(opened(2), c.replayed);
    EXPECT_EQ(opened(5), kGood);
    EXPECT_EQ(opened(1099), c.skipping);
    EXPECT_EQ(opened(0), c.old);
    EXPECT_EQ(opened(500), c.late);
  }
}

TEST_P(NumberTest, SignaturesAndSealedMessagesAreCountedTogether) {
  const Mic first = sign(*client_, text(4));
  Message second = seal(*client_, {text(4)});
  const Mic third = sign(*client_, text(4));
  EXPECT_EQ(verify(*server_, text(4), first.token), kGood);
  EXPECT_EQ(verify(*server_, text(4), first.token), kReplayed);
  EXPECT_EQ(open(*server_, second).outcome, kGood);
  EXPECT_EQ(verify(*server_, text(4), third.token), kGood);
}

}  // namespace
}  // namespace usher::protect
