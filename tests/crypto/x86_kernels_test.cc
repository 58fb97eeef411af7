// engine/crypto/x86_kernels.h: each kernel that this CPU can run counts as OpenSSL does, in each of
// its lanes, also those that the lanes choose only on other CPUs; and reads no more than its texts.
#include "engine/crypto/x86_kernels.h"

#include <cpuid.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <random>
#include <vector>

#include "engine/crypto/kit.h"
#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/sha2_rounds.h"
#include "tests/crypto/guarded.h"

namespace usher::crypto {
namespace {

using testing::Guarded;

enum class Needs { kShaNi, kAvx2, kAvx512, kVaes };

bool has(Needs needs) {
  __builtin_cpu_init();
  switch (needs) {
    case Needs::kShaNi: {
      std::uint32_t a = 0;
      std::uint32_t b = 0;
      std::uint32_t c = 0;
      std::uint32_t d = 0;
      return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
    }
    case Needs::kAvx2:
      return __builtin_cpu_supports("avx2") != 0;
    case Needs::kAvx512:
      return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    case Needs::kVaes:
      return has(Needs::kAvx512) && __builtin_cpu_supports("vaes") != 0;
  }
  return false;
}

// expect_same runs a kernel over 1 to `kBlocksMax` blocks a lane, from random states.
constexpr std::size_t kBlocksMax = 5;
template <class Lanes, class Add>
void expect_same(x86::HashKernel<Lanes>* kernel, std::size_t lane_count, Add add) {
  using State = std::array<typename Lanes::Word, Lanes::kWords>;
  std::mt19937_64 random{20261127};
  std::vector<std::unique_ptr<Guarded>> memory;
  for (std::size_t n = 0; n < lane_count; ++n) {
    memory.push_back(std::make_unique<Guarded>(kBlocksMax * Lanes::kBlockSize));
  }
  for (std::size_t blocks = 1; blocks <= kBlocksMax; ++blocks) {
    for (const bool at_end : {false, true}) {
      Lanes lanes{};
      std::vector<State> expected(lane_count);
      std::vector<MutableBytes> texts(lane_count);
      for (std::size_t n = 0; n < lane_count; ++n) {
        texts[n] = memory[n]->take(blocks * Lanes::kBlockSize, at_end);
        std::ranges::generate(texts[n], [&] { return static_cast<std::uint8_t>(random()); });
        lanes.text[n] = texts[n].data();
        for (std::size_t i = 0; i < Lanes::kWords; ++i) {
          expected[n][i] = static_cast<typename Lanes::Word>(random());
          lanes.state[i][n] = expected[n][i];
        }
        add(expected[n].data(), texts[n].data(), blocks);
      }
      kernel(lanes, blocks);
      for (std::size_t n = 0; n < lane_count; ++n) {
        State state;
        for (std::size_t i = 0; i < Lanes::kWords; ++i) {
          state[i] = lanes.state[i][n];
        }
        EXPECT_EQ(state, expected[n]) << "lane " << n << ", " << blocks << " blocks";
        EXPECT_EQ(lanes.text[n], texts[n].data() + texts[n].size());
      }
    }
  }
}

// expect_same_alone runs a kernel of one state.
template <class Lanes, class Add>
void expect_same_alone(x86::AloneKernel<typename Lanes::Word>* kernel, Add add) {
  using State = std::array<typename Lanes::Word, Lanes::kWords>;
  std::mt19937_64 random{20261127};
  const Guarded memory(kBlocksMax * Lanes::kBlockSize);
  for (std::size_t blocks = 1; blocks <= kBlocksMax; ++blocks) {
    for (const bool at_end : {false, true}) {
      const MutableBytes text = memory.take(blocks * Lanes::kBlockSize, at_end);
      std::ranges::generate(text, [&] { return static_cast<std::uint8_t>(random()); });
      State state;
      std::ranges::generate(state, [&] { return static_cast<typename Lanes::Word>(random()); });
      State expected = state;
      add(expected.data(), text.data(), blocks);
      kernel(state.data(), text.data(), blocks);
      EXPECT_EQ(state, expected) << blocks << " blocks";
    }
  }
}

// expect_states compares the lanes' states with the expected ones.
template <class Lanes, class States>
void expect_states(const Lanes& lanes, const States& expected) {
  for (std::size_t n = 0; n < expected.size(); ++n) {
    for (std::size_t i = 0; i < Lanes::kWords; ++i) {
      EXPECT_EQ(lanes.state[i][n], expected[n][i]) << "lane " << n;
    }
  }
}

// expect_same_words runs a kernel on words from every column on that there are so many lanes
// behind, in memory that ends where they may.
template <class Lanes, class Add>
void expect_same_words(x86::WordsKernel<Lanes>* kernel, std::size_t lane_count, Add add) {
  using Word = typename Lanes::Word;
  std::mt19937_64 random{20261127};
  const Guarded memory(sizeof(x86::BlockWords<Lanes>));
  const MutableBytes block_words = memory.take(sizeof(x86::BlockWords<Lanes>), true);
  for (std::size_t first = 0; first < Lanes::kLanesMax; first += lane_count) {
    Lanes lanes{};
    auto& words = *reinterpret_cast<x86::BlockWords<Lanes>*>(block_words.data());
    std::vector<std::array<Word, Lanes::kWords>> expected(lane_count);
    for (std::size_t n = 0; n < lane_count; ++n) {
      for (std::size_t i = 0; i < Lanes::kWords; ++i) {
        lanes.state[i][n] = expected[n][i] = static_cast<Word>(random());
      }
      std::array<std::uint8_t, Lanes::kBlockSize> block;
      std::ranges::generate(block, [&] { return static_cast<std::uint8_t>(random()); });
      for (std::size_t i = 0; i < 16; ++i) {
        const Bytes octets = std::span(block).subspan(i * sizeof(Word));
        words[i][first + n] =
            std::is_same_v<Lanes, x86::Md5Lanes> ? load_le<Word>(octets) : load_be<Word>(octets);
      }
      add(expected[n].data(), block.data(), 1);
    }
    kernel(lanes, words, first);
    SCOPED_TRACE(first);
    expect_states(lanes, expected);
  }
}

// expect_same_keys runs a kernel on keys of all sizes, in memory that ends where they may.
template <class Lanes, class Add>
void expect_same_keys(x86::KeysKernel<Lanes>* kernel, std::size_t lane_count, Add add) {
  std::mt19937_64 random{20261127};
  std::vector<std::unique_ptr<Guarded>> memory;
  for (std::size_t n = 0; n < lane_count / 2; ++n) {
    memory.push_back(std::make_unique<Guarded>(x86::kKeyOctets));
  }
  for (std::size_t size = 0; size <= x86::kKeyOctets; ++size) {
    Lanes lanes{};
    std::vector<std::array<typename Lanes::Word, Lanes::kWords>> expected(lane_count);
    for (std::size_t n = 0; n < lane_count; ++n) {
      const MutableBytes key = memory[n / 2]->take(x86::kKeyOctets, size % 2 == 0);
      if (n % 2 == 0) {
        std::ranges::fill(key, std::uint8_t{0});
        std::ranges::generate(key.first(size), [&] { return static_cast<std::uint8_t>(random()); });
      }
      lanes.text[n] = key.data();
      for (std::size_t i = 0; i < Lanes::kWords; ++i) {
        lanes.state[i][n] = expected[n][i] = static_cast<typename Lanes::Word>(random());
      }
      std::array<std::uint8_t, Lanes::kBlockSize> pads[2];
      pad_key<Lanes::kBlockSize>(key.first(size), pads[0].data(), pads[1].data());
      add(expected[n].data(), pads[n % 2].data(), 1);
    }
    kernel(lanes);
    SCOPED_TRACE(size);
    expect_states(lanes, expected);
  }
}

template <class Word>
Word sigma(Word word, x86::Bits bits) {
  return std::rotr(word, bits.first) ^ std::rotr(word, bits.second) ^ word >> bits.third;
}

// fill_states makes random states, of so many lanes, and writes them where the kernels read them.
template <class Lanes>
auto fill_states(x86::LanesState<Lanes>& states, std::size_t lane_count, std::mt19937_64& random) {
  using Word = typename Lanes::Word;
  std::vector<std::array<Word, Lanes::kWords>> made(lane_count);
  for (std::size_t n = 0; n < lane_count; ++n) {
    for (std::size_t i = 0; i < Lanes::kWords; ++i) {
      states[i][n] = made[n][i] = static_cast<Word>(random());
    }
  }
  return made;
}
template <class Lanes>
using BlockOf = std::array<typename Lanes::Word, 16>;
template <class Lanes, class Add>
void add_block(std::array<typename Lanes::Word, Lanes::kWords>& state, const BlockOf<Lanes>& block,
               Add add) {
  std::array<std::uint8_t, Lanes::kBlockSize> octets;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto to = std::span(octets).subspan(i * sizeof(block[i]));
    store_be(to.template first<sizeof(block[i])>(), block[i]);
  }
  add(state.data(), octets.data(), 1);
}

// expect_same_known runs a kernel on a block that is the same in all lanes, to other states and to
// the same.
template <class Numbers, class Add>
void expect_same_known(x86::KnownKernel<typename Numbers::Lanes>* kernel, std::size_t lane_count,
                       Add add) {
  using Lanes = typename Numbers::Lanes;
  std::mt19937_64 random{20261127};
  for (const bool is_same : {false, true}) {
    Lanes from{};
    Lanes other{};
    auto expected = fill_states<Lanes>(from.state, lane_count, random);
    BlockOf<Lanes> block;
    std::ranges::generate(block, [&] { return static_cast<typename Lanes::Word>(random()); });
    std::vector<typename Lanes::Word> words(block.begin(), block.end());
    for (std::size_t i = 16; i < Numbers::kRounds; ++i) {
      words.push_back(words[i - 16] + sigma(words[i - 15], Numbers::kSigma0) + words[i - 7] +
                      sigma(words[i - 2], Numbers::kSigma1));
    }
    for (std::size_t i = 0; i < Numbers::kRounds; ++i) {
      words[i] += Numbers::kConstants[i];
    }
    for (auto& state : expected) {
      add_block<Lanes>(state, block, add);
    }
    Lanes& to = is_same ? from : other;
    kernel(from.state, words.data(), to.state);
    SCOPED_TRACE(is_same);
    expect_states(to, expected);
  }
}

// random_end makes the end of a block, which comes back as words, behind zeros.
template <class Numbers, class Word = typename Numbers::Lanes::Word>
std::array<Word, 32> random_end(x86::KnownEnd<Word>& end, std::mt19937_64& random) {
  std::array<Word, 32> known{};
  std::generate(known.begin() + x86::kFrontWords<typename Numbers::Lanes>, known.begin() + 16,
                [&] { return static_cast<Word>(random()); });
  for (std::size_t i = 0; i < 16; ++i) {
    end.sums[i] = known[i] + Numbers::kConstants[i];
    end.sums[16 + i] = known[i] + sigma(known[i + 1], Numbers::kSigma0) + known[i + 9] +
                       sigma(known[i + 14], Numbers::kSigma1);
  }
  return known;
}

// expect_same_front runs a kernel on fronts of all sizes, in memory that ends where they may, with
// other ends; with new states elsewhere, where the fronts are, and where the old ones are.
template <class Numbers, class Add>
void expect_same_front(x86::FrontKernel<typename Numbers::Lanes>* kernel, std::size_t lane_count,
                       Add add) {
  using Lanes = typename Numbers::Lanes;
  using Word = typename Lanes::Word;
  constexpr std::size_t kFront = x86::kFrontWords<Lanes>;
  std::mt19937_64 random{20261127};
  const Guarded memory(kFront * sizeof(x86::LanesRow<Lanes>));
  for (std::size_t count = 0; count <= kFront; ++count) {
    const MutableBytes octets = memory.take(count * sizeof(x86::LanesRow<Lanes>), true);
    std::ranges::generate(octets, [&] { return static_cast<std::uint8_t>(random()); });
    const auto* const front = reinterpret_cast<const x86::LanesRow<Lanes>*>(octets.data());
    x86::KnownEnd<Word> end{.sums = {}, .mask = static_cast<Word>(random())};
    const std::array<Word, 32> known = random_end<Numbers>(end, random);
    Lanes lanes{};
    auto expected = fill_states<Lanes>(lanes.state, lane_count, random);
    for (std::size_t n = 0; n < lane_count; ++n) {
      BlockOf<Lanes> block;
      std::copy(known.begin(), known.begin() + 16, block.begin());
      for (std::size_t i = 0; i < kFront; ++i) {
        block[i] = (i < count ? front[i][n] : Word{0}) ^ end.mask;
      }
      add_block<Lanes>(expected[n], block, add);
    }
    SCOPED_TRACE(count);
    Lanes elsewhere{};
    kernel(lanes.state, front, count, end, elsewhere.state);
    expect_states(elsewhere, expected);
    Lanes over_front{};
    std::memcpy(over_front.state, octets.data(), octets.size());
    kernel(lanes.state, over_front.state, count, end, over_front.state);
    expect_states(over_front, expected);
    kernel(lanes.state, front, count, end, lanes.state);
    expect_states(lanes, expected);
  }
}

// expect_same_outer runs a kernel on states and to hashes in memory that ends where they may, with
// as many lanes in use as may be.
template <class Numbers, class Add>
void expect_same_outer(x86::OuterKernel<typename Numbers::Lanes>* kernel, std::size_t lane_count,
                       Add add) {
  using Lanes = typename Numbers::Lanes;
  using Word = typename Lanes::Word;
  using State = std::array<Word, Lanes::kWords>;
  constexpr std::size_t kFront = x86::kFrontWords<Lanes>;
  std::mt19937_64 random{20261127};
  std::vector<std::unique_ptr<Guarded>> memory;
  for (std::size_t n = 0; n < 2 * lane_count; ++n) {
    memory.push_back(std::make_unique<Guarded>(sizeof(State)));
  }
  for (std::size_t count = 1; count <= lane_count; ++count) {
    Lanes lanes{};
    x86::KnownEnd<Word> end{};
    const std::array<Word, 32> known = random_end<Numbers>(end, random);
    alignas(64) x86::LanesRow<Lanes> front[kFront];
    std::array<std::uint8_t*, Lanes::kLanesMax> out{};
    std::vector<std::array<Word, kFront>> expected;
    for (std::size_t n = 0; n < lane_count; ++n) {
      State state;
      std::ranges::generate(state, [&] { return static_cast<Word>(random()); });
      const MutableBytes octets = memory[n]->take(sizeof(State), count % 2 == 0);
      std::memcpy(octets.data(), state.data(), sizeof(State));
      lanes.text[n] = octets.data();
      BlockOf<Lanes> block;
      std::copy(known.begin(), known.begin() + 16, block.begin());
      for (std::size_t i = 0; i < kFront; ++i) {
        front[i][n] = block[i] = static_cast<Word>(random());
      }
      add_block<Lanes>(state, block, add);
      if (n < count) {
        out[n] = memory[lane_count + n]->take(kFront * sizeof(Word), count % 2 == 0).data();
        std::copy_n(state.begin(), kFront, expected.emplace_back().begin());
      }
    }
    kernel(lanes, front, end, out.data());
    for (std::size_t n = 0; n < count; ++n) {
      for (std::size_t i = 0; i < kFront; ++i) {
        const Bytes octets{out[n] + i * sizeof(Word), sizeof(Word)};
        EXPECT_EQ(load_be<Word>(octets), expected[n][i]) << "lane " << n << " of " << count;
      }
    }
  }
}

// expect_all_same runs the three kernels of one hash.
template <class Lanes, class Add>
void expect_all_same(x86::HashKernel<Lanes>* kernel, x86::WordsKernel<Lanes>* words_kernel,
                     x86::KeysKernel<Lanes>* keys_kernel, std::size_t lane_count, Add add) {
  expect_same(kernel, lane_count, add);
  expect_same_words(words_kernel, lane_count, add);
  expect_same_keys(keys_kernel, lane_count, add);
}

struct Param {
  const char* name;
  Needs needs;
  void (*check)();
};

const Param kParams[] = {
    {"Sha1Ni1", Needs::kShaNi,
     [] { expect_same_alone<x86::Sha1Lanes>(x86::sha1_ni_1, add_sha1_blocks); }},
    {"Sha1Ni2", Needs::kShaNi,
     [] {
       expect_all_same(x86::sha1_ni_2, x86::sha1_words_ni_2, x86::sha1_keys_ni_2, 2,
                       add_sha1_blocks);
     }},
    {"Sha1Ni4", Needs::kShaNi,
     [] {
       expect_all_same(x86::sha1_ni_4, x86::sha1_words_ni_4, x86::sha1_keys_ni_4, 4,
                       add_sha1_blocks);
     }},
    {"Sha1Avx2", Needs::kAvx2,
     [] {
       expect_all_same(x86::sha1_avx2, x86::sha1_words_avx2, x86::sha1_keys_avx2, 8,
                       add_sha1_blocks);
     }},
    {"Sha1Avx512", Needs::kAvx512,
     [] {
       expect_all_same(x86::sha1_avx512, x86::sha1_words_avx512, x86::sha1_keys_avx512, 16,
                       add_sha1_blocks);
     }},
    {"Md5Avx2", Needs::kAvx2,
     [] {
       expect_all_same(x86::md5_avx2, x86::md5_words_avx2, x86::md5_keys_avx2, 8, add_md5_blocks);
     }},
    {"Md5Avx512", Needs::kAvx512,
     [] {
       expect_all_same(x86::md5_avx512, x86::md5_words_avx512, x86::md5_keys_avx512, 16,
                       add_md5_blocks);
     }},
    {"Sha256Ni1", Needs::kShaNi,
     [] { expect_same_alone<x86::Sha256Lanes>(x86::sha256_ni_1, add_sha256_blocks); }},
    {"Sha256Ni2", Needs::kShaNi,
     [] {
       expect_all_same(x86::sha256_ni_2, x86::sha256_words_ni_2, x86::sha256_keys_ni_2, 2,
                       add_sha256_blocks);
     }},
    {"Sha256Avx2", Needs::kAvx2,
     [] {
       expect_all_same(x86::sha256_avx2, x86::sha256_words_avx2, x86::sha256_keys_avx2, 8,
                       add_sha256_blocks);
       expect_same_known<x86::Sha256Numbers>(x86::sha256_known_avx2, 8, add_sha256_blocks);
       expect_same_front<x86::Sha256Numbers>(x86::sha256_front_avx2, 8, add_sha256_blocks);
     }},
    {"Sha256Avx512", Needs::kAvx512,
     [] {
       expect_all_same(x86::sha256_avx512, x86::sha256_words_avx512, x86::sha256_keys_avx512, 16,
                       add_sha256_blocks);
       expect_same_known<x86::Sha256Numbers>(x86::sha256_known_avx512, 16, add_sha256_blocks);
       expect_same_front<x86::Sha256Numbers>(x86::sha256_front_avx512, 16, add_sha256_blocks);
     }},
    {"Sha512Avx2", Needs::kAvx2,
     [] {
       expect_all_same(x86::sha512_avx2, x86::sha512_words_avx2, x86::sha512_keys_avx2, 4,
                       add_sha512_blocks);
       expect_same_known<x86::Sha512Numbers>(x86::sha512_known_avx2, 4, add_sha512_blocks);
       expect_same_front<x86::Sha512Numbers>(x86::sha512_front_avx2, 4, add_sha512_blocks);
     }},
    {"Sha512Avx512", Needs::kAvx512,
     [] {
       expect_all_same(x86::sha512_avx512, x86::sha512_words_avx512, x86::sha512_keys_avx512, 8,
                       add_sha512_blocks);
       expect_same_known<x86::Sha512Numbers>(x86::sha512_known_avx512, 8, add_sha512_blocks);
       expect_same_front<x86::Sha512Numbers>(x86::sha512_front_avx512, 8, add_sha512_blocks);
       expect_same_outer<x86::Sha512Numbers>(x86::sha384_outer_avx512, 8, add_sha512_blocks);
     }},
};

class X86Kernel : public ::testing::TestWithParam<Param> {};
INSTANTIATE_TEST_SUITE_P(Each, X86Kernel, ::testing::ValuesIn(kParams),
                         [](const auto& param_info) { return param_info.param.name; });

TEST_P(X86Kernel, CountsAsOpensslDoesInEachLane) {
  if (!has(GetParam().needs)) {
    GTEST_SKIP() << "the CPU has no such instructions";
  }
  GetParam().check();
}

// expect_decrypts decrypts texts of every size up to many times what a kernel takes at once.
void expect_decrypts(x86::AesFront* front) {
  constexpr std::size_t kSizeMax = 80 * kAesBlockSize;
  const std::unique_ptr<Kit> kit = Kit::make();
  std::mt19937_64 random{20261127};
  const Guarded in_memory(kSizeMax);
  const Guarded out_memory(kSizeMax);
  for (const std::size_t key_size : {16u, 32u}) {
    std::vector<std::uint8_t> key(key_size);
    std::ranges::generate(key, [&] { return static_cast<std::uint8_t>(random()); });
    alignas(16) std::array<std::uint8_t, sizeof(AesKey::Image::schedule)> schedule{};
    const x86::AesExpansion expansion{.key = key.data(), .schedule = schedule.data()};
    x86::aes_expand(&expansion, 1, key_size, true);
    for (std::size_t size = kAesBlockSize; size <= kSizeMax; ++size) {
      const MutableBytes in = in_memory.take(size, size % 2 == 0);
      const MutableBytes out = out_memory.take(size, size % 2 == 0);
      std::ranges::generate(in, [&] { return static_cast<std::uint8_t>(random()); });
      std::vector<std::uint8_t> expected(size);
      ASSERT_TRUE(kit->cts_decrypt(key, in, expected));
      const x86::AesDecryption text{
          .schedule = schedule.data(), .in = in.data(), .out = out.data(), .size = size};
      x86::aes_cts_decrypt(&text, 1, key_size, front);
      ASSERT_TRUE(std::ranges::equal(out, expected)) << size << " bytes, key of " << key_size;
    }
  }
}

TEST(X86Aes, DecryptsAsOpensslDoes) {
  if (!has_x86_lanes()) {
    GTEST_SKIP() << "the CPU has no such instructions";
  }
  expect_decrypts(nullptr);
}

TEST(X86Aes, DecryptsFourBlocksAtOnceAsOpensslDoes) {
  if (!has(Needs::kVaes)) {
    GTEST_SKIP() << "the CPU has no such instructions";
  }
  expect_decrypts(x86::aes_front_vaes);
}

}  // namespace
}  // namespace usher::crypto
