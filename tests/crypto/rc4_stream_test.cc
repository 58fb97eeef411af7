// engine/crypto/rc4_stream.h: it is RC4, in however many steps.
#include "engine/crypto/rc4_stream.h"

#include <gtest/gtest.h>

#include "engine/crypto/kit.h"
#include "tests/crypto/recorded.h"
#include "tests/hex.h"

namespace usher::crypto {
namespace {

using testing::hex;
using testing::Octets;

TEST(Rc4Stream, IsWhatRfc6229Prints) {
  Rc4Stream stream;
  stream.start(hex("0102030405"));
  Octets out(32);
  stream.run(out);
  EXPECT_EQ(out, hex("b2396305f03dc027ccc3524a0a1118a8 6982944f18fc82d589c403a47a0d0919"));
  stream.start(hex("0102030405060708090a0b0c0d0e0f10"));
  out.assign(32, 0);
  stream.run(out);
  EXPECT_EQ(out, hex("9ac7cc9a609d1ef7b2932899cde41b97 5248c4959014126a6e8a84f11d1a9e1c"));
}

TEST(Rc4Stream, GoesOnWhereItWasAndFromWhereItWasCopied) {
  const std::unique_ptr<Kit> kit = Kit::make();
  ASSERT_NE(kit, nullptr);
  const Octets key(16, 0x37);
  Octets plain(3000);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    plain[i] = static_cast<std::uint8_t>(i * 7);
  }
  Octets expected(plain.size());
  ASSERT_TRUE(kit->rc4(key, plain, expected));
  Rc4Stream stream;
  stream.start(key);
  Octets cipher = plain;
  std::size_t at = 0;
  for (std::size_t step = 0; at < cipher.size(); ++step) {
    const std::size_t size = std::min(step, cipher.size() - at);
    Octets tried(cipher.begin() + static_cast<std::ptrdiff_t>(at), cipher.end());
    Rc4Stream copy = stream;
    copy.run(tried);
    EXPECT_TRUE(
        std::equal(tried.begin(), tried.end(), expected.begin() + static_cast<std::ptrdiff_t>(at)));
    stream.run(std::span(cipher).subspan(at, size));
    at += size;
  }
  EXPECT_EQ(cipher, expected);
}

TEST(Rc4Stream, GoesOnFromAStateThatWasWritten) {
  Rc4Stream stream;
  stream.start(hex("0102030405"));
  Octets skipped(777);
  stream.run(skipped);
  Octets state(Rc4Stream::kStateSize);
  stream.write_state(state);
  Rc4Stream other;
  ASSERT_TRUE(other.read_state(state));
  Octets expected(300);
  stream.run(expected);
  Octets out(300);
  other.run(out);
  EXPECT_EQ(out, expected);
}

TEST(Rc4Stream, TakesNothingForAStateThatIsNone) {
  Rc4Stream stream;
  stream.start(hex("0102030405"));
  Octets state(Rc4Stream::kStateSize);
  stream.write_state(state);
  Rc4Stream other = stream;
  for (const std::size_t size : {std::size_t{0}, state.size() - 1, state.size() + 1}) {
    Octets resized = state;
    resized.resize(size);
    EXPECT_FALSE(other.read_state(resized));
  }
  for (std::size_t i = 0; i < 256; ++i) {  // A byte that comes twice.
    Octets changed = state;
    changed[i] ^= 1;
    EXPECT_FALSE(other.read_state(changed));
  }
  Octets expected(100);
  stream.run(expected);
  Octets out(100);
  other.run(out);
  EXPECT_EQ(out, expected) << "it is as it was";
}

}  // namespace
}  // namespace usher::crypto
