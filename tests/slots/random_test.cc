// engine/random.h: bytes nobody can foresee, look back at, or share with a child process.
#define OPENSSL_SUPPRESS_DEPRECATED  // RAND_set_rand_method is still the way to choose the seed.
#include "engine/random.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace usher {
namespace {

using Buffer = std::vector<std::uint8_t>;

constexpr std::size_t kPoolSize = 16 * 1024;
constexpr std::size_t kSeedSize = 32;

// kMask hides the seed's bytes in this test's own memory, so that finding them means the generator
// has left them somewhere.
constexpr std::uint8_t kMask = 0x5a;
constexpr Buffer::value_type masked_seed_byte(std::size_t i) {
  return static_cast<std::uint8_t>((i * 37 + 11) & 0xff);
}

std::atomic<int> g_seeds = 0;      // How often a generator has asked for entropy.
std::atomic<bool> g_fail = false;  // Whether entropy is to be refused.

int fixed_bytes(unsigned char* out, int size) {
  ++g_seeds;
  for (int i = 0; i < size; ++i) {
    out[i] = masked_seed_byte(static_cast<std::size_t>(i)) ^ kMask;
  }
  return g_fail ? 0 : 1;
}

// FixedEntropy makes OpenSSL's generator hand out one known seed, for a scope.
class FixedEntropy {
 public:
  FixedEntropy() : before_(RAND_get_rand_method()) {
    g_seeds = 0;
    g_fail = false;
    RAND_set_rand_method(&kMethod);
  }
  ~FixedEntropy() { RAND_set_rand_method(before_); }
  FixedEntropy(const FixedEntropy&) = delete;
  FixedEntropy& operator=(const FixedEntropy&) = delete;

 private:
  static constexpr RAND_METHOD kMethod = {nullptr, fixed_bytes, nullptr,
                                          nullptr, fixed_bytes, nullptr};
  const RAND_METHOD* before_;
};

Buffer draw(RandomSource& random, std::size_t size) {
  Buffer bytes(size);
  EXPECT_TRUE(random.fill(bytes));
  return bytes;
}

// key_stream is AES-256-CTR from counter zero, written independently of the generator.
Buffer key_stream(const Buffer& key, std::size_t size) {
  const Buffer zeros(size);
  const std::array<std::uint8_t, 16> counter{};
  Buffer out(size);
  int written = 0;
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  EXPECT_EQ(EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), nullptr, key.data(), counter.data()), 1);
  EXPECT_EQ(EVP_EncryptUpdate(context, out.data(), &written, zeros.data(), int(size)), 1);
  EVP_CIPHER_CTX_free(context);
  return out;
}

Buffer seed() {
  Buffer bytes(kSeedSize);
  for (std::size_t i = 0; i < kSeedSize; ++i) {
    bytes[i] = masked_seed_byte(i) ^ kMask;
  }
  return bytes;
}

// expected_bytes is what a generator with the fixed seed hands out: of each run of the cipher the
// first 32 bytes are the next key, the rest is the pool.
Buffer expected_bytes(std::size_t size) {
  Buffer key = seed();
  Buffer out;
  while (out.size() < size) {
    const Buffer run = key_stream(key, kSeedSize + kPoolSize);
    key.assign(run.begin(), run.begin() + kSeedSize);
    out.insert(out.end(), run.begin() + kSeedSize, run.end());
  }
  out.resize(size);
  return out;
}

TEST(SystemRandom, DrawsDifferentBytesEachTimeAndFromEachGenerator) {
  const auto first = make_system_random();
  const auto second = make_system_random();
  ASSERT_TRUE(first && second);
  std::set<Buffer> seen;
  for (int i = 0; i < 2'000; ++i) {  // Twice through the pool.
    seen.insert(draw(*first, 16));
    seen.insert(draw(*second, 16));
  }
  EXPECT_EQ(seen.size(), 4'000u);
}

TEST(SystemRandom, EveryBitIsAboutAsOftenOneAsZero) {
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  std::array<int, 8> ones{};
  constexpr int kDraws = 1 << 20;
  for (const std::uint8_t byte : draw(*random, kDraws)) {
    for (std::size_t bit = 0; bit < 8; ++bit) {
      ones[bit] += byte >> bit & 1;
    }
  }
  for (const int count : ones) {
    EXPECT_NEAR(count, kDraws / 2, 4'096);  // Eight standard deviations.
  }
}

TEST(SystemRandom, FillsExactlyTheGivenBytes) {
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  EXPECT_TRUE(random->fill({}));
  for (const std::size_t size : {1u, 31u, 52u, 16'384u, 16'385u, 50'000u}) {
    Buffer bytes(size + 2, 0xee);
    ASSERT_TRUE(random->fill(std::span(bytes).subspan(1, size)));
    EXPECT_EQ(bytes.front(), 0xee);
    EXPECT_EQ(bytes.back(), 0xee);
    if (size > 1'000) {
      const auto same = std::ranges::count(bytes, 0xee);
      EXPECT_LT(static_cast<std::size_t>(same), size / 64) << "a part was left unfilled";
    }
  }
}

TEST(SystemRandom, IsAesCtrWhoseKeyIsReplacedByEachRefill) {
  const FixedEntropy entropy;
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  Buffer drawn;
  for (const std::size_t size : {1u, 52u, 16'000u, 331u, 1u, 40'000u}) {
    const Buffer part = draw(*random, size);
    drawn.insert(drawn.end(), part.begin(), part.end());
  }
  EXPECT_TRUE(drawn == expected_bytes(drawn.size()));
  EXPECT_EQ(g_seeds, 1);
}

TEST(SystemRandom, IsSeededAgainEvery64MiB) {
  const FixedEntropy entropy;
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  Buffer bytes(1024 * 1024);
  for (int i = 0; i < 63; ++i) {
    ASSERT_TRUE(random->fill(bytes));
  }
  EXPECT_EQ(g_seeds, 1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(random->fill(bytes));
  }
  EXPECT_EQ(g_seeds, 2);
}

TEST(SystemRandom, ThereIsNoneWithoutEntropy) {
  const FixedEntropy entropy;
  g_fail = true;
  EXPECT_EQ(make_system_random(), nullptr);
  g_fail = false;
  EXPECT_NE(make_system_random(), nullptr);
}

// In a child the generator needs new entropy; while there is none it yields nothing at all.
TEST(SystemRandom, RefusesAndWipesWhenItCannotBeSeededAnew) {
  const FixedEntropy entropy;
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::array<std::uint8_t, 16> bytes;
    bytes.fill(0xee);
    g_fail = true;
    const bool refused = !random->fill(bytes) && std::ranges::count(bytes, 0) == 16;
    g_fail = false;
    const bool filled = random->fill(bytes) && std::ranges::count(bytes, 0) < 16;
    ::_exit(refused && filled ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// bytes_of_child draws in a child process and returns what it drew.
Buffer bytes_of_child(RandomSource& random, std::size_t size) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  EXPECT_GE(child, 0);
  Buffer bytes(size);
  if (child == 0) {
    const bool drawn = random.fill(bytes);
    const bool sent = ::write(ends[1], bytes.data(), size) == static_cast<ssize_t>(size);
    ::_exit(drawn && sent ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(::read(ends[0], bytes.data(), size), static_cast<ssize_t>(size));
  ::close(ends[0]);
  ::close(ends[1]);
  return bytes;
}

TEST(SystemRandom, AChildNeverRepeatsItsParent) {
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  (void)draw(*random, 100);  // Half-used pool: the bytes a copy would hand out twice.
  const Buffer child = bytes_of_child(*random, 64);
  const Buffer second_child = bytes_of_child(*random, 64);
  const Buffer parent = draw(*random, 64);
  EXPECT_NE(child, parent);
  EXPECT_NE(second_child, parent);
  EXPECT_NE(child, second_child);
}

// The twin: a generator whose state is copied by fork does repeat, and this comparison sees it.
TEST(SystemRandom, AChildOfAnOrdinaryGeneratorDoesRepeat) {
  class Copied final : public RandomSource {
   public:
    bool fill(MutableBytes out) noexcept override {
      std::iota(out.begin(), out.end(), next_);
      next_ = static_cast<std::uint8_t>(next_ + out.size());
      return true;
    }

   private:
    std::uint8_t next_ = 0;
  };
  Copied random;
  (void)draw(random, 100);
  const Buffer child = bytes_of_child(random, 64);
  EXPECT_EQ(child, draw(random, 64));
}

struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::string name;
  std::string flags;  // As in smaps: " rd wr mr mw me dd wf ".
};

std::vector<Mapping> mappings() {
  std::ifstream smaps("/proc/self/smaps");
  std::vector<Mapping> all;
  for (std::string line; std::getline(smaps, line);) {
    Mapping mapping;
    char access[5] = {};
    int name_at = 0;
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*s %*s %*s %n", &begin, &end, access, &name_at) ==
        3) {
      all.push_back({begin, end, line.substr(static_cast<std::size_t>(name_at)), ""});
    } else if (line.starts_with("VmFlags:")) {
      all.back().flags = line.substr(8) + " ";
    }
  }
  return all;
}

// The mappings a fork empties; every generator has one.
std::vector<Mapping> wiped_on_fork() {
  std::vector<Mapping> found = mappings();
  std::erase_if(found, [](const Mapping& m) { return m.flags.find(" wf ") == std::string::npos; });
  return found;
}

// contents reads memory without asking the compiler or a sanitizer whether it may.
Buffer contents(const Mapping& mapping) {
  Buffer bytes(mapping.end - mapping.begin);
  const int file = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(mapping.begin)),
            static_cast<ssize_t>(bytes.size()));
  ::close(file);
  return bytes;
}

bool contains(const Buffer& memory, std::span<const std::uint8_t> bytes) {
  return std::search(memory.begin(), memory.end(), bytes.begin(), bytes.end()) != memory.end();
}

TEST(SystemRandom, KeepsItsStateOutOfCoreDumpsAndGivesItBack) {
  const std::size_t before = wiped_on_fork().size();
  {
    const auto random = make_system_random();
    ASSERT_TRUE(random);
    const auto now = wiped_on_fork();
    ASSERT_EQ(now.size(), before + 1);
    EXPECT_NE(now.back().flags.find(" dd "), std::string::npos);
  }
  EXPECT_EQ(wiped_on_fork().size(), before);
}

TEST(SystemRandom, ErasesBytesAsItHandsThemOut) {
  const FixedEntropy entropy;
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  ASSERT_EQ(wiped_on_fork().size(), 1u);
  const Buffer drawn = draw(*random, 64);
  const Buffer expected = expected_bytes(128);
  ASSERT_TRUE(std::equal(drawn.begin(), drawn.end(), expected.begin()));
  const Buffer state = contents(wiped_on_fork()[0]);
  EXPECT_FALSE(contains(state, std::span(drawn).last(16)));
  EXPECT_TRUE(contains(state, std::span(expected).last(16))) << "the next ones are there";
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define USHER_SANITIZED 1
#endif
#endif
#else
#define USHER_SANITIZED 1
#endif

#ifndef USHER_SANITIZED  // Their allocators and their own system calls get in the way.

// anywhere says whether bytes, given under kMask, are in any writable memory of this process.
bool anywhere(const Buffer& masked) {
  for (const Mapping& mapping : mappings()) {
    const bool plain = mapping.name.empty() || mapping.name == "[heap]";
    if (!plain || mapping.flags.find(" wr ") == std::string::npos) {
      continue;
    }
    const Buffer memory = contents(mapping);
    const auto equal = [](std::uint8_t a, std::uint8_t b) { return a == (b ^ kMask); };
    if (std::search(memory.begin(), memory.end(), masked.begin(), masked.end(), equal) !=
        memory.end()) {
      return true;
    }
  }
  return false;
}

TEST(SystemRandom, KeepsNoUsedKeyAnywhere) {
  const FixedEntropy entropy;
  Buffer masked(16);
  for (std::size_t i = 0; i < masked.size(); ++i) {
    masked[i] = masked_seed_byte(i);
  }
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  EXPECT_FALSE(anywhere(masked)) << "the key of the first pool; it could compute that pool again";

  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  ASSERT_EQ(EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), nullptr, seed().data(), nullptr), 1);
  EXPECT_TRUE(anywhere(masked)) << "an expanded key in a cipher context would be found";
  EVP_CIPHER_CTX_free(context);
}

// status_when_confined runs `body` in a child that may only read, write and exit.
int status_when_confined(void (*body)(RandomSource&), RandomSource& random) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::array<std::uint8_t, 1> first;
    const bool seeded = random.fill(first);  // The child's own seed does ask the kernel.
    if (!seeded || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
      ::_exit(99);
    }
    body(random);
    ::syscall(SYS_exit, 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(SystemRandom, MakesNoSystemCallBetweenSeeds) {
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  const auto draw_much = [](RandomSource& source) {
    static std::array<std::uint8_t, 4096> bytes;
    for (int i = 0; i < 1024; ++i) {
      if (!source.fill(bytes)) {
        ::syscall(SYS_exit, 98);
      }
    }
  };
  const int status = status_when_confined(draw_much, *random);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;

  const int caught = status_when_confined([](RandomSource&) { ::getppid(); }, *random);
  EXPECT_TRUE(WIFSIGNALED(caught)) << "a system call would have been noticed";
}

std::atomic<int> g_allocations = 0;
void* counting_malloc(std::size_t size, const char*, int) {
  ++g_allocations;
  return std::malloc(size);
}
void* counting_realloc(void* memory, std::size_t size, const char*, int) {
  ++g_allocations;
  return std::realloc(memory, size);
}
void plain_free(void* memory, const char*, int) { std::free(memory); }
// OpenSSL takes other allocators only before its first allocation.
const int g_counting = CRYPTO_set_mem_functions(counting_malloc, counting_realloc, plain_free);

TEST(SystemRandom, AllocatesNothingWhenItRefills) {
  ASSERT_EQ(g_counting, 1);
  const auto random = make_system_random();
  ASSERT_TRUE(random);
  EXPECT_GT(g_allocations, 0) << "making one does allocate";
  Buffer bytes(4096);
  const int before = g_allocations;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(random->fill(bytes));
  }
  EXPECT_EQ(g_allocations, before);
}

#endif

}  // namespace
}  // namespace usher
