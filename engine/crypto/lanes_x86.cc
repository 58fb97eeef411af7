// Lanes over this project's own AES and SHA-1 for x86: which of x86_kernels.h runs when, on what.
#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kChunk = kBatchMax;  // Texts hashed at once.
constexpr std::size_t kBlockSize = block_size_of(Digest::kSha1);
constexpr std::size_t kHashSize = hmac_size_of(Digest::kSha1);
using State = std::array<std::uint32_t, x86::kSha1Words>;

// FIPS 180-4 5.1.1: what follows the hash in an outer hash's block; 672 bits in all.
constexpr std::array<std::uint8_t, kBlockSize - kHashSize> kOuterEnd = [] {
  std::array<std::uint8_t, kBlockSize - kHashSize> end{0x80};
  store_be(std::span(end).last<8>(), std::uint64_t{8 * (kBlockSize + kHashSize)});
  return end;
}();

// Cpu is what there is. Asked once: the question traps in a virtual machine.
struct Cpu {
  bool has_lanes;
  bool has_avx512;
  bool has_sha_ni;

  Cpu() noexcept {
    __builtin_cpu_init();
    has_lanes = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("aes") != 0;
    has_avx512 = __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
    std::uint32_t d = 0;
    has_sha_ni = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
  }
};

const Cpu& cpu() noexcept {
  static const Cpu found;
  return found;
}

// forget_stack overwrites what the kernels have left below: the compiler puts round keys and words
// of texts on the stack when it runs out of registers. Their frames have at most 904 bytes
// (-fstack-usage; always compiled with -O3).
[[gnu::noinline]] void forget_stack() noexcept {
  std::array<std::uint8_t, 1024> room;
  wipe(room);
}

// sha1_openssl is a kernel of one lane for CPUs without SHA-NI: OpenSSL's is then faster than ours
// would be.
void sha1_openssl(x86::Sha1Lanes& lanes, std::size_t blocks) noexcept {
  State state;
  for (std::size_t i = 0; i < state.size(); ++i) {
    state[i] = lanes.state[i][0];
  }
  add_sha1_blocks(state.data(), lanes.text[0], blocks);
  lanes.text[0] += blocks * kBlockSize;
  for (std::size_t i = 0; i < state.size(); ++i) {
    lanes.state[i][0] = state[i];
  }
}

// Way is a kernel, how many lanes it has, and how many must be in use: it takes as long for one as
// for all.
struct Way {
  x86::Sha1Kernel* kernel;
  std::size_t lanes;
  std::size_t worth;
};

// From the widest to the narrowest. Nanoseconds a block, all lanes together (EPYC, Zen 4, 3.7 GHz):
// AVX-512 150, AVX2 145; SHA-NI four 61, two 39, one 34; OpenSSL 33 with SHA-NI. In instructions,
// AVX2 takes 1,650 and OpenSSL 950 without SHA-NI.
constexpr std::array kWithAvx512 = {Way{x86::sha1_avx512, 16, 9}, Way{x86::sha1_ni_4, 4, 3},
                                    Way{x86::sha1_ni_2, 2, 2}, Way{x86::sha1_ni_1, 1, 1}};
constexpr std::array kWithAvx512Alone = {Way{x86::sha1_avx512, 16, 9}, Way{x86::sha1_avx2, 8, 2},
                                         Way{sha1_openssl, 1, 1}};
constexpr std::array kWithShaNi = {Way{x86::sha1_ni_4, 4, 3}, Way{x86::sha1_ni_2, 2, 2},
                                   Way{x86::sha1_ni_1, 1, 1}};
constexpr std::array kWithAvx2 = {Way{x86::sha1_avx2, 8, 2}, Way{sha1_openssl, 1, 1}};

std::span<const Way> ways() noexcept {
  if (cpu().has_sha_ni) {
    return cpu().has_avx512 ? std::span<const Way>(kWithAvx512) : kWithShaNi;
  }
  return cpu().has_avx512 ? std::span<const Way>(kWithAvx512Alone) : kWithAvx2;
}

// each_share gives `count` things to the ways that are best for so many: `run` is called with a
// way, the number of its first one, and how many it has.
template <class Run>
void each_share(std::span<const Way> ways, std::size_t count, Run run) noexcept {
  std::size_t first = 0;
  for (const Way& way : ways) {
    const std::size_t over = (count - first) % way.lanes;
    const std::size_t some = count - first - (over >= way.worth ? 0 : over);
    if (some > 0) {
      run(way, first, some);
      first += some;
    }
  }
  assert(first == count);
}

// HmacSha1 makes many HMACs side by side (RFC 2104).
class HmacSha1 {
 public:
  // prepare and run take up to kChunk at once, and leave nothing of them here.
  void prepare(std::span<HmacKey* const> keys) noexcept;
  void run(std::span<const ReadyHmacJob> jobs) noexcept;

 private:
  // Seat is one text's: its end, with padding, and its outer hash's block. Of a key, both pads.
  struct Seat {
    // In front of the end there is room for what comes with it when it is copied.
    std::array<std::uint8_t, 3 * kBlockSize> octets;
    std::uint32_t tail_blocks;
    bool in_tail;

    [[nodiscard]] std::uint8_t* outer() noexcept { return octets.data(); }
    [[nodiscard]] std::uint8_t* tail() noexcept { return octets.data() + kBlockSize; }
  };

  void write_state(std::size_t lane, const std::uint8_t* words) noexcept {
    State state;
    std::memcpy(state.data(), words, sizeof(state));
    for (std::size_t i = 0; i < state.size(); ++i) {
      lanes_.state[i][lane] = state[i];
    }
  }
  [[nodiscard]] State state_of(std::size_t lane) const noexcept {
    State state;
    for (std::size_t i = 0; i < state.size(); ++i) {
      state[i] = lanes_.state[i][lane];
    }
    return state;
  }
  // write_hash writes at least the 20 bytes of a hash.
  void write_hash(std::size_t lane, std::uint8_t* out) const noexcept {
    State state = state_of(lane);
    for (std::uint32_t& word : state) {
      word = __builtin_bswap32(word);
    }
    std::memcpy(out, state.data(), sizeof(state));
  }

  void begin(std::size_t lane, const ReadyHmacJob& job, Seat& seat) noexcept;
  void step(std::size_t lane_count, x86::Sha1Kernel* kernel, std::size_t idle) noexcept;
  void hash_inner(const Way& way, std::span<const ReadyHmacJob> jobs, Seat* seats) noexcept;
  void hash_outer(const Way& way, std::span<const ReadyHmacJob> jobs, Seat* seats) noexcept;
  void forget(std::size_t count) noexcept {
    wipe({reinterpret_cast<std::uint8_t*>(seats_.data()), count * sizeof(Seat)});
    wipe({reinterpret_cast<std::uint8_t*>(&lanes_), sizeof(lanes_)});
    forget_stack();
  }

  // What a lane without a text has left: more than any other.
  static constexpr std::uint32_t kIdle = 1u << 31;

  const std::span<const Way> ways_ = ways();
  x86::Sha1Lanes lanes_{};
  std::array<std::uint32_t, x86::kSha1LanesMax> left_{};  // Blocks.
  std::array<Seat*, x86::kSha1LanesMax> sitting_{};
  std::array<Seat, kChunk> seats_;
};

void HmacSha1::prepare(std::span<HmacKey* const> keys) noexcept {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::uint8_t* const pads = seats_[i].tail();
    pad_key<kBlockSize>(keys[i]->key(), pads, pads + kBlockSize);
  }
  // Two lanes for each key.
  each_share(ways_, 2 * keys.size(), [&](const Way& way, std::size_t first, std::size_t some) {
    const std::size_t end = first + some;
    for (; first < end; first += way.lanes) {
      for (std::size_t i = 0; i < x86::kSha1Words; ++i) {
        std::fill_n(lanes_.state[i], way.lanes, kSha1Start[i]);
      }
      for (std::size_t lane = 0; lane < way.lanes; ++lane) {
        const std::size_t at = std::min(first + lane, end - 1);
        lanes_.text[lane] = seats_[at / 2].tail() + at % 2 * kBlockSize;
      }
      way.kernel(lanes_, 1);
      const std::size_t group_end = std::min(first + way.lanes, end);
      for (std::size_t at = first; at < group_end; ++at) {
        const State state = state_of(at - first);
        std::memcpy(at % 2 == 0 ? keys[at / 2]->inner() : keys[at / 2]->outer(), state.data(),
                    sizeof(state));
      }
    }
  });
  forget(keys.size());
}

// begin puts a text into a lane.
void HmacSha1::begin(std::size_t lane, const ReadyHmacJob& job, Seat& seat) noexcept {
  const std::size_t blocks = job.text.size() / kBlockSize;
  const Bytes rest = job.text.subspan(blocks * kBlockSize);
  //= FIPS 180-4 5.1.1: a one, zeros, and the number of bits, those of the padded key included
  seat.tail_blocks = rest.size() < kBlockSize - 8 ? 1 : 2;
  seat.in_tail = blocks == 0;
  if (seat.in_tail) {
    std::ranges::copy(rest, seat.tail());
  } else {
    // The last 64 bytes, because a copy of a known size takes a tenth of the instructions.
    std::memcpy(seat.octets.data() + rest.size(), rest.data() + rest.size() - kBlockSize,
                kBlockSize);
  }
  std::memset(seat.tail() + rest.size(), 0, kBlockSize);  // Of two blocks, up to the number.
  seat.tail()[rest.size()] = 0x80;
  store_be(MutableBytes(seat.tail() + seat.tail_blocks * kBlockSize - 8, 8),
           std::uint64_t{8 * (kBlockSize + job.text.size())});
  write_state(lane, job.key->inner());
  lanes_.text[lane] = seat.in_tail ? seat.tail() : job.text.data();
  left_[lane] = static_cast<std::uint32_t>(seat.in_tail ? seat.tail_blocks : blocks);
  sitting_[lane] = &seat;
}

// step goes on to where the first lane comes to an end. What `idle` lanes take in does not matter,
// only that there is some text.
void HmacSha1::step(std::size_t lane_count, x86::Sha1Kernel* kernel, std::size_t idle) noexcept {
  const auto first = std::min_element(left_.begin(), left_.begin() + lane_count);
  const std::uint32_t blocks = *first;
  if (idle > 0) {
    const std::uint8_t* const text = lanes_.text[first - left_.begin()];
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      if (left_[lane] == kIdle) {
        lanes_.text[lane] = text;
        left_[lane] += blocks;
      }
    }
  }
  kernel(lanes_, blocks);
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    left_[lane] -= blocks;
  }
}

// hash_inner leaves the inner hashes where the outer ones begin. Where a text ends, the next takes
// its lane.
void HmacSha1::hash_inner(const Way& way, std::span<const ReadyHmacJob> jobs,
                          Seat* seats) noexcept {
  std::size_t next = 0;
  std::size_t idle = 0;
  const auto go_on = [&](std::size_t lane) {
    if (next < jobs.size()) {
      begin(lane, jobs[next], seats[next]);
      ++next;
    } else {
      left_[lane] = kIdle;
      ++idle;
    }
  };
  for (std::size_t lane = 0; lane < way.lanes; ++lane) {
    go_on(lane);
  }
  while (idle < way.lanes) {
    step(way.lanes, way.kernel, idle);
    for (std::size_t lane = 0; lane < way.lanes; ++lane) {
      if (left_[lane] != 0) {
        continue;
      }
      Seat& seat = *sitting_[lane];
      if (!seat.in_tail) {
        seat.in_tail = true;
        lanes_.text[lane] = seat.tail();
        left_[lane] = static_cast<std::uint32_t>(seat.tail_blocks);
        continue;
      }
      write_hash(lane, seat.outer());
      std::memcpy(seat.outer() + kHashSize, kOuterEnd.data(), kOuterEnd.size());
      go_on(lane);
    }
  }
}

void HmacSha1::hash_outer(const Way& way, std::span<const ReadyHmacJob> jobs,
                          Seat* seats) noexcept {
  while (!jobs.empty()) {
    const std::size_t some = std::min(jobs.size(), way.lanes);
    for (std::size_t lane = 0; lane < way.lanes; ++lane) {
      const std::size_t at = std::min(lane, some - 1);
      write_state(lane, jobs[at].key->outer());
      lanes_.text[lane] = seats[at].outer();
    }
    way.kernel(lanes_, 1);
    for (std::size_t lane = 0; lane < some; ++lane) {
      write_hash(lane, jobs[lane].out.data());
    }
    jobs = jobs.subspan(some);
    seats += some;
  }
}

void HmacSha1::run(std::span<const ReadyHmacJob> jobs) noexcept {
  each_share(ways_, jobs.size(), [&](const Way& way, std::size_t first, std::size_t some) {
    hash_inner(way, jobs.subspan(first, some), &seats_[first]);
    hash_outer(way, jobs.subspan(first, some), &seats_[first]);
  });
  forget(jobs.size());
}

class X86Lanes final : public Lanes {
 public:
  X86Lanes(Kit& kit, std::unique_ptr<Lanes> others) noexcept
      : Lanes(kit), others_(std::move(others)) {}

  bool derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept override;
  bool cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept override;
  bool cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept override;
  // Keys of SHA-1 are all prepared before they are used, so this is not worth code of its own.
  bool hmac(Digest digest, std::span<const HmacJob> jobs) noexcept override {
    return others_->hmac(digest, jobs);
  }
  bool hmac(Digest digest, std::span<const ReadyHmacJob> jobs) noexcept override;
  void prepare(Digest digest, std::span<HmacKey* const> keys) noexcept override;
  void expand(AesDirection direction, std::span<AesKey* const> keys) noexcept override;

 private:
  std::unique_ptr<Lanes> others_;
  HmacSha1 hmac_sha1_;
  std::array<x86::AesDecryption, kChunk> decryptions_;
  std::array<x86::AesEncryption, kChunk> encryptions_;
  std::array<x86::AesDerivation, kChunk> derivations_;
  std::array<x86::AesExpansion, kChunk> expansions_;
};

template <class Job, class Run>
void in_chunks(std::span<const Job> jobs, Run run) noexcept {
  while (!jobs.empty()) {
    const std::span<const Job> some = jobs.first(std::min(jobs.size(), kChunk));
    run(some);
    jobs = jobs.subspan(some.size());
  }
}

bool X86Lanes::derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept {
  std::uint8_t blocks[std::tuple_size_v<DeriveInputs>][kAesBlockSize];
  static_assert(sizeof(blocks) == sizeof(inputs));
  std::memcpy(blocks, inputs.data(), sizeof(blocks));
  in_chunks(jobs, [&](std::span<const DeriveJob> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      derivations_[i].base = some[i].base.data();
      std::ranges::copy(some[i].keys, derivations_[i].keys);
    }
    x86::aes_derive(blocks, derivations_.data(), some.size(), some[0].base.size());
  });
  forget_stack();
  return true;
}

bool X86Lanes::cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept {
  in_chunks(jobs, [&](std::span<const CtsDecryptJob> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      const CtsDecryptJob& job = some[i];
      assert(job.in.size() >= kAesBlockSize && job.out.size() == job.in.size());
      decryptions_[i] = {.schedule = job.key->schedule(),
                         .in = job.in.data(),
                         .out = job.out.data(),
                         .size = job.in.size()};
    }
    x86::aes_cts_decrypt(decryptions_.data(), some.size(), some[0].key->key().size());
  });
  forget_stack();
  return true;
}

bool X86Lanes::cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept {
  in_chunks(jobs, [&](std::span<const CtsEncryptJob> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      const CtsEncryptJob& job = some[i];
      assert(job.text.size() >= kAesBlockSize && job.out.size() == job.text.size());
      encryptions_[i] = {.schedule = job.key->schedule(),
                         .text = job.text.data(),
                         .out = job.out.data(),
                         .size = job.text.size()};
    }
    x86::aes_cts_encrypt(encryptions_.data(), some.size(), some[0].key->key().size());
  });
  forget_stack();
  return true;
}

bool X86Lanes::hmac(Digest digest, std::span<const ReadyHmacJob> jobs) noexcept {
  if (digest != Digest::kSha1) {
    return others_->hmac(digest, jobs);
  }
  in_chunks(jobs, [this](std::span<const ReadyHmacJob> some) { hmac_sha1_.run(some); });
  return true;
}

void X86Lanes::prepare(Digest digest, std::span<HmacKey* const> keys) noexcept {
  if (digest != Digest::kSha1) {
    return Lanes::prepare(digest, keys);
  }
  in_chunks(keys, [this](std::span<HmacKey* const> some) { hmac_sha1_.prepare(some); });
}

void X86Lanes::expand(AesDirection direction, std::span<AesKey* const> keys) noexcept {
  in_chunks(keys, [&](std::span<AesKey* const> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      expansions_[i] = {.key = some[i]->key().data(), .schedule = some[i]->schedule()};
    }
    x86::aes_expand(expansions_.data(), some.size(), some[0]->key().size(),
                    direction == AesDirection::kDecrypt);
  });
  forget_stack();
}

}  // namespace

bool has_x86_lanes() noexcept { return cpu().has_lanes; }

std::unique_ptr<Lanes> make_x86_lanes(Kit& kit, std::unique_ptr<Lanes> others) noexcept {
  if (!has_x86_lanes()) {
    return nullptr;
  }
  return std::unique_ptr<Lanes>(new (std::nothrow) X86Lanes(kit, std::move(others)));
}

void write_x86_schedule(Bytes key, AesDirection direction, std::uint8_t* schedule) noexcept {
  const x86::AesExpansion expansion{.key = key.data(), .schedule = schedule};
  x86::aes_expand(&expansion, 1, key.size(), direction == AesDirection::kDecrypt);
}

}  // namespace usher::crypto
