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

// Stream is what is to be taken into a state: whole blocks of a text, then the last ones, which are
// elsewhere because of their padding.
struct Stream {
  std::uint32_t* state;  // Five words.
  const std::uint8_t* text;
  std::size_t blocks;
  const std::uint8_t* tail;
  std::size_t tail_blocks;
};

// Sha1Runner runs streams side by side. Where one ends, the next takes its lane.
class Sha1Runner {
 public:
  void run(std::span<const Stream> streams) noexcept;

 private:
  void run_alone(std::span<const Stream> streams) noexcept {
    for (const Stream& stream : streams) {
      if (stream.blocks > 0) {
        add_sha1_blocks(stream.state, stream.text, stream.blocks);
      }
      if (stream.tail_blocks > 0) {
        add_sha1_blocks(stream.state, stream.tail, stream.tail_blocks);
      }
    }
  }
  void begin(std::size_t lane, const Stream& stream) noexcept {
    for (std::size_t i = 0; i < x86::kSha1Words; ++i) {
      lanes_.state[i][lane] = stream.state[i];
    }
    streams_[lane] = &stream;
    const bool has_text = stream.blocks > 0;
    lanes_.text[lane] = has_text ? stream.text : stream.tail;
    left_[lane] = has_text ? stream.blocks : stream.tail_blocks;
    in_tail_[lane] = !has_text;
  }
  void end(std::size_t lane) noexcept {
    std::uint32_t* const state = streams_[lane]->state;
    for (std::size_t i = 0; i < x86::kSha1Words; ++i) {
      state[i] = lanes_.state[i][lane];
    }
    streams_[lane] = nullptr;
  }
  void step(std::size_t lane_count) noexcept;

  x86::Sha1Lanes lanes_{};
  std::array<const Stream*, x86::kSha1LanesMax> streams_{};
  std::array<std::size_t, x86::kSha1LanesMax> left_{};
  std::array<bool, x86::kSha1LanesMax> in_tail_{};
};

// step goes on to where the first lane comes to an end. What is in lanes without a stream does not
// matter, only that there is some text.
void Sha1Runner::step(std::size_t lane_count) noexcept {
  std::size_t blocks = SIZE_MAX;
  const std::uint8_t* text = nullptr;
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    if (streams_[lane] != nullptr && left_[lane] < blocks) {
      blocks = left_[lane];
      text = lanes_.text[lane];
    }
  }
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    if (streams_[lane] == nullptr) {
      lanes_.text[lane] = text;
    }
  }
  (lane_count == x86::kSha1Avx512Lanes ? x86::sha1_avx512 : x86::sha1_avx2)(lanes_, blocks);
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    if (streams_[lane] == nullptr) {
      continue;
    }
    left_[lane] -= blocks;
    if (left_[lane] == 0 && !in_tail_[lane]) {
      lanes_.text[lane] = streams_[lane]->tail;
      left_[lane] = streams_[lane]->tail_blocks;
      in_tail_[lane] = true;
    }
  }
}

void Sha1Runner::run(std::span<const Stream> streams) noexcept {
  const bool wide = cpu().has_avx512;
  const std::size_t lane_count = wide ? x86::kSha1Avx512Lanes : x86::kSha1Avx2Lanes;
  // All lanes cost as much as one, so a few that are over go alone.
  const std::size_t worth = wide ? 4 : cpu().has_sha_ni ? 7 : 2;
  const std::size_t over = streams.size() % lane_count;
  if (over < worth) {
    run_alone(streams.last(over));
    streams = streams.first(streams.size() - over);
  }
  std::size_t next = 0;
  std::size_t running = 0;
  while (next < streams.size() || running > 0) {
    for (std::size_t lane = 0; lane < lane_count && next < streams.size(); ++lane) {
      if (streams_[lane] == nullptr) {
        begin(lane, streams[next++]);
        ++running;
      }
    }
    step(lane_count);
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      if (streams_[lane] != nullptr && left_[lane] == 0) {
        end(lane);
        --running;
      }
    }
  }
}

class X86Lanes final : public Lanes {
 public:
  X86Lanes(Kit& kit, std::unique_ptr<Lanes> others) noexcept
      : Lanes(kit), others_(std::move(others)) {}

  bool derive(const DeriveInputs& inputs, std::span<const DeriveJob> jobs) noexcept override;
  bool cts_decrypt(std::span<const CtsDecryptJob> jobs) noexcept override;
  bool cts_encrypt(std::span<const CtsEncryptJob> jobs) noexcept override;
  bool hmac(Digest digest, std::span<const HmacJob> jobs) noexcept override;
  bool hmac(Digest digest, std::span<const ReadyHmacJob> jobs) noexcept override;
  void prepare(Digest digest, std::span<HmacKey* const> keys) noexcept override;

 private:
  // Seat is what the HMAC of one text needs. All of it is secret.
  struct Seat {
    alignas(64) std::array<std::uint8_t, 2 * kBlockSize> tail;  // Of the text, and padding.
    std::array<std::uint8_t, kBlockSize> outer;                 // The inner hash, and padding.
    State inner_state;
    State outer_state;
  };
  static_assert(sizeof(Seat) == 256);

  template <class Job>
  void hmac_some(std::span<const Job> jobs) noexcept;
  void pad_keys(std::size_t count) noexcept;
  void finish(std::size_t count) noexcept;
  void forget(std::size_t count) noexcept {
    wipe({reinterpret_cast<std::uint8_t*>(seats_.data()), count * sizeof(Seat)});
    wipe({reinterpret_cast<std::uint8_t*>(&runner_), sizeof(runner_)});
    forget_stack();
  }

  std::unique_ptr<Lanes> others_;
  Sha1Runner runner_;
  std::array<Seat, kChunk> seats_;
  std::array<Stream, 2 * kChunk> streams_;
  std::array<x86::AesDecryption, kChunk> decryptions_;
  std::array<x86::AesEncryption, kChunk> encryptions_;
  std::array<x86::AesDerivation, kChunk> derivations_;
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

// pad_keys makes the states of the first `count` seats of the padded keys that are in their tails.
void X86Lanes::pad_keys(std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    Seat& seat = seats_[i];
    seat.inner_state = kSha1Start;
    seat.outer_state = kSha1Start;
    streams_[2 * i] = {.state = seat.inner_state.data(), .text = seat.tail.data(), .blocks = 1};
    streams_[2 * i + 1] = {
        .state = seat.outer_state.data(), .text = seat.tail.data() + kBlockSize, .blocks = 1};
  }
  runner_.run(std::span(streams_).first(2 * count));
}

// finish makes the outer hashes, of the inner ones, which are in the inner states.
void X86Lanes::finish(std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    Seat& seat = seats_[i];
    seat.outer = {};
    for (std::size_t n = 0; n < seat.inner_state.size(); ++n) {
      store_be(std::span(seat.outer).subspan(4 * n).first<4>(), seat.inner_state[n]);
    }
    seat.outer[kHashSize] = 0x80;
    store_be(std::span(seat.outer).last<8>(), std::uint64_t{8 * (kBlockSize + kHashSize)});
    streams_[i] = {.state = seat.outer_state.data(), .text = seat.outer.data(), .blocks = 1};
  }
  runner_.run(std::span(streams_).first(count));
}

template <class Job>
void X86Lanes::hmac_some(std::span<const Job> jobs) noexcept {
  if constexpr (std::is_same_v<Job, HmacJob>) {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      pad_key<kBlockSize>(jobs[i].key, seats_[i].tail.data(), seats_[i].tail.data() + kBlockSize);
    }
    pad_keys(jobs.size());
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Bytes text = jobs[i].text;
    Seat& seat = seats_[i];
    if constexpr (std::is_same_v<Job, ReadyHmacJob>) {
      std::memcpy(seat.inner_state.data(), jobs[i].key->inner(), kHashSize);
      std::memcpy(seat.outer_state.data(), jobs[i].key->outer(), kHashSize);
    }
    // FIPS 180-4 5.1.1: a one, zeros, and the number of bits, that of the padded key's included.
    const std::size_t blocks = text.size() / kBlockSize;
    const Bytes rest = text.subspan(blocks * kBlockSize);
    const std::size_t tail_size = rest.size() < kBlockSize - 8 ? kBlockSize : 2 * kBlockSize;
    seat.tail = {};
    std::ranges::copy(rest, seat.tail.begin());
    seat.tail[rest.size()] = 0x80;
    store_be(std::span(seat.tail).first(tail_size).template last<8>(),
             std::uint64_t{8 * (kBlockSize + text.size())});
    streams_[i] = {.state = seat.inner_state.data(),
                   .text = text.data(),
                   .blocks = blocks,
                   .tail = seat.tail.data(),
                   .tail_blocks = tail_size / kBlockSize};
  }
  runner_.run(std::span(streams_).first(jobs.size()));
  finish(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (std::size_t n = 0; n < x86::kSha1Words; ++n) {
      store_be(jobs[i].out.subspan(4 * n).template first<4>(), seats_[i].outer_state[n]);
    }
  }
  forget(jobs.size());
}

bool X86Lanes::hmac(Digest digest, std::span<const HmacJob> jobs) noexcept {
  if (digest != Digest::kSha1) {
    return others_->hmac(digest, jobs);
  }
  in_chunks(jobs, [this](std::span<const HmacJob> some) { hmac_some(some); });
  return true;
}

bool X86Lanes::hmac(Digest digest, std::span<const ReadyHmacJob> jobs) noexcept {
  if (digest != Digest::kSha1) {
    return others_->hmac(digest, jobs);
  }
  in_chunks(jobs, [this](std::span<const ReadyHmacJob> some) { hmac_some(some); });
  return true;
}

void X86Lanes::prepare(Digest digest, std::span<HmacKey* const> keys) noexcept {
  if (digest != Digest::kSha1) {
    return Lanes::prepare(digest, keys);
  }
  in_chunks(keys, [this](std::span<HmacKey* const> some) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      pad_key<kBlockSize>(some[i]->key(), seats_[i].tail.data(),
                          seats_[i].tail.data() + kBlockSize);
    }
    pad_keys(some.size());
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::memcpy(some[i]->inner(), seats_[i].inner_state.data(), kHashSize);
      std::memcpy(some[i]->outer(), seats_[i].outer_state.data(), kHashSize);
    }
    forget(some.size());
  });
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
  x86::aes_expand(key.data(), key.size(), direction == AesDirection::kDecrypt, schedule);
}

}  // namespace usher::crypto
