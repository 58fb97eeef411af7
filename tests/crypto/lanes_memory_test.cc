// engine/crypto/lanes.h: lanes that go give back no memory with a text or a key in it.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "engine/crypto/lanes.h"

namespace usher::testing {
namespace {

constexpr std::size_t kSecretSize = 16;
using Pattern = std::array<std::uint8_t, kSecretSize>;

// patterns are the text, the key, and the key as HMAC pads it.
constexpr Pattern pattern(std::uint8_t first, std::uint8_t mask) {
  Pattern made{};
  for (std::size_t i = 0; i < made.size(); ++i) {
    made[i] = static_cast<std::uint8_t>((first + 7 * i) ^ mask);
  }
  return made;
}
constexpr Pattern kText = pattern(0x41, 0);
constexpr Pattern kKey = pattern(0x93, 0);
constexpr std::array kPatterns = {kText, kKey, pattern(0x93, 0x36), pattern(0x93, 0x5c)};

std::size_t g_given_back = 0;  // Blocks with a secret in them.

// Not AddressSanitizer: it guards the number that stands before an array's elements.
[[gnu::no_sanitize_address]] bool holds_secret(const std::uint8_t* block, std::size_t size) {
  for (std::size_t at = 0; at + kSecretSize <= size; ++at) {
    for (const Pattern& secret : kPatterns) {
      std::size_t same = 0;
      while (same < kSecretSize && block[at + same] == secret[same]) {
        ++same;
      }
      if (same == kSecretSize) {
        return true;
      }
    }
  }
  return false;
}

void* take(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  return std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
}
void give(void* memory) noexcept {
  if (memory != nullptr) {
    const auto* const block = static_cast<const std::uint8_t*>(memory);
    g_given_back += holds_secret(block, ::malloc_usable_size(memory)) ? 1u : 0u;
    std::free(memory);
  }
}

}  // namespace
}  // namespace usher::testing

#include "tests/replaced_new.h"  // Behind what it calls.

namespace usher::crypto {
namespace {

using testing::g_given_back;
using testing::kKey;
using testing::kText;

// write_text writes the text over and over, so that it is found wherever a copy of it is cut.
void write_text(MutableBytes out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = kText[i % kText.size()];
  }
}

TEST(LanesMemory, WhatIsNotWipedIsNoticed) {
  const std::size_t before = g_given_back;
  auto octets = std::make_unique<std::array<std::uint8_t, 100>>();
  std::ranges::copy(kKey, octets->begin() + 37);
  octets.reset();
  EXPECT_EQ(g_given_back, before + 1);
}

// work uses all there is, with secrets in memory that is not watched.
bool work(Lanes& lanes, std::size_t width) {
  constexpr std::size_t kSize = 700;
  static std::array<std::array<std::uint8_t, kSize>, kBatchMax> rooms;
  static std::array<std::array<std::uint8_t, kSize>, kBatchMax> out;
  static std::array<std::uint8_t, 32> key;
  static AesKey encryption;
  static AesKey decryption;
  static HmacKey ready_key;
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = kKey[i % kKey.size()];
  }
  encryption.expand(key, AesDirection::kEncrypt);
  decryption.expand(key, AesDirection::kDecrypt);
  static std::array<HmacKey, kBatchMax> own_keys;
  std::array<HmacKey*, kBatchMax> prepared;
  std::array<HmacJob, kBatchMax> hmacs;
  std::array<DeriveJob, kBatchMax> derive;
  std::array<CtsDecryptJob, kBatchMax> decrypt;
  std::array<CtsEncryptJob, kBatchMax> encrypt;
  bool done = true;
  const auto make_hmacs = [&](Digest digest, std::size_t size) {
    ready_key.prepare(digest, key);
    for (std::size_t i = 0; i < width; ++i) {
      const MutableBytes text = std::span(rooms[i]).first(size + i);
      const MutableBytes hash = std::span(out[i]).first(hmac_size_of(digest));
      write_text(text);
      hmacs[i] = {.key = &ready_key, .text = text, .out = hash};
      std::ranges::copy(key, own_keys[i].room(key.size()).begin());
      prepared[i] = &own_keys[i];
    }
    lanes.prepare(digest, std::span(prepared).first(width));
    return lanes.hmac(digest, std::span(hmacs).first(width));
  };
  for (const Digest digest : {Digest::kSha1, Digest::kSha256, Digest::kSha384, Digest::kMd5}) {
    // A text that is alone is copied up to 512 octets, and hashed where it is beyond.
    done = make_hmacs(digest, 110) && make_hmacs(digest, 600) && done;
  }
  for (std::size_t i = 0; i < width; ++i) {
    const MutableBytes text = std::span(rooms[i]).first(110);
    write_text(text);
    derive[i] = {.base = key, .keys = {&out[i][0], &out[i][32], &out[i][64], &out[i][96]}};
    decrypt[i] = {.key = &decryption, .in = text, .out = std::span(out[i]).first(110)};
    encrypt[i] = {.key = &encryption, .text = text, .out = std::span(out[i]).first(110)};
  }
  return done && lanes.derive(DeriveInputs{}, std::span(derive).first(width)) &&
         lanes.cts_decrypt(std::span(decrypt).first(width)) &&
         lanes.cts_encrypt(std::span(encrypt).first(width));
}

std::vector<LanesChoice> all_choices() {
  std::vector<LanesChoice> choices{LanesChoice::kOpenssl};
  if (has_ipsec_mb()) {
    choices.push_back(LanesChoice::kIpsecMb);
  }
  if (has_x86_lanes()) {
    choices.push_back(LanesChoice::kX86);
  }
  return choices;
}

TEST(LanesMemory, NoSecretIsGivenBack) {
  const std::unique_ptr<Kit> kit = Kit::make();
  for (const LanesChoice choice : all_choices()) {
    for (const std::size_t tokens : {std::size_t{1}, kBatchMax}) {
      for (const std::size_t width : {1u, 5u, 16u, 37u, 64u}) {
        std::unique_ptr<Lanes> lanes = Lanes::make(*kit, choice, tokens);
        ASSERT_NE(lanes, nullptr);
        ASSERT_TRUE(work(*lanes, width));
        // What is not of the library's is wiped at once, not only in the end.
        const auto* const whole = reinterpret_cast<const std::uint8_t*>(lanes.get());
        EXPECT_FALSE(testing::holds_secret(whole, ::malloc_usable_size(lanes.get()))) << width;
        const std::size_t before = g_given_back;
        lanes.reset();
        EXPECT_EQ(g_given_back, before) << width;
      }
    }
  }
}

// The compiler puts what does not fit into registers on the stack. (ipsec-mb and OpenSSL do as they
// do.) Sanitized programs have their own frames.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define USHER_FRAMES_ARE_NOT_OURS 1
#endif
#endif
#ifndef USHER_FRAMES_ARE_NOT_OURS
[[gnu::noinline]] bool stack_holds_secret() {
  std::array<std::uint8_t, 16384> below;
  asm volatile("" : : "r"(below.data()) : "memory");  // Not initialised, on purpose.
  return testing::holds_secret(below.data(), below.size());
}

[[gnu::noinline]] void leave_on_stack() {
  std::array<std::uint8_t, 2048> room{};
  std::ranges::copy(kKey, room.begin() + 517);
  asm volatile("" : : "r"(room.data()) : "memory");
}

TEST(LanesMemory, WhatIsLeftOnTheStackIsNoticed) {
  leave_on_stack();
  EXPECT_TRUE(stack_holds_secret());
}

// Of the project's own lanes also what they leave is looked at.
class OwnLanesMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_x86_lanes()) {
      GTEST_SKIP() << "the CPU is too old";
    }
    lanes = Lanes::make(*kit, LanesChoice::kX86);
    ASSERT_NE(lanes, nullptr);
  }

  const std::unique_ptr<Kit> kit = Kit::make();
  std::unique_ptr<Lanes> lanes;
};

TEST_F(OwnLanesMemory, NoSecretIsLeftOnTheStack) {
  for (const std::size_t width : {1u, 5u, 16u, 37u, 64u}) {
    ASSERT_TRUE(work(*lanes, width));
    EXPECT_FALSE(stack_holds_secret()) << width;
  }
}

// Secrets are inputs of hashes at places of their own. In lanes they are words beside those of
// others, in states they are other words: no pattern finds them. But of two calls with the same
// places and sizes, what is left behind differs where it depends on them.
struct Secrets {
  std::uint32_t seed = 0;  // Not in a register, which who is called puts on the stack.
  std::array<std::array<std::uint8_t, 200>, kBatchMax> texts;
  std::array<std::array<std::uint8_t, 48>, kBatchMax> out;
  std::array<std::array<std::uint8_t, kKeySizeMax>, kBatchMax> bases;
  std::array<std::array<std::uint8_t, kKeySizeMax>, kBatchMax> derived;
  std::array<HmacKey, kBatchMax> keys;
  std::array<HmacKey, kBatchMax> derived_keys;
  std::array<HmacKey*, kBatchMax> to_prepare;
  std::array<HmacJob, kBatchMax> hmacs;
  std::array<KdfJob, kBatchMax> kdf;
};

void fill(Secrets& secrets, Digest digest) {
  std::mt19937 random{secrets.seed};
  const auto fill_in = [&random](MutableBytes octets) {
    std::ranges::generate(octets, [&random] { return static_cast<std::uint8_t>(random()); });
  };
  // RFC 8009 5: the sizes of keys.
  const std::size_t key_size = digest == Digest::kSha384 ? 32 : 16;
  const std::size_t integrity_key_size = digest == Digest::kSha384 ? 24 : 16;
  for (std::size_t i = 0; i < kBatchMax; ++i) {
    fill_in(secrets.texts[i]);
    fill_in(secrets.bases[i]);
    fill_in(secrets.keys[i].room(kKeySizeMax));
    secrets.keys[i].prepare(digest);
    secrets.to_prepare[i] = &secrets.keys[i];
    secrets.hmacs[i] = {.key = &secrets.keys[i],
                        .text = std::span(secrets.texts[i]).first(70 + 2 * i),
                        .out = std::span(secrets.out[i]).first(hmac_size_of(digest))};
    secrets.kdf[i] = {.base = std::span(secrets.bases[i]).first(key_size),
                      .keys = {std::span(secrets.derived[i]).first(key_size),
                               secrets.derived_keys[i].room(integrity_key_size)},
                      .hmac_keys = {nullptr, &secrets.derived_keys[i]}};
  }
}

using Stack = std::array<std::uint8_t, 16384>;
// copy_stack copies what is on the stack below, and paints that over.
[[gnu::noinline]] void copy_stack(Stack& to) {
  Stack below;
  asm volatile("" : : "r"(&below) : "memory");  // Not initialised, on purpose.
  std::memcpy(&to, &below, sizeof(below));
  std::memset(&below, 0xa5, sizeof(below));
  asm volatile("" : : "r"(&below) : "memory");
}

// copy_left copies what a call leaves. Before that it empties the registers that who is called
// puts on the stack: what is in them, the call has not left.
template <class Call>
[[gnu::noinline]] bool copy_left(Secrets& secrets, Digest digest, Call& call, Stack& left) {
  fill(secrets, digest);
  copy_stack(left);
  asm volatile(
      "xor %%ebx, %%ebx\n\txor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\t"
      "xor %%r14d, %%r14d\n\txor %%r15d, %%r15d"
      :
      :
      : "rbx", "r12", "r13", "r14", "r15", "cc", "memory");
  const bool done = call();
  copy_stack(left);
  return done;
}

// differing_octets is how many octets of the stack depend on the secrets of a call.
template <class Call>
std::size_t differing_octets(Secrets& secrets, Digest digest, Call call) {
  static std::array<Stack, 2> left;
  static Stack copied;
  fill(secrets, digest);
  bool done = call();  // The first call learns what is no secret.
  for (secrets.seed = 0; secrets.seed < left.size(); ++secrets.seed) {
    done = copy_left(secrets, digest, call, copied) && done;
    left[secrets.seed] = copied;
  }
  EXPECT_TRUE(done);
  std::size_t count = 0;
  for (std::size_t i = 0; i < copied.size(); ++i) {
    count += left[0][i] != left[1][i] ? 1u : 0u;
  }
  return count;
}

[[gnu::noinline]] bool leave_word_on_stack(const Secrets& secrets) {
  std::array<std::uint64_t, 256> room{};
  room[100] = load_be<std::uint64_t>(secrets.bases[0]);
  asm volatile("" : : "r"(room.data()) : "memory");
  return true;
}

// object_of is the lanes' own memory.
std::vector<std::uint8_t> object_of(Lanes& lanes) {
  const auto* const whole = reinterpret_cast<const std::uint8_t*>(&lanes);
  return {whole, whole + ::malloc_usable_size(&lanes)};
}

TEST_F(OwnLanesMemory, NothingThatDependsOnASecretStaysInTheLanes) {
  const auto secrets = std::make_unique<Secrets>();
  for (const std::size_t width : {std::size_t{1}, std::size_t{5}, std::size_t{37}, kBatchMax}) {
    for (const Digest digest : {Digest::kSha1, Digest::kSha256, Digest::kSha384, Digest::kMd5}) {
      const bool has_derivation = digest == Digest::kSha256 || digest == Digest::kSha384;
      std::array<std::vector<std::uint8_t>, 3> left[3];
      for (secrets->seed = 0; secrets->seed < std::size(left); ++secrets->seed) {
        fill(*secrets, digest);
        ASSERT_TRUE(lanes->hmac(digest, std::span<const HmacJob>(secrets->hmacs).first(width)));
        left[secrets->seed][0] = object_of(*lanes);
        lanes->prepare(digest, std::span<HmacKey* const>(secrets->to_prepare).first(width));
        left[secrets->seed][1] = object_of(*lanes);
        ASSERT_TRUE(
            !has_derivation ||
            lanes->derive(digest, KdfInputs{}, std::span<const KdfJob>(secrets->kdf).first(width)));
        left[secrets->seed][2] = object_of(*lanes);
      }
      // The first time what was before is there, too: sizes, and where texts and keys were.
      for (std::size_t i = 0; i < left[0].size(); ++i) {
        EXPECT_TRUE(left[1][i] == left[2][i])
            << width << ", " << static_cast<int>(digest) << ", " << i;
      }
    }
  }
}

TEST(LanesMemory, AWordOfASecretOnTheStackIsNoticed) {
  const auto secrets = std::make_unique<Secrets>();
  EXPECT_GE(
      differing_octets(*secrets, Digest::kSha256, [&] { return leave_word_on_stack(*secrets); }),
      1u);
  EXPECT_EQ(differing_octets(*secrets, Digest::kSha256, [] { return true; }), 0u);
}

// As many at once as leave nothing to OpenSSL, on any CPU.
TEST_F(OwnLanesMemory, NothingThatDependsOnASecretIsLeftOnTheStack) {
  const auto secrets = std::make_unique<Secrets>();
  for (const std::size_t width : {std::size_t{16}, kBatchMax}) {
    for (const Digest digest : {Digest::kSha1, Digest::kSha256, Digest::kSha384, Digest::kMd5}) {
      SCOPED_TRACE(::testing::Message() << width << " of digest " << static_cast<int>(digest));
      const auto hmac = [&] {
        return lanes->hmac(digest, std::span<const HmacJob>(secrets->hmacs).first(width));
      };
      const auto prepare = [&] {
        lanes->prepare(digest, std::span<HmacKey* const>(secrets->to_prepare).first(width));
        return true;
      };
      const auto derive = [&] {
        return lanes->derive(digest, KdfInputs{},
                             std::span<const KdfJob>(secrets->kdf).first(width));
      };
      EXPECT_EQ(differing_octets(*secrets, digest, hmac), 0u) << "HMACs";
      EXPECT_EQ(differing_octets(*secrets, digest, prepare), 0u) << "keys prepared";
      if (digest == Digest::kSha256 || digest == Digest::kSha384) {
        EXPECT_EQ(differing_octets(*secrets, digest, derive), 0u) << "keys derived";
      }
    }
  }
}

// A text that is alone, of SHA-384, goes to OpenSSL, whose schedule of it is on the stack. Some
// octets may be left, as of registers that were put on the stack in front of a call: two of them
// are let pass.
TEST_F(OwnLanesMemory, HardlyAnythingOfATextThatIsAloneIsLeftOnTheStack) {
  const auto secrets = std::make_unique<Secrets>();
  for (const Digest digest : {Digest::kSha1, Digest::kSha256, Digest::kSha384, Digest::kMd5}) {
    const auto hmac = [&] {
      return lanes->hmac(digest, std::span<const HmacJob>(secrets->hmacs).first(1));
    };
    EXPECT_LE(differing_octets(*secrets, digest, hmac), 16u) << static_cast<int>(digest);
  }
}
#endif

}  // namespace
}  // namespace usher::crypto
