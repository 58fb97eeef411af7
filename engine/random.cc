// AES-256-CTR with fast key erasure, in memory that a fork empties.
#include "engine/random.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <span>

#include "engine/secret.h"
#include "engine/wiped_on_fork.h"

namespace usher {
namespace {

constexpr std::size_t kPoolSize = 16 * 1024;
constexpr std::size_t kCipherKeySize = 32;
constexpr int kStreamSize = kCipherKeySize + kPoolSize;
constexpr std::uint64_t kReseedAfterSize = 64 * 1024 * 1024;

// Each key enciphers one stream and is gone, so the counter may start at zero every time.
constexpr std::array<std::uint8_t, 16> kFirstCounter{};
constexpr std::array<std::uint8_t, kCipherKeySize> kNoKey{};

// State is everything that could tell past or future bytes. All zero means "not seeded": that is
// how mmap hands it out and how a fork leaves it in the child.
struct State {
  std::uint64_t seeded;           // 0 or 1.
  std::uint64_t since_seed_size;  // Bytes made since the last seed.
  std::uint64_t left_size;        // Bytes at the end of the pool not handed out yet.
  // The next key, and behind it the pool; one run of the cipher makes both.
  std::array<std::uint8_t, kStreamSize> stream;

  MutableBytes key() noexcept { return std::span(stream).first(kCipherKeySize); }
  MutableBytes left() noexcept { return std::span(stream).last(left_size); }
};

// The object lies on a page of its own, in front of its State: a fork must empty the State but not
// the object, whose pointers the child still needs.
struct Layout {
  std::size_t state_offset;
  std::size_t state_size;
  std::size_t size;
};

Layout layout() noexcept {
  const std::size_t page = whole_pages(1);
  const std::size_t state_size = whole_pages(sizeof(State));
  return {.state_offset = page, .state_size = state_size, .size = page + state_size};
}

class SystemRandom final : public RandomSource {
 public:
  static std::unique_ptr<RandomSource> make() noexcept;

  explicit SystemRandom(State& state) noexcept : state_(state) {}
  SystemRandom(const SystemRandom&) = delete;
  SystemRandom& operator=(const SystemRandom&) = delete;
  ~SystemRandom() override {
    OPENSSL_cleanse(&state_, sizeof(State));
    EVP_CIPHER_CTX_free(cipher_);
  }

  bool fill(MutableBytes out) noexcept override;

  // make() places the object in a mapping, not on the heap; this is where `delete` ends up.
  // NOLINTNEXTLINE(cert-dcl54-cpp): there is no allocation function to match.
  static void operator delete(void* memory) noexcept { ::munmap(memory, layout().size); }

 private:
  bool start() noexcept;
  void hand_out(MutableBytes out) noexcept;
  bool seed() noexcept;
  bool refill() noexcept;

  State& state_;
  EVP_CIPHER_CTX* cipher_ = nullptr;
};

std::unique_ptr<RandomSource> SystemRandom::make() noexcept {
  const Layout parts = layout();
  void* const memory = map_wiped_on_fork(parts.state_offset, parts.state_size);
  if (memory == nullptr) {
    return nullptr;
  }
  void* const state = static_cast<std::uint8_t*>(memory) + parts.state_offset;
  if (::madvise(state, parts.state_size, MADV_DONTDUMP) != 0) {
    ::munmap(memory, parts.size);
    return nullptr;
  }
  std::unique_ptr<SystemRandom> random(std::construct_at(
      static_cast<SystemRandom*>(memory), *std::construct_at(static_cast<State*>(state))));
  if (!random->start()) {
    return nullptr;
  }
  return random;
}

// start does once what would allocate: it makes the cipher context and chooses its cipher. Setting
// another key later does not.
bool SystemRandom::start() noexcept {
  cipher_ = EVP_CIPHER_CTX_new();
  return cipher_ != nullptr &&
         EVP_EncryptInit_ex(cipher_, EVP_aes_256_ctr(), nullptr, nullptr, nullptr) == 1 && refill();
}

bool SystemRandom::fill(MutableBytes out) noexcept {
  const MutableBytes whole = out;
  while (out.size() > state_.left_size) {
    const std::size_t size = state_.left_size;
    hand_out(out.first(size));
    out = out.subspan(size);
    if (!refill()) {
      wipe(whole);
      return false;
    }
  }
  hand_out(out);
  return true;
}

// hand_out fills `out` with what is left, which is at least as much.
void SystemRandom::hand_out(MutableBytes out) noexcept {
  const MutableBytes taken = state_.left().first(out.size());
  copy(taken, out);
  wipe(taken);
  state_.left_size -= out.size();
}

// seed mixes fresh entropy into the key, so that the key is never worse than it was.
bool SystemRandom::seed() noexcept {
  std::array<std::uint8_t, kCipherKeySize> entropy;
  const bool seeded = RAND_priv_bytes(entropy.data(), int{entropy.size()}) == 1;
  if (seeded) {
    const MutableBytes key = state_.key();
    for (std::size_t i = 0; i < entropy.size(); ++i) {
      key[i] = static_cast<std::uint8_t>(key[i] ^ entropy[i]);
    }
    state_.seeded = 1;
    state_.since_seed_size = 0;
  }
  wipe(entropy);
  return seeded;
}

bool SystemRandom::refill() noexcept {
  assert(state_.left_size == 0);
  const bool stale = state_.seeded == 0 || state_.since_seed_size >= kReseedAfterSize;
  if (stale && !seed()) {
    return false;
  }
  int made = 0;
  auto& stream = state_.stream;
  bool good =
      EVP_EncryptInit_ex(cipher_, nullptr, nullptr, state_.key().data(), kFirstCounter.data()) == 1;
  wipe(stream);  // The key as well: from here on it is in the cipher context only.
  good = good &&
         EVP_EncryptUpdate(cipher_, stream.data(), &made, stream.data(), kStreamSize) == 1 &&
         made == kStreamSize;
  // The context is on the heap, which forks and core dumps copy: it must not keep the used key.
  good = EVP_EncryptInit_ex(cipher_, nullptr, nullptr, kNoKey.data(), kFirstCounter.data()) == 1 &&
         good;
  if (!good) {
    OPENSSL_cleanse(&state_, sizeof(State));
    return false;
  }
  state_.left_size = kPoolSize;
  state_.since_seed_size += stream.size();
  return true;
}

}  // namespace

std::unique_ptr<RandomSource> make_system_random() noexcept { return SystemRandom::make(); }

}  // namespace usher
